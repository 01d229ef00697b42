/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* inet_ip.c - see inet_ip.h. */
#include <ctype.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "inet_ip.h"
#include "netns.h"
#include "relay_server.h"

int ip_begin(void)
{
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
	relay_begin();
	return 0;
}

void ip_end(void)
{
	relay_end();
}

static struct nlq_msg *answer(void *of, const void *requests, size_t len, uint32_t portid, unsigned int options)
{
	struct fake *fake = of;

	return nlq_process_datagram(requests, len, inet_handlers, fake->inet, portid, options);
}

int ip_run(struct fake *fake, const char *command, char text[IP_TEXT])
{
	struct relay_stack stack = {.answer = answer, .of = fake};

	return relay_run(fake != NULL ? &stack : NULL, command, text);
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
