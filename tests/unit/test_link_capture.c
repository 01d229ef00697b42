/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_link_capture.c - packet capture: what is in the files, who shares them, what is left of them after a crash.
 *
 * Files are read by libpcap, as tcpdump and Wireshark read them.
 */
#include "link_fake.h"

#include <errno.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wait.h"

/** in_directory - the path of a file beside the sockets of the test; see fake_vnl */
static const char *in_directory(const char *name)
{
	return strchr(fake_vnl("x", name), '/') + 2;
}

/** open_pair - two ports of a ptp network, of which the second captures; both capture when @second is given */
static void open_pair(struct fake *a, struct fake *b, const char *first, const char *second)
{
	fake_init(a);
	fake_init(b);
	assert_int_equal(fake_open(a, fake_vnl("ptp", "net"), "vde0", first), 0);
	assert_int_equal(fake_open(b, fake_vnl("ptp", "net"), "eth1", second), 0);
}

static void close_pair(struct fake *a, struct fake *b)
{
	fake_close(b);
	fake_close(a);
}

/** send_one - the frame @number, of a length that depends on it, from one device to the other */
static size_t send_one(struct fake *from, struct fake *to, unsigned int number)
{
	unsigned char frame[LINK_FRAME_MAX], got[LINK_FRAME_MAX];
	size_t len = 14 + (number * 97) % (LINK_FRAME_MAX - 13);

	fake_pattern(frame, len, number);
	fake_send_all(from, frame, len);
	assert_int_equal(fake_receive(to, got, sizeof(got)), len);
	return len;
}

/** check_record - is the next record of @file frame @number, not older than @last? Its time becomes @last */
static void check_record(pcap_t *file, unsigned int number, struct timespec *last)
{
	unsigned char frame[LINK_FRAME_MAX];
	struct pcap_pkthdr *header;
	const unsigned char *data;
	size_t len = 14 + (number * 97) % (LINK_FRAME_MAX - 13);

	assert_int_equal(pcap_next_ex(file, &header, &data), 1);
	assert_int_equal(header->len, len);
	assert_int_equal(header->caplen, len);
	fake_pattern(frame, len, number);
	assert_memory_equal(data, frame, len);
	assert_in_range(header->ts.tv_usec, 0, 999999999);
	assert_true(header->ts.tv_sec > last->tv_sec ||
	            (header->ts.tv_sec == last->tv_sec && header->ts.tv_usec >= last->tv_nsec));
	last->tv_sec = header->ts.tv_sec;
	last->tv_nsec = header->ts.tv_usec;
}

/** open_capture - read a file, checking its header */
static pcap_t *open_capture(const char *path)
{
	char text[PCAP_ERRBUF_SIZE];
	pcap_t *file = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, text);

	if (!file)
		fail_msg("%s: %s", path, text);
	assert_int_equal(pcap_datalink(file), DLT_EN10MB);
	assert_true(pcap_snapshot(file) >= LINK_FRAME_MAX);
	return file;
}

/** count_records - how many records there are, and whether the file ends where a record ends */
static unsigned int count_records(const char *path, bool *whole)
{
	pcap_t *file = open_capture(path);
	struct pcap_pkthdr *header;
	const unsigned char *data;
	unsigned int n = 0;
	int ret;

	while ((ret = pcap_next_ex(file, &header, &data)) == 1)
		n++;
	*whole = ret == PCAP_ERROR_BREAK;
	pcap_close(file);
	return n;
}

static void both_directions_are_recorded(void **state)
{
	struct timespec last, now;
	struct fake a, b;
	const char *path;
	pcap_t *file;

	(void)state;
	path = in_directory("capture.pcap");
	assert_return_code(clock_gettime(CLOCK_REALTIME, &last), errno);
	/* The peer is there before the port that captures is asked for anything. */
	open_pair(&a, &b, NULL, path);
	for (unsigned int i = 0; i < 100; i++) {
		send_one(&b, &a, 2 * i);
		send_one(&a, &b, 2 * i + 1);
	}
	close_pair(&a, &b);
	file = open_capture(path);
	for (unsigned int i = 0; i < 200; i++)
		check_record(file, i, &last);
	assert_return_code(clock_gettime(CLOCK_REALTIME, &now), errno);
	assert_true(now.tv_sec >= last.tv_sec);
	pcap_close(file);
}

static void names_are_filled_in(void **state)
{
	struct stat st;
	struct fake a, b;

	(void)state;
	open_pair(&a, &b, in_directory("100%%-%i-%i.pcap"), in_directory("%i"));
	assert_return_code(stat(in_directory("100%-vde0-vde0.pcap"), &st), errno);
	assert_return_code(stat(in_directory("eth1"), &st), errno);
	close_pair(&a, &b);
}

static void a_capture_that_cannot_start_is_an_error(void **state)
{
	static char longname[5000];
	struct fake a;

	(void)state;
	fake_init(&a);
	memset(longname, 'x', sizeof(longname) - 1);
	assert_int_equal(fake_open(&a, fake_vnl("ptp", "net"), "vde0", ""), -EINVAL);
	assert_int_equal(fake_open(&a, fake_vnl("ptp", "net"), "vde0", in_directory("%d")), -EINVAL);
	assert_int_equal(fake_open(&a, fake_vnl("ptp", "net"), "vde0", in_directory("%")), -EINVAL);
	assert_int_equal(fake_open(&a, fake_vnl("ptp", "net"), "vde0", longname), -ENAMETOOLONG);
	assert_int_equal(fake_open(&a, fake_vnl("ptp", "net"), "vde0", in_directory("no/such")), -ENOENT);
	assert_int_equal(fake_open(&a, fake_vnl("ptp", "net"), "vde0", fake_directory()), -EISDIR);
	assert_int_equal(fake_open(&a, fake_vnl("ptp", "net"), "vde0", "/dev/full"), -ENOSPC);
	/* Nor is one left behind by a network that cannot be joined. */
	assert_int_equal(fake_open(&a, "ptp:///no/such/directory", "vde0", in_directory("left.pcap")), -ENOENT);
	fake_close(&a);
}

static void ports_may_share_a_file(void **state)
{
	struct timespec last = {0};
	struct fake a, b;
	const char *path, *alias;
	bool whole;
	pcap_t *file;

	(void)state;
	path = in_directory("both.pcap");
	alias = in_directory("alias.pcap");
	fake_init(&a);
	assert_int_equal(fake_open(&a, fake_vnl("ptp", "net"), "vde0", path), 0);
	assert_return_code(symlink("both.pcap", alias), errno);
	fake_init(&b);
	assert_int_equal(fake_open(&b, fake_vnl("ptp", "net"), "eth1", alias), 0);
	/* Each frame is seen by its sender and by its receiver, in this order: they share a loop. */
	for (unsigned int i = 0; i < 50; i++)
		send_one(&b, &a, i);
	fake_close(&b);
	/* The first is still capturing. */
	fake_init(&b);
	assert_int_equal(fake_open(&b, fake_vnl("ptp", "net"), "eth1", NULL), 0);
	send_one(&b, &a, 50);
	close_pair(&a, &b);
	assert_int_equal(count_records(path, &whole), 101);
	assert_true(whole);
	file = open_capture(path);
	for (unsigned int i = 0; i < 50; i++) {
		check_record(file, i, &last);
		check_record(file, i, &last);
	}
	check_record(file, 50, &last);
	pcap_close(file);
}

/** wait_records - wait until a file that is being written has @count records */
static void wait_records(const char *path, unsigned int count)
{
	long end = wait_now_ms() + WAIT_MS;
	unsigned int n;
	bool whole;

	do
		n = count_records(path, &whole);
	while (n < count && wait_again(end));
	assert_int_equal(n, count);
}

static void a_crash_loses_nothing_that_is_old(void **state)
{
	const char *path = in_directory("crash.pcap");
	struct timespec last = {0};
	int status, ready[2];
	char byte;
	pcap_t *file;
	pid_t child;

	(void)state;
	assert_return_code(pipe2(ready, O_CLOEXEC), errno);
	child = fork();
	assert_return_code(child, errno);
	if (child == 0) {
		struct fake a, b;

		alarm(3 * WAIT_MS / 1000);
		open_pair(&a, &b, NULL, path);
		for (unsigned int i = 0; i < 30; i++)
			send_one(&b, &a, i);
		if (write(ready[1], "r", 1) == 1)
			for (;;)
				pause();
		_exit(1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	/* The child does nothing any more; what it did reaches the file by itself. */
	wait_records(path, 30);
	assert_return_code(kill(child, SIGKILL), errno);
	assert_int_equal(waitpid(child, &status, 0), child);
	file = open_capture(path);
	for (unsigned int i = 0; i < 30; i++)
		check_record(file, i, &last);
	pcap_close(file);
}

static void a_child_writes_nothing_of_its_parent(void **state)
{
	const char *path = in_directory("fork.pcap");
	struct fake a, b;
	bool whole;

	(void)state;
	open_pair(&a, &b, NULL, path);
	for (unsigned int i = 0; i < 40; i++) {
		int status;
		pid_t child;

		send_one(&b, &a, i);
		child = fork();
		assert_return_code(child, errno);
		if (child == 0) {
			alarm(3 * WAIT_MS / 1000);
			if (i % 2)
				link_port_close(b.port);
			fflush(NULL); /* as exit(3) would */
			_exit(0);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
	}
	close_pair(&a, &b);
	assert_int_equal(count_records(path, &whole), 40);
	assert_true(whole);
}

static void a_full_disk_stops_the_capture_alone(void **state)
{
	const char *path = in_directory("full.pcap");
	struct rlimit old, small;
	struct fake a, b;
	char text[512] = "", *line;
	int saved, error;
	ssize_t len;

	(void)state;
	error = memfd_create("stderr", MFD_CLOEXEC);
	saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	assert_return_code(error, errno);
	assert_return_code(saved, errno);
	open_pair(&a, &b, NULL, path);
	signal(SIGXFSZ, SIG_IGN);
	assert_return_code(getrlimit(RLIMIT_FSIZE, &old), errno);
	small = old;
	small.rlim_cur = 20000;
	assert_return_code(setrlimit(RLIMIT_FSIZE, &small), errno);
	dup2(error, STDERR_FILENO);
	for (unsigned int i = 0; i < 100; i++)
		send_one(&b, &a, i);
	close_pair(&a, &b);
	dup2(saved, STDERR_FILENO);
	assert_return_code(setrlimit(RLIMIT_FSIZE, &old), errno);
	signal(SIGXFSZ, SIG_DFL);
	/* One line, which names the file. */
	len = pread(error, text, sizeof(text) - 1, 0);
	close(error);
	close(saved);
	assert_true(len > 0);
	assert_non_null(strstr(text, path));
	line = strchr(text, '\n');
	assert_non_null(line);
	assert_string_equal(line, "\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_remember, fake_nothing_left)
	        TEST(a_crash_loses_nothing_that_is_old), /* first: its child starts threads */
	        TEST(both_directions_are_recorded),
	        TEST(names_are_filled_in),
	        TEST(a_capture_that_cannot_start_is_an_error),
	        TEST(ports_may_share_a_file),
	        TEST(a_child_writes_nothing_of_its_parent),
	        TEST(a_full_disk_stops_the_capture_alone),
	};

	return cmocka_run_group_tests(tests, fake_group, NULL);
}
