/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * wait.h - bounded waits for events.
 *
 * A test never sleeps to let something happen: it waits for the thing itself, and gives up after WAIT_MS.
 */
#ifndef TESTS_LIB_WAIT_H
#define TESTS_LIB_WAIT_H

#include <stdbool.h>
#include <sys/types.h>

#define WAIT_MS 10000 /* long enough for a sanitizer build on a busy machine */

#define WAIT_POLL_ALL                                                                                                  \
	(POLLIN | POLLOUT | POLLPRI | POLLRDHUP) /* and POLLERR, POLLHUP, POLLNVAL, which poll always tells */

/** wait_now_ms - monotonic clock, milliseconds */
long wait_now_ms(void);

/** wait_again - pause shortly before looking again at something that no event announces; false when @deadline is over
 */
bool wait_again(long deadline);

/** wait_revents - wait till poll(2) answers exactly @want to WAIT_POLL_ALL; returns the last answer, or negative errno
 */
int wait_revents(int fd, int want);

/** wait_thread_runnable - wait till a thread of this process runs, or only waits for a processor; false when @deadline is
 * over */
bool wait_thread_runnable(pid_t tid, long deadline);

/**
 * wait_thread_blocked - wait till a thread of this process sleeps in the kernel and stays asleep
 *
 * Returns 0, or -ETIMEDOUT, -ESRCH when it has ended. There is no event for this: /proc is read till the thread is in
 * state S with the same count of context switches three times in a row.
 */
int wait_thread_blocked(pid_t tid);

/** wait_call_blocked - the same, but not at a mutex, whose holder may have lost the processor for a while */
int wait_call_blocked(pid_t tid);

/** wait_process_blocked - the same for the main thread of process @pid, waiting or stopped states excluded */
int wait_process_blocked(pid_t pid);

#endif
