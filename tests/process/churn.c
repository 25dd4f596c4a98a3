/*
 * tests/process/churn.c - topics and roots that come and go, under many who come and go
 */
#include "process/stream.h"

#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

#define TOPIC "churn"

enum { CROWD = 16, MAX = 5000, PATIENCE_NS = 2000000000 };

struct common {
	_Atomic bool stop;
	_Atomic uint64_t rounds, met, looks;
};

static struct common *common;

/* --- members --------------------------------------------------------------------------------- */

static struct cop_pub *open_pub(const char *name)
{
	struct cop_pub_opts opts = COP_PUB_OPTS_INIT;
	struct cop_pub *pub;

	opts.name = name;
	opts.message_max_bytes = MAX;
	opts.segments = 2;
	must_rc(cop_pub_open(&pub, TOPIC, &opts), 0);
	return pub;
}

static struct cop_sub *open_sub(bool spin)
{
	struct cop_sub_opts opts = COP_SUB_OPTS_INIT;
	struct cop_sub *sub;

	opts.spin_ns = spin ? 0 : -1;
	must_rc(cop_sub_open(&sub, TOPIC, &opts), 0);
	return sub;
}

/* Both sides are open: what is sent now arrives, whatever happens around. */
static void send_and_get(struct cop_pub *pub, struct cop_sub *sub)
{
	struct cop_msg msg;
	int rc;

	for (int i = 0; i < 3; i++)
		must_rc(stream_send(pub, MAX), 0);
	do {
		rc = cop_sub_next(sub, &msg, PATIENCE_NS);
		if (rc == 1)
			stream_must_be_whole(&msg, MAX);
		else if (rc != -EOWNERDEAD) /* one of the crowd, as is its right */
			must_rc(rc, 1);
	} while (rc != 1 || strcmp(msg.publisher, cop_pub_name(pub)) != 0 ||
		 msg.sequence < cop_pub_sequence(pub));
	common->met++;
}

/* In any order, with a name or without. */
static void come_and_go(const char *own, uint64_t random)
{
	struct cop_pub *pub = NULL;
	struct cop_sub *sub = NULL;

	if (random & 2)
		sub = open_sub(random & 1);
	if (random & 12)
		pub = open_pub(random & 16 ? own : NULL);
	if (!sub && random & 32)
		sub = open_sub(random & 1);
	if (pub && sub)
		send_and_get(pub, sub);
	if (random & 64)
		cop_pub_close(&pub);
	cop_sub_close(&sub);
	cop_pub_close(&pub);
	common->rounds++;
}

static void one_of_the_crowd(int line, void *arg)
{
	uint64_t random = *(uint64_t *)arg;
	char own[16];

	(void)line;
	snprintf(own, sizeof(own), "p%u", (unsigned)(random % CROWD));
	while (!common->stop) {
		random = stream_mix(random + 0x9e3779b97f4a7c15u);
		come_and_go(own, random);
	}
}

/* --- operators ------------------------------------------------------------------------------- */

static int must_be_sound(void *arg, const char *name, int error)
{
	(void)arg;
	must_str(name, TOPIC);
	must_rc(error, 0);
	return 0;
}

static void must_be_removable(void *arg, const struct cop_gc_item *item)
{
	(void)arg;
	must_rc(item->error, 0);
}

static void operator(int line, void *arg)
{
	struct cop_topic_stat *stat;
	int rc;

	(void)line;
	(void)arg;
	while (!common->stop) {
		must_int(cop_topic_list(NULL, must_be_sound, NULL), <=, 1);
		must_int(cop_gc(NULL, common->looks % 2 ? COP_GC_DRY_RUN : 0, must_be_removable,
				NULL),
			 >=, 0);
		rc = cop_topic_stat(TOPIC, &stat);
		if (rc == 0)
			cop_topic_stat_free(stat);
		else
			must_rc(rc, -ENOENT);
		common->looks++;
	}
}

/* --- the crowd ------------------------------------------------------------------------------- */

static void come_and_go_in_a_crowd(void)
{
	uint64_t wanted = test_scale(700, 6000), random, kills = 0;
	struct test_child crowd[CROWD], looks;

	common = stream_shared(sizeof(*common));
	for (unsigned i = 0; i < CROWD; i++) {
		random = test_random() / CROWD * CROWD + i;
		crowd[i] = test_fork(one_of_the_crowd, &random);
	}
	looks = test_fork(operator, NULL);
	while (common->rounds < wanted) {
		unsigned i = (unsigned)(test_random() % CROWD);

		test_sleep_ns((int64_t)(test_random() % 4000000));
		test_kill(&crowd[i], SIGKILL);
		random = test_random() / CROWD * CROWD + i;
		crowd[i] = test_fork(one_of_the_crowd, &random);
		kills++;
	}
	common->stop = true;
	for (unsigned i = 0; i < CROWD; i++)
		test_end(&crowd[i]);
	test_end(&looks);
	printf("     %llu rounds, %llu kills, %llu met, %llu looks\n",
	       (unsigned long long)common->rounds, (unsigned long long)kills,
	       (unsigned long long)common->met, (unsigned long long)common->looks);
	must_int(cop_gc(NULL, 0, must_be_removable, NULL), >=, 0);
	must_rc(cop_gc(NULL, COP_GC_DRY_RUN, NULL, NULL), 0);
}

static void a_crowd_comes_and_goes(void)
{
	come_and_go_in_a_crowd();
}

/* --- a name among sweepers ------------------------------------------------------------------- */

static void sweeps(int line, void *arg)
{
	(void)line;
	(void)arg;
	while (!common->stop)
		must_int(cop_gc(TOPIC, 0, must_be_removable, NULL), >=, 0);
}

/*
 * A lane that is closed and read goes at once, by one of many who look; its name is opened again
 * at that very moment. Nobody takes the new lane for the old one.
 */
static void a_name_is_opened_again_among_sweepers(void)
{
	struct test_child sweepers[3];
	struct cop_sub *sub;
	struct cop_msg msg;
	char lane[300];

	common = stream_shared(sizeof(*common));
	snprintf(lane, sizeof(lane), "%s/%s/members/pub.again", test_root(), TOPIC);
	must_rc(cop_topic_create(TOPIC, NULL), 0);
	sub = open_sub(false);
	for (int i = 0; i < 3; i++)
		sweepers[i] = test_fork(sweeps, NULL);
	for (unsigned i = 0; i < test_scale(1000, 15000); i++) {
		struct cop_pub *pub = open_pub("again");
		uint64_t sequence = cop_pub_sequence(pub) + 1;

		must_rc(stream_send(pub, MAX), 0);
		must_rc(cop_sub_next(sub, &msg, PATIENCE_NS), 1);
		must_u64(msg.sequence, ==, sequence);
		stream_must_be_whole(&msg, MAX);
		cop_sub_release(sub);
		must_int(access(lane, F_OK), ==, 0);
		cop_pub_close(&pub);
		/* With its end told, or before that. */
		if (i % 2)
			must_rc(cop_sub_next(sub, &msg, PATIENCE_NS), -EPIPE);
	}
	common->stop = true;
	for (int i = 0; i < 3; i++)
		test_end(&sweepers[i]);
	cop_sub_close(&sub);
	must_rc(cop_topic_remove(TOPIC, 0), 0);
}

/* --- the default root, which comes and goes with its last topic ------------------------------ */

static bool own_dev_shm(void)
{
	return unshare(CLONE_NEWNS) == 0 &&
	       mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("copage-test", "/dev/shm", "tmpfs", 0, "mode=1777") == 0;
}

static void must_be_empty(const char *path)
{
	struct dirent *entry;
	DIR *dir = opendir(path);

	if (!dir && errno == ENOENT)
		return;
	must(dir);
	while ((entry = readdir(dir)))
		must(strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0);
	closedir(dir);
}

static void a_crowd_comes_and_goes_in_the_private_root(void)
{
	char path[64];

	if (!own_dev_shm())
		SKIP("no mount namespace: %s", strerror(errno));
	unsetenv("COPAGE_ROOT");
	must_rc(cop_root(path, sizeof(path)), 0);
	come_and_go_in_a_crowd();
	/* A crowd's last remover may have been killed before it took the root away. */
	must_be_empty(path);
}

static const struct test_case cases[] = {
	TEST(a_crowd_comes_and_goes, .check = TEST_FDS | TEST_EMPTY_ROOT, .timeout_s = 60),
	TEST(a_name_is_opened_again_among_sweepers, .check = TEST_FDS | TEST_EMPTY_ROOT,
	     .timeout_s = 60),
	TEST(a_crowd_comes_and_goes_in_the_private_root, .check = TEST_FDS | TEST_EMPTY_ROOT,
	     .timeout_s = 60),
	{ 0 },
};
TEST_MAIN("churn", cases)
