/* SPDX-License-Identifier: MIT */
/* The past as changes: who did what, what an inode and a path were, what is gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "tests/unit/history_helper.h"

/* --- operations, and on whose behalf */

static int say_change(void *arg, const struct hf_change *c)
{
	struct words *w = arg;

	say(w, "%s %d+%d %d by %d\n", kind_name(c->kind), (int)c->ino, (int)c->other, (int)c->bytes,
	    (int)c->uid);
	return ++w->n == w->stop;
}

static void expect_changes(struct store_fixture *f, uint64_t since, uint64_t until, unsigned flags,
			   size_t stop, const char *wanted)
{
	struct words w = { .stop = stop };

	assert_int_equal(hf_changes(f->store, since, until, flags, say_change, &w, NULL), stop != 0);
	assert_string_equal(w.text, wanted);
}

static void test_changes(void **state)
{
	static const char all[] = "create 2+0 0 by -1\n"
				  "write 2+0 5 by 1000\n"
				  "attributes 2+0 3 by 1000\n"
				  "create 3+0 0 by 0\n"
				  "rename 2+3 0 by 0\n"
				  "xattr 2+0 0 by 0\n"
				  "tag 0+0 0 by 0\n"
				  "remove 2+0 0 by 1001\n";
	struct store_fixture *f = *state;
	uint64_t a = make_file(f, "a");

	hf_act_for(1000);
	put_text(f, a, 0, "hello");
	assert_int_equal(hf_setattr(f->store, a, &(struct hf_setattr){ .mask = HF_SET_SIZE, .size_bytes = 2 },
				    NULL, NULL),
			 0);
	hf_act_for(0);
	(void)make_file(f, "b");
	move(f, HF_ROOT_INO, "a", HF_ROOT_INO, "b");
	assert_int_equal(hf_setxattr(f->store, a, "user.x", "y", 1, 0, 0, NULL), 0);
	assert_int_equal(hf_tag(f->store, "t", HF_TID_HEAD, NULL), 0);
	hf_act_for(1001);
	drop(f, HF_ROOT_INO, "b");
	hf_act_for(HF_UID_UNKNOWN);
	commit(f);
	for (int pass = 0; pass < 3; pass++) { /* as they happened; reopened; from the log alone */
		struct words w = { .stop = 0 };

		expect_changes(f, 0, 8, 0, 0, all);
		expect_changes(f, 1, 3, 0, 0, "write 2+0 5 by 1000\nattributes 2+0 3 by 1000\n");
		expect_changes(f, 1, 3, HF_NEWEST_FIRST, 0,
			       "attributes 2+0 3 by 1000\nwrite 2+0 5 by 1000\n");
		expect_changes(f, 0, UINT64_MAX, 0, 2, "create 2+0 0 by -1\nwrite 2+0 5 by 1000\n");
		expect_changes(f, 7, 8, HF_NEWEST_FIRST, 0, "remove 2+0 0 by 1001\n");
		expect_changes(f, 8, 8, 0, 0, "");
		assert_int_equal(hf_changes(f->store, 8, UINT64_MAX, 0, say_change, &w, NULL), 0);
		assert_true(w.n <= 2); /* the reaping of what was removed, and no more */
		store_close(f);
		store_open(f, pass == 1 ? HF_OPEN_REBUILD : 0);
	}
}

/* Over many groups, whole, in part, and from either end. */
static int count_up(void *arg, const struct hf_change *c)
{
	uint64_t *next = arg;

	if (c->kind == HF_CHANGE_OWN)
		return 0;
	assert_int_equal(c->tid, *next);
	++*next;
	return 0;
}

static int count_down(void *arg, const struct hf_change *c)
{
	uint64_t *next = arg;

	assert_int_equal(c->tid, *next);
	--*next;
	return 0;
}

static void test_changes_of_many_groups(void **state)
{
	enum { GROUPS = 100, EACH = 7 };
	struct store_fixture *f = *state;
	char name[32];
	uint64_t next;

	for (int g = 0; g < GROUPS; g++) {
		for (int i = 0; i < EACH; i++) {
			(void)snprintf(name, sizeof(name), "%d-%d", g, i);
			(void)make_file(f, name);
		}
		commit(f);
	}
	for (uint64_t since = 0; since < GROUPS * EACH; since += 61) {
		for (uint64_t until = since; until <= GROUPS * EACH; until += 97) {
			next = since + 1;
			assert_int_equal(hf_changes(f->store, since, until, 0, count_up, &next, NULL), 0);
			assert_int_equal(next, until + 1);
			next = until;
			assert_int_equal(hf_changes(f->store, since, until, HF_NEWEST_FIRST, count_down,
						    &next, NULL),
					 0);
			assert_int_equal(next, since);
		}
	}
}

/* --- states of an inode */

static int say_version(void *arg, const struct hf_attr *attr, uint64_t ended)
{
	struct words *w = arg;

	say(w, "%d-%d: %d bytes\n", (int)attr->tid, (int)ended, (int)attr->size_bytes);
	return 0;
}

static void test_versions(void **state)
{
	struct store_fixture *f = *state;
	uint64_t a = make_file(f, "a");

	for (int i = 0; i < 3; i++) {
		put_text(f, a, (uint64_t)i, "x");
		(void)head(f);
	}
	for (int pass = 0; pass < 2; pass++) {
		struct words w = { .n = 0 };

		assert_int_equal(hf_versions(f->store, a, 0, HF_TID_HEAD, 0, say_version, &w, NULL), 0);
		assert_string_equal(w.text, "1-2: 0 bytes\n2-3: 1 bytes\n3-4: 2 bytes\n4--1: 3 bytes\n");
		w = (struct words){ .n = 0 };
		assert_int_equal(hf_versions(f->store, a, 2, 3, HF_NEWEST_FIRST, say_version, &w, NULL), 0);
		assert_string_equal(w.text, "3-4: 2 bytes\n2-3: 1 bytes\n");
		store_close(f);
		store_open(f, 0);
	}
}

/* --- what a path was */

static int say_stretch(void *arg, const struct hf_stretch *st)
{
	say(arg, "%s %d %d-%d%s%s\n", st->path, (int)st->ino, (int)st->from, (int)st->until,
	    st->came_by_rename ? " renamed" : "", st->removed ? " removed" : "");
	return 0;
}

static void expect_life(struct store_fixture *f, const char *path, const char *wanted)
{
	struct words w = { .n = 0 };

	assert_int_equal(hf_life(f->store, path, say_stretch, &w, NULL), 0);
	assert_string_equal(w.text, wanted);
}

static void test_life_of_a_file(void **state)
{
	struct store_fixture *f = *state;
	struct hf_error err = HF_ERROR_INIT;
	struct words w = { .n = 0 };

	(void)make_file(f, "a"); /* tid 1, inode 2 */
	move(f, HF_ROOT_INO, "a", HF_ROOT_INO, "b");
	move(f, HF_ROOT_INO, "b", HF_ROOT_INO, "c");
	expect_life(f, "c", "c 2 3--1 renamed\nb 2 2-3 renamed\na 2 1-2\n");
	expect_life(f, "b", "b 2 2-3 renamed\na 2 1-2\n");
	expect_life(f, "a", "a 2 1-2\n");
	(void)make_file(f, "new"); /* tid 4, inode 3: an editor saves */
	move(f, HF_ROOT_INO, "new", HF_ROOT_INO, "c");
	expect_life(f, "c", "c 3 5--1 renamed\nc 2 3-5 renamed removed\nb 2 2-3 renamed\na 2 1-2\n");
	drop(f, HF_ROOT_INO, "c");
	(void)make_file(f, "c"); /* tid 7 (or behind a reaping), inode 4 */
	assert_int_equal(hf_life(f->store, "c", say_stretch, &w, NULL), 0);
	assert_non_null(strstr(w.text, "c 3 5-6 renamed removed\n"));
	assert_int_equal(hf_life(f->store, "never", say_stretch, &w, &err), -ENOENT);
	assert_non_null(strstr(err.text, "never"));
	assert_int_equal(hf_life(f->store, "c/below", say_stretch, &w, &err), -ENOENT);
}

static void test_life_in_directories(void **state)
{
	struct store_fixture *f = *state;
	uint64_t d = make_dir(f, HF_ROOT_INO, "d"); /* tid 1, inode 2 */

	(void)make_in(f, d, "x");                    /* tid 2, inode 3 */
	move(f, HF_ROOT_INO, "d", HF_ROOT_INO, "e"); /* tid 3 */
	expect_life(f, "e/x", "e/x 3 3--1\nd/x 3 2-3\n");
	expect_life(f, "/d//x/", "d/x 3 2-3\n");
	d = make_dir(f, HF_ROOT_INO, "d"); /* tid 4, inode 4: another one */
	(void)make_in(f, d, "x");          /* tid 5, inode 5 */
	expect_life(f, "d/x", "d/x 5 5--1\nd/x 3 2-3\n");
	expect_life(f, "e/x", "e/x 3 3--1\nd/x 3 2-3\n");
	expect_life(f, "", " 1 0--1\n");
}

/* A second name is no renaming. */
static void test_life_of_links(void **state)
{
	struct store_fixture *f = *state;
	uint64_t a = make_file(f, "a");

	assert_int_equal(hf_link(f->store, a, HF_ROOT_INO, "b", NULL, NULL), 0);
	expect_life(f, "b", "b 2 2--1\n");
	drop(f, HF_ROOT_INO, "a");
	expect_life(f, "a", "a 2 1-3\n");
	expect_life(f, "b", "b 2 2--1\n");
}

/* Which of several names was changed: not the one that stayed. */
static void test_life_of_renamed_link(void **state)
{
	struct store_fixture *f = *state;
	uint64_t a = make_file(f, "a"), d;

	assert_int_equal(hf_link(f->store, a, HF_ROOT_INO, "b", NULL, NULL), 0);
	move(f, HF_ROOT_INO, "b", HF_ROOT_INO, "c"); /* tid 3 */
	expect_life(f, "c", "c 2 3--1 renamed\nb 2 2-3\n");
	d = make_dir(f, HF_ROOT_INO, "d"); /* tid 4 */
	(void)make_in(f, d, "x");
	move(f, HF_ROOT_INO, "d", HF_ROOT_INO, "e");
	move(f, d, "x", HF_ROOT_INO, "y"); /* tid 7: it was in a directory of two names in turn */
	expect_life(f, "y", "y 4 7--1 renamed\ne/x 4 6-7\nd/x 4 5-6\n");
}

/* --- what is gone */

static int say_gone(void *arg, const char *name, uint64_t ino, uint32_t type, uint64_t last_tid,
		    uint64_t cookie)
{
	struct words *w = arg;

	(void)cookie;
	say(w, "%s%s %d until %d\n", name, S_ISDIR(type) ? "/" : "", (int)ino, (int)last_tid);
	w->n++;
	return 0;
}

static void test_gone(void **state)
{
	struct store_fixture *f = *state;
	uint64_t d = make_dir(f, HF_ROOT_INO, "d"), ino, tid;
	struct words w = { .n = 0 };
	uint32_t type;

	(void)make_in(f, d, "x");
	(void)make_file(f, "moved");
	(void)make_file(f, "back");
	drop(f, d, "x"); /* tid 5 */
	assert_int_equal(hf_rmdir(f->store, HF_ROOT_INO, "d", NULL, NULL), 0);
	move(f, HF_ROOT_INO, "moved", HF_ROOT_INO, "here");
	drop(f, HF_ROOT_INO, "back");
	(void)make_file(f, "back");
	assert_int_equal(hf_gone(f->store, HF_ROOT_INO, 0, say_gone, &w, NULL), 0);
	assert_int_equal(w.n, 1);
	assert_int_equal(hf_gone_find(f->store, HF_ROOT_INO, "d", &ino, &type, &tid, NULL), 0);
	assert_int_equal(ino, d);
	assert_true(S_ISDIR(type));
	w = (struct words){ .n = 0 };
	assert_int_equal(hf_gone(f->store, d, 0, say_gone, &w, NULL), 0);
	assert_string_equal(w.text, "x 3 until 4\n");
	for (const char *const *name = (const char *const[]){ "moved", "back", "here", "x", "", "a/b", NULL };
	     *name; name++)
		assert_int_equal(hf_gone_find(f->store, HF_ROOT_INO, *name, &ino, &type, &tid, NULL),
				 -ENOENT);
	drop(f, HF_ROOT_INO, "back");
	assert_int_equal(hf_gone_find(f->store, HF_ROOT_INO, "back", &ino, &type, &tid, NULL), 0);
}

/* All of many, each once, from any place on. */
static int stop_at(void *arg, const char *name, uint64_t ino, uint32_t type, uint64_t last_tid,
		   uint64_t cookie)
{
	uint64_t *at = arg;

	(void)name, (void)ino, (void)type, (void)last_tid;
	*at = cookie;
	return 1;
}

static void test_gone_of_many(void **state)
{
	enum { FILES = 700 };
	struct store_fixture *f = *state;
	uint64_t cookie = 0;
	char name[16];
	size_t n = 0;
	int r;

	for (int i = 0; i < FILES; i++) {
		(void)snprintf(name, sizeof(name), "f%d", i);
		for (int again = 0; again < 2; again++) {
			(void)make_file(f, name);
			if (i % 7)
				drop(f, HF_ROOT_INO, name);
			else
				break;
		}
	}
	while ((r = hf_gone(f->store, HF_ROOT_INO, cookie, stop_at, &cookie, NULL)) == 1)
		n++;
	assert_int_equal(r, 0);
	assert_int_equal(n, FILES - FILES / 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_changes, store_setup, history_teardown),
		cmocka_unit_test_setup_teardown(test_changes_of_many_groups, store_setup, history_teardown),
		cmocka_unit_test_setup_teardown(test_versions, store_setup, history_teardown),
		cmocka_unit_test_setup_teardown(test_life_of_a_file, store_setup, history_teardown),
		cmocka_unit_test_setup_teardown(test_life_in_directories, store_setup, history_teardown),
		cmocka_unit_test_setup_teardown(test_life_of_links, store_setup, history_teardown),
		cmocka_unit_test_setup_teardown(test_life_of_renamed_link, store_setup, history_teardown),
		cmocka_unit_test_setup_teardown(test_gone, store_setup, history_teardown),
		cmocka_unit_test_setup_teardown(test_gone_of_many, store_setup, history_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
