/*
 * tests/process/wakeups.c - who sleeps is woken, by each message and by each piece of room
 *
 * Sleeping is bounded in slices, so a lost wake-up does not hang: it makes a round as long as a
 * slice. On a machine that others use too, rounds become that long by themselves, but not of just
 * that length. So rounds of the length of a slice are counted, and few are allowed: not many more
 * than of other lengths around it, which are the machine's doing.
 */
#include "process/stream.h"

#include <sched.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { MICROSECOND = 1000, MILLISECOND = 1000000 };

/* As src/topic has them: the longest sleep of a subscriber, and of a publisher that wants room. */
enum { SUB_SLICE_NS = 10 * MILLISECOND, PUB_SLICE_NS = 5 * MILLISECOND };

struct common {
	_Atomic uint64_t asked, done; /* numbers of rounds */
	_Atomic int64_t start_ns, end_ns;
};

static struct common *common;

/* Each side on a processor of its own, where there are two: on one, nothing happens at once. */
static void live_on(size_t processor)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(processor, &one);
	(void)sched_setaffinity(0, sizeof(one), &one);
}

static void spin_ns(uint64_t ns)
{
	int64_t until = test_now_ns() + (int64_t)ns;

	while (test_now_ns() < until)
		;
}

static void spin_until(const _Atomic uint64_t *word, uint64_t value)
{
	while (*word < value)
		;
}

/* Few rounds as long as a sleep that nobody ended. */
static void must_be_woken(const char *what, int64_t *ns, size_t count, int64_t slice_ns)
{
	size_t slept = 0, noise = 0;

	for (size_t i = 0; i < count; i++) {
		if (ns[i] >= slice_ns - slice_ns / 50 && ns[i] <= slice_ns + slice_ns / 10)
			slept++;
		else if (ns[i] >= slice_ns / 2 && ns[i] <= slice_ns * 2)
			noise++;
	}
	must_int(stream_median(what, ns, count), <, slice_ns / 4);
	printf("     as long as a slice: %zu; around that: %zu\n", slept, noise);
	must_u64(slept, <=, 2 + count / 2000 + noise);
}

static struct cop_sub *open_sleeper(const char *topic)
{
	struct cop_sub_opts opts = COP_SUB_OPTS_INIT;
	struct cop_sub *sub;

	opts.spin_ns = -1;
	must_rc(cop_sub_open(&sub, topic, &opts), 0);
	return sub;
}

/* --- ping and pong --------------------------------------------------------------------------- */

static void pong(int line, void *arg)
{
	struct cop_sub *sub = open_sleeper("ping");
	struct cop_pub *pub;
	struct cop_msg msg;

	(void)line;
	(void)arg;
	must_rc(cop_pub_open(&pub, "pong", NULL), 0);
	must_rc(cop_pub_wait(pub, 1, -1), 1);
	while (cop_sub_next(sub, &msg, -1) == 1)
		must_rc(cop_pub_send(pub, msg.data, msg.size), 0);
	cop_sub_close(&sub);
	cop_pub_close(&pub);
}

static void sleepers_wake_each_other(void)
{
	unsigned rounds = test_scale(3000, 30000);
	int64_t *ns = calloc(rounds, sizeof(*ns));
	struct cop_sub *sub = open_sleeper("pong");
	struct test_child child = test_fork(pong, NULL);
	struct cop_pub *pub;
	struct cop_msg msg;

	must(ns);
	must_rc(cop_pub_open(&pub, "ping", NULL), 0);
	must_rc(cop_pub_wait(pub, 1, -1), 1);
	for (unsigned i = 0; i < rounds; i++) {
		int64_t start = test_now_ns();

		must_rc(cop_pub_send(pub, &i, sizeof(i)), 0);
		must_rc(cop_sub_next(sub, &msg, -1), 1);
		must_mem(msg.data, msg.size, &i, sizeof(i));
		ns[i] = test_now_ns() - start;
	}
	must_be_woken("round trip of sleepers", ns, rounds, SUB_SLICE_NS);
	cop_pub_close(&pub);
	must_rc(cop_sub_next(sub, &msg, -1), -EPIPE);
	cop_sub_close(&sub);
	test_end(&child);
	free(ns);
}

/* --- a message just when its reader falls asleep --------------------------------------------- */

enum how { ON_THE_BELL, ON_A_DESCRIPTOR };

static void falls_asleep(int line, void *arg)
{
	enum how how = *(enum how *)arg;
	struct cop_sub *sub = open_sleeper("bed");
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = { .events = EPOLLIN };
	struct cop_msg msg;
	int rc;

	(void)line;
	live_on(1);
	if (how == ON_A_DESCRIPTOR)
		must_int(epoll_ctl(epoll, EPOLL_CTL_ADD, cop_sub_fd(sub), &event), ==, 0);
	while ((rc = cop_sub_next(sub, &msg, how == ON_THE_BELL ? -1 : 0)) != -EPIPE) {
		if (rc == -EAGAIN && how == ON_A_DESCRIPTOR) {
			must_int(epoll_wait(epoll, &event, 1, -1), ==, 1);
			continue;
		}
		must_rc(rc, 1);
		common->end_ns = test_now_ns();
		common->done = msg.sequence;
	}
	cop_sub_close(&sub);
	close(epoll);
}

static void messages_at_bedtime(enum how how, const char *what)
{
	unsigned rounds = test_scale(10000, 100000);
	int64_t *ns = calloc(rounds, sizeof(*ns));
	struct test_child child;
	struct cop_pub *pub;

	must(ns);
	common = stream_shared(sizeof(*common));
	child = test_fork(falls_asleep, &how);
	live_on(0);
	must_rc(cop_pub_open(&pub, "bed", NULL), 0);
	must_rc(cop_pub_wait(pub, 1, -1), 1);
	for (unsigned i = 0; i < rounds; i++) {
		int64_t start;

		spin_ns(test_random() % (i % 16 ? 12 * MICROSECOND : 80 * MICROSECOND));
		start = test_now_ns();
		must_rc(cop_pub_send(pub, NULL, 0), 0);
		spin_until(&common->done, i + 1);
		ns[i] = common->end_ns - start;
	}
	must_be_woken(what, ns, rounds, SUB_SLICE_NS);
	cop_pub_close(&pub);
	test_end(&child);
	free(ns);
}

static void message_wakes_who_just_falls_asleep(void)
{
	messages_at_bedtime(ON_THE_BELL, "from a message to its sleeper");
}

static void message_wakes_who_just_polls_a_descriptor(void)
{
	messages_at_bedtime(ON_A_DESCRIPTOR, "from a message to its poller");
}

/* --- room just when its writer falls asleep -------------------------------------------------- */

/* With its headers it takes a segment exactly, so that its release leaves the segment. */
enum { WHOLE_SEGMENT = 65536 - 128 };

static void wants_room(int line, void *arg)
{
	static uint8_t message[WHOLE_SEGMENT];
	struct cop_pub_opts opts = COP_PUB_OPTS_INIT;
	unsigned rounds = *(unsigned *)arg;
	struct cop_pub *pub;

	live_on(1);
	opts.segments = 2;
	opts.message_max_bytes = WHOLE_SEGMENT;
	must_rc(cop_pub_open(&pub, "room", &opts), 0);
	must_rc(cop_pub_wait(pub, 1, -1), 1);
	for (unsigned i = 1; i <= rounds; i++) {
		common->asked = i;
		must_rc(cop_pub_send(pub, message, sizeof(message)), 0);
		common->end_ns = test_now_ns();
		common->done = i;
	}
	test_tell(line, "sent");
	cop_pub_close(&pub);
}

static void room_wakes_who_just_falls_asleep(void)
{
	unsigned rounds = test_scale(10000, 100000);
	int64_t *ns = calloc(rounds, sizeof(*ns));
	struct cop_sub *sub = open_sleeper("room");
	struct test_child child;
	struct cop_msg msg;

	must(ns);
	common = stream_shared(sizeof(*common));
	child = test_fork(wants_room, &rounds);
	live_on(0);
	/* A segment holds one message and a ring two: for the third, the first must go. */
	for (unsigned i = 1; i + 2 <= rounds; i++) {
		int64_t start;

		must_rc(cop_sub_next(sub, &msg, -1), 1);
		spin_until(&common->asked, i + 2);
		must_u64(common->done, ==, i + 1);
		spin_ns(test_random() % (i % 16 ? 12 * MICROSECOND : 80 * MICROSECOND));
		start = test_now_ns();
		cop_sub_release(sub);
		spin_until(&common->done, i + 2);
		ns[i - 1] = common->end_ns - start;
	}
	must_str(test_hear(child.line), "sent");
	must_be_woken("from room to its publisher", ns, rounds - 2, PUB_SLICE_NS);
	test_end(&child);
	cop_sub_close(&sub);
	free(ns);
}

static const struct test_case cases[] = {
	TEST(sleepers_wake_each_other, .check = TEST_FDS | TEST_EMPTY_ROOT),
	TEST(message_wakes_who_just_falls_asleep, .check = TEST_FDS | TEST_EMPTY_ROOT),
	TEST(message_wakes_who_just_polls_a_descriptor, .check = TEST_FDS | TEST_EMPTY_ROOT),
	TEST(room_wakes_who_just_falls_asleep, .check = TEST_FDS | TEST_EMPTY_ROOT),
	{ 0 },
};
TEST_MAIN("wakeups", cases)
