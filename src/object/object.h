/*
 * object/object.h - files that appear whole, and files that are opened with suspicion
 *
 * Publishing: a file is made without a name (O_TMPFILE), every page of it is reserved, it is
 * filled, and only then linked to its name. Nobody ever opens a half-made one, EEXIST settles a
 * race, and a crash before the link leaves nothing.
 *
 * Opening: never creates, never resizes, never follows a link, never blocks on a FIFO, and
 * accepts only a regular file with one name whose pages are all there, so that what is inside its
 * size cannot raise SIGBUS for want of space.
 */
#ifndef COP_OBJECT_OBJECT_H
#define COP_OBJECT_OBJECT_H

#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Who may do what with a file or a directory; exact in spite of umask. */
struct cop__access {
	mode_t mode;
	gid_t group; /* COP__ANY_GROUP: as the kernel gave it */
};
#define COP__ANY_GROUP ((gid_t)-1)

/* Make a nameless file of size bytes in the directory's file system, all reserved, all zero.
 * Returns its descriptor, for reading and writing. Sentences name it "what". */
int cop__object_make(int dirfd, uint64_t size, const struct cop__access *access, const char *what);

/* Give it its name. -EEXIST: somebody else was first. */
int cop__object_publish(int fd, int dirfd, const char *name);

/* Set mode and group of an open file or directory. */
int cop__object_set_access(int fd, const struct cop__access *access, const char *what);

/*
 * Open a published file: flags are O_RDONLY or O_RDWR. Returns its descriptor and facts.
 * -ENOENT (without a sentence: callers often expect it), -EACCES, -EBADMSG it is no file that
 * cop__object_make() made.
 */
int cop__object_open(int dirfd, const char *name, int flags, struct stat *st);

/* The same without suspicion: to ask for a lock, not to map it. */
int cop__object_look(int dirfd, const char *name, int flags, struct stat *st);

/* Does the name still lead to the file with this inode? 1 or 0, or an error. */
int cop__object_leads_to(int dirfd, const char *name, uint64_t inode);

#endif
