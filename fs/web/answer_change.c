/* SPDX-License-Identifier: MIT */
/* How things came to be as they are: the versions of a path, and two moments beside each other. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/web/answer.h"

/* --- versions */

/*
 * A file that is written goes through a state with each write, most of which nobody ever saw. Of states that
 * follow each other this closely, by writes alone, the last is told; how many it stands for is told too.
 */
#define BURST_NS UINT64_C(1000000000)
enum { STATES_MAX = 20000 };

struct versions {
	struct hf_store *store;
	const struct hf_stretch *stretch;
	json_t *list;
	uint64_t before; /* states made by this or a later operation are not of this page; what it is, for the
			    next */
	size_t states, used_bytes;
	bool more;
	json_t *kept; /* the newest of a burst; in list */
	uint64_t kept_ns, kept_states;
	struct hf_error *err;
};

static int kind_of(void *arg, const struct hf_change *change)
{
	*(struct hf_change *)arg = *change;
	return 1;
}

static bool is_write(enum hf_change_kind kind)
{
	return kind == HF_CHANGE_WRITE || kind == HF_CHANGE_ALLOCATE || kind == HF_CHANGE_COPY;
}

static int keep(struct versions *v, const struct hf_attr *attr, const struct hf_change *change,
		uint64_t ended)
{
	const struct hf_stretch *stretch = v->stretch;
	json_t *o = answer_attr(attr);

	if (!o ||
	    json_object_update_new(o,
				   json_pack("{s:o, s:s, s:o, s:b}", "ms", answer_ms(change->time_ns), "kind",
					     answer_kind(change->kind), "path", answer_escaped(stretch->path),
					     "live", ended == HF_TID_HEAD)) < 0) {
		json_decref(o);
		return -ENOMEM;
	}
	if (change->uid != UINT32_MAX)
		(void)json_object_set_new(o, "by", json_integer(change->uid));
	if (ended == stretch->until && ended != HF_TID_HEAD)
		(void)json_object_update_new(o, json_pack("{s:s, s:o}", "end",
							  stretch->removed ? "removed" : "left", "ended",
							  answer_tid_ms(v->store, ended)));
	v->kept = is_write(change->kind) ? o : NULL;
	v->kept_ns = change->time_ns;
	v->kept_states = 1;
	(void)answer_has_room(&v->used_bytes, stretch->path);
	return json_array_append_new(v->list, o) < 0 ? -ENOMEM : 0;
}

static int see_version(void *arg, const struct hf_attr *attr, uint64_t ended)
{
	struct versions *v = arg;
	struct hf_change change = { .kind = HF_CHANGE_OWN };
	int r;

	if (attr->tid >= v->before || attr->nlink == 0 || ended <= v->stretch->from)
		return 0;
	if (json_array_size(v->list) == ANSWER_VERSIONS_MAX || v->states == STATES_MAX ||
	    v->used_bytes > ANSWER_TEXT_BYTES) {
		v->more = true;
		return 1;
	}
	v->states++;
	r = attr->tid > 0 ? hf_changes(v->store, attr->tid - 1, attr->tid, 0, kind_of, &change, v->err) : 0;
	if (r < 0)
		return r;
	v->before = attr->tid;
	if (v->kept && (is_write(change.kind) || change.kind == HF_CHANGE_CREATE) &&
	    v->kept_ns - change.time_ns < BURST_NS) {
		v->kept_ns = change.time_ns;
		(void)json_object_set_new(v->kept, "states", answer_int(++v->kept_states));
		return 0;
	}
	if (ended > v->stretch->until)
		ended = v->stretch->until;
	return keep(v, attr, &change, ended);
}

static int see_stretch(void *arg, const struct hf_stretch *stretch)
{
	struct versions *v = arg;
	uint64_t last = stretch->until - 1;

	v->stretch = stretch;
	v->kept = NULL;
	if (v->more || (stretch->from >= v->before && stretch->from > 0))
		return 0;
	if (last >= v->before)
		last = v->before - 1;
	return hf_versions(v->store, stretch->ino, stretch->from > 0 ? stretch->from - 1 : 0, last,
			   HF_NEWEST_FIRST, see_version, v, v->err);
}

json_t *answer_versions(struct hf_store *store, const json_t *request, struct hf_error *err)
{
	struct versions v = { .store = store, .err = err };
	char *path;
	int r;

	if (answer_number(request, "before", HF_TID_HEAD, &v.before, err) < 0 ||
	    answer_path(request, &path, err) < 0)
		return NULL;
	v.list = json_array();
	r = v.list ? hf_life(store, path, see_stretch, &v, err) : -ENOMEM;
	free(path);
	if (r < 0) {
		json_decref(v.list);
		return r == -ENOMEM ? answer_no_memory(err) : NULL;
	}
	return answer_end(json_pack("{s:o, s:o}", "versions", v.list, "before",
				    v.more ? answer_int(v.before) : json_null()),
			  err);
}

/* --- two moments */

struct differences {
	json_t *list;
	size_t used_bytes;
	bool more;
};

static const char *name_of(enum hf_difference_kind kind)
{
	switch (kind) {
	case HF_ADDED:
		return "added";
	case HF_REMOVED:
		return "removed";
	case HF_CONTENTS:
		return "contents";
	case HF_ATTRIBUTES:
		return "attributes";
	case HF_RENAMED:
		return "renamed";
	}
	return "";
}

static int see_difference(void *arg, const struct hf_difference *d)
{
	struct differences *all = arg;
	const struct hf_attr *attr = d->b ? d->b : d->a;
	json_t *o;

	all->more = json_array_size(all->list) == ANSWER_DIFFERENCES_MAX ||
		    !answer_has_room(&all->used_bytes, d->path) ||
		    !answer_has_room(&all->used_bytes, d->path_before);
	if (all->more)
		return 1;
	o = json_pack("{s:s, s:s, s:o, s:s}", "kind", name_of(d->kind), "also", name_of(d->also), "path",
		      answer_escaped(d->path), "type", attr ? answer_type(attr->mode) : "other");
	if (!o)
		return -ENOMEM;
	if (d->path_before)
		(void)json_object_set_new(o, "before", answer_escaped(d->path_before));
	if (d->a)
		(void)json_object_set_new(o, "size_a", answer_int(d->a->size_bytes));
	if (d->b)
		(void)json_object_set_new(o, "size_b", answer_int(d->b->size_bytes));
	return json_array_append_new(all->list, o) < 0 ? -ENOMEM : 0;
}

json_t *answer_diff(struct hf_store *store, const json_t *request, struct hf_error *err)
{
	const struct hf_progress silent = { NULL, NULL };
	struct differences all = { .more = false };
	struct hf_point a, b;
	char *path;
	int r;

	if (answer_moment(store, request, "a", &a, err) < 0 ||
	    answer_moment(store, request, "b", &b, err) < 0 || answer_path(request, &path, err) < 0)
		return NULL;
	all.list = json_array();
	r = all.list ? hf_diff(store, a.tid, b.tid, path, see_difference, &all, &silent, err) : -ENOMEM;
	free(path);
	if (r < 0) {
		json_decref(all.list);
		return r == -ENOMEM ? answer_no_memory(err) : NULL;
	}
	return answer_end(json_pack("{s:o, s:o, s:o, s:b}", "a", answer_point(&a), "b", answer_point(&b),
				    "differences", all.list, "more", all.more),
			  err);
}
