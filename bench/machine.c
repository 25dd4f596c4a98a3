/*
 * bench/machine.c - what a figure depends on
 */
#include "machine.h"

#include <copage/version.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

/* The first line of a file, without its end; empty if there is none. */
static void first_line(const char *path, char *text, size_t size)
{
	FILE *f = fopen(path, "re");

	text[0] = '\0';
	if (!f)
		return;
	if (fgets(text, (int)size, f))
		text[strcspn(text, "\n")] = '\0';
	fclose(f);
}

static void read_processor(char *text, size_t size)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	char line[256];

	snprintf(text, size, "unknown processor");
	while (f && fgets(line, sizeof(line), f)) {
		char *colon = strchr(line, ':');

		if (!colon || strncmp(line, "model name", 10) != 0)
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(text, size, "%s", colon + 2);
		break;
	}
	if (f)
		fclose(f);
}

static void read_cache(char *text, size_t size)
{
	char path[80];

	text[0] = '\0';
	for (int level = 4; level >= 0 && !text[0]; level--) {
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu0/cache/index%d/size",
			 level);
		first_line(path, text, size);
	}
}

void machine_read(struct machine *m)
{
	time_t now = time(NULL);
	struct utsname u;
	struct tm tm;
	double load[1] = { 0 };

	memset(m, 0, sizeof(*m));
	strftime(m->date, sizeof(m->date), "%Y-%m-%d %H:%M UTC", gmtime_r(&now, &tm));
	read_processor(m->processor, sizeof(m->processor));
	m->processors = (int)sysconf(_SC_NPROCESSORS_ONLN);
	read_cache(m->cache, sizeof(m->cache));
	if (uname(&u) == 0)
		snprintf(m->system, sizeof(m->system), "%.31s %.63s %.31s", u.sysname, u.release,
			 u.machine);
	if (confstr(_CS_GNU_LIBC_VERSION, m->libc, sizeof(m->libc)) == 0)
		snprintf(m->libc, sizeof(m->libc), "another libc");
#ifdef __clang__
	snprintf(m->compiler, sizeof(m->compiler), "%s", __VERSION__);
#else
	snprintf(m->compiler, sizeof(m->compiler), "gcc %s", __VERSION__);
#endif
	snprintf(m->build, sizeof(m->build), "%s", BENCH_BUILD);
	snprintf(m->copage, sizeof(m->copage), "%s", cop_version());
	if (getloadavg(load, 1) == 1)
		m->load = load[0];
}

/* The 8th number of "cpu3 user nice system idle iowait irq softirq steal ...", in ticks. */
static double stolen_ticks(char *numbers)
{
	unsigned long long ticks = 0;

	for (int i = 0; i < 8; i++)
		ticks = strtoull(numbers, &numbers, 10);
	return (double)ticks;
}

double machine_stolen_s(const int cpu[2])
{
	FILE *f = fopen("/proc/stat", "re");
	char line[512];
	double ticks = 0;
	int found = 0;

	while (f && fgets(line, sizeof(line), f)) {
		char *end;
		long n = strncmp(line, "cpu", 3) == 0 ? strtol(line + 3, &end, 10) : -1;

		if (n < 0 || end == line + 3 || (n != cpu[0] && n != cpu[1]))
			continue;
		ticks += stolen_ticks(end);
		found++;
	}
	if (f)
		fclose(f);
	return found == 2 ? ticks / (double)sysconf(_SC_CLK_TCK) : -1;
}
