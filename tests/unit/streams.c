/*
 * tests/unit/streams.c - publishers and subscribers of all kinds at the same time, one thread each
 */
#include "parties.h"

#include <pthread.h>
#include <stdlib.h>

enum { PUBS = 3 };

/* What a subscriber has to show: of every publisher each message once, in order, or told lost. */
struct tally {
	uint64_t seen[PUBS]; /* the last sequence that was got or told */
	uint64_t got, lost;
};

struct reader {
	struct cop_sub *sub;
	uint32_t kind, flags;
	struct tally tally;
};

struct writer {
	struct cop_pub *pub;
	uint64_t count;
	size_t size;
};

static int number_of(const char *publisher)
{
	must(publisher[0] >= 'a' && publisher[0] < 'a' + PUBS);
	return publisher[0] - 'a';
}

/* All its bytes are those of its sequence: memcmp with itself, one byte further. */
static bool is_whole(const struct cop_msg *msg)
{
	const uint8_t *data = msg->data;

	return msg->size == 0 ||
	       (data[0] == (msg->sequence & 0xff) && memcmp(data, data + 1, msg->size - 1) == 0);
}

static void count_message(struct reader *reader, const struct cop_msg *msg)
{
	struct tally *tally = &reader->tally;
	uint64_t *seen = &tally->seen[number_of(msg->publisher)];
	bool whole = is_whole(msg);

	if (cop_sub_check(reader->sub) < 0) {
		must(reader->flags & COP_SUB_IN_PLACE);
		return; /* not to be believed; it will be told as lost */
	}
	must(whole);
	must_u64(msg->sequence, ==, *seen + 1 + msg->skipped);
	tally->lost += msg->skipped;
	tally->got++;
	*seen = msg->sequence;
}

static void count_gap(struct reader *reader)
{
	struct cop_sub_event event = last_event(reader->sub);
	uint64_t *seen = &reader->tally.seen[number_of(event.publisher)];

	must_u64(event.first, ==, *seen + 1);
	must_u64(event.count, >, 0);
	*seen += event.count;
	reader->tally.lost += event.count;
}

static void *read_all(void *arg)
{
	struct reader *reader = arg;
	struct cop_msg msg;
	int rc;

	while ((rc = cop_sub_next(reader->sub, &msg, -1)) != -EPIPE) {
		if (rc == 1) {
			count_message(reader, &msg);
		} else {
			must_rc(rc, -EOVERFLOW);
			count_gap(reader);
		}
	}
	return NULL;
}

static void *write_all(void *arg)
{
	struct writer *writer = arg;

	for (uint64_t i = 0; i < writer->count; i++) {
		size_t size = writer->size ? writer->size : i * 37 % 1200;
		void *room;

		must_rc(cop_pub_reserve(writer->pub, size, &room), 0);
		memset(room, (int)(i + 1) & 0xff, size);
		must_rc(cop_pub_commit(writer->pub, size), 0);
	}
	cop_pub_close(&writer->pub);
	return NULL;
}

static const struct {
	uint32_t kind, flags;
} kinds[] = {
	{ COP_SUB_LOSSLESS, 0 }, { COP_SUB_LOSSLESS, 0 },
	{ COP_SUB_LOSSY, 0 },    { COP_SUB_LOSSY, COP_SUB_IN_PLACE },
	{ COP_SUB_LATEST, 0 },
};
enum { SUBS = sizeof(kinds) / sizeof(*kinds) };

static void stream(uint32_t when_full, uint64_t count, size_t size)
{
	static const char *const names[PUBS] = { "a", "b", "c" };
	struct reader readers[SUBS];
	struct writer writers[PUBS];
	pthread_t reading[SUBS], writing[PUBS];

	for (int i = 0; i < PUBS; i++)
		writers[i] = (struct writer){ pub_open("t", PUB_OPTS(SMALL, .name = names[i],
								     .when_full = when_full)),
					      count, size };
	for (int i = 0; i < SUBS; i++) {
		readers[i] = (struct reader){ .kind = kinds[i].kind, .flags = kinds[i].flags };
		readers[i].sub = sub_open("t",
					  SUB_OPTS(.kind = kinds[i].kind, .flags = kinds[i].flags,
						   .publishers_min = PUBS));
		must_int(pthread_create(&reading[i], NULL, read_all, &readers[i]), ==, 0);
	}
	for (int i = 0; i < PUBS; i++)
		must_int(pthread_create(&writing[i], NULL, write_all, &writers[i]), ==, 0);
	for (int i = 0; i < PUBS; i++)
		must_int(pthread_join(writing[i], NULL), ==, 0);
	for (int i = 0; i < SUBS; i++) {
		must_int(pthread_join(reading[i], NULL), ==, 0);
		for (int n = 0; n < PUBS; n++)
			must_u64(readers[i].tally.seen[n], ==, count);
		must_u64(readers[i].tally.got + readers[i].tally.lost, ==, PUBS * count);
		if (kinds[i].kind == COP_SUB_LOSSLESS && when_full == COP_FULL_WAIT)
			must_u64(readers[i].tally.lost, ==, 0);
		cop_sub_close(&readers[i].sub);
	}
}

static void everybody_gets_what_his_kind_gets(void)
{
	stream(COP_FULL_WAIT, test_scale(3000, 30000), 0);
}

static void who_is_overrun_gets_nothing_torn(void)
{
	stream(COP_FULL_DROP, test_scale(3000, 30000), 0);
	stream(COP_FULL_DROP, test_scale(3000, 30000), BIG);
}

static void large_messages_stream(void)
{
	stream(COP_FULL_WAIT, test_scale(500, 5000), BIG);
}

/* Subscribers and publishers that come and go all the time leave nothing, and disturb nobody. */
static void *come_and_go(void *arg)
{
	unsigned rounds = *(const unsigned *)arg;

	for (unsigned i = 0; i < rounds; i++) {
		struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL));
		struct cop_sub *sub = sub_open("t", NULL);
		struct cop_msg msg;
		int rc;

		must_rc(send_bytes(pub, 8), 0);
		do {
			rc = cop_sub_next(sub, &msg, -1);
			must(rc == 1 || rc == -EPIPE);
		} while (rc != 1 || strcmp(msg.publisher, cop_pub_name(pub)) != 0);
		must_be(&msg, 1, 8);
		cop_pub_close(&pub);
		cop_sub_close(&sub);
	}
	return NULL;
}

static void comings_and_goings_leave_nothing(void)
{
	unsigned rounds = test_scale(60, 600);
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		must_int(pthread_create(&threads[i], NULL, come_and_go, &rounds), ==, 0);
	for (int i = 0; i < 4; i++)
		must_int(pthread_join(threads[i], NULL), ==, 0);
}

#define CLEAN .check = TEST_FDS | TEST_EMPTY_ROOT, .timeout_s = 60
static const struct test_case cases[] = {
	TEST(everybody_gets_what_his_kind_gets, CLEAN),
	TEST(who_is_overrun_gets_nothing_torn, CLEAN),
	TEST(large_messages_stream, CLEAN),
	TEST(comings_and_goings_leave_nothing, CLEAN),
	{ 0 },
};
TEST_MAIN("streams", cases)
