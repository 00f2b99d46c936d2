/* SPDX-License-Identifier: MIT */
/* Pieces, FORMAT.md §10.3: where a run of a file's bytes is. */
#include <assert.h>
#include <errno.h>

#include "store/format/format.h"

void pieces_encode(const struct piece *pieces, size_t n, struct buf *out)
{
	assert(n <= RECORD_PIECES_MAX);
	buf_add_varint(out, n);
	for (size_t i = 0; i < n; i++) {
		const struct piece *p = &pieces[i];

		assert(p->kind <= PIECE_CHUNK && p->len > 0);
		if (p->kind == PIECE_CHUNK) {
			assert(p->ref <= UINT64_MAX - PIECE_CHUNK);
			assert(p->len <= CHUNK_BYTES_MAX && p->off <= CHUNK_BYTES_MAX - p->len);
			buf_add_varint(out, p->ref + PIECE_CHUNK);
			buf_add_varint(out, p->off);
		} else {
			buf_add_varint(out, p->kind);
		}
		buf_add_varint(out, p->len);
	}
}

static struct piece piece_decode(struct cursor *c)
{
	uint64_t kind = cursor_varint(c), off = 0, ref = 0, len, max = UINT32_MAX;

	if (kind >= PIECE_CHUNK) {
		ref = kind - PIECE_CHUNK;
		kind = PIECE_CHUNK;
		off = cursor_varint(c);
		if (off >= CHUNK_BYTES_MAX)
			cursor_fail(c);
		max = CHUNK_BYTES_MAX - off;
	}
	len = cursor_varint(c);
	if (len == 0 || len > max)
		cursor_fail(c);
	return (struct piece){
		.kind = (uint8_t)kind, .off = (uint32_t)off, .len = (uint32_t)len, .ref = ref
	};
}

int pieces_decode(struct cursor *c, struct piece **pieces, size_t *n, size_t *cap)
{
	uint64_t count = cursor_varint(c);

	/* Each takes two bytes at least, so that what is asked for stays in proportion to what was read. */
	if (cursor_status(c) < 0 || count > cursor_left(c) / 2 || *n > RECORD_PIECES_MAX ||
	    count > RECORD_PIECES_MAX - *n) {
		cursor_fail(c);
		return -EUCLEAN;
	}
	if (count > *cap - *n) {
		size_t new_cap = *n + (size_t)count;
		struct piece *grown = realloc(*pieces, new_cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		*pieces = grown;
		*cap = new_cap;
	}
	for (uint64_t i = 0; i < count; i++) {
		struct piece p = piece_decode(c);

		if (cursor_status(c) < 0)
			return -EUCLEAN;
		(*pieces)[(*n)++] = p;
	}
	return 0;
}
