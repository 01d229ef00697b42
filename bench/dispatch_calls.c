/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bench.h"
#include "dispatch.h"
#include "ioth.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * Each loop calls the function by its name, through the same kind of linkage as a program does, and starts on a cache
 * line, so that the loops differ by the function alone.
 */
#define SPIN(name, call)                                                                                               \
	static __attribute__((noinline, aligned(64))) void name(int fd, unsigned int count)                            \
	{                                                                                                              \
		int value = 0;                                                                                         \
		socklen_t len = sizeof(value);                                                                         \
                                                                                                                       \
		(void)fd, (void)value, (void)len;                                                                      \
		while (count-- > 0)                                                                                    \
			(void)(call);                                                                                  \
	}

/** delay - take ten multiplications' time */
static inline void delay(void)
{
	unsigned int x = 1;

	for (int i = 0; i < 10; i++) {
		x *= x;
		__asm__ volatile("" : "+r"(x)); /* a number that the compiler cannot know */
	}
}

#define CALL(name, plain_call, ioth_call)                                                                              \
	SPIN(name##_plain, plain_call)                                                                                 \
	SPIN(name##_again, plain_call)                                                                                 \
	SPIN(name##_delayed, (delay(), plain_call))                                                                    \
	SPIN(name##_ioth, ioth_call)                                                                                   \
	const struct dispatch_call dispatch_##name = {name##_plain, name##_again, name##_delayed, name##_ioth};

CALL(fcntl, fcntl(fd, F_GETFD, 0L), ioth_fcntl(fd, F_GETFD, 0L))
CALL(getsockopt, getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &len),
     ioth_getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &len))
CALL(recv, recv(fd, &value, sizeof(value), MSG_DONTWAIT), ioth_recv(fd, &value, sizeof(value), MSG_DONTWAIT))
CALL(send, send(fd, &value, sizeof(value), 0), ioth_send(fd, &value, sizeof(value), 0))

SPIN(nothing, ({ __asm__ volatile(""); }))

void dispatch_nothing(int fd, unsigned int count)
{
	nothing(fd, count);
}

int dispatch_open(const struct dispatch_place *place, int *fds, unsigned int count)
{
	struct ioth *stack = NULL;
	char vnl[128];

	snprintf(vnl, sizeof(vnl), "ptp://%s/dispatch-%d", bench_options.directory, (int)getpid());
	if (place->stack) {
		stack = ioth_newstack(place->stack, strcmp(place->stack, "kernel") ? vnl : NULL);
		if (!stack)
			return bench_fail("ioth_newstack(\"%s\"): %s", place->stack, strerror(errno));
	}
	for (unsigned int i = 0; i < count; i++) {
		fds[i] = stack ? ioth_msocket(stack, AF_INET, SOCK_DGRAM, 0) : socket(AF_INET, SOCK_DGRAM, 0);
		if (fds[i] < 0)
			return bench_fail("a socket: %s", strerror(errno));
	}
	return 0;
}
