/* SPDX-License-Identifier: MIT */
#include "store/index/load.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/index/filter.h"
#include "store/index/internal.h"
#include "store/index/load_run.h"

enum {
	/* Parts of the memory; the map has the rest. */
	CHANGED_FRACTION = 12, /* of keys and values; twice while they are written */
	RUNS_FRACTION = 12,    /* of each of two cycles */
	FILTER_FRACTION = 32,
	FILE_FRACTION = 512,       /* a run smaller than this goes the way of all writes, */
	HEAD_FILE_BYTES = 2 << 20, /* and so does the head's, whose file takes two flushes, below that */
	BUCKET_BYTES = 16,         /* of an entry's part of the map's table, at most */
	PREFETCH = 16,
};

struct entry_row {
	struct entry **items;
	size_t n, cap;
};

/* What is gathered. */
struct cycle {
	struct load_run runs[INDEX_SPACES]; /* of those that load_takes not, what has changed in the map */
	struct buf state;                   /* that the changes lead to; empty: there are none of the map */
};

struct index_load {
	struct index *index;
	uint64_t memory_bytes;
	struct index_batch *batch;
	struct pool pool;         /* the batch's map's */
	struct entry_row changed; /* those not in a cycle yet */
	struct entry_row gone;    /* deleted by the cycle before, and not of use when that is written */
	uint64_t changed_bytes;   /* of their keys and values, about */
	bool anew;                /* what the filter does not know, RocksDB does not */
	struct filter filter;     /* of what RocksDB has and the map has not; made when that happens first */
	/* while the map gives up what it can: down to this, and what has been read lately too */
	uint64_t wanted_bytes;
	bool used_too;
	uint64_t swept_from; /* another place each time, lest the same keys go and come back */
	struct buf state;    /* as marked last; empty: it is in a cycle */
	struct cycle cycles[2];
	unsigned now;   /* the one being staged */
	bool gathering; /* the thread's, and after it index_load_free's */

	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work, idle;
	/* protected by lock */
	struct cycle *writing; /* the thread's, until it is NULL again */
	bool stop;
	int failed;
	struct hf_error why;
};

/* --- staging */

bool load_put(struct index_load *l, enum index_space space, struct span key, struct span value)
{
	return load_run_add(&l->cycles[l->now].runs[space], key, value, false);
}

bool load_may_have(const struct index_load *l, uint64_t hash)
{
	return !l->anew || filter_has(&l->filter, hash);
}

static bool row_add(struct entry_row *r, struct entry *e)
{
	if (r->n == r->cap) {
		size_t cap = r->cap ? r->cap * 2 : 1024;
		struct entry **grown = reallocarray(r->items, cap, sizeof(*r->items));

		if (!grown)
			return false;
		r->items = grown;
		r->cap = cap;
	}
	r->items[r->n++] = e;
	return true;
}

/* For who goes through a row from its end: the entries lie anywhere, and those to come are prefetched. */
static struct entry *row_last(const struct entry_row *r)
{
	if (r->n > PREFETCH)
		__builtin_prefetch(r->items[r->n - 1 - PREFETCH]);
	if (r->n > PREFETCH / 2)
		__builtin_prefetch(r->items[r->n - 1 - PREFETCH / 2]->newest);
	return r->items[r->n - 1];
}

bool load_changed(struct index_load *l, struct entry *e)
{
	if (e->changed)
		return true;
	if (!row_add(&l->changed, e))
		return false;
	l->changed_bytes += e->key_len + e->newest->len;
	e->changed = true;
	e->below = e->below || load_may_have(l, e->hash);
	return true;
}

/* What has changed in the map, into the cycle's runs. What has come and gone meanwhile leaves no trace. */
static int collect(struct index_load *l, struct cycle *c)
{
	/* Nearly all are of the head; values that were said again may have grown. */
	if (!load_run_reserve(&c->runs[INDEX_HEAD], l->changed.n, l->changed_bytes / 8 * 9))
		return -ENOMEM;
	for (; l->changed.n > 0; l->changed.n--) {
		struct entry *e = row_last(&l->changed);
		const struct version *v = e->newest;

		if (v->deleted && !e->below) {
			map_forget(&l->batch->map, e);
			continue;
		}
		if (!load_run_add(&c->runs[e->space], entry_key(e), (struct span){ v->value, v->len },
				  v->deleted) ||
		    (v->deleted && !row_add(&l->gone, e)))
			return -ENOMEM;
		e->changed = false;
		e->below = !v->deleted;
	}
	l->changed_bytes = 0;
	return 0;
}

/* --- writing a cycle */

static void destroy_batch(rocksdb_writebatch_t **batch)
{
	rocksdb_writebatch_destroy(*batch);
}

/* Not read before the end, so not merged before it either: over and over that would be much of the work. */
static const enum index_space only_added[] = { INDEX_PAST, INDEX_NAME };

static int set_merging(struct index_load *l, bool on, struct hf_error *err)
{
	int code = 0;

	for (size_t i = 0; code == 0 && i < sizeof(only_added) / sizeof(*only_added); i++)
		code = rocks_set_merging(&l->index->rocks, (int)only_added[i], on, err);
	return code;
}

static int let_gather(struct index_load *l, struct hf_error *err)
{
	if (l->gathering)
		return 0;
	l->gathering = true;
	return set_merging(l, false, err);
}

/* At worst it is merged again from the next opening on. */
static void gather_no_more(struct index_load *l)
{
	if (l->gathering)
		(void)!set_merging(l, true, NULL);
}

static int file_ingest(struct index_load *l, int family, const struct load_run *run, struct hf_error *err)
{
	struct rocks *r = &l->index->rocks;
	CLEANUP(cleanup_free) char *path = NULL;
	int code = let_gather(l, err);

	if (code < 0)
		return code;
	if (asprintf(&path, "%s/load-%d.sst", r->dir, family) < 0) {
		path = NULL;
		return hf_error_set(err, -ENOMEM, "load the index: no memory");
	}
	/* One of before a crash may be a file that RocksDB has taken over since, by another name. */
	(void)unlink(path);
	code = load_run_file(run, r, family, path, err);
	if (code == 0)
		code = rocks_ingest(r, family, path, err);
	if (code < 0)
		(void)unlink(path);
	return code;
}

static bool goes_to_file(const struct index_load *l, int space, const struct load_run *run)
{
	const uint64_t bytes = load_run_memory(run);

	return bytes > l->memory_bytes / FILE_FRACTION && (space != INDEX_HEAD || bytes > HEAD_FILE_BYTES);
}

/* One run, to a file or into the batch. */
static int write_run(struct index_load *l, int space, struct load_run *run, rocksdb_writebatch_t *batch,
		     struct hf_error *err)
{
	if (goes_to_file(l, space, run))
		return file_ingest(l, space, run, err);
	load_run_stage(run, &l->index->rocks, space, batch);
	return 0;
}

/* What may be there before the state does, then the rest with the state: see load.h. */
static int write_cycle(struct index_load *l, struct cycle *c, struct hf_error *err)
{
	CLEANUP(destroy_batch) rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
	struct load_run *head = &c->runs[INDEX_HEAD], *meta = &c->runs[INDEX_META];
	const bool tear = goes_to_file(l, INDEX_HEAD, head);
	struct rocks *r = &l->index->rocks;
	int code = 0;

	for (int i = 0; i < INDEX_SPACES; i++)
		load_run_sort(&c->runs[i]);
	for (int i = 0; code == 0 && i < INDEX_SPACES; i++)
		if (load_takes((enum index_space)i))
			code = write_run(l, i, &c->runs[i], batch, err);
	if (code == 0 && tear)
		code = rocks_tear(r, err);
	if (code == 0)
		code = write_run(l, INDEX_HEAD, head, batch, err);
	if (code < 0)
		return code;
	load_run_stage(meta, r, INDEX_META, batch);
	atomic_fetch_add(&l->index->writes, 1);
	code = (tear ? rocks_mend : rocks_write)(r, batch, c->state.data, c->state.len, err);
	recent_forget(&l->index->recent);
	return code;
}

static void *load_thread(void *arg)
{
	struct index_load *l = arg;

	(void)pthread_mutex_lock(&l->lock);
	for (;;) {
		struct hf_error err = HF_ERROR_INIT;
		int code;

		while (!l->writing && !l->stop)
			(void)pthread_cond_wait(&l->work, &l->lock);
		if (!l->writing)
			break;
		(void)pthread_mutex_unlock(&l->lock);
		code = write_cycle(l, l->writing, &err);
		(void)pthread_mutex_lock(&l->lock);
		if (code < 0) {
			l->failed = code;
			l->why = err;
		}
		l->writing = NULL;
		(void)pthread_cond_signal(&l->idle);
	}
	(void)pthread_mutex_unlock(&l->lock);
	return NULL;
}

/* Wait until RocksDB has the cycle before. 0, or what its writing failed of. */
static int settle(struct index_load *l, struct hf_error *err)
{
	int code;

	(void)pthread_mutex_lock(&l->lock);
	while (l->writing)
		(void)pthread_cond_wait(&l->idle, &l->lock);
	code = l->failed;
	if (code < 0 && err)
		*err = l->why;
	(void)pthread_mutex_unlock(&l->lock);
	return code;
}

/* --- cycles */

static void cycle_clear(struct cycle *c)
{
	for (int i = 0; i < INDEX_SPACES; i++) {
		if (load_takes((enum index_space)i))
			load_run_clear(&c->runs[i]);
		else /* seldom used */
			load_run_release(&c->runs[i]);
	}
	buf_clear(&c->state);
}

static uint64_t map_limit(const struct index_load *l)
{
	return l->memory_bytes - 2 * (l->memory_bytes / CHANGED_FRACTION) -
	       2 * (l->memory_bytes / RUNS_FRACTION) - l->memory_bytes / FILTER_FRACTION;
}

static uint64_t map_memory(const struct index_load *l)
{
	return l->pool.used + l->batch->map.entries * BUCKET_BYTES;
}

static bool keep_entry(void *arg, struct entry *e)
{
	struct index_load *l = arg;

	if (e->changed || map_memory(l) <= l->wanted_bytes)
		return true;
	if (e->used && !l->used_too) {
		e->used = false;
		return true;
	}
	if (e->below && l->anew)
		filter_add(&l->filter, e->hash);
	return false;
}

static void sweep(struct index_load *l, uint64_t wanted_bytes, bool used_too)
{
	if (l->anew && !l->filter.blocks && !filter_init(&l->filter, l->memory_bytes / FILTER_FRACTION))
		l->anew = false;
	l->wanted_bytes = wanted_bytes;
	l->used_too = used_too;
	l->swept_from += UINT64_C(0x9e3779b97f4a7c15);
	map_sweep(&l->batch->map, l->swept_from, keep_entry, l);
}

/* RocksDB has been told; that a key is nowhere needs no memory. */
static void drop_gone(struct index_load *l)
{
	for (; l->gone.n > 0; l->gone.n--) {
		struct entry *e = row_last(&l->gone);

		if (!e->changed)
			map_forget(&l->batch->map, e);
	}
}

/*
 * The map gives up what has not been read since the last time, and then others, in no order, as far as it
 * must. Everything not changed is in RocksDB by now.
 */
static void make_room(struct index_load *l)
{
	const uint64_t wanted_bytes = map_limit(l) / 8 * 7;

	sweep(l, wanted_bytes, false);
	if (map_memory(l) > wanted_bytes)
		sweep(l, wanted_bytes, true);
}

static void hand_over(struct index_load *l)
{
	(void)pthread_mutex_lock(&l->lock);
	l->writing = &l->cycles[l->now];
	(void)pthread_cond_signal(&l->work);
	(void)pthread_mutex_unlock(&l->lock);
	l->now = !l->now;
}

/*
 * Give the present cycle to the thread, when it is done with the one before, and begin the next. With what
 * has changed in the map, or without.
 */
static int turn(struct index_load *l, bool with_map, struct hf_error *err)
{
	struct cycle *c = &l->cycles[l->now];
	int code = settle(l, err);

	if (code < 0)
		return code;
	drop_gone(l);
	if (map_memory(l) >= map_limit(l))
		make_room(l);
	if (with_map) {
		buf_add(&c->state, l->state.data, l->state.len);
		buf_clear(&l->state);
		if (buf_status(&c->state) < 0 || collect(l, c) < 0)
			return hf_error_set(err, -ENOMEM, "load the index: no memory");
	}
	cycle_clear(&l->cycles[!l->now]);
	hand_over(l);
	return 0;
}

/* What was given back to the pool, but is of other sizes than what is wanted, must not add up. */
static int keep_within(struct index_load *l, struct hf_error *err)
{
	int code;

	if (l->pool.taken <= map_limit(l) / 8 * 9 + POOL_BLOCK_BYTES)
		return 0;
	code = settle(l, err);
	if (code < 0)
		return code;
	drop_gone(l);
	sweep(l, 0, true);
	pool_clear(&l->pool);
	return 0;
}

int index_load_mark(struct index_load *l, const void *state, size_t state_len, struct hf_error *err)
{
	uint64_t runs = 0;
	bool with_map;
	int code;

	buf_clear(&l->state);
	buf_add(&l->state, state, state_len);
	if (buf_status(&l->state) < 0 || l->batch->failed)
		return hf_error_set(err, -ENOMEM, "no memory for the change");
	for (int i = 0; i < INDEX_SPACES; i++)
		runs += load_run_memory(&l->cycles[l->now].runs[i]);
	with_map = l->changed_bytes >= l->memory_bytes / CHANGED_FRACTION || map_memory(l) >= map_limit(l);
	if (!with_map && runs < l->memory_bytes / RUNS_FRACTION)
		return 0;
	code = turn(l, with_map, err);
	if (code == 0 && with_map)
		code = keep_within(l, err);
	return code;
}

int index_load_finish(struct index_load *l, struct hf_error *err)
{
	int code = 0;

	if (l->state.len > 0)
		code = turn(l, true, err);
	if (code == 0)
		code = settle(l, err);
	return code;
}

struct index_batch *index_load_batch(struct index_load *l)
{
	return l->batch;
}

/* --- */

static const uint8_t *state_key(void)
{
	return (const uint8_t *)rocks_state_key;
}

/* Has nothing been written to the head yet? (What is only added may be there already: see load.h.) */
static int is_empty(struct index_load *l, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf state = BUF_INIT;
	int found = rocks_get(&l->index->rocks, ROCKS_OWN,
			      (struct span){ state_key(), strlen(rocks_state_key) }, &state, err);

	l->anew = found == 0;
	return found < 0 ? found : 0;
}

static void load_release(struct index_load *l)
{
	index_batch_free(l->batch);
	pool_clear(&l->pool);
	filter_release(&l->filter);
	free(l->changed.items);
	free(l->gone.items);
	buf_release(&l->state);
	for (int i = 0; i < 2; i++) {
		buf_release(&l->cycles[i].state);
		for (int k = 0; k < INDEX_SPACES; k++)
			load_run_release(&l->cycles[i].runs[k]);
	}
	free(l);
}

static int begin(struct index_load *l, struct hf_error *err)
{
	int code = index_batch_new(l->index, &l->batch);

	if (code < 0)
		return hf_error_set(err, code, "load the index: no memory");
	l->batch->load = l;
	l->batch->map.pool = &l->pool;
	return is_empty(l, err);
}

int index_load_new(struct index *x, uint64_t memory_bytes, struct index_load **ret, struct hf_error *err)
{
	struct index_load *l;
	int code;

	if (x->rocks.read_only)
		return hf_error_set(err, -EROFS, "the index in %s is opened read-only", x->rocks.dir);
	l = calloc(1, sizeof(*l));
	if (!l)
		return hf_error_set(err, -ENOMEM, "load the index: no memory");
	l->index = x;
	l->memory_bytes = memory_bytes;
	code = begin(l, err);
	if (code < 0) {
		load_release(l);
		return code;
	}
	(void)pthread_mutex_init(&l->lock, NULL);
	(void)pthread_cond_init(&l->work, NULL);
	(void)pthread_cond_init(&l->idle, NULL);
	code = pthread_create(&l->thread, NULL, load_thread, l);
	if (code != 0) {
		load_release(l);
		return hf_error_set(err, -code, "load the index: a thread: %s", strerror(code));
	}
	*ret = l;
	return 0;
}

void index_load_free(struct index_load *l)
{
	if (!l)
		return;
	(void)pthread_mutex_lock(&l->lock);
	l->stop = true;
	(void)pthread_cond_signal(&l->work);
	(void)pthread_mutex_unlock(&l->lock);
	(void)pthread_join(l->thread, NULL);
	gather_no_more(l);
	(void)pthread_cond_destroy(&l->idle);
	(void)pthread_cond_destroy(&l->work);
	(void)pthread_mutex_destroy(&l->lock);
	load_release(l);
}
