/* SPDX-License-Identifier: MIT */
/* What a storm knows: learning, remembering and comparing. */
#include "tests/model/storm.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "holdfast/moment.h"
#include "tests/model/arena.h"
#include "tests/sim/splitmix.h"

struct storm *storm_new(const char *path, uint64_t seed, uint64_t ops_max)
{
	struct storm *s;

	arena_reset();
	s = arena_alloc(sizeof(*s));
	snprintf(s->path, sizeof(s->path), "%s", path);
	s->seed = s->random = seed;
	s->ops_max = ops_max;
	s->now = model_new();
	s->cap_moments = (size_t)ops_max + 16;
	s->moments = arena_alloc(s->cap_moments * sizeof(*s->moments));
	s->moments[s->n_moments++] = (struct storm_moment){ .m = s->now };
	s->closed = true;
	s->data = arena_alloc(STORM_WRITE_BYTES_MAX);
	for (size_t k = 0; k < STORM_WRITE_BYTES_MAX; k++)
		s->data[k] = (uint8_t)splitmix64(&seed);
	return s;
}

uint64_t storm_random(struct storm *s, uint64_t below)
{
	return splitmix64(&s->random) % below;
}

int storm_fail(struct storm *s, const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "FAILED: %s=%" PRIu64 " operation %" PRIu64 " (%s), session %u: ",
		s->seed_name ? s->seed_name : "HF_MODEL_SEED", s->seed, s->ops, s->doing, s->sessions);
	va_start(args, fmt);
	(void)vfprintf(stderr, fmt, args);
	va_end(args);
	fprintf(stderr, "\n");
	return -1;
}

bool storm_has_ref(void *storm, uint64_t ino)
{
	struct storm *s = storm;

	for (size_t k = 0; k < STORM_REFS_MAX; k++) {
		if (s->refs[k][0] == ino && s->refs[k][1] > 0)
			return true;
	}
	return false;
}

bool storm_ref(struct storm *s, uint64_t ino, uint64_t count)
{
	for (size_t k = 0; k < STORM_REFS_MAX; k++) {
		if (s->refs[k][1] == 0) {
			s->refs[k][0] = ino;
			s->refs[k][1] = count;
			return true;
		}
	}
	return false;
}

void storm_unref_one(struct storm *s)
{
	uint64_t *ref = s->refs[storm_random(s, STORM_REFS_MAX)];

	if (ref[1] == 0)
		return;
	hf_unref(s->store, ref[0], ref[1]);
	ref[1] = 0;
	s->now = model_without_orphans(s->now, storm_has_ref, s);
}

/* The store's time for what was MODEL_NOW: one and the same for all that an operation touches. */
static int learn_time(struct storm *s, struct timespec *t, struct timespec got, uint64_t *op_ns)
{
	const uint64_t ns = (uint64_t)got.tv_sec * 1000000000 + (uint64_t)got.tv_nsec;

	if (!model_is_now(*t))
		return 0;
	if (*op_ns && ns != *op_ns)
		return storm_fail(s, "an operation of time %" PRIu64 " set a time of %" PRIu64, *op_ns, ns);
	*op_ns = ns;
	*t = got;
	return 0;
}

static int learn_inode(struct storm *s, const struct model *next, uint64_t ino, struct storm_moment *ret)
{
	struct model_inode *i =
		(struct model_inode *)(uintptr_t)model_find(next, ino); /* made by this operation */
	const struct hf_view head = { s->store, HF_TID_HEAD };
	struct hf_error err = HF_ERROR_INIT;
	struct hf_attr attr;
	int r;

	if (!i || (i->nlink == 0 && !storm_has_ref(s, ino)))
		return 0; /* may have been reaped by now */
	r = hf_view_getattr(&head, ino, &attr, &err);
	if (r < 0)
		return storm_fail(s, "inode %" PRIu64 " is not there after it: %d %s", ino, r, err.text);
	i->tid = attr.tid;
	if (attr.tid > ret->tid)
		ret->tid = attr.tid;
	r = learn_time(s, &i->ctime, attr.ctime, &ret->time_ns);
	r = r ? r : learn_time(s, &i->mtime, attr.mtime, &ret->time_ns);
	r = r ? r : learn_time(s, &i->atime, attr.atime, &ret->time_ns);
	return r ? r : learn_time(s, &i->btime, attr.btime, &ret->time_ns);
}

static int learn_tags(struct storm *s, const struct model *next)
{
	for (size_t k = 0; k < next->n_tags; k++) {
		struct hf_point p;

		if (next->tags[k].tid != HF_TID_HEAD)
			continue;
		if (hf_moment_find(s->store, next->tags[k].name, &p, NULL) < 0)
			return storm_fail(s, "the tag %s is not found", next->tags[k].name);
		((struct model_tag *)(uintptr_t)next->tags)[k].tid = p.tid;
	}
	return 0;
}

int storm_learn(struct storm *s, const struct model *next, struct storm_moment *ret)
{
	struct hf_status status;
	struct hf_point p;

	*ret = (struct storm_moment){ .m = next };
	for (size_t k = 0; k < next->n_edited; k++) {
		if (learn_inode(s, next, next->edited[k], ret) < 0)
			return -1;
	}
	if (ret->tid == 0) {
		hf_store_status(s->store, &status);
		if (hf_point_of_tid(s->store, status.head_tid, &p, NULL) < 0)
			return storm_fail(s, "the last operation, tid %" PRIu64 ", is not found",
					  status.head_tid);
		ret->tid = p.tid;
		ret->time_ns = p.time_ns;
	}
	return learn_tags(s, next);
}

static int remember(struct storm *s, const struct storm_moment *moment)
{
	struct storm_moment *last = &s->moments[s->n_moments - 1];
	bool another;

	if (moment->tid < last->tid)
		return storm_fail(s, "its tid is %" PRIu64 ", before the last, %" PRIu64, moment->tid,
				  last->tid);
	if (moment->time_ns && moment->time_ns < last->time_ns)
		return storm_fail(s, "time went back from %" PRIu64 " to %" PRIu64, last->time_ns,
				  moment->time_ns);
	another = moment->tid > last->tid;
	if (another && s->n_moments == s->cap_moments)
		return storm_fail(s, "more moments than operations");
	last[another] = *moment;
	__atomic_store_n(&s->n_moments, s->n_moments + another,
			 __ATOMIC_SEQ_CST); /* the end may come at any instant */
	return 0;
}

int storm_answer(struct storm *s, int64_t wanted, int64_t got, const struct model *next,
		 const struct hf_error *err)
{
	struct storm_moment moment;

	if (got != wanted && got < 0 && err->code == got && s->excused && s->excused(s, got)) {
		s->pending = NULL;
		s->refused = got;
		return 0;
	}
	if (got != wanted)
		return storm_fail(s, "gives %" PRId64 " (%s) and not %" PRId64, got, err->text, wanted);
	if (got < 0 && err->code != got)
		return storm_fail(s, "fails with %" PRId64 ", but its words are for %d: %s", got, err->code,
				  err->text);
	if (got >= 0 && next->n_edited + (next->n_tags != s->now->n_tags) > 0 && next != s->now) {
		if (storm_learn(s, next, &moment) < 0 || remember(s, &moment) < 0)
			return -1;
		s->now = model_without_orphans(next, storm_has_ref, s);
		s->moments[s->n_moments - 1].m = s->now;
	}
	s->pending = NULL;
	return 0;
}

int storm_check_now(struct storm *s, const struct model *checked)
{
	const struct hf_view head = { s->store, HF_TID_HEAD };

	if (compare_trees(&head, s->now, checked, COMPARE_ORPHANS, &s->random) < 0 ||
	    compare_tags(s->store, s->now) < 0)
		return storm_fail(s, "the tree is not as it should be");
	return 0;
}

static int check_point(struct storm *s, size_t k)
{
	const struct storm_moment *m = &s->moments[k];
	const struct storm_moment *after = k + 1 < s->n_moments ? m + 1 : NULL;
	struct hf_error err = HF_ERROR_INIT;
	struct hf_point p;
	char text[40];
	int r = hf_point_of_tid(s->store, m->tid, &p, &err);

	if (r < 0 || p.tid != m->tid || p.time_ns < m->time_ns ||
	    (after && after->time_ns && p.time_ns > after->time_ns))
		return storm_fail(s,
				  "tid %" PRIu64 " is found (%d %s) as %" PRIu64 " at %" PRIu64
				  "; it was at %" PRIu64 ", and the next at %" PRIu64,
				  m->tid, r, err.text, p.tid, p.time_ns, m->time_ns,
				  after ? after->time_ns : 0);
	snprintf(text, sizeof(text), "tid-%" PRIu64, m->tid);
	if (hf_moment_find(s->store, text, &p, &err) < 0 || p.tid != m->tid)
		return storm_fail(s, "%s is not found: %s", text, err.text);
	if (!m->time_ns || m->tid == 0)
		return 0;
	r = hf_point_of_time(s->store, m->time_ns, &p, &err);
	if (r < 0 || p.tid <= m[-1].tid || p.time_ns > m->time_ns ||
	    (after && after->time_ns > m->time_ns && p.tid >= after->tid))
		return storm_fail(s,
				  "time %" PRIu64 ", of tid %" PRIu64 ", is found (%d %s) as tid %" PRIu64
				  " at %" PRIu64 "; the next is tid %" PRIu64 " at %" PRIu64,
				  m->time_ns, m->tid, r, err.text, p.tid, p.time_ns, after ? after->tid : 0,
				  after ? after->time_ns : 0);
	return 0;
}

int storm_check_past(struct storm *s, size_t k, const struct model *checked)
{
	const struct hf_view view = { s->store, s->moments[k].tid };

	if (check_point(s, k) < 0) /* which also keeps later appends from sharing this moment */
		return -1;
	if (compare_trees(&view, s->moments[k].m, checked, COMPARE_ORPHANS, &s->random) < 0)
		return storm_fail(s, "the tree of tid %" PRIu64 " is not as it was (moment %zu of %zu)",
				  view.tid, k, s->n_moments);
	return 0;
}
