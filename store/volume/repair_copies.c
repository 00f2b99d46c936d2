/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/replica/mend.h"
#include "store/volume/repair_internal.h"

/* Where two verified copies of a frame may differ: one has pruned it. */
static bool is_pruned_there(const struct buf *ours, const struct buf *theirs, size_t at, size_t len)
{
	struct frame_header h;

	return frame_header_decode(theirs->data + at, &h, NULL) == 0 && h.type == FRAME_PRUNED &&
	       FRAME_HEADER_BYTES + (size_t)h.body_len == len &&
	       mend_stands_for(theirs->data + at, ours->data + at, len);
}

/* The first offset at which theirs is not ours; theirs->len: nowhere. Both begin with a header. */
static size_t first_difference(const struct buf *ours, const struct buf *theirs, size_t len)
{
	size_t at = SEGMENT_HEADER_BYTES;

	if (len < at || memcmp(ours->data, theirs->data, at) != 0)
		return 0;
	while (len - at >= FRAME_HEADER_BYTES) {
		struct frame_header h;
		size_t frame;

		if (frame_header_decode(ours->data + at, &h, NULL) < 0)
			break;
		frame = FRAME_HEADER_BYTES + (size_t)h.body_len;
		if (frame > len - at)
			break;
		if (memcmp(ours->data + at, theirs->data + at, frame) != 0 &&
		    !is_pruned_there(ours, theirs, at, frame))
			return at;
		at += frame;
	}
	return memcmp(ours->data + at, theirs->data + at, len - at) == 0 ? len : at;
}

/*
 * How far both are to be the same: a copy may be behind, in its last segment, though not behind the receipt
 * that is kept of it.
 */
static size_t common_bytes(const struct repair *p, const struct known *receipt, uint32_t segment,
			   uint32_t their_last, const struct buf *ours, const struct buf *theirs)
{
	size_t len = ours->len, had = 0;

	if (segment == p->end.end.segment && p->end.end.offset < len)
		len = p->end.end.offset;
	if (receipt->n && receipt->all[0].point.end.segment == segment)
		had = receipt->all[0].point.end.offset;
	if (segment != their_last || theirs->len >= len || had > len)
		return len;
	return theirs->len > had ? theirs->len : had;
}

static void heal_copy(struct repair *p, const struct copy *copy, uint32_t segment)
{
	CLEANUP(grants_release) struct grants grants = { 0 };
	struct known known = { .n = 0 };
	struct copies from;
	struct mend mend = { .os = p->os,
			     .dir = copy->dir,
			     .volume_id = p->descriptor.volume_id,
			     .grants = &grants,
			     .known = known.all,
			     .offer = copies_offer,
			     .arg = &from };
	struct hf_error why = HF_ERROR_INIT;
	struct mended did;
	char words[300];
	int r;

	known_add_receipt(&known, p->os, p->path, copy->name);
	mend.n_known = known.n;
	copies_init(&from, p->os);
	r = copies_add_folder(&from, "this store", p->path);
	if (r == 0)
		r = grants_load(p->os, copy->dir, p->descriptor.volume_id, &grants, &why);
	if (r == 0)
		r = mend_segment(&mend, segment, &did, &why);
	copies_release(&from);
	if (r < 0) {
		repair_say(p, false, "replica %s, segment %" PRIu32 ": not healed: %s", copy->name, segment,
			   why.code ? why.text : hf_strerror(r));
		return;
	}
	if (r == 0) {
		repair_say(p, false,
			   "replica %s, segment %" PRIu32
			   ": not healed: nothing in it, nor the receipt kept of it, says that it should be "
			   "otherwise. Its last group is damaged, or it is of another history",
			   copy->name, segment);
		return;
	}
	p->sum->faults--; /* the one that was just told */
	(void)snprintf(words, sizeof(words),
		       "healed: replica %s, segment %" PRIu32 ", %" PRIu64 " bytes, from this store",
		       copy->name, segment, did.bytes);
	if (p->o->healed)
		p->o->healed(p->o->arg, words);
}

static void judge_copy(struct repair *p, const struct copy *copy, uint32_t segment, bool is_last)
{
	if (!p->o->repair)
		return;
	if (copy->kind == COPY_NODE)
		repair_say_found(
			p,
			"a node is healed on the node alone: holdfast node check DIR --repair --from FOLDER");
	else if (is_last && p->store)
		repair_say_found(p, "its last segment is being written to: unmount, then say this again");
	else
		heal_copy(p, copy, segment);
}

/* One segment of a copy against ours. False: it has no more. */
static bool compare_segment(struct repair *p, const struct copy *copy, const struct known *receipt,
			    uint32_t segment, uint32_t their_last)
{
	CLEANUP(buf_release) struct buf ours = BUF_INIT, theirs = BUF_INIT;
	struct copy own = { .kind = COPY_FOLDER, .dir = (char *)(uintptr_t)p->path };
	struct hf_error why = HF_ERROR_INIT;
	size_t len, same;
	int r = copies_read_segment(&p->copies, &own, segment, &ours, &why);

	if (r < 0) {
		repair_say(p, true, "%s", why.text);
		return true;
	}
	r = copies_read_segment(&p->copies, copy, segment, &theirs, &why);
	if (r == -ENOENT && copy->kind == COPY_NODE)
		return false;
	if (r < 0) {
		repair_say(p, true, "replica %s, segment %" PRIu32 ": %s", copy->name, segment, why.text);
		if (r == -ENOENT || r == -EUCLEAN)
			judge_copy(p, copy, segment, segment >= their_last);
		return r == -ENOENT || r == -EUCLEAN;
	}
	p->sum->copies_bytes += theirs.len;
	len = common_bytes(p, receipt, segment, their_last, &ours, &theirs);
	same = theirs.len < len ? theirs.len : first_difference(&ours, &theirs, len);
	if (same == len)
		return true;
	repair_say(p, true, "replica %s, segment %" PRIu32 ", offset %zu: other bytes than the log has",
		   copy->name, segment, same);
	judge_copy(p, copy, segment, segment >= their_last);
	return true;
}

static void note_segment(void *arg, const char *name)
{
	uint32_t *last = arg, segment;

	if (segment_file_number(name, &segment) && segment > *last)
		*last = segment;
}

int repair_last_segment(struct repair *p, const char *dir, uint32_t *ret, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf log_dir = BUF_INIT;
	int r;

	*ret = 0;
	if (!os_join(&log_dir, dir, "log"))
		return hf_error_set(err, -ENOMEM, "no memory");
	r = p->os->list(p->os->state, (const char *)log_dir.data, note_segment, ret);
	if (r == -ENOENT)
		return 0;
	return r < 0 ? hf_error_set(err, r, "cannot read the folder %s: %s", (const char *)log_dir.data,
				    hf_strerror(r)) :
		       0;
}

static int last_segment_of(struct repair *p, const struct copy *copy, uint32_t *ret, struct hf_error *err)
{
	struct receipt receipt;
	int r;

	if (copy->kind != COPY_NODE)
		return repair_last_segment(p, copy->dir, ret, err);
	r = peer_position(copy->peer, &receipt, err);
	if (r == 0)
		*ret = receipt.point.end.segment;
	return r;
}

static void bucket_found(void *arg, const char *what)
{
	repair_say(arg, true, "%s", what);
}

static void bucket_healed(void *arg, const char *what)
{
	struct repair *p = arg;

	p->sum->faults--;
	if (p->o->healed)
		p->o->healed(p->o->arg, what);
}

static int compare_bucket(struct repair *p, const struct copy *copy, struct hf_error *err)
{
	const struct peer_compare with = { .log_dir = p->log_dir,
					   .end = p->end.end,
					   .heal = p->o->repair,
					   .found = bucket_found,
					   .healed = bucket_healed,
					   .arg = p,
					   .bytes = &p->sum->copies_bytes };

	return peer_compare(copy->peer, &with, err);
}

void repair_compare_copy(struct repair *p, const struct copy *copy)
{
	struct hf_error why = HF_ERROR_INIT;
	struct known receipt = { .n = 0 };
	uint32_t last = 0, until;
	int r = copy->kind == COPY_BUCKET ? compare_bucket(p, copy, &why) :
					    last_segment_of(p, copy, &last, &why);

	if (r < 0) {
		repair_say(p, true, "replica %s was not read back: %s", copy->name,
			   why.code ? why.text : hf_strerror(r));
		return;
	}
	if (copy->kind == COPY_FOLDER) /* what a node has not it has again when it is sent it */
		known_add_receipt(&receipt, p->os, p->path, copy->name);
	until = receipt.n && receipt.all[0].point.end.segment > last ? receipt.all[0].point.end.segment :
								       last;
	if (until > p->end.end.segment)
		until = p->end.end.segment;
	/* From the last backward, as a log is healed; but how much a node has it may not tell. */
	for (uint32_t i = 1; i <= until; i++) {
		const uint32_t n = copy->kind == COPY_FOLDER ? until - i + 1 : i;

		if (p->o->progress.fn)
			p->o->progress.fn(p->o->progress.arg, "reading replicas back, segments", i - 1,
					  until);
		if (!compare_segment(p, copy, &receipt, n, last))
			break;
	}
	p->sum->copies++;
}
