/* SPDX-License-Identifier: MIT */
/* What others ask of a replicator, and tell it: by any thread, under its lock. */
#include <stdio.h>
#include <string.h>

#include "store/replica/replicator_internal.h"
#include "store/replica/trail.h"

/* Thousands of fsyncs a second must not become so many attempts to reach a replica that is away. */
#define HURRY_AGAIN_NS UINT64_C(1000000000)

/*
 * When the oldest operation that is not acknowledged came, on the monotonic clock: from the time in the first
 * commit behind the acknowledged point. Worked out once for each such point, so that a jump of the wall clock
 * changes nothing later.
 */
static uint64_t late_since(struct replicator *r, struct log_pos acked, const struct log_point *durable)
{
	uint64_t mono = replicator_now_ns(r), wall = r->os->now_ns(r->os->state), came, late;

	(void)pthread_mutex_lock(&r->lock);
	late = log_pos_compare(r->late_after, acked) == 0 ? r->late_ns : 0;
	(void)pthread_mutex_unlock(&r->lock);
	if (late)
		return late;
	if (trail_next_time(r->os, r->log_dir, acked, durable, &came) < 0)
		return mono;
	late = came < wall && wall - came < mono ? mono - (wall - came) : came >= wall ? mono : 1;
	(void)pthread_mutex_lock(&r->lock);
	r->late_after = acked;
	r->late_ns = late;
	(void)pthread_mutex_unlock(&r->lock);
	return late;
}

void replicator_status(struct replicator *r, struct hf_replica_status *ret)
{
	struct log_point durable;
	struct log_pos acked;

	memset(ret, 0, sizeof(*ret));
	(void)snprintf(ret->name, sizeof(ret->name), "%s", r->name);
	(void)snprintf(ret->url, sizeof(ret->url), "%s", r->url);
	(void)pthread_mutex_lock(&r->lock);
	ret->state = r->state;
	memcpy(ret->error, r->error.text, sizeof(ret->error));
	ret->acked_tid = r->acked.tid;
	ret->acked_time_ns = r->acked.time_ns;
	ret->failing_since_ns = r->failing_wall_ns;
	ret->limit_bytes_s = r->pace.rate;
	ret->regressed_ns = r->regress.found_ns;
	ret->regressed_from_tid = r->regress.had_tid;
	ret->regressed_to_tid = r->regress.has_tid;
	ret->receipts = r->receipts;
	ret->sent_bytes = r->sent_bytes;
	memcpy(ret->failures, r->failures, sizeof(ret->failures));
	ret->reconnects = r->reconnects;
	ret->last_receipt_ns = r->receipt_wall_ns;
	acked = r->acked.end;
	(void)pthread_mutex_unlock(&r->lock);
	log_durable(r->log, &durable);
	if (log_pos_compare(acked, durable.end) >= 0)
		return;
	(void)trail_bytes(r->os, r->log_dir, acked, &durable, &ret->lag_bytes);
	if (durable.tid > ret->acked_tid)
		ret->lag_seconds = (double)(replicator_now_ns(r) - late_since(r, acked, &durable)) / 1e9;
	if (ret->state == HF_REPLICA_CURRENT)
		ret->state = HF_REPLICA_CATCHING_UP;
}

bool replicator_same_place(const struct replicator *a, const struct replicator *b)
{
	return a->url[0] && b->url[0] && place_is_same(&a->place, &b->place);
}

bool replicator_has(struct replicator *r, struct log_pos end)
{
	bool has;

	(void)pthread_mutex_lock(&r->lock);
	has = r->confirmed && log_pos_compare(r->acked.end, end) >= 0;
	(void)pthread_mutex_unlock(&r->lock);
	return has;
}

bool replicator_reads_from(struct replicator *r, struct log_pos *ret)
{
	(void)pthread_mutex_lock(&r->lock);
	*ret = r->acked.end;
	(void)pthread_mutex_unlock(&r->lock);
	return r->has_thread;
}

uint64_t replicator_failing_ns(struct replicator *r)
{
	uint64_t since;

	(void)pthread_mutex_lock(&r->lock);
	since = r->failing_ns;
	(void)pthread_mutex_unlock(&r->lock);
	return since ? replicator_now_ns(r) - since : 0;
}

void replicator_hurry(struct replicator *r)
{
	uint64_t now = replicator_now_ns(r);

	(void)pthread_mutex_lock(&r->lock);
	if (!r->hurried_ns || now - r->hurried_ns >= HURRY_AGAIN_NS) {
		r->hurry = true;
		r->hurried_ns = now;
	}
	(void)pthread_cond_broadcast(&r->changed);
	(void)pthread_mutex_unlock(&r->lock);
}

void replicator_limit(struct replicator *r, uint64_t bytes_s)
{
	(void)pthread_mutex_lock(&r->lock);
	pace_set(&r->pace, bytes_s, replicator_now_ns(r));
	(void)pthread_cond_broadcast(&r->changed);
	(void)pthread_mutex_unlock(&r->lock);
}

void replicator_acknowledge(struct replicator *r)
{
	(void)pthread_mutex_lock(&r->lock);
	memset(&r->regress, 0, sizeof(r->regress));
	(void)pthread_mutex_unlock(&r->lock);
}
