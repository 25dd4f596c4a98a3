/*
 * tests/unit/parties.h - publishers and subscribers for the suites of the public calls
 *
 * Rings are small: one segment holds one BIG message, so that a ring of two is full after two.
 */
#ifndef TESTS_UNIT_PARTIES_H
#define TESTS_UNIT_PARTIES_H

#include "support/test.h"

#include <stdio.h>

#include <copage/copage.h>

#define BIG 40000
#define MESSAGE_MAX 65000

#define SMALL .segments = 2, .message_max_bytes = MESSAGE_MAX
#define PUB_OPTS(...) \
	&(const struct cop_pub_opts) \
	{ \
		.size = sizeof(struct cop_pub_opts), __VA_ARGS__ \
	}
#define SUB_OPTS(...) \
	&(const struct cop_sub_opts) \
	{ \
		.size = sizeof(struct cop_sub_opts), __VA_ARGS__ \
	}

static inline struct cop_pub *pub_open(const char *topic, const struct cop_pub_opts *opts)
{
	struct cop_pub *pub = NULL;

	must_rc(cop_pub_open(&pub, topic, opts), 0);
	must(pub);
	return pub;
}

static inline struct cop_sub *sub_open(const char *topic, const struct cop_sub_opts *opts)
{
	struct cop_sub *sub = NULL;

	must_rc(cop_sub_open(&sub, topic, opts), 0);
	must(sub);
	return sub;
}

/* A message of so many bytes, which all follow from the sequence it will have. */
static inline int send_bytes(struct cop_pub *pub, size_t size)
{
	static uint8_t bytes[MESSAGE_MAX];

	must_u64(size, <=, sizeof(bytes));
	memset(bytes, (int)(cop_pub_sequence(pub) + 1) & 0xff, size);
	return cop_pub_send(pub, bytes, size);
}

/* So many BIG messages: each fills a segment. */
static inline void send_big(struct cop_pub *pub, int count)
{
	for (int i = 0; i < count; i++)
		must_rc(send_bytes(pub, BIG), 0);
}

static inline void must_be(const struct cop_msg *msg, uint64_t sequence, size_t size)
{
	const uint8_t *data = msg->data;

	must_u64(msg->sequence, ==, sequence);
	must_u64(msg->size, ==, size);
	for (size_t i = 0; i < size; i++)
		must_int(data[i], ==, sequence & 0xff);
}

/* The next message is there already, and is this one. */
static inline struct cop_msg take(struct cop_sub *sub, uint64_t sequence, size_t size)
{
	struct cop_msg msg;

	must_rc(cop_sub_next(sub, &msg, 0), 1);
	must_be(&msg, sequence, size);
	return msg;
}

static inline struct cop_sub_event last_event(const struct cop_sub *sub)
{
	struct cop_sub_event event;

	cop_sub_last_event(sub, &event);
	return event;
}

/* What comes next is not a message but this, and msg is left alone. */
static inline void must_tell(struct cop_sub *sub, int error)
{
	struct cop_msg msg, before;

	memset(&msg, 0xa5, sizeof(msg));
	before = msg;
	must_rc(cop_sub_next(sub, &msg, 0), error);
	must_mem(&msg, sizeof(msg), &before, sizeof(before));
	must_rc(last_event(sub).error, error);
}

static inline void must_tell_gap(struct cop_sub *sub, const char *publisher, uint64_t first,
				 uint64_t count)
{
	must_tell(sub, -EOVERFLOW);

	struct cop_sub_event event = last_event(sub);

	must_str(event.publisher, publisher);
	must_u64(event.first, ==, first);
	must_u64(event.count, ==, count);
}

/* Fill a lossless subscriber's ring: two messages wait for it, and no third has room. */
static inline void fill(struct cop_pub *pub)
{
	send_big(pub, 2);
	must_rc(send_bytes(pub, BIG), -EAGAIN);
}

#endif
