/*
 * cmd_pub.c - copage pub: publish standard input, or a file, into a topic
 *
 * Options, waiting for subscribers before and after, and the pace. What becomes of each message
 * is in pub_send.c.
 */
#include "progress.h"
#include "pub_job.h"
#include "report.h"
#include "stop.h"
#include "verb.h"

#include <copage/topic.h>

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Wait for subscribers, or at the end for them to have read all: one loop for both. */
static int wait_for(struct pub_job *job, int64_t timeout_ns, bool drain)
{
	int64_t begin = now_ns();
	int64_t slice;
	int rc;

	do {
		slice = stop_slice(timeout_ns, now_ns() - begin);
		rc = drain ? cop_pub_drain(job->pub, slice)
			   : cop_pub_wait(job->pub, (unsigned)job->subscribers, slice);
		progress_tick();
		if (rc != -ETIMEDOUT)
			return rc;
	} while (!stop_asked() && (timeout_ns < 0 || now_ns() - begin < timeout_ns));
	return rc;
}

static enum exit_status wait_subscribers(struct pub_job *job)
{
	int rc;

	if (job->subscribers == 0)
		return STATUS_OK;
	rc = cop_pub_wait(job->pub, (unsigned)job->subscribers, 0);
	if (rc >= 0)
		return STATUS_OK;
	if (job->subscribers == 1)
		note_person("waiting for a subscriber on %s ...", job->topic);
	else
		note_person("waiting for %" PRIu64 " subscribers on %s ...", job->subscribers,
			    job->topic);
	rc = wait_for(job, job->timeout_ns, false);
	if (rc >= 0)
		return STATUS_OK;
	if (stop_asked())
		return stop_status();
	if (rc == -ETIMEDOUT && job->subscribers == 1)
		return fail(STATUS_TIMED_OUT, "no subscriber came to %s in time; nothing was sent",
			    job->topic);
	if (rc == -ETIMEDOUT)
		return fail(STATUS_TIMED_OUT,
			    "fewer than %" PRIu64 " subscribers came to %s in time; nothing was "
			    "sent",
			    job->subscribers, job->topic);
	return fail_cop(rc, NULL);
}

static enum exit_status wait_read(struct pub_job *job)
{
	int rc;

	if (job->linger_ns == 0)
		return STATUS_OK;
	rc = wait_for(job, job->linger_ns, true);
	if (rc >= 0)
		return STATUS_OK;
	if (stop_asked())
		return stop_status();
	if (rc == -ETIMEDOUT)
		return fail(STATUS_TIMED_OUT, "all was sent, but not all was read in time; it "
					      "stays for its subscribers");
	return fail_cop(rc, NULL);
}

/*
 * --rate: message n is due n / rate after the first, so that a late one does not delay those
 * after it. Who was held up for long does not make up for it with a burst.
 */
static void pace(struct pub_job *job)
{
	int64_t now = now_ns();
	struct timespec due;

	if (now - job->next_ns > STOP_LOOK_NS)
		job->next_ns = now;
	while (now < job->next_ns && !stop_asked()) {
		int64_t until = now + stop_slice(job->next_ns - now, 0);

		progress_settle();
		progress_tick();
		due.tv_sec = until / 1000000000;
		due.tv_nsec = until % 1000000000;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
		now = now_ns();
	}
	job->next_ns += (int64_t)(1e9 / job->rate);
}

static enum exit_status send_all(struct pub_job *job)
{
	enum step step = STEP_SENT;

	while (step == STEP_SENT && (job->count == 0 || job->taken < job->count)) {
		if (job->rate > 0)
			pace(job);
		if (stop_asked())
			return stop_status();
		step = pub_send_next(job);
	}
	return step == STEP_FAILED ? job->status : STATUS_OK;
}

/* A chunk must fit. Where the topic's lanes are too small for it, ask for one that is not. */
static void fit_chunk(struct pub_job *job)
{
	uint64_t usual = COP_MESSAGE_DEFAULT;
	struct cop_topic_stat *stat;

	if (job->form != FORM_CHUNK || job->opts.message_max_bytes)
		return;
	if (cop_topic_stat(job->topic, &stat) == 0) {
		usual = stat->message_max_bytes;
		cop_topic_stat_free(stat);
	}
	if (job->chunk_bytes > usual)
		job->opts.message_max_bytes = job->chunk_bytes;
}

/* What the lane can carry, as everybody can see. */
static uint64_t message_max(const struct pub_job *job)
{
	uint64_t max = COP_MESSAGE_MAX;
	struct cop_topic_stat *stat;

	if (cop_topic_stat(job->topic, &stat) < 0)
		return max;
	for (size_t i = 0; i < stat->pub_count; i++)
		if (strcmp(stat->pubs[i].name, cop_pub_name(job->pub)) == 0 &&
		    stat->pubs[i].message_max_bytes > 0)
			max = stat->pubs[i].message_max_bytes;
	cop_topic_stat_free(stat);
	return max;
}

static enum exit_status publish(struct pub_job *job)
{
	enum exit_status status = STATUS_OK;

	job->message_max = message_max(job);
	if (job->resume)
		status = pub_skip_sent(job);
	if (status == STATUS_OK)
		status = wait_subscribers(job);
	if (status != STATUS_OK)
		return status;
	/* A line that renews itself would run into what a person types. */
	progress_begin(job->progress, isatty(job->input.fd));
	job->next_ns = now_ns();
	status = send_all(job);
	if (status == STATUS_OK)
		status = wait_read(job);
	else if (status == STATUS_BAD_INPUT)
		wait_read(job);
	progress_end(job->stats);
	return status;
}

enum {
	OPT_LINES = 256,
	OPT_STRIP,
	OPT_CHUNK,
	OPT_FRAMED,
	OPT_NAME,
	OPT_RESUME,
	OPT_RATE,
	OPT_WHEN_FULL,
	OPT_TIMEOUT,
	OPT_SUBSCRIBERS,
	OPT_MESSAGE_MAX,
	OPT_SEGMENTS,
	OPT_LINGER,
	OPT_PROGRESS,
	OPT_STATS,
};

static const struct option_spec specs[] = {
	{ OPT_LINES, "lines", NULL, "a message is a line with its newline (default)" },
	{ OPT_STRIP, "strip", NULL, "a message is a line without its newline" },
	{ OPT_CHUNK, "chunk", "BYTES",
	  "a message is BYTES of the input, the last one what "
	  "remains. Sizes: 4096, 64K, 1M (powers of 1024)" },
	{ OPT_FRAMED, "framed", NULL,
	  "the input is frames: a size in 4 bytes, little-endian, "
	  "and a message; see 'copage help formats'" },
	{ 'f', "file", "FILE", "read FILE instead of standard input" },
	{ 'n', "count", "N", "stop after N messages of the input" },
	{ OPT_RATE, "rate", "N[/s]", "send N messages a second at most" },
	{ OPT_NAME, "name", "NAME",
	  "publish under NAME: after a crash the same command goes on "
	  "in the same lane" },
	{ OPT_RESUME, "resume", NULL,
	  "with --name: step over the messages of the input that "
	  "the lane has already" },
	{ OPT_SUBSCRIBERS, "subscribers", "N",
	  "wait for N subscribers before sending (default 1; "
	  "0: do not wait)" },
	{ OPT_WHEN_FULL, "when-full", "HOW",
	  "a subscriber is slow and the lane is full: wait "
	  "(default), fail, or drop the oldest" },
	{ OPT_TIMEOUT, "timeout", "TIME",
	  "wait no longer than TIME for subscribers or for room. "
	  "Times: 10ms, 2s, 1.5m; a bare number is seconds" },
	{ OPT_LINGER, "linger", "TIME",
	  "wait no longer than TIME at the end for all to be read "
	  "(default: as long as it takes; 0: not at all)" },
	{ OPT_MESSAGE_MAX, "message-max", "BYTES",
	  "the largest message of the lane (default: the "
	  "topic's, or what --chunk needs)" },
	{ OPT_SEGMENTS, "segments", "N", "segments of the lane (default: the topic's)" },
	{ 'q', "quiet", NULL, "no notes and no progress; failures only" },
	{ OPT_PROGRESS, "progress", NULL, "show progress although standard error is no terminal" },
	{ OPT_STATS, "stats", NULL, "at the end, a line of totals on standard error" },
	{ 0 },
};

static void set_form(struct options *options, struct pub_job *job, enum form form, bool *chosen)
{
	if (*chosen && job->form != form)
		options->status = fail(STATUS_USAGE, "--lines, --chunk and --framed exclude each "
						     "other");
	job->form = form;
	*chosen = true;
}

/* Options that say what a message is. Returns false if id is another's. */
static bool parse_form(struct options *options, int id, struct pub_job *job, bool *chosen)
{
	switch (id) {
	case OPT_LINES:
		set_form(options, job, FORM_LINES, chosen);
		return true;
	case OPT_STRIP:
		job->strip = true;
		set_form(options, job, FORM_LINES, chosen);
		return true;
	case OPT_CHUNK:
		job->chunk_bytes = options_bytes(options, 1, COP_MESSAGE_MAX);
		set_form(options, job, FORM_CHUNK, chosen);
		return true;
	case OPT_FRAMED:
		set_form(options, job, FORM_FRAMED, chosen);
		return true;
	default:
		return false;
	}
}

static void parse_option(struct options *options, int id, struct pub_job *job)
{
	static const char *const when_full[] = { "wait", "fail", "drop", NULL };

	switch (id) {
	case 'f':
		job->file = options->value;
		break;
	case 'n':
		job->count = options_number(options, 1, UINT64_MAX);
		break;
	case OPT_RATE:
		job->rate = options_rate(options);
		break;
	case OPT_NAME:
		job->opts.name = options->value;
		break;
	case OPT_RESUME:
		job->resume = true;
		break;
	case OPT_SUBSCRIBERS:
		job->subscribers = options_number(options, 0, 1000000);
		break;
	case OPT_WHEN_FULL:
		job->opts.when_full = (uint32_t)options_choice(options, when_full);
		break;
	case OPT_TIMEOUT:
		job->timeout_ns = options_time(options);
		break;
	case OPT_LINGER:
		job->linger_ns = options_time(options);
		break;
	case OPT_MESSAGE_MAX:
		job->opts.message_max_bytes = options_bytes(options, 1, COP_MESSAGE_MAX);
		break;
	case OPT_SEGMENTS:
		job->opts.segments = (uint32_t)options_number(options, 2, COP_SEGMENTS_MAX);
		break;
	case 'q':
		report_quiet(true);
		break;
	case OPT_PROGRESS:
		job->progress = PROGRESS_ON;
		break;
	case OPT_STATS:
		job->stats = true;
		break;
	}
}

/* What no single option can be blamed for. */
static enum exit_status check(const struct pub_job *job)
{
	if (job->resume && !job->opts.name)
		return fail(STATUS_USAGE, "--resume needs --name: the lane of a publisher without "
					  "a name is not found again");
	if (job->opts.message_max_bytes && job->form == FORM_CHUNK &&
	    job->chunk_bytes > job->opts.message_max_bytes)
		return fail(STATUS_USAGE, "--chunk is larger than --message-max");
	return STATUS_OK;
}

static enum exit_status run(int argc, char **argv)
{
	struct pub_job job = {
		.subscribers = 1, .timeout_ns = -1, .linger_ns = -1, .opts = COP_PUB_OPTS_INIT
	};
	struct options options;
	bool chosen = false;
	enum exit_status status;
	int rc;
	int id;

	options_begin(&options, &verb_pub, argc, argv);
	while ((id = options_next(&options)))
		if (!parse_form(&options, id, &job, &chosen))
			parse_option(&options, id, &job);
	if (!options_done(&options))
		return options.status;
	status = check(&job);
	if (status != STATUS_OK)
		return status;
	job.topic = options_operand(&options, 0);
	rc = input_open(&job.input, job.file);
	if (rc < 0)
		return fail(status_of(rc), "cannot open %s: %s", job.file, strerror(-rc));
	fit_chunk(&job);
	/* The longest that one call may keep us from hearing Ctrl-C. */
	job.opts.full_timeout_ns = stop_slice(job.timeout_ns, 0);
	rc = cop_pub_open(&job.pub, job.topic, &job.opts);
	status = rc < 0 ? fail_cop(rc, NULL) : publish(&job);
	cop_pub_close(&job.pub);
	input_close(&job.input);
	return status;
}

const struct verb verb_pub = {
	.name = "pub",
	.operands = "[OPTION]... TOPIC",
	.operands_min = 1,
	.operands_max = 1,
	.summary = "publish standard input, or a file, into a topic",
	.text = "The topic is made if it is not there. By default every line is a message, "
		"the first of them waits until somebody subscribes, and the command ends when "
		"all subscribers have read everything.",
	.examples = "  tail -F /var/log/syslog | copage pub log\n"
		    "  copage pub video --chunk 1M --file film.mkv --stats\n"
		    "  copage pub prices --name feed --resume --file today.csv\n"
		    "  echo stop | copage pub control --strip --subscribers 3 --timeout 5s\n",
	.specs = specs,
	.run = run,
};
