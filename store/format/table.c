/* SPDX-License-Identifier: MIT */
/* Plaintext of a table frame, FORMAT.md §8. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>

#include "store/format/format.h"

static bool entry_fits(uint8_t type, uint64_t len)
{
	if (type == FRAME_COMMIT)
		return len == COMMIT_FRAME_BYTES;
	return len >= FRAME_HEADER_BYTES + TAG_BYTES && len <= FRAME_HEADER_BYTES + FRAME_BODY_MAX;
}

void table_encode(const struct table_entry *entries, size_t n, struct buf *out)
{
	buf_add_varint(out, n);
	for (size_t i = 0; i < n; i++) {
		assert(entries[i].type >= FRAME_DATA && entries[i].type <= FRAME_COMMIT);
		assert(entry_fits(entries[i].type, entries[i].len));
		buf_add_u8(out, entries[i].type);
		buf_add_varint(out, entries[i].len);
	}
}

static int damaged(struct hf_error *err)
{
	return hf_error_set(err, -EUCLEAN, "table of a segment: damaged, or not of this form");
}

static int entry_decode(struct cursor *c, struct table_entry *ret, uint64_t *end, struct hf_error *err)
{
	uint8_t type = cursor_u8(c);
	uint64_t len = cursor_varint(c);

	if (cursor_status(c) < 0)
		return damaged(err);
	if (type < FRAME_DATA || type > FRAME_TABLE)
		return hf_error_set(err, -EPROTONOSUPPORT,
				    "table of a segment: frame type %u, which this build does "
				    "not know; a newer holdfast may read it",
				    type);
	if (type == FRAME_TABLE || !entry_fits(type, len) || len > SEGMENT_BYTES_MAX - *end)
		return damaged(err);
	*end += len;
	ret->type = type;
	ret->len = (uint32_t)len;
	return 0;
}

int table_decode(const void *data, size_t len, struct table_entry **ret, size_t *ret_n, struct hf_error *err)
{
	CLEANUP(cleanup_free) struct table_entry *entries = NULL;
	struct cursor c = cursor_of(data, len);
	uint64_t n = cursor_varint(&c), end = SEGMENT_HEADER_BYTES;

	if (n > cursor_left(&c) / 2) /* each takes two bytes at least */
		return damaged(err);
	entries = calloc(n > 0 ? (size_t)n : 1, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		int r = entry_decode(&c, &entries[i], &end, err);

		if (r < 0)
			return r;
	}
	if (cursor_finish(&c) < 0)
		return damaged(err);
	*ret = TAKE_PTR(entries);
	*ret_n = (size_t)n;
	return 0;
}
