/*
 * bench/party_futex.c - the bare futex: the least that a round trip between sleepers can cost
 *
 * A word in each direction; whoever changes it wakes the other, who sleeps on it.
 */
#include "bench.h"
#include "clock.h"
#include "payload.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

/* One direction, in shared memory. */
struct word {
	_Alignas(LINE) uint32_t turn; /* counts messages */
	uint64_t payload;
};

struct end {
	struct word *out, *in;
	uint32_t sent, received;
};

static struct end kept;

static inline struct end begin(const struct side *side)
{
	struct word *words = (struct word *)(void *)side->link->memory;

	kept.out = &words[side->left ? 0 : 1];
	kept.in = &words[side->left ? 1 : 0];
	return kept;
}

static inline int put(struct end *end, size_t size, uint64_t first)
{
	payload_fill(&end->out->payload, size, first);
	__atomic_store_n(&end->out->turn, ++end->sent, __ATOMIC_RELEASE);
	if (syscall(SYS_futex, &end->out->turn, FUTEX_WAKE, 1, NULL, NULL, 0) < 0)
		return -errno;
	return 0;
}

static inline int get(struct end *end, size_t size, uint64_t *sum)
{
	while (__atomic_load_n(&end->in->turn, __ATOMIC_ACQUIRE) == end->received)
		if (syscall(SYS_futex, &end->in->turn, FUTEX_WAIT, end->received, NULL, NULL, 0) <
			    0 &&
		    errno != EAGAIN && errno != EINTR)
			return -errno;
	end->received++;
	*sum += payload_sum(&end->in->payload, size);
	return 0;
}

static inline void finish(struct side *side, const struct end *end)
{
	(void)side;
	kept = *end;
}

#include "loops.h"

const struct party party_futex = {
	.name = "bare futex",
	.what = "asleep: a word in each direction, and who waits sleeps on it",
	.flags = PARTY_LIMIT,
	.kinds = 1 << SLEEP,
	.size_min = 8,
	.size_max = 8,
	.memory_bytes = 4096,
	.loops = LOOPS,
};
