/* SPDX-License-Identifier: MIT */
/*
 * store/crypto against answers known from elsewhere: RFC 7693 (BLAKE2b), RFC 8032 (Ed25519); and the
 * rest of the derivation tree of FORMAT.md §4.1, with what is sealed and hashed under its keys, against
 * values that a second, independent implementation gave.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "store/crypto/crypto.h"

static void from_hex(const char *hex, uint8_t *out, size_t len)
{
	assert_int_equal(strlen(hex), 2 * len);
	for (size_t i = 0; i < len; i++) {
		unsigned v;

		assert_int_equal(sscanf(hex + 2 * i, "%2x", &v), 1);
		out[i] = (uint8_t)v;
	}
}

static void assert_hex(const void *data, size_t len, const char *hex)
{
	char got[2 * 256 + 1] = "";

	assert_true(len <= 256);
	for (size_t i = 0; i < len; i++)
		(void)snprintf(got + 2 * i, 3, "%02x", ((const uint8_t *)data)[i]);
	assert_string_equal(got, hex);
}

/* 00 01 02 … 1f, as in the worked example of FORMAT.md. */
static const uint8_t *test_seed(void)
{
	static uint8_t seed[SEED_BYTES];

	for (size_t i = 0; i < sizeof(seed); i++)
		seed[i] = (uint8_t)i;
	return seed;
}

static void hashes_are_blake2b(void **state)
{
	uint8_t out[HASH_BYTES], parts[HASH_BYTES];
	struct hash h;

	(void)state;
	hash_one(NULL, "abc", 3, out, HASH_BYTES);
	assert_hex(out, HASH_BYTES, "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
	hash_one(NULL, "abc", 3, out, SHORT_HASH_BYTES);
	assert_hex(out, SHORT_HASH_BYTES, "cf4ab791c62b8d2b2109c90275287816");
	hash_one(NULL, NULL, 0, out, HASH_BYTES);
	assert_hex(out, HASH_BYTES, "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");

	hash_one("ab", "c", 1, out, HASH_BYTES); /* the domain's NUL counts */
	hash_one(NULL, "ab\0c", 4, parts, HASH_BYTES);
	assert_memory_equal(out, parts, HASH_BYTES);
	hash_begin(&h, "ab", HASH_BYTES);
	hash_add(&h, "", 0);
	hash_add(&h, "c", 1);
	hash_end(&h, parts, HASH_BYTES);
	assert_memory_equal(out, parts, HASH_BYTES);
}

static void derivation_is_as_written(void **state)
{
	CLEANUP(owner_freep) struct owner *o = NULL;
	CLEANUP(keyring_freep) struct keyring *k = NULL;
	uint8_t out[HASH_BYTES], id[VOLUME_ID_BYTES], sealed[4 + TAG_BYTES] = "test";
	static const uint8_t nonce[NONCE_BYTES];
	const struct sealing sealing = { nonce, "ad", 2, 0 };

	(void)state;
	assert_int_equal(owner_new(test_seed(), &o), 0);
	owner_seed(o, out);
	assert_memory_equal(out, test_seed(), SEED_BYTES);
	assert_hex(owner_public(o), PUBLIC_KEY_BYTES,
		   "d3c2950f63bd014114bc1eb3818f1172de718d47a817dc8a07ef5e5b1ffbdb3e");
	assert_hex(owner_volume_id(o), VOLUME_ID_BYTES, "4ec83b288e820dd2ea4ac4d7e8ba18df");
	volume_id_of(owner_public(o), id);
	assert_memory_equal(id, owner_volume_id(o), VOLUME_ID_BYTES);

	assert_int_equal(owner_keyring(o, &k), 0);
	assert_memory_equal(keyring_volume_id(k), id, VOLUME_ID_BYTES);
	keyring_volume_key(k, out);
	assert_hex(out, SEED_BYTES, "4bf61950b9a180fe705d34b5ff72913a1406127a7d368d28fa2f79cdf1ca85e7");
	keyring_chunk_name(k, "abc", 3, out);
	assert_hex(out, HASH_BYTES, "2abf67e09571d950ca84c4503ea14f1f2a03e839db1b88dc99369c4bd947bc91");
	assert_true(keyring_name_hash(k, "abc", 3) == UINT64_C(0x86dda94a0c8a4aff));
	keyring_seal(k, &sealing, sealed, 4, sealed);
	assert_hex(sealed, sizeof(sealed), "f3ba45e1d3660c49e5e05bed0afec44f299ca091");
}

static void ed25519_is_that_of_the_rfc(void **state)
{
	/* RFC 8032 §7.1, test 1: the key. */
	uint8_t seed[SEED_BYTES], out[SEED_BYTES], sig[SIGNATURE_BYTES];
	CLEANUP(signer_freep) struct signer *s = NULL;

	(void)state;
	from_hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", seed, sizeof(seed));
	assert_int_equal(signer_new(seed, &s), 0);
	assert_hex(signer_public(s), PUBLIC_KEY_BYTES,
		   "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
	signer_seed(s, out);
	assert_memory_equal(out, seed, sizeof(seed));
	signer_sign(s, "holdfast test", "abc", 3, sig);
	assert_hex(sig, SIGNATURE_BYTES,
		   "ae555a7f5a298b5db62e1e3f2f5945c6e93d23d8e475a3e36052d14aaf39f2ac"
		   "256bd93b633b9e757cbb06bc748603e48b3ebae96a45fd7ecf71a79c07358d08");
	assert_int_equal(signature_check(signer_public(s), "holdfast test", "abc", 3, sig), 0);
}

static void signatures_serve_one_purpose_only(void **state)
{
	CLEANUP(keyring_freep) struct keyring *k = NULL;
	CLEANUP(owner_freep) struct owner *o = NULL;
	uint8_t sig[SIGNATURE_BYTES], seed[SEED_BYTES], other[PUBLIC_KEY_BYTES];
	static uint8_t big[SIGNED_BYTES_MAX];

	(void)state;
	assert_int_equal(owner_new(NULL, &o), 0);
	assert_int_equal(owner_keyring(o, &k), 0);
	assert_false(keyring_has_writer(k));
	assert_int_equal(keyring_set_writer(k, 0, test_seed()), -EINVAL);
	assert_int_equal(keyring_make_writer(k, 3), 0);
	assert_true(keyring_has_writer(k));
	assert_int_equal(keyring_writer_epoch(k), 3);
	memcpy(other, keyring_writer_public(k), PUBLIC_KEY_BYTES);
	keyring_sign(k, "one", "message", 7, sig);
	assert_int_equal(signature_check(other, "one", "message", 7, sig), 0);
	assert_int_equal(signature_check(other, "two", "message", 7, sig), -EKEYREJECTED);
	assert_int_equal(signature_check(other, "one", "messagf", 7, sig), -EKEYREJECTED);
	assert_int_equal(signature_check(other, "one", "message", 6, sig), -EKEYREJECTED);
	assert_int_equal(signature_check(owner_public(o), "one", "message", 7, sig), -EKEYREJECTED);
	assert_int_equal(signature_check(other, "one", big, sizeof(big), sig), -EKEYREJECTED);
	for (size_t i = 0; i < SIGNATURE_BYTES; i++) {
		sig[i] ^= 1;
		assert_int_equal(signature_check(other, "one", "message", 7, sig), -EKEYREJECTED);
		sig[i] ^= 1;
	}
	keyring_writer_seed(k, seed);
	assert_int_equal(keyring_make_writer(k, 4), 0);
	assert_memory_not_equal(keyring_writer_public(k), other, PUBLIC_KEY_BYTES);
	assert_int_equal(keyring_set_writer(k, 3, seed), 0);
	assert_memory_equal(keyring_writer_public(k), other, PUBLIC_KEY_BYTES);

	owner_sign(o, "one", NULL, 0, sig);
	assert_int_equal(signature_check(owner_public(o), "one", NULL, 0, sig), 0);
}

static void what_is_sealed_opens_only_unchanged(void **state)
{
	CLEANUP(keyring_freep) struct keyring *k = NULL, *other = NULL;
	uint8_t nonce[NONCE_BYTES] = { 1 }, id[VOLUME_ID_BYTES] = { 2 }, wrong_key[SEED_BYTES] = { 3 };
	uint8_t sealed[5 + TAG_BYTES] = "hello", copy[sizeof(sealed)];
	const struct sealing sealing = { nonce, "ad", 2, 0 }, other_ad = { nonce, "aD", 2, 0 };

	(void)state;
	assert_int_equal(keyring_new(test_seed(), id, &k), 0);
	assert_int_equal(keyring_new(wrong_key, id, &other), 0);
	keyring_seal(k, &sealing, sealed, 5, sealed);
	for (size_t i = 0; i < sizeof(sealed); i++) {
		memcpy(copy, sealed, sizeof(copy));
		copy[i] ^= 0x80;
		assert_int_equal(keyring_open(k, &sealing, 0, copy, sizeof(copy), copy), -EUCLEAN);
	}
	for (size_t len = 0; len < sizeof(sealed); len++) {
		memcpy(copy, sealed, sizeof(copy));
		assert_int_equal(keyring_open(k, &sealing, 0, copy, len, copy), -EUCLEAN);
	}
	memcpy(copy, sealed, sizeof(copy));
	assert_int_equal(keyring_open(k, &other_ad, 0, copy, sizeof(copy), copy), -EUCLEAN);
	memcpy(copy, sealed, sizeof(copy));
	assert_int_equal(keyring_open(other, &sealing, 0, copy, sizeof(copy), copy), -EUCLEAN);
	nonce[23] = 1;
	memcpy(copy, sealed, sizeof(copy));
	assert_int_equal(keyring_open(k, &sealing, 0, copy, sizeof(copy), copy), -EUCLEAN);
	nonce[23] = 0;
	assert_int_equal(keyring_open(k, &sealing, 0, sealed, sizeof(sealed), sealed), 0);
	assert_memory_equal(sealed, "hello", 5);
}

static void chunk_names_depend_on_the_volume(void **state)
{
	CLEANUP(keyring_freep) struct keyring *a = NULL, *b = NULL;
	uint8_t id[VOLUME_ID_BYTES] = { 0 }, key[SEED_BYTES] = { 9 };
	uint8_t one[HASH_BYTES], two[HASH_BYTES];
	struct hash h;

	(void)state;
	assert_int_equal(keyring_new(test_seed(), id, &a), 0);
	assert_int_equal(keyring_new(key, id, &b), 0);
	keyring_chunk_name(a, "same bytes", 10, one);
	keyring_chunk_name(b, "same bytes", 10, two);
	assert_memory_not_equal(one, two, HASH_BYTES);
	assert_true(keyring_name_hash(a, "x", 1) != keyring_name_hash(b, "x", 1));
	keyring_chunk_name_begin(a, &h);
	hash_add(&h, "same ", 5);
	hash_add(&h, "bytes", 5);
	hash_end(&h, two, HASH_BYTES);
	assert_memory_equal(one, two, HASH_BYTES);
}

static void small_things(void **state)
{
	uint8_t a[32] = { 0 }, b[32] = { 0 };

	(void)state;
	assert_int_equal(crypto_init(), 0);
	crypto_random(a, sizeof(a));
	crypto_random(b, sizeof(b));
	assert_false(crypto_equal(a, b, sizeof(a)));
	memcpy(b, a, sizeof(a));
	assert_true(crypto_equal(a, b, sizeof(a)));
	crypto_wipe(a, sizeof(a));
	memset(b, 0, sizeof(b));
	assert_memory_equal(a, b, sizeof(a));
	keyring_free(NULL);
	owner_free(NULL);
	signer_free(NULL);
}

static int setup(void **state)
{
	(void)state;
	return crypto_init();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes_are_blake2b),
		cmocka_unit_test(derivation_is_as_written),
		cmocka_unit_test(ed25519_is_that_of_the_rfc),
		cmocka_unit_test(signatures_serve_one_purpose_only),
		cmocka_unit_test(what_is_sealed_opens_only_unchanged),
		cmocka_unit_test(chunk_names_depend_on_the_volume),
		cmocka_unit_test(small_things),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
