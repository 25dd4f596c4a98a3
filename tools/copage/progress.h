/*
 * progress.h - how much has gone through: a line that renews itself, and a summary
 *
 * The line is drawn on standard error where that is a terminal and nothing else uses it, some
 * times a second, and erased at the end. A process has one stream of messages, so this is a
 * module and not an object.
 */
#ifndef COPAGE_TOOL_PROGRESS_H
#define COPAGE_TOOL_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum progress_mode {
	PROGRESS_AUTO, /* where standard error is a terminal, unless --quiet */
	PROGRESS_ON,
	PROGRESS_OFF,
};

/* The clock that never goes back, in nanoseconds. */
int64_t now_ns(void);

/* Begin. shared says that data goes to or comes from the terminal too: no line then. */
void progress_begin(enum progress_mode mode, bool shared);

/* One message of so many bytes went through. Cheap: looks at the clock only now and then. */
void progress_message(size_t size_bytes);

/* Nothing more is waiting: the time up to here counts for the summary, what follows may not. */
void progress_settle(void);

/* Renew the line if it is time. For loops that wait. */
void progress_tick(void);

/* Take the line away, so that something else can be printed. */
void progress_erase(void);

/* The end: erase the line; with stats, print the summary. */
void progress_end(bool stats);

/* Messages that went through. */
uint64_t progress_messages(void);

#endif
