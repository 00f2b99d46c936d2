/* SPDX-License-Identifier: MIT */
#include "store/node/nonces.h"

#include <errno.h>
#include <pthread.h>

/* A lack of memory must fail the call, not the process. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct nonce {
	uint8_t id[SHORT_HASH_BYTES];
	uint64_t until_s;
	UT_hash_handle hh;
};

struct nonces {
	pthread_mutex_t lock;
	struct nonce *table; /* in order of insertion: that of until_s while the clock does not jump */
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

static void drop(struct nonces *n, struct nonce *one)
{
	HASH_DEL(n->table, one);
	free(one);
}

void nonces_free(struct nonces *n)
{
	if (!n)
		return;
	while (n->table)
		drop(n, n->table);
	(void)pthread_mutex_destroy(&n->lock);
	free(n);
}

static int add_locked(struct nonces *n, const uint8_t id[SHORT_HASH_BYTES], uint64_t now_s)
{
	struct nonce *one;

	HASH_FIND(hh, n->table, id, SHORT_HASH_BYTES, one);
	if (one)
		return -EEXIST;
	while (n->table && n->table->until_s < now_s)
		drop(n, n->table);
	if (HASH_COUNT(n->table) >= NONCES_MAX)
		return -EBUSY;
	one = calloc(1, sizeof(*one));
	if (!one)
		return -ENOMEM;
	memcpy(one->id, id, SHORT_HASH_BYTES);
	/* `created` may lie as far in the future as the slack, and is accepted for the slack behind that. */
	one->until_s = now_s + 2 * HTTP_SIG_CLOCK_SLACK_S + 1;
	HASH_ADD(hh, n->table, id, SHORT_HASH_BYTES, one);
	if (!one->hh.tbl) {
		free(one);
		return -ENOMEM;
	}
	return 0;
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
	r = add_locked(n, id, now_s);
	(void)pthread_mutex_unlock(&n->lock);
	return r;
}
