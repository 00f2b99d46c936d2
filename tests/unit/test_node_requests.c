/* SPDX-License-Identifier: MIT */
/* Who may ask a node, how, and for what: the form of requests, whatever they carry. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "store/base/journal.h"
#include "tests/unit/node_helper.h"

static const struct log_pos beginning = { 1, 0 };

static void test_signatures(void **state)
{
	struct node_bench b;
	struct wire_answer a;
	struct signer *stranger;
	struct wire w;

	(void)state;
	node_bench_init(&b, 1);
	node_bench_enrol(&b);
	assert_int_equal(signer_new(NULL, &stranger), 0);
	w = wire_position(&b.node, b.writer, b.id);
	w.unsigned_ = true;
	(void)wire_expect(&w, 401, "unsigned");
	w.unsigned_ = false;
	w.node_name = "0000000000000000000000000000000000000000000000000000000000000000";
	(void)wire_expect(&w, 401, "wrong_node");
	w.node_name = NULL;
	w.clock_s = -400;
	(void)wire_expect(&w, 401, "clock");
	w.clock_s = 400;
	(void)wire_expect(&w, 401, "clock");
	w.clock_s = 200;
	(void)wire_expect(&w, 200, NULL);
	w.clock_s = 0;
	w.signed_method = "POST";
	(void)wire_expect(&w, 403, "bad_signature");
	w.signed_method = NULL;
	w.signer = http_signer_of_signer(stranger);
	(void)wire_expect(&w, 403, "not_allowed");
	w.signer = b.writer;
	w.input = "holdfast=(\"@method\")";
	(void)wire_expect(&w, 401, "unsigned");
	w.input = NULL;
	w.signature = "holdfast=:AAAA:";
	(void)wire_expect(&w, 401, "unsigned");
	w.signature = NULL;
	/* The same request twice. */
	wire_send(&w, &a);
	assert_int_equal(a.status, 200);
	w.input = a.input;
	w.signature = a.signature;
	(void)wire_expect(&w, 403, "replayed");
	/* And its signature for another path. */
	(void)snprintf(w.target + strlen(w.target), 8, "/log");
	(void)wire_expect(&w, 403, "bad_signature");
	wire_answer_release(&a);
	/* The owner does not append. */
	w = node_bench_append(&b, beginning, 1 << 20);
	w.signer = b.owner;
	(void)wire_expect(&w, 403, "not_allowed");
	signer_free(stranger);
	node_bench_release(&b);
}

static void test_methods(void **state)
{
	static const char *const rests[] = { "", "/log", "/log/1" };
	static const char *const methods[] = { "DELETE", "PATCH",   "HEAD",     "PUT",
					       "POST",   "OPTIONS", "TRUNCATE", "MOVE" };
	struct node_bench b;
	struct wire w;

	(void)state;
	node_bench_init(&b, 1);
	node_bench_enrol(&b);
	wire_send_log(&b.node, b.writer, b.log, b.id);
	for (size_t i = 0; i < 3; i++) {
		for (size_t m = 0; m < sizeof(methods) / sizeof(methods[0]); m++) {
			if ((i == 0 && strcmp(methods[m], "PUT") == 0) ||
			    (i == 2 && strcmp(methods[m], "POST") == 0))
				continue;
			w = wire_read(&b.node, b.writer, b.id, rests[i], NULL);
			w.method = methods[m];
			(void)wire_expect(&w, 405, strcmp(methods[m], "HEAD") == 0 ? NULL : "method");
			w.signer = b.owner;
			(void)wire_expect(&w, 405, strcmp(methods[m], "HEAD") == 0 ? NULL : "method");
		}
	}
	w = wire_position(&b.node, b.writer, b.id);
	assert_int_equal(wire_expect(&w, 200, NULL).point.tid, 1);
	node_bench_release(&b);
}

static void test_paths_and_sizes(void **state)
{
	static const char *const paths[] = {
		"/", "/v1", "/v1/volumes", "/v1/volumes/xyz", "/v2/volumes/x", "/log/../keys"
	};
	struct node_bench b;
	struct wire w;
	char *big;

	(void)state;
	node_bench_init(&b, 1);
	node_bench_enrol(&b);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		w = wire_position(&b.node, b.writer, b.id);
		(void)snprintf(w.target, sizeof(w.target), "%s", paths[i]);
		(void)wire_expect(&w, 404, "not_found");
	}
	w = wire_read(&b.node, b.writer, b.id, "/log/0", NULL);
	(void)wire_expect(&w, 404, "not_found");
	w = wire_read(&b.node, b.writer, b.id, "/log/01", NULL);
	(void)wire_expect(&w, 404, "not_found");
	w = wire_read(&b.node, b.writer, b.id, "/log/99999999999", NULL);
	(void)wire_expect(&w, 404, "not_found");
	w = wire_read(&b.node, b.writer, b.id, "/log/1?x=1", NULL);
	(void)wire_expect(&w, 400, "bad_request");
	w = wire_read(&b.node, b.writer, b.id, "", NULL);
	memset(w.target + strlen(w.target), 'x', 300);
	(void)wire_expect(&w, 400, "bad_request");
	/* Bodies. */
	w = node_bench_append(&b, beginning, 1 << 20);
	w.chunked = true;
	(void)wire_expect(&w, 411, "length_required");
	w = wire_enrol(&b.node, b.writer, &b.volume.cert, &b.body, NULL);
	buf_add_zeros(&b.body, 1);
	w.body = b.body.data;
	w.body_len = b.body.len;
	(void)wire_expect(&w, 413, "too_large");
	big = calloc(97, 1 << 20);
	assert_non_null(big);
	w = wire_append(&b.node, b.writer, b.id, beginning, big, (size_t)97 << 20);
	(void)wire_expect(&w, 413, "too_large");
	free(big);
	node_bench_release(&b);
}

static void test_read(void **state)
{
	CLEANUP(buf_release) struct buf file = BUF_INIT;
	struct node_bench b;
	struct wire_answer a;
	struct wire w;
	char path[160];

	(void)state;
	node_bench_init(&b, 60);
	node_bench_enrol(&b);
	wire_send_log(&b.node, b.writer, b.log, b.id);
	log_fixture_segment(&b.volume, 1, path);
	assert_int_equal(os_read_file(os_posix(), path, SEGMENT_BYTES_MAX, &file), 0);
	w = wire_read(&b.node, b.owner, b.id, "/log/1", NULL);
	wire_send(&w, &a);
	assert_int_equal(a.status, 200);
	assert_int_equal(a.body.len, file.len);
	assert_memory_equal(a.body.data, file.data, file.len);
	wire_answer_release(&a);
	w.range = "bytes=100-399";
	wire_send(&w, &a);
	assert_int_equal(a.status, 206);
	assert_int_equal(a.body.len, 300);
	assert_memory_equal(a.body.data, file.data + 100, 300);
	wire_answer_release(&a);
	w.range = "bytes=99999999-";
	(void)wire_expect(&w, 416, "gap");
	w.range = "bytes=5-2";
	(void)wire_expect(&w, 400, "bad_request");
	w.range = "bytes=-5";
	(void)wire_expect(&w, 400, "bad_request");
	w = wire_read(&b.node, b.owner, b.id, "/log/77", NULL);
	(void)wire_expect(&w, 404, "not_found");
	w = wire_read(&b.node, b.owner, b.id, "/log?from=2", NULL);
	wire_send(&w, &a);
	assert_int_equal(a.status, 200);
	assert_non_null(strstr(buf_cstr(&a.body), "{\"segments\":[{\"segment\":2,\"bytes\":"));
	assert_non_null(strstr(buf_cstr(&a.body), "\"more\":false}"));
	wire_answer_release(&a);
	node_bench_release(&b);
}

/* --- replays */

/* Anybody can sign for a volume that he made up. The node remembers of that nothing that could run full. */
static void test_replayed_enrolments(void **state)
{
	struct node_bench b;
	struct log_fixture own;

	(void)state;
	node_bench_init(&b, 1);
	log_fixture_init(&own, NULL, 0);
	wire_expect_again(wire_enrol(&b.node, http_signer_of_writer(own.keys), &own.cert, &b.body, NULL), 403,
			  "invitation", 403, "invitation");
	wire_expect_again(wire_enrol(&b.node, b.writer, &b.volume.cert, &b.body, b.node.place.token), 200, "",
			  403, "replayed");
	wire_expect_again(wire_enrol(&b.node, b.writer, &b.volume.cert, &b.body, NULL), 200, "", 403,
			  "replayed");
	log_fixture_release(&own);
	node_bench_release(&b);
}

/* --- the log */

enum { FLOOD = 60 };

/* Whoever knows the address sets no pace for the log, and hides nobody else's refusals in it. */
static void test_log_of_strangers(void **state)
{
	struct node_bench b;
	struct signer *stranger;
	struct wire w;

	(void)state;
	node_bench_init(&b, 1);
	node_bench_enrol(&b);
	assert_int_equal(signer_new(NULL, &stranger), 0);
	w = wire_position(&b.node, b.writer, b.id);
	for (int i = 0; i < FLOOD; i++) {
		w.unsigned_ = i % 2;
		w.signer = http_signer_of_signer(stranger);
		(void)wire_expect(&w, w.unsigned_ ? 401 : 403, w.unsigned_ ? "unsigned" : "not_allowed");
	}
	assert_int_equal(node_log_lines("401 unsigned") + node_log_lines("403 not_allowed"),
			 JOURNAL_QUOTA_LINES);
	assert_int_equal(node_log_lines("only counted"), 1);
	w = wire_append(&b.node, b.writer, b.id, (struct log_pos){ 1, 400 }, "nonsense", 8);
	(void)wire_expect(&w, 416, "gap");
	assert_int_equal(node_log_lines("416 gap"), 1);
	for (int i = 0; i < FLOOD; i++)
		(void)wire_expect(&w, 416, "gap");
	assert_int_equal(node_log_lines("416 gap"), JOURNAL_QUOTA_LINES);
	signer_free(stranger);
	node_bench_release(&b);
}

/* A public key is no secret: naming one makes an alarm, and no flood of lines. */
static void test_log_of_forgeries(void **state)
{
	struct node_bench b;
	struct hf_node_status s;
	struct wire w;

	(void)state;
	node_bench_init(&b, 1);
	node_bench_enrol(&b);
	w = wire_position(&b.node, b.writer, b.id);
	w.signed_method = "POST";
	for (int i = 0; i < FLOOD; i++)
		(void)wire_expect(&w, 403, "bad_signature");
	assert_int_equal(node_log_lines("signed by another key"), JOURNAL_QUOTA_LINES);
	assert_int_equal(node_log_lines("403 bad_signature"), JOURNAL_QUOTA_LINES);
	node_fixture_stop(&b.node);
	assert_int_equal(hf_node_status(b.node.dir, &s, NULL), 0);
	assert_int_equal(s.n_alarms, 1);
	assert_int_equal(s.alarms[0].count, FLOOD);
	hf_node_status_release(&s);
	node_bench_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signatures),          cmocka_unit_test(test_methods),
		cmocka_unit_test(test_paths_and_sizes),     cmocka_unit_test(test_read),
		cmocka_unit_test(test_replayed_enrolments), cmocka_unit_test(test_log_of_strangers),
		cmocka_unit_test(test_log_of_forgeries),
	};

	return cmocka_run_group_tests_name("node requests", tests, NULL, NULL);
}
