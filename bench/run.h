/*
 * bench/run.h - the run: all parties at all cells, again and again, until the time is up
 */
#ifndef BENCH_RUN_H
#define BENCH_RUN_H

#include "results.h"

struct plan {
	double seconds; /* of the whole run, about */
	double measurement_ms, sleep_ms; /* of one measurement; of one between sleepers */
	int cpu[2];
	const char *const *patterns; /* of names of parties; none: all */
	size_t pattern_count;
	const struct cell *cells;
	size_t cell_count;
	bool progress; /* on standard error */
};

/*
 * Fills *results, which the caller frees. *pairs are the parties as they were left: those that
 * failed tell why. An interrupt ends the run early, and what there is is told.
 */
int run(const struct plan *plan, struct results *results, struct pair pairs[PARTIES_MAX]);

#endif
