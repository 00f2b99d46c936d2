/* SPDX-License-Identifier: MIT */
/*
 * A time machine in the browser (between layers 5 and 6): a small server on this machine, and the page it
 * serves.
 *
 * Two halves that know nothing of each other. What the page asks of a store is answered by web_answer, a
 * request in JSON that gives an answer in JSON, wherever the store is open (fs/cli/operations.h). The server
 * asks by way of a function it is given, so that it makes no difference to it where that is; it looks after
 * who may ask.
 *
 *   {"do": "web-list", "at": M, "path": P, "after": C}          what is at a path, a page of its names
 *   {"do": "web-gone", "at": M, "path": P, "after": C}          a page of the names a directory has no more
 *   {"do": "web-timeline", "from": MS, "until": MS, "bars": N}  how much changed when; tags
 *   {"do": "web-log", "path": P, "since": T, "until": T}        what happened below a path, newest first
 *   {"do": "web-versions", "path": P, "before": T}              what a path was, newest first
 *   {"do": "web-diff", "a": M, "b": M, "path": P}               how a tree differs between two moments
 *   {"do": "web-read", "at": M, "path": P, "offset": N, "length": N}  bytes of a file, in base64
 *
 * and what is no question of web_answer, for it changes the store, and whoever has it open has to know of
 * that (fs/cli/web_restore.h):
 *
 *   {"do": "web-restore", "at": M, "path": P, "dry": bool}  put a tree back, or tell what would change by it
 *
 * All values are texts, as they come from a URL; what is absent or empty is the natural beginning, or now. M
 * is a moment (moment.h), T a tid. Paths and names, in and out, are percent-encoded bytes (percent.h): so any
 * name there can be passes through JSON and URLs. Times are milliseconds since 1970. All answers are bounded
 * and say when there is more.
 */
#ifndef FS_WEB_WEB_H
#define FS_WEB_WEB_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "holdfast/store.h"

bool web_is_request(const json_t *request);
/* A new object, or NULL with err set: -EINVAL for a request that makes no sense. */
json_t *web_answer(struct hf_store *store, const json_t *request, struct hf_error *err);

/* Ask a store; a new reference, or NULL with err set. Called from several threads at once. */
typedef json_t *web_ask_fn(void *arg, const json_t *request, struct hf_error *err);

struct web;
enum { WEB_LINK_BYTES = 256 };

/*
 * Listen at "ADDR:PORT", "[ADDR]:PORT" or "PORT" (NULL: 127.0.0.1, any free port), and serve from threads of
 * its own. -EINVAL: not such a text; -EADDRINUSE, -EADDRNOTAVAIL, -EACCES.
 */
int web_start(const char *listen_at, web_ask_fn *ask, void *arg, struct web **ret, struct hf_error *err);
/* A link that opens the page once, within LINK_SECONDS (sessions.h). -EIO: the system gives no random bytes.
 */
int web_link(struct web *web, char ret[WEB_LINK_BYTES], struct hf_error *err);
/* Can others than this machine reach it? */
bool web_is_reachable(const struct web *web);
/* Ends every session; what is being sent breaks off. Returns when nobody asks any more. NULL is fine. */
void web_stop(struct web *web);

#endif
