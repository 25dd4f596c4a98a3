/*
 * tests/process/stopped.c - who is stopped is alive, for however long
 */
#include "process/stream.h"

#include <stdio.h>
#include <sys/wait.h>

#define TOPIC "stopped"

enum { MAX = 20000 };

static struct cop_pub *open_pub(const char *name, uint32_t when_full, int64_t timeout_ns)
{
	struct cop_pub_opts opts = COP_PUB_OPTS_INIT;
	struct cop_pub *pub;

	opts.name = name;
	opts.when_full = when_full;
	opts.full_timeout_ns = timeout_ns;
	opts.message_max_bytes = MAX;
	opts.segments = 2;
	must_rc(cop_pub_open(&pub, TOPIC, &opts), 0);
	return pub;
}

static void stop(const struct test_child *child)
{
	int status;

	must_int(kill(child->pid, SIGSTOP), ==, 0);
	must_int(waitpid(child->pid, &status, WUNTRACED), ==, child->pid);
	must(WIFSTOPPED(status));
}

static int64_t long_ns(void)
{
	return (int64_t)test_scale(1200, 8000) * 1000000;
}

static void nothing_to_clean(void *arg, const struct cop_gc_item *item)
{
	(void)arg;
	test_fail(__FILE__, __LINE__, "cop_gc() took %s: %s", item->path, item->reason);
}

/* --- a subscriber ---------------------------------------------------------------------------- */

static void reader(int line, void *arg)
{
	struct stream_seen seen = { 0 };
	struct cop_sub *sub;
	struct cop_msg msg;
	int rc;

	(void)arg;
	must_rc(cop_sub_open(&sub, TOPIC, NULL), 0);
	must_rc(cop_sub_next(sub, &msg, -1), 1);
	stream_must_follow(&seen, &msg, MAX);
	test_tell(line, "reads");
	while ((rc = cop_sub_next(sub, &msg, -1)) == 1)
		stream_must_follow(&seen, &msg, MAX);
	must_rc(rc, -EPIPE);
	test_tell(line, "%llu %llu", (unsigned long long)*stream_next(&seen, "refused", 1) - 1,
		  (unsigned long long)*stream_next(&seen, "waits", 1) - 1);
	cop_sub_close(&sub);
}

/* Whatever is asked, by whomever: the subscriber is there, and the ring is full. */
static void must_stay_full(struct cop_pub *refused, struct cop_pub *waits)
{
	struct cop_topic_stat *stat;
	struct cop_sub *other;

	must_rc(stream_send(refused, MAX), -EAGAIN);
	must_rc(stream_send(waits, MAX), -ETIMEDOUT);
	must_rc(cop_pub_wait(refused, 1, 0), 1);
	must_rc(cop_pub_drain(refused, 1000000), -ETIMEDOUT);
	must_rc(cop_gc(TOPIC, 0, nothing_to_clean, NULL), 0);
	/* Who comes and goes sweeps. */
	must_rc(cop_sub_open(&other, TOPIC, NULL), 0);
	cop_sub_close(&other);
	must_rc(cop_topic_stat(TOPIC, &stat), 0);
	must_u64(stat->sub_count, ==, 1);
	must_int(stat->subs[0].state, ==, COP_MEMBER_LIVE);
	cop_topic_stat_free(stat);
	must_rc(cop_topic_remove(TOPIC, 0), -EBUSY);
}

static void a_stopped_subscriber_is_waited_for(void)
{
	struct cop_pub *refused = open_pub("refused", COP_FULL_EAGAIN, 0);
	struct cop_pub *waits = open_pub("waits", COP_FULL_WAIT, 12000000);
	struct test_child child = test_fork(reader, NULL);
	char all[64];
	int64_t until;
	int rc;

	must_rc(cop_pub_wait(refused, 1, -1), 1);
	must_rc(stream_send(refused, MAX), 0);
	must_str(test_hear(child.line), "reads");
	stop(&child);
	while ((rc = stream_send(refused, MAX)) == 0)
		;
	must_rc(rc, -EAGAIN);
	while ((rc = stream_send(waits, MAX)) == 0)
		;
	must_rc(rc, -ETIMEDOUT);
	for (until = test_now_ns() + long_ns(); test_now_ns() < until;)
		must_stay_full(refused, waits);
	test_kill(&child, SIGCONT);
	must_soon((rc = stream_send(refused, MAX)) != -EAGAIN, 1000);
	must_rc(rc, 0);
	must_soon((rc = stream_send(waits, MAX)) != -ETIMEDOUT, 1000);
	must_rc(rc, 0);
	snprintf(all, sizeof(all), "%llu %llu", (unsigned long long)cop_pub_sequence(refused),
		 (unsigned long long)cop_pub_sequence(waits));
	cop_pub_close(&refused);
	cop_pub_close(&waits);
	must_str(test_hear(child.line), all);
	test_end(&child);
}

static void a_stopped_subscriber_that_is_killed_is_dead(void)
{
	struct cop_pub *pub = open_pub("refused", COP_FULL_EAGAIN, 0);
	struct test_child child = test_fork(reader, NULL);
	int rc;

	must_rc(cop_pub_wait(pub, 1, -1), 1);
	must_rc(stream_send(pub, MAX), 0);
	must_str(test_hear(child.line), "reads");
	stop(&child);
	while ((rc = stream_send(pub, MAX)) == 0)
		;
	must_rc(rc, -EAGAIN);
	test_kill(&child, SIGKILL);
	must_rc(stream_send(pub, MAX), 0);
	must_rc(cop_pub_drain(pub, -1), 0);
	cop_pub_close(&pub);
}

/* --- a publisher ----------------------------------------------------------------------------- */

static void writer(int line, void *arg)
{
	struct cop_pub *pub = open_pub("writer", COP_FULL_WAIT, 0);

	(void)arg;
	must_rc(stream_send(pub, MAX), 0);
	test_tell(line, "sent");
	must_str(test_hear(line), "go on");
	must_rc(stream_send(pub, MAX), 0);
	cop_pub_close(&pub);
}

static void a_stopped_publisher_is_not_reported_dead(void)
{
	struct cop_pub_opts opts = COP_PUB_OPTS_INIT;
	struct test_child child;
	struct cop_sub *sub, *polls;
	struct cop_pub *pub;
	struct cop_msg msg;
	int64_t until;

	must_rc(cop_sub_open(&sub, TOPIC, NULL), 0);
	must_rc(cop_sub_open(&polls, TOPIC, NULL), 0);
	must_int(cop_sub_fd(polls), >=, 0);
	child = test_fork(writer, NULL);
	must_str(test_hear(child.line), "sent");
	stop(&child);
	must_rc(cop_sub_next(sub, &msg, -1), 1);
	must_rc(cop_sub_next(polls, &msg, -1), 1);
	opts.name = "writer";
	for (until = test_now_ns() + long_ns(); test_now_ns() < until;) {
		must_rc(cop_sub_next(sub, &msg, 3000000), -ETIMEDOUT);
		must_rc(cop_sub_next(sub, &msg, 60000000), -ETIMEDOUT);
		must_rc(cop_sub_next(polls, &msg, 0), -EAGAIN);
		must_rc(cop_pub_open(&pub, TOPIC, &opts), -EBUSY);
		must_rc(cop_gc(TOPIC, 0, nothing_to_clean, NULL), 0);
	}
	test_tell(child.line, "go on");
	test_kill(&child, SIGCONT);
	must_rc(cop_sub_next(sub, &msg, -1), 1);
	must_u64(msg.sequence, ==, 2);
	must_rc(cop_sub_next(sub, &msg, -1), -EPIPE);
	must_rc(cop_sub_next(polls, &msg, -1), 1);
	must_u64(msg.sequence, ==, 2);
	must_rc(cop_sub_next(polls, &msg, -1), -EPIPE);
	test_end(&child);
	cop_sub_close(&sub);
	cop_sub_close(&polls);
}

/* --- anybody, anywhere ----------------------------------------------------------------------- */

static atomic_bool *enough;

static void streams(int line, void *arg)
{
	struct cop_pub *pub = open_pub(arg, COP_FULL_WAIT, 0);

	(void)line;
	must_rc(cop_pub_wait(pub, 2, -1), 2);
	while (!*enough)
		must_rc(stream_send(pub, MAX), 0);
	cop_pub_close(&pub);
}

static void follows(int line, void *arg)
{
	struct cop_sub_opts opts = COP_SUB_OPTS_INIT;
	struct stream_seen seen = { 0 };
	unsigned long long all;
	struct cop_sub *sub;
	struct cop_msg msg;
	int rc;

	(void)arg;
	opts.publishers_min = 2;
	must_rc(cop_sub_open(&sub, TOPIC, &opts), 0);
	while ((rc = cop_sub_next(sub, &msg, -1)) == 1)
		stream_must_follow(&seen, &msg, MAX);
	must_rc(rc, -EPIPE);
	must_u64(seen.count, ==, 2);
	all = seen.of[0].next + seen.of[1].next;
	test_tell(line, "%llu", all);
	cop_sub_close(&sub);
}

static void stopping_anybody_anywhere_loses_nothing(void)
{
	static char names[2][8] = { "first", "second" };
	struct test_child children[4];
	unsigned rounds = test_scale(150, 1500);
	char all[32];

	enough = stream_shared(sizeof(*enough));
	for (int i = 0; i < 4; i++)
		children[i] = i < 2 ? test_fork(follows, NULL) : test_fork(streams, names[i - 2]);
	for (unsigned round = 0; round < rounds; round++) {
		unsigned which = 1 + (unsigned)(test_random() % 15); /* a set of them */

		for (int i = 0; i < 4; i++)
			if (which & 1u << i)
				stop(&children[i]);
		test_sleep_ns((int64_t)(test_random() % (round % 50 ? 1000000 : 60000000)));
		for (int i = 0; i < 4; i++)
			if (which & 1u << i)
				test_kill(&children[i], SIGCONT);
		test_sleep_ns((int64_t)(test_random() % 2000000));
	}
	*enough = true;
	for (int i = 2; i < 4; i++)
		test_end(&children[i]);
	snprintf(all, sizeof(all), "%s", test_hear(children[0].line));
	must_str(test_hear(children[1].line), all);
	for (int i = 0; i < 2; i++)
		test_end(&children[i]);
	printf("     %u rounds, %s messages\n", rounds, all);
}

static const struct test_case cases[] = {
	TEST(a_stopped_subscriber_is_waited_for, .check = TEST_FDS | TEST_EMPTY_ROOT),
	TEST(a_stopped_subscriber_that_is_killed_is_dead, .check = TEST_FDS | TEST_EMPTY_ROOT),
	TEST(a_stopped_publisher_is_not_reported_dead, .check = TEST_FDS | TEST_EMPTY_ROOT),
	TEST(stopping_anybody_anywhere_loses_nothing, .check = TEST_FDS | TEST_EMPTY_ROOT),
	{ 0 },
};
TEST_MAIN("stopped", cases)
