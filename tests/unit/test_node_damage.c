/* SPDX-License-Identifier: MIT */
/* A volume that cannot be opened keeps the node from no other: it is refused, told of, and comes back healed.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "holdfast/metrics.h"
#include "store/node/prune_file.h"
#include "tests/unit/node_helper.h"

enum { DAMAGED_AT = SEGMENT_HEADER_BYTES + 100 };

struct two {
	struct node_bench b; /* the one that will be damaged */
	struct log_fixture other;
	struct log *log;
	const uint8_t *id;
	struct http_signer writer, owner;
	char path[256]; /* the first one's segment */
};

static void enrol_other(struct two *t)
{
	struct wire w;

	free(node_fixture_invite(&t->b.node, NULL));
	w = wire_enrol(&t->b.node, t->owner, &t->other.cert, &t->b.body, t->b.node.place.token);
	(void)wire_expect(&w, 200, NULL);
}

static void two_init(struct two *t)
{
	node_bench_init_sent(&t->b, 5, 8);
	t->log = log_fixture_create(&t->other, 64 << 10);
	t->id = owner_volume_id(t->other.owner);
	t->writer = http_signer_of_writer(t->other.keys);
	t->owner = http_signer_of_owner(t->other.owner);
	log_put_groups(t->log, 1, 3, NODE_BENCH_GROUP_BYTES);
	node_fixture_path(&t->b.node, t->b.id, "log/0000000001.seg", t->path);
}

static void two_release(struct two *t)
{
	log_close(t->log);
	log_fixture_release(&t->other);
	node_bench_release(&t->b);
}

static void start_damaged(struct two *t)
{
	node_fixture_stop(&t->b.node);
	flip_byte(t->path, DAMAGED_AT, 1);
	assert_int_equal(node_fixture_start(&t->b.node), 0);
}

static void expect_refused(struct two *t)
{
	struct node_bench *b = &t->b;
	struct wire w = wire_position(&b->node, b->writer, b->id);

	(void)wire_expect(&w, 500, "damaged");
	w = wire_position(&b->node, b->owner, b->id);
	(void)wire_expect(&w, 500, "damaged");
	w = wire_read(&b->node, b->owner, b->id, "/log/1", "bytes=0-9");
	(void)wire_expect(&w, 500, "damaged");
	w = node_bench_append(b, b->point.end, 1);
	(void)wire_expect(&w, 500, "damaged");
	/* Not even with an invitation is it begun anew over what is there. */
	free(node_fixture_invite(&b->node, NULL));
	w = wire_enrol(&b->node, b->owner, &b->volume.cert, &b->body, b->node.place.token);
	(void)wire_expect(&w, 500, "damaged");
}

static void test_others_are_served(void **state)
{
	struct hf_node_metrics m;
	struct hf_node_status s;
	struct log_point acked;
	struct two t;
	struct wire w;

	(void)state;
	two_init(&t);
	acked = t.b.point;
	enrol_other(&t);
	start_damaged(&t);
	wire_send_log(&t.b.node, t.writer, t.log, t.id);
	expect_refused(&t);
	assert_int_equal(hf_node_status(t.b.node.dir, &s, NULL), 0);
	assert_non_null(strstr(s.failed, t.b.id_text));
	assert_non_null(strstr(s.failed, "segment 1 is damaged"));
	assert_int_equal(s.n_volumes, 1);
	assert_true(s.volumes[0].bytes > NODE_BENCH_GROUP_BYTES);
	assert_int_equal(s.n_alarms, 1);
	assert_string_equal(s.alarms[0].kind, "damage");
	assert_string_equal(s.alarms[0].volume_id, t.b.id_text);
	hf_node_status_release(&s);
	hf_node_metrics(t.b.node.node, &m);
	assert_int_equal(m.n_volumes, 1);
	assert_int_equal(m.volumes_failed, -EUCLEAN);
	hf_node_metrics_release(&m);
	assert_int_equal(node_log_lines("it is not served: volume"), 1);
	/* Healed, it is there with all that it had, and goes on. */
	node_fixture_stop(&t.b.node);
	flip_byte(t.path, DAMAGED_AT, 1);
	assert_int_equal(node_fixture_start(&t.b.node), 0);
	w = wire_position(&t.b.node, t.b.writer, t.b.id);
	assert_int_equal(log_pos_compare(wire_expect(&w, 200, NULL).point.end, acked.end), 0);
	wire_send_log(&t.b.node, t.b.writer, t.b.log, t.b.id);
	two_release(&t);
}

/* What can be said of its prunes is said, and no number of theirs is given to another. */
static void test_prune_numbers(void **state)
{
	struct hf_error err = HF_ERROR_INIT;
	struct volumes *volumes;
	struct hf_node_prune p;
	uint32_t number;
	char name[256];
	FILE *file;
	struct two t;

	(void)state;
	two_init(&t);
	enrol_other(&t);
	node_fixture_path(&t.b.node, t.b.id, "prunes", name);
	assert_int_equal(os_posix()->mkdir(os_posix()->state, name, 0700), 0);
	node_fixture_path(&t.b.node, t.b.id, "prunes/000007.list", name);
	file = fopen(name, "w");
	assert_non_null(file);
	assert_int_equal(fclose(file), 0);
	start_damaged(&t);
	assert_int_equal(hf_node_prune_cancel(t.b.node.dir, 7, &p, &err), -EUCLEAN);
	assert_non_null(strstr(err.text, t.b.id_text));
	assert_int_equal(volumes_open(os_posix(), t.b.node.dir, true, &volumes, NULL), 0);
	assert_int_equal(prune_file_put(os_posix(), volumes, volumes_nth(volumes, 0), "list", 4, &number,
					NULL),
			 0);
	assert_int_equal(number, 8);
	volumes_close(volumes);
	two_release(&t);
}

/* With nothing to serve it does not go on as if all were well. */
static void test_none_is_left(void **state)
{
	struct hf_error err = HF_ERROR_INIT;
	struct two t;

	(void)state;
	two_init(&t);
	node_fixture_stop(&t.b.node);
	flip_byte(t.path, DAMAGED_AT, 1);
	assert_int_equal(hf_node_start(t.b.node.dir, &t.b.node.node, &err), -EUCLEAN);
	assert_non_null(strstr(err.text, t.b.id_text));
	two_release(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_others_are_served),
		cmocka_unit_test(test_prune_numbers),
		cmocka_unit_test(test_none_is_left),
	};

	return crypto_init() < 0 || cmocka_run_group_tests_name("node damage", tests, NULL, NULL);
}
