/* SPDX-License-Identifier: MIT */
/*
 * The small files of a store: descriptor, keys, lock (layer 4). FORMAT.md §2 to §4.
 */
#ifndef STORE_VOLUME_FILES_H
#define STORE_VOLUME_FILES_H

#include "holdfast/error.h"
#include "store/crypto/crypto.h"
#include "store/format/format.h"
#include "store/os/os.h"

/*
 * Make the folder (or take an empty one) and its sub-folders keys, log, replicas, durably. -ENOTEMPTY when
 * something else is in it. When it fails nothing is left.
 */
MUST_USE int files_make_folders(const struct os *os, const char *path, struct hf_error *err);

/* Make the folder's own name durable, as far as one may and can: what is above may be of another kind. */
MUST_USE int files_sync_name(const struct os *os, const char *path);

/* Take away what a failed making of a store left: the files named above and the first segments, no more. */
void files_remove_unfinished(const struct os *os, const char *path);

/*
 * Write descriptor and both key files (plain; keys.h has the other ways), durably, descriptor last: a store
 * without one is not a store.
 */
MUST_USE int files_write_keys(const struct os *os, const char *path, const struct keyring *keys,
			      struct hf_error *err);
MUST_USE int files_write_descriptor(const struct os *os, const char *path, const struct volume_descriptor *v,
				    struct hf_error *err);

/*
 * Read and check them. -ENOENT: not a store, or not yet (a recovery is under way); -EUCLEAN: damaged, or gone
 * where log and keys are: hf_store_repair makes it anew. The keyring comes with its writer key (when the file
 * is there). Keys that are wrapped, or kept elsewhere, are asked for (key.h): -ENOKEY: nobody was told;
 * -EKEYREJECTED: the passphrase is wrong.
 */
MUST_USE int files_read_descriptor(const struct os *os, const char *path, struct volume_descriptor *ret,
				   struct hf_error *err);
MUST_USE int files_read_keys(const struct os *os, const char *path, const struct volume_descriptor *v,
			     struct keyring **ret, struct hf_error *err);

/*
 * A small file of the store, replaced durably (os_write_file); or read whole. `full` gets its path, for
 * words.
 */
MUST_USE int files_write_small(const struct os *os, const char *path, const char *name,
			       const struct buf *data, mode_t mode, struct hf_error *err);
MUST_USE int files_read_small(const struct os *os, const char *path, const char *name, struct buf *out,
			      struct buf *full, struct hf_error *err);

/*
 * A file outside of the store that holds a secret: made with mode 0600, never over another (-EEXIST), durable
 * with its name when 0 is returned, and gone again when it fails.
 */
MUST_USE int files_write_new(const struct os *os, const char *file, const struct buf *data,
			     struct hf_error *err);

/*
 * Take the store for this process (flock on `lock`, into which `holder` is written with the process id),
 * waiting at most wait_ms. -EBUSY names who has it. Returns a descriptor; closing it lets go.
 *
 * For who only reads (ret_shared, else NULL) *ret_shared tells whether others read beside him, or may: where
 * they do, and on a disk that is read-only (else -EROFS). Then nobody puts anything into the store's folder,
 * nor does he; and whose name is in `lock` says nothing. A read-only medium may have no such file: then there
 * is no lock, and nobody whom it could keep away.
 */
MUST_USE int files_lock(const char *path, const char *holder, unsigned wait_ms, bool *ret_shared,
			struct hf_error *err);

#endif
