/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plugin.h - finding, admitting and loading plugins.
 */
#ifndef IOTH_PLUGIN_H
#define IOTH_PLUGIN_H

#include <ioth.h>
#include <stdbool.h>

struct private_copy;

/** struct ioth__plugin - a loaded plugin, as one stack holds it */
struct ioth__plugin {
	void *handle;              /* of dlopen, when the plugin is re-entrant */
	struct private_copy *copy; /* otherwise this stack's own copy */
};

/**
 * ioth__plugin_load - load plugin @name for one stack
 *
 * Returns 0, -EINVAL for a name that is not [A-Za-z0-9_]+, -ENOTSUP when there is none or it cannot be loaded (a line on stderr
 * says why), -EPERM when its licence does not go with the program's, -ENOMEM, -EMFILE.
 */
int ioth__plugin_load(const char *name, size_t namelen, struct ioth__plugin *plugin);
void ioth__plugin_unload(struct ioth__plugin *plugin);

/** ioth__plugin_newstack - the function ioth_NAME_newstack of the plugin, NULL (and a line on stderr) when it has none */
newstack_prototype *ioth__plugin_newstack(struct ioth__plugin *plugin, const char *name, size_t namelen);

/** ioth__plugin_fill - set the members of @f that are NULL from the symbols ioth_NAME_<function> of the plugin */
void ioth__plugin_fill(struct ioth__plugin *plugin, const char *name, size_t namelen, struct ioth_functions *f);

/** ioth__plugin_fetch_errno - copy errno from the plugin's own C library, if it has one, to ours */
void ioth__plugin_fetch_errno(struct ioth__plugin *plugin);

/**
 * ioth__licence_admits - may a plugin be loaded in this program?
 * @plugin: licence of the plugin, NULL when it states none
 * @program: what the program declared, NULL when nothing
 *
 * Both are SPDX expressions. See licence.c for the rule.
 */
bool ioth__licence_admits(const char *plugin, const char *program);

#endif
