/* SPDX-License-Identifier: MIT */
#include "store/node/watch.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "store/node/journal.h"

enum { LOOK_EVERY_S = 60 };

static const uint64_t hour_ns = 3600u * UINT64_C(1000000000);

struct watch {
	const struct os *os; /* immutable, as are dir and volumes */
	const char *dir;
	struct volumes *volumes;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool stop;              /* lock */
	uint64_t told_space_ns; /* lock */
};

static void look_at_volume(void *arg, struct volume *v)
{
	const uint64_t *now_ns = arg;
	uint64_t silent_ns = volume_silence(v, *now_ns, WATCH_SILENT_HOURS * hour_ns);

	if (silent_ns > 0)
		journal_line(LOG_ALERT,
			     "volume %s has been silent for %" PRIu64
			     " hours: is its store away, or kept from "
			     "shipping?",
			     volume_id_words(v), silent_ns / hour_ns);
}

static void look_at_space(struct watch *w, uint64_t now_ns)
{
	uint64_t free_bytes, total_bytes;

	if (w->told_space_ns && now_ns - w->told_space_ns < 24 * hour_ns)
		return;
	if (w->os->free_bytes(w->os->state, w->dir, &free_bytes, &total_bytes) < 0 ||
	    free_bytes >= total_bytes / 100 * WATCH_FREE_PERCENT)
		return;
	w->told_space_ns = now_ns;
	journal_line(LOG_ALERT,
		     "%s: only %" PRIu64
		     " MiB are left on its disk; when it is full, appends are refused and "
		     "nothing is given up",
		     w->dir, free_bytes >> 20);
}

void watch_look(struct watch *w, uint64_t now_ns)
{
	(void)pthread_mutex_lock(&w->lock);
	volumes_each(w->volumes, look_at_volume, &now_ns);
	look_at_space(w, now_ns);
	(void)pthread_mutex_unlock(&w->lock);
}

/* Sleep until the next look; false: it is over. */
static bool rest(struct watch *w)
{
	struct timespec until;
	bool stop;
	int r = 0;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += LOOK_EVERY_S;
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
		watch_look(w, w->os->monotonic_ns(w->os->state));
	while (rest(w));
	return NULL;
}

int watch_start(const struct os *os, const char *dir, struct volumes *volumes, struct watch **ret,
		struct hf_error *err)
{
	struct watch *w = calloc(1, sizeof(*w));
	pthread_condattr_t attr;
	int r;

	if (!w)
		return hf_error_set(err, -ENOMEM, "no memory");
	w->os = os;
	w->dir = dir;
	w->volumes = volumes;
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
	if (!w)
		return;
	(void)pthread_mutex_lock(&w->lock);
	w->stop = true;
	(void)pthread_cond_broadcast(&w->changed);
	(void)pthread_mutex_unlock(&w->lock);
	(void)pthread_join(w->thread, NULL);
	(void)pthread_cond_destroy(&w->changed);
	(void)pthread_mutex_destroy(&w->lock);
	free(w);
}
