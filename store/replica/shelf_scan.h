/* SPDX-License-Identifier: MIT */
/*
 * Finding where a shelf ends (layer 4; private to shelf). The note is what invariant 5 of shelf.h is about.
 */
#ifndef STORE_REPLICA_SHELF_SCAN_H
#define STORE_REPLICA_SHELF_SCAN_H

#include "store/replica/shelf.h"

enum { SHELF_NOTE_BYTES = 40 };

struct shelf_note {
	uint32_t segment; /* 0: nothing under way */
	uint32_t start, end;
};
void shelf_note_encode(const struct shelf_note *n, uint8_t out[SHELF_NOTE_BYTES]);
/* A note that is damaged, or that a crash tore, says nothing: false. */
bool shelf_note_decode(const void *data, size_t len, struct shelf_note *ret);

/* Last segment in DIR/log; *ret_last 0: none. -EUCLEAN: one before it is missing. */
MUST_USE int shelf_find_segments(const struct os *os, const char *log_dir, uint32_t *ret_last,
				 struct hf_error *err);
/*
 * When DIR is a store's folder, or one where a recovery was about to begin its epoch: without the files
 * behind the log's end that were laid out and never begun, which are zeros (two, when the machine stopped at
 * the wrong moment). A replica lays out nothing.
 */
MUST_USE int shelf_leave_off_spares(const struct os *os, const char *dir, const char *log_dir, uint32_t *last,
				    struct hf_error *err);

struct shelf_scan {
	bool header_torn; /* the whole file is of an append that a crash cut short: verifier is untouched */
	uint64_t tail;    /* bytes behind the verified ones */
	/* Verified bytes from here on are of the last append, whose sync may have failed. */
	uint32_t doubtful;
};

/*
 * Might this group (one, with its commit at the end), cut short, seem to prove damage? Who has the writer key
 * chooses what a frame's body is, and can put a commit in it that is signed for its very place. Of what a
 * writer seals, one in 2^40 bytes begins like one.
 */
bool shelf_may_mislead(const void *data, size_t len);

/*
 * Verify segment number `segment` in fd and leave v behind its last group. `v` was begun for the volume.
 * -EUCLEAN: bytes that do not verify are damage and not a torn append.
 */
MUST_USE int shelf_scan_segment(const struct os *os, int fd, uint32_t segment, const struct shelf_note *note,
				struct verifier *v, struct shelf_scan *ret, struct hf_error *err);

#endif
