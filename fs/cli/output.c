/* SPDX-License-Identifier: MIT */
#include "fs/cli/output.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

char *output_bytes(uint64_t bytes, char *out)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes / 1024;
	size_t unit = 0;

	if (bytes < 1024) {
		snprintf(out, OUTPUT_TEXT_BYTES, "%" PRIu64 " bytes", bytes);
		return out;
	}
	for (; value >= 1024 && unit < 5; unit++)
		value /= 1024;
	snprintf(out, OUTPUT_TEXT_BYTES, "%.*f %s", value < 10 ? 1 : 0, value, units[unit]);
	return out;
}

char *output_count(uint64_t n, char *out)
{
	char digits[24];
	size_t len = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, n), at = 0;

	for (size_t i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			out[at++] = ',';
		out[at++] = digits[i];
	}
	out[at] = '\0';
	return out;
}

char *output_duration(double seconds, char *out)
{
	uint64_t s = (uint64_t)seconds;

	if (seconds < 10)
		snprintf(out, OUTPUT_TEXT_BYTES, "%.1f s", seconds);
	else if (s < 120)
		snprintf(out, OUTPUT_TEXT_BYTES, "%" PRIu64 " s", s);
	else if (s < 7200)
		snprintf(out, OUTPUT_TEXT_BYTES, "%" PRIu64 " min %" PRIu64 " s", s / 60, s % 60);
	else if (s < 172800)
		snprintf(out, OUTPUT_TEXT_BYTES, "%" PRIu64 " h %" PRIu64 " min", s / 3600, s % 3600 / 60);
	else
		snprintf(out, OUTPUT_TEXT_BYTES, "%" PRIu64 " d %" PRIu64 " h", s / 86400, s % 86400 / 3600);
	return out;
}

char *output_rfc3339(uint64_t time_ns, char *out)
{
	time_t seconds = (time_t)(time_ns / 1000000000);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	snprintf(out, OUTPUT_TEXT_BYTES, "%04d-%02d-%02dT%02d:%02d:%02d.%09uZ", tm.tm_year + 1900,
		 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		 (unsigned)(time_ns % 1000000000));
	return out;
}

json_t *output_time(uint64_t time_ns)
{
	char text[OUTPUT_TEXT_BYTES];

	return time_ns ? json_string(output_rfc3339(time_ns, text)) : json_null();
}

json_t *output_number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

void output_json(const json_t *value)
{
	json_dumpf(value, stdout, JSON_INDENT(2));
	putchar('\n');
}

int output_flush(void)
{
	if (fflush(stdout) != 0)
		return -errno;
	if (!ferror(stdout))
		return 0;
	/* One of the writes in between: why, stdio has not kept. Another one tells. */
	return write(STDOUT_FILENO, "\n", 1) < 0 ? -errno : -EIO;
}

const char *output_get_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

uint64_t output_get_number(const json_t *object, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(object, key));
}
