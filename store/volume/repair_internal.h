/* SPDX-License-Identifier: MIT */
/*
 * A repair (internal to store/volume, layer 4): repair.c looks at a store and heals it, repair_copies.c
 * compares its copies with it and heals those.
 */
#ifndef HOLDFAST_STORE_VOLUME_REPAIR_INTERNAL_H
#define HOLDFAST_STORE_VOLUME_REPAIR_INTERNAL_H

#include "holdfast/damage.h"
#include "store/replica/copies.h"
#include "store/volume/check.h"

struct repair {
	const struct os *os;
	const char *path;
	const char *log_dir;
	struct hf_store *store; /* NULL: at rest, and its lock is held here, */
	bool shared;            /* but only to read: what is found is not noted */
	const struct hf_repair_options *o;
	struct volume_descriptor descriptor;
	struct keyring *own_keys;
	const struct keyring *keys;
	struct copies copies;
	struct grants grants;
	struct known known;    /* of its log, at the last look */
	struct buf bad;        /* of uint32_t: numbers of damaged segments, as they are found */
	struct log_point end;  /* of the log; of one at rest its segment alone is used */
	struct buf said;       /* lines that were told, each with its NUL */
	struct verified *seen; /* damage, at the last look, */
	uint64_t looked_ns;    /* which began then */
	struct hf_repair *sum;
	bool changed;
};

/* To whoever asked for the repair. */
void repair_say_found(void *arg, const char *what);
/* is_new: of a copy; what is wrong in the store itself is counted by looking at it. */
__attribute__((format(printf, 3, 4))) void repair_say(struct repair *p, bool is_new, const char *fmt, ...);

/* The highest number of a segment in DIR/log; 0: there is none. */
MUST_USE int repair_last_segment(struct repair *p, const char *dir, uint32_t *ret, struct hf_error *err);

/* One of p->copies against the log, and, where that is asked for, healed by it. */
void repair_compare_copy(struct repair *p, const struct copy *copy);

#endif
