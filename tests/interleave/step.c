/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * step.c - the calls of a world's program, chosen at random; and its end.
 *
 * A call is made by a task, and is a job: it may wait. The sockets that it is about are not closed meanwhile, and
 * nobody else sends or receives on them: then nobody could tell which bytes are whose.
 */
#include "model.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/uio.h>

#define MOST 60000

static union any {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
} here(int family, uint16_t port)
{
	union any addr = {.in = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}}};

	if (family == AF_INET6)
		addr = (union any){
		        .in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT}};
	return addr;
}

static socklen_t size_of(int family)
{
	return family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

/** port_of - of a socket, or of its peer; 0 when it has none */
static uint16_t port_of(const struct sock *s, bool peer)
{
	union any addr;
	socklen_t len = sizeof(addr);
	int result = peer ? world.f.getpeername(on(s), &addr.sa, &len) : world.f.getsockname(on(s), &addr.sa, &len);

	return result == 0 ? ntohs(addr.in.sin_port) : 0;
}

/** pick - a socket of a kind, on which there is no call unless @busy; NULL */
static struct sock *pick(enum kind kind, bool busy)
{
	unsigned int first = chance(SOCKS);

	for (unsigned int i = 0; i < SOCKS; i++) {
		struct sock *s = &sock[(first + i) % SOCKS];

		if (s->kind == kind && (busy || s->calls == 0))
			return s;
	}
	return NULL;
}

/** waited - a call that may wait said EAGAIN: had its time come? */
static void waited(const struct sock *s, const char *call, bool may_wait, int ms, int64_t since)
{
	if (!may_wait)
		return;
	if (ms == 0)
		world_fail("socket %d: %s: EAGAIN of a call without a limit", (int)(s - sock), call);
	if (world.now - since < ms * MS)
		world_fail("socket %d: %s: EAGAIN after %lld of %d ms", (int)(s - sock), call,
		           (long long)((world.now - since) / MS), ms);
}

static void options(struct sock *s)
{
	int ms = one_of(2) ? 0 : 1 + (int)chance(300), bytes = 1 << (10 + chance(8));
	struct timeval time = {ms / 1000, ms % 1000 * 1000};

	switch (chance(7)) {
	case 0:
		world.f.setsockopt(on(s), SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
		s->rcv_ms = ms;
		break;
	case 1:
		world.f.setsockopt(on(s), SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time));
		s->snd_ms = ms;
		break;
	case 2:
		world.f.setsockopt(on(s), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
		break;
	case 3:
		world.f.setsockopt(on(s), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
		break;
	case 4:
		if (s->kind != DATAGRAM)
			world.f.setsockopt(on(s), IPPROTO_TCP, TCP_NODELAY, &(int){(int)chance(2)}, sizeof(int));
		break;
	case 5:
		if (s->kind != DATAGRAM)
			world.f.setsockopt(on(s), IPPROTO_TCP, TCP_CORK, &(int){(int)chance(2)}, sizeof(int));
		break;
	default:
		s->nonblock = !s->nonblock;
		fcntl(s->fd, F_SETFL, s->nonblock ? O_NONBLOCK : 0);
		break;
	}
}

/* --------------------------------------------------------------------------------------------------------------- jobs
 */

static void done(struct sock *s)
{
	s->calls--;
}

static void job_send(struct task *task)
{
	static unsigned char bytes[TASKS][MOST];
	struct sock *s = task->arg;
	struct way *way = &s->conn->way[s->side];
	unsigned char *mine = bytes[task - world.task];
	size_t len = one_of(3) ? 1 + chance(MOST) : 1 + chance(3000), first = chance((uint32_t)len);
	int flags = MSG_NOSIGNAL | (one_of(3) ? MSG_DONTWAIT : 0) | (one_of(6) ? MSG_MORE : 0), error;
	struct iovec iov[2] = {{mine, first}, {mine + first, len - first}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
	bool may_wait = !s->nonblock && !(flags & MSG_DONTWAIT), no_write = s->no_write, out = shown(s) & POLLOUT;
	int64_t since = world.now;
	int ms = s->snd_ms;
	ssize_t n;

	for (size_t i = 0; i < len; i++)
		mine[i] = conn_byte(s->conn, s->side, way->sent + i);
	way->offered = way->sent + len;
	n = one_of(2) ? world.f.send(on(s), mine, len, flags) : world.f.sendmsg(on(s), &msg, flags);
	error = errno;
	world_trace("send %d: %zd of %zu%s", (int)(s - sock), n, len, n < 0 ? strerror(error) : "");
	way->sent += n > 0 ? (size_t)n : 0;
	way->offered = way->sent;
	s->sending = false;
	done(s);
	if (way->received > way->sent)
		world_fail("socket %d: more has come out than went in", (int)(s - sock));
	if (n >= 0)
		return;
	if (error == EAGAIN) {
		waited(s, "send", may_wait, ms, since);
		if (out && !may_wait && !world.hostile)
			world_fail("socket %d: poll showed OUT, and send says EAGAIN", (int)(s - sock));
	} else if (error == EPIPE && (no_write || s->no_write || s->failed)) {
		return;
	} else if (error != EINTR || !may_wait) {
		model_error(s, "send", error);
	}
}

static void job_recv(struct task *task)
{
	static unsigned char bytes[TASKS][MOST];
	struct sock *s = task->arg;
	struct way *way = &s->conn->way[!s->side];
	unsigned char *mine = bytes[task - world.task];
	size_t len = one_of(3) ? 1 + chance(MOST) : 1 + chance(3000), first = chance((uint32_t)len);
	int flags = (one_of(3) ? MSG_DONTWAIT : 0) | (one_of(6) ? MSG_PEEK : 0) | (s->all ? MSG_WAITALL : 0), error;
	struct iovec iov[2] = {{mine, first}, {mine + first, len - first}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
	bool may_wait = !s->nonblock && !(flags & MSG_DONTWAIT), in = shown(s) & POLLIN;
	int64_t since = world.now;
	int ms = s->rcv_ms;
	ssize_t n = one_of(2) ? world.f.recv(on(s), mine, len, flags) : world.f.recvmsg(on(s), &msg, flags);

	error = errno;
	world_trace("recv %d: %zd of %zu%s%s", (int)(s - sock), n, len, flags & MSG_PEEK ? ", peeked " : "",
	            n < 0 ? strerror(error) : "");
	s->receiving = s->all = false;
	done(s);
	if (n > 0) {
		model_took(s, mine, (size_t)n, flags & MSG_PEEK);
		if ((flags & (MSG_WAITALL | MSG_PEEK)) == MSG_WAITALL && may_wait && (size_t)n < len && ms == 0 &&
		    !s->no_read && !way->ended && !s->conn->broken)
			world_fail("socket %d: MSG_WAITALL, and %zd of %zu bytes", (int)(s - sock), n, len);
	} else if (n == 0) {
		/* A call that sends may have the error already, and not have told yet. */
		bool explained = s->failed || (s->conn->broken && s->calls > 0);

		if (!s->no_read && !explained && (way->received < way->sent || (!s->conn->broken && !way->ended)))
			world_fail("socket %d: the stream ends after %llu of %llu bytes", (int)(s - sock),
			           (unsigned long long)way->received, (unsigned long long)way->sent);
		way->end_seen = true;
	} else if (error == EAGAIN) {
		waited(s, "recv", may_wait, ms, since);
		if (in && !may_wait)
			world_fail("socket %d: poll showed IN, and recv says EAGAIN", (int)(s - sock));
	} else if (error != EINTR || !may_wait) {
		model_error(s, "recv", error);
	}
}

/** connected - connect has succeeded */
static void connected(struct sock *s)
{
	uint16_t port = port_of(s, false);
	bool listening = false;

	s->side = 0;
	s->conn = conn_of(s->family, port, s->port, 0);
	s->kind = CONNECTED;
	for (unsigned int i = 0; i < SOCKS; i++)
		listening |= sock[i].kind == LISTENING && sock[i].family == s->family && sock[i].port == s->port;
	if (!listening && !s->conn->known[1])
		conn_break(s->conn, "its listener was closed");
	world_trace("connection %d is that of socket %d", (int)(s->conn - conn), (int)(s - sock));
}

static void job_connect(struct task *task)
{
	struct sock *s = task->arg;
	union any addr = here(s->family, s->port);
	int64_t since = world.now;
	int ms = s->snd_ms, error;
	bool may_wait = !s->nonblock;

	error = world.f.connect(on(s), &addr.sa, size_of(s->family)) == 0 ? 0 : errno;
	world_trace("connect %d to %u: %s", (int)(s - sock), s->port, strerror(error));
	if (error == 0)
		connected(s);
	else if (error == EINPROGRESS && may_wait)
		waited(s, "connect", true, ms, since);
	else if (error == ECONNREFUSED || error == ECONNABORTED || error == ECONNRESET || error == ETIMEDOUT)
		s->kind = OVER, s->failed = true;
	else if (error != EINPROGRESS && !(error == EINTR && may_wait))
		model_error(s, "connect", error);
	if ((error == ENOBUFS || error == ENOMEM) && s->kind == CONNECTING)
		s->kind = OVER;
	done(s); /* others may look at it from here on */
}

static void job_accept(struct task *task)
{
	struct sock *s = task->arg, *got;
	int64_t since = world.now;
	int ms = s->rcv_ms, fd, error;
	bool may_wait = !s->nonblock, in = shown(s) & POLLIN, alone = s->calls == 1;
	union any peer;
	socklen_t len = sizeof(peer);
	struct timeval none = {0};

	fd = world.f.accept(on(s), &peer.sa, &len);
	error = errno;
	world_trace("accept %d: %d %s", (int)(s - sock), fd, fd < 0 ? strerror(error) : "");
	done(s);
	if (fd >= 0) {
		void *data = world_socket;

		if (in == false && !may_wait && alone)
			world_fail("socket %d: poll showed no IN, and accept has one", (int)(s - sock));
		got = sock_new();
		if (!got) { /* no room: the peer is to find out */
			struct sock other = {.fd = fd, .data = data, .family = s->family};

			conn_break(conn_of(s->family, ntohs(peer.in.sin_port), s->port, 1),
			           "there is no room for its socket");
			world.f.close(on(&other));
			return;
		}
		world_socket = data;
		sock_made(got, CONNECTED, s->family, fd);
		got->side = 1;
		got->calls++; /* till it is ready for others */
		got->conn = conn_of(s->family, ntohs(peer.in.sin_port), s->port, 1);
		world_trace("connection %d is that of socket %d", (int)(got->conn - conn), (int)(got - sock));
		/* It may have had those of the listener. */
		world.f.setsockopt(on(got), SOL_SOCKET, SO_RCVTIMEO, &none, sizeof(none));
		world.f.setsockopt(on(got), SOL_SOCKET, SO_SNDTIMEO, &none, sizeof(none));
		got->calls--;
	} else if (error == EAGAIN) {
		waited(s, "accept", may_wait, ms, since);
		if (in && !may_wait && alone)
			world_fail("socket %d: poll showed IN, and accept says EAGAIN", (int)(s - sock));
	} else if (!(error == EINTR && may_wait) && !(error == EINVAL && s->no_read) &&
	           !(world.hostile && (error == ENOMEM || error == ENOBUFS))) {
		world_fail("socket %d: accept: %s", (int)(s - sock), strerror(error));
	}
}

struct note {
	uint32_t from, number;
	unsigned char rest[1000];
};

static void job_datagram(struct task *task)
{
	struct sock *s = task->arg, *to = pick(DATAGRAM, true);
	bool may_wait = !s->nonblock, send = one_of(2);
	struct note note = {.from = (uint32_t)(s - sock)};
	size_t len = 8 + chance(1000);
	int64_t since = world.now;
	int ms = s->rcv_ms, error;
	union any addr;
	ssize_t n;

	if (send && to->family == s->family) {
		note.number = ++s->sent;
		memset(note.rest, (int)note.number, sizeof(note.rest));
		addr = here(to->family, to->port);
		n = world.f.sendto(on(s), &note, len, 0, &addr.sa, size_of(to->family));
		done(s);
		if (n != (ssize_t)len && !(world.hostile && n < 0 && (errno == ENOBUFS || errno == ENOMEM)))
			world_fail("datagram socket %d: sendto: %zd of %zu, %s", (int)(s - sock), n, len,
			           strerror(errno));
		return;
	}
	n = world.f.recv(on(s), &note, sizeof(note), 0);
	error = errno;
	done(s);
	if (n < 0 && error == EAGAIN)
		waited(s, "recv of a datagram", may_wait, ms, since);
	else if (n < 0 && !(error == EINTR && may_wait))
		world_fail("datagram socket %d: recv: %s", (int)(s - sock), strerror(error));
	if (n < 0 || (n == 0 && s->no_read))
		return;
	if (n < 8 || note.from >= SOCKS)
		world_fail("datagram socket %d: one that nobody has sent: %zd bytes, from %u", (int)(s - sock), n,
		           note.from);
	for (size_t i = 0; i < (size_t)n - 8; i++)
		if (note.rest[i] != (unsigned char)note.number)
			world_fail("datagram socket %d: byte %zu is wrong", (int)(s - sock), i + 8);
}

/* -------------------------------------------------------------------------------------------------------------- calls
 */

/** start - have @task do a job about a socket */
static void start(struct task *task, void (*job)(struct task *task), struct sock *s)
{
	s->calls++;
	world_start(task, job, s);
}

static void new_socket(void)
{
	struct sock *s = sock_new();
	int family = one_of(2) ? AF_INET6 : AF_INET, fd;
	union any addr = here(family, 0);
	bool datagram = one_of(5);

	if (!s)
		return;
	fd = world.f.socket(family, (datagram ? SOCK_DGRAM : SOCK_STREAM), 0);
	if (fd < 0 && world.hostile)
		return;
	if (fd < 0)
		world_fail("socket: %s", strerror(errno));
	sock_made(s, datagram ? DATAGRAM : FRESH, family, fd);
	world_trace("socket %d of family %d%s", (int)(s - sock), family, datagram ? ", datagrams" : "");
	if (datagram) {
		if (world.f.bind(on(s), &addr.sa, size_of(family)) != 0)
			world_fail("bind: %s", strerror(errno));
		s->port = port_of(s, false);
	}
}

static void listen_on(struct sock *s)
{
	union any addr = here(s->family, 0);

	if (world.f.bind(on(s), &addr.sa, size_of(s->family)) != 0) {
		if (!world.hostile)
			world_fail("bind: %s", strerror(errno));
		return;
	}
	if (world.f.listen(on(s), (int)chance(5)) != 0) {
		if (!world.hostile)
			world_fail("listen: %s", strerror(errno));
		return;
	}
	s->kind = LISTENING;
	s->port = port_of(s, false);
	world_trace("socket %d listens on %u", (int)(s - sock), s->port);
}

/** connect_to - a fresh socket to a listener, or to nobody */
static void connect_to(struct task *task, struct sock *s)
{
	struct sock *to = pick(LISTENING, true);

	if (!to || to->family != s->family)
		return;
	s->port = one_of(20) ? 9 : to->port;
	s->kind = CONNECTING;
	start(task, job_connect, s);
}

/** connect_again - an attempt that is under way: has it come to an end? */
static void connect_again(struct sock *s)
{
	unsigned int events = shown(s);
	socklen_t len = sizeof(int);
	int error = 0;

	if (!(events & (POLLOUT | POLLERR | POLLHUP)))
		return;
	if (world.f.getsockopt(on(s), SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		world_fail("SO_ERROR: %s", strerror(errno));
	world_trace("socket %d: poll shows 0x%x, SO_ERROR %s", (int)(s - sock), events, strerror(error));
	if (error == 0 && port_of(s, true) != 0) {
		connected(s);
	} else {
		if (error != 0)
			model_error(s, "connect", error);
		s->kind = OVER;
	}
}

/** fetch_error - SO_ERROR says something when, and only when, poll shows ERR */
static void fetch_error(struct sock *s)
{
	unsigned int events = shown(s);
	socklen_t len = sizeof(int);
	int error = 0;

	if (world.f.getsockopt(on(s), SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		world_fail("SO_ERROR: %s", strerror(errno));
	if ((error != 0) != !!(events & POLLERR))
		world_fail("socket %d: SO_ERROR is %s, poll showed 0x%x", (int)(s - sock), strerror(error), events);
	if (error != 0)
		model_error(s, "SO_ERROR", error);
	if (shown(s) & POLLERR)
		world_fail("socket %d: SO_ERROR was fetched, ERR is still there", (int)(s - sock));
}

static void shut(struct sock *s, int how)
{
	int error = world.f.shutdown(on(s), how) == 0 ? 0 : errno;

	world_trace("shutdown %d, %d: %s", (int)(s - sock), how, strerror(error));
	if (error != 0 &&
	    (error != ENOTCONN || !(s->failed || s->conn->broken || (s->no_write && s->conn->way[!s->side].ended))))
		world_fail("socket %d: shutdown: %s", (int)(s - sock), strerror(error));
	if (how != SHUT_RD) {
		s->no_write = true;
		s->conn->way[s->side].ended = true;
	}
	if (how != SHUT_WR)
		s->no_read = true;
}

/** let_go - close a socket; what it leaves unread, or is sent to it from now on, resets the connection */
static void let_go(struct sock *s)
{
	struct linger linger = {.l_onoff = 1};

	if (s->kind == CONNECTED && one_of(4))
		world.f.setsockopt(on(s), SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	if (s->kind == LISTENING)
		for (unsigned int i = 0; i < conns; i++)
			if (conn[i].family == s->family && conn[i].port[1] == s->port && !conn[i].known[1])
				conn_break(&conn[i], "its listener was closed");
	if (s->conn) {
		conn_break(s->conn, "one side was closed");
		s->conn->way[s->side].ended = true;
	}
	world_trace("close %d", (int)(s - sock));
	s->kind = NONE;
	if (world.f.close(on(s)) != 0)
		world_fail("close: %s", strerror(errno));
}

/** reset - a connection dies, as if the network said so */
static void reset(void)
{
	unsigned int count = 0;
	bool known = false;
	struct tcb *tcb;

	for (tcb = world.engine->tcbs; tcb; tcb = tcb->next)
		count++;
	count = chance(count);
	for (tcb = world.engine->tcbs; tcb && count-- > 0;)
		tcb = tcb->next;
	if (!tcb || tcb->dead || tcb->state != ESTABLISHED || !tcb->tcp)
		return;
	for (unsigned int i = 0; i < conns; i++)
		if ((conn[i].port[0] == tcb->port && conn[i].port[1] == tcb->peer_port) ||
		    (conn[i].port[1] == tcb->port && conn[i].port[0] == tcb->peer_port)) {
			conn_break(&conn[i], "it was reset");
			known = true;
		}
	if (!known)
		return;
	world_trace("the connection from %u to %u is reset", tcb->port, tcb->peer_port);
	usock_lock(world.stack);
	tcp_reset(world.engine, &tcb->flow, tcb->port, tcb->peer_port, tcb->snd_nxt, 0, false);
	tcb_die(tcb, -ECONNRESET);
	usock_deadline_changed(world.stack);
	usock_unlock(world.stack);
}

/** on_connection - a call about a connection */
static void on_connection(struct task *task, struct sock *s)
{
	switch (chance(12)) {
	case 0:
		if (s->calls == 0)
			options(s);
		break;
	case 1:
		if (s->calls == 0)
			fetch_error(s);
		break;
	case 2:
		if (s->kind == CONNECTED && one_of(4))
			shut(s, (int)chance(3));
		break;
	case 3:
		if (s->calls == 0 && one_of(4))
			let_go(s);
		break;
	case 4:
	case 5:
	case 6:
	case 7:
		if (s->conn && !s->sending && s->conn->way[s->side].sent < 1U << 20) {
			s->sending = true;
			start(task, job_send, s);
		}
		break;
	default:
		if (s->conn && !s->receiving) {
			s->receiving = true;
			s->receiver = task;
			s->all = one_of(5);
			start(task, job_recv, s);
		}
		break;
	}
}

/** interrupt - a signal comes while a thread waits in a call with a limit */
static void interrupt(void)
{
	struct task *task = &world.task[chance(TASKS)];

	if (task->state == TASK_BLOCKED && task->until != INET_NEVER && ((struct sock *)task->arg)->rcv_ms > 0 &&
	    ((struct sock *)task->arg)->snd_ms > 0)
		task->interrupted = true;
}

void step_call(void)
{
	struct task *task = &world.task[chance(TASKS)];
	struct sock *s;

	if (task->state != TASK_IDLE)
		return;
	switch (chance(16)) {
	case 0:
		if (!pick(FRESH, false) || one_of(4))
			new_socket();
		break;
	case 1:
		s = pick(FRESH, false);
		if (s && (!pick(LISTENING, true) || one_of(3)))
			listen_on(s);
		else if (!s)
			new_socket();
		break;
	case 2:
	case 3:
		s = pick(FRESH, false);
		if (s && one_of(3))
			options(s);
		else if (s)
			connect_to(task, s);
		break;
	case 4:
		s = pick(CONNECTING, false);
		if (s)
			connect_again(s);
		break;
	case 5:
	case 6:
		s = pick(LISTENING, true);
		if (s && s->calls == 0 && one_of(5))
			options(s);
		else if (s && s->calls == 0 && one_of(20))
			let_go(s);
		else if (s)
			start(task, job_accept, s);
		break;
	case 7:
		s = pick(DATAGRAM, false);
		if (s)
			start(task, job_datagram, s);
		break;
	case 8:
		if (one_of(4))
			reset();
		else
			interrupt();
		break;
	case 9:
		s = pick(OVER, false);
		if (s)
			on_connection(task, s);
		break;
	default:
		s = pick(CONNECTED, true);
		if (s)
			on_connection(task, s);
		break;
	}
}

/* ---------------------------------------------------------------------------------------------------------------- end
 */

/** empty - read all that is there; true at the end of the stream, or when the connection is broken */
static bool empty(struct sock *s)
{
	static unsigned char bytes[MOST];
	ssize_t n;

	do {
		n = world.f.recv(on(s), bytes, sizeof(bytes), MSG_DONTWAIT);
		if (n > 0)
			model_took(s, bytes, (size_t)n, false);
	} while (n > 0);
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n < 0)
		model_error(s, "recv", errno);
	return true;
}

/** busy - is a call in progress? */
static bool busy(void)
{
	for (unsigned int i = 0; i < TASKS; i++)
		if (world.task[i].state != TASK_IDLE)
			return true;
	return false;
}

/** settle - let everything happen that will, at most so long */
static void settle(int64_t ns)
{
	int64_t until = world.now + ns;

	while (world.now < until) {
		for (unsigned int i = 0; world_step(); i++) {
			world.now += 1000;
			if (i > 1000000)
				world_fail("it never comes to rest");
		}
		if (!world_wait(until - world.now))
			break;
	}
}

/** finish - both sides of all connections end their streams, and read to the end; is there anything left to do? */
static bool finish(bool force)
{
	bool left = false;

	/* Those that nobody has accepted stay so. */
	for (unsigned int i = 0; i < conns; i++)
		if (!conn[i].known[0] || !conn[i].known[1])
			conn_break(&conn[i], "nobody has the other side");
	for (unsigned int i = 0; i < SOCKS; i++) {
		struct sock *s = &sock[i];

		if (s->kind == CONNECTING && s->calls == 0)
			connect_again(s);
		left |= s->kind == CONNECTING;
		if (s->kind == LISTENING && s->calls > 0)
			world.f.shutdown(on(s), SHUT_RDWR), s->no_read = true;
		if (s->kind == DATAGRAM && s->calls > 0)
			world.f.shutdown(on(s), SHUT_RDWR), s->no_read = left = true;
		if (s->kind != CONNECTED)
			continue;
		if (!s->no_write && !s->sending)
			shut(s, SHUT_WR);
		if (!s->receiving && !s->no_read && !s->failed && !s->conn->way[!s->side].end_seen)
			s->conn->way[!s->side].end_seen = empty(s);
		left |= s->calls > 0 || !s->no_write || (!s->no_read && !s->failed && !s->conn->way[!s->side].end_seen);
		if (force && s->calls > 0) {
			conn_break(s->conn, "its end was forced");
			shut(s, SHUT_RDWR);
		}
	}
	return left;
}

/** whole - what was sent on connections that nothing has happened to has come */
static void whole(void)
{
	for (unsigned int i = 0; i < conns; i++)
		for (unsigned int from = 0; from < 2; from++) {
			const struct way *way = &conn[i].way[from];
			bool shut_off = false;

			for (unsigned int j = 0; j < SOCKS; j++)
				shut_off |= sock[j].conn == &conn[i] && sock[j].side != from && sock[j].no_read;
			if (!conn[i].broken && conn[i].known[0] && conn[i].known[1] && !shut_off &&
			    way->received != way->sent)
				world_fail("connection %u, from side %u: %llu bytes were sent, %llu have come", i, from,
				           (unsigned long long)way->sent, (unsigned long long)way->received);
		}
}

void step_end(void)
{
	world_trace("the end");
	world.engine->loss = world.engine->nomem = world.nomem = 0;
	for (unsigned int round = 0; round < 400 && finish(round > 300); round++)
		settle(1000 * MS);
	settle(1000 * MS);
	for (unsigned int i = 0; i < SOCKS; i++)
		if (sock[i].calls > 0)
			world_fail("socket %u (kind %d): a call on it does not return", i, sock[i].kind);
	if (busy())
		world_fail("a call does not return");
	model_check();
	whole();
	for (unsigned int i = 0; i < SOCKS; i++)
		if (sock[i].kind != NONE)
			let_go(&sock[i]);
	settle(300 * 1000 * MS);
	if (world.engine->tcbs)
		world_fail("a connection is left, in state %d", world.engine->tcbs->state);
}
