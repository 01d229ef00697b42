/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * packet.c - packet sockets (packet(7)): frames as they are on the network.
 *
 * port.c shows every frame that comes in or goes out (usock__packet_tap); each socket whose interface, type and
 * filter fit gets a copy. What a stack sends is only seen by sockets for all types (ETH_P_ALL), and what a socket
 * sends not by itself, as in Linux. SOCK_RAW has frames with their Ethernet header, SOCK_DGRAM without.
 *
 * A socket *listens* while it has a type (protocol not 0) and its interface, if it is bound to one, is up. When that
 * goes down the socket says ENETDOWN once; when it comes up the socket listens again; when it is deleted the socket
 * is bound to none for ever.
 *
 * What the hardware filter of an interface does not let through is seen by nobody. PACKET_ADD_MEMBERSHIP widens it:
 * for single addresses, of which the filter has no list, it lets all multicast frames pass, or all frames.
 *
 * Not done: rings (PACKET_RX_RING, ...), fanout, PACKET_VNET_HDR, time stamps of sending: ENOPROTOOPT. Frames of
 * 802.1Q keep their tag.
 *
 * Everything is under the lock of the stack.
 */
#include "ip.h"
#include "sockfilter.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#define VLAN_TAG 4
#define MEMBERS_MAX 20 /* as many as Linux allows groups on a socket */

struct member {
	struct member *next;
	unsigned int ifindex;
	uint16_t type; /* PACKET_MR_* */
	uint16_t alen;
	unsigned char addr[8];
	unsigned int count;
};

struct packet {
	struct usock sock;
	struct usock__queue queue;
	uint16_t ethertype; /* ETH_P_*, host byte order; 0: nothing is received */
	int ifindex;        /* bound to; 0: none; -1: to one that was deleted */
	bool listening;
	bool sending; /* its own frame is on its way out */
	bool auxdata, origdev, ignore_outgoing, qdisc_bypass;
	int copy_threshold;
	struct tpacket_stats stats;
	struct member *members;
	unsigned int member_count;
};

static struct packet *packet_of(struct usock *sock)
{
	return (struct packet *)sock;
}

static struct inet_iface *iface_of(const struct packet *self)
{
	return self->ifindex > 0 ? inet_iface_by_index(self->sock.stack->inet, (unsigned int)self->ifindex) : NULL;
}

/* -------------------------------------------------------------------------------------------------------- receiving */

/** type_of - the Ethernet type of a frame: of an 802.3 one, which has a length there, ETH_P_802_3 or ETH_P_802_2 */
static uint16_t type_of(const unsigned char *frame, size_t len)
{
	unsigned int type = usock__get16(frame + 12);

	if (type >= ETH_P_802_3_MIN)
		return (uint16_t)type;
	return len >= ETH_HLEN + 2 && frame[14] == 0xff && frame[15] == 0xff ? ETH_P_802_3 : ETH_P_802_2;
}

/** wants - is a frame for this socket? */
static bool wants(const struct packet *self, const struct inet_iface *iface, uint16_t type, unsigned char direction)
{
	if (!self->listening || self->sock.dead || (self->ifindex != 0 && self->ifindex != (int)iface->index))
		return false;
	if (direction == PACKET_OUTGOING)
		return self->ethertype == ETH_P_ALL && !self->sending && !self->ignore_outgoing;
	return self->ethertype == ETH_P_ALL || self->ethertype == type;
}

/** from_of - sender, as recvfrom gives it */
static struct sockaddr_ll from_of(const struct inet_iface *iface, const unsigned char *frame, uint16_t type,
                                  unsigned char direction)
{
	struct sockaddr_ll from = {
	        .sll_family = AF_PACKET,
	        .sll_protocol = htons(type),
	        .sll_ifindex = (int)iface->index,
	        .sll_hatype = iface->type,
	        .sll_pkttype = direction,
	        .sll_halen = ETH_ALEN,
	};

	memcpy(from.sll_addr, frame + ETH_ALEN, ETH_ALEN);
	return from;
}

/** stamp - when a frame has come, if the program wants to know; 0: it is stamped when the program reads it, if ever */
static int64_t stamp(const struct usock__options *options)
{
	struct timespec now;

	if (!options->timestamp && !options->timestampns && options->timestamping == 0)
		return 0;
	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/** undone - is the checksum of a frame left to be done? */
static bool undone(const struct inet_iface *iface, const unsigned char *frame, size_t len, unsigned char direction)
{
	const unsigned char *at = direction == PACKET_OUTGOING ? iface->unsummed_out : iface->unsummed_in;

	return at != NULL && at > frame && at < frame + len;
}

/** receive - a frame is for this socket, unless its filter or its queue say otherwise */
static void receive(struct packet *self, const struct inet_iface *iface, const unsigned char *frame, size_t len,
                    uint16_t type, unsigned char direction)
{
	size_t skip = self->sock.type == SOCK_DGRAM ? ETH_HLEN : 0, whole = len - skip, keep;
	struct sockaddr_ll from = from_of(iface, frame, type, direction);
	struct usock__dgram *dgram = NULL;

	keep = usock__filter_run(&self->sock, frame + skip, whole, whole);
	if (keep == 0 && self->sock.filter != NULL)
		return;
	if (self->queue.size < (size_t)self->sock.options.rcvbuf)
		dgram = usock__dgram_new(keep, 0);
	if (dgram == NULL) {
		self->stats.tp_drops++;
		self->sock.dropped++;
		return;
	}
	memcpy(dgram->data, frame + skip, keep);
	memcpy(&dgram->name, &from, sizeof(from));
	dgram->namelen = sizeof(from);
	dgram->ifindex = iface->index;
	dgram->aux[0] = (uint32_t)whole;
	dgram->aux[1] = undone(iface, frame, len, direction) ? TP_STATUS_CSUMNOTREADY : 0;
	dgram->when = stamp(&self->sock.options);
	self->stats.tp_packets++;
	usock__queue_put(&self->sock, &self->queue, dgram);
}

void usock__packet_tap(struct usock_stack *stack, struct inet_iface *iface, const unsigned char *frame, size_t len,
                       unsigned char direction)
{
	uint16_t type;

	if (stack->packets == NULL || len < ETH_HLEN)
		return;
	type = type_of(frame, len);
	if (direction == PACKET_BROADCAST && iface->flags & USOCK_IFF_LOOPBACK) /* which has no broadcast address */
		direction = PACKET_MULTICAST;
	for (struct usock *sock = stack->packets; sock != NULL; sock = sock->kind_next) {
		struct packet *self = packet_of(sock);

		if (wants(self, iface, type, direction))
			receive(self, iface, frame, len, type, direction);
	}
}

/** control - PACKET_AUXDATA */
static void control(struct usock *sock, struct usock__xfer *xfer, const struct usock__dgram *dgram)
{
	struct tpacket_auxdata aux = {
	        .tp_status = TP_STATUS_USER | dgram->aux[1],
	        .tp_len = dgram->aux[0],
	        .tp_snaplen = (uint32_t)dgram->len,
	        .tp_net = sock->type == SOCK_DGRAM ? 0 : ETH_HLEN,
	};

	if (packet_of(sock)->auxdata)
		usock__cmsg_put(xfer, SOL_PACKET, PACKET_AUXDATA, &aux, sizeof(aux));
}

static int packet_recv(struct usock *sock, struct usock__xfer *xfer)
{
	if (xfer->flags & ~(MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC | MSG_ERRQUEUE))
		return -EINVAL;
	return usock__queue_recv(sock, &packet_of(sock)->queue, xfer, control);
}

/* ---------------------------------------------------------------------------------------------------------- sending */

/** struct outgoing - a frame to be sent: where, and the header of a SOCK_DGRAM one */
struct outgoing {
	struct inet_iface *iface;
	uint16_t type;
	unsigned char dst[ETH_ALEN];
	bool has_dst;
};

/** send_to - interface, type and address: of the call, or of bind */
static int send_to(const struct packet *self, const struct msghdr *msg, struct outgoing *out)
{
	const size_t fixed = offsetof(struct sockaddr_ll, sll_addr);
	struct sockaddr_ll to = {0};

	*out = (struct outgoing){.type = self->ethertype};
	if (msg->msg_name == NULL || msg->msg_namelen == 0) {
		out->iface = iface_of(self);
		return out->iface == NULL ? -ENXIO : 0;
	}
	if (msg->msg_namelen < sizeof(to))
		return -EINVAL;
	memcpy(&to, msg->msg_name, sizeof(to));
	if (msg->msg_namelen < fixed + to.sll_halen)
		return -EINVAL;
	out->type = ntohs(to.sll_protocol);
	if (to.sll_ifindex > 0)
		out->iface = inet_iface_by_index(self->sock.stack->inet, (unsigned int)to.sll_ifindex);
	memcpy(out->dst, to.sll_addr, sizeof(out->dst));
	out->has_dst = true;
	return out->iface == NULL ? -ENXIO : 0;
}

/** put_header - the Ethernet header of a frame of a SOCK_DGRAM socket */
static int put_header(const struct outgoing *out, unsigned char *frame, size_t payload)
{
	uint16_t type = out->type;

	/* Nobody to send to: that is fine where nobody is addressed. */
	if (!out->has_dst && !(out->iface->flags & (USOCK_IFF_LOOPBACK | 0x80U /* IFF_NOARP */)))
		return -EINVAL;
	memcpy(frame, out->dst, ETH_ALEN);
	memcpy(frame + ETH_ALEN, out->iface->mac, ETH_ALEN);
	usock__put16(frame + 2 * ETH_ALEN, type == ETH_P_802_3 || type == ETH_P_802_2 ? (uint16_t)payload : type);
	return 0;
}

/** check_length - as long as the interface takes; with a VLAN tag a little longer */
static int check_length(const struct packet *self, const struct outgoing *out, const unsigned char *frame, size_t len)
{
	size_t max = out->iface->mtu + (size_t)ETH_HLEN;

	if (self->sock.type == SOCK_RAW && len < ETH_HLEN)
		return -EINVAL;
	if (len <= max)
		return 0;
	return self->sock.type == SOCK_RAW && len <= max + VLAN_TAG && usock__get16(frame + 12) == ETH_P_8021Q
	               ? 0
	               : -EMSGSIZE;
}

static int packet_send(struct usock *sock, struct usock__xfer *xfer)
{
	struct packet *self = packet_of(sock);
	size_t header = sock->type == SOCK_DGRAM ? ETH_HLEN : 0, len = xfer->len + header;
	struct outgoing out = {0};
	unsigned char *frame;
	int result = send_to(self, xfer->msg, &out);

	if (result < 0)
		return result;
	if (!(out.iface->flags & USOCK_IFF_UP))
		return -ENETDOWN;
	if (len > out.iface->mtu + (size_t)ETH_HLEN + VLAN_TAG)
		return -EMSGSIZE;
	result = usock__take_error(sock);
	if (result < 0)
		return result;
	frame = malloc(len < ETH_HLEN ? ETH_HLEN : len);
	if (frame == NULL)
		return -ENOBUFS;
	usock__copy_in(xfer, 0, frame + header, xfer->len);
	if (header != 0)
		result = put_header(&out, frame, xfer->len);
	if (result == 0)
		result = check_length(self, &out, frame, len);
	if (result == 0) {
		self->sending = true;
		usock__port_transmit(sock->stack, out.iface, frame, len);
		self->sending = false;
		xfer->done = xfer->len;
	}
	free(frame);
	return result;
}

/* ------------------------------------------------------------------------------------------------------ memberships */

/** widen - count what a membership asks of the hardware filter, or count it back */
static void widen(struct inet_iface *iface, unsigned int type, int by)
{
	if (type == PACKET_MR_PROMISC || type == PACKET_MR_UNICAST)
		inet_iface_promisc(iface, by);
	else if (type == PACKET_MR_ALLMULTI || type == PACKET_MR_MULTICAST)
		inet_iface_allmulti(iface, by);
}

/** member_at - the place of a membership in the list, or its end */
static struct member **member_at(struct packet *self, const struct packet_mreq *asked)
{
	struct member **at = &self->members;

	while (*at != NULL &&
	       ((*at)->ifindex != (unsigned int)asked->mr_ifindex || (*at)->type != asked->mr_type ||
	        (*at)->alen != asked->mr_alen || memcmp((*at)->addr, asked->mr_address, asked->mr_alen) != 0))
		at = &(*at)->next;
	return at;
}

static int add_member(struct packet *self, const struct packet_mreq *asked)
{
	struct inet_iface *iface = NULL;
	struct member *member, **at;

	if (asked->mr_ifindex > 0)
		iface = inet_iface_by_index(self->sock.stack->inet, (unsigned int)asked->mr_ifindex);
	if (iface == NULL)
		return -ENODEV;
	if (asked->mr_alen > ETH_ALEN)
		return -EINVAL;
	at = member_at(self, asked);
	if (*at != NULL) {
		(*at)->count++;
		return 0;
	}
	if ((asked->mr_type == PACKET_MR_MULTICAST || asked->mr_type == PACKET_MR_UNICAST) &&
	    asked->mr_alen != ETH_ALEN)
		return -EINVAL;
	if (self->member_count >= MEMBERS_MAX || (member = calloc(1, sizeof(*member))) == NULL)
		return -ENOBUFS;
	member->ifindex = iface->index;
	member->type = asked->mr_type;
	member->alen = asked->mr_alen;
	memcpy(member->addr, asked->mr_address, asked->mr_alen);
	member->count = 1;
	*at = member;
	self->member_count++;
	widen(iface, member->type, 1);
	return 0;
}

/** end_member - take a membership out of the list; @iface: its interface, unless that is going itself */
static void end_member(struct packet *self, struct member **at, struct inet_iface *iface)
{
	struct member *member = *at;

	*at = member->next;
	self->member_count--;
	if (iface != NULL)
		widen(iface, member->type, -1);
	free(member);
}

static void drop_member(struct packet *self, const struct packet_mreq *asked)
{
	struct member **at = member_at(self, asked);

	if (*at != NULL && --(*at)->count == 0)
		end_member(self, at, inet_iface_by_index(self->sock.stack->inet, (*at)->ifindex));
}

/** membership - PACKET_ADD_MEMBERSHIP, PACKET_DROP_MEMBERSHIP (of one that is not there: as in Linux nothing happens) */
static int membership(struct packet *self, const void *value, socklen_t len, bool add)
{
	struct packet_mreq asked = {0};

	if (len < sizeof(asked))
		return -EINVAL;
	memcpy(&asked, value, sizeof(asked));
	if (len < asked.mr_alen + offsetof(struct packet_mreq, mr_address))
		return -EINVAL;
	if (asked.mr_alen > sizeof(asked.mr_address))
		return add ? -EINVAL : 0;
	if (add)
		return add_member(self, &asked);
	drop_member(self, &asked);
	return 0;
}

/* -------------------------------------------------------------------------------------------------- name and device */

/** listen_again - begin to receive, when there is something to receive: else ENETDOWN is what the socket has to say */
static void listen_again(struct packet *self)
{
	const struct inet_iface *iface = iface_of(self);

	self->listening = false;
	if (self->ethertype == 0)
		return;
	if (self->ifindex == 0 || (iface != NULL && iface->flags & USOCK_IFF_UP))
		self->listening = true;
	else
		usock__error(&self->sock, ENETDOWN);
}

static int packet_open(struct usock *sock)
{
	struct packet *self = packet_of(sock);

	if (sock->type != SOCK_RAW && sock->type != SOCK_DGRAM)
		return -ESOCKTNOSUPPORT;
	usock__queue_init(&self->queue);
	self->ethertype = ntohs((uint16_t)sock->protocol);
	self->listening = self->ethertype != 0;
	sock->kind_next = sock->stack->packets;
	sock->stack->packets = sock;
	return 0;
}

static void packet_release(struct usock *sock)
{
	struct packet *self = packet_of(sock);

	while (self->members != NULL)
		end_member(self, &self->members, inet_iface_by_index(sock->stack->inet, self->members->ifindex));
	self->listening = false;
	for (struct usock **at = &sock->stack->packets; *at != NULL; at = &(*at)->kind_next) {
		if (*at != sock)
			continue;
		*at = sock->kind_next;
		break;
	}
}

static void packet_destroy(struct usock *sock)
{
	usock__queue_clear(&packet_of(sock)->queue);
}

static int packet_bind(struct usock *sock, const struct sockaddr *addr, socklen_t len)
{
	struct packet *self = packet_of(sock);
	struct sockaddr_ll name;

	if (len < sizeof(name))
		return -EINVAL;
	memcpy(&name, addr, sizeof(name));
	if (name.sll_family != AF_PACKET)
		return -EINVAL;
	if (name.sll_ifindex != 0 &&
	    (name.sll_ifindex < 0 || inet_iface_by_index(sock->stack->inet, (unsigned int)name.sll_ifindex) == NULL))
		return -ENODEV;
	self->ifindex = name.sll_ifindex;
	if (name.sll_protocol != 0)
		self->ethertype = ntohs(name.sll_protocol);
	usock__ready_arm(sock); /* an interface may go down */
	listen_again(self);
	return 0;
}

static int packet_getsockname(struct usock *sock, struct sockaddr_storage *addr, socklen_t *len)
{
	const struct packet *self = packet_of(sock);
	const struct inet_iface *iface = iface_of(self);
	struct sockaddr_ll name = {
	        .sll_family = AF_PACKET,
	        .sll_ifindex = self->ifindex,
	        .sll_protocol = htons(self->ethertype),
	};

	if (iface != NULL) {
		name.sll_hatype = iface->type;
		name.sll_halen = ETH_ALEN;
		memcpy(name.sll_addr, iface->mac, ETH_ALEN);
	}
	memcpy(addr, &name, sizeof(name));
	*len = (socklen_t)(offsetof(struct sockaddr_ll, sll_addr) + name.sll_halen);
	return 0;
}

/** iface_down - the interface that the socket is bound to is down, or with @gone no more */
static void iface_down(struct packet *self, bool gone)
{
	if (self->listening) {
		self->listening = false;
		usock__error(&self->sock, ENETDOWN);
	}
	if (gone)
		self->ifindex = -1;
}

/** forget_members - an interface is going: so are memberships on it */
static void forget_members(struct packet *self, const struct inet_iface *iface)
{
	for (struct member **at = &self->members; *at != NULL;) {
		if ((*at)->ifindex == iface->index)
			end_member(self, at, NULL);
		else
			at = &(*at)->next;
	}
}

void usock__packet_iface(struct usock_stack *stack, struct inet_iface *iface, unsigned int what, bool gone)
{
	if (!gone && !(what & INET_CHANGE_FLAGS))
		return;
	for (struct usock *sock = stack->packets; sock != NULL; sock = sock->kind_next) {
		struct packet *self = packet_of(sock);

		if (gone)
			forget_members(self, iface);
		if (self->ifindex != (int)iface->index)
			continue;
		if (gone || !(iface->flags & USOCK_IFF_UP))
			iface_down(self, gone);
		else
			self->listening = self->ethertype != 0;
	}
}

/** packet_ioctl - how long the next frame is; what is sent is gone at once */
static int packet_ioctl(struct usock *sock, unsigned long request, void *arg)
{
	const struct usock__dgram *next = packet_of(sock)->queue.head;

	if (request != SIOCINQ && request != SIOCOUTQ)
		return -ENOIOCTLCMD;
	*(int *)arg = request == SIOCINQ && next != NULL ? (int)next->len : 0;
	return 0;
}

static uint32_t packet_poll(struct usock *sock)
{
	return usock__dgram_poll(sock, &packet_of(sock)->queue);
}

/* ---------------------------------------------------------------------------------------------------------- options */

/** flag_of - an option that is on or off; NULL: it is none */
static bool *flag_of(struct packet *self, int name)
{
	switch (name) {
	case PACKET_AUXDATA:
		return &self->auxdata;
	case PACKET_ORIGDEV: /* interfaces have no masters: the one a frame came by is the one it is told of */
		return &self->origdev;
	case PACKET_IGNORE_OUTGOING:
		return &self->ignore_outgoing;
	case PACKET_QDISC_BYPASS: /* there is no queue but that of the network */
		return &self->qdisc_bypass;
	default:
		return NULL;
	}
}

static int packet_setsockopt(struct usock *sock, int level, int name, const void *value, socklen_t len)
{
	struct packet *self = packet_of(sock);
	bool *flag = flag_of(self, name);
	int number;

	if (level != SOL_PACKET)
		return -ENOPROTOOPT;
	if (name == PACKET_ADD_MEMBERSHIP || name == PACKET_DROP_MEMBERSHIP)
		return membership(self, value, len, name == PACKET_ADD_MEMBERSHIP);
	if (flag == NULL && name != PACKET_COPY_THRESH)
		return -ENOPROTOOPT;
	if (len != sizeof(number))
		return -EINVAL;
	memcpy(&number, value, sizeof(number));
	if (name == PACKET_IGNORE_OUTGOING && (number < 0 || number > 1))
		return -EINVAL;
	if (flag != NULL)
		*flag = number != 0;
	else
		self->copy_threshold = number;
	return 0;
}

/** take_stats - PACKET_STATISTICS: those since the last time; dropped ones are among the packets */
static struct tpacket_stats take_stats(struct packet *self)
{
	struct tpacket_stats stats = self->stats;

	stats.tp_packets += stats.tp_drops;
	self->stats = (struct tpacket_stats){0};
	return stats;
}

static int packet_getsockopt(struct usock *sock, int level, int name, void *value, socklen_t *len)
{
	struct packet *self = packet_of(sock);
	const bool *flag = flag_of(self, name);
	struct tpacket_stats stats;
	const void *from = &stats;
	size_t size = sizeof(int);
	int number = 0;

	if (level != SOL_PACKET)
		return -ENOPROTOOPT;
	if (name == PACKET_STATISTICS) {
		stats = take_stats(self);
		size = sizeof(stats);
	} else if (flag != NULL || name == PACKET_COPY_THRESH) {
		number = flag != NULL ? *flag : self->copy_threshold;
		from = &number;
	} else {
		return -ENOPROTOOPT;
	}
	if (*len > size)
		*len = (socklen_t)size;
	memcpy(value, from, *len);
	return 0;
}

const struct usock__kind usock__packet_kind = {
        .name = "packet",
        .shape = USOCK_SHAPE_DGRAM,
        .open = packet_open,
        .release = packet_release,
        .destroy = packet_destroy,
        .bind = packet_bind,
        .getsockname = packet_getsockname,
        .send = packet_send,
        .recv = packet_recv,
        .setsockopt = packet_setsockopt,
        .getsockopt = packet_getsockopt,
        .ioctl = packet_ioctl,
        .poll = packet_poll,
};

const size_t usock__packet_size = sizeof(struct packet);
