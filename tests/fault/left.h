/*
 * tests/fault/left.h - what the dead leave, to be copied to where it is wanted
 *
 * It is made once, by a child that ends without closing anything. In a copy nobody holds a lock,
 * which is what death looks like; and a copy is quicker than a fork.
 */
#ifndef TEST_FAULT_LEFT_H
#define TEST_FAULT_LEFT_H

#include "fault/stream.h"
#include "fault/tree.h"

enum { LEFT_SENT = 20, LEFT_READ = 7 };

/* Publisher "p" and subscriber "s"; anonymous ones where names is false. */
static inline void leave_members(const char *topic, bool names)
{
	struct cop_pub_opts p = small_pub(names ? "p" : NULL);
	struct cop_sub_opts s = quick_sub(names ? "s" : NULL);
	struct cop_pub *pub;
	struct cop_sub *sub;
	struct cop_msg msg;
	uint64_t got = 0;

	must_rc(cop_sub_open(&sub, topic, &s), 0);
	must_rc(cop_pub_open(&pub, topic, &p), 0);
	stream_send_many(pub, LEFT_SENT);
	stream_receive(sub, &got, LEFT_READ);
	/* One more in hand: it has not been released, and will come again. */
	must_rc(cop_sub_next(sub, &msg, 0), 1);
}

static inline void leave_and_die(int line, void *arg)
{
	char topic[600];

	snprintf(topic, sizeof(topic), "%s/named", (char *)arg);
	leave_members(topic, true);
	snprintf(topic, sizeof(topic), "%s/anonymous", (char *)arg);
	leave_members(topic, false);
	test_tell(line, "left");
	_exit(0);
}

/*
 * Put a topic of the dead there, with lane "p" of 20 messages and subscriber "s" that has read 7;
 * or the same of members without a name.
 */
static inline void put_left(const char *topic, bool names)
{
	static char made[300];
	char from[400];

	if (!made[0]) {
		struct test_child child;

		snprintf(made, sizeof(made), "%s/left", test_root());
		tree_make_directory(made, 0700);
		child = test_fork(leave_and_die, made);
		must_str(test_hear(child.line), "left");
		test_end(&child);
	}
	snprintf(from, sizeof(from), "%s/%s", made, names ? "named" : "anonymous");
	tree_copy(from, topic);
}

#endif
