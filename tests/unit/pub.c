/*
 * tests/unit/pub.c - publishers, as pub.h promises them
 */
#include "parties.h"

#include <pthread.h>

/* ---- sending ---- */

static void messages_arrive_in_order_and_whole(void)
{
	static const size_t sizes[] = { 5, 0, 1, 255, 256, 257, 0, MESSAGE_MAX, 7 };
	const size_t count = sizeof(sizes) / sizeof(*sizes);
	struct cop_pub *pub = pub_open("t",
				       PUB_OPTS(.segments = 4, .message_max_bytes = MESSAGE_MAX));
	struct cop_sub *sub = sub_open("t", NULL);

	for (size_t i = 0; i < count; i++)
		must_rc(send_bytes(pub, sizes[i]), 0);
	for (size_t i = 0; i < count; i++)
		must_str(take(sub, i + 1, sizes[i]).publisher, cop_pub_name(pub));
	must_tell(sub, -EAGAIN);
	cop_sub_close(&sub);
	cop_pub_close(&pub);
}

static void a_message_may_be_as_large_as_was_asked_for(void)
{
	static const uint64_t max[] = { 1, 255, 256, 65536, 3000000 };
	static uint8_t bytes[3000001];

	for (size_t i = 0; i < sizeof(max) / sizeof(*max); i++) {
		struct cop_pub *pub = pub_open("t", PUB_OPTS(.segments = 2,
							     .message_max_bytes = max[i]));
		struct cop_sub *sub = sub_open("t", NULL);
		struct cop_msg msg;
		void *room = &room;

		must_rc(cop_pub_send(pub, bytes, max[i] + 1), -EMSGSIZE);
		must_has(cop_error_text(), "message_max_bytes");
		must_rc(cop_pub_reserve(pub, max[i] + 1, &room), -EMSGSIZE);
		must(room == &room);
		must_u64(cop_pub_sequence(pub), ==, 0);
		must_rc(cop_pub_send(pub, bytes, max[i]), 0);
		must_rc(cop_sub_next(sub, &msg, 0), 1);
		must_u64(msg.size, ==, max[i]);
		cop_sub_close(&sub);
		cop_pub_close(&pub);
	}
}

static void defaults_are_those_of_the_header(void)
{
	struct cop_pub *pub = pub_open("t", NULL);
	struct cop_topic_stat *stat;

	must_rc(cop_topic_stat("t", &stat), 0);
	must_u64(stat->pub_count, ==, 1);
	must_u64(stat->pubs[0].message_max_bytes, ==, COP_MESSAGE_DEFAULT);
	must_u64(stat->pubs[0].segments, ==, COP_SEGMENTS_DEFAULT);
	must_u64(stat->pubs[0].mode, ==, 0600);
	cop_topic_stat_free(stat);
	cop_pub_close(&pub);
}

/* ---- in place ---- */

static void a_reservation_shows_when_it_is_committed(void)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL));
	struct cop_sub *sub = sub_open("t", NULL);
	void *room;

	must_rc(cop_pub_reserve(pub, 100, &room), 0);
	must_u64((uintptr_t)room % 8, ==, 0);
	memset(room, 1, 100);
	must_tell(sub, -EAGAIN);
	must_u64(cop_pub_sequence(pub), ==, 0);
	must_rc(cop_pub_commit(pub, 60), 0);
	must_u64(cop_pub_sequence(pub), ==, 1);
	take(sub, 1, 60);

	must_rc(cop_pub_reserve(pub, 256, &room), 0);
	must_u64((uintptr_t)room % 64, ==, 0);
	memset(room, 2, 256);
	must_rc(cop_pub_commit(pub, 256), 0);
	take(sub, 2, 256);
	must_rc(cop_pub_reserve(pub, 10, &room), 0);
	must_rc(cop_pub_commit(pub, 0), 0);
	take(sub, 3, 0);
	cop_sub_close(&sub);
	cop_pub_close(&pub);
}

static void a_reservation_that_is_given_up_never_shows(void)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL));
	struct cop_sub *sub = sub_open("t", NULL);
	void *room;

	cop_pub_abort(pub); /* there is none: nothing happens */
	must_rc(cop_pub_reserve(pub, BIG, &room), 0);
	memset(room, 0xff, BIG);
	cop_pub_abort(pub);
	must_tell(sub, -EAGAIN);
	must_rc(send_bytes(pub, 3), 0);
	take(sub, 1, 3);
	must_rc(cop_pub_reserve(pub, 8, &room), 0);
	memset(room, 0xff, 8);
	cop_pub_close(&pub); /* with the reservation open */
	must_tell(sub, -EPIPE);
	cop_sub_close(&sub);
}

static void there_is_one_reservation_at_a_time(void)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL));
	void *room, *other = &other;

	must_rc(cop_pub_commit(pub, 0), -EINVAL);
	must_rc(cop_pub_reserve(pub, 8, &room), 0);
	must_rc(cop_pub_reserve(pub, 8, &other), -EINVAL);
	must(other == &other);
	must_rc(cop_pub_send(pub, "x", 1), -EINVAL);
	must_rc(cop_pub_commit(pub, 9), -EINVAL);
	must_rc(cop_pub_commit(pub, 8), 0); /* it is still there */
	must_rc(cop_pub_commit(pub, 8), -EINVAL);
	cop_pub_abort(pub);
	must_rc(cop_pub_commit(pub, 0), -EINVAL);
	must_u64(cop_pub_sequence(pub), ==, 1);
	cop_pub_close(&pub);
}

/* ---- when the ring is full ---- */

static void a_full_ring_says_so_if_asked_to(void)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL, .when_full = COP_FULL_EAGAIN));
	struct cop_sub *sub = sub_open("t", NULL);
	void *room;

	fill(pub);
	must_rc(cop_pub_reserve(pub, BIG, &room), -EAGAIN);
	must_u64(cop_pub_sequence(pub), ==, 2); /* nothing was published */
	must_rc(send_bytes(pub, 8), 0); /* what still fits is not refused */
	take(sub, 1, BIG);
	must_rc(send_bytes(pub, BIG), -EAGAIN); /* in hand, so not yet read */
	take(sub, 2, BIG);
	take(sub, 3, 8);
	must_rc(send_bytes(pub, BIG), 0);
	take(sub, 4, BIG);
	must_tell(sub, -EAGAIN);
	cop_sub_close(&sub);
	cop_pub_close(&pub);
}

/* The last message of a segment that it fills to the last byte: nothing else keeps the segment. */
static void a_message_in_hand_holds_the_ring(void)
{
	static const size_t filling[] = { MESSAGE_MAX, 384, MESSAGE_MAX, 384 };
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL, .when_full = COP_FULL_EAGAIN));
	struct cop_sub *sub = sub_open("t", NULL);
	struct cop_topic_stat *stat;
	struct cop_msg msg;

	for (int i = 0; i < 4; i++)
		must_rc(send_bytes(pub, filling[i]), 0);
	must_rc(cop_topic_stat("t", &stat), 0);
	must_u64(stat->pubs[0].position, ==,
		 2 * stat->pubs[0].segment_bytes); /* or it is no test */
	cop_topic_stat_free(stat);
	take(sub, 1, MESSAGE_MAX);
	msg = take(sub, 2, 384);
	must_rc(send_bytes(pub, 8), -EAGAIN);
	must_be(&msg, 2, 384);
	cop_sub_release(sub);
	must_rc(send_bytes(pub, 8), 0);
	take(sub, 3, MESSAGE_MAX);
	cop_sub_close(&sub);
	cop_pub_close(&pub);
}

static void waiting_for_room_ends_with_the_deadline(void)
{
	const int64_t timeout_ns = 20000000;
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL, .full_timeout_ns = timeout_ns));
	struct cop_sub *sub = sub_open("t", NULL);
	int64_t start;
	void *room;

	send_big(pub, 2);
	start = test_now_ns();
	must_rc(send_bytes(pub, BIG), -ETIMEDOUT);
	must_int(test_now_ns() - start, >=, timeout_ns);
	must_rc(cop_pub_reserve(pub, BIG, &room), -ETIMEDOUT);
	must_u64(cop_pub_sequence(pub), ==, 2);
	take(sub, 1, BIG);
	take(sub, 2, BIG);
	must_tell(sub, -EAGAIN);
	must_rc(send_bytes(pub, BIG), 0);
	cop_sub_close(&sub);
	cop_pub_close(&pub);
}

/* A thread that takes so many BIG messages. */
struct taker {
	struct cop_sub *sub;
	uint64_t count;
};

static void *take_some(void *arg)
{
	struct taker *taker = arg;
	struct cop_msg msg;

	for (uint64_t i = 1; i <= taker->count; i++) {
		must_rc(cop_sub_next(taker->sub, &msg, -1), 1);
		must_be(&msg, i, BIG);
	}
	cop_sub_release(taker->sub);
	return NULL;
}

static void waiting_for_room_ends_when_somebody_reads(void)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL));
	struct taker taker = { sub_open("t", NULL), 200 };
	pthread_t thread;

	must_int(pthread_create(&thread, NULL, take_some, &taker), ==, 0);
	send_big(pub, (int)taker.count);
	must_int(pthread_join(thread, NULL), ==, 0);
	must_rc(cop_pub_drain(pub, 0), 0);
	cop_sub_close(&taker.sub);
	cop_pub_close(&pub);
}

static void nobody_waits_for_those_who_take_what_they_get(void)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL, .when_full = COP_FULL_EAGAIN));
	struct cop_sub *lossy = sub_open("t", SUB_OPTS(.kind = COP_SUB_LOSSY));
	struct cop_sub *latest = sub_open("t", SUB_OPTS(.kind = COP_SUB_LATEST));

	send_big(pub, 10);
	cop_sub_close(&lossy);
	cop_sub_close(&latest);
	send_big(pub, 10); /* and with nobody there */
	cop_pub_close(&pub);
}

static void who_leaves_is_waited_for_no_longer(void)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL, .when_full = COP_FULL_EAGAIN));
	struct cop_sub *sub = sub_open("t", NULL), *other = sub_open("t", NULL);

	fill(pub);
	take(other, 1, BIG);
	take(other, 2, BIG);
	must_tell(other, -EAGAIN);
	must_rc(send_bytes(pub, BIG), -EAGAIN); /* the slowest counts */
	cop_sub_close(&sub);
	must_rc(send_bytes(pub, BIG), 0);
	cop_sub_close(&other);
	cop_pub_close(&pub);
}

static void a_lane_that_drops_waits_for_nobody(void)
{
	struct cop_pub *pub = pub_open("t",
				       PUB_OPTS(SMALL, .name = "p", .when_full = COP_FULL_DROP));
	struct cop_sub *sub = sub_open("t", NULL);

	send_big(pub, 10);
	must_tell_gap(sub, "p", 1, 8);
	take(sub, 9, BIG);
	send_big(pub, 1);
	take(sub, 10, BIG);
	take(sub, 11, BIG);
	must_tell(sub, -EAGAIN);
	cop_sub_close(&sub);
	cop_pub_close(&pub);
}

/* ---- names, sequences, coming back ---- */

static void sequences_begin_where_they_are_told(void)
{
	const uint64_t first = UINT32_MAX;
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL, .first_sequence = first));
	struct cop_sub *sub = sub_open("t", NULL);

	must_u64(cop_pub_sequence(pub), ==, first - 1);
	for (int i = 0; i < 3; i++)
		must_rc(send_bytes(pub, 8), 0);
	must_u64(cop_pub_sequence(pub), ==, first + 2);
	for (uint64_t i = 0; i < 3; i++)
		take(sub, first + i, 8);
	cop_sub_close(&sub);
	cop_pub_close(&pub);
}

static void a_name_is_made_up_for_who_has_none(void)
{
	struct cop_pub *a = pub_open("t", NULL), *b = pub_open("t", NULL);

	must(strcmp(cop_pub_name(a), cop_pub_name(b)) != 0);
	cop_pub_close(&a);
	cop_pub_close(&b);
}

static void a_name_has_one_owner_at_a_time(void)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(.name = "p")), *other = NULL;

	must_str(cop_pub_name(pub), "p");
	must_rc(cop_pub_open(&other, "t", PUB_OPTS(.name = "p")), -EBUSY);
	must(!other);
	must_has(cop_error_text(), "p");
	must_rc(send_bytes(pub, 8), 0); /* undisturbed */
	cop_pub_close(&pub);
	pub = pub_open("t", PUB_OPTS(.name = "p"));
	cop_pub_close(&pub);
}

static void a_name_that_is_opened_again_goes_on(void)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL, .name = "p", .first_sequence = 10));
	struct cop_sub *sub = sub_open("t", NULL);

	must_rc(send_bytes(pub, 8), 0);
	cop_pub_close(&pub);
	pub = pub_open("t", PUB_OPTS(SMALL, .name = "p", .first_sequence = 77));
	must_u64(cop_pub_sequence(pub), ==, 10);
	must_rc(send_bytes(pub, 8), 0);
	take(sub, 10, 8);
	take(sub, 11, 8);
	must_tell(sub, -EAGAIN);
	cop_pub_close(&pub);
	must_tell(sub, -EPIPE);
	cop_sub_close(&sub);
}

static void a_lane_that_is_left_keeps_its_shape(void)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL, .name = "p"));
	struct cop_sub *sub = sub_open("t", NULL); /* for whom the lane is kept */
	struct cop_pub *bad = NULL;

	must_rc(send_bytes(pub, 8), 0);
	cop_pub_close(&pub);
	must_rc(cop_pub_open(&bad, "t", PUB_OPTS(.name = "p", .segments = 3)), -EINVAL);
	must_has(cop_error_text(), "segments");
	must_rc(cop_pub_open(&bad, "t", PUB_OPTS(.name = "p", .message_max_bytes = 65001)),
		-EINVAL);
	must_rc(cop_pub_open(&bad, "t", PUB_OPTS(SMALL, .name = "p", .when_full = COP_FULL_DROP)),
		-EINVAL);
	must(!bad);
	/* Who asks for nothing in particular gets what there is. */
	pub = pub_open("t", PUB_OPTS(.name = "p"));
	cop_pub_close(&pub);
	cop_sub_close(&sub);
}

/* ---- looking at subscribers ---- */

static void wait_counts_who_is_there(void)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL));
	struct cop_sub *a, *b;
	int64_t start = test_now_ns();

	must_rc(cop_pub_wait(pub, 0, 0), 0);
	must_rc(cop_pub_wait(pub, 1, 0), -EAGAIN);
	must_rc(cop_pub_wait(pub, 1, 20000000), -ETIMEDOUT);
	must_int(test_now_ns() - start, >=, 20000000);
	a = sub_open("t", NULL);
	must_rc(cop_pub_wait(pub, 1, 0), 1);
	must_rc(cop_pub_wait(pub, 2, 0), -EAGAIN);
	b = sub_open("t", SUB_OPTS(.kind = COP_SUB_LATEST, .name = "b"));
	must_rc(cop_pub_wait(pub, 1, -1), 2); /* of whatever kind */
	must_rc(cop_pub_wait(pub, 0, 0), 2);
	cop_sub_close(&b); /* away: it does not count */
	must_rc(cop_pub_wait(pub, 2, 0), -EAGAIN);
	cop_sub_close(&a);
	must_rc(cop_pub_wait(pub, 0, 0), 0);
	must_rc(cop_topic_forget("t", "b"), 0);
	cop_pub_close(&pub);
}

static void *join_late(void *arg)
{
	struct cop_sub **sub = arg;

	*sub = sub_open("t", NULL);
	return NULL;
}

static void wait_ends_when_somebody_comes(void)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL));
	struct cop_sub *sub;
	pthread_t thread;

	must_int(pthread_create(&thread, NULL, join_late, &sub), ==, 0);
	must_rc(cop_pub_wait(pub, 1, -1), 1);
	must_int(pthread_join(thread, NULL), ==, 0);
	cop_sub_close(&sub);
	cop_pub_close(&pub);
}

static void drain_waits_until_all_is_read(void)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL));
	struct cop_sub *sub, *lossy;

	must_rc(cop_pub_drain(pub, 0), 0); /* nothing sent */
	must_rc(send_bytes(pub, 8), 0);
	must_rc(cop_pub_drain(pub, -1), 0); /* nobody there */
	sub = sub_open("t", NULL);
	lossy = sub_open("t", SUB_OPTS(.kind = COP_SUB_LOSSY));
	must_rc(cop_pub_drain(pub, 0), -EAGAIN);
	must_rc(cop_pub_drain(pub, 10000000), -ETIMEDOUT);
	take(sub, 1, 8);
	take(lossy, 1, 8);
	cop_sub_release(lossy);
	must_rc(cop_pub_drain(pub, 0), -EAGAIN); /* in hand */
	cop_sub_release(sub);
	must_rc(cop_pub_drain(pub, 0), 0);
	must_rc(send_bytes(pub, 8), 0);
	take(sub, 2, 8);
	must_tell(sub, -EAGAIN); /* who asks for the next one is done with this one */
	must_rc(cop_pub_drain(pub, 0), -EAGAIN);
	cop_sub_close(&lossy); /* who goes is not waited for */
	must_rc(cop_pub_drain(pub, 0), 0);
	cop_sub_close(&sub);
	cop_pub_close(&pub);
}

/* ---- ends ---- */

static void a_removed_publisher_is_told(void)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL));
	int rc = 0;

	must_rc(cop_topic_remove("t", COP_REMOVE_FORCE), 0);
	for (int i = 0; i < 10 && rc == 0; i++)
		rc = send_bytes(pub, BIG);
	must_rc(rc, -ESTALE);
	cop_pub_close(&pub);
}

static void what_a_closed_publisher_sent_stays_for_those_who_read(void)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL));
	struct cop_sub *sub = sub_open("t", NULL);

	send_big(pub, 2);
	cop_pub_close(&pub);
	must(!pub);
	take(sub, 1, BIG);
	take(sub, 2, BIG);
	must_tell(sub, -EPIPE);
	cop_sub_close(&sub);
	must(!sub);
}

static void closing_nothing_does_nothing(void)
{
	struct cop_pub *pub = NULL;
	struct cop_sub *sub = NULL;

	cop_pub_close(NULL);
	cop_pub_close(&pub);
	cop_sub_close(NULL);
	cop_sub_close(&sub);
}

#define CLEAN .check = TEST_FDS | TEST_EMPTY_ROOT
static const struct test_case cases[] = {
	TEST(messages_arrive_in_order_and_whole, CLEAN),
	TEST(a_message_may_be_as_large_as_was_asked_for, CLEAN),
	TEST(defaults_are_those_of_the_header, CLEAN),
	TEST(a_reservation_shows_when_it_is_committed, CLEAN),
	TEST(a_reservation_that_is_given_up_never_shows, CLEAN),
	TEST(there_is_one_reservation_at_a_time, CLEAN),
	TEST(a_full_ring_says_so_if_asked_to, CLEAN),
	TEST(a_message_in_hand_holds_the_ring, CLEAN),
	TEST(waiting_for_room_ends_with_the_deadline, CLEAN),
	TEST(waiting_for_room_ends_when_somebody_reads, CLEAN),
	TEST(nobody_waits_for_those_who_take_what_they_get, CLEAN),
	TEST(who_leaves_is_waited_for_no_longer, CLEAN),
	TEST(a_lane_that_drops_waits_for_nobody, CLEAN),
	TEST(sequences_begin_where_they_are_told, CLEAN),
	TEST(a_name_is_made_up_for_who_has_none, CLEAN),
	TEST(a_name_has_one_owner_at_a_time, CLEAN),
	TEST(a_name_that_is_opened_again_goes_on, CLEAN),
	TEST(a_lane_that_is_left_keeps_its_shape, CLEAN),
	TEST(wait_counts_who_is_there, CLEAN),
	TEST(wait_ends_when_somebody_comes, CLEAN),
	TEST(drain_waits_until_all_is_read, CLEAN),
	TEST(a_removed_publisher_is_told, CLEAN),
	TEST(what_a_closed_publisher_sent_stays_for_those_who_read, CLEAN),
	TEST(closing_nothing_does_nothing, CLEAN),
	{ 0 },
};
TEST_MAIN("pub", cases)
