/* SPDX-License-Identifier: MIT */
/* RETIRE, FORMAT.md §10.3 and §14: chunks that no later operation names. */
#include <assert.h>
#include <errno.h>

#include "store/format/op_codec.h"

static void retire_encode(const struct op *op, struct buf *out)
{
	uint64_t end = 0;

	assert(op->retire.n > 0 && op->retire.n <= RECORD_RANGES_MAX);
	buf_add_varint(out, op->retire.n);
	for (size_t i = 0; i < op->retire.n; i++) {
		const struct chunk_range *range = &op->retire.ranges[i];

		assert(range->n > 0 && (i == 0 ? range->first >= end : range->first > end));
		buf_add_varint(out, range->first - end);
		buf_add_varint(out, range->n);
		end = range->first + range->n;
	}
}

/* The range that begins `gap` behind `end`. */
static struct chunk_range read_range(struct op_reader *r, uint64_t end, bool is_first)
{
	uint64_t gap = cursor_varint(&r->c), n = cursor_varint(&r->c);

	if (gap > UINT64_MAX - end || (gap == 0 && !is_first))
		op_reader_damaged(r, "gap between chunks", gap);
	else if (n == 0 || n > UINT64_MAX - end - gap)
		op_reader_damaged(r, "count of chunks", n);
	return (struct chunk_range){ end + gap, n };
}

static void retire_decode(struct op_reader *r, struct op *op)
{
	uint64_t n = cursor_varint(&r->c), end = 0;

	if (n == 0 || n > RECORD_RANGES_MAX || n > cursor_left(&r->c) / 2) /* each takes two bytes at least */
		op_reader_damaged(r, "count of ranges", n);
	if (op_reader_failed(r))
		return;
	op->retire.ranges = calloc((size_t)n, sizeof(*op->retire.ranges));
	if (!op->retire.ranges) {
		r->code = -ENOMEM;
		return;
	}
	op->retire.n = (size_t)n;
	for (size_t i = 0; i < op->retire.n && !op_reader_failed(r); i++) {
		op->retire.ranges[i] = read_range(r, end, i == 0);
		end = op->retire.ranges[i].first + op->retire.ranges[i].n;
	}
}

const struct op_codec op_codec_retire = { "RETIRE", retire_encode, retire_decode };
