/*
 * copage/sub.h - receive a topic's messages, in place
 *
 *	struct cop_sub *sub;
 *	struct cop_msg msg;
 *	int rc = cop_sub_open(&sub, "prices", NULL);
 *	while (rc >= 0 && (rc = cop_sub_next(sub, &msg, -1)) > 0)
 *		use(msg.data, msg.size);
 *	cop_sub_close(&sub);
 *
 * A subscriber reads the lanes of all publishers of a topic, those that come later included. Each
 * publisher's messages come in order, whole, once. Nobody needs to be there first.
 *
 * Three kinds, each subscriber's own choice:
 *   lossless   the publishers' rings wait for it. msg.data points into the shared ring
 *   lossy      nobody waits for it. When it is overrun it gets -EOVERFLOW and the exact gap.
 *              msg.data points to a copy that was checked after it was made
 *   latest     the newest message of each publisher, and how many were skipped
 *
 * Caveats first.
 * - Memory is shared read-only: writing to msg.data is SIGSEGV.
 * - Whoever may write a lane's file (its publisher's user, and root) can truncate it; reading from
 *   it is then SIGBUS. Copage itself never truncates.
 * - A lossless subscriber that neither reads nor dies stops publishers that wait for room. That a
 *   process is stopped does not end its subscription; that it dies does, within milliseconds.
 * - A lane whose publisher chose COP_FULL_DROP is read as by a lossy subscriber.
 * - A named subscriber is remembered when it closes or dies, and goes on where it stopped when
 *   the name is opened again. The one message it had in hand when it died comes again, unless it
 *   was released before: release it before acting on it for at most once, after for at least
 *   once. While it is away, rings wait for it only in topics made with COP_TOPIC_HOLD_AWAY;
 *   otherwise it is told its gap.
 */
#ifndef COPAGE_SUB_H
#define COPAGE_SUB_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cop_sub;

enum cop_sub_kind {
	COP_SUB_LOSSLESS = 0,
	COP_SUB_LOSSY = 1,
	COP_SUB_LATEST = 2,
};

/* Where reading begins in the lanes that are there when the subscriber is opened. Lanes that
 * appear later are read from their first message. */
enum cop_sub_from {
	COP_FROM_OLDEST = 0, /* the oldest message that is still kept */
	COP_FROM_NEWEST = 1, /* after the last message that is there now */
	COP_FROM_SEQUENCE = 2, /* at from_sequence, in every lane; what is gone is told as a gap */
};

/* Lossy: msg.data is the place in the ring; the caller asks cop_sub_check() after use. */
#define COP_SUB_IN_PLACE (1u << 0)

/* Options of cop_sub_open(). Zero means the default, in every field. */
struct cop_sub_opts {
	/* Of this structure; COP_SUB_OPTS_INIT sets it. */
	size_t size;
	/* To be remembered by; the rules of topic names. Default: none, and nothing is kept. */
	const char *name;
	/* COP_SUB_IN_PLACE */
	uint32_t flags;
	/* enum cop_sub_kind */
	uint32_t kind;
	/* enum cop_sub_from. A named one that comes back goes on where it stopped instead. */
	uint32_t from;
	/* -EPIPE is not told before so many publishers have been seen. Default: 1. */
	uint32_t publishers_min;
	/* With COP_FROM_SEQUENCE. */
	uint64_t from_sequence;
	/* How long to poll before sleeping; negative: not at all. Default: 20,000; none where the
	 * process may run on one processor only. */
	int64_t spin_ns;
};
/* clang-format off */
#define COP_SUB_OPTS_INIT { sizeof(struct cop_sub_opts), NULL, 0, 0, 0, 0, 0, 0 }
/* clang-format on */

/* One message. Valid until the next call of cop_sub_next(), cop_sub_release() or
 * cop_sub_close() on the same handle. */
struct cop_msg {
	const void *data; /* read-only; aligned to 8 bytes at least */
	size_t size; /* in bytes; may be 0 */
	uint64_t sequence; /* of this publisher's messages: 1, 2, 3, ... */
	uint64_t skipped; /* COP_SUB_LATEST: how many of this publisher's messages were passed over
	                     since the last one; else 0 */
	const char *publisher; /* its name */
};

/*
 * Subscribe to a topic, which is made if it is not there. opts may be NULL. On success *sub is
 * the handle, which the caller closes.
 * Errors: -EINVAL, -ENAMETOOLONG, -E2BIG the names or options break their rules; -EBUSY a live
 * subscriber holds the name; -ENOSPC; -ENOENT the root is missing; -EACCES; -EBADMSG, -EPROTO the
 * topic is foreign, corrupt, or of another version; -EOPNOTSUPP; -EMFILE, -ENFILE, -ENOMEM. Does
 * not wait for anyone.
 */
int cop_sub_open(struct cop_sub **sub, const char *topic, const struct cop_sub_opts *opts);

/*
 * Release the last message and get the next one. Returns 1 and fills *msg; waits up to timeout_ns
 * for it (0: not at all; negative: for ever). Lanes take turns.
 *
 * What is not a message is an error that leaves *msg untouched, is told once, and does not end the
 * subscription; cop_sub_last_event() has the details:
 *   -EAGAIN      nothing there, and timeout_ns is 0
 *   -ETIMEDOUT   nothing came in time
 *   -EPIPE       publishers were there, and the last of them has gone, orderly; all they sent has
 *                been read. A later call waits for new ones
 *   -EOWNERDEAD  a publisher died; all it had committed has been read. It may be opened again
 *                under its name: then its stream goes on. The last publisher's death counts as
 *                its going: no -EPIPE follows until another one has come and gone
 *   -EOVERFLOW   messages were lost to this subscriber: the event tells which
 *   -EBADMSG     a lane is corrupt: it is given up until another publisher opens that name
 *   -EPROTO, -EACCES  a lane has another version, or may not be read; likewise
 *   -ESTALE      somebody removed a lane under its publisher, or this subscriber's own file
 *                (publisher "" in the event): what was there has been read, what comes is not
 *                kept for it
 * Others: -ECHILD; -EINTR never; -ENOMEM, -EMFILE, -ENFILE a publisher that came could not be
 * attached: a later call tries again.
 * Makes a system call only to sleep, and when members come or go; allocates only then.
 */
int cop_sub_next(struct cop_sub *sub, struct cop_msg *msg, int64_t timeout_ns);

/*
 * Release the last message now rather than with the next cop_sub_next(): its publisher may reuse
 * the room, and it will not come again. No effect without one.
 */
void cop_sub_release(struct cop_sub *sub);

/*
 * With COP_SUB_IN_PLACE: was the last message whole for as long as it was used? 0, or -EOVERFLOW:
 * the publisher has come round and what was read from msg.data must not be believed; the message
 * is part of the gap that cop_sub_next() tells next. Always 0 for lossless subscribers. -EINVAL
 * without a message.
 */
int cop_sub_check(struct cop_sub *sub);

/* What the last negative result of cop_sub_next() was about. */
struct cop_sub_event {
	int error; /* that result; 0: there was none */
	const char *publisher; /* its name, or "" for all; valid until the next cop_sub_next() */
	uint64_t first; /* -EOVERFLOW: sequence of the first message missed. -EOWNERDEAD: of the
	                   publisher's last message */
	uint64_t count; /* -EOVERFLOW: how many in a row were missed */
};
void cop_sub_last_event(const struct cop_sub *sub, struct cop_sub_event *event);

/*
 * A descriptor for poll, epoll, libuv and the like: it becomes readable when there may be
 * something for cop_sub_next(). Use it so: call cop_sub_next() with a timeout of 0 until it
 * returns -EAGAIN, then poll the descriptor, and begin again. Wake-ups may be spurious, and are
 * not lost. The descriptor belongs to the handle: neither read nor close it.
 * Errors: -EMFILE, -ENFILE no descriptor, or the user's limit of inotify instances
 * (fs.inotify.max_user_instances); -ECHILD.
 */
int cop_sub_fd(struct cop_sub *sub);

/* Its name: the given one or the made up one. Valid as long as the handle. */
const char *cop_sub_name(const struct cop_sub *sub);

/*
 * Close the subscriber, set *sub to NULL. The message in hand is released. A named one is
 * remembered; anything else of it goes. sub and *sub may be NULL. Never waits. In a forked child
 * it only frees the child's memory.
 */
void cop_sub_close(struct cop_sub **sub);

#ifdef __cplusplus
}
#endif
#endif
