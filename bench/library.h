/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* library.h - a library of stacks on VDE networks, step by step: libioth, and the references that it is compared with.
 */
#ifndef BENCH_LIBRARY_H
#define BENCH_LIBRARY_H

#include "network.h"

/** struct library - create gives NULL, the others -1, after bench_fail */
struct library {
	void *(*create)(const char *vnl);                      /* one interface, vde0 */
	int (*configure)(void *stack, struct in_addr address); /* address in its /24, interface up */
	int (*socket)(void *stack, int domain, int type, int protocol);
	int (*remove)(void *stack);
	const struct network_calls *calls;
};

/** library_vdestack - Debian's libvdestack */
extern const struct library library_vdestack;

/** library_lwipv6 - Debian's liblwipv6 */
extern const struct library library_lwipv6;

/** library_ioth_* - plugins of libioth; kernel knows neither networks nor addresses */
extern const struct library library_ioth_vdestack, library_ioth_lwip, library_ioth_kernel;

#endif
