/* SPDX-License-Identifier: MIT */
/*
 * A run: changes of one space in the order they were said, to be sorted by key and written in one go
 * (internal to store/index, layer 2). Of a key said several times the last counts.
 *
 * A run has no lock: it is one thread's at a time.
 */
#ifndef STORE_INDEX_LOAD_RUN_H
#define STORE_INDEX_LOAD_RUN_H

#include "store/index/order.h"
#include "store/index/rocks.h"

struct run_item {
	struct prefix prefix;
	uint64_t at; /* of key and value, in the run's bytes; rises with time */
	uint32_t value_len;
	uint16_t key_len;
	bool deleted;
};

struct load_run {
	uint8_t *bytes;
	size_t len, cap_bytes;
	struct run_item *items;
	size_t n, items_bytes; /* of memory */
	bool unsorted;         /* the keys have not come in rising order */
};

/* Room for so many items of so many bytes. False: no memory, as below. */
bool load_run_reserve(struct load_run *r, size_t items, size_t bytes);
/* At the end of it. False: no memory, and the run is as it was. */
bool load_run_add(struct load_run *r, struct span key, struct span value, bool deleted);
void load_run_sort(struct load_run *r);
void load_run_clear(struct load_run *r);   /* memory is kept */
void load_run_release(struct load_run *r); /* and empty again */

static inline uint64_t load_run_memory(const struct load_run *r)
{
	return r->len + r->n * sizeof(*r->items);
}

/*
 * Of a sorted run: into a write to the family; or as a table file of it, at path.
 */
void load_run_stage(const struct load_run *r, const struct rocks *rocks, int family,
		    rocksdb_writebatch_t *batch);
MUST_USE int load_run_file(const struct load_run *r, const struct rocks *rocks, int family, const char *path,
			   struct hf_error *err);

#endif
