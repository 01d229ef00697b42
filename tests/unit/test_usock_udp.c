/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* UDP sockets: everything a program can see of them is as on the kernel. */
#include "usock_same.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int udp(struct ioth *stack, int family)
{
	int fd = ioth_msocket(stack, family, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	return fd;
}

static int bound(struct ioth *stack, const char *address, int port)
{
	int fd = udp(stack, AF_INET);
	struct sockaddr_in addr = in4(address, port);

	assert_int_equal(ioth_bind(fd, SA(addr)), 0);
	return fd;
}

static int bound6(struct ioth *stack, const char *address, int port)
{
	int fd = udp(stack, AF_INET6);
	struct sockaddr_in6 addr = in6(address, port, NULL, stack);

	assert_int_equal(ioth_bind(fd, SA(addr)), 0);
	return fd;
}

static void say_poll(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP | POLLPRI};

	poll(&p, 1, 0);
	say("poll: %x", (unsigned int)p.revents);
}

static void say_name(int fd)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);

	memset(&addr, 0, sizeof(addr));
	if (SAY(ioth_getsockname(fd, (struct sockaddr *)&addr, &len)) == 0)
		same_hex("name", &addr, len);
	len = sizeof(addr);
	memset(&addr, 0, sizeof(addr));
	if (SAY(ioth_getpeername(fd, (struct sockaddr *)&addr, &len)) == 0)
		same_hex("peer", &addr, len);
}

static void say_recv(int fd, size_t room, int flags)
{
	char data[2048];
	struct sockaddr_storage from;
	struct iovec piece = {.iov_base = data, .iov_len = room};
	struct msghdr msg = {.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &piece, .msg_iovlen = 1};
	long len;

	memset(&from, 0, sizeof(from));
	memset(data, '-', sizeof(data));
	len = say_result("recv", ioth_recvmsg(fd, &msg, flags));
	if (len < 0)
		return;
	say("flags %x namelen %u", (unsigned int)msg.msg_flags, (unsigned int)msg.msg_namelen);
	same_hex("from", &from, msg.msg_namelen);
	same_hex("data", data, room < 32 ? room : 32);
}

static void basic(struct ioth *stack)
{
	int a = bound(stack, "127.0.0.1", 4001), b = udp(stack, AF_INET);
	struct sockaddr_in to = in4("127.0.0.1", 4001), me = in4("127.0.0.1", 4002);

	say_poll(a);
	say_recv(a, 10, 0);
	SAY(ioth_bind(b, SA(me)));
	SAY(ioth_bind(b, SA(me)));
	SAY(ioth_sendto(b, "hello", 5, 0, SA(to)));
	SAY(ioth_sendto(b, "", 0, 0, SA(to)));
	SAY(ioth_sendto(b, "world!", 6, 0, SA(to)));
	say_poll(a);
	say_recv(a, 3, MSG_PEEK);
	say_recv(a, 3, MSG_PEEK | MSG_TRUNC);
	say_recv(a, 10, 0);
	say_recv(a, 10, 0);
	say_poll(a);
	say_recv(a, 2, 0);
	say_poll(a);
	SAY(ioth_send(b, "x", 1, 0));
	SAY(ioth_sendto(b, "x", 1, MSG_OOB, SA(to)));
	SAY(ioth_recv(a, &to, 1, MSG_OOB));
	SAY(ioth_listen(a, 1));
	SAY(ioth_accept(a, NULL, NULL));
	ioth_close(a);
	ioth_close(b);
}

static void addresses(struct ioth *stack)
{
	int fd = udp(stack, AF_INET), other;
	struct sockaddr_in to = in4("127.0.0.1", 4001), any = in4("0.0.0.0", 4003), alien = in4("198.51.100.7", 0),
	                   net = in4("192.0.2.1", 4003), zero = in4("127.0.0.1", 0);
	struct sockaddr_in6 six = in6("::1", 4001, NULL, stack);
	struct sockaddr unspec = {.sa_family = AF_UNSPEC};

	say_name(fd);
	SAY(ioth_bind(fd, SA(alien)));
	SAY(ioth_bind(fd, SA(six)));
	SAY(ioth_bind(fd, (struct sockaddr *)&to, 4));
	SAY(ioth_bind(fd, SA(any)));
	say_name(fd);
	other = udp(stack, AF_INET);
	SAY(ioth_bind(other, SA(net)));
	ioth_close(other);
	SAY(ioth_connect(fd, (struct sockaddr *)&to, 4));
	SAY(ioth_connect(fd, (struct sockaddr *)&to, 1));
	SAY(ioth_connect(fd, SA(six)));
	SAY(ioth_connect(fd, SA(to)));
	say_name(fd);
	SAY(ioth_sendto(fd, "x", 1, 0, (struct sockaddr *)&to, 4));
	SAY(ioth_sendto(fd, "x", 1, 0, SA(zero)));
	SAY(ioth_sendto(fd, "x", 1, 0, SA(six)));
	SAY(ioth_connect(fd, &unspec, sizeof(unspec)));
	say_name(fd);
	SAY(ioth_connect(fd, SA(net)));
	say_name(fd);
	ioth_close(fd);

	fd = udp(stack, AF_INET);
	SAY(ioth_connect(fd, SA(zero)));
	SAY(ioth_connect(fd, &unspec, sizeof(unspec)));
	say_name(fd);
	zero = in4("0.0.0.0", 4444);
	SAY(ioth_connect(fd, SA(zero)));
	SAY(ioth_connect(fd, &unspec, sizeof(unspec)));
	say_name(fd);
	ioth_close(fd);
}

static void addresses6(struct ioth *stack)
{
	int fd = udp(stack, AF_INET6), on = 1;
	struct sockaddr_in6 any = in6("::", 4003, NULL, stack), here = in6("::1", 4001, NULL, stack),
	                    mapped = in6("::ffff:127.0.0.1", 4001, NULL, stack), local = in6("fe80::1", 1, NULL, stack),
	                    alien = in6("2001:db8:9::1", 0, NULL, stack);
	struct sockaddr_in four = in4("127.0.0.1", 4001);
	struct sockaddr unspec = {.sa_family = AF_UNSPEC};

	say_name(fd);
	SAY(ioth_bind(fd, SA(alien)));
	SAY(ioth_bind(fd, SA(local)));
	SAY(ioth_bind(fd, SA(four)));
	SAY(ioth_bind(fd, (struct sockaddr *)&any, 20));
	SAY(ioth_bind(fd, (struct sockaddr *)&any, 24));
	say_name(fd);
	SAY(ioth_connect(fd, SA(local)));
	SAY(ioth_connect(fd, SA(here)));
	say_name(fd);
	SAY(ioth_connect(fd, &unspec, sizeof(unspec)));
	say_name(fd);
	SAY(ioth_connect(fd, SA(mapped)));
	say_name(fd);
	SAY(ioth_connect(fd, &unspec, sizeof(unspec)));
	SAY(ioth_connect(fd, SA(four)));
	say_name(fd);
	SAY(ioth_sendto(fd, "x", 1, 0, SA(local)));
	ioth_close(fd);
	fd = udp(stack, AF_INET6);
	SAY(ioth_setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)));
	SAY(ioth_bind(fd, SA(mapped)));
	SAY(ioth_connect(fd, SA(mapped)));
	SAY(ioth_connect(fd, SA(four)));
	SAY(ioth_sendto(fd, "x", 1, 0, SA(mapped)));
	SAY(ioth_sendto(fd, "x", 1, 0, SA(four)));
	ioth_close(fd);
}

static void dual(struct ioth *stack)
{
	int a = bound6(stack, "::", 4010), b = bound(stack, "127.0.0.1", 4011), c = bound6(stack, "::1", 4012);
	struct sockaddr_in to4 = in4("127.0.0.1", 4010), back4 = in4("127.0.0.1", 4011);
	struct sockaddr_in6 to6 = in6("::1", 4010, NULL, stack), mapped = in6("::ffff:127.0.0.1", 4011, NULL, stack);

	SAY(ioth_sendto(b, "four", 4, 0, SA(to4)));
	say_recv(a, 10, 0);
	SAY(ioth_sendto(c, "six", 3, 0, SA(to6)));
	say_recv(a, 10, 0);
	SAY(ioth_sendto(a, "plain", 5, 0, SA(back4)));
	say_recv(b, 10, 0);
	SAY(ioth_sendto(a, "mapped", 6, 0, SA(mapped)));
	say_recv(b, 10, 0);
	SAY(ioth_sendto(c, "mapped", 6, 0, SA(mapped)));
	ioth_close(a);
	ioth_close(b);
	ioth_close(c);
}

static void sizes(struct ioth *stack)
{
	static char big[70000];
	int a = bound(stack, "127.0.0.1", 4001), c = bound6(stack, "::1", 4001), value;
	socklen_t len = sizeof(value);
	struct sockaddr_in to = in4("127.0.0.1", 4001), far = in4("198.51.100.1", 9);
	struct sockaddr_in6 to6 = in6("::1", 4001, NULL, stack);

	SAY(ioth_sendto(a, big, 65507, 0, SA(to)));
	say_recv(a, 4, MSG_TRUNC);
	SAY(ioth_sendto(a, big, 65508, 0, SA(to)));
	SAY(ioth_sendto(a, big, 65536, 0, SA(to)));
	SAY(ioth_sendto(c, big, 65487, 0, SA(to6)));
	say_recv(c, 4, MSG_TRUNC);
	SAY(ioth_sendto(c, big, 65528, 0, SA(to6)));
	value = IP_PMTUDISC_DO;
	SAY(ioth_setsockopt(a, IPPROTO_IP, IP_MTU_DISCOVER, &value, sizeof(value)));
	SAY(ioth_getsockopt(a, IPPROTO_IP, IP_MTU, &value, &len));
	SAY(ioth_connect(a, SA(far)));
	value = 0;
	SAY(ioth_getsockopt(a, IPPROTO_IP, IP_MTU, &value, &len));
	say("mtu %d", value);
	SAY(ioth_send(a, big, 1473, 0));
	SAY(ioth_send(a, big, 1472, 0));
	SAY(ioth_connect(a, SA(to)));
	ioth_close(a);
	ioth_close(c);
}

static void refused(struct ioth *stack)
{
	int fd = udp(stack, AF_INET), error = 0;
	socklen_t len = sizeof(error);
	struct sockaddr_in nobody = in4("127.0.0.1", 4099);
	struct sockaddr_in6 nobody6 = in6("::1", 4099, NULL, stack);

	SAY(ioth_sendto(fd, "x", 1, 0, SA(nobody)));
	say_poll(fd);
	SAY(ioth_connect(fd, SA(nobody)));
	SAY(ioth_send(fd, "x", 1, 0));
	say_poll(fd);
	SAY(ioth_recv(fd, &error, 1, 0));
	say_poll(fd);
	SAY(ioth_recv(fd, &error, 1, 0));
	SAY(ioth_send(fd, "x", 1, 0));
	SAY(ioth_send(fd, "x", 1, 0));
	SAY(ioth_send(fd, "x", 1, 0));
	SAY(ioth_getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len));
	say("SO_ERROR %s", strerrorname_np(error));
	SAY(ioth_getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len));
	say("SO_ERROR %d", error);
	ioth_close(fd);
	fd = udp(stack, AF_INET6);
	SAY(ioth_connect(fd, SA(nobody6)));
	SAY(ioth_send(fd, "x", 1, 0));
	say_poll(fd);
	SAY(ioth_send(fd, "x", 1, 0));
	ioth_close(fd);
	fd = udp(stack, AF_INET6);
	SAY(ioth_connect(fd, SA(nobody)));
	SAY(ioth_send(fd, "x", 1, 0));
	SAY(ioth_send(fd, "x", 1, 0));
	ioth_close(fd);
}

static void shut(struct ioth *stack)
{
	int fd = bound(stack, "127.0.0.1", 4001);
	struct sockaddr_in self = in4("127.0.0.1", 4001);

	SAY(ioth_shutdown(fd, SHUT_WR));
	say_poll(fd);
	SAY(ioth_sendto(fd, "x", 1, 0, SA(self)));
	ioth_close(fd);
	fd = bound(stack, "127.0.0.1", 4001);
	SAY(ioth_connect(fd, SA(self)));
	SAY(ioth_send(fd, "before", 6, 0));
	SAY(ioth_shutdown(fd, SHUT_RD));
	say_poll(fd);
	SAY(ioth_send(fd, "after", 5, 0));
	say_recv(fd, 10, 0);
	say_recv(fd, 10, 0);
	say_recv(fd, 10, 0);
	SAY(ioth_fcntl(fd, F_SETFL, O_RDWR));
	say_recv(fd, 10, 0);
	SAY(ioth_shutdown(fd, SHUT_WR));
	say_poll(fd);
	SAY(ioth_send(fd, "x", 1, MSG_NOSIGNAL));
	SAY(ioth_shutdown(fd, 7));
	ioth_close(fd);
}

static void cork(struct ioth *stack)
{
	int a = bound(stack, "127.0.0.1", 4001), b = bound(stack, "127.0.0.1", 4002), value = 1;
	socklen_t len = sizeof(value);
	struct sockaddr_in to = in4("127.0.0.1", 4001);

	SAY(ioth_sendto(b, "ab", 2, MSG_MORE, SA(to)));
	say_poll(a);
	SAY(ioth_sendto(b, "cd", 2, MSG_MORE, SA(to)));
	SAY(ioth_sendto(b, "e", 1, 0, SA(to)));
	say_recv(a, 10, 0);
	SAY(ioth_setsockopt(b, IPPROTO_UDP, UDP_CORK, &value, sizeof(value)));
	SAY(ioth_sendto(b, "one", 3, 0, SA(to)));
	SAY(ioth_send(b, "two", 3, 0));
	say_recv(a, 10, 0);
	value = 0;
	SAY(ioth_getsockopt(b, IPPROTO_UDP, UDP_CORK, &value, &len));
	say("cork %d", value);
	value = 0;
	SAY(ioth_setsockopt(b, IPPROTO_UDP, UDP_CORK, &value, sizeof(value)));
	say_recv(a, 10, 0);
	SAY(ioth_setsockopt(b, IPPROTO_UDP, UDP_CORK, &value, 2));
	SAY(ioth_setsockopt(b, IPPROTO_UDP, 99, &value, sizeof(value)));
	SAY(ioth_getsockopt(b, IPPROTO_UDP, 99, &value, &len));
	ioth_close(a);
	ioth_close(b);
}

static void segment(struct ioth *stack)
{
	int a = bound(stack, "127.0.0.1", 4001), b = bound(stack, "127.0.0.1", 4002), value = 3;
	socklen_t len = sizeof(value);
	struct sockaddr_in to = in4("127.0.0.1", 4001);

	SAY(ioth_setsockopt(b, IPPROTO_UDP, UDP_SEGMENT, &value, sizeof(value)));
	SAY(ioth_sendto(b, "abcdefgh", 8, 0, SA(to)));
	say_recv(a, 10, 0);
	say_recv(a, 10, 0);
	say_recv(a, 10, 0);
	say_recv(a, 10, 0);
	SAY(ioth_sendto(b, "ab", 2, 0, SA(to)));
	say_recv(a, 10, 0);
	value = 70000;
	SAY(ioth_setsockopt(b, IPPROTO_UDP, UDP_SEGMENT, &value, sizeof(value)));
	value = -1;
	SAY(ioth_setsockopt(b, IPPROTO_UDP, UDP_SEGMENT, &value, sizeof(value)));
	SAY(ioth_getsockopt(b, IPPROTO_UDP, UDP_SEGMENT, &value, &len));
	say("segment %d", value);
	ioth_close(a);
	ioth_close(b);
}

static void broadcast(struct ioth *stack)
{
	int a = bound(stack, "0.0.0.0", 4001), b = bound(stack, "0.0.0.0", 4002), on = 1;
	struct sockaddr_in limited = in4("255.255.255.255", 4001), directed = in4("192.0.2.255", 4001);

	SAY(ioth_sendto(b, "x", 1, 0, SA(limited)));
	SAY(ioth_sendto(b, "x", 1, 0, SA(directed)));
	SAY(ioth_connect(b, SA(directed)));
	SAY(ioth_setsockopt(b, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on)));
	SAY(ioth_sendto(b, "limited", 7, 0, SA(limited)));
	say_recv(a, 10, 0);
	SAY(ioth_sendto(b, "directed", 8, 0, SA(directed)));
	say_recv(a, 10, 0);
	SAY(ioth_connect(b, SA(directed)));
	say_name(b);
	ioth_close(a);
	ioth_close(b);
}

static void demux(struct ioth *stack)
{
	int any = bound(stack, "0.0.0.0", 4001), peer = bound(stack, "127.0.0.1", 4002), on = 1;
	int named = udp(stack, AF_INET), joined = udp(stack, AF_INET);
	struct sockaddr_in here = in4("127.0.0.1", 4001), from = in4("127.0.0.1", 4002);

	SAY(ioth_bind(named, SA(here)));
	ioth_close(any);
	any = udp(stack, AF_INET);
	here = in4("0.0.0.0", 4001);
	SAY(ioth_setsockopt(any, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
	SAY(ioth_setsockopt(named, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
	SAY(ioth_setsockopt(joined, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
	SAY(ioth_bind(any, SA(here)));
	here = in4("127.0.0.1", 4001);
	SAY(ioth_bind(named, SA(here)));
	SAY(ioth_bind(joined, SA(here)));
	SAY(ioth_connect(joined, SA(from)));
	SAY(ioth_sendto(peer, "x", 1, 0, SA(here)));
	say_poll(any);
	say_poll(named);
	say_poll(joined);
	ioth_close(joined);
	SAY(ioth_sendto(peer, "x", 1, 0, SA(here)));
	say_poll(any);
	say_poll(named);
	ioth_close(any);
	ioth_close(named);
	ioth_close(peer);
}

static void buffers(struct ioth *stack)
{
	static char data[2000];
	int a = bound(stack, "127.0.0.1", 4001), b = bound(stack, "127.0.0.1", 4002), value = 4096, on = 1;
	socklen_t len = sizeof(value);
	struct sockaddr_in to = in4("127.0.0.1", 4001);
	char control[100];
	struct iovec piece = {.iov_base = data, .iov_len = sizeof(data)};

	SAY(ioth_setsockopt(a, SOL_SOCKET, SO_RCVBUF, &value, sizeof(value)));
	SAY(ioth_setsockopt(a, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof(on)));
	for (size_t size = 1; size <= 2000; size = size * 2 + 100) {
		int sent = 0, got = 0;

		for (int i = 0; i < 40; i++)
			sent += ioth_sendto(b, data, size, 0, SA(to)) == (ssize_t)size;
		SAY(ioth_ioctl(a, FIONREAD, &value));
		say("FIONREAD %d", value);
		for (;;) {
			struct msghdr msg = {.msg_control = control,
			                     .msg_controllen = sizeof(control),
			                     .msg_iov = &piece,
			                     .msg_iovlen = 1};

			if (ioth_recvmsg(a, &msg, 0) < 0)
				break;
			got++;
			if (CMSG_FIRSTHDR(&msg)) {
				struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

				say("cmsg %d %d %u", cmsg->cmsg_level, cmsg->cmsg_type,
				    *(unsigned int *)CMSG_DATA(cmsg));
			}
		}
		say("size %zu: sent %d got %d", size, sent, got);
	}
	SAY(ioth_ioctl(a, FIONREAD, &value));
	SAY(ioth_getsockopt(a, SOL_SOCKET, SO_RCVBUF, &value, &len));
	say("rcvbuf %d", value);
	ioth_close(a);
	ioth_close(b);
}

static void peek_offset(struct ioth *stack)
{
	int a = bound(stack, "127.0.0.1", 4001), value = 0;
	socklen_t len = sizeof(value);
	struct sockaddr_in to = in4("127.0.0.1", 4001);

	SAY(ioth_sendto(a, "abcdef", 6, 0, SA(to)));
	SAY(ioth_sendto(a, "ghij", 4, 0, SA(to)));
	SAY(ioth_setsockopt(a, SOL_SOCKET, SO_PEEK_OFF, &value, sizeof(value)));
	for (int i = 0; i < 6; i++) {
		say_recv(a, 4, MSG_PEEK);
		SAY(ioth_getsockopt(a, SOL_SOCKET, SO_PEEK_OFF, &value, &len));
		say("offset %d", value);
	}
	say_recv(a, 4, 0);
	SAY(ioth_getsockopt(a, SOL_SOCKET, SO_PEEK_OFF, &value, &len));
	say("offset %d", value);
	ioth_close(a);
}

/** filter - SO_ATTACH_FILTER begins at the UDP header */
static void filter(struct ioth *stack)
{
	struct sock_filter code[] = {
	        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 8), /* the first byte of data */
	        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 'n', 0, 1),
	        BPF_STMT(BPF_RET | BPF_K, 0),
	        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 'c', 0, 1),
	        BPF_STMT(BPF_RET | BPF_K, 10),
	        BPF_STMT(BPF_RET | BPF_K, 0xffff),
	};
	struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};
	int a = bound(stack, "127.0.0.1", 4001);
	struct sockaddr_in to = in4("127.0.0.1", 4001);

	SAY(ioth_setsockopt(a, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)));
	SAY(ioth_sendto(a, "no", 2, 0, SA(to)));
	say_recv(a, 10, 0);
	SAY(ioth_sendto(a, "cut here", 8, 0, SA(to)));
	say_recv(a, 10, 0);
	SAY(ioth_sendto(a, "whole", 5, 0, SA(to)));
	say_recv(a, 10, 0);
	ioth_close(a);
}

static void unreachable(struct ioth *stack)
{
	int a = udp(stack, AF_INET), b = udp(stack, AF_INET6), on = 1;
	struct sockaddr_in zero = in4("0.0.0.0", 4001), group = in4("224.9.9.9", 4001);
	struct sockaddr_in6 far = in6("2001:db8:1::1", 9, NULL, stack);

	SAY(ioth_sendto(a, "x", 1, 0, SA(zero)));
	SAY(ioth_setsockopt(a, SOL_SOCKET, SO_DONTROUTE, &on, sizeof(on)));
	zero = in4("198.51.100.1", 9);
	SAY(ioth_sendto(a, "x", 1, 0, SA(zero)));
	SAY(ioth_connect(a, SA(zero)));
	on = 0;
	SAY(ioth_setsockopt(a, SOL_SOCKET, SO_DONTROUTE, &on, sizeof(on)));
	SAY(ioth_sendto(a, "x", 1, MSG_DONTROUTE, SA(zero)));
	SAY(ioth_sendto(a, "x", 1, 0, SA(group)));
	SAY(ioth_sendto(b, "x", 1, 0, SA(far)));
	ioth_close(a);
	ioth_close(b);
}

#define SAME(script)                                                                                                   \
	static void same_##script(void **state)                                                                        \
	{                                                                                                              \
		(void)state;                                                                                           \
		same(script);                                                                                          \
	}

SAME(basic)
SAME(addresses)
SAME(addresses6)
SAME(dual)
SAME(sizes)
SAME(refused)
SAME(shut)
SAME(cork)
SAME(segment)
SAME(broadcast)
SAME(demux)
SAME(buffers)
SAME(peek_offset)
SAME(filter)
SAME(unreachable)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(same_basic),       cmocka_unit_test(same_addresses),
	        cmocka_unit_test(same_addresses6),  cmocka_unit_test(same_dual),
	        cmocka_unit_test(same_sizes),       cmocka_unit_test(same_refused),
	        cmocka_unit_test(same_shut),        cmocka_unit_test(same_cork),
	        cmocka_unit_test(same_segment),     cmocka_unit_test(same_broadcast),
	        cmocka_unit_test(same_demux),       cmocka_unit_test(same_buffers),
	        cmocka_unit_test(same_peek_offset), cmocka_unit_test(same_filter),
	        cmocka_unit_test(same_unreachable),
	};

	same_place();
	return cmocka_run_group_tests(tests, same_open, same_close);
}
