/* SPDX-License-Identifier: MIT */
/*
 * Inside store/crypto (layer 1): how many messages are hashed side by side. hash_lanes_for chooses; a
 * test holds each way against libsodium's.
 */
#ifndef STORE_CRYPTO_HASH_MANY_H
#define STORE_CRYPTO_HASH_MANY_H

#include <sodium.h>

#include "store/crypto/crypto.h"

enum { HASH_KEY_BYTES = crypto_generichash_KEYBYTES };

enum hash_lanes { LANES_NONE, LANES_FOUR, LANES_EIGHT };

enum hash_lanes hash_lanes_best(void); /* that this processor can do */
/* What is fastest for these. */
enum hash_lanes hash_lanes_for(const struct hash_job *jobs, size_t n);
/* BLAKE2b-256 of each job's bytes, keyed with HASH_KEY_BYTES bytes unless key is NULL. Any n. */
void hash_lanes_run(enum hash_lanes lanes, const uint8_t *key, const struct hash_job *jobs, size_t n);

#endif
