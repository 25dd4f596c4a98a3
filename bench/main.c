/*
 * bench/main.c - copage-bench: Copage, its peers and the limits of the machine, side by side
 *
 * docs/benchmarks.md says how to run it and how to read what it prints.
 */
#include "instructions.h"
#include "report.h"

#include <copage/version.h>

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
	"usage: copage-bench [OPTION...]\n"
	"\n"
	"Measures Copage, what it is compared with, and the limits of the machine, in one run.\n"
	"\n"
	"      --quick           15 seconds, instead of 80\n"
	"  -s, --seconds=N       how long to go on\n"
	"  -m, --ms=N            how long one measurement takes: 10\n"
	"  -c, --cpus=A,B        the two processors: the first two that there are\n"
	"  -p, --party=PATTERN   only parties whose names match, as in 'copage*'; repeat for more\n"
	"  -k, --cell=KIND[:BYTES]   only these cells: stream, trip or sleep; repeat for more\n"
	"      --json            results as JSON\n"
	"      --instructions    instead: instructions a message (needs valgrind)\n"
	"      --list            instead: parties and cells\n"
	"  -h, --help, --version\n";

static const struct cell all_cells[] = {
	{ STREAM, 8 },        { STREAM, 64 },      { STREAM, 1 << 10 },
	{ STREAM, 64 << 10 }, { STREAM, 1 << 20 }, { TRIP, 8 },
	{ TRIP, 64 },         { TRIP, 1 << 10 },   { SLEEP, 8 },
};

enum { ALL_CELLS = sizeof(all_cells) / sizeof(all_cells[0]) };

static const char *const kind_names[KINDS] = { "stream", "trip", "sleep" };

struct options {
	struct plan plan;
	struct cell cells[CELLS_MAX];
	const char *patterns[PARTIES_MAX];
	bool json, instructions, list;
	size_t instructions_of; /* bytes; 0: not asked for */
};

_Noreturn static void usage(const char *what, const char *value)
{
	fprintf(stderr, "copage-bench: %s: '%s'; see copage-bench --help\n", what, value);
	exit(2);
}

static double positive(const char *what, const char *text)
{
	char *end;
	double x = strtod(text, &end);

	if (*end || !(x > 0) || x > 1e7)
		usage(what, text);
	return x;
}

static void add_cell(struct options *o, struct cell cell)
{
	if (o->plan.cell_count < CELLS_MAX)
		o->cells[o->plan.cell_count++] = cell;
}

/* "trip" is all cells of that kind; "trip:64" is that cell, be it in the table or not. */
static void parse_cell(struct options *o, const char *text)
{
	size_t length = strcspn(text, ":");
	unsigned kind = 0;

	while (kind < KINDS &&
	       (strlen(kind_names[kind]) != length || strncmp(kind_names[kind], text, length) != 0))
		kind++;
	if (kind == KINDS)
		usage("no such kind of cell", text);
	if (text[length]) {
		double bytes = positive("not a size", text + length + 1);
		size_t size = (size_t)bytes;

		if (size < 8 || size > SIZE_MAX_BYTES || size & (size - 1))
			usage("a power of two from 8 to 1048576 is wanted", text);
		add_cell(o, (struct cell){ (enum kind)kind, size });
		return;
	}
	for (size_t i = 0; i < ALL_CELLS; i++)
		if (all_cells[i].kind == kind)
			add_cell(o, all_cells[i]);
}

/* The first two processors that this process may use. */
static void default_cpus(int cpu[2])
{
	cpu_set_t set;
	int found = 0;

	if (sched_getaffinity(0, sizeof(set), &set))
		CPU_ZERO(&set);
	for (size_t i = 0; i < CPU_SETSIZE && found < 2; i++)
		if (CPU_ISSET(i, &set))
			cpu[found++] = (int)i;
	if (found == 2)
		return;
	fprintf(stderr, "copage-bench: needs two processors\n");
	exit(1);
}

static void parse_cpus(int cpu[2], const char *text)
{
	cpu_set_t set;
	char *end;
	long a, b;

	a = strtol(text, &end, 10);
	b = *end == ',' ? strtol(end + 1, &end, 10) : -1;
	if (*end || a < 0 || b < 0 || a == b || a >= CPU_SETSIZE || b >= CPU_SETSIZE ||
	    sched_getaffinity(0, sizeof(set), &set) || !CPU_ISSET((size_t)a, &set) ||
	    !CPU_ISSET((size_t)b, &set))
		usage("two processors that this process may use are wanted", text);
	cpu[0] = (int)a;
	cpu[1] = (int)b;
}

enum { QUICK = 256, JSON, INSTRUCTIONS, INSTRUCTIONS_OF, LIST, VERSION };

static void parse_one(struct options *o, int option)
{
	switch (option) {
	case QUICK:
		o->plan.seconds = 13;
		o->plan.measurement_ms = 5;
		o->plan.sleep_ms = 20;
		break;
	case 's':
		o->plan.seconds = positive("not a time", optarg);
		break;
	case 'm':
		o->plan.measurement_ms = positive("not a time", optarg);
		break;
	case 'c':
		parse_cpus(o->plan.cpu, optarg);
		break;
	case 'p':
		if (o->plan.pattern_count < PARTIES_MAX)
			o->patterns[o->plan.pattern_count++] = optarg;
		break;
	case 'k':
		parse_cell(o, optarg);
		break;
	case JSON:
		o->json = true;
		break;
	case INSTRUCTIONS:
		o->instructions = true;
		break;
	case INSTRUCTIONS_OF:
		o->instructions_of = (size_t)positive("not a size", optarg);
		break;
	case LIST:
		o->list = true;
		break;
	case VERSION:
		printf("copage-bench %s\n", cop_version());
		exit(0);
	case 'h':
		fputs(help, stdout);
		exit(0);
	default:
		exit(2);
	}
}

static void parse(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "quick", no_argument, NULL, QUICK },
		{ "seconds", required_argument, NULL, 's' },
		{ "ms", required_argument, NULL, 'm' },
		{ "cpus", required_argument, NULL, 'c' },
		{ "party", required_argument, NULL, 'p' },
		{ "cell", required_argument, NULL, 'k' },
		{ "json", no_argument, NULL, JSON },
		{ "instructions", no_argument, NULL, INSTRUCTIONS },
		{ "instructions-of", required_argument, NULL, INSTRUCTIONS_OF },
		{ "list", no_argument, NULL, LIST },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, VERSION },
		{ 0 },
	};
	bool chosen;
	int option;

	while ((option = getopt_long(argc, argv, "s:m:c:p:k:h", longs, NULL)) != -1)
		parse_one(o, option);
	if (optind < argc)
		usage("not an option", argv[optind]);
	chosen = o->plan.cell_count > 0;
	for (size_t i = 0; i < ALL_CELLS && !chosen; i++)
		add_cell(o, all_cells[i]);
}

static void list(void)
{
	for (size_t p = 0; parties[p]; p++) {
		printf("%-18s %s\n  ", parties[p]->name, parties[p]->what);
		for (size_t i = 0; i < ALL_CELLS; i++)
			if (party_does(parties[p], all_cells[i]))
				printf(" %s:%zu", kind_names[all_cells[i].kind], all_cells[i].size);
		printf("\n");
	}
}

static int measure_and_report(struct options *o)
{
	static struct pair pairs[PARTIES_MAX];
	struct machine machine;
	struct results results;
	struct report report = { &o->plan, &results, pairs, &machine, -1 };
	double stolen_before, stolen_after;
	int rc;

	machine_read(&machine);
	stolen_before = machine_stolen_s(o->plan.cpu);
	rc = run(&o->plan, &results, pairs);
	stolen_after = machine_stolen_s(o->plan.cpu);
	if (rc == -ENOENT)
		fprintf(stderr, "copage-bench: no party does that: see copage-bench --list\n");
	else if (rc < 0)
		fprintf(stderr, "copage-bench: could not measure: %s\n", strerror(-rc));
	if (rc == 0) {
		if (stolen_before >= 0 && stolen_after >= 0)
			report.stolen_s = stolen_after - stolen_before;
		(o->json ? report_json : report_table)(&report);
	}
	for (size_t p = 0; parties[p] && rc == 0; p++)
		if (pairs[p].error[0] && strncmp(parties[p]->name, "copage", 6) == 0)
			rc = -EIO;
	results_free(&results);
	return rc < 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
	static struct options o = {
		.plan = { .seconds = 80, .measurement_ms = 10, .sleep_ms = 50 },
	};

	o.plan.cells = o.cells;
	o.plan.patterns = o.patterns;
	o.plan.progress = isatty(STDERR_FILENO);
	default_cpus(o.plan.cpu);
	parse(&o, argc, argv);
	if (o.list)
		list();
	else if (o.instructions_of)
		return instructions_work(o.instructions_of);
	else if (o.instructions)
		return instructions_report(o.json);
	else
		return measure_and_report(&o);
	return 0;
}
