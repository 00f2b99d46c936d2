/* SPDX-License-Identifier: MIT */
/*
 * Chunks that the owner may have taken away (FORMAT.md §14): no operation behind RETIRE names them, so equal
 * bytes are stored anew. Kept in INDEX_META as r last-number: varint first number; no two ranges overlap.
 */
#include <errno.h>

#include "store/tree/apply.h"

struct retired {
	uint64_t first, last;
};

static struct key after_all(void)
{
	return key_after_prefix((struct key){ 1, { 'r' } });
}

static int read_range(const struct index_entry *e, struct retired *ret, struct hf_error *err)
{
	struct cursor c = cursor_of(e->value.data, e->value.len);

	ret->first = cursor_varint(&c);
	if (e->key.len != 9 || cursor_finish(&c) < 0)
		return hf_error_set(err, -EUCLEAN,
				    "the index of retired chunks is damaged: mount with -o rebuild");
	ret->last = get_be64(e->key.data + 1);
	return 0;
}

/* The first range that ends at or behind a chunk: 1, 0 (none), negative. */
static int take_first(int scanned, const struct index_rows *rows, struct retired *ret, struct hf_error *err)
{
	int r = scanned;

	if (r == 0 && rows->n > 0)
		r = read_range(&rows->entries[0], ret, err);
	return r < 0 ? r : rows->n > 0;
}

static int range_behind(struct index *x, uint64_t number, struct retired *ret, struct hf_error *err)
{
	CLEANUP(index_rows_release) struct index_rows rows = INDEX_ROWS_INIT;
	const struct key from = key_number('r', number), to = after_all();
	int r = index_scan(x, INDEX_META, key_span(&from), key_span(&to), 1, 0, &rows, err);

	return take_first(r, &rows, ret, err);
}

static int range_behind_in(struct tx *tx, uint64_t number, struct retired *ret)
{
	CLEANUP(index_rows_release) struct index_rows rows = INDEX_ROWS_INIT;
	const struct key from = key_number('r', number), to = after_all();
	int r = index_batch_scan(tx->batch, INDEX_META, key_span(&from), key_span(&to), 1, 0, &rows, tx->err);

	return take_first(r, &rows, ret, tx->err);
}

static int put_range(struct tx *tx, const struct retired *range)
{
	const struct key key = key_number('r', range->last);

	buf_clear(&tx->value);
	buf_add_varint(&tx->value, range->first);
	if (buf_status(&tx->value) < 0)
		return -ENOMEM;
	index_batch_put(tx->batch, INDEX_META, key.bytes, key.len, tx->value.data, tx->value.len);
	return 0;
}

/*
 * Ranges that are there already and overlap it become a part of it: of one within another, the larger would
 * not be found.
 */
static int retire_range(struct tx *tx, struct retired range)
{
	struct retired there;
	int r;

	while ((r = range_behind_in(tx, range.first, &there)) == 1 && there.first <= range.last) {
		const struct key key = key_number('r', there.last);

		index_batch_delete(tx->batch, INDEX_META, key.bytes, key.len);
		range.first = there.first < range.first ? there.first : range.first;
		range.last = there.last > range.last ? there.last : range.last;
	}
	return r < 0 ? r : put_range(tx, &range);
}

int apply_retire(struct tx *tx)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < tx->op->retire.n; i++) {
		const struct chunk_range *range = &tx->op->retire.ranges[i];

		r = retire_range(tx, (struct retired){ range->first, range->first + (range->n - 1) });
	}
	return r;
}

int tree_chunk_is_retired(struct index *x, uint64_t number, struct hf_error *err)
{
	struct retired range;
	int r = range_behind(x, number, &range, err);

	return r == 1 ? range.first <= number : r;
}

int tree_has_retired(struct index *x, struct hf_error *err)
{
	struct retired range;

	return range_behind(x, 0, &range, err);
}
