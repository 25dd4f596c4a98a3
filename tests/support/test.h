/*
 * tests/support/test.h - how tests of Copage are written
 *
 *	static void goes_on_after_close(void)
 *	{
 *		must_rc(cop_thing_open(&thing), 0);
 *		must_u64(cop_thing_count(thing), ==, 3);
 *	}
 *
 *	static const struct test_case cases[] = {
 *		TEST(goes_on_after_close, .check = TEST_FDS | TEST_EMPTY_ROOT),
 *		TEST(survives_a_full_disk, .tmpfs_bytes = 65536),
 *		{ 0 },
 *	};
 *	TEST_MAIN("thing", cases)
 *
 * One executable is one suite. Each case runs in a process of its own (Check forks it), in its own
 * process group, which is killed when the case is over or its time is up. It fails if a must()
 * does not hold, in the case or in any process that it forked; if it ends by a signal or by
 * exit(); if it takes too long; or if a sanitizer has something to say, leaks included.
 *
 * Each case has a directory of its own, on /dev/shm, made before and removed after it: test_root(),
 * which is also what COPAGE_ROOT names.
 *
 * At the end the executable prints "SUITE: N passed, N failed, N skipped". It takes patterns of
 * case names as arguments. For a debugger: CK_FORK=no SUITE CASE.
 */
#ifndef TEST_SUPPORT_TEST_H
#define TEST_SUPPORT_TEST_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

/* --- cases ------------------------------------------------------------------------------- */

enum {
	TEST_FDS = 1 << 0, /* fails if the case leaves a descriptor open */
	TEST_EMPTY_ROOT = 1 << 1, /* fails if the case leaves something in its root */
};

enum {
	TEST_ROOT = 1 << 0, /* skipped unless run by root */
	TEST_SLOW = 1 << 1, /* skipped unless COPAGE_TEST_SLOW is set: see test_scale() */
};

struct test_case {
	const char *name;
	void (*run)(void);
	int check; /* TEST_FDS | TEST_EMPTY_ROOT */
	int needs; /* TEST_ROOT | TEST_SLOW */
	unsigned timeout_s; /* default: 20; longer by itself under sanitizers and for slow runs */
	int signal; /* the case must end by this signal */
	size_t tmpfs_bytes; /* its directory is a file system of this size; needs root */
	unsigned tmpfs_inodes; /* and of so many inodes; default: no limit */
};

/* An entry of the table of cases; what follows the function are designated initialisers. */
#define TEST(function, ...) \
	{ \
		.name = #function, .run = function, __VA_ARGS__ \
	}

#define TEST_MAIN(suite, cases) \
	int main(int argc, char **argv) \
	{ \
		return test_main((suite), (cases), argc, argv); \
	}

int test_main(const char *suite, const struct test_case *cases, int argc, char **argv);

/* The directory of this case, without a final slash. */
const char *test_root(void);

/*
 * How long to go on: quick, unless COPAGE_TEST_SLOW is set; then full times its value. Whoever
 * wants a soak says COPAGE_TEST_SLOW=100.
 */
unsigned test_scale(unsigned quick, unsigned full);

/*
 * Random numbers, the same in every run with the same COPAGE_TEST_SEED. Without one, each run has
 * another seed, which is printed when a case fails.
 */
uint64_t test_random(void);

/*
 * What is being tried, in a loop of many tries: told when the case fails, however it ends. The last
 * note counts.
 */
void test_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* CLOCK_MONOTONIC, and a sleep that signals do not shorten. */
int64_t test_now_ns(void);
void test_sleep_ns(int64_t ns);

/* End the case here; it counts as skipped, and the reason is printed. Not in forked children. */
#define SKIP(...) test_skip(__VA_ARGS__)
_Noreturn void test_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What this was built with. */
#if defined(__has_feature)
#define TEST_HAS_FEATURE(x) __has_feature(x)
#else
#define TEST_HAS_FEATURE(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || TEST_HAS_FEATURE(address_sanitizer)
#define TEST_ASAN 1
#else
#define TEST_ASAN 0
#endif
#if defined(__SANITIZE_THREAD__) || TEST_HAS_FEATURE(thread_sanitizer)
#define TEST_TSAN 1
#else
#define TEST_TSAN 0
#endif

/* --- what must hold ---------------------------------------------------------------------- */

/* Each evaluates its arguments once, and on failure prints them, errno, and cop_error_text(). */

#define must(condition) \
	do { \
		if (!(condition)) \
			test_fail(__FILE__, __LINE__, "must(%s), errno %d", #condition, errno); \
	} while (0)

/* must_int(count, <=, 5): signed numbers */
#define must_int(got, op, want) \
	do { \
		long long got_ = (long long)(got), want_ = (long long)(want); \
		if (!(got_ op want_)) \
			test_fail(__FILE__, __LINE__, \
				  "must_int(%s, %s, %s): it is %lld, not %s %lld", #got, #op, \
				  #want, got_, #op, want_); \
	} while (0)

/* must_u64(sequence, ==, 7): unsigned numbers */
#define must_u64(got, op, want) \
	do { \
		unsigned long long got_ = (got), want_ = (want); \
		if (!(got_ op want_)) \
			test_fail( \
				__FILE__, __LINE__, \
				"must_u64(%s, %s, %s): it is %llu (0x%llx), not %s %llu (0x%llx)", \
				#got, #op, #want, got_, got_, #op, want_, want_); \
	} while (0)

/* must_rc(cop_pub_send(...), -EAGAIN): results of calls; an errno is spelled out */
#define must_rc(call, want) \
	do { \
		long long rc_ = (call), want_ = (want); \
		if (rc_ != want_) \
			test_fail_rc(__FILE__, __LINE__, #call, rc_, want_); \
	} while (0)

/* must_str(text, "abc"): strings; either may be NULL */
#define must_str(got, want) test_must_str(__FILE__, __LINE__, #got, (got), (want))

/* must_has(text, "full"): text contains it */
#define must_has(text, part) test_must_has(__FILE__, __LINE__, #text, (text), (part))

/* must_mem(data, size, want, want_size): bytes; tells where they begin to differ */
#define must_mem(got, got_size, want, want_size) \
	test_must_mem(__FILE__, __LINE__, #got, (got), (got_size), (want), (want_size))

/* must_soon(condition, 20): it holds within so many milliseconds; asked again every 0.2 ms */
#define must_soon(condition, ms) \
	do { \
		int64_t until_ = test_now_ns() + (int64_t)(ms)*1000000; \
		while (!(condition)) { \
			if (test_now_ns() >= until_) \
				test_fail(__FILE__, __LINE__, "must_soon(%s): not within %lld ms", \
					  #condition, (long long)(ms)); \
			test_sleep_ns(200000); \
		} \
	} while (0)

_Noreturn void test_fail(const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
_Noreturn void test_fail_rc(const char *file, int line, const char *call, long long rc,
			    long long want);
void test_must_str(const char *file, int line, const char *expr, const char *got, const char *want);
void test_must_has(const char *file, int line, const char *expr, const char *text,
		   const char *part);
void test_must_mem(const char *file, int line, const char *expr, const void *got, size_t got_size,
		   const void *want, size_t want_size);

/* --- other processes --------------------------------------------------------------------- */

/*
 * A forked child, and a line to it: whole messages, in order, both ways.
 *
 *	static void publisher(int line, void *arg) { ...; test_tell(line, "ready"); ... }
 *
 *	struct test_child child = test_fork(publisher, NULL);
 *	must_str(test_hear(child.line), "ready");
 *	test_kill(&child, SIGKILL);
 *
 * A child dies with the process that forked it. It ends by exit(0) when its function returns.
 */
struct test_child {
	pid_t pid;
	int line; /* to the function's line; -1 for a command */
	int in, out, err; /* of a command: its standard input (write), output and errors (read) */
};

struct test_child test_fork(void (*run)(int line, void *arg), void *arg);

/* Send a message of printf, of at most 1,023 bytes; and the next one from the other end, valid
 * until the next test_hear() of this process, or NULL when the other end is gone. */
void test_tell(int line, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *test_hear(int line);

/* Start a command, with its three streams to pipes. argv ends with NULL. */
struct test_child test_start(const char *const *argv);

/* Close the line and the input, wait for the end, close the rest, and return the exit status, or
 * minus the number of the signal that ended it. test_end() is the usual: it must be 0. */
int test_wait(struct test_child *child);
#define test_end(child) must_int(test_wait(child), ==, 0)

/* Send a signal; when it is SIGKILL, wait for the end too. */
void test_kill(struct test_child *child, int signal);

/*
 * Run a command to its end, feed it input (NULL: none), and keep what it says. Both texts end
 * with a zero byte, belong to the outcome, and are freed by test_outcome_free().
 */
struct test_outcome {
	int status; /* as of test_wait() */
	char *out, *err;
	size_t out_size, err_size;
};

struct test_outcome test_run(const char *const *argv, const void *input, size_t input_size);
void test_outcome_free(struct test_outcome *outcome);

/* TEST_ARGV("copage", "ls"): an argv in place */
#define TEST_ARGV(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* The command that was built: what COPAGE_COMMAND names. */
const char *test_command(void);

/* --- descriptors ------------------------------------------------------------------------- */

/* How many descriptors this process has open. */
unsigned test_fd_count(void);

#endif
