/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* errors.c - bad pointers and exhausted resources. */
#include "conf.h"

#include <fcntl.h>
#include <sys/resource.h>

/** nowhere - an address at which there is nothing; volatile, so that the compiler does not know better */
static void *nowhere(void)
{
	static void *volatile bad = (void *)8;

	return bad;
}

CASE(fault, buffers, INET, "a buffer that is not there is EFAULT, and does no other harm")
{
	struct pair p = tcp_pair(c), q = udp_pair(c);

	if (SANITIZER)
		SKIP("a sanitizer ends the program when it is given a bad pointer");
	CHECK_ERR(ioth_send(p.a, nowhere(), 10, 0), EFAULT);
	CHECK_ERR(ioth_send(q.a, nowhere(), 10, 0), EFAULT);
	send_text(p.a, "abc");
	CHECK_POLL(p.b, POLLIN | POLLOUT);
	CHECK_ERR(ioth_recv(p.b, nowhere(), 3, 0), EFAULT);
	recv_text(p.b, "abc");
}

CASE(fault, addresses, INET, "an address or option that is not there is EFAULT")
{
	struct pair p = udp_pair(c);
	int fd = sock(c, c->a, SOCK_STREAM);
	struct addr addr = {.len = sizeof(addr.ss)};

	if (SANITIZER)
		SKIP("a sanitizer ends the program when it is given a bad pointer");
	CHECK_ERR(ioth_connect(fd, nowhere(), sizeof(addr.in6)), EFAULT);
	CHECK_ERR(ioth_bind(fd, nowhere(), sizeof(addr.in6)), EFAULT);
	CHECK_ERR(ioth_sendto(p.a, "x", 1, 0, nowhere(), sizeof(addr.in6)), EFAULT);
	CHECK_ERR(ioth_getsockname(fd, nowhere(), &addr.len), EFAULT);
	CHECK_ERR(ioth_getsockname(fd, &addr.sa, nowhere()), EFAULT);
	CHECK_ERR(ioth_setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, nowhere(), sizeof(int)), EFAULT);
	CHECK_ERR(ioth_getsockopt(fd, SOL_SOCKET, SO_TYPE, nowhere(), &addr.len), EFAULT);
	CHECK_ERR(ioth_recvmsg(p.a, nowhere(), MSG_DONTWAIT), EFAULT);
	CHECK_ERR(ioth_sendmsg(p.a, nowhere(), 0), EFAULT);
}

CASE(limit, descriptors, INET,
     "without a free descriptor socket, accept and dup are EMFILE; the connection stays in the queue")
{
	struct addr addr;
	int server = listener(c, c->b, &addr);
	int client = sock(c, c->a, SOCK_STREAM);
	struct rlimit before, tight;

	CHECK_OK(ioth_connect(client, &addr.sa, addr.len));
	CHECK_POLL(server, POLLIN);
	CHECK_OK(getrlimit(RLIMIT_NOFILE, &before));
	tight = before;
	tight.rlim_cur = (rlim_t)dup(0);
	CHECK_OK(close((int)tight.rlim_cur));
	CHECK_OK(setrlimit(RLIMIT_NOFILE, &tight));
	CHECK_ERR(ioth_msocket(c->a, c->family, SOCK_STREAM, 0), EMFILE);
	CHECK_ERR(ioth_accept(server, NULL, NULL), EMFILE);
	CHECK_ERR(ioth_dup(server), EMFILE);
	CHECK_ERR(ioth_fcntl(server, F_DUPFD, 0), EMFILE);
	CHECK_OK(setrlimit(RLIMIT_NOFILE, &before));
	accepted(c, server);
	sock(c, c->a, SOCK_STREAM);
}

CASE(limit, newstack, ONCE, "ioth_newstack without descriptors fails and leaves nothing", LIMITS(OTHERS_NETWORKS))
{
	struct rlimit before, tight;
	char vnl[256];
	struct ioth *s;
	int error;

	/* another network of the kind that is tested: loading a module of libvdeplug would fail in its own way */
	snprintf(vnl, sizeof(vnl), "%sother", c->vnl);
	CHECK_OK(getrlimit(RLIMIT_NOFILE, &before));
	tight = before;
	tight.rlim_cur = (rlim_t)dup(0);
	CHECK_OK(close((int)tight.rlim_cur));
	for (int room = 0; room < 6; room++) {
		tight.rlim_cur++;
		CHECK_OK(setrlimit(RLIMIT_NOFILE, &tight));
		errno = 0;
		s = ioth_newstack(c->stack, oracle(c) ? NULL : vnl);
		error = errno;
		CHECK_OK(setrlimit(RLIMIT_NOFILE, &before));
		/* A stack that needs no descriptor of its own is free to succeed. */
		if (s != NULL)
			CHECK_OK(ioth_delstack(s));
		else if (error != EMFILE)
			FAIL("with %d descriptors to spare: expected EMFILE, got %s", room + 1, strerrorname_np(error));
	}
}
