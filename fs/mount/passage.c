/* SPDX-License-Identifier: MIT */
/*
 * Where the serving threads are. A thread that waits in read(2) and one that has just come back from it with
 * a request look alike from outside. So whoever has to know that a request was answered begins a round, and
 * wakes those that are in read(2): each thread notes the round at each read, and with the next round noted,
 * what it read before is done.
 */
#include <signal.h>
#include <time.h>

#include "fs/mount/mount_internal.h"

#define STEP_NS 100000

void passage_init(struct passage *p)
{
	pthread_mutex_init(&p->lock, NULL);
	for (unsigned i = 0; i < SERVE_THREADS_MAX; i++)
		atomic_init(&p->state[i].at, PASSAGE_IDLE);
}

void passage_release(struct passage *p)
{
	pthread_mutex_destroy(&p->lock);
}

unsigned passage_join(struct passage *p)
{
	unsigned index = atomic_fetch_add(&p->joined, 1);

	p->state[index].thread = pthread_self();
	return index;
}

void passage_leave(struct passage *p, unsigned index)
{
	pthread_mutex_lock(&p->lock);
	passage_idle(p, index);
	pthread_mutex_unlock(&p->lock);
}

static bool has_passed(const struct passage *p, unsigned index, unsigned round)
{
	unsigned state = atomic_load_explicit(&p->state[index].at, memory_order_acquire);

	return state == PASSAGE_IDLE || state / 2 >= round;
}

static void wake_reader(struct passage *p, unsigned index)
{
	pthread_mutex_lock(&p->lock);
	if (!(atomic_load_explicit(&p->state[index].at, memory_order_acquire) & PASSAGE_SERVES))
		pthread_kill(p->state[index].thread, SERVE_SIGNAL);
	pthread_mutex_unlock(&p->lock);
}

bool passage_wait(struct passage *p, uint64_t until_ns, struct passage_counts *ret)
{
	unsigned round = atomic_fetch_add(&p->round, 1) + 1, joined = atomic_load(&p->joined);

	for (unsigned i = 0; i < joined; i++) {
		while (!has_passed(p, i, round)) {
			if (now_ns() >= until_ns)
				return false;
			wake_reader(p, i);
			nanosleep(&(struct timespec){ .tv_nsec = STEP_NS }, NULL);
		}
	}
	*ret = (struct passage_counts){ 0 };
	for (unsigned i = 0; i < joined; i++) {
		ret->requests += atomic_load(&p->state[i].requests);
		ret->pages += atomic_load(&p->state[i].pages);
	}
	return true;
}
