/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * world.h - a world in which nothing happens by itself: one stack of the test engine, its time, its threads.
 *
 *     world.c        time, threads, the stand-in for event loops; what they are asked for by the linker (--wrap)
 *     model.c        what a program knows of its sockets, and what has to be true of them at any moment
 *     step.c         the calls of the program, chosen at random
 *     interleave.c   the test: many worlds, each from a number
 *
 * The stack, usock and the engine are those of the plugin. What they wait with is replaced: clock_gettime,
 * epoll_pwait2, sem_wait and sem_clockwait ask this file, and link_driver_* is here instead of in src/link. So a world
 * has a clock of its own, which moves only when it is told to. malloc and its relatives are replaced, too: they fail when
 * it is said, and count.
 *
 * A *task* is a thread of the program. It is a real thread, but there is one baton, and only who has it runs: the
 * scheduler (the main thread) gives it to a task, which gives it back when it has to wait, when its call has ended, and
 * now and then when it releases a lock. Which task goes on is chosen by the same random numbers as everything else. A
 * world so does exactly the same again when it is made from the same number.
 */
#ifndef INTERLEAVE_WORLD_H
#define INTERLEAVE_WORLD_H

#include "../engine/engine.h"

#include <pthread.h>
#include <semaphore.h>

#define TASKS 4

enum task_state { TASK_IDLE, TASK_READY, TASK_BLOCKED };

struct task {
	enum task_state state;
	void (*job)(struct task *task);
	void *arg;
	bool interrupted; /* by a signal, as it seems to it */
	/* private */
	pthread_t thread;
	sem_t go;
	bool over;
	unsigned int locks; /* it holds; with none it may be made to wait for its turn */
	int epfd;           /* what it waits for: something in the set, or */
	sem_t *sem;         /* the semaphore, or */
	int64_t until;      /* this time */
};

struct world {
	uint64_t number; /* what it was made from */
	uint64_t random;
	int64_t now;
	bool preempt; /* tasks are interrupted where they release a lock */
	struct usock_stack *stack;
	struct engine *engine;
	struct ioth_functions f;
	struct task task[TASKS];
	bool hostile;       /* memory fails: calls may fail for lack of it, connections too */
	unsigned int nomem; /* one allocation in so many fails, whoever asks: usock, inet, engine; 0: none does */
	bool trace;
};

extern struct world world;
extern _Thread_local void *world_socket; /* of the call in progress: getsockdata */
extern _Thread_local int world_fd;       /* and its descriptor */

/** world_open - make a world from a number; the options of the engine are chosen, too */
void world_open(uint64_t number);
/** world_close - delete the stack; threads have no job */
void world_close(void);

/** chance - a random number below @n; one_of - is it this one of @n? */
uint32_t chance(uint32_t n);
bool one_of(uint32_t n);

/** world_start - have an idle task do a job, until it waits or is done */
void world_start(struct task *task, void (*job)(struct task *task), void *arg);
/** world_goes_on - would a blocked task go on if it were given the baton? */
bool world_goes_on(const struct task *task);
/** world_step - one thing that can happen by itself happens: a task that can goes on, the event loop runs; false:
 * nothing can */
bool world_step(void);
/** world_wait - time passes until something can happen, at most @ns; false: nothing will */
bool world_wait(int64_t ns);

/** world_fail - say what is wrong and how to see it again, and end */
__attribute__((noreturn, format(printf, 1, 2))) void world_fail(const char *format, ...);
__attribute__((format(printf, 1, 2))) void world_trace(const char *format, ...);

#endif
