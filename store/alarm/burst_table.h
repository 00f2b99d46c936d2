/* SPDX-License-Identifier: MIT */
/*
 * What a burst remembers of names and inodes (layer 4): a table of a fixed size in which the oldest give way.
 * So a key may be forgotten early, when very much happens; it is never found when it was not put.
 */
#ifndef STORE_ALARM_BURST_TABLE_H
#define STORE_ALARM_BURST_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/alarm/burst.h"

enum { BURST_SLOTS = 8192, BURST_PROBES = 8 };

enum burst_key_kind {
	BURST_KEY_INODE = 1,
	BURST_KEY_REMOVED,
	BURST_KEY_REMOVED_STEM,
	BURST_KEY_MADE,
	BURST_KEY_ENDING
};

struct burst_slot {
	uint64_t key;
	uint64_t ino, size;
	struct burst_op op; /* by which it happened */
	uint64_t bucket;    /* never 0 */
	bool young;
};

/* What is searched stands close together: a search misses few cache lines. */
struct burst_table {
	uint64_t keys[BURST_SLOTS];
	uint64_t buckets[BURST_SLOTS]; /* 0: a free slot */
	struct burst_slot slots[BURST_SLOTS];
};

/* Of a name in a directory, or an inode alone (name NULL). */
uint64_t burst_key(enum burst_key_kind kind, uint64_t ino, const char *name, size_t len);

/* The slot, put within so many buckets up to now; NULL. */
const struct burst_slot *burst_table_find(const struct burst_table *t, uint64_t key, uint64_t now,
					  uint64_t buckets);
void burst_table_drop(struct burst_table *t, const struct burst_slot *slot); /* one that was found */
/* In the place of an older one of this key, of a free slot, or of the oldest near by. */
void burst_table_put(struct burst_table *t, const struct burst_slot *slot);

#endif
