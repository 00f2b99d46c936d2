/* SPDX-License-Identifier: MIT */
/*
 * What the loader and the batch it hands out share (internal to store/index, layer 2). The contract is in
 * index.h.
 *
 * How a long row of operations gets into RocksDB faster than by writing each batch:
 *
 * - What is read again (the head) and changes again (and META) stays in the batch's map, from operation to
 *   operation, as long as memory lasts: a key that changes often is written once in a while, and reading it
 *   does not go to RocksDB. Where the index was empty to begin with, a filter of what has left the map tells
 *   of most keys that are not in the map that they are nowhere.
 * - Nothing but a little, and the head where memory is little, goes through a memtable: what is only ever
 *   added and never read by an operation (the past, chunks, their names), and what has changed of the head,
 *   is gathered in a *run*, sorted, written as a table file and ingested.
 * - While one *cycle* (runs, and from time to time all that has changed in the map, with the state it leads
 *   to) is written by the loader's thread, the next is staged. The map gives up only what has been written.
 *
 * A crash finds in the files the state of some cycle and all it led to, and perhaps runs of what is only
 * added of the cycles behind it. They do no harm, for replaying those cycles again adds the same keys with
 * the same values, and nobody looks at the past before that is done. The head's file and the state that it
 * leads to are no single write: between them the index is marked as torn (rocks.h), and of no use after a
 * crash.
 */
#ifndef STORE_INDEX_LOAD_H
#define STORE_INDEX_LOAD_H

#include "store/index/map.h"

struct index_load;

/* Is it gathered in a run? */
static inline bool load_takes(enum index_space space)
{
	return space == INDEX_PAST || space == INDEX_CHUNK || space == INDEX_NAME;
}

/* Add to the present cycle's run of the space. False: no memory. */
bool load_put(struct index_load *l, enum index_space space, struct span key, struct span value);

/* The batch has said something anew of this entry. False: no memory. */
bool load_changed(struct index_load *l, struct entry *e);

/* May RocksDB know a key of this hash that the batch does not? */
bool load_may_have(const struct index_load *l, uint64_t hash);

#endif
