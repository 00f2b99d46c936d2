/* SPDX-License-Identifier: MIT */
/*
 * What RocksDB has of keys of the head that were read or settled lately: a small value, or that it has none
 * (internal to store/index, layer 2). What is written is looked up before it is written again, a block's
 * list, an inode, a name, and a look into RocksDB takes some microseconds.
 *
 * Sets of a few slots each, found by the key's hash. A set counts how often one of its keys was settled.
 *
 * Why a slot is never older than RocksDB, though readers hold no lock while they read:
 *
 * - Who settles tells each value before it is written to RocksDB. Until it is, and is dropped from the
 *   overlay behind that, the overlay hides the slot.
 * - A reader notes what RocksDB said with the set's count of before it looked into the overlay. When that has
 *   changed, what RocksDB said may be of before the write, and is not kept.
 */
#ifndef STORE_INDEX_RECENT_H
#define STORE_INDEX_RECENT_H

#include <pthread.h>
#include <stdatomic.h>

#include "store/index/map.h"

enum { RECENT_SLOTS = 4, RECENT_BYTES = 230, RECENT_LOCKS = 16 };

struct recent_slot {
	uint64_t hash;
	uint32_t epoch;   /* of another one: forgotten */
	uint16_t key_len; /* 0: empty */
	uint16_t value_len;
	bool found;
	bool used;                   /* since a place was looked for last */
	uint8_t bytes[RECENT_BYTES]; /* key, value */
};

struct recent_set {
	_Atomic uint32_t told; /* changes under lock */
	uint32_t next;         /* slot to be given up, unless it was used */
	struct recent_slot slots[RECENT_SLOTS];
};

struct recent {
	struct recent_set *sets;
	size_t n_sets; /* a power of two */
	_Atomic uint32_t epoch;
	pthread_mutex_t locks[RECENT_LOCKS]; /* leaves; each of the sets whose number ends so */
};

/* Of zeros. Takes at most a sixteenth of budget_bytes, or half a MiB. 0 or -errno. */
MUST_USE int recent_init(struct recent *r, uint64_t budget_bytes);
void recent_release(struct recent *r);
size_t recent_bytes(const struct recent *r);

/* For recent_note; read before the overlay is looked into. */
uint64_t recent_mark(const struct recent *r, const struct map_key *key);
/*
 * What RocksDB has of the key, of which the overlay says nothing: 1 and the value, appended to out; 0, it has
 * none; -ENOENT, that is not known.
 */
int recent_get(struct recent *r, const struct map_key *key, struct buf *out);
/* RocksDB said this. Value NULL: it has none. What is too long for a slot is not remembered. */
void recent_note(struct recent *r, const struct map_key *key, const struct span *value, uint64_t mark);
/* This is about to be written to RocksDB, as above. */
void recent_tell(struct recent *r, const struct map_key *key, const struct span *value);
/* RocksDB has been changed otherwise, and nobody read meanwhile: nothing is known any more. */
void recent_forget(struct recent *r);

#endif
