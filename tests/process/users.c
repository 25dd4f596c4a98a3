/*
 * tests/process/users.c - who may take part, and what one user's leftovers are to another
 */
#include "process/stream.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOPIC "shared"

enum { ALICE = 50001, BOB = 50002, CREW = 50010, MAX = 40000 };

struct user {
	uid_t uid;
	gid_t group; /* one more; 0: none */
	void (*run)(int line);
};

static void as_user(int line, void *arg)
{
	const struct user *user = arg;

	must_int(setgroups(user->group ? 1 : 0, &user->group), ==, 0);
	must_int(setresgid(user->uid, user->uid, user->uid), ==, 0);
	must_int(setresuid(user->uid, user->uid, user->uid), ==, 0);
	/* Changing the user stops sanitizers from looking into the process, and its signal. */
	prctl(PR_SET_DUMPABLE, 1);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	user->run(line);
}

static struct test_child start(uid_t uid, gid_t group, void (*run)(int line))
{
	struct user user = { .uid = uid, .group = group, .run = run };

	return test_fork(as_user, &user);
}

static void run_as(uid_t uid, gid_t group, void (*run)(int line))
{
	struct test_child child = start(uid, group, run);

	test_end(&child);
}

static void make_topic(uint32_t mode, int64_t group)
{
	struct cop_topic_opts opts = COP_TOPIC_OPTS_INIT;

	must_int(chmod(test_root(), 01777), ==, 0);
	opts.mode = mode;
	opts.group = group;
	opts.message_max_bytes = MAX;
	opts.segments = 2;
	must_rc(cop_topic_create(TOPIC, &opts), 0);
}

/* --- who may --------------------------------------------------------------------------------- */

static void must_say_why(void)
{
	must_has(cop_error_text(), "user 0");
	must_has(cop_error_text(), "mode 07");
	must_has(cop_error_text(), "50001");
}

static void is_denied(int line)
{
	struct cop_topic_stat *stat;
	struct cop_pub *pub;
	struct cop_sub *sub;

	(void)line;
	must_rc(cop_pub_open(&pub, TOPIC, NULL), -EACCES);
	must_say_why();
	must_rc(cop_sub_open(&sub, TOPIC, NULL), -EACCES);
	must_say_why();
	must_rc(cop_topic_stat(TOPIC, &stat), -EACCES);
	must_say_why();
	must_rc(cop_topic_remove(TOPIC, 0), -EACCES);
	must_rc(cop_topic_remove(TOPIC, COP_REMOVE_FORCE), -EACCES);
	must_rc(cop_topic_forget(TOPIC, "guest"), -EACCES);
	must_int(cop_gc(NULL, 0, NULL, NULL), <=, 0);
	must_rc(cop_topic_create(TOPIC, NULL), -EEXIST);
}

static void others_are_denied_and_told_why(void)
{
	struct cop_pub *pub;
	struct cop_sub *sub;
	struct cop_msg msg;

	make_topic(0, 0);
	run_as(ALICE, 0, is_denied);
	must_rc(cop_sub_open(&sub, TOPIC, NULL), 0);
	must_rc(cop_pub_open(&pub, TOPIC, NULL), 0);
	run_as(ALICE, 0, is_denied);
	must_rc(cop_pub_send(pub, "x", 1), 0);
	must_rc(cop_sub_next(sub, &msg, 0), 1);
	cop_pub_close(&pub);
	cop_sub_close(&sub);
	must_rc(cop_topic_remove(TOPIC, 0), 0);
}

static void publishes(int line)
{
	struct cop_pub *pub;

	(void)line;
	must_rc(cop_pub_open(&pub, TOPIC, NULL), 0);
	must_int(cop_pub_wait(pub, 2, -1), >=, 2);
	for (int i = 0; i < 200; i++)
		must_rc(stream_send(pub, MAX), 0);
	cop_pub_close(&pub);
}

static void subscribes(int line)
{
	struct cop_sub_opts opts = COP_SUB_OPTS_INIT;
	struct stream_seen seen = { 0 };
	struct cop_sub *sub;
	struct cop_msg msg;
	int rc;

	(void)line;
	opts.publishers_min = 2;
	must_rc(cop_sub_open(&sub, TOPIC, &opts), 0);
	while ((rc = cop_sub_next(sub, &msg, -1)) == 1)
		stream_must_follow(&seen, &msg, MAX);
	must_rc(rc, -EPIPE);
	must_u64(seen.count, ==, 2);
	must_u64(seen.of[0].next + seen.of[1].next, ==, 402);
	cop_sub_close(&sub);
}

/* Each publishes and subscribes, and gets what the other one sends. */
static void must_meet(gid_t alices_group, gid_t bobs_group)
{
	struct test_child children[4];

	children[0] = start(ALICE, alices_group, subscribes);
	children[1] = start(BOB, bobs_group, subscribes);
	children[2] = start(ALICE, alices_group, publishes);
	children[3] = start(BOB, bobs_group, publishes);
	for (int i = 4; i-- > 0;)
		test_end(&children[i]);
}

static void all_users_meet_where_the_mode_says_so(void)
{
	make_topic(0666, 0);
	must_meet(0, 0);
	must_int(cop_gc(NULL, 0, NULL, NULL), >=, 0);
	must_rc(cop_topic_remove(TOPIC, 0), 0);
}

static void a_group_meets_where_the_mode_says_so(void)
{
	make_topic(0660, CREW + 1);
	must_meet(CREW, CREW);
	run_as(ALICE, 0, is_denied);
	must_int(cop_gc(NULL, 0, NULL, NULL), >=, 0);
	must_rc(cop_topic_remove(TOPIC, 0), 0);
}

/* --- leftovers ------------------------------------------------------------------------------- */

static void blocks(int line)
{
	struct cop_sub *sub;

	must_rc(cop_sub_open(&sub, TOPIC, NULL), 0);
	test_tell(line, "open");
	for (;;)
		pause();
}

static void is_not_blocked_by_the_dead(int line)
{
	struct cop_pub *pub;

	must_rc(cop_pub_open(&pub, TOPIC, NULL), 0);
	test_tell(line, "open");
	must_str(test_hear(line), "it died");
	for (int i = 0; i < 200; i++)
		must_rc(stream_send(pub, MAX), 0);
	cop_pub_close(&pub);
}

static void must_be_removable(void *arg, const struct cop_gc_item *item)
{
	++*(int *)arg;
	must_rc(item->error, 0);
}

/* Bob may not remove what Alice left, and root's neither; he is not kept waiting by it. */
static void the_dead_of_other_users_block_nobody(void)
{
	static const uid_t owners[] = { ALICE, BOB, 0 };
	int count = 0;

	make_topic(0666, 0);
	for (int i = 0; i < 3; i++) {
		struct test_child dies = start(owners[i], 0, blocks);
		struct test_child pub = start(BOB, 0, is_not_blocked_by_the_dead);

		must_str(test_hear(dies.line), "open");
		must_str(test_hear(pub.line), "open");
		test_kill(&dies, SIGKILL);
		test_tell(pub.line, "it died");
		test_end(&pub);
	}
	must_int(cop_gc(NULL, 0, must_be_removable, &count), ==, count);
	must_rc(cop_gc(NULL, COP_GC_DRY_RUN, NULL, NULL), 0);
	must_rc(cop_topic_remove(TOPIC, 0), 0);
}

/* --- the private root ------------------------------------------------------------------------ */

static void plant(int line)
{
	(void)line;
	must_int(mkdir("/dev/shm/copage-0", 0777), ==, 0);
	must_int(chmod("/dev/shm/copage-0", 0777), ==, 0);
	/* What all share is root's to make. */
	must_int(mkdir("/dev/shm/copage", 0777), ==, 0);
	must_int(chmod("/dev/shm/copage", 01777), ==, 0);
}

static void plant_a_link(int line)
{
	(void)line;
	must_int(mkdir("/dev/shm/trap", 0777), ==, 0);
	must_int(chmod("/dev/shm/trap", 0777), ==, 0);
	must_int(symlink("/dev/shm/trap", "/dev/shm/copage-0"), ==, 0);
}

static int no_topic(void *arg, const char *name, int error)
{
	(void)arg;
	test_fail(__FILE__, __LINE__, "there is topic %s, %d", name, error);
}

static void must_refuse_root(void)
{
	struct cop_pub *pub;
	struct cop_sub *sub;
	char path[100];

	must_rc(cop_root(path, sizeof(path)), 0);
	must_str(path, "/dev/shm/copage-0");
	must_int(cop_pub_open(&pub, TOPIC, NULL), <, 0);
	must_has(cop_error_text(), "/dev/shm/copage-0");
	must_int(cop_sub_open(&sub, TOPIC, NULL), <, 0);
	must_int(cop_topic_create(TOPIC, NULL), <, 0);
	must_int(cop_topic_list(NULL, no_topic, NULL), <, 0);
}

static void a_root_that_another_user_made_is_refused(void)
{
	struct cop_pub *pub;

	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("copage-test", "/dev/shm", "tmpfs", 0, "mode=1777"))
		SKIP("no mount namespace: %s", strerror(errno));
	unsetenv("COPAGE_ROOT");
	run_as(ALICE, 0, plant);
	must_refuse_root();
	must_rc(cop_pub_open(&pub, TOPIC, NULL), -EACCES);
	must_has(cop_error_text(), "belongs to user 50001");
	must_int(rmdir("/dev/shm/copage-0"), ==, 0);
	run_as(ALICE, 0, plant_a_link);
	must_refuse_root();
	must_int(rmdir("/dev/shm/trap"), ==, 0); /* nothing came into it */
	must_int(unlink("/dev/shm/copage-0"), ==, 0);
	must_rc(cop_pub_open(&pub, TOPIC, NULL), 0);
	cop_pub_close(&pub);
	must_int(access("/dev/shm/copage-0", F_OK), ==, -1);
}

static const struct test_case cases[] = {
	TEST(others_are_denied_and_told_why, .check = TEST_FDS | TEST_EMPTY_ROOT,
	     .needs = TEST_ROOT),
	TEST(all_users_meet_where_the_mode_says_so, .check = TEST_FDS | TEST_EMPTY_ROOT,
	     .needs = TEST_ROOT),
	TEST(a_group_meets_where_the_mode_says_so, .check = TEST_FDS | TEST_EMPTY_ROOT,
	     .needs = TEST_ROOT),
	TEST(the_dead_of_other_users_block_nobody, .check = TEST_FDS | TEST_EMPTY_ROOT,
	     .needs = TEST_ROOT),
	TEST(a_root_that_another_user_made_is_refused, .check = TEST_FDS | TEST_EMPTY_ROOT,
	     .needs = TEST_ROOT),
	{ 0 },
};
TEST_MAIN("users", cases)
