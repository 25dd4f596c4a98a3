/*
 * tests/fault/space.c - no space, no inodes, no descriptors, no memory, limits
 *
 * Space is reserved before it is promised: what does not fit is an error when it is opened, with
 * nothing left behind, and never a signal later. Those who are there already go on.
 */
#include "fault/sound.h"
#include "fault/tree.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

enum { LANE = 2 * STREAM_SEGMENT + 2 * 4096, PAGE = 4096 };

static char topic[400];

static void name_topic(void)
{
	snprintf(topic, sizeof(topic), "%s/t", test_root());
}

static uint64_t free_bytes(void)
{
	struct statvfs fs;

	must_int(statvfs(test_root(), &fs), ==, 0);
	return (uint64_t)fs.f_bavail * fs.f_frsize;
}

static unsigned members(void)
{
	char path[500], name[256];

	snprintf(path, sizeof(path), "%s/members", topic);
	return tree_count(path, name);
}

/* Take all but so many bytes. */
static void fill_up(const char *name, uint64_t left)
{
	char path[400];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", test_root(), name);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	must_int(fd, >=, 0);
	if (free_bytes() > left)
		must_int(fallocate(fd, 0, 0, (off_t)(free_bytes() - left)), ==, 0);
	close(fd);
}

static void make_room(const char *name)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/%s", test_root(), name);
	must_int(unlink(path), ==, 0);
}

/* --- a small file system -------------------------------------------------------------- */

static void a_lane_that_does_not_fit_is_refused(void)
{
	struct cop_pub_opts opts = small_pub(NULL);
	struct cop_pub *pub = NULL;
	struct sound sound;
	uint64_t before;
	char need[40], free_kib[40];

	name_topic();
	sound_open(&sound, topic);
	fill_up("ballast", LANE - PAGE);
	before = free_bytes();
	snprintf(need, sizeof(need), "needs %d KiB", LANE >> 10);
	snprintf(free_kib, sizeof(free_kib), "only %llu of", (unsigned long long)before >> 10);
	for (int i = 0; i < 3; i++) {
		must_rc(cop_pub_open(&pub, topic, &opts), -ENOSPC);
		must(pub == NULL);
		must_explain(-ENOSPC);
		must_has(cop_error_text(), need);
		must_has(cop_error_text(), free_kib);
		must_u64(free_bytes(), ==, before);
		must_u64(members(), ==, 2);
	}
	sound_go_on(&sound);
	make_room("ballast");
	must_rc(cop_pub_open(&pub, topic, &opts), 0);
	cop_pub_close(&pub);
	sound_go_on(&sound);
	must_u64(sound.errors, ==, 0);
	sound_close(&sound);
}

/* At every amount of space that is left: what does not fit leaves nothing; what fits works. */
static void every_amount_of_space_is_enough_or_refused(void)
{
	struct cop_pub_opts opts = small_pub("p");

	name_topic();
	for (uint64_t left = 0; left <= LANE + 8 * PAGE; left += PAGE) {
		struct cop_pub *pub = NULL;
		uint64_t before;
		int rc;

		test_note("%llu bytes are left", (unsigned long long)left);
		fill_up("ballast", left);
		before = free_bytes();
		rc = cop_pub_open(&pub, topic, &opts);
		if (rc == 0) {
			stream_send_many(pub, 200);
			cop_pub_close(&pub);
		} else {
			must_rc(rc, -ENOSPC);
			must_explain(rc);
			must(pub == NULL);
			must_int(left, <, LANE + 8 * PAGE);
		}
		must_int(cop_gc(NULL, 0, NULL, NULL), >=, 0);
		must_int(access(topic, F_OK), ==, -1);
		must_u64(free_bytes(), ==, before);
		make_room("ballast");
	}
}

/* A subscriber needs two pages, and one more when it reads more lanes than fit a page. */
static void a_subscriber_whose_cursors_do_not_fit_says_so(void)
{
	enum { LANES = 70 };
	struct cop_sub_opts sub_opts = quick_sub(NULL);
	struct cop_pub *pubs[LANES];
	struct cop_sub *sub = NULL;
	struct sound sound;
	struct cop_msg msg;
	unsigned received = 0;
	int rc;

	name_topic();
	sound_open(&sound, topic);
	fill_up("ballast", PAGE);
	must_rc(cop_sub_open(&sub, topic, &sub_opts), -ENOSPC);
	must_explain(-ENOSPC);
	must(sub == NULL);
	must_u64(members(), ==, 2);
	make_room("ballast");

	must_rc(cop_sub_open(&sub, topic, &sub_opts), 0);
	for (int i = 0; i < LANES; i++) {
		struct cop_pub_opts opts = small_pub(NULL);

		must_rc(cop_pub_open(&pubs[i], topic, &opts), 0);
		must_rc(cop_pub_send(pubs[i], "x", 1), 0);
	}
	fill_up("ballast", 0);
	/* 64 cursors fit; the other lanes wait for room, and their messages are not lost. */
	while ((rc = cop_sub_next(sub, &msg, 0)) > 0)
		received++;
	must_rc(rc, -ENOSPC);
	must_explain(rc);
	must_u64(received, <, LANES);
	make_room("ballast");
	for (int quiet = 0; quiet < 10; quiet += rc <= 0) {
		rc = cop_sub_next(sub, &msg, 0);
		must(rc > 0 || rc == -EAGAIN);
		received += rc > 0;
	}
	must_u64(received, ==, LANES);
	for (int i = 0; i < LANES; i++)
		cop_pub_close(&pubs[i]);
	cop_sub_close(&sub);
	sound_close(&sound);
}

/* A publisher goes and another one comes where there is room for one lane only: those who read the
 * first one have let go of its memory. */
static void the_room_of_a_lane_that_ended_is_free_again(void)
{
	struct cop_sub_opts sub_opts = quick_sub(NULL);
	struct cop_pub_opts opts = small_pub(NULL);
	struct cop_sub *subs[3];
	struct cop_msg msg;

	name_topic();
	for (int i = 0; i < 3; i++)
		must_rc(cop_sub_open(&subs[i], topic, &sub_opts), 0);
	fill_up("ballast", LANE + PAGE);
	for (int round = 0; round < 20; round++) {
		struct cop_pub *pub;

		must_rc(cop_pub_open(&pub, topic, &opts), 0);
		stream_send_many(pub, 1);
		cop_pub_close(&pub);
		for (int i = 0; i < 3; i++) {
			must_rc(cop_sub_next(subs[i], &msg, 0), 1);
			must_rc(cop_sub_next(subs[i], &msg, 0), -EPIPE);
		}
		/* Whoever sleeps is woken by the change; here they look by themselves. */
		for (int i = 0; i < 3; i++)
			must_rc(cop_sub_next(subs[i], &msg, 0), -EAGAIN);
		must_u64(free_bytes(), >=, LANE);
	}
	for (int i = 0; i < 3; i++)
		cop_sub_close(&subs[i]);
	make_room("ballast");
}

static void a_full_directory_is_an_error(void)
{
	struct cop_pub_opts opts = small_pub(NULL);
	struct cop_pub *pubs[64];
	struct sound sound;
	unsigned count = 0;
	int rc;

	name_topic();
	sound_open(&sound, topic);
	while ((rc = cop_pub_open(&pubs[count], topic, &opts)) == 0)
		must_u64(++count, <, 64);
	must_rc(rc, -ENOSPC);
	must_explain(rc);
	must_has(cop_error_text(), "no more files");
	must_u64(count, >, 0);
	must_int(cop_topic_create("another", NULL), ==, -ENOSPC);
	must_explain(-ENOSPC);
	sound_go_on(&sound);
	while (count > 0)
		cop_pub_close(&pubs[--count]);
	sound_go_on(&sound); /* it sees their end; then they go */
	must_rc(cop_pub_open(&pubs[0], topic, &opts), 0);
	cop_pub_close(&pubs[0]);
	sound_close(&sound);
}

/* --- a file system that is not for it ------------------------------------------------- */

static void open_must_be(const char *name, int want, const char *says)
{
	struct cop_pub_opts pub_opts = small_pub(NULL);
	struct cop_sub_opts sub_opts = quick_sub(NULL);
	struct cop_pub *pub = NULL;
	struct cop_sub *sub = NULL;

	must_rc(cop_pub_open(&pub, name, &pub_opts), want);
	must_explain(want);
	must_has(cop_error_text(), says);
	must_rc(cop_sub_open(&sub, name, &sub_opts), want);
	must_explain(want);
	must_rc(cop_topic_create(name, NULL), want);
	must_explain(want);
	must_has(cop_error_text(), says);
	must(pub == NULL && sub == NULL);
}

static void a_read_only_file_system_is_an_error(void)
{
	struct cop_pub_opts pub_opts = small_pub(NULL);
	struct cop_sub_opts sub_opts = quick_sub(NULL);
	struct cop_topic_stat *stat;
	struct cop_pub *pub = NULL;
	struct cop_sub *sub = NULL;

	name_topic();
	must_rc(cop_topic_create(topic, NULL), 0);
	must_int(mount(NULL, test_root(), NULL, MS_REMOUNT | MS_RDONLY, NULL), ==, 0);
	open_must_be("another", -EROFS, "another");
	/* What is there can be looked at, and no more. */
	must_rc(cop_pub_open(&pub, topic, &pub_opts), -EROFS);
	must_explain(-EROFS);
	must_rc(cop_sub_open(&sub, topic, &sub_opts), -EROFS);
	must_explain(-EROFS);
	must_rc(cop_topic_stat(topic, &stat), 0);
	cop_topic_stat_free(stat);
	must_int(cop_gc(NULL, 0, NULL, NULL), ==, 0);
	must_rc(cop_topic_remove(topic, 0), -EROFS);
	must_explain(-EROFS);
	must_int(mount(NULL, test_root(), NULL, MS_REMOUNT, NULL), ==, 0);
	must_rc(cop_topic_remove(topic, 0), 0);
}

/* On a file system of another device than the one it is mounted in. */
static bool is_kernels_own(const char *path)
{
	struct stat at, root;

	return stat(path, &at) == 0 && stat("/", &root) == 0 && at.st_dev != root.st_dev;
}

static void a_file_system_without_unnamed_files_is_refused(void)
{
	/* Directories that may be written and cannot hold a file without a name, or any file. */
	static const char *const roots[] = { "/proc/self", "/sys", "/proc/self/fd", "/dev/pts" };
	unsigned tried = 0;

	for (size_t i = 0; i < sizeof(roots) / sizeof(*roots); i++) {
		char name[100];
		int rc;

		/* In a bare root some of them are plain directories, or missing. */
		if (!is_kernels_own(roots[i]))
			continue;
		snprintf(name, sizeof(name), "%s/t", roots[i]);
		test_note("%s", name);
		rc = cop_topic_create(name, NULL);
		must_explain(rc);
		tried++;
	}
	must_u64(tried, >=, 2);
}

static void a_missing_root_is_an_error(void)
{
	char missing[400];

	snprintf(missing, sizeof(missing), "%s/missing/t", test_root());
	open_must_be(missing, -ENOENT, "missing");
	must_int(cop_topic_list("/nowhere/at/all", NULL, NULL), ==, -ENOENT);
	must_explain(-ENOENT);
	must_int(cop_gc("/nowhere/at/all/", 0, NULL, NULL), ==, -ENOENT);
	must_explain(-ENOENT);
	setenv("COPAGE_ROOT", "/nowhere/at/all", 1);
	open_must_be("t", -ENOENT, "COPAGE_ROOT");
}

static void a_root_that_is_no_directory_is_an_error(void)
{
	char file[400], name[410];

	snprintf(file, sizeof(file), "%s/file", test_root());
	tree_write(file, "x", 1, 0600);
	snprintf(name, sizeof(name), "%s/t", file);
	open_must_be(name, -ENOTDIR, file);
	must_int(cop_topic_list(file, NULL, NULL), ==, -ENOTDIR);
	must_explain(-ENOTDIR);
	must_int(unlink(file), ==, 0);
}

/* --- limits of the process ------------------------------------------------------------ */

static struct rlimit limit(int what, rlim_t value)
{
	struct rlimit before, lower;

	must_int(getrlimit((__rlimit_resource_t)what, &before), ==, 0);
	lower = before;
	lower.rlim_cur = value;
	must_int(setrlimit((__rlimit_resource_t)what, &lower), ==, 0);
	return before;
}

static void unlimit(int what, struct rlimit before)
{
	must_int(setrlimit((__rlimit_resource_t)what, &before), ==, 0);
}

/* No SIGXFSZ: not at open, and not when somebody is woken through a file. */
static void a_limit_on_file_sizes_is_an_error(void)
{
	static const rlim_t sizes[] = { 0, 1, 255, 256, 4096, 8191, LANE - 1 };
	struct cop_pub_opts opts = small_pub(NULL);

	name_topic();
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct cop_pub *pub = NULL;
		struct sound sound;
		struct rlimit before;

		test_note("%llu bytes", (unsigned long long)sizes[i]);
		sound_open(&sound, topic);
		must_int(cop_sub_fd(sound.sub), >=, 0);
		sound_receive(&sound);
		before = limit(RLIMIT_FSIZE, sizes[i]);
		must_rc(cop_pub_open(&pub, topic, &opts), -EFBIG);
		must_explain(-EFBIG);
		must_has(cop_error_text(), "ulimit -f");
		/* Who is there already sends, and wakes the one who polls. */
		stream_send_many(sound.pub, 3);
		must_int(poll(&(struct pollfd){ cop_sub_fd(sound.sub), POLLIN, 0 }, 1, 1000), ==,
			 1);
		sound_receive(&sound);
		must_rc(cop_topic_forget(topic, "nobody"), -ENOENT);
		unlimit(RLIMIT_FSIZE, before);
		sound_go_on(&sound);
		must_u64(members(), ==, 2);
		sound_close(&sound);
	}
}

static void a_limit_on_descriptors_is_an_error(void)
{
	struct cop_pub_opts pub_opts = small_pub(NULL);
	struct cop_sub_opts sub_opts = quick_sub(NULL);
	unsigned enough = 0;

	name_topic();
	for (unsigned more = 0; !enough && more < 40; more++) {
		struct rlimit before;
		struct cop_topic_stat *stat;
		struct cop_pub *pub = NULL;
		struct cop_sub *sub = NULL;
		struct sound sound;
		int next;

		test_note("%u descriptors are left", more);
		sound_open(&sound, topic);
		/* Fill the gaps, so that the limit counts what is left. */
		next = open("/dev/null", O_RDONLY | O_CLOEXEC);
		before = limit(RLIMIT_NOFILE, (rlim_t)next + more);
		close(next);
		int pub_rc = cop_pub_open(&pub, topic, &pub_opts);

		if (pub_rc < 0)
			must_explain(pub_rc);
		must(pub_rc == 0 || pub_rc == -EMFILE);
		int sub_rc = cop_sub_open(&sub, topic, &sub_opts);

		if (sub_rc < 0)
			must_explain(sub_rc);
		must(sub_rc == 0 || sub_rc == -EMFILE);
		int stat_rc = cop_topic_stat(topic, &stat);

		must(stat_rc == 0 || stat_rc == -EMFILE);
		if (stat_rc == 0)
			cop_topic_stat_free(stat);
		enough = pub_rc == 0 && sub_rc == 0 && stat_rc == 0;
		cop_pub_close(&pub);
		cop_sub_close(&sub);
		unlimit(RLIMIT_NOFILE, before);
		sound_go_on(&sound);
		must_u64(sound.errors, ==, 0);
		sound_close(&sound);
		must_int(cop_gc(NULL, 0, NULL, NULL), >=, 0);
		must_int(access(topic, F_OK), ==, -1);
	}
	must_u64(enough, ==, 1);
}

static rlim_t address_space(void)
{
	size_t size;
	char text[200];
	FILE *file = fopen("/proc/self/statm", "re");

	must(file);
	size = fread(text, 1, sizeof(text) - 1, file);
	text[size] = '\0';
	fclose(file);
	return (rlim_t)strtoul(text, NULL, 10) * (rlim_t)sysconf(_SC_PAGESIZE);
}

static void a_limit_on_memory_is_an_error(void)
{
	struct cop_pub_opts pub_opts = small_pub("p");
	bool enough = false;

	if (TEST_ASAN || TEST_TSAN)
		SKIP("a sanitizer needs all the address space there is");
	name_topic();
	for (unsigned pages = 0; !enough && pages < 100; pages++) {
		struct cop_pub *pub = NULL;
		struct rlimit before;
		struct sound sound;
		int rc;

		test_note("%u pages are left", pages);
		sound_open(&sound, topic);
		before = limit(RLIMIT_AS, address_space() + (rlim_t)pages * PAGE);
		rc = cop_pub_open(&pub, topic, &pub_opts);
		if (rc < 0) {
			must_rc(rc, -ENOMEM);
			must_explain(rc);
		}
		enough = rc == 0;
		unlimit(RLIMIT_AS, before);
		cop_pub_close(&pub);
		sound_go_on(&sound);
		must_u64(sound.errors, ==, 0);
		sound_close(&sound);
		must_int(cop_gc(NULL, 0, NULL, NULL), >=, 0);
		must_int(access(topic, F_OK), ==, -1);
	}
	must(enough);
}

/* Who locks all memory, as one does in real time, has a limit for it: -ENOMEM, and not 'busy'. */
static void a_limit_on_locked_memory_is_an_error(void)
{
	struct cop_pub_opts opts = small_pub("p");
	struct cop_pub *pub = NULL;
	int rc;

	if (TEST_ASAN || TEST_TSAN)
		SKIP("a sanitizer's memory cannot be locked");
	name_topic();
	limit(RLIMIT_MEMLOCK, 65536);
	/* Root may lock without limit: be somebody else, in a root that he may write. */
	must_int(chmod(test_root(), 0777), ==, 0);
	must_int(setresuid(65534, 65534, 65534), ==, 0);
	if (mlockall(MCL_FUTURE) < 0)
		SKIP("no memory can be locked here");
	rc = cop_pub_open(&pub, topic, &opts);
	must_rc(rc, -ENOMEM);
	must_explain(rc);
	must_int(munlockall(), ==, 0);
	must_rc(cop_pub_open(&pub, topic, &opts), 0);
	cop_pub_close(&pub);
}

#define CASE(function, ...) TEST(function, .check = TEST_FDS | TEST_EMPTY_ROOT, __VA_ARGS__)

static const struct test_case cases[] = {
	CASE(a_lane_that_does_not_fit_is_refused, .tmpfs_bytes = 512 << 10),
	CASE(every_amount_of_space_is_enough_or_refused, .tmpfs_bytes = 512 << 10),
	CASE(a_subscriber_whose_cursors_do_not_fit_says_so, .tmpfs_bytes = 16 << 20),
	CASE(the_room_of_a_lane_that_ended_is_free_again, .tmpfs_bytes = 512 << 10),
	CASE(a_full_directory_is_an_error, .tmpfs_bytes = 16 << 20, .tmpfs_inodes = 20),
	CASE(a_read_only_file_system_is_an_error, .tmpfs_bytes = 512 << 10),
	CASE(a_file_system_without_unnamed_files_is_refused),
	CASE(a_missing_root_is_an_error),
	CASE(a_root_that_is_no_directory_is_an_error),
	CASE(a_limit_on_file_sizes_is_an_error),
	CASE(a_limit_on_descriptors_is_an_error),
	CASE(a_limit_on_memory_is_an_error),
	CASE(a_limit_on_locked_memory_is_an_error, .needs = TEST_ROOT),
	{ 0 },
};
TEST_MAIN("space", cases)
