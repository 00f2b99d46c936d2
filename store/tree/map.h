/* SPDX-License-Identifier: MIT */
/*
 * Block lists (layer 3): what the bytes of one block of a file are, as pieces from the block's start on,
 * without gaps; what lies behind the last piece is a hole. Neighbours that continue each other are one piece,
 * and no list ends with a hole, so equal contents made the same way have equal lists. Value in the index:
 * varint tid, then for each piece varint (ref << 2 | kind), varint offset (kinds CHUNK and PENDING), varint
 * length.
 *
 * Pending pieces whose run has been resolved are replaced by what it has become whenever a list is decoded,
 * so they do not spread to later groups (chunk/run.h).
 */
#ifndef STORE_TREE_MAP_H
#define STORE_TREE_MAP_H

#include "store/tree/tx.h"

struct block_list {
	uint64_t tid;
	struct piece *pieces;
	size_t n, cap;
};
#define BLOCK_LIST_INIT       \
	{                     \
		0, NULL, 0, 0 \
	}
void block_list_release(struct block_list *l);
/*
 * Replaces *ret. runs NULL: leave pending pieces as they are. -EUCLEAN, -ENOMEM, or -ENOENT: it names a run
 * that has been dropped since it was read, so there is a newer value by now; not while the store's sequencing
 * lock is held.
 */
MUST_USE int block_list_decode(struct run_table *runs, struct span value, struct block_list *ret);
void block_list_encode(const struct block_list *l, struct buf *out);
/* l with pieces (together len bytes) in the place of [off, off + len). Replaces *ret, which may be l. */
MUST_USE int block_list_replace(const struct block_list *l, uint32_t off, uint32_t len,
				const struct piece *pieces, size_t n, struct block_list *ret);
uint64_t block_list_allocated(const struct block_list *l);

/*
 * Changes of a file's contents; each keeps i->allocated (and the live bytes) right. The inode is put by the
 * caller.
 */
MUST_USE int map_write(struct tx *tx, struct inode *i, uint64_t offset, const struct piece *pieces, size_t n);
/*
 * Make [offset, offset + len) of this kind: PIECE_HOLE punches, PIECE_ZERO zeroes. only_holes: fill holes,
 * leave data.
 */
MUST_USE int map_fill(struct tx *tx, struct inode *i, uint64_t offset, uint64_t len, enum piece_kind kind,
		      bool only_holes);
/* Is what is punched all there is? That changes no block. */
bool map_punches_all(const struct inode *i, uint64_t offset, uint64_t end);
/* Is a file cut to size by keeping what is in front, for that is less than what is behind? */
bool map_cut_keeps(const struct inode *i, uint64_t size);
/* Drop what lies at or behind size. */
MUST_USE int map_truncate(struct tx *tx, struct inode *i, uint64_t size);
/* Name the same bytes as the source has now. The ranges do not overlap. */
MUST_USE int map_clone(struct tx *tx, struct inode *src, uint64_t src_offset, struct inode *i,
		       uint64_t offset, uint64_t len);
/* Replace one block's list by another that names the same bytes. */
MUST_USE int map_fold(struct tx *tx, struct inode *i, uint64_t block, const struct piece *pieces, size_t n);

#endif
