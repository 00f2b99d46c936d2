/* SPDX-License-Identifier: MIT */
/* Records of a metadata frame, and the records that are no operations, FORMAT.md §10 to §10.2. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "store/format/format.h"

int record_next(struct cursor *c, uint8_t *ret_type, struct span *ret_body, struct hf_error *err)
{
	size_t at = c->pos, len;
	const uint8_t *body;
	uint8_t type;

	if (cursor_status(c) == 0 && cursor_left(c) == 0)
		return 0;
	type = cursor_u8(c);
	body = cursor_bytes(c, FRAME_BODY_MAX, &len);
	if (cursor_status(c) < 0)
		return hf_error_set(err, -EUCLEAN,
				    "metadata frame: the record at byte %zu does not end in the frame", at);
	*ret_type = type;
	*ret_body = (struct span){ body, len };
	return 1;
}

void chunks_encode(const struct chunk_entry *entries, size_t n, struct buf *out)
{
	CLEANUP(buf_release) struct buf body = BUF_INIT;

	assert(n > 0);
	buf_add_varint(&body, n);
	for (size_t i = 0; i < n; i++) {
		assert(entries[i].len > 0 && entries[i].len <= CHUNK_BYTES_MAX);
		buf_add(&body, entries[i].name, HASH_BYTES);
		buf_add_varint(&body, entries[i].len);
	}
	if (buf_status(&body) < 0)
		out->failed = true;
	buf_add_u8(out, RECORD_CHUNKS);
	buf_add_bytes(out, body.data, body.len);
}

static int damaged(struct hf_error *err)
{
	return hf_error_set(err, -EUCLEAN, "CHUNKS record: damaged, or not of this form");
}

int chunks_decode(struct span body, struct chunk_entry **ret, size_t *ret_n, struct hf_error *err)
{
	CLEANUP(cleanup_free) struct chunk_entry *entries = NULL;
	struct cursor c = cursor_of(body.data, body.len);
	uint64_t n = cursor_varint(&c);

	if (n == 0 || n > cursor_left(&c) / (HASH_BYTES + 1))
		return damaged(err);
	entries = calloc((size_t)n, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		uint64_t len;

		cursor_copy(&c, entries[i].name, HASH_BYTES);
		len = cursor_varint(&c);
		if (len == 0 || len > CHUNK_BYTES_MAX)
			return damaged(err);
		entries[i].len = (uint32_t)len;
	}
	if (cursor_finish(&c) < 0)
		return damaged(err);
	*ret = TAKE_PTR(entries);
	*ret_n = (size_t)n;
	return 0;
}

void who_encode(uint32_t uid, struct buf *out)
{
	CLEANUP(buf_release) struct buf body = BUF_INIT;

	buf_add_varint(&body, uid == UID_UNKNOWN ? 0 : (uint64_t)uid + 1);
	if (buf_status(&body) < 0)
		out->failed = true;
	buf_add_u8(out, RECORD_WHO);
	buf_add_bytes(out, body.data, body.len);
}

int who_decode(struct span body, uint32_t *ret_uid, struct hf_error *err)
{
	struct cursor c = cursor_of(body.data, body.len);
	uint64_t v = cursor_varint(&c);

	if (cursor_finish(&c) < 0 || v > UINT32_MAX)
		return hf_error_set(err, -EUCLEAN, "WHO record: damaged, or not of this form");
	*ret_uid = v == 0 ? UID_UNKNOWN : (uint32_t)(v - 1);
	return 0;
}
