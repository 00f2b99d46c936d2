/* SPDX-License-Identifier: MIT */
/*
 * Which keys may be there (internal to store/index, layer 2): a Bloom filter in blocks of a cache line, so
 * that a look costs one miss (Putze, Sanders, Singler, "Cache-, Hash- and Space-Efficient Bloom Filters",
 * 2007). It says yes of every key added, and of few others while there are eight bits a key or more.
 */
#ifndef STORE_INDEX_FILTER_H
#define STORE_INDEX_FILTER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

enum { FILTER_WORDS = 8, FILTER_PROBES = 6, FILTER_PLACE_BITS = 9 };

/* Zeroed: nothing is in it, and nothing can be added. */
struct filter {
	uint64_t (*blocks)[FILTER_WORDS];
	uint64_t mask; /* blocks - 1 */
};

/* The largest power of two up to `bytes`. False: no memory. */
static inline bool filter_init(struct filter *f, uint64_t bytes)
{
	uint64_t blocks = 1;

	while (blocks * 2 * sizeof(*f->blocks) <= bytes)
		blocks *= 2;
	f->blocks = calloc(blocks, sizeof(*f->blocks));
	f->mask = blocks - 1;
	return f->blocks != NULL;
}

static inline void filter_release(struct filter *f)
{
	free(f->blocks);
	*f = (struct filter){ NULL, 0 };
}

/* The n-th place of a hash in its block, of which all bits are as good as random. */
static inline unsigned filter_place(uint64_t hash, unsigned n)
{
	return (unsigned)((hash * 0x9e3779b97f4a7c15u) >> (n * FILTER_PLACE_BITS)) & (FILTER_WORDS * 64 - 1);
}

static inline void filter_add(struct filter *f, uint64_t hash)
{
	uint64_t *block = f->blocks[(hash >> 32) & f->mask];

	for (unsigned n = 0; n < FILTER_PROBES; n++)
		block[filter_place(hash, n) / 64] |= UINT64_C(1) << filter_place(hash, n) % 64;
}

static inline bool filter_has(const struct filter *f, uint64_t hash)
{
	const uint64_t *block;

	if (!f->blocks)
		return false;
	block = f->blocks[(hash >> 32) & f->mask];
	for (unsigned n = 0; n < FILTER_PROBES; n++)
		if (!(block[filter_place(hash, n) / 64] >> filter_place(hash, n) % 64 & 1))
			return false;
	return true;
}

#endif
