/* SPDX-License-Identifier: MIT */
#include "fs/cli/drill_moment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/cli/cli.h"
#include "fs/cli/drill.h"
#include "fs/cli/extract.h"

enum { DEPTH_MAX = 200, TRIES_OF_A_PICK = 8 };

uint64_t drill_random(uint64_t n)
{
	uint64_t x = 0;

	(void)!getrandom(&x, sizeof(x), 0);
	return x % n;
}

/* --- how much there is */

struct inos {
	uint64_t *all;
	size_t n, cap;
	uint64_t bytes, limit;
	bool no_memory;
};

static int count_entry(void *arg, const char *name, uint64_t ino, uint32_t type, uint64_t cookie,
		       const struct hf_attr *attr)
{
	struct inos *i = arg;

	(void)name;
	(void)cookie;
	if (S_ISREG(type))
		i->bytes += attr->size_bytes;
	if (!S_ISDIR(type))
		return i->bytes > i->limit;
	if (i->n == i->cap) {
		size_t cap = i->cap ? 2 * i->cap : 256;
		uint64_t *more = reallocarray(i->all, cap, sizeof(*more));

		i->no_memory = !more;
		if (!more)
			return 1;
		i->all = more;
		i->cap = cap;
	}
	i->all[i->n++] = ino;
	return 0;
}

/* 1: its contents are within the limit; 0: more; negative. Walks no further than it must. */
static int fits(const struct hf_view *view, uint64_t limit, struct hf_error *err)
{
	struct inos dirs = { .limit = limit };
	uint64_t ino = HF_ROOT_INO;
	int r;

	if (limit == UINT64_MAX)
		return 1;
	for (;;) {
		r = hf_view_readdir(view, ino, 0, HF_READDIR_ATTR, count_entry, &dirs, err);
		if (r < 0 || dirs.no_memory || dirs.bytes > limit || dirs.n == 0)
			break;
		ino = dirs.all[--dirs.n];
	}
	free(dirs.all);
	if (dirs.no_memory)
		return hf_error_set(err, -ENOMEM, "no memory");
	return r < 0 ? r : dirs.bytes <= limit;
}

/* --- files at random */

struct draw {
	uint64_t seen;
	struct drill_pick *pick;
};

static int draw_entry(void *arg, const char *name, uint64_t ino, uint32_t type, uint64_t cookie,
		      const struct hf_attr *attr)
{
	struct draw *d = arg;

	(void)ino;
	(void)type;
	(void)cookie;
	if (drill_random(++d->seen) == 0) {
		d->pick->attr = *attr;
		(void)snprintf(d->pick->name, sizeof(d->pick->name), "%s", name);
	}
	return 0;
}

/* 1: a file; 0: the way ended elsewhere; negative. */
static int walk_down(const struct hf_view *view, struct drill_pick *ret, struct hf_error *err)
{
	uint64_t ino = HF_ROOT_INO;

	for (unsigned depth = 0; depth < DEPTH_MAX; depth++) {
		struct draw d = { 0, ret };
		int r = hf_view_readdir(view, ino, 0, HF_READDIR_ATTR, draw_entry, &d, err);

		if (r < 0)
			return r;
		if (d.seen == 0 || !S_ISDIR(ret->attr.mode))
			return d.seen > 0 && S_ISREG(ret->attr.mode);
		ino = ret->attr.ino;
	}
	return 0;
}

static int pick_files(struct drill_moment *m, const struct hf_view *view, struct hf_error *err)
{
	uint64_t bytes = 0;

	m->picks = calloc(DRILL_PICKS_MAX, sizeof(*m->picks));
	if (!m->picks)
		return hf_error_set(err, -ENOMEM, "no memory");
	for (unsigned tries = 0; m->n_picks < DRILL_PICKS_MAX && bytes < m->bytes_max &&
				 tries < TRIES_OF_A_PICK * DRILL_PICKS_MAX;
	     tries++) {
		struct drill_pick *p = &m->picks[m->n_picks];
		int r = walk_down(view, p, err);

		if (r < 0)
			return r;
		/* one larger than all that may be restored is not, unless it is the first */
		if (r == 0 || (m->n_picks > 0 && p->attr.size_bytes > m->bytes_max - bytes))
			continue;
		bytes += p->attr.size_bytes;
		m->n_picks++;
	}
	return 0;
}

/* --- writing it out */

static void found(void *arg, const char *what)
{
	struct drill_moment *m = arg;

	if (!m->first[0])
		(void)snprintf(m->first, sizeof(m->first), "%s", what);
}

static int extract(struct drill_moment *m, const struct hf_view *view, const struct hf_attr *what,
		   const char *name, const char *to, const struct operation_listener *outer,
		   struct hf_error *err)
{
	const struct operation_listener listener = { .progress = outer->progress, .found = found, .arg = m };
	struct extract_summary sum = { .files = 0 };
	int r = extract_tree(view, what, name, to, &listener, &sum, err);

	m->files += sum.files;
	m->bytes += sum.bytes;
	m->failed += sum.failed;
	m->pruned += sum.pruned;
	m->owners = sum.owners;
	return r;
}

static char *pick_folder(const struct drill_moment *m, size_t i)
{
	char *path;

	return asprintf(&path, "%s/%zu", m->to, i) < 0 ? NULL : path;
}

static int extract_picks(struct drill_moment *m, const struct hf_view *view,
			 const struct operation_listener *listener, struct hf_error *err)
{
	int r = mkdir(m->to, 0700) < 0 ? hf_error_set(err, -errno, "%s: %s", m->to, strerror(errno)) :
					 pick_files(m, view, err);

	for (size_t i = 0; r == 0 && i < m->n_picks; i++) {
		CLEANUP(cli_cleanup_free) char *to = pick_folder(m, i);

		r = to ? extract(m, view, &m->picks[i].attr, m->picks[i].name, to, listener, err) :
			 hf_error_set(err, -ENOMEM, "no memory");
	}
	return r;
}

int drill_moment_restore(struct drill_moment *m, const struct operation_listener *listener,
			 struct hf_error *err)
{
	const struct hf_view view = { m->store, m->tid };
	struct hf_attr root;
	int r = fits(&view, m->bytes_max, err);

	if (r < 0)
		return r;
	m->whole = r == 1;
	if (asprintf(&m->to, "%s/tid-%llu", m->scratch, (unsigned long long)m->tid) < 0) {
		m->to = NULL;
		return hf_error_set(err, -ENOMEM, "no memory");
	}
	drill_remove_scratch(m->to); /* the same moment can be chosen twice */
	if (!m->whole)
		return extract_picks(m, &view, listener, err);
	r = hf_view_getattr(&view, HF_ROOT_INO, &root, err);
	return r < 0 ? r : extract(m, &view, &root, "", m->to, listener, err);
}

int drill_moment_compare(const struct drill_moment *m, const struct operation_listener *listener,
			 struct compare_summary *ret, struct hf_error *err)
{
	const struct hf_view view = { m->store, m->tid };
	struct hf_attr root;
	int r = hf_view_getattr(&view, HF_ROOT_INO, &root, err);

	if (r == 0 && m->whole)
		r = compare_tree(&view, &root, "", m->to, m->owners, listener, ret, err);
	for (size_t i = 0; r == 0 && !m->whole && i < m->n_picks; i++) {
		CLEANUP(cli_cleanup_free) char *to = pick_folder(m, i);

		r = to ? compare_tree(&view, &m->picks[i].attr, m->picks[i].name, to, m->owners, listener,
				      ret, err) :
			 hf_error_set(err, -ENOMEM, "no memory");
	}
	return r;
}

void drill_moment_release(struct drill_moment *m)
{
	if (m->to)
		drill_remove_scratch(m->to);
	free(m->to);
	free(m->picks);
	m->to = NULL;
	m->picks = NULL;
}
