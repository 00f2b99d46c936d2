/* SPDX-License-Identifier: MIT */
/* What the kernel is to forget soon, for it cannot be told from within a request (layer 5). */
#ifndef FS_MOUNT_FORGET_H
#define FS_MOUNT_FORGET_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

struct mount;
struct forgotten;
struct forget {
	pthread_mutex_t lock; /* held across nothing */
	struct forgotten *v;  /* protected by lock */
	size_t n;             /* protected by lock */
};

void forget_init(struct mount *m);
void forget_release(struct mount *m);
/* From any thread. Without memory it is not forgotten. */
void forget_node(struct mount *m, uint64_t node_id);                  /* pages and attributes */
void forget_name(struct mount *m, uint64_t parent, const char *name); /* and the folder that it is in */
/* Forget it. From a thread that serves nothing; blocks for as long as the kernel does. */
void forget_now(struct mount *m);

#endif
