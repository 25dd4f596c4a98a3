/*
 * bench/results.c - medians, spreads, and ratios to the limit beside
 */
#include "results.h"

#include <errno.h>
#include <stdlib.h>

const char *const place_names[PLACES] = { "core", "near", "far" };

int results_add(struct row *row, const struct measurement *m)
{
	if (row->length == row->room) {
		size_t room = row->room ? 2 * row->room : 64;
		struct measurement *list = reallocarray(row->list, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		row->list = list;
		row->room = room;
	}
	row->list[row->length++] = *m;
	return 0;
}

void results_free(struct results *results)
{
	for (size_t i = 0; i < results->row_count; i++)
		free(results->rows[i].list);
	free(results->rows);
	results->rows = NULL;
	results->row_count = 0;
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Between the two values next to it. */
static double quantile(const double *sorted, size_t n, double q)
{
	double at = q * (double)(n - 1);
	size_t below = (size_t)at, above = below + 1 < n ? below + 1 : below;

	return sorted[below] + (at - (double)below) * (sorted[above] - sorted[below]);
}

struct spread spread_of(double *values, size_t n)
{
	struct spread s = { .n = n };

	if (n == 0)
		return s;
	qsort(values, n, sizeof(*values), compare_doubles);
	s.min = values[0];
	s.max = values[n - 1];
	s.q1 = quantile(values, n, 0.25);
	s.median = quantile(values, n, 0.5);
	s.q3 = quantile(values, n, 0.75);
	return s;
}

double spread_width(const struct spread *s)
{
	return s->n > 0 && s->median > 0 ? (s->q3 - s->q1) / s->median : 0;
}

static bool usable(const struct measurement *m, enum place place)
{
	return m->verdict == KEPT && m->place == place;
}

/* The party that others are compared with, by kind of cell. */
static const struct row *limit_row(const struct results *results, struct cell cell)
{
	const struct party *limit = cell.kind == SLEEP ? &party_futex : &party_ring;

	for (size_t i = 0; i < results->row_count; i++) {
		const struct row *row = &results->rows[i];

		if (parties[row->party] == limit && row->cell.kind == cell.kind &&
		    row->cell.size == cell.size)
			return row;
	}
	return NULL;
}

/* Ratios of the measurements of the same passes; both lists are in the order of passes. */
static size_t ratios_to(const struct row *row, const struct row *limit, enum place place,
			double *values)
{
	size_t n = 0, j = 0;

	for (size_t i = 0; i < row->length; i++) {
		const struct measurement *m = &row->list[i];

		while (j < limit->length && limit->list[j].pass < m->pass)
			j++;
		if (j == limit->length)
			break;
		if (limit->list[j].pass == m->pass && usable(m, place) &&
		    usable(&limit->list[j], place) && limit->list[j].value[0] > 0)
			values[n++] = m->value[0] / limit->list[j].value[0];
	}
	return n;
}

int line_make(const struct results *results, const struct row *row, enum place place,
	      struct line *line)
{
	const struct row *limit = limit_row(results, row->cell);
	double *values = calloc(row->length + 1, sizeof(*values));
	size_t n;

	if (!values)
		return -ENOMEM;
	*line = (struct line){ .row = row, .party = parties[row->party] };
	for (size_t v = 0; v < VALUES; v++) {
		n = 0;
		for (size_t i = 0; i < row->length; i++)
			if (usable(&row->list[i], place))
				values[n++] = row->list[i].value[v];
		line->value[v] = spread_of(values, n);
	}
	n = 0;
	for (size_t i = 0; i < row->length && row->cell.kind != STREAM; i++)
		if (usable(&row->list[i], place))
			values[n++] = row->list[i].value[P50] / row->list[i].bare_ns;
	line->bare = spread_of(values, n);
	for (size_t i = 0; i < row->length; i++) {
		values[i] = row->list[i].cpu;
		line->mixed += row->list[i].verdict == MIXED;
		line->disturbed += row->list[i].verdict == DISTURBED;
	}
	line->cpu = spread_of(values, row->length).median;
	if (limit) {
		line->limit = parties[limit->party];
		line->ratio = spread_of(values, ratios_to(row, limit, place, values));
	}
	free(values);
	return 0;
}

size_t results_kept(const struct results *results, enum place place)
{
	size_t n = 0;

	for (size_t i = 0; i < results->row_count; i++)
		for (size_t j = 0; j < results->rows[i].length; j++)
			n += usable(&results->rows[i].list[j], place);
	return n;
}

size_t results_count(const struct results *results, enum verdict verdict)
{
	size_t n = 0;

	for (size_t i = 0; i < results->row_count; i++)
		for (size_t j = 0; j < results->rows[i].length; j++)
			n += results->rows[i].list[j].verdict == verdict;
	return n;
}
