/*
 * tests/fault/foreign.c - what stands under a topic's name is not a topic, or is damaged
 *
 * It is refused in one sentence by whoever opens it, and left as it is by everybody; topics beside
 * it, and members of the topic that had opened it before, go on.
 */
#include "fault/left.h"
#include "fault/sound.h"
#include "fault/tree.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "topic/topic_layout.h"

static char topic[400]; /* the strange one */

static const char *in_topic(const char *name)
{
	static char path[500];

	snprintf(path, sizeof(path), "%s/%s", topic, name);
	return path;
}

static void name_topic(void)
{
	snprintf(topic, sizeof(topic), "%s/strange", test_root());
}

/* Opening it, in all ways: the results must be the same, or 0 where that is allowed. */
static int open_in_all_ways(void)
{
	struct cop_pub_opts pub_opts = small_pub(NULL);
	struct cop_sub_opts sub_opts = quick_sub(NULL);
	struct cop_topic_stat *stat;
	struct cop_pub *pub = NULL;
	struct cop_sub *sub = NULL;
	int rc = cop_pub_open(&pub, topic, &pub_opts);
	int stat_rc;

	if (rc < 0)
		must_explain(rc);
	must_rc(cop_sub_open(&sub, topic, &sub_opts), rc);
	if (rc < 0)
		must_explain(rc);
	cop_pub_close(&pub);
	cop_sub_close(&sub);
	if (rc == 0 && access(topic, F_OK) < 0)
		return 0; /* it went with its members */

	stat_rc = cop_topic_stat(topic, &stat);
	if (stat_rc == 0)
		cop_topic_stat_free(stat);
	else
		must_explain(stat_rc);
	/* Looking needs no bell. */
	if (rc < 0)
		must(stat_rc == rc || stat_rc == 0);
	return rc;
}

static int ignore_topic(void *arg, const char *name, int error)
{
	(void)arg;
	(void)name;
	must(error == 0 || error == -EBADMSG || error == -EPROTO);
	return 0;
}

static void ignore_item(void *arg, const struct cop_gc_item *item)
{
	(void)arg;
	must(strlen(item->path) > 0 && strlen(item->reason) > 0);
}

/* Everybody who comes by leaves it as it is, while a topic beside it goes on. */
static void must_be_left_alone(void)
{
	static char before[20000], after[20000];
	struct sound beside;
	char neighbour[400], root[310];

	before[0] = after[0] = '\0';
	tree_describe(topic, before, sizeof(before));
	snprintf(neighbour, sizeof(neighbour), "%s/neighbour", test_root());
	snprintf(root, sizeof(root), "%s/", test_root());
	sound_open(&beside, neighbour);
	must_rc(open_in_all_ways(), -EBADMSG);
	must_rc(cop_topic_create(topic, NULL), -EEXIST);
	must_int(cop_topic_list(test_root(), ignore_topic, NULL), >=, 1);
	must_int(cop_gc(root, COP_GC_DRY_RUN, ignore_item, NULL), ==, 0);
	must_int(cop_gc(root, 0, ignore_item, NULL), ==, 0);
	must_int(cop_gc(topic, 0, ignore_item, NULL), <=, 0);
	must_rc(cop_topic_remove(topic, 0), -EBADMSG);
	must_explain(-EBADMSG);
	must_rc(cop_topic_remove(topic, COP_REMOVE_FORCE), -EBADMSG);
	sound_go_on(&beside);
	must_u64(beside.errors, ==, 0);
	sound_close(&beside);
	tree_describe(topic, after, sizeof(after));
	must_str(after, before);
	tree_remove(topic);
}

/* --- not a topic at all --------------------------------------------------------------- */

static void a_regular_file_is_left_alone(void)
{
	name_topic();
	tree_write(topic, "letter to mother", 16, 0644);
	must_be_left_alone();
}

static void a_foreign_directory_is_left_alone(void)
{
	name_topic();
	tree_make_directory(topic, 0755);
	tree_write(in_topic("holiday.jpg"), "picture", 7, 0644);
	must_be_left_alone();

	/* With names that ours have too. */
	tree_make_directory(topic, 0755);
	tree_write(in_topic("bell"), "ding", 4, 0644);
	must_be_left_alone();

	tree_make_directory(topic, 0755);
	tree_write(in_topic("topic"), "what we talked about", 20, 0644);
	tree_write(in_topic("bell"), "ding", 4, 0644);
	tree_make_directory(in_topic("members"), 0755);
	tree_write(in_topic("members/pub.crawl"), "list of pubs", 12, 0644);
	must_be_left_alone();
}

/* Nothing is in it that could be anybody's: it is what a removal leaves, and a topic is made. */
static void an_empty_directory_gives_way(void)
{
	struct sound sound;

	name_topic();
	tree_make_directory(topic, 0755);
	sound_open(&sound, topic);
	sound_go_on(&sound);
	must_u64(sound.errors, ==, 0);
	sound_close(&sound);
	must_int(access(topic, F_OK), ==, -1);
}

static void links_are_not_followed(void)
{
	char target[400];

	name_topic();
	snprintf(target, sizeof(target), "%s/target", test_root());
	put_left(target, true);
	must_int(symlink(target, topic), ==, 0);
	must_be_left_alone();
	must_int(symlink("nowhere", topic), ==, 0);
	must_be_left_alone();
	must_int(symlink("strange", topic), ==, 0);
	must_be_left_alone();
}

static void pipes_and_sockets_are_left_alone(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	name_topic();
	must_int(mkfifo(topic, 0666), ==, 0);
	must_be_left_alone();
	snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", topic);
	must_int(bind(fd, (const struct sockaddr *)&address, sizeof(address)), ==, 0);
	must_be_left_alone();
	close(fd);
}

/* --- damaged settings ----------------------------------------------------------------- */

/* Members run; then the settings become something else. */
static void with_settings(const void *data, size_t size, int want, const char *says)
{
	struct sound sound;
	int rc;

	sound_open(&sound, topic);
	must_int(unlink(in_topic("topic")), ==, 0);
	tree_write(in_topic("topic"), data, size, 0400);
	rc = open_in_all_ways();
	if (want == 0)
		must(rc == 0 || rc == -EBADMSG || rc == -EPROTO);
	else
		must_rc(rc, want);
	if (rc < 0)
		must_has(cop_error_text(), "strange");
	if (says)
		must_has(cop_error_text(), says);
	sound_go_on(&sound);
	must_u64(sound.errors, ==, 0);
	sound_close(&sound);
	if (access(topic, F_OK) == 0)
		tree_remove(topic);
}

static struct cop__topic_header *sound_settings(void)
{
	static unsigned char page[COP__PAGE];
	unsigned char *data;
	struct sound sound;
	size_t size;

	sound_open(&sound, topic);
	data = tree_read(in_topic("topic"), &size);
	must_u64(size, ==, sizeof(page));
	memcpy(page, data, sizeof(page));
	free(data);
	sound_close(&sound);
	return (struct cop__topic_header *)page;
}

static void truncated_settings_are_refused(void)
{
	static const size_t sizes[] = { 0, 1, 7, 8, 55 };
	const struct cop__topic_header *settings;

	name_topic();
	settings = sound_settings();
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		char says[30];

		test_note("%zu bytes", sizes[i]);
		snprintf(says, sizeof(says), "truncated to %zu bytes", sizes[i]);
		with_settings(settings, sizes[i], -EBADMSG, says);
	}
}

static void every_byte_of_the_settings_is_checked(void)
{
	static const unsigned char flips[] = { 0x01, 0x80, 0xff };
	unsigned char page[COP__PAGE];

	name_topic();
	memcpy(page, sound_settings(), sizeof(page));
	for (size_t at = 0; at < sizeof(struct cop__topic_header) + 8; at++) {
		for (size_t i = 0; i < sizeof(flips); i++) {
			test_note("byte %zu is flipped by 0x%02x", at, flips[i]);
			page[at] ^= flips[i];
			with_settings(page, sizeof(page), at < 8 ? -EBADMSG : 0, NULL);
			page[at] ^= flips[i];
		}
	}
}

static void another_version_is_named(void)
{
	struct cop__topic_header *settings;

	name_topic();
	settings = sound_settings();
	settings->version = 77;
	with_settings(settings, COP__PAGE, -EPROTO, "layout version 77");
	with_settings(settings, COP__PAGE, -EPROTO, "speaks 1");
}

/* Members run; then a file of the topic is replaced by what make makes. */
static void with_file(const char *name, void (*make)(const char *path), int want)
{
	struct sound sound;
	int rc;

	sound_open(&sound, topic);
	must_int(unlink(in_topic(name)), ==, 0);
	if (make)
		make(in_topic(name));
	rc = open_in_all_ways();
	must_rc(rc, want);
	sound_go_on(&sound);
	must_u64(sound.errors, ==, 0);
	sound_close(&sound);
	if (access(topic, F_OK) == 0)
		tree_remove(topic);
}

static void make_pipe(const char *path)
{
	must_int(mkfifo(path, 0666), ==, 0);
}

static void make_directory(const char *path)
{
	tree_make_directory(path, 0777);
}

static void make_link(const char *path)
{
	must_int(symlink("/etc/passwd", path), ==, 0);
}

static void make_dangling_link(const char *path)
{
	must_int(symlink("nowhere", path), ==, 0);
}

static void make_sparse_page(const char *path)
{
	tree_write(path, "", 0, 0600);
	must_int(truncate(path, COP__PAGE), ==, 0);
}

static void make_two_pages(const char *path)
{
	static const unsigned char pages[2 * COP__PAGE];

	tree_write(path, pages, sizeof(pages), 0600);
}

static void make_short_page(const char *path)
{
	static const unsigned char page[100];

	tree_write(path, page, sizeof(page), 0600);
}

static void make_garbage(const char *path)
{
	unsigned char page[COP__PAGE];

	for (size_t i = 0; i < sizeof(page); i++)
		page[i] = (unsigned char)test_random();
	tree_write(path, page, sizeof(page), 0600);
}

static void (*const not_a_file[])(const char *path) = {
	NULL, make_pipe, make_directory, make_link, make_dangling_link, make_sparse_page
};

static void settings_that_are_no_file_are_refused(void)
{
	name_topic();
	for (size_t i = 0; i < sizeof(not_a_file) / sizeof(*not_a_file); i++) {
		test_note("number %zu", i);
		with_file("topic", not_a_file[i], -EBADMSG);
	}
}

/* --- a damaged bell ------------------------------------------------------------------- */

static void a_bell_that_is_none_is_refused(void)
{
	name_topic();
	for (size_t i = 0; i < sizeof(not_a_file) / sizeof(*not_a_file); i++) {
		test_note("number %zu", i);
		with_file("bell", not_a_file[i], -EBADMSG);
	}
	test_note("two pages");
	with_file("bell", make_two_pages, -EBADMSG);
	test_note("100 bytes");
	with_file("bell", make_short_page, -EBADMSG);
}

/* It carries hints only: whatever stands in it, messages go through. */
static void garbage_in_the_bell_is_only_noise(void)
{
	name_topic();
	for (unsigned i = 0; i < test_scale(20, 500); i++) {
		unsigned char page[COP__PAGE];
		struct sound sound;

		sound_open(&sound, topic);
		for (size_t n = 0; n < sizeof(page); n++)
			page[n] = (unsigned char)test_random();
		tree_patch(in_topic("bell"), 0, page, sizeof(page));
		must_rc(open_in_all_ways(), 0);
		sound_go_on(&sound);
		must_u64(sound.errors, ==, 0);
		sound_close(&sound);
		must_int(access(topic, F_OK), ==, -1);
		with_file("bell", make_garbage, 0);
	}
}

/* --- a damaged list of members -------------------------------------------------------- */

static void members_that_are_no_directory_are_refused(void)
{
	struct sound sound;
	char aside[500];

	name_topic();
	snprintf(aside, sizeof(aside), "%s/aside", test_root());
	sound_open(&sound, topic);
	must_int(rename(in_topic("members"), aside), ==, 0);
	tree_write(in_topic("members"), "us", 2, 0666);
	must_rc(open_in_all_ways(), -EBADMSG);
	must_has(cop_error_text(), "members");
	must_int(unlink(in_topic("members")), ==, 0);
	must_int(symlink(aside, in_topic("members")), ==, 0);
	must_rc(open_in_all_ways(), -EBADMSG);
	sound_go_on(&sound);
	must_u64(sound.errors, ==, 0);
	sound_close(&sound);
}

static const struct test_case cases[] = {
	TEST(a_regular_file_is_left_alone, .check = TEST_FDS),
	TEST(a_foreign_directory_is_left_alone, .check = TEST_FDS),
	TEST(an_empty_directory_gives_way, .check = TEST_FDS | TEST_EMPTY_ROOT),
	TEST(links_are_not_followed, .check = TEST_FDS),
	TEST(pipes_and_sockets_are_left_alone, .check = TEST_FDS),
	TEST(truncated_settings_are_refused, .check = TEST_FDS | TEST_EMPTY_ROOT),
	TEST(every_byte_of_the_settings_is_checked, .check = TEST_FDS | TEST_EMPTY_ROOT),
	TEST(another_version_is_named, .check = TEST_FDS | TEST_EMPTY_ROOT),
	TEST(settings_that_are_no_file_are_refused, .check = TEST_FDS | TEST_EMPTY_ROOT),
	TEST(a_bell_that_is_none_is_refused, .check = TEST_FDS | TEST_EMPTY_ROOT),
	TEST(garbage_in_the_bell_is_only_noise, .check = TEST_FDS | TEST_EMPTY_ROOT),
	TEST(members_that_are_no_directory_are_refused, .check = TEST_FDS),
	{ 0 },
};
TEST_MAIN("foreign", cases)
