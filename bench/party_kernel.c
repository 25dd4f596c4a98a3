/*
 * bench/party_kernel.c - pipes and Unix sockets: the kernel copies in, and copies out again
 *
 * Spinning, the descriptors do not block and are tried again and again; sleeping, they block.
 * Where the kernel keeps no bounds between messages (pipe, stream), the receiver knows their
 * size and takes as many small ones at once as are there, as a good program would. Buffers are
 * as large as an ordinary user may have them.
 */
#include "bench.h"
#include "clock.h"
#include "payload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PIPE, SOCKET_STREAM, SOCKET_SEQPACKET, TYPE_MASK = 3, BLOCKING = 4 };

enum { READ_AHEAD = 64 << 10, BUFFER_BYTES = 1 << 20 };

struct end {
	unsigned char *buffer; /* what is sent next, or what was received */
	size_t at, have; /* received: where the next message begins, how much there is */
	int out, in;
	bool spin;
	bool bounds; /* the kernel keeps messages apart */
};

/* fds: 0 left's and 1 right's to write, 2 left's and 3 right's to read. */
static int prepare(struct link *link)
{
	long type = link->party->variant & TYPE_MASK;
	int flags = link->party->variant & BLOCKING ? 0 : O_NONBLOCK, bytes = BUFFER_BYTES;
	int *fds = link->fds, pair[2];

	if (type == PIPE) {
		for (int i = 0; i < 2; i++) {
			if (pipe2(pair, O_CLOEXEC | flags))
				return -errno;
			fds[i] = pair[1];
			fds[3 - i] = pair[0];
			(void)fcntl(fds[i], F_SETPIPE_SZ, bytes);
		}
		return 0;
	}
	if (socketpair(AF_UNIX,
		       (type == SOCKET_STREAM ? SOCK_STREAM : SOCK_SEQPACKET) | SOCK_CLOEXEC |
			       (flags ? SOCK_NONBLOCK : 0),
		       0, pair))
		return -errno;
	for (int i = 0; i < 2; i++) {
		fds[i] = fds[i + 2] = pair[i];
		/* Half of a message is control data; more than the limit is cut to it. */
		if (setsockopt(pair[i], SOL_SOCKET, SO_SNDBUFFORCE, &(int){ 4 * bytes },
			       sizeof(int)))
			(void)setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &(int){ 4 * bytes },
					 sizeof(int));
	}
	return 0;
}

static void clean_up(struct link *link)
{
	bool both_ways = (link->party->variant & TYPE_MASK) != PIPE;

	for (int i = 0; i < (both_ways ? 2 : 4); i++)
		if (link->fds[i] >= 0)
			close(link->fds[i]);
}

static inline struct end begin(const struct side *side)
{
	const int *fds = side->link->fds;
	int me = side->left ? 0 : 1;

	return (struct end){
		.buffer = side->buffer,
		.out = fds[me],
		.in = fds[2 + me],
		.spin = !(side->link->party->variant & BLOCKING),
		.bounds = (side->link->party->variant & TYPE_MASK) == SOCKET_SEQPACKET,
	};
}

static inline int try_again(const struct end *end)
{
	if (errno == EINTR)
		return 0;
	if (errno != EAGAIN || !end->spin)
		return -errno;
	relax();
	return 0;
}

static inline int put(struct end *end, size_t size, uint64_t first)
{
	size_t done = 0;

	payload_fill(end->buffer, size, first);
	while (done < size) {
		ssize_t n = write(end->out, end->buffer + done, size - done);
		int rc = n < 0 ? try_again(end) : 0;

		if (rc < 0)
			return rc;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* Reads until a whole message is there. What is there is less than one, or begins at 0. */
static inline int receive(struct end *end, size_t size)
{
	/* Sizes are powers of two: messages read ahead never straddle the buffer's end. */
	size_t most = end->bounds || size > READ_AHEAD ? size : READ_AHEAD;

	if (end->at == end->have)
		end->at = end->have = 0;
	while (end->have - end->at < size) {
		ssize_t n = read(end->in, end->buffer + end->have, most - end->have);
		int rc = n < 0 ? try_again(end) : 0;

		if (rc < 0)
			return rc;
		if (n == 0)
			return -EPIPE;
		end->have += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static inline int get(struct end *end, size_t size, uint64_t *sum)
{
	int rc = end->have - end->at < size ? receive(end, size) : 0;

	if (rc < 0)
		return rc;
	*sum += payload_sum(end->buffer + end->at, size);
	end->at += size;
	return 0;
}

static inline void finish(struct side *side, const struct end *end)
{
	(void)side;
	(void)end;
}

#include "loops.h"

#define KERNEL_PARTY(id, type, mode_kinds, title, line) \
	const struct party party_##id = { \
		.name = title, \
		.what = line, \
		.kinds = mode_kinds, \
		.variant = type, \
		.loops = LOOPS, \
		.prepare = prepare, \
		.clean_up = clean_up, \
	}

#define SPINNING (1 << STREAM | 1 << TRIP)
#define SLEEPING (1 << SLEEP)

KERNEL_PARTY(pipe, PIPE, SPINNING, "pipe", "of 1 MiB, read in blocks of 64 KiB");
KERNEL_PARTY(pipe_sleep, PIPE | BLOCKING, SLEEPING, "pipe", "asleep: blocking");
KERNEL_PARTY(stream, SOCKET_STREAM, SPINNING, "Unix stream", "read in blocks of 64 KiB");
KERNEL_PARTY(stream_sleep, SOCKET_STREAM | BLOCKING, SLEEPING, "Unix stream", "asleep: blocking");
KERNEL_PARTY(seqpacket, SOCKET_SEQPACKET, SPINNING, "Unix seqpacket", "one message, one call");
KERNEL_PARTY(seqpacket_sleep, SOCKET_SEQPACKET | BLOCKING, SLEEPING, "Unix seqpacket",
	     "asleep: blocking");
