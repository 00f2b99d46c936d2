/* SPDX-License-Identifier: MIT */
/* Points that a store's log is known to have had, by what lies beside it (layer 4; FORMAT.md §16). */
#ifndef STORE_VOLUME_KNOWN_H
#define STORE_VOLUME_KNOWN_H

#include "store/log/log.h"

enum { KNOWN_MAX = 16 }; /* of more, those that come first are used */

struct known {
	struct log_known all[KNOWN_MAX];
	size_t n;
};

/* The one that its index was made from. Segment 0: none. */
void known_add_index(struct known *k, const struct log_point *point);
/* The same, read from the index, of a store that nobody has open. One that does not open says nothing.
 * -ENOMEM. */
MUST_USE int known_read_index(struct known *k, const char *store, const uint8_t volume_id[VOLUME_ID_BYTES]);
/* By the receipt kept of this replica, if one can be read. */
void known_add_receipt(struct known *k, const struct os *os, const char *store, const char *replica);
/* By those of all its replicas. */
MUST_USE int known_add_receipts(struct known *k, const struct os *os, const char *store,
				struct hf_error *err);

#endif
