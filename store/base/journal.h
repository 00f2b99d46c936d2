/* SPDX-License-Identifier: MIT */
/* Lines for the operator (layer 0), to whoever hf_set_log named. Priorities as syslog(3). */
#ifndef STORE_BASE_JOURNAL_H
#define STORE_BASE_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <syslog.h>

void journal_line(int priority, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * How many lines come of one source whose pace others set. All zeros to begin with; guarded by whoever has
 * it.
 */
enum { JOURNAL_QUOTA_LINES = 20, JOURNAL_QUOTA_S = 60, JOURNAL_NOTE_BYTES = 64 };

struct journal_quota {
	uint64_t since_ns; /* monotonic, of the first line that counts */
	uint32_t lines;
	uint64_t held_back; /* since the last line that was written */
};

/*
 * May one more be written now? Then `note` is what to say before it: how many were not, or will not be; or
 * "".
 */
bool journal_quota_take(struct journal_quota *q, uint64_t mono_ns, char note[JOURNAL_NOTE_BYTES]);

#endif
