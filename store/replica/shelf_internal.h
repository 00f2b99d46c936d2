/* SPDX-License-Identifier: MIT */
/* A shelf (internal to store/replica, layer 4): shelf.c opens and reads it, shelf_append.c writes to it. */
#ifndef HOLDFAST_STORE_REPLICA_SHELF_INTERNAL_H
#define HOLDFAST_STORE_REPLICA_SHELF_INTERNAL_H

#include <pthread.h>

#include "store/replica/shelf.h"

struct shelf {
	const struct os *os; /* immutable, as are the paths */
	char *dir;
	char *log_dir;
	bool read_only;
	bool forgets; /* set before the first append */

	pthread_mutex_t append_lock; /* taken before state_lock; held over the disk's work */
	int fd;                      /* last segment's file; append_lock */
	int note_fd;                 /* append_lock */
	int failed;                  /* append_lock */
	struct grants grants;        /* what may be missing; append_lock */

	pthread_mutex_t state_lock;
	struct verifier v; /* behind what is durable; written under both locks, read under either */
};

int shelf_say_io(struct hf_error *err, int r, const char *what, const char *path);
/* NULL: no memory. */
const char *shelf_segment_path(const struct shelf *s, uint32_t segment, struct buf *out);

#endif
