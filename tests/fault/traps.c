/*
 * tests/fault/traps.c - what bites who shares memory by hand, shown once, and then answered
 *
 * Each case begins with the trap in plain calls; then Copage meets the same. The numbers are those
 * of the project's list of traps.
 */
#include "fault/left.h"
#include "fault/sound.h"
#include "fault/tree.h"

#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "topic/topic_layout.h"

#define MS INT64_C(1000000)

static char topic[400];

static void name_topic(void)
{
	snprintf(topic, sizeof(topic), "%s/t", test_root());
}

static const char *in_root(const char *name)
{
	static char path[800];

	snprintf(path, sizeof(path), "%s/%s", test_root(), name);
	return path;
}

static mode_t mode_of(const char *name)
{
	struct stat st;

	must_int(stat(in_root(name), &st), ==, 0);
	return st.st_mode & 07777;
}

static off_t size_of(const char *name)
{
	struct stat st;

	must_int(stat(in_root(name), &st), ==, 0);
	return st.st_size;
}

static int open_plain(const char *name, int flags)
{
	int fd = open(in_root(name), flags | O_CLOEXEC, 0666);

	must_int(fd, >=, 0);
	return fd;
}

/* --- 1: whoever opens between shm_open and ftruncate finds nothing -------------------- */

static void join_at_once(int line, void *arg)
{
	struct cop_pub_opts opts = small_pub(NULL);
	struct cop_pub *pub;

	(void)arg;
	for (;;) {
		if (!test_hear(line))
			return;
		must_rc(cop_pub_open(&pub, topic, &opts), 0);
		must_rc(stream_send(pub), 0);
		cop_pub_close(&pub);
		test_tell(line, "done");
	}
}

static void nobody_finds_a_half_made_object(void)
{
	enum { RACERS = 4 };
	struct test_child racers[RACERS];
	int maker = open_plain("plain", O_RDWR | O_CREAT | O_EXCL);

	must_int(size_of("plain"), ==, 0); /* the trap: it has its name, and no size */
	close(maker);
	must_int(unlink(in_root("plain")), ==, 0);

	/* All make and leave the same topic at the same time. */
	name_topic();
	for (int i = 0; i < RACERS; i++)
		racers[i] = test_fork(join_at_once, NULL);
	for (unsigned round = 0; round < test_scale(100, 2000); round++) {
		for (int i = 0; i < RACERS; i++)
			test_tell(racers[i].line, "go");
		for (int i = 0; i < RACERS; i++)
			must_str(test_hear(racers[i].line), "done");
	}
	/* Backwards: each has inherited the lines to those before it. */
	for (int i = RACERS; i-- > 0;)
		test_end(&racers[i]);
}

/* --- 2, 3: whoever opens changes the size --------------------------------------------- */

static void opening_changes_no_size(void)
{
	struct cop_pub_opts opts = small_pub("p");
	struct cop_pub *pub;
	off_t size;
	int fd = open_plain("plain", O_RDWR | O_CREAT);

	must_int(ftruncate(fd, 8192), ==, 0);
	close(fd);
	close(open_plain("plain", O_RDONLY | O_TRUNC)); /* 2: it was to read only */
	must_int(size_of("plain"), ==, 0);
	fd = open_plain("plain", O_RDWR | O_CREAT);
	must_int(ftruncate(fd, 4096), ==, 0); /* 3: an opener with a size of its own */
	must_int(size_of("plain"), ==, 4096);
	close(fd);
	must_int(unlink(in_root("plain")), ==, 0);

	name_topic();
	put_left(topic, true);
	size = size_of("t/members/pub.p");
	opts.segments = 7;
	must_rc(cop_pub_open(&pub, topic, &opts), -EINVAL);
	must_has(cop_error_text(), "2 segments");
	must_int(size_of("t/members/pub.p"), ==, size);
	opts.segments = 0;
	opts.message_max_bytes = 1 << 20;
	must_rc(cop_pub_open(&pub, topic, &opts), -EINVAL);
	must_int(size_of("t/members/pub.p"), ==, size);
	opts.message_max_bytes = 0;
	must_rc(cop_pub_open(&pub, topic, &opts), 0);
	must_int(size_of("t/members/pub.p"), ==, size);
	cop_pub_close(&pub);
	must_int(size_of("t/members/pub.p"), ==, size);
}

/* --- 5: umask ------------------------------------------------------------------------- */

static void modes_are_exact_in_spite_of_umask(void)
{
	struct cop_topic_opts opts = COP_TOPIC_OPTS_INIT;
	struct cop_sub_opts sub_opts = quick_sub("s");
	struct cop_pub_opts pub_opts = small_pub("p");
	mode_t before = umask(0777);
	struct cop_pub *pub;
	struct cop_sub *sub;

	close(open_plain("plain", O_RDWR | O_CREAT));
	must_int(mode_of("plain"), ==, 0);
	must_int(unlink(in_root("plain")), ==, 0);

	name_topic();
	opts.mode = 0666;
	must_rc(cop_topic_create(topic, &opts), 0);
	must_rc(cop_pub_open(&pub, topic, &pub_opts), 0);
	must_rc(cop_sub_open(&sub, topic, &sub_opts), 0);
	umask(before);
	must_int(mode_of("t"), ==, 0755);
	must_int(mode_of("t/topic"), ==, 0444);
	must_int(mode_of("t/bell"), ==, 0666);
	must_int(mode_of("t/members"), ==, 01777);
	must_int(mode_of("t/members/pub.p"), ==, 0644);
	must_int(mode_of("t/members/sub.s"), ==, 0644);
	cop_pub_close(&pub);
	cop_sub_close(&sub);
}

/* --- 6: fs.protected_regular ---------------------------------------------------------- */

static void make_as_somebody(int line, void *arg)
{
	struct cop_topic_opts opts = COP_TOPIC_OPTS_INIT;
	int fd;

	(void)arg;
	must_int(setresuid(65534, 65534, 65534), ==, 0);
	fd = open_plain("plain", O_RDWR | O_CREAT);
	must_int(fchmod(fd, 0666), ==, 0);
	close(fd);
	opts.mode = 0666;
	must_rc(cop_topic_create(topic, &opts), 0);
	test_tell(line, "made");
	_exit(0);
}

static void files_of_others_open_in_a_sticky_directory(void)
{
	struct test_child child;
	struct sound sound;
	FILE *file = fopen("/proc/sys/fs/protected_regular", "re");
	bool on;
	int fd;

	must(file);
	on = fgetc(file) > '0';
	fclose(file);
	name_topic();
	must_int(chmod(test_root(), 01777), ==, 0);
	child = test_fork(make_as_somebody, NULL);
	must_str(test_hear(child.line), "made");
	test_end(&child);
	/* Root may not, whatever the mode: because of O_CREAT, in a sticky directory. */
	fd = open(in_root("plain"), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (on)
		must(fd < 0 && errno == EACCES);
	if (fd >= 0)
		close(fd);
	must_int(unlink(in_root("plain")), ==, 0);
	sound_open(&sound, topic);
	sound_go_on(&sound);
	sound_close(&sound);
}

/* --- 8, 10: a name that was removed and made again leads to another object ------------ */

static void a_split_world_is_told(void)
{
	struct cop_pub_opts opts = small_pub("p");
	struct cop_pub *old, *young;
	struct sound sound;
	int a = open_plain("plain", O_RDWR | O_CREAT), b, rc = 0;
	struct stat st_a, st_b;

	must_int(unlink(in_root("plain")), ==, 0);
	b = open_plain("plain", O_RDWR | O_CREAT);
	must_int(fstat(a, &st_a), ==, 0);
	must_int(fstat(b, &st_b), ==, 0);
	must_u64(st_a.st_ino, !=, st_b.st_ino); /* two who believe that they share */
	close(a);
	close(b);
	must_int(unlink(in_root("plain")), ==, 0);

	name_topic();
	must_rc(cop_pub_open(&old, topic, &opts), 0);
	must_rc(cop_topic_remove(topic, COP_REMOVE_FORCE), 0);
	sound_open(&sound, topic);
	must_rc(cop_pub_open(&young, topic, &opts), 0);
	for (int i = 0; i < 1000 && rc == 0; i++)
		rc = stream_send(old);
	must_rc(rc, -ESTALE);
	must_explain(rc);
	/* The one who is out does not take the other's file along. */
	cop_pub_close(&old);
	must_int(access(in_root("t/members/pub.p"), F_OK), ==, 0);
	sound_go_on(&sound);
	cop_pub_close(&young);
	sound_close(&sound);
}

/* A name that leads to somebody else's file meanwhile is not removed with one's own. */
static void nobody_takes_anothers_file_along(void)
{
	struct cop_sub_opts opts = quick_sub(NULL);
	struct cop_sub *sub;
	char file[800];

	name_topic();
	must_rc(cop_topic_create(topic, NULL), 0);
	must_rc(cop_sub_open(&sub, topic, &opts), 0);
	snprintf(file, sizeof(file), "%s/members/sub.%s", topic, cop_sub_name(sub));
	must_int(unlink(file), ==, 0);
	tree_write(file, "another's", 9, 0600);
	cop_sub_close(&sub);
	must_int(access(file, F_OK), ==, 0);
}

/* --- 11: process ids ------------------------------------------------------------------ */

static enum cop_member_state state_of_p(void)
{
	enum cop_member_state state = 0;
	struct cop_topic_stat *stat;

	must_rc(cop_topic_stat(topic, &stat), 0);
	for (size_t i = 0; i < stat->pub_count; i++)
		if (strcmp(stat->pubs[i].name, "p") == 0)
			state = stat->pubs[i].state;
	cop_topic_stat_free(stat);
	return state;
}

/* In another PID namespace the number is another one, or somebody else's. */
static void process_ids_decide_nothing(void)
{
	const uint64_t at = COP__LANE_HOT_OFFSET + offsetof(struct cop__lane_hot, pid);
	const int32_t nobody = INT32_MAX, me = getpid();
	struct cop_pub_opts opts = small_pub("p");
	struct cop_pub *pub, *again;

	must(kill(nobody, 0) < 0 && errno == ESRCH);
	must_int(kill(me, 0), ==, 0);

	name_topic();
	put_left(topic, true);
	tree_patch(in_root("t/members/pub.p"), at, &me, sizeof(me));
	must_int(state_of_p(), ==, COP_MEMBER_DEAD);
	must_rc(cop_pub_open(&pub, topic, &opts), 0);
	tree_patch(in_root("t/members/pub.p"), at, &nobody, sizeof(nobody));
	must_int(state_of_p(), ==, COP_MEMBER_LIVE);
	must_rc(cop_pub_open(&again, topic, &opts), -EBUSY);
	must_int(cop_gc(topic, 0, NULL, NULL), ==, 0);
	cop_pub_close(&pub);
}

/* --- 12: no space arrives as SIGBUS --------------------------------------------------- */

static void write_without_space(int line, void *arg)
{
	int fd = open_plain("plain", O_RDWR | O_CREAT);
	void *base;

	(void)line;
	(void)arg;
	signal(SIGBUS, SIG_DFL);
	must_int(ftruncate(fd, 1 << 20), ==, 0);
	base = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	must(base != MAP_FAILED); /* so far all is well */
	memset(base, 1, 1 << 20);
}

static void no_space_is_an_error_at_once(void)
{
	struct test_child child = test_fork(write_without_space, NULL);
	struct cop_pub_opts opts = small_pub(NULL);
	struct cop_pub *pub;

	must_int(test_wait(&child), ==, -SIGBUS);
	must_int(unlink(in_root("plain")), ==, 0);
	name_topic();
	must_rc(cop_pub_open(&pub, topic, &opts), -ENOSPC);
	must_explain(-ENOSPC);
}

/* --- 14: a limit on file sizes is a signal -------------------------------------------- */

static void truncate_beyond_the_limit(int line, void *arg)
{
	int fd = open_plain("plain", O_RDWR | O_CREAT);

	(void)line;
	(void)arg;
	signal(SIGXFSZ, SIG_DFL);
	must_int(setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 4096, 4096 }), ==, 0);
	must_int(ftruncate(fd, 8192), ==, 0);
}

static void open_beyond_the_limit(int line, void *arg)
{
	struct cop_pub_opts opts = small_pub(NULL);
	struct cop_pub *pub;

	(void)line;
	(void)arg;
	signal(SIGXFSZ, SIG_DFL);
	must_int(setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 4096, 4096 }), ==, 0);
	must_rc(cop_pub_open(&pub, topic, &opts), -EFBIG);
	must_explain(-EFBIG);
}

static void a_limit_on_file_sizes_is_an_error(void)
{
	struct test_child child = test_fork(truncate_beyond_the_limit, NULL);

	must_int(test_wait(&child), ==, -SIGXFSZ);
	must_int(unlink(in_root("plain")), ==, 0);
	name_topic();
	child = test_fork(open_beyond_the_limit, NULL);
	test_end(&child);
	must_int(cop_gc(NULL, 0, NULL, NULL), >=, 0);
}

/* --- 31: locks that a close drops, and locks that a fork keeps ------------------------ */

static int try_posix_lock(int line, const char *name)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open_plain(name, O_RDWR);
	int rc = fcntl(fd, F_SETLK, &lock);

	(void)line;
	close(fd);
	return rc;
}

static void lock_from_outside(int line, void *arg)
{
	test_tell(line, "%s", try_posix_lock(line, arg) == 0 ? "free" : "held");
}

static void must_be_locked(const char *name, const char *how)
{
	char copy[100];
	struct test_child child;

	snprintf(copy, sizeof(copy), "%s", name);
	child = test_fork(lock_from_outside, copy);
	must_str(test_hear(child.line), how);
	test_end(&child);
}

static void a_close_elsewhere_frees_no_lock(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct cop_pub_opts opts = small_pub("p");
	struct cop_pub *pub;
	int fd = open_plain("plain", O_RDWR | O_CREAT);

	must_int(fcntl(fd, F_SETLK, &lock), ==, 0);
	must_be_locked("plain", "held");
	close(open_plain("plain", O_RDONLY)); /* some library looks into the file */
	must_be_locked("plain", "free");
	close(fd);
	must_int(unlink(in_root("plain")), ==, 0);

	name_topic();
	must_rc(cop_pub_open(&pub, topic, &opts), 0);
	close(open_plain("t/members/pub.p", O_RDONLY));
	close(open_plain("t/members/pub.p", O_RDWR));
	must_int(state_of_p(), ==, COP_MEMBER_LIVE);
	cop_pub_close(&pub);
}

/* Locks, forks a child that lives on, and is killed. */
static void lock_fork_and_die(int line, void *arg)
{
	struct cop_pub_opts opts = small_pub("p");
	struct cop_pub *pub;
	int fd = open_plain("plain", O_RDWR | O_CREAT);

	must_int(flock(fd, LOCK_EX), ==, 0);
	must_rc(cop_pub_open(&pub, topic, &opts), 0);
	must_rc(stream_send(pub), 0);
	/* By hand: what test_fork() makes dies with its parent. */
	if (fork() == 0) {
		const int *ends = arg;
		char byte;

		close(ends[1]);
		(void)!read(ends[0], &byte, 1); /* until the end of the test */
		_exit(0);
	}
	test_tell(line, "forked");
	(void)test_hear(line);
}

static void a_forked_child_keeps_no_lock(void)
{
	struct sound sound;
	struct test_child parent;
	struct cop_msg msg;
	int ends[2], fd, rc;

	name_topic();
	sound_open(&sound, topic);
	must_int(pipe2(ends, O_CLOEXEC), ==, 0);
	parent = test_fork(lock_fork_and_die, ends);
	must_str(test_hear(parent.line), "forked");
	test_kill(&parent, SIGKILL);
	/* The grandchild lives, and with it the plain lock of the dead. */
	fd = open_plain("plain", O_RDWR);
	must(flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK);
	close(fd);
	must_int(unlink(in_root("plain")), ==, 0);

	rc = cop_sub_next(sound.sub, &msg, 1000 * MS);
	must_rc(rc, 1);
	stream_must_be(&msg, 1);
	rc = cop_sub_next(sound.sub, &msg, 1000 * MS);
	must_rc(rc, -EOWNERDEAD);
	must_int(state_of_p(), ==, COP_MEMBER_DEAD);
	close(ends[0]);
	close(ends[1]);
	sound_close(&sound);
	must_int(cop_gc(NULL, 0, NULL, NULL), >=, 0);
}

static const struct test_case cases[] = {
	TEST(nobody_finds_a_half_made_object, .check = TEST_FDS | TEST_EMPTY_ROOT, .timeout_s = 60),
	TEST(opening_changes_no_size, .check = TEST_FDS),
	TEST(modes_are_exact_in_spite_of_umask, .check = TEST_FDS),
	TEST(files_of_others_open_in_a_sticky_directory, .check = TEST_FDS, .needs = TEST_ROOT),
	TEST(a_split_world_is_told, .check = TEST_FDS | TEST_EMPTY_ROOT),
	TEST(nobody_takes_anothers_file_along, .check = TEST_FDS),
	TEST(process_ids_decide_nothing, .check = TEST_FDS),
	TEST(no_space_is_an_error_at_once, .check = TEST_FDS | TEST_EMPTY_ROOT,
	     .tmpfs_bytes = 64 << 10),
	TEST(a_limit_on_file_sizes_is_an_error, .check = TEST_FDS | TEST_EMPTY_ROOT),
	TEST(a_close_elsewhere_frees_no_lock, .check = TEST_FDS | TEST_EMPTY_ROOT),
	TEST(a_forked_child_keeps_no_lock, .check = TEST_FDS | TEST_EMPTY_ROOT),
	{ 0 },
};
TEST_MAIN("traps", cases)
