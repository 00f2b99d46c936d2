/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "store/crypto/sign.h"

struct signer {
	struct sign_key key;
};

int signer_new(const uint8_t *seed, struct signer **ret)
{
	struct signer *s = sodium_malloc(sizeof(*s));

	if (!s)
		return -ENOMEM;
	sign_key_make(&s->key, seed);
	*ret = s;
	return 0;
}

void signer_free(struct signer *s)
{
	sodium_free(s);
}

void signer_freep(struct signer **s)
{
	signer_free(*s);
}

const uint8_t *signer_public(const struct signer *s)
{
	return s->key.public_key;
}

void signer_seed(const struct signer *s, uint8_t out[SEED_BYTES])
{
	sign_key_seed(&s->key, out);
}

void signer_sign(const struct signer *s, const char *domain, const void *msg, size_t len,
		 uint8_t sig[SIGNATURE_BYTES])
{
	sign_key_sign(&s->key, domain, msg, len, sig);
}
