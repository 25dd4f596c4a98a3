/*
 * os/os.c - every system call that Copage makes, in one place
 */
#include "os/os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

int (*cop__os_hook)(enum cop__os_call call);

/* One giant fallocate can fail with ENOMEM, and one that a signal interrupts begins again; pieces
 * of this size avoid both (pmem/pmdk#3580, libqb#451). */
#define ALLOCATE_PIECE (64u << 20)

#define SECOND 1000000000

static const char *const call_names[COP__OS_CALLS] = {
	[COP__OS_OPEN] = "open",
	[COP__OS_CLOSE] = "close",
	[COP__OS_STAT] = "stat",
	[COP__OS_STATFS] = "statfs",
	[COP__OS_MKDIR] = "mkdir",
	[COP__OS_UNLINK] = "unlink",
	[COP__OS_LINK] = "link",
	[COP__OS_RENAME] = "rename",
	[COP__OS_CHMOD] = "chmod",
	[COP__OS_CHOWN] = "chown",
	[COP__OS_ALLOCATE] = "fallocate",
	[COP__OS_READ] = "read",
	[COP__OS_WRITE] = "write",
	[COP__OS_LIST] = "getdents",
	[COP__OS_MMAP] = "mmap",
	[COP__OS_MUNMAP] = "munmap",
	[COP__OS_MREMAP] = "mremap",
	[COP__OS_MADVISE] = "madvise",
	[COP__OS_LOCK] = "fcntl lock",
	[COP__OS_FUTEX_WAIT] = "futex wait",
	[COP__OS_FUTEX_WAKE] = "futex wake",
	[COP__OS_MEMBARRIER] = "membarrier",
	[COP__OS_INOTIFY] = "inotify",
	[COP__OS_POLL] = "poll",
	[COP__OS_EPOLL] = "epoll",
	[COP__OS_TIMER] = "timerfd",
	[COP__OS_RANDOM] = "getrandom",
};

const char *cop__os_call_name(enum cop__os_call call)
{
	return call < COP__OS_CALLS ? call_names[call] : "?";
}

static int seam(enum cop__os_call call)
{
	return cop__os_hook ? cop__os_hook(call) : 0;
}

/* Most wrappers are this: ask the seam, make the call, turn -1 into a negative errno. */
#define CALL(call, expression) \
	({ \
		long rc_ = seam(call); \
		if (rc_ == 0) { \
			do { \
				rc_ = (long)(expression); \
			} while (rc_ < 0 && errno == EINTR); \
			if (rc_ < 0) \
				rc_ = -errno; \
		} \
		rc_; \
	})

int cop__os_open(int dirfd, const char *path, int flags, mode_t mode)
{
	return (int)CALL(COP__OS_OPEN, openat(dirfd, path, flags | O_CLOEXEC, mode));
}

void cop__os_close(int fd)
{
	/* The descriptor is gone whatever close says; the seam can only count it. */
	if (fd >= 0) {
		(void)seam(COP__OS_CLOSE);
		close(fd);
	}
}

int cop__os_fstat(int fd, struct stat *st)
{
	return (int)CALL(COP__OS_STAT, fstat(fd, st));
}

int cop__os_lstat(int dirfd, const char *path, struct stat *st)
{
	return (int)CALL(COP__OS_STAT, fstatat(dirfd, path, st, AT_SYMLINK_NOFOLLOW));
}

int cop__os_space(int fd, uint64_t *free_bytes, uint64_t *total_bytes)
{
	struct statvfs fs;
	int rc = (int)CALL(COP__OS_STATFS, fstatvfs(fd, &fs));

	if (rc == 0) {
		*free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
		*total_bytes = (uint64_t)fs.f_blocks * fs.f_frsize;
	}
	return rc;
}

int cop__os_mkdir(int dirfd, const char *path, mode_t mode)
{
	return (int)CALL(COP__OS_MKDIR, mkdirat(dirfd, path, mode));
}

int cop__os_unlink(int dirfd, const char *path)
{
	return (int)CALL(COP__OS_UNLINK, unlinkat(dirfd, path, 0));
}

int cop__os_rmdir(int dirfd, const char *path)
{
	return (int)CALL(COP__OS_UNLINK, unlinkat(dirfd, path, AT_REMOVEDIR));
}

int cop__os_link(int fd, int dirfd, const char *path)
{
	/* The empty path needs no /proc, but Linux before 6.10 allows it to root alone. */
	int rc = (int)CALL(COP__OS_LINK, linkat(fd, "", dirfd, path, AT_EMPTY_PATH));

	if (rc == -ENOENT || rc == -EPERM) {
		char proc[32];

		snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
		rc = (int)CALL(COP__OS_LINK,
			       linkat(AT_FDCWD, proc, dirfd, path, AT_SYMLINK_FOLLOW));
	}
	return rc;
}

int cop__os_rename_new(int dirfd, const char *from, const char *to)
{
	return (int)CALL(COP__OS_RENAME, renameat2(dirfd, from, dirfd, to, RENAME_NOREPLACE));
}

int cop__os_chmod(int fd, mode_t mode)
{
	return (int)CALL(COP__OS_CHMOD, fchmod(fd, mode));
}

int cop__os_chown_group(int fd, gid_t group)
{
	return (int)CALL(COP__OS_CHOWN, fchown(fd, (uid_t)-1, group));
}

int cop__os_allocate(int fd, uint64_t offset, uint64_t size)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
	    offset + size > limit.rlim_cur)
		return -EFBIG;
	while (size > 0) {
		uint64_t piece = size < ALLOCATE_PIECE ? size : ALLOCATE_PIECE;
		int rc = (int)CALL(COP__OS_ALLOCATE, fallocate(fd, 0, (off_t)offset, (off_t)piece));

		if (rc < 0)
			return rc;
		offset += piece;
		size -= piece;
	}
	return 0;
}

ssize_t cop__os_pread(int fd, void *data, size_t size, uint64_t offset)
{
	return CALL(COP__OS_READ, pread(fd, data, size, (off_t)offset));
}

ssize_t cop__os_pwrite(int fd, const void *data, size_t size, uint64_t offset)
{
	return CALL(COP__OS_WRITE, pwrite(fd, data, size, (off_t)offset));
}

ssize_t cop__os_read(int fd, void *data, size_t size)
{
	return CALL(COP__OS_READ, read(fd, data, size));
}

static bool is_dot(const char *name)
{
	return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

int cop__os_list(int dirfd, cop__os_visit *visit, void *arg)
{
	_Alignas(struct dirent64) char buffer[4096] = { 0 };

	if (lseek(dirfd, 0, SEEK_SET) < 0)
		return -errno;
	for (;;) {
		long got = CALL(COP__OS_LIST,
				syscall(SYS_getdents64, dirfd, buffer, sizeof(buffer)));

		if (got <= 0)
			return (int)got;
		for (long at = 0; at < got;) {
			const struct dirent64 *entry = (const void *)(buffer + at);
			int rc = 0;

			if (!is_dot(entry->d_name))
				rc = visit(arg, entry->d_name, entry->d_ino);
			if (rc != 0)
				return rc;
			at += entry->d_reclen;
		}
	}
}

int cop__os_mmap(size_t size, int prot, int flags, int fd, uint64_t offset, void **base)
{
	int rc = seam(COP__OS_MMAP);

	if (rc == 0) {
		void *got = mmap(NULL, size, prot, flags, fd, (off_t)offset);

		if (got == MAP_FAILED)
			return -errno;
		*base = got;
	}
	return rc;
}

void cop__os_munmap(void *base, size_t size)
{
	/* Of a whole mapping it cannot fail, except for a range that was never mapped: ours. */
	(void)seam(COP__OS_MUNMAP);
	munmap(base, size);
}

int cop__os_mremap(size_t old_size, size_t new_size, void **base)
{
	int rc = seam(COP__OS_MREMAP);

	if (rc == 0) {
		void *got = mremap(*base, old_size, new_size, MREMAP_MAYMOVE);

		if (got == MAP_FAILED)
			return -errno;
		*base = got;
	}
	return rc;
}

int cop__os_madvise(void *base, size_t size, int advice)
{
	return (int)CALL(COP__OS_MADVISE, madvise(base, size, advice));
}

static int lock(int fd, off_t bytes)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = bytes };
	int rc = (int)CALL(COP__OS_LOCK, fcntl(fd, F_OFD_SETLK, &lock));

	return rc == -EACCES ? -EAGAIN : rc;
}

int cop__os_lock(int fd)
{
	return lock(fd, 0); /* to the end of the file, however far that is */
}

int cop__os_lock_byte(int fd)
{
	return lock(fd, 1);
}

int cop__os_locked(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int rc = (int)CALL(COP__OS_LOCK, fcntl(fd, F_OFD_GETLK, &lock));

	return rc < 0 ? rc : lock.l_type != F_UNLCK && lock.l_len == 0;
}

static struct timespec *to_timespec(int64_t ns, struct timespec *ts)
{
	if (ns < 0)
		return NULL;
	ts->tv_sec = ns / SECOND;
	ts->tv_nsec = ns % SECOND;
	return ts;
}

int cop__os_futex_wait(const uint32_t *word, uint32_t expected, int64_t timeout_ns)
{
	struct timespec ts;
	int rc = seam(COP__OS_FUTEX_WAIT);

	/* A signal ends the wait: the caller looks again anyway, and knows its deadline. */
	if (rc == 0 && syscall(SYS_futex, word, FUTEX_WAIT, expected, to_timespec(timeout_ns, &ts),
			       NULL, 0) < 0)
		rc = -errno;
	return rc;
}

int cop__os_futex_wake(const uint32_t *word)
{
	return (int)CALL(COP__OS_FUTEX_WAKE,
			 syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0));
}

int cop__os_membarrier_register(void)
{
	return (int)CALL(COP__OS_MEMBARRIER,
			 syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0));
}

int cop__os_membarrier(void)
{
	return (int)CALL(COP__OS_MEMBARRIER,
			 syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0));
}

int cop__os_inotify(void)
{
	return (int)CALL(COP__OS_INOTIFY, inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
}

int cop__os_inotify_add(int watch, int fd, uint32_t events)
{
	/* A watch is set by path; this one leads to the very file that fd has open. */
	char proc[32];

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	return (int)CALL(COP__OS_INOTIFY, inotify_add_watch(watch, proc, events));
}

int cop__os_poll_readable(int fd, int64_t timeout_ns)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	struct timespec ts;
	int rc = seam(COP__OS_POLL);

	if (rc < 0)
		return rc;
	rc = ppoll(&poll_fd, 1, to_timespec(timeout_ns, &ts), NULL);
	/* A signal ends the wait: the caller looks again anyway, and knows its deadline. */
	if (rc < 0)
		return errno == EINTR ? 0 : -errno;
	return rc;
}

int cop__os_gather(int a, int b)
{
	struct epoll_event event = { .events = EPOLLIN };
	int both = (int)CALL(COP__OS_EPOLL, epoll_create1(EPOLL_CLOEXEC));

	if (both < 0)
		return both;

	int rc = (int)CALL(COP__OS_EPOLL, epoll_ctl(both, EPOLL_CTL_ADD, a, &event));

	if (rc == 0)
		rc = (int)CALL(COP__OS_EPOLL, epoll_ctl(both, EPOLL_CTL_ADD, b, &event));
	if (rc < 0) {
		cop__os_close(both);
		return rc;
	}
	return both;
}

int cop__os_timer(void)
{
	return (int)CALL(COP__OS_TIMER,
			 timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
}

int cop__os_timer_set(int timer, int64_t at_ns)
{
	struct itimerspec at = { 0 };

	to_timespec(at_ns, &at.it_value);
	return (int)CALL(COP__OS_TIMER, timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL));
}

int cop__os_random(void *data, size_t size)
{
	return CALL(COP__OS_RANDOM, getrandom(data, size, 0)) == (long)size ? 0 : -EIO;
}

static int64_t clock_ns(clockid_t clock)
{
	struct timespec ts = { 0 };

	clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * SECOND + ts.tv_nsec;
}

int64_t cop__os_monotonic_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

int64_t cop__os_realtime_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

int32_t cop__os_pid(void)
{
	return (int32_t)getpid();
}

uid_t cop__os_uid(void)
{
	return geteuid();
}

gid_t cop__os_gid(void)
{
	return getegid();
}

unsigned cop__os_processors(void)
{
	cpu_set_t set;

	/* On machines with more processors than the set holds there is more than one. */
	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 2;
	return (unsigned)CPU_COUNT(&set);
}
