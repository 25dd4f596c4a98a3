/*
 * tests/support/victim.c - cases that must fail, for self.c: a check that cannot fail proves
 * nothing
 */
#include "support/test.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void holds(void)
{
	struct stat st;
	char path[300];
	int fd;

	must_int(2 + 2, ==, 4);
	must_str(getenv("COPAGE_ROOT"), test_root());
	must_int(stat(test_root(), &st), ==, 0);
	snprintf(path, sizeof(path), "%s/left", test_root());
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	must_int(fd, >=, 0);
	close(fd);
}

static void wrong_number(void)
{
	must_int(2 + 2, ==, 5);
}

static void wrong_rc(void)
{
	must_rc(-ENOENT, 0);
}

static void wrong_string(void)
{
	must_str("this", "that");
}

static void wrong_bytes(void)
{
	must_mem("abcd", 4, "abed", 4);
}

static void too_late(void)
{
	must_soon(test_now_ns() < 0, 5);
}

static void crashes(void)
{
	test_note("the first of %d tries", 2);
	test_note("the second of %d tries", 2);
	raise(SIGSEGV);
}

static void too_long(void)
{
	for (;;)
		pause();
}

static void ends_early(void)
{
	exit(0);
}

static void is_skipped(void)
{
	SKIP("no %s here", "unicorn");
}

static void leaves_a_descriptor(void)
{
	must_int(open("/dev/null", O_RDONLY), >=, 0);
}

static void fails(int line, void *arg)
{
	(void)line;
	(void)arg;
	must_int(1, ==, 2);
}

static void child_fails(void)
{
	struct test_child child = test_fork(fails, NULL);

	test_wait(&child);
}

static void leaks(void)
{
	void *volatile lost = malloc(100);

	must(lost);
	lost = NULL;
} /* NOLINT(clang-analyzer-unix.Malloc): that is the point */

static void leaks_in_child(int line, void *arg)
{
	(void)line;
	(void)arg;
	leaks();
}

static void child_leaks(void)
{
	struct test_child child = test_fork(leaks_in_child, NULL);

	test_end(&child);
}

static void overflows(void)
{
	volatile int most = 0x7fffffff;

	must_int(most + 1, !=, 0);
}

static int raced;

static void *race(void *arg)
{
	(void)arg;
	for (int i = 0; i < 1000; i++)
		__asm__ volatile("" : : "r"(raced++));
	return NULL;
}

static void races(void)
{
	pthread_t a, b;

	must_int(pthread_create(&a, NULL, race, NULL), ==, 0);
	must_int(pthread_create(&b, NULL, race, NULL), ==, 0);
	pthread_join(a, NULL);
	pthread_join(b, NULL);
}

static const struct test_case cases[] = {
	TEST(holds, .check = TEST_FDS),
	TEST(wrong_number),
	TEST(wrong_rc),
	TEST(wrong_string),
	TEST(wrong_bytes),
	TEST(too_late),
	TEST(crashes),
	{ "crashes_as_it_should", crashes, .signal = SIGSEGV },
	{ "does_not_crash_as_it_should", holds, .signal = SIGSEGV },
	TEST(too_long, .timeout_s = 1),
	TEST(ends_early),
	TEST(is_skipped),
	TEST(leaves_a_descriptor, .check = TEST_FDS),
	{ "leaves_a_file", holds, .check = TEST_EMPTY_ROOT },
	TEST(child_fails),
	TEST(leaks),
	TEST(child_leaks),
	TEST(overflows),
	TEST(races),
	{ 0 },
};
TEST_MAIN("victim", cases)
