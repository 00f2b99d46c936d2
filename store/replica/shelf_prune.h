/* SPDX-License-Identifier: MIT */
/*
 * Taking data frames out of a segment, as a list says that the owner has signed (layer 4; FORMAT.md §14). The
 * one place where bytes of a log are ever given up. The segment keeps its length, and every byte that is not
 * in a frame named; the file is replaced as a whole, by one that has been verified to have the same chain.
 *
 * DIR is the folder that has `log` and `prunes` in it. Nobody else does this in DIR at the same time; whoever
 * reads the segment meanwhile sees the file of before or that of after.
 */
#ifndef STORE_REPLICA_SHELF_PRUNE_H
#define STORE_REPLICA_SHELF_PRUNE_H

#include "store/log/grants.h"

struct shelf_pruned {
	uint64_t frames; /* that were there, and are not */
	uint64_t bytes;  /* of them */
};

/*
 * Does the segment verify up to the chain value in the list, with nothing behind it, and are the ranges
 * exactly whole data frames (pruned ones among them)? Reads all of it, changes nothing; *ret: what
 * shelf_prune would take. `grants`: those of DIR. -EUCLEAN and -EKEYREJECTED: no; -ENOMEM, and what the disk
 * says.
 */
MUST_USE int shelf_prune_check(const struct os *os, const char *dir, const struct grants *grants,
			       const struct prune_list *list, const struct prune_segment *segment,
			       struct shelf_pruned *ret, struct hf_error *err);
/*
 * The same, then do it, durably. When it fails, the segment is as it was; or, when the folder could not be
 * synced, as it should be, which is durable once this returns 0. grants: `list` is in them. -ENOSPC.
 */
MUST_USE int shelf_prune(const struct os *os, const char *dir, const struct grants *grants,
			 const struct prune_list *list, const struct prune_segment *segment,
			 struct shelf_pruned *ret, struct hf_error *err);

#endif
