/* SPDX-License-Identifier: MIT */
/*
 * Scans: three sources, each in order, merged. Where several have a key the first of them counts: a batch's
 * own changes, the overlay, RocksDB.
 *
 * The overlay's part is copied under the lock, up to as many values as rows are wanted, and no more than
 * COPY_MAX entries. Where the copy was cut off nothing is known of what lies behind it, so no row from behind
 * its end may be given out: the scan ends there, or, when deletions left it no row at all, is made again from
 * there.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/index/internal.h"

enum {
	COPY_MAX = 4096,
	EACH_ROWS = 512,  /* fetched at a time, of all that there are */
	SORT_SLICE = 256, /* entries sorted in under one hold of the lock */
};

enum { OWN, OVERLAY, ROCKS, SOURCES };

struct row {
	struct span key, value;
	bool live; /* the source has not ended */
	bool deleted;
};

struct copy_header {
	uint32_t key_len, value_len;
	bool deleted;
};

struct scan {
	struct index *index;
	struct map *own; /* a batch's changes, or NULL */
	enum index_space space;
	struct span from, to;
	size_t max;
	bool reverse, keys_only;

	struct row heads[SOURCES]; /* next row of each source */
	struct entry *own_at;
	struct buf copied; /* copy_header, key, value, … */
	struct cursor copy_at;
	size_t last_at, last_len; /* the last copied key, in copied */
	bool cut;
	rocksdb_readoptions_t *read;
	rocksdb_iterator_t *iter;
};

static void scan_release(struct scan *s)
{
	if (s->iter)
		rocksdb_iter_destroy(s->iter);
	if (s->read)
		rocksdb_readoptions_destroy(s->read);
	buf_release(&s->copied);
}

/* --- the sources */

static struct entry *first_entry(const struct scan *s, struct map *m)
{
	return s->reverse ? map_before(m, s->space, s->to) : map_at_or_after(m, s->space, s->from);
}

static struct entry *next_entry(const struct scan *s, struct entry *e)
{
	return s->reverse ? map_prev(e) : map_next(e);
}

static bool in_range(const struct scan *s, struct span key)
{
	if (s->reverse)
		return span_compare(key, s->from) >= 0;
	return s->to.len == 0 || span_compare(key, s->to) < 0;
}

static void own_head(struct scan *s)
{
	struct row *head = &s->heads[OWN];

	head->live = s->own_at && in_range(s, entry_key(s->own_at));
	if (!head->live)
		return;
	head->key = entry_key(s->own_at);
	head->value = (struct span){ s->own_at->newest->value, s->own_at->newest->len };
	head->deleted = s->own_at->newest->deleted;
}

static void overlay_head(struct scan *s)
{
	struct row *head = &s->heads[OVERLAY];
	struct copy_header h;

	head->live = cursor_left(&s->copy_at) > 0;
	if (!head->live)
		return;
	cursor_copy(&s->copy_at, &h, sizeof(h));
	head->key = (struct span){ cursor_take(&s->copy_at, h.key_len), h.key_len };
	head->value = (struct span){ cursor_take(&s->copy_at, h.value_len), h.value_len };
	head->deleted = h.deleted;
}

static void rocks_head(struct scan *s)
{
	struct row *head = &s->heads[ROCKS];

	head->live = rocksdb_iter_valid(s->iter);
	if (!head->live)
		return;
	head->key.data = (const uint8_t *)rocksdb_iter_key(s->iter, &head->key.len);
	if (!s->keys_only)
		head->value.data = (const uint8_t *)rocksdb_iter_value(s->iter, &head->value.len);
}

static void advance(struct scan *s, int source)
{
	switch (source) {
	case OWN:
		s->own_at = next_entry(s, s->own_at);
		own_head(s);
		break;
	case OVERLAY:
		overlay_head(s);
		break;
	default:
		if (s->reverse)
			rocksdb_iter_prev(s->iter);
		else
			rocksdb_iter_next(s->iter);
		rocks_head(s);
	}
}

/* --- opening them, as of one instant */

static void open_iterator(struct scan *s)
{
	struct rocks *r = &s->index->rocks;

	if (s->iter)
		rocksdb_iter_destroy(s->iter);
	s->iter = rocksdb_create_iterator_cf(r->db, s->read, r->families[s->space]);
}

static void seek_iterator(struct scan *s)
{
	if (!s->reverse && s->from.len)
		rocksdb_iter_seek(s->iter, (const char *)s->from.data, s->from.len);
	else if (!s->reverse)
		rocksdb_iter_seek_to_first(s->iter);
	else /* the upper bound's last, when there is one */
		rocksdb_iter_seek_to_last(s->iter);
	rocks_head(s);
}

/* Take the lock, for reading when the space is in order already. */
static void lock_sorted(struct index *x, enum index_space space)
{
	pthread_rwlock_rdlock(&x->lock);
	if (map_is_sorted(&x->overlay, space))
		return;
	for (;;) {
		pthread_rwlock_unlock(&x->lock);
		pthread_rwlock_wrlock(&x->lock);
		if (map_sort(&x->overlay, space, SORT_SLICE))
			return;
	}
}

static void copy_entry(struct scan *s, const struct entry *e)
{
	const struct version *v = e->newest;
	struct copy_header h;

	memset(&h, 0, sizeof(h)); /* padding too */
	h.key_len = e->key_len;
	h.value_len = s->keys_only ? 0 : v->len;
	h.deleted = v->deleted;
	buf_add(&s->copied, &h, sizeof(h));
	buf_add(&s->copied, e->key, h.key_len);
	s->last_at = s->copied.len - h.key_len;
	s->last_len = h.key_len;
	buf_add(&s->copied, v->value, h.value_len);
}

/* Requires lock, the space sorted. */
static void copy_overlay(struct scan *s)
{
	size_t values = 0, n = 0;

	s->cut = false;
	buf_clear(&s->copied);
	for (struct entry *e = first_entry(s, &s->index->overlay); e && in_range(s, entry_key(e));
	     e = next_entry(s, e), n++) {
		if (values == s->max || n == COPY_MAX || s->copied.failed) {
			s->cut = true;
			return;
		}
		copy_entry(s, e);
		values += !e->newest->deleted;
	}
}

/* Then files that hold no key with this beginning are passed over (rocks_open.c). */
static bool same_prefix(struct span from, struct span to)
{
	return from.len >= ROCKS_PREFIX_BYTES && to.len >= ROCKS_PREFIX_BYTES &&
	       memcmp(from.data, to.data, ROCKS_PREFIX_BYTES) == 0;
}

/* All sources at their first rows. */
static int open_sources(struct scan *s)
{
	struct index *x = s->index;
	uint64_t drops;

	if (!s->read)
		s->read = rocksdb_readoptions_create();
	rocksdb_readoptions_set_iterate_upper_bound(s->read, s->to.len ? (const char *)s->to.data : NULL,
						    s->to.len);
	if (s->reverse && s->from.len)
		rocksdb_readoptions_set_iterate_lower_bound(s->read, (const char *)s->from.data, s->from.len);

	rocksdb_readoptions_set_total_order_seek(s->read, !same_prefix(s->from, s->to));

	drops = atomic_load(&x->drops);
	open_iterator(s);
	lock_sorted(x, s->space);
	if (atomic_load(&x->drops) != drops)
		open_iterator(s);
	copy_overlay(s);
	pthread_rwlock_unlock(&x->lock);
	if (buf_status(&s->copied) < 0)
		return -ENOMEM;

	s->copy_at = cursor_of(s->copied.data, s->copied.len);
	overlay_head(s);
	seek_iterator(s);
	if (s->own) {
		(void)map_sort(s->own, s->space, SIZE_MAX);
		s->own_at = first_entry(s, s->own);
		own_head(s);
	}
	return 0;
}

/* --- merging */

static int first_source(const struct scan *s)
{
	int first = -1;

	for (int i = 0; i < SOURCES; i++) {
		int c;

		if (!s->heads[i].live)
			continue;
		c = first < 0 ? -1 : span_compare(s->heads[i].key, s->heads[first].key);
		if (first < 0 || (s->reverse ? c > 0 : c < 0))
			first = i;
	}
	return first;
}

/* Step over the row of `source`, and the same key's in the sources behind it. */
static void consume(struct scan *s, int source)
{
	struct span key = s->heads[source].key;

	for (int i = SOURCES - 1; i > source; i--)
		if (s->heads[i].live && span_compare(s->heads[i].key, key) == 0)
			advance(s, i);
	advance(s, source);
}

/* The spans' places are set when all bytes are there (rows_finish). */
static int emit(struct scan *s, struct index_rows *rows, const struct row *row)
{
	size_t value_len = s->keys_only ? 0 : row->value.len;

	if (rows->n == rows->cap) {
		size_t cap = rows->cap ? rows->cap * 2 : 16;
		struct index_entry *entries = reallocarray(rows->entries, cap, sizeof(*entries));

		if (!entries)
			return -ENOMEM;
		rows->entries = entries;
		rows->cap = cap;
	}
	buf_add(&rows->bytes, row->key.data, row->key.len);
	buf_add(&rows->bytes, row->value.data, value_len);
	rows->entries[rows->n++] = (struct index_entry){ { NULL, row->key.len }, { NULL, value_len } };
	return buf_status(&rows->bytes);
}

static int merge(struct scan *s, struct index_rows *rows)
{
	for (;;) {
		int source = first_source(s), code;

		if (s->cut && !s->heads[OVERLAY].live) {
			rows->more = true;
			return 0;
		}
		if (source < 0)
			return 0;
		if (!s->heads[source].deleted) {
			code = emit(s, rows, &s->heads[source]);
			if (code < 0)
				return code;
			if (rows->n == s->max) {
				rows->more = true;
				return 0;
			}
		}
		consume(s, source);
	}
}

static void rows_finish(struct index_rows *rows)
{
	const uint8_t *p = rows->bytes.data;

	for (size_t i = 0; i < rows->n; i++) {
		struct index_entry *e = &rows->entries[i];

		e->key.data = p;
		e->value.data = p + e->key.len;
		p += e->key.len + e->value.len;
	}
}

/* Go on from behind the last copied key. It is kept in resume. */
static int move_on(struct scan *s, struct buf *resume)
{
	buf_clear(resume);
	buf_add(resume, s->copied.data + s->last_at, s->last_len);
	if (s->reverse) {
		s->to = (struct span){ resume->data, resume->len };
	} else {
		buf_add_u8(resume, 0);
		s->from = (struct span){ resume->data, resume->len };
	}
	return buf_status(resume);
}

static int walk(struct scan *s, struct index_rows *rows, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf resume = BUF_INIT;
	char *message = NULL;
	int code;

	for (;;) {
		code = open_sources(s);
		if (code == 0)
			code = merge(s, rows);
		if (code < 0)
			return hf_error_set(err, code, "walk the index: no memory");
		rocksdb_iter_get_error(s->iter, &message);
		if (message)
			return rocks_failure(&s->index->rocks, message, -EIO, "walk the index", err);
		if (rows->n > 0 || !s->cut)
			break;
		rows->more = false;
		code = move_on(s, &resume);
		if (code < 0)
			return hf_error_set(err, code, "walk the index: no memory");
	}
	return 0;
}

int scan_run(struct index *x, struct map *own, enum index_space space, struct span from, struct span to,
	     size_t max, unsigned flags, struct index_rows *rows, struct hf_error *err)
{
	CLEANUP(scan_release)
	struct scan s = {
		.index = x,
		.own = own,
		.space = space,
		.from = from,
		.to = to,
		.max = max,
		.copied = BUF_INIT,
		.reverse = flags & INDEX_REVERSE,
		.keys_only = flags & INDEX_KEYS_ONLY,
	};
	int code;

	assert(space < INDEX_SPACES);
	rows->n = 0;
	rows->more = max == 0;
	buf_clear(&rows->bytes);
	if (max == 0 || (to.len && span_compare(from, to) >= 0))
		return 0;
	code = walk(&s, rows, err);
	if (code < 0)
		rows->n = 0;
	rows_finish(rows);
	return code;
}

int index_scan(struct index *x, enum index_space space, struct span from, struct span to, size_t max,
	       unsigned flags, struct index_rows *rows, struct hf_error *err)
{
	return scan_run(x, NULL, space, from, to, max, flags, rows, err);
}

int index_each(struct index *x, enum index_space space, struct span from, struct span to, index_each_fn *each,
	       void *arg, struct hf_error *err)
{
	CLEANUP(index_rows_release) struct index_rows rows = INDEX_ROWS_INIT;
	CLEANUP(buf_release) struct buf behind = BUF_INIT;
	int r;

	do {
		r = index_scan(x, space, from, to, EACH_ROWS, 0, &rows, err);
		for (size_t k = 0; r == 0 && k < rows.n; k++)
			r = each(arg, &rows.entries[k]);
		if (r != 0 || rows.n == 0)
			break;
		buf_clear(&behind);
		buf_add(&behind, rows.entries[rows.n - 1].key.data, rows.entries[rows.n - 1].key.len);
		buf_add_u8(&behind, 0); /* the next key there can be */
		r = buf_status(&behind);
		from = (struct span){ behind.data, behind.len };
	} while (r == 0 && rows.more);
	return r;
}

void index_rows_release(struct index_rows *r)
{
	free(r->entries);
	buf_release(&r->bytes);
	*r = (struct index_rows)INDEX_ROWS_INIT;
}
