/* SPDX-License-Identifier: MIT */
/* What words behind a command name: files, volumes and moments. What needs a mount is in tests/system. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fs/cli/output.h"
#include "fs/cli/target.h"
#include "tests/unit/store_helper.h"

static void expect_split(const char *text, const char *moment, bool maybe)
{
	bool got_maybe = false;
	const char *got = target_split(text, &got_maybe);

	if (!moment) {
		assert_null(got);
		return;
	}
	assert_non_null(got);
	assert_string_equal(got, moment);
	assert_int_equal(got_maybe, maybe);
}

static void test_split(void **state)
{
	(void)state;
	expect_split("notes.txt@2h", "2h", false);
	expect_split("a/b@tid-7", "tid-7", false);
	expect_split("a@b@2026-11-21T101530Z", "2026-11-21T101530Z", false);
	expect_split("notes@@1795256130.5", "@1795256130.5", false);
	expect_split("notes@now", "now", false);
	expect_split("ann@example.com", "example.com", true);
	expect_split("notes@1795256130", "1795256130", true);
	expect_split("notes", NULL, false);
	expect_split("notes@", NULL, false);
	expect_split("ann@2h/letter", NULL, false);
	expect_split("notes@two words", NULL, false);
	expect_split("notes@2026-13", NULL, false);
}

static void expect_clean(const char *within, const char *path, const char *moment)
{
	char *got_path = NULL, *got_moment = NULL;
	struct hf_error err = HF_ERROR_INIT;
	int r = target_clean(within, &got_path, &got_moment, &err);

	if (!path) {
		assert_int_equal(r, -EINVAL);
		assert_true(err.text[0]);
		return;
	}
	assert_int_equal(r, 0);
	assert_string_equal(got_path, path);
	if (moment)
		assert_string_equal(got_moment, moment);
	else
		assert_null(got_moment);
	free(got_path);
	free(got_moment);
}

static void test_clean(void **state)
{
	(void)state;
	expect_clean("", "", NULL);
	expect_clean("/", "", NULL);
	expect_clean("//a/./b//", "a/b", NULL);
	expect_clean("a/../b", "b", NULL);
	expect_clean("a/b/../..", "", NULL);
	expect_clean("a/../..", NULL, NULL);
	expect_clean("..", NULL, NULL);
	expect_clean(".../..a/.b", ".../..a/.b", NULL);
	expect_clean("/.history/at/2h/a/b", "a/b", "2h");
	expect_clean("/.history/at/2h", "", "2h");
	expect_clean("/.history/tags/v1/a", "a", "v1");
	expect_clean("/.history/gmt/@GMT-2026.11.21-10.15.30/a", "a", "2026-11-21T101530Z");
	expect_clean("/.history/gmt/@GMT-2026.11.21/a", NULL, NULL);
	expect_clean("/.history/at", NULL, NULL);
	expect_clean("/.history", NULL, NULL);
	expect_clean("/.history/versions/a", NULL, NULL);
	expect_clean("/.history2/at/x", ".history2/at/x", NULL);
	expect_clean("/a/.history/at", "a/.history/at", NULL);
}

static void find(struct target *t, const char *first, const char *second, const char *at, int want)
{
	char *words[] = { (char *)first, (char *)second };
	struct hf_error err = HF_ERROR_INIT;
	int r;

	*t = (struct target){ .path = NULL };
	r = target_of_words(second ? 2 : 1, words, at, t, &err);
	if (r != want)
		print_error("%s\n", err.text);
	assert_int_equal(r, want);
	if (r < 0)
		assert_true(err.text[0]);
}

static void test_of_a_store(void **state)
{
	char named[300];
	struct store_fixture f;
	struct target t;

	(void)state;
	store_fixture_init(&f, NULL);
	find(&t, f.path, NULL, NULL, 0);
	assert_string_equal(t.path, "");
	assert_string_equal(t.location.store, f.path);
	assert_null(t.moment);
	target_release(&t);

	snprintf(named, sizeof(named), "%s@tid-3", f.path);
	find(&t, named, NULL, NULL, 0);
	assert_string_equal(t.moment, "tid-3");
	target_release(&t);
	find(&t, named, NULL, "now", -ENOENT);
	snprintf(named, sizeof(named), "%s@v1", f.path);
	find(&t, named, NULL, NULL, 0);
	assert_string_equal(t.moment, "v1");
	assert_false(t.maybe_name);
	target_release(&t);

	find(&t, f.path, "/a//b/", NULL, 0);
	assert_string_equal(t.path, "a/b");
	target_release(&t);
	find(&t, f.path, "a/b@@1795256130", NULL, 0);
	assert_string_equal(t.path, "a/b");
	assert_string_equal(t.moment, "2026-11-21T101530Z");
	target_release(&t);
	find(&t, f.path, "a/ann@example.com", NULL, 0);
	assert_string_equal(t.path, "a/ann");
	assert_true(t.maybe_name);
	target_release(&t);
	find(&t, f.path, "a/ann@example.com", "tid-9", 0);
	assert_string_equal(t.path, "a/ann@example.com");
	assert_string_equal(t.moment, "tid-9");
	assert_false(t.maybe_name);
	target_release(&t);
	find(&t, f.path, "a/@home", NULL, 0);
	assert_string_equal(t.path, "a/@home");
	assert_null(t.moment);
	target_release(&t);
	find(&t, f.path, ".history/at/tid-5/a", NULL, 0);
	assert_string_equal(t.path, "a");
	assert_string_equal(t.moment, "tid-5");
	target_release(&t);
	find(&t, f.path, ".history/at/tid-5/a@tid-6", NULL, -EINVAL);
	find(&t, f.path, ".history/at/tid-5/a", "tid-6", -EINVAL);
	find(&t, f.path, "../a", NULL, -EINVAL);
	find(&t, f.path, "a", "the day before", -EINVAL);
	find(&t, f.dir, NULL, NULL, -ENOENT);
	find(&t, "/no/such/place@2h", NULL, NULL, -ENOENT);
	find(&t, "", NULL, NULL, -ENOENT);
	store_fixture_release(&f);
}

/* However the folder of a store is called, it is one. */
static void test_store_with_an_at(void **state)
{
	struct store_fixture f;
	char other[300];
	struct target t;

	(void)state;
	store_fixture_init(&f, NULL);
	store_close(&f);
	snprintf(other, sizeof(other), "%s@2h", f.path);
	assert_int_equal(rename(f.path, other), 0);
	find(&t, other, NULL, NULL, 0);
	assert_string_equal(t.location.store, other);
	assert_null(t.moment);
	target_release(&t);
	assert_int_equal(rename(other, f.path), 0);
	store_fixture_release(&f);
}

static void resolve(struct store_fixture *f, const char *path, const char *at, int want,
		    const char *want_path, uint64_t want_tid)
{
	char *words[] = { f->path, (char *)path };
	struct hf_error err = HF_ERROR_INIT;
	struct target t = { .path = NULL };
	struct target_at where = { .path = NULL };
	json_t *request = json_object();

	assert_int_equal(target_of_words(2, words, at, &t, &err), 0);
	assert_int_equal(target_to_request(&t, request, &err), 0);
	assert_int_equal(target_resolve(f->store, request, &where, &err), want);
	if (want == 0) {
		assert_string_equal(where.path, want_path);
		assert_int_equal(where.point.tid, want_tid);
	}
	json_decref(request);
	target_at_release(&where);
	target_release(&t);
}

static void test_resolve(void **state)
{
	struct hf_error err = HF_ERROR_INIT;
	struct store_fixture f;
	uint64_t first, last;

	(void)state;
	store_fixture_init(&f, NULL);
	make_file(&f, "a");
	first = head(&f);
	assert_int_equal(hf_tag(f.store, "v1", first, &err), 0);
	make_file(&f, "b\xff");
	last = head(&f);
	resolve(&f, "a", NULL, 0, "a", last);
	resolve(&f, "a@v1", NULL, 0, "a", first);
	resolve(&f, "a@v2", NULL, 0, "a@v2", last);
	resolve(&f, "a", "v2", -ENOENT, NULL, 0);
	resolve(&f, "b\xff", NULL, 0, "b\xff", last);
	resolve(&f, "a@1990", NULL, -ENOENT, NULL, 0);
	store_fixture_release(&f);
}

static void missing(struct store_fixture *f, const char *path, uint64_t tid, const char *words)
{
	struct target_at t = { .path = (char *)path, .point = { tid, 0 }, .said = true };
	struct hf_error err = HF_ERROR_INIT;
	struct hf_attr attr;

	assert_int_equal(target_walk(f->store, &t, &attr, &err), words ? -ENOENT : 0);
	if (words && !strstr(err.text, words))
		fail_msg("'%s' has no '%s'", err.text, words);
}

static void test_nearest(void **state)
{
	struct hf_error err = HF_ERROR_INIT;
	uint64_t none, made, gone, again;
	struct store_fixture f;
	char words[64];

	(void)state;
	store_fixture_init(&f, NULL);
	make_file(&f, "other");
	none = head(&f);
	make_file(&f, "a");
	made = head(&f);
	assert_int_equal(hf_unlink(f.store, HF_ROOT_INO, "a", NULL, &err), 0);
	gone = head(&f);
	make_file(&f, "a");
	again = head(&f);
	missing(&f, "a", made, NULL);
	missing(&f, "a", again, NULL);
	snprintf(words, sizeof(words), "first one with it: tid-%llu", (unsigned long long)made);
	missing(&f, "a", none, words);
	snprintf(words, sizeof(words), "before at which there was: tid-%llu", (unsigned long long)(gone - 1));
	missing(&f, "a", gone, words);
	missing(&f, "b", again, "never was a 'b'");
	missing(&f, "other/below", again, "never was a 'other/below'");
	store_fixture_release(&f);
}

static void test_paths_in_json(void **state)
{
	static const char *const paths[] = { "",         "plain",        "gr\xc3\xbcn", "odd\xff\n",
					     "\xc0\xaf", "\xed\xa0\x80", "cut\xe2\x82" };
	char *got;

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		json_t *object = json_object(), *read;
		char *text;

		assert_int_equal(output_set_path(object, "path", paths[i]), 0);
		text = json_dumps(object, 0);
		assert_non_null(text);
		read = json_loads(text, 0, NULL);
		assert_non_null(read);
		assert_true(json_is_string(json_object_get(read, "path")));
		got = output_get_path(read, "path");
		assert_non_null(got);
		assert_string_equal(got, paths[i]);
		free(got);
		free(text);
		json_decref(read);
		json_decref(object);
	}
	assert_null(output_get_path(NULL, "path"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split),         cmocka_unit_test(test_clean),
		cmocka_unit_test(test_of_a_store),    cmocka_unit_test(test_store_with_an_at),
		cmocka_unit_test(test_resolve),       cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_paths_in_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
