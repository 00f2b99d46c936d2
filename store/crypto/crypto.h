/* SPDX-License-Identifier: MIT */
/*
 * Hashes, keys, sealing and signatures (layer 1): the only folder that includes sodium and openssl.
 * Constructions and the derivation tree are FORMAT.md §4, §6 and §7.
 *
 * Secrets live in sodium_malloc memory inside `struct keyring` and `struct owner` and are wiped when
 * freed; callers see them only through the operations below. crypto_init must have returned 0 before
 * anything else is called (hf_store_… and hf_kit_… do that); it may be called any number of times, from
 * any thread. Everything taking a const keyring is thread-safe.
 */
#ifndef STORE_CRYPTO_CRYPTO_H
#define STORE_CRYPTO_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "holdfast/error.h"
#include "store/base/buf.h"
#include "store/base/cleanup.h"

enum {
	HASH_BYTES = 32,
	SHORT_HASH_BYTES = 16,
	PUBLIC_KEY_BYTES = 32,
	SIGNATURE_BYTES = 64,
	SEED_BYTES = 32,
	NONCE_BYTES = 24,
	TAG_BYTES = 16,
	VOLUME_ID_BYTES = 16,
	SIGNED_BYTES_MAX = 4096, /* a domain, its NUL and the message behind it */
};

MUST_USE int crypto_init(void); /* 0, or -EIO when libsodium finds no entropy */
void crypto_random(void *out, size_t len);
bool crypto_equal(const void *a, const void *b, size_t len); /* in constant time */
void crypto_wipe(void *p, size_t len);

/* H over several parts: hash_begin, hash_add…, hash_end. `domain` is hashed with its NUL; NULL: none. */
struct hash {
	_Alignas(64) unsigned char opaque[384]; /* a crypto_generichash_state */
};
void hash_begin(struct hash *h, const char *domain, size_t out_bytes);
void hash_add(struct hash *h, const void *data, size_t len);
void hash_end(struct hash *h, void *out, size_t out_bytes); /* the same out_bytes as at the beginning */
void hash_one(const char *domain, const void *data, size_t len, void *out, size_t out_bytes);

/*
 * H without a domain of many messages, several times as fast as one by one. Borrows all for the call; the
 * order of the jobs does not matter, though long ones first are best.
 */
struct hash_job {
	const void *data;
	size_t len;
	uint8_t *out; /* HASH_BYTES */
};
void hash_many(const struct hash_job *jobs, size_t n);

/* --- what reads and writes a volume's contents: the volume key's children and, maybe, the writer key */

struct keyring;

MUST_USE int keyring_new(const uint8_t volume_key[SEED_BYTES], const uint8_t volume_id[VOLUME_ID_BYTES],
			 struct keyring **ret);
void keyring_free(struct keyring *k); /* NULL is fine */
void keyring_freep(struct keyring **k);
const uint8_t *keyring_volume_id(const struct keyring *k);
/* For writing the key file; wipe it. */
void keyring_volume_key(const struct keyring *k, uint8_t out[SEED_BYTES]);

/* Give it the writer key of an epoch, from its signing seed. Not thread-safe against users of k. */
MUST_USE int keyring_set_writer(struct keyring *k, uint32_t epoch, const uint8_t seed[SEED_BYTES]);
MUST_USE int keyring_make_writer(struct keyring *k, uint32_t epoch); /* a random one */
bool keyring_has_writer(const struct keyring *k);
uint32_t keyring_writer_epoch(const struct keyring *k);
const uint8_t *keyring_writer_public(const struct keyring *k);
void keyring_writer_seed(const struct keyring *k, uint8_t out[SEED_BYTES]); /* for the key file; wipe it */

/* Name of a chunk; may be computed over parts by chunk_name_* (keyed BLAKE2b-256). */
void keyring_chunk_name(const struct keyring *k, const void *data, size_t len, uint8_t out[HASH_BYTES]);
void keyring_chunk_name_begin(const struct keyring *k, struct hash *h);
/* … hash_add …, hash_end(h, out, HASH_BYTES) */

/* The same of many, as hash_many. */
void keyring_chunk_names(const struct keyring *k, const struct hash_job *jobs, size_t n);

/* SipHash-2-4 of a directory entry's name. */
uint64_t keyring_name_hash(const struct keyring *k, const void *name, size_t len);

/* How a plaintext is sealed. */
struct sealing {
	const uint8_t *nonce; /* NONCE_BYTES; never twice with one key */
	const void *ad;
	size_t ad_len;
	size_t piece_bytes; /* a longer one is cut into pieces of so many, each with its tag; 0: it is not cut
			     */
};
static inline size_t sealed_bytes(size_t len, size_t piece_bytes)
{
	return len +
	       TAG_BYTES * (piece_bytes && len > piece_bytes ? (len + piece_bytes - 1) / piece_bytes : 1);
}

/*
 * Seal len bytes to out (sealed_bytes of it). Open len sealed bytes to out, which are whole pieces from
 * number `first` on (the frame's last may be shorter): 0, or -EUCLEAN when bytes, number, nonce or ad are not
 * what was sealed (out is then unspecified). What is in one piece can be sealed and opened in place; nothing
 * else may overlap.
 */
void keyring_seal(const struct keyring *k, const struct sealing *s, const void *plain, size_t len, void *out);
MUST_USE int keyring_open(const struct keyring *k, const struct sealing *s, size_t first, const void *sealed,
			  size_t len, void *out);

/*
 * Detached Ed25519 by the writer key over domain (with NUL) ‖ msg. Requires keyring_has_writer.
 * The domain keeps a signature made for one purpose from serving another. NULL is for the signature bases of
 * RFC 9421 alone: they begin with a quotation mark, as no domain does.
 */
void keyring_sign(const struct keyring *k, const char *domain, const void *msg, size_t len,
		  uint8_t sig[SIGNATURE_BYTES]);

/* By anyone: 0, or -EKEYREJECTED (also when longer than SIGNED_BYTES_MAX, which nothing we sign is). */
MUST_USE int signature_check(const uint8_t public_key[PUBLIC_KEY_BYTES], const char *domain, const void *msg,
			     size_t len, const uint8_t sig[SIGNATURE_BYTES]);

/* --- a free-standing signing key (a node's identity) */

struct signer;
MUST_USE int signer_new(const uint8_t *seed /* SEED_BYTES; NULL: random */, struct signer **ret);
void signer_free(struct signer *s);
void signer_freep(struct signer **s);
const uint8_t *signer_public(const struct signer *s);
void signer_seed(const struct signer *s, uint8_t out[SEED_BYTES]);
void signer_sign(const struct signer *s, const char *domain, const void *msg, size_t len,
		 uint8_t sig[SIGNATURE_BYTES]);

/* --- the owner: everything that comes from the seed in the recovery kit */

struct owner;

MUST_USE int owner_new(const uint8_t *seed /* SEED_BYTES; NULL: random */, struct owner **ret);
void owner_free(struct owner *o);
void owner_freep(struct owner **o);
const uint8_t *owner_public(const struct owner *o);
const uint8_t *owner_volume_id(const struct owner *o);
void owner_seed(const struct owner *o, uint8_t out[SEED_BYTES]); /* for the kit; wipe it */
/* The volume key's children; no writer yet. */
MUST_USE int owner_keyring(const struct owner *o, struct keyring **ret);
void owner_sign(const struct owner *o, const char *domain, const void *msg, size_t len,
		uint8_t sig[SIGNATURE_BYTES]);

/* --- keys that seal the keys in a store (FORMAT.md §4.3) */

enum {
	WRAP_SALT_BYTES = 16,
	WRAPPED_BYTES = SEED_BYTES + TAG_BYTES,
	WRAP_PASSES_MAX = 16,
	WRAP_KIB_MIN = 8,
	WRAP_KIB_MAX = 1 << 20,
	PASSPHRASE_BYTES_MAX = 1024,
};

/* What Argon2id is to cost. */
struct wrap_cost {
	uint32_t passes;
	uint32_t memory_kib;
};
bool wrap_cost_ok(const struct wrap_cost *cost); /* within the limits above */

struct wrapper;

/* Takes the time and the memory that the cost says. -EINVAL: a cost or a length out of the limits; -ENOMEM.
 */
MUST_USE int wrapper_of_passphrase(const void *passphrase, size_t len, const struct wrap_cost *cost,
				   const uint8_t salt[WRAP_SALT_BYTES], struct wrapper **ret);
MUST_USE int wrapper_of_volume_key(const uint8_t volume_key[SEED_BYTES], struct wrapper **ret); /* -ENOMEM */
void wrapper_free(struct wrapper *w); /* wipes it; NULL is fine */
void wrapper_freep(struct wrapper **w);
void wrapper_seal(const struct wrapper *w, const uint8_t nonce[NONCE_BYTES], const void *ad, size_t ad_len,
		  const uint8_t secret[SEED_BYTES], uint8_t ret[WRAPPED_BYTES]);
/* 0, or -EKEYREJECTED: sealed by another key, or changed. ret_secret is set only on success. */
MUST_USE int wrapper_open(const struct wrapper *w, const uint8_t nonce[NONCE_BYTES], const void *ad,
			  size_t ad_len, const uint8_t sealed[WRAPPED_BYTES], uint8_t ret_secret[SEED_BYTES]);

/* Guarded memory that is not swapped out and is wiped when freed, for a secret on its way. NULL: none. */
void *secret_new(size_t len);
void secret_free(void *secret); /* NULL is fine */
void secret_freep(void *pointer_to_pointer);

/* Volume id of an owner public key (FORMAT.md §3). */
void volume_id_of(const uint8_t owner_public_key[PUBLIC_KEY_BYTES], uint8_t out[VOLUME_ID_BYTES]);

#endif
