/*
 * output.h - write messages to standard output
 *
 * Small messages are gathered in a buffer while more are waiting; large ones go from shared
 * memory to the kernel without another copy. When output_put() or output_flush() has returned 0
 * after a flush, everything was handed to the kernel.
 */
#ifndef COPAGE_TOOL_OUTPUT_H
#define COPAGE_TOOL_OUTPUT_H

#include <stddef.h>
#include <sys/uio.h>

/* Make the buffer. Returns 0, or -EBADF if standard output cannot be written to at all. */
int output_begin(void);

/* Write up to four pieces as one. Returns 0 or a negative errno; -EINTR when asked to stop. */
int output_put(const struct iovec *pieces, size_t count);

/* Write what is gathered. Errors as above. */
int output_flush(void);

/* Has the reader gone away? For loops that have nothing to write, and would not find out. */
int output_is_closed(void);

#endif
