/* SPDX-License-Identifier: MIT */
/* What may go, and what a plan to let it go does to the store it is made of. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "store/tree/tree.h"
#include "store/volume/volume.h"
#include "tests/unit/prune_helper.h"

static void test_plan(void **state)
{
	const struct hf_point early = { 1, 1 };
	struct hf_prune_plan plan;
	struct hf_kit *other;
	struct past p;
	void *list = NULL;
	size_t len;

	(void)state;
	past_init(&p);
	assert_true(p.plan.bytes > PAST_BYTES && p.plan.bytes < PAST_BYTES + (128 << 10));
	assert_true(p.plan.chunks > 0 && p.plan.segments > 0);
	past_plan(&p); /* the same again, and nothing is retired twice */
	assert_true(p.plan.bytes > PAST_BYTES);
	assert_int_equal(p.plan.chunks, 0);
	store_open(&p.store, 0);
	assert_int_equal(hf_prune_plan(p.store.store, p.store.kit, &early, NULL, &list, &len, &plan, NULL),
			 -ENODATA);
	assert_int_equal(hf_prune_plan(p.store.store, p.store.kit, &early, "else", &list, &len, &plan, NULL),
			 -ENOENT);
	assert_int_equal(hf_kit_generate(&other, NULL), 0);
	assert_int_equal(hf_prune_plan(p.store.store, other, &early, NULL, &list, &len, &plan, NULL),
			 -EKEYREJECTED);
	hf_kit_free(other);
	past_expect(&p, p.store.store, true);
	store_close(&p.store);
	assert_int_equal(store_faults(&p.store), 0);
	past_release(&p);
}

/* A tag keeps what its moment is made of, and so does a file that was cut short and grown again meanwhile. */
static void test_plan_keeps(void **state)
{
	const struct hf_setattr cut = { .mask = HF_SET_SIZE, .size_bytes = 0 };
	struct hf_prune_plan plan;
	struct hf_attr attr;
	struct hf_point now;
	struct past p;
	void *list = NULL;
	size_t len;

	(void)state;
	past_init(&p);
	store_open(&p.store, 0);
	assert_int_equal(hf_tag(p.store.store, "keep", p.first, NULL), 0);
	now = (struct hf_point){ p.second, 1 };
	assert_int_equal(hf_prune_plan(p.store.store, p.store.kit, &now, NULL, &list, &len, &plan, NULL),
			 -ENODATA);
	assert_int_equal(hf_setattr(p.store.store, p.ino, &cut, &attr, NULL), 0);
	commit(&p.store);
	now.tid = head(&p.store) - 1; /* still whole just before */
	assert_int_equal(hf_prune_plan(p.store.store, p.store.kit, &now, NULL, &list, &len, &plan, NULL),
			 -ENODATA);
	now.tid++;
	assert_int_equal(hf_prune_plan(p.store.store, p.store.kit, &now, NULL, &list, &len, &plan, NULL), 0);
	assert_true(plan.bytes > PAST_BYTES &&
		    plan.bytes < PAST_BYTES + (128 << 10)); /* the new ones, not the tagged */
	free(list);
	store_close(&p.store);
	past_release(&p);
}

/* What was retired is stored anew, and found again then, by an index that is made anew too. */
static void test_retired(void **state)
{
	uint64_t before, copy;
	struct past p;

	(void)state;
	past_init(&p);
	store_open(&p.store, 0);
	before = status_of(&p.store).chunks;
	copy = make_file(&p.store, "copy");
	put(&p.store, copy, 0, p.old, PAST_BYTES);
	commit(&p.store);
	assert_true(status_of(&p.store).chunks > before);
	for (int round = 0; round < 2; round++) {
		before = status_of(&p.store).chunks;
		put(&p.store, make_file(&p.store, round ? "third" : "second"), 0, p.old, PAST_BYTES);
		put(&p.store, make_file(&p.store, round ? "fifth" : "fourth"), 0, p.new, PAST_BYTES);
		commit(&p.store);
		assert_int_equal(status_of(&p.store).chunks, before);
		store_close(&p.store);
		store_open(&p.store, HF_OPEN_REBUILD);
	}
	expect_bytes(&p.store, HF_TID_HEAD, copy, 0, p.old, PAST_BYTES);
	store_close(&p.store);
	past_release(&p);
}

/* --- ranges, however they lie to each other, against an array */

enum { NUMBERS = 600, RETIREMENTS = 40, RANGES_MAX = 4 };

static void retire_some(struct hf_store *s, bool *want)
{
	struct chunk_range ranges[RANGES_MAX];
	uint64_t at = (uint64_t)rand() % (NUMBERS / 2);
	size_t n = 0;

	while (n < 1 + (size_t)rand() % RANGES_MAX && at + 20 < NUMBERS) {
		ranges[n] = (struct chunk_range){ at, 1 + (uint64_t)rand() % 16 };
		for (uint64_t i = 0; i < ranges[n].n; i++)
			want[at + i] = true;
		at += ranges[n].n + 1 + (uint64_t)rand() % 40;
		n++;
	}
	assert_int_equal(volume_retire(s, ranges, n, NULL), 0);
}

static void expect_retired(struct hf_store *s, const bool *want)
{
	for (uint64_t i = 0; i < NUMBERS; i++)
		if (tree_chunk_is_retired(s->index, i, NULL) != want[i])
			fail_msg("chunk %llu", (unsigned long long)i);
}

static void test_ranges(void **state)
{
	struct store_fixture f;
	bool want[NUMBERS] = { false };

	(void)state;
	srand(7);
	store_fixture_init(&f, NULL);
	expect_retired(f.store, want);
	for (int i = 0; i < RETIREMENTS; i++) {
		retire_some(f.store, want);
		expect_retired(f.store, want);
	}
	store_close(&f);
	store_open(&f, 0);
	expect_retired(f.store, want);
	store_close(&f);
	store_open(&f, HF_OPEN_REBUILD);
	expect_retired(f.store, want);
	store_fixture_release(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plan),
		cmocka_unit_test(test_plan_keeps),
		cmocka_unit_test(test_retired),
		cmocka_unit_test(test_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
