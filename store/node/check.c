/* SPDX-License-Identifier: MIT */
/*
 * All that a node keeps, read and verified (layer 4), beside the process that serves it: a sealed segment
 * does not change any more, and opening a shelf to read verifies the last one up to what is durable.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "holdfast/node.h"
#include "store/crypto/wire.h"
#include "store/node/cert_file.h"
#include "store/node/check.h"
#include "store/node/setup.h"
#include "store/replica/shelf.h"
#include "store/replica/shelf_scan.h"
#include "store/volume/files.h"

enum { LOOKS_MAX = 3 };

struct check {
	const struct os *os;
	const struct node_checking *to;
	struct hf_node_check_summary sum;
	long faults;

	const char *node_dir;

	/* of the volume at hand */
	const char *volume;
	const uint8_t *id;
	char *dir, *log_dir;
	struct grants grants;   /* of frames that were pruned */
	struct verifier before; /* behind the segment before; then is_linked */
	bool is_linked;
	bool has_gap;   /* a segment is missing, and nobody has looked at the last one yet */
	struct buf bad; /* of uint32_t: segments with a fault */
};

static void found(struct check *c, const char *what)
{
	char text[HF_ERROR_TEXT_BYTES + 64];

	c->faults++;
	(void)snprintf(text, sizeof(text), "volume %s: %s", c->volume, what);
	if (c->to->found)
		c->to->found(c->to->arg, text);
}

static void found_in(struct check *c, uint32_t segment, const char *what)
{
	buf_add(&c->bad, &segment, sizeof(segment));
	found(c, what);
}

/* Is it the bytes that are wrong, and not the reading of them? */
static bool is_verdict(int r)
{
	return r == -EUCLEAN || r == -EKEYREJECTED || r == -EPROTONOSUPPORT;
}

/* --- one segment */

static int scan_bytes(struct check *c, int fd, uint32_t segment, struct verifier *v, struct hf_error *err)
{
	const struct shelf_note no_append = { 0, 0, 0 };
	struct shelf_scan scan;
	int r;

	verifier_begin(v, c->id);
	verifier_grant(v, &c->grants);
	r = shelf_scan_segment(c->os, fd, segment, &no_append, v, &scan, err);
	if (r == 0 && scan.tail > 0)
		return hf_error_set(err, -EUCLEAN,
				    "segment %" PRIu32 " does not verify from offset %" PRIu32 " on: %" PRIu64
				    " bytes",
				    segment, v->point.end.offset, scan.tail);
	return r;
}

/* Lists of what may be missing come while we read: what is missing now is in those of now. */
static int load_grants(struct check *c, struct hf_error *err)
{
	struct grants now;
	int r = grants_load(c->os, c->dir, c->id, &now, err);

	if (r < 0)
		return r;
	grants_release(&c->grants);
	c->grants = now;
	return 0;
}

/* Leaves the verifier behind the segment's last group. */
static int check_bytes(struct check *c, int fd, uint32_t segment, struct verifier *v, struct hf_error *err)
{
	int r = scan_bytes(c, fd, segment, v, err);

	if (is_verdict(r)) {
		*err = (struct hf_error)HF_ERROR_INIT;
		r = load_grants(c, err);
		if (r == 0)
			r = scan_bytes(c, fd, segment, v, err);
	}
	if (r < 0)
		return r;
	c->sum.segments++;
	c->sum.bytes += v->point.end.offset;
	return 0;
}

/* Does it follow the one before? That can only be said when that one is whole. */
static int check_link(struct check *c, int fd, struct hf_error *err)
{
	uint8_t header[SEGMENT_HEADER_BYTES];
	int r;

	if (!c->is_linked)
		return 0;
	r = os_pread_full(c->os, fd, header, sizeof(header), 0);
	return r < 0 ? hf_error_set(err, r, "cannot read its header: %s", strerror(-r)) :
		       verifier_segment(&c->before, header, err);
}

/* is_last: its bytes were verified when the shelf was opened. */
static int check_segment(struct check *c, uint32_t segment, bool is_last, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	struct hf_error what = HF_ERROR_INIT;
	struct verifier v;
	char name[16];
	bool whole;
	int fd, r = 0;

	segment_file_name(segment, name);
	if (!os_join(&path, c->log_dir, name))
		return hf_error_set(err, -ENOMEM, "no memory");
	fd = c->os->open(c->os->state, (const char *)path.data, O_RDONLY, 0);
	if (fd == -ENOENT) {
		(void)hf_error_set(&what, fd,
				   "segment %" PRIu32
				   " is missing: put back its file, or heal it by --repair",
				   segment);
		found_in(c, segment, what.text);
		c->is_linked = false;
		return 0;
	}
	if (fd < 0)
		return hf_error_set(err, fd, "cannot open %s: %s", (const char *)path.data, strerror(-fd));
	if (!is_last)
		r = check_bytes(c, fd, segment, &v, &what);
	whole = r == 0 && !is_last;
	if (r == 0)
		r = check_link(c, fd, &what);
	(void)c->os->close(c->os->state, fd);
	c->is_linked = whole;
	if (whole)
		c->before = v;
	if (!is_verdict(r))
		return r < 0 ? hf_error_set(err, r, "%s: %s", (const char *)path.data, what.text) : 0;
	found_in(c, segment, what.text);
	return 0;
}

/* --- one volume */

/* An append that is being written may look like damage for as long as that takes. */
static int open_shelf(const struct check *c, struct shelf **ret, uint64_t *ret_tail, struct hf_error *err)
{
	int r = -EUCLEAN;

	for (int i = 0; r == -EUCLEAN && i < LOOKS_MAX; i++) {
		*err = (struct hf_error)HF_ERROR_INIT;
		r = shelf_open(c->os, c->dir, c->id, true, ret, ret_tail, err);
	}
	return r;
}

/*
 * The same when there is a tail: one that stays, for nobody appends meanwhile. *ret 0 is for a node that is
 * served. What begins a segment that is not whole is a tail of that one.
 */
static int find_tail(const struct check *c, struct log_pos *ret_at, uint64_t *ret, struct hf_error *err)
{
	CLEANUP(cleanup_fd) int lock = -1;
	struct shelf *shelf = NULL;
	struct log_point end;
	uint32_t last;
	int r;

	*ret = 0;
	if (!c->to->locked)
		lock = files_lock(c->node_dir, "being checked", 0, NULL, NULL);
	if (lock == -EBUSY)
		return 0;
	r = open_shelf(c, &shelf, ret, err);
	if (r < 0)
		return r;
	shelf_position(shelf, &end);
	shelf_close(shelf);
	r = shelf_find_segments(c->os, c->log_dir, &last, err);
	if (r == 0)
		*ret_at = last > end.end.segment ? (struct log_pos){ last, 0 } : end.end;
	return r;
}

/* It looks the same whether an append was cut short or the last group has rotted: nothing is behind it. */
static void found_tail(struct check *c, struct log_pos at, uint64_t tail)
{
	char what[300];

	(void)snprintf(
		what, sizeof(what),
		"segment %" PRIu32 ", offset %" PRIu32 ": the last %" PRIu64
		" bytes are no whole group: an append "
		"that was cut short, or damage. They are cut off when the node is served, and its primary "
		"sends again what it has a receipt for",
		at.segment, at.offset, tail);
	found_in(c, at.segment, what);
}

static void note_segment(void *arg, const char *name)
{
	uint32_t *last = arg, segment;

	if (segment_file_number(name, &segment) && segment > *last)
		*last = segment;
}

/* Which is the last segment, and is it whole? *ret_whole false: that has been told. */
static int find_last(struct check *c, uint32_t *ret, bool *ret_whole, struct hf_error *err)
{
	struct hf_error what = HF_ERROR_INIT;
	struct shelf *shelf = NULL;
	struct log_point end;
	struct log_pos at = { 0, 0 };
	uint64_t tail;
	int r = open_shelf(c, &shelf, &tail, &what);

	*ret_whole = r == 0;
	if (r == 0) {
		shelf_position(shelf, &end);
		shelf_close(shelf);
		if (tail > 0)
			r = find_tail(c, &at, &tail, err);
		if (r < 0)
			return r;
		if (tail > 0)
			found_tail(c, at, tail);
		*ret = end.end.segment;
		c->sum.segments += end.end.segment > 0;
		c->sum.bytes += end.end.offset;
		return 0;
	}
	if (!is_verdict(r))
		return hf_error_set(err, r, "%s", what.text);
	*ret = 0;
	if (shelf_find_segments(c->os, c->log_dir, ret, NULL) == 0)
		found_in(c, *ret, what.text); /* the last is damaged */
	else if (c->os->list(c->os->state, c->log_dir, note_segment, ret) <
		 0) /* one is missing: that is told below */
		found(c, what.text);
	else
		*ret_whole = c->has_gap = true;
	return 0;
}

static int check_segments(struct check *c, struct hf_error *err)
{
	uint32_t last = 0;
	bool whole = false;
	int r = load_grants(c, err);

	c->has_gap = false;
	if (r == 0)
		r = find_last(c, &last, &whole, err);
	c->is_linked = false;
	for (uint32_t n = 1; r == 0 && n <= last; n++) {
		if (n == last && !whole)
			break;
		if (c->to->progress && c->to->progress->fn)
			c->to->progress->fn(c->to->progress->arg, "segments verified", n - 1, last);
		r = check_segment(c, n, n == last && !c->has_gap, err);
	}
	c->sum.volumes++;
	return r;
}

/* --- its certificates: those of segments are checked with them */

static int check_cert(struct check *c, const char *name, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, data = BUF_INIT;
	struct hf_error what = HF_ERROR_INIT;
	struct epoch_cert cert;
	int r;

	if (!os_join(&path, c->dir, name))
		return hf_error_set(err, -ENOMEM, "no memory");
	r = os_read_file(c->os, (const char *)path.data, EPOCH_CERT_BYTES, &data);
	if (r < 0 && r != -EFBIG)
		return hf_error_set(err, r, "cannot read %s: %s", (const char *)path.data, strerror(-r));
	if (r == 0)
		r = epoch_cert_decode(data.data, data.len, &cert, &what);
	if (r == 0 && memcmp(cert.volume_id, c->id, VOLUME_ID_BYTES) == 0)
		return 0;
	(void)hf_error_prefix(&what, -EUCLEAN,
			      "%s is damaged; where its segments carry it, it may be taken away", name);
	found(c, what.text);
	return 0;
}

static int check_certs(struct check *c, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf names = BUF_INIT;
	int r = cert_file_list(c->os, c->dir, &names, err);

	for (size_t at = 0; r == 0 && at < names.len; at += CERT_FILE_NAME_BYTES)
		r = check_cert(c, (const char *)names.data + at, err);
	return r;
}

static int check_volume(struct check *c, const char *dir, const uint8_t id[VOLUME_ID_BYTES],
			struct hf_error *err)
{
	char text[2 * VOLUME_ID_BYTES + 1];
	int r = -ENOMEM;

	wire_hex(id, VOLUME_ID_BYTES, text);
	c->volume = text;
	c->id = id;
	if (asprintf(&c->dir, "%s/volumes/%s", dir, text) < 0)
		c->dir = NULL;
	if (!c->dir || asprintf(&c->log_dir, "%s/log", c->dir) < 0)
		c->log_dir = NULL;
	buf_clear(&c->bad);
	r = c->log_dir ? check_segments(c, err) : hf_error_set(err, -ENOMEM, "no memory");
	if (r == 0)
		r = check_certs(c, err);
	if (r == 0 && buf_status(&c->bad) < 0)
		r = hf_error_set(err, -ENOMEM, "no memory");
	if (r == 0 && c->to->volume)
		r = c->to->volume(c->to->volume_arg, id, c->dir, &c->bad, err);
	grants_release(&c->grants);
	memset(&c->grants, 0, sizeof(c->grants));
	free(c->log_dir);
	free(c->dir);
	c->dir = c->log_dir = NULL;
	return r;
}

/* --- which */

struct wanted {
	const char *only; /* NULL: all */
	struct buf ids;
};

static void note_volume(void *arg, const char *name)
{
	struct wanted *w = arg;
	uint8_t id[VOLUME_ID_BYTES];

	if (wire_unhex(name, strlen(name), id, sizeof(id)) == 0 && (!w->only || strcmp(name, w->only) == 0))
		buf_add(&w->ids, id, sizeof(id));
}

static int find_volumes(const struct os *os, const char *dir, struct wanted *w, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	uint8_t id[VOLUME_ID_BYTES];
	int r;

	if (w->only && wire_unhex(w->only, strlen(w->only), id, sizeof(id)) < 0)
		return hf_error_set(err, -EINVAL, "%.60s is not the id of a volume", w->only);
	if (!os_join(&path, dir, "volumes"))
		return hf_error_set(err, -ENOMEM, "no memory");
	r = os->list(os->state, (const char *)path.data, note_volume, w);
	if (r < 0)
		return hf_error_set(err, r, "cannot read the folder %s: %s", (const char *)path.data,
				    strerror(-r));
	if (buf_status(&w->ids) < 0)
		return hf_error_set(err, -ENOMEM, "no memory");
	if (w->only && w->ids.len == 0)
		return hf_error_set(err, -ENOENT, "there is no volume %s in %s", w->only, dir);
	return 0;
}

int node_check_setup(const char *dir, struct hf_error *err)
{
	struct setup setup;
	int r = setup_read(os_posix(), dir, &setup, err);

	if (r == 0 && crypto_init() < 0)
		r = hf_error_set(err, -EIO, "the system gives no random bytes");
	return r;
}

long node_check_all(const char *dir, const char *volume_id, const struct node_checking *to,
		    struct hf_node_check_summary *ret, struct hf_error *err)
{
	struct check c = { .os = os_posix(), .to = to, .node_dir = dir, .bad = BUF_INIT };
	struct wanted w = { volume_id, BUF_INIT };
	int r = find_volumes(c.os, dir, &w, err);

	for (size_t at = 0; r == 0 && at < w.ids.len; at += VOLUME_ID_BYTES)
		r = check_volume(&c, dir, w.ids.data + at, err);
	buf_release(&w.ids);
	buf_release(&c.bad);
	if (r < 0)
		return r;
	*ret = c.sum;
	return c.faults;
}

long hf_node_check(const char *dir, const char *volume_id, void (*found_fn)(void *arg, const char *what),
		   void *arg, struct hf_node_check_summary *ret, const struct hf_progress *progress,
		   struct hf_error *err)
{
	const struct node_checking to = { .found = found_fn, .arg = arg, .progress = progress };
	int r = node_check_setup(dir, err);

	return r < 0 ? r : node_check_all(dir, volume_id, &to, ret, err);
}
