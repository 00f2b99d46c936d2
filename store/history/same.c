/* SPDX-License-Identifier: MIT */
/*
 * Whether two files have the same bytes. Blocks made of the same pieces of the same chunks do; only where
 * they are made differently are the bytes read.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/history/internal.h"
#include "store/tree/map.h"
#include "store/tree/view_internal.h"

struct side {
	const struct hf_view *v;
	uint64_t ino;
	struct node n;
};

struct comparison {
	struct side one, other; /* blocks of one are gone through */
	struct block_list a, b;
	uint8_t *buffers; /* two blocks; NULL: nothing was read yet */
	struct hf_error *err;
};

static void comparison_release(struct comparison *c)
{
	node_release(&c->one.n);
	node_release(&c->other.n);
	block_list_release(&c->a);
	block_list_release(&c->b);
	free(c->buffers);
}

static bool same_pieces(const struct block_list *a, const struct block_list *b)
{
	for (size_t i = 0; i < a->n; i++) {
		const struct piece *x = &a->pieces[i];

		if (i >= b->n || x->kind != b->pieces[i].kind || x->len != b->pieces[i].len)
			return false;
		if (x->kind >= PIECE_CHUNK && (x->ref != b->pieces[i].ref || x->off != b->pieces[i].off))
			return false;
	}
	return a->n == b->n;
}

/* 1, 0, negative. */
static int same_bytes(struct comparison *c, uint64_t block)
{
	uint8_t *data[2];
	ssize_t n[2];

	if (!c->buffers)
		c->buffers = malloc(2 * BLOCK_BYTES);
	if (!c->buffers)
		return -ENOMEM;
	data[0] = c->buffers;
	data[1] = c->buffers + BLOCK_BYTES;
	n[0] = hf_view_read(c->one.v, c->one.ino, block * BLOCK_BYTES, data[0], BLOCK_BYTES, c->err);
	if (n[0] < 0)
		return (int)n[0];
	n[1] = hf_view_read(c->other.v, c->other.ino, block * BLOCK_BYTES, data[1], BLOCK_BYTES, c->err);
	if (n[1] < 0)
		return (int)n[1];
	return n[0] == n[1] && memcmp(data[0], data[1], (size_t)n[0]) == 0;
}

/* A block of the one: 0 to go on, 1 when the other's differs. */
static int compare_block(void *arg, struct span key, struct span value)
{
	struct comparison *c = arg;
	struct tree *t = &c->one.v->store->tree;
	CLEANUP(buf_release) struct buf raw = BUF_INIT;
	struct key other;
	uint64_t block;
	int r;

	if (key.len != BLOCK_KEY_PREFIX + 8)
		return hf_error_set(c->err, -EUCLEAN,
				    "the index is damaged at the contents of a file: mount with -o rebuild");
	block = get_be64(key.data + BLOCK_KEY_PREFIX);
	if (block * BLOCK_BYTES >= c->one.n.i.size)
		return 0; /* allocated behind the end */
	other = key_block(c->other.ino, c->other.n.i.generation, block);
	r = past_get(t->index, c->other.v->tid, &other, &raw, c->err);
	if (r < 0)
		return r;
	if (r == 1 && block_list_decode(NULL, value, &c->a) == 0 &&
	    block_list_decode(NULL, span_of(&raw), &c->b) == 0 && same_pieces(&c->a, &c->b))
		return 0;
	r = same_bytes(c, block);
	return r < 0 ? r : !r;
}

static int compare_from(struct comparison *c)
{
	struct tree *t = &c->one.v->store->tree;
	struct key from = key_block(c->one.ino, c->one.n.i.generation, 0);
	struct key to = key_block(c->one.ino, c->one.n.i.generation, UINT64_MAX);

	return past_scan(t->index, c->one.v->tid, key_span(&from), key_span(&to), compare_block, c, c->err);
}

int hf_same_contents(const struct hf_view *a, uint64_t ino_a, const struct hf_view *b, uint64_t ino_b,
		     struct hf_error *err)
{
	CLEANUP(comparison_release)
	struct comparison c = { .one = { a, ino_a, NODE_INIT },
				.other = { b, ino_b, NODE_INIT },
				.err = err };
	struct side swap;
	int r = view_inode(&a->store->tree, a->tid, ino_a, &c.one.n, err);

	if (r == 0)
		r = view_inode(&b->store->tree, b->tid, ino_b, &c.other.n, err);
	if (r < 0)
		return r;
	if ((c.one.n.i.mode & S_IFMT) != (c.other.n.i.mode & S_IFMT) || c.one.n.i.size != c.other.n.i.size)
		return 0;
	if (S_ISLNK(c.one.n.i.mode))
		return c.one.n.i.target.len == c.other.n.i.target.len &&
		       memcmp(c.one.n.i.target.data, c.other.n.i.target.data, c.one.n.i.target.len) == 0;
	if (!S_ISREG(c.one.n.i.mode))
		return c.one.n.i.rdev == c.other.n.i.rdev;
	if (ino_a == ino_b && c.one.n.i.tid == c.other.n.i.tid)
		return 1;
	r = compare_from(&c);
	if (r != 0)
		return r < 0 ? r : 0;
	/* and what the other has where this one has holes */
	swap = c.one;
	c.one = c.other;
	c.other = swap;
	r = compare_from(&c);
	return r < 0 ? r : !r;
}

/* Names of an inode's extended attributes, each with a NUL behind it. */
static int xattrs_of(const struct hf_view *v, uint64_t ino, struct buf *out, struct hf_error *err)
{
	ssize_t n = hf_view_listxattr(v, ino, NULL, 0, err);

	if (n <= 0)
		return (int)n;
	buf_add_zeros(out, (size_t)n);
	if (buf_status(out) < 0)
		return -ENOMEM;
	n = hf_view_listxattr(v, ino, (char *)out->data, out->len, err);
	return n < 0 ? (int)n : 0;
}

int same_xattrs(const struct hf_view *a, uint64_t ino_a, const struct hf_view *b, uint64_t ino_b,
		struct hf_error *err)
{
	CLEANUP(buf_release) struct buf names_a = BUF_INIT;
	CLEANUP(buf_release) struct buf names_b = BUF_INIT;
	CLEANUP(buf_release) struct buf x = BUF_INIT;
	CLEANUP(buf_release) struct buf y = BUF_INIT;
	int r = xattrs_of(a, ino_a, &names_a, err);

	if (r == 0)
		r = xattrs_of(b, ino_b, &names_b, err);
	if (r < 0)
		return r;
	if (names_a.len == 0 || names_a.len != names_b.len ||
	    memcmp(names_a.data, names_b.data, names_a.len) != 0)
		return names_a.len == names_b.len && names_a.len == 0;
	for (const char *name = (const char *)names_a.data; name < (const char *)names_a.data + names_a.len;
	     name += strlen(name) + 1) {
		r = tree_xattr(&a->store->tree, a->tid, ino_a, name, &x, err);
		if (r == 1)
			r = tree_xattr(&b->store->tree, b->tid, ino_b, name, &y, err);
		if (r <= 0)
			return r;
		if (x.len != y.len || (x.len > 0 && memcmp(x.data, y.data, x.len) != 0))
			return 0;
	}
	return 1;
}
