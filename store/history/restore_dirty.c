/* SPDX-License-Identifier: MIT */
/*
 * Which folders differ from what they were, or have something below them that does: those above whatever
 * operations since then were done to, then and now (restore.h). The others need not be looked into. When much
 * has happened, looking is cheaper than this.
 */
#include <errno.h>
#include <sys/stat.h>

#include "store/history/restore.h"

enum {
	OPS_MAX = 50000, /* in the tree: looking at all of it costs as much as these do */
	OPS_FEW = 4096,  /* whether so many are in it need not be known first */
	ROWS_AN_OP = 4,  /* that may be looked at to know it */
	SEEN_THEN = 1,
	SEEN_NOW = 2,
};

struct dirty {
	struct restore *r;
	uint64_t n; /* operations in the tree, as far as is known */
	bool within_known;
	struct numbers within; /* inodes that were in the tree */
};

static void dirty_release(struct dirty *d)
{
	numbers_release(&d->within);
}

/* The folder and those above it, at one of the two moments: up to one that is marked, so in no circle. */
static int mark(struct restore *r, const struct hf_view *v, uint64_t dir, uint64_t seen)
{
	for (;;) {
		struct restore_pair *p;
		struct hf_attr attr;
		int code;

		HASH_FIND(hh, r->dirty, &dir, sizeof(dir), p);
		if (p && p->then & seen)
			return 0;
		code = hf_view_getattr(v, dir, &attr, NULL);
		if (code == -ESTALE || (code == 0 && (attr.nlink == 0 || !S_ISDIR(attr.mode))))
			return 0; /* not there then */
		if (p)
			p->then |= seen;
		else if (code == 0)
			code = restore_pairs_add(&r->dirty, seen, dir, true);
		if (code < 0)
			return code;
		if (dir == HF_ROOT_INO)
			return 0;
		code = hf_view_parent(v, dir, &dir, r->err);
		if (code < 0)
			return code;
	}
}

static int mark_both(struct restore *r, uint64_t dir)
{
	int code = mark(r, &r->then, dir, SEEN_THEN);

	return code < 0 ? code : mark(r, &r->now, dir, SEEN_NOW);
}

static int see_name(void *arg, uint64_t dir, const char *name)
{
	(void)name;
	return mark_both(arg, dir);
}

static int mark_names(struct restore *r, uint64_t tid, uint64_t ino)
{
	const struct hf_view v = { r->s, tid };
	struct hf_error here = HF_ERROR_INIT;
	int code = hf_view_names(&v, ino, see_name, r, &here);

	return code < 0 && code != -ESTALE ? hf_error_set(r->err, code, "%s", here.text) : 0;
}

static int mark_inode(struct restore *r, uint64_t ino)
{
	int code = ino ? mark_both(r, ino) : 0; /* itself, if it is a folder */

	if (code == 0 && ino)
		code = mark_names(r, r->then.tid, ino);
	return code == 0 && ino ? mark_names(r, r->now.tid, ino) : code;
}

/* 1: there are too many. */
static int see_change(void *arg, const struct hf_change *c)
{
	struct dirty *d = arg;
	struct restore *r = d->r;
	int code;

	tell_progress(r->progress, "looking through operations", ++r->seen, r->sum.before_tid - r->then.tid);
	if (c->kind == HF_CHANGE_OWN || c->kind == HF_CHANGE_TAG)
		return 0;
	if (d->within_known && !numbers_have(&d->within, c->ino) && !numbers_have(&d->within, c->other))
		return 0;
	if (++d->n > OPS_MAX)
		return 1;
	code = mark_inode(r, c->ino);
	if (code == 0 && c->other)
		code = mark_inode(r, c->other);
	/* a folder's times are changed by what is long gone from it, too */
	if (code == 0 && c->ino &&
	    (c->kind == HF_CHANGE_CREATE || c->kind == HF_CHANGE_LINK || c->kind == HF_CHANGE_RENAME))
		code = mark_names(r, c->tid, c->ino);
	if (code == 0 && c->ino && (c->kind == HF_CHANGE_REMOVE || c->kind == HF_CHANGE_RENAME))
		code = mark_names(r, c->tid - 1, c->ino);
	return code;
}

/* Which inodes were in the tree at some time since: known, unless it is larger than what happened in all. */
static int find_within(struct dirty *d)
{
	struct restore *r = d->r;
	const struct hf_view views[] = { r->then, { r->s, r->sum.before_tid } };
	uint64_t budget = (r->sum.before_tid - r->then.tid) * ROWS_AN_OP;
	int code = 1;

	for (size_t k = 0; code == 1 && k < 2; k++) {
		struct hf_error here = HF_ERROR_INIT;
		struct hf_attr top;

		code = hf_view_walk(&views[k], r->path, &top, &here);
		if (code == 0)
			code = within_find(r->s, top.ino, r->then.tid, r->sum.before_tid, &budget, &d->within,
					   NULL, r->err);
		else if (code == -ENOENT || code == -ENOTDIR)
			code = 1;
		else
			return hf_error_set(r->err, code, "%s", here.text);
	}
	numbers_sort(&d->within);
	d->within_known = code == 1;
	return code < 0 ? code : 0;
}

int restore_find_dirty(struct restore *r)
{
	CLEANUP(dirty_release) struct dirty d = { .r = r };
	const uint64_t ops = r->sum.before_tid > r->then.tid ? r->sum.before_tid - r->then.tid : 0;
	int code = 0;

	r->all_dirty = !r->in_place;
	if (r->all_dirty || ops == 0)
		return 0;
	if (ops > OPS_FEW && *r->path)
		code = find_within(&d);
	if (code < 0)
		return code;
	if (ops > OPS_MAX && !d.within_known)
		code = 1;
	else
		code = hf_changes(r->s, r->then.tid, r->sum.before_tid, 0, see_change, &d, r->err);
	r->all_dirty = code == 1;
	return code < 0 ? code : 0;
}
