/* SPDX-License-Identifier: MIT */
/*
 * Bringing contents back: a file is given bytes that a file had at some moment by naming the chunks they are
 * in. Blocks that are made of the same pieces already are passed over; what lies between two such is one
 * WRITE (FORMAT.md §10.3), which a write of the bytes would have become as well, without the bytes.
 */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/tree/acl.h"
#include "store/tree/map.h"
#include "store/tree/view_internal.h"
#include "store/volume/guard.h"
#include "store/volume/rot.h"
#include "store/volume/volume.h"

enum {
	LOOKS_MAX = 100, /* at what keeps moving; the first makes it durable */
	PIECE_COST = 16, /* of a record, at most, but for the largest numbers */
	FEW_BLOCKS = 4,
};

struct known_block {
	uint64_t block;
	struct block_list list;
};

/* The blocks of a file that have a list, from some place on: no more than a step has. */
struct blocks {
	struct hf_store *s;
	uint64_t size; /* what lies behind does not count */
	bool may_pend; /* else pieces that are not chunks yet are -EAGAIN */
	uint64_t end;  /* all before this block are known */
	struct known_block *v;
	size_t n, cap;
};

static void blocks_release(struct blocks *b)
{
	for (size_t i = 0; i < b->n; i++)
		block_list_release(&b->v[i].list);
	free(b->v);
}

static int blocks_grow(struct blocks *b)
{
	size_t cap = b->cap ? 2 * b->cap : 4;
	struct known_block *grown;

	if (b->n < b->cap)
		return 0;
	grown = realloc(b->v, cap * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	b->v = grown;
	b->cap = cap;
	return 0;
}

static int add_block(void *arg, struct span key, struct span value)
{
	struct blocks *b = arg;
	struct block_list *list;
	uint64_t block, left;
	int r;

	if (key.len != BLOCK_KEY_PREFIX + 8)
		return -EUCLEAN;
	block = get_be64(key.data + BLOCK_KEY_PREFIX);
	if (b->n == RANGE_STEP_BLOCKS) {
		b->end = block;
		return 1;
	}
	if (blocks_grow(b) < 0)
		return -ENOMEM;
	list = &b->v[b->n].list;
	*list = (struct block_list)BLOCK_LIST_INIT;
	b->v[b->n++].block = block;
	r = block_list_decode(b->s->tree.runs, value, list);
	if (r < 0)
		return r == -ENOENT ? -EAGAIN : r;
	left = b->size - block * BLOCK_BYTES;
	if (left < BLOCK_BYTES)
		r = block_list_replace(list, (uint32_t)left, BLOCK_BYTES - (uint32_t)left, NULL, 0, list);
	for (size_t i = 0; r == 0 && !b->may_pend && i < list->n; i++)
		r = list->pieces[i].kind == PIECE_PENDING ? -EAGAIN : 0;
	return r;
}

static int damaged(const struct inode *i, struct hf_error *err)
{
	return hf_error_set(err, -EUCLEAN,
			    "the index is damaged at the contents of inode %llu: mount with -o rebuild",
			    (unsigned long long)i->ino);
}

/* One by one, which is quicker than to walk. */
static int read_few(struct blocks *b, uint64_t tid, const struct inode *i, uint64_t first,
		    struct hf_error *err)
{
	CLEANUP(buf_release) struct buf value = BUF_INIT;
	int r = 0;

	for (uint64_t block = first; r == 0 && block < b->end; block++) {
		const struct key key = key_block(i->ino, i->generation, block);

		r = past_get(b->s->tree.index, tid, &key, &value, err);
		if (r == 1)
			r = add_block(b, key_span(&key), (struct span){ value.data, value.len });
	}
	return r == -EUCLEAN ? damaged(i, err) : r;
}

/* From block `first` on, up to size. -EAGAIN: look again. */
static int blocks_read(struct blocks *b, uint64_t tid, const struct inode *i, uint64_t first,
		       struct hf_error *err)
{
	const uint64_t end = (b->size + BLOCK_BYTES - 1) / BLOCK_BYTES;
	const struct key from = key_block(i->ino, i->generation, first),
			 to = key_block(i->ino, i->generation, end);
	int r;

	b->end = end;
	if (first < end && end - first <= FEW_BLOCKS)
		return read_few(b, tid, i, first, err);
	r = past_scan(b->s->tree.index, tid, key_span(&from), key_span(&to), add_block, b, err);
	if (r == -EUCLEAN)
		return damaged(i, err);
	return r < 0 ? r : 0;
}

/* What is to be written: whole blocks in a row, or up to the end. */
struct stretch {
	uint64_t offset, end; /* of the bytes; the same: nothing differs */
	uint64_t known;       /* all before this is the same, or is in the stretch */
	bool last;            /* and so is all behind it */
	struct piece *pieces;
	size_t n, cap;
};

static void stretch_release(struct stretch *st)
{
	free(st->pieces);
}

static bool same_list(const struct block_list *a, const struct block_list *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		const struct piece *x = &a->pieces[i], *y = &b->pieces[i];

		if (x->kind != y->kind || x->len != y->len ||
		    (x->kind >= PIECE_CHUNK && (x->ref != y->ref || x->off != y->off)))
			return false;
	}
	return true;
}

static int add_piece(struct stretch *st, struct piece p)
{
	struct piece *last = st->n > 0 ? &st->pieces[st->n - 1] : NULL;

	if (p.len == 0)
		return 0;
	if (last && last->kind == p.kind &&
	    (p.kind < PIECE_CHUNK || (last->ref == p.ref && last->off + last->len == p.off))) {
		last->len += p.len;
		return 0;
	}
	return piece_push(&st->pieces, &st->n, &st->cap, p);
}

/* A block as it was: its list, and a hole up to its end. */
static int add_list(struct stretch *st, const struct block_list *list, uint32_t len)
{
	uint32_t at = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < list->n; i++) {
		r = add_piece(st, list->pieces[i]);
		at += list->pieces[i].len;
	}
	return r < 0 ? r : add_piece(st, (struct piece){ .kind = PIECE_HOLE, .len = len - at });
}

/* The first row of blocks that differ. */
static int find_stretch(const struct blocks *was, const struct blocks *is, uint64_t size, struct stretch *st)
{
	static const struct block_list hole = BLOCK_LIST_INIT;
	const uint64_t end = was->end < is->end ? was->end : is->end;
	size_t i = 0, k = 0;

	while ((i < was->n && was->v[i].block < end) || (k < is->n && is->v[k].block < end)) {
		uint64_t a = i < was->n ? was->v[i].block : UINT64_MAX,
			 b = k < is->n ? is->v[k].block : UINT64_MAX;
		uint64_t block = a < b ? a : b, start = block * BLOCK_BYTES;
		const struct block_list *x = a == block ? &was->v[i].list : &hole;
		const struct block_list *y = b == block ? &is->v[k].list : &hole;
		uint32_t len = size - start < BLOCK_BYTES ? (uint32_t)(size - start) : BLOCK_BYTES;
		bool differs = !same_list(x, y);

		if (st->end > st->offset &&
		    (!differs || st->end != start || st->n + x->n + 1 > RECORD_PIECES_MAX)) {
			st->known = st->end;
			return 0;
		}
		if (differs) {
			if (st->end == st->offset)
				st->offset = start;
			st->end = start + len;
			if (add_list(st, x, len) < 0)
				return -ENOMEM;
		}
		i += a == block;
		k += b == block;
	}
	st->known = st->end > st->offset ? st->end : end * BLOCK_BYTES;
	st->last = end * BLOCK_BYTES >= size;
	return 0;
}

/* -EAGAIN: some of it is not chunks yet, or has moved. */
static int look(const struct hf_view *src, const struct inode *was, uint64_t ino, uint64_t offset,
		struct stretch *st, struct hf_error *err)
{
	struct hf_store *s = src->store;
	CLEANUP(blocks_release)
	struct blocks then = { .s = s, .size = was->size, .end = UINT64_MAX / BLOCK_BYTES };
	CLEANUP(blocks_release)
	struct blocks now = { .s = s, .size = was->size, .may_pend = true, .end = UINT64_MAX / BLOCK_BYTES };
	CLEANUP(node_release) struct node n = NODE_INIT;
	int r = view_inode(&s->tree, HF_TID_HEAD, ino, &n, err);

	if (r < 0)
		return r;
	if (!S_ISREG(n.i.mode))
		return hf_error_set(err, S_ISDIR(n.i.mode) ? -EISDIR : -EINVAL,
				    "inode %llu is not a regular file", (unsigned long long)ino);
	r = blocks_read(&then, src->tid, was, offset / BLOCK_BYTES, err);
	if (r == 0 && n.i.allocated > 0) /* else it has no list at all */
		r = blocks_read(&now, HF_TID_HEAD, &n.i, offset / BLOCK_BYTES, err);
	st->offset = st->end = offset;
	st->n = 0;
	return r < 0 ? r : find_stretch(&then, &now, was->size, st);
}

/* Can all of it be read, as far as there is doubt? Not with the sequence held: it may read much. */
static bool is_whole(struct hf_store *s, const struct stretch *st)
{
	struct rot_look last = { 0 };

	for (size_t i = 0; i < st->n; i++)
		if (st->pieces[i].kind == PIECE_CHUNK && rot_lost_chunk(s, st->pieces[i].ref, &last))
			return false;
	return true;
}

static int given_up(struct hf_error *err)
{
	return hf_error_set(err, -ENODATA,
			    "these bytes were given up to be pruned, or were found damaged: no file may be "
			    "made of them again but by writing them anew");
}

/* May all chunks be named? What is damaged is maybe not retired yet. Requires sequence. */
static int check_retired(struct hf_store *s, const struct stretch *st, struct hf_error *err)
{
	uint64_t asked = UINT64_MAX;

	if (!atomic_load(&s->has_retired) && !rot_knows_some(s))
		return 0;
	for (size_t i = 0; i < st->n; i++) {
		int r;

		if (st->pieces[i].kind != PIECE_CHUNK || st->pieces[i].ref == asked)
			continue;
		asked = st->pieces[i].ref;
		r = tree_chunk_is_retired(s->index, asked, err);
		if (r == 0)
			r = rot_has_chunk(s, asked);
		if (r != 0)
			return r < 0 ? r : given_up(err);
	}
	return 0;
}

static void fill_write(struct op *op, uint64_t ino, const struct stretch *st)
{
	*op = (struct op){ .type = OP_WRITE };
	op->write.ino = ino;
	op->write.offset = st->offset;
	op->write.pieces = st->pieces;
	op->write.n_pieces = st->n;
}

static int name_stretch(struct hf_store *s, uint64_t ino, struct stretch *st, struct hf_error *err)
{
	struct op op;
	int r = is_whole(s, st) ? op_begin(s, st->n * PIECE_COST, true, err) : given_up(err);

	if (r < 0)
		return r;
	fill_write(&op, ino, st);
	r = check_retired(s, st, err);
	if (r == 0)
		r = op_run(s, &op, err);
	op_end(s);
	return r;
}

int64_t hf_copy_past(const struct hf_view *src, uint64_t src_ino, uint64_t ino, uint64_t offset,
		     struct hf_error *err)
{
	CLEANUP(stretch_release) struct stretch st = { 0 };
	CLEANUP(node_release) struct node was = NODE_INIT;
	int r = view_inode(&src->store->tree, src->tid, src_ino, &was, err);

	if (r < 0)
		return r;
	if (!S_ISREG(was.i.mode))
		return hf_error_set(err, S_ISDIR(was.i.mode) ? -EISDIR : -EINVAL,
				    "inode %llu was not a regular file", (unsigned long long)src_ino);
	if (offset >= was.i.size)
		return (int64_t)was.i.size;
	offset -= offset % BLOCK_BYTES;
	for (int looks = 0; (r = look(src, &was.i, ino, offset, &st, err)) == -EAGAIN && looks < LOOKS_MAX;
	     looks++) {
		r = hf_store_commit(src->store, err);
		if (r < 0)
			return r;
	}
	if (r == 0 && st.end > st.offset)
		r = name_stretch(src->store, ino, &st, err);
	if (r < 0)
		return r == -EAGAIN ? hf_error_set(err, -EIO, "the contents of inode %llu keep moving",
						   (unsigned long long)src_ino) :
				      r;
	return (int64_t)(st.known < was.i.size ? st.known : was.i.size);
}

/* --- a file made new */

/* All that it had, when that is one stretch: 1, 0. */
static int whole_contents(const struct hf_view *src, const struct inode *was, struct stretch *st,
			  struct hf_error *err)
{
	CLEANUP(blocks_release) struct blocks then = { .s = src->store, .size = was->size };
	const struct blocks nothing = { .end = UINT64_MAX / BLOCK_BYTES };
	int r;

	if (!S_ISREG(was->mode) || was->size == 0)
		return 1;
	r = blocks_read(&then, src->tid, was, 0, err);
	if (r == 0)
		r = find_stretch(&then, &nothing, was->size, st);
	return r == -EAGAIN ? 0 : r < 0 ? r : st->last;
}

static void fill_create(struct op *op, uint64_t ino, const struct inode *was, uint64_t parent,
			const char *name)
{
	*op = (struct op){ .type = OP_CREATE };
	op->create.parent = parent;
	op->create.name = span_text(name);
	op->create.ino = ino;
	/* closed, so that nobody gets at the half of it that the first moments are */
	op->create.mode = S_ISLNK(was->mode) ? S_IFLNK | 0777 : was->mode & S_IFMT;
	op->create.uid = was->uid;
	op->create.gid = was->gid;
	op->create.rdev = was->rdev;
	op->create.target = was->target;
}

static void fill_setattr(struct op *op, uint64_t ino, const struct inode *was, uint64_t size)
{
	*op = (struct op){ .type = OP_SETATTR };
	op->setattr.ino = ino;
	op->setattr.mask = SETATTR_MODE | SETATTR_UID | SETATTR_GID | SETATTR_ATIME | SETATTR_MTIME;
	op->setattr.mode = was->mode & 07777;
	op->setattr.uid = was->uid;
	op->setattr.gid = was->gid;
	op->setattr.atime = was->atime;
	op->setattr.mtime = was->mtime;
	if (S_ISREG(was->mode) && size != was->size) { /* it ends with a hole */
		op->setattr.mask |= SETATTR_SIZE;
		op->setattr.size = was->size;
	}
}

/* 0: the folder hands down an ACL, or the bytes are not to be named any more. Requires sequence. */
static int run_create(struct hf_store *s, const struct inode *was, uint64_t parent, const char *name,
		      const struct stretch *st, uint64_t *ret_ino, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf acl = BUF_INIT;
	const uint64_t ino = s->state.next_ino;
	struct op ops[ROW_OPS];
	size_t n = 0;
	int r = tree_xattr(&s->tree, HF_TID_HEAD, parent, ACL_DEFAULT_NAME, &acl, err);

	if (r != 0)
		return r == 1 ? 0 : r == -ESTALE ? hf_error_set(err, -ENOENT, "the directory is gone") : r;
	r = check_retired(s, st, err);
	if (r == -ENODATA && err)
		*err = (struct hf_error)HF_ERROR_INIT;
	if (r < 0)
		return r == -ENODATA ? 0 : r;
	fill_create(&ops[n++], ino, was, parent, name);
	if (st->end > st->offset)
		fill_write(&ops[n++], ino, st);
	fill_setattr(&ops[n++], ino, was, st->end);
	r = op_run_row(s, ops, n, err);
	if (r < 0)
		return r;
	if (S_ISREG(was->mode))
		guard_made(s, &ops[0], parent, name, ino);
	*ret_ino = ino;
	return 1;
}

int past_create(const struct hf_view *src, const struct inode *was, uint64_t parent, const char *name,
		uint64_t *ret_ino, struct hf_error *err)
{
	CLEANUP(stretch_release) struct stretch st = { 0 };
	struct hf_store *s = src->store;
	int r;

	if (S_ISDIR(was->mode) || was->flags & INODE_HAS_XATTRS || name_check(name, strlen(name)) < 0)
		return 0;
	r = whole_contents(src, was, &st, err);
	if (r != 1)
		return r;
	if (!is_whole(s, &st))
		return 0;
	r = op_begin_row(s, ROW_OPS, st.n * PIECE_COST, true, err);
	if (r < 0)
		return r;
	r = run_create(s, was, parent, name, &st, ret_ino, err);
	op_end(s);
	return r;
}
