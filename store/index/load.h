/* SPDX-License-Identifier: MIT */
/*
 * What the loader and the batches it hands out share (internal to store/index, layer 2). The contract is in
 * index.h.
 *
 * How a long row of operations gets into RocksDB faster than by writing each batch:
 *
 * - Changes are gathered for many operations (a *cycle*), so that a key that changes often is written once.
 * - What is only ever added and never read by an operation (the past, chunks, their names) does not go
 *   through a memtable: it is gathered in a *run*, sorted, written as a table file and ingested.
 * - While one cycle is written by the loader's thread, the next is staged. Reads then see the batch of the
 *   present cycle, the batch of the one before (frozen while it is being written, and kept as a cache until
 *   the next), RocksDB.
 *
 * A crash finds in the files the state of some cycle and all it led to, and perhaps runs of the cycle behind
 * it: those are ingested first. They do no harm, for replaying that cycle again adds the same keys with the
 * same values, and nobody looks at the past before that is done.
 */
#ifndef STORE_INDEX_LOAD_H
#define STORE_INDEX_LOAD_H

#include "store/index/index.h"

struct index_load;

/* Is it gathered in a run? */
static inline bool load_takes(enum index_space space)
{
	return space == INDEX_PAST || space == INDEX_CHUNK || space == INDEX_NAME;
}

/* Add to the present cycle's run of the space. False: no memory. */
bool load_put(struct index_load *l, enum index_space space, const void *key, size_t key_len,
	      const void *value, size_t value_len);

/* The batch of the cycle before, or NULL: what is not in b is looked up there next. */
struct index_batch *load_frozen(struct index_load *l, const struct index_batch *b);

/* Wait until RocksDB has the cycle before. 0, or what its writing failed of. */
MUST_USE int load_settle(struct index_load *l, struct hf_error *err);

#endif
