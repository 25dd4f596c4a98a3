/*
 * tests/process/stream.h - messages that tell by themselves whether they are whole and in order
 *
 * Size and every byte of a message follow from its publisher's name and its sequence. So whoever
 * receives one knows what it must be: a byte of another message, of an older round of the ring, or
 * a sequence that was given twice, all show.
 */
#ifndef TEST_PROCESS_STREAM_H
#define TEST_PROCESS_STREAM_H

#include "support/test.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <copage/copage.h>

enum { STREAM_MAX = 100 << 10, STREAM_PUBLISHERS = 1024 };

static inline uint64_t stream_mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static inline uint64_t stream_key(const char *publisher, uint64_t sequence)
{
	uint64_t key = 0xcbf29ce484222325u;

	for (; *publisher; publisher++)
		key = (key ^ (uint8_t)*publisher) * 0x100000001b3u;
	return stream_mix(key ^ sequence * 0x9e3779b97f4a7c15u);
}

/* None, small ones, some around where the layout changes, and a few that leave no room for others
 * in a segment; none above max. */
static inline size_t stream_size(uint64_t key, size_t max)
{
	static const size_t ranges[8] = { 1, 64, 64, 300, 300, 4000, 4000, STREAM_MAX + 1 };
	size_t size = stream_mix(key + 1) % ranges[key & 7];

	return size <= max ? size : size % (max + 1);
}

static inline void stream_fill(void *room, size_t size, uint64_t key)
{
	uint8_t *at = room;
	uint64_t word = key;
	size_t left = size;

	for (; left >= sizeof(word); left -= sizeof(word), at += sizeof(word)) {
		memcpy(at, &word, sizeof(word));
		word += 0x9e3779b97f4a7c15u;
	}
	memcpy(at, &word, left);
}

/* Are these the bytes that stream_fill() makes? */
static inline bool stream_filled(const void *data, size_t size, uint64_t key)
{
	const uint8_t *at = data;
	size_t left = size;
	uint64_t word = key;

	for (; left >= sizeof(word); left -= sizeof(word), at += sizeof(word)) {
		if (memcmp(at, &word, sizeof(word)) != 0)
			return false;
		word += 0x9e3779b97f4a7c15u;
	}
	return left == 0 || memcmp(at, &word, left) == 0;
}

/* Is it what this publisher's message of this sequence must be? */
static inline bool stream_whole(const struct cop_msg *msg, size_t max)
{
	uint64_t key = stream_key(msg->publisher, msg->sequence);

	return msg->size == stream_size(key, max) && stream_filled(msg->data, msg->size, key);
}

static inline void stream_must_be_whole(const struct cop_msg *msg, size_t max)
{
	if (!stream_whole(msg, max))
		test_fail(__FILE__, __LINE__, "message %llu of %s, %zu bytes, is torn",
			  (unsigned long long)msg->sequence, msg->publisher, msg->size);
}

/* Send the publisher's next message: copied, or written in place, now and then after a change of
 * mind. Returns what the library said. */
static inline int stream_send(struct cop_pub *pub, size_t max)
{
	static uint8_t buffer[STREAM_MAX];
	uint64_t key = stream_key(cop_pub_name(pub), cop_pub_sequence(pub) + 1);
	size_t size = stream_size(key, max);
	size_t more = size + 100 <= max ? key >> 8 & 63 : 0;
	void *room;
	int rc;

	if (key >> 16 & 1) {
		stream_fill(buffer, size, key);
		return cop_pub_send(pub, buffer, size);
	}
	rc = cop_pub_reserve(pub, size + more, &room);
	if (rc == 0 && (key >> 17 & 7) == 0) {
		memset(room, 0xee, size + more);
		cop_pub_abort(pub);
		rc = cop_pub_reserve(pub, size + more, &room);
	}
	if (rc < 0)
		return rc;
	stream_fill(room, size, key);
	return cop_pub_commit(pub, size);
}

/* What a reader has had of each publisher. */
struct stream_seen {
	struct {
		char name[COP_NAME_MAX + 1];
		uint64_t next;
	} of[STREAM_PUBLISHERS];
	size_t count;
};

/* The sequence that is next of a publisher: first for one that was not seen before. */
static inline uint64_t *stream_next(struct stream_seen *seen, const char *publisher, uint64_t first)
{
	for (size_t i = 0; i < seen->count; i++)
		if (strcmp(seen->of[i].name, publisher) == 0)
			return &seen->of[i].next;
	must_u64(seen->count, <, STREAM_PUBLISHERS);
	strcpy(seen->of[seen->count].name, publisher);
	seen->of[seen->count].next = first;
	return &seen->of[seen->count++].next;
}

/* The message is whole, and the one that follows what was seen of its publisher. */
static inline void stream_must_follow(struct stream_seen *seen, const struct cop_msg *msg,
				      size_t max)
{
	uint64_t *next = stream_next(seen, msg->publisher, 1);

	must_u64(msg->sequence, ==, *next);
	stream_must_be_whole(msg, max);
	++*next;
}

/* Memory that this process shares with all that it forks from now on; zero at first. */
static inline void *stream_shared(size_t size)
{
	void *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	must(shared != MAP_FAILED);
	return shared;
}

/* As test_hear(), but says what was waited for where it does not come. */
static inline const char *stream_hear_soon(int line, const char *what, int ms)
{
	struct pollfd fd = { .fd = line, .events = POLLIN };
	int64_t until = test_now_ns() + (int64_t)ms * 1000000;
	int rc;

	do {
		rc = poll(&fd, 1, ms);
	} while (rc < 0 && errno == EINTR && test_now_ns() < until);
	if (rc <= 0)
		test_fail(__FILE__, __LINE__, "not within %d ms: %s", ms, what);
	return test_hear(line);
}

static inline int stream_compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* Sorts the times, prints how they are spread, and returns the median. */
static inline int64_t stream_median(const char *what, int64_t *ns, size_t count)
{
	int64_t median, most;

	must_u64(count, >, 0);
	qsort(ns, count, sizeof(*ns), stream_compare);
	median = ns[count / 2];
	most = ns[count * 9 / 10];
	printf("     %s: %zu times; min %.3f, median %.3f, 90 %% %.3f, max %.3f ms\n", what, count,
	       (double)ns[0] / 1e6, (double)median / 1e6, (double)most / 1e6,
	       (double)ns[count - 1] / 1e6);
	return median;
}

#endif
