/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * netlink_peer.h - a socket library, prefix fake_, whose netlink peer follows a script.
 *
 * It keeps what is sent, and recv gives the datagrams of the script, one after the other. Sequence numbers are random,
 * so a script has them relative to the request's. Included once, by a test program, after cmocka.h.
 */
#ifndef NETLINK_PEER_H
#define NETLINK_PEER_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "nlinline+.h"

#define FAKE_FD 1234
#define LINK_FIXED sizeof(struct ifinfomsg)
#define DATAGRAM_MAX 16384
#define DATAGRAMS_MAX 8
#define MESSAGES_MAX 8
#define REQUESTS_MAX 4

/* ---------------------------------------------------------------------------------------------- the peer */

struct datagram {
	unsigned char byte[DATAGRAM_MAX];
	size_t len;                       /* bytes that recv copies */
	size_t claimed;                   /* what it returns, when not len */
	int error;                        /* or fail with this errno */
	int messages;                     /* whose sequence numbers are to be filled in */
	size_t at[MESSAGES_MAX];          /* offsets of them */
	uint32_t seq_delta[MESSAGES_MAX]; /* to be added to the number of the request */
	int request;                      /* number of the request that it answers */
};

static struct {
	struct datagram script[DATAGRAMS_MAX];
	int length, next;
	int interrupt_recv, interrupt_send; /* how many times to fail with EINTR first */
	int socket_error, bind_error, send_error;
	int sockets, open; /* made so far, open now */
	int type;          /* of the last socket */
	unsigned char request[REQUESTS_MAX][8192];
	size_t request_len[REQUESTS_MAX];
	int requests;
} peer;

static inline int fail_with(int error)
{
	errno = error;
	return -1;
}

static inline int fake_socket(int domain, int type, int protocol)
{
	assert_int_equal(domain, AF_NETLINK);
	assert_int_equal(protocol, NETLINK_ROUTE);
	peer.type = type;
	if (peer.socket_error)
		return fail_with(peer.socket_error);
	assert_int_equal(peer.open, 0);
	peer.sockets++;
	peer.open++;
	return FAKE_FD;
}

static inline int fake_bind(int fd, const struct sockaddr *addr, socklen_t addrlen)
{
	struct sockaddr_nl self;

	assert_int_equal(fd, FAKE_FD);
	assert_int_equal(addrlen, sizeof(self));
	memcpy(&self, addr, sizeof(self));
	assert_int_equal(self.nl_family, AF_NETLINK);
	assert_int_equal(self.nl_pid, 0);
	assert_int_equal(self.nl_groups, 0);
	return peer.bind_error ? fail_with(peer.bind_error) : 0;
}

static inline ssize_t fake_send(int fd, const void *buf, size_t len, int flags)
{
	assert_int_equal(fd, FAKE_FD);
	assert_int_equal(flags, 0);
	if (peer.interrupt_send-- > 0)
		return fail_with(EINTR);
	if (peer.send_error)
		return fail_with(peer.send_error);
	assert_true(peer.requests < REQUESTS_MAX);
	assert_true(len <= sizeof(peer.request[0]));
	memcpy(peer.request[peer.requests], buf, len);
	peer.request_len[peer.requests++] = len;
	return (ssize_t)len;
}

static inline uint32_t request_seq(void)
{
	struct nlmsghdr header;

	memcpy(&header, peer.request[peer.requests - 1], sizeof(header));
	return header.nlmsg_seq;
}

static inline ssize_t fake_recv(int fd, void *buf, size_t len, int flags)
{
	struct datagram *datagram = &peer.script[peer.next];

	assert_int_equal(fd, FAKE_FD);
	assert_int_equal(flags, MSG_TRUNC);
	assert_true(peer.requests > 0);
	if (peer.interrupt_recv-- > 0)
		return fail_with(EINTR);
	if (peer.next == peer.length)
		fail_msg("the dialogue should have ended after %d datagrams", peer.length);
	assert_int_equal(datagram->request, peer.requests - 1);
	peer.next++;
	if (datagram->error)
		return fail_with(datagram->error);
	for (int i = 0; i < datagram->messages; i++) {
		uint32_t seq = request_seq() + datagram->seq_delta[i];

		memcpy(datagram->byte + datagram->at[i] + offsetof(struct nlmsghdr, nlmsg_seq), &seq, sizeof(seq));
	}
	memcpy(buf, datagram->byte, datagram->len < len ? datagram->len : len);
	return (ssize_t)(datagram->claimed ? datagram->claimed : datagram->len);
}

/* closing disturbs errno on purpose: the dialogue's own errno must survive it */
static inline int fake_close(int fd)
{
	assert_int_equal(fd, FAKE_FD);
	assert_int_equal(peer.open, 1);
	peer.open--;
	return fail_with(EDOM);
}

NLINLINE_LIB(fake_)

/* ------------------------------------------------------------------------------------- writing the script */

static inline int setup(void **state)
{
	(void)state;
	memset(&peer, 0, sizeof(peer));
	return 0;
}

/* the script was read to its end, and no socket is left open */
static inline void assert_finished(void)
{
	assert_int_equal(peer.next, peer.length);
	assert_int_equal(peer.open, 0);
}

/* a new datagram that answers request number @request */
static inline struct datagram *answer_to(int request)
{
	assert_true(peer.length < DATAGRAMS_MAX);
	peer.script[peer.length].request = request;
	return &peer.script[peer.length++];
}

static inline struct datagram *answer(void)
{
	return answer_to(0);
}

/* append a message; its length field is that of what is there plus @extra */
static inline void add_message(struct datagram *datagram, uint16_t type, uint16_t flags, uint32_t seq_delta,
                               const void *payload, size_t len, int extra)
{
	struct nlmsghdr header = {
	        .nlmsg_len = (uint32_t)((int)(sizeof(header) + len) + extra),
	        .nlmsg_type = type,
	        .nlmsg_flags = flags,
	};

	datagram->len = NLMSG_ALIGN(datagram->len);
	datagram->at[datagram->messages] = datagram->len;
	datagram->seq_delta[datagram->messages++] = seq_delta;
	memcpy(datagram->byte + datagram->len, &header, sizeof(header));
	if (len > 0)
		memcpy(datagram->byte + datagram->len + sizeof(header), payload, len);
	datagram->len += sizeof(header) + len;
}

static inline void add_error(struct datagram *datagram, int error, uint32_t seq_delta)
{
	struct nlmsgerr payload = {.error = error};

	add_message(datagram, NLMSG_ERROR, 0, seq_delta, &payload, sizeof(payload), 0);
}

static inline void add_done(struct datagram *datagram, int status, uint16_t flags)
{
	add_message(datagram, NLMSG_DONE, (uint16_t)(NLM_F_MULTI | flags), 0, &status, sizeof(status), 0);
}

/* an RTM_NEWLINK with a name and a MAC address, whose attribute claims @maclen bytes and has at most six */
struct link {
	struct ifinfomsg info;
	struct nlattr name_attr;
	char name[8];
	struct nlattr mac_attr;
	uint8_t mac[6];
} __attribute__((packed));

static inline void add_link_sized(struct datagram *datagram, int ifindex, uint16_t flags, uint32_t seq_delta,
                                  size_t maclen)
{
	struct link link = {
	        .info = {.ifi_index = ifindex},
	        .name_attr = {12, IFLA_IFNAME},
	        .name = "fake0",
	        .mac_attr = {(uint16_t)(4 + maclen), IFLA_ADDRESS},
	        .mac = {2, 3, 4, 5, 6, 7},
	};

	add_message(datagram, RTM_NEWLINK, flags, seq_delta, &link, sizeof(link) - 6 + (maclen < 6 ? maclen : 6), 0);
}

static inline void add_link(struct datagram *datagram, int ifindex, uint16_t flags)
{
	add_link_sized(datagram, ifindex, flags, 0, 6);
}

#define assert_error(expected, call)                                                                                   \
	do {                                                                                                           \
		errno = 0;                                                                                             \
		assert_int_equal(call, -1);                                                                            \
		assert_int_equal(errno, expected);                                                                     \
		assert_finished();                                                                                     \
	} while (0)

/* an attribute of a request about a link; one of length 0 when it is not there */
static inline const struct nlattr *attribute(int request, int type)
{
	static const struct nlattr absent = {0, 0};
	size_t at = NLMSG_HDRLEN + NLMSG_ALIGN(LINK_FIXED);

	while (at + sizeof(struct nlattr) <= peer.request_len[request]) {
		const struct nlattr *attr = (const void *)(peer.request[request] + at);

		assert_true(attr->nla_len >= sizeof(*attr) && attr->nla_len <= peer.request_len[request] - at);
		if (attr->nla_type == type)
			return attr;
		at += (size_t)NLA_ALIGN(attr->nla_len);
	}
	assert_int_equal(at, peer.request_len[request]);
	return &absent;
}

#define assert_attribute(request, type) assert_int_not_equal(attribute(request, type)->nla_len, 0)
#define assert_no_attribute(request, type) assert_int_equal(attribute(request, type)->nla_len, 0)

static inline struct nlmsghdr header_of(int request)
{
	struct nlmsghdr header;

	memcpy(&header, peer.request[request], sizeof(header));
	return header;
}

#endif
