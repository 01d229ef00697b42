/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* traffic.c - ports that send numbered frames with a hash and check what they receive */
#include "crowd.h"

#include "net.h"
#include "wait.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAGIC 0x6d687321
#define FRAME_MAX 9234
#define ASK_MS 20000      /* within which a question has to be answered */
#define ASK_AGAIN_MS 1000 /* after which it is asked again if a frame had to be given up */

/** struct message - what a frame says; behind the Ethernet header, followed by len bytes of filling */
struct message {
	uint32_t magic, from, incarnation, len;
	uint64_t number;
	uint64_t hash; /* of all of it, this being 0, and the filling */
};

void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "process %d: ", (int)getpid());
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

/** hash - FNV-1a over words and the rest */
static uint64_t hash(const unsigned char *data, size_t len)
{
	uint64_t h = 0xcbf29ce484222325, word;

	for (; len >= 8; data += 8, len -= 8) {
		memcpy(&word, data, 8);
		h = (h ^ word) * 0x100000001b3;
	}
	for (; len > 0; data++, len--)
		h = (h ^ *data) * 0x100000001b3;
	return h;
}

static void put_address(unsigned char *at, int id)
{
	const unsigned char address[6] = {2, 0x5e, 0, 0, (unsigned char)(id >> 8), (unsigned char)id};

	if (id < 0)
		memset(at, 0xff, 6);
	else
		memcpy(at, address, 6);
}

/** member_description - of its port; libvdeplug adds a space and who it is */
static void member_description(char *text, size_t size, unsigned int id)
{
	snprintf(text, size, "member %u", id);
}

void member_join(struct member *member, const struct soak *soak, unsigned int id)
{
	static uint32_t incarnation;
	char url[sizeof(soak->url)], description[20];
	struct timespec now;

	memcpy(url, soak->url, sizeof(url));
	member_description(description, sizeof(description), id);
	member->conn = vde_open(url, description, NULL);
	if (!member->conn)
		fail("vde_open %s: %s", url, strerror(errno));
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (incarnation == 0)
		incarnation = (uint32_t)(now.tv_sec * 1000000 + now.tv_nsec / 1000);
	member->incarnation = ++incarnation;
	member->id = id;
	member->next = 1;
	memset(member->heard, 0, sizeof(member->heard));
	atomic_fetch_add(&soak->tally->joins, 1);
}

void member_leave(struct member *member)
{
	vde_close(member->conn);
	member->conn = NULL;
}

bool member_send(struct member *member, const struct soak *soak, int to)
{
	static unsigned char frame[FRAME_MAX];
	struct message m = {
	        .magic = MAGIC, .from = member->id, .incarnation = member->incarnation, .number = member->next};
	size_t most = random() % 16 == 0 ? sizeof(frame) - 14 - sizeof(m) : 200;

	m.len = (uint32_t)((size_t)random() % most);
	put_address(frame, to);
	put_address(frame + 6, (int)member->id);
	frame[12] = 0x88;
	frame[13] = 0xb5;
	memset(frame + 14 + sizeof(m), (int)random(), m.len);
	memcpy(frame + 14, &m, sizeof(m));
	m.hash = hash(frame + 14, sizeof(m) + m.len);
	memcpy(frame + 14, &m, sizeof(m));
	if (vde_send(member->conn, frame, 14 + sizeof(m) + m.len, MSG_DONTWAIT) < 0) {
		if (errno != EAGAIN)
			fail("vde_send: %s", strerror(errno));
		atomic_fetch_add(&soak->tally->refused, 1);
		return false;
	}
	member->next++;
	atomic_fetch_add(&soak->tally->sent, 1);
	return true;
}

/** check - a frame is as it was sent, and later than all before from its sender */
static void check(struct member *member, const struct soak *soak, unsigned char *frame, size_t len)
{
	bool damage = atomic_load(&soak->tally->damage);
	struct message m;
	uint64_t sum;

	if (len < 14 + sizeof(m)) {
		if (!damage)
			fail("a frame of %zu bytes", len);
		return;
	}
	memcpy(&m, frame + 14, sizeof(m));
	sum = m.hash;
	m.hash = 0;
	memcpy(frame + 14, &m, sizeof(m));
	if (damage)
		return;
	if (m.magic != MAGIC || len != 14 + sizeof(m) + m.len || m.from >= PEERS_MAX ||
	    hash(frame + 14, len - 14) != sum)
		fail("a damaged frame of %zu bytes from %u, number %llu", len, m.from, (unsigned long long)m.number);
	if (m.from == member->id && m.incarnation == member->incarnation)
		fail("our own frame");
	if (member->heard[m.from].incarnation == m.incarnation && member->heard[m.from].last >= m.number)
		fail("number %llu from %u after %llu", (unsigned long long)m.number, m.from,
		     (unsigned long long)member->heard[m.from].last);
	member->heard[m.from].incarnation = m.incarnation;
	member->heard[m.from].last = m.number;
	atomic_fetch_add(&soak->tally->received, 1);
}

unsigned int member_receive(struct member *member, const struct soak *soak, unsigned int most)
{
	static unsigned char frame[FRAME_MAX + 1];
	unsigned int n = 0;

	for (; n < most; n++) {
		ssize_t len = vde_recv(member->conn, frame, sizeof(frame), MSG_DONTWAIT);

		if (len < 0) {
			if (errno != EAGAIN)
				fail("vde_recv: %s", strerror(errno));
			break;
		}
		check(member, soak, frame, (size_t)len);
	}
	return n;
}

void member_process(const struct soak *soak, unsigned int first, unsigned int peers, bool restless)
{
	struct member *member = calloc(soak->ports, sizeof(*member));
	struct pollfd *p = calloc(soak->ports, sizeof(*p));
	struct timespec now;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	clock_gettime(CLOCK_MONOTONIC, &now);
	srandom((unsigned int)(now.tv_nsec ^ getpid()));
	for (unsigned int i = 0; i < soak->ports; i++)
		member_join(&member[i], soak, first + i);
	while (!atomic_load(&soak->tally->stop)) {
		for (unsigned int i = 0; i < soak->ports; i++) {
			unsigned int burst = (unsigned int)random() % 20;
			int to = random() % 100 == 0 ? -1 : (int)((unsigned int)random() % peers);

			while (burst-- > 0 && member_send(&member[i], soak, to))
				;
			member_receive(&member[i], soak, 100);
			if (restless && random() % 2000 == 0) {
				member_leave(&member[i]);
				member_join(&member[i], soak, first + i);
			}
			p[i] = (struct pollfd){.fd = vde_datafd(member[i].conn), .events = POLLIN};
		}
		/* sometimes sleep, so that somebody has to wake us; a nonsensical note may make us miss it */
		if (random() % 8 == 0)
			poll(p, soak->ports, 5);
	}
	for (unsigned int i = 0; i < soak->ports; i++)
		member_leave(&member[i]);
	exit(0);
}

/* -------------------------------------------------------------------------------------------- questions and answers */

/** struct pair - the ports of two who talk, as the network shows them */
struct pair {
	struct shm_net net;
	const struct shm_control *port[2];
};

/** pair_find - both are there */
static void pair_find(struct pair *pair, const struct soak *soak, unsigned int one, unsigned int two)
{
	unsigned int ids[2] = {one, two};

	if (shm_net_look(soak->net, &pair->net) != 0)
		fail("cannot look at %s", soak->net);
	for (unsigned int i = 0; i < 2; i++) {
		char description[20];

		member_description(description, sizeof(description), ids[i]);
		for (uint32_t n = 0; n < pair->net.geometry.ports && !pair->port[i]; n++) {
			const struct shm_control *port = shm_control_of(&pair->net, n);

			if ((atomic_load(&port->generation) & 1) &&
			    strncmp(port->description, description, strlen(description)) == 0 &&
			    port->description[strlen(description)] == ' ')
				pair->port[i] = port;
		}
		if (!pair->port[i])
			fail("%s has no port", description);
	}
}

/** pair_gave_up - how many frames the two have had to give up: for one that got no processor for PATIENCE_NS, say */
static uint64_t pair_gave_up(const struct pair *pair)
{
	return atomic_load(&pair->port[0]->sent.full) + atomic_load(&pair->port[1]->sent.full);
}

/** pair_show - what the network says of the two */
static void pair_show(const struct pair *pair)
{
	for (unsigned int i = 0; i < 2; i++) {
		const struct shm_control *port = pair->port[i];

		fprintf(stderr,
		        "%s: generation %u, sent %llu, full %llu, lost %llu; received %llu, lost %llu; queue %llu to "
		        "%llu\n",
		        port->description, atomic_load(&port->generation),
		        (unsigned long long)atomic_load(&port->sent.frames),
		        (unsigned long long)atomic_load(&port->sent.full),
		        (unsigned long long)atomic_load(&port->sent.lost),
		        (unsigned long long)atomic_load(&port->received.frames),
		        (unsigned long long)atomic_load(&port->received.lost),
		        (unsigned long long)atomic_load(&port->head), (unsigned long long)atomic_load(&port->tail));
	}
}

/** await - receive until a frame from @from with a number above @last has come, and return its number; or until @ms have
 * passed, and return @last */
static uint64_t await(struct member *member, const struct soak *soak, unsigned int from, uint64_t last, long ms)
{
	long deadline = wait_now_ms() + ms;

	while (member->heard[from].last <= last) {
		struct pollfd p = {.fd = vde_datafd(member->conn), .events = POLLIN};

		if (atomic_load(&soak->tally->stop)) {
			member_leave(member);
			exit(0);
		}
		if (wait_now_ms() > deadline)
			return last;
		if (member_receive(member, soak, 1) == 0)
			poll(&p, 1, 100);
	}
	return member->heard[from].last;
}

/** say - send a frame to @to, as soon as there is room */
static void say(struct member *member, const struct soak *soak, unsigned int to)
{
	while (!member_send(member, soak, (int)to))
		member_receive(member, soak, 100);
}

/** ask - and hear the answer, which is the first frame with a number above @last; returns its number */
static uint64_t ask(struct member *member, const struct soak *soak, unsigned int other, uint64_t last,
                    const struct pair *pair)
{
	uint64_t before = pair_gave_up(pair), number;

	say(member, soak, other);
	for (long waited = 0; (number = await(member, soak, other, last, ASK_AGAIN_MS)) == last;) {
		uint64_t now = pair_gave_up(pair);

		waited += ASK_AGAIN_MS;
		if (now != before) {
			before = now;
			waited = 0;
			atomic_fetch_add(&soak->tally->again, 1);
			say(member, soak, other);
		} else if (waited >= ASK_MS) {
			pair_show(pair);
			fail("no answer from %u since number %llu, and neither has given up a frame meanwhile", other,
			     (unsigned long long)last);
		}
	}
	return number;
}

/** asker - ask for ever */
static _Noreturn void asker(const struct soak *soak, unsigned int id, unsigned int other)
{
	static struct member member;
	static struct pair pair;
	uint64_t last;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	member_join(&member, soak, id);
	while (member.heard[other].last == 0) {
		member_send(&member, soak, (int)other);
		poll(NULL, 0, 1);
		member_receive(&member, soak, 100);
	}
	pair_find(&pair, soak, id, other);
	/* There are still the answers to all that was asked meanwhile. */
	for (last = member.heard[other].last;;) {
		last = ask(&member, soak, other, last, &pair);
		atomic_fetch_add(&soak->tally->rounds, 1);
	}
}

/** answerer - answer for ever */
static _Noreturn void answerer(const struct soak *soak, unsigned int id, unsigned int other)
{
	static struct member member;
	uint64_t last = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	member_join(&member, soak, id);
	for (;;) {
		uint64_t number = await(&member, soak, other, last, ASK_MS);

		if (number == last)
			fail("no question from %u since number %llu", other, (unsigned long long)last);
		last = number;
		say(&member, soak, other);
	}
}

void ask_and_answer(const struct soak *soak, pid_t pid[2])
{
	for (unsigned int i = 0; i < 2; i++) {
		pid[i] = fork();
		if (pid[i] == 0 && i == 0)
			asker(soak, PEERS_MAX - 1, PEERS_MAX - 2);
		if (pid[i] == 0)
			answerer(soak, PEERS_MAX - 2, PEERS_MAX - 1);
	}
}

void all_well(pid_t pid, bool killed)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		fail("waitpid: %s", strerror(errno));
	if (killed && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return;
	if (status != 0)
		fail("process %d ended with status 0x%x", (int)pid, (unsigned int)status);
}

void network_gone(const struct soak *soak)
{
	struct stat st;

	if (stat(soak->net, &st) == 0)
		fail("%s is still there", soak->net);
}
