/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ip.c - ioth ip: the ip command of iproute2 on a stack. */
#include "command.h"
#include "runopt.h"

#include <stdlib.h>
#include <string.h>

static const char help[] =
        "usage: ioth ip [OPTION...] [--] ARGUMENT...\n"
        "\n"
        "Run ip(8) on a stack: 'ioth ip OPTION... ARGUMENT...' is 'ioth run OPTION... ip ARGUMENT...'.\n"
        "\n" RUN_HELP "\n"
        "  ioth ip -s remote,socket=/tmp/stack address\n"
        "  ioth ip -s remote,socket=/tmp/stack -- -s -j link show vde0\n";

int ip_main(int argc, char *argv[])
{
	struct run run = RUN_INIT;
	int status;
	char **program;
	size_t count = 0;

	run.command = "ip";
	status = run_options(&run, argc, argv);
	if (status >= 0)
		return status;
	if (run.show_help) {
		fputs(help, stdout);
		return 0;
	}
	while (run.program[count] != NULL)
		count++;
	program = calloc(count + 2, sizeof(*program));
	if (program == NULL) {
		complain("ip", NULL, "no memory");
		return STATUS_FAILED;
	}
	program[0] = (char[]){"ip"};
	memcpy(program + 1, run.program, count * sizeof(*program));
	run.program = program;
	return run_program(&run);
}
