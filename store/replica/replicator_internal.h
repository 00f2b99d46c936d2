/* SPDX-License-Identifier: MIT */
/* A replicator from inside: for its thread, and for those who ask about it (layer 4). */
#ifndef STORE_REPLICA_REPLICATOR_INTERNAL_H
#define STORE_REPLICA_REPLICATOR_INTERNAL_H

#include <pthread.h>

#include "store/base/journal.h"
#include "store/replica/config.h"
#include "store/replica/pace.h"
#include "store/replica/peer.h"
#include "store/replica/regress.h"
#include "store/replica/replicator.h"

struct replicator {
	const struct os *os; /* immutable, as is all up to the lock */
	char *path, *log_dir;
	char name[CONFIG_NAME_BYTES];
	char url[512];
	struct log *log;
	struct place place;
	const atomic_uint *waiting;
	void (*moved)(void *arg);
	void *arg;
	bool has_thread;
	pthread_t thread;

	_Atomic bool stop;
	_Atomic uint64_t stop_ns; /* monotonic time of the call to stop */

	pthread_mutex_t lock;
	pthread_cond_t changed; /* on CLOCK_MONOTONIC */
	enum hf_replica_state state;
	struct hf_error error;
	struct log_point acked; /* from the newest receipt; end.segment 0: nothing */
	bool confirmed;         /* by a receipt of this run, not one that was kept */
	bool hurry;             /* somebody has begun to wait: end the pause */
	uint64_t hurried_ns;    /* when that was last done */
	uint64_t failing_ns;    /* monotonic time of the first failure since it took something; 0: none */
	uint64_t failing_wall_ns;
	struct pace pace;
	struct regress regress;    /* what a person has not acknowledged */
	struct log_pos late_after; /* the oldest operation not acknowledged is behind this */
	uint64_t late_ns;          /* when, on the monotonic clock, that operation came; 0: not known */
	bool away;                 /* it has failed since its last receipt */
	uint64_t receipts, sent_bytes, reconnects, failures[HF_REPLICA_FAILURES]; /* counted */
	uint64_t receipt_wall_ns; /* when the newest came; 0: none */

	/* the thread's own */
	struct peer *peer;
	struct buf data;
	bool positioned;
	bool no_room;      /* it was full when it was last sent something */
	unsigned gaps;     /* so often in a row it took nothing where it said to end */
	bool told;         /* it knows what the store's log lacks */
	bool told_failing; /* the operator does */
	struct journal_quota lines;
	struct log_pos next;
	unsigned pause_ms;
	uint64_t heard_ns, kept_ns;
	struct log_pos kept;       /* end of the last receipt kept */
	struct log_point best;     /* of all receipts: it cannot have less by right */
	struct log_pos lost_until; /* it had regressed from there; nowhere: it had not */
	struct receipt receipt;
	struct about about; /* as it was kept last, and when */
	uint64_t about_ns;
};

static inline uint64_t replicator_now_ns(const struct replicator *r)
{
	return r->os->monotonic_ns(r->os->state);
}

/* replicator_state.c: for the thread. error: NULL: none. */
void replicator_set_state(struct replicator *r, enum hf_replica_state state, const struct hf_error *error);
/* A receipt says that it has all up to there. */
void replicator_set_acked(struct replicator *r, const struct log_point *point);
/* From its share of the line; and what has taken something is not failing. */
void replicator_sent(struct replicator *r, size_t bytes, bool taken);
/* What an answer with this code makes of it; and that it was given. */
enum hf_replica_state replicator_state_after(int code);
void replicator_failed(struct replicator *r, int code, const struct hf_error *why);
/* It is never asked, for what r->error says. Requires that nobody else has r. */
void replicator_refused(struct replicator *r);

#endif
