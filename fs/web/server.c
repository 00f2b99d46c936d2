/* SPDX-License-Identifier: MIT */
/* The page's server: a thread a connection, with limits on all that a stranger can ask for. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fs/web/host.h"
#include "fs/web/listen.h"
#include "fs/web/request.h"

enum {
	CONNECTIONS_MAX = 48,
	CONNECTION_MEMORY_BYTES = 128 << 10, /* with it, how long a path may be */
};

struct web {
	struct web_service service;
	struct sockaddr_storage address;
	struct MHD_Daemon *server;
	int listener; /* until the server has it */
};

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *path,
				  const char *method, const char *version, const char *data, size_t *len,
				  void **request)
{
	const struct web *web = arg;

	(void)version;
	if (*request)
		return request_go(*request, data, len);
	*request = request_begin(&web->service, connection, method, path);
	return *request ? MHD_YES : MHD_NO;
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **request,
			 enum MHD_RequestTerminationCode how)
{
	(void)arg;
	(void)connection;
	(void)how;
	request_end(*request);
	*request = NULL;
}

static int start_server(struct web *web, struct hf_error *err)
{
	const unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_ITC;

	/* clang-format off */
	web->server = MHD_start_daemon(flags, 0, NULL, NULL, on_request, web,
		MHD_OPTION_LISTEN_SOCKET, web->listener,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)REQUEST_SILENCE_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY_BYTES,
		MHD_OPTION_END);
	/* clang-format on */
	if (!web->server)
		return hf_error_set(err, -EIO, "cannot start the page's server: no threads, or no memory");
	web->listener = -1;
	return 0;
}

int web_start(const char *listen_at, web_ask_fn *ask, void *arg, struct web **ret, struct hf_error *err)
{
	struct web *web = calloc(1, sizeof(*web));
	int r;

	if (!web)
		return hf_error_set(err, -ENOMEM, "no memory");
	web->listener = -1;
	web->service = (struct web_service){ .sessions = sessions_new(), .ask = ask, .arg = arg };
	r = web->service.sessions ? listen_open(listen_at, CONNECTIONS_MAX, &web->address, err) :
				    hf_error_set(err, -ENOMEM, "no memory");
	if (r >= 0) {
		web->listener = r;
		r = start_server(web, err);
	}
	if (r < 0) {
		web_stop(web);
		return r;
	}
	*ret = web;
	return 0;
}

int web_link(struct web *web, char ret[WEB_LINK_BYTES], struct hf_error *err)
{
	char key[SESSIONS_KEY_BYTES], host[80];
	struct timespec now = { 0, 0 };

	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	if (sessions_link(web->service.sessions, (uint64_t)now.tv_sec, key) < 0)
		return hf_error_set(err, -EIO, "the system gives no random bytes");
	host_format(&web->address, host, sizeof(host));
	(void)snprintf(ret, WEB_LINK_BYTES, "http://%s/open/%s", host, key);
	return 0;
}

bool web_is_reachable(const struct web *web)
{
	return !host_is_loopback(&web->address);
}

void web_stop(struct web *web)
{
	if (!web)
		return;
	if (web->server)
		MHD_stop_daemon(web->server);
	if (web->listener >= 0)
		(void)close(web->listener);
	sessions_free(web->service.sessions);
	free(web);
}
