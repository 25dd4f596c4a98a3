/*
 * topic/audience.c - whom a publisher has to wait for
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "copage/sub.h"
#include "os/error.h"
#include "os/os.h"
#include "topic/cursors.h"

struct refresh {
	struct cop__audience *audience;
	const struct cop__topic *topic;
	const struct cop__member *own;
};

static int add_peer(struct cop__audience *audience, const struct cop__topic *topic,
		    const char *file)
{
	if (audience->count == audience->room) {
		size_t room = audience->room ? 2 * audience->room : 8;
		struct cop__peer **peers = realloc(audience->peers, room * sizeof(*peers));

		if (!peers)
			return cop__fail(-ENOMEM, "look at subscribers: out of memory");
		audience->peers = peers;
		audience->room = room;
	}

	struct cop__peer *peer = malloc(sizeof(*peer));

	if (!peer)
		return cop__fail(-ENOMEM, "look at subscribers: out of memory");

	int rc = cop__peer_open(peer, topic->membersfd, file);

	if (rc == 0) {
		peer->round = audience->round;
		audience->peers[audience->count++] = peer;
		return 0;
	}
	free(peer);
	/* What is gone, corrupt or closed to us cannot be waited for. What is there but could not
	 * be opened, for want of something of ours or because the kernel failed, must not be
	 * overlooked. */
	return rc == -ENOENT || rc == -EBADMSG || rc == -EPROTO || rc == -EACCES ? 0 : rc;
}

static int visit_member(void *arg, const char *name, uint64_t inode)
{
	const struct refresh *refresh = arg;
	struct cop__audience *audience = refresh->audience;

	if (refresh->own && strcmp(name, refresh->own->name) == 0)
		audience->own_seen = true;
	if (!cop__sub_name_of(name))
		return 0;
	for (size_t i = 0; i < audience->count; i++) {
		struct cop__peer *peer = audience->peers[i];

		if (peer->inode == inode && strcmp(peer->name, name) == 0) {
			peer->round = audience->round;
			return 0;
		}
	}
	return add_peer(audience, refresh->topic, name);
}

static void drop_peer(struct cop__audience *audience, size_t i)
{
	cop__peer_close(audience->peers[i]);
	free(audience->peers[i]);
	audience->peers[i] = audience->peers[--audience->count];
}

int cop__audience_refresh(struct cop__audience *audience, const struct cop__topic *topic,
			  const struct cop__member *own)
{
	struct refresh refresh = { .audience = audience, .topic = topic, .own = own };

	audience->round++;
	audience->own_seen = false;

	int rc = cop__topic_members(topic, visit_member, &refresh);

	/* A removed directory lists nothing, or says that it is gone: nobody is there. */
	if (rc == -ENOENT)
		rc = 0;
	if (rc < 0)
		return rc;
	for (size_t i = audience->count; i-- > 0;)
		if (audience->peers[i]->round != audience->round)
			drop_peer(audience, i);
	return 0;
}

void cop__audience_close(struct cop__audience *audience)
{
	while (audience->count > 0)
		drop_peer(audience, audience->count - 1);
	free(audience->peers);
	*audience = (struct cop__audience){ 0 };
}

void cop__audience_forget(struct cop__audience *audience)
{
	for (size_t i = 0; i < audience->count; i++)
		cop__map_forget(&audience->peers[i]->map);
}

static bool lives(const struct cop__topic *topic, const struct cop__peer *peer)
{
	/* What cannot be asked is not proved dead. */
	return cop__member_lives(topic->membersfd, peer->name, peer->inode) != 0;
}

/* Does this subscriber, who has not read far enough, have to be waited for? */
static bool must_wait(struct cop__topic *topic, const struct cop__peer *peer)
{
	if (lives(topic, peer))
		return true;
	if (peer->named)
		return topic->settings.flags & COP_TOPIC_HOLD_AWAY;
	/* Best effort: whom the modes do not allow this leaves it to another. */
	if (cop__member_sweep(topic->membersfd, peer->name, NULL, NULL) == 1)
		cop__bell_members_changed(&topic->bell);
	return false;
}

static bool has_read(struct cop__peer *peer, const struct cop__topic *topic, const uint64_t uuid[2],
		     uint64_t position)
{
	struct cop__cursor_view view = cop__peer_cursor(peer, topic->membersfd, uuid);

	/* No cursor yet: it has not met this lane, and wants all of it. */
	return view.state == COP__CURSOR_DONE ||
	       (view.state != COP__CURSOR_FREE && view.position >= position);
}

int cop__audience_passed(struct cop__audience *audience, struct cop__topic *topic,
			 const uint64_t uuid[2], uint64_t position)
{
	for (size_t i = 0; i < audience->count; i++) {
		struct cop__peer *peer = audience->peers[i];

		if (cop__peer_kind(peer) == COP_SUB_LOSSLESS &&
		    !has_read(peer, topic, uuid, position) && must_wait(topic, peer))
			return 0;
	}
	return 1;
}

int cop__audience_drained(struct cop__audience *audience, struct cop__topic *topic,
			  const uint64_t uuid[2], uint64_t position)
{
	for (size_t i = 0; i < audience->count; i++) {
		struct cop__peer *peer = audience->peers[i];

		if (!has_read(peer, topic, uuid, position) && lives(topic, peer))
			return 0;
	}
	return 1;
}

int cop__audience_live(struct cop__audience *audience, struct cop__topic *topic)
{
	int live = 0;

	/* Who is still coming begins at the oldest message that it finds when it has come: what is
	 * sent before that need not reach it, so it is not promised to be there. */
	for (size_t i = 0; i < audience->count; i++)
		live += cop__peer_ready(audience->peers[i]) && lives(topic, audience->peers[i]);
	return live;
}
