/* SPDX-License-Identifier: MIT */
#include "store/tree/apply.h"

#include <assert.h>
#include <errno.h>

void tree_state_init(struct tree_state *s)
{
	*s = (struct tree_state){ .next_ino = ROOT_INO + 1, .live_inodes = 1 };
}

void tree_state_encode(const struct tree_state *s, struct buf *out)
{
	buf_add_u64(out, s->tid);
	buf_add_u64(out, s->time_ns);
	buf_add_u64(out, s->next_ino);
	buf_add_u64(out, s->live_bytes);
	buf_add_u64(out, s->live_inodes);
}

void tree_state_decode(struct cursor *c, struct tree_state *ret)
{
	ret->tid = cursor_u64(c);
	ret->time_ns = cursor_u64(c);
	ret->next_ino = cursor_u64(c);
	ret->live_bytes = cursor_u64(c);
	ret->live_inodes = cursor_u64(c);
}

static int apply(struct tx *tx)
{
	switch (tx->op->type) {
	case OP_CREATE:
		return apply_create(tx);
	case OP_LINK:
		return apply_link(tx);
	case OP_UNLINK:
		return apply_unlink(tx);
	case OP_RENAME:
		return apply_rename(tx);
	case OP_SETATTR:
		return apply_setattr(tx);
	case OP_WRITE:
		return apply_write(tx);
	case OP_RANGE:
		return apply_range(tx);
	case OP_CLONE:
		return apply_clone(tx);
	case OP_SETXATTR:
		return apply_setxattr(tx);
	case OP_REMOVEXATTR:
		return apply_removexattr(tx);
	case OP_REAP:
		return apply_reap(tx);
	case OP_TAG:
		return apply_tag(tx);
	case OP_FOLD:
		return apply_fold(tx);
	case OP_RETIRE:
		return apply_retire(tx);
	default:
		return hf_error_set(tx->err, -EPROTONOSUPPORT, "operation %u is of a newer version",
				    tx->op->type);
	}
}

int tree_apply(const struct tree *t, struct index_batch *batch, const struct op *op, struct tree_state *state,
	       struct op_note *ret, struct hf_error *err)
{
	struct tx tx = { .t = t, .batch = batch, .op = op, .state = *state, .err = err, .value = BUF_INIT };
	int r;

	assert(op->tid >= state->tid && op->time_ns >= state->time_ns);
	r = apply(&tx);
	buf_release(&tx.value);
	if (r < 0)
		return r;
	tx.state.tid = op->tid;
	tx.state.time_ns = op->time_ns;
	*state = tx.state;
	*ret = tx.note;
	ret->tid = op->tid;
	ret->time_ns = op->time_ns;
	ret->uid = UID_UNKNOWN;
	ret->type = op->type;
	return 0;
}

/* What the operation was, for whoever tells of it: its note has no room for a name. */
static int note_tag(struct tx *tx)
{
	const struct key key = key_number('t', tx->op->tid);

	buf_clear(&tx->value);
	buf_add_varint(&tx->value, tx->op->tag.tid_plus_1);
	buf_add(&tx->value, tx->op->tag.name.data, tx->op->tag.name.len);
	index_batch_put(tx->batch, INDEX_META, key.bytes, key.len, tx->value.data, tx->value.len);
	return buf_status(&tx->value);
}

int apply_tag(struct tx *tx)
{
	const struct span name = tx->op->tag.name;
	struct key key = { .len = 1, .bytes = { 'n' } };
	int r = note_tag(tx);

	if (r < 0)
		return r;
	key_add_name(&key, name.data, name.len);
	if (tx->op->tag.tid_plus_1 == 0) {
		index_batch_delete(tx->batch, INDEX_META, key.bytes, key.len);
		return 0;
	}
	buf_clear(&tx->value);
	buf_add_varint(&tx->value, tx->op->tag.tid_plus_1 - 1);
	index_batch_put(tx->batch, INDEX_META, key.bytes, key.len, tx->value.data, tx->value.len);
	return buf_status(&tx->value);
}
