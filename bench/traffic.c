/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation. The *peer* (side 1) is started before side 0 is opened, because side 0 may start threads and a
 * process with threads should not fork. It obeys one-byte commands on its end of the rendezvous: open, serve, close. It
 * answers each with a message that says how it went; while it serves, both roles may exchange further messages, in an
 * order that the traffic fixes. For the kinds of ioth run the peer is this program once more, executed on the stack that
 * ioth run makes, where the network is already open (traffic_guest). A role that fails leaves its partner waiting for something that will not come; the
 * worker then gives no more samples (broken), and leaves without waiting for its peer.
 */
#include "traffic.h"

#include "processors.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum command {
	COMMAND_OPEN = 'o',
	COMMAND_SERVE = 's',
	COMMAND_HELLO = 'h',
	COMMAND_CLOSE = 'c',
};

/** struct note - what crosses the rendezvous, but for the commands */
struct note {
	uint64_t value;
	int status; /* -1: the sender has failed, and why says why */
	char why[BENCH_WHY_MAX];
};

struct session {
	struct network network;
	const struct traffic *traffic;
	struct endpoint self, other; /* sides 0 and 1 */
	pthread_t thread;
	pid_t process;
	bool peer, opened, broken;
};

/* ----------------------------------------------------------------------------------------------- endpoints */

static int send_note(int rendezvous, uint64_t value, int status)
{
	struct note note = {.value = value, .status = status};

	if (status < 0)
		snprintf(note.why, sizeof(note.why), "%s", bench_why());
	if (send(rendezvous, &note, sizeof(note), MSG_NOSIGNAL) < 0)
		return bench_fail("rendezvous: %s", strerror(errno));
	return 0;
}

int endpoint_tell(const struct endpoint *self, uint64_t value)
{
	return send_note(self->rendezvous, value, 0);
}

int endpoint_hear(const struct endpoint *self, uint64_t *value)
{
	struct note note;

	if (recv(self->rendezvous, &note, sizeof(note), 0) != (ssize_t)sizeof(note))
		return bench_fail("the other side died");
	if (note.status < 0)
		return bench_fail("%s", note.why);
	if (value)
		*value = note.value;
	return 0;
}

int endpoint_socket(const struct endpoint *self, int type)
{
	return network_socket(self->network, self->side, AF_INET, type | SOCK_CLOEXEC, 0);
}

int endpoint_bind(const struct endpoint *self, int type)
{
	struct sockaddr_in address = network_address(self->network, self->side, 0);
	socklen_t len = sizeof(address);
	int fd = endpoint_socket(self, type);

	if (fd < 0)
		return -1;
	if (self->calls->bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    (type == SOCK_STREAM && self->calls->listen(fd, 128) < 0) ||
	    self->calls->getsockname(fd, (struct sockaddr *)&address, &len) < 0) {
		bench_fail("bind and listen: %s", strerror(errno));
		self->calls->close(fd);
		return -1;
	}
	if (endpoint_tell(self, ntohs(address.sin_port)) < 0) {
		self->calls->close(fd);
		return -1;
	}
	return fd;
}

int endpoint_connect(const struct endpoint *self, int type)
{
	struct sockaddr_in address;
	uint64_t port = 0;
	int fd;

	if (endpoint_hear(self, &port) < 0)
		return -1;
	address = network_address(self->network, !self->side, (in_port_t)port);
	fd = endpoint_socket(self, type);
	if (fd < 0)
		return -1;
	if (self->calls->connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		bench_fail("connect: %s", strerror(errno));
		self->calls->close(fd);
		return -1;
	}
	return fd;
}

int endpoint_nodelay(const struct endpoint *self, int fd)
{
	int on = 1;

	if (self->calls->setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
		return bench_fail("TCP_NODELAY: %s", strerror(errno));
	return 0;
}

int endpoint_timeout(const struct endpoint *self, int fd, unsigned int ms)
{
	struct timeval timeout = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	if (self->calls->setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0)
		return bench_fail("SO_RCVTIMEO: %s", strerror(errno));
	return 0;
}

/* ----------------------------------------------------------------------------------------- the first packet */

/*
 * A VDE network may take a moment before its first frame gets through (a switch learns, ptp:// connects), and TCP
 * would answer a lost SYN with a second of silence. So the sides first exchange datagrams until one comes back.
 */
#define HELLO_ATTEMPTS 500
#define HELLO_WAIT_MS 20

static int hello_serve(struct endpoint *self)
{
	struct sockaddr_in from;
	socklen_t fromlen = sizeof(from);
	int fd = endpoint_bind(self, SOCK_DGRAM);
	char byte;
	int result = 0;

	if (fd < 0)
		return -1;
	if (endpoint_timeout(self, fd, HELLO_ATTEMPTS * HELLO_WAIT_MS) < 0 ||
	    self->calls->recvfrom(fd, &byte, 1, 0, (struct sockaddr *)&from, &fromlen) < 0 ||
	    self->calls->sendto(fd, &byte, 1, 0, (struct sockaddr *)&from, fromlen) < 0)
		result = bench_fail("no datagram came through the network: %s", strerror(errno));
	/* The answer cannot be lost: the network has carried the question, and nothing competes with it. */
	self->calls->close(fd);
	return result;
}

static int hello_drive(struct endpoint *self)
{
	int fd = endpoint_connect(self, SOCK_DGRAM);
	int result = -1;
	char byte = 0;

	if (fd < 0)
		return -1;
	if (endpoint_timeout(self, fd, HELLO_WAIT_MS) < 0)
		goto out;
	for (int i = 0; i < HELLO_ATTEMPTS && result < 0; i++) {
		if (self->calls->send(fd, &byte, 1, 0) < 0 && errno != ECONNREFUSED && errno != EHOSTUNREACH)
			break;
		if (self->calls->recv(fd, &byte, 1, 0) == 1)
			result = 0;
	}
	if (result < 0)
		bench_fail("no datagram came back: %s", strerror(errno));
out:
	self->calls->close(fd);
	return result;
}

/* ------------------------------------------------------------------------------------------------ the peer */

/** play - one of the two roles of a sample; @values is NULL for the one that serves */
static int play(struct session *s, double *values)
{
	struct endpoint *self = values ? &s->self : &s->other;
	int result;

	if (s->traffic->pinned)
		processors_pin(self->side);
	result = values ? s->traffic->drive(self, s->traffic, values) : s->traffic->serve(self, s->traffic);
	if (s->traffic->pinned)
		processors_unpin();
	return result;
}

/** peer - the life of side 1; returns when it is told to close, or when the worker has gone */
static void *peer(void *arg)
{
	struct session *s = arg;
	char command;
	int status;

	while (recv(s->other.rendezvous, &command, 1, 0) == 1) {
		switch (command) {
		case COMMAND_OPEN:
			status = network_open(&s->network, 1);
			break;
		case COMMAND_HELLO:
			status = hello_serve(&s->other);
			break;
		case COMMAND_SERVE:
			status = play(s, NULL);
			break;
		case COMMAND_CLOSE:
			network_close(&s->network, 1);
			send_note(s->other.rendezvous, 0, 0);
			return NULL;
		default:
			status = bench_fail("unknown command");
			break;
		}
		if (send_note(s->other.rendezvous, 0, status) < 0)
			break;
	}
	return NULL;
}

/* Does not return. ioth run gives the descriptor of the rendezvous on, with everything else that is open. */
static void exec_guest(struct session *s)
{
	const struct network *network = &s->network;
	char address[INET_ADDRSTRLEN + 4], role[64], self[4096];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[len > 0 ? len : 0] = '\0';
	inet_ntop(AF_INET, &network->address[1], address, sizeof(address));
	strcat(address, "/24");
	snprintf(role, sizeof(role), "%s:%d", bench_current_row->name, s->other.rendezvous);
	fcntl(s->other.rendezvous, F_SETFD, 0);
	execl(BENCH_IOTH, "ioth", "run", "-s", network->kind->run, "-n", network->vnl[1], "-a", address, "--", self,
	      "--guest", role, NULL);
	bench_fail(BENCH_IOTH ": %s", strerror(errno));
	send_note(s->other.rendezvous, 0, -1);
	_exit(1);
}

int traffic_guest(const struct bench_row *const *rows, unsigned int count, const char *role)
{
	const char *colon = strrchr(role, ':');
	struct session s = {.network.kind = &network_loopback};

	for (unsigned int i = 0; i < count && colon; i++)
		if (strlen(rows[i]->name) == (size_t)(colon - role) &&
		    !memcmp(rows[i]->name, role, (size_t)(colon - role)))
			bench_current_row = rows[i];
	if (!colon || !bench_current_row || bench_current_row->begin != traffic_begin)
		return 2;
	/* The stack is there, with all its addresses: to this program it is the network of the machine. */
	s.traffic = bench_current_row->arg;
	for (unsigned int side = 0; side < 2; side++)
		s.network.address[side] = network_station(side);
	s.other = (struct endpoint){&s.network, 1, atoi(colon + 1), s.network.kind->calls};
	peer(&s);
	return 0;
}

static int start_peer(struct session *s)
{
	pid_t parent = getpid();
	int error;

	if (!s->traffic->processes) {
		error = pthread_create(&s->thread, NULL, peer, s);
		if (error)
			return bench_fail("pthread_create: %s", strerror(error));
	} else {
		s->process = fork();
		if (s->process < 0)
			return bench_fail("fork: %s", strerror(errno));
		if (s->process == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (getppid() == parent && s->network.kind->run)
				exec_guest(s);
			if (getppid() == parent)
				peer(s);
			_exit(0);
		}
	}
	s->peer = true;
	return 0;
}

static void stop_peer(struct session *s)
{
	char command = COMMAND_CLOSE;

	if (!s->peer || s->broken)
		return; /* a second process goes with its process group, a thread with this process */
	send(s->self.rendezvous, &command, 1, MSG_NOSIGNAL);
	endpoint_hear(&s->self, NULL);
	if (s->traffic->processes)
		waitpid(s->process, NULL, 0);
	else
		pthread_join(s->thread, NULL);
}

static int order(struct session *s, enum command command)
{
	char byte = (char)command;

	return send(s->self.rendezvous, &byte, 1, MSG_NOSIGNAL) == 1 ? 0 : bench_fail("the other side died");
}

/* ------------------------------------------------------------------------------------------ functions of rows */

/** open_both - both sides up, and a datagram through */
static int open_both(struct session *s)
{
	if (start_peer(s) < 0)
		return -1;
	s->opened = true;
	if (network_open(&s->network, 0) < 0)
		return -1;
	if (order(s, COMMAND_OPEN) < 0 || endpoint_hear(&s->self, NULL) < 0)
		return -1;
	if (order(s, COMMAND_HELLO) < 0 || hello_drive(&s->self) < 0 || endpoint_hear(&s->self, NULL) < 0) {
		s->broken = true;
		return -1;
	}
	return 0;
}

int traffic_begin(const struct bench_subject *subject, void **state)
{
	struct session *s = calloc(1, sizeof(*s));
	int pair[2];

	if (!s)
		return bench_fail("out of memory");
	s->traffic = bench_current_row->arg;
	if (network_prepare(&s->network, subject->arg, 0) < 0) {
		free(s);
		return -1;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		network_end(&s->network);
		free(s);
		return bench_fail("socketpair: %s", strerror(errno));
	}
	s->self = (struct endpoint){&s->network, 0, pair[0], s->network.kind->calls};
	s->other = (struct endpoint){&s->network, 1, pair[1], s->network.kind->calls};
	if (open_both(s) < 0) {
		traffic_end(s);
		return -1;
	}
	*state = s;
	return 0;
}

int traffic_sample(void *state, double *values)
{
	struct session *s = state;

	if (s->broken)
		return -1; /* why is still what it was */
	if (order(s, COMMAND_SERVE) < 0 || play(s, values) < 0 || endpoint_hear(&s->self, NULL) < 0) {
		s->broken = true;
		return -1;
	}
	return 0;
}

void traffic_end(void *state)
{
	struct session *s = state;

	if (s->broken)
		return; /* the peer still uses everything; the end of this process frees it */
	stop_peer(s);
	if (s->opened)
		network_close(&s->network, 0);
	network_end(&s->network);
	close(s->self.rendezvous);
	close(s->other.rendezvous);
	free(s);
}

const struct bench_subject traffic_subjects[TRAFFIC_SUBJECT_COUNT_PROCESSES] = {
        {"loopback", {NULL}, &network_loopback},
        {"veth", {"loopback"}, &network_veth},
        {"libvdestack ptp", {"veth"}, &network_vdestack_ptp},
        {"libvdestack switch", {"veth"}, &network_vdestack_switch},
        {"libvdestack vde_switch", {"veth"}, &network_vdestack_vde_switch},
        {"liblwipv6 ptp", {"veth"}, &network_lwipv6_ptp},
        {"ioth kernel", {"loopback"}, &network_ioth_kernel},
        {"ioth vdestack ptp", {"libvdestack ptp", "veth"}, &network_ioth_ptp},
        {"ioth vdestack switch", {"libvdestack switch", "veth"}, &network_ioth_switch},
        {"ioth vdestack vde_switch", {"libvdestack vde_switch", "veth"}, &network_ioth_vde_switch},
        {"ioth lwip ptp", {"libvdestack ptp", "veth", "liblwipv6 ptp"}, &network_lwip_ptp},
        {"ioth lwip switch", {"libvdestack switch", "veth"}, &network_lwip_switch},
        {"ioth lwip vde_switch", {"libvdestack vde_switch", "veth"}, &network_lwip_vde_switch},
        {"vdestack over shm", {"veth", "loopback"}, &network_ioth_shm},
        {"lwip over shm", {"veth", "loopback"}, &network_lwip_shm},
        {"ioth run vdestack ptp", {"ioth vdestack ptp", "libvdestack ptp"}, &network_run_vdestack},
        {"ioth run lwip ptp", {"ioth lwip ptp"}, &network_run_lwip},
        {"ioth run vdestack shm", {"vdestack over shm"}, &network_run_vdestack_shm},
        {"ioth run lwip shm", {"lwip over shm"}, &network_run_lwip_shm},
};
