/*
 * exit_status.h - what the command's exit status means
 *
 * This table is the one source: the enumeration, `copage help exit-codes` and the mapping from
 * the library's errors are made of it, and a test holds the manual page and docs/command.md to
 * it. Scripts rely on the numbers, so a number is never given another meaning.
 */
#ifndef COPAGE_TOOL_EXIT_STATUS_H
#define COPAGE_TOOL_EXIT_STATUS_H

/*     name               number, what it says */
#define EXIT_STATUSES(X) \
	X(STATUS_OK, 0, "done") \
	X(STATUS_FAILED, 1, "failed, for a reason that has no number of its own") \
	X(STATUS_USAGE, 2, "wrong usage: an option, a number or a name breaks its rule") \
	X(STATUS_NOT_FOUND, 3, "not found: a topic, a root, a member or an input file") \
	X(STATUS_EXISTS, 4, "it exists already") \
	X(STATUS_BUSY, 5, "busy: a live member holds it") \
	X(STATUS_FULL, 6, "full: no room in the lane, and asked not to wait") \
	X(STATUS_TIMED_OUT, 7, "timed out") \
	X(STATUS_DENIED, 8, "denied by file modes") \
	X(STATUS_NO_SPACE, 9, "no space left, in shared memory or for the output") \
	X(STATUS_TOO_LARGE, 10, "a message is larger than the lane can carry") \
	X(STATUS_CORRUPT, 11, "corrupt, or not Copage's") \
	X(STATUS_VERSION, 12, "made by another version of Copage") \
	X(STATUS_DIED, 13, "a publisher died; what it had sent was received") \
	X(STATUS_GAP, 14, "messages were missed; standard error told which") \
	X(STATUS_OUTPUT_CLOSED, 15, "standard output was closed") \
	X(STATUS_LIMIT, 16, "out of memory or file descriptors") \
	X(STATUS_REPLACED, 17, "the topic was removed or replaced meanwhile") \
	X(STATUS_BAD_INPUT, 18, "the input is not what it was said to be: a frame is cut short") \
	X(STATUS_SIGHUP, 129, "ended by SIGHUP, in order") \
	X(STATUS_SIGINT, 130, "ended by SIGINT (Ctrl-C), in order") \
	X(STATUS_SIGTERM, 143, "ended by SIGTERM, in order")

enum exit_status {
#define X(name, number, text) name = number,
	EXIT_STATUSES(X)
#undef X
};

/* The exit status that tells of a library call's negative errno, or of an errno. */
enum exit_status status_of(int error);

/* Print the table to standard output. */
void exit_status_print(void);

#endif
