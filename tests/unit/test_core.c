/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_core.c - the life of stacks, sockets and descriptors, seen through a plugin that checks every call on it.
 *
 * The plugin "probe" aborts the program when libioth calls it for a closed socket or closes one under a call, so the races
 * below only have to happen; nothing is measured.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ioth.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "plugin_probe.h"

static struct probe_counts *counts;

static int sockets(void)
{
	return counts->sockets;
}

static struct ioth *probe(void)
{
	struct ioth *stack = ioth_newstack("probe", NULL);

	assert_non_null(stack);
	if (counts == NULL) {
		void *plugin = dlopen(PROBE_PATH, RTLD_NOW | RTLD_NOLOAD);

		assert_non_null(plugin);
		counts = dlsym(plugin, "ioth_probe_counts");
		assert_non_null(counts);
	}
	return stack;
}

static int open_descriptors(void)
{
	int count = 0;

	for (int fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void data_and_accept(void **state)
{
	struct ioth *stack = probe();
	int fd = ioth_msocket(stack, AF_INET, SOCK_STREAM, 0), made;
	char text[8] = "";

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(ioth_write(fd, "hello", 5), 5);
	assert_int_equal(ioth_read(fd, text, sizeof(text)), 5);
	assert_memory_equal(text, "hello", 5);
	/* The pointer kept in accept belongs to the new socket, not to the listener. */
	made = ioth_accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	assert_true(made >= 0);
	assert_int_equal(fcntl(made, F_GETFD), FD_CLOEXEC);
	assert_int_equal(ioth_close(fd), 0);
	assert_int_equal(ioth_send(made, "x", 1, 0), 1);
	assert_int_equal(ioth_delstack(stack), -1);
	assert_int_equal(errno, EBUSY);
	assert_int_equal(ioth_close(made), 0);
	assert_int_equal(sockets(), 0);
	assert_int_equal(ioth_delstack(stack), 0);
	assert_int_equal(counts->stacks, 0);
}

static void socket_errors(void **state)
{
	struct ioth *stack = probe();

	(void)state;
	assert_int_equal(ioth_msocket(stack, AF_INET6, SOCK_STREAM, 0), -1);
	assert_int_equal(errno, EAFNOSUPPORT);
	assert_int_equal(ioth_delstack(stack), 0);
	assert_int_equal(ioth_delstack(NULL), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(ioth_delstack(ioth_get_defstack()), -1);
	assert_int_equal(errno, EINVAL);
}

static void missing_members(void **state)
{
	struct ioth *stack = probe();
	int fd = ioth_msocket(stack, AF_INET, SOCK_STREAM, 0);

	(void)state;
	assert_int_equal(ioth_listen(fd, 1), -1);
	assert_int_equal(errno, ENOSYS);
	assert_int_equal(ioth_bind(fd, NULL, 0), -1);
	assert_int_equal(errno, ENOSYS);
	ioth_close(fd);
	assert_int_equal(ioth_delstack(stack), 0);
}

/** A copy keeps the socket alive, and works, whichever descriptor goes first. */
static void copies(void **state)
{
	for (int original_first = 0; original_first < 2; original_first++) {
		struct ioth *stack = probe();
		int fd = ioth_msocket(stack, AF_INET, SOCK_STREAM, 0), copy = ioth_dup(fd), third;
		char byte = 0;

		(void)state;
		assert_true(copy >= 0);
		third = ioth_fcntl(copy, F_DUPFD_CLOEXEC, 100);
		assert_true(third >= 100);
		assert_int_equal(ioth_close(original_first ? fd : copy), 0);
		assert_int_equal(ioth_send(third, "a", 1, 0), 1);
		assert_int_equal(ioth_recv(original_first ? copy : fd, &byte, 1, 0), 1);
		assert_int_equal(byte, 'a');
		assert_int_equal(ioth_close(third), 0);
		assert_int_equal(ioth_delstack(stack), -1);
		assert_int_equal(ioth_close(original_first ? copy : fd), 0);
		assert_int_equal(sockets(), 0);
		assert_int_equal(ioth_delstack(stack), 0);
	}
}

static void copy_onto(void **state)
{
	struct ioth *stack = probe();
	int a = ioth_msocket(stack, AF_INET, SOCK_STREAM, 0), b = ioth_msocket(stack, AF_INET, SOCK_STREAM, 0);

	(void)state;
	assert_int_equal(ioth_dup2(a, b), b); /* the old b is closed */
	assert_int_equal(sockets(), 1);
	assert_int_equal(ioth_dup2(a, a), a);
	assert_int_equal(ioth_dup3(a, a, 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(ioth_dup2(-1, b), -1);
	assert_int_equal(errno, EBADF);
	assert_int_equal(ioth_send(b, "x", 1, 0), 1);
	ioth_close(a);
	ioth_close(b);
	assert_int_equal(sockets(), 0);
	assert_int_equal(ioth_delstack(stack), 0);
}

/** close(2) behind our back: the number is a file's at once, and the socket does not hold the stack. */
static void plain_close(void **state)
{
	struct ioth *stack = probe();
	int fd = ioth_msocket(stack, AF_INET, SOCK_STREAM, 0), file;
	char byte;

	(void)state;
	assert_int_equal(close(fd), 0);
	file = open("/dev/zero", O_RDWR);
	assert_int_equal(file, fd);
	assert_int_equal(ioth_read(file, &byte, 1), 1);
	assert_int_equal(byte, 0);
	assert_int_equal(ioth_close(file), 0);

	fd = ioth_msocket(stack, AF_INET, SOCK_STREAM, 0);
	assert_int_equal(close(fd), 0);
	assert_int_equal(ioth_delstack(stack), 0);
}

/** The number is free, so the plugin can be told; the file that has it meanwhile is never closed. */
static void plain_close_releases(void **state)
{
	struct ioth *stack = probe();
	int fd = ioth_msocket(stack, AF_INET, SOCK_STREAM, 0), file;

	(void)state;
	close(fd);
	assert_int_equal(ioth_close(fd), -1);
	assert_int_equal(errno, EBADF);
	assert_int_equal(sockets(), 0);

	fd = ioth_msocket(stack, AF_INET, SOCK_STREAM, 0);
	close(fd);
	file = open("/dev/null", O_RDWR);
	assert_int_equal(file, fd);
	assert_int_equal(ioth_write(file, "x", 1), 1);
	assert_true(fcntl(file, F_GETFD) >= 0);
	assert_int_equal(sockets(), 1); /* the plugin keeps it until the stack goes */
	close(file);
	assert_int_equal(ioth_delstack(stack), 0);
}

static void *blocked_reader(void *arg)
{
	char byte = 0;
	ssize_t got = ioth_recv(*(int *)arg, &byte, 1, 0);

	return (void *)(intptr_t)(got == 1 ? byte : -1);
}

/** wait_blocked - until the reader holds its reference: the stack is then busy though nothing is open */
static void wait_in_call(pid_t tid)
{
	char path[64], text[256] = "";

	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", (int)tid);
	for (;;) {
		int file = open(path, O_RDONLY);
		ssize_t len = file < 0 ? -1 : read(file, text, sizeof(text) - 1);

		if (file >= 0)
			close(file);
		if (len > 0 && strncmp(text, "45 ", 3) == 0) /* recvfrom */
			return;
		sched_yield();
	}
}

struct reader {
	int fd;
	_Atomic pid_t tid;
};

static void *reader_thread(void *arg)
{
	struct reader *reader = arg;

	reader->tid = gettid();
	return blocked_reader(&reader->fd);
}

/** close while another thread is blocked: as in Linux the call goes on, and the socket is released when it returns. */
static void close_under_a_call(void **state)
{
	struct ioth *stack = probe();
	struct reader reader = {.fd = ioth_msocket(stack, AF_INET, SOCK_STREAM, 0)};
	int copy = ioth_dup(reader.fd);
	pthread_t thread;
	void *result;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, reader_thread, &reader), 0);
	while (reader.tid == 0)
		sched_yield();
	wait_in_call(reader.tid);
	assert_int_equal(ioth_close(reader.fd), 0);
	assert_int_equal(ioth_send(copy, "z", 1, 0), 1);
	assert_int_equal(ioth_close(copy), 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_int_equal((intptr_t)result, 'z');
	assert_int_equal(sockets(), 0);
	assert_int_equal(ioth_delstack(stack), 0);
}

/** a thread that is cancelled in a call gives back what the call holds: the socket can be closed, the stack deleted */
static void cancelled(void **state)
{
	struct ioth *stack = probe();
	struct reader reader = {.fd = ioth_msocket(stack, AF_INET, SOCK_STREAM, 0)};
	pthread_t thread;
	void *result;

	(void)state;
	for (int i = 0; i < 10; i++) {
		reader.tid = 0;
		assert_int_equal(pthread_create(&thread, NULL, reader_thread, &reader), 0);
		while (reader.tid == 0)
			sched_yield();
		wait_in_call(reader.tid);
		assert_int_equal(pthread_cancel(thread), 0);
		assert_int_equal(pthread_join(thread, &result), 0);
		assert_ptr_equal(result, PTHREAD_CANCELED);
	}
	assert_int_equal(ioth_send(reader.fd, "a", 1, 0), 1);
	assert_int_equal((intptr_t)blocked_reader(&reader.fd), 'a');
	assert_int_equal(ioth_close(reader.fd), 0);
	assert_int_equal(sockets(), 0);
	assert_int_equal(ioth_delstack(stack), 0);
}

static void stop(void **state)
{
	struct ioth *stack = probe();
	struct reader reader = {.fd = ioth_msocket(stack, AF_INET, SOCK_STREAM, 0)};
	pthread_t thread;
	void *result;
	char byte;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, reader_thread, &reader), 0);
	while (reader.tid == 0)
		sched_yield();
	wait_in_call(reader.tid);
	assert_int_equal(ioth_stopstack(stack), 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_int_equal((intptr_t)result, -1);
	assert_int_equal(ioth_recv(reader.fd, &byte, 1, 0), -1);
	assert_int_equal(errno, ENETDOWN);
	assert_int_equal(ioth_msocket(stack, AF_INET, SOCK_STREAM, 0), -1);
	assert_int_equal(errno, ENETDOWN);
	assert_int_equal(ioth_delstack(stack), -1);
	assert_int_equal(errno, EBUSY);
	assert_int_equal(ioth_stopstack(stack), 0);
	assert_int_equal(ioth_close(reader.fd), 0);
	assert_int_equal(ioth_delstack(stack), 0);
	assert_int_equal(ioth_stopstack(NULL), -1);
	assert_int_equal(errno, EINVAL);
}

static void *other_thread(void *process_default)
{
	return ioth_get_defstack() == process_default ? process_default : NULL;
}

static void defaults(void **state)
{
	struct ioth *native = ioth_get_defstack(), *a = probe(), *b = probe();
	pthread_t thread;
	void *seen;

	(void)state;
	assert_ptr_equal(ioth_newstack(NULL, NULL), native);
	assert_ptr_equal(ioth_newstack("", NULL), native);
	ioth_set_defstack(a);
	ioth_set_thread_defstack(b);
	assert_ptr_equal(ioth_get_defstack(), b);
	assert_int_equal(pthread_create(&thread, NULL, other_thread, a), 0);
	assert_int_equal(pthread_join(thread, &seen), 0);
	assert_ptr_equal(seen, a);
	ioth_set_thread_defstack(NULL);
	assert_ptr_equal(ioth_get_defstack(), a);
	ioth_set_thread_defstack(b);
	/* A deleted stack is nobody's default any more. */
	assert_int_equal(ioth_delstack(b), 0);
	assert_ptr_equal(ioth_get_defstack(), a);
	assert_int_equal(ioth_delstack(a), 0);
	assert_ptr_equal(ioth_get_defstack(), native);
}

/* Threads that open, use, copy and close whatever descriptor they meet in a small range: none may reach a closed socket. */
#define RACERS 4
#define RACES 4000

static struct ioth *race_stack;
static _Atomic int shared_fd[8];

static void *racer(void *arg)
{
	unsigned int random = (unsigned int)(uintptr_t)arg;
	char byte;

	for (int i = 0; i < RACES; i++) {
		int slot = rand_r(&random) % 8, fd;

		switch (rand_r(&random) % 4) {
		case 0:
			fd = ioth_msocket(race_stack, AF_INET, SOCK_STREAM, 0);
			fd = atomic_exchange(&shared_fd[slot], fd);
			if (fd >= 0)
				ioth_close(fd);
			break;
		case 1:
			ioth_send(shared_fd[slot], "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
			break;
		case 2:
			ioth_recv(shared_fd[slot], &byte, 1, MSG_DONTWAIT);
			break;
		case 3:
			fd = ioth_dup(shared_fd[slot]);
			if (fd >= 0)
				ioth_close(fd);
			break;
		}
	}
	return NULL;
}

static void races(void **state)
{
	pthread_t threads[RACERS];

	(void)state;
	race_stack = probe();
	for (int i = 0; i < 8; i++)
		shared_fd[i] = -1;
	for (uintptr_t i = 0; i < RACERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, racer, (void *)(i + 1)), 0);
	for (int i = 0; i < RACERS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 8; i++)
		if (shared_fd[i] >= 0)
			ioth_close(shared_fd[i]);
	assert_int_equal(sockets(), 0);
	assert_int_equal(ioth_delstack(race_stack), 0);
}

/** A child inherits table and sockets; what it closes stays open in the parent. */
static void forked(void **state)
{
	struct ioth *stack = probe();
	int fd = ioth_msocket(stack, AF_INET, SOCK_STREAM, 0), status = -1;
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		bool good = ioth_send(fd, "c", 1, 0) == 1 && ioth_close(fd) == 0 && ioth_delstack(stack) == 0;

		_exit(good ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	char byte = 0;
	assert_int_equal(ioth_recv(fd, &byte, 1, 0), 1);
	assert_int_equal(byte, 'c');
	assert_int_equal(ioth_close(fd), 0);
	assert_int_equal(ioth_delstack(stack), 0);
}

static int leftovers(void **state)
{
	static int before = -1;

	(void)state;
	if (before < 0)
		before = open_descriptors();
	return open_descriptors() == before ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(data_and_accept),
	        cmocka_unit_test(socket_errors),
	        cmocka_unit_test(missing_members),
	        cmocka_unit_test(copies),
	        cmocka_unit_test(copy_onto),
	        cmocka_unit_test(plain_close),
	        cmocka_unit_test(plain_close_releases),
	        cmocka_unit_test(close_under_a_call),
	        cmocka_unit_test(cancelled),
	        cmocka_unit_test(stop),
	        cmocka_unit_test(defaults),
	        cmocka_unit_test(races),
	        cmocka_unit_test(forked),
	};
	void *state = NULL;

	leftovers(&state);
	return cmocka_run_group_tests(tests, NULL, leftovers);
}
