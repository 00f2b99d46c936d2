/* SPDX-License-Identifier: MIT */
/*
 * Does a folder lie in the store whose replica it is to be, or in the volume that the store is mounted as
 * (layer 4)? Then the log would be fed with itself. Told by file systems and what of them is mounted where
 * (/proc/self/mountinfo), so that links, relative paths and bind mounts lead nowhere else. Asks the kernel,
 * keeps nothing, thread-safe.
 */
#ifndef STORE_REPLICA_WITHIN_H
#define STORE_REPLICA_WITHIN_H

#include "store/replica/place.h"

/*
 * Of a place that is a folder, there already or not: 0: it lies elsewhere, or nothing can be told. -EINVAL:
 * it, or with `volume_id` the folder of that volume in it, is within the store at `store` (which need not be
 * there yet) or in its mount; the words say what to do.
 */
MUST_USE int within_check(const struct place *place, const char *store,
			  const uint8_t volume_id[VOLUME_ID_BYTES], struct hf_error *err);

/* Is it the same folder, however the two are written? False when that cannot be told. */
bool within_is_same(const char *a, const char *b);

#endif
