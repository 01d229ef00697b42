/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * header_use.c - a program that uses what the public headers define in themselves, in the language that is common to
 * C99 and C++17. test_headers.sh compiles it with every compiler and runs it; it links nothing. Its exit status is the
 * number of the line that went wrong, or 0.
 */
#include "iothaddr.h"
#include "libnlq.h"
#include "nlinline.h"

/* Like ioth.h: many stacks of an opaque type. Its netlink refuses everything. */
struct opaque;

static struct opaque *last_stack;
static int last_fd;

static int own_msocket(struct opaque *stack, int domain, int type, int protocol)
{
	last_stack = stack;
	(void)type;
	(void)protocol;
	return domain == AF_NETLINK ? 77 : -1;
}

static int own_bind(int fd, const struct sockaddr *addr, socklen_t addrlen)
{
	last_fd = fd;
	errno = ENOTSUP;
	return addr && addrlen > 0 ? -1 : -1;
}

static ssize_t own_send(int fd, const void *buf, size_t len, int flags)
{
	(void)fd;
	(void)buf;
	(void)flags;
	return (ssize_t)len;
}

static ssize_t own_recv(int fd, void *buf, size_t len, int flags)
{
	(void)fd;
	(void)buf;
	(void)len;
	(void)flags;
	return 0;
}

static int own_close(int fd)
{
	last_fd = -fd;
	errno = EIO;
	return -1;
}

static int own_socket(int domain, int type, int protocol)
{
	return own_msocket(NULL, domain, type, protocol);
}

/* a library whose stacks are const, one whose stacks are void, one without stacks, and one of system calls */
static int constant_msocket(const struct opaque *stack, int domain, int type, int protocol)
{
	last_stack = (struct opaque *)(uintptr_t)stack;
	(void)type;
	(void)protocol;
	errno = EACCES;
	return domain == AF_NETLINK ? -1 : 0;
}

static int untyped_msocket(void *stack, int domain, int type, int protocol)
{
	return constant_msocket((const struct opaque *)stack, domain, type, protocol);
}

static int plain_socket(int domain, int type, int protocol)
{
	return constant_msocket(NULL, domain, type, protocol);
}

/* the prefix and the calls of a library may have been declared for C */
#ifdef __cplusplus
extern "C" {
#endif
NLINLINE_LIBMULTI(own_)
NLINLINE_LIBMULTICOMP(constant_)
NLINLINE_LIBMULTICOMP(untyped_)
NLINLINE_LIBCOMP(plain_)
#ifdef __cplusplus
}
#endif

#define lib_socket own_socket
#define lib_bind own_bind
#define lib_send own_send
#define lib_recv own_recv
#define lib_close own_close
NLINLINE_LIB(lib_)

static const struct nl_iplink_data *last_data;

static int take_data(struct nl_iplink_data *ifd, int nifd)
{
	static struct nl_iplink_data copy;

	copy = ifd[0];
	last_data = &copy;
	return nifd;
}

/* of libnlq.h what needs no library */
static const struct nlq_iplink_data *last_nlq_data;

static int take_nlq_data(const struct nlq_iplink_data *ifd, int nifd)
{
	static struct nlq_iplink_data copy;

	copy = ifd[0];
	last_nlq_data = &copy;
	return nifd;
}

static int set_nothing(void *entry, struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	(void)entry;
	(void)msg;
	(void)attr;
	(void)stackinfo;
	return 0;
}

#define CHECK(condition)                                                                                               \
	do {                                                                                                           \
		if (!(condition))                                                                                      \
			return __LINE__ & 0xff ? __LINE__ & 0xff : 1;                                                  \
	} while (0)

int main(void)
{
	static char memory[8];
	struct opaque *stack = (struct opaque *)(void *)memory;
	struct nlq_request_handlers handlers;
	struct nl_iplink_data list[] = {{nl_iplink_strattr(5, "five")}, {6, 0, NULL}};

	CHECK(own_if_nametoindex(stack, "lo") == -1 && errno == ENOTSUP);
	CHECK(last_stack == stack && last_fd == -77);
	CHECK(own_iplink_add(stack, "x", (unsigned int)-1, "vde", nl_iplink_strdata(IFLA_VDE_VNL, "vde://")) == -1);
	CHECK(lib_linksetupdown(1, 1) == -1 && errno == ENOTSUP && last_stack == NULL);
	CHECK(constant_linksetmtu(stack, 1, 1500) == -1 && errno == EACCES && last_stack == stack);
	CHECK(untyped_linksetmtu(NULL, 1, 1500) == -1 && errno == EACCES && last_stack == NULL);
	CHECK(plain_iplink_del("x", 0) == -1 && errno == EACCES);

	CHECK(nlinline_if_nametoindex("lo") == 1);
	CHECK(nlinline_if_nametoindex(NULL) == -1 && errno == EINVAL);

	CHECK(take_data(nl_iplink_strdata(3, "three")) == 1);
	CHECK(last_data->tag == 3 && last_data->len == 6 && strcmp((const char *)last_data->data, "three") == 0);
	CHECK(list[0].tag == 5 && list[0].len == 5 && strcmp((const char *)list[0].data, "five") == 0);
	CHECK(nl_addrdata2prefix(24, 0, 0) == 24 && nl_routedata2prefix(64, 0, 0) == 64);
	CHECK(nl_addrdata2prefix(255, 255, 255) > 0 && nl_routedata2prefix(255, 255, 255) > 0);

	CHECK(take_nlq_data(nlq_iplink_strdata(3, "three")) == 1);
	CHECK(last_nlq_data->tag == 3 && last_nlq_data->len == 6);
	CHECK(strcmp((const char *)last_nlq_data->data, "three") == 0);
	CHECK(nlq_return_errno(-EDOM) == -1 && errno == EDOM && nlq_return_errno(3) == 3);
	/* the member that C++ must call otherwise is where C has it */
	handlers.set = set_nothing;
	CHECK(offsetof(struct nlq_request_handlers, del) == 3 * sizeof(handlers.set));
	CHECK(sizeof(handlers) == 5 * sizeof(handlers.set) && handlers.set(NULL, NULL, NULL, NULL) == 0);

	CHECK(iothaddr_otiptime(0, 5) == 0);
	CHECK(iothaddr_otiptime(1000, 0) > 1000000);
	return 0;
}
