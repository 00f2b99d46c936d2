/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/cli/cli.h"
#include "fs/cli/output.h"
#include "fs/cli/past.h"
#include "holdfast/history.h"
#include "holdfast/op.h"

struct telling {
	struct hf_store *store;
	const struct operation_listener *listener;
	uint64_t lines, most; /* most 0: no limit */
	bool deleted, brief;
};

static const char *kind_name(enum hf_change_kind kind)
{
	static const char *const names[] = {
		[HF_CHANGE_CREATE] = "create",         [HF_CHANGE_LINK] = "link",
		[HF_CHANGE_REMOVE] = "remove",         [HF_CHANGE_RENAME] = "rename",
		[HF_CHANGE_ATTRIBUTES] = "attributes", [HF_CHANGE_WRITE] = "write",
		[HF_CHANGE_ALLOCATE] = "allocate",     [HF_CHANGE_COPY] = "copy",
		[HF_CHANGE_XATTR] = "xattr",           [HF_CHANGE_TAG] = "tag",
		[HF_CHANGE_OWN] = "housekeeping",
	};

	return names[kind];
}

/* Without memory a member is missing, which the caller sees by `ok`. */
static void add(json_t *object, const char *key, json_t *value, bool *ok)
{
	*ok &= json_object_set_new(object, key, value) == 0;
}

static void add_pair(json_t *changes, const char *key, uint64_t before, uint64_t after, bool *ok)
{
	if (before != after)
		add(changes, key, json_pack("[o, o]", output_number(before), output_number(after)), ok);
}

static void add_times(json_t *changes, const char *key, struct timespec before, struct timespec after,
		      bool *ok)
{
	if (before.tv_sec != after.tv_sec || before.tv_nsec != after.tv_nsec)
		add(changes, key, json_pack("[I, I]", (json_int_t)before.tv_sec, (json_int_t)after.tv_sec),
		    ok);
}

static json_t *changes_of(const struct hf_event *e, bool *ok)
{
	json_t *changes = json_object();
	const struct hf_attr *a = e->before, *b = e->after;
	char mode[2][8];

	if ((a->mode ^ b->mode) & 07777) {
		snprintf(mode[0], sizeof(mode[0]), "%03o", a->mode & 07777);
		snprintf(mode[1], sizeof(mode[1]), "%03o", b->mode & 07777);
		add(changes, "mode", json_pack("[s, s]", mode[0], mode[1]), ok);
	}
	add_pair(changes, "uid", a->uid, b->uid, ok);
	add_pair(changes, "gid", a->gid, b->gid, ok);
	if (!S_ISDIR(b->mode))
		add_pair(changes, "size", a->size_bytes, b->size_bytes, ok);
	add_times(changes, "atime", a->atime, b->atime, ok);
	add_times(changes, "mtime", a->mtime, b->mtime, ok);
	return changes;
}

/* Which moment was given the name: null, it was taken away. */
static json_t *named_of(struct hf_store *store, const struct hf_event *e)
{
	struct hf_point named = { e->tagged_tid, 0 };

	if (e->tagged_tid == HF_TID_HEAD)
		return json_null();
	(void)hf_point_of_tid(store, e->tagged_tid, &named,
			      NULL); /* before the first operation there is no time */
	return past_point(&named);
}

static json_t *row_of(struct hf_store *store, const struct hf_event *e)
{
	const struct hf_change *c = &e->change;
	struct hf_point point = { c->tid, c->time_ns };
	json_t *row = past_point(&point);
	bool ok = row != NULL;

	if (!ok)
		return NULL;
	add(row, "kind", json_string(kind_name(c->kind)), &ok);
	ok &= output_set_path(row, "path", e->path) == 0;
	if (e->type)
		add(row, "type", json_string(past_type(e->type)), &ok);
	add(row, "uid", c->uid == HF_UID_UNKNOWN ? json_null() : output_number(c->uid), &ok);
	add(row, "bytes", output_number(c->bytes), &ok);
	if (e->renamed)
		ok &= output_set_path(row, "renamed_from", e->renamed) == 0;
	if (c->kind == HF_CHANGE_RENAME && c->other)
		add(row, "replaced", json_true(), &ok);
	if (e->tag) {
		add(row, "tag", json_string(e->tag), &ok);
		add(row, "named", named_of(store, e), &ok);
	}
	if (c->kind == HF_CHANGE_ATTRIBUTES && e->before && e->after)
		add(row, "changes", changes_of(e, &ok), &ok);
	if (!ok) {
		json_decref(row);
		return NULL;
	}
	return row;
}

static json_t *brief_row_of(const struct hf_event *e)
{
	return json_pack("{s:o, s:o}", "tid", output_number(e->change.tid), "time_ns",
			 output_number(e->change.time_ns));
}

static int tell(void *arg, const struct hf_event *e)
{
	struct telling *t = arg;
	int r;

	if (operation_is_stopped(t->listener))
		return 1;
	if ((t->deleted && e->change.kind != HF_CHANGE_REMOVE) ||
	    (t->brief && e->change.kind == HF_CHANGE_TAG))
		return 0;
	r = past_tell_take(t->listener, t->brief ? brief_row_of(e) : row_of(t->store, e));
	t->lines++;
	return r != 0 ? r : t->most && t->lines >= t->most;
}

/* A time before all there is leaves nothing out; any other moment has to be there. */
static int find_since(struct hf_store *store, const char *text, struct hf_point *ret, struct hf_error *err)
{
	struct hf_moment moment;
	int r;

	*ret = (struct hf_point){ 0, 0 };
	if (!*text)
		return 0;
	r = hf_moment_find(store, text, ret, err);
	if (r == -ENOENT && hf_moment_parse(text, 0, &moment, NULL) == 0 && moment.kind == HF_MOMENT_TIME) {
		*ret = (struct hf_point){ 0, 0 };
		return 0;
	}
	return r;
}

PAST_OPERATION(past_log)
{
	CLEANUP(target_at_release) struct target_at t = { .path = NULL };
	struct telling telling = { .store = store,
				   .listener = listener,
				   .most = output_get_number(request, "count"),
				   .deleted = json_is_true(json_object_get(request, "deleted")),
				   .brief = json_is_true(json_object_get(request, "brief")) };
	const char *until = output_get_text(request, "until");
	unsigned flags = json_is_true(json_object_get(request, "oldest_first")) ? 0 : HF_NEWEST_FIRST;
	struct hf_point from, to;
	json_t *answer;
	int r;

	if (past_target(store, request, &t, err) < 0 ||
	    find_since(store, output_get_text(request, "since"), &from, err) < 0)
		return NULL;
	to = t.said ? t.point : (struct hf_point){ HF_TID_HEAD, 0 };
	if (*until && hf_moment_find(store, until, &to, err) < 0)
		return NULL;
	if (t.said && to.tid > t.point.tid)
		to = t.point;
	flags |= telling.brief ? HF_CHANGES_ONLY : 0;
	r = hf_log(store, t.path, from.tid, to.tid, flags, tell, &telling, &listener->progress, err);
	if (r == -ENOENT)
		(void)target_is_missing(store, &t, err);
	if (r >= 0 && operation_is_stopped(listener))
		r = hf_error_set(err, -EINTR, "the volume is being unmounted");
	if (r < 0)
		return NULL;
	answer = json_pack("{s:o}", "lines", output_number(telling.lines));
	return answer ? answer : past_no_memory(err);
}
