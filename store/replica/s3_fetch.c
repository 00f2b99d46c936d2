/* SPDX-License-Identifier: MIT */
/*
 * A log out of a bucket that others may have put things into (layer 4; PROTOCOL.md §11.5). Nothing the server
 * says is believed: what the shelf verifies is the log, whichever version of whichever object it is in.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "store/replica/s3_ahead.h"
#include "store/replica/s3_bucket.h"

enum { HEADERS_TRIED_MAX = 1000 };

struct epoch {
	struct s3_name folder;
	struct epoch_cert cert;
};

struct fetch {
	struct bucket *b;
	struct shelf *shelf;
	const struct hf_progress *progress;
	const struct s3_objects *objects;
	const struct s3_object *known; /* one whose header could be read; NULL: none yet */
	struct epoch *epochs;          /* from the lowest to the highest */
	size_t n_epochs;
	struct s3_ahead *ahead;
	uint64_t done, total;
};

/* --- what there is */

int s3_fetch_list(struct bucket *b, struct hf_error *err)
{
	int r;

	s3_objects_release(&b->objects);
	b->newest_only = false;
	r = s3_list(b->s3, true, &b->objects, err);
	if (r == -EACCES) {
		b->newest_only = true;
		r = s3_list(b->s3, false, &b->objects, err);
	}
	if (r == 0 && b->objects.n == 0)
		r = hf_error_set(err, -ENOENT,
				 "%s has nothing of this volume: are bucket, prefix and kit the right ones?",
				 s3_words(b->s3));
	return r;
}

/* How far it may reach, by the names alone: what it is worth is seen when it has been fetched. */
int s3_fetch_position(struct bucket *b, struct receipt *ret, struct hf_error *err)
{
	int r = s3_fetch_list(b, err);

	if (r < 0)
		return r;
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->volume_id, b->volume_id, VOLUME_ID_BYTES);
	for (size_t i = 0; i < b->objects.n; i++) {
		const struct s3_object *o = &b->objects.all[i];
		struct log_pos end = { o->name.at.segment, SEGMENT_BYTES_MAX };

		if (o->bytes < SEGMENT_BYTES_MAX - o->name.at.offset)
			end.offset = o->name.at.offset + (uint32_t)o->bytes;
		if (o->name.at.offset < SEGMENT_BYTES_MAX && log_pos_compare(end, ret->point.end) > 0)
			ret->point.end = end;
	}
	return 0;
}

/* --- epochs */

static size_t end_of_folder(const struct s3_objects *o, size_t i)
{
	size_t end = i;

	while (end < o->n && s3_name_same_folder(&o->all[end].name, &o->all[i].name))
		end++;
	return end;
}

/*
 * An object is not given. -ENODATA: it alone, which is as good as none (hollow, archived, sealed with a key
 * of somebody's); another error: what could be read before cannot be either, and nothing is known of this
 * one.
 */
static int judge_refusal(struct fetch *f, int r, struct hf_error *err)
{
	struct hf_error why = HF_ERROR_INIT;
	struct segment_header h;

	if (!s3_is_refused(r))
		return r;
	r = f->known ? s3_survey_header(f->b->s3, f->b->volume_id, f->known, &h, &why) : 0;
	return r == 0 ? -ENODATA :
			hf_error_set(err, -EIO, "%s does not give any more what it gave before: %s",
				     s3_words(f->b->s3), why.text);
}

static int read_cert(struct fetch *f, const struct s3_object *o, struct epoch_cert *ret, struct hf_error *err)
{
	struct segment_header h;
	struct s3_name name;
	int r = s3_survey_header(f->b->s3, f->b->volume_id, o, &h, err);

	if (r == 0)
		r = s3_name_of_cert(&h.cert, &name);
	if (r < 0)
		return judge_refusal(f, r, err);
	f->known = o;
	if (!s3_name_same_folder(&name, &o->name))
		return -ENODATA;
	*ret = h.cert;
	return 0;
}

/*
 * The certificate that a folder is named after, out of any header in it. -ENODATA: it has none. The oldest
 * version of each comes first, however many there are: before the folder's first nobody knew its name.
 */
static int find_cert(struct fetch *f, size_t begin, size_t end, struct epoch_cert *ret, struct hf_error *err)
{
	const struct s3_object *o = f->objects->all;
	int r = -ENODATA, newer = 0;

	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = begin; r == -ENODATA && i < end && newer < HEADERS_TRIED_MAX; i++) {
			bool oldest = i == begin || s3_name_compare(&o[i - 1].name, &o[i].name) != 0;

			if (o[i].name.at.offset != 0 || oldest != (pass == 0))
				continue;
			newer += !oldest;
			r = read_cert(f, &o[i], ret, err);
		}
	}
	return r;
}

static int find_epochs(struct fetch *f, struct hf_error *err)
{
	struct hf_error why = HF_ERROR_INIT;
	size_t end;

	for (size_t i = 0; i < f->objects->n; i = end) {
		struct epoch *more;
		struct epoch e = { .folder = f->objects->all[i].name };
		int r;

		end = end_of_folder(f->objects, i);
		r = find_cert(f, i, end, &e.cert, &why);
		if (r == -ENODATA)
			continue;
		if (r < 0)
			return hf_error_set(err, r, "%s", why.text);
		more = reallocarray(f->epochs, f->n_epochs + 1, sizeof(*more));
		if (!more)
			return hf_error_set(err, -ENOMEM, "no memory");
		f->epochs = more;
		f->epochs[f->n_epochs++] = e;
	}
	return f->n_epochs ?
		       0 :
		       hf_error_set(err, -EUCLEAN,
				    "%s: no object of this volume bears its owner's signature%s%s",
				    s3_words(f->b->s3), why.code ? "; the last of them: " : "", why.text);
}

/* --- reading one object */

/* -ENODATA: it is not given. */
static int get(struct fetch *f, const struct s3_object *o, struct buf *out, struct hf_error *err)
{
	char key[S3_KEY_BYTES];
	int r = f->ahead ? s3_ahead_take(f->ahead, o, out, err) : -ENOENT;

	if (r == -ENOENT) {
		s3_name_key(s3_root(f->b->s3), &o->name, key);
		r = s3_get(f->b->s3, key, o->version, 0, out, err);
	}
	return judge_refusal(f, r, err);
}

/* Walk over frames from `from`: the end of the first commit (with this chain value, if one is given). 0:
 * none. */
static size_t find_commit(const uint8_t *data, size_t len, size_t from, const uint8_t *chain)
{
	size_t at = from;

	while (len - at >= FRAME_HEADER_BYTES) {
		struct frame_header h;
		struct commit c;
		size_t frame;

		if (frame_header_decode(data + at, &h, NULL) < 0)
			return 0;
		frame = FRAME_HEADER_BYTES + (size_t)h.body_len;
		if (len - at < frame)
			return 0;
		at += frame;
		if (h.type != FRAME_COMMIT || frame != COMMIT_FRAME_BYTES)
			continue;
		if (!chain || (commit_decode(data + at - COMMIT_BODY_BYTES, &c, NULL) == 0 &&
			       memcmp(c.chain, chain, HASH_BYTES) == 0))
			return at;
	}
	return 0;
}

/*
 * Where the chain has this value, at which another epoch takes over: behind a commit, or behind a header that
 * had none yet. 0: not in these bytes from `at` on.
 */
static size_t find_stop(struct log_pos at, const uint8_t *data, size_t len, const uint8_t *chain)
{
	struct segment_header h;

	if (at.offset)
		return find_commit(data, len, 0, chain);
	if (len < SEGMENT_HEADER_BYTES || segment_header_decode(data, SEGMENT_HEADER_BYTES, &h, NULL) < 0)
		return 0;
	if (memcmp(h.prev_chain, chain, HASH_BYTES) == 0)
		return SEGMENT_HEADER_BYTES;
	return find_commit(data, len, SEGMENT_HEADER_BYTES, chain);
}

/* --- which folders make the log */

/* Does the log in this folder come to where that certificate takes over? Asked when there are several. */
static int leads_to(struct fetch *f, const struct epoch *e, const struct epoch_cert *next,
		    struct hf_error *err)
{
	for (size_t i = 0; i < f->objects->n; i++) {
		const struct s3_object *o = &f->objects->all[i];
		CLEANUP(buf_release) struct buf bytes = BUF_INIT;
		int r;

		if (!s3_name_same_folder(&o->name, &e->folder) ||
		    o->name.at.segment + 1 != next->first_segment)
			continue;
		r = get(f, o, &bytes, err);
		if (r < 0 && r != -ENODATA)
			return r;
		if (r == 0 && find_stop(o->name.at, bytes.data, bytes.len, next->chain))
			return 1;
	}
	return 0;
}

/* Of the certificates of one epoch [i, end): that which leads on to `next`, else the latest. */
static int choose(struct fetch *f, size_t i, size_t end, const struct epoch_cert *next, size_t *ret,
		  struct hf_error *err)
{
	*ret = i;
	for (size_t n = i; n < end; n++) {
		int r = next && end - i > 1 ? leads_to(f, &f->epochs[n], next, err) : 0;

		if (r < 0)
			return r;
		if (r == 1) {
			*ret = n;
			return 0;
		}
		if (f->epochs[n].cert.created_ns > f->epochs[*ret].cert.created_ns)
			*ret = n;
	}
	return 0;
}

/* From the highest epoch down, one folder for each. The others are not part of the log. */
static int choose_path(struct fetch *f, struct hf_error *err)
{
	const struct epoch_cert *next = NULL;
	size_t first = f->n_epochs, begin, end = f->n_epochs, chosen;

	for (; end > 0; end = begin) {
		int r;

		for (begin = end - 1;
		     begin > 0 && f->epochs[begin - 1].cert.epoch == f->epochs[end - 1].cert.epoch; begin--)
			;
		r = choose(f, begin, end, next, &chosen, err);
		if (r < 0)
			return r;
		f->epochs[--first] =
			f->epochs[chosen]; /* first >= end - 1 >= chosen: nothing wanted is lost */
		next = &f->epochs[first].cert;
	}
	memmove(f->epochs, f->epochs + first, (f->n_epochs - first) * sizeof(*f->epochs));
	f->n_epochs -= first;
	return 0;
}

/* --- where the log goes on */

struct turn {
	size_t epoch; /* in f->epochs */
	struct log_pos at;
	const uint8_t *stop; /* chain value at which the next epoch takes over in this segment; NULL */
};

static const struct epoch_cert *next_cert(const struct fetch *f, size_t epoch)
{
	return epoch + 1 < f->n_epochs && f->epochs[epoch + 1].cert.epoch == f->epochs[epoch].cert.epoch + 1 ?
		       &f->epochs[epoch + 1].cert :
		       NULL;
}

/* false: in none of the folders. */
static bool find_turn(const struct fetch *f, struct turn *t)
{
	const struct epoch_cert *next;
	struct log_point here;

	shelf_position(f->shelf, &here);
	*t = (struct turn){ .epoch = 0, .at = { 1, 0 } };
	if (here.end.segment) {
		while (t->epoch < f->n_epochs && f->epochs[t->epoch].cert.epoch != here.epoch)
			t->epoch++;
		t->at = here.sealed ? (struct log_pos){ here.end.segment + 1, 0 } : here.end;
	}
	if (t->epoch == f->n_epochs)
		return false;
	next = next_cert(f, t->epoch);
	if (next && here.end.segment && next->first_segment == here.end.segment + 1 &&
	    memcmp(next->chain, here.chain, HASH_BYTES) == 0) {
		t->epoch++;
		t->at = (struct log_pos){ here.end.segment + 1, 0 };
		next = next_cert(f, t->epoch);
	}
	if (next && next->first_segment == t->at.segment + 1)
		t->stop = next->chain;
	return true;
}

/* --- taking what verifies */

/* Of shelf_append: these bytes are not the log's, and others may be. */
static bool does_not_verify(int r)
{
	return r == -EUCLEAN || r == -EKEYREJECTED || r == -EPROTONOSUPPORT || r == -EEXIST || r == -ERANGE;
}

static int append(struct fetch *f, struct log_pos at, const uint8_t *data, size_t len, struct hf_error *err)
{
	struct log_point before, after;
	int r;

	shelf_position(f->shelf, &before);
	r = shelf_append(f->shelf, at, data, len, &after, err);
	if (r < 0)
		return r;
	if (log_pos_compare(before.end, after.end) >= 0)
		return -EUCLEAN;
	f->done += len;
	if (f->progress && f->progress->fn)
		f->progress->fn(f->progress->arg, "fetch, bytes", f->done > f->total ? f->total : f->done,
				f->total);
	return 0;
}

/* As many commits as verify, one by one. -EUCLEAN: not even the first. */
static int append_beginning(struct fetch *f, const struct turn *t, const uint8_t *data, size_t len,
			    struct hf_error *err)
{
	size_t done = 0, from = t->at.offset ? 0 : SEGMENT_HEADER_BYTES, end;
	int r = -EUCLEAN;

	while (len > from && (end = find_commit(data, len, from, NULL)) > 0) {
		r = append(f, (struct log_pos){ t->at.segment, t->at.offset + (uint32_t)done }, data + done,
			   end - done, err);
		if (r < 0)
			break;
		done = from = end;
	}
	return done ? 0 : r;
}

/* 1: the log is longer now. 0: this object does not lead on. */
static int try_object(struct fetch *f, const struct turn *t, const struct s3_object *o, bool beginning,
		      struct hf_error *err)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT;
	size_t skip = t->at.offset - o->name.at.offset, len, stop = 0;
	const uint8_t *data;
	int r = get(f, o, &bytes, err);

	if (r < 0)
		return r == -ENODATA ? 0 : r;
	if (bytes.len <= skip)
		return 0;
	data = bytes.data + skip;
	len = bytes.len - skip;
	if (t->stop)
		stop = find_stop(t->at, data, len, t->stop);
	if (stop)
		len = stop;
	r = beginning ? append_beginning(f, t, data, len, err) : append(f, t->at, data, len, err);
	return r == 0 ? 1 : does_not_verify(r) ? 0 : r;
}

/* First entry whose name is not before `name`. */
static size_t lower_bound(const struct s3_objects *o, const struct s3_name *name)
{
	size_t low = 0, high = o->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s3_name_compare(&o->all[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Objects that begin there, the oldest version first; then those that begin before and reach beyond. */
static int try_all(struct fetch *f, const struct turn *t, bool beginning, struct hf_error *err)
{
	const struct s3_objects *o = f->objects;
	struct s3_name name = f->epochs[t->epoch].folder;
	size_t start;
	int r;

	name.at = t->at;
	start = lower_bound(o, &name);
	for (size_t i = start; i < o->n && s3_name_compare(&o->all[i].name, &name) == 0; i++) {
		r = try_object(f, t, &o->all[i], beginning, err);
		if (r != 0)
			return r;
	}
	for (size_t i = start; i > 0; i--) {
		const struct s3_object *one = &o->all[i - 1];

		if (!s3_name_same_folder(&one->name, &name) || one->name.at.segment != t->at.segment)
			break;
		if (one->bytes <= t->at.offset - one->name.at.offset)
			continue;
		r = try_object(f, t, one, beginning, err);
		if (r != 0)
			return r;
	}
	return 0;
}

static int take_all(struct fetch *f, struct hf_error *err)
{
	struct hf_error why = HF_ERROR_INIT;
	struct log_point here;
	struct turn t;
	int r = 1;

	while (r == 1 && find_turn(f, &t)) {
		r = try_all(f, &t, false, &why);
		if (r == 0)
			r = try_all(f, &t, true, &why);
	}
	if (r < 0)
		return hf_error_set(err, r, "%s", why.text);
	shelf_position(f->shelf, &here);
	return here.end.segment ?
		       0 :
		       hf_error_set(err, why.code ? why.code : -EUCLEAN,
				    "%s: the log's beginning is in none of its objects: %s",
				    s3_words(f->b->s3), why.text[0] ? why.text : "nothing verifies");
}

/* --- all together */

/* The oldest version of each key of the log, from where the shelf is. */
static const struct s3_object **make_plan(struct fetch *f, size_t *ret_n)
{
	const struct s3_object **plan = calloc(f->objects->n, sizeof(*plan));
	struct log_point here;
	size_t n = 0;

	shelf_position(f->shelf, &here);
	for (size_t e = 0; plan && e < f->n_epochs; e++) {
		struct s3_name name = f->epochs[e].folder;

		name.at = (struct log_pos){ 0, 0 };
		for (size_t i = lower_bound(f->objects, &name);
		     i < f->objects->n && s3_name_same_folder(&f->objects->all[i].name, &name); i++) {
			const struct s3_object *o = &f->objects->all[i];

			if ((n > 0 && s3_name_compare(&plan[n - 1]->name, &o->name) == 0) ||
			    log_pos_compare(o->name.at, here.end) < 0)
				continue;
			plan[n++] = o;
			f->total += o->bytes;
		}
	}
	*ret_n = n;
	return plan;
}

/* Keys of the log's folders that lie behind where it ended. */
static uint64_t count_behind(const struct fetch *f)
{
	const struct s3_object *last = NULL;
	struct log_point here;
	uint64_t behind = 0;

	shelf_position(f->shelf, &here);
	for (size_t i = 0; i < f->objects->n; i++) {
		const struct s3_object *o = &f->objects->all[i];
		bool ours = false;

		for (size_t e = 0; e < f->n_epochs; e++)
			ours |= f->epochs[e].cert.epoch >= here.epoch &&
				s3_name_same_folder(&o->name, &f->epochs[e].folder);
		if (ours && log_pos_compare(o->name.at, here.end) >= 0 &&
		    !(last && s3_name_compare(&last->name, &o->name) == 0)) {
			behind++;
			last = o;
		}
	}
	return behind;
}

static int fetch_with_plan(struct fetch *f, const struct s3_options *o, struct hf_error *err)
{
	const struct s3_object **plan;
	size_t n = 0;
	int r;

	plan = make_plan(f, &n);
	if (!plan)
		return hf_error_set(err, -ENOMEM, "no memory");
	r = s3_ahead_start(o, plan, n, &f->ahead, err);
	if (r == 0)
		r = take_all(f, err);
	s3_ahead_free(f->ahead);
	free(plan);
	return r;
}

int s3_fetch(struct peer *p, struct shelf *shelf, const struct hf_progress *progress,
	     struct peer_fetched *ret, struct hf_error *err)
{
	struct bucket *b = (struct bucket *)p;
	struct fetch f = { .b = b, .shelf = shelf, .progress = progress };
	struct s3_options o = { .os = b->os, .place = s3_place_of(b->s3), .tries = S3_TRIES_RECOVERING };
	int r = s3_fetch_list(b, err);

	memcpy(o.volume_id, b->volume_id, VOLUME_ID_BYTES);
	f.objects = &b->objects;
	if (r == 0)
		r = find_epochs(&f, err);
	if (r == 0)
		r = choose_path(&f, err);
	if (r == 0)
		r = fetch_with_plan(&f, &o, err);
	if (r == 0)
		*ret = (struct peer_fetched){ .behind = count_behind(&f), .newest_only = b->newest_only };
	free(f.epochs);
	return r;
}
