/*
 * tests/unit/object.c - files appear whole, and are opened with suspicion
 */
#include "support/test.h"

#include <copage/error.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "object/object.h"
#include "os/os.h"

static const struct cop__access own = { 0600, COP__ANY_GROUP };

static int root_fd(void)
{
	int fd = cop__os_open(AT_FDCWD, test_root(), O_RDONLY | O_DIRECTORY, 0);

	must_int(fd, >=, 0);
	return fd;
}

static void make(int dir, const char *name, uint64_t size)
{
	int fd = cop__object_make(dir, size, &own, name);

	must_int(fd, >=, 0);
	must_rc(cop__object_publish(fd, dir, name), 0);
	cop__os_close(fd);
}

static void it_appears_whole(void)
{
	int dir = root_fd(), fd = cop__object_make(dir, 100000, &own, "x");
	char byte = 'x';
	struct stat st;

	must_int(fd, >=, 0);
	must_int(faccessat(dir, "x", F_OK, 0), ==, -1);
	must_int(fstat(fd, &st), ==, 0);
	must_int(st.st_size, ==, 100000);
	must_u64((uint64_t)st.st_blocks * 512, >=, 100000);
	must_int(pread(fd, &byte, 1, 99999), ==, 1);
	must_int(byte, ==, 0);
	must_int(pwrite(fd, "!", 1, 99999), ==, 1);
	must_rc(cop__object_publish(fd, dir, "x"), 0);
	cop__os_close(fd);
	fd = cop__object_open(dir, "x", O_RDONLY, &st);
	must_int(fd, >=, 0);
	must_int(st.st_size, ==, 100000);
	must_int(pread(fd, &byte, 1, 99999), ==, 1);
	must_int(byte, ==, '!');
	cop__os_close(fd);
	cop__os_close(dir);
}

static void one_that_gets_no_name_leaves_nothing(void)
{
	int dir = root_fd(), fd = cop__object_make(dir, 4096, &own, "x");

	must_int(fd, >=, 0);
	cop__os_close(fd);
	cop__os_close(dir);
}

static void a_name_is_taken_once(void)
{
	int dir = root_fd();
	struct stat first, st;
	int fd;

	make(dir, "x", 4096);
	must_int(fstatat(dir, "x", &first, 0), ==, 0);
	fd = cop__object_make(dir, 8192, &own, "x");
	must_rc(cop__object_publish(fd, dir, "x"), -EEXIST);
	cop__os_close(fd);
	must_int(fstatat(dir, "x", &st, 0), ==, 0);
	must_u64(st.st_ino, ==, first.st_ino);
	must_rc(cop__object_leads_to(dir, "x", first.st_ino), 1);
	must_rc(cop__object_leads_to(dir, "x", first.st_ino + 1), 0);
	must_int(unlinkat(dir, "x", 0), ==, 0);
	must_rc(cop__object_leads_to(dir, "x", first.st_ino), 0);
	cop__os_close(dir);
}

static void its_mode_and_group_are_exact(void)
{
	static const mode_t modes[] = { 0600, 0640, 0644, 0660, 0666, 0400, 0444 };
	int dir = root_fd();

	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		struct cop__access access = { modes[i], getuid() == 0 ? 4321 : getegid() };
		struct stat st;
		int fd;

		umask(i % 2 ? 0777 : 0);
		fd = cop__object_make(dir, 4096, &access, "x");
		must_int(fd, >=, 0);
		must_int(fstat(fd, &st), ==, 0);
		must_int(st.st_mode & 07777, ==, modes[i]);
		must_int(st.st_gid, ==, access.group);
		cop__os_close(fd);
	}
	cop__os_close(dir);
}

/* ---- what is not ours ---- */

static void must_refuse(int dir, const char *name, const char *reason)
{
	struct stat st;

	must_rc(cop__object_open(dir, name, O_RDONLY, &st), -EBADMSG);
	must_has(cop_error_text(), name);
	must_has(cop_error_text(), reason);
	must_rc(cop__object_open(dir, name, O_RDWR, &st), -EBADMSG);
}

static void only_its_own_kind_is_opened(void)
{
	int dir = root_fd(), fd;
	struct stat st;

	must_rc(cop__object_open(dir, "none", O_RDONLY, &st), -ENOENT);
	make(dir, "good", 8192);
	must_int(symlinkat("good", dir, "link"), ==, 0);
	must_refuse(dir, "link", "not a regular file");
	must_int(symlinkat("nowhere", dir, "dangling"), ==, 0);
	must_refuse(dir, "dangling", "not a regular file");
	must_int(mkfifoat(dir, "fifo", 0600), ==, 0);
	must_refuse(dir, "fifo", "not a regular file"); /* and does not wait for the other end */
	must_int(mkdirat(dir, "directory", 0700), ==, 0);
	must_refuse(dir, "directory", "not a regular file");
	fd = openat(dir, "holes", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	must_int(ftruncate(fd, 1 << 20), ==, 0);
	must_refuse(dir, "holes", "holes");
	must_int(pwrite(fd, "x", 1, 5000), ==, 1);
	must_refuse(dir, "holes", "holes");
	close(fd);
	must_int(linkat(dir, "good", dir, "other", 0), ==, 0);
	must_refuse(dir, "good", "2 names");
	must_refuse(dir, "other", "2 names");
	must_int(unlinkat(dir, "other", 0), ==, 0);
	fd = cop__object_open(dir, "good", O_RDWR, &st);
	must_int(fd, >=, 0);
	cop__os_close(fd);
	cop__os_close(dir);
}

static void a_device_is_not_opened(void)
{
	int dir = root_fd();

	if (mknodat(dir, "null", S_IFCHR | 0666, makedev(1, 3)) < 0)
		SKIP("cannot make a device: %s", strerror(errno));
	must_refuse(dir, "null", "not a regular file");
	cop__os_close(dir);
}

static void denied_names_owner_and_mode(void)
{
	int dir = root_fd();
	struct stat st;

	make(dir, "x", 4096);
	must_int(fchmod(dir, 0755), ==, 0);
	must_int(seteuid(54321), ==, 0);
	must_rc(cop__object_open(dir, "x", O_RDONLY, &st), -EACCES);
	must_has(cop_error_text(), "0600");
	must_has(cop_error_text(), "54321");
	must_int(seteuid(0), ==, 0);
	cop__os_close(dir);
}

/* ---- space ---- */

static void no_space_tells_need_and_free(void)
{
	int dir = root_fd(), fd;

	fd = cop__object_make(dir, 300 << 10, &own, "x");
	must_rc(fd, -ENOSPC);
	must_has(cop_error_text(), "needs 300 KiB");
	must_has(cop_error_text(), "256 KiB"); /* of all */
	/* Nothing of it is left behind: what fits still does. */
	make(dir, "y", 200 << 10);
	fd = cop__object_make(dir, 100 << 10, &own, "x");
	must_rc(fd, -ENOSPC);
	make(dir, "z", 40 << 10);
	cop__os_close(dir);
}

static void the_limit_of_file_sizes_is_told(void)
{
	struct rlimit limit = { 8192, 8192 };
	int dir = root_fd();

	must_int(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
	must_rc(cop__object_make(dir, 8193, &own, "x"), -EFBIG);
	must_has(cop_error_text(), "ulimit");
	make(dir, "y", 8192);
	cop__os_close(dir);
}

static int no_nameless_files(enum cop__os_call call)
{
	return call == COP__OS_OPEN ? -EOPNOTSUPP : 0;
}

static void a_file_system_without_nameless_files_is_told(void)
{
	int dir = root_fd();

	cop__os_hook = no_nameless_files;
	must_rc(cop__object_make(dir, 4096, &own, "x"), -EOPNOTSUPP);
	must_has(cop_error_text(), "tmpfs");
	cop__os_close(dir);
}

static const struct test_case cases[] = {
	TEST(it_appears_whole, .check = TEST_FDS),
	TEST(one_that_gets_no_name_leaves_nothing, .check = TEST_FDS | TEST_EMPTY_ROOT),
	TEST(a_name_is_taken_once, .check = TEST_FDS | TEST_EMPTY_ROOT),
	TEST(its_mode_and_group_are_exact, .check = TEST_FDS | TEST_EMPTY_ROOT),
	TEST(only_its_own_kind_is_opened, .check = TEST_FDS),
	TEST(a_device_is_not_opened, .check = TEST_FDS, .needs = TEST_ROOT),
	TEST(denied_names_owner_and_mode, .check = TEST_FDS, .needs = TEST_ROOT),
	TEST(no_space_tells_need_and_free, .check = TEST_FDS, .tmpfs_bytes = 256 << 10),
	TEST(the_limit_of_file_sizes_is_told, .check = TEST_FDS),
	TEST(a_file_system_without_nameless_files_is_told, .check = TEST_FDS),
	{ 0 },
};
TEST_MAIN("object", cases)
