/*
 * tests/fault/manage_calls.c - every system call fails in turn: looking into topics, cleaning up
 */
#include "fault/calls.h"
#include "fault/left.h"

/* A topic that lives, with something to read, and two beside it that the dead left. */
static void prepare_world(struct scene *s)
{
	struct cop_sub_opts sub = quick_sub(NULL);
	struct cop_pub_opts pub = small_pub("p");
	char path[400];

	must_rc(cop_sub_open(&s->sub, s->topic, &sub), 0);
	must_rc(cop_pub_open(&s->pub, s->topic, &pub), 0);
	stream_send_many(s->pub, 5);
	stream_receive(s->sub, &s->got, 1);
	cop_sub_release(s->sub);
	snprintf(path, sizeof(path), "%s/dead", s->root);
	put_left(path, false);
	snprintf(path, sizeof(path), "%s/away", s->root);
	put_left(path, true);
}

static void remove_if_there(const struct scene *s, const char *name)
{
	char path[400];
	int rc;

	snprintf(path, sizeof(path), "%s/%s", s->root, name);
	rc = cop_topic_remove(path, 0);
	must(rc == 0 || rc == -ENOENT);
}

/* Nobody who lives was disturbed; the one who is away still has 13 messages to read. */
static void settle_world(struct scene *s, int rc)
{
	struct cop_sub_opts opts = quick_sub("s");
	struct cop_sub *sub;
	uint64_t got = LEFT_READ;
	char path[400];

	(void)rc;
	stream_send_many(s->pub, 3);
	stream_receive(s->sub, &s->got, 8);
	snprintf(path, sizeof(path), "%s/away", s->root);
	must_rc(cop_sub_open(&sub, path, &opts), 0);
	stream_receive(sub, &got, LEFT_SENT);
	stream_must_be_at_end(sub);
	cop_sub_close(&sub);
	remove_if_there(s, "away");
	remove_if_there(s, "dead");
}

/* --- looking -------------------------------------------------------------------------- */

/* What is told of a sound topic is true, whatever failed. */
static int run_stat(struct scene *s)
{
	struct cop_topic_stat *stat = NULL;
	int rc = cop_topic_stat(s->topic, &stat);

	if (rc < 0) {
		must(stat == NULL);
		return rc;
	}
	must_u64(stat->pub_count, ==, 1);
	must_str(stat->pubs[0].name, "p");
	must_int(stat->pubs[0].state, ==, COP_MEMBER_LIVE);
	must_u64(stat->pubs[0].messages, ==, 5);
	must_u64(stat->sub_count, ==, 1);
	must_int(stat->subs[0].state, ==, COP_MEMBER_LIVE);
	must_u64(stat->subs[0].lag_messages, ==, 4);
	cop_topic_stat_free(stat);
	return 0;
}

static void topic_is_looked_into(void)
{
	EVERY_CALL_FAILS(prepare_world, run_stat, settle_world, 0);
}

static int count_topic(void *arg, const char *name, int error)
{
	unsigned *seen = arg;

	must(name[0]);
	must(!is_verdict(error));
	++*seen;
	return 0;
}

static int run_list(struct scene *s)
{
	unsigned seen = 0;
	int rc = cop_topic_list(s->root, count_topic, &seen);

	if (rc >= 0)
		must_int(rc, ==, seen);
	return rc;
}

static void topics_are_listed(void)
{
	EVERY_CALL_FAILS(prepare_world, run_list, settle_world, .wanted = 3);
}

/* --- cleaning up ---------------------------------------------------------------------- */

static int gc(const struct scene *s, uint32_t flags)
{
	char root[310];

	snprintf(root, sizeof(root), "%s/", s->root);
	return cop_gc(root, flags, NULL, NULL);
}

static int run_gc(struct scene *s)
{
	int rc = gc(s, 0);

	/* How much went is another number when some of it could not. */
	return rc > 0 ? 0 : rc;
}

static void settle_gc(struct scene *s, int rc)
{
	char path[400];

	must_int(gc(s, 0), >=, 0);
	snprintf(path, sizeof(path), "%s/dead", s->root);
	must_int(access(path, F_OK), ==, -1);
	settle_world(s, rc);
}

static void the_dead_are_cleaned_up(void)
{
	EVERY_CALL_FAILS(prepare_world, run_gc, settle_gc, 0);
}

static int run_dry_gc(struct scene *s)
{
	int rc = gc(s, COP_GC_DRY_RUN);

	return rc > 0 ? 0 : rc;
}

static void settle_dry_gc(struct scene *s, int rc)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/dead", s->root);
	must_int(access(path, F_OK), ==, 0);
	settle_world(s, rc);
}

static void a_dry_run_removes_nothing(void)
{
	EVERY_CALL_FAILS(prepare_world, run_dry_gc, settle_dry_gc, 0);
}

/* A maker and a remover who died on the way. */
static void prepare_halves(struct scene *s)
{
	char from[400], to[500];

	prepare_world(s);
	snprintf(from, sizeof(from), "%s/half", s->root);
	put_left(from, true);
	snprintf(to, sizeof(to), "%s/members/pub.p", from);
	must_int(unlink(to), ==, 0);
	snprintf(to, sizeof(to), "%s/members/sub.s", from);
	must_int(unlink(to), ==, 0);
	snprintf(to, sizeof(to), "%s/.new.0123456789abcdef", s->root);
	tree_copy(from, to);
	snprintf(to, sizeof(to), "%s/members", from);
	must_int(rmdir(to), ==, 0);
}

static void halves_are_cleaned_up(void)
{
	EVERY_CALL_FAILS(prepare_halves, run_gc, settle_gc, 0);
}

static int run_create_over_half(struct scene *s)
{
	struct cop_pub_opts pub = small_pub("p");
	char path[400];

	snprintf(path, sizeof(path), "%s/half", s->root);
	return cop_pub_open(&s->other_pub, path, &pub);
}

static void a_half_removed_topic_is_made_anew(void)
{
	EVERY_CALL_FAILS(prepare_halves, run_create_over_half, settle_gc, 0);
}

/* --- removing ------------------------------------------------------------------------- */

static void prepare_left(struct scene *s)
{
	put_left(s->topic, true);
}

static int run_remove(struct scene *s)
{
	return cop_topic_remove(s->topic, 0);
}

/* Once members/ is gone, so is the topic; what is left of it is nothing but garbage. */
static void settle_remove(struct scene *s, int rc)
{
	if (rc < 0)
		rc = cop_topic_remove(s->topic, 0);
	must(rc == 0 || rc == -ENOENT);
	must_int(gc(s, 0), >=, 0);
	must_int(access(s->topic, F_OK), ==, -1);
}

static void topic_is_removed(void)
{
	EVERY_CALL_FAILS(prepare_left, run_remove, settle_remove, 0);
}

static int run_remove_forced(struct scene *s)
{
	return cop_topic_remove(s->topic, COP_REMOVE_FORCE);
}

static void prepare_live(struct scene *s)
{
	struct cop_sub_opts sub = quick_sub(NULL);
	struct cop_pub_opts pub = small_pub("p");

	must_rc(cop_sub_open(&s->sub, s->topic, &sub), 0);
	must_rc(cop_pub_open(&s->pub, s->topic, &pub), 0);
	stream_send_many(s->pub, 5);
	stream_receive(s->sub, &s->got, 1); /* it has met its publisher */
}

/* Those who live go on in memory that has no name. */
static void settle_remove_forced(struct scene *s, int rc)
{
	if (rc < 0)
		rc = cop_topic_remove(s->topic, COP_REMOVE_FORCE);
	must(rc == 0 || rc == -ENOENT);
	must_int(gc(s, 0), >=, 0);
	must_int(access(s->topic, F_OK), ==, -1);
	must_rc(stream_send(s->pub), 0);
	while (s->got < 6) {
		rc = cop_sub_next(s->sub, &s->msg, 0);
		if (rc > 0)
			stream_must_be(&s->msg, ++s->got);
		else
			must(rc == -EAGAIN || rc == -ESTALE);
	}
}

static void topic_is_removed_by_force(void)
{
	EVERY_CALL_FAILS(prepare_live, run_remove_forced, settle_remove_forced, 0);
}

static int run_forget(struct scene *s)
{
	return cop_topic_forget(s->topic, "s");
}

static void settle_forget(struct scene *s, int rc)
{
	if (rc < 0)
		rc = cop_topic_forget(s->topic, "s");
	must(rc == 0 || rc == -ENOENT);
	must_rc(cop_topic_forget(s->topic, "s"), -ENOENT);
}

static void one_who_is_away_is_forgotten(void)
{
	EVERY_CALL_FAILS(prepare_left, run_forget, settle_forget, .keeps = true);
}

#define CASE(function) TEST(function, .check = TEST_FDS, .timeout_s = 60)

static const struct test_case cases[] = {
	CASE(topic_is_looked_into),
	CASE(topics_are_listed),
	CASE(the_dead_are_cleaned_up),
	CASE(a_dry_run_removes_nothing),
	CASE(halves_are_cleaned_up),
	CASE(a_half_removed_topic_is_made_anew),
	CASE(topic_is_removed),
	CASE(topic_is_removed_by_force),
	CASE(one_who_is_away_is_forgotten),
	{ 0 },
};
TEST_MAIN("manage_calls", cases)
