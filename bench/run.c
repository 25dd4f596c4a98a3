/*
 * bench/run.c - passes, calibration, and the bare cache line around every measurement
 *
 * The parties of a cell are measured one right after the other, with a bare cache line in
 * between, which is "after" for one and "before" for the next; who begins changes from pass to
 * pass. What lies further apart than a second is not compared, for the machine may have become
 * another one.
 */
#include "run.h"

#include "clock.h"

#include <errno.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	BARE_TRIPS = 1000,
	COUNT_FIRST = 64,
	COUNT_MIN = 16,
	COUNT_MAX = 1 << 28,
	CALIBRATION_STEPS = 12,
};

/* More than this share of a measurement lost to others, and it is thrown away. Sleepers wait for a
 * processor each time they are woken: that is part of what is measured. */
#define LOST_MAX 0.05
#define LOST_MAX_ASLEEP 0.3
/* Bare medians before and after that differ by more than this factor: it was moved in between. */
#define MOVED_MIN 1.5

struct runner {
	const struct plan *plan;
	struct results *results;
	struct pair *pairs;
	struct pair *bare_pair;
	double bare_ns; /* the last one */
	unsigned pass;
};

static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
	(void)signal;
	interrupted = 1;
}

static enum place place_of(double bare_ns)
{
	if (bare_ns <= PLACE_CORE_MAX_NS)
		return PLACE_CORE;
	return bare_ns <= PLACE_NEAR_MAX_NS ? PLACE_NEAR : PLACE_FAR;
}

static int measure_bare(struct runner *r)
{
	struct answer answer[2];
	struct results *results = r->results;
	int rc = pair_measure(r->bare_pair, (struct cell){ TRIP, 8 }, BARE_TRIPS, answer);

	if (rc < 0)
		return rc;
	r->bare_ns = answer[0].p50;
	if (results->bare_min_ns == 0 || r->bare_ns < results->bare_min_ns)
		results->bare_min_ns = r->bare_ns;
	if (r->bare_ns > results->bare_max_ns)
		results->bare_max_ns = r->bare_ns;
	return 0;
}

/* Did others take processor time from the side? A side that never slept can have lost it to the
 * machine below this one too, which does not show as waiting. */
static bool disturbed(const struct answer *a, enum kind kind)
{
	double lost = a->sleeps == 0 ? a->elapsed_ns - a->run_ns : a->wait_ns;

	if (a->wait_ns > lost)
		lost = a->wait_ns;
	return lost > (kind == SLEEP ? LOST_MAX_ASLEEP : LOST_MAX) * a->elapsed_ns;
}

static double cpu_share(const struct answer *a)
{
	double share = a->elapsed_ns > 0 ? a->run_ns / a->elapsed_ns : 1;

	return share < 1 ? share : 1;
}

/* The side whose clock counts: a message has been sent when it has been received. */
static const struct answer *timekeeper(const struct row *row, const struct answer answer[2])
{
	bool right = row->cell.kind == STREAM && !(parties[row->party]->flags & PARTY_SOLO);

	return &answer[right ? 1 : 0];
}

static void judge(const struct runner *r, const struct row *row, const struct answer answer[2],
		  double bare_before, struct measurement *m)
{
	const struct answer *time = timekeeper(row, answer);
	bool solo = parties[row->party]->flags & PARTY_SOLO;
	double ratio = r->bare_ns / bare_before;

	*m = (struct measurement){ .pass = r->pass };
	m->bare_ns = (bare_before + r->bare_ns) / 2;
	m->place = place_of(m->bare_ns);
	if (row->cell.kind == STREAM) {
		m->value[RATE] = (double)row->count * 1e9 / time->elapsed_ns;
	} else {
		m->value[P50] = time->p50;
		m->value[P99] = time->p99;
		m->value[P999] = time->p999;
		m->value[MAX] = time->max;
	}
	m->cpu = cpu_share(&answer[0]);
	if (!solo && cpu_share(&answer[1]) < m->cpu)
		m->cpu = cpu_share(&answer[1]);
	if (disturbed(&answer[0], row->cell.kind) ||
	    (!solo && disturbed(&answer[1], row->cell.kind)))
		m->verdict = DISTURBED;
	if (ratio > MOVED_MIN || ratio < 1 / MOVED_MIN)
		m->verdict = MIXED;
}

static double target_ns(const struct runner *r, const struct row *row)
{
	const struct plan *plan = r->plan;

	return 1e6 * (row->cell.kind == SLEEP ? plan->sleep_ms : plan->measurement_ms);
}

/* Sets the number of messages so that the next measurement takes as long as it should. */
static void adapt(const struct runner *r, struct row *row, double elapsed_ns, double factor_max)
{
	double factor = target_ns(r, row) / (elapsed_ns > 1 ? elapsed_ns : 1), count;
	double most = row->cell.kind == STREAM ? COUNT_MAX : SAMPLES_MAX;

	if (factor > factor_max)
		factor = factor_max;
	if (factor < 1 / factor_max)
		factor = 1 / factor_max;
	count = (double)row->count * factor;
	if (count < COUNT_MIN)
		count = COUNT_MIN;
	row->count = (uint64_t)(count < most ? count : most);
}

/* Finds how many messages a row takes; also its warm-up. */
static int calibrate(struct runner *r, struct row *row)
{
	struct answer answer[2];

	row->count = COUNT_FIRST;
	for (int i = 0; i < CALIBRATION_STEPS; i++) {
		double elapsed_ns;
		int rc = pair_measure(&r->pairs[row->party], row->cell, row->count, answer);

		if (rc < 0)
			return rc;
		elapsed_ns = timekeeper(row, answer)->elapsed_ns;
		adapt(r, row, elapsed_ns, 8);
		if (elapsed_ns > target_ns(r, row) / 2)
			break;
	}
	return 0;
}

/* A row whose party fails is over; the others go on. Only the bare cache line is indispensable. */
static int measure_row(struct runner *r, struct row *row)
{
	struct pair *pair = &r->pairs[row->party];
	double before = r->bare_ns;
	struct answer answer[2];
	struct measurement m;
	int rc;

	if (pair->error[0])
		return 0;
	if (r->pass == 0)
		return calibrate(r, row), 0;
	if (pair_measure(pair, row->cell, row->count, answer) < 0)
		return pair == r->bare_pair ? -EIO : 0;
	rc = measure_bare(r);
	if (rc < 0)
		return rc;
	judge(r, row, answer, before, &m);
	rc = results_add(row, &m);
	adapt(r, row, timekeeper(row, answer)->elapsed_ns, 2);
	return rc;
}

/* All rows of the cell that begin at first; returns through *next where the next cell begins. */
static int measure_cell(struct runner *r, size_t first, size_t *next)
{
	struct row *rows = r->results->rows;
	size_t n = 0;
	int rc = measure_bare(r);

	while (first + n < r->results->row_count &&
	       rows[first + n].cell.kind == rows[first].cell.kind &&
	       rows[first + n].cell.size == rows[first].cell.size)
		n++;
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = measure_row(r, &rows[first + (i + r->pass) % n]);
	*next = first + n;
	return rc;
}

static int run_passes(struct runner *r)
{
	uint64_t start = now_ns(), spent = 0;
	int rc = 0;

	while (rc == 0 && !interrupted) {
		for (size_t i = 0; i < r->results->row_count && rc == 0 && !interrupted;) {
			spent = now_ns() - start;
			if (r->pass > 1 && (double)spent > r->plan->seconds * 1e9)
				break;
			if (r->plan->progress)
				fprintf(stderr, "\rcopage-bench: %s %u, %.0f s of %.0f   ",
					r->pass ? "pass" : "warms up,", r->pass,
					(double)spent / 1e9, r->plan->seconds);
			rc = measure_cell(r, i, &i);
		}
		if (r->pass > 0 && (double)spent > r->plan->seconds * 1e9)
			break;
		r->results->passes = r->pass++;
	}
	r->results->seconds = (double)(now_ns() - start) / 1e9;
	if (r->plan->progress)
		fprintf(stderr, "\r%60s\r", "");
	return rc;
}

static bool wanted(const struct plan *plan, const struct party *party)
{
	for (size_t i = 0; i < plan->pattern_count; i++)
		if (fnmatch(plan->patterns[i], party->name, 0) == 0)
			return true;
	return plan->pattern_count == 0;
}

static int make_rows(const struct plan *plan, struct results *results)
{
	results->rows = calloc(plan->cell_count * PARTIES_MAX, sizeof(*results->rows));
	if (!results->rows)
		return -ENOMEM;
	for (size_t c = 0; c < plan->cell_count; c++)
		for (size_t p = 0; parties[p]; p++)
			if (wanted(plan, parties[p]) && party_does(parties[p], plan->cells[c]))
				results->rows[results->row_count++] = (struct row){
					.cell = plan->cells[c], .party = p
				};
	return results->row_count > 0 ? 0 : -ENOENT;
}

static bool takes_part(const struct results *results, size_t party)
{
	for (size_t i = 0; i < results->row_count; i++)
		if (results->rows[i].party == party)
			return true;
	return false;
}

int run(const struct plan *plan, struct results *results, struct pair pairs[PARTIES_MAX])
{
	struct runner r = { .plan = plan, .results = results, .pairs = pairs };
	struct sigaction act = { .sa_handler = interrupt }, old_int, old_term;
	int rc;

	memset(results, 0, sizeof(*results));
	memset(pairs, 0, PARTIES_MAX * sizeof(*pairs));
	rc = make_rows(plan, results);
	if (rc < 0)
		return rc;
	tick_ns(); /* before anyone is forked: all have the same */
	sigaction(SIGINT, &act, &old_int);
	sigaction(SIGTERM, &act, &old_term);
	for (size_t p = 0; parties[p]; p++) {
		bool place = parties[p]->flags & PARTY_PLACE;

		if (place)
			r.bare_pair = &pairs[p];
		if (place || takes_part(results, p))
			(void)pair_start(&pairs[p], parties[p], plan->cpu);
	}
	rc = !r.bare_pair || r.bare_pair->error[0] ? -EIO : run_passes(&r);
	for (size_t p = 0; parties[p]; p++)
		if (pairs[p].link.party)
			pair_stop(&pairs[p]);
	sigaction(SIGINT, &old_int, NULL);
	sigaction(SIGTERM, &old_term, NULL);
	return rc;
}
