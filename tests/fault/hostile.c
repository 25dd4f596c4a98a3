/*
 * tests/fault/hostile.c - peers that mean harm, while sound members run
 *
 * All may write to the bell: whoever does so without sense delays, and nothing else. A lane and a
 * subscriber's file are their owner's: whatever he writes there, readers get messages or errors,
 * and go on.
 */
#include "fault/sound.h"
#include "fault/tree.h"

#include <sys/mman.h>

#include "topic/topic_layout.h"

#define MS INT64_C(1000000)

static char topic[400];

static void name_topic(void)
{
	snprintf(topic, sizeof(topic), "%s/t", test_root());
}

/* A file of the topic, mapped for writing by somebody who has no business there. */
static void *map_file(const char *name, size_t *size)
{
	char path[600];
	struct stat st;
	void *base;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", topic, name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	must_int(fd, >=, 0);
	must_int(fstat(fd, &st), ==, 0);
	*size = (size_t)st.st_size;
	base = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(base != MAP_FAILED);
	close(fd);
	return base;
}

/* --- the bell ------------------------------------------------------------------------- */

enum { BELL_MESSAGES_QUICK = 20000, BELL_MESSAGES_FULL = 300000 };

static unsigned bell_messages(void)
{
	return test_scale(BELL_MESSAGES_QUICK, BELL_MESSAGES_FULL);
}

static void flip_bell(int line, void *arg)
{
	size_t size;
	uint32_t *words = map_file("bell", &size);

	(void)arg;
	test_tell(line, "ready");
	for (unsigned i = 0;; i++) {
		uint64_t random = test_random();
		uint32_t *word = &words[random % (size / sizeof(*words))];

		/* Most of it where it counts. */
		if (i % 4)
			word = &words[(random % 4 + 1) * 16];
		if (i % 16 == 0)
			__atomic_store_n(word, (uint32_t)(random >> 32), __ATOMIC_RELAXED);
		else
			__atomic_fetch_xor(word, (uint32_t)1 << (random >> 32) % 32,
					   __ATOMIC_RELAXED);
		if (i % 64 == 0)
			test_sleep_ns((int64_t)(random >> 40) % 200000);
	}
}

/* Lossless, in whatever way it waits: for ever, with a deadline, or by its descriptor. */
static void receive_all(int line, void *arg)
{
	struct cop_sub_opts opts = quick_sub(NULL);
	struct cop_sub *sub;
	struct cop_msg msg;
	uint64_t got = 0;

	opts.spin_ns = *(int *)arg == 0 ? 0 : -1;
	must_rc(cop_sub_open(&sub, topic, &opts), 0);
	test_tell(line, "ready");
	while (got < bell_messages()) {
		int rc = cop_sub_next(sub, &msg, *(int *)arg == 1 ? MS : 100 * MS);

		if (rc == -ETIMEDOUT)
			continue;
		must_rc(rc, 1);
		stream_must_be(&msg, ++got);
	}
	test_tell(line, "all");
	cop_sub_close(&sub);
}

static void a_bell_that_is_rung_at_random_only_delays(void)
{
	enum { SUBS = 3 };
	struct cop_pub_opts opts = small_pub("p");
	struct test_child subs[SUBS], enemy;
	int ways[SUBS] = { 0, 1, 2 };
	struct cop_pub *pub;

	name_topic();
	must_rc(cop_pub_open(&pub, topic, &opts), 0);
	for (int i = 0; i < SUBS; i++) {
		subs[i] = test_fork(receive_all, &ways[i]);
		must_str(test_hear(subs[i].line), "ready");
	}
	enemy = test_fork(flip_bell, NULL);
	must_str(test_hear(enemy.line), "ready");
	for (unsigned i = 0; i < bell_messages(); i++)
		must_rc(stream_send(pub), 0);
	for (int i = 0; i < SUBS; i++) {
		must_str(test_hear(subs[i].line), "all");
		test_end(&subs[i]);
	}
	test_kill(&enemy, SIGKILL);
	cop_pub_close(&pub);
}

static void wait_for_ever(int line, void *arg)
{
	struct cop_sub_opts opts = quick_sub(NULL);
	struct cop_sub *sub;
	struct cop_msg msg;

	(void)arg;
	must_rc(cop_sub_open(&sub, topic, &opts), 0);
	test_tell(line, "ready");
	must_rc(cop_sub_next(sub, &msg, -1), 1);
	stream_must_be(&msg, 1);
	test_tell(line, "got it");
	cop_sub_close(&sub);
}

/* The worst moment: the sleeper has armed the bell, and is disarmed before it is rung. */
static void a_sleeper_that_is_disarmed_wakes_late(void)
{
	struct cop_pub_opts opts = small_pub("p");
	struct cop__bell_page *bell;
	struct test_child child;
	struct cop_pub *pub;
	size_t size;

	name_topic();
	must_rc(cop_pub_open(&pub, topic, &opts), 0);
	bell = map_file("bell", &size);
	child = test_fork(wait_for_ever, NULL);
	must_str(test_hear(child.line), "ready");
	/* Bit 1: it has gone over to sleep on the watch, from where only an event wakes it. What it
	 * does in the first moments there, it has done when it was quiet for half a second. */
	must_soon(__atomic_load_n(&bell->data, __ATOMIC_RELAXED) & 2, 5000);
	test_sleep_ns(500 * MS);
	__atomic_fetch_and(&bell->data, ~(uint32_t)3, __ATOMIC_RELAXED);
	must_rc(stream_send(pub), 0);
	must_str(test_hear(child.line), "got it");
	test_end(&child);
	cop_pub_close(&pub);
	munmap(bell, size);
}

/* --- a subscriber's file -------------------------------------------------------------- */

static void be_a_mad_subscriber(int line, void *arg)
{
	struct cop_sub_opts opts = quick_sub("mad");
	struct cop_sub *sub;
	uint8_t *base;
	size_t size;

	(void)arg;
	must_rc(cop_sub_open(&sub, topic, &opts), 0);
	base = map_file("members/sub.mad", &size);
	test_tell(line, "ready");
	for (;;) {
		uint64_t random = test_random();
		uint64_t *word = (uint64_t *)base + random % (size / 8);

		/* The header as well: kind, capacity, magic. */
		if (random >> 60 < 4)
			word = (uint64_t *)base + (random >> 8) % 8;
		else if (random >> 60 < 12)
			word = (uint64_t *)(base + COP__SUB_CURSORS_OFFSET) + (random >> 8) % 16;
		__atomic_store_n(word, test_random() >> (random >> 16) % 64, __ATOMIC_RELAXED);
	}
}

/* Who waits for a lossless subscriber may have to wait for it; nobody gets less or other messages
 * for it, and nobody crashes. */
static void random_cursors_harm_nobody_else(void)
{
	struct test_child mad;
	struct sound sound;
	struct cop_pub_opts opts = small_pub("waiter");
	struct cop_pub *pub;
	int64_t until = test_now_ns() + (int64_t)test_scale(500, 5000) * MS;

	name_topic();
	sound_open(&sound, topic);
	mad = test_fork(be_a_mad_subscriber, NULL);
	must_str(test_hear(mad.line), "ready");
	opts.when_full = COP_FULL_EAGAIN;
	must_rc(cop_pub_open(&pub, topic, &opts), 0);
	/* The sound publisher must not wait for ever in this test. */
	cop_pub_close(&sound.pub);
	sound.pub = NULL;
	opts.name = "sound";
	while (test_now_ns() < until) {
		struct cop_topic_stat *stat;
		struct cop_sub *young;
		struct cop_sub_opts young_opts = quick_sub(NULL);
		int rc = stream_send(pub);
		struct cop_msg msg;

		must(rc == 0 || rc == -EAGAIN);
		while ((rc = cop_sub_next(sound.sub, &msg, 0)) == 1)
			stream_must_be(&msg, ++sound.got);
		must(rc == -EAGAIN || rc == -EPIPE);
		must_u64(sound.got, ==, cop_pub_sequence(pub));
		must_int(cop_pub_wait(pub, 1, 0), >=, 1);
		rc = cop_pub_drain(pub, 0);
		must(rc == 0 || rc == -EAGAIN);
		must_rc(cop_topic_stat(topic, &stat), 0);
		cop_topic_stat_free(stat);
		must_int(cop_gc(topic, 0, NULL, NULL), >=, 0);
		must_rc(cop_sub_open(&young, topic, &young_opts), 0);
		cop_sub_close(&young);
	}
	test_kill(&mad, SIGKILL);
	cop_pub_close(&pub);
	cop_sub_close(&sound.sub);
}

/* --- a lane --------------------------------------------------------------------------- */

/* Sends, and writes what it likes where it likes. */
static void be_a_mad_publisher(int line, void *arg)
{
	struct cop_pub_opts opts = small_pub(NULL);
	struct cop_pub *pub;
	char file[200];
	uint8_t *base;
	size_t size;

	(void)arg;
	opts.when_full = test_random() % 2 ? COP_FULL_DROP : COP_FULL_WAIT;
	must_rc(cop_pub_open(&pub, topic, &opts), 0);
	snprintf(file, sizeof(file), "members/pub.%s", cop_pub_name(pub));
	base = map_file(file, &size);
	test_tell(line, "%s", file);
	for (unsigned i = 0;; i++) {
		static const uint64_t hot[] = {
			COP__LANE_HOT_OFFSET,
			COP__LANE_HOT_OFFSET + 8,
			COP__LANE_HOT_OFFSET + 16,
			COP__LANE_SEGMENTS_OFFSET,
			COP__LANE_SEGMENTS_OFFSET + 8,
			COP__LANE_SEGMENTS_OFFSET + 64,
			COP__LANE_SEGMENTS_OFFSET + STREAM_SEGMENT,
			COP__LANE_SEGMENTS_OFFSET + STREAM_SEGMENT + 8,
			COP__LANE_SEGMENTS_OFFSET + STREAM_SEGMENT + 64,
		};
		uint64_t random = test_random();
		uint64_t at = random % (size / 8) * 8;
		uint64_t value = test_random() >> (random >> 40) % 64;

		if (random >> 62)
			at = hot[(random >> 8) % (sizeof(hot) / sizeof(*hot))];
		if ((random >> 32) % 4 == 0) /* what it might be */
			value = (uint64_t)i % 8 * STREAM_SEGMENT;
		if ((random >> 34) % 4 == 0)
			value = cop__record_word((enum cop__record_kind)(random % 4),
						 random >> 8 & 0xffff, i % 64);
		__atomic_store_n((uint64_t *)(base + at), value, __ATOMIC_RELAXED);
	}
}

static bool is_known_trouble(int rc)
{
	return rc == -EBADMSG || rc == -EPROTO || rc == -EOVERFLOW || rc == -EOWNERDEAD ||
	       rc == -EPIPE || rc == -EAGAIN || rc == -ETIMEDOUT;
}

/* Touch all of it: ASan or the MMU would tell. */
static unsigned touch(const struct cop_msg *msg)
{
	const unsigned char *data = msg->data;
	unsigned sum = 0;

	for (size_t i = 0; i < msg->size; i++)
		sum += data[i];
	return sum;
}

static unsigned read_mad(uint32_t kind, uint32_t flags, uint32_t from, int64_t timeout_ns)
{
	struct cop_sub_opts opts = quick_sub(NULL);
	struct cop_sub *sub;
	struct cop_msg msg;
	unsigned sum = 0;
	int64_t start = test_now_ns();
	int rc;

	opts.kind = kind;
	opts.flags = flags;
	opts.from = from;
	opts.from_sequence = test_random() % 64;
	rc = cop_sub_open(&sub, topic, &opts);
	must_rc(rc, 0);
	for (int i = 0; i < 50; i++) {
		rc = cop_sub_next(sub, &msg, timeout_ns);
		if (rc == 1)
			sum += touch(&msg);
		else
			must(is_known_trouble(rc));
		if (rc == 1 && flags)
			must((rc = cop_sub_check(sub)) == 0 || rc == -EOVERFLOW);
	}
	cop_sub_close(&sub);
	/* 50 deadlines, and what a busy machine needs. */
	must_int(test_now_ns() - start, <, 50 * timeout_ns + 5000 * MS);
	return sum;
}

static void look_at_mad(void)
{
	struct cop_topic_stat *stat;

	must_rc(cop_topic_stat(topic, &stat), 0);
	cop_topic_stat_free(stat);
	must_int(cop_gc(topic, COP_GC_DRY_RUN, NULL, NULL), >=, 0);
}

static void a_lane_full_of_lies_harms_no_reader(void)
{
	int64_t until = test_now_ns() + (int64_t)test_scale(1500, 15000) * MS;
	struct test_child mad;
	struct sound sound;
	unsigned rounds = 0;

	name_topic();
	sound_open(&sound, topic);
	do {
		char path[600];

		mad = test_fork(be_a_mad_publisher, NULL);
		snprintf(path, sizeof(path), "%s/%s", topic, test_hear(mad.line));
		for (int i = 0; i < 8; i++) {
			read_mad(COP_SUB_LOSSLESS, 0, COP_FROM_OLDEST, MS / 5);
			read_mad(COP_SUB_LOSSLESS, 0, COP_FROM_NEWEST, 0);
			read_mad(COP_SUB_LOSSLESS, 0, COP_FROM_SEQUENCE, 0);
			read_mad(COP_SUB_LOSSY, 0, COP_FROM_OLDEST, MS / 5);
			read_mad(COP_SUB_LOSSY, COP_SUB_IN_PLACE, COP_FROM_OLDEST, 0);
			read_mad(COP_SUB_LATEST, 0, COP_FROM_NEWEST, 0);
			look_at_mad();
			stream_send_many(sound.pub, 15);
			while (sound.got < cop_pub_sequence(sound.pub)) {
				struct cop_msg msg;
				int rc = cop_sub_next(sound.sub, &msg, 0);

				if (rc == 1 && strcmp(msg.publisher, "sound") == 0)
					stream_must_be(&msg, ++sound.got);
				else if (rc == 1)
					touch(&msg);
				else
					must(is_known_trouble(rc));
			}
			cop_sub_release(sound.sub);
		}
		test_kill(&mad, SIGKILL);
		(void)unlink(path); /* if it was not damaged it is swept already */
		test_random(); /* the next one does something else */
		rounds++;
	} while (test_now_ns() < until);
	must_u64(rounds, >, 0);
	sound_close(&sound);
}

/* Says all the time that its oldest segment is another one, and never one that is there. */
static void be_never_there(int line, void *arg)
{
	struct cop_pub_opts opts = small_pub(NULL);
	struct cop__lane_hot *hot;
	struct cop_pub *pub;
	char file[200];
	uint8_t *base;
	size_t size;

	(void)arg;
	must_rc(cop_pub_open(&pub, topic, &opts), 0);
	snprintf(file, sizeof(file), "members/pub.%s", cop_pub_name(pub));
	base = map_file(file, &size);
	hot = (struct cop__lane_hot *)(base + COP__LANE_HOT_OFFSET);
	for (uint64_t number = 1000;; number++) {
		if (number == 2000)
			test_tell(line, "ready");
		__atomic_store_n(&hot->low, number * STREAM_SEGMENT, __ATOMIC_RELAXED);
		__atomic_store_n(&hot->head, number * STREAM_SEGMENT, __ATOMIC_RELAXED);
	}
}

/* It may keep its own messages; it keeps nobody out of the topic. */
static void a_lane_that_cannot_be_caught_keeps_nobody_out(void)
{
	struct test_child enemy;
	struct sound sound;
	int64_t start;

	name_topic();
	enemy = test_fork(be_never_there, NULL);
	must_str(test_hear(enemy.line), "ready");
	start = test_now_ns();
	sound_open(&sound, topic);
	for (uint32_t from = COP_FROM_OLDEST; from <= COP_FROM_SEQUENCE; from++)
		read_mad(COP_SUB_LOSSLESS, 0, from, 0);
	look_at_mad();
	must_int(test_now_ns() - start, <, 5000 * MS);
	for (int i = 0; i < 10; i++) {
		stream_send_many(sound.pub, 15);
		sound_receive(&sound);
	}
	test_kill(&enemy, SIGKILL);
	sound_close(&sound);
}

static const struct test_case cases[] = {
	TEST(a_bell_that_is_rung_at_random_only_delays, .check = TEST_FDS | TEST_EMPTY_ROOT,
	     .timeout_s = 60),
	TEST(a_sleeper_that_is_disarmed_wakes_late, .check = TEST_FDS | TEST_EMPTY_ROOT),
	TEST(random_cursors_harm_nobody_else, .check = TEST_FDS),
	TEST(a_lane_that_cannot_be_caught_keeps_nobody_out, .check = TEST_FDS),
	TEST(a_lane_full_of_lies_harms_no_reader, .check = TEST_FDS, .timeout_s = 60),
	{ 0 },
};
TEST_MAIN("hostile", cases)
