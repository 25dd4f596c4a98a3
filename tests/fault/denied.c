/*
 * tests/fault/denied.c - what may not be read, as somebody who is not root
 *
 * Each denial is -EACCES, and a sentence with what it is about, whose it is and who asks.
 */
#include "fault/left.h"
#include "fault/sound.h"
#include "fault/tree.h"

#include <sys/prctl.h>

enum { SOMEBODY = 65534 };

static char topic[400];

static const char *in_topic(const char *name)
{
	static char path[800];

	snprintf(path, sizeof(path), "%s%s%s", topic, name[0] ? "/" : "", name);
	return path;
}

/* From here on this process is nobody special. The case ends with it. */
static void be_somebody(void)
{
	must_int(setresgid(SOMEBODY, SOMEBODY, SOMEBODY), ==, 0);
	must_int(setresuid(SOMEBODY, SOMEBODY, SOMEBODY), ==, 0);
	prctl(PR_SET_DUMPABLE, 1); /* LeakSanitizer looks at its own process */
}

static void must_be_denied(int line, void *arg)
{
	struct cop_pub_opts pub_opts = small_pub(NULL);
	struct cop_sub_opts sub_opts = quick_sub(NULL);
	struct cop_topic_stat *stat;
	struct cop_pub *pub = NULL;
	struct cop_sub *sub = NULL;

	(void)line;
	be_somebody();
	must_rc(cop_pub_open(&pub, topic, &pub_opts), -EACCES);
	must_explain(-EACCES);
	must_has(cop_error_text(), arg);
	must_has(cop_error_text(), "65534");
	must_rc(cop_sub_open(&sub, topic, &sub_opts), -EACCES);
	must_explain(-EACCES);
	must(!pub && !sub);
	if (strcmp(arg, "bell") != 0) { /* which looking does not need */
		must_rc(cop_topic_stat(topic, &stat), -EACCES);
		must_explain(-EACCES);
		must_rc(cop_topic_remove(topic, 0), -EACCES);
		must_explain(-EACCES);
		must_rc(cop_topic_remove(topic, COP_REMOVE_FORCE), -EACCES);
		must_explain(-EACCES);
	}
	must_int(cop_gc(NULL, 0, NULL, NULL), ==, 0);
}

/* A topic for all, of which this one thing may not be read. */
static void without(const char *name, mode_t mode, const char *says)
{
	struct cop_topic_opts opts = COP_TOPIC_OPTS_INIT;
	struct test_child child;
	struct sound sound;

	snprintf(topic, sizeof(topic), "%s/t", test_root());
	must_int(chmod(test_root(), 01777), ==, 0);
	opts.mode = 0666;
	must_rc(cop_topic_create(topic, &opts), 0);
	sound_open(&sound, topic);
	must_int(chmod(in_topic(name), mode), ==, 0);
	child = test_fork(must_be_denied, (void *)(uintptr_t)says);
	test_end(&child);
	sound_go_on(&sound);
	must_u64(sound.errors, ==, 0);
	sound_close(&sound);
	must_rc(cop_topic_remove(topic, 0), 0);
}

static void unreadable_settings_are_explained(void)
{
	without("topic", 0, "t");
}

static void an_unreadable_directory_is_explained(void)
{
	without("", 0, "t");
	without("", 0700, "t");
}

static void unreadable_members_are_explained(void)
{
	without("members", 0, "t");
	without("members", 0700, "t");
}

static void an_unreadable_bell_is_explained(void)
{
	without("bell", 0, "bell");
	without("bell", 0444, "bell");
}

static void create_must_be_denied(int line, void *arg)
{
	struct cop_pub_opts pub_opts = small_pub(NULL);
	struct cop_pub *pub;

	(void)line;
	(void)arg;
	be_somebody();
	must_rc(cop_topic_create(topic, NULL), -EACCES);
	must_explain(-EACCES);
	must_has(cop_error_text(), test_root());
	must_rc(cop_pub_open(&pub, topic, &pub_opts), -EACCES);
	must_explain(-EACCES);
	must_has(cop_error_text(), test_root());
}

static void a_root_that_may_not_be_written_is_explained(void)
{
	struct test_child child;

	snprintf(topic, sizeof(topic), "%s/t", test_root());
	must_int(chmod(test_root(), 0755), ==, 0);
	child = test_fork(create_must_be_denied, NULL);
	test_end(&child);
	must_int(chmod(test_root(), 0700), ==, 0);
	child = test_fork(create_must_be_denied, NULL);
	test_end(&child);
}

/* --- one lane of several may not be read ---------------------------------------------- */

static void read_all_but_one(int line, void *arg)
{
	struct cop_sub_opts opts = quick_sub(NULL);
	struct cop_topic_stat *stat;
	struct sound sound = { 0 };
	struct cop_msg msg;
	unsigned denied = 0;
	int rc;

	(void)arg;
	be_somebody();
	must_rc(cop_sub_open(&sound.sub, topic, &opts), 0);
	while ((rc = cop_sub_next(sound.sub, &msg, 0)) != -EAGAIN) {
		if (rc == 1)
			stream_must_be(&msg, ++sound.got);
		else
			sound_hear(&sound, rc);
	}
	must_u64(sound.got, ==, 10);
	must_u64(sound.errors, ==, 1);
	must_rc(sound.last_error, -EACCES);
	must_str(sound.last_publisher, "secret");
	must_has(sound.last_text, "0600");
	must_rc(cop_topic_stat(topic, &stat), 0);
	for (size_t i = 0; i < stat->pub_count; i++)
		denied += stat->pubs[i].state == COP_MEMBER_DENIED;
	must_u64(denied, ==, 1);
	cop_topic_stat_free(stat);
	must_int(cop_gc(NULL, 0, NULL, NULL), ==, 0);
	cop_sub_close(&sound.sub);
	test_tell(line, "read");
}

static void a_lane_that_may_not_be_read_is_told_once(void)
{
	struct cop_topic_opts opts = COP_TOPIC_OPTS_INIT;
	struct cop_pub_opts pub_opts = small_pub("secret");
	struct test_child child;
	struct cop_pub *secret;
	struct sound sound;

	snprintf(topic, sizeof(topic), "%s/t", test_root());
	must_int(chmod(test_root(), 01777), ==, 0);
	opts.mode = 0666;
	must_rc(cop_topic_create(topic, &opts), 0);
	sound_open(&sound, topic);
	stream_send_many(sound.pub, 10);
	sound_receive(&sound);
	must_rc(cop_pub_open(&secret, topic, &pub_opts), 0);
	must_int(chmod(in_topic("members/pub.secret"), 0600), ==, 0);
	child = test_fork(read_all_but_one, NULL);
	must_str(test_hear(child.line), "read");
	test_end(&child);
	cop_pub_close(&secret);
	sound_go_on(&sound);
	sound_close(&sound);
	must_rc(cop_topic_remove(topic, 0), 0);
}

#define CASE(function) TEST(function, .check = TEST_FDS | TEST_EMPTY_ROOT, .needs = TEST_ROOT)

static const struct test_case cases[] = {
	CASE(unreadable_settings_are_explained),
	CASE(an_unreadable_directory_is_explained),
	CASE(unreadable_members_are_explained),
	CASE(an_unreadable_bell_is_explained),
	CASE(a_root_that_may_not_be_written_is_explained),
	CASE(a_lane_that_may_not_be_read_is_told_once),
	{ 0 },
};
TEST_MAIN("denied", cases)
