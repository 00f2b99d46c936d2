/* SPDX-License-Identifier: MIT */
#include "fs/cli/put_back.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/cli/cli.h"
#include "fs/cli/output.h"
#include "fs/cli/status.h"
#include "fs/cli/target.h"
#include "fs/mount/mount.h"
#include "holdfast/history.h"
#include "holdfast/op.h"

/* What one person or program does in one go leaves no longer pause than this, and does not go on for longer
 * than that. */
#define PAUSE_NS UINT64_C(1000000000)
#define LONGEST_NS (600 * UINT64_C(1000000000))

static json_t *no_memory(struct hf_error *err)
{
	hf_error_set(err, -ENOMEM, "no memory");
	return NULL;
}

struct telling {
	const struct operation_listener *listener;
	bool dry, tell;
	uint64_t folder; /* whose listing the kernel is yet to drop; 0: none */
	json_t *held;    /* paths of files whose length and times the kernel keeps; NULL: none yet */
	uint64_t held_more;
};

/* --- the kernel */

/* A folder's listing is dropped when the last thing in it was done, not with each. */
static void drop_listing(struct telling *t, uint64_t next)
{
	if (t->folder && t->folder != next)
		mount_changed_inode(t->folder);
	t->folder = next;
}

/* So many are named. */
#define HELD_MAX 100

static void hold(struct telling *t, const char *path)
{
	json_t *line = json_object();

	if (!t->held)
		t->held = json_array();
	if (json_array_size(t->held) >= HELD_MAX || !line || output_set_path(line, "path", path) < 0 ||
	    json_array_append(t->held, line) < 0)
		t->held_more++;
	json_decref(line);
}

static void drop(struct telling *t, const struct hf_restored *d)
{
	if (*d->name && d->parent &&
	    (d->kind == HF_RESTORED_CREATED || d->kind == HF_RESTORED_LINKED ||
	     d->kind == HF_RESTORED_MOVED || d->kind == HF_RESTORED_REMOVED || d->kind == HF_RESTORED_HALF)) {
		mount_changed_entry(d->parent, d->name);
		drop_listing(t, d->parent);
	}
	if (d->kind == HF_RESTORED_MOVED) {
		mount_changed_entry(d->parent_before, d->name_before);
		mount_changed_inode(d->parent_before);
	}
	if (!d->ino)
		return;
	if (!S_ISREG(d->type) || d->kind == HF_RESTORED_REMOVED)
		mount_changed_inode(d->ino);
	else if (mount_changed_file(d->ino, d->parent, d->name) < 0)
		hold(t, d->path);
}

/* --- telling */

static const char *kind_word(enum hf_restored_kind kind)
{
	switch (kind) {
	case HF_RESTORED_CREATED:
		return "create";
	case HF_RESTORED_LINKED:
		return "link";
	case HF_RESTORED_MOVED:
		return "move";
	case HF_RESTORED_REMOVED:
		return "remove";
	case HF_RESTORED_CONTENTS:
		return "contents";
	default:
		return "attributes";
	}
}

static const char *type_word(uint32_t type)
{
	return S_ISDIR(type) ? "folder" : S_ISREG(type) ? "file" : S_ISLNK(type) ? "link" : "special";
}

static void tell(const struct telling *t, const struct hf_restored *d)
{
	json_t *line = json_pack("{s:s, s:s}", "kind", kind_word(d->kind), "type", type_word(d->type));
	char *text = NULL;

	if (line && output_set_path(line, "path", d->path) == 0 &&
	    (!d->path_before || output_set_path(line, "before", d->path_before) == 0) &&
	    (d->bytes == 0 || json_object_set_new(line, "bytes", output_number(d->bytes)) == 0))
		text = json_dumps(line, JSON_COMPACT);
	if (text)
		t->listener->found(t->listener->arg, text);
	free(text);
	json_decref(line);
}

static int changed(void *arg, const struct hf_restored *d)
{
	struct telling *t = arg;

	if (!t->dry)
		drop(t, d);
	if (t->tell && t->listener->found && d->kind != HF_RESTORED_TIMES && d->kind != HF_RESTORED_HALF)
		tell(t, d);
	return operation_is_stopped(t->listener) ? 1 : 0;
}

/* --- doing it */

static uint64_t sum_of(const struct hf_restore_summary *sum)
{
	return sum->created + sum->linked + sum->moved + sum->removed + sum->contents + sum->attributes;
}

static json_t *answer_of(struct hf_store *store, const struct hf_point *point,
			 const struct hf_restore_summary *sum, const struct telling *t)
{
	struct hf_point before = { .tid = sum->before_tid };
	json_t *answer = point_to_json(point), *more;

	(void)hf_point_of_tid(store, sum->before_tid, &before, NULL); /* the first has no time yet */
	more = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "before", point_to_json(&before),
			 "created", output_number(sum->created), "linked", output_number(sum->linked),
			 "moved", output_number(sum->moved), "removed", output_number(sum->removed),
			 "contents", output_number(sum->contents), "attributes",
			 output_number(sum->attributes), "bytes", output_number(sum->bytes));
	if (t->held)
		(void)json_object_set(more, "held", t->held);
	if (t->held_more)
		(void)json_object_set_new(more, "held_more", output_number(t->held_more));
	if (!answer || !more || json_object_update(answer, more) < 0) {
		json_decref(answer);
		answer = NULL;
	}
	json_decref(more);
	return answer;
}

/* Half way: say what was done, and what can be. */
static void say_half(const struct hf_restore_summary *sum, struct hf_error *err)
{
	const struct hf_error why = *err;
	char whole[64] = "";

	if (sum_of(sum) == 0 && sum->half == 0)
		return;
	if (sum_of(sum) > 0)
		snprintf(whole, sizeof(whole), "%" PRIu64 " names were restored before that%s", sum_of(sum),
			 sum->half ? ", and " : "");
	hf_error_set(err, why.code,
		     "%.300s; %s%s: do it again to go on, or take that back with holdfast undo PATH "
		     "--since tid-%" PRIu64,
		     why.text[0] ? why.text : hf_strerror(why.code), whole,
		     sum->half ? "that one in part" : "", sum->before_tid);
}

static int see_any(void *arg, const struct hf_event *e)
{
	(void)arg;
	return e->change.kind != HF_CHANGE_OWN && e->change.kind != HF_CHANGE_TAG;
}

/* What somebody was shown, and has agreed to, was of that moment: is it what would be done now? */
static int check_unchanged(struct hf_store *store, const char *path, uint64_t since,
			   const struct operation_listener *listener, struct hf_error *err)
{
	int r = hf_store_commit(store, err);

	if (r == 0)
		r = hf_log(store, path, since, HF_TID_HEAD, HF_NEWEST_FIRST | HF_CHANGES_ONLY, see_any, NULL,
			   &listener->progress, err);
	return r <= 0 ? r :
			hf_error_set(err, -EAGAIN,
				     "something was done there since that was shown: look again");
}

json_t *put_back(struct hf_store *store, const json_t *request, const struct operation_listener *listener,
		 struct hf_error *err)
{
	CLEANUP(cli_cleanup_free) char *dest = output_get_path(request, "dest");
	struct telling t = { .listener = listener,
			     .dry = json_is_true(json_object_get(request, "dry")),
			     .tell = json_is_true(json_object_get(request, "tell")) };
	const bool undo = json_is_true(json_object_get(request, "undo"));
	const json_t *shown = json_object_get(request, "shown");
	struct hf_restore_summary sum = { 0 };
	json_t *answer = NULL;
	struct target_at at;
	struct hf_attr was;
	int r;

	mount_write_out();
	if (target_resolve(store, request, &at, err) < 0)
		return NULL;
	r = undo ? 0 : target_walk(store, &at, &was, err);
	if (r == 0 && !at.said)
		r = hf_error_set(err, -EINVAL, "say which moment, as PATH@MOMENT or with --at MOMENT");
	if (r == 0 && json_is_integer(shown))
		r = check_unchanged(store, at.path, (uint64_t)json_integer_value(shown), listener, err);
	if (r == 0) {
		r = hf_restore(store, at.point.tid, at.path, dest,
			       (t.dry ? HF_RESTORE_DRY : 0u) | (undo ? HF_RESTORE_UNDO : 0u), changed, &t,
			       &listener->progress, &sum, err);
		drop_listing(&t, 0);
		if (r > 0)
			r = hf_error_set(err, -EINTR, "the volume is being unmounted");
		if (r == 0 && !t.dry)
			r = hf_store_commit(store, err);
		if (r < 0)
			say_half(&sum, err);
	}
	if (r == 0) {
		answer = answer_of(store, &at.point, &sum, &t);
		if (!answer)
			no_memory(err);
	}
	json_decref(t.held);
	target_at_release(&at);
	return answer;
}

/* --- what was last done */

/* The operations from there on. */
struct reach {
	uint64_t tid, ns, n;
};

struct last {
	struct reach all, known; /* known: up to one whose uid is known */
	uint64_t last_tid, last_ns;
	uint32_t uid;
	bool endless;
};

static void take(struct last *l, const struct hf_change *c)
{
	l->all = (struct reach){ c->tid, c->time_ns, l->all.n + 1 };
	if (c->uid == HF_UID_UNKNOWN)
		return;
	l->uid = c->uid;
	l->known = l->all;
}

/*
 * What the kernel wrote back, on behalf of nobody it knows, is of whoever did something just before, else of
 * who did something just after.
 */
static int see(void *arg, const struct hf_event *e)
{
	struct last *l = arg;
	const struct hf_change *c = &e->change;

	if (c->kind == HF_CHANGE_OWN || c->kind == HF_CHANGE_TAG)
		return 0;
	if (l->all.n == 0) {
		l->last_tid = c->tid;
		l->last_ns = c->time_ns;
	} else if (l->all.ns - c->time_ns > PAUSE_NS) {
		return 1;
	} else if (l->known.n > 0 && c->uid != HF_UID_UNKNOWN && c->uid != l->uid) {
		l->all = l->known;
		return 1;
	} else if (l->last_ns - c->time_ns > LONGEST_NS) {
		l->endless = true;
		return 1;
	}
	take(l, c);
	return 0;
}

json_t *put_back_last_change(struct hf_store *store, const json_t *request,
			     const struct operation_listener *listener, struct hf_error *err)
{
	CLEANUP(cli_cleanup_free) char *path = output_get_path(request, "path");
	struct last l = { .uid = HF_UID_UNKNOWN };
	struct hf_point before = { 0 };
	json_t *answer;
	int r = path ? 0 : hf_error_set(err, -EINVAL, "a request without a path");
	struct hf_status status;

	mount_write_out();
	hf_store_status(store, &status);
	if (r == 0 && !status.read_only)
		r = hf_store_commit(store, err);
	if (r == 0)
		r = hf_log(store, path, 0, HF_TID_HEAD, HF_NEWEST_FIRST | HF_CHANGES_ONLY, see, &l,
			   &listener->progress, err);
	if (r >= 0 && l.all.n == 0)
		r = hf_error_set(err, -ENOENT, "nothing was ever done to '%s'", path);
	if (r >= 0 && l.endless)
		r = hf_error_set(
			err, -EINVAL,
			"something has been going on there for ten minutes without a pause: say since "
			"when, with --since MOMENT");
	if (r < 0)
		return NULL;
	if (hf_point_of_tid(store, l.all.tid - 1, &before, NULL) < 0)
		before = (struct hf_point){ l.all.tid - 1, 0 }; /* before the volume's first operation */
	answer = point_to_json(&before);
	if (answer)
		json_object_update_new(answer,
				       json_pack("{s:o, s:o, s:o, s:o}", "first",
						 point_to_json(&(struct hf_point){ l.all.tid, l.all.ns }),
						 "last",
						 point_to_json(&(struct hf_point){ l.last_tid, l.last_ns }),
						 "operations", output_number(l.all.n), "uid",
						 l.uid == HF_UID_UNKNOWN ? json_null() :
									   output_number(l.uid)));
	return answer ? answer : no_memory(err);
}
