/* SPDX-License-Identifier: MIT */
#include "tests/model/past.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void *grow(void *v, size_t n, size_t each)
{
	v = realloc(v, (n + 1) * each);
	if (!v)
		abort();
	return v;
}

static char *join(const char *dir, const char *name)
{
	char *path;

	if (asprintf(&path, "%s%s%s", dir, *dir ? "/" : "", name) < 0)
		abort();
	return path;
}

size_t past_index(const struct past *p, uint64_t tid)
{
	size_t k = p->n - 1;

	while (k > 0 && p->m[k].tid > tid)
		k--;
	return k;
}

uint64_t past_entry(const struct model *m, uint64_t dir, const char *name)
{
	const struct model_inode *d = model_find(m, dir);
	const struct model_entry *e = d && S_ISDIR(d->mode) && d->nlink > 0 ? model_entry(d, name) : NULL;

	return e ? e->ino : 0;
}

uint64_t past_resolve(const struct model *m, const char *path)
{
	uint64_t ino = HF_ROOT_INO;

	while (ino && *(path += strspn(path, "/"))) {
		char name[300];
		const size_t len = strcspn(path, "/");

		snprintf(name, sizeof(name), "%.*s", (int)len, path);
		path += len;
		ino = past_entry(m, ino, name);
	}
	return ino;
}

bool past_is_there(const struct model *m, uint64_t ino)
{
	const struct model_inode *i = model_find(m, ino);

	return i && i->nlink > 0;
}

static bool dir_is_below(const struct model *m, uint64_t dir, uint64_t top)
{
	for (;;) {
		const struct model_inode *i = model_find(m, dir);

		if (dir == top)
			return true;
		if (!i || i->nlink == 0 || dir == HF_ROOT_INO)
			return false;
		dir = i->parent;
	}
}

bool past_is_below(const struct model *m, uint64_t ino, uint64_t top)
{
	if (ino == top)
		return true;
	for (size_t k = 0; k < m->n; k++) {
		const struct model_inode *d = m->inodes[k];

		for (size_t e = 0; S_ISDIR(d->mode) && e < d->n_entries; e++) {
			if (d->entries[e].ino == ino && dir_is_below(m, d->ino, top))
				return true;
		}
	}
	return false;
}

struct past_names past_names(const struct model *m, uint64_t ino)
{
	struct past_names l = { 0 };

	if (ino == HF_ROOT_INO) {
		l.v = grow(NULL, 0, sizeof(*l.v));
		l.v[l.n++] = (struct past_name){ 0, "", join("", "") };
		return l;
	}
	for (size_t k = 0; k < m->n; k++) {
		const struct model_inode *d = m->inodes[k];

		for (size_t e = 0; S_ISDIR(d->mode) && e < d->n_entries; e++) {
			struct past_names above;

			if (d->entries[e].ino != ino)
				continue;
			above = past_names(m, d->ino);
			if (above.n > 0) {
				l.v = grow(l.v, l.n, sizeof(*l.v));
				l.v[l.n++] = (struct past_name){ d->ino, d->entries[e].name,
								 join(above.v[0].path, d->entries[e].name) };
			}
			past_names_release(&above);
		}
	}
	return l;
}

void past_names_release(struct past_names *l)
{
	for (size_t k = 0; k < l->n; k++)
		free(l->v[k].path);
	free(l->v);
}

/* --- life */

static void line_add(struct past_line *l, struct past_stretch st)
{
	l->v = grow(l->v, l->n, sizeof(*l->v));
	l->v[l->n++] = st;
}

void past_line_release(struct past_line *l)
{
	for (size_t k = 0; k < l->n; k++)
		free(l->v[k].path);
	free(l->v);
	*l = (struct past_line){ 0 };
}

/* The name that moment k took from an inode for another. */
static bool lost_name(const struct past *p, uint64_t ino, size_t k, uint64_t *dir, const char **name)
{
	const struct model_inode *before = k > 0 ? model_find(p->m[k - 1].m, ino) : NULL,
				 *after = model_find(p->m[k].m, ino);
	struct past_names names;
	bool found = false;

	if (!before || before->nlink == 0 || !after ||
	    (!S_ISDIR(after->mode) && after->nlink > before->nlink))
		return false;
	names = past_names(p->m[k - 1].m, ino);
	for (size_t i = 0; !found && i < names.n; i++) {
		if (names.v[i].dir && past_entry(p->m[k].m, names.v[i].dir, names.v[i].name) != ino) {
			*dir = names.v[i].dir;
			*name = names.v[i].name;
			found = true;
		}
	}
	past_names_release(&names);
	return found;
}

static char *path_of_name(const struct model *m, uint64_t dir, const char *name)
{
	struct past_names above = past_names(m, dir);
	char *path = join(above.n ? above.v[0].path : "?", name);

	past_names_release(&above);
	return path;
}

static void follow(const struct past *p, struct past_line *l, uint64_t ino, uint32_t type, size_t until)
{
	uint64_t dir, unused;
	const char *name, *other;

	while (lost_name(p, ino, until, &dir, &name)) {
		size_t from = until;
		bool came;

		while (from > 0 && past_entry(p->m[from - 1].m, dir, name) == ino)
			from--;
		came = lost_name(p, ino, from, &unused, &other);
		for (size_t k = until; k > from;) {
			struct past_stretch st = {
				ino, type, k - 1, k, path_of_name(p->m[k - 1].m, dir, name), false, false
			};

			while (st.from > from) {
				char *before = path_of_name(p->m[st.from - 1].m, dir, name);
				const bool same = strcmp(before, st.path) == 0;

				free(before);
				if (!same)
					break;
				st.from--;
			}
			st.came_by_rename = st.from == from && came;
			k = st.from;
			line_add(l, st);
		}
		if (!came || past_entry(p->m[from - 1].m, dir, name) != 0)
			return;
		until = from;
	}
}

static void descend(const struct past *p, const struct past_line *dirs, const char *name,
		    struct past_line *out)
{
	size_t own;

	for (size_t d = 0; d < dirs->n; d++) {
		const struct past_stretch *dir = &dirs->v[d];

		for (size_t k = dir->from; S_ISDIR(dir->type) && k < dir->until;) {
			struct past_stretch st = { .ino = past_entry(p->m[k].m, dir->ino, name), .from = k };
			const char *before;
			uint64_t in;

			while (k < dir->until && past_entry(p->m[k].m, dir->ino, name) == st.ino)
				k++;
			if (st.ino == 0)
				continue;
			st.until = k;
			st.type = model_find(p->m[st.from].m, st.ino)->mode & S_IFMT;
			st.path = join(dir->path, name);
			st.came_by_rename = st.from > 0 &&
					    past_entry(p->m[st.from - 1].m, dir->ino, name) != st.ino &&
					    lost_name(p, st.ino, st.from, &in, &before);
			st.removed = st.until < p->n && !past_is_there(p->m[st.until].m, st.ino);
			line_add(out, st);
		}
	}
	own = out->n;
	for (size_t i = 0; i < own; i++) {
		bool replaced = false;

		for (size_t k = 0; k < own; k++)
			replaced |= out->v[k].until == out->v[i].from;
		if (out->v[i].came_by_rename && !replaced)
			follow(p, out, out->v[i].ino, out->v[i].type, out->v[i].from);
	}
}

static int compare_stretches(const void *a, const void *b)
{
	const struct past_stretch *x = a, *y = b;

	if (x->until != y->until)
		return x->until < y->until ? 1 : -1;
	return x->from != y->from ? (x->from < y->from ? 1 : -1) : strcmp(x->path, y->path);
}

struct past_line past_life(const struct past *p, const char *path)
{
	struct past_line line = { 0 };

	line_add(&line, (struct past_stretch){ HF_ROOT_INO, S_IFDIR, 0, p->n, join("", ""), false, false });
	while (*(path += strspn(path, "/"))) {
		struct past_line next = { 0 };
		char name[300];
		const size_t len = strcspn(path, "/");

		snprintf(name, sizeof(name), "%.*s", (int)len, path);
		path += len;
		descend(p, &line, name, &next);
		past_line_release(&line);
		line = next;
	}
	if (line.n > 1)
		qsort(line.v, line.n, sizeof(*line.v), compare_stretches);
	return line;
}

/* --- two moments */

struct row {
	enum hf_difference_kind kind, also;
	char *path, *before;
	const struct model_inode *a, *b;
};

struct rows {
	struct row *v;
	size_t n;
};

static bool same_time(struct timespec x, struct timespec y)
{
	return x.tv_sec == y.tv_sec && x.tv_nsec == y.tv_nsec;
}

static bool same_bytes(const struct model_inode *a, const struct model_inode *b)
{
	static const struct model_page none;

	for (int side = 0; side < 2; side++) {
		const struct model_inode *i = side ? b : a;

		for (size_t k = 0; k < i->n_pages; k++) {
			const uint64_t at = i->pages[k].number * MODEL_PAGE_BYTES;
			const struct model_page *x = model_page(a, i->pages[k].number),
						*y = model_page(b, i->pages[k].number);
			const size_t len = at >= a->size                   ? 0 :
					   a->size - at < MODEL_PAGE_BYTES ? (size_t)(a->size - at) :
									     MODEL_PAGE_BYTES;

			if (x != y && memcmp(x ? x->bytes : none.bytes, y ? y->bytes : none.bytes, len) != 0)
				return false;
		}
	}
	return true;
}

static bool same_contents(const struct model_inode *a, const struct model_inode *b)
{
	if (S_ISDIR(a->mode))
		return true;
	if (S_ISLNK(a->mode))
		return strcmp(a->target, b->target) == 0;
	if (!S_ISREG(a->mode))
		return a->rdev == b->rdev;
	return a->size == b->size && same_bytes(a, b);
}

static bool same_xattrs(const struct model_inode *a, const struct model_inode *b)
{
	for (size_t k = 0; k < a->n_xattrs; k++) {
		const struct model_xattr *x = &a->xattrs[k], *y = model_xattr(b, x->name);

		if (!y || x->len != y->len || memcmp(x->value, y->value, x->len) != 0)
			return false;
	}
	return a->n_xattrs == b->n_xattrs;
}

static enum hf_difference_kind what_changed(const struct model_inode *a, const struct model_inode *b)
{
	if (a == b)
		return 0;
	if ((a->mode ^ b->mode) & S_IFMT || !same_contents(a, b))
		return HF_CONTENTS;
	if (a->mode != b->mode || a->uid != b->uid || a->gid != b->gid || a->rdev != b->rdev ||
	    !same_xattrs(a, b))
		return HF_ATTRIBUTES;
	return S_ISDIR(a->mode) || same_time(a->mtime, b->mtime) ? 0 : HF_ATTRIBUTES;
}

static bool is_below(const char *path, const char *tree)
{
	const size_t len = strlen(tree);

	return len == 0 || (strncmp(path, tree, len) == 0 && (path[len] == '/' || path[len] == 0));
}

static void add_row(struct rows *rows, const char *tree, struct row row)
{
	if (!is_below(row.path, tree) && !is_below(row.before, tree))
		return;
	row.path = join("", row.path);
	row.before = join("", row.before);
	rows->v = grow(rows->v, rows->n, sizeof(*rows->v));
	rows->v[rows->n++] = row;
}

static void drop_name(struct past_names *l, size_t k)
{
	free(l->v[k].path);
	l->v[k] = l->v[--l->n];
}

/* Names of an inode at both moments, in pairs: by path (pass 0), by directory and name (pass 1), or the only
 * ones left. */
static void pair_names(struct rows *rows, const char *tree, struct past_names *old, struct past_names *new,
		       const struct model_inode *a, const struct model_inode *b)
{
	for (int pass = 0; pass < 3; pass++) {
		if (pass == 2 && (old->n != 1 || new->n != 1))
			return;
		for (size_t i = 0; i < old->n; i++) {
			for (size_t k = 0; i < old->n && k < new->n; k++) {
				const struct past_name *x = &old->v[i], *y = &new->v[k];
				const enum hf_difference_kind what = what_changed(a, b);

				if (pass == 0 ?
					    strcmp(x->path, y->path) != 0 :
					    pass == 1 && (x->dir != y->dir || strcmp(x->name, y->name) != 0))
					continue;
				if (pass == 0 && what)
					add_row(rows, tree, (struct row){ what, 0, x->path, x->path, a, b });
				if (pass == 2 || (pass == 1 && what))
					add_row(rows, tree,
						(struct row){ HF_RENAMED, what, y->path, x->path, a, b });
				drop_name(old, i);
				drop_name(new, k);
				i--;
				break;
			}
		}
	}
}

static void compare_inode(struct rows *rows, const char *tree, const struct model *at_a,
			  const struct model *at_b, uint64_t ino)
{
	const struct model_inode *a = model_find(at_a, ino), *b = model_find(at_b, ino);
	struct past_names old = a ? past_names(at_a, ino) : (struct past_names){ 0 };
	struct past_names new = b ? past_names(at_b, ino) : (struct past_names){ 0 };

	pair_names(rows, tree, &old, &new, a, b);
	for (size_t i = 0; i < old.n; i++)
		add_row(rows, tree, (struct row){ HF_REMOVED, 0, old.v[i].path, old.v[i].path, a, NULL });
	for (size_t k = 0; k < new.n; k++)
		add_row(rows, tree, (struct row){ HF_ADDED, 0, new.v[k].path, new.v[k].path, NULL, b });
	past_names_release(&old);
	past_names_release(&new);
}

/* What was removed where something else is now: that has changed, or was renamed over it. */
static void join_rows(struct rows *rows)
{
	for (size_t i = 0; i < rows->n; i++) {
		for (size_t k = 0; rows->v[i].kind == HF_REMOVED && k < rows->n; k++) {
			struct row *gone = &rows->v[i], *come = &rows->v[k];

			if ((come->kind != HF_ADDED && come->kind != HF_RENAMED) ||
			    strcmp(gone->path, come->path) != 0)
				continue;
			if (come->kind == HF_ADDED)
				come->kind = what_changed(gone->a, come->b);
			gone->kind = 0;
		}
	}
}

static int compare_rows(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return strcmp(x->path, y->path);
}

char *past_diff_text(const struct model *a, const struct model *b, const char *path)
{
	struct rows rows = { 0 };
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		abort();
	for (uint64_t ino = HF_ROOT_INO; ino < a->next_ino || ino < b->next_ino; ino++)
		compare_inode(&rows, path, a, b, ino);
	join_rows(&rows);
	if (rows.n > 1)
		qsort(rows.v, rows.n, sizeof(*rows.v), compare_rows);
	for (size_t k = 0; k < rows.n; k++) {
		if (rows.v[k].kind)
			(void)fprintf(out, "%d %d %s %s\n", rows.v[k].kind, rows.v[k].also, rows.v[k].path,
				      rows.v[k].before);
		free(rows.v[k].path);
		free(rows.v[k].before);
	}
	free(rows.v);
	if (fclose(out) != 0)
		abort();
	return text;
}
