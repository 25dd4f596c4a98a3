/*
 * tests/process/full_segments.c - records that fill their segments to the last byte
 *
 * Then no pad leads from one segment to the next, and a subscriber that has read the last record
 * stands in the next one before it is open: its publisher may reuse the full one while it looks.
 * The window is between two loads, so it takes many segments to hit it; a build that did not
 * look again lost one within a few million messages.
 */
#include "support/test.h"

#include <copage/copage.h>

#define TOPIC "full"

/* 16 bytes a record, and 64 KiB a segment: its header of 64 bytes leaves room for 4092 of them. */
enum { MESSAGE_MAX = 1024 };

static void publishes(int line, void *arg)
{
	const uint64_t *count = arg;
	struct cop_pub_opts opts = COP_PUB_OPTS_INIT;
	struct cop_pub *pub;

	(void)line;
	opts.message_max_bytes = MESSAGE_MAX;
	must_rc(cop_pub_open(&pub, TOPIC, &opts), 0);
	must_int(cop_pub_wait(pub, 1, -1), ==, 1);
	for (uint64_t i = 1; i <= *count; i++)
		must_rc(cop_pub_send(pub, &i, sizeof(i)), 0);
	cop_pub_close(&pub);
}

static void nothing_is_lost_between_them(void)
{
	uint64_t count = (uint64_t)test_scale(8, 80) * 1000 * 1000;
	struct cop_sub_opts opts = COP_SUB_OPTS_INIT;
	struct test_child publisher;
	struct cop_sub *sub;
	struct cop_msg msg;
	uint64_t seen = 0, value;
	int rc;

	opts.spin_ns = 1000000000;
	must_rc(cop_sub_open(&sub, TOPIC, &opts), 0);
	publisher = test_fork(publishes, &count);
	while ((rc = cop_sub_next(sub, &msg, -1)) > 0) {
		seen++;
		memcpy(&value, msg.data, sizeof(value));
		if (value != seen || msg.sequence != seen)
			must_u64(value, ==, seen);
	}
	must_rc(rc, -EPIPE);
	must_u64(seen, ==, count);
	test_end(&publisher);
	cop_sub_close(&sub);
}

static const struct test_case cases[] = {
	TEST(nothing_is_lost_between_them, .check = TEST_FDS | TEST_EMPTY_ROOT, .timeout_s = 60),
	{ 0 },
};
TEST_MAIN("full_segments", cases)
