/* SPDX-License-Identifier: MIT */
/*
 * Bringing the index up to the log's end, from where it is or from nothing: each operation is applied by
 * tree_apply, as it was when it happened.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/volume/volume.h"

struct replay {
	struct hf_store *s;
	struct volume_state at;
	struct index_load *load;
	size_t cap_notes, n_notes;
	struct op_note *notes; /* of the present group */
	uint32_t uid;          /* on whose behalf what follows in it was done */
	struct replay_end *end;
	struct op_base base;
};

static int replay_chunks(struct replay *p, const struct log_group *group, size_t frame, struct span body,
			 struct hf_error *err)
{
	CLEANUP(cleanup_free) struct chunk_entry *entries = NULL;
	struct chunk_place place = { 0 };
	size_t n = 0;
	int r;

	if (frame >= group->n_data)
		return hf_error_set(err, -EUCLEAN,
				    "a group in segment %u describes more data frames than it has",
				    group->after.end.segment);
	r = chunks_decode(body, &entries, &n, err);
	if (r < 0)
		return r;
	place.frame = group->data[frame];
	place.seal = group->seals[frame];
	for (size_t i = 0; i < n; i++) {
		place.len = entries[i].len;
		tree_put_chunk(index_load_batch(p->load), p->at.next_chunk, entries[i].name, &place);
		p->at.next_chunk++;
		p->at.chunk_bytes += entries[i].len;
		place.off += entries[i].len;
	}
	return 0;
}

static int keep_note(struct replay *p, const struct op_note *note)
{
	if (p->n_notes == p->cap_notes) {
		size_t cap = p->cap_notes ? p->cap_notes * 2 : 64;
		struct op_note *grown = realloc(p->notes, cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		p->notes = grown;
		p->cap_notes = cap;
	}
	p->notes[p->n_notes] = *note;
	p->notes[p->n_notes++].uid = op_is_own(note->type) ? UID_UNKNOWN : p->uid;
	return 0;
}

static int replay_op(struct replay *p, uint8_t type, struct span body, struct hf_error *err)
{
	struct op op = { 0 };
	struct index_batch *batch = index_load_batch(p->load);
	struct op_note note;
	int r = op_decode(type, body, &p->base, &op, err);

	if (r < 0)
		return r;
	r = tree_apply(&p->s->tree, batch, &op, &p->at.tree, &note, err);
	if (r < 0 && index_batch_status(batch) < 0)
		r = hf_error_set(err, -ENOMEM, "no memory to replay the log");
	if (r == 0) {
		r = keep_note(p, &note);
	} else if (r != -ENOMEM && r != -EIO && r != -ENOSPC) {
		p->end->misfit = true;
		r = -EUCLEAN; /* whatever the operation said to it */
		(void)hf_error_prefix(err, r, "operation %llu (%s) of the log cannot be done",
				      (unsigned long long)op.tid, op_name(type));
		if (err)
			err->code = r;
	}
	op_release(&op);
	return r;
}

static int replay_mark(struct replay *p, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf state = BUF_INIT;

	volume_state_encode(&p->at, &state);
	if (buf_status(&state) < 0)
		return -ENOMEM;
	return index_load_mark(p->load, state.data, state.len, err);
}

static int replay_record(struct replay *p, const struct log_group *group, uint8_t type, struct span body,
			 size_t *frame, struct hf_error *err)
{
	switch (type) {
	case RECORD_CHUNKS:
		return replay_chunks(p, group, (*frame)++, body, err);
	case RECORD_WHO:
		return who_decode(body, &p->uid, err);
	default:
		return replay_op(p, type, body, err);
	}
}

static int replay_records(struct replay *p, const struct log_group *group, struct hf_error *err)
{
	size_t frame = 0;

	p->n_notes = 0;
	p->uid = UID_UNKNOWN;
	p->base = (struct op_base){ group->before.tid, group->before.time_ns };
	for (size_t k = 0; k < group->n_meta; k++) {
		struct cursor c = cursor_of(group->meta[k].data, group->meta[k].len);
		struct span body;
		uint8_t type;
		int r;

		while ((r = record_next(&c, &type, &body, err)) == 1) {
			r = replay_record(p, group, type, body, &frame, err);
			if (r < 0)
				return r;
		}
		if (r < 0)
			return r;
	}
	if (frame != group->n_data)
		return hf_error_set(err, -EUCLEAN,
				    "a group in segment %u does not describe all its data frames",
				    group->after.end.segment);
	return 0;
}

static bool at_stop(const struct replay *p)
{
	return p->end->stop && log_pos_compare(p->at.point.end, p->end->at) == 0;
}

static int replay_group(void *arg, const struct log_group *group, struct hf_error *err)
{
	struct replay *p = arg;
	int r;

	if (at_stop(p))
		return 1;
	r = replay_records(p, group, err);
	p->end->foreign = r == -EUCLEAN || r == -EPROTONOSUPPORT;
	if (r < 0)
		return r;
	tree_put_notes(index_load_batch(p->load), p->notes, p->n_notes);
	p->at.point = group->after;
	return replay_mark(p, err);
}

/*
 * The groups of the log, one after the other. To a place where one must not be replayed the log itself may
 * refuse to go on.
 */
static int replay_groups(struct replay *p, const struct log_point *from, const struct log_progress *told,
			 struct hf_error *err)
{
	int r = log_replay(p->s->log, from, replay_group, p, told, err);

	if (r == -EBADMSG) {
		p->end->foreign = true;
		r = -EUCLEAN;
		err->code = r;
	}
	if (r != 0 && at_stop(p)) {
		*err = (struct hf_error)HF_ERROR_INIT;
		return 0;
	}
	p->end->at = p->at.point.end;
	return r;
}

/* A commit may name a later operation than its group has: what comes next is behind it all the same. */
static void go_behind(struct tree_state *tree, const struct log_point *point)
{
	if (tree->tid < point->tid)
		tree->tid = point->tid;
	if (tree->time_ns < point->time_ns)
		tree->time_ns = point->time_ns;
}

int replay_log(struct hf_store *s, const struct volume_state *from, uint64_t memory_bytes,
	       const struct hf_progress *progress, struct volume_state *ret, struct replay_end *end,
	       struct hf_error *err)
{
	struct log_progress told = { NULL, NULL };
	struct replay p = { .s = s, .end = end };
	int r;

	if (from)
		p.at = *from;
	else
		tree_state_init(&p.at.tree);
	memcpy(p.at.volume_id, s->descriptor.volume_id, VOLUME_ID_BYTES);
	if (progress) {
		told.fn = progress->fn;
		told.arg = progress->arg;
	}
	end->misfit = end->foreign = false;
	/* A loader keeps what is read again itself. */
	r = index_load_new(s->index, memory_bytes + index_lend(s->index), &p.load, err);
	if (r < 0) {
		index_lend_end(s->index);
		return r;
	}
	r = replay_groups(&p, from ? &from->point : NULL, told.fn ? &told : NULL, err);
	if (r == 0) {
		go_behind(&p.at.tree, &p.at.point);
		r = replay_mark(&p, err); /* also when there was nothing to replay */
	}
	if (r == 0)
		r = index_load_finish(p.load, err);
	if (r == 0)
		*ret = p.at;
	index_load_free(p.load);
	index_lend_end(s->index);
	free(p.notes);
	return r;
}
