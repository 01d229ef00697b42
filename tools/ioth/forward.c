/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * forward.c - ports of the host that lead to a stack.
 *
 * One thread. It waits with poll(2), whose list it makes afresh each time: a stack may put another file under the
 * number of a connecting socket, of which epoll(7) would not know. A connection from the host is accepted, then one in
 * the stack is attempted: to its own addresses, of the family that the host's has first, until one of them accepts. To
 * its loopback only when it has no other address: what a program offers there it offers to itself (a stack without a
 * network is all loopback, and then it is what is meant). Nobody there means a reset for the one who came.
 *
 * Connections are in an array without an order; the one that has ended is replaced by the last.
 *
 * The thread and the others share only the pipe that ends it.
 */
#include "forward.h"
#include "command.h"
#include "joint.h"
#include "node.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ADDRESSES_MAX 16 /* of the stack, that are tried */
#define LISTENERS_MAX (2 * FORWARD_MAX)
#define PAUSE 100 /* milliseconds without accepting, when descriptors have run out */

/** struct listener - a socket of the host */
struct listener {
	int fd;
	in_port_t to;
};

/** struct way - a connection of the host and the one in the stack: end[0] and end[1] */
struct way {
	struct joint joint;
	struct sockaddr_storage to[ADDRESSES_MAX]; /* where it can be led, while it is not */
	unsigned int next, count;                  /* the next one to be tried */
	bool connecting;
};

struct forward {
	const char *command;
	struct ioth *stack;
	struct listener listeners[LISTENERS_MAX];
	unsigned int listening;
	struct way **ways;
	struct pollfd *polled; /* the pipe, the listeners, two of each way */
	size_t count, room;
	int stop[2];
	int seconds; /* after the stop */
	pthread_t thread;
};

/* ----------------------------------------------------------------------------------------------------------- rules */

/** port_of - of all of @text; -1 when it is none */
static long port_of(const char *text)
{
	char *end;
	long port = strtol(text, &end, 10);

	return *text < '0' || *text > '9' || *end != '\0' || port > 65535 ? -1 : port;
}

bool forward_parse(const char *text, struct forward_rule *rule)
{
	char copy[INET6_ADDRSTRLEN + 16], *host = copy, *from, *to, addr[sizeof(struct in6_addr)];
	bool six = *text == '[';
	long ports[2];

	if (strlen(text) >= sizeof(copy))
		return false;
	strcpy(copy, text);
	to = strrchr(copy, ':');
	if (to == NULL)
		return false;
	*to++ = '\0';
	from = strrchr(copy, ':');
	if (from != NULL)
		*from++ = '\0';
	else
		from = copy;
	if (from == copy)
		host = copy + strlen(copy);
	if (six && *host != '\0') {
		host++;
		if (*host == '\0' || host[strlen(host) - 1] != ']')
			return false;
		host[strlen(host) - 1] = '\0';
	}
	ports[0] = port_of(from);
	ports[1] = port_of(to);
	if (ports[0] < 0 || ports[1] <= 0 || strlen(host) >= sizeof(rule->host) ||
	    (from != copy && (six || strcmp(host, "*") != 0) && inet_pton(six ? AF_INET6 : AF_INET, host, addr) != 1))
		return false;
	strcpy(rule->host, host);
	rule->from = (in_port_t)ports[0];
	rule->to = (in_port_t)ports[1];
	return true;
}

/* ------------------------------------------------------------------------------------------------------- listening */

/** address - of the host, as a socket address; its length */
static socklen_t address(const char *host, in_port_t port, struct sockaddr_storage *out)
{
	struct sockaddr_in *in = (struct sockaddr_in *)out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof(*out));
	in->sin_port = htons(port); /* at the same place in both */
	in->sin_family = AF_INET;
	if (inet_pton(AF_INET, host, &in->sin_addr) == 1)
		return sizeof(*in);
	in6->sin6_family = AF_INET6;
	return inet_pton(AF_INET6, host, &in6->sin6_addr) == 1 ? sizeof(*in6) : 0;
}

/** open_port - listen on an address of the host; 0 and the port in @port, or a negative errno */
static int open_port(struct forward *forward, const char *host, in_port_t *port, in_port_t to)
{
	struct sockaddr_storage addr;
	socklen_t len = address(host, *port, &addr);
	int fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1, err;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (addr.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&addr, len) < 0 || listen(fd, 128) < 0 ||
	    getsockname(fd, (struct sockaddr *)&addr, &len) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	*port = ntohs(((struct sockaddr_in *)&addr)->sin_port);
	forward->listeners[forward->listening++] = (struct listener){.fd = fd, .to = to};
	return 0;
}

static void explain(const char *command, const char *host, in_port_t port, int error)
{
	const char *hint = error == EADDRINUSE      ? "Another program has that port: end it, or choose another port."
	                   : error == EACCES        ? "Ports below 1024 are root's, as a rule: choose another port."
	                   : error == EADDRNOTAVAIL ? "It is the address of no interface of this machine."
	                                            : NULL;

	complain(command, hint, strchr(host, ':') != NULL ? "--also-host: [%s]:%u: %s" : "--also-host: %s:%u: %s", host,
	         port, strerror(error));
}

/** open_rule - the listeners of a rule; false after a complaint */
static bool open_rule(struct forward *forward, const struct forward_rule *rule)
{
	bool all = strcmp(rule->host, "*") == 0, two = all || *rule->host == '\0';
	const char *host = all ? "0.0.0.0" : two ? "127.0.0.1" : rule->host, *second = all ? "::" : "::1";
	in_port_t port = rule->from;
	int err = open_port(forward, host, &port, rule->to);

	if (err == 0 && two) {
		err = open_port(forward, second, &port, rule->to);
		/* A host without IPv6 is one. */
		if (err == -EAFNOSUPPORT || err == -EADDRNOTAVAIL)
			err = 0;
		else if (err < 0)
			host = second;
	}
	if (err < 0)
		explain(forward->command, host, port, -err);
	else if (rule->from == 0)
		complain(forward->command, NULL, "port %u of this machine leads to port %u of the stack", port,
		         rule->to);
	return err == 0;
}

/* ------------------------------------------------------------------------------------------------------ connecting */

/** add_addresses - of the stack, of @family, the loopback or the others, to those that are tried */
static void add_addresses(struct way *way, const struct ifaddrs *list, int family, bool loopback, in_port_t port)
{
	for (; list != NULL && way->count < ADDRESSES_MAX; list = list->ifa_next) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)list->ifa_addr;
		struct sockaddr_storage *to = &way->to[way->count];

		if (list->ifa_addr == NULL || list->ifa_addr->sa_family != family ||
		    ((list->ifa_flags & IFF_LOOPBACK) != 0) != loopback)
			continue;
		if (family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr))
			continue;
		memset(to, 0, sizeof(*to));
		memcpy(to, list->ifa_addr, family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(*in6));
		((struct sockaddr_in *)to)->sin_port = htons(port);
		way->count++;
	}
}

/** find_addresses - where in the stack a connection can be led that came to an address of @family */
static void find_addresses(struct forward *forward, struct way *way, int family, in_port_t port)
{
	int other = family == AF_INET ? AF_INET6 : AF_INET;
	struct ifaddrs *list;

	if (ioth_getifaddrs(forward->stack, &list) < 0)
		return;
	for (int loopback = 0; loopback < 2 && way->count == 0; loopback++) {
		add_addresses(way, list, family, loopback, port);
		add_addresses(way, list, other, loopback, port);
	}
	ioth_freeifaddrs(list);
}

/** attempt - the next address at which a connection can be begun; false: there is none left */
static bool attempt(struct forward *forward, struct way *way)
{
	struct joint_end *inside = &way->joint.end[1];

	for (; way->next < way->count; way->next++) {
		const struct sockaddr *to = (struct sockaddr *)&way->to[way->next];
		socklen_t len = to->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);

		if (inside->fd >= 0)
			ioth_close(inside->fd);
		inside->fd = ioth_msocket(forward->stack, to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (inside->fd < 0)
			return false;
		if (ioth_connect(inside->fd, to, len) == 0 || errno == EINPROGRESS) {
			way->next++;
			way->connecting = true;
			return true;
		}
	}
	return false;
}

/** connected - the attempt has come to an end; false: so has the connection */
static bool connected(struct forward *forward, struct way *way)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (ioth_getsockopt(way->joint.end[1].fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error != 0)
		return attempt(forward, way);
	way->connecting = false;
	return joint_move(&way->joint);
}

/* ------------------------------------------------------------------------------------------------------ connections */

static void way_end(struct forward *forward, size_t number)
{
	joint_close(&forward->ways[number]->joint);
	free(forward->ways[number]);
	forward->ways[number] = forward->ways[--forward->count];
}

/** grow - room for one more; false: no memory */
static bool grow(struct forward *forward)
{
	size_t room = forward->room == 0 ? 16 : 2 * forward->room;
	struct way **ways;
	struct pollfd *polled;

	if (forward->count < forward->room)
		return true;
	ways = reallocarray(forward->ways, room, sizeof(struct way *));
	if (ways != NULL)
		forward->ways = ways;
	polled = reallocarray(forward->polled, 1 + LISTENERS_MAX + 2 * room, sizeof(*polled));
	if (polled != NULL)
		forward->polled = polled;
	if (ways != NULL && polled != NULL)
		forward->room = room;
	return ways != NULL && polled != NULL;
}

/** accept_one - a connection that has come; false: there is no room for one */
static bool accept_one(struct forward *forward, const struct listener *listener)
{
	struct sockaddr_storage from = {.ss_family = AF_UNSPEC};
	socklen_t len = sizeof(from);
	struct way *way;
	int fd;

	if (!grow(forward))
		return false;
	fd = accept4(listener->fd, (struct sockaddr *)&from, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return errno != EMFILE && errno != ENFILE && errno != ENOMEM && errno != ENOBUFS;
	way = calloc(1, sizeof(*way));
	if (way == NULL) {
		close(fd);
		return false;
	}
	way->joint.end[0].fd = fd;
	way->joint.end[1].fd = -1;
	forward->ways[forward->count++] = way;
	find_addresses(forward, way, from.ss_family, listener->to);
	if (!attempt(forward, way))
		way_end(forward, forward->count - 1);
	return true;
}

/* -------------------------------------------------------------------------------------------------------- the loop */

static long milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/** list_ways - what each connection waits for; whether one of them still brings something to the host */
static bool list_ways(const struct forward *forward, struct pollfd *list)
{
	bool bringing = false;

	for (size_t i = 0; i < forward->count; i++) {
		const struct way *way = forward->ways[i];

		for (int end = 0; end < 2; end++) {
			short events = way->connecting ? (end == 1 ? POLLOUT : 0) : joint_wants(&way->joint, end);

			/* An error is reported to those who ask for nothing, and would be so for ever. */
			list[2 * i + (size_t)end] =
			        (struct pollfd){.fd = events != 0 ? way->joint.end[end].fd : -1, .events = events};
		}
		bringing = bringing || !way->joint.end[1].ended;
	}
	return bringing;
}

/** look_at_ways - move on where something has happened */
static void look_at_ways(struct forward *forward, const struct pollfd *list)
{
	/* From the last one: it takes the place of one that ends. */
	for (size_t i = forward->count; i-- > 0;) {
		struct way *way = forward->ways[i];

		if (list[2 * i].revents == 0 && list[2 * i + 1].revents == 0)
			continue;
		if (!(way->connecting ? connected(forward, way) : joint_move(&way->joint)))
			way_end(forward, i);
	}
}

static void *run(void *arg)
{
	struct forward *forward = arg;
	bool stopped = false, paused = false;
	long deadline = 0;

	for (;;) {
		struct pollfd *list = forward->polled, *ways = list + 1 + forward->listening;
		int timeout = paused ? PAUSE : -1;
		size_t count = forward->count;

		list[0] = (struct pollfd){.fd = stopped ? -1 : forward->stop[0], .events = POLLIN};
		for (unsigned int i = 0; i < forward->listening; i++)
			list[1 + i] = (struct pollfd){.fd = stopped || paused ? -1 : forward->listeners[i].fd,
			                              .events = POLLIN};
		if (!list_ways(forward, ways) && stopped)
			break;
		if (stopped) {
			timeout = (int)(deadline - milliseconds());
			if (timeout <= 0)
				break;
		}
		if (poll(list, 1 + forward->listening + 2 * count, timeout) < 0 && errno != EINTR)
			break;
		paused = false;
		look_at_ways(forward, ways);
		if (!stopped && list[0].revents != 0) {
			stopped = true;
			deadline = milliseconds() + forward->seconds * 1000L;
		}
		for (unsigned int i = 0; i < forward->listening && !stopped; i++)
			/* The list moves when it grows. */
			if (forward->polled[1 + i].revents != 0 && !accept_one(forward, &forward->listeners[i]))
				paused = true;
	}
	return NULL;
}

/* --------------------------------------------------------------------------------------------------- begin and end */

static void forward_free(struct forward *forward)
{
	while (forward->count > 0)
		way_end(forward, forward->count - 1);
	for (unsigned int i = 0; i < forward->listening; i++)
		close(forward->listeners[i].fd);
	for (int i = 0; i < 2; i++)
		if (forward->stop[i] >= 0)
			close(forward->stop[i]);
	free(forward->ways);
	free(forward->polled);
	free(forward);
}

struct forward *forward_start(const char *command, struct ioth *stack, const struct forward_rule *rules,
                              unsigned int count)
{
	struct forward *forward = calloc(1, sizeof(*forward));
	int err = ENOMEM;

	if (forward != NULL) {
		*forward = (struct forward){.command = command, .stack = stack, .stop = {-1, -1}};
		for (unsigned int i = 0; i < count; i++)
			if (!open_rule(forward, &rules[i])) {
				forward_free(forward);
				return NULL;
			}
		if (grow(forward))
			err = pipe2(forward->stop, O_CLOEXEC) < 0
			              ? errno
			              : pthread_create(&forward->thread, NULL, run, forward);
		if (err == 0)
			return forward;
		forward_free(forward);
	}
	complain(command, NULL, "--also-host: %s", strerror(err));
	return NULL;
}

void forward_stop(struct forward *forward, int seconds)
{
	forward->seconds = seconds;
	close(forward->stop[1]);
	forward->stop[1] = -1;
	pthread_join(forward->thread, NULL);
	forward_free(forward);
}
