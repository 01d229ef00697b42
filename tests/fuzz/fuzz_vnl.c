/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz_vnl.c - the reader of locators, src/link/vnl.c
 *
 * Whatever it accepts must be the text again when it is put together, name, ':' and network, and the name must be one
 * that can stand in a file name and on a terminal.
 */
#include "link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** check - a promise of the header */
static void check(bool kept)
{
	if (!kept)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), again[LINK_IFNAME_MAX + 1];
	struct link_vnl out;
	size_t len;

	check(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	memset(&out, 0x5a, sizeof(out));
	if (link_vnl_parse(text, 7, &out) == 0) {
		check(memchr(out.ifname, '\0', sizeof(out.ifname)) != NULL);
		len = strlen(out.ifname);
		check(len > 0 && strcmp(out.ifname, ".") != 0 && strcmp(out.ifname, "..") != 0);
		for (size_t i = 0; i < len; i++)
			check((unsigned char)out.ifname[i] > ' ' && out.ifname[i] != 0x7f && out.ifname[i] != '/');
		check(out.vnl >= text && out.vnl < text + strlen(text));
		snprintf(again, sizeof(again), "%s:", out.ifname);
		if (out.vnl == text)
			check(strcmp(out.ifname, "vde7") == 0);
		else
			check((size_t)(out.vnl - text) == len + 1 && strncmp(text, again, len + 1) == 0);
	}
	free(text);
	return 0;
}
