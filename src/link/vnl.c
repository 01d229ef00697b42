/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vnl.c - interface names and network locators.
 *
 * A locator is a text of the user: "vde:///tmp/sw", "tap://t0", or a bare path of a switch. "eth0:vde:///tmp/sw" also
 * names the interface. Nothing here keeps state.
 */
#include "link.h"
#include "private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/**
 * ifname_valid - may these @len bytes name an interface?
 *
 * The rule of the Linux kernel (no '/', no white space, not "." nor ".."), and no control characters: the name
 * ends up in file names, in terminals and in the port list of a switch.
 */
static bool ifname_valid(const char *name, size_t len)
{
	if (len == 0 || len >= LINK_IFNAME_MAX)
		return false;
	if (name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.')))
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)name[i];

		if (c == '/' || c <= ' ' || c == 0x7f)
			return false;
	}
	return true;
}

bool link__ifname_valid(const char *name)
{
	return ifname_valid(name, strnlen(name, LINK_IFNAME_MAX));
}

int link_vnl_parse(const char *text, unsigned int index, struct link_vnl *out)
{
	const char *colon = strchr(text, ':');

	if (colon && strncmp(colon, "://", 3) != 0) {
		size_t len = (size_t)(colon - text);

		if (!ifname_valid(text, len))
			return -EINVAL;
		memcpy(out->ifname, text, len);
		out->ifname[len] = '\0';
		text = colon + 1;
	} else {
		snprintf(out->ifname, sizeof(out->ifname), "vde%u", index);
	}
	if (*text == '\0')
		return -EINVAL;
	out->vnl = text;
	return 0;
}

bool link_vnl_shared(const char *vnl)
{
	return strncmp(vnl, "shm://", 6) == 0;
}
