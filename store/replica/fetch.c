/* SPDX-License-Identifier: MIT */
#include "store/replica/fetch.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "store/replica/patience.h"
#include "store/replica/prefetch.h"

enum { FETCH_STEP_BYTES = 8 << 20 };

struct fetch {
	struct prefetch peer;
	struct shelf *shelf;
	const struct log_point *head;
	const struct hf_progress *progress;
	struct patience patience;
	struct log_pos at; /* of bytes.data */
	struct buf bytes;  /* got, and not appended yet */
	size_t walked;     /* in bytes: frames up to here are whole */
	size_t groups;     /* in bytes: whole groups (and header) up to here */
	bool sealed;       /* as far as the last of them says: what follows is in the next segment */
};

static void start_at(struct fetch *f, struct log_pos at)
{
	f->at = at;
	buf_clear(&f->bytes);
	f->walked = f->groups = 0;
	f->sealed = false;
}

static bool seals(const uint8_t *commit_frame)
{
	struct commit c;

	return commit_decode(commit_frame + FRAME_HEADER_BYTES, &c, NULL) == 0 && c.flags & COMMIT_SEALS;
}

/* Find where the whole groups end, by frame headers alone; the shelf looks at what is in them. */
static int find_groups(struct fetch *f, struct hf_error *err)
{
	struct frame_header h;

	if (f->at.offset == 0 && f->walked == 0) {
		if (f->bytes.len < SEGMENT_HEADER_BYTES)
			return 0;
		f->walked = SEGMENT_HEADER_BYTES;
	}
	while (f->bytes.len - f->walked >= FRAME_HEADER_BYTES) {
		int r = frame_header_decode(f->bytes.data + f->walked, &h, err);

		if (r < 0)
			return hf_error_prefix(err, r, "segment %" PRIu32 ", offset %zu of the replica",
					       f->at.segment, f->at.offset + f->walked);
		if (f->bytes.len - f->walked - FRAME_HEADER_BYTES < h.body_len)
			break;
		if (h.type == FRAME_COMMIT)
			f->sealed = seals(f->bytes.data + f->walked);
		f->walked += FRAME_HEADER_BYTES + (size_t)h.body_len;
		if (h.type == FRAME_COMMIT)
			f->groups = f->walked;
	}
	return 0;
}

static void tell(const struct fetch *f)
{
	const struct hf_progress *p = f->progress;
	uint64_t nominal = SEGMENT_BYTES_NOMINAL;

	if (p && p->fn) /* segments are about this long; what they really are is known when they are here */
		p->fn(p->arg, "fetch, bytes", (f->at.segment - 1) * nominal + f->at.offset,
		      (f->head->end.segment - 1) * nominal + f->head->end.offset);
}

static int append_groups(struct fetch *f, size_t len, struct hf_error *err)
{
	struct log_point point;
	size_t left = f->bytes.len - len;
	int r = shelf_append(f->shelf, f->at, f->bytes.data, len, &point, err);

	if (r < 0)
		return hf_error_prefix(err, r, "what the replica gave");
	memmove(f->bytes.data, f->bytes.data + len, left);
	f->bytes.len = left;
	f->walked -= len;
	f->groups = 0;
	f->at.offset += (uint32_t)len;
	tell(f);
	return 0;
}

/* While what is here is verified and written, what will be wanted after it comes. */
static void read_ahead(struct fetch *f)
{
	struct log_pos next = { f->at.segment, f->at.offset + (uint32_t)f->bytes.len };

	if (f->sealed)
		next = (struct log_pos){ f->at.segment + 1, 0 };
	if (log_pos_compare(next, f->head->end) < 0)
		prefetch_start(&f->peer, next, FETCH_STEP_BYTES);
}

/* One request, and what can be appended after it. *ret_ended: the segment has no more. */
static int fetch_step(struct fetch *f, bool *ret_ended, struct hf_error *err)
{
	struct log_pos from = { f->at.segment, f->at.offset + (uint32_t)f->bytes.len };
	ssize_t n;
	int r;

	if (f->bytes.len > SEGMENT_BYTES_MAX || from.offset > SEGMENT_BYTES_MAX)
		return hf_error_set(err, -EUCLEAN,
				    "segment %" PRIu32 " of the replica is larger than a segment can be",
				    f->at.segment);
	do /* what was read before the connection was lost is not in f->bytes */
		n = prefetch_read(&f->peer, from, FETCH_STEP_BYTES, &f->bytes, err);
	while (patience_again(&f->patience, n < 0 ? (int)n : 0, err));
	if (n < 0)
		return (int)n;
	*ret_ended = n == 0;
	r = find_groups(f, err);
	if (r < 0)
		return r;
	if (n > 0)
		read_ahead(f);
	if (f->groups > 0)
		return append_groups(f, f->groups, err);
	if (n == 0 && f->at.offset == 0 && f->bytes.len >= SEGMENT_HEADER_BYTES) {
		f->walked = SEGMENT_HEADER_BYTES;
		return append_groups(f, SEGMENT_HEADER_BYTES, err);
	}
	return 0;
}

/* Is the segment that is fetched now here as far as it is wanted? A first group may take many steps. */
static bool segment_done(const struct fetch *f, const struct log_point *here)
{
	if (here->end.segment != f->at.segment)
		return false;
	return here->sealed || log_pos_compare(here->end, f->head->end) >= 0;
}

static int fetch_all(struct fetch *f, struct hf_error *err)
{
	struct log_point here;
	bool ended = false;
	int r;

	for (;;) {
		shelf_position(f->shelf, &here);
		if (log_pos_compare(here.end, f->head->end) >= 0)
			return 0;
		if (here.sealed || ended || here.end.segment == 0) {
			if (f->at.segment > here.end.segment && ended)
				return hf_error_set(err, -EUCLEAN,
						    "the replica says that it reaches to segment %" PRIu32
						    ", offset %" PRIu32
						    ", but gives nothing behind segment %" PRIu32
						    ", offset %" PRIu32,
						    f->head->end.segment, f->head->end.offset,
						    here.end.segment, here.end.offset);
			start_at(f, (struct log_pos){ here.end.segment + 1, 0 });
			ended = false;
		} else if (f->at.segment != here.end.segment) {
			start_at(f, here.end);
		}
		do {
			r = fetch_step(f, &ended, err);
			if (r < 0)
				return r;
			shelf_position(f->shelf, &here);
		} while (!ended && !segment_done(f, &here));
	}
}

int fetch_log(struct peer *peer, const struct log_point *head, struct shelf *shelf,
	      const struct hf_progress *progress, struct hf_error *err)
{
	struct fetch f = { .shelf = shelf,
			   .head = head,
			   .progress = progress,
			   .patience = { .progress = progress, .met = true }, /* it told its head */
			   .bytes = BUF_INIT };
	struct log_point here;
	int r;

	prefetch_init(&f.peer, peer);
	r = fetch_all(&f, err);
	prefetch_release(&f.peer);
	buf_release(&f.bytes);
	if (r < 0)
		return r;
	shelf_position(shelf, &here);
	if (log_pos_compare(here.end, head->end) == 0 && memcmp(here.chain, head->chain, HASH_BYTES) != 0)
		return hf_error_set(
			err, -EEXIST,
			"what was fetched before is not what this replica has: another replica gave it, "
			"or this one was changed. Recover into an empty folder");
	return 0;
}
