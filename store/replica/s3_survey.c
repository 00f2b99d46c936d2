/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/replica/s3_bucket.h"
#include "store/replica/trail.h"

/* --- names and ends, by our own log */

int s3_survey_name(struct bucket *b, struct log_pos at, struct s3_name *ret, struct hf_error *err)
{
	struct log_point durable;
	struct segment_header h;
	uint32_t segment = at.segment;
	int r;

	log_durable(b->log, &durable);
	if (segment > durable.end.segment) /* not begun here: it would be of the same epoch */
		segment = durable.end.segment;
	if (b->folder_of != segment) {
		r = trail_header(b->os, b->log_dir, segment, &h, err);
		if (r == 0 && s3_name_of_cert(&h.cert, &b->folder) < 0)
			r = hf_error_set(err, -ENOMEM, "no memory");
		if (r < 0)
			return r;
		b->folder_of = segment;
	}
	*ret = b->folder;
	ret->at = at;
	return 0;
}

int s3_survey_ends_at(struct bucket *b, struct log_pos end, struct hf_error *err)
{
	struct log_point durable, point;
	int r;

	log_durable(b->log, &durable);
	if (log_pos_compare(end, durable.end) > 0)
		return 0;
	r = trail_point(b->os, b->log_dir, end, &point);
	if (r == -ENODATA || r == -ENOENT)
		return 0;
	return r < 0 ? hf_error_set(err, r, "cannot read segment %" PRIu32 " in %s: %s", end.segment,
				    b->log_dir, strerror(-r)) :
		       1;
}

/* 1: our segment has nothing more from `at` on, and another follows. */
static int segment_ended(struct bucket *b, struct log_pos at, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT;
	struct log_point point;
	int r = log_read_raw(b->log, at, 1, &bytes, &point, err);

	return r == -ENOENT ? 1 : r == -ENODATA ? 0 : r;
}

/* --- what is in the bucket */

static int head_at(struct bucket *b, struct log_pos at, struct s3_answer *a, struct hf_error *err)
{
	char key[S3_KEY_BYTES];
	struct s3_name name;
	int r = s3_survey_name(b, at, &name, err);

	if (r < 0)
		return r;
	s3_name_key(s3_root(b->s3), &name, key);
	return s3_head(b->s3, key, a, err);
}

static int listed(struct bucket *b, struct log_pos at, uint64_t *ret_bytes, struct hf_error *err)
{
	struct s3_name name;
	int r = s3_survey_name(b, at, &name, err);

	if (r < 0)
		return r;
	while (b->next < b->objects.n && s3_name_compare(&b->objects.all[b->next].name, &name) < 0)
		b->next++;
	if (b->next == b->objects.n || s3_name_compare(&b->objects.all[b->next].name, &name) != 0)
		return 0;
	*ret_bytes = b->objects.all[b->next].bytes;
	return 1;
}

/* 1: an object begins at `at`. */
static int look_up(struct bucket *b, struct log_pos at, uint64_t *ret_bytes, struct hf_error *err)
{
	CLEANUP(s3_answer_release) struct s3_answer a = S3_ANSWER_INIT;
	int r;

	r = b->objects.n ? listed(b, at, ret_bytes, err) : 0;
	if (r != 0)
		return r;
	r = head_at(b, at, &a, err);
	if (r == -ENODATA || r == -EPROTO) /* -EPROTO: somebody has sealed it with a key of his */
		return 0;
	*ret_bytes = a.bytes;
	return r < 0 ? r : 1;
}

static int get_at(struct bucket *b, struct log_pos at, struct buf *out, struct hf_error *err)
{
	char key[S3_KEY_BYTES];
	struct s3_name name;
	int r = s3_survey_name(b, at, &name, err);

	if (r < 0)
		return r;
	s3_name_key(s3_root(b->s3), &name, key);
	return s3_get(b->s3, key, NULL, 0, out, err);
}

/* --- what is not ours */

/* Does a commit signed with the writer key of the store's epoch end the bytes? */
static bool is_signed(struct bucket *b, struct log_pos at, const struct buf *there, struct commit *ret)
{
	uint64_t offset = at.offset + (uint64_t)there->len - COMMIT_FRAME_BYTES;
	const uint8_t *frame;
	struct segment_header h;
	struct log_point durable;
	struct frame_header f;

	if (there->len < COMMIT_FRAME_BYTES || offset > SEGMENT_BYTES_MAX)
		return false;
	frame = there->data + there->len - COMMIT_FRAME_BYTES;
	log_durable(b->log, &durable);
	if (trail_header(b->os, b->log_dir,
			 at.segment < durable.end.segment ? at.segment : durable.end.segment, &h, NULL) < 0)
		return false;
	if (h.epoch < durable.epoch) /* the owner's certificate has settled what came before: the key is a
					thief's now */
		return false;
	return frame_header_decode(frame, &f, NULL) == 0 && f.type == FRAME_COMMIT &&
	       commit_decode(frame + FRAME_HEADER_BYTES, ret, NULL) == 0 &&
	       commit_check_signature(h.cert.writer_public, b->volume_id, at.segment, (uint32_t)offset,
				      frame + FRAME_HEADER_BYTES) == 0;
}

int s3_survey_judge(struct bucket *b, struct log_pos at, const struct buf *there, struct hf_error *err)
{
	struct log_pos end = { at.segment, at.offset + (uint32_t)there->len };
	struct log_point ours, durable;
	struct commit c;

	if (!is_signed(b, at, there, &c))
		return 0;
	log_durable(b->log, &durable);
	if (log_pos_compare(end, durable.end) <= 0 && trail_point(b->os, b->log_dir, end, &ours) == 0 &&
	    memcmp(ours.chain, c.chain, HASH_BYTES) == 0)
		return 0; /* our own commit, behind bytes that are not */
	return hf_error_set(
		err, -EEXIST,
		"%s has another history than this store, or more of it (commit %" PRIu64
		" at segment %" PRIu32 ", offset %" PRIu32
		"): the store was rolled back, or somebody else writes with its key. Recover from the "
		"bucket, or look at both",
		s3_words(b->s3), c.number, end.segment, end.offset);
}

/* --- going over it */

static void note_object(struct bucket *b, struct log_pos at, uint64_t bytes)
{
	b->before_last = b->end;
	b->has_last = true;
	b->last = at;
	b->last_bytes = bytes;
	b->last_seen = false;
	b->last_etag[0] = 0;
	b->end = (struct log_pos){ at.segment, at.offset + (uint32_t)bytes };
}

/* An object whose end is not one of ours: another history, or nothing that counts. */
static int look_into(struct bucket *b, struct log_pos at, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf there = BUF_INIT;
	int r = get_at(b, at, &there, err);

	if (r == -ENODATA || r == -EPROTO) /* gone meanwhile, or longer than any object of ours */
		return 0;
	return r < 0 ? r : s3_survey_judge(b, at, &there, err);
}

/* 1: an object of ours begins at `at`, and the end is behind it now. 0: none does, whatever may lie there. */
static int step_over(struct bucket *b, struct log_pos at, struct hf_error *err)
{
	struct log_pos end = at;
	uint64_t bytes = 0;
	int r = look_up(b, at, &bytes, err);

	if (r <= 0)
		return r;
	if (bytes == 0 || bytes > S3_OBJECT_BYTES_MAX || at.offset + bytes > SEGMENT_BYTES_MAX)
		return 0;
	end.offset += (uint32_t)bytes;
	r = s3_survey_ends_at(b, end, err);
	if (r == 0)
		return look_into(b, at, err);
	if (r == 1)
		note_object(b, at, bytes);
	return r;
}

/* Where nothing of ours is, our segment may have ended: then the next is there, or not yet. */
static int walk(struct bucket *b, struct hf_error *err)
{
	struct log_pos at = b->end.segment ? b->end : (struct log_pos){ 1, 0 };
	int r;

	while (log_pos_compare(at, b->rejected) != 0) {
		r = step_over(b, at, err);
		if (r == 1) {
			at = b->end;
			continue;
		}
		if (r == 0 && at.offset)
			r = segment_ended(b, at, err);
		if (r <= 0)
			return r;
		at = (struct log_pos){ at.segment + 1, 0 };
	}
	return 0;
}

/* The end, looked for in this segment, and before it when nothing of it is there. */
static int walk_back(struct bucket *b, uint32_t segment, struct hf_error *err)
{
	int r = 0;

	for (; segment > 0; segment--) {
		b->end = (struct log_pos){ segment, 0 };
		r = walk(b, err);
		if (r < 0 || b->end.offset)
			break;
	}
	if (segment == 0)
		b->end = (struct log_pos){ 0, 0 };
	return r;
}

/* What lies there is nobody's: ours is put over it, or refused, when its turn comes. */
static int reject_last(struct bucket *b, struct hf_error *err)
{
	b->rejected = b->last;
	b->has_last = false;
	b->end = b->before_last;
	if (b->end.offset || b->end.segment <= 1) {
		if (b->end.offset == 0)
			b->end = (struct log_pos){ 0, 0 };
		return 0;
	}
	return walk_back(b, b->end.segment - 1, err); /* the search had begun in this very segment */
}

/* The last object holds what our log has there; or it is none that counts, and the end lies before it. */
static int read_last_back(struct bucket *b, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf there = BUF_INIT, ours = BUF_INIT;
	int r;

	if (!b->has_last || b->last_seen)
		return 0;
	r = get_at(b, b->last, &there, err);
	if (r < 0 && r != -ENODATA && r != -EPROTO)
		return r;
	if (r == 0) {
		if (buf_reserve(&ours, there.len + 1) < 0)
			return hf_error_set(err, -ENOMEM, "no memory");
		r = trail_read(b->os, b->log_dir, b->last, ours.data, there.len);
		if (r == 0 && there.len == b->last_bytes && memcmp(ours.data, there.data, there.len) == 0) {
			b->last_seen = true;
			return 0;
		}
		r = s3_survey_judge(b, b->last, &there, err);
		if (r < 0)
			return r;
	}
	return reject_last(b, err);
}

/* --- without leave to list */

static int is_begun(struct bucket *b, uint32_t segment, struct hf_error *err)
{
	CLEANUP(s3_answer_release) struct s3_answer a = S3_ANSWER_INIT;
	int r = head_at(b, (struct log_pos){ segment, 0 }, &a, err);

	return r == -ENODATA ? 0 : r < 0 ? r : 1;
}

/* The highest of our segments that has an object at its start; they were put in order. */
static int find_segment(struct bucket *b, uint32_t *ret, struct hf_error *err)
{
	struct log_point durable;
	uint32_t low = 0, high;
	int r;

	log_durable(b->log, &durable);
	high = durable.end.segment;
	while (low < high) {
		uint32_t middle = low + (high - low + 1) / 2;

		r = is_begun(b, middle, err);
		if (r < 0)
			return r;
		if (r)
			low = middle;
		else
			high = middle - 1;
	}
	*ret = low;
	return 0;
}

static int learn_whether_missing_is_hidden(struct bucket *b, struct hf_error *err)
{
	CLEANUP(s3_answer_release) struct s3_answer a = S3_ANSWER_INIT;
	char key[S3_KEY_BYTES + 32], hex[33];
	struct s3_ask q = { .method = "HEAD", .key = key };
	uint8_t random[16];
	int r;

	crypto_random(random, sizeof(random));
	wire_hex(random, sizeof(random), hex);
	(void)snprintf(key, sizeof(key), "%.270sprobe/%s", s3_root(b->s3), hex);
	r = s3_ask(b->s3, &q, &a, err);
	if (r == 0)
		s3_hides_missing(b->s3, a.status == 403);
	return r;
}

static int survey_by_head(struct bucket *b, struct hf_error *err)
{
	uint32_t segment = 0;
	int r = learn_whether_missing_is_hidden(b, err);

	if (r == 0)
		r = find_segment(b, &segment, err);
	return r < 0 ? r : walk_back(b, segment, err);
}

/* --- epochs */

int s3_survey_header(struct s3 *s, const uint8_t volume_id[VOLUME_ID_BYTES], const struct s3_object *object,
		     struct segment_header *ret, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf raw = BUF_INIT;
	char key[S3_KEY_BYTES];
	int r;

	s3_name_key(s3_root(s), &object->name, key);
	r = s3_get(s, key, object->version, SEGMENT_HEADER_BYTES, &raw, err);
	if (r < 0)
		return r;
	if (raw.len != SEGMENT_HEADER_BYTES || segment_header_decode(raw.data, raw.len, ret, NULL) < 0 ||
	    memcmp(ret->volume_id, volume_id, VOLUME_ID_BYTES) != 0 || ret->epoch != object->name.epoch)
		return -ENODATA;
	return 0;
}

static bool is_later(const struct epoch_cert *a, const struct epoch_cert *than)
{
	return a->epoch != than->epoch ? a->epoch > than->epoch : a->created_ns > than->created_ns;
}

int s3_survey_epochs(struct s3 *s, const uint8_t volume_id[VOLUME_ID_BYTES], const struct s3_objects *objects,
		     const struct epoch_cert *own, struct hf_error *err)
{
	struct segment_header h;
	struct s3_name mine;
	int asked = 0, r = s3_name_of_cert(own, &mine);

	if (r < 0)
		return hf_error_set(err, r, "no memory");
	for (size_t i = 0; i < objects->n && asked < S3_FOREIGN_FOLDERS_MAX; i++) {
		const struct s3_object *o = &objects->all[i];

		if (o->name.epoch < mine.epoch || s3_name_same_folder(&o->name, &mine) ||
		    o->name.at.offset != 0 ||
		    (i > 0 && s3_name_same_folder(&o->name, &objects->all[i - 1].name)))
			continue;
		asked++;
		r = s3_survey_header(s, volume_id, o, &h, err);
		if (r == 0 && is_later(&h.cert, own))
			return hf_error_set(err, -EKEYREJECTED,
					    "%s: epoch %" PRIu32 " of this volume is over: epoch %" PRIu32
					    " has begun there, by a recovery on another machine",
					    s3_words(s), own->epoch, h.cert.epoch);
		if (r < 0 && r != -ENODATA && !s3_is_refused(r))
			return r;
	}
	return 0;
}

/* --- all together */

static int survey_by_list(struct bucket *b, struct hf_error *err)
{
	struct log_point durable;
	struct segment_header h;
	int r;

	log_durable(b->log, &durable);
	r = trail_header(b->os, b->log_dir, durable.end.segment, &h, err);
	if (r == 0)
		r = s3_survey_epochs(b->s3, b->volume_id, &b->objects, &h.cert, err);
	b->end = (struct log_pos){ 0, 0 };
	b->next = 0;
	return r < 0 ? r : walk(b, err);
}

static int survey_all(struct bucket *b, struct hf_error *err)
{
	int r;

	b->has_last = false;
	b->rejected = (struct log_pos){ 0, 0 };
	b->folder_of = 0;
	s3_objects_release(&b->objects);
	r = s3_list(b->s3, false, &b->objects, err);
	if (r == -EACCES)
		return survey_by_head(b, err);
	if (r == 0 && b->objects.n == 0)
		b->end = (struct log_pos){ 0, 0 };
	return r < 0 || b->objects.n == 0 ? r : survey_by_list(b, err);
}

/* Is the last object what it was? 0: no, or it is not told: a list shows then whether anything is. */
static int is_unchanged(struct bucket *b, struct hf_error *err)
{
	CLEANUP(s3_answer_release) struct s3_answer a = S3_ANSWER_INIT;
	int r;

	if (!b->has_last)
		return 0;
	r = head_at(b, b->last, &a, err);
	if (r < 0)
		return r == -ENODATA || r == -EPROTO ? 0 : r;
	if (a.bytes != b->last_bytes || (b->last_etag[0] && strcmp(a.etag, b->last_etag) != 0))
		return 0;
	memcpy(b->last_etag, a.etag, sizeof(b->last_etag));
	return 1;
}

static void forget_list_when_passed(struct bucket *b)
{
	if (b->next >= b->objects.n)
		s3_objects_release(&b->objects);
}

int s3_survey_on(struct bucket *b, struct hf_error *err)
{
	int r = b->objects.n ? walk(b, err) : 0;

	if (r == 0 && b->objects.n)
		r = read_last_back(b, err);
	if (r == 0)
		forget_list_when_passed(b);
	return r;
}

int s3_survey(struct bucket *b, struct hf_error *err)
{
	int r = b->surveyed ? is_unchanged(b, err) : 0;

	if (r < 0)
		return r;
	b->surveyed = false;
	r = r == 1 ? walk(b, err) : survey_all(b, err);
	if (r == 0)
		r = read_last_back(b, err);
	if (r < 0)
		return r;
	forget_list_when_passed(b);
	b->surveyed = true;
	return 0;
}

uint32_t s3_survey_next_listed(struct bucket *b, struct log_pos at)
{
	struct s3_name name;

	if (b->objects.n == 0 || s3_survey_name(b, at, &name, NULL) < 0)
		return 0;
	for (size_t i = b->next; i < b->objects.n; i++) {
		const struct s3_name *o = &b->objects.all[i].name;

		if (!s3_name_same_folder(o, &name) || o->at.segment != at.segment)
			break;
		if (o->at.offset > at.offset && s3_survey_ends_at(b, o->at, NULL) == 1)
			return o->at.offset;
	}
	return 0;
}
