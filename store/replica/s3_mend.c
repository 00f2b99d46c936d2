/* SPDX-License-Identifier: MIT */
/*
 * Single objects of a bucket (layer 4): given to who heals a log, and held against a log that is whole. The
 * bucket's own checksums are not relied on, and no object is taken away: a damaged one gets the right one
 * over it, as a newer version, and a recovery takes the one that verifies (PROTOCOL.md §11.5).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/replica/s3_bucket.h"
#include "store/replica/trail.h"

/* --- what somebody else lacks */

/* Versions of objects that reach over `at`, the oldest of each first. */
int s3_offer(struct peer *p, struct log_pos at, mend_take_fn *take, void *arg, struct hf_error *err)
{
	struct bucket *b = (struct bucket *)p;
	char key[S3_KEY_BYTES];
	int r = b->objects.n ? 0 : s3_fetch_list(b, err);

	if (r < 0)
		return r == -ENOMEM ? r : 0;
	for (size_t i = 0; r == 0 && i < b->objects.n; i++) {
		const struct s3_object *o = &b->objects.all[i];
		CLEANUP(buf_release) struct buf bytes = BUF_INIT;
		size_t skip;

		if (o->name.at.segment != at.segment || o->name.at.offset > at.offset ||
		    at.offset - o->name.at.offset >= o->bytes)
			continue;
		s3_name_key(s3_root(b->s3), &o->name, key);
		if (s3_get(b->s3, key, o->version, 0, &bytes, err) < 0)
			continue;
		skip = at.offset - o->name.at.offset;
		r = skip < bytes.len ? take(arg, bytes.data + skip, bytes.len - skip) : 0;
		if (r == -EAGAIN)
			r = 0;
	}
	return r;
}

/* --- the bucket itself */

struct comparing {
	struct bucket *b;
	const struct peer_compare *with;
	struct buf ours, theirs;
};

static void comparing_release(struct comparing *c)
{
	buf_release(&c->ours);
	buf_release(&c->theirs);
}

static void tell(const struct comparing *c, void (*fn)(void *arg, const char *what), const char *key,
		 const char *what)
{
	char words[HF_ERROR_TEXT_BYTES + S3_KEY_BYTES];

	(void)snprintf(words, sizeof(words), "%s: object %s: %s", s3_words(c->b->s3), key, what);
	if (fn)
		fn(c->with->arg, words);
}

/*
 * How much our log has from there on in that segment: what is not durable here was not sent from here. Behind
 * the segment's end lies what a writer put whose epoch is over, or a thief: nothing leads to it.
 */
static uint64_t bytes_behind(const struct comparing *c, struct log_pos at)
{
	const struct log_point over = { .end = { at.segment + 1, 0 } };
	uint64_t bytes = 0;

	if (log_pos_compare(at, c->with->end) >= 0 ||
	    trail_bytes(c->b->os, c->with->log_dir, at, &over, &bytes) < 0)
		return 0;
	if (at.segment == c->with->end.segment && bytes > c->with->end.offset - at.offset)
		bytes = c->with->end.offset - at.offset;
	return bytes;
}

/* Is it in the folder that our log's header of that segment names? */
static bool is_ours(const struct comparing *c, const struct s3_name *name)
{
	struct segment_header h;
	struct s3_name own;

	return trail_header(c->b->os, c->with->log_dir, name->at.segment, &h, NULL) == 0 &&
	       s3_name_of_cert(&h.cert, &own) == 0 && s3_name_same_folder(&own, name);
}

/* Our bytes of the object that begins there, up to where the next one does. There are so many of the log. */
static int read_ours(struct comparing *c, const struct s3_object *o, const struct s3_object *next,
		     uint64_t behind, struct hf_error *err)
{
	const struct s3_name *name = &o->name;
	size_t len = o->bytes < S3_OBJECT_BYTES_MAX ? (size_t)o->bytes : S3_OBJECT_BYTES_MAX;
	int r;

	if (next && next->name.at.segment == name->at.segment && s3_name_same_folder(&next->name, name))
		len = next->name.at.offset - name->at.offset;
	if (len > behind)
		len = (size_t)behind;
	buf_clear(&c->ours);
	r = buf_reserve(&c->ours, len);
	if (r == 0)
		r = trail_read(c->b->os, c->with->log_dir, name->at, c->ours.data, len);
	if (r < 0)
		return hf_error_set(err, r, "cannot read segment %" PRIu32 " to compare it: %s",
				    name->at.segment, hf_strerror(r));
	c->ours.len = len;
	return 0;
}

/* Does any version have what is ours, all of it or the beginning of more? */
static bool some_version_is_right(struct comparing *c, const struct s3_object *versions, size_t n,
				  const char *key)
{
	for (size_t i = 0; i < n; i++) {
		size_t common;

		buf_clear(&c->theirs);
		if (s3_get(c->b->s3, key, versions[i].version, 0, &c->theirs, NULL) < 0)
			continue;
		*c->with->bytes += c->theirs.len;
		common = c->theirs.len < c->ours.len ? c->theirs.len : c->ours.len;
		if (common == c->ours.len && memcmp(c->theirs.data, c->ours.data, common) == 0)
			return true;
	}
	return false;
}

static void heal(struct comparing *c, const char *key)
{
	CLEANUP(s3_answer_release) struct s3_answer a = S3_ANSWER_INIT;
	struct hf_error why = HF_ERROR_INIT;

	if (!s3_place_of(c->b->s3)->versions)
		tell(c, c->with->found, key,
		     "the bucket keeps no versions, so nothing is put over what is there");
	else if (s3_put(c->b->s3, key, c->ours.data, c->ours.len, true, &a, &why) < 0)
		tell(c, c->with->found, key, why.text);
	else
		tell(c, c->with->healed, key, "healed: the right bytes are its newest version now");
}

int s3_compare(struct peer *p, const struct peer_compare *with, struct hf_error *err)
{
	CLEANUP(comparing_release)
	struct comparing c = { .b = (struct bucket *)p, .with = with, .ours = BUF_INIT, .theirs = BUF_INIT };
	struct bucket *b = c.b;
	int r = s3_fetch_list(b, err);
	size_t next;

	for (size_t i = 0; r == 0 && i < b->objects.n; i = next) {
		const struct s3_object *o = &b->objects.all[i];
		const uint64_t behind = bytes_behind(&c, o->name.at);
		char key[S3_KEY_BYTES];

		for (next = i + 1;
		     next < b->objects.n && s3_name_compare(&b->objects.all[next].name, &o->name) == 0;)
			next++;
		if (behind == 0 || !is_ours(&c, &o->name))
			continue;
		r = read_ours(&c, o, next < b->objects.n ? &b->objects.all[next] : NULL, behind, err);
		s3_name_key(s3_root(b->s3), &o->name, key);
		if (r < 0 || some_version_is_right(&c, o, next - i, key))
			continue;
		tell(&c, with->found, key, "its bytes are not those of the log");
		if (with->heal)
			heal(&c, key);
	}
	return r;
}
