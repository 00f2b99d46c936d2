/* SPDX-License-Identifier: MIT */
/* The past as changes: who did what, what a path was, what is gone, how moments differ. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "store/history/internal.h"
#include "tests/unit/store_helper.h"

static int teardown(void **state)
{
	hf_act_for(HF_UID_UNKNOWN);
	return store_teardown(state);
}

static void move(struct store_fixture *f, uint64_t dir, const char *name, uint64_t to, const char *new_name)
{
	assert_int_equal(hf_rename(f->store, dir, name, to, new_name, 0, NULL), 0);
}

static void drop(struct store_fixture *f, uint64_t dir, const char *name)
{
	assert_int_equal(hf_unlink(f->store, dir, name, NULL, NULL), 0);
}

/* Words for what a walk tells, to be held against a text. */
struct words {
	char text[8192];
	size_t len;
	size_t n, stop; /* stop: after so many; 0: never */
};

static void say(struct words *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct words *w, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	w->len += (size_t)vsnprintf(w->text + w->len, sizeof(w->text) - w->len, fmt, args);
	va_end(args);
	assert_true(w->len < sizeof(w->text));
}

/* --- operations, and on whose behalf */

static const char *kind_name(enum hf_change_kind kind)
{
	static const char *const names[] = { "?", "create", "link", "remove", "rename", "attributes", "write", "allocate",
					     "copy", "xattr", "tag", "own" };

	return names[kind];
}

static int say_change(void *arg, const struct hf_change *c)
{
	struct words *w = arg;

	say(w, "%s %d+%d %d by %d\n", kind_name(c->kind), (int)c->ino, (int)c->other, (int)c->bytes, (int)c->uid);
	return ++w->n == w->stop;
}

static void expect_changes(struct store_fixture *f, uint64_t since, uint64_t until, unsigned flags, size_t stop,
			   const char *wanted)
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
	assert_int_equal(hf_setattr(f->store, a, &(struct hf_setattr){ .mask = HF_SET_SIZE, .size_bytes = 2 }, NULL, NULL), 0);
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
		expect_changes(f, 1, 3, HF_NEWEST_FIRST, 0, "attributes 2+0 3 by 1000\nwrite 2+0 5 by 1000\n");
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
			assert_int_equal(hf_changes(f->store, since, until, HF_NEWEST_FIRST, count_down, &next, NULL), 0);
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
	say(arg, "%s %d %d-%d%s%s\n", st->path, (int)st->ino, (int)st->from, (int)st->until, st->came_by_rename ? " renamed" : "",
	    st->removed ? " removed" : "");
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

	(void)make_in(f, d, "x");                   /* tid 2, inode 3 */
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

static int say_gone(void *arg, const char *name, uint64_t ino, uint32_t type, uint64_t last_tid, uint64_t cookie)
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
	for (const char *const *name = (const char *const[]){ "moved", "back", "here", "x", "", "a/b", NULL }; *name; name++)
		assert_int_equal(hf_gone_find(f->store, HF_ROOT_INO, *name, &ino, &type, &tid, NULL), -ENOENT);
	drop(f, HF_ROOT_INO, "back");
	assert_int_equal(hf_gone_find(f->store, HF_ROOT_INO, "back", &ino, &type, &tid, NULL), 0);
}

/* All of many, each once, from any place on. */
static int stop_at(void *arg, const char *name, uint64_t ino, uint32_t type, uint64_t last_tid, uint64_t cookie)
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

/* --- what happened */

static int say_event(void *arg, const struct hf_event *e)
{
	struct words *w = arg;

	say(w, "%s %s", kind_name(e->change.kind), e->path);
	if (e->renamed)
		say(w, " from %s", e->renamed);
	say(w, " %d-%d\n", e->before ? (int)e->before->size_bytes : -1, e->after ? (int)e->after->size_bytes : -1);
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
	expect_log(f, "d", 0,
		   "create d -1-4096\ncreate d/a -1-0\nwrite d/a 0-3\nrename d/c from d/a 3-3\nwrite d/c 3-4\n"
		   "rename d/b from other/b 2-2\nrename other/c from d/c 4-4\nremove d/b 2--1\n");
	expect_log(f, "d/b", HF_NEWEST_FIRST,
		   "remove d/b 2--1\nrename d/b from other/b 2-2\nwrite other/b 0-2\ncreate other/b -1-0\n");
	assert_int_equal(hf_log(f->store, "d", 0, HF_TID_HEAD, HF_NEWEST_FIRST, say_event, &w, NULL, NULL), 1);
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

/* Snapshots are marks in the log of a tree, as long as that was there; also after the index was built anew. */
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
		expect_tags(f, "", HF_NEWEST_FIRST,
			    "last is 7\nremove d\nsecond taken away\nremove d/a\nsecond is 3\ncreate d/a\ncreate d\n"
			    "first is 0\n");
		expect_tags(f, "d", 0, "create d\ncreate d/a\nsecond is 3\nremove d/a\nsecond taken away\nremove d\n");
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
	assert_int_equal(hf_setattr(f->store, b, &(struct hf_setattr){ .mask = HF_SET_MODE, .mode = 0600 }, NULL, NULL), 0);
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
	expect_diff(f, from, to, "",
		    "A  added new\nM  d/a\nP  d/b\nD  d/gone gone\nP  d/same\nM  d/saved\n");
	expect_diff(f, to, from, "",
		    "D  added gone\nM  d/a\nP  d/b\nA  d/gone new\nP  d/same\nM  d/saved\n");
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
	uint64_t d = make_dir(f, HF_ROOT_INO, "d"), x = make_in(f, d, "x"), tmp = make_in(f, d, "tmp"), from, to;
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
	assert_int_equal(hf_setattr(f->store, a, &(struct hf_setattr){ .mask = HF_SET_SIZE, .size_bytes = 0 }, NULL, NULL), 0);
	assert_int_equal(hf_setattr(f->store, a, &(struct hf_setattr){ .mask = HF_SET_SIZE, .size_bytes = sizeof(block) }, NULL,
				    NULL), 0);
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
		cmocka_unit_test_setup_teardown(test_changes, store_setup, teardown),
		cmocka_unit_test_setup_teardown(test_changes_of_many_groups, store_setup, teardown),
		cmocka_unit_test_setup_teardown(test_versions, store_setup, teardown),
		cmocka_unit_test_setup_teardown(test_life_of_a_file, store_setup, teardown),
		cmocka_unit_test_setup_teardown(test_life_in_directories, store_setup, teardown),
		cmocka_unit_test_setup_teardown(test_life_of_links, store_setup, teardown),
		cmocka_unit_test_setup_teardown(test_life_of_renamed_link, store_setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone, store_setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone_of_many, store_setup, teardown),
		cmocka_unit_test_setup_teardown(test_log, store_setup, teardown),
		cmocka_unit_test_setup_teardown(test_log_of_tags, store_setup, teardown),
		cmocka_unit_test_setup_teardown(test_log_of_links, store_setup, teardown),
		cmocka_unit_test_setup_teardown(test_log_from_when_on, store_setup, teardown),
		cmocka_unit_test_setup_teardown(test_diff, store_setup, teardown),
		cmocka_unit_test_setup_teardown(test_diff_of_little, store_setup, teardown),
		cmocka_unit_test_setup_teardown(test_same_contents, store_setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
