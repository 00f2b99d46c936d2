/* SPDX-License-Identifier: MIT */
/* A verifying walk over groups, through a window that holds at least the group being judged. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "store/log/log_internal.h"

enum { WINDOW_BYTES = 1 << 20 };

static int enter(struct groups *g, uint32_t segment, struct hf_error *err)
{
	int r;

	segment_ref_release(&g->ref);
	r = segment_get(g->l, segment, &g->ref, err);
	if (r < 0)
		return r;
	r = segment_size(g->l, &g->ref, segment, &g->size, err);
	if (r < 0)
		return r;
	if (segment == g->limit.segment && g->limit.offset < g->size)
		g->size = g->limit.offset;
	buf_clear(&g->window);
	g->window_at = g->v.point.end.offset;
	return 0;
}

int groups_begin(struct groups *g, const struct log *l, const struct verifier *v, struct log_pos limit,
		 struct hf_error *err)
{
	g->l = l;
	g->v = *v;
	g->limit = limit;
	return enter(g, v->point.end.segment, err);
}

int groups_begin_at(struct groups *g, const struct log *l, const struct log_point *from, struct log_pos limit,
		    struct hf_error *err)
{
	uint8_t raw[SEGMENT_HEADER_BYTES];
	struct verifier v;
	uint32_t segment = from && from->end.segment ? from->end.segment : l->first_segment;
	int r;

	log_verifier_begin(l, &v);
	r = segment_read_header(l, segment, raw, err);
	if (r == 0)
		r = from && from->end.segment ? verifier_resume(&v, raw, from, err) :
						verifier_segment(&v, raw, err);
	return r < 0 ? r : groups_begin(g, l, &v, limit, err);
}

void groups_skip_to(struct groups *g, uint64_t at, const struct commit *commit)
{
	struct log_point *p = &g->v.point;

	p->end.offset = (uint32_t)at + COMMIT_FRAME_BYTES;
	p->commit = commit->number;
	p->tid = commit->tid;
	p->time_ns = commit->time_ns;
	p->epoch = commit->epoch;
	p->sealed = commit->flags & COMMIT_SEALS;
	memcpy(p->chain, commit->chain, HASH_BYTES);
	memcpy(g->v.chain, commit->chain, HASH_BYTES);
	buf_clear(&g->window);
	g->window_at = p->end.offset;
}

void groups_release(struct groups *g)
{
	segment_ref_release(&g->ref);
	buf_release(&g->window);
}

/*
 * Drop what is behind us from the window and read on: a part of what is there, so that a long group, whose
 * frames are counted anew each time, costs no squares, and memory for little more than itself.
 */
static int fill(struct groups *g, struct hf_error *err)
{
	size_t gone = (size_t)(g->v.point.end.offset - g->window_at), have = g->window.len - gone;
	uint64_t at = g->window_at + g->window.len;
	size_t more = have / 4 > WINDOW_BYTES ? have / 4 : WINDOW_BYTES;
	int r;

	if (more > g->size - at)
		more = (size_t)(g->size - at);
	if (gone) {
		memmove(g->window.data, g->window.data + gone, have);
		g->window.len = have;
		g->window_at += gone;
	}
	r = buf_reserve(&g->window, more);
	if (r < 0)
		return hf_error_set(err, r, "no memory to read %zu bytes of a segment", more);
	r = segment_read(g->l, &g->ref, g->v.point.end.segment, at, g->window.data + g->window.len, more,
			 err);
	if (r < 0)
		return r;
	g->window.len += more;
	return 0;
}

int groups_next_here(struct groups *g, const struct verifier_frames *frames, struct hf_error *err)
{
	for (;;) {
		size_t gone = (size_t)(g->v.point.end.offset - g->window_at), used;
		const uint8_t *data = g->window.data ? g->window.data + gone : (const uint8_t *)"";
		int r = verifier_group(&g->v, data, g->window.len - gone, &used, frames, err);

		if (r != 0)
			return r;
		if (g->window_at + g->window.len >= g->size)
			return 0;
		r = fill(g, err);
		if (r < 0)
			return r;
	}
}

/* Is it the bytes that are wrong, and not the reading of them? */
static bool is_verdict(int r)
{
	return r == 0 || r == -EUCLEAN || r == -EKEYREJECTED || r == -EPROTONOSUPPORT;
}

static int next_segment(struct groups *g, struct hf_error *err)
{
	uint8_t raw[SEGMENT_HEADER_BYTES];
	uint32_t segment = g->v.point.end.segment + 1;
	int r = segment_read_header(g->l, segment, raw, err);

	if (r == 0)
		r = verifier_segment(&g->v, raw, err);
	return r < 0 ? r : enter(g, segment, err);
}

/* Where the walk ends when it has a limit that is sure. */
static int at_limit(const struct groups *g, int r, struct hf_error *here, struct hf_error *err)
{
	if (g->limit.offset != LIMIT_OPEN && is_verdict(r) && g->v.point.end.offset != g->limit.offset)
		return segment_damage(g->l, g->v.point.end,
				      r ? here->text : "it ends in the middle of a group", err);
	if (r < 0 && err)
		*err = *here;
	return r;
}

int groups_next(struct groups *g, const struct verifier_frames *frames, struct hf_error *err)
{
	for (;;) {
		struct hf_error here = HF_ERROR_INIT, next = HF_ERROR_INIT;
		int r = groups_next_here(g, frames, &here), r_next;

		if (r == 1)
			return 1;
		if (!is_verdict(r) || g->v.point.end.segment >= g->limit.segment)
			return at_limit(g, r, &here, err);
		/*
		 * A segment that another epoch took over may end in a torn write; its successor's header
		 * tells.
		 */
		r_next = next_segment(g, &next);
		if (r_next == 0)
			continue;
		if (r < 0)
			return segment_damage(g->l, g->v.point.end, here.text, err);
		if (r_next == -EUCLEAN)
			return segment_damage(g->l, (struct log_pos){ g->v.point.end.segment + 1, 0 },
					      next.text, err);
		return hf_error_set(err, r_next, "%s", next.code ? next.text : hf_strerror(r_next));
	}
}
