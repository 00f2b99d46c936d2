/* SPDX-License-Identifier: MIT */
#include "tests/unit/tree_compare.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

enum { LINKS_MAX = 4096, NAMES_MAX = 4096, READ_BYTES = 1 << 20 };

struct compare {
	const struct hf_view *a, *b;
	uint64_t links[LINKS_MAX][2];
	size_t n_links;
};

struct names {
	size_t n;
	char *v[NAMES_MAX];
};

static int add_name(void *arg, const char *name, uint64_t ino, uint32_t type, uint64_t cookie,
		    const struct hf_attr *attr)
{
	struct names *l = arg;

	(void)ino;
	(void)type;
	(void)cookie;
	(void)attr;
	if (l->n == NAMES_MAX)
		return 1;
	l->v[l->n++] = strdup(name);
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static struct names *names_of(const struct hf_view *v, uint64_t dir)
{
	struct names *l = calloc(1, sizeof(*l));

	if (!l || hf_view_readdir(v, dir, 0, 0, add_name, l, NULL) < 0)
		abort();
	qsort(l->v, l->n, sizeof(l->v[0]), by_text);
	return l;
}

static void names_free(struct names *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l);
}

static int differs(const char *path, const char *what)
{
	print_message("# %s differs: %s\n", path, what);
	return -1;
}

static int same_time(struct timespec x, struct timespec y)
{
	return x.tv_sec == y.tv_sec && x.tv_nsec == y.tv_nsec;
}

static int compare_xattrs(const struct compare *c, const char *path, uint64_t x, uint64_t y)
{
	static char names[2][65536], values[2][65536];
	ssize_t n = hf_view_listxattr(c->a, x, names[0], sizeof(names[0]), NULL);
	ssize_t m = hf_view_listxattr(c->b, y, names[1], sizeof(names[1]), NULL);

	if (n != m || n < 0 || memcmp(names[0], names[1], (size_t)n) != 0)
		return differs(path, "names of attributes");
	for (ssize_t at = 0; at < n; at += (ssize_t)strlen(names[0] + at) + 1) {
		ssize_t p = hf_view_getxattr(c->a, x, names[0] + at, values[0], sizeof(values[0]), NULL);
		ssize_t q = hf_view_getxattr(c->b, y, names[0] + at, values[1], sizeof(values[1]), NULL);

		if (p != q || p < 0 || memcmp(values[0], values[1], (size_t)p) != 0)
			return differs(path, names[0] + at);
	}
	return 0;
}

static int compare_bytes(const struct compare *c, const char *path, const struct hf_attr *x,
			 const struct hf_attr *y)
{
	static uint8_t data[2][READ_BYTES];
	uint64_t at = 0;

	while (at < x->size_bytes) {
		int64_t p = hf_view_seek(c->a, x->ino, at, SEEK_DATA, NULL);
		int64_t q = hf_view_seek(c->b, y->ino, at, SEEK_DATA, NULL);
		ssize_t n, m;

		if (p < 0 && q < 0)
			return 0;
		at = (uint64_t)(p < 0 ? q : q < 0 ? p : p < q ? p : q);
		n = hf_view_read(c->a, x->ino, at, data[0], READ_BYTES, NULL);
		m = hf_view_read(c->b, y->ino, at, data[1], READ_BYTES, NULL);
		if (n != m || n <= 0 || memcmp(data[0], data[1], (size_t)n) != 0)
			return differs(path, "its bytes");
		at += (uint64_t)n;
	}
	return 0;
}

static int compare_target(const struct compare *c, const char *path, uint64_t x, uint64_t y)
{
	char target[2][4096];
	ssize_t n = hf_view_readlink(c->a, x, target[0], sizeof(target[0]), NULL);
	ssize_t m = hf_view_readlink(c->b, y, target[1], sizeof(target[1]), NULL);

	return n == m && n > 0 && memcmp(target[0], target[1], (size_t)n) == 0 ? 0 :
										 differs(path, "its target");
}

/* What was one file with several names must be one. */
static int compare_links(struct compare *c, const char *path, const struct hf_attr *x,
			 const struct hf_attr *y)
{
	for (size_t i = 0; i < c->n_links; i++) {
		if ((c->links[i][0] == x->ino) != (c->links[i][1] == y->ino))
			return differs(path, "which file it is a name of");
		if (c->links[i][0] == x->ino)
			return 0;
	}
	if (c->n_links < LINKS_MAX) {
		c->links[c->n_links][0] = x->ino;
		c->links[c->n_links++][1] = y->ino;
	}
	return 0;
}

static int compare_at(struct compare *c, const char *path, const struct hf_attr *x, const struct hf_attr *y);

static int compare_dirs(struct compare *c, const char *path, const struct hf_attr *x, const struct hf_attr *y)
{
	struct names *p = names_of(c->a, x->ino), *q = names_of(c->b, y->ino);
	int r = p->n == q->n ? 0 : differs(path, "how many names");

	for (size_t i = 0; r == 0 && i < p->n; i++) {
		struct hf_attr m, n;
		char below[8192];

		snprintf(below, sizeof(below), "%.3000s/%s", path, p->v[i]);
		if (strcmp(p->v[i], q->v[i]) != 0 || hf_view_lookup(c->a, x->ino, p->v[i], &m, NULL) < 0 ||
		    hf_view_lookup(c->b, y->ino, p->v[i], &n, NULL) < 0)
			r = differs(below, "there or not");
		else
			r = compare_at(c, below, &m, &n);
	}
	names_free(p);
	names_free(q);
	return r;
}

static int compare_at(struct compare *c, const char *path, const struct hf_attr *x, const struct hf_attr *y)
{
	int r;

	if (x->mode != y->mode || x->uid != y->uid || x->gid != y->gid)
		return differs(path, "mode or owner");
	if (!same_time(x->mtime, y->mtime))
		return differs(path, "modification time");
	if (x->rdev != y->rdev || (!S_ISDIR(x->mode) && x->size_bytes != y->size_bytes))
		return differs(path, "length or device");
	r = compare_xattrs(c, path, x->ino, y->ino);
	if (r < 0 || S_ISDIR(x->mode))
		return r < 0 ? r : compare_dirs(c, path, x, y);
	r = S_ISREG(x->mode) ? compare_bytes(c, path, x, y) :
	    S_ISLNK(x->mode) ? compare_target(c, path, x->ino, y->ino) :
			       0;
	return r < 0 ? r : compare_links(c, path, x, y);
}

int tree_compare(const struct hf_view *a, const char *path_a, const struct hf_view *b, const char *path_b)
{
	struct compare *c = calloc(1, sizeof(*c));
	struct hf_attr x, y;
	int r, s;

	if (!c)
		abort();
	c->a = a;
	c->b = b;
	r = hf_view_walk(a, path_a, &x, NULL);
	s = hf_view_walk(b, path_b, &y, NULL);
	if (r < 0 || s < 0)
		r = r == s ? 0 : differs(path_a, "there or not");
	else
		r = compare_at(c, path_a, &x, &y);
	free(c);
	return r;
}
