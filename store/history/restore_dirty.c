/* SPDX-License-Identifier: MIT */
/*
 * Which folders differ from what they were, or have something below them that does: those above whatever
 * operations since then were done to, then and now (restore.h). The others need not be looked into. When much
 * has happened, looking is cheaper than this.
 */
#include <errno.h>
#include <sys/stat.h>

#include "store/history/restore.h"

enum { OPS_MAX = 50000, SEEN_THEN = 1, SEEN_NOW = 2, DEPTH_MAX = 4096 };

/* The folder and those above it, at one of the two moments. */
static int mark(struct restore *r, const struct hf_view *v, uint64_t dir, uint64_t seen)
{
	for (int depth = 0; depth < DEPTH_MAX; depth++) {
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
	return 0;
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

static int see_change(void *arg, const struct hf_change *c)
{
	struct restore *r = arg;
	int code;

	tell_progress(r->progress, "looking through operations", ++r->seen, r->sum.before_tid - r->then.tid);
	if (c->kind == HF_CHANGE_OWN || c->kind == HF_CHANGE_TAG)
		return 0;
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

int restore_find_dirty(struct restore *r)
{
	r->all_dirty = !r->in_place || r->sum.before_tid > r->then.tid + OPS_MAX;
	if (r->all_dirty || r->sum.before_tid <= r->then.tid)
		return 0;
	return hf_changes(r->s, r->then.tid, r->sum.before_tid, 0, see_change, r, r->err);
}
