/* SPDX-License-Identifier: MIT */
#include "store/replica/trail.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

static int open_segment(const struct os *os, const char *log_dir, uint32_t segment)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	char name[16];

	segment_file_name(segment, name);
	if (!os_join(&path, log_dir, name))
		return -ENOMEM;
	return os->open(os->state, (const char *)path.data, O_RDONLY, 0);
}

/* len bytes of a segment; -ENODATA when the file is shorter. */
static int read_at(const struct os *os, const char *log_dir, struct log_pos at, void *out, size_t len)
{
	int r, fd = open_segment(os, log_dir, at.segment);

	if (fd < 0)
		return fd;
	r = os_pread_full(os, fd, out, len, at.offset);
	(void)os->close(os->state, fd);
	return r;
}

int trail_header(const struct os *os, const char *log_dir, uint32_t segment, struct segment_header *ret,
		 struct hf_error *err)
{
	uint8_t raw[SEGMENT_HEADER_BYTES];
	int r = read_at(os, log_dir, (struct log_pos){ segment, 0 }, raw, sizeof(raw));

	if (r < 0)
		return hf_error_set(err, r, "cannot read the header of segment %" PRIu32 " in %s: %s",
				    segment, log_dir, strerror(-r));
	r = segment_header_decode(raw, sizeof(raw), ret, err);
	return r < 0 ? hf_error_prefix(err, r, "segment %" PRIu32 " in %s", segment, log_dir) : 0;
}

static int header_point(const struct os *os, const char *log_dir, uint32_t segment, struct log_point *ret)
{
	struct segment_header h;
	int r = trail_header(os, log_dir, segment, &h, NULL);

	if (r < 0) /* what is no header of ours is not the one looked for */
		return r == -EUCLEAN || r == -EKEYREJECTED || r == -EPROTONOSUPPORT ? -ENODATA : r;
	*ret = (struct log_point){ .end = { segment, SEGMENT_HEADER_BYTES },
				   .commit = h.prev_commit,
				   .tid = h.prev_tid,
				   .time_ns = h.prev_time_ns,
				   .epoch = h.epoch };
	memcpy(ret->chain, h.prev_chain, HASH_BYTES);
	return 0;
}

int trail_point(const struct os *os, const char *log_dir, struct log_pos end, struct log_point *ret)
{
	uint8_t raw[COMMIT_FRAME_BYTES];
	struct frame_header h;
	struct commit c;
	int r;

	if (end.offset == SEGMENT_HEADER_BYTES)
		return header_point(os, log_dir, end.segment, ret);
	if (end.offset < SEGMENT_HEADER_BYTES + COMMIT_FRAME_BYTES)
		return -ENODATA;
	r = read_at(os, log_dir, (struct log_pos){ end.segment, end.offset - COMMIT_FRAME_BYTES }, raw,
		    sizeof(raw));
	if (r < 0)
		return r;
	if (frame_header_decode(raw, &h, NULL) < 0 || h.type != FRAME_COMMIT ||
	    commit_decode(raw + FRAME_HEADER_BYTES, &c, NULL) < 0)
		return -ENODATA;
	*ret = (struct log_point){ .end = end,
				   .commit = c.number,
				   .tid = c.tid,
				   .time_ns = c.time_ns,
				   .epoch = c.epoch,
				   .sealed = c.flags & COMMIT_SEALS };
	memcpy(ret->chain, c.chain, HASH_BYTES);
	return 0;
}

/* 1 when this point is where it says, 0 when another is, or none. */
static int has_point(const struct os *os, const char *log_dir, const struct log_point *p)
{
	struct log_point here;
	int r = trail_point(os, log_dir, p->end, &here);

	if (r < 0)
		return r == -ENODATA ? 0 : r;
	return here.commit == p->commit && here.tid == p->tid && here.epoch == p->epoch &&
	       memcmp(here.chain, p->chain, HASH_BYTES) == 0;
}

int trail_read(const struct os *os, const char *log_dir, struct log_pos at, void *out, size_t len)
{
	return read_at(os, log_dir, at, out, len);
}

int trail_has(const struct os *os, const char *log_dir, const struct log_point *point,
	      const struct log_point *durable, struct hf_error *err)
{
	int r;

	if (point->end.segment == 0)
		return 1;
	if (point->epoch > durable->epoch) {
		(void)hf_error_set(err, -EEXIST,
				   "the replica is in epoch %" PRIu32 ", and this store in epoch %" PRIu32
				   ": the volume was recovered, or its key changed, elsewhere, and this is a "
				   "copy from before. Use the store there",
				   point->epoch, durable->epoch);
		return 0;
	}
	if (log_pos_compare(point->end, durable->end) > 0) {
		(void)hf_error_set(err, -EEXIST,
				   "the replica holds more than this store (segment %" PRIu32
				   ", offset %" PRIu32 "; here %" PRIu32 ", %" PRIu32
				   "): the store was rolled back, or somebody else writes with its "
				   "key. Recover from the replica",
				   point->end.segment, point->end.offset, durable->end.segment,
				   durable->end.offset);
		return 0;
	}
	r = has_point(os, log_dir, point);
	if (r < 0)
		return hf_error_set(err, r, "cannot read segment %" PRIu32 " in %s: %s", point->end.segment,
				    log_dir, strerror(-r));
	if (r == 0)
		(void)hf_error_set(err, -EEXIST,
				   "the replica has another history than this store: its commit %" PRIu64
				   " at segment %" PRIu32 ", offset %" PRIu32
				   " is not ours. Look at both before anything else",
				   point->commit, point->end.segment, point->end.offset);
	return r;
}

int trail_bytes(const struct os *os, const char *log_dir, struct log_pos from,
		const struct log_point *durable, uint64_t *ret)
{
	uint64_t total = durable->end.offset;

	if (log_pos_compare(from, durable->end) >= 0) {
		*ret = 0;
		return 0;
	}
	for (uint32_t n = from.segment ? from.segment : 1; n < durable->end.segment; n++) {
		uint64_t size = 0;
		int r, fd = open_segment(os, log_dir, n);

		if (fd < 0)
			return fd;
		r = os->size(os->state, fd, &size);
		(void)os->close(os->state, fd);
		if (r < 0)
			return r;
		total += size;
	}
	*ret = total > from.offset ? total - from.offset : 0;
	return 0;
}

/* --- walking over frames */

struct step {
	struct frame_header header;
	struct commit commit; /* if it is one */
	uint64_t next;        /* the frame behind it */
};

static int read_commit(const struct os *os, int fd, uint64_t offset, struct commit *ret)
{
	uint8_t body[COMMIT_BODY_BYTES];
	int r = os_pread_full(os, fd, body, sizeof(body), offset + FRAME_HEADER_BYTES);

	return r < 0 ? r : commit_decode(body, ret, NULL);
}

/* 1: a whole frame begins at `offset`. 0: none does before `end`, where another epoch may have taken over. */
static int step_at(const struct os *os, int fd, uint64_t offset, uint64_t end, struct step *ret)
{
	uint8_t raw[FRAME_HEADER_BYTES];
	int r;

	if (offset + FRAME_HEADER_BYTES > end)
		return 0;
	r = os_pread_full(os, fd, raw, sizeof(raw), offset);
	if (r < 0)
		return r;
	if (frame_header_decode(raw, &ret->header, NULL) < 0)
		return 0;
	ret->next = offset + FRAME_HEADER_BYTES + (uint64_t)ret->header.body_len;
	if (ret->next > end)
		return 0;
	r = ret->header.type == FRAME_COMMIT ? read_commit(os, fd, offset, &ret->commit) : 0;
	return r == 0 ? 1 : r == -EUCLEAN || r == -EPROTONOSUPPORT ? 0 : r;
}

/* The first commit from `offset` on. -ENODATA: none before `end`. */
static int first_commit(const struct os *os, int fd, uint64_t offset, uint64_t end, uint64_t *ret_ns)
{
	struct step s;
	int r;

	for (; (r = step_at(os, fd, offset, end, &s)) == 1; offset = s.next) {
		if (s.header.type == FRAME_COMMIT) {
			*ret_ns = s.commit.time_ns;
			return 0;
		}
	}
	return r < 0 ? r : -ENODATA;
}

struct last {
	uint64_t commit, frame; /* offsets of the last commit, of the last data or metadata frame before one;
				   0: none */
};

/* A torn write may lie behind what counts: nothing behind commit number `newest` is looked at. */
static int walk_segment(const struct os *os, int fd, uint64_t end, uint64_t newest, struct last *ret)
{
	uint64_t offset = SEGMENT_HEADER_BYTES, frame = 0;
	struct step s;
	int r;

	*ret = (struct last){ 0, 0 };
	for (; (r = step_at(os, fd, offset, end, &s)) == 1; offset = s.next) {
		if (s.header.type == FRAME_DATA || s.header.type == FRAME_META) /* what can be opened */
			frame = offset;
		if (s.header.type != FRAME_COMMIT)
			continue;
		if (s.commit.number > newest)
			break;
		*ret = (struct last){ offset, frame };
	}
	return r < 0 ? r : 0;
}

static int last_of_segment(const struct os *os, const char *log_dir, uint32_t segment,
			   const struct log_point *durable, struct last *ret)
{
	uint64_t end = durable->end.offset;
	int r = 0, fd = open_segment(os, log_dir, segment);

	if (fd < 0)
		return fd;
	if (segment < durable->end.segment)
		r = os->size(os->state, fd, &end);
	if (r == 0)
		r = walk_segment(os, fd, end, durable->commit, ret);
	(void)os->close(os->state, fd);
	return r;
}

/* From the end back, segment by segment, to the first in which there is what is looked for. */
static int find_last(const struct os *os, const char *log_dir, const struct log_point *durable, bool frame,
		     struct log_pos *ret, struct hf_error *err)
{
	for (uint32_t n = durable->end.segment; n > 0; n--) {
		struct last last = { 0, 0 };
		int r = last_of_segment(os, log_dir, n, durable, &last);

		if (r == -ENOENT)
			break;
		if (r < 0)
			return hf_error_set(err, r, "cannot read segment %" PRIu32 " in %s: %s", n, log_dir,
					    strerror(-r));
		*ret = (struct log_pos){ n, (uint32_t)(frame ? last.frame : last.commit) };
		if (ret->offset)
			return 0;
	}
	return hf_error_set(err, -ENODATA, "nothing has been committed yet in %s", log_dir);
}

int trail_last_commit(const struct os *os, const char *log_dir, const struct log_point *durable,
		      struct log_pos *ret_pos, struct commit *ret, struct hf_error *err)
{
	uint8_t body[COMMIT_BODY_BYTES];
	struct log_pos at = { durable->end.segment, 0 };
	struct commit c;
	int r = 0;

	if (durable->end.offset > SEGMENT_HEADER_BYTES)
		at.offset = durable->end.offset - COMMIT_FRAME_BYTES;
	else
		r = find_last(os, log_dir, durable, false, &at, err);
	if (r < 0)
		return r;
	r = read_at(os, log_dir, (struct log_pos){ at.segment, at.offset + FRAME_HEADER_BYTES }, body,
		    sizeof(body));
	if (r == 0)
		r = commit_decode(body, &c, NULL);
	if (r < 0 || c.number != durable->commit || memcmp(c.chain, durable->chain, HASH_BYTES) != 0)
		return hf_error_set(err, r < 0 ? r : -EUCLEAN,
				    "segment %" PRIu32 ", offset %" PRIu32 " in %s is not commit %" PRIu64
				    " any more: run holdfast check",
				    at.segment, at.offset, log_dir, durable->commit);
	*ret_pos = at;
	*ret = c;
	return 0;
}

int trail_last_frame(const struct os *os, const char *log_dir, const struct log_point *durable,
		     struct log_pos *ret_pos, struct hf_error *err)
{
	return find_last(os, log_dir, durable, true, ret_pos, err);
}

int trail_next_time(const struct os *os, const char *log_dir, struct log_pos from,
		    const struct log_point *durable, uint64_t *ret_ns)
{
	uint64_t offset = from.offset;
	int r = -ENODATA;

	for (uint32_t n = from.segment ? from.segment : 1; r == -ENODATA && n <= durable->end.segment;
	     n++, offset = 0) {
		uint64_t end = durable->end.offset;
		int fd = open_segment(os, log_dir, n);

		if (fd < 0)
			return fd;
		r = n < durable->end.segment ? os->size(os->state, fd, &end) : 0;
		if (r == 0)
			r = first_commit(os, fd, offset ? offset : SEGMENT_HEADER_BYTES, end, ret_ns);
		(void)os->close(os->state, fd);
	}
	return r;
}
