/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * setup.h - a stack as the command line or a configuration file describes it.
 *
 * Options come by name, so that `-a 10.0.0.5/24`, `--address 10.0.0.5/24` and a line `address = 10.0.0.5/24` of a file
 * are one thing:
 *
 *     struct setup setup = SETUP_INIT;
 *     setup_option(&setup, "stack", "lwip") ...
 *     stack = setup_open(&setup);
 */
#ifndef TOOL_SETUP_H
#define TOOL_SETUP_H

#include <getopt.h>
#include <ioth.h>
#include <stdbool.h>

#define SETUP_MAX 32 /* networks, addresses, gateways: of each */

struct setup {
	const char *stack;                  /* NAME[,OPTION...] */
	const char *network[SETUP_MAX + 1]; /* VNL or IFNAME=VNL; NULL-terminated */
	const char *address[SETUP_MAX];     /* ADDRESS/PREFIX[@IFNAME] */
	const char *gateway[SETUP_MAX];     /* ADDRESS[@IFNAME] */
	unsigned int networks, addresses, gateways;
	unsigned int mtu; /* 0: the stack's choice */
	const char *pcap; /* capture file, or NULL */
	char error[256];  /* why the last call failed: a sentence for a person, without a newline */
};

#define SETUP_INIT                                                                                                     \
	{                                                                                                              \
		.stack = NULL                                                                                          \
	}

/* For getopt_long: the short options, and a member of each long one, whose val is the short one's letter. */
#define SETUP_SHORT "s:n:a:g:"
#define SETUP_LONG                                                                                                     \
	{"stack", required_argument, NULL, 's'}, {"network", required_argument, NULL, 'n'},                            \
	        {"address", required_argument, NULL, 'a'}, {"gateway", required_argument, NULL, 'g'},                  \
	        {"mtu", required_argument, NULL, SETUP_MTU},                                                           \
	{                                                                                                              \
		"pcap", required_argument, NULL, SETUP_PCAP                                                            \
	}
enum { SETUP_MTU = 1000, SETUP_PCAP };

/* The part of a usage text that tells of them. */
#define SETUP_HELP                                                                                                     \
	"  -s, --stack STACK       the stack: NAME or NAME,OPTION[=VALUE],... (ioth stacks lists the names)\n"         \
	"  -n, --network VNL       a VDE network it is plugged into; IFNAME=VNL names the interface (vde0, vde1, "     \
	"...)\n"                                                                                                       \
	"  -a, --address ADDR/LEN  an address of the first interface; ADDR/LEN@IFNAME of another one\n"                \
	"  -g, --gateway ADDR      the default gateway; ADDR@IFNAME for one that needs its interface (fe80::1@vde0)\n" \
	"      --mtu BYTES         the MTU of all interfaces\n"                                                        \
	"      --pcap FILE         capture all frames in a file\n"

/**
 * setup_option - one option by name: stack, network, address, gateway, mtu, pcap
 *
 * @value is kept, not copied. Returns 1, 0 when the name is not one of these, -1 with @setup->error for a bad value.
 */
int setup_option(struct setup *setup, const char *name, const char *value);

/** setup_getopt - the same by what getopt_long returned */
int setup_getopt(struct setup *setup, int opt, const char *value);

/**
 * setup_open - make the stack and configure it: lo and all interfaces up, MTU, addresses, gateways
 *
 * IPv6 addresses are not tried for duplicates: they can be used at once. The stacks kernel and remote are configured by
 * others and left as they are. Returns NULL with @setup->error, and errno, when a step failed; nothing is left then.
 */
struct ioth *setup_open(struct setup *setup);

#endif
