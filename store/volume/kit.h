/* SPDX-License-Identifier: MIT */
/* What is behind holdfast/kit.h, for the store's own use (layer 4). */
#ifndef STORE_VOLUME_KIT_H
#define STORE_VOLUME_KIT_H

#include "holdfast/kit.h"
#include "store/crypto/crypto.h"
#include "store/os/os.h"

/* The owner whose seed the kit is; borrowed from the kit. */
const struct owner *kit_owner(const struct hf_kit *kit);

/* Volume id as people see it. */
void volume_id_text(const uint8_t id[VOLUME_ID_BYTES], char ret_text[HF_VOLUME_ID_TEXT_BYTES]);

/*
 * When a kit was last seen to open the store at `path` (FORMAT.md §2, kit-check.json). Written durably: 0 or
 * what the system says. Read: 0 when it never was, or the note is not of this volume or not readable.
 */
MUST_USE int kit_note_write(const struct os *os, const char *path, const uint8_t volume_id[VOLUME_ID_BYTES],
			    uint64_t time_ns);
uint64_t kit_note_read(const struct os *os, const char *path, const uint8_t volume_id[VOLUME_ID_BYTES]);

#endif
