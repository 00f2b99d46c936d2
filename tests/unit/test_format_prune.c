/* SPDX-License-Identifier: MIT */
/* Pruned frames and prune lists: FORMAT.md §14 and §15. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "store/crypto/wire.h"
#include "store/format/prune.h"
#include "tests/unit/format_helper.h"

enum { LIST_BYTES = PRUNE_HEAD_BYTES + 2 * PRUNE_SEGMENT_BYTES + 3 * PRUNE_RANGE_BYTES + SIGNATURE_BYTES };

static const struct prune_range first_ranges[] = { { 320, 9000 }, { 20000, 70000 } },
				second_ranges[] = { { 400, 56 } };

/* Segments 2 and 7, of which the second must outlive the first's use. */
static struct prune_list some_list(struct prune_segment segments[2])
{
	struct prune_list list = { .epoch = 3,
				   .at_segment = 9,
				   .at_offset = 4711,
				   .commit = 12,
				   .tid = 34,
				   .before_tid = 20,
				   .before_ns = 1000,
				   .made_ns = 2000,
				   .segments = segments,
				   .n = 2 };

	memset(segments, 0, 2 * sizeof(*segments));
	segments[0] = (struct prune_segment){ .segment = 2, .ranges = first_ranges, .n = 2 };
	segments[1] = (struct prune_segment){ .segment = 7, .ranges = second_ranges, .n = 1 };
	memset(segments[0].chain, 0xc2, HASH_BYTES);
	memset(segments[1].chain, 0xc7, HASH_BYTES);
	memset(list.node, 0x0d, PUBLIC_KEY_BYTES);
	memset(list.chain, 0xcc, HASH_BYTES);
	return list;
}

static void encode(struct buf *out)
{
	struct prune_segment segments[2];
	struct prune_list list = some_list(segments);

	assert_int_equal(prune_list_encode(&list, format_owner, out), 0);
	assert_int_equal(out->len, LIST_BYTES);
}

static void lists_come_back(void **state)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT;
	struct prune_segment segments[2];
	struct prune_list want = some_list(segments), got;

	(void)state;
	encode(&b);
	assert_int_equal(prune_list_decode(b.data, b.len, &got, NULL), 0);
	assert_memory_equal(got.volume_id, owner_volume_id(format_owner), VOLUME_ID_BYTES);
	assert_memory_equal(got.owner_public, owner_public(format_owner), PUBLIC_KEY_BYTES);
	assert_memory_equal(got.node, want.node, PUBLIC_KEY_BYTES);
	assert_memory_equal(got.chain, want.chain, HASH_BYTES);
	assert_true(got.epoch == 3 && got.at_segment == 9 && got.at_offset == 4711 && got.commit == 12 &&
		    got.tid == 34);
	assert_true(got.before_tid == 20 && got.before_ns == 1000 && got.made_ns == 2000);
	assert_int_equal(got.n, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(got.segments[i].segment, segments[i].segment);
		assert_int_equal(got.segments[i].n, segments[i].n);
		assert_memory_equal(got.segments[i].chain, segments[i].chain, HASH_BYTES);
		assert_memory_equal(got.segments[i].ranges, segments[i].ranges,
				    segments[i].n * sizeof(struct prune_range));
	}
	assert_int_equal(prune_list_bytes(&got), 79056);
	prune_list_release(&got);
}

/* The bytes of version 1, for ever. */
static void a_list_is_these_bytes(void **state)
{
	static const char want[] = "97bb95cd2dc40eb951a42abbd22215ca";
	CLEANUP(buf_release) struct buf b = BUF_INIT;
	uint8_t hash[SHORT_HASH_BYTES];
	char text[2 * SHORT_HASH_BYTES + 1];

	(void)state;
	encode(&b);
	hash_one(NULL, b.data, b.len, hash, sizeof(hash));
	wire_hex(hash, sizeof(hash), text);
	assert_string_equal(text, want);
	assert_memory_equal(b.data, "HFPRUNE1\1\0\0\0", 12);
	assert_int_equal(get_u32(b.data + 12), LIST_BYTES);
	assert_int_equal(get_u32(b.data + PRUNE_HEAD_BYTES), 2);
	assert_int_equal(get_u32(b.data + PRUNE_HEAD_BYTES + PRUNE_SEGMENT_BYTES + 12), 70000);
}

static void nothing_but_the_list_passes(void **state)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT;
	struct prune_list got;

	(void)state;
	encode(&b);
	for (size_t len = 0; len < b.len; len++)
		assert_true(prune_list_decode(b.data, len, &got, NULL) < 0);
	for (size_t i = 0; i < b.len; i++) {
		b.data[i] ^= 0x10;
		assert_true(prune_list_decode(b.data, b.len, &got, NULL) < 0);
		b.data[i] ^= 0x10;
	}
	buf_add_u8(&b, 0);
	assert_int_equal(prune_list_decode(b.data, b.len, &got, NULL), -EUCLEAN);
}

/* With this 32-bit field made so, signed rightly: refused, or not. */
static int decode_with(size_t at, uint32_t value, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT;
	struct prune_list got;
	uint8_t hash[HASH_BYTES];
	int r;

	encode(&b);
	put_u32(b.data + at, value);
	hash_one("holdfast prune list", b.data, b.len - SIGNATURE_BYTES, hash, sizeof(hash));
	owner_sign(format_owner, "holdfast prune", hash, sizeof(hash), b.data + b.len - SIGNATURE_BYTES);
	r = prune_list_decode(b.data, b.len, &got, err);
	if (r == 0)
		prune_list_release(&got);
	return r;
}

static void each_rule_is_kept(void **state)
{
	enum { FIRST = PRUNE_HEAD_BYTES, RANGES = FIRST + PRUNE_SEGMENT_BYTES, SECOND = RANGES + 16 };
	static const struct {
		size_t at;
		uint32_t value;
		int code;
		const char *words;
	} rules[] = {
		{ FIRST, 2, 0, "" },
		{ 8, 2, -EPROTONOSUPPORT, "version 2" },
		{ 8, 0x10001, -EPROTONOSUPPORT, "flags" },
		{ 184, 1, -EPROTONOSUPPORT, "reserved" },
		{ 100, 0, -EUCLEAN, "segments" },
		{ 100, 1, -EUCLEAN, "bytes behind" },
		{ 100, 3, -EUCLEAN, "" },
		{ 100, UINT32_MAX, -EUCLEAN, "segments" },
		{ 104, 8, 0, "" },
		{ 104, 7, -EUCLEAN, "had not ended" },
		{ FIRST, 0, -EUCLEAN, "out of order" },
		{ FIRST, 7, -EUCLEAN, "out of order" },
		{ FIRST + 4, 0, -EUCLEAN, "ranges" },
		{ FIRST + 4, UINT32_MAX, -EUCLEAN, "ranges" },
		{ RANGES, 319, -EUCLEAN, "range" },
		{ RANGES + 4, 55, -EUCLEAN, "range" },
		{ RANGES + 4, 56, 0, "" },
		{ RANGES + 8, 9321, 0, "" },
		{ RANGES + 8, 9320, -EUCLEAN, "range" }, /* touches the one before */
		{ RANGES + 12, SEGMENT_BYTES_MAX - COMMIT_FRAME_BYTES - 20000, 0, "" },
		{ RANGES + 12, SEGMENT_BYTES_MAX - COMMIT_FRAME_BYTES - 19999, -EUCLEAN, "passes the end" },
		{ RANGES + 12, UINT32_MAX, -EUCLEAN, "passes the end" },
		{ SECOND, 2, -EUCLEAN, "out of order" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		struct hf_error err = HF_ERROR_INIT;
		int r = decode_with(rules[i].at, rules[i].value, &err);

		if (r != rules[i].code || !strstr(err.text, rules[i].words))
			fail_msg("rule %zu: %d \"%s\" instead of %d with \"%s\"", i, r, err.text,
				 rules[i].code, rules[i].words);
	}
}

static void only_the_owner_of_the_volume_signs(void **state)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT;
	struct prune_segment segments[2];
	struct prune_list list = some_list(segments), got;
	struct owner *other;

	(void)state;
	assert_int_equal(owner_new(NULL, &other), 0);
	assert_int_equal(prune_list_encode(&list, other, &b), 0);
	memcpy(b.data + 16, owner_volume_id(format_owner), VOLUME_ID_BYTES);
	assert_int_equal(prune_list_decode(b.data, b.len, &got, NULL), -EKEYREJECTED);
	memcpy(b.data + 32, owner_public(format_owner), PUBLIC_KEY_BYTES);
	assert_int_equal(prune_list_decode(b.data, b.len, &got, NULL), -EKEYREJECTED);
	owner_free(other);
}

static void what_is_named_is_found(void **state)
{
	struct prune_segment segments[2];
	struct prune_list list = some_list(segments);
	const struct prune_segment *s = prune_list_find(&list, 2);

	(void)state;
	assert_ptr_equal(s, &segments[0]);
	assert_ptr_equal(prune_list_find(&list, 7), &segments[1]);
	for (uint32_t n = 0; n < 10; n++)
		assert_true(n == 2 || n == 7 || !prune_list_find(&list, n));
	assert_true(prune_segment_covers(s, 320, 9000) && prune_segment_covers(s, 9319, 1));
	assert_true(prune_segment_covers(s, 20000, 70000) && prune_segment_covers(s, 30000, 60000));
	assert_false(prune_segment_covers(s, 319, 9000));
	assert_false(prune_segment_covers(s, 320, 9001));
	assert_false(prune_segment_covers(s, 9320, 1));
	assert_false(prune_segment_covers(s, 19999, 2));
	assert_false(prune_segment_covers(s, 90000, 1));
	assert_false(prune_segment_covers(s, UINT32_MAX, UINT32_MAX));
}

static void a_pruned_frame_keeps_its_hash(void **state)
{
	struct frame_header h = { .type = FRAME_DATA, .flags = FRAME_COMPRESSED, .body_len = 100 }, got;
	uint8_t frame[FRAME_HEADER_BYTES + 100], hash[HASH_BYTES];

	(void)state;
	memset(frame, 0x5a, sizeof(frame));
	memset(h.nonce, 7, sizeof(h.nonce));
	frame_header_encode(&h, frame);
	hash_one(NULL, frame, sizeof(frame), hash, sizeof(hash));
	pruned_frame_encode(frame, sizeof(frame));
	assert_int_equal(frame_header_decode(frame, &got, NULL), 0);
	assert_int_equal(got.type, FRAME_PRUNED);
	assert_int_equal(got.flags, 0);
	assert_int_equal(got.body_len, 100);
	assert_memory_equal(pruned_frame_hash(frame), hash, sizeof(hash));
	for (size_t i = PRUNED_FRAME_BYTES; i < sizeof(frame); i++)
		assert_int_equal(frame[i], 0);
	frame[5] = FRAME_COMPRESSED;
	assert_int_equal(frame_header_decode(frame, &got, NULL), -EPROTONOSUPPORT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_come_back),
		cmocka_unit_test(a_list_is_these_bytes),
		cmocka_unit_test(nothing_but_the_list_passes),
		cmocka_unit_test(each_rule_is_kept),
		cmocka_unit_test(only_the_owner_of_the_volume_signs),
		cmocka_unit_test(what_is_named_is_found),
		cmocka_unit_test(a_pruned_frame_keeps_its_hash),
	};

	return cmocka_run_group_tests(tests, format_setup, format_teardown);
}
