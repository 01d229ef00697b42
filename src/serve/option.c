/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * option.c - options, ioctls and netlink packets: what clients may hand to the stack, and with which size.
 *
 * The stack is called in the server's memory, so nothing that holds a pointer or the number of a descriptor may pass.
 * Structures with pointers travel flat and are put together here; other such options are refused, and ioctls that are
 * not listed do not exist.
 */
#include "private.h"
#include "../remote/ioctl_size.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>

/* --------------------------------------------------------------------------------------------------------- options */

/** refused - options about descriptors or memory of the caller */
static bool refused(int level, int option)
{
	return level == SOL_SOCKET && (option == SO_ATTACH_BPF || option == SO_ATTACH_REUSEPORT_EBPF);
}

static bool is_filter(int level, int option)
{
	return level == SOL_SOCKET && (option == SO_ATTACH_FILTER || option == SO_ATTACH_REUSEPORT_CBPF);
}

/** set_filter - its instructions came as they are */
static int set_filter(const struct served *sock, const struct serve_request *request)
{
	struct sock_fprog program = {.filter = request->data};

	if (request->head.data % sizeof(struct sock_filter) != 0)
		return -EINVAL;
	if (request->head.data / sizeof(struct sock_filter) > BPF_MAXINSNS)
		return -EINVAL;
	program.len = (unsigned short)(request->head.data / sizeof(struct sock_filter));
	return ioth_setsockopt(sock->file, SOL_SOCKET, request->head.arg[1], &program, sizeof(program)) < 0 ? -errno
	                                                                                                    : 0;
}

int serve_setsockopt(struct served *sock, const struct serve_request *request)
{
	int level = request->head.arg[0], option = request->head.arg[1];

	if (refused(level, option))
		return -EINVAL;
	if (is_filter(level, option))
		return set_filter(sock, request);
	if (level == SOL_SOCKET && option == SO_PEEK_OFF) {
		if (sock->ahead)
			return -EOPNOTSUPP;
		sock->peeks = true;
	}
	return ioth_setsockopt(sock->file, level, option, request->data, request->head.data) < 0 ? -errno : 0;
}

/** own_error - an error that the pump has taken from the stack's socket */
static bool own_error(struct served *sock, const struct serve_request *request, struct serve_answer *answer)
{
	if (sock->error == 0 || request->head.arg[0] != SOL_SOCKET || request->head.arg[1] != SO_ERROR ||
	    request->head.room_data < sizeof(int))
		return false;
	memcpy(answer->data, &sock->error, sizeof(int));
	answer->head.data = sizeof(int);
	sock->error = 0;
	return true;
}

int serve_getsockopt(struct served *sock, const struct serve_request *request, struct serve_answer *answer)
{
	int level = request->head.arg[0], option = request->head.arg[1];
	/* Of a filter it counts instructions, not bytes. */
	size_t unit = is_filter(level, option) ? sizeof(struct sock_filter) : 1;
	socklen_t len = (socklen_t)(request->head.room_data / unit);

	if (own_error(sock, request, answer))
		return 0;
	memset(answer->data, 0, request->head.room_data);
	memcpy(answer->data, request->data,
	       request->head.data < request->head.room_data ? request->head.data : request->head.room_data);
	/* Nonsense is refused as the call does it; what is longer than any option is as good as the longest. */
	if (request->head.arg[2] < 0)
		len = (socklen_t)request->head.arg[2];
	if (ioth_getsockopt(sock->file, level, option, answer->data, &len) < 0)
		return -errno;
	answer->head.result = (int)len;
	answer->head.data = (uint32_t)(len * unit < request->head.room_data ? len * unit : request->head.room_data);
	return (int)len;
}

/* ---------------------------------------------------------------------------------------------------------- ioctls */

/** ioctl_route - struct rtentry names its interface by a pointer: the name came behind it */
static int ioctl_route(const struct served *sock, const struct serve_request *request)
{
	struct rtentry entry;
	char name[IFNAMSIZ] = "";
	size_t len = request->head.data;

	if (len < sizeof(entry) || len > sizeof(entry) + sizeof(name) - 1)
		return -EINVAL;
	memcpy(&entry, request->data, sizeof(entry));
	memcpy(name, (char *)request->data + sizeof(entry), len - sizeof(entry));
	entry.rt_dev = len > sizeof(entry) ? name : NULL;
	return ioth_ioctl(sock->file, (unsigned int)request->head.arg[0], &entry) < 0 ? -errno : 0;
}

/** ioctl_ifconf - the list of interfaces, or, without room for any, its length */
static int ioctl_ifconf(const struct served *sock, const struct serve_request *request, struct serve_answer *answer)
{
	struct ifconf list = {.ifc_len = (int)request->head.room_data, .ifc_buf = answer->data};

	if (request->head.arg[1] != 0)
		list = (struct ifconf){.ifc_len = 0};
	memset(answer->data, 0, request->head.room_data);
	if (ioth_ioctl(sock->file, SIOCGIFCONF, &list) < 0)
		return -errno;
	if (list.ifc_buf != NULL && list.ifc_len >= 0 && (uint32_t)list.ifc_len <= request->head.room_data)
		answer->head.data = (uint32_t)list.ifc_len;
	return list.ifc_len;
}

/** ioctl_pumped - bytes that wait here on their way count with those in the stack */
static void ioctl_pumped(const struct served *sock, unsigned int code, void *count)
{
	int bytes, here = 0;

	memcpy(&bytes, count, sizeof(bytes));
	if (code == FIONREAD)
		bytes += (int)sock->rest_len;
	else if (sock->own >= 0 && ioctl(sock->own, FIONREAD, &here) == 0)
		bytes += here - (int)sock->junk;
	memcpy(count, &bytes, sizeof(bytes));
}

int serve_ioctl(struct served *sock, const struct serve_request *request, struct serve_answer *answer)
{
	unsigned int code = (unsigned int)request->head.arg[0];
	size_t size = remote_ioctl_size(code, sock->domain);
	int result;

	if (code == SIOCGIFCONF)
		return ioctl_ifconf(sock, request, answer);
	if ((code == SIOCADDRT || code == SIOCDELRT) && sock->domain != AF_INET6)
		return ioctl_route(sock, request);
	if (size == 0)
		return -ENOTTY;
	if (request->head.data != size)
		return -EINVAL;
	memcpy(answer->data, request->data, size);
	result = ioth_ioctl(sock->file, code, answer->data);
	if (result < 0)
		return -errno;
	answer->head.data = (uint32_t)size;
	if (sock->pumping && (code == FIONREAD || code == SIOCOUTQ || code == SIOCOUTQNSD))
		ioctl_pumped(sock, code, answer->data);
	return result;
}

/* --------------------------------------------------------------------------------------------------------- netlink */

/** harmless - a new link is none when it might be of kind vde, whose locator can name a program to run; all its
 * attributes are looked at */
static bool harmless(const char *message, size_t len)
{
	const char *at = message + NLMSG_SPACE(sizeof(struct ifinfomsg));

	for (size_t left = len - NLMSG_SPACE(sizeof(struct ifinfomsg)); left >= sizeof(struct rtattr);) {
		struct rtattr attr;
		size_t step;

		memcpy(&attr, at, sizeof(attr));
		if (attr.rta_len < sizeof(attr) || attr.rta_len > left)
			return true; /* the stack stops here as well */
		if ((attr.rta_type & NLA_TYPE_MASK) == IFLA_LINKINFO && memmem(at, attr.rta_len, "vde", 3) != NULL)
			return false;
		step = RTA_ALIGN(attr.rta_len);
		if (step >= left)
			return true;
		at += step;
		left -= step;
	}
	return true;
}

bool serve_may_send(const struct served *sock, const void *data, size_t len)
{
	if (sock->domain != AF_NETLINK || (sock->serve->options->flags & IOTH_SERVE_LINKS))
		return true;
	for (const char *at = data; len >= sizeof(struct nlmsghdr);) {
		struct nlmsghdr head;
		size_t step;

		memcpy(&head, at, sizeof(head));
		if (head.nlmsg_len < sizeof(head) || head.nlmsg_len > len)
			return true; /* the stack stops here as well */
		if (head.nlmsg_type == RTM_NEWLINK && head.nlmsg_len >= NLMSG_SPACE(sizeof(struct ifinfomsg)) &&
		    !harmless(at, head.nlmsg_len))
			return false;
		step = NLMSG_ALIGN(head.nlmsg_len);
		if (step >= len)
			return true;
		at += step;
		len -= step;
	}
	return true;
}
