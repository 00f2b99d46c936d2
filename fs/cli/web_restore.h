/* SPDX-License-Identifier: MIT */
/*
 * Restoring by the page (layer 6): its request (fs/web/web.h) becomes that of put_back.h, and the answer has
 * in addition
 *
 *   changes   of a dry run, the first of what would be done: [{kind, type, path, before}], percent-encoded
 *   more      how many there are besides these
 *   undo      of a real one that changed something, the command that takes it back
 */
#ifndef FS_CLI_WEB_RESTORE_H
#define FS_CLI_WEB_RESTORE_H

#include "fs/cli/location.h"

enum { WEB_RESTORE_CHANGES_MAX = 100 };

/* Asks the store, wherever it is open. */
typedef json_t *web_restore_ask_fn(void *arg, const json_t *request,
				   const struct operation_listener *listener, struct hf_error *err);

bool web_restore_is_request(const json_t *request);
/* A new object, or NULL with err set: -EINVAL, -ENOENT (not there then), -EROFS, -EBUSY. */
json_t *web_restore(const struct location *location, const json_t *request, web_restore_ask_fn *ask,
		    void *arg, struct hf_error *err);

#endif
