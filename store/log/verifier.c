/* SPDX-License-Identifier: MIT */
/*
 * A group is judged in two passes: its shape (frame headers only, which finds the commit and costs nothing
 * when the data ends too early), then its content (hashes, chain, signature). Nothing is told to the caller
 * and nothing in the verifier moves before both have passed.
 */
#include "store/log/verifier.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum { BATCH_FRAMES = 64 };

void verifier_begin(struct verifier *v, const uint8_t volume_id[VOLUME_ID_BYTES])
{
	memset(v, 0, sizeof(*v));
	memcpy(v->volume_id, volume_id, VOLUME_ID_BYTES);
}

void verifier_grant(struct verifier *v, const struct grants *grants)
{
	v->grants = grants;
}

/* The state behind a segment's header, as the header says it. */
static void point_behind_header(const struct segment_header *h, struct log_point *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->end = (struct log_pos){ .segment = h->segment, .offset = SEGMENT_HEADER_BYTES };
	ret->commit = h->prev_commit;
	ret->tid = h->prev_tid;
	ret->time_ns = h->prev_time_ns;
	ret->epoch = h->epoch;
	memcpy(ret->chain, h->prev_chain, HASH_BYTES);
}

static void chain_behind_header(struct verifier *v, const uint8_t raw[SEGMENT_HEADER_BYTES])
{
	struct chain c;

	chain_start(&c, raw);
	memcpy(v->chain, c.value, HASH_BYTES);
}

static int header_of_volume(const struct verifier *v, const uint8_t raw[SEGMENT_HEADER_BYTES],
			    struct segment_header *ret, struct hf_error *err)
{
	int r = segment_header_decode(raw, SEGMENT_HEADER_BYTES, ret, err);

	if (r < 0)
		return r;
	if (memcmp(ret->volume_id, v->volume_id, VOLUME_ID_BYTES) != 0)
		return hf_error_set(err, -EKEYREJECTED, "segment %" PRIu32 " is of another volume",
				    ret->segment);
	return 0;
}

static bool points_equal(const struct log_point *a, const struct log_point *b)
{
	return log_pos_compare(a->end, b->end) == 0 && a->commit == b->commit && a->tid == b->tid &&
	       a->time_ns == b->time_ns && a->epoch == b->epoch && a->sealed == b->sealed &&
	       memcmp(a->chain, b->chain, HASH_BYTES) == 0;
}

int verifier_resume(struct verifier *v, const uint8_t header[SEGMENT_HEADER_BYTES],
		    const struct log_point *point, struct hf_error *err)
{
	struct segment_header h;
	struct log_point start;
	int r = header_of_volume(v, header, &h, err);

	if (r < 0)
		return r;
	point_behind_header(&h, &start);
	if (h.segment != point->end.segment || h.epoch != point->epoch || point->commit < start.commit ||
	    point->tid < start.tid || point->time_ns < start.time_ns)
		return hf_error_set(err, -EUCLEAN,
				    "segment %" PRIu32 " is not the one the log was read in up to here",
				    point->end.segment);
	if (point->end.offset == SEGMENT_HEADER_BYTES ?
		    !points_equal(&start, point) :
		    point->end.offset < SEGMENT_HEADER_BYTES + COMMIT_FRAME_BYTES)
		return hf_error_set(err, -EUCLEAN,
				    "segment %" PRIu32 ": its header does not lead to offset %" PRIu32,
				    point->end.segment, point->end.offset);
	v->point = *point;
	v->header = h;
	if (point->end.offset == SEGMENT_HEADER_BYTES)
		chain_behind_header(v, header);
	else
		memcpy(v->chain, point->chain, HASH_BYTES);
	return 0;
}

int verifier_enter(struct verifier *v, const uint8_t header[SEGMENT_HEADER_BYTES], struct hf_error *err)
{
	struct segment_header h;
	int r = header_of_volume(v, header, &h, err);

	if (r < 0)
		return r;
	point_behind_header(&h, &v->point);
	v->header = h;
	chain_behind_header(v, header);
	return 0;
}

static bool certs_equal(const struct epoch_cert *a, const struct epoch_cert *b)
{
	return a->epoch == b->epoch && a->format_floor == b->format_floor && a->created_ns == b->created_ns &&
	       a->first_segment == b->first_segment &&
	       memcmp(a->volume_id, b->volume_id, VOLUME_ID_BYTES) == 0 &&
	       memcmp(a->owner_public, b->owner_public, PUBLIC_KEY_BYTES) == 0 &&
	       memcmp(a->writer_public, b->writer_public, PUBLIC_KEY_BYTES) == 0 &&
	       memcmp(a->chain, b->chain, HASH_BYTES) == 0 &&
	       memcmp(a->signature, b->signature, SIGNATURE_BYTES) == 0;
}

static int header_starts_log(const struct segment_header *h, struct hf_error *err)
{
	static const uint8_t none[HASH_BYTES];

	if (h->segment != 1 || h->epoch != 1 || h->prev_tid || h->prev_time_ns || h->prev_commit ||
	    memcmp(h->prev_chain, none, HASH_BYTES) != 0 || h->cert.first_segment != 1 ||
	    memcmp(h->cert.chain, none, HASH_BYTES) != 0)
		return hf_error_set(err, -EUCLEAN, "segment %" PRIu32 " is not the beginning of a log",
				    h->segment);
	return 0;
}

/* FORMAT.md §5, last paragraph. */
static int header_follows(const struct verifier *v, const struct segment_header *h, struct hf_error *err)
{
	const struct log_point *p = &v->point;

	if (h->segment != p->end.segment + 1)
		return hf_error_set(err, -EUCLEAN, "segment %" PRIu32 " comes where %" PRIu32 " belongs",
				    h->segment, p->end.segment + 1);
	if (h->prev_commit != p->commit || h->prev_tid != p->tid || h->prev_time_ns != p->time_ns ||
	    memcmp(h->prev_chain, p->chain, HASH_BYTES) != 0)
		return hf_error_set(err, -EUCLEAN,
				    "segment %" PRIu32 " follows commit %" PRIu64
				    " with another history than commit %" PRIu64 ", where segment %" PRIu32
				    " ends",
				    h->segment, h->prev_commit, p->commit, p->end.segment);
	if (h->epoch == p->epoch) {
		if (!p->sealed)
			return hf_error_set(err, -EUCLEAN,
					    "segment %" PRIu32 " begins, but %" PRIu32 " is not sealed",
					    h->segment, p->end.segment);
		if (!certs_equal(&h->cert, &v->header.cert))
			return hf_error_set(err, -EUCLEAN,
					    "segment %" PRIu32
					    " has another certificate within epoch %" PRIu32,
					    h->segment, h->epoch);
		return 0;
	}
	if (h->epoch != p->epoch + 1 || h->cert.first_segment != h->segment ||
	    memcmp(h->cert.chain, p->chain, HASH_BYTES) != 0)
		return hf_error_set(err, -EUCLEAN, "epoch %" PRIu32 " does not start at segment %" PRIu32,
				    h->epoch, h->segment);
	return 0;
}

int verifier_segment(struct verifier *v, const uint8_t header[SEGMENT_HEADER_BYTES], struct hf_error *err)
{
	struct segment_header h;
	int r = header_of_volume(v, header, &h, err);

	if (r < 0)
		return r;
	r = v->point.end.segment == 0 ? header_starts_log(&h, err) : header_follows(v, &h, err);
	if (r < 0)
		return r;
	point_behind_header(&h, &v->point);
	v->header = h;
	chain_behind_header(v, header);
	return 0;
}

/* --- groups */

/* What the frame headers of a group say. Places are within the group. */
struct shape {
	uint32_t frames; /* the commit not counted */
	size_t table;    /* where the table frame is; 0 and has_table false when there is none */
	bool has_table;
	size_t commit; /* where the commit frame is */
};

static int frame_fault(const struct verifier *v, size_t at, struct hf_error *err, const char *what)
{
	return hf_error_set(err, -EUCLEAN, "segment %" PRIu32 ", offset %zu: %s", v->point.end.segment,
			    v->point.end.offset + at, what);
}

/* The order that FORMAT.md §6 gives to the frames of a group. */
static int frame_rank(uint8_t type)
{
	switch (type) {
	case FRAME_DATA:
	case FRAME_PRUNED:
		return 0;
	case FRAME_META:
		return 1;
	case FRAME_TABLE:
		return 2;
	default:
		return 3;
	}
}

/* One frame's header at `at`: judged by itself and by the rank of the frame before it. */
static int shape_frame(const struct verifier *v, size_t at, const struct frame_header *h, int rank_before,
		       struct hf_error *err)
{
	int rank = frame_rank(h->type);

	if (rank < rank_before || (rank == rank_before && rank == 2))
		return frame_fault(v, at, err, "frames out of order");
	if (v->point.end.offset + (uint64_t)at + FRAME_HEADER_BYTES + h->body_len > SEGMENT_BYTES_MAX)
		return frame_fault(v, at, err, "frame passes the largest size of a segment");
	if (h->type == FRAME_PRUNED &&
	    !(v->grants && grants_cover(v->grants, v->point.end.segment, v->point.end.offset + (uint32_t)at,
					FRAME_HEADER_BYTES + h->body_len)))
		return frame_fault(v, at, err,
				   "the frame was taken away, and no list that the owner signed says so");
	return 0;
}

static int group_shape(const struct verifier *v, const uint8_t *data, size_t len, struct shape *s,
		       struct hf_error *err)
{
	size_t at = 0;
	int rank = 0;

	memset(s, 0, sizeof(*s));
	for (;;) {
		struct frame_header h;
		int r;

		if (len - at < FRAME_HEADER_BYTES)
			return 0;
		r = frame_header_decode(data + at, &h, err);
		if (r < 0)
			return hf_error_prefix(err, r, "segment %" PRIu32 ", offset %zu",
					       v->point.end.segment, v->point.end.offset + at);
		r = shape_frame(v, at, &h, rank, err);
		if (r < 0)
			return r;
		if (len - at - FRAME_HEADER_BYTES < h.body_len)
			return 0;
		/* what was there is gone, all of it: nobody keeps anything else in its place */
		if (h.type == FRAME_PRUNED &&
		    !buf_is_zeros(data + at + PRUNED_FRAME_BYTES,
				  FRAME_HEADER_BYTES + h.body_len - PRUNED_FRAME_BYTES))
			return frame_fault(v, at, err, "bytes in the place of a frame that was pruned");
		if (h.type == FRAME_COMMIT) {
			s->commit = at;
			return 1;
		}
		if (h.type == FRAME_TABLE) {
			s->table = at;
			s->has_table = true;
		}
		rank = frame_rank(h.type);
		s->frames++;
		at += FRAME_HEADER_BYTES + h.body_len;
	}
}

/* The commit's fields against the shape of its group and the commit before it. */
static int commit_fits(const struct verifier *v, const struct shape *s, const struct commit *c,
		       struct hf_error *err)
{
	const struct log_point *p = &v->point;
	bool seals = c->flags & COMMIT_SEALS;

	if (c->number != p->commit + 1)
		return frame_fault(v, s->commit, err, "commit number out of turn");
	if (c->tid < p->tid || c->time_ns < p->time_ns)
		return frame_fault(v, s->commit, err, "commit goes back in time");
	/* Nobody uses up the numbers and times of all who come later. */
	if (c->tid - p->tid > COMMIT_OPERATIONS_MAX || c->time_ns > COMMIT_TIME_MAX)
		return frame_fault(v, s->commit, err, "commit is further ahead than a commit can be");
	if (c->epoch != p->epoch)
		return frame_fault(v, s->commit, err, "commit of another epoch");
	if (c->frames != s->frames)
		return frame_fault(v, s->commit, err, "commit counts other frames than are there");
	if (seals != s->has_table || c->table_offset != (seals ? p->end.offset + s->table : 0))
		return frame_fault(v, s->commit, err, "commit and frame table do not agree");
	return 0;
}

/* Size of the frame at data, whose header group_shape has accepted. */
static size_t frame_at(const uint8_t *data, struct frame_header *ret)
{
	if (frame_header_decode(data, ret, NULL) < 0)
		return 0;
	return FRAME_HEADER_BYTES + (size_t)ret->body_len;
}

/* The hashes of some frames on the way into the chain: side by side they take a fraction of the time. */
struct batch {
	struct hash_job jobs[BATCH_FRAMES];
	uint8_t hashes[BATCH_FRAMES][HASH_BYTES];
	size_t n;
};

static void batch_flush(struct batch *b, struct chain *c)
{
	hash_many(b->jobs, b->n);
	for (size_t i = 0; i < b->n; i++)
		chain_frame(c, b->hashes[i]);
	b->n = 0;
}

static void group_chain(const struct verifier *v, const uint8_t *data, const struct shape *s,
			uint8_t ret_value[HASH_BYTES])
{
	const uint8_t *commit = data + s->commit;
	struct batch b = { .n = 0 };
	struct chain c;

	chain_resume(&c, v->chain);
	for (size_t at = 0, len; at < s->commit; at += len) {
		struct frame_header h;

		len = frame_at(data + at, &h);
		if (h.type == FRAME_PRUNED) { /* it stands for what it was */
			batch_flush(&b, &c);
			chain_frame(&c, pruned_frame_hash(data + at));
			continue;
		}
		b.jobs[b.n] = (struct hash_job){ data + at, len, b.hashes[b.n] };
		if (++b.n == BATCH_FRAMES)
			batch_flush(&b, &c);
	}
	batch_flush(&b, &c);
	chain_commit(&c, commit, commit + FRAME_HEADER_BYTES, ret_value);
}

static void tell_frames(const struct verifier *v, const uint8_t *data, const struct shape *s,
			const struct verifier_frames *frames)
{
	for (size_t at = 0, len; at <= s->commit; at += len) {
		struct log_pos pos = { v->point.end.segment, v->point.end.offset + (uint32_t)at };
		struct frame_header h;

		len = frame_at(data + at, &h);
		frames->fn(frames->arg, pos, &h, data + at + FRAME_HEADER_BYTES);
	}
}

int verifier_group(struct verifier *v, const void *data, size_t len, size_t *ret_used,
		   const struct verifier_frames *frames, struct hf_error *err)
{
	const uint8_t *body, *bytes = data;
	uint8_t chain[HASH_BYTES];
	struct commit c;
	struct shape s;
	int r;

	if (v->point.sealed)
		return len ? frame_fault(v, 0, err, "bytes behind the commit that seals the segment") : 0;
	r = group_shape(v, bytes, len, &s, err);
	if (r <= 0)
		return r;
	body = bytes + s.commit + FRAME_HEADER_BYTES;
	r = commit_decode(body, &c, err);
	if (r < 0)
		return hf_error_prefix(err, r, "segment %" PRIu32 ", offset %zu", v->point.end.segment,
				       v->point.end.offset + s.commit);
	r = commit_fits(v, &s, &c, err);
	if (r < 0)
		return r;
	group_chain(v, bytes, &s, chain);
	if (memcmp(chain, c.chain, HASH_BYTES) != 0)
		return frame_fault(v, s.commit, err,
				   "the bytes before this commit are not those it was made over");
	r = commit_check_signature(v->header.cert.writer_public, v->volume_id, v->point.end.segment,
				   v->point.end.offset + (uint32_t)s.commit, body);
	if (r < 0)
		return hf_error_set(err, r,
				    "segment %" PRIu32
				    ", offset %zu: commit not signed by the writer of epoch %" PRIu32,
				    v->point.end.segment, v->point.end.offset + s.commit, v->point.epoch);
	if (frames)
		tell_frames(v, bytes, &s, frames);
	*ret_used = s.commit + COMMIT_FRAME_BYTES;
	v->point.end.offset += (uint32_t)*ret_used;
	v->point.commit = c.number;
	v->point.tid = c.tid;
	v->point.time_ns = c.time_ns;
	v->point.sealed = c.flags & COMMIT_SEALS;
	memcpy(v->point.chain, c.chain, HASH_BYTES);
	memcpy(v->chain, c.chain, HASH_BYTES);
	return 1;
}
