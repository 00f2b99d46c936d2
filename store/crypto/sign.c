/* SPDX-License-Identifier: MIT */
#include "store/crypto/sign.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

_Static_assert(PUBLIC_KEY_BYTES == crypto_sign_PUBLICKEYBYTES && SIGNATURE_BYTES == crypto_sign_BYTES &&
		       SEED_BYTES == crypto_sign_SEEDBYTES,
	       "the sizes of Ed25519");

void sign_key_make(struct sign_key *key, const uint8_t *seed)
{
	if (seed)
		(void)crypto_sign_seed_keypair(key->public_key, key->secret_key, seed);
	else
		(void)crypto_sign_keypair(key->public_key, key->secret_key);
}

void sign_key_seed(const struct sign_key *key, uint8_t out[SEED_BYTES])
{
	(void)crypto_sign_ed25519_sk_to_seed(out, key->secret_key);
}

/* Ed25519 reads its message twice, so domain and message must stand in one run of bytes. */
static size_t join(uint8_t out[SIGNED_BYTES_MAX], const char *domain, const void *msg, size_t len)
{
	size_t domain_len = domain ? strlen(domain) + 1 : 0;

	if (domain_len > SIGNED_BYTES_MAX || len > SIGNED_BYTES_MAX - domain_len)
		return 0;
	if (domain)
		memcpy(out, domain, domain_len);
	if (len > 0)
		memcpy(out + domain_len, msg, len);
	return domain_len + len;
}

void sign_key_sign(const struct sign_key *key, const char *domain, const void *msg, size_t len,
		   uint8_t sig[SIGNATURE_BYTES])
{
	uint8_t whole[SIGNED_BYTES_MAX];
	size_t whole_len = join(whole, domain, msg, len);

	assert(whole_len > 0);
	(void)crypto_sign_detached(sig, NULL, whole, whole_len, key->secret_key);
}

int signature_check(const uint8_t public_key[PUBLIC_KEY_BYTES], const char *domain, const void *msg,
		    size_t len, const uint8_t sig[SIGNATURE_BYTES])
{
	uint8_t whole[SIGNED_BYTES_MAX];
	size_t whole_len = join(whole, domain, msg, len);

	if (whole_len == 0 || crypto_sign_verify_detached(sig, whole, whole_len, public_key) != 0)
		return -EKEYREJECTED;
	return 0;
}
