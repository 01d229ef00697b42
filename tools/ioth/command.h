/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * command.h - what the subcommands of ioth share: their entry points, and how they talk to a person.
 *
 * A subcommand NAME lives in NAME.c. Its NAME_main gets argv with argv[0] its own name, and returns the exit status of
 * the program.
 */
#ifndef TOOL_COMMAND_H
#define TOOL_COMMAND_H

int bench_main(int argc, char *argv[]);
int connect_main(int argc, char *argv[]);
int demo_main(int argc, char *argv[]);
int ip_main(int argc, char *argv[]);
int listen_main(int argc, char *argv[]);
int net_main(int argc, char *argv[]);
int ping_main(int argc, char *argv[]);
int run_main(int argc, char *argv[]);
int serve_main(int argc, char *argv[]);
int stacks_main(int argc, char *argv[]);

/* Exit statuses of ioth itself; those of `ioth run` leave the rest to the program that it runs (env(1) has the same).
 */
enum {
	STATUS_FAILED = 1,
	STATUS_USAGE = 2,
	STATUS_RUN_FAILED = 125,     /* the program was not started */
	STATUS_CANNOT_EXECUTE = 126, /* it is there and cannot be executed */
	STATUS_NOT_FOUND = 127,
};

/** complain - a line on standard error: "ioth COMMAND: what failed", and what to do below it (@hint, unless NULL) */
__attribute__((format(printf, 3, 4))) void complain(const char *command, const char *hint, const char *format, ...);

/** usage_error - complain about the command line, with the advice to read --help; STATUS_USAGE */
__attribute__((format(printf, 2, 3))) int usage_error(const char *command, const char *format, ...);

#endif
