/* SPDX-License-Identifier: MIT */
/* What makes a node raise an alarm, and what a person sees of it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdatomic.h>
#include <string.h>

#include "store/node/watch.h"
#include "store/volume/kit.h"
#include "tests/unit/node_helper.h"

static const uint64_t second = UINT64_C(1000000000), hour = 3600 * UINT64_C(1000000000);
static const struct log_pos first_group = { 1, SEGMENT_HEADER_BYTES };

/* The open alarms are n; the newest is of this kind, raised so often, with these words in it. */
static void expect_alarms(const struct node_bench *b, size_t n, const char *kind, uint64_t count,
			  const char *words)
{
	struct hf_node_status s;
	const struct hf_alarm *last;

	assert_int_equal(hf_node_status(b->node.dir, &s, NULL), 0);
	assert_int_equal(s.n_alarms, n);
	if (n > 0) {
		last = &s.alarms[n - 1];
		assert_string_equal(last->kind, kind);
		assert_int_equal(last->count, count);
		if (!strstr(last->words, words))
			fail_msg("%s: not in: %s", words, last->words);
	}
	hf_node_status_release(&s);
}

static void test_refused_appends(void **state)
{
	struct node_bench b;
	struct wire w;
	unsigned n = 0;

	(void)state;
	node_bench_init_sent(&b, 3, 6);
	expect_alarms(&b, 0, NULL, 0, NULL);
	/* Other bytes at a place that is filled. */
	log_raw(b.log, first_group, 1, &b.body, &b.point);
	b.body.data[b.body.len - 5] ^= 4;
	w = wire_append(&b.node, b.writer, b.id, first_group, b.body.data, b.body.len);
	(void)wire_expect(&w, 409, "conflict");
	expect_alarms(&b, 1, "conflict", 1, "Kept as evidence/000000");
	/* The commit's signature, then the chain, of what would follow. */
	w = wire_position(&b.node, b.writer, b.id);
	b.point = wire_expect(&w, 200, NULL).point;
	log_raw(b.log, b.point.end, 1, &b.body, &b.point);
	w = wire_position(&b.node, b.writer, b.id);
	b.point = wire_expect(&w, 200, NULL).point;
	b.body.data[b.body.len - 5] ^= 4;
	w = wire_append(&b.node, b.writer, b.id, b.point.end, b.body.data, b.body.len);
	(void)wire_expect(&w, 403, "bad_log_signature");
	expect_alarms(&b, 2, "bad_log_signature", 1, "Kept as evidence/000001");
	b.body.data[b.body.len - 5] ^= 4;
	b.body.data[60] ^= 4;
	w = wire_append(&b.node, b.writer, b.id, b.point.end, b.body.data, b.body.len);
	(void)wire_expect(&w, 422, "not_verified");
	expect_alarms(&b, 3, "not_verified", 1, "Kept as evidence/000002");
	assert_int_equal(hf_node_acknowledge(b.node.dir, "2", &n, NULL), 0);
	assert_int_equal(n, 1);
	expect_alarms(&b, 2, "not_verified", 1, "");
	assert_int_equal(hf_node_acknowledge(b.node.dir, "2", &n, NULL), -ENOENT);
	assert_int_equal(hf_node_acknowledge(b.node.dir, "two", &n, NULL), -EINVAL);
	assert_int_equal(hf_node_acknowledge(b.node.dir, "all", &n, NULL), 0);
	assert_int_equal(n, 2);
	expect_alarms(&b, 0, NULL, 0, NULL);
	(void)wire_expect(&w, 422, "not_verified"); /* and anew */
	expect_alarms(&b, 1, "not_verified", 1, "Kept as evidence/000003");
	node_fixture_stop(&b.node);
	expect_alarms(&b, 1, "not_verified", 1, "");
	node_bench_release(&b);
}

static void test_forged_requests(void **state)
{
	struct node_bench b;
	struct signer *stranger;
	struct wire w;

	(void)state;
	node_bench_init_sent(&b, 3, 6);
	assert_int_equal(signer_new(NULL, &stranger), 0);
	w = wire_position(&b.node, http_signer_of_signer(stranger), b.id);
	(void)wire_expect(&w, 403, "not_allowed"); /* anyone can do that: no alarm */
	w = wire_position(&b.node, b.writer, b.id);
	w.signed_method = "POST";
	(void)wire_expect(&w, 403, "bad_signature");
	expect_alarms(&b, 1, "bad_signature", 1, "signed by another key than it names");
	signer_free(stranger);
	node_bench_release(&b);
}

static void test_own_position(void **state)
{
	static const char *const bad[] = { "?tid=1",
					   "?commit=1&tid=1",
					   "?tid=01&commit=1",
					   "?tid=1&commit=",
					   "?tid=1&commit=1&x=1",
					   "?tid=-1&commit=1",
					   "?tid=18446744073709551616&commit=1" };
	struct node_bench b;
	struct hf_node_status s;
	struct wire w;

	(void)state;
	node_bench_init_sent(&b, 3, 6);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		w = wire_read(&b.node, b.writer, b.id, bad[i], NULL);
		(void)wire_expect(&w, 400, "bad_request");
	}
	w = wire_read(&b.node, b.writer, b.id, "?tid=18446744073709551615&commit=77", NULL);
	assert_int_equal(wire_expect(&w, 200, NULL).point.tid, 3);
	/* What the owner says of a log is not the writer's word. */
	w = wire_read(&b.node, http_signer_of_owner(b.volume.owner), b.id, "?tid=1&commit=1", NULL);
	(void)wire_expect(&w, 200, NULL);
	node_fixture_stop(&b.node); /* writes it down */
	assert_int_equal(hf_node_status(b.node.dir, &s, NULL), 0);
	assert_false(s.served);
	assert_int_equal(s.n_volumes, 1);
	assert_string_equal(s.volumes[0].volume_id, b.id_text);
	assert_int_equal(s.volumes[0].tid, 3);
	assert_int_equal(s.volumes[0].said_tid, UINT64_MAX);
	assert_int_equal(s.volumes[0].said_commit, 77);
	assert_true(s.volumes[0].heard_ns > 0);
	assert_true(s.volumes[0].bytes > 3 * NODE_BENCH_GROUP_BYTES);
	assert_false(s.volumes[0].silent);
	hf_node_status_release(&s);
	node_bench_release(&b);
}

/* --- what is seen without a request */

static uint64_t free_mib;
static atomic_uint looks; /* each asks for space */

static int some_space(void *state, const char *path, uint64_t *ret_free, uint64_t *ret_total)
{
	(void)state;
	(void)path;
	atomic_fetch_add(&looks, 1);
	*ret_free = free_mib << 20;
	*ret_total = 100 << 20;
	return 0;
}

struct watched {
	struct os os;
	struct volumes *volumes;
	struct alarms *alarms;
	struct watch *watch;
	uint64_t mono, now; /* a bit later than the watch began */
};

static void watched_init(struct watched *t, struct node_bench *b)
{
	struct watch_options o;

	node_fixture_stop(&b->node);
	free_mib = 100;
	t->os = *os_posix();
	t->os.free_bytes = some_space;
	assert_int_equal(volumes_open(&t->os, b->node.dir, false, &t->volumes, NULL), 0);
	assert_int_equal(alarms_open(&t->os, b->node.dir, &t->alarms, NULL), 0);
	o = (struct watch_options){ &t->os, b->node.dir, t->volumes, t->alarms, 24 * hour, 600 * second };
	atomic_store(&looks, 0);
	assert_int_equal(watch_start(&o, &t->watch, NULL), 0);
	for (int i = 0; i < 1000 && atomic_load(&looks) == 0; i++)
		(void)usleep(10000); /* its own first look is by the real clocks; the next one is far off */
	assert_true(atomic_load(&looks) > 0);
	t->mono = t->os.monotonic_ns(NULL) + second;
	t->now = t->os.now_ns(NULL) + second;
	pulse_heard(volume_pulse(volumes_find(t->volumes, b->id)), t->mono, t->now);
}

/* So much later, by both clocks. */
static void look_after(struct watched *t, uint64_t ns)
{
	t->mono += ns;
	t->now += ns;
	watch_look(t->watch, t->mono, t->now);
}

static void watched_release(struct watched *t)
{
	watch_stop(t->watch);
	alarms_close(t->alarms);
	volumes_close(t->volumes);
}

static void test_silence(void **state)
{
	struct watched t;
	struct node_bench b;

	(void)state;
	node_bench_init_sent(&b, 3, 6);
	watched_init(&t, &b);
	look_after(&t, 23 * hour);
	expect_alarms(&b, 0, NULL, 0, NULL);
	look_after(&t, 2 * hour);
	expect_alarms(&b, 1, "silent", 1, "silent for 25 hours");
	look_after(&t, hour);
	expect_alarms(&b, 1, "silent", 1, ""); /* once in its limit is enough */
	pulse_heard(volume_pulse(volumes_find(t.volumes, b.id)), t.mono, t.now);
	look_after(&t, hour);
	expect_alarms(&b, 1, "silent", 1, ""); /* it stays, though the volume is back */
	watched_release(&t);
	node_bench_release(&b);
}

static void test_stall(void **state)
{
	struct watched t;
	struct pulse *p;
	struct node_bench b;
	uint64_t here;

	(void)state;
	node_bench_init_sent(&b, 3, 6);
	here = b.point.commit;
	watched_init(&t, &b);
	p = volume_pulse(volumes_find(t.volumes, b.id));
	pulse_said(p, 6, here + 3, here, t.mono);
	look_after(&t, 595 * second);
	pulse_said(p, 6, here + 3, here, t.mono);
	expect_alarms(&b, 0, NULL, 0, NULL);
	look_after(&t, 10 * second);
	expect_alarms(&b, 1, "stalled", 1, "for 10 minutes nothing has come");
	watched_release(&t);
	node_bench_release(&b);
}

static size_t open_alarms(const struct node_bench *b)
{
	struct hf_node_status s;
	size_t n;

	assert_int_equal(hf_node_status(b->node.dir, &s, NULL), 0);
	n = s.n_alarms;
	hf_node_status_release(&s);
	return n;
}

/* The same by a node that is served: heartbeats come, and the log does not. */
static void test_stall_of_a_served_node(void **state)
{
	static const char setup[] = "{\"version\":1,\"listen\":\"127.0.0.1:0\",\"stalled_after_s\":2}";
	struct node_bench b;
	struct wire w;
	char path[200];

	(void)state;
	node_bench_init_sent(&b, 3, 6);
	node_fixture_stop(&b.node);
	(void)snprintf(path, sizeof(path), "%s/node.json", b.node.dir);
	assert_int_equal(os_write_file(os_posix(), path, setup, sizeof(setup) - 1, 0600), 0);
	assert_int_equal(node_fixture_start(&b.node), 0);
	for (int i = 0; i < 120 && open_alarms(&b) == 0; i++) {
		w = wire_read(&b.node, b.writer, b.id, "?tid=1000&commit=1000", NULL);
		assert_int_equal(wire_expect(&w, 200, NULL).point.tid, 3);
		(void)usleep(250000);
	}
	expect_alarms(&b, 1, "stalled", 1, "its writer is there and says that it has more");
	node_bench_release(&b);
}

static void test_clock(void **state)
{
	struct watched t;
	struct node_bench b;

	(void)state;
	node_bench_init_sent(&b, 3, 6);
	watched_init(&t, &b);
	look_after(&t, hour);
	t.now += 29 * second;
	look_after(&t, second);
	expect_alarms(&b, 0, NULL, 0, NULL);
	t.now += 7200 * second;
	look_after(&t, second);
	expect_alarms(&b, 1, "clock", 1, "jumped forward by 2 hours");
	sleep(1); /* a count is written once a second */
	t.now -= 90 * second;
	look_after(&t, second);
	expect_alarms(&b, 1, "clock", 2, "jumped back by 90 seconds");
	watched_release(&t);
	node_bench_release(&b);
}

static void test_space(void **state)
{
	struct watched t;
	struct node_bench b;

	(void)state;
	node_bench_init_sent(&b, 3, 6);
	watched_init(&t, &b);
	look_after(&t, second);
	expect_alarms(&b, 0, NULL, 0, NULL);
	free_mib = 5;
	look_after(&t, second);
	expect_alarms(&b, 1, "space", 1, "only 5 MiB are left");
	look_after(&t, hour);
	expect_alarms(&b, 1, "space", 1, "");
	watched_release(&t);
	node_bench_release(&b);
}

/* --- node.json */

static void test_setup(void **state)
{
	static const struct hf_node_options bad[] = {
		{ "127.0.0.1:0", 0, "hook", NULL },
		{ "127.0.0.1:0", 0, NULL, "http://example.org/" },
		{ "127.0.0.1:0", 0, NULL, "http://127.0.0.1.example.org/" },
		{ "127.0.0.1:0", 0, NULL, "http://127.0.0.1:80@example.org/" },
		{ "127.0.0.1:0", 0, NULL, "ftp://example.org/" },
		{ "127.0.0.1:0", 400 * 86400, NULL, NULL },
	};
	struct hf_node_status s;
	struct node_fixture n;
	char path[200];

	(void)state;
	node_fixture_init(&n);
	(void)snprintf(path, sizeof(path), "%s/second", n.dir);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(hf_node_make(path, &bad[i], NULL), -EINVAL);
		assert_int_equal(access(path, F_OK), -1);
	}
	assert_int_equal(hf_node_make(path,
				      &(struct hf_node_options){ "127.0.0.1:0", 90, "/bin/true",
								 "http://[::1]:8080/alarm" },
				      NULL),
			 0);
	assert_int_equal(hf_node_status(path, &s, NULL), 0);
	assert_int_equal(s.silent_after_ns, 90 * second);
	assert_int_equal(s.n_volumes, 0);
	hf_node_status_release(&s);
	assert_int_equal(hf_node_status(n.dir, &s, NULL), 0);
	assert_true(s.served);
	assert_int_equal(s.silent_after_ns, 24 * hour);
	hf_node_status_release(&s);
	assert_int_equal(hf_node_status("/tmp", &s, NULL), -ENOENT);
	node_fixture_release(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused_appends), cmocka_unit_test(test_forged_requests),
		cmocka_unit_test(test_own_position),    cmocka_unit_test(test_silence),
		cmocka_unit_test(test_stall),           cmocka_unit_test(test_stall_of_a_served_node),
		cmocka_unit_test(test_clock),           cmocka_unit_test(test_space),
		cmocka_unit_test(test_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
