/*
 * topic/gc.c - whole roots: list the topics, and clean up
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/error.h"
#include "os/export.h"
#include "os/os.h"
#include "topic/sweep.h"

#define NEW_PREFIX ".new."

/* ---- names in a root ---- */

struct names {
	char (*name)[NAME_MAX + 1];
	size_t count, room;
};

static int add_name(void *arg, const char *name, uint64_t inode)
{
	struct names *names = arg;

	(void)inode;
	if (names->count == names->room) {
		size_t room = names->room ? 2 * names->room : 64;
		void *more = realloc(names->name, room * sizeof(*names->name));

		if (!more)
			return -ENOMEM;
		names->name = more;
		names->room = room;
	}
	snprintf(names->name[names->count++], sizeof(*names->name), "%s", name);
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

static int list_root(const struct cop__place *place, struct names *names)
{
	int fd = cop__open_root(place, false);

	*names = (struct names){ 0 };
	if (fd == -ENOENT && place->private_root)
		return 0;
	if (fd < 0)
		return fd;

	int rc = cop__os_list(fd, add_name, names);

	cop__os_close(fd);
	if (rc != 0) {
		free(names->name);
		cop__fail_os(rc, "list %s", place->root);
		return rc;
	}
	if (names->count > 0)
		qsort(names->name, names->count, sizeof(*names->name), compare_names);
	return 0;
}

static int set_root(struct cop__place *place, const char *root)
{
	char path[COP__PATH_MAX];

	if (!root)
		return cop__find_root(place);
	/* A name that no topic is asked by: only the root part is used. */
	if ((size_t)snprintf(path, sizeof(path), "%s/x", root) >= sizeof(path))
		return cop__fail(-ENAMETOOLONG, "find the root: its path is too long");
	return cop__find_place(place, path);
}

static bool may_be_topic(const char *name)
{
	return name[0] != '.' && strlen(name) <= COP_NAME_MAX;
}

COP_EXPORT int cop_topic_list(const char *root, cop_topic_visit *visit, void *arg)
{
	struct cop__place place = { 0 };
	struct names names;
	int count = 0;
	int rc = set_root(&place, root);

	if (rc == 0)
		rc = list_root(&place, &names);
	if (rc != 0)
		return rc;
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		struct cop__topic topic;

		if (!may_be_topic(names.name[i]))
			continue;
		snprintf(place.name, sizeof(place.name), "%s", names.name[i]);

		int error = cop__topic_open_at(&topic, &place, COP__TOPIC_LOOK);

		if (error == 0)
			cop__topic_close(&topic);
		if (error == -ENOENT)
			continue; /* it went meanwhile */
		count++;
		rc = visit(arg, names.name[i], error);
	}
	free(names.name);
	return rc != 0 ? rc : count;
}

/* ---- half-made and half-removed topics ---- */

struct leftover {
	const struct cop__place *place;
	const char *name;
	uint32_t flags;
	cop_gc_visit *visit;
	void *arg;
};

static int tell(const struct leftover *left, const char *reason, int rc)
{
	char path[2 * COP__PATH_MAX];
	struct cop_gc_item item = { .path = path, .reason = reason, .error = rc < 0 ? rc : 0 };

	snprintf(path, sizeof(path), "%s/%s", left->place->root, left->name);
	if (left->visit)
		left->visit(left->arg, &item);
	return rc < 0 ? 0 : 1;
}

static int take_down(const struct leftover *left, int rootfd, int dirfd, const char *reason)
{
	int rc;

	if (left->flags & COP_GC_DRY_RUN) {
		rc = cop__topic_is_dead(dirfd);
		rc = rc > 0 ? 0 : rc == 0 ? -EBADMSG : rc;
	} else {
		rc = cop__topic_take_down(rootfd, dirfd, left->name);
	}
	/* It is not ours: nothing to tell. */
	return rc == -EBADMSG ? 0 : tell(left, reason, rc);
}

/* Is the maker of a topic that has no name yet alive? Then its settings are locked. */
static int maker_lives(int dirfd)
{
	struct stat st;
	int fd = cop__object_open(dirfd, "topic", O_RDONLY, &st);
	int rc = fd == -ENOENT ? 0 : fd;

	if (fd >= 0)
		rc = cop__os_locked(fd);
	cop__os_close(fd);
	return rc;
}

static int sweep_half_made(const struct leftover *left, int rootfd)
{
	int rc = 0;
	int dirfd = cop__os_open(rootfd, left->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);

	if (dirfd < 0)
		return 0;
	/* Without settings there is no lock to ask. Then only the empty directory is removed,
	 * which a maker who lives makes again. */
	if (maker_lives(dirfd) == 0) {
		if (!(left->flags & COP_GC_DRY_RUN))
			(void)cop__os_rmdir(dirfd, "members");
		rc = take_down(left, rootfd, dirfd, "its maker died before it was whole");
	}
	cop__os_close(dirfd);
	return rc;
}

/* A topic without members/ is dead: its removal began and its remover died. */
static int sweep_half_removed(const struct leftover *left, int rootfd)
{
	struct stat st;
	int rc = 0;
	int dirfd = cop__os_open(rootfd, left->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);

	if (dirfd < 0)
		return 0;
	if (cop__os_lstat(dirfd, "members", &st) == -ENOENT)
		rc = take_down(left, rootfd, dirfd, "it was left half removed");
	cop__os_close(dirfd);
	return rc;
}

static int sweep_leftover(const struct leftover *left)
{
	int rootfd = cop__open_root(left->place, false);
	int rc;

	if (rootfd < 0)
		return 0;
	rc = strncmp(left->name, NEW_PREFIX, strlen(NEW_PREFIX)) == 0
		     ? sweep_half_made(left, rootfd)
		     : sweep_half_removed(left, rootfd);
	cop__os_close(rootfd);
	return rc;
}

/* ---- cop_gc ---- */

static int gc_topic(const struct cop__place *place, uint32_t flags, cop_gc_visit *visit, void *arg)
{
	struct cop__topic topic;
	bool gone;
	uint32_t how = COP__SWEEP_ALL | (flags & COP_GC_DRY_RUN ? COP__SWEEP_DRY : 0);
	int rc = cop__topic_open_at(&topic, place, COP__TOPIC_LOOK);

	if (rc < 0)
		return rc;
	rc = cop__sweep(&topic, how, visit, arg, &gone);
	cop__topic_close(&topic);
	return rc;
}

static int gc_root(struct cop__place *place, uint32_t flags, cop_gc_visit *visit, void *arg)
{
	struct names names;
	int count = 0;
	int rc = list_root(place, &names);

	if (rc != 0)
		return rc;
	for (size_t i = 0; i < names.count; i++) {
		struct leftover left = { place, names.name[i], flags, visit, arg };

		rc = -ENOENT;
		if (may_be_topic(left.name)) {
			snprintf(place->name, sizeof(place->name), "%s", left.name);
			rc = gc_topic(place, flags, visit, arg);
			count += rc > 0 ? rc : 0;
		}
		if (rc == -ENOENT)
			count += sweep_leftover(&left);
	}
	free(names.name);
	return count;
}

COP_EXPORT int cop_gc(const char *topic, uint32_t flags, cop_gc_visit *visit, void *arg)
{
	struct cop__place place = { 0 };
	size_t len = topic ? strlen(topic) : 0;
	int rc;

	if (flags & ~COP_GC_DRY_RUN)
		return cop__fail(-EINVAL, "clean up: unknown flags 0x%x", flags);
	if (topic && (len == 0 || topic[len - 1] != '/')) {
		rc = cop__find_place(&place, topic);
		if (rc < 0)
			return rc;
		rc = gc_topic(&place, flags, visit, arg);
		if (rc == -ENOENT) {
			struct leftover left = { &place, place.name, flags, visit, arg };
			int swept = sweep_leftover(&left);

			rc = swept > 0 ? swept : rc;
		}
		return rc;
	}
	rc = set_root(&place, topic);
	return rc < 0 ? rc : gc_root(&place, flags, visit, arg);
}
