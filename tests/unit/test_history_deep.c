/* SPDX-License-Identifier: MIT */
/* The past of folders in folders, deeper than any path that a system call takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/history_helper.h"

enum { DEEP = 4200, STACK_BYTES = 512 << 10 };

static uint64_t make_chain(struct store_fixture *f, unsigned depth)
{
	uint64_t dir = HF_ROOT_INO;

	for (unsigned i = 0; i < depth; i++)
		dir = make_dir(f, dir, "d");
	return dir;
}

static int count_difference(void *arg, const struct hf_difference *d)
{
	(void)d;
	++*(unsigned *)arg;
	return 0;
}

static int count_event(void *arg, const struct hf_event *e)
{
	(void)e;
	++*(unsigned *)arg;
	return 0;
}

struct restoring {
	struct store_fixture *f;
	uint64_t tid;
	unsigned flags;
	size_t longest; /* of the paths that were told */
	struct hf_restore_summary sum;
	struct hf_error err;
	int code;
};

static int see_path(void *arg, const struct hf_restored *told)
{
	struct restoring *g = arg;
	size_t len = strlen(told->path);

	if (len > g->longest)
		g->longest = len;
	return strspn(told->path, "/0123456789d") == len ? 0 : -EILSEQ;
}

static void *restore_main(void *arg)
{
	struct restoring *g = arg;

	g->code = hf_restore(g->f->store, g->tid, "/", NULL, g->flags, see_path, g, NULL, &g->sum, &g->err);
	return NULL;
}

/* With little stack: how much it takes is not for who made the folders to say. */
static struct restoring restore_all(struct store_fixture *f, uint64_t tid, unsigned flags)
{
	struct restoring g = { .f = f, .tid = tid, .flags = flags, .err = HF_ERROR_INIT };
	pthread_attr_t attr;
	pthread_t thread;

	assert_int_equal(pthread_attr_init(&attr), 0);
	assert_int_equal(pthread_attr_setstacksize(&attr, STACK_BYTES), 0);
	assert_int_equal(pthread_create(&thread, &attr, restore_main, &g), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(pthread_attr_destroy(&attr), 0);
	if (g.code < 0)
		fail_msg("restore: %s", g.err.text);
	return g;
}

static void test_change_at_the_bottom(void **state)
{
	struct store_fixture *f = *state;
	const uint64_t other = make_file(f, "dd"), bottom = make_chain(f, DEEP);
	const uint64_t file = make_in(f, bottom, "d");
	unsigned differences = 0, events = 0;
	uint64_t then;

	put_text(f, other, 0, "old");
	put_text(f, file, 0, "old");
	then = head(f);
	put_text(f, file, 0, "new");
	put_text(f, other, 0, "new");
	commit(f);
	assert_int_equal(hf_diff(f->store, then, head(f), "/", count_difference, &differences, NULL, NULL),
			 0);
	assert_int_equal(differences, 2);
	assert_int_equal(hf_log(f->store, "/", 0, UINT64_MAX, HF_NEWEST_FIRST, count_event, &events, NULL,
				NULL),
			 0);
	assert_true(events >= DEEP);
	assert_int_equal(restore_all(f, then, 0).sum.contents, 2);
	expect_text(f, HF_TID_HEAD, file, "old");
	expect_text(f, HF_TID_HEAD, other, "old");
}

static void test_removing_and_making(void **state)
{
	struct store_fixture *f = *state;
	struct restoring done;
	uint64_t before, made;

	(void)make_file(f, "0");
	before = head(f);
	(void)make_in(f, make_chain(f, DEEP), "d");
	made = head(f);
	done = restore_all(f, before, HF_RESTORE_DRY);
	assert_int_equal(done.sum.removed, DEEP + 1);
	assert_int_equal(done.longest, 2 * DEEP + 1);
	done = restore_all(f, before, 0);
	assert_int_equal(done.sum.removed, DEEP + 1);
	assert_int_equal(done.longest, 2 * DEEP + 1);
	assert_int_equal(attr_of(f, HF_ROOT_INO).nlink, 2);
	done = restore_all(f, made, 0);
	assert_int_equal(done.sum.created, DEEP + 1);
	assert_int_equal(done.longest, 2 * DEEP + 1);
	assert_int_equal(restore_all(f, made, HF_RESTORE_DRY).sum.created, 0);
}

/* More names in a folder than are listed at a time, folders among them, and below each other. */
static void test_removing_many(void **state)
{
	enum { FOLDERS = 5, NAMES = 200, EVERY = 3 };
	struct store_fixture *f = *state;
	uint64_t dir = HF_ROOT_INO, before;
	unsigned n = 0;
	char name[16];

	(void)make_file(f, "0");
	before = head(f);
	for (unsigned i = 0; i < FOLDERS; i++, n++) {
		dir = make_dir(f, dir, "d");
		for (unsigned k = 0; k < NAMES; k++, n++) {
			snprintf(name, sizeof(name), "%u", k);
			if (k % EVERY != 0) {
				(void)make_in(f, dir, name);
				continue;
			}
			(void)make_in(f, make_dir(f, dir, name), "d");
			n++;
		}
	}
	assert_int_equal(restore_all(f, before, HF_RESTORE_DRY).sum.removed, n);
	assert_int_equal(restore_all(f, before, 0).sum.removed, n);
	assert_int_equal(attr_of(f, HF_ROOT_INO).nlink, 2);
}

/* Each of so many is below the one before, and the way up from the last ends at the first. */
static void test_circles_are_seen(void **state)
{
	(void)state;
	for (uint64_t before = 0; before < 40; before++) {
		for (uint64_t around = 1; around < 40; around++) {
			struct climb c = { 0 };
			uint64_t n = 0;

			while (!climb_circles(&c, n < before ? n + 2 : before + 2 + (n - before) % around))
				n++;
			assert_true(n >= around && n <= 3 * (before + around));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_change_at_the_bottom, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_removing_and_making, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_removing_many, store_setup, store_teardown),
		cmocka_unit_test(test_circles_are_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
