/* SPDX-License-Identifier: MIT */
/*
 * The recovery kit: the 32 secret bytes from which every key of a volume comes (docs/FORMAT.md §4). It is
 * shown once, kept offline, and is with one replica all that a recovery needs. In memory it lives in guarded
 * pages and is wiped when freed. Functions here are thread-safe on distinct kits.
 */
#ifndef HOLDFAST_KIT_H
#define HOLDFAST_KIT_H

#include <stddef.h>
#include <stdint.h>

#include "holdfast/error.h"

#ifdef __cplusplus
extern "C" {
#endif

#define HF_VOLUME_ID_BYTES 16
#define HF_VOLUME_ID_TEXT_BYTES 33 /* lower-case hexadecimal and NUL */

struct hf_kit;

/* A new random kit, which is a new volume's identity. The caller frees it. -ENOMEM, -EIO (no entropy). */
int hf_kit_generate(struct hf_kit **ret, struct hf_error *err);

/*
 * Read a kit file. -ENOENT, -EUCLEAN (no kit in it, or a typing error: the words say which),
 * -EPROTONOSUPPORT.
 */
int hf_kit_read(const char *path, struct hf_kit **ret, struct hf_error *err);

/* The same from text in memory. */
int hf_kit_parse(const char *text, size_t len, struct hf_kit **ret, struct hf_error *err);

/*
 * Write a kit file to keep offline: made with mode 0600, never over an existing file (-EEXIST), durable when
 * 0 is returned. It says for the person who finds it what it is, for which volume, and what to do with it.
 */
int hf_kit_write(const struct hf_kit *kit, const char *path, struct hf_error *err);

/*
 * The line that counts, "HF1-…", NUL-terminated, malloc'ed: the caller wipes and frees it. NULL without
 * memory.
 */
char *hf_kit_line(const struct hf_kit *kit);

void hf_kit_volume_id(const struct hf_kit *kit, char ret_text[HF_VOLUME_ID_TEXT_BYTES]);
void hf_kit_free(struct hf_kit *kit); /* NULL is fine */

#ifdef __cplusplus
}
#endif
#endif
