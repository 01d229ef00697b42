/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * client.c - dialogues with a stack through a netlink socket, and the choice between that and a table of handlers.
 *
 * A dialogue owns its socket from beginning to end, so dialogues do not disturb each other, whatever the thread. An
 * answer counts when it has the sequence number of the request and comes from the stack itself (port 0), not from
 * another process. Signals interrupt nothing: EINTR is retried.
 */
#include "private.h"

#include <stdatomic.h>
#include <stdlib.h>

/* ------------------------------------------------------------------------------------------------ on a descriptor */

static int peer_open(const struct nlq__peer *peer, int protocol)
{
	const struct nlq__transport *transport = peer->transport;
	struct sockaddr_nl self = {.nl_family = AF_NETLINK};
	int fd = transport->socket(peer->stack, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	int error;

	if (fd < 0)
		return -errno;
	if (transport->bind(fd, (const struct sockaddr *)&self, sizeof(self)) < 0) {
		error = -errno;
		transport->close(fd);
		return error;
	}
	return fd;
}

static ssize_t peer_send(const struct nlq__peer *peer, int fd, const struct nlq_msg *msg)
{
	ssize_t sent;

	if (msg == NULL)
		return -ENOMEM;
	do
		sent = peer->transport->send(fd, msg->nlq_packet, msg->nlq_size, 0);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : sent;
}

static ssize_t peer_send_free(const struct nlq__peer *peer, int fd, struct nlq_msg *msg)
{
	ssize_t result = nlq_complete(msg);

	if (result == 0)
		result = peer_send(peer, fd, msg);
	nlq_freemsg(msg);
	return result;
}

/** peer_recv - a datagram from the stack itself: its bytes, or a negative errno */
static ssize_t peer_recv(const struct nlq__peer *peer, int fd, void *datagram, size_t size)
{
	for (;;) {
		struct sockaddr_nl from = {.nl_family = AF_NETLINK};
		socklen_t fromlen = sizeof(from);
		/* with MSG_TRUNC the result is the length of the datagram, not of what fitted */
		ssize_t got =
		        peer->transport->recvfrom(fd, datagram, size, MSG_TRUNC, (struct sockaddr *)&from, &fromlen);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			return -ENETDOWN;
		/* a stack may leave the address out */
		if (fromlen >= sizeof(from) && from.nl_family == AF_NETLINK && from.nl_pid != 0)
			continue;
		return (size_t)got > size ? -EMSGSIZE : got;
	}
}

static int peer_answer(const struct nlq__peer *peer, int fd, struct nlq__answer *answer)
{
	void *datagram = malloc(NLQ_MSG_MAX);
	int result = 1;

	if (datagram == NULL)
		return -ENOMEM;
	while (result > 0) {
		ssize_t got = peer_recv(peer, fd, datagram, NLQ_MSG_MAX);

		result = got < 0 ? (int)got : nlq__answer_datagram(answer, datagram, (size_t)got);
	}
	free(datagram);
	return result;
}

/* ------------------------------------------------------------------------------------------------ whole dialogues */

/** next_seq - a sequence number; never 0, that of notifications */
static uint32_t next_seq(void)
{
	static atomic_uint counter;
	uint32_t seq = atomic_fetch_add_explicit(&counter, 1, memory_order_relaxed) + 1;

	return seq == 0 ? 1 : seq;
}

/** dialog_prepare - complete a request, with the flags and the number that a dialogue needs; 0 or its error */
static int dialog_prepare(struct nlq_msg *msg)
{
	int result = nlq_complete(msg);

	if (result < 0)
		return result;
	/* Linux passes over a request without even a family, and says nothing: that would be a long wait */
	if (nlq__family(msg->nlq_packet->nlmsg_type) >= 0 && nlq__msgdata(msg->nlq_packet, 1) == NULL)
		return -EINVAL;
	msg->nlq_packet->nlmsg_flags |= NLM_F_REQUEST;
	if (nlq__action(msg->nlq_packet->nlmsg_type) != RTM_GET)
		msg->nlq_packet->nlmsg_flags |= NLM_F_ACK;
	if (msg->nlq_packet->nlmsg_seq == 0)
		msg->nlq_packet->nlmsg_seq = next_seq();
	return 0;
}

/** dialog_transport - send a prepared request, read its answer */
static int dialog_transport(const struct nlq__peer *peer, const struct nlq_msg *msg, struct nlq__answer *answer)
{
	int fd = peer_open(peer, NETLINK_ROUTE);
	ssize_t result;

	if (fd < 0)
		return fd;
	result = peer_send(peer, fd, msg);
	if (result >= 0)
		result = peer_answer(peer, fd, answer);
	peer->transport->close(fd);
	return (int)result;
}

/** dialog_queue - read an answer that is here already, and free it */
static int dialog_queue(struct nlq_msg *queue, struct nlq__answer *answer)
{
	int result = 1;

	for (; queue != NULL; nlq_dropmsg(&queue)) {
		struct nlq_msg *head = nlq_head(queue);

		if (result > 0)
			result = nlq__answer_datagram(answer, head->nlq_packet, head->nlq_size);
	}
	return result > 0 ? -EBADMSG : result; /* it has not ended */
}

static int dialog_server(const struct nlq__peer *peer, struct nlq_msg *msg, struct nlq__answer *answer)
{
	struct nlq_msg *queue;

	errno = 0;
	queue = nlq_process_rtrequest(msg->nlq_packet, peer->table, peer->stackinfo);
	if (queue == NULL && errno == ENOBUFS)
		return -ENOBUFS;
	return dialog_queue(queue, answer);
}

int nlq__dialog(const struct nlq__peer *peer, struct nlq_msg *msg, nlq_cb *cb, const void *argin, void *argout,
                void *argenv)
{
	struct nlq__answer answer = {.cb = cb, .argin = argin, .argout = argout, .argenv = argenv};
	int result = dialog_prepare(msg);

	if (result == 0) {
		answer.seq = msg->nlq_packet->nlmsg_seq;
		answer.acked = msg->nlq_packet->nlmsg_flags & NLM_F_ACK;
		result = peer->transport == NULL ? dialog_server(peer, msg, &answer)
		                                 : dialog_transport(peer, msg, &answer);
	}
	nlq_freemsg(msg);
	return result;
}

int nlq__dump(const struct nlq__peer *peer, uint16_t type, uint8_t family, void (*reset)(void *argout), nlq_cb *cb,
              const void *argin, void *argout)
{
	const unsigned char header[64] = {family}; /* longer than any, and in all of them the family is first */
	int result = -EINTR;

	for (int attempt = 0; attempt < NLQ__ATTEMPTS && result == -EINTR; attempt++) {
		struct nlq_msg *msg = nlq_createmsg(type, NLM_F_DUMP, 0, 0);

		if (reset != NULL)
			reset(argout);
		nlq_add(msg, header, nlq__headerlen(type));
		result = nlq__dialog(peer, msg, cb, argin, argout, NULL);
	}
	return result;
}

/* ----------------------------------------------------------------------------------------------- public functions */

int nlq_open(int protocol)
{
	struct nlq__peer peer = nlq__native();

	return nlq_return_errno(peer_open(&peer, protocol));
}

int nlqx_open(struct ioth *stack, int protocol)
{
	struct nlq__peer peer = nlq__ioth(stack);

	return nlq_return_errno(peer_open(&peer, protocol));
}

/** sent_or_errno - nlq_return_errno for a number of bytes, which never exceeds NLQ_MSG_MAX */
static ssize_t sent_or_errno(ssize_t result)
{
	return nlq_return_errno((int)result);
}

ssize_t nlq_sendmsg(int fd, const struct nlq_msg *msg)
{
	struct nlq__peer peer = nlq__native();

	return sent_or_errno(peer_send(&peer, fd, msg));
}

ssize_t nlqx_sendmsg(struct ioth *stack, int fd, const struct nlq_msg *msg)
{
	struct nlq__peer peer = nlq__ioth(stack);

	return sent_or_errno(peer_send(&peer, fd, msg));
}

ssize_t nlq_complete_send_freemsg(int fd, struct nlq_msg *msg)
{
	struct nlq__peer peer = nlq__native();

	return sent_or_errno(peer_send_free(&peer, fd, msg));
}

ssize_t nlqx_complete_send_freemsg(struct ioth *stack, int fd, struct nlq_msg *msg)
{
	struct nlq__peer peer = nlq__ioth(stack);

	return sent_or_errno(peer_send_free(&peer, fd, msg));
}

int nlq_recv_process_rtreply(int fd, nlq_cb *cb, const void *argin, void *argout, void *argenv)
{
	struct nlq__answer answer = {.cb = cb, .argin = argin, .argout = argout, .argenv = argenv};
	struct nlq__peer peer = nlq__native();

	return peer_answer(&peer, fd, &answer);
}

int nlqx_recv_process_rtreply(struct ioth *stack, int fd, nlq_cb *cb, const void *argin, void *argout, void *argenv)
{
	struct nlq__answer answer = {.cb = cb, .argin = argin, .argout = argout, .argenv = argenv};
	struct nlq__peer peer = nlq__ioth(stack);

	return peer_answer(&peer, fd, &answer);
}

int nlq_server_process_rtreply(struct nlq_msg *reply_msgq, nlq_cb *cb, const void *argin, void *argout, void *argenv)
{
	struct nlq__answer answer = {.cb = cb, .argin = argin, .argout = argout, .argenv = argenv};

	return dialog_queue(reply_msgq, &answer);
}

int nlq_rtdialog(struct nlq_msg *msg, nlq_cb *cb, const void *argin, void *argout, void *argenv)
{
	struct nlq__peer peer = nlq__native();

	return nlq__dialog(&peer, msg, cb, argin, argout, argenv);
}

int nlqx_rtdialog(struct ioth *stack, struct nlq_msg *msg, nlq_cb *cb, const void *argin, void *argout, void *argenv)
{
	struct nlq__peer peer = nlq__ioth(stack);

	return nlq__dialog(&peer, msg, cb, argin, argout, argenv);
}

int nlq_server_rtdialog(struct nlq_msg *msg, nlq_request_handlers_table table, void *stackinfo, nlq_cb *cb,
                        const void *argin, void *argout, void *argenv)
{
	struct nlq__peer peer = nlq__server(table, stackinfo);

	return nlq__dialog(&peer, msg, cb, argin, argout, argenv);
}
