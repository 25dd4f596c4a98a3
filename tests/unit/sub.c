/*
 * tests/unit/sub.c - subscribers, as sub.h promises them: kinds, beginnings, gaps, ends
 */
#include "parties.h"

/* ---- where it begins ---- */

static void it_begins_at_the_oldest_that_is_kept(void)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL));
	struct cop_sub *sub;

	send_big(pub, 5);
	sub = sub_open("t", NULL);
	take(sub, 4, BIG); /* a ring of two */
	take(sub, 5, BIG);
	must_tell(sub, -EAGAIN);
	cop_sub_close(&sub);
	cop_pub_close(&pub);
}

static void it_begins_after_the_newest(void)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL));
	struct cop_sub *sub;

	must_rc(send_bytes(pub, 8), 0);
	sub = sub_open("t", SUB_OPTS(.from = COP_FROM_NEWEST));
	must_tell(sub, -EAGAIN);
	must_rc(send_bytes(pub, 8), 0);
	take(sub, 2, 8);
	cop_sub_close(&sub);
	cop_pub_close(&pub);
}

static void it_begins_at_a_sequence_that_is_there(void)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL));

	for (int i = 0; i < 10; i++)
		must_rc(send_bytes(pub, 8), 0);
	for (uint64_t from = 1; from <= 10; from++) {
		struct cop_sub *sub = sub_open("t", SUB_OPTS(.from = COP_FROM_SEQUENCE,
							     .from_sequence = from));

		for (uint64_t s = from; s <= 10; s++)
			take(sub, s, 8);
		must_tell(sub, -EAGAIN);
		cop_sub_close(&sub);
	}
	cop_pub_close(&pub);
}

static void a_sequence_that_is_gone_is_told_as_a_gap(void)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL, .name = "p"));
	struct cop_sub *sub;

	send_big(pub, 7); /* 6 and 7 are kept */
	sub = sub_open("t", SUB_OPTS(.from = COP_FROM_SEQUENCE, .from_sequence = 3));
	must_tell_gap(sub, "p", 3, 3);
	take(sub, 6, BIG);
	take(sub, 7, BIG);
	must_tell(sub, -EAGAIN);
	cop_sub_close(&sub);
	cop_pub_close(&pub);
}

static void a_sequence_that_is_not_there_yet_is_waited_for(void)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL, .when_full = COP_FULL_EAGAIN));
	struct cop_sub *sub;

	must_rc(send_bytes(pub, 8), 0);
	sub = sub_open("t", SUB_OPTS(.from = COP_FROM_SEQUENCE, .from_sequence = 50));
	for (int i = 2; i < 50; i++) {
		must_tell(sub, -EAGAIN);
		must_rc(send_bytes(pub, BIG), 0); /* those before do not fill the ring for it */
	}
	must_rc(send_bytes(pub, 8), 0);
	take(sub, 50, 8);
	cop_sub_close(&sub);
	cop_pub_close(&pub);
}

static void what_is_before_the_wanted_sequence_is_no_loss(void)
{
	struct cop_pub *pub = pub_open("t",
				       PUB_OPTS(SMALL, .name = "p", .when_full = COP_FULL_DROP));
	struct cop_sub *sub;

	must_rc(send_bytes(pub, 8), 0);
	sub = sub_open("t", SUB_OPTS(.from = COP_FROM_SEQUENCE, .from_sequence = 8));
	send_big(pub, 6); /* up to 7; 6 and 7 are kept */
	must_tell(sub, -EAGAIN);
	send_big(pub, 6); /* up to 13; 12 and 13 are kept */
	must_tell_gap(sub, "p", 8, 4);
	take(sub, 12, BIG);
	cop_sub_close(&sub);
	cop_pub_close(&pub);
}

static void lanes_that_come_later_are_read_from_their_first_message(void)
{
	static const uint32_t from[] = { COP_FROM_OLDEST, COP_FROM_NEWEST, COP_FROM_SEQUENCE };

	for (int i = 0; i < 3; i++) {
		struct cop_sub *sub = sub_open("t",
					       SUB_OPTS(.from = from[i], .from_sequence = 100));
		struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL));

		must_rc(send_bytes(pub, 8), 0);
		take(sub, 1, 8);
		cop_pub_close(&pub);
		cop_sub_close(&sub);
	}
}

/* ---- lossy ---- */

static void a_lossy_one_is_told_its_gap_exactly(void)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL, .name = "p"));
	struct cop_sub *sub = sub_open("t", SUB_OPTS(.kind = COP_SUB_LOSSY));

	send_big(pub, 1);
	take(sub, 1, BIG);
	send_big(pub, 6); /* 6 and 7 are kept */
	must_tell_gap(sub, "p", 2, 4);
	must_has(cop_error_text(), "2 to 5");
	take(sub, 6, BIG);
	take(sub, 7, BIG);
	must_tell(sub, -EAGAIN);
	cop_sub_close(&sub);
	cop_pub_close(&pub);
}

/* All records at the same places in every round, and a subscriber at each of them. */
static void gaps_add_up(uint64_t taken, uint64_t total, uint32_t flags)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL));
	struct cop_sub *sub = sub_open("t", SUB_OPTS(.kind = COP_SUB_LOSSY, .flags = flags));
	uint64_t seen = 0;
	struct cop_msg msg;
	int rc;

	while (cop_pub_sequence(pub) < taken) {
		must_rc(send_bytes(pub, 12000), 0);
		take(sub, ++seen, 12000);
		cop_sub_release(sub);
	}
	while (cop_pub_sequence(pub) < total)
		must_rc(send_bytes(pub, 12000), 0);
	cop_pub_close(&pub);
	while ((rc = cop_sub_next(sub, &msg, 0)) != -EPIPE) {
		if (rc == 1) {
			must_be(&msg, ++seen, 12000);
			must_rc(cop_sub_check(sub), 0);
		} else {
			must_rc(rc, -EOVERFLOW);
			must_u64(last_event(sub).first, ==, seen + 1);
			seen += last_event(sub).count;
		}
	}
	must_u64(seen, ==, total);
	cop_sub_close(&sub);
}

static void every_message_is_got_or_told_lost(void)
{
	for (uint64_t taken = 0; taken < 11; taken++) {
		for (uint64_t total = taken; total < taken + 22; total++) {
			test_note("taken %d, total %d", (int)taken, (int)total);
			gaps_add_up(taken, total, 0);
			gaps_add_up(taken, total, COP_SUB_IN_PLACE);
		}
	}
}

static void a_lossy_message_is_a_copy(void)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL));
	struct cop_sub *sub = sub_open("t", SUB_OPTS(.kind = COP_SUB_LOSSY));
	struct cop_msg msg;

	send_big(pub, 1);
	msg = take(sub, 1, BIG);
	send_big(pub, 10);
	must_be(&msg, 1, BIG); /* though the ring has gone round */
	must_rc(cop_sub_check(sub), 0);
	cop_sub_close(&sub);
	cop_pub_close(&pub);
}

static void in_place_the_caller_checks_after_use(void)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL, .name = "p"));
	struct cop_sub *sub = sub_open("t",
				       SUB_OPTS(.kind = COP_SUB_LOSSY, .flags = COP_SUB_IN_PLACE));

	must_rc(cop_sub_check(sub), -EINVAL);
	send_big(pub, 2);
	take(sub, 1, BIG);
	must_rc(cop_sub_check(sub), 0);
	take(sub, 2, BIG);
	must_rc(cop_sub_check(sub), 0);
	send_big(pub, 1);
	must_rc(cop_sub_check(sub), 0); /* its segment is still whole */
	send_big(pub, 1);
	must_rc(cop_sub_check(sub), -EOVERFLOW);
	must_tell_gap(sub, "p", 2, 1); /* what was not to be believed is part of the gap */
	must_rc(cop_sub_check(sub), -EINVAL);
	take(sub, 3, BIG);
	take(sub, 4, BIG);
	cop_sub_close(&sub);
	cop_pub_close(&pub);
}

static void a_lossless_message_is_always_whole(void)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL));
	struct cop_sub *sub = sub_open("t", NULL);
	struct cop_msg msg;

	must_rc(send_bytes(pub, 300), 0);
	msg = take(sub, 1, 300);
	must_u64((uintptr_t)msg.data % 64, ==, 0);
	must_rc(cop_sub_check(sub), 0);
	cop_sub_release(sub);
	must_rc(cop_sub_check(sub), -EINVAL);
	cop_sub_close(&sub);
	cop_pub_close(&pub);
}

/* ---- latest ---- */

static void latest_skips_and_counts(void)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL));
	struct cop_sub *sub = sub_open("t", SUB_OPTS(.kind = COP_SUB_LATEST));

	must_tell(sub, -EAGAIN);
	must_rc(send_bytes(pub, 8), 0);
	must_u64(take(sub, 1, 8).skipped, ==, 0);
	must_tell(sub, -EAGAIN);
	for (int i = 0; i < 5; i++)
		must_rc(send_bytes(pub, 8), 0);
	must_u64(take(sub, 6, 8).skipped, ==, 4);
	send_big(pub, 10);
	must_u64(take(sub, 16, BIG).skipped, ==, 9); /* though most of them are gone */
	must_tell(sub, -EAGAIN);
	send_big(pub, 1);
	cop_pub_close(&pub);
	must_u64(take(sub, 17, BIG).skipped, ==, 0);
	must_tell(sub, -EPIPE);
	cop_sub_close(&sub);
}

static void latest_is_of_each_publisher(void)
{
	struct cop_pub *a = pub_open("t", PUB_OPTS(SMALL, .name = "a"));
	struct cop_pub *b = pub_open("t", PUB_OPTS(SMALL, .name = "b"));
	struct cop_sub *sub = sub_open("t", SUB_OPTS(.kind = COP_SUB_LATEST));
	uint64_t skipped[2] = { 0 };

	for (int i = 0; i < 3; i++)
		must_rc(send_bytes(a, 8), 0);
	for (int i = 0; i < 7; i++)
		must_rc(send_bytes(b, 8), 0);
	for (int i = 0; i < 2; i++) {
		struct cop_msg msg;

		must_rc(cop_sub_next(sub, &msg, 0), 1);
		skipped[msg.publisher[0] == 'b'] = msg.skipped;
		must_u64(msg.sequence, ==, msg.skipped + 1);
	}
	must_u64(skipped[0], ==, 2);
	must_u64(skipped[1], ==, 6);
	must_tell(sub, -EAGAIN);
	cop_sub_close(&sub);
	cop_pub_close(&a);
	cop_pub_close(&b);
}

static void latest_finds_the_newest_wherever_it_is(void)
{
	for (int before = 0; before < 12; before++) {
		for (int more = 1; more < 14; more++) {
			struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL));
			struct cop_sub *sub = sub_open("t", SUB_OPTS(.kind = COP_SUB_LATEST));

			test_note("before %d, more %d", before, more);
			for (int i = 0; i < before; i++)
				must_rc(send_bytes(pub, 13000), 0);
			if (before > 0)
				take(sub, (uint64_t)before, 13000);
			for (int i = 0; i < more; i++)
				must_rc(send_bytes(pub, 13000), 0);
			must_u64(take(sub, (uint64_t)(before + more), 13000).skipped, ==,
				 (uint64_t)more - 1);
			must_tell(sub, -EAGAIN);
			cop_sub_close(&sub);
			cop_pub_close(&pub);
		}
	}
}

/* ---- many publishers ---- */

static void nobody_is_starved(void)
{
	struct cop_pub *a = pub_open("t", PUB_OPTS(SMALL, .name = "a"));
	struct cop_pub *b = pub_open("t", PUB_OPTS(SMALL, .name = "b"));
	struct cop_sub *sub = sub_open("t", NULL);
	uint64_t got[2] = { 0 };

	for (int i = 0; i < 2000; i++) {
		struct cop_msg msg;

		/* a always has something; b has one message. */
		must_rc(send_bytes(a, 8), 0);
		if (i == 1000)
			must_rc(send_bytes(b, 8), 0);
		must_rc(cop_sub_next(sub, &msg, 0), 1);
		must_be(&msg, ++got[msg.publisher[0] == 'b'], 8);
	}
	must_u64(got[1], ==, 1);
	cop_sub_close(&sub);
	cop_pub_close(&a);
	cop_pub_close(&b);
}

static void more_publishers_than_a_page_has_cursors(void)
{
	enum { PUBS = 150 };
	struct cop_pub *pubs[PUBS];
	struct cop_sub *sub = sub_open("t", SUB_OPTS(.name = "s"));
	uint64_t got = 0;

	for (int i = 0; i < PUBS; i++) {
		pubs[i] = pub_open("t", PUB_OPTS(SMALL, .when_full = COP_FULL_EAGAIN));
		must_rc(send_bytes(pubs[i], 8), 0);
	}
	for (int i = 0; i < PUBS; i++) {
		struct cop_msg msg;

		must_rc(cop_sub_next(sub, &msg, 0), 1);
		must_be(&msg, 1, 8);
		got++;
	}
	must_tell(sub, -EAGAIN);
	/* Every one of them is heeded by its publisher: it waits, and not for ever. */
	for (int i = 0; i < PUBS; i++) {
		int sent = 0;

		while (send_bytes(pubs[i], BIG) == 0)
			must_int(++sent, <=, 3);
		must_int(sent, >=, 2);
	}
	while (cop_sub_next(sub, &(struct cop_msg){ 0 }, 0) == 1)
		got++;
	for (int i = 0; i < PUBS; i++) {
		must_rc(cop_pub_drain(pubs[i], 0), 0);
		cop_pub_close(&pubs[i]);
	}
	must_u64(got, >=, 3ull * PUBS);
	must_tell(sub, -EPIPE);
	cop_sub_close(&sub);
	must_rc(cop_topic_forget("t", "s"), 0);
}

/* ---- release ---- */

static void a_released_message_does_not_come_again(void)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL));
	struct cop_sub *sub = sub_open("t", NULL);

	cop_sub_release(sub); /* there is none */
	must_rc(send_bytes(pub, 1), 0);
	must_rc(send_bytes(pub, 2), 0);
	take(sub, 1, 1);
	cop_sub_release(sub);
	cop_sub_release(sub);
	take(sub, 2, 2);
	must_tell(sub, -EAGAIN);
	cop_sub_close(&sub);
	cop_pub_close(&pub);
}

/* ---- the end ---- */

static void the_last_publishers_going_is_told_once(void)
{
	struct cop_sub *sub = sub_open("t", NULL);
	struct cop_pub *a, *b;

	must_tell(sub, -EAGAIN); /* nobody was there yet: that is no end */
	a = pub_open("t", PUB_OPTS(SMALL));
	b = pub_open("t", PUB_OPTS(SMALL));
	must_rc(send_bytes(a, 8), 0);
	cop_pub_close(&a);
	take(sub, 1, 8);
	must_tell(sub, -EAGAIN); /* b is there */
	cop_pub_close(&b);
	must_tell(sub, -EPIPE);
	must_str(last_event(sub).publisher, "");
	must_tell(sub, -EAGAIN); /* told once */
	a = pub_open("t", PUB_OPTS(SMALL));
	must_rc(send_bytes(a, 8), 0);
	cop_pub_close(&a);
	take(sub, 1, 8);
	must_tell(sub, -EPIPE); /* the next end */
	must_tell(sub, -EAGAIN);
	cop_sub_close(&sub);
}

static void the_end_waits_for_so_many_publishers(void)
{
	struct cop_sub *sub = sub_open("t", SUB_OPTS(.publishers_min = 3));

	for (int i = 0; i < 3; i++) {
		struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL));

		must_rc(send_bytes(pub, 8), 0);
		cop_pub_close(&pub);
		take(sub, 1, 8);
		must_tell(sub, i < 2 ? -EAGAIN : -EPIPE);
	}
	cop_sub_close(&sub);
}

static void a_publisher_that_comes_back_ends_again(void)
{
	struct cop_sub *sub = sub_open("t", NULL);

	for (uint64_t i = 1; i <= 3; i++) {
		struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL, .name = "p"));

		must_rc(send_bytes(pub, 8), 0);
		take(sub, cop_pub_sequence(pub), 8);
		cop_pub_close(&pub);
		must_tell(sub, -EPIPE);
	}
	cop_sub_close(&sub);
}

static void a_removed_subscriber_is_told(void)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL));
	struct cop_sub *sub = sub_open("t", NULL);

	must_rc(send_bytes(pub, 8), 0);
	must_rc(cop_topic_remove("t", COP_REMOVE_FORCE), 0);
	take(sub, 1, 8); /* what was there is read */
	must_tell(sub, -ESTALE);
	must_str(last_event(sub).publisher, "");
	must_has(cop_error_text(), "removed");
	must_rc(send_bytes(pub, 8), 0); /* nothing forbids to read on */
	take(sub, 2, 8);
	must_tell(sub, -EAGAIN); /* told once */
	cop_pub_close(&pub);
	cop_sub_close(&sub);
}

/* ---- events ---- */

static void the_event_is_of_the_last_negative_result(void)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL, .name = "p"));
	struct cop_sub *sub = sub_open("t", SUB_OPTS(.kind = COP_SUB_LOSSY));

	must_int(last_event(sub).error, ==, 0);
	must_str(last_event(sub).publisher, "");
	send_big(pub, 5);
	must_tell_gap(sub, "p", 1, 3);
	take(sub, 4, BIG);
	must_int(last_event(sub).error, ==, -EOVERFLOW); /* a message does not erase it */
	take(sub, 5, BIG);
	must_tell(sub, -EAGAIN);
	must_str(last_event(sub).publisher, "");
	cop_sub_close(&sub);
	cop_pub_close(&pub);
}

#define CLEAN .check = TEST_FDS | TEST_EMPTY_ROOT
static const struct test_case cases[] = {
	TEST(it_begins_at_the_oldest_that_is_kept, CLEAN),
	TEST(it_begins_after_the_newest, CLEAN),
	TEST(it_begins_at_a_sequence_that_is_there, CLEAN),
	TEST(a_sequence_that_is_gone_is_told_as_a_gap, CLEAN),
	TEST(a_sequence_that_is_not_there_yet_is_waited_for, CLEAN),
	TEST(what_is_before_the_wanted_sequence_is_no_loss, CLEAN),
	TEST(lanes_that_come_later_are_read_from_their_first_message, CLEAN),
	TEST(a_lossy_one_is_told_its_gap_exactly, CLEAN),
	TEST(every_message_is_got_or_told_lost, CLEAN),
	TEST(a_lossy_message_is_a_copy, CLEAN),
	TEST(in_place_the_caller_checks_after_use, CLEAN),
	TEST(a_lossless_message_is_always_whole, CLEAN),
	TEST(latest_skips_and_counts, CLEAN),
	TEST(latest_is_of_each_publisher, CLEAN),
	TEST(latest_finds_the_newest_wherever_it_is, CLEAN),
	TEST(nobody_is_starved, CLEAN),
	TEST(more_publishers_than_a_page_has_cursors, CLEAN),
	TEST(a_released_message_does_not_come_again, CLEAN),
	TEST(the_last_publishers_going_is_told_once, CLEAN),
	TEST(the_end_waits_for_so_many_publishers, CLEAN),
	TEST(a_publisher_that_comes_back_ends_again, CLEAN),
	TEST(a_removed_subscriber_is_told, CLEAN),
	TEST(the_event_is_of_the_last_negative_result, CLEAN),
	{ 0 },
};
TEST_MAIN("sub", cases)
