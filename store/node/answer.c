/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/node/request.h"
#include "store/replica/about.h"
#include "store/replica/json.h"
#include "store/replica/receipt.h"

enum { READ_BLOCK_BYTES = 256 << 10 };

static const char no_memory[] = "{\"error\":\"the node cannot say what went wrong\",\"code\":\"failed\"}";

static void queue(struct request *q, unsigned status, struct MHD_Response *response, const char *type)
{
	q->answered = true;
	gate_go(q->service->gate, q->guest, GATE_ANSWER, 0);
	if (!response)
		return; /* the server closes the connection, which is all that can be said without memory */
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW,
					      q->route == ROUTE_VOLUME  ? "GET, PUT" :
					      q->route == ROUTE_SEGMENT ? "GET, POST" :
									  "GET");
	if (status == MHD_HTTP_SERVICE_UNAVAILABLE)
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, "1");
	(void)MHD_queue_response(q->connection, status, response);
	MHD_destroy_response(response);
}

/* libmicrohttpd reads what it copies from a pointer that is not const. */
static struct MHD_Response *copied_response(const void *text, size_t len)
{
	return MHD_create_response_from_buffer(len, (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
}

bool service_may_tell(struct service *s, struct journal_quota *of, char note[JOURNAL_NOTE_BYTES])
{
	bool may;

	(void)pthread_mutex_lock(&s->told_lock);
	may = journal_quota_take(of, s->os->monotonic_ns(s->os->state), note);
	(void)pthread_mutex_unlock(&s->told_lock);
	return may;
}

/* Whoever can reach the port can be refused as often as he likes: he sets no pace for the log. */
static void tell(struct request *q, unsigned status, const char *code, const char *words)
{
	struct service *s = q->service;
	char note[JOURNAL_NOTE_BYTES];

	if (service_may_tell(s, q->proved ? &s->of_known : &s->of_strangers, note))
		journal_line(status >= 500 ? LOG_ERR : LOG_WARNING, "%s%s %s: %u %s: %s", note, q->method,
			     q->target, status, code, words);
}

static void say(struct request *q, unsigned status, const char *code, const char *words, json_t *more)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	CLEANUP(json_decrefp) json_t *o = json_pack("{s:s,s:s}", "error", words, "code", code);

	counts_rejection(&q->service->counts, code);
	tell(q, status, code, words);
	if (o && more)
		(void)json_object_update(o, more);
	json_decref(more);
	if (!o || json_write(o, &text) < 0)
		queue(q, status, copied_response(no_memory, sizeof(no_memory) - 1), "application/json");
	else
		queue(q, status, copied_response(text.data, text.len), "application/json");
}

void answer_error(struct request *q, unsigned status, const char *code, const char *fmt, ...)
{
	char words[HF_ERROR_TEXT_BYTES], now[24];
	json_t *more = NULL;
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(words, sizeof(words), fmt, args);
	va_end(args);
	if (strcmp(code, "clock") == 0) {
		(void)snprintf(now, sizeof(now), "%" PRIu64, q->service->os->now_ns(q->service->os->state));
		more = json_pack("{s:s}", "node_time_ns", now);
	}
	say(q, status, code, words, more);
}

void answer_gap(struct request *q, unsigned status, const char *code, const struct log_point *point,
		const char *words)
{
	say(q, status, code, words,
	    json_pack("{s:I,s:I}", "segment", (json_int_t)point->end.segment, "offset",
		      (json_int_t)point->end.offset));
}

void answer_over_budget(struct request *q, uint64_t limit, uint64_t used, const char *words)
{
	char budget_bytes[24], used_bytes[24];

	(void)snprintf(budget_bytes, sizeof(budget_bytes), "%" PRIu64, limit);
	(void)snprintf(used_bytes, sizeof(used_bytes), "%" PRIu64, used);
	say(q, MHD_HTTP_INSUFFICIENT_STORAGE, "over_budget", words,
	    json_pack("{s:s,s:s}", "budget_bytes", budget_bytes, "used_bytes", used_bytes));
}

void answer_json(struct request *q, const struct buf *text)
{
	queue(q, MHD_HTTP_OK, copied_response(text->data, text->len), "application/json");
}

/* What a person may want to know of the node: PROTOCOL.md §3.4. */
static void add_about(struct request *q, struct volume *v, struct MHD_Response *response)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	const struct os *os = q->service->os;
	const char *version = hf_version(), *blank = strchr(version, ' ');
	struct about a = { .used_bytes = 0 };
	uint64_t total;

	(void)snprintf(a.software, sizeof(a.software), "%s", blank ? blank + 1 : version);
	if (budget_read(os, volume_dir(v), &a.budget_bytes, NULL) < 0)
		a.budget_bytes = 0; /* one that cannot be read allows nothing */
	if (budget_used(volume_budget(v), volume_shelf(v), &a.used_bytes, NULL, NULL) < 0 ||
	    os->free_bytes(os->state, q->service->dir, &a.free_bytes, &total) < 0)
		return;
	about_text(&a, &text);
	(void)buf_cstr(&text);
	if (buf_status(&text) == 0)
		(void)MHD_add_response_header(response, ABOUT_HEADER, (const char *)text.data);
}

static void queue_receipt(struct request *q, struct volume *v, bool with_about)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT, signature = BUF_INIT;
	struct MHD_Response *response;
	struct epoch_cert cert;
	struct receipt r;

	memset(&r, 0, sizeof(r));
	memcpy(r.node, signer_public(q->service->identity->receipt_key), PUBLIC_KEY_BYTES);
	memcpy(r.volume_id, volume_id(v), VOLUME_ID_BYTES);
	memcpy(r.nonce, q->params.nonce, sizeof(r.nonce));
	shelf_position(volume_shelf(v), &r.point);
	volume_newest_cert(v, &cert);
	r.enrolled_epoch = cert.epoch;
	r.node_time_ns = q->service->os->now_ns(q->service->os->state);
	if (receipt_make(&r, q->service->identity->receipt_key, &text, &signature) < 0) {
		answer_error(q, MHD_HTTP_INTERNAL_SERVER_ERROR, "failed", "no memory");
		return;
	}
	response = copied_response(text.data, text.len);
	if (response)
		(void)MHD_add_response_header(response, "Holdfast-Receipt", buf_cstr(&signature));
	meter_count(&q->service->counts.receipts, 1);
	if (response && with_about)
		add_about(q, v, response);
	queue(q, MHD_HTTP_OK, response, "application/json");
}

void answer_receipt(struct request *q, struct volume *v)
{
	queue_receipt(q, v, false);
}

void answer_position(struct request *q, struct volume *v)
{
	queue_receipt(q, v, true);
}

/* A part of a segment, read as it goes out: in blocks, since over TLS each read is a write of its own. */
struct part {
	const struct os *os;
	int fd;
	uint64_t from, len;
};

static ssize_t read_part(void *arg, uint64_t at, char *out, size_t max)
{
	const struct part *p = arg;
	ssize_t n;

	if (at >= p->len)
		return MHD_CONTENT_READER_END_OF_STREAM;
	n = p->os->pread(p->os->state, p->fd, out, max < p->len - at ? max : (size_t)(p->len - at),
			 p->from + at);
	return n > 0 ? n : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void free_part(void *arg)
{
	struct part *p = arg;

	(void)p->os->close(p->os->state, p->fd);
	free(p);
}

static struct MHD_Response *part_response(const struct os *os, int fd, uint64_t from, uint64_t len)
{
	struct part *p = malloc(sizeof(*p));
	struct MHD_Response *response;

	if (!p)
		return NULL;
	*p = (struct part){ os, fd, from, len };
	response = MHD_create_response_from_callback(len, READ_BLOCK_BYTES, read_part, p, free_part);
	if (!response)
		free(p);
	else if (os->read_ahead)
		os->read_ahead(os->state, fd, from, len);
	return response;
}

void answer_file(struct request *q, int fd, uint64_t from, uint64_t len, uint64_t size, bool whole)
{
	struct MHD_Response *response = part_response(q->service->os, fd, from, len);
	char range[80];

	if (!response) {
		(void)close(fd);
		answer_error(q, MHD_HTTP_INTERNAL_SERVER_ERROR, "failed", "no memory");
		return;
	}
	(void)snprintf(range, sizeof(range), "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, from, from + len - 1,
		       size);
	if (!whole)
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_RANGE, range);
	queue(q, whole ? MHD_HTTP_OK : MHD_HTTP_PARTIAL_CONTENT, response, "application/octet-stream");
	gate_go(q->service->gate, q->guest, GATE_ANSWER, len);
}
