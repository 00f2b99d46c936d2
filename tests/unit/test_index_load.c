/* SPDX-License-Identifier: MIT */
/*
 * The loader against operations published and settled one by one: the same row of them must leave the same
 * index.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/index/index.h"
#include "tests/unit/index_helper.h"
#include "tests/unit/load_helper.h"
#include "tests/unit/scratch.h"

static void expect_same_as_settled(const struct load *how)
{
	CLEANUP(scratch_remove) char *dir = scratch_make();
	CLEANUP(scratch_remove) char *other = scratch_make();
	struct index *x, *y;
	uint32_t at;

	x = open_at_step(dir, &at);
	y = open_at_step(other, &at);
	load_steps(x, how, 0, STEPS, true);
	settle_steps(y, how, 0, STEPS);
	expect_same(x, y);
	index_close(x);
	x = open_at_step(dir, &at);
	assert_int_equal(at, STEPS);
	expect_same(x, y);
	load_steps(x, how, STEPS, STEPS + 10, true); /* a short one, over what is there */
	settle_steps(y, how, STEPS, STEPS + 10);
	expect_same(x, y);
	index_close(x);
	index_close(y);
}

static void test_same_as_settled(void **unused)
{
	(void)unused;
	expect_same_as_settled(&load_small);
	expect_same_as_settled(&load_large);
}

/* What was read before is not what is read behind it. */
static void test_readers_behind(void **unused)
{
	CLEANUP(scratch_remove) char *dir = scratch_make();
	struct index *x = open_index(dir, NULL);
	struct index_load *l = NULL;

	(void)unused;
	put_one(x, 1, "changed", "before");
	put_one(x, 1, "deleted", "before");
	assert_int_equal(index_settle(x, 1, "1", 1, NULL, NULL, NULL), 0);
	check_one(x, "changed", "before");
	check_one(x, "deleted", "before");
	check_one(x, "made", NULL);
	assert_int_equal(index_load_new(x, 1 << 20, &l, NULL), 0);
	index_batch_put(index_load_batch(l), INDEX_HEAD, "changed", 7, "behind", 6);
	index_batch_put(index_load_batch(l), INDEX_HEAD, "made", 4, "behind", 6);
	index_batch_delete(index_load_batch(l), INDEX_HEAD, "deleted", 7);
	assert_int_equal(index_load_mark(l, "2", 1, NULL), 0);
	assert_int_equal(index_load_finish(l, NULL), 0);
	index_load_free(l);
	check_one(x, "changed", "behind");
	check_one(x, "made", "behind");
	check_one(x, "deleted", NULL);
	index_close(x);
}

static void expect_sized(struct index_batch *b, uint32_t i, uint32_t len)
{
	CLEANUP(buf_release) struct buf out = BUF_INIT;
	uint8_t key[5] = { 'k' };

	put_be32(key + 1, i);
	assert_int_equal(index_batch_get(b, INDEX_HEAD, key, sizeof(key), &out, NULL), len > 0);
	assert_int_equal(out.len, len);
	for (uint32_t k = 0; k < len; k++)
		assert_int_equal(out.data[k], (uint8_t)(i + len));
}

/*
 * Values grow from round to round, so that what was given back is of no use for what is wanted: the loader
 * starts over with its memory, and knows everything all the same; also of what never was that it is not
 * there.
 */
static void test_sizes_drift(void **unused)
{
	enum { ROUNDS = 12, ENTRIES = 9000, MEMORY_BYTES = 6 << 20 };
	CLEANUP(scratch_remove) char *dir = scratch_make();
	struct index *x = open_index(dir, NULL);
	struct index_load *l = NULL;
	uint8_t key[5] = { 'k' }, value[400];

	(void)unused;
	assert_int_equal(index_load_new(x, MEMORY_BYTES, &l, NULL), 0);
	for (uint32_t round = 1; round <= ROUNDS; round++) {
		for (uint32_t i = 0; i < ENTRIES; i++) {
			struct index_batch *b = index_load_batch(l);

			expect_sized(b, i, (round - 1) * 32);
			expect_sized(b, ENTRIES + i, 0);
			put_be32(key + 1, i);
			memset(value, (int)(i + round * 32), sizeof(value));
			index_batch_put(b, INDEX_HEAD, key, sizeof(key), value, round * 32);
			put_be32(key + 1, 3 * ENTRIES + i); /* come and gone at once */
			index_batch_put(b, INDEX_HEAD, key, sizeof(key), value, 1);
			index_batch_delete(b, INDEX_HEAD, key, sizeof(key));
			expect_sized(b, 3 * ENTRIES + i, 0);
			assert_int_equal(index_load_mark(l, "s", 1, NULL), 0);
		}
	}
	assert_int_equal(index_load_finish(l, NULL), 0);
	index_load_free(l);
	assert_int_equal(index_load_new(x, MEMORY_BYTES, &l, NULL), 0);
	for (uint32_t i = 0; i < ENTRIES; i++) {
		expect_sized(index_load_batch(l), i, ROUNDS * 32);
		expect_sized(index_load_batch(l), 3 * ENTRIES + i, 0);
	}
	index_load_free(l);
	index_close(x);
}

static uint64_t bytes_read(void)
{
	FILE *f = fopen("/proc/self/io", "r");
	unsigned long long bytes = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "rchar: %llu", &bytes), 1);
	(void)fclose(f);
	return bytes;
}

static int first_of(struct index *x, uint64_t ino, struct buf *out)
{
	uint8_t from[17] = { 'i' }, to[17] = { 'i' };

	put_be64(from + 1, ino);
	put_be64(to + 1, ino);
	memset(to + 9, 0xff, 8);
	return index_first(x, INDEX_PAST, (struct span){ from, 17 }, (struct span){ to, 17 }, out, NULL);
}

/* Looking into a large file of the past does not read its filter again each time. */
static void test_filters_stay(void **unused)
{
	CLEANUP(scratch_remove) char *dir = scratch_make();
	CLEANUP(buf_release) struct buf out = BUF_INIT;
	struct index_options o = { .dir = dir, .cache_bytes = 32 << 20 };
	enum { INODES = 1500000, LOOKS = 300 };
	struct index_load *l = NULL;
	struct index *x = NULL;
	uint8_t key[17] = { 'i' }, *state;
	uint64_t before;
	size_t len;

	(void)unused;
	assert_int_equal(index_open(&o, &x, &state, &len, NULL), 0);
	free(state);
	assert_int_equal(index_load_new(x, 1 << 30, &l, NULL), 0);
	for (uint64_t i = 0; i < INODES; i++) {
		put_be64(key + 1, i * 2);
		put_be64(key + 9, i + 1);
		index_batch_put(index_load_batch(l), INDEX_PAST, key, sizeof(key), "v", 1);
	}
	assert_int_equal(index_load_mark(l, "s", 1, NULL), 0);
	assert_int_equal(index_load_finish(l, NULL), 0);
	index_load_free(l);
	assert_int_equal(first_of(x, 2 * 77777, &out), 1);
	assert_int_equal(first_of(x, 2 * 77777 + 1, &out), 0);
	before = bytes_read();
	for (uint64_t i = 0; i < LOOKS; i++)
		assert_int_equal(first_of(x, 2 * (77777 + i) + 1, &out), 0);
	assert_true(bytes_read() - before <= (uint64_t)LOOKS * (64 << 10));
	index_close(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_as_settled),
		cmocka_unit_test(test_readers_behind),
		cmocka_unit_test(test_sizes_drift),
		cmocka_unit_test(test_filters_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
