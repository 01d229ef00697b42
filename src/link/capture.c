/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * capture.c - packet capture into files that tcpdump and Wireshark read.
 *
 * A capture is a file and the ports that write to it; ports of one process that name the same file share the capture,
 * whatever the path they reach it by. Files have nanosecond stamps, link type Ethernet and both directions.
 *
 * Records are gathered in the buffer of a stdio stream. They are brought to the file when a loop has nothing else
 * to do, and at least every FLUSH_INTERVAL under load, so a process that is killed has written all but its last
 * moments. A record that a kill cuts short at the end of the file is what readers of captures expect to meet.
 *
 * A capture that cannot be written (the disk is full) stops with one line on stderr. The traffic goes on.
 *
 * Locks. The captures lock protects the list and the reference counts, the lock of a capture its stream. Both are held
 * for a short time and nothing else is taken under them. Before a fork(2) all streams are emptied, so that the child,
 * whose exit(3) flushes stdio, has nothing to write twice; a capture of the parent is never shared with ports of the
 * child.
 */
#include "capture.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pcap/pcap.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FLUSH_INTERVAL 500000000 /* ns */
#define SNAPLEN 65535            /* what readers are told; no frame is that long */

struct link__capture {
	struct link__capture *next; /* captures lock, as is users */
	unsigned int users;
	bool inherited; /* it belongs to the parent of this process */
	dev_t dev;      /* identity of the file */
	ino_t ino;
	pthread_mutex_t lock;
	pcap_t *pcap;
	pcap_dumper_t *dumper; /* NULL: writing has failed */
	uint64_t flushed;      /* when, ns */
	bool dirty;            /* there are records in the stream's buffer */
	char path[];
};

static struct {
	pthread_mutex_t lock;
	struct link__capture *list;
} captures = {.lock = PTHREAD_MUTEX_INITIALIZER};

static _Thread_local bool pending; /* this thread has recorded something since it last flushed */

/** expand - the name of the file; 0 or a negative errno */
static int expand(const char *path, const char *ifname, char *out, size_t size)
{
	size_t len = 0;

	for (; *path; path++) {
		const char *piece = path;
		size_t n = 1;

		if (*path == '%') {
			path++;
			if (*path == 'i') {
				piece = ifname;
				n = strlen(ifname);
			} else if (*path != '%') {
				return -EINVAL;
			}
		}
		if (n >= size - len)
			return -ENAMETOOLONG;
		memcpy(out + len, piece, n);
		len += n;
	}
	out[len] = '\0';
	return len > 0 ? 0 : -EINVAL;
}

/** flush - bring the records to the file; lock of the capture held; 0 or a negative errno, and then the capture has
 * stopped */
static int flush(struct link__capture *capture)
{
	int err = 0;

	if (!capture->dumper || !capture->dirty)
		return 0;
	capture->dirty = false;
	if (pcap_dump_flush(capture->dumper) != 0)
		err = -errno;
	else if (ferror(pcap_dump_file(capture->dumper)))
		err = -EIO; /* stdio met the error earlier, and has forgotten which it was */
	if (err) {
		pcap_dump_close(capture->dumper);
		capture->dumper = NULL;
	}
	return err;
}

/** flush_or_complain - flush for somebody who is not told; lock of the capture held */
static void flush_or_complain(struct link__capture *capture)
{
	int err = flush(capture);

	if (err)
		fprintf(stderr, "ioth: capture into %s stopped: %s\n", capture->path, strerror(-err));
}

/** capture_free - close the file and free all; nobody else knows the capture any more */
static void capture_free(struct link__capture *capture)
{
	flush_or_complain(capture);
	if (capture->dumper)
		pcap_dump_close(capture->dumper);
	if (capture->pcap)
		pcap_close(capture->pcap);
	pthread_mutex_destroy(&capture->lock);
	free(capture);
}

/** capture_find - the capture of this process into the file @path, or NULL; captures lock held */
static struct link__capture *capture_find(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return NULL;
	for (struct link__capture *c = captures.list; c; c = c->next)
		if (!c->inherited && c->dev == st.st_dev && c->ino == st.st_ino)
			return c;
	return NULL;
}

/** capture_start - make the file and write its header; 0 or a negative errno */
static int capture_start(struct link__capture *capture)
{
	int fd = open(capture->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	struct stat st;
	FILE *file;
	int err;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) != 0)
		goto fail;
	capture->dev = st.st_dev;
	capture->ino = st.st_ino;
	file = fdopen(fd, "w");
	if (!file)
		goto fail;
	capture->pcap = pcap_open_dead_with_tstamp_precision(DLT_EN10MB, SNAPLEN, PCAP_TSTAMP_PRECISION_NANO);
	if (!capture->pcap) {
		fclose(file);
		return -ENOMEM;
	}
	capture->dumper = pcap_dump_fopen(capture->pcap, file); /* closes the stream when it fails, in writing */
	if (!capture->dumper)
		return -EIO;
	/* A reader may open the file at once, and a full disk is to be noticed by whoever asks for the capture. */
	capture->dirty = true;
	return flush(capture);
fail:
	err = -errno;
	close(fd);
	return err;
}

/** capture_new - a capture with one user; 0 or a negative errno */
static int capture_new(const char *path, struct link__capture **out)
{
	struct link__capture *capture = calloc(1, sizeof(*capture) + strlen(path) + 1);
	int err;

	if (!capture)
		return -ENOMEM;
	strcpy(capture->path, path);
	pthread_mutex_init(&capture->lock, NULL);
	capture->users = 1;
	err = capture_start(capture);
	if (err) {
		capture_free(capture);
		return err;
	}
	*out = capture;
	return 0;
}

int link__capture_open(const char *path, const char *ifname, struct link__capture **out)
{
	struct link__capture *capture;
	char name[PATH_MAX];
	int err = expand(path, ifname, name, sizeof(name));

	if (err)
		return err;
	pthread_mutex_lock(&captures.lock);
	capture = capture_find(name);
	if (capture) {
		capture->users++;
		*out = capture;
	} else {
		err = capture_new(name, &capture);
		if (!err) {
			capture->next = captures.list;
			captures.list = capture;
			*out = capture;
		}
	}
	pthread_mutex_unlock(&captures.lock);
	return err;
}

void link__capture_close(struct link__capture *capture)
{
	pthread_mutex_lock(&captures.lock);
	if (--capture->users > 0) {
		capture = NULL;
	} else {
		struct link__capture **p = &captures.list;

		while (*p != capture)
			p = &(*p)->next;
		*p = capture->next;
	}
	pthread_mutex_unlock(&captures.lock);
	if (capture)
		capture_free(capture);
}

void link__capture_write(struct link__capture *capture, const struct link_frame *frames, unsigned int count)
{
	struct pcap_pkthdr header = {0};
	struct timespec now;
	uint64_t ns;

	clock_gettime(CLOCK_REALTIME, &now);
	ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	header.ts.tv_sec = now.tv_sec;
	header.ts.tv_usec = now.tv_nsec; /* nanoseconds, says the precision of the file */
	pthread_mutex_lock(&capture->lock);
	for (unsigned int i = 0; capture->dumper && i < count; i++) {
		header.caplen = header.len = frames[i].len;
		pcap_dump((unsigned char *)capture->dumper, &header, frames[i].data);
	}
	capture->dirty = pending = true;
	/* A clock that was set back makes this flush too often, not too late. */
	if (ns - capture->flushed >= FLUSH_INTERVAL) {
		flush_or_complain(capture);
		capture->flushed = ns;
	}
	pthread_mutex_unlock(&capture->lock);
}

void link__capture_flush(void)
{
	if (!pending)
		return;
	pending = false;
	pthread_mutex_lock(&captures.lock);
	for (struct link__capture *c = captures.list; c; c = c->next) {
		pthread_mutex_lock(&c->lock);
		flush_or_complain(c);
		pthread_mutex_unlock(&c->lock);
	}
	pthread_mutex_unlock(&captures.lock);
}

void link__capture_flush_one(struct link__capture *capture)
{
	pthread_mutex_lock(&capture->lock);
	flush_or_complain(capture);
	pthread_mutex_unlock(&capture->lock);
}

void link__capture_fork_prepare(void)
{
	pthread_mutex_lock(&captures.lock);
	for (struct link__capture *c = captures.list; c; c = c->next) {
		pthread_mutex_lock(&c->lock);
		flush_or_complain(c);
	}
}

void link__capture_fork_parent(void)
{
	for (struct link__capture *c = captures.list; c; c = c->next)
		pthread_mutex_unlock(&c->lock);
	pthread_mutex_unlock(&captures.lock);
}

void link__capture_fork_child(void)
{
	for (struct link__capture *c = captures.list; c; c = c->next)
		c->inherited = true;
	link__capture_fork_parent();
}
