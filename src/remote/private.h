/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* private.h - what the parts of the client share. Theory of operation: session.c. */
#ifndef REMOTE_PRIVATE_H
#define REMOTE_PRIVATE_H

#include "../usock/arguments.h"
#include "protocol.h"
#include "remote.h"

#include <stdatomic.h>

#define REMOTE_SLOTS 8   /* connections that are kept */
#define REMOTE_PIECES 64 /* of a vector that a question has; more are copied together */

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
	int fd;             /* the descriptor it is about, or -1 */
	int number;         /* under which the program knows that, when it is a copy */
	bool patient;       /* the answer may take long: signals and cancellation end the question */
	int timeout_option; /* patient: SO_RCVTIMEO or SO_SNDTIMEO, whose time of the descriptor limits it; 0 */
	bool interrupted; /* set: a signal came while we waited for the answer. A call that goes on to wait is to end */

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

/** remote__nonblocking - would a call on @fd not wait? */
bool remote__nonblocking(int fd);

/** remote__wait - wait for events of @fd, as long as the time of @timeout_option; poll events or -EINTR, -EAGAIN,
 * -ENETDOWN */
int remote__wait(struct remote *r, int fd, int events, int timeout_option);

/** remote__hold - a copy of @fd for a call that waits: it keeps the socket, whatever becomes of the number; or a
 * negative errno */
int remote__hold(int fd);

#endif
