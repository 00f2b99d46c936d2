/* SPDX-License-Identifier: MIT */
/*
 * Many hashes at once. BLAKE2b does not use the width of a modern processor: one message's steps wait for
 * each other. Several messages side by side do, and give the very same hashes at a fraction of the time.
 * Where the processor has no wide vectors, and for too few messages, it is libsodium's.
 */
#include <string.h>

#include "store/crypto/hash_many.h"

static void hash_plain_each(const uint8_t *key, const struct hash_job *jobs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		(void)crypto_generichash(jobs[i].out, HASH_BYTES, jobs[i].data, jobs[i].len, key,
					 key ? HASH_KEY_BYTES : 0);
}

#if defined(__x86_64__) && defined(__GNUC__)

#include <immintrin.h>

enum { BLOCK_BYTES = 128 };

/* Where a message begins: the state, and the bytes that count as hashed. */
struct start {
	uint64_t h[8], t;
};

static const uint64_t initial[8] = {
	0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
	0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

static const uint8_t sigma[10][16] = {
	{ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
	{ 14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3 },
	{ 11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4 },
	{ 7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8 },
	{ 9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13 },
	{ 2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9 },
	{ 12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11 },
	{ 13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10 },
	{ 6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5 },
	{ 10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0 },
};

/* --- eight lanes of AVX-512 */

#define AVX512 __attribute__((target("avx512f")))

/* Rows into columns: pairs of words, pairs of pairs, halves. */
AVX512 static inline void eight_transpose_raw(__m512i r[8])
{
	__m512i a[8], b[8];

	for (int i = 0; i < 8; i += 2) {
		a[i] = _mm512_unpacklo_epi64(r[i], r[i + 1]);
		a[i + 1] = _mm512_unpackhi_epi64(r[i], r[i + 1]);
	}
	for (int i = 0; i < 2; i++) {
		b[i] = _mm512_shuffle_i64x2(a[i], a[i + 2], 0x88);
		b[i + 2] = _mm512_shuffle_i64x2(a[i], a[i + 2], 0xdd);
		b[i + 4] = _mm512_shuffle_i64x2(a[i + 4], a[i + 6], 0x88);
		b[i + 6] = _mm512_shuffle_i64x2(a[i + 4], a[i + 6], 0xdd);
	}
	for (int i = 0; i < 4; i++) {
		r[i] = _mm512_shuffle_i64x2(b[i], b[i + 4], 0x88);
		r[i + 4] = _mm512_shuffle_i64x2(b[i], b[i + 4], 0xdd);
	}
}

#define LANES 8
#define TARGET AVX512
#define LANES_NAME(x) eight_##x
#define eight_transpose(rows) eight_transpose_raw((__m512i *)(rows))
#include "store/crypto/hash_lanes.h"

/* --- four lanes of AVX2 */

#define AVX2 __attribute__((target("avx2")))

AVX2 static inline void four_transpose_raw(__m256i r[4])
{
	__m256i a = _mm256_unpacklo_epi64(r[0], r[1]), b = _mm256_unpackhi_epi64(r[0], r[1]);
	__m256i c = _mm256_unpacklo_epi64(r[2], r[3]), d = _mm256_unpackhi_epi64(r[2], r[3]);

	r[0] = _mm256_permute2x128_si256(a, c, 0x20);
	r[1] = _mm256_permute2x128_si256(b, d, 0x20);
	r[2] = _mm256_permute2x128_si256(a, c, 0x31);
	r[3] = _mm256_permute2x128_si256(b, d, 0x31);
}

#define LANES 4
#define TARGET AVX2
#define LANES_NAME(x) four_##x
#define four_transpose(rows) four_transpose_raw((__m256i *)(rows))
#include "store/crypto/hash_lanes.h"

enum hash_lanes hash_lanes_best(void)
{
	if (__builtin_cpu_supports("avx512f"))
		return LANES_EIGHT;
	return __builtin_cpu_supports("avx2") ? LANES_FOUR : LANES_NONE;
}

/* Messages without a byte are not for the lanes: in them a key's block would be the last. */
static bool any_empty(const struct hash_job *jobs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (jobs[i].len == 0)
			return true;
	return false;
}

void hash_lanes_run(enum hash_lanes lanes, const uint8_t *key, const struct hash_job *jobs, size_t n)
{
	struct start start = { .t = 0 };
	uint8_t block[BLOCK_BYTES] = { 0 };

	if (n == 0 || lanes == LANES_NONE || any_empty(jobs, n)) {
		hash_plain_each(key, jobs, n);
		return;
	}
	memcpy(start.h, initial, sizeof(initial));
	start.h[0] ^= 0x01010000u ^ (key ? HASH_KEY_BYTES << 8 : 0) ^ HASH_BYTES;
	if (key) {
		memcpy(block, key, HASH_KEY_BYTES);
		if (lanes == LANES_EIGHT)
			eight_after_key(&start, block);
		else
			four_after_key(&start, block);
		crypto_wipe(block, sizeof(block));
	}
	if (lanes == LANES_EIGHT)
		eight_run(&start, jobs, n);
	else
		four_run(&start, jobs, n);
	crypto_wipe(&start, sizeof(start));
}

#else

enum hash_lanes hash_lanes_best(void)
{
	return LANES_NONE;
}

void hash_lanes_run(enum hash_lanes lanes, const uint8_t *key, const struct hash_job *jobs, size_t n)
{
	(void)lanes;
	hash_plain_each(key, jobs, n);
}

#endif

/*
 * A step of all lanes takes as long as two or three of libsodium's, and the longest message is one lane's:
 * with a short one beside it, or alone, it is done sooner by itself.
 */
enum hash_lanes hash_lanes_for(const struct hash_job *jobs, size_t n)
{
	size_t total = 0, longest = 0;

	for (size_t i = 0; i < n; i++) {
		total += jobs[i].len;
		if (jobs[i].len > longest)
			longest = jobs[i].len;
	}
	return total / 3 >= longest ? hash_lanes_best() : LANES_NONE;
}

void hash_many(const struct hash_job *jobs, size_t n)
{
	hash_lanes_run(hash_lanes_for(jobs, n), NULL, jobs, n);
}
