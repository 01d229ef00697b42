/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* shm_ports.c - see shm_ports.h. */
#include "shm_ports.h"

#include "left.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

char shm_dir[] = "/tmp/shm-test-XXXXXX";
char shm_net[64], shm_url[160];
static char description[] = "test";
static struct left before;

VDECONN *join(const char *options)
{
	char text[300];

	snprintf(text, sizeof(text), "%s%s", shm_url, options);
	return vde_open(text, description, NULL);
}

VDECONN *port(void)
{
	VDECONN *conn = join("");

	if (!conn)
		fail_msg("vde_open %s: %s", shm_url, strerror(errno));
	return conn;
}

void frame(unsigned char *out, size_t len, unsigned int to, unsigned int from, uint32_t what)
{
	memset(out, 0, len);
	if (to == 0xff)
		memset(out, 0xff, 6);
	else
		out[0] = 2, out[5] = (unsigned char)to;
	out[6] = 2;
	out[11] = (unsigned char)from;
	memcpy(out + 14, &what, sizeof(what));
}

void say(VDECONN *conn, unsigned int to, unsigned int from, uint32_t what)
{
	unsigned char f[64];

	frame(f, sizeof(f), to, from, what);
	assert_int_equal(vde_send(conn, f, sizeof(f), 0), sizeof(f));
}

int64_t heard(VDECONN *conn)
{
	unsigned char f[100];
	uint32_t what;
	ssize_t n = vde_recv(conn, f, sizeof(f), MSG_DONTWAIT);

	if (n < 0) {
		assert_int_equal(errno, EAGAIN);
		return -1;
	}
	assert_int_equal(n, 64);
	memcpy(&what, f + 14, sizeof(what));
	return what;
}

bool readable(VDECONN *conn)
{
	struct pollfd p = {.fd = vde_datafd(conn), .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

int shm_begin(void **state)
{
	(void)state;
	snprintf(shm_net, sizeof(shm_net), "%s/net", shm_dir);
	snprintf(shm_url, sizeof(shm_url), "shm://%s", shm_net);
	return left_count(&before);
}

int shm_end(void **state)
{
	char text[512];
	struct stat st;

	(void)state;
	if (stat(shm_net, &st) == 0) {
		print_error("%s is still there\n", shm_net);
		return -1;
	}
	if (left_since(&before, text, sizeof(text)) != 0) {
		print_error("left: %s\n", text);
		return -1;
	}
	return 0;
}

bool shm_start(void)
{
	VDECONN *conn;

	if (!mkdtemp(shm_dir) || chmod(shm_dir, 0755) != 0)
		return false;
	/* A sanitizer starts a thread with our first one, and keeps it. */
	snprintf(shm_url, sizeof(shm_url), "shm://%s/first", shm_dir);
	conn = join("");
	return conn && vde_close(conn) == 0;
}

int shm_stop(void **state)
{
	(void)state;
	return rmdir(shm_dir);
}
