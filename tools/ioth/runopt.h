/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* runopt.h - the options of ioth run, and of other commands that run a program on a stack. */
#ifndef TOOL_RUNOPT_H
#define TOOL_RUNOPT_H

#include "forward.h"
#include "setup.h"

#define RUN_DNS_MAX 3 /* as many as the C library asks */

struct run {
	struct setup setup;
	const char *command;          /* whose options they are, for complaints */
	const char *dns[RUN_DNS_MAX]; /* addresses of name servers */
	unsigned int dns_count;
	const char *search; /* domains, separated by blanks; NULL: none */
	const char *hosts;  /* file for /etc/hosts; NULL: the host's */
	struct forward_rule also_host[FORWARD_MAX];
	unsigned int also_host_count;
	struct forward *forward; /* of them, while the program runs; NULL: there are none */
	char **program;          /* the rest of the command line */
	bool nat;
	bool show_help;
};

#define RUN_INIT                                                                                                       \
	{                                                                                                              \
		.command = "run"                                                                                       \
	}

#define RUN_HELP                                                                                                       \
	SETUP_HELP                                                                                                     \
	"      --dns ADDR          a name server, up to three; without one no names are asked for\n"                   \
	"      --search DOMAIN...  domains that are tried for short names, separated by blanks\n"                      \
	"      --hosts FILE        the program's /etc/hosts\n"                                                         \
	"      --also-host [ADDR:]PORT:PORT  a port of this machine that leads to one of the stack; of the loopback\n" \
	"                          only, unless an address or '*' is named\n"                                          \
	"      --nat               a way to the Internet: an interface nat0 on slirp://, with address, gateway\n"      \
	"                          and name server (10.0.2.15, 10.0.2.2, 10.0.2.3)\n"                                  \
	"      --config FILE       options from a file, lines like 'address = 10.0.0.1/24'\n"                          \
	"  -h, --help              this text\n"

/**
 * run_options - read the command line, and the files that it names
 *
 * Returns -1 when there is something to do: @run->show_help or @run->program. Otherwise the exit status, after a
 * complaint.
 */
int run_options(struct run *run, int argc, char *argv[]);

/** run_resolv_conf - the text of the program's /etc/resolv.conf */
void run_resolv_conf(const struct run *run, char *out, size_t size);

/** run_hint - what a person can do when setup_open has failed with @error; NULL: nothing to add */
const char *run_hint(const struct run *run, int error);

/** run_forward - open the ports of --also-host; false after a complaint (run.c) */
bool run_forward(struct run *run, struct ioth *stack);

/** run_forward_end - the program has ended: what it has sent by them is delivered, then they are closed */
void run_forward_end(struct run *run);

/** run_leave - the end of the stack: it leaves its networks, so that none of their socket files remains */
void run_leave(struct ioth *stack);

/** run_program - run it and end as it does; returns an exit status when it was not started (run.c) */
int run_program(struct run *run);

#endif
