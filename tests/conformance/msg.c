/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* msg.c - flags and structures of sending and receiving: send(2), recv(2), sendmmsg(2), recvmmsg(2). */
#include "conf.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>

CASE(msg, peek_stream, INET, "MSG_PEEK shows bytes of a stream and leaves them")
{
	struct pair p = tcp_pair(c);
	char text[8];

	send_text(p.a, "abcdef");
	CHECK_POLL(p.b, POLLIN | POLLOUT);
	CHECK_LEN(ioth_recv(p.b, text, 3, MSG_PEEK), 3);
	CHECK_LEN(ioth_recv(p.b, text, sizeof(text), MSG_PEEK), 6);
	CHECK_MEM(text, "abcdef", 6);
	recv_text(p.b, "abcdef");
}

CASE(msg, peek_datagram, INET, "MSG_PEEK shows a datagram and its sender and leaves it; with MSG_TRUNC its true length")
{
	struct pair p = udp_pair(c);
	struct addr from = {.len = sizeof(from.ss)};
	char text[8];

	send_text(p.a, "abcdef");
	CHECK_POLL(p.b, POLLIN | POLLOUT);
	CHECK_LEN(ioth_recvfrom(p.b, text, sizeof(text), MSG_PEEK, &from.sa, &from.len), 6);
	CHECK_ADDR(from, sockname(p.a));
	CHECK_LEN(ioth_recv(p.b, text, 2, MSG_PEEK), 2);
	CHECK_LEN(ioth_recv(p.b, text, 2, MSG_PEEK | MSG_TRUNC), 6);
	recv_text(p.b, "abcdef");
	CHECK_ERR(ioth_recv(p.b, text, 1, MSG_PEEK | MSG_DONTWAIT), EAGAIN);
}

CASE(msg, peek_eof, INET, "MSG_PEEK at the end of a stream is 0")
{
	struct pair p = tcp_pair(c);
	char byte;

	drop(c, p.a);
	CHECK_POLL(p.b, POLLIN | POLLOUT | POLLRDHUP);
	CHECK_LEN(ioth_recv(p.b, &byte, 1, MSG_PEEK), 0);
	CHECK_LEN(ioth_recv(p.b, &byte, 1, 0), 0);
}

CASE(msg, dontwait, INET, "MSG_DONTWAIT is EAGAIN on a blocking socket, in both directions")
{
	struct pair stream = tcp_pair(c), datagram = udp_pair(c);
	static char chunk[65536];
	char byte;

	CHECK_ERR(ioth_recv(stream.a, &byte, 1, MSG_DONTWAIT), EAGAIN);
	CHECK_ERR(ioth_recv(datagram.a, &byte, 1, MSG_DONTWAIT), EAGAIN);
	while (ioth_send(stream.a, chunk, sizeof(chunk), MSG_DONTWAIT) > 0)
		;
	CHECK_INT(errno, EAGAIN);
}

CASE(msg, waitall, INET, "MSG_WAITALL collects what arrives in parts")
{
	struct pair p = tcp_pair(c);
	char text[8] = "";
	struct call call = {.run = call_recv, .fd = p.b, .buf = text, .len = 6, .flags = MSG_WAITALL};

	call_start(&call);
	call_blocked(&call);
	send_text(p.a, "abc");
	crossed(c, c->a, c->b);
	call_blocked(&call);
	send_text(p.a, "def");
	CHECK_CALL(&call, 6, 0);
	CHECK_MEM(text, "abcdef", 6);
}

CASE(msg, waitall_eof, INET, "MSG_WAITALL returns what there is when the stream ends or is reset")
{
	struct linger linger = {1, 0};
	struct pair p = tcp_pair(c), q = tcp_pair(c);
	char text[8];

	send_text(p.a, "abc");
	drop(c, p.a);
	CHECK_LEN(ioth_recv(p.b, text, 8, MSG_WAITALL), 3);
	CHECK_LEN(ioth_recv(p.b, text, 8, MSG_WAITALL), 0);
	CHECK_OK(ioth_setsockopt(q.a, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	send_text(q.a, "abc");
	CHECK_POLL(q.b, POLLIN | POLLOUT);
	drop(c, q.a);
	CHECK_POLL(q.b, POLLIN | POLLOUT | POLLRDHUP | POLLERR | POLLHUP);
	CHECK_LEN(ioth_recv(q.b, text, 8, MSG_WAITALL), 3);
	CHECK_ERR(ioth_recv(q.b, text, 8, MSG_WAITALL), ECONNRESET);
}

CASE(msg, waitall_nonblocking, INET, "MSG_WAITALL does not wait on a non-blocking socket")
{
	struct pair p = tcp_pair(c);
	char text[8];

	nonblock(p.b);
	send_text(p.a, "abc");
	CHECK_POLL(p.b, POLLIN | POLLOUT);
	CHECK_LEN(ioth_recv(p.b, text, 8, MSG_WAITALL), 3);
	CHECK_ERR(ioth_recv(p.b, text, 8, MSG_WAITALL), EAGAIN);
}

CASE(msg, trunc_stream, INET, "MSG_TRUNC on a stream throws bytes away and counts them")
{
	struct pair p = tcp_pair(c);

	send_text(p.a, "abcdef");
	CHECK_POLL(p.b, POLLIN | POLLOUT);
	CHECK_LEN(ioth_recv(p.b, NULL, 4, MSG_TRUNC), 4);
	recv_text(p.b, "ef");
}

CASE(msg, oob, INET, "urgent data: POLLPRI, a mark, one byte by MSG_OOB, and the stream without it")
{
	struct pair p = tcp_pair(c);
	char text[8];
	int at;

	CHECK_LEN(ioth_send(p.a, "abX", 3, MSG_OOB), 3);
	CHECK_POLL(p.b, POLLIN | POLLPRI | POLLOUT);
	send_text(p.a, "cd");
	crossed(c, c->a, c->b);
	CHECK_INT(ioth_sockatmark(p.b), 0);
	CHECK_LEN(ioth_recv(p.b, text, sizeof(text), 0), 2);
	CHECK_MEM(text, "ab", 2);
	CHECK_INT(ioth_sockatmark(p.b), 1);
	CHECK_OK(ioth_ioctl(p.b, SIOCATMARK, &at));
	CHECK_INT(at, 1);
	CHECK_LEN(ioth_recv(p.b, text, sizeof(text), MSG_OOB), 1);
	CHECK_MEM(text, "X", 1);
	CHECK_ERR(ioth_recv(p.b, text, sizeof(text), MSG_OOB), EINVAL);
	CHECK_LEN(ioth_recv(p.b, text, sizeof(text), 0), 2);
	CHECK_MEM(text, "cd", 2);
	CHECK_INT(ioth_sockatmark(p.b), 0);
	CHECK_POLL_NOW(p.b, POLLOUT);
}

CASE(msg, oob_none, INET, "MSG_OOB without urgent data is EINVAL; peeking leaves the urgent byte")
{
	struct pair p = tcp_pair(c);
	char byte;

	CHECK_ERR(ioth_recv(p.b, &byte, 1, MSG_OOB), EINVAL);
	CHECK_LEN(ioth_send(p.a, "X", 1, MSG_OOB), 1);
	CHECK_URGENT(p.b);
	CHECK_LEN(ioth_recv(p.b, &byte, 1, MSG_OOB | MSG_PEEK), 1);
	CHECK_URGENT(p.b);
	CHECK_LEN(ioth_recv(p.b, &byte, 1, MSG_OOB), 1);
	CHECK_MEM(&byte, "X", 1);
	CHECK_ERR(ioth_recv(p.b, &byte, 1, MSG_DONTWAIT), EAGAIN);
	CHECK_POLL_NOW(p.b, POLLOUT);
}

CASE(msg, oob_inline, INET, "with SO_OOBINLINE the urgent byte stays in the stream and MSG_OOB is EINVAL")
{
	struct pair p = tcp_pair(c);
	char text[8];

	SETOPT(p.b, SOL_SOCKET, SO_OOBINLINE, 1);
	CHECK_LEN(ioth_send(p.a, "abX", 3, MSG_OOB), 3);
	send_text(p.a, "c");
	CHECK_POLL(p.b, POLLIN | POLLPRI | POLLOUT);
	CHECK_ERR(ioth_recv(p.b, text, 1, MSG_OOB), EINVAL);
	for (int queued = 0; queued < 4;) /* which the network may bring in two segments */
		CHECK_OK(ioth_ioctl(p.b, FIONREAD, &queued));
	CHECK_LEN(ioth_recv(p.b, text, sizeof(text), 0), 2);
	CHECK_INT(ioth_sockatmark(p.b), 1);
	CHECK_LEN(ioth_recv(p.b, text, sizeof(text), 0), 2);
	CHECK_MEM(text, "Xc", 2);
}

CASE(msg, errqueue_empty, INET, "MSG_ERRQUEUE never waits: EAGAIN when nothing is there")
{
	struct pair p = tcp_pair(c);
	int datagram = sock(c, c->a, SOCK_DGRAM);
	char byte;
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	CHECK_ERR(ioth_recvmsg(p.a, &msg, MSG_ERRQUEUE), EAGAIN);
	CHECK_ERR(ioth_recvmsg(datagram, &msg, MSG_ERRQUEUE), EAGAIN);
}

CASE(msg, vectors, INET, "sendmsg gathers and recvmsg scatters datagrams; no vector at all is an empty datagram")
{
	struct pair p = udp_pair(c);
	char one[2], two[8], text[] = "abcdef";
	struct iovec out[] = {{text, 1}, {text + 1, 5}}, in[] = {{one, 2}, {two, 8}};
	struct msghdr msg = {.msg_iov = out, .msg_iovlen = 2};

	CHECK_LEN(ioth_sendmsg(p.a, &msg, 0), 6);
	msg.msg_iovlen = 0;
	CHECK_LEN(ioth_sendmsg(p.a, &msg, 0), 0);
	crossed(c, c->a, c->b);
	msg = (struct msghdr){.msg_iov = in, .msg_iovlen = 2, .msg_flags = -1};
	CHECK_LEN(ioth_recvmsg(p.b, &msg, 0), 6);
	CHECK_INT(msg.msg_flags, 0);
	CHECK_MEM(one, "ab", 2);
	CHECK_MEM(two, "cdef", 4);
	CHECK_LEN(ioth_recvmsg(p.b, &msg, 0), 0);
}

CASE(msg, vectors_too_many, INET, "IOV_MAX vectors are accepted, one more is EMSGSIZE, or EINVAL for writev")
{
	static struct iovec iov[IOV_MAX + 1];
	struct pair p = tcp_pair(c);
	char text[] = "x";
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = IOV_MAX + 1};

	for (int i = 0; i <= IOV_MAX; i++)
		iov[i] = (struct iovec){text, 1};
	CHECK_ERR(ioth_sendmsg(p.a, &msg, 0), EMSGSIZE);
	CHECK_ERR(ioth_recvmsg(p.a, &msg, MSG_DONTWAIT), EMSGSIZE);
	CHECK_ERR(ioth_writev(p.a, iov, IOV_MAX + 1), EINVAL);
	CHECK_ERR(ioth_readv(p.a, iov, -1), EINVAL);
	msg.msg_iovlen = IOV_MAX;
	CHECK_LEN(ioth_sendmsg(p.a, &msg, 0), IOV_MAX);
	CHECK_LEN(ioth_writev(p.a, iov, IOV_MAX), IOV_MAX);
	CHECK_LEN(ioth_writev(p.a, iov, 0), 0);
	drain(p.b, 2 * IOV_MAX);
}

CASE(msg, name_of_stream, INET, "a stream gives no sender: the address length becomes 0, the message's is left alone")
{
	struct pair p = tcp_pair(c);
	struct addr from = {.len = sizeof(from.ss)};
	char text[4];
	struct iovec iov = {text, sizeof(text)};
	struct msghdr msg = {.msg_name = &from, .msg_namelen = sizeof(from.ss), .msg_iov = &iov, .msg_iovlen = 1};

	send_text(p.a, "abcdefgh");
	CHECK_POLL(p.b, POLLIN | POLLOUT);
	CHECK_LEN(ioth_recvfrom(p.b, text, 4, 0, &from.sa, &from.len), 4);
	CHECK_INT(from.len, 0);
	CHECK_LEN(ioth_recvmsg(p.b, &msg, 0), 4);
	CHECK_INT(msg.msg_namelen, 0);
	CHECK_INT(msg.msg_flags, 0);
}

CASE(msg, sendto_stream, INET,
     "sendto with an address on a connected stream ignores it; without a connection it is EPIPE")
{
	struct pair p = tcp_pair(c);
	struct addr addr = addr_absent(c, 9);
	int fd = sock(c, c->a, SOCK_STREAM);

	CHECK_LEN(ioth_sendto(p.a, "abc", 3, 0, &addr.sa, addr.len), 3);
	recv_text(p.b, "abc");
	CHECK_ERR(ioth_sendto(fd, "abc", 3, MSG_NOSIGNAL, &addr.sa, addr.len), EPIPE);
}

CASE(msg, control_truncated, INET, "too little room for ancillary data is MSG_CTRUNC, not an error")
{
	struct pair p = udp_pair(c);
	char text[4], room[8];
	struct iovec iov = {text, sizeof(text)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};

	SETOPT(p.b, SOL_SOCKET, SO_TIMESTAMP, 1);
	send_text(p.a, "abc");
	send_text(p.a, "def");
	crossed(c, c->a, c->b);
	CHECK_LEN(ioth_recvmsg(p.b, &msg, 0), 3);
	CHECK_INT(msg.msg_flags, MSG_CTRUNC);
	CHECK_INT(msg.msg_controllen, 0);
	msg.msg_control = NULL;
	msg.msg_controllen = 0;
	CHECK_LEN(ioth_recvmsg(p.b, &msg, 0), 3);
	CHECK_INT(msg.msg_flags, MSG_CTRUNC);
}

CASE(msg, control_bad, INET, "malformed ancillary data of sendmsg is EINVAL")
{
	struct pair p = udp_pair(c);
	union {
		struct cmsghdr head;
		char room[64];
	} control = {.head = {.cmsg_len = 4, .cmsg_level = IPPROTO_IP, .cmsg_type = IP_TTL}};
	char text[] = "abc";
	struct iovec iov = {text, 3};
	struct msghdr msg = {
	        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};

	CHECK_ERR(ioth_sendmsg(p.a, &msg, 0), EINVAL);
	control.head.cmsg_len = 1000;
	CHECK_ERR(ioth_sendmsg(p.a, &msg, 0), EINVAL);
	msg.msg_control = NULL;
	msg.msg_controllen = 0;
	CHECK_LEN(ioth_sendmsg(p.a, &msg, 0), 3);
}

/** vectors - @n messages of one vector each over a block of 8-byte texts */
static void vectors(struct mmsghdr *msgs, struct iovec *iov, char (*text)[8], int n)
{
	memset(msgs, 0, (size_t)n * sizeof(*msgs));
	for (int i = 0; i < n; i++) {
		iov[i] = (struct iovec){text[i], 8};
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
}

CASE(msg, sendmmsg, INET, "sendmmsg sends several datagrams and counts them and their bytes; recvmmsg collects them")
{
	struct pair p = udp_pair(c);
	struct mmsghdr msgs[5];
	struct iovec iov[5];
	char out[5][8] = {"0", "1", "2", "3", "4"}, in[5][8];

	vectors(msgs, iov, out, 4);
	iov[2].iov_len = 5;
	CHECK_LEN(ioth_sendmmsg(p.a, msgs, 4, 0), 4);
	CHECK_INT(msgs[0].msg_len, 8);
	CHECK_INT(msgs[2].msg_len, 5);
	crossed(c, c->a, c->b);
	vectors(msgs, iov, in, 5);
	CHECK_LEN(ioth_recvmmsg(p.b, msgs, 5, MSG_DONTWAIT, NULL), 4);
	for (int i = 0; i < 4; i++) {
		CHECK_INT(msgs[i].msg_len, i == 2 ? 5 : 8);
		CHECK_MEM(in[i], out[i], 5);
		CHECK_INT(msgs[i].msg_hdr.msg_flags & MSG_TRUNC, 0);
	}
	CHECK_ERR(ioth_recvmmsg(p.b, msgs, 5, MSG_DONTWAIT, NULL), EAGAIN);
	CHECK_LEN(ioth_sendmmsg(p.a, msgs, 0, 0), 0);
	CHECK_LEN(ioth_recvmmsg(p.b, msgs, 0, 0, NULL), 0);
}

CASE(msg, recvmmsg_one, INET, "MSG_WAITFORONE waits for the first datagram only")
{
	struct pair p = udp_pair(c);
	struct mmsghdr msgs[4];
	struct iovec iov[4];
	char in[4][8];

	send_text(p.a, "abc");
	crossed(c, c->a, c->b);
	vectors(msgs, iov, in, 4);
	CHECK_LEN(ioth_recvmmsg(p.b, msgs, 4, MSG_WAITFORONE, NULL), 1);
	CHECK_INT(msgs[0].msg_len, 3);
}

CASE(msg, recvmmsg_names, INET, "recvmmsg tells the sender of each datagram")
{
	struct addr addr;
	int to = bound(c, c->b, SOCK_DGRAM, &addr);
	int from[2] = {bound(c, c->a, SOCK_DGRAM, NULL), bound(c, c->a, SOCK_DGRAM, NULL)};
	struct mmsghdr msgs[2];
	struct iovec iov[2];
	struct addr name[2];
	char in[2][8];

	vectors(msgs, iov, in, 2);
	for (int i = 0; i < 2; i++) {
		CHECK_LEN(ioth_sendto(from[i], "abc", 3, 0, &addr.sa, addr.len), 3);
		msgs[i].msg_hdr.msg_name = &name[i];
		msgs[i].msg_hdr.msg_namelen = sizeof(name[i].ss);
	}
	CHECK_LEN(ioth_recvmmsg(to, msgs, 2, 0, NULL), 2);
	for (int i = 0; i < 2; i++) {
		name[i].len = msgs[i].msg_hdr.msg_namelen;
		CHECK_ADDR(name[i], sockname(from[i]));
	}
}

CASE(msg, recvmmsg_timeout, INET,
     "recvmmsg looks at its time only when a datagram has come; a malformed time is EINVAL")
{
	struct pair p = udp_pair(c);
	struct timespec none = {0, 0}, bad = {0, 1000000000};
	struct mmsghdr msgs[4];
	struct iovec iov[4];
	char in[4][8];

	vectors(msgs, iov, in, 4);
	CHECK_ERR(ioth_recvmmsg(p.b, msgs, 4, 0, &bad), EINVAL);
	send_text(p.a, "abc");
	send_text(p.a, "def");
	crossed(c, c->a, c->b);
	CHECK_LEN(ioth_recvmmsg(p.b, msgs, 4, 0, &none), 1);
	CHECK_LEN(ioth_recvmmsg(p.b, msgs, 4, MSG_DONTWAIT, NULL), 1);
}

CASE(msg, sendmmsg_partly, INET,
     "sendmmsg stops at a message that fails and counts those before it; the next call fails")
{
	struct pair p = udp_pair(c);
	struct mmsghdr msgs[3];
	struct iovec iov[3];
	char out[3][8] = {"0", "1", "2"};
	char *huge = calloc(1, 70000);

	CHECK(huge != NULL);
	vectors(msgs, iov, out, 3);
	iov[1] = (struct iovec){huge, 70000};
	CHECK_LEN(ioth_sendmmsg(p.a, msgs, 3, 0), 1);
	CHECK_ERR(ioth_sendmmsg(p.a, msgs + 1, 2, 0), EMSGSIZE);
	free(huge);
}
