/* SPDX-License-Identifier: MIT */
/* The public reading calls: views, moments, space. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store/volume/volume.h"

int hf_view_getattr(const struct hf_view *v, uint64_t ino, struct hf_attr *ret, struct hf_error *err)
{
	return tree_getattr(&v->store->tree, v->tid, ino, ret, err);
}

int hf_view_lookup(const struct hf_view *v, uint64_t parent, const char *name, struct hf_attr *ret,
		   struct hf_error *err)
{
	return tree_lookup(&v->store->tree, v->tid, parent, name, ret, err);
}

int hf_view_walk(const struct hf_view *v, const char *path, struct hf_attr *ret, struct hf_error *err)
{
	uint64_t ino = HF_ROOT_INO;
	int r = tree_getattr(&v->store->tree, v->tid, ino, ret, err);

	while (r == 0 && *path) {
		char name[NAME_BYTES_MAX + 1];
		size_t len = strcspn(path, "/");

		if (len > NAME_BYTES_MAX)
			return hf_error_set(err, -ENAMETOOLONG, "a name has at most %d bytes",
					    NAME_BYTES_MAX);
		if (len > 0) {
			memcpy(name, path, len);
			name[len] = 0;
			r = tree_lookup(&v->store->tree, v->tid, ino, name, ret, err);
			ino = ret->ino;
		}
		path += len;
		path += strspn(path, "/");
	}
	return r;
}

int hf_view_readdir(const struct hf_view *v, uint64_t ino, uint64_t cookie, unsigned flags,
		    hf_readdir_fn *each, void *arg, struct hf_error *err)
{
	return tree_readdir(&v->store->tree, v->tid, ino, cookie, flags, each, arg, err);
}

int hf_view_parent(const struct hf_view *v, uint64_t ino, uint64_t *ret_parent, struct hf_error *err)
{
	return tree_parent(&v->store->tree, v->tid, ino, ret_parent, err);
}

ssize_t hf_view_readlink(const struct hf_view *v, uint64_t ino, char *out, size_t size, struct hf_error *err)
{
	return tree_readlink(&v->store->tree, v->tid, ino, out, size, err);
}

ssize_t hf_view_read(const struct hf_view *v, uint64_t ino, uint64_t offset, void *out, size_t len,
		     struct hf_error *err)
{
	return tree_read(&v->store->tree, v->tid, ino, offset, out, len, err);
}

int64_t hf_view_seek(const struct hf_view *v, uint64_t ino, uint64_t offset, int whence, struct hf_error *err)
{
	return tree_seek(&v->store->tree, v->tid, ino, offset, whence, err);
}

ssize_t hf_view_getxattr(const struct hf_view *v, uint64_t ino, const char *name, void *out, size_t size,
			 struct hf_error *err)
{
	return tree_getxattr(&v->store->tree, v->tid, ino, name, out, size, err);
}

ssize_t hf_view_listxattr(const struct hf_view *v, uint64_t ino, char *out, size_t size, struct hf_error *err)
{
	return tree_listxattr(&v->store->tree, v->tid, ino, out, size, err);
}

/* Let no append share the moment that is now. */
static void fix_now(struct hf_store *s, struct hf_point *ret_head)
{
	(void)pthread_mutex_lock(&s->sequence);
	s->fixed_tid = s->state.tid;
	*ret_head = (struct hf_point){ s->state.tid, s->state.time_ns };
	(void)pthread_mutex_unlock(&s->sequence);
}

/*
 * The last operation of these groups that is within both limits, which rise together. Theirs are not yet in
 * the index. Requires sequence.
 */
static bool find_in_groups(const struct group *g, uint64_t tid_max, uint64_t time_max, struct hf_point *ret)
{
	bool found = false;

	for (; g; g = g->next) {
		size_t low = 0, high = g->n; /* all before low are within, none from high on */

		while (low < high) {
			size_t mid = (low + high) / 2;

			if (g->notes[mid].tid <= tid_max && g->notes[mid].time_ns <= time_max)
				low = mid + 1;
			else
				high = mid;
		}
		if (low == 0)
			break;
		*ret = (struct hf_point){ g->notes[low - 1].tid, g->notes[low - 1].time_ns };
		found = true;
	}
	return found;
}

static bool find_pending(struct hf_store *s, uint64_t tid_max, uint64_t time_max, struct hf_point *ret)
{
	bool found;

	/* In order of age; a younger group's find replaces an older's. */
	(void)pthread_mutex_lock(&s->sequence);
	found = find_in_groups(s->packed.first, tid_max, time_max, ret);
	found |= find_in_groups(s->packing, tid_max, time_max, ret);
	found |= find_in_groups(s->sealed.first, tid_max, time_max, ret);
	found |= find_in_groups(s->open, tid_max, time_max, ret);
	(void)pthread_mutex_unlock(&s->sequence);
	return found;
}

static int point_of_tid(struct hf_store *s, const struct hf_point *head, uint64_t tid, struct hf_point *ret,
			struct hf_error *err)
{
	struct hf_point found;
	char text[40];

	if (tid > head->tid)
		return hf_error_set(err, -ENOENT,
				    "operation %llu has not happened yet: the last is tid-%llu (%s)",
				    (unsigned long long)tid, (unsigned long long)head->tid,
				    hf_moment_format(head->time_ns, text, sizeof(text)));
	if (tid == head->tid || tid == 0) {
		*ret = tid ? *head : (struct hf_point){ 0, s->descriptor.created_ns };
		return 0;
	}
	if (!find_pending(s, tid, UINT64_MAX, &found)) {
		int r = tree_time_of_tid(s->index, tid, &found, err);

		if (r < 0)
			return r;
	}
	*ret = (struct hf_point){ tid, found.time_ns };
	return 0;
}

static int point_of_time(struct hf_store *s, const struct hf_point *head, uint64_t time_ns,
			 struct hf_point *ret, struct hf_error *err)
{
	if (time_ns >= head->time_ns && head->tid > 0) {
		*ret = *head;
		return 0;
	}
	if (find_pending(s, UINT64_MAX, time_ns, ret))
		return 0;
	return tree_tid_of_time(s->index, time_ns, ret, err);
}

int hf_point_of_tid(struct hf_store *s, uint64_t tid, struct hf_point *ret, struct hf_error *err)
{
	struct hf_point head;

	fix_now(s, &head);
	return point_of_tid(s, &head, tid, ret, err);
}

int hf_point_of_time(struct hf_store *s, uint64_t time_ns, struct hf_point *ret, struct hf_error *err)
{
	struct hf_point head;

	fix_now(s, &head);
	return point_of_time(s, &head, time_ns, ret, err);
}

int hf_moment_resolve(struct hf_store *s, const struct hf_moment *moment, struct hf_point *ret,
		      struct hf_error *err)
{
	struct hf_point first;
	char text[40];
	uint64_t tid;
	int r;

	switch (moment->kind) {
	case HF_MOMENT_TID:
		return hf_point_of_tid(s, moment->tid, ret, err);
	case HF_MOMENT_TAG:
		r = tree_tag_find(s->index, moment->tag, &tid, err);
		if (r == -ENOENT)
			return nearest_tag(s, moment->tag, err);
		return r < 0 ? r : hf_point_of_tid(s, tid, ret, err);
	default:
		r = hf_point_of_time(s, moment->time_ns, ret, err);
		if (r == -ENOENT && tree_first_point(s->index, &first, NULL) == 0)
			return hf_error_set(
				err, r, "nothing had happened yet then: the first moment is %s (tid-%llu)",
				hf_moment_format(first.time_ns, text, sizeof(text)),
				(unsigned long long)first.tid);
		return r;
	}
}

int hf_moment_find(struct hf_store *s, const char *text, struct hf_point *ret, struct hf_error *err)
{
	struct hf_moment moment;
	int r = hf_moment_parse(text, s->os->now_ns(s->os->state), &moment, err);

	return r < 0 ? r : hf_moment_resolve(s, &moment, ret, err);
}

/*
 * How far apart two moments are to be at this age: seconds for the last minutes, then a minute, an hour, a
 * day, a month, so that a list of any past stays short.
 */
static uint64_t spacing_ns(uint64_t age_ns)
{
	static const struct {
		uint64_t age_s, every_s;
	} steps[] = {
		{ 120, 1 }, { 3600, 60 }, { 86400, 1800 }, { 7 * 86400, 6 * 3600 }, { 60 * 86400, 86400 }
	};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (age_ns <= steps[i].age_s * 1000000000)
			return steps[i].every_s * 1000000000;
	}
	return UINT64_C(30) * 86400 * 1000000000;
}

ssize_t hf_moments_list(struct hf_store *s, struct hf_point *ret, size_t max, struct hf_error *err)
{
	const uint64_t now = s->os->now_ns(s->os->state);
	struct hf_point head, p;
	size_t n = 0;
	int r;

	fix_now(s, &head);
	p = head;
	while (n < max && p.tid > 0) {
		uint64_t before = spacing_ns(now > p.time_ns ? now - p.time_ns : 0);

		ret[n++] = p;
		if (p.time_ns < before)
			break;
		r = point_of_time(s, &head, p.time_ns - before, &p, err);
		if (r == -ENOENT)
			break;
		if (r < 0)
			return r;
	}
	return (ssize_t)n;
}

struct tag_names {
	char (*names)[TAG_BYTES_MAX + 1];
	uint64_t *tids;
	size_t n, cap;
};

static int collect_tag(void *arg, const char *name, uint64_t tid)
{
	struct tag_names *t = arg;

	if (t->n == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 16;
		void *names = realloc(t->names, cap * sizeof(*t->names));
		uint64_t *tids;

		if (!names)
			return -ENOMEM;
		t->names = names;
		tids = realloc(t->tids, cap * sizeof(*tids));
		if (!tids)
			return -ENOMEM;
		t->tids = tids;
		t->cap = cap;
	}
	memcpy(t->names[t->n], name, strlen(name) + 1);
	t->tids[t->n++] = tid;
	return 0;
}

int hf_tags_list(struct hf_store *s, int (*each)(void *arg, const char *name, const struct hf_point *point),
		 void *arg, struct hf_error *err)
{
	struct tag_names t = { 0 };
	struct hf_point head;
	int r = tree_tags(s->index, collect_tag, &t, err);

	fix_now(s, &head);
	for (size_t i = 0; r == 0 && i < t.n; i++) {
		struct hf_point p;

		r = point_of_tid(s, &head, t.tids[i], &p, err);
		if (r == 0 && each(arg, t.names[i], &p))
			break;
	}
	free(t.names);
	free(t.tids);
	return r;
}

int hf_store_space(struct hf_store *s, struct hf_space *ret, struct hf_error *err)
{
	uint64_t free_bytes, total, available;
	int r = s->os->free_bytes(s->os->state, s->path, &free_bytes, &total);

	if (r < 0)
		return hf_error_set(err, r, "cannot ask how much room %s has: %s", s->path, strerror(-r));
	available = room_available(s, free_bytes, total);
	(void)pthread_mutex_lock(&s->sequence);
	ret->live_bytes = s->state.live_bytes;
	ret->inodes = s->state.live_inodes;
	ret->available_bytes = room_left(s, available);
	(void)pthread_mutex_unlock(&s->sequence);
	return 0;
}
