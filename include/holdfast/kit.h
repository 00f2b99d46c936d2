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

/*
 * Does this kit open the store at `path`, which may be mounted? Its owner key is the store's, the certificate
 * of the present writer in the log is signed by it, and the newest frame opens with the keys that come from
 * the kit (the store's own are not looked at). When 0 is returned the time is kept in the store. -ENOENT: no
 * store; -EKEYREJECTED: it is of another volume; -EUCLEAN: the log is damaged where it was looked at;
 * -EPROTONOSUPPORT; -EACCES and others from the system.
 */
struct hf_kit_check {
	uint32_t epoch;
	uint32_t cert_segment;                /* where the certificate was read */
	uint32_t frame_segment, frame_offset; /* the frame that opened; 0: the log has none yet */
	uint64_t tid, time_ns;                /* newest durable operation */
	uint64_t checked_ns;                  /* now */
	int not_noted;                        /* 0, or why that could not be kept in the store */
};
int hf_kit_check(const struct hf_kit *kit, const char *path, struct hf_kit_check *ret, struct hf_error *err);

void hf_kit_volume_id(const struct hf_kit *kit, char ret_text[HF_VOLUME_ID_TEXT_BYTES]);
void hf_kit_free(struct hf_kit *kit); /* NULL is fine */

#ifdef __cplusplus
}
#endif
#endif
