/*
 * bench/party_copage.c - Copage, through its public API, with the defaults that users get
 *
 * Two topics, one in each direction, in a root of the benchmark's own: one publisher, one
 * lossless subscriber each. Messages are read in place.
 */
#include "bench.h"
#include "clock.h"
#include "payload.h"

#include <copage/copage.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SEND, RESERVE, WAY_MASK = 1, ASLEEP = 2 };

/* Longer than any wait of a measurement: nobody goes to sleep. */
#define SPIN_NS 10000000000

struct end {
	struct cop_pub *pub;
	struct cop_sub *sub;
	unsigned char *buffer;
	bool reserve;
};

static int prepare(struct link *link)
{
	char root[] = "/dev/shm/copage-bench-XXXXXX";

	if (!mkdtemp(root))
		return -errno;
	for (int i = 0; i < 2; i++)
		snprintf(link->topic[i], sizeof(link->topic[i]), "%s/%s", root,
			 i == 0 ? "there" : "back");
	return 0;
}

static void clean_up(struct link *link)
{
	for (int i = 0; i < 2; i++)
		(void)cop_topic_remove(link->topic[i], COP_REMOVE_FORCE);
	*strrchr(link->topic[0], '/') = '\0';
	(void)rmdir(link->topic[0]);
}

static int open_side(struct side *side)
{
	struct cop_sub_opts opts = COP_SUB_OPTS_INIT;
	struct end *end = calloc(1, sizeof(*end));
	int rc;

	if (!end)
		return -ENOMEM;
	side->own = end;
	opts.spin_ns = side->link->party->variant & ASLEEP ? -1 : SPIN_NS;
	rc = cop_pub_open(&end->pub, side->link->topic[side->left ? 0 : 1], NULL);
	if (rc == 0)
		rc = cop_sub_open(&end->sub, side->link->topic[side->left ? 1 : 0], &opts);
	if (rc == 0)
		rc = cop_pub_wait(end->pub, 1, 5000000000);
	if (rc < 0)
		snprintf(side->error, sizeof(side->error), "%s", cop_error_text());
	return rc < 0 ? rc : 0;
}

static void close_side(struct side *side)
{
	struct end *end = side->own;

	if (!end)
		return;
	cop_pub_close(&end->pub);
	cop_sub_close(&end->sub);
	free(end);
}

static inline struct end begin(const struct side *side)
{
	struct end end = *(const struct end *)side->own;

	end.buffer = side->buffer;
	end.reserve = (side->link->party->variant & WAY_MASK) == RESERVE;
	return end;
}

static inline __attribute__((always_inline)) int put(struct end *end, size_t size, uint64_t first)
{
	void *room;
	int rc;

	if (!end->reserve) {
		payload_fill(end->buffer, size, first);
		return cop_pub_send(end->pub, end->buffer, size);
	}
	rc = cop_pub_reserve(end->pub, size, &room);
	if (rc < 0)
		return rc;
	payload_fill(room, size, first);
	return cop_pub_commit(end->pub, size);
}

static inline __attribute__((always_inline)) int get(struct end *end, size_t size, uint64_t *sum)
{
	struct cop_msg msg;
	int rc = cop_sub_next(end->sub, &msg, -1);

	if (rc < 0)
		return rc;
	if (msg.size != size)
		return -EBADMSG;
	*sum += payload_sum(msg.data, size);
	return 0;
}

/* The last message is given back, or its publisher would wait for it in the next measurement. */
static inline void finish(struct side *side, const struct end *end)
{
	cop_sub_release(end->sub);
	snprintf(side->error, sizeof(side->error), "%s", cop_error_text());
}

#include "loops.h"

#define COPAGE_PARTY(id, way, mode_kinds, title, line) \
	const struct party party_copage_##id = { \
		.name = title, \
		.what = line, \
		.kinds = mode_kinds, \
		.variant = way, \
		.loops = LOOPS, \
		.prepare = prepare, \
		.open = open_side, \
		.close = close_side, \
		.clean_up = clean_up, \
	}

COPAGE_PARTY(send, SEND, 1 << STREAM | 1 << TRIP, "copage, send", "copied in, read in place");
COPAGE_PARTY(reserve, RESERVE, 1 << STREAM | 1 << TRIP, "copage, reserve",
	     "written in place, read in place");
COPAGE_PARTY(sleep, SEND | ASLEEP, 1 << SLEEP, "copage, send", "asleep: spin_ns = -1");
