/* SPDX-License-Identifier: MIT */
#include "store/node/nonces.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>

/* A lack of memory must fail the call, not the process. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

enum {
	REACH_S = HTTP_SIG_CLOCK_SLACK_S + NONCES_CLOCK_STEP_S, /* how far from now what is kept was signed */
	SECONDS = 1024,
};

static_assert(2 * REACH_S + 1 <= SECONDS, "each second within reach has a place of its own");

struct nonce {
	uint8_t id[SHORT_HASH_BYTES];
	struct nonce *next; /* signed in the same second */
	UT_hash_handle hh;
};

struct second {
	uint64_t created_s; /* while there are any */
	struct nonce *first;
};

struct nonces {
	pthread_mutex_t lock; /* for all that follows */
	struct nonce *table;
	struct second seconds[SECONDS]; /* by created_s, modulo their number */
	uint64_t now_s;                 /* all that is kept is within reach of this */
	uint64_t floor_s;               /* what was signed before is not known any more; 0: of nothing */
	uint64_t told_s;                /* 0: never */
};

int nonces_new(struct nonces **ret)
{
	struct nonces *n = calloc(1, sizeof(*n));

	if (!n)
		return -ENOMEM;
	(void)pthread_mutex_init(&n->lock, NULL);
	*ret = n;
	return 0;
}

/* All that follows up to nonces_add requires n->lock, or that nobody else has n. */
static void drop_second(struct nonces *n, struct second *s)
{
	while (s->first) {
		struct nonce *one = s->first;

		s->first = one->next;
		HASH_DEL(n->table, one);
		free(one);
	}
}

static void drop_all(struct nonces *n)
{
	for (size_t i = 0; i < SECONDS; i++)
		drop_second(n, &n->seconds[i]);
	n->floor_s = 0;
}

void nonces_free(struct nonces *n)
{
	if (!n)
		return;
	drop_all(n);
	(void)pthread_mutex_destroy(&n->lock);
	free(n);
}

static bool within_reach(uint64_t created_s, uint64_t now_s)
{
	return created_s + REACH_S >= now_s && created_s <= now_s + REACH_S;
}

/* Let go of what is not accepted any more, and of what a clock that was ahead has left. */
static void move_to(struct nonces *n, uint64_t now_s)
{
	if (now_s == n->now_s)
		return;
	for (size_t i = 0; i < SECONDS; i++)
		if (n->seconds[i].first && !within_reach(n->seconds[i].created_s, now_s))
			drop_second(n, &n->seconds[i]);
	if (n->floor_s > now_s + REACH_S + 1)
		n->floor_s = 0;
	n->now_s = now_s;
}

static void drop_earliest(struct nonces *n)
{
	struct second *earliest = NULL;

	for (size_t i = 0; i < SECONDS; i++)
		if (n->seconds[i].first && (!earliest || n->seconds[i].created_s < earliest->created_s))
			earliest = &n->seconds[i];
	assert(earliest);
	n->floor_s = earliest->created_s + 1;
	drop_second(n, earliest);
}

static int keep(struct nonces *n, const uint8_t id[SHORT_HASH_BYTES], uint64_t created_s)
{
	struct second *s = &n->seconds[created_s % SECONDS];
	struct nonce *one = calloc(1, sizeof(*one));

	if (!one)
		return -ENOMEM;
	memcpy(one->id, id, SHORT_HASH_BYTES);
	HASH_ADD(hh, n->table, id, SHORT_HASH_BYTES, one);
	if (!one->hh.tbl) {
		free(one);
		return -ENOMEM;
	}
	s->created_s = created_s;
	one->next = s->first;
	s->first = one;
	return 0;
}

static bool may_tell(struct nonces *n, uint64_t now_s)
{
	if (n->told_s && now_s >= n->told_s && now_s - n->told_s < NONCES_TELL_EVERY_S)
		return false;
	n->told_s = now_s;
	return true;
}

static int add_locked(struct nonces *n, const uint8_t id[SHORT_HASH_BYTES], uint64_t created_s,
		      uint64_t now_s)
{
	struct nonce *one;
	bool full;
	int r;

	HASH_FIND(hh, n->table, id, SHORT_HASH_BYTES, one);
	if (one)
		return -EEXIST;
	move_to(n, now_s);
	if (!within_reach(created_s, now_s))
		return -ESTALE;
	full = HASH_COUNT(n->table) >= NONCES_MAX;
	if (full && created_s >= n->floor_s)
		drop_earliest(n);
	if (created_s < n->floor_s)
		return n->floor_s <= now_s ? -ESTALE : -EBUSY;
	r = keep(n, id, created_s);
	return r == 0 && full && may_tell(n, now_s) ? 1 : r;
}

int nonces_add(struct nonces *n, const struct http_sig_params *params, uint64_t now_s)
{
	uint8_t id[SHORT_HASH_BYTES];
	struct hash h;
	int r;

	hash_begin(&h, "holdfast nonce", sizeof(id));
	hash_add(&h, params->key, sizeof(params->key));
	hash_add(&h, params->nonce, sizeof(params->nonce));
	hash_end(&h, id, sizeof(id));
	(void)pthread_mutex_lock(&n->lock);
	r = add_locked(n, id, params->created_s, now_s);
	(void)pthread_mutex_unlock(&n->lock);
	return r;
}

void nonces_clear(struct nonces *n)
{
	(void)pthread_mutex_lock(&n->lock);
	drop_all(n);
	(void)pthread_mutex_unlock(&n->lock);
}
