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

/* Open the index, or a new one in the place of one that is damaged; where the disk takes no writes, or has no
 * room for who only reads, in a place of its own. p->state is where it is. */
MUST_USE int opening_index(struct opening *p, struct hf_error *err);
/* Throw away an index that has been opened, and begin with an empty one. */
MUST_USE int opening_remake_index(struct opening *p, struct hf_error *err);
/*
 * Was this a failure for want of room, of who only reads and has the index in the store's folder? Then it can
 * be brought on in a place of its own: opening_elsewhere lets go of it and opens it there, from where it got
 * to.
 */
bool opening_goes_elsewhere(const struct opening *p, int code);
MUST_USE int opening_elsewhere(struct opening *p, struct hf_error *err);
/* That takes its time; and a disk that damages this may damage the log. */
void opening_tell_anew(const struct hf_store *s, const char *why);

#endif
