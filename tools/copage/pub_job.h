/*
 * pub_job.h - what one run of copage pub is about
 *
 * cmd_pub.c reads the options, waits, and keeps the pace; pub_send.c cuts the input into messages
 * and puts them into the lane.
 */
#ifndef COPAGE_TOOL_PUB_JOB_H
#define COPAGE_TOOL_PUB_JOB_H

#include "exit_status.h"
#include "input.h"
#include "progress.h"

#include <copage/pub.h>

#include <stdbool.h>
#include <stdint.h>

/* How the input is cut into messages. */
enum form { FORM_LINES, FORM_CHUNK, FORM_FRAMED };

struct pub_job {
	/* what was asked for */
	const char *topic, *file;
	enum form form;
	bool strip, resume, stats;
	uint64_t chunk_bytes;
	uint64_t count; /* messages of the input to stop at; 0: all */
	uint64_t subscribers; /* to wait for */
	double rate; /* messages a second; 0: as they come */
	int64_t timeout_ns, linger_ns; /* negative: no limit */
	enum progress_mode progress;
	struct cop_pub_opts opts;
	/* what there is */
	struct cop_pub *pub;
	struct input input;
	uint64_t message_max; /* what the lane can carry */
	uint64_t taken; /* messages of the input that are in the lane, or were before */
	int64_t next_ns; /* when the next message is due */
	enum exit_status status; /* of the step that failed */
};

/* What a message of the input came to. STEP_FAILED: job->status says why. */
enum step { STEP_SENT, STEP_END, STEP_FAILED };

/* Cut the next message out of the input, and publish it. */
enum step pub_send_next(struct pub_job *job);

/* --resume: step over the messages that the lane says it has. */
enum exit_status pub_skip_sent(struct pub_job *job);

#endif
