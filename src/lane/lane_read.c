/*
 * lane/lane_read.c - the reader of a lane: check, seek, cross segments
 *
 * Nothing that it reads is trusted. Each word is loaded once and checked against the shape, which
 * was checked when the lane was opened; every walk ends, because each record moves it on by at
 * least eight bytes and each loop over segments is bounded by their number.
 */
#include <errno.h>

#include "lane/lane.h"
#include "os/error.h"

/* How often a seek begins again because the writer reused what it was looking at. */
#define SEEK_TRIES 64

static int check_shape(const struct cop__lane_shape *shape, uint64_t file_bytes)
{
	return shape->segment_bytes >= COP__SEGMENT_MIN &&
	       shape->segment_bytes <= cop__segment_bytes_for(COP_MESSAGE_MAX) &&
	       shape->segment_bytes % COP__PAGE == 0 && shape->segments >= 2 &&
	       shape->segments <= COP_SEGMENTS_MAX && (shape->flags & ~COP__LANE_FLAGS) == 0 &&
	       shape->message_max > 0 && shape->message_max <= COP_MESSAGE_MAX &&
	       cop__segment_bytes_for(shape->message_max) <= shape->segment_bytes &&
	       cop__lane_file_bytes(shape->segment_bytes, shape->segments) == file_bytes;
}

int cop__lane_check(const void *base, uint64_t file_bytes, const char *name,
		    struct cop__lane_shape *shape)
{
	struct cop__lane_header header;

	if (file_bytes < COP__LANE_SEGMENTS_OFFSET)
		return cop__fail(-EBADMSG, "open %s: it is truncated to %llu bytes", name,
				 (unsigned long long)file_bytes);
	memcpy(&header, base, sizeof(header)); /* once: it may change while it is looked at */
	if (header.magic != COP__LANE_MAGIC || header.byte_order != COP__BYTE_ORDER)
		return cop__fail(-EBADMSG, "open %s: it is not a lane of Copage", name);
	if (header.version != COP__LAYOUT_VERSION)
		return cop__fail(-EPROTO,
				 "open %s: it has layout version %u, and this library speaks %u",
				 name, header.version, COP__LAYOUT_VERSION);
	*shape = (struct cop__lane_shape){
		.uuid = { header.uuid[0], header.uuid[1] },
		.segment_bytes = header.segment_bytes,
		.message_max = header.message_max,
		.segments = header.segments,
		.flags = header.flags,
		.created_ns = header.created_ns,
	};
	if (!check_shape(shape, file_bytes))
		return cop__fail(-EBADMSG,
				 "open %s: %u segments of %llu bytes do not make a file of %llu; "
				 "it is damaged or truncated",
				 name, header.segments, (unsigned long long)header.segment_bytes,
				 (unsigned long long)file_bytes);
	return 0;
}

void cop__lane_reader_open(struct cop__lane_reader *reader, const uint8_t *base,
			   const struct cop__lane_shape *shape)
{
	*reader = (struct cop__lane_reader){
		.base = base,
		.hot = (const struct cop__lane_hot *)(base + COP__LANE_HOT_OFFSET),
		.shape = *shape,
	};
}

static const struct cop__segment *slot(const struct cop__lane_reader *reader, uint64_t number)
{
	uint64_t offset = number % reader->shape.segments * reader->shape.segment_bytes;

	return (const struct cop__segment *)(reader->base + COP__LANE_SEGMENTS_OFFSET + offset);
}

/*
 * Stand at the start of a segment. 0, or -EAGAIN when its slot holds another one (older: it is not
 * open yet; newer: it was reused).
 */
static int enter(struct cop__lane_reader *reader, uint64_t number, uint64_t *first_sequence)
{
	const struct cop__segment *segment = slot(reader, number);
	uint64_t base = number * reader->shape.segment_bytes;

	/* [L2] acquire: the base before the rest of the segment. Pairs with open_segment. */
	if (cop__load_acquire(&segment->base) != base)
		return -EAGAIN;
	*first_sequence = cop__load_relaxed(&segment->first_sequence);
	/* The slot may have been reused between the two loads: the base tells. */
	cop__fence_acquire();
	if (cop__load_relaxed(&segment->base) != base)
		return -EAGAIN;
	reader->number = number;
	reader->segment_position = base;
	reader->segment = (const uint8_t *)segment;
	reader->end = reader->segment + reader->shape.segment_bytes;
	reader->at = reader->segment + COP__SEGMENT_RECORDS;
	return 0;
}

/* A position that the writer gave for a segment's start: its number, or -EBADMSG. */
static int segment_number(const struct cop__lane_reader *reader, uint64_t position,
			  uint64_t *number)
{
	if (position % reader->shape.segment_bytes != 0)
		return -EBADMSG;
	*number = position / reader->shape.segment_bytes;
	return 0;
}

/* Enter the segment that a word of the hot page points to, however often that moves meanwhile. One
 * that does not move, and leads to no segment, is damaged. */
static int seek_pointer(struct cop__lane_reader *reader, const uint64_t *pointer)
{
	uint64_t number, first, last = COP__SEGMENT_CLOSED;
	int moved = 0;

	for (int i = 0; i < SEEK_TRIES; i++) {
		/* [L5] acquire: the pointer before its segment. Pairs with open_segment. */
		uint64_t position = cop__load_acquire(pointer);

		if (segment_number(reader, position, &number) < 0)
			return -EBADMSG;
		if (enter(reader, number, &first) == 0) {
			reader->sequence = first;
			return 0;
		}
		moved += position != last;
		last = position;
		cop__pause();
	}
	return moved > 1 ? -EAGAIN : -EBADMSG;
}

int cop__lane_seek_oldest(struct cop__lane_reader *reader)
{
	return seek_pointer(reader, &reader->hot->low);
}

/*
 * Below low too, which the writer raises before it asks whether it may reuse what lies there. Only
 * for one whom it has waited for ever since the lane was made: then nothing was reused.
 */
int cop__lane_seek_kept(struct cop__lane_reader *reader)
{
	uint64_t first;
	int rc = cop__lane_seek_segment(reader);
	uint64_t newest = reader->number;

	if (rc < 0)
		return rc;
	for (uint64_t back = reader->shape.segments - 1; back > 0; back--) {
		if (back <= newest && enter(reader, newest - back, &first) == 0) {
			reader->sequence = first;
			break;
		}
	}
	return 0;
}

int cop__lane_seek_segment(struct cop__lane_reader *reader)
{
	return seek_pointer(reader, &reader->hot->head);
}

int cop__lane_pass_to(struct cop__lane_reader *reader, uint64_t sequence)
{
	struct cop__record record;
	uint64_t stop = reader->number + reader->shape.segments;
	int rc = 0;

	while (reader->sequence < sequence && reader->number <= stop &&
	       (rc = cop__lane_peek(reader, &record)) > 0)
		cop__lane_pass(reader, &record);
	return rc > 0 ? 0 : rc;
}

int cop__lane_seek_newest(struct cop__lane_reader *reader)
{
	int rc;

	for (int i = 0; i < SEEK_TRIES; i++) {
		rc = cop__lane_seek_segment(reader);
		if (rc < 0)
			return rc;
		rc = cop__lane_pass_to(reader, UINT64_MAX);
		if (rc != -EOVERFLOW)
			return rc;
	}
	return -EAGAIN;
}

/* Skip whole segments while the next one begins at or before the goal. One beyond head may still
 * be opened anew, with another first message. */
static void skip_to_sequence(struct cop__lane_reader *reader, uint64_t sequence)
{
	uint64_t first;

	for (uint32_t i = 1; i < reader->shape.segments; i++) {
		struct cop__lane_reader next = *reader;
		uint64_t base = (reader->number + 1) * reader->shape.segment_bytes;

		if (base > cop__load_acquire(&reader->hot->head) ||
		    enter(&next, reader->number + 1, &first) < 0 || first > sequence)
			break;
		next.sequence = first;
		*reader = next;
	}
}

int cop__lane_seek_sequence(struct cop__lane_reader *reader, uint64_t sequence)
{
	for (int i = 0; i < SEEK_TRIES; i++) {
		int rc = cop__lane_seek_oldest(reader);

		if (rc < 0)
			return rc;
		if (reader->sequence > sequence)
			return -EOVERFLOW;
		skip_to_sequence(reader, sequence);
		rc = cop__lane_pass_to(reader, sequence);
		if (rc != -EOVERFLOW)
			return rc;
	}
	return -EAGAIN;
}

/* The first record of a segment, and the end of the segment before, are where a cursor at the
 * segment's own position stands. */
static bool stands_at(const struct cop__lane_reader *reader, uint64_t position)
{
	return cop__lane_position(reader) == position ||
	       (reader->at == reader->segment + COP__SEGMENT_RECORDS &&
		reader->number * reader->shape.segment_bytes == position);
}

/* What was asked for is gone. */
static int seek_instead(struct cop__lane_reader *reader)
{
	int rc = cop__lane_seek_oldest(reader);

	return rc < 0 ? rc : -EOVERFLOW;
}

/* From the start of a segment on. 0, -EOVERFLOW, or -EBADMSG no record begins there. */
static int walk_to_position(struct cop__lane_reader *reader, uint64_t position)
{
	struct cop__record record;
	int rc = 0;

	while (!stands_at(reader, position) && cop__lane_position(reader) < position) {
		rc = cop__lane_peek(reader, &record);
		if (rc <= 0)
			break;
		cop__lane_pass(reader, &record);
	}
	if (rc < 0)
		return rc;
	return stands_at(reader, position) ? 0 : -EBADMSG;
}

/* To a position in a segment, or at the start of it. */
static int seek_in_segment(struct cop__lane_reader *reader, uint64_t number, uint64_t position)
{
	uint64_t first;

	if (enter(reader, number, &first) < 0)
		return -EOVERFLOW;
	reader->sequence = first;
	return walk_to_position(reader, position);
}

int cop__lane_seek_position(struct cop__lane_reader *reader, uint64_t position)
{
	uint64_t number = position / reader->shape.segment_bytes;
	int rc = seek_in_segment(reader, number, position);

	/* At a segment that is not open yet a cursor waits at the end of the one before; unless
	 * that was reused meanwhile: then the other has been opened since we looked. */
	if (rc == -EOVERFLOW && number > 0 && position % reader->shape.segment_bytes == 0) {
		rc = seek_in_segment(reader, number - 1, position);
		cop__fence_acquire();
		if (rc == -EOVERFLOW)
			rc = seek_in_segment(reader, number, position);
	}
	return rc == -EOVERFLOW ? seek_instead(reader) : rc;
}

/* At the end of a segment: go on in the next one if it is open. 1, 0 not yet, or negative. */
static int cross(struct cop__lane_reader *reader)
{
	uint64_t first;

	if (enter(reader, reader->number + 1, &first) < 0) {
		if (!cop__lane_lapped(reader))
			return 0; /* not open yet */
		/* The one that ended was reused, so the next one has been opened since we looked.
		 * A reader who had left the one that ended, and is waited for, finds it there. */
		cop__fence_acquire();
		if (enter(reader, reader->number + 1, &first) < 0)
			return -EOVERFLOW;
	}
	return first == reader->sequence ? 1 : -EBADMSG;
}

/* The word at hand is no message that can be handed out: 1 it is the segment's pad, 0 nothing yet,
 * or negative. */
static int pass_pad(struct cop__lane_reader *reader)
{
	uint64_t word = cop__load_acquire((const uint64_t *)reader->at);
	uint64_t rest = (uint64_t)(reader->end - reader->at) - sizeof(uint64_t);

	/* What does not check may be bytes of a segment that was reused meanwhile. */
	if (cop__lane_lapped(reader))
		return -EOVERFLOW;
	if (word == 0)
		return 0;
	if (cop__record_kind(word) != COP__RECORD_PAD ||
	    cop__record_sequence(word) != (uint32_t)reader->sequence ||
	    cop__record_size(word) != rest)
		return -EBADMSG;
	reader->at = reader->end;
	return 1;
}

int cop__lane_peek_slow(struct cop__lane_reader *reader, struct cop__record *record)
{
	/* Segments without a message are rare, and as many in a row as there are in the ring are a
	 * writer's who leads us on. */
	for (uint32_t i = 0; i <= reader->shape.segments; i++) {
		int rc = reader->at == reader->end ? 1 : pass_pad(reader);
		uint64_t word;

		if (rc > 0)
			rc = cross(reader);
		if (rc <= 0)
			return rc;
		/* [L1] acquire: as in cop__lane_peek. */
		word = cop__load_acquire((const uint64_t *)reader->at);
		if (word == 0)
			return cop__lane_lapped(reader) ? -EOVERFLOW : 0;
		if (cop__lane_is_due(reader, word, record))
			return 1;
	}
	return -EBADMSG;
}
