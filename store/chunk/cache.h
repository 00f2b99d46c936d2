/* SPDX-License-Identifier: MIT */
/*
 * Opened data frames, kept while there is room (layer 2). Keyed by a frame's place in the log, which never
 * changes what it holds. Bounded in bytes, least recently used out first (segmented so that one long scan
 * does not empty it), sharded locks. A frame wanted by several threads at once is read once.
 */
#ifndef STORE_CHUNK_CACHE_H
#define STORE_CHUNK_CACHE_H

#include "store/log/log.h"

struct frame_cache;
struct frame; /* one opened frame, counted */

MUST_USE int frame_cache_new(const struct log *log, uint64_t max_bytes, struct frame_cache **ret);
void frame_cache_free(struct frame_cache *c);
/*
 * Tell this function of each frame that could not be read, with no lock of the cache's held. Before anything
 * is read.
 */
void frame_cache_watch(struct frame_cache *c,
		       void (*failed)(void *arg, struct log_pos pos, int code, const char *words), void *arg);

/*
 * The frame at pos, opened, which has `expected` bytes or more as far as is known; the caller releases it.
 * Blocks for the disk on a miss, with no lock held. Errors as log_read_frame; a failed read is not kept.
 */
MUST_USE int frame_cache_get(struct frame_cache *c, struct log_pos pos, size_t expected, struct frame **ret,
			     struct hf_error *err);
/*
 * len bytes of it, from `off` on, for who is likely to want no more of it soon: without what is around them,
 * and nothing is kept. 1; or 0 when it is better got whole, since it is there, or is read bit by bit, or is
 * not in pieces. Errors as log_read_part.
 */
MUST_USE int frame_cache_part(struct frame_cache *c, struct log_pos pos, const struct log_seal *seal,
			      size_t off, size_t len, void *out, struct hf_error *err);
void frame_release(struct frame *f); /* NULL is fine */
const uint8_t *frame_data(const struct frame *f, size_t *ret_len);

struct frame_cache_stats {
	uint64_t bytes, hits, misses;
};
void frame_cache_stats(const struct frame_cache *c, struct frame_cache_stats *ret);

#endif
