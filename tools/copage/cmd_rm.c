/*
 * cmd_rm.c - copage rm and copage forget: remove topics, and subscribers that will not come back
 */
#include "report.h"
#include "verb.h"

#include <copage/topic.h>

#include <limits.h>

static const struct option_spec rm_specs[] = {
	{ 'f', "force", NULL,
	  "although live members are there: they go on in memory that has "
	  "no name any more" },
	{ 0 },
};

/* All are tried; the first failure's status is told. */
static enum exit_status run_rm(int argc, char **argv)
{
	enum exit_status status = STATUS_OK, why;
	struct options options;
	const char *topic;
	uint32_t flags = 0;
	int rc;

	options_begin(&options, &verb_rm, argc, argv);
	while (options_next(&options))
		flags = COP_REMOVE_FORCE;
	if (!options_done(&options))
		return options.status;
	for (int i = 0; (topic = options_operand(&options, i)); i++) {
		rc = cop_topic_remove(topic, flags);
		if (rc == 0)
			continue;
		why = fail_cop(rc, NULL);
		if (status == STATUS_OK)
			status = why;
	}
	return status;
}

const struct verb verb_rm = {
	.name = "rm",
	.operands = "[OPTION]... TOPIC...",
	.operands_min = 1,
	.operands_max = INT_MAX,
	.summary = "remove topics with all that they keep",
	.text = "A topic in which somebody lives is left alone, unless --force is given.",
	.examples = "  copage rm prices\n"
		    "  copage rm --force /dev/shm/copage/video\n",
	.specs = rm_specs,
	.run = run_rm,
};

static const struct option_spec forget_specs[] = { { 0 } };

static enum exit_status run_forget(int argc, char **argv)
{
	struct options options;
	int rc;

	options_begin(&options, &verb_forget, argc, argv);
	while (options_next(&options))
		;
	if (!options_done(&options))
		return options.status;
	rc = cop_topic_forget(options_operand(&options, 0), options_operand(&options, 1));
	return rc < 0 ? fail_cop(rc, NULL) : STATUS_OK;
}

const struct verb verb_forget = {
	.name = "forget",
	.operands = "TOPIC SUBSCRIBER",
	.operands_min = 2,
	.operands_max = 2,
	.summary = "forget a named subscriber that will not come back",
	.text = "What is kept for it goes too, and publishers that wait for it go on.",
	.examples = "  copage stat prices          # who is away?\n"
		    "  copage forget prices ledger\n",
	.specs = forget_specs,
	.run = run_forget,
};
