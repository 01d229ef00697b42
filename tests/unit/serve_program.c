/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* serve_program.c - `ioth serve` without the other subcommands, for test_serve_command. */
#include "../../tools/ioth/command.h"

int main(int argc, char *argv[])
{
	return serve_main(argc, argv);
}
