/* SPDX-License-Identifier: MIT */
/*
 * The past as holdfast/history.h tells it against a model of it (tests/model/past.h), in the midst of storms.
 * HF_MODEL_SEED repeats one storm, HF_MODEL_OPS says how many operations each has.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/base/cleanup.h"
#include "store/history/internal.h"
#include "tests/model/arena.h"
#include "tests/model/past.h"
#include "tests/unit/scratch.h"

enum { ARENA_BYTES_LOG2 = 33, OPS = 600, LONG_OPS = 1500, STORMS = 2, PATH_BYTES = 8192 };

/* Text that grows. */
struct text {
	char *text;
	size_t len;
	FILE *out;
};

static void text_begin(struct text *t)
{
	*t = (struct text){ 0 };
	t->out = open_memstream(&t->text, &t->len);
	if (!t->out)
		abort();
}

static void text_release(struct text *t)
{
	if (t->out)
		(void)fclose(t->out);
	free(t->text);
}

static const char *text_end(struct text *t)
{
	(void)fclose(t->out);
	t->out = NULL;
	return t->text;
}

static struct past past_of(const struct storm *s)
{
	return (struct past){ s->moments, s->n_moments };
}

static const struct storm_moment *random_moment(struct storm *s)
{
	return &s->moments[storm_random(s, s->n_moments)];
}

/* A path that there was at some moment; now and then one that there never was. */
static char *random_path(struct storm *s)
{
	for (int tries = 0; tries < 20; tries++) {
		const struct model *m = random_moment(s)->m;
		struct past_names names = past_names(m, m->inodes[storm_random(s, m->n)]->ino);
		char *path = names.n > 0 ? strdup(names.v[storm_random(s, names.n)].path) : NULL;

		past_names_release(&names);
		if (path)
			return path;
	}
	return strdup("nothing/was/here");
}

/* --- two moments */

struct told {
	struct text t;
	char last[PATH_BYTES];
	bool disorder;
};

static int tell_difference(void *arg, const struct hf_difference *d)
{
	struct told *w = arg;

	(void)fprintf(w->t.out, "%d %d %s %s\n", d->kind, d->also, d->path, d->path_before);
	w->disorder |= strcmp(w->last, d->path) > 0;
	snprintf(w->last, sizeof(w->last), "%s", d->path);
	w->disorder |= (d->a == NULL) != (d->kind == HF_ADDED) || (d->b == NULL) != (d->kind == HF_REMOVED);
	return 0;
}

static int check_diff(struct storm *s)
{
	const struct storm_moment *a = random_moment(s),
				  *b = storm_chance(s, 20) ? &s->moments[s->n_moments - 1] : random_moment(s);
	CLEANUP(cleanup_free) char *path = storm_chance(s, 40) ? strdup("") : random_path(s);
	CLEANUP(cleanup_free) char *wanted = past_diff_text(a->m, b->m, path);
	struct hf_error err = HF_ERROR_INIT;
	struct told w = { 0 };
	const char *got;
	int r;

	text_begin(&w.t);
	r = hf_diff(s->store, a->tid, b->tid, path, tell_difference, &w, NULL, &err);
	got = text_end(&w.t);
	if (r < 0 || strcmp(got, wanted) != 0 || w.disorder)
		r = storm_fail(s,
			       "diff of %" PRIu64 " and %" PRIu64
			       " below \"%s\": %d %s%s\n%s--- and should be\n%s",
			       a->tid, b->tid, path, r, err.text, w.disorder ? " not in order" : "", got,
			       wanted);
	text_release(&w.t);
	return r;
}

/* --- what a path was */

static int tell_stretch(void *arg, const struct hf_stretch *st)
{
	struct text *t = arg;

	(void)fprintf(t->out, "%s %" PRIu64 " %o %" PRId64 "-%" PRId64 "%s%s\n", st->path, st->ino, st->type,
		      (int64_t)st->from, (int64_t)st->until, st->came_by_rename ? " renamed" : "",
		      st->removed ? " removed" : "");
	return 0;
}

static int check_life(struct storm *s)
{
	CLEANUP(cleanup_free) char *path = random_path(s);
	CLEANUP(text_release) struct text got = { 0 };
	CLEANUP(text_release) struct text wanted = { 0 };
	const struct past p = past_of(s);
	struct past_line line = past_life(&p, path);
	struct hf_error err = HF_ERROR_INIT;
	int r;

	text_begin(&got);
	text_begin(&wanted);
	r = hf_life(s->store, path, tell_stretch, &got, &err);
	for (size_t k = 0; k < line.n; k++) {
		const struct past_stretch *st = &line.v[k];
		const struct hf_stretch told = {
			.ino = st->ino,
			.type = st->type,
			.from = p.m[st->from].tid,
			.until = st->until == p.n ? HF_TID_HEAD : p.m[st->until].tid,
			.path = st->path,
			.came_by_rename = st->came_by_rename,
			.removed = st->removed,
		};

		(void)tell_stretch(&wanted, &told);
	}
	r = r == (line.n == 0 ? -ENOENT : 0) ? 0 : -1;
	past_line_release(&line);
	if (r < 0 || strcmp(text_end(&got), text_end(&wanted)) != 0)
		return storm_fail(s, "life of \"%s\": %s\n%s--- and should be\n%s", path, err.text, got.text,
				  wanted.text);
	return 0;
}

/* --- operations */

struct changes {
	struct hf_change *v;
	size_t n;
};

static int keep_change(void *arg, const struct hf_change *c)
{
	struct changes *l = arg;

	l->v = realloc(l->v, (l->n + 1) * sizeof(*l->v));
	if (!l->v)
		abort();
	l->v[l->n++] = *c;
	return 0;
}

static void changes_release(struct changes *l)
{
	free(l->v);
}

/* From this one on up to a tid nothing was done that can be seen. */
static bool is_own(const struct changes *all, size_t i, uint64_t tid)
{
	while (i < all->n && all->v[i].kind == HF_CHANGE_OWN && all->v[i].tid < tid)
		i++;
	return i < all->n && all->v[i].kind == HF_CHANGE_OWN && all->v[i].tid == tid;
}

/*
 * All moments are among them, and what else is cannot be seen, or is a part of what can. (A tag's moment the
 * storm takes from the store's last operation, which may be a reaping behind it.)
 */
static int check_changes(struct storm *s, struct changes *all)
{
	struct hf_error err = HF_ERROR_INIT;
	size_t k = 1;

	if (hf_changes(s->store, 0, HF_TID_HEAD, 0, keep_change, all, &err) < 0)
		return storm_fail(s, "changes: %s", err.text);
	for (size_t i = 0; i < all->n; i++) {
		const struct hf_change *c = &all->v[i];

		if (i > 0 && (c->tid <= c[-1].tid || c->time_ns < c[-1].time_ns))
			return storm_fail(s, "changes are not in order at tid %" PRIu64, c->tid);
		if (k < s->n_moments && c->tid == s->moments[k].tid)
			k++;
		else if (c->kind == HF_CHANGE_WRITE && k < s->n_moments &&
			 is_own(all, i + 1, s->moments[k].tid))
			continue; /* its block's list was folded behind it */
		else if (c->kind != HF_CHANGE_OWN && c->kind != HF_CHANGE_ALLOCATE &&
			 c->kind != HF_CHANGE_TAG)
			return storm_fail(s,
					  "a change of kind %d and tid %" PRIu64
					  " that nobody made (moment %" PRIu64 " is next)",
					  c->kind, c->tid, k < s->n_moments ? s->moments[k].tid : 0);
	}
	return k == s->n_moments ? 0 : storm_fail(s, "no change has tid %" PRIu64, s->moments[k].tid);
}

struct logged {
	struct past p;
	const struct past_line *life;
	struct text t;
	bool brief;
};

static bool path_is_of(const struct model *m, const char *path, uint64_t ino)
{
	struct past_names names = past_names(m, ino);
	bool found = false;

	for (size_t k = 0; k < names.n; k++)
		found |= strcmp(names.v[k].path, path) == 0;
	past_names_release(&names);
	return found;
}

static int tell_event(void *arg, const struct hf_event *e)
{
	const struct logged *w = arg;
	const struct hf_change *c = &e->change;
	const size_t at = past_index(&w->p, c->tid), was = past_index(&w->p, c->tid - 1);
	const struct model *m = w->p.m[c->kind == HF_CHANGE_REMOVE ? was : at].m;
	const struct model_inode *before = model_find(w->p.m[was].m, c->ino),
				 *after = model_find(w->p.m[at].m, c->ino);

	(void)fprintf(w->t.out, "%" PRIu64 " %d %" PRIu64 "\n", c->tid, c->kind, c->ino);
	if (w->brief)
		return 0;
	if ((c->kind == HF_CHANGE_TAG) != (e->tag != NULL))
		(void)fprintf(w->t.out, "a tag that is none, or one without a name\n");
	if (c->ino && past_is_there(m, c->ino) && !path_is_of(m, e->path, c->ino))
		(void)fprintf(w->t.out, "inode %" PRIu64 " was not called \"%s\"\n", c->ino, e->path);
	if (c->kind == HF_CHANGE_RENAME && (!e->renamed || !path_is_of(w->p.m[was].m, e->renamed, c->ino)))
		(void)fprintf(w->t.out, "inode %" PRIu64 " was not called \"%s\" before\n", c->ino,
			      e->renamed ? e->renamed : "");
	if ((e->before != NULL) != (before && before->nlink > 0) ||
	    (e->after != NULL) != (after && after->nlink > 0))
		(void)fprintf(w->t.out, "inode %" PRIu64 " was there before or after, or not\n", c->ino);
	if (e->after && w->p.m[at].tid == c->tid && !S_ISDIR(after->mode) &&
	    e->after->size_bytes != after->size)
		(void)fprintf(w->t.out, "inode %" PRIu64 " then has %" PRIu64 " bytes\n", c->ino,
			      e->after->size_bytes);
	return 0;
}

static bool below_at(const struct logged *w, uint64_t tid, uint64_t ino)
{
	const size_t at = past_index(&w->p, tid);

	for (size_t k = 0; k < w->life->n; k++) {
		const struct past_stretch *st = &w->life->v[k];

		if (at >= st->from && at < st->until && past_is_below(w->p.m[at].m, ino, st->ino) &&
		    (past_is_there(w->p.m[at].m, ino) || ino == st->ino))
			return true;
	}
	return false;
}

static bool lived_at(const struct logged *w, uint64_t tid)
{
	const size_t at = past_index(&w->p, tid);

	for (size_t k = 0; k < w->life->n; k++) {
		if (at >= w->life->v[k].from && at < w->life->v[k].until)
			return true;
	}
	return false;
}

static bool is_of_tree(const struct logged *w, const struct hf_change *c)
{
	if (w->life->v[0].ino == HF_ROOT_INO) /* all, also what has no name */
		return true;
	if (c->kind == HF_CHANGE_TAG)
		return lived_at(w, c->tid);
	return (c->kind != HF_CHANGE_REMOVE && below_at(w, c->tid, c->ino)) ||
	       ((c->kind == HF_CHANGE_REMOVE || c->kind == HF_CHANGE_RENAME) &&
		below_at(w, c->tid - 1, c->ino));
}

/* Of a file: what made its states while it was called so, and what ended that. */
static bool is_of_file(const struct logged *w, const struct hf_change *c)
{
	for (size_t k = 0; k < w->life->n; k++) {
		const struct past_stretch *st = &w->life->v[k];
		const uint64_t from = w->p.m[st->from].tid,
			       until = st->until == w->p.n ? HF_TID_HEAD : w->p.m[st->until].tid;

		if (c->tid == until ||
		    (c->tid >= from && c->tid < until && (c->ino == st->ino || c->other == st->ino)))
			return true;
	}
	return false;
}

static int check_log(struct storm *s, const struct changes *all, unsigned flags)
{
	CLEANUP(cleanup_free) char *path = storm_chance(s, 10) ? strdup("") : random_path(s);
	struct logged w = { .p = past_of(s), .brief = flags & HF_CHANGES_ONLY };
	struct past_line life = past_life(&w.p, path);
	uint64_t since = storm_chance(s, 50) ? 0 : random_moment(s)->tid,
		 until = storm_chance(s, 50) ? HF_TID_HEAD : random_moment(s)->tid;
	CLEANUP(text_release) struct text wanted = { 0 };
	struct hf_error err = HF_ERROR_INIT;
	bool is_dir = false;
	int r;

	w.life = &life;
	text_begin(&w.t);
	text_begin(&wanted);
	for (size_t k = 0; k < life.n; k++)
		is_dir |= S_ISDIR(life.v[k].type);
	for (size_t i = 0; life.n > 0 && i < all->n; i++) {
		const struct hf_change *c = &all->v[flags & HF_NEWEST_FIRST ? all->n - 1 - i : i];

		if (c->tid > since && c->tid <= until && c->kind != HF_CHANGE_OWN &&
		    (is_dir ? is_of_tree(&w, c) : is_of_file(&w, c)))
			(void)fprintf(wanted.out, "%" PRIu64 " %d %" PRIu64 "\n", c->tid, c->kind, c->ino);
	}
	r = hf_log(s->store, path, since, until, flags, tell_event, &w, NULL, &err);
	r = r == (life.n == 0 ? -ENOENT : 0) ? 0 : -1;
	if (r < 0 || strcmp(text_end(&w.t), text_end(&wanted)) != 0)
		r = storm_fail(s,
			       "log of \"%s\" from %" PRIu64 " to %" PRId64 ": %s\n%s--- and should be\n%s",
			       path, since, (int64_t)until, err.text, w.t.text, wanted.text);
	past_line_release(&life);
	text_release(&w.t);
	return r;
}

/* --- an inode's past */

struct versions {
	struct hf_attr *v;
	uint64_t *ended;
	size_t n;
};

static int keep_version(void *arg, const struct hf_attr *attr, uint64_t ended)
{
	struct versions *l = arg;

	l->v = realloc(l->v, (l->n + 1) * sizeof(*l->v));
	l->ended = realloc(l->ended, (l->n + 1) * sizeof(*l->ended));
	if (!l->v || !l->ended)
		abort();
	l->v[l->n] = *attr;
	l->ended[l->n++] = ended;
	return 0;
}

static void versions_release(struct versions *l)
{
	free(l->v);
	free(l->ended);
}

static int check_versions(struct storm *s)
{
	const uint64_t ino = 1 + storm_random(s, s->now->next_ino);
	CLEANUP(versions_release) struct versions l = { 0 };
	struct hf_error err = HF_ERROR_INIT;

	if (hf_versions(s->store, ino, 0, HF_TID_HEAD, 0, keep_version, &l, &err) < 0)
		return storm_fail(s, "versions of %" PRIu64 ": %s", ino, err.text);
	for (size_t k = 0; k < s->n_moments; k++) {
		const struct model_inode *i = model_find(s->moments[k].m, ino);
		const struct hf_attr *a = NULL;

		for (size_t v = 0; v < l.n; v++) {
			if (v > 0 && l.v[v].tid != l.ended[v - 1])
				return storm_fail(s, "versions of %" PRIu64 " have a gap at %" PRIu64, ino,
						  l.v[v].tid);
			if (l.v[v].tid <= s->moments[k].tid && s->moments[k].tid < l.ended[v])
				a = &l.v[v];
		}
		if (ino == HF_ROOT_INO && !a)
			continue; /* not changed yet */
		if (i ? !a || a->mode != i->mode || a->nlink != i->nlink ||
				    (!S_ISDIR(i->mode) && a->size_bytes != i->size) :
			a && a->nlink > 0)
			return storm_fail(s, "of %" PRIu64 " there is no version of tid %" PRIu64, ino,
					  s->moments[k].tid);
	}
	return 0;
}

static int check_path(struct storm *s)
{
	const struct storm_moment *m = random_moment(s);
	const uint64_t ino = m->m->inodes[storm_random(s, m->m->n)]->ino;
	const struct hf_view v = { s->store, m->tid };
	struct past_names names = past_names(m->m, ino);
	struct hf_error err = HF_ERROR_INIT;
	char path[PATH_BYTES];
	ssize_t n = hf_view_path(&v, ino, path, sizeof(path), &err);
	bool found = names.n == 0 && n == -ENOENT;

	for (size_t k = 0; n >= 0 && k < names.n; k++)
		found |= strcmp(names.v[k].path, path) == 0;
	past_names_release(&names);
	return found ? 0 :
		       storm_fail(s, "inode %" PRIu64 " at %" PRIu64 " is called \"%s\": %zd %s", ino, m->tid,
				  n >= 0 ? path : "", n, err.text);
}

/* --- what is gone */

static int keep_gone(void *arg, const char *name, uint64_t ino, uint32_t type, uint64_t last_tid,
		     uint64_t cookie)
{
	struct text *t = arg;

	(void)type, (void)cookie;
	(void)fprintf(t->out, "%s %" PRIu64 " %" PRIu64 "\n", name, ino, last_tid);
	return 0;
}

/* The last that a name in a directory was, of what was there at moment k: was it taken away, and not changed?
 */
static bool is_gone(const struct past *p, uint64_t dir, const char *name, size_t k, uint64_t ino)
{
	const struct model_inode *before = model_find(p->m[k].m, ino),
				 *after = model_find(p->m[k + 1].m, ino);

	for (size_t x = k + 1; x < p->n; x++) {
		if (past_entry(p->m[x].m, dir, name) != 0)
			return false;
	}
	if (!after || after->nlink == 0)
		return true;
	return !S_ISDIR(before->mode) && after->nlink < before->nlink;
}

static int check_gone(struct storm *s)
{
	const struct past p = past_of(s);
	const uint64_t dir = storm_chance(s, 30) ? HF_ROOT_INO : 1 + storm_random(s, s->now->next_ino);
	CLEANUP(text_release) struct text got = { 0 };
	struct hf_error err = HF_ERROR_INIT;
	const char *lines;
	size_t n = 0;

	text_begin(&got);
	if (hf_gone(s->store, dir, 0, keep_gone, &got, &err) < 0)
		return storm_fail(s, "gone of %" PRIu64 ": %s", dir, err.text);
	lines = text_end(&got);
	for (size_t k = 0; k + 1 < p.n; k++) {
		const struct model_inode *d = model_find(p.m[k].m, dir);

		for (size_t e = 0; d && S_ISDIR(d->mode) && e < d->n_entries; e++) {
			const char *name = d->entries[e].name;
			char line[400];
			bool gone;

			if (past_entry(p.m[k + 1].m, dir, name) == d->entries[e].ino)
				continue;
			gone = is_gone(&p, dir, name, k, d->entries[e].ino);
			snprintf(line, sizeof(line), "%s %" PRIu64 " %" PRIu64 "\n", name, d->entries[e].ino,
				 p.m[k + 1].tid - 1);
			if (gone != (strstr(lines, line) != NULL))
				return storm_fail(s, "%.300s of %" PRIu64 " is%s gone:\n%s", line, dir,
						  gone ? "" : " not", lines);
			n += strstr(lines, line) != NULL;
		}
	}
	for (const char *c = lines; *c; c++) /* a name may have a newline in it: then there are more lines */
		n -= n > 0 && *c == '\n';
	return n == 0 ? 0 :
			storm_fail(s, "gone of %" PRIu64 ": some are not told, or not gone:\n%s", dir, lines);
}

/* --- */

static int look(struct storm *s)
{
	CLEANUP(changes_release) struct changes all = { 0 };
	struct hf_error err = HF_ERROR_INIT;
	int r = hf_store_commit(s->store, &err);

	if (r < 0)
		return storm_fail(s, "commit: %s", err.text);
	r = check_changes(s, &all);
	/* a tree by itself, or by all operations: it is the same */
	if (storm_chance(s, 70))
		history_limits = (struct history_limits){ storm_random(s, 50), 1 + storm_random(s, 60),
							  1 + storm_random(s, 3), 1 + storm_random(s, 8),
							  1 + storm_random(s, 8) };
	for (int k = 0; r == 0 && k < 4; k++) {
		r = check_diff(s);
		r = r ? r : check_life(s);
		r = r ? r : check_log(s, &all, k % 2 ? HF_NEWEST_FIRST : 0);
		r = r ? r : check_log(s, &all, HF_CHANGES_ONLY | (k % 2 ? 0 : HF_NEWEST_FIRST));
		r = r ? r : check_versions(s);
		r = r ? r : check_path(s);
		r = r ? r : check_gone(s);
	}
	return r;
}

static uint64_t number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

static void one_storm(uint64_t seed, uint64_t ops)
{
	CLEANUP(scratch_remove) char *dir = scratch_make();
	CLEANUP(cleanup_free) char *path = NULL;
	struct storm *s;
	int r;

	assert_true(asprintf(&path, "%s/store", dir) > 0);
	s = storm_new(path, seed, ops);
	s->look_further = look;
	r = storm_run(s);
	print_message("# HF_MODEL_SEED=%llu HF_MODEL_OPS=%llu: %u sessions, %u crashes, %zu moments\n",
		      (unsigned long long)seed, (unsigned long long)ops, s->sessions, s->crashes,
		      s->n_moments);
	assert_int_equal(r, 0);
}

static void test_storms(void **state)
{
	const uint64_t long_one = number("HOLDFAST_TEST_LONG", 0), seed = number("HF_MODEL_SEED", 0),
		       ops = number("HF_MODEL_OPS", long_one == 1 ? LONG_OPS : OPS);

	(void)state;
	for (int k = 0; k < (seed ? 1 : STORMS); k++)
		one_storm(seed ? seed :
				 (uint64_t)time(NULL) * 1000 + (uint64_t)getpid() % 1000 +
					  (uint64_t)k * 1000003,
			  ops);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_storms),
	};

	arena_new((size_t)1 << ARENA_BYTES_LOG2);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
