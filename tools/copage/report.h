/*
 * report.h - sentences on standard error
 *
 * Standard output is for data alone. Everything that the command has to say goes through here, so
 * that each sentence begins alike ("copage pub: ...") and does not run into the progress line.
 */
#ifndef COPAGE_TOOL_REPORT_H
#define COPAGE_TOOL_REPORT_H

#include "exit_status.h"

#include <stdbool.h>

/* The verb that sentences begin with; NULL for the command itself. Set once, by main(). */
void report_verb(const char *verb);
const char *report_prefix(void);

/* --quiet: notes are kept back. Failures are always told. */
void report_quiet(bool quiet);
bool report_is_quiet(void);

/* A failure: prints one sentence and returns status, so that a caller can return it at once. */
enum exit_status fail(enum exit_status status, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * A failure of the library: prints its sentence, behind the words of format if that is not NULL,
 * and returns the status that belongs to error, a negative errno.
 */
enum exit_status fail_cop(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Something that the user may want to know and that is no failure of the command. */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same, only for a person who is watching: where standard error is a terminal. */
void note_person(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * What is left in standard output's buffer must reach it before the command may say that all went
 * well. Returns status, or why the output failed.
 */
enum exit_status report_output(enum exit_status status);

/*
 * Somebody who may write a file that is mapped may also truncate it, and then the kernel answers
 * the next touch with SIGBUS. A library has to leave signals to its program; the program that
 * this is says what happened, and ends with STATUS_CORRUPT.
 */
void report_on_sigbus(void);

/* The failure of a write to standard output, from its errno. */
enum exit_status fail_output(int error);

#endif
