/*
 * bench/loops.h - the inner loops, the same for every party; not a header of declarations
 *
 * A party's file defines these, all static, and then includes this file, which makes `static
 * const struct loops` members stream_out, stream_in, trip_out, trip_in out of them:
 *
 *   struct end        what a side needs at each message; lives in registers where it can
 *   begin(side)       returns it at the beginning of a measurement
 *   put(&end, size, first)   sends a message, payload_fill()ed in place or in a buffer: 0 or -errno
 *   get(&end, size, &sum)    receives one and adds its payload_sum() to sum: 0 or -errno
 *   finish(side, &end)       keeps what must be kept until the next measurement
 *
 * put and get should be always_inline: size is a constant where it is small.
 */
#include "bench.h"
#include "clock.h"
#include "payload.h"

#define ALWAYS_INLINE inline __attribute__((always_inline))

static ALWAYS_INLINE int out_sized(struct side *side, size_t size)
{
	struct end end = begin(side);
	int rc = 0;

	for (uint64_t i = 0; i < side->count && rc == 0; i++)
		rc = put(&end, size, payload_first(i));
	finish(side, &end);
	return rc;
}

static ALWAYS_INLINE int in_sized(struct side *side, size_t size)
{
	struct end end = begin(side);
	uint64_t sum = 0;
	int rc = 0;

	for (uint64_t i = 0; i < side->count && rc == 0; i++)
		rc = get(&end, size, &sum);
	side->sum = sum;
	finish(side, &end);
	return rc;
}

static ALWAYS_INLINE int trip_out_sized(struct side *side, size_t size)
{
	struct end end = begin(side);
	uint64_t sum = 0, before = ticks();
	int rc = 0;

	for (uint64_t i = 0; i < side->count && rc == 0; i++) {
		uint64_t after;

		rc = put(&end, size, payload_first(i));
		if (rc == 0)
			rc = get(&end, size, &sum);
		after = ticks();
		side->samples[i] = (uint32_t)(after - before < UINT32_MAX ? after - before
									  : UINT32_MAX);
		before = after;
	}
	side->sum = sum;
	finish(side, &end);
	return rc;
}

static ALWAYS_INLINE int trip_in_sized(struct side *side, size_t size)
{
	struct end end = begin(side);
	uint64_t sum = 0;
	int rc = 0;

	for (uint64_t i = 0; i < side->count && rc == 0; i++) {
		rc = get(&end, size, &sum);
		if (rc == 0)
			rc = put(&end, size, payload_first(i));
	}
	side->sum = sum;
	finish(side, &end);
	return rc;
}

static int stream_out(struct side *side)
{
	switch (side->size) {
	case 8:
		return out_sized(side, 8);
	case 64:
		return out_sized(side, 64);
	default:
		return out_sized(side, side->size);
	}
}

static int stream_in(struct side *side)
{
	switch (side->size) {
	case 8:
		return in_sized(side, 8);
	case 64:
		return in_sized(side, 64);
	default:
		return in_sized(side, side->size);
	}
}

static int trip_out(struct side *side)
{
	switch (side->size) {
	case 8:
		return trip_out_sized(side, 8);
	case 64:
		return trip_out_sized(side, 64);
	default:
		return trip_out_sized(side, side->size);
	}
}

static int trip_in(struct side *side)
{
	switch (side->size) {
	case 8:
		return trip_in_sized(side, 8);
	case 64:
		return trip_in_sized(side, 64);
	default:
		return trip_in_sized(side, side->size);
	}
}

#define LOOPS \
	{ \
		stream_out, stream_in, trip_out, trip_in \
	}
