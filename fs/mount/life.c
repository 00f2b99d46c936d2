/* SPDX-License-Identifier: MIT */
/*
 * What a path was, stretch by stretch, and the versions in it. Finding that out is work, and a listing is
 * asked for in many pieces, each entry of it then looked up: so what was found is kept, and used again as
 * long as nothing has happened in the volume; and to go on with a listing, which is of the time when it
 * began, always.
 *
 * A version begins with a stretch, unless that only gave the file another name, and with each state in it
 * that a write or a truncate made: those set the times of change of contents and of attributes to one and
 * the same, their own. A removal stands where one took the name away and nothing took its place.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/mount/mount_internal.h"

enum {
	STRETCHES_KEPT = 1 << 20, /* in all lives */
	TIMES_AT_ONCE = 512,
	DIRS_ASKED = 256, /* for their permissions */
};

static void life_free(struct life *l)
{
	free(l->path);
	free(l->v);
	free(l->until_max);
	free(l);
}

/* --- making one */

static int add_stretch(void *arg, const struct hf_stretch *st)
{
	struct life *l = arg;

	if ((l->n & (l->n - 1)) == 0) { /* the powers of two, and 0 */
		struct hf_stretch *grown = realloc(l->v, (l->n ? 2 * l->n : 1) * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		l->v = grown;
	}
	l->v[l->n] = *st;
	l->v[l->n++].path = NULL;
	if (S_ISDIR(st->type))
		l->is_dir = true;
	else
		l->is_file = true;
	return 0;
}

static int compare_stretches(const void *a, const void *b)
{
	const struct hf_stretch *x = a, *y = b;

	if (x->from != y->from)
		return x->from < y->from ? -1 : 1;
	return (x->until > y->until) - (x->until < y->until);
}

static uint64_t time_of(struct mount *m, uint64_t tid)
{
	struct hf_point point;

	return hf_point_of_tid(m->store, tid, &point, NULL) == 0 ? point.time_ns : 0;
}

/*
 * Of operations one behind the other, found at once: the time of one alone is found by going through its
 * group.
 */
struct times {
	struct mount *m;
	struct hf_point *v; /* of every operation between the first and the last of them */
	size_t n, max;
};

static int add_time(void *arg, const struct hf_change *change)
{
	struct times *t = arg;

	t->v[t->n++] = (struct hf_point){ change->tid, change->time_ns };
	return t->n == t->max;
}

static const struct hf_point *find_time(const struct times *t, uint64_t tid)
{
	size_t low = 0, high = t->n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (t->v[mid].tid < tid)
			low = mid + 1;
		else
			high = mid;
	}
	return low < t->n && t->v[low].tid == tid ? &t->v[low] : NULL;
}

static uint64_t times_find(struct times *t, uint64_t tid)
{
	const struct hf_point *found = find_time(t, tid);

	if (!found && t->max > 1) {
		if (!t->v)
			t->v = calloc(t->max, sizeof(*t->v));
		t->n = 0;
		if (t->v && hf_changes(t->m->store, tid - 1, UINT64_MAX, 0, add_time, t, NULL) >= 0)
			found = find_time(t, tid);
	}
	return found ? found->time_ns : time_of(t->m, tid); /* not committed yet */
}

/*
 * As it last was, or is: when the life was found out, for what was there then may be gone by now, and reaped.
 * (What came while that was found out may be in it, too.)
 */
static struct hf_view last_view(struct mount *m, const struct life *l, const struct hf_stretch *st)
{
	uint64_t tid = st->from > l->tid ? st->from : l->tid;

	return (struct hf_view){ m->store, st->until == HF_TID_HEAD ? tid : st->until - 1 };
}

static int last_attr(struct mount *m, const struct life *l, const struct hf_stretch *st, struct hf_attr *ret)
{
	struct hf_view view = last_view(m, l, st);

	return hf_view_getattr(&view, st->ino, ret, NULL);
}

static int arrange(struct mount *m, struct life *l)
{
	uint64_t until = 0;
	struct hf_attr attr;

	qsort(l->v, l->n, sizeof(*l->v), compare_stretches);
	l->until_max = calloc(l->n, sizeof(*l->until_max));
	if (!l->until_max)
		return -ENOMEM;
	for (size_t i = 0; i < l->n; i++) {
		if (l->v[i].until > until || i == 0) {
			until = l->v[i].until;
			l->newest = &l->v[i];
		}
		l->until_max[i] = until;
	}
	if (until != HF_TID_HEAD) {
		l->changed_ns = time_of(m, until);
	} else if (last_attr(m, l, l->newest, &attr) == 0) {
		l->changed_ns = (uint64_t)attr.ctime.tv_sec * 1000000000 + (uint64_t)attr.ctime.tv_nsec;
	}
	return 0;
}

static int life_new(struct mount *m, const char *path, uint64_t tid, struct life **ret)
{
	struct life *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->users = 1;
	l->tid = tid;
	l->path = strdup(path);
	r = l->path ? hf_life(m->store, path, add_stretch, l, NULL) : -ENOMEM;
	if (r == 0)
		r = l->n > 0 ? arrange(m, l) : -ENOENT;
	if (r < 0)
		life_free(l);
	else
		*ret = l;
	return r;
}

/* --- keeping some */

void lives_init(struct lives *l)
{
	pthread_mutex_init(&l->lock, NULL);
	l->n = 0;
}

void lives_release(struct lives *l)
{
	for (size_t i = 0; i < l->n; i++)
		life_free(l->recent[i]);
	pthread_mutex_destroy(&l->lock);
}

/* Requires lock. */
static void drop_user(struct life *l)
{
	if (--l->users == 0)
		life_free(l);
}

void life_put(struct mount *m, struct life *l)
{
	pthread_mutex_lock(&m->lives.lock);
	drop_user(l);
	pthread_mutex_unlock(&m->lives.lock);
}

/* Put it first, in the place of number `at`. Requires lock. */
static void put_first(struct lives *lives, struct life *l, size_t at)
{
	memmove(lives->recent + 1, lives->recent, at * sizeof(lives->recent[0]));
	lives->recent[0] = l;
}

static struct life *find(struct lives *lives, const char *path, bool any, uint64_t tid)
{
	struct life *l = NULL;

	pthread_mutex_lock(&lives->lock);
	for (size_t i = 0; i < lives->n && !l; i++) {
		if (strcmp(lives->recent[i]->path, path) == 0 && (any || lives->recent[i]->tid == tid)) {
			l = lives->recent[i];
			l->users++;
			put_first(lives, l, i);
		}
	}
	pthread_mutex_unlock(&lives->lock);
	return l;
}

/* In the place of an older one of the path. */
static void keep(struct lives *lives, struct life *l)
{
	size_t at, total = l->n;

	pthread_mutex_lock(&lives->lock);
	for (at = 0; at < lives->n && strcmp(lives->recent[at]->path, l->path) != 0; at++)
		;
	if (at < lives->n || at == LIVES_MAX)
		drop_user(lives->recent[at == LIVES_MAX ? --at : at]);
	else
		lives->n++;
	put_first(lives, l, at);
	l->users++;
	for (at = 1; at < lives->n && total + lives->recent[at]->n <= STRETCHES_KEPT; at++)
		total += lives->recent[at]->n;
	while (lives->n > at)
		drop_user(lives->recent[--lives->n]);
	pthread_mutex_unlock(&lives->lock);
}

int life_get(struct mount *m, const char *path, bool any, struct life **ret)
{
	struct hf_point now = { 0, 0 };
	int r;

	/* and so that no later append changes the moment that is now */
	r = hf_point_of_time(m->store, UINT64_MAX, &now, NULL);
	if (r < 0 && r != -ENOENT)
		return r;
	*ret = find(&m->lives, path, any, now.tid);
	if (*ret)
		return 0;
	r = life_new(m, path, now.tid, ret);
	if (r == 0)
		keep(&m->lives, *ret);
	return r;
}

/* --- its attributes */

static bool has_acl(struct mount *m, const struct life *l, const struct hf_stretch *st)
{
	struct hf_view view = last_view(m, l, st);

	return hf_view_getxattr(&view, st->ino, "system.posix_acl_access", NULL, 0, NULL) > 0;
}

/* Take from the mode, of owner and group of `attr`, what they may not in another directory. */
static void restrict_mode(struct hf_attr *attr, const struct hf_attr *other)
{
	uint32_t mode = other->mode & 07, group = other->mode >> 3 & 07, user = other->mode >> 6 & 07;

	if (attr->gid != other->gid)
		group = mode &= group; /* who is in the one group, or in none, may be in the other or not */
	if (attr->uid != other->uid)
		user &= mode & group;
	attr->mode &= ~0777u | user << 6 | group << 3 | mode;
}

/*
 * A directory that stands for several, which a path was one after another, shows what was in all of them:
 * to those who may look into each. What an ACL says is not looked into: then it is the owner's.
 */
static int dir_attr(struct mount *m, const struct life *l, struct hf_attr *ret)
{
	const struct hf_stretch *before = NULL;
	unsigned asked = 0;
	struct hf_attr attr;
	bool acl = false;

	for (size_t i = l->n; i-- > 0;) {
		const struct hf_stretch *st = &l->v[i];
		int r;

		if (!S_ISDIR(st->type) || (before && before->ino == st->ino))
			continue;
		r = ++asked <= DIRS_ASKED ? last_attr(m, l, st, before ? &attr : ret) : 0;
		if (r < 0)
			return r;
		if (before && asked <= DIRS_ASKED)
			restrict_mode(ret, &attr);
		acl = acl || asked > DIRS_ASKED || has_acl(m, l, st);
		before = st;
	}
	if (acl)
		ret->mode &= ~077u;
	return 0;
}

int life_attr(struct mount *m, const struct life *l, struct hf_attr *ret)
{
	struct timespec t = { (time_t)(l->changed_ns / 1000000000), (long)(l->changed_ns % 1000000000) };
	struct hf_attr attr = { 0 };
	int r = l->is_dir ? dir_attr(m, l, &attr) : last_attr(m, l, l->newest, &attr);

	if (r < 0)
		return r;
	*ret = (struct hf_attr){
		.mode = S_IFDIR | (l->is_dir ? attr.mode & 07777 : 0555),
		.nlink = 1, /* how many directories are in it is not counted */
		.uid = attr.uid,
		.gid = attr.gid,
		.atime = t,
		.mtime = t,
		.ctime = t,
		.btime = attr.btime,
	};
	return 0;
}

/* --- versions */

void versions_release(struct versions *v)
{
	free(v->v);
	*v = (struct versions){ .v = NULL };
}

static int add_version(struct versions *v, uint64_t tid, uint64_t time_ns, const struct hf_stretch *st,
		       bool removed)
{
	if (v->n == v->cap) {
		size_t cap = v->cap ? 2 * v->cap : 64;
		struct version *grown = realloc(v->v, cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		v->v = grown;
		v->cap = cap;
	}
	v->v[v->n++] = (struct version){ tid, time_ns, st->ino, st->type, removed };
	return 0;
}

struct state_walk {
	struct times *times;
	const struct hf_stretch *st;
	struct versions *v;
	uint64_t after;
	size_t left;
	bool was_empty; /* the state before */
};

/* A state of a file: 0 to go on, 1 when it is a version, and there is no room for it. */
static int see_state(void *arg, const struct hf_attr *attr, uint64_t ended_tid)
{
	struct state_walk *w = arg;
	bool was_empty = w->was_empty;
	uint64_t changed_ns;

	(void)ended_tid;
	w->was_empty = attr->size_bytes == 0;
	if (was_empty && w->was_empty)
		return 0; /* emptied anew, as by who makes a file and then opens it to write it */
	if (attr->tid <= w->after || attr->tid <= w->st->from || attr->mtime.tv_sec != attr->ctime.tv_sec ||
	    attr->mtime.tv_nsec != attr->ctime.tv_nsec)
		return 0;
	/* who sets times can make the two alike, but not the operation's own */
	changed_ns = (uint64_t)attr->ctime.tv_sec * 1000000000 + (uint64_t)attr->ctime.tv_nsec;
	if (times_find(w->times, attr->tid) != changed_ns)
		return 0;
	if (w->left == 0)
		return 1;
	w->left--;
	return add_version(w->v, attr->tid, changed_ns, w->st, false);
}

/* Did the file just come from another name? */
static bool goes_on(const struct life *l, const struct hf_stretch *st)
{
	for (const struct hf_stretch *p = st; p-- > l->v;) {
		if (p->until == st->from && p->ino == st->ino)
			return true;
		if (l->until_max[p - l->v] < st->from)
			break;
	}
	return false;
}

/* Is there something at the path from this moment on? */
static bool begins_at(const struct life *l, uint64_t tid)
{
	size_t low = 0, high = l->n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (l->v[mid].from < tid)
			low = mid + 1;
		else
			high = mid;
	}
	return low < l->n && l->v[low].from == tid;
}

/* Up to max versions of a stretch behind `after`: 0, 1 when there are more, negative. */
static int add_of_stretch(struct times *times, const struct life *l, const struct hf_stretch *st,
			  uint64_t after, size_t max, struct versions *v)
{
	struct state_walk w = { .times = times, .st = st, .v = v, .after = after, .left = max };
	uint64_t last = st->until == HF_TID_HEAD ? HF_TID_HEAD : st->until - 1;
	int r = 0;

	if (S_ISDIR(st->type))
		return 0;
	if (st->from > after && !goes_on(l, st)) {
		w.left--;
		r = add_version(v, st->from, times_find(times, st->from), st, false);
	}
	if (r == 0 && last > after)
		r = hf_versions(times->m->store, st->ino, after > st->from ? after : st->from, last, 0,
				see_state, &w, NULL);
	if (r == 0 && st->until > after && st->until != HF_TID_HEAD && st->unlinked &&
	    !begins_at(l, st->until)) {
		if (w.left == 0)
			return 1;
		r = add_version(v, st->until, times_find(times, st->until), st, true);
	}
	return r;
}

static int compare_versions(const void *a, const void *b)
{
	const struct version *x = a, *y = b;

	return (x->tid > y->tid) - (x->tid < y->tid);
}

/* In order, each once, none behind the limit. */
static void arrange_versions(struct versions *v, uint64_t limit)
{
	size_t n = 0;

	if (v->n > 0)
		qsort(v->v, v->n, sizeof(*v->v), compare_versions);
	for (size_t i = 0; i < v->n && v->v[i].tid <= limit; i++) {
		if (n == 0 || v->v[n - 1].tid != v->v[i].tid)
			v->v[n++] = v->v[i];
	}
	v->n = n;
}

/* The first stretch that may have something behind `after`. */
static size_t first_behind(const struct life *l, uint64_t after)
{
	size_t low = 0, high = l->n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (l->until_max[mid] <= after)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

int life_versions(struct mount *m, const struct life *l, uint64_t after, size_t max, struct versions *ret)
{
	struct times times = { .m = m, .max = max > 1 ? TIMES_AT_ONCE : 1 };
	uint64_t limit = UINT64_MAX, largest = 0;
	struct versions v = { .v = NULL };
	int r = 0;

	for (size_t i = first_behind(l, after); r == 0 && i < l->n; i++) {
		const struct hf_stretch *st = &l->v[i];
		size_t before = v.n;

		if (st->from > limit)
			break;
		if (v.n >= max && st->from > largest) { /* those that follow begin later still */
			limit = largest < limit ? largest : limit;
			break;
		}
		if (st->until <= after)
			continue;
		r = add_of_stretch(&times, l, st, after, max, &v);
		for (size_t k = before; k < v.n; k++)
			largest = v.v[k].tid > largest ? v.v[k].tid : largest;
		if (r == 1) {
			limit = v.v[v.n - 1].tid < limit ? v.v[v.n - 1].tid : limit;
			r = 0;
		}
	}
	free(times.v);
	if (r < 0) {
		versions_release(&v);
		return r;
	}
	v.more = limit != UINT64_MAX;
	arrange_versions(&v, limit);
	*ret = v;
	return 0;
}
