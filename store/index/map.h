/* SPDX-License-Identifier: MIT */
/*
 * An ordered map in memory of keys and what was last said of them (internal to store/index, layer 2). The
 * overlay is one, a batch another.
 *
 * Every key is in a hash table. Only what a scan has walked over is in order too: an entry waits in its
 * space's list of the unsorted until the next scan of that space sorts it into a tree (map_sort). Spaces that
 * are never scanned, and entries that are settled before the next scan, so never pay for an order.
 *
 * The table is divided into small tables by the high bits of the hash, each growing alone, so that no growth
 * holds readers up for long.
 *
 * Invariants
 *  1. An entry is in exactly one table, and in exactly one of its space's tree (sorted) or list (not sorted).
 *  2. An entry in a map has at least one version; versions are in falling order of group, one a group.
 *
 * A map has no lock: its owner's holds.
 */
#ifndef STORE_INDEX_MAP_H
#define STORE_INDEX_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bsd/sys/queue.h>
#include <bsd/sys/tree.h>

#include "store/index/index.h"
#include "store/index/pool.h"

struct entry;

/* One value, or a deletion. Immutable where it is linked. */
struct version {
	uint32_t len;
	bool deleted;
	uint8_t value[];
};

/*
 * A version of a key that may have several, as one group left it: each, but for those of a map with a pool.
 */
struct linked {
	struct linked *older;
	struct entry *entry;
	TAILQ_ENTRY(linked) in_group;
	uint64_t group;
	struct version version;
};
TAILQ_HEAD(linked_list, linked);

/* One key. Space and key are immutable. */
struct entry {
	struct entry *next_hashed;
	struct version *newest;
	union {
		RB_ENTRY(entry) in_tree;
		TAILQ_ENTRY(entry) in_list;
	};
	uint64_t hash;
	uint16_t key_len;
	uint8_t space;
	bool sorted;
	/* the loader's (load.c) */
	bool changed, below, used;
	uint8_t key[];
};
TAILQ_HEAD(entry_list, entry);
RB_HEAD(entry_tree, entry);

struct map_table {
	struct entry **buckets;
	size_t n_buckets; /* a power of two */
	size_t n;
};

struct map {
	struct map_table *tables;
	unsigned table_bits; /* 1 << table_bits tables */
	struct entry_tree sorted[INDEX_SPACES];
	struct entry_list unsorted[INDEX_SPACES];
	uint64_t entries;
	uint64_t bytes; /* of entries and versions, about */
	/* Whose memory they are, one version an entry; NULL: malloc's. Set behind map_init, once. */
	struct pool *pool;
};

/* A key with its space and hash, for look-ups. */
struct map_key {
	const void *data;
	size_t len;
	uint64_t hash;
	enum index_space space;
};

MUST_USE int map_init(struct map *m, unsigned table_bits);
void map_release(struct map *m);    /* frees every entry and version */
void entries_free(struct entry *e); /* linked by next_hashed, with their versions, of a map without a pool */

struct map_key map_key_of(uint64_t seed, enum index_space space, const void *key, size_t key_len);

struct entry *map_find(const struct map *m, const struct map_key *key);
/*
 * Say this of the key, in place of what was said last: for maps of one version an entry. Returns its entry;
 * NULL: no memory, and nothing is changed.
 */
struct entry *map_put(struct map *m, const struct map_key *key, const void *value, size_t len, bool deleted);
void map_forget(struct map *m, struct entry *e); /* remove and free it, with its one version */
/*
 * Remove and free the entries, each with one version, that fn does not want to be kept. The round begins with
 * those whose hash ends as `from` does.
 */
typedef bool map_sweep_fn(void *arg, struct entry *e);
void map_sweep(struct map *m, uint64_t from, map_sweep_fn *fn, void *arg);
void map_insert(struct map *m, struct entry *e); /* its key is not there */
void map_remove(struct map *m, struct entry *e);
/*
 * Empty the map, which has no pool: all its entries, linked by next_hashed, in no order. Memory for about as
 * many is kept.
 */
struct entry *map_take_all(struct map *m);
/*
 * For a map without a pool: hang v into e by its group; returns that of the same group that it replaces, or
 * NULL.
 */
struct linked *map_add_version(struct map *m, struct entry *e, struct linked *v);
/* Unhang v; an entry without versions must then be removed. */
void map_drop_version(struct map *m, struct linked *v);

static inline size_t entry_bytes(const struct entry *e)
{
	return sizeof(*e) + e->key_len;
}

static inline size_t version_bytes(const struct version *v)
{
	return sizeof(*v) + v->len;
}

static inline struct linked *linked_of(struct version *v)
{
	return v ? (struct linked *)(void *)((uint8_t *)v - offsetof(struct linked, version)) : NULL;
}

static inline struct span entry_key(const struct entry *e)
{
	return (struct span){ e->key, e->key_len };
}

/* As memcmp, shorter first when one begins the other. */
int span_compare(struct span a, struct span b);

/* Sort up to max of the space's unsorted entries in. True when none is left. */
bool map_sort(struct map *m, enum index_space space, size_t max);
static inline bool map_is_sorted(const struct map *m, enum index_space space)
{
	return TAILQ_EMPTY(&m->unsorted[space]);
}

/*
 * Of a sorted space: the first entry at or behind key; the last before key (empty key: the last of all). Or
 * NULL.
 */
struct entry *map_at_or_after(struct map *m, enum index_space space, struct span key);
struct entry *map_before(struct map *m, enum index_space space, struct span key);
struct entry *map_next(struct entry *e);
struct entry *map_prev(struct entry *e);

#endif
