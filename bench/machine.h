/*
 * bench/machine.h - what a figure depends on: machine, kernel, compiler, versions
 */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

struct machine {
	char date[32]; /* UTC */
	char processor[100];
	int processors; /* online */
	char cache[32]; /* the last level, as the kernel tells it */
	char system[160]; /* kernel and release */
	char libc[32];
	char compiler[100];
	char build[64]; /* how this was built */
	char copage[32];
	double load; /* of the last minute */
};

void machine_read(struct machine *machine);

/* Seconds that the machine below took from the two processors since it started; negative: nobody
 * tells. */
double machine_stolen_s(const int cpu[2]);

#endif
