/* SPDX-License-Identifier: MIT */
/* What the past of a tree takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "holdfast/history.h"
#include "store/format/format.h"
#include "tests/unit/store_helper.h"

enum { BYTES = 1 << 20 };

static void write_random(struct store_fixture *f, uint64_t ino, uint64_t seed)
{
	char *data = malloc(BYTES);

	assert_non_null(data);
	fill_random(data, BYTES, seed);
	put(f, ino, 0, data, BYTES);
	commit(f);
	free(data);
}

static void expect_cost(struct store_fixture *f, const char *path, uint64_t present, uint64_t past,
			uint64_t files, uint64_t removed)
{
	struct hf_error err = HF_ERROR_INIT;
	struct hf_cost cost;

	commit(f);
	assert_int_equal(hf_cost(f->store, path, &cost, NULL, &err), 0);
	assert_int_equal(cost.present_bytes, present);
	assert_int_equal(cost.past_bytes, past);
	assert_int_equal(cost.files, files);
	assert_int_equal(cost.removed, removed);
}

static void truncate_to(struct store_fixture *f, uint64_t ino, uint64_t size)
{
	struct hf_setattr change = { .mask = HF_SET_SIZE, .size_bytes = size };
	struct hf_error err = HF_ERROR_INIT;

	assert_int_equal(hf_setattr(f->store, ino, &change, NULL, &err), 0);
}

static void test_overwritten(void **state)
{
	struct store_fixture f;
	uint64_t a;

	(void)state;
	store_fixture_init(&f, NULL);
	a = make_file(&f, "a");
	expect_cost(&f, "", 0, 0, 1, 0);
	write_random(&f, a, 1);
	expect_cost(&f, "a", BYTES, 0, 1, 0);
	write_random(&f, a, 2);
	expect_cost(&f, "a", BYTES, BYTES, 1, 0);
	/* back to what it was: the same chunks */
	write_random(&f, a, 1);
	expect_cost(&f, "a", BYTES, BYTES, 1, 0);
	/* contents dropped whole are another generation */
	truncate_to(&f, a, 0);
	expect_cost(&f, "a", 0, 2 * BYTES, 1, 0);
	store_close(&f);
	store_open(&f, 0);
	expect_cost(&f, "", 0, 2 * BYTES, 1, 0);
	store_fixture_release(&f);
}

static void test_shared(void **state)
{
	struct store_fixture f;
	uint64_t a, b, dir;

	(void)state;
	store_fixture_init(&f, NULL);
	dir = make_dir(&f, HF_ROOT_INO, "d");
	a = make_in(&f, dir, "a");
	b = make_in(&f, dir, "b");
	write_random(&f, a, 1);
	write_random(&f, b, 1);
	expect_cost(&f, "d", BYTES, 0, 2, 0);
	/* what a neighbour in the tree still has is not of the past alone; of the file alone it is */
	write_random(&f, a, 2);
	expect_cost(&f, "d", 2 * BYTES, 0, 2, 0);
	expect_cost(&f, "d/a", BYTES, BYTES, 1, 0);
	store_fixture_release(&f);
}

static void test_removed(void **state)
{
	struct hf_error err = HF_ERROR_INIT;
	struct store_fixture f;
	struct hf_cost cost;
	uint64_t dir, a, b, c;

	(void)state;
	store_fixture_init(&f, NULL);
	dir = make_dir(&f, HF_ROOT_INO, "d");
	a = make_in(&f, dir, "a");
	write_random(&f, a, 1);
	b = make_in(&f, dir, "b");
	write_random(&f, b, 2);
	c = make_in(&f, dir, "c");
	write_random(&f, c, 3);
	/* replaced, as editors save */
	assert_int_equal(hf_rename(f.store, dir, "b", dir, "a", 0, &err), 0);
	expect_cost(&f, "d", 2 * BYTES, BYTES, 2, 1);
	expect_cost(&f, "d/a", BYTES, BYTES, 1, 1);
	/* moved away, with its past */
	assert_int_equal(hf_rename(f.store, dir, "c", HF_ROOT_INO, "c", 0, &err), 0);
	expect_cost(&f, "d", BYTES, BYTES, 1, 1);
	assert_int_equal(hf_unlink(f.store, dir, "a", NULL, &err), 0);
	assert_int_equal(hf_rmdir(f.store, HF_ROOT_INO, "d", NULL, &err), 0);
	expect_cost(&f, "d", 0, 2 * BYTES, 0, 2);
	expect_cost(&f, "", BYTES, 2 * BYTES, 1, 2);
	/* made again, it is not without its past */
	make_dir(&f, HF_ROOT_INO, "d");
	expect_cost(&f, "d", 0, 2 * BYTES, 0, 2);
	expect_cost(&f, "", BYTES, 2 * BYTES, 1, 2);
	assert_int_equal(hf_cost(f.store, "never", &cost, NULL, &err), -ENOENT);
	store_fixture_release(&f);
}

static void test_versions(void **state)
{
	struct hf_error err = HF_ERROR_INIT;
	struct store_fixture f;
	struct hf_cost before, after;
	uint64_t a;

	(void)state;
	store_fixture_init(&f, NULL);
	a = make_file(&f, "a");
	commit(&f);
	assert_int_equal(hf_cost(f.store, "a", &before, NULL, &err), 0);
	assert_int_equal(before.versions, 1);
	for (uint64_t i = 0; i < 5; i++) {
		write_random(&f, a, i);
		(void)head(&f);
	}
	assert_int_equal(hf_cost(f.store, "a", &after, NULL, &err), 0);
	assert_true(after.versions >= 6);
	store_fixture_release(&f);
}

/* The longest name there can be has the longest key in the index. */
static void test_longest_name(void **state)
{
	struct hf_error err = HF_ERROR_INIT;
	char name[NAME_BYTES_MAX + 1] = "";
	struct store_fixture f;

	(void)state;
	store_fixture_init(&f, NULL);
	memset(name, 'x', NAME_BYTES_MAX);
	write_random(&f, make_file(&f, name), 1);
	assert_int_equal(hf_unlink(f.store, HF_ROOT_INO, name, NULL, &err), 0);
	expect_cost(&f, "", 0, BYTES, 0, 1);
	store_fixture_release(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_overwritten),  cmocka_unit_test(test_shared),
		cmocka_unit_test(test_removed),      cmocka_unit_test(test_versions),
		cmocka_unit_test(test_longest_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
