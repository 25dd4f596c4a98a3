/*
 * tests/support/self.c - the test support tested: what must fail fails, what must pass passes
 */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

static struct test_outcome run_victim(const char *pattern)
{
	const char *victim = getenv("COPAGE_TEST_VICTIM");

	must(victim);
	return test_run(TEST_ARGV(victim, pattern), NULL, 0);
}

static void must_say(const char *name, int status, const char *said)
{
	struct test_outcome o = run_victim(name);

	if (o.status != status || !strstr(o.out, said))
		test_fail(__FILE__, __LINE__, "victim/%s: exit %d, says: %s", name, o.status,
			  o.out);
	test_outcome_free(&o);
}

static void failures_fail(void)
{
	must_say("wrong_number", 1, "it is 4, not == 5");
	must_say("wrong_rc", 1, "-ENOENT: returned -2 (No such file or directory), not 0");
	must_say("wrong_string", 1, "it is \"this\", not \"that\"");
	must_say("wrong_bytes", 1, "byte 2 of 4 is 0x63, not 0x65");
	must_say("too_late", 1, "not within 5 ms");
	must_say("ends_early", 1, "ended by exit(0)");
	must_say("child_fails", 1, "[in a forked child]");
}

static void signals_fail_unless_expected(void)
{
	must_say("crashes", 1, "FAIL victim/crashes");
	must_say("crashes", 1, "while: the second of 2 tries\n");
	must_say("crashes_as_it_should", 0, "ok   victim/crashes_as_it_should");
	must_say("does_not_crash_as_it_should", 1, "FAIL");
}

static void time_is_bounded(void)
{
	must_say("too_long", 1, "Test timeout expired");
}

static void what_is_left_fails(void)
{
	must_say("leaves_a_descriptor", 1, "open: /dev/null");
	must_say("leaves_a_file", 1, "the case leaves in its root: left");
}

static void skips_are_counted_and_explained(void)
{
	must_say("is_skipped", 0, "SKIP victim/is_skipped: no unicorn here");
	must_say("is_skipped", 0, "victim: 0 passed, 0 failed, 1 skipped");
}

static void nothing_run_is_a_failure(void)
{
	must_say("no_such_case", 1, "victim: 0 passed, 0 failed, 0 skipped");
}

static void passes_pass(void)
{
	must_say("holds", 0, "victim: 1 passed, 0 failed, 0 skipped");
}

/* What only a sanitizer sees: fails under it, and passes without. */
static void must_fail_under(bool sanitizer, const char *name)
{
	must_say(name, sanitizer, sanitizer ? "FAIL victim/" : "ok   victim/");
}

static void sanitizers_findings_fail(void)
{
	must_fail_under(TEST_ASAN, "leaks");
	must_fail_under(TEST_ASAN, "child_leaks");
	must_fail_under(TEST_ASAN, "overflows"); /* ASan and UBSan come together here */
	must_fail_under(TEST_TSAN, "races");
}

static void talker(int line, void *arg)
{
	must_str(test_hear(line), "how much?");
	test_tell(line, "%d", *(int *)arg);
	must(test_hear(line) == NULL);
}

static void children_talk(void)
{
	int number = 42;
	struct test_child child = test_fork(talker, &number);

	test_tell(child.line, "how much?");
	must_str(test_hear(child.line), "42");
	test_end(&child);
	child = test_fork(talker, &number);
	test_kill(&child, SIGKILL);
}

static void commands_run(void)
{
	static char input[1000000];
	struct test_outcome o;

	memset(input, 'x', sizeof(input));
	o = test_run(TEST_ARGV("sh", "-c", "cat; echo sorry >&2; exit 3"), input, sizeof(input));
	must_int(o.status, ==, 3);
	must_mem(o.out, o.out_size, input, sizeof(input));
	must_str(o.err, "sorry\n");
	test_outcome_free(&o);
	o = test_run(TEST_ARGV("sh", "-c", "kill -9 $$"), NULL, 0);
	must_int(o.status, ==, -9);
	test_outcome_free(&o);
}

static void small_file_systems_are_small(void)
{
	struct statfs fs;

	must_int(statfs(test_root(), &fs), ==, 0);
	must_u64((uint64_t)fs.f_blocks * (uint64_t)fs.f_bsize, ==, 65536);
}

static void random_numbers_repeat(void)
{
	uint64_t first = test_random();

	must_u64(first, !=, test_random());
}

static const struct test_case cases[] = {
	TEST(failures_fail, .check = TEST_FDS),
	TEST(signals_fail_unless_expected),
	TEST(time_is_bounded),
	TEST(what_is_left_fails),
	TEST(skips_are_counted_and_explained),
	TEST(nothing_run_is_a_failure),
	TEST(passes_pass),
	TEST(sanitizers_findings_fail),
	TEST(children_talk, .check = TEST_FDS | TEST_EMPTY_ROOT),
	TEST(commands_run, .check = TEST_FDS | TEST_EMPTY_ROOT),
	TEST(small_file_systems_are_small, .tmpfs_bytes = 65536),
	TEST(random_numbers_repeat),
	{ 0 },
};
TEST_MAIN("self", cases)
