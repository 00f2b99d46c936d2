/* SPDX-License-Identifier: MIT */
#include "fs/web/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fs/web/download.h"
#include "fs/web/host.h"
#include "fs/web/listen.h"
#include "fs/web/reply.h"

#define OPEN_PREFIX "/open/"

struct web_request {
	const struct web_service *service;
	struct MHD_Connection *connection;
	char *method, *path;
	char *body; /* what came; NULL: nothing */
	size_t body_len;
};

/* What the page asks a store, and with which of its query's arguments. */
static const struct question {
	const char *path, *ask;
	const char *const *arguments;
} questions[] = {
	{ "api/list", "web-list", (const char *const[]){ "at", "path", "after", NULL } },
	{ "api/gone", "web-gone", (const char *const[]){ "at", "path", "after", NULL } },
	{ "api/timeline", "web-timeline", (const char *const[]){ "from", "until", "bars", NULL } },
	{ "api/log", "web-log", (const char *const[]){ "path", "since", "until", NULL } },
	{ "api/versions", "web-versions", (const char *const[]){ "path", "before", NULL } },
	{ "api/diff", "web-diff", (const char *const[]){ "a", "b", "path", NULL } },
	{ "api/status", "status", (const char *const[]){ NULL } },
};

static uint64_t now_s(void)
{
	struct timespec now = { 0, 0 };

	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec;
}

static const char *header(const struct web_request *q, const char *name)
{
	return MHD_lookup_connection_value(q->connection, MHD_HEADER_KIND, name);
}

/* "" when it is not there; NULL when there is a NUL in it, behind which a text would end. */
static const char *argument(const struct web_request *q, const char *name)
{
	const char *value = NULL;
	size_t len = 0;

	if (MHD_lookup_connection_value_n(q->connection, MHD_GET_ARGUMENT_KIND, name, strlen(name), &value,
					  &len) != MHD_YES ||
	    !value)
		return "";
	return strlen(value) == len ? value : NULL;
}

/* --- who asks */

/* Browsers say whose page makes them ask; what is not a browser says nothing, and no page makes it do
 * anything. */
static bool is_from_elsewhere(const struct web_request *q)
{
	const char *site = header(q, "Sec-Fetch-Site"), *origin = header(q, "Origin");

	return (site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0) ||
	       (origin && !host_is_origin(origin, header(q, "Host")));
}

static bool may_change(const struct web_request *q, const struct session *session)
{
	return host_is_origin(header(q, "Origin"), header(q, "Host")) &&
	       sessions_same_key(header(q, "X-Holdfast-Csrf"), session->csrf);
}

/* --- what it asks */

static enum MHD_Result ask(const struct web_request *q, const struct question *question)
{
	json_t *request = json_object(), *answer;
	struct hf_error err = HF_ERROR_INIT;

	if (!request || json_object_set_new(request, "do", json_string(question->ask)) < 0)
		hf_error_set(&err, -ENOMEM, "no memory");
	for (const char *const *name = question->arguments; !err.code && *name; name++)
		if (json_object_set_new(request, *name, json_string(argument(q, *name))) < 0)
			hf_error_set(&err, -EINVAL, "%s is not text in UTF-8", *name);
	answer = err.code ? NULL : q->service->ask(q->service->arg, request, &err);
	json_decref(request);
	return answer ? reply_json_take(q->connection, MHD_HTTP_OK, answer) :
			reply_error(q->connection, &err);
}

static uint64_t limit_of(const struct web_request *q)
{
	const char *text = argument(q, "limit");

	return text && *text && strlen(text) < 16 && strspn(text, "0123456789") == strlen(text) ?
		       strtoull(text, NULL, 10) :
		       UINT64_MAX;
}

static enum MHD_Result get_file(const struct web_request *q)
{
	const char *at = argument(q, "at"), *path = argument(q, "path");

	if (!at || !path)
		return reply_words(q->connection, MHD_HTTP_BAD_REQUEST,
				   "That is not a path, or not a moment.\n");
	return download_send(q->service, q->connection, at, path, limit_of(q));
}

static enum MHD_Result get(const struct web_request *q, const struct session *session, const char *path)
{
	const struct asset *asset = asset_find(path);

	if (asset)
		return reply_asset(q->connection, asset);
	if (!strcmp(path, "file"))
		return get_file(q);
	if (!strcmp(path, "api/session"))
		return reply_json_take(q->connection, MHD_HTTP_OK,
				       json_pack("{s:s, s:s}", "csrf", session->csrf, "version",
						 hf_version()));
	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++)
		if (!strcmp(questions[i].path, path))
			return ask(q, &questions[i]);
	return reply_words(q->connection, MHD_HTTP_NOT_FOUND, "There is nothing here.\n");
}

/* Nothing is done by leaving something out: only "dry": false is no dry run. */
static json_t *restore_request(const struct web_request *q)
{
	json_t *body = q->body ? json_loadb(q->body, q->body_len, JSON_REJECT_DUPLICATES, NULL) : NULL;
	json_t *request = NULL;
	const char *path, *at;
	int dry = true;

	if (body && json_unpack_ex(body, NULL, JSON_STRICT, "{s:s, s:s, s?b}", "path", &path, "at", &at,
				   "dry", &dry) == 0)
		request = json_pack("{s:s, s:s, s:s, s:b}", "do", "web-restore", "path", path, "at", at,
				    "dry", dry);
	json_decref(body);
	return request;
}

static enum MHD_Result restore(const struct web_request *q)
{
	json_t *request = restore_request(q), *answer;
	struct hf_error err = HF_ERROR_INIT;
	enum MHD_Result r;

	if (!request)
		return reply_words(q->connection, MHD_HTTP_BAD_REQUEST,
				   "What to restore is said as {\"path\", \"at\", \"dry\"}.\n");
	/* however long it takes, whoever asked hears what came of it */
	(void)MHD_set_connection_option(q->connection, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
	answer = q->service->ask(q->service->arg, request, &err);
	json_decref(request);
	r = answer ? reply_json_take(q->connection, MHD_HTTP_OK, answer) : reply_error(q->connection, &err);
	(void)MHD_set_connection_option(q->connection, MHD_CONNECTION_OPTION_TIMEOUT,
					(unsigned)REQUEST_SILENCE_S);
	return r;
}

static enum MHD_Result post(const struct web_request *q, const struct session *session, const char *path)
{
	if (!may_change(q, session))
		return reply_words(q->connection, MHD_HTTP_FORBIDDEN, "This was not asked by the page.\n");
	if (!strcmp(path, "api/restore"))
		return restore(q);
	if (strcmp(path, "api/leave") != 0)
		return reply_words(q->connection, MHD_HTTP_NOT_FOUND, "There is nothing here to change.\n");
	sessions_end(q->service->sessions, session);
	return reply_json_take(q->connection, MHD_HTTP_OK, json_object());
}

static enum MHD_Result open_link(const struct web_request *q, const char *link)
{
	struct session session;
	enum MHD_Result r;

	if (strcmp(q->method, MHD_HTTP_METHOD_GET) != 0)
		return reply_words(q->connection, MHD_HTTP_METHOD_NOT_ALLOWED, "A link is opened by GET.\n");
	if (sessions_open(q->service->sessions, now_s(), link, &session) < 0)
		return reply_words(
			q->connection, MHD_HTTP_FORBIDDEN,
			"This link has been used, or its time is over. "
			"holdfast web prints another one: press Enter where it runs, or start it again.\n");
	r = reply_session(q->connection, session.place, session.cookie);
	explicit_bzero(&session, sizeof(session));
	return r;
}

/* In a session: /PLACE/path. */
static enum MHD_Result answer_session(const struct web_request *q)
{
	const char *cookie = MHD_lookup_connection_value(q->connection, MHD_COOKIE_KIND, "holdfast");
	const char *slash = strchr(q->path + 1, '/');
	char place[SESSIONS_KEY_BYTES] = "";
	struct session session;

	if (slash && (size_t)(slash - q->path - 1) < sizeof(place))
		memcpy(place, q->path + 1, (size_t)(slash - q->path - 1));
	if (sessions_find(q->service->sessions, now_s(), place, cookie, &session) < 0)
		return reply_words(q->connection, MHD_HTTP_FORBIDDEN,
				   "This page is opened by the link that holdfast web prints; "
				   "or the session that was here is over.\n");
	if (is_from_elsewhere(q))
		return reply_words(q->connection, MHD_HTTP_FORBIDDEN, "Another page asked for this.\n");
	if (!strcmp(q->method, MHD_HTTP_METHOD_GET))
		return get(q, &session, slash + 1);
	if (!strcmp(q->method, MHD_HTTP_METHOD_POST))
		return post(q, &session, slash + 1);
	return reply_words(q->connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET and POST are known here.\n");
}

static enum MHD_Result answer(const struct web_request *q)
{
	if (!listen_is_meant(q->connection))
		return reply_words(q->connection, MHD_HTTP_MISDIRECTED_REQUEST,
				   "This server answers to its own address only.\n");
	if (!strncmp(q->path, OPEN_PREFIX, strlen(OPEN_PREFIX)))
		return open_link(q, q->path + strlen(OPEN_PREFIX));
	return answer_session(q);
}

/* --- while it arrives */

struct web_request *request_begin(const struct web_service *service, struct MHD_Connection *connection,
				  const char *method, const char *path)
{
	struct web_request *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->service = service;
	q->connection = connection;
	q->method = strdup(method);
	q->path = strdup(path[0] ? path : "/");
	if (q->method && q->path)
		return q;
	request_end(q);
	return NULL;
}

enum MHD_Result request_go(struct web_request *q, const char *data, size_t *len)
{
	char *body;

	if (*len == 0)
		return answer(q);
	if (*len > REQUEST_BODY_BYTES - q->body_len)
		return MHD_NO; /* the connection is closed */
	body = realloc(q->body, q->body_len + *len);
	if (!body)
		return MHD_NO;
	memcpy(body + q->body_len, data, *len);
	q->body = body;
	q->body_len += *len;
	*len = 0;
	return MHD_YES;
}

void request_end(struct web_request *q)
{
	if (!q)
		return;
	free(q->method);
	free(q->path);
	free(q->body);
	free(q);
}
