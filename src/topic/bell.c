/*
 * topic/bell.c - open, arm, ring, sleep
 */
#include "topic/bell.h"

#include <errno.h>
#include <fcntl.h>

#include "object/object.h"
#include "os/error.h"
#include "os/os.h"

int cop__bell_open(struct cop__bell *bell, int dirfd)
{
	struct stat st;
	int fd = cop__object_open(dirfd, "bell", O_RDWR, &st);

	*bell = (struct cop__bell){ .fd = -1 };
	if (fd < 0)
		return fd;

	int rc = (uint64_t)st.st_size == COP__PAGE
			 ? cop__map_file(&bell->map, fd, COP__PAGE, COP__MAP_WRITE)
			 : -EBADMSG;

	if (rc < 0) {
		cop__os_close(fd);
		return rc == -EBADMSG ? cop__fail(rc, "open bell: its size is wrong")
				      : cop__fail_os(rc, "map bell");
	}
	bell->page = (struct cop__bell_page *)bell->map.base;
	bell->fd = fd;
	bell->heavy = true;
	return 0;
}

void cop__bell_close(struct cop__bell *bell)
{
	cop__map_close(&bell->map);
	cop__os_close(bell->fd);
	bell->fd = -1;
}

void cop__bell_register(struct cop__bell *bell)
{
	bell->registered = cop__os_membarrier_register() == 0;
}

void cop__bell_ring(struct cop__bell *bell, uint32_t *word)
{
	uint32_t was = cop__load_relaxed(word);

	/* Relaxed until it succeeds: only who clears the bits has to wake. */
	while (was & COP__BELL_ARMED) {
		uint32_t rung = (was & ~(uint32_t)COP__BELL_ARMED) + COP__BELL_RING;

		if (__atomic_compare_exchange_n(word, &was, rung, false, __ATOMIC_SEQ_CST,
						__ATOMIC_RELAXED))
			break;
	}
	if (was & COP__BELL_FUTEX)
		(void)cop__os_futex_wake(word);
	if (was & COP__BELL_DESCRIPTOR) {
		char byte;

		/* Reading is an event for who watches the file, as writing is; and no limit of this
		 * process for the size of files makes a signal of it. */
		(void)cop__os_pread(bell->fd, &byte, 1, offsetof(struct cop__bell_page, nudge));
	}
}

uint32_t cop__bell_arm(struct cop__bell *bell, uint32_t *word, uint32_t how)
{
	uint32_t armed = cop__fetch_or_full(word, how) | how;

	/* [B1] full, on the ringer's processor too: the arming before the look that follows. */
	if (bell->heavy)
		bell->heavy = cop__os_membarrier() == 0;
	cop__fence_full();
	return armed;
}

void cop__bell_sleep(struct cop__bell *bell, const uint32_t *word, uint32_t armed,
		     int64_t timeout_ns)
{
	/* Without membarrier a ringer's light fence may miss the arming: look again soon. */
	int64_t slice = bell->heavy ? COP__BELL_SLICE_NS : COP__BELL_SLICE_NS / 10;

	if (timeout_ns < 0 || timeout_ns > slice)
		timeout_ns = slice;
	(void)cop__os_futex_wait(word, armed, timeout_ns);
}

void cop__bell_members_changed(struct cop__bell *bell)
{
	cop__fetch_add_full(&bell->page->members, 1);
	cop__bell_ring(bell, &bell->page->data);
	cop__bell_ring(bell, &bell->page->space);
}
