/* SPDX-License-Identifier: MIT */
/* The past of folders in folders, deeper than any path that a system call takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/history_helper.h"

enum { DEEP = 4200 };

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

static void restore_all(struct store_fixture *f, uint64_t tid, struct hf_restore_summary *ret)
{
	struct hf_error err = HF_ERROR_INIT;

	if (hf_restore(f->store, tid, "/", NULL, 0, NULL, NULL, NULL, ret, &err) < 0)
		fail_msg("restore: %s", err.text);
}

static void test_change_at_the_bottom(void **state)
{
	struct store_fixture *f = *state;
	const uint64_t other = make_file(f, "other"), bottom = make_chain(f, DEEP);
	const uint64_t file = make_in(f, bottom, "file");
	struct hf_restore_summary sum;
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
	restore_all(f, then, &sum);
	assert_int_equal(sum.contents, 2);
	expect_text(f, HF_TID_HEAD, file, "old");
	expect_text(f, HF_TID_HEAD, other, "old");
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
		cmocka_unit_test(test_circles_are_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
