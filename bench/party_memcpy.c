/*
 * bench/party_memcpy.c - memcpy, in one process: what moving the bytes alone costs
 *
 * In cache, the same buffers are copied again and again; in memory, each copy is of a place that
 * has not been touched for longer than any cache remembers.
 */
#include "bench.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { CACHE, MEMORY };

/*
 * More than most shared caches have. Where they have more, as whole servers do that are let out by
 * the processor, others use most of them.
 */
#define MEMORY_BYTES ((size_t)256 << 20)

struct buffers {
	unsigned char *from, *to;
	size_t bytes, at;
};

static int open_side(struct side *side)
{
	size_t bytes = side->link->party->variant == MEMORY ? MEMORY_BYTES : SIZE_MAX_BYTES;
	struct buffers *b;

	if (!side->left)
		return 0;
	b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	b->bytes = bytes;
	b->from = mmap(NULL, 2 * bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (b->from == MAP_FAILED) {
		free(b);
		return -ENOMEM;
	}
	b->to = b->from + bytes;
	(void)madvise(b->from, 2 * bytes, MADV_HUGEPAGE);
	memset(b->from, 1, 2 * bytes);
	side->own = b;
	return 0;
}

static void close_side(struct side *side)
{
	struct buffers *b = side->own;

	if (b)
		munmap(b->from, 2 * b->bytes);
	free(b);
}

static int copy(struct side *side)
{
	struct buffers *b = side->own;

	for (uint64_t i = 0; i < side->count; i++) {
		memcpy(b->to + b->at, b->from + b->at, side->size);
		/* It is wanted, whatever the compiler thinks. */
		__asm__ volatile("" : : "r"(b->to) : "memory");
		if (side->link->party->variant == MEMORY) {
			b->at += side->size;
			if (b->at + SIZE_MAX_BYTES > b->bytes)
				b->at = 0;
		}
	}
	return 0;
}

const struct party party_memcpy_cache = {
	.name = "memcpy, in cache",
	.what = "in one process, the same buffers again and again",
	.flags = PARTY_LIMIT | PARTY_SOLO,
	.kinds = 1 << STREAM,
	.variant = CACHE,
	.loops = { .stream_out = copy },
	.open = open_side,
	.close = close_side,
};

const struct party party_memcpy_memory = {
	.name = "memcpy, in memory",
	.what = "in one process, on through 512 MiB",
	.flags = PARTY_LIMIT | PARTY_SOLO,
	.kinds = 1 << STREAM,
	.variant = MEMORY,
	.loops = { .stream_out = copy },
	.open = open_side,
	.close = close_side,
};
