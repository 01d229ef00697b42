/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * procnet.c - the text of /proc/net/dev (proc(5)), from the links and their counters.
 *
 * The list is complete before the first byte is written: a dump that changed under way is begun again. Stateless.
 */
#include "private.h"

#include <inttypes.h>
#include <stdlib.h>

/** struct links - the links found so far */
struct links {
	struct nlq__link *list;
	size_t count, room;
};

static void links_reset(void *argout)
{
	struct links *links = argout;

	links->count = 0;
}

static int links_add(struct nlmsghdr *msg, struct nlattr **attr, const void *argin, void *argout, void *argenv)
{
	struct links *links = argout;

	(void)argin, (void)argenv;
	if (links->count == links->room) {
		size_t room = links->room == 0 ? 8 : links->room * 2;
		struct nlq__link *list = reallocarray(links->list, room, sizeof(*list));

		if (list == NULL)
			return -ENOMEM;
		links->list = list;
		links->room = room;
	}
	if (nlq__link_read(&links->list[links->count], msg, attr))
		links->count++;
	return 0;
}

static void print_link(const struct nlq__link *link, FILE *file)
{
	const struct rtnl_link_stats64 *s = &link->stats;

	if (!link->has_stats) {
		fprintf(file, "%6s: No statistics available.\n", link->name);
		return;
	}
	/* Linux adds up what has no column of its own. */
	fprintf(file,
	        "%6s: %7" PRIu64 " %7" PRIu64 " %4" PRIu64 " %4" PRIu64 " %4" PRIu64 " %5" PRIu64 " %10" PRIu64
	        " %9" PRIu64,
	        link->name, (uint64_t)s->rx_bytes, (uint64_t)s->rx_packets, (uint64_t)s->rx_errors,
	        (uint64_t)(s->rx_dropped + s->rx_missed_errors), (uint64_t)s->rx_fifo_errors,
	        (uint64_t)(s->rx_length_errors + s->rx_over_errors + s->rx_crc_errors + s->rx_frame_errors),
	        (uint64_t)s->rx_compressed, (uint64_t)s->multicast);
	fprintf(file,
	        " %8" PRIu64 " %7" PRIu64 " %4" PRIu64 " %4" PRIu64 " %4" PRIu64 " %5" PRIu64 " %7" PRIu64 " %10" PRIu64
	        "\n",
	        (uint64_t)s->tx_bytes, (uint64_t)s->tx_packets, (uint64_t)s->tx_errors, (uint64_t)s->tx_dropped,
	        (uint64_t)s->tx_fifo_errors, (uint64_t)s->collisions,
	        (uint64_t)(s->tx_carrier_errors + s->tx_aborted_errors + s->tx_window_errors + s->tx_heartbeat_errors),
	        (uint64_t)s->tx_compressed);
}

static int proc_net_dev(const struct nlq__peer *peer, FILE *file)
{
	struct links links = {0};
	int result = nlq__dump(peer, RTM_GETLINK, AF_UNSPEC, links_reset, links_add, NULL, &links);

	if (result == 0) {
		fputs("Inter-|   Receive                                                |  Transmit\n", file);
		fputs(" face |bytes    packets errs drop fifo frame compressed multicast|"
		      "bytes    packets errs drop fifo colls carrier compressed\n",
		      file);
		for (size_t i = 0; i < links.count; i++)
			print_link(&links.list[i], file);
		if (fflush(file) != 0 || ferror(file))
			result = -EIO;
	}
	free(links.list);
	return result;
}

int nlq_proc_net_dev(FILE *file)
{
	struct nlq__peer peer = nlq__native();

	return nlq_return_errno(proc_net_dev(&peer, file));
}

int nlqx_proc_net_dev(struct ioth *stack, FILE *file)
{
	struct nlq__peer peer = nlq__ioth(stack);

	return nlq_return_errno(proc_net_dev(&peer, file));
}

int nlq_server_proc_net_dev(nlq_request_handlers_table table, void *stackinfo, FILE *file)
{
	struct nlq__peer peer = nlq__server(table, stackinfo);

	return nlq_return_errno(proc_net_dev(&peer, file));
}
