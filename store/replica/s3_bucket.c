/* SPDX-License-Identifier: MIT */
#include "store/replica/s3_bucket.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "store/replica/trail.h"

/* --- receipts: nobody signs them, so they say no more than what was seen (PROTOCOL.md §11.4) */

static int fill_receipt(struct bucket *b, struct receipt *ret, struct hf_error *err)
{
	int r = 0;

	memset(ret, 0, sizeof(*ret));
	memcpy(ret->volume_id, b->volume_id, VOLUME_ID_BYTES);
	ret->node_time_ns = b->os->now_ns(b->os->state);
	if (b->end.segment)
		r = trail_point(b->os, b->log_dir, b->end, &ret->point);
	ret->enrolled_epoch = ret->point.epoch;
	return r < 0 ? hf_error_set(err, r, "cannot read segment %" PRIu32 " in %s: %s", b->end.segment,
				    b->log_dir, strerror(-r)) :
		       0;
}

static int bucket_position(struct peer *p, struct receipt *ret, struct hf_error *err)
{
	struct bucket *b = (struct bucket *)p;
	int r;

	if (!b->log)
		return s3_fetch_position(b, ret, err);
	r = s3_survey(b, err);
	return r < 0 ? r : fill_receipt(b, ret, err);
}

/* --- putting */

/*
 * Something lies where ours belongs. 0: it is the same bytes. 1: bytes that nobody signed, over which ours
 * may be put. -ERANGE: our log, cut otherwise. -EEXIST: another history.
 */
static int compare_there(struct bucket *b, struct log_pos at, const char *key, const void *data, size_t len,
			 struct hf_error *err)
{
	CLEANUP(buf_release) struct buf there = BUF_INIT;
	size_t common;
	int r = s3_get(b->s3, key, NULL, 0, &there, err);

	if (r == -EPROTO && s3_place_of(b->s3)->versions)
		return 1; /* what cannot be read back is nobody's log: sealed by somebody, or too long */
	if (r < 0)
		return r == -ENODATA ? hf_error_set(err, -EBUSY, "%s: the object %s comes and goes",
						    s3_words(b->s3), key) :
				       r;
	common = there.len < len ? there.len : len;
	if (memcmp(there.data, data, common) == 0) {
		if (there.len == len)
			return 0;
		r = there.len > SEGMENT_BYTES_MAX - at.offset ?
			    0 :
			    s3_survey_ends_at(b,
					      (struct log_pos){ at.segment, at.offset + (uint32_t)there.len },
					      err);
		if (r != 0)
			return r < 0 ? r : hf_error_set(err, -ERANGE, "an earlier put is there");
	}
	r = s3_survey_judge(b, at, &there, err);
	return r < 0 ? r : 1;
}

static int refuse_to_overwrite(struct bucket *b, const char *key, struct hf_error *err)
{
	return hf_error_set(
		err, -EEXIST,
		"%s: other bytes than this store's, which nobody signed, are in %s, and the bucket keeps "
		"no versions: look at it before anything else",
		s3_words(b->s3), key);
}

/* A server that neither looks whether there is something nor keeps what was there: look ourselves. */
static int look_first(struct bucket *b, const char *key, struct hf_error *err)
{
	const struct s3_place *p = s3_place_of(b->s3);
	CLEANUP(s3_answer_release) struct s3_answer a = S3_ANSWER_INIT;
	int r;

	if (p->first_wins || p->versions)
		return 0;
	r = s3_head(b->s3, key, &a, err);
	return r == -ENODATA ? 0 : r < 0 ? r : -EEXIST;
}

static int put(struct bucket *b, struct log_pos at, const char *key, const void *data, size_t len,
	       struct hf_error *err)
{
	CLEANUP(s3_answer_release) struct s3_answer a = S3_ANSWER_INIT;
	int r = look_first(b, key, err);

	if (r == 0)
		r = s3_put(b->s3, key, data, len, false, &a, err);
	if (r == -EEXIST) {
		r = compare_there(b, at, key, data, len, err);
		if (r == 1)
			r = s3_place_of(b->s3)->versions ? s3_put(b->s3, key, data, len, true, &a, err) :
							   refuse_to_overwrite(b, key, err);
	}
	if (r == 0)
		memcpy(b->last_etag, a.etag, sizeof(b->last_etag));
	return r;
}

/* Not further than to where a listed object goes on, when that leaves whole commits. */
static size_t up_to_listed(struct bucket *b, struct log_pos at, size_t len)
{
	uint32_t next = s3_survey_next_listed(b, at);

	return next && next - at.offset < len ? next - at.offset : len;
}

static bool is_next(const struct bucket *b, struct log_pos at)
{
	if (b->end.segment == 0)
		return at.segment == 1 && at.offset == 0;
	return log_pos_compare(at, b->end) == 0 || (at.segment == b->end.segment + 1 && at.offset == 0);
}

static int bucket_append(struct peer *p, struct log_pos at, const void *data, size_t len, struct receipt *ret,
			 struct hf_error *err)
{
	struct bucket *b = (struct bucket *)p;
	char key[S3_KEY_BYTES];
	struct s3_name name;
	int r;

	if (!b->surveyed || !is_next(b, at))
		return hf_error_set(err, -ERANGE, "not where the bucket ends");
	r = s3_survey_name(b, at, &name, err);
	if (r < 0)
		return r;
	len = up_to_listed(b, at, len);
	s3_name_key(s3_root(b->s3), &name, key);
	b->put_ns = b->os->monotonic_ns(b->os->state);
	r = put(b, at, key, data, len, err);
	if (r == -ERANGE && log_pos_compare(b->asked_again, at) == 0) /* once is enough without a pause */
		return hf_error_set(err, -EBUSY, "%s: %s is there, and is not found when it is looked for",
				    s3_words(b->s3), key);
	b->asked_again = r == -ERANGE ? at : (struct log_pos){ 0, 0 };
	if (r < 0)
		return r;
	b->before_last = b->end;
	b->end = (struct log_pos){ at.segment, at.offset + (uint32_t)len };
	b->has_last = b->last_seen = true;
	b->last = at;
	b->last_bytes = len;
	b->rejected = (struct log_pos){ 0, 0 };
	r = s3_survey_on(b, err);
	return r < 0 ? r : fill_receipt(b, ret, err);
}

static unsigned bucket_pace_ms(struct peer *p, size_t len)
{
	const struct bucket *b = (const struct bucket *)p;
	uint64_t since_ms, interval_ms = (uint64_t)s3_place_of(b->s3)->interval_s * 1000;

	if (len >= S3_PACE_BYTES || !b->put_ns ||
	    b->objects.n) /* what was there before is mended without a pause */
		return 0;
	since_ms = (b->os->monotonic_ns(b->os->state) - b->put_ns) / 1000000;
	return since_ms < interval_ms ? (unsigned)(interval_ms - since_ms) : 0;
}

/* --- life */

/* What the bucket enforces is asked elsewhere (s3_probe.h); here, whether this epoch may still write. */
static int bucket_enrol(struct peer *p, const struct epoch_cert *cert, const struct place *invitation,
			struct receipt *ret, struct hf_error *err)
{
	struct bucket *b = (struct bucket *)p;
	struct s3_objects objects;
	int r;

	(void)invitation;
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->volume_id, b->volume_id, VOLUME_ID_BYTES);
	r = s3_list(b->s3, false, &objects, err);
	if (r == -EACCES)
		return 0;
	if (r < 0)
		return r;
	r = s3_survey_epochs(b->s3, b->volume_id, &objects, cert, err);
	s3_objects_release(&objects);
	return r;
}

static void bucket_free(struct peer *p)
{
	struct bucket *b = (struct bucket *)p;

	s3_objects_release(&b->objects);
	s3_close(b->s3);
	free(b->log_dir);
	free(b);
}

static const struct peer_ops bucket_ops = {
	.enrol = bucket_enrol,
	.position = bucket_position,
	.append = bucket_append,
	.fetch = s3_fetch,
	.pace_ms = bucket_pace_ms,
	.offer = s3_offer,
	.compare = s3_compare,
	.free = bucket_free,
};

int bucket_open(const struct peer_options *o, struct peer **ret, struct hf_error *err)
{
	struct s3_options options = {
		.os = o->os,
		.place = o->place->s3,
		.tries = o->log ? S3_TRIES : S3_TRIES_RECOVERING,
		.interrupted = o->interrupted,
		.arg = o->arg,
	};
	struct bucket *b = calloc(1, sizeof(*b));
	int r;

	if (b && o->log_dir)
		b->log_dir = strdup(o->log_dir);
	if (!b || (o->log_dir && !b->log_dir)) {
		free(b);
		return hf_error_set(err, -ENOMEM, "no memory");
	}
	memcpy(options.volume_id, o->volume_id, VOLUME_ID_BYTES);
	r = s3_open(&options, &b->s3, err);
	if (r < 0) {
		free(b->log_dir);
		free(b);
		return r;
	}
	b->peer.ops = &bucket_ops;
	b->os = o->os;
	b->log = o->log;
	memcpy(b->volume_id, o->volume_id, VOLUME_ID_BYTES);
	*ret = &b->peer;
	return 0;
}
