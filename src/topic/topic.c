/*
 * topic/topic.c - a topic's directory: made whole, opened with care, removed only when empty
 */
#include "topic/topic.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "copage/error.h"
#include "os/error.h"
#include "os/export.h"
#include "os/os.h"

/* How often opening begins again because the topic came or went meanwhile. */
#define TRIES 1000

static const struct cop__topic_header default_settings = {
	.magic = COP__TOPIC_MAGIC,
	.version = COP__LAYOUT_VERSION,
	.byte_order = COP__BYTE_ORDER,
	.message_max = COP_MESSAGE_DEFAULT,
	.segments = COP_SEGMENTS_DEFAULT,
	.mode = 0600,
};

/* ---- modes ---- */

/* rw for a class of users becomes rwx on directories. */
static mode_t directory_mode(mode_t mode)
{
	return mode | (mode & 0444) >> 2;
}

struct cop__access cop__topic_member_access(const struct cop__topic *topic)
{
	mode_t mode = topic->settings.mode & ~(mode_t)022; /* one writer: others read at most */

	/* Where everybody may take part, members need not be in the topic's group to do so. */
	return (struct cop__access){ .mode = mode,
				     .group = mode & 0004 ? COP__ANY_GROUP
							  : topic->settings.group };
}

/* ---- making ---- */

static int publish_page(int dirfd, const char *name, const void *data, size_t size,
			const struct cop__access *access)
{
	int fd = cop__object_make(dirfd, COP__PAGE, access, name);

	if (fd < 0)
		return fd;

	ssize_t put = cop__os_pwrite(fd, data, size, 0);
	int rc = put == (ssize_t)size ? cop__object_publish(fd, dirfd, name)
				      : cop__fail_os(put < 0 ? (int)put : -EIO, "write %s", name);

	if (rc < 0) {
		cop__os_close(fd);
		return rc;
	}
	return fd;
}

static int make_members(int dirfd, const struct cop__topic_header *settings)
{
	struct cop__access access = { .mode = directory_mode(settings->mode) | 01000,
				      .group = settings->group };
	int rc = cop__os_mkdir(dirfd, "members", 0700);

	if (rc < 0)
		return cop__fail_os(rc, "make members");

	int fd = cop__os_open(dirfd, "members", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);

	if (fd < 0)
		return cop__fail_os(fd, "open members");
	rc = cop__object_set_access(fd, &access, "members");
	cop__os_close(fd);
	return rc;
}

/*
 * Fill a directory that nobody knows yet. The settings come first and stay locked until the topic
 * has its name: while the lock is held, its maker lives, and gc leaves it alone. Returns the
 * descriptor that holds the lock.
 */
static int fill_directory(int dirfd, const struct cop__topic_header *settings)
{
	struct cop__bell_page bell = { .magic = COP__BELL_MAGIC };
	struct cop__access reader = { .mode = settings->mode & ~0222u, .group = settings->group };
	struct cop__access writer = { .mode = settings->mode, .group = settings->group };
	struct cop__access directory = { .mode = directory_mode(settings->mode) & ~0022u,
					 .group = settings->group };
	int lock = cop__object_make(dirfd, COP__PAGE, &reader, "topic");

	if (lock < 0)
		return lock;

	int rc = cop__os_lock(lock);

	if (rc < 0)
		rc = cop__fail_os(rc, "lock the settings of a new topic");
	if (rc == 0 && cop__os_pwrite(lock, settings, sizeof(*settings), 0) != sizeof(*settings))
		rc = cop__fail(-EIO, "write topic: it could not be written whole");
	if (rc == 0)
		rc = cop__object_publish(lock, dirfd, "topic");
	if (rc == 0)
		rc = publish_page(dirfd, "bell", &bell, sizeof(bell), &writer);
	if (rc >= 0) {
		cop__os_close(rc);
		rc = make_members(dirfd, settings);
	}
	if (rc == 0)
		rc = cop__object_set_access(dirfd, &directory, "the topic's directory");
	if (rc < 0) {
		cop__os_close(lock);
		return rc;
	}
	return lock;
}

/* Take the files of a topic without members. The settings last: they tell that it is ours, so they
 * stay while anything else does. */
static int unlink_files(int dirfd)
{
	int rc = cop__os_unlink(dirfd, "bell");

	if (rc == 0 || rc == -ENOENT)
		rc = cop__os_unlink(dirfd, "topic");
	return rc == -ENOENT ? 0 : rc;
}

static void unmake(int rootfd, int dirfd, const char *name)
{
	(void)cop__os_rmdir(dirfd, "members");
	(void)unlink_files(dirfd);
	(void)cop__os_rmdir(rootfd, name);
}

/* The root is gone, which opening it again will tell; or it is no place for directories: /proc. */
static int fail_no_directories(int rootfd, const struct cop__place *place)
{
	struct stat st;

	if (cop__os_fstat(rootfd, &st) == 0 && st.st_nlink == 0)
		return -ENOENT;
	return cop__fail(-EOPNOTSUPP,
			 "make topic %s in %s: no directory can be made there; put the root on "
			 "tmpfs, such as /dev/shm",
			 place->name, place->root);
}

/* Make a topic whole under a name of no meaning, then give it its own. -EEXIST: it is there. */
static int make_topic(int rootfd, const struct cop__place *place,
		      const struct cop__topic_header *settings)
{
	char temporary[32];
	uint64_t random;
	int rc = cop__os_random(&random, sizeof(random));

	if (rc < 0)
		return cop__fail_os(rc, "make up a name");
	snprintf(temporary, sizeof(temporary), ".new.%016llx", (unsigned long long)random);
	rc = cop__os_mkdir(rootfd, temporary, 0700);
	if (rc == -ENOENT)
		return fail_no_directories(rootfd, place);
	if (rc < 0)
		return cop__fail_os(rc, "make topic %s in %s", place->name, place->root);

	int dirfd = cop__os_open(rootfd, temporary, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);

	if (dirfd < 0) {
		(void)cop__os_rmdir(rootfd, temporary);
		return dirfd == -ENOENT ? dirfd : cop__fail_os(dirfd, "make topic %s", place->name);
	}

	int lock = fill_directory(dirfd, settings);

	rc = lock < 0 ? lock : cop__os_rename_new(rootfd, temporary, place->name);
	if (rc < 0)
		unmake(rootfd, dirfd, temporary);
	cop__os_close(lock);
	cop__os_close(dirfd);
	if (rc < 0 && lock >= 0 && rc != -EEXIST && rc != -ENOENT)
		return cop__fail_os(rc, "name topic %s in %s", place->name, place->root);
	return rc;
}

/* ---- removing ---- */

static int find_entry(void *arg, const char *name, uint64_t inode)
{
	(void)arg;
	(void)name;
	(void)inode;
	return 1;
}

/* Then it is empty, or has our settings. */
int cop__topic_is_dead(int dirfd)
{
	struct stat st;
	uint64_t magic = 0;
	int fd = cop__object_open(dirfd, "topic", O_RDONLY, &st);

	if (fd == -ENOENT) {
		int found = cop__os_list(dirfd, find_entry, NULL);

		if (found == -ENOENT)
			return 1; /* away already */
		return found < 0 ? found : !found;
	}
	if (fd < 0)
		return fd == -EBADMSG ? 0 : fd;

	ssize_t got = cop__os_pread(fd, &magic, sizeof(magic), 0);

	cop__os_close(fd);
	return got < 0 ? (int)got : magic == COP__TOPIC_MAGIC;
}

static int fail_foreign(const char *name)
{
	return cop__fail(-EBADMSG, "open topic %s: it is a directory of something else", name);
}

int cop__topic_take_down(int rootfd, int dirfd, const char *name)
{
	int rc = cop__topic_is_dead(dirfd);

	if (rc < 0)
		return rc;
	if (rc == 0)
		return fail_foreign(name);
	/* By the directory itself and not by its name, so that a new topic of this name is not
	 * touched; and rmdir takes only what is empty. */
	rc = unlink_files(dirfd);
	if (rc == 0)
		rc = cop__os_rmdir(rootfd, name);
	return rc == -ENOENT || rc == -ENOTEMPTY ? 0 : rc;
}

int cop__topic_remove_empty(const struct cop__topic *topic)
{
	int rc = cop__os_rmdir(topic->dirfd, "members");

	if (rc == -ENOTEMPTY || rc == -EEXIST)
		return 0;
	if (rc < 0 && rc != -ENOENT)
		return rc;

	/* It is dead now: whoever comes helps it away. */
	int rootfd = cop__open_root(&topic->place, false);

	if (rootfd < 0)
		return 1;
	rc = cop__topic_take_down(rootfd, topic->dirfd, topic->place.name);
	cop__os_close(rootfd);
	if (topic->place.private_root)
		(void)cop__os_rmdir(AT_FDCWD, topic->place.root);
	return rc < 0 ? rc : 1;
}

/* ---- opening ---- */

static int fail_denied(const struct cop__topic *topic)
{
	return cop__fail(-EACCES,
			 "open topic %s in %s: denied; it belongs to user %u, group %u, mode %04o, "
			 "and this process is user %u, group %u; its owner can make one with "
			 "another mode (copage create --mode)",
			 topic->place.name, topic->place.root, topic->st.st_uid, topic->st.st_gid,
			 topic->st.st_mode & 0777, cop__os_uid(), cop__os_gid());
}

static int check_settings(const struct cop__topic *topic)
{
	const struct cop__topic_header *s = &topic->settings;
	const char *name = topic->place.name;

	if (s->magic != COP__TOPIC_MAGIC || s->byte_order != COP__BYTE_ORDER)
		return cop__fail(-EBADMSG, "open topic %s: its settings are not Copage's", name);
	if (s->version != COP__LAYOUT_VERSION)
		return cop__fail(-EPROTO,
				 "open topic %s: it has layout version %u, and this library speaks "
				 "%u; use the version that made it, or remove it",
				 name, s->version, COP__LAYOUT_VERSION);
	if ((s->flags & ~COP__TOPIC_FLAGS) != 0 || s->message_max == 0 ||
	    s->message_max > COP_MESSAGE_MAX || s->segments < 2 || s->segments > COP_SEGMENTS_MAX ||
	    (s->mode != 0600 && s->mode != 0660 && s->mode != 0666))
		return cop__fail(-EBADMSG, "open topic %s: its settings are damaged", name);
	return 0;
}

/* Say of which topic the file is that a sentence names. */
static int fail_inside(const struct cop__topic *topic, int rc)
{
	return cop__fail(rc, "open topic %s: %s", topic->place.name, cop_error_text());
}

/* Who takes part in a private topic must be its owner: others, who are root, would make files there
 * that the owner could not read, and each would wait for the other. */
static int check_owner(const struct cop__topic *topic)
{
	if (topic->settings.mode != 0600 || topic->st.st_uid == cop__os_uid())
		return 0;
	return cop__fail(-EACCES,
			 "take part in topic %s: it is private to user %u, mode 0600, and this "
			 "process is user %u; run it as that user",
			 topic->place.name, topic->st.st_uid, cop__os_uid());
}

static int read_settings(struct cop__topic *topic)
{
	struct stat st;
	int fd = cop__object_open(topic->dirfd, "topic", O_RDONLY, &st);

	if (fd < 0)
		return fd == -ENOENT ? fd : fail_inside(topic, fd);

	ssize_t got = (uint64_t)st.st_size < COP__PAGE
			      ? (ssize_t)st.st_size
			      : cop__os_pread(fd, &topic->settings, sizeof(topic->settings), 0);

	cop__os_close(fd);
	if (got < 0)
		return cop__fail_os((int)got, "read the settings of topic %s", topic->place.name);
	if (got != sizeof(topic->settings))
		return cop__fail(-EBADMSG, "open topic %s: its settings are truncated to %zd bytes",
				 topic->place.name, got);
	return check_settings(topic);
}

/*
 * Open what is in the directory. -ENOENT without a sentence: the topic is being removed. members
 * comes first: while it is there nothing else is taken away.
 */
static int open_inside(struct cop__topic *topic, enum cop__topic_need need)
{
	int fd = cop__os_open(topic->dirfd, "members", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);

	if (fd == -EACCES)
		return fail_denied(topic);
	if (fd == -ENOTDIR || fd == -ELOOP)
		return cop__fail(-EBADMSG, "open topic %s: members is not a directory",
				 topic->place.name);
	if (fd < 0)
		return fd == -ENOENT ? fd : cop__fail_os(fd, "open topic %s", topic->place.name);
	topic->membersfd = fd;

	int rc = read_settings(topic);

	if (rc == 0 && need == COP__TOPIC_JOIN_OR_MAKE)
		rc = check_owner(topic);
	if (rc == 0 && need != COP__TOPIC_LOOK) {
		rc = cop__bell_open(&topic->bell, topic->dirfd);
		if (rc < 0 && rc != -ENOENT)
			rc = fail_inside(topic, rc);
	}
	if (rc != -ENOENT)
		return rc;
	/* Settings or bell are missing. That is the removal's second step, or damage. */
	fd = cop__os_open(topic->dirfd, "members", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	cop__os_close(fd);
	return fd < 0 ? -ENOENT
		      : cop__fail(-EBADMSG, "open topic %s: its settings or its bell are missing",
				  topic->place.name);
}

static int open_directory(struct cop__topic *topic, int rootfd)
{
	int fd = cop__os_open(rootfd, topic->place.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);

	if (fd == -ENOENT)
		return fd;
	if (fd == -ENOTDIR || fd == -ELOOP)
		return cop__fail(-EBADMSG, "open topic %s in %s: it is not a directory of Copage",
				 topic->place.name, topic->place.root);
	if (fd == -EACCES && cop__os_lstat(rootfd, topic->place.name, &topic->st) == 0)
		return fail_denied(topic);
	if (fd < 0)
		return cop__fail_os(fd, "open topic %s in %s", topic->place.name,
				    topic->place.root);
	topic->dirfd = fd;

	int rc = cop__os_fstat(fd, &topic->st);

	return rc < 0 ? cop__fail_os(rc, "look at topic %s", topic->place.name) : 0;
}

void cop__topic_close(struct cop__topic *topic)
{
	cop__bell_close(&topic->bell);
	cop__os_close(topic->membersfd);
	cop__os_close(topic->dirfd);
	topic->membersfd = topic->dirfd = -1;
}

/* Half removed, by somebody who died there or is still at it: help. -ENOENT it is gone. */
static int help_away(const struct cop__topic *topic)
{
	int rc = cop__topic_remove_empty(topic);

	if (rc >= 0)
		return -ENOENT;
	if (rc == -EACCES || rc == -EPERM)
		return cop__fail(-EACCES,
				 "open topic %s in %s: it was left half removed, and only its "
				 "owner, user %u, can finish that (copage gc)",
				 topic->place.name, topic->place.root, topic->st.st_uid);
	if (rc == -EBADMSG)
		return rc;
	return cop__fail_os(rc, "take away what is left of topic %s in %s", topic->place.name,
			    topic->place.root);
}

/* The same without touching it. */
static int look_at_remains(const struct cop__topic *topic)
{
	int rc = cop__topic_is_dead(topic->dirfd);

	if (rc < 0)
		return cop__fail_os(rc, "look into topic %s", topic->place.name);
	return rc == 1 ? -ENOENT : fail_foreign(topic->place.name);
}

/* One try. -ENOENT without a sentence: it is not there, or was just going. */
static int try_open(struct cop__topic *topic, int rootfd, enum cop__topic_need need)
{
	topic->dirfd = topic->membersfd = topic->bell.fd = -1;
	topic->bell.map.base = NULL;

	int rc = open_directory(topic, rootfd);

	if (rc < 0) {
		cop__topic_close(topic);
		return rc;
	}
	rc = open_inside(topic, need);
	if (rc == -ENOENT)
		rc = need == COP__TOPIC_LOOK ? look_at_remains(topic) : help_away(topic);
	if (rc < 0)
		cop__topic_close(topic);
	return rc;
}

static int open_or_make(struct cop__topic *topic, enum cop__topic_need need)
{
	struct cop__topic_header settings = default_settings;
	int rc = -ENOENT;

	settings.group = cop__os_gid();
	for (int i = 0; i < TRIES; i++) {
		int rootfd = cop__open_root(&topic->place, true);

		if (rootfd == -ENOENT && topic->place.private_root)
			continue; /* it went with its last topic, just now */
		if (rootfd < 0)
			return rootfd;
		rc = try_open(topic, rootfd, need);
		if (rc == -ENOENT) {
			settings.created_ns = cop__os_realtime_ns();
			rc = make_topic(rootfd, &topic->place, &settings);
			if (rc == 0 || rc == -EEXIST)
				rc = -ENOENT; /* made, by us or another: open it */
		} else {
			cop__os_close(rootfd);
			return rc;
		}
		cop__os_close(rootfd);
		if (rc != -ENOENT)
			return rc;
	}
	return cop__fail(-EBUSY, "open topic %s: it came and went %d times", topic->place.name,
			 TRIES);
}

int cop__topic_open_at(struct cop__topic *topic, const struct cop__place *place,
		       enum cop__topic_need need)
{
	*topic = (struct cop__topic){ .place = *place };
	if (need == COP__TOPIC_JOIN_OR_MAKE)
		return open_or_make(topic, need);

	int rootfd = cop__open_root(&topic->place, false);

	if (rootfd < 0 && !(rootfd == -ENOENT && place->private_root))
		return rootfd;

	int rc = rootfd < 0 ? -ENOENT : try_open(topic, rootfd, need);

	cop__os_close(rootfd);
	if (rc == -ENOENT)
		return cop__fail(rc, "open topic %s: there is none in %s", place->name,
				 place->root);
	return rc;
}

int cop__topic_open(struct cop__topic *topic, const char *name, enum cop__topic_need need)
{
	struct cop__place place;
	int rc = cop__find_place(&place, name);

	return rc < 0 ? rc : cop__topic_open_at(topic, &place, need);
}

struct visit {
	cop__os_visit *visit;
	void *arg;
	int rc; /* what the visitor said */
};

static int relay(void *arg, const char *name, uint64_t inode)
{
	struct visit *visit = arg;

	visit->rc = visit->visit(visit->arg, name, inode);
	return visit->rc;
}

int cop__topic_members(const struct cop__topic *topic, cop__os_visit *visit, void *arg)
{
	struct visit relayed = { .visit = visit, .arg = arg };
	int rc = cop__os_list(topic->membersfd, relay, &relayed);

	if (relayed.rc == 0 && rc < 0 && rc != -ENOENT)
		return cop__fail_os(rc, "list the members of topic %s", topic->place.name);
	return rc;
}

void cop__topic_give_up(struct cop__topic *topic)
{
	if (!(topic->settings.flags & COP__TOPIC_KEPT))
		(void)cop__topic_remove_empty(topic);
	cop__topic_close(topic);
}

bool cop__join_again(int rc, int tries)
{
	if (rc == -EAGAIN && tries < TRIES)
		return cop__os_poll_readable(-1, 1000000) == 0; /* a nap */
	return (rc == -ENOENT || rc == -EEXIST) && tries < TRIES;
}

/* ---- cop_topic_create ---- */

static int settings_from(const struct cop_topic_opts *opts, struct cop__topic_header *settings)
{
	*settings = default_settings;
	settings->flags = opts->flags | COP__TOPIC_KEPT;
	settings->group = opts->group ? (uint32_t)(opts->group - 1) : cop__os_gid();
	settings->created_ns = cop__os_realtime_ns();
	if (opts->mode)
		settings->mode = opts->mode;
	if (opts->message_max_bytes)
		settings->message_max = opts->message_max_bytes;
	if (opts->segments)
		settings->segments = opts->segments;
	if (opts->flags & ~COP_TOPIC_HOLD_AWAY)
		return cop__fail(-EINVAL, "create a topic: unknown flags 0x%x", opts->flags);
	if (settings->mode != 0600 && settings->mode != 0660 && settings->mode != 0666)
		return cop__fail(-EINVAL, "create a topic: mode %04o is not 0600, 0660 or 0666",
				 settings->mode);
	if (settings->message_max > COP_MESSAGE_MAX)
		return cop__fail(-EINVAL, "create a topic: messages of %llu bytes; %u is the most",
				 (unsigned long long)settings->message_max, COP_MESSAGE_MAX);
	if (settings->segments < 2 || settings->segments > COP_SEGMENTS_MAX)
		return cop__fail(-EINVAL, "create a topic: %u segments; 2 to %d are possible",
				 settings->segments, COP_SEGMENTS_MAX);
	if (opts->group < 0 || opts->group > (int64_t)UINT32_MAX)
		return cop__fail(-EINVAL, "create a topic: there is no such group");
	return 0;
}

/* Is what stands in the way a topic that somebody died over while removing it? Then it is gone
 * after this. */
static bool is_half_removed(const struct cop__place *place)
{
	struct cop__topic topic;
	int rc = cop__topic_open_at(&topic, place, COP__TOPIC_JOIN);

	if (rc == 0)
		cop__topic_close(&topic);
	return rc == -ENOENT;
}

COP_EXPORT int cop_topic_create(const char *topic, const struct cop_topic_opts *opts)
{
	struct cop_topic_opts o = COP_TOPIC_OPTS_INIT;
	struct cop__topic_header settings;
	struct cop__place place;
	int rc = cop__copy_options(&o, sizeof(o), opts);

	if (rc == 0)
		rc = cop__find_place(&place, topic);
	if (rc == 0)
		rc = settings_from(&o, &settings);
	if (rc != 0)
		return rc;
	for (int i = 0; i < TRIES; i++) {
		int rootfd = cop__open_root(&place, true);

		if (rootfd < 0 && !(rootfd == -ENOENT && place.private_root))
			return rootfd;
		rc = rootfd < 0 ? rootfd : make_topic(rootfd, &place, &settings);
		cop__os_close(rootfd);
		if (rc == -EEXIST && !is_half_removed(&place))
			return cop__fail(rc, "create topic %s: it is there already, in %s",
					 place.name, place.root);
		if (rc != -ENOENT && rc != -EEXIST)
			return rc;
	}
	return cop__fail(-EBUSY, "create topic %s: it came and went %d times", place.name, TRIES);
}
