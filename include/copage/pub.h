/*
 * copage/pub.h - publish messages into a topic
 *
 *	struct cop_pub *pub;
 *	int rc = cop_pub_open(&pub, "prices", NULL);
 *	if (rc == 0)
 *		rc = cop_pub_send(pub, "hello", 5);
 *	cop_pub_close(&pub);
 *
 * A publisher owns a lane: a ring in shared memory that it alone writes and that any number of
 * subscribers read in place. Its messages reach every subscriber whole, once, in order. Between
 * publishers of one topic there is no order.
 *
 * Caveats first.
 * - A lane keeps the last messages only as long as the ring has room. With no lossless subscriber
 *   there is nobody to wait for, and the oldest give way. cop_pub_wait() waits for subscribers.
 * - cop_pub_close() does not wait: what subscribers still have to read stays until they have.
 *   With no subscriber at all, it goes.
 * - A publisher that is killed leaves everything it had committed. One that was given a name can
 *   be opened again under it, by anyone who may write its file, and goes on where the dead one
 *   stopped: cop_pub_sequence() says where that is.
 * - While another thread forks during cop_pub_open(), the child may hold a copy of its descriptor
 *   until it calls exec or exits; only then would the parent's death be seen.
 */
#ifndef COPAGE_PUB_H
#define COPAGE_PUB_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cop_pub;

/* What to do when the ring is full: a lossless subscriber has yet to read what would give way. */
enum cop_when_full {
	COP_FULL_WAIT = 0, /* wait until there is room, or full_timeout_ns has passed */
	COP_FULL_EAGAIN = 1, /* return -EAGAIN at once */
	COP_FULL_DROP = 2, /* drop the oldest: subscribers are told exactly what they missed */
};

/* Options of cop_pub_open(). Zero means the default, in every field. */
struct cop_pub_opts {
	/* Of this structure; COP_PUB_OPTS_INIT sets it. */
	size_t size;
	/* By which it can be opened again after its death; the rules of topic names. Default: one
	 * is made up. */
	const char *name;
	/* enum cop_when_full. COP_FULL_DROP is a property of the lane: to open the lane again the
	 * same must be asked. */
	uint32_t when_full;
	/* Of the ring: 2 to COP_SEGMENTS_MAX. Default: the topic's. */
	uint32_t segments;
	/* The largest message, up to COP_MESSAGE_MAX bytes. Default: the topic's. A ring reserves
	 * about segments times this, and 64 KiB a segment at least. */
	uint64_t message_max_bytes;
	/* COP_FULL_WAIT waits no longer than this. Default: for ever. */
	int64_t full_timeout_ns;
	/* Of a lane's first message. Default: 1. For streams that go on from elsewhere; no effect
	 * on a lane that is opened again. */
	uint64_t first_sequence;
};
/* clang-format off */
#define COP_PUB_OPTS_INIT { sizeof(struct cop_pub_opts), NULL, 0, 0, 0, 0, 0 }
/* clang-format on */

/*
 * Open a publisher on a topic, which is made if it is not there. opts may be NULL. On success
 * *pub is the handle, which the caller closes. All memory of the lane is reserved and populated
 * here; no later call can run out of it.
 * Errors: -EINVAL, -ENAMETOOLONG, -E2BIG the names or options break their rules; -EBUSY a live
 * publisher holds the name; -EINVAL the lane to be opened again has another geometry or policy
 * than asked; -ENOSPC the lane does not fit (the sentence tells need and free); -ENOENT the root
 * is missing; -EACCES; -EBADMSG, -EPROTO the topic or the lane is foreign, corrupt, or of another
 * version; -EOPNOTSUPP; -EMFILE, -ENFILE, -ENOMEM. Does not wait for anyone.
 */
int cop_pub_open(struct cop_pub **pub, const char *topic, const struct cop_pub_opts *opts);

/*
 * Publish size_bytes bytes from data, copied once, into the lane. Zero bytes is a message too.
 * When it returns 0, every subscriber will get the message, even if this process dies at once.
 * Errors: -EMSGSIZE larger than message_max_bytes; -EAGAIN or -ETIMEDOUT no room, by the chosen
 * policy, and nothing was published; -ESTALE somebody removed this publisher or its topic; -EINVAL
 * a reservation is open; -ECHILD; -EMFILE, -ENFILE, -ENOMEM a subscriber that came could not be
 * looked at: try again. Makes a system call only to wake sleepers, to wait, and when a segment is
 * full; allocates only then.
 */
int cop_pub_send(struct cop_pub *pub, const void *data, size_t size_bytes);

/*
 * Or write in place: reserve room for size_bytes bytes, aligned to 8 bytes (to 64 from 256 bytes
 * up). *room is valid until the reservation is committed or aborted; there is one at a time, and
 * nobody sees it before it is committed.
 * Errors: as cop_pub_send().
 */
int cop_pub_reserve(struct cop_pub *pub, size_t size_bytes, void **room);

/*
 * Publish the first used_bytes bytes of the reservation and end it.
 * Errors: -EINVAL there is no reservation, or it is smaller; -ECHILD.
 */
int cop_pub_commit(struct cop_pub *pub, size_t used_bytes);

/* Give the reservation up, if there is one. Never fails. */
void cop_pub_abort(struct cop_pub *pub);

/*
 * Wait until at least count subscribers are there, alive, of whatever kind. Returns their number.
 * timeout_ns: 0 only looks; negative waits for ever.
 * Errors: -ETIMEDOUT (-EAGAIN when timeout_ns is 0); -ECHILD; -ENOMEM, -EMFILE, -ENFILE.
 */
int cop_pub_wait(struct cop_pub *pub, unsigned count, int64_t timeout_ns);

/*
 * Wait until every live subscriber has read everything that was sent: since a subscriber has read
 * a message when it asks for the next one or releases it, it is then done with it.
 * timeout_ns as above. Errors: -ETIMEDOUT, -EAGAIN, -ECHILD, -ENOMEM, -EMFILE, -ENFILE.
 */
int cop_pub_drain(struct cop_pub *pub, int64_t timeout_ns);

/* Its name: the given one or the made up one. Valid as long as the handle. */
const char *cop_pub_name(const struct cop_pub *pub);

/*
 * The sequence of the last message that this lane has committed, by this process or by one before
 * it: the first message of a lane has sequence 1 (or first_sequence). One less than the first if
 * there is none yet.
 */
uint64_t cop_pub_sequence(const struct cop_pub *pub);

/*
 * Close the publisher, set *pub to NULL. An open reservation is given up. What subscribers have
 * yet to read stays for them. pub and *pub may be NULL. Never waits. In a forked child it only
 * frees the child's memory.
 */
void cop_pub_close(struct cop_pub **pub);

#ifdef __cplusplus
}
#endif
#endif
