/* SPDX-License-Identifier: MIT */
/*
 * What our objects ask of pthreads and of the system's clock, answered by the scheduler; for threads that are
 * not its own, by the real thing. Locks stay real ones that are only ever tried, so that the library's own
 * checks hold.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "tests/sim/sched_internal.h"

enum { PROCESSORS = 2, SPURIOUS_ONE_IN = 64, SPURIOUS_NS = 1000 };

int __real_pthread_create(pthread_t *ret, const pthread_attr_t *attr, void *(*fn)(void *), void *arg);
int __real_pthread_join(pthread_t thread, void **ret);
int __real_pthread_mutex_lock(pthread_mutex_t *m);
int __real_pthread_mutex_unlock(pthread_mutex_t *m);
int __real_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m);
int __real_pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *until);
int __real_pthread_cond_signal(pthread_cond_t *c);
int __real_pthread_cond_broadcast(pthread_cond_t *c);
int __real_pthread_rwlock_rdlock(pthread_rwlock_t *l);
int __real_pthread_rwlock_wrlock(pthread_rwlock_t *l);
int __real_pthread_rwlock_unlock(pthread_rwlock_t *l);
int __real_nanosleep(const struct timespec *t, struct timespec *left);
int __real_clock_gettime(clockid_t clock, struct timespec *ret);
long __real_sysconf(int name);
ssize_t __real_getrandom(void *out, size_t len, unsigned flags);

int __wrap_pthread_create(pthread_t *ret, const pthread_attr_t *attr, void *(*fn)(void *), void *arg);
int __wrap_pthread_join(pthread_t thread, void **ret);
int __wrap_pthread_mutex_lock(pthread_mutex_t *m);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *m);
int __wrap_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m);
int __wrap_pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *until);
int __wrap_pthread_cond_signal(pthread_cond_t *c);
int __wrap_pthread_cond_broadcast(pthread_cond_t *c);
int __wrap_pthread_rwlock_rdlock(pthread_rwlock_t *l);
int __wrap_pthread_rwlock_wrlock(pthread_rwlock_t *l);
int __wrap_pthread_rwlock_unlock(pthread_rwlock_t *l);
int __wrap_nanosleep(const struct timespec *t, struct timespec *left);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);
long __wrap_sysconf(int name);
ssize_t __wrap_getrandom(void *out, size_t len, unsigned flags);

static uint64_t to_ns(const struct timespec *t)
{
	return (uint64_t)t->tv_sec * 1000000000u + (uint64_t)t->tv_nsec;
}

/* --- threads */

int __wrap_pthread_create(pthread_t *ret, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
	struct sched_thread *t;
	int r;

	if (!sched_is_on())
		return __real_pthread_create(ret, attr, fn, arg);
	t = sched_add(fn, arg);
	if (!t)
		return EAGAIN;
	r = __real_pthread_create(ret, attr, sched_main, t);
	if (r) {
		sched_drop(t);
		return r;
	}
	sched_added(t, *ret);
	sched_pause();
	return 0;
}

int __wrap_pthread_join(pthread_t thread, void **ret)
{
	if (sched_is_on())
		(void)sched_join(thread);
	return __real_pthread_join(thread, ret);
}

/* --- locks */

static int lock(pthread_mutex_t *m)
{
	int r;

	while ((r = pthread_mutex_trylock(m)) == EBUSY)
		(void)sched_wait(m, 0);
	return r;
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *m)
{
	if (!sched_is_on())
		return __real_pthread_mutex_lock(m);
	sched_pause();
	return lock(m);
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *m)
{
	int r = __real_pthread_mutex_unlock(m);

	if (sched_is_on())
		sched_wake_all(m);
	return r;
}

int __wrap_pthread_rwlock_rdlock(pthread_rwlock_t *l)
{
	int r;

	if (!sched_is_on())
		return __real_pthread_rwlock_rdlock(l);
	sched_pause();
	while ((r = pthread_rwlock_tryrdlock(l)) == EBUSY)
		(void)sched_wait(l, 0);
	return r;
}

int __wrap_pthread_rwlock_wrlock(pthread_rwlock_t *l)
{
	int r;

	if (!sched_is_on())
		return __real_pthread_rwlock_wrlock(l);
	sched_pause();
	while ((r = pthread_rwlock_trywrlock(l)) == EBUSY)
		(void)sched_wait(l, 0);
	return r;
}

int __wrap_pthread_rwlock_unlock(pthread_rwlock_t *l)
{
	int r = __real_pthread_rwlock_unlock(l);

	if (sched_is_on())
		sched_wake_all(l);
	return r;
}

/* --- waiting */

/* The lock is given up and the wait begun without a turn of anybody's in between. Some waits end for nothing.
 */
static bool wait_for(pthread_cond_t *c, pthread_mutex_t *m, uint64_t until_ns)
{
	uint64_t early = sched_random(SPURIOUS_ONE_IN) == 0 ? sched_now_ns() + SPURIOUS_NS : 0;
	bool woken;

	(void)__real_pthread_mutex_unlock(m);
	sched_wake_all(m);
	if (early && (!until_ns || early < until_ns))
		woken = sched_wait(c, early) || true;
	else
		woken = sched_wait(c, until_ns);
	(void)lock(m);
	return woken;
}

int __wrap_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
	if (!sched_is_on())
		return __real_pthread_cond_wait(c, m);
	(void)wait_for(c, m, 0);
	return 0;
}

int __wrap_pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *until)
{
	if (!sched_is_on())
		return __real_pthread_cond_timedwait(c, m, until);
	return wait_for(c, m, to_ns(until) ? to_ns(until) : 1) ? 0 : ETIMEDOUT;
}

int __wrap_pthread_cond_signal(pthread_cond_t *c)
{
	if (!sched_is_on())
		return __real_pthread_cond_signal(c);
	sched_wake_one(c);
	return 0;
}

int __wrap_pthread_cond_broadcast(pthread_cond_t *c)
{
	if (!sched_is_on())
		return __real_pthread_cond_broadcast(c);
	sched_wake_all(c);
	return 0;
}

/* --- the system */

int __wrap_nanosleep(const struct timespec *t, struct timespec *left)
{
	if (!sched_is_on())
		return __real_nanosleep(t, left);
	sched_sleep(to_ns(t));
	return 0;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
	if (!sched_is_on() || clock != CLOCK_MONOTONIC)
		return __real_clock_gettime(clock, ret);
	ret->tv_sec = (time_t)(sched_now_ns() / 1000000000u);
	ret->tv_nsec = (long)(sched_now_ns() % 1000000000u);
	return 0;
}

long __wrap_sysconf(int name)
{
	return sched_is_on() && name == _SC_NPROCESSORS_ONLN ? PROCESSORS : __real_sysconf(name);
}

ssize_t __wrap_getrandom(void *out, size_t len, unsigned flags)
{
	if (!sched_is_on())
		return __real_getrandom(out, len, flags);
	sched_random_bytes(out, len);
	return (ssize_t)len;
}
