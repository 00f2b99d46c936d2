/* SPDX-License-Identifier: MIT */
/*
 * Moments as text: the one parser and the one printer. Pure: no store, no clock; the forms are listed in
 * holdfast/moment.h.
 *
 * A text is tried as each form in turn, and the first form whose shape it has decides: `2026-13` has the
 * shape of a date and is refused for its month, it is not taken for a tag. What has no other shape and is
 * made of a tag's characters is a tag.
 *
 * A date that leaves something out names a span, and means its last nanosecond. Days of 23 and 25 hours end
 * where local clocks say. A local time that the clocks show twice means the second time, when everything of
 * the first has happened too; one that they skip, the last moment before they did.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "holdfast/moment.h"

#define NS_PER_S UINT64_C(1000000000)
#define TEXT_MAX 160 /* longer than any form; a tag has at most 128 */

/* What a date's text says. */
struct date {
	int year, month, day, hour, minute, second; /* as written */
	uint32_t nanosecond;
	enum { TO_YEAR, TO_MONTH, TO_DAY, TO_HOUR, TO_MINUTE, TO_SECOND } precision;
	bool zoned;    /* an offset or Z was there */
	long offset_s; /* east of UTC */
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int bad_moment(struct hf_error *err, const char *text, const char *why)
{
	return hf_error_set(
		err, -EINVAL,
		"\"%.*s\" is not a moment%s%s: write a time (2026-11-21T101530Z, "
		"2026-11-21T10:15:30+01:00), a date or a part of one (2026-11-21, 2026-11), @1795256130, "
		"tid-42, 10s, 10m, 2h, 3d or 2w (ago), now, or a tag's name",
		TEXT_MAX, text, *why ? ", " : "", why);
}

/* Exactly n digits at *p. */
static bool take_digits(const char **p, int n, int *ret)
{
	int v = 0;

	for (int i = 0; i < n; i++) {
		if (!is_digit((*p)[i]))
			return false;
		v = v * 10 + ((*p)[i] - '0');
	}
	*p += n;
	*ret = v;
	return true;
}

/* One digit or more, as a number below 2^64. */
static bool take_number(const char **p, uint64_t *ret)
{
	uint64_t v = 0;

	if (!is_digit(**p))
		return false;
	for (; is_digit(**p); (*p)++) {
		if (__builtin_mul_overflow(v, UINT64_C(10), &v) ||
		    __builtin_add_overflow(v, (uint64_t)(**p - '0'), &v))
			return false;
	}
	*ret = v;
	return true;
}

/* ".5" or nothing, to nanoseconds; digits beyond the ninth are cut off. */
static bool take_fraction(const char **p, uint32_t *ret)
{
	uint32_t scale = 100000000, v = 0;

	*ret = 0;
	if (**p != '.' && **p != ',')
		return true;
	(*p)++;
	if (!is_digit(**p))
		return false;
	for (; is_digit(**p); (*p)++, scale /= 10)
		v += (uint32_t)(**p - '0') * scale;
	*ret = v;
	return true;
}

/* Z, ±HH, ±HHMM, ±HH:MM, or nothing. */
static bool take_zone(const char **p, struct date *d)
{
	int hours, minutes = 0;
	long sign;

	if (**p == 'Z' || **p == 'z') {
		(*p)++;
		d->zoned = true;
		return true;
	}
	if (**p != '+' && **p != '-')
		return true;
	sign = *(*p)++ == '-' ? -1 : 1;
	if (!take_digits(p, 2, &hours))
		return false;
	if (**p == ':' || is_digit(**p)) {
		*p += **p == ':';
		if (!take_digits(p, 2, &minutes))
			return false;
	}
	if (hours > 23 || minutes > 59)
		return false;
	d->zoned = true;
	d->offset_s = sign * (hours * 3600L + minutes * 60L);
	return true;
}

/*
 * What follows the T: HH, HHMM, HHMMSS, the last two also with colons, a fraction behind the seconds, then
 * the zone.
 */
static bool take_clock(const char **p, struct date *d)
{
	bool colons;

	if (!take_digits(p, 2, &d->hour))
		return false;
	d->precision = TO_HOUR;
	colons = **p == ':';
	if (colons || is_digit(**p)) {
		*p += colons;
		if (!take_digits(p, 2, &d->minute))
			return false;
		d->precision = TO_MINUTE;
		if (colons ? **p == ':' : is_digit(**p)) {
			*p += colons;
			if (!take_digits(p, 2, &d->second) || !take_fraction(p, &d->nanosecond))
				return false;
			d->precision = TO_SECOND;
		}
	}
	return take_zone(p, d);
}

static bool take_date(const char *p, struct date *d)
{
	*d = (struct date){ .month = 1, .day = 1 };
	if (!take_digits(&p, 4, &d->year))
		return false;
	d->precision = TO_YEAR;
	if (*p == '-') {
		p++;
		if (!take_digits(&p, 2, &d->month))
			return false;
		d->precision = TO_MONTH;
		if (*p == '-') {
			p++;
			if (!take_digits(&p, 2, &d->day))
				return false;
			d->precision = TO_DAY;
			if (*p == 'T' || *p == 't' || *p == ' ' || *p == '_') {
				p++;
				if (!take_clock(&p, d))
					return false;
			}
		}
	}
	if (d->precision < TO_HOUR && (*p == 'Z' || *p == 'z')) {
		d->zoned = true;
		p++;
	}
	return *p == '\0';
}

/* Four digits and then nothing but what dates are made of. */
static bool looks_like_date(const char *text)
{
	const char *p = text;
	int year;

	if (!take_digits(&p, 4, &year))
		return false;
	if (*p != '\0' && *p != '-' && *p != 'Z' && *p != 'z')
		return false;
	return p[strspn(p, "0123456789-+:.,TtZz _")] == '\0';
}

static int days_in(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return month == 2 && leap ? 29 : days[month - 1];
}

static const char *date_fault(const struct date *d)
{
	if (d->year < 1970 || d->year > 2554)
		return "its year is not one of 1970 to 2554";
	if (d->month < 1 || d->month > 12)
		return "its month is not one of 01 to 12";
	if (d->day < 1 || d->day > days_in(d->year, d->month))
		return "that month does not have that day";
	if (d->hour > 23)
		return "its hour is not one of 00 to 23";
	if (d->minute > 59)
		return "its minute is not one of 00 to 59";
	if (d->second > 60)
		return "its second is not one of 00 to 60";
	return NULL;
}

static long offset_at(time_t t)
{
	struct tm tm;

	return localtime_r(&t, &tm) ? tm.tm_gmtoff : 0;
}

/*
 * The last instant at which local clocks showed this or less, in seconds since 1970: of a time that they show
 * twice the second one, of one that they skip the second before they did. `shown` is that time as if it were
 * UTC.
 */
static time_t last_shown(time_t shown, bool *ret_skipped)
{
	/* No zone is a day from UTC, and none changes its clocks twice in two days. */
	const time_t low = shown - 86400, high = shown + 86400;
	time_t from_low = shown - offset_at(low), from_high = shown - offset_at(high), before = low,
	       behind = high, mid;
	bool low_fits = offset_at(from_low) == offset_at(low),
	     high_fits = offset_at(from_high) == offset_at(high);

	*ret_skipped = !low_fits && !high_fits;
	if (low_fits && high_fits)
		return from_low > from_high ? from_low : from_high;
	if (low_fits || high_fits)
		return low_fits ? from_low : from_high;
	while (behind - before > 1) {
		mid = before + (behind - before) / 2;
		if (mid + offset_at(mid) <= shown)
			before = mid;
		else
			behind = mid;
	}
	return before;
}

static int date_to_ns(const struct date *d, uint64_t *ret)
{
	struct tm tm = {
		.tm_year = d->year - 1900,
		.tm_mon = d->month - 1,
		.tm_mday = d->day,
		.tm_hour = d->hour,
		.tm_min = d->minute,
		.tm_sec = d->second,
	};
	uint32_t nanosecond = d->nanosecond;
	bool skipped = false;
	uint64_t ns;
	time_t s;

	if (d->precision <= TO_YEAR)
		tm.tm_mon = 11;
	if (d->precision <= TO_MONTH)
		tm.tm_mday = days_in(d->year, tm.tm_mon + 1);
	if (d->precision <= TO_DAY)
		tm.tm_hour = 23;
	if (d->precision <= TO_HOUR)
		tm.tm_min = 59;
	if (d->precision <= TO_MINUTE) {
		tm.tm_sec = 59;
		nanosecond = 999999999;
	}
	s = timegm(&tm);
	if (d->zoned) {
		s -= d->offset_s;
	} else {
		tzset();
		s = last_shown(s, &skipped);
		nanosecond = skipped ? 999999999 : nanosecond;
	}
	if (s < 0 || __builtin_mul_overflow((uint64_t)s, NS_PER_S, &ns) ||
	    __builtin_add_overflow(ns, (uint64_t)nanosecond, &ns))
		return -EINVAL;
	*ret = ns;
	return 0;
}

static int parse_date(const char *text, struct hf_moment *ret, struct hf_error *err)
{
	struct date d;
	const char *fault;

	if (!take_date(text, &d))
		return bad_moment(err, text, "though it begins like a date");
	fault = date_fault(&d);
	if (fault)
		return bad_moment(err, text, fault);
	if (date_to_ns(&d, &ret->time_ns) < 0)
		return bad_moment(err, text, "it lies before 1970 or behind 2554");
	d.precision = TO_SECOND; /* what was left out is its first */
	if (date_to_ns(&d, &ret->from_ns) < 0)
		ret->from_ns = ret->time_ns;
	ret->kind = HF_MOMENT_TIME;
	return 0;
}

static int parse_epoch(const char *text, struct hf_moment *ret, struct hf_error *err)
{
	const char *p = text + 1;
	uint64_t s, ns;
	uint32_t fraction;

	if (!take_number(&p, &s) || !take_fraction(&p, &fraction) || *p)
		return bad_moment(err, text, "behind the @ belong seconds since 1970");
	if (__builtin_mul_overflow(s, NS_PER_S, &ns) || __builtin_add_overflow(ns, (uint64_t)fraction, &ns))
		return bad_moment(err, text, "it lies too far in the future");
	ret->kind = HF_MOMENT_TIME;
	ret->time_ns = ret->from_ns = ns;
	return 0;
}

static int parse_tid(const char *text, struct hf_moment *ret, struct hf_error *err)
{
	const char *p = text + 4;
	uint64_t tid;

	if (!take_number(&p, &tid) || *p || tid == HF_TID_HEAD)
		return bad_moment(err, text, "behind tid- belongs an operation's number");
	ret->kind = HF_MOMENT_TID;
	ret->tid = tid;
	return 0;
}

/* A number and a unit: ago. What would lie before 1970 is 1970. */
static bool parse_ago(const char *text, uint64_t now_ns, struct hf_moment *ret)
{
	static const struct {
		char unit;
		uint64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 } };
	const char *p = text;
	uint64_t n, ago_ns;

	if (!take_number(&p, &n) || !p[0] || p[1])
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (*p != units[i].unit)
			continue;
		if (__builtin_mul_overflow(n, units[i].seconds * NS_PER_S, &ago_ns) || ago_ns > now_ns)
			ago_ns = now_ns;
		ret->kind = HF_MOMENT_TIME;
		ret->time_ns = ret->from_ns = now_ns - ago_ns;
		ret->relative = true;
		return true;
	}
	return false;
}

static bool is_tag(const char *text)
{
	size_t len = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

	return len > 0 && text[len] == '\0' && len < sizeof(((struct hf_moment *)0)->tag) && text[0] != '.' &&
	       text[0] != '-';
}

int hf_moment_parse(const char *text, uint64_t now_ns, struct hf_moment *ret, struct hf_error *err)
{
	struct hf_moment m = { .kind = HF_MOMENT_TIME };
	int r = 0;

	if (strcmp(text, "now") == 0) {
		m.time_ns = m.from_ns = now_ns;
		m.relative = true;
	} else if (text[0] == '@') {
		r = parse_epoch(text, &m, err);
	} else if (strncmp(text, "tid-", 4) == 0) {
		r = parse_tid(text, &m, err);
	} else if (looks_like_date(text)) {
		r = parse_date(text, &m, err);
	} else if (parse_ago(text, now_ns, &m)) {
		r = 0;
	} else if (is_tag(text)) {
		m.kind = HF_MOMENT_TAG;
		memcpy(m.tag, text, strlen(text) + 1);
	} else {
		r = bad_moment(err, text, "");
	}
	if (r == 0)
		*ret = m;
	return r;
}

char *hf_moment_format(uint64_t time_ns, char *out, size_t size)
{
	uint32_t ns = (uint32_t)(time_ns % NS_PER_S);
	time_t s = (time_t)(time_ns / NS_PER_S);
	char fraction[12] = "";
	struct tm tm;

	assert(size > 0);
	gmtime_r(&s, &tm); /* 64 bits of nanoseconds end in the year 2554, which it can say */
	if (ns % 1000)
		snprintf(fraction, sizeof(fraction), ".%09" PRIu32, ns);
	else if (ns % 1000000)
		snprintf(fraction, sizeof(fraction), ".%06" PRIu32, ns / 1000);
	else if (ns)
		snprintf(fraction, sizeof(fraction), ".%03" PRIu32, ns / 1000000);
	snprintf(out, size, "%04d-%02d-%02dT%02d%02d%02d%sZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
		 tm.tm_hour, tm.tm_min, tm.tm_sec, fraction);
	return out;
}
