/*
 * tests/unit/topic.c - topics as a whole: create, look into, list, remove, clean up
 */
#include "parties.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *in_root(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", test_root(), name);
	return path;
}

static bool is_there(const char *name)
{
	return access(in_root(name), F_OK) == 0;
}

static unsigned mode_of(const char *name)
{
	struct stat st;

	must_int(lstat(in_root(name), &st), ==, 0);
	return st.st_mode & 07777;
}

static void make_file(const char *name, const char *text)
{
	int fd = open(in_root(name), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);

	must_int(fd, >=, 0);
	must_int(write(fd, text, strlen(text)), ==, strlen(text));
	close(fd);
}

static struct cop_topic_stat *stat_of(const char *topic)
{
	struct cop_topic_stat *stat = NULL;

	must_rc(cop_topic_stat(topic, &stat), 0);
	return stat;
}

/* ---- life ---- */

static void a_topic_goes_with_its_last_member(void)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL));
	struct cop_sub *sub;

	must(is_there("t"));
	cop_pub_close(&pub);
	must(!is_there("t"));
	sub = sub_open("t", NULL);
	must(is_there("t"));
	cop_sub_close(&sub);
	must(!is_there("t"));
}

static void a_topic_that_was_created_stays(void)
{
	struct cop_pub *pub;
	struct cop_topic_stat *stat;

	must_rc(cop_topic_create("t", NULL), 0);
	must_rc(cop_topic_create("t", NULL), -EEXIST);
	must_has(cop_error_text(), "t");
	pub = pub_open("t", PUB_OPTS(SMALL));
	must_rc(cop_topic_create("t", NULL), -EEXIST);
	cop_pub_close(&pub);
	stat = stat_of("t");
	must(stat->kept);
	cop_topic_stat_free(stat);
	must_rc(cop_topic_remove("t", 0), 0);
	must(!is_there("t"));
	must_rc(cop_topic_remove("t", 0), -ENOENT);
}

static void modes_are_exact_in_spite_of_umask(void)
{
	static const unsigned modes[][6] = {
		/* topic  directory settings bell  members  a member */
		{ 0600, 0700, 0400, 0600, 01700, 0600 },
		{ 0660, 0750, 0440, 0660, 01770, 0640 },
		{ 0666, 0755, 0444, 0666, 01777, 0644 },
	};

	for (int i = 0; i < 6; i++) {
		const unsigned *want = modes[i / 2];
		struct cop_topic_opts opts = COP_TOPIC_OPTS_INIT;
		struct cop_pub *pub;
		struct cop_sub *sub;

		umask(i % 2 ? 0777 : 0);
		opts.mode = want[0];
		must_rc(cop_topic_create("t", &opts), 0);
		must_int(mode_of("t"), ==, want[1]);
		must_int(mode_of("t/topic"), ==, want[2]);
		must_int(mode_of("t/bell"), ==, want[3]);
		must_int(mode_of("t/members"), ==, want[4]);
		pub = pub_open("t", PUB_OPTS(SMALL, .name = "p"));
		sub = sub_open("t", SUB_OPTS(.name = "s"));
		must_int(mode_of("t/members/pub.p"), ==, want[5]);
		must_int(mode_of("t/members/sub.s"), ==, want[5]);
		cop_sub_close(&sub);
		cop_pub_close(&pub);
		must_rc(cop_topic_remove("t", 0), 0);
	}
}

static void settings_are_the_defaults_of_its_lanes(void)
{
	struct cop_topic_opts opts = COP_TOPIC_OPTS_INIT;
	struct cop_topic_stat *stat;
	struct cop_pub *pub;

	opts.message_max_bytes = 200000;
	opts.segments = 5;
	must_rc(cop_topic_create("t", &opts), 0);
	pub = pub_open("t", NULL);
	stat = stat_of("t");
	must_u64(stat->message_max_bytes, ==, 200000);
	must_u64(stat->segments, ==, 5);
	must_u64(stat->pubs[0].message_max_bytes, ==, 200000);
	must_u64(stat->pubs[0].segments, ==, 5);
	must_u64(stat->pubs[0].segment_bytes, >=, 200000);
	must_u64(stat->pubs[0].memory_bytes, >=, 5 * stat->pubs[0].segment_bytes);
	cop_topic_stat_free(stat);
	cop_pub_close(&pub);
	must_rc(cop_topic_remove("t", 0), 0);
}

static void wrong_settings_are_refused(void)
{
	static const struct cop_topic_opts wrong[] = {
		{ .size = sizeof(*wrong), .flags = 1u << 1 },
		{ .size = sizeof(*wrong), .flags = 1u << 31 },
		{ .size = sizeof(*wrong), .mode = 0644 },
		{ .size = sizeof(*wrong), .mode = 0777 },
		{ .size = sizeof(*wrong), .message_max_bytes = COP_MESSAGE_MAX + 1ull },
		{ .size = sizeof(*wrong), .segments = 1 },
		{ .size = sizeof(*wrong), .segments = COP_SEGMENTS_MAX + 1 },
		{ .size = sizeof(*wrong), .group = -1 },
		{ .size = sizeof(*wrong), .group = 1ll << 40 },
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		test_note("options %d", (int)i);
		must_rc(cop_topic_create("t", &wrong[i]), -EINVAL);
	}
}

/* ---- remove ---- */

static void live_members_are_not_removed(void)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL, .name = "p"));
	struct cop_sub *sub = sub_open("t", NULL);

	cop_sub_close(&sub);
	must_rc(cop_topic_remove("t", 0), -EBUSY);
	must_has(cop_error_text(), "pub.p");
	must_rc(send_bytes(pub, 8), 0);
	sub = sub_open("t", NULL);
	take(sub, 1, 8);
	cop_pub_close(&pub);
	must_rc(cop_topic_remove("t", 0), -EBUSY);
	must_has(cop_error_text(), "sub.");
	cop_sub_close(&sub);
}

static void force_leaves_members_in_memory_without_a_name(void)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL)), *other;
	struct cop_sub *sub = sub_open("t", NULL);

	must_rc(cop_topic_remove("t", COP_REMOVE_FORCE), 0);
	must(!is_there("t"));
	must_rc(send_bytes(pub, 8), 0);
	take(sub, 1, 8);
	other = pub_open("t", PUB_OPTS(SMALL)); /* a new topic, and nobody of the old in it */
	must_rc(cop_pub_wait(other, 1, 0), -EAGAIN);
	cop_sub_close(&sub);
	cop_pub_close(&pub);
	must(is_there("t"));
	cop_pub_close(&other);
}

static void what_waits_for_the_away_goes_with_the_topic(void)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL));
	struct cop_sub *sub = sub_open("t", SUB_OPTS(.name = "s"));

	must_rc(send_bytes(pub, 8), 0);
	cop_sub_close(&sub);
	cop_pub_close(&pub);
	must(is_there("t"));
	must_rc(cop_topic_remove("t", 0), 0);
}

static void what_is_not_copages_is_left_alone(void)
{
	must_rc(cop_topic_create("t", NULL), 0);
	make_file("t/members/letter", "dear");
	must_rc(cop_topic_remove("t", 0), -EBADMSG);
	must_has(cop_error_text(), "letter");
	must_rc(cop_topic_remove("t", COP_REMOVE_FORCE), -EBADMSG);
	must(is_there("t/members/letter") && is_there("t/topic"));
	must_int(unlink(in_root("t/members/letter")), ==, 0);
	must_rc(cop_topic_remove("t", 1u << 5), -EINVAL);
	must_rc(cop_topic_remove("t", 0), 0);
	/* Neither a file nor somebody's directory is a topic. */
	make_file("file", "x");
	must_int(mkdir(in_root("dir"), 0700), ==, 0);
	make_file("dir/work", "x");
	must_rc(cop_topic_remove("file", COP_REMOVE_FORCE), -EBADMSG);
	must(cop_topic_remove("dir", COP_REMOVE_FORCE) < 0);
	must_rc(cop_topic_remove(".hidden", 0), -EINVAL);
	must(is_there("file") && is_there("dir/work"));
	unlink(in_root("file"));
	unlink(in_root("dir/work"));
	rmdir(in_root("dir"));
}

/* ---- stat ---- */

static void stat_tells_of_publishers(void)
{
	struct cop_pub *b = pub_open("t", PUB_OPTS(SMALL, .name = "b"));
	struct cop_pub *a = pub_open("t", PUB_OPTS(SMALL, .name = "a", .first_sequence = 50));
	struct cop_topic_stat *stat;
	const struct cop_pub_stat *pub;
	struct cop_sub *sub;

	send_big(b, 5);
	stat = stat_of("t");
	must_str(stat->name, "t");
	must_str(stat->path, in_root("t"));
	must_u64(stat->uid, ==, getuid());
	must_u64(stat->mode, ==, 0600);
	must(!stat->kept);
	must_u64(stat->layout_version, >=, 1);
	must_int(stat->created_ns, >, 1600000000000000000);
	must_u64(stat->pub_count, ==, 2);
	must_u64(stat->sub_count, ==, 0);
	must_str(stat->pubs[0].name, "a"); /* by name */
	must_u64(stat->pubs[0].messages, ==, 49);
	must_u64(stat->pubs[0].oldest, ==, 50);
	must_u64(stat->pubs[0].kept_bytes, ==, 0);
	pub = &stat->pubs[1];
	must_str(pub->name, "b");
	must_int(pub->state, ==, COP_MEMBER_LIVE);
	must_int(pub->pid, ==, getpid());
	must_u64(pub->uid, ==, getuid());
	must_u64(pub->mode, ==, 0600);
	must_u64(pub->messages, ==, 5);
	must_u64(pub->oldest, ==, 4);
	must_u64(pub->position, >, 4 * pub->segment_bytes);
	must_u64(pub->kept_bytes, >, 2ull * BIG);
	must_u64(pub->kept_bytes, <=, 2 * pub->segment_bytes);
	must_u64(pub->message_max_bytes, ==, MESSAGE_MAX);
	must_u64(pub->segments, ==, 2);
	must_u64(pub->memory_bytes, ==, 2 * pub->segment_bytes + 8192);
	must_int(pub->opened_ns, >=, stat->created_ns);
	must_u64(stat->memory_bytes, ==, 8192 + pub->memory_bytes + stat->pubs[0].memory_bytes);
	cop_topic_stat_free(stat);

	sub = sub_open("t", NULL);
	cop_pub_close(&b);
	stat = stat_of("t");
	must_int(stat->pubs[1].state, ==, COP_MEMBER_CLOSED);
	cop_topic_stat_free(stat);
	cop_sub_close(&sub);
	cop_pub_close(&a);
}

static void stat_tells_of_subscribers(void)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL, .name = "p"));
	struct cop_sub *away = sub_open("t", SUB_OPTS(.name = "away"));
	struct cop_sub *lossy = sub_open("t", SUB_OPTS(.kind = COP_SUB_LOSSY, .name = "lossy"));
	struct cop_topic_stat *stat;
	const struct cop_sub_stat *sub;

	for (int i = 0; i < 10; i++)
		must_rc(send_bytes(pub, 8), 0);
	for (uint64_t i = 1; i <= 3; i++)
		take(away, i, 8);
	cop_sub_close(&away);
	take(lossy, 1, 8);
	stat = stat_of("t");
	must_u64(stat->sub_count, ==, 2);
	sub = &stat->subs[0];
	must_str(sub->name, "away");
	must_int(sub->state, ==, COP_MEMBER_AWAY);
	must(sub->named && sub->lossless);
	must_u64(sub->lag_messages, ==, 7);
	must_u64(sub->lag_bytes, ==, 7ull * 16);
	must_u64(sub->cursor_count, ==, 1);
	must_str(sub->cursors[0].publisher, "p");
	must_u64(sub->cursors[0].sequence, ==, 4);
	must_u64(sub->cursors[0].lag_messages, ==, 7);
	must_u64(sub->cursors[0].position + 7ull * 16, ==, stat->pubs[0].position);
	sub = &stat->subs[1];
	must_str(sub->name, "lossy");
	must_int(sub->state, ==, COP_MEMBER_LIVE);
	must(sub->named && !sub->lossless);
	must_int(sub->pid, ==, getpid());
	must_u64(sub->lag_messages, ==, 10); /* the one in hand is not read yet */
	must_u64(sub->memory_bytes, ==, 8192);
	cop_topic_stat_free(stat);
	cop_sub_close(&lossy);
	must_rc(cop_topic_forget("t", "away"), 0);
	must_rc(cop_topic_forget("t", "lossy"), 0);
	cop_pub_close(&pub);
}

static void stat_changes_nothing(void)
{
	struct cop_topic_stat *stat = (void *)&stat, *same = stat;

	must_rc(cop_topic_stat("t", &stat), -ENOENT);
	must(stat == same);
	must_rc(cop_topic_stat("a b", &stat), -EINVAL);
	cop_topic_stat_free(NULL);
	must_rc(cop_topic_create("t", NULL), 0);
	make_file("t/members/pub.bad", "not a lane");
	make_file("t/members/sub.bad", "not a subscriber");
	cop_topic_stat_free(stat_of("t"));
	stat = stat_of("t");
	must_u64(stat->pub_count, ==, 1);
	must_int(stat->pubs[0].state, ==, COP_MEMBER_CORRUPT);
	must_u64(stat->sub_count, ==, 1);
	must_int(stat->subs[0].state, ==, COP_MEMBER_CORRUPT);
	cop_topic_stat_free(stat);
	must_rc(cop_topic_remove("t", 0), 0);
}

/* ---- list ---- */

struct seen {
	char text[200];
	int stop_after;
};

static int note(void *arg, const char *name, int error)
{
	struct seen *seen = arg;
	size_t len = strlen(seen->text);

	snprintf(seen->text + len, sizeof(seen->text) - len, "%s:%d ", name, error);
	return --seen->stop_after == 0 ? 77 : 0;
}

static void list_is_in_order_and_tells_what_is_wrong(void)
{
	char want[100];
	struct seen seen = { "", 0 };

	must_rc(cop_topic_list(NULL, note, &seen), 0);
	must_rc(cop_topic_create("b", NULL), 0);
	must_rc(cop_topic_create("a", NULL), 0);
	make_file("c", "a file");
	make_file(".hidden", "");
	must_rc(cop_topic_list(NULL, note, &seen), 3);
	snprintf(want, sizeof(want), "a:0 b:0 c:%d ", -EBADMSG);
	must_str(seen.text, want);
	seen = (struct seen){ "", 2 };
	must_rc(cop_topic_list(test_root(), note, &seen), 77); /* the visitor ends it */
	must_str(seen.text, "a:0 b:0 ");
	must_rc(cop_topic_list("/no/such/root", note, &seen), -ENOENT);
	must_rc(cop_topic_remove("a", 0), 0);
	must_rc(cop_topic_remove("b", 0), 0);
	unlink(in_root("c"));
	unlink(in_root(".hidden"));
}

/* ---- gc ---- */

struct garbage {
	int count;
	char path[300], reason[200];
	uint64_t bytes;
};

static void collect(void *arg, const struct cop_gc_item *item)
{
	struct garbage *garbage = arg;

	must_int(item->error, ==, 0);
	must(item->reason && *item->reason);
	if (garbage->count++ == 0) {
		snprintf(garbage->path, sizeof(garbage->path), "%s", item->path);
		snprintf(garbage->reason, sizeof(garbage->reason), "%s", item->reason);
		garbage->bytes = item->bytes;
	}
}

static void die_as_both(int line, void *arg)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL, .name = "dead"));
	struct cop_sub *sub = sub_open("t", NULL);

	(void)arg;
	must_rc(send_bytes(pub, 8), 0);
	must(sub);
	test_tell(line, "%s", cop_sub_name(sub));
	(void)test_hear(line);
}

static void gc_removes_what_the_dead_left(void)
{
	struct test_child child = test_fork(die_as_both, NULL);
	struct garbage dry = { 0 }, real = { 0 };
	char sub[200];

	snprintf(sub, sizeof(sub), "t/members/sub.%s", test_hear(child.line));
	test_kill(&child, SIGKILL);
	must_rc(cop_gc("t", COP_GC_DRY_RUN, collect, &dry), 3);
	must(is_there(sub) && is_there("t/members/pub.dead"));
	must_rc(cop_gc(NULL, COP_GC_DRY_RUN, NULL, NULL), 3);
	must_rc(cop_gc(NULL, 0, collect, &real), 3); /* both, and the topic */
	must(!is_there("t"));
	must_int(dry.count, ==, 3);
	must_int(real.count, ==, 3);
	must_str(dry.path, real.path);
	must_str(real.path, in_root(sub));
	must_str(dry.reason, real.reason);
	must_has(real.reason, "died");
	must_u64(real.bytes, ==, 8192);
	must_u64(dry.bytes, ==, 8192);
	must_rc(cop_gc(NULL, 0, collect, &real), 0);
}

static void gc_leaves_what_is_needed(void)
{
	struct cop_pub *pub = pub_open("t", PUB_OPTS(SMALL, .name = "live"));
	struct cop_sub *sub = sub_open("t", SUB_OPTS(.name = "away"));
	struct cop_pub *closed = pub_open("t", PUB_OPTS(SMALL, .name = "closed"));

	must_rc(send_bytes(closed, 8), 0);
	cop_sub_close(&sub);
	cop_pub_close(&closed);
	must_rc(cop_topic_create("kept", NULL), 0);
	make_file("foreign", "x");
	must_int(mkdir(in_root("directory"), 0700), ==, 0);
	make_file("directory/x", "x");
	must_rc(cop_gc(NULL, 0, NULL, NULL), 0);
	must_rc(cop_gc("t", 0, NULL, NULL), 0);
	must_rc(cop_gc("kept", 0, NULL, NULL), 0);
	must(is_there("kept") && is_there("foreign") && is_there("directory/x"));
	must(is_there("t/members/pub.live") && is_there("t/members/sub.away"));
	must(is_there("t/members/pub.closed")); /* "away" has it to read */
	must_rc(cop_gc("t", 2, NULL, NULL), -EINVAL);
	must_rc(cop_gc("none", 0, NULL, NULL), -ENOENT);
	must_rc(cop_gc("/no/such/root/", 0, NULL, NULL), -ENOENT);
	cop_pub_close(&pub);
	must_rc(cop_topic_remove("t", 0), 0);
	must_rc(cop_topic_remove("kept", 0), 0);
	unlink(in_root("foreign"));
	unlink(in_root("directory/x"));
	rmdir(in_root("directory"));
}

static void gc_finishes_what_others_began(void)
{
	char root[300];

	/* Half made, by one who died; and half removed. */
	must_int(mkdir(in_root(".new.0123456789abcdef"), 0700), ==, 0);
	must_rc(cop_topic_create("t", NULL), 0);
	must_int(rmdir(in_root("t/members")), ==, 0);
	snprintf(root, sizeof(root), "%s/", test_root());
	must_rc(cop_gc(root, COP_GC_DRY_RUN, NULL, NULL), 2);
	must(is_there("t") && is_there(".new.0123456789abcdef"));
	must_rc(cop_gc(root, 0, NULL, NULL), 2);
}

static void a_half_removed_topic_is_made_anew(void)
{
	struct cop_pub *pub;

	must_rc(cop_topic_create("t", NULL), 0);
	must_int(rmdir(in_root("t/members")), ==, 0);
	pub = pub_open("t", PUB_OPTS(SMALL));
	cop_pub_close(&pub);
	must_rc(cop_topic_create("t", NULL), 0);
	must_int(rmdir(in_root("t/members")), ==, 0);
	must_int(unlink(in_root("t/bell")), ==, 0);
	must_int(unlink(in_root("t/topic")), ==, 0);
	pub = pub_open("t", PUB_OPTS(SMALL));
	cop_pub_close(&pub);
}

static void there_may_be_many_topics(void)
{
	enum { TOPICS = 100 };
	struct cop_pub *pubs[TOPICS];
	struct cop_sub *subs[TOPICS];
	struct seen seen = { "", 1000 };
	char name[20];

	for (int i = 0; i < TOPICS; i++) {
		snprintf(name, sizeof(name), "topic-%d", i);
		pubs[i] = pub_open(name, PUB_OPTS(SMALL));
		subs[i] = sub_open(name, NULL);
		must_rc(send_bytes(pubs[i], (size_t)i), 0);
	}
	must_rc(cop_topic_list(NULL, note, &seen), TOPICS);
	for (int i = 0; i < TOPICS; i++) {
		take(subs[i], 1, (size_t)i);
		cop_pub_close(&pubs[i]);
		must_tell(subs[i], -EPIPE);
		cop_sub_close(&subs[i]);
	}
}

#define CLEAN .check = TEST_FDS | TEST_EMPTY_ROOT
static const struct test_case cases[] = {
	TEST(a_topic_goes_with_its_last_member, CLEAN),
	TEST(a_topic_that_was_created_stays, CLEAN),
	TEST(modes_are_exact_in_spite_of_umask, CLEAN),
	TEST(settings_are_the_defaults_of_its_lanes, CLEAN),
	TEST(wrong_settings_are_refused, CLEAN),
	TEST(live_members_are_not_removed, CLEAN),
	TEST(force_leaves_members_in_memory_without_a_name, CLEAN),
	TEST(what_waits_for_the_away_goes_with_the_topic, CLEAN),
	TEST(what_is_not_copages_is_left_alone, CLEAN),
	TEST(stat_tells_of_publishers, CLEAN),
	TEST(stat_tells_of_subscribers, CLEAN),
	TEST(stat_changes_nothing, CLEAN),
	TEST(list_is_in_order_and_tells_what_is_wrong, CLEAN),
	TEST(gc_removes_what_the_dead_left, CLEAN),
	TEST(gc_leaves_what_is_needed, CLEAN),
	TEST(gc_finishes_what_others_began, CLEAN),
	TEST(a_half_removed_topic_is_made_anew, CLEAN),
	TEST(there_may_be_many_topics, CLEAN),
	{ 0 },
};
TEST_MAIN("topic", cases)
