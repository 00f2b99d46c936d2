/* SPDX-License-Identifier: MIT */
/* Frames, commits, the chain and tables: FORMAT.md §6 to §8. */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/format_helper.h"

static int decode_frame_with(size_t at, uint8_t value, const uint8_t good[FRAME_HEADER_BYTES],
			     struct hf_error *err)
{
	uint8_t raw[FRAME_HEADER_BYTES];
	struct frame_header h;

	memcpy(raw, good, sizeof(raw));
	raw[at] = value;
	return frame_header_decode(raw, &h, err);
}

static void frame_headers(void **state)
{
	struct frame_header h = { .type = FRAME_META, .flags = FRAME_COMPRESSED, .body_len = 4711 }, got;
	uint8_t raw[FRAME_HEADER_BYTES];
	struct hf_error err = HF_ERROR_INIT;

	(void)state;
	memset(h.nonce, 0xee, NONCE_BYTES);
	frame_header_encode(&h, raw);
	assert_int_equal(frame_header_decode(raw, &got, &err), 0);
	assert_int_equal(got.type, FRAME_META);
	assert_int_equal(got.flags, FRAME_COMPRESSED);
	assert_int_equal(got.body_len, 4711);
	assert_memory_equal(got.nonce, h.nonce, NONCE_BYTES);

	for (size_t i = 0; i < 4; i++)
		assert_int_equal(decode_frame_with(i, '?', raw, &err), -EUCLEAN);
	assert_int_equal(decode_frame_with(4, 0, raw, &err), -EPROTONOSUPPORT);
	assert_int_equal(decode_frame_with(4, 6, raw, &err), -EPROTONOSUPPORT);
	assert_non_null(strstr(err.text, "type 0x6"));
	assert_int_equal(decode_frame_with(5, 5, raw, &err), -EPROTONOSUPPORT);
	assert_non_null(strstr(err.text, "flags 0x5"));
	assert_int_equal(decode_frame_with(6, 1, raw, &err), -EPROTONOSUPPORT);
	assert_int_equal(decode_frame_with(7, 1, raw, &err), -EPROTONOSUPPORT);
	for (size_t i = 12; i < 16; i++)
		assert_int_equal(decode_frame_with(i, 1, raw, &err), -EPROTONOSUPPORT);
	assert_non_null(strstr(err.text, "reserved"));
	assert_int_equal(decode_frame_with(11, 1, raw, &err), -EUCLEAN); /* 16 MiB and more */
	put_u32(raw + 8, FRAME_BODY_MAX);
	assert_int_equal(frame_header_decode(raw, &got, &err), 0);
	put_u32(raw + 8, FRAME_BODY_MAX + 1);
	assert_int_equal(frame_header_decode(raw, &got, &err), -EUCLEAN);
	put_u32(raw + 8, TAG_BYTES - 1);
	assert_int_equal(frame_header_decode(raw, &got, &err), -EUCLEAN);

	put_u32(raw + 8, 3 * FRAME_PIECE_BYTES);
	assert_int_equal(decode_frame_with(5, FRAME_IN_PIECES, raw, &err), -EPROTONOSUPPORT); /* metadata */

	h = (struct frame_header){ .type = FRAME_COMMIT, .body_len = COMMIT_BODY_BYTES };
	frame_header_encode(&h, raw);
	assert_int_equal(frame_header_decode(raw, &got, &err), 0);
	assert_int_equal(decode_frame_with(5, FRAME_COMPRESSED, raw, &err), -EUCLEAN);
	assert_int_equal(decode_frame_with(8, COMMIT_BODY_BYTES + 1, raw, &err), -EUCLEAN);
	assert_int_equal(decode_frame_with(39, 1, raw, &err), -EUCLEAN);
}

static void frames_in_pieces(void **state)
{
	enum { WHOLE = FRAME_PIECE_BYTES + TAG_BYTES };
	static const uint32_t good[] = { WHOLE + TAG_BYTES + 1, 2 * WHOLE - 1, 2 * WHOLE, 5 * WHOLE + 100 },
			      plain[] = { FRAME_PIECE_BYTES + 1, 2 * FRAME_PIECE_BYTES - 1,
					  2 * FRAME_PIECE_BYTES, 5 * FRAME_PIECE_BYTES + 100 - TAG_BYTES },
			      bad[] = { TAG_BYTES, WHOLE, WHOLE + 1, WHOLE + TAG_BYTES,
					3 * WHOLE + TAG_BYTES };
	struct frame_header h = { .type = FRAME_DATA, .flags = FRAME_IN_PIECES }, got;
	uint8_t raw[FRAME_HEADER_BYTES];
	struct hf_error err = HF_ERROR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		h.body_len = good[i];
		frame_header_encode(&h, raw);
		assert_int_equal(frame_header_decode(raw, &got, &err), 0);
		assert_int_equal(got.flags, FRAME_IN_PIECES);
		assert_int_equal(frame_plain_len(&got), plain[i]);
		assert_int_equal(sealed_bytes(plain[i], FRAME_PIECE_BYTES), good[i]);
	}
	assert_int_equal(decode_frame_with(5, FRAME_IN_PIECES | FRAME_COMPRESSED, raw, &err),
			 -EPROTONOSUPPORT);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		h.body_len = bad[i];
		frame_header_encode(&h, raw);
		assert_int_equal(frame_header_decode(raw, &got, &err), -EUCLEAN);
	}
}

static void a_frame_is_bound_to_its_place(void **state)
{
	uint8_t header[FRAME_HEADER_BYTES] = "HFr1", ad[FRAME_AD_BYTES],
		want[FRAME_AD_BYTES] = "holdfast frame";

	(void)state;
	frame_ad(owner_volume_id(format_owner), 0x04030201, 0x14131211, header, ad);
	memcpy(want + 15, owner_volume_id(format_owner), VOLUME_ID_BYTES);
	memcpy(want + 31, "\1\2\3\4\x11\x12\x13\x14HFr1", 12);
	assert_memory_equal(ad, want, sizeof(ad));
}

static struct commit make_commit(void)
{
	struct commit c = {
		.number = 9,
		.tid = 99,
		.time_ns = 999,
		.epoch = 2,
		.flags = COMMIT_SEALS,
		.frames = 3,
		.table_offset = 4000,
	};

	memset(c.chain, 0xab, HASH_BYTES);
	memset(c.signature, 0xcd, SIGNATURE_BYTES);
	return c;
}

static int recode_commit(const struct commit *c, struct hf_error *err)
{
	uint8_t body[COMMIT_BODY_BYTES];
	struct commit got;

	commit_encode(c, body);
	return commit_decode(body, &got, err);
}

static void commits(void **state)
{
	struct commit good = make_commit(), c, got;
	uint8_t body[COMMIT_BODY_BYTES];
	struct hf_error err = HF_ERROR_INIT;

	(void)state;
	memset(&got, 0, sizeof(got));
	commit_encode(&good, body);
	assert_int_equal(commit_decode(body, &got, &err), 0);
	assert_memory_equal(&got, &good, sizeof(got));
	c = good;
	c.flags = 2;
	assert_int_equal(recode_commit(&c, &err), -EPROTONOSUPPORT);
	assert_non_null(strstr(err.text, "flags 0x2"));
	c = good;
	c.flags = 0;
	assert_int_equal(recode_commit(&c, &err), -EUCLEAN); /* a table, but no seal */
	c.table_offset = 0;
	c.frames = 0;
	assert_int_equal(recode_commit(&c, &err), 0);
	c = good;
	c.table_offset = SEGMENT_HEADER_BYTES - 1;
	assert_int_equal(recode_commit(&c, &err), -EUCLEAN);
	c = good;
	c.frames = 0;
	assert_int_equal(recode_commit(&c, &err), -EUCLEAN);
	c = good;
	c.number = 0;
	assert_int_equal(recode_commit(&c, &err), -EUCLEAN);
	c = good;
	c.epoch = 0;
	assert_int_equal(recode_commit(&c, &err), -EUCLEAN);
}

static void a_commit_is_signed_for_its_place(void **state)
{
	struct commit c = make_commit();
	const uint8_t *public_key = keyring_writer_public(format_keys), *id = keyring_volume_id(format_keys);
	uint8_t body[COMMIT_BODY_BYTES], other_id[VOLUME_ID_BYTES] = { 0 };

	(void)state;
	commit_encode(&c, body);
	commit_sign(format_keys, 5, 800, body);
	assert_int_equal(commit_check_signature(public_key, id, 5, 800, body), 0);
	assert_int_equal(commit_check_signature(public_key, id, 6, 800, body), -EKEYREJECTED);
	assert_int_equal(commit_check_signature(public_key, id, 5, 801, body), -EKEYREJECTED);
	assert_int_equal(commit_check_signature(public_key, other_id, 5, 800, body), -EKEYREJECTED);
	assert_int_equal(commit_check_signature(owner_public(format_owner), id, 5, 800, body), -EKEYREJECTED);
	for (size_t i = 0; i < sizeof(body); i++) {
		body[i] ^= 4;
		assert_int_equal(commit_check_signature(public_key, id, 5, 800, body), -EKEYREJECTED);
		body[i] ^= 4;
	}
}

static void the_chain_is_as_written(void **state)
{
	uint8_t header[SEGMENT_HEADER_BYTES] = "HFSEGMT1", frame_header[FRAME_HEADER_BYTES] = "HFr1";
	uint8_t body[COMMIT_BODY_BYTES], one[HASH_BYTES] = { 1 }, two[HASH_BYTES] = { 2 }, got[HASH_BYTES];
	uint8_t start[HASH_BYTES], want[HASH_BYTES];
	CLEANUP(buf_release) struct buf b = BUF_INIT;
	struct chain chain, resumed;

	(void)state;
	memset(body, 0xbb, sizeof(body));
	chain_start(&chain, header);
	buf_add(&b, "holdfast segment", 17);
	buf_add(&b, header, sizeof(header));
	hash_one(NULL, b.data, b.len, start, HASH_BYTES);
	assert_memory_equal(chain.value, start, HASH_BYTES);

	chain_frame(&chain, one);
	chain_frame(&chain, two);
	chain_commit(&chain, frame_header, body, got);
	buf_clear(&b);
	buf_add(&b, "holdfast commit", 16);
	buf_add(&b, start, HASH_BYTES);
	buf_add(&b, one, HASH_BYTES);
	buf_add(&b, two, HASH_BYTES);
	buf_add(&b, frame_header, FRAME_HEADER_BYTES);
	buf_add(&b, body, 40);
	hash_one(NULL, b.data, b.len, want, HASH_BYTES);
	assert_memory_equal(got, want, HASH_BYTES);
	assert_memory_equal(chain.value, want, HASH_BYTES);

	chain_resume(&resumed, want);
	chain_frame(&resumed, one);
	chain_commit(&resumed, frame_header, body, want);
	chain_frame(&chain, one);
	chain_commit(&chain, frame_header, body, got);
	assert_memory_equal(got, want, HASH_BYTES);
	chain_frame(&chain, one);
	chain_frame(&resumed, two);
	chain_commit(&resumed, frame_header, body, want);
	chain_commit(&chain, frame_header, body, got);
	assert_memory_not_equal(got, want, HASH_BYTES);
}

static void tables(void **state)
{
	static const struct table_entry entries[] = {
		{ FRAME_DATA, FRAME_HEADER_BYTES + TAG_BYTES },
		{ FRAME_META, 70000 },
		{ FRAME_COMMIT, COMMIT_FRAME_BYTES },
	};
	static const struct {
		uint8_t raw[8];
		size_t len;
		int code;
	} bad[] = {
		{ { 0 }, 0, -EUCLEAN },
		{ { 1, 1, 55 }, 3, -EUCLEAN },      /* shorter than a header and a tag */
		{ { 1, 3, 0xb1, 1 }, 4, -EUCLEAN }, /* a commit of 177 bytes */
		{ { 1, 4, 0x80, 1 }, 4, -EUCLEAN }, /* a table before the table */
		{ { 1, 5, 0x80, 1 }, 4, -EPROTONOSUPPORT },
		{ { 2, 3, 0xb0, 1 }, 4, -EUCLEAN },
		{ { 1, 3, 0xb0, 1, 0 }, 5, -EUCLEAN },
		{ { 0xff, 0xff, 0xff, 0xff, 0x0f }, 5, -EUCLEAN },
		{ { 1, 1, 0xff, 0xff, 0xff, 0xff, 0x0f }, 7, -EUCLEAN },
	};
	CLEANUP(buf_release) struct buf b = BUF_INIT;
	struct table_entry *got = NULL;
	struct hf_error err = HF_ERROR_INIT;
	size_t n = 0;

	(void)state;
	table_encode(entries, 3, &b);
	assert_int_equal(table_decode(b.data, b.len, &got, &n, &err), 0);
	assert_int_equal(n, 3);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(got[i].type, entries[i].type);
		assert_int_equal(got[i].len, entries[i].len);
	}
	free(got);
	for (size_t len = 0; len < b.len; len++)
		assert_int_equal(table_decode(b.data, len, &got, &n, &err), -EUCLEAN);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(table_decode(bad[i].raw, bad[i].len, &got, &n, &err), bad[i].code);
	buf_clear(&b);
	table_encode(NULL, 0, &b);
	assert_int_equal(table_decode(b.data, b.len, &got, &n, &err), 0);
	assert_int_equal(n, 0);
	free(got);

	/* Frames that no segment has room for. */
	buf_clear(&b);
	buf_add_varint(&b, 17);
	for (int i = 0; i < 17; i++) {
		buf_add_u8(&b, FRAME_DATA);
		buf_add_varint(&b, FRAME_BODY_MAX);
	}
	assert_int_equal(table_decode(b.data, b.len, &got, &n, &err), -EUCLEAN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frame_headers),
		cmocka_unit_test(frames_in_pieces),
		cmocka_unit_test(a_frame_is_bound_to_its_place),
		cmocka_unit_test(commits),
		cmocka_unit_test(a_commit_is_signed_for_its_place),
		cmocka_unit_test(the_chain_is_as_written),
		cmocka_unit_test(tables),
	};

	return cmocka_run_group_tests(tests, format_setup, format_teardown);
}
