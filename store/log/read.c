/* SPDX-License-Identifier: MIT */
/* A frame read from its place in the log, whole or in part. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "store/log/log_internal.h"

enum {
	STORED_PIECE_BYTES = FRAME_PIECE_BYTES + TAG_BYTES,
};

/* A frame that is read. */
struct reading {
	const struct log *l;
	struct log_pos pos, end; /* where the log is durable up to */
	struct segment_ref ref;
	struct frame_header h;
	struct hf_error *err;
};

static int reading_begin(struct reading *g, const struct log *l, struct log_pos pos, struct hf_error *err)
{
	*g = (struct reading){
		.l = l, .pos = pos, .end = log_durable_end(l), .ref = SEGMENT_REF_INIT, .err = err
	};
	if (pos.segment < l->first_segment || pos.offset < SEGMENT_HEADER_BYTES ||
	    (!l->damaged_too && log_pos_compare(pos, g->end) >= 0))
		return hf_error_set(err, -EINVAL, "there is no such place");
	return segment_get(l, pos.segment, &g->ref, err);
}

/* Bytes from the frame's beginning to the log's end, as far as that is in this segment. */
static size_t bytes_left(const struct reading *g)
{
	return g->pos.segment == g->end.segment && g->pos.offset < g->end.offset ?
		       g->end.offset - g->pos.offset :
		       SIZE_MAX;
}

/* want bytes of the frame from `at` on, to the end of raw. */
static int read_bytes(const struct reading *g, size_t at, size_t want, struct buf *raw)
{
	int r = buf_reserve(raw, want);

	if (r < 0)
		return r;
	r = segment_read(g->l, &g->ref, g->pos.segment, (uint64_t)g->pos.offset + at, raw->data + raw->len,
			 want, g->err);
	raw->len += want;
	return r;
}

/* Nothing is wrong here: the owner let it go, and no moment that stays needs it. */
static int say_pruned(const struct reading *g)
{
	const struct prune_list *list =
		grants_find(&g->l->grants, g->pos.segment, g->pos.offset, FRAME_HEADER_BYTES + g->h.body_len);

	if (!list)
		return hf_error_set(g->err, -EUCLEAN,
				    "the frame was taken away, and no list that the owner signed "
				    "says so");
	return hf_error_set(g->err, -ENODATA,
			    "pruned by the owner: moments before tid-%" PRIu64 " are not whole "
			    "any more",
			    list->before_tid);
}

/*
 * The header, which raw begins with. Who knows of a frame here could read it once: what looks like a later
 * version's is damage.
 */
static int read_header(struct reading *g, const struct buf *raw)
{
	int r = frame_header_decode(raw->data, &g->h, g->err);

	if (r < 0)
		return r == -EPROTONOSUPPORT ? -EUCLEAN : r;
	if (g->h.type == FRAME_PRUNED)
		return say_pruned(g);
	if (g->h.type == FRAME_COMMIT)
		return hf_error_set(g->err, -EINVAL, "a commit has no plaintext");
	if (FRAME_HEADER_BYTES + (size_t)g->h.body_len > bytes_left(g))
		return hf_error_set(g->err, -EUCLEAN, "the frame is longer than the log");
	return 0;
}

/* The header and what follows it, want bytes in all or as many as there are, in one read. */
static int read_first(struct reading *g, size_t want, struct buf *raw)
{
	int r;

	if (want > bytes_left(g))
		want = bytes_left(g);
	if (buf_reserve(raw, want) < 0)
		return -ENOMEM;
	r = segment_read_some(g->l, &g->ref, g->pos.segment, g->pos.offset, raw->data, want,
			      FRAME_HEADER_BYTES, &raw->len, g->err);
	return r < 0 ? r : read_header(g, raw);
}

/*
 * Header and body into raw, which is asked for in one go when it is as long as expected, and else in two.
 * Bytes behind the frame may follow.
 */
static int read_stored(struct reading *g, size_t expected, struct buf *raw)
{
	size_t stored;
	int r = read_first(g, FRAME_HEADER_BYTES + (expected ? sealed_bytes(expected, FRAME_PIECE_BYTES) : 0),
			   raw);

	if (r < 0)
		return r;
	stored = FRAME_HEADER_BYTES + (size_t)g->h.body_len;
	ahead_note(g->l, &g->ref, g->pos, stored);
	return raw->len < stored ? read_bytes(g, raw->len, stored - raw->len, raw) : 0;
}

static int read_whole(struct reading *g, size_t expected, struct buf *out)
{
	struct buf *raw = frame_scratch();
	int r;

	if (!raw)
		return -ENOMEM;
	r = read_stored(g, expected, raw);
	if (r == 0)
		r = frame_open(g->l, g->pos, &g->h, raw->data + FRAME_HEADER_BYTES, out, g->err);
	frame_scratch_done(raw);
	return r;
}

/* Where piece number i begins in the stored frame. */
static size_t piece_at(size_t i)
{
	return FRAME_HEADER_BYTES + i * STORED_PIECE_BYTES;
}

/*
 * The pieces wanted, and nothing else, of a frame whose header is known. -EUCLEAN: it is another, or they are
 * damaged.
 */
static int read_part(struct reading *g, const struct log_seal *seal, size_t off, size_t len, struct buf *raw,
		     void *out)
{
	const size_t first = off / FRAME_PIECE_BYTES, stored = FRAME_HEADER_BYTES + (size_t)seal->body_len;
	size_t end = piece_at((off + len - 1) / FRAME_PIECE_BYTES + 1), want;
	int r;

	g->h = (struct frame_header){ .type = FRAME_DATA,
				      .flags = FRAME_IN_PIECES,
				      .body_len = seal->body_len };
	memcpy(g->h.nonce, seal->nonce, NONCE_BYTES);
	if (seal->body_len <= STORED_PIECE_BYTES || seal->body_len > FRAME_BODY_MAX ||
	    stored > bytes_left(g) || off + len > frame_plain_len(&g->h))
		return -EUCLEAN;
	if (end > stored)
		end = stored;
	want = end - piece_at(first);
	if (buf_reserve(raw, 2 * want) < 0) /* and the plaintext behind it */
		return -ENOMEM;
	r = read_bytes(g, piece_at(first), want, raw);
	if (r == 0)
		r = frame_open_pieces(g->l, g->pos, &g->h, first, raw->data, want, raw->data + want, g->err);
	if (r == 0)
		memcpy(out, raw->data + want + (off - first * FRAME_PIECE_BYTES), len);
	return r;
}

/* Errors get the place; a failure to read has it. */
static int reading_end(struct reading *g, int r, const struct hf_error *why, struct hf_error *err)
{
	segment_ref_release(&g->ref);
	if (r >= 0)
		return r;
	if (r == -EUCLEAN)
		return segment_damage(g->l, g->pos, why->text, err);
	return hf_error_set(err, r, "frame at segment %" PRIu32 ", offset %" PRIu32 ": %s", g->pos.segment,
			    g->pos.offset, why->code ? why->text : hf_strerror(r));
}

int log_read_frame(const struct log *l, struct log_pos pos, size_t expected, struct buf *out,
		   struct hf_error *err)
{
	struct hf_error why = HF_ERROR_INIT;
	struct reading g;
	int r = reading_begin(&g, l, pos, &why);

	buf_clear(out);
	if (r == 0)
		r = read_whole(&g, expected < FRAME_PLAIN_MAX ? expected : FRAME_PLAIN_MAX, out);
	if (r < 0)
		buf_clear(out);
	return reading_end(&g, r, &why, err);
}

int log_read_part(const struct log *l, struct log_pos pos, const struct log_seal *seal, size_t off,
		  size_t len, void *out, struct hf_error *err)
{
	struct hf_error why = HF_ERROR_INIT;
	struct reading g;
	struct buf *raw;
	int r;

	if (seal->body_len == 0)
		return 0;
	r = reading_begin(&g, l, pos, &why);
	raw = frame_scratch();
	if (r == 0)
		r = raw ? read_part(&g, seal, off, len, raw, out) : -ENOMEM;
	if (raw)
		frame_scratch_done(raw);
	if (r == -EUCLEAN) { /* for who reads the whole to tell */
		segment_ref_release(&g.ref);
		return 0;
	}
	return reading_end(&g, r < 0 ? r : 1, &why, err);
}

int log_peek(const struct log *l, struct log_pos pos, struct frame_header *ret, struct commit *ret_commit)
{
	uint8_t raw[COMMIT_FRAME_BYTES];
	struct reading g;
	int r = reading_begin(&g, l, pos, NULL);

	if (r == 0)
		r = segment_read(l, &g.ref, pos.segment, pos.offset, raw, FRAME_HEADER_BYTES, NULL);
	if (r == 0)
		r = frame_header_decode(raw, ret, NULL);
	if (r == 0 && ret->type == FRAME_COMMIT) {
		r = segment_read(l, &g.ref, pos.segment, (uint64_t)pos.offset + FRAME_HEADER_BYTES, raw,
				 COMMIT_BODY_BYTES, NULL);
		if (r == 0)
			r = commit_decode(raw, ret_commit, NULL);
	}
	segment_ref_release(&g.ref);
	return r;
}
