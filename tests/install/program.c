/*
 * tests/install/program.c - what a user's first program does, built by every route to the library
 *
 * It is C and C++ at once.
 */
#include <copage/copage.h>

#include <stdio.h>
#include <string.h>

static int stream(void)
{
	struct cop_pub *pub = NULL;
	struct cop_sub *sub = NULL;
	struct cop_msg msg;
	int rc = cop_sub_open(&sub, "install", NULL);

	if (rc == 0)
		rc = cop_pub_open(&pub, "install", NULL);
	if (rc == 0)
		rc = cop_pub_send(pub, "hello", 5);
	if (rc == 0)
		rc = cop_sub_next(sub, &msg, 1000000000);
	if (rc == 1)
		rc = msg.size == 5 && memcmp(msg.data, "hello", 5) == 0 ? 0 : -1;
	cop_pub_close(&pub);
	cop_sub_close(&sub);
	return rc;
}

int main(void)
{
	int rc = stream();

	if (strcmp(cop_version(), COP_VERSION) != 0) {
		fprintf(stderr, "library %s, headers %s\n", cop_version(), COP_VERSION);
		return 1;
	}
	if (rc != 0) {
		fprintf(stderr, "%d: %s\n", rc, cop_error_text());
		return 1;
	}
	puts("hello");
	return 0;
}
