/* SPDX-License-Identifier: MIT */
#include "store/replica/shelf_scan.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

enum { SCAN_WINDOW_BYTES = 4 << 20 };

static const char note_magic[8] = { 'H', 'F', 'A', 'P', 'P', 'N', 'D', '1' };

void shelf_note_encode(const struct shelf_note *n, uint8_t out[SHELF_NOTE_BYTES])
{
	memset(out, 0, SHELF_NOTE_BYTES);
	memcpy(out, note_magic, sizeof(note_magic));
	put_u32(out + 8, n->segment);
	put_u32(out + 12, n->start);
	put_u32(out + 16, n->end);
	hash_one("holdfast append", out, 24, out + 24, SHORT_HASH_BYTES);
}

bool shelf_note_decode(const void *data, size_t len, struct shelf_note *ret)
{
	const uint8_t *raw = data;
	uint8_t sum[SHORT_HASH_BYTES];

	if (len != SHELF_NOTE_BYTES || memcmp(raw, note_magic, sizeof(note_magic)) != 0)
		return false;
	hash_one("holdfast append", raw, 24, sum, sizeof(sum));
	if (memcmp(sum, raw + 24, sizeof(sum)) != 0)
		return false;
	*ret = (struct shelf_note){ get_u32(raw + 8), get_u32(raw + 12), get_u32(raw + 16) };
	return true;
}

/* --- which segments there are */

struct listing {
	uint64_t count;
	uint32_t last;
};

static void count_segment(void *arg, const char *name)
{
	struct listing *l = arg;
	uint32_t segment;

	if (!segment_file_number(name, &segment))
		return;
	l->count++;
	if (segment > l->last)
		l->last = segment;
}

int shelf_find_segments(const struct os *os, const char *log_dir, uint32_t *ret_last, struct hf_error *err)
{
	struct listing l = { 0, 0 };
	int r = os->list(os->state, log_dir, count_segment, &l);

	if (r < 0)
		return hf_error_set(err, r, "cannot read the folder %s: %s", log_dir, strerror(-r));
	if (l.count != l.last)
		return hf_error_set(err, -EUCLEAN,
				    "%s: %" PRIu64 " segments are there, but the last is number %" PRIu32
				    ": put back those that are missing",
				    log_dir, l.count, l.last);
	*ret_last = l.last;
	return 0;
}

/* 1, 0, or negative. */
static int has_zeros_alone(const struct os *os, const char *path)
{
	CLEANUP(buf_release) struct buf part = BUF_INIT;
	uint64_t size = 0, at = 0;
	bool zeros = true;
	int fd = os->open(os->state, path, O_RDONLY, 0), r;

	if (fd < 0)
		return fd;
	r = os->size(os->state, fd, &size);
	if (r == 0)
		r = buf_reserve(&part, SCAN_WINDOW_BYTES);
	while (r == 0 && zeros && at < size) {
		size_t n = size - at < SCAN_WINDOW_BYTES ? (size_t)(size - at) : SCAN_WINDOW_BYTES;

		r = os_pread_full(os, fd, part.data, n, at);
		zeros = r == 0 && buf_is_zeros(part.data, n);
		at += n;
	}
	(void)os->close(os->state, fd);
	return r < 0 ? r : zeros;
}

static bool has_file(const struct os *os, const char *dir, const char *name)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	int fd = os_join(&path, dir, name) ? os->open(os->state, (const char *)path.data, O_RDONLY, 0) : -1;

	if (fd >= 0)
		(void)os->close(os->state, fd);
	return fd >= 0;
}

int shelf_leave_off_spares(const struct os *os, const char *dir, const char *log_dir, uint32_t *last,
			   struct hf_error *err)
{
	int r = has_file(os, dir, "volume") || has_file(os, dir, "recovery");

	while (r == 1 && *last > 1) {
		CLEANUP(buf_release) struct buf path = BUF_INIT;
		char name[16];

		segment_file_name(*last, name);
		r = os_join(&path, log_dir, name) ? has_zeros_alone(os, (const char *)path.data) : -ENOMEM;
		if (r < 0)
			return hf_error_set(err, r, "cannot read segment %" PRIu32 " in %s: %s", *last,
					    log_dir, strerror(-r));
		*last -= r == 1;
	}
	return 0;
}

/* --- one segment's groups */

struct window {
	const struct os *os;
	int fd;
	uint64_t size;   /* of the file */
	uint64_t offset; /* in the file, of bytes.data */
	struct buf bytes;
};

/* Bytes from `offset` on, more of them than the window holds now; *ret_more false: it holds all there are. */
static int window_grow(struct window *w, uint64_t offset, bool *ret_more)
{
	size_t gone = (size_t)(offset - w->offset), n = SCAN_WINDOW_BYTES;
	uint64_t end;
	int r;

	if (gone > 0) {
		memmove(w->bytes.data, w->bytes.data + gone, w->bytes.len - gone);
		w->bytes.len -= gone;
		w->offset = offset;
	}
	end = w->offset + w->bytes.len;
	*ret_more = end < w->size;
	if (n > w->size - end)
		n = (size_t)(w->size - end);
	if (n == 0)
		return 0;
	r = buf_reserve(&w->bytes, n);
	if (r == 0)
		r = os_pread_full(w->os, w->fd, w->bytes.data + w->bytes.len, n, end);
	if (r == 0)
		w->bytes.len += n;
	return r;
}

/* Verify groups until the file ends or one does not verify: then `fault` has the words and *ret_bad its code.
 * *ret_last: where the last began. */
static int scan_groups(struct window *w, struct verifier *v, uint32_t *ret_last, int *ret_bad,
		       struct hf_error *fault)
{
	for (;;) {
		uint32_t start = v->point.end.offset;
		size_t gone = (size_t)(v->point.end.offset - w->offset), used;
		bool more;
		int r = verifier_group(v, w->bytes.data + gone, w->bytes.len - gone, &used, NULL, fault);

		if (r == 1) {
			*ret_last = start;
			continue;
		}
		if (r < 0) {
			*ret_bad = r;
			return 0;
		}
		r = window_grow(w, v->point.end.offset, &more);
		if (r < 0 || !more)
			return r;
	}
}

/* --- torn or damaged? */

/*
 * What proves damage: with a note that covers the place, any commit behind the bytes it speaks of, for those
 * were durable before it was written; else any but the next commit, which may have reached the disk before
 * the rest of its own group.
 */
struct search {
	const struct verifier *v;
	uint64_t from;
	uint64_t number;
	bool found;
	uint64_t at;
};

static const char commit_start[5] = { 'H', 'F', 'r', '1', FRAME_COMMIT };

bool shelf_may_mislead(const void *data, size_t len)
{
	return len > COMMIT_FRAME_BYTES &&
	       memmem(data, len - COMMIT_FRAME_BYTES, commit_start, sizeof(commit_start)) != NULL;
}

static bool proves_damage(const struct search *s, const uint8_t *frame, uint64_t offset)
{
	const uint8_t *body = frame + FRAME_HEADER_BYTES;
	struct frame_header h;

	return memcmp(frame, commit_start, sizeof(commit_start)) == 0 && offset >= s->from &&
	       frame_header_decode(frame, &h, NULL) == 0 && h.body_len == COMMIT_BODY_BYTES &&
	       get_u64(body) >= s->number &&
	       commit_check_signature(s->v->header.cert.writer_public, s->v->volume_id, s->v->header.segment,
				      (uint32_t)offset, body) == 0;
}

static void search_window(const struct window *w, struct search *s)
{
	for (size_t i = 0; !s->found && i + COMMIT_FRAME_BYTES <= w->bytes.len; i++) {
		s->found = proves_damage(s, w->bytes.data + i, w->offset + i);
		s->at = w->offset + i;
	}
}

/* Is there one in the file? */
static int search_commit(struct window *w, struct search *s)
{
	uint64_t at = w->offset;
	bool more;

	do {
		int r = window_grow(w, at, &more);

		if (r < 0)
			return r;
		search_window(w, s);
		if (w->bytes.len > COMMIT_FRAME_BYTES)
			at = w->offset + w->bytes.len - COMMIT_FRAME_BYTES;
	} while (more && !s->found);
	return 0;
}

static bool note_covers(const struct shelf_note *note, uint32_t segment, uint64_t offset)
{
	return note->segment == segment && note->start <= offset && offset < note->end;
}

static int judge_tail(struct window *w, const struct verifier *v, const struct shelf_note *note, int bad,
		      const struct hf_error *fault, struct hf_error *err)
{
	uint64_t end = v->point.end.offset;
	struct search s = { .v = v, .from = end, .number = v->point.commit + 2 };
	bool more;
	int r;

	if (note_covers(note, v->header.segment, end)) {
		s.from = note->end;
		s.number = 0;
	}
	r = window_grow(w, end, &more);
	if (r == 0)
		r = search_commit(w, &s);
	if (r < 0)
		return hf_error_set(err, r, "cannot read segment %" PRIu32 ": %s", v->header.segment,
				    strerror(-r));
	if (!s.found)
		return 0;
	return hf_error_set(err, bad == -EPROTONOSUPPORT ? bad : -EUCLEAN,
			    "segment %" PRIu32 " is damaged at offset %" PRIu64 " (%s): a valid commit "
			    "follows at %" PRIu64 ", so this was not a torn write",
			    v->header.segment, end, fault->text[0] ? fault->text : "a group is cut short",
			    s.at);
}

/* Start at the header; the chain of all that came before is in it. */
static int begin(struct window *w, uint32_t segment, struct verifier *v, struct hf_error *err)
{
	const uint8_t *raw = w->bytes.data;
	struct segment_header h;
	struct log_point start;
	int r;

	if (w->bytes.len < SEGMENT_HEADER_BYTES)
		return hf_error_set(err, -EUCLEAN, "segment %" PRIu32 " is shorter than its header", segment);
	r = segment_header_decode(raw, SEGMENT_HEADER_BYTES, &h, err);
	if (r < 0)
		return hf_error_prefix(err, r, "segment %" PRIu32, segment);
	if (h.segment != segment)
		return hf_error_set(err, -EUCLEAN, "the file of segment %" PRIu32 " is segment %" PRIu32,
				    segment, h.segment);
	memset(&start, 0, sizeof(start));
	start.end = (struct log_pos){ segment, SEGMENT_HEADER_BYTES };
	start.commit = h.prev_commit;
	start.tid = h.prev_tid;
	start.time_ns = h.prev_time_ns;
	start.epoch = h.epoch;
	memcpy(start.chain, h.prev_chain, HASH_BYTES);
	return verifier_resume(v, raw, &start, err);
}

static int scan(struct window *w, uint32_t segment, const struct shelf_note *note, struct verifier *v,
		struct shelf_scan *ret, struct hf_error *err)
{
	struct hf_error fault = HF_ERROR_INIT;
	bool more;
	int bad = 0, r;

	r = w->os->size(w->os->state, w->fd, &w->size);
	if (r == 0 && w->size > SEGMENT_BYTES_MAX)
		return hf_error_set(err, -EUCLEAN, "segment %" PRIu32 " is larger than a segment can be",
				    segment);
	if (r == 0)
		r = window_grow(w, 0, &more);
	if (r < 0)
		return hf_error_set(err, r, "cannot read segment %" PRIu32 ": %s", segment, strerror(-r));
	r = begin(w, segment, v, err);
	if (r == -EUCLEAN && note_covers(note, segment, 0)) {
		ret->header_torn = true;
		ret->tail = w->size;
		return 0;
	}
	if (r < 0)
		return r;
	r = scan_groups(w, v, &ret->doubtful, &bad, &fault);
	if (r < 0)
		return hf_error_set(err, r, "cannot read segment %" PRIu32 ": %s", segment, strerror(-r));
	ret->tail = w->size - v->point.end.offset;
	if (note->segment == segment && note->start < ret->doubtful)
		ret->doubtful = note->start;
	return ret->tail > 0 ? judge_tail(w, v, note, bad, &fault, err) : 0;
}

int shelf_scan_segment(const struct os *os, int fd, uint32_t segment, const struct shelf_note *note,
		       struct verifier *v, struct shelf_scan *ret, struct hf_error *err)
{
	struct window w = { .os = os, .fd = fd, .bytes = BUF_INIT };
	struct shelf_scan found = { false, 0, 0 };
	int r = scan(&w, segment, note, v, &found, err);

	buf_release(&w.bytes);
	if (r == 0)
		*ret = found;
	return r;
}
