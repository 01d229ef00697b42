/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz_nlvde.c - the reader of netlink packets of plugins/vdestack/nlvde.c, which sees whatever a program sends
 *
 * It must not read beyond the packet (the sanitizer, or the page behind it, sees to that), what it finds must lie
 * within the packet, and what it makes of the packet must be a packet again, without the request and in the room
 * there is.
 */
#include "nlvde.h"

#include <linux/netlink.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** check - a promise of the header */
static void check(int kept)
{
	if (!kept)
		abort();
}

/** replace - one request; the new packet is in @packet of @size bytes. Returns where to go on */
static size_t replace(unsigned char **packet, size_t *size, const struct nlvde_request *request, size_t from)
{
	unsigned char *out = malloc(*size + NLVDE_EXTRA);
	struct nlmsghdr nlh;
	size_t next = 0, len;

	check(out != NULL);
	check(request->start >= from && request->start + request->len <= *size);
	check(request->vnl_len > 0 && request->vnl > request->start);
	check(request->vnl + request->vnl_len <= request->start + request->len);
	check(memchr(request->ifname, '\0', sizeof(request->ifname)) != NULL);
	len = nlvde_replace(*packet, *size, request, 7, out, &next);
	check(len <= *size + NLVDE_EXTRA && next <= len && next > request->start);
	memcpy(&nlh, out + request->start, sizeof(nlh));
	check(nlh.nlmsg_len >= sizeof(nlh) && nlh.nlmsg_len <= len - request->start);
	free(*packet);
	*packet = out;
	*size = len;
	return next;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char *packet;
	struct nlvde_request request;
	size_t from = 0;

	(void)nlvde_is_dellink(data, size);
	if (nlvde_find(data, size, 0, &request) != 1)
		return 0;
	packet = malloc(size);
	check(packet != NULL);
	memcpy(packet, data, size);
	while (nlvde_find(packet, size, from, &request) == 1)
		from = replace(&packet, &size, &request, from);
	free(packet);
	return 0;
}
