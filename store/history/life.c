/* SPDX-License-Identifier: MIT */
/*
 * What a path was, all its time (hf_life). A path is walked down name by name, as a lookup does, but with all
 * that each name was: the directory's stretches of life, and within each what the next name meant. Where a
 * name was given by a rename and nothing had been there, the earlier name is followed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/history/internal.h"
#include "store/tree/view_internal.h"

enum { RENAMES_MAX = 10000 }; /* that are followed from one name */

/* Of one path, or of a directory on the way to it. */
struct line {
	struct hf_stretch *v; /* whose paths are the line's */
	size_t n, cap;
};

static void line_release(struct line *l)
{
	for (size_t i = 0; i < l->n; i++)
		free((char *)l->v[i].path);
	free(l->v);
	*l = (struct line){ 0 };
}

/* path is copied. */
static int line_add(struct line *l, const struct hf_stretch *stretch)
{
	char *path = strdup(stretch->path);

	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 8;
		struct hf_stretch *grown = realloc(l->v, cap * sizeof(*grown));

		if (grown) {
			l->v = grown;
			l->cap = cap;
		}
	}
	if (!path || l->n == l->cap) {
		free(path);
		return -ENOMEM;
	}
	l->v[l->n] = *stretch;
	l->v[l->n++].path = path;
	return 0;
}

struct entries_walk {
	entry_version_fn *each;
	void *arg;
	struct hf_error *err;
};

static int tell_entry(void *arg, struct span value, uint64_t from, uint64_t ended)
{
	const struct entries_walk *w = arg;
	struct entry e;

	if (entry_decode(value, &e) < 0)
		return hf_error_set(w->err, -EUCLEAN,
				    "the index is damaged in a directory: mount with -o rebuild");
	return w->each(w->arg, e.ino, e.type, from, ended);
}

int entry_versions(struct hf_store *s, uint64_t dir, const char *name, uint64_t since, uint64_t until,
		   entry_version_fn *each, void *arg, struct hf_error *err)
{
	struct entries_walk w = { each, arg, err };
	const struct span span = span_text(name);
	struct key key;

	if (name_check(name, span.len) < 0)
		return 0; /* nothing ever was called so */
	key = key_entry(s->tree.keys, dir, span);
	return past_versions(s->index, &key, since, until, true, tell_entry, &w, err);
}

/* The inode at a moment: 1, 0 (there is none), negative. */
static int inode_at(struct hf_store *s, uint64_t tid, uint64_t ino, struct node *ret, struct hf_error *err)
{
	struct hf_error here = HF_ERROR_INIT;
	int r = view_inode(&s->tree, tid, ino, ret, &here);

	if (r == -ESTALE)
		return 0;
	if (r < 0 && err)
		*err = here;
	return r < 0 ? r : 1;
}

int was_removed(struct hf_store *s, uint64_t ino, uint64_t tid, struct hf_error *err)
{
	CLEANUP(node_release) struct node n = NODE_INIT;
	int r;

	if (tid == HF_TID_HEAD)
		return 0;
	r = inode_at(s, tid, ino, &n, err);
	return r < 0 ? r : r == 0 || n.i.nlink == 0;
}

int was_unlinked(struct hf_store *s, uint64_t ino, uint64_t tid, struct hf_error *err)
{
	CLEANUP(node_release) struct node before = NODE_INIT;
	CLEANUP(node_release) struct node after = NODE_INIT;
	int r;

	if (tid == HF_TID_HEAD || tid == 0)
		return 0;
	r = inode_at(s, tid, ino, &after, err);
	if (r <= 0 || after.i.nlink == 0)
		return r < 0 ? r : 1;
	if (S_ISDIR(after.i.mode))
		return 0; /* its count is of what it holds */
	r = inode_at(s, tid - 1, ino, &before, err);
	return r <= 0 ? r : after.i.nlink < before.i.nlink;
}

/* Of a name at a moment the inode, and since when: 1, 0 (no such name), negative. */
static int entry_at(struct hf_store *s, uint64_t tid, uint64_t dir, const char *name, struct entry *ret,
		    struct hf_error *err)
{
	CLEANUP(buf_release) struct buf value = BUF_INIT;
	struct key key = key_entry(s->tree.keys, dir, span_text(name));
	int r = past_get(s->index, tid, &key, &value, err);

	if (r == 1 && entry_decode(span_of(&value), ret) < 0)
		return hf_error_set(err, -EUCLEAN,
				    "the index is damaged in a directory: mount with -o rebuild");
	return r;
}

/* The one of an inode's names that an operation took from it. */
struct lost_name {
	struct hf_store *s;
	uint64_t ino, tid; /* the operation's */
	uint64_t dir;
	char *name; /* of NAME_BYTES_MAX + 1 */
	struct hf_error *err;
};

static int find_lost(void *arg, uint64_t dir, const char *name)
{
	struct lost_name *l = arg;
	struct entry e;
	int r = entry_at(l->s, l->tid, dir, name, &e, l->err);

	if (r < 0 || (r == 1 && e.ino == l->ino))
		return r < 0 ? r : 0;
	l->dir = dir;
	memcpy(l->name, name, strlen(name) + 1);
	return 1;
}

/*
 * What an inode was called just before operation tid gave it another name instead: 1 with the directory and
 * the name; 0: it was made then, or has the other name still.
 */
static int name_before(struct hf_store *s, uint64_t ino, uint64_t tid, uint64_t *ret_dir,
		       char name[NAME_BYTES_MAX + 1], struct hf_error *err)
{
	CLEANUP(node_release) struct node before = NODE_INIT;
	CLEANUP(node_release) struct node after = NODE_INIT;
	struct lost_name lost = { s, ino, tid, 0, name, err };
	int r;

	if (tid == 0 || ino == ROOT_INO)
		return 0;
	r = inode_at(s, tid - 1, ino, &before, err);
	if (r == 1)
		r = inode_at(s, tid, ino, &after, err);
	if (r <= 0)
		return r;
	if (before.i.nlink == 0 || (!S_ISDIR(after.i.mode) && after.i.nlink > before.i.nlink))
		return 0;
	r = tree_names(&s->tree, tid - 1, ino, find_lost, &lost, err);
	*ret_dir = lost.dir;
	return r;
}

/* Since when a directory has had the path that it has at a moment. */
static int dir_since(struct hf_store *s, uint64_t tid, uint64_t dir, uint64_t *ret, struct hf_error *err)
{
	*ret = 0;
	while (dir != ROOT_INO) {
		char name[NAME_BYTES_MAX + 1];
		uint64_t above, since;
		int r = tree_name(&s->tree, tid, dir, &above, name, &since, err);

		if (r == 0)
			return hf_error_set(err, -EUCLEAN,
					    "the index of names is damaged: mount with -o rebuild");
		if (r < 0)
			return r;
		*ret = since > *ret ? since : *ret;
		dir = above;
	}
	return 0;
}

/* What one name in one stretch of its directory was, being put on a line. */
struct descent {
	struct hf_store *s;
	const struct hf_stretch *dir;
	const char *name;
	struct line *line;
	struct hf_error *err;
};

static int add_stretch(void *arg, uint64_t ino, uint32_t type, uint64_t from, uint64_t ended)
{
	const struct descent *d = arg;
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	struct hf_stretch st = { .ino = ino, .type = type, .from = from, .until = ended };
	int r;

	if (st.from < d->dir->from)
		st.from = d->dir->from; /* before that the directory had another name, or was another one */
	if (st.until > d->dir->until)
		st.until = d->dir->until;
	if (st.until <= st.from)
		return 0;
	r = was_removed(d->s, ino, st.until, d->err);
	if (r < 0)
		return r;
	st.removed = r;
	r = was_unlinked(d->s, ino, st.until, d->err);
	if (r < 0)
		return r;
	st.unlinked = r;
	buf_add(&path, d->dir->path, strlen(d->dir->path));
	if (path.len > 0)
		buf_add_u8(&path, '/');
	buf_add(&path, d->name, strlen(d->name) + 1);
	if (buf_status(&path) < 0)
		return -ENOMEM;
	st.path = (const char *)path.data;
	if (from == st.from) {
		char name[NAME_BYTES_MAX + 1];
		uint64_t dir;

		r = name_before(d->s, ino, from, &dir, name, d->err);
		if (r < 0)
			return r;
		st.came_by_rename = r == 1;
	}
	return line_add(d->line, &st);
}

/*
 * Was something at this path until just then? n: how many of the line are of the path itself. What was is
 * mostly the one behind number `at`, for newest come first.
 */
static bool replaced_something(const struct line *l, size_t n, size_t at, uint64_t from)
{
	for (size_t i = 0; i < n; i++) {
		if (l->v[(at + i) % n].until == from)
			return true;
	}
	return false;
}

struct follow {
	uint64_t ino, tid; /* sought: the entry that was of it then */
	uint64_t from;
	bool found, replaced;
};

static int follow_entry(void *arg, uint64_t ino, uint32_t type, uint64_t from, uint64_t ended)
{
	struct follow *f = arg;

	(void)type;
	if (f->found) { /* the one before it */
		f->replaced = ended == f->from;
		return 1;
	}
	if (ino != f->ino || from > f->tid || ended <= f->tid)
		return 0;
	f->found = true;
	f->from = from;
	return 0;
}

/* A stretch under another name, in as many parts as that was other paths, for the directories above were
 * renamed. */
static int add_parts(struct hf_store *s, struct line *l, const struct hf_stretch *whole, uint64_t dir,
		     const char *name, struct hf_error *err)
{
	struct hf_stretch st = *whole;
	int r = 0;

	while (r == 0 && st.until > whole->from) {
		struct hf_view view = { s, st.until - 1 };
		CLEANUP(buf_release) struct buf path = BUF_INIT;
		uint64_t since = 0;

		r = path_of(&view, dir, &path, err);
		if (r == 0)
			r = dir_since(s, view.tid, dir, &since, err);
		if (r < 0)
			return r;
		if (path.len > 0)
			buf_add_u8(&path, '/');
		buf_add(&path, name, strlen(name) + 1);
		if (buf_status(&path) < 0)
			return -ENOMEM;
		st.path = (const char *)path.data;
		st.from = since > whole->from ? since : whole->from;
		st.came_by_rename = st.from == whole->from && whole->came_by_rename;
		r = line_add(l, &st);
		st.until = st.from;
	}
	return r;
}

/* Back from a stretch that began with a rename, while nothing was replaced. */
static int follow_renames(struct hf_store *s, struct line *l, struct hf_stretch st, struct hf_error *err)
{
	char name[NAME_BYTES_MAX + 1], next[NAME_BYTES_MAX + 1];
	uint64_t dir, next_dir;
	int r = name_before(s, st.ino, st.from, &dir, name, err);

	for (int k = 0; k < RENAMES_MAX && r == 1; k++) {
		struct follow f = { .ino = st.ino, .tid = st.from - 1 };

		r = entry_versions(s, dir, name, 0, f.tid, follow_entry, &f, err);
		if (r < 0 || !f.found)
			return r < 0 ? r : 0;
		st.until = st.from;
		st.from = f.from;
		st.removed = st.unlinked = false;
		r = name_before(s, st.ino, st.from, &next_dir, next, err);
		if (r < 0)
			return r;
		st.came_by_rename = r == 1;
		r = add_parts(s, l, &st, dir, name, err);
		if (r < 0 || f.replaced || !st.came_by_rename)
			return r;
		memcpy(name, next, sizeof(name));
		dir = next_dir;
		r = 1;
	}
	return r < 0 ? r : 0;
}

/* The next name down. */
static int descend(struct hf_store *s, const struct line *dirs, const char *name, struct line *out,
		   struct hf_error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < dirs->n; i++) {
		struct descent d = { s, &dirs->v[i], name, out, err };

		if (S_ISDIR(dirs->v[i].type))
			r = entry_versions(s, dirs->v[i].ino, name, dirs->v[i].from, dirs->v[i].until,
					   add_stretch, &d, err);
	}
	for (size_t i = 0, own = out->n; r == 0 && i < own; i++) {
		if (out->v[i].came_by_rename && !replaced_something(out, own, i, out->v[i].from))
			r = follow_renames(s, out, out->v[i], err);
	}
	return r;
}

static int compare_stretches(const void *a, const void *b)
{
	const struct hf_stretch *x = a, *y = b;

	if (x->until != y->until)
		return x->until < y->until ? 1 : -1;
	return (x->from < y->from) - (x->from > y->from);
}

int hf_life(struct hf_store *s, const char *path, hf_stretch_fn *each, void *arg, struct hf_error *err)
{
	struct hf_stretch root = { .ino = ROOT_INO, .type = S_IFDIR, .until = HF_TID_HEAD, .path = "" };
	CLEANUP(line_release) struct line line = { 0 };
	const char *p = path;
	int r = line_add(&line, &root);

	while (r == 0 && *(p += strspn(p, "/"))) {
		CLEANUP(line_release) struct line next = { 0 };
		char name[NAME_BYTES_MAX + 1];
		size_t len = strcspn(p, "/");

		if (len > NAME_BYTES_MAX)
			return hf_error_set(err, -ENAMETOOLONG, "a name has at most %d bytes",
					    NAME_BYTES_MAX);
		memcpy(name, p, len);
		name[len] = 0;
		p += len;
		r = descend(s, &line, name, &next, err);
		if (r == 0) {
			struct line swap = line;

			line = next;
			next = swap;
			if (line.n > 1)
				qsort(line.v, line.n, sizeof(*line.v), compare_stretches);
		}
	}
	if (r == 0 && line.n == 0)
		return hf_error_set(err, -ENOENT, "there is no %s, and at no moment was there one", path);
	for (size_t i = 0; r == 0 && i < line.n; i++)
		r = each(arg, &line.v[i]);
	return r;
}
