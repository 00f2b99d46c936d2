/* SPDX-License-Identifier: MIT */
/* How the command prints numbers and times, and reads paths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/cli/cli.h"
#include "fs/cli/output.h"
#include "fs/cli/location.h"

static void test_bytes(void **state)
{
	char out[OUTPUT_TEXT_BYTES];

	(void)state;
	assert_string_equal(output_bytes(0, out), "0 bytes");
	assert_string_equal(output_bytes(1023, out), "1023 bytes");
	assert_string_equal(output_bytes(1024, out), "1.0 KiB");
	assert_string_equal(output_bytes(1536, out), "1.5 KiB");
	assert_string_equal(output_bytes(64ull << 20, out), "64 MiB");
	assert_string_equal(output_bytes(UINT64_MAX, out), "16 EiB");
}

static void test_count(void **state)
{
	char out[OUTPUT_TEXT_BYTES];

	(void)state;
	assert_string_equal(output_count(0, out), "0");
	assert_string_equal(output_count(999, out), "999");
	assert_string_equal(output_count(1000, out), "1,000");
	assert_string_equal(output_count(1234567, out), "1,234,567");
	assert_string_equal(output_count(UINT64_MAX, out), "18,446,744,073,709,551,615");
}

static void test_duration(void **state)
{
	char out[OUTPUT_TEXT_BYTES];

	(void)state;
	assert_string_equal(output_duration(0, out), "0.0 s");
	assert_string_equal(output_duration(9.94, out), "9.9 s");
	assert_string_equal(output_duration(119, out), "119 s");
	assert_string_equal(output_duration(250, out), "4 min 10 s");
	assert_string_equal(output_duration(7260, out), "2 h 1 min");
	assert_string_equal(output_duration(183600, out), "2 d 3 h");
}

static void test_time(void **state)
{
	char out[OUTPUT_TEXT_BYTES];
	json_t *t;

	(void)state;
	assert_string_equal(output_rfc3339(1795256130123456789ull, out), "2026-11-21T10:15:30.123456789Z");
	t = output_time(0);
	assert_true(json_is_null(t));
	json_decref(t);
	t = output_time(1000000000ull * 86400);
	assert_string_equal(json_string_value(t), "1970-01-02T00:00:00.000000000Z");
	json_decref(t);
}

static void test_absolute(void **state)
{
	char folder[] = "/tmp/holdfast-cli.XXXXXX", path[64];
	struct hf_error err = HF_ERROR_INIT;
	char *got = NULL;

	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(cli_absolute(folder, &got, &err), 0);
	assert_string_equal(got, folder);
	free(got);
	/* What is not there yet, in a folder that is; slashes behind it count for nothing. */
	snprintf(path, sizeof(path), "%s/new//", folder);
	assert_int_equal(cli_absolute(path, &got, &err), 0);
	path[strlen(path) - 2] = '\0';
	assert_string_equal(got, path);
	free(got);
	assert_int_equal(cli_absolute("/new-at-the-root", &got, &err), 0);
	assert_string_equal(got, "/new-at-the-root");
	free(got);
	snprintf(path, sizeof(path), "%s/none/new", folder);
	assert_int_equal(cli_absolute(path, &got, &err), -ENOENT);
	assert_non_null(strstr(err.text, "none"));
	assert_int_equal(cli_absolute("", &got, &err), -ENOENT);
	assert_int_equal(rmdir(folder), 0);
}

static void test_is_store(void **state)
{
	char folder[] = "/tmp/holdfast-cli.XXXXXX", path[64];
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_false(location_is_store(folder));
	snprintf(path, sizeof(path), "%s/volume", folder);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("HFVOLUM", f);
	assert_int_equal(fflush(f), 0);
	assert_false(location_is_store(folder));
	fputc('E', f);
	assert_int_equal(fclose(f), 0);
	assert_true(location_is_store(folder));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),    cmocka_unit_test(test_count),
		cmocka_unit_test(test_duration), cmocka_unit_test(test_time),
		cmocka_unit_test(test_absolute), cmocka_unit_test(test_is_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
