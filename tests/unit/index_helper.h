/* SPDX-License-Identifier: MIT */
/* Opening an index, and changing it as a store does, in tests. A failure fails the test. */
#ifndef TESTS_UNIT_INDEX_HELPER_H
#define TESTS_UNIT_INDEX_HELPER_H

#include "store/index/rocks.h"

struct rocks *rocks_of(struct index *x);

/* With a small cache. The state it is at into ret_state (cleared first; NULL: not wanted). */
struct index *open_index(const char *dir, struct buf *ret_state);
/* … that must be at this state; NULL: at none. */
struct index *open_index_at(const char *dir, const char *want_state);
struct index *open_index_passing(const char *dir, const char *want_state); /* nothing of it lasts */

/* The batch's changes, as a group of its own, published and settled with this state. */
void write_group(struct index *x, struct index_batch *b, uint64_t group, const void *state, size_t state_len);

/* The head's value of a key (NULL: none) published as part of a group; and what is read of it. */
void put_one(struct index *x, uint64_t group, const char *key, const char *value);
void check_one(struct index *x, const char *key, const char *value);

#endif
