/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * steps.h - how many instructions something takes: exact, the same in every run, whatever else the machine does.
 */
#ifndef TEST_STEPS_H
#define TEST_STEPS_H

/**
 * steps_of - count the instructions of @action(@arg), those of calling and of beginning left out
 *
 * It happens in a forked copy of the process, by ptrace(2); the caller's memory stays as it is. What the kernel does
 * counts as one. Returns the number; -1 where tracing is forbidden; -2 when @action ended the process, or took more
 * than @limit.
 */
long steps_of(void (*action)(void *arg), void *arg, long limit);

#endif
