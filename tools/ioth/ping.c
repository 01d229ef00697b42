/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ping.c - ioth ping: does a host answer to a stack, and how fast?
 *
 * ICMP echo requests (RFC 792, RFC 4443) from a ping socket, or a raw one where the stack lets nobody have the former.
 * A request carries the time it was sent and a random number of this run, so that an answer needs no table to be
 * recognised.
 */
#include "command.h"
#include "json.h"
#include "node.h"

#include <errno.h>
#include <math.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define SIZE_MAX_ECHO 65000

static const char help[] = "usage: ioth ping [OPTION...] ADDRESS\n"
                           "\n"
                           "Send ICMP echo requests from a stack, and tell how long the answers take.\n"
                           "\n" SETUP_HELP "  -c, --count N           end after N requests (otherwise at ^C)\n"
                           "  -i, --interval SECONDS  between two requests (1)\n"
                           "  -W, --wait SECONDS      for the last answer (1)\n"
                           "      --size BYTES        of data in a request (56)\n"
                           "      --json              only the result, as an object\n"
                           "  -h, --help              this text\n"
                           "\n"
                           "The exit status is 0 when there was an answer, 1 when there was none.\n"
                           "\n"
                           "  ioth ping -s lwip -n vde:///tmp/lan -a 10.0.0.2/24 -c 3 10.0.0.1\n";

struct ping {
	struct sockaddr_storage to;
	socklen_t tolen;
	int fd;
	bool raw, json;
	double count, interval, wait, size;
	uint16_t id;
	uint64_t run; /* random: which answers are ours */
	unsigned int sent, received;
	double min, max, sum, sum_of_squares; /* milliseconds */
};

/** struct stamp - the first bytes of the data of a request */
struct stamp {
	uint64_t run;
	int64_t sent; /* nanoseconds */
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signo)
{
	(void)signo;
	interrupted = 1;
}

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

/** checksum - of RFC 1071 */
static uint16_t checksum(const unsigned char *data, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += (uint32_t)data[i] << (i % 2 == 0 ? 8 : 0);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/** open_socket - a ping socket, or a raw one; negative errno */
static int open_socket(struct ping *p, struct ioth *stack)
{
	int family = p->to.ss_family, protocol = family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;

	p->fd = ioth_msocket(stack, family, SOCK_DGRAM, protocol);
	if (p->fd < 0) {
		int error = errno;

		p->raw = true;
		p->fd = ioth_msocket(stack, family, SOCK_RAW, protocol);
		if (p->fd < 0)
			return -error;
	}
	/* A connected one gets answers of this host alone, and errors about it. */
	return ioth_connect(p->fd, (struct sockaddr *)&p->to, p->tolen) < 0 ? -errno : 0;
}

static int send_request(struct ping *p)
{
	static unsigned char packet[sizeof(struct icmphdr) + SIZE_MAX_ECHO];
	struct icmphdr *icmp = (struct icmphdr *)packet; /* the echo of ICMPv6 has the same shape */
	struct stamp stamp = {p->run, now()};
	size_t len = sizeof(*icmp) + (size_t)p->size;

	memset(packet, 0, len);
	icmp->type = p->to.ss_family == AF_INET ? ICMP_ECHO : ICMP6_ECHO_REQUEST;
	icmp->un.echo.id = htons(p->id);
	icmp->un.echo.sequence = htons((uint16_t)(p->sent + 1));
	memcpy(packet + sizeof(*icmp), &stamp, sizeof(stamp));
	if (p->to.ss_family == AF_INET)
		icmp->checksum = checksum(packet, len);
	p->sent++;
	return ioth_send(p->fd, packet, len, 0) < 0 ? -errno : 0;
}

/** take_answer - a packet of @len bytes: print and count it, if it is an answer to one of our requests */
static void take_answer(struct ping *p, const unsigned char *packet, size_t len)
{
	bool four = p->to.ss_family == AF_INET;
	struct icmphdr icmp;
	struct stamp stamp;
	char text[NODE_ADDR_SIZE];
	double ms;

	if (four && p->raw) {
		size_t header = len > 0 ? (packet[0] & 15U) * 4 : 0;

		if (header < sizeof(struct iphdr) || header > len)
			return;
		packet += header;
		len -= header;
	}
	if (len < sizeof(icmp) + sizeof(stamp))
		return;
	memcpy(&icmp, packet, sizeof(icmp));
	memcpy(&stamp, packet + sizeof(icmp), sizeof(stamp));
	if (icmp.type != (four ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY) || stamp.run != p->run)
		return;
	ms = (double)(now() - stamp.sent) / 1e6;
	p->min = p->received == 0 || ms < p->min ? ms : p->min;
	p->max = ms > p->max ? ms : p->max;
	p->sum += ms;
	p->sum_of_squares += ms * ms;
	p->received++;
	if (!p->json)
		printf("%zu bytes from %s: sequence %u, %.3f ms\n", len, node_text(&p->to, text),
		       ntohs(icmp.un.echo.sequence), ms);
	fflush(stdout);
}

/** complain_once - about an error of the network, when it is another than last time */
static void complain_once(int error)
{
	static int last;

	if (error != last && error != EINTR && error != EAGAIN)
		complain("ping", NULL, "%s", strerror(error));
	last = error;
}

/** receive_until - take answers till @deadline; ends early with the last request's when @last is true */
static void receive_until(struct ping *p, int64_t deadline, bool last)
{
	static unsigned char packet[65536];
	struct pollfd pfd = {.fd = p->fd, .events = POLLIN};

	while (!interrupted && !(last && p->received >= p->sent)) {
		int64_t left = deadline - now();
		ssize_t len;

		if (left <= 0)
			return;
		if (poll(&pfd, 1, (int)(left / 1000000 + 1)) <= 0)
			continue;
		len = ioth_recv(p->fd, packet, sizeof(packet), MSG_DONTWAIT);
		if (len < 0)
			complain_once(errno);
		else
			take_answer(p, packet, (size_t)len);
	}
}

static void report(const struct ping *p)
{
	double n = p->received, mean = n > 0 ? p->sum / n : 0,
	       deviation = n > 0 ? sqrt(fmax(0, p->sum_of_squares / n - mean * mean)) : 0;
	char text[NODE_ADDR_SIZE];

	node_text(&p->to, text);
	if (p->json) {
		putchar('{');
		json_string("address", text, ", ");
		json_number("sent", p->sent, ", ");
		json_number("received", n, ", ");
		json_number("min_ms", p->min, ", ");
		json_number("mean_ms", mean, ", ");
		json_number("max_ms", p->max, ", ");
		json_number("deviation_ms", deviation, "}\n");
		return;
	}
	printf("%s: %u sent, %u received", text, p->sent, p->received);
	if (n > 0)
		printf("; minimum %.3f, mean %.3f, maximum %.3f, deviation %.3f ms", p->min, mean, p->max, deviation);
	putchar('\n');
}

static void ping(struct ping *p)
{
	int64_t start = now();

	signal(SIGINT, on_interrupt);
	while (!interrupted && (p->count == 0 || p->sent < p->count)) {
		bool last = p->sent + 1 == (unsigned int)p->count;
		int err = send_request(p);

		if (err)
			complain_once(-err);
		receive_until(p,
		              last ? now() + (int64_t)(p->wait * 1e9) : start + (int64_t)(p->interval * p->sent * 1e9),
		              last);
	}
	report(p);
}

/** option - one of ours by its letter; 0 or an exit status */
static int option(struct ping *p, int opt)
{
	switch (opt) {
	case 'c':
		return node_number("ping", "a count", optarg, 1, 65535, &p->count);
	case 'i':
		return node_number("ping", "an interval", optarg, 0.001, 3600, &p->interval);
	case 'W':
		return node_number("ping", "a time", optarg, 0, 3600, &p->wait);
	case 'S':
		return node_number("ping", "a size", optarg, sizeof(struct stamp), SIZE_MAX_ECHO, &p->size);
	default:
		p->json = true;
		return 0;
	}
}

int ping_main(int argc, char *argv[])
{
	static const struct option options[] = {SETUP_LONG,
	                                        {"count", required_argument, NULL, 'c'},
	                                        {"interval", required_argument, NULL, 'i'},
	                                        {"wait", required_argument, NULL, 'W'},
	                                        {"size", required_argument, NULL, 'S'},
	                                        {"json", no_argument, NULL, 'j'},
	                                        {"help", no_argument, NULL, 'h'},
	                                        {NULL, 0, NULL, 0}};
	struct ping p = {.interval = 1, .wait = 1, .size = 56, .id = (uint16_t)getpid()};
	struct setup setup = SETUP_INIT;
	struct ioth *stack;
	int opt, err;

	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":" SETUP_SHORT "c:i:W:h", options, NULL)) != -1) {
		if (opt == 'h') {
			fputs(help, stdout);
			return 0;
		}
		if (strchr("ciWSj", opt) != NULL ? option(&p, opt) : node_option("ping", &setup, opt, argv))
			return STATUS_USAGE;
	}
	if (argc - optind != 1)
		return usage_error("ping", "whom? Name an address");
	p.tolen = node_address("ping", argv[optind], NULL, AF_UNSPEC, &p.to);
	if (p.tolen == 0)
		return STATUS_USAGE;
	if (getrandom(&p.run, sizeof(p.run), 0) < 0)
		p.run = (uint64_t)now();
	stack = node_open("ping", &setup);
	if (stack == NULL)
		return STATUS_FAILED;
	err = open_socket(&p, stack);
	if (err) {
		complain("ping", NULL, "no socket for ICMP to %s: %s", argv[optind], strerror(-err));
		return STATUS_FAILED;
	}
	ping(&p);
	ioth_close(p.fd);
	ioth_delstack(stack);
	return p.received > 0 ? 0 : STATUS_FAILED;
}
