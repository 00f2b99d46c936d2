/* SPDX-License-Identifier: MIT */
/* Operations on the contents of a file: WRITE, RANGE, CLONE, FOLD (FORMAT.md §10.3). */
#include <assert.h>

#include "store/format/op_codec.h"

static void write_encode(const struct op *op, struct buf *out)
{
	assert(op->write.n_pieces > 0);
	buf_add_varint(out, op->write.ino);
	buf_add_varint(out, op->write.offset);
	buf_add_varint(out, op->write.flags);
	pieces_encode(op->write.pieces, op->write.n_pieces, out);
}

static void write_decode(struct op_reader *r, struct op *op)
{
	uint64_t len;

	op->write.ino = op_read_ino(r, "inode");
	op->write.offset = cursor_varint(&r->c);
	op->write.flags = op_read_flags(r, "flags", WRITE_KILL_PRIV);
	op_read_pieces(r, &op->write.pieces, &op->write.n_pieces, &len);
	op_check_run(r, op->write.offset, len);
}

const struct op_codec op_codec_write = { "WRITE", write_encode, write_decode };

static void range_encode(const struct op *op, struct buf *out)
{
	assert(op->range.mode >= RANGE_ALLOCATE && op->range.mode <= RANGE_ZERO);
	buf_add_varint(out, op->range.ino);
	buf_add_varint(out, op->range.mode);
	buf_add_varint(out, op->range.flags);
	buf_add_varint(out, op->range.offset);
	buf_add_varint(out, op->range.len);
}

static void range_decode(struct op_reader *r, struct op *op)
{
	op->range.ino = op_read_ino(r, "inode");
	op->range.mode = op_read_u32(r, "mode");
	if (op->range.mode < RANGE_ALLOCATE || op->range.mode > RANGE_ZERO)
		op_reader_unknown(r, "mode", op->range.mode);
	op->range.flags = op_read_flags(r, "flags", RANGE_KEEP_SIZE | RANGE_KILL_PRIV);
	op->range.offset = cursor_varint(&r->c);
	op->range.len = cursor_varint(&r->c);
	op_check_run(r, op->range.offset, op->range.len);
}

const struct op_codec op_codec_range = { "RANGE", range_encode, range_decode };

static void clone_encode(const struct op *op, struct buf *out)
{
	buf_add_varint(out, op->clone.src_ino);
	buf_add_varint(out, op->clone.src_offset);
	buf_add_varint(out, op->clone.ino);
	buf_add_varint(out, op->clone.offset);
	buf_add_varint(out, op->clone.len);
	buf_add_varint(out, op->clone.flags);
}

static void clone_decode(struct op_reader *r, struct op *op)
{
	op->clone.src_ino = op_read_ino(r, "source inode");
	op->clone.src_offset = cursor_varint(&r->c);
	op->clone.ino = op_read_ino(r, "inode");
	op->clone.offset = cursor_varint(&r->c);
	op->clone.len = cursor_varint(&r->c);
	op_check_run(r, op->clone.src_offset, op->clone.len);
	op_check_run(r, op->clone.offset, op->clone.len);
	op->clone.flags = op_read_flags(r, "flags", WRITE_KILL_PRIV);
}

const struct op_codec op_codec_clone = { "CLONE", clone_encode, clone_decode };

static void fold_encode(const struct op *op, struct buf *out)
{
	assert(op->fold.n_pieces > 0);
	buf_add_varint(out, op->fold.ino);
	buf_add_varint(out, op->fold.block);
	pieces_encode(op->fold.pieces, op->fold.n_pieces, out);
}

static void fold_decode(struct op_reader *r, struct op *op)
{
	uint64_t len;

	op->fold.ino = op_read_ino(r, "inode");
	op->fold.block = cursor_varint(&r->c);
	if (op->fold.block > INT64_MAX / BLOCK_BYTES)
		op_reader_damaged(r, "block", op->fold.block);
	op_read_pieces(r, &op->fold.pieces, &op->fold.n_pieces, &len);
	if (len == 0 || len > BLOCK_BYTES)
		op_reader_damaged(r, "length", len);
}

const struct op_codec op_codec_fold = { "FOLD", fold_encode, fold_decode };
