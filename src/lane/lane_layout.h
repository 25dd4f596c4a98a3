/*
 * lane/lane_layout.h - the bytes of a lane
 *
 * A lane is one publisher's messages, in order. One process writes it, any number read it. It is a
 * row of equal segments; a ring keeps the last few of them in one file:
 *
 *	0        header page   written once, before the file has its name
 *	4096     hot page      what changes: once per segment, at open and at close
 *	8192     segment slot 0
 *	...      segment slot N-1         (slot of segment number n: n modulo N)
 *
 * A position is a byte offset in the lane since it began: segment number times segment_bytes, plus
 * the offset in the segment. Positions never wrap and are never used again.
 *
 * A segment:
 *
 *	0   u64  base            the position of this segment's first byte; all ones: being reopened
 *	8   u64  first_sequence  of the first message in it
 *	16       zero to 64
 *	64       records, each on an 8-byte boundary, to the end of the segment
 *
 * A record is one word, then the payload:
 *
 *	 63            32 31  30 29             0
 *	+----------------+------+----------------+
 *	|   sequence     | kind |      size      |   low 32 bits of the sequence; payload bytes
 *	+----------------+------+----------------+
 *
 *	kind 0  nothing yet: the word is zero. A reader polls it in place: it is the commit word
 *	     1  a message; its payload follows the word
 *	     2  a message; its payload begins on the next 64-byte boundary, so that a reader
 *	        who polls the word leaves the writer's payload lines alone
 *	     3  a pad: nothing more in this segment. size: the bytes that follow the word to the end
 *
 *	The next record begins on the next 8-byte boundary after the payload. Where that is the
 *	end of the segment, no pad is needed.
 *
 * A record is committed if and only if its word is not zero. The writer stores zero in the next
 * word before it stores this one (release), so bytes of an earlier round never pass for a record.
 *
 * Opening a segment. In this order: base = all ones; full fence; the first word = 0;
 * first_sequence; base (release); hot.head; then the pad in the segment before (release). So
 * whoever sees the pad sees the segment, and a crash anywhere leaves either the old end or the new
 * one. A reader who copied something finds the base changed if reuse had begun (acquire fence
 * between), and throws the copy away.
 *
 * hot.low is where a new reader finds the oldest segment. The writer raises it, fences, and only
 * then looks who reads: a reader who comes later sees the new value. A segment below low may still
 * be whole, and those who are in it go on; its base tells.
 */
#ifndef COP_LANE_LANE_LAYOUT_H
#define COP_LANE_LANE_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#include "copage/topic.h"
#include "map/map.h"

#define COP__LANE_MAGIC 0x31454e414c504f43u /* "COPLANE1" as stored on little endian */
#define COP__LAYOUT_VERSION 1u

#define COP__LANE_NAMED (1u << 0) /* its publisher was given a name and may come back */
#define COP__LANE_DROP (1u << 1) /* it overruns every reader: none may trust a place in it */
#define COP__LANE_FLAGS (COP__LANE_NAMED | COP__LANE_DROP)

struct cop__lane_header {
	uint64_t magic;
	uint32_t version;
	uint32_t flags;
	uint64_t uuid[2]; /* random; tells this lane from any other of the same name */
	uint64_t segment_bytes; /* a multiple of 4096 */
	uint64_t message_max; /* bytes; what was asked for, not more than fits a segment */
	uint32_t segments;
	uint32_t zero;
	int64_t created_ns; /* CLOCK_REALTIME */
	uint64_t byte_order; /* COP__BYTE_ORDER, as its writer stores it */
	uint64_t first_sequence; /* of the lane's first message */
};
#define COP__BYTE_ORDER 0x0102030405060708u

struct cop__lane_hot {
	uint64_t low; /* position of the oldest segment in which a new reader may begin */
	uint64_t head; /* position of the segment being written */
	uint32_t closed; /* 1: its publisher closed it in order; no record follows */
	uint32_t zero;
	uint64_t pad[5];
	/* A line of its own: who writes it, for display only. */
	int64_t opened_ns; /* CLOCK_REALTIME */
	int32_t pid;
	uint32_t opened_count; /* how many owners it has had */
	uint64_t pad2[6];
};

struct cop__segment {
	uint64_t base;
	uint64_t first_sequence;
	uint64_t zero[6];
};

#define COP__LANE_HOT_OFFSET COP__PAGE
#define COP__LANE_SEGMENTS_OFFSET (2 * COP__PAGE)
#define COP__SEGMENT_CLOSED UINT64_MAX /* base of a segment that is being reopened */
#define COP__SEGMENT_RECORDS sizeof(struct cop__segment)
#define COP__SEGMENT_MIN (64u << 10)
#define COP__LINE 64u
#define COP__LINE_FROM 256u /* payloads of this size and more begin on a line of their own */

_Static_assert(sizeof(struct cop__lane_header) == 80, "lane header");
_Static_assert(offsetof(struct cop__lane_header, uuid) == 16, "lane header");
_Static_assert(offsetof(struct cop__lane_header, segment_bytes) == 32, "lane header");
_Static_assert(offsetof(struct cop__lane_header, segments) == 48, "lane header");
_Static_assert(offsetof(struct cop__lane_header, byte_order) == 64, "lane header");
_Static_assert(offsetof(struct cop__lane_header, first_sequence) == 72, "lane header");
_Static_assert(sizeof(struct cop__lane_hot) == 128, "hot page");
_Static_assert(offsetof(struct cop__lane_hot, head) == 8, "hot page");
_Static_assert(offsetof(struct cop__lane_hot, closed) == 16, "hot page");
_Static_assert(offsetof(struct cop__lane_hot, opened_ns) == 64, "hot page");
_Static_assert(sizeof(struct cop__segment) == 64, "segment");

enum cop__record_kind {
	COP__RECORD_NONE = 0,
	COP__RECORD_MESSAGE = 1,
	COP__RECORD_LINE = 2,
	COP__RECORD_PAD = 3,
};

static inline uint64_t cop__record_word(enum cop__record_kind kind, uint64_t size,
					uint64_t sequence)
{
	return (uint64_t)(uint32_t)sequence << 32 | (uint64_t)kind << 30 | size;
}

static inline enum cop__record_kind cop__record_kind(uint64_t word)
{
	return (enum cop__record_kind)(word >> 30 & 3);
}

static inline uint32_t cop__record_size(uint64_t word)
{
	return (uint32_t)word & ((1u << 30) - 1);
}

static inline uint32_t cop__record_sequence(uint64_t word)
{
	return (uint32_t)(word >> 32);
}

/* Offsets in a segment. Segments begin on a page, so these are alignments in memory too. */
static inline uint64_t cop__record_payload(enum cop__record_kind kind, uint64_t at)
{
	uint64_t payload = at + sizeof(uint64_t);

	return kind == COP__RECORD_LINE ? (payload + COP__LINE - 1) & ~(uint64_t)(COP__LINE - 1)
					: payload;
}

static inline uint64_t cop__record_end(uint64_t payload, uint64_t size)
{
	return (payload + size + 7) & ~(uint64_t)7;
}

/* The smallest segment that can hold one message of this size, whole pages. */
static inline uint64_t cop__segment_bytes_for(uint64_t message_max)
{
	uint64_t payload = cop__record_payload(COP__RECORD_LINE, COP__SEGMENT_RECORDS);
	uint64_t bytes = (payload + message_max + COP__PAGE - 1) / COP__PAGE * COP__PAGE;

	return bytes < COP__SEGMENT_MIN ? COP__SEGMENT_MIN : bytes;
}

static inline uint64_t cop__lane_file_bytes(uint64_t segment_bytes, uint32_t segments)
{
	return COP__LANE_SEGMENTS_OFFSET + segment_bytes * segments;
}

#endif
