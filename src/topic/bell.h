/*
 * topic/bell.h - waking those who sleep, and saying that members came or went
 *
 * The bell carries hints, never data: whatever stands in it, or is written to it by somebody who
 * means harm, the worst is a wake-up for nothing or one that comes late, by no more than
 * COP__BELL_SLICE_NS, and by a second for who sleeps on a watch. Everybody who is woken looks for
 * himself.
 *
 * The handshake (edge B1). A sleeper arms the word, fences, looks again, and sleeps only if the
 * word still has the value that it armed. A ringer first stores what the sleeper looks for, fences,
 * and loads the word. Of two "store mine, load yours" with fences between, at least one sees the
 * other; so either the sleeper finds the message or the ringer finds the sleeper.
 *
 * Publishers ring after every message, so their fence must be cheap: where the kernel has
 * membarrier(2), publishers register for it and only hold the compiler, and the one who is about
 * to sleep pays for both sides. A publisher that cannot register fences; a sleeper who cannot use
 * membarrier sleeps in slices.
 */
#ifndef COP_TOPIC_BELL_H
#define COP_TOPIC_BELL_H

#include <stdbool.h>

#include "map/map.h"
#include "os/atomic.h"
#include "topic/topic_layout.h"

/* The longest sleep without a look around where nothing else would tell of a death. */
#define COP__BELL_SLICE_NS INT64_C(10000000)

enum { COP__BELL_FUTEX = 1, COP__BELL_DESCRIPTOR = 2, COP__BELL_ARMED = 3, COP__BELL_RING = 4 };

struct cop__bell {
	struct cop__bell_page *page;
	struct cop__map map;
	int fd; /* kept open for nudges, and to be watched */
	bool registered; /* light fences suffice on this side */
	bool heavy; /* membarrier works on this side */
};

int cop__bell_open(struct cop__bell *bell, int dirfd);
void cop__bell_close(struct cop__bell *bell);

/* Let this process's messages be followed by the light fence below. */
void cop__bell_register(struct cop__bell *bell);

void cop__bell_ring(struct cop__bell *bell, uint32_t *word);

/* After a store that a sleeper may be looking for: ring if somebody sleeps. */
static inline void cop__bell_check_light(struct cop__bell *bell, uint32_t *word)
{
	if (bell->registered)
		cop__fence_compiler(); /* [B1] the sleeper's membarrier does the rest */
	else
		cop__fence_full(); /* [B1] */
	if (cop__load_relaxed(word) & COP__BELL_ARMED)
		cop__bell_ring(bell, word);
}

static inline void cop__bell_check(struct cop__bell *bell, uint32_t *word)
{
	cop__fence_full(); /* [B1] */
	if (cop__load_relaxed(word) & COP__BELL_ARMED)
		cop__bell_ring(bell, word);
}

/* Arm a word, with the fence, heavy where light ringers are to be met. Then look again. */
uint32_t cop__bell_arm(struct cop__bell *bell, uint32_t *word, uint32_t how);

/* Sleep while the word is as it was armed, no longer than a slice. */
void cop__bell_sleep(struct cop__bell *bell, const uint32_t *word, uint32_t armed,
		     int64_t timeout_ns);

/* Somebody came or went: count it, and wake everybody to look. */
void cop__bell_members_changed(struct cop__bell *bell);

#endif
