/* SPDX-License-Identifier: MIT */
/*
 * Which inodes were in a tree at some time between two moments, from its directories' entries of then and
 * now. For trees that are smaller than what happened meanwhile; how much is looked at has a limit.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/history/internal.h"
#include "store/tree/tx.h"

enum { TID_BYTES = 8 };

struct seen_dir {
	uint64_t ino;
	UT_hash_handle hh;
};

struct within {
	struct hf_store *s;
	uint64_t since, until;
	uint64_t *budget;
	struct numbers *inos, *until_when; /* the second may be NULL */
	/* directories to be looked at, and all that were met */
	struct numbers dirs;
	struct seen_dir *seen;
	struct hf_error *err;
};

static void within_release(struct within *w)
{
	struct seen_dir *a, *tmp;

	HASH_ITER(hh, w->seen, a, tmp)
	{
		HASH_DEL(w->seen, a);
		free(a);
	}
	numbers_release(&w->dirs);
}

static int meet_dir(struct within *w, uint64_t ino)
{
	struct seen_dir *a;

	HASH_FIND(hh, w->seen, &ino, sizeof(ino), a);
	if (a)
		return 0;
	a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->ino = ino;
	HASH_ADD(hh, w->seen, ino, sizeof(a->ino), a);
	if (!a->hh.tbl) {
		free(a);
		return -ENOMEM;
	}
	return numbers_add(&w->dirs, ino);
}

static int damaged(struct within *w)
{
	return hf_error_set(w->err, -EUCLEAN, "the index is damaged in a directory: mount with -o rebuild");
}

static int add_member(struct within *w, uint64_t ino, uint64_t until_when)
{
	int r = numbers_add(w->inos, ino);

	return r == 0 && w->until_when ? numbers_add(w->until_when, until_when) : r;
}

/* 1 when there is too much. */
static int see_entry(struct within *w, struct span value, uint64_t ended)
{
	struct entry e;
	int r;

	if (entry_decode(value, &e) < 0)
		return damaged(w);
	if (*w->budget == 0)
		return 1;
	--*w->budget;
	if (e.tid > w->until || ended <= w->since)
		return 0;
	r = add_member(w, e.ino, ended);
	return r == 0 && S_ISDIR(e.type) ? meet_dir(w, e.ino) : r;
}

static int see_present(void *arg, const struct index_entry *e)
{
	return see_entry(arg, e->value, HF_TID_HEAD);
}

static int see_past(void *arg, const struct index_entry *e)
{
	if (e->key.len < TID_BYTES)
		return damaged(arg);
	return see_entry(arg, e->value, get_be64(e->key.data + e->key.len - TID_BYTES));
}

/* 0, 1 when there is too much. */
static int see_dir(struct within *w, uint64_t dir)
{
	const struct key from = key_number('d', dir), to = key_after_prefix(from);
	/* the present first: what moves to the past meanwhile is met twice */
	int r = index_each(w->s->index, INDEX_HEAD, key_span(&from), key_span(&to), see_present, w, w->err);

	if (r == 0)
		r = index_each(w->s->index, INDEX_PAST, key_span(&from), key_span(&to), see_past, w, w->err);
	return r;
}

int within_find(struct hf_store *s, uint64_t top, uint64_t since, uint64_t until, uint64_t *budget,
		struct numbers *inos, struct numbers *until_when, struct hf_error *err)
{
	CLEANUP(within_release)
	struct within w = { .s = s,
			    .since = since,
			    .until = until,
			    .budget = budget,
			    .inos = inos,
			    .until_when = until_when,
			    .err = err };
	int r = add_member(&w, top, HF_TID_HEAD);

	if (r == 0)
		r = meet_dir(&w, top);
	while (r == 0 && w.dirs.n > 0)
		r = see_dir(&w, w.dirs.v[--w.dirs.n]);
	return r < 0 ? r : r == 0;
}
