/*
 * tests/fault/stream.h - numbered messages whose bytes follow from their sequence
 *
 * Whoever receives one can tell whether it is whole, and whether it is the one that is due.
 */
#ifndef TEST_FAULT_STREAM_H
#define TEST_FAULT_STREAM_H

#include "support/test.h"

#include <stdio.h>

#include <copage/copage.h>

enum { STREAM_SIZE_MAX = 2048, STREAM_SEGMENT = 65536 };

/* The smallest lane there is: two segments of 64 KiB. */
static inline struct cop_pub_opts small_pub(const char *name)
{
	return (struct cop_pub_opts){
		.size = sizeof(struct cop_pub_opts),
		.name = name,
		.segments = 2,
		.message_max_bytes = STREAM_SIZE_MAX,
	};
}

static inline struct cop_sub_opts quick_sub(const char *name)
{
	/* No polling: what is tested here is the way to sleep and back. */
	return (struct cop_sub_opts){
		.size = sizeof(struct cop_sub_opts),
		.name = name,
		.spin_ns = -1,
	};
}

/* Messages of all sizes, headers in line and on lines of their own. */
static inline size_t stream_fill(unsigned char data[STREAM_SIZE_MAX], uint64_t sequence)
{
	size_t size = (size_t)(sequence * 397 % STREAM_SIZE_MAX);

	for (size_t i = 0; i < size; i++)
		data[i] = (unsigned char)(sequence * 31 + i);
	return size;
}

static inline int stream_send(struct cop_pub *pub)
{
	unsigned char data[STREAM_SIZE_MAX];

	return cop_pub_send(pub, data, stream_fill(data, cop_pub_sequence(pub) + 1));
}

static inline void stream_send_many(struct cop_pub *pub, unsigned count)
{
	while (count-- > 0)
		must_rc(stream_send(pub), 0);
}

/* The message is whole, and is the one with this sequence. */
static inline void stream_must_be(const struct cop_msg *msg, uint64_t sequence)
{
	unsigned char data[STREAM_SIZE_MAX];
	size_t size = stream_fill(data, sequence);

	must_u64(msg->sequence, ==, sequence);
	must_mem(msg->data, msg->size, data, size);
}

/*
 * Receive messages *got + 1 to last of the publisher of this name, and nothing else; others'
 * messages are not expected. What is no message must not happen, but for "nothing yet".
 */
static inline void stream_receive(struct cop_sub *sub, uint64_t *got, uint64_t last)
{
	int64_t until = test_now_ns() + (int64_t)5 * 1000000000;

	while (*got < last) {
		struct cop_msg msg;
		int rc = cop_sub_next(sub, &msg, 0);

		if (rc == -EAGAIN && test_now_ns() < until)
			continue;
		must_rc(rc, 1);
		stream_must_be(&msg, ++*got);
	}
}

/* Nothing comes twice: there is no message behind the last one. */
static inline void stream_must_be_at_end(struct cop_sub *sub)
{
	struct cop_msg msg;
	int rc = cop_sub_next(sub, &msg, 0);

	must_int(rc, <, 1);
	must(rc == -EAGAIN || rc == -EPIPE || rc == -EOWNERDEAD);
}

/* What a failure must come with: one line that names a step, an object and a reason. */
static inline void must_explain(int rc)
{
	const char *text = cop_error_text();

	must_int(rc, <, 0);
	must_int(rc, >, -200);
	must_int(strlen(text), >, 10);
	must(!strchr(text, '\n'));
	must_has(text, ": ");
	must_has(text, " ");
}

#endif
