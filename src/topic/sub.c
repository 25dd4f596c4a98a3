/*
 * topic/sub.c - subscribers: open, close, facts
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "os/error.h"
#include "os/export.h"
#include "os/os.h"
#include "topic/subscriber.h"
#include "topic/sweep.h"

#define SPIN_NS 20000

int cop__sub_fail_forked(void)
{
	return cop__fail(-ECHILD,
			 "use a subscriber: it belongs to the parent process; open one after fork");
}

int cop__sub_tell(struct cop_sub *sub, const struct lane *lane, int error, uint64_t first,
		  uint64_t count)
{
	sub->event_name[0] = '\0';
	if (lane)
		strncat(sub->event_name, lane->name + strlen("pub."), COP_NAME_MAX);
	sub->event = (struct cop_sub_event){
		.error = error, .publisher = sub->event_name, .first = first, .count = count
	};
	if (error == -EOVERFLOW)
		cop__fail(error, "read %s: messages %llu to %llu are lost to this subscriber",
			  lane ? lane->name : "", (unsigned long long)first,
			  (unsigned long long)(first + count - 1));
	return error;
}

/* ---- opening ---- */

static int check_options(struct cop_sub_opts *opts)
{
	if (opts->kind > COP_SUB_LATEST)
		return cop__fail(-EINVAL, "open a subscriber: kind is %u, and may be 0 to %d",
				 opts->kind, COP_SUB_LATEST);
	if (opts->from > COP_FROM_SEQUENCE)
		return cop__fail(-EINVAL, "open a subscriber: from is %u, and may be 0 to %d",
				 opts->from, COP_FROM_SEQUENCE);
	if (opts->flags & ~COP_SUB_IN_PLACE)
		return cop__fail(-EINVAL, "open a subscriber: unknown flags 0x%x", opts->flags);
	if (opts->publishers_min == 0)
		opts->publishers_min = 1;
	if (opts->spin_ns == 0)
		opts->spin_ns = cop__os_processors() > 1 ? SPIN_NS : -1;
	return 0;
}

/* Everything after the topic is open. -ENOENT, -EEXIST, -EAGAIN: things moved, try again. */
static int join(struct cop_sub *sub)
{
	char file[COP__MEMBER_NAME_MAX];
	struct cop__sub_ident ident = { .named = sub->opts.name, .kind = sub->opts.kind };
	int rc = cop__member_name(file, "sub.", sub->opts.name);

	if (rc == 0)
		rc = cop__cursors_open(&sub->member, &sub->topic, file, &ident, &sub->past);
	if (rc < 0)
		return rc;
	strcpy(sub->name, file + strlen("sub."));
	rc = cop__fork_mark_open(&sub->mark);
	if (rc == 0) {
		/* All lanes that are there now, or none: where reading begins depends on it. */
		rc = cop__sub_list(sub);
		if (rc < 0)
			cop__fork_mark_close(&sub->mark);
	}
	if (rc < 0) {
		cop__sub_forget_lanes(sub, true);
		/* One of that name who was away before still is. */
		if (!sub->past.known)
			cop__member_unlink(&sub->member, sub->topic.membersfd);
		cop__member_leave(&sub->member);
	}
	return rc;
}

static int open_and_join(struct cop_sub *sub, const char *topic)
{
	for (int tries = 0;; tries++) {
		int rc = cop__topic_open(&sub->topic, topic, COP__TOPIC_JOIN_OR_MAKE);

		if (rc < 0)
			return rc;
		/* One who is so fast each time means harm, and must keep nobody out. */
		sub->tired = tries > 5;
		rc = join(sub);
		sub->tired = false;
		if (rc == 0)
			return 0;
		cop__topic_give_up(&sub->topic);
		if (!cop__join_again(rc, tries))
			return rc == -EBUSY || rc == -EAGAIN
				       ? cop__fail(-EBUSY,
						   "open subscriber %s on %s: a live process "
						   "holds that name",
						   sub->opts.name, topic)
				       : rc;
	}
}

COP_EXPORT int cop_sub_open(struct cop_sub **sub, const char *topic,
			    const struct cop_sub_opts *opts)
{
	struct cop_sub_opts o = COP_SUB_OPTS_INIT;
	int rc = cop__copy_options(&o, sizeof(o), opts);
	bool gone;

	if (rc == 0)
		rc = check_options(&o);
	if (rc < 0)
		return rc;

	struct cop_sub *made = calloc(1, sizeof(*made));

	if (!made)
		return cop__fail(-ENOMEM, "open a subscriber: out of memory");
	made->opts = o;
	made->watch = made->timer = made->outer = -1;
	rc = open_and_join(made, topic);
	if (rc < 0) {
		free(made->copy);
		free(made);
		return rc;
	}
	made->opts.name = NULL; /* the caller's; ours is in name */
	made->joined = true;
	/* From its first listing on, publishers know of it before they have a lane. */
	made->past.known = true;
	made->past.awaited |= !made->incomplete;
	cop__cursors_ready(&made->member);
	if (o.name)
		cop__sub_forget_cursors(made);
	/* Publishers wait for their first subscribers; and the dead are swept by who meets them. */
	cop__bell_members_changed(&made->topic.bell);
	(void)cop__sweep(&made->topic, 0, NULL, NULL, &gone);
	*sub = made;
	return 0;
}

/* ---- facts ---- */

COP_EXPORT void cop_sub_last_event(const struct cop_sub *sub, struct cop_sub_event *event)
{
	*event = sub->event;
	if (!event->publisher)
		event->publisher = "";
}

COP_EXPORT int cop_sub_fd(struct cop_sub *sub)
{
	if (cop__forked(&sub->mark))
		return cop__sub_fail_forked();
	return cop__sub_outer(sub);
}

COP_EXPORT const char *cop_sub_name(const struct cop_sub *sub)
{
	return sub->name;
}

/* ---- closing ---- */

static bool is_named(const struct cop_sub *sub)
{
	const struct cop__sub_header *header = (const void *)sub->member.map.base;

	return header->flags & COP__SUB_NAMED;
}

static void leave(struct cop_sub *sub)
{
	bool gone;

	if (sub->hand)
		cop__sub_release(sub);
	for (size_t i = 0; i < sub->lane_count; i++)
		cop__lane_settle(sub, sub->lanes[i]);
	if (!is_named(sub))
		cop__member_unlink(&sub->member, sub->topic.membersfd);
	cop__member_leave(&sub->member);
	/* Whoever waited for us need not any more; and what we were the last to read can go. */
	cop__bell_members_changed(&sub->topic.bell);
	(void)cop__sweep(&sub->topic, 0, NULL, NULL, &gone);
}

COP_EXPORT void cop_sub_close(struct cop_sub **sub)
{
	if (!sub || !*sub)
		return;

	struct cop_sub *old = *sub;
	bool forked = cop__forked(&old->mark);

	if (forked)
		/* The mapping was not inherited; something else may be where it was. */
		cop__map_forget(&old->topic.bell.map);
	else
		leave(old);
	cop__sub_forget_lanes(old, !forked);
	cop__os_close(old->outer);
	cop__os_close(old->timer);
	cop__os_close(old->watch);
	cop__topic_close(&old->topic);
	cop__fork_mark_close(&old->mark);
	free(old->copy);
	free(old);
	*sub = NULL;
}
