/*
 * bench/results.h - what was measured, and what is made of it
 *
 * Processors may move under a program that is pinned: a virtual machine's do. So each
 * measurement stands between two of the bare cache line, which say where the two processors were
 * (its place). It is thrown away when they do not agree, or when somebody else took processor
 * time from a side.
 */
#ifndef BENCH_RESULTS_H
#define BENCH_RESULTS_H

#include "bench.h"

/* How far the processors are from each other, by the bare round trip's median. */
enum place {
	PLACE_CORE, /* two threads of one core: up to PLACE_CORE_MAX_NS */
	PLACE_NEAR, /* one last-level cache: up to PLACE_NEAR_MAX_NS */
	PLACE_FAR,
	PLACES,
};

enum { PLACE_CORE_MAX_NS = 75, PLACE_NEAR_MAX_NS = 200 };

extern const char *const place_names[PLACES];

enum verdict { KEPT, MIXED, DISTURBED };

enum { RATE, P50 = 0, P99, P999, MAX, VALUES };

struct measurement {
	unsigned pass;
	enum verdict verdict;
	enum place place; /* if not MIXED */
	double value[VALUES]; /* STREAM: [RATE], messages a second; else nanoseconds */
	double bare_ns; /* the mean of the medians before and after */
	double cpu; /* the share of its time for which the worse-off side had its processor */
};

/* A party at a cell. */
struct row {
	struct cell cell;
	size_t party; /* index in parties[] */
	uint64_t count; /* messages that take about as long as a measurement should */
	struct measurement *list;
	size_t length, room;
};

struct results {
	struct row *rows;
	size_t row_count;
	unsigned passes;
	double seconds;
	double bare_min_ns, bare_max_ns; /* of all bare medians */
};

int results_add(struct row *row, const struct measurement *m);
void results_free(struct results *results);

struct spread {
	size_t n;
	double median, q1, q3, min, max; /* meaningless if n is 0 */
};

struct spread spread_of(double *values, size_t n); /* sorts them */

/* (q3 - q1) / median: half of all rounds lie so close together. */
double spread_width(const struct spread *s);

/* What the table says of a row at one place. */
struct line {
	const struct row *row;
	const struct party *party;
	size_t mixed, disturbed; /* thrown away, at whatever place */
	struct spread value[VALUES];
	const struct party *limit; /* NULL: none was measured */
	struct spread ratio; /* to the limit, of the same pass, same place */
	struct spread bare; /* of value[P50] to the bare cache line around it; not for STREAM */
	double cpu; /* median over all measurements, thrown away or not */
};

int line_make(const struct results *results, const struct row *row, enum place place,
	      struct line *line);

/* How many kept measurements there are at a place. */
size_t results_kept(const struct results *results, enum place place);
size_t results_count(const struct results *results, enum verdict verdict);

#endif
