/* SPDX-License-Identifier: MIT */
/*
 * Checks a stream of log bytes without any key (layer 2): what a blind replica does before it writes, what
 * opening a log does, and what `check` does. One implementation for all three. Source: FORMAT.md §5 and §7.
 *
 * Order: verifier_begin for a volume, verifier_segment with each segment's 320 header bytes, verifier_group
 * for each group behind it. A failed call leaves the verifier as it was. Not thread-safe; holds no resources
 * (copy it freely).
 *
 * A frame that was pruned (FORMAT.md §14) stands for what it was by its hash, and only where the owner let it
 * go: without verifier_grant, nowhere.
 */
#ifndef STORE_LOG_VERIFIER_H
#define STORE_LOG_VERIFIER_H

#include "store/log/grants.h"
#include "store/log/log.h"

struct verifier {
	uint8_t volume_id[VOLUME_ID_BYTES];
	struct log_point point;       /* behind the last thing verified; point.end.segment 0: nothing yet */
	struct segment_header header; /* of the present segment */
	uint8_t chain[HASH_BYTES];    /* what the next commit's chain value starts from (FORMAT.md §7) */
	const struct grants *grants;  /* borrowed; NULL: none */
};

void verifier_begin(struct verifier *v, const uint8_t volume_id[VOLUME_ID_BYTES]);
void verifier_grant(struct verifier *v,
		    const struct grants *grants); /* good for as long as v and its copies */

/*
 * Start where a trusted point is, inside the segment with this header (decoded and checked here). 0 or as
 * below.
 */
MUST_USE int verifier_resume(struct verifier *v, const uint8_t header[SEGMENT_HEADER_BYTES],
			     const struct log_point *point, struct hf_error *err);

/* Start at a segment whose predecessor is not at hand: the header is believed about what came before it. */
MUST_USE int verifier_enter(struct verifier *v, const uint8_t header[SEGMENT_HEADER_BYTES],
			    struct hf_error *err);

/*
 * The next segment's header. -EUCLEAN: not a header, or it does not follow (number, chain, tid, time,
 * predecessor not sealed); -EKEYREJECTED: of another volume, certificate not the owner's; -EPROTONOSUPPORT.
 */
MUST_USE int verifier_segment(struct verifier *v, const uint8_t header[SEGMENT_HEADER_BYTES],
			      struct hf_error *err);

/*
 * One group at the start of data (which begins at v->point.end). 1: verified, *ret_used bytes, v->point is
 * behind it, and `frames` (may be NULL) was told each frame. 0: data ends before the group does. -EUCLEAN,
 * -EKEYREJECTED, -EPROTONOSUPPORT: it does not verify.
 */
struct verifier_frames {
	void (*fn)(void *arg, struct log_pos pos, const struct frame_header *header, const uint8_t *body);
	void *arg;
};
MUST_USE int verifier_group(struct verifier *v, const void *data, size_t len, size_t *ret_used,
			    const struct verifier_frames *frames, struct hf_error *err);

#endif
