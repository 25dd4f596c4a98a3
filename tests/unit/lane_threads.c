/*
 * tests/unit/lane_threads.c - a writer and readers at the same time, on one mapping
 *
 * One mapping, so that ThreadSanitizer sees both sides of each race. The payload of a message that
 * may be overrun is read and written in relaxed atomic words, as it races by design.
 */
#include "lane_box.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { READERS = 3, SIZES = 5 };
static const size_t sizes[SIZES] = { 8, 0, 264, 3000, 40 };

struct stage {
	struct box box;
	uint64_t count; /* messages */
	_Atomic uint64_t passed[READERS]; /* positions that lossless readers have reached */
	bool lossy;
};

struct role {
	struct stage *stage;
	struct cop__lane_reader reader; /* at the beginning */
	int number;
};

static size_t size_of(uint64_t sequence)
{
	return sizes[sequence % SIZES];
}

static uint64_t word_of(uint64_t sequence, size_t i)
{
	return sequence * 0x9e3779b97f4a7c15u + i;
}

static void store_words(uint8_t *room, uint64_t sequence, size_t size)
{
	for (size_t i = 0; i < size / 8; i++)
		cop__store_relaxed((uint64_t *)(void *)room + i, word_of(sequence, i));
}

static bool words_are_whole(const uint8_t *data, uint64_t sequence, size_t size)
{
	bool whole = size == size_of(sequence);

	for (size_t i = 0; whole && i < size / 8; i++)
		whole = cop__load_relaxed((const uint64_t *)(const void *)data + i) ==
			word_of(sequence, i);
	return whole;
}

/* Plain stores and loads: only for lossless readers. */
static void store_plainly(uint8_t *room, uint64_t sequence, size_t size)
{
	for (size_t i = 0; i < size / 8; i++)
		((uint64_t *)(void *)room)[i] = word_of(sequence, i);
}

static bool is_plainly_whole(const uint8_t *data, uint64_t sequence, size_t size)
{
	bool whole = size == size_of(sequence);

	for (size_t i = 0; whole && i < size / 8; i++)
		whole = ((const uint64_t *)(const void *)data)[i] == word_of(sequence, i);
	return whole;
}

static void wait_for_readers(struct stage *stage, uint64_t position)
{
	for (int i = 0; !stage->lossy && i < READERS; i++)
		while (atomic_load_explicit(&stage->passed[i], memory_order_acquire) < position)
			sched_yield();
}

static void *write_all(void *arg)
{
	struct stage *stage = arg;
	struct cop__lane_writer *writer = &stage->box.writer;

	for (uint64_t sequence = 1; sequence <= stage->count; sequence++) {
		size_t size = size_of(sequence);

		if (!cop__lane_reserve(writer, size)) {
			wait_for_readers(stage, cop__lane_announce(writer));
			cop__lane_roll(writer);
			must(cop__lane_reserve(writer, size));
		}
		if (stage->lossy)
			store_words(writer->room, sequence, size);
		else
			store_plainly(writer->room, sequence, size);
		cop__lane_commit(writer, size);
	}
	cop__lane_set_closed(writer, true);
	return NULL;
}

static void *read_lossless(void *arg)
{
	struct role *role = arg;
	struct stage *stage = role->stage;
	struct cop__lane_reader reader = role->reader;
	struct cop__record record;

	for (uint64_t sequence = 1; sequence <= stage->count;) {
		int rc = cop__lane_peek(&reader, &record);

		if (rc == 1) {
			must_u64(reader.sequence, ==, sequence++);
			must(is_plainly_whole(record.data, reader.sequence, record.size));
			must(!cop__lane_lapped(&reader));
			cop__lane_pass(&reader, &record);
		} else {
			must_rc(rc, 0);
			sched_yield();
		}
		atomic_store_explicit(&stage->passed[role->number], cop__lane_position(&reader),
				      memory_order_release);
	}
	while (!cop__lane_closed(&reader))
		sched_yield();
	must_rc(cop__lane_peek(&reader, &record), 0);
	return NULL;
}

static void catch_up(struct cop__lane_reader *reader)
{
	int rc;

	while ((rc = cop__lane_seek_oldest(reader)) == -EAGAIN)
		;
	must_rc(rc, 0);
}

/* Each message is whole or known not to be; sequences only go up; the last one is reached. */
static void *read_lossy(void *arg)
{
	struct role *role = arg;
	struct stage *stage = role->stage;
	struct cop__lane_reader reader = role->reader;
	struct cop__record record;
	uint64_t last = 0;

	while (last < stage->count) {
		int rc = cop__lane_peek(&reader, &record);

		if (rc == 1) {
			bool whole = words_are_whole(record.data, reader.sequence, record.size);

			if (cop__lane_lapped(&reader)) {
				catch_up(&reader);
				continue;
			}
			must(whole);
			must_u64(reader.sequence, >, last);
			last = reader.sequence;
			cop__lane_pass(&reader, &record);
		} else if (rc == -EOVERFLOW) {
			catch_up(&reader);
		} else {
			must_rc(rc, 0);
		}
	}
	return NULL;
}

static void play(bool lossy, void *(*read)(void *), uint64_t count)
{
	struct stage stage = { .count = count, .lossy = lossy };
	struct role roles[READERS];
	pthread_t writer, readers[READERS];

	box_open(&stage.box, 2);
	for (int i = 0; i < READERS; i++) {
		roles[i] = (struct role){ &stage, box_reader(&stage.box), i };
		must_int(pthread_create(&readers[i], NULL, read, &roles[i]), ==, 0);
	}
	must_int(pthread_create(&writer, NULL, write_all, &stage), ==, 0);
	must_int(pthread_join(writer, NULL), ==, 0);
	for (int i = 0; i < READERS; i++)
		must_int(pthread_join(readers[i], NULL), ==, 0);
	box_close(&stage.box);
}

static void lossless_readers_get_all(void)
{
	play(false, read_lossless, test_scale(20000, 200000));
}

static void lossy_readers_get_no_torn_message(void)
{
	play(true, read_lossy, test_scale(100000, 1000000));
}

static void *seek_about(void *arg)
{
	struct role *role = arg;
	struct stage *stage = role->stage;
	uint64_t last = 0;

	/* Those who come find a place from which a whole message can be read. */
	while (last < stage->count) {
		struct cop__lane_reader reader;
		struct cop__record record;
		uint64_t sequence = last + 1;
		int rc;

		cop__lane_reader_open(&reader, stage->box.base, &stage->box.shape);
		rc = role->number == 0 ? cop__lane_seek_newest(&reader)
				       : cop__lane_seek_sequence(&reader, sequence);
		if (rc == -EAGAIN)
			continue;
		must(rc == 0 || (rc == -EOVERFLOW && role->number > 0));
		must_u64(reader.sequence + (rc == 0 ? 1 : 0), >, last);
		last = reader.sequence - 1;
		if (rc == -EOVERFLOW)
			must_u64(reader.sequence, >, sequence); /* it is at the oldest, beyond */
		if (cop__lane_peek(&reader, &record) == 1) {
			bool whole = words_are_whole(record.data, reader.sequence, record.size);

			must(whole || cop__lane_lapped(&reader));
			last = whole ? reader.sequence : last;
		}
	}
	return NULL;
}

static void those_who_come_meanwhile_find_a_place(void)
{
	play(true, seek_about, test_scale(50000, 500000));
}

static const struct test_case cases[] = {
	TEST(lossless_readers_get_all, .timeout_s = 40),
	TEST(lossy_readers_get_no_torn_message, .timeout_s = 40),
	TEST(those_who_come_meanwhile_find_a_place, .timeout_s = 40),
	{ 0 },
};
TEST_MAIN("lane_threads", cases)
