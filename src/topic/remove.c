/*
 * topic/remove.c - take a topic, or a subscriber that is away, off the machine
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "os/error.h"
#include "os/export.h"
#include "os/os.h"
#include "topic/sweep.h"

struct removal {
	struct cop__topic *topic;
	uint32_t flags;
	int rc; /* of the last member that could not be removed */
};

static bool is_member(const char *name)
{
	return cop__pub_name_of(name) || cop__sub_name_of(name);
}

/* Before anything is touched: is there somebody who lives, or something that is not ours? */
static int check_member(void *arg, const char *name, uint64_t inode)
{
	const struct removal *removal = arg;
	const struct cop__topic *topic = removal->topic;

	if (!is_member(name))
		return cop__fail(-EBADMSG,
				 "remove topic %s: members/%s is not Copage's; take it away first",
				 topic->place.name, name);
	if (removal->flags & COP_REMOVE_FORCE)
		return 0;
	if (cop__member_lives(topic->membersfd, name, inode) == 1)
		return cop__fail(-EBUSY, "remove topic %s: member %s is alive", topic->place.name,
				 name);
	return 0;
}

static int remove_member(void *arg, const char *name, uint64_t inode)
{
	struct removal *removal = arg;
	int membersfd = removal->topic->membersfd;
	int rc;

	if (removal->flags & COP_REMOVE_FORCE) {
		rc = cop__os_unlink(membersfd, name);
	} else {
		/* By the lock, so that one who came meanwhile is not taken for dead. */
		rc = cop__member_sweep(membersfd, name, NULL, NULL);
		if (rc == -EAGAIN ||
		    (rc == -EBADMSG && cop__member_lives(membersfd, name, inode) == 1))
			rc = cop__fail(-EBUSY, "remove topic %s: member %s is alive",
				       removal->topic->place.name, name);
		else if (rc == -EBADMSG)
			rc = cop__os_unlink(membersfd, name);
	}
	if (rc == -EACCES || rc == -EPERM)
		rc = cop__fail(-EACCES,
			       "remove topic %s: member %s belongs to another user; the topic's "
			       "owner or root can remove it",
			       removal->topic->place.name, name);
	else if (rc < 0 && rc != -ENOENT && rc != -EBUSY)
		rc = cop__fail_os(rc, "remove topic %s: member %s", removal->topic->place.name,
				  name);
	if (rc < 0 && rc != -ENOENT)
		removal->rc = rc;
	return 0;
}

static int remove_all(struct removal *removal)
{
	struct cop__topic *topic = removal->topic;
	int rc = cop__topic_members(topic, check_member, removal);

	if (rc == 0)
		rc = cop__topic_members(topic, remove_member, removal);
	if (rc == 0)
		rc = removal->rc;
	if (rc < 0)
		return rc;
	rc = cop__topic_remove_empty(topic);
	if (rc == 0)
		return cop__fail(-EBUSY, "remove topic %s: somebody joined it meanwhile",
				 topic->place.name);
	if (rc == -EACCES || rc == -EPERM)
		return cop__fail(-EACCES, "remove topic %s: it belongs to user %u",
				 topic->place.name, topic->st.st_uid);
	return rc < 0 ? cop__fail_os(rc, "remove topic %s", topic->place.name) : 0;
}

COP_EXPORT int cop_topic_remove(const char *topic, uint32_t flags)
{
	struct cop__topic opened;
	struct removal removal = { .topic = &opened, .flags = flags };

	if (flags & ~COP_REMOVE_FORCE)
		return cop__fail(-EINVAL, "remove a topic: unknown flags 0x%x", flags);

	int rc = cop__topic_open(&opened, topic, COP__TOPIC_LOOK);

	if (rc < 0)
		return rc;
	rc = remove_all(&removal);
	cop__topic_close(&opened);
	return rc;
}

static int forget(struct cop__topic *topic, const char *subscriber)
{
	char file[COP__MEMBER_NAME_MAX];
	bool gone;
	int rc = cop__member_name(file, "sub.", subscriber);

	if (rc < 0)
		return rc;
	rc = cop__member_sweep(topic->membersfd, file, NULL, NULL);
	if (rc == -EAGAIN)
		return cop__fail(-EBUSY, "forget subscriber %s of %s: it is alive", subscriber,
				 topic->place.name);
	if (rc == -ENOENT)
		return cop__fail(rc, "forget subscriber %s of %s: there is none of that name",
				 subscriber, topic->place.name);
	if (rc < 0)
		return rc;
	/* Publishers that waited for it wait no more, and what was kept for it alone goes. */
	cop__bell_members_changed(&topic->bell);
	(void)cop__sweep(topic, 0, NULL, NULL, &gone);
	return 0;
}

COP_EXPORT int cop_topic_forget(const char *topic, const char *subscriber)
{
	struct cop__topic opened;
	int rc = cop__topic_open(&opened, topic, COP__TOPIC_JOIN);

	if (rc < 0)
		return rc;
	rc = forget(&opened, subscriber);
	cop__topic_close(&opened);
	return rc;
}
