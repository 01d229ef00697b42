/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* runner.h - ask one row of all its subjects. */
#ifndef BENCH_RUNNER_H
#define BENCH_RUNNER_H

#include "report.h"

/** runner_wants - whether the pattern of the command line selects the row, or any subject of it */
bool runner_wants(const struct bench_row *row);

/** runner_run - take all samples of a row; returns the answers, to be freed by the caller, or NULL without memory */
struct bench_result *runner_run(const struct bench_row *row);

#endif
