/* SPDX-License-Identifier: MIT */
/*
 * A volume's copy on a disk: DIR/log/NNNNNNNNNN.seg, the primary's segments bit for bit (layer 4). What a
 * node keeps, what a directory replica is, and what a recovery fetches into. It holds no key.
 *
 * Invariants
 *  1. Every byte up to the position has been verified (header, chain, signatures) before it was written.
 *  2. The position moves forward only, and only over bytes that are durable. What it says is acknowledged.
 *  3. Bytes before the position are never written again; there is no call that deletes or shortens. (What the
 * owner lets go is taken away beside it: shelf_prune.h.)
 *  4. After a sync has failed, or a failed write could not be taken back, the shelf takes nothing more (-EIO)
 * until opened anew.
 *  5. Before an append of several groups, of a new segment, or of a group with what begins like a commit in
 * a frame, is written, DIR/append says durably which bytes it will be; a crash can leave those, and no
 * others, with a valid commit behind torn bytes.
 *
 * All calls are thread-safe. Appends are done one at a time; reads go on meanwhile.
 */
#ifndef STORE_REPLICA_SHELF_H
#define STORE_REPLICA_SHELF_H

#include "store/log/log.h"
#include "store/log/verifier.h"

struct shelf;

/* Make DIR (its parent exists) and DIR/log, durably. Fine when they are there. */
MUST_USE int shelf_make(const struct os *os, const char *dir, struct hf_error *err);

/*
 * Open a copy of this volume. Verifies the last segment, whose header carries the chain of all before it, and
 * cuts off what follows its last whole group (see *ret_cut, may be NULL), unless read_only: then it is only
 * left out, and DIR may be a store's folder as well, with what was laid out behind its log. Of that, files
 * that were never begun are taken away where a recovery is under way. -ENOENT: no DIR/log; -EUCLEAN: damage,
 * or a segment missing, and nothing was changed; -EKEYREJECTED: of another volume; -EPROTONOSUPPORT.
 * Frames that were pruned (FORMAT.md §14) are taken where the lists that are in DIR/prunes now name them.
 */
MUST_USE int shelf_open(const struct os *os, const char *dir, const uint8_t volume_id[VOLUME_ID_BYTES],
			bool read_only, struct shelf **ret, uint64_t *ret_cut, struct hf_error *err);
void shelf_close(struct shelf *s); /* NULL is fine */
/*
 * Before the first append: what is appended from now on is not read back soon, so that the system need not
 * keep it in memory once it is durable. Finding memory for it costs more than the disk does, and takes it
 * from others.
 */
void shelf_forget(struct shelf *s);

/* Behind the last durable group or bare header. end.segment 0: nothing yet. */
void shelf_position(struct shelf *s, struct log_point *ret);
/* The certificate of the last segment. -ENODATA: no segment yet. */
MUST_USE int shelf_cert(struct shelf *s, struct epoch_cert *ret);

/*
 * Append bytes that begin at `at`: with offset 0 a segment's header and whole groups, else whole groups.
 * Verified first. 0: durable now, *ret_point is the position; 1: the same bytes were there already, likewise;
 * -ERANGE: not at the end: behind it, or over it with the same bytes in front; -EEXIST: other bytes are
 * there; -EUCLEAN, -EKEYREJECTED, -EPROTONOSUPPORT: do not verify; -ENOSPC, -EDQUOT, -EFBIG: no room, and
 * nothing was kept; -EIO and others: see invariant 4.
 */
MUST_USE int shelf_append(struct shelf *s, struct log_pos at, const void *data, size_t len,
			  struct log_point *ret_point, struct hf_error *err);

/* Look again which lists are in DIR/prunes, for what is appended from now on. */
MUST_USE int shelf_load_grants(struct shelf *s, struct hf_error *err);

/* Verified bytes of a segment. -ENOENT: there is none of this number. */
MUST_USE int shelf_segment_bytes(struct shelf *s, uint32_t segment, uint64_t *ret, struct hf_error *err);
/* Up to len verified bytes; short only at their end, 0 at or behind it. -ENOENT. */
MUST_USE ssize_t shelf_read(struct shelf *s, struct log_pos at, void *out, size_t len, struct hf_error *err);
/* A descriptor to read a segment's verified bytes from (*ret_bytes of them; there may be more, which are
 * not). The caller closes it. */
MUST_USE int shelf_open_segment(struct shelf *s, uint32_t segment, uint64_t *ret_bytes, struct hf_error *err);

#endif
