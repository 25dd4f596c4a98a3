/*
 * bench/instructions.h - how many instructions a message costs; counted, so noise does not matter
 */
#ifndef BENCH_INSTRUCTIONS_H
#define BENCH_INSTRUCTIONS_H

#include <stdbool.h>
#include <stddef.h>

/* Runs this program under valgrind and prints what it counts. Returns an exit status. */
int instructions_report(bool json);

/* What runs under valgrind: calls each counted function INSTRUCTIONS_CALLS times, with messages of
 * size bytes. Returns an exit status. */
int instructions_work(size_t size);

enum { INSTRUCTIONS_CALLS = 50000 };

#endif
