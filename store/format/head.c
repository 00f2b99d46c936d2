/* SPDX-License-Identifier: MIT */
/* The line of a saved head, FORMAT.md §13. */
#include <errno.h>
#include <string.h>

#include "store/format/format.h"

enum {
	HEAD_VERSION = 1,
	HEAD_SUM_BYTES = 4,
	HEAD_BYTES = 1 + VOLUME_ID_BYTES + 4 + 4 + COMMIT_BODY_BYTES + HEAD_SUM_BYTES,
	HEAD_CHARS = HEAD_BYTES * 4 / 3,
};

_Static_assert(HEAD_BYTES % 3 == 0, "base64 of a head has no loose bits");

static const char label[] = "holdfast-head:";

static void head_sum(const uint8_t raw[HEAD_BYTES - HEAD_SUM_BYTES], uint8_t out[HEAD_SUM_BYTES])
{
	uint8_t hash[HASH_BYTES];

	hash_one("holdfast head", raw, HEAD_BYTES - HEAD_SUM_BYTES, hash, sizeof(hash));
	memcpy(out, hash, HEAD_SUM_BYTES);
}

void head_line_encode(const struct head *h, struct buf *out)
{
	uint8_t raw[HEAD_BYTES], *p = raw;

	*p++ = HEAD_VERSION;
	memcpy(p, h->volume_id, VOLUME_ID_BYTES);
	put_u32(p += VOLUME_ID_BYTES, h->segment);
	put_u32(p += 4, h->offset);
	commit_encode(&h->commit, p += 4);
	head_sum(raw, p + COMMIT_BODY_BYTES);
	token_encode(label, raw, sizeof(raw), out);
}

/* A commit frame lies behind a segment's header and within the largest segment. */
static bool place_is_possible(const struct head *h)
{
	return h->segment > 0 && h->offset >= SEGMENT_HEADER_BYTES &&
	       h->offset <= SEGMENT_BYTES_MAX - COMMIT_FRAME_BYTES;
}

static int decode_raw(const uint8_t raw[HEAD_BYTES], struct head *ret, struct hf_error *err)
{
	struct cursor c = cursor_of(raw + 1, HEAD_BYTES - 1);
	uint8_t sum[HEAD_SUM_BYTES];

	head_sum(raw, sum);
	if (memcmp(sum, raw + HEAD_BYTES - HEAD_SUM_BYTES, sizeof(sum)) != 0)
		return hf_error_set(
			err, -EUCLEAN,
			"saved head: the checksum does not match, so at least one character is not as "
			"it was printed");
	cursor_copy(&c, ret->volume_id, VOLUME_ID_BYTES);
	ret->segment = cursor_u32(&c);
	ret->offset = cursor_u32(&c);
	if (!place_is_possible(ret))
		return hf_error_set(err, -EUCLEAN, "saved head: it names a place where no commit can be");
	return commit_decode(cursor_take(&c, COMMIT_BODY_BYTES), &ret->commit, err);
}

int head_line_decode(const char *text, size_t len, struct head *ret, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf raw = BUF_INIT;
	struct head h;
	int r = token_decode(label, text, len, &raw);

	if (r == -ENOMEM)
		return hf_error_set(err, r, "no memory");
	if (r == -ENOENT)
		return hf_error_set(err, -EUCLEAN,
				    "no saved head: it begins with %s, as holdfast head printed it", label);
	if (r == 0 && raw.data[0] != HEAD_VERSION)
		return hf_error_set(
			err, -EPROTONOSUPPORT,
			"saved head: version %u, and this build knows version %d only; a newer holdfast "
			"may read it",
			raw.data[0], HEAD_VERSION);
	if (r < 0 || raw.len != HEAD_BYTES)
		return hf_error_set(
			err, -EUCLEAN,
			"saved head: it is not whole, or not as it was printed: %d letters, digits, - "
			"and _ follow %s",
			HEAD_CHARS, label);
	r = decode_raw(raw.data, &h, err);
	if (r == 0)
		*ret = h;
	return r;
}

const char *head_find(const char *text, size_t len, size_t *ret_len)
{
	const char *start = len ? memmem(text, len, label, strlen(label)) : NULL, *p, *end = text + len;

	if (!start)
		return NULL;
	p = start + strlen(label);
	for (size_t n = 0; p < end && n < HEAD_CHARS; p++)
		n += !token_blank(*p);
	*ret_len = (size_t)(p - start);
	return start;
}

int head_check_signature(const struct head *h, const struct epoch_cert *cert)
{
	uint8_t body[COMMIT_BODY_BYTES];

	if (cert->epoch != h->commit.epoch)
		return -EKEYREJECTED;
	commit_encode(&h->commit, body);
	return commit_check_signature(cert->writer_public, h->volume_id, h->segment, h->offset, body);
}
