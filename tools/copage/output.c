/*
 * output.c - write messages to standard output
 *
 * Not stdio: it would copy large messages, and after an error or a signal it does not say what
 * was written.
 */
#include "output.h"

#include "human.h"
#include "progress.h"
#include "stop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_BYTES (64u << 10) /* what a pipe takes at once */
#define PIECES_MAX 4

static char *buffer;
static size_t used;

int output_begin(void)
{
	int flags = fcntl(STDOUT_FILENO, F_GETFL);

	buffer = need_memory(NULL, BUFFER_BYTES);
	used = 0;
	return flags < 0 || (flags & O_ACCMODE) == O_RDONLY ? -EBADF : 0;
}

/* Take so many bytes off the front of the pieces. Returns how many pieces are done with. */
static size_t advance(struct iovec *pieces, size_t count, size_t bytes)
{
	size_t done = 0;

	while (done < count && bytes >= pieces[done].iov_len)
		bytes -= pieces[done++].iov_len;
	if (done < count) {
		pieces[done].iov_base = (char *)pieces[done].iov_base + bytes;
		pieces[done].iov_len -= bytes;
	}
	return done;
}

/*
 * Write all pieces. A signal does not cut a message in two while its reader takes it: only a
 * write that blocks is given up, and then the stream ends there.
 */
static int write_all(struct iovec *pieces, size_t count)
{
	struct pollfd look = { .fd = STDOUT_FILENO, .events = POLLOUT };

	while (count > 0) {
		ssize_t wrote = writev(STDOUT_FILENO, pieces, (int)count);
		size_t done;

		if (wrote < 0 && errno == EAGAIN) { /* somebody made it non-blocking */
			poll(&look, 1, STOP_LOOK_NS / 1000000);
			wrote = 0;
		} else if (wrote < 0 && errno == EINTR) {
			wrote = 0;
		} else if (wrote < 0) {
			return -errno;
		}
		done = advance(pieces, count, (size_t)wrote);
		pieces += done;
		count -= done;
		if (wrote == 0 && count > 0 && stop_asked())
			return -EINTR;
		progress_tick();
	}
	return 0;
}

int output_flush(void)
{
	struct iovec all = { buffer, used };

	used = 0;
	return all.iov_len ? write_all(&all, 1) : 0;
}

int output_put(const struct iovec *pieces, size_t count)
{
	struct iovec all[PIECES_MAX + 1] = { { buffer, used } };
	size_t bytes = 0;

	for (size_t i = 0; i < count; i++)
		bytes += pieces[i].iov_len;
	if (bytes > BUFFER_BYTES - used) {
		memcpy(all + 1, pieces, count * sizeof(*pieces));
		used = 0;
		return write_all(all, count + 1);
	}
	for (size_t i = 0; i < count; i++) {
		if (pieces[i].iov_len)
			memcpy(buffer + used, pieces[i].iov_base, pieces[i].iov_len);
		used += pieces[i].iov_len;
	}
	return 0;
}

int output_is_closed(void)
{
	struct pollfd look = { .fd = STDOUT_FILENO };

	return poll(&look, 1, 0) == 1 && look.revents & (POLLERR | POLLNVAL);
}
