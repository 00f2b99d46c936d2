/* SPDX-License-Identifier: MIT */
/*
 * Letting old bytes go (docs/FORMAT.md §14 and §15, docs/PROTOCOL.md §10). The owner plans it on the store
 * and signs a list; the operator of one node announces that list there (node.h); after a delay on that node's
 * own clock the node takes away what the list names, unless somebody cancelled it. The store itself keeps
 * everything.
 */
#ifndef HOLDFAST_PRUNE_H
#define HOLDFAST_PRUNE_H

#include "holdfast/kit.h"
#include "holdfast/moment.h"
#include "holdfast/store.h"

#ifdef __cplusplus
extern "C" {
#endif

struct hf_prune_plan {
	struct hf_point before; /* the first moment that stays whole */
	uint64_t bytes;         /* that the list lets go, */
	uint64_t frames;        /* in so many frames */
	uint64_t segments;      /* of so many segments */
	uint64_t chunks;        /* retired by this plan: no later operation names them */
};

/*
 * Plan and sign: the contents that no moment from `before` on, and no tagged moment, is made of. From then on
 * the store never names them again (durably; what has the same bytes is stored anew), so that a list which is
 * carried out weeks later takes nothing that came to be needed meanwhile. Nobody else uses the store during
 * the call; it may take long. replica: name of the node's entry in this store; NULL: the only node there is.
 * The list is *ret_list (malloc'ed, the caller frees it), for that node alone.
 *
 * The commit that it rests on is then shipped, for as long as 10 s if need be; until it is there the node
 * does not take the list.
 *
 *  -ENODATA       there is nothing that could go
 *  -ENOENT        no such replica, or none that is a node; -EINVAL: there are several nodes, so say which
 *  -EKEYREJECTED  the kit is of another volume
 *  -EFBIG         the list would be longer than lists can be: plan to an earlier moment first
 *  -EROFS, -ENOMEM, -EUCLEAN (log or index are damaged), -ENOSPC, -EIO
 */
int hf_prune_plan(struct hf_store *store, const struct hf_kit *kit, const struct hf_point *before,
		  const char *replica, void **ret_list, size_t *ret_len, struct hf_prune_plan *ret,
		  struct hf_error *err);

#ifdef __cplusplus
}
#endif
#endif
