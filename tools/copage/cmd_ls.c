/*
 * cmd_ls.c - copage ls: the topics of a root
 */
#include "human.h"
#include "json.h"
#include "look.h"
#include "report.h"
#include "verb.h"

#include <copage/error.h>
#include <copage/topic.h>

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	char *name;
	int error; /* why it cannot be looked into */
	char *why; /* in words */
	struct cop_topic_stat *stat; /* NULL then */
	struct look look;
};

struct ls_job {
	const char *root; /* NULL: the default one */
	bool json, names, wide;
	struct entry *entries;
	size_t count;
};

static char *copy(const char *text)
{
	size_t size = strlen(text) + 1;

	return memcpy(need_memory(NULL, size), text, size);
}

/* Names are gathered first: looking into topics while the directory is read is another's job. */
static int gather(void *arg, const char *name, int error)
{
	struct ls_job *job = arg;

	job->entries = need_memory(job->entries, (job->count + 1) * sizeof(*job->entries));
	job->entries[job->count++] = (struct entry){ .name = copy(name), .error = error };
	return 0;
}

static void look_into(const struct ls_job *job, struct entry *entry)
{
	char path[PATH_MAX];
	int length;

	if (job->root)
		length = snprintf(path, sizeof(path), "%s/%s", job->root, entry->name);
	else
		length = snprintf(path, sizeof(path), "%s", entry->name);
	entry->error = (size_t)length < sizeof(path) ? cop_topic_stat(path, &entry->stat)
						     : -ENAMETOOLONG;
	if (entry->error < 0)
		entry->why = copy(cop_error_text());
	else
		look_at(&entry->look, entry->stat);
}

static void print_names(const struct ls_job *job)
{
	for (size_t i = 0; i < job->count; i++)
		puts(job->entries[i].name);
}

static void counts_json(struct json *json, const char *key, const size_t *counts)
{
	json_open(json, key, '{');
	for (int state = COP_MEMBER_LIVE; state <= COP_MEMBER_DENIED; state++)
		json_u64(json, look_member_state((enum cop_member_state)state), counts[state]);
	json_close(json, '}');
}

static void print_json(const struct ls_job *job, const char *root)
{
	struct json json = { 0 };
	char time[HUMAN_MAX];

	json_begin(&json);
	json_open(&json, NULL, '{');
	json_string(&json, "root", root);
	json_open(&json, "topics", '[');
	for (size_t i = 0; i < job->count; i++) {
		const struct entry *entry = &job->entries[i];

		json_open(&json, NULL, '{');
		json_string(&json, "topic", entry->name);
		json_string(&json, "state",
			    entry->stat ? look_state(&entry->look) : look_error(entry->error));
		if (entry->stat) {
			json_null(&json, "error");
			counts_json(&json, "publishers", entry->look.pubs);
			counts_json(&json, "subscribers", entry->look.subs);
			json_u64(&json, "messages_kept", entry->look.messages_kept);
			json_u64(&json, "lag_messages", entry->look.lag_messages);
			json_u64(&json, "memory_bytes", entry->stat->memory_bytes);
			look_owner_json(&json, entry->stat->uid, entry->stat->gid,
					entry->stat->mode);
			json_bool(&json, "kept", entry->stat->kept);
			json_string(&json, "created",
				    human_time_iso(time, entry->stat->created_ns));
		} else {
			json_string(&json, "error", entry->why);
		}
		json_close(&json, '}');
	}
	json_close(&json, ']');
	json_close(&json, '}');
	json_print(&json);
	json_free(&json);
}

/* "2", and what else there is that should not stay: "2+1". */
static void add_count(struct table *table, const size_t *counts)
{
	size_t others = 0;

	for (int state = COP_MEMBER_CLOSED; state <= COP_MEMBER_DENIED; state++)
		others += counts[state];
	if (others)
		table_add(table, TINT_NONE, "%zu+%zu", counts[COP_MEMBER_LIVE], others);
	else
		table_add(table, TINT_NONE, "%zu", counts[COP_MEMBER_LIVE]);
}

static void add_topic(struct table *table, const struct ls_job *job, const struct entry *entry)
{
	const char *state = entry->stat ? look_state(&entry->look) : look_error(entry->error);
	char text[HUMAN_MAX], owner[128];
	size_t first = table->cells;

	table_add(table, TINT_NONE, "%s", entry->name);
	table_add(table, look_tint(state), "%s", state);
	if (entry->stat) {
		add_count(table, entry->look.pubs);
		add_count(table, entry->look.subs);
		table_add(table, TINT_NONE, "%s", human_digits(text, entry->look.messages_kept));
		table_add(table, entry->look.lag_messages ? TINT_WARN : TINT_NONE, "%s",
			  human_digits(text, entry->look.lag_messages));
		table_add(table, TINT_NONE, "%s",
			  human_bytes(text, (double)entry->stat->memory_bytes));
	}
	if (entry->stat && job->wide) {
		table_add(table, TINT_NONE, "%s",
			  look_owner(owner, entry->stat->uid, entry->stat->gid, entry->stat->mode));
		table_add(table, TINT_NONE, "%s", entry->stat->kept ? "yes" : "no");
		table_add(table, TINT_NONE, "%s", human_time(text, entry->stat->created_ns));
	}
	while (table->cells < first + table->columns)
		table_add(table, TINT_NONE, "-");
}

static void print_table(const struct ls_job *job)
{
	static const char *const heads[] = { "TOPIC", "STATE",  "PUBS",  "SUBS", "MESSAGES",
					     "LAG",   "MEMORY", "OWNER", "KEPT", "CREATED" };
	static const bool right[] = { false, false, true,  true,  true,
				      true,  true,  false, false, false };
	struct table table;

	table_begin(&table, job->wide ? 10 : 7, heads, right);
	for (size_t i = 0; i < job->count; i++)
		add_topic(&table, job, &job->entries[i]);
	table_end(&table);
}

static enum exit_status list(struct ls_job *job)
{
	char root[PATH_MAX];
	int rc = cop_topic_list(job->root, gather, job);

	if (rc < 0)
		return fail_cop(rc, NULL);
	if (job->root)
		snprintf(root, sizeof(root), "%s", job->root);
	else if (cop_root(root, sizeof(root)) < 0)
		*root = '\0';
	for (size_t i = 0; i < job->count && !job->names; i++)
		look_into(job, &job->entries[i]);
	if (job->json)
		print_json(job, root);
	else if (job->names)
		print_names(job);
	else if (job->count > 0)
		print_table(job);
	else
		note_person("no topics in %s", root);
	return STATUS_OK;
}

enum { OPT_JSON = 256, OPT_NAMES };

static const struct option_spec specs[] = {
	{ 'l', "long", NULL, "owner, mode and age too" },
	{ OPT_NAMES, "names", NULL, "only the names, one a line" },
	{ OPT_JSON, "json", NULL, "JSON, one object" },
	{ 0 },
};

static enum exit_status run(int argc, char **argv)
{
	struct ls_job job = { 0 };
	struct options options;
	enum exit_status status;
	int id;

	options_begin(&options, &verb_ls, argc, argv);
	while ((id = options_next(&options))) {
		job.wide |= id == 'l';
		job.names |= id == OPT_NAMES;
		job.json |= id == OPT_JSON;
	}
	if (!options_done(&options))
		return options.status;
	if (job.names && job.json)
		return fail(STATUS_USAGE, "--names and --json exclude each other");
	job.root = options_operand(&options, 0);
	status = list(&job);
	for (size_t i = 0; i < job.count; i++) {
		free(job.entries[i].name);
		free(job.entries[i].why);
		cop_topic_stat_free(job.entries[i].stat);
	}
	free(job.entries);
	return status;
}

const struct verb verb_ls = {
	.name = "ls",
	.operands = "[OPTION]... [ROOT]",
	.operands_max = 1,
	.summary = "list the topics of a root",
	.text = "PUBS and SUBS are those that live, and behind a plus sign those that do not: "
		"closed, away, dead or unreadable. MESSAGES are kept for subscribers to come; "
		"LAG is what the slowest subscriber has yet to read; MEMORY is reserved.",
	.examples = "  copage ls\n"
		    "  copage ls -l /dev/shm/copage\n"
		    "  copage ls --json | jq '.topics[] | select(.state != \"live\")'\n",
	.specs = specs,
	.run = run,
};
