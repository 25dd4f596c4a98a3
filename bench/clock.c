/*
 * bench/clock.c - how long a tick is
 */
#include "clock.h"

double tick_ns(void)
{
	static double ns;
	uint64_t t0, t1, n0, n1;

	if (ns > 0)
		return ns;
	n0 = now_ns();
	t0 = ticks();
	do
		n1 = now_ns();
	while (n1 - n0 < 20000000);
	t1 = ticks();
	ns = (double)(n1 - n0) / (double)(t1 - t0);
	return ns;
}
