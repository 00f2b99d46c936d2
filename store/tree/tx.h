/* SPDX-License-Identifier: MIT */
/*
 * One operation being applied (layer 3): what it has staged so far, and the helpers by which every operation
 * reads and changes versioned values.
 */
#ifndef STORE_TREE_TX_H
#define STORE_TREE_TX_H

#include "store/tree/inode.h"
#include "store/tree/keys.h"
#include "store/tree/past.h"
#include "store/tree/tree.h"

struct tx {
	const struct tree *t;
	struct index_batch *batch;
	const struct op *op;
	struct tree_state state; /* carried forward only when all has gone well */
	struct hf_error *err;
	struct op_note note;
	struct buf value; /* for encoding; used only between two lines */
};

/* An inode as found, with the bytes it was found as. CLEANUP(node_release). */
struct node {
	struct inode i;
	/* empty when the index has none yet (a new inode, or the root before its first change) */
	struct buf raw;
};
#define NODE_INIT               \
	{                       \
		.raw = BUF_INIT \
	}
void node_release(struct node *n);

/* -ESTALE when there is none. */
MUST_USE int tx_inode(struct tx *tx, uint64_t ino, struct node *ret);
/* … that is a directory with a name: -ENOTDIR, -ENOENT when it has been removed. */
MUST_USE int tx_directory(struct tx *tx, uint64_t ino, struct node *ret);
/* … that is a regular file: -EISDIR, -EINVAL. */
MUST_USE int tx_file(struct tx *tx, uint64_t ino, struct node *ret);
/* Store it back, made by this operation; what it was goes to the past. */
MUST_USE int tx_put_inode(struct tx *tx, struct node *n);

/* A versioned value under key: 1, 0, negative. */
MUST_USE int tx_get(struct tx *tx, const struct key *key, struct buf *out);
/* Replace or delete it. `old` is what tx_get gave (empty: nothing was there). */
MUST_USE int tx_put(struct tx *tx, const struct key *key, struct span old, struct span value);
MUST_USE int tx_delete(struct tx *tx, const struct key *key, struct span old);

/* Directory entries. */
struct entry {
	uint64_t tid, ino;
	uint32_t type; /* S_IFMT bits */
};
MUST_USE int entry_decode(struct span value, struct entry *ret);
/* 1, 0, negative; raw: as found. */
MUST_USE int tx_entry(struct tx *tx, uint64_t dir, struct span name, struct entry *ret, struct buf *raw);
MUST_USE int tx_put_entry(struct tx *tx, uint64_t dir, struct span name, struct span old, uint64_t ino,
			  uint32_t mode);
MUST_USE int tx_delete_entry(struct tx *tx, uint64_t dir, struct span name, struct span old);

/*
 * An inode is told which names it has (names.c): one it keeps itself, further ones are rows. `others`: how
 * many it has beside this one. The inode is put by the caller. Of the last name that goes it keeps what it
 * was.
 */
MUST_USE int tx_name_added(struct tx *tx, struct inode *i, uint32_t others, uint64_t dir, struct span name);
MUST_USE int tx_name_removed(struct tx *tx, struct inode *i, uint32_t others, uint64_t dir, struct span name);

/*
 * Extended attributes: put (value) or delete (value.data NULL; a missing one is fine). The inode, whose flags
 * may change, is put by the caller.
 */
MUST_USE int tx_put_xattr(struct tx *tx, struct inode *i, struct span name, struct span value);

/* The link count has come to nothing, or up from it: keep accounts and the list of orphans right. */
void tx_orphan(struct tx *tx, const struct inode *i);
void tx_adopt(struct tx *tx, const struct inode *i);

/* Clear setuid, setgid (of an executable for its group) and security.capability. */
MUST_USE int tx_kill_priv(struct tx *tx, struct inode *i);

static inline struct file_time tx_now(const struct tx *tx)
{
	return file_time_of(tx->op->time_ns);
}

static inline struct span span_of(const struct buf *b)
{
	return (struct span){ b->data, b->len };
}

static inline struct span span_text(const char *s)
{
	return (struct span){ (const uint8_t *)s, strlen(s) };
}

#endif
