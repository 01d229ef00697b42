/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * conf.h - how to write a conformance case.
 *
 * A case is a function that receives two hosts, c->a and c->b, joined by one Ethernet, and checks one behaviour that a
 * Linux manual page promises. It is written once and runs on the host kernel, which is the oracle, and on every stack:
 *
 *     CASE(tcp, half_close, INET, "after SHUT_WR the peer reads end of file and can still send")
 *     {
 *             struct pair p = tcp_pair(c);
 *
 *             CHECK_OK(ioth_shutdown(p.a, SHUT_WR));
 *             CHECK_LEN(ioth_recv(p.b, &byte, 1, 0), 0);
 *             ...
 *     }
 *
 * The first check that fails ends the case. Sockets made by the helpers below are closed at its end, others by the
 * case; then both stacks are deleted and the process is searched for what is left. Each run is a process of its own,
 * has c->dir to itself, and is ended by a watchdog. Rules: no fixed ports, no sleeps, every wait bounded, precise
 * values.
 */
#ifndef CONF_H
#define CONF_H

#include "ioth.h"
#include "wait.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---------------------------------------------------------------------------------------------------- cases */

enum {
	CONF_ONCE = 1, /* runs once, without a family */
	CONF_IPV4 = 2,
	CONF_IPV6 = 4,
};

/* Which sanitizer the suite is built with: a few cases cannot be run under one. */
#define SANITIZER_ADDRESS 1
#define SANITIZER_THREAD 2
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZER SANITIZER_ADDRESS
#elif defined(__SANITIZE_THREAD__)
#define SANITIZER SANITIZER_THREAD
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZER SANITIZER_ADDRESS
#elif __has_feature(thread_sanitizer)
#define SANITIZER SANITIZER_THREAD
#endif
#endif
#ifndef SANITIZER
#define SANITIZER 0
#endif

#define ONCE CONF_ONCE
#define IPV4 CONF_IPV4
#define IPV6 CONF_IPV6
#define INET (CONF_IPV4 | CONF_IPV6)

struct conf;

/** struct conf_limit - something that a stack's engine cannot do; the case is then not run there, and says why */
struct conf_limit {
	/* "!NAME" means every stack but that one, "remote" every stack that is served, "remote+" those with streams,
	   "remote-calls+" those without, each with a "*" those of them that live in the server: sockets of kernel-backed ones
	   are handed over. "=NAME" is only NAME itself, "NAME," NAME with options */
	const char *stack;
	const char *reason;
};

struct conf_case {
	const char *area, *name, *says, *file;
	void (*run)(struct conf *c);
	unsigned int families;
	struct conf_limit limit[6];
	struct conf_case *next;
};

void conf_register(struct conf_case *test);

/** CASE - define and register a case; LIMITS(...) may follow the sentence */
#define CASE(area_, name_, families_, says_, ...)                                                                      \
	static void area_##_##name_(struct conf *c);                                                                   \
	__attribute__((constructor)) static void register_##area_##_##name_(void)                                      \
	{                                                                                                              \
		static struct conf_case test = {.area = #area_,                                                        \
		                                .name = #name_,                                                        \
		                                .says = says_,                                                         \
		                                .file = __FILE__,                                                      \
		                                .run = area_##_##name_,                                                \
		                                .families = families_,                                                 \
		                                __VA_ARGS__};                                                          \
		conf_register(&test);                                                                                  \
	}                                                                                                              \
	static void area_##_##name_(__attribute__((unused)) struct conf *c)

#define LIMITS(...) .limit = {__VA_ARGS__}

/* What stacks that live in the process cannot do, whatever their engine: see docs/lifetime-rules.md, 10 and 15. */
#define IN_PROCESS(reason)                                                                                             \
	{"lwip", reason},                                                                                              \
	{                                                                                                              \
		"testengine", reason                                                                                   \
	}
#define HERE_ONLY(reason)                                                                                              \
	{"=lwip", reason},                                                                                             \
	{                                                                                                              \
		"=testengine", reason                                                                                  \
	} /* not when another process serves them */
#define DEAD_IN_CHILD                                                                                                  \
	HERE_ONLY("a stack that lives in the process is dead in a forked child: every call there is ESTALE")
#define ONE_PROCESS HERE_ONLY("a stack that lives in the process has no sockets in another one")
#define HANDED_OVER                                                                                                    \
	{                                                                                                              \
		"remote+vdestack",                                                                                     \
		        "sockets of a kernel-backed stack are handed over, and counted by nobody in other processes"   \
	}
#define NOT_STREAMS(reason)                                                                                            \
	{                                                                                                              \
		"remote+*", reason                                                                                     \
	}
#define NOT_CALLS(reason)                                                                                              \
	{                                                                                                              \
		"remote-calls+", reason                                                                                \
	}
#define OTHERS_NETWORKS                                                                                                \
	{                                                                                                              \
		"remote", "the networks of a served stack are joined by the process that serves it"                    \
	}
#define AF_UNIX_PRI                                                                                                    \
	IN_PROCESS("what poll sees is an AF_UNIX socket, whose urgent byte is in its queue: PRI never comes without "  \
	           "IN")
#define NO_TIMESTAMPS                                                                                                  \
	IN_PROCESS("neither Debian's lwIP nor the test engine sends TCP timestamps: segments have 12 bytes more room")
#define NO_PLAIN_DUP                                                                                                   \
	IN_PROCESS("dup(2) copies only what poll(2) sees of a socket that lives in the process: ioth_dup copies it "   \
	           "all")

/* ----------------------------------------------------------------------------------------------- the context */

#define CONF_FDS 4096

/** struct addr - a socket address of any family and its length */
struct addr {
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_storage ss;
	};
	socklen_t len;
};

struct conf {
	const struct conf_case *test;
	const char *stack;  /* the engine */
	struct ioth *a, *b; /* the hosts */
	int family;         /* AF_INET or AF_INET6; AF_INET in a case that runs once */
	const char *dir;    /* of this case alone, removed when it ends */
	const char *vnl;    /* the locator that joined them; "" for the oracle */
	int netns[2];       /* oracle only: the namespaces of a and b */
	int fds[CONF_FDS];  /* to be closed when the case ends */
	int nfds;
};

/**
 * on - go to a host, before a call that makes a socket there
 *
 * The oracle's hosts are network namespaces and its one stack is that of the calling thread; elsewhere this does
 * nothing. Returns @stack, so it is written ioth_msocket(on(c, c->b), ...).
 */
struct ioth *on(struct conf *c, struct ioth *stack);

/** oracle - whether the case is running on the host kernel */
bool oracle(const struct conf *c);

/* --------------------------------------------------------------------------------------------------- checks */

#define HERE conf_mark(__FILE__, __LINE__)
/* Told again with the value that was found, since other marks have been set while it was. */
#define AT __FILE__, __LINE__

#define CHECK(condition) (HERE, (condition) ? (void)0 : conf_fail("%s: false", #condition))
#define FAIL(...) (HERE, conf_fail(__VA_ARGS__))
#define SKIP(...) (HERE, conf_skip(__VA_ARGS__))

/* got == want, both integers */
#define CHECK_INT(got, want) (HERE, conf_check_int(AT, #got, (long long)(got), (long long)(want)))

/* the call returns exactly 0; exactly n; at least 0, and gives that; -1 with that errno */
#define CHECK_OK(call) (HERE, errno = 0, conf_check_ret(AT, #call, (long long)(call), 0))
#define CHECK_LEN(call, n) (HERE, errno = 0, conf_check_ret(AT, #call, (long long)(call), (long long)(n)))
#define CHECK_GE0(call) (HERE, errno = 0, (int)conf_check_ge0(AT, #call, (long long)(call)))
#define CHECK_ERR(call, want) (HERE, errno = 0, conf_check_err(AT, #call, (long long)(call), want))

/* poll(2) answers exactly @want to IN OUT PRI RDHUP (ERR HUP NVAL come unasked), now or when the event has arrived */
#define CHECK_POLL(fd, want) (HERE, conf_check_poll(#fd, fd, want))
/* ... and these bits and no others right now */
#define CHECK_POLL_NOW(fd, want) (HERE, conf_check_poll_now(#fd, fd, want))

/* PRI comes, whatever else there is */
#define CHECK_URGENT(fd) (HERE, conf_check_urgent(#fd, fd))

#define CHECK_MEM(got, want, len) (HERE, conf_check_mem(AT, #got, got, want, len))
#define CHECK_STR(got, want) (HERE, conf_check_str(AT, #got, got, want))
/* two addresses are the same: family, address, port, scope */
#define CHECK_ADDR(got, want) (HERE, conf_check_addr(AT, #got, got, want))
/* an integer socket option has that value; setting it succeeds */
#define CHECK_OPT(fd, level, name, want) (HERE, conf_check_opt(#name, fd, level, name, want))
#define SETOPT(fd, level, name, value) (HERE, conf_setopt(#name, fd, level, name, value))

void conf_mark(const char *file, int line);
__attribute__((noreturn, format(printf, 1, 2))) void conf_fail(const char *format, ...);
__attribute__((noreturn, format(printf, 1, 2))) void conf_skip(const char *format, ...);
void conf_check_int(const char *file, int line, const char *text, long long got, long long want);
void conf_check_ret(const char *file, int line, const char *text, long long got, long long want);
long long conf_check_ge0(const char *file, int line, const char *text, long long got);
void conf_check_err(const char *file, int line, const char *text, long long got, int want);
void conf_check_poll(const char *text, int fd, int want);
void conf_check_poll_now(const char *text, int fd, int want);
void conf_check_urgent(const char *text, int fd);
void conf_check_mem(const char *file, int line, const char *text, const void *got, const void *want, size_t len);
void conf_check_str(const char *file, int line, const char *text, const char *got, const char *want);
void conf_check_addr(const char *file, int line, const char *text, struct addr got, struct addr want);
void conf_check_opt(const char *text, int fd, int level, int name, int want);
void conf_setopt(const char *text, int fd, int level, int name, int value);

/* ------------------------------------------------------------------------------------------------ addresses */

/** addr_of - the address of a host; @port in host byte order */
struct addr addr_of(struct conf *c, const struct ioth *stack, int port);
struct addr addr_any(struct conf *c, int port);
struct addr addr_loopback(struct conf *c, int port);

/** addr_absent - an address of the shared network that no host has; addr_unrouted - one to which no host has a route */
struct addr addr_absent(struct conf *c, int port);
struct addr addr_unrouted(struct conf *c, int port);

/** addr_silent - addr_absent, as a neighbour that a knows and that never says a word: who waits for it waits long, while
    addr_absent is given up after three seconds */
struct addr addr_silent(struct conf *c, int port);

/** addr_text - address from text of the case's family */
struct addr addr_text(struct conf *c, const char *text, int port);

int addr_port(struct addr addr);
struct addr addr_with_port(struct addr addr, int port);
/** addr_raw - the bytes of the address proper, 4 or 16 */
void *addr_raw(struct addr *addr);
socklen_t addr_rawlen(const struct conf *c);

#define sockname(fd) (HERE, conf_sockname(fd))
#define peername(fd) (HERE, conf_peername(fd))
struct addr conf_sockname(int fd);
struct addr conf_peername(int fd);

/** ifindex - of vde0, the interface that joins the hosts, on one of them */
#define ifindex(c, stack) (HERE, conf_ifindex(c, stack))
unsigned int conf_ifindex(struct conf *c, struct ioth *stack);

#define CONF_IFNAME "vde0"
#define CONF_MTU 1500

/* -------------------------------------------------------------------------------------------------- sockets */

struct pair {
	int a, b; /* on c->a and on c->b */
};

/* Each of these checks what it does, and has the descriptor closed at the end of the case. */
#define keep(c, fd) (HERE, conf_keep(c, fd))
#define sock(c, stack, type) (HERE, conf_sock(c, stack, (c)->family, type, 0))
#define sockp(c, stack, domain, type, protocol) (HERE, conf_sock(c, stack, domain, type, protocol))
#define bound(c, stack, type, out) (HERE, conf_bound(c, stack, type, out))
#define listener(c, stack, out) (HERE, conf_listener(c, stack, out))
#define accepted(c, fd) (HERE, conf_accepted(c, fd))
#define tcp_pair(c) (HERE, conf_tcp_pair(c))
#define udp_pair(c) (HERE, conf_udp_pair(c))
#define drop(c, fd) (HERE, conf_drop(c, fd))

int conf_keep(struct conf *c, int fd);
int conf_sock(struct conf *c, struct ioth *stack, int domain, int type, int protocol);
/** conf_bound - a socket bound to the host's address and a port the stack chose, given in @out */
int conf_bound(struct conf *c, struct ioth *stack, int type, struct addr *out);
/** conf_listener - a listening TCP socket on the host's address, backlog 16 */
int conf_listener(struct conf *c, struct ioth *stack, struct addr *out);
int conf_accepted(struct conf *c, int fd);
/** conf_tcp_pair - a TCP connection from a to b; conf_udp_pair - two UDP sockets connected to each other */
struct pair conf_tcp_pair(struct conf *c);
struct pair conf_udp_pair(struct conf *c);
/** conf_drop - close it now; 0 is checked */
void conf_drop(struct conf *c, int fd);

/** conf_forget - the case (or close(2)) has closed this descriptor itself */
void conf_forget(struct conf *c, int fd);

/* Send all of a text; receive exactly that text; receive whatever is there within the time of a wait. */
#define send_text(fd, text) (HERE, conf_send_text(fd, text))
#define recv_text(fd, text) (HERE, conf_recv_text(fd, text))
void conf_send_text(int fd, const char *text);
void conf_recv_text(int fd, const char *text);

/** nonblock - set O_NONBLOCK by ioth_fcntl */
#define nonblock(fd) (HERE, conf_nonblock(fd))
void conf_nonblock(int fd);

/** fill - write to a stream till it takes no more; leaves it non-blocking and returns how much it took */
#define fill(fd) (HERE, conf_fill(fd))
size_t conf_fill(int fd);

/** drain - read @len bytes from a stream and drop them */
#define drain(fd, len) (HERE, conf_drain(fd, len))
void conf_drain(int fd, size_t len);

/** timeout - set SO_RCVTIMEO or SO_SNDTIMEO, milliseconds */
#define timeout(fd, option, ms) (HERE, conf_timeout(fd, option, ms))
void conf_timeout(int fd, int option, int ms);

/** pattern - the byte at an offset of a test stream */
static inline unsigned char pattern(uint64_t offset)
{
	return (unsigned char)((offset * 0x9e3779b97f4a7c15u) >> 56);
}

/** inet_sum - the sum of RFC 1071 of some bytes, an even number unless they are the last, added to @sum */
static inline uint32_t inet_sum(uint32_t sum, const void *data, size_t len)
{
	const unsigned char *byte = data;

	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? byte[i] : (uint32_t)byte[i] << 8;
	return sum;
}

/** inet_checksum - the checksum that a sum makes, host byte order */
static inline uint16_t inet_checksum(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* ------------------------------------------------------------------------------------------- ancillary data */

/** struct inbox - one received message: text, sender, ancillary data */
struct inbox {
	char text[256];
	ssize_t len;
	int flags; /* msg_flags */
	struct addr from;
	_Alignas(struct cmsghdr) char control[512];
	struct msghdr msg;
	struct iovec iov;
};

/** receive - wait for a message and take it; with MSG_ERRQUEUE it waits for POLLERR */
#define receive(fd, flags, in) (HERE, conf_receive(fd, flags, in))
void conf_receive(int fd, int flags, struct inbox *in);

/** control - the data of the ancillary message of that level and type, which must be there with exactly @size bytes */
#define control(in, level, type, out, size) (HERE, conf_control(in, level, type, out, size))
#define control_int(in, level, type) (HERE, conf_control_int(in, level, type))
void conf_control(struct inbox *in, int level, int type, void *out, size_t size);
int conf_control_int(struct inbox *in, int level, int type);
/** control_none - there is no ancillary message at all */
#define control_none(in) (HERE, conf_control_none(in))
void conf_control_none(struct inbox *in);

/** send_control - sendmsg of a text with one ancillary message; @to may be NULL; returns what sendmsg does */
ssize_t send_control(int fd, const struct addr *to, const char *text, int level, int type, const void *data,
                     size_t size);

/* -------------------------------------------------------------------------------------------- other threads */

/**
 * struct call - a call made by a thread of its own
 *
 * call_start starts the thread; call_blocked waits till the call is blocked; call_end waits for its end and leaves
 * result and error.
 */
struct call {
	long (*run)(struct call *call); /* makes the call; its result and errno are taken */
	struct conf *c;
	int fd;
	int flags;
	void *buf;
	size_t len;
	struct addr addr;
	void *arg;
	long result; /* what it returned, and errno */
	int error;
	/* private */
	pthread_t thread;
	pid_t tid; /* 0 till the thread runs; atomic operations only */
};

#define call_start(call) (HERE, conf_call_start(call))
#define call_blocked(call) (HERE, conf_call_blocked(call))
#define call_end(call) (HERE, conf_call_end(call))
void conf_call_start(struct call *call);
void conf_call_blocked(struct call *call);
void conf_call_end(struct call *call);

/* What run may be. */
long call_recv(struct call *call);
long call_send(struct call *call);
long call_accept(struct call *call);
long call_connect(struct call *call);
long call_poll(struct call *call); /* flags: events; result: revents */

/** CHECK_CALL - end a call and check its result, and errno when that is -1 */
#define CHECK_CALL(call, want_result, want_error) (HERE, conf_check_call(call, want_result, want_error))
void conf_check_call(struct call *call, long result, int error);

/* ------------------------------------------------------------------------------------------- other processes */

/** in_child - run a function in a forked child; its checks count; returns when it has ended well */
#define in_child(c, run, arg) (HERE, conf_in_child(c, run, arg))
void conf_in_child(struct conf *c, void (*run)(struct conf *c, void *arg), void *arg);

/** exec_is_open - 1 when a program started by exec(2) finds @fd open, 0 when not */
#define exec_is_open(fd) (HERE, conf_exec_is_open(fd))
int conf_exec_is_open(int fd);

/* ------------------------------------------------------------------------------------------------ the network */

/** set_link - switch vde0 of a host on or off */
#define set_link(c, stack, up) (HERE, conf_set_link(c, stack, up))
void conf_set_link(struct conf *c, struct ioth *stack, int up);

/** running - wait till an interface is operational: what is sent before is lost, and neighbours are asked again late */
#define running(c, stack, name) (HERE, conf_running(c, stack, name))
void conf_running(struct conf *c, struct ioth *stack, const char *name);

/**
 * settled - wait till an address that a host was given is in use there: a datagram to it arrives
 *
 * Netlink says yes to a new IPv6 address a moment before Linux uses it, even without duplicate detection.
 */
#define settled(c, stack, addr) (HERE, conf_settled(c, stack, addr))
void conf_settled(struct conf *c, struct ioth *stack, struct addr addr);

/** crossed - wait till all that one host has sent to the other is there: a datagram sent after it has arrived */
#define crossed(c, from, to) (HERE, conf_crossed(c, from, to))
void conf_crossed(struct conf *c, struct ioth *from, struct ioth *to);

/**
 * delivered - wait till all that was sent on a connection is acknowledged
 *
 * Where segments are lost and late (testengine,loss=50) a datagram that has crossed says nothing about them.
 */
#define delivered(fd) (HERE, conf_delivered(fd))
void conf_delivered(int fd);

#endif
