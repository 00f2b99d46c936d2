/* SPDX-License-Identifier: MIT */
#include "store/replica/s3_probe.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "store/crypto/wire.h"

enum { PROBE_BYTES = 64, TEXT_BYTES = 400 };

struct probe {
	struct s3 *s3;
	struct s3_place *place; /* the connection's own */
	const struct hf_replica_options *o;
	char key[S3_KEY_BYTES + 40];
	uint8_t bytes[PROBE_BYTES];
	char version[S3_VERSION_BYTES];
	bool locked;
	char danger[TEXT_BYTES]; /* the first thing by which data could be lost; "" */
};

__attribute__((format(printf, 4, 5))) static void tell(struct probe *p, enum hf_finding finding,
						       const char *what, const char *fmt, ...)
{
	char words[TEXT_BYTES];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(words, sizeof(words), fmt, args);
	va_end(args);
	if (finding == HF_FINDING_DANGER && !p->danger[0])
		(void)snprintf(p->danger, sizeof(p->danger), "%.60s: %.300s", what, words);
	if (p->o->found)
		p->o->found(p->o->found_arg, finding, what, words);
}

/* --- putting and getting */

static int first_put(struct probe *p, struct hf_error *err)
{
	CLEANUP(s3_answer_release) struct s3_answer a = S3_ANSWER_INIT;
	int r;

	p->place->owner_acl = true;
	r = s3_put(p->s3, p->key, p->bytes, sizeof(p->bytes), false, &a, err);
	if (r == -EACCES || r == -EPROTO) {
		p->place->owner_acl = false;
		r = s3_put(p->s3, p->key, p->bytes, sizeof(p->bytes), false, &a, err);
	}
	if (r == -EPROTO && a.status == 400 && p->place->retention_days)
		return hf_error_set(
			err, -EPERM,
			"%s refuses an object with a retention (%s): a bucket without Object Lock. What is "
			"put there can be deleted: make one with it, or say --without-lock",
			s3_words(p->s3), a.code);
	if (r < 0)
		return hf_error_prefix(err, r, "cannot put an object%s",
				       p->place->retention_days ? " with a retention" : "");
	memcpy(p->version, a.version, sizeof(p->version));
	p->place->versions = a.version[0] && strcmp(a.version, "null") != 0;
	if (p->place->versions)
		tell(p, HF_FINDING_GOOD, "versions", "kept: what is overwritten stays");
	else
		tell(p, HF_FINDING_DANGER, "versions",
		     "not kept: who can overwrite or delete an object there has destroyed it");
	return 0;
}

static int get_back(struct probe *p, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf there = BUF_INIT;
	int r = s3_get(p->s3, p->key, NULL, 0, &there, err);

	if (r < 0)
		return hf_error_prefix(err, r, "cannot read back what was put");
	if (there.len != sizeof(p->bytes) || memcmp(there.data, p->bytes, there.len) != 0)
		return hf_error_set(err, -EIO, "%s gives other bytes back than were put", s3_words(p->s3));
	tell(p, HF_FINDING_GOOD, "put and get", "allowed, and the same bytes come back");
	return 0;
}

static int look_for_lock(struct probe *p, struct hf_error *err)
{
	CLEANUP(s3_answer_release) struct s3_answer a = S3_ANSWER_INIT;
	int r = s3_head(p->s3, p->key, &a, err);

	if (r < 0)
		return r;
	a.lock_until[sizeof("2027-02-23T00:00:00") - 1] = 0;
	p->locked = strcasecmp(a.lock_mode, "COMPLIANCE") == 0 && a.lock_until[0];
	if (p->locked)
		tell(p, HF_FINDING_GOOD, "object lock", "COMPLIANCE, for what is put now until %s%s",
		     a.lock_until, p->place->retention_days ? "" : ", by the bucket's default");
	else if (a.lock_mode[0])
		tell(p, HF_FINDING_DANGER, "object lock",
		     "%s: whoever has the right to bypass it deletes at once; COMPLIANCE is what cannot be "
		     "undone",
		     a.lock_mode);
	else if (p->place->retention_days)
		tell(p, HF_FINDING_DANGER, "object lock",
		     "asked for, but not to be seen: these credentials lack s3:GetObjectRetention, or the "
		     "server took "
		     "no notice");
	else
		tell(p, HF_FINDING_DANGER, "object lock",
		     "none: what is put can be deleted by who has the right to. Give the bucket a default "
		     "retention, "
		     "or say --retention");
	return 0;
}

/* The bucket's default, when it may be asked for: a shorter retention in a header would take its place. */
static int compare_default(struct probe *p, struct hf_error *err)
{
	CLEANUP(s3_answer_release) struct s3_answer a = S3_ANSWER_INIT;
	struct s3_ask q = { .method = "GET", .key = "", .query = "object-lock=" };
	char number[16] = "";
	unsigned long days;
	int r = s3_ask(p->s3, &q, &a, err);

	if (r < 0)
		return r;
	if (a.status != 200)
		return 0;
	if (s3_xml_text(a.body.data, a.body.len, "Days", number, sizeof(number)))
		days = strtoul(number, NULL, 10);
	else if (s3_xml_text(a.body.data, a.body.len, "Years", number, sizeof(number)))
		days = 365 * strtoul(number, NULL, 10);
	else
		return 0;
	tell(p, HF_FINDING_GOOD, "default retention", "%lu days", days);
	if (p->place->retention_days && p->place->retention_days < days)
		return hf_error_set(
			err, -EINVAL,
			"%s keeps objects for %lu days by itself: leave --retention out, or ask for more",
			s3_words(p->s3), days);
	return 0;
}

/* --- what must not work */

static int second_put(struct probe *p, struct hf_error *err)
{
	CLEANUP(s3_answer_release) struct s3_answer a = S3_ANSWER_INIT;
	uint8_t other[PROBE_BYTES];
	int r;

	memset(other, 'x', sizeof(other));
	r = s3_put(p->s3, p->key, other, sizeof(other), false, &a, err);
	p->place->first_wins = r == -EEXIST;
	if (r == -EEXIST)
		tell(p, HF_FINDING_GOOD, "overwriting", "refused: the first put wins");
	else if (r == 0 && p->place->versions)
		tell(p, HF_FINDING_NOTE, "overwriting",
		     "not refused (If-None-Match is ignored): a newer version lies on top, and a recovery "
		     "looks below");
	else if (r == 0)
		tell(p, HF_FINDING_DANGER, "overwriting",
		     "not refused, and nothing is kept of what was there");
	return r == -EEXIST || r == 0 ? 0 : r;
}

/* Is it the request as such that was refused, whatever it asks for? Nothing is known then. */
static bool is_not_judged(const struct s3_answer *a)
{
	static const char *const codes[] = { "SignatureDoesNotMatch", "RequestTimeTooSkewed", "ExpiredToken",
					     "InvalidAccessKeyId" };

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strcmp(a->code, codes[i]) == 0)
			return true;
	return a->status >= 500 || a->status == 429;
}

/* Status of a request that is hoped to be refused. Negative: it could not be asked. */
static long attempt(struct probe *p, const struct s3_ask *q, struct hf_error *err)
{
	CLEANUP(s3_answer_release) struct s3_answer a = S3_ANSWER_INIT;
	int r = s3_ask(p->s3, q, &a, err);

	if (r < 0)
		return r;
	return is_not_judged(&a) ? s3_refusal(p->s3, &a, "a test", err) : a.status;
}

static int damaged_put(struct probe *p, struct hf_error *err)
{
	const char *headers[] = { "Content-MD5: AAAAAAAAAAAAAAAAAAAAAA==", NULL };
	char key[sizeof(p->key) + 8];
	struct s3_ask q = {
		.method = "PUT", .key = key, .body = p->bytes, .len = sizeof(p->bytes), .headers = headers
	};
	long status;

	(void)snprintf(key, sizeof(key), "%s-damaged", p->key);
	status = attempt(p, &q, err);
	if (status < 0)
		return (int)status;
	if (status / 100 == 2)
		tell(p, HF_FINDING_WARNING, "damaged uploads", "taken: it does not look at Content-MD5");
	else
		tell(p, HF_FINDING_GOOD, "damaged uploads", "refused");
	return 0;
}

static int try_delete(struct probe *p, struct hf_error *err)
{
	struct s3_ask q = { .method = "DELETE", .key = p->key };
	long status = attempt(p, &q, err);

	if (status < 0)
		return (int)status;
	if (status / 100 != 2)
		tell(p, HF_FINDING_GOOD, "deleting", "refused");
	else if (p->place->versions)
		tell(p, HF_FINDING_NOTE, "deleting",
		     "allowed to these credentials: a marker hides the object, and a recovery sees through "
		     "it. Better "
		     "take s3:DeleteObject from them");
	else
		tell(p, HF_FINDING_DANGER, "deleting", "allowed to these credentials, and nothing is kept");
	return 0;
}

static int try_delete_version(struct probe *p, struct hf_error *err)
{
	static const char *const bypass[] = { "x-amz-bypass-governance-retention: true", NULL };
	CLEANUP(buf_release) struct buf query = BUF_INIT;
	struct s3_ask q = { .method = "DELETE", .key = p->key };
	long plain, bypassed;

	if (!p->place->versions)
		return 0;
	buf_add_text(&query, "versionId=");
	s3_encode(p->version, &query);
	q.query = buf_cstr(&query);
	if (buf_status(&query) < 0)
		return hf_error_set(err, -ENOMEM, "no memory");
	plain = attempt(p, &q, err);
	q.headers = bypass;
	bypassed = plain < 0 ? plain : attempt(p, &q, err);
	if (bypassed < 0)
		return (int)bypassed;
	if (plain / 100 == 2 || bypassed / 100 == 2)
		tell(p, HF_FINDING_DANGER, "deleting a version",
		     "works with these credentials%s: what they have put they can destroy",
		     plain / 100 == 2 ? "" : " and a bypass");
	else
		tell(p, HF_FINDING_GOOD, "deleting a version", "refused");
	return 0;
}

static int try_shortening(struct probe *p, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf query = BUF_INIT, body = BUF_INIT, md5 = BUF_INIT;
	uint8_t sum[MD5_BYTES];
	char date[S3_DATE_BYTES], header[64];
	const char *headers[] = { header, NULL };
	struct s3_ask q = { .method = "PUT", .key = p->key, .headers = headers };
	long status;

	if (!p->locked)
		return 0;
	s3_date(s3_now_ns(p->s3) + UINT64_C(3600000000000), date);
	buf_add_text(&body,
		     "<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Mode>COMPLIANCE</Mode>"
		     "<RetainUntilDate>%s</RetainUntilDate></Retention>",
		     date);
	buf_add_text(&query, "retention=&versionId=");
	s3_encode(p->version, &query);
	if (wire_md5(body.data, body.len, sum) < 0) {
		tell(p, HF_FINDING_WARNING, "shortening a retention",
		     "not tried: this system has no MD5, which it takes");
		return 0;
	}
	wire_base64(WIRE_BASE64, sum, sizeof(sum), &md5);
	(void)snprintf(header, sizeof(header), "Content-MD5: %s", buf_cstr(&md5));
	q.query = buf_cstr(&query);
	if (buf_status(&body) < 0 || buf_status(&query) < 0 || buf_status(&md5) < 0)
		return hf_error_set(err, -ENOMEM, "no memory");
	q.body = body.data;
	q.len = body.len;
	status = attempt(p, &q, err);
	if (status < 0)
		return (int)status;
	if (status / 100 == 2)
		tell(p, HF_FINDING_DANGER, "shortening a retention", "works with these credentials");
	else
		tell(p, HF_FINDING_GOOD, "shortening a retention", "refused");
	return 0;
}

static int try_lists(struct probe *p, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf query = BUF_INIT;
	struct s3_ask q = { .method = "GET", .key = "" };
	long status;

	buf_add_text(&query, "list-type=2&max-keys=1&prefix=");
	s3_encode(s3_root(p->s3), &query);
	q.query = buf_cstr(&query);
	status = attempt(p, &q, err);
	if (status < 0)
		return (int)status;
	if (status == 200)
		tell(p, HF_FINDING_GOOD, "listing", "allowed");
	else
		tell(p, HF_FINDING_NOTE, "listing",
		     "refused: that an object is missing in the middle is not noticed from here. A recovery "
		     "needs "
		     "credentials that may list versions");
	return 0;
}

/* --- all together */

static int run(struct probe *p, struct hf_error *err)
{
	static int (*const questions[])(struct probe *, struct hf_error *) = {
		first_put,   get_back,       look_for_lock,      compare_default, second_put,
		damaged_put, try_shortening, try_delete_version, try_delete,      try_lists,
	};

	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
		int r = questions[i](p, err);

		if (r < 0)
			return r;
	}
	if (p->danger[0] && !p->o->without_lock)
		return hf_error_set(
			err, -EPERM,
			"%s does not keep what is put there safe from a thief (%s). Mend that, or say "
			"--without-lock to use it all the same",
			s3_words(p->s3), p->danger);
	return 0;
}

int s3_probe(const struct os *os, const uint8_t volume_id[VOLUME_ID_BYTES], struct s3_place *place,
	     const struct hf_replica_options *o, struct hf_error *err)
{
	struct s3_options options = {
		.os = os, .place = place, .tries = S3_TRIES, .interrupted = o->interrupted, .arg = o->arg
	};
	struct probe p = { .o = o };
	char hex[33];
	int r;

	if (o->retention_days > S3_RETENTION_DAYS_MAX)
		return hf_error_set(err, -EINVAL, "a retention is at most %d days", S3_RETENTION_DAYS_MAX);
	place->retention_days = o->retention_days;
	memcpy(options.volume_id, volume_id, VOLUME_ID_BYTES);
	r = s3_open(&options, &p.s3, err);
	if (r < 0)
		return r;
	p.place = s3_place_for_change(p.s3);
	crypto_random(p.bytes, sizeof(p.bytes));
	wire_hex(p.bytes, 16, hex);
	(void)snprintf(p.key, sizeof(p.key), "%sprobe/%s", s3_root(p.s3), hex);
	r = run(&p, err);
	place->versions = p.place->versions;
	place->first_wins = p.place->first_wins;
	place->owner_acl = p.place->owner_acl;
	place->unlocked = p.danger[0] != 0;
	s3_close(p.s3);
	return r;
}
