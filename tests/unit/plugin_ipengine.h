/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plugin_ipengine.h - what a test can see of and do to the plugin "ipengine" (plugin_ipengine.c), by dlsym.
 */
#ifndef TESTS_UNIT_PLUGIN_IPENGINE_H
#define TESTS_UNIT_PLUGIN_IPENGINE_H

#include <stdbool.h>
#include <stddef.h>

#define IPENGINE_ROOM 70000

#pragma GCC visibility push(default)

/* The last packet that was sent, IP header first, and how many there were. */
extern unsigned char ipengine_sent[IPENGINE_ROOM];
extern size_t ipengine_sent_len;
extern unsigned int ipengine_sent_count;

/* No memory for packets. */
extern bool ipengine_full;

/** ipengine_inject - a packet comes in on an interface of the stack made last; false when it was malformed */
bool ipengine_inject(const char *ifname, int family, const void *bytes, size_t len);

#pragma GCC visibility pop

#endif
