/* SPDX-License-Identifier: MIT */
/*
 * What goes into one write to RocksDB, in order of space and key (internal to store/index, layer 2): a
 * memtable is a skip list, and takes keys that come in order at half the price.
 */
#ifndef STORE_INDEX_ORDER_H
#define STORE_INDEX_ORDER_H

#include "store/index/map.h"

enum { PREFIX_BYTES = 32 }; /* all of an inode's or a block's key, with the tid that ended it */

/* A key's first bytes, big-endian: most comparisons end with them, and touch nothing else. */
struct prefix {
	uint64_t word[PREFIX_BYTES / 8];
};
struct prefix prefix_of(const void *key, size_t len);

static inline int prefix_compare(const struct prefix *x, const struct prefix *y)
{
	for (size_t k = 0; k < PREFIX_BYTES / 8; k++)
		if (x->word[k] != y->word[k])
			return x->word[k] < y->word[k] ? -1 : 1;
	return 0;
}

struct ordered {
	struct prefix prefix;
	const struct linked *linked; /* borrowed */
	uint32_t space;              /* of its entry: comparing does not go there */
};
struct order {
	struct ordered *items;
	size_t n, cap;
};
MUST_USE int order_add(struct order *o, const struct linked *v); /* -ENOMEM */
void order_sort(struct order *o);
void order_release(struct order *o);

#endif
