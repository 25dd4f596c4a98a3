/*
 * bench/clock.h - time
 *
 * Single round trips take about as long as it takes to ask the kernel's clock twice, so on x86
 * they are timed with the processor's counter, which costs a few nanoseconds. Elsewhere it is
 * the kernel's clock.
 */
#ifndef BENCH_CLOCK_H
#define BENCH_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_read_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static inline uint64_t now_ns(void)
{
	return clock_read_ns(CLOCK_MONOTONIC);
}

#if defined(__x86_64__)
/* The fence waits for the loads before it: the message has come when the counter is read. */
static inline uint64_t ticks(void)
{
	__builtin_ia32_lfence();
	return __builtin_ia32_rdtsc();
}
#else
static inline uint64_t ticks(void)
{
	return now_ns();
}
#endif

/* Nanoseconds in a tick; measures for some milliseconds when first called. */
double tick_ns(void);

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

#endif
