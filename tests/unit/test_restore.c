/* SPDX-License-Identifier: MIT */
/* Bringing back contents (op.h, hf_copy_past) and paths (history.h, hf_restore), case by case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "holdfast/history.h"
#include "store/tree/tree.h"
#include "store/volume/volume.h"
#include "tests/unit/scratch.h"
#include "tests/unit/store_helper.h"
#include "tests/unit/tree_compare.h"

enum { BLOCK = BLOCK_BYTES, MIB = 1 << 20 };

static int64_t copy_all(struct store_fixture *f, uint64_t tid, uint64_t src, uint64_t ino, unsigned *steps)
{
	const struct hf_view v = { f->store, tid };
	const uint64_t size = attr_at(f, tid, src).size_bytes;
	struct hf_error err = HF_ERROR_INIT;
	int64_t at = 0;

	for (*steps = 0; (uint64_t)at < size; (*steps)++) {
		int64_t to = hf_copy_past(&v, src, ino, (uint64_t)at, &err);

		if (to < 0)
			return to;
		assert_true(to > at);
		at = to;
	}
	return at;
}

static void resize(struct store_fixture *f, uint64_t ino, uint64_t size)
{
	const struct hf_setattr change = { .mask = HF_SET_SIZE, .size_bytes = size };

	assert_int_equal(hf_setattr(f->store, ino, &change, NULL, NULL), 0);
}

static uint64_t chunk_bytes(struct store_fixture *f)
{
	return status_of(f).chunk_bytes;
}

/* What was is named, not copied; only what differs; and a crash later it is the same. */
static void test_contents(void **state)
{
	enum { LEN = 3 * MIB + 77 };
	struct store_fixture *f = *state;
	uint8_t *data = malloc(LEN), *other = malloc(LEN);
	uint64_t ino = make_file(f, "file"), to = make_file(f, "to"), was, bytes, before;
	unsigned steps;

	assert_true(data && other);
	fill_random(data, LEN, 1);
	fill_random(other, LEN, 2);
	put(f, ino, 0, data, LEN);
	was = head(f); /* not committed: that is seen to */
	put(f, ino, 5 * BLOCK + 10, "other", 5);
	put(f, ino, 20 * BLOCK - 2, "other", 5); /* two blocks in a row */
	commit(f);
	bytes = chunk_bytes(f);
	before = head(f);
	assert_int_equal(copy_all(f, was, ino, ino, &steps), LEN);
	assert_int_equal(head(f) - before, 2); /* an operation for each stretch that differed */
	expect_bytes(f, HF_TID_HEAD, ino, 0, data, LEN);
	before = head(f);
	assert_int_equal(copy_all(f, was, ino, ino, &steps), LEN);
	assert_int_equal(head(f), before); /* nothing differs */
	assert_int_equal(copy_all(f, was, ino, to, &steps), LEN);
	assert_int_equal(steps, 1);
	expect_bytes(f, HF_TID_HEAD, to, 0, data, LEN);
	commit(f);
	assert_int_equal(chunk_bytes(f), bytes);
	put(f, to, 0, other, LEN);
	expect_bytes(f, HF_TID_HEAD, ino, 0, data, LEN);
	store_close(f);
	store_open(f, HF_OPEN_REBUILD);
	expect_bytes(f, HF_TID_HEAD, ino, 0, data, LEN);
	expect_bytes(f, HF_TID_HEAD, to, 0, other, LEN);
	free(data);
	free(other);
}

/* Of a file that is longer than a step, or all holes, or shorter than what is there. */
static void test_sparse(void **state)
{
	struct store_fixture *f = *state;
	uint64_t ino = make_file(f, "file"), was;
	const uint64_t size = UINT64_C(1) << 40;
	unsigned steps;

	put_text(f, ino, 0, "head");
	put_text(f, ino, size / 2, "middle");
	resize(f, ino, size);
	assert_int_equal(hf_fallocate(f->store, ino, 0, 8 * MIB, 100 * MIB, 0, NULL), 0);
	was = head(f);
	resize(f, ino, 0);
	put_text(f, ino, size / 4, "in the way");
	assert_int_equal(copy_all(f, was, ino, ino, &steps), size);
	assert_true(steps <= 8);
	resize(f, ino, size);
	expect_bytes(f, HF_TID_HEAD, ino, 0, "head", 4);
	expect_bytes(f, HF_TID_HEAD, ino, size / 2, "middle", 6);
	expect_bytes(f, HF_TID_HEAD, ino, size / 4, "\0\0\0\0\0\0\0\0\0\0", 10);
	assert_int_equal(attr_of(f, ino).blocks, attr_at(f, was, ino).blocks);
	assert_int_equal(hf_copy_past(&(struct hf_view){ f->store, was }, HF_ROOT_INO, ino, 0, NULL),
			 -EISDIR);
	assert_int_equal(hf_copy_past(&(struct hf_view){ f->store, was }, ino, HF_ROOT_INO, 0, NULL),
			 -EISDIR);
	assert_int_equal(hf_copy_past(&(struct hf_view){ f->store, 0 }, ino, ino, 0, NULL), -ESTALE);
}

static void retire_all(struct store_fixture *f)
{
	struct chunk_range range = { .first = 0, .n = f->store->next_chunk };
	struct op op = { .type = OP_RETIRE, .retire = { &range, 1 } };

	atomic_store(&f->store->has_retired, true);
	assert_int_equal(op_begin(f->store, 0, false, NULL), 0);
	assert_int_equal(op_run(f->store, &op, NULL), 0);
	op_end(f->store);
	commit(f);
}

static int restore(struct store_fixture *f, uint64_t tid, const char *path, const char *dest, unsigned flags,
		   struct hf_restore_summary *sum, struct hf_error *err)
{
	struct hf_restore_summary here;

	*err = (struct hf_error)HF_ERROR_INIT;
	return hf_restore(f->store, tid, path, dest, flags, NULL, NULL, NULL, sum ? sum : &here, err);
}

static void must_restore(struct store_fixture *f, uint64_t tid, const char *path, const char *dest,
			 unsigned flags, struct hf_restore_summary *sum)
{
	struct hf_error err;

	if (restore(f, tid, path, dest, flags, sum, &err) < 0)
		fail_msg("restoring %s: %s", path, err.text);
}

/* Chunks that a RETIRE named are never named again: their bytes are written anew. */
static void test_retired(void **state)
{
	enum { LEN = 2 * MIB + 5 };
	struct store_fixture *f = *state;
	uint64_t ino = make_file(f, "file"), was, bytes;
	struct hf_error err = HF_ERROR_INIT;
	uint8_t *data = malloc(LEN);

	fill_random(data, LEN, 3);
	put(f, ino, 0, data, LEN);
	resize(f, ino, LEN + 5 * BLOCK);
	was = head(f);
	resize(f, ino, 0);
	put_text(f, ino, 0, "now");
	commit(f);
	retire_all(f);
	bytes = chunk_bytes(f);
	assert_int_equal(hf_copy_past(&(struct hf_view){ f->store, was }, ino, ino, 0, &err), -ENODATA);
	assert_non_null(strstr(err.text, "given up"));
	must_restore(f, was, "file", NULL, 0, NULL);
	commit(f);
	assert_true(chunk_bytes(f) >= bytes + LEN);
	expect_bytes(f, HF_TID_HEAD, ino, 0, data, LEN);
	assert_int_equal(attr_of(f, ino).size_bytes, LEN + 5 * BLOCK);
	assert_int_equal(tree_compare(&(struct hf_view){ f->store, was }, "file",
				      &(struct hf_view){ f->store, HF_TID_HEAD }, "file"),
			 0);
	free(data);
}

static void remove_file(struct store_fixture *f, uint64_t dir, const char *name)
{
	assert_int_equal(hf_unlink(f->store, dir, name, NULL, NULL), 0);
}

static uint64_t ino_of(struct store_fixture *f, const char *path)
{
	struct hf_attr attr;

	return hf_view_walk(&(struct hf_view){ f->store, HF_TID_HEAD }, path, &attr, NULL) == 0 ? attr.ino :
												  0;
}

static void expect_same(struct store_fixture *f, uint64_t tid, const char *path)
{
	assert_int_equal(tree_compare(&(struct hf_view){ f->store, tid }, path,
				      &(struct hf_view){ f->store, HF_TID_HEAD }, path),
			 0);
}

/* Nothing outside of the path is touched, though it is a name of the same file. */
static void test_links(void **state)
{
	struct store_fixture *f = *state;
	uint64_t in = make_dir(f, HF_ROOT_INO, "in"), out = make_dir(f, HF_ROOT_INO, "out"),
		 ino = make_in(f, in, "a"), was;
	struct hf_restore_summary sum;

	put_text(f, ino, 0, "old");
	assert_int_equal(hf_link(f->store, ino, in, "b", NULL, NULL), 0);
	was = head(f);
	assert_int_equal(hf_link(f->store, ino, out, "c", NULL, NULL), 0);
	put_text(f, ino, 0, "new");
	must_restore(f, was, "in", NULL, 0, &sum);
	expect_same(f, was, "in");
	expect_text(f, HF_TID_HEAD, ino_of(f, "out/c"), "new");
	assert_int_equal(ino_of(f, "in/a"), ino_of(f, "in/b"));
	assert_int_not_equal(ino_of(f, "in/a"), ino_of(f, "out/c"));
	/* what is as it was is left alone, whatever other names it has */
	must_restore(f, head(f) - 1, "out", NULL, 0, &sum);
	assert_int_equal(ino_of(f, "out/c"), ino);
	assert_int_equal(sum.created + sum.removed, 0);
	/* one of two names is left: it is the same file again */
	was = head(f);
	ino = ino_of(f, "in/a");
	remove_file(f, in, "a");
	must_restore(f, was, "in", NULL, 0, &sum);
	assert_int_equal(ino_of(f, "in/a"), ino);
	expect_same(f, was, "in");
}

/* A file where a folder was, a folder where a file was, and two that changed places. */
static void test_types(void **state)
{
	struct store_fixture *f = *state;
	uint64_t d = make_dir(f, HF_ROOT_INO, "d"), x = make_dir(f, d, "x"), was, file;

	put_text(f, make_in(f, x, "below"), 0, "text");
	file = make_in(f, d, "y");
	put_text(f, file, 0, "file");
	was = head(f);
	assert_int_equal(hf_rename(f->store, d, "x", d, "t", 0, NULL), 0);
	assert_int_equal(hf_rename(f->store, d, "y", d, "x", 0, NULL), 0);
	assert_int_equal(hf_rename(f->store, d, "t", d, "y", 0, NULL), 0);
	must_restore(f, was, "d", NULL, 0, NULL);
	expect_same(f, was, "d");
	assert_int_equal(ino_of(f, "d/x"), x); /* the very same ones, moved back */
	assert_int_equal(ino_of(f, "d/y"), file);
	/* into itself, seen from there */
	assert_int_equal(hf_rename(f->store, HF_ROOT_INO, "d", HF_ROOT_INO, "e", 0, NULL), 0);
	d = make_dir(f, HF_ROOT_INO, "d");
	assert_int_equal(hf_rename(f->store, HF_ROOT_INO, "e", d, "e", 0, NULL), 0);
	must_restore(f, was, "", NULL, 0, NULL);
	expect_same(f, was, "");
	assert_int_equal(ino_of(f, "d/x"), x);
}

/* A plan tells that what changes places with what comes back is removed: as of an editor that keeps the old
 * beside. */
static void test_displaced(void **state)
{
	struct store_fixture *f = *state;
	uint64_t d = make_dir(f, HF_ROOT_INO, "d"), a = make_in(f, d, "a"), b = make_dir(f, d, "b"), was;
	struct hf_restore_summary plan, done;

	assert_int_equal(hf_link(f->store, make_in(f, b, "x"), b, "y", NULL, NULL), 0);
	was = head(f);
	assert_int_equal(hf_rename(f->store, d, "a", d, "a~", 0, NULL), 0);
	put_text(f, make_in(f, d, "a"), 0, "new");
	/* and where a file of two names was there is a folder, with what is left of it */
	remove_file(f, b, "x");
	make_in(f, make_dir(f, b, "x"), "more");
	assert_int_equal(hf_rename(f->store, b, "y", ino_of(f, "d/b/x"), "y", 0, NULL), 0);
	must_restore(f, was, "", NULL, HF_RESTORE_DRY, &plan);
	must_restore(f, was, "", NULL, 0, &done);
	expect_same(f, was, "");
	assert_int_equal(ino_of(f, "d/a"), a);
	assert_int_equal(plan.moved, 1);
	assert_int_equal(plan.moved, done.moved);
	assert_int_equal(plan.removed, 4);
	assert_int_equal(plan.removed, done.removed);
	assert_int_equal(plan.created, done.created);
	assert_int_equal(plan.linked, done.linked);
}

/* undo puts what was moved in or out back where it was; and takes away what was not there. */
static void test_undo(void **state)
{
	struct store_fixture *f = *state;
	uint64_t a = make_dir(f, HF_ROOT_INO, "a"), b = make_dir(f, HF_ROOT_INO, "b"), was,
		 ino = make_in(f, a, "file");
	struct hf_restore_summary sum;
	struct hf_error err;

	was = head(f);
	assert_int_equal(hf_rename(f->store, a, "file", b, "file", 0, NULL), 0);
	must_restore(f, was, "a", NULL, HF_RESTORE_UNDO, &sum);
	assert_int_equal(sum.moved, 1);
	expect_same(f, was, "a");
	assert_int_equal(ino_of(f, "b/file"), 0);
	assert_int_equal(ino_of(f, "a/file"), ino);
	assert_int_equal(hf_rename(f->store, a, "file", b, "file", 0, NULL), 0);
	must_restore(f, was, "b", NULL, HF_RESTORE_UNDO, NULL);
	expect_same(f, was, "b");
	assert_int_equal(ino_of(f, "a/file"), ino);
	/* another is in its place by now: that goes, and not to where the first was */
	assert_int_equal(hf_rename(f->store, a, "file", b, "file", 0, NULL), 0);
	make_in(f, a, "file");
	must_restore(f, was, "a", NULL, HF_RESTORE_UNDO, NULL);
	assert_int_equal(ino_of(f, "a/file"), ino);
	assert_int_equal(ino_of(f, "b/file"), 0);
	make_file(f, "new");
	assert_int_equal(restore(f, was, "new", NULL, 0, NULL, &err), -ENOENT);
	assert_int_not_equal(ino_of(f, "new"), 0);
	must_restore(f, was, "new", NULL, HF_RESTORE_UNDO, &sum);
	assert_int_equal(ino_of(f, "new"), 0);
	assert_int_equal(sum.removed, 1);
}

/* Where nothing may be written over, or cannot be. */
static void test_refused(void **state)
{
	struct store_fixture *f = *state;
	uint64_t d = make_dir(f, HF_ROOT_INO, "d"), was, before;
	struct hf_error err;

	make_in(f, d, "x");
	make_file(f, "file");
	was = head(f);
	before = head(f);
	assert_int_equal(restore(f, was, "d", "file", 0, NULL, &err), -EEXIST);
	assert_int_equal(restore(f, was, "d", "", 0, NULL, &err), -EEXIST);
	assert_int_equal(restore(f, was, "d", "no/such", 0, NULL, &err), -ENOENT);
	assert_int_equal(restore(f, was, "d", "file/x", 0, NULL, &err), -ENOTDIR);
	assert_int_equal(restore(f, was, "none", NULL, 0, NULL, &err), -ENOENT);
	assert_int_equal(restore(f, was, "file/x", NULL, 0, NULL, &err), -ENOENT);
	assert_int_equal(head(f), before);
	must_restore(f, was, "//d//", "e", 0, NULL);
	assert_int_equal(restore(f, was, "d", "e", 0, NULL, &err), -EEXIST);
	assert_non_null(strstr(err.text, "e is there already"));
	store_close(f);
	store_open(f, HF_OPEN_READ_ONLY);
	assert_int_equal(restore(f, 0, "", NULL, HF_RESTORE_DRY, NULL, &err), 0);
	assert_int_equal(restore(f, 0, "", NULL, 0, NULL, &err), -EROFS);
}

/* What comes back is never seen half made, and is three operations, or two: it begins, or ends, or is, a
 * hole. */
enum { WHOLE_FILES = 300, WHOLE_BYTES = 3 * BLOCK };

struct looking {
	struct store_fixture *f;
	uint64_t dir;
	atomic_bool stop;
	unsigned seen, half;
};

static void *look_for_halves(void *arg)
{
	struct looking *l = arg;
	const struct hf_view now = { l->f->store, HF_TID_HEAD };
	struct hf_attr attr;
	char name[16];

	for (unsigned i = 0; !atomic_load(&l->stop); i = (i + 1) % WHOLE_FILES) {
		(void)snprintf(name, sizeof(name), "f%u", i);
		if (hf_view_lookup(&now, l->dir, name, &attr, NULL) < 0)
			continue;
		l->seen++;
		l->half += attr.size_bytes != WHOLE_BYTES || attr.mode != (S_IFREG | 0640) || attr.uid != 7;
	}
	return NULL;
}

static void make_whole(struct store_fixture *f, uint64_t dir, unsigned i)
{
	const struct hf_setattr change = { .mask = HF_SET_SIZE | HF_SET_MODE | HF_SET_UID,
					   .mode = 0640,
					   .uid = 7,
					   .size_bytes = WHOLE_BYTES };
	uint64_t ino;
	char name[16];

	(void)snprintf(name, sizeof(name), "f%u", i);
	ino = make_in(f, dir, name);
	if (i % 4 > 0)
		put_text(f, ino, i % 4 == 3 ? WHOLE_BYTES - 5 : i % 4 == 2 ? BLOCK : 0, "whole");
	assert_int_equal(hf_setattr(f->store, ino, &change, NULL, NULL), 0);
}

static void test_created_whole(void **state)
{
	struct store_fixture *f = *state;
	uint64_t dir = make_dir(f, HF_ROOT_INO, "dir"), was, before;
	struct looking l = { .f = f, .dir = dir };
	char name[16];
	pthread_t thread;

	for (unsigned i = 0; i < WHOLE_FILES; i++)
		make_whole(f, dir, i);
	was = head(f);
	for (unsigned i = 0; i < WHOLE_FILES; i++) {
		(void)snprintf(name, sizeof(name), "f%u", i);
		assert_int_equal(hf_unlink(f->store, dir, name, NULL, NULL), 0);
	}
	commit(f);
	before = head(f);
	assert_int_equal(pthread_create(&thread, NULL, look_for_halves, &l), 0);
	must_restore(f, was, "dir", NULL, 0, NULL);
	atomic_store(&l.stop, true);
	pthread_join(thread, NULL);
	assert_int_equal(l.half, 0);
	assert_int_equal(head(f) - before,
			 WHOLE_FILES / 4 * (3 * 3 + 2) + 1); /* the last: the folder's times */
	expect_same(f, was, "dir");
}

struct stopper {
	uint64_t n, at; /* of what is told, the last */
};

static int stop_there(void *arg, const struct hf_restored *d)
{
	struct stopper *t = arg;

	(void)d;
	return ++t->n == t->at ? 1 : 0;
}

static uint64_t done_of(const struct hf_restore_summary *sum)
{
	return sum->created + sum->linked + sum->moved + sum->removed + sum->contents + sum->attributes;
}

/*
 * Told to stop at the first thing, the second, and so on: each time that is the last one told and done,
 * whatever kind it is of, and the code comes back.
 */
static void stop_everywhere(struct store_fixture *f, uint64_t tid, const char *path, unsigned flags)
{
	struct stopper t = { 0 };
	int code = 1;

	for (uint64_t at = 1; code != 0; at++) {
		struct hf_error err = HF_ERROR_INIT;
		struct hf_restore_summary sum;

		t = (struct stopper){ .at = 1 };
		if (flags & HF_RESTORE_DRY)
			t.at = at;
		code = hf_restore(f->store, tid, path, NULL, flags, stop_there, &t, NULL, &sum, &err);
		assert_int_equal(code, t.n >= t.at);
		assert_int_equal(err.code, 0);
		assert_true(t.n <= t.at);
		assert_true(done_of(&sum) <= t.n); /* times are told, and not counted */
	}
}

static void test_stop(void **state)
{
	struct store_fixture *f = *state;
	uint64_t a = make_dir(f, HF_ROOT_INO, "a"), b = make_dir(f, a, "b"), c = make_dir(f, a, "c"), was,
		 ino = make_in(f, b, "one");

	put_text(f, ino, 0, "text");
	assert_int_equal(hf_link(f->store, ino, b, "two", NULL, NULL), 0);
	make_in(f, c, "away");
	was = head(f);
	/* one of two names; a file that goes home, in a folder that is new; one that is moved back; one to be
	 * removed */
	remove_file(f, b, "one");
	put_text(f, ino, 0, "other");
	assert_int_equal(hf_rename(f->store, c, "away", make_dir(f, a, "new"), "here", 0, NULL), 0);
	make_in(f, make_dir(f, ino_of(f, "a/new"), "deep"), "file");
	make_in(f, b, "more");
	stop_everywhere(f, was, "a", HF_RESTORE_DRY);
	stop_everywhere(f, was, "a/new", HF_RESTORE_DRY | HF_RESTORE_UNDO);
	stop_everywhere(f, was, "a/new", HF_RESTORE_UNDO);
	assert_int_equal(ino_of(f, "a/new"), 0);
	stop_everywhere(f, was, "a", 0);
	expect_same(f, was, "");
	/* folders above it */
	remove_file(f, c, "away");
	assert_int_equal(hf_rmdir(f->store, a, "c", NULL, NULL), 0);
	stop_everywhere(f, was, "a/c/away", HF_RESTORE_DRY);
	stop_everywhere(f, was, "a/c/away", 0);
	assert_int_not_equal(ino_of(f, "a/c/away"), 0);
}

/* Folders in which nothing happened are not looked into, and what happened is found all the same. */
static void test_little_changed(void **state)
{
	struct store_fixture *f = *state;
	uint64_t d = make_dir(f, HF_ROOT_INO, "d"), below = make_dir(f, d, "below"), was,
		 ino = make_in(f, below, "file");
	const struct hf_setattr old = { .mask = HF_SET_MTIME, .mtime = { 1000, 5 } };

	for (unsigned i = 0; i < 50; i++) {
		char name[32];

		snprintf(name, sizeof(name), "dir%u", i);
		make_in(f, make_dir(f, d, name), "x");
	}
	assert_int_equal(hf_setattr(f->store, below, &old, NULL, NULL), 0);
	was = head(f);
	make_in(f, below, "passing");
	remove_file(f, below, "passing");
	commit(f);
	must_restore(f, was, "d", NULL, 0, NULL); /* a time alone */
	expect_same(f, was, "");
	put_text(f, ino, 0, "text");
	must_restore(f, was, "", NULL, 0, NULL);
	expect_same(f, was, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_contents, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_sparse, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_retired, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_links, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_types, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_displaced, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_undo, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_refused, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_created_whole, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_stop, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_little_changed, store_setup, store_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
