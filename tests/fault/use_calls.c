/*
 * tests/fault/use_calls.c - every system call fails in turn: sending, receiving and waiting
 */
#include "fault/calls.h"
#include "fault/left.h"

#define MS INT64_C(1000000)

static void open_pub(struct scene *s, enum cop_when_full when_full, int64_t timeout_ns)
{
	struct cop_pub_opts opts = small_pub("p");

	opts.when_full = when_full;
	opts.full_timeout_ns = timeout_ns;
	must_rc(cop_pub_open(&s->pub, s->topic, &opts), 0);
}

static void open_sub(struct scene *s, const char *name)
{
	struct cop_sub_opts opts = quick_sub(name);

	must_rc(cop_sub_open(&s->sub, s->topic, &opts), 0);
}

static void prepare_pair(struct scene *s)
{
	open_sub(s, NULL);
	open_pub(s, COP_FULL_EAGAIN, 0);
}

/* What is sent arrives, and nothing else. */
static void settle_pair(struct scene *s, int rc)
{
	(void)rc;
	stream_send_many(s->pub, 3);
	stream_receive(s->sub, &s->got, cop_pub_sequence(s->pub));
	stream_must_be_at_end(s->sub);
}

/* --- sending -------------------------------------------------------------------------- */

/* The subscriber has slept, and asked for a descriptor: there is somebody to be woken. */
static void prepare_sleeper(struct scene *s)
{
	struct cop_msg msg;

	prepare_pair(s);
	must_rc(cop_sub_next(s->sub, &msg, MS / 10), -ETIMEDOUT);
	must_int(cop_sub_fd(s->sub), >=, 0);
	must_rc(cop_sub_next(s->sub, &msg, 0), -EAGAIN);
}

static int run_send(struct scene *s)
{
	uint64_t before = cop_pub_sequence(s->pub);
	int rc = stream_send(s->pub);

	must_u64(cop_pub_sequence(s->pub), ==, before + (rc == 0));
	return rc;
}

static void sending_wakes(void)
{
	EVERY_CALL_FAILS(prepare_sleeper, run_send, settle_pair, .wish = true);
}

/* How many messages fit before a segment has to be used again. */
static unsigned ring_capacity(void)
{
	static unsigned capacity;
	struct scene s = { 0 };

	if (capacity)
		return capacity;
	snprintf(s.topic, sizeof(s.topic), "%s/r/measured", test_root());
	prepare_pair(&s);
	while (stream_send(s.pub) == 0)
		capacity++;
	cop_pub_close(&s.pub);
	cop_sub_close(&s.sub);
	return capacity;
}

static void prepare_before_roll(struct scene *s)
{
	unsigned capacity = ring_capacity();

	prepare_pair(s);
	stream_send_many(s->pub, capacity);
	stream_receive(s->sub, &s->got, capacity);
	cop_sub_release(s->sub);
}

static void sending_enters_the_next_segment(void)
{
	EVERY_CALL_FAILS(prepare_before_roll, run_send, settle_pair, 0);
}

static void prepare_full(struct scene *s)
{
	unsigned capacity = ring_capacity();

	prepare_pair(s);
	stream_send_many(s->pub, capacity);
}

static void settle_full(struct scene *s, int rc)
{
	stream_receive(s->sub, &s->got, cop_pub_sequence(s->pub));
	cop_sub_release(s->sub);
	settle_pair(s, rc);
}

static void sending_when_full_fails(void)
{
	EVERY_CALL_FAILS(prepare_full, run_send, settle_full, .wanted = -EAGAIN,
			 .never_succeeds = true);
}

static void prepare_full_and_wait(struct scene *s)
{
	unsigned capacity = ring_capacity();

	open_sub(s, NULL);
	open_pub(s, COP_FULL_WAIT, MS / 5);
	stream_send_many(s->pub, capacity);
}

static void sending_when_full_waits(void)
{
	EVERY_CALL_FAILS(prepare_full_and_wait, run_send, settle_full, .wanted = -ETIMEDOUT,
			 .never_succeeds = true);
}

/* A subscriber comes that the publisher does not know yet, when the ring is full. */
static void prepare_newcomer(struct scene *s)
{
	unsigned capacity = ring_capacity();
	struct cop_sub_opts opts = quick_sub(NULL);

	prepare_before_roll(s);
	must_rc(cop_sub_open(&s->other_sub, s->topic, &opts), 0);
	must_u64(capacity, >, 0);
}

static void settle_newcomer(struct scene *s, int rc)
{
	uint64_t got = 0;

	stream_receive(s->other_sub, &got, cop_pub_sequence(s->pub));
	cop_sub_release(s->other_sub);
	settle_full(s, rc);
	stream_receive(s->other_sub, &got, cop_pub_sequence(s->pub));
}

static void a_newcomer_is_not_overlooked(void)
{
	EVERY_CALL_FAILS(prepare_newcomer, run_send, settle_newcomer, .wanted = -EAGAIN,
			 .never_succeeds = true);
}

/* --- waiting for subscribers ---------------------------------------------------------- */

static int run_wait_one(struct scene *s)
{
	return cop_pub_wait(s->pub, 1, 0);
}

static void publisher_counts_subscribers(void)
{
	EVERY_CALL_FAILS(prepare_pair, run_wait_one, settle_pair, .wanted = 1);
}

static int run_wait_two(struct scene *s)
{
	return cop_pub_wait(s->pub, 2, MS / 5);
}

static void publisher_waits_for_subscribers(void)
{
	EVERY_CALL_FAILS(prepare_pair, run_wait_two, settle_pair, .wanted = -ETIMEDOUT);
}

static int run_drain(struct scene *s)
{
	return cop_pub_drain(s->pub, MS / 5);
}

static void publisher_finds_all_read(void)
{
	EVERY_CALL_FAILS(prepare_before_roll, run_drain, settle_pair, 0);
}

static void publisher_finds_not_all_read(void)
{
	EVERY_CALL_FAILS(prepare_full, run_drain, settle_full, .wanted = -ETIMEDOUT,
			 .never_succeeds = true);
}

/* --- receiving ------------------------------------------------------------------------ */

static int next(struct scene *s, int64_t timeout_ns)
{
	struct cop_msg untouched;
	int rc;

	memset(&s->msg, 0x5a, sizeof(s->msg));
	untouched = s->msg;
	rc = cop_sub_next(s->sub, &s->msg, timeout_ns);
	if (rc > 0)
		stream_must_be(&s->msg, ++s->got);
	else
		must_mem(&s->msg, sizeof(s->msg), &untouched, sizeof(untouched));
	return rc;
}

static int run_look(struct scene *s)
{
	return next(s, 0);
}

/* Through all ways of sleeping: the bell, then the watch. */
static int run_sleep(struct scene *s)
{
	return next(s, MS / 2);
}

static void prepare_messages(struct scene *s)
{
	prepare_pair(s);
	stream_send_many(s->pub, 5);
}

static void subscriber_receives(void)
{
	EVERY_CALL_FAILS(prepare_messages, run_look, settle_pair, .wanted = 1);
}

static void subscriber_finds_nothing(void)
{
	EVERY_CALL_FAILS(prepare_pair, run_look, settle_pair, .wanted = -EAGAIN);
}

static void subscriber_sleeps(void)
{
	EVERY_CALL_FAILS(prepare_pair, run_sleep, settle_pair, .wanted = -ETIMEDOUT);
}

/* The publisher came when the subscriber had looked around already. */
static void prepare_arrival(struct scene *s)
{
	open_sub(s, NULL);
	must_rc(next(s, MS / 5), -ETIMEDOUT);
	open_pub(s, COP_FULL_EAGAIN, 0);
	stream_send_many(s->pub, 5);
}

static void subscriber_meets_a_publisher(void)
{
	EVERY_CALL_FAILS(prepare_arrival, run_look, settle_pair, .wanted = 1);
}

static void prepare_arrival_watched(struct scene *s)
{
	open_sub(s, NULL);
	must_int(cop_sub_fd(s->sub), >=, 0);
	must_rc(next(s, 0), -EAGAIN);
	open_pub(s, COP_FULL_EAGAIN, 0);
	stream_send_many(s->pub, 5);
}

static void subscriber_that_polls_meets_a_publisher(void)
{
	EVERY_CALL_FAILS(prepare_arrival_watched, run_look, settle_pair, .wanted = 1);
}

static void prepare_death(struct scene *s)
{
	put_left(s->topic, true);
	open_sub(s, NULL);
	stream_receive(s->sub, &s->got, LEFT_SENT);
}

static void prepare_end(struct scene *s)
{
	prepare_messages(s);
	cop_pub_close(&s->pub);
	stream_receive(s->sub, &s->got, 5);
}

/* What happened is told, once, if it was not told under the fault. */
static void settle_event(struct scene *s, int wanted)
{
	int64_t until = test_now_ns() + 5000 * MS;
	int rc = s->told ? wanted : -ETIMEDOUT;

	while (rc == -ETIMEDOUT && test_now_ns() < until)
		rc = next(s, MS / 5);
	must_rc(rc, wanted);
	must_rc(next(s, MS / 5), -ETIMEDOUT);
	must_rc(next(s, 0), -EAGAIN);
}

static void settle_death(struct scene *s, int rc)
{
	(void)rc;
	settle_event(s, -EOWNERDEAD);
}

static void settle_end(struct scene *s, int rc)
{
	(void)rc;
	settle_event(s, -EPIPE);
}

static void subscriber_learns_of_a_death(void)
{
	EVERY_CALL_FAILS(prepare_death, run_sleep, settle_death, .wanted = -EOWNERDEAD,
			 .keeps = true);
}

static void subscriber_learns_of_the_end(void)
{
	EVERY_CALL_FAILS(prepare_end, run_look, settle_end, .wanted = -EPIPE);
}

static int run_fd(struct scene *s)
{
	int fd = cop_sub_fd(s->sub);

	return fd < 0 ? fd : 0;
}

static void settle_fd(struct scene *s, int rc)
{
	must_int(cop_sub_fd(s->sub), >=, 0);
	must_rc(next(s, 0), -EAGAIN);
	settle_pair(s, rc);
}

static void subscriber_makes_a_descriptor(void)
{
	EVERY_CALL_FAILS(prepare_pair, run_fd, settle_fd, 0);
}

#define CASE(function) TEST(function, .check = TEST_FDS, .timeout_s = 60)

static const struct test_case cases[] = {
	CASE(sending_wakes),
	CASE(sending_enters_the_next_segment),
	CASE(sending_when_full_fails),
	CASE(sending_when_full_waits),
	CASE(a_newcomer_is_not_overlooked),
	CASE(publisher_counts_subscribers),
	CASE(publisher_waits_for_subscribers),
	CASE(publisher_finds_all_read),
	CASE(publisher_finds_not_all_read),
	CASE(subscriber_receives),
	CASE(subscriber_finds_nothing),
	CASE(subscriber_sleeps),
	CASE(subscriber_meets_a_publisher),
	CASE(subscriber_that_polls_meets_a_publisher),
	CASE(subscriber_learns_of_a_death),
	CASE(subscriber_learns_of_the_end),
	CASE(subscriber_makes_a_descriptor),
	{ 0 },
};
TEST_MAIN("use_calls", cases)
