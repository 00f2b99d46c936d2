/* SPDX-License-Identifier: MIT */
/* What every answer of the page's server has in common, above all its headers (between layers 5 and 6). */
#ifndef FS_WEB_REPLY_H
#define FS_WEB_REPLY_H

#include <microhttpd.h>

#include <jansson.h>

#include "fs/web/assets.h"
#include "holdfast/error.h"

/* Nothing but what comes from here, nothing inline, no page around it, no text that becomes a page. */
#define REPLY_PAGE_POLICY                                                                                   \
	"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "     \
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; " \
	"trusted-types 'none'"
/* Of what is no page, nothing at all; and of a file, it is nobody's page either. */
#define REPLY_PLAIN_POLICY "default-src 'none'; frame-ancestors 'none'"
#define REPLY_FILE_POLICY "default-src 'none'; frame-ancestors 'none'; sandbox"

/* Each queues an answer, and takes the response over; MHD_NO: the connection is to be closed. */
enum MHD_Result reply_response(struct MHD_Connection *c, unsigned status, struct MHD_Response *response,
			       const char *type, const char *policy);
enum MHD_Result reply_words(struct MHD_Connection *c, unsigned status, const char *words);
enum MHD_Result reply_json_take(struct MHD_Connection *c, unsigned status, json_t *value);
enum MHD_Result reply_error(struct MHD_Connection *c,
			    const struct hf_error *err); /* as JSON, with a fitting status */
enum MHD_Result reply_asset(struct MHD_Connection *c, const struct asset *asset);
/* To another place on this server, with a cookie for it. */
enum MHD_Result reply_session(struct MHD_Connection *c, const char *place, const char *cookie);

#endif
