/*
 * member/member.h - a file of one's own, locked while one lives
 *
 * A member is a file that one process writes and others read. Its owner holds an
 * open-file-description lock on it. The lock hangs on the owner's mapping, so the descriptor is
 * closed at once; a forked child does not inherit the mapping; so the kernel frees the lock at
 * unmap, exit, exec or SIGKILL and at nothing else. Death is proved by finding the lock free,
 * never guessed: no PID, no time. It crosses PID namespaces.
 *
 *	state          name   lock
 *	being made     no     held    dies without a trace
 *	live           yes    held
 *	left behind    yes    free    may be taken over, or swept
 *	removed        no     -       those who map it go on reading
 *
 * Taking over and sweeping both begin with the lock and then check that the name still leads to
 * the locked file, so one of two who try wins, and nobody removes what another one has just made.
 */
#ifndef COP_MEMBER_MEMBER_H
#define COP_MEMBER_MEMBER_H

#include <stdint.h>

#include "map/map.h"
#include "object/object.h"

#define COP__MEMBER_NAME_MAX 160 /* with the terminating zero: "pub." and the longest name */

struct cop__member {
	struct cop__map map; /* writable; the lock hangs on it */
	uint64_t inode;
	char name[COP__MEMBER_NAME_MAX];
};

/* Fills the new file, which is all zero, before anybody can see it. */
typedef void cop__member_fill(void *arg, uint8_t *base);

/* Make, reserve, lock, fill and publish. -EEXIST without a sentence: the name is taken. */
int cop__member_create(struct cop__member *member, int dirfd, const char *name, uint64_t size,
		       const struct cop__access *access, cop__member_fill *fill, void *arg);

/* Lock and map what another one left. -ENOENT: there is nothing; -EBUSY: its owner lives; -EAGAIN:
 * somebody is about to sweep it, or to let it be. */
int cop__member_take(struct cop__member *member, int dirfd, const char *name);

/* Let go: the lock is free, the file stays. */
void cop__member_leave(struct cop__member *member);

/* Make the file larger by reserving more pages; the base may move. */
int cop__member_grow(struct cop__member *member, int dirfd, uint64_t size);

/* Remove one's own name, if it is still one's own. Those who map the file keep it. */
void cop__member_unlink(const struct cop__member *member, int dirfd);

/* Does the owner of this very file live? 1, or 0 when the kernel has freed its lock or the name
 * leads to another file or to none. */
int cop__member_lives(int dirfd, const char *name, uint64_t inode);

/*
 * Remove what is left behind: take the lock, ask may_go (with the file's facts; NULL: yes), unlink.
 * 1 it was removed; 0 it stays; -EAGAIN its owner lives, or another sweeper is at it; -ENOENT gone
 * already; other errors when it may not be removed.
 */
typedef int cop__member_may_go(void *arg, int fd, const struct stat *st);
int cop__member_sweep(int dirfd, const char *name, cop__member_may_go *may_go, void *arg);

#endif
