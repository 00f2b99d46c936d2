/* SPDX-License-Identifier: MIT */
/*
 * Chunks that are damaged: which may not be named, and retiring them. Who walks the log loses the frames
 * behind a damaged header; the index has the place of each, so here they are looked at one by one.
 */
#include <errno.h>
#include <stdlib.h>

#include "store/volume/rot.h"
#include "store/volume/rot_name.h"

enum { RANGES_AT_ONCE = 1024 };

/* --- reading */

/* From the disk, whatever is cached of it. 0, or what keeps it from being read. */
static int look(struct hf_store *s, const struct chunk_place *place)
{
	CLEANUP(buf_release) struct buf plain = BUF_INIT;

	return log_read_frame(s->log, place->frame, (size_t)place->off + place->len, &plain, NULL);
}

bool rot_lost_chunk(struct hf_store *s, uint64_t number, struct rot_look *last)
{
	struct chunk_place place;
	int r;

	if (!rot_knows_some(s) || tree_chunk_place(&s->tree, number, &place, NULL) < 0)
		return false;
	if (rot_is_bad(s, place.frame))
		return true;
	if (!rot_doubts(s, place.frame.segment))
		return false;
	if (log_pos_compare(place.frame, last->frame) != 0) {
		r = look(s, &place);
		if (r < 0)
			rot_met(s, place.frame, r);
		*last = (struct rot_look){ place.frame, r < 0 };
	}
	return last->bad;
}

/* --- retiring */

/* Chunks to be retired, in ranges. */
struct retiring {
	struct hf_store *s;
	struct chunk_range ranges[RANGES_AT_ONCE];
	size_t n;
	struct hf_error *err;
};

static int retire_flush(struct retiring *t)
{
	size_t n = t->n;

	t->n = 0;
	return n ? volume_retire(t->s, t->ranges, n, t->err) : 0;
}

static int retire_chunk(struct retiring *t, uint64_t number)
{
	struct chunk_range *last = t->n ? &t->ranges[t->n - 1] : NULL;
	int r = tree_chunk_is_retired(t->s->index, number, t->err);

	if (r != 0)
		return r < 0 ? r : 0;
	if (last && last->first + last->n == number) {
		last->n++;
		return 0;
	}
	r = t->n == RANGES_AT_ONCE ? retire_flush(t) : 0;
	t->ranges[t->n++] = (struct chunk_range){ number, 1 };
	return r;
}

/* Is that a failure of what is there, or of what it takes to look at it? */
static bool is_damage(int r)
{
	return r == -EUCLEAN || r == -EIO || r == -EINVAL || r == -ENOENT;
}

/* All from pos to the end of its segment that cannot be read; of a whole segment (offset 0), all. */
static int retire_rest(struct retiring *t, struct log_pos pos)
{
	struct chunk_range rest;
	struct log_pos last = { 0, 0 };
	int r = rot_chunks_between(t->s, pos, (struct log_pos){ pos.segment + 1, 0 }, &rest, t->err), is = 0;

	if (r != 1)
		return r;
	r = 0;
	for (uint64_t i = 0; r == 0 && i < rest.n; i++) {
		struct chunk_place place;

		r = tree_chunk_place(&t->s->tree, rest.first + i, &place, t->err);
		if (r == 0 && pos.offset && log_pos_compare(place.frame, last) != 0) {
			is = look(t->s, &place);
			last = place.frame;
		}
		if (r == 0 && pos.offset == 0)
			r = retire_chunk(t, rest.first + i);
		else if (r == 0 && is < 0)
			r = is_damage(is) ? retire_chunk(t, rest.first + i) : is == -ENODATA ? 0 : is;
	}
	return r < 0 ? r : retire_flush(t);
}

static int retire_frame(struct retiring *t, struct log_pos pos)
{
	struct chunk_range range;
	int r = rot_chunks(t->s, pos, &range, t->err), known;

	if (r != 1)
		return r;
	known = tree_chunk_is_retired(t->s->index, range.first, t->err);
	return known ? (known < 0 ? known : 0) : volume_retire(t->s, &range, 1, t->err);
}

/* From here, could who walks the log tell what the next frame is? */
static bool leads_on(const struct hf_store *s, struct log_pos pos)
{
	struct frame_header h;
	struct commit c;

	if (log_peek(s->log, pos, &h, &c) < 0)
		return false;
	pos.offset += FRAME_HEADER_BYTES + h.body_len;
	return log_peek(s->log, pos, &h, &c) == 0;
}

int rot_retire(struct hf_store *s, struct log_pos pos, struct log_pos *walked)
{
	const bool done = pos.segment == walked->segment && log_pos_compare(pos, *walked) >= 0;
	struct hf_error err = HF_ERROR_INIT;
	struct retiring *t = malloc(sizeof(*t));
	bool walk;
	int r;

	if (!t)
		return -ENOMEM;
	t->s = s;
	t->n = 0;
	t->err = &err;
	r = retire_frame(t, pos);
	walk = r == 0 && !done && !leads_on(s, pos);
	if (walk)
		r = retire_rest(t, pos);
	free(t);
	if (r == 0)
		r = hf_store_commit(s, &err);
	if (r == 0 && walk)
		*walked = pos;
	return r;
}
