/* SPDX-License-Identifier: MIT */
#include "fs/cli/progress.h"

#include <stdio.h>
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

void progress_show(struct progress *p, const char *what, uint64_t done, uint64_t total)
{
	double now = progress_now();
	char text[OUTPUT_TEXT_BYTES], whole[OUTPUT_TEXT_BYTES];

	if (now - p->start < FIRST_AFTER_SECONDS || now - p->shown < EVERY_SECONDS || !isatty(STDERR_FILENO))
		return;
	p->shown = now;
	p->visible = true;
	if (total > 0)
		fprintf(stderr, "\r\033[K%s: %s of %s (%.0f %%)", what, output_count(done, text),
			output_count(total, whole), 100.0 * (double)done / (double)total);
	else
		fprintf(stderr, "\r\033[K%s: %s", what, output_count(done, text));
	fflush(stderr);
}

void progress_end(struct progress *p)
{
	if (p->visible)
		fputs("\r\033[K", stderr);
	p->visible = false;
}
