/* SPDX-License-Identifier: MIT */
/*
 * Keys that RocksDB was asked for lately and does not have (internal to store/index, layer 2). A name is
 * looked for before it is made, and again in its making; the second time need not ask.
 *
 * What is remembered holds for one state of RocksDB, known by the number of writes begun. A reader that finds
 * a key absent notes it with the number it read before it looked into the overlay: a key that was in the
 * overlay at any time since is in no write of that number or before, unless it is still in the overlay
 * (internal.h).
 */
#ifndef STORE_INDEX_ABSENT_H
#define STORE_INDEX_ABSENT_H

#include <pthread.h>

#include "store/index/map.h"

enum { ABSENT_SLOTS = 64, ABSENT_KEY_BYTES = 80 };

struct absent_slot {
	uint64_t writes;
	uint64_t hash;
	uint16_t key_len; /* 0: empty */
	uint8_t key[ABSENT_KEY_BYTES];
};

struct absent {
	pthread_mutex_t lock; /* a leaf */
	struct absent_slot slots[ABSENT_SLOTS];
};

MUST_USE int absent_init(struct absent *a); /* of zeros; 0 or -errno */
void absent_release(struct absent *a);
/* Is the key known to be absent from RocksDB as it is after this many writes? Asked behind the overlay. */
bool absent_known(struct absent *a, const struct map_key *key, uint64_t writes);
void absent_note(struct absent *a, const struct map_key *key, uint64_t writes);

#endif
