/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "store/crypto/derive.h"
#include "store/crypto/hash_many.h"
#include "store/crypto/seal.h"
#include "store/crypto/sign.h"

_Static_assert(NONCE_BYTES == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES &&
		       TAG_BYTES == crypto_aead_xchacha20poly1305_ietf_ABYTES,
	       "the sizes of XChaCha20-Poly1305");
_Static_assert(crypto_shorthash_siphash24_BYTES == sizeof(uint64_t), "the size of SipHash-2-4");

/* Immutable once made, but for the writer (has_writer and what follows it): see keyring_set_writer. */
struct keyring {
	uint8_t volume_key[SEED_BYTES];
	uint8_t frame_key[SEAL_KEY_BYTES];
	uint8_t chunk_key[crypto_generichash_KEYBYTES];
	uint8_t name_key[crypto_shorthash_siphash24_KEYBYTES];
	uint8_t volume_id[VOLUME_ID_BYTES];
	bool has_writer;
	uint32_t writer_epoch;
	struct sign_key writer;
};

int keyring_new(const uint8_t volume_key[SEED_BYTES], const uint8_t volume_id[VOLUME_ID_BYTES],
		struct keyring **ret)
{
	struct keyring *k = sodium_malloc(sizeof(*k));

	if (!k)
		return -ENOMEM;
	memset(k, 0, sizeof(*k));
	memcpy(k->volume_key, volume_key, SEED_BYTES);
	memcpy(k->volume_id, volume_id, VOLUME_ID_BYTES);
	derive(volume_key, DERIVE_FROM_VOLUME_KEY, DERIVE_FRAME_KEY, k->frame_key, sizeof(k->frame_key));
	derive(volume_key, DERIVE_FROM_VOLUME_KEY, DERIVE_CHUNK_KEY, k->chunk_key, sizeof(k->chunk_key));
	derive(volume_key, DERIVE_FROM_VOLUME_KEY, DERIVE_NAME_KEY, k->name_key, sizeof(k->name_key));
	*ret = k;
	return 0;
}

void keyring_free(struct keyring *k)
{
	sodium_free(k);
}

void keyring_freep(struct keyring **k)
{
	keyring_free(*k);
}

const uint8_t *keyring_volume_id(const struct keyring *k)
{
	return k->volume_id;
}

void keyring_volume_key(const struct keyring *k, uint8_t out[SEED_BYTES])
{
	memcpy(out, k->volume_key, SEED_BYTES);
}

static int writer_set(struct keyring *k, uint32_t epoch, const uint8_t *seed)
{
	if (epoch == 0)
		return -EINVAL;
	sign_key_make(&k->writer, seed);
	k->writer_epoch = epoch;
	k->has_writer = true;
	return 0;
}

int keyring_set_writer(struct keyring *k, uint32_t epoch, const uint8_t seed[SEED_BYTES])
{
	return writer_set(k, epoch, seed);
}

int keyring_make_writer(struct keyring *k, uint32_t epoch)
{
	return writer_set(k, epoch, NULL);
}

bool keyring_has_writer(const struct keyring *k)
{
	return k->has_writer;
}

uint32_t keyring_writer_epoch(const struct keyring *k)
{
	return k->writer_epoch;
}

const uint8_t *keyring_writer_public(const struct keyring *k)
{
	assert(k->has_writer);
	return k->writer.public_key;
}

void keyring_writer_seed(const struct keyring *k, uint8_t out[SEED_BYTES])
{
	assert(k->has_writer);
	sign_key_seed(&k->writer, out);
}

void keyring_sign(const struct keyring *k, const char *domain, const void *msg, size_t len,
		  uint8_t sig[SIGNATURE_BYTES])
{
	assert(k->has_writer);
	sign_key_sign(&k->writer, domain, msg, len, sig);
}

void keyring_chunk_name_begin(const struct keyring *k, struct hash *h)
{
	(void)crypto_generichash_init((crypto_generichash_state *)(void *)h->opaque, k->chunk_key,
				      sizeof(k->chunk_key), HASH_BYTES);
}

void keyring_chunk_name(const struct keyring *k, const void *data, size_t len, uint8_t out[HASH_BYTES])
{
	struct hash h;

	keyring_chunk_name_begin(k, &h);
	hash_add(&h, data, len);
	hash_end(&h, out, HASH_BYTES);
}

void keyring_chunk_names(const struct keyring *k, const struct hash_job *jobs, size_t n)
{
	hash_lanes_run(hash_lanes_for(jobs, n), k->chunk_key, jobs, n);
}

uint64_t keyring_name_hash(const struct keyring *k, const void *name, size_t len)
{
	uint8_t out[crypto_shorthash_siphash24_BYTES];

	(void)crypto_shorthash_siphash24(out, name, len, k->name_key);
	return get_u64(out);
}

void keyring_seal(const struct keyring *k, const struct sealing *s, const void *plain, size_t len, void *out)
{
	seal_with(seal_library_best(), k->frame_key, s, plain, len, out);
}

int keyring_open(const struct keyring *k, const struct sealing *s, size_t first, const void *sealed,
		 size_t len, void *out)
{
	return open_with(seal_library_best(), k->frame_key, s, first, sealed, len, out);
}
