/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * netcapture.c - ioth net capture: all frames of a network in shared memory, as a pcap file.
 *
 * It takes a port that monitors: a copy of every frame comes there, and nobody waits for it. So what is written more
 * slowly than it comes is lost, and the number of frames that were overwritten is told in the end. Segments that stacks
 * exchange are written in one piece, with checksums that are not there yet, as tcpdump does.
 *
 * The file is that of libpcap with nanoseconds (pcap-savefile(5)), written by hand: 24 and 16 bytes. It is flushed
 * whenever nothing more has come, so it can be a pipe to tcpdump or wireshark. Signals come only while we wait, so that
 * none comes just before it.
 */
#include "netcapture.h"
#include "net.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PCAP_NANOSECONDS 0xa1b23c4dU
#define LINKTYPE_ETHERNET 1
#define SIGNALS_EVERY 256 /* frames, when more come all the time */

static volatile sig_atomic_t stopped;

static void stop(int sig)
{
	(void)sig;
	stopped = 1;
}

/** write_header - of the file; false when it cannot be written */
static bool write_header(FILE *out)
{
	const struct {
		uint32_t magic;
		uint16_t major, minor;
		uint32_t zone, precision, snaplen, linktype;
	} header = {PCAP_NANOSECONDS, 2, 4, 0, 0, SHM_SEGMENT_MAX, LINKTYPE_ETHERNET};

	_Static_assert(sizeof(header) == 24, "as pcap-savefile(5) has it");
	return fwrite(&header, sizeof(header), 1, out) == 1 && fflush(out) == 0;
}

/** write_frame - with the time of now */
static bool write_frame(FILE *out, const void *frame, size_t len)
{
	struct timespec now;
	uint32_t header[4];

	clock_gettime(CLOCK_REALTIME, &now);
	header[0] = (uint32_t)now.tv_sec;
	header[1] = (uint32_t)now.tv_nsec;
	header[2] = header[3] = (uint32_t)len;
	return fwrite(header, sizeof(header), 1, out) == 1 && fwrite(frame, len, 1, out) == 1;
}

/** record - until a signal comes or @count frames were written (0: no limit); 0 or a negative errno of writing */
static int record(struct shm_port *port, FILE *out, unsigned long count, const sigset_t *unblocked)
{
	static unsigned char frame[SHM_SEGMENT_MAX];
	struct pollfd p = {.fd = port->datafd, .events = POLLIN};
	const struct timespec at_once = {0};
	unsigned long written = 0;

	while (!stopped) {
		struct virtio_net_hdr vnet;
		ssize_t len = shm_receive(port, &vnet, frame, sizeof(frame), true);

		if (len >= 0) {
			if (!write_frame(out, frame, (size_t)len))
				return -errno;
			if (++written == count)
				break;
			if (written % SIGNALS_EVERY == 0)
				ppoll(&p, 1, &at_once, unblocked);
		} else if (fflush(out) != 0) {
			return -errno;
		} else {
			ppoll(&p, 1, NULL, unblocked);
		}
	}
	return fflush(out) == 0 ? 0 : -errno;
}

int net_capture(const char *path, FILE *out, unsigned long count)
{
	char name[4096], description[] = "ioth net capture";
	struct sigaction action = {.sa_handler = stop};
	struct shm_options options;
	struct shm_port port = {0};
	sigset_t signals, before;
	uint64_t lost = 0;
	int err;

	if (snprintf(name, sizeof(name), "%s", path) >= (int)sizeof(name))
		return -ENAMETOOLONG;
	err = shm_options_parse(name, &options);
	if (!err)
		err = shm_net_join(&options, &port);
	if (err)
		return err;
	port.monitor = true;
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &signals, &before);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	err = shm_port_begin(&port, description);
	if (!err) {
		err = write_header(out) ? record(&port, out, count, &before) : -errno;
		lost = port.received.lost;
		shm_port_end(&port);
	}
	shm_net_leave(&port);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (lost > 0)
		fprintf(stderr, "ioth net capture: %llu frames were overwritten before they were read\n",
		        (unsigned long long)lost);
	return err == -EPIPE ? 0 : err;
}
