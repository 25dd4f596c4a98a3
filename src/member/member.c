/*
 * member/member.c - make, take over, leave and sweep the files of members
 */
#include "member/member.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "os/error.h"
#include "os/os.h"

static int map_locked(struct cop__member *member, int fd, uint64_t size)
{
	int rc = cop__map_file(&member->map, fd, size, COP__MAP_WRITE);

	if (rc < 0)
		return cop__fail_os(rc, "map %s, %llu bytes", member->name,
				    (unsigned long long)size);
	/* After the mapping is marked not to be inherited: the lock never reaches a child by it. */
	rc = cop__os_lock(fd);
	if (rc < 0) {
		cop__map_close(&member->map);
		return rc == -EAGAIN ? rc : cop__fail_os(rc, "lock %s", member->name);
	}
	return 0;
}

static void set_name(struct cop__member *member, const char *name)
{
	*member = (struct cop__member){ 0 };
	snprintf(member->name, sizeof(member->name), "%s", name);
}

static int finish_create(struct cop__member *member, int fd, int dirfd, uint64_t size,
			 cop__member_fill *fill, void *arg)
{
	struct stat st;
	int rc = map_locked(member, fd, size);

	if (rc < 0)
		return rc;
	rc = cop__os_fstat(fd, &st);
	if (rc < 0) {
		rc = cop__fail_os(rc, "look at %s", member->name);
	} else {
		member->inode = st.st_ino;
		fill(arg, member->map.base);
		rc = cop__object_publish(fd, dirfd, member->name);
	}
	if (rc < 0)
		cop__map_close(&member->map);
	return rc;
}

int cop__member_create(struct cop__member *member, int dirfd, const char *name, uint64_t size,
		       const struct cop__access *access, cop__member_fill *fill, void *arg)
{
	set_name(member, name);

	int fd = cop__object_make(dirfd, size, access, name);

	if (fd < 0)
		return fd;

	int rc = finish_create(member, fd, dirfd, size, fill, arg);

	cop__os_close(fd); /* the lock stays: it hangs on the mapping */
	return rc;
}

static int take_opened(struct cop__member *member, int fd, int dirfd, const struct stat *st)
{
	if ((uint64_t)st->st_size < COP__PAGE)
		return cop__fail(-EBADMSG, "open %s: it is truncated to %lld bytes", member->name,
				 (long long)st->st_size);

	int rc = map_locked(member, fd, (uint64_t)st->st_size);

	if (rc == -EAGAIN && cop__os_locked(fd) == 1)
		return -EBUSY;
	if (rc < 0)
		return rc;
	/* Between the open and the lock a sweeper may have removed it. */
	rc = cop__object_leads_to(dirfd, member->name, st->st_ino);
	if (rc == 1) {
		member->inode = st->st_ino;
		return 0;
	}
	cop__map_close(&member->map);
	return rc < 0 ? cop__fail_os(rc, "look at %s", member->name) : -ENOENT;
}

int cop__member_take(struct cop__member *member, int dirfd, const char *name)
{
	struct stat st;

	set_name(member, name);

	int fd = cop__object_open(dirfd, name, O_RDWR, &st);

	if (fd < 0)
		return fd;

	int rc = take_opened(member, fd, dirfd, &st);

	cop__os_close(fd);
	return rc;
}

void cop__member_leave(struct cop__member *member)
{
	cop__map_close(&member->map);
}

int cop__member_grow(struct cop__member *member, int dirfd, uint64_t size)
{
	struct stat st;
	int fd = cop__object_open(dirfd, member->name, O_RDWR, &st);

	if (fd == -ENOENT || (fd >= 0 && st.st_ino != member->inode)) {
		cop__os_close(fd);
		return cop__fail(-ESTALE, "grow %s: somebody removed or replaced it", member->name);
	}
	if (fd < 0)
		return fd;

	int rc = cop__os_allocate(fd, member->map.size, size - member->map.size);

	cop__os_close(fd);
	if (rc == 0)
		rc = cop__map_grow(&member->map, size);
	if (rc < 0)
		return cop__fail_os(rc, "grow %s to %llu bytes", member->name,
				    (unsigned long long)size);
	return 0;
}

void cop__member_unlink(const struct cop__member *member, int dirfd)
{
	if (cop__object_leads_to(dirfd, member->name, member->inode) == 1)
		(void)cop__os_unlink(dirfd, member->name);
}

int cop__member_lives(int dirfd, const char *name, uint64_t inode)
{
	struct stat st;
	/* Whatever became of the file meanwhile (another name for a backup, a wrong size): it is
	 * the lock that tells. */
	int fd = cop__object_look(dirfd, name, O_RDONLY, &st);

	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fd;

	int rc = st.st_ino == inode ? cop__os_locked(fd) : 0;

	cop__os_close(fd);
	return rc < 0 ? cop__fail_os(rc, "look at the lock of %s", name) : rc;
}

static int sweep_opened(int fd, int dirfd, const char *name, const struct stat *st,
			cop__member_may_go *may_go, void *arg)
{
	int rc = cop__os_lock_byte(fd);

	if (rc < 0)
		return rc == -EAGAIN ? rc : cop__fail_os(rc, "lock %s", name);
	rc = cop__object_leads_to(dirfd, name, st->st_ino);
	if (rc == 0)
		return -ENOENT;
	if (rc < 0)
		return cop__fail_os(rc, "look at %s", name);
	rc = may_go ? may_go(arg, fd, st) : 1;
	if (rc != 1)
		return rc;
	rc = cop__os_unlink(dirfd, name);
	return rc < 0 ? cop__fail_os(rc, "remove %s", name) : 1;
}

int cop__member_sweep(int dirfd, const char *name, cop__member_may_go *may_go, void *arg)
{
	struct stat st;
	int fd = cop__object_open(dirfd, name, O_RDWR, &st);

	if (fd < 0)
		return fd;

	int rc = sweep_opened(fd, dirfd, name, &st, may_go, arg);

	cop__os_close(fd);
	return rc;
}
