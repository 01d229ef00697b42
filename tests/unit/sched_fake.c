/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sched_fake.c - a thread whose processors remember what was asked of them; see sched_fake.h. */
#include "sched_fake.h"

#include <errno.h>

struct sched_fake fake;

void sched_fake_begin(int first, int second, int third)
{
	fake = (struct sched_fake){.cpu = first};
	CPU_SET((size_t)first, &fake.allowed);
	CPU_SET((size_t)second, &fake.allowed);
	CPU_SET((size_t)third, &fake.allowed);
	fake.now = fake.allowed;
}

int sched_getcpu(void)
{
	return fake.cpu;
}

int sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set)
{
	assert_int_equal(pid, 0);
	assert_int_equal(size, sizeof(*set));
	*set = fake.now;
	return 0;
}

int sched_setaffinity(pid_t pid, size_t size, const cpu_set_t *set)
{
	assert_int_equal(pid, 0);
	assert_int_equal(size, sizeof(*set));
	assert_int_not_equal(CPU_COUNT(set), 0);
	if (fake.refuse) {
		errno = EPERM;
		return -1;
	}
	fake.now = *set;
	if (CPU_ISSET((size_t)fake.cpu, set))
		return 0;
	fake.moves++;
	for (fake.cpu = 0; !CPU_ISSET((size_t)fake.cpu, set); fake.cpu++)
		;
	return 0;
}

int sched_yield(void)
{
	fake.yields++;
	return 0;
}
