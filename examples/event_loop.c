/*
 * examples/event_loop.c - a subscriber among other descriptors, with epoll
 *
 * Prints the lines of standard input and the messages of a topic as they come, in one thread. The
 * rule for the descriptor: read until -EAGAIN, then wait.
 */
#include <copage/copage.h>
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

/* 0: nothing more for now; 1: the last publisher has closed; -1: failed. */
static int read_topic(struct cop_sub *sub)
{
	struct cop_msg msg;
	int rc;

	while ((rc = cop_sub_next(sub, &msg, 0)) > 0)
		printf("topic: %.*s\n", (int)msg.size, (const char *)msg.data);
	if (rc == -EAGAIN)
		return 0;
	if (rc == -EPIPE)
		return 1;
	fprintf(stderr, "%s\n", cop_error_text());
	return -1;
}

static int add(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

int main(int argc, char **argv)
{
	struct cop_sub *sub;
	struct epoll_event event;
	char line[256];
	int done = 0, epoll = epoll_create1(0);

	if (cop_sub_open(&sub, argc > 1 ? argv[1] : "hello", NULL) < 0 || cop_sub_fd(sub) < 0) {
		fprintf(stderr, "%s\n", cop_error_text());
		return 1;
	}
	add(epoll, cop_sub_fd(sub));
	add(epoll, STDIN_FILENO); /* fails for a plain file, which is always readable: left out */
	while ((done = read_topic(sub)) == 0 && epoll_wait(epoll, &event, 1, -1) > 0)
		if (event.data.fd == STDIN_FILENO) {
			ssize_t got = read(STDIN_FILENO, line, sizeof(line));

			if (got <= 0)
				epoll_ctl(epoll, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
			else
				printf("input: %.*s", (int)got, line);
		}
	cop_sub_close(&sub);
	close(epoll);
	return done < 0;
}
