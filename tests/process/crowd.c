/*
 * tests/process/crowd.c - many publishers and subscribers at once, whoever is there first
 */
#include "process/stream.h"

#include <stdio.h>

#define TOPIC "crowd"

enum { PUBLISHERS = 4, SUBSCRIBERS = 8, MAX = 30000 };

struct common {
	_Atomic bool stop;
	_Atomic uint64_t sent; /* by those who came and went */
	_Atomic uint64_t last[PUBLISHERS]; /* sequences, once they closed */
};

static struct common *common;

static const char *const names[PUBLISHERS] = { "a", "b", "c", "d" };

static struct cop_pub *open_pub(const char *name, uint32_t when_full)
{
	struct cop_pub_opts opts = COP_PUB_OPTS_INIT;
	struct cop_pub *pub;

	opts.name = name;
	opts.when_full = when_full;
	opts.message_max_bytes = MAX;
	opts.segments = 2;
	must_rc(cop_pub_open(&pub, TOPIC, &opts), 0);
	return pub;
}

/* --- whoever is there first ------------------------------------------------------------------ */

struct party {
	unsigned index, publishers, subscribers, messages;
};

static void publishes(int line, void *arg)
{
	const struct party *party = arg;
	struct cop_pub *pub = open_pub(names[party->index], COP_FULL_WAIT);

	(void)line;
	/* So few that they are kept for whoever comes later. */
	for (int i = 0; i < 2; i++)
		must_rc(stream_send(pub, MAX), 0);
	must_int(cop_pub_wait(pub, party->subscribers, -1), >=, party->subscribers);
	while (cop_pub_sequence(pub) < party->messages)
		must_rc(stream_send(pub, MAX), 0);
	if (party->index % 2)
		must_rc(cop_pub_drain(pub, -1), 0);
	cop_pub_close(&pub);
}

static void subscribes(int line, void *arg)
{
	const struct party *party = arg;
	struct cop_sub_opts opts = COP_SUB_OPTS_INIT;
	struct stream_seen seen = { 0 };
	struct cop_sub *sub;
	struct cop_msg msg;
	int rc;

	(void)line;
	opts.publishers_min = party->publishers;
	opts.spin_ns = party->index % 2 ? -1 : 0;
	must_rc(cop_sub_open(&sub, TOPIC, &opts), 0);
	while ((rc = cop_sub_next(sub, &msg, -1)) == 1)
		stream_must_follow(&seen, &msg, MAX);
	must_rc(rc, -EPIPE);
	must_u64(seen.count, ==, party->publishers);
	for (size_t i = 0; i < seen.count; i++)
		must_u64(seen.of[i].next - 1, ==, party->messages);
	cop_sub_close(&sub);
}

static void hold_a_party(unsigned publishers, unsigned subscribers)
{
	struct party party = { .publishers = publishers, .subscribers = subscribers };
	struct test_child children[PUBLISHERS + SUBSCRIBERS];
	unsigned count = publishers + subscribers, order[PUBLISHERS + SUBSCRIBERS] = { 0 };

	party.messages = test_scale(150, 400);
	for (unsigned i = 0; i < count; i++) {
		unsigned j = (unsigned)(test_random() % (i + 1));

		order[i] = order[j];
		order[j] = i;
	}
	for (unsigned i = 0; i < count; i++) {
		party.index = order[i] < publishers ? order[i] : order[i] - publishers;
		children[i] = test_fork(order[i] < publishers ? publishes : subscribes, &party);
		if (test_random() % 2)
			test_sleep_ns((int64_t)(test_random() % 2000000));
	}
	for (unsigned i = 0; i < count; i++)
		test_end(&children[i]);
}

static void anybody_may_be_there_first(void)
{
	unsigned step = test_scale(3, 1);

	/* Each number of each kind; in quick runs not each with each. */
	for (unsigned p = 1; p <= PUBLISHERS; p++)
		for (unsigned s = 1 + p % step; s <= SUBSCRIBERS; s += step > 3 ? 1 : step)
			hold_a_party(p, s);
}

/* It looks when the ring is full long since: the publisher has kept all of it. */
static void who_looks_late_begins_at_the_first_message(void)
{
	struct stream_seen seen = { 0 };
	struct cop_sub *sub;
	struct cop_pub *pub;
	struct cop_msg msg;
	int rc;

	must_rc(cop_sub_open(&sub, TOPIC, NULL), 0);
	pub = open_pub("late", COP_FULL_EAGAIN);
	while ((rc = stream_send(pub, MAX)) == 0)
		;
	must_rc(rc, -EAGAIN);
	while (cop_sub_next(sub, &msg, 0) == 1)
		stream_must_follow(&seen, &msg, MAX);
	must_u64(*stream_next(&seen, "late", 1), ==, cop_pub_sequence(pub) + 1);
	must_rc(stream_send(pub, MAX), 0);
	cop_pub_close(&pub);
	must_rc(cop_sub_next(sub, &msg, 0), 1);
	must_rc(cop_sub_next(sub, &msg, 0), -EPIPE);
	cop_sub_close(&sub);
}

/* --- comings and goings ---------------------------------------------------------------------- */

static void publishers_come_and_go(int line, void *arg)
{
	uint64_t random = *(uint64_t *)arg;

	(void)line;
	for (unsigned i = 0; i < test_scale(15, 150); i++) {
		struct cop_pub *pub = open_pub(NULL, COP_FULL_WAIT);

		random = stream_mix(random + 1);
		for (uint64_t n = random % 40; n > 0; n--)
			must_rc(stream_send(pub, MAX), 0);
		common->sent += cop_pub_sequence(pub);
		cop_pub_close(&pub);
	}
}

/* Each time it sees rows of messages without a hole, wherever they begin. */
static void subscribers_come_and_go(int line, void *arg)
{
	uint64_t random = *(uint64_t *)arg;

	(void)line;
	while (!common->stop) {
		struct cop_sub_opts opts = COP_SUB_OPTS_INIT;
		struct stream_seen seen = { 0 };
		struct cop_sub *sub;
		struct cop_msg msg;

		random = stream_mix(random + 1);
		opts.from = random & 1 ? COP_FROM_OLDEST : COP_FROM_NEWEST;
		opts.spin_ns = random & 2 ? -1 : 0;
		must_rc(cop_sub_open(&sub, TOPIC, &opts), 0);
		for (uint64_t n = random >> 8 & 63; n > 0; n--) {
			int rc = cop_sub_next(sub, &msg, 1000000);

			if (rc == -EPIPE || rc == -ETIMEDOUT)
				continue;
			must_rc(rc, 1);
			(void)stream_next(&seen, msg.publisher, msg.sequence);
			must_u64(msg.sequence, ==, *stream_next(&seen, msg.publisher, 0));
			stream_must_be_whole(&msg, MAX);
			++*stream_next(&seen, msg.publisher, 0);
		}
		cop_sub_close(&sub);
	}
}

static void stays(int line, void *arg)
{
	struct stream_seen *seen = calloc(1, sizeof(*seen));
	struct cop_sub *sub;
	struct cop_msg msg;
	uint64_t had = 0;
	int rc;

	(void)arg;
	must(seen);
	must_rc(cop_sub_open(&sub, TOPIC, NULL), 0);
	test_tell(line, "open");
	for (bool last = false; !last || had < common->sent;) {
		last = common->stop;
		rc = cop_sub_next(sub, &msg, 50000000);
		if (rc == -EPIPE || rc == -ETIMEDOUT)
			continue;
		must_rc(rc, 1);
		stream_must_follow(seen, &msg, MAX);
		had++;
	}
	must_u64(had, ==, common->sent);
	cop_sub_close(&sub);
	free(seen);
}

static void members_may_come_and_go(void)
{
	struct test_child children[3 + 3 + 2];
	uint64_t random;
	int count = 0;

	common = stream_shared(sizeof(*common));
	for (; count < 2; count++) {
		children[count] = test_fork(stays, NULL);
		must_str(test_hear(children[count].line), "open");
	}
	for (; count < 8; count++) {
		random = test_random();
		children[count] = test_fork(count < 5 ? subscribers_come_and_go
						      : publishers_come_and_go,
					    &random);
	}
	while (count-- > 5)
		test_end(&children[count]);
	common->stop = true;
	for (; count >= 0; count--)
		test_end(&children[count]);
	must_u64(common->sent, >, 100);
}

/* --- lossy and latest ------------------------------------------------------------------------ */

static void floods(int line, void *arg)
{
	unsigned index = *(unsigned *)arg;
	struct cop_pub *pub = open_pub(names[index], index % 2 ? COP_FULL_DROP : COP_FULL_WAIT);

	(void)line;
	must_int(cop_pub_wait(pub, 4, -1), >=, 4);
	for (unsigned i = 0; i < test_scale(20000, 200000); i++)
		must_rc(stream_send(pub, MAX), 0);
	common->last[index] = cop_pub_sequence(pub);
	cop_pub_close(&pub);
}

enum { COPIES, IN_PLACE, SLOWLY, ONLY_THE_LATEST };

struct lossy {
	int kind;
	uint64_t received, missed, overwritten;
	struct stream_seen seen;
};

static void take_gap(struct cop_sub *sub, struct lossy *lossy)
{
	struct cop_sub_event event;
	uint64_t *next;

	cop_sub_last_event(sub, &event);
	next = stream_next(&lossy->seen, event.publisher, 1);
	must_u64(event.first, ==, *next);
	must_u64(event.count, >, 0);
	*next += event.count;
	lossy->missed += event.count;
}

static void take_message(struct cop_sub *sub, const struct cop_msg *msg, struct lossy *lossy)
{
	uint64_t *next = stream_next(&lossy->seen, msg->publisher, 1);
	bool whole = stream_whole(msg, MAX);

	if (cop_sub_check(sub) == -EOVERFLOW) {
		must_int(lossy->kind, ==, IN_PLACE);
		lossy->overwritten++;
		return;
	}
	must(whole);
	must_u64(msg->sequence, ==, *next + msg->skipped);
	must(msg->skipped == 0 || lossy->kind == ONLY_THE_LATEST);
	*next = msg->sequence + 1;
	lossy->missed += msg->skipped;
	lossy->received++;
	if (lossy->kind == SLOWLY && lossy->received % 64 == 0)
		test_sleep_ns((int64_t)(test_random() % 1000000));
}

static void loses(int line, void *arg)
{
	struct lossy lossy = { .kind = *(int *)arg };
	struct cop_sub_opts opts = COP_SUB_OPTS_INIT;
	struct cop_sub *sub;
	struct cop_msg msg;
	int rc;

	(void)line;
	opts.kind = lossy.kind == ONLY_THE_LATEST ? COP_SUB_LATEST : COP_SUB_LOSSY;
	opts.flags = lossy.kind == IN_PLACE ? COP_SUB_IN_PLACE : 0;
	opts.publishers_min = 2;
	must_rc(cop_sub_open(&sub, TOPIC, &opts), 0);
	while ((rc = cop_sub_next(sub, &msg, -1)) != -EPIPE) {
		if (rc == -EOVERFLOW && lossy.kind != ONLY_THE_LATEST) {
			take_gap(sub, &lossy);
		} else {
			must_rc(rc, 1);
			take_message(sub, &msg, &lossy);
		}
	}
	for (unsigned i = 0; i < 2; i++)
		must_u64(*stream_next(&lossy.seen, names[i], 1) - 1, ==, common->last[i]);
	must_u64(lossy.received + lossy.missed, ==, common->last[0] + common->last[1]);
	printf("     reader %d: %llu received, %llu missed, %llu overwritten in use\n", lossy.kind,
	       (unsigned long long)lossy.received, (unsigned long long)lossy.missed,
	       (unsigned long long)lossy.overwritten);
	cop_sub_close(&sub);
}

static void what_is_lost_is_told_exactly(void)
{
	static int kinds[] = { COPIES, IN_PLACE, SLOWLY, ONLY_THE_LATEST };
	static unsigned indices[] = { 0, 1 };
	struct test_child children[6];

	common = stream_shared(sizeof(*common));
	for (int i = 0; i < 6; i++)
		children[i] = i < 4 ? test_fork(loses, &kinds[i])
				    : test_fork(floods, &indices[i - 4]);
	for (int i = 6; i-- > 0;)
		test_end(&children[i]);
}

enum { LARGE = 900000 };

/* A segment holds one message, and a ring two: who copies one is overtaken while he does. */
static void floods_with_large_ones(int line, void *arg)
{
	struct cop_pub_opts opts = COP_PUB_OPTS_INIT;
	struct cop_pub *pub;
	void *room;

	(void)line;
	(void)arg;
	opts.name = "large";
	opts.when_full = COP_FULL_DROP;
	opts.message_max_bytes = LARGE;
	opts.segments = 2;
	must_rc(cop_pub_open(&pub, TOPIC, &opts), 0);
	must_rc(cop_pub_wait(pub, 1, -1), 1);
	for (uint64_t n = 1; n <= test_scale(4000, 40000); n++) {
		must_rc(cop_pub_reserve(pub, LARGE, &room), 0);
		stream_fill(room, LARGE, stream_key("large", n));
		must_rc(cop_pub_commit(pub, LARGE), 0);
	}
	cop_pub_close(&pub);
}

static void copies_are_whole_though_their_place_is_overwritten(void)
{
	struct cop_sub_opts opts = COP_SUB_OPTS_INIT;
	struct test_child child;
	struct cop_sub *sub;
	struct cop_msg msg;
	uint64_t had = 0;
	int rc;

	opts.kind = COP_SUB_LOSSY;
	must_rc(cop_sub_open(&sub, TOPIC, &opts), 0);
	child = test_fork(floods_with_large_ones, NULL);
	while ((rc = cop_sub_next(sub, &msg, -1)) != -EPIPE) {
		if (rc == -EOVERFLOW)
			continue;
		must_rc(rc, 1);
		must_u64(msg.size, ==, LARGE);
		must(stream_filled(msg.data, LARGE, stream_key("large", msg.sequence)));
		had++;
	}
	must_u64(had, >, 0);
	test_end(&child);
	cop_sub_close(&sub);
}

static void dropping_the_oldest_waits_for_nobody(void)
{
	struct lossy lossy = { .kind = COPIES };
	struct cop_pub *pub = open_pub("a", COP_FULL_DROP);
	struct cop_sub *sub;
	struct cop_msg msg;
	int rc;

	/* It is lossless, alive, and does not read. */
	must_rc(cop_sub_open(&sub, TOPIC, NULL), 0);
	for (int i = 0; i < 3000; i++)
		must_rc(stream_send(pub, MAX), 0);
	while ((rc = cop_sub_next(sub, &msg, 0)) != -EAGAIN) {
		if (rc == -EOVERFLOW) {
			take_gap(sub, &lossy);
			continue;
		}
		must_rc(rc, 1);
		take_message(sub, &msg, &lossy);
	}
	must_u64(lossy.received, >, 0);
	must_u64(lossy.received + lossy.missed, ==, 3000);
	cop_pub_close(&pub);
	cop_sub_close(&sub);
}

static const struct test_case cases[] = {
	TEST(anybody_may_be_there_first, .check = TEST_FDS | TEST_EMPTY_ROOT, .timeout_s = 60),
	TEST(who_looks_late_begins_at_the_first_message, .check = TEST_FDS | TEST_EMPTY_ROOT),
	TEST(members_may_come_and_go, .check = TEST_FDS | TEST_EMPTY_ROOT),
	TEST(what_is_lost_is_told_exactly, .check = TEST_FDS | TEST_EMPTY_ROOT),
	TEST(copies_are_whole_though_their_place_is_overwritten,
	     .check = TEST_FDS | TEST_EMPTY_ROOT),
	TEST(dropping_the_oldest_waits_for_nobody, .check = TEST_FDS | TEST_EMPTY_ROOT),
	{ 0 },
};
TEST_MAIN("crowd", cases)
