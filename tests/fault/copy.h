/* SPDX-License-Identifier: MIT */
/*
 * What a node has of a store, held against the store's own disk: by its files, and by the shelf that a node
 * opens.
 */
#ifndef TESTS_FAULT_COPY_H
#define TESTS_FAULT_COPY_H

#include "store/replica/receipt.h"
#include "tests/fault/fault.h"

struct copy {
	struct machine *from, *to;
	char from_log[MACHINE_PATH_BYTES + 32], to_dir[MACHINE_PATH_BYTES + 100];
	uint8_t volume_id[VOLUME_ID_BYTES], node_key[PUBLIC_KEY_BYTES];
	struct log_point promised; /* the furthest of all receipts */
	struct log_pos compared;   /* so far the bytes of both have been seen to be the same, durably */
	char words[400];           /* why something is not as it should be */
};

/* The volume's folder on the node is that of this kit; its receipts are signed by the key in node_dir. */
MUST_USE int copy_begin(struct copy *c, struct machine *from, struct machine *to, const char *store,
			const char *node_dir, const struct hf_kit *kit, struct hf_error *err);
void copy_end(struct copy *c);

/*
 * A receipt as the node sends it: signed by it; what it speaks of is, at the worst, on the node's disk now,
 * and on the primary's, byte for byte. 0 or -1.
 */
MUST_USE int copy_receipt(struct copy *c, const void *text, size_t len, const char *signature);

/*
 * Open the node's copy to look at: it verifies, holds all that was ever promised, and no byte that the
 * primary has not durably. whole: all of it is compared anew.
 */
MUST_USE int copy_check(struct copy *c, bool whole);

#endif
