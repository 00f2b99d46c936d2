/* SPDX-License-Identifier: MIT */
/*
 * Giving operations their place: the way of holdfast/op.h into a group. The operations themselves are in
 * op_name.c, op_attr.c and op_data.c.
 */
#include <errno.h>

#include "store/volume/volume.h"

int op_begin(struct hf_store *s, uint64_t data_bytes, bool grows, struct hf_error *err)
{
	int r;

	if (s->read_only)
		return hf_error_set(err, -EROFS, "the store is open for reading only");
	(void)pthread_mutex_lock(&s->sequence);
	r = room_admit(s, OP_COST + (data_bytes ? log_frame_cost(data_bytes) : 0), grows, err);
	if (r == 0 && group_reserve(s->open) < 0)
		r = hf_error_set(err, -ENOMEM, "no memory for an operation");
	if (r < 0)
		(void)pthread_mutex_unlock(&s->sequence);
	return r;
}

static void op_stamp(const struct hf_store *s, struct op *op, bool share_moment)
{
	op->tid = share_moment ? s->state.tid : s->state.tid + 1;
	if (!op->time_ns)
		op->time_ns = s->os->now_ns(s->os->state);
	if (op->time_ns < s->state.time_ns)
		op->time_ns = s->state.time_ns; /* time never falls, whatever the clock does */
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

int op_apply(struct hf_store *s, struct op *op, bool share_moment, struct op_note *ret, struct hf_error *err)
{
	struct tree_state state = s->state;
	int r;

	op_stamp(s, op, share_moment);
	r = tree_apply(&s->tree, s->batch, op, &state, ret, err);
	if (r < 0 && index_batch_status(s->batch) < 0)
		r = hf_error_set(err, -ENOMEM, "no memory for the change");
	if (r == 0)
		r = index_publish(s->index, s->batch, s->open->id, err);
	if (r < 0) {
		index_batch_clear(s->batch);
		return r;
	}
	if (op->type != OP_REAP)
		s->before_ns = s->state.time_ns;
	s->state = state;
	ret->uid = op_is_own(op->type) ? UID_UNKNOWN : acting_uid;
	return 0;
}

/*
 * The group has grown: account for it, reap when there is enough of it, and seal the group when it is full.
 */
static void op_account(struct hf_store *s, uint64_t cost_before)
{
	struct group *g = s->open;
	uint64_t sealed;

	s->pending_bytes += g->cost - cost_before;
	s->uncommitted_cost += g->cost - cost_before;
	if (g->n == 1) /* the packer looks at least once an interval, and so before its time is over */
		g->opened_ns = s->os->monotonic_ns(s->os->state);
	if (refs_reapable(s) >= REAP_MAX)
		(void)group_reap(s);
	if ((g->bytes + g->records.len >= GROUP_BYTES || g->n >= GROUP_OPS) && group_seal(s, &sealed) == 0)
		(void)pthread_cond_signal(&s->sealed_cond);
}

int op_run(struct hf_store *s, struct op *op, struct hf_error *err)
{
	struct group *g = s->open;
	uint64_t before = g->cost;
	struct op_note note;
	size_t record;
	int r;

	op_stamp(s, op, false);
	if (group_encode(g, op, &record) < 0) /* first, so that nothing can fail once it has happened */
		return hf_error_set(err, -ENOMEM, "no memory for an operation");
	r = op_apply(s, op, false, &note, err);
	if (r < 0) {
		group_forget_record(g, record);
		return r;
	}
	group_add_record(g, op, &note, record);
	if (op->type == OP_REAP) { /* made on the way of another operation: only accounted */
		s->pending_bytes += g->cost - before;
		s->uncommitted_cost += g->cost - before;
	} else {
		op_account(s, before);
	}
	return 0;
}

void op_added_data(struct hf_store *s, uint64_t cost_before)
{
	op_account(s, cost_before);
}

void op_end(struct hf_store *s)
{
	(void)pthread_mutex_unlock(&s->sequence);
}
