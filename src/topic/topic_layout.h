/*
 * topic/topic_layout.h - the bytes of a topic: settings, bell, and a subscriber's cursors
 *
 *	<root>/NAME/topic              settings, one page, written once
 *	            bell               one page, many writers, hints only
 *	            members/pub.NAME   a lane (lane/lane_layout.h)
 *	                    sub.NAME   a header page and one or more pages of cursors
 *	<root>/.new.RANDOM/            a topic that is being made; renamed to NAME when it is whole
 *
 * Removing a topic begins with rmdir("members"), which the kernel does only while nobody is in it:
 * that one call decides. A topic without members/ is dead, and whoever meets it helps it away.
 *
 * The bell: each word on a line of its own.
 *
 *	0     u64  magic
 *	64    u32  data       subscribers sleep on it, publishers ring it
 *	128   u32  space      publishers sleep on it, subscribers ring it
 *	192   u32  members    counts comings and goings
 *	256   u8   nudge      read with pread to wake those who poll a descriptor
 *
 *	data and space:  bits 2-31 count rings; bit 0: somebody sleeps on the word; bit 1: somebody
 *	polls a descriptor. Ringing clears both bits; sleepers set theirs again.
 *
 * A subscriber's file:
 *
 *	0      header page
 *	4096   cursors of 64 bytes each, capacity of them
 *
 *	A cursor is valid where state is not 0. state is stored last when it is made (release).
 *	sequence is stored before position, so that whoever goes on after a death between the two
 *	finds a position that is never ahead of it. Where the position is still in the ring, the
 *	position counts; where it is gone, the sequence says what was missed.
 */
#ifndef COP_TOPIC_TOPIC_LAYOUT_H
#define COP_TOPIC_TOPIC_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#include "lane/lane_layout.h"

#define COP__TOPIC_MAGIC 0x4349504f54504f43u /* "COPTOPIC" as stored on little endian */
#define COP__BELL_MAGIC 0x314c4c4542504f43u /* "COPBELL1" */
#define COP__SUB_MAGIC 0x3153425553504f43u /* "COPSUBS1" */

#define COP__TOPIC_KEPT (1u << 31) /* made by cop_topic_create(): stays when empty */
#define COP__TOPIC_FLAGS (COP_TOPIC_HOLD_AWAY | COP__TOPIC_KEPT)

struct cop__topic_header {
	uint64_t magic;
	uint32_t version;
	uint32_t flags;
	uint64_t byte_order;
	uint64_t message_max;
	uint32_t segments;
	uint32_t mode; /* 0600, 0660 or 0666 */
	uint32_t group;
	uint32_t zero;
	int64_t created_ns; /* CLOCK_REALTIME */
};
_Static_assert(sizeof(struct cop__topic_header) == 56, "topic settings");
_Static_assert(offsetof(struct cop__topic_header, created_ns) == 48, "topic settings");

struct cop__bell_page {
	uint64_t magic;
	uint64_t pad0[7];
	uint32_t data;
	uint32_t pad1[15];
	uint32_t space;
	uint32_t pad2[15];
	uint32_t members;
	uint32_t pad3[15];
	uint8_t nudge;
	uint8_t pad4[63];
};
_Static_assert(offsetof(struct cop__bell_page, data) == 64, "bell");
_Static_assert(offsetof(struct cop__bell_page, space) == 128, "bell");
_Static_assert(offsetof(struct cop__bell_page, members) == 192, "bell");
_Static_assert(offsetof(struct cop__bell_page, nudge) == 256, "bell");

#define COP__SUB_NAMED (1u << 0)

struct cop__sub_header {
	uint64_t magic;
	uint32_t version;
	uint32_t flags;
	uint64_t byte_order;
	uint32_t kind; /* enum cop_sub_kind of the present owner */
	uint32_t capacity; /* cursors in the file; grows */
	int64_t opened_ns; /* CLOCK_REALTIME */
	int32_t pid; /* for display only */
	uint32_t opened_count;
	uint32_t ready; /* 1: its owner stands in each lane that was there when he came */
	uint32_t zero;
};
_Static_assert(sizeof(struct cop__sub_header) == 56, "subscriber header");
_Static_assert(offsetof(struct cop__sub_header, kind) == 24, "subscriber header");

enum cop__cursor_state {
	COP__CURSOR_FREE = 0,
	COP__CURSOR_USED = 1, /* it reads this lane: position counts */
	COP__CURSOR_DONE = 2, /* it gave this lane up: it needs nothing of it, whatever comes */
	COP__CURSOR_ENDED = 3, /* it has seen this lane's end, where it stands; what another
	                          publisher of that name adds there it needs again */
};

struct cop__cursor {
	uint64_t uuid[2]; /* of the lane */
	uint64_t position; /* of the next record */
	uint64_t sequence; /* of the next message */
	uint32_t state;
	uint32_t zero;
	uint64_t pad[3];
};
_Static_assert(sizeof(struct cop__cursor) == 64, "cursor");
_Static_assert(offsetof(struct cop__cursor, position) == 16, "cursor");
_Static_assert(offsetof(struct cop__cursor, state) == 32, "cursor");

#define COP__SUB_CURSORS_OFFSET COP__PAGE
#define COP__CURSORS_PER_PAGE (COP__PAGE / sizeof(struct cop__cursor))
#define COP__CURSORS_MAX (1u << 20)

#endif
