/*
 * input.c - read what is to be published
 */
#include "input.h"

#include "human.h"
#include "progress.h"
#include "stop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_BYTES (128u << 10)
#define DIRECT_BYTES (32u << 10) /* pieces from this size up are worth a read of their own */

int input_open(struct input *input, const char *path)
{
	bool standard = !path || strcmp(path, "-") == 0;
	int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	*input = (struct input){ .fd = fd, .name = standard ? "standard input" : path };
	input->room = BUFFER_BYTES;
	input->buffer = need_memory(NULL, input->room);
	return 0;
}

void input_close(struct input *input)
{
	if (input->fd > STDERR_FILENO)
		close(input->fd);
	free(input->buffer);
	*input = (struct input){ .fd = -1 };
}

/* One read. Before one that may block, the progress line is kept alive until there is input. */
static ssize_t read_some(struct input *input, void *to, size_t size)
{
	struct pollfd look = { .fd = input->fd, .events = POLLIN };
	ssize_t got;

	do {
		while (!stop_asked() && poll(&look, 1, STOP_LOOK_NS / 1000000) == 0) {
			progress_settle();
			progress_tick();
		}
		if (stop_asked())
			return -EINTR;
		got = read(input->fd, to, size);
	} while (got < 0 && (errno == EINTR || errno == EAGAIN));
	if (got == 0)
		input->ended = true;
	return got < 0 ? -errno : got;
}

/* Read more into the buffer, which is made larger if it is full. */
static ssize_t fill(struct input *input, size_t most)
{
	ssize_t got;

	if (input->begin == input->end)
		input->begin = input->end = 0;
	if (input->end == input->room && input->begin > 0) {
		memmove(input->buffer, input->buffer + input->begin, input->end - input->begin);
		input->end -= input->begin;
		input->begin = 0;
	}
	if (input->end == input->room) {
		input->room *= 2;
		input->buffer = need_memory(input->buffer, input->room);
	}
	if (most > input->room - input->end)
		most = input->room - input->end;
	got = read_some(input, input->buffer + input->end, most);
	if (got > 0)
		input->end += (size_t)got;
	return got;
}

static const unsigned char *take(struct input *input, size_t size)
{
	const unsigned char *from = input->buffer + input->begin;

	input->begin += size;
	input->offset += size;
	return from;
}

ssize_t input_line(struct input *input, size_t max_bytes, const unsigned char **line)
{
	size_t searched = 0; /* behind begin: what is known to have no newline */
	size_t have;
	const unsigned char *newline;
	ssize_t got;

	for (;;) {
		have = input->end - input->begin;
		newline = memchr(input->buffer + input->begin + searched, '\n', have - searched);
		if (newline)
			have = (size_t)(newline + 1 - input->buffer) - input->begin;
		if (have > max_bytes)
			return -EMSGSIZE;
		if (newline || input->ended) {
			*line = take(input, have);
			return (ssize_t)have;
		}
		searched = have;
		got = fill(input, SIZE_MAX);
		if (got < 0)
			return got;
	}
}

ssize_t input_read(struct input *input, void *to, size_t size)
{
	size_t have = input->end - input->begin;
	size_t done = have < size ? have : size;
	ssize_t got;

	memcpy(to, take(input, done), done);
	while (done < size && !input->ended) {
		size_t left = size - done;

		if (left >= DIRECT_BYTES) {
			got = read_some(input, (char *)to + done, left);
			if (got > 0)
				input->offset += (size_t)got;
		} else {
			got = fill(input, SIZE_MAX);
			have = input->end - input->begin;
			if (got > 0) {
				got = (ssize_t)(have < left ? have : left);
				memcpy((char *)to + done, take(input, (size_t)got), (size_t)got);
			}
		}
		if (got < 0)
			return got;
		done += (size_t)got;
	}
	return (ssize_t)done;
}

/* A file needs no reading to be stepped over. Returns how many bytes of size that was. */
static uint64_t seek_over(struct input *input, uint64_t size)
{
	struct stat info;
	off_t at = lseek(input->fd, 0, SEEK_CUR);

	if (at < 0 || fstat(input->fd, &info) < 0 || !S_ISREG(info.st_mode) || info.st_size <= at)
		return 0;
	if ((uint64_t)(info.st_size - at) < size)
		size = (uint64_t)(info.st_size - at);
	if (lseek(input->fd, (off_t)size, SEEK_CUR) < 0)
		return 0;
	input->offset += size;
	return size;
}

int input_skip(struct input *input, uint64_t size, uint64_t *stepped)
{
	uint64_t done = 0;
	bool sought = false;
	ssize_t got;

	while (done < size) {
		size_t have = input->end - input->begin;

		if (have > size - done)
			have = (size_t)(size - done);
		take(input, have);
		done += have;
		if (!sought) {
			done += seek_over(input, size - done);
			sought = true;
		}
		if (done == size || input->ended)
			break;
		got = fill(input, SIZE_MAX);
		if (got < 0)
			return (int)got;
	}
	*stepped = done;
	return 0;
}

int input_more(struct input *input)
{
	ssize_t got;

	if (input->begin < input->end)
		return 1;
	if (input->ended)
		return 0;
	/* One byte, so that a large piece can still be read to its place. */
	got = fill(input, 1);
	return got < 0 ? (int)got : got > 0;
}
