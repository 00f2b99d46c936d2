/* SPDX-License-Identifier: MIT */
/* What a volume may take of a node, what is refused for it, and what is never given up. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/node/budget.h"
#include "store/volume/kit.h"
#include "tests/unit/node_helper.h"

enum { GROUPS = 200 };

static const struct log_pos first_group = { 1, SEGMENT_HEADER_BYTES };

/* The next groups, as the node's position says; what comes of them. false: the log has no more. */
static bool send_next(struct node_bench *b, struct wire_answer *ret)
{
	struct wire w = wire_position(&b->node, b->writer, b->id);
	struct log_pos at;
	struct log_point behind;
	int r;

	b->point = wire_expect(&w, 200, NULL).point;
	at = b->point.end.segment ? b->point.end : (struct log_pos){ 1, 0 };
	buf_clear(&b->body);
	r = log_read_raw(b->log, at, 1, &b->body, &behind, NULL);
	if (r == -ENOENT) {
		at = (struct log_pos){ at.segment + 1, 0 };
		r = log_read_raw(b->log, at, 1, &b->body, &behind, NULL);
	}
	if (r == -ENODATA)
		return false;
	assert_int_equal(r, 0);
	w = wire_append(&b->node, b->writer, b->id, at, b->body.data, b->body.len);
	wire_send(&w, ret);
	return true;
}

/* Send until the node refuses; the code it refuses with, "" when it took all. */
static const char *send_all(struct node_bench *b, char code[32])
{
	struct wire_answer a = { .status = 200 };

	code[0] = 0;
	while (a.status == 200 && send_next(b, &a)) {
		(void)snprintf(code, 32, "%s", a.code);
		wire_answer_release(&a);
	}
	return code;
}

/* As its budget counts them. */
static uint64_t bytes_there(const struct node_bench *b)
{
	struct hf_node_status s;
	uint64_t bytes;

	assert_int_equal(hf_node_status(b->node.dir, &s, NULL), 0);
	assert_int_equal(s.n_volumes, 1);
	bytes = s.volumes[0].budget_used_bytes;
	assert_in_range(s.volumes[0].bytes, bytes - bytes / 8, bytes); /* in segments of nearly 64 KiB */
	hf_node_status_release(&s);
	return bytes;
}

static void expect_alarm(const struct node_bench *b, const char *words)
{
	struct hf_node_status s;

	assert_int_equal(hf_node_status(b->node.dir, &s, NULL), 0);
	assert_int_equal(s.n_alarms, words != NULL);
	if (words) {
		assert_string_equal(s.alarms[0].kind, "budget");
		assert_string_equal(s.alarms[0].volume_id, b->id_text);
		if (!strstr(s.alarms[0].words, words))
			fail_msg("%s: not in: %s", words, s.alarms[0].words);
	}
	hf_node_status_release(&s);
}

static void set_budget(const struct node_bench *b, uint64_t bytes)
{
	assert_int_equal(hf_node_set_budget(b->node.dir, b->id_text, bytes, NULL), 0);
}

/* Refused at the budget, across segments, while the node runs; and on again when it is raised. */
static void test_over_budget(void **state)
{
	enum { BUDGET = 150 << 10 };
	struct wire_answer a;
	struct node_bench b;
	struct wire w;
	char code[32];

	(void)state;
	node_bench_init(&b, GROUPS);
	node_bench_enrol(&b);
	set_budget(&b, BUDGET);
	assert_string_equal(send_all(&b, code), "over_budget");
	assert_in_range(bytes_there(&b), BUDGET - 8192, BUDGET);
	assert_true(b.point.end.segment > 2);
	expect_alarm(&b, "used up");
	/* Nothing is given up; what is there can be said again, read, and not be changed. */
	w = wire_read(&b.node, b.writer, b.id, "/log/1", NULL);
	(void)wire_expect(&w, 200, NULL);
	log_raw(b.log, first_group, 1, &b.body, &b.point);
	w = wire_append(&b.node, b.writer, b.id, first_group, b.body.data, b.body.len);
	(void)wire_expect(&w, 200, NULL);
	b.body.data[b.body.len - 5] ^= 4;
	(void)wire_expect(&w, 409, "conflict");
	/* What it says to programs. */
	assert_true(send_next(&b, &a));
	assert_int_equal(a.status, 507);
	buf_add_u8(&a.body, 0);
	assert_non_null(strstr((const char *)a.body.data, "\"budget_bytes\":\"153600\""));
	wire_answer_release(&a);
	/* The operator makes room, and takes the limit away. */
	set_budget(&b, BUDGET + (60 << 10));
	assert_string_equal(send_all(&b, code), "over_budget");
	assert_in_range(bytes_there(&b), BUDGET + 1, BUDGET + (60 << 10));
	set_budget(&b, BUDGET_NONE);
	assert_string_equal(send_all(&b, code), "");
	node_bench_release(&b);
}

/* Nine tenths, then all of it: one alarm, which says the newer thing. */
static void test_alarm(void **state)
{
	enum { BUDGET = 100 << 10 };
	struct wire_answer a = { .status = 200 };
	struct node_bench b;
	char code[32];

	(void)state;
	node_bench_init(&b, GROUPS);
	node_bench_enrol(&b);
	set_budget(&b, BUDGET);
	while (bytes_there(&b) < BUDGET / 10 * 9 - 4096) {
		assert_true(send_next(&b, &a));
		assert_int_equal(a.status, 200);
		wire_answer_release(&a);
	}
	expect_alarm(&b, NULL);
	while (bytes_there(&b) < BUDGET / 10 * 9) {
		assert_true(send_next(&b, &a));
		wire_answer_release(&a);
	}
	expect_alarm(&b, "when that is used up");
	assert_string_equal(send_all(&b, code), "over_budget");
	expect_alarm(&b, "used up: ");
	node_bench_release(&b);
}

/* A volume that comes gets what the node has for new ones, and keeps it when that changes. */
static void test_default(void **state)
{
	struct hf_node_status s;
	struct node_bench b;
	char code[32];

	(void)state;
	node_bench_init(&b, GROUPS);
	assert_int_equal(hf_node_set_budget(b.node.dir, NULL, 50000, NULL), 0);
	node_bench_enrol(&b);
	assert_int_equal(hf_node_set_budget(b.node.dir, NULL, 60000, NULL), 0);
	assert_int_equal(hf_node_status(b.node.dir, &s, NULL), 0);
	assert_int_equal(s.budget_bytes, 60000);
	assert_int_equal(s.volumes[0].budget_bytes, 50000);
	hf_node_status_release(&s);
	assert_string_equal(send_all(&b, code), "over_budget");
	assert_in_range(bytes_there(&b), 40000, 50000);
	/* As well after a restart. */
	node_fixture_stop(&b.node);
	assert_int_equal(node_fixture_start(&b.node), 0);
	assert_string_equal(send_all(&b, code), "over_budget");
	node_bench_release(&b);
}

/* A damaged one allows nothing, and says how to mend it. */
static void test_damaged(void **state)
{
	struct hf_node_status s;
	struct node_bench b;
	char path[256], code[32];
	FILE *f;

	(void)state;
	node_bench_init(&b, GROUPS);
	node_bench_enrol(&b);
	node_fixture_path(&b.node, b.id, "budget", path);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs("{\"version\":1,\"bytes\":12}", f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_string_equal(send_all(&b, code), "over_budget");
	expect_alarm(&b, "set the budget anew");
	assert_int_equal(hf_node_status(b.node.dir, &s, NULL), 0);
	assert_non_null(strstr(s.volumes[0].budget_failed, "damaged"));
	hf_node_status_release(&s);
	set_budget(&b, 1 << 30);
	assert_string_equal(send_all(&b, code), "");
	/* And that of new volumes. */
	(void)snprintf(path, sizeof(path), "%s/budget", b.node.dir);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(hf_node_status(b.node.dir, &s, NULL), 0);
	assert_int_equal(s.n_volumes, 1);
	assert_non_null(strstr(s.failed, "/budget is damaged"));
	hf_node_status_release(&s);
	node_bench_release(&b);
}

/* Files take room however short they are: a budget bounds how many there are, too. */
static void test_short_segments(void **state)
{
	enum { BUDGET = 512 << 10, SHORT_BYTES = 8 << 10, FILES_MAX = BUDGET / BUDGET_SEGMENT_BYTES + 1 };
	struct hf_node_status s;
	struct node_bench b;
	char code[32];

	(void)state;
	node_bench_init(&b, 1);
	log_close(b.log);
	remove_folder(b.volume.dir);
	b.volume.options.segment_bytes = SHORT_BYTES;
	assert_int_equal(log_create(&b.volume.options, &b.volume.cert, &b.log, NULL), 0);
	log_put_groups(b.log, 1, GROUPS, NODE_BENCH_GROUP_BYTES);
	node_bench_enrol(&b);
	set_budget(&b, BUDGET);
	assert_string_equal(send_all(&b, code), "over_budget");
	for (int again = 0; again < 2; again++) {
		assert_int_equal(hf_node_status(b.node.dir, &s, NULL), 0);
		assert_in_range(s.volumes[0].segments, FILES_MAX - 1, FILES_MAX);
		assert_in_range(s.volumes[0].bytes, 1, FILES_MAX * SHORT_BYTES);
		assert_in_range(s.volumes[0].budget_used_bytes, BUDGET - BUDGET_SEGMENT_BYTES, BUDGET);
		hf_node_status_release(&s);
		node_fixture_stop(&b.node);
		assert_int_equal(node_fixture_start(&b.node), 0);
		assert_string_equal(send_all(&b, code), "over_budget");
	}
	/* Whose segments are short for good reason goes on when there is room. */
	set_budget(&b, 64 << 20);
	assert_string_equal(send_all(&b, code), "");
	node_bench_release(&b);
}

static void test_what_cannot_be_set(void **state)
{
	struct hf_error err = HF_ERROR_INIT;
	struct node_bench b;

	(void)state;
	node_bench_init(&b, GROUPS);
	assert_int_equal(hf_node_set_budget(b.node.dir, "../..", 5, &err), -EINVAL);
	assert_int_equal(hf_node_set_budget(b.node.dir, b.id_text, 5, &err), -ENOENT);
	assert_int_equal(hf_node_set_budget("/", NULL, 5, &err), -ENOENT);
	node_bench_enrol(&b);
	assert_int_equal(hf_node_set_budget(b.node.dir, b.id_text, 5, &err), 0);
	node_bench_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_over_budget),    cmocka_unit_test(test_alarm),
		cmocka_unit_test(test_default),        cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_short_segments), cmocka_unit_test(test_what_cannot_be_set),
	};

	return crypto_init() < 0 || cmocka_run_group_tests_name("node budget", tests, NULL, NULL);
}
