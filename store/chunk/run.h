/* SPDX-License-Identifier: MIT */
/*
 * Runs (layer 2): bytes that were written and are not yet chunks. A run is what one file was given in a row
 * within one group; it grows at its end until its group is sealed. The index names it by its number in
 * pending pieces (format.h). When the group has been cut, deduplicated and made durable, the run is
 * *resolved*: it is told which pieces of chunks its bytes have become, its memory goes, and readers go on to
 * the chunks. Some time later, when no value names it any more, it is dropped; only a reader may still have a
 * copy of such a value in hand.
 *
 * Thread-safe. A run is extended only by the thread that holds the store's sequencing lock.
 */
#ifndef STORE_CHUNK_RUN_H
#define STORE_CHUNK_RUN_H

#include <stddef.h>
#include <stdint.h>

#include "store/base/buf.h"
#include "store/format/format.h"

enum { RUN_BYTES_MAX = 16 << 20 };

struct run_table;
struct run;

/* One stretch of a run's memory. Bytes below `len` never change. */
struct run_part {
	struct run_part *next;
	uint32_t start; /* offset in the run */
	uint32_t len, cap;
	uint8_t data[];
};

MUST_USE int run_table_new(struct run_table **ret);
void run_table_free(struct run_table *t); /* with all runs */

/*
 * Memory filled outside any lock, handed to run_start or run_extend, which take it (or copy it, when that
 * saves memory).
 */
MUST_USE struct run_part *run_part_new(const void *data, size_t len);

/*
 * A new run beginning with part (taken). Returns its number, 0 without memory (part is then freed). Numbers
 * rise and are never used again.
 */
uint64_t run_start(struct run_table *t, struct run_part *part);

/*
 * Add part (taken) at the end of an open run. Returns 0, -ENOMEM, or -EFBIG when it would pass RUN_BYTES_MAX
 * (part not taken).
 */
MUST_USE int run_extend(struct run_table *t, uint64_t id, struct run_part *part);

/* Copy bytes. 0, or -ENOENT: resolved or dropped: look the pieces up again. */
MUST_USE int run_read(struct run_table *t, uint64_t id, uint32_t off, uint32_t len, void *out);

/*
 * For the one who cuts: the parts, and how long it is. The run must be open or sealed, not resolved; nobody
 * else frees it meanwhile.
 */
const struct run_part *run_parts(struct run_table *t, uint64_t id, uint32_t *ret_len);

/* pieces (taken, malloc'ed): chunk pieces that cover the run from 0 to its length. Frees its memory. */
void run_resolve(struct run_table *t, uint64_t id, struct piece *pieces, size_t n);

/*
 * Append what [off, off + len) of the run has become to *pieces. 1: done; 0: not resolved yet (nothing
 * appended); -ENOENT: dropped, so the value that named it has been replaced since it was read: look it up
 * again; -ENOMEM.
 */
MUST_USE int run_translate(struct run_table *t, uint64_t id, uint32_t off, uint32_t len,
			   struct piece **pieces, size_t *n, size_t *cap);

void run_drop(struct run_table *t, uint64_t id);

/* Grow an array of pieces by one. */
MUST_USE int piece_push(struct piece **pieces, size_t *n, size_t *cap, struct piece p);

#endif
