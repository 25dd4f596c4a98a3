/*
 * topic/sub_lanes.c - which lanes a subscriber reads: they come, end, come back and vanish
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "copage/error.h"
#include "object/object.h"
#include "os/error.h"
#include "os/os.h"
#include "topic/subscriber.h"
#include "topic/sweep.h"

static struct cop__cursor *cursor_of(struct cop_sub *sub, const struct lane *lane)
{
	return cop__cursor_at(&sub->member, lane->cursor);
}

/* ---- attaching ---- */

static int map_lane(struct cop_sub *sub, struct lane *lane)
{
	struct stat st;
	struct cop__lane_shape shape;
	int fd = cop__object_open(sub->topic.membersfd, lane->name, O_RDONLY, &st);

	if (fd < 0)
		return fd;
	lane->inode = st.st_ino;

	int rc = (uint64_t)st.st_size < COP__PAGE
			 ? cop__fail(-EBADMSG, "open %s: it is truncated to %lld bytes", lane->name,
				     (long long)st.st_size)
			 : cop__map_file(&lane->map, fd, (size_t)st.st_size, COP__MAP_READ);

	cop__os_close(fd);
	if (rc < 0)
		return rc == -EBADMSG ? rc : cop__fail_os(rc, "map %s", lane->name);
	rc = cop__lane_check(lane->map.base, lane->map.size, lane->name, &shape);
	if (rc < 0) {
		cop__map_close(&lane->map);
		return rc;
	}
	cop__lane_reader_open(&lane->reader, lane->map.base, &shape);
	return 0;
}

/* A copy must have room for the largest message of any lane that is copied from. */
static int make_copy_room(struct cop_sub *sub, size_t size)
{
	if (size <= sub->copy_room)
		return 0;

	uint8_t *copy = realloc(sub->copy, size);

	if (!copy)
		return cop__fail(-ENOMEM, "make room for messages of %zu bytes", size);
	sub->copy = copy;
	sub->copy_room = size;
	return 0;
}

/* What this subscriber was to have from this sequence on, and is gone. */
static void note_gap(struct lane *lane, uint64_t first)
{
	if (lane->reader.sequence <= first)
		return;
	lane->gap_first = first;
	lane->gap_count = lane->reader.sequence - first;
}

/* Where to begin in a lane that has no cursor of ours yet. What appeared since we are known is read
 * from its first message. */
static int seek_start(struct cop_sub *sub, struct lane *lane)
{
	uint32_t from = sub->past.known ? COP_FROM_OLDEST : sub->opts.from;
	int rc;

	switch (from) {
	case COP_FROM_NEWEST:
		return cop__lane_seek_newest(&lane->reader);
	case COP_FROM_SEQUENCE:
		/* What never was is not lost. */
		lane->wanted = cop__lane_first(&lane->reader);
		if (sub->opts.from_sequence > lane->wanted)
			lane->wanted = sub->opts.from_sequence;
		rc = cop__lane_seek_sequence(&lane->reader, lane->wanted);
		if (rc == -EOVERFLOW) {
			note_gap(lane, lane->wanted);
			rc = 0;
		}
		return rc;
	default:
		if (sub->past.awaited && !lane->overrun)
			return cop__lane_seek_kept(&lane->reader);
		rc = cop__lane_seek_oldest(&lane->reader);
		if (rc == 0 && sub->past.known)
			note_gap(lane, cop__lane_first(&lane->reader));
		return rc;
	}
}

/* Go on where the cursor stands that this subscriber, or one before it of this name, left. */
static int seek_cursor(const struct cop_sub *sub, struct lane *lane,
		       const struct cop__cursor *cursor)
{
	int rc;

	/* [M1] What lies below low may be reused at any moment: its publisher may have looked
	 * before we took our lock. Pairs with cop__lane_announce. */
	if (!sub->past.awaited && !lane->overrun &&
	    cursor->position < cop__load_acquire(&lane->reader.hot->low)) {
		rc = cop__lane_seek_oldest(&lane->reader);
		rc = rc < 0 ? rc : -EOVERFLOW;
	} else {
		rc = cop__lane_seek_position(&lane->reader, cursor->position);
	}
	if (rc == -EOVERFLOW) {
		note_gap(lane, cursor->sequence);
		rc = 0;
	}
	return rc;
}

static int seek_lane(struct cop_sub *sub, struct lane *lane)
{
	bool fresh;
	int rc = cop__cursors_find(&sub->member, &sub->topic, lane->reader.shape.uuid,
				   &lane->cursor, &fresh);

	if (rc < 0)
		return rc;
	rc = fresh ? seek_start(sub, lane) : seek_cursor(sub, lane, cursor_of(sub, lane));
	if (rc == -EAGAIN && !sub->tired)
		return cop__fail(rc, "read %s: its publisher outruns every look", lane->name);
	if (rc < 0) {
		/* Tell its publisher, by a cursor that wants nothing, not to wait for us. */
		cop__cursor_set(cursor_of(sub, lane), COP__CURSOR_DONE);
		return cop__fail(-EBADMSG, "read %s: its segments are corrupt", lane->name);
	}
	lane->unseen = lane->gap_count > 0 ? lane->gap_first : lane->reader.sequence;
	if (sub->opts.kind == COP_SUB_LATEST)
		lane->gap_count = 0; /* it is told as skipped */
	lane->told_position = cop__lane_position(&lane->reader);
	lane->told_number = lane->reader.number;
	cop__cursor_move(cursor_of(sub, lane), lane->reader.sequence, lane->told_position);
	/* From here on its publisher waits for this position, and no more for all of the lane. */
	cop__cursor_set(cursor_of(sub, lane), COP__CURSOR_USED);
	return 0;
}

/* Is it the lane that is wrong? All else is a shortage of ours, or the kernel's trouble. */
static bool is_refusal(int rc)
{
	return rc == -EBADMSG || rc == -EPROTO || rc == -EACCES;
}

static int attach(struct cop_sub *sub, struct lane *lane)
{
	int rc = map_lane(sub, lane);

	if (rc < 0)
		return rc;
	lane->overrun = sub->opts.kind != COP_SUB_LOSSLESS ||
			(lane->reader.shape.flags & COP__LANE_DROP);
	if (lane->overrun &&
	    !(sub->opts.flags & COP_SUB_IN_PLACE && sub->opts.kind == COP_SUB_LOSSY))
		rc = make_copy_room(sub, lane->reader.shape.message_max);
	if (rc == 0)
		rc = seek_lane(sub, lane);
	if (rc < 0) {
		cop__map_close(&lane->map);
		return rc;
	}
	cop__map_populate(&lane->map, COP__MAP_READ);
	sub->publishers_seen++;
	sub->going_told = false;
	return 0;
}

static int keep_lane(struct cop_sub *sub, struct lane *lane)
{
	if (sub->lane_count == sub->lane_room) {
		size_t room = sub->lane_room ? 2 * sub->lane_room : 8;
		struct lane **lanes = realloc(sub->lanes, room * sizeof(*lanes));

		if (!lanes)
			return cop__fail(-ENOMEM, "read %s: out of memory", lane->name);
		sub->lanes = lanes;
		sub->lane_room = room;
	}
	sub->lanes[sub->lane_count++] = lane;
	return 0;
}

/*
 * A file that we have not met: read it, or remember that we cannot, which cop_sub_next() then tells
 * when it looks at that lane. Negative is a shortage of ours: no reason to forget a lane, it is
 * tried again.
 */
static int meet(struct cop_sub *sub, const char *name, uint64_t inode)
{
	struct lane *lane = calloc(1, sizeof(*lane));

	if (!lane)
		return cop__fail(-ENOMEM, "read %s: out of memory", name);
	snprintf(lane->name, sizeof(lane->name), "%s", name);
	lane->inode = inode;
	lane->round = sub->round;

	int rc = attach(sub, lane);

	if (rc < 0 && !is_refusal(rc)) {
		free(lane);
		return rc == -ENOENT ? 0 : rc;
	}
	if (rc < 0) {
		lane->state = LANE_REFUSED;
		lane->untold = rc;
		lane->words = strdup(cop_error_text());
	}

	int kept = keep_lane(sub, lane);

	if (kept < 0) {
		cop__map_close(&lane->map);
		free(lane->words);
		free(lane);
	}
	return kept;
}

/* ---- coming back ---- */

/* Is something committed that was not read yet? */
static bool has_more(struct lane *lane)
{
	struct cop__record record;

	return cop__lane_peek(&lane->reader, &record) != 0;
}

/*
 * A lane that had ended: did another publisher of its name go on in it, who may have gone again
 * meanwhile? Its lock does not tell, since a sweeper holds that too. Of a lane that was swept only
 * what is still to be read, and its orderly end, are news.
 */
static void come_back(struct cop_sub *sub, struct lane *lane, bool swept)
{
	bool reopened = cop__load_acquire(&lane->reader.hot->opened_count) != lane->owners;
	bool closed = cop__lane_closed(&lane->reader) && (reopened || !lane->ended_closed);

	if (!has_more(lane) && !closed && (swept || !reopened))
		return;
	lane->state = LANE_OPEN;
	cop__cursor_set(cursor_of(sub, lane), COP__CURSOR_USED);
	sub->going_told = false;
}

/* ---- listing ---- */

struct listing {
	struct cop_sub *sub;
	int failed; /* the first lane that could not be attached */
	bool own_seen;
};

static struct lane *find_lane(const struct cop_sub *sub, const char *name, uint64_t inode)
{
	for (size_t i = 0; i < sub->lane_count; i++)
		if (sub->lanes[i]->inode == inode && strcmp(sub->lanes[i]->name, name) == 0)
			return sub->lanes[i];
	return NULL;
}

static int visit_member(void *arg, const char *name, uint64_t inode)
{
	struct listing *listing = arg;
	struct cop_sub *sub = listing->sub;
	struct lane *lane;

	if (strcmp(name, sub->member.name) == 0)
		listing->own_seen = true;
	if (!cop__pub_name_of(name))
		return 0;
	lane = find_lane(sub, name, inode);
	if (lane) {
		lane->round = sub->round;
		if (lane->state == LANE_ENDED)
			come_back(sub, lane, false);
		return 0;
	}

	int rc = meet(sub, name, inode);

	if (rc < 0)
		sub->incomplete = true;
	/* That a lane is too fast just now is no news; where reading begins, at open, is. */
	if (rc < 0 && listing->failed == 0 && !(rc == -EAGAIN && sub->joined))
		listing->failed = rc;
	return 0;
}

static void drop_lane(struct cop_sub *sub, size_t i)
{
	struct lane *lane = sub->lanes[i];

	if (lane->map.base)
		cop__cursor_set(cursor_of(sub, lane), COP__CURSOR_FREE);
	if (sub->turn == lane)
		sub->turn = NULL;
	cop__map_close(&lane->map);
	free(lane->words);
	free(lane);
	sub->lanes[i] = sub->lanes[--sub->lane_count];
}

int cop__sub_list(struct cop_sub *sub)
{
	struct listing listing = { .sub = sub };

	/* Before the listing: who comes during it changes the number again. */
	sub->members_seen = cop__load_acquire(&sub->topic.bell.page->members);
	sub->incomplete = false;
	sub->round++;

	int rc = cop__topic_members(&sub->topic, visit_member, &listing);

	if (rc < 0 && rc != -ENOENT) {
		sub->incomplete = true; /* there may be lanes that we have not met */
		return cop__sub_tell(sub, NULL, rc, 0, 0);
	}
	for (size_t i = sub->lane_count; i-- > 0;) {
		struct lane *lane = sub->lanes[i];

		if (lane->round == sub->round)
			continue;
		if (lane->state == LANE_ENDED)
			come_back(sub, lane, true);
		if (lane->state == LANE_OPEN)
			lane->vanished = true; /* what it still holds is read first */
		else
			drop_lane(sub, i);
	}
	sub->removed = !listing.own_seen && sub->joined;
	return listing.failed < 0 ? cop__sub_tell(sub, NULL, listing.failed, 0, 0) : 0;
}

static bool is_read(const struct cop_sub *sub, uint32_t cursor)
{
	for (size_t i = 0; i < sub->lane_count; i++)
		if (sub->lanes[i]->map.base && sub->lanes[i]->cursor == cursor)
			return true;
	return false;
}

void cop__sub_forget_cursors(struct cop_sub *sub)
{
	const struct cop__sub_header *header = (const void *)sub->member.map.base;

	/* A lane that could not be attached for want of something keeps its cursor. */
	if (sub->incomplete)
		return;
	for (uint32_t i = 0; i < header->capacity; i++)
		if (!is_read(sub, i))
			cop__cursor_set(cop__cursor_at(&sub->member, i), COP__CURSOR_FREE);
}

void cop__sub_forget_lanes(struct cop_sub *sub, bool unmap)
{
	for (size_t i = 0; i < sub->lane_count; i++) {
		if (unmap)
			cop__map_close(&sub->lanes[i]->map);
		free(sub->lanes[i]->words);
		free(sub->lanes[i]);
	}
	free(sub->lanes);
	sub->lanes = NULL;
	sub->lane_count = sub->lane_room = 0;
}

/* ---- ending ---- */

static bool any_open(const struct cop_sub *sub)
{
	for (size_t i = 0; i < sub->lane_count; i++)
		if (sub->lanes[i]->state == LANE_OPEN)
			return true;
	return false;
}

static int end(struct cop_sub *sub, struct lane *lane, int error)
{
	bool gone;

	cop__lane_settle(sub, lane);
	lane->state = LANE_ENDED;
	lane->ended_closed = error == 0;
	cop__cursor_set(cursor_of(sub, lane), COP__CURSOR_ENDED);
	(void)cop__sweep(&sub->topic, 0, NULL, NULL, &gone);
	/* Its name went before its end was seen: the next listing lets go of its memory. */
	if (lane->vanished)
		sub->members_seen--;
	if (error == -EOWNERDEAD)
		cop__fail(error, "read %s: its publisher died after message %llu", lane->name,
			  (unsigned long long)lane->reader.sequence - 1);
	if (!any_open(sub) && !sub->going_told &&
	    sub->publishers_seen >= sub->opts.publishers_min) {
		sub->going_told = true;
		if (error == 0) {
			cop__fail(-EPIPE, "read topic %s: its last publisher has closed",
				  sub->topic.place.name);
			return cop__sub_tell(sub, NULL, -EPIPE, 0, 0);
		}
	}
	return error ? cop__sub_tell(sub, lane, error, lane->reader.sequence - 1, 0) : 0;
}

int cop__lane_notice(struct cop_sub *sub, struct lane *lane, bool probe)
{
	if (lane->state != LANE_OPEN)
		return 0;
	/* [L4] acquire: the owner before his end. Pairs with announce_owner. Who opens it after
	 * this counts as another one. */
	lane->owners = cop__load_acquire(&lane->reader.hot->opened_count);
	if (cop__lane_closed(&lane->reader))
		return has_more(lane) ? 0 : end(sub, lane, 0);
	if (!probe)
		return 0;
	if (lane->vanished ||
	    cop__object_leads_to(sub->topic.membersfd, lane->name, lane->inode) == 0) {
		/* It can be swept only after we said DONE; so this was not a sweeper. */
		lane->vanished = true;
		if (has_more(lane) || cop__lane_closed(&lane->reader))
			return 0;
		cop__fail(-ESTALE, "read %s: somebody removed or replaced it", lane->name);
		return end(sub, lane, -ESTALE);
	}
	if (cop__member_lives(sub->topic.membersfd, lane->name, lane->inode) != 0)
		return 0;
	/* The lock is free. It closed meanwhile, or it died. */
	if (has_more(lane) || cop__lane_closed(&lane->reader))
		return 0;
	return end(sub, lane, -EOWNERDEAD);
}
