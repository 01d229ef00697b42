/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cross.c - two sides that connect to each other at once, or a socket to itself (RFC 9293, 3.5).
 *
 * lwIP goes from SYN-SENT to ESTABLISHED by a SYN that acknowledges its own, and by nothing else; a SYN alone it
 * ignores. So what lies between, SYN-RECEIVED, is kept here, and lwIP stays in SYN-SENT meanwhile:
 *
 *     a SYN comes         it is kept, and lwIP's SYN is sent again, with an acknowledgement of the peer's from now on
 *     SYN and ACK come    as if nothing had crossed: lwIP is ESTABLISHED
 *     an ACK comes        the peer's SYN and ACK were lost, but it has got ours: lwIP is given the SYN that was kept as
 *                         one that acknowledges, and then what came
 *
 * All with the lock of the stack held. What is kept lives as long as the connection.
 */
#include "engine.h"

#include <stdlib.h>
#include <string.h>

#include "chksum.h"

#define HEADER_MAX 60U

struct crossed {
	size_t len;
	unsigned char syn[HEADER_MAX]; /* header and options */
};

void cross_free(struct conn *conn)
{
	if (conn->crossed)
		conn->e->crossed--;
	free(conn->crossed);
	conn->crossed = NULL;
}

void cross_syn(struct conn *conn, const unsigned char *segment, size_t len)
{
	size_t header = (size_t)(segment[12] >> 4) * 4;

	if (header < 20 || header > len)
		return;
	if (!conn->crossed) {
		conn->crossed = malloc(sizeof(*conn->crossed));
		if (!conn->crossed)
			return; /* as if it had been lost */
		conn->e->crossed++;
	}
	conn->crossed->len = header;
	memcpy(conn->crossed->syn, segment, header);
	conn->e->lw.tcp_rexmit(&conn->pcb);
	conn_output(conn);
}

struct conn *cross_in(struct engine *e, struct conn *conn, const struct usock_packet *packet)
{
	struct interface *interface = packet->iface->engine;
	const unsigned char *segment = packet->payload[0].iov_base;
	const struct crossed *crossed = conn->crossed;
	struct buffer *buffer;
	uint64_t sum;

	if ((segment[13] & (TCP_SYN | TCP_RST | TCP_ACK)) != TCP_ACK || get32(segment + 8) != conn->pcb.snd_nxt ||
	    get32(segment + 4) != get32(crossed->syn + 4) + 1)
		return conn;
	buffer = buffer_new(e, crossed->len);
	if (!buffer)
		return conn;
	memcpy(buffer->data, crossed->syn, crossed->len);
	memcpy(buffer->data + 8, segment + 8, 4);
	buffer->data[13] = TCP_SYN | TCP_ACK;
	put16(buffer->data + 16, 0);
	sum = chksum_pseudo(&packet->src, &packet->dst, ip_size(packet->family), IPPROTO_TCP, (uint32_t)crossed->len);
	sum = (uint16_t)~chksum_fold(chksum_add(sum, buffer->data, crossed->len));
	memcpy(buffer->data + 16, &(uint16_t){(uint16_t)sum}, 2);
	e->peer_mss = peer_mss(buffer->data, crossed->len);
	conn = conns_input(e, buffer_pbuf(e, buffer, buffer->data, crossed->len), &interface->netif, conn, NULL);
	e->peer_mss = 0;
	return conn;
}

void cross_out(const struct conn *conn, unsigned char *tcp,
               void (*amend)(unsigned char *tcp, size_t at, unsigned int value))
{
	uint32_t next;

	if (!conn->crossed || (tcp[13] & (TCP_SYN | TCP_ACK)) != TCP_SYN)
		return;
	next = get32(conn->crossed->syn + 4) + 1;
	amend(tcp, 12, get16(tcp + 12) | TCP_ACK);
	amend(tcp, 8, next >> 16);
	amend(tcp, 10, next & 0xffff);
}
