/* SPDX-License-Identifier: MIT */
#include "fs/cli/past.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fs/cli/cli.h"
#include "fs/cli/output.h"
#include "holdfast/history.h"

enum { READ_BYTES = 256 << 10 };

json_t *past_no_memory(struct hf_error *err)
{
	hf_error_set(err, -ENOMEM, "no memory");
	return NULL;
}

int past_target(struct hf_store *store, const json_t *request, struct target_at *ret, struct hf_error *err)
{
	struct hf_status status;
	int r = 0;

	hf_store_status(store, &status);
	if (!status.read_only)
		r = hf_store_commit(store, err);
	return r < 0 ? r : target_resolve(store, request, ret, err);
}

int past_tell_take(const struct operation_listener *listener, json_t *row)
{
	int r = 0;

	if (!row)
		return -ENOMEM;
	if (listener->row)
		r = listener->row(listener->arg, row) ? 1 : 0;
	json_decref(row);
	return r;
}

json_t *past_point(const struct hf_point *point)
{
	char moment[40];

	return json_pack("{s:o, s:o, s:s}", "tid", output_number(point->tid), "time",
			 output_time(point->time_ns), "moment",
			 hf_moment_format(point->time_ns, moment, sizeof(moment)));
}

const char *past_type(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return "directory";
	case S_IFREG:
		return "file";
	case S_IFLNK:
		return "link";
	case S_IFIFO:
		return "fifo";
	case S_IFSOCK:
		return "socket";
	case S_IFCHR:
	case S_IFBLK:
		return "device";
	default:
		return "other";
	}
}

/* --- cat */

static int send_link(const struct hf_view *view, const struct hf_attr *what,
		     const struct operation_listener *listener, uint64_t *ret_bytes, struct hf_error *err)
{
	char target[4097];
	ssize_t n = hf_view_readlink(view, what->ino, target, sizeof(target), err);

	if (n < 0)
		return (int)n;
	*ret_bytes = (uint64_t)n;
	return listener->data ? listener->data(listener->arg, target, (size_t)n) : 0;
}

static int send_file(const struct hf_view *view, const struct hf_attr *what,
		     const struct operation_listener *listener, uint64_t *ret_bytes, struct hf_error *err)
{
	CLEANUP(cli_cleanup_free) char *buffer = malloc(READ_BYTES);
	uint64_t at = 0;
	ssize_t n;
	int r = 0;

	if (!buffer)
		return hf_error_set(err, -ENOMEM, "no memory");
	do {
		if (operation_is_stopped(listener))
			return hf_error_set(err, -EINTR, "the volume is being unmounted");
		n = hf_view_read(view, what->ino, at, buffer, READ_BYTES, err);
		if (n > 0 && listener->data)
			r = listener->data(listener->arg, buffer, (size_t)n);
		at += n > 0 ? (uint64_t)n : 0;
	} while (n > 0 && r == 0);
	*ret_bytes = at;
	return n < 0 ? (int)n : r;
}

PAST_OPERATION(past_cat)
{
	CLEANUP(target_at_release) struct target_at t = { .path = NULL };
	struct hf_view view = { .store = store };
	uint64_t bytes = 0;
	struct hf_attr what;
	json_t *answer;
	int r;

	if (past_target(store, request, &t, err) < 0 || target_walk(store, &t, &what, err) < 0)
		return NULL;
	view.tid = t.point.tid;
	if (S_ISREG(what.mode)) {
		r = send_file(&view, &what, listener, &bytes, err);
	} else if (S_ISLNK(what.mode) && json_is_true(json_object_get(request, "links"))) {
		r = send_link(&view, &what, listener, &bytes, err);
	} else {
		hf_error_set(err, -EINVAL, "'%s' is a %s and has no contents to print%s", t.path,
			     past_type(what.mode), S_ISLNK(what.mode) ? "; name what it leads to" : "");
		return NULL;
	}
	if (r < 0)
		return NULL;
	answer = past_point(&t.point);
	if (!answer || json_object_set_new(answer, "bytes", output_number(bytes)) < 0) {
		json_decref(answer);
		return past_no_memory(err);
	}
	return answer;
}

/* --- what */

PAST_OPERATION(past_what)
{
	CLEANUP(target_at_release) struct target_at t = { .path = NULL };
	struct hf_view view = { .store = store };
	struct hf_attr what;
	json_t *answer;
	int r;

	(void)listener;
	if (past_target(store, request, &t, err) < 0)
		return NULL;
	view.tid = t.point.tid;
	r = hf_view_walk(&view, t.path, &what, err);
	if (r < 0 && r != -ENOENT && r != -ENOTDIR)
		return NULL;
	answer = past_point(&t.point);
	if (!answer || output_set_path(answer, "path", t.path) < 0 ||
	    json_object_set_new(answer, "there", json_boolean(r == 0)) < 0 ||
	    (r == 0 && json_object_set_new(answer, "type", json_string(past_type(what.mode))) < 0)) {
		json_decref(answer);
		return past_no_memory(err);
	}
	return answer;
}

/* --- cost */

PAST_OPERATION(past_cost)
{
	CLEANUP(target_at_release) struct target_at t = { .path = NULL };
	struct hf_cost cost;
	json_t *answer;
	int r;

	if (past_target(store, request, &t, err) < 0)
		return NULL;
	if (t.said) {
		hf_error_set(err, -EINVAL, "what the past costs is told of the present tree: name no moment");
		return NULL;
	}
	r = hf_cost(store, t.path, &cost, &listener->progress, err);
	if (r == -ENOENT)
		(void)target_is_missing(store, &t, err);
	if (r < 0)
		return NULL;
	answer = past_point(&t.point);
	if (!answer || output_set_path(answer, "path", t.path) < 0 ||
	    json_object_set_new(answer, "present_bytes", output_number(cost.present_bytes)) < 0 ||
	    json_object_set_new(answer, "past_bytes", output_number(cost.past_bytes)) < 0 ||
	    json_object_set_new(answer, "files", output_number(cost.files)) < 0 ||
	    json_object_set_new(answer, "removed", output_number(cost.removed)) < 0 ||
	    json_object_set_new(answer, "versions", output_number(cost.versions)) < 0) {
		json_decref(answer);
		return past_no_memory(err);
	}
	return answer;
}
