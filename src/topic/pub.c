/*
 * topic/pub.c - publishers
 */
#include "copage/pub.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lane/lane.h"
#include "os/error.h"
#include "os/export.h"
#include "os/os.h"
#include "topic/cursors.h"
#include "topic/sweep.h"

/* How long a publisher that waits for room sleeps before it asks whether who blocks it lives. */
#define PROBE_NS INT64_C(5000000)

struct cop_pub {
	/* What every message touches. */
	struct cop__lane_writer lane;
	struct cop__fork_mark mark;
	uint64_t message_max;
	/* What every segment, wait and close touch. */
	struct cop__topic topic;
	struct cop__member member;
	struct cop__audience audience;
	bool made; /* and not taken over */
	uint32_t when_full;
	int64_t full_timeout_ns;
	char name[COP_NAME_MAX + 1];
};

static int fail_forked(void)
{
	return cop__fail(-ECHILD,
			 "use a publisher: it belongs to the parent process; open one after fork");
}

/* ---- opening ---- */

static int check_options(const struct cop_pub_opts *opts)
{
	if (opts->when_full > COP_FULL_DROP)
		return cop__fail(-EINVAL, "open a publisher: when_full is %u, and may be 0 to %d",
				 opts->when_full, COP_FULL_DROP);
	if (opts->message_max_bytes > COP_MESSAGE_MAX)
		return cop__fail(-EINVAL,
				 "open a publisher: messages of %llu bytes; %u is the most",
				 (unsigned long long)opts->message_max_bytes, COP_MESSAGE_MAX);
	if (opts->segments == 1 || opts->segments > COP_SEGMENTS_MAX)
		return cop__fail(-EINVAL, "open a publisher: %u segments; 2 to %d are possible",
				 opts->segments, COP_SEGMENTS_MAX);
	return 0;
}

static int choose_shape(const struct cop_pub *pub, const struct cop_pub_opts *opts,
			struct cop__lane_shape *shape)
{
	const struct cop__topic_header *settings = &pub->topic.settings;
	uint64_t max = opts->message_max_bytes ? opts->message_max_bytes : settings->message_max;

	*shape = (struct cop__lane_shape){
		.segment_bytes = cop__segment_bytes_for(max),
		.message_max = max,
		.segments = opts->segments ? opts->segments : settings->segments,
		.flags = (opts->name ? COP__LANE_NAMED : 0) |
			 (opts->when_full == COP_FULL_DROP ? COP__LANE_DROP : 0),
		.created_ns = cop__os_realtime_ns(),
	};

	int rc = cop__os_random(shape->uuid, sizeof(shape->uuid));

	return rc < 0 ? cop__fail_os(rc, "make up the identity of a lane") : 0;
}

struct fill {
	const struct cop__lane_shape *shape;
	uint64_t first_sequence;
};

static void fill_lane(void *arg, uint8_t *base)
{
	const struct fill *fill = arg;

	cop__lane_format(base, fill->shape, fill->first_sequence, 0);
}

static int create_lane(struct cop_pub *pub, const char *file, const struct cop_pub_opts *opts,
		       struct cop__lane_shape *shape)
{
	struct cop__access access = cop__topic_member_access(&pub->topic);
	struct fill fill = { .shape = shape,
			     .first_sequence = opts->first_sequence ? opts->first_sequence : 1 };
	int rc = choose_shape(pub, opts, shape);

	if (rc < 0)
		return rc;
	return cop__member_create(&pub->member, pub->topic.membersfd, file,
				  cop__lane_file_bytes(shape->segment_bytes, shape->segments),
				  &access, fill_lane, &fill);
}

/* A lane that another publisher of this name left must be what is asked for now. */
static int check_left_lane(const struct cop_pub_opts *opts, const struct cop__lane_shape *shape)
{
	bool drop = opts->when_full == COP_FULL_DROP;

	if (opts->message_max_bytes && opts->message_max_bytes > shape->message_max)
		return cop__fail(-EINVAL,
				 "open publisher %s again: its lane carries messages of %llu "
				 "bytes, and %llu were asked for; remove the lane first",
				 opts->name, (unsigned long long)shape->message_max,
				 (unsigned long long)opts->message_max_bytes);
	if (opts->segments && opts->segments != shape->segments)
		return cop__fail(-EINVAL,
				 "open publisher %s again: its lane has %u segments, and %u were "
				 "asked for; remove the lane first",
				 opts->name, shape->segments, opts->segments);
	if (drop != !!(shape->flags & COP__LANE_DROP))
		return cop__fail(-EINVAL,
				 "open publisher %s again: its lane %s when it is full, and the "
				 "opposite was asked for; remove the lane first",
				 opts->name, drop ? "waits" : "drops the oldest");
	return 0;
}

static int take_lane(struct cop_pub *pub, const char *file, const struct cop_pub_opts *opts,
		     struct cop__lane_shape *shape)
{
	int rc = cop__member_take(&pub->member, pub->topic.membersfd, file);

	if (rc < 0)
		return rc;
	rc = cop__lane_check(pub->member.map.base, pub->member.map.size, file, shape);
	if (rc == 0)
		rc = check_left_lane(opts, shape);
	if (rc < 0)
		cop__member_leave(&pub->member);
	return rc;
}

/* Take over the lane of this name or make it: whichever is possible. */
static int open_lane(struct cop_pub *pub, const struct cop_pub_opts *opts,
		     struct cop__lane_shape *shape)
{
	char file[COP__MEMBER_NAME_MAX];
	int rc = cop__member_name(file, "pub.", opts->name);

	if (rc < 0)
		return rc;
	strcpy(pub->name, file + strlen("pub."));
	rc = opts->name ? take_lane(pub, file, opts, shape) : -ENOENT;
	pub->made = rc == -ENOENT;
	if (pub->made)
		rc = create_lane(pub, file, opts, shape);
	return rc;
}

static void announce_owner(struct cop_pub *pub)
{
	struct cop__lane_hot *hot = pub->lane.hot;

	cop__lane_set_closed(&pub->lane, false);
	cop__store_relaxed(&hot->pid, cop__os_pid());
	cop__store_relaxed(&hot->opened_ns, cop__os_realtime_ns());
	/* [L4] release: that the lane is not closed, before its new owner. Pairs with
	 * cop__lane_notice. */
	cop__store_release(&hot->opened_count, hot->opened_count + 1);
	cop__bell_members_changed(&pub->topic.bell);
}

static int start(struct cop_pub *pub, const struct cop_pub_opts *opts,
		 const struct cop__lane_shape *shape)
{
	int rc = cop__lane_writer_open(&pub->lane, pub->member.map.base, shape, pub->member.name);

	if (rc == 0)
		rc = cop__audience_refresh(&pub->audience, &pub->topic, &pub->member);
	if (rc == 0)
		rc = cop__fork_mark_open(&pub->mark);
	if (rc < 0) {
		cop__audience_close(&pub->audience);
		return rc;
	}
	pub->message_max = shape->message_max;
	pub->when_full = opts->when_full;
	pub->full_timeout_ns = opts->full_timeout_ns ? opts->full_timeout_ns : -1;
	cop__map_populate(&pub->member.map, COP__MAP_WRITE);
	cop__bell_register(&pub->topic.bell);
	announce_owner(pub);
	return 0;
}

/* Everything after the topic is open. -ENOENT, -EEXIST, -EAGAIN: things moved, try again. */
static int join(struct cop_pub *pub, const struct cop_pub_opts *opts)
{
	struct cop__lane_shape shape;
	int rc = open_lane(pub, opts, &shape);

	if (rc < 0)
		return rc;
	rc = start(pub, opts, &shape);
	if (rc < 0) {
		/* A lane that was made just now is no dead publisher's. */
		if (pub->made)
			cop__member_unlink(&pub->member, pub->topic.membersfd);
		cop__member_leave(&pub->member);
	}
	return rc;
}

static int open_and_join(struct cop_pub *pub, const char *topic, const struct cop_pub_opts *opts)
{
	for (int tries = 0;; tries++) {
		int rc = cop__topic_open(&pub->topic, topic, COP__TOPIC_JOIN_OR_MAKE);

		if (rc < 0)
			return rc;
		rc = join(pub, opts);
		if (rc == 0)
			return 0;
		cop__topic_give_up(&pub->topic);
		if (!cop__join_again(rc, tries))
			return rc == -EBUSY || rc == -EAGAIN
				       ? cop__fail(-EBUSY,
						   "open publisher %s on %s: a live process "
						   "holds that name",
						   opts->name, topic)
				       : rc;
	}
}

COP_EXPORT int cop_pub_open(struct cop_pub **pub, const char *topic,
			    const struct cop_pub_opts *opts)
{
	struct cop_pub_opts o = COP_PUB_OPTS_INIT;
	int rc = cop__copy_options(&o, sizeof(o), opts);
	bool gone;

	if (rc == 0)
		rc = check_options(&o);
	if (rc < 0)
		return rc;

	struct cop_pub *made = calloc(1, sizeof(*made));

	if (!made)
		return cop__fail(-ENOMEM, "open a publisher: out of memory");
	rc = open_and_join(made, topic, &o);
	if (rc < 0) {
		free(made);
		return rc;
	}
	(void)cop__sweep(&made->topic, 0, NULL, NULL, &gone);
	*pub = made;
	return 0;
}

/* ---- publishing ---- */

/* May the slot of the next segment be used? 1, 0 not yet, or negative. */
static int next_segment_free(struct cop_pub *pub)
{
	uint64_t position = cop__lane_announce(&pub->lane);
	int rc;

	if (position == 0 || pub->when_full == COP_FULL_DROP)
		return 1;
	/* Each time anew: who joined since then is waited for too (edge M1). */
	rc = cop__audience_refresh(&pub->audience, &pub->topic, &pub->member);
	if (rc < 0)
		return rc;
	if (!pub->audience.own_seen)
		return cop__fail(-ESTALE,
				 "publish as %s: somebody removed this publisher or its topic %s",
				 pub->name, pub->topic.place.name);
	return cop__audience_passed(&pub->audience, &pub->topic, pub->lane.shape.uuid, position);
}

/* Sleep until somebody has read on, or it is time to ask who lives. */
static int wait_for_room(struct cop_pub *pub, int64_t deadline_ns)
{
	struct cop__bell *bell = &pub->topic.bell;
	uint32_t *word = &bell->page->space;
	uint32_t armed = cop__bell_arm(bell, word, COP__BELL_FUTEX);
	int rc = next_segment_free(pub);
	int64_t left = PROBE_NS;

	if (rc != 0)
		return rc;
	if (deadline_ns >= 0) {
		left = deadline_ns - cop__os_monotonic_ns();
		if (left <= 0)
			return cop__fail(-ETIMEDOUT,
					 "publish as %s: the ring is full, and nobody read on in "
					 "time",
					 pub->name);
	}
	cop__bell_sleep(bell, word, armed, left < PROBE_NS ? left : PROBE_NS);
	return 0;
}

static int make_room(struct cop_pub *pub)
{
	int64_t deadline_ns = -1;
	int rc = next_segment_free(pub);

	if (rc == 0 && pub->when_full == COP_FULL_EAGAIN)
		return cop__fail(-EAGAIN, "publish as %s: the ring is full", pub->name);
	if (rc == 0 && pub->full_timeout_ns >= 0)
		deadline_ns = cop__os_monotonic_ns() + pub->full_timeout_ns;
	while (rc == 0)
		rc = wait_for_room(pub, deadline_ns);
	if (rc < 0)
		return rc;
	cop__lane_roll(&pub->lane);
	return 0;
}

/* All that is not "reserve room in the segment at hand". */
static __attribute__((noinline)) int reserve_slow(struct cop_pub *pub, size_t size_bytes)
{
	if (cop__forked(&pub->mark))
		return fail_forked();
	if (pub->lane.room)
		return cop__fail(-EINVAL,
				 "publish as %s: a reservation is open; commit or abort it first",
				 pub->name);
	if (size_bytes > pub->message_max)
		return cop__fail(-EMSGSIZE,
				 "publish as %s: a message of %zu bytes, and its lane carries %llu "
				 "at most; open it with a larger message_max_bytes",
				 pub->name, size_bytes, (unsigned long long)pub->message_max);

	int rc = make_room(pub);

	if (rc == 0 && !cop__lane_reserve(&pub->lane, size_bytes))
		rc = cop__fail(-EMSGSIZE,
			       "publish as %s: an empty segment is too small for %zu "
			       "bytes",
			       pub->name, size_bytes);
	return rc;
}

static inline int reserve(struct cop_pub *pub, size_t size_bytes)
{
	if (!cop__forked(&pub->mark) && !pub->lane.room && size_bytes <= pub->message_max &&
	    cop__lane_reserve(&pub->lane, size_bytes))
		return 0;
	return reserve_slow(pub, size_bytes);
}

static inline void commit(struct cop_pub *pub, size_t used_bytes)
{
	cop__lane_commit(&pub->lane, used_bytes);
	cop__bell_check_light(&pub->topic.bell, &pub->topic.bell.page->data);
}

/* Small messages word by word: their sender has just stored them in narrow pieces, which the wide
 * loads of memcpy would have to wait for. */
static inline void copy(uint8_t *room, const uint8_t *data, size_t size)
{
	if (size > COP__LINE) {
		memcpy(room, data, size);
		return;
	}
	for (; size >= sizeof(uint64_t); size -= sizeof(uint64_t)) {
		memcpy(room, data, sizeof(uint64_t));
		room += sizeof(uint64_t);
		data += sizeof(uint64_t);
		__asm__ volatile(""); /* or the compiler makes it a call of memcpy again */
	}
	while (size-- > 0)
		*room++ = *data++;
}

COP_EXPORT int cop_pub_send(struct cop_pub *pub, const void *data, size_t size_bytes)
{
	int rc = reserve(pub, size_bytes);

	if (rc < 0)
		return rc;
	copy(pub->lane.room, data, size_bytes);
	commit(pub, size_bytes);
	return 0;
}

COP_EXPORT int cop_pub_reserve(struct cop_pub *pub, size_t size_bytes, void **room)
{
	int rc = reserve(pub, size_bytes);

	if (rc == 0)
		*room = pub->lane.room;
	return rc;
}

COP_EXPORT int cop_pub_commit(struct cop_pub *pub, size_t used_bytes)
{
	if (cop__forked(&pub->mark))
		return fail_forked();
	if (!pub->lane.room || used_bytes > pub->lane.room_bytes)
		return cop__fail(-EINVAL, "commit as %s: %s", pub->name,
				 pub->lane.room ? "more than was reserved"
						: "no reservation is open");
	commit(pub, used_bytes);
	return 0;
}

COP_EXPORT void cop_pub_abort(struct cop_pub *pub)
{
	pub->lane.room = NULL;
}

/* ---- looking at subscribers ---- */

/* What is waited for: 0 not yet, positive done, negative failed. */
typedef int condition(struct cop_pub *pub, unsigned count);

static int enough_live(struct cop_pub *pub, unsigned count)
{
	int live = cop__audience_live(&pub->audience, &pub->topic);

	/* One more than is there, so that none is told from not yet. */
	return live >= 0 && (unsigned)live >= count ? live + 1 : 0;
}

static int all_read(struct cop_pub *pub, unsigned count)
{
	(void)count;
	return cop__audience_drained(&pub->audience, &pub->topic, pub->lane.shape.uuid,
				     cop__lane_written(&pub->lane));
}

static int look(struct cop_pub *pub, condition *is_met, unsigned count)
{
	int rc = cop__audience_refresh(&pub->audience, &pub->topic, &pub->member);

	return rc < 0 ? rc : is_met(pub, count);
}

static int wait_until(struct cop_pub *pub, condition *is_met, unsigned count, int64_t timeout_ns,
		      const char *what)
{
	struct cop__bell *bell = &pub->topic.bell;
	uint32_t *word = &bell->page->space;
	int64_t start = timeout_ns > 0 ? cop__os_monotonic_ns() : 0;

	if (cop__forked(&pub->mark))
		return fail_forked();
	for (;;) {
		uint32_t armed = timeout_ns ? cop__bell_arm(bell, word, COP__BELL_FUTEX) : 0;
		int64_t left = PROBE_NS;
		int rc = look(pub, is_met, count);

		if (rc != 0)
			return rc;
		if (timeout_ns == 0)
			return cop__fail(-EAGAIN, "wait as %s: not yet %s", pub->name, what);
		if (timeout_ns > 0) {
			left = start + timeout_ns - cop__os_monotonic_ns();
			if (left <= 0)
				return cop__fail(-ETIMEDOUT, "wait as %s: not %s in time",
						 pub->name, what);
		}
		cop__bell_sleep(bell, word, armed, left < PROBE_NS ? left : PROBE_NS);
	}
}

COP_EXPORT int cop_pub_wait(struct cop_pub *pub, unsigned count, int64_t timeout_ns)
{
	int rc = wait_until(pub, enough_live, count, timeout_ns, "enough subscribers");

	return rc > 0 ? rc - 1 : rc;
}

COP_EXPORT int cop_pub_drain(struct cop_pub *pub, int64_t timeout_ns)
{
	int rc = wait_until(pub, all_read, 0, timeout_ns, "read by all");

	return rc > 0 ? 0 : rc;
}

COP_EXPORT const char *cop_pub_name(const struct cop_pub *pub)
{
	return pub->name;
}

COP_EXPORT uint64_t cop_pub_sequence(const struct cop_pub *pub)
{
	return pub->lane.sequence - 1;
}

/* ---- closing ---- */

static void leave(struct cop_pub *pub)
{
	bool gone;

	cop__lane_set_closed(&pub->lane, true);
	/* The lock goes before the sweep: who reads the last message after this sweeps itself, and
	 * who did before is found to have read it. */
	cop__member_leave(&pub->member);
	cop__bell_members_changed(&pub->topic.bell);
	(void)cop__sweep(&pub->topic, 0, NULL, NULL, &gone);
}

COP_EXPORT void cop_pub_close(struct cop_pub **pub)
{
	if (!pub || !*pub)
		return;

	struct cop_pub *old = *pub;

	if (cop__forked(&old->mark)) {
		/* The mappings were not inherited; something else may be where they were. */
		cop__map_forget(&old->topic.bell.map);
		cop__audience_forget(&old->audience);
	} else {
		leave(old);
	}
	cop__audience_close(&old->audience);
	cop__topic_close(&old->topic);
	cop__fork_mark_close(&old->mark);
	free(old);
	*pub = NULL;
}
