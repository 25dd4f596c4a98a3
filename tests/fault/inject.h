/*
 * tests/fault/inject.h - make the k-th system call fail
 *
 * The seam of src/os is asked before each call. First an operation is run to learn its calls, then
 * again with the k-th of them failing, by each errno that this call can have: once; it and all
 * later ones of its kind, as when descriptors or space have run out; or all that follow, as when
 * everything is broken.
 */
#ifndef TEST_FAULT_INJECT_H
#define TEST_FAULT_INJECT_H

#include "support/test.h"

#include "os/os.h"

enum inject_mode { INJECT_NOTHING, INJECT_ONCE, INJECT_KIND, INJECT_ALL, INJECT_MODES };

enum { INJECT_CALLS_MAX = 4096 };

static struct {
	enum inject_mode mode;
	unsigned at; /* which call, from 0 */
	unsigned choice; /* of its errnos */
	bool naps_are_short; /* futex waits end at once, by their time-out */
	/* What happened. */
	bool running; /* between begin and end */
	unsigned count; /* of calls since it began */
	unsigned run_count; /* of calls between begin and end */
	unsigned injected;
	int maps; /* mapped and not yet unmapped */
	enum cop__os_call kind; /* of the call at which it began */
	unsigned char calls[INJECT_CALLS_MAX];
} inject;

/*
 * Errnos that the kernel gives for each call; the first one is for INJECT_ALL. Not among them are
 * those that say something about an object (open: EACCES, ENOENT): to believe them is right.
 */
static const int inject_errors[COP__OS_CALLS][8] = {
	[COP__OS_OPEN] = { EMFILE, ENFILE, ENOMEM, EIO, ENOSPC },
	[COP__OS_STAT] = { EIO, ENOMEM },
	[COP__OS_STATFS] = { EIO, ENOSYS },
	[COP__OS_MKDIR] = { ENOSPC, EACCES, EIO, EROFS },
	[COP__OS_UNLINK] = { EIO, EACCES, EPERM, EROFS },
	[COP__OS_LINK] = { ENOSPC, EIO, EACCES, EPERM },
	[COP__OS_RENAME] = { ENOSPC, EIO, EINVAL, EACCES },
	[COP__OS_CHMOD] = { EPERM, EIO },
	[COP__OS_CHOWN] = { EPERM, EIO },
	[COP__OS_ALLOCATE] = { ENOSPC, EDQUOT, EIO, EFBIG, EOPNOTSUPP, ENOMEM },
	[COP__OS_READ] = { EIO, ENOMEM },
	[COP__OS_WRITE] = { ENOSPC, EIO, EFBIG },
	[COP__OS_LIST] = { EIO, ENOMEM },
	[COP__OS_MMAP] = { ENOMEM, EAGAIN, ENFILE, EPERM },
	[COP__OS_MREMAP] = { ENOMEM, EAGAIN },
	[COP__OS_MADVISE] = { EINVAL, ENOMEM, ENOSYS },
	[COP__OS_LOCK] = { ENOLCK, EIO, EINVAL },
	[COP__OS_FUTEX_WAIT] = { ENOMEM, ENOSYS, EINTR },
	[COP__OS_FUTEX_WAKE] = { ENOSYS, EFAULT },
	[COP__OS_MEMBARRIER] = { ENOSYS, EPERM, EINVAL },
	[COP__OS_INOTIFY] = { EMFILE, ENFILE, ENOMEM, ENOSPC, ENOSYS },
	[COP__OS_POLL] = { ENOMEM, EINVAL },
	[COP__OS_EPOLL] = { EMFILE, ENFILE, ENOMEM, ENOSPC },
	[COP__OS_TIMER] = { EMFILE, ENFILE, ENOMEM },
	[COP__OS_RANDOM] = { ENOSYS, EIO },
};

static inline bool inject_hits(enum cop__os_call call)
{
	switch (inject.mode) {
	case INJECT_ONCE:
		return inject.count == inject.at;
	case INJECT_KIND:
		return inject.count == inject.at || call == inject.kind;
	case INJECT_ALL:
		return inject.count >= inject.at;
	default:
		return false;
	}
}

static inline int inject_hook(enum cop__os_call call)
{
	int error = 0;

	if (inject_hits(call) && inject_errors[call][0]) {
		if (inject.count == inject.at)
			inject.kind = call;
		error = inject_errors[call][call == inject.kind ? inject.choice : 0];
		error = error ? error : inject_errors[call][0];
		inject.injected++;
	} else if (call == COP__OS_FUTEX_WAIT && inject.naps_are_short) {
		error = ETIMEDOUT;
	}
	if (inject.running && inject.count < INJECT_CALLS_MAX)
		inject.calls[inject.count] = (unsigned char)call;
	inject.count++;
	if (!error)
		inject.maps += (call == COP__OS_MMAP) - (call == COP__OS_MUNMAP);
	return -error;
}

/* From here on calls are counted, and the at-th fails. */
static inline void inject_begin(enum inject_mode mode, unsigned at, unsigned choice)
{
	inject.mode = mode;
	inject.at = at;
	inject.choice = choice;
	inject.running = true;
	inject.count = inject.injected = 0;
	inject.kind = COP__OS_CALLS;
}

/* From here on none does. */
static inline void inject_end(void)
{
	inject.mode = INJECT_NOTHING;
	inject.running = false;
	inject.run_count = inject.count;
}

#endif
