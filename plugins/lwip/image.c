/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * image.c - private copies of liblwip.
 *
 * Theory of operation
 *
 * lwIP keeps its state in global variables: one copy of the library is one stack. The distribution's liblwip is found by
 * the dynamic linker as any library is, once; copies of the file it found are made by libioth's loader of private copies
 * (src/core/private.c, linked in here), which shares among them all memory that is not written.
 *
 * The library is not linked against, so that the plugin can say what is wrong when it is absent or was built in another way
 * than the headers say. Two things are checked: every name in image.h is there, and the sizes that the library itself knows of its
 * connection and segment structures are those of the headers, which catches options that change their layout.
 *
 * What is wrong is told, once, to the debug output: IOTH_DEBUG in the environment.
 */
#include "image.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/core/private.h"

#define LIBRARY "liblwip.so.0"

static pthread_once_t found = PTHREAD_ONCE_INIT;
static char path[PATH_MAX]; /* of the library; empty: there is none */

/** say - tell a person what is wrong, when asked to */
static void say(const char *what, const char *which)
{
	const char *debug = secure_getenv("IOTH_DEBUG");

	if (debug && *debug)
		fprintf(stderr, "ioth: lwip: %s%s\n", what, which);
}

/** find - where is the library? It stays loaded, unused, so that the answer stays true and copies need no search */
static void find(void)
{
	void *handle = dlopen(LIBRARY, RTLD_LAZY | RTLD_LOCAL);
	struct link_map *map;

	if (!handle) {
		say("", dlerror());
		return;
	}
	if (dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0 && map->l_name[0] == '/' && strlen(map->l_name) < sizeof(path))
		memcpy(path, map->l_name, strlen(map->l_name) + 1);
	else
		dlclose(handle);
}

/** resolve - fill in the table; the name that is missing, or NULL */
static const char *resolve(struct lwip *lw)
{
	void *at;

#define RESOLVE(name)                                                                                                  \
	at = ioth__private_sym(lw->copy, #name);                                                                       \
	if (!at)                                                                                                       \
		return #name;                                                                                          \
	memcpy(&lw->name, &at, sizeof(at));

	LWIP_FUNCTIONS(RESOLVE)
	LWIP_VARIABLES(RESOLVE)
#undef RESOLVE
	return NULL;
}

int image_open(struct lwip *lw, const struct plt_slot *slots, size_t count)
{
	const char *missing = "";
	int err;

	memset(lw, 0, sizeof(*lw));
	pthread_once(&found, find);
	if (!path[0])
		return -ENOTSUP;
	err = ioth__private_open(path, &lw->copy);
	if (err < 0) {
		say("", ioth__private_error());
		return err == -ENOMEM || err == -EMFILE || err == -ENFILE ? err : -ENOTSUP;
	}
	missing = resolve(lw);
	if (missing) {
		say("liblwip lacks ", missing);
		err = -ENOTSUP;
	} else if (lw->memp_TCP_PCB->size != LWIP_MEM_ALIGN_SIZE(sizeof(struct tcp_pcb)) ||
	           lw->memp_TCP_SEG->size != LWIP_MEM_ALIGN_SIZE(sizeof(struct tcp_seg))) {
		say("liblwip was built with other options than its headers say", "");
		err = -ENOTSUP;
	} else {
		err = plt_replace(lw->ip_data, slots, count, &missing);
		if (err < 0) {
			say("liblwip cannot be adapted: ", err == -ENOENT ? missing : strerror(-err));
			err = -ENOTSUP;
		}
	}
	if (err < 0)
		image_close(lw);
	return err;
}

void image_close(struct lwip *lw)
{
	if (lw->copy)
		ioth__private_close(lw->copy);
	lw->copy = NULL;
}
