/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * port.c - interfaces on VDE networks, and lo.
 *
 * A port is what an interface of kind "vde" has instead of a network adapter: a connection to a network, watched in the
 * stack's set of descriptors. A turn receives what has come, at most RX_BATCH frames, so that programs that want the
 * lock get it, each into a buffer of the engine's (*room*), which keeps it or gives it back at once; one that was not
 * needed is kept for the next frame. For a network that brings several frames in one system call there are two rooms, so
 * that a frame that is alone is known to be, and more while more come. What the hardware filter (inet_wants) does not let
 * through is not seen by anybody, as on a real adapter. A stream that trickles in through such a network is taken in
 * pauses (src/link/moderate.c).
 *
 * A network in shared memory takes and brings frames whose checksums are left to be done, and TCP segments of up to 64 KiB, if
 * the engine can do with them (usock_engine.offload). A router cannot: it would have to finish them for other networks. So a
 * stack that forwards gets finished frames, as from any network.
 *
 * What an engine sends in one go, and says so (inet_iface.more_out), leaves as one segment there if it can, and in one
 * system call where a network takes several frames: link_conn_keep.
 *
 * Sending never waits. A frame for which the network has no room is dropped and counted, as by a device without a
 * queue; but one in shared memory has a queue before it (link_conn_queued), which is looked after here.
 *
 * The network may go away (lifetime rule 18): the interface loses its carrier, and its descriptors are not watched any
 * more.
 *
 * lo. What is sent there is copied to a queue, and comes back when the caller has let go of it: usock__loopback_run,
 * before the lock is given back. The copy is made into the buffer that the engine receives it in.
 *
 * What is sent is counted here, as packet sockets send without inet; what is received is counted by inet_input.
 *
 * Everything here is under the lock of the stack.
 */
#include "drive.h"

#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netpacket/packet.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define RX_BATCH 64        /* frames received in a turn */
#define ROOMS_MIN 2        /* and in a system call */
#define ROOMS_MAX 16       /* when there are many */
#define ROOMS_TURNS 64     /* after which rooms that were not needed are given back */
#define FAILURES_MAX 16    /* turns in a row on a descriptor that hangs up and brings nothing */
#define AGAIN_NS 100000    /* between two attempts to send what the network had no room for */
#define LO_BATCH 256       /* frames of lo in a turn */
#define LO_FRAMES_MAX 1024 /* that wait; a power of two */
#define LO_BYTES_MAX (4 * 1024 * 1024)
#define TCP_CHECK 16  /* offset of the checksum in a TCP header */
#define TCP_HEADER 20 /* bytes without options */

struct port {
	struct usock_stack *stack;
	struct inet_iface *iface;
	struct link_conn *conn;
	struct {
		unsigned char *data; /* for a frame that is to come, or NULL */
		void *buffer;        /* of the engine, in which it is */
	} room[ROOMS_MAX];
	unsigned int rooms;        /* that are to be there when the next frames are received */
	unsigned int idle_turns;   /* in a row that needed few of them */
	size_t size;               /* of each that is there */
	unsigned int kept;         /* frames kept by conn, to be sent together */
	struct usock__timer again; /* set while frames wait for room in the network */
	struct usock__timer pause; /* set while the network is left alone */
	struct link_moderation moderation;
	unsigned int failures;
	bool gone;
};

/** frame_size - the largest frame that an interface takes */
static size_t frame_size(const struct inet_iface *iface)
{
	unsigned int mtu = iface->mtu > INET_MTU_DEFAULT ? iface->mtu : INET_MTU_DEFAULT;

	return mtu + 18; /* Ethernet header, VLAN tag */
}

/** frame_type - whom a frame that has come is for: PACKET_HOST, ... */
static unsigned char frame_type(const struct inet_iface *iface, const unsigned char *frame)
{
	static const unsigned char broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

	if (memcmp(frame, iface->mac, 6) == 0)
		return PACKET_HOST;
	if (!(frame[0] & 1))
		return PACKET_OTHERHOST;
	return memcmp(frame, broadcast, 6) == 0 ? PACKET_BROADCAST : PACKET_MULTICAST;
}

/* ----------------------------------------------------------------------------------------------------- receiving */

/** rooms_drop - give back the rooms from the one with this number on */
static void rooms_drop(struct port *port, unsigned int first)
{
	for (unsigned int i = first; i < ROOMS_MAX; i++) {
		if (port->room[i].data)
			port->stack->engine->rx_free(port->stack->e, port->room[i].buffer);
		port->room[i].data = NULL;
	}
}

/** rooms_make - have room for the next frames, and for a byte more in each, by which one that is too long is known; how many
 * there are, from the first on: 0: no memory */
static unsigned int rooms_make(struct port *port)
{
	size_t size = frame_size(port->iface) + 1, next = port->iface->offload ? link_conn_next(port->conn) : 0;
	unsigned int n = 0;

	if (next >= size)
		size = next + 1;
	if (port->size != size)
		rooms_drop(port, 0);
	port->size = size;
	for (; n < port->rooms; n++) {
		if (!port->room[n].data)
			port->room[n].data = port->stack->engine->rx_alloc(port->stack->e, size, &port->room[n].buffer);
		if (!port->room[n].data)
			break;
	}
	return n;
}

/** rooms_adapt - a turn has brought @frames: many rooms are given back when few were needed for long */
static void rooms_adapt(struct port *port, unsigned int frames)
{
	port->idle_turns = frames <= ROOMS_MIN ? port->idle_turns + 1 : 0;
	if (port->rooms <= ROOMS_MIN || port->idle_turns < ROOMS_TURNS)
		return;
	port->rooms = ROOMS_MIN;
	rooms_drop(port, ROOMS_MIN);
}

/** too_long - does a frame exceed the interface? That of a segment exceeds it if one of the frames that it stands for does */
static bool too_long(const struct port *port, const struct link_frame *frame)
{
	const struct virtio_net_hdr *vnet = &frame->vnet;
	size_t len = frame->len, tcp = vnet->csum_start, header;

	if (len >= port->size)
		return true;
	if ((vnet->gso_type == VIRTIO_NET_HDR_GSO_TCPV4 || vnet->gso_type == VIRTIO_NET_HDR_GSO_TCPV6) &&
	    (vnet->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) && vnet->gso_size > 0 && tcp + TCP_HEADER <= len) {
		header = (size_t)(frame->data[tcp + 12] >> 4) * 4;
		if (header >= TCP_HEADER && tcp + header + vnet->gso_size < len)
			len = tcp + header + vnet->gso_size;
	}
	return len > frame_size(port->iface);
}

/** port_input - a frame is in the room with this number: to whom it may concern */
static void port_input(struct port *port, unsigned int number, const struct link_frame *frame)
{
	struct inet_iface *iface = port->iface;

	if (!(iface->flags & IFF_UP) || !inet_wants(iface, frame->data))
		return;
	if (too_long(port, frame)) {
		iface->stats.rx_errors++;
		iface->stats.rx_length_errors++;
		return;
	}
	if ((frame->vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) && frame->vnet.csum_start < frame->len)
		iface->unsummed_in = frame->data + frame->vnet.csum_start;
	usock__packet_tap(port->stack, iface, frame->data, frame->len, frame_type(iface, frame->data));
	if (inet_input(iface, frame->data, frame->len, port->room[number].buffer))
		port->room[number].data = NULL;
	iface->unsummed_in = NULL;
}

/** port_lose - a frame has come and there is no memory for it */
static void port_lose(struct port *port, bool ready)
{
	unsigned char some[64];

	if (link_conn_recv(port->conn, some, sizeof(some), ready) > 0)
		port->iface->stats.rx_dropped++;
}

/** port_heat - frames have come from the port: it is asked first from now on, unless it is a switch of ours */
static void port_heat(struct port *port)
{
	struct usock__drive *drive = port->stack->drive;

	if (drive->hot == port)
		return;
	if (drive->hot)
		link_conn_rest(drive->hot->conn);
	drive->hot = link_conn_serves(port->conn) ? NULL : port;
}

/** port_cool - the port is not to be asked any more without a reason, and sends nothing that it keeps */
static void port_cool(struct port *port)
{
	struct usock__drive *drive = port->stack->drive;

	usock__timer_clear(port->stack, &port->again);
	usock__timer_clear(port->stack, &port->pause);
	if (drive && drive->hot == port)
		drive->hot = NULL;
	if (drive && drive->keeps == port)
		drive->keeps = NULL;
}

/** port_gone - the network has gone */
static void port_gone(struct port *port)
{
	struct usock_stack *stack = port->stack;

	port->gone = true;
	port_cool(port);
	usock__drive_unwatch(stack, link_conn_fd(port->conn), port);
	if (link_conn_ctlfd(port->conn) >= 0)
		usock__drive_unwatch(stack, link_conn_ctlfd(port->conn), port);
	inet_iface_carrier(port->iface, false);
}

/** port_retry - send what waits for room in the network, or forget it if the interface has been taken down since */
static void port_retry(struct port *port)
{
	if (inet_iface_running(port->iface))
		link_conn_retry(port->conn);
	else
		link_conn_forget(port->conn);
}

/** port_queued - if frames wait for room in the network, try again soon */
static void port_queued(struct port *port)
{
	struct usock_stack *stack = port->stack;

	if (link_conn_queued(port->conn) > 0 && port->again.when == 0)
		usock__timer_set(stack, &port->again, usock_now(stack) + AGAIN_NS);
}

/** port_again - see struct usock__timer */
static void port_again(struct usock__timer *timer)
{
	struct port *port = (struct port *)((char *)timer - offsetof(struct port, again));

	port_retry(port);
	port_queued(port);
}

/** struct taken - what a turn of a port has brought */
struct taken {
	unsigned int frames;
	bool more;    /* may there be others? */
	bool goes_on; /* the last says that there will be */
};

/** port_take - receive frames, and pass them on; returns what link_conn_recv_frames did */
static int port_take(struct port *port, bool ready, struct taken *taken)
{
	struct link_frame frame[ROOMS_MAX];
	unsigned int n = rooms_make(port);
	int got;

	if (n == 0) {
		port_lose(port, ready);
		return -ENOMEM;
	}
	for (unsigned int i = 0; i < n; i++)
		frame[i] = (struct link_frame){.data = port->room[i].data, .len = (uint32_t)port->size};
	got = link_conn_recv_frames(port->conn, frame, n, ready, &taken->more);
	if (got > 0)
		taken->goes_on = link_conn_bursts(port->conn) && link_goes_on(&frame[got - 1]);
	for (unsigned int i = 0; (int)i < got; i++) {
		if (frame[i].len == 0)
			continue;
		taken->frames++;
		port_input(port, i, &frame[i]);
	}
	if (got > 1 && (unsigned int)got == n)
		port->rooms = ROOMS_MAX;
	return got;
}

/** port_moderate - a turn has been: when is the next? */
static void port_moderate(struct port *port, const struct taken *taken)
{
	struct usock_stack *stack = port->stack;
	struct link_moderation *moderation = &port->moderation;

	if (link_moderate(moderation, taken->frames, taken->more, taken->goes_on))
		usock__drive_rewatch(stack, link_conn_fd(port->conn), moderation->pause > 0 ? 0 : EPOLLIN,
		                     USOCK_EVENT_PORT, port);
	if (moderation->pause > 0)
		usock__timer_set(stack, &port->pause, usock_now(stack) + moderation->wait);
}

/** port_receive - receive what has come; @ready: the network says that something has; true when it has */
static bool port_receive(struct port *port, uint32_t events, bool ready)
{
	struct usock__drive *drive = port->stack->drive;
	struct taken taken = {.more = true};
	unsigned int attempts = 0;
	int got = 0;

	if (port == drive->hot && (drive->leader || drive->lingering))
		link_conn_awake(port->conn);
	while (taken.more && attempts < RX_BATCH) {
		got = port_take(port, ready && attempts == 0, &taken);
		if (got < 0 && got != -EMSGSIZE) { /* that has just come, and there will be room for it */
			taken.more = false;
			break;
		}
		attempts += got > 0 ? (unsigned int)got : 1;
	}
	if (link_conn_bursts(port->conn))
		port_moderate(port, &taken);
	rooms_adapt(port, taken.frames);
	if (taken.frames > 0) {
		drive->moved = true;
		port_heat(port);
		port_retry(port); /* who answers has read */
		port->failures = 0;
	} else if (events & (EPOLLHUP | EPOLLERR)) {
		port->failures++;
	}
	if (got == -ENETDOWN || port->failures >= FAILURES_MAX)
		port_gone(port);
	return taken.frames > 0;
}

/** port_pause_over - see struct usock__timer */
static void port_pause_over(struct usock__timer *timer)
{
	port_receive((struct port *)((char *)timer - offsetof(struct port, pause)), 0, true);
}

bool usock__port_waiting(const struct usock_stack *stack)
{
	const struct port *port = stack->drive->hot;

	return port && link_conn_waiting(port->conn);
}

void usock__port_rest(struct usock_stack *stack)
{
	if (stack->drive->hot)
		link_conn_rest(stack->drive->hot->conn);
}

bool usock__port_glance(struct usock_stack *stack)
{
	struct port *port = stack->drive->hot;

	return port && port->moderation.pause == 0 && port_receive(port, 0, false);
}

void usock__port_event(void *object, enum usock__event event, uint32_t events)
{
	struct port *port = object;

	if (port->gone)
		return;
	if (event == USOCK_EVENT_PORT)
		port_receive(port, events, true);
	else if (!link_conn_alive(port->conn) || (events & (EPOLLHUP | EPOLLERR)))
		port_gone(port);
}

/* ---------------------------------------------------------------------------------------------------- connecting */

/** struct opening - a connection that is being made */
struct opening {
	const struct usock_stack *stack;
	const struct inet_iface *iface;
	struct link_conn *conn;
	int result;
	int done; /* eventfd(2) */
};

/** opening_run - the thread that makes it */
static void *opening_run(void *arg)
{
	struct opening *opening = arg;
	const struct inet_iface *iface = opening->iface;

	opening->result = link_conn_open(iface->vnl, iface->name, opening->stack->pcap, &opening->conn);
	eventfd_write(opening->done, 1);
	return NULL;
}

/** serve_watch - put what has to be served, and @done, into the set @epfd; false when that cannot be done */
static bool serve_watch(const struct usock_stack *stack, int epfd, int done)
{
	struct epoll_event event = {.events = EPOLLIN};

	if (epoll_ctl(epfd, EPOLL_CTL_ADD, done, &event) != 0)
		return false;
	for (struct inet_iface *iface = inet_iface_first(stack->inet); iface; iface = iface->next) {
		struct port *port = iface->port;

		if (!port || port->gone || !link_conn_serves(port->conn))
			continue;
		event.data.ptr = port;
		if (epoll_ctl(epfd, EPOLL_CTL_ADD, link_conn_fd(port->conn), &event) != 0)
			return false;
	}
	return true;
}

/** serve - be the switch that we are, until the connection has been made. What comes for ourselves is lost */
static void serve(int epfd)
{
	unsigned char frame[LINK_FRAME_MAX];
	struct epoll_event event;

	for (;;) {
		struct port *port;

		if (epoll_wait(epfd, &event, 1, -1) != 1)
			continue;
		port = event.data.ptr;
		if (!port) /* done */
			return;
		link_conn_recv(port->conn, frame, sizeof(frame), true);
	}
}

/**
 * connect_serving - connect to a network without letting down those who need us for it
 *
 * vde_open(3) waits for the switch, which may be ourselves; or it waits for us, as one stack's switch is the other's
 * network, and both are connecting. 1: it cannot be done; else what link_conn_open said.
 */
static int connect_serving(struct opening *opening)
{
	int epfd = epoll_create1(EPOLL_CLOEXEC), result = 1;
	sigset_t all, old;
	pthread_t thread;

	opening->done = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (epfd >= 0 && opening->done >= 0 && serve_watch(opening->stack, epfd, opening->done)) {
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &old);
		if (pthread_create(&thread, NULL, opening_run, opening) == 0) {
			serve(epfd);
			pthread_join(thread, NULL);
			result = opening->result;
		}
		pthread_sigmask(SIG_SETMASK, &old, NULL);
	}
	if (opening->done >= 0)
		close(opening->done);
	if (epfd >= 0)
		close(epfd);
	return result;
}

/** has_switch - is there a network of the stack that lives only while we receive? */
static bool has_switch(const struct usock_stack *stack)
{
	struct inet_iface *iface = stack->inet ? inet_iface_first(stack->inet) : NULL;

	for (; iface; iface = iface->next) {
		const struct port *port = iface->port;

		if (port && !port->gone && link_conn_serves(port->conn))
			return true;
	}
	return false;
}

/** port_connect - join the network of an interface; 0 or a negative errno */
static int port_connect(struct port *port)
{
	struct opening opening = {.stack = port->stack, .iface = port->iface};
	int err = has_switch(port->stack) ? connect_serving(&opening) : 1;

	if (err == 1)
		err = link_conn_open(port->iface->vnl, port->iface->name, port->stack->pcap, &opening.conn);
	port->conn = opening.conn;
	return err;
}

/* --------------------------------------------------------------------------------------------------- open, close */

/** port_watch - have the driver of the stack look at the port; 0 or a negative errno */
static int port_watch(struct port *port)
{
	struct usock_stack *stack = port->stack;
	int fd = link_conn_fd(port->conn), ctlfd = link_conn_ctlfd(port->conn);
	int err = usock__drive_watch(stack, fd, EPOLLIN, USOCK_EVENT_PORT, port);

	if (err || ctlfd < 0)
		return err;
	err = usock__drive_watch(stack, ctlfd, EPOLLIN | EPOLLRDHUP, USOCK_EVENT_PORT_CTL, port);
	if (err)
		usock__drive_unwatch(stack, fd, port);
	return err;
}

int usock__port_open(struct usock_stack *stack, struct inet_iface *iface)
{
	struct port *port = calloc(1, sizeof(*port));
	int err;

	if (!port)
		return -ENOMEM;
	port->stack = stack;
	port->iface = iface;
	port->again.fire = port_again;
	port->pause.fire = port_pause_over;
	err = port_connect(port);
	if (err)
		goto fail;
	err = port_watch(port);
	if (err) {
		link_conn_close(port->conn);
		goto fail;
	}
	iface->port = port;
	port->rooms = link_conn_bursts(port->conn) ? ROOMS_MIN : 1;
	iface->offload = stack->engine->offload && !stack->forwarding && link_conn_offload(port->conn);
	return 0;
fail:
	free(port);
	return err;
}

void usock__port_close(struct usock_stack *stack, struct inet_iface *iface)
{
	struct port *port = iface->port;

	if (!port)
		return;
	iface->port = NULL;
	port_cool(port);
	if (!port->gone) {
		usock__drive_unwatch(stack, link_conn_fd(port->conn), port);
		if (link_conn_ctlfd(port->conn) >= 0)
			usock__drive_unwatch(stack, link_conn_ctlfd(port->conn), port);
	}
	link_conn_close(port->conn);
	rooms_drop(port, 0);
	free(port);
}

void usock__port_flush(struct usock_stack *stack)
{
	if (!stack->inet)
		return;
	for (struct inet_iface *iface = inet_iface_first(stack->inet); iface; iface = iface->next) {
		struct port *port = iface->port;

		if (port)
			link_conn_flush(port->conn);
	}
}

/* ------------------------------------------------------------------------------------------------------------ lo */

struct lo_frame {
	unsigned char *data;
	void *buffer; /* of the engine, in which data is */
	size_t len;
};

struct usock__loopback {
	struct inet_iface *iface;
	struct lo_frame *ring;
	unsigned int first, count, room; /* room: a power of two */
	size_t bytes;
};

/** lo_of - the queue, made when it is first needed; NULL: no memory */
static struct usock__loopback *lo_of(struct usock_stack *stack)
{
	if (!stack->loopback)
		stack->loopback = calloc(1, sizeof(*stack->loopback));
	return stack->loopback;
}

/** lo_grow - make room for one more frame; false: there are too many, or no memory */
static bool lo_grow(struct usock__loopback *lo)
{
	unsigned int room = lo->room > 0 ? 2 * lo->room : 16;
	struct lo_frame *ring;

	if (lo->count < lo->room)
		return true;
	if (room > LO_FRAMES_MAX)
		return false;
	ring = malloc(room * sizeof(*ring));
	if (!ring)
		return false;
	for (unsigned int i = 0; i < lo->count; i++)
		ring[i] = lo->ring[(lo->first + i) & (lo->room - 1)];
	free(lo->ring);
	lo->ring = ring;
	lo->room = room;
	lo->first = 0;
	return true;
}

/** lo_put - queue a copy of a frame; false when it is dropped */
static bool lo_put(struct usock_stack *stack, struct inet_iface *iface, const unsigned char *frame, size_t len)
{
	struct usock__loopback *lo = lo_of(stack);
	struct lo_frame copy = {.len = len};

	if (!lo || lo->bytes + len > LO_BYTES_MAX || !lo_grow(lo))
		return false;
	copy.data = stack->engine->rx_alloc(stack->e, len, &copy.buffer);
	if (!copy.data)
		return false;
	memcpy(copy.data, frame, len);
	lo->iface = iface;
	lo->ring[(lo->first + lo->count++) & (lo->room - 1)] = copy;
	lo->bytes += len;
	return true;
}

/** lo_take - the oldest frame leaves the queue, which is not empty */
static struct lo_frame lo_take(struct usock__loopback *lo)
{
	struct lo_frame frame = lo->ring[lo->first];

	lo->first = (lo->first + 1) & (lo->room - 1);
	lo->count--;
	lo->bytes -= frame.len;
	return frame;
}

bool usock__loopback_pending(const struct usock_stack *stack)
{
	return stack->loopback && stack->loopback->count > 0;
}

bool usock__loopback_run(struct usock_stack *stack)
{
	struct usock__loopback *lo = stack->loopback;
	unsigned int done = 0;

	/* What is left then makes usock__drive_settle ask for another turn. */
	for (; lo && lo->count > 0 && done < LO_BATCH; done++) {
		struct inet_iface *iface = lo->iface;
		struct lo_frame frame = lo_take(lo);
		bool kept = false;

		if (iface->flags & IFF_UP) {
			usock__packet_tap(stack, iface, frame.data, frame.len, frame_type(iface, frame.data));
			kept = inet_input(iface, frame.data, frame.len, frame.buffer);
		}
		if (!kept)
			stack->engine->rx_free(stack->e, frame.buffer);
	}
	return done > 0;
}

void usock__loopback_clear(struct usock_stack *stack)
{
	struct usock__loopback *lo = stack->loopback;

	if (!lo)
		return;
	while (lo->count > 0)
		stack->engine->rx_free(stack->e, lo_take(lo).buffer);
	free(lo->ring);
	free(lo);
	stack->loopback = NULL;
}

/* ------------------------------------------------------------------------------------------------------- sending */

/** count_out - @frames have been sent, or dropped */
static void count_out(struct inet_iface *iface, bool sent, unsigned int frames, size_t bytes)
{
	if (sent) {
		iface->stats.tx_packets += frames;
		iface->stats.tx_bytes += bytes;
	} else {
		iface->stats.tx_dropped += frames;
	}
}

/** port_push - send what the port keeps */
static void port_push(struct port *port)
{
	unsigned int count = port->kept, sent;
	size_t bytes;

	if (count == 0)
		return;
	port->kept = 0;
	sent = link_conn_send_kept(port->conn, &bytes);
	count_out(port->iface, true, sent, bytes);
	count_out(port->iface, false, count - sent, 0);
	port_queued(port);
}

/** port_keep - keep a frame, to be sent with those that go with it; false: send it by itself */
static bool port_keep(struct port *port, const struct link_frame *frame)
{
	struct usock__drive *drive = port->stack->drive;

	if (drive->keeps != port)
		usock_push(port->stack);
	if (!link_conn_keep(port->conn, frame)) {
		port_push(port);
		if (!link_conn_keep(port->conn, frame))
			return false;
	}
	port->kept++;
	drive->keeps = port;
	return true;
}

/** within - does @at point to something in the frame behind its first byte? */
static bool within(const unsigned char *at, const unsigned char *frame, size_t len)
{
	return at && at > frame && at < frame + len;
}

/** port_send - send a frame, which may be one whose TCP checksum is left to be done */
static void port_send(struct port *port, unsigned char *frame, size_t len)
{
	const unsigned char *unsummed = port->iface->unsummed_out;
	struct link_frame out = {.data = frame, .len = (uint32_t)len};
	bool finished = !within(unsummed, frame, len);
	int err;

	if (!finished) {
		out.vnet.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		out.vnet.csum_start = (uint16_t)(unsummed - frame);
		out.vnet.csum_offset = TCP_CHECK;
	}
	if (within(port->iface->more_out, frame, len) && port_keep(port, &out))
		return;
	port_push(port);
	err = finished ? link_conn_send(port->conn, frame, len) : link_conn_send_frame(port->conn, &out);
	count_out(port->iface, err == 0, 1, len);
	port_queued(port);
}

void usock__port_transmit(struct usock_stack *stack, struct inet_iface *iface, unsigned char *frame, size_t len)
{
	if (!inet_iface_running(iface)) {
		iface->stats.tx_dropped++;
		return;
	}
	usock__packet_tap(stack, iface, frame, len, PACKET_OUTGOING);
	if (iface->type == ARPHRD_LOOPBACK) {
		count_out(iface, lo_put(stack, iface, frame, len), 1, len);
	} else if (!iface->port) {
		/* One of kind "dummy" takes everything, and nothing comes of it. */
		count_out(iface, iface->vnl == NULL, 1, len);
	} else {
		usock__show_changed(stack);
		stack->drive->moved = true;
		port_send(iface->port, frame, len);
	}
}

void usock_push(struct usock_stack *stack)
{
	struct usock__drive *drive = stack->drive;

	if (!drive || !drive->keeps)
		return;
	port_push(drive->keeps);
	drive->keeps = NULL;
}
