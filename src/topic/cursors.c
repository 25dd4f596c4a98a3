/*
 * topic/cursors.c - a subscriber's file, written by itself and read by its peers
 */
#include "topic/cursors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "copage/sub.h"
#include "os/error.h"
#include "os/os.h"

#define FIRST_CURSORS ((uint32_t)COP__CURSORS_PER_PAGE)

/* ---- the subscriber's own side ---- */

static struct cop__sub_header *own_header(const struct cop__member *member)
{
	return (struct cop__sub_header *)member->map.base;
}

static void describe(struct cop__sub_header *header, const struct cop__sub_ident *ident)
{
	cop__store_relaxed(&header->ready, 0);
	cop__store_relaxed(&header->kind, ident->kind);
	cop__store_relaxed(&header->pid, cop__os_pid());
	cop__store_relaxed(&header->opened_ns, cop__os_realtime_ns());
	cop__store_relaxed(&header->opened_count, header->opened_count + 1);
}

static void fill(void *arg, uint8_t *base)
{
	const struct cop__sub_ident *ident = arg;
	struct cop__sub_header *header = (struct cop__sub_header *)base;

	*header = (struct cop__sub_header){
		.magic = COP__SUB_MAGIC,
		.version = COP__LAYOUT_VERSION,
		.flags = ident->named ? COP__SUB_NAMED : 0,
		.byte_order = COP__BYTE_ORDER,
		.capacity = FIRST_CURSORS,
	};
	describe(header, ident);
}

static uint64_t file_bytes(uint32_t capacity)
{
	return COP__SUB_CURSORS_OFFSET + (uint64_t)capacity * sizeof(struct cop__cursor);
}

static int check_header(const struct cop__sub_header *header, uint64_t size, const char *name)
{
	if (header->magic != COP__SUB_MAGIC || header->byte_order != COP__BYTE_ORDER)
		return cop__fail(-EBADMSG, "open %s: it is not a subscriber of Copage", name);
	if (header->version != COP__LAYOUT_VERSION)
		return cop__fail(-EPROTO,
				 "open %s: it has layout version %u, and this library speaks %u",
				 name, header->version, COP__LAYOUT_VERSION);
	if (header->capacity < FIRST_CURSORS || header->capacity > COP__CURSORS_MAX ||
	    (header->flags & ~COP__SUB_NAMED) != 0 || file_bytes(header->capacity) > size)
		return cop__fail(-EBADMSG, "open %s: it is damaged or truncated", name);
	return 0;
}

static int take_over(struct cop__member *member, const struct cop__topic *topic, const char *file,
		     const struct cop__sub_ident *ident, struct cop__sub_past *past)
{
	struct cop__sub_header header;
	int rc = cop__member_take(member, topic->membersfd, file);

	if (rc < 0)
		return rc;
	memcpy(&header, own_header(member), sizeof(header));
	rc = check_header(&header, member->map.size, file);
	if (rc < 0) {
		cop__member_leave(member);
		return rc;
	}
	past->known = true;
	past->awaited = (topic->settings.flags & COP_TOPIC_HOLD_AWAY) &&
			header.kind == COP_SUB_LOSSLESS;
	describe(own_header(member), ident);
	return 0;
}

int cop__cursors_open(struct cop__member *member, const struct cop__topic *topic, const char *file,
		      const struct cop__sub_ident *ident, struct cop__sub_past *past)
{
	struct cop__access access = cop__topic_member_access(topic);
	struct cop__sub_ident copy = *ident;
	int rc = -ENOENT;

	*past = (struct cop__sub_past){ 0 };
	if (ident->named)
		rc = take_over(member, topic, file, ident, past);
	if (rc != -ENOENT)
		return rc;
	return cop__member_create(member, topic->membersfd, file, file_bytes(FIRST_CURSORS),
				  &access, fill, &copy);
}

void cop__cursors_ready(struct cop__member *member)
{
	/* [C1] release: where it stands in each lane, before that it does. */
	cop__store_release(&own_header(member)->ready, 1);
}

static bool same_uuid(const struct cop__cursor *cursor, const uint64_t uuid[2])
{
	return cop__load_relaxed(&cursor->uuid[0]) == uuid[0] &&
	       cop__load_relaxed(&cursor->uuid[1]) == uuid[1];
}

int cop__cursors_find(struct cop__member *member, const struct cop__topic *topic,
		      const uint64_t uuid[2], uint32_t *index, bool *fresh)
{
	uint32_t capacity = own_header(member)->capacity;
	uint32_t free_index = capacity;

	for (uint32_t i = 0; i < capacity; i++) {
		struct cop__cursor *cursor = cop__cursor_at(member, i);

		if (cursor->state == COP__CURSOR_FREE) {
			if (free_index == capacity)
				free_index = i;
		} else if (same_uuid(cursor, uuid)) {
			*index = i;
			*fresh = false;
			return 0;
		}
	}
	if (free_index == capacity) {
		uint32_t more = capacity + (uint32_t)COP__CURSORS_PER_PAGE;

		if (more > COP__CURSORS_MAX)
			return cop__fail(-EMFILE, "read another lane: %u are the most", capacity);

		int rc = cop__member_grow(member, topic->membersfd, file_bytes(more));

		if (rc < 0)
			return rc;
		/* [C1] release: the pages before the number that lets others read them. */
		cop__store_release(&own_header(member)->capacity, more);
	}
	*index = free_index;
	*fresh = true;

	struct cop__cursor *cursor = cop__cursor_at(member, free_index);

	cop__store_relaxed(&cursor->uuid[0], uuid[0]);
	cop__store_relaxed(&cursor->uuid[1], uuid[1]);
	return 0;
}

/* ---- as others see it ---- */

static const struct cop__sub_header *peer_header(const struct cop__peer *peer)
{
	return (const struct cop__sub_header *)peer->map.base;
}

static int map_peer(struct cop__peer *peer, int fd, const struct stat *st)
{
	struct cop__sub_header header;
	uint64_t size = (uint64_t)st->st_size;

	if (size < file_bytes(FIRST_CURSORS) || size > file_bytes(COP__CURSORS_MAX))
		return cop__fail(-EBADMSG, "open %s: its size of %llu bytes is wrong", peer->name,
				 (unsigned long long)size);

	int rc = cop__map_file(&peer->map, fd, size, COP__MAP_READ);

	if (rc < 0)
		return cop__fail_os(rc, "map %s", peer->name);
	memcpy(&header, peer->map.base, sizeof(header));
	rc = check_header(&header, size, peer->name);
	if (rc < 0)
		cop__map_close(&peer->map);
	peer->capacity = header.capacity;
	peer->named = header.flags & COP__SUB_NAMED;
	return rc;
}

int cop__peer_open(struct cop__peer *peer, int membersfd, const char *file)
{
	struct stat st;

	*peer = (struct cop__peer){ 0 };
	snprintf(peer->name, sizeof(peer->name), "%s", file);

	int fd = cop__object_open(membersfd, file, O_RDONLY, &st);

	if (fd < 0)
		return fd;
	peer->inode = st.st_ino;
	peer->uid = st.st_uid;
	peer->gid = st.st_gid;
	peer->mode = st.st_mode & 07777;

	int rc = map_peer(peer, fd, &st);

	cop__os_close(fd);
	return rc;
}

void cop__peer_close(struct cop__peer *peer)
{
	cop__map_close(&peer->map);
}

bool cop__peer_ready(const struct cop__peer *peer)
{
	return cop__load_acquire(&peer_header(peer)->ready); /* [C1] */
}

uint32_t cop__peer_kind(const struct cop__peer *peer)
{
	return cop__load_relaxed(&peer_header(peer)->kind);
}

/* It reads more lanes than before: map the cursors that came, if they are really there. */
static void follow_growth(struct cop__peer *peer, int membersfd)
{
	uint32_t capacity = cop__load_acquire(&peer_header(peer)->capacity);
	struct cop__peer larger;

	if (capacity <= peer->capacity || cop__peer_open(&larger, membersfd, peer->name) < 0)
		return;
	if (larger.inode == peer->inode) {
		struct cop__map old = peer->map;

		peer->map = larger.map;
		peer->capacity = larger.capacity;
		larger.map = old;
	}
	cop__peer_close(&larger);
}

static bool view_at(const struct cop__peer *peer, uint32_t index, const uint64_t uuid[2],
		    struct cop__cursor_view *view)
{
	const struct cop__cursor *cursor = (const struct cop__cursor *)(peer->map.base +
									COP__SUB_CURSORS_OFFSET) +
					   index;
	/* [C1] acquire: the state before the rest. Pairs with cop__cursor_set. */
	uint32_t state = cop__load_acquire(&cursor->state);

	if (state == COP__CURSOR_FREE || !same_uuid(cursor, uuid))
		return false;
	view->state = state == COP__CURSOR_DONE || state == COP__CURSOR_ENDED
			      ? (enum cop__cursor_state)state
			      : COP__CURSOR_USED;
	/* [C1] acquire: the position before what it lets us reuse. Pairs with cop__cursor_move. */
	view->position = cop__load_acquire(&cursor->position);
	view->sequence = cop__load_relaxed(&cursor->sequence);
	return true;
}

struct cop__cursor_view cop__peer_cursor(struct cop__peer *peer, int membersfd,
					 const uint64_t uuid[2])
{
	struct cop__cursor_view view = { 0 };

	if (peer->hint < peer->capacity && view_at(peer, peer->hint, uuid, &view))
		return view;
	follow_growth(peer, membersfd);
	for (uint32_t i = 0; i < peer->capacity; i++) {
		if (view_at(peer, i, uuid, &view)) {
			peer->hint = i;
			return view;
		}
	}
	return (struct cop__cursor_view){ 0 };
}
