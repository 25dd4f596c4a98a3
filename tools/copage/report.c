/*
 * report.c - sentences on standard error
 */
#include "report.h"

#include "progress.h"

#include <copage/error.h>

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static char prefix[32] = "copage";
static bool quiet_on;

void report_verb(const char *verb)
{
	snprintf(prefix, sizeof(prefix), verb ? "copage %s" : "copage", verb);
}

const char *report_prefix(void)
{
	return prefix;
}

void report_quiet(bool quiet)
{
	quiet_on = quiet;
}

bool report_is_quiet(void)
{
	return quiet_on;
}

static void sentence(const char *format, va_list args, const char *more)
	__attribute__((format(printf, 1, 0)));

/*
 * One sentence is one write, so that the lines of several processes on one terminal or in one log
 * do not tear each other apart.
 */
static void sentence(const char *format, va_list args, const char *more)
{
	char text[4096];
	size_t room = sizeof(text) - 1; /* the newline's place is kept */
	int used = snprintf(text, room, "%s: ", prefix);

	if (format) {
		used += vsnprintf(text + used, room - (size_t)used, format, args);
		if ((size_t)used >= room)
			used = (int)room - 1;
	}
	if (more)
		used += snprintf(text + used, room - (size_t)used, "%s%s", format ? ": " : "",
				 more);
	if ((size_t)used >= room)
		used = (int)room - 1;
	text[used] = '\n';
	progress_erase();
	fflush(stderr);
	if (write(STDERR_FILENO, text, (size_t)used + 1) < 0)
		return; /* There is nobody left to tell. */
}

enum exit_status fail(enum exit_status status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	sentence(format, args, NULL);
	va_end(args);
	return status;
}

enum exit_status fail_cop(int error, const char *format, ...)
{
	const char *why = cop_error_text();
	va_list args;

	va_start(args, format);
	sentence(format, args, *why ? why : strerror(-error));
	va_end(args);
	return status_of(error);
}

void note(const char *format, ...)
{
	va_list args;

	if (quiet_on)
		return;
	va_start(args, format);
	sentence(format, args, NULL);
	va_end(args);
}

void note_person(const char *format, ...)
{
	va_list args;

	if (quiet_on || !isatty(STDERR_FILENO))
		return;
	va_start(args, format);
	sentence(format, args, NULL);
	va_end(args);
}

static void on_sigbus(int number)
{
	static char text[] = ": shared memory in use was truncated by somebody, or its storage "
			     "failed\n";
	struct iovec pieces[] = { { prefix, strlen(prefix) }, { text, sizeof(text) - 1 } };
	/* Words that do not get out are not waited for: the status tells, too. */
	ssize_t wrote __attribute__((unused)) = writev(STDERR_FILENO, pieces, 2);

	(void)number;
	_exit(STATUS_CORRUPT);
}

void report_on_sigbus(void)
{
	struct sigaction action = { .sa_handler = on_sigbus };

	sigaction(SIGBUS, &action, NULL);
}

enum exit_status fail_output(int error)
{
	if (error == EPIPE || error == EBADF)
		return fail(STATUS_OUTPUT_CLOSED, "standard output was closed");
	return fail(status_of(error), "cannot write to standard output: %s", strerror(error));
}

enum exit_status report_output(enum exit_status status)
{
	enum exit_status why;

	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	why = fail_output(errno ? errno : EIO);
	return status == STATUS_OK ? why : status;
}
