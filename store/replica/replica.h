/* SPDX-License-Identifier: MIT */
/*
 * Shipping a log to its replicas (layer 4). One thread a replica; each asks its replica where it is, then
 * sends what is durable behind that, group by group, as it comes. Never blocks a writer: it reads durable
 * bytes from the log's files. Replicas come and go while it runs.
 *
 * Thread-safe, but for starting and stopping.
 */
#ifndef STORE_REPLICA_REPLICA_H
#define STORE_REPLICA_REPLICA_H

#include "holdfast/replica.h"
#include "store/log/log.h"

struct replica_set;

enum { REPLICAS_MAX = 64 };

/*
 * Start a replicator for each file in PATH/replicas, the first REPLICAS_MAX by name. log and keys are
 * borrowed until replica_set_stop. Bad files are told as replicas in state REFUSED with the reason in
 * `error`; only memory or threads make this fail. Without `ship` nothing is sent and nobody asked: the state
 * is AT_REST, and how far each has got what its last receipt says.
 */
MUST_USE int replica_set_start(const struct os *os, const char *path, struct log *log,
			       const struct keyring *keys, bool ship, struct replica_set **ret,
			       struct hf_error *err);
void replica_set_stop(
	struct replica_set *set); /* interrupts requests at hand after a second; joins; NULL is fine */

/* By name; as many as there are, at most max into ret. Reads files of the log. */
size_t replica_set_status(struct replica_set *set, struct hf_replica_status *ret, size_t max);

/*
 * Wait until all have acknowledged the point, or the time is over (-ETIMEDOUT, with words: what is left
 * where). No replica, or none shipped to: 0.
 */
MUST_USE int replica_set_wait(struct replica_set *set, const struct log_point *point, unsigned timeout_ms,
			      struct hf_error *err);

/* --- that an fsync waits for receipts */

/* From now on there are to be replicas at so many places at least. -EINVAL: there are fewer. */
MUST_USE int replica_set_need(struct replica_set *set, unsigned receipts, struct hf_error *err);

/*
 * Wait until as many as are needed have acknowledged the point. -EIO, with words, when the time is over, or
 * when so many have failed for that long already that it cannot be: then after a second. Nothing needed, or
 * nothing shipped: 0. At once when they have it.
 */
MUST_USE int replica_set_sync(struct replica_set *set, const struct log_point *point, unsigned timeout_ms,
			      struct hf_error *err);
/* How that went: counts and words into ret. */
void replica_set_sync_status(struct replica_set *set, struct hf_sync_status *ret);

/* --- changes, while it runs */

/*
 * Between these two calls the caller alone adds and removes, and writes in PATH/replicas. -EBUSY: somebody
 * else does.
 */
MUST_USE int replica_set_begin(struct replica_set *set, struct hf_error *err);
void replica_set_end(struct replica_set *set);

/* -ENOSPC: there are REPLICAS_MAX already. */
MUST_USE int replica_set_room(struct replica_set *set, struct hf_error *err);
/* Start the one of this name, whose file has been written. -ENOMEM, -EAGAIN, -ENOSPC. */
MUST_USE int replica_set_add(struct replica_set *set, const char *name, struct hf_error *err);
/*
 * Stop it, so that nobody writes its files any more. -ENOENT; -EBUSY: it is one of those that every fsync
 * needs.
 */
MUST_USE int replica_set_remove(struct replica_set *set, const char *name, struct hf_error *err);

/* Of the one of this name; nothing when there is none. */
void replica_set_limit(struct replica_set *set, const char *name, uint64_t bytes_s);
void replica_set_acknowledge(struct replica_set *set, const char *name);

#endif
