/* SPDX-License-Identifier: MIT */
/*
 * Locking: `lock` protects clients and lingering; stop is atomic; all else is set before the thread starts. A
 * client's descriptor is closed by its own thread.
 */
#include "fs/cli/control_server.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "fs/cli/cli.h"
#include "fs/cli/control.h"
#include "fs/cli/output.h"
#include "fs/cli/progress.h"
#include "holdfast/op.h"

#define IDLE_MS 10000
#define REQUEST_BYTES 65536
#define PROGRESS_EVERY_SECONDS 0.1
#define LINGERING 32

struct control_server {
	struct hf_store *store;
	const char *mounted_on, *metrics;
	int fd;    /* listens */
	int dirfd; /* the store's folder, by which the socket is named */
	int wake;  /* eventfd: stop */
	pthread_t thread;
	atomic_bool stop;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int clients;   /* connections with a thread */
	int lingering; /* connections kept open until this process ends */
};

struct client {
	struct control_server *server;
	int fd;
	double told; /* when progress was last sent */
	size_t have; /* bytes in line */
	char line[REQUEST_BYTES];
};

static void tell_progress(void *arg, const char *what, uint64_t done, uint64_t total)
{
	struct client *c = arg;
	double now = progress_now();
	json_t *line;

	if (now - c->told < PROGRESS_EVERY_SECONDS)
		return;
	c->told = now;
	line = json_pack("{s:s, s:o, s:o}", "progress", what, "done", output_number(done), "total",
			 output_number(total));
	(void)control_send(c->fd, line); /* a client that has left is noticed by is_over, or at the answer */
	json_decref(line);
}

static void tell_found(void *arg, const char *what)
{
	struct client *c = arg;
	json_t *line = json_pack("{s:s}", "found", what);

	(void)control_send(c->fd, line);
	json_decref(line);
}

/* Nobody waits, or shall: the connection is closed at the other end, and not only for writing. */
static bool is_over(void *arg)
{
	const struct client *c = arg;
	struct pollfd p = { .fd = c->fd };

	return c->server->stop || (poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR)));
}

/*
 * However long the client takes, who may be a person reading page by page; but not longer than the store is
 * mounted. 0, or -1: it is gone, or it is time to stop.
 */
static int send_patiently(struct client *c, const void *data, size_t len)
{
	struct pollfd p[2] = { { .fd = c->fd, .events = POLLOUT },
			       { .fd = c->server->wake, .events = POLLIN } };
	const char *at = data;
	ssize_t n;

	while (len > 0) {
		if (c->server->stop)
			return -1;
		n = send(c->fd, at, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0) {
			at += n;
			len -= (size_t)n;
		} else if (errno != EINTR && errno != EAGAIN) {
			return -1;
		} else if (poll(p, 2, -1) < 0 && errno != EINTR) {
			return -1;
		}
	}
	return 0;
}

static int send_line_take(struct client *c, json_t *line)
{
	size_t len;
	char *text = line ? control_line(line, &len) : NULL;
	int r = text ? send_patiently(c, text, len) : -1;

	free(text);
	json_decref(line);
	return r;
}

static int tell_row(void *arg, const json_t *row)
{
	return send_line_take(arg, json_pack("{s:O}", "row", row));
}

static int tell_data(void *arg, const void *data, size_t len)
{
	int r = send_line_take(arg, json_pack("{s:o}", "data", output_number(len)));

	return r == 0 ? send_patiently(arg, data, len) : r;
}

/* Keep the connection until the process ends. The client's thread goes; nothing closes fd but the kernel. */
static bool linger(struct client *c)
{
	struct control_server *s = c->server;
	bool kept;

	pthread_mutex_lock(&s->lock);
	kept = s->lingering < LINGERING;
	s->lingering += kept;
	pthread_mutex_unlock(&s->lock);
	return kept;
}

/* Answer one request. Returns false when the connection is over; *ret_keep: and shall stay open. */
static bool answer_request(struct client *c, const json_t *request, bool *ret_keep)
{
	struct control_server *s = c->server;
	struct operation_listener listener = { .progress = { tell_progress, c },
					       .found = tell_found,
					       .row = tell_row,
					       .data = tell_data,
					       .stopped = is_over,
					       .arg = c };
	struct hf_error err = HF_ERROR_INIT;
	json_t *answer, *line;
	int r;

	if (!strcmp(output_get_text(request, "do"), "linger")) {
		*ret_keep = linger(c);
		answer = json_object();
	} else {
		answer = operation_do(s->store, request, &listener, &err);
	}
	if (answer && !strcmp(output_get_text(request, "do"), "status")) {
		json_object_set_new(answer, "mounted_on", json_string(s->mounted_on));
		json_object_set_new(answer, "pid", json_integer(getpid()));
		json_object_set_new(answer, "metrics", *s->metrics ? json_string(s->metrics) : json_null());
	}
	if (answer)
		line = json_pack("{s:b, s:o}", "ok", 1, "answer", answer);
	else
		line = json_pack("{s:b, s:i, s:s}", "ok", 0, "code", err.code, "error",
				 err.text[0] ? err.text : hf_strerror(err.code));
	r = control_send(c->fd, line);
	json_decref(line);
	return r == 0 && !*ret_keep;
}

/* The next line, without its end; NULL when the client left, was silent for too long, or says too much at
 * once. */
static json_t *read_request(struct client *c)
{
	struct pollfd p[2] = { { .fd = c->fd, .events = POLLIN },
			       { .fd = c->server->wake, .events = POLLIN } };
	json_t *request;
	char *end;
	ssize_t n;

	while (!(end = memchr(c->line, '\n', c->have))) {
		if (c->have == sizeof(c->line) || c->server->stop)
			return NULL;
		if (poll(p, 2, IDLE_MS) <= 0 || !p[0].revents)
			return NULL;
		n = recv(c->fd, c->line + c->have, sizeof(c->line) - c->have, 0);
		if (n <= 0)
			return NULL;
		c->have += (size_t)n;
	}
	request = json_loadb(c->line, (size_t)(end - c->line), 0, NULL);
	c->have -= (size_t)(end + 1 - c->line);
	memmove(c->line, end + 1, c->have);
	return request;
}

/* And on whose behalf this thread then works. */
static bool is_allowed(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0 ||
	    (peer.uid != 0 && peer.uid != geteuid()))
		return false;
	hf_act_for(peer.uid);
	return true;
}

static void *client_main(void *arg)
{
	struct client *c = arg;
	struct control_server *s = c->server;
	json_t *request;
	bool keep = false, more = is_allowed(c->fd);

	while (more && (request = read_request(c))) {
		more = answer_request(c, request, &keep);
		json_decref(request);
	}
	if (!keep)
		close(c->fd);
	free(c);
	pthread_mutex_lock(&s->lock);
	s->clients--;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static void serve_client(struct control_server *s, int fd)
{
	struct timeval patience = { .tv_sec = IDLE_MS / 1000 };
	struct client *c = calloc(1, sizeof(*c));
	pthread_attr_t attr;
	pthread_t thread;
	int r = -ENOMEM;

	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (c) {
		*c = (struct client){ .server = s, .fd = fd };
		pthread_mutex_lock(&s->lock);
		s->clients++;
		pthread_mutex_unlock(&s->lock);
		pthread_attr_init(&attr);
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
		r = -pthread_create(&thread, &attr, client_main, c);
		pthread_attr_destroy(&attr);
		if (r < 0) {
			pthread_mutex_lock(&s->lock);
			s->clients--;
			pthread_mutex_unlock(&s->lock);
		}
	}
	if (r < 0) {
		close(fd);
		free(c);
	}
}

static void *server_main(void *arg)
{
	struct control_server *s = arg;
	struct pollfd p[2] = { { .fd = s->fd, .events = POLLIN }, { .fd = s->wake, .events = POLLIN } };
	int fd;

	pthread_setname_np(pthread_self(), "control");
	while (!s->stop) {
		pthread_mutex_lock(&s->lock);
		while (s->clients >= CONTROL_CLIENTS && !s->stop)
			pthread_cond_wait(&s->changed, &s->lock);
		pthread_mutex_unlock(&s->lock);
		if (s->stop || poll(p, 2, -1) < 0 || !p[0].revents)
			continue;
		fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			serve_client(s, fd);
	}
	return NULL;
}

static int listen_at(struct control_server *s, struct hf_error *err)
{
	const char *path = hf_store_path(s->store);
	struct sockaddr_un address;
	int r = control_address(path, &address, &s->dirfd);

	if (r < 0)
		return hf_error_set(err, r, "%s: %s", path, strerror(-r));
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->fd < 0 || s->wake < 0)
		return hf_error_set(err, -errno, "control socket: %s", strerror(errno));
	/* We hold the store's lock: whoever made it is dead. */
	if (unlink(address.sun_path) < 0 && errno != ENOENT)
		return hf_error_set(err, -errno, "%s/socket: %s", path, strerror(errno));
	/* Nobody can connect before listen. */
	if (bind(s->fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    chmod(address.sun_path, 0600) < 0 || listen(s->fd, CONTROL_CLIENTS) < 0)
		return hf_error_set(err, -errno, "%s/socket: %s", path, strerror(errno));
	return 0;
}

static void release(struct control_server *s)
{
	if (s->fd >= 0)
		close(s->fd);
	if (s->wake >= 0)
		close(s->wake);
	if (s->dirfd >= 0)
		close(s->dirfd);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

int control_server_start(struct hf_store *store, const char *mounted_on, const char *metrics,
			 struct control_server **ret, struct hf_error *err)
{
	struct control_server *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return hf_error_set(err, -ENOMEM, "no memory");
	s->store = store;
	s->mounted_on = mounted_on;
	s->metrics = metrics;
	s->fd = s->wake = s->dirfd = -1;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	r = listen_at(s, err);
	if (r == 0) {
		r = -pthread_create(&s->thread, NULL, server_main, s);
		if (r < 0)
			hf_error_set(err, r, "control socket: no thread: %s", strerror(-r));
	}
	if (r < 0) {
		release(s);
		return r;
	}
	*ret = s;
	return 0;
}

void control_server_stop(struct control_server *s)
{
	uint64_t one = 1;

	if (!s)
		return;
	s->stop = true;
	while (write(s->wake, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	pthread_mutex_lock(&s->lock);
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	pthread_mutex_lock(&s->lock);
	while (s->clients > 0)
		pthread_cond_wait(&s->changed, &s->lock);
	pthread_mutex_unlock(&s->lock);
	(void)unlinkat(s->dirfd, "socket", 0);
	release(s);
}
