/* SPDX-License-Identifier: MIT */
/* Restoring (history.h, hf_restore) while room runs out, at each operation in turn: what was begun is not
 * left in the way, and whoever remembers something of it is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "holdfast/history.h"
#include "store/os/os.h"
#include "store/volume/volume.h"
#include "tests/unit/store_helper.h"

enum { MIB = 1 << 20, LEN = 9 * MIB + 5, STEPS_MAX = 200 };

/* Each operation asks for room anew, and behind this one what is left is for those alone that free some. */
static struct hf_store *store;
static uint64_t last_tid;

static int few_bytes(void *state, const char *path, uint64_t *ret_free, uint64_t *ret_total)
{
	(void)state;
	(void)path;
	*ret_total = 1 << 30;
	*ret_free = store->state.tid < last_tid ? 1 << 30 : 5 << 20;
	return 0;
}

static uint64_t hasty_clock(void *state)
{
	static atomic_uint_fast64_t ns;

	(void)state;
	return atomic_fetch_add(&ns, UINT64_C(1000000000));
}

struct told {
	uint64_t half[8];
	size_t n;
};

static int each(void *arg, const struct hf_restored *d)
{
	struct told *t = arg;

	if (d->kind == HF_RESTORED_HALF && t->n < 8)
		t->half[t->n++] = d->ino;
	return 0;
}

static void set_mode(struct store_fixture *f, uint64_t ino, uint32_t mode, uint32_t uid)
{
	const struct hf_setattr change = { .mask = HF_SET_MODE | HF_SET_UID, .mode = mode, .uid = uid };

	assert_int_equal(hf_setattr(f->store, ino, &change, NULL, NULL), 0);
}

static void set_xattr(struct store_fixture *f, uint64_t ino, const char *value)
{
	assert_int_equal(hf_setxattr(f->store, ino, "user.when", value, strlen(value), 0, 0, NULL), 0);
}

static bool is(struct store_fixture *f, uint64_t ino, const void *data)
{
	const struct hf_view now = { f->store, HF_TID_HEAD };
	uint8_t *bytes = malloc(LEN);
	ssize_t n = hf_view_read(&now, ino, 0, bytes, LEN, NULL);
	bool same = n == LEN && memcmp(bytes, data, LEN) == 0;

	free(bytes);
	return same;
}

static uint64_t ino_at_root(struct store_fixture *f, const char *name)
{
	const struct hf_view now = { f->store, HF_TID_HEAD };
	struct hf_attr attr;

	return hf_view_lookup(&now, HF_ROOT_INO, name, &attr, NULL) == 0 ? attr.ino : 0;
}

/* Restored with room for so many operations: 0, -ENOSPC. */
static int restore_with(struct store_fixture *f, uint64_t was, const char *path, uint64_t steps,
			struct told *told, struct hf_restore_summary *sum)
{
	const struct os *before = f->store->os;
	struct hf_error err = HF_ERROR_INIT;
	struct os os = *before;
	int r;

	os.free_bytes = few_bytes;
	os.monotonic_ns = hasty_clock;
	commit(f);
	*told = (struct told){ .n = 0 };
	store = f->store;
	last_tid = f->store->state.tid + steps;
	f->store->os = &os;
	f->store->room_budget = 0;
	r = hf_restore(f->store, was, path, NULL, 0, each, told, NULL, sum, &err);
	f->store->os = before;
	if (r < 0 && r != -ENOSPC)
		fail_msg("%d: %s", r, err.text);
	return r;
}

/* A file whose mode and maybe owner were others. */
static void changed_file(struct store_fixture *f, uint32_t then_uid)
{
	uint64_t ino = make_file(f, "file"), was;
	uint8_t *good = malloc(LEN), *bad = malloc(LEN);
	struct hf_restore_summary sum;
	unsigned half = 0, whole = 0;
	struct told told;
	int r = -ENOSPC;

	fill_random(good, LEN, 1);
	fill_random(bad, LEN, 2);
	put(f, ino, 0, good, LEN);
	set_mode(f, ino, 0640, then_uid);
	set_xattr(f, ino, "then"); /* which takes room, and comes behind the contents */
	was = head(f);
	for (uint64_t steps = 0; r == -ENOSPC && steps < STEPS_MAX; steps++) {
		uint32_t mode;

		put(f, ino, 0, bad, LEN);
		set_mode(f, ino, 0755, 1000);
		set_xattr(f, ino, "now");
		r = restore_with(f, was, "file", steps, &told, &sum);
		mode = attr_of(f, ino).mode & 07777;
		if (r == 0)
			continue;
		assert_int_equal(told.n, 1);
		assert_int_equal(told.half[0], ino);
		if (is(f, ino, bad)) {
			assert_int_equal(mode, 0755);
			assert_int_equal(sum.half, 0);
			whole++;
		} else {
			assert_int_equal(mode, then_uid == 1000 ? 0600 : 0);
			assert_int_equal(sum.half, 1);
			half++;
		}
	}
	assert_int_equal(r, 0);
	assert_true(is(f, ino, good));
	assert_int_equal(attr_of(f, ino).mode & 07777, 0640);
	assert_true(whole > 0);
	assert_true(half > 0);
	free(good);
	free(bad);
}

static void test_changed(void **state)
{
	changed_file(*state, 1000);
}

static void test_of_another(void **state)
{
	changed_file(*state, 1001);
}

/* What was not there is not there after it. */
static void test_gone(void **state)
{
	struct store_fixture *f = *state;
	uint64_t ino = make_file(f, "file"), was;
	uint8_t *good = malloc(LEN);
	struct hf_restore_summary sum;
	unsigned begun = 0;
	struct told told;
	int r = -ENOSPC;

	fill_random(good, LEN, 1);
	put(f, ino, 0, good, LEN);
	set_xattr(f, ino, "then");
	was = head(f);
	for (uint64_t steps = 0; r == -ENOSPC && steps < STEPS_MAX; steps++) {
		if (ino_at_root(f, "file"))
			assert_int_equal(hf_unlink(f->store, HF_ROOT_INO, "file", NULL, NULL), 0);
		r = restore_with(f, was, "file", steps, &told, &sum);
		if (r == 0)
			continue;
		assert_int_equal(ino_at_root(f, "file"), 0);
		assert_int_equal(sum.half, 0);
		for (size_t i = 0; i < told.n; i++)
			assert_int_equal(told.half[i], 0);
		begun += told.n > 0;
	}
	assert_int_equal(r, 0);
	assert_true(begun > 0);
	assert_true(is(f, ino_at_root(f, "file"), good));
	free(good);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_changed, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_of_another, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_gone, store_setup, store_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
