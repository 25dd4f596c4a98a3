/*
 * bench/payload.c - payload in bulk, with the processor's wide registers where it has them
 *
 * One program is to run everywhere, under valgrind too, and the payload is not to be what
 * limits: so these two are compiled twice, and the better one is taken at run time.
 */
#include "payload.h"

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define WIDE __attribute__((target("avx2")))
#define HAS_WIDE() __builtin_cpu_supports("avx2")
#else
#define WIDE
#define HAS_WIDE() 0
#endif

static inline __attribute__((always_inline)) void fill(uint64_t *words, size_t count,
						       uint64_t first)
{
	for (size_t i = 0; i < count; i++)
		words[i] = first + i;
}

static inline __attribute__((always_inline)) uint64_t sum(const uint64_t *words, size_t count)
{
	uint64_t total = 0;

	for (size_t i = 0; i < count; i++)
		total += words[i];
	return total;
}

static WIDE void fill_wide(uint64_t *words, size_t count, uint64_t first)
{
	fill(words, count, first);
}

static WIDE uint64_t sum_wide(const uint64_t *words, size_t count)
{
	return sum(words, count);
}

void payload_fill_bulk(uint64_t *words, size_t count, uint64_t first)
{
	if (HAS_WIDE())
		fill_wide(words, count, first);
	else
		fill(words, count, first);
}

uint64_t payload_sum_bulk(const uint64_t *words, size_t count)
{
	return HAS_WIDE() ? sum_wide(words, count) : sum(words, count);
}

uint64_t payload_total(uint64_t count, size_t size)
{
	uint64_t words = size / 8;
	/* One of two neighbours is even: halve that one, so that nothing is lost to overflow. */
	uint64_t numbers = count % 2 ? (count - 1) / 2 * count : count / 2 * (count - 1);
	uint64_t within = words % 2 ? (words - 1) / 2 * words : words / 2 * (words - 1);

	return words * payload_first(numbers) + count * within;
}
