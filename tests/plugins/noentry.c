/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* noentry.c - a shared object with a plugin's name, and nothing that a plugin must have */
#include "ioth01.h"

PLUGIN_EXPORT extern int ioth_noentry_something;
int ioth_noentry_something = 1;
