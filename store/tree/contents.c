/* SPDX-License-Identifier: MIT */
/*
 * Reading contents at any moment. Block lists are looked up, then their pieces are copied: zeros, runs from
 * memory, chunks from opened frames. A run may be resolved, or dropped, between two steps; then the block is
 * looked up again.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "store/tree/map.h"
#include "store/tree/view_internal.h"

enum {
	RUN_RETRIES = 1000,
	/* Who reads so little takes no more of a chunk than needed, if that has a frame of its own and so
	   much is saved. */
	PART_MAX = 16 << 10,
	PART_OF_MIN = 48 << 10,
};

/* What is read. */
struct reading {
	const struct tree *t;
	uint64_t tid;
	const struct inode *i;
	bool little; /* in all */
	struct hf_error *err;
};

static int damaged(struct hf_error *err, uint64_t ino)
{
	return hf_error_set(err, -EUCLEAN,
			    "the index is damaged at the contents of inode %llu: mount with -o rebuild",
			    (unsigned long long)ino);
}

static bool in_range(uint32_t off, uint32_t len, size_t size)
{
	return off <= size && len <= size - off;
}

static int read_chunk(const struct reading *g, const struct piece *p, uint8_t *out)
{
	struct chunk_place place = { 0 };
	struct frame *frame = NULL;
	const uint8_t *data;
	size_t len;
	int r;

	r = tree_chunk_place(g->t, p->ref, &place, g->err);
	if (r < 0)
		return r;
	if (g->little && place.len >= PART_OF_MIN && in_range(p->off, p->len, place.len)) {
		r = frame_cache_part(g->t->frames, place.frame, &place.seal, (size_t)place.off + p->off,
				     p->len, out, g->err);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	r = frame_cache_get(g->t->frames, place.frame, (size_t)place.off + place.len, &frame, g->err);
	if (r < 0)
		return r;
	data = frame_data(frame, &len);
	if (!in_range(place.off, place.len, len) || !in_range(p->off, p->len, place.len))
		r = hf_error_set(g->err, -EUCLEAN,
				 "chunk %llu is shorter than the index says: mount with -o rebuild",
				 (unsigned long long)p->ref);
	else
		memcpy(out, data + place.off + p->off, p->len);
	frame_release(frame);
	return r;
}

int tree_chunk_is(const struct tree *t, uint64_t number, uint32_t since, const uint8_t name[HASH_BYTES],
		  uint32_t len, struct hf_error *err)
{
	struct chunk_place place = { 0 };
	struct frame *frame = NULL;
	uint8_t have[HASH_BYTES];
	const uint8_t *data;
	size_t data_len;
	int r = tree_chunk_place(t, number, &place, err);

	if (r < 0 || place.frame.segment >= since)
		return r < 0 ? r : 1;
	r = frame_cache_get(t->frames, place.frame, (size_t)place.off + place.len, &frame, err);
	if (r == -EUCLEAN || r == -EINVAL) {
		if (err)
			*err = (struct hf_error)HF_ERROR_INIT;
		return 0;
	}
	if (r < 0)
		return r;
	data = frame_data(frame, &data_len);
	if (place.len == len && in_range(place.off, len, data_len)) {
		keyring_chunk_name(t->keys, data + place.off, len, have);
		r = crypto_equal(have, name, HASH_BYTES);
	}
	frame_release(frame);
	return r;
}

/* [off, off + len) of a block into out. 0, -EAGAIN (a run went away: look again), or a failure. */
static int read_list(const struct reading *g, const struct block_list *l, uint32_t off, uint32_t len,
		     uint8_t *out)
{
	uint32_t at = 0, end = off + len;
	int r = 0;

	for (size_t k = 0; r == 0 && k < l->n && at < end; k++) {
		struct piece p = l->pieces[k];
		uint32_t skip = off > at ? off - at : 0;

		at += p.len;
		if (skip >= p.len)
			continue;
		p.len -= skip;
		if (p.kind >= PIECE_CHUNK)
			p.off += skip;
		if (at > end)
			p.len -= at - end;
		if (p.kind == PIECE_PENDING)
			r = run_read(g->t->runs, p.ref, p.off, p.len, out) == 0 ? 0 : -EAGAIN;
		else if (p.kind == PIECE_CHUNK)
			r = read_chunk(g, &p, out);
		else
			memset(out, 0, p.len);
		out += p.len;
		off += p.len;
	}
	if (r == 0 && off < end)
		memset(out, 0, end - off);
	return r;
}

static int read_block(const struct reading *g, uint64_t block, uint32_t off, uint32_t len, uint8_t *out)
{
	CLEANUP(block_list_release) struct block_list list = BLOCK_LIST_INIT;
	CLEANUP(buf_release) struct buf value = BUF_INIT;
	struct key key = key_block(g->i->ino, g->i->generation, block);
	int r;

	for (int tries = 0; tries < RUN_RETRIES; tries++) {
		r = past_get(g->t->index, g->tid, &key, &value, g->err);
		if (r < 0)
			return r;
		if (r == 0) {
			memset(out, 0, len);
			return 0;
		}
		r = block_list_decode(g->t->runs, span_of(&value), &list);
		if (r == -ENOENT)
			continue;
		if (r < 0)
			return r == -ENOMEM ? r : damaged(g->err, g->i->ino);
		r = read_list(g, &list, off, len, out);
		if (r != -EAGAIN)
			return r;
	}
	return hf_error_set(g->err, -EIO, "the contents of inode %llu keep moving",
			    (unsigned long long)g->i->ino);
}

ssize_t tree_read(const struct tree *t, uint64_t tid, uint64_t ino, uint64_t offset, void *out, size_t len,
		  struct hf_error *err)
{
	CLEANUP(node_release) struct node n = NODE_INIT;
	struct reading g = { .t = t, .tid = tid, .i = &n.i, .err = err };
	size_t done = 0;
	int r;

	r = view_inode(t, tid, ino, &n, err);
	if (r < 0)
		return r;
	if (!S_ISREG(n.i.mode))
		return hf_error_set(err, S_ISDIR(n.i.mode) ? -EISDIR : -EINVAL,
				    "inode %llu is not a regular file", (unsigned long long)ino);
	if (offset >= n.i.size)
		return 0;
	if (len > n.i.size - offset)
		len = (size_t)(n.i.size - offset);
	if (len > SSIZE_MAX)
		len = SSIZE_MAX;
	g.little = len <= PART_MAX;
	while (done < len) {
		uint32_t off = (uint32_t)(offset % BLOCK_BYTES);
		uint32_t part = len - done < BLOCK_BYTES - off ? (uint32_t)(len - done) : BLOCK_BYTES - off;

		r = read_block(&g, offset / BLOCK_BYTES, off, part, (uint8_t *)out + done);
		if (r < 0)
			return r;
		done += part;
		offset += part;
	}
	return (ssize_t)done;
}

struct seek {
	const struct tree *t;
	uint64_t ino, at; /* the place sought from, moving on */
	uint64_t size;
	bool data; /* data is sought, or a hole */
	bool found;
	struct hf_error *err;
};

/* One block with a list: move on to its first byte of what is sought. */
static int seek_block(void *arg, struct span key, struct span value)
{
	CLEANUP(block_list_release) struct block_list list = BLOCK_LIST_INIT;
	struct seek *s = arg;
	uint64_t start;

	if (key.len != BLOCK_KEY_PREFIX + 8 || block_list_decode(NULL, value, &list) < 0)
		return damaged(s->err, s->ino);
	start = get_be64(key.data + BLOCK_KEY_PREFIX) * BLOCK_BYTES;
	if (!s->data && s->at < start) {
		s->found = true; /* the block before has no list: a hole */
		return 1;
	}
	for (size_t k = 0; k < list.n; k++) {
		uint64_t end = start + list.pieces[k].len;
		bool hole = list.pieces[k].kind == PIECE_HOLE;

		if (end > s->at && hole != s->data) {
			if (s->at < start)
				s->at = start;
			s->found = true;
			return 1;
		}
		if (end > s->at && !s->data)
			s->at = end;
		start = end;
	}
	return 0;
}

int64_t tree_seek(const struct tree *t, uint64_t tid, uint64_t ino, uint64_t offset, int whence,
		  struct hf_error *err)
{
	CLEANUP(node_release) struct node n = NODE_INIT;
	struct seek s = { .t = t, .ino = ino, .at = offset, .data = whence == SEEK_DATA, .err = err };
	struct key from, to;
	int r;

	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return hf_error_set(err, -EINVAL, "only SEEK_DATA and SEEK_HOLE are asked of a file");
	r = view_inode(t, tid, ino, &n, err);
	if (r < 0)
		return r;
	if (offset >= n.i.size)
		return hf_error_set(err, -ENXIO, "that is behind the end of the file");
	from = key_block(ino, n.i.generation, offset / BLOCK_BYTES);
	/* a past key is longer than its block's */
	to = key_block(ino, n.i.generation, (n.i.size - 1) / BLOCK_BYTES + 1);
	r = past_scan(t->index, tid, key_span(&from), key_span(&to), seek_block, &s, err);
	if (r < 0)
		return r;
	if (s.data && (!s.found || s.at >= n.i.size))
		return hf_error_set(err, -ENXIO, "there is no data behind that place");
	return (int64_t)(s.at < n.i.size ? s.at : n.i.size);
}

int tree_blocks_end(const struct tree *t, uint64_t ino, uint64_t offset, size_t max, uint64_t *ret,
		    struct hf_error *err)
{
	CLEANUP(index_rows_release) struct index_rows rows = INDEX_ROWS_INIT;
	CLEANUP(node_release) struct node n = NODE_INIT;
	struct key from, to;
	uint64_t first = offset / BLOCK_BYTES;
	size_t seen = 0;
	int r;

	*ret = UINT64_MAX;
	r = view_inode(t, HF_TID_HEAD, ino, &n, err);
	to = key_block(ino, n.i.generation, UINT64_MAX);
	do {
		if (r < 0)
			return r;
		from = key_block(ino, n.i.generation, first);
		r = index_scan(t->index, INDEX_HEAD, key_span(&from), key_span(&to), max - seen,
			       INDEX_KEYS_ONLY, &rows, err);
		seen += rows.n;
		if (r < 0 || rows.n == 0)
			return r;
		if (rows.entries[rows.n - 1].key.len != BLOCK_KEY_PREFIX + 8)
			return damaged(err, ino);
		first = get_be64(rows.entries[rows.n - 1].key.data + BLOCK_KEY_PREFIX) + 1;
	} while (rows.more && seen < max);
	if (seen == max)
		*ret = first * BLOCK_BYTES;
	return 0;
}

int tree_punch_end(const struct tree *t, uint64_t ino, uint64_t offset, uint64_t end, size_t max,
		   uint64_t *ret, struct hf_error *err)
{
	CLEANUP(node_release) struct node n = NODE_INIT;
	uint64_t blocks_end = end;
	int r = view_inode(t, HF_TID_HEAD, ino, &n, err);

	if (r == 0 && !map_punches_all(&n.i, offset, end))
		r = tree_blocks_end(t, ino, offset, max, &blocks_end, err);
	if (r < 0)
		return r;
	*ret = blocks_end < end ? blocks_end : end;
	return 0;
}

int tree_cut_is_long(const struct tree *t, uint64_t ino, uint64_t size, size_t max, struct hf_error *err)
{
	CLEANUP(node_release) struct node n = NODE_INIT;
	uint64_t end;
	int r = view_inode(t, HF_TID_HEAD, ino, &n, err);

	if (r < 0 || !S_ISREG(n.i.mode) || size == 0 || size > INT64_MAX)
		return r;
	if (map_cut_keeps(&n.i, size))
		return size / BLOCK_BYTES >= max;
	r = tree_blocks_end(t, ino, size, max, &end, err);
	return r < 0 ? r : end != UINT64_MAX;
}

int tree_block_pieces(const struct tree *t, uint64_t ino, uint64_t block, uint64_t *ret_tid,
		      struct hf_error *err)
{
	CLEANUP(block_list_release) struct block_list list = BLOCK_LIST_INIT;
	CLEANUP(node_release) struct node n = NODE_INIT;
	CLEANUP(buf_release) struct buf value = BUF_INIT;
	struct key key;
	int r;

	r = view_inode(t, HF_TID_HEAD, ino, &n, err);
	if (r < 0)
		return r;
	key = key_block(ino, n.i.generation, block);
	r = index_get(t->index, INDEX_HEAD, key.bytes, key.len, &value, err);
	if (r <= 0)
		return r;
	r = block_list_decode(NULL, span_of(&value), &list);
	if (r < 0)
		return damaged(err, ino);
	*ret_tid = list.tid;
	return (int)list.n;
}
