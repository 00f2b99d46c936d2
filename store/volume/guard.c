/* SPDX-License-Identifier: MIT */
#include "store/volume/guard.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "store/alarm/alarms.h"
#include "store/alarm/burst.h"
#include "store/alarm/herald.h"
#include "store/alarm/settings.h"
#include "store/base/journal.h"
#include "store/volume/kit.h"
#include "store/volume/guard_look.h"
#include "store/volume/verified.h"

enum { LOOK_EVERY_S = 1, LAST_LOOKS = BURST_PAIRS_MAX / GUARD_PAIRS_MAX };

static const uint64_t second_ns = UINT64_C(1000000000);

struct guard {
	struct hf_store *s; /* immutable, as alarms and herald */
	struct alarms *alarms;
	struct herald *herald;

	struct burst *burst; /* what is told; protected by the store's sequence, as young_ns */
	uint64_t young_ns;

	/* the thread's own */
	struct hf_alarm_settings settings;
	bool settings_bad; /* and it has been said */
	struct guard_replicas replicas;
	struct guard_room room;
	struct guard_drills drills;

	pthread_t thread;
	pthread_mutex_t lock; /* a leaf, for stop */
	pthread_cond_t changed;
	bool stop;
};

/* --- what operations tell */

static _Thread_local bool restores;

void guard_restoring(bool restoring)
{
	restores = restoring;
}

static struct burst_when when(const struct hf_store *s, const struct op *op)
{
	return (struct burst_when){ s->os->monotonic_ns(s->os->state),
				    { op->tid, op->time_ns, s->before_ns } };
}

static bool is_young(const struct guard *g, const struct op *op, const struct hf_attr *attr)
{
	const uint64_t made_ns = (uint64_t)attr->btime.tv_sec * second_ns + (uint64_t)attr->btime.tv_nsec;

	return made_ns > op->time_ns || op->time_ns - made_ns < g->young_ns;
}

void guard_removed(struct hf_store *s, const struct op *op, uint64_t parent, const char *name,
		   const struct hf_attr *attr)
{
	struct burst_when now;

	if (!s->guard || restores || !S_ISREG(attr->mode) || attr->nlink > 1)
		return;
	now = when(s, op);
	burst_removed(s->guard->burst, &now, parent, name, attr->ino, attr->size_bytes,
		      is_young(s->guard, op, attr));
}

void guard_made(struct hf_store *s, const struct op *op, uint64_t parent, const char *name, uint64_t ino)
{
	struct burst_when now;

	if (!s->guard)
		return;
	now = when(s, op);
	burst_made(s->guard->burst, &now, parent, name, ino);
}

void guard_renamed(struct hf_store *s, const struct op *op, const char *name, uint64_t new_parent,
		   const char *new_name, const struct hf_attr *over)
{
	const bool exchange = op->rename.flags & RENAME_OP_EXCHANGE;
	struct hf_attr moved;
	struct burst_when now;

	if (!s->guard || restores ||
	    tree_lookup(&s->tree, HF_TID_HEAD, new_parent, new_name, &moved, NULL) < 0 ||
	    !S_ISREG(moved.mode))
		return;
	now = when(s, op);
	if (!over) {
		burst_renamed(s->guard->burst, &now, name, new_name);
		burst_made(s->guard->burst, &now, new_parent, new_name, moved.ino);
	} else if (over->ino != moved.ino && S_ISREG(over->mode) && (exchange || over->nlink == 1)) {
		burst_replaced(s->guard->burst, &now, over->ino, over->size_bytes, moved.ino,
			       is_young(s->guard, op, over));
	}
}

void guard_written(struct hf_store *s, const struct op *op, const struct hf_attr *attr, uint64_t offset,
		   uint64_t len)
{
	struct burst_when now;

	if (!s->guard || restores || offset >= attr->size_bytes)
		return;
	if (len > attr->size_bytes - offset)
		len = attr->size_bytes - offset;
	now = when(s, op);
	burst_written(s->guard->burst, &now, attr->ino, offset, len, is_young(s->guard, op, attr));
}

void guard_cut(struct hf_store *s, const struct op *op, const struct hf_attr *attr, uint64_t offset,
	       uint64_t len)
{
	struct burst_when now;

	if (!s->guard || restores || len == 0)
		return;
	now = when(s, op);
	burst_cut(s->guard->burst, &now, attr->ino, offset, len, is_young(s->guard, op, attr));
}

/* --- bursts */

/*
 * A moment that has all that was before the operation, and nothing of it. Where the clock stood still (it was
 * set back) no time says that.
 */
static void name_moment(const struct burst_op *op, char out[HF_ALARM_MOMENT_BYTES])
{
	if (op->time_ns > op->before_ns)
		(void)hf_moment_format(op->time_ns - 1, out, HF_ALARM_MOMENT_BYTES);
	else
		(void)snprintf(out, HF_ALARM_MOMENT_BYTES, "tid-%" PRIu64, op->tid - 1);
}

static void raise_burst(struct guard *g, enum burst_kind kind, const struct burst_alarm *a)
{
	static const char *const kinds[] = { "deletion", "overwrite", "encryption" };
	char id[HF_VOLUME_ID_TEXT_BYTES], moment[HF_ALARM_MOMENT_BYTES], window[ALARMS_DURATION_BYTES];
	char more[64] = "";
	struct alarm_about about = { .volume = id, .moment = moment };

	volume_id_text(g->s->descriptor.volume_id, id);
	name_moment(&a->first, moment);
	(void)alarms_duration(g->settings.window_s * second_ns, window);
	/* So that the moment is one of the log when somebody goes there. Without that it is named all the
	 * same. */
	(void)!hf_store_commit(g->s, NULL);
	if (a->renamed >= BURST_SURE_FILES)
		(void)snprintf(more, sizeof(more), ", %" PRIu64 " were given one new ending", a->renamed);
	else if (a->bytes >> 20)
		(void)snprintf(more, sizeof(more), ", %" PRIu64 " MiB", a->bytes >> 20);
	if (kind == BURST_ENCRYPTION)
		alarms_raise_about(g->alarms, kinds[kind], &about,
				   "within %s some %" PRIu64
				   " files that could be read were replaced by what looks "
				   "encrypted%s: is that ransomware? As it was just before: .history/at/%s",
				   window, a->files, more, moment);
	else
		alarms_raise_about(g->alarms, kinds[kind], &about,
				   "within %s %" PRIu64
				   " files were %s%s, %u %% of what is here: was that meant? "
				   "As it was just before: .history/at/%s",
				   window, a->files, kind == BURST_DELETION ? "removed" : "overwritten", more,
				   a->percent, moment);
}

static void judge(struct guard *g, enum burst_kind kind)
{
	struct hf_store *s = g->s;
	const struct burst_limits limits = {
		.files = g->settings.files,
		.deletion_percent = g->settings.deletion_percent,
		.overwrite_percent = g->settings.overwrite_percent,
		.encryption_files = g->settings.encryption_files,
	};
	struct burst_alarm a;
	bool now;

	(void)pthread_mutex_lock(&s->sequence);
	now = burst_judge(g->burst, kind, &limits, s->os->monotonic_ns(s->os->state), s->state.live_inodes,
			  s->state.live_bytes, &a);
	(void)pthread_mutex_unlock(&s->sequence);
	if (now)
		raise_burst(g, kind, &a);
}

/* What waits is looked at without a lock. */
static void look_at_pairs(struct guard *g)
{
	struct burst_pair pairs[GUARD_PAIRS_MAX];
	enum burst_outcome outcome[GUARD_PAIRS_MAX];
	bool again[GUARD_PAIRS_MAX];
	size_t n;

	(void)pthread_mutex_lock(&g->s->sequence);
	n = burst_take(g->burst, pairs, GUARD_PAIRS_MAX);
	(void)pthread_mutex_unlock(&g->s->sequence);
	for (size_t i = 0; i < n; i++)
		again[i] = guard_look_at_pair(&g->s->tree, &pairs[i], &outcome[i]);
	(void)pthread_mutex_lock(&g->s->sequence);
	for (size_t i = 0; i < n; i++) {
		if (again[i])
			burst_again(g->burst, &pairs[i]);
		else
			burst_judged(g->burst, &pairs[i], outcome[i]);
	}
	(void)pthread_mutex_unlock(&g->s->sequence);
}

/* --- damage */

void guard_damage(struct hf_store *s, const struct hf_damage *d, const char *named)
{
	char id[HF_VOLUME_ID_TEXT_BYTES];
	const struct alarm_about about = { .volume = id };

	if (!s->guard)
		return;
	volume_id_text(s->descriptor.volume_id, id);
	alarms_raise_about(s->guard->alarms, "damage", &about,
			   "the store is damaged at segment %" PRIu32 ", offset %" PRIu32
			   " of its log: %.100s. %s%s%sHeal "
			   "it from a replica: holdfast check %.100s --repair",
			   d->segment, d->offset, d->words, *named ? "These are bytes of " : "", named,
			   *named ? ". " : "", s->path);
}

/* --- looking */

static void take_settings(struct guard *g)
{
	struct hf_error err = HF_ERROR_INIT;
	struct hf_alarm_settings fresh;
	char id[HF_VOLUME_ID_TEXT_BYTES];

	if (settings_read(g->s->os, g->s->path, &fresh, &err) < 0) {
		volume_id_text(g->s->descriptor.volume_id, id);
		if (!g->settings_bad)
			alarms_raise(g->alarms, "settings", id, "%s; what was set before goes on", err.text);
		g->settings_bad = true;
		return;
	}
	g->settings_bad = false;
	if (memcmp(&fresh, &g->settings, sizeof(fresh)) == 0)
		return;
	if (herald_tell(g->herald, fresh.hook, fresh.url) < 0)
		return; /* the next look tries again */
	g->settings = fresh;
	(void)pthread_mutex_lock(&g->s->sequence);
	burst_set_window(g->burst, fresh.window_s * second_ns);
	g->young_ns = fresh.young_s * second_ns;
	(void)pthread_mutex_unlock(&g->s->sequence);
}

static void look(struct guard *g)
{
	take_settings(g);
	look_at_pairs(g);
	for (unsigned kind = 0; kind < BURST_KINDS; kind++)
		judge(g, kind);
	guard_look_at_room(&g->room, g->s, g->alarms);
	guard_look_at_replicas(&g->replicas, g->s, &g->settings, g->alarms);
	if (g->replicas.n > 0) /* else there is nothing to recover from, which is said elsewhere */
		guard_look_at_drills(&g->drills, g->s, &g->settings, g->alarms);
}

/* Sleep until the next look; false: it is over. */
static bool rest(struct guard *g)
{
	struct timespec until;
	bool stop;
	int r = 0;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += LOOK_EVERY_S;
	(void)pthread_mutex_lock(&g->lock);
	while (!g->stop && r == 0)
		r = pthread_cond_timedwait(&g->changed, &g->lock, &until);
	stop = g->stop;
	(void)pthread_mutex_unlock(&g->lock);
	return !stop;
}

static void *run(void *arg)
{
	struct guard *g = arg;

	(void)pthread_setname_np(pthread_self(), "guard");
	while (rest(g))
		look(g);
	for (unsigned i = 0; i < LAST_LOOKS; i++) /* at all that came since */
		look(g);
	return NULL;
}

/* --- life */

static int start_telling(struct guard *g, struct hf_error *err)
{
	const struct herald_options o = {
		.alarms = g->alarms,
		.origin = "store",
		.name = g->s->path,
		.hook = g->settings.hook,
		.url = g->settings.url,
	};

	return herald_start(&o, &g->herald, err);
}

static void release(struct guard *g)
{
	herald_stop(g->herald);
	alarms_close(g->alarms);
	burst_free(g->burst);
	free(g->replicas.all);
	(void)pthread_cond_destroy(&g->changed);
	(void)pthread_mutex_destroy(&g->lock);
	free(g);
}

static struct guard *guard_new(struct hf_store *s)
{
	struct guard *g = calloc(1, sizeof(*g));
	pthread_condattr_t attr;

	if (!g)
		return NULL;
	g->s = s;
	(void)pthread_mutex_init(&g->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&g->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
	return g;
}

/* With damaged settings the defaults are what goes on; the first look says so. */
static int prepare(struct guard *g, struct hf_error *err)
{
	struct hf_error bad = HF_ERROR_INIT;
	int r = 0;

	if (settings_read(g->s->os, g->s->path, &g->settings, &bad) < 0)
		settings_default(&g->settings);
	g->young_ns = g->settings.young_s * second_ns;
	r = burst_new(g->settings.window_s * second_ns, &g->burst);
	if (r < 0)
		return hf_error_set(err, r, "no memory");
	r = alarms_open(g->s->os, g->s->path, &g->alarms, err);
	return r < 0 ? r : start_telling(g, err);
}

void guard_start(struct hf_store *s)
{
	struct hf_error err = HF_ERROR_INIT;
	struct guard *g = guard_new(s);
	int r = g ? prepare(g, &err) : hf_error_set(&err, -ENOMEM, "no memory");

	if (r == 0) {
		/* before its thread runs, and before anybody else has the store */
		s->guard = g;
		r = -pthread_create(&g->thread, NULL, run, g);
	}
	if (r == 0)
		return;
	s->guard = NULL;
	if (g)
		release(g);
	journal_line(LOG_ERR, "%s: no alarms are raised: %s", s->path, err.text[0] ? err.text : strerror(-r));
}

void guard_stop(struct hf_store *s)
{
	struct guard *g = s->guard;

	if (!g)
		return;
	(void)pthread_mutex_lock(&g->lock);
	g->stop = true;
	(void)pthread_cond_broadcast(&g->changed);
	(void)pthread_mutex_unlock(&g->lock);
	(void)pthread_join(g->thread, NULL);
	s->guard = NULL;
	release(g);
}
