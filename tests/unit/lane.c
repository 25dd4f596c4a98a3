/*
 * tests/unit/lane.c - what is written into a lane is what is read from it
 */
#include "lane_box.h"

#include <copage/error.h>

/* ---- records ---- */

static void every_size_arrives_whole(void)
{
	static const size_t large[] = { 1000, 4095, 4096, 4097, 30000, BOX_MESSAGE_MAX };
	struct box box;

	box_open(&box, 3);

	struct cop__lane_reader reader = box_reader(&box);

	for (size_t size = 0; size < 600; size++) {
		box_send(&box.writer, size);
		must_u64(box_take(&reader, size + 1), ==, size);
	}
	for (size_t i = 0; i < sizeof(large) / sizeof(*large); i++) {
		box_send(&box.writer, large[i]);
		must_u64(box_take(&reader, 601 + i), ==, large[i]);
	}
	box_take_all(&reader, &box.writer);
	box_close(&box);
}

static void payloads_are_aligned_as_promised(void)
{
	struct box box;

	box_open(&box, 2);
	for (size_t size = 0; size < 1500; size += 7) {
		box_reserve(&box.writer, size);
		must_u64((uintptr_t)box.writer.room % (size < 256 ? 8 : 64), ==, 0);
		/* A reader who polls the word of a large message does not touch its payload. */
		if (size >= 256)
			must_u64((uintptr_t)box.writer.at / 64, !=,
				 (uintptr_t)box.writer.room / 64);
		cop__lane_commit(&box.writer, size);
	}
	box_close(&box);
}

static void nothing_is_seen_before_the_commit(void)
{
	struct box box;
	struct cop__record record;

	box_open(&box, 2);

	struct cop__lane_reader reader = box_reader(&box);

	must_rc(cop__lane_peek(&reader, &record), 0);
	must(cop__lane_reserve(&box.writer, 5000));
	memset(box.writer.room, 0xff, 5000);
	must_rc(cop__lane_peek(&reader, &record), 0);
	box.writer.room = NULL; /* given up */
	box_send(&box.writer, 16);
	box_take(&reader, 1);
	must_rc(cop__lane_peek(&reader, &record), 0); /* and no byte of the 5,000 shows */
	box_close(&box);
}

static void less_than_reserved_may_be_committed(void)
{
	static const size_t reserved[] = { 8, 255, 256, 257, 3000 };
	struct box box;

	box_open(&box, 2);

	struct cop__lane_reader reader = box_reader(&box);

	for (size_t i = 0; i < sizeof(reserved) / sizeof(*reserved); i++) {
		for (size_t used = 0; used <= reserved[i]; used += 1 + used / 9) {
			box_reserve(&box.writer, reserved[i]);
			memset(box.writer.room, 0xff, reserved[i]);
			box_fill(box.writer.room, box.writer.sequence, used);
			cop__lane_commit(&box.writer, used);
			must_u64(box_take(&reader, reader.sequence), ==, used);
			box_take_all(&reader, &box.writer);
		}
	}
	box_close(&box);
}

/* The worst that memory can hold from a round before: what looks like the very next records. */
static void bytes_of_an_earlier_round_never_pass_for_a_message(void)
{
	struct box box;
	struct cop__record record;

	box_open(&box, 2);

	struct cop__lane_reader reader = box_reader(&box);

	for (int i = 0; i < 3000; i++) {
		size_t size = test_random() % 500;

		box_reserve(&box.writer, size);
		for (size_t at = 0; at + 8 <= size; at += 8) {
			uint64_t ahead = box.writer.sequence + 1 + test_random() % 700;
			uint64_t word = cop__record_word(COP__RECORD_MESSAGE, 8, ahead);

			memcpy(box.writer.room + at, &word, 8);
		}
		cop__lane_commit(&box.writer, size);
		must_rc(cop__lane_peek(&reader, &record), 1);
		must_u64(record.size, ==, size);
		cop__lane_pass(&reader, &record);
		must_rc(cop__lane_peek(&reader, &record), 0);
	}
	box_close(&box);
}

/* ---- segments ---- */

/* Every rest of a segment, met by every kind of message: it fits, or goes to the next segment. */
static void segments_end_at_every_place(void)
{
	static const size_t sizes[] = { 0, 1, 7, 8, 9, 64, 255, 256, 257, BOX_MESSAGE_MAX };

	for (size_t rest = 0; rest <= 400; rest += 8) {
		for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
			struct box box;

			box_open(&box, 3);

			struct cop__lane_reader early = box_reader(&box);

			box_send_until_rest(&box.writer, rest);

			struct cop__lane_reader late = box_reader(&box);

			box_take_all(&early, &box.writer);
			box_send(&box.writer, sizes[i]);
			box_send(&box.writer, 3);
			box_take_all(&early, &box.writer);
			box_take_all(&late, &box.writer);
			box_close(&box);
		}
	}
}

static void a_full_segment_needs_no_pad(void)
{
	struct box box;
	struct cop__record record;

	box_open(&box, 2);

	struct cop__lane_reader reader = box_reader(&box);

	box_send_until_rest(&box.writer, 0);
	box_take_all(&reader, &box.writer);
	must_u64(cop__lane_position(&reader), ==, BOX_SEGMENT);
	must_rc(cop__lane_peek(&reader, &record), 0); /* the next segment is not there yet */
	box_send(&box.writer, 1);
	must_u64(box_take(&reader, reader.sequence), ==, 1);
	box_close(&box);
}

static void follow(uint32_t segments, uint64_t first_sequence, uint64_t first_segment)
{
	struct box box;

	box_open_at(&box, segments, first_sequence, first_segment);

	struct cop__lane_reader reader = box_reader(&box);

	must_u64(reader.sequence, ==, first_sequence);
	for (int i = 0; i < 2000; i++) {
		for (uint64_t burst = test_random() % 8; burst > 0; burst--)
			box_send(&box.writer, test_random() % 900);
		box_take_all(&reader, &box.writer);
	}
	must_u64(reader.number, >, first_segment + 2ull * segments); /* it went round */
	box_close(&box);
}

static void rings_go_round(void)
{
	follow(2, 1, 0);
	follow(3, 1, 0);
	follow(7, 1, 0);
}

static void sequences_pass_32_bits(void)
{
	follow(2, UINT32_MAX - 50, 0);
	follow(3, UINT32_MAX, 0);
	follow(2, (uint64_t)UINT32_MAX + 1, 0);
	follow(2, (7ull << 32) - 3, 0);
	follow(2, UINT64_MAX / 2, 0);
}

static void positions_pass_32_bits(void)
{
	follow(2, 1, (1ull << 32) / BOX_SEGMENT - 2);
	follow(3, 1, (1ull << 48) / BOX_SEGMENT - 1);
	follow(3, UINT32_MAX - 1, (1ull << 63) / BOX_SEGMENT - 1);
}

/* ---- giving way ---- */

static void announce_tells_what_must_have_been_read(void)
{
	const uint32_t segments = 3;
	struct box box;

	box_open(&box, segments);
	for (uint64_t number = 0; number < 20; number++) {
		uint64_t oldest = number + 1 < segments ? 0 : number + 2 - segments;

		box_send(&box.writer, 8); /* number + 1, the only one of its segment */
		must_u64(cop__lane_announce(&box.writer), ==, oldest * BOX_SEGMENT);
		/* Asked again while it waits, it says the same. */
		must_u64(cop__lane_announce(&box.writer), ==, oldest * BOX_SEGMENT);
		/* Who comes now begins above what is to be reused. */
		must_u64(box_reader(&box).sequence, ==, oldest + 1);
		cop__lane_roll(&box.writer);
	}
	box_close(&box);
}

/*
 * A reader has taken so many messages, then the writer goes on to its total: the reader gets the
 * next message or is told that it is lapped. All messages are of one size, so that records of
 * all rounds begin at the same places.
 */
static void lap(size_t size, uint64_t taken, uint64_t total)
{
	struct box box;
	struct cop__record record;

	box_open(&box, 2);

	struct cop__lane_reader reader = box_reader(&box);

	for (uint64_t i = 0; i < taken; i++) {
		box_send(&box.writer, size);
		box_take(&reader, i + 1);
	}
	while (box.writer.sequence <= total)
		box_send(&box.writer, size);

	int rc = cop__lane_peek(&reader, &record);
	uint64_t oldest = box_reader(&box).sequence;

	if (taken == total) {
		must_rc(rc, 0);
	} else if (rc == -EOVERFLOW || cop__lane_lapped(&reader)) {
		must(rc == -EOVERFLOW ||
		     rc == 1); /* looks like a message, but is known not to be */
		must_u64(oldest, >, 1);
		must_u64(oldest, >=, taken + 1);
	} else {
		must_rc(rc, 1);
		box_take(&reader, taken + 1);
		must_u64(oldest, <=, taken + 1);
	}
	box_close(&box);
}

static void lapped_readers_are_told(void)
{
	const size_t size = 7000;
	const uint64_t per_segment = (BOX_SEGMENT - 64) / (size + 64);

	for (uint64_t taken = 0; taken <= 2 * per_segment + 1; taken++)
		for (uint64_t total = taken; total <= taken + 5 * per_segment; total++)
			lap(size, taken, total);
}

static void a_message_in_hand_is_known_to_be_overwritten(void)
{
	struct box box;
	struct cop__record record;

	box_open(&box, 2);
	box_send(&box.writer, 100);

	struct cop__lane_reader reader = box_reader(&box);

	must_rc(cop__lane_peek(&reader, &record), 1);
	(void)cop__lane_announce(&box.writer);
	cop__lane_roll(&box.writer);
	must(!cop__lane_lapped(&reader)); /* its segment is the older one, and whole */
	(void)cop__lane_announce(&box.writer);
	must(!cop__lane_lapped(&reader)); /* announced, not yet reused */
	cop__lane_roll(&box.writer);
	must(cop__lane_lapped(&reader));
	must_rc(cop__lane_peek(&reader, &record), -EOVERFLOW);
	box_close(&box);
}

/* ---- seeking ---- */

static void an_empty_lane_can_be_sought_through(void)
{
	struct box box;
	struct cop__record record;

	box_open_at(&box, 2, 7, 3);

	struct cop__lane_reader reader = box_reader(&box);

	must_rc(cop__lane_seek_newest(&reader), 0);
	must_u64(reader.sequence, ==, 7);
	must_rc(cop__lane_seek_segment(&reader), 0);
	must_u64(reader.sequence, ==, 7);
	must_rc(cop__lane_seek_sequence(&reader, 7), 0);
	must_rc(cop__lane_seek_sequence(&reader, 9), 0); /* not there yet */
	must_u64(reader.sequence, ==, 7);
	must_rc(cop__lane_seek_sequence(&reader, 6), -EOVERFLOW);
	must_rc(cop__lane_seek_position(&reader, 3ull * BOX_SEGMENT), 0);
	must_rc(cop__lane_seek_position(&reader, 3ull * BOX_SEGMENT + 64), 0);
	must_rc(cop__lane_peek(&reader, &record), 0);
	must_rc(cop__lane_seek_position(&reader, 2ull * BOX_SEGMENT), -EOVERFLOW);
	box_close(&box);
}

static void every_sequence_is_found(void)
{
	struct box box;

	box_open(&box, 3);
	for (int i = 0; i < 1000; i++) {
		uint64_t last = box.writer.sequence;

		box_send(&box.writer, test_random() % 3000);

		struct cop__lane_reader reader = box_reader(&box);
		uint64_t oldest = reader.sequence;
		uint64_t sequence = oldest + test_random() % (last - oldest + 1);

		must_rc(cop__lane_seek_sequence(&reader, sequence), 0);
		box_take(&reader, sequence);
		must_rc(cop__lane_seek_sequence(&reader, last), 0);
		box_take(&reader, last);
		must_rc(cop__lane_seek_sequence(&reader, last + 1), 0);
		box_take_all(&reader, &box.writer);
		must_rc(cop__lane_seek_newest(&reader), 0);
		box_take_all(&reader, &box.writer);
		if (oldest > 1) {
			must_rc(cop__lane_seek_sequence(&reader, oldest - 1), -EOVERFLOW);
			box_take(&reader, oldest);
		}
	}
	box_close(&box);
}

/* Where cursors have stood, and which message was to follow. */
struct stood {
	uint64_t position, sequence;
};

static void must_be_found(const struct box *box, const struct stood *stood)
{
	struct cop__lane_reader reader = box_reader(box);
	uint64_t oldest = reader.sequence;
	uint64_t newest = box->writer.number;
	uint64_t kept = newest + 1 > box->shape.segments ? newest + 1 - box->shape.segments : 0;
	uint64_t number = stood->position / BOX_SEGMENT;
	int rc = cop__lane_seek_position(&reader, stood->position);

	if (number >= kept) {
		must_rc(rc, 0);
		must_u64(reader.sequence, ==, stood->sequence);
	} else {
		must_rc(rc, -EOVERFLOW);
		must_u64(reader.sequence, ==, oldest);
	}
	box_take_all(&reader, &box->writer);
}

static void every_position_of_a_cursor_is_found(void)
{
	static struct stood stood[2000];
	struct cop__record record;
	struct box box;
	size_t count = 0;

	box_open(&box, 3);

	struct cop__lane_reader reader = box_reader(&box);

	while (count + 3 < sizeof(stood) / sizeof(*stood)) {
		/* As it leaves a message, and as it finds no more, which may be a segment later. */
		stood[count++] = (struct stood){ cop__lane_position(&reader), reader.sequence };
		must_rc(cop__lane_peek(&reader, &record), 0);
		stood[count++] = (struct stood){ cop__lane_position(&reader), reader.sequence };
		if (count % 64 == 0 && box_rest(&box.writer) > 1000)
			box_send(&box.writer, box_rest(&box.writer) - 256); /* nearly full */
		else if (count % 5 == 0 && box_rest(&box.writer) > 16)
			box_send_until_rest(&box.writer, 0);
		else
			box_send(&box.writer, test_random() % 3000);
		while (cop__lane_peek(&reader, &record) == 1) {
			cop__lane_pass(&reader, &record);
			stood[count < 1998 ? count++ : count] = (struct stood){
				cop__lane_position(&reader), reader.sequence
			};
		}
		for (size_t i = count > 40 ? count - 40 : 0; i < count; i++)
			must_be_found(&box, &stood[i]);
	}
	for (size_t i = 0; i < count; i++)
		must_be_found(&box, &stood[i]);
	box_close(&box);
}

static void positions_between_records_are_refused(void)
{
	struct box box;

	box_open(&box, 2);
	box_send(&box.writer, 100);
	box_send(&box.writer, 100);

	struct cop__lane_reader reader = box_reader(&box);
	uint64_t end = cop__lane_written(&box.writer);
	uint64_t second = COP__SEGMENT_RECORDS + 8 + 104;

	for (uint64_t position = 1; position < end + 200; position++) {
		bool record = position == COP__SEGMENT_RECORDS || position == second ||
			      position == end;

		must_rc(cop__lane_seek_position(&reader, position), record ? 0 : -EBADMSG);
	}
	/* A segment that is not there, before and after. */
	must_rc(cop__lane_seek_position(&reader, 5ull * BOX_SEGMENT + 64), -EOVERFLOW);
	must_u64(reader.sequence, ==, 1);
	must_rc(cop__lane_seek_position(&reader, UINT64_MAX), -EOVERFLOW);
	box_close(&box);
}

/* ---- the header ---- */

static void a_header_is_checked_field_by_field(void)
{
	struct box box;
	struct cop__lane_shape shape;

	box_open(&box, 2);

	struct cop__lane_header *header = (struct cop__lane_header *)box.base;
	const struct cop__lane_header good = *header;

	must_rc(cop__lane_check(box.base, box.size, "pub.x", &shape), 0);
	must_mem(&shape, sizeof(shape), &box.shape, sizeof(shape));

#define BREAK(field, value, rc) \
	do { \
		header->field = (value); \
		must_rc(cop__lane_check(box.base, box.size, "pub.x", &shape), (rc)); \
		must_has(cop_error_text(), "pub.x"); \
		*header = good; \
	} while (0)

	BREAK(magic, good.magic + 1, -EBADMSG);
	BREAK(byte_order, __builtin_bswap64(good.byte_order), -EBADMSG);
	BREAK(version, good.version + 1, -EPROTO);
	BREAK(flags, 1u << 31, -EBADMSG);
	BREAK(segments, 0, -EBADMSG);
	BREAK(segments, 1, -EBADMSG);
	BREAK(segments, 3, -EBADMSG); /* another size of file */
	BREAK(segment_bytes, 0, -EBADMSG);
	BREAK(segment_bytes, good.segment_bytes + 1, -EBADMSG);
	BREAK(segment_bytes, good.segment_bytes * 2, -EBADMSG);
	BREAK(segment_bytes, UINT64_MAX / 2 + 1, -EBADMSG); /* times two it is nothing */
	BREAK(message_max, 0, -EBADMSG);
	BREAK(message_max, good.segment_bytes, -EBADMSG);
	BREAK(message_max, UINT64_MAX, -EBADMSG);
#undef BREAK
	must_rc(cop__lane_check(box.base, box.size - 4096, "pub.x", &shape), -EBADMSG);
	must_rc(cop__lane_check(box.base, box.size + 4096, "pub.x", &shape), -EBADMSG);
	must_rc(cop__lane_check(box.base, 4096, "pub.x", &shape), -EBADMSG);
	box_close(&box);
}

static void a_segment_holds_the_largest_message(void)
{
	static const uint64_t max[] = { 1,     255,   256,        65408,
					65409, 65536, (1u << 20), COP_MESSAGE_MAX };

	for (size_t i = 0; i < sizeof(max) / sizeof(*max); i++) {
		uint64_t bytes = cop__segment_bytes_for(max[i]);
		uint64_t payload = cop__record_payload(COP__RECORD_LINE, COP__SEGMENT_RECORDS);

		must_u64(bytes % COP__PAGE, ==, 0);
		must_u64(bytes, >=, COP__SEGMENT_MIN);
		must_u64(cop__record_end(payload, max[i]), <=, bytes);
	}
}

static void the_end_is_told_after_the_last_message(void)
{
	struct box box;

	box_open(&box, 2);

	struct cop__lane_reader reader = box_reader(&box);

	box_send(&box.writer, 1);
	must(!cop__lane_closed(&reader));
	cop__lane_set_closed(&box.writer, true);
	must(cop__lane_closed(&reader));
	box_take_all(&reader, &box.writer);
	cop__lane_set_closed(&box.writer, false); /* opened again */
	must(!cop__lane_closed(&reader));
	box_close(&box);
}

static const struct test_case cases[] = {
	TEST(every_size_arrives_whole),
	TEST(payloads_are_aligned_as_promised),
	TEST(nothing_is_seen_before_the_commit),
	TEST(less_than_reserved_may_be_committed),
	TEST(bytes_of_an_earlier_round_never_pass_for_a_message),
	TEST(segments_end_at_every_place),
	TEST(a_full_segment_needs_no_pad),
	TEST(rings_go_round),
	TEST(sequences_pass_32_bits),
	TEST(positions_pass_32_bits),
	TEST(announce_tells_what_must_have_been_read),
	TEST(lapped_readers_are_told),
	TEST(a_message_in_hand_is_known_to_be_overwritten),
	TEST(an_empty_lane_can_be_sought_through),
	TEST(every_sequence_is_found),
	TEST(every_position_of_a_cursor_is_found),
	TEST(positions_between_records_are_refused),
	TEST(a_header_is_checked_field_by_field),
	TEST(a_segment_holds_the_largest_message),
	TEST(the_end_is_told_after_the_last_message),
	{ 0 },
};
TEST_MAIN("lane", cases)
