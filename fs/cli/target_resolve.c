/* SPDX-License-Identifier: MIT */
/* What a target is in an open store. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fs/cli/cli.h"
#include "fs/cli/output.h"
#include "fs/cli/target.h"
#include "holdfast/history.h"

static int no_memory(struct hf_error *err)
{
	return hf_error_set(err, -ENOMEM, "no memory");
}

static void take_head(struct hf_store *s, struct target_at *t)
{
	struct hf_status status;

	hf_store_status(s, &status);
	t->point = (struct hf_point){ status.head_tid, status.head_time_ns };
	t->said = false;
}

/* "a@b" may be the name of a file: then it is one, and the present is meant. */
static int join_name(struct hf_store *s, struct target_at *t, const char *end, struct hf_error *err)
{
	char *whole;

	if (asprintf(&whole, "%s@%s", t->path, end) < 0)
		return no_memory(err);
	free(t->path);
	t->path = whole;
	t->tag_is_name = true;
	take_head(s, t);
	return 0;
}

int target_resolve(struct hf_store *s, const json_t *request, struct target_at *ret, struct hf_error *err)
{
	const char *moment = output_get_text(request, "moment");
	struct target_at t = { .path = output_get_path(request, "path"), .said = true };
	int r = 0;

	if (!t.path)
		return hf_error_set(err, -EINVAL, "a request without a path");
	if (!*moment) {
		take_head(s, &t);
	} else {
		r = hf_moment_find(s, moment, &t.point, err);
		if (r == -ENOENT && json_is_true(json_object_get(request, "maybe_name")))
			r = join_name(s, &t, moment, err);
	}
	if (r < 0)
		target_at_release(&t);
	else
		*ret = t;
	return r;
}

void target_at_release(struct target_at *t)
{
	free(t->path);
	t->path = NULL;
}

/* The moments next to a wanted one at which there was something of that path. 0: none. */
struct nearest {
	uint64_t wanted, before, after;
};

static int look_nearer(void *arg, const struct hf_stretch *stretch)
{
	struct nearest *n = arg;

	if (stretch->from > n->wanted)
		n->after = stretch->from; /* newest first: the last one seen is the nearest */
	else if (stretch->until != HF_TID_HEAD && stretch->until <= n->wanted &&
		 stretch->until - 1 > n->before)
		n->before = stretch->until - 1;
	return 0;
}

static void format_point(struct hf_store *s, uint64_t tid, char *out, size_t size)
{
	struct hf_point point;
	char time[40];

	if (hf_point_of_tid(s, tid, &point, NULL) < 0)
		snprintf(out, size, "tid-%" PRIu64, tid);
	else
		snprintf(out, size, "tid-%" PRIu64 " (%s)", tid,
			 hf_moment_format(point.time_ns, time, sizeof(time)));
}

int target_is_missing(struct hf_store *s, const struct target_at *t, struct hf_error *err)
{
	struct nearest n = { .wanted = t->point.tid };
	char when[80], later[80], name[160] = "";
	int r = hf_life(s, t->path, look_nearer, &n, err);

	if (t->tag_is_name)
		snprintf(name, sizeof(name), ", nor is %.128s a snapshot's name", strrchr(t->path, '@') + 1);
	if (r == -ENOENT)
		return hf_error_set(err, r, "there never was a '%s' in the volume%s", t->path, name);
	if (r < 0)
		return r;
	if (n.before && n.after) {
		format_point(s, n.before, when, sizeof(when));
		format_point(s, n.after, later, sizeof(later));
		return hf_error_set(
			err, -ENOENT,
			"there is no '%s' at that moment%s; the last before at which there was: %s, the first after: %s",
			t->path, name, when, later);
	}
	if (n.before) {
		format_point(s, n.before, when, sizeof(when));
		return hf_error_set(err, -ENOENT,
				    "there is no '%s' %s%s; the last moment before at which there was: %s",
				    t->path, t->said ? "at that moment" : "any more", name, when);
	}
	if (n.after) {
		format_point(s, n.after, when, sizeof(when));
		return hf_error_set(err, -ENOENT,
				    "there is no '%s' at that moment%s; the first one with it: %s", t->path,
				    name, when);
	}
	return hf_error_set(err, -ENOENT, "there is no '%s' at that moment%s", t->path, name);
}

int target_walk(struct hf_store *s, const struct target_at *t, struct hf_attr *ret, struct hf_error *err)
{
	struct hf_view view = { s, t->said ? t->point.tid : HF_TID_HEAD };
	int r = hf_view_walk(&view, t->path, ret, err);

	return r == -ENOENT || r == -ENOTDIR ? target_is_missing(s, t, err) : r;
}
