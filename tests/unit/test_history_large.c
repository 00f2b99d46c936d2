/* SPDX-License-Identifier: MIT */
/* The past of what is large or busy: many versions, large groups, much that happens elsewhere or meanwhile.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "store/history/internal.h"
#include "tests/unit/store_helper.h"

static void set_mode(struct store_fixture *f, uint64_t ino, uint32_t mode)
{
	assert_int_equal(hf_setattr(f->store, ino, &(struct hf_setattr){ .mask = HF_SET_MODE, .mode = mode },
				    NULL, NULL),
			 0);
}

struct count {
	size_t n, stop; /* stop: after so many; 0: never */
	uint64_t last, bytes;
	bool down;
};

static int count_version(void *arg, const struct hf_attr *attr, uint64_t ended)
{
	struct count *c = arg;

	if (c->n > 0)
		assert_true(c->down ? ended == c->last : attr->tid == c->last); /* no gap */
	c->last = c->down ? attr->tid : ended;
	return ++c->n == c->stop;
}

static int count_event(void *arg, const struct hf_event *e)
{
	struct count *c = arg;

	if (c->n > 0)
		assert_true(c->down ? e->change.tid < c->last : e->change.tid > c->last);
	c->last = e->change.tid;
	c->bytes += e->change.bytes;
	return ++c->n == c->stop;
}

static void test_many_versions(void **state)
{
	enum { VERSIONS = 100000 };
	struct store_fixture *f = *state;
	uint64_t a = make_file(f, "a");
	struct count c = { 0 };

	for (int i = 0; i < VERSIONS; i++)
		set_mode(f, a, i % 2 ? 0600 : 0644);
	commit(f);
	assert_int_equal(hf_versions(f->store, a, 0, HF_TID_HEAD, 0, count_version, &c, NULL), 0);
	assert_int_equal(c.n, VERSIONS + 1);
	assert_true(c.last == HF_TID_HEAD);
	c = (struct count){ .down = true, .stop = 500 };
	assert_int_equal(hf_versions(f->store, a, 0, HF_TID_HEAD, HF_NEWEST_FIRST, count_version, &c, NULL),
			 1);
	c = (struct count){ 0 };
	assert_int_equal(hf_log(f->store, "a", 0, HF_TID_HEAD, 0, count_event, &c, NULL, NULL), 0);
	assert_int_equal(c.n, VERSIONS + 1);
	c = (struct count){ .down = true, .stop = 20 };
	assert_int_equal(hf_log(f->store, "a", 0, HF_TID_HEAD, HF_NEWEST_FIRST, count_event, &c, NULL, NULL),
			 1);
	c = (struct count){ 0 };
	assert_int_equal(hf_log(f->store, "", 0, HF_TID_HEAD, 0, count_event, &c, NULL, NULL), 0);
	assert_int_equal(c.n, VERSIONS + 1);
}

/* A directory in which little happened is told of as if nothing else had been there. */
static int say_event(void *arg, const struct hf_event *e)
{
	char *words = arg;
	const size_t len = strlen(words);

	(void)snprintf(words + len, 1000 - len, "%d %s\n", e->change.kind, e->path);
	return 0;
}

static int say_difference(void *arg, const struct hf_difference *d)
{
	char *words = arg;
	const size_t len = strlen(words);

	(void)snprintf(words + len, 1000 - len, "%d %s\n", d->kind, d->path);
	return 0;
}

static void test_quiet_directory(void **state)
{
	enum { OPS = 80000 };
	static const char forwards[] = "1 quiet\n1 quiet/x\n6 quiet/x\n1 quiet/gone\n1 quiet/two\n"
				       "3 quiet/gone\n3 quiet/two\n4 quiet/in\n5 quiet/x\n";
	static const char backwards[] = "5 quiet/x\n4 quiet/in\n3 quiet/two\n3 quiet/gone\n1 quiet/two\n"
					"1 quiet/gone\n6 quiet/x\n1 quiet/x\n1 quiet\n";
	const struct history_limits usual = history_limits;
	struct store_fixture *f = *state;
	uint64_t busy = make_file(f, "busy"), quiet = make_dir(f, HF_ROOT_INO, "quiet"),
		 x = make_in(f, quiet, "x"), from;
	char words[1000] = "";

	put_text(f, x, 0, "one");
	(void)make_in(f, quiet, "gone");
	(void)make_in(f, quiet, "two");
	from = head(f);
	for (int i = 0; i < OPS; i++) {
		set_mode(f, busy, i % 2 ? 0600 : 0644);
		if (i == OPS / 4) {
			assert_int_equal(hf_unlink(f->store, quiet, "gone", NULL, NULL), 0);
			assert_int_equal(hf_unlink(f->store, quiet, "two", NULL, NULL), 0);
		}
		if (i == OPS / 3) {
			(void)make_file(f, "out");
			assert_int_equal(hf_rename(f->store, HF_ROOT_INO, "out", quiet, "in", 0, NULL), 0);
		}
		if (i == OPS / 2)
			set_mode(f, x, 0600);
	}
	commit(f);
	assert_int_equal(hf_log(f->store, "quiet", 0, HF_TID_HEAD, 0, say_event, words, NULL, NULL), 0);
	assert_string_equal(words, forwards);
	words[0] = 0;
	assert_int_equal(hf_log(f->store, "quiet", 0, HF_TID_HEAD, HF_NEWEST_FIRST, say_event, words, NULL,
				NULL),
			 0);
	assert_string_equal(words, backwards);
	words[0] = 0;
	/* so few are looked at first, which are gone later, and then it is too much */
	history_limits.members = history_limits.states = 1;
	history_limits.ops_a_row = OPS / 16;
	assert_int_equal(hf_log(f->store, "quiet", 0, from + OPS / 8, HF_NEWEST_FIRST, say_event, words, NULL,
				NULL),
			 0);
	assert_string_equal(words, "1 quiet/two\n1 quiet/gone\n6 quiet/x\n1 quiet/x\n1 quiet\n");
	history_limits = usual;
	words[0] = 0;
	assert_int_equal(hf_diff(f->store, from, HF_TID_HEAD, "quiet", say_difference, words, NULL, NULL), 0);
	assert_string_equal(words, "2 quiet/gone\n1 quiet/in\n2 quiet/two\n4 quiet/x\n");
	words[0] = 0;
	assert_int_equal(hf_diff(f->store, HF_TID_HEAD, from, "quiet", say_difference, words, NULL, NULL), 0);
	assert_string_equal(words, "1 quiet/gone\n2 quiet/in\n1 quiet/two\n4 quiet/x\n");
}

/* Appends that share a moment are one operation of all their bytes. */
static void test_shared_moment(void **state)
{
	struct store_fixture *f = *state;
	uint64_t a = make_file(f, "a");
	struct count c = { 0 };

	for (uint64_t i = 0; i < 100; i++)
		put_text(f, a, i * 4, "more");
	commit(f);
	assert_int_equal(hf_log(f->store, "a", 1, HF_TID_HEAD, 0, count_event, &c, NULL, NULL), 0);
	assert_int_equal(c.n, 1);
	assert_int_equal(c.bytes, 400);
	c = (struct count){ 0 };
	assert_int_equal(hf_versions(f->store, a, 0, HF_TID_HEAD, 0, count_version, &c, NULL), 0);
	assert_int_equal(c.n, 2); /* as it was made, and with all of them */
}

/* --- while operations go on */

enum { BUSY_MAX = 800 };

struct busy {
	struct store_fixture *f;
	uint64_t dir, file;
	atomic_bool stop;
};

static void *be_busy(void *arg)
{
	struct busy *b = arg;
	struct hf_store *s = b->f->store;

	/* bounded: what is looked through meanwhile grows with it, and a slow machine would never be done */
	for (int i = 0; i < BUSY_MAX && !atomic_load(&b->stop); i++) {
		const bool there = i % 2 == 0;

		(void)hf_setattr(s, b->file,
				 &(struct hf_setattr){ .mask = HF_SET_MODE,
						       .mode = 0600 + (uint32_t)(i % 64) },
				 NULL, NULL);
		(void)hf_rename(s, b->dir, there ? "x" : "y", b->dir, there ? "y" : "x", 0, NULL);
		(void)hf_create(s, b->dir, "z", S_IFREG | 0600, 0, 0, NULL, &(struct hf_cred){ 0, 0 }, NULL,
				NULL);
		(void)hf_unlink(s, b->dir, "z", NULL, NULL);
		if (i % 10 == 0)
			(void)hf_store_commit(s, NULL);
	}
	return NULL;
}

static int take_stretch(void *arg, const struct hf_stretch *st)
{
	(void)arg;
	assert_true(st->from < st->until);
	return 0;
}

static int take_difference(void *arg, const struct hf_difference *d)
{
	(void)arg;
	assert_true(d->a || d->b);
	return 0;
}

static int take_gone(void *arg, const char *name, uint64_t ino, uint32_t type, uint64_t last_tid,
		     uint64_t cookie)
{
	(void)arg, (void)ino, (void)type, (void)last_tid, (void)cookie;
	assert_true(name[0] >= 'x' && name[0] <= 'z');
	return 0;
}

static void test_meanwhile(void **state)
{
	enum { ROUNDS = 60 };
	struct store_fixture *f = *state;
	struct busy b = { .f = f, .dir = make_dir(f, HF_ROOT_INO, "d") };
	const struct hf_view now = { f->store, HF_TID_HEAD };
	pthread_t thread;

	b.file = make_in(f, b.dir, "x");
	assert_int_equal(pthread_create(&thread, NULL, be_busy, &b), 0);
	for (int i = 0; i < ROUNDS; i++) {
		struct count c = { 0 }, down = { .down = true, .stop = 200 };
		char path[100];
		int r;

		assert_true(hf_view_path(&now, b.file, path, sizeof(path), NULL) == 3);
		assert_int_equal(hf_versions(f->store, b.file, 0, HF_TID_HEAD, 0, count_version, &c, NULL),
				 0);
		assert_true(hf_versions(f->store, b.file, 0, HF_TID_HEAD, HF_NEWEST_FIRST, count_version,
					&down, NULL) >= 0);
		c = (struct count){ .down = true, .stop = 50 };
		assert_true(hf_log(f->store, "d", 0, HF_TID_HEAD, HF_NEWEST_FIRST, count_event, &c, NULL,
				   NULL) >= 0);
		assert_int_equal(hf_diff(f->store, 2, HF_TID_HEAD, i % 2 ? "d" : "", take_difference, NULL,
					 NULL, NULL),
				 0);
		r = i < 10 ? hf_life(f->store, "d/z", take_stretch, NULL, NULL) : 0;
		assert_true(r == 0 || r == -ENOENT);
		assert_int_equal(hf_gone(f->store, b.dir, 0, take_gone, NULL, NULL), 0);
	}
	atomic_store(&b.stop, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_many_versions, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_quiet_directory, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_shared_moment, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_meanwhile, store_setup, store_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
