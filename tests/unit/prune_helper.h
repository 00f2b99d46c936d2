/* SPDX-License-Identifier: MIT */
/*
 * For tests of prunes: a store with a past worth pruning, the node that it ships to, and that node's pruner
 * without its thread, by a clock that the test moves.
 */
#ifndef TESTS_UNIT_PRUNE_HELPER_H
#define TESTS_UNIT_PRUNE_HELPER_H

#include "holdfast/prune.h"
#include "holdfast/replica.h"
#include "store/node/pruner.h"
#include "tests/unit/node_helper.h"
#include "tests/unit/store_helper.h"

enum { PAST_BYTES = 1 << 20 };

struct past {
	struct node_fixture node;
	struct store_fixture store;
	uint64_t ino, first, second; /* a file of PAST_BYTES; what it was until `second`, and is since */
	uint8_t *old, *new;
	void *list; /* of what is needed before `second` only */
	size_t len;
	struct hf_prune_plan plan;
};

void past_init(struct past *p); /* up to the plan, which is shipped; the store is closed, the node served */
void past_release(struct past *p);
void past_plan(struct past *p);             /* another list of the same (p->list is it) */
uint64_t past_blocks(const struct past *p); /* of the node's segments, in bytes */
const uint8_t *past_volume(const struct past *p);
/*
 * The store has the new bytes at the head and at `second`, and of the old ones all, or the word that they
 * were pruned.
 */
void past_expect(struct past *p, struct hf_store *store, bool old_is_there);

/* The node, not served, and its pruner. */
struct still {
	struct past *past;
	struct os os; /* whose syncs do nothing */
	struct volumes *volumes;
	struct alarms *alarms;
	struct pruner *pruner;
	uint64_t mono, delay_s;
	char name[65];
};

void still_init(struct still *s, struct past *p);
void still_release(struct still *s);
void still_again(struct still *s);                  /* the process ends, and another begins */
void still_look(struct still *s, uint64_t after_s); /* one look, so much later */
void still_wait(struct still *s, uint64_t days);    /* by looks a minute apart */
struct hf_node_prune still_prune(const struct still *s, uint32_t number);

#endif
