/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* link_fake.c - a network interface of no stack; see link_fake.h. */
#include "link_fake.h"
#include "checksum.h"
#include "wait.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static char directory[32];

/* ----------------------------------------------------------------------------------- in the thread of the loop */

static void input(void *device, struct link_frame *frames, unsigned int count)
{
	struct fake *fake = device;
	unsigned int pass;

	pthread_mutex_lock(&fake->lock);
	fake->largest_batch = count > fake->largest_batch ? count : fake->largest_batch;
	for (unsigned int i = 0; i < count; i++) {
		struct fake_frame *frame = malloc(sizeof(*frame) + frames[i].len);

		if (!frame)
			abort();
		frame->next = NULL;
		frame->len = frames[i].len;
		memcpy(frame->data, frames[i].data, frames[i].len);
		*fake->last = frame;
		fake->last = &frame->next;
		fake->frames++;
	}
	fake->holding = fake->held;
	pthread_cond_broadcast(&fake->changed);
	for (pass = fake->passes; fake->held && fake->passes == pass;)
		pthread_cond_wait(&fake->changed, &fake->lock);
	fake->holding = false;
	pthread_mutex_unlock(&fake->lock);
}

static int output(void *device, struct link_frame *frames, unsigned int count)
{
	struct fake *fake = device;
	int n = 0;

	if (fake->output_error)
		return fake->output_error;
	for (; n < (int)count; n++) {
		size_t vnet = fake->vnet ? sizeof(frames[n].vnet) : 0;
		struct iovec iov[2] = {{&frames[n].vnet, vnet}, {frames[n].data, LINK_SEGMENT_MAX}};
		struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
		ssize_t len = recvmsg(fake->fd, &msg, MSG_DONTWAIT);

		if (len <= 0)
			break;
		frames[n].len = (uint32_t)len - (uint32_t)vnet;
		if (fake->offload > 0) {
			fake->offload--;
			frames[n].vnet.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
			frames[n].vnet.csum_start = UINT16_MAX; /* outside the frame */
		}
	}
	return n;
}

static void down(void *device, int error)
{
	struct fake *fake = device;

	pthread_mutex_lock(&fake->lock);
	fake->downs++;
	fake->down_error = error;
	pthread_cond_broadcast(&fake->changed);
	pthread_mutex_unlock(&fake->lock);
}

static const struct link_device operations = {.input = input, .output = output, .down = down};
static const struct link_device with_segments = {.input = input, .output = output, .down = down, .offload = true};

/* ------------------------------------------------------------------------------------- in the thread of the test */

static void *nothing(void *arg)
{
	return arg;
}

int fake_group(void **state)
{
	pthread_t thread;

	(void)state;
	return pthread_create(&thread, NULL, nothing, NULL) || pthread_join(thread, NULL) ? -1 : 0;
}

void fake_init(struct fake *fake)
{
	pthread_condattr_t attr;
	int fds[2];

	memset(fake, 0, sizeof(*fake));
	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), errno);
	fake->fd = fds[0];
	fake->stack_fd = fds[1];
	fake->last = &fake->first;
	pthread_mutex_init(&fake->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&fake->changed, &attr);
	pthread_condattr_destroy(&attr);
}

int fake_open(struct fake *fake, const char *vnl, const char *ifname, const char *pcap)
{
	return link_port_open(vnl, ifname, pcap, fake->segments ? &with_segments : &operations, fake, fake->fd,
	                      &fake->port);
}

void fake_close(struct fake *fake)
{
	if (fake->port)
		link_port_close(fake->port);
	fake->port = NULL;
	close(fake->fd);
	if (fake->stack_fd >= 0)
		close(fake->stack_fd);
	while (fake->first) {
		struct fake_frame *frame = fake->first;

		fake->first = frame->next;
		free(frame);
	}
	pthread_cond_destroy(&fake->changed);
	/* Under ThreadSanitizer and AddressSanitizer a late call of the port would touch what is destroyed here. */
	pthread_mutex_destroy(&fake->lock);
	memset(fake, 0xa5, sizeof(*fake));
}

bool fake_send(struct fake *fake, const void *frame, size_t len)
{
	return send(fake->stack_fd, frame, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len;
}

void fake_send_all(struct fake *fake, const void *frame, size_t len)
{
	while (!fake_send(fake, frame, len)) {
		struct pollfd p = {.fd = fake->stack_fd, .events = POLLOUT};

		assert_int_equal(errno, EAGAIN);
		assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	}
}

/** wait_change - wait for something to change; lock held; false when @deadline is over */
static bool wait_change(struct fake *fake, const struct timespec *deadline)
{
	return pthread_cond_timedwait(&fake->changed, &fake->lock, deadline) == 0;
}

static struct timespec deadline(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += WAIT_MS / 1000;
	return t;
}

ssize_t fake_receive(struct fake *fake, void *data, size_t size)
{
	struct timespec end = deadline();
	struct fake_frame *frame;
	ssize_t len = -1;

	pthread_mutex_lock(&fake->lock);
	while (!fake->first && wait_change(fake, &end))
		;
	frame = fake->first;
	if (frame) {
		fake->first = frame->next;
		if (!fake->first)
			fake->last = &fake->first;
		fake->frames--;
		memcpy(data, frame->data, frame->len < size ? frame->len : size);
		len = (ssize_t)frame->len;
		free(frame);
	}
	pthread_mutex_unlock(&fake->lock);
	return len;
}

unsigned int fake_frames(struct fake *fake, unsigned int count)
{
	struct timespec end = deadline();
	unsigned int n;

	pthread_mutex_lock(&fake->lock);
	while (fake->frames < count && wait_change(fake, &end))
		;
	n = fake->frames;
	pthread_mutex_unlock(&fake->lock);
	return n;
}

void fake_hold(struct fake *fake)
{
	pthread_mutex_lock(&fake->lock);
	fake->held = true;
	pthread_mutex_unlock(&fake->lock);
}

void fake_held(struct fake *fake)
{
	struct timespec end = deadline();
	bool holding;

	pthread_mutex_lock(&fake->lock);
	while (!fake->holding && wait_change(fake, &end))
		;
	holding = fake->holding;
	pthread_mutex_unlock(&fake->lock);
	assert_true(holding);
}

void fake_pass(struct fake *fake)
{
	pthread_mutex_lock(&fake->lock);
	fake->passes++;
	fake->holding = false;
	pthread_cond_broadcast(&fake->changed);
	pthread_mutex_unlock(&fake->lock);
}

void fake_release(struct fake *fake)
{
	pthread_mutex_lock(&fake->lock);
	fake->held = false;
	pthread_cond_broadcast(&fake->changed);
	pthread_mutex_unlock(&fake->lock);
}

int fake_down(struct fake *fake)
{
	struct timespec end = deadline();
	int error;

	pthread_mutex_lock(&fake->lock);
	while (fake->downs == 0 && wait_change(fake, &end))
		;
	assert_int_equal(fake->downs, 1);
	error = fake->down_error;
	pthread_mutex_unlock(&fake->lock);
	return error;
}

bool fake_cores(int count, cpu_set_t *old)
{
	cpu_set_t some;

	assert_return_code(sched_getaffinity(0, sizeof(*old), old), errno);
	if (CPU_COUNT(old) < count) {
		print_message("this needs %d processors\n", count);
		return false;
	}
	CPU_ZERO(&some);
	for (size_t cpu = 0; CPU_COUNT(&some) < count; cpu++)
		if (CPU_ISSET(cpu, old))
			CPU_SET(cpu, &some);
	assert_return_code(sched_setaffinity(0, sizeof(some), &some), errno);
	return true;
}

unsigned int fake_threads(pid_t *tid)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *task;
	unsigned int count = 0;

	assert_non_null(tasks);
	while ((task = readdir(tasks)) != NULL) {
		char path[300], name[16] = "";
		FILE *comm;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", task->d_name);
		comm = fopen(path, "re");
		if (!comm)
			continue;
		if (fgets(name, sizeof(name), comm) && strcmp(name, "ioth-link\n") == 0) {
			*tid = atoi(task->d_name);
			count++;
		}
		fclose(comm);
	}
	closedir(tasks);
	return count;
}

void fake_pattern(unsigned char *frame, size_t len, unsigned int number)
{
	for (size_t i = 0; i < len; i++)
		frame[i] = (unsigned char)((i * 31) ^ (number * 7) ^ (len * 3));
	/* A broadcast, which a switch passes to everybody; the sender is a function of the number's top bits. */
	for (size_t i = 0; i < 6 && i < len; i++)
		frame[i] = 0xff;
	for (size_t i = 0; i < 6 && i + 6 < len; i++)
		frame[6 + i] = i == 0 ? 0x02 : i == 5 ? (unsigned char)(number >> 24) : 0;
	for (size_t i = 0; i < 4 && i + 14 < len; i++)
		frame[14 + i] = (unsigned char)(number >> (8 * i));
}

/** one_way - frames from @from arrive at @to, at the latest when the network has become aware of both */
static void one_way(struct fake *from, struct fake *to, unsigned int number)
{
	unsigned char sent[60], got[60];
	long end = wait_now_ms() + WAIT_MS;

	fake_pattern(sent, sizeof(sent), number);
	do {
		fake_send_all(from, sent, sizeof(sent));
		if (fake_frames(to, 0) > 0)
			break;
	} while (wait_again(end));
	assert_int_equal(fake_receive(to, got, sizeof(got)), sizeof(sent));
	assert_memory_equal(got, sent, sizeof(sent));
	/* The last of the frames has come when one that is different has. */
	sent[20] ^= 0xff;
	fake_send_all(from, sent, sizeof(sent));
	do
		assert_int_equal(fake_receive(to, got, sizeof(got)), sizeof(sent));
	while (got[20] != sent[20]);
}

size_t fake_segment(unsigned char *frame, uint32_t seq, uint8_t flags, size_t payload)
{
	memset(frame, 0, FAKE_HEADERS);
	frame[0] = frame[6] = 2;
	frame[12] = 8; /* IPv4 */
	frame[14] = 0x45;
	link__put16(frame + 16, (uint16_t)(FAKE_HEADERS - 14 + payload));
	frame[22] = 64;
	frame[23] = 6;
	link__put_check(frame + 24, link__sum(0, frame + 14, 20));
	link__put32(frame + 38, seq);
	frame[46] = 5 << 4;
	frame[47] = flags;
	for (size_t i = 0; i < payload; i++)
		frame[FAKE_HEADERS + i] = (unsigned char)((seq + i) * 31 >> 3);
	return FAKE_HEADERS + payload;
}

void fake_exchange(struct fake *a, struct fake *b)
{
	one_way(a, b, 1U << 24);
	one_way(b, a, 2U << 24);
}

const char *fake_directory(void)
{
	if (directory[0] == '\0') {
		strcpy(directory, "/tmp/ioth-link-XXXXXX");
		assert_non_null(mkdtemp(directory));
	}
	return directory;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void fake_remove(void)
{
	if (directory[0] != '\0')
		nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	directory[0] = '\0';
}

const char *fake_vnl(const char *module, const char *name)
{
	static char text[16][96];
	static unsigned int turn;
	char *out = text[turn++ % 16];

	snprintf(out, sizeof(text[0]), "%s://%s/%s", module, fake_directory(), name);
	return out;
}

struct left fake_before;

int fake_remember(void **state)
{
	(void)state;
	return left_count(&fake_before);
}

int fake_nothing_left(void **state)
{
	char text[512];

	(void)state;
	fake_remove();
	if (left_since(&fake_before, text, sizeof(text)) == 0)
		return 0;
	print_error("left: %s\n", text);
	return -1;
}
