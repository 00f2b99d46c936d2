/* SPDX-License-Identifier: MIT */
/*
 * How a tree differs between two moments (hf_diff): the operations between them say which inodes can; each of those is
 * looked at as it was then and then. So the cost is what happened, not what is there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/history/internal.h"

/* One name of one inode, at one of the moments or both. */
struct row {
	char *path, *path_before; /* path_before NULL: as path */
	bool in_a, in_b;
	enum hf_difference_kind kind, also;
	struct hf_attr a, b;
};

struct diff {
	struct hf_view a, b;
	const char *path; /* the tree's, without slashes at either end */
	struct places *at_a, *at_b;
	uint64_t *inos;
	size_t n_inos, cap_inos;
	struct row *rows;
	size_t n_rows, cap_rows;
	uint64_t seen, total;
	const struct hf_progress *progress;
	struct hf_error *err;
};

static void diff_release(struct diff *d)
{
	for (size_t i = 0; i < d->n_rows; i++) {
		free(d->rows[i].path);
		free(d->rows[i].path_before);
	}
	free(d->rows);
	free(d->inos);
	places_free(d->at_a);
	places_free(d->at_b);
}

/* --- which inodes */

static int compare_inos(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void sort_inos(struct diff *d)
{
	size_t n = 0;

	if (d->n_inos > 1)
		qsort(d->inos, d->n_inos, sizeof(*d->inos), compare_inos);
	for (size_t i = 0; i < d->n_inos; i++) {
		if (n == 0 || d->inos[n - 1] != d->inos[i])
			d->inos[n++] = d->inos[i];
	}
	d->n_inos = n;
}

static int add_ino(struct diff *d, uint64_t ino)
{
	if (ino == 0 || (d->n_inos > 0 && d->inos[d->n_inos - 1] == ino))
		return 0;
	if (d->n_inos == d->cap_inos)
		sort_inos(d); /* many operations are on few inodes */
	if (d->n_inos >= d->cap_inos - d->cap_inos / 4) {
		size_t cap = d->cap_inos ? 2 * d->cap_inos : 256;
		uint64_t *grown = realloc(d->inos, cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		d->inos = grown;
		d->cap_inos = cap;
	}
	d->inos[d->n_inos++] = ino;
	return 0;
}

static int see_change(void *arg, const struct hf_change *c)
{
	struct diff *d = arg;
	int r;

	tell_progress(d->progress, "looking through operations", ++d->seen, d->total);
	if (c->kind == HF_CHANGE_OWN || c->kind == HF_CHANGE_TAG)
		return 0;
	r = add_ino(d, c->ino);
	return r == 0 ? add_ino(d, c->other) : r;
}

/* --- names of an inode at a moment, in the tree */

struct names {
	struct diff *d;
	struct places *places;
	uint64_t tid;
	char **paths;
	size_t n, cap;
};

static void names_release(struct names *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->paths[i]);
	free(l->paths);
}

static bool is_below(const char *path, const char *tree)
{
	size_t len = strlen(tree);

	return len == 0 || (strncmp(path, tree, len) == 0 && (path[len] == '/' || path[len] == '\0'));
}

static int add_name(void *arg, uint64_t dir, const char *name)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	struct names *l = arg;
	int r = places_path(l->places, l->tid, dir, 0, &path, l->d->err);

	if (r == -ENOENT)
		return 0; /* below a directory that was removed while it was open */
	if (r < 0)
		return r;
	if (path.len > 0)
		buf_add_u8(&path, '/');
	buf_add(&path, name, strlen(name) + 1);
	if (l->n == l->cap) {
		char **grown = realloc(l->paths, (l->cap ? 2 * l->cap : 2) * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		l->paths = grown;
		l->cap = l->cap ? 2 * l->cap : 2;
	}
	l->paths[l->n] = buf_status(&path) == 0 ? strdup((const char *)path.data) : NULL;
	return l->paths[l->n++] ? 0 : -ENOMEM;
}

static int compare_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All of them, sorted; and what the inode was. None: it was not there. */
static int names_at(struct diff *d, const struct hf_view *v, struct places *places, uint64_t ino, struct names *ret,
		    struct hf_attr *attr)
{
	struct hf_error here = HF_ERROR_INIT;
	int r;

	*ret = (struct names){ .d = d, .places = places, .tid = v->tid };
	r = hf_view_getattr(v, ino, attr, &here);
	if (r == -ESTALE || (r == 0 && attr->nlink == 0 && ino != HF_ROOT_INO))
		return 0;
	if (r < 0)
		return hf_error_set(d->err, r, "%s", here.text);
	if (ino == HF_ROOT_INO) {
		ret->paths = calloc(1, sizeof(*ret->paths));
		if (ret->paths)
			ret->paths[0] = strdup("");
		ret->n = ret->paths && ret->paths[0];
		return ret->n ? 0 : -ENOMEM;
	}
	r = hf_view_names(v, ino, add_name, ret, d->err);
	if (r == 0 && ret->n > 1)
		qsort(ret->paths, ret->n, sizeof(*ret->paths), compare_text);
	return r;
}

/* --- comparing */

static bool same_time(struct timespec x, struct timespec y)
{
	return x.tv_sec == y.tv_sec && x.tv_nsec == y.tv_nsec;
}

/* Extended attributes, by name and value: 1, 0, negative. */
static int same_xattrs(struct diff *d, uint64_t ino_a, uint64_t ino_b)
{
	char names_a[4096], names_b[4096], value_a[4096], value_b[4096];
	ssize_t n = hf_view_listxattr(&d->a, ino_a, names_a, sizeof(names_a), NULL);
	ssize_t m = hf_view_listxattr(&d->b, ino_b, names_b, sizeof(names_b), NULL);

	if (n == -ERANGE || m == -ERANGE)
		return 0; /* more than can be compared here: say that they may differ */
	if (n < 0 || m < 0)
		return (int)(n < 0 ? n : m);
	if (n != m || memcmp(names_a, names_b, (size_t)n) != 0)
		return 0;
	for (ssize_t at = 0; at < n; at += (ssize_t)strlen(names_a + at) + 1) {
		ssize_t x = hf_view_getxattr(&d->a, ino_a, names_a + at, value_a, sizeof(value_a), NULL);
		ssize_t y = hf_view_getxattr(&d->b, ino_b, names_a + at, value_b, sizeof(value_b), NULL);

		if (x != y || x < 0 || memcmp(value_a, value_b, (size_t)x) != 0)
			return 0;
	}
	return 1;
}

/* What changed of what is there at both: HF_CONTENTS, HF_ATTRIBUTES or 0; negative. */
static int what_changed(struct diff *d, const struct hf_attr *a, const struct hf_attr *b)
{
	const bool is_dir = S_ISDIR(a->mode);
	int r;

	if ((a->mode ^ b->mode) & S_IFMT)
		return HF_CONTENTS;
	if (a->ino == b->ino && a->tid == b->tid)
		return 0;
	if (!is_dir) {
		r = hf_same_contents(&d->a, a->ino, &d->b, b->ino, d->err);
		if (r <= 0)
			return r < 0 ? r : HF_CONTENTS;
	}
	if (a->mode != b->mode || a->uid != b->uid || a->gid != b->gid || a->rdev != b->rdev)
		return HF_ATTRIBUTES;
	if (!is_dir && !same_time(a->mtime, b->mtime)) /* a directory's changes with what is in it */
		return HF_ATTRIBUTES;
	r = same_xattrs(d, a->ino, b->ino);
	return r < 0 ? r : r == 1 ? 0 : HF_ATTRIBUTES;
}

static struct row *add_row(struct diff *d, const char *path)
{
	struct row *row;

	if (d->n_rows == d->cap_rows) {
		size_t cap = d->cap_rows ? 2 * d->cap_rows : 64;
		struct row *grown = realloc(d->rows, cap * sizeof(*grown));

		if (!grown)
			return NULL;
		d->rows = grown;
		d->cap_rows = cap;
	}
	row = &d->rows[d->n_rows];
	*row = (struct row){ .path = strdup(path) };
	if (!row->path)
		return NULL;
	d->n_rows++;
	return row;
}

static int row_of(struct diff *d, const char *path, const struct hf_attr *a, const struct hf_attr *b)
{
	struct row *row;
	int r = a && b ? what_changed(d, a, b) : 0;

	if (r < 0 || (a && b && r == 0) || !is_below(path, d->path))
		return r < 0 ? r : 0;
	row = add_row(d, path);
	if (!row)
		return -ENOMEM;
	row->in_a = a != NULL;
	row->in_b = b != NULL;
	row->kind = !a ? HF_ADDED : !b ? HF_REMOVED : (enum hf_difference_kind)r;
	row->a = a ? *a : row->a;
	row->b = b ? *b : row->b;
	return 0;
}

static int row_of_renamed(struct diff *d, const char *before, const char *path, const struct hf_attr *a,
			  const struct hf_attr *b)
{
	int r = what_changed(d, a, b);
	struct row *row;

	if (r < 0 || (!is_below(path, d->path) && !is_below(before, d->path)))
		return r < 0 ? r : 0;
	row = add_row(d, path);
	if (!row)
		return -ENOMEM;
	*row = (struct row){ row->path, strdup(before), true, true, HF_RENAMED, (enum hf_difference_kind)r, *a, *b };
	return row->path_before ? 0 : -ENOMEM;
}

/*
 * Names that are only in one of the two lists come and went; when one did each, it was renamed. What is in both is the
 * same name.
 */
static int compare_names(struct diff *d, const struct names *old, const struct names *new, const struct hf_attr *a,
			 const struct hf_attr *b)
{
	const char *gone = NULL, *come = NULL;
	size_t n_gone = 0, n_come = 0;
	int r = 0;

	for (int pass = 0; pass < 2 && r == 0; pass++) {
		bool renamed = n_gone == 1 && n_come == 1;

		for (size_t i = 0, k = 0; r == 0 && (i < old->n || k < new->n);) {
			int order = i == old->n ? 1 : k == new->n ? -1 : strcmp(old->paths[i], new->paths[k]);

			if (pass == 0 && order < 0) {
				gone = old->paths[i];
				n_gone++;
			} else if (pass == 0 && order > 0) {
				come = new->paths[k];
				n_come++;
			} else if (pass == 1 && order == 0) {
				r = row_of(d, old->paths[i], a, b);
			} else if (pass == 1 && !renamed) {
				r = order < 0 ? row_of(d, old->paths[i], a, NULL) : row_of(d, new->paths[k], NULL, b);
			}
			i += order <= 0;
			k += order >= 0;
		}
		if (pass == 1 && renamed && r == 0)
			r = row_of_renamed(d, gone, come, a, b);
	}
	return r;
}

static int compare_inode(struct diff *d, uint64_t ino)
{
	CLEANUP(names_release) struct names old = { 0 };
	CLEANUP(names_release) struct names new = { 0 };
	struct hf_attr a, b;
	int r = names_at(d, &d->a, d->at_a, ino, &old, &a);

	if (r == 0)
		r = names_at(d, &d->b, d->at_b, ino, &new, &b);
	return r == 0 ? compare_names(d, &old, &new, &a, &b) : r;
}

/* --- telling */

static int compare_rows(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int c = strcmp(x->path, y->path);

	return c ? c : (x->kind > y->kind) - (x->kind < y->kind);
}

/*
 * What is written anew and renamed over the old, as editors and git do, is another inode of the same path: one removed,
 * one added. To a person it is one file with other contents.
 */
static int join(struct diff *d, struct row *x, struct row *y)
{
	struct row *removed = x->kind == HF_REMOVED ? x : y, *added = x->kind == HF_REMOVED ? y : x;
	int r;

	if (removed->kind != HF_REMOVED || (added->kind != HF_ADDED && added->kind != HF_RENAMED) ||
	    strcmp(x->path, y->path) != 0)
		return 0;
	if (added->kind == HF_RENAMED) {
		removed->kind = 0; /* the renaming says it all */
		return 0;
	}
	r = what_changed(d, &removed->a, &added->b);
	if (r < 0)
		return r;
	added->a = removed->a;
	added->in_a = true;
	added->kind = (enum hf_difference_kind)r;
	removed->kind = 0;
	return 0;
}

static int tell_rows(struct diff *d, hf_difference_fn *each, void *arg)
{
	int r = 0;

	if (d->n_rows > 1)
		qsort(d->rows, d->n_rows, sizeof(*d->rows), compare_rows);
	for (size_t i = 0; r == 0 && i + 1 < d->n_rows; i++)
		r = join(d, &d->rows[i], &d->rows[i + 1]);
	for (size_t i = 0; r == 0 && i < d->n_rows; i++) {
		const struct row *row = &d->rows[i];
		struct hf_difference told = {
			.kind = row->kind,
			.also = row->also,
			.path = row->path,
			.path_before = row->path_before ? row->path_before : row->path,
			.a = row->in_a ? &row->a : NULL,
			.b = row->in_b ? &row->b : NULL,
		};

		if (row->kind != 0)
			r = each(arg, &told);
	}
	return r;
}

/* As seen from the other side. */
struct reversed {
	hf_difference_fn *each;
	void *arg;
};

static int tell_reversed(void *arg, const struct hf_difference *d)
{
	const struct reversed *v = arg;
	struct hf_difference told = *d;

	told.a = d->b;
	told.b = d->a;
	if (d->kind == HF_ADDED || d->kind == HF_REMOVED)
		told.kind = d->kind == HF_ADDED ? HF_REMOVED : HF_ADDED;
	told.path = d->path_before;
	told.path_before = d->path;
	return v->each(v->arg, &told);
}

static int diff(struct diff *d, hf_difference_fn *each, void *arg)
{
	int r = places_new(d->a.store, &d->at_a);

	if (r == 0)
		r = places_new(d->b.store, &d->at_b);
	if (r == 0)
		r = hf_changes(d->a.store, d->a.tid, d->b.tid, 0, see_change, d, d->err);
	if (r < 0)
		return r;
	sort_inos(d);
	for (size_t i = 0; r == 0 && i < d->n_inos; i++)
		r = compare_inode(d, d->inos[i]);
	return r < 0 ? r : tell_rows(d, each, arg);
}

int hf_diff(struct hf_store *s, uint64_t tid_a, uint64_t tid_b, const char *path, hf_difference_fn *each, void *arg,
	    const struct hf_progress *progress, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf tree = BUF_INIT;
	struct reversed back = { each, arg };
	const bool reverse = tid_a > tid_b;
	CLEANUP(diff_release) struct diff d = { .a = { s, reverse ? tid_b : tid_a },
						.b = { s, reverse ? tid_a : tid_b },
						.progress = progress,
						.err = err };
	struct hf_status status;
	size_t len;

	path += strspn(path, "/");
	for (len = strlen(path); len > 0 && path[len - 1] == '/'; len--)
		;
	buf_add(&tree, path, len);
	buf_add_u8(&tree, 0);
	if (buf_status(&tree) < 0)
		return -ENOMEM;
	d.path = (const char *)tree.data;
	hf_store_status(s, &status);
	d.total = (d.b.tid < status.head_tid ? d.b.tid : status.head_tid) - d.a.tid;
	return reverse ? diff(&d, tell_reversed, &back) : diff(&d, each, arg);
}
