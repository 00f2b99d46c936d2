/* SPDX-License-Identifier: MIT */
#include "store/index/load.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/index/internal.h"

enum {
	ENTRY_MORE_BYTES = 64, /* what an entry of a map takes besides its own size: buckets, the allocator */
	FIRST_ITEMS = 4096,
	FIRST_BYTES = 256 << 10,
	STEP_ITEMS = 64 << 10, /* then it grows by so much, and not to twice what memory is meant for */
	STEP_BYTES = 2 << 20,
	FILE_FRACTION = 64,    /* a run smaller than this part of the memory goes the way of all writes */
};

/* One key and value of a run. */
struct run_item {
	struct prefix prefix;
	size_t at;                         /* in the run's bytes; rises with time */
	uint32_t key_len, value_len;
};

struct run {
	uint8_t *bytes;
	size_t len, cap_bytes;
	struct run_item *items;
	size_t n, cap;
	bool sorted; /* the keys have come in rising order */
};

/* What is gathered, and the state it leads to. */
struct cycle {
	struct index_batch *batch;
	struct run runs[INDEX_SPACES]; /* those that load_takes */
	struct buf state;              /* empty: nothing marked yet */
};

struct index_load {
	struct index *index;
	uint64_t memory_bytes;
	struct cycle cycles[2];
	unsigned now;     /* the one being staged */
	bool has_frozen;  /* the other one holds what was marked before */
	bool merging_off; /* of INDEX_PAST; the thread's, and after it index_load_free's */

	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work, idle;
	/* protected by lock */
	struct cycle *writing; /* the thread's, until it is NULL again */
	bool stop;
	int failed;
	struct hf_error why;
};

/* --- runs */

static bool run_reserve(struct run *r, size_t more)
{
	if (r->n == r->cap) {
		size_t step = r->cap < STEP_ITEMS ? r->cap : STEP_ITEMS;
		size_t cap = step ? r->cap + step : FIRST_ITEMS;
		struct run_item *items = reallocarray(r->items, cap, sizeof(*items));

		if (!items)
			return false;
		r->items = items;
		r->cap = cap;
	}
	if (r->cap_bytes - r->len < more) {
		size_t step = r->cap_bytes < STEP_BYTES ? r->cap_bytes : STEP_BYTES;
		size_t cap = (step ? r->cap_bytes + step : FIRST_BYTES) + more;
		uint8_t *bytes = realloc(r->bytes, cap);

		if (!bytes)
			return false;
		r->bytes = bytes;
		r->cap_bytes = cap;
	}
	return true;
}

static struct span run_key(const struct run *r, const struct run_item *i)
{
	return (struct span){ r->bytes + i->at, i->key_len };
}

static int run_compare(const void *a, const void *b, void *arg)
{
	const struct run_item *x = a, *y = b;
	int c = prefix_compare(&x->prefix, &y->prefix);

	if (c == 0)
		c = span_compare(run_key(arg, x), run_key(arg, y));
	if (c == 0)
		c = x->at < y->at ? -1 : x->at > y->at;
	return c;
}

static void run_add(struct run *r, const void *key, size_t key_len, const void *value, size_t value_len)
{
	struct run_item *i = &r->items[r->n];

	i->prefix = prefix_of(key, key_len);
	i->at = r->len;
	i->key_len = (uint32_t)key_len;
	i->value_len = (uint32_t)value_len;
	memcpy(r->bytes + r->len, key, key_len);
	if (value_len)
		memcpy(r->bytes + r->len + key_len, value, value_len);
	r->len += key_len + value_len;
	r->sorted = r->n == 0 || (r->sorted && run_compare(i - 1, i, r) < 0);
	r->n++;
}

static void run_sort(struct run *r)
{
	if (!r->sorted && r->n > 1)
		qsort_r(r->items, r->n, sizeof(*r->items), run_compare, r);
	r->sorted = true;
}

/* Of a sorted run: is the next item the same key, said later? */
static bool run_replaced(const struct run *r, size_t i)
{
	return i + 1 < r->n && span_compare(run_key(r, &r->items[i]), run_key(r, &r->items[i + 1])) == 0;
}

static void run_release(struct run *r)
{
	free(r->bytes);
	free(r->items);
}

bool load_put(struct index_load *l, enum index_space space, const void *key, size_t key_len,
	      const void *value, size_t value_len)
{
	struct run *r = &l->cycles[l->now].runs[space];

	if (!run_reserve(r, key_len + value_len))
		return false;
	run_add(r, key, key_len, value, value_len);
	return true;
}

/* --- batches */

int batch_stage(const struct index_batch *b, rocksdb_writebatch_t *batch, struct hf_error *err)
{
	CLEANUP(order_release) struct order order = { 0 };
	const struct map_table *t = &b->map.tables[0];

	for (size_t i = 0; i < t->n_buckets; i++)
		for (const struct entry *e = t->buckets[i]; e; e = e->next_hashed)
			if (order_add(&order, e->newest) < 0)
				return hf_error_set(err, -ENOMEM, "apply to the index: no memory");
	order_sort(&order);
	for (size_t i = 0; i < order.n; i++) {
		const struct version *v = order.items[i].version;

		version_stage(&b->index->rocks, batch, v, (struct span){ v->value, v->len });
	}
	return 0;
}

/* --- writing a cycle */

static void destroy_batch(rocksdb_writebatch_t **batch)
{
	rocksdb_writebatch_destroy(*batch);
}

static void stage_run(const struct rocks *r, rocksdb_writebatch_t *batch, int family, const struct run *run)
{
	for (size_t k = 0; k < run->n; k++) {
		const struct run_item *i = &run->items[k];
		const char *key = (const char *)run->bytes + i->at;

		if (!run_replaced(run, k))
			rocksdb_writebatch_put_cf(batch, r->families[family], key, i->key_len,
						  key + i->key_len, i->value_len);
	}
}

static int file_fill(rocksdb_sstfilewriter_t *w, const struct run *run, char **message)
{
	for (size_t k = 0; k < run->n && !*message; k++) {
		const struct run_item *i = &run->items[k];
		const char *key = (const char *)run->bytes + i->at;

		if (!run_replaced(run, k))
			rocksdb_sstfilewriter_put(w, key, i->key_len, key + i->key_len, i->value_len,
						  message);
	}
	if (!*message)
		rocksdb_sstfilewriter_finish(w, message);
	return *message ? -EIO : 0;
}

static int file_write(const struct rocks *r, int family, const char *path, const struct run *run,
		      struct hf_error *err)
{
	rocksdb_options_t *options = rocks_table_options(r, family);
	rocksdb_envoptions_t *env = rocksdb_envoptions_create();
	rocksdb_sstfilewriter_t *w = rocksdb_sstfilewriter_create(env, options);
	char *message = NULL;
	int code = 0;

	rocksdb_sstfilewriter_open(w, path, &message);
	if (!message)
		(void)file_fill(w, run, &message);
	if (message)
		code = rocks_error(message, -EIO, "write a file of the index", err);
	rocksdb_sstfilewriter_destroy(w);
	rocksdb_envoptions_destroy(env);
	rocksdb_options_destroy(options);
	return code;
}

/* The past is most of it, and merging it over and over while it grows would be most of the work. */
static int let_gather(struct index_load *l, int family, struct hf_error *err)
{
	int code = 0;

	if (family == INDEX_PAST && !l->merging_off) {
		code = rocks_set_merging(&l->index->rocks, family, false, err);
		l->merging_off = code == 0;
	}
	return code;
}

static int file_ingest(struct index_load *l, int family, struct run *run, struct hf_error *err)
{
	struct rocks *r = &l->index->rocks;
	CLEANUP(cleanup_free) char *path = NULL;
	int code = let_gather(l, family, err);

	if (code < 0)
		return code;
	if (asprintf(&path, "%s/load-%d.sst", r->dir, family) < 0) {
		path = NULL;
		return hf_error_set(err, -ENOMEM, "load the index: no memory");
	}
	code = file_write(r, family, path, run, err);
	if (code == 0)
		code = rocks_ingest(r, family, path, err);
	if (code < 0)
		(void)unlink(path);
	return code;
}

/* Runs first: see load.h. */
static int write_cycle(struct index_load *l, struct cycle *c, struct hf_error *err)
{
	CLEANUP(destroy_batch) rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
	struct rocks *r = &l->index->rocks;
	int code = 0;

	for (int i = 0; code == 0 && i < INDEX_SPACES; i++) {
		struct run *run = &c->runs[i];

		run_sort(run);
		if (run->len > l->memory_bytes / FILE_FRACTION)
			code = file_ingest(l, i, run, err);
		else
			stage_run(r, batch, i, run);
	}
	if (code == 0)
		code = batch_stage(c->batch, batch, err);
	if (code < 0)
		return code;
	atomic_fetch_add(&l->index->writes, 1);
	return rocks_write(r, batch, c->state.data, c->state.len, err);
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

int load_settle(struct index_load *l, struct hf_error *err)
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

struct index_batch *load_frozen(struct index_load *l, const struct index_batch *b)
{
	assert(b == l->cycles[l->now].batch);
	return l->has_frozen ? l->cycles[!l->now].batch : NULL;
}

static uint64_t batch_memory(const struct index_batch *b)
{
	return b->map.bytes + b->map.entries * ENTRY_MORE_BYTES;
}

static uint64_t run_memory(const struct cycle *c)
{
	uint64_t bytes = 0;

	for (int i = 0; i < INDEX_SPACES; i++)
		bytes += c->runs[i].len + c->runs[i].n * sizeof(*c->runs[i].items);
	return bytes;
}

static void cycle_clear(struct cycle *c)
{
	index_batch_clear(c->batch);
	for (int i = 0; i < INDEX_SPACES; i++) {
		c->runs[i].n = c->runs[i].len = 0;
		c->runs[i].sorted = true;
	}
	buf_clear(&c->state);
}

/* Give the present cycle to the thread, when it is done with the one before, and begin the next. */
static int turn(struct index_load *l, struct hf_error *err)
{
	int code = load_settle(l, err);

	if (code < 0)
		return code;
	cycle_clear(&l->cycles[!l->now]);
	(void)pthread_mutex_lock(&l->lock);
	l->writing = &l->cycles[l->now];
	(void)pthread_cond_signal(&l->work);
	(void)pthread_mutex_unlock(&l->lock);
	l->now = !l->now;
	l->has_frozen = true;
	return 0;
}

int index_load_mark(struct index_load *l, const void *state, size_t state_len, struct hf_error *err)
{
	struct cycle *c = &l->cycles[l->now];

	buf_clear(&c->state);
	buf_add(&c->state, state, state_len);
	if (buf_status(&c->state) < 0 || c->batch->failed)
		return hf_error_set(err, -ENOMEM, "no memory for the change");
	/* Two cycles are in memory, each with what it puts and what it only adds. */
	if (batch_memory(c->batch) < l->memory_bytes / 4 && run_memory(c) < l->memory_bytes / 4)
		return 0;
	return turn(l, err);
}

int index_load_finish(struct index_load *l, struct hf_error *err)
{
	int code = 0;

	if (l->cycles[l->now].state.len > 0)
		code = turn(l, err);
	if (code == 0)
		code = load_settle(l, err);
	return code;
}

struct index_batch *index_load_batch(struct index_load *l)
{
	return l->cycles[l->now].batch;
}

/* --- */

static int cycles_new(struct index_load *l)
{
	for (int i = 0; i < 2; i++) {
		int code = index_batch_new(l->index, &l->cycles[i].batch);

		if (code < 0)
			return code;
		l->cycles[i].batch->load = l;
		cycle_clear(&l->cycles[i]);
	}
	return 0;
}

static void cycles_free(struct index_load *l)
{
	for (int i = 0; i < 2; i++) {
		index_batch_free(l->cycles[i].batch);
		buf_release(&l->cycles[i].state);
		for (int k = 0; k < INDEX_SPACES; k++)
			run_release(&l->cycles[i].runs[k]);
	}
	free(l);
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
	code = cycles_new(l);
	if (code < 0) {
		cycles_free(l);
		return hf_error_set(err, code, "load the index: no memory");
	}
	(void)pthread_mutex_init(&l->lock, NULL);
	(void)pthread_cond_init(&l->work, NULL);
	(void)pthread_cond_init(&l->idle, NULL);
	code = pthread_create(&l->thread, NULL, load_thread, l);
	if (code != 0) {
		cycles_free(l);
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
	if (l->merging_off) /* at worst it goes on at the next opening */
		(void)!rocks_set_merging(&l->index->rocks, INDEX_PAST, true, NULL);
	(void)pthread_cond_destroy(&l->idle);
	(void)pthread_cond_destroy(&l->work);
	(void)pthread_mutex_destroy(&l->lock);
	cycles_free(l);
}
