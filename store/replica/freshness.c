/* SPDX-License-Identifier: MIT */
#include "store/replica/freshness.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "holdfast/moment.h"
#include "store/replica/trail.h"
#include "store/volume/kit.h"

enum { HEADS_MAX = 4096, MOMENT_BYTES = 64 };

static int check_volume(const struct head *h, const uint8_t volume_id[VOLUME_ID_BYTES], struct hf_error *err)
{
	char theirs[HF_VOLUME_ID_TEXT_BYTES], ours[HF_VOLUME_ID_TEXT_BYTES];

	if (memcmp(h->volume_id, volume_id, VOLUME_ID_BYTES) == 0)
		return 0;
	volume_id_text(h->volume_id, theirs);
	volume_id_text(volume_id, ours);
	return hf_error_set(err, -EKEYREJECTED, "the saved head is of volume %s, and not of volume %s",
			    theirs, ours);
}

static int add_head(struct freshness *f, const char *line, size_t len,
		    const uint8_t volume_id[VOLUME_ID_BYTES], struct hf_error *err)
{
	struct head h, *more;
	int r = head_line_decode(line, len, &h, err);

	if (r == 0)
		r = check_volume(&h, volume_id, err);
	if (r < 0)
		return r;
	if (f->n == HEADS_MAX)
		return hf_error_set(err, -EINVAL, "more than %d saved heads", HEADS_MAX);
	more = realloc(f->heads, (f->n + 1) * sizeof(*more));
	if (!more)
		return hf_error_set(err, -ENOMEM, "no memory");
	f->heads = more;
	f->heads[f->n++] = h;
	return 0;
}

/* A text is a head, or a file in which heads are kept, among other things perhaps. */
static int add_text(struct freshness *f, const char *text, const uint8_t volume_id[VOLUME_ID_BYTES],
		    struct hf_error *err)
{
	const char *end = text + strlen(text), *line = text;
	size_t len = strlen(text);
	int r;

	if (!head_find(text, len, &len))
		return add_head(f, text, strlen(text), volume_id, err); /* which says what is missing */
	while ((line = head_find(line, (size_t)(end - line), &len))) {
		r = add_head(f, line, len, volume_id, err);
		if (r < 0)
			return r;
		line += len;
	}
	return 0;
}

int freshness_begin(struct freshness *f, const struct hf_heads *given,
		    const uint8_t volume_id[VOLUME_ID_BYTES], struct hf_error *err)
{
	int r = 0;

	memset(f, 0, sizeof(*f));
	f->verdict = HF_FRESHNESS_UNPROVEN;
	if (!given)
		return 0;
	f->accept_stale = given->accept_stale;
	for (size_t i = 0; r == 0 && i < given->n; i++)
		r = add_text(f, given->texts[i], volume_id, err);
	return r;
}

void freshness_release(struct freshness *f)
{
	free(f->heads);
	f->heads = NULL;
	f->n = 0;
}

static struct log_point point_of(const struct head *h)
{
	struct log_point p = {
		.end = { h->segment, h->offset + COMMIT_FRAME_BYTES },
		.commit = h->commit.number,
		.tid = h->commit.tid,
		.time_ns = h->commit.time_ns,
		.epoch = h->commit.epoch,
	};

	memcpy(p.chain, h->commit.chain, HASH_BYTES);
	return p;
}

/* A head is not there. Refused, or, if that is accepted, remembered. */
static int missing(struct freshness *f, const struct log_point *p, int code, const char *why,
		   struct hf_error *err)
{
	char moment[MOMENT_BYTES], words[HF_ERROR_TEXT_BYTES];

	(void)snprintf(words, sizeof(words),
		       "the saved head of %s (commit %" PRIu64 ", tid-%" PRIu64
		       ") is not in this replica's log: %s",
		       hf_moment_format(p->time_ns, moment, sizeof(moment)), p->commit, p->tid, why);
	if (!f->accept_stale)
		return hf_error_set(
			err, code,
			"%s. Recover from another replica, into a new folder; or take what this one "
			"has, with --accept-stale",
			words);
	if (f->verdict != HF_FRESHNESS_STALE)
		memcpy(f->stale, words, sizeof(f->stale));
	f->verdict = HF_FRESHNESS_STALE;
	return 0;
}

static int too_short(struct freshness *f, const struct log_point *p, const struct log_point *end,
		     struct hf_error *err)
{
	char why[200];

	(void)snprintf(why, sizeof(why),
		       "that ends at commit %" PRIu64 ", tid-%" PRIu64
		       ", so it is an older state, cut back or never brought up to date",
		       end->commit, end->tid);
	return missing(f, p, -ENODATA, why, err);
}

int freshness_reaches(struct freshness *f, const struct log_point *end, struct hf_error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < f->n && end->end.segment; i++) {
		struct log_point p = point_of(&f->heads[i]);

		if (log_pos_compare(p.end, end->end) > 0)
			r = too_short(f, &p, end, err);
	}
	return r;
}

/* By the certificate of its epoch, if the log has that: a head of a later epoch can be matched only. */
static int check_writer(const struct head *h, const struct os *os, const char *log_dir,
			const struct log_point *end, struct hf_error *err)
{
	uint32_t segment = h->segment < end->end.segment ? h->segment : end->end.segment;
	char moment[MOMENT_BYTES];
	struct segment_header s;
	int r = trail_header(os, log_dir, segment, &s, err);

	if (r < 0)
		return r;
	if (s.epoch != h->commit.epoch || head_check_signature(h, &s.cert) == 0)
		return 0;
	return hf_error_set(err, -EKEYREJECTED,
			    "the saved head of %s is not signed by the writer of epoch %" PRIu32
			    " of this volume: somebody made it up, or changed it. Leave it out",
			    hf_moment_format(h->commit.time_ns, moment, sizeof(moment)), h->commit.epoch);
}

static int judge_head(struct freshness *f, const struct head *h, const struct os *os, const char *log_dir,
		      const struct log_point *end, struct hf_error *err)
{
	struct log_point p = point_of(h);
	int r = check_writer(h, os, log_dir, end, err);

	if (r < 0)
		return r;
	if (log_pos_compare(p.end, end->end) > 0)
		return too_short(f, &p, end, err);
	r = trail_has(os, log_dir, &p, end, NULL);
	if (r < 0)
		return hf_error_set(err, r, "cannot look for a saved head in %s: %s", log_dir, strerror(-r));
	if (r == 0)
		return missing(
			f, &p, -EEXIST,
			"something else is where it was, so it is another history, a fork of the one that "
			"the head was taken of",
			err);
	if (f->verdict == HF_FRESHNESS_UNPROVEN)
		f->verdict = HF_FRESHNESS_PROVEN;
	if (p.time_ns > f->time_ns)
		f->time_ns = p.time_ns;
	return 0;
}

int freshness_judge(struct freshness *f, const struct os *os, const char *log_dir,
		    const struct log_point *end, struct hf_error *err)
{
	int r = 0;

	f->verdict = HF_FRESHNESS_UNPROVEN;
	f->time_ns = 0;
	f->stale[0] = 0;
	for (size_t i = 0; r == 0 && i < f->n; i++)
		r = judge_head(f, &f->heads[i], os, log_dir, end, err);
	return r;
}
