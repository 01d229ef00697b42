/* SPDX-License-Identifier: 0BSD */
/*
 * common.h - what every example needs: a stack with one configured interface, a look at it, and errors that help.
 *
 * Addresses are text, IPv4 or IPv6. "-" as a locator or as an address means "none": the host's own stack (kernel) has
 * its interfaces and addresses already.
 */
#ifndef EXAMPLES_COMMON_H
#define EXAMPLES_COMMON_H

#include <ioth.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/** die - print what failed, why (errno, unless 0) and what to do (@hint, unless NULL), and end with status 1 */
__attribute__((format(printf, 2, 3), noreturn)) static inline void die(const char *hint, const char *format, ...)
{
	int error = errno;
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "%s%s\n", error ? ": " : "", error ? strerror(error) : "");
	if (hint)
		fprintf(stderr, "%s\n", hint);
	exit(1);
}

/** stack_hint - what a person can do about a stack that cannot be created, by errno; NULL when there is nothing to say
 */
static inline const char *stack_hint(int error)
{
	switch (error) {
	case ENOTSUP:
		return "There is no such plugin. In a build that is not installed, set IOTH_PLUGIN_PATH to its plugins "
		       "folder.";
	case EPERM:
		return "This stack needs unprivileged user namespaces. Where they are forbidden try, as root,\n"
		       "sysctl kernel.unprivileged_userns_clone=1 or kernel.apparmor_restrict_unprivileged_userns=0.";
	case EEXIST:
		return "switch:///PATH makes a new switch. To join one that is there, say vde:///PATH; if a killed "
		       "program left\n"
		       "its directory behind, remove that.";
	case ENOENT:
	case ECONNREFUSED:
		return "Nobody offers that network. The first program says switch:///PATH, which makes the switch, the "
		       "others\n"
		       "vde:///PATH. Or let both ends of a cable say ptp:///PATH.";
	default:
		return NULL;
	}
}

/** address - text and port to a socket address; returns its length */
static inline socklen_t address(const char *text, const char *port, struct sockaddr_storage *out)
{
	struct sockaddr_in *in = (struct sockaddr_in *)out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
	char *end;
	unsigned long number = strtoul(port, &end, 10);

	errno = 0;
	if (number > 65535 || end == port || *end)
		die("A port is a number from 0 to 65535.", "bad port '%s'", port);
	memset(out, 0, sizeof(*out));
	in->sin_port = htons((uint16_t)number); /* at the same place in both */
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		return sizeof(*in);
	}
	if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		return sizeof(*in6);
	}
	die("Write it like 10.0.0.1 or fd00::1.", "bad address '%s'", text);
}

/**
 * wait_settled - wait until the interface has an IPv6 address that may be used
 *
 * A stack first asks the network whether somebody else has a new IPv6 address (about a second); until then nothing
 * can be sent from it. @monitor is a netlink socket that has been listening since before the address was added.
 */
static inline void wait_settled(int monitor)
{
	char buf[8192] __attribute__((aligned(8)));

	for (;;) {
		ssize_t len = ioth_recv(monitor, buf, sizeof(buf), 0);
		struct nlmsghdr *msg = (struct nlmsghdr *)buf;

		if (len < 0)
			die(NULL, "cannot follow the state of the address");
		for (; NLMSG_OK(msg, (size_t)len); msg = NLMSG_NEXT(msg, len)) {
			struct ifaddrmsg *ifa = NLMSG_DATA(msg);

			if (msg->nlmsg_type == RTM_NEWADDR && ifa->ifa_scope == RT_SCOPE_UNIVERSE &&
			    !(ifa->ifa_flags & IFA_F_TENTATIVE))
				return;
		}
	}
}

/** stack_up - create @stack on @vnl, set its interface vde0 up and give it @cidr, an address like 10.0.0.1/24 */
static inline struct ioth *stack_up(const char *stack, const char *vnl, const char *cidr)
{
	struct sockaddr_nl news = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_IPV6_IFADDR};
	unsigned char addr[sizeof(struct in6_addr)];
	char text[INET6_ADDRSTRLEN];
	int family = strchr(cidr, ':') ? AF_INET6 : AF_INET, prefix, vde0, monitor;
	bool configure = strcmp(cidr, "-") != 0;
	struct ioth *s;

	errno = 0;
	if (configure && (sscanf(cidr, "%45[^/]/%d", text, &prefix) != 2 || inet_pton(family, text, addr) != 1))
		die("Write it like 10.0.0.1/24 or fd00::1/64.", "bad address '%s'", cidr);
	s = ioth_newstack(stack, strcmp(vnl, "-") ? vnl : NULL);
	if (s == NULL)
		die(stack_hint(errno), "cannot create a stack '%s' on '%s'", stack, vnl);
	if (!configure)
		return s;
	vde0 = ioth_if_nametoindex(s, "vde0");
	if (vde0 < 0)
		die("Only a stack with a network has vde0; use - as the address of others.", "no interface vde0");
	monitor = ioth_msocket(s, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	if (monitor < 0 || ioth_bind(monitor, (struct sockaddr *)&news, sizeof(news)) < 0)
		die(NULL, "cannot open a netlink socket");
	if (ioth_linksetupdown(s, (unsigned int)vde0, 1) < 0)
		die(NULL, "cannot set vde0 up");
	if (ioth_ipaddr_add(s, family, addr, prefix, (unsigned int)vde0) < 0)
		die(NULL, "cannot give vde0 the address %s", cidr);
	if (family == AF_INET6)
		wait_settled(monitor);
	ioth_close(monitor);
	return s;
}

/** prefix_length - the bits set in a netmask */
static inline int prefix_length(const struct sockaddr *mask)
{
	const unsigned char *byte = mask->sa_family == AF_INET
	                                    ? (const void *)&((const struct sockaddr_in *)mask)->sin_addr
	                                    : (const void *)&((const struct sockaddr_in6 *)mask)->sin6_addr;
	int len = mask->sa_family == AF_INET ? 4 : 16, bits = 0;

	for (int i = 0; i < len * 8 && byte[i / 8] & 0x80 >> i % 8; i++)
		bits++;
	return bits;
}

/** stack_show - print the interfaces of a stack and their addresses, one line each, every line after @margin */
static inline void stack_show(struct ioth *s, const char *margin)
{
	struct ifaddrs *list;
	char text[INET6_ADDRSTRLEN];

	if (ioth_getifaddrs(s, &list) < 0)
		die(NULL, "cannot list the addresses of the stack");
	for (struct ifaddrs *link = list; link; link = link->ifa_next) {
		if (link->ifa_addr == NULL || link->ifa_addr->sa_family != AF_PACKET)
			continue;
		ioth_ntomac(((struct sockaddr_ll *)link->ifa_addr)->sll_addr, text, sizeof(text));
		printf("%s%-5s %s %s\n", margin, link->ifa_name, text, link->ifa_flags & IFF_UP ? "up" : "down");
		for (struct ifaddrs *ifa = list; ifa; ifa = ifa->ifa_next) {
			const struct sockaddr *sa = ifa->ifa_addr;
			const void *addr;

			if (sa == NULL || sa->sa_family == AF_PACKET || strcmp(ifa->ifa_name, link->ifa_name))
				continue;
			addr = sa->sa_family == AF_INET ? (const void *)&((const struct sockaddr_in *)sa)->sin_addr
			                                : (const void *)&((const struct sockaddr_in6 *)sa)->sin6_addr;
			inet_ntop(sa->sa_family, addr, text, sizeof(text));
			printf("%s      %s/%d\n", margin, text, prefix_length(ifa->ifa_netmask));
		}
	}
	ioth_freeifaddrs(list);
}

#endif
