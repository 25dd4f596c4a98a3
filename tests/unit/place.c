/*
 * tests/unit/place.c - names, roots and options: what the caller writes, and what it means
 */
#include "parties.h"

#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "topic/topic.h"

#define FRESH_UID 54321

static int open_and_close(const char *topic)
{
	struct cop_sub *sub = NULL;
	int rc = cop_sub_open(&sub, topic, NULL);

	must((rc == 0) == (sub != NULL));
	cop_sub_close(&sub);
	return rc;
}

/* ---- names ---- */

static void names_have_rules(void)
{
	char name[COP_NAME_MAX + 2];

	memset(name, 'x', sizeof(name));
	name[COP_NAME_MAX + 1] = '\0';
	must_rc(open_and_close(name), -ENAMETOOLONG);
	must_has(cop_error_text(), "129 bytes");
	name[COP_NAME_MAX] = '\0';
	must_rc(open_and_close(name), 0);
	must_rc(open_and_close("AZaz09._-"), 0);
	must_rc(open_and_close("0"), 0);
	must_rc(open_and_close("_"), 0);

	must_rc(open_and_close(""), -EINVAL);
	must_has(cop_error_text(), "empty");
	must_rc(open_and_close("."), -EINVAL);
	must_rc(open_and_close(".."), -EINVAL);
	must_rc(open_and_close(".x"), -EINVAL);
	must_has(cop_error_text(), "begins with '.'");
	must_rc(open_and_close("-x"), -EINVAL);
	must_rc(open_and_close("\xc3\xa4"), -EINVAL);
	must_has(cop_error_text(), "0xc3");
}

static void no_other_byte_is_in_a_name(void)
{
	static const char *allowed =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	struct cop_pub *pub;

	for (int c = 1; c < 256; c++) {
		char name[] = { 'a', (char)c, 'b', '\0' };

		must_rc(cop__check_name("thing", name), strchr(allowed, c) ? 0 : -EINVAL);
		if (strchr(allowed, c))
			continue;
		/* Members have the rules of topics; for them a slash is no path. */
		must_rc(cop_pub_open(&pub, "t", PUB_OPTS(.name = name)), -EINVAL);
	}
	must_rc(cop_pub_open(&pub, "t", PUB_OPTS(.name = "")), -EINVAL);
	must_rc(cop_pub_open(&pub, "t", PUB_OPTS(.name = "../../x")), -EINVAL);
}

/* ---- roots ---- */

static void a_slash_names_the_root(void)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/sub", test_root());
	must_int(mkdir(path, 0700), ==, 0);
	setenv("COPAGE_ROOT", "/no/such/root", 1);
	must_rc(open_and_close("t"), -ENOENT);
	must_has(cop_error_text(), "/no/such/root");
	snprintf(path, sizeof(path), "%s/sub/t", test_root());
	must_rc(open_and_close(path), 0);
	snprintf(path, sizeof(path), "%s//sub//t", test_root());
	must_rc(open_and_close(path), 0);
	snprintf(path, sizeof(path), "%s/sub/", test_root());
	must_rc(open_and_close(path), -EINVAL); /* no name */
	snprintf(path, sizeof(path), "%s/nowhere/t", test_root());
	must_rc(open_and_close(path), -ENOENT);
	must_has(cop_error_text(), "nowhere");
	must_int(chdir(test_root()), ==, 0);
	must_rc(open_and_close("sub/t"), 0);
	must_rc(open_and_close("./t"), 0);
	snprintf(path, sizeof(path), "%s/sub", test_root());
	rmdir(path);
}

static void the_environment_names_the_root(void)
{
	char path[COP__PATH_MAX], with_slashes[300];

	must_rc(cop_root(path, sizeof(path)), 0);
	must_str(path, test_root());
	must_rc(cop_root(path, strlen(test_root())), -ENAMETOOLONG);
	must_rc(cop_root(path, strlen(test_root()) + 1), 0);
	snprintf(with_slashes, sizeof(with_slashes), "%s//", test_root());
	setenv("COPAGE_ROOT", with_slashes, 1);
	must_rc(cop_root(path, sizeof(path)), 0);
	must_str(path, test_root());
	setenv("COPAGE_ROOT", "", 1);
	must_rc(cop_root(path, sizeof(path)), 0);
	must(strncmp(path, "/dev/shm/copage", 15) == 0);
}

static void a_path_may_be_too_long(void)
{
	static char path[2 * COP__PATH_MAX];

	memset(path, '/', sizeof(path) - 1);
	memset(path + 1, 'a', COP__PATH_MAX + 10);
	path[sizeof(path) - 2] = 't';
	must_rc(open_and_close(path), -ENAMETOOLONG);
	path[COP__PATH_MAX + 10] = '\0';
	setenv("COPAGE_ROOT", path, 1);
	must_rc(open_and_close("t"), -ENAMETOOLONG);
}

/* An empty /dev/shm of this case's own. */
static void own_dev_shm(void)
{
	unsetenv("COPAGE_ROOT");
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("test", "/dev/shm", "tmpfs", 0, "size=64m,mode=1777") < 0)
		SKIP("cannot have a /dev/shm of its own: %s", strerror(errno));
}

static void the_private_root_comes_and_goes(void)
{
	struct cop_sub *sub;
	struct stat st;
	char path[100];

	own_dev_shm();
	must_int(seteuid(FRESH_UID), ==, 0);
	must_rc(cop_root(path, sizeof(path)), 0);
	must_str(path, "/dev/shm/copage-54321");
	must_rc(cop_topic_list(NULL, NULL, NULL), 0);
	must_rc(cop_gc(NULL, 0, NULL, NULL), 0);
	must_rc(cop_topic_stat("t", &(struct cop_topic_stat *){ NULL }), -ENOENT);
	must_int(lstat(path, &st), ==, -1); /* who only looks does not make it */
	sub = sub_open("t", NULL);
	must_int(lstat(path, &st), ==, 0);
	must_int(st.st_mode & 07777, ==, 0700);
	must_int(st.st_uid, ==, FRESH_UID);
	cop_sub_close(&sub);
	must_int(lstat(path, &st), ==, -1);
	must_int(seteuid(0), ==, 0); /* LeakSanitizer needs it at the end */
}

static void a_private_root_of_another_is_refused(void)
{
	static const char path[] = "/dev/shm/copage-54321";

	own_dev_shm();
	/* Somebody else was first. */
	must_int(mkdir(path, 0777), ==, 0);
	must_int(chmod(path, 0777), ==, 0);
	must_int(seteuid(FRESH_UID), ==, 0);
	must_rc(open_and_close("t"), -EACCES);
	must_has(cop_error_text(), "user 0");
	must_rc(cop_topic_create("t", NULL), -EACCES);
	/* One's own, but open to others. */
	must_int(seteuid(0), ==, 0);
	must_int(chown(path, FRESH_UID, FRESH_UID), ==, 0);
	must_int(seteuid(FRESH_UID), ==, 0);
	must_rc(open_and_close("t"), -EACCES);
	must_int(chmod(path, 0700), ==, 0);
	must_rc(open_and_close("t"), 0);
	/* A link to elsewhere. */
	must_int(symlink("/tmp", path), ==, 0);
	must(open_and_close("t") < 0);
	must_int(unlink(path), ==, 0);
	must_int(seteuid(0), ==, 0);
}

static void the_shared_root_must_be_roots_and_sticky(void)
{
	char path[100];

	own_dev_shm();
	must_int(mkdir("/dev/shm/copage", 0700), ==, 0);
	must_int(chmod("/dev/shm/copage", 01777), ==, 0);
	must_rc(cop_root(path, sizeof(path)), 0);
	must_str(path, "/dev/shm/copage");
	must_int(seteuid(FRESH_UID), ==, 0);
	must_rc(open_and_close("t"), 0);
	must_int(access("/dev/shm/copage", F_OK), ==, 0); /* it stays */
	must_int(seteuid(0), ==, 0);
	must_int(chmod("/dev/shm/copage", 0777), ==, 0);
	must_rc(cop_root(path, sizeof(path)), 0);
	must_str(path, "/dev/shm/copage-0");
	must_int(chmod("/dev/shm/copage", 01777), ==, 0);
	must_int(chown("/dev/shm/copage", FRESH_UID, 0), ==, 0);
	must_rc(cop_root(path, sizeof(path)), 0);
	must_str(path, "/dev/shm/copage-0");
}

/* ---- options ---- */

/* The options of a later version of the library, and of an earlier one. */
static void options_of_other_versions_are_understood(void)
{
	struct {
		struct cop_sub_opts opts;
		uint64_t later;
	} sub = { .opts.size = sizeof(sub) };
	struct {
		struct cop_pub_opts opts;
		uint8_t later[3];
	} pub = { .opts.size = sizeof(pub) };
	struct {
		struct cop_topic_opts opts;
		uint64_t later;
	} topic = { .opts.size = sizeof(topic) };
	struct cop_sub *s = NULL;
	struct cop_pub *p = NULL;

	must_rc(cop_sub_open(&s, "t", &sub.opts), 0);
	cop_sub_close(&s);
	sub.later = 1;
	must_rc(cop_sub_open(&s, "t", &sub.opts), -E2BIG);
	must_rc(cop_pub_open(&p, "t", &pub.opts), 0);
	cop_pub_close(&p);
	pub.later[2] = 1;
	must_rc(cop_pub_open(&p, "t", &pub.opts), -E2BIG);
	must_rc(cop_topic_create("t", &topic.opts), 0);
	topic.later = 1ull << 63;
	must_rc(cop_topic_create("t", &topic.opts), -E2BIG);
	must(!s && !p);
	must_rc(cop_topic_remove("t", 0), 0);

	/* Earlier: what it did not have is the default. */
	sub.opts = (struct cop_sub_opts){ .size = offsetof(struct cop_sub_opts, flags),
					  .flags = 0xffffffff };
	must_rc(cop_sub_open(&s, "t", &sub.opts), 0);
	cop_sub_close(&s);
	for (size_t size = 0; size < sizeof(size_t); size++) {
		sub.opts.size = size; /* an initialiser was forgotten */
		must_rc(cop_sub_open(&s, "t", &sub.opts), -EINVAL);
		must_has(cop_error_text(), "initialiser");
	}
}

static void wrong_options_are_refused(void)
{
	static const struct cop_sub_opts subs[] = {
		{ .size = sizeof(*subs), .flags = 1u << 1 },
		{ .size = sizeof(*subs), .flags = 1u << 31 },
		{ .size = sizeof(*subs), .kind = 3 },
		{ .size = sizeof(*subs), .from = 3 },
	};
	static const struct cop_pub_opts pubs[] = {
		{ .size = sizeof(*pubs), .when_full = 3 },
		{ .size = sizeof(*pubs), .segments = 1 },
		{ .size = sizeof(*pubs), .segments = COP_SEGMENTS_MAX + 1 },
		{ .size = sizeof(*pubs), .message_max_bytes = COP_MESSAGE_MAX + 1ull },
		{ .size = sizeof(*pubs), .message_max_bytes = UINT64_MAX },
	};
	struct cop_sub *sub = NULL;
	struct cop_pub *pub = NULL;

	for (size_t i = 0; i < sizeof(subs) / sizeof(*subs); i++)
		must_rc(cop_sub_open(&sub, "t", &subs[i]), -EINVAL);
	for (size_t i = 0; i < sizeof(pubs) / sizeof(*pubs); i++)
		must_rc(cop_pub_open(&pub, "t", &pubs[i]), -EINVAL);
	must(!sub && !pub);
}

#define CLEAN .check = TEST_FDS | TEST_EMPTY_ROOT
static const struct test_case cases[] = {
	TEST(names_have_rules, CLEAN),
	TEST(no_other_byte_is_in_a_name, CLEAN),
	TEST(a_slash_names_the_root, CLEAN),
	TEST(the_environment_names_the_root, CLEAN),
	TEST(a_path_may_be_too_long, CLEAN),
	TEST(the_private_root_comes_and_goes, .needs = TEST_ROOT),
	TEST(a_private_root_of_another_is_refused, .needs = TEST_ROOT),
	TEST(the_shared_root_must_be_roots_and_sticky, .needs = TEST_ROOT),
	TEST(options_of_other_versions_are_understood, CLEAN),
	TEST(wrong_options_are_refused, CLEAN),
	{ 0 },
};
TEST_MAIN("place", cases)
