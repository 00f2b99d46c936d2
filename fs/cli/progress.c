/* SPDX-License-Identifier: MIT */
#include "fs/cli/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "fs/cli/output.h"

#define FIRST_AFTER_SECONDS 1.0
#define EVERY_SECONDS 0.1

double progress_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void show(void *arg, const char *what, uint64_t done, uint64_t total)
{
	progress_show(arg, what, done, total);
}

struct hf_progress progress_begin(struct progress *p)
{
	*p = (struct progress){ .start = progress_now() };
	return (struct hf_progress){ .fn = show, .arg = p };
}

static const char bytes_mark[] = ", bytes";

static bool counts_bytes(const char *what)
{
	size_t len = strlen(what), mark = sizeof(bytes_mark) - 1;

	return len > mark && !strcmp(what + len - mark, bytes_mark);
}

static char *amount(bool bytes, uint64_t n, char *out)
{
	return bytes ? output_bytes(n, out) : output_count(n, out);
}

void progress_format(char *out, size_t size, const char *what, uint64_t done, uint64_t total, uint64_t gained,
		     double seconds)
{
	const bool bytes = counts_bytes(what);
	const int words = (int)(strlen(what) - (bytes ? sizeof(bytes_mark) - 1 : 0));
	char a[OUTPUT_TEXT_BYTES], b[OUTPUT_TEXT_BYTES];
	double rate = seconds > 0 ? (double)gained / seconds : 0;
	int at = snprintf(out, size, "%.*s: %s", words, what, amount(bytes, done, a));

	if (total > 0 && at >= 0 && (size_t)at < size)
		at += snprintf(out + at, size - (size_t)at, " of %s (%.0f %%)", amount(bytes, total, a),
			       100.0 * (double)(done < total ? done : total) / (double)total);
	if (rate >= 1 && at >= 0 && (size_t)at < size)
		at += snprintf(out + at, size - (size_t)at, ", %s%s", amount(bytes, (uint64_t)rate, b),
			       bytes ? "/s" : " a second");
	if (rate > 0 && total > done && at >= 0 && (size_t)at < size)
		(void)snprintf(out + at, size - (size_t)at, ", %s left",
			       output_duration((double)(total - done) / rate, a));
}

/* Another thing is being done, or the same is begun anew: what came before says nothing of its pace. */
static void follow_phase(struct progress *p, const char *what, uint64_t done, double now)
{
	if (p->phase_start > 0 && !strncmp(p->what, what, sizeof(p->what) - 1) && done >= p->phase_done)
		return;
	(void)snprintf(p->what, sizeof(p->what), "%s", what);
	p->phase_start = now;
	p->phase_done = done;
}

static bool can_wipe(void)
{
	const char *term = getenv("TERM");

	return isatty(STDERR_FILENO) && !(term && !strcmp(term, "dumb"));
}

static int columns(void)
{
	struct winsize w;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 1 ? w.ws_col - 1 : 79;
}

void progress_show(struct progress *p, const char *what, uint64_t done, uint64_t total)
{
	double now = progress_now();
	char line[256];

	follow_phase(p, what, done, now);
	if (now - p->start < FIRST_AFTER_SECONDS || now - p->shown < EVERY_SECONDS || !can_wipe())
		return;
	p->shown = now;
	p->visible = true;
	progress_format(line, sizeof(line), what, done, total, done - p->phase_done, now - p->phase_start);
	fprintf(stderr, "\r\033[K%.*s", columns(), line);
	fflush(stderr);
}

void progress_end(struct progress *p)
{
	if (p->visible)
		fputs("\r\033[K", stderr);
	p->visible = false;
}
