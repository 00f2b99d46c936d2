/* SPDX-License-Identifier: MIT */
/*
 * In place of libmicrohttpd, for a test program that is a node and its network at once: the server is never
 * one, and fake_deliver hands it a request as the library does. For one source file of a program; what the
 * node answers is kept with the connection.
 */
#ifndef TESTS_SIM_FAKE_SERVER_H
#define TESTS_SIM_FAKE_SERVER_H

#include <arpa/inet.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "store/base/buf.h"

enum { FAKE_HEADERS_MAX = 24 };

static void fake_must(bool ok)
{
	if (!ok)
		abort();
}

struct MHD_Daemon {
	MHD_AccessHandlerCallback handler;
	void *handler_arg;
	void *(*on_target)(void *arg, const char *target, struct MHD_Connection *connection);
	void *on_target_arg;
	MHD_RequestCompletedCallback on_completed;
	void *on_completed_arg;
	MHD_NotifyConnectionCallback on_connection;
	void *on_connection_arg;
	bool listening;
	atomic_uint inside; /* connections */
};

struct MHD_Response {
	size_t len;
	MHD_ContentReaderCallback read;
	MHD_ContentReaderFreeCallback free;
	void *arg;
	struct buf body, headers; /* headers: names and values, each with its NUL */
};

struct MHD_Connection {
	const char *names[FAKE_HEADERS_MAX], *values[FAKE_HEADERS_MAX];
	size_t n;
	unsigned answers, status;
	struct buf body, headers; /* of the answer, as above; empty when a part of it could not be read */
	bool broken;              /* such a part */
	void *guest;              /* the node's own */
};

static struct MHD_Daemon fake_server;

struct MHD_Daemon *MHD_start_daemon(unsigned flags, uint16_t port, MHD_AcceptPolicyCallback apc,
				    void *apc_arg, MHD_AccessHandlerCallback handler, void *handler_arg, ...)
{
	va_list args;

	(void)flags;
	(void)port;
	(void)apc;
	(void)apc_arg;
	fake_server.handler = handler;
	fake_server.handler_arg = handler_arg;
	va_start(args, handler_arg);
	for (;;) {
		enum MHD_OPTION option = va_arg(args, enum MHD_OPTION);
		void *one;

		if (option == MHD_OPTION_END)
			break;
		one = va_arg(args, void *); /* an int takes as much */
		switch (option) {
		case MHD_OPTION_URI_LOG_CALLBACK:
			fake_server.on_target = (void *(*)(void *, const char *, struct MHD_Connection *))one;
			fake_server.on_target_arg = va_arg(args, void *);
			break;
		case MHD_OPTION_NOTIFY_COMPLETED:
			fake_server.on_completed = (MHD_RequestCompletedCallback)one;
			fake_server.on_completed_arg = va_arg(args, void *);
			break;
		case MHD_OPTION_NOTIFY_CONNECTION:
			fake_server.on_connection = (MHD_NotifyConnectionCallback)one;
			fake_server.on_connection_arg = va_arg(args, void *);
			break;
		case MHD_OPTION_EXTERNAL_LOGGER:
		case MHD_OPTION_UNESCAPE_CALLBACK:
			(void)va_arg(args, void *);
			break;
		default:
			break;
		}
	}
	va_end(args);
	fake_server.listening = true;
	return &fake_server;
}

MHD_socket MHD_quiesce_daemon(struct MHD_Daemon *d)
{
	d->listening = false;
	return MHD_INVALID_SOCKET;
}

void MHD_stop_daemon(struct MHD_Daemon *d)
{
	const struct timespec pause = { 0, 1000000 };

	d->listening = false;
	while (atomic_load(&d->inside) > 0)
		(void)nanosleep(&pause, NULL);
}

const char *MHD_lookup_connection_value(struct MHD_Connection *c, enum MHD_ValueKind kind, const char *key)
{
	(void)kind;
	for (size_t i = 0; i < c->n; i++)
		if (strcasecmp(c->names[i], key) == 0)
			return c->values[i];
	return NULL;
}

int MHD_get_connection_values(struct MHD_Connection *c, enum MHD_ValueKind kind, MHD_KeyValueIterator each,
			      void *arg)
{
	for (size_t i = 0; each && i < c->n; i++)
		if (each(arg, kind, c->names[i], c->values[i]) != MHD_YES)
			break;
	return (int)c->n;
}

const union MHD_ConnectionInfo *MHD_get_connection_info(struct MHD_Connection *c,
							enum MHD_ConnectionInfoType what, ...)
{
	static struct sockaddr_in address = { .sin_family = AF_INET };
	static union MHD_ConnectionInfo info;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	memset(&info, 0, sizeof(info));
	switch (what) {
	case MHD_CONNECTION_INFO_CLIENT_ADDRESS:
		info.client_addr = (struct sockaddr *)&address;
		break;
	case MHD_CONNECTION_INFO_CONNECTION_FD:
		info.connect_fd = -1;
		break;
	case MHD_CONNECTION_INFO_SOCKET_CONTEXT:
		info.socket_context = c->guest;
		break;
	case MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE:
		for (size_t i = 0; i < c->n; i++)
			info.header_size += strlen(c->names[i]) + strlen(c->values[i]) + 4;
		break;
	default:
		return NULL;
	}
	return &info;
}

static struct MHD_Response *fake_response(size_t len)
{
	struct MHD_Response *r = malloc(sizeof(*r));

	fake_must(r != NULL);
	*r = (struct MHD_Response){ .len = len, .body = BUF_INIT, .headers = BUF_INIT };
	return r;
}

struct MHD_Response *MHD_create_response_from_buffer(size_t len, void *data, enum MHD_ResponseMemoryMode mode)
{
	struct MHD_Response *r = fake_response(len);

	fake_must(mode == MHD_RESPMEM_MUST_COPY || mode == MHD_RESPMEM_PERSISTENT);
	buf_add(&r->body, data, len);
	fake_must(buf_status(&r->body) == 0);
	return r;
}

struct MHD_Response *MHD_create_response_from_callback(uint64_t len, size_t block,
						       MHD_ContentReaderCallback read, void *arg,
						       MHD_ContentReaderFreeCallback release)
{
	struct MHD_Response *r = fake_response((size_t)len);

	fake_must(len > 0 && block > 0);
	r->read = read;
	r->free = release;
	r->arg = arg;
	return r;
}

/* As much as was promised, and no more; or the reader says that it cannot. */
static bool fake_read_response(struct MHD_Response *r)
{
	char block[4096];

	for (size_t at = 0; r->read && at < r->len;) {
		size_t want = r->len - at < sizeof(block) ? r->len - at : sizeof(block);
		ssize_t n = r->read(r->arg, at, block, want);

		if (n == MHD_CONTENT_READER_END_WITH_ERROR)
			return false;
		fake_must(n > 0 && (size_t)n <= want);
		buf_add(&r->body, block, (size_t)n);
		at += (size_t)n;
	}
	fake_must(buf_status(&r->body) == 0);
	return true;
}

enum MHD_Result MHD_add_response_header(struct MHD_Response *r, const char *name, const char *value)
{
	fake_must(!strpbrk(name, "\r\n") && !strpbrk(value, "\r\n"));
	buf_add(&r->headers, name, strlen(name) + 1);
	buf_add(&r->headers, value, strlen(value) + 1);
	return MHD_YES;
}

enum MHD_Result MHD_queue_response(struct MHD_Connection *c, unsigned status, struct MHD_Response *r)
{
	fake_must(r && status >= 200 && status < 600);
	c->broken = !fake_read_response(r);
	if (!c->broken) {
		buf_swap(&c->body, &r->body);
		buf_swap(&c->headers, &r->headers);
	}
	c->answers++;
	c->status = status;
	return MHD_YES;
}

void MHD_destroy_response(struct MHD_Response *r)
{
	if (r->free)
		r->free(r->arg);
	buf_release(&r->body);
	buf_release(&r->headers);
	free(r);
}

/* --- what the network does */

static void fake_add_header(struct MHD_Connection *c, const char *name, const char *value)
{
	if (c->n == FAKE_HEADERS_MAX)
		return;
	c->names[c->n] = name;
	c->values[c->n++] = value;
}

static void fake_connection_release(struct MHD_Connection *c)
{
	buf_release(&c->body);
	buf_release(&c->headers);
}

/* Is there a node that a connection can be made to? */
static bool fake_is_listening(void)
{
	return fake_server.listening;
}

/*
 * A connection to a node that listens, with one request, as the library hands it on: the body in two parts,
 * then none. With `cut` it breaks off after so many bytes of the body, and there is no answer.
 */
static void fake_deliver(struct MHD_Connection *c, const char *method, const char *target, const void *body,
			 size_t len, size_t cut)
{
	struct MHD_Daemon *s = &fake_server;
	const size_t end = cut < len ? cut : len, half = end / 2;
	size_t zero = 0, left;
	void *request;

	(void)atomic_fetch_add(&s->inside, 1);
	if (s->on_connection)
		s->on_connection(s->on_connection_arg, c, &c->guest, MHD_CONNECTION_NOTIFY_STARTED);
	request = s->on_target(s->on_target_arg, target, c);
	fake_must(request != NULL);
	fake_must(s->handler(s->handler_arg, c, target, method, "HTTP/1.1", NULL, &zero, &request) ==
		  MHD_YES);
	for (size_t at = 0; at < end && c->answers == 0; at += left) {
		size_t part = left = at < half ? half : end - at;

		fake_must(s->handler(s->handler_arg, c, target, method, "HTTP/1.1", (const char *)body + at,
				     &part, &request) == MHD_YES);
		fake_must(part == 0);
	}
	if (cut >= len && c->answers == 0)
		fake_must(s->handler(s->handler_arg, c, target, method, "HTTP/1.1", NULL, &zero, &request) ==
			  MHD_YES);
	fake_must(cut < len || c->answers == 1); /* one answer, whatever it was */
	s->on_completed(s->on_completed_arg, c, &request,
			cut < len ? MHD_REQUEST_TERMINATED_WITH_ERROR : MHD_REQUEST_TERMINATED_COMPLETED_OK);
	if (s->on_connection)
		s->on_connection(s->on_connection_arg, c, &c->guest, MHD_CONNECTION_NOTIFY_CLOSED);
	(void)atomic_fetch_sub(&s->inside, 1);
}

#endif
