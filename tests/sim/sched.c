/* SPDX-License-Identifier: MIT */
/*
 * Whose turn it is. Everything here is touched by the thread that has the turn alone, and a turn is handed on
 * by a semaphore: so nothing needs a lock.
 */
#include "tests/sim/sched_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/splitmix.h"

enum {
	THREADS_MAX = 256,
	SWITCH_ONE_IN = 6, /* of the places where it could be */
	FIRST_NS = 1000000000,
};

enum turn { TURN_READY, TURN_WAITING, TURN_OVER };

struct sched_thread {
	unsigned number;
	pthread_t real;
	sem_t go;
	enum turn turn;
	const void *on;
	uint64_t until_ns; /* 0: for ever */
	bool late;         /* its time came first */
	void *(*fn)(void *);
	void *arg, *tag;
};

static struct {
	bool on;
	bool passing; /* whoever is told of time gives nobody a turn */
	uint64_t random,
		secrets; /* for turns; for who asks for random bytes, so that turns do not depend on that */
	uint64_t now_ns, switches;
	struct sched_thread
		*threads[THREADS_MAX]; /* in the order they began; so choices are the same each time */
	size_t n;
	unsigned begun;
	void (*passed)(void *arg, uint64_t ns);
	void *passed_arg;
} sched;

static __thread struct sched_thread *self;

static void give_up(const char *what)
{
	fprintf(stderr, "scheduler: %s\n", what);
	for (size_t i = 0; i < sched.n; i++)
		fprintf(stderr, "  thread %u: %s, for %p, until %" PRIu64 " (now %" PRIu64 ")\n",
			sched.threads[i]->number,
			sched.threads[i]->turn == TURN_READY   ? "ready" :
			sched.threads[i]->turn == TURN_WAITING ? "waits" :
								 "over",
			sched.threads[i]->on, sched.threads[i]->until_ns, sched.now_ns);
	abort();
}

uint64_t sched_random(uint64_t below)
{
	return splitmix64(&sched.random) % below;
}

void sched_random_bytes(void *out, size_t len)
{
	uint8_t *p = out;

	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)splitmix64(&sched.secrets);
}

bool sched_is_on(void)
{
	return self != NULL;
}

uint64_t sched_now_ns(void)
{
	return sched.now_ns;
}

uint64_t sched_switches(void)
{
	return sched.switches;
}

void sched_set_tag(void *tag)
{
	self->tag = tag;
}

void *sched_tag(void)
{
	return self ? self->tag : NULL;
}

void sched_pass(uint64_t ns)
{
	sched.now_ns += ns;
	sched.passing = true;
	if (sched.passed)
		sched.passed(sched.passed_arg, ns);
	sched.passing = false;
}

/* --- whose turn is next */

static void wake(struct sched_thread *t, bool late)
{
	t->turn = TURN_READY;
	t->late = late;
	t->on = NULL;
	t->until_ns = 0;
}

/* Those whose time has come. When nobody is ready, time goes on to the first that waits for one. */
static void wake_late(void)
{
	uint64_t first = UINT64_MAX;
	bool ready = false;

	for (size_t i = 0; i < sched.n; i++) {
		struct sched_thread *t = sched.threads[i];

		if (t->turn == TURN_WAITING && t->until_ns && t->until_ns <= sched.now_ns)
			wake(t, true);
		ready = ready || t->turn == TURN_READY;
		if (t->turn == TURN_WAITING && t->until_ns && t->until_ns < first)
			first = t->until_ns;
	}
	if (ready)
		return;
	if (first == UINT64_MAX)
		give_up("all threads wait for each other");
	sched_pass(first - sched.now_ns);
	wake_late();
}

static struct sched_thread *pick(void)
{
	struct sched_thread *ready[THREADS_MAX];
	size_t n = 0;

	wake_late();
	for (size_t i = 0; i < sched.n; i++)
		if (sched.threads[i]->turn == TURN_READY)
			ready[n++] = sched.threads[i];
	return ready[sched_random(n)];
}

static void take_turn(struct sched_thread *t)
{
	while (sem_wait(&t->go) < 0 && errno == EINTR)
		;
}

static void give_turn(struct sched_thread *next)
{
	struct sched_thread *me = self;

	if (next == me)
		return;
	sched.switches++;
	(void)sem_post(&next->go);
	take_turn(me);
}

void sched_pause(void)
{
	if (self && !sched.passing && sched_random(SWITCH_ONE_IN) == 0)
		give_turn(pick());
}

bool sched_wait(const void *on, uint64_t until_ns)
{
	self->on = on;
	self->until_ns = until_ns;
	self->turn = TURN_WAITING;
	give_turn(pick());
	return !self->late;
}

void sched_sleep(uint64_t ns)
{
	(void)sched_wait(self, sched.now_ns + (ns ? ns : 1));
}

void sched_wake_all(const void *on)
{
	for (size_t i = 0; i < sched.n; i++)
		if (sched.threads[i]->turn == TURN_WAITING && sched.threads[i]->on == on)
			wake(sched.threads[i], false);
}

void sched_wake_one(const void *on)
{
	struct sched_thread *found[THREADS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < sched.n; i++)
		if (sched.threads[i]->turn == TURN_WAITING && sched.threads[i]->on == on)
			found[n++] = sched.threads[i];
	if (n > 0)
		wake(found[sched_random(n)], false);
}

/* --- threads come and go */

struct sched_thread *sched_add(void *(*fn)(void *), void *arg)
{
	struct sched_thread *t = sched.n < THREADS_MAX ? calloc(1, sizeof(*t)) : NULL;

	if (!t)
		return NULL;
	t->number = sched.begun++;
	t->fn = fn;
	t->arg = arg;
	t->tag = self ? self->tag : NULL;
	t->turn = TURN_READY;
	(void)sem_init(&t->go, 0, 0);
	sched.threads[sched.n++] = t;
	return t;
}

void sched_added(struct sched_thread *t, pthread_t real)
{
	t->real = real;
}

void sched_drop(struct sched_thread *t)
{
	size_t i = 0;

	while (sched.threads[i] != t)
		i++;
	memmove(&sched.threads[i], &sched.threads[i + 1], (--sched.n - i) * sizeof(*sched.threads));
	(void)sem_destroy(&t->go);
	free(t);
}

void *sched_main(void *thread)
{
	struct sched_thread *t = thread;
	void *result;

	self = t;
	take_turn(t);
	result = t->fn(t->arg);
	t->turn = TURN_OVER;
	sched_wake_all(t);
	sched.switches++;
	(void)sem_post(&pick()->go);
	return result;
}

bool sched_join(pthread_t real)
{
	struct sched_thread *t = NULL;

	for (size_t i = 0; i < sched.n; i++)
		if (sched.threads[i]->number > 0 && pthread_equal(sched.threads[i]->real, real))
			t = sched.threads[i];
	if (!t)
		return false;
	while (t->turn != TURN_OVER)
		(void)sched_wait(t, 0);
	sched_drop(t);
	return true;
}

void sched_begin(uint64_t seed, void (*passed)(void *arg, uint64_t ns), void *arg)
{
	if (sched.on)
		give_up("begun twice");
	sched.on = true;
	sched.random = seed;
	sched.secrets = ~seed;
	sched.now_ns = FIRST_NS;
	sched.switches = 0;
	sched.begun = 0;
	sched.passed = passed;
	sched.passed_arg = arg;
	self = sched_add(NULL, NULL);
	if (!self)
		give_up("no memory");
}

void sched_end(void)
{
	if (sched.n != 1)
		give_up("a thread was left behind");
	sched_drop(self);
	self = NULL;
	sched.on = false;
}
