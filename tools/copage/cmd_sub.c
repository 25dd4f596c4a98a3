/*
 * cmd_sub.c - copage sub: write a topic's messages to standard output
 *
 * A message is released only when it has been written out, as far as anybody could notice: a
 * named subscriber writes each one before it takes the next, so that the one it had in hand when
 * it was killed comes again. One without a name is not remembered; it gathers small messages in a
 * buffer as long as more are waiting.
 */
#include "frame.h"
#include "human.h"
#include "json.h"
#include "output.h"
#include "progress.h"
#include "report.h"
#include "stop.h"
#include "verb.h"

#include <copage/copage.h>

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum form { FORM_TEXT, FORM_RAW, FORM_FRAMED, FORM_JSON };

struct sub_job {
	/* what was asked for */
	const char *topic;
	enum form form;
	uint64_t count; /* messages to end after; 0: no end */
	bool until_closed, stats;
	int64_t timeout_ns; /* without a message; negative: for ever */
	enum progress_mode progress;
	struct cop_sub_opts opts;
	/* what there is */
	struct cop_sub *sub;
	struct json json;
	char **seen; /* names of publishers, where --publishers needs them */
	size_t seen_count;
	uint64_t missed, gaps;
	bool lost_publisher; /* one died or cannot be read: nobody will tell us that it closed */
	bool output_failed;
	enum exit_status trouble; /* what did not end the stream but must be told at its end */
};

/* Messages go out as pieces, so that large ones need not be copied to stand beside their frame. */
static int put(const void *head, size_t head_size, const struct cop_msg *msg, const char *tail)
{
	struct iovec pieces[3] = {
		{ (void *)(uintptr_t)head, head_size },
		{ (void *)(uintptr_t)msg->data, msg->size },
		{ (void *)(uintptr_t)tail, strlen(tail) },
	};

	return output_put(pieces, 3);
}

static int put_json(struct sub_job *job, const struct cop_msg *msg)
{
	struct json *json = &job->json;
	struct iovec piece;

	json_begin(json);
	json_open(json, NULL, '{');
	json_string(json, "publisher", msg->publisher);
	json_u64(json, "sequence", msg->sequence);
	if (job->opts.kind == COP_SUB_LATEST)
		json_u64(json, "skipped", msg->skipped);
	json_u64(json, "size", msg->size);
	json_data(json, msg->data, msg->size);
	json_close(json, '}');
	json_end(json);
	piece = (struct iovec){ json->text, json->size };
	return output_put(&piece, 1);
}

static int put_message(struct sub_job *job, const struct cop_msg *msg)
{
	const char *data = msg->data;
	unsigned char head[FRAME_HEAD];
	bool line;

	switch (job->form) {
	case FORM_RAW:
		return put(NULL, 0, msg, "");
	case FORM_FRAMED:
		frame_put(head, (uint32_t)msg->size);
		return put(head, sizeof(head), msg, "");
	case FORM_JSON:
		return put_json(job, msg);
	default:
		line = msg->size > 0 && data[msg->size - 1] == '\n';
		return put(NULL, 0, msg, line ? "" : "\n");
	}
}

/* The stream goes on or ends here, with a status. */
struct verdict {
	bool end;
	enum exit_status status;
};

static const struct verdict go_on = { false, STATUS_OK };

static struct verdict end(enum exit_status status)
{
	return (struct verdict){ true, status };
}

static struct verdict output_ended(struct sub_job *job, int error)
{
	job->output_failed = true;
	if (error == -EINTR)
		return end(stop_status());
	return end(fail_output(-error));
}

static struct verdict flush(struct sub_job *job)
{
	int rc = output_flush();

	return rc < 0 ? output_ended(job, rc) : go_on;
}

/* Keep the names of publishers, for the count that --publishers asks for. */
static void saw(struct sub_job *job, const char *publisher)
{
	if (job->opts.publishers_min <= 1)
		return;
	for (size_t i = 0; i < job->seen_count; i++)
		if (strcmp(job->seen[i], publisher) == 0)
			return;
	job->seen = need_memory(job->seen, (job->seen_count + 1) * sizeof(*job->seen));
	job->seen[job->seen_count] = need_memory(NULL, strlen(publisher) + 1);
	strcpy(job->seen[job->seen_count++], publisher);
}

static struct verdict deliver(struct sub_job *job, const struct cop_msg *msg)
{
	int rc = put_message(job, msg);

	saw(job, msg->publisher);
	if (rc == 0 && job->opts.name)
		rc = output_flush();
	if (rc < 0)
		return output_ended(job, rc);
	progress_message(msg->size);
	if (job->count && progress_messages() == job->count)
		return end(STATUS_OK);
	return go_on;
}

/* Remember what must be told at the end; the first trouble of the worst kind stays. */
static void trouble(struct sub_job *job, enum exit_status status)
{
	if (job->trouble == STATUS_OK || job->trouble == STATUS_GAP)
		job->trouble = status;
}

/* cop_sub_next() told of something that is not a message. */
static struct verdict event(struct sub_job *job, int rc)
{
	struct cop_sub_event what;

	cop_sub_last_event(job->sub, &what);
	switch (rc) {
	case -EPIPE:
		return job->until_closed ? end(STATUS_OK) : go_on;
	case -EOVERFLOW:
		job->gaps++;
		job->missed += what.count;
		note("missed %" PRIu64 " messages of publisher %s: %" PRIu64 " to %" PRIu64,
		     what.count, what.publisher, what.first, what.first + what.count - 1);
		/* Who asks for lossy or latest has agreed to gaps: not a failure then. */
		if (job->opts.kind == COP_SUB_LOSSLESS && job->trouble == STATUS_OK)
			job->trouble = STATUS_GAP;
		return go_on;
	case -EOWNERDEAD:
		note("publisher %s died after message %" PRIu64 "; all that it had sent was "
		     "received",
		     what.publisher, what.first);
		job->lost_publisher = true;
		saw(job, what.publisher);
		if (job->until_closed)
			trouble(job, STATUS_DIED);
		return go_on;
	case -EBADMSG:
	case -EPROTO:
	case -EACCES:
		job->lost_publisher = true;
		trouble(job, fail_cop(rc, NULL));
		return go_on;
	default:
		return end(fail_cop(rc, NULL));
	}
}

/* Is anybody there, or still to come, who may publish? */
static bool somebody_publishes(const struct sub_job *job)
{
	struct cop_topic_stat *stat;
	bool found = false;

	if (job->opts.publishers_min > 1 && job->seen_count < job->opts.publishers_min)
		return true;
	if (cop_topic_stat(job->topic, &stat) < 0)
		return false;
	for (size_t i = 0; i < stat->pub_count; i++)
		found |= stat->pubs[i].state == COP_MEMBER_LIVE;
	cop_topic_stat_free(stat);
	return found;
}

/* Nothing came for a while, idle_ns so far. */
static struct verdict idle(struct sub_job *job, int64_t idle_ns)
{
	progress_settle();
	progress_tick();
	if (stop_asked())
		return end(stop_status());
	if (output_is_closed())
		return output_ended(job, -EPIPE);
	if (job->timeout_ns >= 0 && idle_ns >= job->timeout_ns)
		return end(fail(STATUS_TIMED_OUT, "no message came in time"));
	return go_on;
}

/*
 * Nothing is waiting: flush, then wait for the next message in slices. Returns like
 * cop_sub_next(), or 0 with *verdict when the stream ends meanwhile.
 */
static int wait_next(struct sub_job *job, struct cop_msg *msg, struct verdict *verdict)
{
	int64_t begin = now_ns();
	int64_t waited = 0;
	bool alone;
	int rc;

	*verdict = flush(job);
	while (!verdict->end) {
		/* Who looks first and then finds nothing has missed nothing. */
		alone = job->until_closed && job->lost_publisher && !somebody_publishes(job);
		rc = cop_sub_next(job->sub, msg, alone ? 0 : stop_slice(job->timeout_ns, waited));
		if (rc == -EAGAIN && alone)
			*verdict = end(STATUS_OK);
		else if (rc != -ETIMEDOUT && rc != -EAGAIN)
			return rc;
		waited = now_ns() - begin;
		if (!verdict->end)
			*verdict = idle(job, waited);
	}
	return 0;
}

static enum exit_status receive(struct sub_job *job)
{
	struct verdict verdict = go_on;
	struct cop_msg msg;
	int rc;

	while (!verdict.end) {
		rc = cop_sub_next(job->sub, &msg, 0);
		if (rc == -EAGAIN)
			rc = wait_next(job, &msg, &verdict);
		if (verdict.end)
			break;
		verdict = rc > 0 ? deliver(job, &msg) : event(job, rc);
		if (!verdict.end && stop_asked())
			verdict = end(stop_status());
	}
	if (!job->output_failed) {
		struct verdict last = flush(job);

		if (last.end && verdict.status == STATUS_OK)
			verdict = last;
	}
	return verdict.status == STATUS_OK ? job->trouble : verdict.status;
}

enum {
	OPT_RAW = 256,
	OPT_FRAMED,
	OPT_JSON,
	OPT_FROM,
	OPT_LOSSY,
	OPT_LATEST,
	OPT_NAME,
	OPT_UNTIL_CLOSED,
	OPT_PUBLISHERS,
	OPT_TIMEOUT,
	OPT_PROGRESS,
	OPT_STATS,
};

static const struct option_spec specs[] = {
	{ OPT_RAW, "raw", NULL,
	  "messages as they are, nothing between them (default: a "
	  "newline after each that does not end in one)" },
	{ OPT_FRAMED, "framed", NULL,
	  "frames: a size in 4 bytes, little-endian, and the "
	  "message; see 'copage help formats'" },
	{ OPT_JSON, "json", NULL,
	  "a line of JSON for each: publisher, sequence, size, and "
	  "data or base64" },
	{ OPT_FROM, "from", "WHERE",
	  "oldest (default): what is still kept comes first; "
	  "newest: only what is new; or a sequence number" },
	{ 'n', "count", "N", "end after N messages" },
	{ OPT_LOSSY, "lossy", NULL, "publishers do not wait for us; what is missed is told" },
	{ OPT_LATEST, "latest", NULL, "only the newest message of each publisher" },
	{ OPT_NAME, "name", "NAME",
	  "be remembered as NAME, and go on next time where this time "
	  "stopped; no message is lost to a crash, one may come twice" },
	{ OPT_UNTIL_CLOSED, "until-closed", NULL,
	  "end when the last publisher has closed and all "
	  "is read" },
	{ OPT_PUBLISHERS, "publishers", "N",
	  "with --until-closed: not before N publishers have "
	  "come and gone (default 1)" },
	{ OPT_TIMEOUT, "timeout", "TIME", "end when no message came for TIME: 10ms, 2s, 1.5m" },
	{ 'q', "quiet", NULL, "no notes and no progress; failures only" },
	{ OPT_PROGRESS, "progress", NULL, "show progress although standard error is no terminal" },
	{ OPT_STATS, "stats", NULL, "at the end, a line of totals on standard error" },
	{ 0 },
};

static void set_form(struct options *options, struct sub_job *job, enum form form)
{
	if (job->form != FORM_TEXT && job->form != form)
		options->status = fail(STATUS_USAGE, "--raw, --framed and --json exclude each "
						     "other");
	job->form = form;
}

static void set_kind(struct options *options, struct sub_job *job, enum cop_sub_kind kind)
{
	if (job->opts.kind != COP_SUB_LOSSLESS && job->opts.kind != kind)
		options->status = fail(STATUS_USAGE, "--lossy and --latest exclude each other");
	job->opts.kind = kind;
}

static void set_from(struct options *options, struct cop_sub_opts *opts)
{
	static const char *const places[] = { "oldest", "newest", NULL };

	if (isdigit((unsigned char)*options->value)) {
		opts->from = COP_FROM_SEQUENCE;
		opts->from_sequence = options_number(options, 0, UINT64_MAX);
		return;
	}
	for (uint32_t i = 0; places[i]; i++) {
		if (strcmp(options->value, places[i]) == 0) {
			opts->from = i ? COP_FROM_NEWEST : COP_FROM_OLDEST;
			return;
		}
	}
	options_wrong(options, "must be oldest, newest, or a sequence number");
}

static void parse_option(struct options *options, int id, struct sub_job *job)
{
	switch (id) {
	case OPT_RAW:
		set_form(options, job, FORM_RAW);
		break;
	case OPT_FRAMED:
		set_form(options, job, FORM_FRAMED);
		break;
	case OPT_JSON:
		set_form(options, job, FORM_JSON);
		break;
	case OPT_FROM:
		set_from(options, &job->opts);
		break;
	case 'n':
		job->count = options_number(options, 1, UINT64_MAX);
		break;
	case OPT_LOSSY:
		set_kind(options, job, COP_SUB_LOSSY);
		break;
	case OPT_LATEST:
		set_kind(options, job, COP_SUB_LATEST);
		break;
	case OPT_NAME:
		job->opts.name = options->value;
		break;
	case OPT_UNTIL_CLOSED:
		job->until_closed = true;
		break;
	case OPT_PUBLISHERS:
		job->opts.publishers_min = (uint32_t)options_number(options, 1, 1000000);
		break;
	case OPT_TIMEOUT:
		job->timeout_ns = options_time(options);
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

static enum exit_status subscribe(struct sub_job *job)
{
	enum exit_status status;
	int rc = output_begin();

	if (rc < 0)
		return fail_output(-rc);
	rc = cop_sub_open(&job->sub, job->topic, &job->opts);
	if (rc < 0)
		return fail_cop(rc, NULL);
	progress_begin(job->progress, isatty(STDOUT_FILENO));
	status = receive(job);
	progress_end(job->stats);
	if (job->gaps > 1)
		note("missed %" PRIu64 " messages in %" PRIu64 " gaps", job->missed, job->gaps);
	/*
	 * Closing would release the message in hand. If it was not written out, then ending
	 * without closing keeps it for the next one of this name.
	 */
	if (!job->output_failed || !job->opts.name)
		cop_sub_close(&job->sub);
	return status;
}

static enum exit_status run(int argc, char **argv)
{
	/* Static, so that a subscriber left open on purpose is no leak. */
	static struct sub_job job = { .timeout_ns = -1, .opts = COP_SUB_OPTS_INIT };
	struct options options;
	enum exit_status status;
	int id;

	options_begin(&options, &verb_sub, argc, argv);
	while ((id = options_next(&options)))
		parse_option(&options, id, &job);
	if (!options_done(&options))
		return options.status;
	if (job.opts.publishers_min && !job.until_closed)
		return fail(STATUS_USAGE, "--publishers goes with --until-closed");
	job.topic = options_operand(&options, 0);
	status = subscribe(&job);
	json_free(&job.json);
	for (size_t i = 0; i < job.seen_count; i++)
		free(job.seen[i]);
	free(job.seen);
	return status;
}

const struct verb verb_sub = {
	.name = "sub",
	.operands = "[OPTION]... TOPIC",
	.operands_min = 1,
	.operands_max = 1,
	.summary = "write a topic's messages to standard output",
	.text = "The topic is made if it is not there; nobody needs to be there first. "
		"Publishers wait for this subscriber when their lanes are full, unless it is "
		"--lossy or --latest.",
	.examples = "  copage sub prices\n"
		    "  copage sub prices --json | jq .data\n"
		    "  copage sub video --raw --until-closed > film.mkv\n"
		    "  copage sub prices --name ledger --framed | ledger --import\n",
	.specs = specs,
	.run = run,
};
