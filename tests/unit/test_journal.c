/* SPDX-License-Identifier: MIT */
/* Lines whose words, and whose pace, others set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "holdfast/error.h"
#include "store/base/journal.h"

static const uint64_t minute_ns = JOURNAL_QUOTA_S * UINT64_C(1000000000);

static void keep_line(void *arg, int priority, const char *line)
{
	(void)priority;
	(void)snprintf(arg, 64, "%s", line);
}

/* None forges another line, or speaks to the terminal that shows it: not in UTF-8 either. */
static void test_words(void **state)
{
	char line[64];

	(void)state;
	hf_set_log(keep_line, line);
	journal_line(LOG_NOTICE, "%s",
		     "a\nb\033[2Jc\177d\xc2\x9b"
		     "2Je\xc3\xa4");
	hf_set_log(NULL, NULL);
	assert_string_equal(line, "a b [2Jc d  2Je\xc3\xa4");
}

static void test_quota(void **state)
{
	struct journal_quota q = { 0 };
	char note[JOURNAL_NOTE_BYTES];

	(void)state;
	for (int i = 1; i < JOURNAL_QUOTA_LINES; i++) {
		assert_true(journal_quota_take(&q, 5, note));
		assert_string_equal(note, "");
	}
	assert_true(journal_quota_take(&q, 5, note));
	assert_string_equal(note, "(others within this minute are only counted) ");
	for (int i = 0; i < 1000; i++)
		assert_false(journal_quota_take(&q, 4 + minute_ns, note));
	assert_true(journal_quota_take(&q, 5 + minute_ns, note));
	assert_string_equal(note, "(1000 more before this) ");
	assert_true(journal_quota_take(&q, 5 + minute_ns, note));
	assert_string_equal(note, "");
}

/* One a minute never reaches the limit. */
static void test_seldom(void **state)
{
	struct journal_quota q = { 0 };
	char note[JOURNAL_NOTE_BYTES];

	(void)state;
	for (uint64_t i = 0; i < 100; i++) {
		assert_true(journal_quota_take(&q, i * minute_ns, note));
		assert_string_equal(note, "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_quota),
		cmocka_unit_test(test_seldom),
	};

	return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
