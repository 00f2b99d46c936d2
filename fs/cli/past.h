/* SPDX-License-Identifier: MIT */
/*
 * Operations (operations.h) that tell of the past (layer 6). None changes anything but that what was
 * acknowledged is committed first, so that it is among what is told. P, M: path, moment and maybe_name of
 * target.h; names that are no UTF-8 as output_set_path puts them. Times are RFC 3339; `moment` is the
 * canonical text.
 *
 *   {"do": "log", P, M, "since": T, "until": T, "count": N, "oldest_first": bool,
 *    "deleted": bool, "brief": bool}
 *       M: as "until"; each absent or empty: no limit. Lines, newest first: {tid, time, moment, kind,
 *       path, type, uid (null: not known), bytes; renamed_from; replaced: true; changes: {mode: [before,
 *       after], uid, gid, size, atime, mtime: likewise}; of a tag: tag, named: {tid, time, moment} (null: the
 *       name was taken away)}; brief: {tid, time_ns} alone, of what changed something. Answer: {"lines": N}
 *
 *   {"do": "diff", P, "a": T, "b": T}
 *       Lines: {kind: "A", "D", "M", "P" or "R", also ("M" or "P", of an "R"), path, path_before, type,
 *       a: S, b: S} with S: {type, mode, uid, gid, size, mtime}, absent where it was not there.
 *       Answer: {a: {tid, time, moment}, b: likewise}
 *
 *   {"do": "cat", P, M, "links": bool}
 *       Its bytes; with links, of a symbolic link its target. Answer: {tid, time, moment, bytes}
 *
 *   {"do": "gone", P, "pattern": G}
 *       Names below P that were removed and are not there now. G: a glob for fnmatch(3), of the name, or
 *       with a "/" in it of the path. Lines: {path, type, bytes, uid, removed: {tid, time, moment},
 *       last_tid}. Answer: {"lines": N}
 *
 *   {"do": "cost", P}
 *       Answer: what hf_cost tells
 *
 *   {"do": "what", P, M}
 *       Answer: {path, tid, time, moment, there: bool, type}
 */
#ifndef FS_CLI_PAST_H
#define FS_CLI_PAST_H

#include "fs/cli/operations.h"
#include "fs/cli/target.h"

#define PAST_OPERATION(name)                                        \
	json_t *name(struct hf_store *store, const json_t *request, \
		     const struct operation_listener *listener, struct hf_error *err)

PAST_OPERATION(past_log);
PAST_OPERATION(past_diff);
PAST_OPERATION(past_cat);
PAST_OPERATION(past_gone);
PAST_OPERATION(past_cost);
PAST_OPERATION(past_what);

/* --- shared by them */

/* Commit, then target_resolve. */
int past_target(struct hf_store *store, const json_t *request, struct target_at *ret, struct hf_error *err);
/* Told to somebody, if anybody; taken. 0; 1: nobody wants more; -ENOMEM when row is NULL or does not fit. */
int past_tell_take(const struct operation_listener *listener, json_t *row);
/* {tid, time, moment}; NULL without memory. */
json_t *past_point(const struct hf_point *point);
/* "file", "directory", "link", … of the type bits of st_mode. */
const char *past_type(uint32_t mode);
/* NULL with "no memory". */
json_t *past_no_memory(struct hf_error *err);

#endif
