/* SPDX-License-Identifier: 0BSD */
/*
 * nlinline+.h - network configuration by netlink, as inline functions, for any library of Berkeley sockets.
 *
 * NLINLINE_LIB(p) and its three sisters, at the end of this file, define the functions that nlinline.h documents with
 * another prefix, for the sockets of another library. Nothing has to be linked.
 *
 * Theory of operation. Every function is one dialogue: open a netlink socket, send one request, read datagrams until
 * the request is answered, close the socket. Nothing outlives the call and nothing is shared, so the functions are as
 * thread-safe as the socket calls they use. Messages live in fixed buffers on the caller's stack.
 *
 * The code is in ordinary functions, nlinline__*, which return 0 (or a positive result) or a negative errno, and reach
 * the library through struct nlinline__lib. The macros only bind names to it. As no more than recv(2) is asked of a
 * library, the sender of a datagram cannot be seen: an answer is recognised by its sequence number, 32 random bits, on
 * a socket that nobody else knows. (Linux lets only the administrator of a network namespace write to it.)
 *
 * Numbers are in host byte order, addresses in network byte order. Neither <net/if.h> nor <linux/if.h> is included
 * here: some programs cannot have both, and the choice is theirs.
 *
 * Follows netlink(7), rtnetlink(7) and RFC 3549.
 */
#ifndef NLINLINE_PLUS_H
#define NLINLINE_PLUS_H

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

/* Some compilers report an unused static inline function when a macro defines it in the source file itself. */
#define NLINLINE__FN static inline __attribute__((__unused__))

/* -------------------------------------------------------------------------------------------- public types */

#ifndef IFLA_VDE_VNL
#define IFLA_VDE_VNL 1 /* attribute of a link of kind "vde": its VDE network locator, a string */
#endif

/** struct nl_iplink_data - one attribute of a link's kind, nested in IFLA_INFO_DATA */
struct nl_iplink_data {
	int tag;          /* attribute type */
	int len;          /* bytes at data */
	const void *data; /* value; may be NULL when len is 0 */
};

/*
 * nl_iplink_strdata(tag, string) - the last two arguments of iplink_add, for a kind that needs one attribute, a string:
 *
 *     nlinline_iplink_add("vde0", 0, "vde", nl_iplink_strdata(IFLA_VDE_VNL, "vde:///tmp/sw"));
 *
 * nl_iplink_strattr(tag, string) - the members of one struct nl_iplink_data, for a kind that needs several attributes:
 *
 *     struct nl_iplink_data data[] = {{nl_iplink_strattr(1, "one")}, {2, sizeof(two), &two}};
 *
 * The length includes the final NUL.
 */
#define nl_iplink_strattr(tag, string) (tag), (int)(strlen(string) + 1), (string)

NLINLINE__FN struct nl_iplink_data nlinline__strdata(int tag, const char *string)
{
	struct nl_iplink_data data = {nl_iplink_strattr(tag, string)};

	return data;
}

#ifdef __cplusplus
/* C++ has no compound literals; a temporary object lives as long, till the end of the call. */
struct nlinline__strdata_argument {
	struct nl_iplink_data data;

	nlinline__strdata_argument(int tag, const char *string) : data(nlinline__strdata(tag, string))
	{
	}
	operator struct nl_iplink_data *()
	{
		return &data;
	}
};
#define nl_iplink_strdata(tag, string) nlinline__strdata_argument((tag), (string)), 1
#else
#define nl_iplink_strdata(tag, string) (struct nl_iplink_data[1]){nlinline__strdata((tag), (string))}, 1
#endif

/**
 * nl_addrdata2prefix - a prefix length for ipaddr_add and ipaddr_del that carries flags and scope as well
 * @prefixlen: bits
 * @flags: IFA_F_*, such as IFA_F_NODAD
 * @scope: RT_SCOPE_*
 *
 * A plain prefix length is the same as no flags and RT_SCOPE_UNIVERSE, but for IPv4 addresses in 127/8, whose default
 * scope is RT_SCOPE_HOST.
 */
NLINLINE__FN int nl_addrdata2prefix(unsigned char prefixlen, unsigned char flags, unsigned char scope)
{
	return scope << 16 | flags << 8 | prefixlen;
}

/**
 * nl_routedata2prefix - a prefix length for iproute_add and iproute_del that carries type and scope as well
 * @prefixlen: bits
 * @type: RTN_*, such as RTN_BLACKHOLE; RTN_UNSPEC (0) leaves the default, RTN_UNICAST, or any type when deleting
 * @scope: RT_SCOPE_*; 0 with a type of 0 leaves the default: the universe by way of a gateway, the link without one,
 *	and any scope when deleting
 */
NLINLINE__FN int nl_routedata2prefix(unsigned char prefixlen, unsigned char type, unsigned char scope)
{
	return scope << 16 | type << 8 | prefixlen;
}

/* ---------------------------------------------------------------------------------------- the socket library */

/** struct nlinline__lib - the socket library in use, one function for each call that is made */
struct nlinline__lib {
	int (*socket)(void *stack, int domain, int type, int protocol);
	int (*bind)(int fd, const struct sockaddr *addr, socklen_t addrlen);
	ssize_t (*send)(int fd, const void *buf, size_t len, int flags);
	ssize_t (*recv)(int fd, void *buf, size_t len, int flags);
	int (*close)(int fd);
	void *stack;  /* for socket; NULL when the library has no notion of it */
	int is_linux; /* the system's own stack: never sent what Linux is known to refuse */
};

NLINLINE__FN int nlinline__sys_bind(int fd, const struct sockaddr *addr, socklen_t addrlen)
{
	return bind(fd, addr, addrlen);
}

NLINLINE__FN ssize_t nlinline__sys_send(int fd, const void *buf, size_t len, int flags)
{
	return send(fd, buf, len, flags);
}

NLINLINE__FN ssize_t nlinline__sys_recv(int fd, void *buf, size_t len, int flags)
{
	return recv(fd, buf, len, flags);
}

NLINLINE__FN int nlinline__sys_close(int fd)
{
	return close(fd);
}

/** nlinline__lasterror - why the last socket call failed, as a negative errno; never 0 */
NLINLINE__FN int nlinline__lasterror(void)
{
	return errno > 0 ? -errno : -EIO;
}

/** nlinline__result - the boundary: a negative errno becomes -1 and errno */
NLINLINE__FN int nlinline__result(int result)
{
	if (result >= 0)
		return result;
	errno = -result;
	return -1;
}

/* ------------------------------------------------------------------------------------------ building requests */

#define NLINLINE__REQUEST_MAX 4096 /* bytes of a request; what does not fit is EMSGSIZE */
#define NLINLINE__ANSWER_MAX 8192  /* bytes of a datagram; the largest answers, to RTM_GETLINK, have about 2000 */

#define NLINLINE__ERRNO_MAX 4095     /* no error number of Linux is above; keeps a negation in range */
#define NLINLINE__IFF_UP 1U          /* IFF_UP of <net/if.h> */
#define NLINLINE__IFNAMSIZ 16U       /* IFNAMSIZ of <net/if.h> */
#define NLINLINE__NEW_IFINDEX 49     /* IFLA_NEW_IFINDEX, newer than some installed <linux/if_link.h> */
#define NLINLINE__CHOOSE_IFINDEX ~0U /* iplink_add: let the stack choose, and say */
#define NLINLINE__CREATE (NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL)

NLINLINE__FN size_t nlinline__align(size_t len)
{
	return (len + 3U) & ~(size_t)3U;
}

/** struct nlinline__request - a message under construction; error is sticky, so it is checked once, when sending */
struct nlinline__request {
	union {
		struct nlmsghdr align;
		unsigned char byte[NLINLINE__REQUEST_MAX];
	} u;
	size_t len; /* bytes used */
	int error;  /* 0 or the first negative errno */
};

/**
 * nlinline__reserve - room at the end of a request, zeroed
 * @len: bytes; rounded up to the alignment of netlink
 *
 * Returns the offset of the room, 0 (with the sticky error set) when there is none.
 */
NLINLINE__FN size_t nlinline__reserve(struct nlinline__request *request, size_t len)
{
	size_t at = request->len;

	if (!request->error && (len > NLINLINE__REQUEST_MAX || nlinline__align(len) > NLINLINE__REQUEST_MAX - at))
		request->error = -EMSGSIZE;
	if (request->error)
		return 0;
	memset(request->u.byte + at, 0, nlinline__align(len));
	request->len += nlinline__align(len);
	return at;
}

/**
 * nlinline__begin - start a request: netlink header and the fixed header of its family
 * @type: RTM_*
 * @flags: NLM_F_*, besides NLM_F_REQUEST
 * @fixed: struct ifinfomsg, ifaddrmsg or rtmsg
 */
NLINLINE__FN void nlinline__begin(struct nlinline__request *request, uint16_t type, uint16_t flags, const void *fixed,
                                  size_t fixedlen)
{
	struct nlmsghdr header;
	size_t at;

	memset(&header, 0, sizeof(header));
	header.nlmsg_type = type;
	header.nlmsg_flags = (uint16_t)(flags | NLM_F_REQUEST);
	memcpy(request->u.byte, &header, sizeof(header));
	request->len = sizeof(header);
	request->error = 0;
	at = nlinline__reserve(request, fixedlen);
	memcpy(request->u.byte + at, fixed, fixedlen);
}

/** nlinline__put - append an attribute; returns its offset, 0 when it does not fit */
NLINLINE__FN size_t nlinline__put(struct nlinline__request *request, int type, const void *data, size_t len)
{
	struct nlattr attr;
	size_t at = 0;

	/* checked here because the length in the attribute has 16 bits only, and before the sum could overflow */
	if (len > NLINLINE__REQUEST_MAX || type < 0 || type > 0xffff)
		request->error = request->error ? request->error : len > NLINLINE__REQUEST_MAX ? -EMSGSIZE : -EINVAL;
	else
		at = nlinline__reserve(request, sizeof(attr) + len);
	if (at == 0)
		return 0;
	attr.nla_len = (uint16_t)(sizeof(attr) + len);
	attr.nla_type = (uint16_t)type;
	memcpy(request->u.byte + at, &attr, sizeof(attr));
	if (len > 0)
		memcpy(request->u.byte + at + sizeof(attr), data, len);
	return at;
}

/** nlinline__unnest - the attribute at @at (from nlinline__put, without data) holds all that was put since */
NLINLINE__FN void nlinline__unnest(struct nlinline__request *request, size_t at)
{
	uint16_t len;

	if (request->error)
		return;
	len = (uint16_t)(request->len - at);
	memcpy(request->u.byte + at + offsetof(struct nlattr, nla_len), &len, sizeof(len));
}

/* -------------------------------------------------------------------------------------------- reading answers */

/** struct nlinline__answer - the state of a dialogue, and what was learnt from its answer */
struct nlinline__answer {
	uint32_t seq;    /* of the request; everything else is skipped */
	int acked;       /* the request asked for an acknowledgement, so nothing but that ends the dialogue */
	int interrupted; /* the stack changed while it was dumped */
	int ifindex;     /* of the last RTM_NEWLINK; 0: none came */
	size_t maclen;   /* bytes of its IFLA_ADDRESS; 0: it has none */
	uint8_t mac[6];  /* the first bytes of it */
};

/** nlinline__seq - a sequence number; never 0, the number of notifications */
NLINLINE__FN uint32_t nlinline__seq(void)
{
	uint32_t seq = 0;

	/* right after the start of the machine there may be no randomness yet */
	if (getrandom(&seq, sizeof(seq), GRND_NONBLOCK) != (ssize_t)sizeof(seq))
		seq = (uint32_t)(uintptr_t)nlinline__seq ^ (uint32_t)clock();
	return seq ? seq : 1;
}

/** nlinline__read_link - take index and hardware address from an RTM_NEWLINK of @len bytes; 0 or -EBADMSG */
NLINLINE__FN int nlinline__read_link(const unsigned char *message, size_t len, struct nlinline__answer *answer)
{
	struct ifinfomsg link_info;
	struct nlattr attr;
	size_t at = sizeof(struct nlmsghdr) + sizeof(link_info);

	if (len < at)
		return -EBADMSG;
	memcpy(&link_info, message + sizeof(struct nlmsghdr), sizeof(link_info));
	answer->ifindex = link_info.ifi_index;
	answer->maclen = 0;
	for (; at + sizeof(attr) <= len; at += nlinline__align(attr.nla_len)) {
		memcpy(&attr, message + at, sizeof(attr));
		if (attr.nla_len < sizeof(attr) || attr.nla_len > len - at)
			return -EBADMSG;
		if ((attr.nla_type & NLA_TYPE_MASK) != IFLA_ADDRESS)
			continue;
		answer->maclen = attr.nla_len - sizeof(attr);
		memcpy(answer->mac, message + at + sizeof(attr),
		       answer->maclen < sizeof(answer->mac) ? answer->maclen : sizeof(answer->mac));
	}
	return 0;
}

/** nlinline__read_status - the result in an NLMSG_ERROR or NLMSG_DONE: 0, a negative errno, -EBADMSG when malformed */
NLINLINE__FN int nlinline__read_status(const unsigned char *message, size_t len, int done)
{
	size_t need = done ? sizeof(int) : sizeof(struct nlmsgerr);
	int status;

	if (done && len == sizeof(struct nlmsghdr)) /* RFC 3549 has no status in it */
		return 0;
	if (len < sizeof(struct nlmsghdr) + need)
		return -EBADMSG;
	memcpy(&status, message + sizeof(struct nlmsghdr), sizeof(status));
	return status > 0 || status < -NLINLINE__ERRNO_MAX ? -EBADMSG : status;
}

/**
 * nlinline__read_message - take in one message, whose length has been checked
 *
 * Returns 1 when the dialogue goes on, 0 when it has ended well, a negative errno when it has failed.
 */
NLINLINE__FN int nlinline__read_message(const unsigned char *message, const struct nlmsghdr *header,
                                        struct nlinline__answer *answer)
{
	int status;

	if (header->nlmsg_seq != answer->seq || header->nlmsg_type == NLMSG_NOOP)
		return 1;
	if (header->nlmsg_flags & NLM_F_DUMP_INTR)
		answer->interrupted = 1;
	switch (header->nlmsg_type) {
	case NLMSG_OVERRUN:
		return -ENOBUFS;
	case NLMSG_ERROR:
		return nlinline__read_status(message, header->nlmsg_len, 0);
	case NLMSG_DONE:
		status = nlinline__read_status(message, header->nlmsg_len, 1);
		return status ? status : answer->interrupted ? -EINTR : 0;
	case RTM_NEWLINK:
		status = nlinline__read_link(message, header->nlmsg_len, answer);
		if (status)
			return status;
		break;
	default:
		break;
	}
	return answer->acked || (header->nlmsg_flags & NLM_F_MULTI);
}

/** nlinline__read_datagram - take in all messages of a datagram; returns as nlinline__read_message */
NLINLINE__FN int nlinline__read_datagram(const unsigned char *datagram, size_t len, struct nlinline__answer *answer)
{
	struct nlmsghdr header;
	size_t at, step;
	int result = 1;

	for (at = 0; at < len && result > 0; at += step) {
		if (len - at < sizeof(header))
			return -EBADMSG;
		memcpy(&header, datagram + at, sizeof(header));
		if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > len - at)
			return -EBADMSG;
		result = nlinline__read_message(datagram + at, &header, answer);
		step = nlinline__align(header.nlmsg_len);
		if (step > len - at) /* the last message needs no padding */
			step = len - at;
	}
	return result;
}

/* --------------------------------------------------------------------------------------------- the dialogue */

/** nlinline__exchange - send a finished request on an open socket and wait for its end; 0 or a negative errno */
NLINLINE__FN int nlinline__exchange(const struct nlinline__lib *lib, int fd, const void *request, size_t len,
                                    struct nlinline__answer *answer)
{
	unsigned char datagram[NLINLINE__ANSWER_MAX];
	struct sockaddr_nl self;
	ssize_t n;
	int result;

	memset(&self, 0, sizeof(self));
	self.nl_family = AF_NETLINK;
	if (lib->bind(fd, (const struct sockaddr *)&self, (socklen_t)sizeof(self)) < 0)
		return nlinline__lasterror();
	do
		n = lib->send(fd, request, len, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return nlinline__lasterror();
	do {
		/* with MSG_TRUNC as an argument the result is the length of the datagram, not of what fitted */
		do
			n = lib->recv(fd, datagram, sizeof(datagram), MSG_TRUNC);
		while (n < 0 && errno == EINTR);
		if (n < 0)
			return nlinline__lasterror();
		if (n == 0) /* the stack has shut the socket down */
			return -ENETDOWN;
		if ((size_t)n > sizeof(datagram))
			return -EMSGSIZE;
		result = nlinline__read_datagram(datagram, (size_t)n, answer);
	} while (result > 0);
	return result;
}

/**
 * nlinline__dialogue - a whole dialogue: socket, request, answer
 * @message: the request, in one piece; its sequence number is written here unless it has one
 * @len: bytes at @message, at least a header
 * @answer: output: what was learnt
 *
 * Returns 0 or a negative errno: of the socket calls, or of the stack; -EBADMSG for a malformed answer; -EMSGSIZE for
 * one that is too long; -EINTR for an interrupted dump; -ENETDOWN when the stack went away.
 */
NLINLINE__FN int nlinline__dialogue(const struct nlinline__lib *lib, void *message, size_t len,
                                    struct nlinline__answer *answer)
{
	struct nlmsghdr header;
	int fd, result;

	memcpy(&header, message, sizeof(header));
	header.nlmsg_len = (uint32_t)len;
	header.nlmsg_seq = header.nlmsg_seq ? header.nlmsg_seq : nlinline__seq();
	memcpy(message, &header, sizeof(header));
	memset(answer, 0, sizeof(*answer));
	answer->seq = header.nlmsg_seq;
	answer->acked = (header.nlmsg_flags & NLM_F_ACK) != 0;

	fd = lib->socket(lib->stack, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return nlinline__lasterror();
	result = nlinline__exchange(lib, fd, message, len, answer);
	lib->close(fd);
	return result;
}

/** nlinline__ask - nlinline__dialogue with a request that was built; its sticky error comes out here */
NLINLINE__FN int nlinline__ask(const struct nlinline__lib *lib, struct nlinline__request *request,
                               struct nlinline__answer *answer)
{
	if (request->error < 0)
		return request->error;
	return nlinline__dialogue(lib, request->u.byte, request->len, answer);
}

/** nlinline__nldialog - see nlinline_nldialog */
NLINLINE__FN int nlinline__nldialog(const struct nlinline__lib *lib, void *message)
{
	struct nlinline__answer answer;
	struct nlmsghdr header;

	if (message == NULL)
		return -EINVAL;
	memcpy(&header, message, sizeof(header));
	if (header.nlmsg_len < sizeof(header))
		return -EINVAL;
	header.nlmsg_flags = (uint16_t)(header.nlmsg_flags | NLM_F_REQUEST | NLM_F_ACK);
	memcpy(message, &header, sizeof(header));
	return nlinline__dialogue(lib, message, header.nlmsg_len, &answer);
}

/* ---------------------------------------------------------------------------------------------------- links */

/** nlinline__link_begin - start a request about the link @ifindex (0: none) */
NLINLINE__FN void nlinline__link_begin(struct nlinline__request *request, uint16_t type, uint16_t flags,
                                       unsigned int ifindex)
{
	struct ifinfomsg link_info;

	memset(&link_info, 0, sizeof(link_info));
	link_info.ifi_index = (int)ifindex;
	nlinline__begin(request, type, flags, &link_info, sizeof(link_info));
}

/** nlinline__put_ifname - append IFLA_IFNAME; a name that no interface can have is -ENODEV, as in if_nametoindex(3) */
NLINLINE__FN void nlinline__put_ifname(struct nlinline__request *request, const char *ifname)
{
	size_t len = strlen(ifname);

	if (len == 0 || len >= NLINLINE__IFNAMSIZ)
		request->error = -ENODEV;
	else
		nlinline__put(request, IFLA_IFNAME, ifname, len + 1);
}

/** nlinline__if_nametoindex - see nlinline_if_nametoindex */
NLINLINE__FN int nlinline__if_nametoindex(const struct nlinline__lib *lib, const char *ifname)
{
	struct nlinline__request request;
	struct nlinline__answer answer;
	int result;

	if (ifname == NULL)
		return -EINVAL;
	nlinline__link_begin(&request, RTM_GETLINK, 0, 0);
	nlinline__put_ifname(&request, ifname);
	result = nlinline__ask(lib, &request, &answer);
	if (result < 0)
		return result;
	return answer.ifindex > 0 ? answer.ifindex : -EBADMSG;
}

/** nlinline__linksetupdown - see nlinline_linksetupdown */
NLINLINE__FN int nlinline__linksetupdown(const struct nlinline__lib *lib, unsigned int ifindex, int updown)
{
	struct nlinline__request request;
	struct nlinline__answer answer;
	struct ifinfomsg link_info;

	memset(&link_info, 0, sizeof(link_info));
	link_info.ifi_index = (int)ifindex;
	link_info.ifi_flags = updown ? NLINLINE__IFF_UP : 0;
	link_info.ifi_change = NLINLINE__IFF_UP;
	nlinline__begin(&request, RTM_NEWLINK, NLM_F_ACK, &link_info, sizeof(link_info));
	return nlinline__ask(lib, &request, &answer);
}

/** nlinline__linkset - change one attribute of a link */
NLINLINE__FN int nlinline__linkset(const struct nlinline__lib *lib, unsigned int ifindex, int type, const void *data,
                                   size_t len)
{
	struct nlinline__request request;
	struct nlinline__answer answer;

	if (data == NULL)
		return -EINVAL;
	nlinline__link_begin(&request, RTM_NEWLINK, NLM_F_ACK, ifindex);
	nlinline__put(&request, type, data, len);
	return nlinline__ask(lib, &request, &answer);
}

/** nlinline__linkgetaddr - see nlinline_linkgetaddr */
NLINLINE__FN int nlinline__linkgetaddr(const struct nlinline__lib *lib, unsigned int ifindex, void *macaddr)
{
	struct nlinline__request request;
	struct nlinline__answer answer;
	int result;

	if (macaddr == NULL)
		return -EINVAL;
	nlinline__link_begin(&request, RTM_GETLINK, 0, ifindex);
	result = nlinline__ask(lib, &request, &answer);
	if (result < 0)
		return result;
	if (answer.ifindex <= 0)
		return -EBADMSG;
	if (answer.maclen != sizeof(answer.mac))
		return -ENODATA;
	memcpy(macaddr, answer.mac, sizeof(answer.mac));
	return 0;
}

/**
 * nlinline__makename - a name for a link that was to be made without one: the start of its kind and eight random digits
 * @name: NLINLINE__IFNAMSIZ bytes
 */
NLINLINE__FN void nlinline__makename(char *name, const char *type)
{
	uint32_t digits = nlinline__seq();
	size_t at;
	int shift;

	for (at = 0; at < NLINLINE__IFNAMSIZ - 9U && type[at] != '\0'; at++)
		name[at] = type[at];
	for (shift = 28; shift >= 0; shift -= 4)
		name[at++] = "0123456789abcdef"[digits >> shift & 15U];
	name[at] = '\0';
}

/** nlinline__put_linkinfo - append IFLA_LINKINFO: the kind of a link and its attributes */
NLINLINE__FN void nlinline__put_linkinfo(struct nlinline__request *request, const char *type,
                                         const struct nl_iplink_data *ifd, int nifd)
{
	size_t info = nlinline__put(request, IFLA_LINKINFO, NULL, 0);
	size_t data;
	int i;

	nlinline__put(request, IFLA_INFO_KIND, type, strlen(type) + 1);
	if (nifd > 0) {
		data = nlinline__put(request, IFLA_INFO_DATA, NULL, 0);
		for (i = 0; i < nifd; i++)
			nlinline__put(request, ifd[i].tag, ifd[i].data, (size_t)ifd[i].len);
		nlinline__unnest(request, data);
	}
	nlinline__unnest(request, info);
}

/** struct nlinline__linkspec - the arguments of iplink_add, checked */
struct nlinline__linkspec {
	const char *ifname; /* or NULL */
	const char *type;
	const struct nl_iplink_data *ifd;
	int nifd;
};

/**
 * nlinline__newlink - one attempt to make a link
 * @ifindex: index it shall have, 0 to let the stack choose
 * @flags: NLM_F_ECHO or 0
 * @ask_ifindex: ask for the index by an empty IFLA_NEW_IFINDEX
 *
 * Returns the index when the stack has told it, 0 when it has not, or a negative errno.
 */
NLINLINE__FN int nlinline__newlink(const struct nlinline__lib *lib, const struct nlinline__linkspec *newlink,
                                   unsigned int ifindex, uint16_t flags, int ask_ifindex)
{
	struct nlinline__request request;
	struct nlinline__answer answer;
	int result;

	nlinline__link_begin(&request, RTM_NEWLINK, (uint16_t)(NLINLINE__CREATE | flags), ifindex);
	if (newlink->ifname)
		nlinline__put(&request, IFLA_IFNAME, newlink->ifname, strlen(newlink->ifname) + 1);
	if (ask_ifindex)
		nlinline__put(&request, NLINLINE__NEW_IFINDEX, NULL, 0);
	nlinline__put_linkinfo(&request, newlink->type, newlink->ifd, newlink->nifd);
	result = nlinline__ask(lib, &request, &answer);
	return result < 0 ? result : answer.ifindex > 0 ? answer.ifindex : 0;
}

/**
 * nlinline__newlink_choose - make a link, let the stack choose its index, and learn it
 *
 * A stack that knows the empty IFLA_NEW_IFINDEX answers it. Linux refuses it, and instead echoes the new link when told
 * to; before 6.2 it ignored that, so there the name tells, and a link without a name gets one.
 */
NLINLINE__FN int nlinline__newlink_choose(const struct nlinline__lib *lib, const struct nlinline__linkspec *spec)
{
	struct nlinline__linkspec newlink = *spec;
	char name[NLINLINE__IFNAMSIZ];
	int result = -ERANGE;

	if (!lib->is_linux)
		result = nlinline__newlink(lib, &newlink, 0, 0, 1);
	if (result == -EINVAL || result == -ERANGE) {
		if (newlink.ifname == NULL) {
			nlinline__makename(name, newlink.type);
			newlink.ifname = name;
		}
		result = nlinline__newlink(lib, &newlink, 0, NLM_F_ECHO, 0);
	}
	if (result == 0)
		result = newlink.ifname ? nlinline__if_nametoindex(lib, newlink.ifname) : -EBADMSG;
	return result;
}

/** nlinline__iplink_add - see nlinline_iplink_add */
NLINLINE__FN int nlinline__iplink_add(const struct nlinline__lib *lib, const char *ifname, unsigned int ifindex,
                                      const char *type, const struct nl_iplink_data *ifd, int nifd)
{
	struct nlinline__linkspec newlink = {ifname, type, ifd, nifd};
	int i, result;

	if (type == NULL || nifd < 0 || (nifd > 0 && ifd == NULL))
		return -EINVAL;
	for (i = 0; i < nifd; i++) {
		if (ifd[i].len < 0 || (ifd[i].len > 0 && ifd[i].data == NULL))
			return -EINVAL;
	}
	if (ifindex == NLINLINE__CHOOSE_IFINDEX)
		return nlinline__newlink_choose(lib, &newlink);
	result = nlinline__newlink(lib, &newlink, ifindex, 0, 0);
	return result < 0 ? result : 0;
}

/** nlinline__iplink_del - see nlinline_iplink_del */
NLINLINE__FN int nlinline__iplink_del(const struct nlinline__lib *lib, const char *ifname, unsigned int ifindex)
{
	struct nlinline__request request;
	struct nlinline__answer answer;

	if (ifname == NULL && ifindex == 0)
		return -EINVAL;
	nlinline__link_begin(&request, RTM_DELLINK, NLM_F_ACK, ifindex);
	if (ifname)
		nlinline__put_ifname(&request, ifname);
	return nlinline__ask(lib, &request, &answer);
}

/* -------------------------------------------------------------------------------------- addresses and routes */

/** nlinline__addrlen - bytes of an address, 0 for a family that is neither AF_INET nor AF_INET6 */
NLINLINE__FN size_t nlinline__addrlen(int family)
{
	return family == AF_INET ? 4 : family == AF_INET6 ? 16 : 0;
}

/** nlinline__put_broadcast - append IFA_BROADCAST: the IPv4 address @addr with all host bits set */
NLINLINE__FN void nlinline__put_broadcast(struct nlinline__request *request, const void *addr, unsigned int prefixlen)
{
	uint8_t byte[4];
	unsigned int i, bits;

	memcpy(byte, addr, sizeof(byte));
	for (i = 0; i < 4; i++) {
		bits = prefixlen > 8 * i ? prefixlen - 8 * i : 0; /* of the prefix in this byte */
		if (bits < 8)
			byte[i] = (uint8_t)(byte[i] | 0xffU >> bits);
	}
	nlinline__put(request, IFA_BROADCAST, byte, sizeof(byte));
}

/** nlinline__ipaddr - ipaddr_add (@type RTM_NEWADDR) and ipaddr_del (RTM_DELADDR) */
NLINLINE__FN int nlinline__ipaddr(const struct nlinline__lib *lib, uint16_t type, int family, const void *addr,
                                  int prefixdata, unsigned int ifindex)
{
	struct nlinline__request request;
	struct nlinline__answer answer;
	struct ifaddrmsg header;
	size_t addrlen = nlinline__addrlen(family);
	int add = type == RTM_NEWADDR;
	int loopback;

	if (addrlen == 0)
		return -EAFNOSUPPORT;
	if (addr == NULL || prefixdata < 0)
		return -EINVAL;
	loopback = family == AF_INET && *(const uint8_t *)addr == 127;
	memset(&header, 0, sizeof(header));
	header.ifa_family = (uint8_t)family;
	header.ifa_prefixlen = (uint8_t)(prefixdata & 0xff);
	header.ifa_flags = (uint8_t)(prefixdata >> 8 & 0xff);
	header.ifa_scope = (uint8_t)(prefixdata >> 16 & 0xff);
	if (loopback && header.ifa_scope == RT_SCOPE_UNIVERSE)
		header.ifa_scope = RT_SCOPE_HOST;
	header.ifa_index = ifindex;
	nlinline__begin(&request, type, add ? NLINLINE__CREATE : NLM_F_ACK, &header, sizeof(header));
	nlinline__put(&request, IFA_LOCAL, addr, addrlen);
	nlinline__put(&request, IFA_ADDRESS, addr, addrlen);
	if (add && family == AF_INET && !loopback && header.ifa_prefixlen < 31)
		nlinline__put_broadcast(&request, addr, header.ifa_prefixlen);
	return nlinline__ask(lib, &request, &answer);
}

/** nlinline__iproute - iproute_add (@type RTM_NEWROUTE) and iproute_del (RTM_DELROUTE) */
NLINLINE__FN int nlinline__iproute(const struct nlinline__lib *lib, uint16_t type, int family, const void *dst,
                                   int prefixdata, const void *gw, unsigned int ifindex)
{
	struct nlinline__request request;
	struct nlinline__answer answer;
	struct rtmsg header;
	size_t addrlen = nlinline__addrlen(family);
	int add = type == RTM_NEWROUTE;

	if (addrlen == 0)
		return -EAFNOSUPPORT;
	if (prefixdata < 0)
		return -EINVAL;
	memset(&header, 0, sizeof(header));
	header.rtm_family = (uint8_t)family;
	header.rtm_dst_len = (uint8_t)(dst ? prefixdata & 0xff : 0);
	header.rtm_type = (uint8_t)(prefixdata >> 8 & 0xff);
	header.rtm_scope = (uint8_t)(prefixdata >> 16 & 0xff);
	header.rtm_table = RT_TABLE_MAIN;
	header.rtm_protocol = add ? RTPROT_BOOT : RTPROT_UNSPEC;
	if (header.rtm_type == RTN_UNSPEC && header.rtm_scope == RT_SCOPE_UNIVERSE) {
		if (!add)
			header.rtm_scope = RT_SCOPE_NOWHERE; /* matches every scope */
		else if (gw == NULL)
			header.rtm_scope = RT_SCOPE_LINK;
	}
	if (header.rtm_type == RTN_UNSPEC && add)
		header.rtm_type = RTN_UNICAST;
	nlinline__begin(&request, type, add ? NLINLINE__CREATE : NLM_F_ACK, &header, sizeof(header));
	if (dst)
		nlinline__put(&request, RTA_DST, dst, addrlen);
	if (gw)
		nlinline__put(&request, RTA_GATEWAY, gw, addrlen);
	if (ifindex > 0)
		nlinline__put(&request, RTA_OIF, &ifindex, sizeof(ifindex));
	return nlinline__ask(lib, &request, &answer);
}

/* -------------------------------------------------------------------------- functions for a socket library */

/* clang-format off */
/* NOLINTBEGIN(bugprone-macro-parentheses): most arguments are parts of names and types */

/*
 * <p>nlinline__lib(stack) gives the struct nlinline__lib of prefix p. The calls of the library are reached through
 * functions of exactly the types in it, as the library's own may be macros or differ a little in type.
 */
#define NLINLINE__LIB(p, bind_, send_, recv_, close_, is_linux_) \
	NLINLINE__FN struct nlinline__lib p##nlinline__lib(void *stack) \
	{ \
		struct nlinline__lib lib = {p##nlinline__socket, bind_, send_, recv_, close_, stack, is_linux_}; \
		return lib; \
	}

#define NLINLINE__LIB_OWNCALLS(p) \
	NLINLINE__FN int p##nlinline__bind(int fd, const struct sockaddr *addr, socklen_t addrlen) \
	{ \
		return p##bind(fd, addr, addrlen); \
	} \
	NLINLINE__FN ssize_t p##nlinline__send(int fd, const void *buf, size_t len, int flags) \
	{ \
		return p##send(fd, buf, len, flags); \
	} \
	NLINLINE__FN ssize_t p##nlinline__recv(int fd, void *buf, size_t len, int flags) \
	{ \
		return p##recv(fd, buf, len, flags); \
	} \
	NLINLINE__FN int p##nlinline__close(int fd) \
	{ \
		return p##close(fd); \
	} \
	NLINLINE__LIB(p, p##nlinline__bind, p##nlinline__send, p##nlinline__recv, p##nlinline__close, 0)

#define NLINLINE__LIB_SYSCALLS(p, is_linux_) \
	NLINLINE__LIB(p, nlinline__sys_bind, nlinline__sys_send, nlinline__sys_recv, nlinline__sys_close, is_linux_)

#define NLINLINE__SOCKET(p, socket_) \
	NLINLINE__FN int p##nlinline__socket(void *stack, int domain, int type, int protocol) \
	{ \
		(void)stack; \
		return socket_(domain, type, protocol); \
	}

/* A library's msocket takes a pointer to a type of its own. In C a void * becomes that by itself, in C++ this does. */
#ifdef __cplusplus
extern "C++" {
struct nlinline__anypointer {
	void *pointer;

	template <typename T> operator T *() const
	{
		return static_cast<T *>(pointer);
	}
};
}
#define NLINLINE__ANYPOINTER(p) (nlinline__anypointer{p})
#else
#define NLINLINE__ANYPOINTER(p) (p)
#endif

#define NLINLINE__MSOCKET(p) \
	NLINLINE__FN int p##nlinline__socket(void *stack, int domain, int type, int protocol) \
	{ \
		return p##msocket(NLINLINE__ANYPOINTER(stack), domain, type, protocol); \
	}

/*
 * The functions themselves. @first is what precedes the parameters, NLINLINE__NOSTACK or NLINLINE__STACK; @stack is
 * NULL or the name of that parameter.
 */
#define NLINLINE__NOSTACK()
#define NLINLINE__STACK() void *stack,

#define NLINLINE__BODY(p, stack, call) \
	{ \
		struct nlinline__lib lib = p##nlinline__lib(stack); \
		return nlinline__result(nlinline__##call); \
	}

#define NLINLINE__FUNCTIONS(p, first, stack) \
	NLINLINE__FN int p##if_nametoindex(first() const char *ifname) \
	NLINLINE__BODY(p, stack, if_nametoindex(&lib, ifname)) \
	NLINLINE__FN int p##linksetupdown(first() unsigned int ifindex, int updown) \
	NLINLINE__BODY(p, stack, linksetupdown(&lib, ifindex, updown)) \
	NLINLINE__FN int p##linksetaddr(first() unsigned int ifindex, void *macaddr) \
	NLINLINE__BODY(p, stack, linkset(&lib, ifindex, IFLA_ADDRESS, macaddr, 6)) \
	NLINLINE__FN int p##linkgetaddr(first() unsigned int ifindex, void *macaddr) \
	NLINLINE__BODY(p, stack, linkgetaddr(&lib, ifindex, macaddr)) \
	NLINLINE__FN int p##linksetmtu(first() unsigned int ifindex, unsigned int mtu) \
	NLINLINE__BODY(p, stack, linkset(&lib, ifindex, IFLA_MTU, &mtu, sizeof(mtu))) \
	NLINLINE__FN int p##ipaddr_add(first() int family, void *addr, int prefixlen, unsigned int ifindex) \
	NLINLINE__BODY(p, stack, ipaddr(&lib, RTM_NEWADDR, family, addr, prefixlen, ifindex)) \
	NLINLINE__FN int p##ipaddr_del(first() int family, void *addr, int prefixlen, unsigned int ifindex) \
	NLINLINE__BODY(p, stack, ipaddr(&lib, RTM_DELADDR, family, addr, prefixlen, ifindex)) \
	NLINLINE__FN int p##iproute_add(first() int family, void *dst, int dst_prefixlen, void *gw, \
					unsigned int ifindex) \
	NLINLINE__BODY(p, stack, iproute(&lib, RTM_NEWROUTE, family, dst, dst_prefixlen, gw, ifindex)) \
	NLINLINE__FN int p##iproute_del(first() int family, void *dst, int dst_prefixlen, void *gw, \
					unsigned int ifindex) \
	NLINLINE__BODY(p, stack, iproute(&lib, RTM_DELROUTE, family, dst, dst_prefixlen, gw, ifindex)) \
	NLINLINE__FN int p##iplink_add(first() const char *ifname, unsigned int ifindex, const char *type, \
				       struct nl_iplink_data *ifd, int nifd) \
	NLINLINE__BODY(p, stack, iplink_add(&lib, ifname, ifindex, type, ifd, nifd)) \
	NLINLINE__FN int p##iplink_del(first() const char *ifname, unsigned int ifindex) \
	NLINLINE__BODY(p, stack, iplink_del(&lib, ifname, ifindex)) \
	NLINLINE__FN int p##nldialog(first() void *message) \
	NLINLINE__BODY(p, stack, nldialog(&lib, message))

/* ------------------------------------------------------------------------------------------- public macros */

/** NLINLINE_LIB - for a library with calls of its own: p##socket, p##bind, p##send, p##recv, p##close */
#define NLINLINE_LIB(p) \
	NLINLINE__SOCKET(p, p##socket) \
	NLINLINE__LIB_OWNCALLS(p) \
	NLINLINE__FUNCTIONS(p, NLINLINE__NOSTACK, NULL)

/** NLINLINE_LIBCOMP - for a library whose p##socket gives descriptors that the system calls understand */
#define NLINLINE_LIBCOMP(p) \
	NLINLINE__SOCKET(p, p##socket) \
	NLINLINE__LIB_SYSCALLS(p, 0) \
	NLINLINE__FUNCTIONS(p, NLINLINE__NOSTACK, NULL)

/** NLINLINE_LIBMULTI - as NLINLINE_LIB for a library of many stacks: the stack comes first, and goes to p##msocket */
#define NLINLINE_LIBMULTI(p) \
	NLINLINE__MSOCKET(p) \
	NLINLINE__LIB_OWNCALLS(p) \
	NLINLINE__FUNCTIONS(p, NLINLINE__STACK, stack)

/** NLINLINE_LIBMULTICOMP - as NLINLINE_LIBCOMP for a library of many stacks */
#define NLINLINE_LIBMULTICOMP(p) \
	NLINLINE__MSOCKET(p) \
	NLINLINE__LIB_SYSCALLS(p, 0) \
	NLINLINE__FUNCTIONS(p, NLINLINE__STACK, stack)

/* NOLINTEND(bugprone-macro-parentheses) */
/* clang-format on */

#endif /* NLINLINE_PLUS_H */
