/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sched_fake.h - a thread whose processors remember what was asked of them.
 *
 * What is tested, the test and sched_fake.c are compiled with other names for the functions of <sched.h> that this has:
 * sched_fake_args in meson.build.
 */
#ifndef TESTS_SCHED_FAKE_H
#define TESTS_SCHED_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sched.h>
#include <stdbool.h>

/** struct sched_fake - the thread */
struct sched_fake {
	cpu_set_t allowed; /* as the program, or whoever started it, wants */
	cpu_set_t now;
	int cpu;
	unsigned int moves, yields;
	bool refuse; /* sched_setaffinity fails */
};

extern struct sched_fake fake;

/** sched_fake_begin - the thread runs on processor @first, and may run on @second and @third, too */
void sched_fake_begin(int first, int second, int third);

#endif
