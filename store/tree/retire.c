/* SPDX-License-Identifier: MIT */
/*
 * Chunks that the owner may have taken away (FORMAT.md §14): no operation behind RETIRE names them, so equal
 * bytes are stored anew. Kept in INDEX_META as r last-number: varint first number.
 */
#include <errno.h>

#include "store/tree/apply.h"

int apply_retire(struct tx *tx)
{
	for (size_t i = 0; i < tx->op->retire.n; i++) {
		const struct chunk_range *range = &tx->op->retire.ranges[i];
		struct key key = key_number('r', range->first + (range->n - 1));

		buf_clear(&tx->value);
		buf_add_varint(&tx->value, range->first);
		if (buf_status(&tx->value) < 0)
			return -ENOMEM;
		index_batch_put(tx->batch, INDEX_META, key.bytes, key.len, tx->value.data, tx->value.len);
	}
	return 0;
}

/* The first range that ends at or behind this chunk: 1, 0 (none), negative. */
static int range_behind(struct index *x, uint64_t number, uint64_t *ret_first, struct hf_error *err)
{
	CLEANUP(index_rows_release) struct index_rows rows = INDEX_ROWS_INIT;
	struct key from = key_number('r', number), to = key_after_prefix((struct key){ 1, { 'r' } });
	struct cursor c;
	int r = index_scan(x, INDEX_META, key_span(&from), key_span(&to), 1, 0, &rows, err);

	if (r < 0 || rows.n == 0)
		return r;
	c = cursor_of(rows.entries[0].value.data, rows.entries[0].value.len);
	*ret_first = cursor_varint(&c);
	if (cursor_finish(&c) < 0)
		return hf_error_set(err, -EUCLEAN,
				    "the index of retired chunks is damaged: mount with -o rebuild");
	return 1;
}

int tree_chunk_is_retired(struct index *x, uint64_t number, struct hf_error *err)
{
	uint64_t first;
	int r = range_behind(x, number, &first, err);

	return r == 1 ? first <= number : r;
}

int tree_has_retired(struct index *x, struct hf_error *err)
{
	uint64_t first;

	return range_behind(x, 0, &first, err);
}
