/* SPDX-License-Identifier: MIT */
/* The rules of FORMAT.md §5 and §7 on bytes in memory, as a blind replica applies them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "store/log/verifier.h"
#include "tests/unit/log_helper.h"

/* A writer that can be told to write wrongly. */
struct writer {
	struct owner *owner;
	struct keyring *keys;
	struct epoch_cert cert;
	struct verifier v; /* of what was written rightly */
	struct buf header, group;
};

/* How the next group or header shall be wrong. */
struct wrong {
	int64_t number, tid, time, epoch, frames, table_offset;
	uint32_t flags;
	bool chain, signature, out_of_order, place;
	bool seal; /* not wrong by itself: a table and a sealing commit */
};

static void writer_begin(struct writer *w)
{
	memset(w, 0, sizeof(*w));
	assert_int_equal(crypto_init(), 0);
	assert_int_equal(owner_new(NULL, &w->owner), 0);
	assert_int_equal(owner_keyring(w->owner, &w->keys), 0);
	verifier_begin(&w->v, keyring_volume_id(w->keys));
}

static void writer_end(struct writer *w)
{
	buf_release(&w->header);
	buf_release(&w->group);
	keyring_free(w->keys);
	owner_free(w->owner);
}

static void new_epoch(struct writer *w, uint32_t epoch)
{
	assert_int_equal(keyring_make_writer(w->keys, epoch), 0);
	w->cert = (struct epoch_cert){ .epoch = epoch,
				       .format_floor = 1,
				       .created_ns = 9,
				       .first_segment = w->v.point.end.segment + 1 };
	memcpy(w->cert.chain, w->v.point.chain, HASH_BYTES);
	memcpy(w->cert.writer_public, keyring_writer_public(w->keys), PUBLIC_KEY_BYTES);
	epoch_cert_sign(&w->cert, w->owner);
}

static struct segment_header right_header(const struct writer *w)
{
	struct segment_header h = {
		.segment = w->v.point.end.segment + 1,
		.epoch = w->cert.epoch,
		.prev_tid = w->v.point.tid,
		.prev_time_ns = w->v.point.time_ns,
		.prev_commit = w->v.point.commit,
		.cert = w->cert,
	};

	memcpy(h.volume_id, keyring_volume_id(w->keys), VOLUME_ID_BYTES);
	memcpy(h.prev_chain, w->v.point.chain, HASH_BYTES);
	return h;
}

static const uint8_t *encoded(struct writer *w, const struct segment_header *h)
{
	buf_clear(&w->header);
	segment_header_encode(h, &w->header);
	assert_int_equal(w->header.len, SEGMENT_HEADER_BYTES);
	return w->header.data;
}

static void begin_segment(struct writer *w)
{
	struct segment_header h = right_header(w);
	struct hf_error err = HF_ERROR_INIT;

	if (verifier_segment(&w->v, encoded(w, &h), &err) < 0)
		fail_msg("%s", err.text);
}

/* Frames need not open to be verified: a replica has no key. */
static void add_frame(struct writer *w, struct chain *c, uint8_t type, size_t len)
{
	struct frame_header h = { .type = type, .body_len = (uint32_t)len };
	uint8_t raw[FRAME_HEADER_BYTES], hash[HASH_BYTES];
	size_t start = w->group.len;

	crypto_random(h.nonce, NONCE_BYTES);
	frame_header_encode(&h, raw);
	buf_add(&w->group, raw, sizeof(raw));
	buf_add_zeros(&w->group, len);
	hash_one(NULL, w->group.data + start, w->group.len - start, hash, sizeof(hash));
	chain_frame(c, hash);
}

static void add_commit(struct writer *w, struct chain *chain, const struct wrong *x, uint32_t frames,
		       uint32_t table)
{
	struct frame_header h = { .type = FRAME_COMMIT, .body_len = COMMIT_BODY_BYTES };
	const struct log_point *p = &w->v.point;
	struct commit c = {
		.number = p->commit + 1 + (uint64_t)x->number,
		.tid = p->tid + 3 + (uint64_t)x->tid,
		.time_ns = p->time_ns + 100 + (uint64_t)x->time,
		.epoch = p->epoch,
		.flags = (x->seal ? COMMIT_SEALS : 0) ^ x->flags,
		.frames = frames + (uint32_t)x->frames,
		.table_offset = table + (uint32_t)x->table_offset,
	};
	uint8_t raw[FRAME_HEADER_BYTES], body[COMMIT_BODY_BYTES];

	frame_header_encode(&h, raw);
	commit_encode(&c, body);
	chain_commit(chain, raw, body, c.chain);
	if (x->chain)
		c.chain[5] ^= 1;
	commit_encode(&c, body);
	commit_sign(w->keys, p->end.segment, p->end.offset + (uint32_t)w->group.len + x->place, body);
	if (x->signature)
		body[COMMIT_BODY_BYTES - 1] ^= 1;
	buf_add(&w->group, raw, sizeof(raw));
	buf_add(&w->group, body, sizeof(body));
}

static void make_group(struct writer *w, const struct wrong *x)
{
	uint32_t table = 0, frames = 4;
	struct chain chain;

	buf_clear(&w->group);
	chain_resume(&chain, w->v.chain);
	add_frame(w, &chain, FRAME_DATA, 700);
	add_frame(w, &chain, x->out_of_order ? FRAME_META : FRAME_DATA, 16);
	add_frame(w, &chain, x->out_of_order ? FRAME_DATA : FRAME_META, 90);
	add_frame(w, &chain, FRAME_META, 40);
	if (x->seal) {
		table = w->v.point.end.offset + (uint32_t)w->group.len;
		add_frame(w, &chain, FRAME_TABLE, 50);
		frames++;
	}
	add_commit(w, &chain, x, frames, table);
	assert_int_equal(buf_status(&w->group), 0);
}

static void put_group(struct writer *w, bool seal)
{
	struct wrong none = { .seal = seal };
	struct hf_error err = HF_ERROR_INIT;
	size_t used = 0;

	make_group(w, &none);
	if (verifier_group(&w->v, w->group.data, w->group.len, &used, NULL, &err) != 1)
		fail_msg("%s", err.text);
	assert_int_equal(used, w->group.len);
}

static void assert_refused(struct writer *w, const struct wrong *x, int code)
{
	struct hf_error err = HF_ERROR_INIT;
	struct verifier before = w->v;
	size_t used = 77;

	make_group(w, x);
	assert_int_equal(verifier_group(&w->v, w->group.data, w->group.len, &used, NULL, &err), code);
	assert_true(err.code == code && err.text[0]);
	assert_int_equal(used, 77);
	assert_memory_equal(&before.point, &w->v.point, sizeof(before.point));
	assert_memory_equal(before.chain, w->v.chain, HASH_BYTES);
}

static void test_a_right_log(void **state)
{
	struct writer w;

	(void)state;
	writer_begin(&w);
	new_epoch(&w, 1);
	begin_segment(&w);
	put_group(&w, false);
	put_group(&w, false);
	assert_int_equal(w.v.point.commit, 2);
	assert_int_equal(w.v.point.tid, 6);
	put_group(&w, true);
	assert_true(w.v.point.sealed);
	begin_segment(&w);
	assert_false(w.v.point.sealed);
	assert_int_equal(w.v.point.commit, 3);
	put_group(&w, false);
	new_epoch(&w, 2); /* in the middle of segment 2 */
	begin_segment(&w);
	assert_int_equal(w.v.point.epoch, 2);
	put_group(&w, true);
	new_epoch(&w, 3); /* behind a sealed one */
	begin_segment(&w);
	new_epoch(&w, 4); /* behind an empty one */
	begin_segment(&w);
	put_group(&w, false);
	assert_int_equal(w.v.point.end.segment, 5);
	writer_end(&w);
}

static void test_wrong_commits(void **state)
{
	static const struct {
		struct wrong wrong;
		int code;
	} cases[] = {
		{ { .number = 1 }, -EUCLEAN },
		{ { .number = -1 }, -EUCLEAN },
		{ { .tid = -4 }, -EUCLEAN },
		{ { .time = -101 }, -EUCLEAN },
		{ { .tid = INT64_C(1) << 32 }, -EUCLEAN },
		{ { .time = INT64_MAX }, -EUCLEAN },
		{ { .frames = 1 }, -EUCLEAN },
		{ { .frames = -1 }, -EUCLEAN },
		{ { .seal = true, .table_offset = 1 }, -EUCLEAN },
		{ { .table_offset = 320 }, -EUCLEAN },
		{ { .flags = COMMIT_SEALS, .table_offset = 320 }, -EUCLEAN },
		{ { .seal = true, .flags = COMMIT_SEALS }, -EUCLEAN },
		{ { .flags = 2 }, -EPROTONOSUPPORT },
		{ { .chain = true }, -EUCLEAN },
		{ { .signature = true }, -EKEYREJECTED },
		{ { .place = true }, -EKEYREJECTED },
		{ { .out_of_order = true }, -EUCLEAN },
	};
	struct writer w;

	(void)state;
	writer_begin(&w);
	new_epoch(&w, 1);
	begin_segment(&w);
	put_group(&w, false);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_refused(&w, &cases[i].wrong, cases[i].code);
	put_group(&w, true);                                          /* and nothing of it has stuck */
	assert_refused(&w, &(struct wrong){ .number = 0 }, -EUCLEAN); /* behind the seal */
	writer_end(&w);
}

/* Another key of the same volume, as a stolen writer key of an ended epoch is. */
static void test_the_wrong_writer(void **state)
{
	struct writer w;

	(void)state;
	writer_begin(&w);
	new_epoch(&w, 1);
	begin_segment(&w);
	assert_int_equal(keyring_make_writer(w.keys, 1), 0);
	assert_refused(&w, &(struct wrong){ .number = 0 }, -EKEYREJECTED);
	writer_end(&w);
}

static void test_every_prefix_is_incomplete_and_every_flip_is_found(void **state)
{
	struct wrong none = { .seal = true };
	struct verifier before;
	struct writer w;
	size_t used;

	(void)state;
	writer_begin(&w);
	new_epoch(&w, 1);
	begin_segment(&w);
	make_group(&w, &none);
	before = w.v;
	for (size_t len = 0; len < w.group.len; len++)
		assert_int_equal(verifier_group(&w.v, w.group.data, len, &used, NULL, NULL), 0);
	for (size_t at = 0; at < w.group.len; at++) {
		w.group.data[at] ^= (uint8_t)(1 << at % 8);
		assert_true(verifier_group(&w.v, w.group.data, w.group.len, &used, NULL, NULL) <= 0);
		w.group.data[at] ^= (uint8_t)(1 << at % 8);
	}
	assert_memory_equal(&before.point, &w.v.point, sizeof(before.point));
	assert_int_equal(verifier_group(&w.v, w.group.data, w.group.len, &used, NULL, NULL), 1);
	writer_end(&w);
}

/* Frames of all lengths, more than are hashed at a time: none is left out of the chain, nor taken twice. */
static void test_groups_of_many_frames(void **state)
{
	static const uint32_t counts[] = { 1, 2, 7, 63, 64, 65, 127, 128, 129, 300 };
	struct wrong none = { .seal = false };
	struct writer w;
	size_t used;

	(void)state;
	writer_begin(&w);
	new_epoch(&w, 1);
	begin_segment(&w);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		uint32_t n = counts[i];
		size_t starts[300];
		struct chain chain;

		buf_clear(&w.group);
		chain_resume(&chain, w.v.chain);
		for (uint32_t f = 0; f < n; f++) {
			starts[f] = w.group.len;
			add_frame(&w, &chain, f + 1 < n ? FRAME_DATA : FRAME_META, 16 + f * 37 % 1000);
		}
		add_commit(&w, &chain, &none, n, 0);
		for (uint32_t f = 0; f < n; f++) {
			w.group.data[starts[f] + FRAME_HEADER_BYTES] ^= 1;
			assert_int_equal(verifier_group(&w.v, w.group.data, w.group.len, &used, NULL, NULL),
					 -EUCLEAN);
			w.group.data[starts[f] + FRAME_HEADER_BYTES] ^= 1;
		}
		assert_int_equal(verifier_group(&w.v, w.group.data, w.group.len, &used, NULL, NULL), 1);
	}
	writer_end(&w);
}

static void refuse_header(struct writer *w, const struct segment_header *h, int code)
{
	struct hf_error err = HF_ERROR_INIT;
	struct verifier before = w->v;

	assert_int_equal(verifier_segment(&w->v, encoded(w, h), &err), code);
	assert_true(err.text[0]);
	assert_memory_equal(&before.point, &w->v.point, sizeof(before.point));
}

static void test_headers_that_do_not_follow(void **state)
{
	struct segment_header h;
	struct epoch_cert first;
	struct writer w;

	(void)state;
	writer_begin(&w);
	new_epoch(&w, 1);
	begin_segment(&w);
	put_group(&w, false);
	h = right_header(&w);
	refuse_header(&w, &h, -EUCLEAN); /* the one before is not sealed */
	put_group(&w, true);
	h = right_header(&w);
	h.segment++;
	refuse_header(&w, &h, -EUCLEAN);
	h = right_header(&w);
	h.prev_tid++;
	refuse_header(&w, &h, -EUCLEAN);
	h = right_header(&w);
	h.prev_time_ns++;
	refuse_header(&w, &h, -EUCLEAN);
	h = right_header(&w);
	h.prev_commit++;
	refuse_header(&w, &h, -EUCLEAN);
	h = right_header(&w);
	h.prev_chain[0] ^= 1;
	refuse_header(&w, &h, -EUCLEAN);
	h = right_header(&w);
	h.cert.signature[0] ^= 1;
	refuse_header(&w, &h, -EKEYREJECTED);

	first = w.cert;
	new_epoch(&w, 3); /* one is left out */
	h = right_header(&w);
	refuse_header(&w, &h, -EUCLEAN);
	new_epoch(&w, 1); /* the same epoch certified for another writer */
	h = right_header(&w);
	refuse_header(&w, &h, -EUCLEAN);
	w.cert = first;
	h = right_header(&w);
	assert_int_equal(verifier_segment(&w.v, encoded(&w, &h), NULL), 0);
	writer_end(&w);
}

static void test_the_first_header(void **state)
{
	struct segment_header h;
	struct writer w, other;

	(void)state;
	writer_begin(&w);
	writer_begin(&other);
	new_epoch(&other, 1);
	h = right_header(&other);
	refuse_header(&w, &h, -EKEYREJECTED); /* another volume's */
	new_epoch(&w, 2);
	h = right_header(&w);
	refuse_header(&w, &h, -EUCLEAN);
	new_epoch(&w, 1);
	h = right_header(&w);
	h.segment = 2;
	refuse_header(&w, &h, -EUCLEAN);
	h = right_header(&w);
	assert_int_equal(verifier_segment(&w.v, encoded(&w, &h), NULL), 0);
	writer_end(&other);
	writer_end(&w);
}

struct told {
	uint8_t types[16];
	size_t n;
	uint32_t end;
};

static void tell(void *arg, struct log_pos pos, const struct frame_header *header, const uint8_t *body)
{
	struct told *t = arg;

	(void)body;
	assert_int_equal(pos.offset, t->end);
	t->types[t->n++] = header->type;
	t->end = pos.offset + FRAME_HEADER_BYTES + header->body_len;
}

static void test_frames_are_told_once_verified(void **state)
{
	static const uint8_t expect[] = { FRAME_DATA, FRAME_DATA,  FRAME_META,
					  FRAME_META, FRAME_TABLE, FRAME_COMMIT };
	struct told t = { .end = SEGMENT_HEADER_BYTES };
	struct verifier_frames frames = { .fn = tell, .arg = &t };
	struct wrong x = { .seal = true, .signature = true };
	struct writer w;
	size_t used;

	(void)state;
	writer_begin(&w);
	new_epoch(&w, 1);
	begin_segment(&w);
	make_group(&w, &x);
	assert_int_equal(verifier_group(&w.v, w.group.data, w.group.len, &used, &frames, NULL),
			 -EKEYREJECTED);
	assert_int_equal(t.n, 0);
	x.signature = false;
	make_group(&w, &x);
	assert_int_equal(verifier_group(&w.v, w.group.data, w.group.len, &used, &frames, NULL), 1);
	assert_int_equal(t.n, sizeof(expect));
	assert_memory_equal(t.types, expect, sizeof(expect));
	assert_int_equal(t.end, w.v.point.end.offset);
	writer_end(&w);
}

static void test_resuming(void **state)
{
	uint8_t header[SEGMENT_HEADER_BYTES];
	struct log_point bad;
	struct verifier v, entered;
	struct writer w;

	(void)state;
	writer_begin(&w);
	new_epoch(&w, 1);
	begin_segment(&w);
	put_group(&w, true);
	begin_segment(&w);
	memcpy(header, w.header.data, sizeof(header));
	verifier_begin(&v, keyring_volume_id(w.keys));
	assert_int_equal(verifier_resume(&v, header, &w.v.point, NULL), 0); /* behind a bare header */
	assert_memory_equal(v.chain, w.v.chain, HASH_BYTES);
	verifier_begin(&entered, keyring_volume_id(w.keys));
	assert_int_equal(verifier_enter(&entered, header, NULL), 0);
	assert_memory_equal(&entered.point, &v.point, sizeof(v.point));
	put_group(&w, false);
	verifier_begin(&v, keyring_volume_id(w.keys));
	assert_int_equal(verifier_resume(&v, header, &w.v.point, NULL), 0);
	assert_memory_equal(v.chain, w.v.chain, HASH_BYTES);
	w.v = v;
	put_group(&w, false);

	bad = v.point;
	bad.end.segment = 1;
	assert_int_equal(verifier_resume(&v, header, &bad, NULL), -EUCLEAN);
	bad = v.point;
	bad.epoch = 2;
	assert_int_equal(verifier_resume(&v, header, &bad, NULL), -EUCLEAN);
	bad = v.point;
	bad.end.offset = 321;
	assert_int_equal(verifier_resume(&v, header, &bad, NULL), -EUCLEAN);
	header[100] ^= 1;
	assert_int_equal(verifier_resume(&v, header, &w.v.point, NULL), -EUCLEAN);
	writer_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_right_log),
		cmocka_unit_test(test_wrong_commits),
		cmocka_unit_test(test_the_wrong_writer),
		cmocka_unit_test(test_every_prefix_is_incomplete_and_every_flip_is_found),
		cmocka_unit_test(test_groups_of_many_frames),
		cmocka_unit_test(test_headers_that_do_not_follow),
		cmocka_unit_test(test_the_first_header),
		cmocka_unit_test(test_frames_are_told_once_verified),
		cmocka_unit_test(test_resuming),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
