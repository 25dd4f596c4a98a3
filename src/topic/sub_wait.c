/*
 * topic/sub_wait.c - wait until there is something: poll, then sleep on the bell, then on a watch
 *
 * A subscriber that finds nothing polls for a short while, then sleeps on the bell's data word for
 * some slices, asking after each whether its publishers live. If still nothing came it watches the
 * directory of members: the kernel then tells of comings, goings and deaths (the last close of a
 * member's file), so that one who waits for hours hardly wakes in vain, and does not learn late.
 */
#include <errno.h>
#include <sys/inotify.h>

#include "os/error.h"
#include "os/os.h"
#include "topic/subscriber.h"

/* How many messages of one lane before the others are looked at. */
#define TURNS 64

/* How many rounds of polling between two looks at the clock, which costs some 25 ns. */
#define ROUNDS_PER_CLOCK 64

/* How many slices on the bell before the watch. */
#define SLICES 2

/* ---- looking ---- */

/* Look at every lane once, beginning after the one that was served last. */
static int look_at_lanes(struct cop_sub *sub, struct cop_msg *msg)
{
	for (size_t i = 0; i < sub->lane_count; i++) {
		size_t n = (sub->next_lane + i) % sub->lane_count;
		struct lane *lane = sub->lanes[n];
		int rc = cop__lane_take(sub, lane, msg);

		if (rc == 0)
			continue;
		sub->next_lane = n + 1;
		sub->turn = rc > 0 ? lane : NULL;
		sub->turns_left = TURNS;
		return rc;
	}
	return 0;
}

/* Its own file was taken away. What was there has been read by now. */
static int tell_removed(struct cop_sub *sub)
{
	sub->removed_told = true;
	cop__fail(-ESTALE,
		  "subscribe to %s: somebody removed this subscriber or its topic; what publishers "
		  "send is kept for it no longer",
		  sub->topic.place.name);
	return cop__sub_tell(sub, NULL, -ESTALE, 0, 0);
}

/* Look for a message, and for news: 1, 0, or what is to be told. */
static int look(struct cop_sub *sub, struct cop_msg *msg)
{
	if (cop__load_acquire(&sub->topic.bell.page->members) != sub->members_seen) {
		int rc = cop__sub_list(sub);

		if (rc < 0)
			return rc;
	}

	int rc = look_at_lanes(sub, msg);

	if (rc == 0 && sub->removed && !sub->removed_told)
		return tell_removed(sub);
	for (size_t i = 0; rc == 0 && i < sub->lane_count; i++)
		rc = cop__lane_notice(sub, sub->lanes[i], false);
	return rc;
}

/* Ask everybody for his life, and try again what could not be attached. */
static int probe(struct cop_sub *sub)
{
	int rc = sub->incomplete ? cop__sub_list(sub) : 0;

	for (size_t i = 0; rc == 0 && i < sub->lane_count; i++)
		rc = cop__lane_notice(sub, sub->lanes[i], true);
	return rc;
}

/* There is nothing: publishers that wait for us to read on must know how far we are. */
static void settle(struct cop_sub *sub)
{
	for (size_t i = 0; i < sub->lane_count; i++)
		cop__lane_settle(sub, sub->lanes[i]);
	cop__bell_check(&sub->topic.bell, &sub->topic.bell.page->space);
}

/* ---- the watch ---- */

/*
 * The kernel tells of the last close of a dead member's file just before it frees the lock, so who
 * asks at once may be told that it lives. After news of members life is asked for again after
 * these times; one would do, on a machine that is not very busy.
 */
static const int64_t recheck_after_ns[] = { 1000000, 10000000, 100000000 };

#define RECHECKS (sizeof(recheck_after_ns) / sizeof(*recheck_after_ns))

/* The longest sleep on the watch: a peer that means harm can take the arming back, and then nobody
 * rings. */
#define WATCH_SLICE_NS 1000000000

static void news_of_members(struct cop_sub *sub)
{
	sub->recheck = 0;
	sub->recheck_ns = 0;
}

static bool is_recheck_due(const struct cop_sub *sub)
{
	return sub->recheck <= RECHECKS && cop__os_monotonic_ns() >= sub->recheck_ns;
}

static void plan_recheck(struct cop_sub *sub)
{
	if (sub->recheck < RECHECKS)
		sub->recheck_ns = cop__os_monotonic_ns() + recheck_after_ns[sub->recheck];
	sub->recheck++;
}

/* When to look again though nothing wakes us, by the monotonic clock. */
static int64_t next_look_ns(const struct cop_sub *sub)
{
	return sub->recheck <= RECHECKS ? sub->recheck_ns : cop__os_monotonic_ns() + WATCH_SLICE_NS;
}

static int open_watch(struct cop_sub *sub)
{
	if (sub->watch >= 0)
		return 0;

	int watch = cop__os_inotify();

	if (watch < 0)
		return cop__fail_os(watch, "watch topic %s; see fs.inotify.max_user_instances",
				    sub->topic.place.name);

	int rc = cop__os_inotify_add(watch, sub->topic.bell.fd, IN_ACCESS);

	if (rc >= 0)
		rc = cop__os_inotify_add(watch, sub->topic.membersfd,
					 IN_CREATE | IN_DELETE | IN_CLOSE_WRITE | IN_DELETE_SELF);
	if (rc < 0) {
		cop__os_close(watch);
		return cop__fail_os(rc, "watch topic %s", sub->topic.place.name);
	}
	sub->watch = watch;
	news_of_members(sub); /* of what happened before it */
	return 0;
}

int cop__sub_outer(struct cop_sub *sub)
{
	if (sub->outer >= 0)
		return sub->outer;

	int rc = open_watch(sub);

	if (rc < 0)
		return rc;
	if (sub->timer < 0)
		sub->timer = cop__os_timer();
	rc = sub->timer < 0 ? sub->timer : cop__os_gather(sub->watch, sub->timer);
	if (rc < 0)
		return cop__fail_os(rc, "make a descriptor to poll for topic %s",
				    sub->topic.place.name);
	sub->outer = rc;
	return rc;
}

/* Take what the watch has to tell. */
static void drain_watch(struct cop_sub *sub)
{
	_Alignas(struct inotify_event) char buffer[4096];
	ssize_t got;

	while ((got = cop__os_read(sub->watch, buffer, sizeof(buffer))) > 0) {
		for (ssize_t at = 0; at < got;) {
			const struct inotify_event *event = (const void *)(buffer + at);

			/* A nudge reads the bell; all else is about members, an overflow
			 * of the queue included. */
			if (!(event->mask & IN_ACCESS))
				news_of_members(sub);
			at += (ssize_t)(sizeof(*event) + event->len);
		}
	}
	/* What it had to tell and could not be read, one must see oneself. */
	if (got < 0 && got != -EAGAIN)
		news_of_members(sub);
}

/* Arm for the watch and look once more: what comes after this makes it readable. */
static int look_armed_for_watch(struct cop_sub *sub, struct cop_msg *msg)
{
	struct cop__bell *bell = &sub->topic.bell;

	drain_watch(sub);
	cop__bell_arm(bell, &bell->page->data, COP__BELL_DESCRIPTOR);

	bool due = is_recheck_due(sub);
	int rc = due ? cop__sub_list(sub) : 0;

	if (rc == 0)
		rc = look(sub, msg);
	if (rc == 0 && due)
		rc = probe(sub);
	if (rc == 0 && due)
		plan_recheck(sub);
	return rc;
}

/* The caller is going to poll: the timer must wake him for what is planned. */
static int look_before_poll(struct cop_sub *sub, struct cop_msg *msg)
{
	int rc = look_armed_for_watch(sub, msg);

	/* A time in the past makes it readable at once. */
	if (rc == 0)
		(void)cop__os_timer_set(sub->timer, next_look_ns(sub));
	return rc;
}

static int sleep_on_watch(struct cop_sub *sub, struct cop_msg *msg, int64_t left_ns)
{
	int rc = look_armed_for_watch(sub, msg);

	if (rc == 0) {
		int64_t planned_ns = next_look_ns(sub) - cop__os_monotonic_ns();

		if (planned_ns < 0)
			planned_ns = 0;
		if (left_ns < 0 || left_ns > planned_ns)
			left_ns = planned_ns;
		(void)cop__os_poll_readable(sub->watch, left_ns);
	}
	return rc;
}

/* ---- sleeping ---- */

static int fail_deadline(struct cop_sub *sub, int64_t timeout_ns)
{
	if (timeout_ns == 0)
		return cop__sub_tell(sub, NULL, -EAGAIN, 0, 0);
	cop__fail(-ETIMEDOUT, "read topic %s: nothing came in time", sub->topic.place.name);
	return cop__sub_tell(sub, NULL, -ETIMEDOUT, 0, 0);
}

/* Poll without sleeping, until then at the latest. */
static int spin(struct cop_sub *sub, struct cop_msg *msg, int64_t until_ns)
{
	do {
		for (int i = 0; i < ROUNDS_PER_CLOCK; i++) {
			int rc = look(sub, msg);

			if (rc != 0)
				return rc;
			cop__pause();
		}
	} while (cop__os_monotonic_ns() < until_ns);
	return 0;
}

/* Sleep once: on the bell for the first slices, then on the watch if one can be had. */
static int sleep_once(struct cop_sub *sub, struct cop_msg *msg, int64_t left_ns, int slice)
{
	struct cop__bell *bell = &sub->topic.bell;
	uint32_t *word = &bell->page->data;

	if (slice >= SLICES && !sub->watch_failed && sub->topic.bell.heavy) {
		sub->watch_failed = open_watch(sub) < 0;
		if (!sub->watch_failed)
			return sleep_on_watch(sub, msg, left_ns);
	}

	uint32_t armed = cop__bell_arm(bell, word, COP__BELL_FUTEX);
	int rc = look(sub, msg);

	if (rc == 0) {
		cop__bell_sleep(bell, word, armed, left_ns);
		rc = look(sub, msg);
	}
	return rc != 0 ? rc : probe(sub);
}

static int wait(struct cop_sub *sub, struct cop_msg *msg, int64_t timeout_ns)
{
	int64_t start_ns = cop__os_monotonic_ns();
	int64_t spin_ns = sub->opts.spin_ns;
	int rc;

	if (timeout_ns > 0 && spin_ns > timeout_ns)
		spin_ns = timeout_ns;
	rc = spin_ns > 0 ? spin(sub, msg, start_ns + spin_ns) : 0;
	for (int slice = 0; rc == 0; slice++) {
		int64_t left_ns = -1;

		if (timeout_ns > 0) {
			left_ns = start_ns + timeout_ns - cop__os_monotonic_ns();
			if (left_ns <= 0)
				return fail_deadline(sub, timeout_ns);
		}
		rc = sleep_once(sub, msg, left_ns, slice);
	}
	return rc;
}

int cop__sub_next_slow(struct cop_sub *sub, struct cop_msg *msg, int64_t timeout_ns)
{
	int rc = look(sub, msg);

	if (rc != 0)
		return rc;
	settle(sub);
	if (timeout_ns != 0)
		return wait(sub, msg, timeout_ns);
	/* Who never sleeps never probes: what could not be attached is tried again here. */
	rc = sub->incomplete ? cop__sub_list(sub) : 0;
	if (rc == 0 && sub->outer >= 0)
		rc = look_before_poll(sub, msg);
	return rc != 0 ? rc : fail_deadline(sub, 0);
}
