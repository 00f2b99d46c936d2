/* SPDX-License-Identifier: MIT */
#include "store/replica/s3.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "store/base/printable.h"
#include "store/crypto/wire.h"
#include "store/replica/http.h"
#include "store/replica/s3_credentials.h"

enum {
	PAUSE_FIRST_MS = 100,
	PAUSE_MAX_MS = 2000,
	PAUSE_STEP_MS = 50,
	URL_BYTES = sizeof(((struct s3_place *)0)->endpoint) + 64 + S3_KEY_BYTES + 4,
};

struct s3 {
	const struct os *os;
	CURL *curl;
	struct s3_place place;
	char root[S3_KEY_BYTES];
	char words[300];
	unsigned tries;
	bool hides_missing;
	struct http_stop stop;
};

const struct s3_place *s3_place_of(const struct s3 *s)
{
	return &s->place;
}

struct s3_place *s3_place_for_change(struct s3 *s)
{
	return &s->place;
}

const char *s3_root(const struct s3 *s)
{
	return s->root;
}

const char *s3_words(const struct s3 *s)
{
	return s->words;
}

void s3_hides_missing(struct s3 *s, bool hides)
{
	s->hides_missing = hides;
}

bool s3_hides(const struct s3 *s)
{
	return s->hides_missing;
}

uint64_t s3_now_ns(const struct s3 *s)
{
	return s->os->now_ns(s->os->state);
}

void s3_answer_release(struct s3_answer *a)
{
	buf_release(&a->body);
}

int s3_open(const struct s3_options *o, struct s3 **ret, struct hf_error *err)
{
	struct s3 *s = calloc(1, sizeof(*s));

	if (s)
		s->curl = http_open();
	if (!s || !s->curl) {
		free(s);
		return hf_error_set(err, -ENOMEM, "no memory for a connection");
	}
	s->os = o->os;
	s->place = *o->place;
	s->tries = o->tries ? o->tries : 1;
	s->stop = (struct http_stop){ o->interrupted, o->arg };
	(void)s3_name_root(&s->place, o->volume_id, s->root);
	(void)snprintf(s->words, sizeof(s->words), "s3://%s%s%s", s->place.bucket,
		       s->place.prefix[0] ? "/" : "", s->place.prefix);
	*ret = s;
	return 0;
}

void s3_close(struct s3 *s)
{
	if (!s)
		return;
	curl_easy_cleanup(s->curl);
	crypto_wipe(&s->place.credentials, sizeof(s->place.credentials));
	free(s);
}

/* --- texts */

void s3_encode(const char *text, struct buf *out)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    strchr("-._~", c))
			buf_add(out, text, 1);
		else
			buf_add_text(out, "%%%02X", c);
	}
}

void s3_date(uint64_t time_ns, char out[S3_DATE_BYTES])
{
	time_t seconds = (time_t)(time_ns / 1000000000u);
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) || strftime(out, S3_DATE_BYTES, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		out[0] = 0;
}

/* --- libcurl's callbacks */

struct transfer {
	struct s3_answer *answer;
	size_t max;
	bool cut; /* what is over max is not wanted, and no error */
	bool full, too_long;
};

static size_t take_body(char *data, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	size_t len = size * n, room = t->max - t->answer->body.len;

	if (len > room) {
		t->full = t->cut;
		t->too_long = !t->cut;
		if (t->cut)
			buf_add(&t->answer->body, data, room);
		return 0;
	}
	buf_add(&t->answer->body, data, len);
	return buf_status(&t->answer->body) < 0 ? 0 : len;
}

static bool header_is(const char *data, size_t len, const char *name, char *out, size_t size)
{
	size_t at = strlen(name), n;

	if (len <= at || strncasecmp(data, name, at) != 0)
		return false;
	for (; at < len && (data[at] == ' ' || data[at] == '"'); at++)
		;
	while (len > at && strchr("\r\n \"", data[len - 1]))
		len--;
	n = len - at < size ? len - at : 0; /* what does not fit is not what is looked for */
	memcpy(out, data + at, n);
	out[n] = 0;
	return true;
}

static size_t take_header(char *data, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	struct s3_answer *a = t->answer;
	static const char range[] = "Content-Range:";
	size_t len = size * n;
	char number[24];

	if (header_is(data, len, "ETag:", a->etag, sizeof(a->etag)) ||
	    header_is(data, len, "x-amz-version-id:", a->version, sizeof(a->version)) ||
	    header_is(data, len, "x-amz-object-lock-mode:", a->lock_mode, sizeof(a->lock_mode)) ||
	    header_is(data, len, "x-amz-object-lock-retain-until-date:", a->lock_until,
		      sizeof(a->lock_until)))
		return len;
	if (header_is(data, len, "Content-Length:", number, sizeof(number)))
		a->bytes = strtoull(number, NULL, 10);
	if (len > strlen(range) && strncasecmp(data, range, strlen(range)) == 0)
		a->other_part = strncasecmp(data + strlen(range), " bytes 0-", 9) != 0;
	return len;
}

/* --- one request */

static void make_url(const struct s3 *s, const struct s3_ask *q, struct buf *out)
{
	const char *host = strstr(s->place.endpoint, "://") + 3;

	if (s->place.host_style)
		buf_add_text(out, "%.*s%s.%s/%s", (int)(host - s->place.endpoint), s->place.endpoint,
			     s->place.bucket, host, q->key);
	else
		buf_add_text(out, "%s/%s%s%s", s->place.endpoint, s->place.bucket, q->key[0] ? "/" : "",
			     q->key);
	if (q->query && q->query[0])
		buf_add_text(out, "?%s", q->query);
	(void)buf_cstr(out);
}

static int make_headers(const struct s3 *s, const struct s3_ask *q, struct curl_slist **list)
{
	char hex[2 * SHA256_BYTES + 1];
	uint8_t hash[SHA256_BYTES];
	int bad;

	wire_sha256(q->body ? q->body : "", q->len, hash);
	wire_hex(hash, sizeof(hash), hex);
	bad = http_add_header(list, "x-amz-content-sha256: %s", hex);
	if (s->place.credentials.token[0])
		bad |= http_add_header(list, "x-amz-security-token: %s", s->place.credentials.token);
	if (q->body)
		bad |= http_add_header(list, "Content-Type: application/octet-stream");
	if (q->first_bytes)
		bad |= http_add_header(list, "Range: bytes=0-%u", (unsigned)q->first_bytes - 1);
	for (size_t i = 0; q->headers && q->headers[i]; i++)
		bad |= http_add_header(list, "%s", q->headers[i]);
	return bad ? -ENOMEM : 0;
}

static int set_signature(struct s3 *s)
{
	const struct s3_credentials *c = &s->place.credentials;
	char text[sizeof(c->access_key) + sizeof(c->secret_key) + 1];
	CURLcode code;

	(void)snprintf(text, sizeof(text), "aws:amz:%s:s3", s->place.region);
	code = curl_easy_setopt(s->curl, CURLOPT_AWS_SIGV4, text);
	(void)snprintf(text, sizeof(text), "%s:%s", c->access_key, c->secret_key);
	if (code == CURLE_OK)
		code = curl_easy_setopt(s->curl, CURLOPT_USERPWD, text);
	crypto_wipe(text, sizeof(text));
	return code == CURLE_OK ? 0 : -ENOMEM;
}

static void set_common(struct s3 *s, struct transfer *t)
{
	CURL *c = s->curl;

	http_set_up(c, strncmp(s->place.endpoint, "https", 5) == 0 ? "https" : "http", &s->stop);
	http_set_up_transfer(c);
	if (s->place.ca[0]) {
		(void)curl_easy_setopt(c, CURLOPT_CAINFO, s->place.ca);
		(void)curl_easy_setopt(c, CURLOPT_CAPATH, NULL);
	}
	(void)curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
	(void)curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
	(void)curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
	(void)curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take_header);
	(void)curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
}

static void set_method(struct s3 *s, const struct s3_ask *q)
{
	if (q->body)
		http_set_body(s->curl, q->body, q->len);
	if (strcmp(q->method, "HEAD") == 0)
		(void)curl_easy_setopt(s->curl, CURLOPT_NOBODY, 1L);
	else
		(void)curl_easy_setopt(s->curl, CURLOPT_CUSTOMREQUEST, q->method);
}

static int curl_fault(struct s3 *s, CURLcode code, const char *words, struct hf_error *err)
{
	if (code == CURLE_PEER_FAILED_VERIFICATION)
		return hf_error_set(err, -EKEYREJECTED,
				    "%s: %s; name the authority's file with &ca=FILE if it is a private one",
				    s->place.endpoint, words[0] ? words : curl_easy_strerror(code));
	return http_fault(s->curl, code, words, s->place.endpoint, err);
}

static int perform(struct s3 *s, const struct s3_ask *q, struct curl_slist *headers, const char *url,
		   struct transfer *t, struct hf_error *err)
{
	char words[CURL_ERROR_SIZE] = "";
	CURLcode code;

	set_common(s, t);
	set_method(s, q);
	(void)curl_easy_setopt(s->curl, CURLOPT_ERRORBUFFER, words);
	(void)curl_easy_setopt(s->curl, CURLOPT_HTTPHEADER, headers);
	if (curl_easy_setopt(s->curl, CURLOPT_URL, url) != CURLE_OK || set_signature(s) < 0)
		return hf_error_set(err, -ENOMEM, "no memory");
	code = curl_easy_perform(s->curl);
	(void)curl_easy_setopt(s->curl, CURLOPT_ERRORBUFFER, NULL);
	if (t->too_long)
		return hf_error_set(err, -EPROTO, "%s answers with more than was asked for",
				    s->place.endpoint);
	if (code == CURLE_WRITE_ERROR && buf_status(&t->answer->body) < 0)
		return hf_error_set(err, -ENOMEM, "no memory for the answer");
	if (code != CURLE_OK && !(code == CURLE_WRITE_ERROR && t->full))
		return curl_fault(s, code, words, err);
	(void)curl_easy_getinfo(s->curl, CURLINFO_RESPONSE_CODE, &t->answer->status);
	return 0;
}

static void clear(struct s3_answer *a)
{
	struct buf body = a->body;

	buf_clear(&body);
	memset(a, 0, sizeof(*a));
	a->body = body;
}

static int ask_once(struct s3 *s, const struct s3_ask *q, struct s3_answer *a, struct hf_error *err)
{
	struct transfer t = { .answer = a, .max = q->answer_max ? q->answer_max : S3_XML_BYTES_MAX };
	CLEANUP(buf_release) struct buf url = BUF_INIT;
	struct curl_slist *headers = NULL;
	int r;

	clear(a);
	if (q->first_bytes) {
		t.max = q->first_bytes;
		t.cut = true;
	}
	make_url(s, q, &url);
	r = buf_status(&url) < 0 ? -ENOMEM : make_headers(s, q, &headers);
	if (r < 0)
		(void)hf_error_set(err, r, "no memory");
	else
		r = perform(s, q, headers, (const char *)url.data, &t, err);
	http_free_headers(headers);
	if (r == 0 && a->status / 100 != 2) {
		(void)s3_xml_text(a->body.data, a->body.len, "Code", a->code, sizeof(a->code));
		(void)s3_xml_text(a->body.data, a->body.len, "Message", a->words, sizeof(a->words));
		make_printable(a->code);
		make_printable(a->words);
	}
	return r;
}

/* --- again */

static bool is_passing(int r, const struct s3_answer *a)
{
	if (r == 0)
		return a->status == 429 || a->status == 500 || (a->status >= 502 && a->status <= 504);
	return r == -ECONNRESET || r == -ETIMEDOUT;
}

static bool interrupted(const struct s3 *s)
{
	return s->stop.asked && s->stop.asked(s->stop.arg);
}

static void pause_ms(const struct s3 *s, unsigned ms)
{
	const struct timespec step = { .tv_nsec = PAUSE_STEP_MS * 1000000 };

	for (; ms >= PAUSE_STEP_MS && !interrupted(s); ms -= PAUSE_STEP_MS)
		(void)nanosleep(&step, NULL);
}

/* Others may have been put into the file since. */
static bool new_credentials(struct s3 *s)
{
	struct s3_credentials now, *held = &s->place.credentials;
	bool changed;

	if (!s->place.credentials_path[0] ||
	    s3_credentials_read(s->os, s->place.credentials_path, &now, NULL) < 0)
		return false;
	changed = strcmp(now.access_key, held->access_key) != 0 ||
		  strcmp(now.secret_key, held->secret_key) != 0 || strcmp(now.token, held->token) != 0;
	if (changed)
		*held = now;
	crypto_wipe(&now, sizeof(now));
	return changed;
}

int s3_ask(struct s3 *s, const struct s3_ask *q, struct s3_answer *a, struct hf_error *err)
{
	unsigned pause = PAUSE_FIRST_MS;
	int r = 0;

	for (unsigned i = 0; i < s->tries; i++) {
		r = ask_once(s, q, a, err);
		if (r == 0 && (a->status == 403 || a->status == 400 || a->status == 401) &&
		    new_credentials(s))
			continue;
		if (!is_passing(r, a) || interrupted(s))
			return r;
		if (i + 1 < s->tries)
			pause_ms(s, pause);
		pause = pause * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS : pause * 2;
	}
	return r;
}

struct meaning {
	long status;
	const char *code; /* NULL: any */
	int number;
	const char *hint;
};

static const struct meaning meanings[] = {
	{ 403, "RequestTimeTooSkewed", -EACCES, ": this machine's clock is wrong, or the server's" },
	{ 403, "InvalidAccessKeyId", -EACCES, ": it does not know this access key" },
	{ 403, "SignatureDoesNotMatch", -EACCES, ": the secret key is wrong, or the region" },
	{ 403, "QuotaExceeded", -ENOSPC, "" },
	{ 403, NULL, -EACCES, "" },
	{ 401, NULL, -EACCES, "" },
	{ 404, NULL, -ENOENT, "" },
	{ 405, NULL, -EACCES, "" },
	{ 409, NULL, -EBUSY, "" },
	{ 412, NULL, -EEXIST, "" },
	{ 301, NULL, -EPROTO, ": the bucket is in another region" },
	{ 307, NULL, -EPROTO, ": the bucket is in another region" },
	{ 429, NULL, -EBUSY, "" },
	{ 500, NULL, -EBUSY, "" },
	{ 502, NULL, -EBUSY, "" },
	{ 503, NULL, -EBUSY, "" },
	{ 504, NULL, -EBUSY, "" },
	{ 507, NULL, -ENOSPC, "" },
};

int s3_refusal(const struct s3 *s, const struct s3_answer *a, const char *doing, struct hf_error *err)
{
	const char *hint = "";
	int number = -EPROTO;

	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
		const struct meaning *m = &meanings[i];

		if (m->status == a->status && (!m->code || strcmp(m->code, a->code) == 0)) {
			number = m->number;
			hint = m->hint;
			break;
		}
	}
	return hf_error_set(err, number, "%s: the server answers %ld%s%s%s%s%s to %s%s", s->words, a->status,
			    a->code[0] ? " " : "", a->code, a->words[0] ? " (" : "", a->words,
			    a->words[0] ? ")" : "", doing, hint);
}
