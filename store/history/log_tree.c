/* SPDX-License-Identifier: MIT */
/*
 * Which operations there were in a tree: found among all of the volume's, each by where its inode was; or,
 * where that is less work, from the states that the tree's inodes went through.
 */
#include <errno.h>
#include <stdlib.h>

#include "store/history/log_internal.h"

enum {
	STRETCH_GROWS = 16, /* stretches grow to so many times the first */
	QUIET_GROWS = 4,    /* of the members of a tree, and of each one's states, so many times as many are
			       looked at */
	ROWS_AN_OP = 4,     /* entries that are looked at in the time that an operation takes */
};

/* Was it certainly not done in the tree? */
static bool is_elsewhere(const struct log_walk *w, const struct hf_change *c)
{
	return w->within_known && c->ino && !numbers_have(&w->within, c->ino) &&
	       !numbers_have(&w->within, c->other);
}

static int see_change(void *arg, const struct hf_change *c)
{
	struct log_walk *w = arg;
	int r = 1;

	tell_progress(w->progress, "looking through operations", ++w->seen, w->until - w->since);
	places_walked(w->places, c);
	if (c->kind == HF_CHANGE_OWN || is_elsewhere(w, c))
		return 0;
	if (w->filter)
		r = log_in_tree(w, c);
	if (r <= 0)
		return r;
	return w->flags & HF_NEWEST_FIRST ? log_tell(w, c) : log_keep_change(w, c);
}

/*
 * Looked through backwards, whichever way it is told: what is now is looked up fastest, and holds back to
 * when it began. To be told forwards it is gathered first, so much at a time.
 */
static int log_stretch(struct log_walk *w, uint64_t since, uint64_t until)
{
	int r;

	if (w->flags & HF_NEWEST_FIRST)
		return hf_changes(w->s, since, until, HF_NEWEST_FIRST, see_change, w, w->err);
	places_walk(w->places, until);
	r = hf_changes(w->s, since, until, HF_NEWEST_FIRST, see_change, w, w->err);
	places_walk(w->places, 0);
	return r == 0 ? log_tell_found(w, true) : r;
}

/* What changed last comes first. */
static int compare_lasts(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	return (x->last < y->last) - (x->last > y->last);
}

static int compare_members(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	return x->ino != y->ino ? (x->ino > y->ino ? 1 : -1) : compare_lasts(a, b);
}

/* Each inode once, with the last that was said of it. */
static int keep_members(struct log_walk *w, const struct numbers *inos, const struct numbers *lasts)
{
	struct member *grown = realloc(w->members, inos->n * sizeof(*grown));
	int r = 0;

	if (!grown)
		return -ENOMEM;
	w->members = grown;
	for (size_t i = 0; i < inos->n; i++)
		grown[i] = (struct member){ inos->v[i], lasts->v[i] };
	qsort(grown, inos->n, sizeof(*grown), compare_members);
	w->within.n = 0;
	for (size_t i = 0; r == 0 && i < inos->n; i++) {
		if (i > 0 && grown[i].ino == w->members[w->within.n - 1].ino)
			continue;
		w->members[w->within.n] = grown[i];
		r = numbers_add(&w->within, grown[i].ino);
	}
	return r;
}

/* Which inodes were in the tree: then it is known, unless that takes looking at more entries than budget. */
static int find_within(struct log_walk *w, uint64_t since, uint64_t until, uint64_t budget)
{
	CLEANUP(numbers_release) struct numbers inos = { 0 };
	CLEANUP(numbers_release) struct numbers lasts = { 0 };
	int r = 1;

	for (size_t i = 0; r == 1 && i < w->n_life; i++) {
		const struct hf_stretch *st = &w->life[i];

		if (st->from <= until && st->until > since)
			r = within_find(w->s, st->ino, since, until, &budget, &inos, &lasts, w->err);
	}
	w->within_known = r == 1 && inos.n > 0;
	return w->within_known ? keep_members(w, &inos, &lasts) : r < 0 ? r : 0;
}

static int keep_last(void *arg, const struct hf_attr *attr, uint64_t ended)
{
	(void)ended;
	*(uint64_t *)arg = attr->tid;
	return 1;
}

/* Puts what changed last by then first. */
static int order_members(struct log_walk *w, uint64_t since, uint64_t until)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < w->within.n; i++) {
		struct member *m = &w->members[i];

		if (m->last <= until) /* else what it had come to by then */
			continue;
		m->last = 0;
		r = hf_versions(w->s, m->ino, since, until, HF_NEWEST_FIRST, keep_last, &m->last, w->err);
	}
	qsort(w->members, w->within.n, sizeof(*w->members), compare_lasts);
	return r < 0 ? r : 0;
}

struct quiet {
	struct log_walk *w;
	uint64_t budget;  /* of states that are looked at */
	uint64_t members; /* that are looked at, */
	uint64_t states;  /* and of each so many, */
	uint64_t left;    /* of them not yet */
	uint64_t known;   /* all operations after this one were found */
};

enum { TOO_MUCH = 1, ENOUGH };

static int keep_quiet(void *arg, const struct hf_attr *attr, uint64_t ended)
{
	struct quiet *q = arg;

	(void)ended;
	if (q->budget == 0)
		return TOO_MUCH;
	q->budget--;
	if (q->left == 0) {
		q->known = attr->tid > q->known ? attr->tid : q->known;
		return ENOUGH;
	}
	q->left--;
	return log_keep_tid(q->w, attr->tid);
}

static int keep_tag(void *arg, uint64_t tid)
{
	struct quiet *q = arg;

	if (q->budget == 0)
		return TOO_MUCH;
	q->budget--;
	return log_keep_tid(q->w, tid);
}

/* The operations of the tree after q->known, which is set, and up to until. 0, TOO_MUCH, negative. */
static int find_quiet(struct quiet *q, uint64_t since, uint64_t until)
{
	struct log_walk *w = q->w;
	const bool some = q->members < w->within.n;
	const size_t n = some ? q->members : w->within.n;
	int r = 0;

	w->tids.n = 0;
	q->known = some && w->members[n].last > since ? w->members[n].last : since;
	for (size_t i = 0; r == 0 && i < n; i++) {
		q->left = q->states;
		r = hf_versions(w->s, w->members[i].ino, q->known, until, w->flags, keep_quiet, q, w->err);
		r = r == ENOUGH ? 0 : r;
	}
	if (r == 0)
		r = tree_tag_operations(w->s->index, q->known, until, keep_tag, q, w->err);
	numbers_sort(&w->tids);
	numbers_drop_to(&w->tids, q->known);
	return r;
}

/*
 * A tree in which little happened, on a volume in which much did: the states that its inodes went through say
 * which operations there were. Told newest first, those that changed last are looked at, then more, for
 * little may be all that is wanted. *until: what is up to there was not told, for it is too much to be found
 * so.
 */
static int log_quiet(struct log_walk *w, uint64_t since, uint64_t *until)
{
	const bool newest = w->flags & HF_NEWEST_FIRST;
	struct quiet q = { .w = w,
			   .budget = (*until - since) / history_limits.ops_a_row,
			   .members = newest ? history_limits.members : UINT64_MAX,
			   .states = newest ? history_limits.states : UINT64_MAX };
	int found = !newest && w->within.n > q.budget ? TOO_MUCH : 0, r = 0;

	if (found == 0)
		places_walk(w->places, 0);
	if (newest)
		found = order_members(w, since, *until);
	while (r == 0 && found == 0 && *until > since) {
		found = find_quiet(&q, since, *until);
		if (found != 0)
			break;
		*until = q.known;
		r = log_tell_wanted(w);
		q.members *= QUIET_GROWS;
		q.states *= QUIET_GROWS;
	}
	if (newest)
		places_walk(w->places, *until);
	return found < 0 ? found : r;
}

/*
 * In stretches that grow: of what is told newest first, little may be all that is wanted. Which inodes the
 * tree is made of is found out when there are few for what was looked through by then, so that it costs no
 * more than some times as much; told oldest first, at once.
 */
int log_tree(struct log_walk *w)
{
	const uint64_t first = history_limits.stretch_ops, most = first * STRETCH_GROWS;
	const bool newest = w->flags & HF_NEWEST_FIRST;
	uint64_t since = w->since, until = w->until, stretch = first, looked = 0, try_at = newest ? first : 0;
	int r = 0;

	w->filter = w->n_life != 1 || w->life[0].ino != HF_ROOT_INO;
	if (newest) /* its stretches are one row */
		places_walk(w->places, until);
	while (r == 0 && since < until) {
		uint64_t ops;

		if (w->filter && !w->within_known && until - since > first && looked >= try_at) {
			r = find_within(w, since, until, newest ? looked * ROWS_AN_OP : until - since);
			if (r == 0 && w->within_known)
				r = log_quiet(w, since, &until);
			try_at = newest ? 2 * looked : UINT64_MAX;
			if (r != 0 || until == since)
				break;
		}
		ops = until - since < stretch ? until - since : stretch;
		r = newest ? log_stretch(w, until - ops, until) : log_stretch(w, since, since + ops);
		until -= newest ? ops : 0;
		since += newest ? 0 : ops;
		looked += ops;
		stretch = 2 * stretch < most ? 2 * stretch : most;
	}
	return r;
}
