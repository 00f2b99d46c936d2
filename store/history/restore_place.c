/* SPDX-License-Identifier: MIT */
/*
 * Finding what is to stand at a place (restore.h). Whatever can be kept is kept: what is at
 * the place, if it can be made what was there without touching anything else; or the very inode, if it only
 * was moved away since. An inode that has its place is taken for nothing else.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/history/restore.h"

/* --- what is in its place */

void restore_pairs_free(struct restore_pair **pairs)
{
	struct restore_pair *p, *tmp;

	HASH_ITER(hh, *pairs, p, tmp)
	{
		HASH_DEL(*pairs, p);
		free(p);
	}
}

int restore_pairs_add(struct restore_pair **pairs, uint64_t then, uint64_t now, bool by_now)
{
	struct restore_pair *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->then = then;
	p->now = now;
	if (by_now)
		HASH_ADD(hh, *pairs, now, sizeof(p->now), p);
	else
		HASH_ADD(hh, *pairs, then, sizeof(p->then), p);
	if (p->hh.tbl)
		return 0;
	free(p);
	return -ENOMEM;
}

bool restore_is_placed(const struct restore *r, uint64_t ino)
{
	struct restore_pair *p;

	HASH_FIND(hh, r->placed, &ino, sizeof(ino), p);
	return p != NULL;
}

static int note_placed(struct restore *r, const struct hf_attr *was, uint64_t now, uint32_t now_nlink,
		       bool moved)
{
	const bool several = !S_ISDIR(was->mode) && was->nlink > 1;
	int code = 0;

	if (now && (now != was->ino || moved || several || (!S_ISDIR(was->mode) && now_nlink > 1)) &&
	    !restore_is_placed(r, now))
		code = restore_pairs_add(&r->placed, 0, now, true);
	if (code == 0 && several)
		code = restore_pairs_add(&r->twins, was->ino, now, false);
	return code;
}

static int is_as_it_was(struct restore *r, const struct hf_attr *was, const struct hf_attr *is)
{
	int code = restore_contents_differ(r, was, is);

	if (code == 0)
		code = restore_attributes_differ(r, was, is);
	return code < 0 ? code : !code;
}

/* Can this inode be made what was, and nothing else is touched? 1, 0. */
static int is_usable(struct restore *r, const struct hf_attr *was, const struct hf_attr *is)
{
	struct restore_names n;
	int code;

	if ((was->mode & S_IFMT) != (is->mode & S_IFMT) || restore_is_placed(r, is->ino))
		return 0;
	if (S_ISDIR(is->mode))
		return 1;
	if (is->nlink > 1) {
		code = restore_look_at_names(r, is->ino, &n);
		if (code < 0 || n.outside)
			return code < 0 ? code : is_as_it_was(r, was, is);
	}
	if (S_ISREG(is->mode))
		return 1;
	code = restore_contents_differ(r, was,
				       is); /* a link's target cannot be changed, nor what device it is */
	return code < 0 ? code : !code;
}

/* --- one place */

static int add_dir(struct restore *r, const struct restore_spot *spot, uint64_t then, uint64_t now,
		   bool fresh)
{
	struct restore_dir *d;

	if (r->n_dirs == r->cap_dirs) {
		size_t cap = r->cap_dirs ? 2 * r->cap_dirs : 64;
		struct restore_dir *grown = realloc(r->dirs, cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		r->dirs = grown;
		r->cap_dirs = cap;
	}
	d = &r->dirs[r->n_dirs];
	*d = (struct restore_dir){ then, now, fresh, r->placing,
				   strdup(r->n_dirs ? spot->name : spot->path) };
	if (!d->name)
		return -ENOMEM;
	r->n_dirs++;
	if (r->n_dirs == 1 && now)
		r->top = now;
	return 0;
}

/*
 * Who may read what is may not read what was, nor the other way round: between the two, nobody but root.
 * *ret_tid: its last operation until it was anything but closed.
 */
static int rewrite(struct restore *r, const struct hf_attr *was, const struct hf_attr *is, uint64_t *ret_tid)
{
	const struct hf_setattr closed = { .mask = HF_SET_MODE };
	struct hf_attr now;
	int code = 0;

	*ret_tid = is->tid;
	if (was->mode != is->mode || was->uid != is->uid || was->gid != is->gid) {
		code = hf_setattr(r->s, is->ino, &closed, &now, r->err);
		*ret_tid = code == 0 ? now.tid : is->tid;
	}
	return code == 0 ? restore_contents(r, was, is->ino) : code;
}

/*
 * It could not be made what was, and is not to stay closed. Where it has something of what was, the owner may
 * do with it what he might with both; if it had another, he waits.
 */
static void reopen(struct restore *r, const struct restore_spot *spot, const struct hf_attr *was,
		   const struct hf_attr *is, uint64_t closed_tid)
{
	struct hf_setattr open = { .mask = HF_SET_MODE, .mode = is->mode & 07777 };
	uint64_t tid = is->tid;
	struct hf_attr now;

	if (closed_tid != is->tid && hf_view_getattr(&r->now, is->ino, &now, NULL) == 0) {
		const bool touched = now.tid != closed_tid;

		if (touched)
			open.mode = was->uid == is->uid ? was->mode & is->mode & 0700 : 0;
		if (hf_setattr(r->s, is->ino, &open, &now, NULL) == 0 && !touched)
			tid = now.tid;
	}
	restore_tell_half(r, spot, is->mode, is->ino, tid);
}

/* What stands here becomes what was. */
static int make_same(struct restore *r, const struct restore_spot *spot, const struct hf_attr *was,
		     const struct hf_attr *is, bool moved)
{
	struct restore_pair *dirty = NULL;
	uint64_t tid = is->tid;
	int code = note_placed(r, was, is->ino, is->nlink, moved), differs;

	if (code < 0)
		return code;
	if (S_ISDIR(was->mode)) {
		HASH_FIND(hh, r->dirty, &is->ino, sizeof(is->ino), dirty);
		if (was->ino == is->ino && !moved && !r->all_dirty && !dirty)
			return 0;
		return add_dir(r, spot, was->ino, is->ino, false);
	}
	differs = restore_contents_differ(r, was, is);
	if (differs < 0)
		return differs;
	if (!differs) {
		code = restore_attributes_differ(r, was, is);
		if (code <= 0)
			return code;
	}
	code = 0;
	if (!r->dry && differs)
		code = rewrite(r, was, is, &tid);
	if (!r->dry && code == 0)
		code = restore_attributes(r, was, is->ino);
	if (code < 0) {
		reopen(r, spot, was, is, tid);
		return code;
	}
	return restore_tell(r, differs ? HF_RESTORED_CONTENTS : HF_RESTORED_ATTRIBUTES, spot, was->mode,
			    is->ino, differs ? was->size_bytes : 0);
}

void restore_give_up(struct restore *r, const struct restore_spot *spot, uint32_t type, uint64_t ino)
{
	struct hf_attr is;
	int code = hf_view_lookup(&r->now, spot->parent, spot->name, &is, NULL);

	if (code == 0 && is.ino == ino)
		code = S_ISDIR(type) ? hf_rmdir(r->s, spot->parent, spot->name, NULL, NULL) :
				       hf_unlink(r->s, spot->parent, spot->name, NULL, NULL);
	restore_tell_half(r, spot, type, code == 0 ? 0 : ino, 0);
}

static int make_new(struct restore *r, const struct restore_spot *spot, const struct hf_attr *was)
{
	struct hf_attr made = { .nlink = 1 };
	int code = 0;

	if (!r->dry)
		code = restore_create(r, was, spot, &made);
	if (code == 0)
		code = note_placed(r, was, made.ino, 1, false);
	if (code < 0 && made.ino)
		restore_give_up(r, spot, was->mode, made.ino);
	if (code == 0)
		code = restore_tell(r, HF_RESTORED_CREATED, spot, was->mode, made.ino,
				    S_ISREG(was->mode) ? was->size_bytes : 0);
	if (code == 0 && S_ISDIR(was->mode))
		code = add_dir(r, spot, was->ino, made.ino, true);
	return code;
}

/* One more name of what is in its place. */
static int make_link(struct restore *r, const struct restore_spot *spot, const struct hf_attr *was,
		     const struct hf_attr *is, uint64_t ino)
{
	int code = 0;

	if (is && ino && is->ino == ino)
		return 0;
	if (is)
		code = restore_remove(r, spot, is);
	if (code == 0 && !r->dry)
		code = hf_link(r->s, ino, spot->parent, spot->name, NULL, r->err);
	return code != 0 ? code : restore_tell(r, HF_RESTORED_LINKED, spot, was->mode, ino, 0);
}

/* Of a file that had several names one is left, at another place: 1 when this is made one of them again. */
static int link_back(struct restore *r, const struct restore_spot *spot, const struct hf_attr *was,
		     const struct hf_attr *is)
{
	struct hf_attr found;
	struct restore_names n;
	int code;

	if (!r->in_place || S_ISDIR(was->mode) || was->nlink < 2 || (is && S_ISDIR(is->mode)))
		return 0; /* what is below the folder here goes with it */
	code = restore_find_inode(r, was->ino, &found);
	if (code <= 0)
		return code;
	code = restore_look_at_names(r, found.ino, &n);
	if (code == 0 && !n.outside)
		code = is_usable(r, was, &found);
	if (code <= 0)
		return code;
	code = make_link(r, spot, was, is, found.ino);
	if (code == 0)
		code = make_same(r, spot, was, &found, true);
	return code == 0 ? 1 : code;
}

int restore_place(struct restore *r, const struct restore_spot *spot, const struct hf_attr *was,
		  const struct hf_attr *is)
{
	struct restore_pair *twin = NULL;
	struct hf_attr found;
	struct restore_names from;
	int code = 0;

	if (!S_ISDIR(was->mode) && was->nlink > 1)
		HASH_FIND(hh, r->twins, &was->ino, sizeof(was->ino), twin);
	if (twin)
		return make_link(r, spot, was, is, twin->now);
	if (is && is->ino == was->ino) {
		code = is_usable(r, was, is);
		if (code != 0)
			return code < 0 ? code : make_same(r, spot, was, is, false);
	} else {
		code = restore_is_elsewhere(r, spot, was, is, &from, &found);
		if (code == 1) {
			code = restore_move_back(r, spot, is, &from, &found);
			return code != 0 ? code : make_same(r, spot, was, &found, true);
		}
		if (code == 0)
			code = link_back(r, spot, was, is);
		if (code != 0)
			return code < 0 ? code : 0;
		if (is)
			code = is_usable(r, was, is);
		if (code != 0)
			return code < 0 ? code : make_same(r, spot, was, is, false);
	}
	if (is)
		code = restore_remove(r, spot, is);
	return code != 0 ? code : make_new(r, spot, was);
}
