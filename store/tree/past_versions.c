/* SPDX-License-Identifier: MIT */
/*
 * All the values that one key had. What it is now is read first: it may move to the past while that is read,
 * and then is there too, and told once; what has followed it since then is not told.
 */
#include <errno.h>

#include "store/tree/past.h"

enum {
	ROWS_AT_FIRST = 16, /* who asks for the newest mostly wants few; */
	ROWS_GROW = 4,      /* then so many times as many, */
	ROWS_AT_ONCE = 256, /* up to this */
	TID_BYTES = 8,
};

struct versions {
	uint64_t until;
	uint64_t head_from; /* of what it is now; UINT64_MAX: it is not */
	past_version_fn *each;
	void *arg;
	struct hf_error *err;
};

static int not_index(struct hf_error *err)
{
	return hf_error_set(err, -EUCLEAN, "the index is damaged: unmount and mount with -o rebuild");
}

static int tell_row(struct versions *v, const struct index_entry *e)
{
	uint64_t from;

	if (e->key.len < TID_BYTES || past_value_tid(e->value, &from) < 0)
		return not_index(v->err);
	if (from > v->until || from >= v->head_from)
		return 0;
	return v->each(v->arg, e->value, from, get_be64(e->key.data + e->key.len - TID_BYTES));
}

/* The last of the rows that can be told: of all that ended after until, the first to end alone had begun by
 * then. */
static int find_last(struct index *x, const struct key *key, uint64_t until, struct key *to,
		     struct hf_error *err)
{
	CLEANUP(index_rows_release) struct index_rows rows = INDEX_ROWS_INIT;
	struct key from = *key;
	uint64_t ended;
	int r;

	if (until >= UINT64_MAX - 1)
		return 0;
	key_add_be64(&from, until + 1);
	r = index_scan(x, INDEX_PAST, key_span(&from), key_span(to), 1, 0, &rows, err);
	if (r < 0 || rows.n == 0)
		return r;
	if (rows.entries[0].key.len < TID_BYTES)
		return not_index(err);
	ended = get_be64(rows.entries[0].key.data + rows.entries[0].key.len - TID_BYTES);
	if (ended != UINT64_MAX)
		put_be64(to->bytes + to->len - TID_BYTES, ended + 1);
	return 0;
}

static int tell_past(struct versions *v, struct index *x, const struct key *key, uint64_t since,
		     bool newest_first)
{
	CLEANUP(index_rows_release) struct index_rows rows = INDEX_ROWS_INIT;
	struct key from = *key, to = *key;
	size_t at_once = newest_first ? ROWS_AT_FIRST : ROWS_AT_ONCE;
	int r = 0;

	if (since == UINT64_MAX)
		return 0;
	key_add_be64(&from, since + 1);
	key_add_be64(&to, UINT64_MAX);
	if (newest_first && v->head_from > v->until) /* else all that are past had ended by then */
		r = find_last(x, key, v->until, &to, v->err);
	while (r == 0) {
		r = index_scan(x, INDEX_PAST, key_span(&from), key_span(&to), at_once,
			       newest_first ? INDEX_REVERSE : 0, &rows, v->err);
		for (size_t k = 0; r == 0 && k < rows.n; k++)
			r = tell_row(v, &rows.entries[k]);
		if (r != 0 || !rows.more || rows.n == 0)
			break;
		const struct span last = rows.entries[rows.n - 1].key;
		struct key *edge = newest_first ? &to : &from;

		memcpy(edge->bytes, last.data, last.len);
		edge->len = last.len;
		if (!newest_first) /* the next greater one of this length */
			put_be64(edge->bytes + edge->len - TID_BYTES,
				 get_be64(edge->bytes + edge->len - TID_BYTES) + 1);
		at_once = at_once * ROWS_GROW < ROWS_AT_ONCE ? at_once * ROWS_GROW : ROWS_AT_ONCE;
	}
	return r;
}

int past_versions(struct index *x, const struct key *key, uint64_t since, uint64_t until, bool newest_first,
		  past_version_fn *each, void *arg, struct hf_error *err)
{
	struct versions v = { until, UINT64_MAX, each, arg, err };
	CLEANUP(buf_release) struct buf head = BUF_INIT;
	struct span now;
	int r = index_get(x, INDEX_HEAD, key->bytes, key->len, &head, err);
	bool is_there = r == 1;

	if (r < 0)
		return r;
	now = (struct span){ head.data, head.len };
	if (is_there && past_value_tid(now, &v.head_from) < 0)
		return not_index(err);
	is_there = is_there && v.head_from <= until;
	r = is_there && newest_first ? each(arg, now, v.head_from, HF_TID_HEAD) : 0;
	if (r == 0)
		r = tell_past(&v, x, key, since, newest_first);
	if (r == 0 && is_there && !newest_first)
		r = each(arg, now, v.head_from, HF_TID_HEAD);
	return r;
}
