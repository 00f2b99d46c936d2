/* SPDX-License-Identifier: MIT */
/*
 * What the files of store/index share (layer 2).
 *
 * How a reader sees one instant though the overlay is locked only while it is copied from:
 *
 * - settle writes a group to RocksDB first and only then drops it from the overlay, in slices; the overlay
 * goes over RocksDB. So a look into the overlay and then into RocksDB misses nothing.
 * - Several keys, or a range: RocksDB must not be newer, in what the overlay did not hold, than the overlay
 * was when it was looked at; nor older than what was dropped from the overlay by then. index_scan opens its
 * iterator first and looks at `drops` under the lock: if nothing was dropped since before the iterator, what
 * the overlay lacks is in the iterator. index_get_many looks at the overlay first and at `writes` afterwards:
 * if no write began in between, RocksDB showed nothing that was not in the overlay at that time.
 *
 * Locks, in order: settling, lock. RocksDB is read and written under settling (which only settlers wait for),
 * never under lock. rocks.flushing is taken with neither held.
 */
#ifndef STORE_INDEX_INTERNAL_H
#define STORE_INDEX_INTERNAL_H

#include "store/index/load.h"
#include "store/index/map.h"
#include "store/index/order.h"
#include "store/index/recent.h"
#include "store/index/rocks.h"

struct group {
	TAILQ_ENTRY(group) in_list;
	uint64_t number;
	struct linked_list versions;
};
TAILQ_HEAD(group_list, group);

struct index {
	struct rocks rocks;
	uint64_t hash_seed; /* immutable */

	pthread_rwlock_t lock;
	struct map overlay;       /* protected by lock */
	struct group_list groups; /* not settled yet, rising; protected by lock */

	pthread_mutex_t settling;
	atomic_uint_fast64_t settled; /* the last group whose settling began: no more publishes to it */
	atomic_uint_fast64_t writes;  /* writes to RocksDB begun */
	atomic_uint_fast64_t drops;   /* slices of dropping begun; changes under lock */
	struct recent recent;
};

struct index_batch {
	struct index *index;
	struct map map;          /* one version an entry */
	struct group *spare;     /* for the next publish that opens a group */
	bool failed;             /* memory ran out */
	struct index_load *load; /* whose batch it is, or NULL */
};

/* Append the entry's newest value to out (nothing for a deletion). 1 there, 0 deleted. */
static inline int entry_value(const struct entry *e, struct buf *out)
{
	const struct version *v = e->newest;

	if (v->deleted)
		return 0;
	buf_add(out, v->value, v->len);
	return 1;
}

/* The scan of index_scan, with a batch's own changes (NULL: none) over the overlay. */
int scan_run(struct index *x, struct map *own, enum index_space space, struct span from, struct span to,
	     size_t max, unsigned flags, struct index_rows *rows, struct hf_error *err);

#endif
