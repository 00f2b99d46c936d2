/* SPDX-License-Identifier: MIT */
/* Keys that seal keys: FORMAT.md §4.3. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "store/crypto/derive.h"
#include "store/crypto/seal.h"

_Static_assert(WRAP_SALT_BYTES == crypto_pwhash_argon2id_SALTBYTES, "the size of Argon2id's salt");
_Static_assert(WRAP_KIB_MIN * 1024 == crypto_pwhash_argon2id_MEMLIMIT_MIN, "what Argon2id needs at least");

struct wrapper {
	uint8_t key[SEAL_KEY_BYTES];
};

static int wrapper_new(struct wrapper **ret)
{
	*ret = sodium_malloc(sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

bool wrap_cost_ok(const struct wrap_cost *cost)
{
	return cost->passes >= 1 && cost->passes <= WRAP_PASSES_MAX && cost->memory_kib >= WRAP_KIB_MIN &&
	       cost->memory_kib <= WRAP_KIB_MAX;
}

int wrapper_of_passphrase(const void *passphrase, size_t len, const struct wrap_cost *cost,
			  const uint8_t salt[WRAP_SALT_BYTES], struct wrapper **ret)
{
	struct wrapper *w;
	int r;

	if (!wrap_cost_ok(cost) || len == 0 || len > PASSPHRASE_BYTES_MAX)
		return -EINVAL;
	r = wrapper_new(&w);
	if (r < 0)
		return r;
	if (crypto_pwhash_argon2id(w->key, sizeof(w->key), passphrase, len, salt, cost->passes,
				   (size_t)cost->memory_kib * 1024,
				   crypto_pwhash_argon2id_ALG_ARGON2ID13) != 0) {
		wrapper_free(w);
		return -ENOMEM; /* every argument is within its bounds: only memory is left to fail */
	}
	*ret = w;
	return 0;
}

int wrapper_of_volume_key(const uint8_t volume_key[SEED_BYTES], struct wrapper **ret)
{
	int r = wrapper_new(ret);

	if (r == 0)
		derive(volume_key, DERIVE_FROM_VOLUME_KEY, DERIVE_WRAPPING_KEY, (*ret)->key,
		       sizeof((*ret)->key));
	return r;
}

void wrapper_free(struct wrapper *w)
{
	sodium_free(w);
}

void wrapper_freep(struct wrapper **w)
{
	wrapper_free(*w);
}

void wrapper_seal(const struct wrapper *w, const uint8_t nonce[NONCE_BYTES], const void *ad, size_t ad_len,
		  const uint8_t secret[SEED_BYTES], uint8_t ret[WRAPPED_BYTES])
{
	const struct sealing s = { nonce, ad, ad_len, 0 };

	seal_with(SEAL_LIBSODIUM, w->key, &s, secret, SEED_BYTES, ret);
}

int wrapper_open(const struct wrapper *w, const uint8_t nonce[NONCE_BYTES], const void *ad, size_t ad_len,
		 const uint8_t sealed[WRAPPED_BYTES], uint8_t ret_secret[SEED_BYTES])
{
	uint8_t plain[WRAPPED_BYTES]; /* what does not open is not the caller's to see */
	const struct sealing s = { nonce, ad, ad_len, 0 };
	int r = open_with(SEAL_LIBSODIUM, w->key, &s, 0, sealed, WRAPPED_BYTES, plain);

	if (r == 0)
		memcpy(ret_secret, plain, SEED_BYTES);
	sodium_memzero(plain, sizeof(plain));
	return r < 0 ? -EKEYREJECTED : 0;
}

/* --- memory for secrets */

void *secret_new(size_t len)
{
	return sodium_malloc(len);
}

void secret_free(void *secret)
{
	sodium_free(secret);
}

void secret_freep(void *pointer_to_pointer)
{
	void **p = pointer_to_pointer;

	sodium_free(*p);
}
