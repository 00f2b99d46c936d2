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

/* 1 when a commit of this number and chain value ends here, 0 when not. */
static int has_commit(const struct os *os, const char *log_dir, const struct log_point *p)
{
	uint8_t raw[COMMIT_FRAME_BYTES];
	struct frame_header h;
	struct commit c;
	int r;

	if (p->end.offset < SEGMENT_HEADER_BYTES + COMMIT_FRAME_BYTES)
		return 0;
	r = read_at(os, log_dir, (struct log_pos){ p->end.segment, p->end.offset - COMMIT_FRAME_BYTES }, raw,
		    sizeof(raw));
	if (r < 0)
		return r == -ENODATA ? 0 : r;
	if (frame_header_decode(raw, &h, NULL) < 0 || h.type != FRAME_COMMIT ||
	    commit_decode(raw + FRAME_HEADER_BYTES, &c, NULL) < 0)
		return 0;
	return c.number == p->commit && c.tid == p->tid && c.epoch == p->epoch &&
	       memcmp(c.chain, p->chain, HASH_BYTES) == 0;
}

static int has_header(const struct os *os, const char *log_dir, const struct log_point *p)
{
	uint8_t raw[SEGMENT_HEADER_BYTES];
	struct segment_header h;
	int r = read_at(os, log_dir, (struct log_pos){ p->end.segment, 0 }, raw, sizeof(raw));

	if (r < 0)
		return r == -ENODATA ? 0 : r;
	return segment_header_decode(raw, sizeof(raw), &h, NULL) == 0 && h.prev_commit == p->commit &&
	       h.epoch == p->epoch && memcmp(h.prev_chain, p->chain, HASH_BYTES) == 0;
}

int trail_has(const struct os *os, const char *log_dir, const struct log_point *point,
	      const struct log_point *durable, struct hf_error *err)
{
	int r;

	if (point->end.segment == 0)
		return 1;
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
	r = point->end.offset == SEGMENT_HEADER_BYTES ? has_header(os, log_dir, point) :
							has_commit(os, log_dir, point);
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

/* Step over frames to the first commit from `offset` on. -ENODATA: none before `end`. */
static int first_commit(const struct os *os, int fd, uint64_t offset, uint64_t end, uint64_t *ret_ns)
{
	while (offset + COMMIT_FRAME_BYTES <= end) {
		uint8_t raw[FRAME_HEADER_BYTES + 24];
		struct frame_header h;
		int r = os_pread_full(os, fd, raw, sizeof(raw), offset);

		if (r < 0)
			return r;
		if (frame_header_decode(raw, &h, NULL) < 0)
			return -ENODATA; /* the end of a segment that another epoch took over */
		if (h.type == FRAME_COMMIT) {
			*ret_ns = get_u64(raw + FRAME_HEADER_BYTES + 16);
			return 0;
		}
		offset += FRAME_HEADER_BYTES + (uint64_t)h.body_len;
	}
	return -ENODATA;
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
