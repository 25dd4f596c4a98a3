/*
 * bench/party_ring.c - an ideal ring: what is possible with everything but speed left out
 *
 * Fixed slots of one size, one reader, no names, no crash story, nothing checked. The slot's
 * header is the flag: the number of the message, so that nothing ever needs to be cleared. Small
 * messages lie right behind it; from 256 bytes the header has a line of its own and the payload
 * is aligned. The reader tells how far it is eight times a round, and the writer looks only when
 * it must.
 *
 * What can be chosen is what was found to be fastest. Streams: 4 MiB, more than a second-level
 * cache has room for, less than its page tables do; and the writer of small messages asks for
 * its lines ahead of time (half as many messages a second without). Round trips: little memory,
 * and no pause in the polling loop.
 */
#include "bench.h"
#include "clock.h"
#include "payload.h"

enum {
	RING_BYTES = 4 << 20,
	TRIP_BYTES = 64 << 10, /* of them are used for round trips, if that is four messages */
	AHEAD_BYTES = 512,
	HEADER = 8,
	SPLIT_MIN = 256, /* from here, header and payload are on lines of their own */
};

/* One direction, in shared memory. */
struct ring {
	_Alignas(LINE) uint64_t released; /* by the reader: messages that it is done with */
	_Alignas(LINE) unsigned char slots[RING_BYTES];
};

struct cursor {
	struct ring *ring;
	unsigned char *slot;
	uint64_t number; /* of the message, and above it that of the measurement */
	uint64_t until; /* number at which to look at, or tell, what is released */
};

struct end {
	struct cursor out, in;
	size_t stride; /* from slot to slot */
	uint64_t slots; /* in use */
	bool stream;
};

static inline struct end begin(const struct side *side)
{
	struct ring *rings = (struct ring *)(void *)side->link->memory;
	size_t header = side->size < SPLIT_MIN ? HEADER : LINE;
	struct end end = { .stride = header + side->size, .stream = side->kind == STREAM };
	size_t bytes = end.stream || TRIP_BYTES < 4 * end.stride ? RING_BYTES : TRIP_BYTES;
	struct ring *out = &rings[side->left ? 0 : 1], *in = &rings[side->left ? 1 : 0];
	uint64_t epoch = side->number << 40;

	end.slots = bytes / end.stride;
	end.out = (struct cursor){ out, out->slots, epoch, epoch + end.slots };
	end.in = (struct cursor){ in, in->slots, epoch, epoch + end.slots / 8 };
	return end;
}

static inline void step(const struct end *end, struct cursor *c)
{
	c->slot += end->stride;
	if (c->slot == c->ring->slots + end->slots * end->stride)
		c->slot = c->ring->slots;
}

/* Out of line: seldom, and it must not weigh on the loop. */
static __attribute__((noinline)) uint64_t wait_for_room(const struct ring *ring, uint64_t slots,
							uint64_t number)
{
	uint64_t released;

	/* What another measurement has left there is smaller. */
	while ((released = __atomic_load_n(&ring->released, __ATOMIC_ACQUIRE)) + slots <= number)
		relax();
	return released + slots;
}

static inline __attribute__((always_inline)) int put(struct end *end, size_t size, uint64_t first)
{
	struct cursor *c = &end->out;

	if (c->number == c->until)
		c->until = wait_for_room(c->ring, end->slots, c->number);
	if (size < SPLIT_MIN && end->stream)
		__builtin_prefetch(c->slot + AHEAD_BYTES, 1);
	payload_fill(c->slot + (size < SPLIT_MIN ? HEADER : LINE), size, first);
	__atomic_store_n((uint64_t *)(void *)c->slot, ++c->number, __ATOMIC_RELEASE);
	step(end, c);
	return 0;
}

static inline __attribute__((always_inline)) int get(struct end *end, size_t size, uint64_t *sum)
{
	struct cursor *c = &end->in;

	c->number++;
	while (__atomic_load_n((uint64_t *)(void *)c->slot, __ATOMIC_ACQUIRE) != c->number)
		if (end->stream)
			relax();
	*sum += payload_sum(c->slot + (size < SPLIT_MIN ? HEADER : LINE), size);
	step(end, c);
	if (c->number >= c->until) {
		__atomic_store_n(&c->ring->released, c->number, __ATOMIC_RELEASE);
		c->until = c->number + end->slots / 8;
	}
	return 0;
}

static inline void finish(struct side *side, const struct end *end)
{
	(void)side;
	(void)end;
}

#include "loops.h"

const struct party party_ring = {
	.name = "ideal ring",
	.what = "fixed slots with the flag inside, one reader, no guarantee left",
	.flags = PARTY_LIMIT,
	.kinds = 1 << STREAM | 1 << TRIP,
	.memory_bytes = 2 * sizeof(struct ring),
	.loops = LOOPS,
};
