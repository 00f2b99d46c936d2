/* SPDX-License-Identifier: MIT */
/* What a drill knows (layer 4; private to store/drill): read from the store as it is opened, and of no file
 * of it later. */
#ifndef STORE_DRILL_REHEARSAL_H
#define STORE_DRILL_REHEARSAL_H

#include "holdfast/drill.h"
#include "store/replica/config.h"
#include "store/replica/peer.h"

struct hf_drill {
	const struct os *os;
	const struct owner *owner; /* the kit's; NULL: by the store's keys */
	struct keyring *keys; /* the volume's, maybe with the store's writer key; NULL: there is no store */
	uint8_t volume_id[VOLUME_ID_BYTES];
	const struct hf_heads *heads;

	struct place place;           /* where it is fetched from, and with what */
	char name[CONFIG_NAME_BYTES]; /* "": none of the store's */
	struct place own_place; /* as the store has it; kind and all the rest of no meaning when name is "" */

	struct log_point own;   /* where the primary's log ended; commit 0: not known */
	struct log_point acked; /* the newest receipt kept; end.segment 0: none */

	uint8_t *seen;   /* segments that a drill of this replica has verified, from number 1 on */
	uint32_t n_seen; /* as far as that is known */

	struct log_point end; /* what hf_drill_recover fetched ends here; end.segment 0: nothing yet */
	struct hf_recovery recovered;
	struct log_pos last_at; /* the last group of that, for hf_drill_unchanged */
	struct buf last;
};

/* Ask it as the primary does, or else as the owner. peer_free. */
MUST_USE int rehearsal_peer(struct hf_drill *d, struct peer **ret, struct hf_error *err);

/* results.c: the replica of those that was drilled longest ago, or never: an index. */
size_t results_stalest(const struct os *os, const char *path, char **names, size_t n);

/* Segments that the drills of this replica verified, from number 1 on; malloc'ed. -ENOMEM, or it cannot be
 * read. */
MUST_USE int results_seen(const struct os *os, const char *path, const char *replica, uint8_t **ret,
			  uint32_t *ret_n);

#endif
