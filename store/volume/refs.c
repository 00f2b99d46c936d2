/* SPDX-License-Identifier: MIT */
/*
 * Who has which inode open, and which are to be reaped.
 *
 * The kernel may know of every inode there is, so an entry is as small as can be: a table with linear
 * probing, 16 bytes an inode. Taking one out moves those behind it up, so that there are no marks of what
 * was.
 */
#include <stdlib.h>

#include "store/volume/volume.h"

enum { FIRST_SLOTS = 1024 }; /* a power of two, as all sizes are */
#define REF_COUNT_MAX (UINT64_MAX >> 1)

static size_t home_of(const struct ref_table *t, uint64_t ino)
{
	return (size_t)((ino * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (t->cap - 1);
}

/* The inode's slot, or NULL. */
static struct ref *table_find(const struct ref_table *t, uint64_t ino)
{
	if (t->cap == 0)
		return NULL;
	for (size_t i = home_of(t, ino); t->slots[i].ino != 0; i = (i + 1) & (t->cap - 1))
		if (t->slots[i].ino == ino)
			return &t->slots[i];
	return NULL;
}

/* There is room, and the inode is not there. */
static struct ref *table_put(struct ref_table *t, struct ref r)
{
	size_t i = home_of(t, r.ino);

	while (t->slots[i].ino != 0)
		i = (i + 1) & (t->cap - 1);
	t->slots[i] = r;
	t->n++;
	return &t->slots[i];
}

/* Without memory it stays as it is. */
static void table_resize(struct ref_table *t, size_t cap)
{
	struct ref_table fresh = { .slots = calloc(cap, sizeof(*fresh.slots)), .cap = cap };

	if (!fresh.slots)
		return;
	for (size_t i = 0; i < t->cap; i++)
		if (t->slots[i].ino != 0)
			(void)table_put(&fresh, t->slots[i]);
	free(t->slots);
	*t = fresh;
}

/* NULL: no memory. */
static struct ref *table_add(struct ref_table *t, uint64_t ino)
{
	if (t->n >= t->cap / 4 * 3)
		table_resize(t, t->cap ? t->cap * 2 : FIRST_SLOTS);
	if (t->n + 1 >= t->cap) /* one stays free: it ends every search */
		return NULL;
	return table_put(t, (struct ref){ .ino = ino });
}

static void table_remove(struct ref_table *t, struct ref *r)
{
	size_t hole = (size_t)(r - t->slots), mask = t->cap - 1;

	for (size_t i = (hole + 1) & mask; t->slots[i].ino != 0; i = (i + 1) & mask) {
		size_t home = home_of(t, t->slots[i].ino);

		/* It may move up to the hole unless it would come to lie before its home. */
		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		t->slots[hole] = t->slots[i];
		hole = i;
	}
	t->slots[hole] = (struct ref){ .ino = 0 };
	t->n--;
	if (t->cap > FIRST_SLOTS && t->n < t->cap / 8)
		table_resize(t, t->cap / 4);
}

/* Requires refs. Without memory it is left for the next opening, which finds it in the index. */
static void reap_later(struct hf_store *s, uint64_t ino)
{
	if (s->n_reap == s->cap_reap) {
		size_t cap = s->cap_reap ? s->cap_reap * 2 : 64;
		uint64_t *grown = realloc(s->reap, cap * sizeof(*grown));

		if (!grown)
			return;
		s->reap = grown;
		s->cap_reap = cap;
	}
	s->reap[s->n_reap++] = ino;
}

void hf_ref(struct hf_store *s, uint64_t ino, uint64_t count)
{
	struct ref *r;

	(void)pthread_mutex_lock(&s->refs);
	r = table_find(&s->ref_table, ino);
	if (!r)
		r = table_add(&s->ref_table, ino);
	if (r)
		r->count = (r->count + count) & REF_COUNT_MAX;
	(void)pthread_mutex_unlock(&s->refs);
}

void hf_unref(struct hf_store *s, uint64_t ino, uint64_t count)
{
	struct ref *r;

	(void)pthread_mutex_lock(&s->refs);
	r = table_find(&s->ref_table, ino);
	if (r) {
		r->count = r->count < count ? 0 : (r->count - count) & REF_COUNT_MAX;
		if (r->count == 0) {
			if (r->orphan)
				reap_later(s, ino);
			table_remove(&s->ref_table, r);
		}
	}
	(void)pthread_mutex_unlock(&s->refs);
}

void refs_orphaned(struct hf_store *s, uint64_t ino)
{
	struct ref *r;

	(void)pthread_mutex_lock(&s->refs);
	r = table_find(&s->ref_table, ino);
	if (r)
		r->orphan = true;
	else
		reap_later(s, ino);
	(void)pthread_mutex_unlock(&s->refs);
}

void refs_named(struct hf_store *s, uint64_t ino)
{
	struct ref *r;

	(void)pthread_mutex_lock(&s->refs);
	r = table_find(&s->ref_table, ino);
	if (r)
		r->orphan = false;
	(void)pthread_mutex_unlock(&s->refs);
}

size_t refs_reapable(struct hf_store *s)
{
	size_t n;

	(void)pthread_mutex_lock(&s->refs);
	n = s->n_reap;
	(void)pthread_mutex_unlock(&s->refs);
	return n;
}

bool refs_have_reapable(struct hf_store *s)
{
	return refs_reapable(s) > 0;
}

size_t refs_take_reapable(struct hf_store *s, uint64_t *inos, size_t max)
{
	size_t n = 0;

	(void)pthread_mutex_lock(&s->refs);
	while (s->n_reap > 0 && n < max) {
		uint64_t ino = s->reap[--s->n_reap];
		struct ref *r = table_find(&s->ref_table, ino);

		if (r)
			r->orphan = true; /* somebody has got hold of it since: it waits for him */
		else
			inos[n++] = ino;
	}
	(void)pthread_mutex_unlock(&s->refs);
	return n;
}

void refs_free(struct hf_store *s)
{
	free(s->ref_table.slots);
	free(s->reap);
}
