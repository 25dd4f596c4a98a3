/*
 * tests/support/test.c - the runner: cases, verdicts, private directories, totals
 *
 * Check (libcheck) forks each case and bounds its time. What it lacks is here. The verdict of a
 * case is a page shared by the runner, the case and everything that the case forks: the first
 * failure or skip that is written there counts, whoever wrote it.
 */
#include "support/test.h"

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <copage/error.h>

enum verdict_state { UNDECIDED, BEING_WRITTEN, FAILED, SKIPPED };

struct verdict {
	_Atomic int state; /* enum verdict_state; leaves UNDECIDED once */
	_Atomic bool complete; /* the case came to its end */
	char text[4000];
	char note[400];
};

static struct verdict *verdict;
static const struct test_case *current;
static pid_t runner_pid;
static pid_t case_pid; /* the process that Check forked for the current case */
static char root[256];
static uint64_t seed, random_state;
static unsigned passed, failed, skipped;

/* The sanitizers' own settings; what the environment says wins. */
const char *__asan_default_options(void);
const char *__tsan_default_options(void);
const char *__ubsan_default_options(void);

const char *__asan_default_options(void)
{
	return "detect_stack_use_after_return=1:strict_string_checks=1";
}

const char *__tsan_default_options(void)
{
	return "die_after_fork=0";
}

const char *__ubsan_default_options(void)
{
	return "halt_on_error=1:print_stacktrace=1";
}

/* --- verdicts ---------------------------------------------------------------------------- */

static bool verdict_claim(void)
{
	int undecided = UNDECIDED;

	return atomic_compare_exchange_strong(&verdict->state, &undecided, BEING_WRITTEN);
}

_Noreturn static void leave(int status)
{
	fflush(NULL);
	if (case_pid == runner_pid) { /* CK_FORK=no: somebody is looking */
		fprintf(stderr, "%s\n", verdict->text);
		abort();
	}
	_exit(status);
}

_Noreturn static void fail_with(const char *file, int line, const char *text)
{
	const char *sentence = cop_error_text();

	if (verdict_claim()) {
		snprintf(verdict->text, sizeof(verdict->text), "%s:%d: %s%s%s%s%s", file, line,
			 text, getpid() == case_pid ? "" : " [in a forked child]",
			 sentence[0] ? "\n     the library: \"" : "", sentence,
			 sentence[0] ? "\"" : "");
		atomic_store(&verdict->state, FAILED);
	}
	leave(1);
}

void test_fail(const char *file, int line, const char *format, ...)
{
	char text[2000];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fail_with(file, line, text);
}

void test_skip(const char *format, ...)
{
	va_list args;

	if (verdict_claim()) {
		va_start(args, format);
		vsnprintf(verdict->text, sizeof(verdict->text), format, args);
		va_end(args);
		atomic_store(&verdict->state, SKIPPED);
	}
	leave(0);
}

static const char *rc_name(long long rc, char *buf, size_t size)
{
	if (rc < 0 && rc > -4096)
		snprintf(buf, size, "%lld (%s)", rc, strerror((int)-rc));
	else
		snprintf(buf, size, "%lld", rc);
	return buf;
}

void test_fail_rc(const char *file, int line, const char *call, long long rc, long long want)
{
	char a[100], b[100];

	test_fail(file, line, "%s: returned %s, not %s", call, rc_name(rc, a, sizeof(a)),
		  rc_name(want, b, sizeof(b)));
}

void test_must_str(const char *file, int line, const char *expr, const char *got, const char *want)
{
	if (got == want || (got && want && strcmp(got, want) == 0))
		return;
	test_fail(file, line, "must_str(%s): it is %s%s%s, not %s%s%s", expr, got ? "\"" : "",
		  got ? got : "NULL", got ? "\"" : "", want ? "\"" : "", want ? want : "NULL",
		  want ? "\"" : "");
}

void test_must_has(const char *file, int line, const char *expr, const char *text, const char *part)
{
	if (!text || !strstr(text, part))
		test_fail(file, line, "must_has(%s): no \"%s\" in \"%s\"", expr, part,
			  text ? text : "(NULL)");
}

void test_must_mem(const char *file, int line, const char *expr, const void *got, size_t got_size,
		   const void *want, size_t want_size)
{
	const unsigned char *g = got, *w = want;
	size_t i = 0;

	if (got_size != want_size)
		test_fail(file, line, "must_mem(%s): %zu bytes, not %zu", expr, got_size,
			  want_size);
	while (i < got_size && g[i] == w[i])
		i++;
	if (i < got_size)
		test_fail(file, line, "must_mem(%s): byte %zu of %zu is 0x%02x, not 0x%02x", expr,
			  i, got_size, g[i], w[i]);
}

/* --- small tools ------------------------------------------------------------------------- */

const char *test_root(void)
{
	return root;
}

static unsigned slow(void)
{
	const char *value = getenv("COPAGE_TEST_SLOW");

	return value ? (unsigned)strtoul(value, NULL, 10) : 0;
}

unsigned test_scale(unsigned quick, unsigned full)
{
	return slow() ? full * slow() : quick;
}

uint64_t test_random(void)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

void test_note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(verdict->note, sizeof(verdict->note), format, args);
	va_end(args);
}

int64_t test_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void test_sleep_ns(int64_t ns)
{
	struct timespec left = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
		;
}

static int fd_of(const struct dirent *entry)
{
	return (int)strtol(entry->d_name, NULL, 10);
}

/* Calls fn for each open descriptor of this process, but for the one that looks. */
static void fd_each(void (*fn)(int fd, void *arg), void *arg)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' && fd_of(entry) != dirfd(dir))
			fn(fd_of(entry), arg);
	closedir(dir);
}

static void fd_add(int fd, void *arg)
{
	(void)fd;
	++*(unsigned *)arg;
}

unsigned test_fd_count(void)
{
	unsigned count = 0;

	fd_each(fd_add, &count);
	return count;
}

/* --- a case's directory ------------------------------------------------------------------ */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void root_remove(bool mounted)
{
	if (mounted)
		umount2(root, MNT_DETACH);
	nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/*
 * Mounts live in a namespace of the runner's own, and so end with it, however it ends. That they
 * do not show outside takes a private mount below them: "/", but in a chroot that is none.
 */
static bool root_mount(const struct test_case *c)
{
	static bool own_namespace;
	char options[100];

	if (!own_namespace) {
		if (unshare(CLONE_NEWNS))
			return false;
		if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
			mount("none", "/dev/shm", NULL, MS_PRIVATE, NULL);
		own_namespace = true;
	}
	snprintf(options, sizeof(options), "size=%zu,mode=755,nr_inodes=%u", c->tmpfs_bytes,
		 c->tmpfs_inodes);
	return mount("copage-test", root, "tmpfs", 0, options) == 0;
}

static bool root_make(const struct test_case *c, char *why, size_t why_size)
{
	const char *above = getenv("COPAGE_TEST_DIR");

	snprintf(root, sizeof(root), "%s/copage-test-XXXXXX", above ? above : "/dev/shm");
	if (!mkdtemp(root)) {
		snprintf(why, why_size, "no directory %s: %s", root, strerror(errno));
		return false;
	}
	setenv("COPAGE_ROOT", root, 1);
	if (c->tmpfs_bytes && !root_mount(c)) {
		snprintf(why, why_size, "needs to mount a tmpfs: %s", strerror(errno));
		rmdir(root);
		return false;
	}
	return true;
}

/* Writes the names of what is in the root to text; false if there is nothing. */
static bool root_left(char *text, size_t size)
{
	DIR *dir = opendir(root);
	struct dirent *entry;
	size_t used = 0;

	while (dir && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		    used < size)
			used += (size_t)snprintf(text + used, size - used, " %s", entry->d_name);
	if (dir)
		closedir(dir);
	return used > 0;
}

/* --- running ----------------------------------------------------------------------------- */

enum { FD_MAX = 1024 };

static void fd_mark(int fd, void *arg)
{
	if (fd < FD_MAX)
		((bool *)arg)[fd] = true;
}

static void fd_complain(int fd, void *arg)
{
	char link[64], target[200];
	ssize_t n;

	if (fd < FD_MAX && ((bool *)arg)[fd])
		return;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, target, sizeof(target) - 1);
	target[n < 0 ? 0 : n] = '\0';
	test_fail(__FILE__, __LINE__, "the case leaves descriptor %d open: %s", fd, target);
}

/* In the process of the case. */
static void run_current(void)
{
	static bool was_open[FD_MAX];

	case_pid = getpid();
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	if (current->signal)
		signal(current->signal, SIG_DFL); /* ASan has its own handler */
	fd_each(fd_mark, was_open);
	current->run();
	if (current->check & TEST_FDS)
		fd_each(fd_complain, was_open);
	atomic_store(&verdict->complete, true);
}

START_TEST(run_case)
{
	(void)_i;
	run_current();
}
END_TEST

static double timeout_of(const struct test_case *c)
{
	double s = c->timeout_s ? c->timeout_s : 20;

	if (TEST_ASAN)
		s *= 3;
	if (TEST_TSAN)
		s *= 6;
	return slow() > 1 ? s * slow() : s;
}

/* Runs the case under Check; returns whether it passed, with a reason if not. */
static bool run_under_check(const struct test_case *c, char *text, size_t size)
{
	Suite *suite = suite_create("suite");
	TCase *tcase = tcase_create(c->name);
	SRunner *runner;
	TestResult **results;
	bool ok;

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, timeout_of(c));
	if (c->signal)
		tcase_add_test_raise_signal(tcase, run_case, c->signal);
	else
		tcase_add_test(tcase, run_case);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_SILENT);
	ok = srunner_ntests_failed(runner) == 0;
	results = srunner_results(runner);
	if (!ok)
		snprintf(text, size, "%s", tr_msg(results[0]));
	if (ok && !c->signal && !verdict->complete) {
		snprintf(text, size, "the case ended by exit(0)");
		ok = false;
	}
	free(results);
	srunner_free(runner);
	return ok;
}

static void say_failed(const char *suite, const char *name, const char *text)
{
	failed++;
	printf("FAIL %s/%s: %s\n%s%s%s     COPAGE_TEST_SEED=%llu\n", suite, name, text,
	       verdict->note[0] ? "     while: " : "", verdict->note, verdict->note[0] ? "\n" : "",
	       (unsigned long long)seed);
}

static void say_skipped(const char *suite, const char *name, const char *why)
{
	skipped++;
	printf("SKIP %s/%s: %s\n", suite, name, why);
}

static const char *unmet_need(const struct test_case *c)
{
	if ((c->needs & TEST_ROOT || c->tmpfs_bytes) && geteuid() != 0)
		return "needs root";
	if (c->needs & TEST_SLOW && !slow())
		return "slow: set COPAGE_TEST_SLOW=1";
	return NULL;
}

static void run_one(const char *suite, const struct test_case *c)
{
	char text[2000] = "", left[1000];
	int64_t start = test_now_ns();
	bool ok;

	if (unmet_need(c)) {
		say_skipped(suite, c->name, unmet_need(c));
		return;
	}
	if (!root_make(c, text, sizeof(text))) {
		say_skipped(suite, c->name, text);
		return;
	}
	current = c;
	random_state = seed;
	memset(verdict, 0, sizeof(*verdict));
	ok = run_under_check(c, text, sizeof(text));
	if (verdict->state == SKIPPED) {
		say_skipped(suite, c->name, verdict->text);
	} else if (verdict->state == FAILED) {
		say_failed(suite, c->name, verdict->text);
	} else if (!ok) {
		say_failed(suite, c->name, text);
	} else if (c->check & TEST_EMPTY_ROOT && root_left(left, sizeof(left))) {
		snprintf(text, sizeof(text), "the case leaves in its root:%s", left);
		say_failed(suite, c->name, text);
	} else {
		passed++;
		printf("ok   %s/%s (%.2f s)\n", suite, c->name,
		       (double)(test_now_ns() - start) / 1e9);
	}
	root_remove(c->tmpfs_bytes != 0);
}

static bool wanted(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (fnmatch(argv[i], name, 0) == 0)
			return true;
	return argc <= 1;
}

int test_main(const char *suite, const struct test_case *cases, int argc, char **argv)
{
	const char *given = getenv("COPAGE_TEST_SEED");

	runner_pid = getpid();
	setvbuf(stdout, NULL, _IOLBF, 0);
	seed = given ? strtoull(given, NULL, 10) : (uint64_t)test_now_ns();
	verdict = mmap(NULL, sizeof(*verdict), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	if (verdict == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	for (const struct test_case *c = cases; c->name; c++)
		if (wanted(c->name, argc, argv))
			run_one(suite, c);
	printf("%s: %u passed, %u failed, %u skipped\n", suite, passed, failed, skipped);
	munmap(verdict, sizeof(*verdict));
	return failed > 0 || passed + skipped == 0;
}
