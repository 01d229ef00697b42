/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* engine.c - the test engine as a plugin, "testengine". */
#include "engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool one_in(struct engine *e, unsigned int n)
{
	uint32_t number;

	if (n == 0)
		return false;
	usock_random(e->stack, &number, sizeof(number));
	return number % n == 0;
}

void *engine_alloc(struct engine *e, size_t len)
{
	return one_in(e, e->nomem) ? NULL : malloc(len);
}

/** option_number - the value of option @name in @options when it is given: 0, or -EINVAL when it is no number */
static int option_take(struct engine *e, const char *option, size_t len)
{
	const struct {
		const char *name;
		unsigned int *value;
	} known[] = {
	        {"delay=", &e->delay}, {"loss=", &e->loss},   {"duplicate=", &e->duplicate},
	        {"nomem=", &e->nomem}, {"reset=", &e->reset},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		size_t name = strlen(known[i].name);
		char *end;

		if (len <= name || strncmp(option, known[i].name, name) != 0)
			continue;
		*known[i].value = (unsigned int)strtoul(option + name, &end, 10);
		return end == option + len ? 0 : -EINVAL;
	}
	return -EINVAL;
}

static int engine_open(struct usock_stack *stack, const char *options, void **out)
{
	struct engine *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->stack = stack;
	usock_random(stack, &e->id, sizeof(e->id));
	while (options && *options) {
		size_t len = strcspn(options, ",");

		if (len > 0 && !usock_option(options) && option_take(e, options, len) != 0) {
			free(e);
			return -EINVAL;
		}
		options += len + (options[len] == ',');
	}
	*out = e;
	return 0;
}

static void engine_close(void *engine)
{
	struct engine *e = engine;

	tcp_end(e);
	ip_close(e);
	free(e);
}

static int64_t deadline(void *engine)
{
	int64_t ip = ip_deadline(engine), tcp = tcp_deadline(engine);

	return ip < tcp ? ip : tcp;
}

static void timers(void *engine)
{
	struct engine *e = engine;
	int64_t now = usock_now(e->stack);

	ip_timers(e, now);
	tcp_timers(e, now);
}

/* What inet knows of interfaces and addresses is asked when it is needed. */
static int iface_add(void *engine, struct inet_iface *iface)
{
	(void)engine, (void)iface;
	return 0;
}

static void iface_del(void *engine, struct inet_iface *iface)
{
	struct engine *e = engine;

	for (struct held **p = &e->late; *p;) {
		struct held *held = *p;

		if (held->iface == iface) {
			*p = held->next;
			free(held);
		} else {
			p = &held->next;
		}
	}
}

static void iface_change(void *engine, struct inet_iface *iface, unsigned int what)
{
	(void)engine, (void)iface, (void)what;
}

static int addr_add(void *engine, struct inet_addr *addr)
{
	(void)engine, (void)addr;
	return 0;
}

static void addr_del(void *engine, struct inet_addr *addr)
{
	(void)engine, (void)addr;
}

/* No router asks for reports. */
static int group_join(void *engine, struct inet_iface *iface, int family, const union inet_ip *group)
{
	(void)engine, (void)iface, (void)family, (void)group;
	return 0;
}

static void group_leave(void *engine, struct inet_iface *iface, int family, const union inet_ip *group)
{
	(void)engine, (void)iface, (void)family, (void)group;
}

static unsigned char *rx_alloc(void *engine, size_t size, void **buffer)
{
	*buffer = engine_alloc(engine, size);
	return *buffer;
}

static void rx_free(void *engine, void *buffer)
{
	(void)engine;
	free(buffer);
}

const struct usock_engine test_engine = {
        .name = "testengine",
        .open = engine_open,
        .close = engine_close,
        .deadline = deadline,
        .timers = timers,
        .iface_add = iface_add,
        .iface_del = iface_del,
        .iface_change = iface_change,
        .addr_add = addr_add,
        .addr_del = addr_del,
        .group_join = group_join,
        .group_leave = group_leave,
        .rx_alloc = rx_alloc,
        .rx_free = rx_free,
        .ip_input = ip_input,
        .tx_alloc = tx_alloc,
        .tx_free = tx_free,
        .ip_output = ip_output,
        .tcp_connect = op_connect,
        .tcp_listen = op_listen,
        .tcp_write = op_write,
        .tcp_flush = op_flush,
        .tcp_room = op_room,
        .tcp_unsent = op_unsent,
        .tcp_unacked = op_unacked,
        .tcp_recved = op_recved,
        .release = op_release,
        .tcp_shutdown = op_shutdown,
        .tcp_close = op_close,
        .tcp_abort = op_abort,
        .tcp_option = op_option,
        .tcp_info = op_info,
        .tcp_icmp = op_icmp,
        .tcp_urgent = op_urgent,
        .tcp_left = op_left,
};

#pragma GCC visibility push(default)

void *ioth_testengine_newstack(const char *vnlv[], const char *options, struct ioth_functions *functions);
int ioth_testengine_delstack(void *stackdata);
extern const char *ioth_testengine_license;

const char *ioth_testengine_license = "LGPL-2.1-or-later";

void *ioth_testengine_newstack(const char *vnlv[], const char *options, struct ioth_functions *functions)
{
	return usock_stack_new(&test_engine, vnlv, options, functions);
}

int ioth_testengine_delstack(void *stackdata)
{
	return usock_stack_delete(stackdata);
}

#pragma GCC visibility pop
