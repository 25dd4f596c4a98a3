/*
 * lane/lane_write.c - the writer of a lane: format, roll to the next segment, recover
 */
#include <errno.h>

#include "lane/lane.h"
#include "os/error.h"

static struct cop__segment *slot(const struct cop__lane_writer *writer, uint64_t number)
{
	uint64_t offset = number % writer->shape.segments * writer->shape.segment_bytes;

	return (struct cop__segment *)(writer->base + COP__LANE_SEGMENTS_OFFSET + offset);
}

static void stand_in(struct cop__lane_writer *writer, uint64_t number)
{
	writer->number = number;
	writer->segment = (uint8_t *)slot(writer, number);
	writer->end = writer->segment + writer->shape.segment_bytes;
	writer->at = writer->segment + COP__SEGMENT_RECORDS;
}

/* Make a slot the segment of this number, empty. Nobody reads what was in it any more. */
static void open_segment(struct cop__lane_writer *writer, uint64_t number)
{
	struct cop__segment *segment = slot(writer, number);
	uint64_t *first_word = (uint64_t *)((uint8_t *)segment + COP__SEGMENT_RECORDS);
	uint64_t base = number * writer->shape.segment_bytes;

	/* In this order, so that a reader or a successor who finds the base finds the rest. */
	cop__store_relaxed(&segment->base, COP__SEGMENT_CLOSED);
	/* [L3] full: the base before anything in the segment is touched. Pairs with
	 * cop__lane_lapped. */
	cop__fence_full();
	cop__store_relaxed(first_word, 0);
	cop__store_relaxed(&segment->first_sequence, writer->sequence);
	/* [L2] release: first_sequence and the first word before the base. */
	cop__store_release(&segment->base, base);
	/* [L5] release: the segment before the pointer to it. */
	cop__store_release(&writer->hot->head, base);
}

void cop__lane_format(uint8_t *base, const struct cop__lane_shape *shape, uint64_t first_sequence,
		      uint64_t first_segment)
{
	struct cop__lane_header *header = (struct cop__lane_header *)base;
	struct cop__lane_writer writer = {
		.base = base,
		.hot = (struct cop__lane_hot *)(base + COP__LANE_HOT_OFFSET),
		.shape = *shape,
		.sequence = first_sequence,
	};

	*header = (struct cop__lane_header){
		.magic = COP__LANE_MAGIC,
		.version = COP__LAYOUT_VERSION,
		.flags = shape->flags,
		.uuid = { shape->uuid[0], shape->uuid[1] },
		.segment_bytes = shape->segment_bytes,
		.message_max = shape->message_max,
		.segments = shape->segments,
		.created_ns = shape->created_ns,
		.byte_order = COP__BYTE_ORDER,
		.first_sequence = first_sequence,
	};
	/* Slots that no segment has used yet must not pass for one. */
	for (uint64_t i = 0; i < shape->segments; i++)
		slot(&writer, i)->base = COP__SEGMENT_CLOSED;
	writer.hot->low = first_segment * shape->segment_bytes;
	open_segment(&writer, first_segment);
}

static void commit_pad(uint8_t *at, const uint8_t *end, uint64_t sequence)
{
	uint64_t rest = (uint64_t)(end - at) - sizeof(uint64_t);

	/* [L1] release: the next segment before the pad that leads to it. */
	cop__store_release((uint64_t *)at, cop__record_word(COP__RECORD_PAD, rest, sequence));
}

/*
 * Find the end of what was committed: the first word that is zero. The walk begins one segment
 * before the newest, because a writer that died while rolling may have opened the newest one
 * without committing the pad that leads there; that is then done in its place.
 */
static int find_end(struct cop__lane_writer *writer, struct cop__lane_reader *reader)
{
	struct cop__record record;
	int rc = cop__lane_seek_segment(reader);
	uint64_t newest = reader->number;

	if (rc < 0)
		return rc;
	if (newest > 0 &&
	    slot(writer, newest - 1)->base == (newest - 1) * writer->shape.segment_bytes)
		rc = cop__lane_seek_position(reader, (newest - 1) * writer->shape.segment_bytes);
	while (rc == 0) {
		while ((rc = cop__lane_peek(reader, &record)) > 0)
			cop__lane_pass(reader, &record);
		if (rc < 0 || reader->number >= newest)
			break;
		if (reader->at == reader->end)
			return -EBADMSG;
		commit_pad(writer->base + (reader->at - reader->base), reader->end,
			   reader->sequence);
	}
	return rc;
}

/*
 * A writer that died while rolling may have opened the next segment without leading anybody there,
 * neither by hot.head nor by the pad. More will be written here first, so that segment would begin
 * with the wrong sequence, and would be taken for one that readers have yet to leave.
 */
static void take_back_next(struct cop__lane_writer *writer)
{
	struct cop__segment *next = slot(writer, writer->number + 1);

	if (next->base == (writer->number + 1) * writer->shape.segment_bytes)
		cop__store_relaxed(&next->base, COP__SEGMENT_CLOSED);
}

/*
 * Besides the records a writer goes by hot.low and the bases of the other slots. A predecessor left
 * them, so they may be damaged; then readers could not begin, or would be waited for in vain.
 */
static bool is_rest_sound(const struct cop__lane_writer *writer)
{
	uint64_t bytes = writer->shape.segment_bytes;
	uint64_t low = writer->hot->low;

	if (low % bytes != 0 || low / bytes > writer->number ||
	    writer->number - low / bytes >= writer->shape.segments)
		return false;
	for (uint32_t back = 1; back < writer->shape.segments; back++) {
		uint64_t base = slot(writer, writer->number + writer->shape.segments - back)->base;

		if (base != COP__SEGMENT_CLOSED &&
		    (back > writer->number || base != (writer->number - back) * bytes))
			return false;
	}
	return true;
}

int cop__lane_writer_open(struct cop__lane_writer *writer, uint8_t *base,
			  const struct cop__lane_shape *shape, const char *name)
{
	struct cop__lane_reader reader;

	*writer = (struct cop__lane_writer){
		.base = base,
		.hot = (struct cop__lane_hot *)(base + COP__LANE_HOT_OFFSET),
		.shape = *shape,
	};
	cop__lane_reader_open(&reader, base, shape);
	if (find_end(writer, &reader) < 0)
		return cop__fail(-EBADMSG,
				 "recover %s: its records have no end near position %llu; the file "
				 "is damaged, remove it",
				 name, (unsigned long long)cop__lane_position(&reader));
	writer->sequence = reader.sequence;
	stand_in(writer, reader.number);
	writer->at = base + (reader.at - reader.base);
	take_back_next(writer);
	if (!is_rest_sound(writer))
		return cop__fail(-EBADMSG,
				 "recover %s: its segments do not follow each other; the file is "
				 "damaged, remove it",
				 name);
	/* The pointer may be one segment behind, where a full segment needed no pad. */
	cop__store_release(&writer->hot->head, writer->number * shape->segment_bytes);
	return 0;
}

uint64_t cop__lane_announce(struct cop__lane_writer *writer)
{
	uint64_t base = slot(writer, writer->number + 1)->base; /* our own words, all of them */
	uint64_t low = base + writer->shape.segment_bytes;

	/* Never used; or given up before, by one who died while reopening it. */
	if (base == COP__SEGMENT_CLOSED)
		return 0;
	if (low > cop__load_relaxed(&writer->hot->low)) {
		cop__store_relaxed(&writer->hot->low, low);
		/* [M1] full: low before the members are looked at. Pairs with a subscriber who
		 * joins: it is seen, or it sees this. */
		cop__fence_full();
	}
	return low;
}

void cop__lane_roll(struct cop__lane_writer *writer)
{
	open_segment(writer, writer->number + 1);
	if (writer->at < writer->end)
		commit_pad(writer->at, writer->end, writer->sequence);
	stand_in(writer, writer->number + 1);
}

void cop__lane_set_closed(struct cop__lane_writer *writer, bool closed)
{
	/* [L4] release: the last record before the end. Pairs with cop__lane_closed. */
	cop__store_release(&writer->hot->closed, closed ? 1 : 0);
}
