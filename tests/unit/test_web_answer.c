/* SPDX-License-Identifier: MIT */
/* What a store answers its page: pages of a folder, the bars of a timeline, versions, and what is no
 * question. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/web/answer.h"
#include "holdfast/op.h"
#include "tests/unit/store_helper.h"

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

/* Ends with NULL: names and texts in turn. */
static json_t *ask(struct hf_error *err, const char *what, ...)
{
	json_t *request = json_pack("{s:s}", "do", what), *answer;
	const char *key;
	va_list args;

	va_start(args, what);
	while ((key = va_arg(args, const char *)) != NULL)
		assert_int_equal(json_object_set_new(request, key, json_string(va_arg(args, const char *))),
				 0);
	va_end(args);
	err->code = 0;
	answer = web_answer(f.store, request, err);
	json_decref(request);
	return answer;
}

static void test_pages(void **state)
{
	const unsigned many = 2 * ANSWER_NAMES_MAX + 7;
	struct hf_error err = HF_ERROR_INIT;
	char name[40], after[32] = "";
	unsigned pages = 0, seen = 0;
	bool found[2 * ANSWER_NAMES_MAX + 7] = { false };
	const json_t *entry;
	json_t *answer;
	size_t i;

	(void)state;
	for (unsigned n = 0; n < many; n++) {
		(void)snprintf(name, sizeof(name), "name %u", n);
		(void)make_file(&f, name);
	}
	commit(&f);
	do {
		answer = ask(&err, "web-list", "at", "", "path", "", "after", after, NULL);
		assert_non_null(answer);
		assert_true(json_array_size(json_object_get(answer, "names")) <= ANSWER_NAMES_MAX);
		json_array_foreach(json_object_get(answer, "names"), i, entry) {
			unsigned n;

			assert_int_equal(sscanf(answer_text(entry, "name"), "name%%20%u", &n), 1);
			assert_true(n < many && !found[n]);
			found[n] = true;
			seen++;
		}
		(void)snprintf(after, sizeof(after), "%s", answer_text(answer, "after"));
		json_decref(answer);
		pages++;
	} while (after[0] && pages < 10);
	assert_int_equal(seen, many);
	assert_int_equal(pages, 3);
}

static uint64_t sum(const json_t *answer, const char *key)
{
	const json_t *n;
	uint64_t all = 0;
	size_t i;

	json_array_foreach(json_object_get(answer, key), i, n)
		all += (uint64_t)json_integer_value(n);
	return all;
}

static void test_timeline(void **state)
{
	struct hf_error err = HF_ERROR_INIT;
	uint64_t ino = make_file(&f, "a"), last;
	json_t *answer;

	(void)state;
	(void)make_file(&f, "b");
	put_text(&f, ino, 0, "twelve bytes");
	assert_int_equal(hf_unlink(f.store, HF_ROOT_INO, "b", NULL, &err), 0);
	last = head(&f);
	assert_int_equal(hf_tag(f.store, "named", last, &err), 0);
	commit(&f);
	for (const char *const *bars = (const char *const[]){ "1", "7", "300", NULL }; *bars; bars++) {
		answer = ask(&err, "web-timeline", "bars", *bars, NULL);
		assert_non_null(answer);
		assert_int_equal(json_array_size(json_object_get(answer, "tids")), atoi(*bars));
		assert_int_equal(sum(answer, "changes"),
				 json_integer_value(json_object_get(json_object_get(answer, "last"), "tid")));
		assert_int_equal(sum(answer, "removals"), 1);
		assert_int_equal(sum(answer, "bytes"), 12);
		assert_string_equal(answer_text(json_array_get(json_object_get(answer, "tags"), 0), "name"),
				    "named");
		json_decref(answer);
	}
}

static void test_empty(void **state)
{
	struct hf_error err = HF_ERROR_INIT;
	json_t *answer = ask(&err, "web-timeline", NULL);

	(void)state;
	assert_non_null(answer);
	json_decref(answer);
	answer = ask(&err, "web-list", "path", "", NULL);
	assert_non_null(answer);
	assert_int_equal(json_array_size(json_object_get(answer, "names")), 0);
	json_decref(answer);
}

/* Writes in a row are one version; a rename is another, and is followed. */
static void test_versions(void **state)
{
	struct hf_error err = HF_ERROR_INIT;
	uint64_t ino = make_file(&f, "a");
	const json_t *list, *first, *second;
	json_t *answer;

	(void)state;
	for (uint64_t i = 0; i < 50; i++) {
		put_text(&f, ino, 0, i % 2 ? "odd" : "even");
		(void)head(&f);
	}
	assert_int_equal(hf_rename(f.store, HF_ROOT_INO, "a", HF_ROOT_INO, "b", 0, &err), 0);
	commit(&f);
	answer = ask(&err, "web-versions", "path", "b", NULL);
	assert_non_null(answer);
	list = json_object_get(answer, "versions");
	assert_true(json_array_size(list) >= 2 && json_array_size(list) < 20);
	first = json_array_get(list, 0);
	second = json_array_get(list, 1);
	assert_string_equal(answer_text(first, "path"), "b");
	assert_string_equal(answer_text(first, "kind"), "rename");
	assert_true(json_is_true(json_object_get(first, "live")));
	assert_string_equal(answer_text(second, "path"), "a");
	assert_string_equal(answer_text(second, "kind"), "write");
	json_decref(answer);
}

static void test_read(void **state)
{
	struct hf_error err = HF_ERROR_INIT;
	uint64_t ino = make_file(&f, "a"), then;
	char moment[32];
	json_t *answer;

	(void)state;
	put_text(&f, ino, 0, "foobar");
	then = head(&f);
	put_text(&f, ino, 0, "FOOBAR!");
	commit(&f);
	(void)snprintf(moment, sizeof(moment), "tid-%llu", (unsigned long long)then);
	answer = ask(&err, "web-read", "at", moment, "path", "a", NULL);
	assert_non_null(answer);
	assert_string_equal(answer_text(answer, "data"), "Zm9vYmFy");
	assert_int_equal(json_integer_value(json_object_get(answer, "size")), 6);
	json_decref(answer);
	answer = ask(&err, "web-read", "path", "a", "offset", "5", "length", "1", NULL);
	assert_string_equal(answer_text(answer, "data"), "Ug==");
	json_decref(answer);
	answer = ask(&err, "web-read", "path", "a", "offset", "700", NULL);
	assert_string_equal(answer_text(answer, "data"), "");
	json_decref(answer);
	answer = ask(&err, "web-diff", "a", moment, "path", "", NULL);
	assert_string_equal(answer_text(json_array_get(json_object_get(answer, "differences"), 0), "kind"),
			    "contents");
	json_decref(answer);
}

static void test_no_question(void **state)
{
	static const char *const wrong[][3] = {
		{ "web-nothing", "path", "" },
		{ "web-list", "path", "a/../b" },
		{ "web-list", "after", "-1" },
		{ "web-list", "after", "1e3" },
		{ "web-read", "path", "" },
		{ "web-timeline", "bars", "0" },
		{ "web-timeline", "bars", "301" },
		{ "web-timeline", "from", "9999999999999999999" },
		{ "web-log", "since", "x" },
		{ "web-gone", "path", "%" },
		{ "web-versions", "before", "99999999999999999999" },
	};
	struct hf_error err = HF_ERROR_INIT;

	(void)state;
	(void)make_file(&f, "a");
	commit(&f);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_null(ask(&err, wrong[i][0], wrong[i][1], wrong[i][2], NULL));
		assert_int_equal(err.code, -EINVAL);
		assert_true(err.text[0] != 0);
	}
	assert_null(ask(&err, "web-list", "path", "nothing", NULL));
	assert_int_equal(err.code, -ENOENT);
	assert_null(ask(&err, "web-list", "at", "no-such-tag", NULL));
	assert_int_equal(err.code, -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timeline, setup, teardown),
		cmocka_unit_test_setup_teardown(test_empty, setup, teardown),
		cmocka_unit_test_setup_teardown(test_versions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_question, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
