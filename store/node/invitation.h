/* SPDX-License-Identifier: MIT */
/* One-time invitations (layer 4; PROTOCOL.md §6): files, so that one can be made while the node is served. */
#ifndef STORE_NODE_INVITATION_H
#define STORE_NODE_INVITATION_H

#include "store/crypto/crypto.h"
#include "store/os/os.h"
#include "store/replica/place.h"

/*
 * Use an invitation up, for this volume. 0: it was good and is used up, durably. -EACCES: unknown, used,
 * expired, or for another volume; the words say which. is_new: the volume is not here yet; an invitation that
 * names no volume is for these only. Two callers at once: one gets it.
 */
MUST_USE int invitation_use(const struct os *os, const char *dir, const uint8_t token[PLACE_TOKEN_BYTES],
			    const uint8_t volume_id[VOLUME_ID_BYTES], bool is_new, struct hf_error *err);

#endif
