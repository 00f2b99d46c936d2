/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <curl/curl.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "store/replica/json.h"
#include "store/volume/kit.h"
#include "tests/unit/node_helper.h"

static pthread_mutex_t logged_lock = PTHREAD_MUTEX_INITIALIZER;
static struct buf logged;

static void print_line(void *arg, int priority, const char *line)
{
	(void)arg;
	(void)pthread_mutex_lock(&logged_lock);
	buf_add_text(&logged, "%s\n", line);
	(void)pthread_mutex_unlock(&logged_lock);
	if (getenv("HOLDFAST_TEST_VERBOSE"))
		(void)fprintf(stderr, "node <%d> %s\n", priority, line);
}

unsigned node_log_lines(const char *with)
{
	unsigned n = 0;

	(void)pthread_mutex_lock(&logged_lock);
	for (const char *at = buf_cstr(&logged); (at = strstr(at, with)); at += strcspn(at, "\n"))
		n++;
	(void)pthread_mutex_unlock(&logged_lock);
	return n;
}

void node_fixture_init(struct node_fixture *n)
{
	const char *tmp = getenv("TMPDIR");

	memset(n, 0, sizeof(*n));
	(void)snprintf(n->dir, sizeof(n->dir), "%s/node.XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(n->dir));
	assert_int_equal(hf_node_init(n->dir, "127.0.0.1:0", NULL), 0);
	hf_set_log(print_line, NULL);
	n->curl = curl_easy_init();
	assert_non_null(n->curl);
	assert_int_equal(node_fixture_start(n), 0);
}

void node_fixture_stop(struct node_fixture *n)
{
	hf_node_stop(n->node);
	n->node = NULL;
}

int node_fixture_start(struct node_fixture *n)
{
	struct hf_error err = HF_ERROR_INIT;
	int r = hf_node_start(n->dir, &n->node, &err);

	if (r < 0)
		print_line(NULL, 0, err.text);
	else
		free(node_fixture_invite(n, NULL));
	return r;
}

void node_fixture_release(struct node_fixture *n)
{
	node_fixture_stop(n);
	curl_easy_cleanup(n->curl);
	place_release(&n->place);
	remove_folder(n->dir);
	buf_release(&logged);
}

void node_fixture_copy(const struct node_fixture *n, char out[160])
{
	char command[400];

	(void)snprintf(out, 160, "%s.old", n->dir);
	(void)snprintf(command, sizeof(command), "cp -a '%s' '%s'", n->dir, out);
	assert_int_equal(system(command), 0);
}

void node_fixture_put_back(struct node_fixture *n, const char *copy)
{
	node_fixture_stop(n);
	remove_folder(n->dir);
	assert_int_equal(rename(copy, n->dir), 0);
	assert_int_equal(node_fixture_start(n), 0);
}

char *node_fixture_invite(struct node_fixture *n, const uint8_t *volume_id)
{
	char id[HF_VOLUME_ID_TEXT_BYTES], *line = NULL;

	if (volume_id)
		volume_id_text(volume_id, id);
	assert_int_equal(hf_node_invite(n->dir, volume_id ? id : NULL, NULL, 0, &line, NULL), 0);
	place_release(&n->place);
	assert_int_equal(place_parse(line, &n->place, NULL), 0);
	return line;
}

unsigned node_fixture_evidence(const struct node_fixture *n)
{
	char path[160];
	unsigned files = 0;
	struct dirent *e;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "%s/evidence", n->dir);
	dir = opendir(path);
	assert_non_null(dir);
	while ((e = readdir(dir)))
		files += e->d_name[0] != '.';
	closedir(dir);
	return files;
}

void node_fixture_path(const struct node_fixture *n, const uint8_t *id, const char *rest, char out[256])
{
	char text[HF_VOLUME_ID_TEXT_BYTES];

	volume_id_text(id, text);
	(void)snprintf(out, 256, "%s/volumes/%s/%s", n->dir, text, rest);
}

/* --- sending */

static size_t take_body(char *data, size_t size, size_t n, void *arg)
{
	buf_add(&((struct wire_answer *)arg)->body, data, size * n);
	return size * n;
}

static size_t take_header(char *data, size_t size, size_t n, void *arg)
{
	static const char name[] = "Holdfast-Receipt: ";
	struct wire_answer *a = arg;
	size_t len = size * n;

	if (len > sizeof(name) && strncasecmp(data, name, sizeof(name) - 1) == 0)
		(void)snprintf(a->receipt_text, sizeof(a->receipt_text), "%.*s",
			       (int)strcspn(data + sizeof(name) - 1, "\r\n"), data + sizeof(name) - 1);
	return len;
}

struct feed {
	const struct wire *w;
	size_t at;
};

static size_t give_body(char *data, size_t size, size_t n, void *arg)
{
	struct feed *f = arg;
	size_t len = f->w->body_len - f->at;

	if (len > size * n)
		len = size * n;
	memcpy(data, (const char *)f->w->body + f->at, len);
	f->at += len;
	return len;
}

static void add_header(struct curl_slist **list, const char *name, const char *value)
{
	char line[1600];

	(void)snprintf(line, sizeof(line), "%s: %s", name, value);
	*list = curl_slist_append(*list, line);
	assert_non_null(*list);
}

static void sign(const struct wire *w, struct wire_answer *a, struct curl_slist **list,
		 struct http_sig_params *params)
{
	CLEANUP(buf_release) struct buf digest = BUF_INIT, token = BUF_INIT, input = BUF_INIT, sig = BUF_INIT;
	char path[400], name[HTTP_SIG_KEY_TEXT_BYTES];
	const char *mark = strchr(w->target, '?');
	struct http_sig_request covered = { .method = w->signed_method ? w->signed_method : w->method,
					    .path = path,
					    .query = mark ? mark : "?",
					    .node = name };

	(void)snprintf(path, sizeof(path), "%.*s", (int)strcspn(w->target, "?"), w->target);
	wire_hex(w->node->place.key, PUBLIC_KEY_BYTES, name);
	if (w->node_name)
		(void)snprintf(name, sizeof(name), "%s", w->node_name);
	if (w->body) {
		content_digest_make(w->body, w->body_len, &digest);
		covered.digest = w->digest ? w->digest : buf_cstr(&digest);
		add_header(list, "Content-Digest", covered.digest);
	}
	if (w->token) {
		wire_base64(WIRE_BASE64URL, w->token, PLACE_TOKEN_BYTES, &token);
		covered.invitation = buf_cstr(&token);
		add_header(list, "Holdfast-Invitation", covered.invitation);
	}
	assert_int_equal(http_sig_make(&covered, &w->signer, (uint64_t)((int64_t)time(NULL) + w->clock_s),
				       params, &input, &sig),
			 0);
	(void)snprintf(a->input, sizeof(a->input), "%s", w->input ? w->input : buf_cstr(&input));
	(void)snprintf(a->signature, sizeof(a->signature), "%s",
		       w->signature ? w->signature : buf_cstr(&sig));
	add_header(list, "Holdfast-Node", name);
	if (!w->unsigned_) {
		add_header(list, "Signature-Input", a->input);
		add_header(list, "Signature", a->signature);
	}
}

static void set_up(CURL *c, const struct wire *w, struct curl_slist *list, struct feed *feed,
		   struct wire_answer *a)
{
	CLEANUP(buf_release) struct buf pin = BUF_INIT;
	char url[800];

	(void)snprintf(url, sizeof(url), "%s%s", w->node->place.url, w->target);
	buf_add_text(&pin, "sha256//");
	wire_base64(WIRE_BASE64, w->node->place.pin, SHA256_BYTES, &pin);
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_PROXY, "");
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
	curl_easy_setopt(c, CURLOPT_PINNEDPUBLICKEY, buf_cstr(&pin));
	curl_easy_setopt(c, CURLOPT_TIMEOUT, 30L);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, list);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, a);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, a);
	if (w->body && w->chunked) {
		curl_easy_setopt(c, CURLOPT_POST, 1L);
		curl_easy_setopt(c, CURLOPT_READFUNCTION, give_body);
		curl_easy_setopt(c, CURLOPT_READDATA, feed);
	} else if (w->body) {
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, w->body);
		curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)w->body_len);
	}
	if (strcmp(w->method, "HEAD") == 0)
		curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
	curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, w->method);
}

static void read_answer(const struct wire *w, const struct http_sig_params *params, struct wire_answer *a)
{
	CLEANUP(json_decrefp) json_t *o = NULL;

	if (a->status >= 300) {
		o = json_read(a->body.data, a->body.len);
		if (o)
			(void)json_get_text(o, "code", a->code, sizeof(a->code));
		return;
	}
	if (!a->receipt_text[0])
		return;
	assert_int_equal(receipt_read(a->body.data, a->body.len, a->receipt_text, w->node->place.key,
				      &a->receipt, NULL),
			 0);
	assert_string_equal(a->receipt.nonce, params->nonce);
	a->has_receipt = true;
}

void wire_send(const struct wire *w, struct wire_answer *a)
{
	struct curl_slist *list = NULL;
	struct http_sig_params params;
	struct feed feed = { w, 0 };
	CURL *c = w->node->curl; /* one connection for all, as a real client has */
	CURLcode code;

	memset(a, 0, sizeof(*a));
	curl_easy_reset(c);
	sign(w, a, &list, &params);
	if (w->range)
		add_header(&list, "Range", w->range);
	if (w->chunked)
		add_header(&list, "Transfer-Encoding", "chunked");
	set_up(c, w, list, &feed, a);
	code = curl_easy_perform(c);
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &a->status);
	/* A node that answers before the body is sent closes the connection, which libcurl may see before the
	 * end. */
	if (code != CURLE_OK && a->status < 300)
		fail_msg("%s %s: %s", w->method, w->target, curl_easy_strerror(code));
	curl_slist_free_all(list);
	read_answer(w, &params, a);
}

void wire_answer_release(struct wire_answer *a)
{
	buf_release(&a->body);
}

struct receipt wire_expect(const struct wire *w, long status, const char *code)
{
	CLEANUP(wire_answer_release) struct wire_answer a;

	wire_send(w, &a);
	if (a.status != status || strcmp(a.code, code ? code : "") != 0)
		fail_msg("%s %s: %ld %s, not %ld %s: %.*s", w->method, w->target, a.status, a.code, status,
			 code ? code : "", (int)(a.body.len < 300 ? a.body.len : 300),
			 a.body.data ? (const char *)a.body.data : "");
	return a.receipt;
}

void wire_expect_again(struct wire w, long status, const char *code, long again_status,
		       const char *again_code)
{
	CLEANUP(wire_answer_release) struct wire_answer a;

	wire_send(&w, &a);
	assert_int_equal(a.status, status);
	assert_string_equal(a.code, code);
	w.input = a.input;
	w.signature = a.signature;
	(void)wire_expect(&w, again_status, again_code);
}

/* --- the usual requests */

static struct wire wire_base(const struct node_fixture *n, struct http_signer signer, const char *method,
			     const uint8_t *id, const char *rest)
{
	struct wire w = { .node = n, .signer = signer, .method = method };
	char text[HF_VOLUME_ID_TEXT_BYTES];

	volume_id_text(id, text);
	(void)snprintf(w.target, sizeof(w.target), "/v1/volumes/%s%s", text, rest);
	return w;
}

struct wire wire_enrol(const struct node_fixture *n, struct http_signer signer, const struct epoch_cert *cert,
		       struct buf *body, const uint8_t *token)
{
	struct wire w = wire_base(n, signer, "PUT", cert->volume_id, "");

	buf_clear(body);
	epoch_cert_encode(cert, body);
	w.body = body->data;
	w.body_len = body->len;
	w.token = token;
	return w;
}

struct wire wire_position(const struct node_fixture *n, struct http_signer signer, const uint8_t *id)
{
	return wire_base(n, signer, "GET", id, "");
}

struct wire wire_append(const struct node_fixture *n, struct http_signer signer, const uint8_t *id,
			struct log_pos at, const void *data, size_t len)
{
	char rest[64];
	struct wire w;

	(void)snprintf(rest, sizeof(rest), "/log/%" PRIu32 "?offset=%" PRIu32, at.segment, at.offset);
	w = wire_base(n, signer, "POST", id, rest);
	w.body = data;
	w.body_len = len;
	return w;
}

struct wire wire_read(const struct node_fixture *n, struct http_signer signer, const uint8_t *id,
		      const char *rest, const char *range)
{
	struct wire w = wire_base(n, signer, "GET", id, rest);

	w.range = range;
	return w;
}

void log_raw(struct log *l, struct log_pos at, size_t max, struct buf *out, struct log_point *ret)
{
	buf_clear(out);
	assert_int_equal(log_read_raw(l, at, max, out, ret, NULL), 0);
}

void wire_send_log(const struct node_fixture *n, struct http_signer signer, struct log *l, const uint8_t *id)
{
	CLEANUP(buf_release) struct buf data = BUF_INIT;
	struct wire w = wire_position(n, signer, id);
	struct receipt receipt = wire_expect(&w, 200, NULL);
	struct log_pos at = receipt.point.end;
	struct log_point behind;

	if (at.segment == 0)
		at = (struct log_pos){ 1, 0 };
	for (;;) {
		int r;

		buf_clear(&data);
		r = log_read_raw(l, at, 1 << 20, &data, &behind, NULL);
		if (r == -ENODATA)
			return;
		if (r == -ENOENT) {
			at = (struct log_pos){ at.segment + 1, 0 };
			continue;
		}
		assert_int_equal(r, 0);
		w = wire_append(n, signer, id, at, data.data, data.len);
		receipt = wire_expect(&w, 200, NULL);
		assert_int_equal(log_pos_compare(receipt.point.end, behind.end), 0);
		assert_memory_equal(receipt.point.chain, behind.chain, HASH_BYTES);
		at = behind.end;
	}
}

/* --- a node and a volume */

enum { SEGMENT_BYTES = 64 << 10 };

void node_bench_init(struct node_bench *b, uint64_t groups)
{
	memset(b, 0, sizeof(*b));
	node_fixture_init(&b->node);
	log_fixture_init(&b->volume, NULL, SEGMENT_BYTES);
	assert_int_equal(log_create(&b->volume.options, &b->volume.cert, &b->log, NULL), 0);
	if (groups > 0)
		log_put_groups(b->log, 1, groups, NODE_BENCH_GROUP_BYTES);
	b->id = owner_volume_id(b->volume.owner);
	volume_id_text(b->id, b->id_text);
	b->writer = http_signer_of_writer(b->volume.keys);
	b->owner = http_signer_of_owner(b->volume.owner);
}

void node_bench_enrol(struct node_bench *b)
{
	struct wire w;

	free(node_fixture_invite(&b->node, NULL));
	w = wire_enrol(&b->node, b->writer, &b->volume.cert, &b->body, b->node.place.token);
	(void)wire_expect(&w, 200, NULL);
}

void node_bench_init_sent(struct node_bench *b, uint64_t sent, uint64_t groups)
{
	node_bench_init(b, sent);
	node_bench_enrol(b);
	wire_send_log(&b->node, b->writer, b->log, b->id);
	log_durable(b->log, &b->point);
	if (groups > sent)
		log_put_groups(b->log, sent + 1, groups, NODE_BENCH_GROUP_BYTES);
}

void node_bench_release(struct node_bench *b)
{
	buf_release(&b->body);
	log_close(b->log);
	log_fixture_release(&b->volume);
	node_fixture_release(&b->node);
}

struct wire node_bench_append(struct node_bench *b, struct log_pos at, size_t max)
{
	log_raw(b->log, at, max, &b->body, &b->point);
	return wire_append(&b->node, b->writer, b->id, at, b->body.data, b->body.len);
}
