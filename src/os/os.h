/*
 * os/os.h - every system call that Copage makes
 *
 * One wrapper each. All return a negative errno on failure, retry EINTR where repeating is right,
 * and pass through one seam: a test sets cop__os_hook and makes any call fail, or counts them.
 * No other layer calls the kernel. Nothing here is on a path that a message takes.
 */
#ifndef COP_OS_OS_H
#define COP_OS_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

enum cop__os_call {
	COP__OS_OPEN,
	COP__OS_CLOSE,
	COP__OS_STAT,
	COP__OS_STATFS,
	COP__OS_MKDIR,
	COP__OS_UNLINK,
	COP__OS_LINK,
	COP__OS_RENAME,
	COP__OS_CHMOD,
	COP__OS_CHOWN,
	COP__OS_ALLOCATE,
	COP__OS_READ,
	COP__OS_WRITE,
	COP__OS_LIST,
	COP__OS_MMAP,
	COP__OS_MUNMAP,
	COP__OS_MREMAP,
	COP__OS_MADVISE,
	COP__OS_LOCK,
	COP__OS_FUTEX_WAIT,
	COP__OS_FUTEX_WAKE,
	COP__OS_MEMBARRIER,
	COP__OS_INOTIFY,
	COP__OS_POLL,
	COP__OS_EPOLL,
	COP__OS_TIMER,
	COP__OS_RANDOM,
	COP__OS_CALLS, /* how many there are */
};

/*
 * The seam. When set, it is called before each system call; a negative errno from it is the
 * result, and the call is not made. Clock, getpid and the like cannot fail and do not pass here.
 */
extern int (*cop__os_hook)(enum cop__os_call call);

const char *cop__os_call_name(enum cop__os_call call);

/* Files. Paths are relative to dirfd (AT_FDCWD: the working directory); flags as the kernel's.
 * O_CLOEXEC is always added. */
int cop__os_open(int dirfd, const char *path, int flags, mode_t mode);
void cop__os_close(int fd);
int cop__os_fstat(int fd, struct stat *st);
int cop__os_lstat(int dirfd, const char *path, struct stat *st);
int cop__os_space(int fd, uint64_t *free_bytes, uint64_t *total_bytes);
int cop__os_mkdir(int dirfd, const char *path, mode_t mode);
int cop__os_unlink(int dirfd, const char *path);
int cop__os_rmdir(int dirfd, const char *path);
int cop__os_link(int fd, int dirfd, const char *path); /* give an unnamed file its name */
int cop__os_rename_new(int dirfd, const char *from, const char *to); /* -EEXIST: never replaces */
int cop__os_chmod(int fd, mode_t mode);
int cop__os_chown_group(int fd, gid_t group);
/* Reserve [offset, offset + size) in pieces, growing the file. Tests RLIMIT_FSIZE first: -EFBIG
 * instead of SIGXFSZ. */
int cop__os_allocate(int fd, uint64_t offset, uint64_t size);
ssize_t cop__os_pread(int fd, void *data, size_t size, uint64_t offset);
ssize_t cop__os_pwrite(int fd, const void *data, size_t size, uint64_t offset);
ssize_t cop__os_read(int fd, void *data, size_t size);

/* Call visit for each entry but . and .. of an open directory, from its beginning. Stops when
 * visit returns non-zero, and returns that. */
typedef int cop__os_visit(void *arg, const char *name, uint64_t inode);
int cop__os_list(int dirfd, cop__os_visit *visit, void *arg);

/* Memory. A failing mmap or mremap leaves *base alone. */
int cop__os_mmap(size_t size, int prot, int flags, int fd, uint64_t offset, void **base);
void cop__os_munmap(void *base, size_t size);
int cop__os_mremap(size_t old_size, size_t new_size, void **base);
int cop__os_madvise(void *base, size_t size, int advice);

/* Open-file-description locks, exclusive. Over the whole file: its owner's. Over the first byte:
 * one's who would remove the file; each keeps the other out, and others can tell them apart.
 * -EAGAIN: somebody holds either; they need a writable fd. */
int cop__os_lock(int fd);
int cop__os_lock_byte(int fd);
int cop__os_locked(int fd); /* 1: an owner holds it; 0: none does; needs no rights but fd */

/* Futexes in shared mappings. A negative timeout waits for ever. */
int cop__os_futex_wait(const uint32_t *word, uint32_t expected, int64_t timeout_ns);
int cop__os_futex_wake(const uint32_t *word);

/* Asymmetric fences between processes: receivers register, then a sender's barrier orders their
 * memory accesses too. */
int cop__os_membarrier_register(void);
int cop__os_membarrier(void);

/* Watching files. */
int cop__os_inotify(void);
int cop__os_inotify_add(int watch, int fd, uint32_t events);
int cop__os_poll_readable(int fd, int64_t timeout_ns); /* 1, or 0 after the timeout */
int cop__os_gather(int a, int b); /* a descriptor that is readable when a or b is */
int cop__os_timer(void); /* a descriptor that becomes readable when its time has come */
int cop__os_timer_set(int timer, int64_t at_ns); /* of the monotonic clock */

/* Cannot fail, or have a sensible answer when they do. */
int cop__os_random(void *data, size_t size);
int64_t cop__os_monotonic_ns(void);
int64_t cop__os_realtime_ns(void);
int32_t cop__os_pid(void);
uid_t cop__os_uid(void);
gid_t cop__os_gid(void);
unsigned cop__os_processors(void); /* that this process may run on */

#endif
