/* SPDX-License-Identifier: MIT */
#include "store/replica/mend.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

enum { COMPARE_BYTES = 1 << 20, ZEROS_BYTES = 64 << 10 };

struct range {
	uint32_t offset;
	uint64_t len; /* of the damaged file's bytes that are replaced */
};

struct mending {
	const struct mend *m;
	uint32_t segment;
	struct buf is;     /* the damaged file */
	struct buf out;    /* what comes of it */
	struct buf ranges; /* of struct range */
	struct verifier v; /* behind what is in `out` */
	bool has_next;     /* the segment behind has a header that can be read */
	struct segment_header next;
	/* Commits of the damaged file that are signed for their place: the last of them, 0: none. */
	bool searched;
	uint32_t pin;
	bool has_known; /* a known point of this segment is in what came out */
	bool ends_own;  /* the last group of what came out is the damaged file's */
	bool strayed;   /* what is there leads past one to something else: none counts any more */
	struct hf_error stray;
	struct mended sum;
	struct hf_error why; /* what was wrong with what was offered */
	struct hf_error *err;
};

static void mending_release(struct mending *g)
{
	buf_release(&g->is);
	buf_release(&g->out);
	buf_release(&g->ranges);
}

static int no_memory(struct hf_error *err)
{
	return hf_error_set(err, -ENOMEM, "no memory to heal a segment");
}

/* --- reading */

static const char *segment_path(const struct mending *g, uint32_t segment, struct buf *out)
{
	char name[16];

	segment_file_name(segment, name);
	buf_clear(out);
	buf_add_text(out, "%s/log/%s", g->m->dir, name);
	(void)buf_cstr(out);
	return buf_status(out) < 0 ? NULL : (const char *)out->data;
}

/* A file that is not there is one that is damaged from its first byte on. */
static int read_damaged(struct mending *g)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	const char *p = segment_path(g, g->segment, &path);
	int r = p ? os_read_file(g->m->os, p, SEGMENT_BYTES_MAX, &g->is) : -ENOMEM;

	if (r == -ENOENT)
		return 0;
	return r < 0 ? hf_error_set(g->err, r, "cannot read %s: %s", p ? p : "a segment", hf_strerror(r)) : 0;
}

static void read_next(struct mending *g)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	const struct os *os = g->m->os;
	uint8_t raw[SEGMENT_HEADER_BYTES];
	const char *p = segment_path(g, g->segment + 1, &path);
	int fd = p ? os->open(os->state, p, O_RDONLY, 0) : -ENOMEM;

	if (fd < 0)
		return;
	g->has_next = os_pread_full(os, fd, raw, sizeof(raw), 0) == 0 &&
		      segment_header_decode(raw, sizeof(raw), &g->next, NULL) == 0 &&
		      memcmp(g->next.volume_id, g->m->volume_id, VOLUME_ID_BYTES) == 0 &&
		      g->next.segment == g->segment + 1;
	(void)os->close(os->state, fd);
}

/* --- pins */

/* The damaged file's commits from the first damage on. Requires that v has the right header. */
static void search_pins(struct mending *g)
{
	const uint8_t *writer = g->v.header.cert.writer_public;
	size_t at = g->out.len;

	g->searched = true;
	while (g->is.len >= COMMIT_FRAME_BYTES && at <= g->is.len - COMMIT_FRAME_BYTES) {
		const uint8_t *p = memmem(g->is.data + at, g->is.len - at, "HFr1\3", 5);
		struct frame_header h;

		if (!p || g->is.len - (size_t)(p - g->is.data) < COMMIT_FRAME_BYTES)
			return;
		at = (size_t)(p - g->is.data);
		if (frame_header_decode(p, &h, NULL) == 0 && h.type == FRAME_COMMIT &&
		    commit_check_signature(writer, g->m->volume_id, g->segment, (uint32_t)at,
					   p + FRAME_HEADER_BYTES) == 0)
			g->pin = (uint32_t)at;
		at++;
	}
}

static bool same_chain(const struct mending *g)
{
	const struct log_point *p = &g->v.point;

	return memcmp(p->chain, g->next.prev_chain, HASH_BYTES) == 0 && p->commit == g->next.prev_commit &&
	       p->tid == g->next.prev_tid && p->time_ns == g->next.prev_time_ns;
}

/* The chain value says it all, but behind a header, which is in none yet. */
static bool same_point(const struct log_point *a, const struct log_point *b)
{
	return memcmp(a->chain, b->chain, HASH_BYTES) == 0 && a->commit == b->commit && a->tid == b->tid &&
	       a->time_ns == b->time_ns && a->epoch == b->epoch;
}

/* A point that is known, and lies behind what came out; NULL: none does. */
static const struct log_known *known_behind(const struct mending *g)
{
	for (size_t i = 0; i < g->m->n_known && !g->strayed; i++)
		if (g->m->known[i].point.end.segment == g->segment &&
		    g->m->known[i].point.end.offset > g->out.len)
			return &g->m->known[i];
	return NULL;
}

static int say_stray(const struct mending *g, size_t from, const struct log_known *k, struct hf_error *err)
{
	return hf_error_set(err, -EEXIST,
			    "segment %" PRIu32
			    ", offset %zu: it is another history from here on, but %s up to "
			    "offset %" PRIu32,
			    g->segment, from, k->who, k->point.end.offset);
}

/*
 * A group from `from` on leads to p. 0, or -EEXIST: a known point is not where and what it leads to.
 * `ret_met`: one is.
 */
static int compare_known(const struct mending *g, size_t from, const struct log_point *p, bool *ret_met,
			 struct hf_error *err)
{
	for (size_t i = 0; i < g->m->n_known && !g->strayed; i++) {
		const struct log_known *k = &g->m->known[i];
		const uint32_t at = k->point.end.offset;

		if (k->point.end.segment != g->segment || at <= from || at > p->end.offset)
			continue;
		if (at != p->end.offset || !same_point(&k->point, p))
			return say_stray(g, from, k, err);
		*ret_met = true;
	}
	return 0;
}

/* Does anything behind this place say what is to be here? */
static bool is_pinned(struct mending *g)
{
	if (!g->searched)
		search_pins(g);
	return g->pin >= g->out.len || (g->has_next && !same_chain(g)) || known_behind(g);
}

/* What came out must be what the pins are of. */
static int check_pins(const struct mending *g)
{
	const struct log_point *p = &g->v.point;
	const struct log_known *behind = known_behind(g);

	if (behind && !g->ends_own)
		return say_stray(g, p->end.offset, behind, g->err);
	if (g->pin && (g->out.len < g->pin + (size_t)COMMIT_FRAME_BYTES ||
		       memcmp(g->out.data + g->pin, g->is.data + g->pin, COMMIT_FRAME_BYTES) != 0))
		return hf_error_set(g->err, -EEXIST,
				    "segment %" PRIu32
				    ": what the other copy has does not lead to the commit that is "
				    "signed at offset %" PRIu32 " here: it is another history",
				    g->segment, g->pin);
	if (g->has_next && (!same_chain(g) || !(p->sealed || g->next.epoch == p->epoch + 1)))
		return hf_error_set(g->err, -EEXIST,
				    "segment %" PRIu32
				    ": what the other copy has does not lead to segment %" PRIu32
				    " here: it is another history",
				    g->segment, g->next.segment);
	if (!g->has_next && !g->pin && !g->has_known)
		return hf_error_set(g->err, -ENODATA,
				    "segment %" PRIu32
				    ": nothing behind the damage says what was there, so nobody is "
				    "believed",
				    g->segment);
	return 0;
}

/* --- what others offer */

static int add_range(struct mending *g, uint64_t len)
{
	const size_t left = g->is.len > g->out.len ? g->is.len - g->out.len : 0;
	const struct range range = { (uint32_t)g->out.len, len < left ? len : left };

	if (g->ranges.len == 0)
		g->sum.from = range.offset;
	buf_add(&g->ranges, &range, sizeof(range));
	return buf_status(&g->ranges);
}

static int begin(const struct mending *g, const uint8_t *header, struct verifier *v, struct hf_error *err)
{
	int r = g->segment == 1 ? verifier_segment(v, header, err) : verifier_enter(v, header, err);

	if (r == 0 && v->point.end.segment != g->segment)
		r = hf_error_set(err, -EUCLEAN, "its header says that it is segment %" PRIu32,
				 v->point.end.segment);
	return r;
}

static int take_header(void *arg, const uint8_t *data, size_t len)
{
	struct mending *g = arg;
	struct verifier v = g->v;

	if (len < SEGMENT_HEADER_BYTES)
		return -EAGAIN;
	if (begin(g, data, &v, &g->why) < 0 || compare_known(g, 0, &v.point, &g->has_known, &g->why) < 0)
		return 0;
	if (add_range(g, SEGMENT_HEADER_BYTES) < 0)
		return -ENOMEM;
	buf_add(&g->out, data, SEGMENT_HEADER_BYTES);
	g->sum.bytes += SEGMENT_HEADER_BYTES;
	g->v = v;
	return buf_status(&g->out) < 0 ? -ENOMEM : 1;
}

bool mend_stands_for(const uint8_t *pruned, const uint8_t *data, size_t len)
{
	uint8_t hash[HASH_BYTES];

	hash_one(NULL, data, len, hash, sizeof(hash));
	return len >= PRUNED_FRAME_BYTES && memcmp(pruned_frame_hash(pruned), hash, HASH_BYTES) == 0 &&
	       buf_is_zeros(pruned + PRUNED_FRAME_BYTES, len - PRUNED_FRAME_BYTES);
}

/* Where one copy has a frame and the other has pruned it, it stays as it is here. */
static void keep_pruned(const struct mending *g, struct buf *group)
{
	size_t at = 0;

	while (group->len - at >= FRAME_HEADER_BYTES) {
		const size_t here = g->out.len + at;
		uint8_t *theirs = group->data + at;
		const uint8_t *ours = g->is.data + here;
		struct frame_header h, own;
		size_t len;

		if (frame_header_decode(theirs, &h, NULL) < 0)
			return;
		len = FRAME_HEADER_BYTES + (size_t)h.body_len;
		if (group->len - at < len || h.type == FRAME_COMMIT)
			return;
		if (here + len <= g->is.len && frame_header_decode(ours, &own, NULL) == 0 &&
		    own.body_len == h.body_len &&
		    ((h.type == FRAME_PRUNED && own.type == FRAME_DATA &&
		      mend_stands_for(theirs, ours, len)) ||
		     (h.type == FRAME_DATA && own.type == FRAME_PRUNED &&
		      mend_stands_for(ours, theirs, len))))
			memcpy(theirs, ours, len);
		at += len;
	}
}

/* The length of the group that data begins with; 0: there is more of it, or it is none. */
static size_t group_length(const uint8_t *data, size_t len)
{
	size_t at = 0;

	while (len - at >= FRAME_HEADER_BYTES) {
		struct frame_header h;

		if (frame_header_decode(data + at, &h, NULL) < 0 ||
		    len - at - FRAME_HEADER_BYTES < h.body_len)
			return 0;
		at += FRAME_HEADER_BYTES + (size_t)h.body_len;
		if (h.type == FRAME_COMMIT)
			return at;
	}
	return 0;
}

static int take_group(void *arg, const uint8_t *data, size_t len)
{
	CLEANUP(buf_release) struct buf group = BUF_INIT;
	struct mending *g = arg;
	struct verifier v = g->v;
	size_t used, whole = group_length(data, len);
	int r;

	buf_add(&group, data, whole ? whole : len);
	if (buf_status(&group) < 0)
		return -ENOMEM;
	if (whole)
		keep_pruned(g, &group);
	r = verifier_group(&v, group.data, group.len, &used, NULL, &g->why);
	if (r <= 0)
		return r == 0 ? -EAGAIN : 0;
	if (compare_known(g, g->out.len, &v.point, &g->has_known, &g->why) < 0)
		return 0;
	g->ends_own = false;
	if (add_range(g, used) < 0)
		return -ENOMEM;
	buf_add(&g->out, group.data, used);
	g->sum.groups++;
	g->sum.bytes += used;
	g->v = v;
	return buf_status(&g->out) < 0 ? -ENOMEM : 1;
}

static int ask(struct mending *g, mend_take_fn *take)
{
	const struct log_pos at = { g->segment, (uint32_t)g->out.len };
	struct hf_error failed = HF_ERROR_INIT;
	int r;

	g->why = (struct hf_error)HF_ERROR_INIT;
	r = g->m->offer(g->m->arg, at, take, g, &failed);
	if (r < 0)
		return hf_error_set(g->err, r, "%s", failed.code ? failed.text : hf_strerror(r));
	if (r == 0)
		return hf_error_set(g->err, -ENODATA,
				    "segment %" PRIu32 ", offset %" PRIu32
				    ": no other copy has what belongs there%s%s",
				    g->segment, at.offset, g->why.code || failed.code ? ": " : "",
				    g->why.code ? g->why.text :
				    failed.code ? failed.text :
						  "");
	return 0;
}

/* --- the walk */

static int walk_header(struct mending *g)
{
	struct verifier v = g->v;
	struct hf_error own = HF_ERROR_INIT;
	int r;

	if (g->is.len >= SEGMENT_HEADER_BYTES && begin(g, g->is.data, &v, &own) == 0) {
		buf_add(&g->out, g->is.data, SEGMENT_HEADER_BYTES);
		g->v = v;
		return buf_status(&g->out);
	}
	r = ask(g, take_header);
	if (r == 0)
		search_pins(g); /* any of its commits says that this is the header */
	return r;
}

static int walk(struct mending *g)
{
	int r = walk_header(g);

	while (r == 0) {
		const size_t at = g->out.len;
		size_t used = 0;
		int own = at < g->is.len ?
				  verifier_group(&g->v, g->is.data + at, g->is.len - at, &used, NULL, NULL) :
				  0;

		if (own == 1) {
			g->strayed =
				g->strayed || compare_known(g, at, &g->v.point, &g->has_known, &g->stray) < 0;
			buf_add(&g->out, g->is.data + at, used);
			g->ends_own = true;
			r = buf_status(&g->out);
			continue;
		}
		if (g->v.point.sealed || !is_pinned(g))
			break;
		r = ask(g, take_group);
	}
	if (r < 0)
		return r;
	if (g->v.point.sealed)
		return g->is.len > g->out.len ? add_range(g, g->is.len - g->out.len) : 0;
	/* Behind the log's end lies what was laid out, which is no part of it. */
	if (g->is.len > g->out.len)
		buf_add(&g->out, g->is.data + g->out.len, g->is.len - g->out.len);
	return buf_status(&g->out);
}

/* --- putting it in place */

static int make_folder(const struct mending *g, const char *name)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	const struct os *os = g->m->os;
	int r = os_join(&path, g->m->dir, name) ? os->mkdir(os->state, (const char *)path.data, 0700) :
						  -ENOMEM;

	if (r == -EEXIST)
		return 0;
	return r < 0 ? r : os->sync_dir(os->state, g->m->dir);
}

/* What is replaced, once. */
static int keep_evidence(const struct mending *g)
{
	const struct range *ranges = (const struct range *)(const void *)g->ranges.data;
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	int r = make_folder(g, "damaged");

	for (size_t i = 0; r == 0 && i < g->ranges.len / sizeof(*ranges); i++) {
		buf_clear(&path);
		buf_add_text(&path, "%s/damaged/%010" PRIu32 "-%010" PRIu32, g->m->dir, g->segment,
			     ranges[i].offset);
		(void)buf_cstr(&path);
		if (buf_status(&path) < 0)
			return -ENOMEM;
		r = os_write_file(g->m->os, (const char *)path.data,
				  ranges[i].len ? g->is.data + ranges[i].offset : (const uint8_t *)"",
				  ranges[i].len, 0600);
	}
	return r;
}

/* Zeros that were laid out, or stand for what was pruned, need not be kept by the file system. */
static int write_kept(const struct mending *g, int fd)
{
	int r = g->m->os->truncate(g->m->os->state, fd, g->out.len);

	for (size_t at = 0; r == 0 && at < g->out.len; at += ZEROS_BYTES) {
		size_t n = g->out.len - at < ZEROS_BYTES ? g->out.len - at : ZEROS_BYTES;

		if (!buf_is_zeros(g->out.data + at, n))
			r = os_pwrite_full(g->m->os, fd, g->out.data + at, n, at);
	}
	return r;
}

static int compare_written(const struct mending *g, int fd)
{
	CLEANUP(cleanup_free) uint8_t *there = malloc(COMPARE_BYTES);
	const struct os *os = g->m->os;
	int r = there ? 0 : -ENOMEM;

	if (r == 0 && os->forget)
		os->forget(os->state, fd, 0, g->out.len);
	for (size_t at = 0; r == 0 && at < g->out.len; at += COMPARE_BYTES) {
		size_t n = g->out.len - at < COMPARE_BYTES ? g->out.len - at : COMPARE_BYTES;

		r = os_pread_full(os, fd, there, n, at);
		if (r == 0 && memcmp(there, g->out.data + at, n) != 0)
			r = -EIO;
	}
	return r;
}

static int write_beside(const struct mending *g, const char *path)
{
	const struct os *os = g->m->os;
	int fd = os->open(os->state, path, O_RDWR | O_CREAT | O_TRUNC, 0600), r, closed;

	if (fd < 0)
		return fd;
	r = write_kept(g, fd);
	if (r == 0)
		r = os->fsync(os->state, fd);
	if (r == 0)
		r = compare_written(g, fd);
	closed = os->close(os->state, fd);
	return r < 0 ? r : closed;
}

static int replace(const struct mending *g)
{
	CLEANUP(buf_release) struct buf beside = BUF_INIT, path = BUF_INIT, folder = BUF_INIT;
	const struct os *os = g->m->os;
	const char *to = segment_path(g, g->segment, &path);
	int r;

	if (!to || !os_join(&beside, g->m->dir, "damaged/segment") || !os_join(&folder, g->m->dir, "log"))
		return -ENOMEM;
	r = keep_evidence(g);
	if (r == 0)
		r = make_folder(g, "log"); /* it may be gone with all that was in it */
	if (r == 0)
		r = write_beside(g, (const char *)beside.data);
	if (r == 0)
		r = os->rename(os->state, (const char *)beside.data, to);
	if (r < 0) {
		(void)os->unlink(os->state, (const char *)beside.data);
		return r;
	}
	return os->sync_dir(os->state, (const char *)folder.data);
}

/* --- all of it */

static bool is_changed(const struct mending *g)
{
	return g->ranges.len > 0 || g->out.len != g->is.len;
}

static int mend(struct mending *g)
{
	int r = read_damaged(g);

	if (r == 0) {
		read_next(g);
		r = walk(g);
	}
	if (r == 0 && !is_changed(g) && g->strayed)
		return hf_error_set(g->err, -EEXIST, "%s", g->stray.text);
	if (r == 0 && !is_changed(g) && g->v.point.sealed && known_behind(g))
		return say_stray(g, g->out.len, known_behind(g), g->err);
	if (r < 0 || !is_changed(g))
		return r == -ENOMEM ? no_memory(g->err) : r;
	r = g->sum.bytes ? check_pins(g) :
			   0; /* else only something behind the end of a sealed segment goes */
	if (r < 0)
		return r;
	r = replace(g);
	return r < 0 ? hf_error_set(g->err, r, "cannot replace segment %" PRIu32 " in %s: %s", g->segment,
				    g->m->dir, hf_strerror(r)) :
		       1;
}

int mend_segment(const struct mend *m, uint32_t segment, struct mended *ret, struct hf_error *err)
{
	CLEANUP(mending_release)
	struct mending g = {
		.m = m, .segment = segment, .is = BUF_INIT, .out = BUF_INIT, .ranges = BUF_INIT, .err = err
	};
	int r;

	verifier_begin(&g.v, m->volume_id);
	verifier_grant(&g.v, m->grants);
	r = mend(&g);
	if (r >= 0)
		*ret = g.sum;
	return r;
}
