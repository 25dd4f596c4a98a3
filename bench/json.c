/*
 * bench/json.c - the results as JSON: one object; docs/benchmarks.md has its schema
 */
#include "report.h"

#include <stdio.h>

static const char *const kinds[KINDS] = { "stream", "trip", "sleep" };
static const char *const values[VALUES] = { "p50_ns", "p99_ns", "p999_ns", "max_ns" };

/* What comes here is ASCII, but for what an error's text may quote. */
static void put_string(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < 0x20)
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void put_text(const char *name, const char *text)
{
	printf("\"%s\": ", name);
	put_string(text);
	printf(", ");
}

static void put_spread(const char *name, const struct spread *s)
{
	printf("\"%s\": ", name);
	if (s->n == 0)
		printf("null");
	else
		printf("{\"rounds\": %zu, \"median\": %.6g, \"q1\": %.6g, \"q3\": %.6g, "
		       "\"min\": %.6g, \"max\": %.6g}",
		       s->n, s->median, s->q1, s->q3, s->min, s->max);
}

static void put_line(const struct line *line, enum place place, bool first)
{
	const struct cell *cell = &line->row->cell;

	printf("%s\n    {\"place\": \"%s\", \"kind\": \"%s\", \"size_bytes\": %zu, ",
	       first ? "" : ",", place_names[place], kinds[cell->kind], cell->size);
	put_text("party", line->party->name);
	printf("\"is_limit\": %s, ", line->party->flags & PARTY_LIMIT ? "true" : "false");
	printf("\"thrown_moved\": %zu, \"thrown_disturbed\": %zu, \"cpu_share\": %.3f, ",
	       line->mixed, line->disturbed, line->cpu);
	if (cell->kind == STREAM)
		put_spread("messages_per_s", &line->value[RATE]);
	for (int v = 0; v < VALUES && cell->kind != STREAM; v++) {
		put_spread(values[v], &line->value[v]);
		printf(", ");
	}
	if (cell->kind != STREAM)
		put_spread("ratio_to_bare_line", &line->bare);
	if (line->limit) {
		printf(", ");
		put_text("limit", line->limit->name);
		put_spread("ratio_to_limit", &line->ratio);
	}
	printf("}");
}

static void put_machine(const struct report *report)
{
	const struct machine *m = report->machine;

	printf("  \"machine\": {");
	put_text("copage", m->copage);
	put_text("date", m->date);
	put_text("processor", m->processor);
	put_text("last_cache", m->cache);
	put_text("system", m->system);
	put_text("libc", m->libc);
	put_text("compiler", m->compiler);
	put_text("build", m->build);
	printf("\"processors\": %d, \"pinned\": [%d, %d], \"load\": %.2f},\n", m->processors,
	       report->plan->cpu[0], report->plan->cpu[1], m->load);
}

static void put_run(const struct report *report)
{
	const struct results *r = report->results;

	printf("  \"run\": {\"passes\": %u, \"seconds\": %.1f, \"kept\": %zu, "
	       "\"thrown_moved\": %zu, \"thrown_disturbed\": %zu, \"bare_line_min_ns\": %.1f, "
	       "\"bare_line_max_ns\": %.1f, ",
	       r->passes, r->seconds, results_count(r, KEPT), results_count(r, MIXED),
	       results_count(r, DISTURBED), r->bare_min_ns, r->bare_max_ns);
	if (report->stolen_s < 0)
		printf("\"stolen_s\": null},\n");
	else
		printf("\"stolen_s\": %.2f},\n", report->stolen_s);
}

static void put_failures(const struct report *report)
{
	bool first = true;

	printf("  \"failures\": [");
	for (size_t p = 0; parties[p]; p++) {
		const struct pair *pair = &report->pairs[p];

		if (!pair->error[0])
			continue;
		printf("%s\n    {", first ? "" : ",");
		put_text("party", parties[p]->name);
		printf("\"size_bytes\": %zu, \"error\": ", pair->failed_at.size);
		put_string(pair->error);
		printf("}");
		first = false;
	}
	printf("]\n");
}

void report_json(const struct report *report)
{
	const struct results *results = report->results;
	bool first = true;

	printf("{\n  \"schema\": 1,\n");
	put_machine(report);
	put_run(report);
	printf("  \"lines\": [");
	for (int p = 0; p < PLACES; p++)
		for (size_t i = 0; i < results->row_count; i++) {
			struct line line;

			if (line_make(results, &results->rows[i], (enum place)p, &line) < 0 ||
			    line.value[0].n == 0)
				continue;
			put_line(&line, (enum place)p, first);
			first = false;
		}
	printf("],\n");
	put_failures(report);
	printf("}\n");
}
