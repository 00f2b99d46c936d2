/* SPDX-License-Identifier: MIT */
/*
 * What was written out, held against the log (layer 6): every name, its type, mode, owner, times, attributes,
 * target, and every byte, read back from the disk there, beside what the view reads from the signed log.
 */
#ifndef FS_CLI_DRILL_COMPARE_H
#define FS_CLI_DRILL_COMPARE_H

#include "fs/cli/operations.h"
#include "holdfast/view.h"

struct compare_summary {
	uint64_t files, folders, others, bytes; /* that are the same */
	uint64_t differ;                        /* names */
	uint64_t pruned;                        /* not there, because the owner let their contents go */
	char first[HF_ERROR_TEXT_BYTES];        /* of what differs: which, and how */
};

/*
 * `what`, a folder, with all that is in it, beside the folder `to`; or a file, beside `name` in `to`.
 * `owners`: they were restored. 0; -EINTR: the listener wants no more; -ENOMEM; -errno: `to` cannot be
 * opened. Adds to *ret.
 */
int compare_tree(const struct hf_view *view, const struct hf_attr *what, const char *name, const char *to,
		 bool owners, const struct operation_listener *listener, struct compare_summary *ret,
		 struct hf_error *err);

#endif
