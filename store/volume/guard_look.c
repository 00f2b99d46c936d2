/* SPDX-License-Identifier: MIT */
#include "store/volume/guard_look.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/alarm/sample.h"
#include "store/drill/results.h"
#include "store/volume/kit.h"

enum {
	TRIES_MAX = 5,       /* as long as a file is still being written */
	STRETCH_MIN = 4096,  /* looked at of a shorter one */
	LOOK_LONGEST_S = 60, /* between two looks at the replicas */
	LOOKS_IN_A_LIMIT = 4,
	REFUSED_AGAIN_S = 3600,
	OVERDUE_AGAIN_S = 86400,
	ROOM_EVERY_S = 2,
	NO_ROOM_S = 4, /* what is under way takes room for a moment */
	NO_ROOM_AGAIN_S = 3600,
};

static const uint64_t second_ns = UINT64_C(1000000000);

/* --- pairs */

static enum sample_look look_at(const struct tree *t, uint64_t tid, uint64_t ino, uint64_t offset, size_t len)
{
	uint8_t data[SAMPLE_BYTES_MAX];
	ssize_t n = tree_read(t, tid, ino, offset, data, len, NULL);

	return n < 0 ? SAMPLE_SHORT : sample_look(data, (size_t)n);
}

/* What encrypts keeps the size; what compresses does not, nor does another file of the same name. */
static bool keeps_size(const struct hf_attr *was, const struct hf_attr *is)
{
	return is->size_bytes >= was->size_bytes - was->size_bytes / 8;
}

bool guard_look_at_pair(const struct tree *t, struct burst_pair *pair, enum burst_outcome *ret)
{
	size_t len = pair->len > SAMPLE_BYTES_MAX ? SAMPLE_BYTES_MAX : (size_t)pair->len;
	struct hf_attr was, is;

	*ret = BURST_UNKNOWN;
	if (len < STRETCH_MIN)
		len = STRETCH_MIN;
	if (tree_getattr(t, pair->tid - 1, pair->old_ino, &was, NULL) < 0 ||
	    tree_getattr(t, HF_TID_HEAD, pair->new_ino, &is, NULL) < 0)
		return false;
	*ret = BURST_HARMLESS;
	if (look_at(t, pair->tid - 1, pair->old_ino, pair->offset, len) != SAMPLE_PLAIN)
		return false;
	if (!keeps_size(&was, &is))
		return ++pair->tries < TRIES_MAX;
	if (look_at(t, HF_TID_HEAD, pair->new_ino, pair->offset, len) == SAMPLE_RANDOM)
		*ret = BURST_ENCRYPTED;
	return false;
}

/* --- replicas */

struct asked {
	const struct hf_alarm_settings *settings;
	struct alarms *alarms;
	const char *volume;
	uint64_t now_ns;
};

/* Is it time to say it (again)? Then it has been said. */
static bool is_due(uint64_t *told_ns, uint64_t now_ns, uint64_t again_s)
{
	if (*told_ns > 0 && now_ns - *told_ns < again_s * second_ns)
		return false;
	*told_ns = now_ns;
	return true;
}

static void look_at_reach(const struct asked *q, const struct hf_replica_status *r, struct guard_replica *st)
{
	const bool away = r->state == HF_REPLICA_UNREACHABLE || r->state == HF_REPLICA_CONNECTING;
	const struct alarm_about about = { .volume = q->volume, .replica = r->name };
	const uint32_t limit_s = q->settings->unreachable_s;
	char since[ALARMS_DURATION_BYTES];

	if (!away) {
		st->away_ns = st->told_away_ns = 0;
		return;
	}
	if (st->away_ns == 0)
		st->away_ns = q->now_ns;
	if (limit_s == 0 || q->now_ns - st->away_ns < limit_s * second_ns ||
	    !is_due(&st->told_away_ns, q->now_ns, limit_s))
		return;
	alarms_raise_about(q->alarms, "unreachable", &about,
			   "it has not been reached for %s, and lacks %" PRIu64 " bytes of the log: %s",
			   alarms_duration(q->now_ns - st->away_ns, since), r->lag_bytes,
			   r->error[0] ? r->error : "it does not answer");
}

static void look_at_lag(const struct asked *q, const struct hf_replica_status *r, struct guard_replica *st)
{
	const struct alarm_about about = { .volume = q->volume, .replica = r->name };
	const uint32_t limit_s = q->settings->lag_s;
	char lag[ALARMS_DURATION_BYTES];

	if (limit_s == 0 || r->lag_seconds < limit_s) {
		st->told_lag_ns = 0;
		return;
	}
	if (is_due(&st->told_lag_ns, q->now_ns, limit_s))
		alarms_raise_about(q->alarms, "lag", &about,
				   "it is behind by %s and %" PRIu64
				   " bytes: what is lost with this machine now is lost for good",
				   alarms_duration((uint64_t)(r->lag_seconds * 1e9), lag), r->lag_bytes);
}

static void look_at_refusal(const struct asked *q, const struct hf_replica_status *r,
			    struct guard_replica *st)
{
	const struct alarm_about about = { .volume = q->volume, .replica = r->name };

	if (r->state != HF_REPLICA_REFUSED && r->state != HF_REPLICA_FULL)
		st->told_refused_ns = 0;
	else if (is_due(&st->told_refused_ns, q->now_ns, REFUSED_AGAIN_S))
		alarms_raise_about(q->alarms, "refused", &about, "it takes nothing of this log: %s",
				   r->error[0] ? r->error : "it does not say why");
}

/* Said once of each time; it stays known until a person has acknowledged the replica. */
static void look_at_regress(const struct asked *q, const struct hf_replica_status *r,
			    struct guard_replica *st)
{
	const struct alarm_about about = { .volume = q->volume, .replica = r->name };
	const bool fresh = r->regressed_ns > 0 && r->regressed_ns != st->told_regressed_ns;

	st->told_regressed_ns = r->regressed_ns;
	if (fresh)
		alarms_raise_about(q->alarms, "regressed", &about,
				   "it had acknowledged tid-%" PRIu64 " and came back with tid-%" PRIu64
				   ": was it restored from an older copy? What it lacks is sent again",
				   r->regressed_from_tid, r->regressed_to_tid);
}

/* What is known of a replica of this name. */
static struct guard_replica known(const struct guard_replicas *r, const char *name)
{
	struct guard_replica fresh = { .away_ns = 0 };

	for (size_t i = 0; i < r->n; i++)
		if (strcmp(r->states[i].name, name) == 0)
			return r->states[i];
	(void)snprintf(fresh.name, sizeof(fresh.name), "%s", name);
	return fresh;
}

void guard_look_at_statuses(struct guard_replicas *r, const struct hf_replica_status *all, size_t n,
			    const char *volume, uint64_t mono_ns, const struct hf_alarm_settings *settings,
			    struct alarms *alarms)
{
	const struct asked q = { settings, alarms, volume, mono_ns };
	struct guard_replica now[GUARD_REPLICAS_MAX];

	if (n > GUARD_REPLICAS_MAX)
		n = GUARD_REPLICAS_MAX;
	for (size_t i = 0; i < n; i++) {
		now[i] = known(r, all[i].name);
		look_at_reach(&q, &all[i], &now[i]);
		look_at_lag(&q, &all[i], &now[i]);
		look_at_refusal(&q, &all[i], &now[i]);
		look_at_regress(&q, &all[i], &now[i]);
	}
	memcpy(r->states, now, n * sizeof(now[0]));
	r->n = n;
}

/* In seconds; as often as the shorter limit asks for. */
static uint64_t look_every_s(const struct hf_alarm_settings *s)
{
	uint32_t limit_s = s->lag_s;

	if (limit_s == 0 || (s->unreachable_s > 0 && s->unreachable_s < limit_s))
		limit_s = s->unreachable_s;
	if (limit_s == 0 || limit_s / LOOKS_IN_A_LIMIT > LOOK_LONGEST_S)
		return LOOK_LONGEST_S;
	return limit_s / LOOKS_IN_A_LIMIT;
}

void guard_look_at_replicas(struct guard_replicas *r, struct hf_store *s,
			    const struct hf_alarm_settings *settings, struct alarms *alarms)
{
	const uint64_t now_ns = s->os->monotonic_ns(s->os->state);
	char id[HF_VOLUME_ID_TEXT_BYTES];
	size_t n;

	if (r->looked_ns > 0 && now_ns - r->looked_ns < look_every_s(settings) * second_ns)
		return;
	r->looked_ns = now_ns;
	if (!r->all)
		r->all = calloc(GUARD_REPLICAS_MAX, sizeof(*r->all));
	if (!r->all)
		return; /* the next look tries again */
	volume_id_text(s->descriptor.volume_id, id);
	n = hf_store_replicas(s, r->all, GUARD_REPLICAS_MAX);
	guard_look_at_statuses(r, r->all, n, id, now_ns, settings, alarms);
}

/* --- room */

void guard_look_at_room(struct guard_room *g, struct hf_store *s, struct alarms *alarms)
{
	const uint64_t now_ns = s->os->monotonic_ns(s->os->state);
	char id[HF_VOLUME_ID_TEXT_BYTES];
	const struct alarm_about about = { .volume = id };
	uint64_t free_bytes, total, available;
	bool none;

	if (g->looked_ns > 0 && now_ns - g->looked_ns < ROOM_EVERY_S * second_ns)
		return;
	g->looked_ns = now_ns;
	if (s->os->free_bytes(s->os->state, s->path, &free_bytes, &total) < 0)
		return; /* the next look tries again */
	available = room_available(s, free_bytes, total);
	(void)pthread_mutex_lock(&s->sequence);
	none = room_is_none(s, room_left(s, available));
	(void)pthread_mutex_unlock(&s->sequence);
	if (!none) {
		*g = (struct guard_room){ .looked_ns = now_ns };
		return;
	}
	if (g->none_ns == 0)
		g->none_ns = now_ns;
	if (now_ns - g->none_ns < NO_ROOM_S * second_ns || !is_due(&g->told_ns, now_ns, NO_ROOM_AGAIN_S))
		return;
	volume_id_text(s->descriptor.volume_id, id);
	alarms_raise_about(
		alarms, "space", &about,
		"nothing can be written any more, only removed: %" PRIu64
		" MiB are free below %.200s, of which %" PRIu64
		" are kept for the index and for removing; make room there, or move the store to a "
		"larger disk (removing files in the volume frees nothing)",
		free_bytes >> 20, s->path, room_reserve(total) >> 20);
}

/* --- drills */

static void tell_overdue(const struct asked *q, const struct hf_drill_state *state, uint64_t wall_ns)
{
	const struct alarm_about about = { .volume = q->volume };
	char since[ALARMS_DURATION_BYTES];

	(void)alarms_duration(wall_ns - state->since_ns, since);
	if (state->passed_ns)
		alarms_raise_about(
			q->alarms, "drill", &about,
			"no rehearsal of a recovery has passed for %s: holdfast drill, with the kit", since);
	else
		alarms_raise_about(q->alarms, "drill", &about,
				   "the volume was made %s ago, and no recovery of it was ever rehearsed: "
				   "holdfast drill, "
				   "with the kit",
				   since);
}

static void tell_failed(const struct asked *q, const struct hf_drill_result *last)
{
	const struct alarm_about about = { .volume = q->volume };
	char moment[HF_ALARM_MOMENT_BYTES];

	alarms_raise_about(q->alarms, "drill", &about,
			   "the recovery that was rehearsed from %s at %s failed at the step \"%s\": see "
			   "holdfast status, "
			   "and rehearse it again",
			   last->replica, hf_moment_format(last->began_ns, moment, sizeof(moment)),
			   last->failed_step[0] ? last->failed_step : "?");
}

void guard_look_at_drills(struct guard_drills *d, const struct hf_store *s,
			  const struct hf_alarm_settings *settings, struct alarms *alarms)
{
	const uint64_t now_ns = s->os->monotonic_ns(s->os->state);
	const uint32_t limit_s = settings->drill_s;
	const uint32_t every_s =
		limit_s / LOOKS_IN_A_LIMIT > LOOK_LONGEST_S ? LOOK_LONGEST_S : limit_s / LOOKS_IN_A_LIMIT;
	char id[HF_VOLUME_ID_TEXT_BYTES];
	const struct asked q = { settings, alarms, id, now_ns };
	struct hf_drill_result last;
	struct hf_drill_state state;

	if (limit_s == 0 || (d->looked_ns > 0 && now_ns - d->looked_ns < every_s * second_ns))
		return;
	d->looked_ns = now_ns;
	volume_id_text(s->descriptor.volume_id, id);
	if (results_state(s->os, s->path, s->descriptor.created_ns, settings, &state, NULL) < 0)
		return; /* the next look tries again */
	if (!state.overdue)
		d->told_overdue_ns = 0;
	else if (is_due(&d->told_overdue_ns, now_ns, limit_s < OVERDUE_AGAIN_S ? limit_s : OVERDUE_AGAIN_S))
		tell_overdue(&q, &state, s->os->now_ns(s->os->state));
	if (!state.last_failed || results_last(s->os, s->path, &last, NULL) < 0 || last.sample ||
	    last.began_ns == d->told_failed_ns)
		return;
	d->told_failed_ns = last.began_ns;
	tell_failed(&q, &last);
}
