/*
 * tests/unit/member.c - a file of one's own, and the proof of death
 */
#include "support/test.h"

#include <copage/error.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "member/member.h"
#include "os/os.h"

static const struct cop__access own = { 0600, COP__ANY_GROUP };

static int root_fd(void)
{
	int fd = cop__os_open(AT_FDCWD, test_root(), O_RDONLY | O_DIRECTORY, 0);

	must_int(fd, >=, 0);
	return fd;
}

static void fill(void *arg, uint8_t *base)
{
	base[0] = *(const uint8_t *)arg;
}

static int create(struct cop__member *member, int dir, const char *name, uint8_t byte)
{
	return cop__member_create(member, dir, name, 8192, &own, fill, &byte);
}

static bool is_there(int dir, const char *name)
{
	return faccessat(dir, name, F_OK, 0) == 0;
}

static void a_member_lives_until_it_leaves(void)
{
	struct cop__member member, other;
	int dir = root_fd();

	must_rc(create(&member, dir, "m", 7), 0);
	must_int(member.map.base[0], ==, 7);
	must_u64(member.map.size, ==, 8192);
	must_rc(cop__member_lives(dir, "m", member.inode), 1);
	must_rc(create(&other, dir, "m", 8), -EEXIST);
	must_rc(cop__member_take(&other, dir, "m"), -EBUSY);
	must_rc(cop__member_sweep(dir, "m", NULL, NULL), -EAGAIN);
	must(is_there(dir, "m"));
	cop__member_leave(&member);
	must_rc(cop__member_lives(dir, "m", member.inode), 0);
	must(is_there(dir, "m"));
	must_rc(cop__member_take(&other, dir, "m"), 0);
	must_int(other.map.base[0], ==, 7);
	must_u64(other.inode, ==, member.inode);
	must_rc(cop__member_lives(dir, "m", member.inode), 1);
	cop__member_leave(&other);
	must_rc(cop__member_sweep(dir, "m", NULL, NULL), 1);
	must(!is_there(dir, "m"));
	must_rc(cop__member_sweep(dir, "m", NULL, NULL), -ENOENT);
	must_rc(cop__member_take(&other, dir, "m"), -ENOENT);
	must_rc(cop__member_lives(dir, "m", member.inode), 0);
	cop__os_close(dir);
}

static void many_members_hold_no_descriptors(void)
{
	enum { MEMBERS = 200 };
	static struct cop__member members[MEMBERS];
	int dir = root_fd();
	unsigned before = test_fd_count();
	char name[20];

	for (int i = 0; i < MEMBERS; i++) {
		snprintf(name, sizeof(name), "m%d", i);
		must_rc(create(&members[i], dir, name, 0), 0);
	}
	must_u64(test_fd_count(), ==, before);
	for (int i = 0; i < MEMBERS; i++) {
		must_rc(cop__member_lives(dir, members[i].name, members[i].inode), 1);
		cop__member_unlink(&members[i], dir);
		cop__member_leave(&members[i]);
	}
	cop__os_close(dir);
}

static void only_ones_own_name_is_removed(void)
{
	struct cop__member first, second;
	int dir = root_fd();

	must_rc(create(&first, dir, "m", 1), 0);
	must_int(unlinkat(dir, "m", 0), ==, 0);
	must_rc(create(&second, dir, "m", 2), 0);
	must_rc(cop__member_lives(dir, "m", first.inode), 0); /* that is another one */
	cop__member_unlink(&first, dir);
	must(is_there(dir, "m"));
	must_rc(cop__member_grow(&first, dir, 16384), -ESTALE);
	cop__member_leave(&first);
	must_rc(cop__member_lives(dir, "m", second.inode), 1);
	cop__member_unlink(&second, dir);
	must(!is_there(dir, "m"));
	cop__member_leave(&second);
	cop__os_close(dir);
}

static int answer(void *arg, int fd, const struct stat *st)
{
	must_int(fd, >=, 0);
	must_int(st->st_size, ==, 8192);
	return *(int *)arg;
}

static void a_sweeper_asks_whether_it_may_go(void)
{
	struct cop__member member;
	int dir = root_fd(), no = 0, yes = 1, wrong = -EPROTO;

	must_rc(create(&member, dir, "m", 1), 0);
	cop__member_leave(&member);
	must_rc(cop__member_sweep(dir, "m", answer, &no), 0);
	must_rc(cop__member_sweep(dir, "m", answer, &wrong), -EPROTO);
	must(is_there(dir, "m"));
	must_rc(cop__member_take(&member, dir, "m"), 0); /* and it was let go again */
	cop__member_leave(&member);
	must_rc(cop__member_sweep(dir, "m", answer, &yes), 1);
	cop__os_close(dir);
}

static int look_meanwhile(void *arg, int fd, const struct stat *st)
{
	struct cop__member member;
	int dir = *(int *)arg;

	(void)fd;
	/* A sweeper's lock is no sign of life, and keeps others off. */
	must_rc(cop__member_lives(dir, "m", st->st_ino), 0);
	must_rc(cop__member_take(&member, dir, "m"), -EAGAIN);
	must_rc(cop__member_sweep(dir, "m", NULL, NULL), -EAGAIN);
	return 0;
}

static void a_sweeper_is_not_taken_for_an_owner(void)
{
	struct cop__member member;
	int dir = root_fd();

	must_rc(create(&member, dir, "m", 1), 0);
	cop__member_leave(&member);
	must_rc(cop__member_sweep(dir, "m", look_meanwhile, &dir), 0);
	must_rc(cop__member_sweep(dir, "m", NULL, NULL), 1);
	cop__os_close(dir);
}

static void a_member_grows(void)
{
	struct cop__member member;
	struct stat st;
	int dir = root_fd();

	must_rc(create(&member, dir, "m", 9), 0);
	must_rc(cop__member_grow(&member, dir, 1 << 20), 0);
	must_u64(member.map.size, ==, 1 << 20);
	must_int(member.map.base[0], ==, 9);
	must_int(member.map.base[(1 << 20) - 1], ==, 0);
	member.map.base[(1 << 20) - 1] = 1;
	must_int(fstatat(dir, "m", &st, 0), ==, 0);
	must_int(st.st_size, ==, 1 << 20);
	must_u64((uint64_t)st.st_blocks * 512, >=, 1 << 20);
	must_rc(cop__member_lives(dir, "m", member.inode), 1); /* the lock came along */
	must_rc(cop__member_sweep(dir, "m", NULL, NULL), -EAGAIN);
	cop__member_unlink(&member, dir);
	cop__member_leave(&member);
	cop__os_close(dir);
}

static void a_member_that_cannot_grow_stays_as_it_is(void)
{
	struct cop__member member;
	int dir = root_fd();

	must_rc(create(&member, dir, "m", 9), 0);
	must_rc(cop__member_grow(&member, dir, 1 << 20), -ENOSPC);
	must_u64(member.map.size, ==, 8192);
	must_int(member.map.base[0], ==, 9);
	must_rc(cop__member_lives(dir, "m", member.inode), 1);
	cop__member_unlink(&member, dir);
	cop__member_leave(&member);
	cop__os_close(dir);
}

static void what_no_member_made_is_not_taken(void)
{
	struct cop__member member;
	int dir = root_fd();
	int fd = openat(dir, "short", O_CREAT | O_RDWR | O_CLOEXEC, 0600);

	must_int(write(fd, "short", 5), ==, 5);
	close(fd);
	must_rc(cop__member_take(&member, dir, "short"), -EBADMSG);
	must_has(cop_error_text(), "truncated");
	must_int(mkdirat(dir, "dir", 0700), ==, 0);
	must_rc(cop__member_take(&member, dir, "dir"), -EBADMSG);
	must_rc(cop__member_sweep(dir, "dir", NULL, NULL), -EBADMSG);
	must(is_there(dir, "dir"));
	cop__os_close(dir);
}

/* ---- death ---- */

static void live_and_fork(int line, void *arg)
{
	struct cop__member member;
	pid_t child;

	must_rc(create(&member, *(int *)arg, "m", 1), 0);
	/* Not by test_fork(): it must outlive its parent. */
	child = fork();
	if (child == 0)
		for (;;)
			pause();
	test_tell(line, "%d", (int)child);
	(void)test_hear(line);
}

static void it_dies_with_its_process_and_not_with_its_children(void)
{
	int dir = root_fd();
	struct test_child child;
	struct stat st;
	pid_t survivor;

	child = test_fork(live_and_fork, &dir);
	survivor = (pid_t)strtol(test_hear(child.line), NULL, 10);
	must_int(kill(survivor, 0), ==, 0);
	must_int(fstatat(dir, "m", &st, 0), ==, 0);
	must_rc(cop__member_lives(dir, "m", st.st_ino), 1);
	test_kill(&child, SIGSTOP); /* stopped is not dead */
	must_rc(cop__member_lives(dir, "m", st.st_ino), 1);
	must_rc(cop__member_sweep(dir, "m", NULL, NULL), -EAGAIN);
	test_kill(&child, SIGKILL);
	must_soon(cop__member_lives(dir, "m", st.st_ino) == 0, 5000);
	must_rc(cop__member_sweep(dir, "m", NULL, NULL), 1);
	must_int(kill(survivor, SIGKILL), ==, 0); /* it was there all the time */
	cop__os_close(dir);
}

static void fork_and_tell(int line, void *arg)
{
	(void)arg;
	test_tell(line, "here");
	(void)test_hear(line);
}

static void a_live_child_does_not_hold_it(void)
{
	struct cop__member member;
	int dir = root_fd();
	struct test_child child;

	must_rc(create(&member, dir, "m", 1), 0);
	child = test_fork(fork_and_tell, NULL);
	must_str(test_hear(child.line), "here");
	must_rc(cop__member_lives(dir, "m", member.inode), 1);
	cop__member_leave(&member);
	must_rc(cop__member_lives(dir, "m", member.inode), 0);
	test_end(&child);
	must_rc(cop__member_sweep(dir, "m", NULL, NULL), 1);
	cop__os_close(dir);
}

static void die_at_once(int line, void *arg)
{
	struct cop__member member;

	(void)line;
	must_rc(create(&member, *(int *)arg, "m", 1), 0);
	execl("/bin/true", "true", (char *)NULL);
	test_fail(__FILE__, __LINE__, "there is no /bin/true");
}

static void it_dies_at_exec(void)
{
	int dir = root_fd();
	struct test_child child = test_fork(die_at_once, &dir);

	test_end(&child);
	must_rc(cop__member_sweep(dir, "m", NULL, NULL), 1);
	cop__os_close(dir);
}

/* ---- races ---- */

static int race_dir;
static struct cop__member newcomer;

/* Just before the file that was opened is locked, it is removed and another one has its name. */
static int replace_before_the_lock(enum cop__os_call call)
{
	if (call != COP__OS_LOCK)
		return 0;
	cop__os_hook = NULL;
	must_int(unlinkat(race_dir, "m", 0), ==, 0);
	must_rc(create(&newcomer, race_dir, "m", 99), 0);
	return 0;
}

static void who_locked_a_file_without_a_name_has_nothing(void)
{
	struct cop__member member;

	race_dir = root_fd();
	for (int taking = 0; taking < 2; taking++) {
		must_rc(create(&member, race_dir, "m", 1), 0);
		cop__member_leave(&member);
		cop__os_hook = replace_before_the_lock;
		must_rc(taking ? cop__member_take(&member, race_dir, "m")
			       : cop__member_sweep(race_dir, "m", NULL, NULL),
			-ENOENT);
		must(!cop__os_hook);
		must_rc(cop__member_lives(race_dir, "m", newcomer.inode), 1);
		cop__member_unlink(&newcomer, race_dir);
		cop__member_leave(&newcomer);
	}
	cop__os_close(race_dir);
}

enum { RACERS = 4 };

struct race {
	int dir;
	atomic_int holders, wins;
	unsigned rounds;
};

/* Take, make, sweep and look as fast as it goes: there is one owner at a time. */
static void *compete(void *arg)
{
	struct race *race = arg;

	for (unsigned i = 0; i < race->rounds; i++) {
		struct cop__member member;
		int rc = cop__member_take(&member, race->dir, "m");

		if (rc == -ENOENT)
			rc = create(&member, race->dir, "m", 1);
		if (rc == 0) {
			must_int(atomic_fetch_add(&race->holders, 1), ==, 0);
			must_rc(cop__member_lives(race->dir, "m", member.inode), 1);
			atomic_fetch_add(&race->wins, 1);
			atomic_fetch_sub(&race->holders, 1);
			if (i % 3 == 0) /* from here on another one may make it */
				cop__member_unlink(&member, race->dir);
			cop__member_leave(&member);
		} else {
			must(rc == -EBUSY || rc == -EAGAIN || rc == -EEXIST || rc == -ENOENT);
		}
		rc = cop__member_sweep(race->dir, "m", NULL, NULL);
		must(rc == 1 || rc == -EAGAIN || rc == -ENOENT);
	}
	return NULL;
}

static void there_is_one_owner_at_a_time(void)
{
	struct race race = { .dir = root_fd(), .rounds = test_scale(1500, 15000) };
	pthread_t threads[RACERS];

	for (int i = 0; i < RACERS; i++)
		must_int(pthread_create(&threads[i], NULL, compete, &race), ==, 0);
	for (int i = 0; i < RACERS; i++)
		must_int(pthread_join(threads[i], NULL), ==, 0);
	must_int(race.wins, >, 0);
	(void)cop__member_sweep(race.dir, "m", NULL, NULL);
	must(!is_there(race.dir, "m"));
	cop__os_close(race.dir);
}

#define CLEAN .check = TEST_FDS | TEST_EMPTY_ROOT
static const struct test_case cases[] = {
	TEST(a_member_lives_until_it_leaves, CLEAN),
	TEST(many_members_hold_no_descriptors, CLEAN),
	TEST(only_ones_own_name_is_removed, CLEAN),
	TEST(a_sweeper_asks_whether_it_may_go, CLEAN),
	TEST(a_sweeper_is_not_taken_for_an_owner, CLEAN),
	TEST(a_member_grows, CLEAN),
	TEST(a_member_that_cannot_grow_stays_as_it_is, CLEAN, .tmpfs_bytes = 256 << 10),
	TEST(what_no_member_made_is_not_taken),
	TEST(it_dies_with_its_process_and_not_with_its_children, CLEAN),
	TEST(a_live_child_does_not_hold_it, CLEAN),
	TEST(it_dies_at_exec, CLEAN),
	TEST(who_locked_a_file_without_a_name_has_nothing, CLEAN),
	TEST(there_is_one_owner_at_a_time, CLEAN),
	{ 0 },
};
TEST_MAIN("member", cases)
