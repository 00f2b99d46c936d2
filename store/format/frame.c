/* SPDX-License-Identifier: MIT */
/* Frame header and its associated data, FORMAT.md §6; what is left of a pruned frame, §14. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "store/format/format.h"

static const char magic[4] = { 'H', 'F', 'r', '1' };
static const char ad_domain[] = "holdfast frame"; /* with its NUL */

_Static_assert(FRAME_AD_BYTES == sizeof(ad_domain) + VOLUME_ID_BYTES + 4 + 4 + FRAME_HEADER_BYTES,
	       "the parts of the associated data");

void frame_header_encode(const struct frame_header *h, uint8_t out[FRAME_HEADER_BYTES])
{
	assert(h->type >= FRAME_DATA && h->type <= FRAME_PRUNED);
	assert(h->body_len <= FRAME_BODY_MAX);
	memset(out, 0, FRAME_HEADER_BYTES);
	memcpy(out, magic, sizeof(magic));
	out[4] = h->type;
	out[5] = h->flags;
	put_u32(out + 8, h->body_len);
	memcpy(out + 16, h->nonce, NONCE_BYTES);
}

static int unknown(const char *field, uint32_t value, struct hf_error *err)
{
	return hf_error_set(err, -EPROTONOSUPPORT,
			    "frame: %s 0x%" PRIx32
			    ", which this build does not know; a newer holdfast may read it",
			    field, value);
}

static int check_commit(const struct frame_header *h, struct hf_error *err)
{
	static const uint8_t zeros[NONCE_BYTES];

	if (h->flags != 0 || h->body_len != COMMIT_BODY_BYTES || memcmp(h->nonce, zeros, NONCE_BYTES) != 0)
		return hf_error_set(err, -EUCLEAN,
				    "frame: a commit with flags 0x%x, %" PRIu32 " bytes of body%s", h->flags,
				    h->body_len,
				    memcmp(h->nonce, zeros, NONCE_BYTES) != 0 ? " and a nonce" : "");
	return 0;
}

static int check_body(const struct frame_header *h, struct hf_error *err)
{
	uint32_t last = h->body_len % (FRAME_PIECE_BYTES + TAG_BYTES);

	if (h->type == FRAME_PRUNED && h->flags)
		return unknown("flags of this type", h->flags, err);
	if (h->body_len < TAG_BYTES || h->body_len > FRAME_BODY_MAX)
		return hf_error_set(err, -EUCLEAN, "frame: a body of %" PRIu32 " bytes; %d to %d can be",
				    h->body_len, TAG_BYTES, FRAME_BODY_MAX);
	if (h->flags & FRAME_IN_PIECES && (h->type != FRAME_DATA || h->flags & FRAME_COMPRESSED))
		return unknown("flags of this type", h->flags, err);
	if (h->flags & FRAME_IN_PIECES &&
	    (h->body_len <= FRAME_PIECE_BYTES + TAG_BYTES || (last > 0 && last <= TAG_BYTES)))
		return hf_error_set(err, -EUCLEAN,
				    "frame: a body of %" PRIu32 " bytes, which is not one in pieces",
				    h->body_len);
	return 0;
}

int frame_header_decode(const uint8_t data[FRAME_HEADER_BYTES], struct frame_header *ret,
			struct hf_error *err)
{
	struct frame_header h;
	int r;

	if (memcmp(data, magic, sizeof(magic)) != 0)
		return hf_error_set(err, -EUCLEAN, "frame: does not begin with HFr1");
	h.type = data[4];
	h.flags = data[5];
	h.body_len = get_u32(data + 8);
	memcpy(h.nonce, data + 16, NONCE_BYTES);
	if (h.type < FRAME_DATA || h.type > FRAME_PRUNED)
		return unknown("type", h.type, err);
	if (h.flags & ~(FRAME_COMPRESSED | FRAME_IN_PIECES))
		return unknown("flags", h.flags, err);
	if (get_u16(data + 6) != 0)
		return unknown("reserved field at 6", get_u16(data + 6), err);
	if (get_u32(data + 12) != 0)
		return unknown("reserved field at 12", get_u32(data + 12), err);
	r = h.type == FRAME_COMMIT ? check_commit(&h, err) : check_body(&h, err);
	if (r < 0)
		return r;
	*ret = h;
	return 0;
}

void pruned_frame_encode(uint8_t *frame, size_t len)
{
	uint8_t hash[HASH_BYTES], body_len[4];

	assert(len >= FRAME_HEADER_BYTES + TAG_BYTES && frame[4] == FRAME_DATA);
	hash_one(NULL, frame, len, hash, sizeof(hash));
	memcpy(body_len, frame + 8, sizeof(body_len));
	memset(frame, 0, len);
	memcpy(frame, magic, sizeof(magic));
	frame[4] = FRAME_PRUNED;
	memcpy(frame + 8, body_len, sizeof(body_len));
	memcpy(frame + PRUNED_HASH_AT, hash, sizeof(hash));
}

const uint8_t *pruned_frame_hash(const uint8_t *frame)
{
	return frame + PRUNED_HASH_AT;
}

uint32_t frame_plain_len(const struct frame_header *h)
{
	const uint32_t piece = FRAME_PIECE_BYTES + TAG_BYTES;

	return h->body_len - TAG_BYTES * (h->flags & FRAME_IN_PIECES ? (h->body_len + piece - 1) / piece : 1);
}

void frame_ad(const uint8_t volume_id[VOLUME_ID_BYTES], uint32_t segment, uint32_t offset,
	      const uint8_t header[FRAME_HEADER_BYTES], uint8_t out[FRAME_AD_BYTES])
{
	uint8_t *p = out;

	memcpy(p, ad_domain, sizeof(ad_domain));
	p += sizeof(ad_domain);
	memcpy(p, volume_id, VOLUME_ID_BYTES);
	p += VOLUME_ID_BYTES;
	put_u32(p, segment);
	put_u32(p + 4, offset);
	memcpy(p + 8, header, FRAME_HEADER_BYTES);
}
