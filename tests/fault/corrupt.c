/*
 * tests/fault/corrupt.c - among sound members stands a file that is none, or is damaged
 *
 * Whoever reads the topic is told of it once, is told nothing wrong about those who are sound, and
 * gets all their messages; stat shows it; gc leaves it alone; nobody waits for it.
 */
#include "fault/left.h"
#include "fault/sound.h"
#include "fault/tree.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "topic/topic_layout.h"

static char topic[400];
static unsigned char *lane, *cursors; /* the files of sound ones */
static size_t lane_size, cursors_size;

static const char *member(const char *name)
{
	static char path[800];

	snprintf(path, sizeof(path), "%s/members/%s", topic, name);
	return path;
}

static void begin(void)
{
	snprintf(topic, sizeof(topic), "%s/t", test_root());
	put_left(topic, true);
	lane = tree_read(member("pub.p"), &lane_size);
	cursors = tree_read(member("sub.s"), &cursors_size);
	tree_remove(topic);
}

static void end(void)
{
	free(lane);
	free(cursors);
	if (access(topic, F_OK) == 0)
		tree_remove(topic);
}

static enum cop_member_state state_of(const char *file)
{
	enum cop_member_state state = 0;
	struct cop_topic_stat *stat;

	must_rc(cop_topic_stat(topic, &stat), 0);
	for (size_t i = 0; i < stat->pub_count; i++) {
		if (strncmp(file, "pub.", 4) == 0 && strcmp(stat->pubs[i].name, file + 4) == 0)
			state = stat->pubs[i].state;
		if (strcmp(stat->pubs[i].name, "sound") == 0)
			must_int(stat->pubs[i].state, ==, COP_MEMBER_LIVE);
	}
	for (size_t i = 0; i < stat->sub_count; i++)
		if (strncmp(file, "sub.", 4) == 0 && strcmp(stat->subs[i].name, file + 4) == 0)
			state = stat->subs[i].state;
	cop_topic_stat_free(stat);
	return state;
}

static void must_be_as_before(const char *file)
{
	static char before[2000], after[2000];
	char gc[310];

	before[0] = after[0] = '\0';
	tree_describe(member(file), before, sizeof(before));
	snprintf(gc, sizeof(gc), "%s/", test_root());
	must_int(cop_gc(topic, COP_GC_DRY_RUN, NULL, NULL), ==, 0);
	must_int(cop_gc(topic, 0, NULL, NULL), ==, 0);
	must_int(cop_gc(gc, 0, NULL, NULL), ==, 0);
	tree_describe(member(file), after, sizeof(after));
	must_str(after, before);
}

/* The strange file is in place; sound members are there, and others come. */
static void others_go_on(struct sound *old, const char *file, int want)
{
	bool is_lane = strncmp(file, "pub.", 4) == 0;
	struct sound young = { 0 };
	struct cop_sub_opts opts = quick_sub(NULL);

	must_rc(cop_sub_open(&young.sub, topic, &opts), 0);
	young.pub = old->pub;
	young.got = cop_pub_sequence(old->pub);
	/* What is kept comes first. */
	while (young.got > 0) {
		struct cop_msg msg;
		int rc = cop_sub_next(young.sub, &msg, 0);

		if (rc == 1) {
			stream_must_be(&msg, msg.sequence);
			young.got = msg.sequence;
			break;
		}
		sound_hear(&young, rc);
	}
	for (int i = 0; i < 10; i++) {
		stream_send_many(old->pub, 15);
		sound_receive(old);
		sound_receive(&young);
	}
	must_int(old->errors, ==, is_lane ? 1 : 0);
	must_int(young.errors, ==, is_lane ? 1 : 0);
	if (is_lane) {
		must_rc(old->last_error, want);
		must_rc(young.last_error, want);
		must_str(old->last_publisher, file + 4);
		must_str(young.last_publisher, file + 4);
		must_has(young.last_text, file);
	}
	must_int(state_of(file), ==, COP_MEMBER_CORRUPT);
	must_be_as_before(file);
	cop_sub_close(&young.sub);
}

/* To take the topic away is possible, or it is explained why not. */
static void remove_all(const char *file)
{
	int rc = cop_topic_remove(topic, 0);

	if (rc < 0) {
		must_explain(rc);
		must_has(cop_error_text(), file);
		must_has(cop_error_text(), "t");
		must_int(remove(member(file)), ==, 0);
		must_rc(cop_topic_remove(topic, 0), 0);
	}
	must_int(access(topic, F_OK), ==, -1);
}

static void with_file(const char *file, void (*make)(const char *path), int want)
{
	struct sound sound;

	sound_open(&sound, topic);
	sound_go_on(&sound);
	make(member(file));
	others_go_on(&sound, file, want);
	sound_close(&sound);
	remove_all(file);
}

static void with_bytes(const char *file, const void *data, size_t size, int want)
{
	struct sound sound;

	sound_open(&sound, topic);
	sound_go_on(&sound);
	tree_write(member(file), data, size, 0600);
	others_go_on(&sound, file, want);
	sound_close(&sound);
	remove_all(file);
}

/* --- no file -------------------------------------------------------------------------- */

static void make_link(const char *path)
{
	char target[400];

	snprintf(target, sizeof(target), "%s/elsewhere", test_root());
	if (access(target, F_OK) < 0)
		tree_write(target, lane, lane_size, 0600);
	must_int(symlink(target, path), ==, 0);
}

static void make_hard_link(const char *path)
{
	char target[400];

	snprintf(target, sizeof(target), "%s/elsewhere", test_root());
	if (access(target, F_OK) < 0)
		tree_write(target, lane, lane_size, 0600);
	must_int(link(target, path), ==, 0);
}

static void make_dangling_link(const char *path)
{
	must_int(symlink("nowhere", path), ==, 0);
}

static void make_pipe(const char *path)
{
	must_int(mkfifo(path, 0666), ==, 0);
}

static void make_directory(const char *path)
{
	tree_make_directory(path, 0777);
}

static void make_socket(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	must_int(strlen(path), <, sizeof(address.sun_path));
	strcpy(address.sun_path, path);
	must_int(bind(fd, (const struct sockaddr *)&address, sizeof(address)), ==, 0);
	close(fd);
}

static void what_is_no_file_is_refused(void)
{
	static void (*const makers[])(const char *path) = { make_link,          make_hard_link,
							    make_dangling_link, make_pipe,
							    make_directory,     make_socket };

	begin();
	for (size_t i = 0; i < sizeof(makers) / sizeof(*makers); i++) {
		test_note("pub.x by maker %zu", i);
		with_file("pub.x", makers[i], -EBADMSG);
		test_note("sub.x by maker %zu", i);
		with_file("sub.x", makers[i], -EBADMSG);
	}
	end();
}

/* --- wrong sizes ---------------------------------------------------------------------- */

static void truncated_lanes_are_refused(void)
{
	const size_t sizes[] = { 0,
				 1,
				 71,
				 4095,
				 4096,
				 COP__LANE_SEGMENTS_OFFSET - 1,
				 COP__LANE_SEGMENTS_OFFSET,
				 COP__LANE_SEGMENTS_OFFSET + 1,
				 0 };

	begin();
	for (size_t i = 0; i + 1 < sizeof(sizes) / sizeof(*sizes); i++) {
		test_note("%zu bytes", sizes[i]);
		with_bytes("pub.x", lane, sizes[i], -EBADMSG);
	}
	with_bytes("pub.x", lane, lane_size - 1, -EBADMSG);
	with_bytes("pub.x", lane, lane_size - 4096, -EBADMSG);
	end();
}

static void lanes_that_are_too_long_are_refused(void)
{
	unsigned char *longer;

	begin();
	longer = calloc(1, lane_size + 4096);
	must(longer);
	memcpy(longer, lane, lane_size);
	with_bytes("pub.x", longer, lane_size + 1, -EBADMSG);
	with_bytes("pub.x", longer, lane_size + 4096, -EBADMSG);
	free(longer);
	end();
}

static void truncated_cursors_are_refused(void)
{
	const size_t sizes[] = { 0, 1, 47, 4095, 4096, 4097, 8191 };

	begin();
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		test_note("%zu bytes", sizes[i]);
		with_bytes("sub.x", cursors, sizes[i], -EBADMSG);
	}
	end();
}

static void make_sparse_lane(const char *path)
{
	tree_write(path, lane, COP__PAGE, 0600);
	must_int(truncate(path, (off_t)lane_size), ==, 0);
}

static void make_sparse_cursors(const char *path)
{
	tree_write(path, cursors, COP__PAGE, 0600);
	must_int(truncate(path, (off_t)cursors_size), ==, 0);
}

/* Its pages were never reserved: to touch them may be SIGBUS when there is no space. */
static void files_with_holes_are_refused(void)
{
	begin();
	with_file("pub.x", make_sparse_lane, -EBADMSG);
	with_file("sub.x", make_sparse_cursors, -EBADMSG);
	end();
}

/* --- wrong bytes ---------------------------------------------------------------------- */

static void garbage_is_refused(void)
{
	unsigned char *garbage;

	begin();
	garbage = malloc(lane_size);
	must(garbage);
	for (size_t i = 0; i < lane_size; i++)
		garbage[i] = (unsigned char)test_random();
	with_bytes("pub.x", garbage, lane_size, -EBADMSG);
	with_bytes("sub.x", garbage, cursors_size, -EBADMSG);
	memset(garbage, 0, lane_size);
	with_bytes("pub.x", garbage, lane_size, -EBADMSG);
	with_bytes("sub.x", garbage, cursors_size, -EBADMSG);
	memset(garbage, 0xff, lane_size);
	with_bytes("pub.x", garbage, lane_size, -EBADMSG);
	with_bytes("sub.x", garbage, cursors_size, -EBADMSG);
	free(garbage);
	end();
}

static void other_versions_are_refused(void)
{
	struct cop__lane_header *header;
	struct cop__sub_header *sub;

	begin();
	header = (struct cop__lane_header *)lane;
	header->version = 77;
	with_bytes("pub.x", lane, lane_size, -EPROTO);
	sub = (struct cop__sub_header *)cursors;
	sub->version = 77;
	with_bytes("sub.x", cursors, cursors_size, -EPROTO);
	end();
}

static void absurd_geometry_is_refused(void)
{
	struct cop__lane_header *header, good;

	begin();
	header = (struct cop__lane_header *)lane;
	good = *header;
#define ABSURD(field, value) \
	do { \
		test_note(#field " is " #value); \
		header->field = value; \
		with_bytes("pub.x", lane, lane_size, -EBADMSG); \
		*header = good; \
	} while (0)
	ABSURD(segment_bytes, 0);
	ABSURD(segment_bytes, 1);
	ABSURD(segment_bytes, 4096);
	ABSURD(segment_bytes, UINT64_MAX);
	ABSURD(segment_bytes, (uint64_t)1 << 63);
	ABSURD(segment_bytes, good.segment_bytes * 2);
	ABSURD(segments, 0);
	ABSURD(segments, 1);
	ABSURD(segments, 3);
	ABSURD(segments, UINT32_MAX);
	ABSURD(segments, (uint32_t)1 << 31);
	ABSURD(message_max, 0);
	ABSURD(message_max, UINT64_MAX);
	ABSURD(message_max, good.segment_bytes);
	ABSURD(flags, UINT32_MAX);
	ABSURD(byte_order, 0x0807060504030201);
	/* 2^48 segments of 2^16 bytes would be 2^64 bytes, and the rest of it fits. */
	header->segment_bytes = (uint64_t)1 << 33;
	header->segments = (uint32_t)1 << 31;
	with_bytes("pub.x", lane, lane_size, -EBADMSG);
	end();
}

static void absurd_capacity_is_refused(void)
{
	static const uint32_t capacities[] = { 0,         1, 63, 65, 128, 1u << 20, (1u << 20) + 1,
					       UINT32_MAX };
	struct cop__sub_header *sub;

	begin();
	sub = (struct cop__sub_header *)cursors;
	for (size_t i = 0; i < sizeof(capacities) / sizeof(*capacities); i++) {
		test_note("%u cursors", capacities[i]);
		sub->capacity = capacities[i];
		with_bytes("sub.x", cursors, cursors_size, -EBADMSG);
	}
	end();
}

/* --- strange names -------------------------------------------------------------------- */

/* They are nobody's members; with them in it the topic is not removed, and it is said why. */
static void strange_names_are_passed_over(void)
{
	static const char *const names[] = { "README",   "pub",     "sub",    "PUB.x",
					     "pub-x",    ".hidden", "core",   "a\nb",
					     "\xff\xfe", "subs.x",  "pub .x", "publish.x" };
	char long_name[256] = "";

	begin();
	memset(long_name, 'n', 255);
	for (size_t i = 0; i <= sizeof(names) / sizeof(*names); i++) {
		const char *name = i < sizeof(names) / sizeof(*names) ? names[i] : long_name;
		struct sound sound;
		int rc;

		test_note("%s", name);
		sound_open(&sound, topic);
		tree_write(member(name), lane, lane_size, 0600);
		sound_go_on(&sound);
		must_u64(sound.errors, ==, 0);
		must_be_as_before(name);
		sound_close(&sound);
		rc = cop_topic_remove(topic, 0);
		must_rc(rc, -EBADMSG);
		must_explain(rc);
		must_int(unlink(member(name)), ==, 0);
		must_rc(cop_topic_remove(topic, 0), 0);
	}
	end();
}

/* Names of members that no member can have: no crash, and no one is disturbed. */
static void impossible_member_names_do_no_harm(void)
{
	static const char *const names[] = {
		"pub.", "sub.", "pub..", "sub.-", "pub.a b", "pub.\n"
	};
	char long_name[256] = "pub.";

	begin();
	memset(long_name + 4, 'n', 251);
	for (size_t i = 0; i <= sizeof(names) / sizeof(*names); i++) {
		const char *name = i < sizeof(names) / sizeof(*names) ? names[i] : long_name;
		struct sound sound;
		struct cop_topic_stat *stat;
		bool is_lane = strncmp(name, "pub.", 4) == 0;

		test_note("%s", name);
		sound_open(&sound, topic);
		tree_write(member(name), is_lane ? lane : cursors,
			   is_lane ? lane_size : cursors_size, 0600);
		sound_go_on(&sound);
		must_rc(cop_topic_stat(topic, &stat), 0);
		cop_topic_stat_free(stat);
		must_int(cop_gc(topic, 0, NULL, NULL), >=, 0);
		sound_go_on(&sound);
		sound_close(&sound);
		if (access(topic, F_OK) == 0)
			tree_remove(topic);
	}
	end();
}

/* --- a second name for a sound file --------------------------------------------------- */

/* A copy by hard links, say for a backup, must not make one who lives look dead or damaged. */
static void a_live_publisher_with_two_names_is_not_removed(void)
{
	struct cop_pub_opts opts = small_pub("p");
	struct cop_pub *pub;
	char copy[400];

	begin();
	snprintf(copy, sizeof(copy), "%s/copy", test_root());
	must_rc(cop_pub_open(&pub, topic, &opts), 0);
	must_int(link(member("pub.p"), copy), ==, 0);
	must_int(cop_gc(topic, 0, NULL, NULL), ==, 0);
	must_rc(cop_topic_remove(topic, 0), -EBUSY);
	must_int(access(member("pub.p"), F_OK), ==, 0);
	must_rc(stream_send(pub), 0);
	cop_pub_close(&pub);
	end();
}

static void a_live_subscriber_with_two_names_is_not_removed(void)
{
	struct cop_sub_opts opts = quick_sub("s");
	struct cop_sub *sub;
	char copy[400];

	begin();
	snprintf(copy, sizeof(copy), "%s/copy", test_root());
	must_rc(cop_sub_open(&sub, topic, &opts), 0);
	must_int(link(member("sub.s"), copy), ==, 0);
	must_int(cop_gc(topic, 0, NULL, NULL), ==, 0);
	must_rc(cop_topic_remove(topic, 0), -EBUSY);
	must_int(access(member("sub.s"), F_OK), ==, 0);
	cop_sub_close(&sub);
	end();
}

#define CASE(function) TEST(function, .check = TEST_FDS)

static const struct test_case cases[] = {
	CASE(what_is_no_file_is_refused),
	CASE(truncated_lanes_are_refused),
	CASE(lanes_that_are_too_long_are_refused),
	CASE(truncated_cursors_are_refused),
	CASE(files_with_holes_are_refused),
	CASE(garbage_is_refused),
	CASE(other_versions_are_refused),
	CASE(absurd_geometry_is_refused),
	CASE(absurd_capacity_is_refused),
	CASE(strange_names_are_passed_over),
	CASE(impossible_member_names_do_no_harm),
	CASE(a_live_publisher_with_two_names_is_not_removed),
	CASE(a_live_subscriber_with_two_names_is_not_removed),
	{ 0 },
};
TEST_MAIN("corrupt", cases)
