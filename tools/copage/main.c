/*
 * main.c - copage: see and operate shared memory
 *
 * The command is thin: each verb is a table and a function in a file of its own (cmd_*.c), built
 * on the library's public calls alone. This file finds the verb and hands over.
 */
#include "report.h"
#include "stop.h"
#include "verb.h"

#include <copage/version.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const struct verb *const verbs[] = {
	&verb_pub, &verb_sub, &verb_ls,     &verb_stat, &verb_create,
	&verb_rm,  &verb_gc,  &verb_forget, &verb_help, NULL,
};

const struct verb *verb_find(const char *name)
{
	for (size_t i = 0; verbs[i]; i++)
		if (strcmp(verbs[i]->name, name) == 0)
			return verbs[i];
	return NULL;
}

static const char *verb_name(const void *arg, size_t i)
{
	(void)arg;
	return verbs[i] ? verbs[i]->name : NULL;
}

/*
 * Whoever starts us with standard input, output or error closed must not find shared memory in
 * its place: the next descriptor that is opened takes the free number. The place is filled so
 * that using it in its own sense still fails.
 */
static void fill_standard_descriptors(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
			_exit(STATUS_FAILED);
}

static enum exit_status version(void)
{
	printf("copage %s (library %s)\n", COP_VERSION, cop_version());
	return STATUS_OK;
}

static enum exit_status unknown_verb(const char *word)
{
	const char *guess = nearest(word, verb_name, NULL);

	if (guess)
		return fail(STATUS_USAGE,
			    "unknown verb '%s': did you mean '%s'? 'copage help' "
			    "lists all",
			    word, guess);
	return fail(STATUS_USAGE, "unknown verb '%s'; 'copage help' lists all", word);
}

static enum exit_status dispatch(int argc, char **argv)
{
	const struct verb *verb;

	if (argc < 2)
		return fail(STATUS_USAGE, "which verb? 'copage help' lists all");
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
		return version();
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		help_overview();
		return STATUS_OK;
	}
	verb = verb_find(argv[1]);
	if (!verb)
		return unknown_verb(argv[1]);
	report_verb(verb->name);
	return verb->run(argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
	enum exit_status status;

	fill_standard_descriptors();
	stop_on_signals();
	report_on_sigbus();
	status = report_output(dispatch(argc, argv));
	stop_done();
	return (int)status;
}
