/* SPDX-License-Identifier: MIT */
/* The index against a model that is nothing but arrays. */
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

enum { KEYS = 120, GROUPS = 4, STEPS = 12000 };

/* What a layer says of each key: -1 nothing, -2 deleted, else the value. */
struct layer {
	long value[INDEX_SPACES][KEYS];
};

struct model {
	struct index *index;
	const char *dir;
	struct span keys[KEYS]; /* distinct, in order */
	uint8_t key_bytes[KEYS][6];
	uint64_t settled;                /* last settled group */
	struct layer base, open[GROUPS]; /* open[g - settled - 1] */
	struct layer staged;
	struct index_batch *batch;
	unsigned long random;
};

static unsigned pick(struct model *m, unsigned below)
{
	m->random = m->random * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(m->random >> 33) % below;
}

static void layer_clear(struct layer *l)
{
	for (int s = 0; s < INDEX_SPACES; s++)
		for (int k = 0; k < KEYS; k++)
			l->value[s][k] = -1;
}

static int compare_keys(const void *a, const void *b)
{
	const struct span *x = a, *y = b;
	size_t n = x->len < y->len ? x->len : y->len;
	int c = n ? memcmp(x->data, y->data, n) : 0;

	return c ? c : (x->len > y->len) - (x->len < y->len);
}

/* Short keys of few letters, so that many begin with one another. */
static void make_keys(struct model *m)
{
	static const uint8_t letters[] = { 0, 1, 0x7f, 0xff };

	for (int i = 0; i < KEYS;) {
		bool known = false;

		m->keys[i].len = 1 + pick(m, 6);
		for (size_t j = 0; j < m->keys[i].len; j++)
			m->key_bytes[i][j] = letters[pick(m, 4)];
		m->keys[i].data = m->key_bytes[i];
		for (int j = 0; j < i; j++)
			known |= compare_keys(&m->keys[i], &m->keys[j]) == 0;
		i += !known;
	}
	qsort(m->keys, KEYS, sizeof(*m->keys), compare_keys);
}

static long seen(const struct model *m, int space, int key, bool with_batch)
{
	if (with_batch && m->staged.value[space][key] != -1)
		return m->staged.value[space][key];
	for (int g = GROUPS - 1; g >= 0; g--)
		if (m->open[g].value[space][key] != -1)
			return m->open[g].value[space][key];
	return m->base.value[space][key];
}

/* A value's bytes follow from its number. */
static size_t value_bytes(long number, uint8_t out[300])
{
	size_t len = (size_t)number % 300;

	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)((size_t)number * 31 + i);
	return len;
}

static void check_value(struct span got, long number)
{
	uint8_t want[300];
	size_t len = value_bytes(number, want);

	assert_int_equal(got.len, len);
	if (len)
		assert_memory_equal(got.data, want, len);
}

static void stage_changes(struct model *m)
{
	unsigned n = 1 + pick(m, 12);
	uint8_t value[300];

	while (n-- > 0) {
		int space = (int)pick(m, INDEX_SPACES), k = (int)pick(m, KEYS);
		struct span key = m->keys[k];

		if (pick(m, 3) == 0) {
			index_batch_delete(m->batch, (enum index_space)space, key.data, key.len);
			m->staged.value[space][k] = -2;
		} else {
			long number = (long)pick(m, 1000000);

			index_batch_put(m->batch, (enum index_space)space, key.data, key.len, value,
					value_bytes(number, value));
			m->staged.value[space][k] = number;
		}
	}
}

static void publish_staged(struct model *m)
{
	unsigned g = pick(m, GROUPS);

	assert_int_equal(index_publish(m->index, m->batch, m->settled + 1 + g, NULL), 0);
	for (int s = 0; s < INDEX_SPACES; s++)
		for (int k = 0; k < KEYS; k++)
			if (m->staged.value[s][k] != -1)
				m->open[g].value[s][k] = m->staged.value[s][k];
	layer_clear(&m->staged);
}

static void settle_next(struct model *m)
{
	char state[24];

	m->settled++;
	snprintf(state, sizeof(state), "%lu", (unsigned long)m->settled);
	assert_int_equal(index_settle(m->index, m->settled, state, strlen(state), NULL, NULL, NULL), 0);
	for (int s = 0; s < INDEX_SPACES; s++)
		for (int k = 0; k < KEYS; k++)
			if (m->open[0].value[s][k] != -1)
				m->base.value[s][k] = m->open[0].value[s][k];
	memmove(&m->open[0], &m->open[1], (GROUPS - 1) * sizeof(m->open[0]));
	layer_clear(&m->open[GROUPS - 1]);
}

static void reopen(struct model *m)
{
	char state[24];

	index_batch_free(m->batch);
	index_close(m->index);
	snprintf(state, sizeof(state), "%lu", (unsigned long)m->settled);
	m->index = open_index_at(m->dir, m->settled ? state : NULL);
	assert_int_equal(index_batch_new(m->index, &m->batch), 0);
	layer_clear(&m->staged);
	for (int g = 0; g < GROUPS; g++)
		layer_clear(&m->open[g]);
}

static void check_gets(struct model *m)
{
	enum { MANY = 70 };
	enum index_space space = (enum index_space)pick(m, INDEX_SPACES);
	struct buf out[MANY] = { BUF_INIT };
	struct span keys[MANY];
	int at[MANY], results[MANY];

	for (int i = 0; i < MANY; i++) {
		at[i] = (int)pick(m, KEYS);
		keys[i] = m->keys[at[i]];
	}
	assert_int_equal(index_get_many(m->index, space, MANY, keys, out, results, NULL), 0);
	for (int i = 0; i < MANY; i++) {
		long want = seen(m, (int)space, at[i], false);

		assert_int_equal(results[i], want >= 0);
		if (want >= 0)
			check_value((struct span){ out[i].data, out[i].len }, want);
	}
	for (int i = 0; i < MANY; i++) {
		long want = seen(m, (int)space, at[i], true);

		assert_int_equal(index_batch_get(m->batch, space, keys[i].data, keys[i].len, &out[i], NULL),
				 want >= 0);
		if (want >= 0)
			check_value((struct span){ out[i].data, out[i].len }, want);
		buf_release(&out[i]);
	}
}

/* A bound: none, a key, or between two. */
static struct span pick_bound(struct model *m, uint8_t room[8])
{
	struct span key = m->keys[pick(m, KEYS)];

	switch (pick(m, 4)) {
	case 0:
		return (struct span){ NULL, 0 };
	case 1:
		memcpy(room, key.data, key.len);
		room[key.len] = 0;
		return (struct span){ room, key.len + 1 };
	default:
		return key;
	}
}

static void check_scan(struct model *m, struct index_rows *rows)
{
	int space = (int)pick(m, INDEX_SPACES), k, last;
	uint8_t room[2][8];
	struct span from = pick_bound(m, room[0]), to = pick_bound(m, room[1]);
	unsigned flags = pick(m, 4);
	size_t max = pick(m, 3) ? 1 + pick(m, KEYS) : 1, n = 0;
	bool with_batch = pick(m, 2), reverse = flags & INDEX_REVERSE;

	if (with_batch)
		assert_int_equal(index_batch_scan(m->batch, (enum index_space)space, from, to, max, flags,
						  rows, NULL),
				 0);
	else
		assert_int_equal(index_scan(m->index, (enum index_space)space, from, to, max, flags, rows,
					    NULL),
				 0);
	k = reverse ? KEYS - 1 : 0;
	last = reverse ? -1 : KEYS;
	for (; k != last; k += reverse ? -1 : 1) {
		long want = seen(m, space, k, with_batch);

		if (want < 0 || compare_keys(&m->keys[k], &from) < 0 ||
		    (to.len && compare_keys(&m->keys[k], &to) >= 0))
			continue;
		if (n == rows->n)
			break;
		assert_int_equal(compare_keys(&m->keys[k], &rows->entries[n].key), 0);
		if (!(flags & INDEX_KEYS_ONLY))
			check_value(rows->entries[n].value, want);
		else
			assert_int_equal(rows->entries[n].value.len, 0);
		n++;
	}
	assert_int_equal(n, rows->n);
	assert_true(n <= max);
	if (k != last) /* not all: only when it says so, and never nothing */
		assert_true(rows->more && n > 0);
	if (!with_batch && k != last)
		assert_int_equal(n, max);
}

static void test_model(void **unused)
{
	CLEANUP(scratch_remove) char *dir = scratch_make();
	struct index_rows rows = INDEX_ROWS_INIT;
	struct model *m = calloc(1, sizeof(*m));

	(void)unused;
	assert_non_null(m);
	m->random = scratch_seed();
	m->dir = dir;
	layer_clear(&m->base);
	layer_clear(&m->staged);
	for (int g = 0; g < GROUPS; g++)
		layer_clear(&m->open[g]);
	make_keys(m);
	m->index = open_index_at(dir, NULL);
	assert_int_equal(index_batch_new(m->index, &m->batch), 0);
	for (int i = 0; i < STEPS; i++) {
		unsigned what = pick(m, 1000);

		if (what < 300)
			stage_changes(m);
		else if (what < 450)
			publish_staged(m);
		else if (what < 500)
			settle_next(m);
		else if (what < 505)
			assert_int_equal(index_flush(m->index, NULL), 0);
		else if (what < 507)
			reopen(m);
		else if (what < 650)
			check_gets(m);
		else
			check_scan(m, &rows);
	}
	index_rows_release(&rows);
	index_batch_free(m->batch);
	index_close(m->index);
	free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
