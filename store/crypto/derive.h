/* SPDX-License-Identifier: MIT */
/* The derivation tree of FORMAT.md §4.1. Private to store/crypto. */
#ifndef STORE_CRYPTO_DERIVE_H
#define STORE_CRYPTO_DERIVE_H

#include <sodium.h>

#include "store/crypto/crypto.h"

#define DERIVE_FROM_SEED "HFSEED01"
#define DERIVE_FROM_VOLUME_KEY "HFVOLK01"

enum { DERIVE_VOLUME_KEY = 1, DERIVE_OWNER_KEY = 2 };
enum { DERIVE_FRAME_KEY = 1, DERIVE_CHUNK_KEY = 2, DERIVE_NAME_KEY = 3, DERIVE_WRAPPING_KEY = 4 };

/* `context` is eight characters; out_bytes 16 to 64. */
void derive(const uint8_t parent[SEED_BYTES], const char context[9], uint64_t number, void *out,
	    size_t out_bytes);

#endif
