/* SPDX-License-Identifier: MIT */
/*
 * Versioned values (layer 3): what a key's value was at any moment.
 *
 * Every versioned value begins with the varint tid of the operation that made it. The present one is in
 * INDEX_HEAD; one that was replaced or deleted is in INDEX_PAST under its key and, big-endian, the tid that
 * ended it. So the value at T is the first past one that ended after T, if it had begun by then; else the
 * present one, if it had.
 */
#ifndef STORE_TREE_PAST_H
#define STORE_TREE_PAST_H

#include "holdfast/view.h"
#include "store/index/index.h"
#include "store/tree/keys.h"

/* The tid a versioned value begins with. -EUCLEAN. */
MUST_USE int past_value_tid(struct span value, uint64_t *ret);

/* The value of key at tid (HF_TID_HEAD: now) into out. 1, 0 (was not there), negative. */
MUST_USE int past_get(struct index *x, uint64_t tid, const struct key *key, struct buf *out,
		      struct hf_error *err);

/* And whether it is so to this day. */
MUST_USE int past_get_held(struct index *x, uint64_t tid, const struct key *key, struct buf *out,
			   bool *ret_holds, struct hf_error *err);

/*
 * Keys from <= key < to at tid, ascending, each with its value then, until `each` returns non-zero or they
 * end. Spans are borrowed for the call. Returns 0, what each returned, or negative.
 */
typedef int past_each_fn(void *arg, struct span key, struct span value);
MUST_USE int past_scan(struct index *x, uint64_t tid, struct span from, struct span to, past_each_fn *each,
		       void *arg, struct hf_error *err);

/*
 * The values that a key had at some time behind since and up to until, oldest first or newest first: ended is
 * the tid that ended each, HF_TID_HEAD: none has. Returns 0, what each returned, or negative.
 */
typedef int past_version_fn(void *arg, struct span value, uint64_t from, uint64_t ended);
MUST_USE int past_versions(struct index *x, const struct key *key, uint64_t since, uint64_t until,
			   bool newest_first, past_version_fn *each, void *arg, struct hf_error *err);

#endif
