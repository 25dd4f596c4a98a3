/*
 * options.c - read a verb's options with getopt_long, from the table that also makes its help
 */
#include "report.h"
#include "verb.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define OPTIONS_MAX 32 /* of one verb */

void options_begin(struct options *options, const struct verb *verb, int argc, char **argv)
{
	*options = (struct options){ .verb = verb, .argc = argc, .argv = argv };
	optind = 1;
	opterr = 0; /* The sentences are our own. */
}

static const char *option_name(const void *arg, size_t i)
{
	return ((const struct option_spec *)arg)[i].name;
}

/* An option that nobody knows; getopt_long has stepped over it, unless it was a letter. */
static void unknown(struct options *options)
{
	const char *word = options->argv[optind - 1];
	const char *guess = NULL;
	char letter[3] = { '-', (char)optopt, '\0' };

	if (strncmp(word, "--", 2) == 0)
		guess = nearest(word + 2, option_name, options->verb->specs);
	else if (optopt)
		word = letter;
	options->status = fail(STATUS_USAGE,
			       "unknown option '%s'%s%s%s 'copage %s --help' lists all", word,
			       guess ? ": did you mean '--" : "", guess ? guess : "",
			       guess ? "'?" : ";", options->verb->name);
}

/* The long options and letters of a verb in the form that getopt_long wants. */
static void for_getopt(const struct verb *verb, struct option *longs, char *shorts)
{
	size_t i = 0;

	*shorts++ = ':'; /* tell a missing value from an unknown option */
	*shorts++ = 'h';
	for (; i < OPTIONS_MAX - 2 && verb->specs[i].name; i++) {
		const struct option_spec *spec = &verb->specs[i];

		longs[i] = (struct option){ spec->name, spec->value ? 1 : 0, NULL, spec->id };
		if (spec->id > 255)
			continue;
		*shorts++ = (char)spec->id;
		if (spec->value)
			*shorts++ = ':';
	}
	longs[i++] = (struct option){ "help", 0, NULL, 'h' };
	longs[i] = (struct option){ 0 };
	*shorts = '\0';
}

int options_next(struct options *options)
{
	struct option longs[OPTIONS_MAX];
	char shorts[2 * OPTIONS_MAX + 3];
	int id;

	if (options->status != STATUS_OK || options->help)
		return 0;
	for_getopt(options->verb, longs, shorts);
	id = getopt_long(options->argc, options->argv, shorts, longs, NULL);
	options->value = optarg;
	if (id == 'h') {
		help_verb(options->verb);
		options->help = true;
		return 0;
	}
	if (id == ':')
		options->status = fail(STATUS_USAGE, "option '%s' needs a value",
				       options->argv[optind - 1]);
	else if (id == '?')
		unknown(options);
	if (id < 0 || options->status != STATUS_OK)
		return 0;
	options->spec = options->verb->specs;
	while (options->spec->id != id)
		options->spec++;
	return id;
}

bool options_done(struct options *options)
{
	const struct verb *verb = options->verb;
	int count = options->argc - optind;

	if (options->status != STATUS_OK || options->help)
		return false;
	if (count >= verb->operands_min && count <= verb->operands_max)
		return true;
	if (count < verb->operands_min)
		options->status = fail(STATUS_USAGE, "missing operand; usage: copage %s %s",
				       verb->name, verb->operands);
	else
		options->status = fail(STATUS_USAGE,
				       "'%s' is one operand too many; usage: copage "
				       "%s %s",
				       options->argv[optind + verb->operands_max], verb->name,
				       verb->operands);
	return false;
}

const char *options_operand(const struct options *options, int i)
{
	return optind + i < options->argc ? options->argv[optind + i] : NULL;
}

void options_wrong(struct options *options, const char *rule)
{
	options->status = fail(STATUS_USAGE, "--%s '%s': %s", options->spec->name, options->value,
			       rule);
}

/*
 * The power that a suffix K, M or G stands for, 0 if there is none; *end steps over it. Sizes are
 * also written KiB, MiB, GiB.
 */
static int suffix_power(char **end)
{
	static const char letters[] = "KMG";
	const char *at = **end ? strchr(letters, toupper((unsigned char)**end)) : NULL;

	if (!at)
		return 0;
	*end += strncmp(*end + 1, "iB", 2) == 0 ? 3 : 1;
	return (int)(at - letters) + 1;
}

/* A whole number with an optional suffix, each step of which multiplies by step. */
static uint64_t scaled(struct options *options, unsigned step, uint64_t min, uint64_t max,
		       const char *kind)
{
	unsigned long long number;
	char *end;
	char rule[160];
	bool wrong;

	errno = 0;
	number = strtoull(options->value, &end, 10);
	wrong = errno || !isdigit((unsigned char)*options->value);
	for (int power = suffix_power(&end); power > 0; power--)
		wrong |= __builtin_mul_overflow(number, step, &number);
	if (!wrong && *end == '\0' && number >= min && number <= max)
		return number;
	snprintf(rule, sizeof(rule), "must be %s from %llu to %llu", kind, (unsigned long long)min,
		 (unsigned long long)max);
	options_wrong(options, rule);
	return min;
}

uint64_t options_number(struct options *options, uint64_t min, uint64_t max)
{
	return scaled(options, 1000, min, max, "a whole number (k, M, G: thousands)");
}

uint64_t options_bytes(struct options *options, uint64_t min, uint64_t max)
{
	return scaled(options, 1024, min, max, "a number of bytes (K, M, G: powers of 1024)");
}

/* Digits with at most one point among them; strtod() alone also takes "inf", "1e3" and "0x1p3". */
static double decimal(const char *text, char **end)
{
	size_t length = strspn(text, "0123456789.");
	double number = strtod(text, end);

	if (!isdigit((unsigned char)*text) || *end != text + length)
		return -1;
	return number;
}

int64_t options_time(struct options *options)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = { { "", 1e9 }, { "s", 1e9 },  { "ms", 1e6 },  { "us", 1e3 },
		      { "ns", 1 }, { "m", 60e9 }, { "h", 3600e9 } };
	char *end;
	double number = decimal(options->value, &end);

	for (size_t i = 0; number >= 0 && i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(end, units[i].unit) == 0 && number * units[i].ns < 9e18)
			return (int64_t)(number * units[i].ns);
	options_wrong(options, "must be a time, such as 10ms, 2s or 1.5m");
	return 0;
}

double options_rate(struct options *options)
{
	char *end;
	double number = decimal(options->value, &end);

	for (int power = number < 0 ? 0 : suffix_power(&end); power > 0; power--)
		number *= 1000;
	if (number > 0 && number <= 1e9 && (*end == '\0' || strcmp(end, "/s") == 0))
		return number;
	options_wrong(options, "must be messages a second, such as 1000, 50k/s or 0.5/s");
	return 1;
}

int options_choice(struct options *options, const char *const *choices)
{
	char rule[160] = "must be one of";

	for (int i = 0; choices[i]; i++) {
		size_t used = strlen(rule);

		if (strcmp(options->value, choices[i]) == 0)
			return i;
		snprintf(rule + used, sizeof(rule) - used, "%s %s", i ? "," : "", choices[i]);
	}
	options_wrong(options, rule);
	return 0;
}
