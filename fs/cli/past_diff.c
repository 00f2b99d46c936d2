/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/cli/cli.h"
#include "fs/cli/output.h"
#include "fs/cli/past.h"
#include "holdfast/history.h"

static const char *letter(enum hf_difference_kind kind)
{
	static const char *const letters[] = { [HF_ADDED] = "A",
					       [HF_REMOVED] = "D",
					       [HF_CONTENTS] = "M",
					       [HF_ATTRIBUTES] = "P",
					       [HF_RENAMED] = "R" };

	return letters[kind];
}

static json_t *state_of(const struct hf_attr *attr)
{
	char mode[8];

	snprintf(mode, sizeof(mode), "%03o", attr->mode & 07777);
	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "type", past_type(attr->mode), "mode", mode, "uid",
			 output_number(attr->uid), "gid", output_number(attr->gid), "size",
			 output_number(S_ISDIR(attr->mode) ? 0 : attr->size_bytes), "mtime",
			 output_time((uint64_t)attr->mtime.tv_sec * 1000000000 +
				     (uint64_t)attr->mtime.tv_nsec));
}

static int tell(void *arg, const struct hf_difference *d)
{
	const struct operation_listener *listener = arg;
	json_t *row = json_pack("{s:s, s:s}", "kind", letter(d->kind), "type",
				past_type(d->b ? d->b->mode : d->a->mode));

	if (operation_is_stopped(listener)) {
		json_decref(row);
		return 1;
	}
	if (!row || output_set_path(row, "path", d->path) < 0 ||
	    (d->kind == HF_RENAMED && output_set_path(row, "path_before", d->path_before) < 0) ||
	    (d->kind == HF_RENAMED && d->also &&
	     json_object_set_new(row, "also", json_string(letter(d->also))) < 0) ||
	    (d->a && json_object_set_new(row, "a", state_of(d->a)) < 0) ||
	    (d->b && json_object_set_new(row, "b", state_of(d->b)) < 0)) {
		json_decref(row);
		row = NULL;
	}
	return past_tell_take(listener, row);
}

static int find_moment(struct hf_store *store, const char *text, struct hf_point *ret, struct hf_error *err)
{
	int r = hf_moment_find(store, *text ? text : "now", ret, err);

	return r < 0 ? hf_error_prefix(err, r, "%s", text) : r;
}

/* At one of the two moments there has to be something. */
static int is_there(struct hf_store *store, const struct target_at *t, const struct hf_point *a,
		    const struct hf_point *b, struct hf_error *err)
{
	struct hf_view at_a = { store, a->tid }, at_b = { store, b->tid };
	struct hf_attr what;
	int r = hf_view_walk(&at_a, t->path, &what, err);

	if (r == -ENOENT || r == -ENOTDIR)
		r = hf_view_walk(&at_b, t->path, &what, err);
	if (r == -ENOENT || r == -ENOTDIR) {
		struct target_at missing = *t;

		missing.point = a->tid > b->tid ? *a : *b;
		missing.said = true;
		r = target_is_missing(store, &missing, err);
	}
	return r;
}

PAST_OPERATION(past_diff)
{
	CLEANUP(target_at_release) struct target_at t = { .path = NULL };
	struct hf_point a, b;
	json_t *answer;
	int r;

	if (past_target(store, request, &t, err) < 0 ||
	    find_moment(store, output_get_text(request, "a"), &a, err) < 0 ||
	    find_moment(store, output_get_text(request, "b"), &b, err) < 0 ||
	    is_there(store, &t, &a, &b, err) < 0)
		return NULL;
	r = hf_diff(store, a.tid, b.tid, t.path, tell, (void *)listener, &listener->progress, err);
	if (r >= 0 && operation_is_stopped(listener))
		r = hf_error_set(err, -EINTR, "the volume is being unmounted");
	if (r < 0)
		return NULL;
	answer = json_pack("{s:o, s:o}", "a", past_point(&a), "b", past_point(&b));
	return answer ? answer : past_no_memory(err);
}
