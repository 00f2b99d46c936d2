/* SPDX-License-Identifier: MIT */
/*
 * Raw bytes for replicas. They were durable before they were offered and a replica verifies them itself, so
 * here only frame headers are looked at, to end where a group ends.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "store/log/log_internal.h"

/* What is known of the segment that is read. */
struct raw {
	const struct log *l;
	struct segment_ref ref;
	uint32_t segment;
	uint64_t end; /* of what may be read of it */
};

static int raw_begin(const struct log *l, struct log_pos pos, struct log_pos durable, struct raw *ret,
		     struct hf_error *err)
{
	int r = segment_get(l, pos.segment, &ret->ref, err);

	if (r < 0)
		return r;
	ret->l = l;
	ret->segment = pos.segment;
	ret->end = durable.offset;
	if (pos.segment == durable.segment)
		return 0;
	return segment_size(l, &ret->ref, pos.segment, &ret->end, err);
}

static void raw_release(struct raw *r)
{
	segment_ref_release(&r->ref);
}

/*
 * Find whole groups in data. Returns the end of the last one, 0 when there is none; *ret_commit is where its
 * commit frame is.
 */
static size_t whole_groups(const uint8_t *data, size_t len, size_t at, size_t *ret_commit)
{
	size_t end = 0;

	while (len - at >= FRAME_HEADER_BYTES) {
		struct frame_header h;
		size_t frame;

		if (frame_header_decode(data + at, &h, NULL) < 0)
			break;
		frame = FRAME_HEADER_BYTES + (size_t)h.body_len;
		if (len - at < frame)
			break;
		if (h.type == FRAME_COMMIT) {
			*ret_commit = at;
			end = at + frame;
		}
		at += frame;
	}
	return end;
}

/* Length of the group at `at`, however long it is; 0: there is no whole one. */
static int group_length(const struct raw *r, uint64_t at, uint64_t *ret, struct hf_error *err)
{
	uint64_t start = at;

	*ret = 0;
	while (r->end - at >= FRAME_HEADER_BYTES) {
		uint8_t raw[FRAME_HEADER_BYTES];
		struct frame_header h;
		int res = segment_read(r->l, &r->ref, r->segment, at, raw, sizeof(raw), err);

		if (res < 0)
			return res;
		if (frame_header_decode(raw, &h, NULL) < 0 || r->end - at - FRAME_HEADER_BYTES < h.body_len)
			return 0;
		at += FRAME_HEADER_BYTES + (uint64_t)h.body_len;
		if (h.type == FRAME_COMMIT) {
			*ret = at - start;
			return 0;
		}
	}
	return 0;
}

static int read_more(const struct raw *r, uint64_t at, uint64_t len, struct buf *out, struct hf_error *err)
{
	int res = buf_reserve(out, (size_t)len);

	if (res < 0)
		return hf_error_set(err, res, "no memory to read %" PRIu64 " bytes of a segment", len);
	res = segment_read(r->l, &r->ref, r->segment, at, out->data + out->len, (size_t)len, err);
	if (res == 0)
		out->len += (size_t)len;
	return res;
}

static int point_of_header(const struct raw *r, const uint8_t *raw, struct log_point *ret,
			   struct hf_error *err)
{
	struct hf_error why = HF_ERROR_INIT;
	struct verifier v;
	int res;

	log_verifier_begin(r->l, &v);
	res = verifier_enter(&v, raw, &why);
	if (res == -EUCLEAN)
		return segment_damage(r->l, (struct log_pos){ r->segment, 0 }, why.text, err);
	if (res < 0)
		return hf_error_set(err, res, "%s", why.text);
	*ret = v.point;
	return 0;
}

static int point_of_commit(const struct raw *r, const uint8_t *frame, uint64_t end, struct log_point *ret,
			   struct hf_error *err)
{
	struct commit c;

	if (commit_decode(frame + FRAME_HEADER_BYTES, &c, NULL) < 0)
		return segment_damage(r->l,
				      (struct log_pos){ r->segment, (uint32_t)(end - COMMIT_FRAME_BYTES) },
				      "not a commit", err);
	memset(ret, 0, sizeof(*ret));
	ret->end = (struct log_pos){ r->segment, (uint32_t)end };
	ret->commit = c.number;
	ret->tid = c.tid;
	ret->time_ns = c.time_ns;
	ret->epoch = c.epoch;
	ret->sealed = c.flags & COMMIT_SEALS;
	memcpy(ret->chain, c.chain, HASH_BYTES);
	return 0;
}

/* Nothing whole was found from `at` on: is that the end, or damage? */
static int no_group(const struct raw *r, uint64_t at, struct log_pos durable, struct hf_error *err)
{
	if (r->segment < durable.segment)
		return -ENOENT; /* sealed, or taken over by another epoch, perhaps with a torn write at its
				   end */
	return segment_damage(r->l, (struct log_pos){ r->segment, (uint32_t)at },
			      "no group where one was committed", err);
}

static int read_groups(const struct raw *r, struct log_pos pos, struct log_pos durable, size_t max_bytes,
		       struct buf *out, struct log_point *ret_point, struct hf_error *err)
{
	size_t head = pos.offset == 0 ? SEGMENT_HEADER_BYTES : 0, commit = 0, end;
	uint64_t len = r->end - pos.offset;
	int res;

	if (len < head)
		return segment_damage(r->l, pos, "the file ends within its header", err);
	if (len > max_bytes)
		len = max_bytes > head ? max_bytes : head;
	res = read_more(r, pos.offset, len, out, err);
	if (res < 0)
		return res;
	end = whole_groups(out->data, out->len, head, &commit);
	if (end == 0 && head == 0) { /* one group at least, though it is longer than asked for */
		res = group_length(r, pos.offset, &len, err);
		if (res < 0)
			return res;
		if (len == 0)
			return no_group(r, pos.offset, durable, err);
		if (len > out->len)
			res = read_more(r, pos.offset + out->len, len - out->len, out, err);
		if (res < 0)
			return res;
		end = whole_groups(out->data, out->len, head, &commit);
	}
	out->len = end ? end : head;
	if (end == 0)
		return point_of_header(r, out->data, ret_point, err);
	return point_of_commit(r, out->data + commit, pos.offset + end, ret_point, err);
}

int log_read_raw(const struct log *l, struct log_pos pos, size_t max_bytes, struct buf *out,
		 struct log_point *ret_point, struct hf_error *err)
{
	CLEANUP(raw_release) struct raw r = { .ref = SEGMENT_REF_INIT };
	struct log_point durable;
	struct log_pos end;
	int res;

	log_durable(l, &durable);
	end = durable.end;
	buf_clear(out);
	if (pos.segment < l->first_segment || (pos.offset != 0 && pos.offset < SEGMENT_HEADER_BYTES))
		return hf_error_set(err, -EINVAL, "no group begins at segment %" PRIu32 ", offset %" PRIu32,
				    pos.segment, pos.offset);
	if (log_pos_compare(pos, end) == 0)
		return durable.sealed ? -ENOENT : -ENODATA;
	if (pos.segment == end.segment + 1 && pos.offset == 0)
		return -ENODATA;
	if (log_pos_compare(pos, end) > 0)
		return hf_error_set(err, -EINVAL,
				    "segment %" PRIu32 ", offset %" PRIu32 " lies behind the end of the log "
				    "(segment %" PRIu32 ", offset %" PRIu32 ")",
				    pos.segment, pos.offset, end.segment, end.offset);
	res = raw_begin(l, pos, end, &r, err);
	if (res < 0)
		return res;
	if (pos.offset >= r.end)
		return -ENOENT;
	res = read_groups(&r, pos, end, max_bytes, out, ret_point, err);
	if (res < 0)
		buf_clear(out);
	return res;
}
