/*
 * tests/unit/lane_hostile.c - whatever bytes a peer leaves, a reader or a successor ends its work
 *
 * Guard pages stand around the lane, and readers get it read-only. What a lane with wrong bytes
 * shows does not matter here, as long as it comes to an end and stays inside.
 */
#include "lane_box.h"

#include <pthread.h>
#include <stdatomic.h>

/* ---- what is surely wrong is refused ---- */

static uint64_t *word_at(const struct box *box, uint64_t offset)
{
	return (uint64_t *)(void *)(box->base + COP__LANE_SEGMENTS_OFFSET + offset);
}

static void a_wrong_record_is_corrupt(void)
{
	struct box box;
	struct cop__record record;
	const uint64_t rest = BOX_SEGMENT - 64 - 8;

	box_open_at(&box, 2, 5, 0);

	const uint64_t wrong[] = {
		cop__record_word(COP__RECORD_MESSAGE, 8, 4), /* of another sequence */
		cop__record_word(COP__RECORD_MESSAGE, 8, 6),
		cop__record_word(COP__RECORD_MESSAGE, rest + 1, 5), /* beyond its segment */
		cop__record_word(COP__RECORD_MESSAGE, (1u << 30) - 1, 5),
		cop__record_word(COP__RECORD_LINE, BOX_SEGMENT - 127, 5),
		cop__record_word(COP__RECORD_LINE, rest, 5),
		cop__record_word(COP__RECORD_LINE, (1u << 30) - 1, 5),
		cop__record_word(COP__RECORD_PAD, rest - 8, 5), /* not to the end */
		cop__record_word(COP__RECORD_PAD, rest + 8, 5),
		cop__record_word(COP__RECORD_PAD, rest, 6),
		cop__record_word(COP__RECORD_NONE, 8, 5),
		1,
		UINT64_MAX,
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct cop__lane_reader reader = box_reader(&box);
		struct cop__lane_writer writer;

		test_note("word %d", (int)i);
		*word_at(&box, 64) = wrong[i];
		must_rc(cop__lane_peek(&reader, &record), -EBADMSG);
		must_rc(cop__lane_seek_newest(&reader), -EBADMSG);
		must_rc(cop__lane_writer_open(&writer, box.base, &box.shape, "box"), -EBADMSG);
	}
	/* The largest that fit are none of these. */
	for (int line = 0; line < 2; line++) {
		struct cop__lane_reader reader = box_reader(&box);

		*word_at(&box, 64) = cop__record_word(line ? COP__RECORD_LINE : COP__RECORD_MESSAGE,
						      line ? BOX_SEGMENT - 128 : rest, 5);
		must_rc(cop__lane_peek(&reader, &record), 1);
		must_u64((uintptr_t)record.data + record.size, ==,
			 (uintptr_t)word_at(&box, BOX_SEGMENT));
	}
	box_close(&box);
}

static void a_wrong_pointer_is_corrupt(void)
{
	struct box box;

	box_open(&box, 2);
	box_send(&box.writer, 8);

	struct cop__lane_reader reader = box_reader(&box);
	static const uint64_t wrong[] = { 1,          64,        BOX_SEGMENT, BOX_SEGMENT - 1,
					  UINT64_MAX, 1ull << 63 };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct cop__lane_writer writer;

		box.writer.hot->low = wrong[i];
		must(cop__lane_seek_oldest(&reader) < 0);
		must(cop__lane_seek_sequence(&reader, 1) < 0);
		box.writer.hot->low = 0;
		box.writer.hot->head = wrong[i];
		must(cop__lane_seek_newest(&reader) < 0);
		must(cop__lane_seek_segment(&reader) < 0);
		must_rc(cop__lane_writer_open(&writer, box.base, &box.shape, "box"), -EBADMSG);
		box.writer.hot->head = 0;
	}
	/* A segment that does not go on where the one before it ended. */
	box_send_until_rest(&box.writer, 0);
	box_send(&box.writer, 8);
	*word_at(&box, BOX_SEGMENT + 8) += 1;
	reader = box_reader(&box);
	must_rc(cop__lane_seek_sequence(&reader, 1), 0);

	struct cop__record record;
	int rc;

	while ((rc = cop__lane_peek(&reader, &record)) == 1)
		cop__lane_pass(&reader, &record);
	must_rc(rc, -EBADMSG);
	box_close(&box);
}

/* ---- random bytes ---- */

/* A lane with something of everything in it, which every try begins with. */
static void make_victim(struct box *box)
{
	box_open_at(box, 3, test_random() % 2 ? 1 : UINT32_MAX - 10, 0);
	while (box->writer.number < 4)
		box_send(&box->writer, test_random() % 3 ? test_random() % 700 : 9000);
	box_send_until_rest(&box->writer, test_random() % 5 * 8);
	box_send(&box->writer, 300);
	box_send(&box->writer, 0);
}

/* The words on which something depends: header, hot page, heads of segments, records. */
static uint64_t *interesting_word(struct box *box)
{
	uint64_t segment = test_random() % box->shape.segments * BOX_SEGMENT;

	switch (test_random() % 6) {
	case 0:
		return (uint64_t *)(void *)box->base + test_random() % 9;
	case 1:
		return (uint64_t *)(void *)(box->base + COP__LANE_HOT_OFFSET) + test_random() % 3;
	case 2:
		return word_at(box, segment) + test_random() % 3;
	default:
		return word_at(box, segment + test_random() % BOX_SEGMENT / 8 * 8);
	}
}

static uint64_t interesting_value(uint64_t old)
{
	switch (test_random() % 7) {
	case 0:
		return old ^ 1ull << test_random() % 64;
	case 1:
		return 0;
	case 2:
		return UINT64_MAX;
	case 3:
		return test_random() % 16 * BOX_SEGMENT;
	case 4:
		return cop__record_word((enum cop__record_kind)(test_random() % 4),
					test_random() % (2ull * BOX_SEGMENT), test_random() % 200);
	case 5:
		return cop__record_word(cop__record_kind(old), test_random() % (1u << 30),
					cop__record_sequence(old));
	default:
		return test_random();
	}
}

/* Read on until it ends; no lane of this size has more records than words. */
static void walk(const struct box *box, struct cop__lane_reader *reader)
{
	struct cop__record record;
	unsigned char sum = 0;
	size_t count = 0;

	while (cop__lane_peek(reader, &record) == 1) {
		must(record.data >= box->base + COP__LANE_SEGMENTS_OFFSET);
		must(record.data + record.size <= box->base + box->size);
		must(record.size <= BOX_SEGMENT);
		if (record.size > 0)
			sum ^= record.data[0] ^ record.data[record.size - 1];
		cop__lane_pass(reader, &record);
		must_u64(++count, <=, box->size / 8);
	}
	*(volatile unsigned char *)&sum = sum; /* they have been read */
}

static void read_in_every_way(const struct box *box, const struct cop__lane_shape *shape)
{
	struct cop__lane_reader reader;

	cop__lane_reader_open(&reader, box->base, shape);
	if (cop__lane_seek_oldest(&reader) == 0)
		walk(box, &reader);
	if (cop__lane_seek_segment(&reader) == 0)
		walk(box, &reader);
	if (cop__lane_seek_newest(&reader) == 0)
		walk(box, &reader);
	for (int i = 0; i < 3; i++) {
		int rc = cop__lane_seek_sequence(&reader, test_random() % 400);

		if (rc == 0 || rc == -EOVERFLOW)
			walk(box, &reader);
		rc = cop__lane_seek_position(&reader, test_random() % (6ull * BOX_SEGMENT));
		if (rc == 0 || rc == -EOVERFLOW)
			walk(box, &reader);
	}
}

static void succeed(struct box *box, const struct cop__lane_shape *shape)
{
	struct cop__lane_writer writer;

	if (cop__lane_writer_open(&writer, box->base, shape, "box") < 0)
		return;
	for (int i = 0; i < 30; i++)
		box_send(&writer, test_random() % 9000);
}

static void spoil(struct box *box)
{
	for (uint64_t n = 1 + test_random() % 4; n > 0; n--) {
		uint64_t *word = interesting_word(box);

		*word = interesting_value(*word);
	}
}

static void wrong_bytes_lead_nowhere(void)
{
	struct box box;

	make_victim(&box);

	uint8_t *sound = malloc(box.size);

	must(sound);
	memcpy(sound, box.base, box.size);
	for (unsigned i = 0; i < test_scale(4000, 12000); i++) {
		struct cop__lane_shape shape;

		test_note("try %u", i);
		memcpy(box.base, sound, box.size);
		spoil(&box);
		if (cop__lane_check(box.base, box.size, "box", &shape) < 0)
			continue;
		must_int(mprotect(box.base, box.size, PROT_READ), ==, 0);
		read_in_every_way(&box, &shape);
		must_int(mprotect(box.base, box.size, PROT_READ | PROT_WRITE), ==, 0);
		succeed(&box, &shape);
	}
	free(sound);
	box_close(&box);
}

static void noise_leads_nowhere(void)
{
	struct box box;

	box_open(&box, 2);
	for (unsigned i = 0; i < test_scale(100, 1000); i++) {
		struct cop__lane_shape shape = box.shape;

		for (size_t at = COP__LANE_HOT_OFFSET; at < box.size; at += 8) {
			uint64_t word = i % 2 ? test_random() : interesting_value(0);

			memcpy(box.base + at, &word, 8);
		}
		read_in_every_way(&box, &shape);
		succeed(&box, &shape);
	}
	box_close(&box);
}

/* ---- bytes that change while they are read ---- */

struct spoiler {
	struct box box;
	atomic_bool stop;
	uint64_t state;
};

static uint64_t next_number(struct spoiler *spoiler)
{
	spoiler->state = spoiler->state * 6364136223846793005u + 1442695040888963407u;
	return spoiler->state >> 17;
}

static void *spoil_on(void *arg)
{
	struct spoiler *spoiler = arg;
	struct box *box = &spoiler->box;

	while (!atomic_load(&spoiler->stop)) {
		uint64_t segment = next_number(spoiler) % box->shape.segments * BOX_SEGMENT;
		uint64_t n = next_number(spoiler);
		uint64_t *word = n % 4 == 0   ? &box->writer.hot->low + n / 4 % 2
				 : n % 4 == 1 ? word_at(box, segment) + n / 4 % 2
					      : word_at(box, segment + n / 4 % 2000 * 8);

		uint64_t value = n % 3 == 0 ? n / 64 % 8 * BOX_SEGMENT
					    : cop__record_word(1 + n / 64 % 3, n / 256 % 70000,
							       n / 64 % 100);

		cop__store_relaxed(word, n % 7 == 0 ? 0 : value);
	}
	return NULL;
}

static void bytes_that_change_meanwhile_lead_nowhere(void)
{
	struct spoiler spoiler = { .state = test_random() };
	int64_t until = test_now_ns() + (int64_t)test_scale(300, 3000) * 1000000;
	pthread_t thread;

	if (TEST_TSAN)
		SKIP("a race by design");
	make_victim(&spoiler.box);
	must_int(pthread_create(&thread, NULL, spoil_on, &spoiler), ==, 0);
	while (test_now_ns() < until)
		read_in_every_way(&spoiler.box, &spoiler.box.shape);
	atomic_store(&spoiler.stop, true);
	must_int(pthread_join(thread, NULL), ==, 0);
	box_close(&spoiler.box);
}

static const struct test_case cases[] = {
	TEST(a_wrong_record_is_corrupt),
	TEST(a_wrong_pointer_is_corrupt),
	TEST(wrong_bytes_lead_nowhere),
	TEST(noise_leads_nowhere),
	TEST(bytes_that_change_meanwhile_lead_nowhere),
	{ 0 },
};
TEST_MAIN("lane_hostile", cases)
