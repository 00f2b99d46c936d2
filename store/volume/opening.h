/* SPDX-License-Identifier: MIT */
/* What store.c and opening.c share while a store is being opened. */
#ifndef STORE_VOLUME_OPENING_H
#define STORE_VOLUME_OPENING_H

#include "store/volume/volume.h"

struct opening {
	struct hf_store *s;
	const struct hf_open_options *o;
	struct volume_state state; /* where the index is; point.end.segment 0: nowhere */
	uint64_t index_bytes, frame_bytes;
	bool rebuild; /* throw the index away, once what it says of the log was heard */
};

/* Open the index, or a new one in the place of one that is damaged; where the disk takes no writes, in a
 * place of its own. p->state is where it is. */
MUST_USE int opening_index(struct opening *p, struct hf_error *err);
/* Throw away an index that has been opened, and begin with an empty one. */
MUST_USE int opening_remake_index(struct opening *p, struct hf_error *err);
/* That takes its time; and a disk that damages this may damage the log. */
void opening_tell_anew(const struct hf_store *s, const char *why);

#endif
