/* SPDX-License-Identifier: MIT */
/*
 * Where the page's answers come from (layer 6): the process that has the store mounted, or the store at rest,
 * which is opened read-only when it is asked for something and let go of a moment after the last question, so
 * that it can be mounted while the page is open; for what changes it (web_restore.h) it is opened for
 * writing, and for that alone. Which of the two it is may change from one question to the next.
 */
#ifndef FS_CLI_WEB_SOURCE_H
#define FS_CLI_WEB_SOURCE_H

#include "fs/cli/location.h"

struct web_source;

/* Takes what location holds over. NULL without memory or threads. */
struct web_source *web_source_start_take(struct location *location);
/* As web_ask_fn: from any thread. */
json_t *web_source_ask(void *source, const json_t *request, struct hf_error *err);
void web_source_stop(struct web_source *source); /* nobody asks any more; NULL is fine */

#endif
