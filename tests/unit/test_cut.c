/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/chunk/cut.h"
#include "tests/unit/scratch.h"

enum { RUN_BYTES = 32 << 20, CUTS_MAX = RUN_BYTES / CUT_MIN_BYTES + 1 };

static uint64_t next(uint64_t *random)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return *random;
}

static uint8_t *random_run(uint64_t seed)
{
	uint8_t *data = malloc(RUN_BYTES);
	uint64_t random = seed * 2 + 1;

	assert_non_null(data);
	for (size_t i = 0; i < RUN_BYTES; i += 8) {
		uint64_t word = next(&random);

		memcpy(data + i, &word, 8);
	}
	return data;
}

/* Where the run is cut when it is fed in pieces of up to piece bytes (0: of all lengths). */
static size_t cut_run(const uint8_t *data, size_t len, size_t piece, uint64_t random, size_t *ends)
{
	size_t n = 0, at = 0;
	struct cut c;

	cut_init(&c);
	while (at < len) {
		size_t take = piece ? piece : 1 + next(&random) % (next(&random) % 4 ? 300 : 200000);
		size_t used;
		bool end;

		if (take > len - at)
			take = len - at;
		used = cut_feed(&c, data + at, take, &end);
		assert_true(used <= take && used > 0);
		assert_true(end || used == take);
		at += used;
		if (end)
			ends[n++] = at;
	}
	return n;
}

static void test_pieces_do_not_matter(void **unused)
{
	static const size_t pieces[] = { 1, 2, 3, 63, 4096, 128 << 10 };
	uint64_t seed = scratch_seed();
	uint8_t *data = random_run(seed);
	size_t *want = calloc(CUTS_MAX, sizeof(*want)), *got = calloc(CUTS_MAX, sizeof(*got)), n;

	(void)unused;
	n = cut_run(data, RUN_BYTES, RUN_BYTES, 0, want);
	for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
		assert_int_equal(cut_run(data, RUN_BYTES, pieces[i], 0, got), n);
		assert_memory_equal(got, want, n * sizeof(*want));
	}
	for (uint64_t i = 0; i < 5; i++) {
		assert_int_equal(cut_run(data, RUN_BYTES, 0, seed * 31 + i + 1, got), n);
		assert_memory_equal(got, want, n * sizeof(*want));
	}
	free(want);
	free(got);
	free(data);
}

static bool is_length(size_t len)
{
	return len >= CUT_MIN_BYTES && len <= CUT_MAX_BYTES;
}

static void test_lengths(void **unused)
{
	uint8_t *data = random_run(7);
	size_t *ends = calloc(CUTS_MAX, sizeof(*ends)), n, average, at_max = 0;

	(void)unused;
	n = cut_run(data, RUN_BYTES, RUN_BYTES, 0, ends);
	for (size_t i = 0; i < n; i++) {
		size_t len = ends[i] - (i ? ends[i - 1] : 0);

		assert_true(is_length(len));
		at_max += len == CUT_MAX_BYTES;
	}
	average = ends[n - 1] / n;
	printf("%zu chunks, %zu bytes on average, %zu at the greatest length\n", n, average, at_max);
	assert_true(average >= CUT_AVERAGE_BYTES * 3 / 4 && average <= CUT_AVERAGE_BYTES * 5 / 4);
	assert_true(at_max < n / 100);

	/* Nothing but zeros never ends by its contents, or always at once. */
	memset(data, 0, RUN_BYTES);
	n = cut_run(data, RUN_BYTES, RUN_BYTES, 0, ends);
	for (size_t i = 0; i < n; i++)
		assert_true(is_length(ends[i] - (i ? ends[i - 1] : 0)));
	free(ends);
	free(data);
}

/* Bytes put in at the front move the cuts, but after some chunks they fall where they did. */
static void test_cuts_find_back(void **unused)
{
	enum { SHIFT = 12345, LATER = 2 << 20 };
	uint8_t *data = random_run(11);
	size_t *ends = calloc(CUTS_MAX, sizeof(*ends)), *moved = calloc(CUTS_MAX, sizeof(*moved));
	size_t n, n_moved, i = 0, j = 0, same = 0, late = 0;

	(void)unused;
	n = cut_run(data, RUN_BYTES, RUN_BYTES, 0, ends);
	n_moved = cut_run(data + SHIFT, RUN_BYTES - SHIFT, RUN_BYTES, 0, moved);
	for (i = 0; i < n; i++) {
		if (ends[i] < LATER)
			continue;
		late++;
		while (j < n_moved && moved[j] + SHIFT < ends[i])
			j++;
		same += j < n_moved && moved[j] + SHIFT == ends[i];
	}
	assert_int_equal(same, late);
	free(moved);
	free(ends);
	free(data);
}

/*
 * Where a fixed run is cut, lest a change go unseen: stores would no longer share chunks with what they hold.
 */
static void test_cuts_stay(void **unused)
{
	static const size_t want[] = { 99975, 173452, 270522, 318650, 401955, 468237, 522114, 606473 };
	uint8_t *data = random_run(42);
	size_t *ends = calloc(CUTS_MAX, sizeof(*ends));

	(void)unused;
	assert_true(cut_run(data, RUN_BYTES, RUN_BYTES, 0, ends) > 8);
	for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++)
		assert_int_equal(ends[i], want[i]);
	free(ends);
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces_do_not_matter),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_cuts_find_back),
		cmocka_unit_test(test_cuts_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
