/* SPDX-License-Identifier: MIT */
#include "store/index/recent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FEWEST_SETS = 512, BUDGET_FRACTION = 16 };

static void locks_release(struct recent *r, size_t n)
{
	for (size_t i = 0; i < n; i++)
		pthread_mutex_destroy(&r->locks[i]);
}

int recent_init(struct recent *r, uint64_t budget_bytes)
{
	r->n_sets = FEWEST_SETS;
	while (2 * recent_bytes(r) <= budget_bytes / BUDGET_FRACTION)
		r->n_sets *= 2;
	r->sets = calloc(r->n_sets, sizeof(*r->sets));
	if (!r->sets)
		return -ENOMEM;
	for (size_t i = 0; i < RECENT_LOCKS; i++) {
		int code = pthread_mutex_init(&r->locks[i], NULL);

		if (code != 0) {
			locks_release(r, i);
			free(r->sets);
			return -code;
		}
	}
	return 0;
}

void recent_release(struct recent *r)
{
	locks_release(r, RECENT_LOCKS);
	free(r->sets);
}

size_t recent_bytes(const struct recent *r)
{
	return r->n_sets * sizeof(*r->sets);
}

static size_t set_number(const struct recent *r, const struct map_key *key)
{
	return key->hash & (r->n_sets - 1);
}

static struct recent_set *set_lock(struct recent *r, const struct map_key *key)
{
	size_t n = set_number(r, key);

	pthread_mutex_lock(&r->locks[n % RECENT_LOCKS]);
	return &r->sets[n];
}

static void set_unlock(struct recent *r, const struct recent_set *set)
{
	pthread_mutex_unlock(&r->locks[(size_t)(set - r->sets) % RECENT_LOCKS]);
}

static struct recent_slot *slot_find(const struct recent *r, struct recent_set *set,
				     const struct map_key *key)
{
	const uint32_t epoch = atomic_load(&r->epoch);

	for (size_t i = 0; key->len > 0 && i < RECENT_SLOTS; i++) {
		struct recent_slot *s = &set->slots[i];

		if (s->hash == key->hash && s->epoch == epoch && s->key_len == key->len &&
		    memcmp(s->bytes, key->data, key->len) == 0)
			return s;
	}
	return NULL;
}

/* One that is to be filled anew. */
static struct recent_slot *slot_take(struct recent_set *set)
{
	for (;;) {
		struct recent_slot *s = &set->slots[set->next++ % RECENT_SLOTS];

		if (!s->used)
			return s;
		s->used = false;
	}
}

static void set_put(const struct recent *r, struct recent_set *set, const struct map_key *key,
		    const struct span *value, uint32_t epoch)
{
	struct recent_slot *s = slot_find(r, set, key);
	size_t len = value ? value->len : 0;

	if (key->len == 0 || key->len + len > RECENT_BYTES) {
		if (s)
			s->key_len = 0;
		return;
	}
	if (!s)
		s = slot_take(set);
	s->hash = key->hash;
	s->epoch = epoch;
	s->key_len = (uint16_t)key->len;
	s->value_len = (uint16_t)len;
	s->found = value != NULL;
	memcpy(s->bytes, key->data, key->len);
	if (len)
		memcpy(s->bytes + key->len, value->data, len);
}

static uint64_t set_mark(const struct recent *r, const struct recent_set *set)
{
	return (uint64_t)atomic_load(&r->epoch) << 32 | atomic_load(&set->told);
}

uint64_t recent_mark(const struct recent *r, const struct map_key *key)
{
	return set_mark(r, &r->sets[set_number(r, key)]);
}

int recent_get(struct recent *r, const struct map_key *key, struct buf *out)
{
	struct recent_set *set = set_lock(r, key);
	struct recent_slot *s = slot_find(r, set, key);
	int found = -ENOENT;

	if (s) {
		s->used = true;
		found = s->found;
		buf_add(out, s->bytes + s->key_len, s->value_len);
	}
	set_unlock(r, set);
	return found;
}

void recent_note(struct recent *r, const struct map_key *key, const struct span *value, uint64_t mark)
{
	struct recent_set *set = set_lock(r, key);

	if (set_mark(r, set) == mark)
		set_put(r, set, key, value, (uint32_t)(mark >> 32));
	set_unlock(r, set);
}

void recent_tell(struct recent *r, const struct map_key *key, const struct span *value)
{
	struct recent_set *set = set_lock(r, key);

	atomic_fetch_add(&set->told, 1);
	set_put(r, set, key, value, atomic_load(&r->epoch));
	set_unlock(r, set);
}

void recent_forget(struct recent *r)
{
	atomic_fetch_add(&r->epoch, 1);
}
