/* SPDX-License-Identifier: MIT */
/* What a person writes of a bucket, what a server's XML may hold, keys, and credentials: all that is read
 * before anything is asked or proved. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "store/replica/place.h"
#include "store/replica/s3.h"
#include "store/replica/s3_credentials.h"
#include "tests/unit/scratch.h"

/* --- places */

static void check_place(const char *text, const char *again)
{
	CLEANUP(buf_release) struct buf out = BUF_INIT;
	struct hf_error err = HF_ERROR_INIT;
	struct place p;

	if (place_parse(text, &p, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	assert_int_equal(p.kind, PLACE_BUCKET);
	assert_int_equal(place_url(&p, &out), 0);
	assert_string_equal(buf_cstr(&out), again);
	place_release(&p);
}

static void test_places(void **state)
{
	static const char *const bad[] = {
		"s3://",
		"s3://b",
		"s3://b?region=",
		"s3:///p?region=r",
		"s3://b//p?region=r",
		"s3://b/../p?region=r",
		"s3://b/p%20q?region=r",
		"s3://b?region=r&endpoint=http://192.0.2.1",
		"s3://b?region=r&endpoint=http://127.0.0.1.example.org",
		"s3://b?region=r&endpoint=https://user@host",
		"s3://b?region=r&endpoint=https://host:99999",
		"s3://b?region=r&endpoint=https://host/path",
		"s3://b?region=r&style=other",
		"s3://b?region=r&style=host&endpoint=http://127.0.0.1:7480",
		"s3://b?region=r&style=host&endpoint=http://127.0.0.1",
		"s3://b?region=r&style=host&endpoint=http://[::1]:7480",
		"s3://b?region=r&style=host&endpoint=https://192.0.2.1",
		"s3://b?region=r&ca=relative",
		"s3://b?region=r&interval=0",
		"s3://b?region=r&interval=3601",
		"s3://b?region=r&secret=x",
		"s3://b?region=r&region",
		"s3://b?region=a/b",
	};
	struct place p;

	(void)state;
	check_place("s3://b?region=eu-west-1",
		    "s3://b?endpoint=https://s3.eu-west-1.amazonaws.com&region=eu-west-1&style=host");
	check_place("s3://b/p/q/?endpoint=https://s3.example.org:9000/",
		    "s3://b/p/q?endpoint=https://s3.example.org:9000&region=us-east-1&style=path");
	check_place(
		"s3://b?endpoint=http://localhost:7480&style=host&ca=/etc/ca.pem&interval=60",
		"s3://b?endpoint=http://localhost:7480&region=us-east-1&style=host&ca=/etc/ca.pem&interval=60");
	check_place("s3://b?endpoint=http://[::1]:7480",
		    "s3://b?endpoint=http://[::1]:7480&region=us-east-1&style=path");
	check_place("s3://b?endpoint=https://1.example.org&style=host",
		    "s3://b?endpoint=https://1.example.org&region=us-east-1&style=host");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (place_parse(bad[i], &p, NULL) != -EINVAL)
			fail_msg("taken: %s", bad[i]);
}

/* --- keys */

static void test_keys(void **state)
{
	struct s3_place place = { .bucket = "b", .prefix = "p/q" };
	struct s3_name name = { .epoch = 2,
				.print = { 1, 2, 3, 4, 5, 6, 7, 0xff },
				.at = { 12, 4294967295u } };
	struct s3_name again, other;
	uint8_t id[VOLUME_ID_BYTES];
	char root[S3_KEY_BYTES], key[S3_KEY_BYTES];

	(void)state;
	memset(id, 0xab, sizeof(id));
	(void)s3_name_root(&place, id, root);
	assert_string_equal(root, "p/q/abababababababababababababababab/");
	s3_name_key(root, &name, key);
	assert_string_equal(key + strlen(root), "0000000002-01020304050607ff/0000000012-4294967295");
	assert_int_equal(s3_name_read(key + strlen(root), &again), 0);
	assert_int_equal(s3_name_compare(&name, &again), 0);
	assert_int_equal(s3_name_read("0000000002-01020304050607ff/0000000012-4294967296", &again), -EINVAL);
	assert_int_equal(s3_name_read("0000000000-01020304050607ff/0000000012-0000000000", &again), -EINVAL);
	assert_int_equal(s3_name_read("0000000002-01020304050607FF/0000000012-0000000000", &again), -EINVAL);
	assert_int_equal(s3_name_read("0000000002-01020304050607ff/0000000012-000000000", &again), -EINVAL);
	assert_int_equal(s3_name_read("0000000002-01020304050607ff/0000000012-00000000000", &again), -EINVAL);
	assert_int_equal(s3_name_read("", &again), -EINVAL);
	other = name;
	other.at = (struct log_pos){ 13, 0 };
	assert_true(s3_name_compare(&name, &other) < 0 && s3_name_same_folder(&name, &other));
	other.print[0] = 0;
	assert_true(s3_name_compare(&name, &other) > 0 && !s3_name_same_folder(&name, &other));
	other.epoch = 3;
	assert_true(s3_name_compare(&name, &other) < 0);
}

/* --- XML */

struct seen {
	char text[1000];
	size_t n;
};

static int note(void *arg, const struct s3_xml_item *item)
{
	struct seen *s = arg;
	size_t len = strlen(s->text);

	s->n++;
	(void)snprintf(s->text + len, sizeof(s->text) - len, "[%s %s %llu%s%s]", item->key, item->version,
		       (unsigned long long)item->bytes, item->latest ? " latest" : "",
		       item->marker ? " marker" : "");
	return 0;
}

static int list(const char *text, struct seen *s, struct s3_xml_page *page)
{
	memset(s, 0, sizeof(*s));
	return s3_xml_list(text, strlen(text), note, s, page);
}

static void test_lists(void **state)
{
	struct s3_xml_page *page = calloc(1, sizeof(*page));
	struct seen s;
	char value[8];

	(void)state;
	assert_int_equal(
		list("<?xml version=\"1.0\"?><ListBucketResult "
		     "xmlns=\"x\"><Name>b</Name><IsTruncated>true</IsTruncated>"
		     "<Contents><Key>a%2Fb</Key><Size>12</Size><Owner><ID>Key</ID></Owner></Contents>"
		     "<Contents><Size>3</Size><Key>c&amp;d</Key></Contents>"
		     "<NextContinuationToken>t%2F</NextContinuationToken></ListBucketResult>",
		     &s, page),
		0);
	assert_string_equal(s.text, "[a/b  12][c&d  3]");
	assert_true(page->more && page->n == 2);
	assert_string_equal(page->token, "t%2F");
	assert_int_equal(
		list("<ListVersionsResult><IsTruncated>false</IsTruncated><NextKeyMarker>k%0A</NextKeyMarker>"
		     "<NextVersionIdMarker>7</NextVersionIdMarker>"
		     "<Version><Key>k</Key><VersionId>2</VersionId><IsLatest>false</IsLatest><Size>5</Size></"
		     "Version>"
		     "<DeleteMarker><Key>k</Key><VersionId>3</VersionId><IsLatest>true</IsLatest></"
		     "DeleteMarker>"
		     "</ListVersionsResult>",
		     &s, page),
		0);
	assert_string_equal(s.text, "[k 2 5][k 3 0 latest marker]");
	assert_string_equal(page->key_marker, "k\n");
	assert_string_equal(page->version_marker, "7");
	assert_int_equal(list("<Error><Code>x</Code></Error>", &s, page), -EPROTO);
	assert_int_equal(list("<ListBucketResult>", &s, page), -EPROTO);
	assert_int_equal(list("", &s, page), -EPROTO);
	assert_int_equal(list("<!DOCTYPE x [<!ENTITY a \"aaaa\">]><ListBucketResult>&a;</ListBucketResult>",
			      &s, page),
			 -EPROTO);
	assert_true(s3_xml_text("<E><Code>Slow</Code><Code>x</Code></E>", 38, "Code", value, sizeof(value)));
	assert_string_equal(value, "Slow");
	assert_true(s3_xml_text("<E><Code>SlowDownNow</Code></E>", 31, "Code", value, sizeof(value)));
	assert_string_equal(value, "SlowDow");
	assert_false(s3_xml_text("<E></E>", 7, "Code", value, sizeof(value)));
	free(page);
}

static void test_long_texts(void **state)
{
	struct s3_xml_page *page = calloc(1, sizeof(*page));
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	struct seen s;

	(void)state;
	buf_add_text(&text, "<ListBucketResult><Contents><Key>");
	for (int i = 0; i < 5000; i++)
		buf_add(&text, "k", 1);
	buf_add_text(&text, "</Key></Contents></ListBucketResult>");
	assert_int_equal(list(buf_cstr(&text), &s, page), -EPROTO);
	buf_clear(&text);
	for (int i = 0; i < 100; i++)
		buf_add_text(&text, "<ListBucketResult>");
	assert_int_equal(list(buf_cstr(&text), &s, page), -EPROTO);
	free(page);
}

/* --- texts that are signed */

static void test_texts(void **state)
{
	CLEANUP(buf_release) struct buf out = BUF_INIT;
	char date[S3_DATE_BYTES];

	(void)state;
	s3_encode("aZ09-._~/ +%\n\xc3\xa4", &out);
	assert_string_equal(buf_cstr(&out), "aZ09-._~%2F%20%2B%25%0A%C3%A4");
	s3_date(UINT64_C(1795412730123456789), date);
	assert_string_equal(date, "2026-11-23T05:45:30Z");
}

/* --- credentials */

static void write_file(const char *path, const char *text, mode_t mode)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0 && fclose(f) == 0 && chmod(path, mode) == 0);
}

static void test_credentials(void **state)
{
	static const char *const bad[] = {
		"",
		"[default]\naws_access_key_id = A\n",
		"[other]\naws_access_key_id = A\naws_secret_access_key = S\n",
		"aws_access_key_id = A:B\naws_secret_access_key = S\n",
		"aws_access_key_id = A\naws_secret_access_key = S S\n",
		"aws_access_key_id = A\naws_secret_access_key = S\nwhat is this\n",
	};
	const struct os *os = os_posix();
	struct s3_credentials c, again;
	CLEANUP(scratch_remove) char *dir = scratch_make();
	char path[300];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/credentials", dir);
	assert_int_equal(s3_credentials_read(os, path, &c, NULL), -ENOENT);
	write_file(path,
		   "# mine\n[other]\naws_access_key_id=X\n\n[default]\r\naws_access_key_id = A\r\n"
		   "region = r\n aws_secret_access_key=S/+=\naws_session_token\t=\tT",
		   0600);
	assert_int_equal(s3_credentials_read(os, path, &c, NULL), -EUCLEAN); /* a blank before the name */
	write_file(path,
		   "# mine\n[other]\naws_access_key_id=X\n\n[default]\r\naws_access_key_id = A\r\n"
		   "region = r\naws_secret_access_key=S/+=\naws_session_token\t=\tT",
		   0600);
	assert_int_equal(s3_credentials_read(os, path, &c, NULL), 0);
	assert_string_equal(c.access_key, "A");
	assert_string_equal(c.secret_key, "S/+=");
	assert_string_equal(c.token, "T");
	assert_int_equal(s3_credentials_write(os, path, &c, NULL), 0);
	assert_int_equal(s3_credentials_read(os, path, &again, NULL), 0);
	assert_memory_equal(&c, &again, sizeof(c));
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(s3_credentials_read(os, path, &c, NULL), -EACCES);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		write_file(path, bad[i], 0600);
		if (s3_credentials_read(os, path, &c, NULL) != -EUCLEAN)
			fail_msg("taken: %s", bad[i]);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_places), cmocka_unit_test(test_keys),
		cmocka_unit_test(test_lists),  cmocka_unit_test(test_long_texts),
		cmocka_unit_test(test_texts),  cmocka_unit_test(test_credentials),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
