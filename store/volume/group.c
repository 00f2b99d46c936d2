/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "store/volume/volume.h"

struct group *group_new(uint64_t id, const struct tree_state *before)
{
	struct group *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->id = id;
	g->before = (struct op_base){ before->tid, before->time_ns };
	return g;
}

static void group_free_streams(struct group *g)
{
	struct stream *st, *tmp;

	HASH_ITER(hh, g->streams, st, tmp)
	{
		HASH_DEL(g->streams, st);
		free(st);
	}
}

void group_unpack(struct group *g)
{
	for (size_t i = 0; i < g->n_frames; i++)
		log_frame_release(&g->frames[i]);
	free(TAKE_PTR(g->frames));
	g->n_frames = 0;
	free(TAKE_PTR(g->chunks));
	g->n_chunks = g->cap_chunks = 0;
	for (size_t i = 0; i < g->n_runs; i++) {
		free(TAKE_PTR(g->runs[i].pieces));
		g->runs[i].n = g->runs[i].cap = 0;
	}
}

void group_free(struct group *g)
{
	if (!g)
		return;
	group_free_streams(g);
	group_unpack(g);
	free(g->items);
	free(g->notes);
	free(g->runs);
	buf_release(&g->records);
	free(g);
}

int group_reserve(struct group *g, size_t n)
{
	if (g->n + n > g->cap) {
		size_t cap = g->cap ? g->cap * 2 : 16;
		struct item *items = realloc(g->items, cap * sizeof(*items));
		struct op_note *notes;

		if (!items)
			return -ENOMEM;
		g->items = items;
		notes = realloc(g->notes, cap * sizeof(*notes));
		if (!notes)
			return -ENOMEM;
		g->notes = notes;
		g->cap = cap;
	}
	if (g->n_runs == g->cap_runs) {
		size_t cap = g->cap_runs ? g->cap_runs * 2 : 16;
		struct packed_run *runs = realloc(g->runs, cap * sizeof(*runs));

		if (!runs)
			return -ENOMEM;
		g->runs = runs;
		g->cap_runs = cap;
	}
	return 0;
}

static struct item *group_add(struct group *g, enum item_kind kind, const struct op_note *note)
{
	struct item *item = &g->items[g->n];

	assert(g->n < g->cap);
	item->kind = kind;
	g->notes[g->n] = *note;
	g->n++;
	g->cost += OP_COST;
	return item;
}

struct group_mark group_mark(const struct group *g)
{
	return (struct group_mark){ g->n, g->records.len, g->cost };
}

void group_back(struct group *g, const struct group_mark *to)
{
	g->n = to->n;
	g->cost = to->cost;
	g->records.len = to->records_bytes;
	g->records.failed = false;
}

int group_encode(struct group *g, const struct op *op, size_t *ret_off)
{
	struct op_base base = g->before;
	size_t off = g->records.len;

	if (g->n > 0)
		base = (struct op_base){ g->notes[g->n - 1].tid, g->notes[g->n - 1].time_ns };
	op_encode(op, &base, &g->records);
	*ret_off = off;
	return buf_status(&g->records);
}

void group_add_record(struct group *g, const struct op *op, const struct op_note *note, size_t off)
{
	struct item *item = group_add(g, ITEM_RECORD, note);

	item->record.off = off;
	item->record.len = g->records.len - off;
	g->cost += item->record.len;
	if (op->type == OP_REAP)
		g->cost += op->reap.n * (uint64_t)REAP_COST;
	else if (op->type == OP_CLONE)
		g->cost +=
			(op->clone.len < RANGE_STEP_BYTES ? op->clone.len / BLOCK_BYTES : RANGE_STEP_BLOCKS) *
			(uint64_t)BLOCK_COST;
	else if (op->type == OP_RANGE || op->type == OP_SETATTR)
		g->cost += note->blocks * (uint64_t)BLOCK_COST;
	else if (op->type == OP_WRITE)
		g->cost += op->write.n_pieces * (uint64_t)BLOCK_COST + note->bytes / BLOCK_BYTES * BLOCK_COST;
}

void group_add_data(struct group *g, enum item_kind kind, const struct op *op, const struct op_note *note,
		    uint64_t run, uint32_t run_off, uint32_t len)
{
	struct item *item = group_add(g, kind, note);

	item->data.ino = kind == ITEM_FOLD ? op->fold.ino : op->write.ino;
	item->data.offset = kind == ITEM_FOLD ? op->fold.block : op->write.offset;
	item->data.flags = kind == ITEM_FOLD ? 0 : op->write.flags;
	item->data.run = run;
	item->data.run_off = run_off;
	item->data.len = len;
	g->bytes += len;
	g->cost += log_frame_cost(len);
}

static int compare_inos(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

bool group_reap(struct hf_store *s)
{
	struct op op = { .type = OP_REAP };
	struct hf_error err = HF_ERROR_INIT;
	uint64_t inos[REAP_MAX];
	size_t n, kept = 0;

	if (s->read_only || s->failed)
		return false;
	n = refs_take_reapable(s, inos, REAP_MAX);
	qsort(inos, n, sizeof(*inos), compare_inos);
	for (size_t i = 0; i < n; i++) {
		struct hf_attr attr;

		if ((kept == 0 || inos[kept - 1] != inos[i]) &&
		    tree_getattr(&s->tree, HF_TID_HEAD, inos[i], &attr, &err) == 0 && attr.nlink == 0)
			inos[kept++] = inos[i];
	}
	op.reap.inos = inos;
	op.reap.n = kept;
	/* What fails here is done by the next opening: the index has a list of them. */
	if (kept > 0 && group_reserve(s->open, 1) == 0)
		(void)!op_run(s, &op, &err);
	return n == REAP_MAX;
}

int group_seal(struct hf_store *s, uint64_t *ret)
{
	struct group *g = s->open, *next;

	while (g->n < GROUP_OPS && group_reap(s))
		;
	if (g->n == 0) {
		*ret = g->id - 1;
		return 0;
	}
	next = group_new(g->id + 1, &s->state);
	if (!next)
		return -ENOMEM;
	group_free_streams(g);
	g->state = s->state;
	queue_push(&s->sealed, g);
	s->open = next;
	*ret = g->id;
	return 0;
}
