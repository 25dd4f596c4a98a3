/*
 * cmd_create.c - copage create: make a topic that stays
 */
#include "report.h"
#include "verb.h"

#include <copage/topic.h>

#include <ctype.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>

enum { OPT_MODE = 256, OPT_GROUP, OPT_MESSAGE_MAX, OPT_SEGMENTS, OPT_HOLD_AWAY };

static const struct option_spec specs[] = {
	{ OPT_MODE, "mode", "MODE",
	  "who may take part: 0600 (default), 0660 or 0666; exact, in "
	  "spite of umask" },
	{ OPT_GROUP, "group", "GROUP", "the group of its files, by name or number" },
	{ OPT_MESSAGE_MAX, "message-max", "BYTES", "the largest message of a lane (default 1M)" },
	{ OPT_SEGMENTS, "segments", "N", "segments of a lane (default 3)" },
	{ OPT_HOLD_AWAY, "hold-away", NULL,
	  "publishers wait for named subscribers that are away, "
	  "too: these miss nothing, and lanes may fill up" },
	{ 0 },
};

/* Octal, with or without the leading zero. */
static uint32_t parse_mode(struct options *options)
{
	static const uint32_t modes[] = { 0600, 0660, 0666 };
	char *end;
	unsigned long mode = strtoul(options->value, &end, 8);

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (mode == modes[i] && *end == '\0')
			return modes[i];
	options_wrong(options, "must be one of 0600, 0660, 0666");
	return 0;
}

/* The options structure counts groups from one, so that zero can mean the caller's own. */
static int64_t parse_group(struct options *options)
{
	const struct group *group = getgrnam(options->value);
	unsigned long number;
	char *end;

	if (group)
		return (int64_t)group->gr_gid + 1;
	number = strtoul(options->value, &end, 10);
	if (isdigit((unsigned char)*options->value) && *end == '\0' && number < UINT32_MAX)
		return (int64_t)number + 1;
	options_wrong(options, "is not a group of this system");
	return 0;
}

static enum exit_status run(int argc, char **argv)
{
	struct cop_topic_opts opts = COP_TOPIC_OPTS_INIT;
	struct options options;
	int id;
	int rc;

	options_begin(&options, &verb_create, argc, argv);
	while ((id = options_next(&options))) {
		switch (id) {
		case OPT_MODE:
			opts.mode = parse_mode(&options);
			break;
		case OPT_GROUP:
			opts.group = parse_group(&options);
			break;
		case OPT_MESSAGE_MAX:
			opts.message_max_bytes = options_bytes(&options, 1, COP_MESSAGE_MAX);
			break;
		case OPT_SEGMENTS:
			opts.segments = (uint32_t)options_number(&options, 2, COP_SEGMENTS_MAX);
			break;
		default:
			opts.flags |= COP_TOPIC_HOLD_AWAY;
			break;
		}
	}
	if (!options_done(&options))
		return options.status;
	rc = cop_topic_create(options_operand(&options, 0), &opts);
	return rc < 0 ? fail_cop(rc, NULL) : STATUS_OK;
}

const struct verb verb_create = {
	.name = "create",
	.operands = "[OPTION]... TOPIC",
	.operands_min = 1,
	.operands_max = 1,
	.summary = "make a topic that stays until it is removed",
	.text = "A topic that 'pub' or 'sub' finds missing is made by them, with the "
		"defaults, and goes with its last member. Create it for other settings, for "
		"other users, or to keep it.",
	.examples = "  copage create prices --mode 0660 --group traders\n"
		    "  copage create video --message-max 32M --segments 8\n"
		    "  copage create orders --hold-away\n",
	.specs = specs,
	.run = run,
};
