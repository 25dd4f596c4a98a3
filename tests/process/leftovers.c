/*
 * tests/process/leftovers.c - those who close leave nothing; what the dead left can be removed,
 * exactly that
 */
#include "process/stream.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX = 1000, PATHS = 64 };

/* --- what is there --------------------------------------------------------------------------- */

struct paths {
	char path[PATHS][200];
	size_t count;
};

static struct paths *walked;

static void add_path(struct paths *paths, const char *path)
{
	must_u64(paths->count, <, PATHS);
	must_int(snprintf(paths->path[paths->count++], 200, "%s", path), <, 200);
}

static bool has_path(const struct paths *paths, const char *path)
{
	for (size_t i = 0; i < paths->count; i++)
		if (strcmp(paths->path[i], path) == 0)
			return true;
	return false;
}

static int walk_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	if (ftw->level > 0)
		add_path(walked, path);
	return 0;
}

static void list_root(struct paths *paths)
{
	paths->count = 0;
	walked = paths;
	must_int(nftw(test_root(), walk_one, 16, FTW_PHYS), ==, 0);
}

static const char *path_of(const char *rest)
{
	static char path[300];

	snprintf(path, sizeof(path), "%s/%s", test_root(), rest);
	return path;
}

static bool there(const char *rest)
{
	return access(path_of(rest), F_OK) == 0;
}

/* --- members --------------------------------------------------------------------------------- */

static struct cop_pub *open_pub(const char *topic, const char *name)
{
	struct cop_pub_opts opts = COP_PUB_OPTS_INIT;
	struct cop_pub *pub;

	opts.name = name;
	opts.message_max_bytes = MAX;
	must_rc(cop_pub_open(&pub, topic, &opts), 0);
	return pub;
}

static struct cop_sub *open_sub(const char *topic, const char *name, uint32_t kind)
{
	struct cop_sub_opts opts = COP_SUB_OPTS_INIT;
	struct cop_sub *sub;

	opts.name = name;
	opts.kind = kind;
	must_rc(cop_sub_open(&sub, topic, &opts), 0);
	return sub;
}

static void read_all(struct cop_sub *sub)
{
	struct cop_msg msg;
	int rc;

	while ((rc = cop_sub_next(sub, &msg, 0)) != -EAGAIN)
		must(rc == 1 || rc == -EPIPE);
}

static void nothing_is_left_by_those_who_close(void)
{
	for (int order = 0; order < 8; order++) {
		struct cop_sub *subs[4] = { NULL };
		struct cop_pub *pubs[2] = { NULL };

		if (order & 1)
			pubs[0] = open_pub("t", "early");
		for (uint32_t i = 0; i < 3; i++)
			subs[i] = open_sub("t", NULL, i);
		pubs[1] = open_pub("t", NULL);
		must_rc(stream_send(pubs[1], MAX), 0);
		if (order & 2)
			read_all(subs[0]);
		subs[3] = open_sub("t", NULL, COP_SUB_LOSSLESS);
		must_int(cop_sub_fd(subs[3]), >=, 0);
		/* Who is the last one is different each time. */
		if (order & 4)
			for (int i = 0; i < 4; i++)
				cop_sub_close(&subs[i]);
		for (int i = 0; i < 2; i++)
			cop_pub_close(&pubs[i]);
		for (int i = 0; i < 4; i++)
			cop_sub_close(&subs[i]);
		must(!there("t"));
	}
}

static void what_is_sent_stays_for_those_who_are_there(void)
{
	struct cop_sub *sub = open_sub("t", NULL, COP_SUB_LOSSLESS);
	struct cop_pub *pub = open_pub("t", "gone");
	struct cop_msg msg;

	must_rc(stream_send(pub, MAX), 0);
	cop_pub_close(&pub);
	must_rc(cop_gc(NULL, 0, NULL, NULL), 0);
	must(there("t/members/pub.gone"));
	must_rc(cop_sub_next(sub, &msg, 0), 1);
	must_rc(cop_sub_next(sub, &msg, 0), -EPIPE);
	must(!there("t/members/pub.gone"));
	cop_sub_close(&sub);
}

/* --- those who are away ---------------------------------------------------------------------- */

static void who_is_away_is_kept_until_forgotten(void)
{
	struct cop_sub *sub = open_sub("t", "away", COP_SUB_LOSSLESS);
	struct cop_pub *pub = open_pub("t", "p");
	struct cop_msg msg;

	must_rc(cop_topic_forget("t", "away"), -EBUSY);
	must_rc(stream_send(pub, MAX), 0);
	must_rc(cop_sub_next(sub, &msg, 0), 1);
	cop_sub_close(&sub);
	must_rc(stream_send(pub, MAX), 0);
	cop_pub_close(&pub);
	must_rc(cop_gc(NULL, 0, NULL, NULL), 0);
	must(there("t/members/sub.away"));
	must(there("t/members/pub.p"));
	/* It comes back, and goes on where it was. */
	sub = open_sub("t", "away", COP_SUB_LOSSLESS);
	must_rc(cop_sub_next(sub, &msg, 0), 1);
	must_u64(msg.sequence, ==, 2);
	must_rc(cop_sub_next(sub, &msg, 0), -EPIPE);
	must(!there("t/members/pub.p"));
	cop_sub_close(&sub);
	must(there("t/members/sub.away"));
	must_rc(cop_topic_forget("t", "nobody"), -ENOENT);
	must_rc(cop_topic_forget("t", "away"), 0);
	must_int(cop_gc(NULL, 0, NULL, NULL), >=, 0);
}

/* --- the dead -------------------------------------------------------------------------------- */

enum death { DIES_AS_PUB, DIES_AS_SUB };

struct end {
	enum death as;
	const char *topic, *name;
};

static void dies(int line, void *arg)
{
	const struct end *end = arg;

	if (end->as == DIES_AS_SUB)
		(void)open_sub(end->topic, end->name, COP_SUB_LOSSLESS);
	else
		must_rc(stream_send(open_pub(end->topic, end->name), MAX), 0);
	test_tell(line, "open");
	for (;;)
		pause();
}

static struct test_child start_dying(enum death as, const char *topic, const char *name)
{
	struct end end = { .as = as, .topic = topic, .name = name };
	struct test_child child = test_fork(dies, &end);

	must_str(test_hear(child.line), "open");
	return child;
}

static void dead_lanes_are_kept_until_they_are_read(void)
{
	struct cop_sub *sub = open_sub("t", NULL, COP_SUB_LOSSLESS);
	struct test_child named = start_dying(DIES_AS_PUB, "t", "named");
	struct test_child unnamed = start_dying(DIES_AS_PUB, "t", NULL);
	int rc, messages = 0, deaths = 0;
	struct cop_pub *pub;
	struct cop_msg msg;

	test_kill(&named, SIGKILL);
	test_kill(&unnamed, SIGKILL);
	must_rc(cop_gc(NULL, 0, NULL, NULL), 0);
	while (deaths < 2) {
		rc = cop_sub_next(sub, &msg, -1);
		messages += rc == 1;
		deaths += rc == -EOWNERDEAD;
		must(rc == 1 || rc == -EOWNERDEAD);
	}
	must_int(messages, ==, 2);
	/* The name may be opened again, so its lane stays until somebody cleans up. */
	must(there("t/members/pub.named"));
	pub = open_pub("t", "named");
	must_u64(cop_pub_sequence(pub), ==, 1);
	must_rc(cop_gc(NULL, 0, NULL, NULL), 0);
	must_rc(stream_send(pub, MAX), 0);
	must_rc(cop_sub_next(sub, &msg, -1), 1);
	must_u64(msg.sequence, ==, 2);
	cop_pub_close(&pub);
	must_rc(cop_sub_next(sub, &msg, -1), -EPIPE);
	named = start_dying(DIES_AS_PUB, "t", "named");
	must_rc(cop_sub_next(sub, &msg, -1), 1);
	test_kill(&named, SIGKILL);
	must_rc(cop_sub_next(sub, &msg, -1), -EOWNERDEAD);
	must_rc(cop_gc(NULL, 0, NULL, NULL), 1);
	must(!there("t/members/pub.named"));
	cop_sub_close(&sub);
}

/* --- exactly that ---------------------------------------------------------------------------- */

static void keep_path(void *arg, const struct cop_gc_item *item)
{
	must_rc(item->error, 0);
	must(item->reason[0]);
	add_path(arg, item->path);
}

static void make_file(const char *rest)
{
	int fd = open(path_of(rest), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);

	must_int(fd, >=, 0);
	close(fd);
}

/* What a maker and a remover leave who die half way, and what is nobody's business. */
static void make_odds_and_ends(void)
{
	must_int(mkdir(path_of(".new.0123456789abcdef"), 0700), ==, 0);
	must_int(mkdir(path_of("half"), 0700), ==, 0);
	must_int(mkdir(path_of("stranger"), 0700), ==, 0);
	make_file("stranger/diary");
	make_file("letter");
}

static void gone_by_gc_must_be(const struct paths *before, const struct paths *after,
			       const struct paths *told)
{
	for (size_t i = 0; i < before->count; i++) {
		const char *path = before->path[i];
		bool inside = false;

		/* A topic goes as a whole: its own files are not told one by one. */
		for (size_t n = 0; n < told->count; n++)
			inside |= strncmp(path, told->path[n], strlen(told->path[n])) == 0;
		if (has_path(after, path) == inside)
			test_fail(__FILE__, __LINE__, "%s: %s, %s", path,
				  inside ? "gc told to remove it" : "gc did not name it",
				  inside ? "and it is there" : "and it is gone");
	}
	must_u64(after->count, <, before->count);
}

static void gc_removes_exactly_what_the_dead_left(void)
{
	static struct paths before, after, would, did;
	struct cop_sub *reader = open_sub("mixed", NULL, COP_SUB_LOSSLESS), *sub;
	struct cop_pub *pub = open_pub("mixed", "alive"), *other;
	struct test_child dying[6];

	must_rc(cop_topic_create("kept", NULL), 0);
	sub = open_sub("mixed", "away", COP_SUB_LOSSLESS);
	cop_sub_close(&sub);
	other = open_pub("mixed", "unread");
	must_rc(stream_send(other, MAX), 0);
	cop_pub_close(&other);
	must_rc(stream_send(pub, MAX), 0);
	dying[0] = start_dying(DIES_AS_SUB, "mixed", NULL);
	dying[1] = start_dying(DIES_AS_SUB, "mixed", "asleep");
	dying[2] = start_dying(DIES_AS_PUB, "mixed", "late");
	dying[3] = start_dying(DIES_AS_SUB, "dead", NULL);
	dying[4] = start_dying(DIES_AS_PUB, "dead", "named");
	dying[5] = start_dying(DIES_AS_PUB, "kept", NULL);
	for (int i = 0; i < 6; i++)
		test_kill(&dying[i], SIGKILL);
	make_odds_and_ends();
	list_root(&before);
	must_rc(cop_gc(NULL, COP_GC_DRY_RUN, keep_path, &would), (int)would.count);
	list_root(&after);
	must_u64(after.count, ==, before.count);
	must_rc(cop_gc(NULL, 0, keep_path, &did), (int)did.count);
	must_u64(did.count, ==, would.count);
	for (size_t i = 0; i < did.count; i++)
		must(has_path(&would, did.path[i]));
	list_root(&after);
	gone_by_gc_must_be(&before, &after, &did);
	must(there("mixed/members/pub.alive") && there("mixed/members/sub.away"));
	must(there("mixed/members/pub.unread") && there("mixed/members/pub.late"));
	must(there("mixed/members/sub.asleep") && there("kept/topic"));
	must(there("stranger/diary") && there("letter"));
	must(!there("dead") && !there("half") && !there(".new.0123456789abcdef"));
	must_rc(cop_gc(NULL, 0, NULL, NULL), 0);
	cop_sub_close(&reader);
	cop_pub_close(&pub);
}

static const struct test_case cases[] = {
	TEST(nothing_is_left_by_those_who_close, .check = TEST_FDS | TEST_EMPTY_ROOT),
	TEST(what_is_sent_stays_for_those_who_are_there, .check = TEST_FDS | TEST_EMPTY_ROOT),
	TEST(who_is_away_is_kept_until_forgotten, .check = TEST_FDS | TEST_EMPTY_ROOT),
	TEST(dead_lanes_are_kept_until_they_are_read, .check = TEST_FDS | TEST_EMPTY_ROOT),
	TEST(gc_removes_exactly_what_the_dead_left, .check = TEST_FDS),
	{ 0 },
};
TEST_MAIN("leftovers", cases)
