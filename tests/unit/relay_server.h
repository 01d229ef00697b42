/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * relay_server.h - commands such as ip(8) run on a stack of the test, to which nlq_relay.c brings their requests, or on
 * the kernel.
 *
 * One thread. What cannot be done fails the test of cmocka that runs.
 */
#ifndef RELAY_SERVER_H
#define RELAY_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define RELAY_TEXT 65536 /* what a command may say */

struct nlq_msg;

/** struct relay_stack - who answers */
struct relay_stack {
	/** answer - to a datagram of requests, as nlq_process_datagram of <libnlq.h> */
	struct nlq_msg *(*answer)(void *of, const void *requests, size_t len, uint32_t portid, unsigned int options);
	void *of;
	struct nlq_msg **changes; /* a queue of notifications, sent out and emptied after each datagram; NULL: none */
};

/** relay_begin - be ready to be connected to; once a program. relay_end */
void relay_begin(void);
void relay_end(void);

/** relay_start - start a shell command on @stack, or on the kernel when that is NULL; *@pipe_fd: what it says */
pid_t relay_start(const struct relay_stack *stack, const char *command, int *pipe_fd);

/**
 * relay_serve - answer all commands that run on @stack, until @done says so or @pipe_fd has ended
 * @text: what comes through @pipe_fd is appended to it
 * @done: asked at first and after each event; NULL: never
 */
void relay_serve(const struct relay_stack *stack, int pipe_fd, char text[RELAY_TEXT], bool (*done)(const char *text));

/** relay_wait - for the end of a command that was started, after that of its pipe; its exit status, -1: a signal */
int relay_wait(const struct relay_stack *stack, pid_t pid);

/** relay_run - run a command; @text: what it said; its exit status, -1: a signal */
int relay_run(const struct relay_stack *stack, const char *command, char text[RELAY_TEXT]);

/** relay_subscribed - for @done: a command has joined a multicast group */
bool relay_subscribed(const char *text);

/** relay_idle - is no command connected? */
bool relay_idle(void);

#endif
