/* SPDX-License-Identifier: MIT */
/* Inside the ceiling of the benchmarks (ceiling.c). */
#ifndef TESTS_BENCH_CEILING_H
#define TESTS_BENCH_CEILING_H

#include <stddef.h>
#include <stdint.h>

/* ---- ceiling_memory.c, besides the functions of view.h and op.h */

int memory_init(void); /* an empty root. -ENOMEM */
/* How many bytes a log of what was changed since the last call would have. */
uint64_t memory_take_unsynced(void);

/* ---- ceiling_bytes.c: a file's contents. All zeros: none */

struct bytes {
	uint8_t **blocks;
	size_t n;
	size_t first_bytes; /* allocated of the first; the others are whole */
};

int bytes_init(void); /* memory for all to come, once. -ENOMEM */
/* Room for `size` bytes, the new ones zeros. -ENOMEM */
int bytes_grow(struct bytes *b, uint64_t size);
/* Within that room. data NULL: zeros. */
void bytes_put(struct bytes *b, uint64_t at, const void *data, size_t len);
void bytes_get(const struct bytes *b, uint64_t at, void *out, size_t len);
void bytes_release(struct bytes *b);

#endif
