/*
 * tests/unit/lane_interleave.c - the writer strikes between any two instructions of a reader
 *
 * A child does one thing as a reader on a shared lane. It is single-stepped to some instruction;
 * there the writer does something, at once and whole; then the child goes on to its end, and reads
 * on from where it stands. So on for every instruction, or for some where there are very many.
 */
#include "lane_box.h"

#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a reader found, in memory that child and parent share. */
struct found {
	int rc;
	uint64_t sequence; /* where it stands */
	bool torn; /* it took a message that was not whole, and believed it */
	int read_on; /* result of the last peek when it read on; 0: up to the end */
	uint64_t end; /* where that ended */
};

typedef int reader_act(struct cop__lane_reader *reader, uint64_t goal, struct found *found);
typedef void writer_act(struct cop__lane_writer *writer);

struct scene {
	struct box box;
	uint8_t *before; /* the lane's bytes when the reader begins */
	struct cop__lane_writer writer; /* likewise */
	struct cop__lane_reader reader;
	reader_act *read;
	writer_act *write;
	uint64_t goal;
	uint64_t first, last; /* messages that were kept before */
	struct found *found;
};

/* ---- what readers do ---- */

static int seek_oldest(struct cop__lane_reader *reader, uint64_t goal, struct found *found)
{
	(void)goal;
	(void)found;
	return cop__lane_seek_oldest(reader);
}

static int seek_newest(struct cop__lane_reader *reader, uint64_t goal, struct found *found)
{
	(void)goal;
	(void)found;
	return cop__lane_seek_newest(reader);
}

static int seek_sequence(struct cop__lane_reader *reader, uint64_t goal, struct found *found)
{
	(void)found;
	return cop__lane_seek_sequence(reader, goal);
}

static int seek_position(struct cop__lane_reader *reader, uint64_t goal, struct found *found)
{
	(void)found;
	return cop__lane_seek_position(reader, goal);
}

/* Take one message by a copy that is checked. */
static int take(struct cop__lane_reader *reader, uint64_t goal, struct found *found)
{
	static uint8_t copy[BOX_SEGMENT];
	struct cop__record record;
	int rc = cop__lane_peek(reader, &record);

	(void)goal;
	if (rc == 1) {
		memcpy(copy, record.data, record.size);
		if (cop__lane_lapped(reader))
			return -EOVERFLOW;
		found->torn = !box_is_whole(copy, reader->sequence, record.size);
		cop__lane_pass(reader, &record);
	}
	return rc;
}

/* ---- what the writer does ---- */

static void send_one(struct cop__lane_writer *writer)
{
	box_send(writer, 24);
}

static void send_to_next_segment(struct cop__lane_writer *writer)
{
	box_send(writer, 50000);
}

static void send_round(struct cop__lane_writer *writer)
{
	for (int i = 0; i < 4; i++)
		box_send(writer, 50000);
}

/* ---- stepping ---- */

static _Noreturn void be_reader(struct scene *scene)
{
	struct found *found = scene->found;
	struct cop__lane_reader reader = scene->reader;
	struct cop__record record;
	int rc;

	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
		_exit(77);
	raise(SIGSTOP);
	found->rc = scene->read(&reader, scene->goal, found);
	raise(SIGSTOP);
	found->sequence = reader.sequence;
	while ((rc = cop__lane_peek(&reader, &record)) == 1) {
		if (!box_is_whole(record.data, reader.sequence, record.size) &&
		    !cop__lane_lapped(&reader))
			found->torn = true;
		cop__lane_pass(&reader, &record);
	}
	found->read_on = rc;
	found->end = reader.sequence;
	_exit(0);
}

static int wait_stop(pid_t child)
{
	int status;

	must_int(waitpid(child, &status, 0), ==, child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		SKIP("ptrace is not allowed here");
	must(WIFSTOPPED(status));
	return WSTOPSIG(status);
}

/* Let the child make so many steps, or all it has; returns how many it made. */
static long step(pid_t child, long steps)
{
	for (long i = 0; i < steps; i++) {
		must_int(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL), ==, 0);
		if (wait_stop(child) == SIGSTOP)
			return i;
	}
	return steps;
}

/* One run with the writer after so many steps; returns how many steps the reader made before. */
static long run(struct scene *scene, long steps)
{
	struct cop__lane_writer writer = scene->writer;
	int status;
	long made;

	memcpy(scene->box.base, scene->before, scene->box.size);
	*scene->found = (struct found){ 0 };

	pid_t child = fork();

	must_int(child, >=, 0);
	if (child == 0)
		be_reader(scene);
	must_int(wait_stop(child), ==, SIGSTOP);
	made = step(child, steps);
	scene->write(&writer);
	must_int(ptrace(PTRACE_CONT, child, NULL, NULL), ==, 0);
	if (made == steps) {
		must_int(wait_stop(child), ==, SIGSTOP);
		must_int(ptrace(PTRACE_CONT, child, NULL, NULL), ==, 0);
	}
	must_int(waitpid(child, &status, 0), ==, child);
	must_int(status, ==, 0);
	must_u64(writer.sequence, >, scene->last + 1);
	/* Whoever was not overrun after he had found his place has read everything. */
	if (scene->found->read_on != -EOVERFLOW) {
		must_rc(scene->found->read_on, 0);
		must_u64(scene->found->end, ==, writer.sequence);
	}
	must(!scene->found->torn);
	return made;
}

static void must_make_sense(const struct scene *scene)
{
	const struct found *found = scene->found;

	must(found->rc == 0 || found->rc == 1 || found->rc == -EOVERFLOW);
	if (scene->read == seek_oldest || scene->read == seek_newest)
		must_rc(found->rc, 0);
	if (scene->read == seek_newest)
		must_u64(found->sequence, >, scene->last);
	if (scene->read == seek_sequence && found->rc == 0)
		must_u64(found->sequence, ==, scene->goal);
	if (scene->read == seek_sequence && found->rc != 0)
		must_u64(found->sequence, >, scene->goal);
	if (scene->read == seek_position && found->rc == 0)
		must_u64(found->sequence, ==, scene->reader.sequence);
	if (scene->read == seek_position && found->rc != 0)
		must_u64(found->sequence, >=, scene->reader.sequence);
	if (scene->read == take && found->rc == 1)
		must_u64(found->sequence, ==, scene->reader.sequence + 1);
}

/* A step costs some 20 us. Instructions to leave out, so that there are about so many in all. */
static long stride_for(long total, long budget)
{
	return 1 + total * total / 2 / budget;
}

static long random_below(long end)
{
	return (long)(test_random() % (uint64_t)end);
}

static void run_everywhere(struct scene *scene, const char *name)
{
	long total, stride;

	if (TEST_TSAN)
		SKIP("two processes, one at a time: nothing for ThreadSanitizer");

	test_note("%s", name);
	total = run(scene, 1000000);
	must_make_sense(scene);
	stride = stride_for(total, test_scale(400, 3000));
	for (long at = random_below(stride); at < total; at += stride) {
		test_note("%s, after %ld of %ld instructions, goal %llu", name, at, total,
			  (unsigned long long)scene->goal);
		run(scene, at);
		must_make_sense(scene);
	}
}

/* ---- scenes ---- */

/* Three segments of few messages, which are quickly walked; so much is left in the last. */
static void scene_open(struct scene *scene, size_t rest)
{
	*scene = (struct scene){ 0 };
	box_open_at(&scene->box, 3, 100, 7);
	for (int i = 0; i < 7; i++)
		box_send(&scene->box.writer, i % 3 == 1 ? 100 : 30000); /* three in each */
	box_send(&scene->box.writer, box_rest(&scene->box.writer) - rest - 400);
	box_send_until_rest(&scene->box.writer, rest);
	scene->writer = scene->box.writer;
	scene->reader = box_reader(&scene->box);
	scene->first = scene->reader.sequence;
	scene->last = scene->writer.sequence - 1;
	scene->before = malloc(scene->box.size);
	must(scene->before);
	memcpy(scene->before, scene->box.base, scene->box.size);
	scene->found = (struct found *)(void *)box_memory(COP__PAGE);
}

static void scene_close(struct scene *scene)
{
	free(scene->before);
	box_memory_free((uint8_t *)scene->found, COP__PAGE);
	box_close(&scene->box);
}

static const struct {
	const char *name;
	writer_act *act;
} writers[] = {
	{ "the next message", send_one },
	{ "the next segment", send_to_next_segment },
	{ "a round", send_round },
};

static void play(size_t rest, reader_act *read)
{
	for (size_t i = 0; i < sizeof(writers) / sizeof(*writers); i++) {
		struct scene scene;

		scene_open(&scene, rest);
		scene.read = read;
		scene.write = writers[i].act;
		if (read == seek_sequence) {
			for (scene.goal = scene.first; scene.goal <= scene.last + 1;
			     scene.goal += 2)
				run_everywhere(&scene, writers[i].name);
		} else {
			run_everywhere(&scene, writers[i].name);
		}
		scene_close(&scene);
	}
}

static void while_it_seeks_the_oldest(void)
{
	play(16, seek_oldest);
	play(0, seek_oldest);
}

static void while_it_seeks_the_newest(void)
{
	play(16, seek_newest);
	play(0, seek_newest);
}

static void while_it_seeks_a_sequence(void)
{
	play(16, seek_sequence);
	play(0, seek_sequence);
}

/* From every message, and from the end as a cursor may stand there. */
static void play_positions(size_t rest, writer_act *write, const char *name)
{
	struct scene scene;
	struct cop__record record;
	int rc;

	scene_open(&scene, rest);
	scene.read = seek_position;
	scene.write = write;
	do {
		scene.goal = cop__lane_position(&scene.reader);
		run_everywhere(&scene, name);
		memcpy(scene.box.base, scene.before, scene.box.size);
		rc = cop__lane_peek(&scene.reader, &record);
		if (rc == 1)
			cop__lane_pass(&scene.reader, &record);
	} while (rc == 1);
	must_rc(rc, 0);
	scene.goal = cop__lane_position(&scene.reader);
	run_everywhere(&scene, name);
	scene_close(&scene);
}

static void while_it_seeks_a_position(void)
{
	for (size_t i = 0; i < sizeof(writers) / sizeof(*writers); i++) {
		play_positions(16, writers[i].act, writers[i].name);
		play_positions(0, writers[i].act, writers[i].name);
	}
}

static void while_it_takes_a_message(void)
{
	struct scene scene;

	for (size_t i = 0; i < sizeof(writers) / sizeof(*writers); i++) {
		scene_open(&scene, 16);
		scene.read = take;
		scene.write = writers[i].act;
		box_take(&scene.reader,
			 scene.first); /* that would be long; the next one is short */
		run_everywhere(&scene, writers[i].name);
		scene_close(&scene);
	}
}

/* As far as a writer may go that waits for a reader who has read all there is: round to the segment
 * that he has left, and not into the next one. */
static void send_what_an_awaited_reader_allows(struct cop__lane_writer *writer)
{
	for (int i = 0; i < 3; i++)
		box_send(writer, 50000);
}

static void must_lose_nothing(const struct scene *scene, long at, long total)
{
	test_note("after %ld of %ld instructions", at, total);
	must(scene->found->rc == 0 || scene->found->rc == 1);
	must_rc(scene->found->read_on, 0);
}

/* The last record fills its segment, so that nothing leads to the next one but its base. */
static void play_awaited(reader_act *read)
{
	struct scene scene;
	long total, stride;

	if (TEST_TSAN)
		SKIP("two processes, one at a time: nothing for ThreadSanitizer");
	scene_open(&scene, 0);
	scene.read = read;
	scene.write = send_what_an_awaited_reader_allows;
	must_rc(cop__lane_seek_newest(&scene.reader), 0);
	scene.goal = cop__lane_position(&scene.reader);
	total = run(&scene, 1000000);
	stride = stride_for(total, test_scale(20000, 100000));
	for (long at = random_below(stride); at < total; at += stride) {
		run(&scene, at);
		must_lose_nothing(&scene, at, total);
	}
	scene_close(&scene);
}

static void while_an_awaited_reader_waits_at_a_full_segment(void)
{
	play_awaited(take);
}

static void while_an_awaited_reader_resumes_at_a_full_segment(void)
{
	play_awaited(seek_position);
}

static const struct test_case cases[] = {
	TEST(while_it_seeks_the_oldest, .timeout_s = 60),
	TEST(while_it_seeks_the_newest, .timeout_s = 60),
	TEST(while_it_seeks_a_sequence, .timeout_s = 60),
	TEST(while_it_seeks_a_position, .timeout_s = 60),
	TEST(while_it_takes_a_message, .timeout_s = 60),
	TEST(while_an_awaited_reader_waits_at_a_full_segment, .timeout_s = 60),
	TEST(while_an_awaited_reader_resumes_at_a_full_segment, .timeout_s = 60),
	{ 0 },
};
TEST_MAIN("lane_interleave", cases)
