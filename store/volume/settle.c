/* SPDX-License-Identifier: MIT */
/* Settling durable groups into RocksDB, by a thread of its own. What fails (no room) is tried again; the
 * overlay has it meanwhile. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/journal.h"
#include "store/volume/volume.h"

enum {
	RETRY_MS = 500,
	GATHER_MS = 25,
	GATHER_GROUPS = 64,
	GATHER_BYTES = 4 << 20,
	FLUSH_LOG_BYTES = 128 << 20, /* RocksDB is flushed after so much log, so that opening after a crash
					replays no more */
	FLUSH_OPS = 50000,           /* … or so many operations */
};

void volume_state_encode(const struct volume_state *v, struct buf *out)
{
	buf_add_u32(out, v->point.end.segment);
	buf_add_u32(out, v->point.end.offset);
	buf_add_u64(out, v->point.commit);
	buf_add_u64(out, v->point.tid);
	buf_add_u64(out, v->point.time_ns);
	buf_add_u32(out, v->point.epoch);
	buf_add_u8(out, v->point.sealed);
	buf_add(out, v->point.chain, HASH_BYTES);
	tree_state_encode(&v->tree, out);
	buf_add_u64(out, v->next_chunk);
	buf_add_u64(out, v->chunk_bytes);
	buf_add(out, v->volume_id, VOLUME_ID_BYTES);
}

int volume_state_decode(const void *data, size_t len, struct volume_state *ret)
{
	struct cursor c = cursor_of(data, len);

	ret->point.end.segment = cursor_u32(&c);
	ret->point.end.offset = cursor_u32(&c);
	ret->point.commit = cursor_u64(&c);
	ret->point.tid = cursor_u64(&c);
	ret->point.time_ns = cursor_u64(&c);
	ret->point.epoch = cursor_u32(&c);
	ret->point.sealed = cursor_u8(&c);
	cursor_copy(&c, ret->point.chain, HASH_BYTES);
	tree_state_decode(&c, &ret->tree);
	ret->next_chunk = cursor_u64(&c);
	ret->chunk_bytes = cursor_u64(&c);
	cursor_copy(&c, ret->volume_id, VOLUME_ID_BYTES);
	return cursor_finish(&c);
}

static int settle_group(struct hf_store *s, const struct group *g, struct hf_error *err)
{
	struct volume_state v = { .point = g->point,
				  .tree = g->state,
				  .next_chunk = g->next_chunk,
				  .chunk_bytes = g->chunk_bytes };
	CLEANUP(buf_release) struct buf state = BUF_INIT;

	memcpy(v.volume_id, s->descriptor.volume_id, VOLUME_ID_BYTES);
	volume_state_encode(&v, &state);
	if (buf_status(&state) < 0)
		return hf_error_set(err, -ENOMEM, "no memory");
	return index_settle(s->index, g->id, state.data, state.len, tree_rewrite_pending, &s->tree, err);
}

/* Runs that no value can name any more are dropped: those of groups resolved before the youngest settled
 * group was closed. */
static void drop_runs(struct hf_store *s, uint64_t settled)
{
	while (s->settled.first && s->settled.first->open_at_resolve <= settled) {
		struct group *g = queue_pop(&s->settled);

		for (size_t i = 0; i < g->n_runs; i++)
			run_drop(s->tree.runs, g->runs[i].id);
		group_free(g);
	}
}

struct flush_clock {
	uint64_t tid, commit_bytes;
};

static void flush_now_and_then(struct hf_store *s, const struct group *g, struct flush_clock *c,
			       struct hf_error *err)
{
	c->commit_bytes += g->cost;
	if (c->commit_bytes < FLUSH_LOG_BYTES && g->state.tid - c->tid < FLUSH_OPS)
		return;
	/* A flush that fails is tried again with the next group; until then opening after a crash takes
	 * longer, no more. */
	if (index_flush(s->index, err) == 0)
		*c = (struct flush_clock){ g->state.tid, 0 };
}

/*
 * Who syncs after each write makes a group each time; to wake the settler for every one of them costs as much
 * as to settle it. So it sleeps a little while first, and settles what has come together, unless it is
 * urgent.
 */
bool settle_is_urgent(const struct hf_store *s)
{
	return s->stopping || s->committed.n >= GATHER_GROUPS || s->pending_bytes >= GATHER_BYTES;
}

/* That it fails, or does so no longer, is the operator's to know: much may be acknowledged meanwhile. */
static void tell_change(const struct hf_store *s, int r, const struct hf_error *err)
{
	if (r == s->settle_failed)
		return;
	if (r == 0)
		journal_line(LOG_NOTICE, "the index of %s is written again", s->path);
	else if (r == -EUCLEAN)
		journal_line(LOG_ERR,
			     "the index of %s is damaged: unmount and mount again, and it is built anew (%s)",
			     s->path, err->text);
	else
		journal_line(LOG_WARNING, "the index of %s cannot be written, which is tried again: %s",
			     s->path, err->text);
}

/* Stops only when all that is durable is settled, or cannot be. */
void *settle_thread(void *store)
{
	struct hf_store *s = store;
	struct hf_error err = HF_ERROR_INIT;
	struct flush_clock clock = { 0, 0 };

	(void)pthread_mutex_lock(&s->sequence);
	clock.tid = s->state.tid;
	for (;;) {
		struct group *g = s->committed.first;
		int r;

		if (!g) {
			if (s->stopping)
				break;
			(void)pthread_cond_wait(&s->settle_cond, &s->sequence);
			if (s->committed.first && !settle_is_urgent(s))
				wait_ms(s, &s->settle_cond, GATHER_MS);
			continue;
		}
		(void)pthread_mutex_unlock(&s->sequence);
		r = settle_group(s, g, &err);
		if (r == 0)
			flush_now_and_then(s, g, &clock, &err);
		tell_change(s, r, &err);
		(void)pthread_mutex_lock(&s->sequence);
		s->settle_failed = r;
		room_tried(s, r);
		if (r == 0) {
			(void)queue_pop(&s->committed);
			s->settled_group = g->id;
			s->pending_bytes -= g->cost;
			queue_push(&s->settled, g);
			drop_runs(s, g->id);
			(void)pthread_cond_broadcast(&s->room_cond);
		} else if (s->stopping) {
			break; /* the log has it: the next opening replays it */
		} else {
			(void)pthread_cond_broadcast(&s->room_cond);
			wait_ms(s, &s->settle_cond, RETRY_MS);
		}
	}
	(void)pthread_mutex_unlock(&s->sequence);
	return NULL;
}
