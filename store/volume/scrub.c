/* SPDX-License-Identifier: MIT */
/*
 * The scrub (layer 4): while a store is mounted, all of its log is verified once in scrub_s, segment by
 * segment, from the disk. A segment's turn comes when that share of the time is over, so that a pass is
 * spread over all of it; after a time without a mount it is behind, and catches up, though never faster than
 * SCRUB_BYTES_S, and at a quarter of that while the store is written to. The thread has the idle class of the
 * disk's scheduler, the lowest priority of the processor's, and no help of the store's workers.
 *
 * Where it is is in verified.json: a pass goes on with the segment that it was at. When it is over, began_ns
 * stays and segment is 0; the next begins scrub_s after that.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#include "store/base/journal.h"
#include "store/volume/check.h"
#include "store/volume/rot.h"

enum {
	SCRUB_BYTES_S = 16 << 20,
	FIRST_WAIT_S = 60, /* after a mount, others want the disk */
	WAIT_MAX_S = 3600, /* then it looks again what time it is */
	IOPRIO_IDLE = 3 << 13,
	IOPRIO_THREAD = 1,
};

static const uint64_t second_ns = UINT64_C(1000000000);

struct scrub {
	struct hf_store *s;
	uint64_t tid; /* of the store's last operation when it was looked at */
};

/* --- waiting */

/* False: it is to stop. What was told meanwhile is settled at once. */
static bool wait_ns(struct hf_store *s, uint64_t ns)
{
	struct rot *r = s->rot;
	struct timespec until;
	bool stop, unsettled;
	int code = 0;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(ns / second_ns);
	until.tv_nsec += (long)(ns % second_ns);
	if (until.tv_nsec >= (long)second_ns) {
		until.tv_nsec -= (long)second_ns;
		until.tv_sec++;
	}
	do {
		(void)pthread_mutex_lock(&r->lock);
		while (!r->stop && !r->unsettled && code == 0)
			code = pthread_cond_timedwait(&r->changed, &r->lock, &until);
		stop = r->stop;
		unsettled = r->unsettled;
		(void)pthread_mutex_unlock(&r->lock);
		if (unsettled && !stop)
			rot_settle(s);
	} while (!stop && code == 0);
	return !stop;
}

static bool is_busy(struct scrub *c)
{
	uint64_t tid, pending;

	(void)pthread_mutex_lock(&c->s->sequence);
	tid = c->s->state.tid;
	pending = c->s->pending_bytes;
	(void)pthread_mutex_unlock(&c->s->sequence);
	if (tid == c->tid && pending == 0)
		return false;
	c->tid = tid;
	return true;
}

/* So many bytes of a segment were read: nobody shall notice. */
static bool pace(void *arg, uint64_t bytes)
{
	struct scrub *c = arg;
	struct rot *r = c->s->rot;

	(void)pthread_mutex_lock(&r->lock);
	r->segment_done += bytes;
	(void)pthread_mutex_unlock(&r->lock);
	return wait_ns(c->s, bytes * (is_busy(c) ? 4 : 1) * second_ns / SCRUB_BYTES_S);
}

/* --- one segment */

static void take_bad(void *arg, struct log_pos pos, const char *what)
{
	struct scrub *c = arg;

	rot_found(c->s, pos, what);
}

/* 0; -ECANCELED: it is to stop. What cannot be read now is left to the next pass, and said. */
static int scrub_segment(struct scrub *c, uint32_t segment)
{
	const struct check_listener to = { .bad = take_bad, .go_on = pace, .arg = c };
	struct hf_error err = HF_ERROR_INIT;
	long faults = check_segment(c->s->log, c->s->keys, segment, &to, &err);

	if (faults == 0)
		rot_healed(c->s, segment);
	else if (faults < 0 && faults != -ECANCELED)
		journal_line(LOG_ERR, "%s: segment %" PRIu32 " was not scrubbed: %s", c->s->path, segment,
			     err.text);
	return faults == -ECANCELED ? -ECANCELED : 0;
}

/* --- passes */

struct turn {
	uint32_t segment; /* 0: the pass is over */
	uint64_t wait_ns;
};

/* When a segment's turn comes, from the beginning of the pass: they are about the same size. */
static uint64_t share_ns(struct hf_store *s, uint32_t segment, uint64_t whole_ns)
{
	struct log_stats log;

	log_stats(s->log, &log);
	return (uint64_t)((double)whole_ns * (double)(segment - log.first_segment) /
			  (double)(log.last_segment - log.first_segment + 1));
}

/* When is it whose turn? */
static struct turn find_turn(struct hf_store *s)
{
	struct rot *r = s->rot;
	const uint64_t now = s->os->now_ns(s->os->state), whole = r->scrub_s * second_ns;
	struct turn t;
	uint64_t began, due;

	(void)pthread_mutex_lock(&r->lock);
	if (r->v.began_ns > now) /* the clock was set back */
		r->v.began_ns = now;
	began = r->v.began_ns;
	t.segment = r->v.segment;
	(void)pthread_mutex_unlock(&r->lock);
	due = t.segment ? began + share_ns(s, t.segment, whole) : began ? began + whole : now;
	t.wait_ns = due > now ? due - now : 0;
	return t;
}

static void begin_pass(struct hf_store *s)
{
	struct log_stats log;

	log_stats(s->log, &log);
	(void)pthread_mutex_lock(&s->rot->lock);
	s->rot->v.began_ns = s->os->now_ns(s->os->state);
	s->rot->v.segment = log.first_segment;
	(void)pthread_mutex_unlock(&s->rot->lock);
}

/* That one is done. The last one is as far as it was durable when it was begun. */
static void end_segment(struct hf_store *s, uint32_t segment, const struct log_point *end)
{
	struct rot *r = s->rot;
	const bool last = segment >= end->end.segment;

	(void)pthread_mutex_lock(&r->lock);
	r->v.segment = last ? 0 : segment + 1;
	r->segment_done = 0;
	r->unwritten = true;
	if (last) {
		r->v.complete_ns = s->os->now_ns(s->os->state);
		r->v.complete_tid = end->tid;
	}
	(void)pthread_mutex_unlock(&r->lock);
	rot_settle(s);
}

static bool take_turn(struct scrub *c)
{
	struct turn t = find_turn(c->s);
	struct log_point end;

	if (t.wait_ns > 0)
		return wait_ns(c->s, t.wait_ns < WAIT_MAX_S * second_ns ? t.wait_ns : WAIT_MAX_S * second_ns);
	if (t.segment == 0) {
		begin_pass(c->s);
		return true;
	}
	log_durable(c->s->log, &end);
	if (t.segment <= end.end.segment && scrub_segment(c, t.segment) < 0)
		return false;
	end_segment(c->s, t.segment, &end);
	return true;
}

/* --- the thread */

static void lower_priority(void)
{
	(void)syscall(SYS_ioprio_set, IOPRIO_THREAD, 0, IOPRIO_IDLE);
	(void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 19);
}

static void *run(void *arg)
{
	struct scrub c = { .s = arg };
	struct rot *r = c.s->rot;
	uint64_t first_ns = r->scrub_s * second_ns / 100;

	(void)pthread_setname_np(pthread_self(), "scrub");
	lower_priority();
	rot_settle(c.s); /* what a check at rest has found */
	if (r->scrub_s == 0) {
		while (wait_ns(c.s, WAIT_MAX_S * second_ns))
			continue;
		return NULL;
	}
	if (!wait_ns(c.s, first_ns < FIRST_WAIT_S * second_ns ? first_ns : FIRST_WAIT_S * second_ns))
		return NULL;
	while (take_turn(&c))
		continue;
	return NULL;
}

void scrub_start(struct hf_store *s, uint64_t scrub_s)
{
	int r;

	s->rot->scrub_s = scrub_s;
	s->rot->has_thread = true;
	r = pthread_create(&s->rot->thread, NULL, run, s);
	if (r == 0)
		return;
	s->rot->has_thread = false;
	journal_line(LOG_ERR, "%s: nothing is scrubbed: %s", s->path, strerror(r));
}

void scrub_stop(struct hf_store *s)
{
	struct rot *r = s->rot;

	if (!r || !r->has_thread)
		return;
	(void)pthread_mutex_lock(&r->lock);
	r->stop = true;
	(void)pthread_cond_broadcast(&r->changed);
	(void)pthread_mutex_unlock(&r->lock);
	(void)pthread_join(r->thread, NULL);
	r->has_thread = false;
}
