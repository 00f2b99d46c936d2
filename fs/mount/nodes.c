/* SPDX-License-Identifier: MIT */
/*
 * Node ids of the past. The kernel names an inode by 64 bits; an inode of the past is two such numbers,
 * (tid, inode), and what a path was is a whole path. So each that the kernel knows has an entry here, found
 * by id and by key, alive while its lookup count is above zero. Ids are never given out twice in a mount.
 * They begin anywhere, lest a file handle of an earlier mount (NFS) leads to something else.
 *
 * st_ino of the past must differ from live numbers and be the same each time it is asked for, also after
 * the kernel forgot the node, for programs compare it. It is bit 62 and the inode number XORed with a mix
 * of the tid: no two inodes of one moment ever share it (what find, tar and rsync need for hard links),
 * moments differ from each other but for chance, and it stays below 2^63 for programs that hold it in a
 * signed number. The other kinds have a mix of their own; a path has its hash.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Without memory uthash would leave the process; entries are put back in order instead. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "fs/mount/mount_internal.h"

#define PAST (UINT64_C(1) << 63)
#define PAST_INO (UINT64_C(1) << 62)
#define FIRST_ID 16 /* below: the nodes that are no inodes, by kind */
#define FIRST_MAX (UINT64_C(1) << 61)

struct node_key {
	uint64_t kind, tid, ino;
	char path[]; /* without the end of it */
};

struct node_entry {
	uint64_t id;
	uint64_t count;
	UT_hash_handle by_id, by_key;
	size_t key_len;
	struct node_key *key;
};

void nodes_init(struct nodes *n)
{
	pthread_mutex_init(&n->lock, NULL);
	n->by_id = n->by_key = NULL;
	if (getentropy(&n->next_id, sizeof(n->next_id)) < 0)
		n->next_id = (uint64_t)time(NULL) << 24;
	n->next_id = FIRST_ID + n->next_id % FIRST_MAX;
}

static void drop_entry(struct nodes *n, struct node_entry *e)
{
	HASH_DELETE(by_id, n->by_id, e);
	HASH_DELETE(by_key, n->by_key, e);
	free(e->key);
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

	if (number >= NODE_HISTORY && number <= NODE_GMT) {
		*ret = (struct node){ .kind = (enum node_kind)number };
		return 0;
	}
	pthread_mutex_lock(&n->lock);
	HASH_FIND(by_id, n->by_id, &id, sizeof(id), e);
	if (e)
		*ret = (struct node){ (enum node_kind)e->key->kind, e->key->tid, e->key->ino, NULL };
	pthread_mutex_unlock(&n->lock);
	return e ? 0 : -ESTALE;
}

int nodes_path(struct nodes *n, uint64_t id, char **ret)
{
	struct node_entry *e;
	char *path = NULL;

	pthread_mutex_lock(&n->lock);
	HASH_FIND(by_id, n->by_id, &id, sizeof(id), e);
	if (e)
		path = strndup(e->key->path, e->key_len - sizeof(*e->key));
	pthread_mutex_unlock(&n->lock);
	if (!path)
		return e ? -ENOMEM : -ESTALE;
	*ret = path;
	return 0;
}

/* malloc'ed; NULL without memory. */
static struct node_key *key_new(const struct node *node, size_t *ret_len)
{
	const char *path = node->kind == NODE_VERSIONS && node->path ? node->path : "";
	size_t len = strlen(path);
	struct node_key *key = malloc(sizeof(*key) + len);

	if (!key)
		return NULL;
	key->kind = node->kind;
	key->tid = node->tid;
	key->ino = node->ino;
	memcpy(key->path, path, len);
	*ret_len = sizeof(*key) + len;
	return key;
}

/* Takes the key, if it can. Requires n->lock. */
static struct node_entry *add_entry(struct nodes *n, struct node_key *key, size_t key_len)
{
	struct node_entry *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->id = PAST | n->next_id;
	e->key = key;
	e->key_len = key_len;
	HASH_ADD(by_id, n->by_id, id, sizeof(e->id), e);
	if (!e->by_id.tbl) {
		free(e);
		return NULL;
	}
	HASH_ADD_KEYPTR(by_key, n->by_key, e->key, e->key_len, e);
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
	struct node_entry *e;
	struct node_key *key;
	size_t len;

	if (node->kind == NODE_LIVE || node->kind >= NODE_HISTORY) {
		*ret_id = node->kind == NODE_LIVE ? node->ino : PAST | (uint64_t)node->kind;
		return 0;
	}
	key = key_new(node, &len);
	if (!key)
		return -ENOMEM;
	pthread_mutex_lock(&n->lock);
	HASH_FIND(by_key, n->by_key, key, len, e);
	if (!e) {
		e = add_entry(n, key, len);
		if (e)
			key = NULL;
	}
	if (e) {
		e->count++;
		*ret_id = e->id;
	}
	pthread_mutex_unlock(&n->lock);
	free(key);
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

struct node node_of_path(const char *path)
{
	struct node node = { .kind = NODE_VERSIONS, .path = path };

	for (const char *p = path; *p; p++)
		node.ino = mix(node.ino ^ (unsigned char)*p);
	return node;
}

uint64_t node_st_ino(const struct node *node)
{
	switch (node->kind) {
	case NODE_LIVE:
		return node->ino;
	case NODE_PAST:
		return PAST_INO | ((node->ino ^ mix(node->tid)) & (PAST_INO - 1));
	case NODE_VERSIONS:
	case NODE_DELETED:
	case NODE_REMOVED:
		return PAST_INO | ((node->ino ^ mix(mix(node->tid) ^ (uint64_t)node->kind)) & (PAST_INO - 1));
	default:
		return PAST_INO | (PAST_INO - (uint64_t)node->kind);
	}
}
