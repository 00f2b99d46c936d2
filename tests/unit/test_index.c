/* SPDX-License-Identifier: MIT */
/* The index by hand: groups, settling, large batches, scans over deletions. */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/index_helper.h"
#include "tests/unit/scratch.h"

static struct span text(const char *s)
{
	return (struct span){ (const uint8_t *)s, strlen(s) };
}

static void test_newest_group_counts(void **unused)
{
	CLEANUP(scratch_remove) char *dir = scratch_make();
	struct index *x = open_index_at(dir, NULL);

	(void)unused;
	put_one(x, 2, "k", "two");
	check_one(x, "k", "two");
	put_one(x, 1, "k", "one"); /* a group published late does not hide a newer one */
	check_one(x, "k", "two");
	put_one(x, 3, "k", NULL);
	check_one(x, "k", NULL);
	assert_int_equal(index_settle(x, 1, "1", 1, NULL, NULL, NULL), 0);
	check_one(x, "k", NULL);
	index_close(x);

	x = open_index_at(dir, "1"); /* what was not settled is gone */
	check_one(x, "k", "one");
	put_one(x, 2, "k", "");
	assert_int_equal(index_settle(x, 2, "2", 1, NULL, NULL, NULL), 0);
	/* An empty group: the state alone. */
	assert_int_equal(index_settle(x, 3, "3", 1, NULL, NULL, NULL), 0);
	index_close(x);
	x = open_index_at(dir, "3");
	check_one(x, "k", "");
	index_close(x);
}

static void settle_one(struct index *x, uint64_t group)
{
	char state[24];

	(void)snprintf(state, sizeof(state), "%d", (int)group);
	assert_int_equal(index_settle(x, group, state, strlen(state), NULL, NULL, NULL), 0);
}

/* Twice, so that the second answer may come from what is remembered of the first. */
static void check_twice(struct index *x, const char *key, const char *value)
{
	check_one(x, key, value);
	check_one(x, key, value);
}

/* What is remembered of a key is not told any more when it was made, changed, or deleted since. */
static void test_recent_is_present(void **unused)
{
	CLEANUP(scratch_remove) char *dir = scratch_make();
	struct index *x = open_index_at(dir, NULL);
	char key[200], value[400];
	const char *const becomes[] = { "here", value, "", NULL };
	uint64_t group = 0;

	(void)unused;
	for (int i = 0; i < 900; i++) {
		/* three times each, and some longer than what is remembered */
		(void)snprintf(key, sizeof(key), "%0*d", i % 7 == 0 ? 120 : 4, i % 300);
		(void)snprintf(value, sizeof(value), "%0*d", i % 5 == 0 ? 300 : 10, i);
		check_twice(x, key, NULL);
		for (size_t k = 0; k < sizeof(becomes) / sizeof(becomes[0]); k++) {
			put_one(x, ++group, key, becomes[k]);
			check_twice(x, key, becomes[k]);
			settle_one(x, group);
			check_twice(x, key, becomes[k]);
		}
	}
	index_close(x);
}

/* More keys than are remembered. */
static void test_recent_of_many(void **unused)
{
	enum { KEYS = 12000 };
	CLEANUP(scratch_remove) char *dir = scratch_make();
	struct index *x = open_index_at(dir, NULL);
	char key[16];

	(void)unused;
	for (int i = 0; i < KEYS; i += 2) {
		(void)snprintf(key, sizeof(key), "k%d", i);
		put_one(x, 1, key, key);
	}
	settle_one(x, 1);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < KEYS; i++) {
			(void)snprintf(key, sizeof(key), "k%d", i);
			check_twice(x, key, i % 2 ? NULL : key);
		}
	}
	index_close(x);
}

static int finish(void *arg, enum index_space space, struct span key, struct span value, struct buf *out)
{
	int *calls = arg;

	(void)key;
	assert_int_equal(space, INDEX_HEAD);
	if (--*calls < 0)
		return -EIO;
	if (value.data[0] != '?')
		return 0;
	buf_add(out, "final", 5);
	return 1;
}

static void test_settle_rewrites(void **unused)
{
	CLEANUP(scratch_remove) char *dir = scratch_make();
	struct index *x = open_index_at(dir, NULL);
	struct index_stats stats;
	int calls = 1;

	(void)unused;
	put_one(x, 1, "a", "?");
	put_one(x, 1, "b", "stays");
	put_one(x, 1, "c", NULL);
	assert_int_equal(index_settle(x, 1, "1", 1, finish, &calls, NULL), -EIO);
	index_stats(x, &stats);
	assert_int_equal(stats.overlay_entries, 3);
	check_one(x, "a", "?");
	calls = 2;
	assert_int_equal(index_settle(x, 1, "1", 1, finish, &calls, NULL), 0);
	index_stats(x, &stats);
	assert_int_equal(stats.overlay_entries, 0);
	assert_int_equal(stats.overlay_bytes, 0);
	check_one(x, "a", "final");
	check_one(x, "b", "stays");
	check_one(x, "c", NULL);
	index_close(x);
}

struct order {
	uint64_t next, stop;
};

static int see_in_order(void *arg, const struct index_entry *e)
{
	struct order *o = arg;

	o->next += o->next == 5; /* this one was deleted */
	assert_int_equal(get_be64(e->key.data), o->next);
	return ++o->next == o->stop ? 7 : 0;
}

static void test_large_batch(void **unused)
{
	CLEANUP(scratch_remove) char *dir = scratch_make();
	CLEANUP(buf_release) struct buf out = BUF_INIT;
	struct index *x = open_index_at(dir, NULL);
	struct index_rows rows = INDEX_ROWS_INIT;
	struct order all = { 0, UINT64_MAX }, some = { 0, 70000 };
	struct index_batch *b;
	uint8_t key[8];

	(void)unused;
	assert_int_equal(index_batch_new(x, &b), 0);
	for (uint64_t i = 0; i < 100000; i++) {
		put_be64(key, i * 7919 % 100000);
		index_batch_put(b, INDEX_CHUNK, key, 8, &i, 8);
		assert_int_equal(index_batch_get(b, INDEX_CHUNK, key, 8, &out, NULL), 1);
	}
	put_be64(key, 5);
	index_batch_delete(b, INDEX_CHUNK, key, 8);
	assert_int_equal(index_batch_get(b, INDEX_CHUNK, key, 8, &out, NULL), 0);
	write_group(x, b, 1, "applied", 7);
	assert_int_equal(index_batch_get(b, INDEX_CHUNK, key, 8, &out, NULL), 0);
	put_be64(key, 6);
	assert_int_equal(index_batch_get(b, INDEX_CHUNK, key, 8, &out, NULL), 1);
	assert_int_equal(index_scan(x, INDEX_CHUNK, text(""), text(""), 200000, 0, &rows, NULL), 0);
	assert_int_equal(rows.n, 99999);
	assert_false(rows.more);
	assert_int_equal(index_each(x, INDEX_CHUNK, text(""), text(""), see_in_order, &all, NULL), 0);
	assert_int_equal(all.next, 100000);
	assert_int_equal(index_each(x, INDEX_CHUNK, text(""), text(""), see_in_order, &some, NULL), 7);
	index_rows_release(&rows);
	index_batch_free(b);
	index_close(x);
	index_close(open_index_at(dir, "applied"));
}

/* More deletions in the overlay than a scan copies at once. */
static void test_scan_over_deletions(void **unused)
{
	enum { KEYS = 10000 };
	CLEANUP(scratch_remove) char *dir = scratch_make();
	struct index *x = open_index_at(dir, NULL);
	struct index_rows rows = INDEX_ROWS_INIT;
	struct index_batch *b;
	uint8_t key[8];

	(void)unused;
	assert_int_equal(index_batch_new(x, &b), 0);
	for (uint64_t i = 0; i < KEYS; i++) {
		put_be64(key, i);
		index_batch_put(b, INDEX_HEAD, key, 8, "v", 1);
	}
	write_group(x, b, 1, "s", 1);
	for (uint64_t i = 10; i < KEYS - 10; i++) {
		put_be64(key, i);
		index_batch_delete(b, INDEX_HEAD, key, 8);
	}
	assert_int_equal(index_publish(x, b, 2, NULL), 0);
	for (unsigned flags = 0; flags <= INDEX_REVERSE; flags += INDEX_REVERSE) {
		uint64_t first = flags ? KEYS - 1 : 0;

		/* The first ten are in front of where the copy ends. */
		assert_int_equal(index_scan(x, INDEX_HEAD, text(""), text(""), 15, flags, &rows, NULL), 0);
		assert_int_equal(rows.n, 10);
		assert_int_equal(get_be64(rows.entries[0].key.data), first);
		assert_true(rows.more);
		/* Then none at all for a long while. */
		put_be64(key, flags ? KEYS - 10 : 10);
		if (flags)
			assert_int_equal(index_scan(x, INDEX_HEAD, text(""), (struct span){ key, 8 }, 15,
						    flags, &rows, NULL),
					 0);
		else
			assert_int_equal(index_scan(x, INDEX_HEAD, (struct span){ key, 8 }, text(""), 15,
						    flags, &rows, NULL),
					 0);
		assert_int_equal(rows.n, 10);
		assert_int_equal(get_be64(rows.entries[0].key.data), flags ? 9 : KEYS - 10);
		assert_false(rows.more);
	}
	index_rows_release(&rows);
	index_batch_free(b);
	index_close(x);
}

static unsigned files_in(const char *dir)
{
	DIR *folder = opendir(dir);
	unsigned n = 0;

	assert_non_null(folder);
	while (readdir(folder))
		n++;
	closedir(folder);
	return n;
}

static void open_and_write(const char *dir, uint64_t group)
{
	struct index *x = open_index(dir, NULL);

	put_one(x, group, "k", "v");
	assert_int_equal(index_settle(x, group, "1", 1, NULL, NULL, NULL), 0);
	index_close(x);
}

/* As often as one likes: nothing is left behind that adds up. (How many tables there are just then varies.)
 */
static void test_opened_many_times(void **unused)
{
	enum { TIMES = 12 };
	CLEANUP(scratch_remove) char *dir = scratch_make();
	unsigned before;
	uint64_t group = 1;

	(void)unused;
	for (; group <= TIMES; group++)
		open_and_write(dir, group);
	before = files_in(dir);
	for (; group <= 3 * TIMES; group++)
		open_and_write(dir, group);
	assert_in_range(files_in(dir), 1, before + TIMES / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_newest_group_counts), cmocka_unit_test(test_recent_is_present),
		cmocka_unit_test(test_recent_of_many),      cmocka_unit_test(test_settle_rewrites),
		cmocka_unit_test(test_large_batch),         cmocka_unit_test(test_scan_over_deletions),
		cmocka_unit_test(test_opened_many_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
