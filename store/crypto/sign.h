/* SPDX-License-Identifier: MIT */
/*
 * Ed25519 over domain ‖ NUL ‖ message, for the three kinds of key that sign: writer, owner, signer.
 * Private to store/crypto.
 */
#ifndef STORE_CRYPTO_SIGN_H
#define STORE_CRYPTO_SIGN_H

#include <sodium.h>

#include "store/crypto/crypto.h"

struct sign_key {
	uint8_t public_key[crypto_sign_PUBLICKEYBYTES];
	uint8_t secret_key[crypto_sign_SECRETKEYBYTES]; /* seed ‖ public key */
};

/* From a seed; NULL: a random one. */
void sign_key_make(struct sign_key *key, const uint8_t *seed);
void sign_key_seed(const struct sign_key *key, uint8_t out[SEED_BYTES]);
void sign_key_sign(const struct sign_key *key, const char *domain, const void *msg, size_t len,
		   uint8_t sig[SIGNATURE_BYTES]);

#endif
