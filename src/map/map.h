/*
 * map/map.h - ranges of this process's memory, and what stands behind them
 */
#ifndef COP_MAP_MAP_H
#define COP_MAP_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The unit of every layout. Not the processor's page size, which differs between machines; files
 * are multiples of it, and the kernel rounds mappings up by itself. */
#define COP__PAGE UINT64_C(4096)

struct cop__map {
	uint8_t *base; /* NULL: not mapped */
	size_t size;
};

enum cop__map_access { COP__MAP_READ, COP__MAP_WRITE };

/*
 * Map the first size bytes of fd, shared. A forked child does not inherit the mapping, so what
 * hangs on it (a lock) stays this process's. On failure *map is unmapped.
 */
int cop__map_file(struct cop__map *map, int fd, size_t size, enum cop__map_access access);

/* Make every page present now, so that no later access faults. A wish: older kernels (before
 * 5.14) do not know it, and first accesses then fault, once each. */
void cop__map_populate(const struct cop__map *map, enum cop__map_access access);

/* Map more of the same file; the base may move. On failure the mapping is as before. */
int cop__map_grow(struct cop__map *map, size_t size);

/* Unmap, if it is mapped. */
void cop__map_close(struct cop__map *map);

/* Take a mapping for gone without unmapping: in a forked child, which did not inherit it. */
static inline void cop__map_forget(struct cop__map *map)
{
	map->base = NULL;
}

/*
 * A word that tells a process from its children: it is 1 here and 0 in a forked child, by the
 * kernel's doing. Costs a page.
 */
struct cop__fork_mark {
	struct cop__map map;
};
/* Makes its sentence itself. */
int cop__fork_mark_open(struct cop__fork_mark *mark);
static inline bool cop__forked(const struct cop__fork_mark *mark)
{
	return *mark->map.base == 0;
}
void cop__fork_mark_close(struct cop__fork_mark *mark);

#endif
