/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* processes.h - what a worker and its helpers use of the machine. */
#ifndef BENCH_PROCESSES_H
#define BENCH_PROCESSES_H

/** struct processes_survey - a worker and all processes that it has started, whoever their parent is now */
struct processes_survey {
	double processes, threads, descriptors;
	double cpu;       /* seconds their threads have run so far */
	double waits;     /* voluntary context switches of their threads so far */
	double own;       /* memory of the worker alone that is backed by no file, KiB */
	double anonymous; /* memory of all of them that is backed by no file, KiB */
};

/** processes_survey - look around in /proc; what cannot be read counts as nothing */
void processes_survey(struct processes_survey *survey);

/** processes_waits - how often any thread of the worker and its helpers has gone to sleep so far */
double processes_waits(void);

/** processes_idle - how much of a core the worker alone uses while nobody asks it for anything, per cent */
double processes_idle(void);

/** struct processes_memory - memory that is in use, in KiB */
struct processes_memory {
	double machine;   /* all of the machine, but for MemAvailable */
	double accounted; /* what the kernel holds for itself, and the anonymous memory of the worker and its helpers */
};

/**
 * processes_memory - measure it
 *
 * Waits until the figures stand still, for the kernel gives the memory of namespaces back behind our backs, but at most
 * ten seconds, as somebody else may be busy. Both figures include what others do, the first all of it, the second only
 * what they make the kernel hold (page tables, sockets): take differences, and believe the first on a quiet machine.
 */
void processes_memory(struct processes_memory *memory);

#endif
