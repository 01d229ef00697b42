/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nl.c - helpers of the netlink cases; see nl.h. */
#include "nl.h"
#include "private.h"

int conf_nl_open(struct conf *c, struct ioth *stack, unsigned int groups)
{
	struct sockaddr_nl name = {.nl_family = AF_NETLINK, .nl_groups = groups};
	int fd = conf_sock(c, stack, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);

	if (ioth_bind(fd, (struct sockaddr *)&name, sizeof(name)) != 0)
		conf_fail("bind of a netlink socket: %s", strerrorname_np(errno));
	return fd;
}

void conf_nl_send(int fd, const struct nlmsg *msg)
{
	ssize_t n;

	if (nlmsg_size(msg) == 0)
		conf_fail("the request is too long");
	n = ioth_send(fd, msg, nlmsg_size(msg), 0);
	if (n < 0)
		conf_fail("send of a netlink request: %s", strerrorname_np(errno));
	if ((size_t)n != nlmsg_size(msg))
		conf_fail("send of a netlink request: expected %zu, got %zd", nlmsg_size(msg), n);
}

void conf_nl_recv(int fd, struct answer *out)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	struct nlmsghdr *head, *last = NULL;
	ssize_t n;

	if (poll(&p, 1, WAIT_MS) != 1)
		conf_fail("no netlink message arrives");
	n = ioth_recv(fd, out->byte, sizeof(out->byte), MSG_TRUNC);
	if (n < 0)
		conf_fail("recv of a netlink message: %s", strerrorname_np(errno));
	if ((size_t)n > sizeof(out->byte))
		conf_fail("a netlink datagram of %zd bytes", n);
	out->len = (size_t)n;
	for (head = NULL; (head = nlmsg_next(out->byte, out->len, head)) != NULL;)
		last = head;
	if (last == NULL || (unsigned char *)last + NLMSG_ALIGN(last->nlmsg_len) < out->byte + out->len)
		conf_fail("a netlink datagram of %zu bytes has a broken message in it", out->len);
	out->head = nlmsg_next(out->byte, out->len, NULL);
}

int conf_nl_error(struct answer *in)
{
	struct nlmsgerr *err;

	if (in->head->nlmsg_type != NLMSG_ERROR)
		conf_fail("expected NLMSG_ERROR, got message type %d", in->head->nlmsg_type);
	err = nlmsg_body(in->head, sizeof(*err));
	if (err == NULL)
		conf_fail("NLMSG_ERROR is too short");
	return -err->error;
}

int conf_nl_ask(int fd, const struct nlmsg *msg)
{
	static struct answer in;
	struct nlmsgerr *err;

	conf_nl_send(fd, msg);
	do
		conf_nl_recv(fd, &in);
	while (in.head->nlmsg_seq != msg->head.nlmsg_seq);
	if (conf_nl_error(&in) != 0) {
		err = nlmsg_body(in.head, sizeof(*err));
		conf_check_mem(NULL, 0, "the request in the answer", &err->msg, &msg->head, sizeof(err->msg));
	}
	return conf_nl_error(&in);
}

int conf_nl_dump(int fd, const struct nlmsg *msg, int type, bool (*match)(struct nlmsghdr *, void *), void *arg)
{
	static struct answer in;
	int count = 0;

	conf_nl_send(fd, msg);
	for (;;) {
		conf_nl_recv(fd, &in);
		for (struct nlmsghdr *head = in.head; head != NULL; head = nlmsg_next(in.byte, in.len, head)) {
			if (head->nlmsg_seq != msg->head.nlmsg_seq)
				conf_fail("dump: sequence number: expected %u, got %u", msg->head.nlmsg_seq,
				          head->nlmsg_seq);
			if (head->nlmsg_type == NLMSG_ERROR)
				conf_fail("dump: %s", strerrorname_np(conf_nl_error(&in)));
			if (!(head->nlmsg_flags & NLM_F_MULTI))
				conf_fail("dump: a message without NLM_F_MULTI");
			if (head->nlmsg_type == NLMSG_DONE)
				return count;
			if (head->nlmsg_type != type)
				conf_fail("dump: expected messages of type %d, got %d", type, head->nlmsg_type);
			if (match == NULL || match(head, arg))
				count++;
		}
	}
}

void nl_link(struct nlmsg *msg, int type, int flags, unsigned int index, const char *name)
{
	static uint32_t seq = 100;
	struct ifinfomsg link = {.ifi_family = AF_UNSPEC, .ifi_index = (int)index};

	nlmsg_start(msg, type, NLM_F_REQUEST | flags, ++seq, &link, sizeof(link));
	if (name != NULL)
		nlmsg_add(msg, IFLA_IFNAME, name, strlen(name) + 1);
}

void nl_addr(struct conf *c, struct nlmsg *msg, int type, int flags, struct addr *addr, int bits, unsigned int index)
{
	static uint32_t seq = 20000;
	struct ifaddrmsg body = {
	        .ifa_family = (unsigned char)c->family,
	        .ifa_prefixlen = (unsigned char)bits,
	        .ifa_flags = c->family == AF_INET6 ? IFA_F_NODAD : 0,
	        .ifa_index = index,
	};

	nlmsg_start(msg, type, NLM_F_REQUEST | flags, ++seq, &body, sizeof(body));
	nlmsg_add(msg, IFA_LOCAL, addr_raw(addr), addr_rawlen(c));
	nlmsg_add(msg, IFA_ADDRESS, addr_raw(addr), addr_rawlen(c));
}

struct addr addr_silent(struct conf *c, int port)
{
	struct addr absent = addr_absent(c, port);
	struct ndmsg body = {.ndm_family = (unsigned char)c->family,
	                     .ndm_ifindex = (int)conf_ifindex(c, c->a),
	                     .ndm_state = NUD_PERMANENT};
	int fd = conf_nl_open(c, c->a, 0), error;
	struct nlmsg msg;

	nlmsg_start(&msg, RTM_NEWNEIGH, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE, 1, &body, sizeof(body));
	nlmsg_add(&msg, NDA_DST, addr_raw(&absent), addr_rawlen(c));
	nlmsg_add(&msg, NDA_LLADDR, "\2\0\0\0\0\x99", 6);
	error = conf_nl_ask(fd, &msg);
	if (error != 0)
		conf_fail("a permanent neighbour: %s", strerrorname_np(error));
	conf_drop(c, fd);
	return absent;
}
