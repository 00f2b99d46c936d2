/* SPDX-License-Identifier: MIT */
/* The port that a monitor reads: what it answers, to whom, and that nobody keeps others from it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "fs/web/scrape.h"

enum { PATIENCE_MS = 20000, LATE_MS = 300, BIG_BYTES = 1 << 20 };

static atomic_uint made;
static bool without_text;

static char *make_text(void *arg, size_t *ret_len)
{
	char *text = NULL;
	int n;

	if (without_text)
		return NULL;
	n = asprintf(&text, "%s %u\n", (const char *)arg, atomic_fetch_add(&made, 1) + 1);
	assert_true(n > 0);
	*ret_len = (size_t)n;
	return text;
}

static struct scrape *start(unsigned deadline_ms)
{
	const struct scrape_options o = {
		.listen_at = "0",
		.path = "/metrics",
		.type = "text/plain; version=0.0.4",
		.text = make_text,
		.arg = "figure",
		.deadline_ms = deadline_ms,
	};
	struct hf_error err = HF_ERROR_INIT;
	struct scrape *s = NULL;

	atomic_store(&made, 0);
	without_text = false;
	if (scrape_start(&o, &s, &err) < 0)
		fail_msg("%s", err.text);
	assert_false(scrape_is_reachable(s));
	return s;
}

static unsigned port_of(const struct scrape *s)
{
	return (unsigned)atoi(strrchr(scrape_address(s), ':') + 1);
}

static int dial(const struct scrape *s)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port_of(s)) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

/* false: it was closed at the other end. */
static bool say(int fd, const char *text, size_t len)
{
	return send(fd, text, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* All that comes until it is closed, for a bounded time. Closes. */
static char *hear(int fd)
{
	char *text = calloc(1, BIG_BYTES + 1);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t have = 0;
	ssize_t n = 1;

	assert_non_null(text);
	while (n > 0 && have < BIG_BYTES) {
		assert_true(poll(&p, 1, PATIENCE_MS) > 0);
		n = recv(fd, text + have, BIG_BYTES - have, 0);
		have += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	return text;
}

/* Is it closed at the other end, for a bounded time? What comes is dropped. */
static bool is_closed(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char some[512];
	ssize_t n = 1;

	while (n > 0) {
		if (poll(&p, 1, PATIENCE_MS) <= 0)
			return false;
		n = recv(fd, some, sizeof(some), 0);
	}
	return true;
}

static char *ask(const struct scrape *s, const char *line, const char *host)
{
	char request[512];
	int fd = dial(s), n;

	n = snprintf(request, sizeof(request), "%s HTTP/1.1\r\n%s%s%sConnection: close\r\n\r\n", line,
		     host ? "Host: " : "", host ? host : "", host ? "\r\n" : "");
	assert_true(say(fd, request, (size_t)n));
	return hear(fd);
}

static void expect(const struct scrape *s, const char *line, const char *host, unsigned status,
		   const char *part)
{
	char *answer = ask(s, line, host);
	unsigned got = 0;

	if (sscanf(answer, "HTTP/1.1 %u ", &got) != 1 || got != status || !strstr(answer, part))
		fail_msg("%s of %s: wanted %u with \"%s\", got: %s", line, host ? host : "nobody", status,
			 part, answer);
	free(answer);
}

static void test_answers(void **state)
{
	struct scrape *s = start(0);
	char *answer;

	(void)state;
	expect(s, "GET /metrics", scrape_address(s), 200, "\r\n\r\nfigure ");
	expect(s, "GET /metrics", scrape_address(s), 200, "Content-Type: text/plain; version=0.0.4\r\n");
	expect(s, "GET /metrics?x=y", scrape_address(s), 200, "figure ");
	answer = ask(s, "HEAD /metrics", scrape_address(s));
	assert_non_null(strstr(answer, "200 OK"));
	assert_null(strstr(answer, "figure"));
	free(answer);
	expect(s, "GET /", scrape_address(s), 404, "nothing here but /metrics");
	expect(s, "GET /metrics/", scrape_address(s), 404, "nothing");
	expect(s, "GET /../metrics", scrape_address(s), 404, "nothing");
	for (const char *const *method =
		     (const char *const[]){ "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW", NULL };
	     *method; method++) {
		char line[64];

		snprintf(line, sizeof(line), "%s /metrics", *method);
		expect(s, line, scrape_address(s), 405, "Allow: GET, HEAD\r\n");
	}
	without_text = true;
	nanosleep(&(struct timespec){ .tv_nsec = 2 * SCRAPE_FRESH_MS * 1000000L }, NULL);
	expect(s, "GET /metrics", scrape_address(s), 500, "no memory");
	scrape_stop(s);
}

/* A name that leads here is not ours, whoever owns it: DNS rebinding. */
static void test_hosts(void **state)
{
	struct scrape *s = start(0);
	char host[64];

	(void)state;
	snprintf(host, sizeof(host), "localhost:%u", port_of(s));
	expect(s, "GET /metrics", host, 200, "figure");
	expect(s, "GET /metrics", NULL, 421, "its own address only");
	for (const char *const *bad =
		     (const char *const[]){ "evil.example", "127.0.0.1", "localhost", "127.0.0.1:1",
					    "127.0.0.2", "[::1]", "localhost.evil.example", NULL };
	     *bad; bad++)
		expect(s, "GET /metrics", *bad, 421, "its own address only");
	snprintf(host, sizeof(host), "evil.example:%u", port_of(s));
	expect(s, "GET /metrics", host, 421, "its own address only");
	snprintf(host, sizeof(host), "127.0.0.1.evil.example:%u", port_of(s));
	expect(s, "GET /metrics", host, 421, "its own address only");
	scrape_stop(s);
}

/* Asked without a pause, it makes the text now and then. */
static void test_flood(void **state)
{
	struct scrape *s = start(0);
	struct timespec from, to;
	double seconds;

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (int i = 0; i < 500; i++)
		expect(s, "GET /metrics", scrape_address(s), 200, "figure");
	clock_gettime(CLOCK_MONOTONIC, &to);
	seconds = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
	assert_true(atomic_load(&made) <= 2 + seconds * 1000 / SCRAPE_FRESH_MS);
	scrape_stop(s);
}

/* What does not fit is not taken, and costs nobody else anything. */
static void test_huge(void **state)
{
	struct scrape *s = start(0);
	char *much = malloc(BIG_BYTES), *answer;
	int fd = dial(s);

	(void)state;
	assert_non_null(much);
	memset(much, 'a', BIG_BYTES);
	assert_true(say(fd, "GET /metrics HTTP/1.1\r\nX: ", 26));
	(void)say(fd, much, BIG_BYTES);
	assert_true(is_closed(fd));
	close(fd);
	fd = dial(s);
	assert_true(say(fd, "GET /", 5));
	(void)say(fd, much, BIG_BYTES);
	assert_true(is_closed(fd));
	close(fd);
	/* a body is not waited for */
	fd = dial(s);
	snprintf(much, 200, "POST /metrics HTTP/1.1\r\nHost: %s\r\nContent-Length: 1000000000\r\n\r\n",
		 scrape_address(s));
	assert_true(say(fd, much, strlen(much)));
	answer = hear(fd);
	assert_non_null(strstr(answer, " 405 "));
	free(answer);
	/* no HTTP at all */
	fd = dial(s);
	memset(much, 0xff, 4096);
	much[4095] = '\n';
	(void)say(fd, much, 4096);
	(void)say(fd, "\r\n\r\n", 4);
	shutdown(fd, SHUT_WR);
	assert_true(is_closed(fd));
	close(fd);
	expect(s, "GET /metrics", scrape_address(s), 200, "figure");
	free(much);
	scrape_stop(s);
}

/* Whoever says a little all the time is cut off when his time is over; who says nothing, too. */
static void test_slow(void **state)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	struct scrape *s = start(LATE_MS);
	int slow = dial(s), silent = dial(s), rounds = 0;

	(void)state;
	assert_true(say(slow, "GET /metrics HTTP/1.1\r\nX: ", 26));
	while (say(slow, "a", 1) && rounds++ < PATIENCE_MS / 10)
		nanosleep(&pause, NULL);
	assert_true(rounds < PATIENCE_MS / 10);
	assert_true(is_closed(silent));
	close(slow);
	close(silent);
	expect(s, "GET /metrics", scrape_address(s), 200, "figure");
	scrape_stop(s);
}

/* However many wait, whoever asks something comes in: the oldest go. */
static void test_crowd(void **state)
{
	enum { CROWD = 4 * SCRAPE_GUESTS_MAX };
	struct scrape *s = start(0);
	int fds[CROWD];

	(void)state;
	for (int i = 0; i < CROWD; i++) {
		fds[i] = dial(s);
		(void)say(fds[i], "GET /metrics HTTP/1.1\r\n", 23);
		if (i % 16 == 0)
			expect(s, "GET /metrics", scrape_address(s), 200, "figure");
	}
	expect(s, "GET /metrics", scrape_address(s), 200, "figure");
	for (int i = 0; i < CROWD - SCRAPE_GUESTS_MAX; i++) {
		assert_true(is_closed(fds[i]));
		close(fds[i]);
	}
	scrape_stop(s); /* with the others still there */
	for (int i = CROWD - SCRAPE_GUESTS_MAX; i < CROWD; i++) {
		assert_true(is_closed(fds[i]));
		close(fds[i]);
	}
}

static void test_places(void **state)
{
	struct scrape_options o = {
		.path = "/metrics", .type = "text/plain", .text = make_text, .arg = "figure"
	};
	struct hf_error err = HF_ERROR_INIT;
	struct scrape *s = start(0), *other = NULL;

	(void)state;
	o.listen_at = scrape_address(s);
	assert_int_equal(scrape_start(&o, &other, &err), -EADDRINUSE);
	assert_non_null(strstr(err.text, scrape_address(s)));
	o.listen_at = "example.org:80";
	assert_int_equal(scrape_start(&o, &other, &err), -EINVAL);
	o.listen_at = "0.0.0.0:0";
	assert_int_equal(scrape_start(&o, &other, &err), 0);
	assert_true(scrape_is_reachable(other));
	scrape_stop(other);
	scrape_stop(s);
	scrape_stop(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers), cmocka_unit_test(test_hosts), cmocka_unit_test(test_flood),
		cmocka_unit_test(test_huge),    cmocka_unit_test(test_slow),  cmocka_unit_test(test_crowd),
		cmocka_unit_test(test_places),
	};

	return cmocka_run_group_tests_name("scrape", tests, NULL, NULL);
}
