/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz_nlq_client.c - any bytes as the answers of a stack to the client functions of libnlq.
 *
 * Input: a byte that chooses the function, then datagrams, each behind two bytes of length. They are received in their
 * order, whatever is asked; the sequence number of the request is put into those that have a zero there, so that they
 * count. After the last one the stack has gone.
 */
#include "private.h"

#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/ioctl.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ------------------------------------------------------------------------------------------------------- the stack */

static const uint8_t *answers;
static size_t answers_left;
static uint32_t seq; /* of the last request */
static int sockets;  /* open */

static int fuzz_socket(struct ioth *stack, int domain, int type, int protocol)
{
	(void)stack, (void)domain, (void)type, (void)protocol;
	sockets++;
	return 1000;
}

static int fuzz_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	(void)fd, (void)addr, (void)len;
	return 0;
}

static ssize_t fuzz_send(int fd, const void *buf, size_t len, int flags)
{
	const struct nlmsghdr *request = buf;

	(void)fd, (void)flags;
	if (len < sizeof(*request) || request->nlmsg_len != len)
		abort(); /* nothing malformed leaves the library */
	seq = request->nlmsg_seq;
	return (ssize_t)len;
}

/** number_messages - put the sequence number into the messages of a datagram that have none */
static void number_messages(unsigned char *datagram, size_t len)
{
	struct nlmsghdr header;

	for (size_t at = 0; at + sizeof(header) <= len; at += nlq__align(header.nlmsg_len)) {
		memcpy(&header, datagram + at, sizeof(header));
		if (header.nlmsg_seq == 0)
			header.nlmsg_seq = seq;
		memcpy(datagram + at, &header, sizeof(header));
		if (header.nlmsg_len < sizeof(header))
			break;
	}
}

static ssize_t fuzz_recvfrom(int fd, void *buf, size_t size, int flags, struct sockaddr *from, socklen_t *fromlen)
{
	size_t len;

	(void)fd, (void)flags, (void)from;
	*fromlen = 0;
	if (answers_left < 2)
		return 0;
	len = answers[0] | (size_t)answers[1] << 8;
	answers += 2;
	answers_left -= 2;
	len = len > answers_left ? answers_left : len;
	len = len > size ? size : len;
	if (len > 0)
		memcpy(buf, answers, len);
	answers += len;
	answers_left -= len;
	number_messages(buf, len);
	return (ssize_t)len;
}

static int fuzz_getsockopt(int fd, int level, int option, void *value, socklen_t *len)
{
	(void)fd, (void)level, (void)option, (void)value, (void)len;
	errno = ENOPROTOOPT;
	return -1;
}

static int fuzz_ioctl(int fd, unsigned long request, void *arg)
{
	(void)fd, (void)request, (void)arg;
	errno = ENOTTY;
	return -1;
}

static int fuzz_close(int fd)
{
	(void)fd;
	sockets--;
	return 0;
}

struct nlq__peer nlq__native(void)
{
	static const struct nlq__transport transport = {
	        .socket = fuzz_socket,
	        .bind = fuzz_bind,
	        .send = fuzz_send,
	        .recvfrom = fuzz_recvfrom,
	        .getsockopt = fuzz_getsockopt,
	        .ioctl = fuzz_ioctl,
	        .close = fuzz_close,
	};

	return (struct nlq__peer){.transport = &transport};
}

struct nlq__peer nlq__ioth(struct ioth *stack)
{
	(void)stack;
	return nlq__native();
}

/* ---------------------------------------------------------------------------------------------------- the functions */

static volatile uint64_t sum; /* of all that was read, so that it is read */

/** touch - read all attributes of a message, and what may be nested in them */
static void touch(struct nlattr **attr, int depth)
{
	for (unsigned int type = 0; type < NLQ_ATTRS; type++) {
		struct nlattr *nested[NLQ_ATTRS];
		const unsigned char *data = nlq_attr_data(attr[type], 0);
		char text[64];

		sum += nlq_attr_u8(attr[type], 1) + nlq_attr_u16(attr[type], 2) + nlq_attr_u32(attr[type], 3);
		sum += nlq_attr_u64(attr[type], 4);
		for (size_t i = 0; i < nlq_attr_len(attr[type]); i++)
			sum += data[i];
		nlq_attr_str(attr[type], text, sizeof(text));
		if (depth > 0 && attr[type] != NULL && nlq_parsexattr(attr[type], nested, NLQ_ATTRS) == 0)
			touch(nested, depth - 1);
	}
}

static int read_all(struct nlmsghdr *msg, struct nlattr **attr, const void *argin, void *argout, void *argenv)
{
	(void)msg, (void)argin, (void)argout, (void)argenv;
	touch(attr, 2);
	return 0;
}

static void use_dialog(int choice)
{
	struct nlq_msg *msg = nlq_createmsg(RTM_GETLINK, choice & 1 ? NLM_F_DUMP : 0, 0, 0);

	nlq_addstruct(msg, ifinfomsg, .ifi_index = choice & 1 ? 0 : 1);
	nlq_rtdialog(msg, read_all, NULL, NULL, NULL);
}

static void use_names(void)
{
	char name[IF_NAMESIZE];
	struct nlq_if_nameindex *list = nlq_if_nameindex();

	nlq_if_freenameindex(list);
	if (nlq_if_indextoname(1, name) != NULL && memchr(name, 0, sizeof(name)) == NULL)
		abort();
	nlq_if_nametoindex("lo");
}

static void use_ioctl(unsigned long request)
{
	struct ifreq ifr = {.ifr_name = "d0:1"};
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = 0x0100000a};

	if (request == SIOCGIFNAME)
		ifr.ifr_ifindex = 1;
	else
		memcpy(&ifr.ifr_addr, &sin, sizeof(sin));
	if (request == SIOCSIFHWADDR)
		ifr.ifr_hwaddr.sa_family = 1;
	nlq_ioctl_nofd(request, &ifr);
}

static void use_conf(void)
{
	struct ifreq list[4];
	struct ifconf conf = {.ifc_len = sizeof(list), .ifc_req = list};

	if (nlq_ioctl(1000, SIOCGIFCONF, &conf) == 0 && conf.ifc_len > (int)sizeof(list))
		abort();
}

static void use_route(void)
{
	char dev[] = "d0:1";
	struct rtentry route = {.rt_dst.sa_family = AF_INET, .rt_flags = RTF_UP | RTF_HOST, .rt_dev = dev};

	nlq_ioctl_nofd(SIOCADDRT, &route);
}

static void use_proc(void)
{
	char *text = NULL;
	size_t len = 0;
	FILE *file = open_memstream(&text, &len);

	if (file == NULL)
		abort();
	nlq_proc_net_dev(file);
	fclose(file);
	free(text);
}

static void use(int choice)
{
	static const unsigned long requests[] = {SIOCGIFNAME,    SIOCGIFINDEX,   SIOCGIFFLAGS,   SIOCGIFMTU,
	                                         SIOCGIFHWADDR,  SIOCGIFMAP,     SIOCSIFFLAGS,   SIOCSIFHWADDR,
	                                         SIOCSIFNAME,    SIOCGIFADDR,    SIOCGIFNETMASK, SIOCSIFADDR,
	                                         SIOCSIFNETMASK, SIOCSIFBRDADDR, SIOCSIFDSTADDR};

	switch (choice % 8) {
	case 0:
	case 1:
		use_dialog(choice);
		break;
	case 2:
		use_names();
		break;
	case 3:
		use_conf();
		break;
	case 4:
		use_route();
		break;
	case 5:
		use_proc();
		break;
	case 6:
		nlq_iplink_add(choice & 8 ? "d0" : NULL, (unsigned int)-1, "vde",
		               nlq_iplink_strdata(IFLA_VDE_VNL, "vde://"));
		break;
	default:
		use_ioctl(requests[(unsigned int)choice / 8 % (sizeof(requests) / sizeof(requests[0]))]);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	answers = data + 1;
	answers_left = size - 1;
	use(data[0]);
	if (sockets != 0)
		abort();
	return 0;
}
