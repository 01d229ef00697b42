/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * report.c - what people and programs see of a run: failures as they happen, the matrix, totals, TAP, JSON.
 */
#include "private.h"

#include <stdlib.h>

static const char *outcome_word(enum outcome outcome)
{
	switch (outcome) {
	case OUTCOME_PASS:
		return "ok";
	case OUTCOME_FAIL:
		return "FAIL";
	case OUTCOME_SKIP:
		return "skip";
	case OUTCOME_LIMIT:
		return "limit";
	case OUTCOME_NONE:
		break;
	}
	return "-";
}

/** say_lines - a text of several lines, each after a prefix */
static void say_lines(const char *prefix, const char *text)
{
	while (text != NULL && *text != '\0') {
		size_t len = strcspn(text, "\n");

		printf("%s%.*s\n", prefix, (int)len, text);
		text += len + (text[len] == '\n');
	}
}

static void tap_run(const struct row *row, const struct result *result, const char *stack)
{
	static int number;

	printf("%s %d - %s:%s", result->outcome == OUTCOME_FAIL ? "not ok" : "ok", ++number, stack, row->name);
	if (result->outcome == OUTCOME_SKIP || result->outcome == OUTCOME_LIMIT)
		printf(" # SKIP %s%s", result->outcome == OUTCOME_LIMIT ? "limit: " : "", result->text);
	printf("\n");
	if (result->outcome == OUTCOME_FAIL)
		say_lines("# ", result->text);
}

void report_tap_plan(int runs)
{
	printf("1..%d\n", runs);
}

void report_run(const struct row *row, int stack, const struct options *options)
{
	const struct result *result = &row->result[stack];

	if (options->tap) {
		tap_run(row, result, options->stack[stack]);
	} else if (result->outcome == OUTCOME_FAIL) {
		printf("FAIL %s on %s: %s (%ld ms)\n", row->name, options->stack[stack], row->test->says, result->ms);
		say_lines("     ", result->text);
	}
	fflush(stdout);
}

/** interesting - a row that the short matrix shows: a failure, or not the same on every stack */
static bool interesting(const struct row *row, const struct options *options)
{
	for (int i = 0; i < options->nstack; i++)
		if (row->result[i].outcome == OUTCOME_FAIL || row->result[i].outcome != row->result[0].outcome)
			return true;
	return false;
}

static void matrix_row(const struct row *row, const struct options *options)
{
	printf("%-44s", row->name);
	for (int i = 0; i < options->nstack; i++)
		printf(" %-10s", outcome_word(row->result[i].outcome));
	printf("\n");
}

/** say_skips - why cases were not run, each reason once with how many there were */
static void say_skips(const struct row *rows, int nrows, int stack, const char *name)
{
	for (int i = 0; i < nrows; i++) {
		const struct result *first = &rows[i].result[stack];
		int same = 0;
		bool said = false;

		if (first->text == NULL || first->outcome == OUTCOME_FAIL)
			continue;
		for (int j = 0; j < nrows; j++) {
			const struct result *other = &rows[j].result[stack];

			if (other->text == NULL || other->outcome != first->outcome ||
			    strcmp(other->text, first->text) != 0)
				continue;
			said = said || j < i;
			same++;
		}
		if (said)
			continue;
		if (same > 1)
			printf("  %s %s: %s and %d more: %s\n", name, outcome_word(first->outcome), rows[i].name,
			       same - 1, first->text);
		else
			printf("  %s %s: %s: %s\n", name, outcome_word(first->outcome), rows[i].name, first->text);
	}
}

static void count(const struct row *rows, int nrows, int stack, int out[5])
{
	memset(out, 0, 5 * sizeof(int));
	for (int i = 0; i < nrows; i++)
		out[rows[i].result[stack].outcome]++;
}

void report_end(const struct row *rows, int nrows, const struct options *options)
{
	int shown = 0;

	if (options->tap)
		return;
	for (int i = 0; i < nrows; i++) {
		if (!options->verbose && !interesting(&rows[i], options))
			continue;
		if (shown++ == 0) {
			printf("\n%-44s", options->verbose ? "case" : "case (those that differ or fail)");
			for (int j = 0; j < options->nstack; j++)
				printf(" %-10s", options->stack[j]);
			printf("\n");
		}
		matrix_row(&rows[i], options);
	}
	if (shown)
		printf("\n");
	for (int i = 0; i < options->nstack; i++)
		say_skips(rows, nrows, i, options->stack[i]);
	for (int i = 0; i < options->nstack; i++) {
		int n[5];

		count(rows, nrows, i, n);
		printf("%s: %d passed, %d failed, %d skipped", options->stack[i], n[OUTCOME_PASS], n[OUTCOME_FAIL],
		       n[OUTCOME_SKIP] + n[OUTCOME_LIMIT]);
		if (n[OUTCOME_LIMIT])
			printf(" (%d limits of the engine)", n[OUTCOME_LIMIT]);
		printf("\n");
	}
}

/** json_string - a quoted string */
static void json_string(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text != '\0'; text++) {
		unsigned char byte = (unsigned char)*text;

		if (byte == '"' || byte == '\\')
			fprintf(out, "\\%c", byte);
		else if (byte < 0x20 || byte >= 0x7f)
			fprintf(out, "\\u%04x", byte);
		else
			fputc(byte, out);
	}
	fputc('"', out);
}

int report_json(const struct row *rows, int nrows, const struct options *options)
{
	FILE *out = fopen(options->json, "w");

	if (out == NULL)
		return -errno;
	fprintf(out, "{\"cases\": [");
	for (int i = 0; i < nrows; i++) {
		fprintf(out, "%s\n {\"case\": ", i ? "," : "");
		json_string(out, rows[i].name);
		fprintf(out, ", \"says\": ");
		json_string(out, rows[i].test->says);
		for (int j = 0; j < options->nstack; j++) {
			const struct result *result = &rows[i].result[j];

			fprintf(out, ", ");
			json_string(out, options->stack[j]);
			fprintf(out, ": {\"outcome\": \"%s\", \"ms\": %ld", outcome_word(result->outcome), result->ms);
			if (result->text != NULL) {
				fprintf(out, ", \"text\": ");
				json_string(out, result->text);
			}
			fprintf(out, "}");
		}
		fprintf(out, "}");
	}
	fprintf(out, "\n], \"totals\": {");
	for (int j = 0; j < options->nstack; j++) {
		int n[5];

		count(rows, nrows, j, n);
		fprintf(out, "%s\n ", j ? "," : "");
		json_string(out, options->stack[j]);
		fprintf(out, ": {\"passed\": %d, \"failed\": %d, \"skipped\": %d, \"limits\": %d}", n[OUTCOME_PASS],
		        n[OUTCOME_FAIL], n[OUTCOME_SKIP], n[OUTCOME_LIMIT]);
	}
	fprintf(out, "\n}}\n");
	return fclose(out) != 0 ? -errno : 0;
}

int report_status(const struct row *rows, int nrows, const struct options *options)
{
	bool passed = false;

	for (int i = 0; i < nrows; i++)
		for (int j = 0; j < options->nstack; j++) {
			if (rows[i].result[j].outcome == OUTCOME_FAIL)
				return 1;
			if (rows[i].result[j].outcome == OUTCOME_PASS)
				passed = true;
		}
	return passed ? 0 : CONF_EXIT_SKIP;
}
