/* SPDX-License-Identifier: MIT */
/*
 * Verifying every byte. Where a group does not verify, its damaged frames are told, and the walk goes on
 * behind the next commit that is signed for its place; where there is none, or a header is damaged, with the
 * next segment, which is entered by its own header. So one bad place hides little, and nothing beyond its
 * segment.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/log/log_internal.h"

enum { MISSING_NOTED_MAX = 1024 };

struct check {
	const struct log *l;
	const struct log_check *to;
	long faults;
	struct verifier v;
	/* v is behind everything of the segment before; else the next is entered by its header. */
	bool linked;
	/* The segment before ends like this: a fault, unless the next begins a new epoch there. */
	char open_end[HF_ERROR_TEXT_BYTES];
	struct log_pos open_at;
	struct log_pos end; /* of the log; offset LIMIT_OPEN: not known */
	struct log_pos last_bad;
	struct frame_batch batch;
	struct table_entry *entries; /* of this segment so far */
	size_t n_entries, cap_entries;
	bool entries_lost; /* some frames could not be told apart: the table cannot be compared */
	bool no_memory;
};

static void check_release(struct check *c)
{
	frame_batch_release(&c->batch);
	free(c->entries);
}

static void found(struct check *c, const char *text)
{
	c->faults++;
	if (c->to->found)
		c->to->found(c->to->arg, text);
}

/* A fault, and where it is. */
static void found_at(struct check *c, struct log_pos pos, const char *what)
{
	char text[HF_ERROR_TEXT_BYTES + 64];

	(void)snprintf(text, sizeof(text), "segment %" PRIu32 ", offset %" PRIu32 ": %s", pos.segment,
		       pos.offset, what);
	c->last_bad = pos;
	if (c->to->bad)
		c->to->bad(c->to->arg, pos, what);
	found(c, text);
}

/* --- what is known of it from elsewhere */

/*
 * What somebody put there under a high number has many missing below it: so many are noted as damage. The
 * last: from them on it is healed.
 */
static void note_missing(const struct check *c, uint64_t first, uint64_t last)
{
	uint64_t from = last - first < MISSING_NOTED_MAX ? first : last - MISSING_NOTED_MAX + 1;

	for (uint64_t k = from; c->to->bad && first <= last && k <= last; k++)
		c->to->bad(c->to->arg, (struct log_pos){ (uint32_t)k, 0 }, "the segment is missing");
}

static void found_unlike(struct check *c, struct log_pos pos, const char *is, const struct log_known *k)
{
	char what[sizeof(k->who) + 120];

	(void)snprintf(what, sizeof(what), "%s, but %s up to segment %" PRIu32 ", offset %" PRIu32, is,
		       k->who, k->point.end.segment, k->point.end.offset);
	found_at(c, pos, what);
}

/* Behind a group that began at `from`: a point that is known to be there is this one. */
static void check_known(struct check *c, uint32_t from, const struct log_point *p)
{
	for (size_t i = 0; i < c->to->n_known; i++) {
		const struct log_known *k = &c->to->known[i];
		const struct log_pos *at = &k->point.end;

		if (at->segment != p->end.segment || at->offset <= from || at->offset > p->end.offset ||
		    (at->offset == p->end.offset && memcmp(k->point.chain, p->chain, HASH_BYTES) == 0))
			continue;
		found_unlike(c, (struct log_pos){ at->segment, from }, "the log is another from here on", k);
		return;
	}
}

/* Of a segment that is not the last: is it as long as is known? */
static void check_length(struct check *c, uint32_t segment)
{
	for (size_t i = 0; i < c->to->n_known; i++) {
		const struct log_known *k = &c->to->known[i];

		if (k->point.end.segment != segment || k->point.end.offset <= c->v.point.end.offset)
			continue;
		found_unlike(c, c->v.point.end, "the segment ends here", k);
		c->open_end[0] = 0; /* said */
		c->linked = false;
		return;
	}
}

/* When all has been looked at: does the log get as far as is known? */
static void check_reach(struct check *c)
{
	const struct log_known *far = NULL;
	struct log_pos end = c->v.point.end;

	for (size_t i = 0; i < c->to->n_known; i++)
		if (!far || log_pos_compare(c->to->known[i].point.end, far->point.end) > 0)
			far = &c->to->known[i];
	if (!far)
		return;
	if (far->point.end.segment > c->end.segment) {
		found_unlike(c, (struct log_pos){ c->end.segment + 1, 0 }, "the log goes no further", far);
		note_missing(c, c->end.segment + 2, far->point.end.segment);
	} else if (c->linked && log_pos_compare(end, far->point.end) < 0 &&
		   log_pos_compare(end, c->last_bad) != 0) {
		found_unlike(c, end, "the log ends here", far);
	}
}

/* --- frames of a group */

static void take_frame(void *arg, struct log_pos pos, const struct frame_header *h, const uint8_t *body)
{
	struct check *c = arg;

	frame_batch_add(&c->batch, pos, h, body);
}

static void remember_entry(struct check *c, const struct frame_header *h)
{
	if (c->n_entries == c->cap_entries) {
		size_t cap = c->cap_entries ? 2 * c->cap_entries : 1024;
		struct table_entry *entries = realloc(c->entries, cap * sizeof(*entries));

		if (!entries) {
			c->no_memory = true;
			return;
		}
		c->entries = entries;
		c->cap_entries = cap;
	}
	c->entries[c->n_entries++] =
		(struct table_entry){ .type = h->type == FRAME_PRUNED ? FRAME_DATA : h->type,
				      .len = FRAME_HEADER_BYTES + h->body_len };
}

static void check_table(struct check *c, const struct frame_batch_item *item)
{
	CLEANUP(cleanup_free) struct table_entry *table = NULL;
	struct hf_error why = HF_ERROR_INIT;
	size_t n = 0;
	bool same;
	int r = table_decode(item->plain.data, item->plain.len, &table, &n, &why);

	if (r == -ENOMEM) {
		c->no_memory = true;
		return;
	}
	if (r < 0) {
		found_at(c, item->pos, why.code ? why.text : hf_strerror(r));
		return;
	}
	if (n == 0) /* its writer could not tell */
		return;
	same = n == c->n_entries || c->entries_lost;
	for (size_t i = 0; same && !c->entries_lost && i < n; i++)
		same = table[i].type == c->entries[i].type && table[i].len == c->entries[i].len;
	if (!same)
		found_at(c, item->pos, "the frame table does not name the frames that are there");
}

/* A group has verified: open all of it. Without memory for one frame, what the others are is not known. */
static void check_frames(struct check *c)
{
	frame_batch_open(&c->batch, true);
	c->no_memory |= c->batch.failed;
	for (size_t i = 0; !c->no_memory && i < c->batch.n; i++) {
		const struct frame_batch_item *item = &c->batch.items[i];
		uint8_t type = item->header.type;

		if (item->result == -ENOMEM)
			c->no_memory = true;
		else if (item->result < 0)
			found_at(c, item->pos, item->err.text);
		else if (type == FRAME_TABLE)
			check_table(c, item);
		else if (type != FRAME_COMMIT && c->to->frame)
			c->to->frame(c->to->arg, item->pos, type,
				     (struct span){ item->plain.data, item->plain.len });
		remember_entry(c, &item->header);
	}
}

/* --- a segment */

/*
 * The header could not be linked to what came before, for `why`. Tell it, and enter the segment by what its
 * header says. 0, or 1: there is no going on in this segment.
 */
static int enter_anew(struct check *c, uint32_t segment, const uint8_t raw[SEGMENT_HEADER_BYTES],
		      bool is_fault, const char *why)
{
	struct hf_error own = HF_ERROR_INIT;
	struct verifier v;
	int r;

	log_verifier_begin(c->l, &v);
	r = verifier_enter(&v, raw, &own);
	if (r == 0 && v.point.end.segment != segment)
		r = hf_error_set(&own, -EUCLEAN, "its header says that it is segment %" PRIu32,
				 v.point.end.segment);
	if (c->open_end[0]) /* nobody took over there */
		found_at(c, c->open_at, c->open_end);
	if (r < 0 || (is_fault && !c->open_end[0]))
		found_at(c, (struct log_pos){ segment, 0 }, r < 0 && own.code ? own.text : why);
	c->open_end[0] = 0;
	if (r < 0)
		return 1;
	c->v = v;
	return 0;
}

/* Its header: 0, 1 (a fault was told, and there is no going on in this segment), or negative. */
static int check_header(struct check *c, uint32_t segment, struct hf_error *err)
{
	uint8_t raw[SEGMENT_HEADER_BYTES] = { 0 };
	struct hf_error why = HF_ERROR_INIT;
	int r = segment_read_header(c->l, segment, raw, &why);

	if (r < 0 && r != -EUCLEAN && r != -EIO) {
		if (err)
			*err = why;
		return r;
	}
	if (r < 0 || !c->linked)
		return enter_anew(c, segment, raw, r < 0, why.text);
	if (verifier_segment(&c->v, raw, &why) < 0)
		return enter_anew(c, segment, raw, true, why.text);
	c->open_end[0] = 0;
	return 0;
}

/* The walk stopped with r in front of `size`. */
static int check_stop(struct check *c, const struct groups *g, int r, const struct hf_error *why,
		      struct hf_error *err)
{
	const struct log_point *p = &g->v.point;
	const char *words = r ? why->text : "the segment ends in the middle of a group";
	struct hf_error tail = HF_ERROR_INIT;
	bool last = p->end.segment == c->end.segment;

	if (last && c->end.offset == LIMIT_OPEN) {
		r = scan_tail(g, r, words, &tail);
		if (r < 0 && r != -EUCLEAN && r != -EPROTONOSUPPORT)
			return hf_error_set(err, r, "%s", tail.text);
		if (r < 0)
			found_at(c, p->end, words);
		return 0;
	}
	if (last || p->sealed) {
		found_at(c, p->end, words);
		return 0;
	}
	(void)snprintf(c->open_end, sizeof(c->open_end), "%s", words);
	c->open_at = p->end;
	return 0;
}

/* --- behind a fault */

/* Does another epoch begin at this very place? Then what follows here counts for nothing. */
static bool is_taken_over(const struct check *c, const struct groups *g)
{
	const struct log_point *p = &g->v.point;
	uint8_t raw[SEGMENT_HEADER_BYTES];
	struct segment_header h;

	return segment_read_header(c->l, p->end.segment + 1, raw, NULL) == 0 &&
	       segment_header_decode(raw, sizeof(raw), &h, NULL) == 0 && h.epoch == p->epoch + 1 &&
	       memcmp(h.prev_chain, p->chain, HASH_BYTES) == 0;
}

/* Is it damage that the walk has met, and not an end? 1, 0, negative. */
static int is_damage(const struct check *c, const struct groups *g, int r, const struct hf_error *why,
		     struct hf_error *err)
{
	const struct log_point *p = &g->v.point;
	struct hf_error tail = HF_ERROR_INIT;

	if (p->sealed || p->end.offset >= g->size || r == -EIO)
		return 0;
	if (p->end.segment != c->end.segment)
		return !is_taken_over(c, g);
	if (c->end.offset != LIMIT_OPEN)
		return 1;
	r = scan_tail(g, r, r ? why->text : "the segment ends in the middle of a group", &tail);
	if (r < 0 && r != -EUCLEAN && r != -EPROTONOSUPPORT)
		return hf_error_set(err, r, "%s", tail.text);
	return r < 0;
}

static void tell_bad(void *arg, struct log_pos pos, const char *what)
{
	found_at(arg, pos, what);
}

static void note_frame(void *arg, const struct frame_header *h)
{
	remember_entry(arg, h);
}

/*
 * The walk has met what does not verify. 1: the frames that are damaged have been told, and g is behind the
 * next commit that is signed for its place; 0: there is none.
 */
static int go_on_behind(struct check *c, struct groups *g, int stopped, const struct hf_error *why,
			struct hf_error *err)
{
	const struct damage_listener to = { note_frame, tell_bad, c };
	const struct frame_header commit_frame = { .type = FRAME_COMMIT, .body_len = COMMIT_BODY_BYTES };
	struct commit commit;
	bool lost;
	uint64_t at;
	int r = is_damage(c, g, stopped, why, err), n;

	if (r == 1)
		r = scan_next_commit(g, g->v.point.end.offset, &at, &commit, err);
	if (r != 1)
		return r;
	n = damage_find(g, at, &to, &lost, err);
	if (n < 0)
		return n;
	if (n == 0)
		found_at(c, g->v.point.end,
			 stopped ? why->text : "the group is not the one that its commit is of");
	c->entries_lost |= lost;
	remember_entry(c, &commit_frame);
	groups_skip_to(g, at, &commit);
	return 1;
}

static int check_groups(struct check *c, const struct log_progress *progress, uint64_t done, uint64_t total,
			struct hf_error *err)
{
	CLEANUP(groups_release) struct groups g = GROUPS_INIT;
	struct verifier_frames frames = { .fn = take_frame, .arg = c };
	struct hf_error why = HF_ERROR_INIT;
	int r = groups_begin(&g, c->l, &c->v, c->end, err);

	if (r < 0)
		return r;
	c->n_entries = 0;
	c->entries_lost = false;
	for (;;) {
		uint32_t before = g.v.point.end.offset;

		frame_batch_clear(&c->batch);
		why = (struct hf_error)HF_ERROR_INIT;
		r = groups_next_here(&g, &frames, &why);
		if (r == 1) {
			check_known(c, before, &g.v.point);
			check_frames(c);
		} else {
			int on = go_on_behind(c, &g, r, &why, err);

			if (on < 0)
				return on;
			if (on == 0)
				break;
		}
		if (c->no_memory)
			return hf_error_set(err, -ENOMEM, "no memory to check a group of the log");
		if (progress && progress->fn)
			progress->fn(progress->arg, "checking the log, bytes", done + g.v.point.end.offset,
				     total);
		if (c->to->go_on && !c->to->go_on(c->to->arg, g.v.point.end.offset - before))
			return hf_error_set(err, -ECANCELED, "the check was ended");
	}
	if (r == -EIO) {
		found_at(c, g.v.point.end, why.text);
		c->linked = false;
		return 0;
	}
	if (r < 0 && r != -EUCLEAN && r != -EKEYREJECTED && r != -EPROTONOSUPPORT)
		return hf_error_set(err, r, "%s", why.text);
	c->v = g.v;
	c->linked = true;
	return g.v.point.end.offset < g.size ? check_stop(c, &g, r, &why, err) : 0;
}

/* --- all of them */

/* All are told of in one. */
static void found_missing(struct check *c, uint32_t first, uint32_t last)
{
	char text[64];

	note_missing(c, first, last);
	if (first == last)
		(void)snprintf(text, sizeof(text), "segment %" PRIu32 " is missing", first);
	else
		(void)snprintf(text, sizeof(text), "segments %" PRIu32 " to %" PRIu32 " are missing", first,
			       last);
	found(c, text);
	c->linked = false;
	c->open_end[0] = 0;
}

static int check_all(struct check *c, const uint32_t *segments, size_t n, const struct log_progress *progress,
		     struct hf_error *err)
{
	uint64_t total = (uint64_t)n * c->l->segment_bytes;
	size_t i = 0;

	for (uint64_t number = c->l->first_segment; number <= c->end.segment; number++) {
		const uint32_t segment = (uint32_t)number;
		int r;

		while (i < n && segments[i] < segment)
			i++;
		if (i == n || segments[i] != segment) {
			number = i < n && segments[i] <= c->end.segment ? segments[i] - 1 : c->end.segment;
			found_missing(c, segment, (uint32_t)number);
			continue;
		}
		r = check_header(c, segment, err);
		if (r == 0)
			r = check_groups(c, progress, (uint64_t)i * c->l->segment_bytes, total, err);
		else if (r == 1)
			c->linked = false;
		if (r == 0 && c->linked && segment != c->end.segment)
			check_length(c, segment);
		if (r < 0)
			return r;
	}
	return 0;
}

/* What is read of it comes from the disk, and not from what the system remembers of it. */
static void forget_file(const struct check *c, uint32_t segment)
{
	CLEANUP(segment_ref_release) struct segment_ref ref = SEGMENT_REF_INIT;
	const struct os *os = c->l->os;
	uint64_t size;

	if (os->forget && segment_get(c->l, segment, &ref, NULL) == 0 &&
	    segment_size(c->l, &ref, segment, &size, NULL) == 0)
		os->forget(os->state, ref.fd, 0, size);
}

/* Whether it follows the one before is for who reads them in a row. */
static int check_one(struct check *c, uint32_t segment, struct hf_error *err)
{
	int r;

	c->linked = false;
	forget_file(c, segment);
	r = check_header(c, segment, err);
	if (r == 0)
		r = check_groups(c, NULL, 0, 0, err);
	forget_file(c, segment);
	if (r == 0 && c->open_end[0] && check_header(c, segment + 1, NULL) < 0)
		found_at(c, c->open_at, c->open_end);
	return r < 0 ? r : 0;
}

/* Where a log that may be damaged ends: with its last file that is not a spare. */
static int find_last(struct check *c, const uint32_t *segments, size_t n, struct hf_error *err)
{
	size_t without = n;
	int r = scan_without_spares(c->l, segments, &without, err);

	if (r < 0 && r != -EPROTONOSUPPORT)
		return r;
	c->end = (struct log_pos){ segments[without ? without - 1 : 0], LIMIT_OPEN };
	return 0;
}

long log_verify(const struct log *l, const struct log_check *check, const struct log_progress *progress,
		struct hf_error *err)
{
	CLEANUP(check_release)
	struct check c = { .l = l, .to = check, .linked = true, .batch = FRAME_BATCH_INIT };
	CLEANUP(cleanup_free) uint32_t *segments = NULL;
	size_t n;
	int r;

	c.end = log_durable_end(l); /* before listing: what is durable then is listed */
	r = segment_list(l, &segments, &n, err);
	if (r < 0)
		return r;
	c.batch.l = l;
	c.batch.alone = check->alone;
	log_verifier_begin(l, &c.v);
	if (l->damaged_too && c.end.offset == LIMIT_OPEN && n)
		r = find_last(&c, segments, n, err);
	if (r == 0)
		r = check->only ? check_one(&c, check->only, err) : check_all(&c, segments, n, progress, err);
	if (r == 0 && !check->only)
		check_reach(&c);
	return r < 0 ? r : c.faults;
}
