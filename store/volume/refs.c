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

bool refs_have_reapable(struct hf_store *s)
{
	bool have;

	(void)pthread_mutex_lock(&s->refs);
	have = s->n_reap > 0;
	(void)pthread_mutex_unlock(&s->refs);
	return have;
}

bool refs_take_reapable(struct hf_store *s, uint64_t **ret, size_t *ret_n)
{
	bool have;

	(void)pthread_mutex_lock(&s->refs);
	have = s->n_reap > 0;
	if (have) {
		*ret = s->reap;
		*ret_n = s->n_reap;
		s->reap = NULL;
		s->n_reap = s->cap_reap = 0;
	}
	(void)pthread_mutex_unlock(&s->refs);
	return have;
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
