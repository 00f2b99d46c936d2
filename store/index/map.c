/* SPDX-License-Identifier: MIT */
#include "store/index/map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BUCKETS = 64, SWEEP_AHEAD = 8 };

int span_compare(struct span a, struct span b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int c = n ? memcmp(a.data, b.data, n) : 0;

	if (c != 0)
		return c;
	return (a.len > b.len) - (a.len < b.len);
}

static int entry_compare(const struct entry *a, const struct entry *b)
{
	return span_compare(entry_key(a), entry_key(b));
}

RB_PROTOTYPE(entry_tree, entry, in_tree, entry_compare)
RB_GENERATE(entry_tree, entry, in_tree, entry_compare)

int map_init(struct map *m, unsigned table_bits)
{
	size_t n_tables = (size_t)1 << table_bits;

	memset(m, 0, sizeof(*m));
	m->tables = calloc(n_tables, sizeof(*m->tables));
	if (!m->tables)
		return -ENOMEM;
	m->table_bits = table_bits;
	for (int i = 0; i < INDEX_SPACES; i++) {
		RB_INIT(&m->sorted[i]);
		TAILQ_INIT(&m->unsorted[i]);
	}
	for (size_t i = 0; i < n_tables; i++) {
		m->tables[i].buckets = calloc(FIRST_BUCKETS, sizeof(*m->tables[i].buckets));
		if (!m->tables[i].buckets) {
			map_release(m);
			return -ENOMEM;
		}
		m->tables[i].n_buckets = FIRST_BUCKETS;
	}
	return 0;
}

static void *take(struct pool *pool, size_t len)
{
	return pool ? pool_take(pool, len) : malloc(len);
}

static void give(struct pool *pool, void *thing, size_t len)
{
	if (pool)
		pool_give(pool, thing, len);
	else
		free(thing);
}

static void entry_give(struct pool *pool, struct entry *e)
{
	struct linked *older;

	if (pool)
		pool_give(pool, e->newest, version_bytes(e->newest));
	for (struct linked *v = pool ? NULL : linked_of(e->newest); v; v = older) {
		older = v->older;
		free(v);
	}
	give(pool, e, entry_bytes(e));
}

static void chain_give(struct pool *pool, struct entry *e)
{
	struct entry *next;

	for (; e; e = next) {
		next = e->next_hashed;
		entry_give(pool, e);
	}
}

void entries_free(struct entry *e)
{
	chain_give(NULL, e);
}

void map_release(struct map *m)
{
	if (!m->tables)
		return;
	for (size_t i = 0; i < (size_t)1 << m->table_bits; i++) {
		for (size_t b = 0; b < m->tables[i].n_buckets; b++)
			chain_give(m->pool, m->tables[i].buckets[b]);
		free(m->tables[i].buckets);
	}
	free(m->tables);
	memset(m, 0, sizeof(*m));
}

/* Two words into one, every bit of both spread over it: the halves of their product. */
static inline uint64_t fold(uint64_t a, uint64_t b)
{
	__extension__ unsigned __int128 p = (unsigned __int128)a * b;

	return (uint64_t)p ^ (uint64_t)(p >> 64);
}

struct map_key map_key_of(uint64_t seed, enum index_space space, const void *key, size_t key_len)
{
	static const uint64_t odd[2] = { 0x9e3779b97f4a7c15u, 0xd6e8feb86659fd93u };
	const uint8_t *p = key;
	uint64_t h = seed ^ odd[0] * (uint64_t)(space + 1u);
	uint64_t word;
	size_t left = key_len;

	for (; left >= 8; p += 8, left -= 8) {
		memcpy(&word, p, 8);
		h = fold(h ^ word, odd[1]);
	}
	word = key_len;
	for (size_t i = 0; i < left; i++)
		word = word << 8 | p[i];
	h = fold(h ^ word, odd[0]);
	return (struct map_key){ .data = key, .len = key_len, .hash = fold(h, odd[1]), .space = space };
}

static struct map_table *table_of(const struct map *m, uint64_t hash)
{
	return &m->tables[m->table_bits ? hash >> (64 - m->table_bits) : 0];
}

struct entry *map_find(const struct map *m, const struct map_key *key)
{
	const struct map_table *t = table_of(m, key->hash);

	for (struct entry *e = t->buckets[key->hash & (t->n_buckets - 1)]; e; e = e->next_hashed)
		if (e->hash == key->hash && e->key_len == key->len && e->space == (uint8_t)key->space &&
		    memcmp(e->key, key->data, key->len) == 0)
			return e;
	return NULL;
}

/* In no map, without a version. NULL: no memory. */
static struct entry *entry_new(struct pool *pool, const struct map_key *key)
{
	struct entry *e = take(pool, sizeof(*e) + key->len);

	if (!e)
		return NULL;
	memset(e, 0, sizeof(*e));
	e->hash = key->hash;
	e->key_len = (uint16_t)key->len;
	e->space = (uint8_t)key->space;
	if (key->len)
		memcpy(e->key, key->data, key->len);
	return e;
}

/* Twice the buckets. Without memory for them the table stays as it is, only slower. */
static void table_grow(struct map_table *t)
{
	size_t n_buckets = t->n_buckets * 2;
	struct entry **buckets = calloc(n_buckets, sizeof(*buckets));
	struct entry *next;

	if (!buckets)
		return;
	for (size_t b = 0; b < t->n_buckets; b++) {
		for (struct entry *e = t->buckets[b]; e; e = next) {
			struct entry **head = &buckets[e->hash & (n_buckets - 1)];

			next = e->next_hashed;
			e->next_hashed = *head;
			*head = e;
		}
	}
	free(t->buckets);
	t->buckets = buckets;
	t->n_buckets = n_buckets;
}

void map_insert(struct map *m, struct entry *e)
{
	struct map_table *t = table_of(m, e->hash);
	struct entry **head;

	if (t->n >= t->n_buckets)
		table_grow(t);
	head = &t->buckets[e->hash & (t->n_buckets - 1)];
	e->next_hashed = *head;
	*head = e;
	t->n++;
	e->sorted = false;
	TAILQ_INSERT_TAIL(&m->unsorted[e->space], e, in_list);
	m->entries++;
	m->bytes += entry_bytes(e);
}

/* From everywhere but its bucket. */
static void unlink_entry(struct map *m, struct map_table *t, struct entry *e)
{
	t->n--;
	if (e->sorted)
		(void)RB_REMOVE(entry_tree, &m->sorted[e->space], e);
	else
		TAILQ_REMOVE(&m->unsorted[e->space], e, in_list);
	m->entries--;
	m->bytes -= entry_bytes(e);
}

void map_remove(struct map *m, struct entry *e)
{
	struct map_table *t = table_of(m, e->hash);
	struct entry **at = &t->buckets[e->hash & (t->n_buckets - 1)];

	while (*at != e)
		at = &(*at)->next_hashed;
	*at = e->next_hashed;
	unlink_entry(m, t, e);
}

/* Empty buckets again: as many as before, or the first few when most were not used. */
static void table_clear(struct map_table *t)
{
	struct entry **fewer;

	if (t->n_buckets > FIRST_BUCKETS && t->n < t->n_buckets / 8) {
		fewer = realloc(t->buckets, FIRST_BUCKETS * sizeof(*t->buckets));
		if (fewer) {
			t->buckets = fewer;
			t->n_buckets = FIRST_BUCKETS;
		}
	}
	memset(t->buckets, 0, t->n_buckets * sizeof(*t->buckets));
	t->n = 0;
}

struct entry *map_take_all(struct map *m)
{
	struct entry *all = NULL, *next;

	for (size_t i = 0; i < (size_t)1 << m->table_bits; i++) {
		struct map_table *t = &m->tables[i];

		for (size_t b = 0; b < t->n_buckets; b++) {
			for (struct entry *e = t->buckets[b]; e; e = next) {
				next = e->next_hashed;
				e->next_hashed = all;
				all = e;
			}
		}
		table_clear(t);
	}
	for (int i = 0; i < INDEX_SPACES; i++) {
		RB_INIT(&m->sorted[i]);
		TAILQ_INIT(&m->unsorted[i]);
	}
	m->entries = 0;
	m->bytes = 0;
	return all;
}

static struct version *version_or_none(struct linked *v)
{
	return v ? &v->version : NULL;
}

struct linked *map_add_version(struct map *m, struct entry *e, struct linked *v)
{
	struct linked *newer = NULL, *at = linked_of(e->newest), *same = NULL;

	for (; at && at->group > v->group; at = at->older)
		newer = at;
	if (at && at->group == v->group) {
		same = at;
		at = same->older;
		m->bytes -= version_bytes(&same->version);
	}
	v->entry = e;
	v->older = at;
	if (newer)
		newer->older = v;
	else
		e->newest = &v->version;
	m->bytes += version_bytes(&v->version);
	return same;
}

void map_drop_version(struct map *m, struct linked *v)
{
	struct entry *e = v->entry;
	struct linked *newer = NULL;

	for (struct linked *at = linked_of(e->newest); at != v; at = at->older)
		newer = at;
	if (newer)
		newer->older = v->older;
	else
		e->newest = version_or_none(v->older);
	m->bytes -= version_bytes(&v->version);
}

static void version_fill(struct version *v, const void *value, size_t len, bool deleted)
{
	v->len = (uint32_t)len;
	v->deleted = deleted;
	if (len)
		memcpy(v->value, value, len);
}

/* As the map has them: by itself, or linked. NULL: no memory. */
static struct version *version_new(struct pool *pool, const void *value, size_t len, bool deleted)
{
	struct version *v;

	if (pool)
		v = pool_take(pool, sizeof(*v) + len);
	else
		v = version_or_none(calloc(1, sizeof(struct linked) + len));
	if (v)
		version_fill(v, value, len, deleted);
	return v;
}

static void version_give(struct pool *pool, struct version *v)
{
	if (pool)
		pool_give(pool, v, version_bytes(v));
	else
		free(linked_of(v));
}

/* In place of the one there is. */
static void set_version(struct map *m, struct entry *e, struct version *v)
{
	struct version *old = e->newest;

	if (old) {
		m->bytes -= version_bytes(old);
		version_give(m->pool, old);
	}
	if (!m->pool)
		linked_of(v)->entry = e;
	e->newest = v;
	m->bytes += version_bytes(v);
}

/* Is there room for the new value where the old one is? */
static bool fits_in_place(const struct map *m, const struct version *old, size_t len)
{
	return m->pool && pool_same(version_bytes(old), sizeof(*old) + len);
}

struct entry *map_put(struct map *m, const struct map_key *key, const void *value, size_t len, bool deleted)
{
	struct entry *e = map_find(m, key);
	struct version *v;

	if (e && fits_in_place(m, e->newest, len)) {
		m->bytes += len - e->newest->len;
		version_fill(e->newest, value, len, deleted);
		return e;
	}
	v = version_new(m->pool, value, len, deleted);
	if (!v)
		return NULL;
	if (!e) {
		e = entry_new(m->pool, key);
		if (!e) {
			version_give(m->pool, v);
			return NULL;
		}
		map_insert(m, e);
	}
	set_version(m, e, v);
	return e;
}

void map_forget(struct map *m, struct entry *e)
{
	map_remove(m, e);
	m->bytes -= version_bytes(e->newest);
	entry_give(m->pool, e);
}

static void sweep_chain(struct map *m, struct map_table *t, struct entry **at, map_sweep_fn *fn, void *arg)
{
	while (*at) {
		struct entry *e = *at;

		if (fn(arg, e)) {
			at = &e->next_hashed;
			continue;
		}
		*at = e->next_hashed;
		unlink_entry(m, t, e);
		m->bytes -= version_bytes(e->newest);
		entry_give(m->pool, e);
	}
}

void map_sweep(struct map *m, uint64_t from, map_sweep_fn *fn, void *arg)
{
	for (size_t i = 0; i < (size_t)1 << m->table_bits; i++) {
		struct map_table *t = &m->tables[i];

		for (size_t b = 0; b < t->n_buckets; b++) {
			__builtin_prefetch(t->buckets[(from + b + SWEEP_AHEAD) & (t->n_buckets - 1)]);
			sweep_chain(m, t, &t->buckets[(from + b) & (t->n_buckets - 1)], fn, arg);
		}
	}
}

bool map_sort(struct map *m, enum index_space space, size_t max)
{
	struct entry_list *list = &m->unsorted[space];

	for (size_t i = 0; i < max && !TAILQ_EMPTY(list); i++) {
		struct entry *e = TAILQ_FIRST(list);

		TAILQ_REMOVE(list, e, in_list);
		e->sorted = true;
		(void)RB_INSERT(entry_tree, &m->sorted[space], e);
	}
	return TAILQ_EMPTY(list);
}

struct entry *map_at_or_after(struct map *m, enum index_space space, struct span key)
{
	struct entry *found = NULL;

	for (struct entry *e = RB_ROOT(&m->sorted[space]); e;) {
		if (span_compare(entry_key(e), key) >= 0) {
			found = e;
			e = RB_LEFT(e, in_tree);
		} else {
			e = RB_RIGHT(e, in_tree);
		}
	}
	return found;
}

struct entry *map_before(struct map *m, enum index_space space, struct span key)
{
	struct entry *found = NULL;

	if (key.len == 0)
		return RB_MAX(entry_tree, &m->sorted[space]);
	for (struct entry *e = RB_ROOT(&m->sorted[space]); e;) {
		if (span_compare(entry_key(e), key) < 0) {
			found = e;
			e = RB_RIGHT(e, in_tree);
		} else {
			e = RB_LEFT(e, in_tree);
		}
	}
	return found;
}

struct entry *map_next(struct entry *e)
{
	return RB_NEXT(entry_tree, NULL, e);
}

struct entry *map_prev(struct entry *e)
{
	return RB_PREV(entry_tree, NULL, e);
}
