/* SPDX-License-Identifier: MIT */
#include "store/index/load_run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/pages.h"

enum {
	FIRST_ITEMS = 1024,
	FIRST_BYTES = 64 << 10,
	PREFETCH = 8, /* items ahead: what they say lies anywhere */
};

bool load_run_reserve(struct load_run *r, size_t items, size_t bytes)
{
	void *grown_items = r->items, *grown_bytes = r->bytes;
	bool ok = pages_grow(&grown_items, &r->items_bytes, (r->n + items) * sizeof(*r->items));

	ok = ok && pages_grow(&grown_bytes, &r->cap_bytes, r->len + bytes);
	r->items = grown_items;
	r->bytes = grown_bytes;
	return ok;
}

/* For one more; to twice the size, for it may be moved. */
static bool make_room(struct load_run *r, size_t bytes)
{
	if ((r->n + 1) * sizeof(*r->items) <= r->items_bytes && r->cap_bytes - r->len >= bytes)
		return true;
	return load_run_reserve(r, r->n + FIRST_ITEMS, r->len + FIRST_BYTES + bytes);
}

static struct span item_key(const struct load_run *r, const struct run_item *i)
{
	return (struct span){ r->bytes + i->at, i->key_len };
}

static int item_compare(const void *a, const void *b, void *arg)
{
	const struct run_item *x = a, *y = b;
	int c = prefix_compare(&x->prefix, &y->prefix);

	if (c == 0 && (x->key_len > PREFIX_BYTES || y->key_len > PREFIX_BYTES || x->key_len != y->key_len))
		c = span_compare(item_key(arg, x), item_key(arg, y));
	if (c == 0)
		c = x->at < y->at ? -1 : x->at > y->at;
	return c;
}

bool load_run_add(struct load_run *r, struct span key, struct span value, bool deleted)
{
	struct run_item *i;

	if (!make_room(r, key.len + value.len))
		return false;
	i = &r->items[r->n];
	i->prefix = prefix_of(key.data, key.len);
	i->at = r->len;
	i->key_len = (uint16_t)key.len;
	i->value_len = (uint32_t)value.len;
	i->deleted = deleted;
	memcpy(r->bytes + r->len, key.data, key.len);
	if (value.len)
		memcpy(r->bytes + r->len + key.len, value.data, value.len);
	r->len += key.len + value.len;
	r->unsorted = r->unsorted || (r->n > 0 && item_compare(i - 1, i, r) > 0);
	r->n++;
	return true;
}

void load_run_sort(struct load_run *r)
{
	if (r->unsorted)
		qsort_r(r->items, r->n, sizeof(*r->items), item_compare, r);
	r->unsorted = false;
}

void load_run_clear(struct load_run *r)
{
	r->n = r->len = 0;
	r->unsorted = false;
}

void load_run_release(struct load_run *r)
{
	pages_free(r->bytes, r->cap_bytes);
	pages_free(r->items, r->items_bytes);
	*r = (struct load_run){ 0 };
}

/* Is the next item the same key, said later? */
static bool replaced(const struct load_run *r, size_t k)
{
	const struct run_item *i = &r->items[k];

	return k + 1 < r->n && prefix_compare(&i[0].prefix, &i[1].prefix) == 0 &&
	       span_compare(item_key(r, &i[0]), item_key(r, &i[1])) == 0;
}

void load_run_stage(const struct load_run *r, const struct rocks *rocks, int family,
		    rocksdb_writebatch_t *batch)
{
	for (size_t k = 0; k < r->n; k++) {
		const struct run_item *i = &r->items[k];
		const char *key = (const char *)r->bytes + i->at;

		if (replaced(r, k))
			continue;
		if (i->deleted)
			rocksdb_writebatch_delete_cf(batch, rocks->families[family], key, i->key_len);
		else
			rocksdb_writebatch_put_cf(batch, rocks->families[family], key, i->key_len,
						  key + i->key_len, i->value_len);
	}
}

static void file_fill(const struct load_run *r, rocksdb_sstfilewriter_t *w, char **message)
{
	for (size_t k = 0; k < r->n && !*message; k++) {
		const struct run_item *i = &r->items[k];
		const char *key = (const char *)r->bytes + i->at;

		if (k + PREFETCH < r->n)
			__builtin_prefetch(r->bytes + r->items[k + PREFETCH].at);
		if (replaced(r, k))
			continue;
		if (i->deleted)
			rocksdb_sstfilewriter_delete(w, key, i->key_len, message);
		else
			rocksdb_sstfilewriter_put(w, key, i->key_len, key + i->key_len, i->value_len,
						  message);
	}
	if (!*message)
		rocksdb_sstfilewriter_finish(w, message);
}

int load_run_file(const struct load_run *r, const struct rocks *rocks, int family, const char *path,
		  struct hf_error *err)
{
	rocksdb_options_t *options = rocks_table_options(rocks, family);
	rocksdb_envoptions_t *env = rocksdb_envoptions_create();
	rocksdb_sstfilewriter_t *w = rocksdb_sstfilewriter_create(env, options);
	char *message = NULL;
	int code = 0;

	rocksdb_sstfilewriter_open(w, path, &message);
	if (!message)
		file_fill(r, w, &message);
	if (message)
		code = rocks_error(message, -EIO, "write a file of the index", err);
	rocksdb_sstfilewriter_destroy(w);
	rocksdb_envoptions_destroy(env);
	rocksdb_options_destroy(options);
	return code;
}
