/* SPDX-License-Identifier: MIT */
/*
 * What commands ask of an open store (layer 6), each a JSON object in and one out, so that it makes no
 * difference whether the store is open here or in the process that has it mounted (location.h).
 *
 *   {"do": "status"}                             what `holdfast status --json` prints
 *   {"do": "commit"}                             everything acknowledged is durable
 *   {"do": "drain", "timeout_ms": N}             … and at every replica: {"drained": bool, "left": "words"}
 *   {"do": "tag", "name": T, "moment": M}        moment may be absent: now
 *   {"do": "untag", "name": T}
 *   {"do": "tags"}                               {"tags": [{name, tid, time, moment}]}
 *   {"do": "head"}                               commit, then {"head": the line, volume_id, commit, tid, …}
 *   {"do": "replica-…"}                          see replica_request.h
 *   {"do": "web-…"}                              see fs/web/web.h
 *   {"do": "restore", "path": P, "moment": M, "to": T}   P, M as of target.h; T an absolute path outside
 *                                                of the volume: {files, folders, others, bytes, failed,
 *                                                owners, tid, …}; each name that fails is told
 *   {"do": "put-back"}, {"do": "last-change"}    see put_back.h
 *   {"do": "alarm-test"}                         {}: hf_alarm_test
 *   {"do": "check"}                              see check_request.h
 *   {"do": "log", "diff", "cat", "gone", "cost", "what"}   see past.h; of long answers each line is told
 */
#ifndef FS_CLI_OPERATIONS_H
#define FS_CLI_OPERATIONS_H

#include <stdbool.h>

#include <jansson.h>

#include "holdfast/store.h"

/* Whom to tell what, while it goes on. Every member may be NULL. */
struct operation_listener {
	struct hf_progress progress;
	void (*found)(void *arg, const char *what); /* a fault, or what was asked to be told; from one thread
						       at a time, maybe not the caller's */
	/*
	 * A line of a long answer, and bytes of a file: borrowed for the call. Not 0: nobody wants more; the
	 * operation then ends, and its answer does not matter.
	 */
	int (*row)(void *arg, const json_t *row);
	int (*data)(void *arg, const void *data, size_t len);
	bool (*stopped)(
		void *arg); /* whoever waits should not be kept waiting, or is gone; from any thread */
	void *arg;
};
bool operation_is_stopped(const struct operation_listener *listener);

/* Whether the operation changes the log: a store at rest is opened for writing only then. */
bool operation_changes(const json_t *request);

/*
 * Do it. Returns a new object, or NULL with err set: -EINVAL for a request that makes no sense.
 */
json_t *operation_do(struct hf_store *store, const json_t *request, const struct operation_listener *listener,
		     struct hf_error *err);

#endif
