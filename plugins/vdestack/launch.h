/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* launch.h - start the helper */
#ifndef VDESTACK_LAUNCH_H
#define VDESTACK_LAUNCH_H

#include "wire.h"

#include <stdint.h>

/** launch - start the helper; returns a connection to it, or a negative errno */
int launch(void);

/** launch_refused - say once, on standard error, why the helper cannot work; returns what the caller shall return */
int launch_refused(uint32_t step, int error);

#endif
