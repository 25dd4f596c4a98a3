/*
 * object/object.c - publish files whole, open them with suspicion
 */
#include "object/object.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>

#include "os/error.h"
#include "os/os.h"

static int fail_no_space(int dirfd, uint64_t size, const char *what)
{
	uint64_t free_bytes = 0, total_bytes = 0;

	if (cop__os_space(dirfd, &free_bytes, &total_bytes) < 0)
		return cop__fail(-ENOSPC, "reserve %s: no space for %llu bytes", what,
				 (unsigned long long)size);
	if (free_bytes >= size && size > 0)
		return cop__fail(-ENOSPC,
				 "make %s: this file system takes no more files, although %llu KiB "
				 "are free; remove what is not needed (copage gc)",
				 what, (unsigned long long)(free_bytes >> 10));
	return cop__fail(-ENOSPC,
			 "reserve %s: needs %llu KiB, but only %llu of %llu KiB are free on this "
			 "file system; remove what is not needed (copage gc) or enlarge it",
			 what, (unsigned long long)(size >> 10),
			 (unsigned long long)(free_bytes >> 10),
			 (unsigned long long)(total_bytes >> 10));
}

static int fail_reserve(int rc, int dirfd, uint64_t size, const char *what)
{
	switch (rc) {
	case -ENOSPC:
	case -EDQUOT:
		return fail_no_space(dirfd, size, what);
	case -EFBIG:
		return cop__fail(-EFBIG,
				 "reserve %s: %llu bytes are more than the limit of this process "
				 "for the size of a file; raise it with ulimit -f",
				 what, (unsigned long long)size);
	default:
		return cop__fail_os(rc, "reserve %llu bytes for %s", (unsigned long long)size,
				    what);
	}
}

int cop__object_set_access(int fd, const struct cop__access *access, const char *what)
{
	struct stat st;
	int rc = cop__os_fstat(fd, &st);

	if (rc == 0 && access->group != COP__ANY_GROUP && st.st_gid != access->group) {
		rc = cop__os_chown_group(fd, access->group);
		if (rc < 0)
			return cop__fail_os(rc, "give %s to group %u", what,
					    (unsigned)access->group);
	}
	if (rc == 0)
		rc = cop__os_chmod(fd, access->mode);
	if (rc < 0)
		return cop__fail_os(rc, "set the mode of %s", what);
	return 0;
}

int cop__object_make(int dirfd, uint64_t size, const struct cop__access *access, const char *what)
{
	/* 0600 until it is as it should be; nobody else can reach it without a name anyway. */
	int fd = cop__os_open(dirfd, ".", O_TMPFILE | O_RDWR, 0600);

	if (fd == -ENOSPC || fd == -EDQUOT)
		return fail_no_space(dirfd, size, what);
	if (fd == -EOPNOTSUPP || fd == -EISDIR || fd == -EINVAL)
		return cop__fail(-EOPNOTSUPP,
				 "make %s: this file system has no O_TMPFILE; put the root on "
				 "tmpfs, such as /dev/shm",
				 what);
	if (fd < 0)
		return cop__fail_os(fd, "make %s", what);

	int rc = cop__os_allocate(fd, 0, size);

	if (rc < 0)
		rc = fail_reserve(rc, dirfd, size, what);
	else
		rc = cop__object_set_access(fd, access, what);
	if (rc < 0) {
		cop__os_close(fd);
		return rc;
	}
	return fd;
}

int cop__object_publish(int fd, int dirfd, const char *name)
{
	int rc = cop__os_link(fd, dirfd, name);

	if (rc == -ENOSPC || rc == -EDQUOT)
		return fail_no_space(dirfd, 0, name);
	if (rc < 0 && rc != -EEXIST && rc != -ENOENT)
		return cop__fail_os(rc, "give %s its name", name);
	return rc;
}

static int fail_open(int rc, int dirfd, const char *name)
{
	struct stat st;

	switch (rc) {
	case -ENOENT:
		return rc;
	case -ELOOP:
	case -ENXIO:
	case -ENODEV:
	case -EISDIR:
		return cop__fail(-EBADMSG, "open %s: it is not a regular file", name);
	case -EACCES:
	case -EPERM:
		if (cop__os_lstat(dirfd, name, &st) == 0)
			return cop__fail(-EACCES,
					 "open %s: denied; its owner is %u, its group %u, its mode "
					 "%04o, and this process has user %u, group %u",
					 name, st.st_uid, st.st_gid, st.st_mode & 07777,
					 cop__os_uid(), cop__os_gid());
		return cop__fail(-EACCES, "open %s: denied", name);
	default:
		return cop__fail_os(rc, "open %s", name);
	}
}

int cop__object_look(int dirfd, const char *name, int flags, struct stat *st)
{
	int fd = cop__os_open(dirfd, name, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);

	if (fd < 0)
		return fail_open(fd, dirfd, name);

	int rc = cop__os_fstat(fd, st);

	if (rc < 0) {
		cop__os_close(fd);
		return cop__fail_os(rc, "look at %s", name);
	}
	return fd;
}

int cop__object_open(int dirfd, const char *name, int flags, struct stat *st)
{
	int rc = 0;
	int fd = cop__object_look(dirfd, name, flags, st);

	if (fd < 0)
		return fd;
	if (!S_ISREG(st->st_mode))
		rc = cop__fail(-EBADMSG, "open %s: it is not a regular file", name);
	else if (st->st_nlink > 1)
		rc = cop__fail(-EBADMSG, "open %s: it has %u names, and should have one", name,
			       (unsigned)st->st_nlink);
	else if ((uint64_t)st->st_blocks * 512 < (uint64_t)st->st_size)
		rc = cop__fail(-EBADMSG, "open %s: it has holes, so its pages were never reserved",
			       name);
	if (rc < 0) {
		cop__os_close(fd);
		return rc;
	}
	return fd;
}

int cop__object_leads_to(int dirfd, const char *name, uint64_t inode)
{
	struct stat st;
	int rc = cop__os_lstat(dirfd, name, &st);

	if (rc == -ENOENT)
		return 0;
	return rc < 0 ? rc : st.st_ino == inode;
}
