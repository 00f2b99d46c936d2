/* SPDX-License-Identifier: MIT */
/*
 * The list by which an owner lets one node take bytes away (layer 1; FORMAT.md §15). Pure, as format.h says.
 */
#ifndef STORE_FORMAT_PRUNE_H
#define STORE_FORMAT_PRUNE_H

#include "store/format/format.h"

enum {
	PRUNE_HEAD_BYTES = 192,
	PRUNE_SEGMENT_BYTES = 40,
	PRUNE_RANGE_BYTES = 8,
	PRUNE_LIST_BYTES_MAX = 16 << 20,
};

/* Bytes of a segment that are whole data frames, one behind the other. */
struct prune_range {
	uint32_t offset, len;
};

struct prune_segment {
	uint32_t segment;
	uint8_t chain[HASH_BYTES];        /* behind its last commit */
	const struct prune_range *ranges; /* rising, none touching the next; at least one */
	size_t n;
};

struct prune_list {
	uint8_t volume_id[VOLUME_ID_BYTES];
	uint8_t owner_public[PUBLIC_KEY_BYTES];
	uint8_t node[PUBLIC_KEY_BYTES]; /* the one node it is for, by its receipt key */
	uint32_t epoch;
	uint32_t at_segment, at_offset; /* behind the commit that retired the chunks */
	uint64_t commit, tid;           /* of that commit */
	uint8_t chain[HASH_BYTES];
	uint64_t before_tid, before_ns; /* the first moment that stays whole */
	uint64_t made_ns;
	struct prune_segment *segments; /* by rising number; at least one */
	size_t n;
	struct prune_range *ranges; /* of all of them */
};

/*
 * Sign and append; volume id and owner's key are filled in. `ranges` of the list is not looked at, those of
 * its segments are. -EFBIG: longer than a list can be; -ENOMEM.
 */
MUST_USE int prune_list_encode(struct prune_list *list, const struct owner *owner, struct buf *out);
/* -EKEYREJECTED: the signature is not the owner's, or the volume id not that of the owner key. -ENOMEM. */
MUST_USE int prune_list_decode(const void *data, size_t len, struct prune_list *ret, struct hf_error *err);
void prune_list_release(struct prune_list *list);

/* What it says of a segment; NULL: nothing. */
const struct prune_segment *prune_list_find(const struct prune_list *list, uint32_t segment);
bool prune_segment_covers(const struct prune_segment *s, uint32_t offset, uint32_t len);
uint64_t prune_segment_bytes(const struct prune_segment *s); /* of its ranges */
uint64_t prune_list_bytes(const struct prune_list *list);

#endif
