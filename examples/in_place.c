/*
 * examples/in_place.c - a camera and its viewer: pictures are made and looked at where they lie
 *
 * The publisher reserves room in the ring, draws into it and commits: nothing is copied. The
 * viewer only cares for the newest picture: it subscribes to the latest, and is told how many it
 * passed over. Both in one program, parent and child, which is how to see the rule about fork: a
 * handle belongs to the process that opened it, so each opens its own.
 */
#include <copage/copage.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PICTURE = 320 * 240, PICTURES = 1000 }; /* bytes of one, and how many */

static int fail(void)
{
	fprintf(stderr, "%s\n", cop_error_text());
	return 1;
}

static int camera(void)
{
	struct cop_pub *pub;
	void *picture;

	if (cop_pub_open(&pub, "camera", NULL) < 0 || cop_pub_wait(pub, 1, -1) < 0)
		return fail();
	for (int i = 0; i < PICTURES; i++) {
		if (cop_pub_reserve(pub, PICTURE, &picture) < 0)
			return fail();
		memset(picture, i, PICTURE); /* draw, right into shared memory */
		if (cop_pub_commit(pub, PICTURE) < 0)
			return fail();
	}
	cop_pub_close(&pub);
	return 0;
}

static int viewer(void)
{
	struct cop_sub_opts opts = COP_SUB_OPTS_INIT;
	struct cop_sub *sub;
	struct cop_msg msg;
	unsigned long long seen = 0, skipped = 0;

	opts.kind = COP_SUB_LATEST;
	if (cop_sub_open(&sub, "camera", &opts) < 0)
		return fail();
	while (cop_sub_next(sub, &msg, -1) > 0) {
		seen++;
		skipped += msg.skipped;
	}
	cop_sub_close(&sub);
	printf("%llu pictures: %llu looked at, %llu passed over\n", seen + skipped, seen, skipped);
	return seen + skipped == PICTURES ? 0 : 1;
}

int main(void)
{
	int status;

	if (fork() == 0)
		return camera();

	int failed = viewer();

	return wait(&status) < 0 || status != 0 || failed;
}
