/*
 * tests/support/child.c - other processes: forked functions and commands
 */
#include "support/test.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MESSAGE_MAX = 1024 };

static void die_with(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
}

struct test_child test_fork(void (*run)(int line, void *arg), void *arg)
{
	struct test_child child = { .in = -1, .out = -1, .err = -1 };
	pid_t parent = getpid();
	int ends[2];

	must_int(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), ==, 0);
	fflush(NULL);
	child.pid = fork();
	must_int(child.pid, >=, 0);
	if (child.pid == 0) {
		die_with(parent);
		close(ends[0]);
		run(ends[1], arg);
		exit(0);
	}
	close(ends[1]);
	child.line = ends[0];
	return child;
}

void test_tell(int line, const char *format, ...)
{
	char message[MESSAGE_MAX];
	va_list args;
	int size;

	va_start(args, format);
	size = vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	must_int(size, <, sizeof(message));
	must_int(send(line, message, (size_t)size + 1, MSG_NOSIGNAL), ==, size + 1);
}

const char *test_hear(int line)
{
	static char message[MESSAGE_MAX];
	ssize_t size;

	do {
		size = recv(line, message, sizeof(message), 0);
	} while (size < 0 && errno == EINTR);
	if (size <= 0)
		return NULL;
	message[size - 1] = '\0';
	return message;
}

struct test_child test_start(const char *const *argv)
{
	struct test_child child = { .line = -1 };
	pid_t parent = getpid();
	int in[2], out[2], err[2];

	must_int(pipe2(in, O_CLOEXEC), ==, 0);
	must_int(pipe2(out, O_CLOEXEC), ==, 0);
	must_int(pipe2(err, O_CLOEXEC), ==, 0);
	fflush(NULL);
	child.pid = fork();
	must_int(child.pid, >=, 0);
	if (child.pid == 0) {
		die_with(parent);
		signal(SIGPIPE, SIG_DFL);
		dup2(in[0], 0);
		dup2(out[1], 1);
		dup2(err[1], 2);
		execvp(argv[0], (char *const *)(uintptr_t)argv);
		dprintf(2, "%s: %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	close(err[1]);
	child.in = in[1];
	child.out = out[0];
	child.err = err[0];
	return child;
}

static void close_if(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

int test_wait(struct test_child *child)
{
	int status;

	close_if(&child->line);
	close_if(&child->in);
	must_int(child->pid, >, 0);
	while (waitpid(child->pid, &status, 0) < 0)
		must_int(errno, ==, EINTR);
	close_if(&child->out);
	close_if(&child->err);
	child->pid = 0;
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

void test_kill(struct test_child *child, int signal)
{
	must_int(child->pid, >, 0);
	must_int(kill(child->pid, signal), ==, 0);
	if (signal == SIGKILL)
		must_int(test_wait(child), ==, -SIGKILL);
}

/* Reads what is there to *text; false at the end of the stream. */
static bool take(int fd, char **text, size_t *size)
{
	enum { STEP = 65536 };
	char *larger = realloc(*text, *size + STEP + 1);
	ssize_t n;

	must(larger);
	*text = larger;
	do {
		n = read(fd, *text + *size, STEP);
	} while (n < 0 && errno == EINTR);
	*size += n > 0 ? (size_t)n : 0;
	(*text)[*size] = '\0';
	return n > 0;
}

/* Writes some of the input; closes the pipe when all is written or nobody reads. */
static void feed(int *fd, const char **input, size_t *left)
{
	ssize_t n = *left ? write(*fd, *input, *left < 4096 ? *left : 4096) : 0;

	if (n < 0 && errno == EPIPE)
		*left = 0;
	if (n > 0) {
		*input += n;
		*left -= (size_t)n;
	}
	if (*left == 0)
		close_if(fd);
}

struct test_outcome test_run(const char *const *argv, const void *input, size_t input_size)
{
	struct test_outcome outcome = { 0 };
	struct test_child child;
	const char *rest = input;
	void (*before)(int) = signal(SIGPIPE, SIG_IGN);

	child = test_start(argv);
	while (child.out >= 0 || child.err >= 0) {
		struct pollfd fds[] = { { .fd = child.out, .events = POLLIN },
					{ .fd = child.err, .events = POLLIN },
					{ .fd = child.in, .events = POLLOUT } };

		must(poll(fds, 3, -1) > 0 || errno == EINTR);
		if (fds[0].revents && !take(child.out, &outcome.out, &outcome.out_size))
			close_if(&child.out);
		if (fds[1].revents && !take(child.err, &outcome.err, &outcome.err_size))
			close_if(&child.err);
		if (fds[2].revents)
			feed(&child.in, &rest, &input_size);
	}
	outcome.status = test_wait(&child);
	signal(SIGPIPE, before);
	return outcome;
}

void test_outcome_free(struct test_outcome *outcome)
{
	free(outcome->out);
	free(outcome->err);
	*outcome = (struct test_outcome){ 0 };
}

const char *test_command(void)
{
	const char *command = getenv("COPAGE_COMMAND");

	if (!command)
		test_fail(__FILE__, __LINE__,
			  "COPAGE_COMMAND names no command: use ./dev or meson");
	return command;
}
