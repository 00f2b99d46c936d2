/* SPDX-License-Identifier: MIT */
/*
 * What happened to a file, or in a tree (hf_log). A file's operations are those that made the states it went
 * through, so they are found from it; a tree's are found by log_tree.c. Each is told with what was before and
 * after, and where.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/history/log_internal.h"

enum {
	NEAR_OPS = 4096,      /* the notes of operations so near each other are read in one go */
	FOUND_AT_FIRST = 32,  /* of a file, or a quiet tree; then twice as many, */
	FOUND_AT_ONCE = 1024, /* up to this */
};

static void log_release(struct log_walk *w)
{
	for (size_t i = 0; i < w->n_life; i++)
		free((char *)w->life[i].path);
	free(w->life);
	numbers_release(&w->tids);
	numbers_release(&w->within);
	free(w->members);
	free(w->found);
	places_free(w->places);
}

static int keep_stretch(void *arg, const struct hf_stretch *st)
{
	struct log_walk *w = arg;
	struct hf_stretch *grown = realloc(w->life, (w->n_life + 1) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	w->life = grown;
	w->life[w->n_life] = *st;
	w->life[w->n_life].path = strdup(st->path);
	if (!w->life[w->n_life].path)
		return -ENOMEM;
	w->n_life++;
	w->is_dir |= S_ISDIR(st->type);
	return 0;
}

int log_keep_tid(struct log_walk *w, uint64_t tid)
{
	return tid <= w->since || tid > w->until ? 0 : numbers_add(&w->tids, tid);
}

int log_keep_change(struct log_walk *w, const struct hf_change *c)
{
	if (w->n_found == w->cap_found) {
		size_t cap = w->cap_found ? 2 * w->cap_found : 64;
		struct hf_change *grown = realloc(w->found, cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		w->found = grown;
		w->cap_found = cap;
	}
	w->found[w->n_found++] = *c;
	return 0;
}

/* --- one event: what was before and after, and where */

/* *ret NULL: it was not there. */
static int state_at(struct log_walk *w, uint64_t tid, uint64_t ino, struct hf_attr *attr,
		    const struct hf_attr **ret)
{
	const struct hf_view v = { w->s, tid };
	int r = ino ? state_of(&v, ino, attr, w->err) : 0;

	*ret = r == 1 ? attr : NULL;
	return r < 0 ? r : 0;
}

/* What the inode was before and after. An operation on it later on has maybe told what it was then. */
static int find_states(struct log_walk *w, struct hf_event *e, struct hf_attr *before, struct hf_attr *after)
{
	const struct hf_change *c = &e->change;
	int r = 0;

	if (c->ino && w->known.ino == c->ino && w->known.tid <= c->tid) {
		*after = w->known;
		e->after = after;
	} else {
		r = state_at(w, c->tid, c->ino, after, &e->after);
	}
	w->known.ino = 0;
	if (r < 0 || c->kind == HF_CHANGE_CREATE) /* it was not there */
		return r;
	r = state_at(w, c->tid - 1, c->ino, before, &e->before);
	if (r == 0 && e->before && w->flags & HF_NEWEST_FIRST)
		w->known = *before;
	return r;
}

/* The path of an inode: what was asked for, or below that, when it is there, else any. */
static int path_at(struct log_walk *w, uint64_t tid, uint64_t ino, struct buf *out)
{
	int r = -ENOENT;

	buf_clear(out);
	for (size_t i = 0; r == -ENOENT && i < w->n_life; i++) {
		const struct hf_stretch *st = &w->life[i];

		if (tid < st->from || tid >= st->until)
			continue;
		if (st->ino == ino) {
			buf_add(out, st->path, strlen(st->path));
			r = buf_status(out);
		} else if (w->is_dir) {
			r = places_path(w->places, tid, ino, st->ino, out, w->err);
		}
	}
	if (r == -ENOENT) /* it is in the tree before or after, not both */
		r = places_path(w->places, tid, ino, 0, out, w->err);
	if (r == 0) {
		buf_add_u8(out, 0);
		r = buf_status(out);
	}
	return r;
}

static int find_paths(struct log_walk *w, const struct hf_change *c, struct buf *path, struct buf *old)
{
	const bool gone = c->kind == HF_CHANGE_REMOVE;
	int r = path_at(w, gone ? c->tid - 1 : c->tid, c->ino, path);

	if (r == 0 && c->kind == HF_CHANGE_RENAME)
		r = path_at(w, c->tid - 1, c->ino, old);
	if (r != -ENOENT)
		return r;
	buf_clear(path); /* a file that was open and had no name any more */
	buf_add_u8(path, 0);
	return buf_status(path);
}

int log_tell(struct log_walk *w, const struct hf_change *c)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	CLEANUP(buf_release) struct buf old = BUF_INIT;
	struct hf_event e = { .change = *c, .path = "" };
	struct hf_attr before, after;
	int r = 0;

	if (w->flags & HF_CHANGES_ONLY)
		return w->each(w->arg, &e);
	if (c->kind == HF_CHANGE_TAG) {
		r = tree_tag_told(w->s->index, c->tid, &path, &e.tagged_tid, w->err);
		e.tag = (const char *)path.data;
		return r < 0 ? r : w->each(w->arg, &e);
	}
	if (c->ino) {
		r = find_states(w, &e, &before, &after);
		if (r == 0)
			r = find_paths(w, c, &path, &old);
	}
	if (r < 0)
		return r;
	e.path = path.len > 0 ? (const char *)path.data : "";
	e.renamed = old.len > 0 ? (const char *)old.data : NULL;
	e.type = e.after ? e.after->mode & S_IFMT : e.before ? e.before->mode & S_IFMT : 0;
	return w->each(w->arg, &e);
}

int log_tell_found(struct log_walk *w, bool backwards)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < w->n_found; i++)
		r = log_tell(w, &w->found[backwards ? w->n_found - 1 - i : i]);
	w->n_found = 0;
	return r;
}

/* --- a tree: is it in it? */

/* Was the inode below the path at a moment? */
static int below_at(struct log_walk *w, uint64_t tid, uint64_t ino)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < w->n_life; i++) {
		if (tid >= w->life[i].from && tid < w->life[i].until)
			r = places_below(w->places, tid, ino, w->life[i].ino, w->err);
	}
	return r;
}

/* Was the path there at all? */
static bool lived_at(const struct log_walk *w, uint64_t tid)
{
	for (size_t i = 0; i < w->n_life; i++) {
		if (tid >= w->life[i].from && tid < w->life[i].until)
			return true;
	}
	return false;
}

/* Just before or after the operation? A moment that was named is one of it too. */
int log_in_tree(struct log_walk *w, const struct hf_change *c)
{
	int r = 0;

	if (c->kind == HF_CHANGE_TAG)
		return lived_at(w, c->tid);
	if (c->kind != HF_CHANGE_REMOVE)
		r = below_at(w, c->tid, c->ino);
	if (r == 0 && (c->kind == HF_CHANGE_REMOVE || c->kind == HF_CHANGE_RENAME))
		r = below_at(w, c->tid - 1, c->ino);
	return r;
}

/* --- a file */

static int keep_version(void *arg, const struct hf_attr *attr, uint64_t ended)
{
	struct log_walk *w = arg;

	(void)ended;
	return attr->tid >= w->stretch->from ? log_keep_tid(w, attr->tid) : 0;
}

struct wanted {
	struct log_walk *w;
	size_t next, end; /* of the numbers gathered */
};

/* The notes that are wanted, of a row of them. 1: what is wanted next is far away. */
static int take_wanted(void *arg, const struct hf_change *c)
{
	struct wanted *t = arg;
	struct log_walk *w = t->w;
	int r = 0;

	while (t->next < t->end && w->tids.v[t->next] < c->tid)
		t->next++;
	if (t->next == t->end)
		return 1;
	if (w->tids.v[t->next] == c->tid) {
		t->next++;
		if (c->kind != HF_CHANGE_OWN)
			r = w->filter ? log_in_tree(w, c) : 1;
		if (r == 1)
			r = log_keep_change(w, c);
	}
	return r != 0 ? r : t->next == t->end || w->tids.v[t->next] - c->tid > NEAR_OPS;
}

/* What n of the operations were whose numbers were gathered, from one on. */
static int find_wanted(struct log_walk *w, size_t from, size_t n)
{
	struct wanted t = { w, from, from + n };
	int r = 0;

	while (r == 0 && t.next < t.end) {
		const size_t at = t.next;

		r = hf_changes(w->s, w->tids.v[at] - 1, w->tids.v[t.end - 1], 0, take_wanted, &t, w->err);
		if (r == 1)
			r = 0;
		if (t.next == at)
			t.next++; /* not committed yet */
	}
	return r;
}

/* All that were gathered, some at a time: who wants the newest alone does not wait for the others. */
int log_tell_wanted(struct log_walk *w)
{
	const bool newest = w->flags & HF_NEWEST_FIRST;
	size_t at_once = FOUND_AT_FIRST;
	int r = 0;

	numbers_sort(&w->tids);
	for (size_t done = 0; r == 0 && done < w->tids.n;) {
		const size_t n = w->tids.n - done < at_once ? w->tids.n - done : at_once;

		r = find_wanted(w, newest ? w->tids.n - done - n : done, n);
		if (r == 0)
			r = log_tell_found(w, newest);
		done += n;
		at_once = 2 * at_once < FOUND_AT_ONCE ? 2 * at_once : FOUND_AT_ONCE;
	}
	return r;
}

static int log_file(struct log_walk *w)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < w->n_life; i++) {
		const struct hf_stretch *st = w->stretch = &w->life[i];

		/* the operation that ended the stretch is one on the file, and is told as its last */
		r = hf_versions(w->s, st->ino, st->from ? st->from - 1 : 0, st->until - 1, 0, keep_version, w,
				w->err);
		if (r == 0 && st->until != HF_TID_HEAD)
			r = log_keep_tid(w, st->until);
	}
	return r < 0 ? r : log_tell_wanted(w);
}

int hf_log(struct hf_store *s, const char *path, uint64_t since, uint64_t until, unsigned flags,
	   hf_event_fn *each, void *arg, const struct hf_progress *progress, struct hf_error *err)
{
	CLEANUP(log_release)
	struct log_walk w = { .s = s,
			      .since = since,
			      .flags = flags,
			      .each = each,
			      .arg = arg,
			      .progress = progress,
			      .err = err };
	struct hf_status status;
	int r = places_new(s, &w.places);

	hf_store_status(s, &status);
	w.until = until < status.committed_tid ? until : status.committed_tid;
	if (r == 0)
		r = hf_life(s, path, keep_stretch, &w, err);
	if (r < 0 || w.since >= w.until)
		return r < 0 ? r : 0;
	return w.is_dir ? log_tree(&w) : log_file(&w);
}
