/* SPDX-License-Identifier: MIT */
/*
 * Bringing a log back from a replica into a shelf (layer 4): every byte is verified before it is written, and
 * what is there already is not asked for again. Memory: a few times the step, or the longest group.
 */
#ifndef STORE_REPLICA_FETCH_H
#define STORE_REPLICA_FETCH_H

#include "holdfast/replica.h"
#include "store/replica/peer.h"
#include "store/replica/shelf.h"

/*
 * Fetch until the shelf is where `head` says the peer is, or further (the peer's log may grow meanwhile).
 * -EUCLEAN: what the peer gave does not verify, or ends before that; the shelf keeps what did. -EEXIST: the
 * shelf has another history than the peer.
 */
MUST_USE int fetch_log(struct peer *peer, const struct log_point *head, struct shelf *shelf,
		       const struct hf_progress *progress, struct hf_error *err);

#endif
