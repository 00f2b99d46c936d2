/* SPDX-License-Identifier: MIT */
/* Block lists whose runs are resolved, or dropped, behind a reader's back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>

#include <cmocka.h>

#include "store/tree/map.h"

static uint64_t run_of(struct run_table *t, const char *text)
{
	struct run_part *part = run_part_new(text, strlen(text));
	uint64_t run;

	assert_non_null(part);
	run = run_start(t, part);
	assert_true(run > 0);
	return run;
}

static void resolve(struct run_table *t, uint64_t run, uint64_t chunk, uint32_t off, uint32_t len)
{
	struct piece *p = malloc(sizeof(*p));

	assert_non_null(p);
	*p = (struct piece){ .kind = PIECE_CHUNK, .ref = chunk, .off = off, .len = len };
	run_resolve(t, run, p, 1);
}

static void add(struct block_list *l, uint8_t kind, uint64_t ref, uint32_t off, uint32_t len)
{
	const struct piece p = { .kind = kind, .ref = ref, .off = off, .len = len };

	assert_int_equal(piece_push(&l->pieces, &l->n, &l->cap, p), 0);
}

/* A list of two pending pieces, of runs a and b, as the index keeps it. */
static void value_of(uint64_t a, uint64_t b, struct buf *ret)
{
	struct block_list l = BLOCK_LIST_INIT;

	l.tid = 7;
	add(&l, PIECE_PENDING, a, 0, 5);
	add(&l, PIECE_PENDING, b, 0, 5);
	block_list_encode(&l, ret);
	assert_int_equal(buf_status(ret), 0);
	block_list_release(&l);
}

static void test_resolved(void **state)
{
	CLEANUP(block_list_release) struct block_list l = BLOCK_LIST_INIT;
	CLEANUP(buf_release) struct buf value = BUF_INIT;
	struct run_table *t;
	uint64_t a, b;

	(void)state;
	assert_int_equal(run_table_new(&t), 0);
	a = run_of(t, "first");
	b = run_of(t, "other");
	value_of(a, b, &value);
	assert_int_equal(block_list_decode(t, span_of(&value), &l), 0);
	assert_int_equal(l.n, 2);
	assert_int_equal(l.pieces[0].kind, PIECE_PENDING);
	resolve(t, a, 3, 10, 5); /* the two runs turn out to be neighbours in one chunk */
	resolve(t, b, 3, 15, 5);
	assert_int_equal(block_list_decode(t, span_of(&value), &l), 0);
	assert_int_equal(l.tid, 7);
	assert_int_equal(l.n, 1);
	assert_int_equal(l.pieces[0].kind, PIECE_CHUNK);
	assert_int_equal(l.pieces[0].ref, 3);
	assert_int_equal(l.pieces[0].off, 10);
	assert_int_equal(l.pieces[0].len, 10);
	run_table_free(t);
}

/* Who read a value before its group was settled, and was slow, must be told to look again. */
static void test_dropped(void **state)
{
	CLEANUP(block_list_release) struct block_list l = BLOCK_LIST_INIT;
	CLEANUP(buf_release) struct buf value = BUF_INIT;
	struct run_table *t;
	uint64_t a, b;

	(void)state;
	assert_int_equal(run_table_new(&t), 0);
	a = run_of(t, "first");
	b = run_of(t, "other");
	value_of(a, b, &value);
	resolve(t, a, 3, 10, 5);
	resolve(t, b, 4, 0, 5);
	run_drop(t, b);
	assert_int_equal(block_list_decode(t, span_of(&value), &l), -ENOENT);
	run_drop(t, a);
	assert_int_equal(block_list_decode(t, span_of(&value), &l), -ENOENT);
	assert_int_equal(block_list_decode(NULL, span_of(&value), &l),
			 0); /* what is there, not what it has become */
	assert_int_equal(l.n, 2);
	assert_int_equal(l.pieces[1].kind, PIECE_PENDING);
	assert_int_equal(l.pieces[1].ref, b);
	run_table_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resolved),
		cmocka_unit_test(test_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
