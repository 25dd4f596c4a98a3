/*
 * tests/process/namespaces.c - processes in PID namespaces of their own that share a directory
 *
 * As two containers would: each process is number 1 where it lives, and neither can see or name the
 * other. With the second kind of namespaces they do not share users and mounts either.
 */
#include "process/stream.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define TOPIC "containers"
#define NAME "contained"

enum { MAX = 40000 };

/* --- containers ------------------------------------------------------------------------------ */

struct container {
	struct test_child keeper; /* outside; its line leads to the one inside */
	pid_t pid; /* of the one inside, as seen from outside */
};

struct inside {
	void (*run)(int line);
	int flags;
};

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	must_int(write(fd, text, strlen(text)), ==, (ssize_t)strlen(text));
	close(fd);
}

/* LeakSanitizer cannot look around here: it needs a thread, and a /proc that fits. */
_Noreturn static void leave(void)
{
	fflush(NULL);
	_exit(0);
}

static void live_inside(int line, const struct inside *inside)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	must_int(getpid(), ==, 1);
	if (inside->flags & CLONE_NEWNS) {
		must_int(mount("none", "/", NULL, MS_REC | MS_SLAVE, NULL), ==, 0);
		must_int(mount("proc", "/proc", "proc", 0, NULL), ==, 0);
	}
	must_str(test_hear(line), "begin");
	inside->run(line);
	leave();
}

static void keep(int line, void *arg)
{
	const struct inside *inside = arg;
	int status;
	pid_t pid;

	if (unshare(inside->flags)) {
		test_tell(line, "0 %s", strerror(errno));
		return;
	}
	if (inside->flags & CLONE_NEWUSER) {
		put("/proc/self/setgroups", "deny");
		put("/proc/self/uid_map", "0 0 1");
		put("/proc/self/gid_map", "0 0 1");
	}
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		live_inside(line, inside);
	test_tell(line, "%d", pid);
	must_int(waitpid(pid, &status, 0), ==, pid);
	must(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0);
	leave();
}

static struct container start(int flags, void (*run)(int line))
{
	struct inside inside = { .run = run, .flags = flags };
	struct container c = { .keeper = test_fork(keep, &inside) };
	const char *said = test_hear(c.keeper.line);

	must(said);
	c.pid = (pid_t)strtol(said, NULL, 10);
	if (c.pid == 0)
		SKIP("no namespaces: %s", said + 2);
	test_tell(c.keeper.line, "begin");
	return c;
}

static void kill_inside(struct container *c)
{
	must_int(kill(c->pid, SIGKILL), ==, 0);
	test_end(&c->keeper);
}

/* --- a publisher that dies and comes back ---------------------------------------------------- */

static struct cop_pub *open_contained(void)
{
	struct cop_pub_opts opts = COP_PUB_OPTS_INIT;
	struct cop_pub *pub;

	opts.name = NAME;
	opts.message_max_bytes = MAX;
	opts.segments = 2;
	must_rc(cop_pub_open(&pub, TOPIC, &opts), 0);
	return pub;
}

static void streams(int line)
{
	struct cop_pub *pub = open_contained();

	test_tell(line, "open");
	for (;;)
		must_rc(stream_send(pub, MAX), 0);
}

static void sends_some(int line)
{
	struct cop_pub *pub = open_contained();

	(void)line;
	for (int i = 0; i < 100; i++)
		must_rc(stream_send(pub, MAX), 0);
	test_tell(line, "%llu", (unsigned long long)cop_pub_sequence(pub));
	must_rc(cop_pub_drain(pub, -1), 0);
	cop_pub_close(&pub);
}

static void reads(int line)
{
	struct stream_seen seen = { 0 };
	struct cop_sub *sub;
	struct cop_msg msg;
	int rc, deaths = 0;

	must_rc(cop_sub_open(&sub, TOPIC, NULL), 0);
	test_tell(line, "open");
	while ((rc = cop_sub_next(sub, &msg, -1)) != -EPIPE) {
		if (rc == -EOWNERDEAD) {
			deaths++;
			continue;
		}
		must_rc(rc, 1);
		stream_must_follow(&seen, &msg, MAX);
	}
	must_int(deaths, >, 0);
	test_tell(line, "%llu", (unsigned long long)*stream_next(&seen, NAME, 1) - 1);
	cop_sub_close(&sub);
}

static void publishers_die_inside(int flags)
{
	unsigned kills = test_scale(20, 100);
	struct container reader[2], pub;
	char all[32];

	for (int i = 0; i < 2; i++) {
		reader[i] = start(i ? flags : CLONE_NEWPID, reads);
		must_str(test_hear(reader[i].keeper.line), "open");
	}
	for (unsigned i = 0; i < kills; i++) {
		pub = start(flags, streams);
		must_str(test_hear(pub.keeper.line), "open");
		/* Now and then so that the death is met before the next publisher is there. */
		test_sleep_ns((int64_t)(test_random() % 3000000));
		kill_inside(&pub);
		if (i % 8 == 0)
			test_sleep_ns((int64_t)(test_random() % 60000000));
	}
	/* The last death is noticed for sure. */
	test_sleep_ns(60000000);
	pub = start(flags, sends_some);
	snprintf(all, sizeof(all), "%s", test_hear(pub.keeper.line));
	test_end(&pub.keeper);
	for (int i = 0; i < 2; i++) {
		must_str(test_hear(reader[i].keeper.line), all);
		test_end(&reader[i].keeper);
	}
}

/* --- a subscriber that blocks, is stopped, dies ---------------------------------------------- */

static void blocks(int line)
{
	struct cop_sub *sub;
	struct cop_msg msg;

	must_rc(cop_sub_open(&sub, TOPIC, NULL), 0);
	must_rc(cop_sub_next(sub, &msg, -1), 1);
	test_tell(line, "blocks");
	for (;;)
		pause();
}

static void subscriber_dies_inside(int flags)
{
	struct cop_pub_opts opts = COP_PUB_OPTS_INIT;
	unsigned rounds = test_scale(5, 50);
	int64_t *ns = calloc(rounds, sizeof(*ns)), until;
	struct cop_pub *pub;
	int rc;

	must(ns);
	opts.message_max_bytes = MAX;
	opts.when_full = COP_FULL_EAGAIN;
	must_rc(cop_pub_open(&pub, TOPIC, &opts), 0);
	for (unsigned i = 0; i < rounds; i++) {
		struct container sub;

		must_rc(stream_send(pub, MAX), 0);
		sub = start(flags, blocks);
		must_str(test_hear(sub.keeper.line), "blocks");
		while ((rc = stream_send(pub, MAX)) == 0)
			;
		must_rc(rc, -EAGAIN);
		must_int(kill(sub.pid, SIGSTOP), ==, 0);
		for (until = test_now_ns() + 20000000; test_now_ns() < until;)
			must_rc(stream_send(pub, MAX), -EAGAIN);
		ns[i] = -test_now_ns();
		must_int(kill(sub.pid, SIGKILL), ==, 0);
		while ((rc = stream_send(pub, MAX)) == -EAGAIN)
			;
		ns[i] += test_now_ns();
		must_rc(rc, 0);
		test_end(&sub.keeper);
	}
	must_int(stream_median("from a death inside to room outside", ns, rounds), <, 20000000);
	cop_pub_close(&pub);
	free(ns);
}

static void other_pid_namespaces(void)
{
	publishers_die_inside(CLONE_NEWPID);
	subscriber_dies_inside(CLONE_NEWPID);
}

static void other_pid_user_and_mount_namespaces(void)
{
	const int flags = CLONE_NEWPID | CLONE_NEWUSER | CLONE_NEWNS;

	publishers_die_inside(flags);
	subscriber_dies_inside(flags);
}

static const struct test_case cases[] = {
	TEST(other_pid_namespaces, .check = TEST_FDS | TEST_EMPTY_ROOT, .needs = TEST_ROOT),
	TEST(other_pid_user_and_mount_namespaces, .check = TEST_FDS | TEST_EMPTY_ROOT,
	     .needs = TEST_ROOT),
	{ 0 },
};
TEST_MAIN("namespaces", cases)
