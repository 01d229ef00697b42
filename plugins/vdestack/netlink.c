/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * netlink.c - what is sent and received over a NETLINK_ROUTE socket of a stack.
 *
 * It is the kernel's socket and the kernel answers. But requests for interfaces of kind "vde" are seen to here and
 * sent as something else (nlvde.c), and a request to delete an interface may have been for one of ours.
 *
 * An interface of kind vde that cannot be made is an error of the call that sends the request, and nothing is sent
 * then.
 *
 * What wakes who waits when the stack is stopped (shutdown.c) is not given to him.
 */
#include "vdestack.h"

#include "nlvde.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>

#define REQUESTS_MAX 16 /* for an interface of kind vde in one packet */

/** struct packet - what is about to be sent */
struct packet {
	void *bytes;
	size_t len;
	bool owned;                  /* bytes are to be freed */
	uint32_t made[REQUESTS_MAX]; /* the interfaces it has made already */
	unsigned int count;
};

/** packet_free - free what it owns; returns -1 with errno for a negative errno */
static ssize_t packet_free(struct packet *packet, int err)
{
	if (packet->owned)
		free(packet->bytes);
	if (err == 0)
		return 0;
	errno = -err;
	return -1;
}

/** packet_take - the packet of a message, in one piece */
static int packet_take(struct packet *packet, const struct msghdr *msg)
{
	size_t at = 0;

	*packet = (struct packet){0};
	if (msg->msg_iovlen == 1) {
		packet->bytes = msg->msg_iov[0].iov_base;
		packet->len = msg->msg_iov[0].iov_len;
		return 0;
	}
	for (size_t i = 0; i < msg->msg_iovlen; i++)
		if (__builtin_add_overflow(packet->len, msg->msg_iov[i].iov_len, &packet->len) ||
		    packet->len > INT32_MAX)
			return -EMSGSIZE;
	packet->bytes = malloc(packet->len + 1);
	if (packet->bytes == NULL)
		return -ENOBUFS;
	packet->owned = true;
	for (size_t i = 0; i < msg->msg_iovlen; i++) {
		memcpy((char *)packet->bytes + at, msg->msg_iov[i].iov_base, msg->msg_iov[i].iov_len);
		at += msg->msg_iov[i].iov_len;
	}
	return 0;
}

/** make - the interface that is asked for */
static int make(struct vde_stack *stack, const struct packet *packet, const struct nlvde_request *request,
                uint32_t *ifindex)
{
	struct wire_request want = {.newport = {.ifname = "vde%d", .ifindex = request->ifindex, .mtu = request->mtu}};
	char *vnl = strndup((const char *)packet->bytes + request->vnl, request->vnl_len);
	int err;

	if (vnl == NULL)
		return -ENOMEM;
	if (request->ifname[0])
		memcpy(want.newport.ifname, request->ifname, sizeof(want.newport.ifname));
	memcpy(want.newport.mac, request->mac, sizeof(want.newport.mac));
	want.newport.has_mac = request->has_mac;
	err = vde_port_add(stack, vnl, &want, ifindex);
	free(vnl);
	return err;
}

/** serve - make all interfaces of kind vde that the packet asks for, and replace the requests */
static int serve(struct vde_stack *stack, struct packet *packet)
{
	struct nlvde_request request;
	size_t from = 0;
	int found;

	while ((found = nlvde_find(packet->bytes, packet->len, from, &request)) == 1) {
		unsigned char *bytes;
		int err;

		if (packet->count == REQUESTS_MAX)
			return -E2BIG;
		bytes = malloc(packet->len + NLVDE_EXTRA);
		if (bytes == NULL)
			return -ENOMEM;
		err = make(stack, packet, &request, &packet->made[packet->count]);
		if (err) {
			free(bytes);
			return err;
		}
		packet->len = nlvde_replace(packet->bytes, packet->len, &request, packet->made[packet->count++], bytes,
		                            &from);
		packet_free(packet, 0);
		packet->bytes = bytes;
		packet->owned = true;
	}
	return found;
}

/** undo - the packet has come to nothing */
static void undo(struct vde_stack *stack, struct packet *packet)
{
	int error = errno;

	while (packet->count > 0)
		vde_port_remove(stack, packet->made[--packet->count]);
	errno = error;
}

/** is_for_kernel - is the message for the kernel, and could it be read? */
static bool is_for_kernel(const struct msghdr *msg)
{
	const struct sockaddr_nl *to = msg->msg_name;

	for (size_t i = 0; i < msg->msg_iovlen; i++)
		if (msg->msg_iov[i].iov_base == NULL && msg->msg_iov[i].iov_len > 0)
			return false;
	return to == NULL || msg->msg_namelen < sizeof(*to) || (to->nl_pid == 0 && to->nl_groups == 0);
}

ssize_t vde_netlink_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct vde_stack *stack = vde_current();
	struct packet packet;
	struct iovec iov;
	struct msghdr new;
	size_t len;
	ssize_t sent;
	int err;

	if (msg == NULL || msg->msg_iovlen == 0 || msg->msg_iov == NULL || !is_for_kernel(msg))
		return sendmsg(fd, msg, flags);
	err = packet_take(&packet, msg);
	if (err)
		return packet_free(&packet, err);
	len = packet.len;
	err = serve(stack, &packet);
	if (err) {
		undo(stack, &packet);
		return packet_free(&packet, err);
	}
	iov = (struct iovec){packet.bytes, packet.len};
	new = *msg;
	new.msg_iov = &iov;
	new.msg_iovlen = 1;
	sent = sendmsg(fd, &new, flags);
	if (sent < 0)
		undo(stack, &packet);
	else if (nlvde_is_dellink(packet.bytes, packet.len))
		vde_ports_prune(stack);
	if (sent < 0)
		return packet_free(&packet, -errno);
	packet_free(&packet, 0);
	return (ssize_t)len;
}

bool vde_stopped(void)
{
	return atomic_load_explicit(&vde_current()->stopped, memory_order_acquire);
}

ssize_t vde_netlink_received(ssize_t result)
{
	if (result < 0 || !vde_stopped())
		return result;
	errno = ENETDOWN;
	return -1;
}
