/* SPDX-License-Identifier: MIT */
#include "tests/fault/link.h"

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <stdio.h>

#include "tests/sim/fake_server.h"
#include "tests/sim/sched.h"

#undef curl_easy_setopt
#undef curl_easy_getinfo

enum {
	TARGET_BYTES = 600,
	LATE_MAX = 4,
	SILENCE_S = 25, /* as store/replica/http.c has it: then who sends gives up */
	RETURN_ONE_IN = 6,
};

#define SECOND_NS UINT64_C(1000000000)

/* A request on its way. */
struct message {
	char method[16], target[TARGET_BYTES];
	struct buf headers; /* names and values, each with its NUL */
	struct buf body;
	bool used;
};

/* What libcurl would have of one who sends. */
struct sender {
	char method[16], url[TARGET_BYTES + 300];
	struct curl_slist *headers;
	const void *body;
	size_t body_len;
	curl_write_callback write, header;
	void *write_arg, *header_arg;
	curl_xferinfo_callback asked;
	void *asked_arg;
	long status;
};

static struct {
	struct machine *node;
	struct totals *t;
	void (*receipt)(void *arg, const void *text, size_t len, const char *signature);
	void *arg;
	unsigned trouble;
	bool up;
	struct message late[LATE_MAX];
} way;

static void message_release(struct message *m)
{
	buf_release(&m->headers);
	buf_release(&m->body);
	*m = (struct message){ .headers = BUF_INIT, .body = BUF_INIT };
}

void link_begin(struct machine *node, struct totals *t,
		void (*receipt)(void *arg, const void *text, size_t len, const char *signature), void *arg)
{
	way.node = node;
	way.t = t;
	way.receipt = receipt;
	way.arg = arg;
	way.trouble = 0;
	way.up = true;
}

void link_end(void)
{
	for (size_t i = 0; i < LATE_MAX; i++)
		message_release(&way.late[i]);
	way.node = NULL;
}

void link_trouble(unsigned percent)
{
	way.trouble = percent;
}

void link_up(bool up)
{
	way.up = up;
}

/* --- from who sends */

static void take_headers(struct message *m, const struct curl_slist *list)
{
	for (; list; list = list->next) {
		const char *colon = strchr(list->data, ':');

		fake_must(colon != NULL);
		buf_add(&m->headers, list->data, (size_t)(colon - list->data));
		buf_add_u8(&m->headers, 0);
		colon += 1 + strspn(colon + 1, " ");
		buf_add(&m->headers, colon, strlen(colon) + 1);
	}
}

static void message_make(struct message *m, const struct sender *s)
{
	static const char length[] = MHD_HTTP_HEADER_CONTENT_LENGTH;
	const char *path = strstr(s->url, "://");
	char number[24];

	path = path ? strchr(path + 3, '/') : NULL;
	fake_must(path != NULL);
	*m = (struct message){ .headers = BUF_INIT, .body = BUF_INIT };
	(void)snprintf(m->method, sizeof(m->method), "%s", s->method);
	(void)snprintf(m->target, sizeof(m->target), "%s", path);
	take_headers(m, s->headers);
	if (s->body) {
		buf_add(&m->headers, length, sizeof(length));
		(void)snprintf(number, sizeof(number), "%zu", s->body_len);
		buf_add(&m->headers, number, strlen(number) + 1);
		buf_add(&m->body, s->body, s->body_len);
	}
	fake_must(buf_status(&m->headers) == 0 && buf_status(&m->body) == 0);
}

/* --- to the node */

static const char *answer_header(const struct MHD_Connection *c, const char *name)
{
	const char *at = (const char *)c->headers.data, *end = at + c->headers.len;

	while (at < end) {
		const char *value = at + strlen(at) + 1;

		if (strcasecmp(at, name) == 0)
			return value;
		at = value + strlen(value) + 1;
	}
	return NULL;
}

/* false: there is nobody. Else it has been taken, and what is answered is in *c. */
static bool deliver(const struct message *m, size_t cut, struct MHD_Connection *c)
{
	const char *at = (const char *)m->headers.data, *end = at + m->headers.len, *signature;
	struct machine *here;

	*c = (struct MHD_Connection){ .body = BUF_INIT, .headers = BUF_INIT };
	if (!way.up || !fake_is_listening() || !sim_power_is_on(way.node->sim))
		return false;
	while (at < end) {
		const char *value = at + strlen(at) + 1;

		fake_add_header(c, at, value);
		at = value + strlen(value) + 1;
	}
	way.t->requests++;
	here = machine_enter(way.node);
	fake_deliver(c, m->method, m->target, m->body.data, m->body.len, cut);
	(void)machine_enter(here);
	signature = answer_header(c, "Holdfast-Receipt");
	if (c->status == MHD_HTTP_OK && signature)
		way.receipt(way.arg, c->body.data, c->body.len, signature);
	return true;
}

static void deliver_and_forget(const struct message *m)
{
	struct MHD_Connection c;

	(void)deliver(m, SIZE_MAX, &c);
	fake_connection_release(&c);
}

/* One that was thought lost, or was seen before, comes now. It may do so again. */
static void deliver_late(void)
{
	struct message *m = &way.late[sched_random(LATE_MAX)];

	if (!m->used || !way.trouble || sched_random(RETURN_ONE_IN))
		return;
	way.t->replayed++;
	m->used = false; /* while it is on its way */
	deliver_and_forget(m);
	if (sched_random(2))
		m->used = true;
	else
		message_release(m);
}

/* Kept, to come late. */
static void keep(struct message *m)
{
	struct message *at = &way.late[sched_random(LATE_MAX)];

	if (!at->used && at->body.len + at->headers.len > 0)
		return; /* on its way just now */
	message_release(at);
	*at = *m;
	at->used = true;
	*m = (struct message){ .headers = BUF_INIT, .body = BUF_INIT };
}

/* --- what becomes of a request */

/* Time goes by for who waits; he looks up once a second. */
static CURLcode wait(const struct sender *s, uint64_t ns)
{
	while (ns > 0) {
		const uint64_t part = ns < SECOND_NS ? ns : SECOND_NS;

		sched_sleep(part);
		ns -= part;
		if (s->asked && s->asked(s->asked_arg, 0, 0, 0, 0))
			return CURLE_ABORTED_BY_CALLBACK;
	}
	return CURLE_OK;
}

static CURLcode give_up(const struct sender *s)
{
	const CURLcode code = wait(s, SILENCE_S * SECOND_NS);

	return code == CURLE_OK ? CURLE_OPERATION_TIMEDOUT : code;
}

static CURLcode hand_over(struct sender *s, struct MHD_Connection *c)
{
	const char *at = (const char *)c->headers.data, *end = at + c->headers.len;

	s->status = (long)c->status;
	while (at < end) {
		const char *value = at + strlen(at) + 1;
		char line[400];
		const int len = snprintf(line, sizeof(line), "%s: %s\r\n", at, value);

		fake_must(len > 0 && (size_t)len < sizeof(line));
		if (s->header && s->header(line, 1, (size_t)len, s->header_arg) != (size_t)len)
			return CURLE_WRITE_ERROR;
		at = value + strlen(value) + 1;
	}
	if (c->body.len > 0 && s->write((char *)c->body.data, 1, c->body.len, s->write_arg) != c->body.len)
		return CURLE_WRITE_ERROR;
	return CURLE_OK;
}

enum trouble { LOST, LATE, BREAKS_OFF, TWICE, ANSWER_LOST, ANSWER_LATE, TROUBLES };

static CURLcode send_with(struct sender *s, struct message *m, enum trouble trouble, struct MHD_Connection *c)
{
	size_t cut = SIZE_MAX;

	if (trouble == LOST || trouble == LATE) {
		way.t->requests_lost++;
		if (trouble == LATE)
			keep(m);
		return give_up(s);
	}
	if (trouble == BREAKS_OFF && m->body.len > 0) {
		way.t->broken_off++;
		cut = sched_random(m->body.len);
	}
	if (trouble == TWICE) {
		way.t->doubled++;
		deliver_and_forget(m);
	}
	if (!deliver(m, cut, c)) {
		way.t->refused_connections++;
		return CURLE_COULDNT_CONNECT;
	}
	if (cut != SIZE_MAX || c->broken || !sim_power_is_on(way.node->sim))
		return CURLE_RECV_ERROR;
	if (trouble == ANSWER_LOST) {
		way.t->answers_lost++;
		keep(m); /* so that it comes again */
		return sched_random(2) ? CURLE_RECV_ERROR : give_up(s);
	}
	return CURLE_OK;
}

static CURLcode transfer(struct sender *s, struct message *m)
{
	const bool has = sched_random(100) < way.trouble;
	const enum trouble trouble = has ? (enum trouble)sched_random(TROUBLES) : TROUBLES;
	struct MHD_Connection c = { .body = BUF_INIT, .headers = BUF_INIT };
	CURLcode code = wait(s, 100000 + sched_random(2000000));

	deliver_late();
	if (code == CURLE_OK)
		code = send_with(s, m, trouble, &c);
	if (code == CURLE_OK && trouble == ANSWER_LATE) {
		way.t->delayed++;
		code = wait(s, sched_random(SILENCE_S * SECOND_NS));
	}
	if (code == CURLE_OK)
		code = hand_over(s, &c);
	fake_connection_release(&c);
	return code;
}

/* --- in place of libcurl */

CURL *curl_easy_init(void)
{
	return calloc(1, sizeof(struct sender));
}

void curl_easy_cleanup(CURL *curl)
{
	free(curl);
}

void curl_easy_reset(CURL *curl)
{
	*(struct sender *)curl = (struct sender){ .status = 0 };
}

CURLcode curl_easy_setopt(CURL *curl, CURLoption option, ...)
{
	struct sender *s = curl;
	va_list args;

	va_start(args, option);
	switch (option) {
	case CURLOPT_URL:
		(void)snprintf(s->url, sizeof(s->url), "%s", va_arg(args, const char *));
		break;
	case CURLOPT_CUSTOMREQUEST:
		(void)snprintf(s->method, sizeof(s->method), "%s", va_arg(args, const char *));
		break;
	case CURLOPT_HTTPHEADER:
		s->headers = va_arg(args, struct curl_slist *);
		break;
	case CURLOPT_POSTFIELDS:
		s->body = va_arg(args, const void *);
		break;
	case CURLOPT_POSTFIELDSIZE_LARGE:
		s->body_len = (size_t)va_arg(args, curl_off_t);
		break;
	case CURLOPT_WRITEFUNCTION:
		s->write = va_arg(args, curl_write_callback);
		break;
	case CURLOPT_WRITEDATA:
		s->write_arg = va_arg(args, void *);
		break;
	case CURLOPT_HEADERFUNCTION:
		s->header = va_arg(args, curl_write_callback);
		break;
	case CURLOPT_HEADERDATA:
		s->header_arg = va_arg(args, void *);
		break;
	case CURLOPT_XFERINFOFUNCTION:
		s->asked = va_arg(args, curl_xferinfo_callback);
		break;
	case CURLOPT_XFERINFODATA:
		s->asked_arg = va_arg(args, void *);
		break;
	default:
		break;
	}
	va_end(args);
	return CURLE_OK;
}

CURLcode curl_easy_getinfo(CURL *curl, CURLINFO info, ...)
{
	const struct sender *s = curl;
	va_list args;

	va_start(args, info);
	*va_arg(args, long *) = info == CURLINFO_RESPONSE_CODE ? s->status : 0;
	va_end(args);
	return CURLE_OK;
}

CURLcode curl_easy_perform(CURL *curl)
{
	struct sender *s = curl;
	struct message m;
	CURLcode code;

	message_make(&m, s);
	code = transfer(s, &m);
	message_release(&m);
	return code;
}
