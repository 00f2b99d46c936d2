/* SPDX-License-Identifier: MIT */
/*
 * Inside store/crypto (layer 1): XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) in pieces. libcrypto's
 * ChaCha20-Poly1305 takes a third of the time of libsodium's; where it cannot be had it is libsodium's, with
 * the very same bytes. A test holds one against the other.
 */
#ifndef STORE_CRYPTO_SEAL_H
#define STORE_CRYPTO_SEAL_H

#include <sodium.h>

#include "store/crypto/crypto.h"

enum { SEAL_KEY_BYTES = crypto_aead_xchacha20poly1305_ietf_KEYBYTES };

enum seal_library { SEAL_LIBSODIUM, SEAL_LIBCRYPTO };

enum seal_library seal_library_best(void);
/* keyring_seal and keyring_open of crypto.h, under a given key. */
void seal_with(enum seal_library library, const uint8_t key[SEAL_KEY_BYTES], const struct sealing *s,
	       const uint8_t *plain, size_t len, uint8_t *out);
MUST_USE int open_with(enum seal_library library, const uint8_t key[SEAL_KEY_BYTES], const struct sealing *s,
		       size_t first, const uint8_t *sealed, size_t len, uint8_t *out);

#endif
