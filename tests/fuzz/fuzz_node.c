/* SPDX-License-Identifier: MIT */
/*
 * A node from the first line of a request to its answer. The server's library is replaced (fake_server.h):
 * what the input says is handed on as it would be if it came from a network. The input:
 *
 *   byte 0   bit 0: signed, by
 *            bit 1: the owner, else the writer;
 *            bit 2: also what the input says stands in headers;
 *            bit 3: the body of a POST is made the next group of the log, rightly signed
 *
 *   lines    method, target, and headers "name: value" up to an empty line; the body
 */
#include <ftw.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "holdfast/node.h"
#include "store/format/format.h"
#include "store/node/request.h"
#include "store/replica/http_sig.h"
#include "store/volume/kit.h"
#include "tests/sim/fake_server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { RUNS_OF_ONE_NODE = 50000, SIGNED = 1, BY_OWNER = 2, OWN_HEADERS = 4, MADE = 8 };

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* --- a node with a volume */

static char dir[256];
static struct hf_node *node;
static char node_name[2 * PUBLIC_KEY_BYTES + 1];
static struct owner *owner;
static struct keyring *keys;
static struct epoch_cert cert;
static char id_text[HF_VOLUME_ID_TEXT_BYTES];
static struct chain chain; /* of the segment that the node has, and its end */
static struct commit last;
static uint32_t end_offset;

static int remove_one(const char *path, const struct stat *st, int what, struct FTW *ftw)
{
	(void)st;
	(void)what;
	(void)ftw;
	return remove(path);
}

static void end_node(void)
{
	if (!node)
		return;
	hf_node_stop(node);
	node = NULL;
	(void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void begin_keys(void)
{
	static const uint8_t seed[SEED_BYTES] = { 7 };

	must(crypto_init() == 0 && owner_new(seed, &owner) == 0 && owner_keyring(owner, &keys) == 0);
	must(keyring_set_writer(keys, 1, seed) == 0);
	cert = (struct epoch_cert){ .epoch = 1, .format_floor = 1, .first_segment = 1 };
	memcpy(cert.writer_public, keyring_writer_public(keys), PUBLIC_KEY_BYTES);
	epoch_cert_sign(&cert, owner);
	volume_id_text(cert.volume_id, id_text);
	(void)atexit(end_node);
}

struct call {
	struct MHD_Connection connection;
	char method[64], target[600];
	uint8_t *body;
	size_t body_len;
	struct buf digest, input, signature, length, token;
};

static void sign_call(struct call *c, bool by_owner, bool has_token)
{
	struct http_signer signer = by_owner ? http_signer_of_owner(owner) : http_signer_of_writer(keys);
	const char *mark = strchr(c->target, '?');
	struct http_sig_request covered = { .method = c->method,
					    .query = mark ? mark : "?",
					    .node = node_name };
	struct http_sig_params params;
	char path[600];

	(void)snprintf(path, sizeof(path), "%.*s", (int)strcspn(c->target, "?"), c->target);
	covered.path = path;
	fake_add_header(&c->connection, "Holdfast-Node", node_name);
	if (c->body_len > 0) {
		content_digest_make(c->body, c->body_len, &c->digest);
		covered.digest = buf_cstr(&c->digest);
		fake_add_header(&c->connection, "Content-Digest", covered.digest);
		buf_add_text(&c->length, "%zu", c->body_len);
		fake_add_header(&c->connection, MHD_HTTP_HEADER_CONTENT_LENGTH, buf_cstr(&c->length));
	}
	if (has_token) {
		covered.invitation = buf_cstr(&c->token);
		fake_add_header(&c->connection, "Holdfast-Invitation", covered.invitation);
	}
	must(http_sig_make(&covered, &signer, (uint64_t)time(NULL), &params, &c->input, &c->signature) == 0);
	fake_add_header(&c->connection, "Signature-Input", buf_cstr(&c->input));
	fake_add_header(&c->connection, "Signature", buf_cstr(&c->signature));
}

static void deliver(struct call *c)
{
	must(fake_is_listening());
	fake_deliver(&c->connection, c->method, c->target, c->body, c->body_len, SIZE_MAX);
	must(!c->connection.broken);
}

static void call_release(struct call *c)
{
	fake_connection_release(&c->connection);
	free(c->body);
	buf_release(&c->digest);
	buf_release(&c->input);
	buf_release(&c->signature);
	buf_release(&c->length);
	buf_release(&c->token);
}

static void give_body(struct call *c, const struct buf *bytes)
{
	free(c->body);
	c->body_len = bytes->len;
	c->body = malloc(bytes->len + 1);
	must(c->body && buf_status(bytes) == 0);
	if (bytes->len > 0)
		memcpy(c->body, bytes->data, bytes->len);
}

static void enrol(void)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT;
	struct call c = { .method = "PUT" };
	struct place place;
	char *line;

	must(hf_node_invite(dir, NULL, NULL, 0, &line, NULL) == 0 && place_parse(line, &place, NULL) == 0);
	wire_hex(place.key, PUBLIC_KEY_BYTES, node_name);
	wire_base64(WIRE_BASE64URL, place.token, PLACE_TOKEN_BYTES, &c.token);
	(void)snprintf(c.target, sizeof(c.target), "/v1/volumes/%s", id_text);
	epoch_cert_encode(&cert, &bytes);
	give_body(&c, &bytes);
	sign_call(&c, false, true);
	deliver(&c);
	must(c.connection.status == 200);
	call_release(&c);
	place_release(&place);
	free(line);
}

/* Behind the end: frames of the bytes, and a commit. */
static void add_group(const uint8_t *data, size_t len, struct chain *ch, struct commit *commit,
		      struct buf *out)
{
	struct frame_header h = { .type = FRAME_DATA, .body_len = (uint32_t)len };
	uint8_t header[FRAME_HEADER_BYTES], body[COMMIT_BODY_BYTES], hash[HASH_BYTES];
	size_t at = out->len;

	*commit = (struct commit){
		.number = last.number + 1, .tid = last.tid + 1, .time_ns = 1, .epoch = 1, .frames = 1
	};
	frame_header_encode(&h, header);
	buf_add(out, header, sizeof(header));
	buf_add(out, data, len);
	must(buf_status(out) == 0);
	hash_one(NULL, out->data + at, out->len - at, hash, sizeof(hash));
	chain_frame(ch, hash);
	h = (struct frame_header){ .type = FRAME_COMMIT, .body_len = COMMIT_BODY_BYTES };
	frame_header_encode(&h, header);
	commit_encode(commit, body);
	chain_commit(ch, header, body, commit->chain);
	commit_encode(commit, body);
	commit_sign(keys, 1, end_offset + (uint32_t)(out->len - at), body);
	buf_add(out, header, sizeof(header));
	buf_add(out, body, sizeof(body));
	must(buf_status(out) == 0);
}

/* The first segment, so that reads have something to read. */
static void send_first(void)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT;
	struct segment_header h = { .segment = 1, .epoch = 1, .cert = cert };
	struct call c = { .method = "POST" };
	struct commit commit;

	memcpy(h.volume_id, cert.volume_id, VOLUME_ID_BYTES);
	segment_header_encode(&h, &bytes);
	chain_start(&chain, bytes.data);
	last = (struct commit){ .number = 0 };
	end_offset = SEGMENT_HEADER_BYTES;
	add_group((const uint8_t *)"0123456789abcdefghij", 20, &chain, &commit, &bytes);
	(void)snprintf(c.target, sizeof(c.target), "/v1/volumes/%s/log/1?offset=0", id_text);
	give_body(&c, &bytes);
	sign_call(&c, false, false);
	deliver(&c);
	must(c.connection.status == 200);
	last = commit;
	end_offset = (uint32_t)bytes.len;
	call_release(&c);
}

static void begin_node(void)
{
	const char *tmp = getenv("TMPDIR");
	struct hf_error err = HF_ERROR_INIT;

	(void)snprintf(dir, sizeof(dir), "%s/fuzz-node.XXXXXX", tmp ? tmp : "/tmp");
	must(mkdtemp(dir) != NULL);
	if (hf_node_init(dir, "127.0.0.1:0", &err) < 0 || hf_node_start(dir, &node, &err) < 0) {
		(void)fprintf(stderr, "%s\n", err.text);
		abort();
	}
	enrol();
	send_first();
}

/* --- one input */

/* The next line of the input, terminated in place; NULL: none. */
static char *next_line(char **at, char *stop)
{
	char *line = *at, *end = memchr(line, '\n', (size_t)(stop - line));

	if (!end)
		return NULL;
	*end = 0;
	*at = end + 1;
	return line;
}

static void read_headers(struct call *c, char **at, char *stop, bool wanted)
{
	char *line;

	while ((line = next_line(at, stop)) && line[0]) {
		char *colon = strchr(line, ':');

		if (!colon || !wanted)
			continue;
		*colon = 0;
		fake_add_header(&c->connection, line, colon + 1 + strspn(colon + 1, " "));
	}
}

/* What only who has the keys can send: then the log goes on, and the target is that of its end. */
static bool make_body(struct call *c, const uint8_t *data, size_t len, struct chain *ch,
		      struct commit *commit)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT;

	if (strcmp(c->method, "POST") != 0 || len > 200)
		return false;
	*ch = chain;
	add_group(data, len, ch, commit, &bytes);
	(void)snprintf(c->target, sizeof(c->target), "/v1/volumes/%s/log/1?offset=%u", id_text, end_offset);
	give_body(c, &bytes);
	return true;
}

static void run(uint8_t flags, char *text, size_t len)
{
	char *at = text, *stop = text + len, *method = next_line(&at, stop), *target = next_line(&at, stop);
	struct call c = { .body_len = 0 };
	CLEANUP(buf_release) struct buf bytes = BUF_INIT;
	struct commit commit;
	struct chain ch;
	bool made;

	if (!method || !target)
		return;
	(void)snprintf(c.method, sizeof(c.method), "%s", method);
	if (target[0] == '.') /* of the volume */
		(void)snprintf(c.target, sizeof(c.target), "/v1/volumes/%s%s", id_text, target + 1);
	else
		(void)snprintf(c.target, sizeof(c.target), "%s", target);
	read_headers(&c, &at, stop, flags & OWN_HEADERS);
	buf_add(&bytes, at, (size_t)(stop - at));
	give_body(&c, &bytes);
	made = flags & MADE && make_body(&c, bytes.data, bytes.len, &ch, &commit);
	if (flags & SIGNED)
		sign_call(&c, flags & BY_OWNER, false);
	deliver(&c);
	if (made && c.connection.status == 200) {
		chain = ch;
		last = commit;
		end_offset += (uint32_t)c.body_len;
	}
	call_release(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static unsigned runs;
	char *text;

	if (runs == 0)
		begin_keys();
	if (runs++ % RUNS_OF_ONE_NODE == 0) {
		end_node();
		begin_node();
	}
	if (len < 2 || len > 8192)
		return 0;
	text = malloc(len);
	must(text != NULL);
	memcpy(text, data + 1, len - 1);
	text[len - 1] = 0;
	run(data[0], text, len - 1);
	free(text);
	return 0;
}
