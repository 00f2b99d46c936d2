/* SPDX-License-Identifier: MIT */
/*
 * All decoders of store/format. The first byte of the input picks one, the rest is what it reads. Checksums
 * and signatures, which no chance finds, are made right first, so that what is behind them is reached too.
 * Whatever a decoder accepts must be what its encoder writes: there is one form of everything.
 */
#include <stdlib.h>
#include <string.h>

#include "store/format/prune.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct owner *owner;

/* A failed check of the fuzzer's own must stop it whatever NDEBUG says. */
static void must(bool ok)
{
	if (!ok)
		abort();
}

static void must_equal(const struct buf *b, const uint8_t *data, size_t len)
{
	must(buf_status(b) == 0 && b->len == len && (len == 0 || memcmp(b->data, data, len) == 0));
}

static void add_copy(struct buf *b, const uint8_t *data, size_t len)
{
	buf_add(b, data, len);
	must(buf_status(b) == 0);
}

static void mend_sum(struct buf *b)
{
	if (b->len >= SHORT_HASH_BYTES)
		hash_one(NULL, b->data, b->len - SHORT_HASH_BYTES, b->data + b->len - SHORT_HASH_BYTES,
			 SHORT_HASH_BYTES);
}

/* The certificate at `cert` becomes one of our owner's, whatever else it says. */
static void mend_cert(uint8_t *cert)
{
	memcpy(cert + 16, owner_volume_id(owner), VOLUME_ID_BYTES);
	memcpy(cert + 32, owner_public(owner), PUBLIC_KEY_BYTES);
	owner_sign(owner, "holdfast epoch", cert, EPOCH_CERT_BYTES - SIGNATURE_BYTES,
		   cert + EPOCH_CERT_BYTES - SIGNATURE_BYTES);
}

static void fuzz_volume(const uint8_t *data, size_t len)
{
	CLEANUP(buf_release) struct buf in = BUF_INIT, out = BUF_INIT;
	struct volume_descriptor v;
	struct hf_error err = HF_ERROR_INIT;

	add_copy(&in, data, len);
	if (len == VOLUME_DESCRIPTOR_BYTES)
		volume_id_of(in.data + 32, in.data + 16);
	mend_sum(&in);
	if (volume_descriptor_decode(in.data, in.len, &v, &err) == 0) {
		volume_descriptor_encode(&v, &out);
		must_equal(&out, in.data, in.len);
	}
}

static void fuzz_key_file(const uint8_t *data, size_t len)
{
	for (enum key_file_kind kind = KEY_FILE_VOLUME; kind <= KEY_FILE_WRITER; kind++) {
		CLEANUP(buf_release) struct buf in = BUF_INIT, out = BUF_INIT;
		struct hf_error err = HF_ERROR_INIT;
		struct key_file k;

		add_copy(&in, data, len);
		mend_sum(&in);
		if (key_file_decode(kind, in.data, in.len, &k, &err) == 0) {
			key_file_encode(kind, &k, &out);
			must_equal(&out, in.data, in.len);
		}
	}
}

/* What a hostile file asks for must be within the limits before anything is done for it. */
static void fuzz_wrapped_key(const uint8_t *data, size_t len)
{
	for (enum key_file_kind kind = KEY_FILE_VOLUME; kind <= KEY_FILE_WRITER; kind++) {
		CLEANUP(buf_release) struct buf in = BUF_INIT, out = BUF_INIT;
		uint8_t ad[WRAPPED_KEY_AD_BYTES];
		struct hf_error err = HF_ERROR_INIT;
		struct key_wrapped k;

		add_copy(&in, data, len);
		mend_sum(&in);
		if (key_wrapped_decode(kind, in.data, in.len, &k, &err) < 0)
			continue;
		must(key_file_is_wrapped(in.data, in.len));
		must(kind == KEY_FILE_WRITER || wrap_cost_ok(&k.cost));
		key_wrapped_encode(kind, &k, &out);
		must_equal(&out, in.data, in.len);
		key_wrapped_ad(kind, &k, ad);
		must(memcmp(ad + sizeof(ad) - 80, in.data, 80) == 0);
	}
}

static void fuzz_kit(const uint8_t *data, size_t len)
{
	CLEANUP(buf_release) struct buf in = BUF_INIT, line = BUF_INIT;
	uint8_t seed[SEED_BYTES], again[SEED_BYTES];
	struct hf_error err = HF_ERROR_INIT;

	add_copy(&in, data, len);
	if (kit_text_decode((const char *)in.data, in.len, seed, &err) < 0)
		return;
	kit_line_encode(seed, &line);
	must(kit_text_decode((const char *)line.data, line.len, again, &err) == 0);
	must(memcmp(seed, again, SEED_BYTES) == 0);
}

static void fuzz_cert(const uint8_t *data, size_t len)
{
	CLEANUP(buf_release) struct buf in = BUF_INIT, out = BUF_INIT;
	struct hf_error err = HF_ERROR_INIT;
	struct epoch_cert cert;

	add_copy(&in, data, len);
	if (len == EPOCH_CERT_BYTES)
		mend_cert(in.data);
	if (epoch_cert_decode(in.data, in.len, &cert, &err) == 0) {
		epoch_cert_encode(&cert, &out);
		must_equal(&out, in.data, in.len);
	}
}

static void fuzz_segment(const uint8_t *data, size_t len)
{
	CLEANUP(buf_release) struct buf in = BUF_INIT, out = BUF_INIT;
	struct hf_error err = HF_ERROR_INIT;
	struct segment_header h;

	add_copy(&in, data, len);
	if (len == SEGMENT_HEADER_BYTES)
		mend_cert(in.data + 96);
	mend_sum(&in);
	if (segment_header_decode(in.data, in.len, &h, &err) == 0) {
		segment_header_encode(&h, &out);
		must_equal(&out, in.data, in.len);
	}
}

static void fuzz_frame(const uint8_t *data, size_t len)
{
	uint8_t raw[FRAME_HEADER_BYTES];
	struct frame_header h;
	struct hf_error err = HF_ERROR_INIT;

	if (len >= FRAME_HEADER_BYTES && frame_header_decode(data, &h, &err) == 0) {
		frame_header_encode(&h, raw);
		must(memcmp(raw, data, sizeof(raw)) == 0);
	}
}

static void fuzz_commit(const uint8_t *data, size_t len)
{
	uint8_t raw[COMMIT_BODY_BYTES];
	struct hf_error err = HF_ERROR_INIT;
	struct commit c;

	if (len >= COMMIT_BODY_BYTES && commit_decode(data, &c, &err) == 0) {
		commit_encode(&c, raw);
		must(memcmp(raw, data, sizeof(raw)) == 0);
	}
}

static void fuzz_table(const uint8_t *data, size_t len)
{
	CLEANUP(cleanup_free) struct table_entry *entries = NULL;
	CLEANUP(buf_release) struct buf out = BUF_INIT;
	struct hf_error err = HF_ERROR_INIT;
	size_t n;

	if (table_decode(data, len, &entries, &n, &err) == 0) {
		table_encode(entries, n, &out);
		must_equal(&out, data, len);
	}
}

static void fuzz_chunks(struct span body)
{
	CLEANUP(cleanup_free) struct chunk_entry *entries = NULL;
	CLEANUP(buf_release) struct buf out = BUF_INIT;
	struct hf_error err = HF_ERROR_INIT;
	struct cursor c;
	struct span again;
	uint8_t type;
	size_t n;

	if (chunks_decode(body, &entries, &n, &err) < 0)
		return;
	chunks_encode(entries, n, &out);
	c = cursor_of(out.data, out.len);
	must(record_next(&c, &type, &again, &err) == 1 && again.len == body.len);
	must(memcmp(again.data, body.data, body.len) == 0);
}

static void fuzz_op(uint8_t type, struct span body, struct op_base *base)
{
	CLEANUP(buf_release) struct buf out = BUF_INIT;
	struct op_base before = *base;
	struct hf_error err = HF_ERROR_INIT;
	struct cursor c;
	struct span again;
	struct op op;
	uint8_t got_type;

	if (op_decode(type, body, base, &op, &err) < 0) {
		must(err.text[0] && base->tid == before.tid && base->time_ns == before.time_ns);
		return;
	}
	op_encode(&op, &before, &out);
	op_release(&op);
	c = cursor_of(out.data, out.len);
	must(record_next(&c, &got_type, &again, &err) == 1 && got_type == type && again.len == body.len);
	must(memcmp(again.data, body.data, body.len) == 0);
}

static void fuzz_who(struct span body)
{
	CLEANUP(buf_release) struct buf out = BUF_INIT;
	struct hf_error err = HF_ERROR_INIT;
	struct cursor c;
	struct span again;
	uint32_t uid, same;
	uint8_t type;

	if (who_decode(body, &uid, &err) < 0)
		return;
	who_encode(uid, &out);
	c = cursor_of(out.data, out.len);
	must(record_next(&c, &type, &again, &err) == 1 && type == RECORD_WHO);
	must(who_decode(again, &same, &err) == 0 && same == uid);
}

static void fuzz_records(const uint8_t *data, size_t len)
{
	struct cursor c = cursor_of(data, len);
	struct op_base base = { 0, 0 };
	struct hf_error err = HF_ERROR_INIT;
	struct span body;
	uint8_t type;

	while (record_next(&c, &type, &body, &err) == 1) {
		if (type == RECORD_CHUNKS)
			fuzz_chunks(body);
		else if (type == RECORD_WHO)
			fuzz_who(body);
		else
			fuzz_op(type, body, &base);
	}
}

static void fuzz_pieces(const uint8_t *data, size_t len)
{
	CLEANUP(cleanup_free) struct piece *pieces = NULL;
	CLEANUP(buf_release) struct buf out = BUF_INIT;
	struct cursor c = cursor_of(data, len);
	size_t n = 0, cap = 0;

	if (pieces_decode(&c, &pieces, &n, &cap) == 0) {
		pieces_encode(pieces, n, &out);
		must_equal(&out, data, c.pos);
	}
}

static void fuzz_names(const uint8_t *data, size_t len)
{
	CLEANUP(buf_release) struct buf name = BUF_INIT;
	uint32_t n;
	char again[16];

	must(name_check(data, len) <= 0 && tag_name_check(data, len) <= 0);
	must(tag_name_check(data, len) < 0 || name_check(data, len) == 0); /* a tag can be a folder's name */
	add_copy(&name, data, len);
	if (segment_file_number(buf_cstr(&name), &n)) {
		segment_file_name(n, again);
		must(strcmp(again, buf_cstr(&name)) == 0);
	}
}

/* As a line, and, since no chance finds a checksum, as the bytes behind it made right. */
static void fuzz_head(const uint8_t *data, size_t len)
{
	CLEANUP(buf_release) struct buf raw = BUF_INIT, line = BUF_INIT, again = BUF_INIT;
	uint8_t hash[HASH_BYTES];
	struct hf_error err;
	const char *at;
	size_t found;
	struct head h;

	at = head_find((const char *)data, len, &found);
	if (at)
		must(head_line_decode(at, found, &h, &err) <= 0);
	add_copy(&raw, data, len);
	hash_one("holdfast head", raw.data, raw.len, hash, sizeof(hash));
	buf_add(&raw, hash, 4);
	token_encode("holdfast-head:", raw.data, raw.len, &line);
	if (head_line_decode(buf_cstr(&line), line.len, &h, &err) < 0)
		return;
	head_line_encode(&h, &again);
	must_equal(&again, line.data, line.len);
}

/* Signed rightly, by our owner, whatever it says. */
static void fuzz_prune(const uint8_t *data, size_t len)
{
	CLEANUP(buf_release) struct buf in = BUF_INIT, out = BUF_INIT;
	struct hf_error err = HF_ERROR_INIT;
	struct prune_list list;
	uint8_t hash[HASH_BYTES];

	add_copy(&in, data, len);
	if (len >= PRUNE_HEAD_BYTES + SIGNATURE_BYTES) {
		put_u32(in.data + 12, (uint32_t)len);
		memcpy(in.data + 16, owner_volume_id(owner), VOLUME_ID_BYTES);
		memcpy(in.data + 32, owner_public(owner), PUBLIC_KEY_BYTES);
		hash_one("holdfast prune list", in.data, len - SIGNATURE_BYTES, hash, sizeof(hash));
		owner_sign(owner, "holdfast prune", hash, sizeof(hash), in.data + len - SIGNATURE_BYTES);
	}
	if (prune_list_decode(in.data, in.len, &list, &err) < 0)
		return;
	must(prune_list_encode(&list, owner, &out) == 0);
	must_equal(&out, in.data, in.len);
	for (size_t i = 0; i < list.n; i++) {
		const struct prune_segment *s = prune_list_find(&list, list.segments[i].segment);

		must(s == &list.segments[i]);
		for (size_t k = 0; k < s->n; k++)
			must(prune_segment_covers(s, s->ranges[k].offset, s->ranges[k].len));
	}
	prune_list_release(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static void (*const targets[])(const uint8_t *data, size_t len) = {
		fuzz_volume, fuzz_key_file, fuzz_kit,         fuzz_cert,    fuzz_segment,
		fuzz_frame,  fuzz_commit,   fuzz_table,       fuzz_records, fuzz_pieces,
		fuzz_names,  fuzz_head,     fuzz_wrapped_key, fuzz_prune,
	};
	static const uint8_t seed[SEED_BYTES];

	if (!owner)
		must(crypto_init() == 0 && owner_new(seed, &owner) == 0);
	if (len > 0)
		targets[data[0] % (sizeof(targets) / sizeof(targets[0]))](data + 1, len - 1);
	return 0;
}
