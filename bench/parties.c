/*
 * bench/parties.c - who takes part, in the order of the table
 */
#include "bench.h"

const struct party *const parties[] = {
	&party_copage_send,
	&party_copage_reserve,
	&party_copage_sleep,
	&party_ring,
	&party_line,
	&party_futex,
	&party_memcpy_cache,
	&party_memcpy_memory,
	&party_pipe,
	&party_stream,
	&party_seqpacket,
	&party_pipe_sleep,
	&party_stream_sleep,
	&party_seqpacket_sleep,
	NULL,
};

bool party_does(const struct party *party, struct cell cell)
{
	return party->kinds & (1u << cell.kind) &&
	       (!party->size_min || cell.size >= party->size_min) &&
	       (!party->size_max || cell.size <= party->size_max);
}
