/* SPDX-License-Identifier: 0BSD */
/*
 * licensed.c - a plugin under the licence LICENSE, named NAME; a stack of it can be made and deleted, no more.
 *
 * It is compiled once for each licence that the tests ask for.
 */
#include "ioth01.h"

#define PASTE_(a, b, c) a##b##c
#define PASTE(a, b, c) PASTE_(a, b, c)
#define SYMBOL(suffix) PASTE(ioth_, NAME, suffix)

PLUGIN_EXPORT extern const char *SYMBOL(_license);
PLUGIN_EXPORT newstack_prototype SYMBOL(_newstack);
PLUGIN_EXPORT delstack_prototype SYMBOL(_delstack);

const char *SYMBOL(_license) = LICENSE;

static char stack;

void *SYMBOL(_newstack)(const char *vnlv[], const char *options, struct ioth_functions *functions)
{
	(void)vnlv;
	(void)options;
	(void)functions;
	return &stack;
}

int SYMBOL(_delstack)(void *stackdata)
{
	return stackdata == &stack ? 0 : -1;
}
