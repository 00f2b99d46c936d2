/* SPDX-License-Identifier: MIT */
/*
 * Each shard has a table of its frames by place and two lists, most recently used first: a frame enters the
 * probation list; when it is wanted again it moves to the protected list, which may hold most of the bytes;
 * what falls off that list's end goes back to the head of probation; frames leave the cache at the end of
 * probation. So what a long walk reads once passes through probation and leaves the protected frames alone.
 *
 * A frame being read is in the table but in no list. Who wants it meanwhile waits on the shard's condition.
 *
 * Invariants (under the shard's lock)
 *  1. A frame in the table holds one reference for the cache, and one for each caller.
 *  2. bytes is the sum over the frames in both lists, protected_bytes over the protected one.
 */
#include "store/chunk/cache.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/sys/queue.h>

enum {
	SHARDS_MAX = 16,
	SHARD_BYTES_MIN = 8 << 20, /* so that a few of the greatest frames fit into each shard */
	BYTES_PER_BUCKET = 32 << 10,
	BUCKETS_MIN = 64,
	BUCKETS_MAX = 1 << 16,
	PARTS_KNOWN = 256,
};

enum frame_state { FRAME_READING, FRAME_READY, FRAME_FAILED };
enum frame_list_name { LIST_NONE, LIST_PROBATION, LIST_PROTECTED };

struct frame {
	atomic_uint references;
	struct log_pos pos;
	struct buf data;           /* immutable once FRAME_READY */
	struct frame *next_hashed; /* this and the rest: protected by the shard's lock */
	TAILQ_ENTRY(frame) in_list;
	enum frame_state state;
	enum frame_list_name list;
	struct hf_error *error; /* FRAME_FAILED: what the reader was told; NULL without memory */
	int code;
};
TAILQ_HEAD(frame_list, frame);

struct shard {
	pthread_mutex_t lock;
	pthread_cond_t read_done;
	struct frame **buckets; /* this and the rest: protected by lock */
	struct frame_list probation, protected;
	uint64_t bytes, protected_bytes;
	uint64_t hits, misses;
};

struct frame_cache {
	const struct log *log;
	uint64_t max_shard_bytes, max_protected_bytes;
	size_t n_buckets; /* a power of two, as n_shards */
	size_t n_shards;
	struct shard shards[SHARDS_MAX];
	void (*failed)(void *arg, struct log_pos pos, int code, const char *words); /* may be NULL */
	void *failed_arg;
	_Atomic uint64_t parts[PARTS_KNOWN]; /* place_hash of the end of a part read, by its frame */
};

static uint64_t mix(uint64_t v)
{
	uint64_t h = v * 0x9e3779b97f4a7c15u;

	return h ^ h >> 29;
}

static uint64_t pos_hash(struct log_pos pos)
{
	return mix((uint64_t)pos.segment << 32 | pos.offset);
}

/* Of a place in a frame. */
static uint64_t place_hash(struct log_pos pos, size_t off)
{
	return mix(pos_hash(pos) ^ off);
}

static uint64_t frame_bytes(const struct frame *f)
{
	return sizeof(*f) + f->data.cap;
}

void frame_release(struct frame *f)
{
	if (!f || atomic_fetch_sub(&f->references, 1) > 1)
		return;
	buf_release(&f->data);
	free(f->error);
	free(f);
}

const uint8_t *frame_data(const struct frame *f, size_t *ret_len)
{
	*ret_len = f->data.len;
	return f->data.data;
}

static struct frame *frame_new(struct log_pos pos)
{
	struct frame *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	atomic_init(&f->references, 2); /* the caller's and the cache's */
	f->pos = pos;
	f->state = FRAME_READING;
	return f;
}

/* --- one shard; all require its lock */

static struct frame **bucket_of(const struct frame_cache *c, struct shard *s, struct log_pos pos)
{
	return &s->buckets[pos_hash(pos) & (c->n_buckets - 1)];
}

static struct frame *find(const struct frame_cache *c, struct shard *s, struct log_pos pos)
{
	struct frame *f = *bucket_of(c, s, pos);

	while (f && (f->pos.segment != pos.segment || f->pos.offset != pos.offset))
		f = f->next_hashed;
	return f;
}

static void unlist(struct shard *s, struct frame *f)
{
	if (f->list == LIST_NONE)
		return;
	TAILQ_REMOVE(f->list == LIST_PROTECTED ? &s->protected : &s->probation, f, in_list);
	s->bytes -= frame_bytes(f);
	if (f->list == LIST_PROTECTED)
		s->protected_bytes -= frame_bytes(f);
	f->list = LIST_NONE;
}

static void list_first(struct shard *s, struct frame *f, enum frame_list_name list)
{
	unlist(s, f);
	TAILQ_INSERT_HEAD(list == LIST_PROTECTED ? &s->protected : &s->probation, f, in_list);
	s->bytes += frame_bytes(f);
	if (list == LIST_PROTECTED)
		s->protected_bytes += frame_bytes(f);
	f->list = list;
}

/* Out of the cache, and its reference to f with it. */
static void drop(const struct frame_cache *c, struct shard *s, struct frame *f)
{
	struct frame **at = bucket_of(c, s, f->pos);

	while (*at != f)
		at = &(*at)->next_hashed;
	*at = f->next_hashed;
	unlist(s, f);
	frame_release(f);
}

static void make_room(const struct frame_cache *c, struct shard *s)
{
	while (s->protected_bytes > c->max_protected_bytes)
		list_first(s, TAILQ_LAST(&s->protected, frame_list), LIST_PROBATION);
	while (s->bytes > c->max_shard_bytes) {
		struct frame *last = TAILQ_LAST(&s->probation, frame_list);

		drop(c, s, last ? last : TAILQ_LAST(&s->protected, frame_list));
	}
}

/* --- reading */

static void tell_failed(const struct frame_cache *c, struct log_pos pos, int code,
			const struct hf_error *error)
{
	if (c->failed)
		c->failed(c->failed_arg, pos, code, error->code ? error->text : hf_strerror(code));
}

/* The reader: no lock is held. */
static void read_frame(const struct frame_cache *c, struct frame *f, size_t expected, struct hf_error *error)
{
	uint8_t *fitting;

	f->code = log_read_frame(c->log, f->pos, expected, &f->data, error);
	if (f->code < 0 || f->data.cap - f->data.len <= f->data.len / 8)
		return;
	fitting = realloc(f->data.data, f->data.len ? f->data.len : 1);
	if (fitting) {
		f->data.data = fitting;
		f->data.cap = f->data.len ? f->data.len : 1;
	}
}

static void read_finished(const struct frame_cache *c, struct shard *s, struct frame *f,
			  const struct hf_error *error)
{
	if (f->code < 0) {
		f->state = FRAME_FAILED;
		f->error = malloc(sizeof(*f->error));
		if (f->error)
			*f->error = *error;
		drop(c, s, f);
	} else {
		f->state = FRAME_READY;
		if (frame_bytes(f) > c->max_shard_bytes) {
			drop(c, s, f);
		} else {
			list_first(s, f, LIST_PROBATION);
			make_room(c, s);
		}
	}
	pthread_cond_broadcast(&s->read_done);
}

/* Not in the cache: read it, while others who want it wait. Requires the shard's lock, which it gives up. */
static int get_missing(struct frame_cache *c, struct shard *s, struct log_pos pos, size_t expected,
		       struct frame **ret, struct hf_error *err)
{
	struct hf_error error = HF_ERROR_INIT;
	struct frame *f = frame_new(pos), **head = bucket_of(c, s, pos);
	int code;

	if (!f) {
		pthread_mutex_unlock(&s->lock);
		return hf_error_set(err, -ENOMEM, "no memory to read the log");
	}
	s->misses++;
	f->next_hashed = *head;
	*head = f;
	pthread_mutex_unlock(&s->lock);
	read_frame(c, f, expected, &error);
	pthread_mutex_lock(&s->lock);
	read_finished(c, s, f, &error);
	pthread_mutex_unlock(&s->lock);
	code = f->code;
	if (code < 0) {
		tell_failed(c, pos, code, &error);
		if (err)
			*err = error;
		frame_release(f);
		return code;
	}
	*ret = f;
	return 0;
}

/* In the table, perhaps still being read. Requires the shard's lock, which it gives up. */
static int get_known(struct frame_cache *c, struct shard *s, struct frame *f, struct frame **ret,
		     struct hf_error *err)
{
	int code;

	s->hits++;
	atomic_fetch_add(&f->references, 1);
	while (f->state == FRAME_READING)
		pthread_cond_wait(&s->read_done, &s->lock);
	if (f->list != LIST_NONE) {
		list_first(s, f, LIST_PROTECTED);
		make_room(c, s);
	}
	pthread_mutex_unlock(&s->lock);
	if (f->state == FRAME_READY) {
		*ret = f;
		return 0;
	}
	code = f->code;
	if (err && f->error)
		*err = *f->error;
	else
		hf_error_set(err, code, "cannot read the log");
	frame_release(f);
	return code;
}

static struct shard *shard_of(struct frame_cache *c, struct log_pos pos)
{
	return &c->shards[(pos_hash(pos) >> 48) & (c->n_shards - 1)];
}

/* Does this part begin where the last one of its frame ended? Its own end is remembered. */
static bool goes_on(struct frame_cache *c, struct log_pos pos, size_t off, size_t len)
{
	_Atomic uint64_t *last = &c->parts[(pos_hash(pos) >> 40) % PARTS_KNOWN];
	uint64_t before = atomic_exchange_explicit(last, place_hash(pos, off + len), memory_order_relaxed);

	return before == place_hash(pos, off);
}

int frame_cache_part(struct frame_cache *c, struct log_pos pos, const struct log_seal *seal, size_t off,
		     size_t len, void *out, struct hf_error *err)
{
	struct shard *s = shard_of(c, pos);
	struct hf_error error = HF_ERROR_INIT;
	bool known;
	int r;

	pthread_mutex_lock(&s->lock);
	known = find(c, s, pos);
	pthread_mutex_unlock(&s->lock);
	if (known || goes_on(c, pos, off, len))
		return 0;
	r = log_read_part(c->log, pos, seal, off, len, out, &error);
	if (r < 0) {
		tell_failed(c, pos, r, &error);
		if (err)
			*err = error;
	}
	return r;
}

int frame_cache_get(struct frame_cache *c, struct log_pos pos, size_t expected, struct frame **ret,
		    struct hf_error *err)
{
	struct shard *s = shard_of(c, pos);
	struct frame *f;

	pthread_mutex_lock(&s->lock);
	f = find(c, s, pos);
	return f ? get_known(c, s, f, ret, err) : get_missing(c, s, pos, expected, ret, err);
}

/* --- the whole */

void frame_cache_watch(struct frame_cache *c,
		       void (*failed)(void *arg, struct log_pos pos, int code, const char *words), void *arg)
{
	c->failed = failed;
	c->failed_arg = arg;
}

static size_t bucket_count(uint64_t shard_bytes)
{
	size_t n = BUCKETS_MIN;

	while (n < BUCKETS_MAX && n * BYTES_PER_BUCKET < shard_bytes)
		n *= 2;
	return n;
}

static int shard_init(struct shard *s, size_t n_buckets)
{
	TAILQ_INIT(&s->probation);
	TAILQ_INIT(&s->protected);
	s->buckets = calloc(n_buckets, sizeof(struct frame *));
	if (!s->buckets)
		return -ENOMEM;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->read_done, NULL);
	return 0;
}

int frame_cache_new(const struct log *log, uint64_t max_bytes, struct frame_cache **ret)
{
	struct frame_cache *c = calloc(1, sizeof(*c));
	size_t n_shards = 1;
	int r = 0;

	if (!c)
		return -ENOMEM;
	while (n_shards < SHARDS_MAX && n_shards * 2 * SHARD_BYTES_MIN <= max_bytes)
		n_shards *= 2;
	c->log = log;
	c->max_shard_bytes = max_bytes / n_shards;
	c->max_protected_bytes = c->max_shard_bytes / 5 * 4;
	c->n_buckets = bucket_count(c->max_shard_bytes);
	while (r == 0 && c->n_shards < n_shards) {
		r = shard_init(&c->shards[c->n_shards], c->n_buckets);
		c->n_shards += r == 0;
	}
	if (r < 0) {
		frame_cache_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

void frame_cache_free(struct frame_cache *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n_shards; i++) {
		struct shard *s = &c->shards[i];

		for (size_t b = 0; b < c->n_buckets; b++) {
			while (s->buckets[b]) {
				assert(s->buckets[b]->state == FRAME_READY);
				drop(c, s, s->buckets[b]);
			}
		}
		pthread_cond_destroy(&s->read_done);
		pthread_mutex_destroy(&s->lock);
		free(s->buckets);
	}
	free(c);
}

void frame_cache_stats(const struct frame_cache *c, struct frame_cache_stats *ret)
{
	struct frame_cache_stats sum = { 0 };

	for (size_t i = 0; i < c->n_shards; i++) {
		struct shard *s = (struct shard *)&c->shards[i]; /* to lock it */

		pthread_mutex_lock(&s->lock);
		sum.bytes += s->bytes;
		sum.hits += s->hits;
		sum.misses += s->misses;
		pthread_mutex_unlock(&s->lock);
	}
	*ret = sum;
}
