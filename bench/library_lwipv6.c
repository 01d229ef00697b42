/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The reference for stacks that live in the process: liblwipv6 as Debian ships it.
 *
 * It is loaded when its first stack is made, by the worker that needs it and out of everybody's sight: it starts
 * threads when it is loaded, and its functions have the names of lwIP's. It has a netlink of its own, not Linux's, so
 * it is configured by its own functions.
 *
 * What it does not have is made up for here, outside of what is measured: a time limit for receiving (SO_RCVTIMEO),
 * where lwip_poll stands in, and the name of a socket, which is why ports are chosen here.
 */
#include "library.h"

#include "bench.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#ifdef HAVE_LWIPV6
#include <arpa/inet.h>
#include <dlfcn.h>
#include <lwipv6.h>
#include <poll.h>
#include <sys/time.h>

#define SOCKETS_MAX 1024
#define FIRST_PORT 20000

#define FUNCTIONS(X)                                                                                                   \
	X(lwip_accept)                                                                                                 \
	X(lwip_add_addr)                                                                                               \
	X(lwip_add_stack)                                                                                              \
	X(lwip_add_vdeif)                                                                                              \
	X(lwip_bind)                                                                                                   \
	X(lwip_close)                                                                                                  \
	X(lwip_connect)                                                                                                \
	X(lwip_del_stack)                                                                                              \
	X(lwip_ifup_flags)                                                                                             \
	X(lwip_listen)                                                                                                 \
	X(lwip_msocket)                                                                                                \
	X(lwip_poll)                                                                                                   \
	X(lwip_recv)                                                                                                   \
	X(lwip_recvfrom)                                                                                               \
	X(lwip_send)                                                                                                   \
	X(lwip_sendto)                                                                                                 \
	X(lwip_setsockopt)                                                                                             \
	X(lwip_shutdown)

static struct {
#define MEMBER(name) __typeof__(name) *(name);
	FUNCTIONS(MEMBER)
#undef MEMBER
} lib;

/* What is known of the sockets, by their numbers. */
static struct {
	int patience; /* milliseconds that receiving may take; 0: for ever */
	struct sockaddr_in name;
} sockets[SOCKETS_MAX];

/** load - 0 when the library is there, or -1 after bench_fail */
static int load(void)
{
	void *handle, *at;

	if (lib.lwip_accept)
		return 0;
	handle = dlopen("liblwipv6.so.2", RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		return bench_fail("%s", dlerror());
#define RESOLVE(name)                                                                                                  \
	at = dlsym(handle, #name);                                                                                     \
	if (!at)                                                                                                       \
		return bench_fail("liblwipv6 lacks " #name);                                                           \
	memcpy(&lib.name, &at, sizeof(at));

	FUNCTIONS(RESOLVE)
#undef RESOLVE
	return 0;
}

/** struct lwipv6 - a stack with its interface */
struct lwipv6 {
	struct stack *stack;
	struct netif *netif;
};

static void *create(const char *vnl)
{
	struct lwipv6 *made = calloc(1, sizeof(*made));
	static char copy[128]; /* the interface is not const correct, and keeps it */

	if (!made || load() < 0)
		goto fail;
	strncpy(copy, vnl, sizeof(copy) - 1);
	made->stack = lib.lwip_add_stack(0);
	made->netif = made->stack ? lib.lwip_add_vdeif(made->stack, copy, NETIF_STD_FLAGS) : NULL;
	if (made->netif)
		return made;
	bench_fail("liblwipv6 does not join \"%s\"", vnl);
fail:
	free(made);
	return NULL;
}

static int configure(void *stack, struct in_addr address)
{
	struct lwipv6 *made = stack;
	struct ip_addr addr = {.addr = {0, 0, IP64_PREFIX, address.s_addr}}, mask;

	IP64_MASKADDR(&mask, 255, 255, 255, 0);
	if (lib.lwip_add_addr(made->netif, &addr, &mask) != 0 || lib.lwip_ifup_flags(made->netif, 0) != 0)
		return bench_fail("configuring a liblwipv6 stack failed");
	return 0;
}

/** fresh - forget what was known of a number; returns it */
static int fresh(int fd)
{
	if (fd >= 0 && fd < SOCKETS_MAX)
		memset(&sockets[fd], 0, sizeof(sockets[fd]));
	return fd;
}

static int open_socket(void *stack, int domain, int type, int protocol)
{
	const struct lwipv6 *made = stack;
	int fd = lib.lwip_msocket(made->stack, domain, type & ~SOCK_CLOEXEC, protocol);

	return fd < 0 ? bench_fail("lwip_msocket: %s", strerror(errno)) : fresh(fd);
}

static int remove_stack(void *stack)
{
	struct lwipv6 *made = stack;

	lib.lwip_del_stack(made->stack);
	free(made);
	return 0;
}

/* ------------------------------------------------------------------------------------------- the Berkeley calls */

static int call_bind(int fd, const struct sockaddr *addr, socklen_t addrlen)
{
	static _Atomic unsigned int next;
	struct sockaddr_in name;

	if (fd < 0 || fd >= SOCKETS_MAX || addrlen < sizeof(name)) {
		errno = EINVAL;
		return -1;
	}
	memcpy(&name, addr, sizeof(name));
	if (name.sin_port == 0)
		name.sin_port = htons((uint16_t)(FIRST_PORT + next++ % FIRST_PORT));
	sockets[fd].name = name;
	return lib.lwip_bind(fd, (struct sockaddr *)&name, sizeof(name));
}

static int call_connect(int fd, const struct sockaddr *addr, socklen_t addrlen)
{
	return lib.lwip_connect(fd, addr, addrlen);
}

static int call_listen(int fd, int backlog)
{
	return lib.lwip_listen(fd, backlog);
}

static int call_accept(int fd, struct sockaddr *addr, socklen_t *addrlen)
{
	return fresh(lib.lwip_accept(fd, addr, addrlen));
}

static int call_getsockname(int fd, struct sockaddr *addr, socklen_t *addrlen)
{
	if (fd < 0 || fd >= SOCKETS_MAX || *addrlen < sizeof(sockets[fd].name)) {
		errno = EINVAL;
		return -1;
	}
	memcpy(addr, &sockets[fd].name, sizeof(sockets[fd].name));
	*addrlen = sizeof(sockets[fd].name);
	return 0;
}

static int call_setsockopt(int fd, int level, int optname, const void *optval, socklen_t optlen)
{
	const struct timeval *timeout = optval;

	if (level == SOL_SOCKET && optname == SO_RCVTIMEO && fd >= 0 && fd < SOCKETS_MAX) {
		sockets[fd].patience = (int)(timeout->tv_sec * 1000 + timeout->tv_usec / 1000);
		return 0;
	}
	return lib.lwip_setsockopt(fd, level, optname, optval, optlen);
}

/** expect - wait until there is something to receive: 0, or -1 with EAGAIN when the time is up */
static int expect(int fd)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};

	if (fd < 0 || fd >= SOCKETS_MAX || sockets[fd].patience == 0 ||
	    lib.lwip_poll(&ready, 1, sockets[fd].patience) != 0)
		return 0;
	errno = EAGAIN;
	return -1;
}

static ssize_t call_send(int fd, const void *buf, size_t len, int flags)
{
	return lib.lwip_send(fd, buf, (int)len, (unsigned int)flags & ~(unsigned int)MSG_NOSIGNAL);
}

static ssize_t call_recv(int fd, void *buf, size_t len, int flags)
{
	return expect(fd) < 0 ? -1 : lib.lwip_recv(fd, buf, (int)len, (unsigned int)flags & ~(unsigned int)MSG_WAITALL);
}

static ssize_t call_sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to, socklen_t tolen)
{
	return lib.lwip_sendto(fd, buf, (int)len, (unsigned int)flags, to, tolen);
}

static ssize_t call_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *from, socklen_t *fromlen)
{
	return expect(fd) < 0 ? -1 : lib.lwip_recvfrom(fd, buf, (int)len, (unsigned int)flags, from, fromlen);
}

static int call_shutdown(int fd, int how)
{
	return lib.lwip_shutdown(fd, how);
}

static int call_close(int fd)
{
	return lib.lwip_close(fd);
}

#else

static void *create(const char *vnl)
{
	(void)vnl;
	bench_fail("built without liblwipv6 (Debian: apt install liblwipv6-dev)");
	return NULL;
}

/* Nobody comes here without a stack. */
#define configure NULL
#define open_socket NULL
#define remove_stack NULL
#define call_bind NULL
#define call_connect NULL
#define call_listen NULL
#define call_accept NULL
#define call_getsockname NULL
#define call_setsockopt NULL
#define call_send NULL
#define call_recv NULL
#define call_sendto NULL
#define call_recvfrom NULL
#define call_shutdown NULL
#define call_close NULL

#endif

const struct network_calls network_lwipv6_calls = {
        .bind = call_bind,
        .connect = call_connect,
        .listen = call_listen,
        .accept = call_accept,
        .getsockname = call_getsockname,
        .setsockopt = call_setsockopt,
        .send = call_send,
        .recv = call_recv,
        .sendto = call_sendto,
        .recvfrom = call_recvfrom,
        .shutdown = call_shutdown,
        .close = call_close,
};

const struct library library_lwipv6 = {
        .create = create,
        .configure = configure,
        .socket = open_socket,
        .remove = remove_stack,
        .calls = &network_lwipv6_calls,
};
