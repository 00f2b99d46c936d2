/* SPDX-License-Identifier: MIT */
/* Ranges far longer than anybody should have to wait for, and cutting a long file short. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/volume/volume.h"
#include "tests/unit/scratch.h"
#include "tests/unit/store_helper.h"

enum { BLOCK = BLOCK_BYTES, MIB = 1 << 20, STEP = RANGE_STEP_BYTES };

static int allocate(struct store_fixture *f, uint64_t ino, int mode, uint64_t offset, uint64_t len)
{
	return hf_fallocate(f->store, ino, mode, offset, len, 0, NULL);
}

static void resize(struct store_fixture *f, uint64_t ino, uint64_t size)
{
	const struct hf_setattr change = { .mask = HF_SET_SIZE, .size_bytes = size };

	assert_int_equal(hf_setattr(f->store, ino, &change, NULL, NULL), 0);
}

static void expect_zeros(struct store_fixture *f, uint64_t tid, uint64_t ino, uint64_t offset, size_t len)
{
	uint8_t *zeros = calloc(1, len);

	expect_bytes(f, tid, ino, offset, zeros, len);
	free(zeros);
}

/* In steps; and not at all when there is no room for it. */
static void test_allocate(void **state)
{
	struct store_fixture *f = *state;
	uint64_t ino = make_file(f, "file"), before;

	put_text(f, ino, 100, "text");
	before = head(f);
	assert_int_equal(allocate(f, ino, 0, 50, 3 * (uint64_t)STEP), 0);
	assert_int_equal(attr_of(f, ino).size_bytes, 3 * (uint64_t)STEP + 50);
	assert_int_equal(attr_of(f, ino).blocks, 3 * (uint64_t)STEP / 512);
	assert_true(head(f) - before >= 3 && head(f) - before <= 5);
	expect_bytes(f, HF_TID_HEAD, ino, 100, "text", 4);
	expect_zeros(f, HF_TID_HEAD, ino, 104, BLOCK);
	before = head(f);
	assert_int_equal(allocate(f, ino, 0, 0, UINT64_C(1) << 62), -ENOSPC);
	assert_int_equal(allocate(f, ino, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, BLOCK,
				  UINT64_C(1) << 62),
			 -ENOSPC);
	assert_int_equal(allocate(f, ino, 0, 0, INT64_MAX), -ENOSPC);
	assert_int_equal(allocate(f, ino, 0, 1, INT64_MAX), -EFBIG);
	assert_int_equal(head(f), before); /* nothing at all was changed */
	assert_int_equal(attr_of(f, ino).size_bytes, 3 * (uint64_t)STEP + 50);
	assert_int_equal(allocate(f, ino, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, INT64_MAX), 0);
	assert_int_equal(attr_of(f, ino).blocks, 0);
	assert_int_equal(attr_of(f, ino).size_bytes, 3 * (uint64_t)STEP + 50);
	expect_bytes(f, before, ino, 100, "text", 4);
	expect_zeros(f, HF_TID_HEAD, ino, 0, 3 * BLOCK);
	store_close(f);
	store_open(f, HF_OPEN_REBUILD);
	assert_int_equal(attr_of(f, ino).blocks, 0);
	assert_int_equal(status_of(f).live_bytes, 0);
	expect_bytes(f, before, ino, 100, "text", 4);
}

/* What is allocated already is left as it is. */
static void test_allocate_again(void **state)
{
	struct store_fixture *f = *state;
	uint64_t ino = make_file(f, "file");
	uint64_t tid, tid_after;

	put_text(f, ino, BLOCK - 2, "text");
	assert_int_equal(allocate(f, ino, 0, 0, 2 * BLOCK), 0);
	assert_int_equal(tree_block_pieces(&f->store->tree, ino, 0, &tid, NULL), 2);
	assert_int_equal(allocate(f, ino, 0, 0, 2 * BLOCK), 0);
	assert_int_equal(tree_block_pieces(&f->store->tree, ino, 0, &tid_after, NULL), 2);
	assert_int_equal(tid_after, tid);
	assert_int_equal(attr_of(f, ino).blocks, 2 * BLOCK / 512);
	expect_bytes(f, HF_TID_HEAD, ino, BLOCK - 2, "text", 4);
}

/* A dense source is copied in steps that the caller asks for; each ends where a block of the destination
 * ends, or the source does. */
static void test_copy(void **state)
{
	struct store_fixture *f = *state;
	uint64_t from = make_file(f, "from"), to = make_file(f, "to"), done = 0;
	uint64_t size = 2 * (uint64_t)STEP + 5 * BLOCK + 17;
	unsigned steps = 0;

	assert_int_equal(allocate(f, from, 0, 0, size), 0);
	put_text(f, from, size - 5, "tail");
	while (done < size) {
		ssize_t n = hf_copy_range(f->store, from, done, to, done, SIZE_MAX / 2, 0, NULL);

		assert_true(n >= 1 && n <= STEP);
		done += (uint64_t)n;
		steps++;
	}
	assert_int_equal(steps, 3);
	assert_int_equal(done, size);
	assert_int_equal(attr_of(f, to).size_bytes, size);
	assert_int_equal(attr_of(f, to).blocks, attr_of(f, from).blocks);
	expect_bytes(f, HF_TID_HEAD, to, size - 5, "tail", 4);
	/* what is in the way counts as well: here a hole over all of it */
	resize(f, from, 0);
	resize(f, from, INT64_MAX);
	assert_int_equal(hf_copy_range(f->store, from, 0, to, 0, SIZE_MAX / 4, 0, NULL), STEP);
	expect_zeros(f, HF_TID_HEAD, to, 0, BLOCK);
}

/* Cut to much less than there was: what is kept moves to a new generation, what was stays for the past. */
static void test_cut_short(void **state)
{
	enum { LEN = 5 * MIB, KEPT = MIB + BLOCK / 2 };
	struct store_fixture *f = *state;
	uint64_t ino = make_file(f, "file"), before, cut;
	uint8_t *data = malloc(LEN);

	assert_non_null(data);
	fill_random(data, LEN, 9);
	put(f, ino, 0, data, LEN);
	assert_int_equal(allocate(f, ino, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 3 * BLOCK, BLOCK + 9),
			 0);
	memset(data + 3 * BLOCK, 0, BLOCK + 9);
	before = head(f);
	resize(f, ino, KEPT);
	cut = head(f);
	expect_bytes(f, HF_TID_HEAD, ino, 0, data, KEPT);
	assert_int_equal(attr_of(f, ino).blocks, (KEPT - BLOCK - 9 + 511) / 512);
	assert_int_equal(status_of(f).live_bytes, KEPT - BLOCK - 9);
	put_text(f, ino, KEPT + 10, "new"); /* what was cut off must not come back */
	expect_zeros(f, HF_TID_HEAD, ino, KEPT, 10);
	expect_bytes(f, before, ino, 0, data, LEN);
	commit(f);
	resize(f, ino, 4 * MIB);
	expect_zeros(f, HF_TID_HEAD, ino, 2 * MIB, 2 * MIB);
	for (int again = 0; again < 2; again++) {
		expect_bytes(f, before, ino, 0, data, LEN);
		expect_bytes(f, cut, ino, 0, data, KEPT);
		assert_int_equal(attr_at(f, cut, ino).size_bytes, KEPT);
		expect_bytes(f, HF_TID_HEAD, ino, 0, data, KEPT);
		store_close(f);
		store_open(f, HF_OPEN_REBUILD);
	}
	free(data);
}

/* Blocks behind the end, put there by fallocate, are not forgotten when all that is in front of it is
 * punched. */
static void test_punch_before_kept(void **state)
{
	struct store_fixture *f = *state;
	uint64_t ino = make_file(f, "file");

	put_text(f, ino, 0, "text");
	assert_int_equal(allocate(f, ino, FALLOC_FL_KEEP_SIZE, 0, 4 * BLOCK), 0);
	assert_int_equal(allocate(f, ino, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, BLOCK), 0);
	assert_int_equal(attr_of(f, ino).blocks, 3 * BLOCK / 512);
	assert_int_equal(attr_of(f, ino).size_bytes, 4);
	expect_zeros(f, HF_TID_HEAD, ino, 0, 4);
}

static void expect_length(struct store_fixture *f, uint64_t tid, uint64_t ino, uint64_t size,
			  uint64_t allocated)
{
	const struct hf_attr attr = attr_at(f, tid, ino);

	assert_int_equal(attr.size_bytes, size);
	assert_int_equal(attr.blocks, allocated / 512);
}

/* In steps, of blocks that are there; all that there is in one, for that takes nothing. */
static void test_punch(void **state)
{
	enum { N = 4, OFFSET = BLOCK + 9 };
	const uint64_t size = N * (uint64_t)STEP;
	struct store_fixture *f = *state;
	uint64_t ino = make_file(f, "file"), full, part;

	assert_int_equal(allocate(f, ino, 0, 0, size), 0);
	put_text(f, ino, 0, "first");
	put_text(f, ino, OFFSET + 2 * (uint64_t)STEP, "text");
	full = head(f);
	assert_int_equal(allocate(f, ino, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, OFFSET,
				  INT64_MAX - OFFSET),
			 0);
	part = head(f);
	assert_true(part - full >= N && part - full <= N + 1);
	expect_length(f, part, ino, size, (OFFSET + 511) / 512 * 512);
	assert_int_equal(allocate(f, ino, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, OFFSET, size), 0);
	assert_int_equal(head(f) - part, 1); /* there is nothing left there */
	assert_int_equal(allocate(f, ino, 0, 0, size), 0);
	part = head(f);
	assert_int_equal(allocate(f, ino, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, size), 0);
	assert_int_equal(head(f) - part, 1);
	for (int again = 0; again < 2; again++) {
		expect_length(f, HF_TID_HEAD, ino, size, 0);
		expect_length(f, full, ino, size, size);
		expect_bytes(f, full, ino, OFFSET + 2 * (uint64_t)STEP, "text", 4);
		store_close(f);
		store_open(f, HF_OPEN_REBUILD);
	}
}

/* A new length is one operation, and pays for the blocks it takes, unless these are very many. */
static void test_cut_very_long(void **state)
{
	const uint64_t cut = CUT_BLOCKS * (uint64_t)BLOCK, size = 3 * cut, kept = size - cut - STEP;
	const uint64_t less = kept - cut / 2, least = cut / 2;
	struct store_fixture *f = *state;
	uint64_t ino = make_file(f, "file"), at[4];

	assert_int_equal(allocate(f, ino, 0, 0, size), 0);
	put_text(f, ino, kept - 2, "text");
	at[0] = head(f);
	resize(f, ino, kept); /* in steps, each of what nobody is to wait for longer */
	at[1] = head(f);
	assert_true(at[1] - at[0] > CUT_BLOCKS / RANGE_STEP_BLOCKS);
	for (uint64_t tid = at[0] + 1; tid < at[1]; tid++)
		assert_true(attr_at(f, tid - 1, ino).blocks - attr_at(f, tid, ino).blocks <= STEP / 512);
	expect_length(f, at[1] - 1, ino, size, kept);
	commit(f);
	while (status_of(f).pending_bytes > 0)
		(void)usleep(1000);
	resize(f, ino, less);
	assert_true(status_of(f).pending_bytes >= cut / 2 / BLOCK * BLOCK_COST);
	at[2] = head(f);
	assert_int_equal(at[2] - at[1], 1);
	resize(f, ino, least); /* what is kept is what takes long, and it is less */
	at[3] = head(f);
	assert_int_equal(at[3] - at[2], 1);
	for (int again = 0; again < 2; again++) {
		expect_length(f, at[0], ino, size, size);
		expect_bytes(f, at[0], ino, kept - 2, "text", 4);
		expect_length(f, at[1], ino, kept, kept);
		expect_bytes(f, at[1], ino, kept - 2, "te", 2);
		expect_length(f, at[2], ino, less, less);
		expect_length(f, HF_TID_HEAD, ino, least, least);
		store_close(f);
		store_open(f, HF_OPEN_REBUILD);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_allocate, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_allocate_again, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_copy, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_cut_short, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_punch_before_kept, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_punch, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_cut_very_long, store_setup, store_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
