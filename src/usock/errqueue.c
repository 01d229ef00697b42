/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * errqueue.c - extended errors that wait for MSG_ERRQUEUE (IP_RECVERR, IPV6_RECVERR).
 *
 * Each has the bytes of the packet it is about, where that was sent to, and who complained. The queue counts against
 * SO_RCVBUF by itself. SO_ERROR follows it: it is the error at the head, and nothing when the last error of the network
 * has been read.
 */
#include "ip.h"

#include <stdlib.h>

struct errqueue_item {
	struct errqueue_item *next;
	struct sock_extended_err error;
	int family;
	struct usock_endpoint dst;
	union inet_ip offender;
	bool has_offender;
	size_t len, size;
	unsigned char data[];
};

struct usock__errqueue {
	struct errqueue_item *head, **tail;
	size_t size;
};

/** of_network - did the error come by ICMP? */
static bool of_network(const struct errqueue_item *item)
{
	return item && (item->error.ee_origin == SO_EE_ORIGIN_ICMP || item->error.ee_origin == SO_EE_ORIGIN_ICMP6);
}

void usock__errqueue_add(struct usock *sock, const struct sock_extended_err *err, int family,
                         const struct usock_endpoint *dst, const union inet_ip *offender, const void *data, size_t len)
{
	struct usock__errqueue *queue = sock->errqueue;
	struct errqueue_item *item;

	if (!queue) {
		queue = calloc(1, sizeof(*queue));
		if (!queue)
			return;
		queue->tail = &queue->head;
		sock->errqueue = queue;
	}
	if (queue->size + sizeof(*item) + len > (size_t)sock->options.rcvbuf)
		return;
	item = malloc(sizeof(*item) + len);
	if (!item)
		return;
	*item = (struct errqueue_item){
	        .error = *err, .family = family, .dst = *dst, .len = len, .size = sizeof(*item) + len};
	if (offender) {
		item->offender = *offender;
		item->has_offender = true;
	}
	if (len > 0)
		memcpy(item->data, data, len);
	*queue->tail = item;
	queue->tail = &item->next;
	queue->size += item->size;
	usock__changed(sock, EPOLLERR);
}

/** address - as a socket of @family shows it; bytes of the sockaddr */
static socklen_t address(int family, int of, const union inet_ip *ip, uint16_t port, uint32_t scope,
                         struct sockaddr_storage *out)
{
	struct usock_endpoint endpoint = {.ip = *ip, .port = port, .scope = scope};
	socklen_t len = sizeof(*out);

	if (family == AF_INET6 && of == AF_INET)
		endpoint.ip = usock__mapped(ip->v4);
	usock__endpoint_give(family, &endpoint, out, &len);
	return len;
}

/** put_error - the control message of an error: the error, then who complained, all zero when it was ourselves */
static void put_error(const struct usock *sock, struct usock__xfer *xfer, const struct errqueue_item *item)
{
	struct {
		struct sock_extended_err error;
		struct sockaddr_in6 offender;
	} message = {.error = item->error};
	struct sockaddr_storage offender;
	size_t size = sock->family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);

	if (item->has_offender) {
		socklen_t len = address(sock->family, item->family, &item->offender, 0, item->dst.scope, &offender);

		memcpy(&message.offender, &offender, len < size ? len : size);
	}
	usock__cmsg_put(xfer, sock->family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6,
	                sock->family == AF_INET ? IP_RECVERR : IPV6_RECVERR, &message, sizeof(message.error) + size);
}

int usock__errqueue_recv(struct usock *sock, struct usock__xfer *xfer)
{
	struct usock__errqueue *queue = sock->errqueue;
	struct errqueue_item *item = queue ? queue->head : NULL;
	struct sockaddr_storage name;
	socklen_t namelen;
	size_t copied;

	if (!item) {
		xfer->flags |= MSG_DONTWAIT; /* the error queue is never waited for */
		return -EAGAIN;
	}
	copied = usock__copy_out(xfer, 0, item->data, item->len);
	if (copied < item->len)
		xfer->msg_flags |= MSG_TRUNC;
	namelen = address(sock->family, item->family, &item->dst.ip, item->dst.port, item->dst.scope, &name);
	usock__name_put(xfer, &name, namelen);
	put_error(sock, xfer, item);
	xfer->msg_flags |= MSG_ERRQUEUE;
	xfer->done += copied;

	queue->head = item->next;
	if (!queue->head)
		queue->tail = &queue->head;
	queue->size -= item->size;
	if (of_network(queue->head))
		sock->error = (int)queue->head->error.ee_errno;
	else if (of_network(item))
		sock->error = 0;
	free(item);
	usock__changed(sock, queue->head ? EPOLLERR : 0U);
	return 0;
}

bool usock__errqueue_empty(const struct usock *sock)
{
	return !sock->errqueue || !sock->errqueue->head;
}

void usock__errqueue_release(struct usock *sock)
{
	struct usock__errqueue *queue = sock->errqueue;

	if (!queue)
		return;
	while (queue->head) {
		struct errqueue_item *item = queue->head;

		queue->head = item->next;
		free(item);
	}
	free(queue);
	sock->errqueue = NULL;
}
