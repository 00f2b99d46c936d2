/* SPDX-License-Identifier: MIT */
/* Sealing, in one and in pieces: either library makes the bytes that libsodium's XChaCha20-Poly1305 makes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <string.h>

#include <cmocka.h>

#include "store/crypto/seal.h"

enum { PIECE = 100, BYTES_MAX = 70000, SEALED_MAX = BYTES_MAX + TAG_BYTES * (BYTES_MAX / PIECE + 1) };

static const char ad[] = "what it belongs to";
static uint8_t key[SEAL_KEY_BYTES], nonce[NONCE_BYTES], plain[BYTES_MAX];
static uint8_t sealed[SEALED_MAX], want[SEALED_MAX], opened[BYTES_MAX];

static int setup(void **state)
{
	(void)state;
	assert_int_equal(crypto_init(), 0);
	crypto_random(key, sizeof(key));
	crypto_random(nonce, sizeof(nonce));
	crypto_random(plain, sizeof(plain));
	memset(nonce + 16, 0xff, 8); /* so that the number in it runs over */
	return 0;
}

/* By FORMAT.md §6 and nothing but libsodium's whole construction. */
static size_t seal_as_written(const uint8_t *data, size_t len, size_t piece_bytes, uint8_t *out)
{
	uint8_t n[NONCE_BYTES];
	size_t done = 0, at = 0;
	uint64_t number;

	memcpy(n, nonce, sizeof(n));
	do {
		size_t part = piece_bytes && len - done > piece_bytes ? piece_bytes : len - done;

		assert_int_equal(crypto_aead_xchacha20poly1305_ietf_encrypt(out + at, NULL, data + done, part,
									    (const uint8_t *)ad, sizeof(ad),
									    NULL, n, key),
				 0);
		done += part;
		at += part + TAG_BYTES;
		number = get_u64(n + 16) + 1;
		put_u64(n + 16, number);
	} while (done < len);
	return at;
}

static void both_libraries_seal_as_written(void **state)
{
	static const size_t lens[] = {
		0, 1, 15, 64, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE - 1, 4096, 65537, BYTES_MAX
	};
	static const size_t pieces[] = { 0, PIECE, 16384 };

	(void)state;
	assert_int_equal(seal_library_best(), SEAL_LIBCRYPTO); /* else it is not tested */
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		for (size_t p = 0; p < sizeof(pieces) / sizeof(pieces[0]); p++) {
			const struct sealing s = { nonce, ad, sizeof(ad), pieces[p] };
			size_t n = seal_as_written(plain, lens[i], pieces[p], want);

			assert_int_equal(n, sealed_bytes(lens[i], pieces[p]));
			for (int by = SEAL_LIBSODIUM; by <= SEAL_LIBCRYPTO; by++) {
				memset(sealed, 0, n);
				memset(opened, 0, lens[i]);
				seal_with((enum seal_library)by, key, &s, plain, lens[i], sealed);
				assert_memory_equal(sealed, want, n);
				assert_int_equal(open_with((enum seal_library)by, key, &s, 0, sealed, n,
							   opened),
						 0);
				assert_memory_equal(opened, plain, lens[i]);
			}
		}
	}
}

static void a_piece_opens_alone_and_in_its_place_only(void **state)
{
	enum { N = 5, LEN = (N - 1) * PIECE + 30, STORED = PIECE + TAG_BYTES };
	const struct sealing s = { nonce, ad, sizeof(ad), PIECE };
	size_t n = sealed_bytes(LEN, PIECE);

	(void)state;
	for (int by = SEAL_LIBSODIUM; by <= SEAL_LIBCRYPTO; by++) {
		enum seal_library library = (enum seal_library)by;

		seal_with(library, key, &s, plain, LEN, sealed);
		for (size_t i = 0; i < N; i++) {
			for (size_t to = i + 1; to <= N; to++) {
				size_t len = to < N ? (to - i) * STORED : n - i * STORED;

				assert_int_equal(open_with(library, key, &s, i, sealed + i * STORED, len,
							   opened),
						 0);
				assert_memory_equal(opened, plain + i * PIECE,
						    to < N ? (to - i) * PIECE : LEN - i * PIECE);
			}
			for (size_t other = 0; other < N; other++) {
				if (other != i)
					assert_int_equal(open_with(library, key, &s, other,
								   sealed + i * STORED,
								   i < N - 1 ? STORED : n - i * STORED,
								   opened),
							 -EUCLEAN);
			}
		}
	}
}

static void damage_is_found_in_each_piece(void **state)
{
	enum { LEN = 3 * PIECE + 7 };
	const struct sealing s = { nonce, ad, sizeof(ad), PIECE };
	size_t n = sealed_bytes(LEN, PIECE);

	(void)state;
	for (int by = SEAL_LIBSODIUM; by <= SEAL_LIBCRYPTO; by++) {
		enum seal_library library = (enum seal_library)by;

		seal_with(library, key, &s, plain, LEN, sealed);
		for (size_t i = 0; i < n; i++) {
			sealed[i] ^= 4;
			assert_int_equal(open_with(library, key, &s, 0, sealed, n, opened), -EUCLEAN);
			sealed[i] ^= 4;
		}
		for (size_t len = 0; len < n; len++) {
			if (len == 0 ||
			    len % (PIECE + TAG_BYTES) != 0) /* whole pieces open; how many the header says */
				assert_int_equal(open_with(library, key, &s, 0, sealed, len, opened),
						 -EUCLEAN);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_libraries_seal_as_written),
		cmocka_unit_test(a_piece_opens_alone_and_in_its_place_only),
		cmocka_unit_test(damage_is_found_in_each_piece),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
