/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* names.h - questions to name servers by c-ares: names.c. */
#ifndef SHIM_NAMES_H
#define SHIM_NAMES_H

#include <ares.h>

/** shim_channel_open - a channel with the resolv.conf of the run; to be destroyed. A status of c-ares */
int shim_channel_open(ares_channel *channel);

/** shim_channel_run - till every question has its answer */
void shim_channel_run(ares_channel channel);

#endif
