/* SPDX-License-Identifier: MIT */
/*
 * SEEK_DATA and SEEK_HOLE. The kernel asks without having written what it alone knows: pages of a shared
 * mapping, with -o coalesce any write. A hole that is named though somebody has written to it loses those
 * bytes for who copies the file. So before a hole is named, the kernel is told to drop its pages of that
 * hole, which makes it write those that are dirty, and then it is looked again.
 *
 * To drop pages is to wait for WRITEs that the serving threads answer; were all of those here, none would be
 * left. So it is done, and the request answered, by a thread of its own, one request at a time.
 */
#include <errno.h>
#include <stdlib.h>

#include "fs/mount/mount_internal.h"

#define ROUNDS_MAX 64 /* somebody fills hole after hole: then the rest counts as data */

struct seek_wait {
	struct seek_wait *next;
	fuse_req_t req;
	uint64_t ino, off;
	int whence;
};

/* What lies at `off` and behind it as the store knows it: a hole to write out, or `*ret` as the answer. */
static bool finds_hole(struct mount *m, uint64_t ino, uint64_t off, int whence, int64_t *ret, uint64_t *from,
		       uint64_t *to)
{
	int64_t at = hf_view_seek(&m->head, ino, off, whence, NULL), next = at;
	struct hf_attr attr;

	*ret = at;
	if (at < 0 && at != -ENXIO)
		return false;
	*from = whence == SEEK_HOLE && at >= 0 ? (uint64_t)at : off;
	if (hf_view_getattr(&m->head, ino, &attr, NULL) < 0)
		return false;
	/* where a file ends the kernel knows no better, but for what it gathers */
	if (*from >= attr.size_bytes && !m->options->coalesce)
		return false;
	if (whence == SEEK_HOLE)
		next = hf_view_seek(&m->head, ino, *from, SEEK_DATA, NULL);
	*to = next >= 0 ? (uint64_t)next : UINT64_MAX;
	return *from < *to;
}

static int64_t seek_written(struct mount *m, uint64_t ino, uint64_t off, int whence)
{
	uint64_t from, to, clean_from = 0, clean_to = 0;
	struct hf_attr attr;
	int64_t at;

	for (unsigned round = 0; round < ROUNDS_MAX; round++) {
		if (!finds_hole(m, ino, off, whence, &at, &from, &to) ||
		    (from >= clean_from && to <= clean_to))
			return at;
		fuse_lowlevel_notify_inval_inode(m->session, ino, (off_t)from,
						 to == UINT64_MAX ? 0 : (off_t)(to - from));
		clean_from = from;
		clean_to = to;
	}
	at = hf_view_getattr(&m->head, ino, &attr, NULL);
	if (at == 0)
		at = off >= attr.size_bytes ? -ENXIO : (int64_t)(whence == SEEK_DATA ? off : attr.size_bytes);
	return at;
}

static void reply(fuse_req_t req, int64_t at)
{
	if (at < 0)
		reply_code(req, (int)at);
	else
		fuse_reply_lseek(req, at);
}

static void *seek_thread(void *arg)
{
	struct mount *m = arg;
	struct seeks *s = &m->seeks;

	tally_join(m);
	pthread_mutex_lock(&s->lock);
	while (!s->stopped || s->first) {
		struct seek_wait *w = s->first;

		if (!w) {
			pthread_cond_wait(&s->wake, &s->lock);
			continue;
		}
		s->first = w->next;
		pthread_mutex_unlock(&s->lock);
		reply(w->req, seek_written(m, w->ino, w->off, w->whence));
		free(w);
		pthread_mutex_lock(&s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* Requires s->lock. */
static int start(struct mount *m)
{
	struct seeks *s = &m->seeks;
	int r = s->started ? 0 : -pthread_create(&s->thread, NULL, seek_thread, m);

	if (r == 0)
		s->started = true;
	return r;
}

void seek_init(struct mount *m)
{
	m->seeks = (struct seeks){ .first = NULL };
	pthread_mutex_init(&m->seeks.lock, NULL);
	pthread_cond_init(&m->seeks.wake, NULL);
}

void seek_stop(struct mount *m)
{
	struct seeks *s = &m->seeks;
	bool started;

	pthread_mutex_lock(&s->lock);
	s->stopped = true;
	started = s->started;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	if (started)
		pthread_join(s->thread, NULL);
	s->started = false;
}

void seek_release(struct mount *m)
{
	pthread_cond_destroy(&m->seeks.wake);
	pthread_mutex_destroy(&m->seeks.lock);
}

void seek_live(fuse_req_t req, uint64_t ino, uint64_t off, int whence)
{
	struct mount *m = mount_of(req);
	struct seeks *s = &m->seeks;
	struct seek_wait *w, **end;
	uint64_t from, to;
	int64_t at;
	int r;

	if (!finds_hole(m, ino, off, whence, &at, &from, &to))
		return reply(req, at);
	w = malloc(sizeof(*w));
	if (!w)
		return reply_code(req, -ENOMEM);
	*w = (struct seek_wait){ .req = req, .ino = ino, .off = off, .whence = whence };
	pthread_mutex_lock(&s->lock);
	r = s->stopped ? -EIO : start(m);
	if (r == 0) {
		for (end = &s->first; *end; end = &(*end)->next)
			;
		*end = w;
		pthread_cond_signal(&s->wake);
	}
	pthread_mutex_unlock(&s->lock);
	if (r < 0) {
		free(w);
		reply_code(req, r);
	}
}
