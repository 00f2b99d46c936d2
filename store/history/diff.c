/* SPDX-License-Identifier: MIT */
/*
 * How a tree differs between two moments (hf_diff): the operations between them say which inodes can; each of
 * those is looked at as it was then and then. So the cost is what happened, not what is there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/history/internal.h"

/* What can be looked through in the time that it takes to look at an inode then and then. */
enum { NOTES_A_LOOK = 64, ROWS_A_LOOK = 4 };

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
	uint64_t tops[2]; /* the inodes that path is of at a and b; none: all is asked for */
	size_t n_tops;
	struct numbers inos;
	uint64_t first_made; /* inodes are numbered in order: from this one on they were made between; 0: not
				known */
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
	numbers_release(&d->inos);
	places_free(d->at_a);
	places_free(d->at_b);
}

/* --- which inodes */

static int see_change(void *arg, const struct hf_change *c)
{
	struct diff *d = arg;
	int r;

	tell_progress(d->progress, "looking through operations", ++d->seen, d->total);
	if (c->kind == HF_CHANGE_OWN || c->kind == HF_CHANGE_TAG)
		return 0;
	if (c->kind == HF_CHANGE_CREATE && d->first_made == 0)
		d->first_made = c->ino;
	r = c->ino ? numbers_add_again(&d->inos, c->ino) : 0;
	return r == 0 && c->other ? numbers_add_again(&d->inos, c->other) : r;
}

/* --- names of an inode at a moment, in the tree */

struct name {
	char *path;
	uint64_t dir;
	const char *last; /* in path */
	bool known;       /* is in the other list, too */
};

struct names {
	struct diff *d;
	struct places *places;
	uint64_t tid;
	struct name *v;
	size_t n, cap;
};

static void names_release(struct names *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i].path);
	free(l->v);
}

static bool is_below(const char *path, const char *tree)
{
	size_t len = strlen(tree);

	return len == 0 || (strncmp(path, tree, len) == 0 && (path[len] == '/' || path[len] == '\0'));
}

/* path is taken. */
static int keep_name(struct names *l, uint64_t dir, char *path)
{
	char *slash = path ? strrchr(path, '/') : NULL;

	if (path && l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 2;
		struct name *grown = realloc(l->v, cap * sizeof(*grown));

		if (grown) {
			l->v = grown;
			l->cap = cap;
		}
	}
	if (!path || l->n == l->cap) {
		free(path);
		return -ENOMEM;
	}
	l->v[l->n++] = (struct name){ .path = path, .dir = dir, .last = slash ? slash + 1 : path };
	return 0;
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
	return keep_name(l, dir, buf_status(&path) == 0 ? strdup((const char *)path.data) : NULL);
}

static int compare_paths(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	return strcmp(x->path, y->path);
}

/* All of them, sorted. attr: what the inode was. */
static int names_at(struct diff *d, const struct hf_view *v, struct places *places,
		    const struct hf_attr *attr, struct names *ret)
{
	int r;

	*ret = (struct names){ .d = d, .places = places, .tid = v->tid };
	if (attr->ino == HF_ROOT_INO)
		return keep_name(ret, 0, strdup(""));
	r = hf_view_names(v, attr->ino, add_name, ret, d->err);
	if (r == 0 && ret->n > 1)
		qsort(ret->v, ret->n, sizeof(*ret->v), compare_paths);
	return r;
}

/* --- comparing */

static bool same_time(struct timespec x, struct timespec y)
{
	return x.tv_sec == y.tv_sec && x.tv_nsec == y.tv_nsec;
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
	r = same_xattrs(&d->a, a->ino, &d->b, b->ino, d->err);
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

/* Another path at b. Through a directory above it: then the inode's own name is what it was. */
static int row_of_renamed(struct diff *d, const struct name *before, const struct name *now,
			  const struct hf_attr *a, const struct hf_attr *b)
{
	const bool own = before->dir != now->dir || strcmp(before->last, now->last) != 0;
	int r = what_changed(d, a, b);
	struct row *row;

	if (r < 0 || (r == 0 && !own) || (!is_below(now->path, d->path) && !is_below(before->path, d->path)))
		return r < 0 ? r : 0;
	row = add_row(d, now->path);
	if (!row)
		return -ENOMEM;
	*row = (struct row){ row->path,  strdup(before->path),       true, true,
			     HF_RENAMED, (enum hf_difference_kind)r, *a,   *b };
	return row->path_before ? 0 : -ENOMEM;
}

/* The same path in both lists: the same name. */
static int compare_same_paths(struct diff *d, struct names *old, struct names *new, const struct hf_attr *a,
			      const struct hf_attr *b)
{
	int r = 0;

	for (size_t i = 0, k = 0; r == 0 && i < old->n && k < new->n;) {
		int order = strcmp(old->v[i].path, new->v[k].path);

		if (order == 0) {
			old->v[i].known = new->v[k].known = true;
			r = row_of(d, old->v[i].path, a, b);
		}
		i += order <= 0;
		k += order >= 0;
	}
	return r;
}

/* Those not known yet come first; how many they are. */
static size_t put_known_last(struct names *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++) {
		if (!l->v[i].known) {
			struct name swap = l->v[n];

			l->v[n++] = l->v[i];
			l->v[i] = swap;
		}
	}
	return n;
}

static int compare_own_names(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	return x->dir != y->dir ? (x->dir > y->dir ? 1 : -1) : strcmp(x->last, y->last);
}

/* The same name in the same directory, which is another path when one above it was renamed. */
static int compare_same_names(struct diff *d, struct names *old, struct names *new, const struct hf_attr *a,
			      const struct hf_attr *b)
{
	const size_t n = put_known_last(old), m = put_known_last(new);
	int r = 0;

	if (n == 0 || m == 0)
		return 0;
	qsort(old->v, n, sizeof(*old->v), compare_own_names);
	qsort(new->v, m, sizeof(*new->v), compare_own_names);
	for (size_t i = 0, k = 0; r == 0 && i < n && k < m;) {
		int order = compare_own_names(&old->v[i], &new->v[k]);

		if (order == 0) {
			old->v[i].known = new->v[k].known = true;
			r = row_of_renamed(d, &old->v[i], &new->v[k], a, b);
		}
		i += order <= 0;
		k += order >= 0;
	}
	return r;
}

/* Names that are only in one of the two lists came and went; when one did each, it was renamed. */
static int compare_names(struct diff *d, struct names *old, struct names *new, const struct hf_attr *a,
			 const struct hf_attr *b)
{
	size_t gone, come;
	int r = compare_same_paths(d, old, new, a, b);

	if (r == 0)
		r = compare_same_names(d, old, new, a, b);
	gone = put_known_last(old);
	come = put_known_last(new);
	if (r == 0 && gone == 1 && come == 1)
		return row_of_renamed(d, &old->v[0], &new->v[0], a, b);
	for (size_t i = 0; r == 0 && i < gone; i++)
		r = row_of(d, old->v[i].path, a, NULL);
	for (size_t k = 0; r == 0 && k < come; k++)
		r = row_of(d, new->v[k].path, NULL, b);
	return r;
}

/* Is the inode, at either moment, in the tree that is asked for? */
static int is_in_tree(struct diff *d, uint64_t ino)
{
	int r = d->n_tops == 0; /* all is */

	for (size_t i = 0; r == 0 && i < d->n_tops; i++) {
		r = places_below(d->at_a, d->a.tid, ino, d->tops[i], d->err);
		if (r == 0)
			r = places_below(d->at_b, d->b.tid, ino, d->tops[i], d->err);
	}
	return r;
}

static int compare_inode(struct diff *d, uint64_t ino)
{
	const bool back = d->a.tid > d->b.tid;
	const struct hf_view *earlier = back ? &d->b : &d->a, *later = back ? &d->a : &d->b;
	CLEANUP(names_release) struct names old = { 0 };
	CLEANUP(names_release) struct names new = { 0 };
	struct hf_attr then, now, *a = back ? &now : &then, *b = back ? &then : &now;
	int was = 0, is, r;

	is = state_of(later, ino, &now, d->err);
	if (is < 0 || (is == 1 && now.tid <= earlier->tid)) /* as it was */
		return is < 0 ? is : 0;
	if (d->first_made == 0 || ino < d->first_made)
		was = state_of(earlier, ino, &then, d->err);
	if (was <= 0 && !is)
		return was;
	r = was < 0 ? was : is_in_tree(d, ino);
	if (r <= 0)
		return r;
	if (!(back ? is : was))
		a = NULL;
	if (!(back ? was : is))
		b = NULL;
	r = a ? names_at(d, &d->a, d->at_a, a, &old) : 0;
	if (r == 0 && b)
		r = names_at(d, &d->b, d->at_b, b, &new);
	return r == 0 ? compare_names(d, &old, &new, a, b) : r;
}

/* --- telling */

static int compare_rows(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int c = strcmp(x->path, y->path);

	return c ? c : (x->kind > y->kind) - (x->kind < y->kind);
}

/*
 * What is written anew and renamed over the old, as editors and git do, is another inode of the same path:
 * one removed, one added. To a person it is one file with other contents.
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

/* --- all together */

/* Which inodes were in the tree: 1; 0: it is too large for that; negative. */
static int find_within(struct diff *d, uint64_t from, uint64_t to, uint64_t budget, struct numbers *ret)
{
	int r = 1;

	ret->n = 0;
	for (size_t i = 0; r == 1 && i < d->n_tops; i++)
		r = within_find(d->a.store, d->tops[i], from, to, &budget, ret, NULL, d->err);
	numbers_sort(ret);
	return r;
}

/*
 * Which inodes may differ: what operations were done to, and, of a tree, is in it. Where one of the two is
 * much less work it is the only one that is found out.
 */
static int find_inos(struct diff *d, uint64_t from, uint64_t to)
{
	CLEANUP(numbers_release) struct numbers within = { 0 };
	const uint64_t ops = to - from;
	int known = 0, r = 0;

	if (d->n_tops > 0 && ops > history_limits.few_ops)
		known = find_within(d, from, to, ops / (1 + history_limits.ops_a_row / 10), &within);
	if (known == 1 && within.n < ops / NOTES_A_LOOK) {
		const struct numbers swap = d->inos;

		d->inos = within;
		within = swap;
		return 0;
	}
	if (known >= 0)
		r = hf_changes(d->a.store, from, to, 0, see_change, d, d->err);
	numbers_sort(&d->inos);
	if (r == 0 && known == 0 && d->n_tops > 0 && d->inos.n > history_limits.few_ops)
		known = find_within(d, from, to, d->inos.n * ROWS_A_LOOK, &within);
	if (known == 1)
		numbers_keep(&d->inos, &within);
	return known < 0 ? known : r;
}

static int add_top(struct diff *d, const struct hf_view *v)
{
	struct hf_error here = HF_ERROR_INIT;
	struct hf_attr attr;
	int r = hf_view_walk(v, d->path, &attr, &here);

	if (r == -ENOENT || r == -ENOTDIR)
		return 0;
	if (r < 0)
		return hf_error_set(d->err, r, "%s", here.text);
	if (d->n_tops == 0 || d->tops[0] != attr.ino)
		d->tops[d->n_tops++] = attr.ino;
	return 0;
}

static int diff(struct diff *d, hf_difference_fn *each, void *arg)
{
	const uint64_t from = d->a.tid < d->b.tid ? d->a.tid : d->b.tid,
		       to = d->a.tid < d->b.tid ? d->b.tid : d->a.tid;
	int r = places_new(d->a.store, &d->at_a);

	d->total = to - from;
	if (r == 0)
		r = places_new(d->b.store, &d->at_b);
	if (r == 0 && *d->path) {
		r = add_top(d, &d->a);
		if (r == 0)
			r = add_top(d, &d->b);
		if (r == 0 && d->n_tops == 0)
			return 0; /* it is there at neither */
	}
	if (r == 0)
		r = find_inos(d, from, to);
	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < d->inos.n; i++) {
		tell_progress(d->progress, "comparing", i + 1, d->inos.n);
		r = compare_inode(d, d->inos.v[i]);
	}
	return r < 0 ? r : tell_rows(d, each, arg);
}

int hf_diff(struct hf_store *s, uint64_t tid_a, uint64_t tid_b, const char *path, hf_difference_fn *each,
	    void *arg, const struct hf_progress *progress, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf tree = BUF_INIT;
	CLEANUP(diff_release) struct diff d = { .progress = progress, .err = err };
	struct hf_status status;

	while (*(path += strspn(path, "/"))) {
		size_t len = strcspn(path, "/");

		if (tree.len > 0)
			buf_add_u8(&tree, '/');
		buf_add(&tree, path, len);
		path += len;
	}
	buf_add_u8(&tree, 0);
	if (buf_status(&tree) < 0)
		return -ENOMEM;
	d.path = (const char *)tree.data;
	hf_store_status(s, &status);
	d.a = (struct hf_view){ s, tid_a < status.committed_tid ? tid_a : status.committed_tid };
	d.b = (struct hf_view){ s, tid_b < status.committed_tid ? tid_b : status.committed_tid };
	return d.a.tid == d.b.tid ? 0 : diff(&d, each, arg);
}
