/*
 * topic/sub_read.c - next, release, check: a message in place, copied and checked, or the latest
 */
#include <errno.h>
#include <string.h>

#include "os/error.h"
#include "os/export.h"
#include "topic/subscriber.h"

/* How often a copy is tried again because it was overrun meanwhile, before others get a turn. */
#define COPY_TRIES 16

static void stand(struct cop_sub *sub, struct lane *lane)
{
	lane->told_position = cop__lane_position(&lane->reader);
	/* At its very end the segment is left: nothing in it is needed any more. */
	lane->told_number = lane->reader.number + (lane->reader.at == lane->reader.end);
	cop__cursor_move(cop__cursor_at(&sub->member, lane->cursor), lane->reader.sequence,
			 lane->told_position);
}

void cop__lane_settle(struct cop_sub *sub, struct lane *lane)
{
	if (lane->state == LANE_OPEN && lane->told_position != cop__lane_position(&lane->reader))
		stand(sub, lane);
}

/* A segment was left: its publisher may be waiting for that; and now and then the one who always
 * has something to read must look who else is there. */
static void leave_segment(struct cop_sub *sub)
{
	cop__bell_check(&sub->topic.bell, &sub->topic.bell.page->space);
	sub->turn = NULL;
}

static inline void release(struct cop_sub *sub)
{
	struct lane *lane = sub->hand;
	uint64_t left = lane->told_number;

	sub->hand = NULL;
	/* A message that was used in place and overrun meanwhile belongs to the gap; but not when
	 * it was overrun after its user had asked. */
	if (lane->overrun && (sub->opts.flags & COP_SUB_IN_PLACE) && !sub->checked &&
	    cop__lane_lapped(&lane->reader))
		return;
	cop__lane_pass(&lane->reader, &sub->record);
	stand(sub, lane);
	if (lane->told_number != left)
		leave_segment(sub);
}

/* Those who take look with sub->record itself, which belongs to nobody while nothing is in hand: a
 * copy of it would be read back before its stores are done, and stall. */
static inline int hand_out(struct cop_sub *sub, struct lane *lane, const void *data,
			   struct cop_msg *msg)
{
	/* The message begins a segment. What lies before it is not held up until it is released. */
	if (lane->told_number != lane->reader.number) {
		stand(sub, lane);
		leave_segment(sub);
	}
	sub->hand = lane;
	sub->checked = false;
	msg->data = data;
	msg->size = sub->record.size;
	msg->sequence = lane->reader.sequence;
	msg->skipped = 0;
	msg->publisher = lane->name + strlen("pub.");
	return 1;
}

/* The publisher has come round: go on at the oldest message there is, and tell what was missed. */
static int overtaken(struct cop_sub *sub, struct lane *lane)
{
	uint64_t first = lane->reader.sequence;
	int rc = cop__lane_seek_oldest(&lane->reader);

	if (rc == -EAGAIN)
		return 0; /* it is too fast just now; where we stand is known to be gone */
	if (rc < 0)
		return rc;
	stand(sub, lane);
	/* Below what was asked for nothing is missed. */
	if (first < lane->wanted)
		first = lane->wanted;
	if (lane->reader.sequence <= first || sub->opts.kind == COP_SUB_LATEST)
		return 0;
	return cop__sub_tell(sub, lane, -EOVERFLOW, first, lane->reader.sequence - first);
}

/* Give a lane up: it needs nothing of us any more, nor we of it. */
static int refuse(struct cop_sub *sub, struct lane *lane)
{
	lane->state = LANE_REFUSED;
	lane->plain = false;
	cop__cursor_set(cop__cursor_at(&sub->member, lane->cursor), COP__CURSOR_DONE);
	cop__fail(-EBADMSG, "read %s: its records are corrupt at position %llu, message %llu",
		  lane->name, (unsigned long long)cop__lane_position(&lane->reader),
		  (unsigned long long)lane->reader.sequence);
	return cop__sub_tell(sub, lane, -EBADMSG, lane->reader.sequence, 0);
}

static int trouble(struct cop_sub *sub, struct lane *lane, int rc)
{
	if (rc == -EOVERFLOW)
		rc = overtaken(sub, lane);
	return rc == -EBADMSG ? refuse(sub, lane) : rc;
}

void cop__sub_release(struct cop_sub *sub)
{
	release(sub);
}

/* In place. Where nobody overruns us the check is one load that never fails: it guards against a
 * publisher that was made to forget us, by one who removed our file. */
static inline int take_in_place(struct cop_sub *sub, struct lane *lane, struct cop_msg *msg)
{
	int rc = cop__lane_peek(&lane->reader, &sub->record);

	if (rc > 0 && cop__lane_lapped(&lane->reader))
		rc = -EOVERFLOW;
	if (rc <= 0)
		return rc < 0 ? trouble(sub, lane, rc) : 0;
	return hand_out(sub, lane, sub->record.data, msg);
}

/* Copy the record at which the reader stands. 1, or -EOVERFLOW, -EBADMSG. */
static int copy_out(struct cop_sub *sub, struct lane *lane)
{
	const struct cop__record *record = &sub->record;

	if (record->size > sub->copy_room)
		return cop__lane_lapped(&lane->reader) ? -EOVERFLOW : -EBADMSG;
	memcpy(sub->copy, record->data, record->size);
	return cop__lane_lapped(&lane->reader) ? -EOVERFLOW : 1;
}

static int take_copy(struct cop_sub *sub, struct lane *lane, struct cop_msg *msg)
{
	int rc = cop__lane_peek(&lane->reader, &sub->record);

	if (rc > 0)
		rc = copy_out(sub, lane);
	if (rc <= 0)
		return rc < 0 ? trouble(sub, lane, rc) : 0;
	return hand_out(sub, lane, sub->copy, msg);
}

/* Jump to the segment before the newest, where that is ahead: the newest may be empty yet. */
static int approach(struct lane *lane)
{
	struct cop__lane_reader *reader = &lane->reader;
	uint64_t bytes = reader->shape.segment_bytes;
	uint64_t head = cop__load_acquire(&reader->hot->head);

	if (head % bytes != 0)
		return -EBADMSG;
	if (head / bytes <= reader->number + 1)
		return 0;

	struct cop__lane_reader ahead = *reader;
	int rc = cop__lane_seek_position(&ahead, head - bytes);

	if (rc == 0)
		*reader = ahead;
	return rc;
}

/* Stand at the last record that is committed. 1 and *record, or 0, or negative. */
static int walk_to_last(struct lane *lane, struct cop__record *record)
{
	struct cop__lane_reader *reader = &lane->reader;
	struct cop__lane_reader last = *reader;
	uint64_t stop;
	int found = 0, rc = approach(lane);

	if (rc < 0)
		return rc;
	/* A writer that is faster than this walk is not followed further than round its ring. */
	stop = (reader->number + reader->shape.segments) * reader->shape.segment_bytes;
	while ((rc = cop__lane_peek(reader, record)) > 0 && cop__lane_position(reader) < stop) {
		last = *reader;
		cop__lane_pass(reader, record);
		found = 1;
	}
	if (rc < 0)
		return rc;
	if (found) {
		*reader = last;
		found = cop__lane_peek(reader, record);
	}
	return found;
}

static int take_latest(struct cop_sub *sub, struct lane *lane, struct cop_msg *msg)
{
	for (int i = 0; i < COPY_TRIES; i++) {
		int rc = walk_to_last(lane, &sub->record);

		if (rc > 0)
			rc = copy_out(sub, lane);
		if (rc > 0) {
			rc = hand_out(sub, lane, sub->copy, msg);
			msg->skipped = msg->sequence - lane->unseen;
			lane->unseen = msg->sequence + 1;
			return rc;
		}
		if (rc == 0)
			return 0;
		rc = trouble(sub, lane, rc);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* A lane that could not be read from the beginning: once. */
static int tell_refusal(struct cop_sub *sub, struct lane *lane)
{
	int rc = lane->untold;

	lane->untold = 0;
	if (rc == 0)
		return 0;
	cop__fail(rc, "%s", lane->words ? lane->words : "read a lane: it is refused");
	return cop__sub_tell(sub, lane, rc, 0, 0);
}

/* Lanes with something to be seen to first. */
static int take_special(struct cop_sub *sub, struct lane *lane, struct cop_msg *msg)
{
	int rc;

	if (lane->state == LANE_REFUSED)
		return tell_refusal(sub, lane);
	if (lane->gap_count > 0) {
		uint64_t count = lane->gap_count;

		lane->gap_count = 0;
		return cop__sub_tell(sub, lane, -EOVERFLOW, lane->gap_first, count);
	}
	if (lane->reader.sequence < lane->wanted) {
		rc = cop__lane_pass_to(&lane->reader, lane->wanted);
		if (rc < 0)
			return trouble(sub, lane, rc);
		if (lane->reader.sequence < lane->wanted)
			return 0;
	}
	if (sub->opts.kind == COP_SUB_LATEST)
		return take_latest(sub, lane, msg);
	if (lane->overrun && !(sub->opts.flags & COP_SUB_IN_PLACE))
		return take_copy(sub, lane, msg);
	lane->plain = true;
	return take_in_place(sub, lane, msg);
}

int cop__lane_take(struct cop_sub *sub, struct lane *lane, struct cop_msg *msg)
{
	return lane->plain ? take_in_place(sub, lane, msg) : take_special(sub, lane, msg);
}

/* ---- what the public calls do ---- */

COP_EXPORT int cop_sub_next(struct cop_sub *sub, struct cop_msg *msg, int64_t timeout_ns)
{
	if (cop__forked(&sub->mark))
		return cop__sub_fail_forked();
	if (sub->hand)
		release(sub);

	struct lane *lane = sub->turn;

	if (lane && sub->turns_left > 0) {
		int rc = lane->plain ? take_in_place(sub, lane, msg) : take_special(sub, lane, msg);

		sub->turns_left--;
		if (rc != 0)
			return rc;
	}
	return cop__sub_next_slow(sub, msg, timeout_ns);
}

COP_EXPORT void cop_sub_release(struct cop_sub *sub)
{
	if (!cop__forked(&sub->mark) && sub->hand)
		release(sub);
}

COP_EXPORT int cop_sub_check(struct cop_sub *sub)
{
	if (cop__forked(&sub->mark))
		return cop__sub_fail_forked();
	if (!sub->hand)
		return cop__fail(-EINVAL, "check a message: there is none in hand");
	sub->checked = !((sub->opts.flags & COP_SUB_IN_PLACE) && sub->hand->overrun &&
			 cop__lane_lapped(&sub->hand->reader));
	if (!sub->checked)
		return cop__fail(-EOVERFLOW, "check a message: it was overwritten while in use");
	return 0;
}
