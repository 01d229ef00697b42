/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* inet_ip.c - see inet_ip.h. */
#include <ctype.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "inet_ip.h"
#include "netns.h"
#include "nlq_relay.h"

#define CONNECTIONS 8

static char path[] = "/tmp/inet_ip.XXXXXX/socket";
static int listener = -1;
static int connections[CONNECTIONS];
static int connected;

int ip_begin(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	char *slash = strrchr(path, '/');
	int forbidden;

	if (system("ip -V >/dev/null 2>&1") != 0) { /* NOLINT(cert-env33-c): a fixed command */
		printf("skipped: there is no ip(8) (Debian: iproute2) to compare with\n");
		return 77;
	}
	forbidden = netns_private();
	if (forbidden != 0) {
		printf("skipped: user and network namespaces are forbidden here: %s\n", strerror(-forbidden));
		return 77;
	}
	*slash = '\0';
	if (mkdtemp(path) == NULL)
		abort();
	*slash = '/';
	memcpy(addr.sun_path, path, sizeof(path));
	listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (bind(listener, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(listener, CONNECTIONS) < 0)
		abort();
	return 0;
}

void ip_end(void)
{
	close(listener);
	unlink(path);
	*strrchr(path, '/') = '\0';
	rmdir(path);
}

/** serve - answer one datagram of requests; false when the connection has ended */
static bool serve(struct fake *fake, int fd)
{
	static unsigned char datagram[65536];
	struct relay_header header;
	ssize_t got = recv(fd, datagram, sizeof(datagram), 0);
	struct nlq_msg *queue;

	if (got < (ssize_t)sizeof(header))
		return false;
	memcpy(&header, datagram, sizeof(header));
	queue = nlq_process_datagram(datagram + sizeof(header), (size_t)got - sizeof(header), inet_handlers, fake->inet,
	                             header.portid, header.options);
	nlq_pack(&queue, 4096);
	for (; queue != NULL; nlq_dropmsg(&queue)) {
		const struct nlq_msg *msg = nlq_head(queue);

		assert_int_equal(send(fd, msg->nlq_packet, msg->nlq_size, MSG_NOSIGNAL), msg->nlq_size);
	}
	return true;
}

/** serve_all - until the pipe from the command has ended; what came through it is in @text */
static void serve_all(struct fake *fake, int pipe_fd, char text[IP_TEXT])
{
	size_t len = 0;

	for (;;) {
		struct pollfd fds[2 + CONNECTIONS] = {{pipe_fd, POLLIN, 0}, {listener, POLLIN, 0}};
		int polled = connected;

		for (int i = 0; i < polled; i++)
			fds[2 + i] = (struct pollfd){connections[i], POLLIN, 0};
		assert_true(poll(fds, (nfds_t)(2 + polled), 60000) > 0); /* it does something, or it hangs */
		for (int i = polled - 1; i >= 0; i--) {
			if (fds[2 + i].revents == 0 || serve(fake, connections[i]))
				continue;
			close(connections[i]);
			connections[i] = connections[--connected];
		}
		if (fds[1].revents != 0) {
			assert_true(connected < CONNECTIONS);
			connections[connected++] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		}
		if (fds[0].revents != 0) {
			ssize_t got = read(pipe_fd, text + len, IP_TEXT - 1 - len);

			assert_true(got >= 0);
			if (got == 0)
				break;
			len += (size_t)got;
		}
	}
	text[len] = '\0';
}

int ip_run(struct fake *fake, const char *command, char text[IP_TEXT])
{
	int fds[2], status;
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(fds[1], STDOUT_FILENO);
		dup2(fds[1], STDERR_FILENO);
		if (fake != NULL) {
			setenv("LD_PRELOAD", RELAY_LIBRARY, 1);
			setenv(RELAY_PATH, path, 1);
		}
		execlp("sh", "sh", "-c", command, (char *)NULL);
		_exit(99);
	}
	close(fds[1]);
	serve_all(fake, fds[0], text);
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	while (connected > 0)
		close(connections[--connected]);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/** blot - put @with in the place of the next @len bytes at @at */
static void blot(char *at, size_t len, const char *with)
{
	size_t new = strlen(with);

	assert_true(new <= len);
	memcpy(at, with, new);
	memmove(at + new, at + len, strlen(at + len) + 1);
}

/** blot_after - remove the word that follows @what, and @what, wherever it is, and put @with there */
static void blot_after(char *text, const char *what, const char *with)
{
	for (char *at = text; (at = strstr(at, what)) != NULL; at += strlen(with))
		blot(at, strlen(what) + strcspn(at + strlen(what), " :\n"), with);
}

/**
 * normalize - what may differ: the words of an error; seconds left, of which one may have passed; what the kernel's
 * interfaces are as pairs; a state that the kernel follows up on later
 */
static void normalize(char *text)
{
	char *at = text;

	for (char *error;
	     (error = strstr(text, "RTNETLINK answers: ")) != NULL || (error = strstr(text, "Error: ")) != NULL;)
		blot(error, strcspn(error, "\n"), "!");
	while ((at = strstr(at, "sec")) != NULL) {
		char *digit = at;

		while (digit > text && isdigit((unsigned char)digit[-1]))
			digit--;
		if (digit > text && digit[-1] == '-')
			digit--; /* some kernels are wrong about the end of a prefix route */
		if (digit < at)
			blot(digit, (size_t)(at - digit), "N");
		at = digit + 3;
	}
	blot_after(text, "@if", "");
	blot_after(text, " link-netnsid ", "");
	blot_after(text, " state ", "");
}

/** put - write to a file of /proc */
static void put(const char *file, const char *value)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, value, strlen(value)), strlen(value));
	close(fd);
}

/** make_kernel_net - d0 and d1, whose other ends are up in a namespace that nobody sees; that one's descriptor */
static int make_kernel_net(void)
{
	static const char *const names[] = {"d0", "d1"};
	static char text[IP_TEXT];
	int peers, here;

	assert_int_equal(unshare(CLONE_NEWNET), 0);
	peers = netns_open();
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	here = netns_open();
	put("/proc/sys/net/ipv6/conf/default/dad_transmits", "0");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(netns_veth(names[i], peers), 0);
		assert_int_equal(netns_enter(peers), 0);
		assert_int_equal(netns_link_up(names[i]), 0);
		assert_int_equal(netns_enter(here), 0);
	}
	close(here);
	assert_int_equal(ip_run(NULL,
	                        "ip link set d0 address 02:00:00:00:00:07; ip link set d1 address 02:00:00:00:00:08",
	                        text),
	                 0);
	return peers;
}

static void make_net(struct fake *fake)
{
	static const unsigned char mac[2][6] = {{2, 0, 0, 0, 0, 7}, {2, 0, 0, 0, 0, 8}};
	struct inet_iface *iface;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(inet_iface_new(fake->inet, i == 0 ? "d0" : "d1", "vde", "null://", mac[i], 0, &iface),
		                 0);
		iface->dad_transmits = 0;
	}
}

/** first_difference - where the first line begins that is not the same in both */
static size_t first_difference(const char *a, const char *b)
{
	size_t line = 0;

	for (size_t i = 0; a[i] == b[i] && a[i] != '\0'; i++)
		if (a[i] == '\n')
			line = i + 1;
	return line;
}

/* What only shows something is asked again while the kernel follows up */
bool ip_same(struct fake *fake, const char *command)
{
	static char on_linux[IP_TEXT], here[IP_TEXT];
	bool shows = strstr(command, " show") != NULL || strstr(command, " get ") != NULL;
	int linux_status, status = ip_run(fake, command, here);
	time_t patience = time(NULL) + 5;
	size_t unlike;

	normalize(here);
	do {
		linux_status = ip_run(NULL, command, on_linux);
		normalize(on_linux);
		if (status == linux_status && strcmp(on_linux, here) == 0)
			return true;
	} while (shows && time(NULL) < patience);
	unlike = first_difference(on_linux, here);
	print_error("%s\nLinux, %d:\n%.800s\n", command, linux_status, on_linux + unlike);
	print_error("here, %d:\n%.800s\n", status, here + unlike);
	return false;
}

int ip_open(struct fake *fake)
{
	make_net(fake);
	return make_kernel_net();
}

void ip_compare(struct fake *fake, const char *const *commands)
{
	int peers = ip_open(fake), failed = 0;

	for (; *commands != NULL && failed < 5; commands++)
		failed += !ip_same(fake, *commands);
	close(peers);
	assert_int_equal(failed, 0);
}
