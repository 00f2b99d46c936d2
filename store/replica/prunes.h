/* SPDX-License-Identifier: MIT */
/* What a replica's log may lack, brought along with it (layer 4; FORMAT.md §14 and §15). */
#ifndef STORE_REPLICA_PRUNES_H
#define STORE_REPLICA_PRUNES_H

#include "store/replica/peer.h"

/*
 * Fetch the peer's prune lists into PATH/prunes, durably, before the log that they are about. Those that the
 * owner of this volume did not sign are left there. Fine when some, or all, are here already.
 */
MUST_USE int prunes_fetch(const struct os *os, struct peer *peer, const char *path,
			  const uint8_t volume_id[VOLUME_ID_BYTES], struct hf_error *err);

/* What a node answers of the numbers it has (PROTOCOL.md §3), malloc'ed. -EPROTO: that is not it; -ENOMEM. */
MUST_USE int prunes_parse(const void *text, size_t len, uint32_t **ret, size_t *ret_n);

/* A list into DIR/prunes, which is made if need be, durably, unless the same is there. One process does so at
 * a time. */
MUST_USE int prunes_put(const struct os *os, const char *dir, const void *list, size_t len,
			struct hf_error *err);

/* Let the peer know those that a store has (of the node `key`, if that is not NULL, it has its own). */
MUST_USE int prunes_tell(const struct os *os, struct peer *peer, const char *path, const uint8_t *key,
			 struct hf_error *err);

#endif
