/* SPDX-License-Identifier: MIT */
/*
 * Looking back along the store's own segment files (layer 4): is a replica's position one of ours, and how
 * much lies behind it? Reads durable bytes only, without the log's help or locks. Thread-safe.
 */
#ifndef STORE_REPLICA_TRAIL_H
#define STORE_REPLICA_TRAIL_H

#include "store/log/log.h"

/* The header of a segment, decoded and checked. -ENOENT: no such segment; -ENODATA: the file ends within it.
 */
MUST_USE int trail_header(const struct os *os, const char *log_dir, uint32_t segment,
			  struct segment_header *ret, struct hf_error *err);

/*
 * Place and body of the newest commit, which is the one that `durable` names, at its end or in a segment
 * before. -ENODATA: there is none yet. -EUCLEAN: what is there is not that commit.
 */
MUST_USE int trail_last_commit(const struct os *os, const char *log_dir, const struct log_point *durable,
			       struct log_pos *ret_pos, struct commit *ret, struct hf_error *err);

/* Place of the newest committed data or metadata frame. -ENODATA: there is none. */
MUST_USE int trail_last_frame(const struct os *os, const char *log_dir, const struct log_point *durable,
			      struct log_pos *ret_pos, struct hf_error *err);

/*
 * 1: `point` is a commit (or bare header, or the nothing before the first segment) of the log in log_dir,
 * whose durable end is `durable`. 0: it is not; the words say whether it is ahead of the log or another
 * history. Negative: the files cannot be read.
 */
MUST_USE int trail_has(const struct os *os, const char *log_dir, const struct log_point *point,
		       const struct log_point *durable, struct hf_error *err);

/*
 * The point that ends at `end`: behind a commit or a bare header. -ENODATA: neither ends there. Other errors:
 * the file cannot be read.
 */
MUST_USE int trail_point(const struct os *os, const char *log_dir, struct log_pos end, struct log_point *ret);

/* Bytes of a segment as they stand in its file. -ENODATA: it is shorter. */
MUST_USE int trail_read(const struct os *os, const char *log_dir, struct log_pos at, void *out, size_t len);

/* Bytes from `from` (a point of this log) up to `durable`; *ret is set only when the files can be read. */
int trail_bytes(const struct os *os, const char *log_dir, struct log_pos from,
		const struct log_point *durable, uint64_t *ret);

/* The time in the first commit behind `from`, which is before `durable`. -ENODATA: none up to `durable`. */
MUST_USE int trail_next_time(const struct os *os, const char *log_dir, struct log_pos from,
			     const struct log_point *durable, uint64_t *ret_ns);

#endif
