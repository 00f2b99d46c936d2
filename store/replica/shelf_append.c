/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "store/replica/shelf_internal.h"
#include "store/replica/shelf_scan.h"

/* The bytes of a file against these, in steps: 1 equal, 0 not. */
static int same_bytes(struct shelf *s, struct log_pos at, const uint8_t *data, size_t len,
		      struct hf_error *err)
{
	enum { STEP_BYTES = 64 << 10 };
	CLEANUP(cleanup_free) uint8_t *there = malloc(STEP_BYTES);

	if (!there)
		return hf_error_set(err, -ENOMEM, "no memory");
	while (len > 0) {
		size_t n = len < STEP_BYTES ? len : STEP_BYTES;
		ssize_t got = shelf_read(s, at, there, n, err);

		if (got < 0)
			return (int)got;
		if ((size_t)got != n || memcmp(there, data, n) != 0)
			return 0;
		at.offset += (uint32_t)n;
		data += n;
		len -= n;
	}
	return 1;
}

/* The bytes begin before the end: repeated, or in conflict? Requires append_lock. */
static int append_filled(struct shelf *s, struct log_pos at, const uint8_t *data, size_t len,
			 struct hf_error *err)
{
	const struct log_point *end = &s->v.point;
	uint64_t size;
	size_t over = 0;
	int r;

	r = shelf_segment_bytes(s, at.segment, &size, err);
	if (r < 0)
		return r;
	if (at.offset > size)
		over = len;
	else if (len > size - at.offset)
		over = len - (size_t)(size - at.offset);
	r = over < len ? same_bytes(s, at, data, len - over, err) : 1;
	if (r < 0)
		return r;
	/* What goes on past the end of a segment that is not the last would have had to be in it. */
	if (r == 0 || (over > 0 && at.segment < end->end.segment))
		return hf_error_set(err, -EEXIST,
				    "segment %" PRIu32 ", offset %" PRIu32 ": other bytes are there already; "
				    "this log ends at segment %" PRIu32 ", offset %" PRIu32,
				    at.segment, at.offset, end->end.segment, end->end.offset);
	if (over > 0)
		return hf_error_set(err, -ERANGE,
				    "the log ends at segment %" PRIu32 ", offset %" PRIu32 ": begin there",
				    end->end.segment, end->end.offset);
	return 1;
}

/* Verify all of it, as it would stand at the end; *ret_groups are those in it. */
static int verify(struct verifier *v, struct log_pos at, const uint8_t *data, size_t len, size_t *ret_groups,
		  struct hf_error *err)
{
	size_t done = 0, groups = 0, used;
	int r;

	if (at.offset == 0) {
		if (len < SEGMENT_HEADER_BYTES)
			return hf_error_set(err, -EUCLEAN,
					    "segment %" PRIu32 " begins with less than a header", at.segment);
		r = verifier_segment(v, data, err);
		if (r < 0)
			return r;
		done = SEGMENT_HEADER_BYTES;
	}
	for (; done < len; done += used, groups++) {
		r = verifier_group(v, data + done, len - done, &used, NULL, err);
		if (r < 0)
			return r;
		if (r == 0)
			return hf_error_set(err, -EUCLEAN, "the bytes end in the middle of a group");
	}
	*ret_groups = groups;
	return 0;
}

/* Invariant 5. A note that could not be written is an append that was not begun. */
static int write_note(struct shelf *s, const struct shelf_note *note, bool durable)
{
	uint8_t raw[SHELF_NOTE_BYTES];
	int r;

	shelf_note_encode(note, raw);
	r = os_pwrite_full(s->os, s->note_fd, raw, sizeof(raw), 0);
	return r == 0 && durable ? s->os->fdatasync(s->os->state, s->note_fd) : r;
}

/* Put a half-written append away, so that the file is again what the position says. */
static void take_back(struct shelf *s, struct log_pos at, const char *new_path)
{
	const struct os *os = s->os;
	int r;

	if (new_path) {
		(void)os->close(os->state, s->fd);
		s->fd = -1;
		r = os->unlink(os->state, new_path);
	} else {
		r = os->truncate(os->state, s->fd, at.offset);
	}
	if (r < 0)
		s->failed = r;
}

/* Whole pages: the next append goes on in the last one, and would have it read again. */
static void forget(struct shelf *s, uint64_t from, uint64_t to)
{
	enum { PAGE_BYTES = 4096 };

	from -= from % PAGE_BYTES;
	to -= to % PAGE_BYTES;
	if (s->os->forget && to > from)
		s->os->forget(s->os->state, s->fd, from, to - from);
}

static int write_durably(struct shelf *s, struct log_pos at, const uint8_t *data, size_t len,
			 const char *new_path, struct hf_error *err)
{
	const struct os *os = s->os;
	int r = os_pwrite_full(os, s->fd, data, len, at.offset);

	if (r < 0) {
		take_back(s, at, new_path);
		return hf_error_set(err, r, "cannot write segment %" PRIu32 " in %s: %s", at.segment,
				    s->log_dir, strerror(-r));
	}
	r = new_path ? os->fsync(os->state, s->fd) : os->fdatasync(os->state, s->fd);
	if (r == 0 && new_path)
		r = os->sync_dir(os->state, s->log_dir);
	if (r == -ENOSPC || r == -EDQUOT) { /* late allocation: the bytes are not there, and that is known */
		take_back(s, at, new_path);
		return hf_error_set(err, r, "no room for segment %" PRIu32 " in %s", at.segment, s->log_dir);
	}
	if (r < 0) {
		s->failed = r;
		return hf_error_set(err, -EIO, "cannot sync segment %" PRIu32 " in %s: %s", at.segment,
				    s->log_dir, strerror(-r));
	}
	if (s->forgets)
		forget(s, at.offset, at.offset + len);
	return 0;
}

/* Open the file of the segment that `at` begins. The one before stays open until the new one is durable. */
static int write_new_segment(struct shelf *s, struct log_pos at, const uint8_t *data, size_t len,
			     struct hf_error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	int fd, r, before = s->fd;

	if (!shelf_segment_path(s, at.segment, &path))
		return hf_error_set(err, -ENOMEM, "no memory");
	fd = s->os->open(s->os->state, (const char *)path.data, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return shelf_say_io(err, fd, "make", (const char *)path.data);
	s->fd = fd;
	r = write_durably(s, at, data, len, (const char *)path.data, err);
	if (r < 0) {
		if (s->fd >= 0)
			(void)s->os->close(s->os->state, s->fd);
		s->fd = before;
		return r;
	}
	if (before >= 0)
		(void)s->os->close(s->os->state, before);
	return 0;
}

/* Bytes that begin exactly at the end. Requires append_lock. */
static int append_end(struct shelf *s, struct log_pos at, const uint8_t *data, size_t len,
		      struct hf_error *err)
{
	const struct shelf_note nothing = { 0, 0, 0 };
	struct shelf_note note = { at.segment, at.offset, at.offset + (uint32_t)len };
	struct verifier v = s->v;
	size_t groups = 0;
	bool noted;
	int r;

	r = verify(&v, at, data, len, &groups, err);
	if (r < 0)
		return r;
	noted = at.offset == 0 || groups > 1 || shelf_may_mislead(data, len);
	r = noted ? write_note(s, &note, true) : 0;
	if (r < 0)
		return shelf_say_io(err, r, "write the note in", s->dir);
	r = at.offset == 0 ? write_new_segment(s, at, data, len, err) :
			     write_durably(s, at, data, len, NULL, err);
	if (noted && !s->failed)
		(void)write_note(s, &nothing,
				 false); /* a note that stays is only less strict with these bytes */
	if (r < 0)
		return r;
	(void)pthread_mutex_lock(&s->state_lock);
	s->v = v;
	(void)pthread_mutex_unlock(&s->state_lock);
	return 0;
}

static int append_locked(struct shelf *s, struct log_pos at, const uint8_t *data, size_t len,
			 struct hf_error *err)
{
	struct log_pos end = s->v.point.end;

	if (s->failed)
		return hf_error_set(err, -EIO,
				    "%s takes no more since its disk failed (%s): check the disk, start anew",
				    s->dir, strerror(-s->failed));
	if (len == 0 || at.segment == 0 || len > SEGMENT_BYTES_MAX || at.offset > SEGMENT_BYTES_MAX - len)
		return hf_error_set(err, -EUCLEAN, "no segment can have %zu bytes at offset %" PRIu32, len,
				    at.offset);
	if (at.segment == end.segment ? at.offset < end.offset : at.segment < end.segment)
		return append_filled(s, at, data, len, err);
	if (at.segment == end.segment ? at.offset == end.offset :
					at.segment == end.segment + 1 && at.offset == 0)
		return append_end(s, at, data, len, err);
	return hf_error_set(err, -ERANGE,
			    "the log ends at segment %" PRIu32 ", offset %" PRIu32 ": begin there",
			    end.segment, end.offset);
}

int shelf_append(struct shelf *s, struct log_pos at, const void *data, size_t len,
		 struct log_point *ret_point, struct hf_error *err)
{
	int r;

	assert(!s->read_only);
	(void)pthread_mutex_lock(&s->append_lock);
	r = append_locked(s, at, data, len, err);
	if (r >= 0)
		*ret_point = s->v.point;
	(void)pthread_mutex_unlock(&s->append_lock);
	return r;
}
