/* SPDX-License-Identifier: MIT */
/*
 * libmicrohttpd is run by a thread of our own, so that between two of its rounds somebody can look at the
 * clock. Nothing here has a lock: but for `stop` and the descriptor that wakes it, all is that thread's.
 */
#include "fs/web/scrape.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <bsd/sys/queue.h>

#include "fs/web/host.h"
#include "fs/web/listen.h"
#include "fs/web/reply.h"

enum { SPARE = 16 }; /* connections that were cut off take a round to leave */

struct guest {
	TAILQ_ENTRY(guest) in_list;
	int fd;
	uint64_t until_ns; /* monotonic */
	bool cut;
};

struct scrape {
	struct scrape_options o; /* immutable, as all up to the thread */
	struct sockaddr_storage address;
	char address_text[SCRAPE_ADDRESS_BYTES];
	struct MHD_Daemon *server;
	int epoll, wake;
	pthread_t thread;
	bool has_thread;
	atomic_bool stop;

	TAILQ_HEAD(, guest) guests; /* the oldest first */
	unsigned n_guests;          /* without those that are cut off */
	char *text;
	size_t text_len;
	uint64_t made_ns; /* 0: none was */
};

static uint64_t now_ns(void)
{
	struct timespec now = { 0, 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* --- who is there */

static void cut(struct scrape *s, struct guest *g)
{
	g->cut = true;
	s->n_guests--;
	(void)shutdown(g->fd, SHUT_RDWR); /* the next round lets go of it */
}

static void make_room(struct scrape *s)
{
	struct guest *g;

	TAILQ_FOREACH(g, &s->guests, in_list) {
		if (!g->cut) {
			cut(s, g);
			return;
		}
	}
}

/* How long the next one still has, in ms; -1: nobody is there. */
static int cut_late(struct scrape *s)
{
	uint64_t now = now_ns();
	struct guest *g;

	TAILQ_FOREACH(g, &s->guests, in_list) {
		if (g->cut)
			continue;
		if (g->until_ns > now)
			return (int)((g->until_ns - now) / 1000000u) + 1;
		cut(s, g);
	}
	return -1;
}

static void enter(struct scrape *s, struct MHD_Connection *connection, void **guest)
{
	const union MHD_ConnectionInfo *fd =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct guest *g = calloc(1, sizeof(*g));

	if (!g) {
		(void)shutdown(fd->connect_fd, SHUT_RDWR);
		return;
	}
	g->fd = fd->connect_fd;
	g->until_ns = now_ns() + s->o.deadline_ms * UINT64_C(1000000);
	TAILQ_INSERT_TAIL(&s->guests, g, in_list);
	if (++s->n_guests > SCRAPE_GUESTS_MAX)
		make_room(s);
	*guest = g;
}

static void on_connection(void *arg, struct MHD_Connection *connection, void **guest,
			  enum MHD_ConnectionNotificationCode what)
{
	struct scrape *s = arg;
	struct guest *g = *guest;

	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		enter(s, connection, guest);
	} else if (g) {
		s->n_guests -= !g->cut;
		TAILQ_REMOVE(&s->guests, g, in_list);
		free(g);
		*guest = NULL;
	}
}

/* --- what is asked */

/* What was made a moment ago will do. */
static bool have_text(struct scrape *s)
{
	uint64_t now = now_ns();
	size_t len = 0;
	char *text;

	if (s->made_ns && now - s->made_ns < SCRAPE_FRESH_MS * UINT64_C(1000000))
		return true;
	text = s->o.text(s->o.arg, &len);
	if (!text)
		return false;
	free(s->text);
	s->text = text;
	s->text_len = len;
	s->made_ns = now_ns();
	return true;
}

static enum MHD_Result answer(struct MHD_Connection *c, unsigned status, const char *type, const char *text,
			      size_t len)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(len, (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);

	if (response && status == MHD_HTTP_METHOD_NOT_ALLOWED)
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	if (response)
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	return reply_response(c, status, response, type, REPLY_PLAIN_POLICY);
}

static enum MHD_Result words(struct MHD_Connection *c, unsigned status, const char *text)
{
	return answer(c, status, "text/plain; charset=utf-8", text, strlen(text));
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *path,
				  const char *method, const char *version, const char *data, size_t *len,
				  void **request)
{
	struct scrape *s = arg;

	(void)version;
	(void)data;
	*len = 0;
	*request = s;
	if (!listen_is_meant(connection))
		return words(connection, MHD_HTTP_MISDIRECTED_REQUEST,
			     "This server answers to its own address only.\n");
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return words(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "Here one can only look.\n");
	if (strcmp(path, s->o.path) != 0)
		return words(connection, MHD_HTTP_NOT_FOUND, "There is nothing here but /metrics.\n");
	if (!have_text(s))
		return words(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "There is no memory for that.\n");
	return answer(connection, MHD_HTTP_OK, s->o.type, s->text, s->text_len);
}

/* --- the thread */

static int shorter(int a_ms, int b_ms)
{
	if (a_ms < 0 || b_ms < 0)
		return a_ms < 0 ? b_ms : a_ms;
	return a_ms < b_ms ? a_ms : b_ms;
}

static void *run(void *arg)
{
	struct scrape *s = arg;
	struct pollfd p[2] = { { .fd = s->epoll, .events = POLLIN }, { .fd = s->wake, .events = POLLIN } };

	(void)pthread_setname_np(pthread_self(), "metrics");
	while (!atomic_load(&s->stop)) {
		unsigned long long wish_ms = 0;
		int ms = cut_late(s);

		if (MHD_get_timeout(s->server, &wish_ms) == MHD_YES)
			ms = shorter(ms, wish_ms < INT32_MAX ? (int)wish_ms : INT32_MAX);
		(void)poll(p, 2, ms);
		if (!atomic_load(&s->stop))
			(void)MHD_run(s->server);
	}
	return NULL;
}

/* --- life */

static int start_server(struct scrape *s, int listener, struct hf_error *err)
{
	const union MHD_DaemonInfo *info;

	/* clang-format off */
	s->server = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, s,
		MHD_OPTION_LISTEN_SOCKET, listener,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)(SCRAPE_GUESTS_MAX + SPARE),
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)SCRAPE_MEMORY_BYTES,
		MHD_OPTION_END);
	/* clang-format on */
	if (!s->server) {
		(void)close(listener);
		return hf_error_set(err, -EIO, "cannot serve at %s: no memory", s->address_text);
	}
	info = MHD_get_daemon_info(s->server, MHD_DAEMON_INFO_EPOLL_FD);
	s->epoll = info ? info->epoll_fd : -1;
	if (s->epoll < 0)
		return hf_error_set(err, -EIO, "cannot serve at %s: libmicrohttpd has no epoll",
				    s->address_text);
	return 0;
}

static int start_thread(struct scrape *s, struct hf_error *err)
{
	int r;

	s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->wake < 0)
		return hf_error_set(err, -errno, "cannot serve at %s: %s", s->address_text, strerror(errno));
	r = -pthread_create(&s->thread, NULL, run, s);
	s->has_thread = r == 0;
	return r < 0 ? hf_error_set(err, r, "cannot serve at %s: no thread: %s", s->address_text,
				    strerror(-r)) :
		       0;
}

int scrape_start(const struct scrape_options *o, struct scrape **ret, struct hf_error *err)
{
	struct scrape *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return hf_error_set(err, -ENOMEM, "no memory");
	s->o = *o;
	s->o.listen_at = NULL;
	if (!s->o.deadline_ms)
		s->o.deadline_ms = SCRAPE_DEADLINE_MS;
	s->wake = -1;
	TAILQ_INIT(&s->guests);
	r = listen_open(o->listen_at, SCRAPE_GUESTS_MAX, &s->address, err);
	if (r >= 0) {
		host_format(&s->address, s->address_text, sizeof(s->address_text));
		r = start_server(s, r, err);
	}
	if (r == 0)
		r = start_thread(s, err);
	if (r < 0) {
		scrape_stop(s);
		return r;
	}
	*ret = s;
	return 0;
}

const char *scrape_address(const struct scrape *s)
{
	return s->address_text;
}

bool scrape_is_reachable(const struct scrape *s)
{
	return !host_is_loopback(&s->address);
}

void scrape_stop(struct scrape *s)
{
	uint64_t one = 1;

	if (!s)
		return;
	atomic_store(&s->stop, true);
	while (s->wake >= 0 && write(s->wake, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	if (s->has_thread)
		(void)pthread_join(s->thread, NULL);
	if (s->server)
		MHD_stop_daemon(s->server);
	if (s->wake >= 0)
		(void)close(s->wake);
	free(s->text);
	free(s);
}
