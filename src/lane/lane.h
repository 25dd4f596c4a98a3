/*
 * lane/lane.h - write, read and recover a lane
 *
 * One writer, any number of readers, each with its own mapping of the file. Neither knows of
 * topics, members or waiting. lane_layout.h has the bytes. Nothing here calls the kernel.
 *
 * Edges (docs/memory-model.md has each with its argument):
 *
 *	name  writer                    reader                    orders
 *	L1    record word, release      record word, acquire      the payload, the next word's zero
 *	                                                          and all before, before the record
 *	L2    segment base, release     segment base, acquire     first_sequence and the zero in the
 *	                                                          first word before the segment
 *	L3    segment base all ones,    acquire fence, segment    a copy made while its segment was
 *	      full fence before reuse   base, after the copy      reused is thrown away
 *	L4    hot.closed, release       hot.closed, acquire       the last record before the end
 *	L5    hot.head, release         hot.head, acquire         the segment before it is entered
 *	M1    hot.low, full fence,      member's file linked or   a reader either is seen by the
 *	      then members are looked   locked, then hot.low      writer, or begins above what the
 *	      at (kernel locks)                                   writer reuses
 */
#ifndef COP_LANE_LANE_H
#define COP_LANE_LANE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lane/lane_layout.h"
#include "os/atomic.h"

/* What a lane is like, checked, in private memory. */
struct cop__lane_shape {
	uint64_t uuid[2];
	uint64_t segment_bytes;
	uint64_t message_max;
	uint32_t segments;
	uint32_t flags;
	int64_t created_ns;
};

/* Read and check a header that is not trusted, of a file of file_bytes bytes. 0, or -EBADMSG,
 * -EPROTO with a sentence that names it. */
int cop__lane_check(const void *base, uint64_t file_bytes, const char *name,
		    struct cop__lane_shape *shape);

/* ---- writing ---- */

#define COP__LANE_AHEAD 512 /* bytes; measured: 256 is worse, 1024 about equal */

struct cop__lane_writer {
	uint8_t *at; /* the next record word */
	uint8_t *segment; /* the segment being written */
	uint8_t *end; /* of that segment */
	uint8_t *room; /* payload of the open reservation; NULL: none */
	size_t room_bytes;
	uint64_t sequence; /* of the next message */
	uint64_t number; /* of the segment */
	uint8_t *base; /* the mapping */
	struct cop__lane_hot *hot;
	struct cop__lane_shape shape;
};

/* Lay out a new lane in zeroed memory, ready for the writer below. */
void cop__lane_format(uint8_t *base, const struct cop__lane_shape *shape, uint64_t first_sequence,
		      uint64_t first_segment);

/* Begin to write, or go on where the last writer stopped, wherever it was killed. The mapping is
 * writable. 0, or -EBADMSG. */
int cop__lane_writer_open(struct cop__lane_writer *writer, uint8_t *base,
			  const struct cop__lane_shape *shape, const char *name);

/*
 * Reserve room in the present segment. False: it does not fit, and the next segment is needed.
 * size is at most message_max; no reservation is open.
 */
static inline bool cop__lane_reserve(struct cop__lane_writer *writer, size_t size)
{
	enum cop__record_kind kind = size >= COP__LINE_FROM ? COP__RECORD_LINE
							    : COP__RECORD_MESSAGE;
	uint64_t at = (uint64_t)(writer->at - writer->segment);
	uint64_t payload = cop__record_payload(kind, at);

	if (cop__record_end(payload, size) > (uint64_t)(writer->end - writer->segment))
		return false;
	writer->room = writer->segment + payload;
	writer->room_bytes = size;
	return true;
}

/* Commit the first size bytes of the reservation. */
static inline void cop__lane_commit(struct cop__lane_writer *writer, size_t size)
{
	/* The kind follows from what was reserved, which decided where the payload is. */
	enum cop__record_kind kind = writer->room_bytes >= COP__LINE_FROM ? COP__RECORD_LINE
									  : COP__RECORD_MESSAGE;
	uint64_t word = cop__record_word(kind, size, writer->sequence);
	uint64_t payload = (uint64_t)(writer->room - writer->segment);
	uint8_t *next = writer->segment + cop__record_end(payload, size);

	/* Relaxed: [L1] orders it before the word that makes it reachable. */
	if (next < writer->end)
		cop__store_relaxed((uint64_t *)next, 0);
	/* [L1] release: payload and next word before this word. Pairs with cop__lane_peek. */
	cop__store_release((uint64_t *)writer->at, word);
	/* A wish: own the lines that are written next, before they are. */
	__builtin_prefetch(next + COP__LANE_AHEAD, 1);
	writer->at = next;
	writer->sequence++;
	writer->room = NULL;
}

/*
 * Before the next segment can be opened, the one in its slot must give way: announce that, and
 * return the position that every reader who is to lose nothing must have reached. 0: the slot was
 * never used.
 */
uint64_t cop__lane_announce(struct cop__lane_writer *writer);

/* Open the next segment and leave this one. What cop__lane_announce() said must hold. */
void cop__lane_roll(struct cop__lane_writer *writer);

/* Say that no record follows, or take that back. */
void cop__lane_set_closed(struct cop__lane_writer *writer, bool closed);

/* The position after the last committed record. */
static inline uint64_t cop__lane_written(const struct cop__lane_writer *writer)
{
	return writer->number * writer->shape.segment_bytes +
	       (uint64_t)(writer->at - writer->segment);
}

/* ---- reading ---- */

struct cop__lane_reader {
	const uint8_t *at; /* the next record word; segment end: the next segment is waited for */
	const uint8_t *segment;
	const uint8_t *end;
	uint64_t sequence; /* of the next message */
	uint64_t number; /* of the segment */
	uint64_t segment_position; /* of its first byte */
	const uint8_t *base;
	const struct cop__lane_hot *hot;
	struct cop__lane_shape shape;
};

struct cop__record {
	const uint8_t *data;
	size_t size;
	const uint8_t *next; /* the word after it */
};

/* Look at the lane from its beginning; then seek. The mapping may be read-only. */
void cop__lane_reader_open(struct cop__lane_reader *reader, const uint8_t *base,
			   const struct cop__lane_shape *shape);

/*
 * Seek. 0, or -EBADMSG the lane is not sound, -EOVERFLOW what was asked for is gone (the reader
 * is then at the oldest that is kept), -EAGAIN the writer outran every try.
 */
int cop__lane_seek_oldest(struct cop__lane_reader *reader); /* that a newcomer may read */
int cop__lane_seek_kept(struct cop__lane_reader *reader); /* that is there: for the awaited */
int cop__lane_seek_newest(struct cop__lane_reader *reader); /* after the last record */
int cop__lane_seek_segment(struct cop__lane_reader *reader); /* to the newest segment's start */
int cop__lane_seek_sequence(struct cop__lane_reader *reader, uint64_t sequence);
int cop__lane_seek_position(struct cop__lane_reader *reader, uint64_t position);

/*
 * Pass messages up to, not including, this one. 0, or as cop__lane_peek(). Stops at the end of what
 * is committed; and once round the ring, so that a writer who writes faster, or who leads us on, is
 * not followed for ever.
 */
int cop__lane_pass_to(struct cop__lane_reader *reader, uint64_t sequence);

/* Is this word, at which the reader stands, the message that is due? Then *record is it. */
static inline bool cop__lane_is_due(const struct cop__lane_reader *reader, uint64_t word,
				    struct cop__record *record)
{
	enum cop__record_kind kind = cop__record_kind(word);
	uint64_t payload = cop__record_payload(kind, (uint64_t)(reader->at - reader->segment));
	uint64_t next = cop__record_end(payload, cop__record_size(word));

	if (kind == COP__RECORD_PAD || kind == COP__RECORD_NONE ||
	    cop__record_sequence(word) != (uint32_t)reader->sequence ||
	    next > (uint64_t)(reader->end - reader->segment))
		return false;
	record->data = reader->segment + payload;
	record->size = cop__record_size(word);
	record->next = reader->segment + next;
	return true;
}

/* Enter the next segment, or refuse the word at hand; the slow part of cop__lane_peek(). */
int cop__lane_peek_slow(struct cop__lane_reader *reader, struct cop__record *record);

/* Has the writer begun to reuse the segment that is being read? Asked after a copy was made. */
static inline bool cop__lane_lapped(const struct cop__lane_reader *reader)
{
	const struct cop__segment *segment = (const struct cop__segment *)reader->segment;

	/* [L3] the copy before the base. Pairs with open_segment. */
	cop__fence_acquire();
	return cop__load_relaxed(&segment->base) != reader->segment_position;
}

/*
 * Look at the next record, without passing it. 1 and *record; 0 nothing is committed there yet;
 * -EOVERFLOW the writer has come round; -EBADMSG.
 */
static inline int cop__lane_peek(struct cop__lane_reader *reader, struct cop__record *record)
{
	if (reader->at == reader->end)
		return cop__lane_peek_slow(reader, record);

	/* [L1] acquire: the word before its payload. Pairs with cop__lane_commit. Loaded once. */
	uint64_t word = cop__load_acquire((const uint64_t *)reader->at);

	/* Nothing yet; or the segment was reused, and this is where the writer stands now. */
	if (word == 0)
		return cop__lane_lapped(reader) ? -EOVERFLOW : 0;
	return cop__lane_is_due(reader, word, record) ? 1 : cop__lane_peek_slow(reader, record);
}

static inline void cop__lane_pass(struct cop__lane_reader *reader, const struct cop__record *record)
{
	reader->at = record->next;
	reader->sequence++;
}

/* The position of the next record. */
static inline uint64_t cop__lane_position(const struct cop__lane_reader *reader)
{
	return reader->segment_position + (uint64_t)(reader->at - reader->segment);
}

/* The sequence of the lane's first message, kept or not. */
static inline uint64_t cop__lane_first(const struct cop__lane_reader *reader)
{
	return cop__load_relaxed(&((const struct cop__lane_header *)reader->base)->first_sequence);
}

static inline bool cop__lane_closed(const struct cop__lane_reader *reader)
{
	/* [L4] acquire: the end before what was last. Pairs with cop__lane_set_closed. */
	return cop__load_acquire(&reader->hot->closed) != 0;
}

#endif
