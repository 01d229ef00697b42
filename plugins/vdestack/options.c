/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* options.c - the options of a stack: vdestack,pcap=FILE */
#include "vdestack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/** take_option - @len bytes of "NAME=VALUE" */
static int take_option(const char *text, size_t len, struct vde_options *out)
{
	static const char pcap[] = "pcap=";
	const size_t name = sizeof(pcap) - 1;

	if (len <= name || memcmp(text, pcap, name) != 0 || out->pcap)
		return -EINVAL;
	out->pcap = strndup(text + name, len - name);
	return out->pcap ? 0 : -ENOMEM;
}

int vde_options_parse(const char *text, struct vde_options *out)
{
	*out = (struct vde_options){0};
	if (text == NULL || *text == '\0')
		return 0;
	for (;;) {
		size_t len = strcspn(text, ",");
		int err = take_option(text, len, out);

		if (err) {
			free(out->pcap);
			out->pcap = NULL;
			return err;
		}
		if (text[len] == '\0')
			return 0;
		text += len + 1;
	}
}
