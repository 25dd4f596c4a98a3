/*
 * examples/hello_sub.c - the first message: this side receives
 *
 * It prints what publishers send until the last of them has closed.
 */
#include <copage/copage.h>
#include <stdio.h>

int main(void)
{
	struct cop_sub *sub;
	struct cop_msg msg;

	if (cop_sub_open(&sub, "hello", NULL) < 0)
		return fprintf(stderr, "%s\n", cop_error_text()), 1;
	while (cop_sub_next(sub, &msg, -1) > 0) /* msg.data points into shared memory */
		printf("%.*s\n", (int)msg.size, (const char *)msg.data);
	cop_sub_close(&sub);
	return 0;
}
