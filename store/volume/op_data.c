/* SPDX-License-Identifier: MIT */
/* Operations on contents: writing, allocating, copying. */
#include <assert.h>
#include <errno.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/volume/guard.h"
#include "store/volume/volume.h"

enum { WRITE_BYTES_MAX = 16 << 20, SMALL_WRITE_BYTES = 1024, PAGE_BYTES = 4096 };

static struct stream *stream_find(struct group *g, uint64_t ino)
{
	struct stream *st;

	HASH_FIND(hh, g->streams, &ino, sizeof(ino), st);
	return st;
}

/*
 * Remember where a file's run could go on. Without memory the next write begins a new run: nothing is lost
 * but a little space.
 */
static void stream_set(struct group *g, struct stream *st, uint64_t ino, uint64_t end, uint64_t run,
		       uint32_t run_len)
{
	if (!st) {
		if (HASH_COUNT(g->streams) >= STREAMS_MAX)
			return;
		st = calloc(1, sizeof(*st));
		if (!st)
			return;
		st->ino = ino;
		HASH_ADD(hh, g->streams, ino, sizeof(st->ino), st);
		if (!st->hh.tbl) {
			free(st);
			return;
		}
	}
	st->end = end;
	st->run = run;
	st->run_len = run_len;
}

/* A run of this group holding the bytes: the one that ends just before them, or a new one. */
static int place_data(struct hf_store *s, uint64_t ino, uint64_t offset, struct run_part *part,
		      uint64_t *ret_run, uint32_t *ret_off, bool *ret_continues)
{
	struct group *g = s->open;
	struct stream *st = stream_find(g, ino);
	uint32_t len = part->len;

	*ret_continues = false;
	if (st && st->end == offset) {
		int r = run_extend(s->tree.runs, st->run, part);

		if (r == 0) {
			*ret_run = st->run;
			*ret_off = st->run_len;
			*ret_continues = true;
			stream_set(g, st, ino, offset + len, st->run, st->run_len + len);
			return 0;
		}
		if (r != -EFBIG) {
			free(part);
			return r;
		}
	}
	*ret_run = run_start(s->tree.runs, part);
	*ret_off = 0;
	if (!*ret_run)
		return -ENOMEM;
	g->runs[g->n_runs++] = (struct packed_run){ .id = *ret_run };
	stream_set(g, st, ino, offset + len, *ret_run, len);
	return 0;
}

/* Does this write do no more than append where the last operation of the open group appended, too? */
static bool shares_moment(const struct group *g, const struct op *op, uint64_t run, uint32_t run_off,
			  uint64_t size)
{
	const struct item *last;

	if (g->n == 0)
		return false;
	last = &g->items[g->n - 1];
	return last->kind == ITEM_WRITE && g->notes[g->n - 1].uid == op_uid() &&
	       last->data.ino == op->write.ino && last->data.run == run &&
	       last->data.run_off + last->data.len == run_off && last->data.flags == op->write.flags &&
	       op->write.offset == size && last->data.offset + last->data.len == size;
}

/* Requires sequence. part is taken. */
static int write_run(struct hf_store *s, struct op *op, struct run_part *part, struct hf_error *err)
{
	struct group *g = s->open;
	const uint32_t len = part->len;
	const uint64_t cost = g->cost;
	struct hf_attr attr;
	uint64_t run;
	uint32_t run_off;
	bool continues, shared;
	struct op_note note;
	struct piece piece;
	int r;

	r = tree_getattr(&s->tree, HF_TID_HEAD, op->write.ino, &attr, err);
	if (r == 0 && !S_ISREG(attr.mode))
		r = hf_error_set(err, S_ISDIR(attr.mode) ? -EISDIR : -EINVAL,
				 "inode %llu is not a regular file", (unsigned long long)op->write.ino);
	if (r < 0) {
		free(part);
		return r;
	}
	r = place_data(s, op->write.ino, op->write.offset, part, &run, &run_off, &continues);
	if (r < 0)
		return hf_error_set(err, r, "no memory for a write");
	shared = continues && s->state.tid > s->fixed_tid &&
		 shares_moment(g, op, run, run_off, attr.size_bytes);
	piece = (struct piece){ .kind = PIECE_PENDING, .off = run_off, .len = len, .ref = run };
	op->write.pieces = &piece;
	op->write.n_pieces = 1;
	r = op_apply(s, op, shared, &note, err);
	if (r < 0)
		return r; /* the run keeps bytes that nothing names: they are cut with it, and harmless */
	guard_written(s, op, &attr, op->write.offset, len);
	if (shared) {
		g->items[g->n - 1].data.len += len;
		g->notes[g->n - 1].time_ns = op->time_ns;
		g->notes[g->n - 1].bytes += len;
		g->bytes += len;
		g->cost += log_frame_cost(len);
	} else {
		group_add_data(g, ITEM_WRITE, op, &note, run, run_off, len);
	}
	op_added_data(s, cost);
	return 0;
}

/*
 * Replace a block's long list by one piece. Read without a lock; done only if the block has not changed
 * since.
 */
static void fold(struct hf_store *s, uint64_t ino, uint64_t block)
{
	struct op op = { .type = OP_FOLD };
	struct run_part *part = NULL;
	struct op_note note;
	uint64_t tid = 0, now_tid = 0, run, cost;
	uint32_t run_off, len;
	struct piece piece;
	bool continues;
	uint8_t *data;
	ssize_t n;

	if (tree_block_pieces(&s->tree, ino, block, &tid, NULL) <= FOLD_PIECES)
		return;
	data = malloc(BLOCK_BYTES);
	n = data ? tree_read(&s->tree, HF_TID_HEAD, ino, block * BLOCK_BYTES, data, BLOCK_BYTES, NULL) : -1;
	if (n > 0)
		part = run_part_new(data, (size_t)n);
	free(data);
	if (!part)
		return;
	if (op_begin(s, (uint64_t)n, true, NULL) < 0) {
		free(part);
		return;
	}
	cost = s->open->cost;
	len = part->len;
	if (tree_block_pieces(&s->tree, ino, block, &now_tid, NULL) <= FOLD_PIECES || now_tid != tid) {
		free(part);
	} else if (place_data(s, ino, UINT64_MAX - ino, part, &run, &run_off, &continues) == 0) {
		piece = (struct piece){ .kind = PIECE_PENDING, .off = run_off, .len = len, .ref = run };
		op.fold.ino = ino;
		op.fold.block = block;
		op.fold.pieces = &piece;
		op.fold.n_pieces = 1;
		if (op_apply(s, &op, false, &note, NULL) == 0) {
			group_add_data(s->open, ITEM_FOLD, &op, &note, run, run_off, len);
			op_added_data(s, cost);
		}
	}
	op_end(s);
}

ssize_t hf_write(struct hf_store *s, uint64_t ino, uint64_t offset, const void *data, size_t len,
		 unsigned flags, struct hf_error *err)
{
	struct op op = { .type = OP_WRITE };
	struct run_part *part;
	int r;

	if (len > WRITE_BYTES_MAX)
		return hf_error_set(err, -EINVAL, "at most %d bytes are written at once", WRITE_BYTES_MAX);
	if (offset > INT64_MAX || len > INT64_MAX - offset)
		return hf_error_set(err, -EFBIG, "a file ends at 2^63 - 1 bytes");
	if (len == 0)
		return 0;
	part = run_part_new(data, len); /* copied before any lock is taken */
	if (!part)
		return hf_error_set(err, -ENOMEM, "no memory for a write of %zu bytes", len);
	r = op_begin(s, len, true, err);
	if (r < 0) {
		free(part);
		return r;
	}
	op.write.ino = ino;
	op.write.offset = offset;
	op.write.flags = flags & HF_WRITE_KILL_PRIV ? WRITE_KILL_PRIV : 0;
	r = write_run(s, &op, part, err);
	op_end(s);
	if (r < 0)
		return r;
	if (len < SMALL_WRITE_BYTES)
		fold(s, ino, offset / BLOCK_BYTES);
	return (ssize_t)len;
}

/* What is allocated must fit: a promise of room is kept by saying no. Requires sequence. */
static int check_room(struct hf_store *s, uint64_t ino, uint64_t len, struct hf_error *err)
{
	uint64_t free_bytes, total, have;
	struct hf_attr attr;
	int r;

	r = tree_getattr(&s->tree, HF_TID_HEAD, ino, &attr, err);
	if (r < 0)
		return r;
	have = attr.blocks * 512;
	if (len <= have + RANGE_STEP_BYTES) /* for all one knows it is allocated already */
		return 0;
	r = s->os->free_bytes(s->os->state, s->path, &free_bytes, &total);
	if (r < 0)
		return hf_error_set(err, r, "cannot ask how much room %s has: %s", s->path, strerror(-r));
	if (len - have > room_left(s, room_available(s, free_bytes, total)))
		return hf_error_set(err, -ENOSPC, "there is no room for %llu bytes below %s",
				    (unsigned long long)(len - have), s->path);
	return 0;
}

/* What an operation on a range took away. Requires sequence. */
static void tell_range(struct hf_store *s, const struct op *op, const struct hf_attr *before)
{
	const uint64_t offset = op->range.offset;
	struct hf_attr now;
	uint64_t lost;

	if (op->range.mode == RANGE_ALLOCATE || offset >= before->size_bytes ||
	    tree_getattr(&s->tree, HF_TID_HEAD, op->range.ino, &now, NULL) < 0)
		return;
	lost = before->size_bytes - offset < op->range.len ? before->size_bytes - offset : op->range.len;
	if (op->range.mode == RANGE_PUNCH) /* what was a hole already is no loss */
		lost = before->blocks > now.blocks ? (before->blocks - now.blocks) * 512 : 0;
	guard_cut(s, op, before, offset, lost);
}

/* So that others need not wait long, as shorten_copy. Requires sequence. */
static int shorten_punch(struct hf_store *s, struct op *op, struct hf_error *err)
{
	uint64_t end = op->range.offset + op->range.len;
	int r = tree_punch_end(&s->tree, op->range.ino, op->range.offset, end, RANGE_STEP_BLOCKS, &end, err);

	if (r == 0)
		op->range.len = end - op->range.offset;
	return r;
}

/* One step of a range. first: see that there is room for all of it, `all` bytes. */
static int range_step(struct hf_store *s, struct op *op, bool grows, bool first, uint64_t all,
		      struct hf_error *err)
{
	struct hf_attr before = { .size_bytes = 0 };
	int r;

	if (!first && !grows) {
		(void)pthread_mutex_lock(&s->sequence);
		room_yield(s);
		(void)pthread_mutex_unlock(&s->sequence);
	}
	r = op_begin(s, 0, grows, err);
	if (r < 0)
		return r;
	if (first && grows)
		r = check_room(s, op->range.ino, all, err);
	else if (!grows && op->range.len > RANGE_STEP_BYTES)
		r = shorten_punch(s, op, err);
	if (s->guard && tree_getattr(&s->tree, HF_TID_HEAD, op->range.ino, &before, NULL) < 0)
		before.size_bytes = 0;
	op->time_ns = 0;
	if (r == 0)
		r = op_run(s, op, err);
	if (r == 0)
		tell_range(s, op, &before);
	op_end(s);
	return r;
}

static int range_steps(struct hf_store *s, struct op *op, uint64_t offset, uint64_t len, bool grows,
		       struct hf_error *err)
{
	uint64_t done = 0;
	int r = 0;

	while (r == 0 && done < len) {
		op->range.offset = offset + done;
		op->range.len = len - done;
		if (grows && op->range.len > RANGE_STEP_BYTES)
			op->range.len = RANGE_STEP_BYTES - op->range.offset % BLOCK_BYTES;
		r = range_step(s, op, grows, done == 0, len, err);
		done += op->range.len;
	}
	return r;
}

int hf_fallocate(struct hf_store *s, uint64_t ino, int mode, uint64_t offset, uint64_t len, unsigned flags,
		 struct hf_error *err)
{
	const int kind = mode & ~FALLOC_FL_KEEP_SIZE;
	const bool grows = kind != FALLOC_FL_PUNCH_HOLE;
	struct op op = { .type = OP_RANGE };

	if (kind != 0 && kind != FALLOC_FL_PUNCH_HOLE && kind != FALLOC_FL_ZERO_RANGE)
		return hf_error_set(err, -EOPNOTSUPP,
				    "fallocate allocates, punches holes and zeroes ranges; no more");
	if (kind == FALLOC_FL_PUNCH_HOLE && !(mode & FALLOC_FL_KEEP_SIZE))
		return hf_error_set(err, -EOPNOTSUPP, "a hole is punched with KEEP_SIZE");
	if (len == 0)
		return hf_error_set(err, -EINVAL, "a range has at least one byte");
	if (offset > INT64_MAX || len > INT64_MAX - offset)
		return hf_error_set(err, -EFBIG, "a file ends at 2^63 - 1 bytes");
	op.range.ino = ino;
	op.range.mode = kind == 0 ? RANGE_ALLOCATE : kind == FALLOC_FL_PUNCH_HOLE ? RANGE_PUNCH : RANGE_ZERO;
	op.range.flags = (mode & FALLOC_FL_KEEP_SIZE ? RANGE_KEEP_SIZE : 0) |
			 (flags & HF_WRITE_KILL_PRIV ? RANGE_KILL_PRIV : 0);
	return range_steps(s, &op, offset, len, grows, err);
}

int cut_in_steps(struct hf_store *s, uint64_t ino, uint64_t size, struct hf_error *err)
{
	struct op op = { .type = OP_RANGE };
	int r = s->read_only ? 0 : tree_cut_is_long(&s->tree, ino, size, CUT_BLOCKS, err);

	if (r <= 0)
		return r;
	op.range.ino = ino;
	op.range.mode = RANGE_PUNCH;
	op.range.flags = RANGE_KEEP_SIZE;
	r = range_steps(s, &op, size, INT64_MAX - size, false, err);
	return r < 0 ? r : 1;
}

/*
 * So that others need not wait long: no more blocks than a step has, be it in the source or in the way; then
 * up to where a page of the destination ends. Requires sequence.
 */
static int shorten_copy(struct hf_store *s, uint64_t src_ino, uint64_t src_offset, uint64_t ino,
			uint64_t offset, size_t *len, struct hf_error *err)
{
	const size_t asked = *len;
	uint64_t src_end, end;
	int r = tree_blocks_end(&s->tree, src_ino, src_offset, RANGE_STEP_BLOCKS, &src_end, err);

	if (r == 0)
		r = tree_blocks_end(&s->tree, ino, offset, RANGE_STEP_BLOCKS, &end, err);
	if (r < 0)
		return r;
	if (*len > src_end - src_offset)
		*len = (size_t)(src_end - src_offset);
	if (*len > end - offset)
		*len = (size_t)(end - offset);
	if (*len<asked && * len> PAGE_BYTES)
		*len -= (size_t)((offset + *len) % PAGE_BYTES);
	return 0;
}

ssize_t hf_copy_range(struct hf_store *s, uint64_t src_ino, uint64_t src_offset, uint64_t ino,
		      uint64_t offset, size_t len, unsigned flags, struct hf_error *err)
{
	struct op op = { .type = OP_CLONE };
	struct hf_attr src, dst = { .size_bytes = 0 };
	int r;

	r = op_begin(s, 0, true, err);
	if (r < 0)
		return r;
	r = tree_getattr(&s->tree, HF_TID_HEAD, src_ino, &src, err);
	if (r == 0 && !S_ISREG(src.mode))
		r = hf_error_set(err, S_ISDIR(src.mode) ? -EISDIR : -EINVAL,
				 "inode %llu is not a regular file", (unsigned long long)src_ino);
	if (r == 0 && src_offset >= src.size_bytes)
		len = 0;
	else if (r == 0 && len > src.size_bytes - src_offset)
		len = (size_t)(src.size_bytes - src_offset);
	if (r == 0 && offset > INT64_MAX - len)
		r = hf_error_set(err, -EFBIG, "a file ends at 2^63 - 1 bytes");
	if (r == 0 && len > 0 && src_ino == ino && src_offset < offset + len && offset < src_offset + len)
		r = hf_error_set(err, -EINVAL, "the ranges overlap");
	if (r == 0 && len > RANGE_STEP_BYTES)
		r = shorten_copy(s, src_ino, src_offset, ino, offset, &len, err);
	if (r == 0 && len > 0) {
		op.clone.src_ino = src_ino;
		op.clone.src_offset = src_offset;
		op.clone.ino = ino;
		op.clone.offset = offset;
		op.clone.len = len;
		op.clone.flags = flags & HF_WRITE_KILL_PRIV ? WRITE_KILL_PRIV : 0;
		if (s->guard && tree_getattr(&s->tree, HF_TID_HEAD, ino, &dst, NULL) < 0)
			dst.size_bytes = 0;
		r = op_run(s, &op, err);
		if (r == 0)
			guard_written(s, &op, &dst, offset, len);
	}
	op_end(s);
	return r < 0 ? r : (ssize_t)len;
}
