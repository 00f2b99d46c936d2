/* SPDX-License-Identifier: MIT */
/*
 * A run is one call of workers_run: it lives on its caller's stack and hangs in a list while it has work
 * left. Indices are taken with an atomic counter, so nobody holds the lock while a job runs. A run leaves the
 * list as soon as somebody finds its indices used up; its caller goes home when no worker is inside it any
 * more.
 */
#include "store/base/workers.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

enum { WORKERS_MAX = 16 };

struct run {
	struct run *next; /* protected by workers.lock */
	unsigned inside;  /* workers in it now; protected by workers.lock */
	atomic_size_t taken;
	size_t n;
	void (*job)(void *arg, size_t i);
	void *arg;
};

struct workers {
	pthread_mutex_t lock;
	pthread_cond_t work; /* a run came, or stop */
	pthread_cond_t left; /* a worker left a run */
	struct run *first;
	bool stop;
	unsigned n_threads;
	pthread_t threads[WORKERS_MAX];
};

static void run_some(struct run *run)
{
	size_t i;

	while ((i = atomic_fetch_add_explicit(&run->taken, 1, memory_order_relaxed)) < run->n)
		run->job(run->arg, i);
}

/* Requires lock. */
static void run_unlink(struct workers *w, const struct run *run)
{
	for (struct run **p = &w->first; *p; p = &(*p)->next) {
		if (*p == run) {
			*p = run->next;
			return;
		}
	}
}

static void *worker_main(void *arg)
{
	struct workers *w = arg;

	(void)pthread_setname_np(pthread_self(), "worker");
	pthread_mutex_lock(&w->lock);
	for (;;) {
		struct run *run;

		while (!w->first && !w->stop)
			pthread_cond_wait(&w->work, &w->lock);
		if (w->stop)
			break;
		run = w->first;
		run->inside++;
		pthread_mutex_unlock(&w->lock);
		run_some(run);
		pthread_mutex_lock(&w->lock);
		run_unlink(w, run);
		if (--run->inside == 0)
			pthread_cond_broadcast(&w->left);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

int workers_new(unsigned threads, struct workers **ret)
{
	struct workers *w = calloc(1, sizeof(*w));
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	if (!w)
		return -ENOMEM;
	if (threads == 0)
		threads = processors > 0 ? (unsigned)processors : 1;
	if (threads > WORKERS_MAX)
		threads = WORKERS_MAX;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->work, NULL);
	pthread_cond_init(&w->left, NULL);
	for (; w->n_threads < threads; w->n_threads++) {
		int r = pthread_create(&w->threads[w->n_threads], NULL, worker_main, w);

		if (r) {
			workers_free(w);
			return -r;
		}
	}
	*ret = w;
	return 0;
}

void workers_free(struct workers *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_broadcast(&w->work);
	pthread_mutex_unlock(&w->lock);
	for (unsigned i = 0; i < w->n_threads; i++)
		pthread_join(w->threads[i], NULL);
	pthread_cond_destroy(&w->left);
	pthread_cond_destroy(&w->work);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

/* The newest run goes to the end: older ones are finished first. Requires lock. */
static void run_link(struct workers *w, struct run *run)
{
	struct run **p = &w->first;

	while (*p)
		p = &(*p)->next;
	*p = run;
}

void workers_run(struct workers *w, size_t n, void (*job)(void *arg, size_t i), void *arg)
{
	struct run run = { .n = n, .job = job, .arg = arg };

	if (!w || n <= 1) {
		for (size_t i = 0; i < n; i++)
			job(arg, i);
		return;
	}
	pthread_mutex_lock(&w->lock);
	run_link(w, &run);
	if (n == 2)
		pthread_cond_signal(&w->work);
	else
		pthread_cond_broadcast(&w->work);
	pthread_mutex_unlock(&w->lock);
	run_some(&run);
	pthread_mutex_lock(&w->lock);
	run_unlink(w, &run);
	while (run.inside)
		pthread_cond_wait(&w->left, &w->lock);
	pthread_mutex_unlock(&w->lock);
}
