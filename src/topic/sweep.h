/*
 * topic/sweep.h - clean-up on proof of death
 *
 * One rule for everybody: members sweep when they come and go, cop_gc() when it is asked.
 *
 *	what                             goes when
 *	anonymous subscriber, dead       at once
 *	named subscriber, away           never by itself
 *	lane, closed in order            every subscriber that lives or is away has read it
 *	lane, dead, anonymous            the same, and every one that lives has seen the death
 *	lane, dead, named                only by cop_gc(), when everyone has read it: its publisher
 *	                                 may come back under its name
 *	topic, nobody left in it         at once, unless it was made to be kept
 */
#ifndef COP_TOPIC_SWEEP_H
#define COP_TOPIC_SWEEP_H

#include "topic/topic.h"

enum {
	COP__SWEEP_DRY = 1u << 0, /* only tell */
	COP__SWEEP_ALL = 1u << 1, /* dead lanes with a name too */
};

/* Sweep one topic. Returns how much went (or would); visit may be NULL. Sets *gone when the topic
 * itself did. What cannot be removed is told to visit and left. */
int cop__sweep(struct cop__topic *topic, uint32_t flags, cop_gc_visit *visit, void *arg,
	       bool *gone);

#endif
