/*
 * bench/side.c - one of the two processes of a party: does what it is told, and tells how it went
 *
 * Between measurements it sleeps in a read from its line to the runner. Before each, both sides
 * meet at a barrier in shared memory; nothing but the party's loop is inside of the timed part.
 */
#include "bench.h"
#include "clock.h"
#include "payload.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

struct barrier {
	struct {
		_Alignas(LINE) uint64_t number;
	} arrived[2];
};

/* What the kernel keeps about this process. */
struct usage {
	double run_ns, wait_ns;
	uint64_t sleeps;
};

static int schedstat_fd = -1;

static struct usage usage_now(void)
{
	struct usage u = { 0 };
	struct rusage r;
	char text[128];
	ssize_t n;

	/* "ran waited slices"; the first one is brought up to date only now and then. */
	n = schedstat_fd >= 0 ? pread(schedstat_fd, text, sizeof(text) - 1, 0) : -1;
	if (n > 0) {
		char *end;

		text[n] = '\0';
		strtoull(text, &end, 10);
		u.wait_ns = (double)strtoull(end, NULL, 10);
	}
	getrusage(RUSAGE_SELF, &r);
	u.sleeps = (uint64_t)r.ru_nvcsw;
	u.run_ns = (double)clock_read_ns(CLOCK_PROCESS_CPUTIME_ID);
	return u;
}

static void meet(struct barrier *barrier, const struct side *side)
{
	__atomic_store_n(&barrier->arrived[side->left].number, side->number, __ATOMIC_RELEASE);
	while (__atomic_load_n(&barrier->arrived[!side->left].number, __ATOMIC_ACQUIRE) <
	       side->number)
		relax();
}

static int compare_samples(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Exact percentiles: docs/decisions has why this is a sorted array and not a histogram. */
static void summarise_trips(const struct side *side, struct answer *answer)
{
	uint64_t n = side->count;
	double ns = tick_ns();
	size_t p50 = n / 2, p99 = n * 99 / 100, p999 = n * 999 / 1000;

	qsort(side->samples, n, sizeof(side->samples[0]), compare_samples);
	answer->trips = n;
	answer->p50 = ns * side->samples[p50];
	answer->p99 = ns * side->samples[p99];
	answer->p999 = ns * side->samples[p999];
	answer->max = ns * side->samples[n - 1];
}

static side_loop *loop_of(const struct side *side)
{
	const struct loops *loops = &side->link->party->loops;

	if (side->kind == STREAM)
		return side->left ? loops->stream_out : loops->stream_in;
	return side->left ? loops->trip_out : loops->trip_in;
}

static void check_sum(const struct side *side, struct answer *answer)
{
	uint64_t want = payload_total(side->count, side->size);
	bool receives = side->kind != STREAM || !side->left;

	if (side->link->party->flags & PARTY_SOLO || !receives || side->sum == want)
		return;
	answer->rc = -EBADMSG;
	snprintf(answer->error, sizeof(answer->error),
		 "the payload received is not what was sent: sum %llx, not %llx",
		 (unsigned long long)side->sum, (unsigned long long)want);
}

static void measure(struct side *side, struct barrier *barrier, struct answer *answer)
{
	side_loop *loop = loop_of(side);
	struct usage before, after;
	uint64_t start, end;

	side->sum = 0;
	side->error[0] = '\0';
	before = usage_now();
	meet(barrier, side);
	start = now_ns();
	answer->rc = loop ? loop(side) : 0;
	end = now_ns();
	after = usage_now();
	answer->elapsed_ns = (double)(end - start);
	answer->run_ns = after.run_ns - before.run_ns;
	answer->wait_ns = after.wait_ns - before.wait_ns;
	answer->sleeps = after.sleeps - before.sleeps;
	if (answer->rc < 0) {
		snprintf(answer->error, sizeof(answer->error), "%s",
			 side->error[0] ? side->error : strerror(-answer->rc));
		return;
	}
	check_sum(side, answer);
	if (side->kind != STREAM && side->left)
		summarise_trips(side, answer);
}

static void *must_map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		_exit(1);
	return p;
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

void side_run(struct side *side, int line, void *barrier, int cpu)
{
	const struct party *party = side->link->party;
	struct order order;
	struct answer answer = { 0 };

	/* An interrupt from the terminal is the runner's business; its end is ours too. */
	signal(SIGINT, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pin(cpu);
	schedstat_fd = open("/proc/self/schedstat", O_RDONLY | O_CLOEXEC);
	side->buffer = must_map(SIZE_MAX_BYTES);
	side->samples = must_map(SAMPLES_MAX * sizeof(side->samples[0]));
	answer.rc = party->open ? party->open(side) : 0;
	if (answer.rc < 0)
		snprintf(answer.error, sizeof(answer.error), "%s",
			 side->error[0] ? side->error : strerror(-answer.rc));
	for (;;) {
		if (send(line, &answer, sizeof(answer), MSG_NOSIGNAL) != sizeof(answer) ||
		    recv(line, &order, sizeof(order), 0) != sizeof(order) || order.count == 0)
			break;
		side->kind = order.cell.kind;
		side->size = order.cell.size;
		side->count = order.count;
		side->number = order.number;
		memset(&answer, 0, sizeof(answer));
		measure(side, barrier, &answer);
	}
	if (party->close)
		party->close(side);
	_exit(0);
}
