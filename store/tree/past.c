/* SPDX-License-Identifier: MIT */
#include "store/tree/past.h"

#include <errno.h>
#include <string.h>

enum {
	FIRST_ROWS = 32, /* fetched at first: many look at one or two */
	SCAN_ROWS = 256,
	TID_BYTES = 8,
};

int past_value_tid(struct span value, uint64_t *ret)
{
	struct cursor c = cursor_of(value.data, value.len);

	*ret = cursor_varint(&c);
	return cursor_status(&c);
}

static int not_index(struct hf_error *err)
{
	return hf_error_set(err, -EUCLEAN, "the index is damaged: unmount and mount with -o rebuild");
}

/* The first past value that ended behind tid, if it had begun by then: 1, 0, negative. */
static int past_ended_after(struct index *x, uint64_t tid, const struct key *key, struct buf *out,
			    struct hf_error *err)
{
	struct key from = *key, to = *key;
	uint64_t start;
	int r;

	key_add_be64(&from, tid + 1);
	key_add_be64(&to, UINT64_MAX);
	r = index_first(x, INDEX_PAST, key_span(&from), key_span(&to), out, err);
	if (r <= 0)
		return r;
	if (past_value_tid((struct span){ out->data, out->len }, &start) < 0)
		return not_index(err);
	return start <= tid;
}

/*
 * The present first: what has not changed since then costs what it costs live, however much past there is. A
 * value that moves from the present to the past between the two looks began after tid, or was given out
 * already.
 */
int past_get_held(struct index *x, uint64_t tid, const struct key *key, struct buf *out, bool *ret_holds,
		  struct hf_error *err)
{
	uint64_t start;
	int r = index_get(x, INDEX_HEAD, key->bytes, key->len, out, err);

	*ret_holds = true;
	if (r < 0 || tid == HF_TID_HEAD)
		return r;
	if (r == 1) {
		if (past_value_tid((struct span){ out->data, out->len }, &start) < 0)
			return not_index(err);
		if (start <= tid)
			return 1;
	}
	*ret_holds = false;
	return past_ended_after(x, tid, key, out, err);
}

int past_get(struct index *x, uint64_t tid, const struct key *key, struct buf *out, struct hf_error *err)
{
	bool holds;

	return past_get_held(x, tid, key, out, &holds, err);
}

/* Rows of a space from `from` on, fetched as they are needed. */
struct side {
	enum index_space space;
	uint64_t tid; /* of the past: the moment that is looked for */
	struct index_rows rows;
	size_t next, max; /* of the next fetch */
	struct buf from;  /* where the next fetch begins */
	bool end;         /* nothing more to fetch */
};

static void side_init(struct side *s, enum index_space space, uint64_t tid)
{
	*s = (struct side){
		.space = space, .tid = tid, .rows = INDEX_ROWS_INIT, .max = FIRST_ROWS, .from = BUF_INIT
	};
}

static void side_release(struct side *s)
{
	index_rows_release(&s->rows);
	buf_release(&s->from);
}

static int side_start(struct side *s, struct span from)
{
	s->rows.n = s->next = 0;
	s->end = false;
	buf_clear(&s->from);
	buf_add(&s->from, from.data, from.len);
	return buf_status(&s->from);
}

static bool side_has(const struct side *s)
{
	return s->next < s->rows.n;
}

static const struct index_entry *side_entry(const struct side *s)
{
	return &s->rows.entries[s->next];
}

static int span_compare(struct span a, struct span b)
{
	int c = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);

	return c ? c : (a.len > b.len) - (a.len < b.len);
}

/* Are all rows of the past at hand of one key? Then most of what would be fetched with the next may be too.
 */
static bool is_of_one_key(const struct side *s)
{
	const struct span first = s->rows.entries[0].key, last = s->rows.entries[s->rows.n - 1].key;

	return s->space == INDEX_PAST && s->rows.n > 1 && first.len == last.len && first.len >= TID_BYTES &&
	       memcmp(first.data, last.data, first.len - TID_BYTES) == 0;
}

/*
 * Where the next fetch begins. In the past a key may have ended any number of times: what ended by tid, and
 * what follows the first that did not, is jumped over.
 */
static int side_advance(struct side *s, struct span last)
{
	uint64_t ended, skip_to = UINT64_MAX;

	buf_clear(&s->from);
	if (s->space == INDEX_PAST && last.len >= TID_BYTES) {
		ended = get_be64(last.data + last.len - TID_BYTES);
		if (ended <= s->tid)
			skip_to = s->tid; /* ended behind this */
		buf_add(&s->from, last.data, last.len - TID_BYTES);
		buf_add_be64(&s->from, skip_to);
	} else {
		buf_add(&s->from, last.data, last.len);
	}
	buf_add_u8(&s->from, 0);
	return buf_status(&s->from);
}

/* Have a row at hand unless there is none left below `to`. */
static int side_fill(struct side *s, struct index *x, struct span to, struct hf_error *err)
{
	int r;

	if (side_has(s) || s->end)
		return 0;
	if (to.len > 0 && span_compare((struct span){ s->from.data, s->from.len }, to) >= 0) {
		s->end = true;
		return 0;
	}
	r = index_scan(x, s->space, (struct span){ s->from.data, s->from.len }, to, s->max, 0, &s->rows, err);
	if (r < 0)
		return r;
	s->next = 0;
	s->end = !s->rows.more || s->rows.n == 0;
	if (s->rows.n == 0)
		return 0;
	s->max = is_of_one_key(s) ? FIRST_ROWS : SCAN_ROWS;
	return side_advance(s, s->rows.entries[s->rows.n - 1].key);
}

static int head_scan(struct index *x, struct span from, struct span to, past_each_fn *each, void *arg,
		     struct hf_error *err)
{
	CLEANUP(side_release) struct side s;
	int r;

	side_init(&s, INDEX_HEAD, HF_TID_HEAD);
	r = side_start(&s, from);
	while (r == 0) {
		r = side_fill(&s, x, to, err);
		if (r < 0 || !side_has(&s))
			break;
		r = each(arg, side_entry(&s)->key, side_entry(&s)->value);
		s.next++;
	}
	return r;
}

/* Leave out of the rows at hand what began after tid. */
static int skip_newer(struct side *head, uint64_t tid, struct hf_error *err)
{
	uint64_t start;

	for (; side_has(head); head->next++) {
		if (past_value_tid(side_entry(head)->value, &start) < 0)
			return not_index(err);
		if (start <= tid)
			break;
	}
	return 0;
}

/* Leave out of the past what did not hold at tid: one version of a key at most does. */
static int skip_others(struct side *past, struct index *x, uint64_t tid, struct span to, struct hf_error *err)
{
	uint64_t start;
	int r;

	for (;; past->next++) {
		const struct index_entry *e;

		r = side_fill(past, x, to, err);
		if (r < 0 || !side_has(past))
			return r;
		e = side_entry(past);
		if (e->key.len < TID_BYTES || past_value_tid(e->value, &start) < 0)
			return not_index(err);
		if (start <= tid && get_be64(e->key.data + e->key.len - TID_BYTES) > tid)
			return 0;
	}
}

/* Merge the present's rows at hand with the past below `to`. */
static int merge_stride(struct side *head, struct side *past, struct index *x, uint64_t tid, struct span to,
			past_each_fn *each, void *arg, struct hf_error *err)
{
	int r;

	for (;;) {
		struct span pk = { NULL, 0 };
		int order;

		r = skip_newer(head, tid, err);
		if (r == 0)
			r = skip_others(past, x, tid, to, err);
		if (r < 0 || (!side_has(head) && !side_has(past)))
			return r;
		if (side_has(past)) {
			pk = side_entry(past)->key;
			pk.len -= TID_BYTES;
		}
		order = !side_has(past) ? -1 : !side_has(head) ? 1 : span_compare(side_entry(head)->key, pk);
		r = order <= 0 ? each(arg, side_entry(head)->key, side_entry(head)->value) :
				 each(arg, pk, side_entry(past)->value);
		if (r != 0)
			return r;
		head->next += order <= 0;
		past->next += order >= 0;
	}
}

/*
 * In strides: some rows of the present are fetched, then the past of the same stretch of keys, so that a
 * value that moves over meanwhile is seen twice (and given once) rather than never.
 */
int past_scan(struct index *x, uint64_t tid, struct span from, struct span to, past_each_fn *each, void *arg,
	      struct hf_error *err)
{
	static const uint8_t last_tid[TID_BYTES] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	CLEANUP(side_release) struct side head;
	CLEANUP(side_release) struct side past;
	CLEANUP(buf_release) struct buf bound = BUF_INIT;
	int r;

	side_init(&head, INDEX_HEAD, tid);
	side_init(&past, INDEX_PAST, tid);
	if (tid == HF_TID_HEAD)
		return head_scan(x, from, to, each, arg, err);
	buf_add(&bound, from.data, from.len);
	r = side_start(&head, from);
	while (r == 0) {
		r = side_fill(&head, x, to, err);
		if (r == 0)
			r = side_start(&past, (struct span){ bound.data, bound.len });
		if (r < 0)
			break;
		if (head.end)
			return merge_stride(&head, &past, x, tid, to, each, arg, err);
		buf_clear(&bound);
		buf_add(&bound, head.rows.entries[head.rows.n - 1].key.data,
			head.rows.entries[head.rows.n - 1].key.len);
		buf_add(&bound, last_tid, sizeof(last_tid));
		r = buf_status(&bound);
		if (r == 0)
			r = merge_stride(&head, &past, x, tid, (struct span){ bound.data, bound.len }, each,
					 arg, err);
	}
	return r;
}
