/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fault.c - ICMP errors that come in: what they mean, which socket they are about, and what the routing table learns of
 * them.
 *
 * An error quotes the packet that it is about, which must have been ours: it is believed only when a socket is found
 * that could have sent it. What it says means to a program the same errno as on Linux.
 */
#include "ip.h"

#define QUOTE_MAX 1500
#define ICMP_HEADER 8
#define MTU_MIN4 552 /* less is not believed: Linux's least path MTU */
#define MTU_MIN6 1280

struct meaning {
	int error;
	bool hard;
};

/* Codes of ICMP "destination unreachable". */
static const struct meaning unreachable4[] = {
        [ICMP_NET_UNREACH] = {ENETUNREACH, false},    [ICMP_HOST_UNREACH] = {EHOSTUNREACH, false},
        [ICMP_PROT_UNREACH] = {ENOPROTOOPT, true},    [ICMP_PORT_UNREACH] = {ECONNREFUSED, true},
        [ICMP_FRAG_NEEDED] = {EMSGSIZE, false},       [ICMP_SR_FAILED] = {EOPNOTSUPP, false},
        [ICMP_NET_UNKNOWN] = {ENETUNREACH, true},     [ICMP_HOST_UNKNOWN] = {EHOSTDOWN, true},
        [ICMP_HOST_ISOLATED] = {ENONET, true},        [ICMP_NET_ANO] = {ENETUNREACH, true},
        [ICMP_HOST_ANO] = {EHOSTUNREACH, true},       [ICMP_NET_UNR_TOS] = {ENETUNREACH, false},
        [ICMP_HOST_UNR_TOS] = {EHOSTUNREACH, false},  [ICMP_PKT_FILTERED] = {EHOSTUNREACH, true},
        [ICMP_PREC_VIOLATION] = {EHOSTUNREACH, true}, [ICMP_PREC_CUTOFF] = {EHOSTUNREACH, true},
};

/* Codes of ICMPv6 "destination unreachable". */
static const struct meaning unreachable6[] = {
        [ICMP6_DST_UNREACH_NOROUTE] = {ENETUNREACH, false},
        [ICMP6_DST_UNREACH_ADMIN] = {EACCES, true},
        [ICMP6_DST_UNREACH_BEYONDSCOPE] = {EHOSTUNREACH, false},
        [ICMP6_DST_UNREACH_ADDR] = {EHOSTUNREACH, false},
        [ICMP6_DST_UNREACH_NOPORT] = {ECONNREFUSED, true},
        [5] = {EACCES, true}, /* the source address fails a policy */
        [6] = {EACCES, true}, /* a route to reject */
};

static struct meaning meaning4(uint8_t type, uint8_t code)
{
	if (type == ICMP_DEST_UNREACH && code < sizeof(unreachable4) / sizeof(unreachable4[0]))
		return unreachable4[code];
	if (type == ICMP_PARAMETERPROB)
		return (struct meaning){EPROTO, true};
	return (struct meaning){EHOSTUNREACH, false};
}

static struct meaning meaning6(uint8_t type, uint8_t code)
{
	if (type == ICMP6_DST_UNREACH && code < sizeof(unreachable6) / sizeof(unreachable6[0]))
		return unreachable6[code];
	if (type == ICMP6_PACKET_TOO_BIG)
		return (struct meaning){EMSGSIZE, false};
	if (type == ICMP6_TIME_EXCEEDED)
		return (struct meaning){EHOSTUNREACH, false};
	return (struct meaning){EPROTO, true};
}

/** behind_extensions - the protocol of an IPv6 packet and where its header ends; false when it was cut before, or is a
 * later fragment */
static bool behind_extensions(struct usock__fault *fault)
{
	size_t at = sizeof(struct ip6_hdr);
	unsigned int type = fault->packet[6];

	while (type == IPPROTO_HOPOPTS || type == IPPROTO_ROUTING || type == IPPROTO_DSTOPTS ||
	       type == IPPROTO_FRAGMENT) {
		const unsigned char *header = fault->packet + at;

		if (fault->len < at + 8)
			return false;
		if (type == IPPROTO_FRAGMENT && usock__get16(header + 2) & 0xfff8)
			return false;
		at += type == IPPROTO_FRAGMENT ? 8 : ((size_t)header[1] + 1) * 8;
		type = header[0];
	}
	if (at > fault->len)
		return false;
	fault->header_len = at;
	fault->protocol = (uint8_t)type;
	return true;
}

static bool has_ports(int protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE;
}

/** read_quote - whose packet it was; false when that cannot be told */
static bool read_quote(struct usock__fault *fault)
{
	const unsigned char *at = fault->packet;

	if (fault->family == AF_INET) {
		if (fault->len < sizeof(struct iphdr) || at[0] >> 4 != 4)
			return false;
		fault->header_len = (size_t)(at[0] & 15) * 4;
		if (fault->header_len < sizeof(struct iphdr) || fault->header_len > fault->len ||
		    usock__get16(at + 6) & 0x1fff)
			return false;
		fault->protocol = at[9];
		memcpy(&fault->local.ip.v4, at + 12, 4);
		memcpy(&fault->remote.ip.v4, at + 16, 4);
	} else {
		if (fault->len < sizeof(struct ip6_hdr) || at[0] >> 4 != 6 || !behind_extensions(fault))
			return false;
		memcpy(&fault->local.ip.v6, at + 8, 16);
		memcpy(&fault->remote.ip.v6, at + 24, 16);
	}
	if (fault->len < fault->header_len + 8)
		return false; /* RFC 792: there are eight bytes at least; Linux looks at nothing shorter */
	if (has_ports(fault->protocol)) {
		fault->local.port = (uint16_t)usock__get16(at + fault->header_len);
		fault->remote.port = (uint16_t)usock__get16(at + fault->header_len + 2);
	}
	fault->local.scope = fault->remote.scope = fault->ifindex;
	return true;
}

/** tell_tcp - the engine has to know; false when there is no such connection */
static bool tell_tcp(struct usock_stack *stack, const struct usock__fault *fault)
{
	struct inet_iface *iface = inet_iface_by_index(stack->inet, fault->ifindex);

	if (!iface || !usock__bind_lookup(stack, IPPROTO_TCP, fault->family, &fault->local, &fault->remote, iface))
		return false;
	stack->engine->tcp_icmp(stack->e, fault->family, &fault->local, &fault->remote,
	                        usock__get32(fault->packet + fault->header_len + 4), -fault->error,
	                        fault->error == EMSGSIZE ? fault->info : 0);
	return true;
}

/** tell - whoever it is about; true when there is somebody */
static bool tell(struct usock_stack *stack, const struct usock__fault *fault)
{
	bool told = stack->raws ? usock__raw_fault(stack, fault) : false;

	if (fault->protocol == IPPROTO_UDP || fault->protocol == IPPROTO_UDPLITE)
		told |= usock__udp_fault(stack, fault);
	else if (fault->protocol == IPPROTO_TCP)
		told |= tell_tcp(stack, fault);
	else if (fault->protocol == (fault->family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		told |= usock__ping_fault(stack, fault);
	return told;
}

/** redirect - a router knows a better way */
static void redirect(struct usock_stack *stack, const struct usock_packet *packet, const struct usock__fault *fault,
                     const unsigned char *header)
{
	union inet_ip gateway = {.v4 = {0}};

	memcpy(&gateway.v4, header + 4, 4);
	inet_redirect(stack->inet, packet->iface, AF_INET, &fault->remote.ip, &gateway);
}

void usock__icmp_input(struct usock_stack *stack, const struct usock_packet *packet)
{
	unsigned char message[ICMP_HEADER + QUOTE_MAX];
	struct usock__fault fault = {.family = packet->family,
	                             .offender = packet->src,
	                             .ifindex = packet->iface->index,
	                             .packet = message + ICMP_HEADER};
	size_t len = usock__packet_copy(packet, 0, message, sizeof(message));
	bool v4 = packet->family == AF_INET;
	struct meaning meaning;

	if (len < ICMP_HEADER)
		return;
	fault.type = message[0];
	fault.code = message[1];
	fault.len = len - ICMP_HEADER;
	if (!read_quote(&fault) || !inet_local(stack->inet, packet->family, &fault.local.ip, NULL))
		return;
	if (v4 && fault.type == ICMP_REDIRECT) {
		redirect(stack, packet, &fault, message);
		return;
	}
	if (v4 && fault.type == ICMP_DEST_UNREACH && fault.code > NR_ICMP_UNREACH)
		return;
	if (v4 && fault.type == ICMP_TIME_EXCEEDED && fault.code == ICMP_EXC_FRAGTIME)
		return; /* it may have been one fragment of many */
	meaning = v4 ? meaning4(fault.type, fault.code) : meaning6(fault.type, fault.code);
	fault.error = meaning.error;
	fault.hard = meaning.hard;
	if (fault.error == EMSGSIZE) {
		unsigned int least = v4 ? MTU_MIN4 : MTU_MIN6;

		fault.info = v4 ? usock__get16(message + 6) : usock__get32(message + 4);
		if (fault.info < least)
			fault.info = least;
		if (fault.info > USOCK_IP_MAX)
			return;
	} else if (v4 && fault.type == ICMP_PARAMETERPROB) {
		fault.info = message[4];
	} else if (!v4 && fault.type == ICMP6_PARAM_PROB) {
		fault.info = usock__get32(message + 4);
	}
	if (tell(stack, &fault) && fault.error == EMSGSIZE)
		inet_path_mtu(stack->inet, packet->family, &fault.remote.ip, v4 ? 0 : packet->iface->index, fault.info);
}

/** forwarded - a packet of somebody else cannot be delivered: its sender is told */
static void forwarded(struct usock_stack *stack, struct inet_iface *iface, const struct usock__fault *fault)
{
	struct iovec payload = {.iov_base = (unsigned char *)(uintptr_t)fault->packet + fault->header_len,
	                        .iov_len = fault->len - fault->header_len};
	struct usock_packet about = {.iface = iface,
	                             .family = fault->family,
	                             .src = fault->local.ip,
	                             .dst = fault->remote.ip,
	                             .protocol = fault->protocol,
	                             .header = fault->packet,
	                             .header_len = fault->header_len,
	                             .payload = &payload,
	                             .pieces = 1,
	                             .payload_len = fault->len - fault->header_len};

	about.tos = fault->family == AF_INET ? fault->packet[1] : (uint8_t)(usock__get16(fault->packet) >> 4);
	usock__icmp_send(stack, &about, fault->type, fault->code);
}

void usock__unreachable(struct usock_stack *stack, struct inet_iface *iface, int family, const unsigned char *packet,
                        size_t len)
{
	struct usock__fault fault = {
	        .family = family, .error = EHOSTUNREACH, .ifindex = iface->index, .packet = packet, .len = len};

	fault.type = family == AF_INET ? ICMP_DEST_UNREACH : ICMP6_DST_UNREACH;
	fault.code = family == AF_INET ? ICMP_HOST_UNREACH : ICMP6_DST_UNREACH_ADDR;
	if (!read_quote(&fault))
		return;
	fault.offender = fault.local.ip;
	if (inet_local(stack->inet, family, &fault.local.ip, NULL))
		tell(stack, &fault);
	else
		forwarded(stack, iface, &fault);
}
