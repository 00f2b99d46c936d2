/* SPDX-License-Identifier: MIT */
/* What is left of files that have no name, and records of unusual size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "store/tree/acl.h"
#include "store/volume/volume.h"
#include "tests/unit/scratch.h"
#include "tests/unit/store_helper.h"

static size_t orphans(struct store_fixture *f)
{
	uint64_t *inos = NULL;
	size_t n = 0;

	assert_int_equal(tree_orphans(f->store->index, &inos, &n, NULL), 0);
	free(inos);
	return n;
}

static int lives(struct store_fixture *f, uint64_t ino)
{
	const struct hf_view now = { f->store, HF_TID_HEAD };
	struct hf_attr attr;

	return hf_view_getattr(&now, ino, &attr, NULL);
}

static void remove_file(struct store_fixture *f, const char *name)
{
	assert_int_equal(hf_unlink(f->store, HF_ROOT_INO, name, NULL, NULL), 0);
}

/* The references themselves, against an array: an orphan is reaped when its last goes, whatever else does. */
static void test_references(void **state)
{
	struct store_fixture *f = *state;
	enum { INODES = 5000, STEPS = 200000 };
	uint64_t *counts = calloc(INODES, sizeof(*counts)), seed = 1, reaped[256], expected = 0, got = 0;
	size_t n;

	assert_non_null(counts);
	for (int step = 0; step < STEPS; step++) {
		uint64_t i, many = 1 + (uint64_t)step % 3;

		seed = seed * 6364136223846793005u + 1442695040888963407u;
		i = (seed >> 33) % INODES;
		/* first they gather, then they go */
		if (step < STEPS / 2 ? (seed >> 62) != 0 : (seed >> 62) == 0) {
			hf_ref(f->store, 1000 + i * 8, many);
			counts[i] += many;
		} else {
			hf_unref(f->store, 1000 + i * 8, many);
			counts[i] -= counts[i] < many ? counts[i] : many;
		}
	}
	for (uint64_t i = 0; i < INODES; i++) {
		refs_orphaned(f->store, 1000 + i * 8);
		expected += counts[i] == 0;
	}
	assert_int_equal(refs_reapable(f->store), expected);
	for (uint64_t i = 0; i < INODES; i++)
		if (counts[i] > 0)
			hf_unref(f->store, 1000 + i * 8, counts[i]);
	while ((n = refs_take_reapable(f->store, reaped, 256)) > 0)
		got += n;
	assert_int_equal(got, INODES);
	free(counts);
}

/* More than one operation reaps, some before the group is sealed, the rest with it. */
static void test_many(void **state)
{
	enum { FILES = 3 * REAP_MAX + 17 };
	struct store_fixture *f = *state;
	uint64_t first, last = 0;
	char name[16];
	size_t left;

	first = make_file(f, "f0");
	for (int i = 1; i < FILES; i++) {
		(void)snprintf(name, sizeof(name), "f%d", i);
		last = make_file(f, name);
	}
	for (int i = 0; i < FILES; i++) {
		(void)snprintf(name, sizeof(name), "f%d", i);
		remove_file(f, name);
	}
	left = orphans(f);
	assert_true(left >= 1 && left <= REAP_MAX);
	commit(f);
	assert_int_equal(orphans(f), 0);
	assert_int_equal(lives(f, first), -ESTALE);
	assert_int_equal(lives(f, last), -ESTALE);
	store_close(f);
	store_open(f, HF_OPEN_REBUILD);
	assert_int_equal(orphans(f), 0);
	assert_int_equal(status_of(f).live_inodes, 1);
}

/* A reference taken when the last name is already gone holds as well. */
static void test_late_reference(void **state)
{
	struct store_fixture *f = *state;
	uint64_t held = make_file(f, "held"), gone = make_file(f, "gone");

	put_text(f, held, 0, "still here");
	remove_file(f, "held");
	remove_file(f, "gone");
	hf_ref(f->store, held, 1);
	commit(f);
	assert_int_equal(lives(f, gone), -ESTALE);
	expect_text(f, HF_TID_HEAD, held, "still here");
	commit(f);
	assert_int_equal(lives(f, held), 0);
	hf_unref(f->store, held, 1);
	commit(f);
	assert_int_equal(lives(f, held), -ESTALE);
	assert_int_equal(orphans(f), 0);
}

/* Without a name, and let go; named again and removed: it is on the list twice, and one must not spoil the
 * other. */
static void test_twice(void **state)
{
	const struct hf_cred cred = { 0, 0 };
	struct store_fixture *f = *state;
	uint64_t other = make_file(f, "other");
	struct hf_attr attr;

	assert_int_equal(hf_create_nameless(f->store, HF_ROOT_INO, 0600, 0, &cred, &attr, NULL), 0);
	hf_unref(f->store, attr.ino, 1);
	assert_int_equal(hf_link(f->store, attr.ino, HF_ROOT_INO, "named", NULL, NULL), 0);
	remove_file(f, "named");
	remove_file(f, "other");
	commit(f);
	assert_int_equal(lives(f, attr.ino), -ESTALE);
	assert_int_equal(lives(f, other), -ESTALE);
	assert_int_equal(orphans(f), 0);
}

/* A folder made where the default ACL is as long as can be takes a record of more than 128 KiB. */
static void test_longest_record(void **state)
{
	enum { NAMED = 8186 };
	CLEANUP(buf_release) struct buf acl = BUF_INIT;
	struct store_fixture *f = *state;
	uint64_t above = make_dir(f, HF_ROOT_INO, "above"), below;
	const struct hf_view now = { f->store, HF_TID_HEAD };
	static const uint16_t ends[][2] = { { 4, 5 }, { 16, 7 }, { 32, 5 } };

	buf_add_u32(&acl, 2);
	for (uint32_t i = 0; i < NAMED + 1; i++) { /* the owner, then users */
		buf_add_u16(&acl, i == 0 ? 1 : 2);
		buf_add_u16(&acl, 7);
		buf_add_u32(&acl, i);
	}
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		buf_add_u16(&acl, ends[i][0]);
		buf_add_u16(&acl, ends[i][1]);
		buf_add_u32(&acl, UINT32_MAX);
	}
	assert_int_equal(hf_setxattr(f->store, above, ACL_DEFAULT_NAME, acl.data, acl.len, 0, 0, NULL), 0);
	below = make_dir(f, above, "below");
	assert_int_equal(hf_view_getxattr(&now, below, ACL_ACCESS_NAME, NULL, 0, NULL), acl.len);
	store_close(f);
	store_open(f, HF_OPEN_REBUILD);
	assert_int_equal(hf_view_getxattr(&(struct hf_view){ f->store, HF_TID_HEAD }, below, ACL_DEFAULT_NAME,
					  NULL, 0, NULL),
			 acl.len);
}

/* What a caller puts into a mode besides type and permissions must not get into the log, which would not be
 * read again. */
static void test_odd_mode(void **state)
{
	const struct hf_cred cred = { 0, 0 };
	struct store_fixture *f = *state;
	struct hf_attr attr;

	assert_int_equal(hf_create(f->store, HF_ROOT_INO, "odd", 0xffff0000 | S_IFREG | 0644, 0, 0, NULL,
				   &cred, &attr, NULL),
			 0);
	assert_int_equal(attr.mode, S_IFREG | 0644);
	store_close(f);
	store_open(f, HF_OPEN_REBUILD);
	assert_int_equal(attr_of(f, attr.ino).mode, S_IFREG | 0644);
}

/* To take away an ACL that is not there is no operation. */
static void test_no_acl(void **state)
{
	struct store_fixture *f = *state;
	uint64_t a = make_file(f, "a");
	struct hf_status before, after;

	hf_store_status(f->store, &before);
	assert_int_equal(hf_removexattr(f->store, a, ACL_ACCESS_NAME, NULL), 0);
	assert_int_equal(hf_removexattr(f->store, a, ACL_DEFAULT_NAME, NULL), 0);
	assert_int_equal(hf_removexattr(f->store, a + 1, ACL_ACCESS_NAME, NULL), -ESTALE);
	hf_store_status(f->store, &after);
	assert_true(after.head_tid == before.head_tid);
}

/* An operation that fails leaves nothing of its record behind. */
static void test_failed_record(void **state)
{
	const struct hf_cred cred = { 0, 0 };
	struct store_fixture *f = *state;
	uint64_t a = make_file(f, "a");

	for (int i = 0; i < 3; i++) {
		assert_int_equal(hf_create(f->store, HF_ROOT_INO, "a", 0644, 0, 0, NULL, &cred, NULL, NULL),
				 -EEXIST);
		assert_int_equal(hf_rename(f->store, HF_ROOT_INO, "none", HF_ROOT_INO, "b", 0, NULL),
				 -ENOENT);
		put_text(f, a, 0, "text");
		assert_int_equal(hf_removexattr(f->store, a, "user.none", NULL), -ENODATA);
	}
	store_close(f);
	assert_int_equal(store_faults(f), 0);
	store_open(f, HF_OPEN_REBUILD);
	expect_text(f, HF_TID_HEAD, a, "text");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_references, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_many, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_no_acl, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_late_reference, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_twice, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_longest_record, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_odd_mode, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_failed_record, store_setup, store_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
