/* SPDX-License-Identifier: MIT */
/*
 * Restoring in the volume itself, next to the store (layer 6; operations.h): what is changed is dropped from
 * the kernel's caches when the store is mounted by this process, so that the next look finds what was
 * restored.
 *
 *   {"do": "put-back", "path": P, "moment": M, "dest": D, "dry": bool, "undo": bool, "tell": bool}
 *       dest absent: in place. With "tell" each change is told as it is made, as the text of an object {kind,
 * path, before, type, bytes}. Answers {tid, time, moment, before: {tid, …}, created, linked, moved, removed,
 * contents, attributes, bytes}; and, if there are any, "held": [{path}], files in use whose length
 * and times of before the kernel keeps (mount_changed_file), with "held_more" that are not named.
 *   {"do": "last-change", "path": P}
 *       what was last done to or below P: {tid: just before it, moment, first: {…}, last: {…}, operations,
 * uid}
 */
#ifndef FS_CLI_PUT_BACK_H
#define FS_CLI_PUT_BACK_H

#include "fs/cli/operations.h"

json_t *put_back(struct hf_store *store, const json_t *request, const struct operation_listener *listener,
		 struct hf_error *err);
json_t *put_back_last_change(struct hf_store *store, const json_t *request,
			     const struct operation_listener *listener, struct hf_error *err);

#endif
