/* SPDX-License-Identifier: MIT */
#include "fs/doctor/judge.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct doctor_family *const families[] = {
	&family_replicas, &family_independence, &family_buckets, &family_recovery, &family_keys,
	&family_memory,   &family_machine,      &family_disk,    &family_mount,    &family_alarms,
};
enum { FAMILIES = sizeof(families) / sizeof(families[0]), CHECKS_MAX = 128 };

const char *doctor_verdict_name(enum doctor_verdict verdict)
{
	static const char *const names[] = { "ok", "unknown", "warning", "danger" };

	return names[verdict];
}

const struct doctor_check *const *doctor_checks(size_t *ret_n)
{
	static const struct doctor_check *all[CHECKS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < FAMILIES; i++)
		for (size_t j = 0; j < families[i]->n && n < CHECKS_MAX; j++)
			all[n++] = &families[i]->checks[j];
	*ret_n = n;
	return all;
}

const struct doctor_check *doctor_find(const char *id)
{
	size_t n;
	const struct doctor_check *const *all = doctor_checks(&n);

	for (size_t i = 0; i < n; i++)
		if (!strcmp(all[i]->id, id))
			return all[i];
	return NULL;
}

void doctor_judge(const struct doctor_check *check, const struct facts *f, struct doctor_finding *ret)
{
	memset(ret, 0, sizeof(*ret));
	check->judge(f, ret);
	if (ret->verdict == DOCTOR_OK) /* then nothing is to be done */
		ret->remedy[0] = ret->command[0] = 0;
}

/* --- words */

/* Cut off at the end, where the lesser things are. */
static void append(char to[DOCTOR_TEXT_BYTES], const char *text)
{
	size_t at = strlen(to), len = strlen(text), room = DOCTOR_TEXT_BYTES - 1 - at;

	if (len > room)
		len = room;
	memcpy(to + at, text, len);
	to[at + len] = 0;
}

void judge_add(struct doctor_finding *f, enum doctor_verdict verdict, const char *fmt, ...)
{
	char words[DOCTOR_TEXT_BYTES], before[DOCTOR_TEXT_BYTES];
	bool worse = verdict > f->verdict;
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(words, sizeof(words), fmt, args);
	va_end(args);
	if (f->verdict == DOCTOR_OK && worse)
		f->reason[0] = 0; /* what would have been fine */
	memcpy(before, f->reason, sizeof(before));
	f->reason[0] = 0;
	append(f->reason, worse ? words : before);
	if (before[0])
		append(f->reason, "; ");
	append(f->reason, worse ? before : words);
	if (worse)
		f->verdict = verdict;
}

void judge_fine(struct doctor_finding *f, const char *fmt, ...)
{
	va_list args;

	if (f->verdict != DOCTOR_OK)
		return;
	va_start(args, fmt);
	(void)vsnprintf(f->reason, sizeof(f->reason), fmt, args);
	va_end(args);
}

__attribute__((format(printf, 2, 0))) static void say_first(char to[DOCTOR_TEXT_BYTES], const char *fmt,
							    va_list args)
{
	if (!to[0])
		(void)vsnprintf(to, DOCTOR_TEXT_BYTES, fmt, args);
}

void judge_remedy(struct doctor_finding *f, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say_first(f->remedy, fmt, args);
	va_end(args);
}

void judge_command(struct doctor_finding *f, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say_first(f->command, fmt, args);
	va_end(args);
}

/* --- numbers */

char *judge_span(double seconds, char out[JUDGE_SPAN_BYTES])
{
	static const struct {
		const char *one, *many;
		double seconds;
	} units[] = {
		{ "year", "years", 365.25 * 86400 }, { "day", "days", 86400 },   { "hour", "hours", 3600 },
		{ "minute", "minutes", 60 },         { "second", "seconds", 1 },
	};
	size_t i = 0;

	/* two of a unit at least, or a day and a half is a day */
	while (i + 1 < sizeof(units) / sizeof(units[0]) && seconds < 2 * units[i].seconds)
		i++;
	seconds = floor(seconds / units[i].seconds);
	(void)snprintf(out, JUDGE_SPAN_BYTES, "%.0f %s", seconds,
		       seconds == 1 ? units[i].one : units[i].many);
	return out;
}

double judge_days(const struct facts *f, uint64_t then_ns)
{
	return ((double)f->now_ns - (double)then_ns) / 86400e9;
}

char *judge_ago(const struct facts *f, uint64_t then_ns, char out[JUDGE_SPAN_BYTES])
{
	double seconds = judge_days(f, then_ns) * 86400;
	char span[JUDGE_SPAN_BYTES];

	if (seconds < 1)
		(void)snprintf(out, JUDGE_SPAN_BYTES, "just now");
	else
		(void)snprintf(out, JUDGE_SPAN_BYTES, "%.36s ago", judge_span(seconds, span));
	return out;
}

char *judge_bytes(uint64_t bytes, char out[JUDGE_SPAN_BYTES])
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double n = (double)bytes;
	size_t i = 0;

	while (n >= 1024 && i + 1 < sizeof(units) / sizeof(units[0])) {
		n /= 1024;
		i++;
	}
	(void)snprintf(out, JUDGE_SPAN_BYTES, i == 0 || n >= 10 ? "%.0f %s" : "%.1f %s", n, units[i]);
	return out;
}

char *judge_word(const char *word, char out[FACTS_PATH_BYTES])
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-+,:@%";
	size_t at = 0;

	if (*word && word[strspn(word, plain)] == 0) {
		(void)snprintf(out, FACTS_PATH_BYTES, "%s", word);
		return out;
	}
	out[at++] = '\'';
	for (; *word && at + 6 < FACTS_PATH_BYTES; word++) {
		if (*word == '\'') {
			memcpy(out + at, "'\\''", 4);
			at += 4;
		} else {
			out[at++] = *word;
		}
	}
	out[at++] = '\'';
	out[at] = 0;
	return out;
}
