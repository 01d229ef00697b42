/* SPDX-License-Identifier: 0BSD */
/*
 * nlinline.h - configure the network stack of the process by netlink, with inline functions: nothing to link.
 *
 * The same functions for other socket libraries come from nlinline+.h, where the code is.
 *
 * Every function returns 0 (or what its comment says), or -1 with errno set. Any errno may come from the stack's answer
 * or from the socket calls; the usual ones are named below, and these may come from every function: EPERM without
 * CAP_NET_ADMIN in the network namespace (for all that change something), EBADMSG for a malformed answer, EMSGSIZE for
 * a request or an answer that is too long. Signals do not interrupt a function: EINTR is retried. All may be called
 * by any number of threads at once, and none allocates memory.
 *
 * Addresses are in network byte order: struct in_addr for AF_INET, struct in6_addr for AF_INET6. Numbers are in host
 * byte order. See netlink(7), rtnetlink(7).
 */
#ifndef NLINLINE_H
#define NLINLINE_H

#include "nlinline+.h"

/**
 * nlinline_if_nametoindex - the index of an interface, if_nametoindex(3)
 *
 * Returns the index, positive, or -1 with errno: ENODEV there is no such interface; EINVAL @ifname is NULL.
 */
NLINLINE__FN int nlinline_if_nametoindex(const char *ifname);

/**
 * nlinline_linksetupdown - switch an interface on (@updown not 0) or off (0)
 *
 * errno: ENODEV there is no interface @ifindex.
 */
NLINLINE__FN int nlinline_linksetupdown(unsigned int ifindex, int updown);

/**
 * nlinline_linksetaddr - set the hardware (MAC) address of an interface
 * @macaddr: six bytes
 *
 * errno: ENODEV; EINVAL NULL; EADDRNOTAVAIL not a unicast address; EBUSY the interface has to be down first.
 */
NLINLINE__FN int nlinline_linksetaddr(unsigned int ifindex, void *macaddr);

/**
 * nlinline_linkgetaddr - get the hardware (MAC) address of an interface
 * @macaddr: output: six bytes
 *
 * errno: ENODEV; EINVAL NULL; ENODATA the interface has none, or one of another length.
 */
NLINLINE__FN int nlinline_linkgetaddr(unsigned int ifindex, void *macaddr);

/**
 * nlinline_linksetmtu - set the maximum transfer unit of an interface, in bytes
 *
 * errno: ENODEV; EINVAL a size that the interface cannot have.
 */
NLINLINE__FN int nlinline_linksetmtu(unsigned int ifindex, unsigned int mtu);

/**
 * nlinline_ipaddr_add - give an interface an address
 * @family: AF_INET or AF_INET6
 * @addr: the address
 * @prefixlen: bits of its network, or nl_addrdata2prefix
 *
 * An IPv4 address gets the broadcast address of its network when that has one (prefixes up to 30 bits).
 *
 * errno: EEXIST the interface has it; ENODEV; EAFNOSUPPORT another family; EINVAL NULL, or a prefix that is too long.
 */
NLINLINE__FN int nlinline_ipaddr_add(int family, void *addr, int prefixlen, unsigned int ifindex);

/** nlinline_ipaddr_del - take an address away; as nlinline_ipaddr_add, with errno EADDRNOTAVAIL when it is not there */
NLINLINE__FN int nlinline_ipaddr_del(int family, void *addr, int prefixlen, unsigned int ifindex);

/**
 * nlinline_iproute_add - add a route to the main table
 * @family: AF_INET or AF_INET6
 * @dst: the destination network; NULL for the default route
 * @dst_prefixlen: its bits, or nl_routedata2prefix; the bits do not matter when @dst is NULL
 * @gw: the gateway; NULL when the network is on the link
 * @ifindex: the interface; 0 to find it by the gateway
 *
 * errno: EEXIST there is such a route; ENETUNREACH the gateway cannot be reached; ENODEV; ENETDOWN the interface is
 * down; EAFNOSUPPORT another family; EINVAL a prefix that is too long, or a destination with bits past its prefix.
 */
NLINLINE__FN int nlinline_iproute_add(int family, void *dst, int dst_prefixlen, void *gw, unsigned int ifindex);

/** nlinline_iproute_del - delete a route, by the arguments that added it; errno ESRCH when there is none like that */
NLINLINE__FN int nlinline_iproute_del(int family, void *dst, int dst_prefixlen, void *gw, unsigned int ifindex);

/**
 * nlinline_iplink_add - make an interface
 * @ifname: its name; NULL to let the stack choose
 * @ifindex: its index; 0 to let the stack choose; (unsigned)-1 to let the stack choose and return what it has chosen
 * @type: its kind: "dummy", "veth", "vlan", "vde", ...
 * @ifd, @nifd: attributes of the kind (IFLA_INFO_DATA); NULL, 0 for none; nl_iplink_strdata() stands for both
 *
 * The kernel's own stack names an interface itself only when its index is not asked for; otherwise it is called by the
 * start of its kind and eight random digits.
 *
 * Returns 0, or the index when @ifindex is (unsigned)-1, or -1 with errno: EEXIST the name or the index is in use;
 * EOPNOTSUPP no such kind; EINVAL or ERANGE a name, kind or attribute that the stack does not accept; EINVAL @type is
 * NULL, or @ifd is malformed; EMSGSIZE too many attributes (the request is limited to 4096 bytes).
 */
NLINLINE__FN int nlinline_iplink_add(const char *ifname, unsigned int ifindex, const char *type,
                                     struct nl_iplink_data *ifd, int nifd);

/**
 * nlinline_iplink_del - delete an interface
 * @ifname: its name, or NULL
 * @ifindex: its index, or 0; when both are given the index counts
 *
 * errno: ENODEV there is no such interface; EOPNOTSUPP it cannot be deleted; EINVAL neither name nor index.
 */
NLINLINE__FN int nlinline_iplink_del(const char *ifname, unsigned int ifindex);

/**
 * nlinline_nldialog - send one request and wait for its acknowledgement
 * @message: struct nlmsghdr and what follows it, nlmsg_len bytes; NLM_F_REQUEST and NLM_F_ACK are set in it, and a
 *	sequence number when it has none
 *
 * The end of a dump (NLM_F_DUMP) counts as its acknowledgement; what was dumped is lost, and errno EINTR tells that it
 * was inconsistent. Otherwise errno is that of the answer; EINVAL NULL, or a length below that of the header.
 */
NLINLINE__FN int nlinline_nldialog(void *message);

NLINLINE__SOCKET(nlinline_, socket)
NLINLINE__LIB_SYSCALLS(nlinline_, 1)
NLINLINE__FUNCTIONS(nlinline_, NLINLINE__NOSTACK, NULL)

#endif /* NLINLINE_H */
