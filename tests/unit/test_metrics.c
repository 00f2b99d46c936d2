/* SPDX-License-Identifier: MIT */
/* Figures: that they count what happens, and the text they become. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/metrics/metrics.h"
#include "fs/metrics/sheet.h"
#include "fs/metrics/sheets.h"
#include "store/base/meter.h"
#include "store/node/counts.h"
#include "tests/unit/node_helper.h"
#include "tests/unit/store_helper.h"

/* --- histograms */

static void test_places(void **state)
{
	const struct hf_bounds *const all[] = { &hf_bounds_duration, &hf_bounds_bytes, &hf_bounds_items };

	(void)state;
	for (size_t k = 0; k < 3; k++) {
		const struct hf_bounds *b = all[k];

		assert_true(b->n > 0 && b->n <= HF_BOUNDS_MAX);
		assert_int_equal(hf_bounds_place(b, 0), 0);
		assert_int_equal(hf_bounds_place(b, UINT64_MAX), b->n);
		for (unsigned i = 0; i < b->n; i++) {
			assert_true(i == 0 || b->at[i] > b->at[i - 1]);
			assert_int_equal(hf_bounds_place(b, b->at[i]), i);
			assert_int_equal(hf_bounds_place(b, b->at[i] + 1), i + 1);
		}
	}
	assert_int_equal(hf_bounds_duration.at[0], 5000);
	assert_int_equal(hf_bounds_duration.at[19], UINT64_C(10000000000));
}

static void test_meter(void **state)
{
	struct meter m = { .bounds = &hf_bounds_items };
	struct hf_histogram h;

	(void)state;
	for (uint64_t v = 0; v < 10; v++)
		meter_add(&m, v);
	meter_add(&m, 1 << 20);
	meter_read(&m, &h);
	assert_int_equal(h.counts[0], 2); /* 0, 1 */
	assert_int_equal(h.counts[1], 3); /* 2 to 4 */
	assert_int_equal(h.counts[2], 5); /* 5 to 9 */
	assert_int_equal(h.counts[9], 1);
	assert_int_equal(h.sum, 45 + (1 << 20));
	assert_int_equal(hf_histogram_count(&h), 11);
}

/* --- text */

static char *text_of(void (*fill)(struct sheet *s))
{
	struct sheet s;
	char *text;
	size_t len = 0;

	sheet_begin(&s);
	fill(&s);
	text = sheet_end_take(&s, &len);
	assert_non_null(text);
	assert_int_equal(strlen(text), len);
	return text;
}

static void fill_values(struct sheet *s)
{
	sheet_metric(s, "a_total", SHEET_COUNTER, "What it is.");
	sheet_count(s, UINT64_MAX, NULL);
	sheet_count(s, 0, "x", "y", "z", "", NULL);
	sheet_metric(s, "b_seconds", SHEET_GAUGE, "Time.");
	sheet_seconds(s, UINT64_C(1795412730000000042), NULL);
	sheet_seconds(s, 5, "l", "m", NULL);
	sheet_number(s, 0.25, NULL);
	sheet_metric(s, "c", SHEET_GAUGE, "Without a value.");
	sheet_one_time(s, "d_timestamp_seconds", 0, "Never.");
}

static void test_values(void **state)
{
	char *text = text_of(fill_values);

	(void)state;
	assert_string_equal(text,
			    "# HELP a_total What it is.\n# TYPE a_total counter\n"
			    "a_total 18446744073709551615\na_total{x=\"y\",z=\"\"} 0\n"
			    "# HELP b_seconds Time.\n# TYPE b_seconds gauge\n"
			    "b_seconds 1795412730.000000042\nb_seconds{l=\"m\"} 0.000000005\nb_seconds 0.25\n"
			    "# HELP c Without a value.\n# TYPE c gauge\n"
			    "# HELP d_timestamp_seconds Never.\n# TYPE d_timestamp_seconds gauge\n");
	free(text);
}

static void fill_labels(struct sheet *s)
{
	static const char *const values[] = {
		"a\"b\\c\nd",       "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xff.\xc3(\xe2\x82",
		"\xed\xa0\x80\xc0", "\xf4\x90\x80\x80\xe0\x80\x80",         "\t{}=,",
	};

	sheet_metric(s, "m", SHEET_GAUGE, "Labels.");
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		sheet_count(s, i, "v", values[i], NULL);
}

/* Whatever a folder is called, the text is well-formed: escaped, and UTF-8 (surrogates and overlong forms are
 * not). */
static void test_labels(void **state)
{
#define BAD "\xef\xbf\xbd"
	char *text = text_of(fill_labels);

	(void)state;
	assert_non_null(strstr(text, "m{v=\"a\\\"b\\\\c\\nd\"} 0\n"));
	assert_non_null(strstr(text, "m{v=\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"} 1\n"));
	assert_non_null(strstr(text, "m{v=\"" BAD "." BAD "(" BAD BAD "\"} 2\n"));
	assert_non_null(strstr(text, "m{v=\"" BAD BAD BAD BAD "\"} 3\n"));
	assert_non_null(strstr(text, "m{v=\"" BAD BAD BAD BAD BAD BAD BAD "\"} 4\n"));
	assert_non_null(strstr(text, "m{v=\"\t{}=,\"} 5\n"));
	free(text);
}

static void fill_histogram(struct sheet *s)
{
	struct meter m = { .bounds = &hf_bounds_duration };
	struct hf_histogram h, never = { .bounds = NULL };

	meter_add(&m, 5000);
	meter_add(&m, 5001);
	meter_add(&m, UINT64_C(60000000000));
	meter_read(&m, &h);
	sheet_metric(s, "h_seconds", SHEET_HISTOGRAM, "A histogram.");
	sheet_histogram(s, &h, "op", "read", NULL);
	sheet_histogram(s, &never, NULL);
}

static void test_histogram_text(void **state)
{
	char *text = text_of(fill_histogram);
	unsigned lines = 0;

	(void)state;
	for (const char *at = text; (at = strchr(at, '\n')); at++)
		lines++;
	assert_int_equal(lines, 2 + 21 + 2);
	assert_non_null(strstr(text, "h_seconds_bucket{op=\"read\",le=\"5e-06\"} 1\n"));
	assert_non_null(strstr(text, "h_seconds_bucket{op=\"read\",le=\"1e-05\"} 2\n"));
	assert_non_null(strstr(text, "h_seconds_bucket{op=\"read\",le=\"0.0025\"} 2\n"));
	assert_non_null(strstr(text, "h_seconds_bucket{op=\"read\",le=\"10\"} 2\n"));
	assert_non_null(strstr(text, "h_seconds_bucket{op=\"read\",le=\"+Inf\"} 3\n"));
	assert_non_null(strstr(text, "h_seconds_sum{op=\"read\"} 60.000010001\n"));
	assert_non_null(strstr(text, "h_seconds_count{op=\"read\"} 3\n"));
	free(text);
}

static void fill_alarms(struct sheet *s)
{
	static const char *const known[] = { "lag", "refused", NULL };
	struct hf_alarm *alarms = calloc(200, sizeof(*alarms));

	assert_non_null(alarms);
	for (unsigned i = 0; i < 200; i++)
		snprintf(alarms[i].kind, sizeof(alarms[i].kind), i % 2 ? "lag" : "kind%u", i);
	alarm_sheet(s, true, alarms, 200, known);
	free(alarms);
}

/* Files may say any kind: the label is bounded all the same, and none is lost. */
static void test_alarm_kinds(void **state)
{
	char *text = text_of(fill_alarms);
	unsigned long sum = 0, lines = 0;

	(void)state;
	assert_non_null(strstr(text, "holdfast_alarms_open{kind=\"lag\"} 100\n"));
	assert_non_null(strstr(text, "holdfast_alarms_open{kind=\"refused\"} 0\n"));
	assert_non_null(strstr(text, "holdfast_alarms_open{kind=\"kind0\"} 1\n"));
	assert_non_null(strstr(text, "holdfast_alarms_open{kind=\"other\"} "));
	for (const char *at = text; (at = strstr(at, "\nholdfast_alarms_open{")); at++) {
		sum += strtoul(strstr(at, "} ") + 2, NULL, 10);
		lines++;
	}
	assert_int_equal(sum, 200);
	assert_true(lines <= 48);
	free(text);
}

/* The value behind a line's name and labels; fails when there is none. */
static double value_in(const char *text, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = text; at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
		if (strncmp(at, name, len) == 0 && at[len] == ' ')
			return strtod(at + len, NULL);
	fail_msg("there is no %s", name);
	return 0;
}

/* --- a store */

static struct hf_store_metrics metrics_of(struct store_fixture *f)
{
	struct hf_store_metrics m;

	hf_store_metrics(f->store, &m);
	return m;
}

static unsigned kind_of(const char *name)
{
	unsigned i = 0;

	while (hf_operation_name(i) && strcmp(hf_operation_name(i), name) != 0)
		i++;
	assert_true(i < HF_OPERATION_KINDS);
	return i;
}

static void test_operations(void **state)
{
	struct store_fixture f;
	struct hf_store_metrics before, m;
	uint64_t ino, log_bytes;
	char *text;
	size_t len;

	(void)state;
	store_fixture_init(&f, NULL);
	commit(&f);
	before = metrics_of(&f);
	ino = make_file(&f, "a");
	for (unsigned i = 0; i < 5; i++)
		put_text(&f, ino, i * 100, "some text");
	assert_int_equal(hf_rename(f.store, HF_ROOT_INO, "a", HF_ROOT_INO, "b", 0, NULL), 0);
	assert_int_equal(hf_rename(f.store, HF_ROOT_INO, "a", HF_ROOT_INO, "b", 0, NULL), -ENOENT);
	m = metrics_of(&f);
	assert_int_equal(m.operations[kind_of("create")] - before.operations[kind_of("create")], 1);
	assert_int_equal(m.operations[kind_of("write")] - before.operations[kind_of("write")], 5);
	assert_int_equal(m.operations[kind_of("rename")] - before.operations[kind_of("rename")], 1);
	assert_int_equal(m.operations[kind_of("unlink")], before.operations[kind_of("unlink")]);

	/* one group, of seven operations and what they wrote */
	assert_int_equal(hf_histogram_count(&m.commit_duration), hf_histogram_count(&before.commit_duration));
	assert_int_equal(hf_fsync(f.store, ino, NULL), 0);
	m = metrics_of(&f);
	assert_int_equal(hf_histogram_count(&m.commit_duration),
			 hf_histogram_count(&before.commit_duration) + 1);
	assert_int_equal(m.commit_operations.sum - before.commit_operations.sum, 7);
	assert_true(m.commit_bytes.sum - before.commit_bytes.sum >= 5 * strlen("some text"));
	assert_true(m.commit_bytes.sum - before.commit_bytes.sum < 4096);
	assert_int_equal(hf_histogram_count(&m.fsync_duration),
			 hf_histogram_count(&before.fsync_duration) + 1);
	assert_true(m.fsync_duration.sum - before.fsync_duration.sum >=
		    m.commit_duration.sum - before.commit_duration.sum);
	assert_int_equal(m.fsync_failures + m.commit_failures, 0);

	/* the same figures in the text */
	log_bytes = status_of(&f).log_bytes;
	text = metrics_mount_text(f.store, "/srv/\"files\"", &len);
	assert_non_null(text);
	assert_int_equal(strlen(text), len);
	assert_true(value_in(text, "holdfast_operations_total{kind=\"rename\"}") ==
		    (double)m.operations[kind_of("rename")]);
	assert_true(value_in(text, "holdfast_commit_group_operations_sum") ==
		    (double)m.commit_operations.sum);
	assert_true(value_in(text, "holdfast_log_bytes") == (double)log_bytes);
	assert_true(value_in(text, "holdfast_alarms_open{kind=\"lag\"}") == 0);
	assert_true(value_in(text, "holdfast_collector_success{collector=\"alarms\"}") == 1);
	assert_non_null(strstr(text, "mounted_on=\"/srv/\\\"files\\\"\""));
	free(text);
	store_fixture_release(&f);
}

/* --- a node */

static unsigned reason_of(const char *name)
{
	unsigned i = 0;

	while (hf_node_reason_name(i) && strcmp(hf_node_reason_name(i), name) != 0)
		i++;
	assert_true(i < HF_NODE_REASONS);
	return i;
}

static uint64_t requests_of(const struct hf_node_metrics *m, enum hf_node_request kind)
{
	return hf_histogram_count(&m->requests[kind]);
}

static void test_node(void **state)
{
	struct hf_node_metrics m;
	struct node_bench b;
	struct wire w;
	uint64_t sent;
	char *text;
	size_t len;

	(void)state;
	node_bench_init(&b, 3);
	node_bench_enrol(&b);
	w = node_bench_append(&b, (struct log_pos){ 1, 0 }, 1 << 20);
	sent = w.body_len;
	(void)wire_expect(&w, 200, NULL);
	(void)wire_expect(&w, 200, NULL); /* once more: nothing new */
	w = wire_position(&b.node, b.writer, b.id);
	w.unsigned_ = true;
	(void)wire_expect(&w, 401, "unsigned");
	(void)wire_expect(&w, 401, "unsigned");
	w = wire_append(&b.node, b.writer, b.id, (struct log_pos){ 1, 400 }, "nonsense", 8);
	(void)wire_expect(&w, 409, "conflict");
	w = wire_read(&b.node, b.writer, b.id, "/log/1", "bytes=0-99");
	(void)wire_expect(&w, 206, NULL);
	w.method = "DELETE";
	w.range = NULL;
	(void)wire_expect(&w, 405, "method");
	/* one more request on the connection: those before it are over */
	w = wire_position(&b.node, b.writer, b.id);
	(void)wire_expect(&w, 200, NULL);

	hf_node_metrics(b.node.node, &m);
	assert_int_equal(m.rejections[reason_of("unsigned")], 2);
	assert_int_equal(m.rejections[reason_of("conflict")], 1);
	assert_int_equal(m.rejections[reason_of("method")], 1);
	assert_int_equal(m.rejections[reason_of("other")], 0);
	assert_int_equal(requests_of(&m, HF_NODE_ENROL), 1);
	assert_int_equal(requests_of(&m, HF_NODE_APPEND), 3);
	assert_int_equal(requests_of(&m, HF_NODE_READ), 1);
	assert_int_equal(requests_of(&m, HF_NODE_OTHER), 1);
	assert_true(requests_of(&m, HF_NODE_POSITION) >= 2);
	assert_int_equal(m.receipts, 4);
	assert_int_equal(m.received_bytes, sent);
	assert_int_equal(m.sent_bytes, 100);
	assert_true(m.connections >= 1 && m.connections >= m.connected);
	assert_int_equal(m.evidence_files, 1);
	assert_int_equal(m.evidence_bytes, 8);
	assert_int_equal(m.n_alarms, 1);
	assert_int_equal(m.n_volumes, 1);
	assert_int_equal(m.volumes_failed, 0);
	assert_string_equal(m.volumes[0].volume_id, b.id_text);
	assert_int_equal(m.volumes[0].bytes, sent);
	hf_node_metrics_release(&m);
	text = metrics_node_text(b.node.node, b.node.dir, &len);
	assert_non_null(text);
	assert_true(value_in(text, "holdfast_node_rejections_total{reason=\"unsigned\"}") == 2);
	assert_true(value_in(text, "holdfast_alarms_open{kind=\"conflict\"}") == 1);
	assert_true(value_in(text, "holdfast_node_evidence_bytes") == 8);
	free(text);

	/* what is counted begins anew with the process that serves; what is kept does not */
	node_fixture_stop(&b.node);
	assert_int_equal(node_fixture_start(&b.node), 0);
	hf_node_metrics(b.node.node, &m);
	for (unsigned i = 0; i < HF_NODE_REASONS; i++)
		assert_int_equal(m.rejections[i], 0);
	assert_int_equal(m.received_bytes, 0);
	assert_int_equal(m.evidence_files, 1);
	assert_int_equal(m.volumes[0].bytes, sent);
	hf_node_metrics_release(&m);
	node_bench_release(&b);
}

/* Every code that an answer can have is a reason, and none is twice. */
static void test_reasons(void **state)
{
	struct counts c = { .receipts = 0 };
	struct hf_node_metrics m;

	(void)state;
	memset(&m, 0, sizeof(m));
	counts_init(&c);
	for (unsigned i = 0; hf_node_reason_name(i); i++)
		counts_rejection(&c, hf_node_reason_name(i));
	counts_rejection(&c, "nobody knows this");
	counts_read(&c, &m);
	for (unsigned i = 0; i < HF_NODE_REASONS; i++)
		assert_int_equal(m.rejections[i], i == reason_of("other") ? 2 : 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_places),         cmocka_unit_test(test_meter),
		cmocka_unit_test(test_values),         cmocka_unit_test(test_labels),
		cmocka_unit_test(test_histogram_text), cmocka_unit_test(test_alarm_kinds),
		cmocka_unit_test(test_operations),     cmocka_unit_test(test_node),
		cmocka_unit_test(test_reasons),
	};

	return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
