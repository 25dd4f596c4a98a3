/*
 * copage/topic.h - topics as a whole: create, look into, list, remove, clean up
 *
 * A topic is a named stream: a directory below a root. Publishers and subscribers make what they
 * need by themselves, so most programs never call anything in here; operators do.
 *
 *   <root>/prices/topic         settings, immutable
 *                 bell          wake-ups: hints, never data
 *                 members/pub.NAME   one lane per publisher
 *                         sub.NAME   one page of cursors per subscriber
 *
 * Naming a topic. A plain NAME is a topic in the default root: the directory that the environment
 * variable COPAGE_ROOT names, else /dev/shm/copage where root made that for all (mode 1777), else
 * /dev/shm/copage-UID, which is made when needed and goes with its last topic. "DIR/NAME", with at
 * least one slash, is the topic NAME in the root DIR. A root given by hand must exist. It should be
 * on tmpfs; a file system without O_TMPFILE is refused with -EOPNOTSUPP.
 * NAME is 1 to COP_NAME_MAX bytes of A-Z a-z 0-9 . _ - and does not begin with '.' or '-'.
 *
 * Life of a topic. It appears with its first member and goes with its last one, unless it was
 * made by cop_topic_create(), which keeps it until cop_topic_remove(). "Last one" counts live
 * members, closed publishers whose messages somebody still has to read, and named subscribers
 * that are away. Members that died are swept by whoever meets them first, on proof: the kernel
 * freed the lock that they held.
 */
#ifndef COPAGE_TOPIC_H
#define COPAGE_TOPIC_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define COP_NAME_MAX 128 /* bytes in the name of a topic, publisher or subscriber */
#define COP_MESSAGE_MAX (256u << 20) /* bytes in the largest message that any lane can carry */
#define COP_MESSAGE_DEFAULT (1u << 20) /* bytes in the largest message of a lane by default */
#define COP_SEGMENTS_DEFAULT 3 /* segments of a lane by default */
#define COP_SEGMENTS_MAX 1024

/* Named subscribers that are away hold the ring back as if they were there. */
#define COP_TOPIC_HOLD_AWAY (1u << 0)

/* Settings of a topic, fixed when it is made. Zero means the default, in every field. */
struct cop_topic_opts {
	/* Of this structure; COP_TOPIC_OPTS_INIT sets it. */
	size_t size;
	/* COP_TOPIC_* */
	uint32_t flags;
	/* Who may take part: 0600 (default), 0660 or 0666; exact in spite of umask. */
	uint32_t mode;
	/* The group of its files, as gid + 1. Default: the caller's. */
	int64_t group;
	/* Lanes carry messages up to this size unless their publisher says otherwise: up to
	 * COP_MESSAGE_MAX bytes. */
	uint64_t message_max_bytes;
	/* Segments of a lane, likewise: 2 to COP_SEGMENTS_MAX. */
	uint32_t segments;
};
/* clang-format off */
#define COP_TOPIC_OPTS_INIT { sizeof(struct cop_topic_opts), 0, 0, 0, 0, 0 }
/* clang-format on */

/*
 * Make a topic that stays until it is removed. opts may be NULL.
 * Errors: -EEXIST it is there already; -EINVAL, -ENAMETOOLONG the name or an option breaks its
 * rule; -E2BIG; -ENOENT the root is missing; -EACCES; -EPERM the group is not one of the
 * caller's; -ENOSPC; -EOPNOTSUPP; -EMFILE, -ENFILE, -ENOMEM. Does not wait for anyone.
 */
int cop_topic_create(const char *topic, const struct cop_topic_opts *opts);

/* Remove the topic although live members are there: they go on in memory that has no name. */
#define COP_REMOVE_FORCE (1u << 0)

/*
 * Remove a topic with all that it keeps: lanes, cursors of named subscribers, settings. Live
 * members are not disturbed: without COP_REMOVE_FORCE the call refuses with -EBUSY and names one.
 * Errors: -ENOENT; -EBUSY; -EACCES a file of another user cannot be removed (the topic's owner
 * and root can); -EINVAL; -EBADMSG the directory holds something that is not Copage's, which is
 * left alone.
 */
int cop_topic_remove(const char *topic, uint32_t flags);

/*
 * Forget one named subscriber that is away, and with it what is kept for it.
 * Errors: -ENOENT no such topic or subscriber; -EBUSY it is alive; -EACCES; -EINVAL.
 */
int cop_topic_forget(const char *topic, const char *subscriber);

enum cop_member_state {
	COP_MEMBER_LIVE = 1, /* its process lives, be it running or stopped */
	COP_MEMBER_CLOSED, /* a publisher that closed; its last messages are still to be read */
	COP_MEMBER_DEAD, /* its process died: the kernel freed its lock */
	COP_MEMBER_AWAY, /* a named subscriber that is not here; its cursor is kept */
	COP_MEMBER_CORRUPT, /* the file is not sound; nobody takes it for a member */
	COP_MEMBER_DENIED, /* the caller may not look into it */
};

/* A publisher as others see it. */
struct cop_pub_stat {
	const char *name;
	enum cop_member_state state;
	uint32_t uid, gid, mode; /* of its file */
	int32_t pid; /* as it told, in its own PID namespace: for display only */
	uint64_t messages; /* committed since the lane began: the last sequence */
	uint64_t position; /* bytes of lane written since it began, records and padding */
	uint64_t oldest; /* sequence of the oldest message still kept */
	uint64_t kept_bytes; /* of lane between the oldest message and the newest */
	uint64_t message_max_bytes; /* the largest message it can send */
	uint64_t segment_bytes;
	uint32_t segments;
	uint64_t memory_bytes; /* pages reserved for its file */
	int64_t opened_ns; /* CLOCK_REALTIME when its present owner opened it */
};

/* How far a subscriber has read one lane. */
struct cop_cursor_stat {
	const char *publisher; /* NULL: that lane is gone */
	uint64_t sequence; /* of the next message to be read */
	uint64_t position;
	uint64_t lag_messages, lag_bytes; /* committed and not yet read */
};

/* A subscriber as others see it. */
struct cop_sub_stat {
	const char *name;
	enum cop_member_state state;
	uint32_t uid, gid, mode;
	int32_t pid;
	int named; /* it can be away and come back */
	int lossless; /* the ring waits for it */
	uint64_t lag_messages, lag_bytes; /* over all its lanes */
	uint64_t memory_bytes;
	int64_t opened_ns;
	size_t cursor_count;
	const struct cop_cursor_stat *cursors;
};

/* A topic at one moment. The moment is not atomic: members go on while it is taken. */
struct cop_topic_stat {
	const char *name;
	const char *path; /* of its directory */
	uint32_t uid, gid, mode; /* of its owner */
	uint32_t flags; /* COP_TOPIC_* */
	int kept; /* made by cop_topic_create(): stays when empty */
	uint32_t layout_version;
	uint64_t message_max_bytes; /* default for lanes */
	uint32_t segments; /* likewise */
	uint64_t memory_bytes; /* of all its files */
	int64_t created_ns; /* CLOCK_REALTIME */
	size_t pub_count;
	const struct cop_pub_stat *pubs;
	size_t sub_count;
	const struct cop_sub_stat *subs;
};

/*
 * Look into a topic, without taking part in it. *stat is set to memory that the caller gives back
 * with cop_topic_stat_free(); all strings and arrays belong to it. A member that is corrupt or
 * may not be read is listed with that state and zeros.
 * Errors: -ENOENT; -EACCES; -EBADMSG, -EPROTO the settings cannot be read; -EINVAL; -ENOMEM;
 * -EMFILE, -ENFILE.
 */
int cop_topic_stat(const char *topic, struct cop_topic_stat **stat);
void cop_topic_stat_free(struct cop_topic_stat *stat);

/*
 * Call visit for every entry of a root that may be a topic, in the order of names: name, and what
 * opening its settings gave (0, -EBADMSG, -EPROTO, -EACCES). root is a directory, or NULL for the
 * default one; /dev/shm/copage-UID that does not exist holds no topics. Stops early when visit
 * returns non-zero, with that value; else returns how many there were.
 * Errors: -ENOENT a root that was given, or that COPAGE_ROOT names, is missing; -EACCES; -ENOMEM;
 * -EMFILE, -ENFILE.
 */
typedef int cop_topic_visit(void *arg, const char *name, int error);
int cop_topic_list(const char *root, cop_topic_visit *visit, void *arg);

/* Only tell what would be removed. */
#define COP_GC_DRY_RUN (1u << 0)

/* One thing that cop_gc() removed, would remove, or could not. */
struct cop_gc_item {
	const char *path;
	const char *reason; /* why it is garbage, and how that is known */
	uint64_t bytes; /* of memory it held */
	int error; /* 0, or why it could not be removed: a negative errno */
};

/*
 * Remove what the dead left: members whose lock the kernel freed and that nobody needs any more,
 * lanes that all have read, empty topics that are not kept, half-made topics of creators that
 * died. topic names one topic; NULL means all in the default root, and "DIR/" all in DIR. What
 * lives, is away under a name, or is not Copage's is left alone. Calls visit, which may be NULL,
 * for each; returns how many were (or would be) removed.
 * Errors: as cop_topic_list(). A single item's failure goes to visit and does not end the call.
 */
typedef void cop_gc_visit(void *arg, const struct cop_gc_item *item);
int cop_gc(const char *topic, uint32_t flags, cop_gc_visit *visit, void *arg);

/*
 * Write the path of the default root to path, size_bytes large, with its terminating zero. The
 * directory need not exist. Errors: -ENAMETOOLONG it does not fit.
 */
int cop_root(char *path, size_t size_bytes);

#ifdef __cplusplus
}
#endif
#endif
