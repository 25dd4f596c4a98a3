/*
 * tests/unit/os.c - the seam of the system calls, sentences of errors, mappings and the fork mark
 */
#include "support/test.h"

#include <copage/copage.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "map/map.h"
#include "os/error.h"
#include "os/os.h"

/* ---- sentences ---- */

static void the_last_failure_is_one_line(void)
{
	must_str(cop_error_text(), "");
	must_rc(cop__fail(-EINVAL, "first %d", 1), -EINVAL);
	must_str(cop_error_text(), "first 1");
	must_rc(cop__fail_os(-ENOENT, "open %s", "x"), -ENOENT);
	must_str(cop_error_text(), "open x: No such file or directory");
	/* An argument may be the text that it replaces. */
	must_rc(cop__fail(-EIO, "outer: %s", cop_error_text()), -EIO);
	must_str(cop_error_text(), "outer: open x: No such file or directory");
	/* Names are strangers' words. */
	must_rc(cop__fail(-EIO, "open %s", "a\nb\033[2Jc\177"), -EIO);
	must_str(cop_error_text(), "open a?b?[2Jc?");
	must_rc(cop__fail_os(-4000, "odd"), -4000);
	must_has(cop_error_text(), "unknown");
}

static void long_sentences_are_cut(void)
{
	char name[5000];

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	must_rc(cop__fail_os(-EIO, "open %s", name), -EIO);
	must_u64(strlen(cop_error_text()), <, sizeof(name));
	must_u64(strlen(cop_error_text()), >, 500);
}

static void *fail_elsewhere(void *arg)
{
	(void)arg;
	must_str(cop_error_text(), "");
	cop__fail(-EIO, "in the thread");
	must_str(cop_error_text(), "in the thread");
	return NULL;
}

static void each_thread_has_its_own_sentence(void)
{
	pthread_t thread;

	cop__fail(-EIO, "in main");
	must_int(pthread_create(&thread, NULL, fail_elsewhere, NULL), ==, 0);
	must_int(pthread_join(thread, NULL), ==, 0);
	must_str(cop_error_text(), "in main");
}

static void the_version_is_the_headers(void)
{
	char version[30];

	snprintf(version, sizeof(version), "%d.%d.%d", COP_VERSION_MAJOR, COP_VERSION_MINOR,
		 COP_VERSION_PATCH);
	must_str(cop_version(), version);
	must_str(cop_version(), COP_VERSION);
}

/* ---- the seam ---- */

static enum cop__os_call failing;
static int with;
static unsigned calls;

static int fail_one(enum cop__os_call call)
{
	calls++;
	return call == failing ? with : 0;
}

static void the_seam_fails_what_it_is_told(void)
{
	static char page[4096] __attribute__((aligned(4096)));
	uint32_t word = 0;
	struct stat st;
	void *base = &base, *same = base;

	cop__os_hook = fail_one;
	with = -ENOLINK;
#define FAILS(call, expression) \
	do { \
		unsigned before = calls; \
		failing = (call); \
		must_rc((expression), -ENOLINK); \
		must_u64(calls, >, before); \
		must(strlen(cop__os_call_name(call)) > 2); \
	} while (0)
	FAILS(COP__OS_OPEN, cop__os_open(AT_FDCWD, "/", O_RDONLY, 0));
	FAILS(COP__OS_STAT, cop__os_fstat(0, &st));
	FAILS(COP__OS_STAT, cop__os_lstat(AT_FDCWD, "/", &st));
	FAILS(COP__OS_STATFS, cop__os_space(0, &(uint64_t){ 0 }, &(uint64_t){ 0 }));
	FAILS(COP__OS_MKDIR, cop__os_mkdir(AT_FDCWD, "/never", 0700));
	FAILS(COP__OS_UNLINK, cop__os_unlink(AT_FDCWD, "/never"));
	FAILS(COP__OS_UNLINK, cop__os_rmdir(AT_FDCWD, "/never"));
	FAILS(COP__OS_LINK, cop__os_link(0, AT_FDCWD, "/never"));
	FAILS(COP__OS_RENAME, cop__os_rename_new(AT_FDCWD, "/never", "/ever"));
	FAILS(COP__OS_CHMOD, cop__os_chmod(0, 0600));
	FAILS(COP__OS_CHOWN, cop__os_chown_group(0, 0));
	FAILS(COP__OS_ALLOCATE, cop__os_allocate(0, 0, 1));
	FAILS(COP__OS_READ, cop__os_pread(0, page, 1, 0));
	FAILS(COP__OS_READ, cop__os_read(0, page, 1));
	FAILS(COP__OS_WRITE, cop__os_pwrite(0, page, 1, 0));
	FAILS(COP__OS_MMAP, cop__os_mmap(4096, PROT_READ, MAP_PRIVATE, 0, 0, &base));
	FAILS(COP__OS_MREMAP, cop__os_mremap(4096, 8192, &base));
	must(base == same);
	FAILS(COP__OS_MADVISE, cop__os_madvise(page, sizeof(page), MADV_NORMAL));
	FAILS(COP__OS_LOCK, cop__os_lock(0));
	FAILS(COP__OS_LOCK, cop__os_locked(0));
	FAILS(COP__OS_FUTEX_WAIT, cop__os_futex_wait(&word, 0, 0));
	FAILS(COP__OS_FUTEX_WAKE, cop__os_futex_wake(&word));
	FAILS(COP__OS_MEMBARRIER, cop__os_membarrier());
	FAILS(COP__OS_MEMBARRIER, cop__os_membarrier_register());
	FAILS(COP__OS_INOTIFY, cop__os_inotify());
	FAILS(COP__OS_INOTIFY, cop__os_inotify_add(0, 0, 0));
	FAILS(COP__OS_POLL, cop__os_poll_readable(0, 0));
#undef FAILS
	cop__os_hook = NULL;
}

static void every_call_has_a_name(void)
{
	for (int i = 0; i < COP__OS_CALLS; i++)
		must(cop__os_call_name((enum cop__os_call)i) != NULL);
	must_str(cop__os_call_name(COP__OS_CALLS), "?");
}

static int count_name(void *arg, const char *name, uint64_t inode)
{
	must(inode != 0 && name[0] == 'f');
	return ++*(int *)arg == 150 ? 99 : 0;
}

static void a_listing_has_all_and_can_be_ended(void)
{
	int dir = cop__os_open(AT_FDCWD, test_root(), O_RDONLY | O_DIRECTORY, 0);
	int count = 0;

	must_int(dir, >=, 0);
	must_int(fcntl(dir, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
	must_rc(cop__os_list(dir, count_name, &count), 0);
	for (int i = 0; i < 300; i++) {
		char name[20];

		snprintf(name, sizeof(name), "f%d", i);
		close(openat(dir, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	}
	must_rc(cop__os_list(dir, count_name, &count), 99);
	must_int(count, ==, 150);
	must_rc(cop__os_list(dir, count_name, &count), 0); /* from the beginning again */
	must_int(count, ==, 450);
	cop__os_close(dir);
}

/* ---- mappings ---- */

static int make_file(size_t size)
{
	int fd = cop__os_open(AT_FDCWD, test_root(), O_TMPFILE | O_RDWR, 0600);

	must_int(fd, >=, 0);
	must_rc(cop__os_allocate(fd, 0, size), 0);
	return fd;
}

static void a_mapping_is_shared_and_grows(void)
{
	struct cop__map map, other;
	int fd = make_file(8192);

	must_rc(cop__map_file(&map, fd, 4096, COP__MAP_WRITE), 0);
	must_rc(cop__map_file(&other, fd, 4096, COP__MAP_READ), 0);
	cop__map_populate(&map, COP__MAP_WRITE);
	cop__map_populate(&other, COP__MAP_READ);
	map.base[17] = 42;
	must_int(other.base[17], ==, 42);
	must_rc(cop__map_grow(&map, 8192), 0);
	must_u64(map.size, ==, 8192);
	must_int(map.base[17], ==, 42);
	map.base[8191] = 1;
	cop__map_close(&map);
	must(!map.base);
	cop__map_close(&map); /* twice is once */
	cop__map_close(&other);
	cop__os_close(fd);
}

static void what_cannot_be_mapped_is_not(void)
{
	struct cop__map map;
	int fd = make_file(4096);
	int read_only = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	must_rc(cop__map_file(&map, read_only, 4096, COP__MAP_WRITE), -EACCES);
	must(!map.base);
	must_rc(cop__map_file(&map, fd, 0, COP__MAP_READ), -EINVAL);
	must_rc(cop__map_file(&map, fd, 4096, COP__MAP_WRITE), 0);
	cop__os_hook = fail_one;
	failing = COP__OS_MREMAP;
	with = -ENOMEM;
	must_rc(cop__map_grow(&map, 8192), -ENOMEM);
	cop__os_hook = NULL;
	must_u64(map.size, ==, 4096);
	map.base[4095] = 1; /* as before */
	cop__map_close(&map);
	close(read_only);
	cop__os_close(fd);
}

static void write_to(int line, void *arg)
{
	(void)line;
	*(volatile uint8_t *)arg = 1;
}

static void a_read_only_mapping_cannot_be_written(void)
{
	struct cop__map map;
	int fd = make_file(4096);

	must_rc(cop__map_file(&map, fd, 4096, COP__MAP_READ), 0);
	cop__os_close(fd);
	write_to(-1, map.base); /* SIGSEGV: the table says so */
}

static void look_at_mapping(int line, void *arg)
{
	unsigned char present;

	(void)line;
	/* Not "not mine", but not there at all. */
	must_int(mincore(arg, 4096, &present), ==, -1);
	must_int(errno, ==, ENOMEM);
}

static void a_child_does_not_inherit_a_mapping(void)
{
	struct cop__map map;
	struct test_child child;
	int fd = make_file(8192);

	must_rc(cop__map_file(&map, fd, 4096, COP__MAP_WRITE), 0);
	child = test_fork(look_at_mapping, map.base);
	test_end(&child);
	must_rc(cop__map_grow(&map, 8192), 0);
	child = test_fork(look_at_mapping, map.base + 4096); /* nor what it grew by */
	test_end(&child);
	cop__map_close(&map);
	cop__os_close(fd);
}

static void look_at_mark(int line, void *arg)
{
	struct cop__fork_mark *mark = arg;

	(void)line;
	must(cop__forked(mark));
	cop__fork_mark_close(mark);
}

static void the_mark_tells_a_child(void)
{
	struct cop__fork_mark mark;
	struct test_child child;

	must_rc(cop__fork_mark_open(&mark), 0);
	must(!cop__forked(&mark));
	child = test_fork(look_at_mark, &mark);
	test_end(&child);
	must(!cop__forked(&mark));
	cop__fork_mark_close(&mark);
}

/* ---- space ---- */

static void the_limit_of_file_sizes_is_an_error_and_no_signal(void)
{
	struct rlimit limit = { 100000, 100000 };
	int fd = make_file(4096);

	must_int(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
	must_rc(cop__os_allocate(fd, 0, 100001), -EFBIG);
	must_rc(cop__os_allocate(fd, 90000, 10001), -EFBIG);
	must_rc(cop__os_allocate(fd, 0, 98304), 0);
	cop__os_close(fd);
}

static const struct test_case cases[] = {
	TEST(the_last_failure_is_one_line),
	TEST(long_sentences_are_cut),
	TEST(each_thread_has_its_own_sentence),
	TEST(the_version_is_the_headers),
	TEST(the_seam_fails_what_it_is_told, .check = TEST_FDS | TEST_EMPTY_ROOT),
	TEST(every_call_has_a_name),
	TEST(a_listing_has_all_and_can_be_ended, .check = TEST_FDS),
	TEST(a_mapping_is_shared_and_grows, .check = TEST_FDS | TEST_EMPTY_ROOT),
	TEST(what_cannot_be_mapped_is_not, .check = TEST_FDS | TEST_EMPTY_ROOT),
	TEST(a_read_only_mapping_cannot_be_written, .signal = SIGSEGV),
	TEST(a_child_does_not_inherit_a_mapping, .check = TEST_FDS | TEST_EMPTY_ROOT),
	TEST(the_mark_tells_a_child),
	TEST(the_limit_of_file_sizes_is_an_error_and_no_signal, .check = TEST_FDS),
	{ 0 },
};
TEST_MAIN("os", cases)
