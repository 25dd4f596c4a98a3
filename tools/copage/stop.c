/*
 * stop.c - end in order when the user or the system asks
 *
 * A signal interrupts a read() or write() that blocks, but one that comes just before the call
 * would be lost to it. So the handler also sets an alarm, which goes off every second from then
 * on and interrupts whatever blocks by then.
 */
#include "stop.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static volatile sig_atomic_t stop_signal;
static volatile sig_atomic_t nudges; /* alarms since then: seconds, about */

/*
 * Asked again after a second, it ends at once. Not before: timeout(1) and process groups often
 * send the same signal twice.
 */
static void on_stop(int number)
{
	if (nudges > 0) {
		signal(number, SIG_DFL);
		raise(number);
	}
	stop_signal = number;
	alarm(1);
}

static void on_alarm(int number)
{
	(void)number;
	nudges = 1;
	alarm(1);
}

void stop_on_signals(void)
{
	static const int stops[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = SIG_IGN };
	struct sigaction old;

	sigaction(SIGPIPE, &action, NULL);
	action.sa_handler = on_alarm;
	sigaction(SIGALRM, &action, NULL);
	action.sa_handler = on_stop;
	for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++) {
		sigaction(stops[i], NULL, &old);
		if (old.sa_handler != SIG_IGN) /* nohup, or a shell's background job */
			sigaction(stops[i], &action, NULL);
	}
}

void stop_done(void)
{
	alarm(0);
}

bool stop_asked(void)
{
	return stop_signal != 0;
}

enum exit_status stop_status(void)
{
	return (enum exit_status)(128 + stop_signal);
}

int64_t stop_slice(int64_t timeout_ns, int64_t waited_ns)
{
	int64_t left = timeout_ns - waited_ns;

	if (timeout_ns < 0 || left > STOP_LOOK_NS)
		return STOP_LOOK_NS;
	return left > 0 ? left : 1;
}
