/* SPDX-License-Identifier: MIT */
/*
 * Where an inode was: upwards from it, from name to directory. What a directory's own place was is remembered
 * together with the moments it is known to hold for, so that walking many operations looks each directory up
 * about once.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/history/internal.h"
#include "store/tree/view_internal.h"

enum { REMEMBERED_MAX = 500000 }; /* places; then all are forgotten */

/*
 * Of an inode: of a directory its one place, which stays the same however often the directory itself changes;
 * of a file that of the name it keeps itself, in one state of it, and in a walk in those before.
 */
struct place {
	uint64_t ino;
	uint64_t from, until; /* it holds at these moments */
	bool fixed;           /* before, it was another */
	uint64_t dir, hash;   /* dir 0: it has no name */
	uint32_t mode, nlink;
	char *name; /* NULL: not asked for yet */
	UT_hash_handle hh;
};

struct places {
	struct hf_store *s;
	struct place *by_ino;
	/* of a walk: all operations up to `high` were seen, back to `at`, which gave these inodes a name or
	 * took one */
	uint64_t high, at; /* high 0: there is no walk */
	uint64_t named[2];
};

int places_new(struct hf_store *s, struct places **ret)
{
	struct places *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->s = s;
	*ret = p;
	return 0;
}

static void forget(struct places *p, struct place *a)
{
	HASH_DEL(p->by_ino, a);
	free(a->name);
	free(a);
}

static void forget_all(struct places *p)
{
	struct place *a, *tmp;

	HASH_ITER(hh, p->by_ino, a, tmp)
	forget(p, a);
}

void places_free(struct places *p)
{
	if (!p)
		return;
	forget_all(p);
	free(p);
}

/* The inode at a moment, and until when it stays as it is, as far as one look tells. 1, 0 (there is none),
 * negative. */
static int look(struct hf_store *s, uint64_t tid, uint64_t ino, struct inode *ret, struct buf *raw,
		uint64_t *ret_until, struct hf_error *err)
{
	const struct key key = key_inode(ino);
	bool holds;
	int r = past_get_held(s->index, tid, &key, raw, &holds, err);

	if (r < 0)
		return r;
	*ret_until = holds ? HF_TID_HEAD : tid;
	if (r == 0 && ino != ROOT_INO)
		return 0;
	if (r == 0) {
		inode_root(s->descriptor.created_ns, ret);
		return 1;
	}
	if (inode_decode(ino, span_of(raw), ret) < 0)
		return hf_error_set(err, -EUCLEAN,
				    "the index is damaged at inode %llu: mount with -o rebuild",
				    (unsigned long long)ino);
	return 1;
}

/*
 * A directory has been where it is since it got its name, which mostly is the one that it has now. So one
 * answer is good for all that was done in it.
 */
static int hold_dir(struct places *p, uint64_t tid, struct place *a, struct hf_error *err)
{
	const uint64_t moments[] = { HF_TID_HEAD, tid };

	if (a->ino == ROOT_INO) {
		a->from = 0;
		a->until = HF_TID_HEAD;
		return 0;
	}
	for (size_t k = 0; k < sizeof(moments) / sizeof(moments[0]); k++) {
		char name[NAME_BYTES_MAX + 1];
		uint64_t since;
		int r = tree_name_in(&p->s->tree, moments[k], a->ino, a->dir, a->hash, name, &since, err);

		if (r < 0)
			return r;
		if (r == 0 || since > tid)
			continue;
		a->name = strdup(name);
		a->from = since;
		a->until = moments[k];
		return a->name ? 0 : -ENOMEM;
	}
	return 0;
}

/* --- a walk backwards through all operations */

void places_walk(struct places *p, uint64_t until)
{
	p->high = until;
	p->at = until + 1;
	p->named[0] = p->named[1] = 0;
}

static bool changes_names(const struct hf_change *c)
{
	return c->kind == HF_CHANGE_CREATE || c->kind == HF_CHANGE_LINK || c->kind == HF_CHANGE_REMOVE ||
	       c->kind == HF_CHANGE_RENAME;
}

void places_walked(struct places *p, const struct hf_change *c)
{
	for (size_t k = 0; k < 2; k++) {
		struct place *a = NULL;

		if (p->named[k])
			HASH_FIND(hh, p->by_ino, &p->named[k], sizeof(p->named[k]), a);
		if (!a || a->fixed || a->from < p->at)
			continue; /* or it is known from before that operation already */
		a->from = a->from <= p->high ? p->at : a->from;
		a->fixed = true;
	}
	p->at = c->tid;
	p->named[0] = changes_names(c) ? c->ino : 0;
	p->named[1] = changes_names(c) ? c->other : 0;
}

/* Does what is known hold at a moment? */
static bool holds(const struct places *p, struct place *a, uint64_t tid)
{
	const bool named = a->ino == p->named[0] || a->ino == p->named[1];

	if (tid > a->until)
		return false;
	if (tid >= a->from)
		return true;
	if (a->fixed || a->from > p->high || tid < p->at - !named)
		return false;
	a->from = tid; /* nothing gave it a name between, or took one */
	return true;
}

/* 1, 0 (no such inode then), negative. */
static int place_find(struct places *p, uint64_t tid, uint64_t ino, struct place **ret, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf raw = BUF_INIT;
	struct inode i;
	struct place *a;
	uint64_t until;
	int r;

	HASH_FIND(hh, p->by_ino, &ino, sizeof(ino), a);
	if (a && holds(p, a, tid)) {
		*ret = a;
		return 1;
	}
	r = look(p->s, tid, ino, &i, &raw, &until, err);
	if (r <= 0)
		return r;
	if (a) /* of another moment */
		forget(p, a);
	if (HASH_COUNT(p->by_ino) >= REMEMBERED_MAX)
		forget_all(p);
	a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	*a = (struct place){ .ino = ino,
			     .from = i.tid,
			     .until = until,
			     .dir = i.parent,
			     .hash = i.name_hash,
			     .mode = i.mode,
			     .nlink = i.nlink };
	r = S_ISDIR(a->mode) && a->nlink > 0 ? hold_dir(p, tid, a, err) : 0;
	if (r < 0) {
		free(a);
		return r;
	}
	HASH_ADD(hh, p->by_ino, ino, sizeof(a->ino), a);
	if (!a->hh.tbl) {
		free(a->name);
		free(a);
		return -ENOMEM;
	}
	*ret = a;
	return 1;
}

bool climb_circles(struct climb *c, uint64_t dir)
{
	if (c->n > 0 && dir == c->seen)
		return true;
	if (c->n == c->turn) {
		c->seen = dir;
		c->turn = 2 * c->turn + 1;
		c->n = 0;
	}
	c->n++;
	return false;
}

int climb_error(struct hf_error *err)
{
	return hf_error_set(err, -EUCLEAN, "the index of names goes in circles: mount with -o rebuild");
}

/* Is a directory below another, or that one? 1, 0. */
static int dir_below(struct places *p, uint64_t tid, uint64_t ino, uint64_t dir, struct hf_error *err)
{
	struct climb climb = { 0 };

	for (;;) {
		struct place *a;
		int r;

		if (ino == dir)
			return 1;
		if (ino == ROOT_INO || ino == 0)
			return 0;
		if (climb_circles(&climb, ino))
			return climb_error(err);
		r = place_find(p, tid, ino, &a, err);
		if (r <= 0)
			return r;
		if (a->nlink == 0)
			return 0;
		ino = a->dir;
	}
}

struct below {
	struct places *p;
	uint64_t tid, dir;
	bool found;
	uint64_t found_dir;
	char name[NAME_BYTES_MAX + 1];
	struct hf_error *err;
};

static int is_name_below(void *arg, uint64_t dir, const char *name)
{
	struct below *b = arg;
	int r = dir_below(b->p, b->tid, dir, b->dir, b->err);

	if (r == 1) {
		b->found = true;
		b->found_dir = dir;
		memcpy(b->name, name, strlen(name) + 1);
	}
	return r;
}

/* Of the names of a file with several the first that is below. */
static int name_below(struct places *p, uint64_t tid, uint64_t ino, uint64_t dir, struct below *ret,
		      struct hf_error *err)
{
	int r;

	*ret = (struct below){ .p = p, .tid = tid, .dir = dir, .err = err };
	r = tree_names(&p->s->tree, tid, ino, is_name_below, ret, err);
	return r < 0 ? r : ret->found;
}

int places_below(struct places *p, uint64_t tid, uint64_t ino, uint64_t dir, struct hf_error *err)
{
	struct below b;
	struct place *a;
	int r;

	if (ino == dir)
		return 1;
	r = place_find(p, tid, ino, &a, err);
	if (r <= 0 || a->nlink == 0)
		return r < 0 ? r : 0;
	if (S_ISDIR(a->mode) || a->nlink == 1)
		return dir_below(p, tid, a->dir, dir, err);
	return name_below(p, tid, ino, dir, &b, err);
}

static int place_name(struct places *p, uint64_t tid, struct place *a, struct hf_error *err)
{
	char name[NAME_BYTES_MAX + 1];
	uint64_t since;
	int r;

	if (a->name)
		return 1;
	r = tree_name_in(&p->s->tree, tid, a->ino, a->dir, a->hash, name, &since, err);
	if (r <= 0)
		return r;
	a->name = strdup(name);
	return a->name ? 1 : -ENOMEM;
}

/* The path down to a directory from the root, and then a name (NULL: none), into out. */
static int put_path(struct places *p, uint64_t tid, uint64_t dir, const char *last, struct buf *out,
		    struct hf_error *err)
{
	CLEANUP(buf_release) struct buf names = BUF_INIT; /* upwards, a NUL behind each */
	struct climb climb = { 0 };
	size_t end;

	if (last)
		buf_add(&names, last, strlen(last) + 1);
	while (dir != ROOT_INO) {
		struct place *a;
		int r = place_find(p, tid, dir, &a, err);

		if (r == 1)
			r = a->nlink > 0 ? place_name(p, tid, a, err) : 0;
		if (r < 0)
			return r;
		if (r == 0)
			return hf_error_set(err, -ENOENT, "it had no name then");
		if (climb_circles(&climb, dir))
			return climb_error(err);
		buf_add(&names, a->name, strlen(a->name) + 1);
		dir = a->dir;
	}
	if (buf_status(&names) < 0)
		return -ENOMEM;
	for (end = names.len; end > 0;) {
		size_t start = end - 1;

		while (start > 0 && names.data[start - 1])
			start--;
		buf_add(out, names.data + start, end - 1 - start);
		if (start > 0)
			buf_add_u8(out, '/');
		end = start;
	}
	return buf_status(out);
}

int places_path(struct places *p, uint64_t tid, uint64_t ino, uint64_t dir, struct buf *out,
		struct hf_error *err)
{
	struct below b;
	struct place *a;
	int r;

	buf_clear(out);
	r = place_find(p, tid, ino, &a, err);
	if (r < 0)
		return r;
	if (r == 0 || (a->nlink == 0 && ino != ROOT_INO))
		return hf_error_set(err, -ENOENT, "it had no name then");
	if (S_ISDIR(a->mode) || a->nlink == 1 || dir == 0) {
		if (ino == ROOT_INO)
			return 0;
		r = place_name(p, tid, a, err);
		if (r <= 0)
			return r < 0 ? r : hf_error_set(err, -ENOENT, "it had no name then");
		memcpy(b.name, a->name, strlen(a->name) + 1); /* on the way up the place may be forgotten */
		return put_path(p, tid, a->dir, b.name, out, err);
	}
	r = name_below(p, tid, ino, dir, &b, err);
	if (r <= 0)
		return r < 0 ? r : hf_error_set(err, -ENOENT, "it had no name there then");
	return put_path(p, tid, b.found_dir, b.name, out, err);
}

int path_of(const struct hf_view *v, uint64_t ino, struct buf *out, struct hf_error *err)
{
	struct places *p;
	int r = places_new(v->store, &p);

	if (r < 0)
		return r;
	r = places_path(p, v->tid, ino, 0, out, err);
	places_free(p);
	return r;
}
