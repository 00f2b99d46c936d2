/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/raw_client.h"

enum { WAIT_MS = 20000, ANSWER_BYTES_MAX = 1 << 20 };

static gnutls_certificate_credentials_t credentials(void)
{
	static gnutls_certificate_credentials_t all;

	if (!all)
		assert_int_equal(gnutls_certificate_allocate_credentials(&all), 0);
	return all;
}

static bool shake_hands(struct raw *r)
{
	gnutls_session_t s;
	int n;

	assert_int_equal(gnutls_init(&s, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL), 0);
	assert_int_equal(gnutls_set_default_priority(s), 0);
	assert_int_equal(gnutls_credentials_set(s, GNUTLS_CRD_CERTIFICATE, credentials()), 0);
	gnutls_transport_set_int(s, r->fd);
	gnutls_handshake_set_timeout(s, WAIT_MS);
	gnutls_record_set_timeout(s, WAIT_MS);
	do
		n = gnutls_handshake(s);
	while (n < 0 && !gnutls_error_is_fatal(n));
	r->tls = s;
	return n == 0;
}

bool raw_try_connect(const struct node_fixture *n, const char *from, bool with_tls, struct raw *ret)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) },
			   own = { .sin_family = AF_INET };
	const char *colon = strrchr(n->place.url, ':');
	struct raw r = { .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };

	assert_true(r.fd >= 0 && colon);
	to.sin_port = htons((uint16_t)atoi(colon + 1));
	if (from) {
		assert_int_equal(inet_pton(AF_INET, from, &own.sin_addr), 1);
		assert_int_equal(bind(r.fd, (struct sockaddr *)&own, sizeof(own)), 0);
	}
	assert_int_equal(connect(r.fd, (struct sockaddr *)&to, sizeof(to)), 0);
	*ret = r;
	if (!with_tls || shake_hands(ret))
		return true;
	raw_close(ret);
	return false;
}

struct raw raw_connect(const struct node_fixture *n, const char *from, bool with_tls)
{
	struct raw r;

	assert_true(raw_try_connect(n, from, with_tls, &r));
	return r;
}

void raw_close(struct raw *r)
{
	if (r->tls)
		gnutls_deinit(r->tls);
	if (r->fd >= 0)
		(void)close(r->fd);
	*r = (struct raw){ .fd = -1 };
}

bool raw_send(struct raw *r, const void *data, size_t len)
{
	const char *at = data;

	while (len > 0) {
		ssize_t n = r->tls ? gnutls_record_send(r->tls, at, len) : send(r->fd, at, len, MSG_NOSIGNAL);

		if (r->tls && (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED))
			continue;
		if (n <= 0)
			return false;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

/* Bytes; 0 at the end, however it came. */
static size_t receive(struct raw *r, void *out, size_t len)
{
	ssize_t n;

	do
		n = r->tls ? gnutls_record_recv(r->tls, out, len) : recv(r->fd, out, len, 0);
	while (r->tls && (n == GNUTLS_E_INTERRUPTED || n == GNUTLS_E_AGAIN));
	return n > 0 ? (size_t)n : 0;
}

bool raw_is_closed(struct raw *r, int wait_ms)
{
	struct pollfd p = { .fd = r->fd, .events = POLLIN };
	char dropped[4096];

	while (poll(&p, 1, wait_ms) > 0) {
		ssize_t n = recv(r->fd, dropped, sizeof(dropped), MSG_DONTWAIT);

		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return true;
	}
	return false;
}

/* --- answers */

static bool take_line(struct raw *r, char line[1024])
{
	size_t n = 0;

	while (n < 1023 && receive(r, line + n, 1) == 1)
		if (line[n++] == '\n') {
			line[n] = 0;
			return true;
		}
	return false;
}

bool raw_goes_on(struct raw *r)
{
	char line[1024];

	return take_line(r, line) && strncmp(line, "HTTP/1.1 100", 12) == 0 && take_line(r, line) &&
	       strcmp(line, "\r\n") == 0;
}

unsigned raw_answer(struct raw *r, struct buf *body)
{
	char line[1024], byte;
	unsigned status = 0;
	size_t length = 0;

	do { /* 100 Continue is not one yet */
		if (!take_line(r, line) || sscanf(line, "HTTP/1.%*u %u", &status) != 1)
			return 0;
		while (take_line(r, line) && strcmp(line, "\r\n") != 0)
			if (strncasecmp(line, "content-length:", 15) == 0)
				length = (size_t)strtoul(line + 15, NULL, 10);
	} while (status == 100);
	assert_true(length <= ANSWER_BYTES_MAX);
	if (body)
		buf_clear(body);
	for (; length > 0 && receive(r, &byte, 1) == 1; length--)
		if (body)
			buf_add(body, &byte, 1);
	return length == 0 ? status : 0;
}

/* --- requests */

void raw_request(const struct wire *w, const char *more, bool with_body, struct buf *out)
{
	CLEANUP(buf_release) struct buf digest = BUF_INIT, input = BUF_INIT, sig = BUF_INIT;
	char path[400], name[HTTP_SIG_KEY_TEXT_BYTES];
	const char *mark = strchr(w->target, '?');
	struct http_sig_request covered = {
		.method = w->method, .path = path, .query = mark ? mark : "?", .node = name
	};
	struct http_sig_params params;

	(void)snprintf(path, sizeof(path), "%.*s", (int)strcspn(w->target, "?"), w->target);
	wire_hex(w->node->place.key, PUBLIC_KEY_BYTES, name);
	if (w->body) {
		content_digest_make(w->body, w->body_len, &digest);
		covered.digest = buf_cstr(&digest);
	}
	assert_int_equal(http_sig_make(&covered, &w->signer, (uint64_t)time(NULL), &params, &input, &sig), 0);
	buf_add_text(out,
		     "%s %s HTTP/1.1\r\nHost: node\r\nHoldfast-Node: %s\r\nSignature-Input: %s\r\nSignature: "
		     "%s\r\n%s",
		     w->method, w->target, name, buf_cstr(&input), buf_cstr(&sig), more ? more : "");
	if (w->body)
		buf_add_text(out, "Content-Digest: %s\r\nContent-Length: %zu\r\n", covered.digest,
			     w->body_len);
	buf_add_text(out, "\r\n");
	if (w->body && with_body)
		buf_add(out, w->body, w->body_len);
	assert_int_equal(buf_status(out), 0);
}
