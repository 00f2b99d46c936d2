/* SPDX-License-Identifier: MIT */
/* Handing the log's groups out again, in order, verified. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "store/log/log_internal.h"

enum { TELL_EACH_BYTES = 4 << 20 };

struct replay {
	struct groups g;
	struct frame_batch batch;
	struct log_pos *data;
	struct span *meta;
	size_t cap; /* of both */
	struct log_group group;
	uint64_t bytes, told; /* passed by; when progress was last told */
};

static void replay_release(struct replay *p)
{
	groups_release(&p->g);
	frame_batch_release(&p->batch);
	free(p->data);
	free(p->meta);
}

static void take_frame(void *arg, struct log_pos pos, const struct frame_header *h, const uint8_t *body)
{
	frame_batch_add(arg, pos, h, body);
}

static int reserve(struct replay *p, size_t n)
{
	struct log_pos *data;
	struct span *meta;

	if (n <= p->cap)
		return 0;
	data = realloc(p->data, n * sizeof(*data));
	if (data)
		p->data = data;
	meta = realloc(p->meta, n * sizeof(*meta));
	if (meta)
		p->meta = meta;
	if (!data || !meta)
		return -ENOMEM;
	p->cap = n;
	return 0;
}

/* The batch, opened, as the group that is handed out. */
static int fill_group(struct replay *p, struct hf_error *err)
{
	int r = p->batch.failed ? -ENOMEM : reserve(p, p->batch.n);

	if (r < 0)
		return hf_error_set(err, r, "no memory for a group of the log");
	frame_batch_open(&p->batch, false);
	p->group.n_data = p->group.n_meta = 0;
	for (size_t i = 0; i < p->batch.n; i++) {
		const struct frame_batch_item *item = &p->batch.items[i];

		if (item->result == -EUCLEAN)
			return segment_damage(p->g.l, item->pos, item->err.text, err);
		if (item->result < 0)
			return hf_error_set(err, item->result, "segment %" PRIu32 ", offset %" PRIu32 ": %s",
					    item->pos.segment, item->pos.offset, hf_strerror(item->result));
		if (item->header.type == FRAME_DATA)
			p->data[p->group.n_data++] = item->pos;
		else if (item->header.type == FRAME_META)
			p->meta[p->group.n_meta++] = (struct span){ item->plain.data, item->plain.len };
	}
	p->group.data = p->data;
	p->group.meta = p->meta;
	return 0;
}

/* The state before the group just read, which may be the first of its segment. */
static void set_before(struct replay *p, const struct log_point *last)
{
	p->group.before = *last;
	if (last->end.segment != p->g.v.point.end.segment) {
		p->group.before.end = (struct log_pos){ p->g.v.point.end.segment, SEGMENT_HEADER_BYTES };
		p->group.before.epoch = p->g.v.point.epoch;
		p->group.before.sealed = false;
	}
	p->group.after = p->g.v.point;
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
	progress->fn(progress->arg, "reading the log", last || p->bytes > total ? total : p->bytes, total);
}

int log_replay(const struct log *l, const struct log_point *from,
	       int (*fn)(void *arg, const struct log_group *group, struct hf_error *err), void *arg,
	       const struct log_progress *progress, struct hf_error *err)
{
	CLEANUP(replay_release) struct replay p = { .g = GROUPS_INIT, .batch = FRAME_BATCH_INIT };
	struct verifier_frames frames = { .fn = take_frame, .arg = &p.batch };
	struct log_point end, last;
	uint64_t total;
	int r;

	log_durable(l, &end);
	if (from && log_pos_compare(from->end, end.end) == 0)
		return 0;
	p.batch.l = l;
	r = groups_begin_at(&p.g, l, from, end.end, err);
	if (r < 0)
		return r;
	last = p.g.v.point;
	total = about_bytes(l, last.end, end.end);
	for (;;) {
		frame_batch_clear(&p.batch);
		r = groups_next(&p.g, &frames, err);
		if (r <= 0)
			break;
		set_before(&p, &last);
		r = fill_group(&p, err);
		if (r == 0)
			r = fn(arg, &p.group, err);
		if (r != 0)
			return r;
		p.bytes += p.group.after.end.offset - p.group.before.end.offset;
		last = p.g.v.point;
		tell(&p, progress, total, false);
	}
	if (r == 0)
		tell(&p, progress, total, true);
	return r;
}
