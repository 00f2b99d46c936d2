/* SPDX-License-Identifier: MIT */
/*
 * Content-defined cutting (layer 2): where a long run of bytes is divided into chunks, so that equal contents
 * give equal chunks wherever they stand. A gear hash with normalised chunk sizes, after FastCDC (Xia et al.,
 * USENIX ATC 2016). Chunks are at least CUT_MIN_BYTES (but for a run's last), about CUT_AVERAGE_BYTES, at
 * most CUT_MAX_BYTES. The gear table is derived from a fixed text, so every holdfast cuts alike; where cuts
 * fall is no part of the format.
 */
#ifndef STORE_CHUNK_CUT_H
#define STORE_CHUNK_CUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CUT_MIN_BYTES = 16 << 10, CUT_AVERAGE_BYTES = 64 << 10, CUT_MAX_BYTES = 256 << 10 };

/* The state of one run's cutting: bytes are fed in pieces as they lie in memory. */
struct cut {
	uint64_t gear;
	size_t len; /* bytes of the present chunk so far */
};

void cut_init(struct cut *c);

/*
 * Feed bytes. Returns how many belong to the present chunk; *ret_end tells whether the chunk ends behind them
 * (then the next call begins a new chunk). Consumes everything when no end is found.
 */
size_t cut_feed(struct cut *c, const uint8_t *data, size_t len, bool *ret_end);

#endif
