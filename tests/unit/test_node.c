/* SPDX-License-Identifier: MIT */
/* What a node keeps, and what it must refuse to: enrolment, appends, epochs, restarts. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "store/volume/kit.h"
#include "tests/unit/node_helper.h"

static const struct log_pos beginning = { 1, 0 };

/* --- enrolment */

static void test_enrol(void **state)
{
	struct node_bench b;
	struct receipt receipt;
	struct wire w;

	(void)state;
	node_bench_init(&b, 0);
	w = wire_position(&b.node, b.writer, b.id);
	(void)wire_expect(&w, 404, "unknown_volume");
	w = wire_enrol(&b.node, b.writer, &b.volume.cert, &b.body, b.node.place.token);
	receipt = wire_expect(&w, 200, NULL);
	assert_int_equal(receipt.point.end.segment, 0);
	assert_int_equal(receipt.enrolled_epoch, 1);
	assert_memory_equal(receipt.volume_id, b.id, VOLUME_ID_BYTES);
	/* The same again costs no invitation: an answer may have been lost. */
	w = wire_enrol(&b.node, b.writer, &b.volume.cert, &b.body, NULL);
	(void)wire_expect(&w, 200, NULL);
	w = wire_position(&b.node, b.owner, b.id);
	(void)wire_expect(&w, 200, NULL);
	node_bench_release(&b);
}

static void test_invitations(void **state)
{
	struct node_bench b;
	struct log_fixture other;
	struct http_signer other_writer;
	uint8_t wrong[PLACE_TOKEN_BYTES] = { 1 }, used[PLACE_TOKEN_BYTES];
	char *line = NULL, id[HF_VOLUME_ID_TEXT_BYTES];
	struct hf_error err = HF_ERROR_INIT;
	struct wire w;

	(void)state;
	node_bench_init(&b, 0);
	log_fixture_init(&other, NULL, 0);
	other_writer = http_signer_of_writer(other.keys);
	w = wire_enrol(&b.node, b.writer, &b.volume.cert, &b.body, NULL);
	(void)wire_expect(&w, 403, "invitation");
	w.token = wrong;
	(void)wire_expect(&w, 403, "invitation");
	/* For another volume; then for this one. */
	free(node_fixture_invite(&b.node, owner_volume_id(other.owner)));
	w.token = b.node.place.token;
	(void)wire_expect(&w, 403, "invitation");
	free(node_fixture_invite(&b.node, b.id));
	memcpy(used, b.node.place.token, sizeof(used));
	(void)wire_expect(&w, 200, NULL);
	/* Used up, for whomever. */
	w = wire_enrol(&b.node, other_writer, &other.cert, &b.body, used);
	(void)wire_expect(&w, 403, "invitation");
	/* Expired. */
	volume_id_text(owner_volume_id(other.owner), id);
	assert_int_equal(hf_node_invite(b.node.dir, id, NULL, 1, &line, &err), 0);
	place_release(&b.node.place);
	assert_int_equal(place_parse(line, &b.node.place, NULL), 0);
	free(line);
	(void)usleep(1100000);
	w = wire_enrol(&b.node, other_writer, &other.cert, &b.body, b.node.place.token);
	(void)wire_expect(&w, 403, "invitation");
	/* By a key that has nothing to do with the certificate. */
	free(node_fixture_invite(&b.node, NULL));
	w = wire_enrol(&b.node, b.writer, &other.cert, &b.body, b.node.place.token);
	(void)wire_expect(&w, 403, "not_allowed");
	/* And a good one, that none of that used up. */
	w = wire_enrol(&b.node, other_writer, &other.cert, &b.body, b.node.place.token);
	(void)wire_expect(&w, 200, NULL);
	assert_int_equal(hf_node_invite(b.node.dir, "xyz", NULL, 1, &line, &err), -EINVAL);
	log_fixture_release(&other);
	node_bench_release(&b);
}

static void test_forged_certificate(void **state)
{
	struct node_bench b;
	struct wire w;

	(void)state;
	node_bench_init(&b, 0);
	w = wire_enrol(&b.node, b.writer, &b.volume.cert, &b.body, b.node.place.token);
	b.body.data[70] ^= 1; /* the writer's public key */
	(void)wire_expect(&w, 403, "bad_log_signature");
	b.body.data[70] ^= 1;
	w.body_len--;
	(void)wire_expect(&w, 400, "bad_request");
	w.body_len++;
	w.target[15] = w.target[15] == '0' ? '1' : '0'; /* another volume's path */
	(void)wire_expect(&w, 400, "bad_request");
	node_bench_release(&b);
}

/* --- appending */

static void check_same_files(struct node_bench *b)
{
	char copy[256];

	node_fixture_path(&b->node, b->id, "log", copy);
	for (uint32_t n = 1; n <= b->point.end.segment; n++) {
		CLEANUP(buf_release) struct buf ours = BUF_INIT, theirs = BUF_INIT;
		char a[160], c[300];

		log_fixture_segment(&b->volume, n, a);
		(void)snprintf(c, sizeof(c), "%s/%010u.seg", copy, n);
		assert_int_equal(os_read_file(os_posix(), a, SEGMENT_BYTES_MAX, &ours), 0);
		assert_int_equal(os_read_file(os_posix(), c, SEGMENT_BYTES_MAX, &theirs), 0);
		assert_true(theirs.len > 0 && theirs.len <= ours.len);
		assert_memory_equal(ours.data, theirs.data, theirs.len);
		if (n < b->point.end.segment)
			assert_int_equal(theirs.len, ours.len);
	}
}

static void test_append(void **state)
{
	struct node_bench b;
	struct receipt receipt;
	struct wire w;

	(void)state;
	node_bench_init(&b, 200);
	node_bench_enrol(&b);
	wire_send_log(&b.node, b.writer, b.log, b.id);
	w = wire_position(&b.node, b.writer, b.id);
	receipt = wire_expect(&w, 200, NULL);
	log_durable(b.log, &b.point);
	assert_int_equal(receipt.point.tid, 200);
	assert_int_equal(receipt.point.time_ns, 200000);
	assert_int_equal(receipt.point.commit, b.point.commit);
	assert_memory_equal(receipt.point.chain, b.point.chain, HASH_BYTES);
	assert_true(b.point.end.segment > 3);
	check_same_files(&b);
	assert_int_equal(node_fixture_evidence(&b.node), 0);
	node_bench_release(&b);
}

static void test_append_again(void **state)
{
	struct node_bench b;
	struct receipt receipt;
	struct log_pos at;
	struct wire w;

	(void)state;
	node_bench_init(&b, 3);
	node_bench_enrol(&b);
	w = node_bench_append(&b, beginning, 1);
	(void)wire_expect(&w, 200, NULL);
	receipt = wire_expect(&w, 200, NULL); /* the same bytes */
	at = b.point.end;
	assert_int_equal(log_pos_compare(receipt.point.end, at), 0);
	/* The same bytes and more: not at the end. */
	log_raw(b.log, beginning, 1 << 20, &b.body, &b.point);
	w = wire_append(&b.node, b.writer, b.id, beginning, b.body.data, b.body.len);
	(void)wire_expect(&w, 416, "gap");
	w = node_bench_append(&b, at, 1 << 20);
	(void)wire_expect(&w, 200, NULL);
	/* Behind the end. */
	w = wire_append(&b.node, b.writer, b.id, (struct log_pos){ 1, b.point.end.offset + 40 }, b.body.data,
			b.body.len);
	(void)wire_expect(&w, 416, "gap");
	w = wire_append(&b.node, b.writer, b.id, (struct log_pos){ 3, 0 }, b.body.data, b.body.len);
	(void)wire_expect(&w, 422, "not_verified"); /* not a header */
	assert_int_equal(node_fixture_evidence(&b.node), 2);
	node_bench_release(&b);
}

/* A second history, written with the same stolen keys. */
static void test_fork(void **state)
{
	struct node_bench b;
	struct log *fork;
	struct log_options o;
	char dir[160];
	struct buf data = BUF_INIT;
	struct log_pos at;
	struct log_point before, behind;
	struct wire w;
	struct receipt receipt;

	(void)state;
	node_bench_init(&b, 3);
	node_bench_enrol(&b);
	log_durable(b.log, &before);
	log_fixture_path(&b.volume, "fork", dir);
	copy_folder(b.volume.dir, dir);
	o = b.volume.options;
	o.dir = dir;
	assert_int_equal(log_open(&o, NULL, &fork, NULL), 0);
	log_put_groups(b.log, 4, 6, NODE_BENCH_GROUP_BYTES);
	log_put_groups(fork, 4, 6, NODE_BENCH_GROUP_BYTES / 2);
	wire_send_log(&b.node, b.writer, b.log, b.id);
	w = wire_position(&b.node, b.writer, b.id);
	receipt = wire_expect(&w, 200, NULL);

	at = before.end;
	log_raw(fork, at, 1 << 20, &data, &behind);
	w = wire_append(&b.node, b.writer, b.id, at, data.data, data.len);
	(void)wire_expect(&w, 409, "conflict");
	assert_int_equal(node_fixture_evidence(&b.node), 2);
	/* Its later groups at the exact end, if it were there: they do not fit the chain. */
	w = wire_append(&b.node, b.writer, b.id, receipt.point.end, data.data, data.len);
	(void)wire_expect(&w, 422, "not_verified");
	check_same_files(&b);
	w = wire_position(&b.node, b.writer, b.id);
	assert_int_equal(log_pos_compare(wire_expect(&w, 200, NULL).point.end, receipt.point.end), 0);
	buf_release(&data);
	log_close(fork);
	node_bench_release(&b);
}

static void test_forged_group(void **state)
{
	struct node_bench b;
	struct log_fixture thief;
	struct wire w;

	(void)state;
	node_bench_init(&b, 2);
	node_bench_enrol(&b);
	w = node_bench_append(&b, beginning, 1 << 20);
	/* Changed after signing. */
	w.digest = "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:";
	(void)wire_expect(&w, 400, "digest");
	w.digest = NULL;
	/* Changed before: the chain does not fit. */
	b.body.data[SEGMENT_HEADER_BYTES + 60] ^= 4;
	(void)wire_expect(&w, 422, "not_verified");
	b.body.data[SEGMENT_HEADER_BYTES + 60] ^= 4;
	/* The commit's signature. */
	b.body.data[b.body.len - 5] ^= 4;
	(void)wire_expect(&w, 403, "bad_log_signature");
	b.body.data[b.body.len - 5] ^= 4;
	/* Cut short. */
	w.body_len -= 1;
	(void)wire_expect(&w, 422, "not_verified");
	w.body_len += 1;
	/* Another volume's log. */
	log_fixture_init(&thief, NULL, 0);
	log_close(b.log);
	assert_int_equal(log_create(&thief.options, &thief.cert, &b.log, NULL), 0);
	w = node_bench_append(&b, beginning, 1 << 20);
	(void)wire_expect(&w, 403, "bad_log_signature");
	assert_int_equal(node_fixture_evidence(&b.node), 8);
	w = wire_position(&b.node, b.writer, b.id);
	assert_int_equal(wire_expect(&w, 200, NULL).point.end.segment, 0);
	node_bench_release(&b);
	log_fixture_release(&thief);
}

static void test_evidence_is_bounded(void **state)
{
	struct node_bench b;
	struct wire w;

	(void)state;
	node_bench_init(&b, 1);
	node_bench_enrol(&b);
	for (int i = 0; i < 105; i++) {
		w = wire_append(&b.node, b.writer, b.id, (struct log_pos){ 1, 400 }, "nonsense", 8);
		(void)wire_expect(&w, 416, "gap");
		w = wire_append(&b.node, b.writer, b.id, beginning, "nonsense", 8);
		(void)wire_expect(&w, 422, "not_verified");
	}
	assert_int_equal(node_fixture_evidence(&b.node), 200);
	node_bench_release(&b);
}

/* --- epochs */

static void test_epoch(void **state)
{
	struct node_bench b;
	struct keyring *keys;
	struct epoch_cert cert, stale;
	struct log_point behind;
	struct http_signer old;
	struct log_options o;
	struct wire w;

	(void)state;
	node_bench_init(&b, 5);
	node_bench_enrol(&b);
	/* The node has two groups of five when the old primary is gone. */
	w = node_bench_append(&b, beginning, 1);
	(void)wire_expect(&w, 200, NULL);
	log_close(b.log);
	assert_int_equal(owner_keyring(b.volume.owner, &keys), 0);
	o = b.volume.options;
	o.keys = keys;
	o.read_only = true;
	assert_int_equal(log_open(&o, NULL, &b.log, NULL), 0);
	log_durable(b.log, &behind);
	log_close(b.log);
	log_fixture_cert(&b.volume, keys, 2, &behind, &cert);
	o.read_only = false;
	assert_int_equal(log_open(&o, NULL, &b.log, NULL), 0);
	assert_int_equal(log_start_epoch(b.log, &cert, NULL), 0);
	log_put_groups(b.log, 6, 8, NODE_BENCH_GROUP_BYTES);
	old = b.writer;
	b.writer = http_signer_of_writer(keys);

	w = wire_position(&b.node, b.writer, b.id);
	(void)wire_expect(&w, 403, "not_allowed");
	w = wire_enrol(&b.node, b.writer, &cert, &b.body, NULL); /* no invitation */
	(void)wire_expect(&w, 403, "invitation");
	w = wire_enrol(&b.node, b.owner, &cert, &b.body, NULL);
	assert_int_equal(wire_expect(&w, 200, NULL).enrolled_epoch, 2);
	w = wire_position(&b.node, old, b.id);
	(void)wire_expect(&w, 403, "epoch_over");
	w = wire_enrol(&b.node, old, &b.volume.cert, &b.body, NULL);
	(void)wire_expect(&w, 403, "epoch_over");
	/* The new writer brings the rest of epoch 1, and its own. */
	wire_send_log(&b.node, b.writer, b.log, b.id);
	w = wire_position(&b.node, b.writer, b.id);
	assert_int_equal(wire_expect(&w, 200, NULL).point.epoch, 2);
	/* A certificate for what the log has passed. */
	stale = cert;
	stale.epoch = 3;
	epoch_cert_sign(&stale, b.volume.owner);
	w = wire_enrol(&b.node, b.owner, &stale, &b.body, NULL);
	(void)wire_expect(&w, 409, "conflict");
	/* The lock-out outlives a restart. */
	node_fixture_stop(&b.node);
	assert_int_equal(node_fixture_start(&b.node), 0);
	w = wire_position(&b.node, old, b.id);
	(void)wire_expect(&w, 403, "epoch_over");
	w = wire_position(&b.node, b.writer, b.id);
	(void)wire_expect(&w, 200, NULL);
	node_bench_release(&b);
	keyring_free(keys);
}

/* A segment under a certificate by the owner that this node was never given. */
static void test_header_not_enrolled(void **state)
{
	struct node_bench b;
	struct keyring *keys;
	struct epoch_cert cert;
	struct log_options o;
	struct log_point behind;
	struct wire w;

	(void)state;
	node_bench_init(&b, 2);
	node_bench_enrol(&b);
	wire_send_log(&b.node, b.writer, b.log, b.id);
	log_durable(b.log, &behind);
	log_close(b.log);
	assert_int_equal(owner_keyring(b.volume.owner, &keys), 0);
	log_fixture_cert(&b.volume, keys, 2, &behind, &cert);
	o = b.volume.options;
	o.keys = keys;
	assert_int_equal(log_open(&o, NULL, &b.log, NULL), 0);
	assert_int_equal(log_start_epoch(b.log, &cert, NULL), 0);
	w = node_bench_append(&b, (struct log_pos){ 2, 0 }, 1 << 20);
	(void)wire_expect(&w, 403, "bad_log_signature");
	node_bench_release(&b);
	keyring_free(keys);
}

/* --- restarts */

static void test_restart(void **state)
{
	struct node_bench b;
	struct receipt before, after;
	struct wire w;
	char path[256];
	int fd;

	(void)state;
	node_bench_init(&b, 70);
	node_bench_enrol(&b);
	wire_send_log(&b.node, b.writer, b.log, b.id);
	w = wire_position(&b.node, b.writer, b.id);
	before = wire_expect(&w, 200, NULL);
	node_fixture_stop(&b.node);
	/* A torn append. */
	node_fixture_path(&b.node, b.id, "log", path);
	(void)snprintf(path + strlen(path), 32, "/%010u.seg", before.point.end.segment);
	fd = open(path, O_WRONLY | O_APPEND);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "HFr1\1\0\0\0\377\0\0\0torn", 16), 16);
	close(fd);
	assert_int_equal(node_fixture_start(&b.node), 0);
	w = wire_position(&b.node, b.writer, b.id);
	after = wire_expect(&w, 200, NULL);
	assert_int_equal(log_pos_compare(after.point.end, before.point.end), 0);
	assert_memory_equal(after.point.chain, before.point.chain, HASH_BYTES);
	assert_int_equal(file_bytes(path), before.point.end.offset);
	log_put_groups(b.log, 71, 90, NODE_BENCH_GROUP_BYTES);
	wire_send_log(&b.node, b.writer, b.log, b.id);
	node_bench_release(&b);
}

static void test_damage_stops_the_start(void **state)
{
	struct node_bench b;
	struct hf_error err = HF_ERROR_INIT;
	struct hf_node *second;
	char path[256];

	(void)state;
	node_bench_init(&b, 5);
	node_bench_enrol(&b);
	wire_send_log(&b.node, b.writer, b.log, b.id);
	assert_int_equal(hf_node_start(b.node.dir, &second, &err), -EBUSY);
	node_fixture_stop(&b.node);
	node_fixture_path(&b.node, b.id, "log/0000000001.seg", path);
	flip_byte(path, SEGMENT_HEADER_BYTES + 100, 1);
	assert_int_equal(hf_node_start(b.node.dir, &b.node.node, &err), -EUCLEAN);
	assert_non_null(strstr(err.text, "segment 1 is damaged"));
	flip_byte(path, SEGMENT_HEADER_BYTES + 100, 1);
	assert_int_equal(node_fixture_start(&b.node), 0);
	node_bench_release(&b);
}

static void test_init(void **state)
{
	struct hf_error err = HF_ERROR_INIT;
	struct node_fixture n;
	struct hf_node *node;
	char *line = NULL;

	(void)state;
	node_fixture_init(&n);
	assert_int_equal(hf_node_init(n.dir, "127.0.0.1:0", &err), -EEXIST);
	assert_int_equal(hf_node_init("/tmp/x", "nonsense", &err), -EINVAL);
	assert_int_equal(hf_node_init("/tmp/x", "example.org:1", &err), -EINVAL);
	assert_int_equal(hf_node_start("/tmp", &node, &err), -ENOENT);
	assert_int_equal(strncmp(hf_node_url(n.node), "https://127.0.0.1:", 18), 0);
	assert_int_equal(hf_node_invite(n.dir, NULL, "replica.example.net", 60, &line, &err), 0);
	place_release(&n.place);
	assert_int_equal(place_parse(line, &n.place, NULL), 0);
	assert_int_equal(strncmp(n.place.url, "https://replica.example.net:", 28), 0);
	free(line);
	assert_int_equal(hf_node_invite(n.dir, NULL, "replica.example.net:443", 60, &line, &err), 0);
	place_release(&n.place);
	assert_int_equal(place_parse(line, &n.place, NULL), 0);
	assert_string_equal(n.place.url, "https://replica.example.net:443");
	free(line);
	assert_int_equal(hf_node_invite(n.dir, NULL, "::1", 60, &line, &err), 0);
	place_release(&n.place);
	assert_int_equal(place_parse(line, &n.place, NULL), 0);
	assert_int_equal(strncmp(n.place.url, "https://[::1]:", 14), 0);
	free(line);
	assert_int_equal(hf_node_invite(n.dir, NULL, "a b", 60, &line, &err), -EINVAL);
	node_fixture_release(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_init),
		cmocka_unit_test(test_enrol),
		cmocka_unit_test(test_invitations),
		cmocka_unit_test(test_forged_certificate),
		cmocka_unit_test(test_append),
		cmocka_unit_test(test_append_again),
		cmocka_unit_test(test_fork),
		cmocka_unit_test(test_forged_group),
		cmocka_unit_test(test_evidence_is_bounded),
		cmocka_unit_test(test_epoch),
		cmocka_unit_test(test_header_not_enrolled),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_damage_stops_the_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
