/* SPDX-License-Identifier: MIT */
/*
 * Memory for very many small things of one owner (internal to store/index, layer 2): taken from large blocks,
 * with no words between them that say how long they are, and given back to a list of those of the same size.
 * What a pool has taken in all is known to the byte, so that an owner can keep within a bound.
 *
 * A pool has no lock: its owner's thread alone uses it.
 */
#ifndef STORE_INDEX_POOL_H
#define STORE_INDEX_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/pages.h"

enum {
	POOL_STEP = 8,                        /* sizes are rounded up to it */
	POOL_SMALL_BYTES = 512,               /* what is larger is malloc's */
	POOL_BLOCK_BYTES = PAGES_LARGE_BYTES, /* most looks then cost one miss less */
};

struct pool_block;
struct pool_free {
	struct pool_free *next;
};

struct pool {
	struct pool_block *blocks;
	uint8_t *at, *end; /* the rest of the newest block */
	struct pool_free *free[POOL_SMALL_BYTES / POOL_STEP + 1];
	uint64_t used;  /* bytes in what was handed out and not given back */
	uint64_t taken; /* bytes of blocks, and of what is malloc's */
};

/* Zeroed, a pool is ready. NULL: no memory. Aligned to POOL_STEP. */
MUST_USE void *pool_take(struct pool *p, size_t len);
void pool_give(struct pool *p, void *thing, size_t len); /* of the length it was taken with; NULL is fine */
/* Give all blocks back. Everything that was taken has been given. */
void pool_clear(struct pool *p);

/* Would one of these lengths do for the other? */
static inline bool pool_same(size_t a, size_t b)
{
	return (a + POOL_STEP - 1) / POOL_STEP == (b + POOL_STEP - 1) / POOL_STEP;
}

#endif
