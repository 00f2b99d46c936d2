/* SPDX-License-Identifier: MIT */
#include "store/tree/apply.h"

#include <errno.h>
#include <sys/stat.h>

static int too_big(struct tx *tx)
{
	return hf_error_set(tx->err, -EFBIG, "a file ends at 2^63 - 1 bytes");
}

static bool fits(uint64_t offset, uint64_t len)
{
	return offset <= INT64_MAX && len <= INT64_MAX - offset;
}

static void touch_contents(struct tx *tx, struct inode *i)
{
	i->mtime = i->ctime = tx_now(tx);
}

int apply_write(struct tx *tx)
{
	CLEANUP(node_release) struct node n = NODE_INIT;
	uint64_t len = 0;
	int r;

	for (size_t k = 0; k < tx->op->write.n_pieces; k++)
		len += tx->op->write.pieces[k].len;
	if (!fits(tx->op->write.offset, len))
		return too_big(tx);
	tx->note.ino = tx->op->write.ino;
	tx->note.bytes = len;
	r = tx_file(tx, tx->op->write.ino, &n);
	if (r == 0)
		r = map_write(tx, &n.i, tx->op->write.offset, tx->op->write.pieces, tx->op->write.n_pieces);
	if (r == 0 && tx->op->write.flags & WRITE_KILL_PRIV)
		r = tx_kill_priv(tx, &n.i);
	if (r < 0)
		return r;
	if (tx->op->write.offset + len > n.i.size)
		n.i.size = tx->op->write.offset + len;
	touch_contents(tx, &n.i);
	return tx_put_inode(tx, &n);
}

int apply_range(struct tx *tx)
{
	CLEANUP(node_release) struct node n = NODE_INIT;
	const uint64_t offset = tx->op->range.offset, len = tx->op->range.len;
	const bool keep = tx->op->range.flags & RANGE_KEEP_SIZE;
	int r;

	if (!fits(offset, len))
		return too_big(tx);
	if (tx->op->range.mode != RANGE_PUNCH && len > RANGE_BYTES_MAX)
		return hf_error_set(tx->err, -EFBIG, "one operation allocates at most %d bytes",
				    RANGE_BYTES_MAX);
	tx->note.ino = tx->op->range.ino;
	tx->note.bytes = len;
	r = tx_file(tx, tx->op->range.ino, &n);
	if (r < 0)
		return r;
	if (tx->op->range.mode == RANGE_PUNCH)
		r = map_fill(tx, &n.i, offset, len, PIECE_HOLE, false);
	else
		r = map_fill(tx, &n.i, offset, len, PIECE_ZERO, tx->op->range.mode == RANGE_ALLOCATE);
	if (r == 0 && tx->op->range.flags & RANGE_KILL_PRIV)
		r = tx_kill_priv(tx, &n.i);
	if (r < 0)
		return r;
	if (tx->op->range.mode != RANGE_PUNCH && offset + len > n.i.size) {
		if (!keep)
			n.i.size = offset + len;
		else
			n.i.flags |= INODE_BLOCKS_PAST_END;
	}
	touch_contents(tx, &n.i);
	return tx_put_inode(tx, &n);
}

int apply_clone(struct tx *tx)
{
	CLEANUP(node_release) struct node src = NODE_INIT;
	CLEANUP(node_release) struct node dst = NODE_INIT;
	const uint64_t len = tx->op->clone.len;
	int r;

	if (!fits(tx->op->clone.offset, len) || !fits(tx->op->clone.src_offset, len))
		return too_big(tx);
	tx->note.ino = tx->op->clone.ino;
	tx->note.bytes = len;
	r = tx_file(tx, tx->op->clone.src_ino, &src);
	if (r == 0)
		r = tx_file(tx, tx->op->clone.ino, &dst);
	if (r == 0)
		r = map_clone(tx, &src.i, tx->op->clone.src_offset, &dst.i, tx->op->clone.offset, len);
	if (r == 0 && tx->op->clone.flags & WRITE_KILL_PRIV)
		r = tx_kill_priv(tx, &dst.i);
	if (r < 0)
		return r;
	if (tx->op->clone.offset + len > dst.i.size)
		dst.i.size = tx->op->clone.offset + len;
	touch_contents(tx, &dst.i);
	return tx_put_inode(tx, &dst);
}

int apply_fold(struct tx *tx)
{
	CLEANUP(node_release) struct node n = NODE_INIT;
	uint64_t allocated;
	int r;

	if (tx->op->fold.block > INT64_MAX / BLOCK_BYTES)
		return too_big(tx);
	r = tx_file(tx, tx->op->fold.ino, &n);
	if (r < 0)
		return r;
	tx->note.ino = n.i.ino;
	allocated = n.i.allocated;
	r = map_fold(tx, &n.i, tx->op->fold.block, tx->op->fold.pieces, tx->op->fold.n_pieces);
	if (r < 0 || n.i.allocated == allocated)
		return r;
	return tx_put_inode(tx, &n);
}
