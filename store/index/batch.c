/* SPDX-License-Identifier: MIT */
/* Staging an operation's changes, and publishing them in the overlay. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "store/index/internal.h"

int index_batch_new(struct index *x, struct index_batch **ret)
{
	struct index_batch *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	if (map_init(&b->map, 0) < 0) {
		free(b);
		return -ENOMEM;
	}
	b->index = x;
	*ret = b;
	return 0;
}

void index_batch_free(struct index_batch *b)
{
	if (!b)
		return;
	map_release(&b->map);
	free(b->spare);
	free(b);
}

void index_batch_clear(struct index_batch *b)
{
	assert(!b->load);
	b->failed = false;
	if (b->map.entries)
		entries_free(map_take_all(&b->map));
}

static void batch_add(struct index_batch *b, enum index_space space, const void *key, size_t key_len,
		      const void *value, size_t value_len, bool deleted)
{
	struct map_key k;
	struct entry *e;

	assert(space < INDEX_SPACES);
	assert(key_len <= UINT16_MAX && value_len <= UINT32_MAX);
	if (b->failed)
		return;
	if (b->load && load_takes(space)) {
		assert(!deleted);
		b->failed = !load_put(b->load, space, (struct span){ key, key_len },
				      (struct span){ value, value_len });
		return;
	}
	k = map_key_of(b->index->hash_seed, space, key, key_len);
	e = map_put(&b->map, &k, value, value_len, deleted);
	b->failed = !e || (b->load && !load_changed(b->load, e));
}

void index_batch_put(struct index_batch *b, enum index_space space, const void *key, size_t key_len,
		     const void *value, size_t value_len)
{
	batch_add(b, space, key, key_len, value, value_len, false);
}

void index_batch_delete(struct index_batch *b, enum index_space space, const void *key, size_t key_len)
{
	batch_add(b, space, key, key_len, NULL, 0, true);
}

int index_batch_status(const struct index_batch *b)
{
	return b->failed ? -ENOMEM : 0;
}

/* What the index says of a key that the batch says nothing of. */
static int get_below(struct index_batch *b, const struct map_key *k, struct buf *out, struct hf_error *err)
{
	if (!b->load)
		return index_get(b->index, k->space, k->data, k->len, out, err);
	buf_clear(out);
	if (!load_may_have(b->load, k->hash))
		return 0;
	/* The overlay is empty. */
	return rocks_get(&b->index->rocks, (int)k->space, (struct span){ k->data, k->len }, out, err);
}

int index_batch_get(struct index_batch *b, enum index_space space, const void *key, size_t key_len,
		    struct buf *out, struct hf_error *err)
{
	struct map_key k = map_key_of(b->index->hash_seed, space, key, key_len);
	struct entry *e = map_find(&b->map, &k);
	int found;

	if (!e)
		return get_below(b, &k, out, err);
	e->used = true;
	buf_clear(out);
	found = entry_value(e, out);
	if (buf_status(out) < 0)
		return hf_error_set(err, -ENOMEM, "read a change of the index: no memory");
	return found;
}

int index_batch_scan(struct index_batch *b, enum index_space space, struct span from, struct span to,
		     size_t max, unsigned flags, struct index_rows *rows, struct hf_error *err)
{
	return scan_run(b->index, &b->map, space, from, to, max, flags, rows, err);
}

static struct group *spare_group(struct index_batch *b)
{
	if (!b->spare)
		b->spare = malloc(sizeof(*b->spare));
	return b->spare;
}

/* The open group of this number; a new one is made of *spare. Requires lock for writing. */
static struct group *open_group(struct index *x, uint64_t number, struct group **spare)
{
	struct group *g, *fresh;

	TAILQ_FOREACH_REVERSE(g, &x->groups, group_list, in_list)
	if (g->number <= number)
		break;
	if (g && g->number == number)
		return g;
	fresh = TAKE_PTR(*spare);
	fresh->number = number;
	TAILQ_INIT(&fresh->versions);
	if (g)
		TAILQ_INSERT_AFTER(&x->groups, g, fresh, in_list);
	else
		TAILQ_INSERT_HEAD(&x->groups, fresh, in_list);
	return fresh;
}

/*
 * Move a staged entry with its one version into the overlay. What is not needed any more (the entry, when the
 * overlay has one of that key; the version that it replaces) goes to *garbage. Requires lock for writing.
 */
static void publish_entry(struct index *x, struct group *g, struct entry *staged, struct entry **garbage)
{
	struct map_key k = { staged->key, staged->key_len, staged->hash, (enum index_space)staged->space };
	struct linked *v = linked_of(staged->newest), *replaced;
	struct entry *e = map_find(&x->overlay, &k);

	staged->newest = NULL;
	if (!e) {
		e = staged;
		map_insert(&x->overlay, e);
	}
	v->group = g->number;
	replaced = map_add_version(&x->overlay, e, v);
	if (e != staged) {
		staged->newest = replaced ? &replaced->version : NULL;
		staged->next_hashed = *garbage;
		*garbage = staged;
	}
	if (replaced) {
		TAILQ_REMOVE(&g->versions, replaced, in_group);
		replaced->older = NULL;
	}
	TAILQ_INSERT_TAIL(&g->versions, v, in_group);
}

int index_publish(struct index *x, struct index_batch *b, uint64_t group, struct hf_error *err)
{
	struct entry *garbage = NULL, *staged, *next;
	struct group *g;

	assert(b->index == x);
	assert(group > atomic_load(&x->settled));
	if (b->failed || !spare_group(b)) {
		index_batch_clear(b);
		return hf_error_set(err, -ENOMEM, "no memory for the change");
	}
	if (b->map.entries == 0)
		return 0;
	staged = map_take_all(&b->map);
	pthread_rwlock_wrlock(&x->lock);
	g = open_group(x, group, &b->spare);
	for (; staged; staged = next) {
		next = staged->next_hashed;
		publish_entry(x, g, staged, &garbage);
	}
	pthread_rwlock_unlock(&x->lock);
	entries_free(garbage);
	return 0;
}
