/* SPDX-License-Identifier: MIT */
/*
 * Giving operations their place: the way of holdfast/op.h into a group. The operations themselves are in
 * op_name.c, op_attr.c and op_data.c.
 */
#include <errno.h>

#include "store/volume/volume.h"

int op_begin_row(struct hf_store *s, size_t n, uint64_t data_bytes, bool grows, struct hf_error *err)
{
	int r;

	if (s->read_only)
		return hf_error_set(err, -EROFS, "the store is open for reading only");
	(void)pthread_mutex_lock(&s->sequence);
	r = room_admit(s, n * OP_COST + (data_bytes ? log_frame_cost(data_bytes) : 0), grows, err);
	if (r == 0 && group_reserve(s->open, n) < 0)
		r = hf_error_set(err, -ENOMEM, "no memory for an operation");
	if (r < 0)
		(void)pthread_mutex_unlock(&s->sequence);
	return r;
}

int op_begin(struct hf_store *s, uint64_t data_bytes, bool grows, struct hf_error *err)
{
	return op_begin_row(s, 1, data_bytes, grows, err);
}

/*
 * Time never falls, whatever the clock does; nothing happened before there was a volume; and what a commit
 * could not say (FORMAT.md §7) no reader would take.
 */
static void op_time_after(const struct hf_store *s, const struct tree_state *state, struct op *op)
{
	if (!op->time_ns)
		op->time_ns = s->os->now_ns(s->os->state);
	if (op->time_ns < state->time_ns)
		op->time_ns = state->time_ns;
	if (op->time_ns < s->tree.created_ns)
		op->time_ns = s->tree.created_ns;
	if (op->time_ns > COMMIT_TIME_MAX)
		op->time_ns = COMMIT_TIME_MAX;
}

uint64_t op_time(const struct hf_store *s, struct op *op)
{
	op_time_after(s, &s->state, op);
	return op->time_ns;
}

static void op_stamp(const struct hf_store *s, const struct tree_state *state, struct op *op,
		     bool share_moment)
{
	op->tid = share_moment ? state->tid : state->tid + 1;
	op_time_after(s, state, op);
}

static _Thread_local uint32_t acting_uid = UID_UNKNOWN;

void hf_act_for(uint32_t uid)
{
	acting_uid = uid;
}

uint32_t op_uid(void)
{
	return acting_uid;
}

/* Into the batch, behind what is staged there, which led to *state. */
static int op_stage(struct hf_store *s, const struct op *op, struct tree_state *state, struct op_note *ret,
		    struct hf_error *err)
{
	int r = tree_apply(&s->tree, s->batch, op, state, ret, err);

	if (r < 0 && index_batch_status(s->batch) < 0)
		return hf_error_set(err, -ENOMEM, "no memory for the change");
	if (r == 0)
		ret->uid = op_is_own(op->type) ? UID_UNKNOWN : acting_uid;
	return r;
}

/* All that is staged happens. */
static int op_publish(struct hf_store *s, const struct op *ops, size_t n, const struct tree_state *state,
		      struct hf_error *err)
{
	int r = index_publish(s->index, s->batch, s->open->id, err);

	if (r < 0)
		return r;
	if (ops[n - 1].type != OP_REAP)
		s->before_ns = s->state.time_ns;
	s->state = *state;
	for (size_t i = 0; i < n; i++)
		meters_operation(s, ops[i].type);
	return 0;
}

int op_apply(struct hf_store *s, struct op *op, bool share_moment, struct op_note *ret, struct hf_error *err)
{
	struct tree_state state = s->state;
	int r;

	op_stamp(s, &state, op, share_moment);
	r = op_stage(s, op, &state, ret, err);
	if (r == 0)
		r = op_publish(s, op, 1, &state, err);
	if (r < 0)
		index_batch_clear(s->batch);
	return r;
}

/*
 * The group has grown: account for it, reap when there is enough of it, and seal the group when it is full.
 */
static void op_account(struct hf_store *s, size_t n_before, uint64_t cost_before)
{
	struct group *g = s->open;
	uint64_t sealed;

	s->pending_bytes += g->cost - cost_before;
	s->uncommitted_cost += g->cost - cost_before;
	if (n_before == 0) /* the packer looks at least once an interval, and so before its time is over */
		g->opened_ns = s->os->monotonic_ns(s->os->state);
	if (refs_reapable(s) >= REAP_MAX)
		(void)group_reap(s);
	if ((g->bytes + g->records.len >= GROUP_BYTES || g->n >= GROUP_OPS) && group_seal(s, &sealed) == 0)
		(void)pthread_cond_signal(&s->sealed_cond);
}

int op_run_row(struct hf_store *s, struct op *ops, size_t n, struct hf_error *err)
{
	struct group *g = s->open;
	const struct group_mark before = group_mark(g);
	struct tree_state state = s->state;
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		struct op_note note;
		size_t record;

		op_stamp(s, &state, &ops[i], false);
		if (group_encode(g, &ops[i], &record) <
		    0) /* first, so that nothing can fail once it has happened */
			r = hf_error_set(err, -ENOMEM, "no memory for an operation");
		else
			r = op_stage(s, &ops[i], &state, &note, err);
		if (r == 0)
			group_add_record(g, &ops[i], &note, record);
	}
	if (r == 0)
		r = op_publish(s, ops, n, &state, err);
	if (r < 0) {
		index_batch_clear(s->batch);
		group_back(g, &before);
		return r;
	}
	if (ops[n - 1].type == OP_REAP) { /* made on the way of another operation: only accounted */
		s->pending_bytes += g->cost - before.cost;
		s->uncommitted_cost += g->cost - before.cost;
	} else {
		op_account(s, before.n, before.cost);
	}
	return 0;
}

int op_run(struct hf_store *s, struct op *op, struct hf_error *err)
{
	return op_run_row(s, op, 1, err);
}

void op_added_data(struct hf_store *s, uint64_t cost_before)
{
	op_account(s, s->open->n - 1, cost_before);
}

void op_end(struct hf_store *s)
{
	(void)pthread_mutex_unlock(&s->sequence);
}
