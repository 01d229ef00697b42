/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * netcapture.c - ioth net capture: all frames of a network in shared memory, as a pcap file.
 *
 * It takes a port that monitors: a copy of every frame comes there, and nobody waits for it. So what is written more
 * slowly than it comes is lost, and the number of frames that were overwritten is told in the end. Segments that stacks
 * exchange are written in one piece, with checksums that are not there yet, as tcpdump does.
 *
 * The file is that of libpcap with nanoseconds, as those of src/link/capture.c. It is flushed whenever nothing more has
 * come, so it can be a pipe to tcpdump or wireshark. The stream belongs to libpcap once the header has been written, and
 * is closed with it. Signals come only while we wait, so that none comes just before it.
 */
#include "netcapture.h"
#include "net.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SIGNALS_EVERY 256 /* frames, when more come all the time */

static volatile sig_atomic_t stopped;

static void stop(int sig)
{
	(void)sig;
	stopped = 1;
}

/** flush - bring it to the file; 0 or a negative errno */
static int flush(pcap_dumper_t *out)
{
	return pcap_dump_flush(out) == 0 ? 0 : -errno;
}

/** write_frame - with the time of now; 0 or a negative errno */
static int write_frame(pcap_dumper_t *out, const unsigned char *frame, size_t len)
{
	struct pcap_pkthdr header = {.caplen = (uint32_t)len, .len = (uint32_t)len};
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	header.ts.tv_sec = now.tv_sec;
	header.ts.tv_usec = now.tv_nsec; /* nanoseconds, says the precision of the file */
	pcap_dump((unsigned char *)out, &header, frame);
	return ferror(pcap_dump_file(out)) ? -errno : 0;
}

/** record - until a signal comes or @count frames were written (0: no limit); 0 or a negative errno of writing */
static int record(struct shm_port *port, pcap_dumper_t *out, unsigned long count, const sigset_t *unblocked)
{
	static unsigned char frame[SHM_SEGMENT_MAX];
	struct pollfd p = {.fd = port->datafd, .events = POLLIN};
	const struct timespec at_once = {0};
	unsigned long frames = 0;
	int err = 0;

	while (!stopped && !err) {
		struct virtio_net_hdr vnet;
		ssize_t len = shm_receive(port, &vnet, frame, sizeof(frame), 0);

		if (len >= 0) {
			err = write_frame(out, frame, (size_t)len);
			if (++frames == count)
				break;
			if (frames % SIGNALS_EVERY == 0)
				ppoll(&p, 1, &at_once, unblocked);
		} else {
			err = flush(out);
			if (!err)
				ppoll(&p, 1, NULL, unblocked);
		}
	}
	return err ? err : flush(out);
}

/** dump - record into a stream, which is closed in any case; 0 or a negative errno of writing */
static int dump(struct shm_port *port, FILE *out, unsigned long count, const sigset_t *unblocked)
{
	pcap_t *pcap = pcap_open_dead_with_tstamp_precision(DLT_EN10MB, SHM_SEGMENT_MAX, PCAP_TSTAMP_PRECISION_NANO);
	pcap_dumper_t *dumper = pcap ? pcap_dump_fopen(pcap, out) : NULL;
	int err;

	if (dumper) {
		err = record(port, dumper, count, unblocked);
		pcap_dump_close(dumper);
	} else if (pcap) {
		err = -EIO; /* the stream is closed when its header cannot be written */
	} else {
		err = -ENOMEM;
		fclose(out);
	}
	if (pcap)
		pcap_close(pcap);
	return err;
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

	err = snprintf(name, sizeof(name), "%s", path) >= (int)sizeof(name) ? -ENAMETOOLONG : 0;
	if (!err)
		err = shm_options_parse(name, &options);
	if (!err)
		err = shm_net_join(&options, &port);
	if (err) {
		fclose(out);
		return err;
	}
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
		err = dump(&port, out, count, &before);
		out = NULL;
		lost = port.received.lost;
		shm_port_end(&port);
	}
	shm_net_leave(&port);
	if (out)
		fclose(out);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (lost > 0)
		fprintf(stderr, "ioth net capture: %llu frames were overwritten before they were read\n",
		        (unsigned long long)lost);
	return err == -EPIPE ? 0 : err;
}
