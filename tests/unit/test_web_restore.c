/* SPDX-License-Identifier: MIT */
/* Restoring by the page's server: who may ask for it, how it is said; nothing is done by omission. */
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
#include <sys/socket.h>
#include <unistd.h>

#include "fs/web/request.h"

#define BODY "{\"path\":\"a%20b\",\"at\":\"tid-7\"}"

static struct {
	struct web *web;
	unsigned short port;
	char origin[64], place[80], cookie[80], csrf[80];
	unsigned asked; /* how often the store was asked to restore */
	int dry;        /* what was last said of it */
	int code;       /* what it answers; 0: well */
	char path[64], at[64];
} t;

static json_t *store_asked(void *arg, const json_t *request, struct hf_error *err)
{
	(void)arg;
	assert_string_equal(json_string_value(json_object_get(request, "do")), "web-restore");
	t.asked++;
	t.dry = json_boolean_value(json_object_get(request, "dry"));
	assert_true(json_is_boolean(json_object_get(request, "dry")));
	(void)snprintf(t.path, sizeof(t.path), "%s", json_string_value(json_object_get(request, "path")));
	(void)snprintf(t.at, sizeof(t.at), "%s", json_string_value(json_object_get(request, "at")));
	if (t.code) {
		hf_error_set(err, t.code, "it could not be done");
		return NULL;
	}
	return json_pack("{s:i}", "created", 3);
}

/* One request as it is, one answer; its status, 0 when the connection was closed without. */
static int talk(const char *request, size_t len, char *answer, size_t size)
{
	const struct sockaddr_in to = { .sin_family = AF_INET,
					.sin_port = htons(t.port),
					.sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), status = 0;
	size_t got = 0;
	ssize_t n;

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
	for (size_t sent = 0; sent < len; sent += (size_t)n) {
		n = send(fd, request + sent, len - sent, MSG_NOSIGNAL);
		if (n <= 0)
			break; /* it may hear no more of it */
	}
	while (got + 1 < size && (n = recv(fd, answer + got, size - 1 - got, 0)) > 0)
		got += (size_t)n;
	answer[got] = 0;
	assert_int_equal(close(fd), 0);
	(void)sscanf(answer, "HTTP/1.1 %d", &status);
	return status;
}

static int ask(const char *method, const char *path, const char *headers, const char *body, size_t len)
{
	char *request = malloc(len + 1024), answer[4096];
	int at = snprintf(request, 1024,
			  "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%sContent-Length: %zu\r\n\r\n",
			  method, path, t.origin + strlen("http://"), headers, len);
	int status;

	assert_true(at > 0 && at < 1024);
	memcpy(request + at, body, len);
	status = talk(request, (size_t)at + len, answer, sizeof(answer));
	free(request);
	if (strstr(answer, "\"csrf\":\""))
		(void)sscanf(strstr(answer, "\"csrf\":\""), "\"csrf\":\"%64[0-9a-f]", t.csrf);
	if (strstr(answer, "Location: "))
		(void)sscanf(strstr(answer, "Location: "), "Location: %79[^\r]", t.place);
	if (strstr(answer, "holdfast="))
		(void)sscanf(strstr(answer, "holdfast="), "%79[^;]", t.cookie);
	return status;
}

/* As the page would, apart from what is said. NULL: without. */
static int restore_len(const char *method, const char *origin, const char *csrf, const char *body, size_t len)
{
	char path[160], headers[400];

	(void)snprintf(path, sizeof(path), "%sapi/restore", t.place);
	(void)snprintf(headers, sizeof(headers), "Cookie: %s\r\n%s%s%s%s%s%s", t.cookie,
		       origin ? "Origin: " : "", origin ? origin : "", origin ? "\r\n" : "",
		       csrf ? "X-Holdfast-Csrf: " : "", csrf ? csrf : "", csrf ? "\r\n" : "");
	return ask(method, path, headers, body, len);
}

static int restore(const char *body)
{
	return restore_len("POST", t.origin, t.csrf, body, strlen(body));
}

static int setup(void **state)
{
	struct hf_error err = HF_ERROR_INIT;
	char link[WEB_LINK_BYTES], headers[120], path[120];

	(void)state;
	memset(&t, 0, sizeof(t));
	assert_int_equal(web_start(NULL, store_asked, NULL, &t.web, &err), 0);
	assert_int_equal(web_link(t.web, link, &err), 0);
	assert_int_equal(sscanf(link, "http://127.0.0.1:%hu/", &t.port), 1);
	(void)snprintf(t.origin, sizeof(t.origin), "http://127.0.0.1:%hu", t.port);
	assert_int_equal(ask("GET", link + strlen(t.origin), "", "", 0), 303);
	(void)snprintf(headers, sizeof(headers), "Cookie: %s\r\n", t.cookie);
	(void)snprintf(path, sizeof(path), "%sapi/session", t.place);
	assert_int_equal(ask("GET", path, headers, "", 0), 200);
	assert_int_equal(strlen(t.csrf), 64);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	web_stop(t.web);
	return 0;
}

static void test_dry_by_default(void **state)
{
	(void)state;
	assert_int_equal(restore(BODY), 200);
	assert_int_equal(t.asked, 1);
	assert_true(t.dry);
	assert_string_equal(t.path, "a%20b");
	assert_string_equal(t.at, "tid-7");
	assert_int_equal(restore("{\"path\":\"\",\"at\":\"tid-7\",\"dry\":true}"), 200);
	assert_true(t.dry);
	assert_int_equal(restore("{\"path\":\"\",\"at\":\"tid-7\",\"dry\":false}"), 200);
	assert_false(t.dry);
	assert_int_equal(t.asked, 3);
}

static void test_who_may(void **state)
{
	char wrong[80];

	(void)state;
	(void)snprintf(wrong, sizeof(wrong), "%s", t.csrf);
	wrong[0] = wrong[0] == '0' ? '1' : '0';
	assert_int_equal(restore_len("POST", t.origin, NULL, BODY, strlen(BODY)), 403);
	assert_int_equal(restore_len("POST", t.origin, wrong, BODY, strlen(BODY)), 403);
	assert_int_equal(restore_len("POST", NULL, t.csrf, BODY, strlen(BODY)), 403);
	assert_int_equal(restore_len("POST", "null", t.csrf, BODY, strlen(BODY)), 403);
	assert_int_equal(restore_len("POST", "http://evil.example", t.csrf, BODY, strlen(BODY)), 403);
	assert_int_equal(restore_len("GET", t.origin, t.csrf, "", 0), 404);
	assert_int_equal(restore_len("PUT", t.origin, t.csrf, BODY, strlen(BODY)), 405);
	t.cookie[strlen(t.cookie) - 1] ^= 1;
	assert_int_equal(restore(BODY), 403);
	assert_int_equal(t.asked, 0);
}

static void test_bodies(void **state)
{
	(void)state;
	for (const char *const *bad =
		     (const char *const[]){ "", "{", "[]", "null", "{}", "{\"path\":\"a\"}",
					    "{\"at\":\"now\"}", "{\"path\":1,\"at\":\"tid-7\"}",
					    "{\"path\":\"a\",\"at\":7}",
					    "{\"path\":\"a\",\"at\":\"tid-7\",\"dry\":0}",
					    "{\"path\":\"a\",\"at\":\"tid-7\",\"dry\":null}",
					    "{\"path\":\"a\",\"at\":\"tid-7\",\"dry\":\"false\"}",
					    "{\"path\":\"a\",\"at\":\"tid-7\",\"dry\":true,\"dry\":false}",
					    "{\"path\":\"a\",\"at\":\"tid-7\",\"dest\":\"b\"}",
					    "{\"path\":\"a\\u0000b\",\"at\":\"tid-7\"}",
					    "{\"path\":\"\xff\",\"at\":\"tid-7\"}", BODY BODY, NULL };
	     *bad; bad++)
		assert_int_equal(restore(*bad), 400);
	assert_int_equal(t.asked, 0);
}

/* As much as is taken is taken whole, and not a byte more. */
static void test_limits(void **state)
{
	char *body = malloc(REQUEST_BODY_BYTES + 1);

	(void)state;
	memset(body, ' ', REQUEST_BODY_BYTES + 1);
	memcpy(body + REQUEST_BODY_BYTES - strlen(BODY), BODY, strlen(BODY));
	assert_int_equal(restore_len("POST", t.origin, t.csrf, body, REQUEST_BODY_BYTES), 200);
	assert_int_equal(t.asked, 1);
	assert_int_equal(restore_len("POST", t.origin, t.csrf, body, REQUEST_BODY_BYTES + 1), 0);
	assert_int_equal(t.asked, 1);
	assert_int_equal(restore(BODY), 200); /* and others do not suffer */
	free(body);
}

static void test_errors(void **state)
{
	static const struct {
		int code, status;
	} all[] = {
		{ -ENOENT, 404 }, { -EROFS, 403 },  { -EACCES, 403 },
		{ -EBUSY, 503 },  { -EINVAL, 400 }, { -EIO, 500 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		t.code = all[i].code;
		assert_int_equal(restore(BODY), all[i].status);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_dry_by_default, setup, teardown),
		cmocka_unit_test_setup_teardown(test_who_may, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bodies, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
