/*
 * bench/party_line.c - the bare cache line: the least that a round trip can cost
 *
 * Each side has a word on a line of its own, which the other one polls until it changes: the
 * word is the message. Nothing that goes through memory can be faster than this, and how long it
 * takes tells how far the two processors are from each other at the moment.
 */
#include "bench.h"
#include "clock.h"
#include "payload.h"

struct end {
	uint64_t *mine;
	const uint64_t *theirs;
	uint64_t seen; /* what theirs was last */
	uint64_t salt; /* no two measurements begin with the same word */
};

static uint64_t seen_before;

static inline struct end begin(const struct side *side)
{
	uint64_t *left = (uint64_t *)(void *)side->link->memory;
	/* 8 lines away: out of reach of processors that fetch lines in pairs. */
	uint64_t *right = (uint64_t *)(void *)(side->link->memory + (size_t)8 * LINE);

	return (struct end){
		.mine = side->left ? left : right,
		.theirs = side->left ? right : left,
		.seen = seen_before,
		.salt = side->number * 0xd1342543de82ef95u,
	};
}

static inline int put(struct end *end, size_t size, uint64_t first)
{
	(void)size;
	__atomic_store_n(end->mine, first + end->salt, __ATOMIC_RELEASE);
	return 0;
}

static inline int get(struct end *end, size_t size, uint64_t *sum)
{
	uint64_t word;

	(void)size;
	while ((word = __atomic_load_n(end->theirs, __ATOMIC_ACQUIRE)) == end->seen)
		;
	end->seen = word;
	*sum += word - end->salt;
	return 0;
}

static inline void finish(struct side *side, const struct end *end)
{
	(void)side;
	seen_before = end->seen;
}

#include "loops.h"

const struct party party_line = {
	.name = "bare cache line",
	.what = "a word of each side's own that the other polls: no message crosses faster",
	.flags = PARTY_LIMIT | PARTY_PLACE,
	.kinds = 1 << TRIP,
	.size_min = 8,
	.size_max = 8,
	.memory_bytes = 4096,
	.loops = LOOPS,
};
