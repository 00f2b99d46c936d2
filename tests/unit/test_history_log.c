/* SPDX-License-Identifier: MIT */
/* What happened in a file or a tree, and how two moments differ. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/history_helper.h"

/* --- what happened */

static int say_event(void *arg, const struct hf_event *e)
{
	struct words *w = arg;

	say(w, "%s %s", kind_name(e->change.kind), e->path);
	if (e->renamed)
		say(w, " from %s", e->renamed);
	say(w, " %d-%d\n", e->before ? (int)e->before->size_bytes : -1,
	    e->after ? (int)e->after->size_bytes : -1);
	return ++w->n == w->stop;
}

static void expect_log(struct store_fixture *f, const char *path, unsigned flags, const char *wanted)
{
	struct words w = { .n = 0 };

	assert_int_equal(hf_log(f->store, path, 0, HF_TID_HEAD, flags, say_event, &w, NULL, NULL), 0);
	assert_string_equal(w.text, wanted);
}

static void test_log(void **state)
{
	struct store_fixture *f = *state;
	uint64_t d = make_dir(f, HF_ROOT_INO, "d"), other = make_dir(f, HF_ROOT_INO, "other");
	uint64_t a = make_in(f, d, "a"), b = make_in(f, other, "b");
	struct words w = { .stop = 2 };

	put_text(f, a, 0, "one");
	put_text(f, b, 0, "no");
	move(f, d, "a", d, "c");
	put_text(f, a, 0, "two!");
	move(f, other, "b", d, "b");
	move(f, d, "c", other, "c");
	put_text(f, a, 0, "three");
	drop(f, d, "b");
	commit(f);
	expect_log(f, "other/c", 0,
		   "create d/a -1-0\nwrite d/a 0-3\nrename d/c from d/a 3-3\nwrite d/c 3-4\n"
		   "rename other/c from d/c 4-4\nwrite other/c 4-5\n");
	expect_log(
		f, "d", 0,
		"create d -1-4096\ncreate d/a -1-0\nwrite d/a 0-3\nrename d/c from d/a 3-3\nwrite d/c 3-4\n"
		"rename d/b from other/b 2-2\nrename other/c from d/c 4-4\nremove d/b 2--1\n");
	expect_log(f, "d/b", HF_NEWEST_FIRST,
		   "remove d/b 2--1\nrename d/b from other/b 2-2\nwrite other/b 0-2\ncreate other/b -1-0\n");
	assert_int_equal(hf_log(f->store, "d", 0, HF_TID_HEAD, HF_NEWEST_FIRST, say_event, &w, NULL, NULL),
			 1);
	assert_string_equal(w.text, "remove d/b 2--1\nrename other/c from d/c 4-4\n");
	assert_int_equal(hf_log(f->store, "nothing", 0, HF_TID_HEAD, 0, say_event, &w, NULL, NULL), -ENOENT);
}

static int say_tag(void *arg, const struct hf_event *e)
{
	struct words *w = arg;

	if (e->tag && e->tagged_tid == HF_TID_HEAD)
		say(w, "%s taken away\n", e->tag);
	else if (e->tag)
		say(w, "%s is %d\n", e->tag, (int)e->tagged_tid);
	else
		say(w, "%s %s\n", kind_name(e->change.kind), e->path);
	return 0;
}

static void expect_tags(struct store_fixture *f, const char *path, unsigned flags, const char *wanted)
{
	struct words w = { .n = 0 };

	assert_int_equal(hf_log(f->store, path, 0, HF_TID_HEAD, flags, say_tag, &w, NULL, NULL), 0);
	assert_string_equal(w.text, wanted);
}

/* Snapshots are marks in the log of a tree, as long as that was there; also after the index was built anew.
 */
static void test_log_of_tags(void **state)
{
	const struct history_limits usual = history_limits;
	struct store_fixture *f = *state;
	uint64_t d;

	assert_int_equal(hf_tag(f->store, "first", 0, NULL), 0);
	d = make_dir(f, HF_ROOT_INO, "d");
	(void)make_in(f, d, "a");
	assert_int_equal(hf_tag(f->store, "second", HF_TID_HEAD, NULL), 0);
	drop(f, d, "a");
	assert_int_equal(hf_untag(f->store, "second", NULL), 0);
	assert_int_equal(hf_rmdir(f->store, HF_ROOT_INO, "d", NULL, NULL), 0);
	assert_int_equal(hf_tag(f->store, "last", HF_TID_HEAD, NULL), 0);
	commit(f);
	for (int again = 0; again < 2; again++) {
		expect_tags(
			f, "", HF_NEWEST_FIRST,
			"last is 7\nremove d\nsecond taken away\nremove d/a\nsecond is 3\ncreate d/a\ncreate d\n"
			"first is 0\n");
		expect_tags(f, "d", 0,
			    "create d\ncreate d/a\nsecond is 3\nremove d/a\nsecond taken away\nremove d\n");
		expect_tags(f, "d/a", 0, "create d/a\nremove d/a\n");
		history_limits = (struct history_limits){ 0, 1, 1, 1, 1 }; /* found by what the tree was */
		expect_tags(f, "d", HF_NEWEST_FIRST,
			    "remove d\nsecond taken away\nremove d/a\nsecond is 3\ncreate d/a\ncreate d\n");
		history_limits = usual;
		store_close(f);
		store_open(f, HF_OPEN_REBUILD);
	}
}

/* A file with a name inside and one outside of the tree is told of under the one inside. */
static void test_log_of_links(void **state)
{
	struct store_fixture *f = *state;
	uint64_t d = make_dir(f, HF_ROOT_INO, "d"), a = make_file(f, "a");

	put_text(f, a, 0, "before");
	assert_int_equal(hf_link(f->store, a, d, "in", NULL, NULL), 0);
	put_text(f, a, 0, "within");
	drop(f, d, "in");
	put_text(f, a, 0, "after");
	commit(f);
	expect_log(f, "d", 0, "create d -1-4096\nlink d/in 6-6\nwrite d/in 6-6\nremove d/in 6-6\n");
}

/* A second name's log begins with it; a path that was two directories at a time is told of as both. */
static void test_log_from_when_on(void **state)
{
	struct store_fixture *f = *state;
	uint64_t a = make_file(f, "a");

	put_text(f, a, 0, "before");
	assert_int_equal(hf_link(f->store, a, HF_ROOT_INO, "b", NULL, NULL), 0);
	put_text(f, a, 0, "within");
	commit(f);
	expect_log(f, "b", 0, "link b 6-6\nwrite b 6-6\n");
	(void)make_dir(f, HF_ROOT_INO, "e");
	assert_int_equal(hf_rmdir(f->store, HF_ROOT_INO, "e", NULL, NULL), 0);
	(void)make_in(f, make_dir(f, HF_ROOT_INO, "d"), "new");
	move(f, HF_ROOT_INO, "d", HF_ROOT_INO, "e");
	commit(f);
	expect_log(f, "e", 0,
		   "create e -1-4096\nremove e 4096--1\ncreate d -1-4096\n"
		   "create d/new -1-0\nrename e from d 4096-4096\n");
}

/* --- two moments */

static int say_difference(void *arg, const struct hf_difference *d)
{
	static const char letters[] = "?ADMPR";
	struct words *w = arg;

	say(w, "%c%c %s", letters[d->kind], d->also ? letters[d->also] : ' ', d->path);
	if (strcmp(d->path, d->path_before) != 0)
		say(w, " from %s", d->path_before);
	say(w, "%s%s\n", d->a ? "" : " new", d->b ? "" : " gone");
	return 0;
}

static void expect_diff(struct store_fixture *f, uint64_t a, uint64_t b, const char *path, const char *wanted)
{
	struct words w = { .n = 0 };

	assert_int_equal(hf_diff(f->store, a, b, path, say_difference, &w, NULL, NULL), 0);
	assert_string_equal(w.text, wanted);
}

static void test_diff(void **state)
{
	struct store_fixture *f = *state;
	uint64_t d = make_dir(f, HF_ROOT_INO, "d"), a = make_in(f, d, "a"), b = make_in(f, d, "b"), from, to;
	uint64_t same = make_in(f, d, "same"), saved = make_in(f, d, "saved"), fresh;

	(void)make_in(f, d, "gone");
	put_text(f, a, 0, "aaaa");
	put_text(f, same, 0, "same");
	put_text(f, saved, 0, "old");
	from = head(f);
	put_text(f, a, 1, "bb");
	assert_int_equal(hf_setattr(f->store, b, &(struct hf_setattr){ .mask = HF_SET_MODE, .mode = 0600 },
				    NULL, NULL),
			 0);
	put_text(f, same, 0, "else");
	put_text(f, same, 0, "same");
	drop(f, d, "gone");
	fresh = make_in(f, d, "tmp");
	put_text(f, fresh, 0, "new");
	move(f, d, "tmp", d, "saved");
	(void)make_file(f, "added");
	(void)make_in(f, d, "came and went");
	drop(f, d, "came and went");
	commit(f);
	to = head(f);
	expect_diff(f, from, to, "", "A  added new\nM  d/a\nP  d/b\nD  d/gone gone\nP  d/same\nM  d/saved\n");
	expect_diff(f, to, from, "", "D  added gone\nM  d/a\nP  d/b\nA  d/gone new\nP  d/same\nM  d/saved\n");
	expect_diff(f, from, to, "/d/a/", "M  d/a\n");
	expect_diff(f, from, to, "ad", "");
	expect_diff(f, to, HF_TID_HEAD, "", "");
	move(f, HF_ROOT_INO, "d", HF_ROOT_INO, "e");
	move(f, d, "a", HF_ROOT_INO, "a");
	put_text(f, a, 0, "other");
	commit(f);
	expect_diff(f, to, HF_TID_HEAD, "", "RM a from d/a\nR  e from d\n");
	expect_diff(f, HF_TID_HEAD, to, "", "R  d from e\nRM d/a from a\n");
	expect_diff(f, to, HF_TID_HEAD, "e", "R  e from d\n");
	expect_diff(f, 0, from, "d/b", "A  d/b new\n");
}

static void test_diff_of_little(void **state)
{
	struct store_fixture *f = *state;
	uint64_t d = make_dir(f, HF_ROOT_INO, "d"), x = make_in(f, d, "x"), tmp = make_in(f, d, "tmp"), from,
		 to;
	static char value[65536];

	assert_int_equal(hf_setxattr(f->store, x, "user.long", value, sizeof(value), 0, 0, NULL), 0);
	from = head(f);
	move(f, d, "x", d, "y"); /* there and back */
	move(f, d, "y", d, "x");
	commit(f);
	expect_diff(f, from, HF_TID_HEAD, "", "");
	move(f, HF_ROOT_INO, "d", HF_ROOT_INO, "e"); /* of what is in it nothing changed */
	to = head(f);
	commit(f);
	expect_diff(f, from, HF_TID_HEAD, "", "R  e from d\n");
	move(f, d, "tmp", d, "x"); /* renamed over; and seen from the other side */
	commit(f);
	expect_diff(f, to, HF_TID_HEAD, "", "R  e/x from e/tmp\n");
	expect_diff(f, HF_TID_HEAD, to, "", "R  e/tmp from e/x\nA  e/x new\n");
	to = head(f);
	put_text(f, tmp, 0, "not committed yet");
	expect_diff(f, to, HF_TID_HEAD, "", "");
}

static void test_same_contents(void **state)
{
	struct store_fixture *f = *state;
	const struct hf_view now = { f->store, HF_TID_HEAD };
	uint64_t a = make_file(f, "a"), b = make_file(f, "b");
	static char block[200000];
	uint64_t before;

	memset(block, 'x', sizeof(block));
	put(f, a, 0, block, sizeof(block));
	put(f, b, 100000, block, 100000);
	assert_int_equal(hf_same_contents(&now, a, &now, b, NULL), 0);
	put(f, b, 0, block, 100000);
	assert_int_equal(hf_same_contents(&now, a, &now, b, NULL), 1);
	commit(f);
	assert_int_equal(hf_same_contents(&now, a, &now, b, NULL), 1);
	before = head(f);
	put_text(f, b, 150000, "y");
	assert_int_equal(hf_same_contents(&now, a, &now, b, NULL), 0);
	assert_int_equal(hf_same_contents(&(struct hf_view){ f->store, before }, b, &now, a, NULL), 1);
	/* a hole, and zeros that were written */
	assert_int_equal(hf_setattr(f->store, a, &(struct hf_setattr){ .mask = HF_SET_SIZE, .size_bytes = 0 },
				    NULL, NULL),
			 0);
	assert_int_equal(hf_setattr(f->store, a,
				    &(struct hf_setattr){ .mask = HF_SET_SIZE, .size_bytes = sizeof(block) },
				    NULL, NULL),
			 0);
	memset(block, 0, sizeof(block));
	put(f, b, 0, block, sizeof(block));
	assert_int_equal(hf_same_contents(&now, a, &now, b, NULL), 1);
	assert_int_equal(hf_same_contents(&now, b, &now, a, NULL), 1);
	put_text(f, b, 199999, "z");
	assert_int_equal(hf_same_contents(&now, a, &now, b, NULL), 0);
	assert_int_equal(hf_same_contents(&now, b, &now, a, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_log, store_setup, history_teardown),
		cmocka_unit_test_setup_teardown(test_log_of_tags, store_setup, history_teardown),
		cmocka_unit_test_setup_teardown(test_log_of_links, store_setup, history_teardown),
		cmocka_unit_test_setup_teardown(test_log_from_when_on, store_setup, history_teardown),
		cmocka_unit_test_setup_teardown(test_diff, store_setup, history_teardown),
		cmocka_unit_test_setup_teardown(test_diff_of_little, store_setup, history_teardown),
		cmocka_unit_test_setup_teardown(test_same_contents, store_setup, history_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
