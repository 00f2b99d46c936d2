/* SPDX-License-Identifier: MIT */
/*
 * A node, asked over HTTPS (layer 4; PROTOCOL.md). One connection, kept between requests. The node is known
 * by its pin and its receipt key; nothing it says is believed without one or the other.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/base/printable.h"
#include "store/log/grants.h"
#include "store/replica/about.h"
#include "store/replica/http.h"
#include "store/replica/json.h"
#include "store/replica/peer.h"
#include "store/replica/prunes.h"

enum {
	ANSWER_BYTES_MAX = 1 << 20,
	RECEIPT_HEADER_BYTES_MAX = 128,
};

struct remote {
	struct peer peer;
	const struct os *os;
	CURL *curl;
	char url[PLACE_URL_BYTES];
	char pin[PLACE_PIN_BYTES + 16]; /* as libcurl wants it */
	uint8_t key[PUBLIC_KEY_BYTES];
	char node[HTTP_SIG_KEY_TEXT_BYTES];
	uint8_t volume_id[VOLUME_ID_BYTES];
	struct http_signer signer;
	int64_t skew_s;    /* what our clock lacks to the node's, as far as it has complained */
	bool takes_no_own; /* it does not know what a writer may say of its own position */
	struct http_stop stop;
};

struct request {
	const char *method;
	char path[128];
	char query[64]; /* with its question mark; "" for none */
	const void *body;
	size_t body_len;
	bool has_body;
	const struct place *invitation; /* NULL: none */
	char range[64];                 /* "" for none */
};

struct answer {
	struct buf body;
	size_t body_max;
	bool too_long;
	char receipt[RECEIPT_HEADER_BYTES_MAX];
	char about[ABOUT_TEXT_BYTES_MAX + 1];
	char nonce[HTTP_SIG_NONCE_TEXT_BYTES];
	long status;
};

static void answer_release(struct answer *a)
{
	buf_release(&a->body);
}

/* --- libcurl's callbacks */

static size_t take_body(char *data, size_t size, size_t n, void *arg)
{
	struct answer *a = arg;
	size_t len = size * n;

	if (len > a->body_max - a->body.len) {
		a->too_long = true;
		return 0;
	}
	buf_add(&a->body, data, len);
	return buf_status(&a->body) < 0 ? 0 : len;
}

/* The value of the header of this name, when it is that one and fits. */
static void take_value(const char *data, size_t len, const char *name, char *ret, size_t size)
{
	size_t at = strlen(name), end = len;

	if (len <= at || strncasecmp(data, name, at) != 0 || data[at] != ':')
		return;
	at++;
	while (at < end && data[at] == ' ')
		at++;
	while (end > at && (data[end - 1] == '\r' || data[end - 1] == '\n' || data[end - 1] == ' '))
		end--;
	if (end - at < size) {
		memcpy(ret, data + at, end - at);
		ret[end - at] = 0;
	}
}

static size_t take_header(char *data, size_t size, size_t n, void *arg)
{
	struct answer *a = arg;

	take_value(data, size * n, "Holdfast-Receipt", a->receipt, sizeof(a->receipt));
	take_value(data, size * n, ABOUT_HEADER, a->about, sizeof(a->about));
	return size * n;
}

/* --- one request */

/* Sign the request and set out its headers; the nonce is remembered for the receipt. */
static int make_headers(struct remote *r, const struct request *q, struct answer *a, struct curl_slist **list)
{
	CLEANUP(buf_release)
	struct buf digest = BUF_INIT, invitation = BUF_INIT, input = BUF_INIT, sig = BUF_INIT;
	struct http_sig_request covered = { q->method, q->path, q->query[0] ? q->query : "?",
					    r->node,   NULL,    NULL };
	struct http_sig_params params;
	int64_t now_s = (int64_t)(r->os->now_ns(r->os->state) / 1000000000u) + r->skew_s;
	int bad = 0, ret;

	if (q->has_body) {
		content_digest_make(q->body, q->body_len, &digest);
		covered.digest = buf_cstr(&digest);
	}
	if (q->invitation) {
		wire_base64(WIRE_BASE64URL, q->invitation->token, PLACE_TOKEN_BYTES, &invitation);
		covered.invitation = buf_cstr(&invitation);
	}
	if (buf_status(&digest) < 0 || buf_status(&invitation) < 0)
		return -ENOMEM;
	ret = http_sig_make(&covered, &r->signer, (uint64_t)(now_s > 0 ? now_s : 0), &params, &input, &sig);
	if (ret < 0)
		return ret;
	memcpy(a->nonce, params.nonce, sizeof(a->nonce));
	bad |= http_add_header(list, "Holdfast-Node: %s", r->node);
	bad |= http_add_header(list, "Signature-Input: %s", buf_cstr(&input));
	bad |= http_add_header(list, "Signature: %s", buf_cstr(&sig));
	if (q->has_body) {
		bad |= http_add_header(list, "Content-Digest: %s", covered.digest);
		bad |= http_add_header(list, "Content-Type: application/octet-stream");
	}
	if (q->invitation)
		bad |= http_add_header(list, "Holdfast-Invitation: %s", covered.invitation);
	if (q->range[0])
		bad |= http_add_header(list, "Range: %s", q->range);
	return bad ? -ENOMEM : 0;
}

static void set_common(struct remote *r)
{
	CURL *c = r->curl;

	http_set_up(c, "https", &r->stop);
	http_set_up_transfer(c);
	/* The pin is the identity: names and issuers in the certificate prove nothing here. */
	(void)curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
	(void)curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
	(void)curl_easy_setopt(c, CURLOPT_PINNEDPUBLICKEY, r->pin);
	(void)curl_easy_setopt(c, CURLOPT_EXPECT_100_TIMEOUT_MS, 2000L);
	(void)curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
	(void)curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take_header);
}

static int curl_fault(struct remote *r, CURLcode code, const char *words, struct hf_error *err)
{
	if (code == CURLE_SSL_PINNEDPUBKEYNOTMATCH)
		return hf_error_set(err, -EKEYREJECTED,
				    "%s is not the node that was pinned: its TLS key is another one. Someone "
				    "may be in between, or the node was set up anew",
				    r->url);
	return http_fault(r->curl, code, words, r->url, err);
}

static int perform(struct remote *r, const struct request *q, struct curl_slist *headers, struct answer *a,
		   struct hf_error *err)
{
	char url[PLACE_URL_BYTES + sizeof(q->path) + sizeof(q->query)], words[CURL_ERROR_SIZE] = "";
	CURLcode code;

	(void)snprintf(url, sizeof(url), "%s%s%s", r->url, q->path, q->query);
	set_common(r);
	(void)curl_easy_setopt(r->curl, CURLOPT_ERRORBUFFER, words);
	(void)curl_easy_setopt(r->curl, CURLOPT_WRITEDATA, a);
	(void)curl_easy_setopt(r->curl, CURLOPT_HEADERDATA, a);
	(void)curl_easy_setopt(r->curl, CURLOPT_HTTPHEADER, headers);
	if (curl_easy_setopt(r->curl, CURLOPT_URL, url) != CURLE_OK)
		return hf_error_set(err, -ENOMEM, "no memory");
	if (q->has_body) {
		http_set_body(r->curl, q->body, q->body_len);
		(void)curl_easy_setopt(r->curl, CURLOPT_MAX_SEND_SPEED_LARGE, (curl_off_t)r->peer.flow_max);
	}
	(void)curl_easy_setopt(r->curl, CURLOPT_CUSTOMREQUEST, q->method);
	code = curl_easy_perform(r->curl);
	(void)curl_easy_setopt(r->curl, CURLOPT_ERRORBUFFER, NULL);
	if (a->too_long)
		return hf_error_set(err, -EPROTO, "%s answers with more than was asked for", r->url);
	if (code == CURLE_WRITE_ERROR && buf_status(&a->body) < 0)
		return hf_error_set(err, -ENOMEM, "no memory for the answer");
	if (code != CURLE_OK)
		return curl_fault(r, code, words, err);
	(void)curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &a->status);
	return 0;
}

/* --- what an answer that is not 2xx means */

struct meaning {
	const char *code;
	int number;
};

static const struct meaning meanings[] = {
	{ "gap", -ERANGE },
	{ "conflict", -EEXIST },
	{ "epoch_over", -EKEYREJECTED },
	{ "bad_signature", -EKEYREJECTED },
	{ "bad_log_signature", -EKEYREJECTED },
	{ "wrong_node", -EKEYREJECTED },
	{ "invitation", -EACCES },
	{ "not_allowed", -EACCES },
	{ "unknown_volume", -ENOENT },
	{ "not_found", -ENOENT },
	{ "not_verified", -EUCLEAN },
	{ "damaged", -EUCLEAN },
	{ "unknown_version", -EPROTONOSUPPORT },
	{ "full", -ENOSPC },
	{ "over_budget", -EDQUOT },
	{ "read_only", -EROFS },
	{ "busy", -EBUSY },
	{ "clock", -EAGAIN },
	{ "bad_request", -EINVAL },
};

static int refusal(struct remote *r, struct answer *a, struct hf_error *err)
{
	CLEANUP(json_decrefp) json_t *o = json_read(a->body.data, a->body.len);
	char code[32] = "", words[400] = "";
	uint64_t node_ns;
	int number = -EPROTO;

	if (!o || json_get_text(o, "code", code, sizeof(code)) < 0 ||
	    json_get_text(o, "error", words, sizeof(words)) < 0)
		return hf_error_set(err, a->status == 503 ? -EBUSY : -EPROTO,
				    "%s answers with status %ld, and not as a "
				    "holdfast node does",
				    r->url, a->status);
	make_printable(words);
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
		if (strcmp(code, meanings[i].code) == 0)
			number = meanings[i].number;
	if (number == -EAGAIN && json_get_u64(o, "node_time_ns", &node_ns) == 0)
		r->skew_s = (int64_t)(node_ns / 1000000000u) -
			    (int64_t)(r->os->now_ns(r->os->state) / 1000000000u);
	return hf_error_set(err, number, "%s refuses (%ld): %s", r->url, a->status, words);
}

static int request_once(struct remote *r, const struct request *q, struct answer *a, struct hf_error *err)
{
	struct curl_slist *headers = NULL;
	int ret;

	buf_clear(&a->body);
	a->receipt[0] = 0;
	a->about[0] = 0;
	a->too_long = false;
	ret = make_headers(r, q, a, &headers);
	if (ret < 0)
		(void)hf_error_set(err, ret, "no memory");
	else
		ret = perform(r, q, headers, a, err);
	http_free_headers(headers);
	if (ret < 0)
		return ret;
	return a->status / 100 == 2 ? 0 : refusal(r, a, err);
}

/* Once more when the node has just told us its time. */
static int request(struct remote *r, const struct request *q, struct answer *a, struct hf_error *err)
{
	int ret = request_once(r, q, a, err);

	return ret == -EAGAIN ? request_once(r, q, a, err) : ret;
}

static int take_receipt(struct remote *r, const struct answer *a, struct receipt *ret, struct hf_error *err)
{
	struct receipt got;
	int n = receipt_read(a->body.data, a->body.len, a->receipt, r->key, &got, err);

	if (n < 0)
		return hf_error_prefix(err, n, "%s", r->url);
	if (memcmp(got.volume_id, r->volume_id, VOLUME_ID_BYTES) != 0 || strcmp(got.nonce, a->nonce) != 0)
		return hf_error_set(err, -EKEYREJECTED,
				    "%s: the receipt is for another volume or another request", r->url);
	*ret = got;
	return 0;
}

static void set_path(const struct remote *r, struct request *q, const char *rest)
{
	char id[2 * VOLUME_ID_BYTES + 1];

	wire_hex(r->volume_id, VOLUME_ID_BYTES, id);
	(void)snprintf(q->path, sizeof(q->path), "/v1/volumes/%s%s", id, rest);
}

static int ask_receipt(struct remote *r, const struct request *q, struct receipt *ret, struct hf_error *err)
{
	CLEANUP(answer_release) struct answer a = { .body = BUF_INIT, .body_max = ANSWER_BYTES_MAX };
	int n = request(r, q, &a, err);

	if (n == 0)
		n = take_receipt(r, &a, ret, err);
	if (n == 0)
		(void)!about_parse(a.about, &r->peer.about); /* words for a person, and no more */
	return n;
}

/* --- the words of peer.h */

static int remote_enrol(struct peer *p, const struct epoch_cert *cert, const struct place *invitation,
			struct receipt *ret, struct hf_error *err)
{
	struct remote *r = (struct remote *)p;
	CLEANUP(buf_release) struct buf body = BUF_INIT;
	struct request q = { .method = "PUT", .has_body = true, .invitation = invitation };

	epoch_cert_encode(cert, &body);
	if (buf_status(&body) < 0)
		return hf_error_set(err, -ENOMEM, "no memory");
	q.body = body.data;
	q.body_len = body.len;
	set_path(r, &q, "");
	return ask_receipt(r, &q, ret, err);
}

static int remote_position(struct peer *p, struct receipt *ret, struct hf_error *err)
{
	struct remote *r = (struct remote *)p;
	struct request q = { .method = "GET" };
	int n;

	memset(&p->about, 0, sizeof(p->about));
	set_path(r, &q, "");
	if (!p->says_own || r->takes_no_own)
		return ask_receipt(r, &q, ret, err);
	(void)snprintf(q.query, sizeof(q.query), "?tid=%" PRIu64 "&commit=%" PRIu64, p->own_tid,
		       p->own_commit);
	n = ask_receipt(r, &q, ret, err);
	if (n != -EINVAL)
		return n;
	r->takes_no_own = true; /* a node of an earlier build */
	q.query[0] = 0;
	return ask_receipt(r, &q, ret, err);
}

static int remote_append(struct peer *p, struct log_pos at, const void *data, size_t len, struct receipt *ret,
			 struct hf_error *err)
{
	struct remote *r = (struct remote *)p;
	struct request q = { .method = "POST", .body = data, .body_len = len, .has_body = true };
	char rest[32];

	(void)snprintf(rest, sizeof(rest), "/log/%" PRIu32, at.segment);
	set_path(r, &q, rest);
	(void)snprintf(q.query, sizeof(q.query), "?offset=%" PRIu32, at.offset);
	return ask_receipt(r, &q, ret, err);
}

/* What was read goes behind what is in out. */
static ssize_t take_read(struct answer *a, struct buf *out, struct hf_error *err)
{
	ssize_t n = (ssize_t)a->body.len;

	if (out->len == 0)
		buf_swap(out, &a->body);
	else
		buf_add(out, a->body.data, a->body.len);
	return buf_status(out) < 0 ? hf_error_set(err, -ENOMEM, "no memory") : n;
}

static ssize_t remote_read(struct peer *p, struct log_pos at, size_t max, struct buf *out,
			   struct hf_error *err)
{
	struct remote *r = (struct remote *)p;
	CLEANUP(answer_release) struct answer a = { .body = BUF_INIT };
	struct request q = { .method = "GET" };
	char rest[32];
	int n;

	a.body_max = max > ANSWER_BYTES_MAX ? max : ANSWER_BYTES_MAX; /* an error's words must fit as well */
	(void)snprintf(rest, sizeof(rest), "/log/%" PRIu32, at.segment);
	set_path(r, &q, rest);
	(void)snprintf(q.range, sizeof(q.range), "bytes=%" PRIu32 "-%" PRIu64, at.offset,
		       at.offset + (uint64_t)max - 1);
	if (out->len == 0) /* memory that was found before need not be found again */
		buf_swap(out, &a.body);
	if (buf_reserve(&a.body, max) < 0)
		return hf_error_set(err, -ENOMEM, "no memory to read %zu bytes", max);
	n = request(r, &q, &a, err);
	if (n == -ERANGE) /* 416: nothing at or behind this place */
		return 0;
	if (n < 0)
		return n;
	if (a.status != 206 || a.body.len > max)
		return hf_error_set(err, -EPROTO,
				    "%s does not answer with the part of the log that was asked for", r->url);
	return take_read(&a, out, err);
}

static int remote_prunes(struct peer *p, uint32_t **ret, size_t *ret_n, struct hf_error *err)
{
	struct remote *r = (struct remote *)p;
	CLEANUP(answer_release) struct answer a = { .body = BUF_INIT, .body_max = ANSWER_BYTES_MAX };
	struct request q = { .method = "GET" };
	int n;

	set_path(r, &q, "/prunes");
	n = request(r, &q, &a, err);
	if (n == -ENOENT) { /* a node of an earlier build: it takes nothing away */
		if (err)
			*err = (struct hf_error)HF_ERROR_INIT;
		*ret = NULL;
		*ret_n = 0;
		return 0;
	}
	if (n == 0)
		n = prunes_parse(a.body.data, a.body.len, ret, ret_n);
	return n == -EPROTO ? hf_error_set(err, n, "%s does not answer with its prunes", r->url) : n;
}

static int remote_prune_list(struct peer *p, uint32_t number, struct buf *out, struct hf_error *err)
{
	struct remote *r = (struct remote *)p;
	CLEANUP(answer_release) struct answer a = { .body = BUF_INIT, .body_max = PRUNE_LIST_BYTES_MAX };
	struct request q = { .method = "GET" };
	char rest[32];
	int n;

	(void)snprintf(rest, sizeof(rest), "/prunes/%" PRIu32, number);
	set_path(r, &q, rest);
	n = request(r, &q, &a, err);
	if (n < 0)
		return n;
	buf_add(out, a.body.data, a.body.len);
	return buf_status(out) < 0 ? hf_error_set(err, -ENOMEM, "no memory") : 0;
}

static int remote_know(struct peer *p, const void *list, size_t len, struct hf_error *err)
{
	struct remote *r = (struct remote *)p;
	struct request q = { .method = "POST", .body = list, .body_len = len, .has_body = true };
	struct receipt receipt;
	int n;

	set_path(r, &q, "/prunes");
	n = ask_receipt(r, &q, &receipt, err);
	return n == -ENOENT ? 0 : n;
}

/* Whatever is answered is what was wanted to be known. */
static int remote_attempt(struct peer *p, const struct peer_attempt *what, long *ret_status,
			  struct hf_error *err)
{
	struct remote *r = (struct remote *)p;
	CLEANUP(answer_release) struct answer a = { .body = BUF_INIT, .body_max = ANSWER_BYTES_MAX };
	struct request q = { .method = what->method,
			     .body = what->body,
			     .body_len = what->len,
			     .has_body = what->body != NULL };
	char rest[32] = "";
	int n;

	if (what->at.segment)
		(void)snprintf(rest, sizeof(rest), "/log/%" PRIu32, what->at.segment);
	set_path(r, &q, rest);
	if (strcmp(what->method, "POST") == 0)
		(void)snprintf(q.query, sizeof(q.query), "?offset=%" PRIu32, what->at.offset);
	n = request(r, &q, &a, err);
	*ret_status = a.status;
	if (a.status == 0)
		return n;
	if (err)
		*err = (struct hf_error)HF_ERROR_INIT;
	return 0;
}

static void remote_free(struct peer *p)
{
	struct remote *r = (struct remote *)p;

	curl_easy_cleanup(r->curl);
	free(r);
}

static const struct peer_ops remote_ops = {
	.enrol = remote_enrol,
	.position = remote_position,
	.append = remote_append,
	.read = remote_read,
	.prunes = remote_prunes,
	.prune_list = remote_prune_list,
	.know = remote_know,
	.attempt = remote_attempt,
	.free = remote_free,
};

static int set_pin(struct remote *r, const uint8_t pin[SHA256_BYTES])
{
	CLEANUP(buf_release) struct buf text = BUF_INIT;

	buf_add_text(&text, "sha256//");
	wire_base64(WIRE_BASE64, pin, SHA256_BYTES, &text);
	(void)buf_cstr(&text);
	if (buf_status(&text) < 0 || text.len >= sizeof(r->pin))
		return -ENOMEM;
	memcpy(r->pin, text.data, text.len + 1);
	return 0;
}

int remote_open(const struct peer_options *o, struct peer **ret, struct hf_error *err)
{
	struct remote *r;

	r = calloc(1, sizeof(*r));
	if (r)
		r->curl = http_open();
	if (!r || !r->curl || set_pin(r, o->place->pin) < 0) {
		if (r)
			curl_easy_cleanup(r->curl);
		free(r);
		return hf_error_set(err, -ENOMEM, "no memory for a connection");
	}
	r->peer.ops = &remote_ops;
	r->os = o->os;
	memcpy(r->url, o->place->url, sizeof(r->url));
	memcpy(r->key, o->place->key, sizeof(r->key));
	wire_hex(r->key, sizeof(r->key), r->node);
	memcpy(r->volume_id, o->volume_id, sizeof(r->volume_id));
	r->signer = o->signer;
	r->stop = (struct http_stop){ o->interrupted, o->arg };
	*ret = &r->peer;
	return 0;
}
