/* SPDX-License-Identifier: MIT */
/*
 * Checking a store, and healing it (layer 6):
 *
 *   {"do": "check"}            {"faults": N, segments, bytes, …}; each fault is told as it is found
 *   "replicas", "repair": true  either or both besides: also {healed_segments, healed_bytes, copies,
 *                              copies_bytes, found_faults}; what was healed is a row {"healed": words}
 */
#ifndef FS_CLI_CHECK_REQUEST_H
#define FS_CLI_CHECK_REQUEST_H

#include "fs/cli/operations.h"

/* Of the store at path, at rest; or of one that is open. NULL with err set. */
json_t *check_request(const char *path, struct hf_store *store, const json_t *request,
		      const struct operation_listener *listener, struct hf_error *err);

#endif
