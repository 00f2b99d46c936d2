/* SPDX-License-Identifier: MIT */
/*
 * From a place in the log back to what was made of it. Chunks are numbered in the order of the log, so those
 * of a frame are found by halving. The operations that brought them are in the records of the same group,
 * behind it.
 */
#include "store/volume/rot_name.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "holdfast/history.h"
#include "holdfast/moment.h"

enum { FRAMES_TRIED_MAX = 4096 };

/* --- chunks */

/* Those that have a place in the log. */
static uint64_t count_chunks(struct hf_store *s)
{
	uint64_t n;

	(void)pthread_mutex_lock(&s->sequence);
	n = s->counted_next_chunk;
	(void)pthread_mutex_unlock(&s->sequence);
	return n;
}

/* Where the frame of this chunk is, compared with pos. */
static int compare_chunk(struct hf_store *s, uint64_t number, struct log_pos pos, int *ret,
			 struct hf_error *err)
{
	struct chunk_place place;
	int r = tree_chunk_place(&s->tree, number, &place, err);

	if (r == 0)
		*ret = log_pos_compare(place.frame, pos);
	return r;
}

/* The first of n chunks whose frame is at or behind pos. */
static int find_chunk(struct hf_store *s, struct log_pos pos, uint64_t n, uint64_t *ret, struct hf_error *err)
{
	uint64_t low = 0, high = n;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;
		int c = 0, r = compare_chunk(s, middle, pos, &c, err);

		if (r < 0)
			return r;
		if (c < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*ret = low;
	return 0;
}

int rot_chunks_between(struct hf_store *s, struct log_pos from, struct log_pos to, struct chunk_range *ret,
		       struct hf_error *err)
{
	const uint64_t n = count_chunks(s);
	uint64_t first = 0, end = 0;
	int r = find_chunk(s, from, n, &first, err);

	if (r == 0)
		r = find_chunk(s, to, n, &end, err);
	if (r < 0 || end == first)
		return r;
	*ret = (struct chunk_range){ first, end - first };
	return 1;
}

int rot_chunks(struct hf_store *s, struct log_pos pos, struct chunk_range *ret, struct hf_error *err)
{
	return rot_chunks_between(s, pos, (struct log_pos){ pos.segment, pos.offset + 1 }, ret, err);
}

/* --- operations */

struct naming {
	struct hf_store *s;
	struct chunk_range chunks;
	struct op_base base; /* as if the group began at tid 0: the commit says how far that is off */
	uint64_t ino, tid;   /* of the first operation that names them, tid as in base; ino 0: none yet */
	unsigned more;
};

static bool names_it(const struct naming *n, const struct piece *pieces, size_t n_pieces)
{
	for (size_t i = 0; i < n_pieces; i++)
		if (pieces[i].kind == PIECE_CHUNK && pieces[i].ref >= n->chunks.first &&
		    pieces[i].ref - n->chunks.first < n->chunks.n)
			return true;
	return false;
}

static void take_op(struct naming *n, const struct op *op)
{
	uint64_t ino = 0;

	if (op->type == OP_WRITE && names_it(n, op->write.pieces, op->write.n_pieces))
		ino = op->write.ino;
	if (op->type == OP_FOLD && names_it(n, op->fold.pieces, op->fold.n_pieces))
		ino = op->fold.ino;
	if (ino == 0 || ino == n->ino)
		return;
	if (n->ino) {
		n->more++;
		return;
	}
	n->ino = ino;
	n->tid = op->tid;
}

static int take_records(struct naming *n, struct span plain)
{
	struct cursor cur = cursor_of(plain.data, plain.len);
	struct span body;
	uint8_t type;
	int r;

	while ((r = record_next(&cur, &type, &body, NULL)) == 1) {
		struct op op = { 0 };

		if (type == RECORD_CHUNKS || type == RECORD_WHO)
			continue;
		if (op_decode(type, body, &n->base, &op, NULL) < 0)
			return -EUCLEAN;
		take_op(n, &op);
		op_release(&op);
	}
	return r;
}

/* Through the group behind pos, up to its commit, whose tid makes all others right. */
static int read_group(struct naming *n, struct log_pos pos)
{
	CLEANUP(buf_release) struct buf plain = BUF_INIT;

	for (unsigned i = 0; i < FRAMES_TRIED_MAX; i++) {
		struct frame_header h;
		struct commit c;
		int r = log_peek(n->s->log, pos, &h, &c);

		if (r < 0)
			return r;
		if (h.type == FRAME_COMMIT) {
			n->tid += c.tid - n->base.tid;
			return n->ino ? 0 : -ENOENT;
		}
		if (h.type == FRAME_META) {
			r = log_read_frame(n->s->log, pos, 0, &plain, NULL);
			if (r == 0)
				r = take_records(n, (struct span){ plain.data, plain.len });
		}
		if (r < 0)
			return r;
		pos.offset += FRAME_HEADER_BYTES + h.body_len;
	}
	return -ENOENT;
}

void rot_name(struct hf_store *s, struct log_pos pos, char *out, size_t size)
{
	struct naming n = { .s = s };
	struct hf_error err = HF_ERROR_INIT;
	char path[300], moment[40], others[48] = "";
	struct hf_point point;
	ssize_t len;

	*out = 0;
	if (pos.offset == 0 || rot_chunks(s, pos, &n.chunks, &err) != 1 || read_group(&n, pos) < 0)
		return;
	len = hf_view_path(&(struct hf_view){ s, n.tid }, n.ino, path, sizeof(path), &err);
	if (len < 0 || (size_t)len >= sizeof(path) || hf_point_of_tid(s, n.tid, &point, &err) < 0)
		return;
	if (n.more)
		(void)snprintf(others, sizeof(others), " and %u other file(s) written with it", n.more);
	(void)snprintf(out, size, "%.250s as written at %s (tid-%" PRIu64 ")%s", path,
		       hf_moment_format(point.time_ns, moment, sizeof(moment)), n.tid, others);
}
