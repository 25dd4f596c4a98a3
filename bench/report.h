/*
 * bench/report.h - the results as a table for people, or as JSON for programs
 */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "machine.h"
#include "run.h"

struct report {
	const struct plan *plan;
	const struct results *results;
	const struct pair *pairs;
	const struct machine *machine;
	double stolen_s; /* by the machine below, in the run; negative: unknown */
};

void report_table(const struct report *report);
void report_json(const struct report *report);

enum { SIZE_TEXT = 32 };

/* "1 KiB" */
const char *size_text(size_t bytes, char text[SIZE_TEXT]);

#endif
