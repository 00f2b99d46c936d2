/* SPDX-License-Identifier: MIT */
/*
 * One replica's thread (layer 4): asks where the replica is, sends what is durable behind that, waits for
 * more.
 *
 * States: CONNECTING → (position is ours) → CATCHING_UP ⇄ CURRENT; any failure goes to UNREACHABLE or
 * REFUSED, and after a pause (doubling from 0.25 s to 15 s, with jitter; at most 1 s while somebody waits)
 * back to asking the position. An idle replica is asked again every 10 s, so that one that went away is seen
 * to be away. A replica whose position lies behind its own receipt is REGRESSED until it has got that much
 * again.
 */
#ifndef STORE_REPLICA_REPLICATOR_H
#define STORE_REPLICA_REPLICATOR_H

#include <stdatomic.h>

#include "store/replica/replica.h"

struct replicator;

struct replicator_options {
	const struct os *os;
	const char *path; /* the store's folder; copied */
	struct log *log;
	const struct keyring *keys;
	bool ship;
	const atomic_uint *waiting; /* how many wait for a receipt: pauses are short then */
	void (*moved)(void *arg);   /* its state or position changed; called without its lock */
	void *arg;
};

/*
 * Start for replicas/NAME.json in the store. A bad file is told as state REFUSED, with no thread; without
 * `ship` there is none either, and the state is AT_REST. What options name is borrowed until replicator_free,
 * but for what is copied. -ENOMEM, -EAGAIN.
 */
MUST_USE int replicator_start(const struct replicator_options *o, const char *name, struct replicator **ret,
			      struct hf_error *err);
void replicator_stop(struct replicator *r); /* tell it (and then log_wake); does not wait */
void replicator_free(struct replicator *r); /* after replicator_stop: joins */

void replicator_status(struct replicator *r, struct hf_replica_status *ret);
const char *replicator_name(const struct replicator *r);

/* Do both ship to the same replica (place.h)? Of one whose file cannot be read nobody knows. */
bool replicator_same_place(const struct replicator *a, const struct replicator *b);
/* Has it acknowledged that, by a receipt of this run? */
bool replicator_has(struct replicator *r, struct log_pos end);
/* Does it read the log, and has all before *ret by its newest receipt? False: it is not shipped to. */
bool replicator_reads_from(struct replicator *r, struct log_pos *ret);
/* For how long it has failed without taking anything; 0: it takes what it is sent, as far as is known. */
uint64_t replicator_failing_ns(struct replicator *r);
/* Somebody needs it now: ends a pause at once, though not more than once a second. */
void replicator_hurry(struct replicator *r);

void replicator_limit(struct replicator *r, uint64_t bytes_s); /* 0: none */
/* A person knows that it had regressed: status says no more of it. */
void replicator_acknowledge(struct replicator *r);

#endif
