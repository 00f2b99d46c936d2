/* SPDX-License-Identifier: MIT */
/*
 * What the fixed-size structures of FORMAT.md share: eight bytes of magic, a version behind it, and (but for
 * the certificate, which is signed) an H16 at the end. Private to store/format.
 *
 * `what` names the structure for the person who reads the error ("segment header").
 */
#ifndef STORE_FORMAT_CHECK_H
#define STORE_FORMAT_CHECK_H

#include "store/format/format.h"

enum { MAGIC_BYTES = 8 };

/* Magic, then version, then length: a newer version may have another length, and should be named as such. */
MUST_USE int check_head(const char *what, const uint8_t *data, size_t len, size_t want_len, const char *magic,
			struct hf_error *err);
/* The same of a structure that has had more than one version. */
MUST_USE int check_head_version(const char *what, const uint8_t *data, size_t len, size_t want_len,
				const char *magic, unsigned want_version, struct hf_error *err);
/* The H16 at data[covered] over what is before it. */
MUST_USE int check_sum(const char *what, const uint8_t *data, size_t covered, struct hf_error *err);
void add_sum(struct buf *out, size_t start); /* H16 of out from `start` on, appended */
/* A field that has one value in this version: -EPROTONOSUPPORT for another. */
MUST_USE int check_fixed(const char *what, const char *field, uint64_t value, uint64_t want,
			 struct hf_error *err);

#endif
