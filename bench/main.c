/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ioth-bench - the figures of libioth, each beside its reference from the same run. See docs/performance.md. */
#include "bench.h"
#include "processors.h"
#include "report.h"
#include "runner.h"
#include "traffic.h"

#include <errno.h>
#include <ftw.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const struct bench_row *const rows[] = {
        &bench_row_dispatch,
        &bench_row_dispatch_threads,
        &bench_row_dispatch_shared,
        &bench_row_instructions,
        &bench_row_sockets,
        &bench_row_stack_first,
        &bench_row_stack_life,
        &bench_row_stacks,
        &bench_row_tcp_memory,
        &bench_row_tcp_stream,
        &bench_row_tcp_stream_processes,
        &bench_row_download,
        &bench_row_tcp_latency,
        &bench_row_tcp_latency_processes,
        &bench_row_tcp_connections,
        &bench_row_tcp_connections_processes,
        &bench_row_udp_small,
        &bench_row_udp_small_processes,
        &bench_row_udp_large,
        &bench_row_udp_large_processes,
        &bench_row_frames_small,
        &bench_row_frames_large,
        &bench_row_pairs,
        &bench_row_pairs_processes,
};

struct bench_options bench_options = {.runs = 5};
volatile sig_atomic_t bench_interrupted;

static char directory[] = "/tmp/ioth-bench.XXXXXX";
static pid_t main_pid;

static void usage(FILE *out)
{
	fputs("usage: ioth-bench [--only PATTERN [--alone]] [--runs N] [--quick] [--json FILE] [--list]\n"
	      "  --only PATTERN  rows and subjects with PATTERN in \"row/subject\" ('*' and '?' are wild),\n"
	      "                  and the references they are compared with\n"
	      "  --alone         without those references, to be watched by perf(1) or strace(1)\n"
	      "  --runs N        rounds of each row, 1 to 64 (5)\n"
	      "  --quick         short samples, three rounds: for a look, not for a figure\n"
	      "  --json FILE     write every sample to FILE as well\n"
	      "  --list          name the rows and their subjects, and stop\n",
	      out);
}

static void list(void)
{
	for (unsigned int i = 0; i < BENCH_COUNT(rows); i++) {
		printf("%s: %s\n", rows[i]->name, rows[i]->title);
		for (unsigned int j = 0; j < rows[i]->subject_count; j++)
			printf("  %s/%s\n", rows[i]->name, rows[i]->subjects[j].name);
	}
}

/** parse - read the command line; returns -1 to go on, or an exit status */
static int parse(int argc, char **argv)
{
	static const struct option options[] = {
	        {"only", required_argument, NULL, 'o'},
	        {"alone", no_argument, NULL, 'a'},
	        {"runs", required_argument, NULL, 'n'},
	        {"quick", no_argument, NULL, 'q'},
	        {"json", required_argument, NULL, 'j'},
	        {"list", no_argument, NULL, 'l'},
	        {"help", no_argument, NULL, 'h'},
	        {"guest", required_argument, NULL, 'g'},
	        {NULL, 0, NULL, 0},
	};
	bool runs_given = false;
	char *end;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'o':
			bench_options.only = optarg;
			break;
		case 'a':
			bench_options.alone = true;
			break;
		case 'n':
			errno = 0;
			bench_options.runs = (unsigned int)strtoul(optarg, &end, 10);
			if (errno || *end || end == optarg || bench_options.runs < 1 ||
			    bench_options.runs > BENCH_RUNS_MAX) {
				fprintf(stderr, "ioth-bench: --runs takes a number from 1 to %d\n", BENCH_RUNS_MAX);
				return 2;
			}
			runs_given = true;
			break;
		case 'q':
			bench_options.quick = true;
			break;
		case 'j':
			bench_options.json = optarg;
			break;
		case 'l':
			list();
			return 0;
		case 'h':
			usage(stdout);
			return 0;
		case 'g': /* for ourselves: see traffic_guest */
			return traffic_guest(rows, BENCH_COUNT(rows), optarg);
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind < argc) {
		usage(stderr);
		return 2;
	}
	if (bench_options.quick && !runs_given)
		bench_options.runs = 3;
	return -1;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

/** clean - remove the directory of the networks; workers leave by _exit and never come here */
static void clean(void)
{
	if (getpid() == main_pid)
		nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void interrupt(int sig)
{
	bench_interrupted = sig;
}

static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static void print_header(void)
{
	double load = 0;

	getloadavg(&load, 1);
	printf("ioth-bench: %u rounds%s, %ld processors, load average %.2f\n"
	       "Figures are medians of the rounds; a ratio is the median of the ratios within the rounds.\n",
	       bench_options.runs, bench_options.quick ? " of short samples" : "", sysconf(_SC_NPROCESSORS_ONLN), load);
}

int main(int argc, char **argv)
{
	struct bench_result *results[BENCH_COUNT(rows)];
	unsigned int count = 0;
	int status = parse(argc, argv);

	if (status >= 0)
		return status;
	main_pid = getpid();
	if (!mkdtemp(directory)) {
		fprintf(stderr, "ioth-bench: %s: %s\n", directory, strerror(errno));
		return 1;
	}
	atexit(clean);
	sigaction(SIGINT, &(struct sigaction){.sa_handler = interrupt}, NULL);
	sigaction(SIGTERM, &(struct sigaction){.sa_handler = interrupt}, NULL);
	bench_options.directory = directory;
	setenv("IOTH_PLUGIN_PATH", BENCH_PLUGIN_PATH, 0);
	setenv("VDEPLUGIN_PATH", BENCH_VDEPLUGIN_PATH, 0);
	processors_init();
	raise_descriptor_limit();
	print_header();
	for (unsigned int i = 0; i < BENCH_COUNT(rows) && !bench_interrupted; i++) {
		if (!runner_wants(rows[i]))
			continue;
		results[count] = runner_run(rows[i]);
		if (!results[count]) {
			fprintf(stderr, "ioth-bench: out of memory\n");
			return 1;
		}
		report_table(stdout, results[count++]);
	}
	if (bench_interrupted)
		return 128 + bench_interrupted;
	if (count == 0) {
		fprintf(stderr, "ioth-bench: nothing matches \"%s\"; try --list\n", bench_options.only);
		return 2;
	}
	status = 0;
	if (bench_options.json &&
	    report_json(bench_options.json, (const struct bench_result *const *)results, count) < 0) {
		fprintf(stderr, "ioth-bench: %s: %s\n", bench_options.json, strerror(errno));
		status = 1;
	}
	while (count > 0)
		free(results[--count]);
	return status;
}
