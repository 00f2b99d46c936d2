/* SPDX-License-Identifier: MIT */
/* Extending retentions, for the bucket's owner and away from the primary (layer 4; PROTOCOL.md §11.6). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "holdfast/replica.h"
#include "store/crypto/wire.h"
#include "store/replica/place.h"
#include "store/replica/s3.h"
#include "store/replica/s3_credentials.h"

struct renewal {
	struct s3 *s3;
	char until[S3_DATE_BYTES];
	struct buf body;
	char md5_header[64];
	struct hf_renewal *ret;
};

static int make_body(struct renewal *w, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf md5 = BUF_INIT;
	uint8_t sum[MD5_BYTES];

	buf_add_text(&w->body,
		     "<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Mode>COMPLIANCE</Mode>"
		     "<RetainUntilDate>%s</RetainUntilDate></Retention>",
		     w->until);
	if (buf_status(&w->body) < 0)
		return hf_error_set(err, -ENOMEM, "no memory");
	if (wire_md5(w->body.data, w->body.len, sum) < 0)
		return hf_error_set(err, -ENOTSUP, "this system has no MD5, which setting a retention takes");
	wire_base64(WIRE_BASE64, sum, sizeof(sum), &md5);
	(void)snprintf(w->md5_header, sizeof(w->md5_header), "Content-MD5: %s", buf_cstr(&md5));
	return buf_status(&md5) < 0 ? hf_error_set(err, -ENOMEM, "no memory") : 0;
}

static const char *version_query(const char *before, const char *version, struct buf *out)
{
	buf_clear(out);
	buf_add_text(out, "%sversionId=", before);
	s3_encode(version, out);
	return buf_cstr(out);
}

/* A server refuses to shorten: is it locked until then, or for longer, as it is? Dates of one form compare as
 * texts. */
static bool is_locked(struct renewal *w, const char *key, const char *version)
{
	CLEANUP(s3_answer_release) struct s3_answer a = S3_ANSWER_INIT;
	CLEANUP(buf_release) struct buf query = BUF_INIT;
	struct s3_ask q = { .method = "HEAD", .key = key, .query = version_query("", version, &query) };

	return s3_ask(w->s3, &q, &a, NULL) == 0 && a.status == 200 &&
	       strcmp(a.lock_mode, "COMPLIANCE") == 0 &&
	       strncmp(a.lock_until, w->until, strlen("2027-02-23T00:00:00")) >= 0;
}

static int renew_one(struct renewal *w, const struct s3_object *o, struct hf_error *err)
{
	CLEANUP(s3_answer_release) struct s3_answer a = S3_ANSWER_INIT;
	CLEANUP(buf_release) struct buf query = BUF_INIT;
	const char *headers[] = { w->md5_header, NULL };
	char key[S3_KEY_BYTES];
	struct s3_ask q = { .method = "PUT",
			    .key = key,
			    .query = version_query("retention=&", o->version, &query),
			    .body = w->body.data,
			    .len = w->body.len,
			    .headers = headers };
	int r;

	if (buf_status(&query) < 0) /* without its query this would be a put of the object */
		return hf_error_set(err, -ENOMEM, "no memory");
	s3_name_key(s3_root(w->s3), &o->name, key);
	r = s3_ask(w->s3, &q, &a, err);
	if (r < 0)
		return r;
	if (a.status / 100 == 2) {
		w->ret->extended++;
	} else if (is_locked(w, key, o->version)) {
		w->ret->longer++;
	} else {
		struct hf_error why = HF_ERROR_INIT;

		(void)s3_refusal(w->s3, &a, "extending a retention", &why);
		if (w->ret->failed++ == 0)
			memcpy(w->ret->error, why.text, sizeof(w->ret->error));
	}
	return 0;
}

static int renew_all(struct renewal *w, const struct hf_progress *progress, struct hf_error *err)
{
	struct s3_objects objects;
	int r = s3_list(w->s3, true, &objects, err);

	if (r == 0 && objects.n == 0)
		r = hf_error_set(err, -ENOENT, "%s has nothing of this volume", s3_words(w->s3));
	for (size_t i = 0; r == 0 && i < objects.n; i++) {
		r = renew_one(w, &objects.all[i], err);
		if (progress && progress->fn)
			progress->fn(progress->arg, "renew", i + 1, objects.n);
	}
	s3_objects_release(&objects);
	return r;
}

static int renew(struct place *place, const uint8_t id[VOLUME_ID_BYTES], unsigned days,
		 const struct hf_progress *progress, struct hf_renewal *ret, struct hf_error *err)
{
	struct s3_options o = { .os = os_posix(), .place = place->s3, .tries = S3_TRIES_RECOVERING };
	struct renewal w = { .body = BUF_INIT, .ret = ret };
	int r = s3_credentials_find(o.os, NULL, &place->s3->credentials, err);

	memcpy(o.volume_id, id, VOLUME_ID_BYTES);
	if (r == 0)
		r = s3_open(&o, &w.s3, err);
	if (r < 0)
		return r;
	s3_date(s3_now_ns(w.s3) + days * UINT64_C(86400000000000), w.until);
	r = make_body(&w, err);
	if (r == 0)
		r = renew_all(&w, progress, err);
	buf_release(&w.body);
	s3_close(w.s3);
	return r;
}

int hf_replica_renew(const char *place_text, const char *volume_id, unsigned days,
		     const struct hf_progress *progress, struct hf_renewal *ret, struct hf_error *err)
{
	uint8_t id[VOLUME_ID_BYTES];
	struct hf_renewal renewal = { .extended = 0 };
	struct place place;
	int r;

	if (crypto_init() < 0)
		return hf_error_set(err, -EIO, "the system gives no random bytes");
	if (wire_unhex(volume_id, strlen(volume_id), id, sizeof(id)) < 0)
		return hf_error_set(err, -EINVAL, "%.40s is no volume's id: 32 digits, as status prints it",
				    volume_id);
	if (days == 0 || days > S3_RETENTION_DAYS_MAX)
		return hf_error_set(err, -EINVAL, "a retention is 1 to %d days", S3_RETENTION_DAYS_MAX);
	r = place_parse(place_text, &place, err);
	if (r < 0)
		return r;
	r = place.kind == PLACE_BUCKET ? renew(&place, id, days, progress, &renewal, err) :
					 hf_error_set(err, -EINVAL, "a retention is a bucket's (s3://…)");
	place_release(&place);
	if (r == 0)
		*ret = renewal;
	return r;
}
