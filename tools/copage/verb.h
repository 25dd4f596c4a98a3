/*
 * verb.h - what a verb of the command is made of
 *
 * A verb is a table: its options, from which both the parser and the help text are made, its
 * words, and the function that does it. main.c lists the verbs.
 */
#ifndef COPAGE_TOOL_VERB_H
#define COPAGE_TOOL_VERB_H

#include "exit_status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One option. Tables of these end with an entry whose name is NULL. */
struct option_spec {
	int id; /* what options_next() returns; the letter, if there is a short form */
	const char *name; /* the long form, without its dashes */
	const char *value; /* what its value is called in the help, or NULL if it takes none */
	const char *help;
};

struct verb {
	const char *name;
	const char *operands; /* as the usage line shows them */
	int operands_min, operands_max;
	const char *summary; /* one line without a final stop */
	const char *text; /* what else is to be said, or NULL */
	const char *examples;
	const struct option_spec *specs;
	enum exit_status (*run)(int argc, char **argv);
};

extern const struct verb verb_pub, verb_sub, verb_ls, verb_stat;
extern const struct verb verb_create, verb_rm, verb_forget, verb_gc, verb_help;

/* All verbs, in the order of the help; the last is NULL. */
extern const struct verb *const verbs[];
const struct verb *verb_find(const char *name);

/* A walk over a verb's arguments. */
struct options {
	const struct verb *verb;
	int argc;
	char **argv;
	const char *value; /* of the option that options_next() returned last */
	const struct option_spec *spec; /* that option */
	enum exit_status status; /* STATUS_OK until something is wrong */
	bool help; /* help was asked for and has been printed: all is done */
};

void options_begin(struct options *options, const struct verb *verb, int argc, char **argv);

/*
 * The next option's id, or 0 when all have been seen or one was wrong: then status says so, and
 * the sentence has been printed. -h and --help are dealt with here.
 */
int options_next(struct options *options);

/*
 * After the last option: are all of them right, and are there as many operands as the verb takes?
 * Returns false if not, or if help was all that was asked for; the verb then returns status.
 */
bool options_done(struct options *options);

/* Operand number i, or NULL. */
const char *options_operand(const struct options *options, int i);

/* Each reads the present option's value; a wrong one sets status, with a sentence. */
uint64_t options_number(struct options *options, uint64_t min, uint64_t max); /* 10, 5k, 2M */
uint64_t options_bytes(struct options *options, uint64_t min, uint64_t max); /* 10, 64K, 1M */
int64_t options_time(struct options *options); /* 10ms, 2s, 1.5m; in ns */
double options_rate(struct options *options); /* 1000, 1000/s, 0.5/s */
int options_choice(struct options *options, const char *const *choices); /* ends with NULL */

/* The option's value breaks its rule, which the words tell. */
void options_wrong(struct options *options, const char *rule);

/* The help of one verb, or the overview, to standard output. */
void help_verb(const struct verb *verb);
void help_overview(void);

/*
 * The one of the names that is so near to word that it was probably meant, or NULL. next gives
 * name i, and NULL after the last.
 */
const char *nearest(const char *word, const char *(*next)(const void *arg, size_t i),
		    const void *arg);

#endif
