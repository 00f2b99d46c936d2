/* SPDX-License-Identifier: MIT */
/* Between the files of the scheduler. */
#ifndef TESTS_SIM_SCHED_INTERNAL_H
#define TESTS_SIM_SCHED_INTERNAL_H

#include <pthread.h>

#include "tests/sim/sched.h"

struct sched_thread;

/* Wait until somebody wakes who waits for `on`; until_ns 0: for ever. false: the time came first. */
bool sched_wait(const void *on, uint64_t until_ns);
void sched_wake_all(const void *on);
void sched_wake_one(const void *on); /* by chance, if there is one */

/* A thread that has its first turn when it is given one. NULL: too many, or no memory. */
struct sched_thread *sched_add(void *(*fn)(void *), void *arg);
void *sched_main(void *thread); /* for pthread_create */
void sched_added(struct sched_thread *t, pthread_t real);
void sched_drop(struct sched_thread *t); /* it could not be started */
/* Wait for its end. false: it is none of these. */
bool sched_join(pthread_t real);

#endif
