/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * relay.c - bytes between a socket of a stack and two descriptors of the host.
 *
 * One thread, two directions. Writing may block, as it should: what cannot be written need not be read.
 */
#include "relay.h"

#include <errno.h>
#include <ioth.h>
#include <poll.h>
#include <unistd.h>

#define IDLE 1000 /* milliseconds without a datagram, after which no answer is expected any more */

/** write_all - @len bytes; 0 or a negative errno */
static int write_all(int fd, const char *buf, size_t len)
{
	while (len > 0) {
		ssize_t done = ioth_write(fd, buf, len);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		buf += done;
		len -= (size_t)done;
	}
	return 0;
}

/** copy - once; 1, 0 at the end of @from, or a negative errno with *@what */
static int copy(int from, int to, bool datagrams, const char *reading, const char *writing, const char **what)
{
	char buf[65536];
	ssize_t len = ioth_read(from, buf, sizeof(buf));
	int err;

	if (len < 0) {
		*what = reading;
		return errno == EINTR || errno == EAGAIN ? 1 : -errno;
	}
	if (len == 0 && !datagrams)
		return 0;
	err = write_all(to, buf, (size_t)len);
	*what = writing;
	return err ? err : 1;
}

int relay(int sock, int in, int out, bool datagrams, const char **what)
{
	struct pollfd fds[2] = {{.fd = sock, .events = POLLIN}, {.fd = in, .events = POLLIN}};

	while (fds[0].fd >= 0 || fds[1].fd >= 0) {
		int ready = poll(fds, 2, datagrams && fds[1].fd < 0 ? IDLE : -1), result;

		if (ready < 0 && errno != EINTR) {
			*what = "waiting";
			return -errno;
		}
		if (ready == 0)
			break;
		if (fds[1].revents) {
			result = copy(in, sock, false, "reading the input", "sending", what);
			if (result < 0)
				return result;
			if (result == 0) {
				fds[1].fd = -1;
				if (!datagrams && ioth_shutdown(sock, SHUT_WR) < 0 && errno != ENOTCONN) {
					*what = "ending the connection";
					return -errno;
				}
			}
		}
		if (fds[0].revents) {
			result = copy(sock, out, datagrams, "receiving", "writing the output", what);
			if (result < 0)
				return result;
			if (result == 0)
				fds[0].fd = -1;
			/* A person has nothing more to say to somebody who has gone. */
			if (result == 0 && isatty(in))
				break;
		}
	}
	return 0;
}
