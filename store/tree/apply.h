/* SPDX-License-Identifier: MIT */
/* What each operation does, one function each (layer 3). Called by tree_apply only. FORMAT.md §10.3. */
#ifndef STORE_TREE_APPLY_H
#define STORE_TREE_APPLY_H

#include "store/tree/map.h"
#include "store/tree/tx.h"

enum { LINK_MAX = 65000, FILE_BYTES_MAX_LOG2 = 63 };

MUST_USE int apply_create(struct tx *tx);
MUST_USE int apply_link(struct tx *tx);
MUST_USE int apply_unlink(struct tx *tx);
MUST_USE int apply_rename(struct tx *tx);
MUST_USE int apply_reap(struct tx *tx);
MUST_USE int apply_setattr(struct tx *tx);
MUST_USE int apply_setxattr(struct tx *tx);
MUST_USE int apply_removexattr(struct tx *tx);
MUST_USE int apply_write(struct tx *tx);
MUST_USE int apply_range(struct tx *tx);
MUST_USE int apply_clone(struct tx *tx);
MUST_USE int apply_fold(struct tx *tx);
MUST_USE int apply_tag(struct tx *tx);
MUST_USE int apply_retire(struct tx *tx);

#endif
