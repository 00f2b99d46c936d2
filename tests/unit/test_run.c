/* SPDX-License-Identifier: MIT */
/* Runs: written bytes that are not yet chunks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/chunk/run.h"

static struct run_part *part(const char *text)
{
	struct run_part *p = run_part_new(text, strlen(text));

	assert_non_null(p);
	return p;
}

static struct run_part *bytes(size_t len, uint8_t byte)
{
	uint8_t *data = malloc(len);
	struct run_part *p;

	assert_non_null(data);
	memset(data, byte, len);
	p = run_part_new(data, len);
	assert_non_null(p);
	free(data);
	return p;
}

static struct piece *pieces(const struct piece *p, size_t n)
{
	struct piece *copy = malloc(n * sizeof(*p));

	assert_non_null(copy);
	memcpy(copy, p, n * sizeof(*p));
	return copy;
}

static void expect(struct run_table *t, uint64_t run, uint32_t off, const char *text)
{
	char got[100] = "";

	assert_int_equal(run_read(t, run, off, (uint32_t)strlen(text), got), 0);
	assert_string_equal(got, text);
}

static void test_grow_and_read(void **state)
{
	struct run_table *t;
	uint64_t a, b;
	uint32_t len;

	(void)state;
	assert_int_equal(run_table_new(&t), 0);
	a = run_start(t, part("hello, "));
	b = run_start(t, part("other"));
	assert_true(a > 0 && b > a);
	assert_int_equal(run_extend(t, a, part("world")), 0);
	expect(t, a, 0, "hello, world");
	expect(t, a, 5, ", wo");
	expect(t, a, 11, "d");
	expect(t, b, 1, "the");
	assert_non_null(run_parts(t, a, &len));
	assert_int_equal(len, 12);
	run_drop(t, b);
	assert_int_equal(run_read(t, b, 0, 1, &len), -ENOENT);
	expect(t, a, 7, "world");
	run_table_free(t); /* with what is left in it */
}

/* The parts handed to who cuts cover the run without gaps, whatever the table did to save memory. */
static void test_parts(void **state)
{
	const struct run_part *p;
	struct run_table *t;
	uint64_t run;
	uint32_t len, at = 0;

	(void)state;
	assert_int_equal(run_table_new(&t), 0);
	run = run_start(t, bytes(10, 0));
	for (uint8_t k = 1; k < 200; k++)
		assert_int_equal(run_extend(t, run, bytes(k % 7 == 0 ? 70000 : k, k)), 0);
	for (p = run_parts(t, run, &len); p; p = p->next) {
		assert_int_equal(p->start, at);
		at += p->len;
	}
	assert_int_equal(at, len);
	for (uint32_t off = 10, k = 1; k < 200; k++) {
		uint8_t got;

		assert_int_equal(run_read(t, run, off, 1, &got), 0);
		assert_int_equal(got, k);
		off += k % 7 == 0 ? 70000 : k;
		assert_int_equal(run_read(t, run, off - 1, 1, &got), 0);
		assert_int_equal(got, k);
	}
	run_table_free(t);
}

static void test_limit(void **state)
{
	struct run_part *more = bytes(1, 'x');
	struct run_table *t;
	uint64_t run;

	(void)state;
	assert_int_equal(run_table_new(&t), 0);
	run = run_start(t, bytes(RUN_BYTES_MAX - 1, 'a'));
	assert_int_equal(run_extend(t, run, bytes(1, 'b')), 0);
	assert_int_equal(run_extend(t, run, more), -EFBIG);
	assert_true(run_start(t, more) > run); /* it was not taken */
	expect(t, run, RUN_BYTES_MAX - 2, "ab");
	run_table_free(t);
}

static void test_resolve(void **state)
{
	const struct piece become[] = { { .kind = PIECE_CHUNK, .off = 100, .len = 5, .ref = 7 },
					{ .kind = PIECE_CHUNK, .off = 0, .len = 7, .ref = 8 } };
	struct piece *got = NULL;
	size_t n = 0, cap = 0;
	struct run_table *t;
	uint64_t run;
	char byte;

	(void)state;
	assert_int_equal(run_table_new(&t), 0);
	run = run_start(t, part("hello, world"));
	assert_int_equal(run_translate(t, run, 0, 12, &got, &n, &cap), 0);
	assert_int_equal(n, 0);
	run_resolve(t, run, pieces(become, 2), 2);
	assert_int_equal(run_read(t, run, 0, 1, &byte), -ENOENT);
	assert_int_equal(run_translate(t, run, 3, 6, &got, &n, &cap), 1);
	assert_int_equal(n, 2);
	assert_true(got[0].ref == 7 && got[0].off == 103 && got[0].len == 2);
	assert_true(got[1].ref == 8 && got[1].off == 0 && got[1].len == 4);
	assert_int_equal(run_translate(t, run, 5, 7, &got, &n, &cap), 1); /* appended to what is there */
	assert_int_equal(n, 3);
	assert_true(got[2].ref == 8 && got[2].off == 0 && got[2].len == 7);
	run_drop(t, run);
	free(got);
	run_table_free(t);
}

/* --- one writes and resolves, others read: a reader sees the bytes or is told to look again, never anything
 * else */

struct shared {
	struct run_table *t;
	atomic_ullong run;
	atomic_uint len;
	atomic_bool end;
	atomic_uint reads, wrong;
};

static void *read_on(void *arg)
{
	struct shared *s = arg;
	uint8_t got[64];

	while (!s->end) {
		uint64_t run = s->run;
		uint32_t len = s->len;

		if (run == 0 || len < sizeof(got) || s->run != run)
			continue;
		if (run_read(s->t, run, len - (uint32_t)sizeof(got), sizeof(got), got) < 0)
			continue;
		s->reads++;
		for (size_t k = 1; k < sizeof(got); k++)
			s->wrong += got[k] != got[0];
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct shared s = { 0 };
	pthread_t threads[2];

	(void)state;
	assert_int_equal(run_table_new(&s.t), 0);
	for (int k = 0; k < 2; k++)
		assert_int_equal(pthread_create(&threads[k], NULL, read_on, &s), 0);
	for (unsigned k = 0; k < 3000 || (s.reads < 1000 && k < 300000); k++) {
		const struct piece whole = { .kind = PIECE_CHUNK, .len = 64 * 9, .ref = k };
		uint64_t run = run_start(s.t, bytes(64, (uint8_t)k));

		s.len = 0;
		s.run = run;
		for (unsigned i = 1; i < 9; i++) {
			s.len = 64 * i;
			assert_int_equal(run_extend(s.t, run, bytes(64, (uint8_t)(k + i))), 0);
		}
		run_resolve(s.t, run, pieces(&whole, 1), 1);
		if (k % 2)
			run_drop(s.t, run);
	}
	s.end = true;
	for (int k = 0; k < 2; k++)
		assert_int_equal(pthread_join(threads[k], NULL), 0);
	assert_true(s.reads > 0);
	assert_int_equal(s.wrong, 0);
	run_table_free(s.t);
}

/* Far more than the table begins with, one of them far older than the rest, dropped in another order. */
static void test_many(void **state)
{
	enum { N = 20000, STEP = 7919 }; /* which has no divisor in common with N */
	struct run_table *t;
	uint64_t first, last = 0;
	uint8_t byte;

	(void)state;
	assert_int_equal(run_table_new(&t), 0);
	first = run_start(t, part("a"));
	for (unsigned i = 1; i < N; i++) {
		byte = (uint8_t)i;
		last = run_start(t, bytes(1, byte));
		assert_int_equal(last, first + i);
	}
	for (unsigned i = 0, at = 0; i < N; i++, at = (at + STEP) % N) {
		byte = 0;
		if (at == 0)
			continue;
		assert_int_equal(run_read(t, first + at, 0, 1, &byte), 0);
		assert_int_equal(byte, (uint8_t)at);
		run_drop(t, first + at);
		assert_int_equal(run_read(t, first + at, 0, 1, &byte), -ENOENT);
	}
	expect(t, first, 0, "a");
	for (unsigned i = 0; i < 3 * N; i++) { /* their places are taken again and again */
		last = run_start(t, part("b"));
		if (i % N)
			run_drop(t, last);
	}
	assert_int_equal(last, first + 4 * N - 1);
	expect(t, first, 0, "a");
	expect(t, first + N, 0, "b");
	assert_int_equal(run_read(t, first + N + 1, 0, 1, &byte), -ENOENT);
	assert_int_equal(run_read(t, last + 1, 0, 1, &byte), -ENOENT);
	run_drop(t, first);
	run_drop(t, first);
	run_drop(t, last + 1);
	expect(t, first + 2 * N, 0, "b");
	run_table_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grow_and_read), cmocka_unit_test(test_parts),
		cmocka_unit_test(test_limit),         cmocka_unit_test(test_resolve),
		cmocka_unit_test(test_threads),       cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
