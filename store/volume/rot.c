/* SPDX-License-Identifier: MIT */
#include "store/volume/rot.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store/base/journal.h"
#include "store/volume/guard.h"
#include "store/volume/rot_name.h"

/* --- what is known */

/* What a reader is told is long, and names the file: here the place is known. */
static void met_by_reader(void *arg, struct log_pos pos, int code, const char *words)
{
	(void)words;
	rot_met(arg, pos, code);
}

static void count_known(struct rot *r)
{
	atomic_store(&r->n, r->v.n + r->v.more);
}

int rot_open(struct hf_store *s)
{
	struct rot *r = calloc(1, sizeof(*r));
	pthread_condattr_t attr;
	struct log_pos lost;

	if (!r)
		return -ENOMEM;
	r->s = s;
	(void)pthread_mutex_init(&r->lock, NULL);
	(void)pthread_mutex_init(&r->writing, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&r->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
	verified_read(s->os, s->path, s->descriptor.volume_id, &r->v);
	count_known(r);
	r->n_told = r->v.n; /* by who found it, or it is in status */
	for (size_t i = 0; i < r->v.n; i++)
		r->unsettled |= !r->v.damage[i].retired;
	s->rot = r;
	if (log_has_lost(s->log, &lost))
		rot_found(s, lost, "the frame is not one that was written: what is behind it cannot be told");
	frame_cache_watch(s->frames, met_by_reader, s);
	return 0;
}

void rot_free(struct hf_store *s)
{
	struct rot *r = s->rot;

	if (!r)
		return;
	(void)pthread_cond_destroy(&r->changed);
	(void)pthread_mutex_destroy(&r->writing);
	(void)pthread_mutex_destroy(&r->lock);
	free(r);
	s->rot = NULL;
}

void rot_found(struct hf_store *s, struct log_pos pos, const char *words)
{
	struct rot *r = s->rot;
	bool more;

	(void)pthread_mutex_lock(&r->lock);
	more = r->v.more;
	if (verified_add(&r->v, pos, words, s->os->now_ns(s->os->state))) {
		r->unsettled = r->unwritten = true;
		(void)pthread_cond_broadcast(&r->changed);
	}
	r->unwritten |= r->v.more != more;
	count_known(r);
	(void)pthread_mutex_unlock(&r->lock);
}

void rot_met(struct hf_store *s, struct log_pos pos, int code)
{
	if (code == -EUCLEAN)
		rot_found(s, pos, "the frame's bytes are not those that were written");
	else if (code == -EIO)
		rot_found(s, pos, "the disk does not give the frame (EIO)");
}

/* What does not stay is no damage any more. Requires lock. */
static void keep(struct rot *r, bool (*stays)(const void *arg, const struct hf_damage *d), const void *arg)
{
	size_t kept = 0, told = 0;

	for (size_t i = 0; i < r->v.n; i++) {
		if (!stays(arg, &r->v.damage[i]))
			continue;
		told += i < r->n_told;
		r->v.damage[kept++] = r->v.damage[i];
	}
	if (kept < r->v.n) /* and who goes through them may have missed one */
		r->unwritten = r->unretired = true;
	r->v.n = kept;
	r->n_told = told;
	count_known(r);
}

struct sight {
	const struct verified *seen;
	uint64_t since_ns;
};

static bool is_still_seen(const void *arg, const struct hf_damage *d)
{
	const struct sight *sight = arg;

	return d->found_ns >= sight->since_ns || sight->seen->n == HF_DAMAGE_MAX ||
	       verified_find(sight->seen, (struct log_pos){ d->segment, d->offset }) < sight->seen->n;
}

void rot_seen(struct hf_store *s, const struct verified *seen, uint64_t since_ns)
{
	struct rot *r = s->rot;

	(void)pthread_mutex_lock(&r->lock);
	if (r->v.more && !seen->more && r->v.n < HF_DAMAGE_MAX) /* else something found since may be in it */
		r->v.more = false;
	keep(r, is_still_seen, &(struct sight){ seen, since_ns });
	(void)pthread_mutex_unlock(&r->lock);
}

static bool is_elsewhere(const void *arg, const struct hf_damage *d)
{
	const uint32_t *healed = arg;

	return d->segment != *healed;
}

void rot_healed(struct hf_store *s, uint32_t segment)
{
	(void)pthread_mutex_lock(&s->rot->lock);
	keep(s->rot, is_elsewhere, &segment);
	(void)pthread_mutex_unlock(&s->rot->lock);
}

bool rot_begin_repair(struct hf_store *s)
{
	struct rot *r = s->rot;
	bool free_now;

	(void)pthread_mutex_lock(&r->lock);
	free_now = !r->repairing;
	r->repairing = true;
	(void)pthread_mutex_unlock(&r->lock);
	return free_now;
}

void rot_end_repair(struct hf_store *s)
{
	(void)pthread_mutex_lock(&s->rot->lock);
	s->rot->repairing = false;
	(void)pthread_mutex_unlock(&s->rot->lock);
}

bool rot_is_bad(struct hf_store *s, struct log_pos frame)
{
	struct rot *r = s->rot;
	bool bad;

	(void)pthread_mutex_lock(&r->lock);
	bad = verified_find(&r->v, frame) < r->v.n ||
	      verified_find(&r->v, (struct log_pos){ frame.segment, 0 }) < r->v.n;
	(void)pthread_mutex_unlock(&r->lock);
	return bad;
}

bool rot_has_chunk(struct hf_store *s, uint64_t number)
{
	struct chunk_place place;

	return rot_knows_some(s) && tree_chunk_place(&s->tree, number, &place, NULL) == 0 &&
	       rot_is_bad(s, place.frame);
}

bool rot_doubts(struct hf_store *s, uint32_t segment)
{
	struct rot *r = s->rot;
	bool doubts;

	(void)pthread_mutex_lock(&r->lock);
	doubts = r->v.more;
	for (size_t i = 0; !doubts && i < r->v.n; i++)
		doubts = r->v.damage[i].segment == segment;
	(void)pthread_mutex_unlock(&r->lock);
	return doubts;
}

/* --- the file */

static void write_down(struct rot *r)
{
	struct hf_store *s = r->s;
	struct verified *copy = malloc(sizeof(*copy));
	int w = -ENOMEM;
	bool wanted;

	(void)pthread_mutex_lock(&r->writing);
	(void)pthread_mutex_lock(&r->lock);
	wanted = r->unwritten;
	if (copy && wanted) {
		*copy = r->v;
		r->unwritten = false;
	}
	(void)pthread_mutex_unlock(&r->lock);
	if (copy && wanted && !s->shared)
		w = verified_write(s->os, s->path, s->descriptor.volume_id, copy);
	(void)pthread_mutex_unlock(&r->writing);
	free(copy);
	if (!wanted || w == 0)
		return;
	(void)pthread_mutex_lock(&r->lock);
	r->unwritten = true; /* the next time */
	(void)pthread_mutex_unlock(&r->lock);
}

void rot_complete(struct hf_store *s, uint64_t tid)
{
	struct rot *r = s->rot;

	(void)pthread_mutex_lock(&r->lock);
	r->v.complete_ns = s->os->now_ns(s->os->state);
	r->v.complete_tid = tid;
	r->unwritten = true;
	(void)pthread_mutex_unlock(&r->lock);
	write_down(r);
}

/* --- telling */

static void tell(struct hf_store *s, const struct hf_damage *d)
{
	char named[HF_ERROR_TEXT_BYTES] = "";

	rot_name(s, (struct log_pos){ d->segment, d->offset }, named, sizeof(named));
	journal_line(LOG_ERR, "%s: damaged at segment %" PRIu32 ", offset %" PRIu32 ": %s%s%s", s->path,
		     d->segment, d->offset, d->words, *named ? "; of " : "", named);
	guard_damage(s, d, named);
}

/* Copies what nobody has been told of yet; one at a time, for telling takes its time. */
static bool next_untold(struct rot *r, struct hf_damage *ret)
{
	bool some;

	(void)pthread_mutex_lock(&r->lock);
	some = r->n_told < r->v.n;
	if (some)
		*ret = r->v.damage[r->n_told++];
	(void)pthread_mutex_unlock(&r->lock);
	return some;
}

/* --- retiring */

static bool next_unretired(struct rot *r, size_t *at, struct log_pos *ret)
{
	bool some = false;

	(void)pthread_mutex_lock(&r->lock);
	for (; !some && *at < r->v.n; ++*at) {
		const struct hf_damage *d = &r->v.damage[*at];

		some = !d->retired;
		*ret = (struct log_pos){ d->segment, d->offset };
	}
	(void)pthread_mutex_unlock(&r->lock);
	return some;
}

static void note_retired(struct rot *r, struct log_pos pos, bool done)
{
	size_t i;

	(void)pthread_mutex_lock(&r->lock);
	i = verified_find(&r->v, pos);
	if (done && i < r->v.n)
		r->v.damage[i].retired = r->unwritten = true;
	r->unretired |= !done;
	(void)pthread_mutex_unlock(&r->lock);
}

void rot_settle(struct hf_store *s)
{
	struct rot *r = s->rot;
	struct hf_damage d;
	struct log_pos pos, walked = { 0, 0 };
	size_t at = 0;
	bool wanted;

	(void)pthread_mutex_lock(&r->lock);
	wanted = r->unsettled || r->unretired;
	r->unsettled = r->unretired = false;
	(void)pthread_mutex_unlock(&r->lock);
	write_down(r);
	if (!wanted)
		return;
	while (next_untold(r, &d))
		tell(s, &d);
	while (!s->read_only && next_unretired(r, &at, &pos))
		note_retired(r, pos, rot_retire(s, pos, &walked) == 0);
	write_down(r);
}

/* --- what is public of it */

/* Segments are about the same size: to ask each for its own would cost a large log too much. */
static uint64_t bytes_before(const struct log_stats *log, uint32_t segment)
{
	const uint64_t n = log->last_segment - log->first_segment + 1;

	return segment > log->first_segment ? log->bytes / n * (segment - log->first_segment) : 0;
}

void hf_store_verified(struct hf_store *s, struct hf_verified *ret)
{
	struct rot *r = s->rot;
	struct log_stats log;
	uint32_t segment;

	log_stats(s->log, &log);
	*ret = (struct hf_verified){ .total_bytes = log.bytes };
	(void)pthread_mutex_lock(&r->lock);
	ret->complete_ns = r->v.complete_ns;
	ret->complete_tid = r->v.complete_tid;
	ret->scrub_s = r->has_thread ? r->scrub_s : 0;
	ret->damaged = r->v.n;
	ret->done_bytes = r->segment_done;
	segment = r->v.began_ns ? r->v.segment : 0;
	ret->began_ns = segment ? r->v.began_ns : 0;
	(void)pthread_mutex_unlock(&r->lock);
	ret->done_bytes = segment ? ret->done_bytes + bytes_before(&log, segment) : 0;
}

size_t hf_store_damage(struct hf_store *s, struct hf_damage *ret, size_t max)
{
	struct rot *r = s->rot;
	size_t n;

	(void)pthread_mutex_lock(&r->lock);
	n = r->v.n < max ? r->v.n : max;
	memcpy(ret, r->v.damage, n * sizeof(*ret));
	(void)pthread_mutex_unlock(&r->lock);
	return n;
}
