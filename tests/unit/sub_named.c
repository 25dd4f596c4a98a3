/*
 * tests/unit/sub_named.c - subscribers with a name are remembered
 */
#include "parties.h"

#define NAMED SUB_OPTS(.name = "s")

static void forget(void)
{
	must_rc(cop_topic_forget("t", "s"), 0);
}

static void it_goes_on_where_it_stopped(void)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL));
	struct cop_sub *sub = sub_open("t", NAMED);

	must_str(cop_sub_name(sub), "s");
	for (int i = 0; i < 6; i++)
		must_rc(send_bytes(pub, 8), 0);
	take(sub, 1, 8);
	take(sub, 2, 8);
	cop_sub_close(&sub); /* releases 2 */
	sub = sub_open("t", NAMED);
	take(sub, 3, 8);
	cop_sub_release(sub);
	cop_sub_close(&sub);
	/* Where a new one begins does not matter to it. */
	sub = sub_open("t", SUB_OPTS(.name = "s", .from = COP_FROM_NEWEST));
	take(sub, 4, 8);
	cop_sub_close(&sub);
	sub = sub_open("t", SUB_OPTS(.name = "s", .from = COP_FROM_SEQUENCE, .from_sequence = 1));
	take(sub, 5, 8);
	take(sub, 6, 8);
	must_tell(sub, -EAGAIN);
	cop_sub_close(&sub);
	forget();
	cop_pub_close(&pub);
}

static void it_is_told_its_gap_when_the_ring_went_on(void)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL, .name = "p", .when_full = 1));
	struct cop_sub *sub = sub_open("t", NAMED);

	send_big(pub, 2);
	take(sub, 1, BIG);
	cop_sub_close(&sub);
	send_big(pub, 6); /* nobody waits for it; 7 and 8 are kept */
	sub = sub_open("t", NAMED);
	must_tell_gap(sub, "p", 2, 5);
	take(sub, 7, BIG);
	take(sub, 8, BIG);
	must_tell(sub, -EAGAIN);
	cop_sub_close(&sub);
	forget();
	cop_pub_close(&pub);
}

static void every_place_is_come_back_to(void)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL));

	/* Read one, be away for some, and so on over several rounds: all or told. */
	for (uint64_t away = 0, seen = 0; away < 14; away++) {
		struct cop_sub *sub = sub_open("t", NAMED);
		struct cop_msg msg;
		int rc;

		while ((rc = cop_sub_next(sub, &msg, 0)) != -EAGAIN) {
			if (rc == 1) {
				must_be(&msg, ++seen, 12000);
			} else {
				must_rc(rc, -EOVERFLOW);
				must_u64(last_event(sub).first, ==, seen + 1);
				seen += last_event(sub).count;
			}
		}
		must_u64(seen, ==, cop_pub_sequence(pub));
		cop_sub_close(&sub);
		for (uint64_t i = 0; i < away; i++)
			must_rc(send_bytes(pub, 12000), 0);
	}
	forget();
	cop_pub_close(&pub);
}

static void a_topic_can_hold_the_ring_for_it(void)
{
	struct cop_topic_opts opts = COP_TOPIC_OPTS_INIT;
	struct cop_pub *pub;
	struct cop_sub *sub;

	opts.flags = COP_TOPIC_HOLD_AWAY;
	must_rc(cop_topic_create("t", &opts), 0);
	pub = pub_open("t", PUB_OPTS(SMALL, .when_full = COP_FULL_EAGAIN));
	sub = sub_open("t", NAMED);
	must_rc(send_bytes(pub, BIG), 0);
	take(sub, 1, BIG);
	cop_sub_close(&sub);
	send_big(pub, 1);
	must_rc(send_bytes(pub, BIG), -EAGAIN);
	sub = sub_open("t", NAMED);
	take(sub, 2, BIG);
	cop_sub_close(&sub);
	send_big(pub, 1);
	must_rc(send_bytes(pub, BIG), -EAGAIN);
	forget(); /* and it goes on */
	send_big(pub, 5);
	cop_pub_close(&pub);
	must_rc(cop_topic_remove("t", 0), 0);
}

static void lanes_that_came_while_it_was_away_are_read_from_the_first(void)
{
	struct cop_sub *sub = sub_open("t", SUB_OPTS(.name = "s", .from = COP_FROM_NEWEST));
	struct cop_pub *pub;

	cop_sub_close(&sub);
	pub = pub_open("t", PUB_OPTS(SMALL));
	must_rc(send_bytes(pub, 8), 0);
	sub = sub_open("t", SUB_OPTS(.name = "s", .from = COP_FROM_NEWEST));
	take(sub, 1, 8);
	cop_sub_close(&sub);
	forget();
	cop_pub_close(&pub);
}

static void what_a_closed_publisher_left_waits_for_it(void)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL));
	struct cop_sub *sub = sub_open("t", NAMED);

	send_big(pub, 2);
	cop_sub_close(&sub);
	cop_pub_close(&pub);
	sub = sub_open("t", NAMED);
	take(sub, 1, BIG);
	cop_sub_close(&sub);
	sub = sub_open("t", NAMED);
	take(sub, 2, BIG);
	must_tell(sub, -EPIPE);
	cop_sub_close(&sub);
	forget();
}

static void it_follows_a_publisher_that_comes_back(void)
{
	struct cop_sub *sub = sub_open("t", NAMED);

	for (uint64_t i = 0; i < 4; i++) {
		struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL, .name = "p"));
		uint64_t sequence = cop_pub_sequence(pub) + 1;

		must_rc(send_bytes(pub, 8), 0);
		if (i % 2 == 0)
			cop_pub_close(&pub);
		cop_sub_close(&sub);
		sub = sub_open("t", NAMED);
		take(sub, sequence, 8);
		cop_pub_close(&pub);
		must_tell(sub, -EPIPE);
		must_tell(sub, -EAGAIN);
	}
	cop_sub_close(&sub);
	forget();
}

static void its_kind_may_change(void)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL, .name = "p", .when_full = 1));
	struct cop_sub *sub = sub_open("t", NAMED);

	must_rc(send_bytes(pub, BIG), 0);
	take(sub, 1, BIG);
	cop_sub_close(&sub);
	sub = sub_open("t", SUB_OPTS(.name = "s", .kind = COP_SUB_LOSSY));
	send_big(pub, 6); /* it is not waited for */
	must_tell_gap(sub, "p", 2, 4);
	take(sub, 6, BIG);
	cop_sub_close(&sub);
	sub = sub_open("t", NAMED);
	take(sub, 7, BIG);
	must_tell(sub, -EAGAIN);
	send_big(pub, 1);
	must_rc(send_bytes(pub, BIG), -EAGAIN); /* now it is */
	cop_sub_close(&sub);
	forget();
	cop_pub_close(&pub);
}

static void a_name_has_one_owner_at_a_time(void)
{
	struct cop_sub *sub = sub_open("t", NAMED), *other = NULL;

	must_rc(cop_sub_open(&other, "t", NAMED), -EBUSY);
	must(!other);
	must_has(cop_error_text(), "live");
	must_rc(cop_topic_forget("t", "s"), -EBUSY);
	cop_sub_close(&sub);
	sub = sub_open("t", NAMED);
	cop_sub_close(&sub);
	forget();
}

static void only_what_is_there_can_be_forgotten(void)
{
	struct cop_pub *pub;
	struct cop_sub *sub;

	must_rc(cop_topic_forget("t", "s"), -ENOENT);
	pub = pub_open("t", PUB_OPTS(SMALL));
	must_rc(cop_topic_forget("t", "s"), -ENOENT);
	must_has(cop_error_text(), "s");
	must_rc(cop_topic_forget("t", ".s"), -EINVAL);
	must_rc(cop_topic_forget("t", ""), -EINVAL);
	sub = sub_open("t", NAMED);
	cop_sub_close(&sub);
	forget();
	must_rc(cop_topic_forget("t", "s"), -ENOENT);
	cop_pub_close(&pub);
}

static void forgetting_takes_along_what_was_kept_for_it(void)
{
	struct cop_sub *sub = sub_open("t", NAMED);
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL));

	send_big(pub, 1);
	cop_sub_close(&sub);
	cop_pub_close(&pub);
	forget(); /* the lane goes, and the topic: TEST_EMPTY_ROOT looks */
}

static void one_without_a_name_leaves_nothing(void)
{
	struct cop_sub *sub = sub_open("t", NULL);
	char name[COP_NAME_MAX + 1];

	snprintf(name, sizeof(name), "%s", cop_sub_name(sub));
	cop_sub_close(&sub);
	must_rc(cop_topic_forget("t", name), -ENOENT);
}

#define CLEAN .check = TEST_FDS | TEST_EMPTY_ROOT
static const struct test_case cases[] = {
	TEST(it_goes_on_where_it_stopped, CLEAN),
	TEST(it_is_told_its_gap_when_the_ring_went_on, CLEAN),
	TEST(every_place_is_come_back_to, CLEAN),
	TEST(a_topic_can_hold_the_ring_for_it, CLEAN),
	TEST(lanes_that_came_while_it_was_away_are_read_from_the_first, CLEAN),
	TEST(what_a_closed_publisher_left_waits_for_it, CLEAN),
	TEST(it_follows_a_publisher_that_comes_back, CLEAN),
	TEST(its_kind_may_change, CLEAN),
	TEST(a_name_has_one_owner_at_a_time, CLEAN),
	TEST(only_what_is_there_can_be_forgotten, CLEAN),
	TEST(forgetting_takes_along_what_was_kept_for_it, CLEAN),
	TEST(one_without_a_name_leaves_nothing, CLEAN),
	{ 0 },
};
TEST_MAIN("sub_named", cases)
