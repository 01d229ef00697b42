/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_usock_sockopt.c - SOL_SOCKET, compared with the kernel: each option with each of a few values, on fresh TCP and
 * UDP sockets, and what can be read afterwards, into rooms of several sizes.
 */
#include "usock_core_fake.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static const int options[] = {
        SO_DEBUG,         SO_REUSEADDR,
        SO_TYPE,          SO_ERROR,
        SO_DONTROUTE,     SO_BROADCAST,
        SO_KEEPALIVE,     SO_OOBINLINE,
        SO_NO_CHECK,      SO_PRIORITY,
        SO_LINGER,        SO_BSDCOMPAT,
        SO_REUSEPORT,     SO_PASSCRED,
        SO_PEERCRED,      SO_RCVLOWAT,
        SO_SNDLOWAT,      SO_RCVTIMEO,
        SO_SNDTIMEO,      SO_DETACH_FILTER,
        SO_TIMESTAMP,     SO_ACCEPTCONN,
        SO_PEERSEC,       SO_PASSSEC,
        SO_TIMESTAMPNS,   SO_MARK,
        SO_PROTOCOL,      SO_DOMAIN,
        SO_RXQ_OVFL,      SO_PEEK_OFF,
        SO_LOCK_FILTER,   SO_SELECT_ERR_QUEUE,
        SO_BUSY_POLL,     SO_INCOMING_CPU,
        SO_PEERGROUPS,    SO_BINDTOIFINDEX,
        SO_TIMESTAMP_NEW, SO_TIMESTAMPNS_NEW,
        SO_RCVTIMEO_NEW,  SO_SNDTIMEO_NEW,
        SO_BINDTODEVICE,  9999,
};

/** struct both - a socket of the kernel and one of ours */
struct both {
	int kernel, ours;
	struct fake *fake;
};

static struct both both_new(struct usock_stack *stack, int type)
{
	struct both both = {.kernel = socket(AF_INET, type | SOCK_CLOEXEC, 0)};

	assert_return_code(both.kernel, errno);
	both.fake = fake_open(stack, type | SOCK_CLOEXEC);
	both.ours = both.fake->sock.ready.user;
	/* The defaults of the buffers are sysctls of the host. */
	return both;
}

static void both_close(struct both *both)
{
	close(both->kernel);
	assert_int_equal(fake_f.close(both->ours), 0);
}

/** same - two calls that should have the same end; false: they failed */
static bool same(const char *what, int option, int kernel, int kernel_errno, int ours, int ours_errno)
{
	if (kernel != ours || (kernel < 0 && kernel_errno != ours_errno))
		fail_msg("%s of option %d: kernel %d %s, ours %d %s", what, option, kernel,
		         kernel < 0 ? strerror(kernel_errno) : "", ours, ours < 0 ? strerror(ours_errno) : "");
	return kernel == 0;
}

static void set(const struct both *both, int option, const void *value, socklen_t len)
{
	int kernel = setsockopt(both->kernel, SOL_SOCKET, option, value, len), error = errno;
	int ours = fake_f.setsockopt(both->ours, SOL_SOCKET, option, value, len);

	same("setting", option, kernel, error, ours, errno);
}

static void get(const struct both *both, int option, socklen_t room)
{
	unsigned char value[2][64] = {{0}};
	socklen_t len[2] = {room, room};
	int kernel = getsockopt(both->kernel, SOL_SOCKET, option, value[0], &len[0]), error = errno;
	int ours = fake_f.getsockopt(both->ours, SOL_SOCKET, option, value[1], &len[1]);

	if (!same("reading", option, kernel, error, ours, errno))
		return;
	if (len[0] != len[1] || memcmp(value[0], value[1], sizeof(value[0])) != 0)
		fail_msg("option %d, room %u: kernel %u bytes, first %d, ours %u, first %d", option, room, len[0],
		         *(int *)value[0], len[1], *(int *)value[1]);
}

static void get_all(const struct both *both, int option)
{
	static const socklen_t room[] = {64, 8, 4, 3, 0};

	for (size_t i = 0; i < sizeof(room) / sizeof(room[0]); i++)
		get(both, option, room[i]);
}

static void ints(void **state)
{
	static const int values[] = {1, 0, -1, 2, 1000000000, INT_MIN};
	static const int types[] = {SOCK_STREAM, SOCK_DGRAM};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		for (size_t v = 0; v < 2 * sizeof(values) / sizeof(values[0]); v++) {
			struct both both = both_new(*state, types[v % 2]);

			get_all(&both, options[i]);
			set(&both, options[i], &values[v / 2], 3);
			/* A name of so many bytes is none of an interface, here or there. */
			if (options[i] != SO_BINDTODEVICE)
				set(&both, options[i], &values[v / 2], sizeof(int));
			get_all(&both, options[i]);
			both_close(&both);
		}
	}
}

static void structures(void **state)
{
	static const struct linger linger[] = {{1, 0}, {1, 5}, {0, 7}, {7, 3}};
	static const struct timeval timeout[] = {{0, 0}, {1, 0}, {2, 500000}, {-1, 0}, {0, 1000000}, {0, -1}};
	static const int times[] = {SO_RCVTIMEO, SO_SNDTIMEO, SO_RCVTIMEO_NEW, SO_SNDTIMEO_NEW};
	static const int stamps[] = {SO_TIMESTAMP, SO_TIMESTAMPNS, SO_TIMESTAMP_NEW, SO_TIMESTAMPNS_NEW, SO_TIMESTAMP};
	struct both both = both_new(*state, SOCK_STREAM);
	int on = 1;

	for (size_t i = 0; i < sizeof(linger) / sizeof(linger[0]); i++) {
		set(&both, SO_LINGER, &linger[i], sizeof(linger[i]));
		get_all(&both, SO_LINGER);
	}
	for (size_t i = 0; i < sizeof(timeout) / sizeof(timeout[0]); i++) {
		for (size_t j = 0; j < sizeof(times) / sizeof(times[0]); j++) {
			set(&both, times[j], &timeout[i], sizeof(timeout[i]));
			get_all(&both, times[j]);
		}
	}
	/* They take each other's place. */
	for (size_t i = 0; i < sizeof(stamps) / sizeof(stamps[0]); i++) {
		set(&both, stamps[i], &on, sizeof(on));
		for (size_t j = 0; j < sizeof(stamps) / sizeof(stamps[0]); j++)
			get_all(&both, stamps[j]);
	}
	both_close(&both);
}

static void buffers(void **state)
{
	static const int names[] = {SO_SNDBUF, SO_RCVBUF};
	static const int values[] = {0, 1, 2000, 10000, 100000};
	struct both both = both_new(*state, SOCK_DGRAM);

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		for (int j = 0; j < 2; j++) {
			set(&both, names[j], &values[i], sizeof(int));
			get_all(&both, names[j]);
		}
	}
	both_close(&both);
}

static int setup(void **state)
{
	*state = fake_stack();
	return 0;
}

static int teardown(void **state)
{
	fake_stack_free(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(ints), cmocka_unit_test(structures),
	                                   cmocka_unit_test(buffers)};

	/* Others may not set SO_MARK and SO_PRIORITY there, and may here: the stack is their own. */
	if (geteuid() != 0) {
		print_message("not root\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, setup, teardown);
}
