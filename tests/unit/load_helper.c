/* SPDX-License-Identifier: MIT */
#include "tests/unit/load_helper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/index/load.h"
#include "tests/unit/index_helper.h"
#include "tests/unit/scratch.h"

enum { KEYS = 300, LARGEST = 190 << 7 };

const struct load load_small = { 96 << 10, 1 };
const struct load load_large = { 32 << 20, LARGEST / 190 };

int try_open(const char *dir, bool wipe, struct index **ret, uint32_t *ret_at, struct hf_error *err)
{
	struct index_options o = { .dir = dir, .cache_bytes = 1, .wipe = wipe };
	uint8_t *state = NULL;
	size_t len = 0;
	int code = index_open(&o, ret, &state, &len, err);

	*ret_at = len == 4 ? get_u32(state) : 0;
	free(state);
	return code;
}

struct index *open_at_step(const char *dir, uint32_t *ret_at)
{
	CLEANUP(buf_release) struct buf state = BUF_INIT;
	struct index *x = open_index(dir, &state);

	*ret_at = state.len ? get_u32(state.data) : 0;
	return x;
}

void put_be32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (24 - 8 * i));
}

static void expect_span(struct span a, struct span b)
{
	assert_int_equal(a.len, b.len);
	if (a.len)
		assert_memory_equal(a.data, b.data, a.len);
}

uint32_t mix(uint32_t v)
{
	v = (v ^ v >> 16) * 0x45d9f3bu;
	v = (v ^ v >> 16) * 0x45d9f3bu;
	return v ^ v >> 16;
}

/* A key of the head gets its next value; the one before is read and goes to the past, as operations do. */
static void step_put(struct index_batch *b, uint32_t i, uint32_t unit)
{
	CLEANUP(buf_release) struct buf old = BUF_INIT;
	uint8_t key[64] = { 'k' }, value[LARGEST];
	size_t key_len = 5 + mix(i) % 20;
	int found;

	put_be32(key + 1, mix(i) % KEYS);
	memset(value, (int)(i % 251), sizeof(value));
	put_u32(value, i);
	found = index_batch_get(b, INDEX_HEAD, key, key_len, &old, NULL);
	assert_true(found == 0 || found == 1);
	if (found == 1) {
		put_be32(key + key_len, i);
		index_batch_put(b, INDEX_PAST, key, key_len + 4, old.data, old.len);
		index_batch_put(b, INDEX_PAST, key, key_len + 4, old.data, old.len); /* twice does no harm */
	}
	if (mix(i) % 7 == 0)
		index_batch_delete(b, INDEX_HEAD, key, key_len);
	else
		index_batch_put(b, INDEX_HEAD, key, key_len, value, 4 + mix(i + 1) % 190 * unit);
}

/* What a range holds is counted into META, so that a scan that misses something shows. */
static void step_scan(struct index_batch *b, uint32_t i)
{
	CLEANUP(index_rows_release) struct index_rows rows = INDEX_ROWS_INIT;
	uint8_t from[5] = { 'k' }, value[4];

	put_be32(from + 1, mix(i) % KEYS);
	assert_int_equal(index_batch_scan(b, INDEX_HEAD, (struct span){ from, 5 }, (struct span){ NULL, 0 },
					  50, 0, &rows, NULL),
			 0);
	put_u32(value, rows.n ? get_u32(rows.entries[rows.n - 1].value.data) : 0);
	index_batch_put(b, INDEX_META, from, 5, value, 4);
}

static void step(struct index_batch *b, uint32_t i, uint32_t unit)
{
	uint8_t number[8], name[32] = { 0 };

	step_put(b, i, unit);
	if (i % 97 == 0)
		step_scan(b, i);
	put_be64(number, i);
	put_be32(name, mix(i) % 2000); /* some names come again, with another number */
	index_batch_put(b, INDEX_CHUNK, number, 8, name, 32);
	index_batch_put(b, INDEX_NAME, name, 32, number, 8);
}

int try_load(struct index *x, const struct load *how, uint32_t from, uint32_t to, bool finish,
	     struct hf_error *err)
{
	struct index_load *l = NULL;
	uint8_t state[4];
	int code = index_load_new(x, how->memory_bytes, &l, err);

	for (uint32_t i = from; code == 0 && i < to; i++) {
		step(index_load_batch(l), i, how->unit);
		put_u32(state, i + 1);
		code = index_load_mark(l, state, 4, err);
	}
	if (code == 0 && finish)
		code = index_load_finish(l, err);
	index_load_free(l);
	return code;
}

void load_steps(struct index *x, const struct load *how, uint32_t from, uint32_t to, bool finish)
{
	struct hf_error err = HF_ERROR_INIT;

	if (try_load(x, how, from, to, finish, &err) < 0)
		fail_msg("%s", err.text);
}

void settle_steps(struct index *x, const struct load *how, uint32_t from, uint32_t to)
{
	struct index_batch *b;
	uint8_t state[4];

	assert_int_equal(index_batch_new(x, &b), 0);
	for (uint32_t i = from; i < to; i++) {
		step(b, i, how->unit);
		put_u32(state, i + 1);
		write_group(x, b, i + 1, state, 4);
	}
	index_batch_free(b);
}

void expect_same(struct index *x, struct index *y)
{
	CLEANUP(index_rows_release) struct index_rows a = INDEX_ROWS_INIT;
	CLEANUP(index_rows_release) struct index_rows b = INDEX_ROWS_INIT;

	for (int space = 0; space < INDEX_SPACES; space++) {
		const struct span all = { NULL, 0 };

		assert_int_equal(index_scan(x, (enum index_space)space, all, all, 100000, 0, &a, NULL), 0);
		assert_int_equal(index_scan(y, (enum index_space)space, all, all, 100000, 0, &b, NULL), 0);
		assert_int_equal(a.n, b.n);
		assert_true(a.n > 0);
		for (size_t i = 0; i < a.n; i++) {
			expect_span(a.entries[i].key, b.entries[i].key);
			expect_span(a.entries[i].value, b.entries[i].value);
		}
	}
}

void expect_step(struct index *x, const struct load *how, uint32_t at)
{
	CLEANUP(scratch_remove) char *dir = scratch_make();
	CLEANUP(index_rows_release) struct index_rows rows = INDEX_ROWS_INIT;
	CLEANUP(index_rows_release) struct index_rows want = INDEX_ROWS_INIT;
	const enum index_space read[] = { INDEX_HEAD, INDEX_META };
	const struct span all = { NULL, 0 };
	struct index *y;
	uint32_t none;

	y = open_at_step(dir, &none);
	settle_steps(y, how, 0, at);
	for (size_t k = 0; k < 2; k++) {
		assert_int_equal(index_scan(x, read[k], all, all, 100000, 0, &rows, NULL), 0);
		assert_int_equal(index_scan(y, read[k], all, all, 100000, 0, &want, NULL), 0);
		assert_int_equal(rows.n, want.n);
		for (size_t i = 0; i < rows.n; i++) {
			expect_span(rows.entries[i].key, want.entries[i].key);
			expect_span(rows.entries[i].value, want.entries[i].value);
		}
	}
	index_close(y);
}
