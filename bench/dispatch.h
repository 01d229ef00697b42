/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dispatch.h - the calls whose way through libioth is measured, and the descriptors they are made on. */
#ifndef BENCH_DISPATCH_H
#define BENCH_DISPATCH_H

/** dispatch_spin - one call on @fd, @count times */
typedef void dispatch_spin(int fd, unsigned int count);

/** struct dispatch_call - one call, as a system call and through libioth */
struct dispatch_call {
	dispatch_spin *plain;
	dispatch_spin *again; /* the same as plain, a second copy of the code: what it differs by is noise */
	dispatch_spin
	        *delayed; /* the same and ten multiplications, each of which waits for the one before: some 30 cycles */
	dispatch_spin *ioth;
};

/** enum dispatch_other - what the plain call is compared with: members of struct dispatch_call */
enum dispatch_other {
	DISPATCH_IOTH,
	DISPATCH_AGAIN,
	DISPATCH_DELAYED,
};

/** struct dispatch_place - one call on one kind of descriptor */
struct dispatch_place {
	const char *stack; /* plugin, NULL: a descriptor that is not of libioth */
	const struct dispatch_call *call;
	enum dispatch_other other;
};

/* All of them return fast and change nothing, so that the few nanoseconds of libioth stand out. */
extern const struct dispatch_call dispatch_fcntl;      /* F_GETFD */
extern const struct dispatch_call dispatch_getsockopt; /* SO_TYPE */
extern const struct dispatch_call dispatch_recv;       /* MSG_DONTWAIT: EAGAIN */
extern const struct dispatch_call dispatch_send;       /* no destination: EDESTADDRREQ */

/** dispatch_nothing - the loop without a call */
dispatch_spin dispatch_nothing;

/**
 * dispatch_open - UDP sockets on which a place's call can be made
 * @fds: output, @count descriptors
 *
 * They live till the end of the process. Returns 0, or -1 after bench_fail.
 */
int dispatch_open(const struct dispatch_place *place, int *fds, unsigned int count);

#endif
