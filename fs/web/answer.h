/* SPDX-License-Identifier: MIT */
/* What the answers of a store to its page share (between layers 5 and 6; the requests: web.h). */
#ifndef FS_WEB_ANSWER_H
#define FS_WEB_ANSWER_H

#include "fs/web/web.h"
#include "holdfast/history.h"
#include "holdfast/moment.h"

enum {
	ANSWER_NAMES_MAX = 400,       /* a page of a directory */
	ANSWER_EVENTS_MAX = 200,      /* … of what happened */
	ANSWER_DIFFERENCES_MAX = 500, /* of two moments */
	ANSWER_VERSIONS_MAX = 100,
	ANSWER_BARS_MAX = 300,
	ANSWER_TAGS_MAX = 200,
	ANSWER_TEXT_BYTES = 200 << 10, /* of paths, which may be long, in any page */
	ANSWER_READ_BYTES = 512 << 10, /* of a file at once; in base64 it fits a line of the control socket */
};

/* A member that is a text; "" when it is not there. Borrowed. */
const char *answer_text(const json_t *request, const char *key);
/* … that is a number in digits; absent or empty: `otherwise`. -EINVAL. */
int answer_number(const json_t *request, const char *key, uint64_t otherwise, uint64_t *ret,
		  struct hf_error *err);
/* … that is a path; free it. */
int answer_path(const json_t *request, char **ret, struct hf_error *err);
/* … that is a moment; absent or empty: now, as far as it is durable and history tells of it. */
int answer_moment(struct hf_store *store, const json_t *request, const char *key, struct hf_point *ret,
		  struct hf_error *err);

json_t *answer_no_memory(struct hf_error *err); /* NULL */
json_t *answer_int(uint64_t n);
json_t *answer_ms(uint64_t time_ns);
json_t *answer_escaped(const char *bytes);                   /* a path or name */
json_t *answer_point(const struct hf_point *point);          /* {tid, ms, moment} */
json_t *answer_tid_ms(struct hf_store *store, uint64_t tid); /* when an operation was; null: not known */
json_t *answer_attr(const struct hf_attr *attr);             /* {type, size, mode, uid, gid, mtime, tid} */
const char *answer_type(uint32_t mode);                      /* "file", "folder", "link", "other" */
const char *answer_kind(enum hf_change_kind kind);           /* "create" … */

/* Is there room in the page for one more, with such a path? Counts it (text may be NULL). */
bool answer_has_room(size_t *used_bytes, const char *text);
/* A finished object: NULL for memory, whatever was missing in it. */
json_t *answer_end(json_t *answer, struct hf_error *err);

typedef json_t *answer_fn(struct hf_store *store, const json_t *request, struct hf_error *err);
answer_fn answer_list, answer_gone, answer_read; /* answer_tree.c */
answer_fn answer_timeline, answer_log;           /* answer_past.c */
answer_fn answer_versions, answer_diff;          /* answer_change.c */

#endif
