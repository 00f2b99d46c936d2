/* SPDX-License-Identifier: MIT */
/*
 * One replica's thread (layer 4): asks where the replica is, sends what is durable behind that, waits for
 * more.
 *
 * States: CONNECTING → (position is ours) → CATCHING_UP ⇄ CURRENT; any failure goes to UNREACHABLE or
 * REFUSED, and after a pause (doubling from 0.25 s to 15 s, with jitter) back to asking the position. An idle
 * replica is asked again every 10 s, so that one that went away is seen to be away.
 */
#ifndef STORE_REPLICA_REPLICATOR_H
#define STORE_REPLICA_REPLICATOR_H

#include "store/replica/replica.h"

struct replicator;

/*
 * Start for replicas/NAME.json in the store at path. A bad file is told as state REFUSED, with no thread;
 * without `ship` there is none either, and the state is AT_REST. All but path and name (copied) are borrowed
 * until replicator_free. -ENOMEM, -EAGAIN.
 */
MUST_USE int replicator_start(const struct os *os, const char *path, const char *name, struct log *log,
			      const struct keyring *keys, bool ship, struct replicator **ret,
			      struct hf_error *err);
void replicator_stop(struct replicator *r); /* tell it; does not wait */
void replicator_free(struct replicator *r); /* after replicator_stop: joins */

void replicator_status(struct replicator *r, struct hf_replica_status *ret);
const char *replicator_name(const struct replicator *r);

/* Wait until it has acknowledged `end` or monotonic time `until_ns` has come: 0 or -ETIMEDOUT. Ends a pause
 * at once. */
MUST_USE int replicator_wait(struct replicator *r, struct log_pos end, uint64_t until_ns);

#endif
