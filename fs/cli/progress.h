/* SPDX-License-Identifier: MIT */
/*
 * One line on stderr that says how far something has got (layer 6): only on a terminal, only when it takes
 * longer than a second, and wiped at the end. Not thread-safe.
 */
#ifndef FS_CLI_PROGRESS_H
#define FS_CLI_PROGRESS_H

#include <stdbool.h>

#include "holdfast/store.h"

struct progress {
	double start, shown; /* seconds of the monotonic clock */
	bool visible;
};

/* For the library: give it the result; the progress must outlive its use. */
struct hf_progress progress_begin(struct progress *p);
/* The same by hand. `what` is a few words; total 0: not known. */
void progress_show(struct progress *p, const char *what, uint64_t done, uint64_t total);
void progress_end(struct progress *p); /* may be called twice */

double progress_now(void); /* seconds of the monotonic clock */

#endif
