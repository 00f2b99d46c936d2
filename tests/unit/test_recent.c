/* SPDX-License-Identifier: MIT */
/* What is remembered of RocksDB: what is told and noted is there, and what is old is not. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "store/index/recent.h"

static struct map_key key_of(const char *name)
{
	return map_key_of(1, INDEX_HEAD, name, strlen(name));
}

static struct span value_of(const char *text)
{
	return (struct span){ (const uint8_t *)text, strlen(text) };
}

static void note(struct recent *r, const char *name, const char *text, uint64_t mark)
{
	const struct map_key key = key_of(name);
	const struct span value = value_of(text ? text : "");

	recent_note(r, &key, text ? &value : NULL, mark);
}

static void tell(struct recent *r, const char *name, const char *text)
{
	const struct map_key key = key_of(name);
	const struct span value = value_of(text ? text : "");

	recent_tell(r, &key, text ? &value : NULL);
}

static uint64_t mark_of(const struct recent *r, const char *name)
{
	const struct map_key key = key_of(name);

	return recent_mark(r, &key);
}

/* found as of recent_get */
static void expect(struct recent *r, const char *name, int found, const char *text)
{
	CLEANUP(buf_release) struct buf out = BUF_INIT;
	const struct map_key key = key_of(name);

	assert_int_equal(recent_get(r, &key, &out), found);
	assert_int_equal(out.len, strlen(text));
	assert_memory_equal(out.data ? (const char *)out.data : "", text, out.len);
}

static int set_up(void **state)
{
	static struct recent r;

	memset(&r, 0, sizeof(r));
	*state = &r;
	return recent_init(&r, 0);
}

static int take_down(void **state)
{
	recent_release(*state);
	return 0;
}

static void test_noted_and_told(void **state)
{
	struct recent *r = *state;

	expect(r, "key", -ENOENT, "");
	note(r, "key", NULL, mark_of(r, "key"));
	expect(r, "key", 0, "");
	note(r, "key", "noted", mark_of(r, "key"));
	expect(r, "key", 1, "noted");
	tell(r, "key", "told");
	expect(r, "key", 1, "told");
	tell(r, "key", "");
	expect(r, "key", 1, "");
	tell(r, "key", NULL);
	expect(r, "key", 0, "");
	expect(r, "", -ENOENT, "");
	tell(r, "", "value");
	expect(r, "", -ENOENT, "");
}

/* What a reader was told before is not noted behind what is told meanwhile. */
static void test_late_note(void **state)
{
	struct recent *r = *state;
	uint64_t mark = mark_of(r, "key");

	tell(r, "key", "new");
	note(r, "key", "old", mark);
	expect(r, "key", 1, "new");
	mark = mark_of(r, "key");
	recent_forget(r);
	expect(r, "key", -ENOENT, "");
	note(r, "key", "old", mark);
	expect(r, "key", -ENOENT, "");
	note(r, "key", "newer", mark_of(r, "key"));
	expect(r, "key", 1, "newer");
}

/* What does not fit is not known, and neither is what was there before it. */
static void test_too_long(void **state)
{
	struct recent *r = *state;
	char text[RECENT_BYTES + 1] = { 0 };

	memset(text, 'x', RECENT_BYTES - 3);
	tell(r, "key", text);
	expect(r, "key", 1, text);
	text[RECENT_BYTES - 3] = 'x';
	tell(r, "key", text);
	expect(r, "key", -ENOENT, "");
	note(r, "key", text, mark_of(r, "key"));
	expect(r, "key", -ENOENT, "");
}

/* What is read again and again stays, whatever else is told. */
static void test_used_stays(void **state)
{
	struct recent *r = *state;
	char name[16];

	tell(r, "read", "value");
	tell(r, "not read", "value");
	for (int i = 0; i < 20000; i++) {
		(void)snprintf(name, sizeof(name), "%d", i);
		tell(r, name, "other");
		expect(r, "read", 1, "value");
	}
	expect(r, "not read", -ENOENT, "");
}

static void test_bounded(void **state)
{
	struct recent large = { 0 };

	assert_true(recent_bytes(*state) <= 1 << 19);
	assert_int_equal(recent_init(&large, 256 << 20), 0);
	assert_true(recent_bytes(&large) > 4 << 20 && recent_bytes(&large) <= 16 << 20);
	recent_release(&large);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_noted_and_told, set_up, take_down),
		cmocka_unit_test_setup_teardown(test_late_note, set_up, take_down),
		cmocka_unit_test_setup_teardown(test_too_long, set_up, take_down),
		cmocka_unit_test_setup_teardown(test_used_stays, set_up, take_down),
		cmocka_unit_test_setup_teardown(test_bounded, set_up, take_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
