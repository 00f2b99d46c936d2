/* SPDX-License-Identifier: MIT */
/*
 * What nobody reports when it goes wrong (layer 4; PROTOCOL.md §9): a volume that has gone silent, for
 * whatever reason, or whose log stands still while its writer has more, a clock that jumps, and a disk that
 * is filling up. A thread looks once a minute, more often when the limits are short, and raises alarms.
 */
#ifndef STORE_NODE_WATCH_H
#define STORE_NODE_WATCH_H

#include "store/alarm/alarms.h"
#include "store/node/volumes.h"

enum { WATCH_FREE_PERCENT = 10, WATCH_CLOCK_JUMP_S = 30, WATCH_SPACE_AGAIN_S = 86400 };

struct watch;

struct watch_options {
	const struct os *os;
	const char *dir; /* this and what follows is borrowed until watch_stop */
	struct volumes *volumes;
	struct alarms *alarms;
	uint64_t silent_after_ns, stalled_after_ns;
};

/* -ENOMEM, -EAGAIN. */
MUST_USE int watch_start(const struct watch_options *o, struct watch **ret, struct hf_error *err);
void watch_stop(struct watch *w); /* writes down when each volume was heard; NULL is fine */

/* One look, as the thread takes it, at this monotonic time and wall clock. */
void watch_look(struct watch *w, uint64_t mono_ns, uint64_t now_ns);

#endif
