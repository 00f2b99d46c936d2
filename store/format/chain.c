/* SPDX-License-Identifier: MIT */
/* The running hash over a log, FORMAT.md §7. */
#include <string.h>

#include "store/format/format.h"

enum { COMMIT_HASHED_BYTES = 40 }; /* of its body: what stands before the chain value */

/* Open the hash of the next commit: H("holdfast commit" ‖ C before ‖ …). */
static void open_next(struct chain *c)
{
	hash_begin(&c->open, "holdfast commit", HASH_BYTES);
	hash_add(&c->open, c->value, HASH_BYTES);
}

void chain_start(struct chain *c, const uint8_t header[SEGMENT_HEADER_BYTES])
{
	hash_one("holdfast segment", header, SEGMENT_HEADER_BYTES, c->value, HASH_BYTES);
	open_next(c);
}

void chain_resume(struct chain *c, const uint8_t value[HASH_BYTES])
{
	memcpy(c->value, value, HASH_BYTES);
	open_next(c);
}

void chain_frame(struct chain *c, const uint8_t frame_hash[HASH_BYTES])
{
	hash_add(&c->open, frame_hash, HASH_BYTES);
}

void chain_commit(struct chain *c, const uint8_t header[FRAME_HEADER_BYTES],
		  const uint8_t body[COMMIT_BODY_BYTES], uint8_t ret_value[HASH_BYTES])
{
	hash_add(&c->open, header, FRAME_HEADER_BYTES);
	hash_add(&c->open, body, COMMIT_HASHED_BYTES);
	hash_end(&c->open, c->value, HASH_BYTES);
	memcpy(ret_value, c->value, HASH_BYTES);
	open_next(c);
}
