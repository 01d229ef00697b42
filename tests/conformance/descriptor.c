/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* descriptor.c - sockets as descriptors: dup(2), close(2), fcntl(2), other descriptors passed through, bad ones. */
#include "conf.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/un.h>

CASE(dup, shares, INET, "ioth_dup gives a second name of the same socket: queue, flags and life are shared")
{
	struct pair p = tcp_pair(c);
	int fd = keep(c, ioth_dup(p.b));

	CHECK(fd != p.b);
	CHECK_INT(ioth_fcntl(fd, F_GETFD, 0), 0);
	send_text(p.a, "abcdef");
	recv_text(fd, "abc");
	recv_text(p.b, "def");
	nonblock(fd);
	CHECK_INT(ioth_fcntl(p.b, F_GETFL, 0) & O_NONBLOCK, O_NONBLOCK);
	CHECK_ADDR(sockname(fd), sockname(p.b));
	drop(c, p.b);
	CHECK_POLL_NOW(p.a, POLLOUT);
	send_text(p.a, "still there");
	recv_text(fd, "still there");
	drop(c, fd);
	CHECK_POLL(p.a, POLLIN | POLLOUT | POLLRDHUP);
}

CASE(dup, onto, INET, "ioth_dup2 closes what the number was and takes its place; onto itself it does nothing")
{
	struct pair p = tcp_pair(c), q = tcp_pair(c);

	CHECK_INT(ioth_dup2(p.b, p.b), p.b);
	CHECK_INT(ioth_dup2(p.b, q.b), q.b);
	CHECK_POLL(q.a, POLLIN | POLLOUT | POLLRDHUP);
	send_text(p.a, "moved");
	recv_text(q.b, "moved");
	drop(c, p.b);
	send_text(q.b, "back");
	recv_text(p.a, "back");
}

CASE(dup, onto_free, INET,
     "ioth_dup2 and ioth_dup3 onto a free number; dup3 sets FD_CLOEXEC and refuses the same number")
{
	struct pair p = udp_pair(c);
	int free_fd = p.b + 100;

	CHECK_INT(keep(c, ioth_dup2(p.b, free_fd)), free_fd);
	CHECK_INT(keep(c, ioth_dup3(p.b, free_fd + 1, O_CLOEXEC)), free_fd + 1);
	CHECK_INT(ioth_fcntl(free_fd, F_GETFD, 0), 0);
	CHECK_INT(ioth_fcntl(free_fd + 1, F_GETFD, 0), FD_CLOEXEC);
	CHECK_ERR(ioth_dup3(p.b, p.b, 0), EINVAL);
	CHECK_ERR(ioth_dup3(p.b, free_fd, O_APPEND), EINVAL);
	send_text(p.a, "x");
	recv_text(free_fd + 1, "x");
}

CASE(dup, errors, ONCE, "dup of what is not open is EBADF, and so is a number out of range")
{
	int fd = sockp(c, c->a, AF_INET, SOCK_DGRAM, 0);

	CHECK_ERR(ioth_dup(-1), EBADF);
	CHECK_ERR(ioth_dup(fd + 50), EBADF);
	CHECK_ERR(ioth_dup2(fd + 50, fd), EBADF);
	CHECK_ERR(ioth_dup2(fd, -1), EBADF);
	CHECK_ERR(ioth_dup2(fd, INT_MAX), EBADF);
	CHECK_ERR(ioth_dup3(fd, -1, 0), EBADF);
	CHECK_INT(ioth_fcntl(fd, F_GETFD, 0), 0);
}

CASE(dup, fcntl, INET, "F_DUPFD and F_DUPFD_CLOEXEC make names of the socket, too")
{
	struct pair p = udp_pair(c);
	int fd = keep(c, ioth_fcntl(p.b, F_DUPFD, 60));
	int closing = keep(c, ioth_fcntl(p.b, F_DUPFD_CLOEXEC, 0));

	CHECK(fd >= 60);
	CHECK_INT(ioth_fcntl(closing, F_GETFD, 0), FD_CLOEXEC);
	drop(c, p.b);
	send_text(p.a, "1");
	recv_text(fd, "1");
	send_text(p.a, "2");
	recv_text(closing, "2");
}

CASE(dup, plain, INET, "what plain dup(2) makes is the same socket as well", LIMITS(NO_PLAIN_DUP))
{
	struct pair p = tcp_pair(c);
	int fd = dup(p.b);

	CHECK(fd >= 0);
	send_text(p.a, "abc");
	recv_text(fd, "abc");
	CHECK_ADDR(peername(fd), sockname(p.a));
	SETOPT(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	CHECK_OPT(p.b, SOL_SOCKET, SO_KEEPALIVE, 1);
	drop(c, p.b);
	send_text(p.a, "def");
	recv_text(fd, "def");
	CHECK_OK(ioth_close(fd));
	CHECK_POLL(p.a, POLLIN | POLLOUT | POLLRDHUP);
}

CASE(close, twice, INET, "closing twice is EBADF the second time")
{
	int fd = sock(c, c->a, SOCK_STREAM);

	drop(c, fd);
	CHECK_ERR(ioth_close(fd), EBADF);
	CHECK_ERR(close(fd), EBADF);
}

CASE(close, frees_name, INET, "a name is free the moment its socket is closed, three hundred times in a row")
{
	const int types[] = {SOCK_DGRAM, SOCK_STREAM};

	for (int i = 0; i < 2; i++) {
		struct addr addr;
		int fd = bound(c, c->a, types[i], &addr);

		for (int n = 0; n < 300; n++) {
			drop(c, fd);
			fd = sock(c, c->a, types[i]);
			CHECK_OK(ioth_bind(fd, &addr.sa, addr.len));
		}
	}
}

CASE(close, plain, INET, "a plain close(2) closes the socket: the peer sees it, the name is free")
{
	struct pair p = tcp_pair(c);
	struct addr addr;
	int fd = bound(c, c->a, SOCK_DGRAM, &addr);

	conf_forget(c, p.b);
	CHECK_OK(close(p.b));
	CHECK_POLL(p.a, POLLIN | POLLOUT | POLLRDHUP);
	CHECK_ERR(ioth_send(p.b, "x", 1, 0), EBADF);
	conf_forget(c, fd);
	CHECK_OK(close(fd));
	fd = sock(c, c->a, SOCK_DGRAM);
	CHECK_OK(ioth_bind(fd, &addr.sa, addr.len));
}

CASE(close, reused_by_file, INET, "a file opened on the number of a socket closed by close(2) is read as a file")
{
	int fd = sock(c, c->a, SOCK_STREAM);
	char path[256], text[8];

	snprintf(path, sizeof(path), "%s/file", c->dir);
	conf_forget(c, fd);
	CHECK_OK(close(fd));
	CHECK_INT(open(path, O_RDWR | O_CREAT | O_EXCL, 0600), fd);
	CHECK_LEN(ioth_write(fd, "written", 7), 7);
	CHECK_INT(lseek(fd, 0, SEEK_SET), 0);
	CHECK_LEN(ioth_read(fd, text, sizeof(text)), 7);
	CHECK_MEM(text, "written", 7);
	CHECK_ERR(ioth_recv(fd, text, 1, 0), ENOTSOCK);
	CHECK_ERR(ioth_shutdown(fd, SHUT_RD), ENOTSOCK);
	CHECK_OK(ioth_close(fd));
}

CASE(close, reused_by_socket, INET, "a socket of the other host on the number of one closed by close(2) is that host's")
{
	int fd = sock(c, c->a, SOCK_DGRAM), again;
	struct addr b = addr_of(c, c->b, 0);

	conf_forget(c, fd);
	CHECK_OK(close(fd));
	again = sock(c, c->b, SOCK_DGRAM);
	CHECK_INT(again, fd);
	CHECK_OK(ioth_bind(again, &b.sa, b.len));
}

CASE(close, reused_by_native, ONCE, "a plain socket(2) on the number of one closed by close(2) is a plain socket")
{
	int fd = sockp(c, c->a, AF_INET, SOCK_DGRAM, 0);
	int pair[2];

	conf_forget(c, fd);
	CHECK_OK(close(fd));
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	CHECK_INT(pair[0], fd);
	CHECK_OPT(fd, SOL_SOCKET, SO_DOMAIN, AF_UNIX);
	send_text(pair[1], "plain");
	recv_text(fd, "plain");
	CHECK_OK(ioth_close(pair[0]));
	CHECK_OK(ioth_close(pair[1]));
}

CASE(close, dup2_over, INET, "a plain dup2(2) of a pipe over a socket closes the socket and is a pipe")
{
	struct pair p = tcp_pair(c);
	char text[4];
	int pipes[2];

	CHECK_OK(pipe(pipes));
	CHECK_INT(dup2(pipes[0], p.b), p.b);
	CHECK_POLL(p.a, POLLIN | POLLOUT | POLLRDHUP);
	CHECK_LEN(ioth_write(pipes[1], "pipe", 4), 4);
	CHECK_LEN(ioth_read(p.b, text, 4), 4);
	CHECK_MEM(text, "pipe", 4);
	CHECK_OK(ioth_close(pipes[0]));
	CHECK_OK(ioth_close(pipes[1]));
}

/* ---------------------------------------------------------------------------------------------- pass-through */

CASE(through, pipe, ONCE, "the calls work on a pipe as the system calls do")
{
	char one[3], two[3];
	struct iovec out[] = {{(char[]){"ab"}, 2}, {(char[]){"cde"}, 3}}, in[] = {{one, 3}, {two, 3}};
	int pipes[2], n, copy;

	CHECK_OK(pipe(pipes));
	CHECK_LEN(ioth_writev(pipes[1], out, 2), 5);
	CHECK_OK(ioth_ioctl(pipes[0], FIONREAD, &n));
	CHECK_INT(n, 5);
	CHECK_LEN(ioth_readv(pipes[0], in, 2), 5);
	CHECK_MEM(one, "abc", 3);
	CHECK_MEM(two, "de", 2);
	CHECK_OK(ioth_fcntl(pipes[0], F_SETFL, O_NONBLOCK));
	CHECK_ERR(ioth_read(pipes[0], one, 1), EAGAIN);
	CHECK_ERR(ioth_recv(pipes[0], one, 1, 0), ENOTSOCK);
	CHECK_ERR(ioth_send(pipes[1], one, 1, 0), ENOTSOCK);
	CHECK_ERR(ioth_listen(pipes[1], 1), ENOTSOCK);
	copy = CHECK_GE0(ioth_dup(pipes[1]));
	CHECK_OK(ioth_close(pipes[1]));
	CHECK_LEN(ioth_write(copy, "x", 1), 1);
	CHECK_OK(ioth_close(copy));
	CHECK_LEN(ioth_read(pipes[0], one, 3), 1);
	CHECK_LEN(ioth_read(pipes[0], one, 3), 0);
	CHECK_OK(ioth_close(pipes[0]));
}

CASE(through, unix_sockets, ONCE, "and on sockets of the system, descriptors passed along included")
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} ctl = {.head = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
	char byte = 'x';
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &ctl, .msg_controllen = sizeof(ctl)};
	int pair[2], passed;

	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	send_text(pair[0], "hello");
	recv_text(pair[1], "hello");
	CHECK_OPT(pair[0], SOL_SOCKET, SO_TYPE, SOCK_STREAM);
	memcpy(CMSG_DATA(&ctl.head), &pair[0], sizeof(int));
	CHECK_LEN(ioth_sendmsg(pair[0], &msg, 0), 1);
	CHECK_LEN(ioth_recvmsg(pair[1], &msg, MSG_CMSG_CLOEXEC), 1);
	memcpy(&passed, CMSG_DATA(&ctl.head), sizeof(int));
	CHECK_INT(fcntl(passed, F_GETFD), FD_CLOEXEC);
	send_text(passed, "again");
	recv_text(pair[1], "again");
	CHECK_OK(ioth_shutdown(pair[0], SHUT_WR));
	CHECK_LEN(ioth_recv(pair[1], &byte, 1, 0), 0);
	CHECK_OK(ioth_close(passed));
	CHECK_OK(ioth_close(pair[0]));
	CHECK_OK(ioth_close(pair[1]));
}

CASE(through, native_server, ONCE, "a server with plain sockets of the system works beside the stacks")
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int server = keep(c, socket(AF_UNIX, SOCK_STREAM, 0)), client = keep(c, socket(AF_UNIX, SOCK_STREAM, 0));
	struct pair p = tcp_pair(c);
	socklen_t len;
	int fd;

	snprintf(name.sun_path, sizeof(name.sun_path), "%s/s", c->dir);
	CHECK_OK(ioth_bind(server, (struct sockaddr *)&name, sizeof(name)));
	CHECK_OK(ioth_listen(server, 1));
	CHECK_OK(ioth_connect(client, (struct sockaddr *)&name, sizeof(name)));
	len = sizeof(name);
	fd = keep(c, ioth_accept4(server, (struct sockaddr *)&name, &len, SOCK_CLOEXEC));
	send_text(client, "native");
	recv_text(fd, "native");
	send_text(p.a, "stack");
	recv_text(p.b, "stack");
}

CASE(through, passed_socket, INET,
     "a socket of a stack that is passed over a UNIX socket can be used under its new number",
     LIMITS(ONE_PROCESS,
            NOT_CALLS("libioth does not know the new number, and without streams the descriptor carries no bytes")))
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} ctl = {.head = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
	char byte = 'x';
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &ctl, .msg_controllen = sizeof(ctl)};
	struct pair p = tcp_pair(c);
	int pair[2], passed;

	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	memcpy(CMSG_DATA(&ctl.head), &p.b, sizeof(int));
	CHECK_LEN(sendmsg(pair[0], &msg, 0), 1);
	drop(c, p.b);
	CHECK_LEN(recvmsg(pair[1], &msg, 0), 1);
	memcpy(&passed, CMSG_DATA(&ctl.head), sizeof(int));
	send_text(p.a, "passed");
	recv_text(passed, "passed");
	CHECK_OK(ioth_close(passed));
	CHECK_POLL(p.a, POLLIN | POLLOUT | POLLRDHUP);
	close(pair[0]);
	close(pair[1]);
}

/** every_call - make each call on a descriptor and check that it fails with that errno */
static void every_call(int fd, int error)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr *sa = (struct sockaddr *)&in;
	socklen_t len = sizeof(in);
	char byte = 0;
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	struct mmsghdr mmsg = {.msg_hdr = msg};
	int value = 0;
	socklen_t size = sizeof(value);

	CHECK_ERR(ioth_bind(fd, sa, len), error);
	CHECK_ERR(ioth_connect(fd, sa, len), error);
	CHECK_ERR(ioth_listen(fd, 1), error);
	CHECK_ERR(ioth_accept(fd, sa, &len), error);
	CHECK_ERR(ioth_accept4(fd, sa, &len, 0), error);
	CHECK_ERR(ioth_getsockname(fd, sa, &len), error);
	CHECK_ERR(ioth_getpeername(fd, sa, &len), error);
	CHECK_ERR(ioth_setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, size), error);
	CHECK_ERR(ioth_getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, &size), error);
	CHECK_ERR(ioth_shutdown(fd, SHUT_RDWR), error);
	CHECK_ERR(ioth_recv(fd, &byte, 1, MSG_DONTWAIT), error);
	CHECK_ERR(ioth_recvfrom(fd, &byte, 1, MSG_DONTWAIT, sa, &len), error);
	CHECK_ERR(ioth_recvmsg(fd, &msg, MSG_DONTWAIT), error);
	CHECK_ERR(ioth_recvmmsg(fd, &mmsg, 1, MSG_DONTWAIT, NULL), error);
	CHECK_ERR(ioth_send(fd, &byte, 1, MSG_NOSIGNAL), error);
	CHECK_ERR(ioth_sendto(fd, &byte, 1, MSG_NOSIGNAL, sa, sizeof(in)), error);
	CHECK_ERR(ioth_sendmsg(fd, &msg, MSG_NOSIGNAL), error);
	CHECK_ERR(ioth_sendmmsg(fd, &mmsg, 1, MSG_NOSIGNAL), error);
}

/** every_io - the same with the calls that are not for sockets alone */
static void every_io(int fd, int error)
{
	char byte = 0;
	struct iovec iov = {&byte, 1};
	int value = 0;

	CHECK_ERR(ioth_read(fd, &byte, 1), error);
	CHECK_ERR(ioth_readv(fd, &iov, 1), error);
	CHECK_ERR(ioth_write(fd, &byte, 1), error);
	CHECK_ERR(ioth_writev(fd, &iov, 1), error);
	CHECK_ERR(ioth_ioctl(fd, FIONREAD, &value), error);
	CHECK_ERR(ioth_fcntl(fd, F_GETFL, 0), error);
	CHECK_ERR(ioth_sockatmark(fd), error);
	CHECK_ERR(ioth_dup(fd), error);
	CHECK_ERR(ioth_close(fd), error);
}

CASE(bad, negative, ONCE, "every call on -1, and on other negative numbers, is EBADF")
{
	every_call(-1, EBADF);
	every_io(-1, EBADF);
	every_call(INT_MIN, EBADF);
	every_io(INT_MIN, EBADF);
}

CASE(bad, huge, ONCE, "every call on a number beyond all limits is EBADF")
{
	every_call(INT_MAX, EBADF);
	every_io(INT_MAX, EBADF);
	every_call(1 << 20, EBADF);
	every_io(1 << 20, EBADF);
}

CASE(bad, closed, ONCE, "every call on a descriptor that was a socket, closed either way, is EBADF")
{
	int one = sockp(c, c->a, AF_INET, SOCK_STREAM, 0), two = sockp(c, c->a, AF_INET, SOCK_STREAM, 0);

	drop(c, one);
	conf_forget(c, two);
	CHECK_OK(close(two));
	every_call(one, EBADF);
	every_io(one, EBADF);
	every_call(two, EBADF);
	every_io(two, EBADF);
}

CASE(bad, not_a_socket, ONCE, "every socket call on a file is ENOTSOCK")
{
	int fd = keep(c, open("/dev/null", O_RDWR));

	every_call(fd, ENOTSOCK);
}

CASE(descriptor, kind, INET, "fstat says socket, lseek is ESPIPE")
{
	int fd = sock(c, c->a, SOCK_STREAM);
	struct stat st;

	CHECK_OK(fstat(fd, &st));
	CHECK(S_ISSOCK(st.st_mode));
	CHECK_ERR(lseek(fd, 0, SEEK_SET), ESPIPE);
}
