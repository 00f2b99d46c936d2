/* SPDX-License-Identifier: MIT */
/* What the loader keeps its map in: memory of many sizes, and the filter of what has left it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "store/index/filter.h"
#include "store/index/pool.h"
#include "tests/unit/scratch.h"

enum { THINGS = 2000, STEPS = 200000, LEN_MAX = 2 * POOL_SMALL_BYTES };

struct thing {
	uint8_t *bytes;
	size_t len;
	uint8_t mark;
};

static uint64_t next(uint64_t *random)
{
	*random = *random * 6364136223846793005u + 1442695040888963407u;
	return *random >> 33;
}

static void check_thing(const struct thing *t)
{
	for (size_t i = 0; i < t->len; i++)
		assert_int_equal(t->bytes[i], t->mark);
}

/* Nothing that is taken lies over another, and what is counted is right. */
static void test_pool(void **unused)
{
	static struct thing things[THINGS];
	struct pool p = { 0 };
	uint64_t random = scratch_seed(), used = 0;

	(void)unused;
	for (int i = 0; i < STEPS; i++) {
		struct thing *t = &things[next(&random) % THINGS];

		if (t->bytes) {
			check_thing(t);
			pool_give(&p, t->bytes, t->len);
			used -= t->len;
			t->bytes = NULL;
			continue;
		}
		t->len = next(&random) % (next(&random) % 20 ? 100 : LEN_MAX);
		t->mark = (uint8_t)next(&random);
		t->bytes = pool_take(&p, t->len);
		assert_non_null(t->bytes);
		assert_int_equal((uintptr_t)t->bytes % POOL_STEP, 0);
		memset(t->bytes, t->mark, t->len);
		used += t->len;
		assert_true(p.used >= used && p.used <= used + THINGS * POOL_STEP);
		assert_true(p.taken >= p.used);
	}
	for (size_t i = 0; i < THINGS; i++)
		if (things[i].bytes)
			pool_give(&p, things[i].bytes, things[i].len);
	assert_int_equal(p.used, 0);
	pool_clear(&p);
	assert_int_equal(p.taken, 0);
}

/* What is given back is what is taken next. */
static void test_pool_takes_again(void **unused)
{
	enum { ROUNDS = 100, BYTES = 40 };
	static void *things[POOL_BLOCK_BYTES / BYTES / 2];
	const size_t n = sizeof(things) / sizeof(*things);
	struct pool p = { 0 };

	(void)unused;
	for (size_t round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < n; i++)
			things[i] = pool_take(&p, BYTES - round % POOL_STEP);
		for (size_t i = 0; i < n; i++)
			pool_give(&p, things[i], BYTES - round % POOL_STEP);
	}
	assert_int_equal(p.taken, POOL_BLOCK_BYTES);
	pool_clear(&p);
}

static void test_pages(void **unused)
{
	enum { GROWTHS = 200 };
	uint8_t *large[3], *bytes = NULL;
	void *grown = NULL;
	size_t cap = 0, len = 0;

	(void)unused;
	for (size_t i = 0; i < 3; i++) {
		large[i] = pages_large();
		assert_non_null(large[i]);
		assert_int_equal((uintptr_t)large[i] % PAGES_LARGE_BYTES, 0);
		memset(large[i], (int)i + 1, PAGES_LARGE_BYTES);
	}
	for (size_t i = 0; i < GROWTHS; i++) {
		assert_true(pages_grow(&grown, &cap, len + i * 1000 + 1));
		assert_true(cap >= len + i * 1000 + 1);
		bytes = grown;
		memset(bytes + len, (int)i, i * 1000 + 1);
		len += i * 1000 + 1;
	}
	assert_false(pages_grow(&grown, &cap, SIZE_MAX - 5));
	assert_ptr_equal(grown, bytes); /* and all is as it was */
	for (size_t i = 0, at = 0; i < GROWTHS; at += i * 1000 + 1, i++)
		assert_int_equal(bytes[at], (uint8_t)i);
	pages_free(grown, cap);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(large[i][PAGES_LARGE_BYTES - 1], i + 1);
		pages_free(large[i], PAGES_LARGE_BYTES);
	}
	pages_free(NULL, 0);
}

static void test_filter(void **unused)
{
	enum { KEYS = 100000 };
	struct filter f = { 0 };
	uint64_t random = scratch_seed(), added[KEYS / 100], wrong = 0;

	(void)unused;
	assert_false(filter_has(&f, 1));
	assert_true(filter_init(&f, KEYS * 2)); /* sixteen bits a key, or down to eight */
	for (int i = 0; i < KEYS; i++) {
		uint64_t hash = next(&random) << 33 ^ next(&random) << 11 ^ next(&random);

		filter_add(&f, hash);
		added[i / 100] = hash;
		assert_true(filter_has(&f, hash));
	}
	for (int i = 0; i < KEYS / 100; i++)
		assert_true(filter_has(&f, added[i]));
	for (int i = 0; i < KEYS; i++)
		wrong += filter_has(&f, next(&random) << 33 ^ next(&random) << 11 ^ next(&random));
	assert_true(wrong <= KEYS / 20);
	filter_release(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pool),
		cmocka_unit_test(test_pool_takes_again),
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_filter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
