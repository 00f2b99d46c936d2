/* SPDX-License-Identifier: MIT */
/* From the overlay to RocksDB. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/index/internal.h"

enum { DROP_SLICE = 128 }; /* versions dropped under one hold of the lock: some tens of microseconds */

static void destroy_batch(rocksdb_writebatch_t **batch)
{
	rocksdb_writebatch_destroy(*batch);
}

/* A version, whose value this is, into a write to RocksDB, which comes next. */
static void version_stage(struct index *x, rocksdb_writebatch_t *batch, const struct linked *v,
			  struct span value)
{
	const struct entry *e = v->entry;
	rocksdb_column_family_handle_t *family = x->rocks.families[e->space];
	const struct map_key key = { e->key, e->key_len, e->hash, (enum index_space)e->space };

	if (e->space == INDEX_HEAD)
		recent_tell(&x->recent, &key, v->version.deleted ? NULL : &value);
	if (v->version.deleted)
		rocksdb_writebatch_delete_cf(batch, family, (const char *)e->key, e->key_len);
	else
		rocksdb_writebatch_put_cf(batch, family, (const char *)e->key, e->key_len,
					  (const char *)value.data, value.len);
}

/* Without lock: nothing changes a closed group's versions or their entries' keys. */
static int stage_group(struct index *x, const struct group *g, rocksdb_writebatch_t *batch,
		       index_rewrite_fn *rewrite, void *arg, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf other = BUF_INIT;
	CLEANUP(order_release) struct order order = { 0 };
	const struct linked *v;

	TAILQ_FOREACH(v, &g->versions, in_group)
		if (order_add(&order, v) < 0)
			return hf_error_set(err, -ENOMEM, "settle the index: no memory");
	order_sort(&order);
	for (size_t i = 0; i < order.n; i++) {
		struct span value;
		int code = 0;

		v = order.items[i].linked;
		value = (struct span){ v->version.value, v->version.len };
		if (rewrite && !v->version.deleted) {
			buf_clear(&other);
			code = rewrite(arg, (enum index_space)v->entry->space, entry_key(v->entry), value,
				       &other);
			if (code > 0)
				code = buf_status(&other) < 0 ? -ENOMEM : 1;
			if (code < 0)
				return hf_error_set(err, code,
						    "settle the index: a value cannot be finished");
		}
		version_stage(x, batch, v, code ? (struct span){ other.data, other.len } : value);
	}
	return 0;
}

/* Drop up to DROP_SLICE of the group's versions. False when none is left; then the group is gone too. */
static bool drop_slice(struct index *x, struct group *g)
{
	struct entry *garbage = NULL;
	struct linked *v;
	bool left;

	pthread_rwlock_wrlock(&x->lock);
	atomic_fetch_add(&x->drops, 1);
	for (int i = 0; i < DROP_SLICE && (v = TAILQ_FIRST(&g->versions)); i++) {
		struct entry *e = v->entry;

		TAILQ_REMOVE(&g->versions, v, in_group);
		map_drop_version(&x->overlay, v);
		v->older = NULL;
		if (e->newest) {
			free(v);
			continue;
		}
		map_remove(&x->overlay, e);
		e->newest = &v->version;
		e->next_hashed = garbage;
		garbage = e;
	}
	left = !TAILQ_EMPTY(&g->versions);
	if (!left)
		TAILQ_REMOVE(&x->groups, g, in_list);
	pthread_rwlock_unlock(&x->lock);
	entries_free(garbage);
	if (!left)
		free(g);
	return left;
}

/* Requires settling. */
static int settle(struct index *x, uint64_t number, const void *state, size_t state_len,
		  index_rewrite_fn *rewrite, void *arg, struct hf_error *err)
{
	CLEANUP(destroy_batch) rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
	struct group *g;
	int code;

	assert(number >= atomic_load(&x->settled));
	atomic_store(&x->settled, number);
	pthread_rwlock_rdlock(&x->lock);
	g = TAILQ_FIRST(&x->groups);
	pthread_rwlock_unlock(&x->lock);
	assert(!g || g->number >= number);
	if (g && g->number != number)
		g = NULL;
	if (g) {
		code = stage_group(x, g, batch, rewrite, arg, err);
		if (code < 0)
			return code;
	}
	atomic_fetch_add(&x->writes, 1);
	code = rocks_write(&x->rocks, batch, state, state_len, err);
	if (code < 0)
		return code;
	while (g && drop_slice(x, g))
		;
	return 0;
}

int index_settle(struct index *x, uint64_t group, const void *state, size_t state_len,
		 index_rewrite_fn *rewrite, void *arg, struct hf_error *err)
{
	int code;

	if (x->rocks.read_only)
		return hf_error_set(err, -EROFS, "the index in %s is opened read-only", x->rocks.dir);
	pthread_mutex_lock(&x->settling);
	code = settle(x, group, state, state_len, rewrite, arg, err);
	pthread_mutex_unlock(&x->settling);
	return code;
}
