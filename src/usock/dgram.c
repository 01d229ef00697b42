/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dgram.c - queues of datagrams that wait for the program, of UDP, raw, ping, packet and netlink sockets.
 *
 * A datagram is one allocation: the structure, its data, its IP options. It counts against SO_RCVBUF with what Linux
 * would count: programs that set small buffers, and tests that fill them, find the same numbers. A datagram is taken
 * while what waits already is below SO_RCVBUF, so one always fits; then datagrams are dropped and counted.
 *
 * SO_PEEK_OFF: the offset counts bytes from the head of the queue, over the ends of datagrams; MSG_PEEK reads there and
 * moves it on, taking something away moves it back.
 */
#include "ip.h"

#include <linux/net_tstamp.h>
#include <stdlib.h>
#include <time.h>

/* What Linux needs beside the bytes: its structure, its trailer, the room before the data. */
#define SKB_STRUCT 256
#define SKB_TRAILER 320
#define SKB_HEADROOM 59 /* headers, and what is kept free before them */
#define SKB_SMALL 640   /* the block that most fit in; beyond, powers of 2, then pages */
#define SKB_LARGE 16384
#define PAGE 4096

size_t usock__dgram_cost(size_t len)
{
	size_t bytes = len + SKB_HEADROOM + SKB_TRAILER, block = 1024;

	if (bytes <= SKB_SMALL)
		return SKB_STRUCT + SKB_SMALL;
	while (block < bytes && block < SKB_LARGE)
		block *= 2;
	if (block < bytes)
		block = (bytes + PAGE - 1) & ~(size_t)(PAGE - 1);
	return SKB_STRUCT + block;
}

struct usock__dgram *usock__dgram_new(size_t len, size_t options_len)
{
	struct usock__dgram *dgram = malloc(sizeof(*dgram) + len + options_len);

	if (!dgram)
		return NULL;
	memset(dgram, 0, sizeof(*dgram));
	dgram->len = len;
	dgram->size = usock__dgram_cost(len);
	dgram->data = (unsigned char *)(dgram + 1);
	if (options_len > 0) {
		dgram->options = dgram->data + len;
		dgram->options_len = options_len;
	}
	return dgram;
}

void usock__dgram_free(struct usock__dgram *dgram)
{
	free(dgram);
}

void usock__queue_init(struct usock__queue *queue)
{
	*queue = (struct usock__queue){.tail = &queue->head};
}

void usock__queue_clear(struct usock__queue *queue)
{
	while (queue->head) {
		struct usock__dgram *dgram = queue->head;

		queue->head = dgram->next;
		usock__dgram_free(dgram);
	}
	usock__queue_init(queue);
}

bool usock__queue_put(struct usock *sock, struct usock__queue *queue, struct usock__dgram *dgram)
{
	if (sock->dead || queue->size >= (size_t)sock->options.rcvbuf) {
		sock->dropped++;
		usock__dgram_free(dgram);
		return false;
	}
	dgram->dropped = (uint32_t)sock->dropped;
	dgram->next = NULL;
	*queue->tail = dgram;
	queue->tail = &dgram->next;
	queue->size += dgram->size;
	queue->count++;
	usock__changed(sock, EPOLLIN);
	return true;
}

/** remove_at - take the datagram at @at out of the queue */
static void remove_at(struct usock__queue *queue, struct usock__dgram **at)
{
	struct usock__dgram *dgram = *at;

	*at = dgram->next;
	if (!*at)
		queue->tail = at;
	queue->size -= dgram->size;
	queue->count--;
}

/** find - the datagram to be read, and from which of its bytes on */
static struct usock__dgram **find(const struct usock *sock, struct usock__queue *queue, int flags, size_t *from)
{
	struct usock__dgram **at = &queue->head;
	size_t offset;

	*from = 0;
	if (!(flags & MSG_PEEK) || sock->options.peek_off < 0)
		return at;
	offset = (size_t)sock->options.peek_off;
	while (*at && offset > 0 && offset >= (*at)->len) {
		offset -= (*at)->len;
		at = &(*at)->next;
	}
	*from = offset;
	return at;
}

/** put_times - the time stamps that the program asked for; for SIOCGSTAMP 0 stands for "not known" */
static void put_times(struct usock *sock, struct usock__xfer *xfer, const struct usock__dgram *dgram)
{
	const struct usock__options *o = &sock->options;
	struct timespec stamp = {.tv_sec = dgram->when / 1000000000, .tv_nsec = dgram->when % 1000000000};

	sock->stamp = stamp;
	if (!o->timestampns && !o->timestamp && o->timestamping == 0)
		return;
	if (dgram->when == 0)
		clock_gettime(CLOCK_REALTIME, &stamp);
	if (o->timestampns) {
		usock__cmsg_put(xfer, SOL_SOCKET, o->timestamp_new ? SO_TIMESTAMPNS_NEW : SO_TIMESTAMPNS_OLD, &stamp,
		                sizeof(stamp));
	} else if (o->timestamp) {
		struct timeval micro = {.tv_sec = stamp.tv_sec, .tv_usec = stamp.tv_nsec / 1000};

		usock__cmsg_put(xfer, SOL_SOCKET, o->timestamp_new ? SO_TIMESTAMP_NEW : SO_TIMESTAMP_OLD, &micro,
		                sizeof(micro));
	}
	if (o->timestamping & SOF_TIMESTAMPING_SOFTWARE && o->timestamping & SOF_TIMESTAMPING_RX_SOFTWARE) {
		struct timespec three[3] = {stamp};

		usock__cmsg_put(xfer, SOL_SOCKET, o->timestamp_new ? SO_TIMESTAMPING_NEW : SO_TIMESTAMPING_OLD, three,
		                sizeof(three));
	}
}

/** nothing_there - what recv says of an empty queue: after shutdown a blocking call ends, others shall come again */
static int nothing_there(struct usock *sock, const struct usock__xfer *xfer)
{
	int error = usock__take_error(sock);

	if (error < 0)
		return error;
	if (!(sock->shutdown & USOCK_RCV_SHUTDOWN) || xfer->flags & MSG_DONTWAIT || usock__nonblocking(sock))
		return -EAGAIN;
	return 0;
}

int usock__queue_recv(struct usock *sock, struct usock__queue *queue, struct usock__xfer *xfer,
                      void (*control)(struct usock *sock, struct usock__xfer *xfer, const struct usock__dgram *dgram))
{
	struct usock__dgram **at, *dgram;
	size_t from, copied;
	int error;

	if (xfer->flags & MSG_ERRQUEUE)
		return usock__errqueue_recv(sock, xfer);
	if (sock->error != 0 && (error = usock__take_error(sock)) < 0)
		return error;
	at = find(sock, queue, xfer->flags, &from);
	dgram = *at;
	if (!dgram)
		return nothing_there(sock, xfer);
	copied = usock__copy_out(xfer, 0, dgram->data + from, dgram->len - from);
	if (copied < dgram->len - from)
		xfer->msg_flags |= MSG_TRUNC;
	usock__name_put(xfer, &dgram->name, dgram->namelen);
	put_times(sock, xfer, dgram);
	if (sock->options.rxq_ovfl && dgram->dropped != 0)
		usock__cmsg_put(xfer, SOL_SOCKET, SO_RXQ_OVFL, &dgram->dropped, sizeof(dgram->dropped));
	if (control)
		control(sock, xfer, dgram);
	xfer->done += xfer->flags & MSG_TRUNC ? dgram->len : copied;
	if (xfer->flags & MSG_PEEK) {
		if (sock->options.peek_off >= 0)
			sock->options.peek_off += (int)copied;
		return 0;
	}
	if (sock->options.peek_off > 0)
		sock->options.peek_off =
		        (size_t)sock->options.peek_off > copied ? sock->options.peek_off - (int)copied : 0;
	remove_at(queue, at);
	usock__dgram_free(dgram);
	if (!queue->head)
		usock__changed(sock, 0);
	return 0;
}

uint32_t usock__dgram_poll(const struct usock *sock, const struct usock__queue *queue)
{
	uint32_t events = EPOLLOUT;

	if (queue->head)
		events |= EPOLLIN;
	if (sock->error != 0 || !usock__errqueue_empty(sock))
		events |= EPOLLERR | (sock->options.select_err_queue ? EPOLLPRI : 0U);
	if (sock->shutdown & USOCK_RCV_SHUTDOWN)
		events |= EPOLLIN | EPOLLRDHUP;
	if (sock->shutdown == (USOCK_RCV_SHUTDOWN | USOCK_SEND_SHUTDOWN))
		events |= EPOLLHUP;
	return events;
}
