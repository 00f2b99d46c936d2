/* SPDX-License-Identifier: MIT */
/* What looks like an attack and what does not: made-up operations on a made-up clock. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "store/alarm/burst.h"
#include "store/alarm/sample.h"
#include "tests/unit/store_helper.h"

static const uint64_t second = UINT64_C(1000000000);
static const uint64_t mib = 1 << 20;

static const struct burst_limits limits = {
	.files = 1000, .deletion_percent = 20, .overwrite_percent = 50, .encryption_files = 50
};

enum { DIR_INO = 2 };

/* A volume of so many files, of 1 MiB each, with a clock. */
struct volume {
	struct burst *b;
	uint64_t now, tid, files;
};

static struct volume volume(uint64_t files)
{
	struct volume v = { .now = 1000000 * second, .tid = 7, .files = files };

	assert_int_equal(burst_new(300 * second, &v.b), 0);
	return v;
}

/* The next operation, a millisecond later. */
static struct burst_when next(struct volume *v)
{
	v->now += second / 1000;
	v->tid++;
	return (struct burst_when){ v->now, { v->tid, v->now, v->now - second / 1000 } };
}

static void wait_s(struct volume *v, uint64_t s)
{
	v->now += s * second;
}

static bool judge(struct volume *v, enum burst_kind kind, struct burst_alarm *ret)
{
	return burst_judge(v->b, kind, &limits, v->now, v->files, v->files * mib, ret);
}

static void expect_quiet(struct volume *v)
{
	struct burst_alarm a;

	for (unsigned k = 0; k < BURST_KINDS; k++)
		assert_false(judge(v, k, &a));
}

static void remove_files(struct volume *v, uint64_t first, uint64_t n, bool young)
{
	char name[32];

	for (uint64_t i = first; i < first + n; i++) {
		struct burst_when w = next(v);

		(void)snprintf(name, sizeof(name), "file%d", (int)i);
		burst_removed(v->b, &w, DIR_INO, name, 100 + i, 10000, young);
		v->files -= v->files > 0;
	}
}

/* What waits to be looked at is of this kind, as far as it waits. */
static size_t look(struct volume *v, enum burst_outcome outcome)
{
	struct burst_pair pairs[BURST_PAIRS_MAX];
	size_t n = burst_take(v->b, pairs, BURST_PAIRS_MAX);

	for (size_t i = 0; i < n; i++)
		burst_judged(v->b, &pairs[i], outcome);
	return n;
}

static void overwrite(struct volume *v, uint64_t first, uint64_t n)
{
	for (uint64_t i = first; i < first + n; i++) {
		struct burst_when w = next(v);

		burst_written(v->b, &w, 100 + i, 0, 10000, false);
	}
}

/* --- deletion */

static void many_of_all_files(void **state)
{
	struct volume v = volume(5000);
	struct burst_alarm a;
	uint64_t first;

	(void)state;
	first = v.tid + 1;
	remove_files(&v, 0, 999, false);
	expect_quiet(&v);
	remove_files(&v, 999, 100, false);
	assert_true(judge(&v, BURST_DELETION, &a));
	assert_int_equal(a.files, 1099);
	assert_int_equal(a.percent, 21);
	assert_int_equal(a.first.tid, first);
	assert_int_equal(a.first.before_ns, a.first.time_ns - second / 1000);
	/* It is said once, and again when it goes on after a window, of the same beginning. */
	remove_files(&v, 2000, 100, false);
	assert_false(judge(&v, BURST_DELETION, &a));
	for (unsigned i = 0; i < 10; i++) {
		wait_s(&v, 31);
		remove_files(&v, 3000 + 100 * i, 100, false);
		(void)judge(&v, BURST_OVERWRITE, &a);
	}
	assert_true(judge(&v, BURST_DELETION, &a));
	assert_int_equal(a.first.tid, first);
	burst_free(v.b);
}

static void few_of_all_files(void **state)
{
	struct volume v = volume(50000);

	(void)state;
	remove_files(&v, 0, 9000, false); /* rm -rf node_modules, where there is much else */
	expect_quiet(&v);
	burst_free(v.b);
}

static void spread_over_time(void **state)
{
	struct volume v = volume(20000);

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		remove_files(&v, 100 * i, 100, false);
		wait_s(&v, 60);
		expect_quiet(&v);
	}
	burst_free(v.b);
}

/* What configure and compilers make and remove at once, and what is made again. */
static void what_is_no_loss(void **state)
{
	struct volume v = volume(3000);
	char name[32];

	(void)state;
	remove_files(&v, 0, 2500, true);
	expect_quiet(&v);
	v.files = 10000;
	for (unsigned i = 0; i < 3000; i++) { /* git checkout: unlink, create */
		struct burst_when w;

		remove_files(&v, 5000 + i, 1, false);
		(void)snprintf(name, sizeof(name), "file%u", 5000 + i);
		w = next(&v);
		burst_made(v.b, &w, DIR_INO, name, 90000 + i);
		v.files++;
	}
	assert_int_equal(look(&v, BURST_HARMLESS),
			 BURST_PAIRS_MAX); /* what it was is compared with what it is */
	expect_quiet(&v);
	burst_free(v.b);
}

static void large_files(void **state)
{
	struct volume v = volume(100);
	struct burst_alarm a;
	struct burst_when w;

	(void)state;
	w = next(&v);
	burst_removed(v.b, &w, DIR_INO, "image", 5, 1200 * mib, false);
	v.files = 200; /* 200 MiB are left */
	assert_true(judge(&v, BURST_DELETION, &a));
	assert_int_equal(a.percent, 85);
	burst_free(v.b);
}

/* What happens every day is no alarm at the third time; half of all files is. */
static void usual_here(void **state)
{
	struct volume v = volume(10000);
	struct burst_alarm a;

	(void)state;
	for (unsigned day = 0; day < 3; day++) {
		v.files = 10000;
		remove_files(&v, 0, 2500, false);
		assert_int_equal(judge(&v, BURST_DELETION, &a), day < 2);
		for (unsigned i = 0; i < 20; i++) {
			wait_s(&v, 60);
			(void)judge(&v, BURST_DELETION, &a);
		}
	}
	v.files = 10000;
	remove_files(&v, 0, 6000, false);
	assert_true(judge(&v, BURST_DELETION, &a));
	burst_free(v.b);
}

/* --- the first operation */

static void it_is_found(void **state)
{
	struct volume v = volume(5000);
	struct burst_alarm a;
	uint64_t first;

	(void)state;
	remove_files(&v, 0, 5, false); /* long before: of no interest */
	wait_s(&v, 1200);
	first = v.tid + 1;
	remove_files(&v, 10, 1, false); /* a try; four minutes later the rest */
	wait_s(&v, 240);
	expect_quiet(&v);
	remove_files(&v, 20, 1200, false);
	assert_true(judge(&v, BURST_DELETION, &a));
	assert_int_equal(a.first.tid, first);
	burst_free(v.b);
}

/* Slower than a window: it began before that, and is followed back as long as it did not pause. */
static void it_is_found_before_the_window(void **state)
{
	struct volume v = volume(2000000);
	struct burst_alarm a;
	uint64_t first;

	(void)state;
	wait_s(&v, 600);
	first = v.tid + 1;
	for (unsigned i = 0; i < 1000; i++) {
		remove_files(&v, 100 * i, 100, false);
		wait_s(&v, 1);
		expect_quiet(&v);
	}
	v.files = 50000;
	assert_true(judge(&v, BURST_DELETION, &a));
	assert_int_equal(a.first.tid, first);
	burst_free(v.b);
}

/* --- overwriting */

static void overwritten(void **state)
{
	struct volume v = volume(3000);
	struct burst_alarm a;
	uint64_t first = v.tid + 1;

	(void)state;
	for (unsigned i = 0; i < 20; i++)
		overwrite(&v, 0, 900); /* the same files: a database */
	expect_quiet(&v);
	overwrite(&v, 1000, 700);
	assert_true(judge(&v, BURST_OVERWRITE, &a));
	assert_int_equal(a.files, 1600);
	assert_int_equal(a.first.tid, first);
	burst_free(v.b);
}

static void cut_off(void **state)
{
	struct volume v = volume(1000);
	struct burst_alarm a;
	struct burst_when w = next(&v);

	(void)state;
	burst_cut(v.b, &w, 5, 4096, 3000 * mib, false);
	assert_true(judge(&v, BURST_OVERWRITE, &a));
	assert_int_equal(a.percent, 75);
	assert_int_equal(look(&v, BURST_ENCRYPTED), 0); /* what is left of it was not touched */
	burst_free(v.b);
}

/* --- encryption */

static void in_place(void **state)
{
	struct volume v = volume(100000);
	struct burst_alarm a;
	uint64_t first = v.tid + 1;

	(void)state;
	overwrite(&v, 0, 49);
	assert_int_equal(look(&v, BURST_ENCRYPTED), 49);
	expect_quiet(&v);
	overwrite(&v, 0, 49); /* not again */
	assert_int_equal(look(&v, BURST_ENCRYPTED), 0);
	expect_quiet(&v);
	overwrite(&v, 50, 1);
	assert_int_equal(look(&v, BURST_ENCRYPTED), 1);
	assert_true(judge(&v, BURST_ENCRYPTION, &a));
	assert_int_equal(a.files, 50);
	assert_int_equal(a.first.tid, first);
	burst_free(v.b);
}

static void harmless_rewriting(void **state)
{
	struct volume v = volume(100000);

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		overwrite(&v, 200 * i, 200);
		assert_int_equal(look(&v, BURST_HARMLESS), 200);
	}
	expect_quiet(&v);
	burst_free(v.b);
}

/* More than can be looked at: the others are like those. */
static void more_than_can_be_looked_at(void **state)
{
	struct volume v = volume(100000);
	struct burst_alarm a;

	(void)state;
	overwrite(&v, 0, 5000);
	assert_int_equal(look(&v, BURST_ENCRYPTED), BURST_PAIRS_MAX);
	assert_true(judge(&v, BURST_ENCRYPTION, &a));
	assert_int_equal(a.files, 5000);
	burst_free(v.b);
}

static void a_small_volume(void **state)
{
	struct volume v = volume(44);
	struct burst_alarm a;

	(void)state;
	overwrite(&v, 0, 10);
	look(&v, BURST_ENCRYPTED);
	expect_quiet(&v);
	overwrite(&v, 10, 1);
	look(&v, BURST_ENCRYPTED);
	assert_true(judge(&v, BURST_ENCRYPTION, &a));
	burst_free(v.b);
}

/* x.locked beside x, then x removed; or the other way round; or x renamed over. */
static void beside_it(void **state)
{
	struct volume v = volume(100000);
	struct burst_pair pairs[BURST_PAIRS_MAX];
	struct burst_when w;
	uint64_t removed[3];

	(void)state;
	w = next(&v);
	burst_made(v.b, &w, DIR_INO, "a.txt.locked", 10);
	w = next(&v);
	removed[0] = v.tid;
	burst_removed(v.b, &w, DIR_INO, "a.txt", 11, 10000, false);
	w = next(&v);
	removed[1] = v.tid;
	burst_removed(v.b, &w, DIR_INO, "b.txt", 12, 10000, false);
	w = next(&v);
	burst_made(v.b, &w, DIR_INO, "b.locked", 13); /* another ending in its place */
	w = next(&v);
	removed[2] = v.tid;
	burst_replaced(v.b, &w, 14, 10000, 15, false);
	w = next(&v);
	burst_made(v.b, &w, DIR_INO + 1, "c.txt.locked", 16);
	w = next(&v);
	burst_removed(v.b, &w, DIR_INO, "c.txt", 17, 10000, false); /* of another directory */
	assert_int_equal(burst_take(v.b, pairs, BURST_PAIRS_MAX), 3);
	assert_int_equal(pairs[0].old_ino, 11);
	assert_int_equal(pairs[0].new_ino, 10);
	assert_int_equal(pairs[1].old_ino, 12);
	assert_int_equal(pairs[1].new_ino, 13);
	assert_int_equal(pairs[2].old_ino, 14);
	assert_int_equal(pairs[2].new_ino, 15);
	for (unsigned i = 0; i < 3; i++) /* the old are there just before that */
		assert_int_equal(pairs[i].tid, removed[i]);
	burst_free(v.b);
}

/* Renamed before they are encrypted: fewer are enough, and the moment is from before the renaming. */
static void one_new_ending(void **state)
{
	struct volume v = volume(100000);
	struct burst_alarm a;
	uint64_t first = v.tid + 1;
	char from[32], to[48];

	(void)state;
	for (unsigned i = 0; i < 60; i++) {
		struct burst_when w = next(&v);

		(void)snprintf(from, sizeof(from), "%u.txt", i);
		(void)snprintf(to, sizeof(to), "%u.txt.locked", i);
		burst_renamed(v.b, &w, from, to);
		w = next(&v);
		burst_renamed(v.b, &w, "tmp_123", "object"); /* these are not */
		w = next(&v);
		burst_renamed(v.b, &w, "index.lock", "index");
	}
	overwrite(&v, 0, 12);
	look(&v, BURST_ENCRYPTED);
	assert_true(judge(&v, BURST_ENCRYPTION, &a));
	assert_int_equal(a.renamed, 60);
	assert_int_equal(a.first.tid, first);
	burst_free(v.b);
}

static void switched_off(void **state)
{
	const struct burst_limits off = { .files = 1000 };
	struct volume v = volume(3000);
	struct burst_alarm a;

	(void)state;
	remove_files(&v, 0, 2500, false);
	overwrite(&v, 5000, 3000);
	look(&v, BURST_ENCRYPTED);
	for (unsigned k = 0; k < BURST_KINDS; k++)
		assert_false(burst_judge(v.b, k, &off, v.now, v.files, v.files, &a));
	burst_free(v.b);
}

static void another_window(void **state)
{
	struct volume v = volume(3000);
	struct burst_alarm a;

	(void)state;
	remove_files(&v, 0, 900, false);
	burst_set_window(v.b, 300 * second); /* the same */
	remove_files(&v, 900, 200, false);
	assert_true(judge(&v, BURST_DELETION, &a));
	burst_set_window(v.b, 10 * second); /* what was is forgotten */
	expect_quiet(&v);
	v.files = 3000;
	remove_files(&v, 2000, 1100, false);
	assert_true(judge(&v, BURST_DELETION, &a));
	burst_free(v.b);
}

/* --- what bytes look like */

static void looks(void **state)
{
	static uint8_t data[SAMPLE_BYTES_MAX];

	(void)state;
	memset(data, 0, sizeof(data));
	assert_int_equal(sample_look(data, sizeof(data)), SAMPLE_BLANK);
	assert_int_equal(sample_look(data, SAMPLE_BYTES_MIN - 1), SAMPLE_SHORT);
	fill_random(data, sizeof(data), 1);
	assert_int_equal(sample_look(data, sizeof(data)), SAMPLE_RANDOM);
	assert_int_equal(sample_look(data, SAMPLE_BYTES_MIN), SAMPLE_RANDOM);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t) "a few words, and then \n other ones"[data[i] % 32];
	assert_int_equal(sample_look(data, sizeof(data)), SAMPLE_PLAIN);
	assert_int_equal(sample_look(data, SAMPLE_BYTES_MIN), SAMPLE_PLAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_of_all_files),
		cmocka_unit_test(few_of_all_files),
		cmocka_unit_test(spread_over_time),
		cmocka_unit_test(what_is_no_loss),
		cmocka_unit_test(large_files),
		cmocka_unit_test(usual_here),
		cmocka_unit_test(it_is_found),
		cmocka_unit_test(it_is_found_before_the_window),
		cmocka_unit_test(overwritten),
		cmocka_unit_test(cut_off),
		cmocka_unit_test(in_place),
		cmocka_unit_test(harmless_rewriting),
		cmocka_unit_test(more_than_can_be_looked_at),
		cmocka_unit_test(a_small_volume),
		cmocka_unit_test(beside_it),
		cmocka_unit_test(one_new_ending),
		cmocka_unit_test(switched_off),
		cmocka_unit_test(another_window),
		cmocka_unit_test(looks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
