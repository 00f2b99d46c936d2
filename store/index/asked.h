/* SPDX-License-Identifier: MIT */
/*
 * What RocksDB was asked for lately, and what it said: a small value, or that it has none (internal to
 * store/index, layer 2). A name is looked for before it is made or taken away, and again in the doing, and so
 * is its inode; the second time need not ask.
 *
 * What is remembered holds for one state of RocksDB, known by the number of writes begun. A reader notes what
 * it was told with the number it read before it looked into the overlay: a key that was in the overlay at any
 * time since is in no write of that number or before, unless it is still in the overlay (internal.h).
 */
#ifndef STORE_INDEX_ASKED_H
#define STORE_INDEX_ASKED_H

#include <pthread.h>

#include "store/index/map.h"

enum { ASKED_SLOTS = 2048, ASKED_KEY_BYTES = 80, ASKED_VALUE_BYTES = 152 };

struct asked_slot {
	uint64_t writes;
	uint64_t hash;
	uint16_t key_len; /* 0: empty */
	uint16_t value_len;
	bool found;
	uint8_t key[ASKED_KEY_BYTES];
	uint8_t value[ASKED_VALUE_BYTES];
};

struct asked {
	pthread_mutex_t lock; /* a leaf */
	struct asked_slot slots[ASKED_SLOTS];
};

MUST_USE int asked_init(struct asked *a); /* of zeros; 0 or -errno */
void asked_release(struct asked *a);
/*
 * What RocksDB has of the key as it is after this many writes, of which the overlay says nothing: 1 and the
 * value, appended to out; 0, it has none; -ENOENT, that is not known.
 */
int asked_get(struct asked *a, const struct map_key *key, uint64_t writes, struct buf *out);
/* value NULL: it has none. What is too long for a slot is not remembered. */
void asked_note(struct asked *a, const struct map_key *key, uint64_t writes, const struct buf *value);

#endif
