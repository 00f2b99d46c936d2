/* SPDX-License-Identifier: MIT */
/*
 * Is what a replica gives the newest there is? Saved heads (FORMAT.md §13) tell, nothing else does (layer 4).
 *
 * Order: freshness_begin, freshness_reaches with what the replica says of itself, freshness_judge with the
 * log that came from it, freshness_release on every path. Not thread-safe.
 */
#ifndef STORE_REPLICA_FRESHNESS_H
#define STORE_REPLICA_FRESHNESS_H

#include "holdfast/replica.h"
#include "store/log/log.h"

struct freshness {
	bool accept_stale;
	struct head *heads; /* of this volume */
	size_t n;

	enum hf_freshness verdict;
	uint64_t time_ns;                /* PROVEN: of the newest head that is there */
	char stale[HF_ERROR_TEXT_BYTES]; /* STALE: of the first that is not, why */
};

/*
 * Read the heads. given NULL: there are none. -EUCLEAN, -EPROTONOSUPPORT: one is damaged, or is none;
 * -EKEYREJECTED: of another volume.
 */
MUST_USE int freshness_begin(struct freshness *f, const struct hf_heads *given,
			     const uint8_t volume_id[VOLUME_ID_BYTES], struct hf_error *err);
void freshness_release(struct freshness *f);

/* Before anything is fetched. -ENODATA: by its own word the replica does not reach a head. */
MUST_USE int freshness_reaches(struct freshness *f, const struct log_point *end, struct hf_error *err);

/*
 * Of a verified log that ends at `end`; may be asked again when it has grown. Sets the verdict. Unless stale
 * is accepted, -ENODATA: the log does not reach a head; -EEXIST: it has something else there. -EKEYREJECTED
 * whatever is accepted: a head is not signed by this volume's writer.
 */
MUST_USE int freshness_judge(struct freshness *f, const struct os *os, const char *log_dir,
			     const struct log_point *end, struct hf_error *err);

#endif
