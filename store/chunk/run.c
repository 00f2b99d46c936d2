/* SPDX-License-Identifier: MIT */
#include "store/chunk/run.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Small appends are gathered into parts that double up to this. */
enum { PART_GROW_MAX = 256 << 10, PART_COPY_MAX = 32 << 10, FIRST_SLOTS = 1024 };

struct run {
	uint64_t id;
	uint32_t len;
	struct run_part *first, *last; /* NULL when resolved */
	struct piece *pieces;          /* what it has become */
	size_t n_pieces;
};

/* Runs come and go about in the order of their numbers: those there are lie in a ring. */
struct run_table {
	pthread_rwlock_t lock; /* protects everything below */
	uint64_t first_id;     /* none below it is there */
	uint64_t last_id;
	struct run **slots; /* of number n: n % n_slots */
	size_t n_slots;     /* a power of two */
};

int run_table_new(struct run_table **ret)
{
	struct run_table *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->slots = calloc(FIRST_SLOTS, sizeof(*t->slots));
	if (!t->slots) {
		free(t);
		return -ENOMEM;
	}
	t->n_slots = FIRST_SLOTS;
	t->first_id = 1;
	(void)pthread_rwlock_init(&t->lock, NULL);
	*ret = t;
	return 0;
}

static void run_free_parts(struct run *r)
{
	struct run_part *p = r->first;

	while (p) {
		struct run_part *next = p->next;

		free(p);
		p = next;
	}
	r->first = r->last = NULL;
}

static void run_free(struct run *r)
{
	run_free_parts(r);
	free(r->pieces);
	free(r);
}

void run_table_free(struct run_table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n_slots; i++)
		if (t->slots[i])
			run_free(t->slots[i]);
	free(t->slots);
	(void)pthread_rwlock_destroy(&t->lock);
	free(t);
}

static struct run_part *part_alloc(size_t cap)
{
	struct run_part *p = malloc(sizeof(*p) + cap);

	if (!p)
		return NULL;
	p->next = NULL;
	p->start = 0;
	p->len = 0;
	p->cap = (uint32_t)cap;
	return p;
}

struct run_part *run_part_new(const void *data, size_t len)
{
	struct run_part *p;

	assert(len > 0 && len <= RUN_BYTES_MAX);
	p = part_alloc(len);
	if (!p)
		return NULL;
	memcpy(p->data, data, len);
	p->len = (uint32_t)len;
	return p;
}

static struct run *run_find(const struct run_table *t, uint64_t id)
{
	struct run *r = t->slots[id & (t->n_slots - 1)];

	return r && r->id == id ? r : NULL;
}

/* Room for the next number. */
static int make_room(struct run_table *t)
{
	const size_t n = t->n_slots * 2;
	struct run **slots;

	if (t->last_id + 1 - t->first_id < t->n_slots)
		return 0;
	slots = calloc(n, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	for (uint64_t id = t->first_id; id <= t->last_id; id++)
		slots[id & (n - 1)] = t->slots[id & (t->n_slots - 1)];
	free(t->slots);
	t->slots = slots;
	t->n_slots = n;
	return 0;
}

uint64_t run_start(struct run_table *t, struct run_part *part)
{
	struct run *r = calloc(1, sizeof(*r));
	uint64_t id = 0;

	if (!r) {
		free(part);
		return 0;
	}
	r->first = r->last = part;
	r->len = part->len;
	(void)pthread_rwlock_wrlock(&t->lock);
	if (make_room(t) == 0) {
		id = r->id = ++t->last_id;
		t->slots[id & (t->n_slots - 1)] = r;
	}
	(void)pthread_rwlock_unlock(&t->lock);
	if (!id)
		run_free(r);
	return id;
}

/* A part with room to grow for a run that is being appended to in small steps. */
static struct run_part *part_for_growth(const struct run *r, struct run_part *part)
{
	size_t cap = r->len < PART_GROW_MAX ? r->len : PART_GROW_MAX;
	struct run_part *bigger;

	if (part->len >= PART_COPY_MAX || cap <= part->len)
		return part;
	bigger = part_alloc(cap);
	if (!bigger)
		return part;
	memcpy(bigger->data, part->data, part->len);
	bigger->len = part->len;
	free(part);
	return bigger;
}

int run_extend(struct run_table *t, uint64_t id, struct run_part *part)
{
	struct run *r;
	int ret = 0;

	(void)pthread_rwlock_wrlock(&t->lock);
	r = run_find(t, id);
	assert(r && r->last);
	if (part->len > RUN_BYTES_MAX - r->len) {
		ret = -EFBIG;
	} else if (part->len <= r->last->cap - r->last->len) {
		memcpy(r->last->data + r->last->len, part->data, part->len);
		r->last->len += part->len;
		r->len += part->len;
		free(part);
	} else {
		part = part_for_growth(r, part);
		part->start = r->len;
		r->last->next = part;
		r->last = part;
		r->len += part->len;
	}
	(void)pthread_rwlock_unlock(&t->lock);
	return ret;
}

static void parts_copy(const struct run_part *p, uint32_t off, uint32_t len, uint8_t *out)
{
	while (p && off >= p->start + p->len)
		p = p->next;
	while (len > 0) {
		uint32_t skip, n;

		assert(p);
		skip = off - p->start;
		n = p->len - skip < len ? p->len - skip : len;
		memcpy(out, p->data + skip, n);
		out += n;
		off += n;
		len -= n;
		p = p->next;
	}
}

int run_read(struct run_table *t, uint64_t id, uint32_t off, uint32_t len, void *out)
{
	struct run *r;
	int ret = 0;

	(void)pthread_rwlock_rdlock(&t->lock);
	r = run_find(t, id);
	if (r && r->first) {
		assert(off <= r->len && len <= r->len - off);
		parts_copy(r->first, off, len, out);
	} else {
		ret = -ENOENT;
	}
	(void)pthread_rwlock_unlock(&t->lock);
	return ret;
}

const struct run_part *run_parts(struct run_table *t, uint64_t id, uint32_t *ret_len)
{
	struct run *r;

	(void)pthread_rwlock_rdlock(&t->lock);
	r = run_find(t, id);
	assert(r && r->first);
	*ret_len = r->len;
	(void)pthread_rwlock_unlock(&t->lock);
	return r->first;
}

void run_resolve(struct run_table *t, uint64_t id, struct piece *pieces, size_t n)
{
	struct run_part *parts;
	struct run *r;

	(void)pthread_rwlock_wrlock(&t->lock);
	r = run_find(t, id);
	assert(r && r->first);
	parts = r->first;
	r->first = r->last = NULL;
	r->pieces = pieces;
	r->n_pieces = n;
	(void)pthread_rwlock_unlock(&t->lock);
	while (parts) {
		struct run_part *next = parts->next;

		free(parts);
		parts = next;
	}
}

int piece_push(struct piece **pieces, size_t *n, size_t *cap, struct piece p)
{
	if (*n == *cap) {
		size_t more = *cap ? *cap * 2 : 8;
		struct piece *grown = realloc(*pieces, more * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		*pieces = grown;
		*cap = more;
	}
	(*pieces)[(*n)++] = p;
	return 0;
}

int run_translate(struct run_table *t, uint64_t id, uint32_t off, uint32_t len, struct piece **pieces,
		  size_t *n, size_t *cap)
{
	struct run *r;
	uint32_t at = 0;
	int ret = 0;

	(void)pthread_rwlock_rdlock(&t->lock);
	r = run_find(t, id);
	if (!r) {
		ret = -ENOENT;
	} else if (r->pieces) {
		ret = 1;
		for (size_t i = 0; i < r->n_pieces && len > 0; i++) {
			struct piece p = r->pieces[i];
			uint32_t skip = off > at ? off - at : 0;

			at += p.len;
			if (skip >= p.len)
				continue;
			p.off += skip;
			p.len -= skip;
			if (p.len > len)
				p.len = len;
			off += p.len;
			len -= p.len;
			if (piece_push(pieces, n, cap, p) < 0) {
				ret = -ENOMEM;
				break;
			}
		}
		assert(ret < 0 || len == 0);
	}
	(void)pthread_rwlock_unlock(&t->lock);
	return ret;
}

void run_drop(struct run_table *t, uint64_t id)
{
	struct run *r;

	(void)pthread_rwlock_wrlock(&t->lock);
	r = run_find(t, id);
	if (r)
		t->slots[id & (t->n_slots - 1)] = NULL;
	while (t->first_id <= t->last_id && !t->slots[t->first_id & (t->n_slots - 1)])
		t->first_id++;
	(void)pthread_rwlock_unlock(&t->lock);
	if (r)
		run_free(r);
}
