/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "processors.h"

#include <sched.h>
#include <stddef.h>

static cpu_set_t allowed;

void processors_init(void)
{
	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		CPU_ZERO(&allowed);
}

unsigned int processors_count(void)
{
	return (unsigned int)CPU_COUNT(&allowed);
}

void processors_pin(unsigned int index)
{
	unsigned int count = processors_count();
	cpu_set_t here;

	if (count == 0)
		return;
	index %= count;
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &allowed) || index-- > 0)
			continue;
		CPU_ZERO(&here);
		CPU_SET(cpu, &here);
		sched_setaffinity(0, sizeof(here), &here);
		return;
	}
}

void processors_unpin(void)
{
	if (processors_count() > 0)
		sched_setaffinity(0, sizeof(allowed), &allowed);
}
