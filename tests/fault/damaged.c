/*
 * tests/fault/damaged.c - a lane or a subscriber's file, sound but for some bytes
 *
 * Every byte that steers is flipped, in a file that a member left. Readers get what is sound of it
 * or are told; a successor goes on or is refused; nobody crashes, hangs, or gets a message twice.
 */
#include "fault/left.h"
#include "fault/sound.h"
#include "fault/tree.h"

#include "topic/topic_layout.h"

#define MS INT64_C(1000000)

static char topic[400];

static const char *member(const char *name)
{
	static char path[800];

	snprintf(path, sizeof(path), "%s/members/%s", topic, name);
	return path;
}

static void put_damaged(const char *file, uint64_t at, unsigned char flip)
{
	unsigned char byte;
	int fd;

	put_left(topic, true);
	fd = open(member(file), O_RDWR | O_CLOEXEC);
	must_int(fd, >=, 0);
	must_int(pread(fd, &byte, 1, (off_t)at), ==, 1);
	byte ^= flip;
	must_int(pwrite(fd, &byte, 1, (off_t)at), ==, 1);
	close(fd);
}

static bool is_known_trouble(int rc)
{
	return rc == -EBADMSG || rc == -EPROTO || rc == -EOVERFLOW || rc == -EOWNERDEAD ||
	       rc == -EPIPE;
}

/*
 * Read all that there is of lane "p", in a bounded time. With the damage in no message's bytes,
 * what is handed out is whole; sequences only grow.
 */
static uint64_t read_damaged(uint32_t kind, const char *name, bool sizes_hold)
{
	struct cop_sub_opts opts = quick_sub(name);
	struct cop_sub *sub;
	uint64_t last = 0;
	unsigned quiet = 0;
	int rc;

	opts.kind = kind;
	rc = cop_sub_open(&sub, topic, &opts);
	if (rc < 0) {
		must(rc == -EBADMSG || rc == -EPROTO);
		must_explain(rc);
		return 0;
	}
	for (unsigned i = 0; quiet < 3; i++) {
		struct cop_msg msg;

		must_u64(i, <, 20000);
		rc = cop_sub_next(sub, &msg, i % 8 ? 0 : MS / 20);
		if (rc == 1) {
			must_u64(msg.sequence, >, last);
			last = msg.sequence;
			must_u64(msg.size, <=, (uint64_t)40 * STREAM_SIZE_MAX);
			if (sizes_hold)
				stream_must_be(&msg, msg.sequence);
		} else if (rc == -EAGAIN || rc == -ETIMEDOUT) {
			quiet++;
		} else {
			must(is_known_trouble(rc));
			must_explain(rc);
		}
	}
	cop_sub_close(&sub);
	return last;
}

/* The next publisher of that name goes on in it, round the whole ring, and what it sends is read
 * again; or it is refused. */
static void go_on_damaged(bool sizes_hold)
{
	struct cop_pub_opts opts = small_pub("p");
	struct cop_pub *pub;
	uint64_t last;
	int rc;

	opts.when_full = COP_FULL_EAGAIN;
	rc = cop_pub_open(&pub, topic, &opts);
	if (rc < 0) {
		must(rc == -EBADMSG || rc == -EPROTO || rc == -EINVAL);
		must_explain(rc);
		return;
	}
	last = cop_pub_sequence(pub);
	while (cop_pub_sequence(pub) < last + 200) {
		rc = stream_send(pub);
		if (rc < 0)
			break;
	}
	must(rc == 0 || rc == -EAGAIN);
	if (cop_pub_sequence(pub) > last)
		must_u64(read_damaged(COP_SUB_LOSSLESS, NULL, sizes_hold), ==,
			 cop_pub_sequence(pub));
	cop_pub_close(&pub);
}

static void look_at_damaged(void)
{
	struct cop_topic_stat *stat;

	must_rc(cop_topic_stat(topic, &stat), 0);
	must_u64(stat->pub_count, ==, 1);
	cop_topic_stat_free(stat);
	must_int(cop_gc(topic, COP_GC_DRY_RUN, NULL, NULL), >=, 0);
}

static void try_damage(const char *file, uint64_t at, unsigned char flip, bool sizes_hold)
{
	test_note("byte %llu of %s is flipped by 0x%02x", (unsigned long long)at, file, flip);
	put_damaged(file, at, flip);
	look_at_damaged();
	read_damaged(COP_SUB_LOSSLESS, NULL, sizes_hold);
	read_damaged(COP_SUB_LOSSY, NULL, sizes_hold);
	read_damaged(COP_SUB_LATEST, NULL, sizes_hold);
	read_damaged(COP_SUB_LOSSLESS, "s", sizes_hold);
	tree_remove(topic);

	put_damaged(file, at, flip);
	go_on_damaged(sizes_hold);
	read_damaged(COP_SUB_LOSSLESS, "s", sizes_hold);
	if (access(topic, F_OK) == 0)
		tree_remove(topic);
}

static void try_range(const char *file, uint64_t from, uint64_t size, bool sizes_hold)
{
	static const unsigned char flips[] = { 0x01, 0x80, 0xff };

	snprintf(topic, sizeof(topic), "%s/t", test_root());
	for (uint64_t at = from; at < from + size; at++)
		for (size_t i = 0; i < sizeof(flips); i++)
			if (test_scale(0, 1) || i == at % 3)
				try_damage(file, at, flips[i], sizes_hold);
}

static void the_header_of_a_lane(void)
{
	try_range("pub.p", 0, sizeof(struct cop__lane_header) + 8, true);
}

static void the_hot_page_of_a_lane(void)
{
	try_range("pub.p", COP__LANE_HOT_OFFSET, sizeof(struct cop__lane_hot), true);
}

static void the_head_of_a_segment(void)
{
	try_range("pub.p", COP__LANE_SEGMENTS_OFFSET, sizeof(struct cop__segment), true);
	try_range("pub.p", COP__LANE_SEGMENTS_OFFSET + STREAM_SEGMENT, sizeof(struct cop__segment),
		  true);
}

/* Where the records' words are: each follows from the one before. */
static void the_word_of_a_record(void)
{
	uint64_t at = COP__SEGMENT_RECORDS;

	for (uint64_t sequence = 1; sequence <= LEFT_SENT + 1; sequence++) {
		unsigned char data[STREAM_SIZE_MAX];
		size_t size = stream_fill(data, sequence);
		enum cop__record_kind kind = size >= COP__LINE_FROM ? COP__RECORD_LINE
								    : COP__RECORD_MESSAGE;

		if (sequence < 4 || sequence > LEFT_SENT - 2 || test_scale(0, 1))
			/* The word has no check sum: another size passes where it leads to a
			 * zero word by chance. */
			try_range("pub.p", COP__LANE_SEGMENTS_OFFSET + at, 8, false);
		at = cop__record_end(cop__record_payload(kind, at), size);
	}
}

static void the_header_of_a_subscriber(void)
{
	try_range("sub.s", 0, sizeof(struct cop__sub_header) + 8, true);
}

static void the_cursor_of_a_subscriber(void)
{
	try_range("sub.s", COP__SUB_CURSORS_OFFSET, sizeof(struct cop__cursor), true);
}

static const struct test_case cases[] = {
	TEST(the_header_of_a_lane, .check = TEST_FDS, .timeout_s = 60),
	TEST(the_hot_page_of_a_lane, .check = TEST_FDS, .timeout_s = 60),
	TEST(the_head_of_a_segment, .check = TEST_FDS, .timeout_s = 60),
	TEST(the_word_of_a_record, .check = TEST_FDS, .timeout_s = 60),
	TEST(the_header_of_a_subscriber, .check = TEST_FDS, .timeout_s = 60),
	TEST(the_cursor_of_a_subscriber, .check = TEST_FDS, .timeout_s = 60),
	{ 0 },
};
TEST_MAIN("damaged", cases)
