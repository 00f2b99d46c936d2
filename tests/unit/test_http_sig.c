/* SPDX-License-Identifier: MIT */
/* What peers send that is read before anything is proved: signatures, digests, receipts, invitations.
 * PROTOCOL.md's examples. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/replica/json.h"
#include "store/replica/place.h"
#include "store/replica/receipt.h"

/* RFC 8032 §7.1, tests 1 and 2. */
static const char seed_1[] = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
static const char public_1[] = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
static const char public_2[] = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";

static const char example_input[] =
	"holdfast=(\"@method\" \"@path\" \"@query\" \"holdfast-node\");created=1795412730;"
	"nonce=\"00112233445566778899aabbccddeeff\";"
	"keyid=\"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a\";alg=\"ed25519\";tag="
	"\"holdfast\"";
static const char example_signature[] =
	"holdfast=:CvCVCcv91q3PIHk9aqlHJ4vk7pW04lz+6jcfQ0Pl3+EB54W98e4JyVxyDtwdVMeTzkt8UtlqP72mYg9X5bkSCg==:";

static const struct http_sig_request example = {
	.method = "GET",
	.path = "/v1/volumes/60bd2e02a1b2f4e6f3a9b05cb46ba5de",
	.query = "?",
	.node = public_2,
};

static struct signer *signer_1(void)
{
	uint8_t seed[SEED_BYTES];
	struct signer *s;

	assert_int_equal(crypto_init(), 0);
	assert_int_equal(wire_unhex(seed_1, strlen(seed_1), seed, sizeof(seed)), 0);
	assert_int_equal(signer_new(seed, &s), 0);
	return s;
}

static void test_example(void **state)
{
	struct http_sig_params params;
	uint8_t sig[SIGNATURE_BYTES];
	struct hf_error err = HF_ERROR_INIT;
	struct http_sig_request other = example;

	(void)state;
	assert_int_equal(crypto_init(), 0);
	assert_int_equal(http_sig_parse(&example, example_input, example_signature, &params, sig, &err), 0);
	assert_int_equal(params.created_s, 1795412730);
	assert_string_equal(params.nonce, "00112233445566778899aabbccddeeff");
	assert_string_equal(params.keyid, public_1);
	assert_int_equal(http_sig_check(&example, &params, sig), 0);
	other.method = "PUT";
	assert_int_equal(http_sig_check(&other, &params, sig), -EKEYREJECTED);
	other = example;
	other.query = "?from=2";
	assert_int_equal(http_sig_check(&other, &params, sig), -EKEYREJECTED);
	other = example;
	other.node = public_1;
	assert_int_equal(http_sig_check(&other, &params, sig), -EKEYREJECTED);
	params.created_s++;
	assert_int_equal(http_sig_check(&example, &params, sig), -EKEYREJECTED);
}

static void test_round_trip(void **state)
{
	CLEANUP(buf_release) struct buf input = BUF_INIT, signature = BUF_INIT;
	struct signer *s = signer_1();
	struct http_signer by = http_signer_of_signer(s);
	struct http_sig_request q = example;
	struct http_sig_params made, read;
	uint8_t sig[SIGNATURE_BYTES];

	(void)state;
	q.digest = "sha-256=:abc:";
	q.invitation = "token";
	assert_int_equal(http_sig_make(&q, &by, 5, &made, &input, &signature), 0);
	assert_int_equal(http_sig_parse(&q, buf_cstr(&input), buf_cstr(&signature), &read, sig, NULL), 0);
	assert_int_equal(made.created_s, read.created_s);
	assert_string_equal(made.nonce, read.nonce);
	assert_string_equal(made.keyid, read.keyid);
	assert_memory_equal(made.key, read.key, sizeof(made.key));
	assert_int_equal(http_sig_check(&q, &read, sig), 0);
	q.invitation = "other";
	assert_int_equal(http_sig_check(&q, &read, sig), -EKEYREJECTED);
	/* What is not covered is refused, whoever signed it. */
	q.invitation = NULL;
	assert_int_equal(http_sig_parse(&q, buf_cstr(&input), buf_cstr(&signature), &read, sig, NULL),
			 -EINVAL);
	signer_free(s);
}

/* Every change of one character in the header is refused, or is a change of a value it carries. */
static void test_one_form(void **state)
{
	struct http_sig_params params;
	uint8_t sig[SIGNATURE_BYTES];
	char text[sizeof(example_input) + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(example_input) - 1; i++) {
		memcpy(text, example_input, sizeof(example_input));
		text[i] = text[i] == ' ' ? '\t' : ' ';
		assert_int_equal(http_sig_parse(&example, text, example_signature, &params, sig, NULL),
				 -EINVAL);
		text[i] = 0;
		assert_int_equal(http_sig_parse(&example, text, example_signature, &params, sig, NULL),
				 -EINVAL);
	}
	memcpy(text, example_input, sizeof(example_input));
	text[sizeof(example_input) - 1] = ' ';
	text[sizeof(example_input)] = 0;
	assert_int_equal(http_sig_parse(&example, text, example_signature, &params, sig, NULL), -EINVAL);
	for (size_t i = 0; i < sizeof(example_signature) - 1; i++) {
		memcpy(text, example_signature, sizeof(example_signature));
		text[i] = '!';
		assert_int_equal(http_sig_parse(&example, example_input, text, &params, sig, NULL), -EINVAL);
		text[i] = 0;
		assert_int_equal(http_sig_parse(&example, example_input, text, &params, sig, NULL), -EINVAL);
	}
}

static void test_digest(void **state)
{
	CLEANUP(buf_release) struct buf out = BUF_INIT;
	uint8_t hash[SHA256_BYTES];

	(void)state;
	assert_int_equal(crypto_init(), 0);
	/* RFC 9530, appendix D: the body {"hello": "world"} and a newline. */
	content_digest_make("{\"hello\": \"world\"}\n", 19, &out);
	assert_string_equal(buf_cstr(&out), "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:");
	assert_int_equal(content_digest_parse(buf_cstr(&out), hash), 0);
	assert_int_equal(content_digest_parse("sha-512=:AAAA:", hash), -EINVAL);
	assert_int_equal(content_digest_parse("sha-256=:AAAA:", hash), -EINVAL);
	assert_int_equal(content_digest_parse("sha-256=:", hash), -EINVAL);
	assert_int_equal(content_digest_parse("", hash), -EINVAL);
	/* There is one spelling: no other character stands for a digit, no bit is left over. */
	for (int c = 1; c < 256; c++) {
		char text[] = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:";
		CLEANUP(buf_release) struct buf again = BUF_INIT;

		text[30] = (char)c;
		if (content_digest_parse(text, hash) < 0)
			continue;
		assert_true(c < 0x80);
		buf_add_text(&again, "sha-256=:");
		wire_base64(WIRE_BASE64, hash, sizeof(hash), &again);
		buf_add_text(&again, ":");
		assert_string_equal(buf_cstr(&again), text);
	}
	assert_int_equal(content_digest_parse("sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDh=:", hash),
			 -EINVAL);
}

static void test_receipt(void **state)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT, sig = BUF_INIT;
	struct signer *s = signer_1();
	struct receipt made, read;

	(void)state;
	memset(&made, 0, sizeof(made));
	memcpy(made.node, signer_public(s), PUBLIC_KEY_BYTES);
	memset(made.volume_id, 7, sizeof(made.volume_id));
	(void)snprintf(made.nonce, sizeof(made.nonce), "00112233445566778899aabbccddeeff");
	made.point = (struct log_point){ .end = { 4000000000u, 268435456 },
					 .commit = UINT64_MAX,
					 .tid = UINT64_MAX - 1,
					 .time_ns = UINT64_MAX - 2,
					 .epoch = UINT32_MAX,
					 .sealed = true };
	memset(made.point.chain, 0xa5, HASH_BYTES);
	made.enrolled_epoch = 3;
	made.node_time_ns = 12;
	assert_int_equal(receipt_make(&made, s, &text, &sig), 0);
	(void)buf_cstr(&sig);
	assert_int_equal(receipt_read(text.data, text.len, (char *)sig.data, made.node, &read, NULL), 0);
	assert_memory_equal(&made.point.chain, &read.point.chain, HASH_BYTES);
	assert_true(read.point.commit == UINT64_MAX && read.point.tid == UINT64_MAX - 1 && read.point.sealed);
	assert_int_equal(log_pos_compare(made.point.end, read.point.end), 0);
	for (size_t i = 0; i < text.len; i++) {
		text.data[i] ^= 1;
		assert_int_equal(receipt_read(text.data, text.len, (char *)sig.data, made.node, &read, NULL),
				 -EKEYREJECTED);
		text.data[i] ^= 1;
	}
	assert_int_equal(receipt_read(text.data, text.len, "", made.node, &read, NULL), -EKEYREJECTED);
	/* Signed, and yet not of the form: an offset within the header. */
	made.point.end.offset = 5;
	buf_clear(&text);
	buf_clear(&sig);
	assert_int_equal(receipt_make(&made, s, &text, &sig), 0);
	assert_int_equal(receipt_read(text.data, text.len, buf_cstr(&sig), made.node, &read, NULL), -EBADMSG);
	signer_free(s);
}

static void test_places(void **state)
{
	static const char *const bad[] = {
		"",
		"http://x:1/",
		"https://x",
		"https://x:0#pin=",
		"https://x:1/v1/volumes/#pin=a&key=b",
		"ftp://x",
		"holdfast-invite:",
		"holdfast-invite:!!!!",
		"holdfast-invite:e30",
		"https://u@x:1/#pin=",
		"https://[x]:1/",
	};
	CLEANUP(buf_release) struct buf line = BUF_INIT, url = BUF_INIT, broken = BUF_INIT;
	struct place p, again;
	struct hf_error err = HF_ERROR_INIT;

	(void)state;
	assert_int_equal(crypto_init(), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		err.text[0] = 0;
		assert_int_equal(place_parse(bad[i], &p, &err), -EINVAL);
		assert_true(err.text[0]);
	}
	memset(&p, 0, sizeof(p));
	(void)snprintf(p.url, sizeof(p.url), "https://[2001:db8::1]:7443");
	memset(p.pin, 0xfb, sizeof(p.pin));
	memset(p.key, 2, sizeof(p.key));
	memset(p.token, 3, sizeof(p.token));
	memset(p.volume_id, 4, sizeof(p.volume_id));
	p.has_token = p.has_volume = true;
	assert_int_equal(place_invitation(&p, &line), 0);
	assert_int_equal(place_parse(buf_cstr(&line), &again, &err), 0);
	assert_memory_equal(&p, &again, sizeof(p));
	place_release(&again);
	for (size_t i = 0; i < line.len; i++) { /* as a mail may break it */
		if (i > 20 && i % 60 == 0)
			buf_add_text(&broken, "\r\n ");
		buf_add(&broken, line.data + i, 1);
	}
	assert_int_equal(place_parse(buf_cstr(&broken), &again, &err), 0);
	assert_memory_equal(&p, &again, sizeof(p));
	place_release(&again);
	assert_int_equal(place_url(&p, &url), 0);
	assert_int_equal(place_parse(buf_cstr(&url), &again, &err), 0);
	assert_false(again.has_token);
	assert_memory_equal(again.pin, p.pin, sizeof(p.pin));
	assert_memory_equal(again.key, p.key, sizeof(p.key));
	assert_memory_equal(again.volume_id, p.volume_id, sizeof(p.volume_id));
	assert_string_equal(again.url, p.url);
	url.data[url.len - 1] = 'g'; /* no hexadecimal digit */
	assert_int_equal(place_parse(buf_cstr(&url), &again, &err), -EINVAL);
	assert_int_equal(place_parse("some/folder", &again, &err), 0);
	assert_int_equal(again.kind, PLACE_DIRECTORY);
	assert_int_equal(again.path[0], '/');
	place_release(&again);
}

static void test_same_place(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} cases[] = {
		{ "/srv/copy", "/srv/copy", true },
		{ "/srv/copy", "/srv/copies", false },
		{ "s3://b/p?region=r", "s3://b/p?region=r&interval=60", true },
		{ "s3://b/p?region=r", "s3://b/q?region=r", false },
		{ "s3://b/p?region=r", "s3://c/p?region=r", false },
		{ "s3://b/p?endpoint=https://h", "s3://b/p?endpoint=https://i", false },
		{ "s3://b/p?region=r", "/b/p", false },
	};
	struct place a, b, node = { .kind = PLACE_NODE, .url = "https://h:1", .key = { 1 } }, other = node;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(place_parse(cases[i].a, &a, NULL), 0);
		assert_int_equal(place_parse(cases[i].b, &b, NULL), 0);
		assert_int_equal(place_is_same(&a, &b), cases[i].same);
		assert_int_equal(place_is_same(&b, &a), cases[i].same);
		assert_true(place_is_same(&a, &a));
		assert_false(place_is_same(&a, &node));
		place_release(&a);
		place_release(&b);
	}
	(void)snprintf(other.url, sizeof(other.url),
		       "https://i:2"); /* by another name, or through a tunnel */
	assert_true(place_is_same(&node, &other));
	memcpy(other.url, node.url, sizeof(other.url)); /* set up anew at the old address */
	other.key[0] = 2;
	assert_false(place_is_same(&node, &other));
}

static void test_json(void **state)
{
	static const char text[] = "{\"a\":4294967295,\"b\":\"18446744073709551615\",\"c\":-1,\"d\":\"00\","
				   "\"e\":\"18446744073709551616\","
				   "\"f\":4294967296,\"g\":true,\"h\":\"xyz\",\"i\":\"\"}";
	json_t *o = json_read(text, strlen(text));
	uint32_t n;
	uint64_t m;
	bool yes;
	char word[3];
	uint8_t byte;

	(void)state;
	assert_non_null(o);
	assert_true(json_get_u32(o, "a", &n) == 0 && n == UINT32_MAX);
	assert_true(json_get_u64(o, "b", &m) == 0 && m == UINT64_MAX);
	assert_int_equal(json_get_u32(o, "c", &n), -EBADMSG);
	assert_int_equal(json_get_u32(o, "f", &n), -EBADMSG);
	assert_int_equal(json_get_u64(o, "e", &m), -EBADMSG);
	assert_int_equal(json_get_u64(o, "a", &m), -EBADMSG);
	assert_int_equal(json_get_u64(o, "i", &m), -EBADMSG);
	assert_int_equal(json_get_u64(o, "none", &m), -EBADMSG);
	assert_true(json_get_bool(o, "g", &yes) == 0 && yes);
	assert_int_equal(json_get_bool(o, "a", &yes), -EBADMSG);
	assert_int_equal(json_get_text(o, "h", word, sizeof(word)), -EBADMSG);
	assert_true(json_get_text(o, "d", word, sizeof(word)) == 0 && strcmp(word, "00") == 0);
	assert_int_equal(json_get_text(o, "d", word, 2), -EBADMSG);
	assert_true(json_get_hex(o, "d", &byte, 1) == 0 && byte == 0);
	assert_int_equal(json_get_hex(o, "h", &byte, 1), -EBADMSG);
	json_decref(o);
	assert_null(json_read("{\"a\":\"\\u0000\"}", 14));
	assert_null(json_read("{} x", 4));
	assert_null(json_read("[1]", 3));
	assert_null(json_read("{\"a\":1,\"a\":2}", 13));
	assert_null(json_read("", 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_example),    cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_one_form),   cmocka_unit_test(test_digest),
		cmocka_unit_test(test_receipt),    cmocka_unit_test(test_places),
		cmocka_unit_test(test_same_place), cmocka_unit_test(test_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
