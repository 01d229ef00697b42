/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libnlq.h - netlink messages and queues of them, for those who ask (clients) and for those who answer (stacks).
 *
 * A client builds a message, sends it and has a callback called for each message of the answer; or it calls one of the
 * functions that do just that and replace the if_* functions, the ioctls of netdevice(7) and /proc/net/dev. Each exists
 * twice: nlq_* on the stack of the process through system calls, nlqx_* on a stack of libioth.
 *
 * A stack gives a table of handlers, and is handed every request checked, and its errors, acknowledgements and dumps
 * made.
 *
 * Numbers are in host byte order, addresses in network byte order (struct in_addr for AF_INET, struct in6_addr for
 * AF_INET6), but where a comment says otherwise. There are two kinds of results: functions that stand for a function of
 * the C library or for a system call return -1 (or 0, or NULL) with errno set; the others return a negative errno.
 *
 * Every function may be called by any number of threads at once, each on messages and queues of its own.
 *
 * See RFC 3549, netlink(7), rtnetlink(7), netdevice(7).
 */
#ifndef LIBNLQ_H
#define LIBNLQ_H

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __GNUC__
#pragma GCC visibility push(default)
#define NLQ__PRINTF(format, first) __attribute__((__format__(__printf__, format, first)))
#else
#define NLQ__PRINTF(format, first)
#endif

struct ioth; /* a stack, see ioth.h; NULL means the default stack */

/* ---------------------------------------------------------------------------------------------- building messages */

#define NLQ_MSG_MAX 65536U /* bytes of a message; what would be longer is -EMSGSIZE */
#define NLQ_ATTRS 256U     /* entries of the tables of attributes; attributes of higher types are left out of them */

/** struct nlq_msg - a message under construction, or completed; made by nlq_createmsg only */
struct nlq_msg {
	struct nlmsghdr *nlq_packet; /* the message; moves when the message grows */
	size_t nlq_size;             /* bytes of it, up to now */
};

/**
 * nlq_createmsg - begin a message
 * @type: RTM_* or another type of message
 * @flags: NLM_F_*
 * @seq: sequence number; 0 lets nlq_rtdialog choose
 * @pid: netlink port; 0 in requests
 *
 * Returns the message, to be freed or queued; NULL when there is no memory. All functions below take NULL for a message
 * that has failed with -ENOMEM, so only the last of a series needs to be checked.
 */
struct nlq_msg *nlq_createmsg(uint16_t type, uint16_t flags, uint32_t seq, uint32_t pid);

/**
 * nlq_add - append bytes, and zeros up to a multiple of four
 *
 * The first error of a message stays with it: everything added later is ignored, and nlq_complete returns it again.
 * Returns 0 or the error: -ENOMEM, -EMSGSIZE, -EINVAL (@data is NULL and @len is not 0).
 */
int nlq_add(struct nlq_msg *msg, const void *data, size_t len);

#ifndef __cplusplus
/*
 * nlq_addstruct(msg, type, .member = value, ...) - append a structure; members that are not named are zero
 *
 * @type is the tag of the structure, with or without the word struct:
 *
 *     nlq_addstruct(msg, ifinfomsg, .ifi_family = AF_UNSPEC, .ifi_index = 1);
 */
#define nlq_addstruct(msg, type, ...)                                                                                  \
	nlq_add((msg), &(NLQ__STRUCT(NLQ__TAG_##type, struct type, ~)){__VA_ARGS__},                                   \
	        sizeof(NLQ__STRUCT(NLQ__TAG_##type, struct type, ~)))
/* Of "struct ifinfomsg" the first word becomes a comma and itself, and so the second argument below; of "ifinfomsg"
 * not. */
#define NLQ__TAG_struct , struct
#define NLQ__STRUCT(...) NLQ__SECOND(__VA_ARGS__, ~)
#define NLQ__SECOND(first, second, ...) second
#endif

/**
 * nlq_addattr - append an attribute
 * @type: IFLA_*, IFA_*, ...; bits such as NLA_F_NESTED may be in it
 * @data, @len: its value
 *
 * Returns as nlq_add.
 */
int nlq_addattr(struct nlq_msg *msg, uint16_t type, const void *data, size_t len);

/** nlq_createxattr - begin a list of attributes for nlq_addxattr, filled with nlq_addattr and nlq_addxattr */
struct nlq_msg *nlq_createxattr(void);

/** nlq_addxattr - append an attribute that holds those of @xattr; frees @xattr, takes its error over, returns as
 * nlq_add */
int nlq_addxattr(struct nlq_msg *msg, uint16_t type, struct nlq_msg *xattr);

/**
 * nlq_complete - write the length into the header; may be repeated when something has been added
 *
 * Returns 0 or the first error of the message.
 */
int nlq_complete(struct nlq_msg *msg);

/** nlq_freemsg - free a message that is in no queue; NULL is allowed */
void nlq_freemsg(struct nlq_msg *msg);

/* ---------------------------------------------------------------------------------------------- queues of messages */

/*
 * A queue is known by its last message, the tail, which knows the first: an empty queue is a NULL pointer.
 */

/**
 * nlq_enqueue - complete a message and append it to a queue, which then owns it
 *
 * Returns 0, or the error of the message, which then is freed.
 */
int nlq_enqueue(struct nlq_msg *msg, struct nlq_msg **tail);

/** nlq_complete_enqueue - the same under the name that says it all */
int nlq_complete_enqueue(struct nlq_msg *msg, struct nlq_msg **tail);

/** nlq_head - the first message of a queue, which stays there; NULL when it is empty */
struct nlq_msg *nlq_head(const struct nlq_msg *tail);

/** nlq_next - the message behind @msg in the queue; NULL after the last */
struct nlq_msg *nlq_next(const struct nlq_msg *tail, const struct nlq_msg *msg);

/** nlq_dequeue - take the first message out of a queue; the caller owns it; NULL when the queue is empty */
struct nlq_msg *nlq_dequeue(struct nlq_msg **tail);

/** nlq_dropmsg - take the first message out of a queue and free it */
void nlq_dropmsg(struct nlq_msg **tail);

/** nlq_length - how many messages are in a queue */
unsigned int nlq_length(const struct nlq_msg *tail);

/** nlq_append - move all messages of @from to the end of @tail */
void nlq_append(struct nlq_msg **tail, struct nlq_msg **from);

/** nlq_free - free all messages of a queue, which is empty then */
void nlq_free(struct nlq_msg **tail);

/**
 * nlq_pack - join messages of a multipart answer, so that each element of the queue is a datagram for a socket
 * @max: bytes of a datagram; 4096 suits all readers. A message that is longer by itself stays as it is.
 *
 * Messages are joined as far as there is memory. nlq_length then counts datagrams.
 */
void nlq_pack(struct nlq_msg **tail, size_t max);

/* ------------------------------------------------------------------------------------------------ reading messages */

/**
 * nlq_parsemsg - index the attributes of a rtnetlink message by type
 * @table: gets pointers into the message, NULL for a type that is absent; of equal types the last one counts
 * @n: entries of @table: types 0 to @n - 1
 *
 * nlmsg_len bytes must be readable at @msg. No attribute in the table goes past the end of the message, but its value
 * may be shorter than its type would need: read it with the functions below.
 *
 * Returns 0, or -EINVAL: the message is shorter than the fixed header of its type, or the attributes do not fill it.
 */
int nlq_parsemsg(const struct nlmsghdr *msg, struct nlattr **table, unsigned int n);

/** nlq_parsexattr - nlq_parsemsg for the attributes that are nested in one; a NULL @attr has none */
int nlq_parsexattr(const struct nlattr *attr, struct nlattr **table, unsigned int n);

/** nlq_attr_len - bytes of the value of an attribute; 0 when it is NULL */
size_t nlq_attr_len(const struct nlattr *attr);

/** nlq_attr_data - the value of an attribute, aligned to four bytes; NULL when it is NULL or shorter than @len */
const void *nlq_attr_data(const struct nlattr *attr, size_t len);

/** nlq_attr_u8, _u16, _u32, _u64 - the value of an attribute; @absent when it is NULL or too short */
uint8_t nlq_attr_u8(const struct nlattr *attr, uint8_t absent);
uint16_t nlq_attr_u16(const struct nlattr *attr, uint16_t absent);
uint32_t nlq_attr_u32(const struct nlattr *attr, uint32_t absent);
uint64_t nlq_attr_u64(const struct nlattr *attr, uint64_t absent);

/**
 * nlq_attr_str - copy a string, which in an attribute may lack its final NUL
 *
 * Returns @buf, or NULL when @attr is NULL or the string and a NUL need more than @size bytes.
 */
char *nlq_attr_str(const struct nlattr *attr, char *buf, size_t size);

/* ---------------------------------------------------------------------------------------------------------- clients */

/**
 * nlq_cb - called for each message of an answer
 * @msg: the message; its fixed header is complete
 * @attr: NLQ_ATTRS entries, see nlq_parsemsg
 * @argin, @argout, @argenv: as given to the function that calls
 *
 * Returns 0, or a negative errno: it is not called any more, and that is the result of the dialogue.
 */
typedef int nlq_cb(struct nlmsghdr *msg, struct nlattr **attr, const void *argin, void *argout, void *argenv);

/** nlq_process_null_cb - a callback that does nothing; NULL stands for it everywhere */
int nlq_process_null_cb(struct nlmsghdr *msg, struct nlattr **attr, const void *argin, void *argout, void *argenv);

/** nlq_return_errno - from a negative errno to -1 and errno; other values are returned */
static inline int nlq_return_errno(int result)
{
	if (result >= 0)
		return result;
	errno = -result;
	return -1;
}

/**
 * nlq_open - a netlink socket, close-on-exec
 * @protocol: NETLINK_ROUTE, ...
 *
 * Returns the descriptor (to be closed with close, or with ioth_close when nlqx_open made it), or -1 with the errno of
 * socket(2) or bind(2).
 */
int nlq_open(int protocol);
int nlqx_open(struct ioth *stack, int protocol);

/** nlq_sendmsg - send a completed message; as send(2), but a signal does not interrupt it */
ssize_t nlq_sendmsg(int fd, const struct nlq_msg *msg);
ssize_t nlqx_sendmsg(struct ioth *stack, int fd, const struct nlq_msg *msg);

/** nlq_complete_send_freemsg - complete, send and free a message; as nlq_sendmsg, or -1 and the error of the message */
ssize_t nlq_complete_send_freemsg(int fd, struct nlq_msg *msg);
ssize_t nlqx_complete_send_freemsg(struct ioth *stack, int fd, struct nlq_msg *msg);

/**
 * nlq_recv_process_rtreply - receive the answer to a request of rtnetlink
 *
 * It ends with an error or acknowledgement, with the end of a dump, or with the first message that is not part of
 * several: so a request for one object is better sent without NLM_F_ACK. Messages with another sequence number than the
 * first are skipped.
 *
 * Returns 0 or a negative errno: of the answer, of the callback, of recv(2); -EBADMSG malformed; -EMSGSIZE a datagram
 * of more than NLQ_MSG_MAX bytes; -EINTR the stack changed while it was dumped: what came may be inconsistent; -ENOBUFS
 * messages were lost; -ENETDOWN the stack has gone.
 */
int nlq_recv_process_rtreply(int fd, nlq_cb *cb, const void *argin, void *argout, void *argenv);
int nlqx_recv_process_rtreply(struct ioth *stack, int fd, nlq_cb *cb, const void *argin, void *argout, void *argenv);

/**
 * nlq_rtdialog - a whole dialogue: open a socket, complete and send @msg, call @cb for each message of the answer,
 *close
 * @msg: is freed in every case. NLM_F_REQUEST is set in it, NLM_F_ACK in what is not a RTM_GET*, and a sequence number
 *when it has none.
 *
 * Returns as nlq_recv_process_rtreply, or the error of the message, or of opening the socket.
 */
int nlq_rtdialog(struct nlq_msg *msg, nlq_cb *cb, const void *argin, void *argout, void *argenv);
int nlqx_rtdialog(struct ioth *stack, struct nlq_msg *msg, nlq_cb *cb, const void *argin, void *argout, void *argenv);

/* ------------------------------------------------------------------------------ interfaces by name: the if_* family */

struct nlq_if_nameindex {
	unsigned int if_index; /* 0 in the entry that ends a list */
	char *if_name;         /* NULL in it */
};

/** nlq_if_nametoindex - if_nametoindex(3): the index, or 0 with errno, ENODEV when there is no such interface */
unsigned int nlq_if_nametoindex(const char *ifname);
unsigned int nlqx_if_nametoindex(struct ioth *stack, const char *ifname);

/** nlq_if_indextoname - if_indextoname(3): @ifname has IF_NAMESIZE (16) bytes; NULL with errno, ENXIO when there is
 * none */
char *nlq_if_indextoname(unsigned int ifindex, char *ifname);
char *nlqx_if_indextoname(struct ioth *stack, unsigned int ifindex, char *ifname);

/* A structure and a function have one name, as in <net/if.h>; g++ tells about it where it should not. */
#if defined(__cplusplus) && defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#endif
/** nlq_if_nameindex - if_nameindex(3): the list, ended by an entry of zeros; NULL with errno */
struct nlq_if_nameindex *nlq_if_nameindex(void);
#if defined(__cplusplus) && defined(__GNUC__)
#pragma GCC diagnostic pop
#endif
struct nlq_if_nameindex *nlqx_if_nameindex(struct ioth *stack);

/** nlq_if_freenameindex - free such a list, wherever it came from; NULL is allowed */
void nlq_if_freenameindex(struct nlq_if_nameindex *list);
void nlqx_if_freenameindex(struct ioth *stack, struct nlq_if_nameindex *list);

/* ---------------------------------------------------------------------------------------------- ioctls and /proc/net
 */

/**
 * nlq_ioctl - an ioctl of netdevice(7) by netlink
 * @fd: a socket: its domain says which addresses are meant; requests that are not listed here go to ioctl(2) of it
 * @request, @arg: see below
 *
 * For any socket, with struct ifreq: SIOCGIFNAME, SIOCGIFINDEX, SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCGIFMTU, SIOCSIFMTU,
 * SIOCGIFHWADDR, SIOCSIFHWADDR, SIOCSIFHWBROADCAST, SIOCGIFTXQLEN, SIOCSIFTXQLEN, SIOCGIFMAP, SIOCGIFMETRIC,
 * SIOCSIFNAME; with struct ifconf: SIOCGIFCONF. For AF_INET, with struct ifreq: SIOCGIFADDR, SIOCSIFADDR,
 * SIOCGIFNETMASK, SIOCSIFNETMASK, SIOCGIFBRDADDR, SIOCSIFBRDADDR, SIOCGIFDSTADDR, SIOCSIFDSTADDR, names such as
 * "eth0:1" standing for labels of addresses; with struct rtentry: SIOCADDRT, SIOCDELRT. For AF_INET6, with struct
 * in6_ifreq: SIOCSIFADDR, SIOCDIFADDR; with struct in6_rtmsg: SIOCADDRT, SIOCDELRT.
 *
 * Returns 0, or -1 with errno as ioctl(2): ENODEV no such interface; EADDRNOTAVAIL it has no such address;
 * EINVAL; EFAULT @arg is NULL; or what the stack answered.
 */
int nlq_ioctl(int fd, unsigned long request, void *arg);
int nlqx_ioctl(struct ioth *stack, int fd, unsigned long request, void *arg);

/** nlq_ioctl_nofd - nlq_ioctl without a socket, for AF_INET; ENOTTY when the request is not one of those above */
int nlq_ioctl_nofd(unsigned long request, void *arg);
int nlqx_ioctl_nofd(struct ioth *stack, unsigned long request, void *arg);

/** nlq_ioctl_domain - nlq_ioctl_nofd for sockets of a domain: AF_INET, AF_INET6, AF_PACKET, ... */
int nlq_ioctl_domain(int domain, unsigned long request, void *arg);
int nlqx_ioctl_domain(struct ioth *stack, int domain, unsigned long request, void *arg);

/** nlq_proc_net_dev - write what /proc/net/dev of the stack would show; 0, or -1 with errno (EIO when writing fails) */
int nlq_proc_net_dev(FILE *file);
int nlqx_proc_net_dev(struct ioth *stack, FILE *file);

/* ---------------------------------------------------------------------------------------------------- configuration */

#ifndef IFLA_VDE_VNL
#define IFLA_VDE_VNL 1 /* attribute of a link of kind "vde": its VDE network locator, a string */
#endif

/** nlq_linksetupdown - switch an interface on (@updown not 0) or off (0); 0, or -1 with errno, ENODEV when there is
 * none */
int nlq_linksetupdown(unsigned int ifindex, int updown);
int nlqx_linksetupdown(struct ioth *stack, unsigned int ifindex, int updown);

/**
 * nlq_ipaddr_add - give an interface an address
 * @family: AF_INET or AF_INET6
 * @addr: the address
 * @prefixlen: bits of its network, or nlq_addrdata2prefix
 *
 * An IPv4 address gets the broadcast address of its network when that has one (prefixes up to 30 bits).
 *
 * Returns 0, or -1 with errno: EEXIST the interface has it; ENODEV no such interface; EAFNOSUPPORT another family;
 * EINVAL NULL, or a prefix that is too long; or what the stack answered.
 */
int nlq_ipaddr_add(int family, const void *addr, int prefixlen, unsigned int ifindex);
int nlqx_ipaddr_add(struct ioth *stack, int family, const void *addr, int prefixlen, unsigned int ifindex);

/** nlq_ipaddr_del - take an address away; as nlq_ipaddr_add, with EADDRNOTAVAIL when it is not there */
int nlq_ipaddr_del(int family, const void *addr, int prefixlen, unsigned int ifindex);
int nlqx_ipaddr_del(struct ioth *stack, int family, const void *addr, int prefixlen, unsigned int ifindex);

/**
 * nlq_iproute_add - add a route to the main table
 * @family: AF_INET or AF_INET6
 * @dst: the destination network; NULL for the default route
 * @dst_prefixlen: its bits, or nlq_routedata2prefix; the bits do not matter when @dst is NULL
 * @gw: the gateway; NULL when the network is on the link
 * @ifindex: the interface; 0 to find it by the gateway
 *
 * Returns 0, or -1 with errno: EEXIST there is such a route; ENETUNREACH the gateway cannot be reached; EAFNOSUPPORT,
 * EINVAL, ENODEV, ...
 */
int nlq_iproute_add(int family, const void *dst, int dst_prefixlen, const void *gw, unsigned int ifindex);
int nlqx_iproute_add(struct ioth *stack, int family, const void *dst, int dst_prefixlen, const void *gw,
                     unsigned int ifindex);

/** nlq_iproute_del - delete a route, by the arguments that added it; ESRCH when there is none like that */
int nlq_iproute_del(int family, const void *dst, int dst_prefixlen, const void *gw, unsigned int ifindex);
int nlqx_iproute_del(struct ioth *stack, int family, const void *dst, int dst_prefixlen, const void *gw,
                     unsigned int ifindex);

/** struct nlq_iplink_data - one attribute of a link's kind, nested in IFLA_INFO_DATA */
struct nlq_iplink_data {
	int tag;    /* attribute type */
	int len;    /* bytes at data */
	void *data; /* value; only read */
};

static inline struct nlq_iplink_data nlq__strdata(int tag, const char *string)
{
	struct nlq_iplink_data data;

	data.tag = tag;
	data.len = (int)(strlen(string) + 1);
	memcpy(&data.data, &string, sizeof(data.data)); /* the member is not const, by history */
	return data;
}

/*
 * nlq_iplink_strdata(tag, string) - the last two arguments of nlq_iplink_add for a kind that needs one string:
 *
 *     nlq_iplink_add("vde0", 0, "vde", nlq_iplink_strdata(IFLA_VDE_VNL, "vde:///tmp/sw"));
 */
#ifdef __cplusplus
/* C++ has no compound literals; a temporary object lives as long, till the end of the call. */
struct nlq__strdata_argument {
	struct nlq_iplink_data data;

	nlq__strdata_argument(int tag, const char *string) : data(nlq__strdata(tag, string))
	{
	}
	operator struct nlq_iplink_data *()
	{
		return &data;
	}
};
#define nlq_iplink_strdata(tag, string) nlq__strdata_argument((tag), (string)), 1
#else
#define nlq_iplink_strdata(tag, string) (struct nlq_iplink_data[1]){nlq__strdata((tag), (string))}, 1
#endif

/**
 * nlq_iplink_add - make an interface
 * @ifname: its name; NULL to let the stack choose
 * @ifindex: its index; 0 to let the stack choose; (unsigned)-1 to let the stack choose and return what it has chosen
 * @type: its kind: "dummy", "veth", "vde", ...
 * @ifd, @nifd: attributes of the kind; NULL, 0 for none; nlq_iplink_strdata() stands for both
 *
 * Returns 0, or the index when @ifindex is (unsigned)-1, or -1 with errno: EEXIST the name or index is in use;
 * EOPNOTSUPP no such kind; EINVAL, ERANGE what the stack does not accept; EMSGSIZE too much data.
 */
int nlq_iplink_add(const char *ifname, unsigned int ifindex, const char *type, const struct nlq_iplink_data *ifd,
                   int nifd);
int nlqx_iplink_add(struct ioth *stack, const char *ifname, unsigned int ifindex, const char *type,
                    const struct nlq_iplink_data *ifd, int nifd);

/**
 * nlq_iplink_del - delete an interface
 * @ifname: its name, or NULL
 * @ifindex: its index, or 0; when both are given the index counts
 *
 * Returns 0, or -1 with errno: ENODEV there is none; EINVAL neither name nor index; EOPNOTSUPP it cannot be deleted.
 */
int nlq_iplink_del(const char *ifname, unsigned int ifindex);
int nlqx_iplink_del(struct ioth *stack, const char *ifname, unsigned int ifindex);

/* ------------------------------------------------------------------------------------------- addresses and prefixes */

/** nlq_family2addrlen - bytes of an address: 4 for AF_INET, 16 for AF_INET6, 0 for other families */
unsigned int nlq_family2addrlen(int family);

/**
 * nlq_prefix2mask - the mask of a prefix
 * @mask: struct in_addr or in6_addr, network byte order
 *
 * Returns 0, or -1 with errno: EAFNOSUPPORT; EINVAL @prefixlen is negative or longer than an address.
 */
int nlq_prefix2mask(int family, void *mask, int prefixlen);

/** nlq_mask2prefix - bits of the prefix of a mask; -1 with errno: EAFNOSUPPORT; EINVAL ones after zeros */
int nlq_mask2prefix(int family, const void *mask);

/** nlq_addrdata2prefix - a prefix length for nlq_ipaddr_add and _del that carries IFA_F_* flags and RT_SCOPE_* as well
 */
int nlq_addrdata2prefix(unsigned char prefixlen, unsigned char flags, unsigned char scope);

/**
 * nlq_routedata2prefix - a prefix length for nlq_iproute_add and _del that carries a type and a scope as well
 * @type: RTN_*; RTN_UNSPEC (0) is RTN_UNICAST, or any type when deleting
 * @scope: RT_SCOPE_*; 0 with a type of 0 is the universe by way of a gateway and the link without one, or any when
 * deleting
 */
int nlq_routedata2prefix(unsigned char prefixlen, unsigned char type, unsigned char scope);

/* ---------------------------------------------------------------------------------------------------------- servers */

/* Families of requests, indices of a table of handlers: RTM_FAM() of the types. */
#define RTMF_LINK 0
#define RTMF_ADDR 1
#define RTMF_ROUTE 2
#define RTMF_NEIGH 3
#define RTMF_RULE 4
#define RTMF_QDISC 5

/* What is asked of a family: the two lowest bits of a type. */
#define RTM_NEW 0
#define RTM_DEL 1
#define RTM_GET 2
#define RTM_SET 3

/**
 * struct nlq_request_handlers - what a stack does for one family of requests; NULL is answered with EOPNOTSUPP
 *
 * A handler gets a message whose fixed header (struct ifinfomsg, ifaddrmsg, rtmsg, ndmsg, fib_rule_hdr, tcmsg) is
 * complete and whose prefix lengths are possible, and NLQ_ATTRS attributes: those that rtnetlink(7) and the uapi
 * headers define for the family have at least their length, addresses exactly that of the message's family (4 or 16
 * bytes; hardware addresses 1 to 32), names at most the longest possible, and nested ones hold proper lists. Strings
 * may lack their NUL (nlq_attr_str).
 *
 * It returns 0 or a negative errno, for which nlq_error gives a text. The thread is the one that called
 * nlq_process_rtrequest, which takes no lock: locking is the caller's.
 *
 * In C++ the member new is called new_.
 */
struct nlq_request_handlers {
	/* The object that a request is about. NULL: there is none, and the errno is ENODEV, or what it gave to nlq_error. Not
	   called for dumps. What it returns is only used during the request. */
	void *(*search_entry)(struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo);
	/* Append the answer about one object, or with @entry NULL about all, to a queue. Sequence number, port and
	   NLM_F_MULTI are filled in afterwards, and what a dump was asked to leave out (other families, interfaces,
	   tables, ...) is left out. */
	int (*get)(void *entry, struct nlmsghdr *msg, struct nlattr **attr, struct nlq_msg **reply_msgq,
	           void *stackinfo);
	/* Make an object. A positive result for a link is its index. */
#ifdef __cplusplus
	int (*new_)(struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo);
#else
	int (*new)(struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo);
#endif
	/* Delete one. */
	int (*del)(void *entry, struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo);
	/* Change one. */
	int (*set)(void *entry, struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo);
};

/* Types above RTM_GETCHAIN are answered with EOPNOTSUPP whatever the table says: tables compiled with older headers are
   shorter. */
typedef struct nlq_request_handlers nlq_request_handlers_table[RTM_NR_FAMILIES];

/**
 * nlq_process_rtrequest - answer one request
 * @request: a message of nlmsg_len readable bytes; what is in it is not trusted
 *
 * RTM_GET with NLM_F_DUMP: get(NULL, ...), then NLMSG_DONE. RTM_GET: get. RTM_NEW of an object that is found: EEXIST
 * with NLM_F_EXCL, set without; not found: new with NLM_F_CREATE, ENODEV without. RTM_DEL, RTM_SET: del, set. Errors,
 * and success when NLM_F_ACK asks for it, are answered with NLMSG_ERROR. A new link is answered with an RTM_NEWLINK
 * about it when NLM_F_ECHO is set or IFLA_NEW_IFINDEX is there and empty. Without NLM_F_REQUEST nothing is done.
 *
 * Returns the queue of answers, NULL when there is none; NULL with errno ENOBUFS when there was no memory for it: then
 * the request has not been carried out.
 */
struct nlq_msg *nlq_process_rtrequest(struct nlmsghdr *request, nlq_request_handlers_table table, void *stackinfo);

/* Options of the asking socket, see netlink(7). */
#define NLQ_EXT_ACK 1U    /* NETLINK_EXT_ACK: errors come with their text */
#define NLQ_CAP_ACK 2U    /* NETLINK_CAP_ACK: errors come without the request */
#define NLQ_STRICT_CHK 4U /* NETLINK_GET_STRICT_CHK: dumps are checked and filtered strictly */
#define NLQ_DUMPING 8U    /* it has not read an earlier dump to its end: another one is refused with EBUSY */

/**
 * nlq_process_datagram - answer a datagram of requests that came through a socket
 * @datagram: @len bytes at any alignment, not trusted; what is no message ends it
 * @portid: the port of the asking socket, to which the answers are addressed
 * @options: NLQ_* of it
 *
 * Returns as nlq_process_rtrequest, for all requests in it together.
 */
struct nlq_msg *nlq_process_datagram(const void *datagram, size_t len, nlq_request_handlers_table table,
                                     void *stackinfo, uint32_t portid, unsigned int options);

/**
 * nlq_error - for handlers: say what is wrong with the request in progress in this thread
 * @error: the negative errno that will be returned
 * @attr: the attribute of the request that is wrong, or NULL
 * @format: as printf(3), at most 127 bytes arrive; NULL for no text
 *
 * From search_entry it sets the errno of an object that is not found. Of several calls the last counts. Returns @error.
 */
int nlq_error(int error, const struct nlattr *attr, const char *format, ...) NLQ__PRINTF(3, 4);

/** nlq_request_options - for handlers: NLQ_* of the request in progress in this thread, 0 when there is none */
unsigned int nlq_request_options(void);

/** nlq_notification_group - the multicast group (RTNLGRP_*) that is told of an RTM_NEW* or RTM_DEL*; 0 when none is */
unsigned int nlq_notification_group(const struct nlmsghdr *msg);

/**
 * nlq_notification - what a multicast group is to be told
 * @tail: a queue of messages about changes, RTM_NEW* and RTM_DEL*, as get makes them; it is not changed
 * @group: RTNLGRP_*
 * @seq, @pid: of the request that caused the changes; 0 when none did
 * @notifications: copies of those for the group are appended here, each a datagram for every member of the group
 *
 * Returns how many they are, or -ENOMEM: none is appended.
 */
int nlq_notification(const struct nlq_msg *tail, unsigned int group, uint32_t seq, uint32_t pid,
                     struct nlq_msg **notifications);

/** nlq_server_ioctl - nlq_ioctl_nofd on the stack behind a table of handlers; 0, or -1 with errno */
int nlq_server_ioctl(nlq_request_handlers_table table, void *stackinfo, unsigned long request, void *arg);

/** nlq_server_ioctl_domain - nlq_ioctl_domain on it */
int nlq_server_ioctl_domain(nlq_request_handlers_table table, void *stackinfo, int domain, unsigned long request,
                            void *arg);

/** nlq_server_proc_net_dev - nlq_proc_net_dev on it */
int nlq_server_proc_net_dev(nlq_request_handlers_table table, void *stackinfo, FILE *file);

/** nlq_server_process_rtreply - nlq_recv_process_rtreply for answers that are already here; frees the queue */
int nlq_server_process_rtreply(struct nlq_msg *reply_msgq, nlq_cb *cb, const void *argin, void *argout, void *argenv);

/** nlq_server_rtdialog - nlq_rtdialog with the stack behind a table, in this thread, without a socket */
int nlq_server_rtdialog(struct nlq_msg *msg, nlq_request_handlers_table table, void *stackinfo, nlq_cb *cb,
                        const void *argin, void *argout, void *argenv);

/** nlq_general_rtdialog - nlq_server_rtdialog; nlq_rtdialog when @table is NULL */
static inline int nlq_general_rtdialog(struct nlq_msg *msg, nlq_request_handlers_table table, void *stackinfo,
                                       nlq_cb *cb, const void *argin, void *argout, void *argenv)
{
	if (table == NULL)
		return nlq_rtdialog(msg, cb, argin, argout, argenv);
	return nlq_server_rtdialog(msg, table, stackinfo, cb, argin, argout, argenv);
}

#undef NLQ__PRINTF
#ifdef __GNUC__
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif

#endif /* LIBNLQ_H */
