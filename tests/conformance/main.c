/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* main.c - ioth-conformance: the command line. */
#include "private.h"

#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>

static const char usage[] =
        "usage: ioth-conformance [-s STACK]... [-n MODULE] [-j N] [-v] [-l] [--tap] [--json FILE] [PATTERN...]\n"
        "\n"
        "Runs every case on every stack, and prints failures, the rows of the matrix on which the stacks differ, and "
        "totals.\n"
        "Exit status: 0, 1 when a case failed, 77 when none could run, 2 for a wrong command line.\n"
        "\n"
        "  -s STACK       a stack to test; default: kernel, which is the oracle. STACK may carry options: lwip,pcap=f\n"
        "                 remote+STACK is one in another process, remote-calls+STACK the same without streams\n"
        "  -n MODULE      the VDE network between the two stacks of a case: ptp (default) or shm\n"
        "  -j N           cases at a time (default 2)\n"
        "  -t SECONDS     a case that lasts longer hangs (default 20)\n"
        "  -v             the whole matrix\n"
        "  -l             list the cases with what they check\n"
        "  --no-limits    run also what a case declares to be a limit of the engine\n"
        "  --tap          TAP on standard output\n"
        "  --json FILE    all results as JSON\n"
        "  PATTERN        cases whose name contains it or matches it: tcp. 'poll.*/ipv6'\n";

/** list - name and sentence of each case, and its limits */
static void list(const struct row *rows, int nrows)
{
	for (int i = 0; i < nrows; i++) {
		const struct conf_limit *limit = rows[i].test->limit;

		printf("%-44s %s\n", rows[i].name, rows[i].test->says);
		for (int j = 0; j < 6 && limit[j].stack != NULL; j++)
			printf("%-44s   limit of %s: %s\n", "", limit[j].stack, limit[j].reason);
	}
	printf("%d cases\n", nrows);
}

static int parse(int argc, char **argv, struct options *options)
{
	static const struct option longs[] = {
	        {"tap", no_argument, NULL, 'T'},       {"json", required_argument, NULL, 'J'},
	        {"help", no_argument, NULL, 'h'},      {"list", no_argument, NULL, 'l'},
	        {"no-limits", no_argument, NULL, 'L'}, {NULL, 0, NULL, 0},
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "s:n:j:t:vlh", longs, NULL)) != -1) {
		switch (opt) {
		case 's':
			if (options->nstack == CONF_STACKS)
				return -1;
			options->stack[options->nstack++] = optarg;
			break;
		case 'n':
			hosts_network(optarg);
			break;
		case 'j':
			options->jobs = atoi(optarg);
			break;
		case 't':
			options->watchdog_ms = atol(optarg) * 1000;
			break;
		case 'v':
			options->verbose = true;
			break;
		case 'l':
			options->list = true;
			break;
		case 'T':
			options->tap = true;
			break;
		case 'L':
			options->ignore_limits = true;
			break;
		case 'J':
			options->json = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			return -1;
		}
	}
	options->pattern = argv + optind;
	return options->jobs > 0 && options->watchdog_ms > 0 ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct options options = {.jobs = 2, .watchdog_ms = CONF_WATCHDOG_MS};
	struct row *rows;
	int nrows, ret;

	/* What exec_is_open starts: tells whether a descriptor has come through exec(2). */
	if (argc == 3 && strcmp(argv[1], "--is-open") == 0)
		return fcntl(atoi(argv[2]), F_GETFD) < 0;
	if (parse(argc, argv, &options) != 0) {
		fputs(usage, stderr);
		return 2;
	}
	if (options.nstack == 0)
		options.stack[options.nstack++] = "kernel";
	signal(SIGPIPE, SIG_DFL);
	nrows = cases_select(options.pattern, &rows);
	if (nrows <= 0) {
		fprintf(stderr, "ioth-conformance: %s\n", nrows == 0 ? "no case has such a name" : strerror(-nrows));
		return 2;
	}
	if (options.list) {
		list(rows, nrows);
		return 0;
	}
	if (options.tap)
		report_tap_plan(nrows * options.nstack);
	ret = runner_run(rows, nrows, &options);
	if (ret != 0) {
		fprintf(stderr, "ioth-conformance: a case cannot be started: %s\n", strerror(-ret));
		return 2;
	}
	report_end(rows, nrows, &options);
	if (options.json != NULL && (ret = report_json(rows, nrows, &options)) != 0) {
		fprintf(stderr, "ioth-conformance: %s: %s\n", options.json, strerror(-ret));
		return 2;
	}
	return report_status(rows, nrows, &options);
}
