/* SPDX-License-Identifier: MIT */
/* All names that a directory ever had, and those that are gone: held against every moment's own listing. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "holdfast/history.h"
#include "store_helper.h"

enum { NAMES = 40, STEPS = 3000 };

static struct store_fixture f;

static int setup(void **state)
{
	(void)state;
	store_fixture_init(&f, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	store_fixture_release(&f);
	return 0;
}

/* A listing, as a row of flags: which of the names n0, n1, … */
struct listed {
	bool has[NAMES];
	unsigned n, doubled;
	uint64_t cookie; /* the last one */
	unsigned stop;   /* after so many; 0: never */
};

static int note(struct listed *l, const char *name, uint64_t cookie)
{
	int k = atoi(name + 1);

	if (l->stop && l->n == l->stop)
		return 1;
	assert_true(name[0] == 'n' && k >= 0 && k < NAMES);
	assert_true(cookie > l->cookie);
	l->doubled += l->has[k];
	l->has[k] = true;
	l->cookie = cookie;
	l->n++;
	return 0;
}

static int note_had(void *arg, const char *name, uint64_t cookie)
{
	return note(arg, name, cookie);
}

static int note_entry(void *arg, const char *name, uint64_t ino, uint32_t type, uint64_t cookie,
		      const struct hf_attr *attr)
{
	(void)ino;
	(void)type;
	(void)attr;
	return note(arg, name, cookie);
}

static void add_moment(uint64_t dir, uint64_t tid, bool has[NAMES])
{
	struct hf_view view = { f.store, tid };
	struct listed l = { .n = 0 };

	assert_int_equal(hf_view_readdir(&view, dir, 0, 0, note_entry, &l, NULL), 0);
	for (unsigned i = 0; i < NAMES; i++)
		has[i] |= l.has[i];
}

static void expect_had(uint64_t dir, uint64_t from, uint64_t until, const bool wanted[NAMES])
{
	struct listed l = { .n = 0 };
	char name[16];

	assert_int_equal(hf_had(f.store, dir, from, until, 0, note_had, &l, NULL), 0);
	assert_int_equal(l.doubled, 0);
	for (unsigned i = 0; i < NAMES; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		if (l.has[i] != wanted[i])
			fail_msg("%s, %llu to %llu: %d, wanted %d", name, (unsigned long long)from,
				 (unsigned long long)until, l.has[i], wanted[i]);
		assert_int_equal(hf_had_name(f.store, dir, name, from, until, NULL), wanted[i]);
	}
	/* and the same in pieces */
	for (struct listed all = l, part = { .stop = 3 }; all.n > 0;) {
		int r = hf_had(f.store, dir, from, until, part.cookie, note_had, &part, NULL);

		assert_int_equal(part.doubled, 0);
		if (r == 0) {
			assert_memory_equal(part.has, all.has, sizeof(all.has));
			break;
		}
		part.n = 0;
	}
}

/* Names come, go, are moved within, away and back, and are replaced; settled and not. */
static void churn(uint64_t dir, uint64_t other, unsigned seed, unsigned steps)
{
	for (unsigned i = 0; i < steps; i++) {
		char name[16], to[16];

		seed = seed * 1103515245 + 12345;
		snprintf(name, sizeof(name), "n%u", (seed >> 8) % (NAMES / 2));
		snprintf(to, sizeof(to), "n%u", (seed >> 16) % NAMES);
		switch ((seed >> 24) % 5) {
		case 0:
			(void)hf_unlink(f.store, dir, name, NULL, NULL);
			break;
		case 1:
			(void)hf_rename(f.store, dir, name, dir, to, 0, NULL);
			break;
		case 2:
			(void)hf_rename(f.store, dir, name, other, name, 0, NULL);
			break;
		case 3:
			(void)hf_rename(f.store, other, name, dir, to, 0, NULL);
			break;
		default:
			(void)hf_create(f.store, dir, name, 0644, 0, 0, NULL, &(struct hf_cred){ 0, 0 }, NULL,
					NULL);
		}
		if (i % 300 == 299)
			commit(&f);
	}
}

static void test_every_name(void **state)
{
	uint64_t dir = make_dir(&f, HF_ROOT_INO, "d"), other = make_dir(&f, HF_ROOT_INO, "o"), begin, end;
	static const struct {
		uint64_t from, len;
	} spans[] = {
		{ 0, 1 },     { 0, 40 },  { 10, 1 },    { 77, 5 },
		{ 200, 111 }, { 333, 2 }, { 500, 400 }, { 0, 20000 },
	};

	(void)state;
	begin = head(&f);
	churn(dir, other, 7, STEPS);
	end = head(&f);
	assert_true(end > begin + 900);
	for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
		uint64_t from = begin + spans[i].from, until = from + spans[i].len;
		bool wanted[NAMES] = { false };

		for (uint64_t tid = from; tid < until && tid <= end; tid++)
			add_moment(dir, tid, wanted);
		expect_had(dir, from, until > end ? HF_TID_HEAD : until, wanted);
	}
}

static int note_last(void *arg, const char *name, uint64_t ino, uint32_t type, uint64_t last_tid,
		     uint64_t cookie)
{
	(void)ino;
	(void)type;
	(void)cookie;
	if (strcmp(name, "n3") == 0)
		*(uint64_t *)arg = last_tid;
	return 0;
}

/* A lock file that came and went so often that its rows fill many batches, among other names. */
static void test_one_name_a_thousand_times(void **state)
{
	uint64_t dir = make_dir(&f, HF_ROOT_INO, "d"), before, middle = 0;
	bool all[NAMES], none[NAMES] = { false }, three[NAMES] = { false }, seen[NAMES] = { false };
	struct hf_attr attr;
	uint64_t last = 0;
	char path[64];

	(void)state;
	before = head(&f);
	for (unsigned i = 0; i < NAMES; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%u", i);
		make_in(&f, dir, name);
		if (i % 2)
			assert_int_equal(hf_unlink(f.store, dir, name, NULL, NULL), 0);
		all[i] = true;
	}
	for (unsigned i = 0; i < 1000; i++) {
		make_in(&f, dir, "n3");
		assert_int_equal(hf_unlink(f.store, dir, "n3", NULL, NULL), 0);
		if (i == 500)
			middle = head(&f);
		if (i % 400 == 399)
			commit(&f);
	}
	expect_had(dir, 0, HF_TID_HEAD, all);
	expect_had(dir, 0, before + 1, none);
	for (unsigned i = 0; i < NAMES; i += 2)
		three[i] = true;
	expect_had(dir, middle, middle + 1, three);
	add_moment(dir, middle, seen);
	assert_memory_equal(seen, three, sizeof(seen));
	three[3] = true;
	expect_had(dir, middle, middle + 2, three);
	add_moment(dir, middle + 1, seen);
	assert_memory_equal(seen, three, sizeof(seen));
	assert_int_equal(hf_view_lookup(&(struct hf_view){ f.store, middle + 1 }, dir, "n3", &attr, NULL), 0);
	assert_int_equal(hf_view_path(&(struct hf_view){ f.store, middle + 1 }, attr.ino, path, sizeof(path),
				      NULL),
			 4);
	assert_string_equal(path, "d/n3");
	assert_int_equal(hf_gone(f.store, dir, 0, note_last, &last, NULL), 0);
	assert_int_equal(last, head(&f) - 1);
}

/* --- what is gone */

struct gone {
	char names[8][16];
	uint64_t inos[8], tids[8];
	unsigned n;
};

static int note_gone(void *arg, const char *name, uint64_t ino, uint32_t type, uint64_t last_tid,
		     uint64_t cookie)
{
	struct gone *g = arg;

	(void)type;
	(void)cookie;
	assert_true(g->n < 8);
	snprintf(g->names[g->n], sizeof(g->names[0]), "%s", name);
	g->inos[g->n] = ino;
	g->tids[g->n++] = last_tid;
	return 0;
}

/*
 * A name is gone when it was removed, whatever other names the file has; not when the file got another name
 * for it.
 */
static void test_gone_with_other_names(void **state)
{
	uint64_t dir = make_dir(&f, HF_ROOT_INO, "d"), keep = make_dir(&f, HF_ROOT_INO, "k"), ino, found_ino,
		 tid;
	struct gone g = { .n = 0 };
	uint32_t type;

	(void)state;
	ino = make_in(&f, dir, "one");
	put_text(&f, ino, 0, "text");
	assert_int_equal(hf_link(f.store, ino, keep, "two", NULL, NULL), 0);
	make_in(&f, dir, "moved");
	assert_int_equal(hf_rename(f.store, dir, "moved", keep, "moved", 0, NULL), 0);
	tid = head(&f);
	assert_int_equal(hf_unlink(f.store, dir, "one", NULL, NULL), 0);
	put_text(&f, ino, 0, "TEXT");
	assert_int_equal(hf_gone(f.store, dir, 0, note_gone, &g, NULL), 0);
	assert_int_equal(g.n, 1);
	assert_string_equal(g.names[0], "one");
	assert_int_equal(g.inos[0], ino);
	assert_int_equal(g.tids[0], tid);
	expect_text(&f, g.tids[0], ino, "text");
	assert_int_equal(hf_gone_find(f.store, dir, "one", &found_ino, &type, &tid, NULL), 0);
	assert_int_equal(hf_gone_find(f.store, dir, "moved", &found_ino, &type, &tid, NULL), -ENOENT);
}

static int keep_stretch(void *arg, const struct hf_stretch *st)
{
	struct hf_stretch *kept = arg;

	if (!kept->ino)
		*kept = *st;
	return 0;
}

static void test_unlinked(void **state)
{
	struct hf_stretch last = { 0 };
	uint64_t ino = make_file(&f, "a");

	(void)state;
	assert_int_equal(hf_link(f.store, ino, HF_ROOT_INO, "b", NULL, NULL), 0);
	assert_int_equal(hf_unlink(f.store, HF_ROOT_INO, "a", NULL, NULL), 0);
	assert_int_equal(hf_life(f.store, "a", keep_stretch, &last, NULL), 0);
	assert_true(last.ino == ino && last.unlinked && !last.removed);
	assert_int_equal(hf_rename(f.store, HF_ROOT_INO, "b", HF_ROOT_INO, "c", 0, NULL), 0);
	last.ino = 0;
	assert_int_equal(hf_life(f.store, "b", keep_stretch, &last, NULL), 0);
	assert_true(last.ino == ino && !last.unlinked && !last.removed);
	assert_int_equal(hf_unlink(f.store, HF_ROOT_INO, "c", NULL, NULL), 0);
	last.ino = 0;
	assert_int_equal(hf_life(f.store, "c", keep_stretch, &last, NULL), 0);
	assert_true(last.ino == ino && last.unlinked && last.removed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_every_name, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_name_a_thousand_times, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone_with_other_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unlinked, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
