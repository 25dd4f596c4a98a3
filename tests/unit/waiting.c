/*
 * tests/unit/waiting.c - subscribers wait, by call and by descriptor; forked children do not
 */
#include "parties.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/os.h"

/* ---- by call ---- */

static void nothing_in_time_is_a_timeout(void)
{
	struct cop_sub *sub = sub_open("t", NULL);
	struct cop_msg msg;
	/* Shorter than it polls, a sleep on the bell, and longer than that. */
	static const int64_t timeouts_ns[] = { 1, 5000, 3000000, 80000000 };

	for (int i = 0; i < 4; i++) {
		int64_t start = test_now_ns();

		must_rc(cop_sub_next(sub, &msg, timeouts_ns[i]), -ETIMEDOUT);
		must_int(test_now_ns() - start, >=, timeouts_ns[i]);
		must_int(last_event(sub).error, ==, -ETIMEDOUT);
	}
	must_rc(cop_sub_next(sub, &msg, 0), -EAGAIN);
	cop_sub_close(&sub);
}

struct sender {
	struct cop_pub *pub;
	int count;
	int64_t pause_ns;
};

/* Its pauses let the other side fall asleep in all its ways; nothing depends on how long. */
static void *send_some(void *arg)
{
	struct sender *sender = arg;

	for (int i = 0; i < sender->count; i++) {
		test_sleep_ns(sender->pause_ns);
		must_rc(send_bytes(sender->pub, 8), 0);
	}
	return NULL;
}

static void wait_for(int64_t spin_ns, int64_t pause_ns, int count)
{
	struct sender sender = { pub_open("t", PUB_OPTS(SMALL)), count, pause_ns };
	struct cop_sub *sub = sub_open("t", SUB_OPTS(.spin_ns = spin_ns));
	struct cop_msg msg;
	pthread_t thread;

	must_int(pthread_create(&thread, NULL, send_some, &sender), ==, 0);
	for (int i = 1; i <= count; i++) {
		must_rc(cop_sub_next(sub, &msg, -1), 1);
		must_be(&msg, (uint64_t)i, 8);
	}
	must_int(pthread_join(thread, NULL), ==, 0);
	cop_pub_close(&sender.pub);
	must_rc(cop_sub_next(sub, &msg, -1), -EPIPE);
	cop_sub_close(&sub);
}

static void who_sleeps_is_woken(void)
{
	wait_for(0, 0, 2000);
	wait_for(-1, 0, 2000);
	wait_for(-1, 100000, 200);
	wait_for(0, 3000000, 10);
	wait_for(-1, 40000000, 4); /* it watches the directory by then */
	wait_for(1000000000, 1000000, 10); /* it polls all the time */
}

static void *come_and_go(void *arg)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL));

	(void)arg;
	must_rc(send_bytes(pub, 8), 0);
	cop_pub_close(&pub);
	return NULL;
}

static void who_sleeps_meets_those_who_come(void)
{
	struct cop_sub *sub = sub_open("t", NULL);

	for (int i = 0; i < 20; i++) {
		struct cop_msg msg;
		pthread_t thread;

		must_int(pthread_create(&thread, NULL, come_and_go, NULL), ==, 0);
		must_rc(cop_sub_next(sub, &msg, -1), 1);
		must_be(&msg, 1, 8);
		must_rc(cop_sub_next(sub, &msg, -1), -EPIPE);
		must_int(pthread_join(thread, NULL), ==, 0);
	}
	cop_sub_close(&sub);
}

/* ---- by descriptor ---- */

static bool readable(int fd, int timeout_ms)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	must_int(poll(&poll_fd, 1, timeout_ms), >=, 0);
	return poll_fd.revents & POLLIN;
}

/* Take all, as one does before one polls: false, it is quiet now and the descriptor sleeps. */
static uint64_t take_all(struct cop_sub *sub)
{
	struct cop_msg msg;
	uint64_t last = 0;
	int rc;

	while ((rc = cop_sub_next(sub, &msg, 0)) != -EAGAIN)
		last = rc == 1 ? msg.sequence : last;
	return last;
}

/* A wake-up may be spurious, so it is taken for what it is: a reason to look. */
static void must_wake_for(struct cop_sub *sub, int fd, uint64_t sequence)
{
	int64_t until = test_now_ns() + 5000000000;
	uint64_t last = 0;

	while (last < sequence) {
		must_int(test_now_ns(), <, until);
		must(readable(fd, 5000));
		last = take_all(sub);
	}
	must_u64(last, ==, sequence);
}

static void must_fall_quiet(struct cop_sub *sub, int fd)
{
	int64_t until = test_now_ns() + 5000000000;

	while (readable(fd, 0)) {
		must_u64(take_all(sub), ==, 0);
		must_int(test_now_ns(), <, until);
	}
}

static void the_descriptor_wakes_for_each_message(void)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL));
	struct cop_sub *sub = sub_open("t", NULL);
	int fd = cop_sub_fd(sub);

	must_int(fd, >=, 0);
	must_int(cop_sub_fd(sub), ==, fd);
	must_u64(take_all(sub), ==, 0);
	for (uint64_t i = 1; i <= 300; i++) {
		must_fall_quiet(sub, fd);
		must_rc(send_bytes(pub, 8), 0);
		must_wake_for(sub, fd, i);
	}
	cop_sub_close(&sub);
	cop_pub_close(&pub);
}

static void the_descriptor_wakes_for_comings_and_goings(void)
{
	struct cop_sub *sub = sub_open("t", NULL);
	int fd = cop_sub_fd(sub);
	struct cop_pub *pub;
	struct cop_msg msg;
	int rc = 0;

	must_u64(take_all(sub), ==, 0);
	must_fall_quiet(sub, fd);
	pub = pub_open("t", PUB_OPTS(SMALL));
	must_rc(send_bytes(pub, 8), 0);
	must_wake_for(sub, fd, 1);
	must_fall_quiet(sub, fd);
	cop_pub_close(&pub);
	while (rc != -EPIPE) {
		must(readable(fd, 5000));
		rc = cop_sub_next(sub, &msg, 0);
		must(rc == -EAGAIN || rc == -EPIPE);
	}
	cop_sub_close(&sub);
}

static void the_descriptor_works_in_epoll(void)
{
	struct sender sender = { pub_open("t", PUB_OPTS(SMALL)), 500, 0 };
	struct cop_sub *sub = sub_open("t", NULL);
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	uint64_t last = 0;
	pthread_t thread;

	must_int(epoll_ctl(epoll, EPOLL_CTL_ADD, cop_sub_fd(sub), &event), ==, 0);
	must_int(pthread_create(&thread, NULL, send_some, &sender), ==, 0);
	while (last < 500) {
		uint64_t now = take_all(sub);

		last = now ? now : last;
		if (last < 500)
			must_int(epoll_wait(epoll, &event, 1, 5000), ==, 1);
	}
	must_int(pthread_join(thread, NULL), ==, 0);
	close(epoll);
	cop_sub_close(&sub);
	cop_pub_close(&sender.pub);
}

static void a_descriptor_for_each_of_many(void)
{
	enum { SUBS = 8 };
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL));
	struct cop_sub *subs[SUBS];
	int fds[SUBS];

	for (int i = 0; i < SUBS; i++) {
		subs[i] = sub_open("t", NULL);
		fds[i] = cop_sub_fd(subs[i]);
	}
	for (uint64_t n = 1; n <= 20; n++) {
		for (int i = 0; i < SUBS; i++)
			take_all(subs[i]);
		must_rc(send_bytes(pub, 8), 0);
		for (int i = 0; i < SUBS; i++)
			must_wake_for(subs[i], fds[i], n);
	}
	for (int i = 0; i < SUBS; i++)
		cop_sub_close(&subs[i]);
	cop_pub_close(&pub);
}

/* ---- the fast path ---- */

static unsigned calls;

static int count_call(enum cop__os_call call)
{
	(void)call;
	calls++;
	return 0;
}

static void a_message_takes_no_system_call(void)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL));
	struct cop_sub *sub = sub_open("t", NULL);
	struct cop_msg msg;
	void *room;

	/* The first look of a subscriber meets the news of its own coming. */
	must_rc(cop_sub_next(sub, &msg, 0), -EAGAIN);
	cop__os_hook = count_call;
	for (int i = 0; i < 1000; i++) {
		must_rc(cop_pub_send(pub, "12345678", 8), 0);
		must_rc(cop_sub_next(sub, &msg, -1), 1);
		must_rc(cop_pub_reserve(pub, 8, &room), 0);
		must_rc(cop_pub_commit(pub, 8), 0);
		must_rc(cop_sub_next(sub, &msg, 0), 1);
		cop_sub_release(sub);
		must_rc(cop_sub_next(sub, &msg, 0), -EAGAIN);
	}
	cop__os_hook = NULL;
	must_int(calls, ==, 0);
	cop_sub_close(&sub);
	cop_pub_close(&pub);
}

/* ---- forked children ---- */

struct pair {
	struct cop_pub *pub;
	struct cop_sub *sub;
};

static void child_uses_nothing(int line, void *arg)
{
	struct pair *pair = arg;
	struct cop_msg msg;
	void *room = &room;

	must_rc(cop_pub_send(pair->pub, "x", 1), -ECHILD);
	must_has(cop_error_text(), "fork");
	must_rc(cop_pub_reserve(pair->pub, 1, &room), -ECHILD);
	must(room == &room);
	must_rc(cop_pub_commit(pair->pub, 0), -ECHILD);
	must_rc(cop_pub_wait(pair->pub, 0, 0), -ECHILD);
	must_rc(cop_pub_drain(pair->pub, 0), -ECHILD);
	cop_pub_abort(pair->pub);
	must_rc(cop_sub_next(pair->sub, &msg, 0), -ECHILD);
	must_rc(cop_sub_next(pair->sub, &msg, -1), -ECHILD);
	must_rc(cop_sub_check(pair->sub), -ECHILD);
	must_rc(cop_sub_fd(pair->sub), -ECHILD);
	cop_sub_release(pair->sub);
	must_str(cop_pub_name(pair->pub), "p");
	must_str(cop_sub_name(pair->sub), "s");
	cop_pub_close(&pair->pub);
	cop_sub_close(&pair->sub);
	must(!pair->pub && !pair->sub);
	test_tell(line, "done");
	(void)test_hear(line);
}

static void a_child_cannot_use_and_not_harm_its_parents_handles(void)
{
	struct pair pair = { pub_open("t", PUB_OPTS(SMALL, .name = "p")),
			     sub_open("t", SUB_OPTS(.name = "s")) };
	struct cop_pub *pub = NULL;
	struct cop_sub *sub = NULL;
	struct test_child child;
	int fd = cop_sub_fd(pair.sub);

	must_rc(send_bytes(pair.pub, 8), 0);
	must_rc(send_bytes(pair.pub, 8), 0);
	take(pair.sub, 1, 8);
	child = test_fork(child_uses_nothing, &pair);
	must_str(test_hear(child.line), "done");
	must_rc(cop_pub_open(&pub, "t", PUB_OPTS(.name = "p")), -EBUSY); /* still ours */
	must_rc(cop_sub_open(&sub, "t", SUB_OPTS(.name = "s")), -EBUSY);
	take(pair.sub, 2, 8);
	must_rc(send_bytes(pair.pub, 8), 0);
	must_wake_for(pair.sub, fd, 3);
	/* The child lives on, and holds nothing of ours. */
	cop_pub_close(&pair.pub);
	must_tell(pair.sub, -EPIPE);
	cop_sub_close(&pair.sub);
	sub = sub_open("t", SUB_OPTS(.name = "s"));
	cop_sub_close(&sub);
	must_rc(cop_topic_forget("t", "s"), 0);
	test_end(&child);
}

static void child_opens_its_own(int line, void *arg)
{
	struct pair *pair = arg;
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL, .name = "child"));

	must_rc(send_bytes(pub, 8), 0);
	test_tell(line, "sent");
	(void)test_hear(line);
	cop_pub_close(&pub);
	cop_pub_close(&pair->pub);
	cop_sub_close(&pair->sub);
}

static void a_child_may_open_its_own(void)
{
	struct pair pair = { pub_open("t", PUB_OPTS(SMALL, .name = "p")), sub_open("t", NULL) };
	struct test_child child = test_fork(child_opens_its_own, &pair);

	must_str(test_hear(child.line), "sent");
	must_str(take(pair.sub, 1, 8).publisher, "child");
	test_end(&child);
	cop_pub_close(&pair.pub);
	must_tell(pair.sub, -EPIPE);
	cop_sub_close(&pair.sub);
}

#define CLEAN .check = TEST_FDS | TEST_EMPTY_ROOT
static const struct test_case cases[] = {
	TEST(nothing_in_time_is_a_timeout, CLEAN),
	TEST(who_sleeps_is_woken, CLEAN),
	TEST(who_sleeps_meets_those_who_come, CLEAN),
	TEST(the_descriptor_wakes_for_each_message, CLEAN),
	TEST(the_descriptor_wakes_for_comings_and_goings, CLEAN),
	TEST(the_descriptor_works_in_epoll, CLEAN),
	TEST(a_descriptor_for_each_of_many, CLEAN),
	TEST(a_message_takes_no_system_call, CLEAN),
	TEST(a_child_cannot_use_and_not_harm_its_parents_handles, CLEAN),
	TEST(a_child_may_open_its_own, CLEAN),
	{ 0 },
};
TEST_MAIN("waiting", cases)
