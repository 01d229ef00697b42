/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * syscall.c - syscall(2): programs that make system calls by number (libuv sends and receives so) make them on the
 * stack.
 *
 * Only those that programs are known to make, and those whose being overlooked would be a wrong network. A filter for
 * system calls (seccomp) is installed through here or by prctl(2).
 */
#include "shim.h"

#include <linux/seccomp.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define POINTER(arg) ((void *)(uintptr_t)(arg))

/** forbid - the system call that installs a filter */
static long forbid(long number, const long a[6])
{
	bool sets = a[0] == SECCOMP_SET_MODE_FILTER || a[0] == SECCOMP_SET_MODE_STRICT;
	long result;

	if (sets)
		shim_look_at_all();
	result = shim_next()->syscall(number, a[0], a[1], a[2]);
	if (sets && result >= 0)
		shim_sandboxed();
	return result;
}

EXPORT long syscall(long number, ...)
{
	long a[6];
	va_list args;

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	switch (number) {
	case SYS_socket:
		return socket((int)a[0], (int)a[1], (int)a[2]);
	case SYS_connect:
		return connect((int)a[0], POINTER(a[1]), (socklen_t)a[2]);
	case SYS_bind:
		return bind((int)a[0], POINTER(a[1]), (socklen_t)a[2]);
	case SYS_accept4:
		return accept4((int)a[0], POINTER(a[1]), POINTER(a[2]), (int)a[3]);
	case SYS_sendto:
		return sendto((int)a[0], POINTER(a[1]), (size_t)a[2], (int)a[3], POINTER(a[4]), (socklen_t)a[5]);
	case SYS_recvfrom:
		return recvfrom((int)a[0], POINTER(a[1]), (size_t)a[2], (int)a[3], POINTER(a[4]), POINTER(a[5]));
	case SYS_sendmsg:
		return sendmsg((int)a[0], POINTER(a[1]), (int)a[2]);
	case SYS_recvmsg:
		return recvmsg((int)a[0], POINTER(a[1]), (int)a[2]);
	case SYS_sendmmsg:
		return sendmmsg((int)a[0], POINTER(a[1]), (unsigned int)a[2], (int)a[3]);
	case SYS_recvmmsg:
		return recvmmsg((int)a[0], POINTER(a[1]), (unsigned int)a[2], (int)a[3], POINTER(a[4]));
	case SYS_close:
		return close((int)a[0]);
	case SYS_close_range:
		return close_range((unsigned int)a[0], (unsigned int)a[1], (int)a[2]);
	case SYS_dup3:
		return dup3((int)a[0], (int)a[1], (int)a[2]);
	case SYS_seccomp:
		return forbid(number, a);
	default:
		return shim_next()->syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	}
}

EXPORT int prctl(int option, ...)
{
	unsigned long a[4];
	va_list args;
	int result;

	va_start(args, option);
	for (int i = 0; i < 4; i++)
		a[i] = va_arg(args, unsigned long);
	va_end(args);
	if (option == PR_SET_SECCOMP)
		shim_look_at_all();
	result = shim_next()->prctl(option, a[0], a[1], a[2], a[3]);
	if (option == PR_SET_SECCOMP && result == 0)
		shim_sandboxed();
	return result;
}
