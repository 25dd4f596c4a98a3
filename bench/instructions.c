/*
 * bench/instructions.c - instructions per message, counted by callgrind
 *
 * One process, one publisher, one subscriber, nobody asleep: each message is sent and received
 * before the next. callgrind collects inside of one function of ours at a time, so what is
 * counted is that call of Copage, libc's memcpy in it, and half a dozen instructions to call it;
 * what a new segment costs is spread over its messages.
 */
#include "instructions.h"

#include "report.h"

#include <copage/copage.h>

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNTED __attribute__((noinline, noclone, used))
#ifdef __clang__
#undef COUNTED
#define COUNTED __attribute__((noinline, used))
#endif

static unsigned char data[SIZE_MAX_BYTES];

static COUNTED int counted_send(struct cop_pub *pub, size_t size)
{
	return cop_pub_send(pub, data, size);
}

/* The payload is written by the caller of reserve, and is not counted. */
static COUNTED int counted_reserve_commit(struct cop_pub *pub, size_t size)
{
	void *room;
	int rc = cop_pub_reserve(pub, size, &room);

	return rc < 0 ? rc : cop_pub_commit(pub, size);
}

static COUNTED int counted_next(struct cop_sub *sub, struct cop_msg *msg)
{
	return cop_sub_next(sub, msg, -1);
}

static COUNTED int counted_next_empty(struct cop_sub *sub, struct cop_msg *msg)
{
	return cop_sub_next(sub, msg, 0);
}

static int work(struct cop_pub *pub, struct cop_sub *sub, size_t size)
{
	struct cop_msg msg;
	int rc = 0;

	for (int i = 0; i < INSTRUCTIONS_CALLS && rc >= 0; i++) {
		rc = counted_send(pub, size);
		if (rc == 0)
			rc = counted_next(sub, &msg);
		if (rc == 1 && counted_next_empty(sub, &msg) != -EAGAIN)
			rc = -EPROTO;
		if (rc == 1)
			rc = counted_reserve_commit(pub, size);
		if (rc == 0)
			rc = cop_sub_next(sub, &msg, -1);
	}
	return rc < 0 ? rc : 0;
}

int instructions_work(size_t size)
{
	char root[] = "/dev/shm/copage-bench-XXXXXX", topic[sizeof(root) + 8];
	struct cop_pub *pub = NULL;
	struct cop_sub *sub = NULL;
	int rc;

	if (size > SIZE_MAX_BYTES || !mkdtemp(root))
		return 1;
	snprintf(topic, sizeof(topic), "%s/count", root);
	rc = cop_pub_open(&pub, topic, NULL);
	if (rc == 0)
		rc = cop_sub_open(&sub, topic, NULL);
	if (rc == 0)
		rc = cop_pub_wait(pub, 1, -1) < 0;
	if (rc == 0)
		rc = work(pub, sub, size);
	if (rc < 0)
		fprintf(stderr, "copage-bench: %s\n", cop_error_text());
	cop_sub_close(&sub);
	cop_pub_close(&pub);
	(void)rmdir(root);
	return rc < 0 ? 1 : 0;
}

/* In the child: never returns. */
_Noreturn static void exec_valgrind(int out, const char *function, size_t size)
{
	char self[4096], toggle[80], work_option[40];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	snprintf(toggle, sizeof(toggle), "--toggle-collect=%s", function);
	snprintf(work_option, sizeof(work_option), "--instructions-of=%zu", size);
	self[n > 0 ? n : 0] = '\0';
	dup2(out, STDERR_FILENO);
	execlp("valgrind", "valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", toggle,
	       self, work_option, (char *)NULL);
	_exit(127);
}

/* Reads "==123== Collected : 4567" out of what callgrind says; negative: it was not there. */
static double read_collected(int in)
{
	FILE *f = fdopen(in, "r");
	char line[512];
	double collected = -1;

	if (!f) {
		close(in);
		return -1;
	}
	while (fgets(line, sizeof(line), f)) {
		const char *at = strstr(line, "Collected : ");

		if (at)
			collected = strtod(at + strlen("Collected : "), NULL);
	}
	fclose(f);
	return collected;
}

/* Instructions of one call, or negative. */
static double count(const char *function, size_t size)
{
	double collected;
	int ends[2], status;
	pid_t pid;

	fflush(stdout);
	if (pipe(ends))
		return -1;
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		exec_valgrind(ends[1], function, size);
	}
	close(ends[1]);
	collected = read_collected(ends[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		return -1;
	return collected / INSTRUCTIONS_CALLS;
}

int instructions_report(bool json)
{
	static const struct {
		const char *function, *text, *name;
	} calls[] = {
		{ "counted_send", "send", "send" },
		{ "counted_reserve_commit", "reserve + commit", "reserve_commit" },
		{ "counted_next", "next (and release)", "next" },
		{ "counted_next_empty", "next, nothing there", "next_empty" },
	};
	static const size_t sizes[] = { 8, 64, 1024 };
	const size_t size_count = sizeof(sizes) / sizeof(sizes[0]);

	if (!json)
		printf("Instructions a message, nobody asleep (callgrind)\n\n  %-22s%8s%8s%8s\n",
		       "", "8 B", "64 B", "1 KiB");
	for (size_t c = 0; c < sizeof(calls) / sizeof(calls[0]); c++) {
		printf(json ? "%s\"%s\": {" : "%s  %-22s", json ? c ? ", " : "{" : "",
		       json ? calls[c].name : calls[c].text);
		for (size_t s = 0; s < size_count; s++) {
			double n = count(calls[c].function, sizes[s]);

			if (n < 0) {
				fprintf(stderr, "copage-bench: could not count: is valgrind "
						"installed?\n");
				return 1;
			}
			if (json)
				printf("%s\"%zu\": %.1f", s ? ", " : "", sizes[s], n);
			else
				printf("%8.1f", n);
		}
		printf(json ? "}" : "\n");
	}
	printf(json ? "}\n" : "");
	return 0;
}
