/* SPDX-License-Identifier: MIT */
/* Hashes of many messages side by side are libsodium's, whatever the lanes, the lengths and their order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/crypto/hash_many.h"

enum { JOBS_MAX = 40, BYTES = 20000 };

static uint8_t bytes[BYTES];

static uint32_t next(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

static void compare(enum hash_lanes lanes, const uint8_t *key, const size_t *lens, size_t n)
{
	uint8_t got[JOBS_MAX][HASH_BYTES], want[HASH_BYTES];
	struct hash_job jobs[JOBS_MAX] = { 0 };

	for (size_t i = 0; i < n; i++)
		jobs[i] = (struct hash_job){ bytes + i * 7, lens[i], got[i] };
	hash_lanes_run(lanes, key, jobs, n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(crypto_generichash(want, HASH_BYTES, bytes + i * 7, lens[i], key,
						    key ? HASH_KEY_BYTES : 0),
				 0);
		assert_memory_equal(got[i], want, HASH_BYTES);
	}
}

static void check_all(const size_t *lens, size_t n)
{
	uint8_t key[HASH_KEY_BYTES];

	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(200 - i);
	/* the narrower ways run on every processor that has the widest */
	for (int lanes = LANES_NONE; lanes <= (int)hash_lanes_best(); lanes++) {
		compare((enum hash_lanes)lanes, NULL, lens, n);
		compare((enum hash_lanes)lanes, key, lens, n);
	}
}

static void lengths_around_blocks(void **state)
{
	const size_t lens[] = { 1,    127,  128,  129, 255,  256,  257, 384,
				1000, 1024, 1025, 2,   4096, 4097, 64,  16000 };

	(void)state;
	for (size_t n = 1; n <= sizeof(lens) / sizeof(lens[0]); n++)
		check_all(lens, n);
}

static void an_empty_message_among_others(void **state)
{
	const size_t lens[] = { 100, 0, 300, 128 };

	(void)state;
	check_all(lens, 4);
	check_all(lens, 0);
}

static void random_lengths(void **state)
{
	uint32_t seed = 20;

	(void)state;
	for (int round = 0; round < 200; round++) {
		size_t lens[JOBS_MAX], n = 1 + next(&seed) % JOBS_MAX;

		for (size_t i = 0; i < n; i++)
			lens[i] = 1 + next(&seed) % (next(&seed) % 4 ? 700 : BYTES - JOBS_MAX * 7 - 1);
		check_all(lens, n);
	}
}

static void lanes_are_for_many_of_a_length(void **state)
{
	const struct hash_job job = { bytes, 4000, NULL }, little = { bytes, 400, NULL };
	const struct hash_job alone[] = { job }, beside[] = { job, little }, two[] = { job, job };
	const struct hash_job many[] = { job, little, job, job, job };

	(void)state;
	assert_int_equal(hash_lanes_for(alone, 1), LANES_NONE);
	assert_int_equal(hash_lanes_for(beside, 2), LANES_NONE);
	assert_int_equal(hash_lanes_for(two, 2), LANES_NONE);
	assert_int_equal(hash_lanes_for(many, 5), hash_lanes_best());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lengths_around_blocks),
		cmocka_unit_test(an_empty_message_among_others),
		cmocka_unit_test(random_lengths),
		cmocka_unit_test(lanes_are_for_many_of_a_length),
	};
	uint32_t seed = 7;

	if (crypto_init() < 0)
		return 1;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)next(&seed);
	return cmocka_run_group_tests_name("hash_many", tests, NULL, NULL);
}
