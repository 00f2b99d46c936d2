/* SPDX-License-Identifier: MIT */
/*
 * verified.json: how far a store was verified, and what was found damaged (layer 4; FORMAT.md §16.2).
 * Derived: what cannot be read says nothing.
 */
#ifndef STORE_VOLUME_VERIFIED_H
#define STORE_VOLUME_VERIFIED_H

#include "holdfast/damage.h"
#include "store/log/log.h"

struct verified {
	uint64_t complete_ns, complete_tid;
	uint64_t began_ns;
	uint32_t segment;
	struct hf_damage damage[HF_DAMAGE_MAX];
	size_t n;
	bool more; /* there was no room for all */
};

/* All zeros when there is none, or none of this volume. */
void verified_read(const struct os *os, const char *path, const uint8_t volume_id[VOLUME_ID_BYTES],
		   struct verified *ret);
/* Durable. -ENOMEM, and what the disk says. */
MUST_USE int verified_write(const struct os *os, const char *path, const uint8_t volume_id[VOLUME_ID_BYTES],
			    const struct verified *v);

/* Add a place; 1, or 0: it is there already, or there is no room for it, and `more` is set. */
int verified_add(struct verified *v, struct log_pos pos, const char *words, uint64_t now_ns);
/* Which it is; v->n: it is not there. */
size_t verified_find(const struct verified *v, struct log_pos pos);

#endif
