/* SPDX-License-Identifier: MIT */
/*
 * Opening a log: where it ends (FORMAT.md §7).
 *
 * Groups are verified from a known point, or from the start of the last segment that has one, to the first
 * that does not verify. What is behind that is a write that a crash tore, and is cut off, unless it proves
 * damage:
 *
 *  - a later segment follows it in the chain's place, or a commit is signed for its very place behind it,
 * with a number higher than the torn group's own. A group is written only when the one before it is durable,
 * so this one was durable.
 *  - the torn group's own commit is there, and the file ends with it. Disks reorder within an unsynced write,
 * so the commit may have arrived without its frames; but while a group is in flight the file is longer than
 * it (append.c sees to that), and only log_close cuts it to its length.
 *
 * The last group found is written once more and synced before the log goes on, and before an index learns of
 * it (log_make_sure): it may be one whose sync failed, which lives in memory only. It is the same bytes, and
 * only the last group can be so (log.h, invariant 2). So may the file's length, and is set once more.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "store/log/log_internal.h"

enum { SEARCH_BYTES = 1 << 20 };

/* --- searching for signed commits */

struct search {
	const struct log *l;
	const struct segment_ref *ref;
	uint32_t segment;
	const uint8_t *writers[2]; /* public keys that may have signed; NULL: none */
	uint64_t own_number;       /* of the group that is torn; 0: every commit counts as another's */
	/* found */
	uint64_t own_end; /* the end of the torn group's own commit; 0: not there */
	uint64_t other;   /* where another commit is; 0: none */
};

static bool signed_here(const struct search *s, uint32_t offset, const uint8_t body[COMMIT_BODY_BYTES])
{
	for (size_t i = 0; i < 2; i++) {
		if (s->writers[i] && commit_check_signature(s->writers[i], keyring_volume_id(s->l->keys),
							    s->segment, offset, body) == 0)
			return true;
	}
	return false;
}

/* `frame`: COMMIT_FRAME_BYTES that may be a commit. */
static void search_candidate(struct search *s, uint64_t offset, const uint8_t *frame)
{
	struct frame_header h;
	struct commit c;

	if (frame_header_decode(frame, &h, NULL) < 0 || h.type != FRAME_COMMIT)
		return;
	if (!signed_here(s, (uint32_t)offset, frame + FRAME_HEADER_BYTES))
		return;
	if (commit_decode(frame + FRAME_HEADER_BYTES, &c, NULL) == 0 && c.number == s->own_number)
		s->own_end = offset + COMMIT_FRAME_BYTES;
	else
		s->other = offset;
}

/* Every place of data where a commit could begin; it stands at `at` in the file. */
static void search_window(struct search *s, uint64_t at, const uint8_t *data, size_t len)
{
	static const char magic[4] = { 'H', 'F', 'r', '1' };
	size_t i = 0;

	while (!s->other && len - i >= COMMIT_FRAME_BYTES) {
		const uint8_t *p = memmem(data + i, len - i, magic, sizeof(magic));

		if (!p || len - (size_t)(p - data) < COMMIT_FRAME_BYTES)
			return;
		i = (size_t)(p - data);
		search_candidate(s, at + i, p);
		i++;
	}
}

static int search_commits(struct search *s, uint64_t from, uint64_t size, struct hf_error *err)
{
	CLEANUP(cleanup_free) uint8_t *data = malloc(SEARCH_BYTES);

	if (!data)
		return hf_error_set(err, -ENOMEM, "no memory to search a segment");
	while (!s->other && from < size && size - from >= COMMIT_FRAME_BYTES) {
		size_t len = size - from < SEARCH_BYTES ? (size_t)(size - from) : SEARCH_BYTES;
		int r = segment_read(s->l, s->ref, s->segment, from, data, len, err);

		if (r < 0)
			return r;
		search_window(s, from, data, len);
		from += len - (COMMIT_FRAME_BYTES - 1);
	}
	return 0;
}

int scan_next_commit(const struct groups *g, uint64_t from, uint64_t *ret_at, struct commit *ret,
		     struct hf_error *err)
{
	struct search s = {
		.l = g->l,
		.ref = &g->ref,
		.segment = g->v.point.end.segment,
		.writers = { g->v.header.cert.writer_public },
	};
	uint8_t body[COMMIT_BODY_BYTES];
	int r = search_commits(&s, from, g->size, err);

	if (r < 0 || !s.other)
		return r;
	r = segment_read(g->l, &g->ref, s.segment, s.other + FRAME_HEADER_BYTES, body, sizeof(body), err);
	if (r == 0)
		r = commit_decode(body, ret, err);
	if (r < 0)
		return r == -EUCLEAN || r == -EPROTONOSUPPORT ? 0 : r;
	*ret_at = s.other;
	return 1;
}

/* --- the tail */

/*
 * The walk stopped at something this build does not know. That stops a reader even in the last group
 * (FORMAT.md §1), but a frame type of 0 is only what is missing of a torn header.
 */
static bool is_unknown(const struct groups *g)
{
	uint64_t at = g->v.point.end.offset;
	uint8_t raw[FRAME_HEADER_BYTES];
	struct frame_header h;

	while (segment_read(g->l, &g->ref, g->v.point.end.segment, at, raw, sizeof(raw), NULL) == 0) {
		if (frame_header_decode(raw, &h, NULL) < 0)
			return raw[4] != 0;
		if (h.type == FRAME_COMMIT)
			return true;
		at += FRAME_HEADER_BYTES + (uint64_t)h.body_len;
	}
	return false;
}

int scan_tail(const struct groups *g, int stopped, const char *why, struct hf_error *err)
{
	const struct log_point *p = &g->v.point;
	struct search s = {
		.l = g->l,
		.ref = &g->ref,
		.segment = p->end.segment,
		.writers = { g->v.header.cert.writer_public },
		.own_number = p->sealed ? 0 : p->commit + 1,
	};
	int r = search_commits(&s, p->end.offset, g->size, err);

	if (r < 0 || (!s.other && !s.own_end))
		return r;
	if (stopped == -EPROTONOSUPPORT && is_unknown(g))
		return hf_error_set(err, stopped, "%s: %s", g->l->dir, why);
	if (s.other)
		return segment_damage(g->l, p->end,
				      stopped ? why : "commits follow bytes that are in no group", err);
	if (s.own_end == g->size)
		return segment_damage(g->l, p->end, stopped ? why : "the last group is not whole", err);
	return 0;
}

/*
 * Is this file one that was laid out and never begun? 1, 0 (a segment, or what is left of one), or negative.
 * `writer` is the key that would have signed commits in it; NULL: not known.
 */
static int is_spare(const struct log *l, uint32_t segment, const uint8_t *writer, struct hf_error *err)
{
	CLEANUP(segment_ref_release) struct segment_ref ref = SEGMENT_REF_INIT;
	uint8_t raw[SEGMENT_HEADER_BYTES];
	struct segment_header h;
	struct search s = { .l = l, .ref = &ref, .segment = segment, .writers = { writer } };
	uint64_t size;
	int r = segment_get(l, segment, &ref, err);

	if (r == 0)
		r = segment_size(l, &ref, segment, &size, err);
	if (r < 0)
		return r;
	if (size < SEGMENT_HEADER_BYTES)
		return 1;
	r = segment_read(l, &ref, segment, 0, raw, sizeof(raw), err);
	if (r < 0)
		return r;
	r = segment_header_decode(raw, sizeof(raw), &h, err);
	if (r == 0 || r == -EKEYREJECTED)
		return 0;
	if (r == -EPROTONOSUPPORT && get_u16(raw + 8) != 0)
		/* a version of 0 is what is missing of a torn header */
		return hf_error_prefix(err, r, "segment %" PRIu32, segment);
	if (keyring_has_writer(l->keys))
		s.writers[1] = keyring_writer_public(l->keys);
	r = search_commits(&s, 0, size, err);
	return r < 0 ? r : !s.other;
}

/* The key of the last of these segments whose header can be read; false: of none. */
static bool last_writer(const struct log *l, const uint32_t *segments, size_t n,
			uint8_t ret[PUBLIC_KEY_BYTES])
{
	while (n-- > 0) {
		uint8_t raw[SEGMENT_HEADER_BYTES];
		struct segment_header h;

		if (segment_read_header(l, segments[n], raw, NULL) == 0 &&
		    segment_header_decode(raw, sizeof(raw), &h, NULL) == 0) {
			memcpy(ret, h.cert.writer_public, PUBLIC_KEY_BYTES);
			return true;
		}
	}
	return false;
}

int scan_without_spares(const struct log *l, const uint32_t *segments, size_t *n, struct hf_error *err)
{
	int r = 1;

	while (r == 1 && *n > 0) {
		uint8_t writer[PUBLIC_KEY_BYTES];
		bool known = last_writer(l, segments, *n - 1, writer);

		r = is_spare(l, segments[*n - 1], known ? writer : NULL, err);
		if (r == 1)
			--*n;
	}
	return r < 0 ? r : 0;
}

/* --- where to begin */

/* The log must hold exactly this point. Leaves v there. */
static int check_known(struct log *l, const struct log_point *known, struct hf_error *err)
{
	CLEANUP(segment_ref_release) struct segment_ref ref = SEGMENT_REF_INIT;
	uint8_t raw[SEGMENT_HEADER_BYTES], frame[COMMIT_FRAME_BYTES];
	uint32_t segment = known->end.segment, at = known->end.offset - COMMIT_FRAME_BYTES;
	struct frame_header h;
	struct commit c;
	int r = segment_get(l, segment, &ref, err);

	if (r == 0)
		r = segment_read(l, &ref, segment, 0, raw, sizeof(raw), err);
	if (r == 0)
		r = verifier_resume(&l->v, raw, known, err);
	if (r < 0 || known->end.offset == SEGMENT_HEADER_BYTES)
		return r;
	r = segment_read(l, &ref, segment, at, frame, sizeof(frame), err);
	if (r < 0)
		return r;
	if (frame_header_decode(frame, &h, NULL) < 0 || h.type != FRAME_COMMIT ||
	    commit_decode(frame + FRAME_HEADER_BYTES, &c, NULL) < 0)
		return segment_damage(l, known->end,
				      "no commit ends there, but the index was made from one that did", err);
	if (c.number != known->commit || c.tid != known->tid || c.time_ns != known->time_ns ||
	    c.epoch != known->epoch || (bool)(c.flags & COMMIT_SEALS) != known->sealed ||
	    memcmp(c.chain, known->chain, HASH_BYTES) != 0)
		return segment_damage(l, known->end,
				      "another commit ends there than the one the index was made from", err);
	if (commit_check_signature(l->v.header.cert.writer_public, l->v.volume_id, segment, at,
				   frame + FRAME_HEADER_BYTES) < 0)
		return segment_damage(l, known->end, "the signature of the commit there does not hold", err);
	return 0;
}

/* Walk from where l->v is to the end of the last segment; l->v follows. */
static int walk_to_end(struct log *l, uint32_t last, uint64_t *ret_groups, struct hf_error *err)
{
	CLEANUP(groups_release) struct groups g = GROUPS_INIT;
	struct hf_error why = HF_ERROR_INIT;
	int r = groups_begin(&g, l, &l->v, (struct log_pos){ last, LIMIT_OPEN }, err);
	struct log_pos before = g.v.point.end;

	if (r < 0)
		return r;
	*ret_groups = 0;
	l->rewrite_from = before.offset;
	while ((r = groups_next(&g, NULL, &why)) == 1) {
		l->rewrite_from =
			g.v.point.end.segment == before.segment ? before.offset : SEGMENT_HEADER_BYTES;
		before = g.v.point.end;
		++*ret_groups;
	}
	if (g.v.point.end.segment < last ||
	    (r < 0 && r != -EUCLEAN && r != -EKEYREJECTED && r != -EPROTONOSUPPORT)) {
		if (err)
			*err = why;
		return r;
	}
	r = scan_tail(&g, r, why.text, err);
	if (r < 0)
		return r;
	if (g.v.point.end.offset == SEGMENT_HEADER_BYTES)
		l->rewrite_from = 0;
	l->v = g.v;
	return 0;
}

/*
 * Without a known point: the last segment's own header is believed about what came before, because the first
 * commit behind it signs it; so go back to the last segment that has a commit.
 */
static int find_end_by_headers(struct log *l, uint32_t last, struct hf_error *err)
{
	for (uint32_t segment = last;; segment--) {
		uint8_t raw[SEGMENT_HEADER_BYTES];
		uint64_t n_groups;
		int r = segment_read_header(l, segment, raw, err);

		log_verifier_begin(l, &l->v);
		if (r == 0)
			r = segment == 1 ? verifier_segment(&l->v, raw, err) :
					   verifier_enter(&l->v, raw, err);
		if (r == 0 && l->v.point.end.segment != segment)
			r = hf_error_set(err, -EUCLEAN, "its header says that it is segment %" PRIu32,
					 l->v.point.end.segment);
		if (r == -EUCLEAN) {
			struct hf_error why = err ? *err : (struct hf_error)HF_ERROR_INIT;

			return segment_damage(l, (struct log_pos){ segment, 0 }, why.text, err);
		}
		if (r == 0)
			r = walk_to_end(l, last, &n_groups, err);
		if (r < 0 || n_groups || segment == l->first_segment)
			return r;
	}
}

static int check_gaps(const struct log *l, const uint32_t *segments, size_t n, struct hf_error *err)
{
	for (size_t i = 0; i < n; i++) {
		if (segments[i] != l->first_segment + i)
			return hf_error_set(
				err, -EUCLEAN,
				"%s: segment %zu is missing, but %" PRIu32 " is there; nothing was "
				"changed, run `holdfast check --repair` to fetch it from a replica",
				l->dir, l->first_segment + i, segments[i]);
	}
	return 0;
}

int scan_find_end(struct log *l, const struct log_point *known, struct hf_error *err)
{
	CLEANUP(cleanup_free) uint32_t *segments = NULL;
	uint64_t n_groups;
	uint32_t last;
	size_t n;
	int r = segment_list(l, &segments, &n, err);

	if (r < 0)
		return r;
	if (l->damaged_too) {
		l->v.point.end = (struct log_pos){ n ? segments[n - 1] : l->first_segment, LIMIT_OPEN };
		return 0;
	}
	if (n == 0)
		return hf_error_set(err, -ENOENT, "there is no log in %s", l->dir);
	r = scan_without_spares(l, segments, &n, err);
	if (r == 0)
		r = check_gaps(l, segments, n, err);
	if (r < 0)
		return r;
	if (n == 0)
		return hf_error_set(err, -ENOENT, "%s: no log was ever begun there", l->dir);
	last = segments[n - 1];
	if (!known || known->end.segment == 0)
		return find_end_by_headers(l, last, err);
	if (known->end.segment > last)
		return hf_error_set(err, -EUCLEAN,
				    "%s ends with segment %" PRIu32
				    ", but the index was made from segment %" PRIu32
				    " too: something of the log was taken away; nothing was changed, run "
				    "`holdfast check`",
				    l->dir, last, known->end.segment);
	r = check_known(l, known, err);
	return r < 0 ? r : walk_to_end(l, last, &n_groups, err);
}

int scan_end_at(struct log *l, const struct log_point *ends, struct hf_error *err)
{
	CLEANUP(cleanup_free) uint32_t *segments = NULL;
	size_t n;
	int r;

	if (l->damaged_too) {
		l->v.point = *ends;
		return 0;
	}
	r = segment_list(l, &segments, &n, err);
	while (r == 0 && n > 0 && segments[n - 1] > ends->end.segment)
		n--;
	if (r == 0)
		r = check_gaps(l, segments, n, err);
	return r < 0 ? r : check_known(l, ends, err);
}

/* --- ready for writing */

/* The last group (or the header) once more: see the top. */
static int rewrite_last(const struct log *l, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT;
	struct log_pos end = l->v.point.end;
	size_t len = end.offset - l->rewrite_from;
	int r = buf_reserve(&bytes, len);

	if (r == 0)
		r = os_pread_full(l->os, l->cur.fd, bytes.data, len, l->rewrite_from);
	if (r == 0)
		r = os_pwrite_full(l->os, l->cur.fd, bytes.data, len, l->rewrite_from);
	return r < 0 ? segment_io_error(l, r, end.segment, "write the last group again to", err) : 0;
}

/* Is this the header of a frame that an unsealed segment has? Random nonces tell others from a commit. */
static bool is_entry(const struct frame_header *h)
{
	return h->type != FRAME_TABLE &&
	       (h->type == FRAME_COMMIT || h->type == FRAME_PRUNED || !buf_is_zeros(h->nonce, NONCE_BYTES));
}

/*
 * What the open segment has, for its table. Nothing but the table is made of this, and what is damaged was
 * verified and durable once: so a header that cannot be read keeps nobody from writing on, but the table will
 * name no frames then (FORMAT.md §8).
 */
static int load_entries(struct log *l, struct hf_error *err)
{
	CLEANUP(segment_ref_release) struct segment_ref ref = SEGMENT_REF_INIT;
	struct log_pos end = l->v.point.end;
	uint64_t at = SEGMENT_HEADER_BYTES, next = at;
	int r = segment_get(l, end.segment, &ref, err);

	if (r < 0)
		return r;
	for (; r == 0 && next < end.offset; at = next) {
		uint8_t raw[FRAME_HEADER_BYTES];
		struct frame_header h;

		r = segment_read(l, &ref, end.segment, at, raw, sizeof(raw), err);
		if (r == 0)
			r = frame_header_decode(raw, &h, err);
		if (r < 0)
			break;
		next = at + FRAME_HEADER_BYTES + h.body_len;
		if (!is_entry(&h) || next > end.offset) {
			r = -EUCLEAN;
			break;
		}
		r = append_entry(l, h.type == FRAME_PRUNED ? FRAME_DATA : h.type, (uint32_t)(next - at));
	}
	if (r != -EUCLEAN && r != -EPROTONOSUPPORT && r != -EIO)
		return r;
	l->entries_lost = (struct log_pos){ end.segment, (uint32_t)at };
	if (err)
		*err = (struct hf_error)HF_ERROR_INIT;
	return 0;
}

static int cut(struct log *l, struct hf_error *err)
{
	struct log_pos end = l->v.point.end;
	int r = os_set_length(l->os, l->cur.fd, end.offset);

	if (r == 0)
		r = l->os->fsync(l->os->state, l->cur.fd);
	return r < 0 ? segment_io_error(l, r, end.segment, "cut a torn write off", err) : 0;
}

/* What was laid out before this log was opened goes; what is not there, or cannot go, is laid out anew. */
static void remove_spares(const struct log *l)
{
	for (uint32_t segment = l->v.point.end.segment + 1; segment_unlink(l, segment) == 0;)
		segment++;
}

int scan_cut_tail(struct log *l, struct hf_error *err)
{
	struct log_pos end = l->v.point.end;
	int r;

	l->cur.segment = end.segment;
	l->cur.fd = segment_open(l, end.segment, 0);
	if (l->cur.fd < 0)
		return segment_io_error(l, l->cur.fd, end.segment, "open", err);
	l->cur.lay_fd = segment_open(l, end.segment, 0);
	if (l->cur.lay_fd < 0)
		return segment_io_error(l, l->cur.lay_fd, end.segment, "open", err);
	remove_spares(l);
	r = rewrite_last(l, err);
	if (r == 0)
		r = cut(l, err);
	if (r == 0 && !l->v.point.sealed)
		r = load_entries(l, err);
	if (r < 0)
		return r;
	l->cur.allocated = l->cur.zeroed = end.offset;
	if (l->v.point.sealed)
		seg_file_close(l->os, &l->cur);
	return 0;
}

int log_make_sure(struct log *l, struct hf_error *err)
{
	const uint32_t segment = l->v.point.end.segment;
	int r;

	if (!l->read_only) /* done by scan_cut_tail */
		return 0;
	l->cur.fd = segment_open(l, segment, 0);
	if (l->cur.fd < 0)
		return segment_io_error(l, l->cur.fd, segment, "open", err);
	r = rewrite_last(l, err);
	if (r == 0) {
		r = l->os->fdatasync(l->os->state, l->cur.fd);
		if (r < 0)
			(void)segment_io_error(l, r, segment, "sync", err);
	}
	seg_file_close(l->os, &l->cur);
	return r;
}
