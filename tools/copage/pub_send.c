/*
 * pub_send.c - cut the input into messages, and publish each
 *
 * Every message is reserved in the lane first and then filled there: a chunk or a large frame is
 * read by the kernel straight into shared memory.
 */
#include "frame.h"
#include "pub_job.h"
#include "report.h"
#include "stop.h"

#include <copage/topic.h>

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static enum step failed(struct pub_job *job, enum exit_status status)
{
	job->status = status;
	return STEP_FAILED;
}

/* The input could not be read, or the command was asked to stop while it was. */
static enum step input_failed(struct pub_job *job, int error)
{
	if (error == -EINTR && stop_asked())
		return failed(job, stop_status());
	return failed(job, fail(status_of(error), "cannot read %s: %s", job->input.name,
				strerror(-error)));
}

/* Which of the subscribers is furthest behind? For the sentence that tells of a full lane. */
static void tell_laggard(const struct pub_job *job)
{
	const struct cop_sub_stat *last = NULL;
	struct cop_topic_stat *stat;

	if (cop_topic_stat(job->topic, &stat) < 0)
		return;
	for (size_t i = 0; i < stat->sub_count; i++)
		if (stat->subs[i].lag_messages > (last ? last->lag_messages : 0))
			last = &stat->subs[i];
	if (last)
		note("subscriber %s (pid %d) is furthest behind, by %" PRIu64 " messages",
		     last->name, last->pid, last->lag_messages);
	cop_topic_stat_free(stat);
}

/*
 * Room in the lane. The library waits in slices, so that Ctrl-C is heard and the progress line
 * lives; only when the room is there is there anything to fill.
 */
static enum step reserve(struct pub_job *job, uint64_t at, size_t size, void **room)
{
	int64_t waited = 0;
	int rc;

	for (;;) {
		rc = cop_pub_reserve(job->pub, size, room);
		if (rc == 0)
			return STEP_SENT;
		if (rc != -ETIMEDOUT)
			break;
		if (stop_asked())
			return failed(job, stop_status());
		progress_tick();
		waited += STOP_LOOK_NS;
		if (job->timeout_ns >= 0 && waited >= job->timeout_ns)
			break;
	}
	if (rc != -ETIMEDOUT && rc != -EAGAIN)
		return failed(job, fail_cop(rc,
					    "message %" PRIu64 ", at byte %" PRIu64 " of the "
					    "input, was not sent",
					    job->taken + 1, at));
	failed(job, fail(status_of(rc),
			 "message %" PRIu64 ", at byte %" PRIu64 " of the input, "
			 "was not sent: the lane is full%s",
			 job->taken + 1, at, rc == -ETIMEDOUT ? " and was not read in time" : ""));
	tell_laggard(job);
	return STEP_FAILED;
}

static enum step commit(struct pub_job *job, size_t size)
{
	int rc = cop_pub_commit(job->pub, size);

	if (rc < 0)
		return failed(job, fail_cop(rc, NULL));
	job->taken++;
	progress_message(size);
	return STEP_SENT;
}

static enum step send_line(struct pub_job *job)
{
	uint64_t at = job->input.offset;
	const unsigned char *line;
	ssize_t size = input_line(&job->input, job->message_max + job->strip, &line);
	void *room;

	if (size == 0)
		return STEP_END;
	if (size == -EMSGSIZE)
		return failed(job, fail(STATUS_TOO_LARGE,
					"line %" PRIu64 ", at byte %" PRIu64
					" of the input, is longer than the %" PRIu64 " bytes that "
					"a message of this lane can have; ask for more with "
					"--message-max, or send --chunk",
					job->taken + 1, at, job->message_max));
	if (size < 0)
		return input_failed(job, (int)size);
	if (job->strip && line[size - 1] == '\n')
		size--;
	if (reserve(job, at, (size_t)size, &room) != STEP_SENT)
		return STEP_FAILED;
	memcpy(room, line, (size_t)size);
	return commit(job, (size_t)size);
}

static enum step send_chunk(struct pub_job *job)
{
	uint64_t at = job->input.offset;
	int more = input_more(&job->input);
	ssize_t size;
	void *room;

	/* Without this look a full lane would be waited for although there is nothing to send. */
	if (more <= 0)
		return more < 0 ? input_failed(job, more) : STEP_END;
	if (reserve(job, at, job->chunk_bytes, &room) != STEP_SENT)
		return STEP_FAILED;
	size = input_read(&job->input, room, job->chunk_bytes);
	if (size < 0) {
		cop_pub_abort(job->pub);
		return input_failed(job, (int)size);
	}
	return commit(job, (size_t)size);
}

/* The head of the next frame. STEP_SENT: *size is what it says. */
static enum step frame_head(struct pub_job *job, uint32_t *size)
{
	uint64_t at = job->input.offset;
	unsigned char head[FRAME_HEAD];
	ssize_t got = input_read(&job->input, head, sizeof(head));

	if (got == 0)
		return STEP_END;
	if (got < 0)
		return input_failed(job, (int)got);
	if (got < FRAME_HEAD)
		return failed(job, fail(STATUS_BAD_INPUT,
					"the frame at byte %" PRIu64 " of the "
					"input is cut short: %zd of the 4 bytes of its size are "
					"there",
					at, got));
	*size = frame_get(head);
	if (*size > job->message_max)
		return failed(job, fail(STATUS_TOO_LARGE,
					"the frame at byte %" PRIu64 " of the "
					"input says %" PRIu32 " bytes, more than the %" PRIu64
					" that a message of this lane can have; is the input "
					"framed? Ask for more with --message-max",
					at, *size, job->message_max));
	return STEP_SENT;
}

static enum step frame_cut(struct pub_job *job, uint64_t at, uint32_t size, uint64_t got)
{
	return failed(job, fail(STATUS_BAD_INPUT,
				"the frame at byte %" PRIu64 " of the input is "
				"cut short: %" PRIu64 " of its %" PRIu32 " bytes are there",
				at, got, size));
}

static enum step send_frame(struct pub_job *job)
{
	uint64_t at = job->input.offset;
	uint32_t size;
	ssize_t got;
	void *room;
	enum step step = frame_head(job, &size);

	if (step != STEP_SENT)
		return step;
	if (reserve(job, at, size, &room) != STEP_SENT)
		return STEP_FAILED;
	got = input_read(&job->input, room, size);
	if (got == (ssize_t)size)
		return commit(job, size);
	cop_pub_abort(job->pub);
	return got < 0 ? input_failed(job, (int)got) : frame_cut(job, at, size, (uint64_t)got);
}

enum step pub_send_next(struct pub_job *job)
{
	switch (job->form) {
	case FORM_CHUNK:
		return send_chunk(job);
	case FORM_FRAMED:
		return send_frame(job);
	default:
		return send_line(job);
	}
}

/* Step over the next message of the input, which the lane has already. */
static enum step skip_next(struct pub_job *job)
{
	uint64_t at = job->input.offset;
	const unsigned char *line;
	uint64_t stepped;
	uint32_t size;
	enum step step;
	ssize_t got;
	int rc;

	if (job->form == FORM_LINES) {
		got = input_line(&job->input, job->message_max + job->strip, &line);
		if (got < 0)
			return input_failed(job, (int)got);
		return got > 0 ? STEP_SENT : STEP_END;
	}
	if (job->form == FORM_CHUNK) {
		rc = input_skip(&job->input, job->chunk_bytes, &stepped);
		if (rc < 0)
			return input_failed(job, rc);
		return stepped > 0 ? STEP_SENT : STEP_END;
	}
	step = frame_head(job, &size);
	if (step != STEP_SENT)
		return step;
	rc = input_skip(&job->input, size, &stepped);
	if (rc < 0)
		return input_failed(job, rc);
	return stepped == size ? STEP_SENT : frame_cut(job, at, size, stepped);
}

enum exit_status pub_skip_sent(struct pub_job *job)
{
	uint64_t sent = cop_pub_sequence(job->pub);
	enum step step;

	while (job->taken < sent && !stop_asked()) {
		step = skip_next(job);
		if (step == STEP_FAILED)
			return job->status;
		if (step == STEP_END)
			return fail(STATUS_BAD_INPUT,
				    "publisher %s has sent %" PRIu64 " messages "
				    "already, but %s has only %" PRIu64
				    ": it is not the input that "
				    "was begun with",
				    cop_pub_name(job->pub), sent, job->input.name, job->taken);
		job->taken++;
	}
	if (sent > 0)
		note("resuming after message %" PRIu64 ", at byte %" PRIu64 " of the input", sent,
		     job->input.offset);
	return STATUS_OK;
}
