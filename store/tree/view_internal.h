/* SPDX-License-Identifier: MIT */
/* Shared by the readers of this folder (layer 3). */
#ifndef STORE_TREE_VIEW_INTERNAL_H
#define STORE_TREE_VIEW_INTERNAL_H

#include "store/tree/tx.h"

/* The inode at a moment; the root is always there. -ESTALE. */
MUST_USE int view_inode(const struct tree *t, uint64_t tid, uint64_t ino, struct node *ret,
			struct hf_error *err);

#endif
