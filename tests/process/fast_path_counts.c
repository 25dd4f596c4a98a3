/*
 * tests/process/fast_path_counts.c - when nobody sleeps, a message costs no system call and no
 * allocation: counted, not believed
 *
 * A workload runs in a child that is traced: the kernel stops it at every system call, and the
 * tracer counts the call for the step, the message, at which the child says that it is. Allocations
 * are counted by the child itself, whose malloc is ours. What a call does once per segment is
 * allowed, within reason: a step at which a message does not lie right behind the one before it.
 */
#include "support/test.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <copage/copage.h>

enum {
	STEPS_MAX = 100000,
	CALLS_KEPT = 16,
	/* of a new segment: the publisher lists members, asks for their lives, wakes */
	CALLS_PER_SEGMENT_MAX = 64,
};

/* What child and tracer share. */
struct watch {
	size_t step; /* the child's; 0: nothing is counted */
	uint8_t calls[STEPS_MAX + 1];
	uint8_t allocations[STEPS_MAX + 1];
	uint8_t segment[STEPS_MAX + 1]; /* the child: a new segment begins here */
	uint64_t numbers[CALLS_KEPT]; /* of the system calls that were counted last */
	size_t kept;
};

/* Two, where two processes are watched; a child has one of them as its own. */
static struct watch *watches[2], *watch;

static void count_allocation(void)
{
	if (watch && watch->step > 0)
		watch->allocations[watch->step]++;
}

/* --- allocations ------------------------------------------------------------------------- */

#if TEST_ASAN || TEST_TSAN
void __sanitizer_malloc_hook(const volatile void *place, size_t size);
void __sanitizer_malloc_hook(const volatile void *place, size_t size)
{
	(void)place;
	(void)size;
	count_allocation();
}
#else
/* The C library finds these first, and has kept its own under other names. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *place, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size)
{
	count_allocation();
	return __libc_malloc(size);
}

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): glibc's are reserved */
void *calloc(size_t count, size_t size)
{
	count_allocation();
	return __libc_calloc(count, size);
}

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): glibc's are reserved */
void *realloc(void *place, size_t size)
{
	count_allocation();
	return __libc_realloc(place, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	count_allocation();
	return __libc_memalign(alignment, size);
}
#endif

/* --- the child --------------------------------------------------------------------------- */

/* Say at which step we are: the compiler may not move the work across. */
static void step(size_t n)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	__atomic_store_n(&watch->step, n, __ATOMIC_RELAXED);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* Messages of one size that lie one behind the other are equally far apart; the next segment
 * begins where they are not. */
struct places {
	uintptr_t last, apart;
};

static void note_place(struct places *places, size_t n, const struct cop_msg *msg)
{
	uintptr_t at = (uintptr_t)msg->data;
	uintptr_t apart = at - places->last;

	if (places->last && places->apart && apart != places->apart)
		watch->segment[n] = 1;
	else if (places->last)
		places->apart = apart;
	places->last = at;
}

/* What each workload does: so many steps, each one or more messages. */
struct work {
	size_t size; /* of messages */
	size_t steps;
	struct cop_pub *pub[2];
	struct cop_sub *sub[2];
};

typedef void run_work(struct work *w);

static void open_pub(struct work *w, int i)
{
	must_rc(cop_pub_open(&w->pub[i], "counts", NULL), 0);
}

static void open_sub(struct work *w, int i, uint32_t kind, uint32_t flags)
{
	struct cop_sub_opts opts = COP_SUB_OPTS_INIT;

	opts.kind = kind;
	opts.flags = flags;
	must_rc(cop_sub_open(&w->sub[i], "counts", &opts), 0);
}

static unsigned char payload[64 << 10];

static void send_one(struct work *w, int i)
{
	must_rc(cop_pub_send(w->pub[i], payload, w->size), 0);
}

static void next_one(struct work *w, int i, struct cop_msg *msg)
{
	must_rc(cop_sub_next(w->sub[i], msg, -1), 1);
	must_u64(msg->size, ==, w->size);
}

/* Both sides know each other, and all code and data have been touched. */
static void warm_up(struct work *w)
{
	struct cop_msg msg;

	for (int n = 0; n < 100; n++)
		for (int p = 0; p < 2 && w->pub[p]; p++) {
			send_one(w, p);
			for (int s = 0; s < 2 && w->sub[s]; s++)
				next_one(w, s, &msg);
		}
	for (int s = 0; s < 2 && w->sub[s]; s++)
		must_rc(cop_sub_next(w->sub[s], &msg, 0), -EAGAIN);
}

static void close_all(struct work *w)
{
	for (int i = 0; i < 2; i++) {
		cop_sub_close(&w->sub[i]);
		cop_pub_close(&w->pub[i]);
	}
}

/* Each message is sent, and received by everyone, before the next. */
static void send_and_receive(struct work *w)
{
	struct places places = { 0 };
	struct cop_msg msg = { 0 };

	warm_up(w);
	for (size_t n = 1; n <= w->steps; n++) {
		step(n);
		for (int p = 0; p < 2 && w->pub[p]; p++) {
			send_one(w, p);
			for (int s = 0; s < 2 && w->sub[s]; s++)
				next_one(w, s, &msg);
		}
		step(0);
		note_place(&places, n, &msg);
	}
	close_all(w);
}

static void work_send(struct work *w)
{
	open_pub(w, 0);
	open_sub(w, 0, COP_SUB_LOSSLESS, 0);
	send_and_receive(w);
}

static void work_many(struct work *w)
{
	open_pub(w, 0);
	open_pub(w, 1);
	open_sub(w, 0, COP_SUB_LOSSLESS, 0);
	open_sub(w, 1, COP_SUB_LOSSLESS, 0);
	send_and_receive(w);
}

static void work_in_place(struct work *w)
{
	struct places places = { 0 };
	struct cop_msg msg;
	void *room;

	open_pub(w, 0);
	open_sub(w, 0, COP_SUB_LOSSLESS, 0);
	warm_up(w);
	for (size_t n = 1; n <= w->steps; n++) {
		step(n);
		must_rc(cop_pub_reserve(w->pub[0], w->size, &room), 0);
		cop_pub_abort(w->pub[0]);
		must_rc(cop_pub_reserve(w->pub[0], w->size, &room), 0);
		memset(room, (int)n, w->size);
		must_rc(cop_pub_commit(w->pub[0], w->size), 0);
		next_one(w, 0, &msg);
		cop_sub_release(w->sub[0]);
		step(0);
		note_place(&places, n, &msg);
	}
	close_all(w);
}

/* Lossy readers copy, so their data says nothing about segments: another one's does. */
static void work_lossy(struct work *w)
{
	open_pub(w, 0);
	open_sub(w, 0, COP_SUB_LOSSY, 0);
	open_sub(w, 1, COP_SUB_LOSSY, COP_SUB_IN_PLACE);
	send_and_receive(w);
}

static void work_latest(struct work *w)
{
	open_pub(w, 0);
	open_sub(w, 0, COP_SUB_LATEST, 0);
	open_sub(w, 1, COP_SUB_LOSSY, COP_SUB_IN_PLACE);
	send_and_receive(w);
}

/* To look and find nothing costs nothing either. */
static void work_nothing_there(struct work *w)
{
	struct cop_msg msg;

	open_pub(w, 0);
	open_sub(w, 0, COP_SUB_LOSSLESS, 0);
	warm_up(w);
	for (size_t n = 1; n <= w->steps; n++) {
		step(n);
		must_rc(cop_sub_next(w->sub[0], &msg, 0), -EAGAIN);
		step(0);
	}
	close_all(w);
}

/* Two processes that spin: each message is answered before the next. */
static void there_and_back(struct work *w, const char *out, const char *in, bool first)
{
	struct cop_sub_opts opts = COP_SUB_OPTS_INIT;
	struct places places = { 0 };
	struct cop_msg msg;

	opts.spin_ns = 60000000000; /* nobody sleeps, however busy the machine is */
	must_rc(cop_sub_open(&w->sub[0], in, &opts), 0);
	must_rc(cop_pub_open(&w->pub[0], out, NULL), 0);
	must_rc(cop_pub_wait(w->pub[0], 1, -1), 1);
	for (size_t n = 0; n < 100 + w->steps; n++) {
		step(n < 100 ? 0 : n - 99); /* the first hundred are for getting to know */
		if (first)
			send_one(w, 0);
		next_one(w, 0, &msg);
		if (!first)
			send_one(w, 0);
		step(0);
		if (n >= 100)
			note_place(&places, n - 99, &msg);
	}
	cop_sub_release(w->sub[0]);
	must_rc(cop_pub_drain(w->pub[0], -1), 0);
	close_all(w);
}

static void work_ask(struct work *w)
{
	there_and_back(w, "there", "back", true);
}

static void work_answer(struct work *w)
{
	there_and_back(w, "back", "there", false);
}

/* Nobody there: the oldest give way. */
static void work_no_subscriber(struct work *w)
{
	struct places places = { 0 };
	void *room;

	open_pub(w, 0);
	for (size_t n = 1; n <= w->steps; n++) {
		step(n);
		must_rc(cop_pub_reserve(w->pub[0], w->size, &room), 0);
		must_rc(cop_pub_commit(w->pub[0], w->size), 0);
		step(0);
		note_place(&places, n, &(struct cop_msg){ .data = room });
	}
	close_all(w);
}

/* The counters are worth nothing if they do not count. */
static void work_known(struct work *w)
{
	void *volatile place; /* a compiler leaves out what nobody looks at */

	for (size_t n = 1; n <= w->steps; n++) {
		step(n);
		if (n == 3)
			syscall(SYS_getppid);
		if (n == 5)
			place = malloc(w->size);
		step(0);
		if (n == 5)
			free(place);
	}
}

_Noreturn static void be_watched(run_work *run, struct work *w)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(77);
	raise(SIGSTOP);
	run(w);
	_exit(0); /* no leak check: it traces, and is traced already */
}

/* --- the tracer -------------------------------------------------------------------------- */

/* The child stands at the beginning or the end of a system call. */
static void note_call(pid_t pid, struct watch *w)
{
	struct __ptrace_syscall_info info;
	long size = ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info);

	must_int(size, >, 0);
	if (info.op != PTRACE_SYSCALL_INFO_ENTRY || w->step == 0)
		return;
	if (w->calls[w->step] < UINT8_MAX)
		w->calls[w->step]++;
	w->numbers[w->kept++ % CALLS_KEPT] = info.entry.nr;
}

/* Lets the children run to their ends; a signal that stops one is passed on. */
static void trace(const pid_t pid[2])
{
	int running = pid[1] ? 2 : 1, status;

	for (int i = 0; i < running; i++)
		must_int(ptrace(PTRACE_SYSCALL, pid[i], NULL, 0), ==, 0);
	while (running > 0) {
		pid_t who = waitpid(-1, &status, 0);
		int signal = 0;

		must(who == pid[0] || who == pid[1]);
		if (WIFEXITED(status)) {
			must_int(WEXITSTATUS(status), ==, 0);
			running--;
			continue;
		}
		must(WIFSTOPPED(status));
		if (WSTOPSIG(status) == (SIGTRAP | 0x80))
			note_call(who, watches[who == pid[0] ? 0 : 1]);
		else
			signal = WSTOPSIG(status);
		must_int(ptrace(PTRACE_SYSCALL, who, NULL, signal), ==, 0);
	}
}

/* Starts run in a child that waits to be traced. */
static pid_t start(int i, run_work *run, const struct work *work)
{
	struct work w = *work;
	int status;
	pid_t pid;

	watches[i] = mmap(NULL, sizeof(*watch), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			  -1, 0);
	must(watches[i] != MAP_FAILED);
	watch = watches[i];
	pid = fork();
	must_int(pid, >=, 0);
	if (pid == 0)
		be_watched(run, &w);
	must_int(waitpid(pid, &status, 0), ==, pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		SKIP("this process may not be traced");
	must(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	must_int(ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL),
		 ==, 0);
	return pid;
}

static void count_two(run_work *run, run_work *other, size_t size, size_t steps)
{
	struct work w = { .size = size, .steps = steps };
	pid_t pid[2] = { 0, 0 };

	if (TEST_TSAN)
		SKIP("TSan makes system calls of its own");
	must_u64(steps, <=, STEPS_MAX);
	pid[0] = start(0, run, &w);
	if (other)
		pid[1] = start(1, other, &w);
	trace(pid);
}

static void count(run_work *run, size_t size, size_t steps)
{
	count_two(run, NULL, size, steps);
}

/* Nothing within a segment, exactly; little where one begins. Several lanes change segments at
 * steps that lie side by side. There must be as many segments as expected, about: where none is
 * seen, none was looked at. */
static void must_be_free(const struct watch *w, size_t steps, size_t segments_wanted)
{
	size_t segments = 0;

	for (size_t n = 1; n <= steps; n++) {
		bool near_new = w->segment[n] || w->segment[n - 1] ||
				(n < steps && w->segment[n + 1]);

		segments += w->segment[n];
		if ((w->calls[n] > 0 && !near_new) || w->calls[n] > CALLS_PER_SEGMENT_MAX)
			test_fail(__FILE__, __LINE__,
				  "message %zu made %u system calls; the last one was number %llu",
				  n, w->calls[n],
				  (unsigned long long)w->numbers[(w->kept - 1) % CALLS_KEPT]);
		if (w->allocations[n] > 0 && !near_new)
			test_fail(__FILE__, __LINE__, "message %zu allocated %u times", n,
				  w->allocations[n]);
	}
	must_u64(segments, >=, segments_wanted / 2);
	must_u64(segments, <=, segments_wanted * 2);
	printf("     %zu messages, %zu segments, %zu system calls\n", steps, segments, w->kept);
}

/* --- cases ------------------------------------------------------------------------------- */

static void the_counters_count(void)
{
	count(work_known, 64, 7);
	must_int(watch->calls[3], ==, 1);
	must_u64(watch->numbers[0], ==, SYS_getppid);
	must_int(watch->allocations[5], ==, 1);
	for (size_t n = 1; n <= 7; n++) {
		must(n == 3 || watch->calls[n] == 0);
		must(n == 5 || watch->allocations[n] == 0);
	}
}

/* A segment takes a message of COP_MESSAGE_DEFAULT at least; these make about 7 MiB. */
enum { SMALL = 64, SEGMENTS = 7 };

static void send_and_next(void)
{
	count(work_send, SMALL, STEPS_MAX);
	must_be_free(watch, STEPS_MAX, SEGMENTS);
}

static void reserve_commit_next_release(void)
{
	count(work_in_place, SMALL, STEPS_MAX);
	must_be_free(watch, STEPS_MAX, SEGMENTS);
}

static void of_no_bytes(void)
{
	count(work_send, 0, STEPS_MAX);
	must_be_free(watch, STEPS_MAX, 1);
}

static void of_64_kib(void)
{
	count(work_send, sizeof(payload), 2000);
	must_be_free(watch, 2000, 125);
}

static void two_publishers_two_subscribers(void)
{
	count(work_many, SMALL, STEPS_MAX);
	must_be_free(watch, STEPS_MAX, SEGMENTS);
}

static void lossy_readers(void)
{
	count(work_lossy, SMALL, STEPS_MAX);
	must_be_free(watch, STEPS_MAX, SEGMENTS);
}

static void latest_readers(void)
{
	count(work_latest, SMALL, STEPS_MAX);
	must_be_free(watch, STEPS_MAX, SEGMENTS);
}

static void nothing_there(void)
{
	count(work_nothing_there, SMALL, STEPS_MAX);
	must_be_free(watch, STEPS_MAX, 0);
}

static void no_subscriber(void)
{
	count(work_no_subscriber, SMALL, STEPS_MAX);
	must_be_free(watch, STEPS_MAX, SEGMENTS);
}

static void two_processes_that_spin(void)
{
	const size_t steps = 40000;
	cpu_set_t set;

	must_int(sched_getaffinity(0, sizeof(set), &set), ==, 0);
	if (CPU_COUNT(&set) < 2)
		SKIP("needs two processors");
	count_two(work_ask, work_answer, SMALL, steps);
	must_be_free(watches[0], steps, 3);
	must_be_free(watches[1], steps, 3);
}

static const struct test_case cases[] = {
	TEST(the_counters_count),
	TEST(send_and_next),
	TEST(reserve_commit_next_release),
	TEST(of_no_bytes),
	TEST(of_64_kib),
	TEST(two_publishers_two_subscribers),
	TEST(lossy_readers),
	TEST(latest_readers),
	TEST(nothing_there),
	TEST(no_subscriber),
	TEST(two_processes_that_spin, .timeout_s = 60),
	{ 0 },
};
TEST_MAIN("fast_path_counts", cases)
