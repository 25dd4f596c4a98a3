/*
 * topic/cursors.h - how far subscribers have read: their own side, and how others see it
 */
#ifndef COP_TOPIC_CURSORS_H
#define COP_TOPIC_CURSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "os/atomic.h"
#include "topic/topic.h"

/* ---- the subscriber's own file: it alone writes it ---- */

/* Options for a subscriber's file, as far as others see them. */
struct cop__sub_ident {
	bool named;
	uint32_t kind;
};

/* What cop__cursors_open() found. */
struct cop__sub_past {
	bool known; /* the name was there before */
	bool awaited; /* and publishers have waited for it all the time that it was away */
};

/* Make or take over the file of a subscriber. -EBUSY: a live one holds the name. */
int cop__cursors_open(struct cop__member *member, const struct cop__topic *topic, const char *file,
		      const struct cop__sub_ident *ident, struct cop__sub_past *past);

/* Tell that it stands in each lane that is there: from now on it is counted. */
void cop__cursors_ready(struct cop__member *member);

/* The cursor for a lane, made when there is none: *fresh tells. Its index stays valid when the
 * file grows; addresses do not. Negative errno where there is no room for it. */
int cop__cursors_find(struct cop__member *member, const struct cop__topic *topic,
		      const uint64_t uuid[2], uint32_t *index, bool *fresh);

static inline struct cop__cursor *cop__cursor_at(const struct cop__member *member, uint32_t index)
{
	return (struct cop__cursor *)(member->map.base + COP__SUB_CURSORS_OFFSET) + index;
}

/* Let the world know where it stands. */
static inline void cop__cursor_move(struct cop__cursor *cursor, uint64_t sequence,
				    uint64_t position)
{
	cop__store_relaxed(&cursor->sequence, sequence);
	/* [C1] release: all reading of what lies before, before the position lets it be reused.
	 * Pairs with cop__peer_cursor. */
	cop__store_release(&cursor->position, position);
}

static inline void cop__cursor_set(struct cop__cursor *cursor, enum cop__cursor_state state)
{
	cop__store_release(&cursor->state, (uint32_t)state); /* [C1] as above */
}

/* ---- as others see it: nothing in it is trusted ---- */

struct cop__peer {
	struct cop__map map;
	uint64_t inode;
	uint32_t capacity; /* cursors in the mapping */
	uint32_t hint; /* index of the cursor that was asked for last */
	uint32_t round; /* of the listing that saw it last */
	uint32_t uid, gid, mode;
	bool named;
	char name[COP__MEMBER_NAME_MAX];
};

/* Map a subscriber's file. Errors as cop__object_open(), and -EPROTO. */
int cop__peer_open(struct cop__peer *peer, int membersfd, const char *file);
void cop__peer_close(struct cop__peer *peer);

struct cop__cursor_view {
	enum cop__cursor_state state;
	uint64_t position;
	uint64_t sequence;
};

/* Its cursor for a lane; state COP__CURSOR_FREE where it has none. */
struct cop__cursor_view cop__peer_cursor(struct cop__peer *peer, int membersfd,
					 const uint64_t uuid[2]);

bool cop__peer_ready(const struct cop__peer *peer);
uint32_t cop__peer_kind(const struct cop__peer *peer);

/* ---- all of them, as a publisher sees them ---- */

struct cop__audience {
	struct cop__peer **peers;
	size_t count, room;
	uint32_t round;
	bool own_seen; /* the last listing had the publisher's own file */
};

/* Bring it up to date with the directory. -ENOMEM, -EMFILE and the like: some may be missing. */
int cop__audience_refresh(struct cop__audience *audience, const struct cop__topic *topic,
			  const struct cop__member *own);
void cop__audience_close(struct cop__audience *audience);
void cop__audience_forget(struct cop__audience *audience); /* in a forked child, before closing */

/*
 * Has everyone who is waited for read the lane up to this position? 1 yes, 0 no. Who blocks is
 * asked for his life first: the dead are not waited for, and are swept.
 */
int cop__audience_passed(struct cop__audience *audience, struct cop__topic *topic,
			 const uint64_t uuid[2], uint64_t position);

/* The same for live subscribers of every kind. */
int cop__audience_drained(struct cop__audience *audience, struct cop__topic *topic,
			  const uint64_t uuid[2], uint64_t position);

/* How many live. */
int cop__audience_live(struct cop__audience *audience, struct cop__topic *topic);

#endif
