/* SPDX-License-Identifier: MIT */
/*
 * What a node keeps of appends that should never have been asked for (layer 4; PROTOCOL.md §4): the body, and
 * the request's signature, which says whose key asked. Bounded, for a hostile primary would fill the disk
 * with it; and for each volume by itself, lest the thief of one hide what he does to another.
 */
#ifndef STORE_NODE_EVIDENCE_H
#define STORE_NODE_EVIDENCE_H

#include "store/log/log.h"

/* Of each volume. */
enum { EVIDENCE_FILES_MAX = 100 };
#define EVIDENCE_BYTES_MAX ((uint64_t)256 << 20)

struct evidence;

MUST_USE int evidence_open(const struct os *os, const char *dir, struct evidence **ret, struct hf_error *err);
void evidence_close(struct evidence *e); /* NULL is fine */

struct evidence_item {
	const char *volume; /* id as text */
	struct log_pos at;
	const char *target;
	const char *why;
	const char *signature_input, *signature, *digest; /* as they came, all of a checked form */
	const void *body;
	size_t body_len;
};

/*
 * Keep one. A body too large for what is left is left out, and what is said of it kept. 0, and *ret_number is
 * its name; -EDQUOT: there is enough of this volume; -ENOMEM, or what the disk says. Thread-safe.
 */
MUST_USE int evidence_keep(struct evidence *e, const struct evidence_item *item, unsigned *ret_number);
/* How many are kept, and the bytes of their bodies. */
void evidence_stats(struct evidence *e, uint64_t *ret_files, uint64_t *ret_bytes);

#endif
