/* SPDX-License-Identifier: MIT */
/*
 * One request to the page's server (between layers 5 and 6). Paths:
 *
 *   /open/LINK          a link is used up, and gives a session: 303 to its place
 *   /PLACE/             the page and its files
 *   /PLACE/api/NAME     what it asks, by GET
 *   /PLACE/api/leave    by POST: the session is over
 *   /PLACE/api/restore  by POST, with {"path": P, "at": M, "dry": bool} as of web.h; without "dry" it is true
 *   /PLACE/file         a file's bytes, always as an attachment
 *
 * Before any of it: the Host must be ours (host.h), and the session's cookie be there. What changes something
 * is a POST with the session's csrf key in X-Holdfast-Csrf, and an Origin that is ours.
 */
#ifndef FS_WEB_REQUEST_H
#define FS_WEB_REQUEST_H

#include <microhttpd.h>

#include "fs/web/sessions.h"
#include "fs/web/web.h"

enum {
	REQUEST_BODY_BYTES = 32 << 10, /* what a POST may carry */
	REQUEST_SILENCE_S = 60,
	REQUEST_BLOCK_BYTES = 512 << 10,
};

struct web_service {
	struct sessions *sessions;
	web_ask_fn *ask;
	void *arg;
};

/* What is kept of a request while it arrives, to be given to request_end. NULL without memory. */
struct web_request *request_begin(const struct web_service *service, struct MHD_Connection *connection,
				  const char *method, const char *path);
/* As libmicrohttpd calls; *len is taken. Answers when all is there. */
enum MHD_Result request_go(struct web_request *q, const char *data, size_t *len);
void request_end(struct web_request *q);

#endif
