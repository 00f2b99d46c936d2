/* SPDX-License-Identifier: MIT */
/*
 * A whole segment: as a node verifies it, as a shelf finds its end at a start, as a store opens, replays and
 * checks it. The first byte of the input says how it is made: 0, the rest is the file as it is; else frames
 * are sealed and commits signed of what the rest says, as one can who has all keys, so that what is behind
 * crypto is reached.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/log/log.h"
#include "store/log/verifier.h"
#include "store/replica/shelf_scan.h"
#include "tests/fuzz/memory_os.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { STEP_BYTES = 777 };

static struct owner *owner;
static struct keyring *keys;
static struct epoch_cert cert;

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void begin(void)
{
	static const uint8_t seed[SEED_BYTES] = { 7 };

	must(crypto_init() == 0 && owner_new(seed, &owner) == 0 && owner_keyring(owner, &keys) == 0);
	must(keyring_set_writer(keys, 1, seed) == 0);
	cert = (struct epoch_cert){ .epoch = 1, .format_floor = 1, .first_segment = 1 };
	memcpy(cert.writer_public, keyring_writer_public(keys), PUBLIC_KEY_BYTES);
	epoch_cert_sign(&cert, owner);
}

/* --- making a segment */

struct maker {
	struct buf out;
	struct cursor in;
	struct log_point point;
	struct chain chain;
	uint32_t frames;
	uint32_t table;
};

static void add_header(struct maker *m)
{
	struct segment_header h = { .segment = 1, .epoch = 1, .cert = cert };

	memcpy(h.volume_id, keyring_volume_id(keys), VOLUME_ID_BYTES);
	segment_header_encode(&h, &m->out);
	must(buf_status(&m->out) == 0);
	chain_start(&m->chain, m->out.data);
}

static void note_frame(struct maker *m, size_t at)
{
	uint8_t hash[HASH_BYTES];

	hash_one(NULL, m->out.data + at, m->out.len - at, hash, sizeof(hash));
	chain_frame(&m->chain, hash);
	m->frames++;
}

static void add_frame(struct maker *m, uint8_t type, uint8_t flags, const uint8_t *plain, size_t len)
{
	struct frame_header h = { .type = type, .flags = flags };
	uint8_t ad[FRAME_AD_BYTES];
	struct sealing s = { h.nonce, ad, sizeof(ad), flags & 2 ? 16384 : 0 };
	size_t at = m->out.len, body = sealed_bytes(len, s.piece_bytes);

	h.body_len = (uint32_t)body;
	h.nonce[0] = (uint8_t)m->frames;
	buf_add_zeros(&m->out, FRAME_HEADER_BYTES + body);
	must(buf_status(&m->out) == 0);
	frame_header_encode(&h, m->out.data + at);
	frame_ad(keyring_volume_id(keys), 1, (uint32_t)at, m->out.data + at, ad);
	keyring_seal(keys, &s, plain, len, m->out.data + at + FRAME_HEADER_BYTES);
	if (type == FRAME_TABLE)
		m->table = (uint32_t)at;
	note_frame(m, at);
}

static void add_commit(struct maker *m, uint8_t flags)
{
	struct frame_header h = { .type = FRAME_COMMIT, .body_len = COMMIT_BODY_BYTES };
	struct commit c = {
		.epoch = 1, .flags = flags & COMMIT_SEALS, .frames = m->frames, .table_offset = m->table
	};
	uint8_t header[FRAME_HEADER_BYTES], body[COMMIT_BODY_BYTES];
	size_t at = m->out.len;

	c.number = m->point.commit + 1;
	c.tid = m->point.tid + cursor_u8(&m->in);
	c.time_ns = m->point.time_ns + cursor_u8(&m->in);
	frame_header_encode(&h, header);
	commit_encode(&c, body);
	chain_commit(&m->chain, header, body, c.chain);
	commit_encode(&c, body);
	commit_sign(keys, 1, (uint32_t)at, body);
	buf_add(&m->out, header, sizeof(header));
	buf_add(&m->out, body, sizeof(body));
	must(buf_status(&m->out) == 0);
	m->point.commit = c.number;
	m->point.tid = c.tid;
	m->point.time_ns = c.time_ns;
	m->frames = m->table = 0;
}

/* What the input says: a commit, a frame (kind, flags, length, plaintext), or bytes as they are. */
static void make_segment(struct maker *m)
{
	add_header(m);
	while (cursor_left(&m->in) >= 2 && m->out.len < 1 << 20) {
		uint8_t what = cursor_u8(&m->in), flags = cursor_u8(&m->in);
		const uint8_t *plain;
		size_t len;

		if (what % 4 == 0) {
			add_commit(m, flags);
			continue;
		}
		len = cursor_left(&m->in) < 2 ? 0 : cursor_u16(&m->in);
		if (len > cursor_left(&m->in))
			len = cursor_left(&m->in);
		plain = cursor_take(&m->in, len);
		if (what == 255)
			buf_add(&m->out, plain, len);
		else
			add_frame(m,
				  what % 4 == 1 ? FRAME_DATA :
				  what % 4 == 2 ? FRAME_META :
						  FRAME_TABLE,
				  flags & 3, plain, len);
		must(buf_status(&m->out) == 0);
	}
}

/* --- reading it */

/* In small steps, as bytes come from a network: the same end as in one. */
static void verify(const uint8_t *data, size_t len, struct log_point *ret)
{
	struct hf_error err = HF_ERROR_INIT;
	struct verifier v, whole;
	size_t at = SEGMENT_HEADER_BYTES, used, step = STEP_BYTES;
	int r = 1;

	memset(ret, 0, sizeof(*ret));
	verifier_begin(&v, keyring_volume_id(keys));
	if (len < SEGMENT_HEADER_BYTES || verifier_segment(&v, data, &err) < 0)
		return;
	whole = v;
	while (r >= 0 && at <= len) {
		size_t have = len - at < step ? len - at : step;

		r = verifier_group(&v, data + at, have, &used, NULL, &err);
		if (r == 1) {
			must(used > 0 && used <= have && v.point.end.offset == at + used);
			at += used;
			step = STEP_BYTES;
		} else if (r == 0) {
			if (have == len - at)
				break;
			step += STEP_BYTES;
		} else {
			must(err.text[0]);
		}
	}
	for (at = SEGMENT_HEADER_BYTES; verifier_group(&whole, data + at, len - at, &used, NULL, NULL) == 1;
	     at += used)
		;
	must(memcmp(&whole.point, &v.point, sizeof(v.point)) == 0);
	*ret = v.point;
}

static void scan(const struct os *os, const struct log_point *wanted, size_t which)
{
	static const struct shelf_note notes[] = { { 0, 0, 0 }, { 1, 0, 400 }, { 1, 320, 5000 } };
	struct hf_error err = HF_ERROR_INIT;
	struct shelf_scan found;
	struct verifier v;
	int r;

	verifier_begin(&v, keyring_volume_id(keys));
	r = shelf_scan_segment(os, 1000, 1, &notes[which % 3], &v, &found, &err);
	if (r < 0)
		must(err.text[0]);
	else if (!found.header_torn)
		must(log_pos_compare(v.point.end, wanted->end) == 0);
}

static void read_records(struct span plain, struct op_base base)
{
	struct cursor c = cursor_of(plain.data, plain.len);
	struct hf_error err = HF_ERROR_INIT;
	struct span body;
	uint8_t type;

	while (record_next(&c, &type, &body, &err) == 1) {
		CLEANUP(cleanup_free) struct chunk_entry *entries = NULL;
		struct op op;
		uint32_t uid;
		size_t n;

		if (type == RECORD_CHUNKS)
			(void)!chunks_decode(body, &entries, &n, &err);
		else if (type == RECORD_WHO)
			(void)!who_decode(body, &uid, &err);
		else if (op_decode(type, body, &base, &op, &err) == 0)
			op_release(&op);
	}
}

static int each_group(void *arg, const struct log_group *group, struct hf_error *err)
{
	struct log_pos *last = arg;

	(void)err;
	must(log_pos_compare(*last, group->after.end) < 0);
	*last = group->after.end;
	for (size_t i = 0; i < group->n_meta; i++)
		read_records(group->meta[i], (struct op_base){ group->before.tid, group->before.time_ns });
	return 0;
}

static void open_log(const struct os *os, const struct log_point *wanted)
{
	const struct log_options o = { .os = os, .dir = "/log", .keys = keys, .read_only = true };
	const struct log_check check = { .found = NULL };
	CLEANUP(buf_release) struct buf raw = BUF_INIT;
	struct hf_error err = HF_ERROR_INIT;
	struct log_pos last = { 0, 0 };
	struct log_point end;
	struct log *log;

	if (log_open(&o, NULL, &log, &err) < 0) {
		must(err.text[0]);
		return;
	}
	log_durable(log, &end);
	must(log_pos_compare(end.end, wanted->end) == 0);
	if (log_replay(log, NULL, each_group, &last, NULL, &err) < 0)
		must(err.text[0]);
	(void)!log_verify(log, &check, NULL, &err);
	(void)!log_read_raw(log, (struct log_pos){ 1, 0 }, 1 << 20, &raw, &end, &err);
	log_close(log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const names[] = { "0000000001.seg", NULL };
	struct memory_disk disk = { .names = names };
	const struct os os = memory_os(&disk);
	struct maker m = { .out = BUF_INIT };
	struct log_point end;

	if (!owner)
		begin();
	if (len == 0 || len > 1 << 17)
		return 0;
	m.in = cursor_of(data + 1, len - 1);
	if (data[0]) {
		make_segment(&m);
	} else {
		buf_add(&m.out, data + 1, len - 1);
		must(buf_status(&m.out) == 0);
	}
	disk.data = m.out.data;
	disk.len = m.out.len;
	verify(m.out.data, m.out.len, &end);
	scan(&os, &end, len);
	open_log(&os, &end);
	buf_release(&m.out);
	return 0;
}
