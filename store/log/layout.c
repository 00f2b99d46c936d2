/* SPDX-License-Identifier: MIT */
/*
 * Space ahead of the end of the log.
 *
 * Two things are kept ahead of the writer, by a thread where possible and by the writer itself where it comes
 * too early. Space: the open segment's file is allocated up to segment_bytes, and the next segment's file
 * exists, empty and allocated (a spare: no part of the log until its header is written). Zeros: while groups
 * are small, some megabytes behind the write position are written and synced, because the first write into
 * space that is merely allocated makes a sync wait for the journal of the file system below. Long streams go
 * without: there it would double the traffic and save nothing. Of the file system's last part, the reserve,
 * nothing is laid out ahead: the index needs it, and so does what frees things (store/volume/room.c).
 *
 * One piece of work is done at a time (`lay_busy` says on which file, from `lay_from` on), without the lock.
 * The writer writes into what is allocated and waits only for zeros that are being written where it wants to
 * write; `write_until` keeps new zeros behind what it is writing.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "store/log/log_internal.h"

enum {
	ZERO_AHEAD_BYTES = 4 << 20,
	ZERO_STEP_BYTES = 1 << 20, /* a commit's sync may have to wait for one of these */
	ZERO_WRITE_BYTES = 256 << 10,
	SMALL_GROUP_BYTES = 256 << 10,
	GROW_LEAST_BYTES = 256 << 10,
	PAGE = 4096,
	RETRY_MS = 1000,
	ASK_AGAIN_MS = 50,
};

enum lay_work { LAY_NOTHING, LAY_GROW_CUR, LAY_MAKE_NEXT, LAY_GROW_NEXT, LAY_ZERO_CUR, LAY_ZERO_NEXT };

static uint8_t zeros[ZERO_WRITE_BYTES]; /* never written to */

/* --- what there is to do. All require lock */

static uint64_t write_position(const struct log *l)
{
	uint64_t end = l->cur.segment == l->point.end.segment ? l->point.end.offset : 0;

	return end > l->write_until ? end : l->write_until;
}

/* Where the next zeros of the open segment go. */
static uint64_t zero_from(const struct log *l)
{
	uint64_t at = write_position(l);

	at = (at + PAGE - 1) / PAGE * PAGE;
	return at > l->cur.zeroed ? at : l->cur.zeroed;
}

static enum lay_work space_to_lay(const struct log *l)
{
	if (l->lay_stuck)
		return LAY_NOTHING;
	if (l->cur.fd >= 0 && l->cur.allocated < l->segment_bytes)
		return LAY_GROW_CUR;
	if (l->next.fd < 0)
		return LAY_MAKE_NEXT;
	return l->next.allocated < l->segment_bytes ? LAY_GROW_NEXT : LAY_NOTHING;
}

static enum lay_work zeros_to_lay(const struct log *l)
{
	if (l->cur.fd < 0 || l->group_bytes == 0 || l->group_bytes >= SMALL_GROUP_BYTES)
		return LAY_NOTHING;
	if (zero_from(l) < write_position(l) + ZERO_AHEAD_BYTES) {
		if (zero_from(l) < l->cur.allocated)
			return LAY_ZERO_CUR;
		if (l->next.fd >= 0 && l->next.zeroed < ZERO_AHEAD_BYTES &&
		    l->next.zeroed < l->next.allocated)
			return LAY_ZERO_NEXT;
	}
	return LAY_NOTHING;
}

static enum lay_work work_to_do(const struct log *l)
{
	enum lay_work w;

	if (atomic_load(&log_mutable(l)->failed))
		return LAY_NOTHING;
	w = space_to_lay(l);
	return w == LAY_NOTHING ? zeros_to_lay(l) : w;
}

bool layout_has_work(const struct log *l)
{
	return l->has_thread && work_to_do(l) != LAY_NOTHING;
}

/* --- doing it */

static int write_zeros(const struct log *l, int fd, uint64_t from, uint64_t to)
{
	while (from < to) {
		size_t len = to - from < ZERO_WRITE_BYTES ? (size_t)(to - from) : ZERO_WRITE_BYTES;
		int r = os_pwrite_full(l->os, fd, zeros, len, from);

		if (r < 0)
			return r;
		from += len;
	}
	return 0;
}

/* A file system that cannot allocate has zeros written instead. */
static int allocate(const struct log *l, int fd, uint64_t from, uint64_t to)
{
	int r = l->os->allocate(l->os->state, fd, from, to - from);

	if (r == -EOPNOTSUPP)
		r = write_zeros(l, fd, from, to);
	return r == 0 ? l->os->fsync(l->os->state, fd) : r;
}

/* As much of [from, *to) as can be had, halving it down to `least`; what failed half-way is given back. */
static int allocate_some(const struct log *l, int fd, uint64_t from, uint64_t least, uint64_t *to)
{
	for (;;) {
		int r = allocate(l, fd, from, *to);

		if (r == 0)
			return 0;
		(void)l->os->truncate(l->os->state, fd, from);
		if (r != -ENOSPC && r != -EDQUOT)
			return r;
		if (*to <= least)
			return -ENOSPC;
		*to = from + (*to - from) / 2;
		if (*to < least)
			*to = least;
	}
}

/* Requires lock and nothing busy; drops the lock between begin and end. */
static void busy_begin(struct log *l, const struct seg_file *f, uint64_t from)
{
	assert(!l->lay_busy);
	l->lay_busy = f;
	l->lay_from = from;
	pthread_mutex_unlock(&l->lock);
}

static void busy_end(struct log *l)
{
	pthread_mutex_lock(&l->lock);
	l->lay_busy = NULL;
	pthread_cond_broadcast(&l->lay_done);
}

static void stuck(struct log *l)
{
	l->lay_stuck = true;
	l->lay_tried_ns = l->os->monotonic_ns(l->os->state);
}

/* How far from `from` to `to` a file may grow ahead of what is written. */
static uint64_t ahead_of(const struct log *l, uint64_t from, uint64_t to)
{
	uint64_t free_bytes, total, reserve;

	if (!l->reserve || l->os->free_bytes(l->os->state, l->dir, &free_bytes, &total) < 0)
		return to;
	reserve = l->reserve(total);
	if (free_bytes <= reserve)
		return from;
	return free_bytes - reserve < to - from ? from + (free_bytes - reserve) / PAGE * PAGE : to;
}

/*
 * Allocate f up to `to`, as far as that is not of the reserve; up to `need` in any case, 0: nothing is needed
 * yet. Requires lock, nothing busy.
 */
static int grow(struct log *l, struct seg_file *f, uint64_t to, uint64_t need)
{
	uint64_t from = f->allocated, least = from + GROW_LEAST_BYTES < to ? from + GROW_LEAST_BYTES : to,
		 got;
	int r = -ENOSPC;

	if (least < need)
		least = need;
	busy_begin(l, f, from);
	got = ahead_of(l, from, to);
	if (got < least && need)
		got = least;
	if (got >= least)
		r = allocate_some(l, f->lay_fd, from, least, &got);
	busy_end(l);
	if (r == 0)
		f->allocated = got;
	if (r < 0 || got < to)
		stuck(l);
	return r;
}

static int open_both(const struct log *l, uint32_t segment, struct seg_file *ret)
{
	ret->segment = segment;
	ret->fd = segment_open(l, segment, O_CREAT | O_EXCL);
	if (ret->fd < 0)
		return ret->fd;
	ret->lay_fd = segment_open(l, segment, 0);
	return ret->lay_fd < 0 ? ret->lay_fd : 0;
}

/*
 * The next segment's file, empty, its name durable. An older spare is not taken over: whether its name is
 * durable is not known, and a sync that failed once may say nothing the second time. Requires lock, nothing
 * busy.
 */
static int make_next(struct log *l)
{
	struct seg_file f = SEG_FILE_NONE;
	int r;

	busy_begin(l, &l->next, 0);
	r = segment_unlink(l, l->cur.segment + 1);
	if (r == 0 || r == -ENOENT)
		r = open_both(l, l->cur.segment + 1, &f);
	if (r == 0)
		r = l->os->fsync(l->os->state, f.fd);
	if (r == 0)
		r = l->os->sync_dir(l->os->state, l->dir);
	if (r < 0)
		seg_file_close(l->os, &f);
	busy_end(l);
	if (r == 0)
		l->next = f;
	else
		stuck(l);
	return r == -EDQUOT ? -ENOSPC : r;
}

/* Requires lock, nothing busy. */
static void zero(struct log *l, struct seg_file *f, uint64_t from)
{
	uint64_t to = from + ZERO_STEP_BYTES < f->allocated ? from + ZERO_STEP_BYTES : f->allocated;
	int r;

	busy_begin(l, f, from);
	r = write_zeros(l, f->lay_fd, from, to);
	if (r == 0)
		r = l->os->fdatasync(l->os->state, f->lay_fd);
	if (r < 0 && f == &l->cur)
		(void)log_fail(l, r, NULL); /* what the disk holds of the open segment is not sure any more */
	busy_end(l);
	f->zeroed = r == 0 ? to : f->allocated; /* after a failure: no more zeros in this file */
}

static void lay(struct log *l, enum lay_work work)
{
	switch (work) {
	case LAY_GROW_CUR:
		(void)grow(l, &l->cur, l->segment_bytes, 0);
		break;
	case LAY_MAKE_NEXT:
		(void)make_next(l);
		break;
	case LAY_GROW_NEXT:
		(void)grow(l, &l->next, l->segment_bytes, 0);
		break;
	case LAY_ZERO_CUR:
		zero(l, &l->cur, zero_from(l));
		break;
	case LAY_ZERO_NEXT:
		zero(l, &l->next, l->next.zeroed);
		break;
	case LAY_NOTHING:
		break;
	}
}

/* --- the thread */

static struct timespec in_ms(unsigned ms)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += (long)(ms % 1000) * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_nsec -= 1000000000;
		t.tv_sec++;
	}
	return t;
}

static void wait_for_work(struct log *l)
{
	if (l->lay_stuck) {
		struct timespec until = in_ms(RETRY_MS);

		if (pthread_cond_timedwait(&l->lay_wanted, &l->lock, &until) == ETIMEDOUT)
			l->lay_stuck = false;
	} else {
		pthread_cond_wait(&l->lay_wanted, &l->lock);
	}
}

static void *layout_main(void *arg)
{
	struct log *l = arg;

	(void)pthread_setname_np(pthread_self(), "layout");
	pthread_mutex_lock(&l->lock);
	while (!l->stop) {
		enum lay_work work = work_to_do(l);

		if (work == LAY_NOTHING)
			wait_for_work(l);
		else if (l->lay_busy)
			pthread_cond_wait(&l->lay_done, &l->lock);
		else
			lay(l, work);
	}
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

void layout_begin(struct log *l)
{
	int r = 0;

	pthread_mutex_lock(&l->lock);
	if (l->cur.fd >= 0 && l->cur.allocated < l->segment_bytes)
		r = grow(l, &l->cur, l->segment_bytes, 0);
	if (r == 0 && l->next.fd < 0)
		r = make_next(l);
	if (r == 0 && l->next.allocated < l->segment_bytes)
		(void)grow(l, &l->next, l->segment_bytes, 0);
	pthread_mutex_unlock(&l->lock);
}

int layout_start(struct log *l)
{
	int r = pthread_create(&l->thread, NULL, layout_main, l);

	l->has_thread = r == 0;
	return -r;
}

void layout_stop(struct log *l)
{
	if (!l->has_thread)
		return;
	pthread_mutex_lock(&l->lock);
	l->stop = true;
	pthread_cond_broadcast(&l->lay_wanted);
	pthread_cond_broadcast(&l->lay_done);
	pthread_mutex_unlock(&l->lock);
	pthread_join(l->thread, NULL);
	l->has_thread = false;
}

/* --- the writer's side */

void layout_freeze(struct log *l)
{
	pthread_mutex_lock(&l->lock);
	while (l->lay_busy)
		pthread_cond_wait(&l->lay_done, &l->lock);
}

void layout_unfreeze(struct log *l)
{
	pthread_mutex_unlock(&l->lock);
}

static uint64_t at_least(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

int layout_current(struct log *l, uint64_t upto)
{
	int r = 0;

	pthread_mutex_lock(&l->lock);
	while (r == 0 && l->cur.allocated < upto) {
		if (l->lay_busy)
			pthread_cond_wait(&l->lay_done, &l->lock);
		else
			r = grow(l, &l->cur, at_least(upto, l->segment_bytes), upto);
	}
	pthread_mutex_unlock(&l->lock);
	return r;
}

int layout_next(struct log *l, uint64_t upto)
{
	int r = 0;

	pthread_mutex_lock(&l->lock);
	while (r == 0 && (l->next.fd < 0 || l->next.allocated < upto)) {
		if (l->lay_busy)
			pthread_cond_wait(&l->lay_done, &l->lock);
		else if (l->next.fd < 0)
			r = make_next(l);
		else
			r = grow(l, &l->next, at_least(upto, l->segment_bytes), upto);
	}
	pthread_mutex_unlock(&l->lock);
	return r;
}

void layout_claim(struct log *l, uint64_t until)
{
	pthread_mutex_lock(&l->lock);
	l->write_until = until;
	while (l->lay_busy == &l->cur && until > l->lay_from)
		pthread_cond_wait(&l->lay_done, &l->lock);
	pthread_mutex_unlock(&l->lock);
}

/* --- room */

/* Requires lock. */
static uint64_t room_now(const struct log *l)
{
	uint64_t used = at_least(write_position(l), SEGMENT_HEADER_BYTES) + l->seal_bytes;
	uint64_t next_used = SEGMENT_HEADER_BYTES + append_seal_bytes(0);
	uint64_t cur = l->cur.fd >= 0 && l->cur.allocated > used ? l->cur.allocated - used : 0;
	uint64_t next = l->next.fd >= 0 && l->next.allocated > next_used ? l->next.allocated - next_used : 0;

	return at_least(cur, next);
}

/* Is more coming, or worth another try? Requires lock. */
static bool room_may_grow(struct log *l)
{
	uint64_t now = l->os->monotonic_ns(l->os->state);

	if (!l->has_thread || atomic_load(&l->failed))
		return false;
	if (l->lay_stuck && now - l->lay_tried_ns > (uint64_t)ASK_AGAIN_MS * 1000000)
		l->lay_stuck = false;
	return !l->lay_stuck && space_to_lay(l) != LAY_NOTHING;
}

uint64_t log_room(const struct log *l)
{
	struct log *m = log_mutable(l);
	struct timespec until = in_ms(RETRY_MS);
	uint64_t room;

	pthread_mutex_lock(&m->lock);
	for (;;) {
		room = atomic_load(&m->failed) ? 0 : room_now(m);
		if (room >= m->segment_bytes / 4 || !room_may_grow(m))
			break;
		pthread_cond_signal(&m->lay_wanted);
		if (pthread_cond_timedwait(&m->lay_done, &m->lock, &until) == ETIMEDOUT)
			break;
	}
	pthread_mutex_unlock(&m->lock);
	return room;
}
