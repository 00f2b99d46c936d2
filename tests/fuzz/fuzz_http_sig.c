/* SPDX-License-Identifier: MIT */
/*
 * What a node, and a client of one, reads from a peer before anything is proved. The first byte of the input
 * picks a parser, the rest is what it reads. What is accepted must come out the same when it is written
 * again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/replica/json.h"
#include "store/replica/place.h"
#include "store/replica/receipt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct signer *node;

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void fuzz_input(const char *text)
{
	static const char signature[] = "holdfast=:CvCVCcv91q3PIHk9aqlHJ4vk7pW04lz+6jcfQ0Pl3+"
					"EB54W98e4JyVxyDtwdVMeTzkt8UtlqP72mYg9X5bkSCg==:";
	struct http_sig_request q = {
		.method = "POST", .path = "/v1", .query = "?", .node = "00", .digest = "x"
	};
	CLEANUP(buf_release) struct buf again = BUF_INIT;
	struct http_sig_params params;
	uint8_t sig[SIGNATURE_BYTES];

	if (http_sig_parse(&q, text, signature, &params, sig, NULL) < 0)
		return;
	http_sig_input(&q, &params, &again);
	must(strcmp(buf_cstr(&again), text) == 0);
	must(http_sig_check(&q, &params, sig) <= 0);
}

static void fuzz_digest(const char *text)
{
	CLEANUP(buf_release) struct buf again = BUF_INIT;
	uint8_t hash[SHA256_BYTES];

	if (content_digest_parse(text, hash) < 0)
		return;
	buf_add_text(&again, "sha-256=:");
	wire_base64(WIRE_BASE64, hash, sizeof(hash), &again);
	buf_add_text(&again, ":");
	must(strcmp(buf_cstr(&again), text) == 0);
}

/* Signed here, so that what is behind the signature is reached. */
static void fuzz_receipt(const uint8_t *data, size_t len)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	uint8_t sig[SIGNATURE_BYTES];
	struct receipt r;

	if (len > RECEIPT_BYTES_MAX)
		return;
	signer_sign(node, "holdfast receipt", data, len, sig);
	wire_base64(WIRE_BASE64, sig, sizeof(sig), &text);
	if (receipt_read(data, len, buf_cstr(&text), signer_public(node), &r, NULL) == 0)
		must(r.point.end.offset <= SEGMENT_BYTES_MAX);
}

static void fuzz_place(const char *text)
{
	CLEANUP(buf_release) struct buf again = BUF_INIT;
	struct place p, q;

	if (place_parse(text, &p, NULL) < 0)
		return;
	if (p.kind == PLACE_NODE) {
		must((p.has_token ? place_invitation(&p, &again) : place_url(&p, &again)) == 0);
		must(place_parse(buf_cstr(&again), &q, NULL) == 0);
		must(memcmp(p.pin, q.pin, sizeof(p.pin)) == 0 && memcmp(p.key, q.key, sizeof(p.key)) == 0);
		must(strcmp(p.url, q.url) == 0);
		place_release(&q);
	}
	place_release(&p);
}

static void fuzz_json(const uint8_t *data, size_t len)
{
	CLEANUP(json_decrefp) json_t *o = json_read(data, len);
	uint8_t bytes[4];
	char text[8];
	uint64_t m;
	uint32_t n;
	bool yes;

	if (!o)
		return;
	(void)json_get_u32(o, "a", &n);
	(void)json_get_u64(o, "a", &m);
	(void)json_get_bool(o, "a", &yes);
	(void)json_get_text(o, "a", text, sizeof(text));
	(void)json_get_hex(o, "a", bytes, sizeof(bytes));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint8_t seed[SEED_BYTES] = { 1 };
	char *text;

	if (!node)
		must(crypto_init() == 0 && signer_new(seed, &node) == 0);
	if (len == 0 || len > 8192)
		return 0;
	text = strndup((const char *)data + 1, len - 1);
	must(text != NULL);
	switch (data[0] % 5) {
	case 0:
		fuzz_input(text);
		break;
	case 1:
		fuzz_digest(text);
		break;
	case 2:
		fuzz_receipt(data + 1, len - 1);
		break;
	case 3:
		fuzz_place(text);
		break;
	default:
		fuzz_json(data + 1, len - 1);
	}
	free(text);
	return 0;
}
