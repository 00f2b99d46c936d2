/* SPDX-License-Identifier: MIT */
/*
 * Carries out what an owner signed, after its delay (layer 4; PROTOCOL.md §10).
 *
 * Invariants
 *  1. Nothing is taken away for a list before its announcement has been raised as an alarm, and this process,
 * or earlier ones together, have waited for as long as its delay since: on the monotonic clock, while
 * serving, while no alarm that freezes was open. The wall clock counts for nothing, and neither does any
 * request.
 *  2. Before each segment: the list still stands (prune_judge), nobody has cancelled it, no alarm freezes it.
 *  3. What is counted is written down every ten minutes; what was not is waited for again.
 */
#ifndef STORE_NODE_PRUNER_H
#define STORE_NODE_PRUNER_H

#include "store/alarm/alarms.h"
#include "store/node/volumes.h"

enum { PRUNER_LOOK_EVERY_S = 10, PRUNER_STEP_S_MAX = 60, PRUNER_SAVE_EVERY_S = 600 };

struct pruner;

struct pruner_options {
	const struct os *os;
	struct volumes *volumes; /* borrowed until pruner_free, as what follows */
	struct alarms *alarms;
	const char *node; /* its name */
	uint64_t delay_s;
};

MUST_USE int pruner_new(const struct pruner_options *o, struct pruner **ret, struct hf_error *err);
/* A thread that looks. -EAGAIN. */
MUST_USE int pruner_start(struct pruner *p, struct hf_error *err);
void pruner_free(struct pruner *p); /* ends the thread, and saves what was waited; NULL is fine */

/* One look, as the thread takes it, at this monotonic time. No more than PRUNER_STEP_S_MAX count since the
 * last. */
void pruner_look(struct pruner *p, uint64_t mono_ns);

#endif
