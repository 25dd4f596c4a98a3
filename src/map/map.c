/*
 * map/map.c - shared mappings of files, and the mark that a fork wipes
 */
#include "map/map.h"

#include <errno.h>
#include <sys/mman.h>

#include "os/error.h"
#include "os/os.h"

static int protection(enum cop__map_access access)
{
	return access == COP__MAP_WRITE ? PROT_READ | PROT_WRITE : PROT_READ;
}

int cop__map_file(struct cop__map *map, int fd, size_t size, enum cop__map_access access)
{
	void *base;

	*map = (struct cop__map){ 0 };
	/* MAP_SHARED_VALIDATE: a flag that the file system does not know is an error. */
	int rc = cop__os_mmap(size, protection(access), MAP_SHARED_VALIDATE, fd, 0, &base);

	/* So says the kernel where all memory is locked and the limit for that is reached; above,
	 * -EAGAIN means that somebody lives. */
	if (rc == -EAGAIN)
		return -ENOMEM;
	if (rc < 0)
		return rc;
	rc = cop__os_madvise(base, size, MADV_DONTFORK);
	if (rc < 0) {
		cop__os_munmap(base, size);
		return rc;
	}
	*map = (struct cop__map){ .base = base, .size = size };
	return 0;
}

void cop__map_populate(const struct cop__map *map, enum cop__map_access access)
{
	/* The numbers are the kernel's; glibc before 2.35 has no names for them. */
	const int populate_read = 22, populate_write = 23;

	(void)cop__os_madvise(map->base, map->size,
			      access == COP__MAP_WRITE ? populate_write : populate_read);
}

int cop__map_grow(struct cop__map *map, size_t size)
{
	void *base = map->base;
	int rc = cop__os_mremap(map->size, size, &base);

	if (rc == 0)
		*map = (struct cop__map){ .base = base, .size = size };
	return rc;
}

void cop__map_close(struct cop__map *map)
{
	if (map->base)
		cop__os_munmap(map->base, map->size);
	*map = (struct cop__map){ 0 };
}

int cop__fork_mark_open(struct cop__fork_mark *mark)
{
	void *base;
	int rc = cop__os_mmap(COP__PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0,
			      &base);

	if (rc < 0)
		return cop__fail_os(rc == -EAGAIN ? -ENOMEM : rc, "map the page that tells a fork");
	rc = cop__os_madvise(base, COP__PAGE, MADV_WIPEONFORK);
	if (rc < 0) {
		cop__os_munmap(base, COP__PAGE);
		return cop__fail_os(rc, "mark the page that tells a fork");
	}
	mark->map = (struct cop__map){ .base = base, .size = COP__PAGE };
	*mark->map.base = 1;
	return 0;
}

void cop__fork_mark_close(struct cop__fork_mark *mark)
{
	cop__map_close(&mark->map);
}
