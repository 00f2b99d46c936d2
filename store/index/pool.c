/* SPDX-License-Identifier: MIT */
#include "store/index/pool.h"

#include <assert.h>
#include <stdlib.h>

struct pool_block {
	struct pool_block *next;
	_Alignas(POOL_STEP) uint8_t bytes[];
};

static size_t rounded(size_t len)
{
	return (len + POOL_STEP - 1) / POOL_STEP * POOL_STEP;
}

/* The rest of the block before is lost: less than one small thing in many hundreds. */
static bool add_block(struct pool *p)
{
	struct pool_block *b = pages_large();

	if (!b)
		return false;
	b->next = p->blocks;
	p->blocks = b;
	p->at = b->bytes;
	p->end = (uint8_t *)b + POOL_BLOCK_BYTES;
	p->taken += POOL_BLOCK_BYTES;
	return true;
}

void *pool_take(struct pool *p, size_t len)
{
	struct pool_free **list;
	void *thing;

	len = rounded(len ? len : 1);
	if (len > POOL_SMALL_BYTES) {
		thing = malloc(len);
		p->taken += thing ? len : 0;
		p->used += thing ? len : 0;
		return thing;
	}
	list = &p->free[len / POOL_STEP];
	if (*list) {
		thing = *list;
		*list = (*list)->next;
	} else {
		if ((size_t)(p->end - p->at) < len && !add_block(p))
			return NULL;
		thing = p->at;
		p->at += len;
	}
	p->used += len;
	return thing;
}

void pool_give(struct pool *p, void *thing, size_t len)
{
	struct pool_free *f = thing;

	if (!thing)
		return;
	len = rounded(len ? len : 1);
	p->used -= len;
	if (len > POOL_SMALL_BYTES) {
		p->taken -= len;
		free(thing);
		return;
	}
	f->next = p->free[len / POOL_STEP];
	p->free[len / POOL_STEP] = f;
}

void pool_clear(struct pool *p)
{
	struct pool_block *next;

	assert(p->used == 0);
	for (struct pool_block *b = p->blocks; b; b = next) {
		next = b->next;
		pages_free(b, POOL_BLOCK_BYTES);
	}
	*p = (struct pool){ 0 };
}
