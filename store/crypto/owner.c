/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "store/crypto/derive.h"
#include "store/crypto/sign.h"

struct owner {
	uint8_t seed[SEED_BYTES];
	struct sign_key key;
	uint8_t volume_id[VOLUME_ID_BYTES];
};

int owner_new(const uint8_t *seed, struct owner **ret)
{
	uint8_t signing_seed[SEED_BYTES];
	struct owner *o = sodium_malloc(sizeof(*o));

	if (!o)
		return -ENOMEM;
	if (seed)
		memcpy(o->seed, seed, SEED_BYTES);
	else
		crypto_random(o->seed, SEED_BYTES);
	derive(o->seed, DERIVE_FROM_SEED, DERIVE_OWNER_KEY, signing_seed, sizeof(signing_seed));
	sign_key_make(&o->key, signing_seed);
	crypto_wipe(signing_seed, sizeof(signing_seed));
	volume_id_of(o->key.public_key, o->volume_id);
	*ret = o;
	return 0;
}

void owner_free(struct owner *o)
{
	sodium_free(o);
}

void owner_freep(struct owner **o)
{
	owner_free(*o);
}

const uint8_t *owner_public(const struct owner *o)
{
	return o->key.public_key;
}

const uint8_t *owner_volume_id(const struct owner *o)
{
	return o->volume_id;
}

void owner_seed(const struct owner *o, uint8_t out[SEED_BYTES])
{
	memcpy(out, o->seed, SEED_BYTES);
}

int owner_keyring(const struct owner *o, struct keyring **ret)
{
	uint8_t volume_key[SEED_BYTES];
	int r;

	derive(o->seed, DERIVE_FROM_SEED, DERIVE_VOLUME_KEY, volume_key, sizeof(volume_key));
	r = keyring_new(volume_key, o->volume_id, ret);
	crypto_wipe(volume_key, sizeof(volume_key));
	return r;
}

void owner_sign(const struct owner *o, const char *domain, const void *msg, size_t len,
		uint8_t sig[SIGNATURE_BYTES])
{
	sign_key_sign(&o->key, domain, msg, len, sig);
}

void volume_id_of(const uint8_t owner_public_key[PUBLIC_KEY_BYTES], uint8_t out[VOLUME_ID_BYTES])
{
	_Static_assert((int)VOLUME_ID_BYTES == (int)SHORT_HASH_BYTES, "the volume id is an H16");
	hash_one("holdfast volume", owner_public_key, PUBLIC_KEY_BYTES, out, VOLUME_ID_BYTES);
}
