/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* netns.c - private network namespaces for the tests; see netns.h. */
#include "netns.h"
#include "nlmsg.h"
#include "wait.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/veth.h>
#include <net/if.h>
#include <linux/if.h> /* after <net/if.h> */
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/** put - write a string to a file of /proc; 0 or negative errno */
static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

int netns_private(void)
{
	char map[64];
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int ret;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
		ret = -errno;
		if (uid == 0 && unshare(CLONE_NEWNET) == 0)
			return 0;
		return ret;
	}
	snprintf(map, sizeof(map), "0 %u 1\n", (unsigned int)uid);
	ret = put("/proc/self/uid_map", map);
	if (ret == 0)
		ret = put("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "0 %u 1\n", (unsigned int)gid);
	if (ret == 0)
		ret = put("/proc/self/gid_map", map);
	return ret;
}

int netns_open(void)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int netns_enter(int netns)
{
	return setns(netns, CLONE_NEWNET) != 0 ? -errno : 0;
}

/** union answer - the first message with which the kernel answers a request */
union answer {
	struct nlmsghdr head;
	unsigned char byte[4096];
};

/** ask - send one request to the kernel and read its answer; 0 or negative errno */
static int ask(const struct nlmsg *msg, union answer *answer)
{
	ssize_t len;
	int ret = 0;
	int fd;

	if (nlmsg_size(msg) == 0)
		return -EMSGSIZE;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return -errno;
	len = send(fd, msg, nlmsg_size(msg), 0);
	if (len >= 0)
		len = recv(fd, answer, sizeof(*answer), 0);
	if (len < 0)
		ret = -errno;
	else if (nlmsg_next(answer, (size_t)len, NULL) == NULL)
		ret = -EPROTO;
	close(fd);
	return ret;
}

/** error_of - what an answer that is an acknowledgement says, -EPROTO of another one */
static int error_of(union answer *answer)
{
	struct nlmsgerr *err = nlmsg_body(&answer->head, sizeof(*err));

	return answer->head.nlmsg_type == NLMSG_ERROR && err != NULL ? err->error : -EPROTO;
}

/** talk - send one request and read its acknowledgement; 0 or negative errno */
static int talk(const struct nlmsg *msg)
{
	union answer answer = {.head = {.nlmsg_len = 0}};
	int ret = ask(msg, &answer);

	return ret != 0 ? ret : error_of(&answer);
}

int netns_veth(const char *name, int peer_netns)
{
	struct ifinfomsg link = {.ifi_family = AF_UNSPEC};
	struct nlmsg msg;
	size_t info, data, peer;

	nlmsg_start(&msg, RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, 1, &link, sizeof(link));
	nlmsg_add(&msg, IFLA_IFNAME, name, strlen(name) + 1);
	info = nlmsg_nest(&msg, IFLA_LINKINFO);
	nlmsg_add(&msg, IFLA_INFO_KIND, "veth", 4);
	data = nlmsg_nest(&msg, IFLA_INFO_DATA);
	peer = nlmsg_nest(&msg, VETH_INFO_PEER);
	nlmsg_raw(&msg, &link, sizeof(link));
	nlmsg_add(&msg, IFLA_IFNAME, name, strlen(name) + 1);
	nlmsg_add(&msg, IFLA_NET_NS_FD, &peer_netns, sizeof(peer_netns));
	nlmsg_unnest(&msg, peer);
	nlmsg_unnest(&msg, data);
	nlmsg_unnest(&msg, info);
	return talk(&msg);
}

int netns_link_up(const char *name)
{
	struct ifinfomsg link = {.ifi_family = AF_UNSPEC, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	struct nlmsg msg;

	nlmsg_start(&msg, RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, 1, &link, sizeof(link));
	nlmsg_add(&msg, IFLA_IFNAME, name, strlen(name) + 1);
	return talk(&msg);
}

/** operstate - IFLA_OPERSTATE of an interface of this namespace, or negative errno */
static int operstate(const char *name)
{
	struct ifinfomsg link = {.ifi_family = AF_UNSPEC};
	union answer answer = {.head = {.nlmsg_len = 0}};
	struct rtattr *attr;
	struct nlmsg msg;
	int ret;

	nlmsg_start(&msg, RTM_GETLINK, NLM_F_REQUEST, 1, &link, sizeof(link));
	nlmsg_add(&msg, IFLA_IFNAME, name, strlen(name) + 1);
	ret = ask(&msg, &answer);
	if (ret != 0)
		return ret;
	if (answer.head.nlmsg_type != RTM_NEWLINK)
		return error_of(&answer);
	attr = nlmsg_attr(&answer.head, sizeof(link), IFLA_OPERSTATE);
	return attr == NULL || RTA_PAYLOAD(attr) < 1 ? -EPROTO : *(unsigned char *)RTA_DATA(attr);
}

int netns_link_running(const char *name)
{
	long deadline = wait_now_ms() + WAIT_MS;
	int state;

	while ((state = operstate(name)) != IF_OPER_UP) {
		if (state < 0)
			return state;
		if (!wait_again(deadline))
			return -ETIMEDOUT;
	}
	return 0;
}

int netns_addr_add(const char *name, int family, const void *addr, int prefixlen)
{
	struct ifaddrmsg body = {
	        .ifa_family = (unsigned char)family,
	        .ifa_prefixlen = (unsigned char)prefixlen,
	        .ifa_flags = family == AF_INET6 ? IFA_F_NODAD : 0,
	        .ifa_index = if_nametoindex(name),
	};
	size_t len = family == AF_INET6 ? 16 : 4;
	struct nlmsg msg;

	if (body.ifa_index == 0)
		return -ENODEV;
	nlmsg_start(&msg, RTM_NEWADDR, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, 1, &body, sizeof(body));
	nlmsg_add(&msg, IFA_LOCAL, addr, len);
	nlmsg_add(&msg, IFA_ADDRESS, addr, len);
	return talk(&msg);
}
