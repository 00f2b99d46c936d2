/* SPDX-License-Identifier: MIT */
/*
 * What commands ask of a store's replicas (layer 6), in the form of operations.h, and likewise of a store
 * that is open here or in another process; but one at rest is not opened for it.
 *
 *   {"do": "replica-add", "place": P, "name": N, "limit": bytes a second}   name and limit may be absent:
 *                                                                          {"name": N}
 *   {"do": "replica-remove", "which": W}
 *   {"do": "replica-limit", "which": W, "limit": bytes a second, 0: none}
 *   {"do": "replica-acknowledge", "which": W}
 */
#ifndef FS_CLI_REPLICA_REQUEST_H
#define FS_CLI_REPLICA_REQUEST_H

#include "fs/cli/operations.h"

bool replica_is_request(const json_t *request);
/* `store` NULL: it is at rest in the folder `path`. A new object, or NULL with err set. */
json_t *replica_request(struct hf_store *store, const char *path, const json_t *request,
			const struct operation_listener *listener, struct hf_error *err);

#endif
