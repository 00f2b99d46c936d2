/* SPDX-License-Identifier: MIT */
/*
 * What happened to a file, or in a tree (hf_log). A file's operations are those that made the states it went through, so
 * they are found from it; a tree's are found among all of the volume's, each by where its inode was.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/history/internal.h"

enum {
	NEAR_OPS = 4096,      /* the notes of operations so near each other are read in one go */
	FOUND_AT_FIRST = 32,  /* of a file, or a quiet tree; then twice as many, */
	FOUND_AT_ONCE = 1024, /* up to this */
	STRETCH_GROWS = 16,   /* to so many times the first */
	ROWS_AN_OP = 4,       /* entries that are looked at in the time that an operation takes */
};

struct log_walk {
	struct hf_store *s;
	uint64_t since, until;
	unsigned flags;
	hf_event_fn *each;
	void *arg;
	const struct hf_progress *progress;
	struct hf_error *err;
	struct places *places;
	/* the path's life, newest first; of a directory also the inodes */
	struct hf_stretch *life;
	size_t n_life;
	bool is_dir;
	/* gathered: a file's, and of a tree told oldest first all of them */
	struct numbers tids;
	struct hf_change *found;
	size_t n_found, cap_found;
	const struct hf_stretch *stretch; /* of life: the one being looked at */
	bool filter;                      /* of what is found only what is in the tree */
	bool within_known;                /* and all that is, is of these inodes */
	struct numbers within;
	struct hf_attr known;             /* of the inode told last, told newest first: what it was before; ino 0: nothing */
	uint64_t seen;
};

static void log_release(struct log_walk *w)
{
	for (size_t i = 0; i < w->n_life; i++)
		free((char *)w->life[i].path);
	free(w->life);
	numbers_release(&w->tids);
	numbers_release(&w->within);
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

static int keep_tid(struct log_walk *w, uint64_t tid)
{
	return tid <= w->since || tid > w->until ? 0 : numbers_add(&w->tids, tid);
}

static int keep_change(struct log_walk *w, const struct hf_change *c)
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
static int state_at(struct log_walk *w, uint64_t tid, uint64_t ino, struct hf_attr *attr, const struct hf_attr **ret)
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

static int tell(struct log_walk *w, const struct hf_change *c)
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

static int tell_found(struct log_walk *w, bool backwards)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < w->n_found; i++)
		r = tell(w, &w->found[backwards ? w->n_found - 1 - i : i]);
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
static int in_tree(struct log_walk *w, const struct hf_change *c)
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
	return attr->tid >= w->stretch->from ? keep_tid(w, attr->tid) : 0;
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
			r = w->filter ? in_tree(w, c) : 1;
		if (r == 1)
			r = keep_change(w, c);
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
static int tell_wanted(struct log_walk *w)
{
	const bool newest = w->flags & HF_NEWEST_FIRST;
	size_t at_once = FOUND_AT_FIRST;
	int r = 0;

	numbers_sort(&w->tids);
	for (size_t done = 0; r == 0 && done < w->tids.n;) {
		const size_t n = w->tids.n - done < at_once ? w->tids.n - done : at_once;

		r = find_wanted(w, newest ? w->tids.n - done - n : done, n);
		if (r == 0)
			r = tell_found(w, newest);
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
		r = hf_versions(w->s, st->ino, st->from ? st->from - 1 : 0, st->until - 1, 0, keep_version, w, w->err);
		if (r == 0 && st->until != HF_TID_HEAD)
			r = keep_tid(w, st->until);
	}
	return r < 0 ? r : tell_wanted(w);
}

/* --- a tree */

/* Was it certainly not done in the tree? */
static bool is_elsewhere(const struct log_walk *w, const struct hf_change *c)
{
	return w->within_known && c->ino && !numbers_have(&w->within, c->ino) && !numbers_have(&w->within, c->other);
}

static int see_change(void *arg, const struct hf_change *c)
{
	struct log_walk *w = arg;
	int r = 1;

	tell_progress(w->progress, "looking through operations", ++w->seen, w->until - w->since);
	places_walked(w->places, c);
	if (c->kind == HF_CHANGE_OWN || is_elsewhere(w, c))
		return 0;
	if (w->filter)
		r = in_tree(w, c);
	if (r <= 0)
		return r;
	return w->flags & HF_NEWEST_FIRST ? tell(w, c) : keep_change(w, c);
}

/*
 * Looked through backwards, whichever way it is told: what is now is looked up fastest, and holds back to when it began.
 * To be told forwards it is gathered first, so much at a time.
 */
static int log_stretch(struct log_walk *w, uint64_t since, uint64_t until)
{
	int r;

	if (w->flags & HF_NEWEST_FIRST)
		return hf_changes(w->s, since, until, HF_NEWEST_FIRST, see_change, w, w->err);
	places_walk(w->places, until);
	r = hf_changes(w->s, since, until, HF_NEWEST_FIRST, see_change, w, w->err);
	places_walk(w->places, 0);
	return r == 0 ? tell_found(w, true) : r;
}

struct quiet {
	struct log_walk *w;
	uint64_t budget;
};

static int keep_quiet(void *arg, const struct hf_attr *attr, uint64_t ended)
{
	struct quiet *q = arg;

	(void)ended;
	if (q->budget == 0)
		return 1;
	q->budget--;
	return keep_tid(q->w, attr->tid);
}

static int keep_tag(void *arg, uint64_t tid)
{
	struct quiet *q = arg;

	if (q->budget == 0)
		return 1;
	q->budget--;
	return keep_tid(q->w, tid);
}

/* Which inodes were in the tree: then it is known, unless that takes looking at more entries than budget. */
static int find_within(struct log_walk *w, uint64_t since, uint64_t until, uint64_t budget)
{
	int r = 1;

	w->within.n = 0;
	for (size_t i = 0; r == 1 && i < w->n_life; i++) {
		const struct hf_stretch *st = &w->life[i];

		if (st->from <= until && st->until > since)
			r = within_find(w->s, st->ino, since, until, &budget, &w->within, w->err);
	}
	if (r < 0)
		return r;
	numbers_sort(&w->within);
	w->within_known = r == 1;
	return 0;
}

/*
 * A tree in which little happened, on a volume in which much did: the states that its inodes went through say which
 * operations there were. *ret_told false: there are too many, and nothing was told.
 */
static int log_quiet(struct log_walk *w, uint64_t since, uint64_t until, bool *ret_told)
{
	struct quiet q = { w, (until - since) / history_limits.ops_a_row };
	int r = w->within.n > q.budget;

	w->tids.n = 0;
	for (size_t i = 0; r == 0 && i < w->within.n; i++)
		r = hf_versions(w->s, w->within.v[i], since, until, 0, keep_quiet, &q, w->err);
	if (r == 0)
		r = tree_tag_operations(w->s->index, since, until, keep_tag, &q, w->err);
	if (r != 0)
		return r < 0 ? r : 0;
	*ret_told = true;
	places_walk(w->places, 0);
	return tell_wanted(w);
}

/*
 * In stretches that grow: of what is told newest first, little may be all that is wanted. Which inodes the tree is made
 * of is found out when that costs no more than what was done by then, which so at most doubles it; told oldest first, at
 * once.
 */
static int log_tree(struct log_walk *w)
{
	const uint64_t first = history_limits.stretch_ops, most = first * STRETCH_GROWS;
	const bool newest = w->flags & HF_NEWEST_FIRST;
	uint64_t since = w->since, until = w->until, stretch = first, looked = 0, try_at = newest ? first : 0;
	bool told = false;
	int r = 0;

	w->filter = w->n_life != 1 || w->life[0].ino != HF_ROOT_INO;
	if (newest) /* its stretches are one row */
		places_walk(w->places, until);
	while (r == 0 && since < until) {
		const uint64_t ops = until - since < stretch ? until - since : stretch;

		if (w->filter && !w->within_known && until - since > first && looked >= try_at) {
			r = find_within(w, since, until, newest ? looked * ROWS_AN_OP : until - since);
			if (r == 0 && w->within_known)
				r = log_quiet(w, since, until, &told);
			if (r != 0 || told)
				break;
			try_at = newest ? 2 * looked : UINT64_MAX;
		}
		r = newest ? log_stretch(w, until - ops, until) : log_stretch(w, since, since + ops);
		until -= newest ? ops : 0;
		since += newest ? 0 : ops;
		looked += ops;
		stretch = 2 * stretch < most ? 2 * stretch : most;
	}
	return r;
}

int hf_log(struct hf_store *s, const char *path, uint64_t since, uint64_t until, unsigned flags, hf_event_fn *each,
	   void *arg, const struct hf_progress *progress, struct hf_error *err)
{
	CLEANUP(log_release) struct log_walk w = { .s = s, .since = since, .flags = flags, .each = each, .arg = arg,
						   .progress = progress, .err = err };
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
