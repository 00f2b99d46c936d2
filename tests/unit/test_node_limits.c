/* SPDX-License-Identifier: MIT */
/* A node against clients that are slow, many, or make no sense: they go, and honest ones get their answers.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "store/node/gate.h"
#include "store/volume/kit.h"
#include "tests/unit/raw_client.h"

enum { CROWD = 200 };

static struct buf bytes; /* of a request, as it goes over the line */

/* A node that lacks what follows b->point. */
static void bench_init(struct node_bench *b)
{
	node_bench_init_sent(b, 3, 20);
}

static void bench_release(struct node_bench *b)
{
	buf_release(&bytes);
	node_bench_release(b);
}

/* The bytes that come next, as a request. */
static struct wire next_append(struct node_bench *b)
{
	const struct log_point end = b->point;
	struct wire w = node_bench_append(b, end.end, 1 << 20);

	b->point = end;
	return w;
}

static void make_request(const struct wire *w, const char *more, bool with_body)
{
	buf_clear(&bytes);
	raw_request(w, more, with_body, &bytes);
}

/* A client of its own, as one that has just come. */
static void expect_honest_answer(struct node_bench *b)
{
	struct wire w = wire_position(&b->node, b->writer, b->id);
	struct raw r = raw_connect(&b->node, NULL, true);

	make_request(&w, NULL, false);
	assert_true(raw_send(&r, bytes.data, bytes.len));
	assert_int_equal(raw_answer(&r, NULL), 200);
	raw_close(&r);
}

/* Nothing was appended, and nothing of it came near the log. */
static void expect_unharmed(struct node_bench *b)
{
	struct wire w = wire_position(&b->node, b->owner, b->id);

	assert_int_equal(log_pos_compare(wire_expect(&w, 200, NULL).point.end, b->point.end), 0);
	assert_int_equal(node_fixture_evidence(&b->node), 0);
}

/* --- many */

/* From one address or several, each stuck at this point: TCP alone, or TLS and half of the headers. */
static void open_crowd(struct node_bench *b, struct raw *crowd, unsigned addresses, bool with_tls)
{
	struct wire w = wire_position(&b->node, b->writer, b->id);
	char from[32];

	make_request(&w, NULL, false);
	for (unsigned i = 0; i < CROWD; i++) {
		(void)snprintf(from, sizeof(from), "127.0.0.%u", 1 + i % addresses);
		if (raw_try_connect(&b->node, from, with_tls, &crowd[i]) && with_tls)
			(void)raw_send(&crowd[i], bytes.data, bytes.len / 2);
	}
}

static unsigned count_open(struct raw *crowd, unsigned n)
{
	unsigned open = 0;

	for (unsigned i = 0; i < n; i++)
		open += crowd[i].fd >= 0 && !raw_is_closed(&crowd[i], 0);
	return open;
}

static void close_crowd(struct raw *crowd)
{
	for (unsigned i = 0; i < CROWD; i++)
		raw_close(&crowd[i]);
}

static void test_crowd(struct node_bench *b, unsigned addresses, bool with_tls, unsigned most)
{
	struct raw crowd[CROWD];
	struct wire w = wire_position(&b->node, b->writer, b->id);
	unsigned open = CROWD;

	(void)wire_expect(&w, 200, NULL); /* one that is here already, and stays connected */
	open_crowd(b, crowd, addresses, with_tls);
	for (int i = 0; i < 5; i++)
		expect_honest_answer(b);
	w = wire_position(&b->node, b->writer, b->id);
	(void)wire_expect(&w, 200, NULL);
	for (int i = 0; i < 1000 && open > most;
	     i++) { /* they are told at once, and hear of it a bit later */
		(void)usleep(10000);
		open = count_open(crowd, CROWD);
	}
	assert_in_range(open, 1, most);
	close_crowd(crowd);
	expect_honest_answer(b);
}

static void test_crowds(void **state)
{
	struct node_bench b;

	(void)state;
	bench_init(&b);
	test_crowd(&b, 1, false, GATE_OF_ADDRESS_MAX);
	test_crowd(&b, 1, true, GATE_OF_ADDRESS_MAX);
	test_crowd(&b, 5, true, 5 * GATE_OF_ADDRESS_MAX);
	expect_unharmed(&b);
	bench_release(&b);
}

/*
 * One key, proved once on each of as many connections as there can be, and on each the beginning of a
 * certificate, whose key nobody knows before its end.
 */
static void test_known_crowd(void **state)
{
	CLEANUP(buf_release) struct buf body = BUF_INIT, put = BUF_INIT;
	struct raw crowd[GATE_GUESTS_MAX];
	struct node_bench b;
	struct wire w;
	char from[32];

	(void)state;
	bench_init(&b);
	w = wire_enrol(&b.node, b.writer, &b.volume.cert, &body, NULL);
	raw_request(&w, "Expect: 100-continue\r\n", false, &put);
	for (unsigned i = 0; i < GATE_GUESTS_MAX; i++) {
		(void)snprintf(from, sizeof(from), "127.0.0.%u", 10 + i / GATE_OF_ADDRESS_MAX);
		crowd[i] = raw_connect(&b.node, from, true);
		w = wire_position(&b.node, b.writer, b.id);
		make_request(&w, NULL, false);
		assert_true(raw_send(&crowd[i], bytes.data, bytes.len));
		assert_int_equal(raw_answer(&crowd[i], NULL), 200);
		assert_true(raw_send(&crowd[i], put.data, put.len));
		assert_true(raw_goes_on(&crowd[i]));
		assert_true(raw_send(&crowd[i], body.data, body.len / 2));
	}
	for (int i = 0; i < 20; i++)
		expect_honest_answer(&b);
	expect_unharmed(&b); /* the owner asks */
	for (unsigned i = 0; i < GATE_GUESTS_MAX; i++)
		raw_close(&crowd[i]);
	bench_release(&b);
}

/* One key has so many requests at once; the owner gets in beside them. */
static void test_one_key(void **state)
{
	struct raw slow[GATE_OF_KEY_MAX], other;
	struct wire w;
	struct node_bench b;

	(void)state;
	bench_init(&b);
	for (int i = 0; i < GATE_OF_KEY_MAX; i++) {
		w = next_append(&b);
		make_request(&w, "Expect: 100-continue\r\n", false);
		slow[i] = raw_connect(&b.node, NULL, true);
		assert_true(raw_send(&slow[i], bytes.data, bytes.len));
		assert_true(raw_goes_on(&slow[i]));
	}
	w = wire_position(&b.node, b.writer, b.id);
	make_request(&w, NULL, false);
	other = raw_connect(&b.node, NULL, true);
	assert_true(raw_send(&other, bytes.data, bytes.len));
	assert_int_equal(raw_answer(&other, NULL), 503);
	raw_close(&other);
	expect_unharmed(&b); /* the owner asks */
	for (int i = 0; i < GATE_OF_KEY_MAX; i++)
		raw_close(&slow[i]);
	bench_release(&b);
}

/* --- slow */

/*
 * A byte each now and then, which no limit of silence minds: in the headers, and in a body that is signed and
 * announced. And one that says nothing at all. The node closes them all, by its own clock.
 */
static void test_slow(void **state)
{
	struct raw headers, body, silent;
	bool headers_open = true, body_open = true, silent_open = true;
	const time_t end = time(NULL) + 4 * GATE_TRANSFER_S;
	struct wire w;
	struct node_bench b;
	size_t at = 0;

	(void)state;
	bench_init(&b);
	headers = raw_connect(&b.node, NULL, true);
	silent = raw_connect(&b.node, NULL, false);
	body = raw_connect(&b.node, NULL, true);
	w = next_append(&b);
	make_request(&w, NULL, false);
	assert_true(raw_send(&body, bytes.data, bytes.len));
	while ((headers_open || body_open || silent_open) && time(NULL) < end) {
		headers_open =
			headers_open && raw_send(&headers, bytes.data + at, 1) && !raw_is_closed(&headers, 0);
		body_open = body_open && raw_send(&body, b.body.data + at, 1) && !raw_is_closed(&body, 0);
		silent_open = silent_open && !raw_is_closed(&silent, 0);
		at++;
		(void)usleep(300000);
		if (at % 8 == 0)
			expect_honest_answer(&b);
	}
	assert_false(headers_open);
	assert_false(body_open);
	assert_false(silent_open);
	raw_close(&headers);
	raw_close(&body);
	raw_close(&silent);
	expect_unharmed(&b);
	bench_release(&b);
}

/* --- several in one go */

static void test_pipelined(void **state)
{
	CLEANUP(buf_release) struct buf answer = BUF_INIT;
	struct wire append, position;
	struct node_bench b;
	struct raw r;
	char want[64];

	(void)state;
	bench_init(&b);
	append = next_append(&b);
	position = wire_position(&b.node, b.writer, b.id);
	raw_request(&append, NULL, true, &bytes);
	raw_request(&position, NULL, false, &bytes);
	raw_request(&append, NULL, true, &bytes); /* again, under a new nonce: the same bytes are there */
	buf_add_text(&bytes, "and now\r\nfor something else\r\n\r\n");
	r = raw_connect(&b.node, NULL, true);
	assert_true(raw_send(&r, bytes.data, bytes.len));
	log_durable(b.log, &b.point);
	(void)snprintf(want, sizeof(want), "\"commit\":\"%llu\"", (unsigned long long)b.point.commit);
	for (int i = 0; i < 3; i++) { /* each sees what the one before it did */
		assert_int_equal(raw_answer(&r, &answer), 200);
		assert_non_null(strstr(buf_cstr(&answer), want));
	}
	assert_int_equal(raw_answer(&r, NULL), 400);
	assert_int_equal(raw_answer(&r, NULL), 0);
	raw_close(&r);
	expect_unharmed(&b);
	bench_release(&b);
}

/* --- that make no sense */

struct nonsense {
	const char *what;
	const char *bytes;
	unsigned status; /* 0: none need come, the connection is closed */
};

/* Without a signature none of this would get far; what counts is that it ends, and the node does not. */
static const struct nonsense nonsenses[] = {
	{ "no request line", "\r\n\r\n\r\nGET\r\n\r\n", 0 },
	{ "no version", "GET /v1/volumes/00\r\n\r\n", 400 },
	{ "a version to come", "GET / HTTP/9.9\r\nHost: node\r\n\r\n", 505 },
	{ "an absolute target", "GET http://elsewhere/ HTTP/1.1\r\nHost: elsewhere\r\n\r\n", 404 },
	{ "up and away", "GET /v1/volumes/../../../../etc/passwd HTTP/1.1\r\nHost: node\r\n\r\n", 404 },
	{ "a header without a colon", "GET / HTTP/1.1\r\nHost: node\r\nnothing\r\n\r\n", 400 },
	{ "no unsigned append",
	  "POST /v1/volumes/00000000000000000000000000000000/log/1?offset=0 HTTP/1.1\r\nHost: node\r\n"
	  "Content-Length: 5\r\n\r\nhello",
	  401 },
	{ "two lengths of one body",
	  "POST /v1/volumes/00000000000000000000000000000000/log/1?offset=0 HTTP/1.1\r\nHost: node\r\n"
	  "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
	  411 },
	{ "a length below nothing",
	  "POST /v1/volumes/00000000000000000000000000000000/log/1?offset=0 HTTP/1.1\r\nHost: node\r\n"
	  "Content-Length: -5\r\n\r\nhello",
	  400 },
	{ "a length beyond all",
	  "POST /v1/volumes/00000000000000000000000000000000/log/1?offset=0 HTTP/1.1\r\nHost: node\r\n"
	  "Content-Length: 99999999999999999999999\r\n\r\nhello",
	  413 },
	{ "a length that is too much",
	  "POST /v1/volumes/00000000000000000000000000000000/log/1?offset=0 HTTP/1.1\r\nHost: node\r\n"
	  "Content-Length: 100663297\r\n\r\nhello",
	  413 },
	{ "a method to take away",
	  "DELETE /v1/volumes/00000000000000000000000000000000 HTTP/1.1\r\nHost: node\r\n\r\n", 405 },
	{ "a proxy's request", "CONNECT elsewhere:443 HTTP/1.1\r\nHost: elsewhere\r\n\r\n", 404 },
};

static void test_nonsense(void **state)
{
	struct node_bench b;

	(void)state;
	bench_init(&b);
	for (size_t i = 0; i < sizeof(nonsenses) / sizeof(nonsenses[0]); i++) {
		const struct nonsense *x = &nonsenses[i];
		struct raw r = raw_connect(&b.node, NULL, true);
		unsigned status;

		(void)raw_send(&r, x->bytes, strlen(x->bytes));
		status = raw_answer(&r, NULL);
		if (status != x->status)
			fail_msg("%s: %u, not %u", x->what, status, x->status);
		if (status == 0)
			assert_true(raw_is_closed(&r, 20000));
		raw_close(&r);
	}
	expect_honest_answer(&b);
	expect_unharmed(&b);
	bench_release(&b);
}

static void test_oversized(void **state)
{
	enum { TOO_MUCH = 17 << 10, FAR_TOO_MUCH = 300 << 10 };
	CLEANUP(cleanup_free) char *long_text = malloc(FAR_TOO_MUCH + 32);
	struct wire w;
	struct node_bench b;
	struct raw r;

	(void)state;
	bench_init(&b);
	assert_non_null(long_text);
	for (size_t n = 15 << 10; n <= FAR_TOO_MUCH; n = n == 15 << 10 ? TOO_MUCH :
							 n == TOO_MUCH ? FAR_TOO_MUCH :
									 n * 2) {
		memset(long_text, 'x', n);
		memcpy(long_text, "X-Much: ", 8);
		memcpy(long_text + n, "\r\n", 3);
		w = wire_position(&b.node, b.writer, b.id);
		make_request(&w, long_text, false);
		r = raw_connect(&b.node, NULL, true);
		(void)raw_send(&r, bytes.data, bytes.len);
		if (n < TOO_MUCH)
			assert_int_equal(raw_answer(&r, NULL), 200);
		else if (n == TOO_MUCH)
			assert_int_equal(raw_answer(&r, NULL), 431);
		else
			assert_int_not_equal(raw_answer(&r, NULL), 200);
		raw_close(&r);
	}
	expect_honest_answer(&b);
	expect_unharmed(&b);
	bench_release(&b);
}

/* Cut short: in the handshake, in TLS's own bytes, in the headers, in the body. */
static void test_truncated(void **state)
{
	static const size_t keep[] = { 1, 40, 200, 600 };
	struct wire w;
	struct node_bench b;
	struct raw r;

	(void)state;
	bench_init(&b);
	r = raw_connect(&b.node, NULL, false);
	assert_true(raw_send(&r, "GET / HTTP/1.1\r\n\r\n", 18)); /* no TLS */
	assert_true(raw_is_closed(&r, 20000));
	raw_close(&r);
	r = raw_connect(&b.node, NULL, false);
	assert_true(raw_send(&r, "\x16\x03\x01\x02\x00\x01", 6)); /* the beginning of it */
	raw_close(&r);
	for (size_t i = 0; i < sizeof(keep) / sizeof(keep[0]); i++) {
		w = next_append(&b);
		make_request(&w, NULL, false);
		r = raw_connect(&b.node, NULL, true);
		assert_true(raw_send(&r, bytes.data, keep[i] < bytes.len ? keep[i] : bytes.len));
		raw_close(&r);
		make_request(&w, NULL, true);
		r = raw_connect(&b.node, NULL, true);
		assert_true(raw_send(&r, bytes.data, bytes.len - keep[i]));
		raw_close(&r);
	}
	expect_honest_answer(&b);
	expect_unharmed(&b);
	/* The whole of it, after all that. */
	w = next_append(&b);
	(void)wire_expect(&w, 200, NULL);
	bench_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crowds),      cmocka_unit_test(test_one_key),
		cmocka_unit_test(test_known_crowd), cmocka_unit_test(test_slow),
		cmocka_unit_test(test_pipelined),   cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_oversized),   cmocka_unit_test(test_truncated),
	};
	struct rlimit files;

	/* Both ends of every connection are in this process. */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < 4096 && files.rlim_max >= 4096) {
		files.rlim_cur = 4096;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	return crypto_init() < 0 || cmocka_run_group_tests_name("node limits", tests, NULL, NULL);
}
