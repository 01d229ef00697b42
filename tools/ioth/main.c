/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* main.c - the ioth command: which subcommand it is. */
#include "command.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	int (*main)(int argc, char *argv[]);
	const char *summary;
} commands[] = {
        {"run", run_main, "run a program on a stack of its own"},
        {"serve", serve_main, "offer a stack to other processes"},
        {"ping", ping_main, "does a host answer to a stack?"},
        {"connect", connect_main, "a connection from a stack, on standard input and output"},
        {"listen", listen_main, "a connection to a stack, on standard input and output"},
        {"ip", ip_main, "ip(8) on a stack"},
        {"demo", demo_main, "two nodes talk over a virtual Ethernet, with explanations"},
        {"bench", bench_main, "how fast are two stacks on this machine?"},
        {"net", net_main, "networks in shared memory: who is on them, and what passes"},
        {"stacks", stacks_main, "list the stacks that can be used, and why others cannot"},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void help(FILE *out)
{
	fputs("usage: ioth COMMAND [ARGUMENT...]\n"
	      "\n"
	      "Programs with a network of their own: each on a TCP/IP stack that is theirs alone, on a\n"
	      "virtual Ethernet, without root and without a change to the network of this machine.\n"
	      "\n",
	      out);
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].summary);
	fputs("\n"
	      "'ioth COMMAND --help' tells more about one. Try this, in two terminals:\n"
	      "\n"
	      "  ioth run -s vdestack -n switch:///tmp/lan -a 10.0.0.1/24 -- python3 -m http.server 80\n"
	      "  ioth run -s vdestack -n vde:///tmp/lan -a 10.0.0.2/24 -- curl http://10.0.0.1/\n",
	      out);
}

int main(int argc, char *argv[])
{
	const char *name = argc > 1 ? argv[1] : NULL;

	if (name == NULL) {
		help(stderr);
		return STATUS_USAGE;
	}
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
		help(stdout);
		return 0;
	}
	if (strcmp(name, "--version") == 0) {
		puts("ioth " VERSION);
		return 0;
	}
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(name, commands[i].name) == 0)
			return commands[i].main(argc - 1, argv + 1);
	complain("", "'ioth --help' lists the commands.", "there is no command '%s'", name);
	return STATUS_USAGE;
}
