/* SPDX-License-Identifier: MIT */
#include "store/tree/map.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

void block_list_release(struct block_list *l)
{
	free(l->pieces);
	*l = (struct block_list)BLOCK_LIST_INIT;
}

static bool piece_continues(const struct piece *a, const struct piece *b)
{
	if (a->kind != b->kind)
		return false;
	return a->kind < PIECE_CHUNK || (a->ref == b->ref && a->off + a->len == b->off);
}

static int list_add(struct block_list *l, struct piece p)
{
	if (p.len == 0)
		return 0;
	if (l->n > 0 && piece_continues(&l->pieces[l->n - 1], &p)) {
		l->pieces[l->n - 1].len += p.len;
		return 0;
	}
	return piece_push(&l->pieces, &l->n, &l->cap, p);
}

/* `become`: memory that is used again. */
static int list_add_translated(struct run_table *runs, struct block_list *l, struct piece p,
			       struct block_list *become)
{
	int r;

	become->n = 0;
	r = run_translate(runs, p.ref, p.off, p.len, &become->pieces, &become->n, &become->cap);
	if (r == 0)
		r = list_add(l, p);
	else if (r > 0)
		r = 0;
	for (size_t i = 0; r == 0 && i < become->n; i++)
		r = list_add(l, become->pieces[i]);
	return r;
}

int block_list_decode(struct run_table *runs, struct span value, struct block_list *ret)
{
	CLEANUP(block_list_release) struct block_list become = BLOCK_LIST_INIT;
	struct cursor c = cursor_of(value.data, value.len);
	uint64_t total = 0;
	int r = 0;

	ret->n = 0;
	ret->tid = cursor_varint(&c);
	while (r == 0 && cursor_left(&c) > 0) {
		uint64_t head = cursor_varint(&c);
		struct piece p = { .kind = (uint8_t)(head & 3), .ref = head >> 2 };

		if (p.kind >= PIECE_CHUNK)
			p.off = (uint32_t)cursor_varint(&c);
		p.len = (uint32_t)cursor_varint(&c);
		total += p.len;
		if (p.len == 0 || total > BLOCK_BYTES)
			cursor_fail(&c);
		if (cursor_status(&c) < 0)
			break;
		r = p.kind == PIECE_PENDING && runs ? list_add_translated(runs, ret, p, &become) :
						      list_add(ret, p);
	}
	return r < 0 ? r : cursor_finish(&c);
}

void block_list_encode(const struct block_list *l, struct buf *out)
{
	buf_add_varint(out, l->tid);
	for (size_t i = 0; i < l->n; i++) {
		const struct piece *p = &l->pieces[i];

		buf_add_varint(out, p->ref << 2 | p->kind);
		if (p->kind >= PIECE_CHUNK)
			buf_add_varint(out, p->off);
		buf_add_varint(out, p->len);
	}
}

/* The part of p, which stands at `at`, that lies in [from, to). */
static struct piece piece_cut(struct piece p, uint32_t at, uint32_t from, uint32_t to)
{
	uint32_t end = at + p.len;

	if (from > at) {
		uint32_t skip = from - at < p.len ? from - at : p.len;

		if (p.kind >= PIECE_CHUNK)
			p.off += skip;
		p.len -= skip;
	}
	if (end > to)
		p.len = end - to < p.len ? p.len - (end - to) : 0;
	return p;
}

static int list_copy_range(struct block_list *out, const struct block_list *l, uint32_t from, uint32_t to)
{
	uint32_t at = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < l->n && at < to; i++) {
		r = list_add(out, piece_cut(l->pieces[i], at, from, to));
		at += l->pieces[i].len;
	}
	if (r == 0 && at < to) /* the hole behind the last piece */
		r = list_add(out, (struct piece){ .kind = PIECE_HOLE, .len = to - (at > from ? at : from) });
	return r;
}

int block_list_replace(const struct block_list *l, uint32_t off, uint32_t len, const struct piece *pieces,
		       size_t n, struct block_list *ret)
{
	struct block_list out = { .tid = l->tid };
	int r;

	assert(off <= BLOCK_BYTES && len <= BLOCK_BYTES - off);
	r = list_copy_range(&out, l, 0, off);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = list_add(&out, pieces[i]);
	if (r == 0)
		r = list_copy_range(&out, l, off + len, BLOCK_BYTES);
	if (r < 0) {
		block_list_release(&out);
		return r;
	}
	while (out.n > 0 && out.pieces[out.n - 1].kind == PIECE_HOLE)
		out.n--;
	free(ret->pieces);
	*ret = out;
	return 0;
}

uint64_t block_list_allocated(const struct block_list *l)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < l->n; i++)
		sum += l->pieces[i].kind == PIECE_HOLE ? 0 : l->pieces[i].len;
	return sum;
}

int tree_rewrite_pending(void *arg, enum index_space space, struct span key, struct span value,
			 struct buf *out)
{
	const struct tree *t = arg;
	struct block_list l = BLOCK_LIST_INIT;
	struct cursor c;
	int pending = 0, r;

	if ((space != INDEX_HEAD && space != INDEX_PAST) || key.len == 0 || key.data[0] != 'b')
		return 0;
	c = cursor_of(value.data, value.len);
	(void)cursor_varint(&c);
	while (cursor_left(&c) > 0 && !pending) {
		uint64_t head = cursor_varint(&c);

		pending = (head & 3) == PIECE_PENDING;
		if ((head & 3) >= PIECE_CHUNK)
			(void)cursor_varint(&c);
		(void)cursor_varint(&c);
	}
	if (!pending)
		return 0;
	r = block_list_decode(t->runs, value, &l);
	for (size_t i = 0; r == 0 && i < l.n; i++)
		/* its group is durable, so its runs are resolved */
		assert(l.pieces[i].kind != PIECE_PENDING);
	if (r == 0) {
		block_list_encode(&l, out);
		r = buf_status(out) < 0 ? -ENOMEM : 1;
	}
	block_list_release(&l);
	return r;
}
