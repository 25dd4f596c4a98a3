/*
 * input.h - read what is to be published
 *
 * A buffer between a descriptor and the messages that are cut out of it. Lines are found in the
 * buffer; large pieces of known size are read past it, straight to where they are to be.
 */
#ifndef COPAGE_TOOL_INPUT_H
#define COPAGE_TOOL_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct input {
	int fd;
	const char *name; /* for sentences */
	uint64_t offset; /* of the next byte to be handed out, from where reading began */
	bool ended; /* the descriptor has nothing more */
	unsigned char *buffer;
	size_t room; /* of the buffer */
	size_t begin, end; /* what of it is yet to be handed out */
};

/* Open a file, or standard input where path is NULL or "-". Returns 0 or a negative errno. */
int input_open(struct input *input, const char *path);
void input_close(struct input *input);

/*
 * All that follow return a number of bytes, 0 at the end of the input, or a negative errno:
 * -EINTR when the command was asked to stop.
 */

/*
 * The next line, its newline included; the last one may lack it. *line is valid until the next
 * call. -EMSGSIZE: no newline within max_bytes, and nothing was taken.
 */
ssize_t input_line(struct input *input, size_t max_bytes, const unsigned char **line);

/* Read size bytes to to: fewer only where the input ends. */
ssize_t input_read(struct input *input, void *to, size_t size);

/* Step over size bytes: fewer only where the input ends. Returns 0, their number in *stepped. */
int input_skip(struct input *input, uint64_t size, uint64_t *stepped);

/* Is there at least one byte more? Waits for it: 1, 0 at the end. */
int input_more(struct input *input);

#endif
