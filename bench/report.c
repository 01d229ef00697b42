/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation. A figure is the median of the rounds; its smallest and largest value stand beside it. A ratio is
 * taken within each round, where both sides met the same machine, and the median of those is shown. How a figure
 * compares with a target is a remark in the margin: a busy machine must not make the program fail.
 */
#include "report.h"

#include "clock.h"
#include "statistics.h"

#include <errno.h>
#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

struct summary {
	unsigned int count;
	double min, median, max;
};

static struct summary summarize_values(const double *values, unsigned int rounds)
{
	struct summary s = {0, NAN, NAN, NAN};
	double kept[BENCH_RUNS_MAX];

	for (unsigned int i = 0; i < rounds; i++)
		if (!isnan(values[i]))
			kept[s.count++] = values[i];
	if (s.count == 0)
		return s;
	s.median = statistics_median(kept, s.count);
	s.min = kept[0];
	s.max = kept[s.count - 1];
	return s;
}

static struct summary summarize(const struct bench_answers *answers, unsigned int metric)
{
	return summarize_values(answers->values[metric], answers->rounds);
}

/** find - the answers of the subject called @name, NULL when it was not asked */
static const struct bench_answers *find(const struct bench_result *result, const char *name)
{
	for (unsigned int i = 0; name && i < result->row->subject_count; i++)
		if (!strcmp(result->row->subjects[i].name, name) && result->answers[i].asked)
			return &result->answers[i];
	return NULL;
}

/** ratio_of - median over the rounds of @answers / @reference; NAN when no round has both */
static double ratio_of(const struct bench_answers *answers, const struct bench_answers *reference, unsigned int metric)
{
	double ratio[BENCH_RUNS_MAX];
	unsigned int count = 0;

	for (unsigned int i = 0; i < answers->rounds && i < reference->rounds; i++) {
		double r = answers->values[metric][i] / reference->values[metric][i];

		if (isfinite(r))
			ratio[count++] = r;
	}
	return count ? statistics_median(ratio, count) : NAN;
}

/** struct verdict - a figure held against a target */
struct verdict {
	const char *reference; /* of a ratio, or NULL */
	char target[64];       /* "<= 5 ns", ">= 2 x" */
	bool known, met;
};

/** judge - hold @value, a figure or a ratio, against @target; @unit stands behind the number */
static void judge(struct verdict *v, const struct bench_target *target, double value, const char *unit)
{
	static const char *const sign[] = {
	        [BENCH_AT_MOST] = "<=",        [BENCH_AT_LEAST] = ">=",      [BENCH_BELOW] = "<",
	        [BENCH_RATIO_AT_LEAST] = ">=", [BENCH_RATIO_AT_MOST] = "<=", [BENCH_RATIO_BELOW] = "<"};

	snprintf(v->target, sizeof(v->target), "%s %g %s", sign[target->kind], target->value, unit);
	v->known = !isnan(value);
	switch (target->kind) {
	case BENCH_AT_MOST:
	case BENCH_RATIO_AT_MOST:
		v->met = v->known && value <= target->value;
		break;
	case BENCH_BELOW:
	case BENCH_RATIO_BELOW:
		v->met = v->known && value < target->value;
		break;
	case BENCH_AT_LEAST:
	case BENCH_RATIO_AT_LEAST:
		v->met = v->known && value >= target->value;
		break;
	}
}

/**
 * verdict_next - the next target that a figure has
 * @from: where in the targets of the row to go on; 0 at first
 *
 * Returns false when there is none left.
 */
static bool verdict_next(const struct bench_result *result, unsigned int index, unsigned int metric, unsigned int *from,
                         struct verdict *v)
{
	const struct bench_row *row = result->row;
	const struct bench_subject *subject = &row->subjects[index];
	const struct bench_answers *answers = &result->answers[index], *reference;
	const struct bench_target *target;

	do {
		if (*from == row->target_count)
			return false;
		target = &row->targets[(*from)++];
	} while (fnmatch(target->subject, subject->name, 0) != 0 ||
	         strcmp(target->metric, row->metrics[metric].name) != 0);
	*v = (struct verdict){.reference = NULL};
	if (target->kind == BENCH_AT_MOST || target->kind == BENCH_AT_LEAST || target->kind == BENCH_BELOW) {
		judge(v, target, summarize(answers, metric).median, row->metrics[metric].unit);
		return true;
	}
	v->reference = target->reference ? target->reference : subject->reference[0];
	reference = find(result, v->reference);
	judge(v, target, reference ? ratio_of(answers, reference, metric) : NAN, "x");
	return true;
}

/** number - @value with about four digits, whatever its size */
static const char *number(double value, char *text, size_t size)
{
	double magnitude = fabs(value);
	int decimals = magnitude >= 1000 ? 0 : magnitude >= 100 ? 1 : magnitude >= 10 ? 2 : 3;

	snprintf(text, size, "%.*f", decimals, value);
	return text;
}

/** table_line - one subject, one metric */
static void table_line(FILE *out, const struct bench_result *result, unsigned int index, unsigned int metric)
{
	const struct bench_subject *subject = &result->row->subjects[index];
	const struct bench_answers *answers = &result->answers[index];
	const struct bench_metric *m = &result->row->metrics[metric];
	struct summary s = summarize(answers, metric);
	unsigned int from = 0;
	struct verdict v;
	char a[24], b[24], c[24];

	if (s.count == 0)
		return;
	fprintf(out, "  %-26s %-18s %10s %10s %10s  %-7s", subject->name, m->name, number(s.min, a, sizeof(a)),
	        number(s.median, b, sizeof(b)), number(s.max, c, sizeof(c)), m->unit);
	for (unsigned int i = 0; i < BENCH_REFERENCES_MAX; i++) {
		const struct bench_answers *reference = find(result, subject->reference[i]);
		double ratio = reference ? ratio_of(answers, reference, metric) : NAN;

		if (!isnan(ratio))
			fprintf(out, "  %.2f x %s", ratio, subject->reference[i]);
	}
	while (verdict_next(result, index, metric, &from, &v))
		fprintf(out, "  [target %s%s%s: %s]", v.target, v.reference ? " " : "", v.reference ? v.reference : "",
		        !v.known ? "unknown"
		        : v.met  ? "met"
		                 : "missed");
	fputc('\n', out);
}

/** table_distance - how far the processors were from each other meanwhile */
static void table_distance(FILE *out, const struct bench_result *result)
{
	struct summary s = summarize_values(result->distance, result->rounds);
	char a[24], b[24], c[24];

	if (s.count > 0)
		fprintf(out, "  %-26s %-18s %10s %10s %10s  ns\n", "(the machine)", "cache line",
		        number(s.min, a, sizeof(a)), number(s.median, b, sizeof(b)), number(s.max, c, sizeof(c)));
}

void report_table(FILE *out, const struct bench_result *result)
{
	const struct bench_row *row = result->row;

	fprintf(out, "\n%s: %s\n", row->name, row->title);
	fprintf(out, "  %-26s %-18s %10s %10s %10s\n", "", "", "min", "median", "max");
	for (unsigned int metric = 0; metric < row->metric_count; metric++)
		for (unsigned int i = 0; i < row->subject_count; i++)
			if (result->answers[i].asked)
				table_line(out, result, i, metric);
	table_distance(out, result);
	for (unsigned int i = 0; i < row->subject_count; i++)
		if (result->answers[i].asked && result->answers[i].why[0])
			fprintf(out, "  %-26s cannot run: %s\n", row->subjects[i].name, result->answers[i].why);
	fflush(out);
}

/** json_string - a string with its quotes */
static void json_string(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < ' ')
			fprintf(out, "\\u%04x", c);
		else
			fputc(c, out);
	}
	fputc('"', out);
}

static void json_number(FILE *out, double value)
{
	if (isfinite(value))
		fprintf(out, "%.9g", value);
	else
		fputs("null", out);
}

static void json_member(FILE *out, const char *name, double value)
{
	fprintf(out, ", \"%s\": ", name);
	json_number(out, value);
}

/** json_samples - a figure of each round, as an array */
static void json_samples(FILE *out, const char *name, const double *values, unsigned int rounds)
{
	fprintf(out, ", \"%s\": [", name);
	for (unsigned int i = 0; i < rounds; i++) {
		fputs(i ? ", " : "", out);
		json_number(out, values[i]);
	}
	fputc(']', out);
}

/** json_targets - the targets of a figure, with its place in the row, as an array */
static void json_targets(FILE *out, const struct bench_result *result, unsigned int index, unsigned int metric)
{
	const char *comma = "";
	unsigned int from = 0;
	struct verdict v;

	fputs(", \"targets\": [", out);
	while (verdict_next(result, index, metric, &from, &v)) {
		fprintf(out, "%s{\"target\": ", comma);
		json_string(out, v.target);
		if (v.reference) {
			fputs(", \"reference\": ", out);
			json_string(out, v.reference);
		}
		fprintf(out, ", \"met\": %s}", !v.known ? "null" : v.met ? "true" : "false");
		comma = ", ";
	}
	fputc(']', out);
}

/** json_series - one subject, one metric, as an object */
static void json_series(FILE *out, const struct bench_result *result, unsigned int index, unsigned int metric)
{
	static const char *const better[] = {[BENCH_NEITHER] = "neither", [BENCH_LESS] = "less", [BENCH_MORE] = "more"};
	const struct bench_row *row = result->row;
	const struct bench_subject *subject = &row->subjects[index];
	const struct bench_answers *answers = &result->answers[index];
	const struct bench_metric *m = &row->metrics[metric];
	struct summary s = summarize(answers, metric);
	const char *comma = "";

	fputs("    {\"row\": ", out);
	json_string(out, row->name);
	fputs(", \"subject\": ", out);
	json_string(out, subject->name);
	fputs(", \"metric\": ", out);
	json_string(out, m->name);
	fputs(", \"unit\": ", out);
	json_string(out, m->unit);
	fprintf(out, ", \"better\": \"%s\"", better[m->better]);
	json_member(out, "min", s.min);
	json_member(out, "median", s.median);
	json_member(out, "max", s.max);
	json_samples(out, "samples", answers->values[metric], answers->rounds);
	json_samples(out, "line_ns", result->distance, result->rounds);
	fputs(", \"ratios\": {", out);
	for (unsigned int i = 0; i < BENCH_REFERENCES_MAX; i++) {
		const struct bench_answers *reference = find(result, subject->reference[i]);
		double ratio = reference ? ratio_of(answers, reference, metric) : NAN;

		if (isnan(ratio))
			continue;
		fputs(comma, out);
		json_string(out, subject->reference[i]);
		fprintf(out, ": %.6g", ratio);
		comma = ", ";
	}
	fputc('}', out);
	json_targets(out, result, index, metric);
	if (answers->why[0]) {
		fputs(", \"why\": ", out);
		json_string(out, answers->why);
	}
	fputc('}', out);
}

/** json_machine - where the figures come from: a figure without its machine and its load says little */
static void json_machine(FILE *out)
{
	struct utsname u;
	double load[3] = {NAN, NAN, NAN};
	char date[40] = "";
	time_t now = time(NULL);
	struct tm tm;

	if (gmtime_r(&now, &tm))
		strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", &tm);
	fprintf(out, "  \"date\": \"%s\",\n  \"kernel\": ", date);
	json_string(out, uname(&u) == 0 ? u.release : "");
	fprintf(out, ",\n  \"processors\": %ld", sysconf(_SC_NPROCESSORS_ONLN));
	if (getloadavg(load, 3) < 0)
		load[0] = NAN;
	json_member(out, "load_average", load[0]);
	fprintf(out, ",\n  \"runs\": %u,\n  \"quick\": %s,\n  \"user\": %u,\n", bench_options.runs,
	        bench_options.quick ? "true" : "false", (unsigned int)geteuid());
}

int report_json(const char *file, const struct bench_result *const *results, unsigned int count)
{
	FILE *out = fopen(file, "we");
	const char *comma = "\n";
	bool bad;

	if (!out)
		return -1;
	fputs("{\n  \"program\": \"ioth-bench\",\n", out);
	json_machine(out);
	fputs("  \"series\": [", out);
	for (unsigned int r = 0; r < count; r++) {
		const struct bench_row *row = results[r]->row;

		for (unsigned int i = 0; i < row->subject_count; i++) {
			for (unsigned int m = 0; results[r]->answers[i].asked && m < row->metric_count; m++) {
				fputs(comma, out);
				json_series(out, results[r], i, m);
				comma = ",\n";
			}
		}
	}
	fputs("\n  ]\n}\n", out);
	bad = ferror(out);
	if (fclose(out) != 0 || bad) {
		errno = errno ? errno : EIO;
		return -1;
	}
	return 0;
}
