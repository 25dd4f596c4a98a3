/*
 * bench/bench.h - the words of the benchmark
 *
 * A *party* is a way to get a message from one process to another: Copage, a peer, or a limit of
 * the machine. It runs in two processes, its *sides*, left and right, each pinned to a
 * processor. A *cell* is what is measured: a kind and a size. A *measurement* is one party at
 * one cell, once, for some milliseconds; a *pass* is one measurement of every party at every
 * cell.
 *
 *   STREAM   left sends messages, right receives them, both spin; messages per second
 *   TRIP     left sends one and waits for right's answer, both spin; the time of each
 *   SLEEP    the same, and whoever waits sleeps
 *
 * A party is a table of functions (struct party) in a file of its own; parties.c lists them. Its
 * inner loops are made by including loops.h, so that every party's are the same.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum kind { STREAM, TRIP, SLEEP, KINDS };

struct cell {
	enum kind kind;
	size_t size; /* of a message in bytes, a multiple of 8 */
};

enum {
	SIZE_MAX_BYTES = 1 << 20,
	SAMPLES_MAX = 1 << 16, /* round trips of one measurement */
	CELLS_MAX = 32,
	PARTIES_MAX = 32,
	LINE = 64, /* bytes that move between processors as one; so on all that we know */
};

/* What both sides of a party inherit: made by prepare() before they are forked. */
struct link {
	const struct party *party;
	unsigned char *memory; /* party->memory_bytes, shared, zero, populated */
	int fds[4]; /* the party's, -1 for none */
	char topic[2][80]; /* the party's */
};

/* One of the two processes of a party. */
struct side {
	const struct link *link;
	bool left; /* sends a stream, begins a round trip */
	void *own; /* of the party: what open() made */
	unsigned char *buffer; /* private, SIZE_MAX_BYTES, for parties that copy */
	/* the measurement */
	enum kind kind;
	size_t size;
	uint64_t count; /* messages */
	uint64_t number; /* of the measurement: 1, 2, 3, ... */
	uint64_t sum; /* of all words received */
	uint32_t *samples; /* ticks of each round trip, at most SAMPLES_MAX */
	char error[160]; /* says more about a failure, may be empty */
};

/*
 * The loops of one side of one measurement: 0 or a negative errno. All messages are of
 * side->size bytes, message i is payload_fill()ed with payload_first(i) and summed when received.
 */
typedef int side_loop(struct side *side);

struct loops {
	side_loop *stream_out, *stream_in;
	side_loop *trip_out, *trip_in;
};

enum {
	PARTY_LIMIT = 1 << 0, /* of the machine: what others are measured against */
	PARTY_SOLO = 1 << 1, /* left works alone; right only keeps its processor quiet */
	PARTY_PLACE = 1 << 2, /* measured around every other, to tell where the processors are */
};

struct party {
	const char *name;
	const char *what; /* in one line, for the reader of the table */
	unsigned flags; /* PARTY_* */
	unsigned kinds; /* 1 << STREAM and so on */
	size_t size_min, size_max; /* of messages; 0: any */
	size_t memory_bytes;
	long variant; /* for the party: several parties may share functions */
	struct loops loops;
	int (*prepare)(struct link *link); /* each of the four may be NULL */
	int (*open)(struct side *side);
	void (*close)(struct side *side);
	void (*clean_up)(struct link *link); /* after both sides have ended */
};

extern const struct party *const parties[]; /* ends with NULL */

bool party_does(const struct party *party, struct cell cell);

/* Those whose sides cannot be found by name in parties.c: two variants of one file and so on. */
extern const struct party party_line, party_memcpy_cache, party_memcpy_memory;
extern const struct party party_ring, party_futex;
extern const struct party party_copage_send, party_copage_reserve, party_copage_sleep;
extern const struct party party_pipe, party_pipe_sleep;
extern const struct party party_stream, party_stream_sleep;
extern const struct party party_seqpacket, party_seqpacket_sleep;

/* What one side has to say after a measurement. */
struct answer {
	int rc; /* 0 or a negative errno; then error says more */
	char error[160];
	double elapsed_ns;
	double run_ns; /* processor time that it got */
	double wait_ns; /* it was ready to run, and somebody else had the processor */
	uint64_t sleeps; /* how often it gave the processor up by itself */
	/* TRIP and SLEEP, left: nanoseconds */
	uint64_t trips;
	double p50, p99, p999, max;
};

struct order {
	struct cell cell;
	uint64_t count;
	uint64_t number;
};

/* What a process does who is side of a party; never returns. line leads to the runner. */
_Noreturn void side_run(struct side *side, int line, void *barrier, int cpu);

/* A party and its two processes. */
struct pair {
	struct link link;
	void *barrier;
	pid_t pid[2];
	int line[2]; /* -1: not running */
	uint64_t number; /* of the last order */
	struct cell failed_at;
	char error[200]; /* why it is given up; empty: it is not */
};

int pair_start(struct pair *pair, const struct party *party, const int cpu[2]);
int pair_measure(struct pair *pair, struct cell cell, uint64_t count, struct answer answer[2]);
void pair_stop(struct pair *pair);

#endif
