/* SPDX-License-Identifier: MIT */
/*
 * Making groups durable, in order, in two steps that work beside each other: a group is packed while the one
 * before it is written. Each step is done by whoever comes first: its own thread, or a caller who needs a
 * group durable (fsync), who so waits for no thread to wake up. A group for which there is no room, memory or
 * descriptor just now stays the next of its step, and is tried again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store/volume/volume.h"

enum { RETRY_MS = 250 };

void volume_fail(struct hf_store *s, int code, const char *text)
{
	struct hf_error words = HF_ERROR_INIT;

	(void)pthread_mutex_lock(&s->sequence);
	if (!s->failed) {
		(void)hf_error_set(
			&words, code,
			"%s; no more changes are taken: unmount, mend the disk and mount again (what was "
			"committed is safe)",
			text);
		memcpy(s->failed_text, words.text, sizeof(s->failed_text));
		s->failed = code;
	}
	(void)pthread_cond_broadcast(&s->room_cond);
	(void)pthread_cond_broadcast(&s->progress_cond);
	(void)pthread_mutex_unlock(&s->sequence);
}

void wait_ms(struct hf_store *s, pthread_cond_t *cond, unsigned ms)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	(void)pthread_cond_timedwait(cond, &s->sequence, &until);
}

void queue_push(struct group_queue *q, struct group *g)
{
	g->next = NULL;
	if (q->last)
		q->last->next = g;
	else
		q->first = g;
	q->last = g;
	q->n++;
}

struct group *queue_pop(struct group_queue *q)
{
	struct group *g = q->first;

	if (!g)
		return NULL;
	q->first = g->next;
	if (!q->first)
		q->last = NULL;
	g->next = NULL;
	q->n--;
	return g;
}

static void queue_push_back(struct group_queue *q, struct group *g)
{
	g->next = q->first;
	q->first = g;
	if (!q->last)
		q->last = g;
	q->n++;
}

/* May it be otherwise in a moment? */
static bool is_passing(int r)
{
	return r == -ENOSPC || r == -ENOMEM || r == -EMFILE || r == -ENFILE;
}

static bool log_takes_more(const struct hf_store *s)
{
	struct log_stats stats;

	log_stats(s->log, &stats);
	return stats.failed == 0;
}

/* Why a step waits to be tried again; 0: it does not. Requires sequence. */
static void note_stuck(struct hf_store *s, int *stuck, int r)
{
	*stuck = r;
	if (r == 0)
		return;
	s->room_budget = 0; /* what was measured holds no more */
	(void)pthread_cond_broadcast(&s->room_cond);
}

static struct group *next_sealed(struct hf_store *s)
{
	struct group *g;

	(void)pthread_mutex_lock(&s->sequence);
	g = s->failed ? NULL : queue_pop(&s->sealed);
	s->packing = g;
	(void)pthread_mutex_unlock(&s->sequence);
	return g;
}

/* What the index gets to know only now: where the chunks are, and when the operations happened. */
static int publish_places(struct hf_store *s, struct group *g, struct hf_error *err)
{
	struct index_batch *batch;
	int r;

	r = index_batch_new(s->index, &batch);
	if (r < 0)
		return hf_error_set(err, r, "no memory for the index");
	for (size_t i = 0; i < g->n_chunks; i++) {
		const struct log_frame *frame = &g->frames[g->chunks[i].frame];
		struct chunk_place place = { frame->pos, g->chunks[i].off, g->chunks[i].len, frame->seal };

		tree_put_chunk(batch, g->chunks[i].number, NULL, &place);
	}
	tree_put_notes(batch, g->notes, g->n);
	r = index_publish(s->index, batch, g->id, err);
	index_batch_free(batch);
	return r;
}

/* The group is durable: its runs give way to chunks, it is left to the settler. Requires sequence. */
static void group_is_durable(struct hf_store *s, struct group *g)
{
	for (size_t i = 0; i < g->n_runs; i++) {
		run_resolve(s->tree.runs, g->runs[i].id, g->runs[i].pieces, g->runs[i].n);
		g->runs[i].pieces = NULL;
	}
	g->open_at_resolve = s->open->id;
	s->durable_group = g->id;
	s->uncommitted_cost -= g->cost;
	s->counted_next_chunk = g->next_chunk;
	s->counted_chunk_bytes = g->chunk_bytes;
	(void)queue_pop(&s->packed);
	queue_push(&s->committed, g);
	if (s->committed.n == 1 || settle_is_urgent(s))
		(void)pthread_cond_signal(&s->settle_cond);
}

/* Requires write. */
static int put_in_log(struct hf_store *s, struct group *g, struct hf_error *err)
{
	uint64_t began_ns = s->os->monotonic_ns(s->os->state);
	int r = log_commit(s->log, g->frames, g->n_frames, g->state.tid, g->state.time_ns, err);

	meters_commit(s, g, s->os->monotonic_ns(s->os->state) - began_ns, r < 0);
	if (r < 0)
		return r;
	log_durable(s->log, &g->point);
	g->in_log = true;
	return 0;
}

/* Requires write. What fails in between is done by the next try, and nothing twice. */
static int write_group(struct hf_store *s, struct group *g, struct hf_error *err)
{
	int r = g->in_log ? 0 : put_in_log(s, g, err);

	if (r == 0)
		r = publish_places(s, g, err);
	if (r == 0) {
		for (size_t i = 0; i < g->n_frames; i++)
			log_frame_release(&g->frames[i]);
	}
	return r;
}

/*
 * Pack the next sealed group, if there is one; what fails and may pass leaves it the next. Requires pack, and
 * gives it up: while sequence is held, so that who finds it taken and waits for progress misses none.
 * tell_writer: nobody else writes it.
 */
static int pack_next(struct hf_store *s, bool tell_writer, struct hf_error *err)
{
	struct group *g = next_sealed(s);
	int r = g ? pack_group(s, g, err) : 0;
	const bool again = is_passing(r);

	if (again) {
		group_unpack(g);
		(void)hf_error_set(err, r, "what was changed cannot be packed now (%s); it is tried again",
				   hf_strerror(r));
	} else if (r < 0) { /* before the writer can see the group */
		volume_fail(s, r, err->code ? err->text : "packing a group failed");
	}
	(void)pthread_mutex_lock(&s->sequence);
	if (g) {
		s->packing = NULL;
		if (again)
			queue_push_back(&s->sealed, g);
		else
			queue_push(&s->packed, g);
		note_stuck(s, &s->pack_stuck, again ? r : 0);
		if (tell_writer)
			(void)pthread_cond_signal(&s->packed_cond);
	}
	(void)pthread_mutex_unlock(&s->pack);
	(void)pthread_cond_broadcast(&s->progress_cond);
	(void)pthread_mutex_unlock(&s->sequence);
	return r;
}

/*
 * Write the next packed group, if there is one; what fails and may pass leaves it the next. Requires write,
 * and gives it up as pack_next does pack.
 */
static int write_next(struct hf_store *s, struct hf_error *err)
{
	struct group *g;
	bool again;
	int r = 0;

	(void)pthread_mutex_lock(&s->sequence);
	g = s->failed ? NULL : s->packed.first;
	(void)pthread_mutex_unlock(&s->sequence);
	if (g)
		r = write_group(s, g, err);
	again = is_passing(r) && log_takes_more(s);
	if (r < 0 && !again) /* before anybody can try the group again: part of it may be in the log */
		volume_fail(s, r, err->text);
	(void)pthread_mutex_lock(&s->sequence);
	if (g) {
		if (r == 0)
			group_is_durable(s, g);
		note_stuck(s, &s->write_stuck, again ? r : 0);
	}
	if (s->sealed.first)
		(void)pthread_cond_signal(&s->sealed_cond); /* there is room for another packed group */
	(void)pthread_mutex_unlock(&s->write);
	(void)pthread_cond_broadcast(&s->progress_cond);
	(void)pthread_mutex_unlock(&s->sequence);
	return r;
}

static bool is_due(const struct group_queue *q, uint64_t group)
{
	return q->first && q->first->id <= group;
}

/*
 * One step towards the group, or wait until others have made one. Requires sequence, and lets go of it
 * meanwhile. Returns what fails and is tried again; what has failed for good is in s->failed.
 */
static int commit_step(struct hf_store *s, uint64_t group, struct hf_error *err)
{
	int r;

	if (is_due(&s->packed, group) && pthread_mutex_trylock(&s->write) == 0) {
		(void)pthread_mutex_unlock(&s->sequence);
		r = write_next(s, err);
	} else if (is_due(&s->sealed, group) && pthread_mutex_trylock(&s->pack) == 0) {
		(void)pthread_mutex_unlock(&s->sequence);
		r = pack_next(s, false, err);
	} else {
		(void)pthread_cond_wait(&s->progress_cond, &s->sequence);
		return 0;
	}
	(void)pthread_mutex_lock(&s->sequence);
	return s->failed ? 0 : r;
}

int commit_until(struct hf_store *s, uint64_t group, struct hf_error *err)
{
	struct hf_error local = HF_ERROR_INIT;
	int r = 0;

	if (!err)
		err = &local;
	(void)pthread_mutex_lock(&s->sequence);
	while (r == 0 && s->durable_group < group)
		r = s->failed ? hf_error_set(err, -EIO, "%s", s->failed_text) : commit_step(s, group, err);
	if (r < 0) { /* what is left of it is left to the threads */
		(void)pthread_cond_signal(&s->sealed_cond);
		(void)pthread_cond_signal(&s->packed_cond);
	}
	(void)pthread_mutex_unlock(&s->sequence);
	return r;
}

/* Is the open group's time over? Requires sequence. *ret_ms: how long it still has. */
static bool interval_over(struct hf_store *s, unsigned *ret_ms)
{
	uint64_t age_ms;

	*ret_ms = s->commit_interval_ms;
	if (s->open->n == 0)
		return refs_have_reapable(s);
	age_ms = (s->os->monotonic_ns(s->os->state) - s->open->opened_ns) / 1000000;
	if (age_ms >= s->commit_interval_ms)
		return true;
	*ret_ms = s->commit_interval_ms - (unsigned)age_ms;
	return false;
}

void *pack_thread(void *store)
{
	struct hf_store *s = store;
	struct hf_error err = HF_ERROR_INIT;
	uint64_t sealed;
	unsigned ms;

	(void)pthread_mutex_lock(&s->sequence);
	while (!s->stopping) {
		bool work = s->sealed.first && s->packed.n < PACKED_MAX && !s->failed;
		int r;

		if (!work && !s->failed && interval_over(s, &ms) && group_seal(s, &sealed) == 0)
			work = s->sealed.first && s->packed.n < PACKED_MAX;
		if (!work) {
			(void)interval_over(s, &ms);
			wait_ms(s, &s->sealed_cond, ms);
			continue;
		}
		(void)pthread_mutex_unlock(&s->sequence);
		(void)pthread_mutex_lock(&s->pack);
		r = pack_next(s, true, &err);
		(void)pthread_mutex_lock(&s->sequence);
		if (r < 0 && !s->failed) {
			room_tried(s, r);
			wait_ms(s, &s->sealed_cond, RETRY_MS);
		}
	}
	(void)pthread_mutex_unlock(&s->sequence);
	return NULL;
}

void *write_thread(void *store)
{
	struct hf_store *s = store;
	struct hf_error err = HF_ERROR_INIT;

	(void)pthread_mutex_lock(&s->sequence);
	while (!s->stopping) {
		int r;

		if (!s->packed.first || s->failed) {
			(void)pthread_cond_wait(&s->packed_cond, &s->sequence);
			continue;
		}
		(void)pthread_mutex_unlock(&s->sequence);
		(void)pthread_mutex_lock(&s->write);
		r = write_next(s, &err);
		(void)pthread_mutex_lock(&s->sequence);
		if (r < 0 && !s->failed) {
			room_tried(s, r);
			wait_ms(s, &s->packed_cond, RETRY_MS);
		}
	}
	(void)pthread_mutex_unlock(&s->sequence);
	return NULL;
}
