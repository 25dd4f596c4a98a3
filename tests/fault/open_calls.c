/*
 * tests/fault/open_calls.c - every system call fails in turn: making, opening and closing
 */
#include "fault/calls.h"
#include "fault/left.h"

#define UNTOUCHED(type) ((type *)(uintptr_t)16)

static void prepare_nothing(struct scene *s)
{
	(void)s;
}

static void prepare_left(struct scene *s)
{
	put_left(s->topic, true);
}

static void open_pub(struct scene *s)
{
	struct cop_pub_opts opts = small_pub("p");

	must_rc(cop_pub_open(&s->pub, s->topic, &opts), 0);
}

static void open_sub(struct scene *s, const char *name)
{
	struct cop_sub_opts opts = quick_sub(name);

	must_rc(cop_sub_open(&s->sub, s->topic, &opts), 0);
}

/* pub and sub are there: what is sent arrives, and nothing else. */
static void messages_go_through(struct scene *s)
{
	stream_send_many(s->pub, 3);
	stream_receive(s->sub, &s->got, cop_pub_sequence(s->pub));
	stream_must_be_at_end(s->sub);
}

/* --- a topic is made ------------------------------------------------------------------ */

static int run_create(struct scene *s)
{
	return cop_topic_create(s->topic, NULL);
}

static void settle_create(struct scene *s, int rc)
{
	if (rc < 0)
		must_rc(cop_topic_create(s->topic, NULL), 0);
	must_rc(cop_topic_create(s->topic, NULL), -EEXIST);
	open_pub(s);
	open_sub(s, NULL);
	messages_go_through(s);
}

static void topic_is_created(void)
{
	EVERY_CALL_FAILS(prepare_nothing, run_create, settle_create, .keeps = true);
}

/* --- a publisher is opened ------------------------------------------------------------ */

static int run_pub_open(struct scene *s)
{
	struct cop_pub_opts opts = small_pub("p");
	struct cop_pub *pub = UNTOUCHED(struct cop_pub);
	int rc = cop_pub_open(&pub, s->topic, &opts);

	if (rc == 0)
		s->pub = pub;
	else
		must(pub == UNTOUCHED(struct cop_pub));
	return rc;
}

static void settle_pub_open(struct scene *s, int rc)
{
	if (rc < 0)
		open_pub(s);
	if (!s->sub)
		open_sub(s, NULL);
	messages_go_through(s);
}

static void publisher_makes_its_topic(void)
{
	EVERY_CALL_FAILS(prepare_nothing, run_pub_open, settle_pub_open);
}

static void prepare_company(struct scene *s)
{
	struct cop_pub_opts opts = small_pub("other");

	must_rc(cop_pub_open(&s->other_pub, s->topic, &opts), 0);
	open_sub(s, NULL);
}

static void publisher_joins_a_topic(void)
{
	EVERY_CALL_FAILS(prepare_company, run_pub_open, settle_pub_open);
}

static void settle_pub_left(struct scene *s, int rc)
{
	struct cop_sub_opts opts = quick_sub("s");

	if (rc < 0)
		open_pub(s);
	must_u64(cop_pub_sequence(s->pub), ==, LEFT_SENT);
	must_rc(cop_sub_open(&s->sub, s->topic, &opts), 0);
	s->got = LEFT_READ;
	messages_go_through(s);
}

static void publisher_takes_a_left_lane_over(void)
{
	EVERY_CALL_FAILS(prepare_left, run_pub_open, settle_pub_left, .keeps = true);
}

/* --- a subscriber is opened ----------------------------------------------------------- */

static int open_untouched(struct scene *s, const char *name)
{
	struct cop_sub_opts opts = quick_sub(name);
	struct cop_sub *sub = UNTOUCHED(struct cop_sub);
	int rc = cop_sub_open(&sub, s->topic, &opts);

	if (rc == 0)
		s->sub = sub;
	else
		must(sub == UNTOUCHED(struct cop_sub));
	return rc;
}

static int run_sub_open(struct scene *s)
{
	return open_untouched(s, NULL);
}

static int run_named_open(struct scene *s)
{
	return open_untouched(s, "s");
}

static void settle_sub_open(struct scene *s, int rc)
{
	if (rc < 0)
		open_sub(s, NULL);
	if (!s->pub)
		open_pub(s);
	messages_go_through(s);
}

static void settle_named_open(struct scene *s, int rc)
{
	if (rc < 0)
		open_sub(s, "s");
	messages_go_through(s);
}

static void subscriber_makes_its_topic(void)
{
	EVERY_CALL_FAILS(prepare_nothing, run_sub_open, settle_sub_open);
}

static void prepare_messages(struct scene *s)
{
	open_pub(s);
	stream_send_many(s->pub, 10);
}

static void subscriber_joins_a_topic(void)
{
	EVERY_CALL_FAILS(prepare_messages, run_sub_open, settle_sub_open);
}

static void named_subscriber_joins_a_topic(void)
{
	EVERY_CALL_FAILS(prepare_messages, run_named_open, settle_named_open, .keeps = true);
}

static void prepare_resume(struct scene *s)
{
	prepare_left(s);
	open_pub(s);
	stream_send_many(s->pub, 5);
	s->got = LEFT_READ;
}

static void named_subscriber_resumes(void)
{
	EVERY_CALL_FAILS(prepare_resume, run_named_open, settle_named_open, .keeps = true);
}

/* --- members close -------------------------------------------------------------------- */

static void prepare_unread(struct scene *s)
{
	open_sub(s, NULL);
	prepare_messages(s);
}

static int run_pub_close(struct scene *s)
{
	cop_pub_close(&s->pub);
	must(s->pub == NULL);
	return 0;
}

/* Messages 1 to 10 wait for the subscriber, and then the end of the last publisher. */
static void settle_pub_close(struct scene *s, int rc)
{
	struct cop_msg msg;

	(void)rc;
	stream_receive(s->sub, &s->got, 10);
	must_rc(cop_sub_next(s->sub, &msg, 0), -EPIPE);
	must_rc(cop_sub_next(s->sub, &msg, 0), -EAGAIN);
}

static void publisher_closes(void)
{
	EVERY_CALL_FAILS(prepare_unread, run_pub_close, settle_pub_close, .wish = true);
}

static void prepare_unread_by_one_away(struct scene *s)
{
	open_sub(s, "s");
	prepare_messages(s);
	stream_receive(s->sub, &s->got, 4);
	cop_sub_close(&s->sub);
}

static void settle_closed_and_away(struct scene *s, int rc)
{
	open_sub(s, "s");
	settle_pub_close(s, rc);
}

static void publisher_closes_while_a_subscriber_is_away(void)
{
	EVERY_CALL_FAILS(prepare_unread_by_one_away, run_pub_close, settle_closed_and_away,
			 .wish = true, .keeps = true);
}

static void prepare_two_subscribers(struct scene *s)
{
	struct cop_sub_opts opts = quick_sub(NULL);

	prepare_unread(s);
	must_rc(cop_sub_open(&s->other_sub, s->topic, &opts), 0);
}

static int run_sub_close(struct scene *s)
{
	cop_sub_close(&s->other_sub);
	must(s->other_sub == NULL);
	return 0;
}

static void settle_sub_close(struct scene *s, int rc)
{
	(void)rc;
	messages_go_through(s);
}

static void subscriber_closes(void)
{
	EVERY_CALL_FAILS(prepare_two_subscribers, run_sub_close, settle_sub_close, .wish = true);
}

static void prepare_named_half_read(struct scene *s)
{
	open_sub(s, "s");
	prepare_messages(s);
	stream_receive(s->sub, &s->got, 4);
}

static int run_named_close(struct scene *s)
{
	cop_sub_close(&s->sub);
	must(s->sub == NULL);
	return 0;
}

static void settle_named_close(struct scene *s, int rc)
{
	(void)rc;
	open_sub(s, "s");
	messages_go_through(s);
}

static void named_subscriber_closes(void)
{
	EVERY_CALL_FAILS(prepare_named_half_read, run_named_close, settle_named_close, .wish = true,
			 .keeps = true);
}

#define CASE(function) TEST(function, .check = TEST_FDS, .timeout_s = 60)

static const struct test_case cases[] = {
	CASE(topic_is_created),
	CASE(publisher_makes_its_topic),
	CASE(publisher_joins_a_topic),
	CASE(publisher_takes_a_left_lane_over),
	CASE(subscriber_makes_its_topic),
	CASE(subscriber_joins_a_topic),
	CASE(named_subscriber_joins_a_topic),
	CASE(named_subscriber_resumes),
	CASE(publisher_closes),
	CASE(publisher_closes_while_a_subscriber_is_away),
	CASE(subscriber_closes),
	CASE(named_subscriber_closes),
	{ 0 },
};
TEST_MAIN("open_calls", cases)
