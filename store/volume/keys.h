/* SPDX-License-Identifier: MIT */
/*
 * The key files of a store (layer 4): read, unlocked by whom key.h names, and written in the form they are to
 * be kept in. FORMAT.md §4.3 and §4.5.
 */
#ifndef STORE_VOLUME_KEYS_H
#define STORE_VOLUME_KEYS_H

#include "holdfast/key.h"
#include "store/volume/files.h"

/* Write both, durably, in an order in which every state between opens. NULL: plain. */
MUST_USE int keys_write(const struct os *os, const char *path, const struct keyring *keys,
			const struct hf_keeping *keeping, struct hf_error *err);

/* Whether the key files are sound and hold what is in this keyring, as far as can be seen without unlocking.
 */
MUST_USE int keys_check_files(const struct os *os, const char *path, const struct volume_descriptor *v,
			      const struct keyring *keys, struct hf_error *err);

/* The writer key into a keyring that has the volume key, as from a kit: nobody is asked. -ENOENT: there is
 * none. */
MUST_USE int keys_read_writer(const struct os *os, const char *path, const struct volume_descriptor *v,
			      struct keyring *keys, struct hf_error *err);

/*
 * The writer key of an epoch that is just being begun, keys/writer.next: write the keyring's, in the form
 * that writer.key has; read it into a keyring with the volume key (-ENOENT: there is none); let it take
 * writer.key's place.
 */
MUST_USE int keys_write_next(const struct os *os, const char *path, const struct keyring *keys,
			     struct hf_error *err);
MUST_USE int keys_read_next(const struct os *os, const char *path, const struct volume_descriptor *v,
			    struct keyring *keys, struct hf_error *err);
MUST_USE int keys_take_next(const struct os *os, const char *path, struct hf_error *err);

#endif
