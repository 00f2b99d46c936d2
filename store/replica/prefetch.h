/* SPDX-License-Identifier: MIT */
/*
 * Reading a peer's log ahead (layer 4): while what came is verified and written, the next part is on its way.
 * One part at a time, by a thread that lives no longer than its request; what was asked for and is then not
 * wanted is dropped.
 *
 * The peer belongs to the prefetch from prefetch_init until prefetch_release: nobody else may ask it then.
 */
#ifndef STORE_REPLICA_PREFETCH_H
#define STORE_REPLICA_PREFETCH_H

#include <pthread.h>

#include "store/replica/peer.h"

struct prefetch {
	struct peer *peer;
	bool running;
	pthread_t thread;
	/* the thread's own while it runs */
	struct log_pos at;
	size_t max;
	struct buf bytes;
	ssize_t result;
	struct hf_error err;
};

void prefetch_init(struct prefetch *p, struct peer *peer);
void prefetch_release(struct prefetch *p); /* waits for a request that is under way */

/* Begin to read up to max bytes at `at`. When no thread is to be had nothing is begun: only slower. */
void prefetch_start(struct prefetch *p, struct log_pos at, size_t max);
/* As peer_read; with what prefetch_start was told to get when that is from this place. */
MUST_USE ssize_t prefetch_read(struct prefetch *p, struct log_pos at, size_t max, struct buf *out,
			       struct hf_error *err);

#endif
