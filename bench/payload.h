/*
 * bench/payload.h - what messages carry: every byte is written, and read
 *
 * Message i of a measurement is the words first, first + 1, first + 2, ... from
 * payload_first(i). The receiver adds them up; the sum over the whole measurement is known
 * beforehand, so a message that is lost, torn, doubled or stale does not go unnoticed. It is
 * about the cheapest payload that has to be touched in full: what remains is the cost of moving
 * it.
 */
#ifndef BENCH_PAYLOAD_H
#define BENCH_PAYLOAD_H

#include <stddef.h>
#include <stdint.h>

enum { PAYLOAD_INLINE_MAX = 64 };

static inline uint64_t payload_first(uint64_t i)
{
	return i * 0x9e3779b97f4a7c15u;
}

/* The sum of messages 0 to count - 1 of size bytes. */
uint64_t payload_total(uint64_t count, size_t size);

void payload_fill_bulk(uint64_t *words, size_t count, uint64_t first);
uint64_t payload_sum_bulk(const uint64_t *words, size_t count);

/* place is aligned to 8, size a multiple of 8. With a small constant size it is a few stores. */
static inline __attribute__((always_inline)) void payload_fill(void *place, size_t size,
							       uint64_t first)
{
	uint64_t *words = place;

	if (size > PAYLOAD_INLINE_MAX) {
		payload_fill_bulk(words, size / 8, first);
		return;
	}
	for (size_t i = 0; i < size / 8; i++)
		words[i] = first + i;
}

static inline __attribute__((always_inline)) uint64_t payload_sum(const void *place, size_t size)
{
	const uint64_t *words = place;
	uint64_t sum = 0;

	if (size > PAYLOAD_INLINE_MAX)
		return payload_sum_bulk(words, size / 8);
	for (size_t i = 0; i < size / 8; i++)
		sum += words[i];
	return sum;
}

#endif
