/*
 * tests/unit/lane_box.h - a lane in private memory, for the suites of the lane
 *
 * Guard pages stand before and behind it, so that an access outside is a crash. Each message's
 * bytes follow from its sequence and its size, so whoever reads one can tell that it is whole.
 */
#ifndef TESTS_UNIT_LANE_BOX_H
#define TESTS_UNIT_LANE_BOX_H

#include "support/test.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "lane/lane.h"

#define BOX_SEGMENT COP__SEGMENT_MIN
#define BOX_MESSAGE_MAX (BOX_SEGMENT - 128)

struct box {
	uint8_t *base;
	size_t size;
	struct cop__lane_shape shape;
	struct cop__lane_writer writer;
};

/* Memory between two guard pages; shared with children. */
static inline uint8_t *box_memory(size_t size)
{
	uint8_t *all = mmap(NULL, size + 2 * COP__PAGE, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS, -1,
			    0);

	must(all != MAP_FAILED);
	must_int(mprotect(all + COP__PAGE, size, PROT_READ | PROT_WRITE), ==, 0);
	return all + COP__PAGE;
}

static inline void box_memory_free(uint8_t *base, size_t size)
{
	must_int(munmap(base - COP__PAGE, size + 2 * COP__PAGE), ==, 0);
}

/* A lane of so many segments, formatted, with a writer at its beginning. */
static inline void box_open_at(struct box *box, uint32_t segments, uint64_t first_sequence,
			       uint64_t first_segment)
{
	*box = (struct box){
		.size = cop__lane_file_bytes(BOX_SEGMENT, segments),
		.shape = { .uuid = { 1, 2 },
			   .segment_bytes = BOX_SEGMENT,
			   .message_max = BOX_MESSAGE_MAX,
			   .segments = segments },
	};
	box->base = box_memory(box->size);
	cop__lane_format(box->base, &box->shape, first_sequence, first_segment);
	must_rc(cop__lane_writer_open(&box->writer, box->base, &box->shape, "box"), 0);
}

static inline void box_open(struct box *box, uint32_t segments)
{
	box_open_at(box, segments, 1, 0);
}

static inline void box_close(struct box *box)
{
	box_memory_free(box->base, box->size);
}

/* The bytes of a message: a piece of noise, another one for each sequence and size. */
static inline const uint8_t *box_bytes(uint64_t sequence, size_t size)
{
	enum { PLACES = 4093 };
	static uint8_t noise[PLACES + COP__SEGMENT_MIN];
	static bool made;

	if (!made) {
		uint32_t x = 1;

		for (size_t i = 0; i < sizeof(noise); i++) {
			x = x * 1664525 + 1013904223;
			noise[i] = (uint8_t)(x >> 24);
		}
		made = true;
	}
	must_u64(size, <=, COP__SEGMENT_MIN);
	return noise + (sequence * 31 + size) % PLACES;
}

static inline void box_fill(uint8_t *room, uint64_t sequence, size_t size)
{
	memcpy(room, box_bytes(sequence, size), size);
}

static inline bool box_is_whole(const uint8_t *data, uint64_t sequence, size_t size)
{
	return memcmp(data, box_bytes(sequence, size), size) == 0;
}

/* Bytes from the next record's word to the end of the segment. */
static inline size_t box_rest(const struct cop__lane_writer *writer)
{
	return (size_t)(writer->end - writer->at);
}

static inline void box_reserve(struct cop__lane_writer *writer, size_t size)
{
	if (!cop__lane_reserve(writer, size)) {
		(void)cop__lane_announce(writer);
		cop__lane_roll(writer);
		must(cop__lane_reserve(writer, size));
	}
	must(writer->room);
}

static inline void box_send(struct cop__lane_writer *writer, size_t size)
{
	box_reserve(writer, size);
	box_fill(writer->room, writer->sequence, size);
	cop__lane_commit(writer, size);
}

/* Send messages until so many bytes are left in the segment at hand: a multiple of 8. */
static inline void box_send_until_rest(struct cop__lane_writer *writer, size_t rest)
{
	while (box_rest(writer) > rest + 128)
		box_send(writer, 40);
	must_u64(box_rest(writer), >, rest);
	box_send(writer, box_rest(writer) - rest - 8);
	must_u64(box_rest(writer), ==, rest);
}

static inline struct cop__lane_reader box_reader(const struct box *box)
{
	struct cop__lane_reader reader;

	cop__lane_reader_open(&reader, box->base, &box->shape);
	must_rc(cop__lane_seek_oldest(&reader), 0);
	return reader;
}

/* The next message is there, is this one, and is whole. Passes it. */
static inline size_t box_take(struct cop__lane_reader *reader, uint64_t sequence)
{
	struct cop__record record;

	must_rc(cop__lane_peek(reader, &record), 1);
	must_u64(reader->sequence, ==, sequence);
	must(box_is_whole(record.data, sequence, record.size));
	must(!cop__lane_lapped(reader));
	cop__lane_pass(reader, &record);
	return record.size;
}

/* All messages up to the last one that was sent are there; nothing follows. */
static inline void box_take_all(struct cop__lane_reader *reader,
				const struct cop__lane_writer *writer)
{
	struct cop__record record;

	while (reader->sequence < writer->sequence)
		box_take(reader, reader->sequence);
	must_rc(cop__lane_peek(reader, &record), 0);
	must_u64(cop__lane_position(reader), ==, cop__lane_written(writer));
}

#endif
