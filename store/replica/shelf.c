/* SPDX-License-Identifier: MIT */
#include "store/replica/shelf_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "store/replica/shelf_scan.h"

int shelf_say_io(struct hf_error *err, int r, const char *what, const char *path)
{
	return hf_error_set(err, r, "cannot %s %s: %s", what, path, strerror(-r));
}

const char *shelf_segment_path(const struct shelf *s, uint32_t segment, struct buf *out)
{
	char name[16];

	segment_file_name(segment, name);
	return os_join(out, s->log_dir, name);
}

static int make_dir(const struct os *os, const char *path, struct hf_error *err)
{
	int r = os->mkdir(os->state, path, 0700);

	return r < 0 && r != -EEXIST ? shelf_say_io(err, r, "make the folder", path) : 0;
}

static int sync_parent(const struct os *os, const char *path, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf parent = BUF_INIT;
	const char *slash = strrchr(path, '/');
	int r;

	if (slash && slash > path)
		buf_add(&parent, path, (size_t)(slash - path));
	else
		buf_add_text(&parent, slash ? "/" : ".");
	(void)buf_cstr(&parent);
	if (buf_status(&parent) < 0)
		return hf_error_set(err, -ENOMEM, "no memory");
	r = os->sync_dir(os->state, (const char *)parent.data);
	return r < 0 ? shelf_say_io(err, r, "sync the folder", (const char *)parent.data) : 0;
}

int shelf_make(const struct os *os, const char *dir, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf log_dir = BUF_INIT;
	int r;

	if (!os_join(&log_dir, dir, "log"))
		return hf_error_set(err, -ENOMEM, "no memory");
	r = make_dir(os, dir, err);
	if (r == 0)
		r = make_dir(os, (const char *)log_dir.data, err);
	if (r == 0)
		r = sync_parent(os, dir, err);
	if (r == 0)
		r = sync_parent(os, (const char *)log_dir.data, err);
	return r;
}

/* --- opening */

static int open_note(struct shelf *s, struct shelf_note *ret, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, data = BUF_INIT;
	int r;

	*ret = (struct shelf_note){ 0, 0, 0 };
	if (!os_join(&path, s->dir, "append"))
		return hf_error_set(err, -ENOMEM, "no memory");
	r = os_read_file(s->os, (const char *)path.data, SHELF_NOTE_BYTES, &data);
	if (r == 0)
		(void)shelf_note_decode(data.data, data.len, ret);
	else if (r != -ENOENT && r != -EFBIG)
		return shelf_say_io(err, r, "read", (const char *)path.data);
	if (s->read_only)
		return 0;
	s->note_fd = s->os->open(s->os->state, (const char *)path.data, O_RDWR | O_CREAT, 0600);
	if (s->note_fd < 0)
		return shelf_say_io(err, s->note_fd, "open", (const char *)path.data);
	return sync_parent(s->os, (const char *)path.data, err);
}

/* Take away a segment that a crash left of an append that was never acknowledged. */
static int remove_torn(struct shelf *s, const char *path, struct hf_error *err)
{
	const struct os *os = s->os;
	int r;

	(void)os->close(os->state, s->fd);
	s->fd = -1;
	r = os->unlink(os->state, path);
	if (r == 0)
		r = os->sync_dir(os->state, s->log_dir);
	return r < 0 ? shelf_say_io(err, r, "take away what is torn,", path) : 0;
}

/*
 * Cut off what a crash left of an append that was never acknowledged; and write the last append's bytes once
 * more: when an earlier sync of either failed, the system may show it still and count it as done, and then
 * lose it.
 */
static int settle(struct shelf *s, uint32_t from, const char *path, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT;
	const struct os *os = s->os;
	size_t len = s->v.point.end.offset - from;
	int r = buf_reserve(&bytes, len);

	if (r == 0)
		r = os_pread_full(os, s->fd, bytes.data, len, from);
	if (r == 0)
		r = os_pwrite_full(os, s->fd, bytes.data, len, from);
	if (r == 0)
		r = os_set_length(os, s->fd, s->v.point.end.offset);
	if (r == 0)
		r = os->fsync(os->state, s->fd);
	if (r == 0)
		r = os->sync_dir(os->state, s->log_dir);
	return r < 0 ? shelf_say_io(err, r, "write again the end of", path) : 0;
}

static int open_segment(struct shelf *s, uint32_t segment, const struct shelf_note *note,
			struct shelf_scan *scan, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	int r;

	if (!shelf_segment_path(s, segment, &path))
		return hf_error_set(err, -ENOMEM, "no memory");
	s->fd = s->os->open(s->os->state, (const char *)path.data, s->read_only ? O_RDONLY : O_RDWR, 0);
	if (s->fd < 0)
		return shelf_say_io(err, s->fd, "open", (const char *)path.data);
	r = shelf_scan_segment(s->os, s->fd, segment, note, &s->v, scan, err);
	if (r < 0)
		return hf_error_prefix(err, r, "%s", s->log_dir);
	if (s->read_only)
		return 0;
	return scan->header_torn ? remove_torn(s, (const char *)path.data, err) :
				   settle(s, scan->doubtful, (const char *)path.data, err);
}

/* The files behind `last`, up to `there`. */
static int remove_spares(struct shelf *s, uint32_t last, uint32_t there, struct hf_error *err)
{
	for (; there > last; there--) {
		CLEANUP(buf_release) struct buf path = BUF_INIT;
		int r = shelf_segment_path(s, there, &path) ?
				s->os->unlink(s->os->state, (const char *)path.data) :
				-ENOMEM;

		if (r < 0)
			return shelf_say_io(err, r, "remove a segment that was never begun from", s->log_dir);
	}
	return 0;
}

static int open_last(struct shelf *s, uint64_t *ret_cut, struct hf_error *err)
{
	struct shelf_scan scan = { false, 0, 0 };
	struct shelf_note note;
	uint32_t last, there;
	int r;

	r = open_note(s, &note, err);
	if (r == 0)
		r = shelf_find_segments(s->os, s->log_dir, &last, err);
	if (r < 0 || last == 0)
		return r;
	there = last;
	r = shelf_leave_off_spares(s->os, s->dir, s->log_dir, &last, err);
	if (r == 0 && !s->read_only)
		r = remove_spares(s, last, there, err);
	if (r < 0)
		return r;
	r = open_segment(s, last, &note, &scan, err);
	if (r < 0)
		return r;
	*ret_cut = scan.tail;
	if (!scan.header_torn || last == 1)
		return 0;
	if (s->fd >= 0)
		(void)s->os->close(s->os->state, s->fd);
	s->fd = -1;
	return open_segment(s, last - 1, &note, &scan, err);
}

int shelf_open(const struct os *os, const char *dir, const uint8_t volume_id[VOLUME_ID_BYTES], bool read_only,
	       struct shelf **ret, uint64_t *ret_cut, struct hf_error *err)
{
	struct shelf *s = calloc(1, sizeof(*s));
	uint64_t cut = 0;
	int r;

	if (!s)
		return hf_error_set(err, -ENOMEM, "no memory");
	s->os = os;
	s->fd = s->note_fd = -1;
	s->read_only = read_only;
	verifier_begin(&s->v, volume_id);
	verifier_grant(&s->v, &s->grants);
	(void)pthread_mutex_init(&s->append_lock, NULL);
	(void)pthread_mutex_init(&s->state_lock, NULL);
	s->dir = strdup(dir);
	if (!s->dir || asprintf(&s->log_dir, "%s/log", dir) < 0) {
		s->log_dir = NULL;
		r = hf_error_set(err, -ENOMEM, "no memory");
	} else {
		r = grants_load(os, dir, volume_id, &s->grants, err);
		if (r == 0)
			r = open_last(s, &cut, err);
	}
	if (r < 0) {
		shelf_close(s);
		return r;
	}
	if (ret_cut)
		*ret_cut = cut;
	*ret = s;
	return 0;
}

void shelf_forget(struct shelf *s)
{
	s->forgets = true;
}

void shelf_close(struct shelf *s)
{
	if (!s)
		return;
	if (s->fd >= 0)
		(void)s->os->close(s->os->state, s->fd);
	if (s->note_fd >= 0)
		(void)s->os->close(s->os->state, s->note_fd);
	(void)pthread_mutex_destroy(&s->append_lock);
	(void)pthread_mutex_destroy(&s->state_lock);
	grants_release(&s->grants);
	free(s->dir);
	free(s->log_dir);
	free(s);
}

void shelf_position(struct shelf *s, struct log_point *ret)
{
	(void)pthread_mutex_lock(&s->state_lock);
	*ret = s->v.point;
	(void)pthread_mutex_unlock(&s->state_lock);
}

int shelf_cert(struct shelf *s, struct epoch_cert *ret)
{
	int r = -ENODATA;

	(void)pthread_mutex_lock(&s->state_lock);
	if (s->v.point.end.segment > 0) {
		*ret = s->v.header.cert;
		r = 0;
	}
	(void)pthread_mutex_unlock(&s->state_lock);
	return r;
}

/* --- reading */

int shelf_open_segment(struct shelf *s, uint32_t segment, uint64_t *ret_bytes, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	struct log_point point;
	int fd, r = 0;

	shelf_position(s, &point);
	if (segment == 0 || segment > point.end.segment)
		return hf_error_set(err, -ENOENT, "there is no segment %" PRIu32 ": the last is %" PRIu32,
				    segment, point.end.segment);
	if (!shelf_segment_path(s, segment, &path))
		return hf_error_set(err, -ENOMEM, "no memory");
	fd = s->os->open(s->os->state, (const char *)path.data, O_RDONLY, 0);
	if (fd < 0)
		return shelf_say_io(err, fd == -ENOENT ? -EUCLEAN : fd, "open", (const char *)path.data);
	if (segment == point.end.segment)
		*ret_bytes = point.end.offset;
	else
		r = s->os->size(s->os->state, fd, ret_bytes);
	if (r < 0) {
		(void)s->os->close(s->os->state, fd);
		return shelf_say_io(err, r, "ask the size of", (const char *)path.data);
	}
	return fd;
}

int shelf_segment_bytes(struct shelf *s, uint32_t segment, uint64_t *ret, struct hf_error *err)
{
	int fd = shelf_open_segment(s, segment, ret, err);

	if (fd < 0)
		return fd;
	(void)s->os->close(s->os->state, fd);
	return 0;
}

ssize_t shelf_read(struct shelf *s, struct log_pos at, void *out, size_t len, struct hf_error *err)
{
	uint64_t size;
	int r, fd = shelf_open_segment(s, at.segment, &size, err);

	if (fd < 0)
		return fd;
	if (at.offset >= size)
		len = 0;
	else if (len > size - at.offset)
		len = (size_t)(size - at.offset);
	r = len > 0 ? os_pread_full(s->os, fd, out, len, at.offset) : 0;
	(void)s->os->close(s->os->state, fd);
	if (r < 0)
		return hf_error_set(err, r, "cannot read segment %" PRIu32 " of %s: %s", at.segment,
				    s->log_dir, strerror(-r));
	return (ssize_t)len;
}

int shelf_load_grants(struct shelf *s, struct hf_error *err)
{
	struct grants now;
	int r = grants_load(s->os, s->dir, s->v.volume_id, &now, err);

	if (r < 0)
		return r;
	(void)pthread_mutex_lock(&s->append_lock);
	grants_release(&s->grants);
	s->grants = now;
	(void)pthread_mutex_unlock(&s->append_lock);
	return 0;
}
