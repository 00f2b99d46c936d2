/* SPDX-License-Identifier: MIT */
/* The folder that a recovery makes into a store, and the file in it that says so until it is one. */
#ifndef STORE_REPLICA_RECOVER_MARK_H
#define STORE_REPLICA_RECOVER_MARK_H

#include "holdfast/error.h"
#include "store/format/format.h"
#include "store/os/os.h"

/*
 * Make the folder, marked as this volume's recovery; or find it so. -EEXIST: it is a store already.
 * -ENOTEMPTY: something else is in it, or another volume's recovery.
 */
MUST_USE int recover_mark(const struct os *os, const char *path, const uint8_t volume_id[VOLUME_ID_BYTES],
			  struct hf_error *err);

#endif
