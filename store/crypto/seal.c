/* SPDX-License-Identifier: MIT */
/*
 * XChaCha20-Poly1305 is ChaCha20-Poly1305 (RFC 8439) with a key that HChaCha20 makes of the key and the
 * nonce's first 16 bytes, and a nonce of four zeros and its last 8. Pieces of one frame differ in those 8, so
 * they share that key. libcrypto is slow to find an algorithm and to make a context for it, so it is asked
 * for the one once, and each thread keeps the other until it ends. What that remembers is the key of the
 * frame it had last, which opens no other.
 */
#include "store/crypto/seal.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/buf.h"

enum { IETF_NONCE_BYTES = crypto_aead_chacha20poly1305_ietf_NPUBBYTES, HCHACHA_BYTES = 16 };

_Static_assert(SEAL_KEY_BYTES == crypto_core_hchacha20_OUTPUTBYTES &&
		       HCHACHA_BYTES == crypto_core_hchacha20_INPUTBYTES,
	       "the sizes of HChaCha20");

/* The pieces of one frame. */
struct sealer {
	const struct sealing *s;
	EVP_CIPHER_CTX *context; /* NULL: libsodium */
	uint8_t key[SEAL_KEY_BYTES];
	bool key_is_set; /* in the context */
};

static EVP_CIPHER *cipher;
static pthread_key_t context_key;
static pthread_once_t library_once = PTHREAD_ONCE_INIT;

static void context_free(void *context)
{
	EVP_CIPHER_CTX_free(context);
}

/* A library context of its own: what the machine's configuration does to the other one is not for us. */
static void library_find(void)
{
	OSSL_LIB_CTX *own;

	if (!OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL) ||
	    pthread_key_create(&context_key, context_free) != 0)
		return;
	own = OSSL_LIB_CTX_new();
	if (own)
		cipher = EVP_CIPHER_fetch(own, "ChaCha20-Poly1305", NULL);
}

enum seal_library seal_library_best(void)
{
	pthread_once(&library_once, library_find);
	return cipher ? SEAL_LIBCRYPTO : SEAL_LIBSODIUM;
}

/* This thread's; NULL: there is none to be had. */
static EVP_CIPHER_CTX *context_mine(void)
{
	EVP_CIPHER_CTX *c;

	if (seal_library_best() != SEAL_LIBCRYPTO)
		return NULL;
	c = pthread_getspecific(context_key);
	if (c)
		return c;
	c = EVP_CIPHER_CTX_new();
	if (!c || !EVP_CipherInit_ex2(c, cipher, NULL, NULL, 1, NULL) ||
	    pthread_setspecific(context_key, c) != 0) {
		EVP_CIPHER_CTX_free(c);
		return NULL;
	}
	return c;
}

static void sealer_begin(struct sealer *z, enum seal_library library, const uint8_t *key,
			 const struct sealing *s)
{
	z->s = s;
	z->key_is_set = false;
	z->context = library == SEAL_LIBCRYPTO ? context_mine() : NULL;
	(void)crypto_core_hchacha20(z->key, s->nonce, key, NULL);
}

static void sealer_end(struct sealer *z)
{
	crypto_wipe(z->key, sizeof(z->key));
}

static void piece_nonce(const struct sealer *z, size_t piece, uint8_t out[IETF_NONCE_BYTES])
{
	memset(out, 0, IETF_NONCE_BYTES - 8);
	put_u64(out + IETF_NONCE_BYTES - 8, get_u64(z->s->nonce + HCHACHA_BYTES) + piece);
}

/* The context ready for one piece, with the associated data in it; false: the library cannot. */
static bool context_begin(struct sealer *z, const uint8_t nonce[IETF_NONCE_BYTES], bool seals)
{
	int n;

	if (!z->context ||
	    !EVP_CipherInit_ex2(z->context, NULL, z->key_is_set ? NULL : z->key, nonce, seals, NULL))
		return false;
	z->key_is_set = true;
	return z->s->ad_len == 0 || EVP_CipherUpdate(z->context, NULL, &n, z->s->ad, (int)z->s->ad_len);
}

/* Once begun nothing is left that can fail but the tag; where it did, out may be spoilt and plain with it. */
static void must(int ok)
{
	if (!ok)
		abort();
}

static void seal_piece(struct sealer *z, size_t piece, const uint8_t *plain, size_t len, uint8_t *out)
{
	uint8_t nonce[IETF_NONCE_BYTES];
	int n;

	piece_nonce(z, piece, nonce);
	if (!context_begin(z, nonce, true)) {
		(void)crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, plain, len, z->s->ad, z->s->ad_len,
								NULL, nonce, z->key);
		return;
	}
	must(EVP_CipherUpdate(z->context, out, &n, plain, (int)len));
	must(EVP_CipherFinal_ex(z->context, out + len, &n));
	must(EVP_CIPHER_CTX_ctrl(z->context, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, out + len));
}

/* len: without the tag. */
static int open_piece(struct sealer *z, size_t piece, const uint8_t *sealed, size_t len, uint8_t *out)
{
	uint8_t nonce[IETF_NONCE_BYTES], tag[TAG_BYTES];
	int n;

	piece_nonce(z, piece, nonce);
	if (!context_begin(z, nonce, false))
		return crypto_aead_chacha20poly1305_ietf_decrypt(out, NULL, NULL, sealed, len + TAG_BYTES,
								 z->s->ad, z->s->ad_len, nonce, z->key) == 0 ?
			       0 :
			       -EUCLEAN;
	memcpy(tag, sealed + len, TAG_BYTES);
	must(EVP_CIPHER_CTX_ctrl(z->context, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, tag));
	must(EVP_CipherUpdate(z->context, out, &n, sealed, (int)len));
	return EVP_CipherFinal_ex(z->context, out + len, &n) > 0 ? 0 : -EUCLEAN;
}

void seal_with(enum seal_library library, const uint8_t key[SEAL_KEY_BYTES], const struct sealing *s,
	       const uint8_t *plain, size_t len, uint8_t *out)
{
	struct sealer z;
	size_t piece = 0;

	assert(len <= INT_MAX);
	sealer_begin(&z, library, key, s);
	do {
		size_t n = s->piece_bytes && len > s->piece_bytes ? s->piece_bytes : len;

		seal_piece(&z, piece++, plain, n, out);
		plain += n;
		len -= n;
		out += n + TAG_BYTES;
	} while (len > 0);
	sealer_end(&z);
}

int open_with(enum seal_library library, const uint8_t key[SEAL_KEY_BYTES], const struct sealing *s,
	      size_t first, const uint8_t *sealed, size_t len, uint8_t *out)
{
	const size_t whole = s->piece_bytes ? s->piece_bytes + TAG_BYTES : len;
	struct sealer z;
	size_t piece = first;
	int r = 0;

	if (len > INT_MAX || len < TAG_BYTES)
		return -EUCLEAN;
	sealer_begin(&z, library, key, s);
	do {
		size_t n = len > whole ? whole : len;

		r = n < TAG_BYTES ? -EUCLEAN : open_piece(&z, piece++, sealed, n - TAG_BYTES, out);
		sealed += n;
		len -= n;
		out += n - TAG_BYTES;
	} while (r == 0 && len > 0);
	sealer_end(&z);
	return r;
}
