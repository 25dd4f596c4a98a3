/*
 * examples/hello_pub.c - the first message: this side sends
 *
 * Start it before or after hello_sub, in another terminal, as often as you like.
 */
#include <copage/copage.h>
#include <stdio.h>

int main(void)
{
	struct cop_pub *pub;

	if (cop_pub_open(&pub, "hello", NULL) < 0 || cop_pub_wait(pub, 1, -1) < 0 ||
	    cop_pub_send(pub, "hello, world", 12) < 0)
		return fprintf(stderr, "%s\n", cop_error_text()), 1;
	cop_pub_close(&pub);
	return 0;
}
