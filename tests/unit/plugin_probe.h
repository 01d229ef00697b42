/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* plugin_probe.h - what the plugin "probe" counts; found by its symbol ioth_probe_counts */
#ifndef PLUGIN_PROBE_H
#define PLUGIN_PROBE_H

#include <stdatomic.h>

struct probe_counts {
	_Atomic int stacks, sockets; /* alive */
};

#endif
