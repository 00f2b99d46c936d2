/* SPDX-License-Identifier: MIT */
/* The line of a saved head, FORMAT.md §13: what a copy may do to it, and that no damaged one is taken. */
#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "store/crypto/wire.h"
#include "store/format/format.h"

enum { RAW_BYTES = 165, LABEL_CHARS = 14 };

static struct owner *owner;
static struct keyring *keys;
static struct head sample;
static char good[256]; /* its line */

static int decode(const char *text, struct head *ret, struct hf_error *err)
{
	return head_line_decode(text, strlen(text), ret, err);
}

static void assert_refused(const char *text, int code, const char *words)
{
	struct hf_error err = HF_ERROR_INIT;
	struct head h;

	assert_int_equal(decode(text, &h, &err), code);
	if (!strstr(err.text, words))
		fail_msg("\"%s\" does not say \"%s\"", err.text, words);
}

static void unpack(uint8_t raw[RAW_BYTES])
{
	assert_int_equal(wire_unbase64_exact(WIRE_BASE64URL, good + LABEL_CHARS, strlen(good) - LABEL_CHARS,
					     raw, RAW_BYTES),
			 0);
}

static void pack(const uint8_t *raw, size_t len, struct buf *out)
{
	buf_clear(out);
	token_encode("holdfast-head:", raw, len, out);
	(void)buf_cstr(out);
}

static void mend_sum(uint8_t raw[RAW_BYTES])
{
	uint8_t hash[HASH_BYTES];

	hash_one("holdfast head", raw, RAW_BYTES - 4, hash, sizeof(hash));
	memcpy(raw + RAW_BYTES - 4, hash, 4);
}

static void a_head_comes_back(void **state)
{
	struct head h;

	(void)state;
	assert_int_equal(strlen(good), LABEL_CHARS + 220);
	assert_int_equal(decode(good, &h, NULL), 0);
	assert_memory_equal(h.volume_id, sample.volume_id, VOLUME_ID_BYTES);
	assert_int_equal(h.segment, 7);
	assert_int_equal(h.offset, 4711);
	assert_memory_equal(&h.commit, &sample.commit, sizeof(h.commit));
}

static void copies_are_forgiven(void **state)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT;
	struct head h;

	(void)state;
	buf_add_text(&b, "\r\n  ");
	for (size_t i = 0; good[i]; i++) {
		if (i > LABEL_CHARS && i % 64 == 0)
			buf_add_text(&b, "\r\n\t ");
		buf_add(&b, good + i, 1);
	}
	buf_add_text(&b, " \n");
	assert_int_equal(decode(buf_cstr(&b), &h, NULL), 0);
	assert_int_equal(h.offset, 4711);
}

static void every_damaged_byte_is_refused(void **state)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT;
	uint8_t raw[RAW_BYTES];
	struct head h;
	int r;

	(void)state;
	unpack(raw);
	for (size_t i = 0; i < RAW_BYTES; i++) {
		for (int bit = 0; bit < 8; bit++) {
			raw[i] ^= (uint8_t)(1 << bit);
			pack(raw, sizeof(raw), &b);
			r = decode((const char *)b.data, &h, NULL);
			assert_int_equal(r, i == 0 ? -EPROTONOSUPPORT : -EUCLEAN);
			raw[i] ^= (uint8_t)(1 << bit);
		}
	}
}

static void every_wrong_character_is_refused(void **state)
{
	char text[256];
	struct head h;

	(void)state;
	for (size_t i = 0; good[i]; i++) {
		for (int ch = 33; ch < 127; ch++) {
			strcpy(text, good);
			text[i] = (char)ch;
			if (ch != good[i])
				assert_true(decode(text, &h, NULL) < 0);
		}
		strcpy(text, good); /* one left out */
		memmove(text + i, good + i + 1, strlen(good + i));
		assert_true(decode(text, &h, NULL) < 0);
	}
}

static void what_is_wrong_is_named(void **state)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT;
	uint8_t raw[RAW_BYTES];
	char text[256];

	(void)state;
	assert_refused("", -EUCLEAN, "begins with holdfast-head:");
	assert_refused("holdfast-invite:AAAA", -EUCLEAN, "begins with holdfast-head:");
	assert_refused("holdfast-head:", -EUCLEAN, "not whole");
	memcpy(text, good, sizeof(text));
	text[strlen(text) - 4] = 0;
	assert_refused(text, -EUCLEAN, "220 letters");
	unpack(raw);
	raw[0] = 2;
	pack(raw, 33, &b); /* of another length too */
	assert_refused((const char *)b.data, -EPROTONOSUPPORT, "version 2");
	raw[0] = 1;
	raw[100] ^= 1;
	pack(raw, sizeof(raw), &b);
	assert_refused((const char *)b.data, -EUCLEAN, "checksum does not match");
	raw[100] ^= 1;
	put_u32(raw + 21, SEGMENT_HEADER_BYTES - 1);
	mend_sum(raw);
	pack(raw, sizeof(raw), &b);
	assert_refused((const char *)b.data, -EUCLEAN, "no commit can be");
	put_u32(raw + 21, SEGMENT_BYTES_MAX);
	mend_sum(raw);
	pack(raw, sizeof(raw), &b);
	assert_refused((const char *)b.data, -EUCLEAN, "no commit can be");
}

static void heads_are_found_in_a_text(void **state)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT;
	const char *at, *end;
	size_t len, n = 0;
	struct head h;

	(void)state;
	assert_null(head_find("", 0, &len));
	assert_null(head_find("no head", 7, &len));
	buf_add_text(&b, "Monday:\n%s\nand on Tuesday  %.100s\n%s and more words.\n", good, good, good + 100);
	at = buf_cstr(&b);
	end = at + b.len;
	while ((at = head_find(at, (size_t)(end - at), &len))) {
		assert_int_equal(head_line_decode(at, len, &h, NULL), 0);
		at += len;
		n++;
	}
	assert_int_equal(n, 2);
}

static void the_signature_is_the_writers(void **state)
{
	struct epoch_cert cert = { .epoch = 3 };
	struct head h = sample;

	(void)state;
	memcpy(cert.writer_public, keyring_writer_public(keys), PUBLIC_KEY_BYTES);
	assert_int_equal(head_check_signature(&h, &cert), 0);
	h.commit.time_ns++;
	assert_int_equal(head_check_signature(&h, &cert), -EKEYREJECTED);
	h = sample;
	h.segment++;
	assert_int_equal(head_check_signature(&h, &cert), -EKEYREJECTED);
	h = sample;
	h.volume_id[3] ^= 1;
	assert_int_equal(head_check_signature(&h, &cert), -EKEYREJECTED);
	cert.epoch = 4;
	assert_int_equal(head_check_signature(&sample, &cert), -EKEYREJECTED);
}

static int setup(void **state)
{
	CLEANUP(buf_release) struct buf line = BUF_INIT;
	uint8_t body[COMMIT_BODY_BYTES];

	(void)state;
	if (crypto_init() < 0 || owner_new(NULL, &owner) < 0 || owner_keyring(owner, &keys) < 0 ||
	    keyring_make_writer(keys, 3) < 0)
		return -1;
	memset(&sample, 0, sizeof(sample));
	memcpy(sample.volume_id, owner_volume_id(owner), VOLUME_ID_BYTES);
	sample.segment = 7;
	sample.offset = 4711;
	sample.commit =
		(struct commit){ .number = 99, .tid = 1234, .time_ns = 5678, .epoch = 3, .frames = 2 };
	memset(sample.commit.chain, 0xc5, HASH_BYTES);
	commit_encode(&sample.commit, body);
	commit_sign(keys, sample.segment, sample.offset, body);
	if (commit_decode(body, &sample.commit, NULL) < 0)
		return -1;
	head_line_encode(&sample, &line);
	strcpy(good, buf_cstr(&line));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	keyring_free(keys);
	owner_free(owner);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_head_comes_back),
		cmocka_unit_test(copies_are_forgiven),
		cmocka_unit_test(every_damaged_byte_is_refused),
		cmocka_unit_test(every_wrong_character_is_refused),
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(heads_are_found_in_a_text),
		cmocka_unit_test(the_signature_is_the_writers),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
