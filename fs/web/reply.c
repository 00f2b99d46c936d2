/* SPDX-License-Identifier: MIT */
#include "fs/web/reply.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum MHD_Result reply_response(struct MHD_Connection *c, unsigned status, struct MHD_Response *response,
			       const char *type, const char *policy)
{
	static const char *const headers[][2] = {
		{ "X-Content-Type-Options", "nosniff" }, { "X-Frame-Options", "DENY" },
		{ "Referrer-Policy", "no-referrer" },    { "Cross-Origin-Resource-Policy", "same-origin" },
		{ "Cache-Control", "no-store" },
	};
	enum MHD_Result r;

	if (!response)
		return MHD_NO;
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		(void)MHD_add_response_header(response, headers[i][0], headers[i][1]);
	(void)MHD_add_response_header(response, "Content-Security-Policy", policy);
	if (strcmp(policy, REPLY_FILE_POLICY) !=
	    0) /* a browser refuses what is in a sandbox and has an opener's policy */
		(void)MHD_add_response_header(response, "Cross-Origin-Opener-Policy", "same-origin");
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED &&
	    !MHD_get_response_header(response, MHD_HTTP_HEADER_ALLOW))
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, POST");
	r = MHD_queue_response(c, status, response);
	MHD_destroy_response(response);
	return r;
}

static struct MHD_Response *copied(const char *text)
{
	return MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
}

enum MHD_Result reply_words(struct MHD_Connection *c, unsigned status, const char *words)
{
	return reply_response(c, status, copied(words), "text/plain; charset=utf-8", REPLY_PLAIN_POLICY);
}

enum MHD_Result reply_json_take(struct MHD_Connection *c, unsigned status, json_t *value)
{
	char *text = value ? json_dumps(value, JSON_COMPACT) : NULL;

	json_decref(value);
	if (!text)
		return reply_words(c, MHD_HTTP_INTERNAL_SERVER_ERROR, "no memory\n");
	return reply_response(c, status,
			      MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE),
			      "application/json", REPLY_PLAIN_POLICY);
}

static unsigned status_of(int code)
{
	switch (code) {
	case -EINVAL:
		return MHD_HTTP_BAD_REQUEST;
	case -EACCES:
	case -EPERM:
	case -EROFS:
		return MHD_HTTP_FORBIDDEN;
	case -ENOENT:
	case -ENOTDIR:
	case -ESTALE:
	case -ENAMETOOLONG:
		return MHD_HTTP_NOT_FOUND;
	case -EBUSY:
	case -ECONNRESET:
		return MHD_HTTP_SERVICE_UNAVAILABLE;
	default:
		return MHD_HTTP_INTERNAL_SERVER_ERROR;
	}
}

enum MHD_Result reply_error(struct MHD_Connection *c, const struct hf_error *err)
{
	json_t *o = json_pack("{s:s}", "error", err->text[0] ? err->text : hf_strerror(err->code));

	if (!o) /* words with bytes in them that are no text */
		o = json_pack("{s:s}", "error", hf_strerror(err->code));
	return reply_json_take(c, status_of(err->code), o);
}

enum MHD_Result reply_asset(struct MHD_Connection *c, const struct asset *asset)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer((size_t)(asset->end - asset->begin),
						(void *)(uintptr_t)asset->begin, MHD_RESPMEM_PERSISTENT);

	return reply_response(c, MHD_HTTP_OK, response, asset->type, REPLY_PAGE_POLICY);
}

enum MHD_Result reply_session(struct MHD_Connection *c, const char *place, const char *cookie)
{
	struct MHD_Response *response = copied("");
	char text[300];

	if (!response)
		return MHD_NO;
	(void)snprintf(text, sizeof(text), "/%s/", place);
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_LOCATION, text);
	(void)snprintf(text, sizeof(text), "holdfast=%s; Path=/%s/; HttpOnly; SameSite=Strict", cookie,
		       place);
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_SET_COOKIE, text);
	explicit_bzero(text, sizeof(text));
	return reply_response(c, MHD_HTTP_SEE_OTHER, response, "text/plain; charset=utf-8",
			      REPLY_PLAIN_POLICY);
}
