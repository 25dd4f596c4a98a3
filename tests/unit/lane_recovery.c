/*
 * tests/unit/lane_recovery.c - a writer that is killed between any two of its stores
 *
 * A child does one operation on a shared lane and is single-stepped. Whenever the lane's bytes
 * have changed, what would be there if it were killed now is copied and tried: every message that
 * was committed is there, once, in order, whole; nothing else shows; readers who stood anywhere
 * go on; a successor goes on writing, and nobody has to wait for the dead.
 */
#include "lane_box.h"

#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STANDS_MAX = 12 };

/* What a successor sends, after the death. */
typedef void plan(struct cop__lane_writer *writer, uint64_t step);

struct scene {
	const char *name;
	uint32_t segments;
	uint64_t rounds; /* segments to be filled before */
	int rest; /* bytes to be left in the segment then; -1: as it comes */
	void (*act)(struct box *box); /* the operation to be killed in */
};

struct state {
	const struct scene *scene;
	struct box box; /* the live one, which the child writes */
	uint64_t sequence; /* of the next message, before the operation */
	uint64_t oldest; /* the oldest message that a reader may still want */
	struct cop__lane_reader stands[STANDS_MAX]; /* readers who wait before the operation */
	size_t stand_count;
	uint8_t *before, *copy; /* bytes of the lane: last looked at, and to be tried */
	uint8_t *pristine; /* the copy, before a plan is tried on it */
	unsigned tried;
};

/* ---- what a successor does ---- */

static void send_small(struct cop__lane_writer *writer, uint64_t step)
{
	box_send(writer, step < 20 ? step % 4 * 8 : 9000);
}

static void send_large(struct cop__lane_writer *writer, uint64_t step)
{
	box_send(writer, 5000 + step % 777);
}

/* As large as fits, so that segments end exactly full and no pad is written. */
static void send_to_the_end(struct cop__lane_writer *writer, uint64_t step)
{
	size_t rest = box_rest(writer);

	if (rest > 12000 && step > 0)
		box_send(writer, 10000);
	else if (rest >= 264)
		box_send(writer, rest / 3);
	else if (rest >= 8)
		box_send(writer, rest - 8);
	else
		box_send(writer, 5000);
}

/* ---- what must hold ---- */

/* The same reader, on another copy of the lane. */
static struct cop__lane_reader moved(const struct cop__lane_reader *reader, const uint8_t *from,
				     const uint8_t *to)
{
	struct cop__lane_reader copy = *reader;

	copy.base = to;
	copy.hot = (const struct cop__lane_hot *)(to + COP__LANE_HOT_OFFSET);
	copy.at = to + (reader->at - from);
	copy.segment = to + (reader->segment - from);
	copy.end = to + (reader->end - from);
	return copy;
}

static struct cop__lane_reader stand(const struct state *state, size_t i)
{
	return moved(&state->stands[i], state->box.base, state->copy);
}

/* What everybody can read, without a successor: how far the dead one came. */
static uint64_t committed(struct state *state)
{
	struct cop__record record;
	uint64_t end = 0;

	for (size_t i = 0; i < state->stand_count; i++) {
		struct cop__lane_reader reader = stand(state, i);
		int rc;

		while ((rc = cop__lane_peek(&reader, &record)) == 1)
			box_take(&reader, reader.sequence);
		must_rc(rc, 0);
		if (i == 0)
			end = reader.sequence;
		must_u64(reader.sequence, ==, end); /* all see the same */
	}
	must_u64(end, >=, state->sequence);
	return end;
}

/* Readers who come while there is no writer. */
enum { LATE = 2 };

static void come_late(struct state *state, struct cop__lane_reader late[LATE])
{
	for (int i = 0; i < LATE; i++)
		cop__lane_reader_open(&late[i], state->copy, &state->box.shape);
	must_rc(cop__lane_seek_newest(&late[0]), 0);
	must_rc(cop__lane_seek_oldest(&late[1]), 0);
}

/* Each step of the plan reaches every reader; no roll waits for somebody who has read all. */
static void go_on(struct state *state, plan *send, struct cop__lane_writer *writer,
		  const struct cop__lane_reader late[LATE])
{
	struct cop__lane_reader readers[STANDS_MAX + LATE];
	uint64_t until = writer->number + 2ull * state->scene->segments + 2;
	size_t count = state->stand_count;

	for (size_t i = 0; i < count; i++)
		readers[i] = stand(state, i);
	for (size_t i = 0; i < LATE; i++)
		readers[count++] = late[i];
	for (size_t i = 0; i < count; i++)
		box_take_all(&readers[i], writer);
	for (uint64_t step = 0; writer->number < until; step++) {
		struct cop__lane_writer next = *writer;

		must_u64(cop__lane_announce(&next), <=, cop__lane_position(&readers[0]));
		send(writer, step);
		for (size_t i = 0; i < count; i++)
			box_take_all(&readers[i], writer);
	}
}

static void recover(struct state *state, uint64_t end, plan *send)
{
	struct cop__lane_writer writer;
	struct cop__lane_reader reader, late[LATE];

	memcpy(state->copy, state->pristine, state->box.size);
	come_late(state, late);
	must_u64(late[0].sequence, ==, end);
	must_u64(late[1].sequence, <=, state->oldest);
	must_rc(cop__lane_writer_open(&writer, state->copy, &state->box.shape, "copy"), 0);
	must_u64(writer.sequence, ==, end);

	/* Who comes now finds the oldest, the newest, and every message between. */
	cop__lane_reader_open(&reader, state->copy, &state->box.shape);
	must_rc(cop__lane_seek_oldest(&reader), 0);
	must_u64(reader.sequence, <=, state->oldest);
	box_take_all(&reader, &writer);
	must_rc(cop__lane_seek_newest(&reader), 0);
	box_take_all(&reader, &writer);
	for (uint64_t s = state->oldest; s <= end; s++)
		must_rc(cop__lane_seek_sequence(&reader, s), 0);
	/* Who was away finds his place. */
	for (size_t i = 0; i < state->stand_count; i++) {
		must_rc(cop__lane_seek_position(&reader, cop__lane_position(&state->stands[i])), 0);
		must_u64(reader.sequence, ==, state->stands[i].sequence);
	}
	go_on(state, send, &writer, late);
}

static void try_as_if_killed(struct state *state)
{
	static plan *const plans[] = { send_small, send_large, send_to_the_end };

	memcpy(state->pristine, state->box.base, state->box.size);
	memcpy(state->copy, state->pristine, state->box.size);

	uint64_t end = committed(state);

	for (size_t i = 0; i < sizeof(plans) / sizeof(*plans); i++)
		recover(state, end, plans[i]);
	/* The successor may be killed as well, and again. */
	for (int i = 0; i < 2; i++) {
		struct cop__lane_writer writer;

		memcpy(state->copy, state->pristine, state->box.size);
		must_rc(cop__lane_writer_open(&writer, state->copy, &state->box.shape, "copy"), 0);
		box_send(&writer, 0);
		memcpy(state->pristine, state->copy, state->box.size);
		recover(state, end + 1 + (uint64_t)i, send_small);
	}
	state->tried++;
}

/* ---- stepping ---- */

static _Noreturn void act_and_exit(struct state *state)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
		_exit(77);
	raise(SIGSTOP);
	state->scene->act(&state->box);
	raise(SIGSTOP); /* nothing behind this is of interest */
	_exit(0);
}

static void step_through(struct state *state)
{
	pid_t child = fork();
	int status;

	must_int(child, >=, 0);
	if (child == 0)
		act_and_exit(state);
	must_int(waitpid(child, &status, 0), ==, child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		SKIP("ptrace is not allowed here");
	must(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	for (;;) {
		must_int(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL), ==, 0);
		must_int(waitpid(child, &status, 0), ==, child);
		must(WIFSTOPPED(status));
		if (memcmp(state->before, state->box.base, state->box.size) != 0) {
			memcpy(state->before, state->box.base, state->box.size);
			try_as_if_killed(state);
		}
		if (WSTOPSIG(status) == SIGSTOP)
			break;
		must_int(WSTOPSIG(status), ==, SIGTRAP);
	}
	must_int(kill(child, SIGKILL), ==, 0);
	must_int(waitpid(child, &status, 0), ==, child);
}

/* ---- scenes ---- */

static void fill_rounds(struct box *box, const struct scene *scene)
{
	for (uint64_t i = 0; box->writer.number < scene->rounds; i++)
		box_send(&box->writer, 7000 + i % 5 * 900);
	box_send(&box->writer, 7000);
	if (scene->rest >= 0) {
		while (box_rest(&box->writer) > (size_t)scene->rest + 9000)
			box_send(&box->writer, 8000);
		box_send_until_rest(&box->writer, (size_t)scene->rest);
	}
}

/* Readers at every message that a lossless reader may be at while the next segment is opened. */
static void take_stands(struct state *state)
{
	struct cop__record record;
	struct cop__lane_writer asked = state->box.writer;
	uint64_t low = cop__lane_announce(&asked);
	struct cop__lane_reader reader = box_reader(&state->box);
	uint64_t every;

	state->sequence = state->box.writer.sequence;
	must_u64(reader.number * BOX_SEGMENT, >=, low);
	state->oldest = reader.sequence;
	every = 1 + (state->sequence - state->oldest) / (STANDS_MAX - 4);
	for (;;) {
		uint64_t left = state->sequence - reader.sequence;

		if (left % every == 0)
			state->stands[state->stand_count++] = reader;
		if (left == 0)
			break;
		box_take(&reader, reader.sequence);
	}
	/* And one who has looked for more, and so may stand beyond the last record. */
	must_rc(cop__lane_peek(&reader, &record), 0);
	state->stands[state->stand_count++] = reader;
}

static void play(const struct scene *scene)
{
	struct state state = { .scene = scene };
	struct box *box = &state.box;

	if (TEST_TSAN)
		SKIP("one process at a time: nothing for ThreadSanitizer");

	box_open_at(box, scene->segments, UINT32_MAX - 20, 5);
	fill_rounds(box, scene);
	state.before = box_memory(box->size);
	state.copy = box_memory(box->size);
	state.pristine = box_memory(box->size);
	take_stands(&state);
	memcpy(state.before, box->base, box->size);
	test_note("%s: %u segments, segment %llu", scene->name, scene->segments,
		  (unsigned long long)scene->rounds);
	step_through(&state);
	if (state.tried == 0)
		test_fail(__FILE__, __LINE__, "scene %s stored nothing", scene->name);
	box_memory_free(state.before, box->size);
	box_memory_free(state.copy, box->size);
	box_memory_free(state.pristine, box->size);
	box_close(box);
}

static void act_send_0(struct box *box)
{
	box_send(&box->writer, 0);
}

static void act_send_24(struct box *box)
{
	box_send(&box->writer, 24);
}

static void act_send_300(struct box *box)
{
	box_send(&box->writer, 300);
}

static void act_commit_less(struct box *box)
{
	box_reserve(&box->writer, 300);
	memset(box->writer.room, 0xff, 300);
	cop__lane_commit(&box->writer, 0);
}

static void act_fill_up(struct box *box)
{
	box_send(&box->writer, box_rest(&box->writer) - 8);
}

/* A reservation can need the next segment and then be given up; and so can the one after it. */
static void act_roll_twice(struct box *box)
{
	(void)cop__lane_announce(&box->writer);
	cop__lane_roll(&box->writer);
	(void)cop__lane_announce(&box->writer);
	cop__lane_roll(&box->writer);
	box_send(&box->writer, 8);
}

static void act_reopen(struct box *box)
{
	struct cop__lane_writer successor;

	cop__lane_set_closed(&box->writer, true);
	(void)cop__lane_writer_open(&successor, box->base, &box->shape, "box");
	cop__lane_set_closed(&successor, false);
	box_send(&successor, 16);
}

/* With as many segments, at the first round, when slots are fresh, and later. */
static void play_everywhere(const char *name, int rest, void (*act)(struct box *box))
{
	for (uint32_t segments = 2; segments <= 3; segments++) {
		for (uint64_t rounds = 5; rounds <= 5 + segments; rounds++) {
			const struct scene scene = { name, segments, rounds, rest, act };

			play(&scene);
		}
	}
}

static void while_it_commits(void)
{
	play_everywhere("commit 0", -1, act_send_0);
	play_everywhere("commit 24", -1, act_send_24);
	play_everywhere("commit 300", -1, act_send_300);
	play_everywhere("commit less", -1, act_commit_less);
}

static void while_it_fills_a_segment(void)
{
	play_everywhere("fill up 8", 8, act_fill_up);
	play_everywhere("fill up 16", 16, act_fill_up);
	play_everywhere("fill up 64", 64, act_fill_up);
}

static void while_it_rolls_behind_a_pad(void)
{
	play_everywhere("roll, rest 8", 8, act_send_24);
	play_everywhere("roll, rest 16", 16, act_send_24);
	play_everywhere("roll, rest 104", 104, act_send_300);
	play_everywhere("roll, rest 128", 128, act_commit_less);
}

static void while_it_rolls_from_a_full_segment(void)
{
	play_everywhere("roll, full", 0, act_send_24);
	play_everywhere("roll, full, large", 0, act_send_300);
}

static void while_it_comes_back(void)
{
	play_everywhere("reopen", -1, act_reopen);
	play_everywhere("reopen, full", 0, act_reopen);
}

static void while_it_leaves_a_segment_empty(void)
{
	const struct scene scene = { "roll twice", 4, 6, 30000, act_roll_twice };

	play(&scene);
}

static const struct test_case cases[] = {
	TEST(while_it_commits),
	TEST(while_it_fills_a_segment),
	TEST(while_it_rolls_behind_a_pad),
	TEST(while_it_rolls_from_a_full_segment),
	TEST(while_it_comes_back),
	TEST(while_it_leaves_a_segment_empty),
	{ 0 },
};
TEST_MAIN("lane_recovery", cases)
