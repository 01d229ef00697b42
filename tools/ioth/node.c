/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* node.c - what the commands that speak on a stack themselves have in common. */
#include "node.h"
#include "command.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

struct ioth *node_open(const char *command, struct setup *setup)
{
	struct ioth *stack;

	if (setup->stack == NULL) {
		usage_error(command, "on which stack? Say -s NAME; 'ioth stacks' lists the names");
		return NULL;
	}
	stack = setup_open(setup);
	if (stack == NULL)
		complain(command, node_hint(setup, errno), "%s", setup->error);
	return stack;
}

const char *node_hint(const struct setup *setup, int error)
{
	if (setup->networks == 0)
		return NULL;
	if (error == ENOENT || error == ECONNREFUSED)
		return "Nobody offers that network. The first program says switch:///PATH, which makes the switch, the "
		       "others vde:///PATH.";
	if (error == EEXIST)
		return "switch:///PATH makes a new switch. To join one that is there, say vde:///PATH.";
	return NULL;
}

int node_option(const char *command, struct setup *setup, int opt, char *argv[])
{
	int known;

	if (opt == '?')
		return usage_error(command, "there is no option %s", argv[optind - 1]);
	if (opt == ':')
		return usage_error(command, "%s needs a value", argv[optind - 1]);
	known = setup_getopt(setup, opt, optarg);
	return known > 0 ? 0 : usage_error(command, "%s", setup->error);
}

/** port_number - from 0 to 65535; -1 when it is none */
static long port_number(const char *text)
{
	char *end;
	long port = strtol(text, &end, 10);

	return *text == '\0' || *end != '\0' || port < 0 || port > 65535 ? -1 : port;
}

socklen_t node_address(const char *command, const char *host, const char *port, int family,
                       struct sockaddr_storage *out)
{
	struct sockaddr_in *in = (struct sockaddr_in *)out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
	long number = port != NULL ? port_number(port) : 0;

	memset(out, 0, sizeof(*out));
	if (number < 0) {
		usage_error(command, "%s is not a port: a number from 0 to 65535", port);
		return 0;
	}
	in->sin_port = htons((uint16_t)number); /* at the same place in both */
	if (host == NULL) {
		out->ss_family = (sa_family_t)family;
		return family == AF_INET ? sizeof(*in) : sizeof(*in6);
	}
	if (family != AF_INET6 && inet_pton(AF_INET, host, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		return sizeof(*in);
	}
	if (family != AF_INET && inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		return sizeof(*in6);
	}
	usage_error(command, "%s is not an address: write 10.0.0.1 or fd00::1 (names are not looked up)", host);
	return 0;
}

const char *node_text(const struct sockaddr_storage *addr, char *out)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)addr;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)addr;
	bool six = addr->ss_family == AF_INET6;
	unsigned int port = ntohs(in->sin_port);
	char text[INET6_ADDRSTRLEN] = "?";

	inet_ntop(addr->ss_family, six ? (const void *)&in6->sin6_addr : (const void *)&in->sin_addr, text,
	          sizeof(text));
	if (port == 0)
		snprintf(out, NODE_ADDR_SIZE, "%s", text);
	else
		snprintf(out, NODE_ADDR_SIZE, six ? "[%s]:%u" : "%s:%u", text, port);
	return out;
}

int node_number(const char *command, const char *what, const char *text, double min, double max, double *out)
{
	char *end;

	*out = strtod(text, &end);
	if (*text != '\0' && *end == '\0' && *out >= min && *out <= max)
		return 0;
	return usage_error(command, "%s is not %s: a number from %g to %g", text, what, min, max);
}
