/* SPDX-License-Identifier: MIT */
/*
 * Trees at random: a storm of operations (tests/model/storm.h) leaves a store with thousands of moments; it
 * is restored to some of them, whole and in parts, in place and beside, told beforehand and broken off, and
 * held against the view of each. HF_MODEL_SEED repeats one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "holdfast/history.h"
#include "store/base/cleanup.h"
#include "tests/model/storm.h"
#include "tests/model/arena.h"
#include "tests/sim/splitmix.h"
#include "tests/unit/scratch.h"
#include "tests/unit/tree_compare.h"

enum { ARENA_BYTES_LOG2 = 33, OPS = 400, STORMS = 1, RESTORES = 25, PATH_BYTES = 16384 };

static struct hf_store *open_store(const char *path)
{
	const struct hf_open_options o = { .flags = HF_OPEN_NO_REPLICATION, .cache_bytes = 16 << 20 };
	struct hf_error err = HF_ERROR_INIT;
	struct hf_store *s = NULL;

	if (hf_store_open(path, &o, &s, &err) < 0)
		fail_msg("open: %s", err.text);
	return s;
}

static void close_store(struct hf_store *s)
{
	struct hf_error err = HF_ERROR_INIT;

	if (hf_store_close(s, &err) < 0)
		fail_msg("close: %s", err.text);
}

static uint64_t head_of(struct hf_store *s)
{
	struct hf_status status;

	hf_store_status(s, &status);
	return status.head_tid;
}

struct told {
	uint64_t n, stop_at;
	struct hf_restore_summary sum;
};

static int count(void *arg, const struct hf_restored *d)
{
	struct told *t = arg;

	assert_non_null(d->path);
	assert_true(d->kind >= HF_RESTORED_CREATED && d->kind <= HF_RESTORED_HALF);
	return t->stop_at && ++t->n >= t->stop_at ? 1 : 0;
}

static int restore(struct hf_store *s, uint64_t tid, const char *path, const char *dest, unsigned flags,
		   struct told *t)
{
	struct hf_error err = HF_ERROR_INIT;
	int r = hf_restore(s, tid, path, dest, flags, count, t, NULL, &t->sum, &err);

	if (r < 0)
		print_message("# restoring %.200s: %d %.300s\n", path, r, err.text);
	return r;
}

/* Some path that there is at a moment. */
static void pick_path(struct hf_store *s, uint64_t tid, uint64_t *random, char out[PATH_BYTES])
{
	const struct hf_view v = { s, tid };
	struct hf_error err = HF_ERROR_INIT;
	struct hf_status status;

	hf_store_status(s, &status);
	for (int tries = 0; tries < 50; tries++) {
		uint64_t ino = 2 + splitmix64(random) % 400;

		if (hf_view_path(&v, ino, out, PATH_BYTES, &err) > 0)
			return;
	}
	out[0] = 0;
}

/*
 * A plan tells what is then done; as long as nothing is moved and no file has several names: then what is
 * taken away in one place decides what can be kept at another.
 */
static void expect_plan(const struct told *plan, const struct told *done)
{
	if (plan->sum.moved + plan->sum.linked + done->sum.moved + done->sum.linked > 0)
		return;
	assert_int_equal(plan->sum.created, done->sum.created);
	assert_int_equal(plan->sum.removed, done->sum.removed);
	assert_int_equal(plan->sum.contents, done->sum.contents);
	assert_int_equal(plan->sum.bytes, done->sum.bytes);
}

static struct hf_store *one_restore(struct hf_store *s, const char *store, uint64_t top, uint64_t *random)
{
	const uint64_t tid = splitmix64(random) % (top + 1);
	const struct hf_view then = { s, tid };
	const unsigned flags = splitmix64(random) % 3 == 0 ? HF_RESTORE_UNDO : 0;
	struct told plan = { 0 }, done = { 0 }, again = { 0 };
	char path[PATH_BYTES] = "";
	uint64_t before;
	int r;

	if (splitmix64(random) % 3 != 0)
		pick_path(s, tid, random, path);
	assert_int_equal(hf_store_commit(s, NULL), 0);
	before = head_of(s);
	r = restore(s, tid, path, NULL, flags | HF_RESTORE_DRY, &plan);
	if (r == -ENOTDIR) /* above it is something else now */
		return s;
	assert_int_equal(r, 0);
	assert_int_equal(head_of(s), before);
	if (splitmix64(random) % 4 == 0) { /* broken off, and the process with it */
		struct told part = { .stop_at = 1 + splitmix64(random) % 5 };
		struct hf_view reopened;

		assert_true(restore(s, tid, path, NULL, flags, &part) >= 0);
		close_store(s);
		s = open_store(store);
		reopened = (struct hf_view){ s, tid };
		assert_int_equal(restore(s, tid, path, NULL, flags, &done), 0);
		assert_int_equal(tree_compare(&reopened, path, &(struct hf_view){ s, HF_TID_HEAD }, path), 0);
		return s;
	}
	assert_int_equal(restore(s, tid, path, NULL, flags, &done), 0);
	assert_int_equal(done.sum.before_tid, before);
	if (tree_compare(&then, path, &(struct hf_view){ s, HF_TID_HEAD }, path) < 0)
		fail_msg("restoring \"%.200s\" to tid %llu from %llu, flags %u", path,
			 (unsigned long long)tid, (unsigned long long)before, flags);
	expect_plan(&plan, &done);
	assert_int_equal(restore(s, tid, path, NULL, flags, &again), 0);
	assert_int_equal(again.sum.created + again.sum.removed + again.sum.contents + again.sum.attributes +
				 again.sum.moved + again.sum.linked,
			 0);
	/* and back: nothing of what was there is lost */
	if (splitmix64(random) % 2 == 0) {
		const struct hf_view undone = { s, before };

		assert_int_equal(restore(s, before, "", NULL, HF_RESTORE_UNDO, &again), 0);
		assert_int_equal(tree_compare(&undone, "", &(struct hf_view){ s, HF_TID_HEAD }, ""), 0);
	}
	return s;
}

static void beside(struct hf_store *s, uint64_t top, uint64_t *random, unsigned number)
{
	const uint64_t tid = splitmix64(random) % (top + 1), before = head_of(s);
	const struct hf_view then = { s, tid };
	struct told done = { 0 };
	char path[PATH_BYTES], dest[32];
	struct hf_attr attr;

	pick_path(s, tid, random, path);
	snprintf(dest, sizeof(dest), "beside-%u", number);
	assert_int_equal(hf_view_walk(&then, path, &attr, NULL), 0);
	assert_int_equal(restore(s, tid, path, dest, 0, &done), 0);
	assert_int_equal(tree_compare(&then, path, &(struct hf_view){ s, HF_TID_HEAD }, dest), 0);
	if (*path && strncmp(path, "beside", 6) != 0) /* what it was taken from stays as it is */
		assert_int_equal(tree_compare(&(struct hf_view){ s, before }, path,
					      &(struct hf_view){ s, HF_TID_HEAD }, path),
				 0);
}

static void one_storm(uint64_t seed)
{
	CLEANUP(scratch_remove) char *dir = scratch_make();
	CLEANUP(cleanup_free) char *path = NULL;
	struct hf_check_summary summary;
	struct hf_error err = HF_ERROR_INIT;
	struct hf_store *s;
	uint64_t random = seed, top;
	struct storm *storm;

	print_message("# HF_MODEL_SEED=%llu\n", (unsigned long long)seed);
	assert_true(asprintf(&path, "%s/store", dir) > 0);
	storm = storm_new(path, seed, OPS);
	assert_int_equal(storm_run(storm), 0);
	s = open_store(path);
	top = head_of(s);
	for (unsigned k = 0; k < RESTORES; k++) {
		if (k % 5 == 4)
			beside(s, top, &random, k);
		else
			s = one_restore(s, path, top, &random);
	}
	close_store(s);
	assert_int_equal(hf_store_check(path, NULL, NULL, &summary, NULL, &err), 0);
}

static void test_storms(void **state)
{
	const char *text = getenv("HF_MODEL_SEED");

	(void)state;
	if (text && *text) {
		one_storm(strtoull(text, NULL, 0));
		return;
	}
	for (int k = 0; k < STORMS; k++)
		one_storm((uint64_t)time(NULL) * 1000 + (uint64_t)getpid() % 1000 + (uint64_t)k * 1000003);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_storms),
	};

	arena_new((size_t)1 << ARENA_BYTES_LOG2);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
