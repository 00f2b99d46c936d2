/* SPDX-License-Identifier: MIT */
/* What becomes of the key of an epoch that is over, and that a format once reached is not gone back from. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "store/format/prune.h"
#include "store/node/gate.h"
#include "store/node/volumes.h"
#include "store/volume/kit.h"
#include "tests/unit/raw_client.h"

static struct keyring *later;    /* the writer of epoch 2 */
static struct epoch_cert second; /* whose certificate this is */

/* A node that has a volume's log of three groups, in epoch 1. */
static void bench_init(struct node_bench *b)
{
	node_bench_init_sent(b, 3, 3);
	assert_int_equal(owner_keyring(b->volume.owner, &later), 0);
	log_fixture_cert(&b->volume, later, 2, &b->point, &second);
}

static void bench_release(struct node_bench *b)
{
	keyring_free(later);
	node_bench_release(b);
}

static void begin_second(struct node_bench *b)
{
	struct wire w = wire_enrol(&b->node, b->owner, &second, &b->body, NULL);

	assert_int_equal(wire_expect(&w, 200, NULL).enrolled_epoch, 2);
}

/* Open alarms of this kind, and how often they were raised, as far as is written down. */
static uint64_t alarms_of(const struct node_bench *b, const char *kind)
{
	struct hf_node_status s;
	uint64_t n = 0;

	assert_int_equal(hf_node_status(b->node.dir, &s, NULL), 0);
	for (size_t i = 0; i < s.n_alarms; i++)
		if (strcmp(s.alarms[i].kind, kind) == 0)
			n += s.alarms[i].count;
	hf_node_status_release(&s);
	return n;
}

static void test_past_writer(void **state)
{
	struct node_bench b;
	struct wire w;

	(void)state;
	bench_init(&b);
	begin_second(&b);
	assert_int_equal(alarms_of(&b, "epoch_over"), 0);
	/* Named by who has not got it: that is a forgery, and no news of the key. */
	w = wire_position(&b.node, b.writer, b.id);
	w.signed_method = "POST";
	(void)wire_expect(&w, 403, "epoch_over");
	assert_int_equal(alarms_of(&b, "epoch_over"), 0);
	assert_int_equal(alarms_of(&b, "bad_signature"), 1);
	/* Used: to ask, to append, to enrol its own certificate again. */
	w = wire_position(&b.node, b.writer, b.id);
	(void)wire_expect(&w, 403, "epoch_over");
	assert_int_equal(alarms_of(&b, "epoch_over"), 1);
	w = wire_append(&b.node, b.writer, b.id, (struct log_pos){ 2, 0 }, "anything", 8);
	(void)wire_expect(&w, 403, "epoch_over");
	/* The last leaves nothing behind: else a thief could fill the memory that his successor's requests
	 * need. */
	wire_expect_again(wire_enrol(&b.node, b.writer, &b.volume.cert, &b.body, NULL), 403, "epoch_over",
			  403, "epoch_over");
	node_fixture_stop(&b.node); /* which writes down how often */
	assert_int_equal(alarms_of(&b, "epoch_over"), 4);
	bench_release(&b);
}

/* --- begun before the epoch, and ended in it */

enum { HELD = 3 };

/* A request that is let in, and lacks the end of its body. */
struct held {
	struct raw raw;
	uint8_t last;
};

static struct held hold(const struct wire *w, size_t sent)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT;
	struct held h = { .last = ((const uint8_t *)w->body)[w->body_len - 1] };

	raw_request(w, "Expect: 100-continue\r\n", false, &bytes);
	h.raw = raw_connect(w->node, NULL, true);
	assert_true(raw_send(&h.raw, bytes.data, bytes.len));
	assert_true(raw_goes_on(&h.raw));
	assert_true(raw_send(&h.raw, w->body, sent));
	return h;
}

static void expect_over(struct held *h)
{
	CLEANUP(buf_release) struct buf answer = BUF_INIT;

	assert_true(raw_send(&h->raw, &h->last, 1));
	assert_int_equal(raw_answer(&h->raw, &answer), 403);
	assert_non_null(strstr(buf_cstr(&answer), "\"epoch_over\""));
	raw_close(&h->raw);
}

/* What the owner let another node forget. */
static void make_list(const struct node_bench *b, struct buf *out)
{
	const struct prune_range range = { 320, 100 };
	struct prune_segment segment = { .segment = 1, .ranges = &range, .n = 1 };
	struct prune_list list = {
		.epoch = 1, .at_segment = 2, .at_offset = 1000, .segments = &segment, .n = 1
	};

	assert_int_equal(prune_list_encode(&list, b->volume.owner, out), 0);
}

/* Whoever has the old key holds back the end of what he asks for until the owner has begun another epoch. */
static void test_held(void **state)
{
	CLEANUP(buf_release) struct buf list = BUF_INIT;
	struct held held[HELD];
	struct node_bench b;
	struct wire w;
	struct log_point sent;
	char path[256];

	(void)state;
	node_bench_init_sent(&b, 3, 60);
	sent = b.point;
	assert_int_equal(owner_keyring(b.volume.owner, &later), 0);
	log_fixture_cert(&b.volume, later, 2, &sent, &second);
	w = node_bench_append(&b, sent.end, 1 << 20); /* with the segment's seal */
	held[0] = hold(&w, w.body_len - 1);
	w = node_bench_append(&b, (struct log_pos){ 2, 0 }, 1 << 20);
	held[1] = hold(&w, w.body_len - 1);
	make_list(&b, &list);
	w = wire_read(&b.node, b.writer, b.id, "/prunes", NULL);
	w.method = "POST";
	w.body = list.data;
	w.body_len = list.len;
	held[2] = hold(&w, w.body_len - 1);
	begin_second(&b);
	assert_int_equal(alarms_of(&b, "epoch_over"), 0);
	for (int i = 0; i < HELD; i++)
		expect_over(&held[i]);
	w = wire_position(&b.node, b.owner, b.id);
	assert_int_equal(log_pos_compare(wire_expect(&w, 200, NULL).point.end, sent.end), 0);
	assert_int_equal(node_fixture_evidence(&b.node), 0);
	node_fixture_path(&b.node, b.id, "prunes/000001.list", path);
	assert_int_equal(access(path, F_OK), -1);
	node_fixture_stop(&b.node); /* which writes down how often */
	assert_int_equal(alarms_of(&b, "epoch_over"), HELD);
	bench_release(&b);
}

/* As much of the memory for bodies as a volume may have, held by the writer: the owner's certificate comes
 * beside it. */
static void test_body_memory(void **state)
{
	CLEANUP(buf_release) struct buf noise = BUF_INIT;
	struct node_bench b;
	struct held held;
	struct wire w;

	(void)state;
	bench_init(&b);
	buf_add_zeros(&noise, GATE_VOLUME_BODY_BYTES);
	assert_int_equal(buf_status(&noise), 0);
	w = wire_append(&b.node, b.writer, b.id, b.point.end, noise.data, noise.len);
	held = hold(&w, 1000);
	begin_second(&b);
	raw_close(&held.raw);
	bench_release(&b);
}

/* What is connected by the old key and asks nothing is cut off; it can come again, to be refused. */
static void test_cut_off(void **state)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT;
	struct raw old, owners;
	struct node_bench b;
	struct wire w;

	(void)state;
	bench_init(&b);
	w = wire_position(&b.node, b.writer, b.id);
	raw_request(&w, NULL, false, &bytes);
	old = raw_connect(&b.node, NULL, true);
	assert_true(raw_send(&old, bytes.data, bytes.len));
	assert_int_equal(raw_answer(&old, NULL), 200);
	buf_clear(&bytes);
	w = wire_position(&b.node, b.owner, b.id);
	raw_request(&w, NULL, false, &bytes);
	owners = raw_connect(&b.node, NULL, true);
	assert_true(raw_send(&owners, bytes.data, bytes.len));
	assert_int_equal(raw_answer(&owners, NULL), 200);
	begin_second(&b);
	assert_true(raw_is_closed(&old, 5000));
	assert_false(raw_is_closed(&owners, 100));
	raw_close(&old);
	raw_close(&owners);
	begin_second(&b); /* again: none begins */
	w = wire_position(&b.node, b.writer, b.id);
	(void)wire_expect(&w, 403, "epoch_over");
	bench_release(&b);
}

enum { STREAM = 40 };

struct stream {
	struct node_bench *b;
	struct buf requests[STREAM]; /* a group each, in order */
	unsigned n, statuses[STREAM];
};

static void *stream_run(void *arg)
{
	struct stream *s = arg;
	struct raw raw = raw_connect(&s->b->node, NULL, true);

	for (unsigned i = 0; i < s->n && raw_send(&raw, s->requests[i].data, s->requests[i].len); i++)
		s->statuses[i] = raw_answer(&raw, NULL);
	raw_close(&raw);
	return NULL;
}

/* Appends, one behind the other, while an epoch begins: all that was taken is in the receipt for that. */
static void test_stream(void **state)
{
	struct stream s = { .n = 0 };
	struct node_bench b;
	struct receipt over;
	struct log_point at;
	pthread_t thread;
	struct wire w;

	(void)state;
	bench_init(&b);
	s.b = &b;
	log_put_groups(b.log, 4, 12, NODE_BENCH_GROUP_BYTES);
	for (at = b.point; s.n < STREAM && b.point.end.segment == 1; at = b.point) {
		struct buf data = BUF_INIT;

		if (log_read_raw(b.log, at.end, 1, &data, &b.point, NULL) != 0) {
			buf_release(&data);
			break;
		}
		w = wire_append(&b.node, b.writer, b.id, at.end, data.data, data.len);
		raw_request(&w, NULL, true, &s.requests[s.n++]);
		buf_release(&data);
	}
	assert_in_range(s.n, 3, STREAM);
	assert_int_equal(pthread_create(&thread, NULL, stream_run, &s), 0);
	(void)usleep(15000);
	w = wire_enrol(&b.node, b.owner, &second, &b.body, NULL);
	over = wire_expect(&w, 200, NULL);
	assert_int_equal(over.enrolled_epoch, 2);
	assert_int_equal(pthread_join(thread, NULL), 0);
	w = wire_position(&b.node, b.owner, b.id);
	assert_int_equal(log_pos_compare(wire_expect(&w, 200, NULL).point.end, over.point.end), 0);
	for (unsigned i = 1; i < s.n; i++) /* none is taken behind one that was not */
		assert_false(s.statuses[i] == 200 && s.statuses[i - 1] != 200);
	for (unsigned i = 0; i < s.n; i++)
		buf_release(&s.requests[i]);
	bench_release(&b);
}

/* --- */

static void test_new_epochs(void **state)
{
	struct http_signer successor;
	struct node_bench b;
	struct wire w;

	(void)state;
	bench_init(&b);
	successor = http_signer_of_writer(later);
	/* The new writer himself, with the owner's certificate in hand, is not enough: it may be an old one.
	 */
	w = wire_enrol(&b.node, successor, &second, &b.body, NULL);
	(void)wire_expect(&w, 403, "invitation");
	/* Nor is the present writer, who may be the thief. */
	w = wire_enrol(&b.node, b.writer, &second, &b.body, NULL);
	(void)wire_expect(&w, 403, "not_allowed");
	w = wire_position(&b.node, b.writer, b.id);
	assert_int_equal(wire_expect(&w, 200, NULL).enrolled_epoch, 1);
	/* The operator's word for this volume is. */
	free(node_fixture_invite(&b.node, b.id));
	w = wire_enrol(&b.node, successor, &second, &b.body, b.node.place.token);
	assert_int_equal(wire_expect(&w, 200, NULL).enrolled_epoch, 2);
	bench_release(&b);
}

/* --- what was seen */

/* More than is remembered of a writer: the owner is not kept out by it, nor the next writer. */
static void test_nonces(void **state)
{
	struct http_sig_params params = { .created_s = 1795412730 };
	struct volume *v, *again;
	struct node_bench b;
	struct volumes *vs;
	struct nonces *writers, *owners;

	(void)state;
	bench_init(&b);
	node_fixture_stop(&b.node);
	assert_int_equal(volumes_open(os_posix(), b.node.dir, false, &vs, NULL), 0);
	v = volumes_find(vs, b.id);
	writers = volume_nonces(v, false);
	owners = volume_nonces(v, true);
	for (uint64_t i = 0; i < NONCES_MAX; i++) {
		memcpy(params.nonce, &i, sizeof(i));
		assert_int_equal(nonces_add(writers, &params, params.created_s), 0);
	}
	memset(params.nonce, 'x', sizeof(params.nonce));
	assert_int_equal(nonces_add(writers, &params, params.created_s), -EBUSY);
	assert_int_equal(nonces_add(owners, &params, params.created_s), 0);
	assert_int_equal(volumes_enrol(vs, &second, true, NULL, &again, NULL), 1);
	assert_int_equal(volumes_enrol(vs, &second, true, NULL, &again, NULL), 0);
	assert_ptr_equal(again, v);
	assert_int_equal(nonces_add(writers, &params, params.created_s), 0);
	assert_int_equal(nonces_add(owners, &params, params.created_s), -EEXIST);
	volumes_close(vs);
	bench_release(&b);
}

static void test_floor(void **state)
{
	struct epoch_cert certs[2] = { { .epoch = 1, .format_floor = 1 }, { .epoch = 2, .format_floor = 3 } };
	struct epoch_cert next = { .epoch = 3, .format_floor = 3 };
	struct hf_error err = HF_ERROR_INIT;

	(void)state;
	assert_int_equal(volume_check_floor(certs, 2, &next, &err), 0);
	next.format_floor = 4;
	assert_int_equal(volume_check_floor(certs, 2, &next, &err), 0);
	next.format_floor = 2;
	assert_int_equal(volume_check_floor(certs, 2, &next, &err), -EPROTONOSUPPORT);
	assert_non_null(strstr(err.text, "version 2 in again"));
	assert_int_equal(volume_check_floor(certs, 1, &next, &err), 0);
	/* Not only the newest counts. */
	certs[0].format_floor = 3;
	certs[1].format_floor = 1;
	assert_int_equal(volume_check_floor(certs, 2, &next, &err), -EPROTONOSUPPORT);
}

/* A floor that this build does not know, at the door and on the disk. */
static void test_other_floors(void **state)
{
	CLEANUP(buf_release) struct buf cert = BUF_INIT;
	struct node_bench b;
	struct wire w;
	char path[256];
	int fd;

	(void)state;
	bench_init(&b);
	for (uint16_t floor = 0; floor <= 2; floor = (uint16_t)(floor + 2)) {
		second.format_floor = floor;
		epoch_cert_sign(&second, b.volume.owner);
		w = wire_enrol(&b.node, b.owner, &second, &b.body, NULL);
		(void)wire_expect(&w, 422, "unknown_version");
	}
	w = wire_position(&b.node, b.writer, b.id);
	assert_int_equal(wire_expect(&w, 200, NULL).enrolled_epoch, 1);
	/* A later build took it; then this one is run again. */
	node_fixture_stop(&b.node);
	epoch_cert_encode(&second, &cert);
	node_fixture_path(&b.node, b.id, "epoch-0000000002.cert", path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, cert.data, cert.len), (ssize_t)cert.len);
	(void)close(fd);
	assert_int_equal(node_fixture_start(&b.node), -EPROTONOSUPPORT);
	bench_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_body_memory),  cmocka_unit_test(test_past_writer),
		cmocka_unit_test(test_held),         cmocka_unit_test(test_stream),
		cmocka_unit_test(test_new_epochs),   cmocka_unit_test(test_nonces),
		cmocka_unit_test(test_cut_off),      cmocka_unit_test(test_floor),
		cmocka_unit_test(test_other_floors),
	};

	return crypto_init() < 0 || cmocka_run_group_tests_name("node epochs", tests, NULL, NULL);
}
