/*
 * topic/sweep.c - remove what the dead left, and what all have read
 */
#include "topic/sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "lane/lane.h"
#include "os/error.h"
#include "os/os.h"
#include "topic/cursors.h"

/* How often one who swept in vain looks again because others left meanwhile. */
#define TRIES 100

struct sweep {
	struct cop__topic *topic;
	uint32_t flags;
	cop_gc_visit *visit;
	void *arg;
	int removed;
	struct cop__audience audience;
	/* Of the member at hand, for the report. */
	const char *reason;
	uint64_t bytes;
};

static void report(struct sweep *sweep, const char *file, int rc)
{
	char path[2 * COP__PATH_MAX];
	const struct cop__place *place = &sweep->topic->place;
	struct cop_gc_item item = { .path = path,
				    .reason = sweep->reason,
				    .bytes = sweep->bytes,
				    .error = rc < 0 ? rc : 0 };

	if (rc == 1)
		sweep->removed++;
	if (!sweep->visit)
		return;
	snprintf(path, sizeof(path), "%s/%s%s%s", place->root, place->name, file ? "/members/" : "",
		 file ? file : "");
	sweep->visit(sweep->arg, &item);
}

/* Would it go? Without taking its lock: 1, 0, -EAGAIN its owner lives, or another error. */
static int would_go(struct sweep *sweep, const char *file, cop__member_may_go *may_go)
{
	struct stat st;
	int fd = cop__object_open(sweep->topic->membersfd, file, O_RDONLY, &st);
	int rc = fd < 0 ? fd : cop__os_locked(fd);

	if (rc == 0)
		rc = may_go(sweep, fd, &st);
	else if (rc == 1)
		rc = -EAGAIN;
	cop__os_close(fd);
	return rc;
}

/* Remove a member's file, or find out whether it would go; and tell. */
static void sweep_member(struct sweep *sweep, const char *file, cop__member_may_go *may_go)
{
	int rc, tries = 0;

	if (sweep->flags & COP__SWEEP_DRY) {
		rc = would_go(sweep, file, may_go);
	} else {
		/* Who needed it a moment ago may have left while we held its lock, could not sweep
		 * it for that, and relies on us: so, after letting it be, look again. */
		do {
			rc = cop__member_sweep(sweep->topic->membersfd, file, may_go, sweep);
		} while (rc == 0 && would_go(sweep, file, may_go) == 1 && ++tries < TRIES);
	}
	/* Alive, gone, or not to go: nothing to tell. Not Copage's: left alone. */
	if (rc == 1 || (rc < 0 && rc != -EAGAIN && rc != -ENOENT && rc != -EBADMSG &&
			rc != -EPROTO && rc != -EACCES))
		report(sweep, file, rc);
}

/* ---- subscribers ---- */

static int dead_subscriber_may_go(void *arg, int fd, const struct stat *st)
{
	struct sweep *sweep = arg;

	(void)fd;
	sweep->reason = "its subscriber died: the kernel freed its lock";
	sweep->bytes = (uint64_t)st->st_blocks * 512;
	return 1;
}

static void sweep_subscribers(struct sweep *sweep)
{
	for (size_t i = 0; i < sweep->audience.count; i++) {
		const struct cop__peer *peer = sweep->audience.peers[i];

		if (!peer->named &&
		    cop__member_lives(sweep->topic->membersfd, peer->name, peer->inode) == 0)
			sweep_member(sweep, peer->name, dead_subscriber_may_go);
	}
}

/* ---- lanes ---- */

/* Has this subscriber nothing more to get or to learn from a lane that ended? */
static bool needs_nothing(struct sweep *sweep, struct cop__peer *peer,
			  const struct cop__lane_reader *end, bool must_notice)
{
	int membersfd = sweep->topic->membersfd;
	struct cop__cursor_view view = cop__peer_cursor(peer, membersfd, end->shape.uuid);
	bool has_read = view.state != COP__CURSOR_FREE && view.position >= cop__lane_position(end);

	if (view.state == COP__CURSOR_DONE)
		return true;
	/* By the sequence, since it may stand before a roll that its publisher did not finish. */
	if (view.state == COP__CURSOR_ENDED && view.sequence >= end->sequence)
		return true;
	if (has_read && !must_notice)
		return true;
	/* Not read, or not noticed. That matters if it lives, or is away and will be back. */
	if (cop__member_lives(membersfd, peer->name, peer->inode) != 0)
		return false;
	return !peer->named || has_read;
}

/* The lane is locked (or proved free) and mapped: may it go? */
static int ended_lane_may_go(struct sweep *sweep, struct cop__lane_reader *reader)
{
	bool closed = cop__lane_closed(reader);
	bool all = sweep->flags & COP__SWEEP_ALL;

	if (!closed && (reader->shape.flags & COP__LANE_NAMED) && !all)
		return 0;
	if (cop__lane_seek_newest(reader) < 0)
		return 0;

	for (size_t i = 0; i < sweep->audience.count; i++)
		if (!needs_nothing(sweep, sweep->audience.peers[i], reader, !closed))
			return 0;
	sweep->reason = closed ? "its publisher closed it, and everyone has read it"
			       : "its publisher died: the kernel freed its lock; everyone has read "
				 "what it had committed";
	return 1;
}

static int lane_may_go(void *arg, int fd, const struct stat *st)
{
	struct sweep *sweep = arg;
	struct cop__lane_shape shape;
	struct cop__lane_reader reader;
	struct cop__map map;
	uint64_t size = (uint64_t)st->st_size;

	if (size < COP__LANE_SEGMENTS_OFFSET)
		return -EBADMSG;

	int rc = cop__map_file(&map, fd, size, COP__MAP_READ);

	if (rc < 0)
		return rc;
	rc = cop__lane_check(map.base, size, "lane", &shape);
	if (rc == 0) {
		cop__lane_reader_open(&reader, map.base, &shape);
		sweep->bytes = (uint64_t)st->st_blocks * 512;
		rc = ended_lane_may_go(sweep, &reader);
	}
	cop__map_close(&map);
	return rc;
}

static int visit_lane(void *arg, const char *name, uint64_t inode)
{
	(void)inode;
	if (cop__pub_name_of(name))
		sweep_member(arg, name, lane_may_go);
	return 0;
}

/* ---- the topic ---- */

static int count_member(void *arg, const char *name, uint64_t inode)
{
	int *count = arg;

	(void)name;
	(void)inode;
	(*count)++;
	return 0;
}

static void sweep_topic(struct sweep *sweep, bool *gone)
{
	int rc, left = 0;

	if (sweep->topic->settings.flags & COP__TOPIC_KEPT)
		return;
	if (sweep->flags & COP__SWEEP_DRY) {
		/* What went before only would have gone. */
		rc = cop__topic_members(sweep->topic, count_member, &left);
		rc = rc < 0 ? rc : left == sweep->removed;
	} else {
		rc = cop__topic_remove_empty(sweep->topic);
		*gone = rc == 1;
	}
	sweep->reason = "nobody is left in it";
	sweep->bytes = 2 * COP__PAGE;
	if (rc == 1)
		report(sweep, NULL, rc);
}

int cop__sweep(struct cop__topic *topic, uint32_t flags, cop_gc_visit *visit, void *arg, bool *gone)
{
	struct sweep sweep = { .topic = topic, .flags = flags, .visit = visit, .arg = arg };
	int rc = cop__audience_refresh(&sweep.audience, topic, NULL);

	*gone = false;
	if (rc == 0) {
		sweep_subscribers(&sweep);
		rc = cop__topic_members(topic, visit_lane, &sweep);
	}
	cop__audience_close(&sweep.audience);
	/* Who still maps a lane that went lets go of its memory when it looks. */
	if (sweep.removed > 0 && !(flags & COP__SWEEP_DRY) && topic->bell.page)
		cop__bell_members_changed(&topic->bell);
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	sweep_topic(&sweep, gone);
	return sweep.removed;
}
