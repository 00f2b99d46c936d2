/* SPDX-License-Identifier: MIT */
#include "store/replica/shelf.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "store/replica/shelf_scan.h"

struct shelf {
	const struct os *os; /* immutable, as are the paths */
	char *dir;
	char *log_dir;
	bool read_only;
	bool forgets; /* set before the first append */

	pthread_mutex_t append_lock; /* taken before state_lock; held over the disk's work */
	int fd;                      /* last segment's file; append_lock */
	int note_fd;                 /* append_lock */
	int failed;                  /* append_lock */
	struct grants grants;        /* what may be missing; append_lock */

	pthread_mutex_t state_lock;
	struct verifier v; /* behind what is durable; written under both locks, read under either */
};

static int say_io(struct hf_error *err, int r, const char *what, const char *path)
{
	return hf_error_set(err, r, "cannot %s %s: %s", what, path, strerror(-r));
}

static const char *segment_path(const struct shelf *s, uint32_t segment, struct buf *out)
{
	char name[16];

	segment_file_name(segment, name);
	return os_join(out, s->log_dir, name);
}

static int make_dir(const struct os *os, const char *path, struct hf_error *err)
{
	int r = os->mkdir(os->state, path, 0700);

	return r < 0 && r != -EEXIST ? say_io(err, r, "make the folder", path) : 0;
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
	return r < 0 ? say_io(err, r, "sync the folder", (const char *)parent.data) : 0;
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
		return say_io(err, r, "read", (const char *)path.data);
	if (s->read_only)
		return 0;
	s->note_fd = s->os->open(s->os->state, (const char *)path.data, O_RDWR | O_CREAT, 0600);
	if (s->note_fd < 0)
		return say_io(err, s->note_fd, "open", (const char *)path.data);
	return sync_parent(s->os, (const char *)path.data, err);
}

/* Take away what a crash left of an append that was never acknowledged. */
static int cut_tail(struct shelf *s, const char *path, const struct shelf_scan *scan, struct hf_error *err)
{
	const struct os *os = s->os;
	int r;

	if (scan->header_torn) {
		(void)os->close(os->state, s->fd);
		s->fd = -1;
		r = os->unlink(os->state, path);
		if (r == 0)
			r = os->sync_dir(os->state, s->log_dir);
	} else {
		r = os->truncate(os->state, s->fd, s->v.point.end.offset);
		if (r == 0)
			r = os->fsync(os->state, s->fd);
	}
	return r < 0 ? say_io(err, r, "cut the torn end off", path) : 0;
}

/*
 * Write the last append's bytes once more and sync: when an earlier sync of them failed, the system may show
 * them still and count them as written, and then lose them.
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
		r = os->fsync(os->state, s->fd);
	if (r == 0)
		r = os->sync_dir(os->state, s->log_dir);
	return r < 0 ? say_io(err, r, "write again the end of", path) : 0;
}

static int open_segment(struct shelf *s, uint32_t segment, const struct shelf_note *note,
			struct shelf_scan *scan, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	int r;

	if (!segment_path(s, segment, &path))
		return hf_error_set(err, -ENOMEM, "no memory");
	s->fd = s->os->open(s->os->state, (const char *)path.data, s->read_only ? O_RDONLY : O_RDWR, 0);
	if (s->fd < 0)
		return say_io(err, s->fd, "open", (const char *)path.data);
	r = shelf_scan_segment(s->os, s->fd, segment, note, &s->v, scan, err);
	if (r < 0)
		return hf_error_prefix(err, r, "%s", s->log_dir);
	if (s->read_only)
		return 0;
	if (scan->tail > 0 || scan->header_torn)
		r = cut_tail(s, (const char *)path.data, scan, err);
	return r < 0 || scan->header_torn ? r : settle(s, scan->doubtful, (const char *)path.data, err);
}

/* The files behind `last`, up to `there`. */
static int remove_spares(struct shelf *s, uint32_t last, uint32_t there, struct hf_error *err)
{
	for (; there > last; there--) {
		CLEANUP(buf_release) struct buf path = BUF_INIT;
		int r = segment_path(s, there, &path) ? s->os->unlink(s->os->state, (const char *)path.data) :
							-ENOMEM;

		if (r < 0)
			return say_io(err, r, "remove a segment that was never begun from", s->log_dir);
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
	if (!segment_path(s, segment, &path))
		return hf_error_set(err, -ENOMEM, "no memory");
	fd = s->os->open(s->os->state, (const char *)path.data, O_RDONLY, 0);
	if (fd < 0)
		return say_io(err, fd == -ENOENT ? -EUCLEAN : fd, "open", (const char *)path.data);
	if (segment == point.end.segment)
		*ret_bytes = point.end.offset;
	else
		r = s->os->size(s->os->state, fd, ret_bytes);
	if (r < 0) {
		(void)s->os->close(s->os->state, fd);
		return say_io(err, r, "ask the size of", (const char *)path.data);
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

/* --- appending */

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

	if (!segment_path(s, at.segment, &path))
		return hf_error_set(err, -ENOMEM, "no memory");
	fd = s->os->open(s->os->state, (const char *)path.data, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return say_io(err, fd, "make", (const char *)path.data);
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
	noted = at.offset == 0 || groups > 1;
	r = noted ? write_note(s, &note, true) : 0;
	if (r < 0)
		return say_io(err, r, "write the note in", s->dir);
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
