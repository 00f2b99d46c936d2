/* SPDX-License-Identifier: MIT */
/*
 * The fixed-size structures of FORMAT.md §3 to §5: each comes back as it went in; cut at any length or with
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

#include "tests/unit/format_helper.h"

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
	memcpy(v.volume_id, owner_volume_id(format_owner), VOLUME_ID_BYTES);
	memcpy(v.owner_public, owner_public(format_owner), PUBLIC_KEY_BYTES);
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

	memcpy(cert.writer_public, keyring_writer_public(format_keys), PUBLIC_KEY_BYTES);
	memset(cert.chain, 0xcc, HASH_BYTES);
	epoch_cert_sign(&cert, format_owner);
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
	assert_memory_equal(got_cert.writer_public, keyring_writer_public(format_keys), PUBLIC_KEY_BYTES);
	assert_memory_equal(got_cert.volume_id, owner_volume_id(format_owner), VOLUME_ID_BYTES);
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
	memcpy(b.data + 16, owner_volume_id(format_owner), VOLUME_ID_BYTES);
	owner_sign(stranger, "holdfast epoch", b.data, b.len - SIGNATURE_BYTES,
		   b.data + b.len - SIGNATURE_BYTES);
	assert_int_equal(decode_cert(b.data, b.len, &err), -EKEYREJECTED);
	assert_non_null(strstr(err.text, "volume id"));

	buf_clear(&b);
	cert.format_floor = 2;
	epoch_cert_sign(&cert, format_owner);
	epoch_cert_encode(&cert, &b);
	assert_int_equal(decode_cert(b.data, b.len, &err), -EPROTONOSUPPORT);
	assert_non_null(strstr(err.text, "format floor"));

	buf_clear(&b);
	cert.format_floor = 1;
	cert.epoch = 0;
	epoch_cert_sign(&cert, format_owner);
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

	memcpy(h.volume_id, owner_volume_id(format_owner), VOLUME_ID_BYTES);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(volume_descriptors), cmocka_unit_test(key_files),
		cmocka_unit_test(epoch_certificates), cmocka_unit_test(segment_headers),
		cmocka_unit_test(segment_file_names),
	};

	return cmocka_run_group_tests(tests, format_setup, format_teardown);
}
