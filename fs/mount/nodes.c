/* SPDX-License-Identifier: MIT */
/*
 * Node ids of the past. The kernel names an inode by 64 bits; an inode of the past is two such numbers, (tid,
 * inode). So each that the kernel knows has an entry here, found by id and by key, alive while its lookup
 * count is above zero. Ids are never given out twice in a mount.
 *
 * st_ino of the past must differ from live numbers and be the same each time it is asked for, also after the
 * kernel forgot the node, for programs compare it. It is bit 62 and the inode number XORed with a mix of the
 * tid: no two inodes of one moment ever share it (what find, tar and rsync need for hard links), moments
 * differ from each other but for chance, and it stays below 2^63 for programs that hold it in a signed
 * number.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Without memory uthash would leave the process; entries are put back in order instead. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "fs/mount/mount_internal.h"

#define PAST (UINT64_C(1) << 63)
#define PAST_INO (UINT64_C(1) << 62)
#define FIRST_ID 16 /* below: the nodes that are no inodes, by kind */

struct node_key {
	uint64_t tid, ino;
};

struct node_entry {
	uint64_t id;
	struct node_key key;
	uint64_t count;
	UT_hash_handle by_id, by_key;
};

void nodes_init(struct nodes *n)
{
	pthread_mutex_init(&n->lock, NULL);
	n->by_id = n->by_key = NULL;
	n->next_id = FIRST_ID;
}

static void drop_entry(struct nodes *n, struct node_entry *e)
{
	HASH_DELETE(by_id, n->by_id, e);
	HASH_DELETE(by_key, n->by_key, e);
	free(e);
}

void nodes_release(struct nodes *n)
{
	struct node_entry *e, *next;

	for (e = n->by_id; e; e = next) {
		next = e->by_id.next;
		drop_entry(n, e);
	}
	pthread_mutex_destroy(&n->lock);
}

int nodes_find(struct nodes *n, uint64_t id, struct node *ret)
{
	struct node_entry *e;
	uint64_t number = id & ~PAST;

	if (number >= NODE_HISTORY && number <= NODE_TAGS) {
		*ret = (struct node){ .kind = (enum node_kind)number };
		return 0;
	}
	pthread_mutex_lock(&n->lock);
	HASH_FIND(by_id, n->by_id, &id, sizeof(id), e);
	if (e)
		*ret = (struct node){ .kind = NODE_PAST, .tid = e->key.tid, .ino = e->key.ino };
	pthread_mutex_unlock(&n->lock);
	return e ? 0 : -ESTALE;
}

/* Requires n->lock. */
static struct node_entry *add_entry(struct nodes *n, const struct node_key *key)
{
	struct node_entry *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->id = PAST | n->next_id;
	e->key = *key;
	HASH_ADD(by_id, n->by_id, id, sizeof(e->id), e);
	if (!e->by_id.tbl) {
		free(e);
		return NULL;
	}
	HASH_ADD(by_key, n->by_key, key, sizeof(e->key), e);
	if (!e->by_key.tbl) {
		HASH_DELETE(by_id, n->by_id, e);
		free(e);
		return NULL;
	}
	n->next_id++;
	return e;
}

int nodes_ref(struct nodes *n, const struct node *node, uint64_t *ret_id)
{
	struct node_key key = { node->tid, node->ino };
	struct node_entry *e;

	if (node->kind != NODE_PAST) {
		*ret_id = node->kind == NODE_LIVE ? node->ino : PAST | (uint64_t)node->kind;
		return 0;
	}
	pthread_mutex_lock(&n->lock);
	HASH_FIND(by_key, n->by_key, &key, sizeof(key), e);
	if (!e)
		e = add_entry(n, &key);
	if (e) {
		e->count++;
		*ret_id = e->id;
	}
	pthread_mutex_unlock(&n->lock);
	return e ? 0 : -ENOMEM;
}

void nodes_forget(struct nodes *n, uint64_t id, uint64_t count)
{
	struct node_entry *e;

	pthread_mutex_lock(&n->lock);
	HASH_FIND(by_id, n->by_id, &id, sizeof(id), e);
	if (e) {
		e->count -= count < e->count ? count : e->count;
		if (e->count == 0)
			drop_entry(n, e);
	}
	pthread_mutex_unlock(&n->lock);
}

/* The finalizer of SplitMix64. */
static uint64_t mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

uint64_t node_st_ino(const struct node *node)
{
	switch (node->kind) {
	case NODE_LIVE:
		return node->ino;
	case NODE_PAST:
		return PAST_INO | ((node->ino ^ mix(node->tid)) & (PAST_INO - 1));
	default:
		return PAST_INO | (PAST_INO - (uint64_t)node->kind);
	}
}
