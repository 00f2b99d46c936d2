/* SPDX-License-Identifier: MIT */
#include "store/tree/map.h"

#include <assert.h>
#include <errno.h>

enum {
	SCAN_BLOCKS = 512,
	KEEP_BYTES = 1 << 20, /* so much more is worth a new generation of contents */
};

/* Hands out a row of pieces bit by bit. */
struct piece_stream {
	const struct piece *pieces;
	size_t n, next;
	uint32_t used; /* of pieces[next] */
};

static int stream_take(struct piece_stream *s, uint32_t len, struct block_list *out)
{
	out->n = 0;
	while (len > 0) {
		struct piece p;

		assert(s->next < s->n);
		p = s->pieces[s->next];
		if (p.kind >= PIECE_CHUNK)
			p.off += s->used;
		p.len -= s->used;
		if (p.len > len) {
			p.len = len;
			s->used += len;
		} else {
			s->next++;
			s->used = 0;
		}
		len -= p.len;
		if (piece_push(&out->pieces, &out->n, &out->cap, p) < 0)
			return -ENOMEM;
	}
	return 0;
}

static void account(struct tx *tx, struct inode *i, uint64_t before, uint64_t after)
{
	i->allocated += after - before;
	if (i->nlink > 0)
		tx->state.live_bytes += after - before;
}

/* A block's list, for an operation: no run is dropped meanwhile. */
static int get_list(struct tx *tx, const struct inode *i, struct span value, struct block_list *ret)
{
	int r = block_list_decode(tx->t->runs, value, ret);

	if (r == -EUCLEAN || r == -ENOENT)
		return hf_error_set(
			tx->err, -EUCLEAN,
			"the index is damaged at the contents of inode %llu: mount with -o rebuild",
			(unsigned long long)i->ino);
	return r;
}

/*
 * Put a block's new list. The old value goes to the past with its runs translated, so that nothing made from
 * now on names a run that has been resolved (map.h).
 */
static int put_block(struct tx *tx, struct inode *i, uint64_t block, const struct buf *old,
		     struct block_list *old_list, struct block_list *list)
{
	CLEANUP(buf_release) struct buf past = BUF_INIT;
	CLEANUP(buf_release) struct buf value = BUF_INIT;
	struct key key = key_block(i->ino, i->generation, block);

	if (old->len > 0)
		block_list_encode(old_list, &past);
	list->tid = tx->op->tid;
	block_list_encode(list, &value);
	if (buf_status(&past) < 0 || buf_status(&value) < 0)
		return -ENOMEM;
	tx->note.blocks++;
	if (list->n == 0)
		return old->len == 0 ? 0 : tx_delete(tx, &key, span_of(&past));
	return tx_put(tx, &key, span_of(&past), span_of(&value));
}

/* One block: [off, off + len) becomes pieces. */
static int change_block(struct tx *tx, struct inode *i, uint64_t block, uint32_t off, uint32_t len,
			const struct piece *pieces, size_t n)
{
	CLEANUP(block_list_release) struct block_list old_list = BLOCK_LIST_INIT;
	CLEANUP(block_list_release) struct block_list list = BLOCK_LIST_INIT;
	CLEANUP(buf_release) struct buf old = BUF_INIT;
	struct key key = key_block(i->ino, i->generation, block);
	int r = 0;

	if (i->allocated > 0) /* else it has no list at all */
		r = tx_get(tx, &key, &old);
	if (r == 1)
		r = get_list(tx, i, span_of(&old), &old_list);
	if (r == 0)
		r = block_list_replace(&old_list, off, len, pieces, n, &list);
	if (r < 0)
		return r;
	account(tx, i, block_list_allocated(&old_list), block_list_allocated(&list));
	return put_block(tx, i, block, &old, &old_list, &list);
}

int map_write(struct tx *tx, struct inode *i, uint64_t offset, const struct piece *pieces, size_t n)
{
	CLEANUP(block_list_release) struct block_list part = BLOCK_LIST_INIT;
	struct piece_stream s = { pieces, n, 0, 0 };
	uint64_t left = 0;
	int r = 0;

	for (size_t k = 0; k < n; k++)
		left += pieces[k].len;
	while (r == 0 && left > 0) {
		uint32_t off = (uint32_t)(offset % BLOCK_BYTES);
		uint32_t len = left < BLOCK_BYTES - off ? (uint32_t)left : BLOCK_BYTES - off;

		r = stream_take(&s, len, &part);
		if (r == 0)
			r = change_block(tx, i, offset / BLOCK_BYTES, off, len, part.pieces, part.n);
		offset += len;
		left -= len;
	}
	return r;
}

/* Call fn for each block of the inode with a list, from first to last. */
typedef int block_fn(struct tx *tx, struct inode *i, uint64_t block, void *arg);

static int each_block(struct tx *tx, struct inode *i, uint64_t first, uint64_t last, block_fn *fn, void *arg)
{
	CLEANUP(index_rows_release) struct index_rows rows = INDEX_ROWS_INIT;
	struct key to = key_block(i->ino, i->generation, last);
	int r;

	to.bytes[to.len++] = 0; /* just behind the last */
	do {
		struct key from = key_block(i->ino, i->generation, first);

		r = index_batch_scan(tx->batch, INDEX_HEAD, key_span(&from), key_span(&to), SCAN_BLOCKS,
				     INDEX_KEYS_ONLY, &rows, tx->err);
		for (size_t k = 0; r == 0 && k < rows.n; k++) {
			uint64_t block;

			if (rows.entries[k].key.len != BLOCK_KEY_PREFIX + 8)
				return hf_error_set(tx->err, -EUCLEAN,
						    "the index is damaged: mount with -o rebuild");
			block = get_be64(rows.entries[k].key.data + BLOCK_KEY_PREFIX);
			r = fn(tx, i, block, arg);
			first = block + 1;
		}
	} while (r == 0 && rows.more && rows.n > 0);
	return r;
}

struct fill {
	uint64_t offset, end;
};

/* The part of a block that lies in the range. */
static uint32_t block_part(uint64_t block, uint64_t offset, uint64_t end, uint32_t *ret_off)
{
	uint64_t start = block * BLOCK_BYTES;
	uint64_t from = offset > start ? offset : start;
	uint64_t to = end - start > BLOCK_BYTES ? start + BLOCK_BYTES : end;

	*ret_off = (uint32_t)(from - start);
	return (uint32_t)(to - from);
}

static int punch_block(struct tx *tx, struct inode *i, uint64_t block, void *arg)
{
	const struct fill *f = arg;
	uint32_t off, len = block_part(block, f->offset, f->end, &off);

	return change_block(tx, i, block, off, len, &(struct piece){ .kind = PIECE_HOLE, .len = len }, 1);
}

/* Fill what are holes in one block's range with allocated zeros. Where there are none nothing is changed. */
static int fill_holes(struct tx *tx, struct inode *i, uint64_t block, uint32_t off, uint32_t len)
{
	CLEANUP(block_list_release) struct block_list list = BLOCK_LIST_INIT;
	CLEANUP(block_list_release) struct block_list filled = BLOCK_LIST_INIT;
	CLEANUP(buf_release) struct buf old = BUF_INIT;
	struct key key = key_block(i->ino, i->generation, block);
	uint32_t at = 0, end = off + len;
	bool any = false;
	int r;

	r = tx_get(tx, &key, &old);
	if (r == 1)
		r = get_list(tx, i, span_of(&old), &list);
	for (size_t k = 0; r == 0 && k <= list.n && at < end; k++) {
		struct piece p = { .kind = PIECE_HOLE, .len = BLOCK_BYTES - at };
		uint32_t from, to;

		if (k < list.n)
			p = list.pieces[k];
		from = at > off ? at : off;
		to = at + p.len < end ? at + p.len : end;
		if (from < to) {
			uint32_t skip = from - at;

			any |= p.kind == PIECE_HOLE;
			if (p.kind == PIECE_HOLE)
				p.kind = PIECE_ZERO;
			else if (p.kind >= PIECE_CHUNK)
				p.off += skip;
			at += p.len;
			p.len = to - from;
			r = piece_push(&filled.pieces, &filled.n, &filled.cap, p);
		} else {
			at += p.len;
		}
	}
	return r < 0 || !any ? r : change_block(tx, i, block, off, len, filled.pieces, filled.n);
}

/* A new generation of contents: what was stays where it is, for the past, and is not in the way. */
static void drop_all(struct tx *tx, struct inode *i)
{
	account(tx, i, i->allocated, 0);
	i->generation++;
}

bool map_punches_all(const struct inode *i, uint64_t offset, uint64_t end)
{
	return offset == 0 && end >= i->size && !(i->flags & INODE_BLOCKS_PAST_END);
}

int map_fill(struct tx *tx, struct inode *i, uint64_t offset, uint64_t len, enum piece_kind kind,
	     bool only_holes)
{
	struct fill f = { offset, offset + len };
	int r = 0;

	if (len == 0)
		return 0;
	if (kind == PIECE_HOLE && map_punches_all(i, offset, f.end)) {
		if (i->allocated > 0)
			drop_all(tx, i);
		return 0;
	}
	if (kind == PIECE_HOLE)
		return each_block(tx, i, offset / BLOCK_BYTES, (f.end - 1) / BLOCK_BYTES, punch_block, &f);
	for (uint64_t block = offset / BLOCK_BYTES; r == 0 && block <= (f.end - 1) / BLOCK_BYTES; block++) {
		uint32_t off, part = block_part(block, offset, f.end, &off);

		if (only_holes)
			r = fill_holes(tx, i, block, off, part);
		else
			r = change_block(tx, i, block, off, part,
					 &(struct piece){ .kind = (uint8_t)kind, .len = part }, 1);
	}
	return r;
}

struct keep {
	struct inode *i;
	uint64_t size;
};

/* A block of the generation before, up to the new size, into the present one. */
static int keep_block(struct tx *tx, struct inode *before, uint64_t block, void *arg)
{
	CLEANUP(block_list_release) struct block_list list = BLOCK_LIST_INIT;
	CLEANUP(buf_release) struct buf value = BUF_INIT;
	struct key key = key_block(before->ino, before->generation, block);
	const struct keep *k = arg;
	uint64_t start = block * BLOCK_BYTES;
	uint32_t len = 0;
	int r;

	r = tx_get(tx, &key, &value);
	if (r == 1)
		r = get_list(tx, before, span_of(&value), &list);
	if (r == 0 && k->size - start < BLOCK_BYTES)
		r = block_list_replace(&list, (uint32_t)(k->size - start),
				       BLOCK_BYTES - (uint32_t)(k->size - start), NULL, 0, &list);
	for (size_t n = 0; n < list.n; n++)
		len += list.pieces[n].len;
	return r < 0 || len == 0 ? r : change_block(tx, k->i, block, 0, len, list.pieces, list.n);
}

bool map_cut_keeps(const struct inode *i, uint64_t size)
{
	return i->allocated > size && i->allocated - size > size + KEEP_BYTES;
}

int map_truncate(struct tx *tx, struct inode *i, uint64_t size)
{
	struct fill f = { size, UINT64_MAX };
	struct keep keep = { i, size };
	struct inode before = *i;

	if (size == 0) {
		drop_all(tx, i);
		return 0;
	}
	if (map_cut_keeps(i, size)) {
		drop_all(tx, i);
		return each_block(tx, &before, 0, (size - 1) / BLOCK_BYTES, keep_block, &keep);
	}
	return each_block(tx, i, size / BLOCK_BYTES, UINT64_MAX / BLOCK_BYTES, punch_block, &f);
}

struct clone {
	struct inode *to;
	uint64_t src_offset, src_end, offset;
};

/* What a block of the source has in the range, to its place in the destination, where there is a hole now. */
static int clone_block(struct tx *tx, struct inode *src, uint64_t block, void *arg)
{
	CLEANUP(block_list_release) struct block_list list = BLOCK_LIST_INIT;
	CLEANUP(block_list_release) struct block_list part = BLOCK_LIST_INIT;
	CLEANUP(buf_release) struct buf value = BUF_INIT;
	struct key key = key_block(src->ino, src->generation, block);
	const struct clone *c = arg;
	uint32_t off, n = block_part(block, c->src_offset, c->src_end, &off);
	uint32_t at = 0, got = 0;
	int r;

	r = tx_get(tx, &key, &value);
	if (r == 1)
		r = get_list(tx, src, span_of(&value), &list);
	for (size_t k = 0; r == 0 && k < list.n && got < n; k++) {
		struct piece p = list.pieces[k];
		uint32_t skip = off > at ? off - at : 0;

		at += p.len;
		if (skip >= p.len)
			continue;
		if (p.kind >= PIECE_CHUNK)
			p.off += skip;
		p.len -= skip;
		if (p.len > n - got)
			p.len = n - got;
		got += p.len;
		r = piece_push(&part.pieces, &part.n, &part.cap, p);
	}
	if (r < 0 || part.n == 0)
		return r;
	return map_write(tx, c->to, c->offset + (block * BLOCK_BYTES + off - c->src_offset), part.pieces,
			 part.n);
}

int map_clone(struct tx *tx, struct inode *src, uint64_t src_offset, struct inode *i, uint64_t offset,
	      uint64_t len)
{
	struct clone c = { i, src_offset, src_offset + len, offset };
	int r;

	if (len == 0)
		return 0;
	r = map_fill(tx, i, offset, len, PIECE_HOLE, false);
	return r < 0 ? r :
		       each_block(tx, src, src_offset / BLOCK_BYTES, (c.src_end - 1) / BLOCK_BYTES,
				  clone_block, &c);
}

int map_fold(struct tx *tx, struct inode *i, uint64_t block, const struct piece *pieces, size_t n)
{
	uint64_t len = 0;

	for (size_t k = 0; k < n; k++)
		len += pieces[k].len;
	if (len > BLOCK_BYTES)
		return hf_error_set(tx->err, -EUCLEAN, "a block of inode %llu is folded to more than a block",
				    (unsigned long long)i->ino);
	return change_block(tx, i, block, 0, (uint32_t)len, pieces, n);
}
