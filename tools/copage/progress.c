/*
 * progress.c - how much has gone through: a line that renews itself, and a summary
 */
#include "progress.h"

#include "human.h"
#include "report.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define REDRAW_NS 150000000 /* fast enough to seem alive, slow enough to read */
#define LOOK_EVERY 512 /* messages between two looks at the clock */
#define LOOK_BYTES (1u << 20) /* or bytes */

static struct {
	bool on;
	bool drawn;
	uint64_t messages, bytes;
	uint64_t look_messages, look_bytes; /* at which the clock is looked at again */
	int64_t begin_ns; /* of the first message */
	int64_t last_ns; /* when the last of settled_messages had gone through */
	uint64_t settled_messages;
	int64_t drawn_ns;
	uint64_t drawn_messages, drawn_bytes;
} state;

int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void progress_begin(enum progress_mode mode, bool shared)
{
	state.on = mode == PROGRESS_ON || (mode == PROGRESS_AUTO && !shared && !report_is_quiet() &&
					   isatty(STDERR_FILENO));
	state.drawn_ns = now_ns();
}

void progress_message(size_t size_bytes)
{
	if (state.messages == 0)
		state.begin_ns = state.drawn_ns = now_ns(); /* rates do not count the wait */
	state.messages++;
	state.bytes += size_bytes;
	if (state.messages < state.look_messages && state.bytes < state.look_bytes)
		return;
	state.look_messages = state.messages + LOOK_EVERY;
	state.look_bytes = state.bytes + LOOK_BYTES;
	progress_tick();
}

static void draw(int64_t now)
{
	double seconds = (double)(now - state.drawn_ns) / 1e9;
	double messages = (double)(state.messages - state.drawn_messages) / seconds;
	double bytes = (double)(state.bytes - state.drawn_bytes) / seconds;
	char total[HUMAN_MAX], byte_rate[HUMAN_MAX], message_rate[HUMAN_MAX], count[HUMAN_MAX];

	fprintf(stderr, "\r\033[K%s: %s in %s messages  %s/s  %s messages/s", report_prefix(),
		human_bytes(total, (double)state.bytes), human_digits(count, state.messages),
		human_bytes(byte_rate, bytes), human_count(message_rate, messages));
	fflush(stderr);
	state.drawn = true;
	state.drawn_ns = now;
	state.drawn_messages = state.messages;
	state.drawn_bytes = state.bytes;
}

void progress_tick(void)
{
	int64_t now;

	if (!state.on)
		return;
	now = now_ns();
	if (now - state.drawn_ns >= REDRAW_NS)
		draw(now);
}

void progress_erase(void)
{
	if (!state.drawn)
		return;
	fputs("\r\033[K", stderr);
	fflush(stderr);
	state.drawn = false;
}

/* The summary has names and plain numbers, because scripts read it as well as people. */
static void summary(void)
{
	double seconds = state.messages ? (double)(state.last_ns - state.begin_ns) / 1e9 : 0;
	double over = seconds > 0 ? seconds : 1e-9;

	fprintf(stderr,
		"%s: stats: messages=%" PRIu64 " bytes=%" PRIu64
		" seconds=%.6f messages_per_second=%.0f bytes_per_second=%.0f\n",
		report_prefix(), state.messages, state.bytes, seconds,
		(double)state.messages / over, (double)state.bytes / over);
}

void progress_settle(void)
{
	if (state.settled_messages == state.messages)
		return;
	state.settled_messages = state.messages;
	state.last_ns = now_ns();
}

void progress_end(bool stats)
{
	progress_settle();
	progress_erase();
	state.on = false;
	if (stats)
		summary();
}

uint64_t progress_messages(void)
{
	return state.messages;
}
