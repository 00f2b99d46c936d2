/* SPDX-License-Identifier: MIT */
/* A folder that a volume is recovered from, where it is a replica: held, and told of the new epoch (layer 4).
 */
#ifndef STORE_REPLICA_RECOVER_FOLDER_H
#define STORE_REPLICA_RECOVER_FOLDER_H

#include "store/log/log.h"
#include "store/replica/peer.h"

/*
 * Is it a folder replica of this volume, named by its path or by that of the volume's own folder in it? Then
 * place->path becomes the former. A store's folder is none, nor is what a node keeps: a node would not know
 * the epoch that is written there behind its back.
 */
bool recover_folder_is_replica(const struct os *os, struct place *place,
			       const uint8_t volume_id[VOLUME_ID_BYTES]);

/* Open it for appending, and lock it: nobody else appends until peer_free. Where it ends. */
MUST_USE int recover_folder_hold(const struct peer_options *o, struct peer **ret, struct receipt *ret_head,
				 struct hf_error *err);

/*
 * Append the header of the epoch's first segment, which has its certificate, from the log in log_dir. From
 * then on the folder refuses what the epoch before signs. Fine when it is there already. -EEXIST, -EUCLEAN:
 * something else is.
 */
MUST_USE int recover_folder_tell(struct peer *folder, const struct os *os, const char *log_dir,
				 uint32_t first_segment, struct hf_error *err);

#endif
