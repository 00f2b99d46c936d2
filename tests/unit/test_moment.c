/* SPDX-License-Identifier: MIT */
/*
 * Moments as text: every form, spans, zones and their changes of clock, the way there and back, and what
 * is refused.
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "holdfast/moment.h"

#define S UINT64_C(1000000000)
#define NOW (UINT64_C(1795256130) * S + 250000000) /* 2026-11-21T10:15:30.25Z */

static void zone(const char *tz)
{
	setenv("TZ", tz, 1);
	tzset();
}

/* Parses as a time; returns it. */
static uint64_t time_of(const char *text)
{
	struct hf_error err = HF_ERROR_INIT;
	struct hf_moment m;
	int r = hf_moment_parse(text, NOW, &m, &err);

	if (r < 0)
		print_error("%s: %s\n", text, err.text);
	assert_int_equal(r, 0);
	assert_int_equal(m.kind, HF_MOMENT_TIME);
	return m.time_ns;
}

static void begins(const char *text, const char *utc)
{
	struct hf_moment m;
	char out[40];

	assert_int_equal(hf_moment_parse(text, NOW, &m, NULL), 0);
	assert_string_equal(hf_moment_format(m.from_ns, out, sizeof(out)), utc);
}

static void is_utc(const char *text, const char *utc)
{
	char out[40];

	assert_string_equal(hf_moment_format(time_of(text), out, sizeof(out)), utc);
}

static void refused(const char *text, const char *word)
{
	struct hf_error err = HF_ERROR_INIT;
	struct hf_moment m = { .tid = 77 };

	if (hf_moment_parse(text, NOW, &m, &err) != -EINVAL)
		fail_msg("\"%s\" was taken", text);
	assert_int_equal(m.tid, 77);
	assert_int_equal(err.code, -EINVAL);
	if (!strstr(err.text, word))
		fail_msg("\"%s\": \"%s\" does not say \"%s\"", text, err.text, word);
	assert_non_null(strstr(err.text, "tid-42"));
	assert_int_equal(hf_moment_parse(text, NOW, &m, NULL), -EINVAL);
}

static void tag(const char *text)
{
	struct hf_moment m;

	assert_int_equal(hf_moment_parse(text, NOW, &m, NULL), 0);
	assert_int_equal(m.kind, HF_MOMENT_TAG);
	assert_string_equal(m.tag, text);
	assert_false(m.relative);
}

static void test_canonical(void **state)
{
	(void)state;
	zone("JST-9"); /* must not matter */
	assert_int_equal(time_of("2026-11-21T101530Z"), UINT64_C(1795256130) * S);
	assert_int_equal(time_of("2026-11-21T101530.5Z"), UINT64_C(1795256130) * S + 500000000);
	assert_int_equal(time_of("2026-11-21T101530.000000001Z"), UINT64_C(1795256130) * S + 1);
	assert_int_equal(time_of("2026-11-21T101530.0000000019Z"), UINT64_C(1795256130) * S + 1);
	assert_int_equal(time_of("1970-01-01T000000Z"), 0);
	assert_int_equal(time_of("2024-02-29T120000Z"), UINT64_C(1709208000) * S);
}

static void test_rfc3339(void **state)
{
	(void)state;
	zone("EST5EDT,M3.2.0,M11.1.0");
	is_utc("2026-11-21T10:15:30Z", "2026-11-21T101530Z");
	is_utc("2026-11-21t10:15:30z", "2026-11-21T101530Z");
	is_utc("2026-11-21 10:15:30Z", "2026-11-21T101530Z");
	is_utc("2026-11-21T10:15:30.25Z", "2026-11-21T101530.250Z");
	is_utc("2026-11-21T10:15:30,25Z", "2026-11-21T101530.250Z");
	is_utc("2026-11-21T10:15:30+01:00", "2026-11-21T091530Z");
	is_utc("2026-11-21T10:15:30-08:00", "2026-11-21T181530Z");
	is_utc("2026-11-21T10:15:30+05:45", "2026-11-21T043030Z");
	is_utc("2026-11-21T101530+0100", "2026-11-21T091530Z");
	is_utc("2026-11-21T101530+01", "2026-11-21T091530Z");
	is_utc("2026-01-01T00:30:00+01:00", "2025-12-31T233000Z");
	is_utc("2026-12-31T23:59:60Z", "2027-01-01T000000Z");
}

static void test_spans_mean_their_end(void **state)
{
	(void)state;
	zone("UTC");
	is_utc("2026", "2026-12-31T235959.999999999Z");
	begins("2026", "2026-01-01T000000Z");
	begins("2026-11-21", "2026-11-21T000000Z");
	begins("2026-11-21T10", "2026-11-21T100000Z");
	begins("@1795256130", "2026-11-21T101530Z");
	is_utc("2026-02", "2026-02-28T235959.999999999Z");
	is_utc("2024-02", "2024-02-29T235959.999999999Z");
	is_utc("2026-12", "2026-12-31T235959.999999999Z");
	is_utc("2026-11-21", "2026-11-21T235959.999999999Z");
	is_utc("2026-12-31", "2026-12-31T235959.999999999Z");
	is_utc("2026-11-21T10", "2026-11-21T105959.999999999Z");
	is_utc("2026-11-21T1015", "2026-11-21T101559.999999999Z");
	is_utc("2026-11-21T10:15", "2026-11-21T101559.999999999Z");
	is_utc("2026-11-21T101530", "2026-11-21T101530Z");
	is_utc("2026-11-21T23", "2026-11-21T235959.999999999Z");
	zone("JST-9");
	is_utc("2026-11-21", "2026-11-21T145959.999999999Z");
	is_utc("2026-11-21Z", "2026-11-21T235959.999999999Z");
	is_utc("2026-11Z", "2026-11-30T235959.999999999Z");
	is_utc("2026Z", "2026-12-31T235959.999999999Z");
	is_utc("2026-11-21T10Z", "2026-11-21T105959.999999999Z");
	is_utc("2026-11-21T10+02:00", "2026-11-21T085959.999999999Z");
	is_utc("2026-11-21T1015-0330", "2026-11-21T134559.999999999Z");
}

static void test_summer_time(void **state)
{
	(void)state;
	/* 2026: forward on 29 March 02:00 -> 03:00, back on 25 October 03:00 -> 02:00 */
	zone("CET-1CEST,M3.5.0,M10.5.0/3");
	is_utc("2026-07-01T120000", "2026-07-01T100000Z");
	is_utc("2026-01-01T120000", "2026-01-01T110000Z");
	is_utc("2026-03-28", "2026-03-28T225959.999999999Z");
	is_utc("2026-03-29", "2026-03-29T215959.999999999Z"); /* a day of 23 hours */
	is_utc("2026-10-24", "2026-10-24T215959.999999999Z");
	is_utc("2026-10-25", "2026-10-25T225959.999999999Z"); /* a day of 25 hours */
	is_utc("2026-10-25T01", "2026-10-24T235959.999999999Z");
	is_utc("2026-10-25T02", "2026-10-25T015959.999999999Z"); /* both of them over */
	is_utc("2026-10-25T023000", "2026-10-25T013000Z");       /* the second of the two */
	is_utc("2026-10-25T02:30:00+02:00", "2026-10-25T003000Z");
	is_utc("2026-10-25T033000", "2026-10-25T023000Z");
	is_utc("2026-03", "2026-03-31T215959.999999999Z");
	zone("EST5EDT,M3.2.0,M11.1.0"); /* back on 1 November 2026, 02:00 -> 01:00 */
	is_utc("2026-11-01T013000", "2026-11-01T063000Z");
	is_utc("2026-11-01", "2026-11-02T045959.999999999Z");
	zone("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0"); /* half an hour of summer time */
	is_utc("2026-01-15T120000", "2026-01-15T010000Z");
	is_utc("2026-07-15T120000", "2026-07-15T013000Z");
	zone("UTC");
}

/* By the system's own tables, when it has them: a name that it does not know means UTC. */
static bool named_zone(const char *tz)
{
	char path[80];

	(void)snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s", tz);
	if (access(path, R_OK) < 0) {
		print_message("no %s on this machine\n", path);
		return false;
	}
	zone(tz);
	return true;
}

static void test_berlin(void **state)
{
	(void)state;
	if (!named_zone("Europe/Berlin"))
		skip();
	is_utc("2026-03-29T015959", "2026-03-29T005959Z");
	is_utc("2026-03-29T020000", "2026-03-29T005959.999999999Z"); /* not there: the moment before */
	is_utc("2026-03-29T023000.5", "2026-03-29T005959.999999999Z");
	is_utc("2026-03-29T02", "2026-03-29T005959.999999999Z");
	is_utc("2026-03-29T0230", "2026-03-29T005959.999999999Z");
	is_utc("2026-03-29T030000", "2026-03-29T010000Z");
	is_utc("2026-03-29T03", "2026-03-29T015959.999999999Z");
	is_utc("2026-03-29T02:30:00+01:00", "2026-03-29T013000Z");
	is_utc("2026-10-25T013000", "2026-10-24T233000Z");
	is_utc("2026-10-25T020000", "2026-10-25T010000Z"); /* there twice: the second */
	is_utc("2026-10-25T02", "2026-10-25T015959.999999999Z");
	is_utc("2026-10-25T030000", "2026-10-25T020000Z");
	is_utc("2026-03-29", "2026-03-29T215959.999999999Z");
	is_utc("2026-10-25", "2026-10-25T225959.999999999Z");
	is_utc("2026-10", "2026-10-31T225959.999999999Z");
	is_utc("2026", "2026-12-31T225959.999999999Z");
	is_utc("1980-04-06T0230", "1980-04-06T005959.999999999Z"); /* the first summer of them */
	is_utc("1979-07-01T120000", "1979-07-01T110000Z");
	zone("UTC");
}

static void test_new_york(void **state)
{
	(void)state;
	if (!named_zone("America/New_York"))
		skip();
	is_utc("2026-03-08T015959", "2026-03-08T065959Z");
	is_utc("2026-03-08T0230", "2026-03-08T065959.999999999Z");
	is_utc("2026-03-08T030000", "2026-03-08T070000Z");
	is_utc("2026-11-01T003000", "2026-11-01T043000Z");
	is_utc("2026-11-01T013000", "2026-11-01T063000Z");
	is_utc("2026-11-01T01", "2026-11-01T065959.999999999Z");
	is_utc("2026-11-01T020000", "2026-11-01T070000Z");
	is_utc("2026-11-01", "2026-11-02T045959.999999999Z");
	is_utc("2026-11-21", "2026-11-22T045959.999999999Z");
	is_utc("2006-03-20T120000", "2006-03-20T170000Z"); /* when summer began in April */
	zone("UTC");
}

static void test_kolkata(void **state)
{
	(void)state;
	if (!named_zone("Asia/Kolkata"))
		skip();
	is_utc("2026-11-21", "2026-11-21T182959.999999999Z");
	is_utc("2026-11-21T00", "2026-11-20T192959.999999999Z");
	is_utc("2026-11-21T101530", "2026-11-21T044530Z");
	is_utc("1970-01-01T053000", "1970-01-01T000000Z");
	refused("1970-01-01T052959", "1970");
	zone("UTC");
}

/* Half an hour of summer time: from 02:00 to 02:30, and back from 02:00 to 01:30. */
static void test_lord_howe(void **state)
{
	(void)state;
	if (!named_zone("Australia/Lord_Howe"))
		skip();
	is_utc("2026-10-04T015959", "2026-10-03T152959Z");
	is_utc("2026-10-04T0215", "2026-10-03T152959.999999999Z");
	is_utc("2026-10-04T023000", "2026-10-03T153000Z");
	is_utc("2026-10-04T02", "2026-10-03T155959.999999999Z");
	is_utc("2026-04-05T012959", "2026-04-04T142959Z");
	is_utc("2026-04-05T014500", "2026-04-04T151500Z");
	is_utc("2026-04-05T01", "2026-04-04T152959.999999999Z");
	is_utc("2026-04-05T020000", "2026-04-04T153000Z");
	is_utc("2026-10-04", "2026-10-04T125959.999999999Z");
	zone("UTC");
}

/* Samoa had no 30 December 2011. */
static void test_a_day_that_was_not(void **state)
{
	(void)state;
	if (!named_zone("Pacific/Apia"))
		skip();
	is_utc("2011-12-29", "2011-12-30T095959.999999999Z");
	is_utc("2011-12-30T12", "2011-12-30T095959.999999999Z");
	is_utc("2011-12-30", "2011-12-30T095959.999999999Z");
	is_utc("2011-12-31T000000", "2011-12-30T100000Z");
	is_utc("2011-12-31", "2011-12-31T095959.999999999Z");
	zone("UTC");
}

/*
 * Whatever local clocks show at an instant names that instant, or, when they show it again, the later one:
 * looked at through two years in steps that meet every quarter of an hour sooner or later.
 */
static void test_what_clocks_show(void **state)
{
	static const char *const zones[] = { "Europe/Berlin", "America/New_York", "Asia/Kolkata",
					     "Australia/Lord_Howe" };

	(void)state;
	for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
		unsigned again = 0;

		if (!named_zone(zones[i]))
			continue;
		for (time_t t = 1767225600; t < 1767225600 + 2 * 365 * 86400; t += 437) {
			char text[40];
			struct tm tm;
			time_t back;

			localtime_r(&t, &tm);
			(void)strftime(text, sizeof(text), "%Y-%m-%dT%H%M%S", &tm);
			back = (time_t)(time_of(text) / S);
			if (back != t) {
				struct tm other;

				localtime_r(&back, &other);
				assert_true(back > t && back - t <= 3600);
				assert_int_equal(other.tm_sec + 60 * (other.tm_min + 60 * other.tm_hour),
						 tm.tm_sec + 60 * (tm.tm_min + 60 * tm.tm_hour));
				again++;
			}
		}
		assert_true(i == 2 ? again == 0 : again > 0);
	}
	zone("UTC");
}

static void test_epoch_tid_now(void **state)
{
	struct hf_moment m;

	(void)state;
	assert_int_equal(time_of("@0"), 0);
	assert_int_equal(time_of("@1795256130"), UINT64_C(1795256130) * S);
	assert_int_equal(time_of("@1795256130.25"), NOW);
	assert_int_equal(time_of("@1795256130.123456789"), UINT64_C(1795256130) * S + 123456789);
	refused("@", "seconds");
	refused("@x", "seconds");
	refused("@-1", "seconds");
	refused("@1.", "seconds");
	refused("@1 ", "seconds");
	refused("@18446744074", "future");
	refused("@99999999999999999999999", "seconds");

	assert_int_equal(hf_moment_parse("tid-0", NOW, &m, NULL), 0);
	assert_int_equal(hf_moment_parse("tid-18446744073709551614", NOW, &m, NULL), 0);
	assert_int_equal(m.kind, HF_MOMENT_TID);
	assert_true(m.tid == UINT64_MAX - 1);
	assert_false(m.relative);
	refused("tid-", "number");
	refused("tid-x", "number");
	refused("tid--1", "number");
	refused("tid-1x", "number");
	refused("tid-18446744073709551615", "number"); /* the head is not a tid */
	refused("tid-18446744073709551616", "number");

	assert_int_equal(hf_moment_parse("now", NOW, &m, NULL), 0);
	assert_true(m.kind == HF_MOMENT_TIME && m.relative && m.time_ns == NOW);
	assert_int_equal(hf_moment_parse("2026-11-21", NOW, &m, NULL), 0);
	assert_false(m.relative);
}

static void test_ago(void **state)
{
	static const struct {
		const char *text;
		uint64_t seconds;
	} ago[] = { { "0s", 0 },      { "10s", 10 },     { "10m", 600 },         { "2h", 7200 },
		    { "3d", 259200 }, { "2w", 1209600 }, { "2026m", 2026 * 60 }, { "007d", 604800 } };
	struct hf_moment m;

	(void)state;
	for (size_t i = 0; i < sizeof(ago) / sizeof(ago[0]); i++) {
		assert_int_equal(hf_moment_parse(ago[i].text, NOW, &m, NULL), 0);
		assert_true(m.kind == HF_MOMENT_TIME && m.relative);
		assert_int_equal(m.time_ns, NOW - ago[i].seconds * S);
	}
	assert_int_equal(time_of("4000w"), 0); /* longer ago than 1970 */
	assert_int_equal(time_of("18446744073709551615w"), 0);
}

static void test_tags(void **state)
{
	char longest[130];

	(void)state;
	tag("release");
	tag("v1.0");
	tag("_x");
	tag("10");
	tag("10x");
	tag("10mm");
	tag("20261121");
	tag("2026-11-21-release");
	tag("before.2026");
	tag("nowhere");
	tag("tid_7");
	memset(longest, 'a', sizeof(longest));
	longest[128] = '\0';
	tag(longest);
	longest[128] = 'a';
	longest[129] = '\0';
	refused(longest, "not a moment");
}

static void test_junk(void **state)
{
	(void)state;
	zone("UTC");
	refused("", "not a moment");
	refused(".", "not a moment");
	refused("..", "not a moment");
	refused(".hidden", "not a moment");
	refused("-x", "not a moment");
	refused("a b", "not a moment");
	refused("a/b", "not a moment");
	refused("caf\xc3\xa9", "not a moment");
	refused("10 m", "not a moment");
	refused("2026-13", "month");
	refused("2026-00", "month");
	refused("2026-02-29", "day");
	refused("2026-04-31", "day");
	refused("2026-01-00", "day");
	refused("2026-11-21T24", "hour");
	refused("2026-11-21T1060", "minute");
	refused("2026-11-21T101561", "second");
	refused("1969-12-31", "year");
	refused("9999", "year");
	refused("0000", "year");
	refused("2026-", "date");
	refused("2026-1", "date");
	refused("2026-11-2", "date");
	refused("2026-11-21T", "date");
	refused("2026-11-21T1", "date");
	refused("2026-11-21T101", "date");
	refused("2026-11-21T10:15:30.Z", "date");
	refused("2026-11-21T10:1530Z", "date");
	refused("2026-11-21T1015:30Z", "date");
	refused("2026-11-21T10:15:30+1", "date");
	refused("2026-11-21T10:15:30+24:00", "date");
	refused("2026-11-21T10:15:30+01:60", "date");
	refused("2026-11-21T10:15:30ZZ", "date");
	refused("2026-11-21 ", "date");
	refused("2026-11-21-", "date");
	refused("1970-01-01T00:00:00+01:00", "1970");
	refused("2554-12-31", "2554");
}

static void test_print(void **state)
{
	char out[40], small[8];

	(void)state;
	assert_string_equal(hf_moment_format(0, out, sizeof(out)), "1970-01-01T000000Z");
	assert_string_equal(hf_moment_format(1, out, sizeof(out)), "1970-01-01T000000.000000001Z");
	assert_string_equal(hf_moment_format(1000, out, sizeof(out)), "1970-01-01T000000.000001Z");
	assert_string_equal(hf_moment_format(1000000, out, sizeof(out)), "1970-01-01T000000.001Z");
	assert_string_equal(hf_moment_format(100000000, out, sizeof(out)), "1970-01-01T000000.100Z");
	assert_string_equal(hf_moment_format(NOW, out, sizeof(out)), "2026-11-21T101530.250Z");
	assert_string_equal(hf_moment_format(UINT64_MAX, out, sizeof(out)), "2554-07-21T233433.709551615Z");
	assert_string_equal(hf_moment_format(NOW, small, sizeof(small)), "2026-11");
}

static void test_there_and_back(void **state)
{
	uint64_t x = UINT64_C(88172645463325252);
	char out[40];

	(void)state;
	zone("CET-1CEST,M3.5.0,M10.5.0/3");
	for (int i = 0; i < 20000; i++) {
		uint64_t t;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		t = x >> (i % 20);
		if (i % 3 == 0)
			t -= t % S;
		assert_true(time_of(hf_moment_format(t, out, sizeof(out))) == t);
	}
	assert_true(time_of(hf_moment_format(UINT64_MAX, out, sizeof(out))) == UINT64_MAX);
	zone("UTC");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_canonical),
		cmocka_unit_test(test_rfc3339),
		cmocka_unit_test(test_spans_mean_their_end),
		cmocka_unit_test(test_summer_time),
		cmocka_unit_test(test_berlin),
		cmocka_unit_test(test_new_york),
		cmocka_unit_test(test_kolkata),
		cmocka_unit_test(test_lord_howe),
		cmocka_unit_test(test_a_day_that_was_not),
		cmocka_unit_test(test_what_clocks_show),
		cmocka_unit_test(test_epoch_tid_now),
		cmocka_unit_test(test_ago),
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_junk),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_there_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
