/* SPDX-License-Identifier: MIT */
/* Handing the log's groups out again, in order, verified, by a thread that goes ahead. */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "store/log/log_internal.h"

enum {
	TELL_EACH_BYTES = 4 << 20,
	AHEAD = 2, /* groups read, verified and opened ahead of the one that is handed out */
};

/* A group, opened. */
struct stage {
	struct frame_batch batch;
	struct log_pos *data;
	struct log_seal *seals;
	struct span *meta;
	size_t cap; /* of all three */
	struct log_group group;
};

/*
 * A thread reads, verifies and opens groups while the caller's hands out those before. stages is a ring:
 * those from `taken` to `filled` are the caller's, the others the thread's.
 */
struct replay {
	struct groups g; /* the thread's */
	struct log_point last;
	struct stage stages[AHEAD];

	pthread_mutex_t lock;
	pthread_cond_t moved;
	/* protected by lock; counted on and on */
	uint64_t filled, taken;
	bool ended; /* the thread: no more comes */
	bool stop;  /* the caller: no more is wanted */
	int result; /* of the thread, when it has ended */
	struct hf_error why;

	uint64_t bytes, told; /* passed by; when progress was last told */
};

static void replay_init(struct replay *p, const struct log *l)
{
	*p = (struct replay){ .g = GROUPS_INIT };
	for (size_t i = 0; i < AHEAD; i++) {
		p->stages[i].batch = (struct frame_batch)FRAME_BATCH_INIT;
		p->stages[i].batch.l = l;
	}
	(void)pthread_mutex_init(&p->lock, NULL);
	(void)pthread_cond_init(&p->moved, NULL);
}

static void replay_release(struct replay *p)
{
	groups_release(&p->g);
	for (size_t i = 0; i < AHEAD; i++) {
		frame_batch_release(&p->stages[i].batch);
		free(p->stages[i].data);
		free(p->stages[i].seals);
		free(p->stages[i].meta);
	}
	(void)pthread_cond_destroy(&p->moved);
	(void)pthread_mutex_destroy(&p->lock);
}

static void take_frame(void *arg, struct log_pos pos, const struct frame_header *h, const uint8_t *body)
{
	frame_batch_add(arg, pos, h, body);
}

static int reserve(struct stage *p, size_t n)
{
	struct log_pos *data;
	struct log_seal *seals;
	struct span *meta;

	if (n <= p->cap)
		return 0;
	data = realloc(p->data, n * sizeof(*data));
	if (data)
		p->data = data;
	seals = realloc(p->seals, n * sizeof(*seals));
	if (seals)
		p->seals = seals;
	meta = realloc(p->meta, n * sizeof(*meta));
	if (meta)
		p->meta = meta;
	if (!data || !seals || !meta)
		return -ENOMEM;
	p->cap = n;
	return 0;
}

/* The batch, opened, as the group that will be handed out. */
static int stage_open(struct stage *p, struct hf_error *err)
{
	int r = p->batch.failed ? -ENOMEM : reserve(p, p->batch.n);

	if (r < 0)
		return hf_error_set(err, r, "no memory for a group of the log");
	frame_batch_open(&p->batch, false);
	p->group.n_data = p->group.n_meta = 0;
	for (size_t i = 0; i < p->batch.n; i++) {
		const struct frame_batch_item *item = &p->batch.items[i];

		if (item->result == -EUCLEAN)
			return hf_error_set(err, -EBADMSG,
					    "segment %" PRIu32 ", offset %" PRIu32
					    ": what its writer signed there is no frame of this volume: %s",
					    item->pos.segment, item->pos.offset, item->err.text);
		if (item->result < 0)
			return hf_error_set(err, item->result, "segment %" PRIu32 ", offset %" PRIu32 ": %s",
					    item->pos.segment, item->pos.offset, hf_strerror(item->result));
		if (item->header.type == FRAME_DATA || item->header.type == FRAME_PRUNED) {
			frame_seal_of(&item->header, &p->seals[p->group.n_data]);
			p->data[p->group.n_data++] = item->pos;
		} else if (item->header.type == FRAME_META) {
			p->meta[p->group.n_meta++] = (struct span){ item->plain.data, item->plain.len };
		}
	}
	p->group.data = p->data;
	p->group.seals = p->seals;
	p->group.meta = p->meta;
	return 0;
}

/* The state before the group just read, which may be the first of its segment. */
static void set_points(const struct replay *p, struct log_group *group)
{
	const struct log_point *now = &p->g.v.point;

	group->before = p->last;
	if (p->last.end.segment != now->end.segment) {
		group->before.end = (struct log_pos){ now->end.segment, SEGMENT_HEADER_BYTES };
		group->before.epoch = now->epoch;
		group->before.sealed = false;
	}
	group->after = *now;
}

/* 1: one more, in the stage; 0: the end; negative. */
static int read_group(struct replay *p, struct stage *s, struct hf_error *err)
{
	struct verifier_frames frames = { .fn = take_frame, .arg = &s->batch };
	int r;

	frame_batch_clear(&s->batch);
	r = groups_next(&p->g, &frames, err);
	if (r <= 0)
		return r;
	set_points(p, &s->group);
	p->last = p->g.v.point;
	r = stage_open(s, err);
	return r < 0 ? r : 1;
}

static void *read_thread(void *arg)
{
	struct replay *p = arg;
	int r = 1;

	(void)pthread_mutex_lock(&p->lock);
	while (r == 1) {
		struct stage *s = &p->stages[p->filled % AHEAD];

		while (p->filled - p->taken == AHEAD && !p->stop)
			(void)pthread_cond_wait(&p->moved, &p->lock);
		if (p->stop)
			break;
		(void)pthread_mutex_unlock(&p->lock);
		r = read_group(p, s, &p->why);
		(void)pthread_mutex_lock(&p->lock);
		if (r == 1)
			p->filled++;
		(void)pthread_cond_signal(&p->moved);
	}
	p->result = r;
	p->ended = true;
	(void)pthread_cond_signal(&p->moved);
	(void)pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* The next group, when it is there; NULL: no more comes. */
static const struct log_group *next_group(struct replay *p)
{
	const struct log_group *group = NULL;

	(void)pthread_mutex_lock(&p->lock);
	while (p->filled == p->taken && !p->ended)
		(void)pthread_cond_wait(&p->moved, &p->lock);
	if (p->filled > p->taken)
		group = &p->stages[p->taken % AHEAD].group;
	(void)pthread_mutex_unlock(&p->lock);
	return group;
}

static void group_done(struct replay *p)
{
	(void)pthread_mutex_lock(&p->lock);
	p->taken++;
	(void)pthread_cond_signal(&p->moved);
	(void)pthread_mutex_unlock(&p->lock);
}

static void stop_reading(struct replay *p, pthread_t thread)
{
	(void)pthread_mutex_lock(&p->lock);
	p->stop = true;
	(void)pthread_cond_signal(&p->moved);
	(void)pthread_mutex_unlock(&p->lock);
	(void)pthread_join(thread, NULL);
}

/* Bytes between two points, as if every segment were full. */
static uint64_t about_bytes(const struct log *l, struct log_pos from, struct log_pos to)
{
	return (to.segment - from.segment) * l->segment_bytes + to.offset - from.offset;
}

static void tell(struct replay *p, const struct log_progress *progress, uint64_t total, bool last)
{
	if (!progress || !progress->fn || (!last && p->bytes - p->told < TELL_EACH_BYTES))
		return;
	p->told = p->bytes;
	progress->fn(progress->arg, "reading the log, bytes", last || p->bytes > total ? total : p->bytes,
		     total);
}

int log_replay(const struct log *l, const struct log_point *from,
	       int (*fn)(void *arg, const struct log_group *group, struct hf_error *err), void *arg,
	       const struct log_progress *progress, struct hf_error *err)
{
	CLEANUP(replay_release) struct replay p;
	const struct log_group *group;
	struct log_point end;
	pthread_t thread;
	uint64_t total;
	int r;

	replay_init(&p, l);
	log_durable(l, &end);
	if (from && log_pos_compare(from->end, end.end) == 0)
		return 0;
	r = groups_begin_at(&p.g, l, from, end.end, err);
	if (r < 0)
		return r;
	p.last = p.g.v.point;
	total = about_bytes(l, p.last.end, end.end);
	r = pthread_create(&thread, NULL, read_thread, &p);
	if (r != 0)
		return hf_error_set(err, -r, "cannot start a thread to read the log: %s", strerror(r));
	while (r == 0 && (group = next_group(&p))) {
		r = fn(arg, group, err);
		p.bytes += group->after.end.offset - group->before.end.offset;
		group_done(&p);
		if (r == 0)
			tell(&p, progress, total, false);
	}
	stop_reading(&p, thread);
	if (r == 0 && p.result < 0) {
		r = p.result;
		if (err)
			*err = p.why;
	}
	if (r == 0)
		tell(&p, progress, total, true);
	return r;
}
