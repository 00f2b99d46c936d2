/* SPDX-License-Identifier: MIT */
/* The index against a model that is nothing but arrays. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/index/index.h"
#include "tests/unit/scratch.h"

static struct span text(const char *s)
{
	return (struct span){ (const uint8_t *)s, strlen(s) };
}

static struct index *open_index(const char *dir, const char *want_state)
{
	struct index_options o = { .dir = dir, .cache_bytes = 1 << 20 };
	struct hf_error err = HF_ERROR_INIT;
	struct index *x = NULL;
	uint8_t *state;
	size_t len;

	if (index_open(&o, &x, &state, &len, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(len, want_state ? strlen(want_state) : 0);
	if (want_state)
		assert_memory_equal(state, want_state, len);
	free(state);
	return x;
}

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

/* --- by hand */

static void put_one(struct index *x, uint64_t group, const char *key, const char *value)
{
	struct index_batch *b;

	assert_int_equal(index_batch_new(x, &b), 0);
	if (value)
		index_batch_put(b, INDEX_HEAD, key, strlen(key), value, strlen(value));
	else
		index_batch_delete(b, INDEX_HEAD, key, strlen(key));
	assert_int_equal(index_publish(x, b, group, NULL), 0);
	index_batch_free(b);
}

static void check_one(struct index *x, const char *key, const char *value)
{
	CLEANUP(buf_release) struct buf out = BUF_INIT;

	buf_add(&out, "old", 3);
	assert_int_equal(index_get(x, INDEX_HEAD, key, strlen(key), &out, NULL), value != NULL);
	assert_int_equal(out.len, value ? strlen(value) : 0);
	if (value)
		assert_memory_equal(out.data, value, out.len);
}

static void test_newest_group_counts(void **unused)
{
	CLEANUP(scratch_remove) char *dir = scratch_make();
	struct index *x = open_index(dir, NULL);

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

	x = open_index(dir, "1"); /* what was not settled is gone */
	check_one(x, "k", "one");
	put_one(x, 2, "k", "");
	assert_int_equal(index_settle(x, 2, "2", 1, NULL, NULL, NULL), 0);
	/* An empty group: the state alone. */
	assert_int_equal(index_settle(x, 3, "3", 1, NULL, NULL, NULL), 0);
	index_close(x);
	x = open_index(dir, "3");
	check_one(x, "k", "");
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
	struct index *x = open_index(dir, NULL);
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

static void test_apply(void **unused)
{
	CLEANUP(scratch_remove) char *dir = scratch_make();
	CLEANUP(buf_release) struct buf out = BUF_INIT;
	struct index *x = open_index(dir, NULL);
	struct index_rows rows = INDEX_ROWS_INIT;
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
	assert_int_equal(index_apply(x, b, "applied", 7, NULL), 0);
	assert_int_equal(index_batch_get(b, INDEX_CHUNK, key, 8, &out, NULL), 0);
	put_be64(key, 6);
	assert_int_equal(index_batch_get(b, INDEX_CHUNK, key, 8, &out, NULL), 1);
	assert_int_equal(index_scan(x, INDEX_CHUNK, text(""), text(""), 200000, 0, &rows, NULL), 0);
	assert_int_equal(rows.n, 99999);
	assert_false(rows.more);
	index_rows_release(&rows);
	index_batch_free(b);
	index_close(x);
	index_close(open_index(dir, "applied"));
}

/* More deletions in the overlay than a scan copies at once. */
static void test_scan_over_deletions(void **unused)
{
	enum { KEYS = 10000 };
	CLEANUP(scratch_remove) char *dir = scratch_make();
	struct index *x = open_index(dir, NULL);
	struct index_rows rows = INDEX_ROWS_INIT;
	struct index_batch *b;
	uint8_t key[8];

	(void)unused;
	assert_int_equal(index_batch_new(x, &b), 0);
	for (uint64_t i = 0; i < KEYS; i++) {
		put_be64(key, i);
		index_batch_put(b, INDEX_HEAD, key, 8, "v", 1);
	}
	assert_int_equal(index_apply(x, b, "s", 1, NULL), 0);
	for (uint64_t i = 10; i < KEYS - 10; i++) {
		put_be64(key, i);
		index_batch_delete(b, INDEX_HEAD, key, 8);
	}
	assert_int_equal(index_publish(x, b, 1, NULL), 0);
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

/* --- against the model */

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
	m->index = open_index(m->dir, m->settled ? state : NULL);
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
		assert_int_equal(
			index_batch_scan(m->batch, (enum index_space)space, from, to, max, flags, rows, NULL),
			0);
	else
		assert_int_equal(
			index_scan(m->index, (enum index_space)space, from, to, max, flags, rows, NULL), 0);
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
	m->index = open_index(dir, NULL);
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

/* --- damage */

static void make_filled(const char *dir)
{
	struct index *x = open_index(dir, NULL);
	struct index_batch *b;
	uint8_t key[8];

	assert_int_equal(index_batch_new(x, &b), 0);
	for (uint64_t i = 0; i < 2000; i++) {
		put_be64(key, i);
		index_batch_put(b, INDEX_HEAD, key, 8, key, 8);
	}
	assert_int_equal(index_apply(x, b, "s", 1, NULL), 0);
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
		index_close(open_index(dir, NULL));
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
	struct index_batch *b;
	struct index *x;
	uint8_t *state;
	size_t len;

	(void)unused;
	buf_add_text(&path, "%s/none", dir);
	assert_int_equal(open_code(buf_cstr(&path), true, false), -ENOENT);
	assert_int_equal(access(buf_cstr(&path), F_OK), -1);
	x = open_index(dir, NULL);
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
	assert_int_equal(index_batch_new(x, &b), 0);
	index_batch_put(b, INDEX_HEAD, "a", 1, "b", 1);
	assert_int_equal(index_apply(x, b, "t", 1, NULL), -EROFS);
	index_batch_free(b);
	index_close(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_newest_group_counts),
		cmocka_unit_test(test_settle_rewrites),
		cmocka_unit_test(test_apply),
		cmocka_unit_test(test_scan_over_deletions),
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_short_manifest),
		cmocka_unit_test(test_damaged_table),
		cmocka_unit_test(test_wipe_takes_files_only),
		cmocka_unit_test(test_read_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
