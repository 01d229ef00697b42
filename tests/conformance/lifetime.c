/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lifetime.c - stacks themselves: made, named, chosen by default, stopped, deleted. docs/lifetime-rules.md */
#include "conf.h"

#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <sys/wait.h>

/* Why some cases are not run on the oracle. */
#define COUNTS_OURS "it is the native stack under another name: only descriptors made by the library are counted"
#define HAS_NETWORK "it is the native stack under another name, with the network that the process has"

CASE(stack, busy, INET, "ioth_delstack is EBUSY while a socket is open, and leaves everything as it was")
{
	struct pair p = tcp_pair(c);

	CHECK_ERR(ioth_delstack(c->a), EBUSY);
	CHECK_ERR(ioth_delstack(c->b), EBUSY);
	send_text(p.a, "unharmed");
	recv_text(p.b, "unharmed");
	drop(c, p.a);
	CHECK_OK(ioth_delstack(c->a));
	c->a = NULL;
	CHECK_ERR(ioth_delstack(c->b), EBUSY);
	drop(c, p.b);
	CHECK_OK(ioth_delstack(c->b));
	c->b = NULL;
}

CASE(stack, busy_dup, INET, "a copy made by ioth_dup keeps a stack busy")
{
	int fd = sock(c, c->a, SOCK_STREAM);
	int copy = keep(c, ioth_dup(fd));

	drop(c, fd);
	CHECK_ERR(ioth_delstack(c->a), EBUSY);
	drop(c, copy);
	CHECK_OK(ioth_delstack(c->a));
	c->a = NULL;
}

CASE(stack, busy_accepted, INET, "an accepted socket keeps a stack busy")
{
	struct pair p = tcp_pair(c);

	CHECK_ERR(ioth_delstack(c->b), EBUSY);
	drop(c, p.b);
	CHECK_OK(ioth_delstack(c->b));
	c->b = NULL;
}

CASE(stack, busy_plain_dup, INET, "a copy made by dup(2) keeps a stack busy",
     LIMITS(HANDED_OVER, NO_PLAIN_DUP, {"kernel", COUNTS_OURS}))
{
	int fd = sock(c, c->a, SOCK_STREAM);
	int copy = dup(fd);

	drop(c, fd);
	CHECK_ERR(ioth_delstack(c->a), EBUSY);
	CHECK_OK(close(copy));
	CHECK_OK(ioth_delstack(c->a));
	c->a = NULL;
}

CASE(stack, busy_inherited, INET, "a socket inherited by a child keeps a stack busy till the child ends",
     LIMITS(HANDED_OVER, ONE_PROCESS, {"kernel", COUNTS_OURS}))
{
	int fd = sock(c, c->a, SOCK_STREAM);
	int gate[2], status;
	char byte;
	pid_t pid;

	CHECK_OK(pipe2(gate, O_CLOEXEC));
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		close(gate[1]);
		_exit(read(gate[0], &byte, 1) != 0);
	}
	drop(c, fd);
	CHECK_ERR(ioth_delstack(c->a), EBUSY);
	close(gate[0]);
	close(gate[1]);
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(status, 0);
	CHECK_OK(ioth_delstack(c->a));
	c->a = NULL;
}

CASE(stack, busy_in_call, INET, "a thread in a call keeps a stack busy when the descriptor is closed already",
     LIMITS(HANDED_OVER, {"kernel", COUNTS_OURS}))
{
	struct pair p = udp_pair(c);
	char text[8];
	struct call call = {.run = call_recv, .fd = p.b, .buf = text, .len = sizeof(text)};

	call_start(&call);
	call_blocked(&call);
	drop(c, p.b);
	CHECK_ERR(ioth_delstack(c->b), EBUSY);
	send_text(p.a, "abc");
	CHECK_CALL(&call, 3, 0);
	CHECK_OK(ioth_delstack(c->b));
	c->b = NULL;
}

CASE(stack, plain_close, INET, "sockets closed by close(2) do not keep a stack busy")
{
	for (int i = 0; i < 5; i++) {
		int fd = sock(c, c->a, i % 2 ? SOCK_STREAM : SOCK_DGRAM);

		conf_forget(c, fd);
		CHECK_OK(close(fd));
	}
	CHECK_OK(ioth_delstack(c->a));
	c->a = NULL;
}

CASE(stack, delete_wrong, ONCE, "ioth_delstack and ioth_stopstack of NULL and of the native stack are EINVAL")
{
	struct ioth *native = ioth_newstack(NULL, NULL);

	CHECK(native != NULL);
	CHECK(ioth_newstack("", NULL) == native);
	CHECK_ERR(ioth_delstack(NULL), EINVAL);
	CHECK_ERR(ioth_delstack(native), EINVAL);
	CHECK_ERR(ioth_stopstack(NULL), EINVAL);
	CHECK_ERR(ioth_stopstack(native), EINVAL);
}

CASE(stack, native, ONCE, "the native stack gives sockets of the process's own network")
{
	struct ioth *native = ioth_newstack(NULL, NULL);
	int fd = keep(c, ioth_msocket(native, AF_UNIX, SOCK_STREAM, 0));

	CHECK(ioth_get_defstack() == native);
	CHECK_OPT(fd, SOL_SOCKET, SO_DOMAIN, AF_UNIX);
	CHECK_OPT(keep(c, ioth_socket(AF_UNIX, SOCK_DGRAM, 0)), SOL_SOCKET, SO_TYPE, SOCK_DGRAM);
}

CASE(stack, default, INET, "ioth_set_defstack decides where ioth_socket makes sockets; deleting that stack ends it")
{
	struct addr a = addr_of(c, c->a, 0);
	struct ioth *native = ioth_get_defstack();
	int fd;

	ioth_set_defstack(c->a);
	CHECK(ioth_get_defstack() == c->a);
	on(c, c->a);
	fd = keep(c, ioth_socket(c->family, SOCK_DGRAM, 0));
	CHECK_OK(ioth_bind(fd, &a.sa, a.len));
	fd = keep(c, ioth_msocket(NULL, c->family, SOCK_DGRAM, 0));
	CHECK_OK(ioth_bind(fd, &a.sa, a.len));
	CHECK(ioth_if_nametoindex(NULL, CONF_IFNAME) > 0);
	ioth_set_defstack(NULL);
	CHECK(ioth_get_defstack() == native);
	ioth_set_defstack(c->a);
	while (c->nfds > 0)
		drop(c, c->fds[0]);
	CHECK_OK(ioth_delstack(c->a));
	c->a = NULL;
	CHECK(ioth_get_defstack() == native);
}

/** default_of_thread - a thread that sets its own default; result 0 when all was as it should be */
static long default_of_thread(struct call *call)
{
	struct conf *c = call->c;
	struct addr b = addr_of(c, c->b, 0);
	int fd;

	if (ioth_get_defstack() != c->a)
		return 1;
	ioth_set_thread_defstack(c->b);
	if (ioth_get_defstack() != c->b)
		return 2;
	on(c, c->b);
	fd = ioth_socket(c->family, SOCK_DGRAM, 0);
	if (fd < 0 || ioth_bind(fd, &b.sa, b.len) != 0 || ioth_close(fd) != 0)
		return 3;
	ioth_set_thread_defstack(NULL);
	return ioth_get_defstack() == c->a ? 0 : 4;
}

CASE(stack, thread_default, INET, "ioth_set_thread_defstack overrides the default of one thread alone")
{
	struct call call = {.run = default_of_thread, .c = c};

	ioth_set_defstack(c->a);
	call_start(&call);
	CHECK_CALL(&call, 0, 0);
	CHECK(ioth_get_defstack() == c->a);
	ioth_set_defstack(NULL);
}

CASE(stack, default_deleted, ONCE, "a stack that is deleted is nobody's default any more")
{
	struct ioth *native = ioth_newstack(NULL, NULL);

	ioth_set_thread_defstack(c->a);
	CHECK(ioth_get_defstack() == c->a);
	CHECK_OK(ioth_delstack(c->a));
	c->a = NULL;
	CHECK(ioth_get_defstack() == native);
	keep(c, ioth_socket(AF_UNIX, SOCK_STREAM, 0));
}

CASE(stack, bad_names, ONCE, "a malformed stack name is EINVAL, one that no plugin has ENOTSUP")
{
	static const char *const malformed[] = {"a/b",       "../kernel", "a b",     "a.b",
	                                        "vde-stack", ",option",   " kernel", "\303\251"};
	static char huge[5000];

	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		errno = 0;
		if (ioth_newstack(malformed[i], NULL) != NULL || errno != EINVAL)
			FAIL("ioth_newstack(\"%s\"): expected NULL EINVAL, got %s", malformed[i],
			     strerrorname_np(errno));
	}
	errno = 0;
	CHECK(ioth_newstack("nonesuch", NULL) == NULL);
	CHECK_INT(errno, ENOTSUP);
	memset(huge, 'a', sizeof(huge) - 1);
	errno = 0;
	CHECK(ioth_newstack(huge, NULL) == NULL);
	CHECK(errno == EINVAL || errno == ENOTSUP);
}

CASE(stack, bad_option, ONCE, "an option that a stack does not have is EINVAL")
{
	char name[64];

	snprintf(name, sizeof(name), "%s,nonesuch=1", c->stack);
	errno = 0;
	CHECK(ioth_newstack(name, NULL) == NULL);
	CHECK_INT(errno, EINVAL);
}

CASE(stack, bad_vnl, ONCE, "a malformed locator or interface name is EINVAL", LIMITS({"kernel", HAS_NETWORK}))
{
	static const char *const malformed[] = {"",
	                                        "vde7:",
	                                        ":ptp:///tmp/x",
	                                        "a/b:ptp:///tmp/x",
	                                        "..:ptp:///tmp/x",
	                                        "a b:ptp:///tmp/x",
	                                        "a-name-of-sixteen:ptp:///tmp/x"};

	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		errno = 0;
		if (ioth_newstack(c->stack, malformed[i]) != NULL || errno != EINVAL)
			FAIL("locator \"%s\": expected NULL EINVAL, got %s", malformed[i], strerrorname_np(errno));
	}
}

CASE(stack, unreachable_network, ONCE,
     "a network that cannot be joined is an error, and the good one beside it is left again",
     LIMITS({"kernel", HAS_NETWORK}))
{
	char good[256], bad[256];

	snprintf(good, sizeof(good), "ptp://%s/good", c->dir);
	snprintf(bad, sizeof(bad), "vde://%s/no-such-switch", c->dir);
	errno = 0;
	CHECK(ioth_newstack(c->stack, bad) == NULL);
	CHECK(errno != 0);
	errno = 0;
	CHECK(ioth_newstackl(c->stack, good, bad, (char *)NULL) == NULL);
	CHECK(errno != 0);
	errno = 0;
	CHECK(ioth_newstack(c->stack, "nonesuch:///tmp/x") == NULL);
	CHECK(errno != 0);
}

CASE(stack, interface_names, ONCE,
     "interfaces are called as the locators say, or vde0, vde1, ... in order; they start down",
     LIMITS(OTHERS_NETWORKS, {"kernel", HAS_NETWORK}))
{
	char vnl[3][256];
	const char *list[4] = {vnl[0], vnl[1], vnl[2], NULL};
	struct ioth *s;
	struct if_nameindex *names;
	struct ifaddrs *addrs;

	snprintf(vnl[0], sizeof(vnl[0]), "ptp://%s/0", c->dir);
	snprintf(vnl[1], sizeof(vnl[1]), "eth7:ptp://%s/1", c->dir);
	snprintf(vnl[2], sizeof(vnl[2]), "ptp://%s/2", c->dir);
	s = ioth_newstackv(c->stack, list);
	CHECK(s != NULL);
	CHECK((names = ioth_if_nameindex(s)) != NULL);
	CHECK_STR(names[0].if_name, "lo");
	CHECK_STR(names[1].if_name, "vde0");
	CHECK_STR(names[2].if_name, "eth7");
	CHECK_STR(names[3].if_name, "vde2");
	CHECK(names[4].if_name == NULL);
	ioth_if_freenameindex(names);
	CHECK_OK(ioth_getifaddrs(s, &addrs));
	for (struct ifaddrs *i = addrs; i != NULL; i = i->ifa_next) {
		if (strcmp(i->ifa_name, "lo") == 0)
			continue;
		CHECK_INT(i->ifa_flags & IFF_UP, 0);
		CHECK_INT(i->ifa_addr->sa_family, AF_PACKET);
	}
	ioth_freeifaddrs(addrs);
	CHECK_OK(ioth_delstack(s));
}

CASE(stack, no_network, INET, "a stack without a network has lo, and talks to itself",
     LIMITS(OTHERS_NETWORKS, {"kernel", HAS_NETWORK}))
{
	struct addr addr = addr_loopback(c, 0);
	struct ioth *s = ioth_newstack(c->stack, NULL);
	struct if_nameindex *names;
	int fd;

	CHECK(s != NULL);
	CHECK((names = ioth_if_nameindex(s)) != NULL);
	CHECK_STR(names[0].if_name, "lo");
	CHECK(names[1].if_name == NULL);
	CHECK_OK(ioth_linksetupdown(s, names[0].if_index, 1));
	ioth_if_freenameindex(names);
	fd = sock(c, s, SOCK_DGRAM);
	CHECK_OK(ioth_bind(fd, &addr.sa, addr.len));
	addr = sockname(fd);
	CHECK_LEN(ioth_sendto(fd, "me", 2, 0, &addr.sa, addr.len), 2);
	recv_text(fd, "me");
	drop(c, fd);
	CHECK_OK(ioth_delstack(s));
}

/** alone - make a stack, talk over its loopback, delete it */
static void alone(struct conf *c, void *arg)
{
	struct addr addr = addr_loopback(c, 0);
	struct ioth *s;
	int fd;

	(void)arg;
	on(c, c->a);
	s = ioth_newstack(c->stack, NULL);
	CHECK(s != NULL);
	CHECK_OK(ioth_linksetupdown(s, 1, 1));
	fd = CHECK_GE0(ioth_msocket(s, c->family, SOCK_DGRAM, 0));
	CHECK_OK(ioth_bind(fd, &addr.sa, addr.len));
	addr = sockname(fd);
	CHECK_LEN(ioth_sendto(fd, "me", 2, 0, &addr.sa, addr.len), 2);
	recv_text(fd, "me");
	CHECK_ERR(ioth_delstack(s), EBUSY);
	CHECK_OK(ioth_close(fd));
	CHECK_OK(ioth_delstack(s));
}

CASE(stack, in_child, INET, "a forked child makes, uses and deletes a stack of its own; the parent's go on",
     LIMITS(OTHERS_NETWORKS))
{
	struct pair p = tcp_pair(c);

	if (SANITIZER == SANITIZER_THREAD)
		SKIP("ThreadSanitizer takes a forked child's first thread for one of the parent's when it has the same "
		     "stack");
	in_child(c, alone, NULL);
	alone(c, NULL);
	send_text(p.a, "unharmed");
	recv_text(p.b, "unharmed");
}

CASE(stack, peer_deleted, INET,
     "when the other stack of a network is deleted this one stays; another can take its place",
     LIMITS(OTHERS_NETWORKS, {"kernel", HAS_NETWORK}))
{
	struct addr own = addr_of(c, c->b, 0);
	struct pair p = udp_pair(c), q = tcp_pair(c);
	long deadline = wait_now_ms() + 5000;
	char byte;
	int index;

	drop(c, p.b);
	drop(c, q.b);
	CHECK_LEN(ioth_recv(q.a, &byte, 1, 0), 0);
	CHECK_OK(ioth_delstack(c->b));
	c->b = NULL;
	CHECK_LEN(ioth_send(p.a, "lost", 4, 0), 4);
	CHECK_POLL_NOW(q.a, POLLIN | POLLOUT | POLLRDHUP);
	/* A ptp:// network has room for another peer when it has noticed, by a frame that is refused, that the old one is gone. */
	while ((c->b = ioth_newstack(c->stack, c->vnl)) == NULL && errno == EPERM && wait_again(deadline))
		;
	CHECK(c->b != NULL);
	index = CHECK_GE0(ioth_if_nametoindex(c->b, CONF_IFNAME));
	CHECK_OK(ioth_linksetupdown(c->b, (unsigned int)index, 1));
	CHECK_OK(ioth_ipaddr_add(c->b, c->family, addr_raw(&own),
	                         c->family == AF_INET ? 24 : nl_addrdata2prefix(64, IFA_F_NODAD, 0),
	                         (unsigned int)index));
	running(c, c->b, CONF_IFNAME);
	crossed(c, c->b, c->a);
}

CASE(stack, cycles, ONCE, "thirty stacks are made and deleted, some with a socket that was used",
     LIMITS(OTHERS_NETWORKS))
{
	for (int i = 0; i < 30; i++) {
		struct ioth *s = ioth_newstack(c->stack, NULL);
		int fd;

		CHECK(s != NULL);
		if (i % 2 == 0) {
			on(c, c->a);
			fd = CHECK_GE0(ioth_msocket(s, AF_INET, SOCK_DGRAM, 0));
			CHECK_OK(ioth_close(fd));
		}
		CHECK_OK(ioth_delstack(s));
	}
}

CASE(stop, wakes, INET, "ioth_stopstack wakes what waits; later calls are ENETDOWN; closing and deleting still work")
{
	struct pair p = tcp_pair(c), q = udp_pair(c);
	int server = listener(c, c->a, NULL);
	char byte;
	struct call call[] = {
	        {.run = call_recv, .fd = p.a, .buf = &byte, .len = 1},
	        {.run = call_recv, .fd = q.a, .buf = &byte, .len = 1},
	        {.run = call_accept, .fd = server},
	        {.run = call_poll, .fd = p.a, .flags = POLLIN},
	};

	for (size_t i = 0; i < sizeof(call) / sizeof(call[0]); i++) {
		call_start(&call[i]);
		call_blocked(&call[i]);
	}
	CHECK_OK(ioth_stopstack(c->a));
	for (size_t i = 0; i < sizeof(call) / sizeof(call[0]); i++)
		call_end(&call[i]);
	CHECK(call[0].result <= 0);
	CHECK(call[1].result <= 0);
	CHECK_INT(call[2].result, -1);
	CHECK(call[3].result & POLLIN);
	CHECK_ERR(ioth_msocket(on(c, c->a), c->family, SOCK_STREAM, 0), ENETDOWN);
	CHECK_ERR(ioth_send(p.a, "x", 1, MSG_NOSIGNAL), ENETDOWN);
	CHECK_ERR(ioth_recv(p.a, &byte, 1, 0), ENETDOWN);
	CHECK_ERR(ioth_accept(server, NULL, NULL), ENETDOWN);
	CHECK_OK(ioth_stopstack(c->a));
	CHECK_ERR(ioth_delstack(c->a), EBUSY);
	drop(c, p.a);
	drop(c, q.a);
	drop(c, server);
	CHECK_OK(ioth_delstack(c->a));
	c->a = NULL;
}

CASE(stop, netlink, ONCE, "ioth_stopstack wakes who waits for a netlink message",
     LIMITS(HANDED_OVER, {"kernel", "it is the native stack under another name, whose netlink sockets nobody wakes"}))
{
	int fd = sockp(c, c->a, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	char byte;
	struct call call = {.run = call_recv, .fd = fd, .buf = &byte, .len = 1};

	call_start(&call);
	call_blocked(&call);
	CHECK_OK(ioth_stopstack(c->a));
	call_end(&call);
	CHECK(call.result <= 0);
	CHECK_ERR(ioth_recv(fd, &byte, 1, 0), ENETDOWN);
	drop(c, fd);
	CHECK_OK(ioth_delstack(c->a));
	c->a = NULL;
}

CASE(stop, packet, ONCE, "ioth_stopstack wakes who waits for frames, of an interface or of all",
     LIMITS(HANDED_OVER, {"kernel", "it is the native stack under another name, whose packet sockets nobody wakes"}))
{
	int protocol[] = {htons(ETH_P_802_EX1), 0, htons(ETH_P_802_EX1), htons(ETH_P_802_EX1)};
	static const char *const name[] = {NULL, NULL, "lo", CONF_IFNAME};
	struct call call[4];
	char byte;

	for (int i = 0; i < 4; i++) {
		int fd = sockp(c, c->a, AF_PACKET, SOCK_RAW, protocol[i]);
		struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_protocol = (uint16_t)protocol[i]};

		if (name[i] != NULL) {
			to.sll_ifindex = ioth_if_nametoindex(c->a, name[i]);
			CHECK_OK(ioth_bind(fd, (struct sockaddr *)&to, sizeof(to)));
		}
		call[i] = (struct call){.run = call_recv, .fd = fd, .buf = &byte, .len = 1};
		call_start(&call[i]);
		call_blocked(&call[i]);
	}
	CHECK_OK(ioth_stopstack(c->a));
	for (int i = 0; i < 4; i++) {
		call_end(&call[i]);
		CHECK(call[i].result <= 0);
		CHECK_ERR(ioth_recv(call[i].fd, &byte, 1, 0), ENETDOWN);
		drop(c, call[i].fd);
	}
	CHECK_OK(ioth_delstack(c->a));
	c->a = NULL;
}

CASE(stop, other_stack, INET, "stopping one stack leaves the other working")
{
	struct addr addr;
	int fd = bound(c, c->b, SOCK_DGRAM, &addr);

	CHECK_OK(ioth_stopstack(c->a));
	CHECK_LEN(ioth_sendto(fd, "self", 4, 0, &addr.sa, addr.len), 4);
	recv_text(fd, "self");
}
