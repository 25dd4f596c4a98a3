/*
 * tests/fault/tree.h - directories and files as a stranger handles them
 */
#ifndef TEST_FAULT_TREE_H
#define TEST_FAULT_TREE_H

#include "support/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static inline void tree_make_directory(const char *path, mode_t mode)
{
	must_int(mkdir(path, mode), ==, 0);
	must_int(chmod(path, mode), ==, 0);
}

static inline int tree_remove_one(const char *path, const struct stat *st, int type,
				  struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void tree_remove(const char *path)
{
	must_int(nftw(path, tree_remove_one, 16, FTW_DEPTH | FTW_PHYS), ==, 0);
}

/* The content of a file, to be freed; its size to *size. */
static inline unsigned char *tree_read(const char *path, size_t *size)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	unsigned char *data;

	must_int(fd, >=, 0);
	must_int(fstat(fd, &st), ==, 0);
	data = malloc((size_t)st.st_size + 1);
	must(data);
	must_int(read(fd, data, (size_t)st.st_size), ==, st.st_size);
	close(fd);
	*size = (size_t)st.st_size;
	return data;
}

/* A new file with all its pages. */
static inline void tree_write(const char *path, const void *data, size_t size, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	must_int(fd, >=, 0);
	must_int(write(fd, data, size), ==, (ssize_t)size);
	must_int(fchmod(fd, mode), ==, 0);
	close(fd);
}

/* Change bytes of a file in place. */
static inline void tree_patch(const char *path, uint64_t offset, const void *data, size_t size)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	must_int(fd, >=, 0);
	must_int(pwrite(fd, data, size, (off_t)offset), ==, (ssize_t)size);
	close(fd);
}

/* Copy a directory with what is in it. Locks are not copied: in a copy, everybody is dead. */
static inline void tree_copy(const char *from, const char *to)
{
	struct stat st;
	struct dirent *entry;
	DIR *dir = opendir(from);

	must(dir);
	must_int(stat(from, &st), ==, 0);
	tree_make_directory(to, st.st_mode & 07777);
	while ((entry = readdir(dir))) {
		char source[600], target[600];
		unsigned char *data;
		size_t size;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(source, sizeof(source), "%s/%s", from, entry->d_name);
		snprintf(target, sizeof(target), "%s/%s", to, entry->d_name);
		must_int(stat(source, &st), ==, 0);
		if (S_ISDIR(st.st_mode)) {
			tree_copy(source, target);
			continue;
		}
		data = tree_read(source, &size);
		tree_write(target, data, size, st.st_mode & 07777);
		free(data);
	}
	closedir(dir);
}

/* How many names are in a directory; the last one of them to name. */
static inline unsigned tree_count(const char *path, char name[256])
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	unsigned count = 0;

	must(dir);
	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(name, 256, "%s", entry->d_name);
		count++;
	}
	closedir(dir);
	return count;
}

static inline void tree_must_be_empty(const char *path)
{
	char name[256] = "";

	if (tree_count(path, name) > 0)
		test_fail(__FILE__, __LINE__, "%s is left in %s", name, path);
}

/* What is below a path, in words: each name, its kind, mode, size and a sum of its bytes. */
static inline void tree_describe(const char *path, char *text, size_t room)
{
	struct dirent **entries;
	struct stat st;
	size_t size = 0;
	int count = 0;

	must_int(lstat(path, &st), ==, 0);
	snprintf(text + strlen(text), room - strlen(text), "%s %o %lld %u\n", path, st.st_mode,
		 (long long)st.st_size, (unsigned)st.st_nlink);
	if (S_ISREG(st.st_mode)) {
		unsigned char *data = tree_read(path, &size);
		uint64_t sum = 0;

		for (size_t i = 0; i < size; i++)
			sum = sum * 31 + data[i];
		free(data);
		snprintf(text + strlen(text), room - strlen(text), " %llx\n",
			 (unsigned long long)sum);
	}
	if (S_ISDIR(st.st_mode))
		count = scandir(path, &entries, NULL, alphasort);
	for (int i = 0; i < count; i++) {
		char below[600];

		snprintf(below, sizeof(below), "%s/%s", path, entries[i]->d_name);
		if (strcmp(entries[i]->d_name, ".") != 0 && strcmp(entries[i]->d_name, "..") != 0)
			tree_describe(below, text, room);
		free(entries[i]);
	}
	if (count > 0)
		free(entries);
}

/* No file below this directory is still mapped, be it removed or not. */
static inline void tree_must_not_be_mapped(const char *path)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[1000];

	must(maps);
	while (fgets(line, sizeof(line), maps))
		if (strstr(line, path))
			test_fail(__FILE__, __LINE__, "still mapped: %s", line);
	fclose(maps);
}

#endif
