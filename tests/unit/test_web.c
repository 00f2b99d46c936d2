/* SPDX-License-Identifier: MIT */
/* The page's server: who may ask, whom it takes itself for, what paths may be, and its headers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/web/assets.h"
#include "fs/web/download.h"
#include "fs/web/host.h"
#include "fs/web/percent.h"
#include "fs/web/reply.h"
#include "fs/web/sessions.h"

static void expect_path(const char *text, const char *path)
{
	struct hf_error err = HF_ERROR_INIT;
	char *got = NULL;
	int r = percent_decode_path(text, &got, &err);

	if (path) {
		assert_int_equal(r, 0);
		assert_string_equal(got, path);
	} else {
		assert_int_equal(r, -EINVAL);
		assert_true(err.text[0] != 0);
	}
	free(got);
}

static void test_paths(void **state)
{
	char *text;

	(void)state;
	expect_path("", "");
	expect_path("a", "a");
	expect_path("a/b%20c/%C3%A9", "a/b c/\xc3\xa9");
	expect_path("%ff%FE", "\xff\xfe");
	expect_path("a%25b", "a%b");
	expect_path("...", "...");
	for (const char *const *bad =
		     (const char *const[]){ "/", "/a", "a/", "a//b", "..", "a/../b", ".", "a/.", "%2e%2e",
					    "a/%2E%2e/b", "a%00b", "a%2fb", "a%", "a%4", "a%zz", "%2", NULL };
	     *bad; bad++)
		expect_path(*bad, NULL);

	text = percent_encode("a b/\xff%<\n");
	assert_string_equal(text, "a%20b/%FF%25%3C%0A");
	expect_path(text, "a b/\xff%<\n");
	free(text);
}

static void test_long_paths(void **state)
{
	char *text = malloc(3 * PERCENT_PATH_MAX + 10);

	(void)state;
	memset(text, 'x', PERCENT_PATH_MAX + 1);
	text[PERCENT_PATH_MAX + 1] = 0;
	expect_path(text, NULL);
	text[PERCENT_PATH_MAX] = 0;
	expect_path(text, text);
	memset(text, 'x', 3 * PERCENT_PATH_MAX + 9);
	text[3 * PERCENT_PATH_MAX + 9] = 0;
	expect_path(text, NULL);
	free(text);
}

static void expect_attachment(const char *path, const char *header)
{
	char *got = percent_attachment(path);

	assert_string_equal(got, header);
	free(got);
}

static void test_attachment(void **state)
{
	(void)state;
	expect_attachment("a/report.txt", "attachment; filename=\"report.txt\"; filename*=UTF-8''report.txt");
	expect_attachment("a b", "attachment; filename=\"a b\"; filename*=UTF-8''a%20b");
	expect_attachment("x/.bashrc", "attachment; filename=\"bashrc\"; filename*=UTF-8''bashrc");
	expect_attachment("...", "attachment; filename=\"file\"; filename*=UTF-8''file");
	expect_attachment("\"\r\nSet-Cookie: a=b", "attachment; filename=\"___Set-Cookie_ a_b\"; "
						   "filename*=UTF-8''%5F%5F%5FSet-Cookie%5F%20a%3Db");
	expect_attachment("a\\b", "attachment; filename=\"a_b\"; filename*=UTF-8''a%5Fb");
	expect_attachment("\xc3\xa9", "attachment; filename=\"__\"; filename*=UTF-8''%C3%A9");
	expect_attachment("\xff", "attachment; filename=\"_\"; filename*=UTF-8''_");
}

static struct sockaddr_storage listening(const char *text)
{
	struct hf_error err = HF_ERROR_INIT;
	struct sockaddr_storage address;
	socklen_t len;

	assert_int_equal(host_parse_listen(text, &address, &len, &err), 0);
	return address;
}

static void test_listen(void **state)
{
	struct hf_error err = HF_ERROR_INIT;
	struct sockaddr_storage a;
	socklen_t len;
	char text[80];

	(void)state;
	a = listening(NULL);
	assert_true(host_is_loopback(&a));
	a = listening("8080");
	host_format(&a, text, sizeof(text));
	assert_string_equal(text, "127.0.0.1:8080");
	assert_true(host_is_loopback(&a));
	a = listening("[::1]:0");
	host_format(&a, text, sizeof(text));
	assert_string_equal(text, "[::1]:0");
	assert_true(host_is_loopback(&a));
	a = listening("localhost:99");
	assert_true(host_is_loopback(&a));
	a = listening("0.0.0.0:80");
	assert_false(host_is_loopback(&a));
	a = listening("[::]:80");
	assert_false(host_is_loopback(&a));
	a = listening("192.0.2.1:80");
	assert_false(host_is_loopback(&a));
	for (const char *const *bad =
		     (const char *const[]){ "", ":", "127.0.0.1", "example.org:80", "127.0.0.1:65536",
					    "127.0.0.1:-1", "127.0.0.1:+1", "127.0.0.1:80x", "::1:80",
					    "[::1]", "[::1:80", "99999", "localhost:", NULL };
	     *bad; bad++)
		assert_int_equal(host_parse_listen(*bad, &a, &len, &err), -EINVAL);
}

/* Foreign names that lead here are the point. */
static void test_host(void **state)
{
	const struct sockaddr_storage four = listening("127.0.0.1:8080"), six = listening("[::1]:8080"),
				      outside = listening("192.0.2.1:80"),
				      mapped = listening("[::ffff:127.0.0.1]:8080");

	(void)state;
	assert_true(host_is("127.0.0.1:8080", &four));
	assert_true(host_is("localhost:8080", &four));
	assert_true(host_is("LocalHost:8080", &four));
	assert_true(host_is("[::1]:8080", &six));
	assert_true(host_is("[0:0:0:0:0:0:0:1]:8080", &six));
	assert_true(host_is("localhost:8080", &six));
	assert_true(host_is("127.0.0.1:8080", &mapped));
	assert_true(host_is("192.0.2.1", &outside));
	assert_true(host_is("192.0.2.1:80", &outside));
	assert_false(host_is("localhost", &outside));
	assert_false(host_is("localhost:80", &outside));
	for (const char *const *bad =
		     (const char *const[]){
			     "", "127.0.0.1", "127.0.0.1:8081", "127.0.0.2:8080", "evil.example:8080",
			     "localhost.evil.example:8080", "127.0.0.1.evil.example:8080", "localhost",
			     "localhost:", "localhost:8081", "[::1]:8080", "127.0.0.1:8080:8080",
			     "127.0.0.1:8080 ", "127.1:8080", "2130706433:8080", "127.0.0.1:08080x", NULL };
	     *bad; bad++)
		assert_false(host_is(*bad, &four));
	assert_false(host_is(NULL, &four));
}

static void test_origin(void **state)
{
	(void)state;
	assert_true(host_is_origin("http://127.0.0.1:8080", "127.0.0.1:8080"));
	assert_false(host_is_origin("https://127.0.0.1:8080", "127.0.0.1:8080"));
	assert_false(host_is_origin("http://127.0.0.1:8081", "127.0.0.1:8080"));
	assert_false(host_is_origin("http://127.0.0.1:8080.evil.example", "127.0.0.1:8080"));
	assert_false(host_is_origin("null", "127.0.0.1:8080"));
	assert_false(host_is_origin("", "127.0.0.1:8080"));
	assert_false(host_is_origin(NULL, "127.0.0.1:8080"));
	assert_false(host_is_origin("http://a", NULL));
}

static void test_link_once(void **state)
{
	struct sessions *s = sessions_new();
	char link[SESSIONS_KEY_BYTES], wrong[SESSIONS_KEY_BYTES];
	struct session session, found;

	(void)state;
	assert_int_equal(sessions_link(s, 1000, link), 0);
	memcpy(wrong, link, sizeof(wrong));
	wrong[63] = wrong[63] == '0' ? '1' : '0';
	assert_int_equal(sessions_open(s, 1000, wrong, &session), -EACCES);
	assert_int_equal(sessions_open(s, 1000, "", &session), -EACCES);
	assert_int_equal(sessions_open(s, 1000, link, &session), 0);
	assert_int_equal(sessions_open(s, 1000, link, &found), -EACCES);

	assert_int_equal(sessions_find(s, 1001, session.place, session.cookie, &found), 0);
	assert_string_equal(found.csrf, session.csrf);
	assert_string_not_equal(session.csrf, session.cookie);
	assert_string_not_equal(session.place, session.cookie);
	assert_int_equal(sessions_find(s, 1001, session.place, session.csrf, &found), -EACCES);
	assert_int_equal(sessions_find(s, 1001, session.cookie, session.cookie, &found), -EACCES);
	assert_int_equal(sessions_find(s, 1001, session.place, NULL, &found), -EACCES);
	assert_int_equal(sessions_find(s, 1001, session.place, "", &found), -EACCES);
	assert_int_equal(sessions_find(s, 1001, "", "", &found), -EACCES); /* as free places are */
	sessions_end(s, &session);
	assert_int_equal(sessions_find(s, 1001, session.place, session.cookie, &found), -EACCES);
	sessions_free(s);
}

static void test_times(void **state)
{
	struct sessions *s = sessions_new();
	char link[SESSIONS_KEY_BYTES];
	struct session session, found;

	(void)state;
	assert_int_equal(sessions_link(s, 1000, link), 0);
	assert_int_equal(sessions_open(s, 1000 + LINK_SECONDS, link, &session), -EACCES);
	assert_int_equal(sessions_open(s, 1000, link, &session), -EACCES); /* used up all the same */
	assert_int_equal(sessions_link(s, 1000, link), 0);
	assert_int_equal(sessions_open(s, 1000 + LINK_SECONDS - 1, link, &session), 0);
	assert_int_equal(sessions_find(s, 1600 + SESSION_SECONDS - 2, session.place, session.cookie, &found),
			 0);
	assert_int_equal(sessions_find(s, 1600 + 2 * SESSION_SECONDS - 3, session.place, session.cookie,
				       &found),
			 0);
	assert_int_equal(sessions_find(s, 1600 + 3 * SESSION_SECONDS, session.place, session.cookie, &found),
			 -EACCES);
	assert_int_equal(sessions_find(s, 1600, session.place, session.cookie, &found), -EACCES);
	sessions_free(s);
}

/* There are never more than so many: the oldest goes. */
static void test_limits(void **state)
{
	struct sessions *s = sessions_new();
	char links[SESSIONS_LINKS_MAX + 1][SESSIONS_KEY_BYTES], link[SESSIONS_KEY_BYTES];
	struct session open[SESSIONS_MAX + 1], found;

	(void)state;
	for (uint64_t i = 0; i <= SESSIONS_LINKS_MAX; i++)
		assert_int_equal(sessions_link(s, 10 + i, links[i]), 0);
	assert_int_equal(sessions_open(s, 20, links[0], &found), -EACCES);
	for (int i = 1; i <= SESSIONS_LINKS_MAX; i++)
		assert_int_equal(sessions_open(s, 20, links[i], &found), 0);
	for (uint64_t i = 0; i <= SESSIONS_MAX; i++) {
		assert_int_equal(sessions_link(s, 100 + i, link), 0);
		assert_int_equal(sessions_open(s, 100 + i, link, &open[i]), 0);
	}
	assert_int_equal(sessions_find(s, 200, open[0].place, open[0].cookie, &found), -EACCES);
	for (int i = 1; i <= SESSIONS_MAX; i++)
		assert_int_equal(sessions_find(s, 200, open[i].place, open[i].cookie, &found), 0);
	sessions_free(s);
}

static void test_policy(void **state)
{
	(void)state;
	assert_int_equal(strncmp(REPLY_PAGE_POLICY, "default-src 'none';", 19), 0);
	assert_null(strstr(REPLY_PAGE_POLICY, "unsafe"));
	assert_null(strstr(REPLY_PAGE_POLICY, "http"));
	assert_null(strstr(REPLY_PAGE_POLICY, "*"));
	assert_null(strstr(REPLY_PAGE_POLICY, "data:"));
	for (const char *const *must =
		     (const char *const[]){ "script-src 'self';", "style-src 'self';", "base-uri 'none'",
					    "form-action 'none'", "frame-ancestors 'none'", NULL };
	     *must; must++)
		assert_non_null(strstr(REPLY_PAGE_POLICY, *must));
	assert_non_null(strstr(REPLY_FILE_POLICY, "sandbox"));
}

/* The page keeps to its policy by itself: nothing inline, and nothing of elsewhere in it. */
static void test_assets(void **state)
{
	const struct asset *page = asset_find("");
	char *text;

	(void)state;
	assert_non_null(page);
	text = strndup(page->begin, (size_t)(page->end - page->begin));
	assert_non_null(strstr(text, "<!doctype html>"));
	assert_null(strstr(text, "://"));
	assert_null(strstr(text, "style="));
	assert_null(strstr(text, " on"));
	assert_non_null(strstr(text, "lang=\"en\""));
	free(text);
	assert_non_null(asset_find("main.js"));
	assert_null(asset_find("page.html"));
	assert_null(asset_find("../assets.c"));
}

static void expect_base64(const char *text, const char *bytes, ssize_t n)
{
	unsigned char out[8];

	assert_int_equal(download_decode(text, out, sizeof(out)), n);
	if (n > 0)
		assert_memory_equal(out, bytes, (size_t)n);
}

static void test_base64(void **state)
{
	(void)state;
	expect_base64("", "", 0);
	expect_base64("AA==", "", 1);
	expect_base64("Zm8=", "fo", 2);
	expect_base64("Zm9vYmFy", "foobar", 6);
	expect_base64("//79", "\xff\xfe\xfd", 3);
	expect_base64("Zm9", "", -EINVAL);
	expect_base64("Zm9=Zm9v", "", -EINVAL);
	expect_base64("====", "", -EINVAL);
	expect_base64("Zm 9", "", -EINVAL);
	expect_base64("Zm9vYmFyZm9v", "", -EINVAL); /* more than there is room for */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),      cmocka_unit_test(test_long_paths),
		cmocka_unit_test(test_attachment), cmocka_unit_test(test_listen),
		cmocka_unit_test(test_host),       cmocka_unit_test(test_origin),
		cmocka_unit_test(test_link_once),  cmocka_unit_test(test_times),
		cmocka_unit_test(test_limits),     cmocka_unit_test(test_policy),
		cmocka_unit_test(test_assets),     cmocka_unit_test(test_base64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
