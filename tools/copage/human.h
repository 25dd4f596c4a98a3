/*
 * human.h - numbers, times and tables as people read them
 */
#ifndef COPAGE_TOOL_HUMAN_H
#define COPAGE_TOOL_HUMAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define HUMAN_MAX 48 /* bytes that any of these needs */

/* Each writes to text, HUMAN_MAX bytes large, and returns it. */
char *human_bytes(char *text, double bytes); /* 1.5 MiB */
char *human_count(char *text, double count); /* 1.5 M */
char *human_digits(char *text, uint64_t number); /* 1,500,000 */
char *human_time(char *text, int64_t realtime_ns); /* 2026-11-24 02:09:31, local */
char *human_time_iso(char *text, int64_t realtime_ns); /* 2026-11-24T01:09:31.000000000Z */

/* How a cell is shown where colour is allowed. */
enum tint { TINT_NONE, TINT_HEAD, TINT_GOOD, TINT_WARN, TINT_BAD };

/* A table is filled row by row and printed when the widths are known. */
struct table {
	size_t columns;
	size_t cells;
	size_t room;
	const bool *right; /* one for each column: align to the right? */
	struct table_cell *cell;
};

/* Begin a table with a row of headings. right and the headings have one entry for each column. */
void table_begin(struct table *table, size_t columns, const char *const *heads, const bool *right);

/* Add the next cell, copied. */
void table_add(struct table *table, enum tint tint, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Print the table to standard output and give its memory back. */
void table_end(struct table *table);

/* Is colour wanted on standard output: a terminal, and NO_COLOR is not set? */
bool colour_wanted(void);

/* malloc and realloc for what is small: where there is no memory, they say so and exit. */
void *need_memory(void *old, size_t size_bytes);

#endif
