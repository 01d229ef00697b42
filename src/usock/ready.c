/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ready.c - what poll(2), select(2), epoll(7) and io_uring see of a socket.
 *
 * The descriptor of a socket is an AF_UNIX socket, "the program's end". The other end, "our end", is moved so that the
 * kernel shows of the program's end exactly what Linux would show of the real socket (tried on Linux 6.18):
 *
 *     FRESH    a TCP socket before connect and listen: an AF_UNIX stream socket that is not connected: OUT|HUP, as the
 *              real one. connect and listen join it to an end of ours (below): it stays the same file, epoll sets keep it.
 *     STREAM   IN           a byte in the program's end
 *              no OUT       two bytes from the program's end unread in ours, with the smallest SO_SNDBUF; OUT when we
 *                           read one
 *              RDHUP|IN     our end shut down for writing
 *              HUP          our end shut down for both
 *              ERR and HUP  our end closed with something unread in it: the *ballast*, a byte that the program's end
 *                           was made to send before. ERR goes when SO_ERROR of the program's end is read.
 *              PRI          MSG_OOB
 *     DGRAM    UDP, raw, packet, netlink: connected to each other.
 *              IN, no OUT   as above, with datagrams
 *              ERR          our end disconnects (connect to AF_UNSPEC) with something unread in it, which makes an error
 *                           of the other, and connects again, to the name of the program's end. That uses the ballast
 *                           up: it is given again when the error is taken.
 *              RDHUP, HUP   the program's end is shut down
 *
 * A socket is brought up to date when the lock of its stack is given back, and when a frame leaves before that: what is
 * acknowledged can be read (usock__show_changed).
 *
 * An event that comes when it is shown already (a second segment, a second connection) is one more byte, because it is
 * one more edge for EPOLLET. Everything else costs a system call only when something changes.
 *
 * A thread that is blocked in a call of ours will take what has arrived: while there is one, IN is not shown; when its
 * call is over it sees to what is left. The same with OUT. So a blocking reader costs nothing here.
 *
 * What cannot be had: PRI without IN (urgent data alone are IN as well, but who reads then passes over them, so nobody is
 * told for ever; of the descriptors that Linux has only a TCP socket shows PRI alone); ERR without HUP of a stream (TCP with
 * IP_RECVERR), or with it but without RDHUP and IN (shutdown while connecting); POLLWRBAND comes with OUT.
 *
 * Our ends are close-on-exec, closed in forked children, never block and never raise SIGPIPE. The program may read,
 * write or shut down its end with system calls: it sees nonsense then, but we only lose count.
 *
 * close(2) of the program's end: of a STREAM our end gets HUP at once, as long as it has none itself. Others are noticed
 * when something is to be shown, when their port is wanted by another socket, and when the number is used again for a
 * socket. The number may belong to another file at any time, so each use of it is preceded by a look at the inode, and
 * most are made within a call on the socket, when libioth has just looked.
 *
 * Connecting a stream needs a listener: one for the process, with a name the kernel chooses ("door"), as long as there
 * is a stack. Strangers of the same network namespace can find it; who comes in is asked for its process, and a door
 * that is blocked by strangers is replaced.
 *
 * When a socket has to show something that its file cannot show any more (a stream that is connected again, a listener
 * that was shut down) a new file is put under its number, and libioth is told (renewfd). It is no longer in epoll sets
 * then, nor are copies made by dup(2) changed.
 *
 * All with the lock of the stack held, but where it says otherwise. `door_lock` is taken after it, for the time of
 * three system calls.
 */
#include "private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Datagrams in the program's end that are edges only: no more than this. */
#define EDGES 32

/* --------------------------------------------------------------------------------------------------------- our ends */

/* Which descriptors are our ends, for the child of a fork. Those beyond are merely kept open there. */
static _Atomic uint64_t own_ends[1024];

static void own_mark(int fd, bool ours)
{
	unsigned int word = (unsigned int)fd / 64;
	uint64_t bit = UINT64_C(1) << (fd % 64);

	if (word >= sizeof(own_ends) / sizeof(own_ends[0]))
		return;
	if (ours)
		atomic_fetch_or_explicit(&own_ends[word], bit, memory_order_relaxed);
	else
		atomic_fetch_and_explicit(&own_ends[word], ~bit, memory_order_relaxed);
}

static void own_close(int fd)
{
	own_mark(fd, false);
	close(fd);
}

/** own_ends_close - in a forked child: what looks closed in the parent must not be held open by the child */
static void own_ends_close(void)
{
	for (unsigned int word = 0; word < sizeof(own_ends) / sizeof(own_ends[0]); word++) {
		uint64_t bits = atomic_exchange_explicit(&own_ends[word], 0, memory_order_relaxed);

		for (; bits != 0; bits &= bits - 1)
			close((int)(64 * word) + __builtin_ctzll(bits));
	}
}

/* ------------------------------------------------------------------------------------------------------------- door */

static pthread_mutex_t door_lock = PTHREAD_MUTEX_INITIALIZER;
static int door = -1;
static unsigned int door_users; /* stacks: the last one closes it */
static struct sockaddr_un door_name;
static socklen_t door_name_len;

void usock__ready_forked(void)
{
	if (door >= 0)
		close(door);
	door = -1;
	door_users = 0;
	pthread_mutex_init(&door_lock, NULL);
	own_ends_close();
}

static void door_close(void)
{
	if (door >= 0)
		close(door);
	door = -1;
}

void usock__ready_use(bool use)
{
	pthread_mutex_lock(&door_lock);
	if (use)
		door_users++;
	else if (--door_users == 0)
		door_close();
	pthread_mutex_unlock(&door_lock);
}

/** door_open - make the listener, if there is none; door_lock held */
static int door_open(void)
{
	struct sockaddr_un any = {.sun_family = AF_UNIX};
	int error;

	if (door >= 0)
		return 0;
	door = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (door < 0)
		return -errno;
	door_name_len = sizeof(door_name);
	if (bind(door, (struct sockaddr *)&any, sizeof(any.sun_family)) == 0 && listen(door, 64) == 0 &&
	    getsockname(door, (struct sockaddr *)&door_name, &door_name_len) == 0)
		return 0;
	error = -errno;
	door_close();
	return error;
}

/** door_accept - the other end of what has just connected; strangers are shown out; door_lock held */
static int door_accept(void)
{
	for (;;) {
		struct ucred who = {.pid = 0};
		socklen_t len = sizeof(who);
		int fd = accept4(door, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			return -errno;
		if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 && who.pid == getpid())
			return fd;
		close(fd);
	}
}

/** join - connect the stream socket @user to a new socket of ours; that or a negative errno */
static int join(int user)
{
	struct timeval patience = {.tv_sec = 1};
	int own = -EAGAIN;

	/* A queue full of strangers would block it for ever. */
	setsockopt(user, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	pthread_mutex_lock(&door_lock);
	for (int attempt = 0; attempt < 3 && own == -EAGAIN; attempt++) {
		own = door_open();
		if (own < 0)
			break;
		own = connect(user, (struct sockaddr *)&door_name, door_name_len) < 0 ? -errno : door_accept();
		if (own < 0)
			door_close();
		/* A descriptor too few: the connection is lost with the door, and the socket of no more use. */
	}
	pthread_mutex_unlock(&door_lock);
	return own;
}

/* ------------------------------------------------------------------------------------------------ the program's end */

bool usock__ready_owns(const struct usock__ready *ready)
{
	struct stat st;

	return ready->user >= 0 && fstat(ready->user, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_ino == ready->inode;
}

bool usock__nonblocking(const struct usock *sock)
{
	int flags = fcntl(sock->ready.user, F_GETFL);

	return flags >= 0 && (flags & O_NONBLOCK) != 0;
}

/** watch - of a stream, to hear of close(2) */
static int watch(struct usock *sock)
{
	int result = usock__drive_watch(sock->stack, sock->ready.own, 0, USOCK_EVENT_SOCKET, sock);

	sock->ready.watched = result == 0;
	return result;
}

static void unwatch(struct usock *sock)
{
	if (sock->ready.watched)
		usock__drive_unwatch(sock->stack, sock->ready.own, sock);
	sock->ready.watched = false;
}

/** dead - the program has closed its end behind our back: so ends the socket */
static void dead(struct usock *sock)
{
	sock->dead = true;
	sock->stack->open--;
	usock__ready_close(sock, false);
	if (sock->kind->release != NULL)
		sock->kind->release(sock);
	/* Other threads may still be in calls on it. */
	usock__changed(sock, EPOLLIN | EPOLLOUT | EPOLLHUP | EPOLLERR);
}

bool usock__ready_alive(struct usock *sock)
{
	if (!sock->dead && sock->ready.user >= 0 && !usock__ready_owns(&sock->ready))
		dead(sock);
	return !sock->dead;
}

void usock__ready_event(struct usock *sock, uint32_t events)
{
	/* Our end shows HUP also when the program has shut its own down with shutdown(2), and would for ever. */
	if ((events & (EPOLLHUP | EPOLLERR)) && usock__ready_alive(sock))
		unwatch(sock);
}

/** make - the two ends for a shape: 0 or a negative errno */
static int make(struct usock__ready *ready, enum usock__shape shape, int flags)
{
	int ends[2] = {-1, -1};
	int type = shape == USOCK_SHAPE_DGRAM ? SOCK_DGRAM : SOCK_STREAM;
	struct stat st;

	flags &= SOCK_CLOEXEC | SOCK_NONBLOCK;
	if (shape == USOCK_SHAPE_FRESH)
		ends[0] = socket(AF_UNIX, type | flags, 0);
	else
		(void)!socketpair(AF_UNIX, type | SOCK_CLOEXEC | flags, 0, ends);
	if (ends[0] < 0)
		return -errno;
	if (shape != USOCK_SHAPE_FRESH && !(flags & SOCK_CLOEXEC))
		fcntl(ends[0], F_SETFD, 0);
	if (fstat(ends[0], &st) < 0)
		st.st_ino = 0;
	*ready = (struct usock__ready){.user = ends[0], .own = ends[1], .inode = st.st_ino, .shape = shape};
	ready->shown = shape == USOCK_SHAPE_FRESH ? EPOLLOUT | EPOLLHUP : EPOLLOUT;
	if (ends[1] >= 0)
		own_mark(ends[1], true);
	return 0;
}

int usock__ready_open(struct usock *sock, enum usock__shape shape, int flags)
{
	struct usock__ready *ready = &sock->ready;
	int result = make(ready, shape, flags);

	if (result < 0) {
		*ready = (struct usock__ready){.user = -1, .own = -1};
		return result;
	}
	if (shape == USOCK_SHAPE_STREAM)
		result = watch(sock);
	if (result < 0) {
		own_close(ready->own);
		close(ready->user);
		*ready = (struct usock__ready){.user = -1, .own = -1};
		return result;
	}
	sock->stack->open++;
	return ready->user;
}

/** own_end - close our end */
static void own_end(struct usock *sock)
{
	struct usock__ready *ready = &sock->ready;

	if (ready->own < 0)
		return;
	unwatch(sock);
	own_close(ready->own);
	ready->own = -1;
}

void usock__ready_close(struct usock *sock, bool user_too)
{
	struct usock__ready *ready = &sock->ready;

	own_end(sock);
	if (user_too && usock__ready_owns(ready))
		close(ready->user);
	if (user_too)
		ready->user = -1;
}

/**
 * renew - put a new file of another shape under the number
 *
 * Only in a call on the socket: libioth has to know the file again. 0 or a negative errno.
 */
static int renew(struct usock *sock, enum usock__shape shape)
{
	struct ioth_functions *f = sock->stack->f;
	struct usock__ready *old = &sock->ready, new;
	int flags, result;

	if (f->size < offsetof(struct ioth_functions, renewfd) + sizeof(f->renewfd) || f->renewfd == NULL ||
	    f->getsockdata() != sock || !usock__ready_owns(old))
		return -EOPNOTSUPP;
	flags = fcntl(old->user, F_GETFL);
	result = make(&new, shape, SOCK_CLOEXEC | (flags >= 0 && (flags & O_NONBLOCK) ? SOCK_NONBLOCK : 0));
	if (result < 0)
		return result;
	/* It replaces the old file under this number and under those that ioth_dup has made. */
	result = f->renewfd(new.user) < 0 ? -errno : 0;
	close(new.user);
	if (result < 0) {
		if (new.own >= 0)
			own_close(new.own);
		return result;
	}
	new.user = old->user;
	own_end(sock);
	*old = new;
	return shape == USOCK_SHAPE_STREAM ? watch(sock) : 0;
}

int usock__ready_pair(struct usock *sock)
{
	struct usock__ready *ready = &sock->ready;
	int own;

	if (ready->shape == USOCK_SHAPE_STREAM && ready->own >= 0 &&
	    !(ready->shown & (EPOLLHUP | EPOLLRDHUP | EPOLLERR)))
		return 0;
	if (ready->shape != USOCK_SHAPE_FRESH)
		return renew(sock, USOCK_SHAPE_STREAM);
	if (!usock__ready_owns(ready))
		return -EBADF;
	own = join(ready->user);
	if (own < 0)
		return own;
	own_mark(own, true);
	ready->own = own;
	ready->shape = USOCK_SHAPE_STREAM;
	ready->shown = EPOLLOUT;
	return watch(sock);
}

/* ------------------------------------------------------------------------------------------------ single properties */

static ssize_t put(int fd, size_t len, int flags)
{
	return send(fd, "!", len, MSG_DONTWAIT | MSG_NOSIGNAL | flags);
}

/** give - have the program's end send us @count bytes or datagrams; how many it did */
static int give(const struct usock__ready *ready, int count)
{
	struct iovec byte = {(char[]){"!"}, 1};
	struct mmsghdr messages[2] = {{.msg_hdr = {.msg_iov = &byte, .msg_iovlen = 1}},
	                              {.msg_hdr = {.msg_iov = &byte, .msg_iovlen = 1}}};

	return sendmmsg(ready->user, messages, (unsigned int)count, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/** show_out - OUT, or not */
static void show_out(struct usock__ready *ready, bool out)
{
	int size = 0;
	char byte;

	if (out) {
		(void)!recv(ready->own, &byte, 1, MSG_DONTWAIT);
		ready->shown |= EPOLLOUT;
		return;
	}
	if (!usock__ready_owns(ready))
		return;
	if (!ready->small)
		setsockopt(ready->user, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	ready->small = true;
	if (give(ready, ready->ballast ? 1 : 2) > 0)
		ready->ballast = true;
	ready->shown &= ~(uint32_t)EPOLLOUT;
}

/** show_in - one more byte or datagram: IN, and an edge; false: the program's end is no more */
static bool show_in(struct usock__ready *ready)
{
	if (put(ready->own, 1, 0) == 1)
		ready->waiting++;
	else if (ready->shape == USOCK_SHAPE_DGRAM && errno == ECONNREFUSED)
		return false;
	ready->shown |= EPOLLIN;
	return true;
}

/** drain - neither IN nor PRI */
static void drain(struct usock__ready *ready)
{
	struct mmsghdr messages[EDGES] = {0};
	char bytes[512];

	if (!usock__ready_owns(ready))
		return;
	if (ready->shown & EPOLLPRI)
		(void)!recv(ready->user, bytes, 1, MSG_OOB | MSG_DONTWAIT);
	if (ready->shape == USOCK_SHAPE_DGRAM && ready->waiting > 1)
		(void)!recvmmsg(ready->user, messages, EDGES, MSG_DONTWAIT, NULL);
	else
		while (recv(ready->user, bytes, sizeof(bytes), MSG_DONTWAIT) == sizeof(bytes))
			;
	ready->waiting = 0;
	ready->shown &= ~(uint32_t)(EPOLLIN | EPOLLPRI);
}

/** take_error - no ERR */
static void take_error(struct usock__ready *ready)
{
	socklen_t len = sizeof(int);
	int error;

	if (usock__ready_owns(ready))
		getsockopt(ready->user, SOL_SOCKET, SO_ERROR, &error, &len);
	ready->shown &= ~(uint32_t)EPOLLERR;
}

/* ---------------------------------------------------------------------------------------------------------- streams */

/** stream_error - ERR and HUP, and with them everything that is not PRI, in one step */
static void stream_error(struct usock *sock)
{
	struct usock__ready *ready = &sock->ready;

	if (!ready->ballast && usock__ready_owns(ready))
		give(ready, 1);
	own_end(sock);
	ready->shown |= EPOLLERR | EPOLLHUP | EPOLLRDHUP | EPOLLIN | EPOLLOUT;
}

/** stream_end - RDHUP, HUP */
static void stream_end(struct usock *sock, uint32_t want)
{
	struct usock__ready *ready = &sock->ready;

	if (want & EPOLLHUP) {
		/* After it the program's end cannot give anything for ERR. */
		if (!ready->ballast && usock__ready_owns(ready))
			ready->ballast = give(ready, 1) == 1;
		/* Our end has HUP as well. A close(2) is noticed later then. */
		unwatch(sock);
		shutdown(ready->own, SHUT_RDWR);
		ready->shown |= EPOLLHUP | EPOLLRDHUP | EPOLLIN;
	} else {
		shutdown(ready->own, SHUT_WR);
		ready->shown |= EPOLLRDHUP | EPOLLIN;
	}
}

static void show_stream(struct usock *sock, uint32_t want, uint32_t told)
{
	struct usock__ready *ready = &sock->ready;
	uint32_t add = want & ~ready->shown, del = ready->shown & ~want;
	bool fresh = (want & (EPOLLHUP | EPOLLRDHUP | EPOLLERR)) == EPOLLHUP;

	if (del & EPOLLERR)
		take_error(ready);
	if ((del & (EPOLLHUP | EPOLLRDHUP)) || fresh) {
		/* What is shut down stays so, and only what is not connected has HUP alone. */
		if (renew(sock, fresh ? USOCK_SHAPE_FRESH : USOCK_SHAPE_STREAM) == 0) {
			if (fresh)
				return;
			add = want & ~ready->shown;
			del = ready->shown & ~want;
		}
	}
	if (ready->own < 0)
		return;
	if ((add & EPOLLERR) && (want & EPOLLHUP)) {
		stream_error(sock);
		return;
	}
	if ((ready->shown & EPOLLPRI) && ((del & (EPOLLPRI | EPOLLIN)))) {
		drain(ready);
		add = want & ~ready->shown;
	} else if ((del & EPOLLIN) && !(ready->shown & EPOLLRDHUP)) {
		drain(ready);
	}
	if (add & (EPOLLRDHUP | EPOLLHUP)) {
		/* OUT first: who sees the end should see all of it. */
		if (add & EPOLLOUT)
			show_out(ready, true);
		stream_end(sock, want);
	} else if ((add & EPOLLIN) || (want & told & EPOLLIN && !(add & EPOLLPRI))) {
		show_in(ready);
	}
	if ((add & EPOLLPRI) && put(ready->own, 1, MSG_OOB) == 1)
		ready->shown |= EPOLLPRI;
	if ((want ^ ready->shown) & EPOLLOUT)
		show_out(ready, want & EPOLLOUT);
}

/* -------------------------------------------------------------------------------------------------------- datagrams */

void usock__ready_arm(struct usock *sock)
{
	struct usock__ready *ready = &sock->ready;
	struct sockaddr_un any = {.sun_family = AF_UNIX};

	if (ready->shape != USOCK_SHAPE_DGRAM || ready->own < 0 || (ready->named && ready->ballast) ||
	    !usock__ready_owns(ready))
		return;
	if (!ready->named)
		ready->named = bind(ready->user, (struct sockaddr *)&any, sizeof(any.sun_family)) == 0;
	if (!ready->ballast)
		ready->ballast = give(ready, 1) == 1;
}

/** dgram_error - ERR */
static void dgram_error(struct usock *sock)
{
	struct usock__ready *ready = &sock->ready;
	struct sockaddr nobody = {.sa_family = AF_UNSPEC};
	struct sockaddr_un name;
	socklen_t len = sizeof(name);

	usock__ready_arm(sock);
	/* The name of the other end has to be asked for as long as there is one. */
	if (!ready->named || getpeername(ready->own, (struct sockaddr *)&name, &len) < 0)
		return;
	connect(ready->own, &nobody, sizeof(nobody.sa_family));
	ready->ballast = false;
	ready->shown |= EPOLLERR | EPOLLOUT;
	if (connect(ready->own, (struct sockaddr *)&name, len) < 0)
		usock__ready_alive(sock);
}

static void show_dgram(struct usock *sock, uint32_t want, uint32_t told)
{
	struct usock__ready *ready = &sock->ready;
	uint32_t add = want & ~ready->shown, del = ready->shown & ~want;

	if (ready->own < 0)
		return;
	if (del & EPOLLERR) {
		take_error(ready);
		usock__ready_arm(sock);
	}
	if ((del & EPOLLIN) && !(ready->shown & EPOLLRDHUP)) {
		/* Reading would find the error, not the datagrams: it is taken before, and shown again below. */
		if (ready->shown & EPOLLERR) {
			take_error(ready);
			usock__ready_arm(sock);
		}
		drain(ready);
		add = want & ~ready->shown;
	}
	if ((add & (EPOLLRDHUP | EPOLLHUP)) && usock__ready_owns(ready)) {
		shutdown(ready->user, want & EPOLLHUP ? SHUT_RDWR : SHUT_RD);
		ready->shown |= EPOLLIN | (want & (EPOLLHUP | EPOLLRDHUP));
	}
	if ((add & EPOLLIN) || (want & told & EPOLLIN && ready->waiting < EDGES))
		if (!show_in(ready) && !usock__ready_alive(sock))
			return;
	if (add & EPOLLERR || (want & told & EPOLLERR && ready->ballast))
		dgram_error(sock);
	if (sock->dead)
		return;
	if ((want ^ ready->shown) & EPOLLOUT)
		show_out(ready, want & EPOLLOUT);
}

/* -------------------------------------------------------------------------------------------------------------- all */

/** wanted - what the descriptor should show */
static uint32_t wanted(struct usock *sock)
{
	uint32_t want = sock->kind->poll == NULL ? EPOLLOUT : sock->kind->poll(sock);

	if (sock->stack->stopped)
		want |= EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP;
	/* Left to a thread that is on its way. */
	if (!(want & (EPOLLERR | EPOLLHUP | EPOLLRDHUP))) {
		if (sock->readers > 0)
			want &= sock->ready.shown | ~(uint32_t)EPOLLIN;
		if (sock->writers > 0)
			want &= sock->ready.shown | ~(uint32_t)EPOLLOUT;
	}
	return want;
}

void usock__ready_sync(struct usock *sock)
{
	struct usock__ready *ready = &sock->ready;
	/* What was shown early has had its edge. */
	uint32_t want, told = sock->readers > 0 ? 0 : ready->told & ~ready->early;

	ready->told = ready->early = 0;
	if (ready->user < 0 || sock->dead)
		return;
	want = wanted(sock);
	if (want == ready->shown && !(told & want & (EPOLLIN | EPOLLERR)))
		return;
	switch (ready->shape) {
	case USOCK_SHAPE_FRESH:
		/* The only thing that can happen to it, without becoming a stream, is that its stack is stopped. */
		if ((want & ~ready->shown & EPOLLRDHUP) && usock__ready_owns(ready)) {
			shutdown(ready->user, SHUT_RDWR);
			ready->shown |= EPOLLRDHUP | EPOLLIN;
		}
		break;
	case USOCK_SHAPE_STREAM:
		show_stream(sock, want, told);
		break;
	case USOCK_SHAPE_DGRAM:
		show_dgram(sock, want, told);
		break;
	}
}

void usock__ready_show(struct usock *sock)
{
	struct usock__ready *ready = &sock->ready;
	uint32_t want, add;

	if (ready->shape != USOCK_SHAPE_STREAM || ready->user < 0 || ready->own < 0 || sock->dead)
		return;
	want = wanted(sock);
	add = want & ~ready->shown;
	/* An error ends a connection, and nothing is acknowledged then. */
	if (add == 0 || (ready->shown & ~want) != 0 || (want & (EPOLLERR | EPOLLHUP)) != 0)
		return;
	show_stream(sock, want, 0);
	ready->early |= add;
}
