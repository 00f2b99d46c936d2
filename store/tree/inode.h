/* SPDX-License-Identifier: MIT */
/* An inode as the index keeps it (layer 3). */
#ifndef STORE_TREE_INODE_H
#define STORE_TREE_INODE_H

#include "holdfast/view.h"
#include "store/base/buf.h"
#include "store/format/format.h"

enum {
	INODE_HAS_CAPABILITY = 1,  /* security.capability is set: a write must clear it */
	INODE_BLOCKS_PAST_END = 2, /* fallocate may have put blocks behind the size */
	INODE_NAMELESS = 4,        /* made without a name, and has had none yet: it may be given one */
	INODE_HAS_XATTRS = 8, /* it has, or has had, an extended attribute: else none need be looked for */
};

struct inode {
	uint64_t ino;
	uint64_t tid; /* the operation that made this state */
	uint32_t mode, nlink, uid, gid, flags;
	uint64_t rdev;
	uint64_t size;
	uint64_t allocated; /* bytes */
	/* of the contents: one more each time they are dropped whole, so that this is O(1) */
	uint32_t generation;
	uint64_t parent; /* the directory of its name, of one of them, or of the last it had; 0: it never had
			    any */
	uint64_t name_hash; /* of that name (keys.h) */
	struct file_time atime, mtime, ctime, btime;
	struct span target; /* of a symbolic link; borrowed from what was decoded */
};

void inode_encode(const struct inode *i, struct buf *out);
/* 0 or -EUCLEAN. ret->target borrows from value. */
MUST_USE int inode_decode(uint64_t ino, struct span value, struct inode *ret);
void inode_to_attr(const struct inode *i, struct hf_attr *ret);

static inline struct file_time file_time_of(uint64_t ns)
{
	return (struct file_time){ (int64_t)(ns / 1000000000), (uint32_t)(ns % 1000000000) };
}

/* The root directory as it is at tid 0. */
void inode_root(uint64_t created_ns, struct inode *ret);

#endif
