/*
 * tests/process/killed.c - publishers and subscribers die by SIGKILL, at any moment
 */
#include "process/stream.h"

#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#define TOPIC "killed"
#define NAME "phoenix"

static void make_topic(uint32_t flags)
{
	struct cop_topic_opts opts = COP_TOPIC_OPTS_INIT;

	opts.flags = flags;
	opts.message_max_bytes = STREAM_MAX;
	opts.segments = 2;
	must_rc(cop_topic_create(TOPIC, &opts), 0);
}

/* --- a publisher that rises again ---------------------------------------------------------- */

enum { READER_FAST, READER_SLOW, READER_FD, READER_NAMED, READERS };

struct common {
	_Atomic uint64_t sent; /* of the message for which sending returned last */
	_Atomic uint64_t final; /* of the last message of all; 0: not yet */
	_Atomic uint64_t next[READERS];
	_Atomic uint64_t deaths[READERS]; /* that were told */
	_Atomic uint64_t comings; /* of the named reader */
	_Atomic int64_t died_ns;
};

static struct common *common;

static struct cop_pub *open_phoenix(void)
{
	struct cop_pub_opts opts = COP_PUB_OPTS_INIT;
	struct cop_pub *pub;

	opts.name = NAME;
	must_rc(cop_pub_open(&pub, TOPIC, &opts), 0);
	/* All that was told to be sent is there, and at most the one that was under way more. */
	must_u64(cop_pub_sequence(pub), >=, common->sent);
	must_u64(cop_pub_sequence(pub), <=, common->sent + 1);
	common->sent = cop_pub_sequence(pub);
	return pub;
}

static void send_next(struct cop_pub *pub)
{
	must_rc(stream_send(pub, STREAM_MAX), 0);
	common->sent = cop_pub_sequence(pub);
}

static void phoenix(int line, void *arg)
{
	struct cop_pub *pub = open_phoenix();

	(void)arg;
	test_tell(line, "open");
	for (;;)
		send_next(pub);
}

static void last_phoenix(int line, void *arg)
{
	struct cop_pub *pub = open_phoenix();

	(void)line;
	(void)arg;
	for (int i = 0; i < 100; i++)
		send_next(pub);
	common->final = cop_pub_sequence(pub);
	cop_pub_close(&pub);
}

/* Not to wait for anything: to be slow. Children begin with the same random numbers. */
static void nap(uint64_t max_ns)
{
	test_sleep_ns((int64_t)(stream_mix(test_random() + (uint64_t)getpid()) % max_ns));
}

/* One step of a reader: waits for the next thing, and checks it. False: the end was told. */
static bool read_step(struct cop_sub *sub, int reader, int64_t timeout_ns)
{
	struct cop_sub_event event;
	struct cop_msg msg;
	int rc = cop_sub_next(sub, &msg, timeout_ns);

	if (rc == -ETIMEDOUT || rc == -EAGAIN)
		return true;
	if (rc == -EPIPE)
		return false;
	if (rc == -EOWNERDEAD) {
		cop_sub_last_event(sub, &event);
		must_str(event.publisher, NAME);
		must_u64(event.first, ==, common->next[reader] - 1);
		common->deaths[reader]++;
		/* What comes next is waited for too, though it looks elsewhere meanwhile. */
		if (reader == READER_FAST)
			nap(4000000);
		return true;
	}
	must_rc(rc, 1);
	must_u64(msg.sequence, ==, common->next[reader]);
	stream_must_be_whole(&msg, STREAM_MAX);
	common->next[reader]++;
	return true;
}

static bool at_end(int reader)
{
	return common->final && common->next[reader] > common->final;
}

static void steady_reader(int line, void *arg)
{
	int reader = *(int *)arg;
	struct cop_sub *sub;
	struct pollfd poll_fd = { .events = POLLIN };

	must_rc(cop_sub_open(&sub, TOPIC, NULL), 0);
	if (reader == READER_FD)
		must_int(poll_fd.fd = cop_sub_fd(sub), >=, 0);
	test_tell(line, "open");
	for (uint64_t i = 0; read_step(sub, reader, reader == READER_FD ? 0 : -1); i++) {
		struct cop_sub_event event;

		/* So the ring fills, and a publisher dies and comes back behind its back. */
		if (reader == READER_SLOW && i % 32 == 0)
			nap(2000000);
		cop_sub_last_event(sub, &event);
		if (reader == READER_FD && event.error == -EAGAIN)
			must_int(poll(&poll_fd, 1, -1), ==, 1);
	}
	must(at_end(reader));
	cop_sub_close(&sub);
}

/* Comes, reads a little, and goes: by closing, or it is killed, as it may be anywhere. */
static void named_reader(int line, void *arg)
{
	struct cop_sub_opts opts = COP_SUB_OPTS_INIT;
	bool killed = *(bool *)arg;
	struct cop_msg msg;
	struct cop_sub *sub;

	opts.name = "guest";
	while (!at_end(READER_NAMED)) {
		int steps = (int)(stream_mix(++common->comings) % 200);

		must_rc(cop_sub_open(&sub, TOPIC, &opts), 0);
		if (common->comings == 1)
			test_tell(line, "open");
		/* The one that it had in hand when it was killed may come again. */
		if (killed && cop_sub_next(sub, &msg, 1000000000) == 1) {
			must_u64(msg.sequence, >=, common->next[READER_NAMED] - 1);
			must_u64(msg.sequence, <=, common->next[READER_NAMED]);
			stream_must_be_whole(&msg, STREAM_MAX);
			common->next[READER_NAMED] = msg.sequence + 1;
		}
		killed = false;
		for (int i = 0; i < steps && !at_end(READER_NAMED); i++)
			(void)read_step(sub, READER_NAMED, 10000000);
		cop_sub_close(&sub);
	}
}

static void kill_at_random(struct test_child *child)
{
	/* Anywhere: while it is forked, opens, recovers, waits, or writes. */
	if (test_random() % 2)
		must_str(test_hear(child->line), "open");
	test_sleep_ns((int64_t)(test_random() % 2500000));
	test_kill(child, SIGKILL);
}

static void nothing_is_lost_by_killing_publishers(void)
{
	static int readers[READERS] = { 0, 1, 2, 3 };
	struct test_child reader[READERS], child;
	unsigned kills = test_scale(120, 1000);
	bool guest_killed = false;

	common = stream_shared(sizeof(*common));
	make_topic(COP_TOPIC_HOLD_AWAY);
	for (int i = 0; i < READERS; i++) {
		common->next[i] = 1;
		reader[i] = i == READER_NAMED ? test_fork(named_reader, &guest_killed)
					      : test_fork(steady_reader, &readers[i]);
		must_str(test_hear(reader[i].line), "open");
	}
	guest_killed = true;
	for (unsigned i = 0; i < kills; i++) {
		child = test_fork(phoenix, NULL);
		kill_at_random(&child);
		if (i % 8 == 7) {
			test_kill(&reader[READER_NAMED], SIGKILL);
			reader[READER_NAMED] = test_fork(named_reader, &guest_killed);
		}
	}
	child = test_fork(last_phoenix, NULL);
	test_end(&child);
	for (int i = 0; i < READERS; i++) {
		test_end(&reader[i]);
		must_u64(common->next[i], ==, common->final + 1);
		must_u64(common->deaths[i], <=, kills);
	}
	printf("     %u kills, %llu messages; the guest came %llu times; deaths told:", kills,
	       (unsigned long long)common->final, (unsigned long long)common->comings);
	for (int i = 0; i < READERS; i++)
		printf(" %llu", (unsigned long long)common->deaths[i]);
	printf("\n");
	must_u64(common->final, >, kills);
	must_rc(cop_topic_remove(TOPIC, 0), 0);
}

/* --- the death of an idle publisher -------------------------------------------------------- */

enum { WATCHER_SPINS, WATCHER_SLEEPS, WATCHER_POLLS, WATCHERS };

static void on_processor(int n)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	if (n >= 0)
		CPU_SET((size_t)n, &set);
	for (size_t i = 0; n < 0 && i < CPU_SETSIZE; i++)
		CPU_SET(i, &set);
	must_int(sched_setaffinity(0, sizeof(set), &set), ==, 0);
}

/* Waits without end, and tells each message, and each death with the time it took. */
static void watcher(int line, void *arg)
{
	int kind = *(int *)arg;
	struct cop_sub_opts opts = COP_SUB_OPTS_INIT;
	struct stream_seen seen = { 0 };
	struct pollfd fd = { .events = POLLIN };
	struct cop_sub_event event;
	struct cop_sub *sub;
	struct cop_msg msg;
	int rc;

	opts.spin_ns = kind == WATCHER_SPINS ? 5000000 : -1;
	must_rc(cop_sub_open(&sub, TOPIC, &opts), 0);
	if (kind == WATCHER_POLLS)
		must_int(fd.fd = cop_sub_fd(sub), >=, 0);
	test_tell(line, "open");
	while ((rc = cop_sub_next(sub, &msg, kind == WATCHER_POLLS ? 0 : -1)) != -EPIPE) {
		if (rc == 1) {
			stream_must_follow(&seen, &msg, STREAM_MAX);
			test_tell(line, "message %llu", (unsigned long long)msg.sequence);
		} else if (rc == -EAGAIN && kind == WATCHER_POLLS) {
			must_int(poll(&fd, 1, -1), ==, 1);
		} else {
			must_rc(rc, -EOWNERDEAD);
			cop_sub_last_event(sub, &event);
			must_str(event.publisher, NAME);
			test_tell(line, "dead %llu after %lld ns", (unsigned long long)event.first,
				  (long long)(test_now_ns() - common->died_ns));
		}
	}
	test_tell(line, "closed");
	cop_sub_close(&sub);
}

static void sends_three(int line, void *arg)
{
	struct cop_pub_opts opts = COP_PUB_OPTS_INIT;
	struct cop_pub *pub;

	on_processor(*(int *)arg);
	opts.name = NAME;
	must_rc(cop_pub_open(&pub, TOPIC, &opts), 0);
	for (int i = 0; i < 3; i++)
		must_rc(stream_send(pub, STREAM_MAX), 0);
	test_tell(line, "sent");
	must_str(test_hear(line), "close");
	cop_pub_close(&pub);
}

/* Every watcher has said this; the numbers that follow, if any, are put away. */
static void all_say(struct test_child *watchers, const char *what, int64_t *ns, size_t *count)
{
	for (int i = 0; i < WATCHERS; i++) {
		const char *said = stream_hear_soon(watchers[i].line, what, 2000);
		const char *after;

		must(said);
		must_has(said, what);
		after = strstr(said, " after ");
		if (ns && count && after)
			ns[(*count)++] = strtoll(after + strlen(" after "), NULL, 10);
	}
}

static void deaths_are_told(struct test_child *watchers, unsigned rounds)
{
	int64_t *ns = calloc(rounds, WATCHERS * sizeof(*ns));
	struct test_child child;
	char text[64];
	size_t count = 0;

	must(ns);
	for (unsigned round = 0; round < rounds; round++) {
		/* On one processor, the one who dies is also interrupted by the one who wakes. */
		int processor = round % 2 ? 0 : -1;

		for (int i = 0; i < WATCHERS; i++) {
			cpu_set_t one, all;

			CPU_ZERO(&one);
			CPU_SET(0, &one);
			must_int(sched_getaffinity(0, sizeof(all), &all), ==, 0);
			must_int(sched_setaffinity(watchers[i].pid, sizeof(one),
						   processor < 0 ? &all : &one),
				 ==, 0);
		}
		child = test_fork(sends_three, &processor);
		for (unsigned i = 1; i <= 3; i++) {
			snprintf(text, sizeof(text), "message %u", 3 * round + i);
			all_say(watchers, text, NULL, NULL);
		}
		/* So that they are met polling, on the bell, and on the watch, and in between. */
		test_sleep_ns((int64_t)(test_random() % (round % 4 ? 5000000 : 60000000)));
		common->died_ns = test_now_ns();
		test_kill(&child, SIGKILL);
		snprintf(text, sizeof(text), "dead %u", 3 * (round + 1));
		all_say(watchers, text, ns, &count);
	}
	must_int(stream_median("from a publisher's death to its news", ns, count), <, 20000000);
	free(ns);
}

static void death_of_an_idle_publisher_is_told(void)
{
	static int kinds[WATCHERS] = { 0, 1, 2 };
	struct test_child watchers[WATCHERS], child;
	unsigned rounds = test_scale(60, 600);
	int anywhere = -1;

	common = stream_shared(sizeof(*common));
	make_topic(0);
	for (int i = 0; i < WATCHERS; i++) {
		watchers[i] = test_fork(watcher, &kinds[i]);
		must_str(test_hear(watchers[i].line), "open");
	}
	deaths_are_told(watchers, rounds);
	child = test_fork(sends_three, &anywhere);
	for (int i = 0; i < 3; i++)
		all_say(watchers, "message", NULL, NULL);
	must_str(test_hear(child.line), "sent");
	test_tell(child.line, "close");
	test_end(&child);
	all_say(watchers, "closed", NULL, NULL);
	for (int i = 0; i < WATCHERS; i++)
		test_end(&watchers[i]);
	must_rc(cop_topic_remove(TOPIC, 0), 0);
}

/* --- the death of one who blocks ----------------------------------------------------------- */

/* A subscriber that reads up to one message, keeps it in hand, and dies when it is told. */
static void blocker(int line, void *arg)
{
	struct cop_sub_opts opts = COP_SUB_OPTS_INIT;
	unsigned round = *(unsigned *)arg;
	struct cop_sub *sub;
	struct cop_msg msg;
	int rc;

	opts.name = round % 2 ? "blocker" : NULL;
	must_rc(cop_sub_open(&sub, TOPIC, &opts), 0);
	/* Since it was away without being waited for, it may have missed some. */
	while (round % 4 < 2 && (rc = cop_sub_next(sub, &msg, -1)) != 1)
		must_rc(rc, -EOVERFLOW);
	test_tell(line, "open");
	must_str(test_hear(line), "die");
	nap(10000000);
	common->died_ns = test_now_ns();
	kill(getpid(), SIGKILL);
}

static void publisher_goes_on_when_who_blocks_it_dies(void)
{
	struct cop_pub_opts opts = COP_PUB_OPTS_INIT;
	unsigned rounds = test_scale(20, 150), sent = 0;
	int64_t *ns = malloc(rounds * sizeof(*ns));
	static uint8_t message[STREAM_MAX];
	struct cop_pub *pub;

	must(ns);
	common = stream_shared(sizeof(*common));
	make_topic(0);
	opts.full_timeout_ns = 30000000;
	must_rc(cop_pub_open(&pub, TOPIC, &opts), 0);
	for (unsigned round = 0; round < rounds; round++) {
		struct test_child child;
		int rc;

		must_rc(cop_pub_send(pub, message, sizeof(message)), 0); /* to be had in hand */
		child = test_fork(blocker, &round);
		must_str(test_hear(child.line), "open");
		while ((rc = cop_pub_send(pub, message, sizeof(message))) == 0)
			must_u64(++sent, <, 4 * ((uint64_t)round + 1)); /* room for two */
		must_rc(rc, -ETIMEDOUT);
		test_tell(child.line, "die");
		do {
			rc = cop_pub_send(pub, message, sizeof(message));
		} while (rc == -ETIMEDOUT);
		must_rc(rc, 0);
		ns[round] = test_now_ns() - common->died_ns;
		must(common->died_ns != 0);
		common->died_ns = 0;
		must_int(test_wait(&child), ==, -SIGKILL);
	}
	must_int(stream_median("from a subscriber's death to room for its publisher", ns, rounds),
		 <, 20000000);
	free(ns);
	cop_pub_close(&pub);
	must_rc(cop_topic_forget(TOPIC, "blocker"), 0);
	must_rc(cop_topic_remove(TOPIC, 0), 0);
}

static const struct test_case cases[] = {
	TEST(nothing_is_lost_by_killing_publishers, .check = TEST_FDS | TEST_EMPTY_ROOT,
	     .timeout_s = 60),
	TEST(death_of_an_idle_publisher_is_told, .check = TEST_FDS | TEST_EMPTY_ROOT,
	     .timeout_s = 60),
	TEST(publisher_goes_on_when_who_blocks_it_dies, .check = TEST_FDS | TEST_EMPTY_ROOT),
	{ 0 },
};
TEST_MAIN("killed", cases)
