/* SPDX-License-Identifier: MIT */
/*
 * One line on stderr that says how far something has got, how fast it goes and how long it still takes (layer
 * 6): only on a terminal that can wipe it (no TERM=dumb), only when it takes longer than a second, and wiped
 * at the end. Not thread-safe.
 */
#ifndef FS_CLI_PROGRESS_H
#define FS_CLI_PROGRESS_H

#include <stdbool.h>

#include "holdfast/store.h"

struct progress {
	double start, shown; /* seconds of the monotonic clock */
	bool visible;
	char what[48]; /* what is being done; it began at phase_start, with so much done before */
	double phase_start;
	uint64_t phase_done;
};

/* For the library: give it the result; the progress must outlive its use. */
struct hf_progress progress_begin(struct progress *p);
/* The same by hand. `what` is a few words, ending in ", bytes" when bytes are counted (store.h); total 0: not
 * known. */
void progress_show(struct progress *p, const char *what, uint64_t done, uint64_t total);
void progress_end(struct progress *p); /* may be called twice */

double progress_now(void); /* seconds of the monotonic clock */

/*
 * The line's text: `gained` of `done` came in the last seconds. Without a rate when that is 0, without what
 * is left when it cannot be told.
 */
void progress_format(char *out, size_t size, const char *what, uint64_t done, uint64_t total, uint64_t gained,
		     double seconds);

#endif
