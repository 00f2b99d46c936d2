/* SPDX-License-Identifier: MIT */
/* Body of a commit, and its signature, FORMAT.md §7. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "store/format/format.h"

enum {
	CHAIN_AT = 40,
	SIGNATURE_AT = 72,
	SIGNED_BYTES = VOLUME_ID_BYTES + 4 + 4 + SIGNATURE_AT,
};

static const char domain[] = "holdfast signed";

void commit_encode(const struct commit *c, uint8_t out[COMMIT_BODY_BYTES])
{
	put_u64(out, c->number);
	put_u64(out + 8, c->tid);
	put_u64(out + 16, c->time_ns);
	put_u32(out + 24, c->epoch);
	put_u32(out + 28, c->flags);
	put_u32(out + 32, c->frames);
	put_u32(out + 36, c->table_offset);
	memcpy(out + CHAIN_AT, c->chain, HASH_BYTES);
	memcpy(out + SIGNATURE_AT, c->signature, SIGNATURE_BYTES);
}

static int check_table(const struct commit *c, struct hf_error *err)
{
	bool seals = c->flags & COMMIT_SEALS;

	if (!seals && c->table_offset != 0)
		return hf_error_set(err, -EUCLEAN,
				    "commit %" PRIu64 ": it seals nothing, but names a table at %" PRIu32,
				    c->number, c->table_offset);
	if (seals &&
	    (c->table_offset < SEGMENT_HEADER_BYTES || c->table_offset > SEGMENT_BYTES_MAX || c->frames == 0))
		return hf_error_set(err, -EUCLEAN,
				    "commit %" PRIu64 ": it seals a segment, but no table can be at %" PRIu32
				    " in a group of %" PRIu32 " frames",
				    c->number, c->table_offset, c->frames);
	return 0;
}

int commit_decode(const uint8_t body[COMMIT_BODY_BYTES], struct commit *ret, struct hf_error *err)
{
	struct commit c = {
		.number = get_u64(body),
		.tid = get_u64(body + 8),
		.time_ns = get_u64(body + 16),
		.epoch = get_u32(body + 24),
		.flags = get_u32(body + 28),
		.frames = get_u32(body + 32),
		.table_offset = get_u32(body + 36),
	};
	int r;

	memcpy(c.chain, body + CHAIN_AT, HASH_BYTES);
	memcpy(c.signature, body + SIGNATURE_AT, SIGNATURE_BYTES);
	if (c.flags & ~(uint32_t)COMMIT_SEALS)
		return hf_error_set(err, -EPROTONOSUPPORT,
				    "commit %" PRIu64 ": flags 0x%" PRIx32 ", which this build does "
				    "not know; a newer holdfast may read it",
				    c.number, c.flags);
	if (c.number == 0 || c.epoch == 0)
		return hf_error_set(err, -EUCLEAN,
				    "commit %" PRIu64 " of epoch %" PRIu32 ": both are numbered from 1",
				    c.number, c.epoch);
	r = check_table(&c, err);
	if (r < 0)
		return r;
	*ret = c;
	return 0;
}

static void signed_bytes(const uint8_t volume_id[VOLUME_ID_BYTES], uint32_t segment, uint32_t offset,
			 const uint8_t body[COMMIT_BODY_BYTES], uint8_t out[SIGNED_BYTES])
{
	memcpy(out, volume_id, VOLUME_ID_BYTES);
	put_u32(out + VOLUME_ID_BYTES, segment);
	put_u32(out + VOLUME_ID_BYTES + 4, offset);
	memcpy(out + VOLUME_ID_BYTES + 8, body, SIGNATURE_AT);
}

void commit_sign(const struct keyring *k, uint32_t segment, uint32_t offset, uint8_t body[COMMIT_BODY_BYTES])
{
	uint8_t msg[SIGNED_BYTES];

	assert(get_u32(body + 24) == keyring_writer_epoch(k));
	signed_bytes(keyring_volume_id(k), segment, offset, body, msg);
	keyring_sign(k, domain, msg, sizeof(msg), body + SIGNATURE_AT);
}

int commit_check_signature(const uint8_t writer_public[PUBLIC_KEY_BYTES],
			   const uint8_t volume_id[VOLUME_ID_BYTES], uint32_t segment, uint32_t offset,
			   const uint8_t body[COMMIT_BODY_BYTES])
{
	uint8_t msg[SIGNED_BYTES];

	signed_bytes(volume_id, segment, offset, body, msg);
	return signature_check(writer_public, domain, msg, sizeof(msg), body + SIGNATURE_AT);
}
