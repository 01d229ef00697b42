/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * crowd.h - violence against a shm:// network: what the cases of ioth-shm-soak share.
 *
 *     main.c      the command line
 *     traffic.c   ports that send numbered frames with a hash and check what they receive
 *     crowd.c     many of them, which come and go
 *     killed.c    processes that are killed at any moment
 *     scribble.c  a member that writes nonsense everywhere
 *
 * Every case works in processes of its own. What they count is in memory that they share with the program (struct
 * tally); a process that finds something wrong says what and exits with 1.
 */
#ifndef SHM_SOAK_CROWD_H
#define SHM_SOAK_CROWD_H

#include <libvdeplug.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define PEERS_MAX 256

/** struct tally - of all processes */
struct tally {
	_Atomic uint64_t sent, received, refused; /* frames; refused: no room */
	_Atomic uint64_t joins, rounds, again;    /* rounds: questions answered; again: asked again */
	_Atomic bool stop;
	_Atomic bool damage; /* somebody is writing nonsense: frames may be wrong, only nothing worse */
};

/** struct soak - what was asked for */
struct soak {
	char net[100], url[150];
	unsigned int seconds, kills;
	unsigned int processes, ports; /* of each */
	struct tally *tally;
};

/** struct member - a port that takes part */
struct member {
	VDECONN *conn;
	unsigned int id;      /* its address */
	uint32_t incarnation; /* a new one each time that it joins */
	uint64_t next;        /* number of its next frame */
	struct {
		uint32_t incarnation;
		uint64_t last;
	} heard[PEERS_MAX];
};

/** fail - say what is wrong and end the process */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** member_join - join the network, with a new incarnation; member_leave */
void member_join(struct member *member, const struct soak *soak, unsigned int id);
void member_leave(struct member *member);

/** member_send - send a frame of random size to member @to, or to all if it is negative; false: there is no room now */
bool member_send(struct member *member, const struct soak *soak, int to);

/** member_receive - receive and check what there is, at most @most frames; returns how many */
unsigned int member_receive(struct member *member, const struct soak *soak, unsigned int most);

/** member_process - be a process with soak->ports ports from @first on, sending to @peers others, until told to stop or
 * killed */
_Noreturn void member_process(const struct soak *soak, unsigned int first, unsigned int peers, bool restless);

/** ask_and_answer - two processes that ask and answer each other; every question has to be answered, or one of them must
 * have had to give up a frame, as it may when the other gets no processor for long (docs/networks/shm.md): then it is
 * asked again. Their ids in pid[2] */
void ask_and_answer(const struct soak *soak, pid_t pid[2]);

/** all_well - wait for a process and fail if it did; @killed: it may have been */
void all_well(pid_t pid, bool killed);

/** network_gone - fail if the directory of the network is still there */
void network_gone(const struct soak *soak);

void case_crowd(struct soak *soak);
void case_killed(struct soak *soak);
void case_scribble(struct soak *soak);

#endif
