/* SPDX-License-Identifier: MIT */
/* The process itself, under the names that all exporters share. */
#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "fs/metrics/sheets.h"

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t = { 0, 0 };

	(void)clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t timeval_ns(struct timeval t)
{
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_usec * 1000u;
}

/* --- when it began: found out once, so that the clock's corrections do not move it */

static uint64_t began_ns; /* wall clock; 0: not known */

/* The 22nd word of /proc/self/stat is ticks since the machine started. The 2nd is a name, and may have
 * anything in it. */
static uint64_t ticks_at_start(void)
{
	FILE *f = fopen("/proc/self/stat", "re");
	unsigned long long ticks = 0;
	char line[1024], *at = NULL;

	if (!f)
		return 0;
	if (fgets(line, sizeof(line), f))
		at = strrchr(line, ')');
	for (int word = 2; at && word < 22; word++)
		at = strchr(at + 1, ' ');
	if (at)
		ticks = strtoull(at, NULL, 10);
	fclose(f);
	return ticks;
}

static void find_began(void)
{
	uint64_t ticks = ticks_at_start();
	long hz = sysconf(_SC_CLK_TCK);

	if (ticks > 0 && hz > 0)
		began_ns = clock_ns(CLOCK_REALTIME) -
			   (clock_ns(CLOCK_BOOTTIME) - ticks * 1000000000u / (uint64_t)hz);
}

/* --- figures */

static void put_memory(struct sheet *s)
{
	FILE *f = fopen("/proc/self/statm", "re");
	uint64_t pages[2] = { 0, 0 }, page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
	bool known = f && fscanf(f, "%" SCNu64 " %" SCNu64, &pages[0], &pages[1]) == 2;

	if (f)
		fclose(f);
	sheet_metric(s, "process_virtual_memory_bytes", SHEET_GAUGE, "Virtual memory size in bytes.");
	if (known)
		sheet_count(s, pages[0] * page_bytes, NULL);
	sheet_metric(s, "process_resident_memory_bytes", SHEET_GAUGE, "Resident memory size in bytes.");
	if (known)
		sheet_count(s, pages[1] * page_bytes, NULL);
}

static void put_descriptors(struct sheet *s)
{
	DIR *dir = opendir("/proc/self/fd");
	struct rlimit limit;
	struct dirent *e;
	uint64_t n = 0;

	while (dir && (e = readdir(dir)))
		n += e->d_name[0] != '.';
	sheet_metric(s, "process_open_fds", SHEET_GAUGE, "Number of open file descriptors.");
	if (dir) {
		sheet_count(s, n - 1, NULL); /* without the one that counts */
		closedir(dir);
	}
	sheet_metric(s, "process_max_fds", SHEET_GAUGE, "Maximum number of open file descriptors.");
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		sheet_count(s, limit.rlim_cur, NULL);
}

void process_sheet(struct sheet *s)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	const char *version = strrchr(hf_version(), ' ');
	struct rusage used;

	(void)pthread_once(&once, find_began);
	sheet_metric(s, "holdfast_build_info", SHEET_GAUGE, "Always 1; the version is a label.");
	sheet_count(s, 1, "version", version ? version + 1 : hf_version(), NULL);
	sheet_metric(s, "process_cpu_seconds_total", SHEET_COUNTER,
		     "Total user and system CPU time spent in seconds.");
	if (getrusage(RUSAGE_SELF, &used) == 0)
		sheet_seconds(s, timeval_ns(used.ru_utime) + timeval_ns(used.ru_stime), NULL);
	put_memory(s);
	put_descriptors(s);
	sheet_one_time(s, "process_start_time_seconds", began_ns,
		       "Start time of the process since unix epoch in seconds.");
}
