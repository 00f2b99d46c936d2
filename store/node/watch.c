/* SPDX-License-Identifier: MIT */
#include "store/node/watch.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { LOOK_EVERY_S = 60, LOOKS_IN_A_LIMIT = 4 };

static const uint64_t second_ns = UINT64_C(1000000000);

struct watch {
	struct watch_options o; /* immutable, as look_every_s */
	unsigned look_every_s;
	pthread_t thread;
	pthread_mutex_t lock; /* for what follows, and one look at a time */
	pthread_cond_t changed;
	bool stop;
	uint64_t told_space_ns;         /* monotonic; 0: not told */
	uint64_t last_mono_ns, last_ns; /* both clocks at the last look; 0: there was none */
};

static void look_at_volume(struct watch *w, struct volume *v, uint64_t mono_ns)
{
	struct pulse *p = volume_pulse(v);
	struct log_point here;
	uint64_t ns;
	char text[ALARMS_DURATION_BYTES];

	ns = pulse_silence(p, mono_ns, w->o.silent_after_ns);
	if (ns > 0)
		alarms_raise(w->o.alarms, "silent", volume_id_words(v),
			     "it has been silent for %s: is its store away, or kept from shipping?",
			     alarms_duration(ns, text));
	shelf_position(volume_shelf(v), &here);
	ns = pulse_stall(p, here.commit, mono_ns, w->o.stalled_after_ns);
	if (ns > 0)
		alarms_raise(
			w->o.alarms, "stalled", volume_id_words(v),
			"its writer is there and says that it has more, but for %s nothing has come behind "
			"commit %" PRIu64 ": what keeps it from shipping?",
			alarms_duration(ns, text), here.commit);
	pulse_save(p, w->o.os, volume_dir(v));
	budget_look(volume_budget(v), w->o.os, volume_dir(v), volume_shelf(v), w->o.alarms,
		    volume_id_words(v), mono_ns);
}

static void look_at_space(struct watch *w, uint64_t mono_ns)
{
	uint64_t free_bytes, total_bytes;

	if (w->told_space_ns && mono_ns - w->told_space_ns < WATCH_SPACE_AGAIN_S * second_ns)
		return;
	if (w->o.os->free_bytes(w->o.os->state, w->o.dir, &free_bytes, &total_bytes) < 0 ||
	    free_bytes >= total_bytes / 100 * WATCH_FREE_PERCENT)
		return;
	w->told_space_ns = mono_ns;
	alarms_raise(
		w->o.alarms, "space", NULL,
		"%s: only %" PRIu64
		" MiB are left on its disk; when it is full, appends are refused and nothing is given up",
		w->o.dir, free_bytes >> 20);
}

/* The wall clock judges requests and invitations; a machine that slept seems to jump as well. */
static void look_at_clock(struct watch *w, uint64_t mono_ns, uint64_t now_ns)
{
	int64_t jump_ns = (int64_t)(now_ns - w->last_ns) - (int64_t)(mono_ns - w->last_mono_ns);
	bool first = w->last_mono_ns == 0;
	char text[ALARMS_DURATION_BYTES];

	w->last_mono_ns = mono_ns;
	w->last_ns = now_ns;
	if (first || (jump_ns < 0 ? -jump_ns : jump_ns) <= WATCH_CLOCK_JUMP_S * (int64_t)second_ns)
		return;
	alarms_raise(
		w->o.alarms, "clock", NULL,
		"its clock jumped %s by %s: was it set by hand, did the machine sleep, or does somebody feed "
		"it a false time?",
		jump_ns < 0 ? "back" : "forward",
		alarms_duration((uint64_t)(jump_ns < 0 ? -jump_ns : jump_ns), text));
}

void watch_look(struct watch *w, uint64_t mono_ns, uint64_t now_ns)
{
	struct volume *v;

	(void)pthread_mutex_lock(&w->lock);
	look_at_clock(w, mono_ns, now_ns);
	for (size_t i = 0; (v = volumes_nth(w->o.volumes, i)); i++)
		look_at_volume(w, v, mono_ns);
	look_at_space(w, mono_ns);
	(void)pthread_mutex_unlock(&w->lock);
}

/* Sleep until the next look; false: it is over. */
static bool rest(struct watch *w)
{
	struct timespec until;
	bool stop;
	int r = 0;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += w->look_every_s;
	(void)pthread_mutex_lock(&w->lock);
	while (!w->stop && r == 0)
		r = pthread_cond_timedwait(&w->changed, &w->lock, &until);
	stop = w->stop;
	(void)pthread_mutex_unlock(&w->lock);
	return !stop;
}

static void *run(void *arg)
{
	struct watch *w = arg;

	do
		watch_look(w, w->o.os->monotonic_ns(w->o.os->state), w->o.os->now_ns(w->o.os->state));
	while (rest(w));
	return NULL;
}

static unsigned look_every(const struct watch_options *o)
{
	uint64_t limit_ns =
		o->silent_after_ns < o->stalled_after_ns ? o->silent_after_ns : o->stalled_after_ns;
	uint64_t s = limit_ns / second_ns / LOOKS_IN_A_LIMIT;

	return s < 1 ? 1 : s > LOOK_EVERY_S ? LOOK_EVERY_S : (unsigned)s;
}

int watch_start(const struct watch_options *o, struct watch **ret, struct hf_error *err)
{
	struct watch *w = calloc(1, sizeof(*w));
	pthread_condattr_t attr;
	int r;

	if (!w)
		return hf_error_set(err, -ENOMEM, "no memory");
	w->o = *o;
	w->look_every_s = look_every(o);
	(void)pthread_mutex_init(&w->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&w->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
	r = -pthread_create(&w->thread, NULL, run, w);
	if (r < 0) {
		free(w);
		return hf_error_set(err, r, "no thread to watch over the node: %s", strerror(-r));
	}
	*ret = w;
	return 0;
}

void watch_stop(struct watch *w)
{
	struct volume *v;

	if (!w)
		return;
	(void)pthread_mutex_lock(&w->lock);
	w->stop = true;
	(void)pthread_cond_broadcast(&w->changed);
	(void)pthread_mutex_unlock(&w->lock);
	(void)pthread_join(w->thread, NULL);
	for (size_t i = 0; (v = volumes_nth(w->o.volumes, i)); i++)
		pulse_save(volume_pulse(v), w->o.os, volume_dir(v));
	(void)pthread_cond_destroy(&w->changed);
	(void)pthread_mutex_destroy(&w->lock);
	free(w);
}
