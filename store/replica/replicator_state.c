/* SPDX-License-Identifier: MIT */
/* How a replicator is doing, as its thread sets it: what others ask for (replicator_status.c), and are told.
 */
#include <errno.h>

#include "store/base/journal.h"
#include "store/replica/replicator_internal.h"

static bool is_failing(enum hf_replica_state state)
{
	return state == HF_REPLICA_UNREACHABLE || state == HF_REPLICA_REFUSED || state == HF_REPLICA_FULL;
}

/* Requires r->lock, or that nobody else has r. */
static void note_failing(struct replicator *r, bool failing)
{
	if (!failing) {
		r->failing_ns = r->failing_wall_ns = 0;
	} else if (!r->failing_ns) {
		r->failing_ns = replicator_now_ns(r);
		r->failing_wall_ns = r->os->now_ns(r->os->state);
	}
}

/* Once when it begins, and once when it is over: what is between is in the status. */
static void tell_failing(struct replicator *r, const struct hf_error *error)
{
	char note[JOURNAL_NOTE_BYTES];
	bool failing;

	(void)pthread_mutex_lock(&r->lock);
	failing = r->failing_ns != 0;
	(void)pthread_mutex_unlock(&r->lock);
	if (failing == r->told_failing || !journal_quota_take(&r->lines, replicator_now_ns(r), note))
		return;
	r->told_failing = failing;
	if (failing)
		journal_line(LOG_WARNING, "%sreplica %s does not take the log: %s", note, r->name,
			     error ? error->text : "");
	else
		journal_line(LOG_NOTICE, "%sreplica %s takes the log again", note, r->name);
}

void replicator_set_state(struct replicator *r, enum hf_replica_state state, const struct hf_error *error)
{
	bool changed;

	(void)pthread_mutex_lock(&r->lock);
	changed = r->state != state;
	r->state = state;
	if (error)
		r->error = *error;
	else
		r->error = (struct hf_error)HF_ERROR_INIT;
	if (is_failing(state))
		note_failing(r, true);
	else if (state == HF_REPLICA_CURRENT)
		note_failing(r, false);
	(void)pthread_mutex_unlock(&r->lock);
	tell_failing(r, error);
	if (changed)
		r->moved(r->arg);
}

void replicator_refused(struct replicator *r)
{
	r->state = HF_REPLICA_REFUSED;
	note_failing(r, true);
	tell_failing(r, &r->error);
}

void replicator_set_acked(struct replicator *r, const struct log_point *point)
{
	(void)pthread_mutex_lock(&r->lock);
	r->acked = *point;
	r->confirmed = true;
	r->receipts++;
	r->receipt_wall_ns = r->os->now_ns(r->os->state);
	r->reconnects += r->away;
	r->away = false;
	if (r->state == HF_REPLICA_REGRESSED && log_pos_compare(point->end, r->lost_until) >= 0) {
		r->state = HF_REPLICA_CATCHING_UP;
		r->error = (struct hf_error)HF_ERROR_INIT;
	}
	(void)pthread_mutex_unlock(&r->lock);
	r->moved(r->arg);
}

void replicator_sent(struct replicator *r, size_t bytes, bool taken)
{
	(void)pthread_mutex_lock(&r->lock);
	pace_sent(&r->pace, bytes, replicator_now_ns(r));
	if (taken) {
		r->sent_bytes += bytes;
		note_failing(r, false);
	}
	(void)pthread_mutex_unlock(&r->lock);
}

static bool is_refusal(int code)
{
	return code == -EKEYREJECTED || code == -EACCES || code == -ENOENT || code == -EUCLEAN ||
	       code == -EEXIST || code == -EPROTONOSUPPORT;
}

enum hf_replica_state replicator_state_after(int code)
{
	if (code == -ENOSPC || code == -EDQUOT || code == -EROFS)
		return HF_REPLICA_FULL;
	return is_refusal(code) ? HF_REPLICA_REFUSED : HF_REPLICA_UNREACHABLE;
}

void replicator_failed(struct replicator *r, int code, const struct hf_error *why)
{
	const enum hf_replica_state state = replicator_state_after(code);

	(void)pthread_mutex_lock(&r->lock);
	r->failures[state == HF_REPLICA_FULL    ? HF_REPLICA_WAS_FULL :
		    state == HF_REPLICA_REFUSED ? HF_REPLICA_HAS_REFUSED :
						  HF_REPLICA_WAS_UNREACHABLE]++;
	r->away = true;
	(void)pthread_mutex_unlock(&r->lock);
	replicator_set_state(r, state, why);
}
