/* SPDX-License-Identifier: MIT */
/*
 * Shipping a log to its replicas (layer 4). One thread a replica; each asks its replica where it is, then
 * sends what is durable behind that, group by group, as it comes. Never blocks a writer: it reads durable
 * bytes from the log's files.
 */
#ifndef STORE_REPLICA_REPLICA_H
#define STORE_REPLICA_REPLICA_H

#include "holdfast/replica.h"
#include "store/log/log.h"

struct replica_set;

/*
 * Start a replicator for each file in PATH/replicas. log and keys are borrowed until replica_set_stop. Bad
 * files are told as replicas in state REFUSED with the reason in `error`; only memory or threads make this
 * fail. Without `ship` nothing is sent and nobody asked: the state is AT_REST, and how far each has got what
 * its last receipt says.
 */
MUST_USE int replica_set_start(const struct os *os, const char *path, struct log *log,
			       const struct keyring *keys, bool ship, struct replica_set **ret,
			       struct hf_error *err);
void replica_set_stop(
	struct replica_set *set); /* interrupts requests at hand after a second; joins; NULL is fine */
size_t replica_set_status(struct replica_set *set, struct hf_replica_status *ret, size_t max);

/*
 * Wait until all have acknowledged the point, or the time is over (-ETIMEDOUT, with words: what is left
 * where). No replica, or none shipped to: 0.
 */
MUST_USE int replica_set_wait(struct replica_set *set, const struct log_point *point, unsigned timeout_ms,
			      struct hf_error *err);

#endif
