/* SPDX-License-Identifier: MIT */
/* Contents of the files of ceiling.c: blocks that do not move. */
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/ceiling.h"

enum {
	BLOCK_BYTES = 64 << 10,
	POOL_STEP_BYTES = 16 << 20,
	POOL_STEPS = 128,
};

/* The kernel's pages cost more than what is done with them here, and a store has its own again and again. */
int bytes_init(void)
{
	void *steps[POOL_STEPS] = { NULL };
	int r = 0;

	(void)mallopt(M_MMAP_THRESHOLD, 32 << 20);
	(void)mallopt(M_TRIM_THRESHOLD, INT_MAX);
	(void)mallopt(M_ARENA_MAX, 1);
	for (int i = 0; i < POOL_STEPS && r == 0; i++) {
		steps[i] = malloc(POOL_STEP_BYTES);
		if (steps[i])
			memset(steps[i], 1, POOL_STEP_BYTES);
		else
			r = -ENOMEM;
	}
	for (int i = 0; i < POOL_STEPS; i++)
		free(steps[i]);
	return r;
}

/* The first block is as long as it must be, for most files are small. */
static int grow_first(struct bytes *b, uint64_t size)
{
	size_t want = size < BLOCK_BYTES ? (size_t)size : BLOCK_BYTES;
	uint8_t *block;

	if (want <= b->first_bytes)
		return 0;
	want = want < 2 * b->first_bytes ? 2 * b->first_bytes : want;
	want = want < BLOCK_BYTES ? want : BLOCK_BYTES;
	block = realloc(b->blocks[0], want);
	if (!block)
		return -ENOMEM;
	memset(block + b->first_bytes, 0, want - b->first_bytes);
	b->blocks[0] = block;
	b->first_bytes = want;
	return 0;
}

int bytes_grow(struct bytes *b, uint64_t size)
{
	size_t n = (size_t)((size + BLOCK_BYTES - 1) / BLOCK_BYTES);

	if (n > b->n) {
		uint8_t **blocks = realloc(b->blocks, n * sizeof(*blocks));

		if (!blocks)
			return -ENOMEM;
		b->blocks = blocks;
		for (; b->n < n; b->n++) {
			blocks[b->n] = b->n > 0 ? calloc(1, BLOCK_BYTES) : NULL;
			if (b->n > 0 && !blocks[b->n])
				return -ENOMEM;
		}
	}
	return grow_first(b, size);
}

/* Each stretch of bytes within a block, in order: its address and length. */
static uint8_t *stretch(const struct bytes *b, uint64_t at, size_t len, size_t *ret_len)
{
	size_t in_block = at % BLOCK_BYTES;

	*ret_len = len < BLOCK_BYTES - in_block ? len : BLOCK_BYTES - in_block;
	return b->blocks[at / BLOCK_BYTES] + in_block;
}

void bytes_put(struct bytes *b, uint64_t at, const void *data, size_t len)
{
	for (size_t done = 0, n; done < len; done += n) {
		uint8_t *to = stretch(b, at + done, len - done, &n);

		if (data)
			memcpy(to, (const uint8_t *)data + done, n);
		else
			memset(to, 0, n);
	}
}

void bytes_get(const struct bytes *b, uint64_t at, void *out, size_t len)
{
	for (size_t done = 0, n; done < len; done += n) {
		const uint8_t *from = stretch(b, at + done, len - done, &n);

		memcpy((uint8_t *)out + done, from, n);
	}
}

void bytes_release(struct bytes *b)
{
	for (size_t i = 0; i < b->n; i++)
		free(b->blocks[i]);
	free(b->blocks);
	*b = (struct bytes){ 0 };
}
