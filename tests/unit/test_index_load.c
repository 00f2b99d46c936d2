/* SPDX-License-Identifier: MIT */
/*
 * The loader against operations published and settled one by one: the same row of them must leave the same
 * index, crashes included.
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/index/internal.h"
#include "tests/unit/index_helper.h"
#include "tests/unit/scratch.h"

enum { STEPS = 3000, KEYS = 300, LOAD_BYTES = 96 << 10 };

/* At the step that its state says. */
static struct index *open_at_step(const char *dir, uint32_t *ret_at)
{
	CLEANUP(buf_release) struct buf state = BUF_INIT;
	struct index *x = open_index(dir, &state);

	*ret_at = state.len ? get_u32(state.data) : 0;
	return x;
}

static void put_be32(uint8_t *p, uint32_t v)
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

static uint32_t mix(uint32_t v)
{
	v = (v ^ v >> 16) * 0x45d9f3bu;
	v = (v ^ v >> 16) * 0x45d9f3bu;
	return v ^ v >> 16;
}

/* A key of the head gets its next value; the one before is read and goes to the past, as operations do. */
static void step_put(struct index_batch *b, uint32_t i)
{
	CLEANUP(buf_release) struct buf old = BUF_INIT;
	uint8_t key[64] = { 'k' }, value[200] = { 0 };
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
		index_batch_put(b, INDEX_HEAD, key, key_len, value, 4 + mix(i + 1) % 190);
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

static void step(struct index_batch *b, uint32_t i)
{
	uint8_t number[8], name[32] = { 0 };

	step_put(b, i);
	if (i % 97 == 0)
		step_scan(b, i);
	put_be64(number, i);
	put_be32(name, mix(i) % 2000); /* some names come again, with another number */
	index_batch_put(b, INDEX_CHUNK, number, 8, name, 32);
	index_batch_put(b, INDEX_NAME, name, 32, number, 8);
}

static void load_steps(struct index *x, uint32_t from, uint32_t to, bool finish)
{
	struct hf_error err = HF_ERROR_INIT;
	struct index_load *l = NULL;
	uint8_t state[4];

	assert_int_equal(index_load_new(x, LOAD_BYTES, &l, &err), 0);
	for (uint32_t i = from; i < to; i++) {
		step(index_load_batch(l), i);
		put_u32(state, i + 1);
		if (index_load_mark(l, state, 4, &err) < 0)
			fail_msg("%s", err.text);
	}
	if (finish && index_load_finish(l, &err) < 0)
		fail_msg("%s", err.text);
	index_load_free(l);
}

static void settle_steps(struct index *x, uint32_t from, uint32_t to)
{
	struct index_batch *b;
	uint8_t state[4];

	assert_int_equal(index_batch_new(x, &b), 0);
	for (uint32_t i = from; i < to; i++) {
		step(b, i);
		put_u32(state, i + 1);
		write_group(x, b, i + 1, state, 4);
	}
	index_batch_free(b);
}

static void expect_same(struct index *x, struct index *y)
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

static void test_same_as_settled(void **unused)
{
	CLEANUP(scratch_remove) char *dir = scratch_make();
	CLEANUP(scratch_remove) char *other = scratch_make();
	struct index *x, *y;
	uint32_t at;

	(void)unused;
	x = open_at_step(dir, &at);
	y = open_at_step(other, &at);
	load_steps(x, 0, STEPS, true);
	settle_steps(y, 0, STEPS);
	expect_same(x, y);
	index_close(x);
	x = open_at_step(dir, &at);
	assert_int_equal(at, STEPS);
	expect_same(x, y);
	load_steps(x, STEPS, STEPS + 10, true); /* a short one, over what is there */
	settle_steps(y, STEPS, STEPS + 10);
	expect_same(x, y);
	index_close(x);
	index_close(y);
}

/*
 * In a process of its own, for the threads that RocksDB has in this one would be missing after a fork: load
 * up to step `to` and leave without a word, having finished and flushed or not.
 */
static int leave(const char *dir, uint32_t to, bool finish, bool flush)
{
	uint32_t at;
	struct index *x = open_at_step(dir, &at);

	load_steps(x, at, to, finish);
	_exit(flush ? index_flush(x, NULL) != 0 : 0);
}

static pid_t start_leave(const char *dir, uint32_t to, bool finish, bool flush)
{
	char self[300], until[16];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	pid_t pid;

	assert_true(len > 0);
	self[len] = 0;
	(void)snprintf(until, sizeof(until), "%" PRIu32, to);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)execl(self, self, dir, until, finish ? "finish" : "", flush ? "flush" : "", NULL);
		_exit(99);
	}
	return pid;
}

static void run_leave(const char *dir, uint32_t to, bool finish, bool flush)
{
	pid_t pid = start_leave(dir, to, finish, flush);
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* What an operation may read is as it was behind step `at`: no later, no earlier. */
static void expect_step(struct index *x, uint32_t at)
{
	CLEANUP(scratch_remove) char *dir = scratch_make();
	CLEANUP(index_rows_release) struct index_rows rows = INDEX_ROWS_INIT;
	CLEANUP(index_rows_release) struct index_rows want = INDEX_ROWS_INIT;
	const enum index_space read[] = { INDEX_HEAD, INDEX_META };
	const struct span all = { NULL, 0 };
	struct index *y;
	uint32_t none;

	y = open_at_step(dir, &none);
	settle_steps(y, 0, at);
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

/* Ended somewhere between two writes: what is found is where some step led, and it can go on from there. */
static void test_left(void **unused)
{
	CLEANUP(scratch_remove) char *dir = scratch_make();
	CLEANUP(scratch_remove) char *other = scratch_make();
	uint32_t at = 0, last = 0, stops = 0;
	struct index *x, *y;

	(void)unused;
	while (at < STEPS) {
		uint32_t to = at + 600 < STEPS ? at + 600 : STEPS;

		run_leave(dir, to, to == STEPS || at % 2, to == STEPS || mix(stops) % 3 > 0);
		x = open_at_step(dir, &at);
		assert_true(at >= last && at <= to);
		expect_step(x, at);
		index_close(x);
		last = at;
		assert_true(++stops < 100);
	}
	x = open_at_step(dir, &at);
	y = open_at_step(other, &at);
	settle_steps(y, 0, STEPS);
	expect_same(x, y);
	index_close(x);
	index_close(y);
}

static int try_open(const char *dir, bool wipe, struct index **ret, uint32_t *ret_at, struct hf_error *err)
{
	struct index_options o = { .dir = dir, .cache_bytes = 1, .wipe = wipe };
	uint8_t *state = NULL;
	size_t len = 0;
	int code = index_open(&o, ret, &state, &len, err);

	*ret_at = len == 4 ? get_u32(state) : 0;
	free(state);
	return code;
}

/* Opened again after a crash: at a step, or known to be of no use and begun anew. */
static struct index *reopen(const char *dir, uint32_t *ret_at)
{
	struct hf_error err = HF_ERROR_INIT;
	struct index *x = NULL;
	int code = try_open(dir, false, &x, ret_at, &err);

	if (code == -EUCLEAN)
		code = try_open(dir, true, &x, ret_at, &err);
	if (code < 0)
		fail_msg("%s", err.text);
	return x;
}

/* Killed at any moment, in the middle of a write too. */
static void test_killed(void **unused)
{
	enum { ROUNDS = 20, LONGEST_US = 400000 };
	CLEANUP(scratch_remove) char *dir = scratch_make();
	unsigned long random = scratch_seed();
	struct index *x;
	uint32_t at;

	(void)unused;
	for (int i = 0; i < ROUNDS; i++) {
		pid_t pid = start_leave(dir, STEPS, true, true);
		int status;

		random = random * 6364136223846793005u + 1442695040888963407u;
		usleep((unsigned)(random >> 33) % LONGEST_US);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) || status == 0);
		x = reopen(dir, &at);
		printf("killed after step %" PRIu32 "\n", at);
		expect_step(x, at);
		index_close(x);
		if (at == STEPS) { /* and once more */
			assert_int_equal(try_open(dir, true, &x, &at, NULL), 0);
			index_close(x);
		}
	}
}

/* What takes several steps and was cut off in between is known. */
static void test_torn(void **unused)
{
	CLEANUP(scratch_remove) char *dir = scratch_make();
	struct hf_error err = HF_ERROR_INIT;
	struct index *x;
	uint32_t at;

	(void)unused;
	x = open_at_step(dir, &at);
	load_steps(x, 0, STEPS, true);
	assert_int_equal(rocks_tear(&x->rocks, &err), 0);
	index_close(x);
	assert_int_equal(try_open(dir, false, &x, &at, &err), -EUCLEAN);
	assert_non_null(strstr(err.text, "cut off"));
	assert_int_equal(try_open(dir, true, &x, &at, &err), 0);
	assert_int_equal(at, 0);
	load_steps(x, 0, STEPS, true);
	expect_step(x, STEPS);
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

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_as_settled), cmocka_unit_test(test_left),
		cmocka_unit_test(test_killed),          cmocka_unit_test(test_torn),
		cmocka_unit_test(test_sizes_drift),     cmocka_unit_test(test_filters_stay),
	};

	if (argc == 5)
		return leave(argv[1], (uint32_t)atoi(argv[2]), *argv[3], *argv[4]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
