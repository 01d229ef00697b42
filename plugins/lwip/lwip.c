/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lwip.c - the plugin "lwip": a stack that lives in the process, made of lwIP's TCP.
 *
 * ioth_newstack("lwip", "vde:///tmp/sw") needs no privilege of any kind. Sockets are usock's, configuration is inet's, this is
 * the engine below them: engine.h says what it consists of, docs/stacks/lwip.md what it can and cannot do.
 */
#include "engine.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT extern const char *ioth_lwip_license;
EXPORT void *ioth_lwip_newstack(const char *vnlv[], const char *options, struct ioth_functions *functions);
EXPORT int ioth_lwip_delstack(void *stackdata);

EXPORT const char *ioth_lwip_license = "LGPL-2.1-or-later";

EXPORT void *ioth_lwip_newstack(const char *vnlv[], const char *options, struct ioth_functions *functions)
{
	return usock_stack_new(&lwip_engine, vnlv, options, functions);
}

EXPORT int ioth_lwip_delstack(void *stackdata)
{
	return usock_stack_delete(stackdata);
}
