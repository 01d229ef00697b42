/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * check.c - the checks of conf.h: compare, and end the process with a report at the first difference.
 *
 * The report and the place reached are in memory shared with the runner, so they survive whatever ends the process.
 */
#include "private.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdlib.h>

struct progress *conf_progress;

static _Thread_local const char *mark_file = "";
static _Thread_local int mark_line;

void conf_mark(const char *file, int line)
{
	const char *base = strrchr(file, '/');

	mark_file = base ? base + 1 : file;
	mark_line = line;
	/* A string literal: its address is good in the runner too, as the case's process is a fork of it. */
	__atomic_store_n(&conf_progress->file, mark_file, __ATOMIC_RELAXED);
	__atomic_store_n(&conf_progress->line, line, __ATOMIC_RELAXED);
}

/** leave - end the process with a report; only the first report of a case counts */
__attribute__((noreturn, format(printf, 2, 0))) static void leave(int status, const char *format, va_list args)
{
	struct progress *p = conf_progress;
	int len = 0;

	if (p->text[0] == '\0') {
		if (status != CONF_EXIT_SKIP)
			len = snprintf(p->text, sizeof(p->text), "%s:%d: ", mark_file, mark_line);
		vsnprintf(p->text + len, sizeof(p->text) - (size_t)len, format, args);
	}
	_exit(status);
}

void conf_fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	leave(1, format, args);
}

void conf_skip(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	leave(CONF_EXIT_SKIP, format, args);
}

/** mark_again - the place of the check that has been evaluated; NULL in helpers, whose caller's place counts */
static void mark_again(const char *file, int line)
{
	if (file != NULL)
		conf_mark(file, line);
}

/** errno_name - "ECONNRESET", or the number of what has no name */
static const char *errno_name(int error)
{
	static _Thread_local char number[16];
	const char *name = strerrorname_np(error);

	if (name != NULL)
		return name;
	snprintf(number, sizeof(number), "errno %d", error);
	return number;
}

/** result_text - what a call returned, with its errno when it failed */
static const char *result_text(long long got, int error, char *text, size_t size)
{
	if (got == -1)
		snprintf(text, size, "-1 %s", errno_name(error));
	else
		snprintf(text, size, "%lld", got);
	return text;
}

void conf_check_int(const char *file, int line, const char *text, long long got, long long want)
{
	mark_again(file, line);
	if (got != want)
		conf_fail("%s: expected %lld (0x%llx), got %lld (0x%llx)", text, want, (unsigned long long)want, got,
		          (unsigned long long)got);
}

void conf_check_ret(const char *file, int line, const char *text, long long got, long long want)
{
	char result[64];
	int error = errno;

	mark_again(file, line);
	if (got != want)
		conf_fail("%s: expected %lld, got %s", text, want, result_text(got, error, result, sizeof(result)));
}

long long conf_check_ge0(const char *file, int line, const char *text, long long got)
{
	char result[64];
	int error = errno;

	mark_again(file, line);
	if (got < 0)
		conf_fail("%s: expected success, got %s", text, result_text(got, error, result, sizeof(result)));
	return got;
}

void conf_check_err(const char *file, int line, const char *text, long long got, int want)
{
	char result[64];
	int error = errno;

	mark_again(file, line);
	if (got != -1 || error != want)
		conf_fail("%s: expected -1 %s, got %s", text, errno_name(want),
		          result_text(got, error, result, sizeof(result)));
}

/** poll_text - "IN|OUT" */
static const char *poll_text(int revents, char *text, size_t size)
{
	static const struct {
		int bit;
		const char *name;
	} names[] = {
	        {POLLIN, "IN"},   {POLLPRI, "PRI"}, {POLLOUT, "OUT"},   {POLLRDHUP, "RDHUP"},
	        {POLLERR, "ERR"}, {POLLHUP, "HUP"}, {POLLNVAL, "NVAL"},
	};
	size_t len = 0;

	snprintf(text, size, revents == 0 ? "nothing" : "");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && len < size; i++) {
		if (revents & names[i].bit)
			len += (size_t)snprintf(text + len, size - len, "%s%s", len ? "|" : "", names[i].name);
		revents &= ~names[i].bit;
	}
	if (revents != 0 && len < size)
		snprintf(text + len, size - len, "|0x%x", (unsigned int)revents);
	return text;
}

void conf_check_poll(const char *text, int fd, int want)
{
	char expected[64], got[64];
	int revents = wait_revents(fd, want);

	if (revents != want)
		conf_fail("poll(%s): expected %s, got %s", text, poll_text(want, expected, sizeof(expected)),
		          revents < 0 ? errno_name(-revents) : poll_text(revents, got, sizeof(got)));
}

void conf_check_poll_now(const char *text, int fd, int want)
{
	struct pollfd p = {.fd = fd, .events = WAIT_POLL_ALL};
	char expected[64], got[64];

	if (poll(&p, 1, 0) < 0)
		conf_fail("poll(%s): %s", text, errno_name(errno));
	if (p.revents != want)
		conf_fail("poll(%s), at once: expected %s, got %s", text, poll_text(want, expected, sizeof(expected)),
		          poll_text(p.revents, got, sizeof(got)));
}

void conf_check_urgent(const char *text, int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLPRI};

	if (poll(&p, 1, WAIT_MS) < 0)
		conf_fail("poll(%s): %s", text, errno_name(errno));
	if (p.revents != POLLPRI)
		conf_fail("poll(%s) for urgent data: nothing in %d ms, or 0x%x", text, WAIT_MS,
		          (unsigned int)p.revents);
}

void conf_check_mem(const char *file, int line, const char *text, const void *got, const void *want, size_t len)
{
	const unsigned char *x = got, *y = want;

	mark_again(file, line);
	for (size_t i = 0; i < len; i++)
		if (x[i] != y[i])
			conf_fail("%s: byte %zu of %zu: expected 0x%02x, got 0x%02x", text, i, len, y[i], x[i]);
}

void conf_check_str(const char *file, int line, const char *text, const char *got, const char *want)
{
	mark_again(file, line);
	if (strcmp(got, want) != 0)
		conf_fail("%s: expected \"%s\", got \"%s\"", text, want, got);
}

/** addr_show - "[fd77::1%0]:80" */
static const char *addr_show(const struct addr *addr, char *text, size_t size)
{
	char ip[INET6_ADDRSTRLEN];

	if (addr->sa.sa_family == AF_INET)
		snprintf(text, size, "%s:%d", inet_ntop(AF_INET, &addr->in.sin_addr, ip, sizeof(ip)), addr_port(*addr));
	else if (addr->sa.sa_family == AF_INET6)
		snprintf(text, size, "[%s%%%u]:%d", inet_ntop(AF_INET6, &addr->in6.sin6_addr, ip, sizeof(ip)),
		         addr->in6.sin6_scope_id, addr_port(*addr));
	else
		snprintf(text, size, "address of family %d", addr->sa.sa_family);
	return text;
}

void conf_check_addr(const char *file, int line, const char *text, struct addr got, struct addr want)
{
	char x[80], y[80];
	bool same = got.sa.sa_family == want.sa.sa_family;

	mark_again(file, line);
	if (same && got.len != want.len)
		conf_fail("%s: length: expected %d, got %d", text, (int)want.len, (int)got.len);
	if (same)
		same = memcmp(addr_raw(&got), addr_raw(&want), want.sa.sa_family == AF_INET ? 4 : 16) == 0 &&
		       addr_port(got) == addr_port(want);
	if (same && want.sa.sa_family == AF_INET6)
		same = got.in6.sin6_scope_id == want.in6.sin6_scope_id;
	if (!same)
		conf_fail("%s: expected %s, got %s", text, addr_show(&want, y, sizeof(y)),
		          addr_show(&got, x, sizeof(x)));
}

void conf_check_opt(const char *text, int fd, int level, int name, int want)
{
	int value = 0;
	socklen_t len = sizeof(value);

	if (ioth_getsockopt(fd, level, name, &value, &len) != 0)
		conf_fail("getsockopt(%s): expected %d, got -1 %s", text, want, errno_name(errno));
	if (len != sizeof(value) || value != want)
		conf_fail("getsockopt(%s): expected %d in 4 bytes, got %d in %d", text, want, value, (int)len);
}

void conf_setopt(const char *text, int fd, int level, int name, int value)
{
	if (ioth_setsockopt(fd, level, name, &value, sizeof(value)) != 0)
		conf_fail("setsockopt(%s, %d): expected success, got -1 %s", text, value, errno_name(errno));
}

void conf_check_call(struct call *call, long result, int error)
{
	char got[64], want[64];

	conf_call_end(call);
	if (call->result != result || (result == -1 && call->error != error))
		conf_fail("the call in the other thread: expected %s, got %s",
		          result_text(result, error, want, sizeof(want)),
		          result_text(call->result, call->error, got, sizeof(got)));
}
