/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* setup.c - make a stack and configure it as the command line says. */
#include "setup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/** struct place - an address as it is written: ADDRESS[/PREFIX][@IFNAME] */
struct place {
	int family;
	unsigned char addr[16];
	int prefix; /* -1: none was written */
	char ifname[IFNAMSIZ];
};

/** fail - keep a sentence for the person; -1 */
__attribute__((format(printf, 2, 3))) static int fail(struct setup *setup, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(setup->error, sizeof(setup->error), format, args);
	va_end(args);
	return -1;
}

/** cut - split @text at the last @mark: what is behind it, or NULL */
static char *cut(char *text, char mark)
{
	char *at = strrchr(text, mark);

	if (at == NULL)
		return NULL;
	*at = '\0';
	return at + 1;
}

/** number - all of @text as a number from @min to @max; -1 when it is none */
static long number(const char *text, long min, long max)
{
	char *end;
	long value = strtol(text, &end, 10);

	return *text == '\0' || *end != '\0' || value < min || value > max ? -1 : value;
}

/** place_parse - false when @text is no address */
static bool place_parse(const char *text, struct place *place)
{
	char copy[128], *ifname, *prefix;

	if (strlen(text) >= sizeof(copy))
		return false;
	strcpy(copy, text);
	*place = (struct place){.prefix = -1};
	ifname = cut(copy, '@');
	if (ifname != NULL) {
		if (*ifname == '\0' || strlen(ifname) >= sizeof(place->ifname))
			return false;
		strcpy(place->ifname, ifname);
	}
	prefix = cut(copy, '/');
	place->family = strchr(copy, ':') != NULL ? AF_INET6 : AF_INET;
	if (prefix != NULL) {
		place->prefix = (int)number(prefix, 0, place->family == AF_INET ? 32 : 128);
		if (place->prefix < 0)
			return false;
	}
	return inet_pton(place->family, copy, place->addr) == 1;
}

/* ------------------------------------------------------------------------------------------------------ options */

static int add(struct setup *setup, const char **list, unsigned int *count, const char *what, const char *value)
{
	if (*count == SETUP_MAX)
		return fail(setup, "more than %d of %s", SETUP_MAX, what);
	list[(*count)++] = value;
	return 1;
}

static int option_address(struct setup *setup, const char *value)
{
	struct place place;

	if (!place_parse(value, &place) || place.prefix < 0)
		return fail(setup,
		            "%s is not an address with the length of its network: write 10.0.0.5/24 or fd00::5/64",
		            value);
	return add(setup, setup->address, &setup->addresses, "address", value);
}

static int option_gateway(struct setup *setup, const char *value)
{
	struct place place;

	if (!place_parse(value, &place) || place.prefix >= 0)
		return fail(setup, "%s is not the address of a gateway: write 10.0.0.1 or fd00::1", value);
	return add(setup, setup->gateway, &setup->gateways, "gateway", value);
}

int setup_option(struct setup *setup, const char *name, const char *value)
{
	if (strcmp(name, "stack") == 0) {
		setup->stack = value;
	} else if (strcmp(name, "network") == 0) {
		return add(setup, setup->network, &setup->networks, "network", value);
	} else if (strcmp(name, "address") == 0) {
		return option_address(setup, value);
	} else if (strcmp(name, "gateway") == 0) {
		return option_gateway(setup, value);
	} else if (strcmp(name, "mtu") == 0) {
		long mtu = number(value, 68, 65535);

		if (mtu < 0)
			return fail(setup, "%s is not an MTU: a number from 68 to 65535", value);
		setup->mtu = (unsigned int)mtu;
	} else if (strcmp(name, "pcap") == 0) {
		if (strchr(value, ',') != NULL)
			return fail(setup, "%s: the name of a capture file cannot have a comma", value);
		setup->pcap = value;
	} else {
		return 0;
	}
	return 1;
}

int setup_getopt(struct setup *setup, int opt, const char *value)
{
	switch (opt) {
	case 's':
		return setup_option(setup, "stack", value);
	case 'n':
		return setup_option(setup, "network", value);
	case 'a':
		return setup_option(setup, "address", value);
	case 'g':
		return setup_option(setup, "gateway", value);
	case SETUP_MTU:
		return setup_option(setup, "mtu", value);
	case SETUP_PCAP:
		return setup_option(setup, "pcap", value);
	default:
		return 0;
	}
}

/* ------------------------------------------------------------------------------------------------ configuration */

/** ifindex - the interface of that name, the first network's for ""; 0 with @setup->error */
static unsigned int ifindex(struct setup *setup, struct ioth *stack, const char *ifname)
{
	struct if_nameindex *list = ioth_if_nameindex(stack);
	unsigned int index = 0;

	for (struct if_nameindex *i = list; i != NULL && i->if_index != 0 && index == 0; i++)
		if (*ifname != '\0' ? strcmp(i->if_name, ifname) == 0 : strcmp(i->if_name, "lo") != 0)
			index = i->if_index;
	ioth_if_freenameindex(list);
	if (index == 0 && *ifname != '\0')
		fail(setup, "there is no interface %s: networks give vde0, vde1, ... or the name in IFNAME=VNL",
		     ifname);
	else if (index == 0)
		fail(setup, "there is no interface for an address: name a network with -n");
	return index;
}

/** configure_links - all up, with their MTU */
static int configure_links(struct setup *setup, struct ioth *stack)
{
	struct if_nameindex *list = ioth_if_nameindex(stack);
	int result = 0;

	if (list == NULL)
		return fail(setup, "the interfaces cannot be listed: %s", strerror(errno));
	for (struct if_nameindex *i = list; i->if_index != 0 && result == 0; i++) {
		if (setup->mtu != 0 && strcmp(i->if_name, "lo") != 0 &&
		    ioth_linksetmtu(stack, i->if_index, setup->mtu) < 0)
			result =
			        fail(setup, "%s cannot have an MTU of %u: %s", i->if_name, setup->mtu, strerror(errno));
		if (result == 0 && ioth_linksetupdown(stack, i->if_index, 1) < 0)
			result = fail(setup, "%s cannot be switched on: %s", i->if_name, strerror(errno));
	}
	ioth_if_freenameindex(list);
	return result;
}

static int configure_address(struct setup *setup, struct ioth *stack, const char *text)
{
	struct place place;
	unsigned int index;
	int prefix;

	if (!place_parse(text, &place))
		return option_address(setup, text);
	index = ifindex(setup, stack, place.ifname);
	if (index == 0)
		return -1;
	/* Detection would make the first seconds useless, and the address was chosen by a person. */
	prefix = place.family == AF_INET ? place.prefix
	                                 : nl_addrdata2prefix((unsigned char)place.prefix, IFA_F_NODAD, 0);
	if (ioth_ipaddr_add(stack, place.family, place.addr, prefix, index) < 0)
		return fail(setup, "address %s: %s", text, strerror(errno));
	return 0;
}

static int configure_gateway(struct setup *setup, struct ioth *stack, const char *text)
{
	struct place place;
	unsigned int index = 0;

	if (!place_parse(text, &place))
		return option_gateway(setup, text);
	if (place.ifname[0] != '\0' && (index = ifindex(setup, stack, place.ifname)) == 0)
		return -1;
	if (ioth_iproute_add(stack, place.family, NULL, 0, place.addr, index) < 0)
		return fail(setup, "gateway %s: %s%s", text, strerror(errno),
		            errno == ENETUNREACH ? " (it is in the network of none of the addresses)" : "");
	return 0;
}

static int configure(struct setup *setup, struct ioth *stack)
{
	int result = configure_links(setup, stack);

	for (unsigned int i = 0; i < setup->addresses && result == 0; i++)
		result = configure_address(setup, stack, setup->address[i]);
	for (unsigned int i = 0; i < setup->gateways && result == 0; i++)
		result = configure_gateway(setup, stack, setup->gateway[i]);
	return result;
}

/* ---------------------------------------------------------------------------------------------------- the stack */

/** vnl_of - "IFNAME=VNL" as the library writes it, IFNAME:VNL; allocated; NULL: no memory */
static char *vnl_of(const char *network)
{
	size_t name = strcspn(network, "=:/");
	char *vnl = strdup(network);

	if (vnl != NULL && name > 0 && network[name] == '=')
		vnl[name] = ':';
	return vnl;
}

/** complain - a sentence of why there is no stack, from errno */
static void complain(struct setup *setup, const char *name)
{
	int error = errno;

	switch (error) {
	case ENOTSUP:
		fail(setup, "there is no stack %s, or it cannot be loaded: ioth stacks lists what there is", name);
		break;
	case EPERM:
		fail(setup,
		     "the stack %s is forbidden here: EPERM (user namespaces may be switched off; lwip needs none)",
		     name);
		break;
	default:
		fail(setup, "the stack %s cannot be made%s%s: %s", name, setup->networks > 0 ? " on " : "",
		     setup->networks > 0 ? setup->network[0] : "", strerror(error));
	}
	errno = error;
}

static struct ioth *make(struct setup *setup)
{
	const char *vnlv[SETUP_MAX + 1] = {NULL};
	char *name = NULL;
	struct ioth *stack = NULL;
	unsigned int networks = setup->networks;
	bool memory = true;
	int error;

	for (unsigned int i = 0; i < networks; i++)
		memory = memory && (vnlv[i] = vnl_of(setup->network[i])) != NULL;
	if (memory && asprintf(&name, "%s%s%s", setup->stack, setup->pcap != NULL ? ",pcap=" : "",
	                       setup->pcap != NULL ? setup->pcap : "") >= 0) {
		stack = ioth_newstackv(name, vnlv);
		if (stack == NULL)
			complain(setup, setup->stack);
		error = errno;
		free(name);
	} else {
		fail(setup, "no memory");
		error = ENOMEM;
	}
	for (unsigned int i = 0; i < networks; i++)
		free((char *)(uintptr_t)vnlv[i]);
	errno = error;
	return stack;
}

struct ioth *setup_open(struct setup *setup)
{
	struct ioth *stack;
	int error;

	if (setup->stack == NULL) {
		fail(setup, "no stack is named: use -s STACK");
		errno = EINVAL;
		return NULL;
	}
	stack = make(setup);
	/* The host's own stack is configured already, and not by us. */
	if (stack == NULL || strcmp(setup->stack, "kernel") == 0 || strncmp(setup->stack, "remote,", 7) == 0)
		return stack;
	if (configure(setup, stack) == 0)
		return stack;
	error = errno;
	ioth_delstack(stack);
	errno = error;
	return NULL;
}
