/*
 * topic/place.c - names and roots: from what the user wrote to a directory
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/error.h"
#include "os/export.h"
#include "os/os.h"
#include "topic/topic.h"

#define SHARED_ROOT "/dev/shm/copage"

int cop__check_name(const char *what, const char *name)
{
	size_t len = strlen(name);

	if (len == 0)
		return cop__fail(-EINVAL, "name a %s: the name is empty", what);
	if (len > COP_NAME_MAX)
		return cop__fail(-ENAMETOOLONG,
				 "name a %s: the name has %zu bytes, and may have %d at most", what,
				 len, COP_NAME_MAX);
	if (name[0] == '.' || name[0] == '-')
		return cop__fail(-EINVAL, "name a %s: \"%s\" begins with '%c'", what, name,
				 name[0]);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)name[i];

		/* Not isalnum(): the locale must not decide. */
		if (c < 128 && (isalnum(c) || strchr("._-", c)))
			continue;
		return cop__fail(-EINVAL,
				 "name a %s: byte %zu of the name is 0x%02x; allowed are A-Z a-z "
				 "0-9 . _ -",
				 what, i + 1, c);
	}
	return 0;
}

/* A root for all users is a directory that root made, sticky and writable for all. */
static bool is_shared_root(const char *path)
{
	struct stat st;

	return cop__os_lstat(AT_FDCWD, path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == 0 &&
	       (st.st_mode & 01777) == 01777;
}

static int set_path(struct cop__place *place, const char *path)
{
	size_t len = strlen(path);

	if (len >= sizeof(place->root))
		return cop__fail(-ENAMETOOLONG, "find the root: its path has %zu bytes", len);
	memcpy(place->root, path, len + 1);
	while (len > 1 && place->root[len - 1] == '/')
		place->root[--len] = '\0';
	return 0;
}

int cop__find_root(struct cop__place *place)
{
	const char *path = secure_getenv("COPAGE_ROOT");

	*place = (struct cop__place){ 0 };
	if (path && *path)
		return set_path(place, path);
	if (is_shared_root(SHARED_ROOT))
		return set_path(place, SHARED_ROOT);
	snprintf(place->root, sizeof(place->root), "%s-%u", SHARED_ROOT, cop__os_uid());
	place->private_root = true;
	return 0;
}

int cop__find_place(struct cop__place *place, const char *topic)
{
	const char *slash = strrchr(topic, '/');
	const char *name = slash ? slash + 1 : topic;
	int rc;

	if (slash) {
		char path[COP__PATH_MAX];

		*place = (struct cop__place){ 0 };
		if ((size_t)(slash - topic) + 1 >= sizeof(path))
			return cop__fail(-ENAMETOOLONG, "find the root: its path is too long");
		/* With the slash: "/NAME" is in the root of the file system. */
		memcpy(path, topic, (size_t)(slash - topic) + 1);
		path[slash - topic + 1] = '\0';
		rc = set_path(place, path);
	} else {
		rc = cop__find_root(place);
	}
	if (rc == 0)
		rc = cop__check_name("topic", name);
	if (rc == 0)
		strcpy(place->name, name);
	return rc;
}

/* Somebody else can have made our private root first: /dev/shm is open to all. */
static int check_private_root(const struct cop__place *place, int fd)
{
	struct stat st;
	int rc = cop__os_fstat(fd, &st);

	if (rc < 0)
		return cop__fail_os(rc, "look at %s", place->root);
	if (st.st_uid != cop__os_uid() || (st.st_mode & 022) != 0)
		return cop__fail(-EACCES,
				 "open the root %s: it belongs to user %u with mode %04o and "
				 "should be this user's own; remove it, or set COPAGE_ROOT",
				 place->root, st.st_uid, st.st_mode & 07777);
	return 0;
}

static int fail_root_denied(const struct cop__place *place)
{
	struct stat st;

	if (cop__os_lstat(AT_FDCWD, place->root, &st) < 0)
		return cop__fail(-EACCES, "open the root %s: denied on the way there", place->root);
	return cop__fail(-EACCES,
			 "open the root %s: denied; its owner is %u, its group %u, its mode %04o, "
			 "and this process has user %u, group %u; share topics in a root that both "
			 "may enter (COPAGE_ROOT)",
			 place->root, st.st_uid, st.st_gid, st.st_mode & 07777, cop__os_uid(),
			 cop__os_gid());
}

int cop__open_root(const struct cop__place *place, bool make)
{
	int fd = -ENOENT;

	if (place->private_root && make) {
		int rc = cop__os_mkdir(AT_FDCWD, place->root, 0700);

		if (rc < 0 && rc != -EEXIST)
			return cop__fail_os(rc, "make the root %s", place->root);
	}
	fd = cop__os_open(AT_FDCWD, place->root,
			  O_RDONLY | O_DIRECTORY | (place->private_root ? O_NOFOLLOW : 0), 0);
	if (fd == -ENOENT && !place->private_root)
		return cop__fail(-ENOENT,
				 "open the root %s: there is no such directory; make it, or name "
				 "another in COPAGE_ROOT",
				 place->root);
	if (fd == -ENOENT)
		return fd;
	if (fd == -EACCES)
		return fail_root_denied(place);
	if (fd < 0)
		return cop__fail_os(fd, "open the root %s", place->root);
	if (place->private_root) {
		int rc = check_private_root(place, fd);

		if (rc < 0) {
			cop__os_close(fd);
			return rc;
		}
	}
	return fd;
}

const char *cop__pub_name_of(const char *member)
{
	return strncmp(member, "pub.", 4) == 0 ? member + 4 : NULL;
}

const char *cop__sub_name_of(const char *member)
{
	return strncmp(member, "sub.", 4) == 0 ? member + 4 : NULL;
}

int cop__member_name(char file[COP__MEMBER_NAME_MAX], const char *prefix, const char *name)
{
	uint64_t random;
	int rc;

	if (name) {
		rc = cop__check_name(prefix[0] == 'p' ? "publisher" : "subscriber", name);
		if (rc == 0)
			snprintf(file, COP__MEMBER_NAME_MAX, "%s%s", prefix, name);
		return rc;
	}
	rc = cop__os_random(&random, sizeof(random));
	if (rc < 0)
		return cop__fail_os(rc, "make up a name");
	snprintf(file, COP__MEMBER_NAME_MAX, "%sanon-%016llx", prefix, (unsigned long long)random);
	return 0;
}

int cop__copy_options(void *options, size_t known_size, const void *from)
{
	size_t size;

	if (!from)
		return 0;
	memcpy(&size, from, sizeof(size));
	if (size < sizeof(size))
		return cop__fail(-EINVAL, "read options: their size is %zu; use the initialiser",
				 size);
	for (size_t i = known_size; i < size; i++)
		if (((const unsigned char *)from)[i] != 0)
			return cop__fail(-E2BIG,
					 "read options: they have a field at byte %zu that this "
					 "version of the library does not know",
					 i);
	memcpy(options, from, size < known_size ? size : known_size);
	return 0;
}

COP_EXPORT int cop_root(char *path, size_t size_bytes)
{
	struct cop__place place;
	int rc = cop__find_root(&place);

	if (rc < 0)
		return rc;
	if (strlen(place.root) >= size_bytes)
		return cop__fail(-ENAMETOOLONG, "tell the root: %s does not fit in %zu bytes",
				 place.root, size_bytes);
	strcpy(path, place.root);
	return 0;
}
