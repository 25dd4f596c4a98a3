/*
 * bench/pair.c - a party's two processes as the runner has them
 *
 * Each party has two processes of its own for the whole run, so that one that crashes or hangs
 * costs its own rows and nothing else.
 */
#include "bench.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ANSWER_TIMEOUT_MS = 10000, BARRIER_BYTES = 4096 };

static void *map_shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void give_up(struct pair *pair, int which, const char *why)
{
	if (!pair->error[0])
		snprintf(pair->error, sizeof(pair->error), "%s side: %s",
			 which == 0 ? "left" : "right", why);
}

/* Waits for both answers; whoever fails first tells why. */
static int hear(struct pair *pair, struct answer answer[2])
{
	struct pollfd fds[2] = { { pair->line[0], POLLIN, 0 }, { pair->line[1], POLLIN, 0 } };
	unsigned missing = 2;

	while (missing > 0) {
		int n = poll(fds, 2, ANSWER_TIMEOUT_MS);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			give_up(pair, fds[0].fd < 0, "no answer");
			return -ETIMEDOUT;
		}
		for (int i = 0; i < 2; i++) {
			if (fds[i].fd < 0 || !fds[i].revents)
				continue;
			if (recv(fds[i].fd, &answer[i], sizeof(*answer), 0) != sizeof(*answer)) {
				give_up(pair, i, "it died");
				return -EPIPE;
			}
			if (answer[i].rc < 0) {
				give_up(pair, i, answer[i].error);
				return answer[i].rc;
			}
			fds[i].fd = -1;
			missing--;
		}
	}
	return 0;
}

static int start_side(struct pair *pair, int which, const int cpu[2])
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -errno;
	pair->pid[which] = fork();
	if (pair->pid[which] == 0) {
		struct side side = { .link = &pair->link, .left = which == 0 };

		close(ends[0]);
		side_run(&side, ends[1], pair->barrier, cpu[which]);
	}
	close(ends[1]);
	if (pair->pid[which] < 0) {
		int rc = -errno;

		close(ends[0]);
		return rc;
	}
	pair->line[which] = ends[0];
	return 0;
}

int pair_start(struct pair *pair, const struct party *party, const int cpu[2])
{
	struct answer answer[2];
	int rc = 0;

	memset(pair, 0, sizeof(*pair));
	pair->link.party = party;
	pair->line[0] = pair->line[1] = -1;
	for (size_t i = 0; i < sizeof(pair->link.fds) / sizeof(pair->link.fds[0]); i++)
		pair->link.fds[i] = -1;
	pair->barrier = map_shared(BARRIER_BYTES);
	if (!pair->barrier)
		rc = -ENOMEM;
	if (rc == 0 && party->memory_bytes > 0) {
		pair->link.memory = map_shared(party->memory_bytes);
		rc = pair->link.memory ? 0 : -ENOMEM;
	}
	if (rc == 0 && party->prepare)
		rc = party->prepare(&pair->link);
	for (int i = 0; i < 2 && rc == 0; i++)
		rc = start_side(pair, i, cpu);
	if (rc == 0)
		rc = hear(pair, answer);
	if (rc == 0)
		return 0;
	if (!pair->error[0])
		snprintf(pair->error, sizeof(pair->error), "could not begin: %s", strerror(-rc));
	pair_stop(pair);
	return rc;
}

int pair_measure(struct pair *pair, struct cell cell, uint64_t count, struct answer answer[2])
{
	struct order order = { .cell = cell, .count = count, .number = ++pair->number };
	int rc = 0;

	for (int i = 0; i < 2; i++)
		if (send(pair->line[i], &order, sizeof(order), MSG_NOSIGNAL) != sizeof(order)) {
			give_up(pair, i, "it is gone");
			rc = -EPIPE;
		}
	if (rc == 0)
		rc = hear(pair, answer);
	if (rc == 0)
		return 0;
	pair->failed_at = cell;
	pair_stop(pair);
	return rc;
}

/* Orderly if it can be: a side that waits for its other half in a measurement is killed. */
void pair_stop(struct pair *pair)
{
	struct order stop = { .count = 0 };

	for (int i = 0; i < 2; i++) {
		if (pair->line[i] < 0)
			continue;
		if (pair->error[0])
			kill(pair->pid[i], SIGKILL);
		else
			(void)!send(pair->line[i], &stop, sizeof(stop), MSG_NOSIGNAL);
	}
	for (int i = 0; i < 2; i++) {
		if (pair->line[i] < 0)
			continue;
		waitpid(pair->pid[i], NULL, 0);
		close(pair->line[i]);
		pair->line[i] = -1;
	}
	if (pair->link.party->clean_up)
		pair->link.party->clean_up(&pair->link);
	if (pair->link.memory)
		munmap(pair->link.memory, pair->link.party->memory_bytes);
	if (pair->barrier)
		munmap(pair->barrier, BARRIER_BYTES);
	pair->link.party = NULL;
}
