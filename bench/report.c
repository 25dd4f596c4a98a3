/*
 * bench/report.c - the table: one for each place that the processors were in for long enough
 */
#include "report.h"

#include <stdio.h>
#include <string.h>

/* A place that had a smaller share of all that was kept gets no table of its own. */
#define SHARE_MIN 0.1

static const char legend[] =
	"spread: (third quartile - first) / median, over rounds.\n"
	"x ideal, x futex, x line: the median of the ratios to that limit, which is measured\n"
	"beside it in the same round.\n"
	"thrown: rounds in which the processors moved, or others took them.\n"
	"CPU: the share of its time for which a side had its processor, the worse of the two;\n"
	"median of all rounds. Where nobody was disturbed, the rest was spent asleep.\n";

static const char *const titles[KINDS] = {
	[STREAM] = "One way, both sides spinning: million messages a second",
	[TRIP] = "Round trip, both sides spinning: nanoseconds",
	[SLEEP] = "Round trip, who waits sleeps: nanoseconds",
};

const char *size_text(size_t bytes, char text[SIZE_TEXT])
{
	if (bytes >= 1 << 20)
		snprintf(text, SIZE_TEXT, "%zu MiB", bytes >> 20);
	else if (bytes >= 1 << 10)
		snprintf(text, SIZE_TEXT, "%zu KiB", bytes >> 10);
	else
		snprintf(text, SIZE_TEXT, "%zu B", bytes);
	return text;
}

/* At least three digits that count. */
static void put_number(double x)
{
	printf("%9.*f", x < 0.1 ? 4 : x < 1 ? 3 : x < 10 ? 2 : x < 1000 ? 1 : 0, x);
}

static void put_ratio(const struct spread *s)
{
	if (s->n == 0)
		printf("%8s", "-");
	else
		printf("%8.*f", s->median < 10 ? 2 : s->median < 100 ? 1 : 0, s->median);
}

static void put_heading(struct cell cell)
{
	char size[SIZE_TEXT];

	printf("\n  %-18s", size_text(cell.size, size));
	if (cell.kind == STREAM)
		printf("%9s%9s%8s%8s", "M/s", "GB/s", "spread", "x ideal");
	else if (cell.kind == TRIP)
		printf("%9s%9s%9s%8s%8s%8s", "p50", "p99", "p99.9", "spread", "x ideal", "x line");
	else
		printf("%9s%9s%9s%8s%8s%8s", "p50", "p99", "p99.9", "spread", "x futex", "");
	printf("%7s%8s%6s\n", "rounds", "thrown", "CPU");
}

static void put_values(const struct line *line)
{
	const struct spread *v = line->value;

	if (line->row->cell.kind == STREAM) {
		put_number(v[RATE].median / 1e6);
		put_number(v[RATE].median * (double)line->row->cell.size / 1e9);
	} else {
		printf("%9.0f%9.0f%9.0f", v[P50].median, v[P99].median, v[P999].median);
	}
	printf("%6.0f %%", 100 * spread_width(&v[0]));
	put_ratio(&line->ratio);
	if (line->row->cell.kind == TRIP)
		put_ratio(&line->bare);
	else if (line->row->cell.kind == SLEEP)
		printf("%8s", "");
}

static void put_line(const struct report *report, const struct line *line)
{
	const struct pair *pair = &report->pairs[line->row->party];

	printf("  %-18s", line->party->name);
	if (line->value[0].n == 0) {
		printf("%s\n", pair->error[0] ? "failed, see below" : "no round was left");
		return;
	}
	put_values(line);
	printf("%7zu%8zu", line->value[0].n, line->mixed + line->disturbed);
	if (line->row->cell.kind == SLEEP)
		printf("%6s", "-");
	else
		printf("%4.0f %%", 100 * line->cpu);
	printf("%s\n", pair->error[0] ? "  then it failed" : "");
}

static void put_place(const struct report *report, enum place place)
{
	const struct results *results = report->results;
	const struct row *before = NULL;

	for (size_t i = 0; i < results->row_count; i++) {
		const struct row *row = &results->rows[i];
		struct line line;

		if (!before || before->cell.kind != row->cell.kind)
			printf("\n%s (%s)\n", titles[row->cell.kind], place_names[place]);
		if (!before || before->cell.kind != row->cell.kind ||
		    before->cell.size != row->cell.size)
			put_heading(row->cell);
		before = row;
		if (line_make(results, row, place, &line) == 0)
			put_line(report, &line);
	}
}

static void put_machine(const struct report *report)
{
	const struct machine *m = report->machine;

	printf("copage %s, %s\n", m->copage, m->date);
	printf("%s, %d processors, last cache %s; pinned to %d and %d; load %.2f at the start\n",
	       m->processor, m->processors, m->cache[0] ? m->cache : "unknown",
	       report->plan->cpu[0], report->plan->cpu[1], m->load);
	printf("%s, %s, %s, %s\n", m->system, m->libc, m->compiler, m->build);
}

static void put_rounds(const struct report *report, size_t kept[PLACES])
{
	const struct results *r = report->results;
	size_t mixed = results_count(r, MIXED), disturbed = results_count(r, DISTURBED), all;

	all = results_count(r, KEPT) + mixed + disturbed;
	printf("%u passes, %.0f s; %zu rounds, thrown away: %zu moved, %zu disturbed; kept:",
	       r->passes, r->seconds, all, mixed, disturbed);
	for (int p = 0; p < PLACES; p++)
		printf("%s %zu %s", p ? "," : "", kept[p], place_names[p]);
	printf("\nbare cache line, round trip: %.0f to %.0f ns", r->bare_min_ns, r->bare_max_ns);
	if (report->stolen_s >= 0)
		printf("; stolen by the machine below: %.1f %% of both processors",
		       100 * report->stolen_s / (2 * r->seconds));
	printf("\n");
}

static void put_failures(const struct report *report)
{
	char size[SIZE_TEXT];

	for (size_t p = 0; parties[p]; p++) {
		const struct pair *pair = &report->pairs[p];

		if (pair->error[0] && pair->failed_at.size)
			printf("\n%s failed at %s: %s\n", parties[p]->name,
			       size_text(pair->failed_at.size, size), pair->error);
		else if (pair->error[0])
			printf("\n%s failed: %s\n", parties[p]->name, pair->error);
	}
}

static void put_legend(void)
{
	printf("\n%s\n", legend);
	for (size_t p = 0; parties[p]; p++)
		printf("  %-18s %s\n", parties[p]->name, parties[p]->what);
}

void report_table(const struct report *report)
{
	size_t kept[PLACES], all = 0;

	for (int p = 0; p < PLACES; p++)
		all += kept[p] = results_kept(report->results, (enum place)p);
	put_machine(report);
	put_rounds(report, kept);
	for (int p = 0; p < PLACES; p++) {
		if (all > 0 && (double)kept[p] >= SHARE_MIN * (double)all)
			put_place(report, (enum place)p);
		else if (kept[p] > 0)
			printf("\n%zu rounds at \"%s\" are too few for a table; --json has them\n",
			       kept[p], place_names[p]);
	}
	put_failures(report);
	put_legend();
}
