/* SPDX-License-Identifier: MIT */
/* H and H16 of FORMAT.md §1, and the small things: start-up, randomness, comparing, wiping. */
#include "store/crypto/crypto.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

_Static_assert(sizeof(crypto_generichash_state) <= sizeof(struct hash), "struct hash holds sodium's state");
_Static_assert(_Alignof(crypto_generichash_state) <= _Alignof(struct hash), "struct hash is aligned for it");
_Static_assert(crypto_generichash_BYTES_MIN <= SHORT_HASH_BYTES && HASH_BYTES <= crypto_generichash_BYTES_MAX,
	       "both lengths are BLAKE2b's");

int crypto_init(void)
{
	return sodium_init() < 0 ? -EIO : 0;
}

void crypto_random(void *out, size_t len)
{
	randombytes_buf(out, len);
}

bool crypto_equal(const void *a, const void *b, size_t len)
{
	return sodium_memcmp(a, b, len) == 0;
}

void crypto_wipe(void *p, size_t len)
{
	sodium_memzero(p, len);
}

static crypto_generichash_state *state_of(struct hash *h)
{
	return (crypto_generichash_state *)(void *)h->opaque;
}

void hash_begin(struct hash *h, const char *domain, size_t out_bytes)
{
	assert(out_bytes == HASH_BYTES || out_bytes == SHORT_HASH_BYTES);
	(void)crypto_generichash_init(state_of(h), NULL, 0, out_bytes);
	if (domain)
		hash_add(h, domain, strlen(domain) + 1);
}

void hash_add(struct hash *h, const void *data, size_t len)
{
	if (len > 0)
		(void)crypto_generichash_update(state_of(h), data, len);
}

void hash_end(struct hash *h, void *out, size_t out_bytes)
{
	int r = crypto_generichash_final(state_of(h), out, out_bytes);

	assert(r == 0); /* sodium refuses only a hash that was ended before */
	(void)r;
}

void hash_one(const char *domain, const void *data, size_t len, void *out, size_t out_bytes)
{
	struct hash h;

	hash_begin(&h, domain, out_bytes);
	hash_add(&h, data, len);
	hash_end(&h, out, out_bytes);
}
