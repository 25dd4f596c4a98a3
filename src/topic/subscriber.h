/*
 * topic/subscriber.h - inside of a subscriber
 *
 *	sub.c        open, close, facts
 *	sub_read.c   next, release, check: a message in place, copied, or the latest
 *	sub_lanes.c  which lanes there are: attach, end, come back, vanish
 *	sub_wait.c   wait until there is something
 */
#ifndef COP_TOPIC_SUBSCRIBER_H
#define COP_TOPIC_SUBSCRIBER_H

#include "copage/sub.h"
#include "lane/lane.h"
#include "topic/cursors.h"

enum lane_state {
	LANE_OPEN, /* its publisher lives, or has left something to read */
	LANE_ENDED, /* its publisher closed or died; all was read, and that was told */
	LANE_REFUSED, /* corrupt, foreign or denied: told once, and left alone */
};

struct lane {
	struct cop__lane_reader reader;
	bool plain; /* lossless, in place, nothing pending: the fast path */
	bool overrun; /* its publisher does not wait for this subscriber */
	bool vanished; /* its name leads nowhere any more */
	bool ended_closed; /* it ended in order; else by a death */
	uint32_t owners; /* how many publishers it had had when it was asked for its end */
	enum lane_state state;
	int untold; /* LANE_REFUSED: the error that cop_sub_next() has yet to tell */
	char *words; /* and its sentence; NULL: there was no memory for it */
	uint32_t cursor; /* index in the subscriber's file */
	uint32_t round; /* of the listing that saw it last */
	uint64_t told_position; /* that the cursor says */
	uint64_t told_number; /* the segment in which that is */
	uint64_t wanted; /* sequence below which messages are passed over in silence */
	uint64_t gap_first, gap_count; /* to be told */
	uint64_t unseen; /* latest: sequence after the last message that was handed out */
	struct cop__map map;
	uint64_t inode;
	char name[COP__MEMBER_NAME_MAX]; /* of the file */
};

struct cop_sub {
	/* What every message touches. */
	struct lane *hand; /* whose message is in hand; NULL: none */
	struct cop__record record; /* that message, in the lane */
	bool checked; /* and found whole after it was used */
	struct lane *turn; /* who is next; NULL: look around */
	uint32_t turns_left; /* messages it may still give before the others are looked at */
	uint32_t round;
	struct cop__fork_mark mark;
	/* Lanes. */
	struct lane **lanes;
	size_t lane_count, lane_room, next_lane;
	uint32_t members_seen; /* the bell's counter when they were listed last */
	bool incomplete; /* a lane could not be attached for want of something */
	bool joined; /* the lanes that were there are attached */
	bool tired; /* of lanes that cannot be attached because they are too fast */
	struct cop__sub_past past;
	bool removed; /* its own file was taken away */
	bool removed_told;
	uint32_t publishers_seen;
	bool going_told; /* that the last publisher went */
	/* Copies, for lanes that may be overrun. */
	uint8_t *copy;
	size_t copy_room;
	/* The rest. */
	struct cop__topic topic;
	struct cop__member member;
	struct cop_sub_opts opts;
	int watch; /* inotify descriptor; -1: none */
	bool watch_failed;
	unsigned recheck; /* how often life was asked for since the watch told of members */
	int64_t recheck_ns; /* when to ask next, monotonic */
	int timer; /* makes outer readable then; -1: none */
	int outer; /* watch and timer, for the caller to poll; -1: not asked for */
	struct cop_sub_event event;
	char event_name[COP_NAME_MAX + 1];
	char name[COP_NAME_MAX + 1];
};

/* Keep the details of what is told, and return it. lane NULL: all of them. */
int cop__sub_tell(struct cop_sub *sub, const struct lane *lane, int error, uint64_t first,
		  uint64_t count);

int cop__sub_fail_forked(void);

/* ---- sub_read.c ---- */

/* Take the lane's next message into hand: 1 and *msg, 0 there is none, or what is to be told. */
int cop__lane_take(struct cop_sub *sub, struct lane *lane, struct cop_msg *msg);

/* Release the message in hand. */
void cop__sub_release(struct cop_sub *sub);

/* Say where it stands, if that is not known yet. */
void cop__lane_settle(struct cop_sub *sub, struct lane *lane);

/* ---- sub_lanes.c ---- */

/* Bring the lanes up to date with the directory. 0 or negative. */
int cop__sub_list(struct cop_sub *sub);

/* Has a lane with nothing to read ended? 0 no, or what is to be told of it. With probe its
 * publisher is asked for his life, else only for his word. */
int cop__lane_notice(struct cop_sub *sub, struct lane *lane, bool probe);

/* Free the cursors of lanes that went while a named subscriber was away. */
void cop__sub_forget_cursors(struct cop_sub *sub);

/* Let go of all lanes; cursors stay as they are. */
void cop__sub_forget_lanes(struct cop_sub *sub, bool unmap);

/* ---- sub_wait.c ---- */

/* All that is not "the lane whose turn it is has a message". */
int cop__sub_next_slow(struct cop_sub *sub, struct cop_msg *msg, int64_t timeout_ns);

/* Have a descriptor for the caller that becomes readable when there is something: that, or
 * negative. */
int cop__sub_outer(struct cop_sub *sub);

#endif
