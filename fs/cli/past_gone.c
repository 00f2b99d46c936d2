/* SPDX-License-Identifier: MIT */
/*
 * Names that are gone, by pattern: every directory of a tree is asked what it has had, those that are gone
 * themselves too. Directories wait on a list of their own, since a tree may be deeper than a stack.
 */
#include <errno.h>
#include <fnmatch.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/cli/cli.h"
#include "fs/cli/output.h"
#include "fs/cli/past.h"
#include "holdfast/history.h"
#include "holdfast/op.h"

enum { PATH_BYTES = 1 << 20 };

struct search {
	struct hf_store *store;
	const struct operation_listener *listener;
	struct hf_error *err;
	char *pattern;
	struct {
		uint64_t ino;
		bool gone;
	} * dirs; /* still to be looked at */
	size_t n, cap;
	char *path; /* PATH_BYTES */
	uint64_t lines, seen;
};

static void search_release(struct search *s)
{
	free(s->dirs);
	free(s->path);
	free(s->pattern);
}

static int add_dir(struct search *s, uint64_t ino, bool gone)
{
	if (s->n == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 256;
		void *grown = realloc(s->dirs, cap * sizeof(*s->dirs));

		if (!grown)
			return -ENOMEM;
		s->dirs = grown;
		s->cap = cap;
	}
	s->dirs[s->n].ino = ino;
	s->dirs[s->n++].gone = gone;
	return 0;
}

static int take_child(void *arg, const char *name, uint64_t ino, uint32_t type, uint64_t cookie,
		      const struct hf_attr *attr)
{
	(void)name;
	(void)cookie;
	(void)attr;
	return S_ISDIR(type) ? add_dir(arg, ino, false) : 0;
}

struct remover {
	struct hf_change change;
	bool found;
};

static int take_change(void *arg, const struct hf_change *change)
{
	struct remover *r = arg;

	r->change = *change;
	r->found = true;
	return 0;
}

static int tell(struct search *s, uint64_t ino, uint32_t type, uint64_t last_tid)
{
	struct hf_view view = { s->store, last_tid };
	struct remover remover = { .found = false };
	struct hf_point removed = { .tid = last_tid + 1 };
	struct hf_attr attr;
	json_t *row;
	int r = hf_view_getattr(&view, ino, &attr, s->err);

	if (r == 0)
		r = hf_changes(s->store, last_tid, last_tid + 1, 0, take_change, &remover, s->err);
	if (r == 0)
		r = hf_point_of_tid(s->store, last_tid + 1, &removed, s->err);
	if (r < 0)
		return r;
	row = json_pack("{s:s, s:o, s:o, s:o, s:o}", "type", past_type(type), "bytes",
			output_number(S_ISDIR(type) ? 0 : attr.size_bytes), "uid",
			remover.found && remover.change.uid != HF_UID_UNKNOWN ?
				output_number(remover.change.uid) :
				json_null(),
			"removed", past_point(&removed), "last_tid", output_number(last_tid));
	if (row && output_set_path(row, "path", s->path) < 0) {
		json_decref(row);
		row = NULL;
	}
	s->lines++;
	return past_tell_take(s->listener, row);
}

/* The path is the one it had when it was last there: what it is restored by. */
static int take_gone(void *arg, const char *name, uint64_t ino, uint32_t type, uint64_t last_tid,
		     uint64_t cookie)
{
	struct search *s = arg;
	struct hf_view view = { s->store, last_tid };
	bool by_path = strchr(s->pattern, '/');
	struct hf_error here = HF_ERROR_INIT;
	ssize_t n;
	int r;

	(void)cookie;
	if (S_ISDIR(type)) {
		r = add_dir(s, ino, true);
		if (r < 0)
			return r;
	}
	if (!by_path && fnmatch(s->pattern, name, 0) != 0)
		return 0;
	n = hf_view_path(&view, ino, s->path, PATH_BYTES, &here);
	if (n == -ENOENT || n == -ERANGE || n == -ESTALE)
		return 0; /* it was in a directory that had no name any more */
	if (n < 0)
		return hf_error_set(s->err, (int)n, "%s", here.text);
	if (by_path && fnmatch(s->pattern + (*s->pattern == '/'), s->path, FNM_PATHNAME) != 0)
		return 0;
	return tell(s, ino, type, last_tid);
}

static int look_into_dirs(struct search *s)
{
	struct hf_view head = { s->store, HF_TID_HEAD };
	int r = 0;

	while (r == 0 && s->n > 0) {
		uint64_t ino = s->dirs[--s->n].ino;

		if (operation_is_stopped(s->listener))
			return hf_error_set(s->err, -EINTR, "the volume is being unmounted");
		if (s->listener->progress.fn && ++s->seen % 256 == 0)
			s->listener->progress.fn(s->listener->progress.arg, "looking into directories",
						 s->seen, 0);
		if (!s->dirs[s->n].gone)
			r = hf_view_readdir(&head, ino, 0, 0, take_child, s, s->err);
		if (r == -ESTALE || r == -ENOENT)
			r = 0; /* removed meanwhile: then it is its parent's to tell */
		if (r == 0)
			r = hf_gone(s->store, ino, 0, take_gone, s, s->err);
	}
	return r;
}

/* What the path is, and what it was until that was removed. */
static int take_stretch(void *arg, const struct hf_stretch *stretch)
{
	bool there = stretch->until == HF_TID_HEAD;

	return S_ISDIR(stretch->type) && (there || stretch->removed) ? add_dir(arg, stretch->ino, !there) : 0;
}

PAST_OPERATION(past_gone)
{
	CLEANUP(target_at_release) struct target_at t = { .path = NULL };
	CLEANUP(search_release)
	struct search s = { .store = store,
			    .listener = listener,
			    .err = err,
			    .pattern = output_get_path(request, "pattern"),
			    .path = malloc(PATH_BYTES) };
	json_t *answer;
	int r;

	if (past_target(store, request, &t, err) < 0)
		return NULL;
	if (t.said) {
		hf_error_set(err, -EINVAL, "what is gone now is looked for: name no moment");
		return NULL;
	}
	r = s.path && s.pattern ? hf_life(store, t.path, take_stretch, &s, err) : -ENOMEM;
	if (r == -ENOENT)
		(void)target_is_missing(store, &t, err);
	else if (r == 0 && s.n == 0)
		r = hf_error_set(err, -ENOTDIR, "'%s' is no directory: name the one to look in", t.path);
	if (r == 0)
		r = look_into_dirs(&s);
	if (r == -ENOMEM)
		return past_no_memory(err);
	if (r < 0)
		return NULL;
	answer = json_pack("{s:o}", "lines", output_number(s.lines));
	return answer ? answer : past_no_memory(err);
}
