/* SPDX-License-Identifier: MIT */
/* An index with damaged or missing files, and one that is not to be changed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/index_helper.h"
#include "tests/unit/scratch.h"

/* What opening returns, 0 or a failure that must come with words; closed again. */
static int open_code(const char *dir, bool read_only, bool wipe)
{
	struct index_options o = { .dir = dir, .read_only = read_only, .wipe = wipe };
	struct hf_error err = HF_ERROR_INIT;
	struct index *x;
	uint8_t *state;
	size_t len;
	int code = index_open(&o, &x, &state, &len, &err);

	if (code < 0) {
		assert_int_equal(code, err.code);
		assert_true(strlen(err.text) > 0);
		return code;
	}
	free(state);
	index_close(x);
	return 0;
}

static void make_filled(const char *dir)
{
	struct index *x = open_index_at(dir, NULL);
	struct index_batch *b;
	uint8_t key[8];

	assert_int_equal(index_batch_new(x, &b), 0);
	for (uint64_t i = 0; i < 2000; i++) {
		put_be64(key, i);
		index_batch_put(b, INDEX_HEAD, key, 8, key, 8);
	}
	write_group(x, b, 1, "s", 1);
	index_batch_free(b);
	index_close(x);
}

static void test_damage(void **unused)
{
	static const struct {
		const char *file; /* what its name begins or ends with */
		enum scratch_harm harm;
	} cases[] = {
		{ "CURRENT", SCRATCH_REMOVE },   { "CURRENT", SCRATCH_GARBAGE },
		{ "CURRENT", SCRATCH_TRUNCATE }, { "MANIFEST", SCRATCH_REMOVE },
		{ "MANIFEST", SCRATCH_GARBAGE }, { ".sst", SCRATCH_REMOVE },
		{ ".sst", SCRATCH_TRUNCATE },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		CLEANUP(scratch_remove) char *dir = scratch_make();

		make_filled(dir);
		assert_true(scratch_harm(dir, cases[i].file, cases[i].harm) > 0);
		if (open_code(dir, false, false) != -EUCLEAN)
			fail_msg("%s, harm %d: %d", cases[i].file, (int)cases[i].harm,
				 open_code(dir, false, false));
		assert_int_equal(open_code(dir, false, true), 0);
		index_close(open_index_at(dir, NULL));
	}
}

/* A MANIFEST cut short is an older one: the state is then of its time too, or it is damaged. */
static void test_short_manifest(void **unused)
{
	CLEANUP(scratch_remove) char *dir = scratch_make();
	struct index_options o = { .dir = dir };
	struct index *x;
	uint8_t *state;
	size_t len;
	int code;

	(void)unused;
	make_filled(dir);
	assert_int_equal(scratch_harm(dir, "MANIFEST", SCRATCH_TRUNCATE), 1);
	code = index_open(&o, &x, &state, &len, NULL);
	if (code == 0) {
		CLEANUP(buf_release) struct buf out = BUF_INIT;
		uint8_t key[8] = { 0 };

		assert_int_equal(index_get(x, INDEX_HEAD, key, 8, &out, NULL), len == 1);
		free(state);
		index_close(x);
	} else {
		assert_int_equal(code, -EUCLEAN);
	}
}

/* Damage inside a table is found at the latest when it is read. */
static void test_damaged_table(void **unused)
{
	CLEANUP(scratch_remove) char *dir = scratch_make();
	CLEANUP(buf_release) struct buf out = BUF_INIT;
	struct index_options o = { .dir = dir };
	struct hf_error err = HF_ERROR_INIT;
	struct index *x;
	uint8_t *state, key[8] = { 0 };
	size_t len;
	int code;

	(void)unused;
	make_filled(dir);
	assert_true(scratch_harm(dir, ".sst", SCRATCH_FLIP) > 0);
	code = index_open(&o, &x, &state, &len, &err);
	if (code == 0) {
		free(state);
		code = index_get(x, INDEX_HEAD, key, 8, &out, &err);
		index_close(x);
	}
	assert_int_equal(code, -EUCLEAN);
	assert_true(strlen(err.text) > 0);
}

static void test_wipe_takes_files_only(void **unused)
{
	CLEANUP(scratch_remove) char *dir = scratch_make();
	CLEANUP(buf_release) struct buf path = BUF_INIT, sub = BUF_INIT;

	(void)unused;
	buf_add_text(&path, "%s/i", dir);
	buf_add_text(&sub, "%s/i/sub", dir);
	make_filled(buf_cstr(&path));
	assert_int_equal(mkdir(buf_cstr(&sub), 0700), 0);
	assert_int_equal(open_code(buf_cstr(&path), false, true), -EEXIST);
	assert_int_equal(rmdir(buf_cstr(&sub)), 0);
	assert_int_equal(symlink("/etc/passwd", buf_cstr(&sub)), 0);
	assert_int_equal(open_code(buf_cstr(&path), false, true), -EEXIST);
	assert_int_equal(unlink(buf_cstr(&sub)), 0);
	assert_int_equal(open_code(buf_cstr(&path), false, true), 0);
	assert_int_equal(open_code(buf_cstr(&path), true, true), -EROFS);
	/* Nor through a link in place of the folder. */
	buf_clear(&sub);
	buf_add_text(&sub, "%s/l", dir);
	assert_int_equal(symlink("i", buf_cstr(&sub)), 0);
	assert_int_not_equal(open_code(buf_cstr(&sub), false, true), 0);
	assert_int_equal(open_code(buf_cstr(&path), false, false), 0);
}

static void test_read_only(void **unused)
{
	CLEANUP(scratch_remove) char *dir = scratch_make();
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	struct index_options o = { .dir = dir, .read_only = true };
	struct hf_error err = HF_ERROR_INIT;
	struct index_load *load = NULL;
	struct index *x;
	uint8_t *state;
	size_t len;

	(void)unused;
	buf_add_text(&path, "%s/none", dir);
	assert_int_equal(open_code(buf_cstr(&path), true, false), -ENOENT);
	assert_int_equal(access(buf_cstr(&path), F_OK), -1);
	x = open_index_at(dir, NULL);
	put_one(x, 1, "k", "v");
	assert_int_equal(index_settle(x, 1, "s", 1, NULL, NULL, NULL), 0);
	assert_int_equal(open_code(dir, false, false), -EBUSY);
	index_close(x);

	assert_int_equal(index_open(&o, &x, &state, &len, NULL), 0);
	assert_int_equal(len, 1);
	free(state);
	check_one(x, "k", "v");
	put_one(x, 2, "k", "w"); /* over it, in memory */
	check_one(x, "k", "w");
	assert_int_equal(index_settle(x, 2, "t", 1, NULL, NULL, NULL), -EROFS);
	assert_int_equal(index_flush(x, NULL), -EROFS);
	index_close(x);
	assert_int_equal(index_open(&o, &x, &state, &len, NULL), 0);
	free(state);
	check_one(x, "k", "v");
	assert_int_equal(index_load_new(x, 1 << 20, &load, &err), -EROFS);
	assert_int_equal(err.code, -EROFS);
	index_close(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_damage),        cmocka_unit_test(test_short_manifest),
		cmocka_unit_test(test_damaged_table), cmocka_unit_test(test_wipe_takes_files_only),
		cmocka_unit_test(test_read_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
