/* SPDX-License-Identifier: MIT */
/*
 * Which requests have been seen (layer 4; PROTOCOL.md §2): a bounded table of signer and nonce, kept for as
 * long as the clock would accept them again. Each volume has its own, so that nobody fills another's.
 * Thread-safe.
 */
#ifndef STORE_NODE_NONCES_H
#define STORE_NODE_NONCES_H

#include "store/replica/http_sig.h"

enum { NONCES_MAX = 262144 };

struct nonces;

MUST_USE int nonces_new(struct nonces **ret);
void nonces_free(struct nonces *n); /* NULL is fine */

/*
 * Remember this one. 0; -EEXIST: seen before; -EBUSY: the table is full of what cannot be forgotten yet;
 * -ENOMEM. now_s is the same clock that `created` was judged by.
 */
MUST_USE int nonces_add(struct nonces *n, const struct http_sig_params *params, uint64_t now_s);

#endif
