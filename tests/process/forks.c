/*
 * tests/process/forks.c - handles are their process's: forked and exec'd children, and threads
 */
#include "process/stream.h"

#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define TOPIC "forks"

enum { MAX = 20000 };

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

static struct cop_sub *open_sub(void)
{
	struct cop_sub *sub;

	must_rc(cop_sub_open(&sub, TOPIC, NULL), 0);
	return sub;
}

/* --- what a child can do with its parent's handles ------------------------------------------- */

struct handles {
	struct cop_pub *pub;
	struct cop_sub *sub;
	struct cop_msg msg;
	bool closes;
};

static void tries_everything(int line, void *arg)
{
	struct handles *h = arg;
	struct cop_msg msg;
	void *room;

	(void)line;
	must_rc(cop_pub_send(h->pub, "x", 1), -ECHILD);
	must_has(cop_error_text(), "parent");
	must_rc(cop_pub_send(h->pub, "x", MAX + 1), -ECHILD);
	must_rc(cop_pub_reserve(h->pub, 1, &room), -ECHILD);
	must_rc(cop_pub_commit(h->pub, 1), -ECHILD);
	cop_pub_abort(h->pub);
	must_rc(cop_pub_wait(h->pub, 1, 0), -ECHILD);
	must_rc(cop_pub_drain(h->pub, 0), -ECHILD);
	must_rc(cop_sub_next(h->sub, &msg, 0), -ECHILD);
	cop_sub_release(h->sub);
	must_rc(cop_sub_check(h->sub), -ECHILD);
	must_rc(cop_sub_fd(h->sub), -ECHILD);
	must_str(cop_pub_name(h->pub), "parent");
	must(cop_sub_name(h->sub)[0]);
	if (h->closes) {
		cop_pub_close(&h->pub);
		cop_sub_close(&h->sub);
		must(!h->pub && !h->sub);
	}
}

static void a_child_can_neither_use_nor_harm_handles(void)
{
	struct handles h = { .pub = open_pub("parent", COP_FULL_EAGAIN), .sub = open_sub() };
	struct stream_seen seen = { 0 };

	for (int i = 0; i < 6; i++) {
		struct test_child child;

		/* With a message in hand, with a reservation open, and with a watch. */
		must_rc(stream_send(h.pub, MAX), 0);
		must_rc(cop_sub_next(h.sub, &h.msg, 0), 1);
		stream_must_follow(&seen, &h.msg, MAX);
		if (i == 4)
			must_int(cop_sub_fd(h.sub), >=, 0);
		h.closes = i % 2;
		child = test_fork(tries_everything, &h);
		test_end(&child);
		stream_must_be_whole(&h.msg, MAX);
	}
	must_rc(cop_pub_wait(h.pub, 1, 0), 1);
	must_rc(stream_send(h.pub, MAX), 0);
	must_rc(cop_sub_next(h.sub, &h.msg, 0), 1);
	stream_must_follow(&seen, &h.msg, MAX);
	cop_pub_close(&h.pub);
	must_rc(cop_sub_next(h.sub, &h.msg, 0), -EPIPE);
	cop_sub_close(&h.sub);
}

static void opens_its_own(int line, void *arg)
{
	struct handles *h = arg;
	struct cop_pub *pub = open_pub("child", COP_FULL_WAIT);

	(void)line;
	cop_pub_close(&h->pub);
	for (int i = 0; i < 10; i++)
		must_rc(stream_send(pub, MAX), 0);
	cop_pub_close(&pub);
}

static void a_child_opens_its_own(void)
{
	struct handles h = { .sub = open_sub(), .pub = open_pub("parent", COP_FULL_WAIT) };
	struct test_child child = test_fork(opens_its_own, &h);
	struct stream_seen seen = { 0 };

	for (int i = 0; i < 10; i++) {
		must_rc(cop_sub_next(h.sub, &h.msg, -1), 1);
		must_str(h.msg.publisher, "child");
		stream_must_follow(&seen, &h.msg, MAX);
	}
	test_end(&child);
	cop_pub_close(&h.pub);
	must_rc(cop_sub_next(h.sub, &h.msg, -1), -EPIPE);
	cop_sub_close(&h.sub);
}

/* --- the death of a parent whose children live on -------------------------------------------- */

enum heir { FORKED, EXECUTED, SPAWNED };

/* Opens, leaves the handles to a child, tells the child's number, and waits to be killed. */
static void bequeaths(int line, void *arg)
{
	enum heir heir = *(enum heir *)arg;
	char sleep[] = "sleep", seconds[] = "1000";
	char *argv[] = { sleep, seconds, NULL };
	struct cop_sub *sub = open_sub();
	struct cop_pub *pub = open_pub("dies", COP_FULL_WAIT);
	pid_t pid;

	must_rc(stream_send(pub, MAX), 0);
	must_int(cop_sub_fd(sub), >=, 0);
	if (heir == SPAWNED) /* which is vfork() inside, and shares all memory until exec */
		must_int(posix_spawnp(&pid, "sleep", NULL, NULL, argv, environ), ==, 0);
	else
		pid = fork();
	if (pid == 0) {
		if (heir == EXECUTED)
			execvp("sleep", argv);
		for (;;)
			pause();
	}
	test_tell(line, "%d", pid);
	for (;;)
		pause();
}

/* The subscriber that died had read nothing: it blocks until it is known to be dead. */
static void must_see_death(enum heir heir)
{
	struct cop_sub *sub = open_sub();
	struct test_child child = test_fork(bequeaths, &heir);
	struct cop_pub *pub = open_pub("waits", COP_FULL_EAGAIN);
	struct cop_sub_event event;
	struct cop_msg msg;
	pid_t pid;
	int rc;

	pid = (pid_t)strtol(test_hear(child.line), NULL, 10);
	must_int(pid, >, 0);
	must_rc(cop_sub_next(sub, &msg, -1), 1);
	while ((rc = stream_send(pub, MAX)) == 0)
		while (cop_sub_next(sub, &msg, 0) == 1)
			;
	must_rc(rc, -EAGAIN);
	/* What was exec'd while the parent still lives takes nothing along either. */
	must_rc(cop_pub_wait(pub, 2, 0), 2);
	test_kill(&child, SIGKILL);
	must_int(kill(pid, 0), ==, 0);
	must_soon(stream_send(pub, MAX) == 0, 1000);
	while ((rc = cop_sub_next(sub, &msg, 1000000000)) == 1)
		;
	must_rc(rc, -EOWNERDEAD);
	cop_sub_last_event(sub, &event);
	must_str(event.publisher, "dies");
	must_int(kill(pid, SIGKILL), ==, 0);
	cop_pub_close(&pub);
	cop_sub_close(&sub);
	must_int(cop_gc(NULL, 0, NULL, NULL), >=, 0);
}

static void a_parents_death_is_seen_though_its_children_live(void)
{
	for (unsigned i = 0; i < test_scale(5, 50); i++) {
		must_see_death(FORKED);
		must_see_death(EXECUTED);
		must_see_death(SPAWNED);
	}
}

/* --- threads --------------------------------------------------------------------------------- */

enum { THREADS = 4 };

static void *thread_reads(void *arg)
{
	struct stream_seen *seen = calloc(1, sizeof(*seen));
	struct cop_sub *sub = arg;
	struct cop_msg msg;
	int rc;

	must(seen);
	while ((rc = cop_sub_next(sub, &msg, -1)) == 1)
		stream_must_follow(seen, &msg, MAX);
	must_rc(rc, -EPIPE);
	must_u64(seen->count, ==, THREADS);
	for (size_t i = 0; i < seen->count; i++)
		must_u64(seen->of[i].next, ==, 501);
	free(seen);
	return NULL;
}

static void *thread_writes(void *arg)
{
	struct cop_pub *pub = arg;
	uint8_t *buffer = malloc(MAX);

	must(buffer);
	for (uint64_t n = 1; n <= 500; n++) {
		uint64_t key = stream_key(cop_pub_name(pub), n);

		stream_fill(buffer, stream_size(key, MAX), key);
		must_rc(cop_pub_send(pub, buffer, stream_size(key, MAX)), 0);
	}
	free(buffer);
	return NULL;
}

static void handles_of_one_process_are_independent(void)
{
	static const char *const names[THREADS] = { "a", "b", "c", "d" };
	struct cop_sub *subs[THREADS];
	struct cop_pub *pubs[THREADS];
	pthread_t readers[THREADS], writers[THREADS];

	for (int i = 0; i < THREADS; i++) {
		subs[i] = open_sub();
		pubs[i] = open_pub(names[i], COP_FULL_WAIT);
	}
	for (int i = 0; i < THREADS; i++) {
		must_int(pthread_create(&readers[i], NULL, thread_reads, subs[i]), ==, 0);
		must_int(pthread_create(&writers[i], NULL, thread_writes, pubs[i]), ==, 0);
	}
	for (int i = 0; i < THREADS; i++)
		must_int(pthread_join(writers[i], NULL), ==, 0);
	for (int i = 0; i < THREADS; i++)
		cop_pub_close(&pubs[i]);
	for (int i = 0; i < THREADS; i++) {
		must_int(pthread_join(readers[i], NULL), ==, 0);
		cop_sub_close(&subs[i]);
	}
}

static const struct test_case cases[] = {
	TEST(a_child_can_neither_use_nor_harm_handles, .check = TEST_FDS | TEST_EMPTY_ROOT),
	TEST(a_child_opens_its_own, .check = TEST_FDS | TEST_EMPTY_ROOT),
	TEST(a_parents_death_is_seen_though_its_children_live, .check = TEST_FDS | TEST_EMPTY_ROOT),
	TEST(handles_of_one_process_are_independent, .check = TEST_FDS | TEST_EMPTY_ROOT),
	{ 0 },
};
TEST_MAIN("forks", cases)
