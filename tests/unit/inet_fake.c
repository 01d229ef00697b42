/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* inet_fake.c - see inet_fake.h. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "inet_fake.h"

static __attribute__((format(printf, 2, 3))) void say(struct fake *fake, const char *format, ...)
{
	size_t len = strlen(fake->log);
	va_list args;

	va_start(args, format);
	vsnprintf(fake->log + len, sizeof(fake->log) - len, format, args);
	va_end(args);
}

static const char *text_of(int family, const union inet_ip *ip)
{
	static char text[INET6_ADDRSTRLEN];

	return inet_ntop(family, ip, text, sizeof(text));
}

static int64_t now(void *owner)
{
	const struct fake *fake = owner;
	struct timespec time;

	if (fake->now != 0)
		return fake->now;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static int iface_add(void *owner, struct inet_iface *iface)
{
	struct fake *fake = owner;

	fake->ifaces++;
	say(fake, "iface+ %s\n", iface->name);
	return 0;
}

static void iface_del(void *owner, struct inet_iface *iface)
{
	struct fake *fake = owner;

	fake->ifaces--;
	assert_null(iface->addrs);
	say(fake, "iface- %s\n", iface->name);
}

static void iface_change(void *owner, struct inet_iface *iface, unsigned int what)
{
	say(owner, "iface %s %u%s\n", iface->name, what, inet_iface_running(iface) ? " runs" : "");
}

static int addr_add(void *owner, struct inet_addr *addr)
{
	struct fake *fake = owner;

	if (fake->addr_error != 0)
		return fake->addr_error;
	fake->addrs++;
	say(fake, "addr+ %s\n", text_of(addr->family, &addr->local));
	return 0;
}

static void addr_del(void *owner, struct inet_addr *addr)
{
	struct fake *fake = owner;

	fake->addrs--;
	say(fake, "addr- %s\n", text_of(addr->family, &addr->local));
}

static int group_join(void *owner, struct inet_iface *iface, int family, const union inet_ip *group)
{
	struct fake *fake = owner;

	fake->groups++;
	say(fake, "group+ %s %s\n", iface->name, text_of(family, group));
	return 0;
}

static void group_leave(void *owner, struct inet_iface *iface, int family, const union inet_ip *group)
{
	struct fake *fake = owner;

	fake->groups--;
	say(fake, "group- %s %s\n", iface->name, text_of(family, group));
}

static int link_create(void *owner, struct inet_iface *iface)
{
	struct fake *fake = owner;

	if (fake->link_error != 0)
		return fake->link_error;
	fake->ports++;
	say(fake, "link+ %s %s\n", iface->name, iface->vnl);
	return 0;
}

static void link_destroy(void *owner, struct inet_iface *iface)
{
	struct fake *fake = owner;

	fake->ports--;
	say(fake, "link- %s\n", iface->name);
}

static void transmit(void *owner, struct inet_iface *iface, unsigned char *frame, size_t len)
{
	struct fake *fake = owner;

	(void)iface, (void)frame, (void)len;
	fake->frames++;
}

static bool ip_input(void *owner, struct inet_iface *iface, int family, unsigned char *packet, size_t len, void *buffer)
{
	(void)owner, (void)iface, (void)family, (void)packet, (void)len, (void)buffer;
	return false;
}

static void ip_output(void *owner, struct inet_iface *iface, const unsigned char mac[6], unsigned char *packet,
                      size_t len)
{
	(void)owner;
	inet_output_to(iface, AF_INET6, mac, packet, len);
}

static void unreachable(void *owner, struct inet_iface *iface, int family, const unsigned char *packet, size_t len)
{
	(void)owner, (void)iface, (void)family, (void)packet, (void)len;
}

static void routes_changed(void *owner)
{
	struct fake *fake = owner;

	fake->routes_changed++;
}

static void notify(void *owner, struct nlq_msg *queue, uint32_t seq, uint32_t portid)
{
	(void)owner, (void)seq, (void)portid;
	nlq_free(&queue);
}

static const struct inet_ops ops = {
        .now = now,
        .iface_add = iface_add,
        .iface_del = iface_del,
        .iface_change = iface_change,
        .addr_add = addr_add,
        .addr_del = addr_del,
        .group_join = group_join,
        .group_leave = group_leave,
        .link_create = link_create,
        .link_destroy = link_destroy,
        .transmit = transmit,
        .ip_input = ip_input,
        .ip_output = ip_output,
        .unreachable = unreachable,
        .routes_changed = routes_changed,
        .notify = notify,
};

void fake_open(struct fake *fake)
{
	int64_t start = fake->now;

	memset(fake, 0, sizeof(*fake));
	fake->now = start;
	fake->inet = inet_new(&ops, fake);
	assert_non_null(fake->inet);
}

void fake_close(struct fake *fake)
{
	inet_free(fake->inet);
	fake->inet = NULL;
	assert_int_equal(fake->ifaces, 0);
	assert_int_equal(fake->addrs, 0);
	assert_int_equal(fake->groups, 0);
	assert_int_equal(fake->ports, 0);
}

unsigned int fake_run(struct fake *fake, int64_t when)
{
	unsigned int runs = 0;

	while (inet_deadline(fake->inet) <= when) {
		int64_t due = inet_deadline(fake->inet);

		if (due > fake->now)
			fake->now = due;
		inet_run_timers(fake->inet);
		assert_true(++runs < 100000); /* a deadline that does not move would never end */
	}
	fake->now = when;
	return runs;
}

struct inet_iface *fake_add(struct fake *fake, const char *name)
{
	struct inet_iface *iface = NULL;

	assert_int_equal(inet_iface_new(fake->inet, name, "vde", "null://", NULL, 0, &iface), 0);
	assert_non_null(iface);
	return iface;
}

union inet_ip fake_ip(const char *text, int *family)
{
	union inet_ip ip;
	int which = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;

	memset(&ip, 0, sizeof(ip));
	assert_int_equal(inet_pton(which, text, &ip), 1);
	if (family != NULL)
		*family = which;
	return ip;
}
