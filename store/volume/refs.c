/* SPDX-License-Identifier: MIT */
/* Who has which inode open, and which are to be reaped. */
#include <stdlib.h>

#include "store/volume/volume.h"

static struct ref *ref_find(struct hf_store *s, uint64_t ino)
{
	struct ref *r;

	HASH_FIND(hh, s->ref_table, &ino, sizeof(ino), r);
	return r;
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
	r = ref_find(s, ino);
	if (!r) {
		r = calloc(1, sizeof(*r));
		if (r) {
			r->ino = ino;
			HASH_ADD(hh, s->ref_table, ino, sizeof(r->ino), r);
		}
		if (r && !r->hh.tbl) {
			free(r);
			r = NULL;
		}
	}
	if (r)
		r->count += count;
	(void)pthread_mutex_unlock(&s->refs);
}

void hf_unref(struct hf_store *s, uint64_t ino, uint64_t count)
{
	struct ref *r;

	(void)pthread_mutex_lock(&s->refs);
	r = ref_find(s, ino);
	if (r) {
		r->count -= r->count < count ? r->count : count;
		if (r->count == 0) {
			if (r->orphan)
				reap_later(s, ino);
			HASH_DEL(s->ref_table, r);
			free(r);
		}
	}
	(void)pthread_mutex_unlock(&s->refs);
}

void refs_orphaned(struct hf_store *s, uint64_t ino)
{
	struct ref *r;

	(void)pthread_mutex_lock(&s->refs);
	r = ref_find(s, ino);
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
	r = ref_find(s, ino);
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
		struct ref *r = ref_find(s, ino);

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
	struct ref *r, *tmp;

	HASH_ITER(hh, s->ref_table, r, tmp)
	{
		HASH_DEL(s->ref_table, r);
		free(r);
	}
	free(s->reap);
}
