/*
 * cmd_stat.c - copage stat: one topic, its members, and how far each has read
 *
 * With --interval the topic is looked at again and again, and what changed between two looks is
 * shown as rates. Nobody who takes part in the topic notices.
 */
#include "human.h"
#include "json.h"
#include "look.h"
#include "progress.h"
#include "report.h"
#include "stop.h"
#include "verb.h"

#include <copage/error.h>
#include <copage/topic.h>

#include <inttypes.h>
#include <string.h>
#include <time.h>

struct stat_job {
	const char *topic;
	bool json;
	int64_t interval_ns; /* 0: look once */
	uint64_t count; /* how often to print; 0: no end */
};

/* A look, and the one before it if there was one. */
struct looks {
	const struct cop_topic_stat *now, *before;
	double seconds; /* between them */
};

/* How a member's numbers have changed. */
struct rate {
	bool known;
	double messages, bytes; /* a second */
};

static struct rate pub_rate(const struct looks *looks, const struct cop_pub_stat *pub)
{
	for (size_t i = 0; looks->before && i < looks->before->pub_count; i++) {
		const struct cop_pub_stat *old = &looks->before->pubs[i];

		if (strcmp(old->name, pub->name) == 0 && old->messages <= pub->messages &&
		    old->position <= pub->position)
			return (struct rate){
				true,
				(double)(pub->messages - old->messages) / looks->seconds,
				(double)(pub->position - old->position) / looks->seconds,
			};
	}
	return (struct rate){ 0 };
}

static const struct cop_cursor_stat *cursor_of(const struct cop_sub_stat *sub, const char *lane)
{
	for (size_t i = 0; i < sub->cursor_count; i++)
		if (sub->cursors[i].publisher && strcmp(sub->cursors[i].publisher, lane) == 0)
			return &sub->cursors[i];
	return NULL;
}

/* What a subscriber has read is the sum over the lanes that it had at both looks. */
static struct rate sub_rate(const struct looks *looks, const struct cop_sub_stat *sub)
{
	const struct cop_sub_stat *old = NULL;
	struct rate rate = { 0 };

	for (size_t i = 0; looks->before && i < looks->before->sub_count; i++)
		if (strcmp(looks->before->subs[i].name, sub->name) == 0)
			old = &looks->before->subs[i];
	for (size_t i = 0; old && i < sub->cursor_count; i++) {
		const struct cop_cursor_stat *new = &sub->cursors[i];
		const struct cop_cursor_stat *was = new->publisher ? cursor_of(old, new->publisher)
								   : NULL;

		rate.known = true;
		if (!was || was->sequence > new->sequence || was->position > new->position)
			continue;
		rate.messages += (double)(new->sequence - was->sequence) / looks->seconds;
		rate.bytes += (double)(new->position - was->position) / looks->seconds;
	}
	return rate;
}

static void rate_json(struct json *json, const struct looks *looks, struct rate rate)
{
	if (!looks->before)
		return;
	if (rate.known) {
		json_double(json, "messages_per_second", rate.messages);
		json_double(json, "bytes_per_second", rate.bytes);
	} else {
		json_null(json, "messages_per_second");
		json_null(json, "bytes_per_second");
	}
}

static void pub_json(struct json *json, const struct looks *looks, const struct cop_pub_stat *pub)
{
	char time[HUMAN_MAX];

	json_open(json, NULL, '{');
	json_string(json, "name", pub->name);
	json_string(json, "state", look_member_state(pub->state));
	json_u64(json, "pid", pub->pid > 0 ? (uint64_t)pub->pid : 0);
	look_owner_json(json, pub->uid, pub->gid, pub->mode);
	json_u64(json, "messages", pub->messages);
	json_u64(json, "oldest", pub->oldest);
	json_u64(json, "messages_kept", look_messages_kept(pub));
	json_u64(json, "bytes_kept", pub->kept_bytes);
	json_u64(json, "position", pub->position);
	json_u64(json, "message_max_bytes", pub->message_max_bytes);
	json_u64(json, "segments", pub->segments);
	json_u64(json, "segment_bytes", pub->segment_bytes);
	json_u64(json, "memory_bytes", pub->memory_bytes);
	json_string(json, "opened", human_time_iso(time, pub->opened_ns));
	rate_json(json, looks, pub_rate(looks, pub));
	json_close(json, '}');
}

static void sub_json(struct json *json, const struct looks *looks, const struct cop_sub_stat *sub)
{
	char time[HUMAN_MAX];

	json_open(json, NULL, '{');
	json_string(json, "name", sub->name);
	json_string(json, "state", look_member_state(sub->state));
	json_u64(json, "pid", sub->pid > 0 ? (uint64_t)sub->pid : 0);
	look_owner_json(json, sub->uid, sub->gid, sub->mode);
	json_bool(json, "named", sub->named);
	json_bool(json, "lossless", sub->lossless);
	json_u64(json, "lag_messages", sub->lag_messages);
	json_u64(json, "lag_bytes", sub->lag_bytes);
	json_u64(json, "memory_bytes", sub->memory_bytes);
	json_string(json, "opened", human_time_iso(time, sub->opened_ns));
	rate_json(json, looks, sub_rate(looks, sub));
	json_open(json, "lanes", '[');
	for (size_t i = 0; i < sub->cursor_count; i++) {
		const struct cop_cursor_stat *cursor = &sub->cursors[i];

		json_open(json, NULL, '{');
		if (cursor->publisher)
			json_string(json, "publisher", cursor->publisher);
		else
			json_null(json, "publisher");
		json_u64(json, "next_sequence", cursor->sequence);
		json_u64(json, "position", cursor->position);
		json_u64(json, "lag_messages", cursor->lag_messages);
		json_u64(json, "lag_bytes", cursor->lag_bytes);
		json_close(json, '}');
	}
	json_close(json, ']');
	json_close(json, '}');
}

static void print_json(const struct looks *looks)
{
	const struct cop_topic_stat *stat = looks->now;
	struct json json = { 0 };
	char time[HUMAN_MAX];

	json_begin(&json);
	json_open(&json, NULL, '{');
	json_string(&json, "topic", stat->name);
	json_string(&json, "path", stat->path);
	look_owner_json(&json, stat->uid, stat->gid, stat->mode);
	json_bool(&json, "kept", stat->kept);
	json_bool(&json, "hold_away", stat->flags & COP_TOPIC_HOLD_AWAY);
	json_u64(&json, "layout_version", stat->layout_version);
	json_u64(&json, "message_max_bytes", stat->message_max_bytes);
	json_u64(&json, "segments", stat->segments);
	json_u64(&json, "memory_bytes", stat->memory_bytes);
	json_string(&json, "created", human_time_iso(time, stat->created_ns));
	if (looks->before)
		json_double(&json, "interval_seconds", looks->seconds);
	json_open(&json, "publishers", '[');
	for (size_t i = 0; i < stat->pub_count; i++)
		pub_json(&json, looks, &stat->pubs[i]);
	json_close(&json, ']');
	json_open(&json, "subscribers", '[');
	for (size_t i = 0; i < stat->sub_count; i++)
		sub_json(&json, looks, &stat->subs[i]);
	json_close(&json, ']');
	json_close(&json, '}');
	json_print(&json);
	json_free(&json);
}

static void print_settings(const struct cop_topic_stat *stat)
{
	char text[HUMAN_MAX], owner[128];

	printf("Topic    %s\n", stat->name);
	printf("Path     %s\n", stat->path);
	printf("Owner    %s\n", look_owner(owner, stat->uid, stat->gid, stat->mode));
	printf("Created  %s%s\n", human_time(text, stat->created_ns),
	       stat->kept ? ", stays when empty" : "");
	printf("Lanes    messages to %s, ", human_bytes(text, (double)stat->message_max_bytes));
	printf("%" PRIu32 " segments%s\n", stat->segments,
	       stat->flags & COP_TOPIC_HOLD_AWAY ? ", wait for subscribers that are away" : "");
	printf("Memory   %s\n", human_bytes(text, (double)stat->memory_bytes));
}

static void add_who(struct table *table, const char *name, enum cop_member_state state, int pid)
{
	const char *word = look_member_state(state);

	table_add(table, TINT_NONE, "%s", name);
	table_add(table, look_tint(word), "%s", word);
	if (pid > 0)
		table_add(table, TINT_NONE, "%d", pid);
	else
		table_add(table, TINT_NONE, "-");
}

static void add_rate(struct table *table, const struct looks *looks, struct rate rate)
{
	char text[HUMAN_MAX];

	if (!looks->before)
		return;
	if (!rate.known) {
		table_add(table, TINT_NONE, "-");
		table_add(table, TINT_NONE, "-");
		return;
	}
	table_add(table, TINT_NONE, "%s", human_count(text, rate.messages));
	table_add(table, TINT_NONE, "%s", human_bytes(text, rate.bytes));
}

static void print_pubs(const struct looks *looks)
{
	static const char *const heads[] = { "PUBLISHER", "STATE",   "PID",    "SENT",  "KEPT",
					     "IN BYTES",  "LARGEST", "MEMORY", "MSG/S", "BYTES/S" };
	static const bool right[] = {
		false, false, true, true, true, true, true, true, true, true
	};
	const struct cop_topic_stat *stat = looks->now;
	struct table table;
	char text[HUMAN_MAX];

	if (stat->pub_count == 0)
		return;
	putchar('\n');
	table_begin(&table, looks->before ? 10 : 8, heads, right);
	for (size_t i = 0; i < stat->pub_count; i++) {
		const struct cop_pub_stat *pub = &stat->pubs[i];

		add_who(&table, pub->name, pub->state, pub->pid);
		table_add(&table, TINT_NONE, "%s", human_digits(text, pub->messages));
		table_add(&table, TINT_NONE, "%s", human_digits(text, look_messages_kept(pub)));
		table_add(&table, TINT_NONE, "%s", human_bytes(text, (double)pub->kept_bytes));
		table_add(&table, TINT_NONE, "%s",
			  human_bytes(text, (double)pub->message_max_bytes));
		table_add(&table, TINT_NONE, "%s", human_bytes(text, (double)pub->memory_bytes));
		add_rate(&table, looks, pub_rate(looks, pub));
	}
	table_end(&table);
}

static void add_lag(struct table *table, uint64_t messages, uint64_t bytes)
{
	enum tint tint = messages ? TINT_WARN : TINT_NONE;
	char text[HUMAN_MAX];

	table_add(table, tint, "%s", human_digits(text, messages));
	table_add(table, tint, "%s", human_bytes(text, (double)bytes));
}

static const char *sub_kind(const struct cop_sub_stat *sub)
{
	if (sub->state == COP_MEMBER_CORRUPT || sub->state == COP_MEMBER_DENIED)
		return "-";
	if (sub->lossless)
		return sub->named ? "lossless, named" : "lossless";
	return sub->named ? "lossy, named" : "lossy";
}

static void print_subs(const struct looks *looks)
{
	static const char *const heads[] = { "SUBSCRIBER", "STATE",    "PID",   "KIND",
					     "LAG",        "IN BYTES", "MSG/S", "BYTES/S" };
	static const bool right[] = { false, false, true, false, true, true, true, true };
	const struct cop_topic_stat *stat = looks->now;
	struct table table;

	if (stat->sub_count == 0)
		return;
	putchar('\n');
	table_begin(&table, looks->before ? 8 : 6, heads, right);
	for (size_t i = 0; i < stat->sub_count; i++) {
		const struct cop_sub_stat *sub = &stat->subs[i];

		add_who(&table, sub->name, sub->state, sub->pid);
		table_add(&table, TINT_NONE, "%s", sub_kind(sub));
		add_lag(&table, sub->lag_messages, sub->lag_bytes);
		add_rate(&table, looks, sub_rate(looks, sub));
	}
	table_end(&table);
}

/* Who has read how far in which lane: of interest only where a subscriber has several. */
static void print_lanes(const struct cop_topic_stat *stat)
{
	static const char *const heads[] = { "SUBSCRIBER", "LANE", "NEXT", "LAG", "IN BYTES" };
	static const bool right[] = { false, false, true, true, true };
	struct table table;
	char text[HUMAN_MAX];
	size_t cursors = 0;

	for (size_t i = 0; i < stat->sub_count; i++)
		if (stat->subs[i].cursor_count > cursors)
			cursors = stat->subs[i].cursor_count;
	if (cursors < 2)
		return;
	putchar('\n');
	table_begin(&table, 5, heads, right);
	for (size_t i = 0; i < stat->sub_count; i++) {
		const struct cop_sub_stat *sub = &stat->subs[i];

		for (size_t j = 0; j < sub->cursor_count; j++) {
			const struct cop_cursor_stat *cursor = &sub->cursors[j];

			table_add(&table, TINT_NONE, "%s", sub->name);
			table_add(&table, TINT_NONE, "%s",
				  cursor->publisher ? cursor->publisher : "(gone)");
			table_add(&table, TINT_NONE, "%s", human_digits(text, cursor->sequence));
			add_lag(&table, cursor->lag_messages, cursor->lag_bytes);
		}
	}
	table_end(&table);
}

static void print(const struct stat_job *job, const struct looks *looks)
{
	if (job->json) {
		print_json(looks);
	} else {
		print_settings(looks->now);
		print_pubs(looks);
		print_subs(looks);
		print_lanes(looks->now);
	}
	fflush(stdout);
}

static void sleep_until(int64_t due)
{
	struct timespec until;
	int64_t now = now_ns();

	while (now < due && !stop_asked()) {
		int64_t next = now + stop_slice(due - now, 0);

		until.tv_sec = next / 1000000000;
		until.tv_nsec = next % 1000000000;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
		now = now_ns();
	}
}

/* Look again and again. A rate needs two looks, so the first prints nothing. */
static enum exit_status watch(const struct stat_job *job)
{
	struct cop_topic_stat *before = NULL, *now = NULL;
	int64_t before_ns = 0, took_ns;
	uint64_t printed = 0;
	int rc = 0;

	while (!stop_asked() && (job->count == 0 || printed < job->count)) {
		rc = cop_topic_stat(job->topic, &now);
		if (rc < 0 || ferror(stdout))
			break;
		took_ns = now_ns();
		if (before) {
			struct looks looks = { now, before, (double)(took_ns - before_ns) / 1e9 };

			if (printed++ && !job->json)
				putchar('\n');
			print(job, &looks);
		}
		cop_topic_stat_free(before);
		before = now;
		now = NULL;
		before_ns = took_ns;
		if (job->count == 0 || printed < job->count)
			sleep_until(took_ns + job->interval_ns);
	}
	cop_topic_stat_free(before);
	cop_topic_stat_free(now);
	if (rc < 0)
		return fail_cop(rc, NULL);
	return stop_asked() ? stop_status() : STATUS_OK;
}

static enum exit_status look_once(const struct stat_job *job)
{
	struct looks looks = { 0 };
	struct cop_topic_stat *stat;
	int rc = cop_topic_stat(job->topic, &stat);

	if (rc < 0)
		return fail_cop(rc, NULL);
	looks.now = stat;
	print(job, &looks);
	cop_topic_stat_free(stat);
	return STATUS_OK;
}

enum { OPT_JSON = 256 };

static const struct option_spec specs[] = {
	{ 'i', "interval", "TIME", "look every TIME and show rates; the first after TIME" },
	{ 'n', "count", "N", "with --interval: N times (default: until Ctrl-C)" },
	{ OPT_JSON, "json", NULL, "a line of JSON for each look" },
	{ 0 },
};

static enum exit_status run(int argc, char **argv)
{
	struct stat_job job = { 0 };
	struct options options;
	int id;

	options_begin(&options, &verb_stat, argc, argv);
	while ((id = options_next(&options))) {
		if (id == 'i') {
			job.interval_ns = options_time(&options);
			if (options.status == STATUS_OK && job.interval_ns < 1000000)
				options_wrong(&options, "must be 1ms or more");
		} else if (id == 'n') {
			job.count = options_number(&options, 1, UINT64_MAX);
		} else {
			job.json = true;
		}
	}
	if (!options_done(&options))
		return options.status;
	if (job.count && !job.interval_ns)
		return fail(STATUS_USAGE, "--count goes with --interval");
	job.topic = options_operand(&options, 0);
	return job.interval_ns ? watch(&job) : look_once(&job);
}

const struct verb verb_stat = {
	.name = "stat",
	.operands = "[OPTION]... TOPIC",
	.operands_min = 1,
	.operands_max = 1,
	.summary = "look into a topic: settings, members, depth, lag, rates",
	.text = "SENT counts the messages since a lane began, KEPT those that can still be "
		"read; LAG is what a subscriber has yet to read. Nobody who takes part in the "
		"topic is disturbed.",
	.examples = "  copage stat prices\n"
		    "  copage stat prices --interval 1s\n"
		    "  copage stat prices --json | jq '.subscribers[] | {name, lag_messages}'\n",
	.specs = specs,
	.run = run,
};
