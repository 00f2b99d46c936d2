/* SPDX-License-Identifier: MIT */
/*
 * Healing a segment from another copy of the log (layer 4; FORMAT.md §16.3): of a store, of a directory, and
 * of a node by its own command. Nothing that another copy gives is believed: it is taken where the segment's
 * own bytes, further on, say by a hash that it was there, or a known point does.
 *
 * DIR is the folder that has `log` in it. Nobody else replaces segments in DIR meanwhile, and nobody has the
 * segment open to write; who reads it sees the file of before or that of after.
 */
#ifndef STORE_REPLICA_MEND_H
#define STORE_REPLICA_MEND_H

#include "store/log/verifier.h"

/* Judges bytes that another copy has. 1: they will do; 0: not these; -EAGAIN: more is wanted; or fails. */
typedef int mend_take_fn(void *arg, const uint8_t *data, size_t len);

struct mend {
	const struct os *os;
	const char *dir;
	const uint8_t *volume_id;
	const struct grants *grants;   /* of DIR */
	const struct log_known *known; /* points that DIR's log had; of other segments, too */
	size_t n_known;
	/*
	 * Hand what other copies have from `at` on to `take`, one copy after the other, each as far as more
	 * is wanted, until it returns 1: 1. 0: nobody has any that will do; err then has words of the last
	 * that failed, if one did. Negative: -ENOMEM.
	 */
	int (*offer)(void *arg, struct log_pos at, mend_take_fn *take, void *take_arg, struct hf_error *err);
	void *arg;
};

/* Is `pruned`, a pruned frame of len bytes, what stands for the data frame at `data` (FORMAT.md §14)? */
bool mend_stands_for(const uint8_t *pruned, const uint8_t *data, size_t len);

struct mended {
	uint32_t groups; /* put in place, a header not counted */
	uint64_t bytes;  /* of them, and of a header */
	uint32_t from;   /* where the first of these bytes is */
};

/*
 * Heal a segment, durably; what is replaced is in DIR/damaged before that. Of several that are damaged the
 * last comes first: its header then says what was in the one before. 1: done. 0: nothing was changed, for all
 * of it verifies but perhaps an end that nothing says anything of. -ENODATA  no other copy has what is
 * missing, or nothing behind the damage says what was there. As it was -EEXIST   what others have is another
 * history, or what is there is, by a known point. As it was and what the disk says: as it was, or (when the
 * folder could not be synced) healed.
 */
MUST_USE int mend_segment(const struct mend *m, uint32_t segment, struct mended *ret, struct hf_error *err);

#endif
