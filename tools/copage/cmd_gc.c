/*
 * cmd_gc.c - copage gc: remove what the dead left, and say how it is known
 */
#include "human.h"
#include "json.h"
#include "report.h"
#include "verb.h"

#include <copage/topic.h>

#include <inttypes.h>
#include <string.h>

struct gc_job {
	bool json, dry_run;
	struct json out;
	uint64_t bytes; /* of what was removed */
	size_t failures;
	enum exit_status status; /* of the first item that could not be removed */
};

static void visit_json(struct gc_job *job, const struct cop_gc_item *item)
{
	json_open(&job->out, NULL, '{');
	json_string(&job->out, "path", item->path);
	json_string(&job->out, "reason", item->reason);
	json_u64(&job->out, "bytes", item->bytes);
	if (item->error)
		json_string(&job->out, "error", strerror(-item->error));
	else
		json_null(&job->out, "error");
	json_close(&job->out, '}');
}

static void visit(void *arg, const struct cop_gc_item *item)
{
	struct gc_job *job = arg;
	char bytes[HUMAN_MAX];

	if (item->error) {
		job->failures++;
		if (job->status == STATUS_OK)
			job->status = status_of(item->error);
	} else {
		job->bytes += item->bytes;
	}
	if (job->json)
		visit_json(job, item);
	else if (item->error)
		fail(status_of(item->error), "cannot remove %s: %s (%s)", item->path,
		     strerror(-item->error), item->reason);
	else
		printf("%s %s (%s): %s\n", job->dry_run ? "would remove" : "removed", item->path,
		       human_bytes(bytes, (double)item->bytes), item->reason);
}

static enum exit_status collect(struct gc_job *job, const char *what)
{
	char bytes[HUMAN_MAX];
	int count;

	json_begin(&job->out);
	json_open(&job->out, NULL, '{');
	json_bool(&job->out, "dry_run", job->dry_run);
	json_open(&job->out, "items", '[');
	count = cop_gc(what, job->dry_run ? COP_GC_DRY_RUN : 0, visit, job);
	if (count < 0)
		return fail_cop(count, NULL);
	json_close(&job->out, ']');
	json_u64(&job->out, "removed", (uint64_t)count);
	json_u64(&job->out, "failed", job->failures);
	json_u64(&job->out, "bytes", job->bytes);
	json_close(&job->out, '}');
	if (job->json)
		json_print(&job->out);
	else
		printf("%s %d, %s\n", job->dry_run ? "would remove" : "removed", count,
		       human_bytes(bytes, (double)job->bytes));
	return job->status;
}

enum { OPT_JSON = 256 };

static const struct option_spec specs[] = {
	{ 'n', "dry-run", NULL, "only tell what would be removed" },
	{ OPT_JSON, "json", NULL, "JSON, one object" },
	{ 0 },
};

static enum exit_status run(int argc, char **argv)
{
	struct gc_job job = { 0 };
	struct options options;
	enum exit_status status;
	int id;

	options_begin(&options, &verb_gc, argc, argv);
	while ((id = options_next(&options))) {
		job.json |= id == OPT_JSON;
		job.dry_run |= id == 'n';
	}
	if (!options_done(&options))
		return options.status;
	status = collect(&job, options_operand(&options, 0));
	json_free(&job.out);
	return status;
}

const struct verb verb_gc = {
	.name = "gc",
	.operands = "[OPTION]... [TOPIC | DIR/]",
	.operands_max = 1,
	.summary = "remove what dead processes left",
	.text = "Without an operand, in all topics of the default root. Death is proved and "
		"never guessed: the kernel has freed the lock that a member held. What lives, "
		"what is away under a name, and what is not Copage's is left alone. Seldom "
		"needed: whoever meets the dead cleans up.",
	.examples = "  copage gc --dry-run\n"
		    "  copage gc prices\n"
		    "  copage gc /dev/shm/copage/\n",
	.specs = specs,
	.run = run,
};
