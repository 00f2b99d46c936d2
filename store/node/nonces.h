/* SPDX-License-Identifier: MIT */
/*
 * Which requests have been seen (layer 4; PROTOCOL.md §2): a bounded table of signer and nonce, kept for as
 * long as the clock would accept them again. Each volume has one for its writer and one for its owner, so
 * that nobody fills another's. Thread-safe.
 *
 * A full table lets go of what was signed earliest, and refuses from then on whatever was signed no later
 * than that: so nothing is taken twice, and who signs by the node's clock is not kept out by his own haste.
 */
#ifndef STORE_NODE_NONCES_H
#define STORE_NODE_NONCES_H

#include "store/replica/http_sig.h"

enum {
	NONCES_MAX = 262144,
	NONCES_CLOCK_STEP_S = 60, /* a clock that is set by no more than this forgets nothing too early */
	NONCES_TELL_EVERY_S = 600,
};

struct nonces;

MUST_USE int nonces_new(struct nonces **ret);
void nonces_free(struct nonces *n); /* NULL is fine */

/*
 * Remember this one. now_s is the same clock that `created` was judged by.
 *
 * 0, or 1: for lack of room others were let go too early, which should be told now; -EEXIST: seen before;
 * -ESTALE: signed too early to tell, and what is signed now is taken; -EBUSY: nor is that; -ENOMEM.
 */
MUST_USE int nonces_add(struct nonces *n, const struct http_sig_params *params, uint64_t now_s);

/* Forget all, as of a key that is not accepted any more. */
void nonces_clear(struct nonces *n);

#endif
