/*
 * stop.h - end in order when the user or the system asks
 *
 * SIGINT, SIGTERM and SIGHUP only leave a mark; the loops look at it, finish the message they are
 * at, flush, and close. One that comes a second later or more ends the process at once.
 */
#ifndef COPAGE_TOOL_STOP_H
#define COPAGE_TOOL_STOP_H

#include "exit_status.h"

#include <stdbool.h>
#include <stdint.h>

/* How long a loop waits before it looks again whether it is to stop. */
#define STOP_LOOK_NS 100000000

/* Take the signals over; ignore SIGPIPE, because a closed output is an error and not a death. */
void stop_on_signals(void);

/* All is done: what follows needs no waking. */
void stop_done(void);

/* Was a signal received? */
bool stop_asked(void);

/* The exit status for it: 128 and its number, as shells count. */
enum exit_status stop_status(void);

/*
 * The part of a wait that may pass before the next look: waited_ns of timeout_ns are over;
 * timeout_ns is negative for a wait without end.
 */
int64_t stop_slice(int64_t timeout_ns, int64_t waited_ns);

#endif
