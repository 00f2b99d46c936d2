/* SPDX-License-Identifier: MIT */
/*
 * Saved heads: a line that names the newest durable commit of a volume, with the writer's signature over it
 * (docs/FORMAT.md §13). Kept where neither the primary nor a replica can reach, it proves at a recovery that
 * what a replica gives is no older than that (hf_recover_held, replica.h). There is no secret in it.
 */
#ifndef HOLDFAST_HEAD_H
#define HOLDFAST_HEAD_H

#include "holdfast/store.h"

#ifdef __cplusplus
extern "C" {
#endif

struct hf_head {
	char volume_id[HF_VOLUME_ID_TEXT_BYTES];
	uint32_t segment, offset; /* where its commit is in the log */
	uint32_t epoch;
	uint64_t commit;       /* its number */
	uint64_t tid, time_ns; /* of the last operation in it */
};

/*
 * Of what is durable now: commit first (hf_store_commit) for all that was acknowledged. *ret_line is the
 * line, without a newline, malloc'ed: the caller frees it. -ENODATA: nothing has been committed yet.
 * -EUCLEAN: the log is damaged at its end.
 */
int hf_store_head(struct hf_store *store, char **ret_line, struct hf_head *ret, struct hf_error *err);

#ifdef __cplusplus
}
#endif
#endif
