/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* private.h - what the parts of the client share. Theory of operation: session.c. */
#ifndef REMOTE_PRIVATE_H
#define REMOTE_PRIVATE_H

#include "../usock/arguments.h"
#include "../usock/held.h"
#include "protocol.h"
#include "remote.h"

#include <stdatomic.h>

#define REMOTE_SLOTS 8   /* connections that are kept */
#define REMOTE_PIECES 64 /* of a vector that a question has; more are copied together */
#define REMOTE_HIGH 768  /* our descriptors have numbers from here on */

/** struct remote__slot - a connection; which one is told by the inode, since the program may close any number */
struct remote__slot {
	_Atomic int state;
	int fd;
	ino_t inode;
};

struct remote {
	char path[108];
	char name[sizeof(REMOTE_NAME) + REMOTE_NAME_DIGITS]; /* how the names of its sockets begin, behind the NUL */
	char session[REMOTE_NAME_DIGITS + 1];
	enum remote_mode mode;
	_Atomic pid_t pid; /* whose connections they are */
	struct remote__slot slots[REMOTE_SLOTS];
};

extern const struct remote_next *remote__next;

/** struct remote__ask - a question and its answer */
struct remote__ask {
	struct remote_request head; /* op, arg and the rooms; the lengths of the parts are filled in from here */
	const void *addr, *control;
	const struct iovec *iov;
	size_t iovcnt;
	int fd;                          /* the descriptor it is about, or -1; of who may wait, waiting has it */
	int number;                      /* under which the program knows that, when it is a copy */
	struct remote__waiting *waiting; /* of a call that may have to; NULL: of another */
	bool patient; /* of a call that does: the answer may take long, signals, time and cancellation end the question */

	struct remote_reply reply;
	void *to_addr, *to_control;
	struct iovec *to_iov;
	size_t to_iovcnt;
	int got; /* the descriptor that came along, or -1 */
};

/**
 * remote__ask - ask, and wait for the answer
 *
 * The result of the call or a negative errno: ENETDOWN nobody serves any more; EFAULT of the program's buffers; EINTR
 * and EAGAIN (its time is over) of a patient question.
 */
int remote__ask(struct remote *r, struct remote__ask *ask);

/** remote__simple - a question about @fd that has numbers only */
int remote__simple(struct remote *r, enum remote_op op, int fd, int a, int b, int c);

/** remote__kind - REMOTE_KIND_... of @fd, 0 when it is not joined to anything of a server */
char remote__kind(int fd);

/** remote__is_tcp - is @fd, of a server, a TCP socket in whatever state? */
bool remote__is_tcp(int fd);

/* --------------------------------------------------------------------------------------------------------- waiting */

/** remote__after - the time of CLOCK_MONOTONIC so much from now; @nsec: less than a second */
struct timespec remote__after(time_t sec, long nsec);

/** struct remote__waiting - of a call that may have to wait (wait.c) */
struct remote__waiting {
	int fd;       /* on which it asks: the program's, then a copy of it */
	int number;   /* the program's */
	int flags;    /* of which MSG_DONTWAIT matters */
	bool late;    /* signals are held back only when it waits */
	bool decided; /* whether it may wait: only who may has something in held */
	bool timed;
	bool interrupted; /* a handler has run while it waited for an answer */
	struct timespec until;
	struct ioth__held held;
};

/** REMOTE_WAITING - @name of a call on the descriptor @of, which ends with the block, also when the thread is cancelled */
#define REMOTE_WAITING(name, of, with_flags)                                                                           \
	__attribute__((cleanup(remote__waiting_end))) struct remote__waiting name = {                                  \
	        .fd = (of), .number = (of), .flags = (with_flags)}

void remote__waiting_end(struct remote__waiting *waiting);

/** remote__waiting_hold - from now on the call holds signals back if it may wait */
void remote__waiting_hold(struct remote__waiting *waiting);

/**
 * remote__waiting_sleep - until there is an answer on a connection
 * @patient: as of the question
 *
 * Returns 0 or a negative errno; EAGAIN and EINTR only if @patient. Then a cancellation point.
 */
int remote__waiting_sleep(struct remote__waiting *waiting, int conn, bool patient);

/**
 * remote__wait - wait for events (POLLIN, POLLOUT, ...) of the socket
 *
 * Poll events or a negative errno: EAGAIN the call may not wait, or not for longer; EINTR; ENETDOWN; EMFILE.
 */
int remote__wait(struct remote *r, struct remote__waiting *waiting, int events);

#endif
