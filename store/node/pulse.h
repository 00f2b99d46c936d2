/* SPDX-License-Identifier: MIT */
/*
 * Whether a volume's writer is still there, and whether what it says to have comes (layer 4; PROTOCOL.md §3.3
 * and §9). Times called mono are of the monotonic clock, which alone decides; the wall clock's is for people,
 * and for the next start. Thread-safe.
 */
#ifndef STORE_NODE_PULSE_H
#define STORE_NODE_PULSE_H

#include <pthread.h>

#include "store/log/log.h"

struct pulse {
	pthread_mutex_t lock;
	uint64_t heard_mono_ns, heard_ns; /* all under lock. heard_ns 0: not known */
	uint64_t told_silent_ns;          /* mono; as told_stalled_ns 0: not since it was last well */
	uint64_t said_tid, said_commit, said_mono_ns; /* what the writer says to have */
	uint64_t behind_commit, behind_mono_ns; /* since when the log is less and stands here; 0: it is not */
	uint64_t told_stalled_ns;
	bool changed; /* since it was saved */
};

void pulse_init(struct pulse *p, uint64_t mono_ns); /* as if heard just now */
void pulse_release(struct pulse *p);

/* Its writer has asked something; and, if it says so, this is how far its log is, and `here` the one here. */
void pulse_heard(struct pulse *p, uint64_t mono_ns, uint64_t now_ns);
void pulse_said(struct pulse *p, uint64_t tid, uint64_t commit, uint64_t here, uint64_t mono_ns);

/*
 * For how long nobody has heard of it, when that is longer than the limit; 0 when not, or when that was said
 * less than the limit ago.
 */
uint64_t pulse_silence(struct pulse *p, uint64_t mono_ns, uint64_t limit_ns);
/* The same of a log that stands at commit `here` while its writer, heard within the limit, has more. */
uint64_t pulse_stall(struct pulse *p, uint64_t here, uint64_t mono_ns, uint64_t limit_ns);

/*
 * DIR/heard, DIR being the volume's folder. It is derived: a file that is not there or not good changes
 * nothing, and one that cannot be written is written later. pulse_load is for a pulse that nobody else has
 * yet.
 */
void pulse_load(struct pulse *p, const struct os *os, const char *dir);
void pulse_save(struct pulse *p, const struct os *os, const char *dir);

#endif
