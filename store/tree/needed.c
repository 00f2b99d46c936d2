/* SPDX-License-Identifier: MIT */
/*
 * Which chunks any moment from one on, or any tagged one before it, is made of.
 *
 * A block's list held from the operation that made it to the one that ended it (in the present: for ever).
 * One that began behind the first moment was seen when it began. One that began before it was seen by a
 * moment only if it had not ended by then, and if the file had that generation of contents then: lists of a
 * generation that was dropped whole are not ended one by one (map.h).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/tree/inode.h"
#include "store/tree/map.h"
#include "store/tree/past.h"

enum { NOT_ASKED = -2, NOT_THERE = -1 };

struct walk {
	const struct tree *t;
	uint64_t *moments; /* rising; the last is the first that is kept with all behind it */
	size_t n, cap;
	uint64_t ino;         /* of what follows */
	int64_t *generations; /* of its contents at each of the moments */
	uint64_t n_chunks;
	uint8_t *bits;
	struct block_list list;
	struct hf_error *err;
};

static int add_moment(struct walk *w, uint64_t tid)
{
	if (w->n == w->cap) {
		size_t cap = w->cap ? 2 * w->cap : 16;
		uint64_t *more = realloc(w->moments, cap * sizeof(*more));

		if (!more)
			return -ENOMEM;
		w->moments = more;
		w->cap = cap;
	}
	w->moments[w->n++] = tid;
	return 0;
}

struct tagged {
	struct walk *w;
	uint64_t keep;
};

static int note_tag(void *arg, const char *name, uint64_t tid)
{
	struct tagged *t = arg;

	(void)name;
	return tid < t->keep ? add_moment(t->w, tid) : 0;
}

static int compare_tids(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x < y ? -1 : x > y;
}

static int collect_moments(struct walk *w, uint64_t keep)
{
	struct tagged t = { w, keep };
	int r = tree_tags(w->t->index, note_tag, &t, w->err);

	if (r == 0)
		r = add_moment(w, keep);
	if (r < 0)
		return r;
	qsort(w->moments, w->n, sizeof(*w->moments), compare_tids);
	w->generations = calloc(w->n, sizeof(*w->generations));
	return w->generations ? 0 : -ENOMEM;
}

static int not_index(struct walk *w)
{
	return hf_error_set(w->err, -EUCLEAN, "the index is damaged: mount with -o rebuild");
}

/* Of which generation the inode's contents were at moment i; NOT_THERE. */
static int generation_at(struct walk *w, uint64_t ino, size_t i, int64_t *ret)
{
	CLEANUP(buf_release) struct buf value = BUF_INIT;
	struct key key = key_inode(ino);
	struct inode inode;
	int r;

	if (w->ino != ino) {
		w->ino = ino;
		for (size_t k = 0; k < w->n; k++)
			w->generations[k] = NOT_ASKED;
	}
	if (w->generations[i] == NOT_ASKED) {
		r = past_get(w->t->index, w->moments[i], &key, &value, w->err);
		if (r < 0)
			return r;
		if (r == 1 && inode_decode(ino, (struct span){ value.data, value.len }, &inode) < 0)
			return not_index(w);
		w->generations[i] = r == 1 ? (int64_t)inode.generation : NOT_THERE;
	}
	*ret = w->generations[i];
	return 0;
}

/* A list that held from `start` up to `end`: 1, 0 or negative. */
static int is_needed(struct walk *w, uint64_t ino, uint32_t generation, uint64_t start, uint64_t end)
{
	size_t i = 0;

	if (start > w->moments[w->n - 1])
		return 1;
	while (i < w->n && w->moments[i] < start)
		i++;
	for (; i < w->n && w->moments[i] < end; i++) {
		int64_t then = NOT_THERE;
		int r = generation_at(w, ino, i, &then);

		if (r < 0)
			return r;
		if (then == (int64_t)generation)
			return 1;
	}
	return 0;
}

static int mark(struct walk *w, struct span value)
{
	int r = block_list_decode(w->t->runs, value, &w->list);

	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return not_index(w);
	for (size_t i = 0; i < w->list.n; i++) {
		const struct piece *p = &w->list.pieces[i];

		if (p->kind == PIECE_PENDING || (p->kind == PIECE_CHUNK && p->ref >= w->n_chunks))
			return not_index(w);
		if (p->kind == PIECE_CHUNK)
			w->bits[p->ref / 8] |= (uint8_t)(1 << p->ref % 8);
	}
	return 0;
}

static int take_row(struct walk *w, enum index_space space, const struct index_entry *e)
{
	const size_t len = BLOCK_KEY_PREFIX + 8 + (space == INDEX_PAST ? 8 : 0);
	const uint8_t *g = e->key.data + 9;
	uint64_t start, end = UINT64_MAX;
	int r;

	if (e->key.len != len || past_value_tid(e->value, &start) < 0)
		return not_index(w);
	if (space == INDEX_PAST)
		end = get_be64(e->key.data + BLOCK_KEY_PREFIX + 8);
	r = is_needed(w, get_be64(e->key.data + 1),
		      (uint32_t)g[0] << 24 | (uint32_t)g[1] << 16 | (uint32_t)g[2] << 8 | g[3], start, end);
	return r == 1 ? mark(w, e->value) : r;
}

static int take_present(void *arg, const struct index_entry *e)
{
	return take_row(arg, INDEX_HEAD, e);
}

static int take_past(void *arg, const struct index_entry *e)
{
	return take_row(arg, INDEX_PAST, e);
}

int tree_needed_chunks(const struct tree *t, uint64_t keep, uint64_t n_chunks, uint8_t *bits,
		       struct hf_error *err)
{
	struct walk w = { .t = t, .n_chunks = n_chunks, .bits = bits, .list = BLOCK_LIST_INIT, .err = err };
	const struct key from = { 1, { 'b' } }, to = key_after_prefix(from);
	int r = collect_moments(&w, keep);

	if (r == 0)
		r = index_each(t->index, INDEX_HEAD, key_span(&from), key_span(&to), take_present, &w, err);
	if (r == 0)
		r = index_each(t->index, INDEX_PAST, key_span(&from), key_span(&to), take_past, &w, err);
	block_list_release(&w.list);
	free(w.moments);
	free(w.generations);
	return r == -ENOMEM ? hf_error_set(err, r, "no memory") : r;
}
