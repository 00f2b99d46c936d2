/* SPDX-License-Identifier: MIT */
/*
 * The fixed-size structures of FORMAT.md §3 to §8: each comes back as it went in; cut at any length or with
 * any one bit flipped it is refused; what a later version may have written is named, not called damage.
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "store/format/format.h"

static struct owner *owner;
static struct keyring *keys;

static int setup(void **state)
{
	uint8_t seed[SEED_BYTES], writer[SEED_BYTES];

	(void)state;
	for (size_t i = 0; i < SEED_BYTES; i++) {
		seed[i] = (uint8_t)i;
		writer[i] = (uint8_t)(0x20 + i);
	}
	if (crypto_init() < 0 || owner_new(seed, &owner) < 0 || owner_keyring(owner, &keys) < 0)
		return -1;
	return keyring_set_writer(keys, 2, writer);
}

static int teardown(void **state)
{
	(void)state;
	keyring_free(keys);
	owner_free(owner);
	return 0;
}

/* One decoder, its result put aside, so that the checks below serve all of them. */
typedef int decode_fn(const void *data, size_t len, struct hf_error *err);

/* Cut at every length, and with every single bit flipped, it is refused with words. */
static void assert_fragile(decode_fn *decode, const struct buf *good)
{
	struct hf_error err = HF_ERROR_INIT;

	assert_int_equal(decode(good->data, good->len, &err), 0);
	for (size_t len = 0; len < good->len; len++) {
		/* Hardly more than its bytes, so that a sanitizer sees reading past them. */
		CLEANUP(cleanup_free) uint8_t *cut = malloc(len > 0 ? len : 1);

		memcpy(cut, good->data, len);
		err = (struct hf_error)HF_ERROR_INIT;
		assert_int_equal(decode(cut, len, &err), -EUCLEAN);
		assert_true(err.text[0] != 0);
	}
	for (size_t i = 0; i < 8 * good->len; i++) {
		good->data[i / 8] ^= (uint8_t)(1 << i % 8);
		err = (struct hf_error)HF_ERROR_INIT;
		assert_true(decode(good->data, good->len, &err) < 0);
		assert_true(err.text[0] != 0);
		good->data[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	assert_int_equal(decode(good->data, good->len, NULL), 0);
}

/* With one byte changed and the checksum at the end made right again: it is this field that is not known. */
static void assert_unknown(decode_fn *decode, const struct buf *good, size_t at, const char *word)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT;
	struct hf_error err = HF_ERROR_INIT;

	buf_add(&b, good->data, good->len);
	b.data[at] ^= 0x40;
	hash_one(NULL, b.data, b.len - SHORT_HASH_BYTES, b.data + b.len - SHORT_HASH_BYTES, SHORT_HASH_BYTES);
	assert_int_equal(decode(b.data, b.len, &err), -EPROTONOSUPPORT);
	if (!strstr(err.text, word))
		fail_msg("\"%s\" does not name the %s", err.text, word);
}

static struct volume_descriptor got_volume;

static int decode_volume(const void *data, size_t len, struct hf_error *err)
{
	return volume_descriptor_decode(data, len, &got_volume, err);
}

static void volume_descriptors(void **state)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT;
	struct volume_descriptor v = { .created_ns = UINT64_C(1700000000123456789) };
	struct hf_error err = HF_ERROR_INIT;

	(void)state;
	memcpy(v.volume_id, owner_volume_id(owner), VOLUME_ID_BYTES);
	memcpy(v.owner_public, owner_public(owner), PUBLIC_KEY_BYTES);
	volume_descriptor_encode(&v, &b);
	assert_int_equal(b.len, VOLUME_DESCRIPTOR_BYTES);
	assert_fragile(decode_volume, &b);
	assert_memory_equal(&got_volume, &v, sizeof(v));
	assert_unknown(decode_volume, &b, 8, "version 65");
	assert_unknown(decode_volume, &b, 10, "flags");
	assert_unknown(decode_volume, &b, 12, "length");
	assert_unknown(decode_volume, &b, 72, "reserved");
	buf_add_u8(&b, 0);
	assert_int_equal(decode_volume(b.data, b.len, &err), -EUCLEAN);

	buf_clear(&b);
	v.volume_id[0] ^= 1;
	volume_descriptor_encode(&v, &b);
	assert_int_equal(decode_volume(b.data, b.len, &err), -EUCLEAN);
	assert_non_null(strstr(err.text, "volume id"));
}

static struct key_file got_key;

static int decode_volume_key(const void *data, size_t len, struct hf_error *err)
{
	return key_file_decode(KEY_FILE_VOLUME, data, len, &got_key, err);
}

static int decode_writer_key(const void *data, size_t len, struct hf_error *err)
{
	return key_file_decode(KEY_FILE_WRITER, data, len, &got_key, err);
}

static void key_files(void **state)
{
	CLEANUP(buf_release) struct buf volume = BUF_INIT, writer = BUF_INIT;
	struct key_file v = { .volume_id = "0123456789abcde", .secret = "a secret" }, w = v;
	struct hf_error err = HF_ERROR_INIT;

	(void)state;
	w.epoch = 7;
	key_file_encode(KEY_FILE_VOLUME, &v, &volume);
	key_file_encode(KEY_FILE_WRITER, &w, &writer);
	assert_int_equal(volume.len, KEY_FILE_BYTES);
	assert_fragile(decode_volume_key, &volume);
	assert_memory_equal(&got_key, &v, sizeof(v));
	assert_fragile(decode_writer_key, &writer);
	assert_memory_equal(&got_key, &w, sizeof(w));
	assert_unknown(decode_volume_key, &volume, 8, "version");
	assert_unknown(decode_volume_key, &volume, 10, "wrapping");
	assert_unknown(decode_volume_key, &volume, 12, "reserved");
	assert_unknown(decode_writer_key, &writer, 10, "wrapping");
	assert_int_equal(decode_writer_key(volume.data, volume.len, &err), -EUCLEAN);
	assert_non_null(strstr(err.text, "writer key file"));

	put_u32(writer.data + 12, 0);
	hash_one(NULL, writer.data, 64, writer.data + 64, SHORT_HASH_BYTES);
	assert_int_equal(decode_writer_key(writer.data, writer.len, &err), -EUCLEAN);
	assert_non_null(strstr(err.text, "epoch is 0"));
}

static struct epoch_cert make_cert(void)
{
	struct epoch_cert cert = {
		.epoch = 2,
		.format_floor = FORMAT_VERSION,
		.created_ns = 12345,
		.first_segment = 5,
	};

	memcpy(cert.writer_public, keyring_writer_public(keys), PUBLIC_KEY_BYTES);
	memset(cert.chain, 0xcc, HASH_BYTES);
	epoch_cert_sign(&cert, owner);
	return cert;
}

static struct epoch_cert got_cert;

static int decode_cert(const void *data, size_t len, struct hf_error *err)
{
	return epoch_cert_decode(data, len, &got_cert, err);
}

static void epoch_certificates(void **state)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT;
	CLEANUP(owner_freep) struct owner *stranger = NULL;
	struct epoch_cert cert = make_cert();
	struct hf_error err = HF_ERROR_INIT;

	(void)state;
	epoch_cert_encode(&cert, &b);
	assert_int_equal(b.len, EPOCH_CERT_BYTES);
	assert_fragile(decode_cert, &b);
	assert_memory_equal(got_cert.chain, cert.chain, HASH_BYTES);
	assert_memory_equal(got_cert.writer_public, keyring_writer_public(keys), PUBLIC_KEY_BYTES);
	assert_memory_equal(got_cert.volume_id, owner_volume_id(owner), VOLUME_ID_BYTES);
	assert_int_equal(got_cert.epoch, 2);
	assert_int_equal(got_cert.first_segment, 5);
	assert_int_equal(got_cert.created_ns, 12345);

	b.data[70] ^= 1; /* another writer slipped in */
	assert_int_equal(decode_cert(b.data, b.len, &err), -EKEYREJECTED);

	/* Another owner's key, rightly signed by it, does not pass under this volume's id. */
	buf_clear(&b);
	assert_int_equal(owner_new(NULL, &stranger), 0);
	epoch_cert_sign(&cert, stranger);
	epoch_cert_encode(&cert, &b);
	assert_int_equal(decode_cert(b.data, b.len, &err), 0);
	memcpy(b.data + 16, owner_volume_id(owner), VOLUME_ID_BYTES);
	owner_sign(stranger, "holdfast epoch", b.data, b.len - SIGNATURE_BYTES,
		   b.data + b.len - SIGNATURE_BYTES);
	assert_int_equal(decode_cert(b.data, b.len, &err), -EKEYREJECTED);
	assert_non_null(strstr(err.text, "volume id"));

	buf_clear(&b);
	cert.format_floor = 2;
	epoch_cert_sign(&cert, owner);
	epoch_cert_encode(&cert, &b);
	assert_int_equal(decode_cert(b.data, b.len, &err), -EPROTONOSUPPORT);
	assert_non_null(strstr(err.text, "format floor"));

	buf_clear(&b);
	cert.format_floor = 1;
	cert.epoch = 0;
	epoch_cert_sign(&cert, owner);
	epoch_cert_encode(&cert, &b);
	assert_int_equal(decode_cert(b.data, b.len, &err), -EUCLEAN);
}

static struct segment_header got_segment;

static int decode_segment(const void *data, size_t len, struct hf_error *err)
{
	return segment_header_decode(data, len, &got_segment, err);
}

static struct segment_header make_segment(void)
{
	struct segment_header h = {
		.segment = 5,
		.epoch = 2,
		.prev_tid = 11,
		.prev_time_ns = 22,
		.prev_commit = 33,
		.cert = make_cert(),
	};

	memcpy(h.volume_id, owner_volume_id(owner), VOLUME_ID_BYTES);
	memset(h.prev_chain, 0xcc, HASH_BYTES);
	return h;
}

static int recode_segment(const struct segment_header *h, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT;

	segment_header_encode(h, &b);
	return decode_segment(b.data, b.len, err);
}

static void segment_headers(void **state)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT;
	struct segment_header good = make_segment(), h = good;
	struct hf_error err = HF_ERROR_INIT;

	(void)state;
	segment_header_encode(&h, &b);
	assert_int_equal(b.len, SEGMENT_HEADER_BYTES);
	assert_fragile(decode_segment, &b);
	assert_int_equal(got_segment.segment, 5);
	assert_int_equal(got_segment.prev_tid, 11);
	assert_int_equal(got_segment.prev_time_ns, 22);
	assert_int_equal(got_segment.prev_commit, 33);
	assert_memory_equal(got_segment.prev_chain, h.prev_chain, HASH_BYTES);
	assert_memory_equal(got_segment.cert.signature, h.cert.signature, SIGNATURE_BYTES);
	assert_unknown(decode_segment, &b, 8, "version");
	assert_unknown(decode_segment, &b, 10, "flags");
	assert_unknown(decode_segment, &b, 12, "length");

	h.segment = 6; /* later in the same epoch: another chain value is right */
	h.prev_chain[0] = 1;
	assert_int_equal(recode_segment(&h, &err), 0);
	h.segment = 5;
	assert_int_equal(recode_segment(&h, &err), -EKEYREJECTED);
	h = good;
	h.segment = 4; /* before the epoch */
	assert_int_equal(recode_segment(&h, &err), -EKEYREJECTED);
	h = good;
	h.epoch = 3;
	assert_int_equal(recode_segment(&h, &err), -EKEYREJECTED);
	h = good;
	h.volume_id[0] ^= 1;
	assert_int_equal(recode_segment(&h, &err), -EKEYREJECTED);
	h = good;
	h.cert.signature[0] ^= 1;
	assert_int_equal(recode_segment(&h, &err), -EKEYREJECTED);
	assert_non_null(strstr(err.text, "segment header: epoch certificate"));
	h = good;
	h.prev_commit = 0;
	assert_int_equal(recode_segment(&h, &err), -EUCLEAN);
	h = good;
	h.segment = 0;
	assert_int_equal(recode_segment(&h, &err), -EUCLEAN);
}

static void segment_file_names(void **state)
{
	static const char *const bad[] = { "",
					   "0000000000.seg",
					   "000000001.seg",
					   "00000000001.seg",
					   "0000000001.se",
					   "0000000001.seg2",
					   "000000000a.seg",
					   "9999999999.seg",
					   "-000000001.seg" };
	uint32_t n = 0;
	char name[16];

	(void)state;
	segment_file_name(1, name);
	assert_string_equal(name, "0000000001.seg");
	assert_true(segment_file_number(name, &n));
	assert_int_equal(n, 1);
	segment_file_name(UINT32_MAX, name);
	assert_string_equal(name, "4294967295.seg");
	assert_true(segment_file_number(name, &n));
	assert_true(n == UINT32_MAX);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(segment_file_number(bad[i], &n));
}

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
	assert_int_equal(decode_frame_with(4, 5, raw, &err), -EPROTONOSUPPORT);
	assert_non_null(strstr(err.text, "type 0x5"));
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
	frame_ad(owner_volume_id(owner), 0x04030201, 0x14131211, header, ad);
	memcpy(want + 15, owner_volume_id(owner), VOLUME_ID_BYTES);
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
	const uint8_t *public_key = keyring_writer_public(keys), *id = keyring_volume_id(keys);
	uint8_t body[COMMIT_BODY_BYTES], other_id[VOLUME_ID_BYTES] = { 0 };

	(void)state;
	commit_encode(&c, body);
	commit_sign(keys, 5, 800, body);
	assert_int_equal(commit_check_signature(public_key, id, 5, 800, body), 0);
	assert_int_equal(commit_check_signature(public_key, id, 6, 800, body), -EKEYREJECTED);
	assert_int_equal(commit_check_signature(public_key, id, 5, 801, body), -EKEYREJECTED);
	assert_int_equal(commit_check_signature(public_key, other_id, 5, 800, body), -EKEYREJECTED);
	assert_int_equal(commit_check_signature(owner_public(owner), id, 5, 800, body), -EKEYREJECTED);
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
		cmocka_unit_test(volume_descriptors),
		cmocka_unit_test(key_files),
		cmocka_unit_test(epoch_certificates),
		cmocka_unit_test(segment_headers),
		cmocka_unit_test(segment_file_names),
		cmocka_unit_test(frame_headers),
		cmocka_unit_test(frames_in_pieces),
		cmocka_unit_test(a_frame_is_bound_to_its_place),
		cmocka_unit_test(commits),
		cmocka_unit_test(a_commit_is_signed_for_its_place),
		cmocka_unit_test(the_chain_is_as_written),
		cmocka_unit_test(tables),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
