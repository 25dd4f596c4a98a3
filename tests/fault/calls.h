/*
 * tests/fault/calls.h - one operation, tried with every system call failing in turn
 *
 * Each try begins with a fresh scene and ends with all closed and cleaned up. Between them: the
 * operation, with a fault; then what must hold whatever became of it, without one.
 */
#ifndef TEST_FAULT_CALLS_H
#define TEST_FAULT_CALLS_H

#include "fault/inject.h"
#include "fault/stream.h"
#include "fault/tree.h"

#include <stdlib.h>

struct scene {
	char root[300], topic[400]; /* DIR, and DIR/NAME */
	struct cop_pub *pub, *other_pub;
	struct cop_sub *sub, *other_sub;
	uint64_t got; /* the last message of pub that sub has received */
	int wanted; /* what the operation returns without faults */
	bool told; /* that wanted was returned, where it comes only once */
	struct cop_msg msg;
};

struct operation {
	void (*prepare)(struct scene *s);
	int (*run)(struct scene *s); /* outputs untouched where it fails */
	void (*settle)(struct scene *s, int rc);
	int wanted; /* what run returns without a fault */
	bool wish; /* and with any */
	bool never_succeeds; /* 0 and 1 would be wrong whatever fails */
	bool keeps; /* the topic stays when all have closed: kept, or somebody is away */
};

/* Results that accuse somebody else. A fault of our own must not look like one of theirs. */
static inline bool is_verdict(int rc)
{
	static const int verdicts[] = { -EBADMSG, -EPROTO, -EOVERFLOW, -ESTALE, -EOWNERDEAD,
					-EPIPE,   -EEXIST, -EBUSY,     -ENOENT };

	for (size_t i = 0; i < sizeof(verdicts) / sizeof(*verdicts); i++)
		if (rc == verdicts[i])
			return true;
	return false;
}

/* Where nothing has failed yet, cop_error_text() is empty; where something has, it stays. */
static inline void check_result(const struct operation *op, int rc, const char *before)
{
	if (rc == op->wanted) /* what it says is for the unit tests */
		return;
	must(inject.injected > 0);
	if (op->wish || rc >= 0)
		must_rc(rc, op->wanted);
	if (rc != -EAGAIN && rc != -ETIMEDOUT) {
		must(!is_verdict(rc));
		must_explain(rc);
		if (strcmp(cop_error_text(), before) == 0)
			test_fail(__FILE__, __LINE__, "%d comes without a sentence of its own", rc);
	}
}

static inline void clean_up(const struct operation *op, struct scene *s)
{
	char gc[310];

	cop_sub_close(&s->sub);
	cop_sub_close(&s->other_sub);
	cop_pub_close(&s->pub);
	cop_pub_close(&s->other_pub);
	snprintf(gc, sizeof(gc), "%s/", s->root);
	must_int(cop_gc(gc, 0, NULL, NULL), >=, 0);
	if (op->keeps) {
		int rc = cop_topic_remove(s->topic, 0);

		must(rc == 0 || rc == -ENOENT);
	}
	tree_must_be_empty(s->root);
}

/* Another sentence than any that the library makes, as the one of this thread. */
static inline const char *spoil_sentence(void)
{
	struct cop_pub *pub = NULL;

	must_rc(cop_pub_open(&pub, ".", NULL), -EINVAL);
	return cop_error_text();
}

static inline void try_once(const struct operation *op, enum inject_mode mode, unsigned at,
			    unsigned choice)
{
	struct scene s = { .wanted = op->wanted };
	char before[1024];
	unsigned fds = test_fd_count();
	int maps = inject.maps;
	int rc;

	snprintf(s.root, sizeof(s.root), "%s/r", test_root());
	snprintf(s.topic, sizeof(s.topic), "%s/t", s.root);
	op->prepare(&s);
	snprintf(before, sizeof(before), "%s", spoil_sentence());
	inject_begin(mode, at, choice);
	rc = op->run(&s);
	inject_end();
	check_result(op, rc, before);
	if (op->never_succeeds)
		must_int(rc, <, 0);
	s.told = rc == op->wanted;
	op->settle(&s, rc);
	clean_up(op, &s);
	must_u64(test_fd_count(), ==, fds);
	must_int(inject.maps, ==, maps);
}

static inline void try_errors(const struct operation *op, unsigned at, enum cop__os_call call)
{
	static const char *const modes[] = { "", "once", "all of its kind", "all that follow" };
	const int *errors = inject_errors[call];
	unsigned count = 0;

	while (errors[count])
		count++;
	for (unsigned mode = INJECT_ONCE; mode < INJECT_MODES && count > 0; mode++) {
		for (unsigned choice = 0; choice < count; choice++) {
			test_note("call %u, %s, fails with %s: %s", at, cop__os_call_name(call),
				  strerrorname_np(errors[choice]), modes[mode]);
			try_once(op, (enum inject_mode)mode, at, choice);
		}
	}
}

/* The whole of it. */
static inline void every_call_fails(const struct operation *op)
{
	static unsigned char calls[INJECT_CALLS_MAX];
	char root[300];
	unsigned count;

	snprintf(root, sizeof(root), "%s/r", test_root());
	tree_make_directory(root, 0700);
	cop__os_hook = inject_hook;
	inject.naps_are_short = true;
	test_note("nothing fails");
	try_once(op, INJECT_NOTHING, 0, 0);
	count = inject.run_count;
	must_u64(count, <, INJECT_CALLS_MAX);
	memcpy(calls, inject.calls, sizeof(calls));
	/* Who waits makes the same calls again and again. */
	if (count > test_scale(100, INJECT_CALLS_MAX))
		count = 100;
	if (!op->wish)
		must_u64(count, >, 0);
	for (unsigned at = 0; at < count; at++)
		try_errors(op, at, (enum cop__os_call)calls[at]);
	test_note("the end");
	tree_must_not_be_mapped(root);
	cop__os_hook = NULL;
	tree_remove(root);
}

/* What follows the functions are designated initialisers. */
#define EVERY_CALL_FAILS(prepare_, run_, ...) \
	every_call_fails( \
		&(struct operation){ .prepare = prepare_, .run = run_, .settle = __VA_ARGS__ })

#endif
