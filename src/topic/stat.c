/*
 * topic/stat.c - a topic as an operator sees it
 *
 * Taken by reading only: nothing is locked, rung or changed, and a member that is not sound spoils
 * nobody's view but its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "copage/sub.h"
#include "lane/lane.h"
#include "os/error.h"
#include "os/export.h"
#include "os/os.h"
#include "topic/cursors.h"

/* All memory of one result, freed together. */
struct piece {
	struct piece *next;
	_Alignas(16) unsigned char bytes[];
};

struct result {
	struct cop_topic_stat stat; /* first: the caller's pointer is ours */
	struct piece *pieces;
	struct cop_pub_stat *pubs;
	uint64_t (*uuids)[2]; /* of the lanes in pubs */
	struct cop_sub_stat *subs;
	size_t pub_room, sub_room;
	struct cop__topic topic;
};

static void *keep(struct result *result, size_t size)
{
	struct piece *piece = calloc(1, sizeof(*piece) + size);

	if (!piece)
		return NULL;
	piece->next = result->pieces;
	result->pieces = piece;
	return piece->bytes;
}

static const char *keep_text(struct result *result, const char *text)
{
	char *copy = keep(result, strlen(text) + 1);

	return copy ? strcpy(copy, text) : NULL;
}

static int out_of_memory(void)
{
	return cop__fail(-ENOMEM, "look into a topic: out of memory");
}

/* ---- publishers ---- */

static void stat_lane(struct cop__lane_reader *reader, struct cop_pub_stat *pub)
{
	const struct cop__lane_hot *hot = reader->hot;
	uint64_t oldest;

	pub->segment_bytes = reader->shape.segment_bytes;
	pub->segments = reader->shape.segments;
	pub->message_max_bytes = reader->shape.message_max;
	pub->pid = cop__load_relaxed(&hot->pid);
	pub->opened_ns = cop__load_relaxed(&hot->opened_ns);
	if (cop__lane_seek_kept(reader) < 0) {
		pub->state = COP_MEMBER_CORRUPT;
		return;
	}
	pub->oldest = reader->sequence;
	oldest = cop__lane_position(reader);
	/* Its writer may be too fast to be followed; then where it began its segment must do. */
	int rc = cop__lane_seek_newest(reader);

	if (rc < 0 && rc != -EAGAIN && rc != -EOVERFLOW) {
		pub->state = COP_MEMBER_CORRUPT;
		return;
	}
	pub->messages = reader->sequence - 1;
	pub->position = cop__lane_position(reader);
	pub->kept_bytes = pub->position > oldest ? pub->position - oldest : 0;
	if (pub->state == COP_MEMBER_DEAD && cop__lane_closed(reader))
		pub->state = COP_MEMBER_CLOSED;
}

static int look_into_lane(int fd, const struct stat *st, struct cop_pub_stat *pub, uint64_t uuid[2])
{
	struct cop__map map;
	struct cop__lane_shape shape;
	struct cop__lane_reader reader;
	int locked = cop__os_locked(fd);

	pub->state = locked == 0 ? COP_MEMBER_DEAD : COP_MEMBER_LIVE;
	if ((uint64_t)st->st_size < COP__PAGE) {
		pub->state = COP_MEMBER_CORRUPT;
		return 0;
	}

	int rc = cop__map_file(&map, fd, (size_t)st->st_size, COP__MAP_READ);

	if (rc < 0)
		return cop__fail_os(rc, "map pub.%s", pub->name);
	if (cop__lane_check(map.base, map.size, pub->name, &shape) < 0) {
		pub->state = COP_MEMBER_CORRUPT;
	} else {
		memcpy(uuid, shape.uuid, sizeof(shape.uuid));
		cop__lane_reader_open(&reader, map.base, &shape);
		stat_lane(&reader, pub);
	}
	cop__map_close(&map);
	return 0;
}

/* Is it the member that is wrong, and how? 0: what failed is ours. */
static enum cop_member_state state_of_refusal(int rc)
{
	if (rc == -EACCES)
		return COP_MEMBER_DENIED;
	return rc == -EBADMSG || rc == -EPROTO ? COP_MEMBER_CORRUPT : (enum cop_member_state)0;
}

static int facts(struct result *result, const char *file, uint32_t *uid, uint32_t *gid,
		 uint32_t *mode, uint64_t *memory)
{
	struct stat st;
	int rc = cop__os_lstat(result->topic.membersfd, file, &st);

	if (rc == -ENOENT)
		return 0; /* it went just now */
	if (rc < 0)
		return cop__fail_os(rc, "look at %s", file);
	*uid = st.st_uid;
	*gid = st.st_gid;
	*mode = st.st_mode & 07777;
	*memory = (uint64_t)st.st_blocks * 512;
	return 0;
}

static int grow(void **array, size_t *room, size_t count, size_t size)
{
	if (count < *room)
		return 0;

	size_t more = *room ? 2 * *room : 8;
	void *larger = realloc(*array, more * size);

	if (!larger)
		return out_of_memory();
	*array = larger;
	*room = more;
	return 0;
}

static int add_pub(struct result *result, const char *file)
{
	size_t n = result->stat.pub_count, room = result->pub_room;
	struct stat st;
	int rc = grow((void **)&result->pubs, &room, n, sizeof(*result->pubs));

	if (rc == 0)
		rc = grow((void **)&result->uuids, &result->pub_room, n, sizeof(*result->uuids));
	if (rc < 0)
		return rc;

	struct cop_pub_stat *pub = &result->pubs[n];

	*pub = (struct cop_pub_stat){ .name = keep_text(result, cop__pub_name_of(file)) };
	result->uuids[n][0] = result->uuids[n][1] = 0;
	if (!pub->name)
		return out_of_memory();

	int fd = cop__object_open(result->topic.membersfd, file, O_RDONLY, &st);

	if (fd == -ENOENT)
		return 0;
	pub->state = fd < 0 ? state_of_refusal(fd) : COP_MEMBER_LIVE;
	if (pub->state == 0)
		return fd;
	rc = facts(result, file, &pub->uid, &pub->gid, &pub->mode, &pub->memory_bytes);
	if (rc == 0 && fd >= 0)
		rc = look_into_lane(fd, &st, pub, result->uuids[n]);
	cop__os_close(fd);
	result->stat.pub_count++;
	return rc;
}

/* ---- subscribers ---- */

static int find_pub(const struct result *result, const struct cop__cursor *cursor)
{
	for (size_t i = 0; i < result->stat.pub_count; i++)
		if (result->uuids[i][0] == cop__load_relaxed(&cursor->uuid[0]) &&
		    result->uuids[i][1] == cop__load_relaxed(&cursor->uuid[1]))
			return (int)i;
	return -1;
}

static uint64_t above(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static void stat_cursor(const struct result *result, const struct cop__cursor *cursor,
			struct cop_cursor_stat *stat)
{
	int n = find_pub(result, cursor);

	stat->position = cop__load_acquire(&cursor->position);
	stat->sequence = cop__load_relaxed(&cursor->sequence);
	if (n < 0)
		return;
	stat->publisher = result->pubs[n].name;
	/* Its end was reached, or the lane is of no use to it. */
	if (cop__load_acquire(&cursor->state) == COP__CURSOR_DONE)
		return;
	stat->lag_messages = above(result->pubs[n].messages + 1, stat->sequence);
	stat->lag_bytes = above(result->pubs[n].position, stat->position);
}

static void add_cursor(struct cop_sub_stat *sub, struct cop_cursor_stat *stats,
		       const struct cop_cursor_stat *stat)
{
	stats[sub->cursor_count++] = *stat;
	sub->lag_messages += stat->lag_messages;
	sub->lag_bytes += stat->lag_bytes;
}

/* Lanes that it has not met yet: it wants all of them. */
static void stat_unmet(const struct result *result, struct cop__peer *peer,
		       struct cop_sub_stat *sub, struct cop_cursor_stat *stats)
{
	for (size_t i = 0; i < result->stat.pub_count; i++) {
		const struct cop_pub_stat *pub = &result->pubs[i];
		struct cop_cursor_stat stat = {
			.publisher = pub->name,
			.sequence = pub->oldest,
			.position = pub->position - pub->kept_bytes,
			.lag_messages = above(pub->messages + 1, pub->oldest),
			.lag_bytes = pub->kept_bytes,
		};

		if (pub->segments > 0 && sub->state != COP_MEMBER_DEAD &&
		    cop__peer_cursor(peer, result->topic.membersfd, result->uuids[i]).state ==
			    COP__CURSOR_FREE)
			add_cursor(sub, stats, &stat);
	}
}

static int stat_cursors(struct result *result, struct cop__peer *peer, struct cop_sub_stat *sub)
{
	const struct cop__cursor *cursors = (const struct cop__cursor *)(peer->map.base +
									 COP__SUB_CURSORS_OFFSET);
	struct cop_cursor_stat *stats = keep(result, (peer->capacity + result->stat.pub_count) *
							     sizeof(*stats));

	if (!stats)
		return out_of_memory();
	for (uint32_t i = 0; i < peer->capacity; i++) {
		if (cop__load_acquire(&cursors[i].state) == COP__CURSOR_FREE)
			continue;

		struct cop_cursor_stat stat = { 0 };

		stat_cursor(result, &cursors[i], &stat);
		add_cursor(sub, stats, &stat);
	}
	stat_unmet(result, peer, sub, stats);
	sub->cursors = stats;
	return 0;
}

static int look_into_sub(struct result *result, struct cop__peer *peer, struct cop_sub_stat *sub)
{
	const struct cop__sub_header *header = (const void *)peer->map.base;
	bool lives = cop__member_lives(result->topic.membersfd, peer->name, peer->inode) != 0;

	sub->named = peer->named;
	sub->state = lives ? COP_MEMBER_LIVE : peer->named ? COP_MEMBER_AWAY : COP_MEMBER_DEAD;
	sub->lossless = cop__peer_kind(peer) == COP_SUB_LOSSLESS;
	sub->pid = cop__load_relaxed(&header->pid);
	sub->opened_ns = cop__load_relaxed(&header->opened_ns);
	return stat_cursors(result, peer, sub);
}

static int add_sub(struct result *result, const char *file)
{
	size_t n = result->stat.sub_count;
	struct cop__peer peer;
	int rc = grow((void **)&result->subs, &result->sub_room, n, sizeof(*result->subs));

	if (rc < 0)
		return rc;

	struct cop_sub_stat *sub = &result->subs[n];

	*sub = (struct cop_sub_stat){ .name = keep_text(result, cop__sub_name_of(file)) };
	if (!sub->name)
		return out_of_memory();
	rc = cop__peer_open(&peer, result->topic.membersfd, file);
	if (rc == -ENOENT)
		return 0;
	sub->state = rc < 0 ? state_of_refusal(rc) : COP_MEMBER_LIVE;
	if (sub->state == 0)
		return rc;

	bool sound = rc == 0;

	rc = facts(result, file, &sub->uid, &sub->gid, &sub->mode, &sub->memory_bytes);
	result->stat.sub_count++;
	if (rc == 0 && sound)
		rc = look_into_sub(result, &peer, sub);
	if (sound)
		cop__peer_close(&peer);
	return rc;
}

/* ---- the topic ---- */

static int visit_pub(void *arg, const char *name, uint64_t inode)
{
	(void)inode;
	return cop__pub_name_of(name) ? add_pub(arg, name) : 0;
}

static int visit_sub(void *arg, const char *name, uint64_t inode)
{
	(void)inode;
	return cop__sub_name_of(name) ? add_sub(arg, name) : 0;
}

static int by_pub_name(const void *a, const void *b)
{
	return strcmp(((const struct cop_pub_stat *)a)->name,
		      ((const struct cop_pub_stat *)b)->name);
}

static int by_sub_name(const void *a, const void *b)
{
	return strcmp(((const struct cop_sub_stat *)a)->name,
		      ((const struct cop_sub_stat *)b)->name);
}

static int stat_settings(struct result *result)
{
	struct cop_topic_stat *stat = &result->stat;
	const struct cop__topic *topic = &result->topic;
	char path[2 * COP__PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", topic->place.root, topic->place.name);
	stat->name = keep_text(result, topic->place.name);
	stat->path = keep_text(result, path);
	if (!stat->name || !stat->path)
		return out_of_memory();
	stat->uid = topic->st.st_uid;
	stat->gid = topic->settings.group;
	stat->mode = topic->settings.mode;
	stat->flags = topic->settings.flags & ~COP__TOPIC_KEPT;
	stat->kept = !!(topic->settings.flags & COP__TOPIC_KEPT);
	stat->layout_version = topic->settings.version;
	stat->message_max_bytes = topic->settings.message_max;
	stat->segments = topic->settings.segments;
	stat->created_ns = topic->settings.created_ns;
	return 0;
}

static void finish(struct result *result)
{
	struct cop_topic_stat *stat = &result->stat;

	/* Cursors name publishers by pointers to their names, so sorting does not disturb them. */
	if (stat->pub_count > 0)
		qsort(result->pubs, stat->pub_count, sizeof(*result->pubs), by_pub_name);
	if (stat->sub_count > 0)
		qsort(result->subs, stat->sub_count, sizeof(*result->subs), by_sub_name);
	stat->pubs = result->pubs;
	stat->subs = result->subs;
	stat->memory_bytes = 2 * COP__PAGE; /* settings and bell */
	for (size_t i = 0; i < stat->pub_count; i++)
		stat->memory_bytes += result->pubs[i].memory_bytes;
	for (size_t i = 0; i < stat->sub_count; i++)
		stat->memory_bytes += result->subs[i].memory_bytes;
}

COP_EXPORT int cop_topic_stat(const char *topic, struct cop_topic_stat **stat)
{
	struct result *result = calloc(1, sizeof(*result));

	if (!result)
		return out_of_memory();

	int rc = cop__topic_open(&result->topic, topic, COP__TOPIC_LOOK);

	if (rc < 0) {
		free(result);
		return rc;
	}
	rc = stat_settings(result);
	/* Publishers first: subscribers are measured against them. */
	if (rc == 0)
		rc = cop__topic_members(&result->topic, visit_pub, result);
	if (rc == 0)
		rc = cop__topic_members(&result->topic, visit_sub, result);
	cop__topic_close(&result->topic);
	if (rc < 0) {
		cop_topic_stat_free(&result->stat);
		return rc;
	}
	finish(result);
	*stat = &result->stat;
	return 0;
}

COP_EXPORT void cop_topic_stat_free(struct cop_topic_stat *stat)
{
	struct result *result = (struct result *)stat;

	if (!result)
		return;
	while (result->pieces) {
		struct piece *next = result->pieces->next;

		free(result->pieces);
		result->pieces = next;
	}
	free(result->pubs);
	free(result->uuids);
	free(result->subs);
	free(result);
}
