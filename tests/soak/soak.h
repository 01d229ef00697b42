/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * soak.h - lifetime tests: what a stack leaves behind, and what happens when it ends at a bad moment.
 *
 * Each case runs in a process of its own, a child of the runner (main.c). The runner is the reaper of whatever a case
 * leaves behind, so it also counts the helper processes of stacks, and finds those that outlive their program.
 */
#ifndef SOAK_H
#define SOAK_H

#include <ioth.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

/** struct soak - what a case gets */
struct soak {
	const char *stack;   /* kind of stack under test */
	const char *network; /* "switch": the first stack is the switch of the others; "shm": it is in shared memory */
	const char *dir;     /* a directory of its own, removed afterwards */
	bool full;           /* full counts, else those of make test */
};

/** soak_count - @full in a full run, else @quick */
static inline unsigned int soak_count(const struct soak *soak, unsigned int quick, unsigned int full)
{
	return soak->full ? full : quick;
}

/** soak_fail - end the case as failed; appends errno when it is not 0 */
__attribute__((format(printf, 1, 2), noreturn)) void soak_fail(const char *format, ...);
/** soak_skip - end the case as one that cannot run here */
__attribute__((format(printf, 1, 2), noreturn)) void soak_skip(const char *format, ...);
/** soak_say - the line that stands beside a passed case */
__attribute__((format(printf, 1, 2))) void soak_say(const char *format, ...);

/** soak_processes - processes below the runner, without the runner and the case itself; the pid of one of them in @pid
 */
int soak_processes(int *pid);

/* ------------------------------------------------------------------------------------------------ account.c */

/** struct account - what the case and its helpers hold, and what the machine has left */
struct account {
	int fds, threads, processes;
	int shared; /* mappings, as of networks in shared memory */
	long rss; /* KiB, of the case and its helpers together, without networks in shared memory: those have a size */
	long unreclaimable; /* KiB, kernel memory that cannot be reclaimed (SUnreclaim) */
	long available;     /* KiB, MemAvailable */
};

void account_take(struct account *out);

/**
 * account_compare - fail the case when more is held than @before, once the kernel has had time to clean up behind
 * itself
 * @cycles: how many there were, for the message
 */
void account_compare(const struct account *before, unsigned int cycles);

/**
 * limit_namespaces - at most @count network namespaces may exist at a time from here on, for this process and its
 * children
 *
 * To be called before any thread exists. It moves the case into a user namespace of its own; a run that creates more
 * namespaces than that, one after the other, proves that each of them goes away. Returns false where it is not allowed.
 */
bool limit_namespaces(unsigned int count);

/* --------------------------------------------------------------------------------------------------- node.c */

#define NODE_VNL 300

/** node_vnl - where node @number joins network @name of the case; node 1 is the first to. Returns @vnl */
char *node_vnl(const struct soak *soak, const char *name, unsigned int number, char vnl[NODE_VNL]);
/** node_switched - does the network live only as long as node 1? Skips the case where it does not */
void node_switched(const struct soak *soak);
/** node_new - a stack on @vnl with 10.x.y.z = 10.0.0.0 + @number on vde0, up; NULL + errno */
struct ioth *node_new(const struct soak *soak, const char *vnl, unsigned int number);
/**
 * node_new_patiently - the same, tried again for a while: the kernel takes namespaces apart in the background, and a
 * switch that is starting may not listen yet
 */
struct ioth *node_new_patiently(const struct soak *soak, const char *vnl, unsigned int number);
/** node_socket - a UDP socket of @node, bound to @port (0: chosen), waiting at most 10 s in a call; fails the case */
int node_socket(struct ioth *node, unsigned int port);
/** node_send - one datagram to 10.0.0.0 + @number, @port; 0, or -1 + errno */
int node_send(int fd, unsigned int number, unsigned int port);
/** node_address - 10.0.0.0 + @number, @port */
struct sockaddr_in node_address(unsigned int number, unsigned int port);
/** node_delete - delete a stack that must not be busy; fails the case */
void node_delete(struct ioth *node);

/* ----------------------------------------------------------------------------------------------- the cases */

void case_stack_cycles(const struct soak *soak);
void case_stack_cycles_in_threads(const struct soak *soak);
void case_socket_cycles(const struct soak *soak);
void case_stop_while_blocked(const struct soak *soak);
void case_delete_while_flooded(const struct soak *soak);
void case_helper_killed(const struct soak *soak);
void case_switch_killed(const struct soak *soak);
void case_peer_switch_killed(const struct soak *soak);
void case_program_killed(const struct soak *soak);
void case_ring(const struct soak *soak);
void case_flooded(const struct soak *soak);
void case_deleted_under_load(const struct soak *soak);

#endif
